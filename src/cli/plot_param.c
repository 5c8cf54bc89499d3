/* SPDX-License-Identifier: MIT
 *
 * Plots of parameters: slices, parallel coordinates, contours (see plot.h). Complete trials with a finite value are used; those that
 * break a constraint are shown apart in slices, and left out of contours.
 */
#include "base/err.h"
#include "cli/plot.h"

#include <math.h>
#include <stdlib.h>

#define LINES_MOST   1000 /* trials in parallel coordinates */
#define BAND_AXES    9    /* axes side by side, the objective included */
#define POINTS_MOST  1000 /* trials shown in a contour */
#define CONTOUR_MOST 5    /* parameters whose pairs are shown when none are named */

/* The parameters to show: the named ones in their order, else all. NULL and a printed error when one does not exist. */
static const struct plot_param **choose(const struct plot_request *r, struct figure *f, size_t *n, int *status)
{
    const struct plot_study *s = &r->studies[0];
    size_t most = r->n_params > s->n_params ? r->n_params : s->n_params;
    const struct plot_param **chosen = arena_alloc(&f->arena, (most + 1) * sizeof *chosen);
    *n = r->n_params ? r->n_params : s->n_params;
    *status = 0;
    if (!chosen) {
        f->failed = true;
        return NULL;
    }
    if (s->n_params == 0) {
        *status =
            cli_error(r->c, TL_ENOTFOUND, "nothing to plot: no trial of study '%s' has a parameter", s->name);
        return NULL;
    }
    for (size_t i = 0; i < *n; i++) {
        chosen[i] = r->n_params ? plot_param_find(s, r->params[i]) : &s->params[i];
        if (!chosen[i]) {
            *status = cli_error(r->c, TL_ENOTFOUND, "study '%s' has no parameter '%s' (one it has: '%s')",
                                s->name, r->params[i], s->params[0].label);
            return NULL;
        }
    }
    return chosen;
}

static void shade_by_trial(struct figure *f, size_t n_trials)
{
    f->has_shade = true;
    f->shade = (struct axis)AXIS_INIT;
    f->shade.title = "trial";
    f->shade.low = 0;
    f->shade.high = n_trials > 1 ? (double)(n_trials - 1) : 1;
}

/* ---- slice ---- */

/* All panels have the same y axis. */
static void add_slice(const struct plot_request *r, struct figure *f, const struct plot_param *param,
                      struct axis y_axis, int64_t best)
{
    const struct plot_study *s = &r->studies[0];
    struct panel *p = figure_panel(f);
    double *x[2], *y[2], *number[2];
    size_t n[2] = {0, 0};
    for (size_t k = 0; k < 2; k++) {
        x[k] = figure_doubles(f, s->n_trials);
        y[k] = figure_doubles(f, s->n_trials);
        number[k] = figure_doubles(f, s->n_trials);
    }
    if (!p || f->failed) {
        return;
    }
    p->x = param->axis;
    p->y = y_axis;
    for (size_t i = 0; i < s->n_trials; i++) {
        double v = plot_value(r, s, i);
        size_t k = s->trials[i].feasible ? 0 : 1;
        if (!axis_shows(&p->y, v) || !axis_shows(&p->x, param->values[i])) {
            continue;
        }
        x[k][n[k]] = param->values[i];
        y[k][n[k]] = v;
        number[k][n[k]++] = (double)i;
    }
    for (size_t k = 2; k-- > 0;) {
        struct series *series =
            n[k] ? figure_series(f, p, k ? "infeasible" : NULL, LOOK_POINTS, k ? TINT_MUTED : TINT_SHADE)
                 : NULL;
        if (series) {
            *series = (struct series){series->name, LOOK_POINTS, series->tint, n[k],
                                      x[k],         y[k],        number[k],    number[k]};
        }
    }
    if (best < 0 || isnan(param->values[best])) {
        return;
    }
    struct series *mark = figure_series(f, p, "best", LOOK_MARKS, TINT_SERIES + 1);
    double *at = figure_doubles(f, 3);
    if (!mark || !at) {
        return;
    }
    at[0] = param->values[best];
    at[1] = plot_value(r, s, (size_t)best);
    at[2] = (double)best;
    *mark = (struct series){"best", LOOK_MARKS, TINT_SERIES + 1, 1, at, at + 1, NULL, at + 2};
}

