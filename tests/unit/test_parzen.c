/* SPDX-License-Identifier: MIT
 *
 * numeric/parzen.c against a plain evaluator (support/parzen_plain.c) that rebuilds everything: all kinds of parameters and rules,
 * random puts and drops, every width of vectors. The random tests print their seed; PARZEN_SEED=n repeats one.
 */
#include "base/mem.h"
#include "numeric/normal.h"
#include "numeric/parzen.h"
#include "numeric/parzen_density.h"
#include "numeric/rng.h"
#include "support/check_main.h"
#include "support/parzen_plain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_DIMS 8

static uint64_t seed;

static const struct parzen_dim dims_of_all_kinds[MOST_DIMS] = {
    {.kind = PARZEN_FLOAT, .low = -5, .high = 5},
    {.kind = PARZEN_LATTICE, .low = 1, .high = 40, .step = 1},
    {.kind = PARZEN_CATEGORY, .n_choices = 5},
    {.kind = PARZEN_FLOAT, .low = 1e-6, .high = 10, .log = true},
    {.kind = PARZEN_LATTICE, .low = 1, .high = 300, .step = 1, .log = true},
    {.kind = PARZEN_LATTICE, .low = 0, .high = 1, .step = 0.1},
    {.kind = PARZEN_LATTICE, .low = -1000000, .high = 1000000, .step = 1},
    {.kind = PARZEN_LATTICE, .low = 0, .high = 3, .step = 3},
};

static const struct parzen_rules all_rules[] = {
    {PARZEN_FLOOR_MAGIC, PARZEN_NEIGHBOUR, PARZEN_RAMP, false, 1},
    {PARZEN_FLOOR_NARROW, PARZEN_NEIGHBOUR, PARZEN_RAMP, false, 1},
    {PARZEN_FLOOR_NARROW, PARZEN_NEIGHBOUR, PARZEN_GIVEN, false, 1},
    {PARZEN_FLOOR_MAGIC, PARZEN_NEIGHBOUR_PRIOR, PARZEN_RAMP, true, 0.5},
    {PARZEN_FLOOR_MAGIC, PARZEN_SCOTT, PARZEN_FLAT, false, 2},
    {PARZEN_FLOOR_NONE, PARZEN_NEIGHBOUR, PARZEN_RAMP, true, 1},
    {PARZEN_FLOOR_NONE, PARZEN_NEIGHBOUR_PRIOR, PARZEN_FLAT, false, 1},
};

/* A value of the distribution; `tight`: near a place, as a search that has converged leaves them. */
static double some_value(struct rng *r, const struct parzen_dim *d, bool tight)
{
    double u = rng_uniform(r);
    u = tight ? 0.3 + 0.02 * (u - 0.5) : u;
    if (d->kind == PARZEN_CATEGORY) {
        return floor(u * (double)d->n_choices);
    }
    double x = d->log ? exp(log(d->low) + u * (log(d->high) - log(d->low))) : d->low + u * (d->high - d->low);
    if (d->kind == PARZEN_LATTICE) {
        x = d->low + rint((x - d->low) / d->step) * d->step;
    }
    return fmin(fmax(x, d->low), d->high);
}

/* Both estimators, always given the same. */
struct pair {
    struct parzen *fast;
    struct plain *plain;
    const struct parzen_dim *dims;
    size_t d;
};

static struct pair pair_new(const struct parzen_dim *dims, size_t d, const struct parzen_rules *rules)
{
    struct pair p = {parzen_new(dims, d, rules), plain_new(dims, d, rules), dims, d};
    ck_assert(p.fast && p.plain);
    return p;
}

static void pair_free(struct pair *p)
{
    parzen_free(p->fast);
    plain_free(p->plain);
}

static void pair_put(struct pair *p, int64_t key, const double *x)
{
    ck_assert_int_eq(parzen_put(p->fast, key, x), TL_OK);
    ck_assert_int_eq(plain_put(p->plain, key, x), TL_OK);
}

