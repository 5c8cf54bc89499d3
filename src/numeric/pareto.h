/* SPDX-License-Identifier: MIT
 *
 * Non-domination: fronts of points that come one by one, smaller is better in every objective.
 *
 * Point a dominates b when it is nowhere larger and somewhere smaller. Front 0 is what nobody dominates; front k is what only
 * points of the fronts before it dominate, one of k - 1 at least. Equal points stand in the same front.
 */
#ifndef TL_PARETO_H
#define TL_PARETO_H

#include "base/base.h"

/* No NaN. */
bool pareto_dominates(const double *a, const double *b, size_t m);

/* One front. Two objectives: members are ordered by the first one, and then the second one falls. */
struct front_set {
    uint32_t *ids;
    size_t n, cap;
    uint64_t version; /* another number whenever the members change, of all fronts of one struct fronts */
    uint64_t seen;    /* the user's own; 0 in a new front */
};
struct fronts {
    size_t m;
    double *values; /* n * m: points by id, in the order in which they came */
    size_t n, cap_values;
    struct front_set *sets;
    size_t n_sets, cap_sets;
    uint64_t clock;
};
void fronts_init(struct fronts *f, size_t m);
void fronts_release(struct fronts *f);
/* The next point, whose id is the count of those before: 0, or TL_ENOMEM (then the fronts must be released). Two objectives: O(log n)
 * and what moves; more: a comparison with some members of O(log n) fronts, and what moves. */
int fronts_add(struct fronts *f, const double *v);
static inline const double *fronts_point(const struct fronts *f, uint32_t id)
{
    return f->values + (size_t)id * f->m;
}

/* Ranks of n points of m objectives, 0 the best: 0 or TL_ENOMEM. */
int pareto_ranks(const double *v, size_t n, size_t m, uint32_t *rank);

#endif
