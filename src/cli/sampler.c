/* SPDX-License-Identifier: MIT
 *
 * --sampler and --sampler-kwargs: a sampler by name, its options from a JSON object.
 *
 * Scalars become options of the same name (null leaves the default). Only the grid sampler takes more: "search_space", an
 * object of lists; without it every value of the parameters' own distributions.
 */
#include "base/err.h"
#include "cli/cli.h"
#include "cli/node.h"

#include <stdio.h>

#define GRID_MAX 1000000u /* values of one axis */

struct making {
    struct cli *c;
    struct nodes ns;
    const struct tl_param_spec *space;
    size_t n_space;
};

static bool is_grid(const char *name)
{
    return strcmp(name, "grid") == 0 || strcmp(name, "GridSampler") == 0;
}

/* The text of an option, as tl_sampler_create reads it. */
static const char *option_text(struct making *m, const struct node *n)
{
    struct buf b = BUF_INIT(1 << 20);
    if (n->kind == NODE_STRING) {
        buf_add_str(&b, n->u.text);
    } else {
        node_json(&b, n);
    }
    const char *text = buf_cstr(&b);
    char *copy = text ? arena_dup(&m->ns.arena, text, b.len) : NULL;
    buf_release(&b);
    return copy;
}

/* {"x": [1, 2], "algo": ["a", "b"]} */
static int axes_from_json(struct making *m, const struct node *space, struct tl_grid_axis *axes)
{
    size_t i = 0;
    for (const struct node *n = space->u.kids.first; n; n = n->next, i++) {
        const char *name = arena_dup(&m->ns.arena, n->key.p, n->key.n);
        if (!name) {
            return cli_nomem(m->c);
        }
        if (n->kind != NODE_LIST || n->u.kids.n == 0) {
            return cli_error(m->c, TL_EINVAL, "--sampler-kwargs: search_space: '%s' must be a list of values",
                             name);
        }
        struct tl_value *values = arena_alloc(&m->ns.arena, n->u.kids.n * sizeof *values);
        size_t k = 0;
        for (const struct node *v = n->u.kids.first; values && v; v = v->next, k++) {
            node_to_value(&m->ns, v, &values[k]);
        }
        if (!values || m->ns.failed) {
            return cli_nomem(m->c);
        }
        axes[i] = (struct tl_grid_axis){name, values, k};
    }
    return 0;
}

/* Every value of each parameter. */
static int axes_from_space(struct making *m, struct tl_grid_axis *axes)
{
    for (size_t i = 0; i < m->n_space; i++) {
        const struct tl_dist *d = m->space[i].dist;
        uint64_t n = tl_dist_cardinality(d);
        if (n == 0 || n > GRID_MAX) {
            return cli_error(
                m->c, TL_EINVAL,
                "the grid sampler needs a parameter '%s' with few values: give it a step, or choices",
                m->space[i].name);
        }
        struct tl_value *values = arena_alloc(&m->ns.arena, n * sizeof *values);
        if (!values) {
            return cli_nomem(m->c);
        }
        for (uint64_t k = 0; k < n; k++) {
            double step = d->step > 0 ? d->step : 1;
            if (d->kind == TL_DIST_CATEGORICAL) {
                values[k] = d->choices[k];
            } else if (d->kind == TL_DIST_INT) {
                values[k] =
                    (struct tl_value){.kind = TL_VALUE_INT, .as.i = (int64_t)(d->low + (double)k * step)};
            } else {
                values[k] = (struct tl_value){.kind = TL_VALUE_FLOAT, .as.f = d->low + (double)k * step};
            }
        }
        axes[i] = (struct tl_grid_axis){m->space[i].name, values, n};
    }
    return 0;
}

