/* SPDX-License-Identifier: MIT
 *
 * What a distribution means: its rules, the values inside it, internal and external form, and when two of
 * them count as equal or compatible. The rules are Optuna's (distributions.py), with a limit of 2^53 for
 * whole numbers that users pass, because a journal keeps every value as a double.
 */
#include "model/dist.h"

#include "base/err.h"
#include "base/num.h"
#include "model/decimal.h"

#include <math.h>

#define INT_LIMIT 9007199254740992.0 /* 2^53 */

/* Python's a % b for b > 0. */
static double modulo(double a, double b)
{
    double r = fmod(a, b);
    return r < 0 ? r + b : r;
}

/* (high - low) modulo step for whole numbers, exact within 64 bits; beyond them as good as doubles are.
 * `*steps`: how many whole steps fit, UINT64_MAX when that is no 64-bit number. */
static double int_rest(double low, double high, double step, uint64_t *steps)
{
    double n = floor((high - low) / step);
    if (low >= -0x1p62 && high <= 0x1p62 && step <= 0x1p62) {
        uint64_t range = (uint64_t)((int64_t)high - (int64_t)low);
        *steps = range / (uint64_t)step;
        return (double)(range % (uint64_t)step);
    }
    *steps = n >= 0 && n < 0x1p63 ? (uint64_t)n : UINT64_MAX;
    return modulo(high - low, step);
}

static int bad_range(struct tl_err *err, const char *what, double low, double high)
{
    char l[NUM_MAX], h[NUM_MAX];
    num_format(low, l);
    num_format(high, h);
    return err_set(err, TL_EINVAL, "%s (low %s, high %s)", what, l, h);
}

static int settle_float(struct tl_dist *d, bool *adjusted, struct tl_err *err)
{
    if (d->log && d->step != 0) {
        return err_set(err, TL_EINVAL, "a float distribution cannot have both log and step");
    }
    if (d->low > d->high) {
        return bad_range(err, "low is above high", d->low, d->high);
    }
    if (d->log && d->low <= 0) {
        return bad_range(err, "log needs low above 0", d->low, d->high);
    }
    if (d->step < 0) {
        return err_set(err, TL_EINVAL, "step is not above 0");
    }
    if (d->step == 0) {
        return TL_OK;
    }
    double high = d->high;
    int moved = decimal_snap(d->low, d->high, d->step, &high);
    if (moved < 0) {
        return bad_range(err, "too many steps between low and high", d->low, d->high);
    }
    *adjusted = moved > 0;
    d->high = high;
    return TL_OK;
}

static int settle_int(struct tl_dist *d, bool *adjusted, struct tl_err *err)
{
    if (d->log && d->step != 1) {
        return err_set(err, TL_EINVAL, "an int distribution with log needs step 1");
    }
    if (d->low > d->high) {
        return bad_range(err, "low is above high", d->low, d->high);
    }
    if (d->log && d->low < 1) {
        return bad_range(err, "log needs low of at least 1", d->low, d->high);
    }
    if (!(d->step >= 1)) {
        return err_set(err, TL_EINVAL, "step is not above 0");
    }
    uint64_t steps;
    double rest = int_rest(d->low, d->high, d->step, &steps);
    if (rest == 0) {
        return TL_OK;
    }
    *adjusted = true;
    d->high -= rest;
    return TL_OK;
}

int dist_settle(struct tl_dist *d, bool *adjusted, struct tl_err *err)
{
    bool ignored;
    if (!adjusted) {
        adjusted = &ignored;
    }
    *adjusted = false;
    switch (d->kind) {
    case TL_DIST_FLOAT: return settle_float(d, adjusted, err);
    case TL_DIST_INT: return settle_int(d, adjusted, err);
    case TL_DIST_CATEGORICAL: break;
    }
    if (d->n_choices == 0) {
        return err_set(err, TL_EINVAL, "a categorical distribution needs at least one choice");
    }
    return TL_OK;
}

static bool whole_within_limit(double v)
{
    return v >= -INT_LIMIT && v <= INT_LIMIT && v == floor(v);
}

TL_API int tl_dist_normalise(struct tl_dist *dist, bool *adjusted, struct tl_err *err)
{
    if (!dist) {
        return err_set(err, TL_EINVAL, "no distribution given");
    }
    struct tl_dist d = *dist;
    switch (d.kind) {
    case TL_DIST_FLOAT:
        if (!isfinite(d.low) || !isfinite(d.high) || !isfinite(d.step)) {
            return err_set(err, TL_EINVAL, "low, high and step must be finite");
        }
        break;
    case TL_DIST_INT:
        if (d.step == 0) {
            d.step = 1;
        }
        if (!whole_within_limit(d.low) || !whole_within_limit(d.high) || !whole_within_limit(d.step)) {
            return err_set(err, TL_EINVAL, "low, high and step must be whole numbers within 2^53");
        }
        break;
    case TL_DIST_CATEGORICAL:
        if (!d.choices) {
            d.n_choices = 0;
        }
        for (size_t i = 0; i < d.n_choices; i++) {
            if (d.choices[i].kind == TL_VALUE_JSON &&
                !dist_json_valid((struct str){d.choices[i].as.text.s, d.choices[i].as.text.len})) {
                return err_set(err, TL_EINVAL, "choice %zu is no JSON", i);
            }
        }
        break;
    default: return err_set(err, TL_EINVAL, "no such kind of distribution: %d", (int)d.kind);
    }
    bool moved = false;
    int rc = dist_settle(&d, &moved, err);
    if (rc != TL_OK) {
        return rc;
    }
    *dist = d;
    if (adjusted) {
        *adjusted = moved;
    }
    return TL_OK;
}

