/* SPDX-License-Identifier: MIT
 *
 * Distributions from JSON: {"name": CLASS, "attributes": {…}} with Optuna's classes of today and of old, and the short form
 * {"type": "float" | "int" | "categorical", …}.
 *
 * Failure modes: anything that is none of these, with the parameter's and the attribute's name in the message.
 */
#include "cli/dist_json.h"

#include "base/err.h"
#include "base/num.h"

#include <math.h>

/* What a form of distribution may have. */
struct form {
    const char *name; /* class or type */
    enum tl_dist_kind kind;
    bool log; /* always */
    bool takes_log;
    const char *step; /* name of the attribute for the step, NULL for none */
};
static const struct form classes[] = {
    {"FloatDistribution", TL_DIST_FLOAT, false, true, "step"},
    {"IntDistribution", TL_DIST_INT, false, true, "step"},
    {"CategoricalDistribution", TL_DIST_CATEGORICAL, false, false, NULL},
    {"UniformDistribution", TL_DIST_FLOAT, false, false, NULL},
    {"LogUniformDistribution", TL_DIST_FLOAT, true, false, NULL},
    {"DiscreteUniformDistribution", TL_DIST_FLOAT, false, false, "q"},
    {"IntUniformDistribution", TL_DIST_INT, false, false, "step"},
    {"IntLogUniformDistribution", TL_DIST_INT, true, false, "step"},
};
static const struct form types[] = {
    {"float", TL_DIST_FLOAT, false, true, "step"},
    {"int", TL_DIST_INT, false, true, "step"},
    {"categorical", TL_DIST_CATEGORICAL, false, false, NULL},
};

struct reading {
    struct cli *c;
    struct nodes *ns;
    const char *what; /* option */
    const char *name; /* parameter */
};

static int bad(const struct reading *r, const char *fmt, const char *detail)
{
    struct tl_err err = TL_ERR_INIT;
    err_set(&err, TL_EINVAL, fmt, detail);
    return cli_error(r->c, TL_EINVAL, "--%s: parameter '%s': %s", r->what, r->name, err.message);
}

static const struct form *find_form(const struct form *forms, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(name, str_of(forms[i].name))) {
            return &forms[i];
        }
    }
    return NULL;
}

static int read_number(const struct reading *r, const struct node *n, const char *attribute, bool whole,
                       double *out)
{
    double v = NAN;
    if (n && n->kind == NODE_FLOAT) {
        v = n->u.f;
    } else if (n && n->kind == NODE_INT && !cli_parse_number(n->u.text, &v)) {
        v = NAN;
    }
    if (!n) {
        return bad(r, "'%s' is missing", attribute);
    }
    if (!isfinite(v)) {
        return bad(r, "'%s' must be a finite number", attribute);
    }
    if (whole && v != floor(v)) {
        return bad(r, "'%s' must be a whole number", attribute);
    }
    *out = v;
    return 0;
}

static int read_choices(const struct reading *r, const struct node *list, struct tl_dist *d)
{
    if (!list || list->kind != NODE_LIST || list->u.kids.n == 0) {
        return bad(r, "'%s' must be a list with at least one value", "choices");
    }
    struct tl_value *choices = arena_alloc(&r->ns->arena, list->u.kids.n * sizeof *choices);
    if (!choices) {
        return cli_nomem(r->c);
    }
    d->choices = choices;
    for (const struct node *n = list->u.kids.first; n; n = n->next) {
        node_to_value(r->ns, n, &choices[d->n_choices++]);
    }
    return r->ns->failed ? cli_nomem(r->c) : 0;
}

/* Only attributes of the form may stand there. */
static int check_names(const struct reading *r, const struct form *f, const struct node *attributes, bool type)
{
    for (const struct node *n = attributes->u.kids.first; n; n = n->next) {
        bool range = str_eq(n->key, STR("low")) || str_eq(n->key, STR("high"));
        bool known = f->kind == TL_DIST_CATEGORICAL ? str_eq(n->key, STR("choices"))
                                                    : range || (f->takes_log && str_eq(n->key, STR("log"))) ||
                                                          (f->step && str_eq(n->key, str_of(f->step)));
        if (!known && !(type && str_eq(n->key, STR("type")))) {
            return bad(r, "unknown attribute '%s'", node_keep(r->ns, n->key));
        }
    }
    return 0;
}