static void settle(struct pair *p)
{
    ck_assert_int_eq(parzen_settle(p->fast), TL_OK);
    ck_assert_int_eq(plain_settle(p->plain), TL_OK);
    ck_assert_uint_eq(parzen_count(p->fast), plain_count(p->plain));
}

static void densities(const struct parzen *p, const double *x, size_t m, double *out)
{
    void *scratch = mem_alloc(parzen_scratch(p, m) + 1);
    parzen_log_density(p, x, m, out, scratch);
    mem_free(scratch);
}

/* Densities agree at points near kernels, at random ones, and at draws; draws agree. */
static void compare(struct pair *p, struct rng *r, double tolerance, const char *what)
{
    enum { M = 24 };
    double x[M * MOST_DIMS], got[M], want[M], u[MOST_DIMS + 1], other[MOST_DIMS];
    settle(p);
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j <= p->d; j++) {
            u[j] = rng_uniform(r);
        }
        if (i % 3 == 2) {
            for (size_t j = 0; j < p->d; j++) {
                x[i * p->d + j] = some_value(r, &p->dims[j], i % 2);
            }
            continue;
        }
        parzen_sample(p->fast, u, x + i * p->d);
        plain_sample(p->plain, u, other);
        for (size_t j = 0; j < p->d; j++) {
            double range = p->dims[j].kind == PARZEN_CATEGORY ? 1 : p->dims[j].high - p->dims[j].low;
            ck_assert_msg(fabs(x[i * p->d + j] - other[j]) <= 1e-9 * range,
                          "seed %llu, %s: parameter %zu: drew %.17g, not %.17g", (unsigned long long)seed, what,
                          j, x[i * p->d + j], other[j]);
        }
    }
    densities(p->fast, x, M, got);
    void *scratch = mem_alloc(plain_scratch(p->plain, M));
    plain_log_density(p->plain, x, M, want, scratch);
    mem_free(scratch);
    for (size_t i = 0; i < M; i++) {
        ck_assert_msg(fabs(got[i] - want[i]) <= tolerance * (1 + fabs(want[i])),
                      "seed %llu, %s: N=%zu point %zu: %.17g, not %.17g", (unsigned long long)seed, what,
                      parzen_count(p->fast), i, got[i], want[i]);
    }
}

/* 3.9 (c), (d), (e): any mix of puts and drops gives what building anew gives. */
static void random_walk(const struct parzen_dim *dims, size_t d, const struct parzen_rules *rules, size_t steps,
                        size_t keep, const char *what)
{
    struct rng r;
    rng_init(&r, seed, 1, steps, str_of(what));
    struct pair p = pair_new(dims, d, rules);
    double tolerance = rules->floor == PARZEN_FLOOR_NONE ? 1e-8 : 1e-10, x[MOST_DIMS];
    compare(&p, &r, tolerance, what);
    int64_t *keys = mem_alloc(steps * sizeof *keys);
    size_t n = 0, next_look = 1;
    for (size_t step = 1; step <= steps; step++) {
        bool drop = n > 0 && (n >= keep ? rng_below(&r, 2) == 0 : rng_below(&r, 8) == 0);
        if (drop) {
            size_t at = rng_below(&r, n);
            ck_assert(parzen_drop(p.fast, keys[at]) && plain_drop(p.plain, keys[at]));
            ck_assert(!parzen_drop(p.fast, keys[at]));
            keys[at] = keys[--n];
        } else {
            int64_t key = (int64_t)(2 * step + (step % 5 == 0 && step > 40 ? -61 : 0)); /* some come late */
            for (size_t j = 0; j < d; j++) {
                x[j] = some_value(&r, &dims[j], rng_below(&r, 2) != 0);
            }
            pair_put(&p, key, x);
            ck_assert_int_eq(parzen_put(p.fast, key, x), TL_EINVAL);
            keys[n++] = key;
            if (rules->weights == PARZEN_GIVEN) {
                double w = rng_uniform(&r) * pow(10, -12 * rng_uniform(&r));
                parzen_weigh(p.fast, key, w);
                plain_weigh(p.plain, key, w);
                parzen_prior_weight(p.fast, w);
                plain_prior_weight(p.plain, w);
            }
        }
        if (step >= next_look || step == steps) {
            compare(&p, &r, tolerance, what);
            next_look = step + 1 + step / 6;
        }
    }
    mem_free(keys);
    pair_free(&p);
}

