/* SPDX-License-Identifier: MIT
 *
 * The signed-rank test (see signed_rank.h).
 *
 * Ranks are kept doubled, so that mean ranks are whole numbers. The exact distribution counts, for each sum, how many choices of signs
 * give it: one pass over the sums per difference. Counts are doubles, exact below 2^53, and 2^50 is the largest. The normal
 * approximation has the variance corrected for ties and no continuity correction.
 */
#include "numeric/signed_rank.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define EXACT_WITH_TIES 13u

/* Differences by size, with what their ranks amount to. */
struct ranked {
    double plus;  /* sum of the positive ranks, with half of those of the zeros */
    double ties;  /* sum of t^3 - t over groups of t equal sizes */
    size_t n_zero;
    bool tied;
};

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* Goes over the groups of equal size; `doubled` (may be NULL) gets the doubled rank of each difference that is not zero. */
static struct ranked rank_all(const double *sorted, size_t n, unsigned *doubled)
{
    struct ranked r = {0};
    size_t left = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && fabs(sorted[end]) == fabs(sorted[i]);) {
            end++;
        }
        double t = (double)(end - i), rank = ((double)i + 1 + (double)end) / 2;
        r.ties += t * t * t - t;
        r.tied = r.tied || end - i > 1;
        if (sorted[i] == 0) {
            r.n_zero = end - i;
            r.plus += t * rank / 2;
            continue;
        }
        for (size_t k = i; k < end; k++) {
            r.plus += sorted[k] > 0 ? rank : 0;
            if (doubled) {
                doubled[left++] = (unsigned)(i + 1 + end);
            }
        }
    }
    return r;
}

static double exact(const unsigned *doubled, size_t n, unsigned observed, bool less)
{
    double ways[SIGNED_RANK_EXACT_MAX * (SIGNED_RANK_EXACT_MAX + 1) + 1] = {1}, tail = 0;
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += doubled[i];
        assert(sum < TL_COUNT(ways));
        for (unsigned s = sum; s >= doubled[i]; s--) {
            ways[s] += ways[s - doubled[i]];
        }
    }
    for (unsigned s = less ? 0 : observed; s <= (less ? observed : sum); s++) {
        tail += ways[s];
    }
    return ldexp(tail, -(int)n);
}

double signed_rank_p(double *d, size_t n, bool less, enum signed_rank_how how)
{
    unsigned doubled[SIGNED_RANK_EXACT_MAX];
    bool small = n <= SIGNED_RANK_EXACT_MAX;
    qsort(d, n, sizeof *d, by_size);
    struct ranked r = rank_all(d, n, small ? doubled : NULL);
    if (small && (how == SIGNED_RANK_EXACT || n <= EXACT_WITH_TIES || (!r.tied && r.n_zero == 0))) {
        /* what the zeros add is the same for all choices of signs */
        double zeros = (double)r.n_zero * (double)(r.n_zero + 1) / 4;
        return exact(doubled, n - r.n_zero, (unsigned)(2 * (r.plus - zeros)), less);
    }
    double m = (double)n, mean = m * (m + 1) / 4;
    double z = (r.plus - mean) / sqrt((m * (m + 1) * (2 * m + 1) - r.ties / 2) / 24);
    return 0.5 * erfc((less ? -z : z) / sqrt(2));
}
