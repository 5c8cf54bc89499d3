/* SPDX-License-Identifier: MIT
 *
 * Tell: how a trial ends, in one append together with the suggestions that still wait.
 *
 * Decided under the journal's lock: the trial must be RUNNING, the suggestions must fit, and a pruned trial takes the value of its
 * highest step as it stands there. Nothing is written when any of this fails, and the caller's handle stays.
 */
#include "engine/study.h"

#include <math.h>

#include "base/err.h"

struct tell {
    tl_study *study;
    tl_trial *trial; /* NULL: by number */
    int64_t number;
    bool skip_if_finished;
    enum tl_state state;
    const double *values;
    size_t n_values;
    struct trial_write write;
    struct attr_list attrs; /* from the sampler */
    struct arena memory;
    struct tl_err *err;
    int rc;
    double pruned_value;
    enum tl_state final; /* result */
};

/* What the trial will become, as far as the arguments say. */
static int check_told(struct tell *t, struct tl_err *err)
{
    bool bad = t->n_values != t->study->n_directions;
    if (t->state == TL_PRUNED || t->state == TL_FAIL) {
        return t->values && t->n_values
                   ? err_set(err, TL_EINVAL, "a %s trial comes without values", tl_state_name((int)t->state))
                   : TL_OK;
    }
    if (t->state != TL_COMPLETE) {
        return err_set(err, TL_EINVAL, "a trial cannot be told to be %s: COMPLETE, PRUNED or FAIL",
                       tl_state_name((int)t->state) ? tl_state_name((int)t->state) : "in an unknown state");
    }
    if (!t->values) {
        return err_set(err, TL_EINVAL, "a COMPLETE trial needs its values");
    }
    for (size_t i = 0; !bad && i < t->n_values; i++) {
        bad = isnan(t->values[i]);
    }
    if (bad) {
        t->state = TL_FAIL;
        t->values = NULL;
        t->n_values = 0;
    }
    return TL_OK;
}

/* The value of the highest step; false when there is none or it is NaN. */
static bool last_value(const struct live_trial *live, double *out)
{
    const struct report_entry *last = NULL;
    for (size_t i = 0; i < live->reports.n; i++) {
        const struct report_entry *e = svec_at(&live->reports.list->entries, i);
        if (!last || e->step >= last->step) {
            last = e; /* a later entry of a step replaces an earlier one */
        }
    }
    if (!last || isnan(last->value)) {
        return false;
    }
    *out = last->value;
    return true;
}

static int decide_tell(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct tell *t = c->ctx;
    const struct live_trial *live;
    const struct row *row;
    struct study *st;
    int rc = find_study(s, t->study->id, &st, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (t->number < 0 || (uint64_t)t->number >= st->n_trials) {
        return err_set(err, TL_ENOTFOUND, "study '%s' has no trial %lld", t->study->name, (long long)t->number);
    }
    study_trial(st, (uint32_t)t->number, &row, &live);
    t->final = row ? (enum tl_state)row->state : t->state;
    if (row && t->skip_if_finished) {
        return TL_OK;
    }
    if (row) {
        return finished_error(s, st, row, err);
    }
    if (live->state != TL_RUNNING) {
        return err_set(err, TL_EINVAL, "trial %lld is %s: only a RUNNING trial can end", (long long)t->number,
                       tl_state_name(live->state));
    }
    t->write.trial_id = live->id;
    rc = trial_write_check(&t->write, s, st, err);
    struct op *op = rc == TL_OK ? commit_ops(c, t->write.n_params + t->attrs.n + 1) : NULL;
    if (!op) {
        return rc == TL_OK ? err_nomem(err) : rc;
    }
    trial_write_params(&t->write, op);
    op += t->write.n_params;
    for (size_t i = 0; i < t->attrs.n; i++, op++) {
        *op = (struct op){.code = OP_TRIAL_SYSTEM_ATTR, .target = live->id, .name = t->attrs.items[i].key, .text = t->attrs.items[i].json};
    }
    *op = (struct op){.code = OP_TRIAL_STATE, .target = live->id, .state = (int)t->state, .complete = store_now(),
                      .has_values = t->values != NULL, .values = t->values, .n_values = t->n_values};
    if (t->state == TL_PRUNED && st->n_directions == 1 && last_value(live, &t->pruned_value)) {
        op->has_values = true;
        op->values = &t->pruned_value;
        op->n_values = 1;
    }
    return TL_OK;
}

static int take_attr(void *ctx, const char *key, const char *json)
{
    struct tell *t = ctx;
    t->rc = attr_add(&t->attrs, key, json, &t->memory, t->err);
    return t->rc;
}

/* The sampler's word on the end of a trial. */
static int call_after(struct tell *t, struct tl_err *err)
{
    const tl_sampler *sampler = t->study->sampler;
    tl_view *view = NULL;
    int rc = TL_OK;
    if (!sampler->ops.after) {
        return TL_OK;
    }
    if (!(sampler->ops.flags & TL_SAMPLER_STATELESS)) {
        rc = tl_view_open(t->study->storage, t->study->id, true, &view, err);
    }
    if (rc == TL_OK) {
        struct tl_sample_context c = {view, tl_study_id(t->study), t->number, t->study->handle, NULL};
        t->err = err;
        rc = sampler->ops.after(sampler->self, &c, t->state, t->values, t->n_values, take_attr, t, err);
        rc = t->rc != TL_OK ? t->rc : rc;
    }
    tl_view_close(view);
    return rc;
}

static int tell(struct tell *t, enum tl_state *final, struct tl_err *err)
{
    struct commit c = {.decide = decide_tell, .ctx = t, .exact = t->trial ? EXACT_NOT : EXACT_HEAD,
                       .has_trial = t->trial != NULL, .trial = t->write.trial_id, .takes_along = true};
    int rc = check_told(t, err);
    if (rc == TL_OK) {
        rc = call_after(t, err);
    }
    if (rc == TL_OK) {
        rc = explain_finished(t->study->storage, t->write.trial_id, store_commit(t->study->storage, &c, err), err);
        if (t->trial) {
            trial_wrote(t->trial, &t->write, &c, rc, err);
        }
    }
    if (rc == TL_OK && final) {
        *final = t->final;
    }
    if (rc == TL_OK && !t->trial && c.n_ops > 0) {
        lease_settle(t->study->storage, t->write.trial_id);
    }
    commit_release(&c);
    mem_free(t->attrs.items);
    arena_release(&t->memory);
    return rc;
}

TL_API int tl_study_tell(tl_study *study, tl_trial *trial, enum tl_state state, const double *values, size_t n_values,
                         enum tl_state *final, struct tl_err *err)
{
    if (!trial || trial->study != study) {
        return err_set(err, TL_EINVAL, "the trial is not one of this study's handle");
    }
    struct tell t = {.study = study, .trial = trial, .number = trial->number, .state = state, .values = values,
                     .n_values = values ? n_values : 0, .write = trial_waiting(trial)};
    int rc = tell(&t, final, err);
    if (rc == TL_OK) {
        tl_trial_free(trial);
    }
    return rc;
}

TL_API int tl_study_tell_number(tl_study *study, int64_t number, enum tl_state state, const double *values,
                                size_t n_values, bool skip_if_finished, enum tl_state *final, struct tl_err *err)
{
    struct tell t = {.study = study, .number = number, .skip_if_finished = skip_if_finished, .state = state,
                     .values = values, .n_values = values ? n_values : 0};
    return tell(&t, final, err);
}
