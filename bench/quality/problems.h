/* SPDX-License-Identifier: MIT
 *
 * The problems on which the quality of samplers is compared, defined once for every solver.
 *
 * An objective asks for its parameters one after the other through a function, so conditional ones can be written down, and
 * the same compiled code serves Trialog (runs.c) and Optuna (optuna_runs.py, through ctypes). Objectives are minimised. Plain
 * C without the library; the layout of the structs is repeated in problems.py.
 */
#ifndef QUALITY_PROBLEMS_H
#define QUALITY_PROBLEMS_H

#include <stdint.h>

#define QUALITY_MAX_VALUES      2
#define QUALITY_MAX_CONSTRAINTS 3

enum quality_kind { QUALITY_FLOAT, QUALITY_INT, QUALITY_CHOICE };

struct quality_dist {
    int32_t kind; /* enum quality_kind */
    int32_t log;
    double low, high;
    double step;                /* 0: none (QUALITY_FLOAT), 1 (QUALITY_INT) */
    const char *const *choices; /* QUALITY_CHOICE: n_choices texts */
    int32_t n_choices;
};

/* Gives the parameter's value: the number, or the index of the choice. */
typedef double quality_ask(void *ctx, const char *name, const struct quality_dist *dist);

struct quality_asker {
    quality_ask *ask;
    void *ctx;
};

struct quality_result {
    double value[QUALITY_MAX_VALUES];
    double constraint[QUALITY_MAX_CONSTRAINTS]; /* kept when it is <= 0 */
};

struct quality_problem {
    const char *id, *name;
    int32_t n_values, n_constraints;
    double best; /* one objective: the minimum; two: the hypervolume of the true front ... */
    double reference[QUALITY_MAX_VALUES]; /* ... with regard to this point */
    double scale;                     /* one objective: median regret of random search after 10 evaluations */
    double probe[QUALITY_MAX_VALUES]; /* values at the i-th parameter's quality_probe(i) */
    void (*eval)(const struct quality_asker *asker, struct quality_result *result);
};

/* NULL past the last one. */
const struct quality_problem *quality_problem(int index);
const struct quality_problem *quality_problem_of(const char *name); /* NULL: there is none */
void quality_eval(const struct quality_problem *p, quality_ask *ask, void *ctx, struct quality_result *result);

/* The value at fraction u in [0, 1) of a distribution, geometrically for a logarithmic one. */
double quality_at(const struct quality_dist *dist, double u);
/* The fraction of the i-th parameter (from 1) of the probe. */
double quality_probe(int i);
/* How long trial `trial` of the run with this seed takes, in virtual time: lognormal(0, 0.5). */
double quality_run_time(uint64_t seed, uint64_t trial);

#endif
