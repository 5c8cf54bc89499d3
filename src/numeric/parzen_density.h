/* SPDX-License-Identifier: MIT
 *
 * Sums of a mixture's kernels at points, in blocks with upper bounds. The same code is compiled for several widths of vectors
 * (parzen_lanes.inc) and chosen at the first call; all give the same bits, for they do the same operations in the same order, unfused.
 */
#ifndef TL_PARZEN_DENSITY_H
#define TL_PARZEN_DENSITY_H

#include "numeric/parzen_blocks.h"

#define POINTS 64 /* at a time */
#define STRIDE 16 /* parameters between looks whether a block still matters */

/* One pass over all blocks for up to POINTS points. Arrays per point are padded to `stride`, a multiple of 8. */
struct pass {
    const struct axis *axes;
    const struct blocks *blocks;
    size_t n_dims, m, stride;
    const double *x;    /* n_dims rows of `stride`: scaled coordinate, or the choice */
    const double *half; /* n_dims rows: LATTICE: half the cell, scaled */
    const double *base; /* upper end of what the parameters' factors add to c */
    double *most, *sum; /* running: ln of the scale, and the sum of weight * exp(term - most) */
    double *bound;      /* a row per block */
    const double *const
        *cells; /* n_dims: LATTICE: the axis' table where all points lie on the lattice, or NULL */
    const double *hit, *miss; /* n_dims: ln of a category's row where it agrees, and elsewhere */
    double first, slope, cap; /* weight = min(cap, first + slope * rank) */
    double *enough;           /* running: what lies below cannot matter */
    double margin;            /* enough = ln sum - margin */
};

typedef void pass_run(const struct pass *p);

/* The variants this machine can run, the fastest last; `name` for messages. */
struct pass_variant {
    const char *name;
    pass_run *run;
};
size_t pass_variants(struct pass_variant out[4]);
/* For tests: this one from now on; NULL: the fastest again. */
void pass_force(pass_run *run);
/* Runs the fastest. */
void pass_blocks(const struct pass *p);

#endif
