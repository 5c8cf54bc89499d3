/* SPDX-License-Identifier: MIT
 *
 * Kernels of a Parzen estimator in blocks of up to 64 that lie near each other: the leaves of a kd tree. A kernel enters the leaf that its
 * point leads to; a full leaf is halved along its widest side, so nothing is ever sorted anew. A block holds its columns one
 * after the other (structure of arrays), the box around its kernels, and how wide they are at most, for upper bounds.
 *
 * Coordinates are scaled: in `unit`s around the middle of the range (see struct axis), so that a kernel of the least width has
 * spread 1 and the exponent is -((x - mu) * r)^2 with r = 1 for it, less for wider ones.
 */
#ifndef TL_PARZEN_BLOCKS_H
#define TL_PARZEN_BLOCKS_H

#include "base/base.h"
#include "numeric/parzen.h"

#include <math.h>

#define BLOCK      64
#define LEAST_TERM (-1e300) /* stands for ln 0 inside, where -inf would turn into NaN */
#define NOWHERE    UINT32_MAX

/* A parameter. */
struct axis {
    struct parzen_dim dim;
    double low, high;    /* ends of the range with half steps, in logarithms where `log` is set */
    double middle, unit; /* scaled coordinate = (value - middle) / unit */
    double half;         /* LATTICE without log: half a step, scaled */
    double spread;       /* what a side of a box counts when a block is halved: extent * spread */
    bool bounded;        /* r is at most 1 */
    double *cells; /* LATTICE without log: ln of the mass of the cell k steps away, r = 1; NULL: not made */
    size_t n_cells;
};

struct block {
    uint32_t n;
    uint32_t id[BLOCK];
    double rank[BLOCK];     /* place in the order of keys, or the weight (PARZEN_GIVEN) */
    double most;            /* upper end of c */
    double *c;              /* BLOCK: sum of -ln sigma, -ln of the mass in the range, ... over the parameters */
    double *mu, *r;         /* n_dims columns of BLOCK each */
    double *low, *high;     /* n_dims: the box */
    double *least, *most_r; /* n_dims: bounds of r */
    bool unit;              /* all parameters are floats, and r is 1 for all kernels: the usual case has a path of its own */
    void *memory;
};

/* An inner node: below `plane` to the left. Children: a node, or ~block. `dim` < 0: all points were equal; left and right in turn. */
struct fork {
    int dim;
    double plane;
    int32_t child[2];
    bool turn;
};

struct blocks {
    const struct axis *axes;
    size_t n_dims;
    struct block **at;
    size_t n, cap;
    struct fork *forks;
    size_t n_forks, cap_forks;
    uint32_t *place; /* by kernel id: block * BLOCK + lane, or NOWHERE */
    int64_t *key;    /* by kernel id */
    size_t n_ids, cap_place, cap_key;
    uint32_t *spare; /* ids that are free */
    size_t n_spare, cap_spare;
};

int blocks_init(struct blocks *s, const struct axis *axes, size_t n_dims) TL_USE_RESULT;
void blocks_release(struct blocks *s);
/* A new kernel at scaled coordinates `x`, with r = 1 and c = LEAST_TERM; its id, or NOWHERE: out of memory, nothing changed. */
uint32_t blocks_put(struct blocks *s, int64_t key, const double *x) TL_USE_RESULT;
void blocks_drop(struct blocks *s, uint32_t id);
/* Brings the box and the bounds up to date after r or c changed. */
void blocks_refresh(struct blocks *s, struct block *b);

static inline struct block *block_of(const struct blocks *s, uint32_t id)
{
    return s->at[s->place[id] / BLOCK];
}
static inline size_t lane_of(const struct blocks *s, uint32_t id)
{
    return s->place[id] % BLOCK;
}
static inline double *mu_of(const struct blocks *s, uint32_t id, size_t j)
{
    return &block_of(s, id)->mu[j * BLOCK + lane_of(s, id)];
}
static inline double *r_of(const struct blocks *s, uint32_t id, size_t j)
{
    return &block_of(s, id)->r[j * BLOCK + lane_of(s, id)];
}

#endif
