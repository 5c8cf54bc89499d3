/* SPDX-License-Identifier: MIT
 *
 * numeric/signed_rank.c: the exact distribution beside all 2^n choices of signs, values from SciPy, symmetry, the normal
 * approximation.
 */
#include "numeric/signed_rank.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "numeric/rng.h"
#include "support/check_main.h"

static uint64_t seed;

/* The sum of positive ranks, by the definition: the rank of a size is the mean of the places that it takes. */
static double plus_of(const double *d, const int *signs, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double smaller = 0, equal = 0;
        for (size_t k = 0; k < n; k++) {
            smaller += fabs(d[k]) < fabs(d[i]);
            equal += fabs(d[k]) == fabs(d[i]);
        }
        double rank = smaller + (equal + 1) / 2, v = d[i] * signs[i];
        sum += v > 0 ? rank : v == 0 ? rank / 2 : 0;
    }
    return sum;
}

static double by_enumeration(const double *d, size_t n, bool less)
{
    int signs[16];
    double observed, hits = 0;
    for (size_t i = 0; i < n; i++) {
        signs[i] = 1;
    }
    observed = plus_of(d, signs, n);
    for (unsigned long m = 0; m < 1ul << n; m++) {
        for (size_t i = 0; i < n; i++) {
            signs[i] = m >> i & 1 ? 1 : -1;
        }
        double sum = plus_of(d, signs, n);
        hits += less ? sum <= observed : sum >= observed;
    }
    return ldexp(hits, -(int)n);
}

START_TEST(as_all_choices_of_signs)
{
    struct rng r;
    rng_init(&r, seed, 3, (uint64_t)_i, STR("signs"));
    for (size_t n = 1; n <= 10; n++) {
        double d[16], copy[16];
        for (size_t i = 0; i < n; i++) { /* ties and zeros in most rounds */
            d[i] = _i % 3 ? (double)rng_below(&r, 7) - 3 : rng_uniform(&r) - 0.4;
        }
        for (int less = 0; less < 2; less++) {
            double want = by_enumeration(d, n, less), got;
            memcpy(copy, d, sizeof d);
            got = signed_rank_p(copy, n, less, SIGNED_RANK_AUTO);
            ck_assert_msg(got == want, "n %zu, less %d: %.17g, not %.17g", n, less, got, want);
        }
    }
}
END_TEST

/* scipy.stats.wilcoxon(d, alternative=..., zero_method="zsplit").pvalue of SciPy 1.17.1 */
START_TEST(as_scipy)
{
    static const struct {
        size_t n;
        double d[20];
        double greater, less;
    } cases[] = {
        {4, {1, 2, 3, 4}, 0.0625, 1},
        {4, {1, -2, 3, 4}, 0.1875, 0.875},
        {3, {0, 0, 0}, 1, 1},
        {6, {1, 1, -1, 2, 0, 3}, 0.125, 0.96875},
        {14, {1, 1, -1, 2, 0, 3, -2, 4, 5, 5, -1, 2, 2, 1}, 0.012359094631487462, 0.9876409053685126},
        {15, {1, 2, 3, 4, 5, 6, 7, -8, -9, 10, 11, -12, 13, 14, 15}, 0.0416259765625, 0.9635009765625},
    };
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        double d[20];
        memcpy(d, cases[i].d, sizeof d);
        double greater = signed_rank_p(d, cases[i].n, false, SIGNED_RANK_AUTO);
        memcpy(d, cases[i].d, sizeof d);
        double less = signed_rank_p(d, cases[i].n, true, SIGNED_RANK_AUTO);
        ck_assert_msg(fabs(greater - cases[i].greater) < 1e-15 && fabs(less - cases[i].less) < 1e-15,
                      "case %zu: %.17g %.17g, not %.17g %.17g", i, greater, less, cases[i].greater, cases[i].less);
    }
}
END_TEST

/* The approximation comes near the exact test where both can be had, and takes over above 50. */
START_TEST(exact_and_approximate)
{
    struct rng r;
    double d[60], copy[60];
    rng_init(&r, seed, 4, 0, STR("near"));
    for (int round = 0; round < 200; round++) {
        size_t n = 30 + (size_t)rng_below(&r, 21);
        for (size_t i = 0; i < n; i++) {
            d[i] = (double)rng_below(&r, 21) - 9;
        }
        memcpy(copy, d, sizeof d);
        double approximate = signed_rank_p(copy, n, false, SIGNED_RANK_AUTO);
        memcpy(copy, d, sizeof d);
        double exact = signed_rank_p(copy, n, false, SIGNED_RANK_EXACT);
        ck_assert_msg(fabs(exact - approximate) < 0.02, "%g and %g", exact, approximate);
        ck_assert(exact != approximate);
    }
    for (size_t i = 0; i < 60; i++) {
        d[i] = (double)i + 1;
    }
    memcpy(copy, d, sizeof d);
    double p = signed_rank_p(copy, 50, false, SIGNED_RANK_AUTO);
    ck_assert(p == ldexp(1, -50));
    memcpy(copy, d, sizeof d);
    p = signed_rank_p(copy, 51, false, SIGNED_RANK_EXACT);
    ck_assert(p > 1e-11 && p < 1e-9); /* not 2^-51 */
}
END_TEST

int main(void)
{
    seed = (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    TCase *t = tcase_create("signed_rank");
    tcase_add_loop_test(t, as_all_choices_of_signs, 0, 12);
    tcase_add_test(t, as_scipy);
    tcase_add_test(t, exact_and_approximate);
    return check_run("signed_rank", t);
}
