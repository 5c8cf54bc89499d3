/* SPDX-License-Identifier: MIT
 *
 * The replay rules: state_apply and the operations on studies. Those on trials are in state_trial.c.
 *
 * Happy path: state_apply notes the writer's count, finds the study or trial, changes it, moves the position by one. An
 * operation that breaks a rule moves the position only; its verdict says which rule. The order of the checks is Optuna's:
 * first whether the study or trial exists, then whether the trial has finished, then what the operation holds.
 * Failure mode: without memory the state is marked broken; its owner throws it away and replays the log.
 */
#include "model/state_apply.h"

#include "base/err.h"
#include "base/mem.h"

int verdict_code(enum verdict v)
{
    switch (v) {
    case V_APPLIED:
    case V_NOT_YOURS:
    case V_SKIPPED: return TL_OK;
    case V_NOT_FOUND: return TL_ENOTFOUND;
    case V_FINISHED: return TL_EFINISHED;
    case V_EXISTS: return TL_EEXISTS;
    case V_INCOMPATIBLE: return TL_EINCOMPATIBLE;
    case V_ODD: break;
    }
    return TL_EINVAL;
}

struct state *state_new(void)
{
    static atomic_uint_fast64_t epochs;
    struct state *s = mem_zalloc(1, sizeof *s);
    if (!s) {
        return NULL;
    }
    atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
    s->names = (struct intern)INTERN_INIT;
    s->workers = (struct intern)INTERN_INIT;
    s->study_names = (struct intern)INTERN_INIT;
    s->worker_n = (struct svec)SVEC_INIT(uint64_t);
    s->studies = (struct svec)SVEC_INIT(struct study *);
    s->trials = (struct svec)SVEC_INIT(struct trial_place);
    s->last_worker = INTERN_NONE;
    s->epoch = atomic_fetch_add_explicit(&epochs, 1, memory_order_relaxed) + 1;
    dist_table_init(&s->dists);
    return s;
}

static void study_free(struct study *st)
{
    for (size_t i = 0; i < st->n_live; i++) {
        list_ref_drop(&st->live[i]->params);
        list_ref_drop(&st->live[i]->attrs);
        list_ref_drop(&st->live[i]->reports);
        mem_free(st->live[i]);
    }
    for (size_t i = 0; i < st->columns.len; i++) {
        svec_release(&((struct column *)svec_at(&st->columns, i))->blocks);
    }
    mem_free(st->live);
    list_ref_drop(&st->attrs);
    mem_free((void *)(uintptr_t)st->name.p);
    mem_free(st->directions);
    svec_release(&st->slots);
    svec_release(&st->rows);
    svec_release(&st->columns);
    svec_release(&st->shapes);
    map64_release(&st->column_of);
    map64_release(&st->shape_of);
    map64_release(&st->first_dist);
    space_release(&st->bytes);
    space_release(&st->blocks);
    mem_free(st->waiting);
    front_drop(st->front);
    mem_free(st->complete_space.entries);
    mem_free(st->pruned_space.entries);
    mem_free(st);
}

struct state *state_ref(struct state *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void state_unref(struct state *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < s->studies.len; i++) {
        study_free(*(struct study **)svec_at(&s->studies, i));
    }
    list_pool_release(s);
    svec_release(&s->studies);
    svec_release(&s->trials);
    svec_release(&s->worker_n);
    intern_release(&s->names);
    intern_release(&s->workers);
    intern_release(&s->study_names);
    map64_release(&s->study_by_name);
    dist_table_release(&s->dists);
    mem_free(s);
}

/* ---- look-ups ---- */

struct study *state_study_any(const struct state *s, int64_t id)
{
    if (id < 0 || (uint64_t)id >= s->studies.len) {
        return NULL;
    }
    return *(struct study **)svec_at(&s->studies, (size_t)id);
}

struct study *state_study(const struct state *s, int64_t id)
{
    struct study *st = state_study_any(s, id);
    return st && !st->deleted ? st : NULL;
}

struct study *state_study_by_name(const struct state *s, struct str name)
{
    uint64_t id;
    uint32_t number = intern_find(&s->study_names, name);
    if (number == INTERN_NONE || !map64_get(&s->study_by_name, number, &id)) {
        return NULL;
    }
    return state_study_any(s, (int64_t)id);
}

