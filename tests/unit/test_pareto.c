/* SPDX-License-Identifier: MIT
 *
 * Fronts, hypervolume and subset selection against the plainest possible ways to say what they are.
 */
#include "base/mem.h"
#include "numeric/hypervolume.h"
#include "numeric/pareto.h"
#include "numeric/rng.h"
#include "support/check_main.h"

#include <trialog/sampler.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct rng r;

static void points(double *v, size_t n, size_t m, unsigned values)
{
    for (size_t i = 0; i < n * m; i++) {
        v[i] = values ? (double)rng_below(&r, values) : rng_uniform(&r);
    }
}

START_TEST(ranks)
{
    for (unsigned round = 0; round < 300; round++) {
        size_t n = 1 + (size_t)rng_below(&r, 60), m = 1 + (size_t)rng_below(&r, 4);
        unsigned values = round % 3 == 0 ? 0 : round % 3 == 1 ? 4 : 20;
        double v[60 * 4];
        uint32_t rank[60], plain[60];
        points(v, n, m, values);
        if (round % 7 == 0) {
            v[0] = -INFINITY;
            v[n * m - 1] = INFINITY;
        }
        for (size_t i = 0; i < n; i++) {
            plain[i] = UINT32_MAX;
        }
        size_t left = n;
        for (uint32_t k = 0; left; k++) { /* peel: nobody who is still there dominates it */
            bool front[60] = {false};
            for (size_t i = 0; i < n; i++) {
                front[i] = plain[i] == UINT32_MAX;
                for (size_t j = 0; front[i] && j < n; j++) {
                    front[i] = plain[j] != UINT32_MAX || !pareto_dominates(v + j * m, v + i * m, m);
                }
            }
            for (size_t i = 0; i < n; i++) {
                if (front[i]) {
                    plain[i] = k;
                    left--;
                }
            }
        }
        ck_assert_int_eq(pareto_ranks(v, n, m, rank), 0);
        for (size_t i = 0; i < n; i++) {
            ck_assert_uint_eq(rank[i], plain[i]);
        }
    }
}
END_TEST

/* Versions change exactly for fronts whose members change. */
START_TEST(versions)
{
    struct fronts f;
    double v[3];
    uint64_t before[200];
    size_t sizes[200], sums[200];
    fronts_init(&f, 2);
    for (unsigned round = 0; round < 200; round++) {
        size_t n = f.n_sets;
        for (size_t k = 0; k < n; k++) {
            before[k] = f.sets[k].version;
            sizes[k] = f.sets[k].n;
            sums[k] = 0;
            for (size_t i = 0; i < f.sets[k].n; i++) {
                sums[k] += (size_t)f.sets[k].ids[i] * f.sets[k].ids[i];
            }
        }
        points(v, 1, 2, 30);
        ck_assert_int_eq(fronts_add(&f, v), 0);
        for (size_t k = 0; k < f.n_sets; k++) {
            for (size_t old = 0; old < n; old++) {
                if (before[old] == f.sets[k].version) {
                    size_t sum = 0;
                    for (size_t i = 0; i < f.sets[k].n; i++) {
                        sum += (size_t)f.sets[k].ids[i] * f.sets[k].ids[i];
                    }
                    ck_assert_uint_eq(sizes[old], f.sets[k].n);
                    ck_assert_uint_eq(sums[old], sum);
                }
            }
        }
    }
    fronts_release(&f);
}
END_TEST

/* Points on a grid: cells of the grid below the reference point that some point covers. */
static double count_cells(const double *v, size_t n, size_t m, unsigned side)
{
    size_t cells = 1, covered = 0;
    for (size_t i = 0; i < m; i++) {
        cells *= side;
    }
    for (size_t cell = 0; cell < cells; cell++) {
        bool in = false;
        for (size_t i = 0; !in && i < n; i++) {
            size_t rest = cell;
            in = true;
            for (size_t k = 0; k < m; k++, rest /= side) {
                in = in && v[i * m + k] <= (double)(rest % side);
            }
        }
        covered += in;
    }
    return (double)covered;
}

START_TEST(volumes)
{
    double v[40 * 6], ref[6] = {5, 5, 5, 5, 5, 5}, volume;
    for (unsigned round = 0; round < 400; round++) {
        size_t m = 1 + round % 6, n = (size_t)rng_below(&r, m > 4 ? 12 : 40);
        points(v, n, m, 7); /* some lie beyond the reference point */
        ck_assert_int_eq(hypervolume(v, n, m, ref, &volume), 0);
        ck_assert_double_eq(volume, count_cells(v, n, m, 5));
    }
}
END_TEST

