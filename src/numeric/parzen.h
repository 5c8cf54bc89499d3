/* SPDX-License-Identifier: MIT
 *
 * Parzen estimators: mixtures of products of kernels, one kernel per trial and a wide one, the prior. The TPE sampler decides which
 * trials are kernels; here mixtures are kept up, drawn from and evaluated.
 *
 * Kernels of numbers are normal distributions truncated to the range (for lattices: masses of cells), their widths follow the
 * neighbours in each parameter; kernels of categories are rows of weights. Writing (put, drop, weigh, settle) needs the estimator
 * to itself; after parzen_settle any number of threads may read.
 */
#ifndef TL_PARZEN_H
#define TL_PARZEN_H

#include "base/base.h"

enum parzen_kind { PARZEN_FLOAT, PARZEN_LATTICE /* int, or float with a step */, PARZEN_CATEGORY };

struct parzen_dim {
    enum parzen_kind kind;
    double low, high; /* of the distribution, external scale, without the half steps; FLOAT: low < high */
    double step;      /* LATTICE: > 0 */
    bool log;         /* FLOAT: low > 0; LATTICE: low > step / 2 (ints) */
    size_t n_choices; /* CATEGORY */
};

/* Least width of a kernel; U and L: the ends of the range with half steps, in logarithms where `log` is set. */
enum parzen_floor {
    PARZEN_FLOOR_MAGIC,  /* (U-L) / min(100, N+2) */
    PARZEN_FLOOR_NARROW, /* (U-L) * max(0.03, (N+2)^-2) */
    PARZEN_FLOOR_NONE,   /* 1e-12 */
};
/* Width before it is clipped to [floor, U-L]. */
enum parzen_width {
    PARZEN_NEIGHBOUR,       /* the larger gap to a neighbour (equal values: in order of keys) */
    PARZEN_NEIGHBOUR_PRIOR, /* the prior's middle counts as a neighbour, too (v4) */
    PARZEN_SCOTT, /* 0.2 * N^(-1/(d+4)) * (U-L) for all (v4, several parameters); a settle costs O(N * d) */
};
enum parzen_weights {
    PARZEN_RAMP,  /* in order of keys: from 1/N linearly up to 1, the newest 25 all 1 */
    PARZEN_FLAT,  /* all 1 */
    PARZEN_GIVEN, /* by parzen_weigh; 1 until then */
};
struct parzen_rules {
    enum parzen_floor floor;
    enum parzen_width width;
    enum parzen_weights weights;
    bool
        endpoints; /* the outermost kernels see the ends of the range as neighbours; otherwise only when N is 1 */
    double prior_weight; /* >= 0; of the prior, and spread over the choices in each row of a category */
};

struct parzen;

/* NULL: out of memory. */
struct parzen *parzen_new(const struct parzen_dim *dims, size_t n_dims, const struct parzen_rules *rules);
void parzen_free(struct parzen *p);

/* One kernel at x (internal values, n_dims of them). `key`, the trial's number, is unique and orders the ramp; keys mostly grow, but
 * any order is right. TL_EINVAL: the key is there already, a number is not finite (or <= 0 with `log`), or a choice does not
 * exist. TL_ENOMEM. After either, nothing has changed. Numbers outside the range, or off the lattice, are allowed. */
int parzen_put(struct parzen *p, int64_t key, const double *x);
bool parzen_drop(struct parzen *p, int64_t key);            /* false: no such key */
size_t parzen_count(const struct parzen *p);                /* N, without the prior */
void parzen_weigh(struct parzen *p, int64_t key, double w); /* GIVEN; finite, >= 0; an unknown key is ignored */
void parzen_prior_weight(struct parzen *p, double w);       /* GIVEN; leaves the rows of categories alone */

/* After changes, before reads: costs what changed. 0 or TL_ENOMEM (then again before reading). */
int parzen_settle(struct parzen *p);

/* One draw from the mixture; u: 1 + n_dims uniforms in [0,1). x: internal values, inside the distribution. */
void parzen_sample(const struct parzen *p, const double *u, double *x);

/* ln of the density (of the mass for lattice and category; log floats in ln space, without Jacobian) at m points, row by row
 * (m * n_dims); -inf outside. What a point gets does not depend on the others; the error is below 1e-14 of the sum, rounding aside.
 * `scratch`: parzen_scratch(p, m) bytes, aligned for doubles, asked for after the last settle. Best for m up to 64. */
void parzen_log_density(const struct parzen *p, const double *x, size_t m, double *out, void *scratch);
size_t parzen_scratch(const struct parzen *p, size_t m);

#endif