bool state_trial_place(const struct state *s, int64_t trial_id, struct study **study, uint32_t *number)
{
    if (trial_id < 0 || (uint64_t)trial_id >= s->trials.len) {
        return false;
    }
    const struct trial_place *place = svec_at(&s->trials, (size_t)trial_id);
    *study = state_study_any(s, place->study);
    *number = place->number;
    return true;
}

/* Number of a worker; lines of one worker tend to follow one another, so the last one is compared first. */
static uint32_t worker_find(const struct state *s, struct str worker)
{
    if (s->last_worker != INTERN_NONE && str_eq(intern_str(&s->workers, s->last_worker), worker)) {
        return s->last_worker;
    }
    return intern_find(&s->workers, worker);
}

uint32_t worker_add(struct state *s, struct str worker)
{
    if (!worker.p) {
        return INTERN_NONE;
    }
    uint32_t w = worker_find(s, worker);
    if (w == INTERN_NONE) {
        w = intern_add(&s->workers, worker);
        if (w == INTERN_NONE || (s->worker_n.len <= w && !svec_push(&s->worker_n))) {
            s->broken = true;
            return INTERN_NONE;
        }
    }
    s->last_worker = w;
    return w;
}

uint64_t state_worker_n(const struct state *s, struct str worker)
{
    uint32_t w = worker_find(s, worker);
    return w == INTERN_NONE ? 0 : *(const uint64_t *)svec_at(&s->worker_n, w);
}

/* ---- studies ---- */

static bool study_init(struct state *s, struct study *st, const struct op *op)
{
    st->id = (int64_t)s->studies.len;
    st->best = -1;
    st->slots = (struct svec)SVEC_INIT(uint32_t);
    st->rows = (struct svec)SVEC_INIT(struct row);
    st->columns = (struct svec)SVEC_INIT(struct column);
    st->shapes = (struct svec)SVEC_INIT(struct shape);
    st->name = (struct str){mem_dup(op->name.p, op->name.n), op->name.n};
    st->directions = mem_alloc(op->n_directions ? op->n_directions : 1);
    if (!st->name.p || !st->directions) {
        return false;
    }
    if (op->n_directions) {
        memcpy(st->directions, op->directions, op->n_directions);
    }
    st->n_directions = op->n_directions;
    return true;
}

static enum verdict apply_create_study(struct state *s, const struct op *op, struct applied *out)
{
    if (op->odd) {
        return V_ODD;
    }
    uint64_t taken;
    uint32_t name = intern_add(&s->study_names, op->name);
    if (name == INTERN_NONE) {
        return broken(s);
    }
    if (map64_get(&s->study_by_name, name, &taken)) {
        return V_EXISTS;
    }
    struct study *st = mem_zalloc(1, sizeof *st);
    if (!st) {
        return broken(s);
    }
    struct study **slot = study_init(s, st, op) ? svec_push(&s->studies) : NULL;
    if (!slot) {
        study_free(st);
        return broken(s);
    }
    *slot = st;
    if (!map64_set(&s->study_by_name, name, (uint64_t)st->id)) {
        return broken(s);
    }
    s->n_studies++;
    out->id = st->id;
    return V_APPLIED;
}

static enum verdict apply_delete_study(struct state *s, const struct op *op, struct applied *out)
{
    struct study *st = state_study(s, op->target);
    if (!st) {
        return V_NOT_FOUND;
    }
    st->deleted = true;
    st->version++;
    s->n_studies--;
    map64_remove(&s->study_by_name, intern_find(&s->study_names, st->name));
    out->id = st->id;
    return V_APPLIED;
}

static enum verdict apply_study_attr(struct state *s, const struct op *op, struct applied *out)
{
    struct study *st = state_study(s, op->target);
    if (!st) {
        return V_NOT_FOUND;
    }
    if (op->odd) {
        return V_ODD;
    }
    enum tl_attr_kind kind = op->code == OP_STUDY_USER_ATTR ? TL_ATTR_USER : TL_ATTR_SYSTEM;
    if (!attr_put(s, &st->attrs, kind, op->name, op->text)) {
        return broken(s);
    }
    st->version++;
    out->id = st->id;
    return V_APPLIED;
}