int plot_slice(const struct plot_request *r, struct figure *f)
{
    size_t n;
    int status = plot_check_values(r, f);
    const struct plot_param **params = status ? NULL : choose(r, f, &n, &status);
    if (!params) {
        return status;
    }
    int64_t best = plot_best(r, &r->studies[0]);
    struct axis y = plot_value_axis(r, &r->studies[0]);
    for (size_t i = 0; i < r->studies[0].n_trials; i++) {
        axis_cover(&y, plot_value(r, &r->studies[0], i));
    }
    axis_finish(&y);
    for (size_t i = 0; i < n; i++) {
        add_slice(r, f, params[i], y, best);
    }
    shade_by_trial(f, r->studies[0].n_trials);
    return 0;
}

/* ---- parallel coordinates ---- */

struct ranked {
    size_t trial;
    double value;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value) {
        return x->value < y->value ? -1 : 1;
    }
    return (x->trial > y->trial) - (x->trial < y->trial);
}

/* The trials to draw, best last so that they lie on top; when there are many, evenly spaced ones by rank and always the best. */
static struct ranked *rank(const struct plot_request *r, struct figure *f, size_t *n)
{
    const struct plot_study *s = &r->studies[0];
    struct ranked *all = arena_alloc(&f->arena, (s->n_trials + 1) * sizeof *all);
    struct axis axis = plot_value_axis(r, s);
    size_t total = 0;
    if (!all) {
        f->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < s->n_trials; i++) {
        double v = plot_value(r, s, i);
        if (axis_shows(&axis, v)) {
            all[total++] = (struct ranked){i, v};
        }
    }
    qsort(all, total, sizeof *all, by_value);
    for (size_t i = 0; i < total / 2 && s->directions[r->target] != TL_MAXIMIZE; i++) {
        struct ranked swap = all[i];
        all[i] = all[total - 1 - i];
        all[total - 1 - i] = swap;
    }
    *n = total > LINES_MOST ? LINES_MOST : total;
    for (size_t i = 0; i < *n && total > LINES_MOST; i++) {
        all[i] = all[(i + 1) * total / LINES_MOST - 1];
    }
    if (total > LINES_MOST) {
        f->note = figure_text(f, "%d of %zu trials, evenly spaced by rank", LINES_MOST, total);
    }
    return all;
}

/* One band: the objective and some parameters. A trial without a parameter has a gap there. */
static void add_band(struct figure *f, const struct plot_param **params, size_t n, const struct ranked *trials,
                     size_t n_trials)
{
    struct panel *p = figure_panel(f);
    size_t width = n + 1;
    struct axis *axes = arena_alloc(&f->arena, width * sizeof *axes);
    double *x = figure_doubles(f, n_trials * (width + 1)), *y = figure_doubles(f, n_trials * (width + 1));
    double *shade = figure_doubles(f, n_trials * (width + 1)),
           *number = figure_doubles(f, n_trials * (width + 1));
    size_t at = 0;
    f->failed = f->failed || !axes;
    if (f->failed) {
        return;
    }
    axes[0] = f->shade;
    for (size_t i = 0; i < n; i++) {
        axes[i + 1] = params[i]->axis;
    }
    for (size_t t = 0; t < n_trials; t++) {
        for (size_t i = 0; i <= width; i++, at++) {
            double v = i == 0 ? trials[t].value : i < width ? params[i - 1]->values[trials[t].trial] : NAN;
            x[at] = (double)(i < width ? i : width - 1);
            y[at] = i < width && axis_shows(&axes[i], v) ? axis_place(&axes[i], v) : NAN;
            shade[at] = trials[t].value;
            number[at] = (double)trials[t].trial;
        }
    }
    p->parallel = axes;
    p->n_parallel = width;
    p->x.fixed = p->y.fixed = true;
    p->x.low = p->y.low = 0;
    p->x.high = (double)n;
    p->y.high = 1;
    struct series *s = figure_series(f, p, NULL, LOOK_LINE, TINT_SHADE);
    if (s) {
        *s = (struct series){NULL, LOOK_LINE, TINT_SHADE, at, x, y, shade, number};
    }
    struct series *best = n_trials ? figure_series(f, p, "best", LOOK_LINE, TINT_SERIES + 1) : NULL;
    if (best) {
        size_t last = at - (width + 1);
        *best = (struct series){"best",   LOOK_LINE, TINT_SERIES + 1, width + 1, x + last,
                                y + last, NULL,      number + last};
    }
}

