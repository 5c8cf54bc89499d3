/* SPDX-License-Identifier: MIT
 *
 * A study as arrays, for plots: values, states, parameters and feasibility of all trials, read once from a view.
 */
#ifndef TL_PLOT_DATA_H
#define TL_PLOT_DATA_H

#include "cli/axis.h"
#include "cli/cli.h"
#include "cli/node.h"

struct plot_param {
    struct str name;
    const char *label; /* the name for people */
    struct axis axis;  /* kind, names, title; covers the values of complete trials */
    double *values;    /* by trial, NaN where it has none; a choice is its index */
};

struct plot_trial {
    enum tl_state state;
    bool feasible; /* keeps its constraints, or has none */
    const double *values; /* n_values, NULL when it has none */
    const struct tl_report *reports; /* finite ones, by step; only when asked for */
    size_t n_reports;
};

struct plot_study {
    const char *name, *label;
    const enum tl_direction *directions;
    size_t n_values;
    const char **objectives; /* titles of their axes */
    struct plot_trial *trials; /* by number */
    size_t n_trials;
    const int64_t *front; /* numbers, ascending; several objectives only */
    size_t n_front;
    struct plot_param *params; /* sorted by name */
    size_t n_params;
    struct arena memory;
};

#define PLOT_PARAMS  1u
#define PLOT_REPORTS 2u
/* Reads what is wanted. The view must outlive the study. Returns 0, or a status after printing. */
int plot_study_read(struct cli *c, const tl_view *view, unsigned what, struct plot_study *out);
void plot_study_release(struct plot_study *s);
/* The parameter with this name, NULL for none. */
struct plot_param *plot_param_find(const struct plot_study *s, const char *name);

#endif