/* ---- values ---- */

TL_API bool tl_dist_contains(const struct tl_dist *dist, double internal)
{
    switch (dist->kind) {
    case TL_DIST_FLOAT: {
        if (!(dist->low <= internal && internal <= dist->high)) {
            return false;
        }
        if (dist->step == 0) {
            return true;
        }
        double k = (internal - dist->low) / dist->step;
        return fabs(k - nearbyint(k)) < 1.0e-8;
    }
    case TL_DIST_INT:
        return dist->low <= internal && internal <= dist->high && modulo(internal - dist->low, dist->step) == 0;
    case TL_DIST_CATEGORICAL: return trunc(internal) >= 0 && trunc(internal) < (double)dist->n_choices;
    }
    return false;
}

TL_API bool tl_dist_single(const struct tl_dist *dist)
{
    switch (dist->kind) {
    case TL_DIST_FLOAT:
        if (dist->low == dist->high) {
            return true;
        }
        return dist->step != 0 && decimal_narrower(dist->low, dist->high, dist->step);
    case TL_DIST_INT: return dist->low == dist->high || (!dist->log && dist->high - dist->low < dist->step);
    case TL_DIST_CATEGORICAL: return dist->n_choices == 1;
    }
    return false;
}

TL_API uint64_t tl_dist_cardinality(const struct tl_dist *dist)
{
    uint64_t steps;
    switch (dist->kind) {
    case TL_DIST_FLOAT:
        if (dist->low == dist->high) {
            return 1;
        }
        return dist->step != 0 && decimal_steps(dist->low, dist->high, dist->step, &steps) ? steps + 1 : 0;
    case TL_DIST_INT: (void)int_rest(dist->low, dist->high, dist->step, &steps); return steps + 1;
    case TL_DIST_CATEGORICAL: return dist->n_choices;
    }
    return 0;
}

TL_API int tl_dist_external(const struct tl_dist *dist, double internal, struct tl_value *out,
                            struct tl_err *err)
{
    if (dist->kind == TL_DIST_FLOAT) {
        *out = (struct tl_value){.kind = TL_VALUE_FLOAT, .as.f = internal};
        return TL_OK;
    }
    if (!isfinite(internal)) {
        return err_set(err, TL_EINVAL, "the value is not finite");
    }
    double whole = trunc(internal) + 0.0; /* no negative zero */
    if (dist->kind == TL_DIST_INT) {
        if (whole >= -0x1p63 && whole < 0x1p63) {
            *out = (struct tl_value){.kind = TL_VALUE_INT, .as.i = (int64_t)whole};
        } else {
            *out = (struct tl_value){.kind = TL_VALUE_FLOAT, .as.f = whole};
        }
        return TL_OK;
    }
    double n = (double)dist->n_choices;
    if (whole < 0) { /* as in Python: -1 is the last one */
        whole += n;
    }
    if (!(whole >= 0 && whole < n)) {
        return err_set(err, TL_EINVAL, "there is no such choice");
    }
    *out = dist->choices[(size_t)whole];
    return TL_OK;
}

/* Text that holds a number, blanks around it allowed. */
static bool number_in_text(const char *s, size_t n, double *out)
{
    const char *p = s, *end = s + n;
    while (p < end && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) {
        p++;
    }
    while (end > p && (end[-1] == ' ' || (end[-1] >= '\t' && end[-1] <= '\r'))) {
        end--;
    }
    return p < end && num_parse(p, end, out, NULL) == end;
}

static int number_internal(const struct tl_dist *dist, const struct tl_value *value, double *out,
                           struct tl_err *err)
{
    double v = NAN;
    bool number = true;
    switch (value->kind) {
    case TL_VALUE_BOOL: v = value->as.b ? 1 : 0; break;
    case TL_VALUE_INT: v = (double)value->as.i; break;
    case TL_VALUE_FLOAT: v = value->as.f; break;
    case TL_VALUE_STRING:
    case TL_VALUE_JSON: number = number_in_text(value->as.text.s, value->as.text.len, &v); break;
    case TL_VALUE_NULL: number = false; break;
    }
    if (!number) {
        return err_set(err, TL_EINVAL, "the value is not a number");
    }
    if (isnan(v)) {
        return err_set(err, TL_EINVAL, "the value is NaN");
    }
    if (dist->log && v <= 0) {
        return err_set(err, TL_EINVAL, "the value is not above 0 but the distribution has log");
    }
    *out = v;
    return TL_OK;
}

TL_API int tl_dist_internal(const struct tl_dist *dist, const struct tl_value *value, double *out,
                            struct tl_err *err)
{
    if (dist->kind != TL_DIST_CATEGORICAL) {
        return number_internal(dist, value, out, err);
    }
    for (size_t i = 0; i < dist->n_choices; i++) {
        int equal = dist_value_equal(&dist->choices[i], value);
        if (equal < 0) {
            return err_nomem(err);
        }
        if (equal) {
            *out = (double)i;
            return TL_OK;
        }
    }
    return err_set(err, TL_EINVAL, "the value is none of the choices");
}

/* ---- two distributions ---- */

bool dist_equal(const struct dist *a, const struct dist *b)
{
    return a->equal_id == b->equal_id;
}

bool dist_compatible(const struct dist *a, const struct dist *b)
{
    if (a->class_ != b->class_) {
        return false;
    }
    return a->d.kind == TL_DIST_CATEGORICAL ? a->equal_id == b->equal_id : a->d.log == b->d.log;
}
