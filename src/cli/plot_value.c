/* SPDX-License-Identifier: MIT
 *
 * Plots of objective values: history, distribution, intermediate values, Pareto front (see plot.h).
 */
#include "base/err.h"
#include "cli/plot.h"

#include <math.h>
#include <stdlib.h>

#define LINES_MOST 1000 /* trials in a plot that draws a line for each */

/* ---- shared ---- */

double plot_value(const struct plot_request *r, const struct plot_study *s, size_t i)
{
    const struct plot_trial *t = &s->trials[i];
    return t->state == TL_COMPLETE && t->values ? t->values[r->target] : NAN;
}

struct axis plot_value_axis(const struct plot_request *r, const struct plot_study *s)
{
    struct axis a = AXIS_INIT;
    a.kind = r->log ? AXIS_LOG : AXIS_LINEAR;
    a.title = s->objectives[r->target];
    return a;
}

bool plot_better(const struct plot_request *r, const struct plot_study *s, double a, double b)
{
    return s->directions[r->target] == TL_MAXIMIZE ? a > b : a < b;
}

int64_t plot_best(const struct plot_request *r, const struct plot_study *s)
{
    int64_t best = -1;
    for (size_t i = 0; i < s->n_trials; i++) {
        double v = plot_value(r, s, i);
        if (!isnan(v) && s->trials[i].feasible &&
            (best < 0 || plot_better(r, s, v, s->trials[best].values[r->target]))) {
            best = (int64_t)i;
        }
    }
    return best;
}

int plot_check_values(const struct plot_request *r, struct figure *f)
{
    size_t complete = 0, shown = 0;
    for (size_t k = 0; k < r->n_studies; k++) {
        const struct plot_study *s = &r->studies[k];
        struct axis a = plot_value_axis(r, s);
        for (size_t i = 0; i < s->n_trials; i++) {
            complete += s->trials[i].state == TL_COMPLETE;
            shown += axis_shows(&a, plot_value(r, s, i));
        }
    }
    if (complete == 0) {
        return cli_error(r->c, TL_ENOTFOUND, "nothing to plot: study '%s' has no complete trial%s",
                         r->studies[0].name, r->studies[0].n_trials ? " yet" : ", nor any other");
    }
    if (shown == 0) {
        return cli_error(r->c, TL_ENOTFOUND, "nothing to plot: no value of a complete trial is %s",
                         r->log ? "above zero, which a logarithmic axis wants (leave out --log)" : "finite");
    }
    if (shown < complete) {
        f->note =
            figure_text(f, "%zu of %zu complete trials are not shown: their values are %s", complete - shown,
                        complete, r->log ? "not finite or not above zero" : "not finite");
    }
    return 0;
}

/* Room for points; grows by itself up to what was asked for. */
struct points {
    double *x, *y, *number, *shade;
    size_t n;
};

static struct points points_of(struct figure *f, size_t most)
{
    return (struct points){figure_doubles(f, most), figure_doubles(f, most), figure_doubles(f, most), NULL, 0};
}

static void add_point(struct points *p, double x, double y, double number)
{
    p->x[p->n] = x;
    p->y[p->n] = y;
    p->number[p->n++] = number;
}

static void set_points(struct series *s, const struct points *p)
{
    s->n = p->n;
    s->x = p->x;
    s->y = p->y;
    s->number = p->number;
    s->shade = p->shade;
}

/* ---- history ---- */

/* Values by trial, and the best one so far. Infeasible trials are shown apart, and are never the best. */
static void add_history(const struct plot_request *r, struct figure *f, struct panel *p, size_t k)
{
    const struct plot_study *s = &r->studies[k];
    bool single = r->n_studies == 1;
    unsigned tint = TINT_SERIES + (unsigned)k;
    struct points all = points_of(f, s->n_trials), bad = points_of(f, s->n_trials),
                  best = points_of(f, s->n_trials + 1);
    if (f->failed) {
        return;
    }
    for (size_t i = 0; i < s->n_trials; i++) {
        double v = plot_value(r, s, i), x = (double)i;
        if (!axis_shows(&p->y, v)) {
            continue;
        }
        add_point(s->trials[i].feasible ? &all : &bad, x, v, x);
        if (s->trials[i].feasible && (best.n == 0 || plot_better(r, s, v, best.y[best.n - 1]))) {
            add_point(&best, x, v, x);
        }
    }
    /* the line goes on to the last trial */
    if (all.n > 0 && best.x[best.n - 1] < all.x[all.n - 1]) {
        add_point(&best, all.x[all.n - 1], best.y[best.n - 1], best.number[best.n - 1]);
    }
    struct series *series = figure_series(f, p, single ? "complete trials" : NULL, LOOK_POINTS, tint);
    if (series) {
        set_points(series, &all);
    }
    if (bad.n > 0 && (series = figure_series(f, p, single ? "infeasible" : NULL, LOOK_POINTS, TINT_MUTED))) {
        set_points(series, &bad);
    }
    series =
        figure_series(f, p, single ? "best so far" : s->label, LOOK_STEPS, single ? TINT_SERIES + 1 : tint);
    if (series) {
        set_points(series, &best);
    }
}

