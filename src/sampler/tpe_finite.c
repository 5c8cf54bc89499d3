/* SPDX-License-Identifier: MIT
 *
 * Finite spaces: points that were tried, or are being tried, are not tried again while there are others.
 *
 * A space remembers the hashes of its finished points; running ones are looked through. Which of the new points is proposed:
 *   - the best new one among candidates drawn as always, in a few rounds;
 *   - once more than half of a small space was tried, or no candidate was new: the best of all that are left, or of a random part
 *     of them when they are many (found by walking over the space, so the space must be small);
 *   - in a large space where no candidate was new: a new point at random.
 * When nothing is left, points are proposed again.
 */
#include "sampler/tpe.h"

#include <math.h>

#define SMALL_MAX     (UINT64_C(1) << 14) /* points that are walked over for the best of them */
#define ENUMERATE_MAX (UINT64_C(1) << 20) /* points that are walked over for one that is left */
#define ROUNDS        8                   /* of candidates before something else is tried */
#define RANDOM_TRIES  256

/* ---- points ---- */

static uint64_t value_index(const struct tl_dist *d, double x)
{
    double step = d->step > 0 ? d->step : 1;
    return d->kind == TL_DIST_CATEGORICAL ? (uint64_t)x : (uint64_t)(int64_t)nearbyint((x - d->low) / step);
}

static double value_at(const struct tl_dist *d, uint64_t index)
{
    double step = d->step > 0 ? d->step : 1;
    if (d->kind == TL_DIST_CATEGORICAL) {
        return (double)index;
    }
    double x = d->low + (double)index * step;
    return x < d->high ? x : d->high;
}

uint64_t tpe_point_hash(const struct tpe_space *s, const double *x)
{
    uint64_t h = s->n;
    for (size_t i = 0; i < s->n; i++) {
        h = (h ^ value_index(&s->dims[i].dist, x[i])) * UINT64_C(0x9e3779b97f4a7c15);
        h = (h ^ (h >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
        h ^= h >> 32;
    }
    return h == UINT64_MAX ? 0 : h;
}

uint64_t tpe_cardinality(const struct tl_dist *const *dists, size_t n)
{
    uint64_t all = 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t k = tl_dist_cardinality(dists[i]);
        if (k == 0) {
            return 0;
        }
        all = all > UINT64_MAX / k ? UINT64_MAX : all * k;
    }
    return all;
}

static bool seen(const struct tpe_space *s, const double *x, int64_t number)
{
    uint64_t hash = tpe_point_hash(s, x), ignored;
    if (map64_get(&s->seen, hash, &ignored)) {
        return true;
    }
    for (size_t i = 0; i < s->n_kernels; i++) {
        if (s->kernels[i].whole && s->kernels[i].hash == hash && s->kernels[i].number != number) {
            return true;
        }
    }
    return false;
}

/* ---- choosing ---- */

/* The next point in the order of a mixed-radix number whose first digit counts fastest; false: it was the last. */
static bool next_point(const struct tpe_space *s, uint64_t *digits)
{
    for (size_t i = 0; i < s->n; i++) {
        if (++digits[i] < s->dims[i].n_values) {
            return true;
        }
        digits[i] = 0;
    }
    return false;
}

/* Up to `most` of the points that are left, into rows of x: all, or a random part where each is as likely. */
static size_t collect_left(const struct tpe_space *s, int64_t number, struct rng *r, size_t most,
                           struct drawing *d)
{
    size_t n = 0, left = 0;
    if (s->seen.n >= s->cardinality) {
        return 0;
    }
    uint64_t *digits = (uint64_t *)(void *)d->u; /* n of them */
    for (size_t i = 0; i < s->n; i++) {
        digits[i] = 0;
    }
    do {
        double *x = d->x + n * s->n; /* one row more than BATCH is there */
        for (size_t i = 0; i < s->n; i++) {
            x[i] = value_at(&s->dims[i].dist, digits[i]);
        }
        if (seen(s, x, number)) {
            continue;
        }
        left++;
        if (n < most) {
            n++;
        } else {
            uint64_t place = rng_below(r, left); /* reservoir sampling */
            if (place < most) {
                memcpy(d->x + place * s->n, x, s->n * sizeof *x);
            }
        }
    } while (next_point(s, digits));
    return n;
}

static bool random_new(const struct tpe_space *s, int64_t number, struct rng *r, double *x)
{
    for (unsigned i = 0; i < RANDOM_TRIES; i++) {
        for (size_t k = 0; k < s->n; k++) {
            x[k] = random_draw(&s->dims[k].dist, r);
        }
        if (!seen(s, x, number)) {
            return true;
        }
    }
    return false;
}

/* The best of `n` points in d->x that are new; false: none. */
static bool best_new(const struct tpe_space *s, int64_t number, size_t n, struct drawing *d)
{
    double highest = -INFINITY;
    bool any = false;
    tpe_score(s, n, d);
    for (size_t i = 0; i < n; i++) {
        const double *x = d->x + i * s->n;
        if ((!any || d->score[i] > highest) && !seen(s, x, number)) {
            any = true;
            highest = d->score[i];
            memcpy(d->best, x, s->n * sizeof *x);
        }
    }
    return any;
}

static bool few_left(const struct tpe_space *s)
{
    return s->cardinality <= SMALL_MAX && (s->seen.n + s->n_kernels) * 2 > s->cardinality;
}

bool tpe_choose_new(const struct tpe_space *s, int64_t number, size_t candidates, struct rng *r,
                    struct drawing *d)
{
    size_t per_round = candidates < BATCH ? candidates : BATCH, rounds = candidates / per_round + ROUNDS;
    bool found = false;
    for (size_t round = 0; !found && !few_left(s) && round < rounds; round++) {
        tpe_draw(s, per_round, r, d);
        found = best_new(s, number, per_round, d);
    }
    if (!found && s->cardinality > SMALL_MAX) {
        found = random_new(s, number, r, d->best);
    }
    if (!found && s->cardinality <= ENUMERATE_MAX) {
        size_t n = collect_left(s, number, r, BATCH, d);
        found = n > 0 && best_new(s, number, n, d);
    }
    return found;
}

bool tpe_is_new(const struct tpe_space *s, int64_t number, const double *x)
{
    return !seen(s, x, number);
}

bool tpe_random_new(const struct tpe_space *s, int64_t number, struct rng *r, struct drawing *d)
{
    if (!seen(s, d->best, number)) {
        return true;
    }
    if (random_new(s, number, r, d->best)) {
        return true;
    }
    if (s->cardinality > ENUMERATE_MAX || collect_left(s, number, r, 1, d) == 0) {
        return false;
    }
    memcpy(d->best, d->x, s->n * sizeof *d->best);
    return true;
}
