/* SPDX-License-Identifier: MIT
 *
 * sampler/random.c and the registry in sampler/sampler.c: the distribution of draws, their edges, and that a draw depends on seed,
 * trial and name only. Seeds are fixed, so nothing here fails by chance.
 */
#include <math.h>
#include <stdlib.h>

#include "pruner/pruner.h"
#include "sampler/sampler.h"
#include "support/check_main.h"

#define DRAWS 20000

static double draw(const struct tl_dist *d, uint64_t trial, const char *name)
{
    struct rng r;
    rng_init(&r, 42, PURPOSE_RANDOM, trial, str_of(name));
    double x = random_draw(d, &r);
    ck_assert_msg(tl_dist_contains(d, x), "%.17g lies outside", x);
    return x;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov: `x` holds values that should be uniform on [0, 1]; fails below one in a thousand. */
static void check_uniform(double *x, size_t n)
{
    double worst = 0;
    qsort(x, n, sizeof *x, by_size);
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fmax((double)(i + 1) / (double)n - x[i], x[i] - (double)i / (double)n));
    }
    ck_assert_msg(worst * sqrt((double)n) < 1.95, "D * sqrt(n) = %g", worst * sqrt((double)n));
}

/* Pearson's chi-square against the given shares; the bound is its 99.9 % point by Wilson and Hilferty. */
static void check_shares(const size_t *seen, const double *share, size_t k, size_t n)
{
    double chi = 0, f = (double)(k - 1);
    for (size_t i = 0; i < k; i++) {
        double want = share[i] * (double)n;
        chi += ((double)seen[i] - want) * ((double)seen[i] - want) / want;
    }
    double bound = f * pow(1 - 2 / (9 * f) + 3.09 * sqrt(2 / (9 * f)), 3);
    ck_assert_msg(chi < bound, "chi-square %g, bound %g", chi, bound);
}

START_TEST(floats_are_uniform)
{
    static const struct tl_dist dists[] = {TL_FLOAT_RANGE(-3, 5), TL_FLOAT_RANGE(1e-300, 2e-300), TL_FLOAT_LOG(1e-5, 1e2),
                                           TL_FLOAT_LOG(1e-300, 1e300), TL_FLOAT_RANGE(-1.7e308, 1.7e308)};
    static double x[DRAWS];
    const struct tl_dist *d = &dists[_i];
    for (uint64_t i = 0; i < DRAWS; i++) {
        double v = draw(d, i, "x");
        x[i] = d->log ? (log(v) - log(d->low)) / (log(d->high) - log(d->low))
                      : (v / 2 - d->low / 2) / (d->high / 2 - d->low / 2);
    }
    check_uniform(x, DRAWS);
}
END_TEST

START_TEST(steps_are_equally_likely)
{
    static const struct tl_dist dists[] = {
        {TL_DIST_FLOAT, false, 0, 0.9, 0.3, NULL, 0}, {TL_DIST_INT, false, -2, 10, 3, NULL, 0}, TL_INT_RANGE(0, 9)};
    const struct tl_dist *d = &dists[_i];
    size_t seen[16] = {0}, k = (size_t)tl_dist_cardinality(d);
    double share[16];
    for (uint64_t i = 0; i < DRAWS; i++) {
        size_t at = (size_t)lround((draw(d, i, "s") - d->low) / d->step);
        ck_assert_uint_lt(at, k);
        seen[at]++;
    }
    for (size_t i = 0; i < k; i++) {
        share[i] = 1 / (double)k;
    }
    check_shares(seen, share, k, DRAWS);
}
END_TEST

START_TEST(choices_are_equally_likely)
{
    struct tl_value values[7] = {{0}};
    struct tl_dist d = {TL_DIST_CATEGORICAL, false, 0, 0, 0, values, 7};
    size_t seen[7] = {0};
    double share[7];
    for (size_t i = 0; i < 7; i++) {
        values[i].kind = TL_VALUE_INT;
        values[i].as.i = (int64_t)i;
        share[i] = 1.0 / 7;
    }
    for (uint64_t i = 0; i < DRAWS; i++) {
        seen[(size_t)draw(&d, i, "c")]++;
    }
    check_shares(seen, share, 7, DRAWS);
}
END_TEST

START_TEST(int_log_follows_the_logarithm)
{
    static const struct tl_dist d = TL_INT_LOG(1, 20);
    size_t seen[20] = {0};
    double share[20];
    for (uint64_t i = 0; i < DRAWS; i++) {
        seen[(size_t)draw(&d, i, "n") - 1]++;
    }
    for (size_t k = 1; k <= 20; k++) {
        share[k - 1] = log(((double)k + 0.5) / ((double)k - 0.5)) / log(20.5 / 0.5);
    }
    check_shares(seen, share, 20, DRAWS);
}
END_TEST

