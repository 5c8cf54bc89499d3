/* SPDX-License-Identifier: MIT
 *
 * Axes and their ticks (see axis.h). Tick labels are made from whole numbers and a power of ten, so 0.1 + 0.2 never shows.
 */
#include "cli/axis.h"

#include "base/num.h"

#include <math.h>
#include <stdio.h>

#define MARGIN 0.03 /* at either end, as a part of the range */

bool axis_shows(const struct axis *a, double v)
{
    return isfinite(v) && (a->kind != AXIS_LOG || v > 0);
}

void axis_cover(struct axis *a, double v)
{
    if (!axis_shows(a, v)) {
        return;
    }
    if (a->low > a->high) {
        a->low = a->high = v;
    } else {
        a->low = v < a->low ? v : a->low;
        a->high = v > a->high ? v : a->high;
    }
}

/* On a logarithmic axis everything is computed with exponents. */
static double scaled(const struct axis *a, double v)
{
    return a->kind == AXIS_LOG ? log10(v) : v;
}

void axis_finish(struct axis *a)
{
    if (a->kind == AXIS_NAMES) {
        a->low = -0.5;
        a->high = (double)(a->n_names ? a->n_names : 1) - 0.5;
        return;
    }
    if (a->low > a->high) {
        a->low = a->kind == AXIS_LOG ? 1 : 0;
        a->high = a->kind == AXIS_LOG ? 10 : 1;
    }
    if (a->fixed && a->low < a->high) {
        return;
    }
    if (a->kind == AXIS_LOG) {
        double low = log10(a->low), high = log10(a->high);
        double margin = high > low ? (high - low) * MARGIN : 0.3;
        a->low = fmax(pow(10, low - margin), 5e-324);
        a->high = fmin(pow(10, high + margin), 1.7e308);
        return;
    }
    /* halves, because the range itself may be more than a double holds */
    double half = a->high / 2 - a->low / 2;
    double margin = half > 0 ? half * 2 * MARGIN : a->low != 0 ? fabs(a->low) * 0.1 : 1;
    if (a->whole && half == 0) {
        margin = 1;
    }
    a->low = fmax(a->low - margin, -1.7e308);
    a->high = fmin(a->high + margin, 1.7e308);
}

double axis_place(const struct axis *a, double v)
{
    double low = scaled(a, a->low), high = scaled(a, a->high);
    return (scaled(a, v) / 2 - low / 2) / (high / 2 - low / 2);
}

double axis_value(const struct axis *a, double place)
{
    double low = scaled(a, a->low), high = scaled(a, a->high);
    double v = low * (1 - place) + high * place;
    return a->kind == AXIS_LOG ? pow(10, v) : v;
}

/* ---- numbers as text ---- */

void axis_decimal(int64_t mantissa, int exponent, char out[TICK_MAX])
{
    char digits[NUM_MAX];
    bool minus = mantissa < 0;
    if (mantissa == 0) {
        snprintf(out, TICK_MAX, "0");
        return;
    }
    while (mantissa % 10 == 0) {
        mantissa /= 10;
        exponent++;
    }
    int n = (int)num_format_int(minus ? -mantissa : mantissa, digits);
    int point = n + exponent; /* digits before the decimal point */
    const char *sign = minus ? "-" : "";
    if (exponent >= 0 && (point <= 6 || (n > 3 && point <= 9))) {
        snprintf(out, TICK_MAX, "%s%s%.*s", sign, digits, exponent, "000000");
    } else if (point > 0 && point <= 15 && exponent < 0) {
        snprintf(out, TICK_MAX, "%s%.*s.%s", sign, point, digits, digits + point);
    } else if (point > -4 && point <= 0) {
        snprintf(out, TICK_MAX, "%s0.%.*s%s", sign, -point, "0000", digits);
    } else {
        snprintf(out, TICK_MAX, "%s%.1s%s%se%s%02d", sign, digits, n > 1 ? "." : "", digits + 1,
                 point - 1 < 0 ? "-" : "+", point - 1 < 0 ? 1 - point : point - 1);
    }
}

