/* SPDX-License-Identifier: MIT
 *
 * The random sampler: every parameter independently and uniformly.
 *
 * Bergstra and Bengio: "Random Search for Hyper-Parameter Optimization", JMLR 13 (2012). A value is a function of (seed, trial
 * number, parameter name) alone (numeric/rng.h), so it needs neither the study nor a lock, and can be computed once the
 * trial's number is certain. The distribution of values is Optuna's:
 *  - float: uniform on [low, high), logarithm uniform for log; `high` comes out only when low equals high;
 *  - float with step, int, categorical: every value equally likely;
 *  - int with log: uniform in the logarithm on [low - 1/2, high + 1/2], rounded.
 * Never fails for a valid distribution.
 */
#include "sampler/sampler.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* low + u * (high - low), also when the difference overflows. */
static double between(double low, double high, double u)
{
    double width = high - low;
    return isfinite(width) ? low + u * width : low * (1.0 - u) + high * u;
}

static double draw_float(const struct tl_dist *d, struct rng *r)
{
    if (d->low == d->high) {
        return d->low;
    }
    double u = rng_uniform(r);
    double x = d->log ? exp(between(log(d->low), log(d->high), u)) : between(d->low, d->high, u);
    return clip(x, d->low, nextafter(d->high, -INFINITY));
}

/* Whole numbers and steps: every value is equally likely. */
static double draw_step(const struct tl_dist *d, struct rng *r)
{
    double step = d->step > 0 ? d->step : 1;
    uint64_t n = tl_dist_cardinality(d);
    if (n == 0) { /* more than 2^63 values: rounding them one by one makes no difference */
        double x = between(d->low - step / 2, d->high + step / 2, rng_uniform(r));
        return clip(nearbyint((x - d->low) / step) * step + d->low, d->low, d->high);
    }
    return clip((double)rng_below(r, n) * step + d->low, d->low, d->high);
}

static double draw_int_log(const struct tl_dist *d, struct rng *r)
{
    double x = between(log(d->low - 0.5), log(d->high + 0.5), rng_uniform(r));
    return clip(nearbyint(exp(x)), d->low, d->high);
}

double random_draw(const struct tl_dist *d, struct rng *r)
{
    switch (d->kind) {
    case TL_DIST_CATEGORICAL: return (double)rng_below(r, d->n_choices);
    case TL_DIST_INT: return d->log ? draw_int_log(d, r) : draw_step(d, r);
    default: return d->step > 0 ? draw_step(d, r) : draw_float(d, r);
    }
}

/* ---- the sampler ---- */

struct random {
    uint64_t seed;
};

static int random_independent(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist,
                              double *internal, struct tl_err *err)
{
    const struct random *random = self;
    struct rng r;
    (void)err;
    rng_init(&r, random->seed, PURPOSE_RANDOM, (uint64_t)c->trial_number, str_of(name));
    *internal = random_draw(dist, &r);
    return TL_OK;
}

static const struct tl_sampler_ops random_ops = {
    .size = sizeof random_ops,
    .name = "random",
    .flags = TL_SAMPLER_STATELESS,
    .independent = random_independent,
    .release = mem_free,
};

TL_API int tl_sampler_random(uint64_t seed, tl_sampler **out, struct tl_err *err)
{
    struct random *random = mem_alloc(sizeof *random);
    if (!random) {
        return err_nomem(err);
    }
    random->seed = seed;
    int rc = tl_sampler_new(&random_ops, random, out, err);
    if (rc != TL_OK) {
        mem_free(random);
    }
    return rc;
}

int random_from_options(const struct tl_option *options, size_t n, tl_sampler **out, struct tl_err *err)
{
    uint64_t seed = tl_random_seed();
    int rc = option_u64(options, n, "seed", UINT64_MAX, &seed, err);
    return rc == TL_OK ? tl_sampler_random(seed, out, err) : rc;
}
