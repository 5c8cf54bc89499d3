/* SPDX-License-Identifier: MIT
 *
 * The percentile pruner, and the median pruner, which is the 50th percentile.
 *
 * A trial is stopped when its best value so far is worse than the given percentile of what the COMPLETE trials reported at exactly
 * this step. (Golovin, Solnik, Moitra, Kochanski, Karro, Sculley: "Google Vizier", KDD 2017, section 3.2.2, has the median rule;
 * Optuna's PercentilePruner is the model for everything that the paper leaves open.)
 *
 * Happy path: each step that is asked about has an order statistic of its own and a row count up to which it has read; a decision reads
 * the rows behind it, then one quantile. So each finished trial is looked at once per step that is asked about, a decision costs
 * O(log n), and whoever asks once (a command) reads one value per trial.
 *
 * Failure modes: out of memory: the step's row count stays before the row that could not be added.
 */
#include "base/err.h"
#include "base/mem.h"
#include "numeric/order_stat.h"
#include "pruner/pruner.h"

#include <math.h>

struct percentile {
    struct memories memories;
    double percentile; /* 0 … 100 */
    int64_t n_startup_trials, n_min_trials;
    struct step_gate gate;
};

struct step_values {
    size_t rows; /* read so far */
    size_t n;    /* COMPLETE trials with this step, NaN included */
    struct order_stat values;
};
struct step_memory {
    struct row_cursor cursor; /* for the epoch; each step counts its own rows */
    struct map64 of;          /* step -> index in steps */
    struct step_values *steps;
    size_t n, cap;
};

static void forget_steps(void *memory)
{
    struct step_memory *m = memory;
    for (size_t i = 0; i < m->n; i++) {
        order_stat_release(&m->steps[i].values);
    }
    map64_release(&m->of);
    mem_free(m->steps);
    m->of = (struct map64){0};
    m->steps = NULL;
    m->n = m->cap = 0;
}

static struct step_values *values_at(struct step_memory *m, int64_t step)
{
    uint64_t at;
    if (map64_get(&m->of, (uint64_t)step, &at)) {
        return &m->steps[at];
    }
    if (!mem_grow((void **)&m->steps, &m->cap, m->n + 1, sizeof *m->steps) || !map64_set(&m->of, (uint64_t)step, m->n)) {
        return NULL;
    }
    m->steps[m->n] = (struct step_values){.rows = 0};
    return &m->steps[m->n++];
}

/* Takes in the rows that finished since. */
static bool read_rows(struct step_values *s, const tl_view *view, int64_t step)
{
    for (size_t n_rows = tl_view_n_rows(view); s->rows < n_rows; s->rows++) {
        struct tl_row row;
        double v;
        tl_view_row(view, s->rows, &row);
        if (row.state != TL_COMPLETE || !tl_view_row_report(view, s->rows, step, &v)) {
            continue;
        }
        if (!isnan(v) && !order_stat_add(&s->values, v)) {
            return false;
        }
        s->n++;
    }
    return true;
}

/* The percentile of what others had at this step; NaN when there is too little to go by. */
static int others_at(struct percentile *p, const struct tl_prune_context *c, int64_t step, double q, double *out,
                     struct tl_err *err)
{
    struct step_memory *m = memories_enter(&p->memories, c->handle, sizeof *m);
    if (!m) {
        return err_nomem(err);
    }
    if (!row_cursor_holds(&m->cursor, c->view)) {
        forget_steps(m);
    }
    struct step_values *s = values_at(m, step);
    int rc = s && read_rows(s, c->view, step) ? TL_OK : err_nomem(err);
    if (rc == TL_OK) {
        *out = s->n < (uint64_t)p->n_min_trials ? NAN : order_stat_quantile(&s->values, q);
    }
    memories_leave(&p->memories);
    return rc;
}

static int percentile_prune(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    struct percentile *p = self;
    const struct tl_report_range *range = &c->ranges[c->n_reports - 1];
    size_t n_complete = tl_view_count(c->view, TL_COMPLETE);
    bool maximize = prune_maximizes(c);
    double best = maximize ? range->high : range->low, others = NAN;
    *prune = false;
    if (n_complete == 0 || n_complete < (uint64_t)p->n_startup_trials || !step_gate_open(&p->gate, c)) {
        return TL_OK;
    }
    if (isnan(best)) {
        *prune = true;
        return TL_OK;
    }
    int rc = others_at(p, c, c->reports[c->last].step, (maximize ? 100 - p->percentile : p->percentile) / 100, &others, err);
    if (rc == TL_OK) {
        *prune = maximize ? best < others : best > others; /* false for NaN */
    }
    return rc;
}

static void percentile_forget(void *self, uint64_t handle)
{
    struct percentile *p = self;
    memories_forget(&p->memories, handle);
}

static void percentile_release(void *self)
{
    struct percentile *p = self;
    memories_release(&p->memories);
    mem_free(p);
}

static int make(const char *name, const struct percentile *options, tl_pruner **out, struct tl_err *err)
{
    struct tl_pruner_ops ops = {sizeof ops, name, percentile_prune, percentile_forget, percentile_release};
    struct percentile *p = mem_alloc(sizeof *p);
    if (!p) {
        return err_nomem(err);
    }
    *p = *options;
    if (!memories_init(&p->memories, forget_steps)) {
        mem_free(p);
        return err_nomem(err);
    }
    return pruner_make(&ops, p, out, err);
}

static int common_options(struct percentile *p, const struct tl_option *options, size_t n, struct tl_err *err)
{
    p->n_startup_trials = 5;
    p->n_min_trials = 1;
    int rc = option_int(options, n, "n_startup_trials", 0, INT64_MAX, &p->n_startup_trials, err);
    if (rc == TL_OK) {
        rc = step_gate_options(&p->gate, options, n, err);
    }
    return rc == TL_OK ? option_int(options, n, "n_min_trials", 1, INT64_MAX, &p->n_min_trials, err) : rc;
}

int median_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    struct percentile p = {.percentile = 50};
    int rc = common_options(&p, options, n, err);
    return rc == TL_OK ? make("median", &p, out, err) : rc;
}

int percentile_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    struct percentile p = {.percentile = NAN};
    int rc = option_double(options, n, "percentile", 0, 100, &p.percentile, err);
    if (rc == TL_OK && isnan(p.percentile)) {
        rc = err_set(err, TL_EINVAL, "pruner 'percentile' needs the option percentile: 25 keeps the best quarter");
    }
    if (rc == TL_OK) {
        rc = common_options(&p, options, n, err);
    }
    return rc == TL_OK ? make("percentile", &p, out, err) : rc;
}
