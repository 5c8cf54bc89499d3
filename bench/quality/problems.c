/* SPDX-License-Identifier: MIT
 *
 * The listed problems: fourteen with one objective, five with two.
 *
 * Formulas are the textbook ones (Surjanovic and Bingham's collection; Zitzler, Deb, Thiele 2000 for ZDT; Deb et al. 2005 for
 * DTLZ; Ru et al. 2020 for func2C); most optima are moved off the centre by offset(). What can go wrong is a slip in a formula:
 * each problem has a probe, a value computed independently at one point, which test_problems.c compares.
 */
#include "problems.h"

#include "numeric/rng.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PI       3.14159265358979323846
#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

/* ---- asking ---- */

static double ask_float(const struct quality_asker *a, const char *name, double low, double high, double step,
                        int log)
{
    struct quality_dist d = {QUALITY_FLOAT, log, low, high, step, NULL, 0};
    return a->ask(a->ctx, name, &d);
}

static double ask_int(const struct quality_asker *a, const char *name, double low, double high, int log)
{
    struct quality_dist d = {QUALITY_INT, log, low, high, 1, NULL, 0};
    return a->ask(a->ctx, name, &d);
}

static int ask_choice(const struct quality_asker *a, const char *name, const char *const *choices, int n)
{
    struct quality_dist d = {QUALITY_CHOICE, 0, 0, 0, 0, choices, n};
    return (int)a->ask(a->ctx, name, &d);
}

/* x0 ... x(n-1) from one interval */
static void ask_vector(const struct quality_asker *a, double *x, int n, double low, double high)
{
    char name[16];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "x%d", i);
        x[i] = ask_float(a, name, low, high, 0, 0);
    }
}

static double frac(double x)
{
    return x - floor(x);
}

static double square(double x)
{
    return x * x;
}

/* The i-th coordinate (from 1) of the place to which an optimum is moved: within +-a, without a pattern. */
static double offset(int i, double a)
{
    return a * (2 * frac(0.6180339887498949 * i) - 1);
}

/* ---- one objective, floats ---- */

static void sphere10(const struct quality_asker *a, struct quality_result *r)
{
    double x[10], sum = 0;
    ask_vector(a, x, 10, -5, 5);
    for (int i = 0; i < 10; i++) {
        sum += square(x[i] - offset(i + 1, 4));
    }
    r->value[0] = sum;
}

/* An ellipsoid whose axes are turned by the reflection at v = (1, ..., 8). */
static void rot_ellipsoid8(const struct quality_asker *a, struct quality_result *r)
{
    double x[8], vx = 0, vv = 0, sum = 0;
    ask_vector(a, x, 8, -5, 5);
    for (int i = 0; i < 8; i++) {
        x[i] -= offset(i + 1, 4);
        vx += (i + 1) * x[i];
        vv += square(i + 1);
    }
    for (int i = 0; i < 8; i++) {
        sum += pow(10, 6 * i / 7.0) * square(x[i] - 2 * (i + 1) * vx / vv);
    }
    r->value[0] = sum;
}

static void rastrigin8(const struct quality_asker *a, struct quality_result *r)
{
    double x[8], sum = 80;
    ask_vector(a, x, 8, -5.12, 5.12);
    for (int i = 0; i < 8; i++) {
        double z = x[i] - offset(i + 1, 3);
        sum += z * z - 10 * cos(2 * PI * z);
    }
    r->value[0] = sum;
}

static void griewank6(const struct quality_asker *a, struct quality_result *r)
{
    double x[6], sum = 0, product = 1;
    ask_vector(a, x, 6, -600, 600);
    for (int i = 0; i < 6; i++) {
        double z = x[i] - offset(i + 1, 300);
        sum += z * z / 4000;
        product *= cos(z / sqrt(i + 1));
    }
    r->value[0] = sum - product + 1;
}

static void levy6(const struct quality_asker *a, struct quality_result *r)
{
    double w[6], sum;
    ask_vector(a, w, 6, -10, 10);
    for (int i = 0; i < 6; i++) {
        w[i] = 1 + (w[i] - 1) / 4;
    }
    sum = square(sin(PI * w[0]));
    for (int i = 0; i < 5; i++) {
        sum += square(w[i] - 1) * (1 + 10 * square(sin(PI * w[i] + 1)));
    }
    r->value[0] = sum + square(w[5] - 1) * (1 + square(sin(2 * PI * w[5])));
}

