/* SPDX-License-Identifier: MIT
 *
 * The replay rules for trials: creation, parameters, state changes, intermediate values, attributes.
 *
 * A trial lives as a `struct live_trial` until it finishes; then row.c turns it into a row and facts.c brings the study's
 * facts up to date. Its number's slot says where it is.
 */
#include "model/state_apply.h"

#include <math.h>

#include "base/err.h"
#include "base/mem.h"

/* ---- slots: number -> where the trial is ---- */

typedef _Atomic uint32_t slot_word;

static slot_word *slot_of(const struct study *st, uint32_t number)
{
    return svec_at(&st->slots, number);
}

void study_trial(const struct study *st, uint32_t number, const struct row **row, const struct live_trial **live)
{
    uint32_t where = atomic_load_explicit(slot_of(st, number), memory_order_acquire);
    *row = NULL;
    *live = NULL;
    if (where & LIVE_BIT) {
        *live = st->live[where & ~LIVE_BIT];
    } else {
        *row = svec_at(&st->rows, where);
    }
}

int study_trial_state(const struct study *st, uint32_t number)
{
    const struct row *row;
    const struct live_trial *live;
    study_trial(st, number, &row, &live);
    return row ? row->state : live->state;
}

uint32_t study_first_dist(const struct study *st, uint32_t name)
{
    uint64_t first;
    return map64_get(&st->first_dist, name, &first) ? (uint32_t)first : 0;
}

const struct column *study_column(const struct study *st, uint32_t name)
{
    uint64_t at;
    return map64_get(&st->column_of, name, &at) ? svec_at(&st->columns, (size_t)at) : NULL;
}

static bool live_add(struct study *st, struct live_trial *t)
{
    if (!mem_grow((void **)&st->live, &st->cap_live, st->n_live + 1, sizeof(struct live_trial *))) {
        return false;
    }
    atomic_store_explicit(slot_of(st, t->number), LIVE_BIT | (uint32_t)st->n_live, memory_order_release);
    st->live[st->n_live++] = t;
    return true;
}

/* The trial has become row `row`: takes it out of the live ones. */
static void live_remove(struct study *st, struct live_trial *t, uint32_t row)
{
    uint32_t at = atomic_load_explicit(slot_of(st, t->number), memory_order_relaxed) & ~LIVE_BIT;
    struct live_trial *last = st->live[--st->n_live];
    if (last != t) {
        st->live[at] = last;
        atomic_store_explicit(slot_of(st, last->number), LIVE_BIT | at, memory_order_release);
    }
    atomic_store_explicit(slot_of(st, t->number), row, memory_order_release);
    mem_free(t);
}

/* ---- parts of a trial ---- */

/* What Optuna's to_external_repr makes of an internal value: int() cuts towards zero, -1 is the last choice. false where
 * it raises. */
static bool settle_internal(const struct tl_dist *d, double *internal)
{
    double v = *internal;
    if (d->kind == TL_DIST_FLOAT) {
        return true;
    }
    if (!isfinite(v)) {
        return false;
    }
    v = trunc(v) + 0.0; /* no negative zero */
    if (d->kind == TL_DIST_CATEGORICAL) {
        double n = (double)d->n_choices;
        if (v < 0) {
            v += n;
        }
        if (v < 0 || v >= n) {
            return false;
        }
    }
    *internal = v;
    return true;
}

/* The lowest numbered trial that has a parameter fixes what later ones are compared with. */
static bool note_first(struct study *st, uint32_t number, uint32_t name, uint32_t dist)
{
    uint64_t first;
    if (map64_get(&st->first_dist, name, &first) && (first >> 32) < number) {
        return true;
    }
    return map64_set(&st->first_dist, name, (uint64_t)number << 32 | dist);
}

static bool values_set(struct study *st, struct live_trial *t, const double *values, size_t n)
{
    if (n == 0) {
        t->values = NULL;
    } else {
        uint64_t at = space_alloc(&st->bytes, n * sizeof *values);
        if (at == 0) {
            return false;
        }
        memcpy(space_at(&st->bytes, at), values, n * sizeof *values);
        t->values = space_at(&st->bytes, at);
    }
    t->n_values = n;
    t->has_values = true;
    return true;
}

