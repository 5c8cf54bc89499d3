/* SPDX-License-Identifier: MIT
 *
 * numeric/order_stat.c: ranks and quantiles beside a sorted array; orders of arrival, equal numbers, infinities, no memory.
 */
#include "numeric/order_stat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "numeric/rng.h"
#include "support/check_main.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *v, size_t n, double q)
{
    double place = (double)(n - 1) * q;
    size_t i = (size_t)place;
    return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (place - (double)i) : v[n - 1];
}

/* Everything about `s` is as the sorted array says. */
static void same(const struct order_stat *s, double *v, size_t n)
{
    ck_assert_uint_eq(s->n, n);
    qsort(v, n, sizeof *v, ascending);
    for (size_t i = 0; i < n; i++) {
        size_t below = i, up_to = i;
        ck_assert(order_stat_at(s, i) == v[i]);
        if (n > 2000 && i % 97) {
            continue;
        }
        while (below > 0 && v[below - 1] == v[i]) {
            below--;
        }
        while (up_to < n && v[up_to] == v[i]) {
            up_to++;
        }
        ck_assert_uint_eq(order_stat_below(s, v[i]), below);
        ck_assert_uint_eq(order_stat_up_to(s, v[i]), up_to);
        double between = i + 1 < n ? v[i] + (v[i + 1] - v[i]) / 2 : v[i] + 1;
        if (between > v[i] && (i + 1 == n || between < v[i + 1])) {
            ck_assert_uint_eq(order_stat_up_to(s, between), i + 1);
        }
    }
    ck_assert_uint_eq(order_stat_below(s, -INFINITY), 0);
    ck_assert_uint_eq(order_stat_up_to(s, INFINITY), n);
}

static uint64_t seed;

/* Kinds of arrival: random, few distinct numbers, ascending, descending, a saw. */
static double arrival(struct rng *r, int kind, size_t i)
{
    switch (kind) {
    case 0: return rng_uniform(r);
    case 1: return (double)rng_below(r, 5);
    case 2: return (double)(i / 3);
    case 3: return -(double)(i / 2);
    default: return (double)((i * 7919) % 1000) / 8;
    }
}

START_TEST(ranks)
{
    static const size_t sizes[] = {1, 2, 63, 64, 65, 1000, 8000};
    double *v = malloc(8000 * sizeof *v);
    struct rng r;
    for (size_t k = 0; k < TL_COUNT(sizes); k++) {
        struct order_stat s = {.root = NULL};
        rng_init(&r, seed, 1, k, STR("ranks"));
        for (size_t i = 0; i < sizes[k]; i++) {
            v[i] = arrival(&r, _i, i);
            ck_assert(order_stat_add(&s, v[i]));
        }
        same(&s, v, sizes[k]);
        for (double q = 0; q <= 1; q += 0.0625) {
            double want = quantile(v, sizes[k], q), got = order_stat_quantile(&s, q);
            ck_assert_msg(fabs(got - want) <= 1e-12 * (1 + fabs(want)), "quantile %g of %zu: %.17g, not %.17g", q, sizes[k],
                          got, want);
        }
        order_stat_release(&s);
    }
    free(v);
}
END_TEST

START_TEST(edges)
{
    struct order_stat s = {.root = NULL};
    ck_assert(isnan(order_stat_quantile(&s, 0.5)));
    ck_assert_uint_eq(order_stat_below(&s, 1), 0);
    ck_assert(order_stat_add(&s, 3));
    ck_assert(order_stat_quantile(&s, 0) == 3 && order_stat_quantile(&s, 1) == 3);
    ck_assert(order_stat_add(&s, 4));
    ck_assert(order_stat_quantile(&s, 0.5) == 3.5);
    ck_assert(order_stat_add(&s, INFINITY));
    ck_assert(order_stat_quantile(&s, 0.25) == 3.5);
    ck_assert(isnan(order_stat_quantile(&s, 0.5))); /* as NumPy: infinity times 0 */
    ck_assert(order_stat_quantile(&s, 0.6) == INFINITY);
    ck_assert(isnan(order_stat_quantile(&s, 1)));
    ck_assert(order_stat_add(&s, -INFINITY));
    ck_assert_uint_eq(order_stat_below(&s, 3), 1);
    ck_assert_uint_eq(order_stat_up_to(&s, 4), 3);
    order_stat_release(&s);
    order_stat_release(&s);
}
END_TEST

static size_t refuse_at, allocations;
static void *hook_alloc(size_t size, void *ctx)
{
    (void)ctx;
    return ++allocations == refuse_at ? NULL : malloc(size);
}
static void *hook_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    return realloc(old, size);
}
static void hook_release(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

START_TEST(no_memory_changes_nothing)
{
    static const struct mem_hooks hooks = {hook_alloc, hook_resize, hook_release, NULL};
    double v[6000];
    size_t failures = 0;
    mem_set_hooks(&hooks);
    for (refuse_at = 1; refuse_at < 12; refuse_at++) {
        struct order_stat s = {.root = NULL};
        struct rng r;
        size_t n = 0;
        allocations = 0;
        rng_init(&r, seed, 2, 0, STR("memory"));
        while (n < TL_COUNT(v)) {
            v[n] = rng_uniform(&r);
            if (!order_stat_add(&s, v[n])) {
                failures++;
                same(&s, v, n);
                ck_assert(order_stat_add(&s, v[n])); /* again */
            }
            n++;
        }
        same(&s, v, n);
        order_stat_release(&s);
    }
    mem_set_hooks(NULL);
    ck_assert_uint_gt(failures, 3);
}
END_TEST

int main(void)
{
    seed = (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    TCase *t = tcase_create("order_stat");
    tcase_add_loop_test(t, ranks, 0, 5);
    tcase_add_test(t, edges);
    tcase_add_test(t, no_memory_changes_nothing);
    return check_run("order_stat", t);
}