int plot_parallel(const struct plot_request *r, struct figure *f)
{
    size_t n, n_trials = 0;
    int status = plot_check_values(r, f);
    const struct plot_param **params = status ? NULL : choose(r, f, &n, &status);
    struct ranked *trials = params ? rank(r, f, &n_trials) : NULL;
    if (!trials) {
        return status;
    }
    f->has_shade = true;
    f->shade = plot_value_axis(r, &r->studies[0]);
    for (size_t i = 0; i < n_trials; i++) {
        axis_cover(&f->shade, trials[i].value);
    }
    axis_finish(&f->shade);
    size_t bands = (n + BAND_AXES - 2) / (BAND_AXES - 1), begin = 0;
    for (size_t b = 0; b < bands; b++) {
        size_t end = n * (b + 1) / bands; /* bands of even width */
        add_band(f, params + begin, end - begin, trials, n_trials);
        begin = end;
    }
    f->per_row = 1;
    return 0;
}

/* ---- contour ---- */

#define FIELD_SIDE   64
#define FIELD_LEVELS 7 /* 64, 32, …, 1 */

struct pyramid {
    double *value[FIELD_LEVELS], *weight[FIELD_LEVELS];
};

/* The value of a level between its cells: bilinear, cells beyond the border repeat it. */
static double between(const struct pyramid *y, size_t level, double column, double row)
{
    double side = (double)(FIELD_SIDE >> level), sum = 0;
    double c0 = floor(column), r0 = floor(row);
    for (int i = 0; i < 4; i++) {
        double c = c0 + (i & 1), r = r0 + (i >> 1);
        double share = (1 - fabs(column - c)) * (1 - fabs(row - r));
        c = c < 0 ? 0 : c > side - 1 ? side - 1 : c;
        r = r < 0 ? 0 : r > side - 1 ? side - 1 : r;
        sum += share * y->value[level][(size_t)(r * side + c)];
    }
    return sum;
}

/* Fills the cells that no trial fell into: pull-push (Gortler, Grzeszczuk, Szeliski and Cohen, "The Lumigraph", 1996, section
 * 3.4.2). Pull: averages of four cells, level by level; push: what a cell lacks in weight comes from the coarser level. */
static void pull_push(struct pyramid *y)
{
    for (size_t l = 1; l < FIELD_LEVELS; l++) {
        size_t side = FIELD_SIDE >> l;
        for (size_t i = 0; i < side * side; i++) {
            size_t first = i / side * 2 * (2 * side) + i % side * 2;
            size_t four[4] = {first, first + 1, first + 2 * side, first + 2 * side + 1};
            double sum = 0, weight = 0;
            for (size_t k = 0; k < 4; k++) {
                weight += y->weight[l - 1][four[k]];
                sum += y->weight[l - 1][four[k]] * y->value[l - 1][four[k]];
            }
            y->value[l][i] = weight > 0 ? sum / weight : 0;
            y->weight[l][i] = weight < 1 ? weight : 1;
        }
    }
    for (size_t l = FIELD_LEVELS - 1; l-- > 0;) {
        size_t side = FIELD_SIDE >> l;
        for (size_t i = 0; i < side * side; i++) {
            size_t column = i % side, line = i / side;
            double w = y->weight[l][i];
            double rest = between(y, l + 1, ((double)column - 0.5) / 2, ((double)line - 0.5) / 2);
            y->value[l][i] = w * y->value[l][i] + (1 - w) * rest;
        }
    }
}

static size_t field_cell(const struct axis *a, double v)
{
    double at = axis_place(a, v) * FIELD_SIDE;
    return at <= 0 ? 0 : at >= FIELD_SIDE - 1 ? FIELD_SIDE - 1 : (size_t)at;
}