START_TEST(edges)
{
    double next = nextafter(1.0, 2.0);
    const struct tl_dist one = TL_FLOAT_RANGE(2.5, 2.5), close = TL_FLOAT_RANGE(1.0, next),
                         close_log = TL_FLOAT_LOG(1.0, next), zero = TL_FLOAT_RANGE(-0.0, 0.0),
                         tiny = TL_FLOAT_RANGE(0, 5e-324), wide_int = TL_INT_RANGE(-9007199254740992.0, 9007199254740992.0),
                         log_int = TL_INT_LOG(1, 9007199254740992.0), one_int = TL_INT_LOG(7, 7),
                         many = {TL_DIST_FLOAT, false, 0, 1e10, 1e-12, NULL, 0};
    bool low = false, high = false;
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_double_eq(draw(&one, i, "x"), 2.5);
        ck_assert_double_eq(draw(&close, i, "x"), 1.0); /* `high` never comes out */
        ck_assert_double_eq(draw(&close_log, i, "x"), 1.0);
        ck_assert_double_eq(draw(&zero, i, "x"), 0.0);
        ck_assert_double_eq(draw(&tiny, i, "x"), 0.0);
        ck_assert_double_eq(draw(&one_int, i, "x"), 7);
        double wide = draw(&wide_int, i, "x");
        ck_assert_double_eq(wide, trunc(wide));
        low = low || wide < 0;
        high = high || wide > 0;
        double big = draw(&log_int, i, "x");
        ck_assert_double_eq(big, trunc(big));
        double step = draw(&many, i, "x");
        ck_assert_msg(step >= 0 && step <= 1e10, "%g", step);
    }
    ck_assert(low && high);
}
END_TEST

START_TEST(a_draw_is_a_function_of_seed_trial_and_name)
{
    tl_sampler *a, *b, *other;
    static const struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    struct tl_sample_context c = {NULL, 0, 0, 1, NULL};
    double x[50], y;
    ck_assert_int_eq(tl_sampler_random(7, &a, NULL), 0);
    ck_assert_int_eq(tl_sampler_random(7, &b, NULL), 0);
    ck_assert_int_eq(tl_sampler_random(8, &other, NULL), 0);
    ck_assert_str_eq(tl_sampler_name(a), "random");
    ck_assert_uint_eq(a->ops.flags, TL_SAMPLER_STATELESS);
    for (int i = 0; i < 50; i++) {
        c.trial_number = i;
        ck_assert_int_eq(a->ops.independent(a->self, &c, "p", &d, &x[i], NULL), 0);
    }
    for (int i = 49; i >= 0; i--) { /* another sampler, another order, another study handle */
        c.trial_number = i;
        c.handle = 99;
        ck_assert_int_eq(b->ops.independent(b->self, &c, "p", &d, &y, NULL), 0);
        ck_assert_double_eq(x[i], y);
        ck_assert_int_eq(b->ops.independent(b->self, &c, "q", &d, &y, NULL), 0);
        ck_assert_double_ne(x[i], y);
        ck_assert_int_eq(other->ops.independent(other->self, &c, "p", &d, &y, NULL), 0);
        ck_assert_double_ne(x[i], y);
    }
    ck_assert_msg(x[0] == 0.33153354087200748, "%.17g", x[0]); /* the same seed gives the same trials for ever */
    tl_sampler_free(a);
    tl_sampler_free(b);
    tl_sampler_free(other);
    tl_sampler_free(NULL);
}
END_TEST

/* ---- the registry ---- */