static int make_grid(struct making *m, const struct node *kwargs, tl_sampler **out)
{
    struct tl_grid_options options = TL_GRID_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    const struct node *space = node_get(kwargs, "search_space");
    for (const struct node *n = kwargs ? kwargs->u.kids.first : NULL; n; n = n->next) {
        bool seed = str_eq(n->key, STR("seed")), retries = str_eq(n->key, STR("retries"));
        int64_t v = 0;
        if (n == space || n->kind == NODE_NONE) {
            continue;
        }
        if (!seed && !retries) {
            return cli_error(m->c, TL_EINVAL, "--sampler-kwargs: the grid sampler has no option '%.*s'",
                             (int)n->key.n, n->key.p);
        }
        if (n->kind != NODE_INT || !cli_parse_int(n->u.text, &v) || v < -1 || v > UINT32_MAX || (seed && v < 0)) {
            return cli_error(m->c, TL_EINVAL, "--sampler-kwargs: '%.*s' must be a whole number below 2^32",
                             (int)n->key.n, n->key.p);
        }
        if (seed) {
            options.seed = (uint64_t)v;
        } else {
            options.retries = v > INT32_MAX ? INT32_MAX : (int)v;
        }
    }
    if (space && space->kind != NODE_DICT) {
        return cli_error(m->c, TL_EINVAL, "--sampler-kwargs: search_space must be an object of lists");
    }
    size_t n_axes = space ? space->u.kids.n : m->n_space;
    if (n_axes == 0) {
        return cli_error(
            m->c, TL_EINVAL,
            "the grid sampler needs parameters: --search-space, or search_space in --sampler-kwargs");
    }
    struct tl_grid_axis *axes = arena_alloc(&m->ns.arena, n_axes * sizeof *axes);
    if (!axes) {
        return cli_nomem(m->c);
    }
    int status = space ? axes_from_json(m, space, axes) : axes_from_space(m, axes);
    if (status == 0 && tl_sampler_grid(axes, n_axes, &options, out, &err)) {
        status = cli_fail(m->c, &err);
    }
    return status;
}

static const char *next_sampler(void *ctx)
{
    const struct tl_component_doc **d = ctx;
    return (*d)->name ? ((*d)++)->name : NULL;
}

static int make_other(struct making *m, const char *name, const struct node *kwargs, tl_sampler **out)
{
    struct tl_err err = TL_ERR_INIT;
    size_t n_options = 0;
    struct tl_option *options =
        arena_alloc(&m->ns.arena, ((kwargs ? kwargs->u.kids.n : 0) + 1) * sizeof *options);
    if (!options) {
        return cli_nomem(m->c);
    }
    for (const struct node *n = kwargs ? kwargs->u.kids.first : NULL; n; n = n->next) {
        if (n->kind == NODE_NONE) {
            continue;
        }
        const char *key = arena_dup(&m->ns.arena, n->key.p, n->key.n), *text = option_text(m, n);
        if (!key || !text) {
            return cli_nomem(m->c);
        }
        options[n_options++] = (struct tl_option){key, text};
    }
    int rc = tl_sampler_create(name, options, n_options, out, &err);
    if (rc == TL_EUNSUPPORTED) {
        const struct tl_component_doc *docs = tl_sampler_docs();
        const char *like = cli_nearest(name, next_sampler, &docs);
        if (like) {
            return cli_error(m->c, rc, "there is no sampler '%s': did you mean '%s'?", name, like);
        }
    }
    return rc ? cli_fail(m->c, &err) : 0;
}

int cli_sampler(struct cli *c, const char *name, const char *kwargs, const struct tl_param_spec *space,
                size_t n_space, tl_sampler **out)
{
    struct making m = {.c = c, .space = space, .n_space = n_space};
    struct tl_err err = TL_ERR_INIT;
    struct node *tree = NULL;
    int status = 0;
    *out = NULL;
    if (!name) {
        return kwargs ? cli_usage(c, "--sampler-kwargs needs --sampler") : 0;
    }
    if (kwargs) {
        tree = node_parse(&m.ns, str_of(kwargs), &err);
        if (!tree && !m.ns.failed) {
            err_wrap(&err, err.code, "--sampler-kwargs");
            err.offset = -1; /* the message has it */
            status = cli_fail(c, &err);
        } else if (!tree) {
            status = cli_nomem(c);
        } else if (tree->kind != NODE_DICT) {
            status = cli_error(c, TL_EINVAL, "--sampler-kwargs must be a JSON object such as {\"seed\": 1}");
        }
    }
    if (status == 0) {
        status = is_grid(name) ? make_grid(&m, tree, out) : make_other(&m, name, tree, out);
    }
    arena_release(&m.ns.arena);
    return status;
}
