/* SPDX-License-Identifier: MIT
 *
 * What `trialog watch` knows of a study (see watch.h). Columns of values grow with the view's rows, so a look costs what is new, the
 * unfinished trials, and the few trials of the table. When the view's epoch changes (the journal was replaced), all begins anew.
 *
 * Failure modes: memory; the facts of the last look then stay as they were or are begun anew by the next one.
 */
#include "base/err.h"
#include "cli/trials.h"
#include "cli/watch.h"
#include "cli/when.h"

#include <math.h>
#include <stdlib.h>

#define RATE_ROWS 50 /* finished trials that the rate is taken from */

static bool push(double **column, size_t *cap, size_t n, double v)
{
    void *grown = *column;
    if (!mem_grow(&grown, cap, n + 1, sizeof **column)) {
        return false;
    }
    *column = grown;
    (*column)[n] = v;
    return true;
}

/* Microseconds from an instant to now; instants without offset are local ones. */
static int64_t age_us(struct tl_time t, int64_t now_us)
{
    int64_t now = t.naive ? when_local_us((struct tl_time){now_us, true, false}) : now_us;
    return !t.set ? -1 : now > t.us ? now - t.us : 0;
}

/* ---- columns ---- */

static bool is_better(const struct watch_facts *f, double a, double b)
{
    return f->directions[0] == TL_MAXIMIZE ? a > b : a < b;
}

/* A complete row: into the columns, and into the curve of best values when it improves on them and keeps its constraints. */
static int add_row(struct watcher *w, const tl_view *view, const struct tl_row *row, struct tl_err *err)
{
    struct watch_facts *f = &w->facts;
    double v = row->values[0];
    if (!push(&w->numbers, &w->cap_points, f->n_points, (double)row->number) ||
        !push(&w->values, &w->cap_values, f->n_points, v)) {
        return err_nomem(err);
    }
    if (f->n_values > 1 && !push(&w->others, &w->cap_others, f->n_points, row->values[1])) {
        return err_nomem(err);
    }
    f->n_points++;
    if (f->n_values > 1 || isnan(v) || (f->n_best > 0 && !is_better(f, v, w->best_values[f->n_best - 1]))) {
        return 0;
    }
    int rc = tl_view_trial(view, row->number, &w->trial, err);
    arena_reset(&w->nodes.arena);
    if (rc || !trial_is_feasible(&w->nodes, &w->trial)) {
        return rc;
    }
    if (!push(&w->best_numbers, &w->cap_best, f->n_best, (double)row->number) ||
        !push(&w->best_values, &w->cap_best_values, f->n_best, v)) {
        return err_nomem(err);
    }
    f->n_best++;
    return 0;
}

static int read_rows(struct watcher *w, const tl_view *view, struct tl_err *err)
{
    size_t n = tl_view_n_rows(view);
    int rc = 0;
    if (w->epoch != tl_view_epoch(view) || n < w->rows) {
        w->epoch = tl_view_epoch(view);
        w->rows = w->facts.n_points = w->facts.n_best = 0;
    }
    for (; w->rows < n && rc == 0; w->rows += rc == 0) {
        struct tl_row row;
        tl_view_row(view, w->rows, &row);
        if (row.state == TL_COMPLETE && row.values && row.n_values == w->facts.n_values) {
            rc = add_row(w, view, &row, err);
        }
    }
    w->facts.numbers = w->numbers;
    w->facts.values = w->values;
    w->facts.others = w->facts.n_values > 1 ? w->others : NULL;
    w->facts.best_numbers = w->best_numbers;
    w->facts.best_values = w->best_values;
    return rc;
}

/* ---- trials of the table ---- */