static void michalewicz5(const struct quality_asker *a, struct quality_result *r)
{
    double x[5], sum = 0;
    ask_vector(a, x, 5, 0, PI);
    for (int i = 0; i < 5; i++) {
        sum -= sin(x[i]) * pow(sin((i + 1) * x[i] * x[i] / PI), 20);
    }
    r->value[0] = sum;
}

static double sixhump_at(double x, double y)
{
    return (4 - 2.1 * x * x + x * x * x * x / 3) * x * x + x * y + (4 * y * y - 4) * y * y;
}

static void sixhump(const struct quality_asker *a, struct quality_result *r)
{
    double x = ask_float(a, "x0", -2, 2, 0, 0);
    double y = ask_float(a, "x1", -1, 1, 0, 0);
    r->value[0] = sixhump_at(x, y);
}

static void hartmann6(const struct quality_asker *a, struct quality_result *r)
{
    static const double weight[4] = {1, 1.2, 3, 3.2};
    static const double scale[4][6] = {
        {10, 3, 17, 3.5, 1.7, 8}, {.05, 10, 17, .1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, .05, 10, .1, 14}};
    static const double place[4][6] = {{1312, 1696, 5569, 124, 8283, 5886},
                                       {2329, 4135, 8307, 3736, 1004, 9991},
                                       {2348, 1451, 3522, 2883, 3047, 6650},
                                       {4047, 8828, 8732, 5743, 1091, 381}};
    double x[6], sum = 0;
    ask_vector(a, x, 6, 0, 1);
    for (int k = 0; k < 4; k++) {
        double exponent = 0;
        for (int i = 0; i < 6; i++) {
            exponent += scale[k][i] * square(x[i] - place[k][i] / 1e4);
        }
        sum -= weight[k] * exp(-exponent);
    }
    r->value[0] = sum;
}

/* The logarithm of Goldstein and Price's function. */
static void loggoldstein(const struct quality_asker *a, struct quality_result *r)
{
    double x[2];
    ask_vector(a, x, 2, -2, 2);
    double u = x[0], v = x[1];
    double first = 1 + square(u + v + 1) * (19 - 14 * u + 3 * u * u - 14 * v + 6 * u * v + 3 * v * v);
    double second = 30 + square(2 * u - 3 * v) * (18 - 32 * u + 12 * u * u + 48 * v - 36 * u * v + 27 * v * v);
    r->value[0] = log(first * second);
}

/* Branin's function of two of 25 parameters; the others do nothing. */
static void branin25(const struct quality_asker *a, struct quality_result *r)
{
    double x[25];
    ask_vector(a, x, 25, 0, 1);
    double u = 15 * x[7] - 5, v = 15 * x[18];
    r->value[0] =
        square(v - 5.1 * u * u / (4 * PI * PI) + 5 * u / PI - 6) + 10 * (1 - 1 / (8 * PI)) * cos(u) + 10;
}

/* ---- one objective, mixed and conditional ---- */

static void mixint8(const struct quality_asker *a, struct quality_result *r)
{
    static const char *const floats[] = {"f0", "f1", "f2"};
    double f[3], sum = 0;
    for (int i = 0; i < 3; i++) {
        f[i] = ask_float(a, floats[i], -5, 5, 0, 0);
        sum += square(f[i] - offset(i + 1, 4));
    }
    double n0 = ask_int(a, "n0", -20, 20, 0);
    double n1 = ask_int(a, "n1", -20, 20, 0);
    double m = ask_int(a, "m", 1, 1024, 1);
    double s0 = ask_float(a, "s0", -2, 2, .25, 0);
    double s1 = ask_float(a, "s1", -2, 2, .25, 0);
    sum += square((n0 - 7) / 4) + square((n1 + 11) / 4) + square(log2(m) - 5);
    r->value[0] =
        sum + 4 * square(s0 - .75) + 4 * square(s1 + 1.25) + .5 * (f[0] - offset(1, 4)) * (n0 - 7) / 4;
}

static double func2c_part(int kind, double x, double y)
{
    switch (kind) {
    case 0: return (100 * square(y - x * x) + square(1 - x)) / 300;
    case 1: return sixhump_at(x, y) / 10;
    default:
        return (square(1.5 - x + x * y) + square(2.25 - x + x * y * y) + square(2.625 - x + x * y * y * y)) /
               50;
    }
}

static void func2c(const struct quality_asker *a, struct quality_result *r)
{
    static const char *const digits[] = {"0", "1", "2", "3", "4"};
    double x[2];
    int h1 = ask_choice(a, "h1", digits, 3);
    int h2 = ask_choice(a, "h2", digits, 5);
    ask_vector(a, x, 2, -1, 1);
    r->value[0] = func2c_part(h1, 2 * x[0], 2 * x[1]) + func2c_part(h2, 2 * x[0], 2 * x[1]);
}

