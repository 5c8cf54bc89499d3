/* SPDX-License-Identifier: MIT
 *
 * The signed-rank test of Wilcoxon ("Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945), one-sided.
 *
 * Zeros keep their ranks, and half of them counts as positive (Pratt's ranks, "zsplit"). Equal sizes share their mean rank.
 */
#ifndef TL_SIGNED_RANK_H
#define TL_SIGNED_RANK_H

#include "base/base.h"

#define SIGNED_RANK_EXACT_MAX 50u

enum signed_rank_how {
    SIGNED_RANK_AUTO, /* exact up to 50 differences, but with ties or zeros up to 13 only; else the normal approximation: SciPy's rule */
    SIGNED_RANK_EXACT /* exact up to 50 differences */
};
/* How likely differences without a tendency have a sum of positive ranks that is at least (`less`: at most) the one of `d`. `d` holds
 * n >= 1 finite numbers and is overwritten. */
double signed_rank_p(double *d, size_t n, bool less, enum signed_rank_how how);

#endif
