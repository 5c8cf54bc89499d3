/* SPDX-License-Identifier: MIT
 *
 * TPE with functions of the caller's: how many trials are good, and how much each kernel weighs.
 *
 * The functions may be slow, may take locks of their own (a Python interpreter's) and may fail; so they are only called while a proposal
 * works on a model of its own, which no other thread waits for (tpe.c, model_alone). Kernels are weighed in the order of their trials'
 * numbers, the oldest first.
 *
 * Failure modes: TL_ECANCELLED when a function fails, TL_EINVAL for weights that are none.
 */
#include "base/err.h"
#include "sampler/tpe.h"

#include <math.h>
#include <stdlib.h>

int tpe_good_count(const struct tpe_rules *r, bool several, size_t n, size_t *good, struct tl_err *err)
{
    if (!r->functions.gamma) {
        *good = gamma_of(several ? &r->gamma_mo : &r->gamma, n);
        return TL_OK;
    }
    if (r->functions.gamma(r->functions.ctx, n, good) != 0) {
        return err_set(err, TL_ECANCELLED, "the function gamma failed for %zu trials", n);
    }
    *good = *good < n ? *good : n;
    return TL_OK;
}

bool tpe_note_given(struct tpe_space *s, const struct model *m, bool good, int64_t number)
{
    struct given_keys *k = &s->given[good];
    if (!m->rules->functions.weights) {
        return true;
    }
    if (!mem_grow((void **)&k->items, &k->cap, k->n + 1, sizeof *k->items)) {
        return false;
    }
    k->items[k->n++] = number;
    return true;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int weigh_side(struct parzen *p, struct given_keys *keys, const struct tpe_rules *r, struct tl_err *err)
{
    double *w = mem_zalloc(keys->n + 1, sizeof *w), sum = 0;
    int rc = w ? TL_OK : err_nomem(err);
    if (rc == TL_OK && keys->n > 0 && r->functions.weights(r->functions.ctx, keys->n, w) != 0) {
        rc = err_set(err, TL_ECANCELLED, "the function weights failed for %zu trials", keys->n);
    }
    for (size_t i = 0; rc == TL_OK && i < keys->n; i++) {
        sum += w[i];
        if (!(w[i] >= 0) || isinf(w[i])) {
            rc = err_set(err, TL_EINVAL, "weight %zu of %zu is negative or not finite", i, keys->n);
        }
    }
    if (rc == TL_OK && keys->n > 0 && !(sum > 0 && isfinite(sum))) {
        rc = err_set(err, TL_EINVAL, "the weights of %zu trials are all 0, or too large", keys->n);
    }
    if (rc == TL_OK) {
        if (keys->n > 1) {
            qsort(keys->items, keys->n, sizeof *keys->items, by_number);
        }
        for (size_t i = 0; i < keys->n; i++) {
            parzen_weigh(p, keys->items[i], w[i]);
        }
        parzen_prior_weight(p, r->prior_weight);
    }
    mem_free(w);
    return rc;
}

int tpe_weigh_given(struct tpe_space *s, const struct model *m, struct tl_err *err)
{
    int rc = m->history.n_objectives > 1 ? TL_OK : weigh_side(s->good, &s->given[1], m->rules, err);
    return rc == TL_OK ? weigh_side(s->rest, &s->given[0], m->rules, err) : rc;
}
