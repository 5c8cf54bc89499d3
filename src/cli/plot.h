/* SPDX-License-Identifier: MIT
 *
 * From studies to figures: what each kind of plot shows, after optuna.visualization. Which trials are used stands with each.
 */
#ifndef TL_PLOT_H
#define TL_PLOT_H

#include "cli/figure.h"
#include "cli/plot_data.h"

struct plot_request {
    struct cli *c;
    const struct plot_study *studies; /* several for history and edf, else one */
    size_t n_studies;
    size_t target;  /* which objective */
    bool log;       /* a logarithmic axis for it */
    const char *const *params; /* those to show; n_params 0: all */
    size_t n_params;
};

/* Builds one kind of plot. Returns 0, or a status after printing why there is nothing to show. */
typedef int plot_build(const struct plot_request *r, struct figure *f);

/* plot_value.c: the objective against time, steps, itself, other objectives */
plot_build plot_history, plot_edf, plot_intermediate, plot_pareto;
/* plot_param.c: the objective against parameters */
plot_build plot_slice, plot_parallel, plot_contour;

/* ---- shared ---- */

/* The value of trial `i` that is plotted; NaN when it is not COMPLETE or has none. */
double plot_value(const struct plot_request *r, const struct plot_study *s, size_t i);
struct axis plot_value_axis(const struct plot_request *r, const struct plot_study *s);
/* Is `a` better than `b`, in the direction of the objective? */
bool plot_better(const struct plot_request *r, const struct plot_study *s, double a, double b);
/* The best feasible trial, -1 for none. */
int64_t plot_best(const struct plot_request *r, const struct plot_study *s);
/* Are there complete trials with a value that the axis can show? If not, says so and returns a status. What cannot be shown is
 * counted in the figure's note. */
int plot_check_values(const struct plot_request *r, struct figure *f);

#endif
