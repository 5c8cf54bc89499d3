/* SPDX-License-Identifier: MIT
 *
 * `trialog watch`: follows a study. One storage handle is kept; tl_storage_wait says when there is news, a view is taken, and the
 * facts grow by what is new. On a terminal a frame is drawn over the last one; elsewhere a line is printed after news.
 *
 * It only reads, through a handle that may not write: no lock is ever taken, so writers do not notice. Failure modes: at the start
 * they end the command; later (the journal is being replaced, the study was deleted) they are shown in the frame, and the next
 * look tries again.
 */
#include "base/err.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "cli/watch.h"

#include <time.h>
#include <unistd.h>

#define WAIT_MS 1000 /* longest wait for news: ages and rates change without any */

struct watch_values {
    const char *name, *colour;
    struct opt_int trials, until_finished, until_idle, interval;
    bool once, json, log, ascii;
};
static const struct opt watch_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct watch_values, name), "STUDY", NULL, NULL,
     "the study; may be left out when the journal has a single one"},
    {OPT_INT, "trials", 'n', 0, offsetof(struct watch_values, trials), "NUMBER", NULL, NULL,
     "how many trials the study is to have: shows how far it is and what time is left"},
    {OPT_INT, "until-finished", 0, 0, offsetof(struct watch_values, until_finished), "NUMBER", NULL, NULL,
     "end, with a last frame, once this many trials have finished"},
    {OPT_DURATION, "until-idle", 0, 0, offsetof(struct watch_values, until_idle), "TIME", NULL, NULL,
     "end, with a last frame, once no trial is running or waiting and none has finished for this time"},
    {OPT_DURATION, "interval", 'i', 0, offsetof(struct watch_values, interval), "TIME", NULL, "500ms",
     "shortest time between two frames"},
    {OPT_FLAG, "once", 0, 0, offsetof(struct watch_values, once), NULL, NULL, NULL, "print one frame and end"},
    {OPT_FLAG, "json", 0, 0, offsetof(struct watch_values, json), NULL, NULL, NULL,
     "print an object after each change instead, a line each"},
    {OPT_FLAG, "log", 'l', 0, offsetof(struct watch_values, log), NULL, NULL, NULL,
     "a logarithmic scale for the objective"},
    {OPT_FLAG, "ascii", 0, 0, offsetof(struct watch_values, ascii), NULL, NULL, NULL,
     "draw with plain ASCII characters, as in a terminal that has no UTF-8"},
    {OPT_CHOICE, "color", 0, 0, offsetof(struct watch_values, colour), "WHEN", "auto|always|never", "auto",
     "colours in the terminal; auto respects NO_COLOR"},
    OPT_TABLE_END,
};

