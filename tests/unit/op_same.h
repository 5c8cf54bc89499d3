/* SPDX-License-Identifier: MIT
 *
 * Are two operations the same? For tests and fuzz targets.
 */
#ifndef TL_TEST_OP_SAME_H
#define TL_TEST_OP_SAME_H

#include "base/json.h"
#include "model/op.h"

static inline bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

static inline bool same_str(struct str a, struct str b)
{
    return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

static inline bool same_time(struct tl_time a, struct tl_time b)
{
    return a.set == b.set && (!a.set || (a.us == b.us && a.naive == b.naive));
}

static inline bool same_values(const double *a, size_t na, const double *b, size_t nb)
{
    bool same = na == nb;
    for (size_t i = 0; same && i < na; i++) {
        same = same_double(a[i], b[i]);
    }
    return same;
}

static inline bool same_attrs(const struct op_attr *a, size_t na, const struct op_attr *b, size_t nb)
{
    bool same = na == nb;
    for (size_t i = 0; same && i < na; i++) {
        same = same_str(a[i].key, b[i].key) && same_str(a[i].json, b[i].json);
    }
    return same;
}

static inline bool same_reports(const struct op *a, const struct op *b)
{
    bool same = a->n_reports == b->n_reports;
    for (size_t i = 0; same && i < a->n_reports; i++) {
        same = a->reports[i].step == b->reports[i].step && same_double(a->reports[i].value, b->reports[i].value);
    }
    return same;
}

/* A text between the quotes of a line and the same text without escapes count as equal when `a` is given. */
static inline bool same_text(struct str x, bool x_escaped, struct str y, bool y_escaped, struct arena *a)
{
    if (!a || x_escaped == y_escaped) {
        return x_escaped == y_escaped && same_str(x, y);
    }
    struct str escaped = x_escaped ? x : y;
    char *quoted = arena_alloc(a, escaped.n + 2);
    quoted[0] = quoted[escaped.n + 1] = '"';
    memcpy(quoted + 1, escaped.p, escaped.n);
    struct json j = JSON_OF(quoted, escaped.n + 2);
    struct str plain;
    return json_string(&j, a, &plain, NULL) == TL_OK && str_eq(plain, x_escaped ? y : x);
}

static inline bool same_params(const struct op *x, const struct op *y, struct arena *a)
{
    bool same = x->n_params == y->n_params;
    for (size_t i = 0; same && i < x->n_params; i++) {
        const struct op_param *p = &x->params[i], *q = &y->params[i];
        same = same_str(p->name, q->name) && p->has_value == q->has_value &&
               (!p->has_value || same_double(p->internal, q->internal)) &&
               same_text(p->dist, p->dist_escaped, q->dist, q->dist_escaped, a);
    }
    return same;
}

static inline bool same_members(const struct op *x, const struct op *y, struct arena *a)
{
    return x->code == y->code && same_str(x->worker, y->worker) && x->n == y->n && x->target == y->target &&
           same_str(x->name, y->name) && same_text(x->text, x->text_escaped, y->text, y->text_escaped, a) &&
           same_double(x->number, y->number) && x->step == y->step && x->state == y->state &&
           same_time(x->start, y->start) && same_time(x->complete, y->complete) &&
           x->has_values == y->has_values && same_values(x->values, x->n_values, y->values, y->n_values) &&
           str_eq((struct str){(const char *)x->directions, x->n_directions},
                  (struct str){(const char *)y->directions, y->n_directions}) &&
           same_params(x, y, a) && same_attrs(x->user_attrs, x->n_user_attrs, y->user_attrs, y->n_user_attrs) &&
           same_attrs(x->system_attrs, x->n_system_attrs, y->system_attrs, y->n_system_attrs) &&
           same_reports(x, y);
}

/* Equal in every field, as two readings of one line must be. */
static inline bool op_same(const struct op *x, const struct op *y)
{
    return same_str(str_of(x->odd), str_of(y->odd)) && x->is_template == y->is_template &&
           same_members(x, y, NULL);
}

/* Equal in what they mean, as an operation and the reading of its line must be; unescaped texts go to the
 * arena. */
static inline bool op_same_meaning(const struct op *x, const struct op *y, struct arena *a)
{
    return !x->odd && !y->odd && same_members(x, y, a);
}

#endif
