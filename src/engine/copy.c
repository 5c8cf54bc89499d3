/* SPDX-License-Identifier: MIT
 *
 * Copying a study to another storage, or under another name.
 *
 * The source is one view, so the copy is the study as it stood at one moment. Each trial becomes one create-trial operation with
 * all it has; distributions keep their text and instants their form. The first append creates the study with its attributes and
 * first trials, later ones add a thousand trials each and check that nobody else added any, so numbers stay. A copy that fails
 * half-way is deleted again.
 */
#include "engine/study.h"

#include "base/err.h"
#include "engine/parts.h"

#define BATCH_TRIALS 1000
#define BATCH_BYTES (4u << 20)

struct copy {
    tl_storage *to;
    const char *name;
    int64_t study_id; /* -1 until the first append */
    size_t done;      /* trials written */

    const tl_view *view;
    struct op *head; /* create study and its attributes, in front of the first batch; names of them as they are in the view */
    size_t n_head;

    /* the batch */
    struct arena memory;
    struct op *ops;
    size_t n_ops;
};

static struct str str_from(const char *s, size_t n)
{
    return (struct str){s, n};
}

/* ---- from trials to operations ---- */

static int copy_params(const struct tl_frozen_trial *t, struct op *op, struct arena *a, struct tl_err *err)
{
    struct op_param *params = arena_alloc(a, (t->n_params + 1) * sizeof *params);
    size_t n = 0;
    if (!params) {
        return err_nomem(err);
    }
    for (int with_value = 1; with_value >= 0; with_value--) {
        for (size_t i = 0; i < t->n_params; i++) {
            const struct tl_param *p = &t->params[i];
            if (p->has_value == (with_value == 1)) {
                params[n++] = (struct op_param){.name = str_from(p->name.s, p->name.len), .internal = p->internal,
                                                .has_value = p->has_value,
                                                .dist = str_from(p->dist_text.s, p->dist_text.len)};
            }
        }
    }
    op->params = params;
    op->n_params = n;
    return TL_OK;
}

static int copy_attrs(const struct tl_frozen_trial *t, struct op *op, struct arena *a, struct tl_err *err)
{
    struct op_attr *user = arena_alloc(a, (t->n_attrs + 1) * sizeof *user);
    struct op_attr *system = arena_alloc(a, (t->n_attrs + 1) * sizeof *system);
    if (!user || !system) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < t->n_attrs; i++) {
        const struct tl_attr *from = &t->attrs[i];
        struct op_attr *to = from->kind == TL_ATTR_USER ? &user[op->n_user_attrs++] : &system[op->n_system_attrs++];
        struct str json = str_from(from->json.s, from->json.len);
        to->key = str_from(from->key.s, from->key.len);
        to->json = (struct str){arena_dup(a, json.p, json.n), json.n}; /* not kept alive by the view */
        if (!to->json.p) {
            return err_nomem(err);
        }
    }
    op->user_attrs = user;
    op->system_attrs = system;
    return TL_OK;
}

static int copy_numbers(const struct tl_frozen_trial *t, struct op *op, struct arena *a, struct tl_err *err)
{
    double *values = arena_alloc(a, (t->n_values + 1) * sizeof *values);
    struct op_report *reports = arena_alloc(a, (t->n_reports + 1) * sizeof *reports);
    if (!values || !reports) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < t->n_values; i++) {
        values[i] = t->values[i];
    }
    for (size_t i = 0; i < t->n_reports; i++) {
        reports[i] = (struct op_report){t->reports[i].step, t->reports[i].value};
    }
    op->has_values = t->has_values;
    op->values = values;
    op->n_values = t->n_values;
    op->reports = reports;
    op->n_reports = t->n_reports;
    return TL_OK;
}

int copy_trial(const struct tl_frozen_trial *t, struct op *op, struct arena *a, struct tl_err *err)
{
    *op = (struct op){.code = OP_CREATE_TRIAL, .is_template = true, .state = (int)t->state, .start = t->start,
                      .complete = t->complete};
    int rc = copy_params(t, op, a, err);
    if (rc == TL_OK) {
        rc = copy_attrs(t, op, a, err);
    }
    return rc == TL_OK ? copy_numbers(t, op, a, err) : rc;
}

static int fill_batch(struct copy *copy, struct tl_frozen_trial *trial, struct tl_err *err)
{
    size_t n = tl_view_n_trials(copy->view) - copy->done;
    n = n < BATCH_TRIALS ? n : BATCH_TRIALS;
    arena_reset(&copy->memory);
    copy->n_ops = 0;
    copy->ops = arena_alloc(&copy->memory, (n + 1) * sizeof *copy->ops);
    int rc = copy->ops ? TL_OK : err_nomem(err);
    while (rc == TL_OK && copy->n_ops < n && copy->memory.used_total < BATCH_BYTES) {
        rc = tl_view_trial(copy->view, (int64_t)(copy->done + copy->n_ops), trial, err);
        if (rc == TL_OK) {
            rc = copy_trial(trial, &copy->ops[copy->n_ops++], &copy->memory, err);
        }
    }
    return rc;
}