static int read_attributes(const struct reading *r, const struct form *f, const struct node *attributes,
                           struct tl_dist *d)
{
    bool whole = f->kind == TL_DIST_INT;
    const struct node *log = node_get(attributes, "log"),
                      *step = f->step ? node_get(attributes, f->step) : NULL;
    *d = (struct tl_dist){.kind = f->kind, .log = f->log, .step = whole ? 1 : 0};
    if (f->kind == TL_DIST_CATEGORICAL) {
        return read_choices(r, node_get(attributes, "choices"), d);
    }
    int status = read_number(r, node_get(attributes, "low"), "low", whole, &d->low);
    status = status ? status : read_number(r, node_get(attributes, "high"), "high", whole, &d->high);
    if (status == 0 && step && step->kind != NODE_NONE) {
        status = read_number(r, step, f->step, whole, &d->step);
        if (status == 0 && !(d->step > 0)) {
            status = bad(r, "'%s' must be above 0", f->step);
        }
    }
    if (status == 0 && log && log->kind != NODE_BOOL) {
        status = bad(r, "'%s' must be true or false", "log");
    } else if (status == 0 && log) {
        d->log = log->u.b;
    }
    return status;
}

static const char *named(const struct reading *r, const struct node *n)
{
    const char *text = n->kind == NODE_STRING ? node_keep(r->ns, n->u.text) : NULL;
    return text ? text : "?";
}

static int read_dist(const struct reading *r, const struct node *n, struct tl_dist *d)
{
    const struct node *name = node_get(n, "name"), *type = node_get(n, "type"), *attributes = n;
    const struct form *f = NULL;
    struct tl_err err = TL_ERR_INIT;
    bool adjusted = false;
    if (n->kind != NODE_DICT) {
        return bad(r, "a distribution is an object such as %s",
                   "{\"type\": \"float\", \"low\": 0, \"high\": 1}");
    }
    if (name) {
        attributes = node_get(n, "attributes");
        f = name->kind == NODE_STRING ? find_form(classes, TL_COUNT(classes), name->u.text) : NULL;
        if (!attributes || attributes->kind != NODE_DICT) {
            return bad(r, "'%s' is missing or no object", "attributes");
        }
    } else if (type && type->kind == NODE_STRING) {
        f = find_form(types, TL_COUNT(types), type->u.text);
    }
    if (!name && !type) {
        return bad(r, "there is neither 'name' nor '%s'", "type");
    }
    if (!f) {
        return bad(r, "there is no distribution '%s'", named(r, name ? name : type));
    }
    int status = check_names(r, f, attributes, !name);
    status = status ? status : read_attributes(r, f, attributes, d);
    if (status) {
        return status;
    }
    if (tl_dist_normalise(d, &adjusted, &err)) {
        return bad(r, "%s", err.message);
    }
    if (adjusted) {
        char high[NUM_MAX];
        num_format(d->high, high);
        cli_say(r->c, CLI_WARNING,
                "--%s: parameter '%s': the range is no multiple of the step; its upper end becomes %s", r->what,
                r->name, high);
    }
    return 0;
}

int dist_json_space(struct cli *c, struct nodes *ns, const char *what, const char *json,
                    struct tl_param_spec **out, size_t *n_out)
{
    struct tl_err err = TL_ERR_INIT;
    const struct node *tree = node_parse(ns, str_of(json), &err);
    size_t n = 0;
    if (!tree) {
        return ns->failed ? cli_nomem(c) : cli_error(c, TL_EINVAL, "--%s: %s", what, err.message);
    }
    if (tree->kind != NODE_DICT) {
        return cli_error(c, TL_EINVAL, "--%s must be a JSON object of parameter names and distributions", what);
    }
    struct tl_param_spec *specs = arena_alloc(&ns->arena, (tree->u.kids.n + 1) * sizeof *specs);
    struct tl_dist *dists = arena_alloc(&ns->arena, (tree->u.kids.n + 1) * sizeof *dists);
    if (!specs || !dists) {
        return cli_nomem(c);
    }
    for (const struct node *p = tree->u.kids.first; p; p = p->next, n++) {
        struct reading r = {c, ns, what, node_keep(ns, p->key)};
        if (!r.name) {
            return cli_nomem(c);
        }
        if (strlen(r.name) != p->key.n) {
            return cli_error(c, TL_EINVAL, "--%s: a parameter's name may not hold a NUL character", what);
        }
        int status = read_dist(&r, p, &dists[n]);
        if (status) {
            return status;
        }
        specs[n] = (struct tl_param_spec){r.name, 0, &dists[n]};
    }
    *out = specs;
    *n_out = n;
    return 0;
}