static const struct node *params_of(struct nodes *ns, const struct tl_frozen_trial *t)
{
    struct node *all = node_new(ns, NODE_DICT);
    for (size_t i = 0; i < t->n_params && all; i++) {
        const struct tl_param *p = &t->params[i];
        struct tl_value v;
        if (!p->has_value || tl_dist_external(p->dist, p->internal, &v, NULL) != 0) {
            continue;
        }
        char *name = node_keep(ns, (struct str){p->name.s, p->name.len});
        if (v.kind == TL_VALUE_STRING || v.kind == TL_VALUE_JSON) {
            v.as.text.s = node_keep(ns, (struct str){v.as.text.s, v.as.text.len});
        }
        if (name) {
            node_add(ns, all, (struct str){name, p->name.len}, node_value(ns, &v));
        }
    }
    return all;
}

static int read_trial(struct watcher *w, const tl_view *view, int64_t number, int64_t now_us,
                      struct watch_trial *out, struct tl_err *err)
{
    const struct tl_frozen_trial *t = &w->trial;
    int rc = tl_view_trial(view, number, &w->trial, err);
    if (rc) {
        return rc;
    }
    *out = (struct watch_trial){.number = number, .state = t->state, .span_us = -1};
    if (t->start.set && t->complete.set && t->start.naive == t->complete.naive) {
        out->span_us = t->complete.us - t->start.us;
    } else if (t->state == TL_RUNNING) {
        out->span_us = age_us(t->start, now_us);
    }
    if (t->has_values && t->n_values == w->facts.n_values) {
        double *values = arena_alloc(&w->nodes.arena, t->n_values * sizeof *values);
        if (!values) {
            return err_nomem(err);
        }
        memcpy(values, t->values, t->n_values * sizeof *values);
        out->values = values;
    }
    out->reported = tl_view_last_report(view, number, &out->report);
    out->params = params_of(&w->nodes, t);
    return w->nodes.failed ? err_nomem(err) : 0;
}

static int read_table(struct watcher *w, const tl_view *view, int64_t now_us, struct tl_err *err)
{
    struct watch_facts *f = &w->facts;
    size_t n, rows = tl_view_n_rows(view);
    const int64_t *unfinished = tl_view_unfinished(view, &n);
    int rc = 0;
    f->n_running = f->n_last = 0;
    for (size_t i = 0; i < n && f->n_running < WATCH_ROWS && rc == 0; i++) {
        if (tl_view_trial_state(view, unfinished[i]) != TL_RUNNING) {
            continue;
        }
        rc = read_trial(w, view, unfinished[i], now_us, &f->running[f->n_running], err);
        f->n_running += rc == 0;
    }
    for (size_t i = 0; i < rows && f->n_last < WATCH_ROWS && rc == 0; i++) {
        struct tl_row row;
        tl_view_row(view, rows - 1 - i, &row);
        rc = read_trial(w, view, row.number, now_us, &f->last[f->n_last], err);
        f->n_last += rc == 0;
    }
    f->best = (struct watch_trial){.number = -1};
    if (rc == 0 && tl_view_best(view) >= 0) {
        rc = read_trial(w, view, tl_view_best(view), now_us, &f->best, err);
    }
    return rc;
}

/* From the ends of the last trials: how many in how long, up to now. A study that stands still so becomes slower and slower. */
static int read_rate(struct watcher *w, const tl_view *view, int64_t now_us, struct tl_err *err)
{
    struct watch_facts *f = &w->facts;
    size_t rows = tl_view_n_rows(view), n = rows < RATE_ROWS ? rows : RATE_ROWS;
    struct tl_row row;
    int rc = 0;
    f->rate = 0;
    f->idle_us = -1;
    if (n == 0) {
        return 0;
    }
    tl_view_row(view, rows - 1, &row);
    rc = tl_view_trial(view, row.number, &w->trial, err);
    if (rc == 0) {
        f->idle_us = age_us(w->trial.complete, now_us);
    }
    tl_view_row(view, rows - n, &row);
    rc = rc ? rc : tl_view_trial(view, row.number, &w->trial, err);
    if (rc) {
        return rc;
    }
    /* all of them lie in the window, so it begins with the first one's start */
    int64_t window = age_us(n == rows && w->trial.start.set ? w->trial.start : w->trial.complete, now_us);
    size_t gained = n == rows ? n : n - 1;
    f->rate = window > 0 ? (double)gained / ((double)window / 1e6) : 0;
    return 0;
}