/* Ends a trial whose state is a finished one already. */
static enum verdict finish(struct state *s, struct study *st, struct live_trial *t)
{
    uint32_t row = (uint32_t)st->rows.len;
    if (!row_finish(s, st, t) || !facts_finished(s, st, row)) {
        return broken(s);
    }
    live_remove(st, t, row);
    return V_APPLIED;
}

static void count_move(struct study *st, int from, int to)
{
    st->counts[from]--;
    st->counts[to]++;
}

/* ---- create trial ---- */

/* Reads all distributions first: nothing may have changed when one of them turns out to be odd. */
static bool template_dists(struct state *s, const struct op *op, struct param_entry *out, struct tl_err *why)
{
    for (size_t i = 0; i < op->n_params; i++) {
        const struct op_param *p = &op->params[i];
        int rc = dist_table_add(&s->dists, p->dist, p->dist_escaped, &out[i].dist, why);
        if (rc == TL_ENOMEM) {
            s->broken = true;
        }
        if (rc != TL_OK) {
            return false;
        }
        out[i].internal = p->internal;
        out[i].has_value = p->has_value;
        if (p->has_value && !settle_internal(&dist_table_get(&s->dists, out[i].dist)->d, &out[i].internal)) {
            err_set(why, TL_EINVAL, "create trial: parameter '%.*s' has no such value", (int)(p->name.n < 120 ? p->name.n : 120),
                    p->name.p);
            return false;
        }
        out[i].name = intern_add(&s->names, p->name);
        if (out[i].name == INTERN_NONE) {
            s->broken = true;
            return false;
        }
    }
    return true;
}

static bool template_fill(struct state *s, struct study *st, struct live_trial *t, const struct op *op,
                          const struct param_entry *params)
{
    for (size_t i = 0; i < op->n_params; i++) {
        if (!list_put(s, &t->params, LIST_PARAMS, &params[i])) {
            return false;
        }
        if (params[i].has_value && !note_first(st, t->number, params[i].name, params[i].dist)) {
            return false;
        }
    }
    for (size_t i = 0; i < op->n_user_attrs; i++) {
        if (!attr_put(s, &t->attrs, TL_ATTR_USER, op->user_attrs[i].key, op->user_attrs[i].json)) {
            return false;
        }
    }
    for (size_t i = 0; i < op->n_system_attrs; i++) {
        if (!attr_put(s, &t->attrs, TL_ATTR_SYSTEM, op->system_attrs[i].key, op->system_attrs[i].json)) {
            return false;
        }
    }
    for (size_t i = 0; i < op->n_reports; i++) {
        struct report_entry e = {op->reports[i].step, op->reports[i].value};
        if (!list_put(s, &t->reports, LIST_REPORTS, &e)) {
            return false;
        }
    }
    return !op->has_values || values_set(st, t, op->values, op->n_values);
}

static struct live_trial *trial_new(struct state *s, struct study *st, const struct op *op)
{
    struct live_trial *t = mem_zalloc(1, sizeof *t);
    struct trial_place *place = t ? svec_push(&s->trials) : NULL;
    if (!place || !svec_push(&st->slots)) {
        mem_free(t);
        return NULL;
    }
    place->study = (uint32_t)st->id;
    place->number = (uint32_t)st->n_trials;
    t->id = (int64_t)s->trials.len - 1;
    t->number = place->number;
    t->state = (uint8_t)op->state;
    t->start = time_pack(op->start);
    t->complete = time_pack(op->complete);
    t->owner = op->state == TL_RUNNING ? worker_add(s, op->worker) : INTERN_NONE;
    if (s->broken || !live_add(st, t)) {
        mem_free(t);
        return NULL;
    }
    st->n_trials++;
    st->counts[op->state]++;
    return t;
}

enum verdict apply_create_trial(struct state *s, const struct op *op, struct applied *out, struct tl_err *why)
{
    struct study *st = state_study(s, op->target);
    if (!st) {
        return V_NOT_FOUND;
    }
    if (op->odd || op->state < TL_RUNNING || op->state > TL_WAITING) {
        return V_ODD;
    }
    struct param_entry small[32], *params = op->n_params <= TL_COUNT(small) ? small : mem_alloc(op->n_params * sizeof *params);
    if (!params) {
        return broken(s);
    }
    enum verdict v = V_ODD;
    if (template_dists(s, op, params, why)) {
        struct live_trial *t = trial_new(s, st, op);
        if (t && template_fill(s, st, t, op, params)) {
            out->id = t->id;
            v = V_APPLIED;
            if (TL_STATE_IS_FINISHED(t->state)) {
                v = finish(s, st, t);
            } else if (t->state == TL_WAITING && !facts_waiting(st, t->number)) {
                v = broken(s);
            }
        } else {
            v = broken(s);
        }
        st->version++;
    }
    if (params != small) {
        mem_free(params);
    }
    return v;
}