int plot_history(const struct plot_request *r, struct figure *f)
{
    int status = plot_check_values(r, f);
    struct panel *p = status ? NULL : figure_panel(f);
    if (!p) {
        return status;
    }
    p->x.title = "trial";
    p->x.whole = true;
    p->y = plot_value_axis(r, &r->studies[0]);
    for (size_t k = 0; k < r->n_studies; k++) {
        add_history(r, f, p, k);
    }
    panel_cover(p);
    return 0;
}

/* ---- edf ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* For each value, the share of complete trials that are at most that large. */
int plot_edf(const struct plot_request *r, struct figure *f)
{
    int status = plot_check_values(r, f);
    struct panel *p = status ? NULL : figure_panel(f);
    if (!p) {
        return status;
    }
    p->x = plot_value_axis(r, &r->studies[0]);
    p->y.title = "share of trials";
    p->y.low = 0;
    p->y.high = 1;
    for (size_t k = 0; k < r->n_studies; k++) {
        const struct plot_study *s = &r->studies[k];
        for (size_t i = 0; i < s->n_trials; i++) {
            axis_cover(&p->x, plot_value(r, s, i));
        }
    }
    for (size_t k = 0; k < r->n_studies; k++) {
        const struct plot_study *s = &r->studies[k];
        struct series *series = figure_series(f, p, s->label, LOOK_STEPS, TINT_SERIES + (unsigned)k);
        double *x = figure_doubles(f, s->n_trials + 2), *y = figure_doubles(f, s->n_trials + 2);
        size_t n = 1;
        if (f->failed) {
            break;
        }
        for (size_t i = 0; i < s->n_trials; i++) {
            double v = plot_value(r, s, i);
            if (axis_shows(&p->x, v)) {
                x[n++] = v;
            }
        }
        qsort(x + 1, n - 1, sizeof *x, by_value);
        x[0] = p->x.low; /* all lines go from end to end */
        for (size_t i = 0; i < n; i++) {
            y[i] = n > 1 ? (double)i / (double)(n - 1) : 0;
        }
        x[n] = p->x.high;
        y[n] = y[n - 1];
        *series = (struct series){
            .name = s->label, .look = LOOK_STEPS, .tint = series->tint, .n = n + 1, .x = x, .y = y};
    }
    axis_finish(&p->x);
    axis_finish(&p->y);
    return 0;
}

/* ---- intermediate ---- */

/* Adds the reports of some trials, each a line of its own. */
struct chosen {
    const char *name;
    unsigned tint;
    int state; /* -1: the best trial */
};

static void add_reports(const struct plot_request *r, struct figure *f, struct panel *p, struct chosen want,
                        int64_t best, size_t every)
{
    const struct plot_study *s = &r->studies[0];
    size_t n = 0, seen = 0;
    for (size_t i = 0; i < s->n_trials; i++) {
        n += s->trials[i].n_reports ? s->trials[i].n_reports + 1 : 0;
    }
    struct points lines = points_of(f, n);
    lines.shade = figure_doubles(f, n);
    for (size_t i = 0; i < s->n_trials && !f->failed; i++) {
        const struct plot_trial *t = &s->trials[i];
        bool is_best = (int64_t)i == best;
        if (t->n_reports == 0 || (want.state < 0 ? !is_best : is_best || (int)t->state != want.state)) {
            continue;
        }
        if (seen++ % every != 0) {
            continue;
        }
        for (size_t k = 0; k <= t->n_reports; k++) {
            bool end = k == t->n_reports;
            lines.shade[lines.n] = (double)i;
            add_point(&lines, (double)t->reports[end ? k - 1 : k].step, end ? NAN : t->reports[k].value,
                      (double)i);
        }
    }
    struct series *series = lines.n ? figure_series(f, p, want.name, LOOK_LINE, want.tint) : NULL;
    if (series) {
        set_points(series, &lines);
    }
}

