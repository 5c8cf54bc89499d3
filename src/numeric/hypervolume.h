/* SPDX-License-Identifier: MIT
 *
 * Hypervolume: how much of the space below a reference point is dominated by a set of points; and the greedy choice of a subset
 * with a large one. Smaller is better in every objective.
 */
#ifndef TL_HYPERVOLUME_H
#define TL_HYPERVOLUME_H

#include "base/base.h"

/* Volume that n points of m objectives dominate below `ref`. Points that are not below it everywhere add nothing; a reference point
 * or a volume that is not finite gives INFINITY; no points give 0. Exact: m = 2 and 3 by a sweep, O(n log n) and O(n^2) at worst;
 * above by slicing down to 3 (WFG). 0 or TL_ENOMEM. */
int hypervolume(const double *v, size_t n, size_t m, const double *ref, double *out);

/* Greedy hypervolume subset selection: `k` of n points, each the one that adds most to those before it, the first in
 * lexicographic order on a tie (within 1 - 1/e of the best subset). Equal points count once; when there are fewer than k different ones,
 * equal ones fill up in order of their index. A reference point that is not finite: the first k in lexicographic order. All of
 * them (k = n) come in order of their index. `picked`: room for k indices. Points should not dominate each other.
 * 0 or TL_ENOMEM. */
int hssp(const double *v, size_t n, size_t m, const double *ref, size_t k, uint32_t *picked);

#endif
