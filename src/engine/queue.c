/* SPDX-License-Identifier: MIT
 *
 * Enqueue: a WAITING trial whose parameters are fixed in advance, in Optuna's form: system attribute `fixed_params`, an object of
 * external values.
 *
 * skip_if_exists is exact: finished trials are compared before the lock is taken, those that finished since and the unfinished
 * ones under it. Two trials are the same when they fix, or when neither fixed anything have, the same names with equal values;
 * numbers are equal within 1e-5 of their size, as numpy.isclose(a, b, atol=0) has it. Unlike Optuna, which compares the types of
 * Python first, 1 equals 1.0 here.
 */
#include "engine/study.h"

#include <math.h>

#include "base/err.h"
#include "base/json.h"

struct enqueue {
    tl_study *study;
    const struct tl_fixed_param *params;
    size_t n_params;
    struct trial_create create;
    bool skip_if_exists;

    /* what was compared before the lock */
    uint64_t epoch;
    size_t rows;
    struct tl_frozen_trial trial; /* being compared */
    bool exists;                  /* result */
};

/* ---- the same parameters? ---- */

static bool as_number(const struct tl_value *v, double *out)
{
    switch (v->kind) {
    case TL_VALUE_BOOL: *out = v->as.b ? 1 : 0; return true;
    case TL_VALUE_INT: *out = (double)v->as.i; return true;
    case TL_VALUE_FLOAT: *out = v->as.f; return true;
    default: return false;
    }
}

static bool same_value(const struct tl_value *wanted, const struct tl_value *there)
{
    double a, b;
    if (!as_number(wanted, &a) || !as_number(there, &b)) {
        return dist_value_equal(wanted, there) == 1;
    }
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-5 * fabs(b);
}

static const struct tl_fixed_param *wanted_param(const struct enqueue *q, struct str name)
{
    for (size_t i = 0; i < q->n_params; i++) {
        if (str_eq(str_of(q->params[i].name), name)) {
            return &q->params[i];
        }
    }
    return NULL;
}

/* Against the object of fixed parameters: 1 the same, 0 not, or an error. */
static int same_fixed(const struct enqueue *q, struct str json, struct tl_err *err)
{
    struct fixed_list list = {NULL, 0, 0};
    struct arena memory = {0};
    int rc = fixed_read(&list, json, &memory, err);
    bool same = rc == TL_OK;
    for (size_t i = 0; same && i < q->n_params; i++) {
        const struct fixed *f = fixed_find(&list, str_of(q->params[i].name));
        same = f && same_value(&q->params[i].value, &f->value);
    }
    for (size_t i = 0; same && i < list.n; i++) {
        same = wanted_param(q, list.items[i].name) != NULL;
    }
    mem_free(list.items);
    arena_release(&memory);
    return rc == TL_ENOMEM ? rc : same ? 1 : 0;
}

static bool same_params(const struct enqueue *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->trial.n_params; i++) {
        const struct tl_param *p = &q->trial.params[i];
        const struct tl_fixed_param *wanted = wanted_param(q, (struct str){p->name.s, p->name.len});
        struct tl_value there;
        if (!p->has_value) {
            continue;
        }
        if (!wanted || tl_dist_external(p->dist, p->internal, &there, NULL) != TL_OK || !same_value(&wanted->value, &there)) {
            return false;
        }
        n++;
    }
    return n == q->n_params;
}

static int compare_trial(struct enqueue *q, const tl_view *view, int64_t number, struct tl_err *err)
{
    int rc = tl_view_trial(view, number, &q->trial, err);
    for (size_t i = 0; rc == TL_OK && i < q->trial.n_attrs; i++) {
        const struct tl_attr *a = &q->trial.attrs[i];
        if (a->kind == TL_ATTR_SYSTEM && str_eq((struct str){a->key.s, a->key.len}, STR("fixed_params"))) {
            rc = same_fixed(q, (struct str){a->json.s, a->json.len}, err);
            q->exists = rc == 1;
            return rc < 0 ? rc : TL_OK;
        }
    }
    if (rc == TL_OK) {
        q->exists = same_params(q);
    }
    return rc;
}

/* Compares the finished trials that were not compared yet and, when asked to, the unfinished ones. */
static int compare_view(struct enqueue *q, const tl_view *view, bool unfinished, struct tl_err *err)
{
    size_t n_rows = tl_view_n_rows(view), n = 0;
    int rc = TL_OK;
    if (q->epoch != tl_view_epoch(view) || n_rows < q->rows) {
        q->epoch = tl_view_epoch(view);
        q->rows = 0;
    }
    for (; rc == TL_OK && !q->exists && q->rows < n_rows; q->rows++) {
        struct tl_row row;
        tl_view_row(view, q->rows, &row);
        rc = compare_trial(q, view, row.number, err);
    }
    const int64_t *numbers = unfinished ? tl_view_unfinished(view, &n) : NULL;
    if (rc == TL_OK && unfinished && !numbers) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == TL_OK && !q->exists && i < n; i++) {
        rc = compare_trial(q, view, numbers[i], err);
    }
    return rc;
}

