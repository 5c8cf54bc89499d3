/* SPDX-License-Identifier: MIT
 *
 * The registry of pruners, their options, the interval gate, and pruners of the user's own. One row and one maker for each, as in
 * sampler/sampler.c.
 */
#include "pruner/pruner.h"

#include <assert.h>
#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "sampler/sampler.h"

/* ---- nop ---- */

static int nop_prune(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    (void)self, (void)c, (void)err;
    *prune = false;
    return TL_OK;
}

static const struct tl_pruner_ops nop_ops = {sizeof nop_ops, "nop", nop_prune, NULL, NULL};

static int nop_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    (void)options, (void)n;
    return tl_pruner_new(&nop_ops, NULL, out, err);
}

/* ---- the pruners there are ---- */

#define STEPS "0 .. 2^63-1"
#define N_STARTUP {"n_startup_trials", "int", "0 .. 2^63-1", "5", "nothing is pruned before so many trials are COMPLETE"}
#define N_WARMUP  {"n_warmup_steps", "int", STEPS, "0", "nothing is pruned at steps below this one"}
#define INTERVAL  {"interval_steps", "int", "1 .. 2^63-1", "1", "one check per so many steps, from n_warmup_steps on"}
#define N_MIN     {"n_min_trials", "int", "1 .. 2^63-1", "1", "nothing is pruned while fewer COMPLETE trials have reported the step"}
#define BOOTSTRAP {"bootstrap_count", "int", "0 .. 2^63-1", "0", "no trial goes on from a rung before more than so many have reached it; " \
                   "not with an \"auto\" resource"}
#define END       {NULL, NULL, NULL, NULL, NULL}

static const struct tl_option_doc no_options[] = {END};
static const struct tl_option_doc median_options[] = {N_STARTUP, N_WARMUP, INTERVAL, N_MIN, END};
static const struct tl_option_doc percentile_options[] = {
    {"percentile", "float", "0 .. 100", "required", "the share of trials that may go on: 25 keeps the best quarter"},
    N_STARTUP, N_WARMUP, INTERVAL, N_MIN, END,
};
static const struct tl_option_doc halving_options[] = {
    {"min_resource", "int or auto", "1 .. 2^40", "auto",
     "the step of the first rung; auto: a hundredth of the first complete trials' last step"},
    {"reduction_factor", "int", "2 .. 2^40", "4", "one in so many trials goes on from a rung; the next one is so many times as far"},
    {"min_early_stopping_rate", "int", "0 .. 2^63-1", "0", "how many times the first rung is moved up by the factor"},
    BOOTSTRAP, END,
};
static const struct tl_option_doc hyperband_options[] = {
    {"min_resource", "int", "1 .. 2^40", "1", "the step of the first rung of the first bracket"},
    {"max_resource", "int or auto", "1 .. 2^40", "auto", "the last step of a trial; auto: that of the first complete trials, and 1"},
    {"reduction_factor", "int", "2 .. 2^40", "3", "one in so many trials goes on from a rung; the next one is so many times as far"},
    BOOTSTRAP, END,
};
static const struct tl_option_doc threshold_options[] = {
    {"lower", "float", "any", "none", "a value below it prunes; one bound at least must be given"},
    {"upper", "float", "any", "none", "a value above it prunes"},
    N_WARMUP, INTERVAL, END,
};
static const struct tl_option_doc patient_options[] = {
    {"wrapped_pruner", "pruner", "name of a pruner", "none", "who decides then; none: the trial is pruned"},
    {"wrapped_pruner.*", "", "", "", "the options of that pruner, such as wrapped_pruner.n_startup_trials"},
    {"patience", "int", "0 .. 2^63-1", "required", "so many steps may all be worse than the best before them"},
    {"min_delta", "float", "0 .. inf", "0.0", "prune only when the last steps are worse than the best before them by more than this"},
    END,
};
static const struct tl_option_doc wilcoxon_options[] = {
    {"p_threshold", "float", "0 .. 1", "0.1", "prune when a difference like this is less likely than that by chance"},
    {"n_startup_steps", "int", STEPS, "2", "nothing is pruned before so many steps can be compared"},
    {"exact", "bool", "true, false", "false",
     "exact test up to 50 steps also where differences are equal or 0 (from 14 on, Optuna approximates)"},
    END,
};
static const struct tl_component_doc docs[] = {
    {"nop", "NopPruner", "never prunes", no_options},
    {"median", "MedianPruner", "stops a trial whose best value is worse than the median of the others at the same step",
     median_options},
    {"percentile", "PercentilePruner", "the same with another percentile than the 50th", percentile_options},
    {"successive_halving", "SuccessiveHalvingPruner", "lets the best trials go on from rung to rung (ASHA); also called halving",
     halving_options},
    {"hyperband", "HyperbandPruner", "several successive halvings that begin sooner and later", hyperband_options},
    {"threshold", "ThresholdPruner", "stops a trial whose value is out of bounds or NaN", threshold_options},
    {"patient", "PatientPruner", "stops a trial whose last steps are all worse than before, or asks another pruner then", patient_options},
    {"wilcoxon", "WilcoxonPruner", "steps are instances: stops a trial that a signed-rank test says is worse than the best one",
     wilcoxon_options},
    {NULL, NULL, NULL, NULL},
};
static pruner_maker *const makers[] = {nop_from_options,       median_from_options,    percentile_from_options,
                                       halving_from_options,   hyperband_from_options, threshold_from_options,
                                       patient_from_options,   wilcoxon_from_options};
