/* SPDX-License-Identifier: MIT
 *
 * Distributions as text: reads what Optuna's json_to_distribution reads, refuses what it refuses, and writes
 * what its distribution_to_json writes.
 *
 * A text is {"name": CLASS, "attributes": {…}} with exactly the attributes that the class's constructor
 * takes, or the abbreviated {"type": "float" | "int" | "categorical", …}. Reading goes in two steps: find
 * the members (any order, the last of equal ones wins), then judge them as the constructor would. Where we
 * differ on purpose stands in tests/replay/EXCEPTIONS.md.
 */
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "model/dist.h"

#include <math.h>

enum {
    M_CHOICES,
    M_LOW,
    M_HIGH,
    M_STEP,
    M_LOG,
    M_Q,
    M_N_ATTRIBUTES,
    M_NAME = M_N_ATTRIBUTES,
    M_TYPE,
    M_ATTRIBUTES,
    M_N
};

static const char *const member_names[M_N] = {
    [M_CHOICES] = "choices", [M_LOW] = "low",   [M_HIGH] = "high",
    [M_STEP] = "step",       [M_LOG] = "log",   [M_Q] = "q",
    [M_NAME] = "name",       [M_TYPE] = "type", [M_ATTRIBUTES] = "attributes",
};

#define BIT(m) (1u << (m))

/* The classes, what their constructors take, and what they are. `log_is`: the flag of classes that do not
 * take it. */
static const struct class_row {
    const char *name;
    enum dist_class class_;
    enum tl_dist_kind kind;
    unsigned required, optional;
    bool log_is;
} classes[] = {
    {"FloatDistribution", DIST_FLOAT, TL_DIST_FLOAT, BIT(M_LOW) | BIT(M_HIGH), BIT(M_LOG) | BIT(M_STEP), false},
    {"IntDistribution", DIST_INT, TL_DIST_INT, BIT(M_LOW) | BIT(M_HIGH), BIT(M_LOG) | BIT(M_STEP), false},
    {"CategoricalDistribution", DIST_CATEGORICAL, TL_DIST_CATEGORICAL, BIT(M_CHOICES), 0, false},
    {"UniformDistribution", DIST_UNIFORM, TL_DIST_FLOAT, BIT(M_LOW) | BIT(M_HIGH), 0, false},
    {"LogUniformDistribution", DIST_LOG_UNIFORM, TL_DIST_FLOAT, BIT(M_LOW) | BIT(M_HIGH), 0, true},
    {"DiscreteUniformDistribution", DIST_DISCRETE_UNIFORM, TL_DIST_FLOAT, BIT(M_LOW) | BIT(M_HIGH) | BIT(M_Q),
     0, false},
    {"IntUniformDistribution", DIST_INT_UNIFORM, TL_DIST_INT, BIT(M_LOW) | BIT(M_HIGH), BIT(M_STEP), false},
    {"IntLogUniformDistribution", DIST_INT_LOG_UNIFORM, TL_DIST_INT, BIT(M_LOW) | BIT(M_HIGH), BIT(M_STEP),
     true},
};

static int bad(struct tl_err *err, const char *what)
{
    return err_set(err, TL_EINVAL, "distribution: %s", what);
}

static int bad_member(struct tl_err *err, int member, const char *what)
{
    return err_set(err, TL_EINVAL, "distribution: '%s' %s", member_names[member], what);
}

/* ---- finding the members ---- */

/* Notes where members [0, n) of the object `text` stand; p stays NULL for those that are missing.
 * `strangers` says whether there were others. */
static int find_members(struct str text, struct arena *a, int n, struct str *found, bool *strangers,
                        struct tl_err *err)
{
    struct json j = JSON_OF(text.p, text.n);
    bool first = true;
    struct str key, raw;
    int rc = json_open(&j, '{', err);
    if (rc != TL_OK) {
        return rc;
    }
    *strangers = false;
    while ((rc = json_next_key(&j, &first, a, &key, err)) > 0) {
        if ((rc = json_skip(&j, &raw, err)) != TL_OK) {
            return rc;
        }
        int m = 0;
        while (m < n && !str_eq(key, str_of(member_names[m]))) {
            m++;
        }
        if (m < n) {
            found[m] = raw;
        } else {
            *strangers = true;
        }
    }
    return rc == 0 ? json_finish(&j, err) : rc;
}

static bool is_json(struct str raw, char first)
{
    return raw.p && raw.n > 0 && raw.p[0] == first;
}

/* The text in `raw`, which must be a string. */
static int text_of(struct str raw, int member, struct arena *a, struct str *out, struct tl_err *err)
{
    struct json j = JSON_OF(raw.p, raw.n);
    return is_json(raw, '"') ? json_string(&j, a, out, err) : bad_member(err, member, "is not a text");
}

