/* SPDX-License-Identifier: MIT
 *
 * Axes: from values to places between 0 and 1, linear, logarithmic or by name; and the ticks that read well. Pure.
 */
#ifndef TL_AXIS_H
#define TL_AXIS_H

#include "base/base.h"

enum axis_kind {
    AXIS_LINEAR,
    AXIS_LOG,  /* of positive values */
    AXIS_NAMES /* value i stands for names[i] */
};

struct axis {
    enum axis_kind kind;
    bool whole; /* ticks at whole numbers only */
    bool fixed; /* the range is exact: no margins */
    const char *title; /* may be NULL; borrowed, as the names are */
    double low, high;  /* what is to be seen; low > high: nothing yet */
    const char *const *names;
    size_t n_names;
};
#define AXIS_INIT {AXIS_LINEAR, false, false, NULL, 1, 0, NULL, 0}

/* Can the axis show the value at all? Not NaN, infinities, and what is not positive on a logarithmic one. */
bool axis_shows(const struct axis *a, double v);
/* Widens the range to hold the value. */
void axis_cover(struct axis *a, double v);
/* After the last value: makes an empty range a real one and adds a small margin. */
void axis_finish(struct axis *a);

/* 0 at the low end, 1 at the high one; outside of that for values outside. The axis must be finished. */
double axis_place(const struct axis *a, double v);
/* The other way round. */
double axis_value(const struct axis *a, double place);

#define TICK_MAX 64
struct tick {
    double at; /* the value */
    char text[TICK_MAX]; /* empty for AXIS_NAMES: the name of `at` is meant */
};
/* At most `most` ticks (at least 2 are tried), ascending, into out[0..most); returns their number. */
size_t axis_ticks(const struct axis *a, size_t most, struct tick *out);
/* A tick's text: its own, or the axis' name. */
struct str axis_tick_text(const struct axis *a, const struct tick *t);

/* mantissa * 10^exponent as text: "1200", "0.05", "3e-07". */
void axis_decimal(int64_t mantissa, int exponent, char out[TICK_MAX]);
/* A number for people: `digits` (1 to 15) significant ones, below 1e9 all before the point; "1.234", "2345678", "1e+16", "nan". */
void axis_number(double v, int digits, char out[TICK_MAX]);

#endif
