/* SPDX-License-Identifier: MIT
 *
 * Samplers inside the library: the object behind tl_sampler, the registry's makers, reading options, random draws.
 */
#ifndef TL_SAMPLER_H
#define TL_SAMPLER_H

#include "base/base.h"
#include "numeric/rng.h"
#include <trialog/sampler.h>

struct tl_sampler {
    struct tl_sampler_ops ops; /* members that the given table did not have are NULL */
    void *self;
};

/* What a stream of random numbers is for. The numbers are part of "the same seed gives the same trials": never change one. */
enum purpose { PURPOSE_RANDOM = 1, PURPOSE_GRID_ORDER = 2, PURPOSE_TPE = 3, PURPOSE_TPE_JOINT = 4 };

/* ---- registry ---- */

/* Makers get options whose names were checked against the documentation table. */
typedef int sampler_maker(const struct tl_option *options, size_t n, tl_sampler **out, struct tl_err *err);
sampler_maker tpe_from_options, random_from_options, grid_from_options;

/* The row of `docs` that `name` names (ours or Optuna's), or TL_EUNSUPPORTED with the names there are; then checks the names of
 * the options: TL_EINVAL lists the ones there are. `what` is "sampler" or "pruner". */
int component_find(const struct tl_component_doc *docs, const char *what, const char *name, const struct tl_option *options,
                   size_t n, size_t *row, struct tl_err *err);
/* The last option of this name, NULL when it is not given or "null". */
const char *option_value(const struct tl_option *options, size_t n, const char *name);
/* Reads a whole number low … high; `*out` keeps its value when the option is not given. */
int option_u64(const struct tl_option *options, size_t n, const char *name, uint64_t high, uint64_t *out,
               struct tl_err *err);

/* ---- random.c ---- */

/* One uniform draw from a valid distribution (uniform in the logarithm for log), internal form. */
double random_draw(const struct tl_dist *dist, struct rng *r);

#endif