/* ---- changes of an unfinished trial ---- */

static enum verdict apply_param(struct state *s, struct study *st, struct live_trial *t, const struct op *op,
                                struct tl_err *why)
{
    struct param_entry e = {INTERN_NONE, 0, op->number, true};
    int rc = dist_table_add(&s->dists, op->text, op->text_escaped, &e.dist, why);
    if (rc == TL_ENOMEM) {
        return broken(s);
    }
    if (rc != TL_OK) {
        return V_ODD;
    }
    e.name = intern_add(&s->names, op->name);
    if (e.name == INTERN_NONE) {
        return broken(s);
    }
    const struct dist *d = dist_table_get(&s->dists, e.dist);
    uint32_t first = study_first_dist(st, e.name);
    if (first != 0 && first != e.dist && !dist_compatible(dist_table_get(&s->dists, first), d)) {
        return V_INCOMPATIBLE;
    }
    if (!settle_internal(&d->d, &e.internal)) {
        return V_ODD;
    }
    if (!list_put(s, &t->params, LIST_PARAMS, &e) || !note_first(st, t->number, e.name, e.dist)) {
        return broken(s);
    }
    return V_APPLIED;
}

static enum verdict apply_state(struct state *s, struct study *st, struct live_trial *t, const struct op *op)
{
    if (op->state < TL_RUNNING || op->state > TL_WAITING) {
        return V_ODD;
    }
    if (op->state == TL_RUNNING && t->state == TL_RUNNING) {
        return V_NOT_YOURS; /* the first claim in the log wins */
    }
    if (op->odd) {
        return V_ODD;
    }
    if (op->has_values && !values_set(st, t, op->values, op->n_values)) {
        return broken(s);
    }
    if (op->state == TL_RUNNING) {
        t->start = time_pack(op->start);
        t->owner = worker_add(s, op->worker);
        if (s->broken) {
            return V_ODD;
        }
    }
    count_move(st, t->state, op->state);
    bool was_waiting = t->state == TL_WAITING;
    t->state = (uint8_t)op->state;
    if (op->state == TL_WAITING && !was_waiting && !facts_waiting(st, t->number)) {
        return broken(s);
    }
    if (TL_STATE_IS_FINISHED(op->state)) {
        t->complete = time_pack(op->complete);
        return finish(s, st, t);
    }
    return V_APPLIED;
}

static enum verdict apply_report(struct state *s, struct live_trial *t, const struct op *op)
{
    struct report_entry e = {op->step, op->number};
    return list_put(s, &t->reports, LIST_REPORTS, &e) ? V_APPLIED : broken(s);
}

enum verdict apply_trial(struct state *s, const struct op *op, struct applied *out, struct tl_err *why)
{
    struct study *st;
    uint32_t number;
    if (!state_trial_place(s, op->target, &st, &number)) {
        return V_NOT_FOUND;
    }
    uint32_t where = atomic_load_explicit(slot_of(st, number), memory_order_relaxed);
    if (!(where & LIVE_BIT)) {
        return V_FINISHED;
    }
    struct live_trial *t = st->live[where & ~LIVE_BIT];
    out->id = op->target;
    if (op->odd && op->code != OP_TRIAL_STATE) {
        return V_ODD;
    }
    st->version++;
    t->changes++;
    switch (op->code) {
    case OP_TRIAL_PARAM: return apply_param(s, st, t, op, why);
    case OP_TRIAL_STATE: return apply_state(s, st, t, op);
    case OP_TRIAL_REPORT: return apply_report(s, t, op);
    default: break;
    }
    enum tl_attr_kind kind = op->code == OP_TRIAL_USER_ATTR ? TL_ATTR_USER : TL_ATTR_SYSTEM;
    return attr_put(s, &t->attrs, kind, op->name, op->text) ? V_APPLIED : broken(s);
}
