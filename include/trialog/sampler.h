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

/* What a sampler may look at. All borrowed for the call. */
struct tl_sample_context {
    const tl_view *view;   /* the study as it was when the trial began or later */
    int64_t study_id;
    int64_t trial_number;
};

/* A parameter that a sampler fixes. `name` and `dist` are borrowed from the sampler until its next call. */
struct tl_assignment {
    const char *name;
    const struct tl_dist *dist;
    double internal;
};

/* Table of a sampler. Functions run on the thread that asks; several may run at once on one sampler. */
struct tl_sampler_ops {
    size_t size; /* sizeof(struct tl_sampler_ops) */
    const char *name;
    /* required: one value of `dist`, internal form */
    int (*independent)(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist,
                       double *internal, struct tl_err *err);
    /* (optional) joint values at the trial's first suggestion, before any independent one. `emit` may be called once per
     * parameter. A value outside the distribution that the objective asks for is dropped. */
    int (*relative)(void *self, const struct tl_sample_context *c,
                    int (*emit)(void *ctx, const struct tl_assignment *a), void *ctx, struct tl_err *err);
    /* (optional) decides inside the journal's critical section, on the state at the head, what the trial about to be
     * created will be: exact for grids. `emit_attr` stores a system attribute with the trial. TL_EEXHAUSTED: nothing is left
     * to try, no trial is created. Must be quick and must not call the storage. */
    int (*claim)(void *self, const struct tl_sample_context *c, int (*emit)(void *ctx, const struct tl_assignment *a),
                 int (*emit_attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err);
    /* (optional) after a trial of this process ended in `state` */
    int (*after)(void *self, const struct tl_sample_context *c, enum tl_state state, struct tl_err *err);
    void (*release)(void *self); /* (optional) */
};
/* A sampler of your own; `self` is owned by the sampler from now on when ops->release is given. */
int tl_sampler_new(const struct tl_sampler_ops *ops, void *self, tl_sampler **out, struct tl_err *err);

/* An option of a built-in sampler, as NAME and VALUE text. */
struct tl_option {
    const char *name, *value;
};
/* Built-in samplers by name: "random" (option seed) and "grid" (options seed; the search space through
 * tl_sampler_grid). Optuna's class names ("RandomSampler", "GridSampler") work too. Errors: TL_EUNSUPPORTED (unknown sampler),
 * TL_EINVAL (unknown option or bad value). `*out`: free with tl_sampler_free. */
int tl_sampler_create(const char *name, const struct tl_option *options, size_t n_options, tl_sampler **out,
                      struct tl_err *err);

/* Random: every parameter independently and uniformly (uniform in the logarithm for log). Counter-based: a value depends on
 * (seed, trial number, parameter) only. */
int tl_sampler_random(uint64_t seed, tl_sampler **out, struct tl_err *err);
/* A seed from the operating system. */
uint64_t tl_random_seed(void);

/* Grid: each combination of the listed values is tried once over all workers. A cell whose trial was lost with its worker is
 * issued again, a failed one up to `max_failures` times. Values are external; names are copied. Cells are numbered as Optuna's
 * GridSampler does (names sorted, last one fastest), and its attributes `grid_id` and `search_space` are written. */
struct tl_grid_axis {
    const char *name;
    const struct tl_value *values;
    size_t n_values;
};
struct tl_grid_options {
    size_t size;
    uint64_t seed;          /* order of the cells; the same on every worker, also when left at 0 */
    unsigned max_failures;  /* 0: 6 */
};
int tl_sampler_grid(const struct tl_grid_axis *axes, size_t n_axes, const struct tl_grid_options *options, tl_sampler **out,
                    struct tl_err *err);
void tl_sampler_free(tl_sampler *sampler);

/* Walks over the built-in samplers and their options, for help texts and bindings. Ends with name NULL. */
struct tl_option_doc {
    const char *name, *type, *range, *def, *text;
};
struct tl_component_doc {
    const char *name, *optuna_name, *text;
    const struct tl_option_doc *options; /* ends with name NULL */
};
const struct tl_component_doc *tl_sampler_docs(void);

#ifdef __cplusplus
}
#endif
#endif
