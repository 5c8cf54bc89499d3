/* SPDX-License-Identifier: MIT
 *
 * Samplers: who chooses the parameters. Pick one by name, or bring your own through the table of functions.
 */
#ifndef TRIALOG_SAMPLER_H
#define TRIALOG_SAMPLER_H

#include <trialog/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_sampler tl_sampler;

/* ---- built-in samplers ---- */

/* TPE (tree-structured Parzen estimator), the default of studies: proposes parameters where good trials are dense and others are
 * not, one and several objectives, constraints, conditional parameters, many workers. Its other options: tl_sampler_create. The
 * same seed and the same log give the same trial. `*out`: owned by the caller, free with tl_sampler_free. */
int tl_sampler_tpe(uint64_t seed, tl_sampler **out, struct tl_err *err);
/* Random: every parameter independently and uniformly (uniform in the logarithm for log). Counter-based: a value depends on
 * (seed, trial number, parameter) only, so the same seed gives the same trials with 1 or 32 workers. `*out`: owned by the
 * caller, free with tl_sampler_free. */
int tl_sampler_random(uint64_t seed, tl_sampler **out, struct tl_err *err);
/* A seed from the operating system. */
uint64_t tl_random_seed(void);

/* Grid: each combination of the listed values (a cell) is tried once over all workers. Values are external, used as they are
 * and copied. A study that is shared with Optuna's GridSampler is one grid: cells are numbered as there, and the same
 * attributes `grid_id` and `search_space` are written. TL_EEXHAUSTED from tl_study_ask: no cell is left that nobody tries. */
struct tl_grid_axis {
    const char *name;
    const struct tl_value *values;
    size_t n_values;
};
struct tl_grid_options {
    size_t size;   /* sizeof(struct tl_grid_options) */
    uint64_t seed; /* order of the cells: must be the same for every worker, and is when left at 0; below 2^32 */
    int retries;   /* how often a cell whose trial failed is issued again; 0: 6 times, negative: never */
};
#define TL_GRID_OPTIONS_INIT {sizeof(struct tl_grid_options), 0, 0}
/* `options` may be NULL. Errors: TL_EINVAL (no axis, an axis twice, an axis without values), TL_ELIMIT (over 2^62 cells). */
int tl_sampler_grid(const struct tl_grid_axis *axes, size_t n_axes, const struct tl_grid_options *options, tl_sampler **out,
                    struct tl_err *err);

/* An option of a built-in sampler or pruner, as text. */
struct tl_option {
    const char *name, *value;
};
/* A built-in sampler by name ("tpe", "random", "grid"); Optuna's class names ("TPESampler" and so on) work too. Options are those of
 * tl_sampler_docs; the value "null" stands for the default. Errors: TL_EUNSUPPORTED (unknown sampler), TL_EINVAL (unknown
 * option or bad value). `*out`: owned by the caller, free with tl_sampler_free. */
int tl_sampler_create(const char *name, const struct tl_option *options, size_t n_options, tl_sampler **out,
                      struct tl_err *err);
/* NULL is fine. Studies that use it must be freed before. */
void tl_sampler_free(tl_sampler *sampler);
/* "random", or the name in the table of a sampler of your own. */
const char *tl_sampler_name(const tl_sampler *sampler);

/* The built-in samplers and their options, for help texts and bindings. Ends with name NULL. Static storage. */
struct tl_option_doc {
    const char *name, *type, *range, *def, *text;
};
struct tl_component_doc {
    const char *name, *optuna_name, *text;
    const struct tl_option_doc *options; /* ends with name NULL */
};
const struct tl_component_doc *tl_sampler_docs(void);

/* TPE with functions of the caller's own in place of options. Each is called on the thread that asks, with no lock of the library
 * held; a result other than 0 ends the proposal with TL_ECANCELLED. What TPE remembers from one proposal to the next would not do
 * here, so each one reads all finished trials: O(trials). */
struct tl_tpe_functions {
    size_t size; /* sizeof(struct tl_tpe_functions) */
    /* (optional) how many of n finished trials count as good; more than n are n */
    int (*gamma)(void *ctx, size_t n, size_t *good);
    /* (optional) weights[0 .. n): of n kernels, the oldest first, finite, not negative and not all 0, else the proposal ends with
     * TL_EINVAL. With several objectives the good ones stay equal. */
    int (*weights)(void *ctx, size_t n, double *weights);
    void *ctx;                  /* borrowed until tl_sampler_free */
    void (*release)(void *ctx); /* (optional) called by tl_sampler_free */
};
/* Options as for "tpe". Errors: those of tl_sampler_create; `functions->ctx` stays the caller's then. `*out`: owned by the caller, free
 * with tl_sampler_free. */