/* The branch of a small network: as many widths as layers, and an optimiser with a setting of its own. */
static double condmodels_net(const struct quality_asker *a)
{
    static const char *const optimisers[] = {"sgd", "adam"};
    int layers = (int)ask_int(a, "layers", 1, 4, 0);
    double sum = .10 + .04 * square(layers - 3);
    for (int i = 0; i < layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "units%d", i);
        sum += .01 * square(log2(ask_int(a, name, 4, 512, 1)) - (7 - i));
    }
    if (ask_choice(a, "opt", optimisers, 2) == 0) {
        return sum + .05 + .1 * square(ask_float(a, "momentum", 0, .99, 0, 0) - .9);
    }
    return sum + .02 * square(log10(ask_float(a, "beta2c", 1e-4, 1e-1, 0, 1)) + 3);
}

static void condmodels(const struct quality_asker *a, struct quality_result *r)
{
    static const char *const models[] = {"svm", "forest", "net"};
    int model = ask_choice(a, "model", models, 3);
    double sum = .05 * square(log10(ask_float(a, "shared", 1e-4, 1, 0, 1)) + 2.5);
    if (model == 0) {
        double c = ask_float(a, "C", 1e-3, 1e3, 0, 1);
        double gamma = ask_float(a, "gamma", 1e-4, 10, 0, 1);
        sum += .30 + .02 * square(log10(c) - 1) + .02 * square(log10(gamma) + 2);
    } else if (model == 1) {
        double depth = ask_int(a, "depth", 1, 32, 0);
        double trees = ask_int(a, "trees", 10, 1000, 1);
        sum += .25 + .001 * square(depth - 12) + .05 * (3 - log10(trees));
    } else {
        sum += condmodels_net(a);
    }
    r->value[0] = sum;
}

/* A pressure vessel: plates come in sixteenths of an inch; three constraints. */
static void pressure(const struct quality_asker *a, struct quality_result *r)
{
    double s = .0625 * ask_int(a, "a", 1, 99, 0);
    double h = .0625 * ask_int(a, "b", 1, 99, 0);
    double radius = ask_float(a, "R", 10, 200, 0, 0);
    double length = ask_float(a, "L", 10, 240, 0, 0);
    double area = radius * radius;
    r->value[0] =
        .6224 * s * radius * length + 1.7781 * h * area + 3.1661 * s * s * length + 19.84 * s * s * radius;
    r->constraint[0] = -s + .0193 * radius;
    r->constraint[1] = -h + .00954 * radius;
    r->constraint[2] = (1296000 - PI * area * length - 4 * PI * area * radius / 3) / 1296000;
}

/* ---- two objectives ---- */

static double mean_from(const double *x, int first, int n)
{
    double sum = 0;
    for (int i = first; i < n; i++) {
        sum += x[i];
    }
    return sum / (n - first);
}

static void zdt1_12(const struct quality_asker *a, struct quality_result *r)
{
    double x[12];
    ask_vector(a, x, 12, 0, 1);
    double g = 1 + 9 * mean_from(x, 1, 12);
    r->value[0] = x[0];
    r->value[1] = g * (1 - sqrt(x[0] / g));
}

static void zdt3_12(const struct quality_asker *a, struct quality_result *r)
{
    double x[12];
    ask_vector(a, x, 12, 0, 1);
    double g = 1 + 9 * mean_from(x, 1, 12);
    r->value[0] = x[0];
    r->value[1] = g * (1 - sqrt(x[0] / g) - x[0] / g * sin(10 * PI * x[0]));
}

static void zdt6_8(const struct quality_asker *a, struct quality_result *r)
{
    double x[8];
    ask_vector(a, x, 8, 0, 1);
    double g = 1 + 9 * pow(mean_from(x, 1, 8), .25);
    r->value[0] = 1 - exp(-4 * x[0]) * pow(sin(6 * PI * x[0]), 6);
    r->value[1] = g * (1 - square(r->value[0] / g));
}

static void dtlz7_2(const struct quality_asker *a, struct quality_result *r)
{
    double x[6];
    ask_vector(a, x, 6, 0, 1);
    double g = 1 + 9 * mean_from(x, 1, 6);
    r->value[0] = x[0];
    r->value[1] = (1 + g) * (2 - x[0] / (1 + g) * (1 + sin(3 * PI * x[0])));
}

