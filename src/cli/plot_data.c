/* SPDX-License-Identifier: MIT
 *
 * A study as arrays, for plots (see plot_data.h). One pass over the trials; a parameter gets its column when the first trial has it.
 *
 * Failure modes: memory. A trial that cannot be read ends it with the error.
 */
#include "cli/plot_data.h"

#include "base/err.h"
#include "base/map.h"
#include "cli/figure.h"
#include "cli/trials.h"

#include <math.h>
#include <stdlib.h>

#define TEXT_OF(s_) ((struct str){(s_).s, (s_).len})
#define LABEL_MOST  40 /* characters of a name in a figure */

struct reader {
    struct cli *c;
    const tl_view *view;
    struct plot_study *s;
    struct intern names; /* of parameters: place in s->params */
    size_t cap_params;
    size_t cap_trials;
    struct tl_frozen_trial trial;
    struct nodes nodes;
    struct figure labels; /* only its arena and its text functions */
    unsigned what;
};

static const char *label(struct reader *r, struct str text)
{
    return figure_label(&r->labels, text, LABEL_MOST);
}

/* The names of a categorical parameter's choices. */
static bool name_choices(struct reader *r, struct plot_param *p, const struct tl_dist *dist)
{
    const char **names = arena_alloc(&r->labels.arena, (dist->n_choices + 1) * sizeof *names);
    for (size_t i = 0; i < dist->n_choices && names; i++) {
        struct buf b = BUF_INIT(SIZE_MAX / 2);
        arena_reset(&r->nodes.arena);
        node_str(&b, node_value(&r->nodes, &dist->choices[i]));
        names[i] = b.failed ? NULL : label(r, (struct str){b.data, b.len});
        buf_release(&b);
        if (!names[i]) {
            return false;
        }
    }
    p->axis.kind = AXIS_NAMES;
    p->axis.names = names;
    p->axis.n_names = dist->n_choices;
    return names != NULL;
}

static struct plot_param *new_param(struct reader *r, const struct tl_param *from)
{
    struct plot_study *s = r->s;
    void *grown = s->params;
    if (!mem_grow(&grown, &r->cap_params, s->n_params + 1, sizeof *s->params)) {
        return NULL;
    }
    s->params = grown;
    struct plot_param *p = &s->params[s->n_params];
    struct str name = TEXT_OF(from->name);
    *p = (struct plot_param){.name = {arena_dup(&r->labels.arena, name.p, name.n), name.n},
                             .label = label(r, name),
                             .axis = AXIS_INIT,
                             .values = figure_doubles(&r->labels, r->cap_trials)};
    if (!p->name.p || !p->label || !p->values) {
        return NULL;
    }
    for (size_t i = 0; i < r->cap_trials; i++) {
        p->values[i] = NAN;
    }
    p->axis.title = p->label;
    p->axis.whole = from->dist->kind == TL_DIST_INT;
    if (from->dist->kind == TL_DIST_CATEGORICAL && !name_choices(r, p, from->dist)) {
        return NULL;
    }
    s->n_params++;
    return p;
}

static bool read_params(struct reader *r)
{
    for (size_t i = 0; i < r->trial.n_params; i++) {
        const struct tl_param *from = &r->trial.params[i];
        if (!from->has_value) {
            continue;
        }
        /* trials have the same parameters in the same order as a rule, so the place of the last one is a good guess */
        uint32_t at = (uint32_t)i;
        if (i >= r->s->n_params || !str_eq(r->s->params[i].name, TEXT_OF(from->name))) {
            at = intern_add(&r->names, TEXT_OF(from->name));
        }
        if (at == INTERN_NONE) {
            return false;
        }
        struct plot_param *p = at < r->s->n_params ? &r->s->params[at] : new_param(r, from);
        if (!p) {
            return false;
        }
        bool names = p->axis.kind == AXIS_NAMES;
        if (names != (from->dist->kind == TL_DIST_CATEGORICAL)) {
            continue; /* another kind than the first: no journal that is whole has that */
        }
        if (from->dist->log && !names) {
            p->axis.kind = AXIS_LOG;
        }
        p->values[r->trial.number] = from->internal;
    }
    return true;
}

static int by_step(const void *a, const void *b)
{
    const struct tl_report *x = a, *y = b;
    return (x->step > y->step) - (x->step < y->step);
}

static bool read_reports(struct reader *r, struct plot_trial *t)
{
    struct tl_report *all = arena_alloc(&r->labels.arena, (r->trial.n_reports + 1) * sizeof *all);
    bool sorted = true;
    if (!all) {
        return false;
    }
    for (size_t i = 0; i < r->trial.n_reports; i++) {
        if (!isfinite(r->trial.reports[i].value)) {
            continue;
        }
        sorted = sorted && (t->n_reports == 0 || all[t->n_reports - 1].step < r->trial.reports[i].step);
        all[t->n_reports++] = r->trial.reports[i];
    }
    if (!sorted) {
        qsort(all, t->n_reports, sizeof *all, by_step);
    }
    t->reports = all;
    return true;
}