bool attr_put(struct state *s, struct list_ref *list, enum tl_attr_kind kind, struct str key, struct str json)
{
    struct attr_entry e = {intern_add(&s->names, key), (uint8_t)kind, json};
    return e.key != INTERN_NONE && json.n <= UINT32_MAX && list_put(s, list, LIST_ATTRS, &e);
}

/* ---- apply ---- */

static void explain(const struct op *op, enum verdict v, struct tl_err *why)
{
    const char *subject = op_name(op->code);
    switch (v) {
    case V_NOT_FOUND:
        err_set(why, TL_ENOTFOUND, "%s: there is no %s with id %lld", subject,
                op->code <= OP_CREATE_TRIAL ? "study" : "trial", (long long)op->target);
        break;
    case V_FINISHED:
        err_set(why, TL_EFINISHED, "%s: trial with id %lld has finished and cannot change", subject,
                (long long)op->target);
        break;
    case V_EXISTS:
        err_set(why, TL_EEXISTS, "a study named '%.*s' exists already", (int)(op->name.n < 120 ? op->name.n : 120),
                op->name.p);
        break;
    case V_INCOMPATIBLE:
        if (why && why->code == TL_OK) {
            err_set(why, TL_EINCOMPATIBLE,
                    "parameter '%.*s': kind, log flag or choices differ from the study's earlier distribution",
                    (int)(op->name.n < 120 ? op->name.n : 120), op->name.p);
        }
        break;
    case V_ODD:
        if (why && why->code == TL_OK) {
            err_set(why, TL_EINVAL, "%s: %s", subject, op->odd ? op->odd : "no Optuna could apply it");
        }
        break;
    case V_APPLIED:
    case V_NOT_YOURS:
    case V_SKIPPED: break;
    }
}

static enum verdict dispatch(struct state *s, const struct op *op, struct applied *out, struct tl_err *why)
{
    switch (op->code) {
    case OP_CREATE_STUDY: return apply_create_study(s, op, out);
    case OP_DELETE_STUDY: return apply_delete_study(s, op, out);
    case OP_STUDY_USER_ATTR:
    case OP_STUDY_SYSTEM_ATTR: return apply_study_attr(s, op, out);
    case OP_CREATE_TRIAL: return apply_create_trial(s, op, out, why);
    case OP_TRIAL_PARAM:
    case OP_TRIAL_STATE:
    case OP_TRIAL_REPORT:
    case OP_TRIAL_USER_ATTR:
    case OP_TRIAL_SYSTEM_ATTR: return apply_trial(s, op, out, why);
    case OP_DISCARD_TRIALS: return V_SKIPPED;
    case OP_N_CODES: break;
    }
    return V_ODD;
}

int state_apply(struct state *s, const struct op *op, struct applied *out, struct tl_err *why)
{
    out->id = -1;
    out->verdict = V_ODD;
    if (s->broken) {
        return TL_ENOMEM;
    }
    if (why) {
        *why = (struct tl_err)TL_ERR_INIT;
    }
    if (op->n != 0) {
        uint32_t w = worker_add(s, op->worker);
        if (w != INTERN_NONE) {
            uint64_t *last = svec_at(&s->worker_n, w);
            if (op->n > *last) {
                *last = op->n;
            }
        }
    }
    enum verdict v = s->broken ? V_ODD : dispatch(s, op, out, why);
    if (s->broken) {
        return err_nomem(why);
    }
    if (v == V_ODD) {
        s->n_odd++;
    }
    if (v != V_APPLIED) {
        explain(op, v, why);
    }
    out->verdict = v;
    s->seq++;
    return TL_OK;
}

int state_skip(struct state *s, int64_t placeholder_study)
{
    if (s->broken) {
        return TL_ENOMEM;
    }
    if (placeholder_study >= 0) {
        struct op op = {.code = OP_CREATE_TRIAL, .target = placeholder_study, .state = TL_FAIL, .is_template = true};
        struct applied done;
        return state_apply(s, &op, &done, NULL);
    }
    s->seq++;
    return TL_OK;
}