START_TEST(walks_with_all_kinds)
{
    char what[64];
    snprintf(what, sizeof what, "all kinds, rules %d", _i);
    random_walk(dims_of_all_kinds, MOST_DIMS, &all_rules[_i], 500, 300, what);
    for (size_t j = 0; j < MOST_DIMS; j++) {
        snprintf(what, sizeof what, "parameter %zu, rules %d", j, _i);
        random_walk(&dims_of_all_kinds[j], 1, &all_rules[_i], 250, 200, what);
    }
}
END_TEST

START_TEST(many_kernels)
{
    static const struct parzen_dim floats[4] = {
        {.kind = PARZEN_FLOAT, .low = -5, .high = 5},
        {.kind = PARZEN_FLOAT, .low = 0, .high = 1},
        {.kind = PARZEN_FLOAT, .low = 1e-5, .high = 1, .log = true},
        {.kind = PARZEN_CATEGORY, .n_choices = 2},
    };
    random_walk(floats, 4, &all_rules[_i], 5000, 4000, "many");
}
END_TEST

/* Kernels that are all the same, or differ in one choice only, fill blocks that cannot be halved by a plane. */
START_TEST(equal_kernels)
{
    struct pair p = pair_new(dims_of_all_kinds, 4, &all_rules[1]);
    struct rng r;
    rng_init(&r, seed, 2, 0, STR("equal"));
    for (int64_t k = 0; k < 1500; k++) {
        pair_put(&p, k, (double[]){1, 2, k % 7 == 0, 0.25});
    }
    compare(&p, &r, 1e-10, "equal");
    for (int64_t k = 0; k < 1500; k += 2) {
        ck_assert(parzen_drop(p.fast, k) && plain_drop(p.plain, k));
    }
    compare(&p, &r, 1e-10, "half of them");
    for (int64_t k = 1; k < 1500; k += 2) {
        ck_assert(parzen_drop(p.fast, k) && plain_drop(p.plain, k));
    }
    compare(&p, &r, 1e-10, "none");
    pair_free(&p);
}
END_TEST

/* Values that a lattice does not have (from a queue, or another worker) are kernels all the same; the table of cells is not for them. */
START_TEST(off_the_lattice)
{
    struct pair p = pair_new(&dims_of_all_kinds[1], 1, &all_rules[0]);
    struct rng r;
    rng_init(&r, seed, 6, 0, STR("off"));
    for (int64_t k = 0; k < 600; k++) {
        double x = some_value(&r, &dims_of_all_kinds[1], k % 2) + (k % 3 == 0 ? 0.3 : 0);
        pair_put(&p, k, &x);
        if (k % 100 == 99) {
            compare(&p, &r, 1e-10, "off the lattice");
        }
    }
    pair_free(&p);
}
END_TEST

