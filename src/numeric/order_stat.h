/* SPDX-License-Identifier: MIT
 *
 * A multiset of numbers that knows ranks: add, count what lies below a value, read the k-th smallest, each in O(log n). Nothing is
 * ever taken out.
 *
 * A counted B+ tree: sorted numbers in leaves, and above them nodes with each child's smallest number and size. NaN may not be
 * added. Infinities are numbers like others.
 */
#ifndef TL_ORDER_STAT_H
#define TL_ORDER_STAT_H

#include "base/mem.h"

struct order_stat {
    struct arena memory;
    void *root;      /* a leaf when depth is 0 */
    unsigned depth;  /* levels of inner nodes */
    size_t n;
};

/* Zero-initialise. false: out of memory, nothing changed. */
bool order_stat_add(struct order_stat *s, double v) TL_USE_RESULT;
double order_stat_at(const struct order_stat *s, size_t k); /* k < n: the k-th smallest, from 0 */
size_t order_stat_below(const struct order_stat *s, double v);  /* how many are < v */
size_t order_stat_up_to(const struct order_stat *s, double v);  /* how many are <= v */
/* Quantile 0 <= q <= 1 by linear interpolation at rank (n-1) q: Hyndman & Fan (1996), type 7, in the arithmetic of NumPy's
 * percentile, so that both round alike. NaN when n is 0, and where the interpolation meets an infinity (as there). */
double order_stat_quantile(const struct order_stat *s, double q);
void order_stat_release(struct order_stat *s);

#endif