/* ---- what does not change ---- */

static int read_study(struct watcher *w, const tl_view *view, struct tl_err *err)
{
    struct watch_facts *f = &w->facts;
    const enum tl_direction *directions = tl_view_directions(view, &f->n_values);
    const char *name = tl_view_study_name(view);
    arena_reset(&w->titles);
    enum tl_direction *copy = arena_alloc(&w->titles, f->n_values * sizeof *copy);
    const char **titles = arena_alloc(&w->titles, f->n_values * sizeof *titles);
    f->study = arena_dup(&w->titles, name, strlen(name));
    if (!copy || !titles || !f->study) {
        return err_nomem(err);
    }
    memcpy(copy, directions, f->n_values * sizeof *copy);
    f->directions = copy;
    f->objectives = titles;
    const struct node *names = metric_names(&w->nodes, view), *one = names ? names->u.kids.first : NULL;
    for (size_t i = 0; i < f->n_values; i++) {
        char text[32];
        struct buf b = BUF_INIT(sizeof text);
        if (one && one->kind == NODE_STRING) {
            titles[i] = arena_dup(&w->titles, one->u.text.p, one->u.text.n);
        } else if (f->n_values == 1) {
            titles[i] = "objective value";
        } else {
            buf_printf(&b, "objective %zu", i);
            titles[i] = b.failed ? NULL : arena_dup(&w->titles, b.data, b.len);
        }
        buf_release(&b);
        if (!titles[i]) {
            return err_nomem(err);
        }
        one = one ? one->next : NULL;
    }
    return 0;
}

int watcher_look(struct watcher *w, const tl_view *view, int64_t now_us, struct tl_err *err)
{
    struct watch_facts *f = &w->facts;
    arena_reset(&w->nodes.arena);
    w->nodes.failed = false;
    /* what points into the arenas is void until it was read again */
    f->n_running = f->n_last = 0;
    f->best = (struct watch_trial){.number = -1};
    int rc = read_study(w, view, err);
    rc = rc ? rc : read_rows(w, view, err);
    arena_reset(&w->nodes.arena);
    for (int i = 0; i < TL_N_STATES; i++) {
        f->counts[i] = tl_view_count(view, (enum tl_state)i);
    }
    f->finished = f->counts[TL_COMPLETE] + f->counts[TL_PRUNED] + f->counts[TL_FAIL];
    f->age_us = age_us(tl_view_start(view), now_us);
    f->n_front = 0;
    if (f->n_values > 1) {
        tl_view_front(view, &f->n_front);
    }
    rc = rc ? rc : read_table(w, view, now_us, err);
    return rc ? rc : read_rate(w, view, now_us, err);
}

struct workers {
    struct intern *seen, now;
    int64_t study_id;
};

static int note_worker(void *ctx, const struct tl_running_trial *t)
{
    struct workers *k = ctx;
    struct str worker = str_of(t->worker);
    if (t->study_id != k->study_id) {
        return 0;
    }
    return intern_add(&k->now, worker) == INTERN_NONE || intern_add(k->seen, worker) == INTERN_NONE ? TL_ENOMEM
                                                                                                    : 0;
}

int watcher_workers(struct watcher *w, tl_storage *storage, int64_t study_id, struct tl_err *err)
{
    struct workers k = {&w->seen, INTERN_INIT, study_id};
    int rc = tl_storage_each_running(storage, note_worker, &k, err);
    w->facts.workers = k.now.strings.len;
    w->facts.workers_seen = w->seen.strings.len;
    intern_release(&k.now);
    return rc;
}

void watcher_release(struct watcher *w)
{
    mem_free(w->numbers);
    mem_free(w->values);
    mem_free(w->others);
    mem_free(w->best_numbers);
    mem_free(w->best_values);
    arena_release(&w->nodes.arena);
    arena_release(&w->titles);
    tl_frozen_release(&w->trial);
    intern_release(&w->seen);
    *w = (struct watcher){0};
}