static void mixmo(const struct quality_asker *a, struct quality_result *r)
{
    static const char *const sizes[] = {"small", "mid", "large"};
    int k = ask_choice(a, "arch", sizes, 3);
    double width = ask_int(a, "width", 8, 512, 1);
    double lr = ask_float(a, "lr", 1e-5, .1, 0, 1);
    r->value[0] = .5 / (1 + k) + .05 * square(log10(lr) + 3 - .5 * k) + 1.5 / log2(width);
    r->value[1] = (k + 1) * width / 512;
}

/* ---- the table ---- */

#define LN3 1.0986122886681098
static const struct quality_problem problems[] = {
    {"P01", "sphere10", 1, 0, 0, {0}, 63.27, {175.973565598}, sphere10},
    {"P03", "rot_ellipsoid8", 1, 0, 0, {0}, 1.066e6, {7875880.227404891}, rot_ellipsoid8},
    {"P05", "rastrigin8", 1, 0, 0, {0}, 116, {213.939353355}, rastrigin8},
    {"P07", "griewank6", 1, 0, 0, {0}, 75.34, {246.590344448}, griewank6},
    {"P09", "levy6", 1, 0, 0, {0}, 18.85, {86.97087852}, levy6},
    {"P11", "michalewicz5", 1, 0, -4.687658179, {0}, 3.218, {-1.390488407}, michalewicz5},
    {"P13", "sixhump", 1, 0, -1.0316284535, {0}, .4682, {2.281536798}, sixhump},
    {"P15", "hartmann6", 1, 0, -3.3223680115, {0}, 2.615, {-.011606719}, hartmann6},
    {"P17", "loggoldstein", 1, 0, LN3, {0}, 4.696, {6.666348676}, loggoldstein},
    {"P19", "branin25", 1, 0, .39788735773, {0}, 2.44, {115.421944235}, branin25},
    {"P21", "mixint8", 1, 0, 0, {0}, 42.73, {119.332543739}, mixint8},
    {"P23", "func2c", 1, 0, -.20632569, {0}, .3271, {4.928981597}, func2c},
    {"P25", "condmodels", 1, 0, .1, {0}, .1738, {.425065789}, condmodels},
    {"P27", "pressure", 1, 3, 5850.38306, {0}, 6.068e4, {50428.923345835}, pressure},
    {"M1", "zdt1_12", 2, 0, 120.666642, {11, 11}, 0, {.754877666, 2.558073295}, zdt1_12},
    {"M3", "zdt3_12", 2, 0, 128.778070, {11, 11}, 0, {.754877666, 3.3041055}, zdt3_12},
    {"M5", "zdt6_8", 2, 0, 8.618066, {1.1, 11}, 0, {.952399232, 7.786873965}, zdt6_8},
    {"M7", "dtlz7_2", 2, 0, 23.998092, {1.1, 25}, 0, {.754877666, 10.238569436}, dtlz7_2},
    {"M9", "mixmo", 2, 0, 9.167691, {3, 3.5}, 0, {.603295398, .38671875}, mixmo},
};

const struct quality_problem *quality_problem(int index)
{
    return index >= 0 && index < COUNT(problems) ? &problems[index] : NULL;
}

const struct quality_problem *quality_problem_of(const char *name)
{
    for (int i = 0; i < COUNT(problems); i++) {
        if (strcmp(problems[i].name, name) == 0) {
            return &problems[i];
        }
    }
    return NULL;
}

void quality_eval(const struct quality_problem *p, quality_ask *ask, void *ctx, struct quality_result *result)
{
    struct quality_asker asker = {ask, ctx};
    p->eval(&asker, result);
}

/* ---- points and times ---- */

double quality_at(const struct quality_dist *d, double u)
{
    if (d->kind == QUALITY_CHOICE) {
        return floor(u * d->n_choices);
    }
    if (d->kind == QUALITY_INT) {
        return d->log ? floor(d->low * pow((d->high + 1) / d->low, u))
                      : d->low + floor(u * (d->high - d->low + 1));
    }
    if (d->step > 0) {
        return d->low + d->step * floor(u * (round((d->high - d->low) / d->step) + 1));
    }
    return d->log ? d->low * pow(d->high / d->low, u) : d->low + u * (d->high - d->low);
}

double quality_probe(int i)
{
    return frac(0.7548776662466927 * i);
}

double quality_run_time(uint64_t seed, uint64_t trial)
{
    static const char purpose[] = "run time";
    struct rng r;
    rng_init(&r, seed, 0, trial, (struct str){purpose, sizeof purpose - 1});
    double u = 1 - rng_uniform(&r), v = rng_uniform(&r);
    return exp(0.5 * sqrt(-2 * log(u)) * cos(2 * PI * v)); /* Box and Muller 1958 */
}
