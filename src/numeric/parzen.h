/* SPDX-License-Identifier: MIT
 *
 * The seam between the TPE sampler, who decides which trials are kernels, and the numeric core: mixtures of kernels over a space of
 * parameters, densities and draws.
 */
#ifndef TL_PARZEN_H
#define TL_PARZEN_H

#include "base/base.h"

enum parzen_kind { PARZEN_FLOAT, PARZEN_LATTICE /* int, or float with a step */, PARZEN_CATEGORY };
struct parzen_dim {
    enum parzen_kind kind;
    double low, high; /* of the distribution, external scale, without the half steps */
    double step;      /* LATTICE: > 0 */
    bool log;         /* FLOAT, LATTICE (ints) */
    size_t n_choices; /* CATEGORY */
};
enum parzen_floor {
    PARZEN_FLOOR_MAGIC /* (U-L)/min(100, N+2) */,
    PARZEN_FLOOR_NARROW /* (U-L)*max(0.03,(N+2)^-2) */,
    PARZEN_FLOOR_NONE /* 1e-12 */
};
enum parzen_width {
    PARZEN_NEIGHBOUR,
    PARZEN_NEIGHBOUR_PRIOR /* v4 */,
    PARZEN_SCOTT /* v4 multivariate, 0.2*N^(-1/(d+4)) */
};
enum parzen_weights {
    PARZEN_RAMP /* recency ramp over key order */,
    PARZEN_FLAT,
    PARZEN_GIVEN /* parzen_weigh */
};
struct parzen_rules {
    enum parzen_floor floor;
    enum parzen_width width;
    enum parzen_weights weights;
    bool endpoints;
    double prior_weight;
};

struct parzen;
struct parzen *parzen_new(const struct parzen_dim *dims, size_t n_dims,
                          const struct parzen_rules *rules); /* NULL: out of memory */
void parzen_free(struct parzen *p);
/* One kernel at x (internal values, n_dims of them). `key` = trial number: unique, orders the ramp. Keys mostly grow; any order is right. */
int parzen_put(struct parzen *p, int64_t key, const double *x);
bool parzen_drop(struct parzen *p, int64_t key);            /* false: no such key */
size_t parzen_count(const struct parzen *p);                /* N, without the prior */
void parzen_weigh(struct parzen *p, int64_t key, double w); /* GIVEN */
void parzen_prior_weight(struct parzen *p, double w);       /* GIVEN */
/* After changes, before reads: brings constants up to date; cost O(what changed). 0 or TL_ENOMEM. After it, the const functions may be called by any number of threads. */
int parzen_settle(struct parzen *p);
/* One draw from the mixture; u: 1 + n_dims uniforms in [0,1). x: internal values, inside the distribution. */
void parzen_sample(const struct parzen *p, const double *u, double *x);
/* ln of the density (mass for lattice and category; log floats in ln space, without Jacobian) at m points, row-major m * n_dims; m up to 64 is what it is tuned for (24 candidates). scratch: parzen_scratch(p, m) bytes, or NULL where none is needed */
void parzen_log_density(const struct parzen *p, const double *x, size_t m, double *out, void *scratch);
size_t parzen_scratch(const struct parzen *p, size_t m);

#endif
