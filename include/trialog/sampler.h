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
};
/* `self` belongs to the sampler from now on when ops->release is given (on success); `ops` is copied, its name borrowed until
 * tl_sampler_free. `*out`: owned by the caller, free with tl_sampler_free. */
int tl_sampler_new(const struct tl_sampler_ops *ops, void *self, tl_sampler **out, struct tl_err *err);

#ifdef __cplusplus
}
#endif
#endif