/* ---- reading numbers as Python would take them ---- */

struct number {
    bool given; /* neither missing nor null */
    bool is_bool;
    double v;
};

static int number_of(const struct str *found, int member, bool null_allowed, struct number *out,
                     struct tl_err *err)
{
    struct str raw = found[member];
    *out = (struct number){false, false, 0};
    if (!raw.p) {
        return TL_OK;
    }
    struct json j = JSON_OF(raw.p, raw.n);
    switch (json_peek(&j)) {
    case JSON_NUMBER: {
        bool integer;
        out->given = true;
        num_parse(raw.p, raw.p + raw.n, &out->v, &integer);
        return integer && isinf(out->v) ? bad_member(err, member, "is too large") : TL_OK;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        out->given = true;
        out->is_bool = true;
        out->v = raw.p[0] == 't';
        return TL_OK;
    case JSON_NULL:
        if (null_allowed) {
            return TL_OK;
        }
        break;
    default: break;
    }
    return bad_member(err, member, "is not a number");
}

/* Python's bool(x): null, false, 0, "", [] and {} are not true. */
static bool truth_of(struct str raw)
{
    double v = 0;
    switch (raw.p ? raw.p[0] : 'n') {
    case 'n': return false;
    case 'N': return true;
    case 'f': return false;
    case 't': return true;
    case '"': return raw.n > 2;
    case '[':
    case '{': {
        struct json j = JSON_OF(raw.p + 1, raw.n - 2);
        return json_peek(&j) != JSON_END;
    }
    default: num_parse(raw.p, raw.p + raw.n, &v, NULL); return v != 0;
    }
}

static int read_float(const struct str *found, bool log, struct tl_dist *out, struct tl_err *err)
{
    struct number low, high, step;
    int step_is = found[M_Q].p ? M_Q : M_STEP;
    int rc;
    if ((rc = number_of(found, M_LOW, false, &low, err)) != TL_OK ||
        (rc = number_of(found, M_HIGH, false, &high, err)) != TL_OK ||
        (rc = number_of(found, step_is, true, &step, err)) != TL_OK) {
        return rc;
    }
    if (step.given && (step.is_bool || low.is_bool || high.is_bool)) {
        return bad(err, "true and false are no numbers when there is a step");
    }
    if (step.given && step.v == 0) {
        return bad_member(err, step_is, "is not above 0");
    }
    *out = (struct tl_dist){.kind = TL_DIST_FLOAT, .log = log, .low = low.v, .high = high.v, .step = step.v};
    return dist_settle(out, NULL, err);
}

static int read_int(const struct str *found, bool log, bool abbreviated, struct tl_dist *out,
                    struct tl_err *err)
{
    struct number low, high, step;
    int rc;
    if ((rc = number_of(found, M_LOW, false, &low, err)) != TL_OK ||
        (rc = number_of(found, M_HIGH, false, &high, err)) != TL_OK ||
        (rc = number_of(found, M_STEP, abbreviated, &step, err)) != TL_OK) {
        return rc;
    }
    if (!step.given) {
        step.v = 1;
    }
    /* the constructor judges the numbers as they are and cuts them to whole ones afterwards */
    if (log && step.v != 1) {
        return bad(err, "log needs step 1");
    }
    if (low.v > high.v) {
        return bad(err, "low is above high");
    }
    if (log && low.v < 1) {
        return bad(err, "log needs low of at least 1");
    }
    if (!isfinite(low.v) || !isfinite(high.v) || !isfinite(step.v)) {
        return bad(err, "an int distribution needs finite numbers");
    }
    *out = (struct tl_dist){.kind = TL_DIST_INT,
                            .log = log,
                            .low = trunc(low.v) + 0.0,
                            .high = trunc(high.v) + 0.0,
                            .step = trunc(step.v)};
    return dist_settle(out, NULL, err);
}

/* ---- choices ---- */

static int keep_text(struct arena *a, struct str s, enum tl_value_kind kind, struct tl_value *out,
                     struct tl_err *err)
{
    char *copy = arena_dup(a, s.p, s.n);
    if (!copy) {
        return err_nomem(err);
    }
    out->kind = kind;
    out->as.text.s = copy;
    out->as.text.len = s.n;
    return TL_OK;
}

int dist_value_read(struct json *j, struct arena *a, struct tl_value *out, struct tl_err *err)
{
    struct str raw, text;
    double v = 0;
    bool integer;
    enum json_kind kind = json_peek(j);
    if (kind == JSON_STRING) {
        int rc = json_string(j, a, &text, err);
        return rc == TL_OK ? keep_text(a, text, TL_VALUE_STRING, out, err) : rc;
    }
    int rc = json_skip(j, &raw, err);
    if (rc != TL_OK) {
        return rc;
    }
    switch (kind) {
    case JSON_NULL: *out = (struct tl_value){.kind = TL_VALUE_NULL}; return TL_OK;
    case JSON_TRUE:
    case JSON_FALSE: *out = (struct tl_value){.kind = TL_VALUE_BOOL, .as.b = kind == JSON_TRUE}; return TL_OK;
    case JSON_NUMBER:
        num_parse(raw.p, raw.p + raw.n, &v, &integer);
        if (!integer) {
            *out = (struct tl_value){.kind = TL_VALUE_FLOAT, .as.f = v};
            return TL_OK;
        }
        out->kind = TL_VALUE_INT;
        if (num_parse_int(raw.p, raw.p + raw.n, &out->as.i)) {
            return TL_OK;
        }
        break; /* beyond 64 bits */
    default: break;
    }
    return keep_text(a, raw, TL_VALUE_JSON, out, err);
}

static int read_choices(struct str raw, struct arena *a, struct tl_dist *out, struct tl_err *err)
{
    if (!is_json(raw, '[')) {
        return bad_member(err, M_CHOICES, "is not a list");
    }
    struct json j = JSON_OF(raw.p, raw.n);
    size_t n = 0;
    bool first = true;
    int rc = json_open(&j, '[', err);
    while (rc == TL_OK && (rc = json_next_item(&j, &first, err)) > 0) {
        struct str item;
        n++;
        rc = json_skip(&j, &item, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct tl_value *choices = arena_alloc(a, (n ? n : 1) * sizeof *choices);
    if (!choices) {
        return err_nomem(err);
    }
    j = JSON_OF(raw.p, raw.n);
    first = true;
    rc = json_open(&j, '[', err);
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        rc = json_next_item(&j, &first, err);
        if (rc >= 0) {
            rc = dist_value_read(&j, a, &choices[i], err);
        }
    }
    if (rc != TL_OK) {
        return rc;
    }
    *out = (struct tl_dist){.kind = TL_DIST_CATEGORICAL, .choices = choices, .n_choices = n};
    return dist_settle(out, NULL, err);
}

/* ---- both forms ---- */

static int read_named(const struct str *top, struct arena *a, struct tl_dist *out, enum dist_class *class_,
                      struct tl_err *err)
{
    struct str name, found[M_N_ATTRIBUTES] = {{0}};
    bool strangers;
    int rc = text_of(top[M_NAME], M_NAME, a, &name, err);
    if (rc != TL_OK) {
        return rc;
    }
    const struct class_row *row = classes;
    while (row < classes + TL_COUNT(classes) && !str_eq(name, str_of(row->name))) {
        row++;
    }
    if (row == classes + TL_COUNT(classes)) {
        return bad(err, "unknown class");
    }
    if (!is_json(top[M_ATTRIBUTES], '{')) {
        return bad_member(err, M_ATTRIBUTES, "is missing or no object");
    }
    rc = find_members(top[M_ATTRIBUTES], a, M_N_ATTRIBUTES, found, &strangers, err);
    if (rc != TL_OK) {
        return rc;
    }
    for (int m = 0; m < M_N_ATTRIBUTES; m++) {
        if (!found[m].p && (row->required & BIT(m))) {
            return bad_member(err, m, "is missing");
        }
        if (found[m].p && !((row->required | row->optional) & BIT(m))) {
            strangers = true;
        }
    }
    if (strangers) {
        return bad(err, "an attribute that the class does not have");
    }
    *class_ = row->class_;
    bool log = row->log_is || truth_of(found[M_LOG]);
    switch (row->kind) {
    case TL_DIST_FLOAT: return read_float(found, log, out, err);
    case TL_DIST_INT: return read_int(found, log, false, out, err);
    case TL_DIST_CATEGORICAL: break;
    }
    return read_choices(found[M_CHOICES], a, out, err);
}

static int read_abbreviated(struct str *top, struct arena *a, struct tl_dist *out, enum dist_class *class_,
                            struct tl_err *err)
{
    struct str type;
    int rc = text_of(top[M_TYPE], M_TYPE, a, &type, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (str_eq(type, STR("categorical"))) {
        *class_ = DIST_CATEGORICAL;
        return read_choices(top[M_CHOICES], a, out, err);
    }
    bool is_float = str_eq(type, STR("float"));
    if (!is_float && !str_eq(type, STR("int"))) {
        return bad(err, "unknown type");
    }
    if (!top[M_LOW].p || !top[M_HIGH].p) {
        return bad_member(err, top[M_LOW].p ? M_HIGH : M_LOW, "is missing");
    }
    top[M_Q].p = NULL; /* no member of this form */
    *class_ = is_float ? DIST_FLOAT : DIST_INT;
    bool log = truth_of(top[M_LOG]);
    return is_float ? read_float(top, log, out, err) : read_int(top, log, true, out, err);
}

int dist_parse(struct str text, struct arena *a, struct tl_dist *out, enum dist_class *class_,
               struct tl_err *err)
{
    struct str top[M_N] = {{0}};
    struct tl_dist d;
    enum dist_class c = DIST_FLOAT;
    bool strangers;
    int rc = find_members(text, a, M_N, top, &strangers, err);
    if (rc == TL_OK) {
        rc = top[M_NAME].p ? read_named(top, a, &d, &c, err) : read_abbreviated(top, a, &d, &c, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    *out = d;
    if (class_) {
        *class_ = c;
    }
    return TL_OK;
}

/* ---- writing ---- */

static void put_whole(struct buf *out, double v)
{
    if (v >= -0x1p63 && v < 0x1p63) {
        json_put_int(out, (int64_t)v);
    } else {
        char digits[DIST_DIGITS_MAX];
        if (v < 0) {
            buf_add_char(out, '-');
        }
        buf_add(out, digits, dist_exact_digits(fabs(v), digits));
    }
}

/* One token at the cursor of valid JSON, as Python would write it after reading it: its blanks, its forms of
 * numbers and its escapes. */
static void put_token(struct buf *out, struct json *j, struct arena *scratch)
{
    struct str s;
    double v = 0;
    int64_t i;
    bool integer = false;
    switch (json_peek(j)) {
    case JSON_STRING:
        if (json_string(j, scratch, &s, NULL) == TL_OK) {
            json_put_string(out, s);
        } else {
            out->failed = TL_ENOMEM;
        }
        break;
    case JSON_NUMBER: {
        const char *first = j->p;
        j->p = num_parse(first, j->end, &v, &integer);
        if (!integer) {
            json_put_double(out, v);
        } else if (num_parse_int(first, j->p, &i)) {
            json_put_int(out, i);
        } else {
            buf_add(out, first, (size_t)(j->p - first));
        }
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        (void)json_skip(j, &s, NULL);
        buf_add_str(out, s);
        break;
    default: /* brackets, commas and colons */
        buf_add_char(out, *j->p);
        if (*j->p == ',' || *j->p == ':') {
            buf_add_char(out, ' ');
        }
        j->p++;
    }
}

static void put_json(struct buf *out, struct str text)
{
    if (!dist_json_valid(text)) {
        out->failed = TL_EINVAL;
        return;
    }
    struct arena scratch = {0};
    struct json j = JSON_OF(text.p, text.n);
    while (!out->failed && json_peek(&j) != JSON_END) {
        put_token(out, &j, &scratch);
    }
    arena_release(&scratch);
}

void dist_value_write(struct buf *out, const struct tl_value *v)
{
    struct str text = {NULL, 0};
    switch (v->kind) {
    case TL_VALUE_NULL: buf_add_text(out, "null"); break;
    case TL_VALUE_BOOL: buf_add_text(out, v->as.b ? "true" : "false"); break;
    case TL_VALUE_INT: json_put_int(out, v->as.i); break;
    case TL_VALUE_FLOAT: json_put_double(out, v->as.f); break;
    case TL_VALUE_STRING:
        text = (struct str){v->as.text.s, v->as.text.len};
        json_put_string(out, text);
        break;
    case TL_VALUE_JSON:
        text = (struct str){v->as.text.s, v->as.text.len};
        put_json(out, text);
        break;
    }
}

int dist_format(const struct tl_dist *d, struct buf *out)
{
    const char *log = d->log ? "true" : "false";
    switch (d->kind) {
    case TL_DIST_FLOAT:
        buf_add_text(out, "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": ");
        if (d->step == 0) {
            buf_add_text(out, "null");
        } else {
            json_put_double(out, d->step);
        }
        buf_add_text(out, ", \"low\": ");
        json_put_double(out, d->low);
        buf_add_text(out, ", \"high\": ");
        json_put_double(out, d->high);
        buf_add_text(out, ", \"log\": ");
        buf_add_text(out, log);
        break;
    case TL_DIST_INT:
        buf_add_text(out, "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": ");
        buf_add_text(out, log);
        buf_add_text(out, ", \"step\": ");
        put_whole(out, d->step);
        buf_add_text(out, ", \"low\": ");
        put_whole(out, d->low);
        buf_add_text(out, ", \"high\": ");
        put_whole(out, d->high);
        break;
    case TL_DIST_CATEGORICAL:
        buf_add_text(out, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [");
        for (size_t i = 0; i < d->n_choices; i++) {
            if (i > 0) {
                buf_add_text(out, ", ");
            }
            dist_value_write(out, &d->choices[i]);
        }
        buf_add_char(out, ']');
        break;
    }
    buf_add_text(out, "}}");
    return out->failed;
}
