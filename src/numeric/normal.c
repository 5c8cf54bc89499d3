/* SPDX-License-Identifier: MIT
 *
 * The standard normal distribution in logarithms: erfc where it is a normal number, the asymptotic series of the Mills ratio
 * beyond (Abramowitz and Stegun 26.2.12), Gauss-Legendre quadrature for cells so narrow that a difference would cancel, and for
 * quantiles the rational functions of Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied
 * Statistics 37 (1988), PPND16, or Newton's method in the logarithm where probabilities underflow.
 *
 * Nothing fails; NaN in gives NaN out (clipped into [a, b] by the quantile, so that a draw is always inside).
 */
#include "numeric/normal.h"

#include "base/base.h"

#include <math.h>

#define SQRT_HALF   0.70710678118654752440
#define HALF_LN_2PI 0.91893853320467274178
#define LN_2        0.69314718055994530942
#define FAR         20.0 /* beyond, the asymptotic series has 2^-53 before its terms grow again */

static double phi_below(double x) /* Phi(x) */
{
    return 0.5 * erfc(-x * SQRT_HALF);
}

/* ln(1 - e^x) for x <= 0 */
static double log1m_exp(double x)
{
    return x < -LN_2 ? log1p(-exp(x)) : log(-expm1(x));
}

/* ln(e^p - e^q), p >= q */
static double log_diff(double p, double q)
{
    return q == -INFINITY ? p : p + log1m_exp(q - p);
}

static double log_add(double p, double q)
{
    double high = p > q ? p : q, low = p > q ? q : p;
    return high == -INFINITY ? high : high + log1p(exp(low - high));
}

/* ln(-x Phi(x) / phi(x)) for x <= -FAR */
static double log_tail(double x)
{
    double step = 1 / (x * x), term = 1, sum = 0;
    for (int k = 1; fabs(term) > 0x1p-54 && k < 40; k++) {
        term *= -(2 * k - 1) * step;
        sum += term;
    }
    return log1p(sum);
}

double log_ndtr(double x)
{
    if (x > -1) {
        return log1p(-phi_below(-x));
    }
    if (!(x <= -FAR)) {
        return log(phi_below(x));
    }
    return x == -INFINITY ? x : -0.5 * x * x - log(-x) - HALF_LN_2PI + log_tail(x);
}

/* The integral of exp(-centre t - t^2/2) over [-half, half], halved: Gauss-Legendre with 8 points, taken in pairs. Its error is
 * below 1e-16 while half * (|centre| + half) <= 0.5. */
static double narrow(double centre, double half)
{
    static const double point[4] = {0.18343464249564980494, 0.52553240991632898582, 0.79666647741362673959,
                                    0.96028985649753623168};
    static const double weight[4] = {0.36268378337836198297, 0.31370664587788728734, 0.22238103445337447054,
                                     0.10122853629037625915};
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double t = half * point[i];
        sum += 0.5 * weight[i] * (exp(centre * t - 0.5 * t * t) + exp(-centre * t - 0.5 * t * t));
    }
    return sum * half;
}

double log_gauss_cell(double centre, double half)
{
    if (half * (fabs(centre) + half) <= 0.5) {
        return log(2 * narrow(centre, half)) - 0.5 * centre * centre - HALF_LN_2PI;
    }
    return log_gauss_mass(centre - half, centre + half);
}

double log_gauss_mass(double a, double b)
{
    if (!(a < b)) {
        return a >= b ? -INFINITY : NAN;
    }
    double centre = 0.5 * a + 0.5 * b, half = 0.5 * b - 0.5 * a;
    if (half * (fabs(centre) + half) <= 0.5) {
        return log_gauss_cell(centre, half);
    }
    if (a > 0) {
        double t = a;
        a = -b;
        b = -t;
    }
    if (b <= 0) {
        return log_diff(log_ndtr(b), log_ndtr(a));
    }
    return log1p(-phi_below(a) - phi_below(-b));
}

double ndtri_exp(double y)
{
    if (!(y < 0)) {
        return y == 0 ? INFINITY : NAN;
    }
    if (y == -INFINITY) {
        return y;
    }
    if (y < -1000) { /* Newton's step would cancel; the series by itself converges like x^-2 */
        double x = -sqrt(-2 * y);
        for (int i = 0; i < 12; i++) {
            x = -sqrt(-2 * (y + HALF_LN_2PI + log(-x) - log_tail(x)));
        }
        return x;
    }
    bool upper = y > -0.01;
    double z = upper ? log(-expm1(y)) : y;
    double x = z < -5 ? -sqrt(-2 * (z + HALF_LN_2PI)) : -0.55132889542179204 * log(expm1(-z));
    for (int i = 0; i < 100; i++) {
        double at = log_ndtr(x), dx = (at - z) * exp(at + 0.5 * x * x + HALF_LN_2PI);
        x -= dx;
        if (!(fabs(dx) >= 1e-8 * fabs(x))) {
            break;
        }
    }
    return upper ? -x : x;
}

/* ---- quantiles ---- */

/* top and bottom: coefficients of eight powers, highest first */
static double ratio(const double *top, const double *bottom, double r)
{
    double a = top[0], b = bottom[0];
    for (int i = 1; i < 8; i++) {
        a = a * r + top[i];
        b = b * r + bottom[i];
    }
    return a / b;
}

/* The x <= 0 with Phi(x) = p, for 1e-300 < p <= 0.5. */
static double quantile_below(double p)
{
    static const double middle[2][8] = {
        {2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4, 4.5921953931549871457e+4,
         1.3731693765509461125e+4, 1.9715909503065514427e+3, 1.3314166789178437745e+2, 3.3871328727963666080e0},
        {5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4, 2.1213794301586595867e+4,
         5.3941960214247511077e+3, 6.8718700749205790830e+2, 4.2313330701600911252e+1, 1},
    };
    static const double near[2][8] = {
        {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
         1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0,
         1.42343711074968357734e0},
        {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
         1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
         2.05319162663775882187e0, 1},
    };
    static const double far[2][8] = {
        {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
         2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
         5.46378491116411436990e0, 6.65790464350110377720e0},
        {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
         7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
         5.99832206555887937690e-1, 1},
    };
    double q = p - 0.5;
    if (q >= -0.425) {
        return q * ratio(middle[0], middle[1], 0.180625 - q * q);
    }
    double r = sqrt(-log(p));
    return -(r <= 5 ? ratio(near[0], near[1], r - 1.6) : ratio(far[0], far[1], r - 5));
}

/* For a < 0, or b so far out that it does not matter. Probabilities where they are normal numbers, logarithms elsewhere. */
static double quantile(double q, double a, double b)
{
    double left = phi_below(a), right = phi_below(-b), mass = 1 - left - right;
    if (mass > 0.1) { /* then neither end is so near to 1 that digits were lost */
        double below = left + q * mass, above = right + (1 - q) * mass;
        if (below <= above && below > 1e-300) {
            return quantile_below(below);
        }
        if (above < below && above > 1e-300) {
            return -quantile_below(above);
        }
    }
    double log_mass = log_gauss_mass(a, b);
    if (a < 0) {
        return ndtri_exp(log_add(log_ndtr(a), log(q) + log_mass));
    }
    return -ndtri_exp(log_add(log_ndtr(-b), log1p(-q) + log_mass));
}

double truncnorm_quantile(double q, double a, double b)
{
    if (!(q > 0)) {
        return a;
    }
    if (!(q < 1)) {
        return b;
    }
    double x = quantile(q, a, b);
    return !(x > a) ? a : x < b ? x : b;
}