static int decide_enqueue(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct enqueue *q = c->ctx;
    q->exists = false;
    if (q->skip_if_exists) {
        tl_view *view;
        int rc = store_view(q->study->storage, s, q->study->id, &view, err);
        if (rc == TL_OK) {
            rc = compare_view(q, view, true, err);
            tl_view_close(view);
        }
        if (rc != TL_OK || q->exists) {
            return rc;
        }
    }
    return trial_create_decide(c, s, &q->create, q->study->id, err);
}

/* ---- making the trial ---- */

/* {"name":value,…} */
static int fixed_text(const struct enqueue *q, struct buf *b, struct tl_err *err)
{
    struct intern names = INTERN_INIT;
    int rc = TL_OK;
    buf_add_char(b, '{');
    for (size_t i = 0; rc == TL_OK && i < q->n_params; i++) {
        const struct tl_fixed_param *p = &q->params[i];
        struct tl_value copy;
        struct arena memory = {0};
        rc = check_name("name of a parameter", p->name, err);
        if (rc == TL_OK) {
            rc = value_copy(&p->value, &copy, &memory, err);
            rc = rc == TL_OK ? rc : err_wrap(err, rc, "parameter '%s'", p->name);
        }
        arena_release(&memory);
        if (rc != TL_OK) {
            break;
        }
        uint32_t number = intern_add(&names, str_of(p->name));
        rc = number == INTERN_NONE ? err_nomem(err)
             : number != i         ? err_set(err, TL_EINVAL, "parameter '%s' is there twice", p->name)
                                   : TL_OK;
        buf_add_text(b, i ? "," : "");
        json_put_string(b, str_of(p->name));
        buf_add_char(b, ':');
        dist_value_write(b, &p->value);
    }
    buf_add_char(b, '}');
    intern_release(&names);
    if (rc == TL_OK && !buf_cstr(b)) {
        rc = err_set(err, b->failed, "the fixed parameters are too long");
    }
    return rc;
}

static int make_trial(struct enqueue *q, const struct tl_attr_spec *user_attrs, size_t n_attrs, struct arena *memory,
                      struct tl_err *err)
{
    struct buf text = BUF_INIT(JSON_TEXT_MAX);
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    struct tl_attr_spec *attrs =
        n_attrs < SIZE_MAX / sizeof *attrs - 1 ? arena_alloc(memory, (n_attrs + 1) * sizeof *attrs) : NULL;
    int rc = attrs ? fixed_text(q, &text, err) : err_nomem(err);
    if (rc == TL_OK) {
        attrs[0] = (struct tl_attr_spec){TL_ATTR_SYSTEM, "fixed_params", text.data};
        for (size_t i = 0; i < n_attrs; i++) {
            attrs[i + 1] = (struct tl_attr_spec){TL_ATTR_USER, user_attrs[i].key, user_attrs[i].json};
        }
        spec.state = TL_WAITING;
        spec.attrs = attrs;
        spec.n_attrs = n_attrs + 1;
        rc = trial_create_make(&q->create, &spec, memory, err);
    }
    buf_release(&text);
    return rc;
}

TL_API int tl_study_enqueue(tl_study *study, const struct tl_fixed_param *params, size_t n_params,
                            const struct tl_attr_spec *user_attrs, size_t n_attrs, bool skip_if_exists, int64_t *number,
                            struct tl_err *err)
{
    struct enqueue q = {.study = study, .params = params, .n_params = n_params, .skip_if_exists = skip_if_exists};
    struct commit c = {.decide = decide_enqueue, .ctx = &q, .exact = skip_if_exists ? EXACT_HEAD : EXACT_NOT};
    struct arena memory = {0};
    tl_view *view;
    if ((n_params && !params) || (n_attrs && !user_attrs)) {
        return err_set(err, TL_EINVAL, "a list of parameters or attributes is missing");
    }
    int rc = make_trial(&q, user_attrs, n_attrs, &memory, err);
    if (rc == TL_OK && skip_if_exists) {
        rc = tl_study_view(study, &view, err);
        if (rc == TL_OK) {
            rc = compare_view(&q, view, false, err);
            tl_view_close(view);
        }
    }
    if (rc == TL_OK && !q.exists) {
        rc = store_commit(study->storage, &c, err);
    }
    if (rc == TL_OK && number) {
        *number = q.exists ? -1 : trial_number(study->storage, c.applied[0].id);
    }
    tl_frozen_release(&q.trial);
    commit_release(&c);
    arena_release(&memory);
    return rc;
}