/* ---- writing ---- */

static int decide_batch(struct commit *c, const struct state *s, struct tl_err *err)
{
    const struct copy *copy = c->ctx;
    struct study *st;
    bool first = copy->study_id < 0;
    int64_t id = first ? (int64_t)s->studies.len : copy->study_id;
    if (first && state_study_by_name(s, str_of(copy->name))) {
        return err_set(err, TL_EEXISTS, "a study named '%s' exists already", copy->name);
    }
    if (!first) {
        int rc = find_study(s, id, &st, err);
        if (rc != TL_OK) {
            return rc;
        }
        if (st->n_trials != copy->done) {
            return err_set(err, TL_EUNAVAILABLE, "somebody added trials to study '%s' while it was being copied", copy->name);
        }
    }
    size_t n_head = copy->n_head;
    struct op *ops = commit_ops(c, n_head + copy->n_ops);
    if (!ops) {
        return err_nomem(err);
    }
    if (n_head) {
        memcpy(ops, copy->head, n_head * sizeof *ops);
    }
    if (copy->n_ops) {
        memcpy(ops + n_head, copy->ops, copy->n_ops * sizeof *ops);
    }
    for (size_t i = first ? 1 : 0; i < n_head + copy->n_ops; i++) {
        ops[i].target = id;
    }
    return TL_OK;
}

static int write_batch(struct copy *copy, struct tl_err *err)
{
    struct commit c = {.decide = decide_batch, .ctx = copy, .exact = EXACT_HEAD, .copies = true};
    int rc = store_commit(copy->to, &c, err);
    if (rc == TL_OK) {
        copy->study_id = copy->study_id < 0 ? c.applied[0].id : copy->study_id;
        copy->done += copy->n_ops;
        copy->n_head = 0;
    }
    commit_release(&c);
    return rc;
}

/* The operations in front of the first batch. */
static int make_head(struct copy *copy, struct arena *a, struct tl_err *err)
{
    size_t n_directions, n_attrs;
    const enum tl_direction *directions = tl_view_directions(copy->view, &n_directions);
    const struct tl_attr *attrs = tl_view_study_attrs(copy->view, &n_attrs);
    uint8_t *bytes = arena_alloc(a, n_directions + 1);
    copy->head = arena_alloc(a, (n_attrs + 1) * sizeof *copy->head);
    if (!attrs || !bytes || !copy->head) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n_directions; i++) {
        bytes[i] = (uint8_t)directions[i];
    }
    copy->head[0] = (struct op){.code = OP_CREATE_STUDY, .name = str_of(copy->name), .directions = bytes,
                                .n_directions = n_directions};
    for (size_t i = 0; i < n_attrs; i++) {
        copy->head[i + 1] = (struct op){.code = attrs[i].kind == TL_ATTR_USER ? OP_STUDY_USER_ATTR : OP_STUDY_SYSTEM_ATTR,
                                        .name = str_from(attrs[i].key.s, attrs[i].key.len),
                                        .text = str_from(attrs[i].json.s, attrs[i].json.len)};
    }
    copy->n_head = n_attrs + 1;
    return TL_OK;
}

/* A storage with a catalog makes the study first; the rest goes to its part. */
static int begin_in_part(struct copy *copy, int64_t *created, struct tl_err *err)
{
    int64_t id;
    int rc = root_create_study(copy->to, &copy->head[0], created, err);
    if (rc == TL_OK) {
        id = *created;
        rc = storage_part(&copy->to, &id, NULL, "study", err);
        copy->study_id = id;
        copy->head++;
        copy->n_head--;
    }
    return rc;
}

TL_API int tl_study_copy(tl_storage *from, const char *name, tl_storage *to, const char *to_name, struct tl_err *err)
{
    struct copy copy = {.to = to, .name = to_name ? to_name : name, .study_id = -1};
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct arena head = {0};
    tl_view *view = NULL;
    int64_t id, created = -1;
    int rc = check_name("name of the study", copy.name, err);
    if (rc == TL_OK) {
        rc = tl_storage_find_study(from, name, &id, err);
    }
    if (rc == TL_OK) {
        rc = tl_view_open(from, id, is_root(from), &view, err);
    }
    copy.view = view;
    if (rc == TL_OK) {
        rc = make_head(&copy, &head, err);
    }
    if (rc == TL_OK && is_root(to)) {
        rc = begin_in_part(&copy, &created, err);
    }
    while (rc == TL_OK && (copy.study_id < 0 || copy.n_head > 0 || copy.done < tl_view_n_trials(view))) {
        rc = fill_batch(&copy, &trial, err);
        if (rc == TL_OK) {
            rc = write_batch(&copy, err);
        }
    }
    if (rc != TL_OK && (is_root(to) ? created : copy.study_id) >= 0) {
        tl_storage_delete_study(to, is_root(to) ? created : copy.study_id, NULL);
    }
    tl_frozen_release(&trial);
    arena_release(&copy.memory);
    arena_release(&head);
    tl_view_close(view);
    return rc;
}
