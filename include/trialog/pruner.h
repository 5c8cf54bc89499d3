/* SPDX-License-Identifier: MIT
 *
 * Pruners: whether a running trial is worth going on with, judged by its intermediate values.
 */
#ifndef TRIALOG_PRUNER_H
#define TRIALOG_PRUNER_H

#include <trialog/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_pruner tl_pruner;

/* A built-in pruner by name: "nop" (never prunes), "median", "percentile", "successive_halving" (or "halving"), "hyperband",
 * "threshold", "patient", "wilcoxon". Optuna's class names ("MedianPruner") work too. Options and defaults are Optuna's: see
 * tl_pruner_docs; the value "null" stands for the default. "patient" may wrap another pruner: option "wrapped_pruner" is its name, and
 * "wrapped_pruner.NAME" is its option NAME. Decisions equal those of Optuna's pruners with the same options on the same study, and what
 * one side writes (rungs) counts for the other. Errors: TL_EUNSUPPORTED (unknown pruner), TL_EINVAL (unknown option or bad value).
 * `*out`: owned by the caller, free with tl_pruner_free. */
int tl_pruner_create(const char *name, const struct tl_option *options, size_t n_options, tl_pruner **out,
                     struct tl_err *err);
/* NULL is fine. Studies that use it must be freed before. */
void tl_pruner_free(tl_pruner *pruner);
/* "median" and the like, or the name in the table of a pruner of your own. */
const char *tl_pruner_name(const tl_pruner *pruner);
/* The built-in pruners and their options; an option "wrapped_pruner.*" stands for all names that begin so. Ends with name NULL. Static
 * storage. */
const struct tl_component_doc *tl_pruner_docs(void);

/* ---- a pruner of your own ---- */

struct tl_report_range {
    double low, high; /* NaN left out; NaN when there is nothing else */
};

/* What a pruner may look at. Borrowed for the call. */
struct tl_prune_context {
    const tl_view *view; /* the study when the question was asked */
    int64_t study_id;
    int64_t trial_number;
    uint64_t handle;     /* the study handle that asks, a number unique in the process: a key for what a pruner remembers */
    /* The trial's own reports, in the order in which their steps were first reported; at least one. */
    const struct tl_report *reports;
    size_t n_reports;
    const struct tl_report_range *ranges; /* ranges[i]: over reports 0 ... i */
    size_t last;           /* which report has the highest step */
    int64_t previous_step; /* the highest of the other steps, -1 for none */
    bool ascending;        /* each step is higher than the one before it */
    /* Stores a system attribute with the trial, in one append with suggestions that wait, when prune() has returned 0; copies. Its
     * result is 0 or an error to return. */
    int (*attr)(void *ctx, const char *key, const char *json);
    void *ctx;
};

/* Table of a pruner. Functions run on the thread that asks; several may run at once on one pruner. They must not call the
 * storage. */
struct tl_pruner_ops {
    size_t size; /* sizeof(struct tl_pruner_ops) */
    const char *name;
    /* required: *prune says whether the trial should stop now. */
    int (*prune)(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err);
    void (*forget)(void *self, uint64_t handle); /* (optional) this study handle is gone and will not ask again */
    void (*release)(void *self); /* (optional) */
};
/* `self` belongs to the pruner from now on when ops->release is given (on success); `ops` is copied, its name borrowed until
 * tl_pruner_free. `*out`: owned by the caller, free with tl_pruner_free. */
int tl_pruner_new(const struct tl_pruner_ops *ops, void *self, tl_pruner **out, struct tl_err *err);

/* ---- a study loop of your own ---- */

/* Should the trial stop, as this view has it? For loops that have no tl_trial (see trialog/sampler.h). `handle`: from tl_handle_new.
 * `attr` gets system attributes to be stored with the trial before the answer is acted upon; its result is 0, or an error that ends
 * the question. A trial without reports goes on. O(reports of the trial). Errors: TL_ENOTFOUND, TL_EINVAL (several objectives). */
int tl_pruner_decide(const tl_pruner *pruner, const tl_view *view, int64_t trial_number, uint64_t handle,
                     int (*attr)(void *ctx, const char *key, const char *json), void *ctx, bool *prune, struct tl_err *err);
/* What the pruner remembers under this handle goes. */
void tl_pruner_forget(tl_pruner *pruner, uint64_t handle);

#ifdef __cplusplus
}
#endif
#endif
