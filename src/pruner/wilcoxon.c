/* SPDX-License-Identifier: MIT
 *
 * The Wilcoxon pruner: steps are instances of one problem, and a trial's value is the mean over them. A trial stops when a signed-rank
 * test on the instances that it has in common with the best trial says that it is worse, unless its mean is as good.
 *
 * Happy path: the best trial's reports are kept sorted by step until another trial is best; each decision pairs and ranks the trial's
 * own: O(k log k) for k reports, whatever the number of trials. The test is asked again at every report, so over a whole trial it errs
 * more often than p_threshold says; a lower threshold (Pocock's correction) makes up for it.
 *
 * Values that are not finite, here or in the best trial, have no difference to rank: nothing is pruned.
 */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "numeric/signed_rank.h"
#include "pruner/pruner.h"
#include "sampler/sampler.h"

struct wilcoxon {
    struct memories memories;
    double p_threshold;
    int64_t n_startup_steps;
    enum signed_rank_how how;
};
/* The best trial's reports. */
struct best_memory {
    struct row_cursor epoch;
    int64_t number; /* of the trial that was read, -1 for none */
    struct tl_report *reports; /* by step */
    size_t n, cap;
    double mean;
    bool finite;
};

static void release_memory(void *memory)
{
    struct best_memory *m = memory;
    mem_free(m->reports);
}

static int by_step(const void *a, const void *b)
{
    int64_t x = ((const struct tl_report *)a)->step, y = ((const struct tl_report *)b)->step;
    return (x > y) - (x < y);
}

/* Mean in the order of the reports; false when one of them is not finite. */
static bool mean_of(const struct tl_report *reports, size_t n, double *mean)
{
    double sum = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        sum += reports[i].value;
        finite = finite && isfinite(reports[i].value);
    }
    *mean = n ? sum / (double)n : 0;
    return finite;
}

static int read_best(struct best_memory *m, const tl_view *view, int64_t number, struct tl_err *err)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    m->number = -1;
    int rc = tl_view_trial(view, number, &t, err);
    if (rc == TL_OK && !mem_grow((void **)&m->reports, &m->cap, t.n_reports, sizeof *m->reports)) {
        rc = err_nomem(err);
    }
    if (rc == TL_OK) {
        m->n = t.n_reports;
        m->finite = mean_of(t.reports, t.n_reports, &m->mean);
        if (m->n) {
            memcpy(m->reports, t.reports, m->n * sizeof *m->reports);
            qsort(m->reports, m->n, sizeof *m->reports, by_step);
        }
        m->number = number;
    }
    tl_frozen_release(&t);
    return rc;
}

/* The differences to the best trial at the steps that both have. */
static size_t pair(const struct best_memory *m, const struct tl_prune_context *c, double *differences)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_reports; i++) {
        const struct tl_report *r = bsearch(&c->reports[i], m->reports, m->n, sizeof *r, by_step);
        if (r) {
            differences[n++] = c->reports[i].value - r->value;
        }
    }
    return n;
}

static int decide(const struct wilcoxon *w, struct best_memory *m, const struct tl_prune_context *c, bool *prune,
                  struct tl_err *err)
{
    int64_t best = tl_view_best(c->view);
    bool maximize = prune_maximizes(c);
    double mean;
    int rc = TL_OK;
    *prune = false;
    if (!row_cursor_holds(&m->epoch, c->view)) {
        m->number = -1;
    }
    if (best < 0 || !mean_of(c->reports, c->n_reports, &mean)) {
        return TL_OK;
    }
    if (m->number != best) {
        rc = read_best(m, c->view, best, err);
    }
    if (rc != TL_OK || m->n == 0 || !m->finite) {
        return rc;
    }
    double *differences = mem_alloc(c->n_reports * sizeof *differences);
    if (!differences) {
        return err_nomem(err);
    }
    size_t n = pair(m, c, differences);
    bool as_good = maximize ? m->mean <= mean : m->mean >= mean;
    if (n >= 2 && n >= (uint64_t)w->n_startup_steps && !as_good) {
        *prune = signed_rank_p(differences, n, maximize, w->how) < w->p_threshold;
    }
    mem_free(differences);
    return TL_OK;
}

static int wilcoxon_prune(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    struct wilcoxon *w = self;
    struct best_memory *m = memories_enter(&w->memories, c->handle, sizeof *m);
    if (!m) {
        return err_nomem(err);
    }
    int rc = decide(w, m, c, prune, err);
    memories_leave(&w->memories);
    return rc;
}

static void wilcoxon_forget(void *self, uint64_t handle)
{
    struct wilcoxon *w = self;
    memories_forget(&w->memories, handle);
}

static void wilcoxon_release(void *self)
{
    struct wilcoxon *w = self;
    memories_release(&w->memories);
    mem_free(w);
}

static int read_exact(const struct tl_option *options, size_t n, enum signed_rank_how *how, struct tl_err *err)
{
    const char *text = option_value(options, n, "exact");
    *how = text && strcmp(text, "true") == 0 ? SIGNED_RANK_EXACT : SIGNED_RANK_AUTO;
    return !text || strcmp(text, "false") == 0 || strcmp(text, "true") == 0
               ? TL_OK
               : err_set(err, TL_EINVAL, "option 'exact' is '%s': it must be true or false", text);
}

int wilcoxon_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    static const struct tl_pruner_ops ops = {sizeof ops, "wilcoxon", wilcoxon_prune, wilcoxon_forget, wilcoxon_release};
    struct wilcoxon o = {.p_threshold = 0.1, .n_startup_steps = 2};
    int rc = option_double(options, n, "p_threshold", 0, 1, &o.p_threshold, err);
    if (rc == TL_OK) {
        rc = option_int(options, n, "n_startup_steps", 0, INT64_MAX, &o.n_startup_steps, err);
    }
    if (rc == TL_OK) {
        rc = read_exact(options, n, &o.how, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct wilcoxon *w = mem_alloc(sizeof *w);
    if (!w) {
        return err_nomem(err);
    }
    *w = o;
    if (!memories_init(&w->memories, release_memory)) {
        mem_free(w);
        return err_nomem(err);
    }
    return pruner_make(&ops, w, out, err);
}
