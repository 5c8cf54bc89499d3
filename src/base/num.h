/* SPDX-License-Identifier: MIT
 *
 * Numbers and instants to text and back, independent of the locale and exact: num_parse rounds correctly, and
 * num_format gives the shortest text that reads back as the same double, in the form of Python's repr.
 */
#ifndef TL_NUM_H
#define TL_NUM_H

#include "base/base.h"
#include <trialog/types.h>

#define NUM_MAX 32 /* longest text of num_format with its NUL */
#define TIME_MAX 40

/* Reads the longest number of JSON's grammar, plus NaN, Infinity, -Infinity, at p. Returns the first byte behind it, or NULL
 * when there is none. Overflow gives an infinity, underflow zero; "-0" is a whole number and so 0.0, as in Python, while "-0.0" is
 * -0.0. `*integer`, if not NULL, says that there was neither fraction nor exponent (and that it is no NaN or infinity). */
const char *num_parse(const char *p, const char *end, double *out, bool *integer);
/* The same without the value. */
const char *num_skip(const char *p, const char *end, bool *integer);
/* Reads a whole number within 64 bits: -?(0|[1-9][0-9]*); NULL when it does not fit or is none. */
const char *num_parse_int(const char *p, const char *end, int64_t *out);
/* Shortest form, NUL-terminated: "1e-05", "1e+16", "0.1", "1.0", "-0.0", "NaN", "Infinity". Returns its length. */
size_t num_format(double v, char out[NUM_MAX]);
size_t num_format_int(int64_t v, char out[NUM_MAX]);

/* Reads what Python's datetime.fromisoformat reads of its own isoformat: YYYY-MM-DD[T or blank]HH:MM[:SS[.fff|.ffffff]]
 * [+HH:MM[:SS[.fff|.ffffff]]|Z], whole string. Without offset the result is naive. Returns false for anything else. */
bool time_parse(struct str text, struct tl_time *out);
/* "2026-01-31T09:30:00.000001+00:00", or without offset when naive; instants outside the years 1 to 9999 as the nearest one
 * inside. Returns the length. */
size_t time_format(struct tl_time t, char out[TIME_MAX]);

#endif
