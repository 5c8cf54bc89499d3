/* SPDX-License-Identifier: MIT
 *
 * The standard normal distribution in logarithms, accurate far out in the tails. Phi is its distribution function. Relative
 * errors are below 1e-13 wherever the result is a normal number (test_normal.c has references of 50 digits).
 */
#ifndef TL_NORMAL_H
#define TL_NORMAL_H

/* ln Phi(x); -inf at -inf, NaN for NaN. */
double log_ndtr(double x);

/* ln (Phi(b) - Phi(a)) for a <= b; -inf when a == b. */
double log_gauss_mass(double a, double b);

/* The same of [centre - half, centre + half], half >= 0. A narrow cell keeps its digits here, which a difference of its edges
 * would have lost. */
double log_gauss_cell(double centre, double half);

/* x with ln Phi(x) = y, for y <= 0: +inf at 0, NaN above. */
double ndtri_exp(double y);

/* The standard normal truncated to [a, b], a < b: where a share q (0 to 1) of its mass lies to the left. Always in [a, b]. */
double truncnorm_quantile(double q, double a, double b);

#endif
