/* SPDX-License-Identifier: MIT
 *
 * Should this trial stop? Asks the study's pruner, on a view at the journal's head, and stores what the pruner wants stored.
 *
 * A trial's handle keeps its reports together with what pruners need of them at every report (the best so far, the highest step and
 * the one below it), so that a decision does not depend on how many there are. When the journal has another number of reports than
 * the handle (a program reported through another process) they are read anew.
 *
 * The pruner's attributes are collected while it thinks and written, with suggestions that wait, in one append. The answer is given
 * only when that append has succeeded: a trial that others do not see in its rung has not been there.
 */
#include "engine/study.h"

#include <math.h>

#include "base/err.h"

/* ---- reports ---- */

static void widen(struct tl_report_range *r, double v)
{
    if (!isnan(v)) {
        r->low = isnan(r->low) || v < r->low ? v : r->low;
        r->high = isnan(r->high) || v > r->high ? v : r->high;
    }
}

static void learn(struct report_facts *f, const struct tl_report *items, size_t i)
{
    int64_t step = items[i].step;
    if (i == 0) {
        *f = (struct report_facts){.previous_step = -1};
    } else if (step > items[f->last].step) {
        f->previous_step = items[f->last].step > -1 ? items[f->last].step : -1;
        f->last = i;
    } else if (step > f->previous_step) {
        f->previous_step = step;
    }
    f->descended = f->descended || (i > 0 && step <= items[i - 1].step);
}

int reports_add(struct trial_reports *r, int64_t step, double value, struct tl_err *err)
{
    struct tl_report_range range = {NAN, NAN};
    if (!mem_grow((void **)&r->items, &r->cap, r->n + 1, sizeof *r->items) ||
        !mem_grow((void **)&r->ranges, &r->cap_ranges, r->n + 1, sizeof *r->ranges) ||
        (step >= 0 && !map64_set(&r->steps, (uint64_t)step, r->n))) {
        return err_nomem(err);
    }
    if (r->n > 0) {
        range = r->ranges[r->n - 1];
    }
    widen(&range, value);
    r->items[r->n] = (struct tl_report){step, value};
    r->ranges[r->n] = range;
    learn(&r->facts, r->items, r->n);
    r->n++;
    return TL_OK;
}

void reports_drop(struct trial_reports *r, const struct report_facts *facts)
{
    r->n--;
    r->facts = *facts;
    if (r->items[r->n].step >= 0) {
        (void)map64_remove(&r->steps, (uint64_t)r->items[r->n].step);
    }
}

void reports_release(struct trial_reports *r)
{
    map64_release(&r->steps);
    mem_free(r->items);
    mem_free(r->ranges);
    *r = (struct trial_reports){.items = NULL};
}

/* As the view has them. */
static int read_reports(tl_trial *t, const tl_view *view, struct tl_err *err)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct trial_reports fresh = {.items = NULL};
    int rc = tl_view_trial(view, t->number, &trial, err);
    for (size_t i = 0; rc == TL_OK && i < trial.n_reports; i++) {
        rc = reports_add(&fresh, trial.reports[i].step, trial.reports[i].value, err);
    }
    if (rc == TL_OK) {
        struct trial_reports old = t->reports;
        t->reports = fresh;
        fresh = old;
    }
    reports_release(&fresh);
    tl_frozen_release(&trial);
    return rc;
}

/* ---- asking ---- */

struct wishes { /* attributes that the pruner wants stored */
    struct attr_list list;
    struct arena memory;
    struct tl_err *err;
    int rc;
};

static int take_attr(void *ctx, const char *key, const char *json)
{
    struct wishes *w = ctx;
    w->rc = w->rc ? w->rc : attr_add(&w->list, key, json, &w->memory, w->err);
    return w->rc;
}

static int write_wishes(tl_trial *t, struct wishes *w, struct tl_err *err)
{
    struct op *ops = w->list.n ? arena_alloc(&w->memory, w->list.n * sizeof *ops) : NULL;
    if (w->list.n == 0) {
        return TL_OK;
    }
    if (!ops) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < w->list.n; i++) {
        ops[i] = (struct op){.code = OP_TRIAL_SYSTEM_ATTR, .name = w->list.items[i].key, .text = w->list.items[i].json};
    }
    return trial_write_with(t, ops, w->list.n, err);
}

static int ask_pruner(tl_trial *t, const tl_view *view, bool *prune, struct tl_err *err)
{
    const tl_pruner *pruner = t->study->pruner;
    const struct trial_reports *r = &t->reports;
    struct wishes w = {.err = err};
    bool answer = false;
    struct tl_prune_context c = {.view = view,
                                 .study_id = tl_study_id(t->study),
                                 .trial_number = t->number,
                                 .handle = t->study->handle,
                                 .reports = r->items,
                                 .n_reports = r->n,
                                 .ranges = r->ranges,
                                 .last = r->facts.last,
                                 .previous_step = r->facts.previous_step,
                                 .ascending = !r->facts.descended,
                                 .attr = take_attr,
                                 .ctx = &w};
    int rc = pruner->ops.prune(pruner->self, &c, &answer, err);
    rc = w.rc ? w.rc : rc;
    if (rc == TL_OK) {
        rc = write_wishes(t, &w, err);
    }
    if (rc == TL_OK) {
        *prune = answer;
    }
    mem_free(w.list.items);
    arena_release(&w.memory);
    return rc;
}

TL_API int tl_trial_should_prune(tl_trial *t, bool *prune, struct tl_err *err)
{
    tl_study *study = t->study;
    tl_view *view;
    if (study->n_directions > 1) {
        return err_set(err, TL_EINVAL, "a trial of a study with several objectives cannot be pruned");
    }
    if (!study->pruner) {
        *prune = false;
        return TL_OK;
    }
    int rc = tl_view_open(study->storage, study->id, true, &view, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (tl_view_n_reports(view, t->number) != t->reports.n) {
        rc = read_reports(t, view, err);
    }
    if (rc == TL_OK && t->reports.n == 0) {
        *prune = false;
    } else if (rc == TL_OK) {
        rc = ask_pruner(t, view, prune, err);
    }
    tl_view_close(view);
    return rc;
}

/* A handle for as long as the question takes. */
TL_API int tl_study_should_prune(tl_study *study, int64_t number, bool *prune, struct tl_err *err)
{
    struct study *st;
    int rc = store_refresh(study->storage, err);
    if (rc != TL_OK) {
        return rc;
    }
    tl_trial *t = trial_new(study);
    if (!t) {
        return err_nomem(err);
    }
    rc = find_study(store_lock_state(study->storage), study->id, &st, err);
    const struct live_trial *live = NULL;
    const struct row *row = NULL;
    if (rc == TL_OK && (number < 0 || (uint64_t)number >= st->n_trials)) {
        rc = err_set(err, TL_ENOTFOUND, "study '%s' has no trial %lld", study->name, (long long)number);
    } else if (rc == TL_OK) {
        study_trial(st, (uint32_t)number, &row, &live);
        rc = live ? TL_OK
                  : err_set(err, TL_EFINISHED, "trial %lld has finished as %s", (long long)number, tl_state_name(row->state));
        t->id = live ? live->id : -1;
    }
    store_unlock_state(study->storage);
    rc = rc == TL_OK ? trial_load(t, err) : rc;
    rc = rc == TL_OK ? tl_trial_should_prune(t, prune, err) : rc;
    tl_trial_free(t);
    return rc;
}