int tl_sampler_tpe_with(const struct tl_option *options, size_t n_options, const struct tl_tpe_functions *functions,
                        tl_sampler **out, struct tl_err *err);

/* ---- a sampler of your own ---- */

/* What a sampler may look at. Borrowed for the call. */
struct tl_sample_context {
    const tl_view *view;  /* the study as it was when the trial began or later; NULL for TL_SAMPLER_STATELESS */
    int64_t study_id;
    int64_t trial_number;
    uint64_t handle;      /* the study handle that asks, a number unique in the process: a key for what a sampler remembers */
    bool *share;          /* set by `independent` to true: others should know of this value before the trial goes on, so it is
                           * written at once instead of with the next report or the end. NULL: it is written now anyway. */
};

/* A parameter that a sampler proposes. `name` and `dist` are borrowed from the sampler for the call of `emit`. */
struct tl_assignment {
    const char *name;
    const struct tl_dist *dist;
    double internal;
};

/* The values depend on (seed, trial number, parameter) only: `independent` is quick, never looks at a view, and runs inside the
 * journal's critical section, where the trial's number is certain. */
#define TL_SAMPLER_STATELESS 1u
/* The values depend on the trial's number: when a trial that was asked for with its whole space gets another number than the
 * proposal was made for, because another worker was faster, the proposal is made anew. */
#define TL_SAMPLER_NUMBERED 2u

/* Table of a sampler. Functions run on the thread that asks; several may run at once on one sampler. They must not call the
 * storage. */