/* 3.9 (a): one kernel against quadrature, without the functions that the estimator is made of. */
START_TEST(normalised)
{
    for (int rules = 0; rules < (int)TL_COUNT(all_rules); rules++) {
        if (all_rules[rules].floor == PARZEN_FLOOR_NONE) {
            continue; /* spikes */
        }
        struct parzen *p = parzen_new(dims_of_all_kinds, 1, &all_rules[rules]);
        static const double at[] = {-5, -4.9, 0.25, 0.26, 1, 4.75};
        for (size_t i = 0; i < TL_COUNT(at); i++) {
            ck_assert_int_eq(parzen_put(p, (int64_t)i, &at[i]), TL_OK);
        }
        ck_assert_int_eq(parzen_settle(p), TL_OK);
        enum { N = 8192 };
        double sum = 0, *x = mem_alloc((N + 1) * sizeof *x), *out = mem_alloc((N + 1) * sizeof *out);
        for (int i = 0; i <= N; i++) {
            x[i] = -5 + 10.0 * i / N;
        }
        densities(p, x, N + 1, out);
        for (int i = 0; i <= N; i++) { /* Simpson */
            sum += exp(out[i]) * (i == 0 || i == N ? 1 : i % 2 ? 4 : 2) * 10 / N / 3;
        }
        ck_assert_msg(fabs(sum - 1) < 1e-10, "rules %d: %.17g", rules, sum);
        mem_free(x);
        mem_free(out);
        parzen_free(p);
    }
    for (size_t j = 1; j < 6; j++) { /* masses of all cells, or choices */
        const struct parzen_dim *d = &dims_of_all_kinds[j];
        if (d->kind == PARZEN_FLOAT) {
            continue;
        }
        struct pair p = pair_new(d, 1, &all_rules[0]);
        struct rng r;
        rng_init(&r, seed, 3, j, STR("mass"));
        for (int64_t k = 0; k < 300; k++) {
            double x = some_value(&r, d, false);
            pair_put(&p, k, &x);
        }
        settle(&p);
        size_t n = d->kind == PARZEN_CATEGORY ? d->n_choices : (size_t)rint((d->high - d->low) / d->step) + 1;
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            double x = d->kind == PARZEN_CATEGORY ? (double)i : d->low + (double)i * d->step, out;
            densities(p.fast, &x, 1, &out);
            sum += exp(out);
        }
        ck_assert_msg(fabs(sum - 1) < 1e-11, "parameter %zu: %.17g", j, sum);
        pair_free(&p);
    }
}
END_TEST

/* 3.9 (b): Kolmogorov and Smirnov's distance of 20,000 draws from the integral of the density. */
START_TEST(draws_follow_the_density)
{
    enum { N = 20000, GRID = 4000 };
    static double x[N], at[GRID], out[GRID];
    struct rng r;
    rng_init(&r, seed, 4, 0, STR("ks"));
    struct parzen *p = parzen_new(dims_of_all_kinds, 1, &all_rules[1]);
    for (int64_t k = 0; k < 60; k++) {
        double v = some_value(&r, &dims_of_all_kinds[0], k % 2);
        ck_assert_int_eq(parzen_put(p, k, &v), TL_OK);
    }
    ck_assert_int_eq(parzen_settle(p), TL_OK);
    static unsigned below[GRID + 1];
    memset(below, 0, sizeof below);
    for (size_t i = 0; i < N; i++) {
        double u[2] = {rng_uniform(&r), rng_uniform(&r)};
        parzen_sample(p, u, &x[i]);
        ck_assert(x[i] >= -5 && x[i] <= 5);
        below[(size_t)fmin(GRID - 1, (x[i] + 5) / 10 * GRID)]++;
    }
    for (size_t i = 0; i < GRID; i++) {
        at[i] = -5 + 10.0 * ((double)i + 0.5) / GRID;
    }
    densities(p, at, GRID, out);
    double cdf = 0, count = 0, worst = 0;
    for (size_t i = 0; i < GRID; i++) {
        cdf += exp(out[i]) * 10 / GRID;
        count += below[i];
        worst = fmax(worst, fabs(cdf - count / N));
    }
    ck_assert_msg(worst * sqrt(N) < 2.2, "seed %llu: distance %g", (unsigned long long)seed,
                  worst); /* p about 1e-4 */
    parzen_free(p);
}
END_TEST