struct watching {
    struct cli *c;
    const struct watch_values *v;
    struct terminal_looks looks;
    struct watch_style style;
    struct watcher watcher;
    const char *name; /* of the study */
    uint64_t seq;     /* of the view that was shown last */
    bool shown, screen;
    char trouble[256];
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Reads what is new. `*changed`: the journal went on. */
static int look(struct watching *w, bool *changed, struct tl_err *err)
{
    tl_view *view;
    int64_t id;
    /* by name each time: a study that was deleted and created again, in a journal that was replaced, has another id */
    int rc = tl_storage_find_study(w->c->storage, w->name, &id, err);
    rc = rc ? rc : tl_view_open(w->c->storage, id, true, &view, err);
    if (rc) {
        return rc;
    }
    *changed = !w->shown || tl_view_seq(view) != w->seq || tl_view_epoch(view) != w->watcher.epoch;
    w->seq = tl_view_seq(view);
    rc = watcher_look(&w->watcher, view, now_us(), err);
    tl_view_close(view);
    return rc ? rc : watcher_workers(&w->watcher, w->c->storage, id, err);
}

/* ---- showing ---- */

/* A frame as plain rows, without a screen of its own. */
static int print_frame(struct watching *w)
{
    struct canvas cv;
    struct buf b = BUF_INIT((size_t)64 << 20);
    int rows = w->looks.rows > 8 ? w->looks.rows - 1 : 24, status = 0;
    if (!canvas_init(&cv, w->looks.cols, rows, w->looks.ascii)) {
        return cli_nomem(w->c);
    }
    bool done = watch_frame(&w->watcher.facts, &w->style, &cv, w->looks.colours != COLOURS_NONE);
    canvas_write(&cv, w->looks.colours, &b);
    while (b.len > 1 && b.data[b.len - 2] == '\n') { /* empty rows at the end */
        b.len--;
    }
    status = done && !b.failed ? cli_write(w->c, b.data, b.len) : cli_nomem(w->c);
    buf_release(&b);
    canvas_release(&cv);
    return status;
}

static int show_screen(struct watching *w)
{
    struct canvas cv;
    terminal_look(&w->looks, w->v->ascii, w->v->colour);
    if (!canvas_init(&cv, w->looks.cols, w->looks.rows, w->looks.ascii)) {
        return cli_nomem(w->c);
    }
    bool done = watch_frame(&w->watcher.facts, &w->style, &cv, w->looks.colours != COLOURS_NONE);
    int status = done ? screen_show(w->c, &cv, w->looks.colours) : cli_nomem(w->c);
    canvas_release(&cv);
    return status;
}

static int show_line(struct watching *w)
{
    struct buf b = BUF_INIT((size_t)64 << 20);
    if (w->v->json) {
        watch_json(&w->watcher.facts, &b);
    } else {
        struct canvas cv;
        struct buf text = BUF_INIT(1 << 22);
        watch_line(&w->watcher.facts, &text);
        /* through a canvas, so that nothing but printable characters comes out */
        if (!text.failed && canvas_init(&cv, (int)text.len + 1, 1, w->looks.ascii)) {
            canvas_text(&cv, 0, 0, cv.cols, (struct str){text.data, text.len}, INK_PLAIN);
            canvas_write(&cv, COLOURS_NONE, &b);
            canvas_release(&cv);
        }
        buf_release(&text);
    }
    int status = b.failed || b.len == 0 ? cli_nomem(w->c) : cli_write(w->c, b.data, b.len);
    buf_release(&b);
    return status;
}

static int show(struct watching *w, bool changed)
{
    if (w->screen) {
        return show_screen(w);
    }
    return changed ? show_line(w) : 0;
}

/* ---- the loop ---- */

static bool is_over(const struct watching *w)
{
    const struct watch_facts *f = &w->watcher.facts;
    if (f->trouble) {
        return false;
    }
    if (w->v->until_finished.set && f->finished >= (uint64_t)w->v->until_finished.value) {
        return true;
    }
    return w->v->until_idle.set && f->counts[TL_RUNNING] == 0 && f->counts[TL_WAITING] == 0 &&
           f->finished > 0 && f->idle_us >= w->v->until_idle.value * 1000;
}

/* Handles keys and signals for at least `ms`; true: somebody wants to leave. */
static bool pause_for(struct watching *w, int64_t ms)
{
    int64_t end = now_us() + ms * 1000;
    for (;;) {
        int64_t left = (end - now_us()) / 1000;
        int key = screen_key(left > 0 ? left : 0);
        if (cli_stops > 0 || w->c->out_closed || key == 'q' || key == 'Q') {
            return true;
        }
        if (key == 'l' || key == 'L') {
            w->style.log = !w->style.log;
        }
        bool moved = screen_suspended();
        if (screen_resized() || moved || key) {
            show(w, false);
        }
        if (left <= 0 && key == 0) {
            return false;
        }
    }
}

static int follow(struct watching *w)
{
    struct tl_err err = TL_ERR_INIT;
    int status = 0;
    while (status == 0 && !is_over(w)) {
        bool changed = false;
        if (pause_for(w, w->v->interval.value)) {
            break;
        }
        int rc = tl_storage_wait(w->c->storage, WAIT_MS, &err);
        rc = rc >= 0 || rc == TL_ECANCELLED ? 0 : rc;
        if (cli_stops > 0) {
            break;
        }
        rc = rc ? rc : look(w, &changed, &err);
        bool had_trouble = w->watcher.facts.trouble != NULL;
        w->watcher.facts.trouble = NULL;
        if (rc == TL_ENOMEM) {
            status = cli_fail(w->c, &err);
        } else if (rc) {
            memcpy(w->trouble, err.message, sizeof w->trouble - 1);
            w->watcher.facts.trouble = w->trouble;
            changed = !had_trouble;
            pause_for(w, WAIT_MS);
        }
        status = status ? status : show(w, changed);
    }
    return status;
}

static int run_watch(struct cli *c, void *values)
{
    const struct watch_values *v = values;
    struct watching w = {.c = c, .v = v, .style = {.log = v->log}, .watcher = WATCHER_INIT};
    struct tl_err err = TL_ERR_INIT;
    bool changed;
    int64_t id;
    if ((v->trials.set && v->trials.value < 1) || (v->until_finished.set && v->until_finished.value < 1)) {
        return cli_usage(c, "--trials and --until-finished want a number above zero");
    }
    if (v->interval.value < 10) {
        return cli_usage(c, "--interval: at least 10ms");
    }
    terminal_look(&w.looks, v->ascii, v->colour);
    cli_catch_stop(c);
    c->woken = screen_news;
    int status = cli_open(c, CLI_LOOK);
    status = status ? status : cli_find_study(c, v->name, &id, &w.name);
    if (status == 0 && look(&w, &changed, &err) != 0) {
        status = cli_fail(c, &err);
    }
    struct watch_facts *f = &w.watcher.facts;
    f->storage = c->shown;
    f->total = v->trials.set           ? (uint64_t)v->trials.value
               : v->until_finished.set ? (uint64_t)v->until_finished.value
                                       : 0;
    if (status == 0 && v->once) {
        status = v->json ? show_line(&w) : print_frame(&w);
    } else if (status == 0) {
        w.screen = w.looks.is_terminal && !v->json;
        w.style.keys = w.screen;
        if (w.screen) {
            screen_enter();
        }
        w.shown = true;
        status = show(&w, true);
        status = status ? status : follow(&w);
        screen_leave();
        w.style.keys = false;
        if (status == 0 && w.screen && is_over(&w)) {
            status = print_frame(&w);
        }
        if (status == 0 && cli_stops > 0) {
            status = 128 + (int)cli_stop_signal;
        }
    }
    watcher_release(&w.watcher);
    return status;
}

const struct command cmd_watch = {
    .name = "watch",
    .group = "Results",
    .help = "Follow a running study in the terminal.",
    .about = "Shows counts, rate, the best trial, the curve of values, and the running and last\n"
             "trials, and keeps them up to date; q or Ctrl-C ends it. When standard output is no\n"
             "terminal, a line is printed after each change. The journal is only read, whoever\n"
             "writes it.",
    .opts = watch_opts,
    .values_size = sizeof(struct watch_values),
    .run = run_watch,
};