START_TEST(odd_volumes)
{
    double v[] = {1, 2, -INFINITY, 1}, ref[] = {3, 3}, far[] = {INFINITY, 3}, volume;
    ck_assert_int_eq(hypervolume(v, 0, 2, far, &volume), 0);
    ck_assert_double_eq(volume, 0);
    ck_assert_int_eq(hypervolume(v, 1, 2, far, &volume), 0);
    ck_assert(isinf(volume));
    ck_assert_int_eq(hypervolume(v, 2, 2, ref, &volume), 0);
    ck_assert(isinf(volume));
    ck_assert_int_eq(hypervolume(v, 1, 2, ref, &volume), 0);
    ck_assert_double_eq(volume, 2);
}
END_TEST

/* Each pick is a point that adds most to those before it. */
static void check_greedy(const double *v, size_t n, size_t m, const double *ref, const uint32_t *picked,
                         size_t k)
{
    double chosen[40 * 5], with, best, mine;
    bool taken[40] = {false};
    for (size_t step = 0; step < k; step++) {
        best = mine = -1;
        for (size_t i = 0; i < n; i++) {
            memcpy(chosen + step * m, v + i * m, m * sizeof *v);
            ck_assert_int_eq(hypervolume(chosen, step + 1, m, ref, &with), 0);
            if (!taken[i] && with > best) {
                best = with;
            }
            if (i == picked[step]) {
                mine = with;
            }
        }
        ck_assert(!taken[picked[step]]);
        ck_assert_double_eq_tol(mine, best, 1e-12);
        taken[picked[step]] = true;
        memcpy(chosen + step * m, v + picked[step] * m, m * sizeof *v);
    }
}

START_TEST(subsets)
{
    for (unsigned round = 0; round < 200; round++) {
        size_t m = 2 + round % 4, n = 0, k;
        double all[40 * 5], v[40 * 5], ref[5] = {1.1, 1.2, 1.3, 1.1, 1.1};
        uint32_t rank[40], picked[40];
        points(all, 40, m, round % 5 == 0 ? 5 : 0);
        for (size_t i = 0; round % 5 == 0 && i < 40 * m; i++) {
            all[i] /= 5;
        }
        ck_assert_int_eq(pareto_ranks(all, 40, m, rank), 0);
        for (size_t i = 0; i < 40; i++) {
            if (rank[i] == 0) {
                memcpy(v + n++ * m, all + i * m, m * sizeof *v);
            }
        }
        k = (size_t)rng_below(&r, n + 1);
        ck_assert_int_eq(hssp(v, n, m, ref, k, picked), 0);
        if (k < n) { /* all of them come in their own order */
            check_greedy(v, n, m, ref, picked, round % 5 == 0 && k > 1 ? 1 : k);
        }
        for (size_t i = 0; i < k; i++) {
            for (size_t j = 0; j < i; j++) {
                ck_assert_uint_ne(picked[i], picked[j]);
            }
        }
    }
}
END_TEST

START_TEST(equal_points)
{
    double v[] = {1, 2, 1, 2, 2, 1, 1, 2, 2, 1}, ref[] = {3, 3}, far[] = {INFINITY, 3};
    uint32_t picked[5];
    ck_assert_int_eq(hssp(v, 5, 2, ref, 4, picked), 0);
    ck_assert_uint_eq(picked[0], 0);
    ck_assert_uint_eq(picked[1], 2);
    ck_assert_uint_eq(picked[2], 1);
    ck_assert_uint_eq(picked[3], 3);
    ck_assert_int_eq(hssp(v, 5, 2, far, 3, picked), 0);
    ck_assert_uint_eq(picked[1], 2);
    ck_assert_uint_eq(picked[2], 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pareto");
    uint64_t seed = tl_random_seed();
    printf("seed %llu\n", (unsigned long long)seed);
    rng_init(&r, seed, 0, 0, STR("pareto"));
    tcase_add_test(t, ranks);
    tcase_add_test(t, versions);
    tcase_add_test(t, volumes);
    tcase_add_test(t, odd_volumes);
    tcase_add_test(t, subsets);
    tcase_add_test(t, equal_points);
    return check_run("pareto", t);
}