/* Every width of vectors gives the same bits; what a point gets does not depend on its neighbours in the call. */
START_TEST(variants_agree)
{
    struct pass_variant all[4];
    size_t n = pass_variants(all);
    struct rng r;
    rng_init(&r, seed, 5, 0, STR("variants"));
    for (size_t k = 0; k < TL_COUNT(all_rules); k++) {
        struct parzen *p = parzen_new(dims_of_all_kinds, MOST_DIMS, &all_rules[k]);
        double x[40 * MOST_DIMS], first[40], out[40];
        for (int64_t key = 0; key < 500; key++) {
            for (size_t j = 0; j < MOST_DIMS; j++) {
                x[j] = some_value(&r, &dims_of_all_kinds[j], key % 2);
            }
            ck_assert_int_eq(parzen_put(p, key, x), TL_OK);
        }
        ck_assert_int_eq(parzen_settle(p), TL_OK);
        for (size_t i = 0; i < 40 * MOST_DIMS; i++) {
            x[i] = some_value(&r, &dims_of_all_kinds[i % MOST_DIMS], i / MOST_DIMS % 2);
        }
        for (size_t v = 0; v < n; v++) {
            pass_force(all[v].run);
            densities(p, x, 40, out);
            if (v == 0) {
                memcpy(first, out, sizeof out);
            }
            ck_assert_msg(memcmp(first, out, sizeof out) == 0, "seed %llu, rules %zu: %s",
                          (unsigned long long)seed, k, all[v].name);
        }
        pass_force(NULL);
        for (size_t i = 0; i < 40; i++) {
            densities(p, x + i * MOST_DIMS, 1, out);
            ck_assert_msg(out[0] == first[i] || all_rules[k].floor == PARZEN_FLOOR_NONE,
                          "seed %llu, rules %zu: point %zu alone", (unsigned long long)seed, k, i);
        }
        parzen_free(p);
    }
}
END_TEST

START_TEST(odd_input)
{
    struct parzen *p = parzen_new(dims_of_all_kinds, 4, &all_rules[0]);
    static const double bad[][4] = {{NAN, 1, 0, 1}, {INFINITY, 1, 0, 1}, {0, 1, 5, 1},
                                    {0, 1, 0.5, 1}, {0, 1, 0, 0},        {0, 1, NAN, 1}};
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        ck_assert_int_eq(parzen_put(p, 1, bad[i]), TL_EINVAL);
    }
    ck_assert(!parzen_drop(p, 1) && parzen_count(p) == 0);
    ck_assert_int_eq(parzen_put(p, 1, (double[]){70, -1e6, 4, 1e5}),
                     TL_OK); /* outside the ranges, off the lattice */
    ck_assert_int_eq(parzen_put(p, 2, (double[]){-70, 1.3, 4, 1e-300}), TL_OK);
    ck_assert_int_eq(parzen_settle(p), TL_OK);
    static const double x[][4] = {{0, 1, 0, 1}, {5.1, 1, 0, 1}, {0, 0, 0, 1},  {0, 41, 0, 1},
                                  {0, 1, 5, 1}, {0, 1, 0, 11},  {NAN, 1, 0, 1}};
    double out[TL_COUNT(x)], draw[4];
    densities(p, x[0], TL_COUNT(x), out);
    ck_assert(isfinite(out[0]));
    for (size_t i = 1; i < TL_COUNT(x); i++) {
        ck_assert_msg(out[i] == -INFINITY, "point %zu: %g", i, out[i]);
    }
    for (int i = 0; i < 100; i++) {
        double u = i / 100.0;
        parzen_sample(p, (double[]){u, u, u, u, u}, draw);
        ck_assert(draw[0] >= -5 && draw[0] <= 5 && draw[1] >= 1 && draw[1] <= 40 && draw[3] >= 1e-6 &&
                  draw[3] <= 10);
    }
    parzen_free(p);
}
END_TEST

int main(void)
{
    const char *wanted = getenv("PARZEN_SEED");
    seed = wanted ? strtoull(wanted, NULL, 10) : (uint64_t)time(NULL);
    printf("PARZEN_SEED=%llu\n", (unsigned long long)seed);
    TCase *tc = tcase_create("parzen");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, walks_with_all_kinds, 0, (int)TL_COUNT(all_rules));
    tcase_add_loop_test(tc, many_kernels, 0, 2);
    tcase_add_test(tc, equal_kernels);
    tcase_add_test(tc, off_the_lattice);
    tcase_add_test(tc, normalised);
    tcase_add_test(tc, draws_follow_the_density);
    tcase_add_test(tc, variants_agree);
    tcase_add_test(tc, odd_input);
    return check_run("parzen", tc);
}
