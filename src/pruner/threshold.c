/* SPDX-License-Identifier: MIT
 *
 * The threshold pruner: stops a trial whose latest value lies outside fixed bounds or is NaN. Looks at nothing but the trial itself.
 */
#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "pruner/pruner.h"

struct threshold {
    double lower, upper;
    struct step_gate gate;
};

static int threshold_prune(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    const struct threshold *t = self;
    double v = c->reports[c->last].value;
    (void)err;
    *prune = step_gate_open(&t->gate, c) && !(v >= t->lower && v <= t->upper);
    return TL_OK;
}

int threshold_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    static const struct tl_pruner_ops ops = {sizeof ops, "threshold", threshold_prune, NULL, mem_free};
    struct threshold t = {.lower = NAN, .upper = NAN};
    int rc = option_double(options, n, "lower", -INFINITY, INFINITY, &t.lower, err);
    if (rc == TL_OK) {
        rc = option_double(options, n, "upper", -INFINITY, INFINITY, &t.upper, err);
    }
    if (rc == TL_OK && isnan(t.lower) && isnan(t.upper)) {
        rc = err_set(err, TL_EINVAL, "pruner 'threshold' needs the option lower, or upper, or both");
    }
    if (rc == TL_OK && t.lower > t.upper) {
        rc = err_set(err, TL_EINVAL, "option 'lower' is above option 'upper'");
    }
    if (rc == TL_OK) {
        rc = step_gate_options(&t.gate, options, n, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    t.lower = isnan(t.lower) ? -INFINITY : t.lower;
    t.upper = isnan(t.upper) ? INFINITY : t.upper;
    struct threshold *self = mem_alloc(sizeof *self);
    if (!self) {
        return err_nomem(err);
    }
    *self = t;
    return pruner_make(&ops, self, out, err);
}
