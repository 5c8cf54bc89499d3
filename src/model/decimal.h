/* SPDX-License-Identifier: MIT
 *
 * Arithmetic on the shortest decimal form of doubles, with 28 significant digits and rounding half to even:
 * what Python's Decimal(str(x)) does by default, and with it Optuna where a float distribution has a step.
 * Binary arithmetic would find that 0.1 does not divide 1.
 */
#ifndef TL_DECIMAL_H
#define TL_DECIMAL_H

#include "base/base.h"

/* The largest low + k * step that is not above `high` (k whole), for low <= high and step > 0. Returns 1
 * with it in `*out`, 0 when that is `high` itself, -1 where Python raises: infinite operands, more than
 * 10^28 steps. NaN gives NaN. */
int decimal_snap(double low, double high, double step, double *out);

/* (high - low) < step? false when an operand is NaN. */
bool decimal_narrower(double low, double high, double step);

/* Whole steps that fit between low and high; false when there are 2^63 or more or an operand is not finite. */
bool decimal_steps(double low, double high, double step, uint64_t *steps);

#endif