START_TEST(samplers_by_name)
{
    static const struct tl_option seed = {"seed", "12"}, null = {"seed", "null"}, typo = {"sed", "1"};
    static const char *const bad_seeds[] = {"", "-1", "1.5", "x", "18446744073709551616", "99999999999999999999", "1 "};
    tl_sampler *s, *same;
    struct tl_err err;
    double x, y;
    static const struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    struct tl_sample_context c = {NULL, 0, 3, 1, NULL};
    ck_assert_int_eq(tl_sampler_create("RandomSampler", &seed, 1, &s, &err), 0);
    ck_assert_int_eq(tl_sampler_random(12, &same, &err), 0);
    ck_assert_int_eq(s->ops.independent(s->self, &c, "p", &d, &x, NULL), 0);
    ck_assert_int_eq(same->ops.independent(same->self, &c, "p", &d, &y, NULL), 0);
    ck_assert_double_eq(x, y);
    tl_sampler_free(s);
    tl_sampler_free(same);
    ck_assert_int_eq(tl_sampler_create("random", &null, 1, &s, &err), 0);
    tl_sampler_free(s);
    ck_assert_int_eq(tl_sampler_create("tpe9", NULL, 0, &s, &err), TL_EUNSUPPORTED);
    ck_assert_str_eq(err.message, "there is no sampler 'tpe9'; there are: tpe, random, grid");
    ck_assert_int_eq(tl_sampler_create("random", &typo, 1, &s, &err), TL_EINVAL);
    ck_assert_str_eq(err.message, "sampler 'random' has no option 'sed'; it has: seed");
    for (size_t i = 0; i < TL_COUNT(bad_seeds); i++) {
        struct tl_option o = {"seed", bad_seeds[i]};
        ck_assert_msg(tl_sampler_create("random", &o, 1, &s, &err) == TL_EINVAL, "'%s'", bad_seeds[i]);
    }
    struct tl_option largest = {"seed", "18446744073709551615"};
    ck_assert_int_eq(tl_sampler_create("random", &largest, 1, &s, &err), 0);
    tl_sampler_free(s);
    ck_assert_int_eq(tl_sampler_create(NULL, NULL, 0, &s, &err), TL_EINVAL);
    ck_assert_uint_ne(tl_random_seed(), tl_random_seed());
}
END_TEST

START_TEST(docs_are_complete)
{
    const struct tl_component_doc *lists[] = {tl_sampler_docs(), tl_pruner_docs()};
    for (size_t k = 0; k < 2; k++) {
        for (const struct tl_component_doc *doc = lists[k]; doc->name; doc++) {
            ck_assert(doc->optuna_name && doc->text && doc->options);
            for (const struct tl_option_doc *o = doc->options; o->name; o++) {
                ck_assert(o->type && o->range && o->def && o->text);
            }
        }
    }
}
END_TEST

static int half(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist, double *internal,
                struct tl_err *err)
{
    (void)self, (void)c, (void)name, (void)err;
    *internal = (dist->low + dist->high) / 2;
    return 0;
}

static int released;
static void count_release(void *self)
{
    (void)self;
    released++;
}

static int prune_always(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    (void)self, (void)c, (void)err;
    *prune = true;
    return 0;
}

START_TEST(ones_of_your_own)
{
    tl_sampler *s;
    tl_pruner *p;
    bool prune = true;
    struct tl_sampler_ops ops = {.size = sizeof ops, .name = "half", .independent = half, .release = count_release};
    struct tl_pruner_ops pops = {sizeof pops, "always", prune_always, NULL, count_release};
    ck_assert_int_eq(tl_sampler_new(&ops, NULL, &s, NULL), 0);
    ck_assert_str_eq(tl_sampler_name(s), "half");
    tl_sampler_free(s);
    ck_assert_int_eq(released, 1);
    ops.size = offsetof(struct tl_sampler_ops, relative); /* a table of an older header */
    ck_assert_int_eq(tl_sampler_new(&ops, NULL, &s, NULL), 0);
    ck_assert(!s->ops.release && !s->ops.claim);
    tl_sampler_free(s);
    ck_assert_int_eq(released, 1);
    ops.independent = NULL;
    ck_assert_int_eq(tl_sampler_new(&ops, NULL, &s, NULL), TL_EINVAL);
    ck_assert_int_eq(tl_sampler_new(NULL, NULL, &s, NULL), TL_EINVAL);
    ck_assert_int_eq(tl_pruner_new(&pops, NULL, &p, NULL), 0);
    ck_assert_str_eq(tl_pruner_name(p), "always");
    tl_pruner_free(p);
    ck_assert_int_eq(released, 2);
    pops.prune = NULL;
    ck_assert_int_eq(tl_pruner_new(&pops, NULL, &p, NULL), TL_EINVAL);
    ck_assert_int_eq(tl_pruner_create("NopPruner", NULL, 0, &p, NULL), 0);
    ck_assert_int_eq(p->ops.prune(p->self, NULL, &prune, NULL), 0);
    ck_assert(!prune);
    tl_pruner_free(p);
    ck_assert_int_eq(tl_pruner_create("median9", NULL, 0, &p, NULL), TL_EUNSUPPORTED);
    tl_pruner_free(NULL);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("sampler_random");
    tcase_add_loop_test(t, floats_are_uniform, 0, 5);
    tcase_add_loop_test(t, steps_are_equally_likely, 0, 3);
    tcase_add_test(t, choices_are_equally_likely);
    tcase_add_test(t, int_log_follows_the_logarithm);
    tcase_add_test(t, edges);
    tcase_add_test(t, a_draw_is_a_function_of_seed_trial_and_name);
    tcase_add_test(t, samplers_by_name);
    tcase_add_test(t, docs_are_complete);
    tcase_add_test(t, ones_of_your_own);
    return check_run("sampler_random", t);
}
