/* SPDX-License-Identifier: MIT
 *
 * The parts of `trialog watch`: what is known of a study at one moment (watch_facts.c, kept up from view to view), and how that
 * looks (watch_frame.c, pure). cmd_watch.c has the loop.
 */
#ifndef TL_WATCH_H
#define TL_WATCH_H

#include "base/map.h"
#include "cli/cli.h"
#include "cli/figure.h"
#include "cli/node.h"

#define WATCH_ROWS 40 /* running and finished trials that are kept for the table, each */

struct watch_trial {
    int64_t number;
    enum tl_state state;
    const double *values; /* NULL: none */
    int64_t span_us;      /* how long it took, or has been running; -1: unknown */
    bool reported;
    struct tl_report report; /* the last one */
    const struct node *params; /* {name: value} */
};

struct watch_facts {
    const char *study, *storage;
    size_t n_values;
    const enum tl_direction *directions; /* n_values */
    const char *const *objectives;       /* titles, n_values */
    uint64_t counts[TL_N_STATES];
    size_t workers, workers_seen; /* with running trials: now, and since the watching began */
    uint64_t finished;
    uint64_t total;   /* finished trials that are wanted; 0: unknown */
    double rate;      /* trials finished per second, lately; 0: unknown */
    int64_t age_us;   /* since the first trial began; -1: unknown */
    int64_t idle_us;  /* since the last one finished; -1: unknown */
    struct watch_trial best; /* number -1: none, or several objectives */
    size_t n_front;
    struct watch_trial running[WATCH_ROWS], last[WATCH_ROWS]; /* running: oldest first; last: newest first */
    size_t n_running, n_last; /* kept ones */
    /* complete trials in the order of their ends: number and values */
    const double *numbers, *values, *others; /* others: the second objective, or NULL */
    size_t n_points;
    const double *best_numbers, *best_values; /* where the best value changed */
    size_t n_best;
    const char *trouble; /* why the study cannot be read just now; NULL: it can */
};

/* What is kept from one look to the next: only new rows are read. Begin with WATCHER_INIT. */
struct watcher {
    struct watch_facts facts;
    uint64_t epoch;
    size_t rows; /* of the view that are in the columns below */
    double *numbers, *values, *others, *best_numbers, *best_values;
    size_t cap_points, cap_others, cap_values, cap_best, cap_best_values;
    struct nodes nodes; /* of the current facts */
    struct arena titles;
    struct tl_frozen_trial trial;
    struct intern seen; /* workers */
};
#define WATCHER_INIT {.seen = INTERN_INIT}
/* Brings the facts up to a view. `now_us`: the time, microseconds since 1970. Errors: TL_ENOMEM and those of tl_view_trial. */
int watcher_look(struct watcher *w, const tl_view *view, int64_t now_us, struct tl_err *err);
/* Counts the workers that run trials of a study. */
int watcher_workers(struct watcher *w, tl_storage *storage, int64_t study_id, struct tl_err *err);
void watcher_release(struct watcher *w);

struct watch_style {
    bool log;  /* the value's axis */
    bool keys; /* mention them */
};
/* One frame, filling the canvas: heading, counts, best, curve, table. False: out of memory. */
bool watch_frame(const struct watch_facts *f, const struct watch_style *style, struct canvas *cv, bool coloured);
/* One line: "12/200 finished …". */
void watch_line(const struct watch_facts *f, struct buf *out);
/* One JSON object. */
void watch_json(const struct watch_facts *f, struct buf *out);

#endif