/* The reports of complete, pruned and running trials by step. */
int plot_intermediate(const struct plot_request *r, struct figure *f)
{
    static const struct chosen wanted[] = {{"pruned", TINT_MUTED, TL_PRUNED},
                                           {"complete", TINT_SHADE, TL_COMPLETE},
                                           {"running", TINT_SERIES + 2, TL_RUNNING},
                                           {"best", TINT_SERIES + 1, -1}};
    const struct plot_study *s = &r->studies[0];
    size_t n = 0;
    for (size_t i = 0; i < s->n_trials; i++) {
        n += s->trials[i].n_reports > 0 && s->trials[i].state != TL_FAIL;
    }
    if (n == 0) {
        return cli_error(r->c, TL_ENOTFOUND,
                         "nothing to plot: no trial of study '%s' has reported an intermediate value", s->name);
    }
    struct panel *p = figure_panel(f);
    if (!p) {
        return 0;
    }
    p->x.title = "step";
    p->x.whole = true;
    p->y.kind = r->log ? AXIS_LOG : AXIS_LINEAR;
    p->y.title = "intermediate value";
    size_t every = (n + LINES_MOST - 1) / LINES_MOST;
    int64_t best = s->n_values == 1 ? plot_best(r, s) : -1;
    for (size_t i = 0; i < TL_COUNT(wanted); i++) {
        add_reports(r, f, p, wanted[i], best, every);
    }
    panel_cover(p);
    f->has_shade = true;
    f->shade = (struct axis)AXIS_INIT;
    f->shade.title = "trial";
    f->shade.low = 0;
    f->shade.high = s->n_trials > 1 ? (double)(s->n_trials - 1) : 1;
    if (every > 1) {
        f->note = figure_text(f, "every %zuth of %zu trials with reports, and the best", every, n);
    }
    return 0;
}

/* ---- pareto ---- */

static void add_front(const struct plot_request *r, struct figure *f, size_t a, size_t b)
{
    const struct plot_study *s = &r->studies[0];
    struct panel *p = figure_panel(f);
    struct points front = points_of(f, s->n_trials), rest = points_of(f, s->n_trials),
                  bad = points_of(f, s->n_trials);
    size_t at = 0;
    if (f->failed) {
        return;
    }
    p->x.title = s->objectives[a];
    p->y.title = s->objectives[b];
    p->x.kind = p->y.kind = r->log ? AXIS_LOG : AXIS_LINEAR;
    for (size_t i = 0; i < s->n_trials; i++) {
        const struct plot_trial *t = &s->trials[i];
        if (t->state != TL_COMPLETE || !t->values || !axis_shows(&p->x, t->values[a]) ||
            !axis_shows(&p->y, t->values[b])) {
            continue;
        }
        while (at < s->n_front && s->front[at] < (int64_t)i) {
            at++;
        }
        bool is_front = at < s->n_front && s->front[at] == (int64_t)i;
        add_point(is_front ? &front : t->feasible ? &rest : &bad, t->values[a], t->values[b], (double)i);
    }
    struct series *series;
    if (bad.n > 0 && (series = figure_series(f, p, "infeasible", LOOK_POINTS, TINT_MUTED))) {
        set_points(series, &bad);
    }
    if (rest.n > 0 && (series = figure_series(f, p, "dominated", LOOK_POINTS, TINT_SERIES))) {
        set_points(series, &rest);
    }
    if (front.n > 0 && (series = figure_series(f, p, "front", LOOK_MARKS, TINT_SERIES + 1))) {
        set_points(series, &front);
    }
    panel_cover(p);
}

/* Each pair of objectives, with the trials that no other one dominates. */
int plot_pareto(const struct plot_request *r, struct figure *f)
{
    const struct plot_study *s = &r->studies[0];
    if (s->n_values < 2) {
        return cli_error(r->c, TL_EINVAL,
                         "study '%s' has one objective and so no Pareto front: see 'plot history'", s->name);
    }
    int status = plot_check_values(r, f);
    for (size_t a = 0; a < s->n_values && status == 0; a++) {
        for (size_t b = a + 1; b < s->n_values; b++) {
            add_front(r, f, a, b);
        }
    }
    return status;
}