/* A smooth picture of values at points, on a grid over both axes. On a logarithmic scale it is made of logarithms. */
static bool make_field(struct figure *f, struct panel *p, const double *x, const double *y, const double *v,
                       size_t n)
{
    struct pyramid pyramid;
    bool log = f->shade.kind == AXIS_LOG;
    for (size_t l = 0; l < FIELD_LEVELS; l++) {
        size_t cells = (size_t)(FIELD_SIDE >> l) * (FIELD_SIDE >> l);
        pyramid.value[l] = figure_doubles(f, cells);
        pyramid.weight[l] = figure_doubles(f, cells);
        if (f->failed) {
            return false;
        }
        memset(pyramid.value[l], 0, cells * sizeof(double));
        memset(pyramid.weight[l], 0, cells * sizeof(double));
    }
    for (size_t i = 0; i < n; i++) {
        size_t cell = field_cell(&p->y, y[i]) * FIELD_SIDE + field_cell(&p->x, x[i]);
        double count = pyramid.weight[0][cell] + 1;
        pyramid.value[0][cell] += ((log ? log10(v[i]) : v[i]) - pyramid.value[0][cell]) / count;
        pyramid.weight[0][cell] = count;
    }
    /* one trial alone is half noise: its cell takes the other half from its surroundings */
    for (size_t i = 0; i < FIELD_SIDE * FIELD_SIDE; i++) {
        pyramid.weight[0][i] = pyramid.weight[0][i] / (pyramid.weight[0][i] + 1);
    }
    pull_push(&pyramid);
    for (size_t i = 0; i < FIELD_SIDE * FIELD_SIDE && log; i++) {
        pyramid.value[0][i] = pow(10, pyramid.value[0][i]);
    }
    p->field = (struct field){FIELD_SIDE, pyramid.value[0]};
    return true;
}

static void add_contour(const struct plot_request *r, struct figure *f, const struct plot_param *a,
                        const struct plot_param *b, int64_t best)
{
    const struct plot_study *s = &r->studies[0];
    struct panel *p = figure_panel(f);
    double *x = figure_doubles(f, s->n_trials), *y = figure_doubles(f, s->n_trials);
    double *v = figure_doubles(f, s->n_trials), *number = figure_doubles(f, s->n_trials),
           *at = figure_doubles(f, 3);
    size_t n = 0;
    if (f->failed) {
        return;
    }
    p->x = a->axis;
    p->y = b->axis;
    for (size_t i = 0; i < s->n_trials; i++) {
        double value = plot_value(r, s, i);
        if (!s->trials[i].feasible || !axis_shows(&f->shade, value) || !axis_shows(&p->x, a->values[i]) ||
            !axis_shows(&p->y, b->values[i])) {
            continue;
        }
        x[n] = a->values[i];
        y[n] = b->values[i];
        number[n] = (double)i;
        v[n++] = value;
    }
    if (n == 0) {
        p->title = "(no trial has both)";
    } else if (!make_field(f, p, x, y, v, n)) {
        return;
    }
    /* many points would hide the surface: it is of all of them, and some are shown */
    size_t every = (n + POINTS_MOST - 1) / POINTS_MOST, shown = 0;
    for (size_t i = 0; i < n && every > 1; i += every, shown++) {
        x[shown] = x[i];
        y[shown] = y[i];
        v[shown] = v[i];
        number[shown] = number[i];
    }
    n = every > 1 ? shown : n;
    struct series *points = figure_series(f, p, NULL, LOOK_POINTS, TINT_MUTED);
    if (points) {
        *points = (struct series){NULL, LOOK_POINTS, TINT_MUTED, n, x, y, v, number};
    }
    if (best < 0 || isnan(a->values[best]) || isnan(b->values[best])) {
        return;
    }
    struct series *mark = figure_series(f, p, "best", LOOK_MARKS, TINT_SERIES + 1);
    at[0] = a->values[best];
    at[1] = b->values[best];
    at[2] = (double)best;
    if (mark) {
        *mark = (struct series){"best", LOOK_MARKS, TINT_SERIES + 1, 1, at, at + 1, NULL, at + 2};
    }
}

int plot_contour(const struct plot_request *r, struct figure *f)
{
    size_t n;
    int status = plot_check_values(r, f);
    const struct plot_param **params = status ? NULL : choose(r, f, &n, &status);
    if (!params) {
        return status;
    }
    const struct plot_study *s = &r->studies[0];
    if (n < 2) {
        return cli_error(r->c, TL_EINVAL, "a contour wants two parameters: study '%s' has %zu, and %zu named",
                         s->name, s->n_params, r->n_params);
    }
    if (n > CONTOUR_MOST && r->n_params == 0) {
        f->note = figure_text(f, "the first %d of %zu parameters; others with --param", CONTOUR_MOST, n);
        n = CONTOUR_MOST;
    }
    f->has_shade = true;
    f->shade = plot_value_axis(r, s);
    for (size_t i = 0; i < s->n_trials; i++) {
        if (s->trials[i].feasible) {
            axis_cover(&f->shade, plot_value(r, s, i));
        }
    }
    axis_finish(&f->shade);
    int64_t best = plot_best(r, s);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            add_contour(r, f, params[i], params[k], best);
        }
    }
    return 0;
}