_Static_assert(TL_COUNT(makers) == TL_COUNT(docs) - 1, "one maker a row");

TL_API const struct tl_component_doc *tl_pruner_docs(void)
{
    return docs;
}

/* ---- options ---- */

int option_int(const struct tl_option *options, size_t n, const char *name, int64_t low, int64_t high, int64_t *out,
               struct tl_err *err)
{
    const char *text = option_value(options, n, name);
    int64_t v = 0;
    if (!text) {
        return TL_OK;
    }
    const char *end = text + strlen(text);
    if (num_parse_int(text, end, &v) != end || end == text || v < low || v > high) {
        return err_set(err, TL_EINVAL, "option '%s' is '%s': it must be a whole number from %lld to %lld", name, text,
                       (long long)low, (long long)high);
    }
    *out = v;
    return TL_OK;
}

int option_double(const struct tl_option *options, size_t n, const char *name, double low, double high, double *out,
                  struct tl_err *err)
{
    const char *text = option_value(options, n, name);
    double v = NAN;
    if (!text) {
        return TL_OK;
    }
    const char *end = text + strlen(text);
    if (num_parse(text, end, &v, NULL) != end || end == text || !(v >= low && v <= high)) {
        char from[NUM_MAX], to[NUM_MAX];
        num_format(low, from);
        num_format(high, to);
        return err_set(err, TL_EINVAL, "option '%s' is '%s': it must be a number from %s to %s", name, text, from, to);
    }
    *out = v;
    return TL_OK;
}

/* ---- the interval gate ---- */

int step_gate_options(struct step_gate *g, const struct tl_option *options, size_t n, struct tl_err *err)
{
    *g = (struct step_gate){0, 1};
    int rc = option_int(options, n, "n_warmup_steps", 0, INT64_MAX, &g->warmup, err);
    return rc == TL_OK ? option_int(options, n, "interval_steps", 1, INT64_MAX, &g->interval, err) : rc;
}

bool step_gate_open(const struct step_gate *g, const struct tl_prune_context *c)
{
    int64_t step = c->reports[c->last].step;
    if (step < g->warmup) {
        return false;
    }
    int64_t begin = g->warmup + (step - g->warmup) / g->interval * g->interval; /* of the step's interval */
    return c->previous_step < begin;
}

/* ---- making ---- */

TL_API int tl_pruner_create(const char *name, const struct tl_option *options, size_t n_options, tl_pruner **out,
                            struct tl_err *err)
{
    size_t row = 0;
    if (name && strcmp(name, "halving") == 0) {
        name = "successive_halving";
    }
    int rc = component_find(docs, "pruner", name, options, n_options, &row, err);
    assert(row < TL_COUNT(makers));
    return rc == TL_OK ? makers[row](options, n_options, out, err) : rc;
}

TL_API int tl_pruner_new(const struct tl_pruner_ops *ops, void *self, tl_pruner **out, struct tl_err *err)
{
    if (!ops || !out || ops->size < offsetof(struct tl_pruner_ops, forget) || !ops->name || !ops->prune) {
        return err_set(err, TL_EINVAL, "a pruner's table needs its size, a name and the function prune");
    }
    tl_pruner *pruner = mem_zalloc(1, sizeof *pruner);
    if (!pruner) {
        return err_nomem(err);
    }
    memcpy(&pruner->ops, ops, ops->size < sizeof *ops ? ops->size : sizeof *ops);
    pruner->self = self;
    *out = pruner;
    return TL_OK;
}

int pruner_make(const struct tl_pruner_ops *ops, void *self, tl_pruner **out, struct tl_err *err)
{
    int rc = tl_pruner_new(ops, self, out, err);
    if (rc != TL_OK && ops->release) {
        ops->release(self);
    }
    return rc;
}

TL_API void tl_pruner_free(tl_pruner *pruner)
{
    if (pruner) {
        if (pruner->ops.release) {
            pruner->ops.release(pruner->self);
        }
        mem_free(pruner);
    }
}

TL_API void tl_pruner_forget(tl_pruner *pruner, uint64_t handle)
{
    if (pruner->ops.forget) {
        pruner->ops.forget(pruner->self, handle);
    }
}

TL_API const char *tl_pruner_name(const tl_pruner *pruner)
{
    return pruner->ops.name;
}
