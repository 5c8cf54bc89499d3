/* SPDX-License-Identifier: MIT
 *
 * The patient pruner: when the last `patience` + 1 steps of a trial are all worse than the best before them, another pruner decides, or the
 * trial stops when there is none.
 *
 * Happy path: steps came in ascending order, so the values before are the first reports, whose best is known, and only the last ones
 * are looked at: O(patience). Otherwise the reports are sorted by step first.
 */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "pruner/pruner.h"
#include "sampler/sampler.h"

#define PREFIX      "wrapped_pruner."
#define OPTION_MAX 200 /* bytes of an option's name: bounds how deep pruners can be nested */

struct patient {
    tl_pruner *wrapped; /* NULL: none */
    int64_t patience;
    double min_delta;
};

static double best_of(const struct tl_report *reports, size_t n, bool maximize)
{
    double best = NAN;
    for (size_t i = 0; i < n; i++) {
        double v = reports[i].value;
        if (isnan(best) || (maximize ? v > best : v < best)) {
            best = v;
        }
    }
    return best;
}

static int by_step(const void *a, const void *b)
{
    int64_t x = ((const struct tl_report *)a)->step, y = ((const struct tl_report *)b)->step;
    return (x > y) - (x < y);
}

/* The best of all but the last `n_after` steps, and of those. */
static int split(const struct tl_prune_context *c, size_t n_after, bool maximize, double *before, double *after,
                 struct tl_err *err)
{
    size_t n_before = c->n_reports - n_after;
    if (c->ascending) {
        const struct tl_report_range *r = &c->ranges[n_before - 1];
        *before = maximize ? r->high : r->low;
        *after = best_of(c->reports + n_before, n_after, maximize);
        return TL_OK;
    }
    struct tl_report *sorted = mem_alloc(c->n_reports * sizeof *sorted);
    if (!sorted) {
        return err_nomem(err);
    }
    memcpy(sorted, c->reports, c->n_reports * sizeof *sorted);
    qsort(sorted, c->n_reports, sizeof *sorted, by_step);
    *before = best_of(sorted, n_before, maximize);
    *after = best_of(sorted + n_before, n_after, maximize);
    mem_free(sorted);
    return TL_OK;
}

static int patient_prune(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    const struct patient *p = self;
    bool maximize = prune_maximizes(c);
    double before = NAN, after = NAN;
    *prune = false;
    if (c->n_reports - 1 <= (uint64_t)p->patience) {
        return TL_OK;
    }
    int rc = split(c, (size_t)p->patience + 1, maximize, &before, &after, err);
    bool stuck = rc == TL_OK && (maximize ? before - p->min_delta > after : before + p->min_delta < after); /* not for NaN */
    if (!stuck) {
        return rc;
    }
    *prune = true;
    return p->wrapped ? p->wrapped->ops.prune(p->wrapped->self, c, prune, err) : TL_OK;
}

static void patient_forget(void *self, uint64_t handle)
{
    const struct patient *p = self;
    if (p->wrapped && p->wrapped->ops.forget) {
        p->wrapped->ops.forget(p->wrapped->self, handle);
    }
}

static void patient_release(void *self)
{
    struct patient *p = self;
    tl_pruner_free(p->wrapped);
    mem_free(p);
}

/* Options "wrapped_pruner.NAME" are options NAME of the wrapped pruner. */
static int make_wrapped(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    const char *name = option_value(options, n, "wrapped_pruner");
    struct tl_option *inner = mem_zalloc(n + 1, sizeof *inner);
    size_t n_inner = 0;
    int rc = inner ? TL_OK : err_nomem(err);
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        if (strncmp(options[i].name, PREFIX, sizeof PREFIX - 1) != 0) {
            continue;
        }
        inner[n_inner++] = (struct tl_option){options[i].name + sizeof PREFIX - 1, options[i].value};
        if (strlen(options[i].name) > OPTION_MAX) {
            rc = err_set(err, TL_EINVAL, "the name of an option of pruner 'patient' is too long");
        }
    }
    if (rc == TL_OK && !name && n_inner) {
        rc = err_set(err, TL_EINVAL, "pruner 'patient' has the option '" PREFIX "%s' but no wrapped_pruner", inner[0].name);
    }
    if (rc == TL_OK && name) {
        rc = tl_pruner_create(name, inner, n_inner, out, err);
        rc = rc == TL_OK ? rc : err_wrap(err, rc, "wrapped_pruner");
    }
    mem_free(inner);
    return rc;
}

int patient_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    static const struct tl_pruner_ops ops = {sizeof ops, "patient", patient_prune, patient_forget, patient_release};
    struct patient p = {.patience = -1};
    int rc = option_int(options, n, "patience", 0, INT64_MAX, &p.patience, err);
    if (rc == TL_OK && p.patience < 0) {
        rc = err_set(err, TL_EINVAL, "pruner 'patient' needs the option patience: how many steps may be worse than the best before them");
    }
    if (rc == TL_OK) {
        rc = option_double(options, n, "min_delta", 0, INFINITY, &p.min_delta, err);
    }
    if (rc == TL_OK) {
        rc = make_wrapped(options, n, &p.wrapped, err);
    }
    struct patient *self = rc == TL_OK ? mem_alloc(sizeof *self) : NULL;
    if (!self) {
        tl_pruner_free(p.wrapped);
        return rc == TL_OK ? err_nomem(err) : rc;
    }
    *self = p;
    return pruner_make(&ops, self, out, err);
}