void axis_number(double v, int digits, char out[TICK_MAX])
{
    if (!isfinite(v)) {
        snprintf(out, TICK_MAX, "%s", isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    if (v == 0) {
        axis_decimal(0, 0, out);
        return;
    }
    /* two steps, so that the power of ten stays inside the range of a double */
    int whole = (int)floor(log10(fabs(v))) + 1, exponent = whole - digits;
    if (exponent > 0 && whole <= 9) {
        exponent = 0; /* as whole numbers: counts and sizes are read digit by digit */
    }
    int half = exponent / 2;
    double m = v / pow(10, half) / pow(10, exponent - half);
    axis_decimal((int64_t)llround(m), exponent, out);
}

/* ---- ticks ---- */

/* 10^e, exact where a double can be: so that 3 * 10^-1 is what "0.3" reads as. */
static double decimal_value(int64_t m, int e)
{
    return e >= 0 ? (double)m * pow(10, e) : e > -300 ? (double)m / pow(10, -e) : (double)m * pow(10, e);
}

static size_t linear_ticks(const struct axis *a, size_t most, struct tick *out)
{
    static const int steps[] = {1, 2, 5, 10, 20, 50};
    double span = a->high - a->low, first = 0, last = -1;
    int e = isfinite(span) ? (int)floor(log10(span / (double)most)) : 0;
    int64_t step = 1;
    size_t n = 0;
    if (!isfinite(span)) {
        return 0;
    }
    e = a->whole && e < 0 ? 0 : e;
    for (size_t i = 0; i < TL_COUNT(steps); i++) { /* the smallest step that does not give too many */
        step = steps[i];
        first = ceil(a->low / decimal_value(step, e) - 1e-9);
        last = floor(a->high / decimal_value(step, e) + 1e-9);
        if (last - first < (double)most) {
            break;
        }
    }
    if (fabs(first) > 1e15 || fabs(last) > 1e15) {
        return 0;
    }
    for (int64_t k = (int64_t)first; k <= (int64_t)last && n < most; k++) {
        out[n].at = decimal_value(k * step, e);
        axis_decimal(k * step, e, out[n++].text);
    }
    return n;
}

static size_t log_ticks(const struct axis *a, size_t most, struct tick *out)
{
    static const int dense[] = {1, 2, 5}, sparse[] = {1};
    double from = log10(a->low), to = log10(a->high);
    int low = (int)ceil(from - 1e-9), high = (int)floor(to + 1e-9), every = 1;
    bool fine = 3 * (to - from) + 1 <= (double)most || high - low < 1;
    size_t n = 0;
    while (high >= low && (size_t)((high - low) / every) + 1 > most) {
        every++;
    }
    int begin = low + ((-low % every) + every) % every; /* a multiple of `every`, where two of them fit */
    begin = begin + every > high ? low : begin;
    for (int e = fine ? low - 1 : begin; e <= high; e += every) {
        for (size_t i = 0; i < (fine ? TL_COUNT(dense) : TL_COUNT(sparse)) && n < most; i++) {
            int m = fine ? dense[i] : sparse[i];
            double v = decimal_value(m, e);
            if (v < a->low * (1 - 1e-9) || v > a->high * (1 + 1e-9)) {
                continue;
            }
            out[n].at = v;
            axis_decimal(m, e, out[n++].text);
        }
    }
    return n >= 3 || (n == 2 && to - from >= 1) ? n : to - from < 2 ? linear_ticks(a, most, out) : 0;
}

size_t axis_ticks(const struct axis *a, size_t most, struct tick *out)
{
    if (most < 2) {
        return 0;
    }
    if (a->kind == AXIS_NAMES) {
        size_t every = (a->n_names + most - 1) / most, n = 0;
        for (size_t i = 0; i < a->n_names; i += every) {
            out[n].text[0] = 0;
            out[n++].at = (double)i;
        }
        return n;
    }
    size_t n = a->kind == AXIS_LOG ? log_ticks(a, most, out) : linear_ticks(a, most, out);
    if (n > 0) {
        return n;
    }
    /* a range too narrow or too wide for round numbers: its ends */
    out[0].at = a->low;
    out[1].at = a->high;
    axis_number(a->low, 15, out[0].text);
    axis_number(a->high, 15, out[1].text);
    return 2;
}

struct str axis_tick_text(const struct axis *a, const struct tick *t)
{
    if (a->kind != AXIS_NAMES) {
        return str_of(t->text);
    }
    size_t i = t->at >= 0 ? (size_t)t->at : a->n_names;
    return i < a->n_names ? str_of(a->names[i]) : STR("?");
}