static bool read_trial(struct reader *r)
{
    struct plot_trial *t = &r->s->trials[r->trial.number];
    *t = (struct plot_trial){.state = r->trial.state, .feasible = true};
    if (r->trial.n_attrs > 0) {
        arena_reset(&r->nodes.arena);
        t->feasible = trial_is_feasible(&r->nodes, &r->trial);
    }
    if (r->trial.has_values && r->trial.n_values == r->s->n_values) {
        double *values = figure_doubles(&r->labels, r->trial.n_values);
        if (!values) {
            return false;
        }
        memcpy(values, r->trial.values, r->trial.n_values * sizeof *values);
        t->values = values;
    }
    return ((r->what & PLOT_PARAMS) == 0 || read_params(r)) &&
           ((r->what & PLOT_REPORTS) == 0 || read_reports(r, t));
}

static int by_name(const void *a, const void *b)
{
    const struct plot_param *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int c = n ? memcmp(x->name.p, y->name.p, n) : 0;
    return c ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* Titles for the objectives: their names where the study has some. */
static void name_objectives(struct reader *r)
{
    struct plot_study *s = r->s;
    size_t n;
    const struct node *names = metric_names(&r->nodes, r->view);
    s->objectives = arena_alloc(&r->labels.arena, (s->n_values + 1) * sizeof *s->objectives);
    if (!s->objectives) {
        r->labels.failed = true;
        return;
    }
    const struct node *name = names ? names->u.kids.first : NULL;
    for (n = 0; n < s->n_values; n++) {
        if (name && name->kind == NODE_STRING && name->u.text.n > 0) {
            s->objectives[n] = label(r, name->u.text);
        } else if (s->n_values > 1) {
            s->objectives[n] = figure_text(&r->labels, "objective %zu", n);
        } else {
            s->objectives[n] = figure_text(&r->labels, "objective value");
        }
        name = name ? name->next : NULL;
    }
}

/* Ranges of the parameters' axes: over complete trials. */
static void cover(struct plot_study *s)
{
    for (size_t i = 0; i < s->n_params; i++) {
        struct plot_param *p = &s->params[i];
        for (size_t k = 0; k < s->n_trials; k++) {
            if (s->trials[k].state == TL_COMPLETE && !isnan(p->values[k])) {
                axis_cover(&p->axis, p->values[k]);
            }
        }
        axis_finish(&p->axis);
    }
}

int plot_study_read(struct cli *c, const tl_view *view, unsigned what, struct plot_study *out)
{
    struct reader r = {.c = c, .view = view, .s = out, .names = INTERN_INIT, .what = what};
    struct tl_err err = TL_ERR_INIT;
    int rc = 0;
    *out = (struct plot_study){.name = tl_view_study_name(view), .n_trials = tl_view_n_trials(view)};
    out->directions = tl_view_directions(view, &out->n_values);
    if (out->n_values > 1) {
        out->front = tl_view_front(view, &out->n_front);
    }
    out->label = label(&r, str_of(out->name));
    name_objectives(&r);
    r.cap_trials = out->n_trials;
    out->trials = mem_zalloc(out->n_trials + 1, sizeof *out->trials);
    r.labels.failed = r.labels.failed || !out->trials;
    for (size_t i = 0; i < out->n_trials && rc == 0 && !r.labels.failed; i++) {
        rc = tl_view_trial(view, (int64_t)i, &r.trial, &err);
        if (rc == 0 && !read_trial(&r)) {
            r.labels.failed = true;
        }
    }
    tl_frozen_release(&r.trial);
    intern_release(&r.names);
    arena_release(&r.nodes.arena);
    out->memory = r.labels.arena;
    if (rc || r.labels.failed || r.nodes.failed) {
        plot_study_release(out);
        return rc ? cli_fail(c, &err) : cli_nomem(c);
    }
    if (out->n_params > 1) {
        qsort(out->params, out->n_params, sizeof *out->params, by_name);
    }
    cover(out);
    return 0;
}

void plot_study_release(struct plot_study *s)
{
    mem_free(s->trials);
    mem_free(s->params);
    arena_release(&s->memory);
    *s = (struct plot_study){0};
}

struct plot_param *plot_param_find(const struct plot_study *s, const char *name)
{
    for (size_t i = 0; i < s->n_params; i++) {
        if (str_eq(s->params[i].name, str_of(name))) {
            return &s->params[i];
        }
    }
    return NULL;
}