struct tl_sampler_ops {
    size_t size; /* sizeof(struct tl_sampler_ops) */
    const char *name;
    unsigned flags;
    /* required: one value of `dist`, internal form. A value outside `dist` is used all the same, as long as the journal can
     * hold it. */
    int (*independent)(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist,
                       double *internal, struct tl_err *err);
    /* (optional) joint values, at the trial's first suggestion that is not fixed, before any independent one. `emit` may be
     * called once per parameter. A value outside the distribution that the objective then asks for is dropped. What `attr` gets
     * is stored with the trial as system attributes, in an append of its own; NULL: the values travel with the trial anyway. */
    int (*relative)(void *self, const struct tl_sample_context *c, int (*emit)(void *ctx, const struct tl_assignment *a),
                    int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
    /* (optional) decides inside the journal's critical section, on the state at its head, what the trial that is about to be
     * created will be: exact for grids. `fix` fixes a parameter to an external value, `attr` stores a system attribute with the
     * trial; both copy. May be called again for the same trial. TL_EEXHAUSTED: nothing is left to try, no trial is created. */
    int (*claim)(void *self, const struct tl_sample_context *c,
                 int (*fix)(void *ctx, const char *name, const struct tl_value *value),
                 int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
    /* (optional) before an append in which `claim` may run, outside the critical section: the place for slow preparation */
    int (*prepare)(void *self, const struct tl_sample_context *c, struct tl_err *err);
    /* (optional) before a trial of this process ends in `state`; what `attr` gets is stored in the same append */
    int (*after)(void *self, const struct tl_sample_context *c, enum tl_state state, const double *values, size_t n_values,
                 int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
    void (*release)(void *self); /* (optional) */
    /* (optional) a study handle is freed: what is remembered of it may go */
    void (*forget)(void *self, uint64_t handle);
    /* (optional) what `relative` would propose values for; `internal` of what is emitted means nothing */
    int (*space)(void *self, const struct tl_sample_context *c, int (*emit)(void *ctx, const struct tl_assignment *a), void *ctx,
                 struct tl_err *err);
    /* (optional) `relative` for the parameters that the caller chose, at least one (dims[i].internal means nothing). Those that are
     * not emitted are left to `independent`. */
    int (*joint)(void *self, const struct tl_sample_context *c, const struct tl_assignment *dims, size_t n,
                 int (*emit)(void *ctx, const struct tl_assignment *a),
                 int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
};
/* `self` belongs to the sampler from now on when ops->release is given (on success); `ops` is copied, its name borrowed until
 * tl_sampler_free. `*out`: owned by the caller, free with tl_sampler_free. */
int tl_sampler_new(const struct tl_sampler_ops *ops, void *self, tl_sampler **out, struct tl_err *err);

/* ---- a study loop of your own ---- */

/* For adapters of other frameworks and languages, which have a loop and trials of their own. (tl_study_ask and tl_trial_suggest do all of
 * this themselves.) A trial in such a loop: tl_sampler_claim_trial when it begins; at its first parameter tl_sampler_space and
 * tl_sampler_joint, or tl_sampler_relative; tl_sampler_independent for each parameter that has no value yet; tl_sampler_after before
 * it ends. In all of them `c->view` may be NULL only if tl_sampler_wants_view says so, and the view should be taken when the trial has
 * been created, so that it is among the running ones. Any thread may call, several at once. */

/* A number for `handle` in a tl_sample_context or tl_prune_context: one for each study of each storage handle, kept for as long as it is
 * worked on. Unique in the process. */
uint64_t tl_handle_new(void);
/* What the sampler remembers under this handle goes. */
void tl_sampler_forget(tl_sampler *sampler, uint64_t handle);
/* Does the sampler look at the study at all? */
bool tl_sampler_wants_view(const tl_sampler *sampler);
/* The parameters that tl_sampler_relative would propose now, by `emit` (borrowed for its call; `internal` means nothing). A result of
 * emit other than 0 ends it and is returned. */
int tl_sampler_space(const tl_sampler *sampler, const struct tl_sample_context *c,
                     int (*emit)(void *ctx, const struct tl_assignment *a), void *ctx, struct tl_err *err);
/* Joint values, or none. `attr` (may be NULL: nobody is told) gets system attributes to be stored with the trial before it is run. */
int tl_sampler_relative(const tl_sampler *sampler, const struct tl_sample_context *c,
                        int (*emit)(void *ctx, const struct tl_assignment *a),
                        int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
/* The same for these parameters only, which need not be those of tl_sampler_space. What is not emitted has no joint value. */
int tl_sampler_joint(const tl_sampler *sampler, const struct tl_sample_context *c, const struct tl_assignment *dims, size_t n,
                     int (*emit)(void *ctx, const struct tl_assignment *a),
                     int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
/* The value of one parameter by itself, internal form. For a distribution with one value that value, without asking the sampler.
 * `dist` must be as tl_dist_normalise leaves it. */
int tl_sampler_independent(const tl_sampler *sampler, const struct tl_sample_context *c, const char *name,
                           const struct tl_dist *dist, double *internal, struct tl_err *err);
/* What a trial that begins now would be, seen from the view: nothing is claimed by this. For storages of others, where nothing can be
 * decided under a lock, and to see whether anything is left: TL_EEXHAUSTED. A sampler that claims nothing returns TL_OK. `fix` and
 * `attr` may be NULL. */
int tl_sampler_preview(const tl_sampler *sampler, const struct tl_sample_context *c,
                       int (*fix)(void *ctx, const char *name, const struct tl_value *value),
                       int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
/* Creates a RUNNING trial, with what the sampler claims for it, in one operation that is decided under the journal's lock: no two trials
 * get the same. `fix` gets the claimed values (borrowed for the call; may be NULL) after the trial is there. `trial_id` and `number` may
 * be NULL. Errors: TL_EEXHAUSTED (nothing is left; no trial is created), TL_EUNKNOWN (a trial may be there that holds what it claimed: end
 * it as TL_FAIL), those of tl_storage_create_trial. */
int tl_sampler_create_trial(const tl_sampler *sampler, tl_storage *storage, int64_t study_id, uint64_t handle,
                            int (*fix)(void *ctx, const char *name, const struct tl_value *value), void *ctx,
                            int64_t *trial_id, int64_t *number, struct tl_err *err);
/* The same for a RUNNING trial that exists already and has claimed nothing yet: the claim is stored with it, decided under the lock.
 * A trial that has the attribute `grid_id` or `fixed_params` is left as it is. Errors: TL_EEXHAUSTED (the trial stays as it is),
 * TL_ENOTFOUND, TL_EFINISHED. */
int tl_sampler_claim_trial(const tl_sampler *sampler, tl_storage *storage, int64_t trial_id, uint64_t handle,
                           int (*fix)(void *ctx, const char *name, const struct tl_value *value), void *ctx,
                           struct tl_err *err);
/* Before a trial ends in `state`: `attr` gets system attributes to be stored with it. */
int tl_sampler_after(const tl_sampler *sampler, const struct tl_sample_context *c, enum tl_state state, const double *values,
                     size_t n_values, int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
/* The number of cells of a grid sampler, 0 for any other. */
uint64_t tl_sampler_grid_cells(const tl_sampler *sampler);
/* Which of its values each axis has in the cell that attribute `grid_id` names: values[i] of the i-th axis by name (sorted by
 * bytes), as an index into the values that were given for it. `n` must be the number of axes. TL_EINVAL: no grid, or no such cell. */
int tl_sampler_grid_cell(const tl_sampler *sampler, uint64_t grid_id, uint64_t *values, size_t n, struct tl_err *err);

#ifdef __cplusplus
}
#endif
#endif
