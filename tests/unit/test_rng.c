/* SPDX-License-Identifier: MIT
 *
 * numeric/rng.c: the reference vectors of Philox4x32-10, and what streams promise.
 */
#include "numeric/rng.h"
#include "support/check_main.h"

/* kat_vectors of the Random123 distribution: counter, key, result. */
START_TEST(reference_vectors)
{
    static const uint32_t rows[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
         0x5001e420, 0x24126ea1},
    };
    for (size_t i = 0; i < 3; i++) {
        struct rng r = {0};
        memcpy(r.counter, rows[i], sizeof r.counter);
        memcpy(r.key, rows[i] + 4, sizeof r.key);
        for (size_t k = 0; k < 4; k++) {
            ck_assert_uint_eq(rng_u32(&r), rows[i][6 + k]);
        }
    }
}
END_TEST

/* The same seed must give the same trials for ever. The values come from a second implementation, in Python. */
START_TEST(streams_are_a_format)
{
    struct rng r;
    rng_init(&r, UINT64_C(0x0123456789abcdef), 3, 1000, STR("learning_rate"));
    uint64_t first = rng_u64(&r), second = rng_u64(&r), third = rng_u64(&r);
    ck_assert_msg(first == UINT64_C(0xc19a8b423f0a05ab) && second == UINT64_C(0xe19e70afb4927ecb) &&
                      third == UINT64_C(0xb20614cb6ccaf571),
                  "%llx %llx %llx", (unsigned long long)first, (unsigned long long)second,
                  (unsigned long long)third);
}
END_TEST

START_TEST(each_part_of_the_name_makes_another_stream)
{
    struct rng streams[6];
    rng_init(&streams[0], 1, 2, 3, STR("x"));
    rng_init(&streams[1], 2, 2, 3, STR("x"));
    rng_init(&streams[2], 1, 3, 3, STR("x"));
    rng_init(&streams[3], 1, 2, 4, STR("x"));
    rng_init(&streams[4], 1, 2, 3, STR("y"));
    rng_init(&streams[5], 1 | UINT64_C(1) << 32, 2, 3, STR("x"));
    uint64_t got[6];
    for (size_t i = 0; i < TL_COUNT(got); i++) {
        got[i] = rng_u64(&streams[i]);
        for (size_t k = 0; k < i; k++) {
            ck_assert_uint_ne(got[i], got[k]);
        }
    }
    rng_init(&streams[1], 1, 2, 3, STR("x"));
    ck_assert_uint_eq(rng_u64(&streams[1]), got[0]);
    rng_init(&streams[1], 1, 2, 3, (struct str){NULL, 0});
    rng_u64(&streams[1]);
}
END_TEST

START_TEST(uniform_covers_the_unit_interval_evenly)
{
    enum { N = 200000, BINS = 64 };
    unsigned bins[BINS] = {0};
    double sum = 0, squares = 0;
    struct rng r;
    rng_init(&r, 5, 0, 0, STR("u"));
    for (int i = 0; i < N; i++) {
        double u = rng_uniform(&r);
        ck_assert(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
        sum += u;
        squares += u * u;
    }
    double chi2 = 0;
    for (int i = 0; i < BINS; i++) {
        double d = bins[i] - (double)N / BINS;
        chi2 += d * d / ((double)N / BINS);
    }
    ck_assert_msg(chi2 < 120, "chi2 %f with 63 degrees of freedom", chi2);
    ck_assert_msg(sum / N > 0.495 && sum / N < 0.505, "mean %f", sum / N);
    double variance = squares / N - (sum / N) * (sum / N);
    ck_assert_msg(variance > 0.0825 && variance < 0.0842, "variance %f", variance);
}
END_TEST

START_TEST(below_is_unbiased)
{
    struct rng r;
    rng_init(&r, 6, 0, 0, STR("b"));
    unsigned count[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t v = rng_below(&r, 7);
        ck_assert_uint_lt(v, 7);
        count[v]++;
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_msg(count[i] > 9600 && count[i] < 10400, "%d: %u", i, count[i]);
    }
    ck_assert_uint_eq(rng_below(&r, 1), 0);
    /* two thirds of all 64-bit numbers: without rejection one half of the range would come up twice as often */
    uint64_t bound = UINT64_MAX / 3 * 2, low = 0;
    for (int i = 0; i < 30000; i++) {
        uint64_t v = rng_below(&r, bound);
        ck_assert_uint_lt(v, bound);
        low += v < bound / 2;
    }
    ck_assert_msg(low > 14600 && low < 15400, "%llu of 30000 in the lower half", (unsigned long long)low);
    for (int i = 0; i < 1000; i++) {
        ck_assert_uint_lt(rng_below(&r, UINT64_MAX), UINT64_MAX);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("rng");
    tcase_add_test(t, reference_vectors);
    tcase_add_test(t, streams_are_a_format);
    tcase_add_test(t, each_part_of_the_name_makes_another_stream);
    tcase_add_test(t, uniform_covers_the_unit_interval_evenly);
    tcase_add_test(t, below_is_unbiased);
    return check_run("rng", t);
}
