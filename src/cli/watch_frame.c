/* SPDX-License-Identifier: MIT
 *
 * One frame of `trialog watch` from its facts (see watch.h): heading, progress, counts, the best trial, the curve of values, the
 * table of running and last trials. Pure: the same facts give the same cells.
 *
 * From top to bottom; the curve takes what the table leaves, and either is left out when the screen is low.
 */
#include "base/json.h"
#include "base/num.h"
#include "cli/progress.h"
#include "cli/watch.h"

#include <math.h>

#define BAR_CELLS    30
#define CURVE_ROWS   8 /* at least, with axes */
#define RUNNING_MOST 8
#define DIGITS       6

/* ---- texts ---- */

static void add_number(struct buf *b, double v)
{
    char text[TICK_MAX];
    axis_number(v, DIGITS, text);
    buf_add_text(b, text);
}

static void add_values(struct buf *b, const struct watch_facts *f, const struct watch_trial *t)
{
    for (size_t i = 0; i < f->n_values && t->values; i++) {
        buf_add_text(b, i ? " " : "");
        add_number(b, t->values[i]);
    }
}

static void add_params(struct buf *b, const struct watch_trial *t)
{
    for (const struct node *n = t->params ? t->params->u.kids.first : NULL; n; n = n->next) {
        if (n != t->params->u.kids.first) {
            buf_add_char(b, ' ');
        }
        buf_add_str(b, n->key);
        buf_add_char(b, '=');
        if (n->kind == NODE_FLOAT) {
            add_number(b, n->u.f);
        } else {
            node_str(b, n);
        }
    }
}

static void add_span(struct buf *b, int64_t us)
{
    if (us >= 0 && us < INT64_MAX / 1000) {
        progress_duration(us * 1000, b);
    } else {
        buf_add_char(b, '-');
    }
}

static void add_rate(struct buf *b, double per_second)
{
    static const struct {
        double seconds;
        const char *unit;
    } units[] = {{1, "/s"}, {60, "/min"}, {3600, "/h"}};
    size_t i = 0;
    char text[TICK_MAX];
    while (i + 1 < TL_COUNT(units) && per_second * units[i].seconds < 1) {
        i++;
    }
    axis_number(per_second * units[i].seconds, 2, text);
    buf_add_text(b, text);
    buf_add_text(b, units[i].unit);
}

static double seconds_left(const struct watch_facts *f)
{
    return f->total > f->finished && f->rate > 0 ? (double)(f->total - f->finished) / f->rate : 0;
}

/* "120/200 finished  60 %  3.2/s  1m20s left  for 3m02s" */
static void add_progress(struct buf *b, const struct watch_facts *f)
{
    buf_printf(b, "%llu", (unsigned long long)f->finished);
    if (f->total > 0) {
        buf_printf(b, "/%llu", (unsigned long long)f->total);
    }
    buf_add_text(b, " finished");
    if (f->rate > 0) {
        buf_add_text(b, "  ");
        add_rate(b, f->rate);
    }
    double left = seconds_left(f);
    if (left > 0 && left < 1e9) {
        buf_add_text(b, "  ");
        progress_duration((int64_t)(left * 1e9), b);
        buf_add_text(b, " left");
    }
    if (f->age_us >= 0) {
        buf_add_text(b, "  since ");
        add_span(b, f->age_us);
    }
    if (f->idle_us >= 0) {
        buf_add_text(b, "  last ");
        add_span(b, f->idle_us);
        buf_add_text(b, " ago");
    }
}

static void add_best(struct buf *b, const struct watch_facts *f)
{
    if (f->n_values > 1) {
        buf_printf(b, "front: %zu trial%s", f->n_front, f->n_front == 1 ? "" : "s");
    } else if (f->best.number < 0) {
        buf_add_text(b, f->counts[TL_COMPLETE] ? "best: no complete trial keeps the constraints"
                                               : "best: no trial is complete yet");
    } else {
        buf_add_text(b, "best ");
        add_values(b, f, &f->best);
        buf_printf(b, " (trial %lld)  ", (long long)f->best.number);
        add_params(b, &f->best);
    }
}

void watch_line(const struct watch_facts *f, struct buf *out)
{
    if (f->trouble) {
        buf_add_text(out, f->trouble);
        return;
    }
    add_progress(out, f);
    buf_printf(out, "  %llu running  ", (unsigned long long)f->counts[TL_RUNNING]);
    add_best(out, f);
}

/* ---- frame ---- */

struct page {
    const struct watch_facts *f;
    struct canvas *cv;
    struct buf text;
    int y; /* the next free row */
};

/* Puts the collected text into the canvas. */
static int put(struct page *p, int x, int y, int width, enum ink ink)
{
    int n = canvas_text(p->cv, x, y, width, (struct str){p->text.data, p->text.len}, ink);
    p->text.len = 0;
    return n;
}

static void heading(struct page *p, const struct watch_style *style)
{
    const char *keys = style->keys ? "q quit  l log" : "";
    int room = p->cv->cols - (int)strlen(keys) - 2;
    int x = canvas_text(p->cv, 0, 0, room, str_of(p->f->study), INK_STRONG) + 2;
    canvas_text(p->cv, x, 0, room - x, str_of(p->f->storage ? p->f->storage : ""), INK_FAINT);
    canvas_text_left_of(p->cv, p->cv->cols, 0, (int)strlen(keys), str_of(keys), INK_FAINT);
    p->y = 1;
}

static void progress(struct page *p)
{
    const struct watch_facts *f = p->f;
    int x = 0;
    if (f->total > 0) {
        double share = f->finished >= f->total ? 1 : (double)f->finished / (double)f->total;
        for (; x < BAR_CELLS; x++) {
            bool full = x < (int)(share * BAR_CELLS);
            canvas_put(p->cv, x, p->y, full ? 0x2588 : 0x2591, full ? '#' : '.', full ? INK_FIRST : INK_FAINT);
        }
        x++;
    }
    add_progress(&p->text, f);
    put(p, x, p->y++, p->cv->cols - x, INK_PLAIN);
}

static void counts(struct page *p)
{
    static const struct {
        const char *name;
        enum tl_state state;
        enum ink ink;
    } shown[] = {{"running", TL_RUNNING, INK_FIRST},
                 {"complete", TL_COMPLETE, INK_GOOD},
                 {"pruned", TL_PRUNED, INK_PLAIN},
                 {"failed", TL_FAIL, INK_BAD},
                 {"waiting", TL_WAITING, INK_PLAIN}};
    int x = 0;
    for (size_t i = 0; i < TL_COUNT(shown); i++) {
        uint64_t n = p->f->counts[shown[i].state];
        buf_printf(&p->text, "%llu %s", (unsigned long long)n, shown[i].name);
        if (shown[i].state == TL_RUNNING && p->f->workers > 0) {
            buf_printf(&p->text, " by %zu worker%s", p->f->workers, p->f->workers == 1 ? "" : "s");
        }
        if (shown[i].state == TL_RUNNING && p->f->workers_seen > p->f->workers) {
            buf_printf(&p->text, " (%zu seen)", p->f->workers_seen);
        }
        x += put(p, x, p->y, p->cv->cols - x, n ? shown[i].ink : INK_FAINT) + 3;
    }
    p->y++;
}

/* The values of complete trials and the best so far; with several objectives the first two against each other. */
static void curve(struct page *p, int rows, const struct watch_style *style, bool coloured)
{
    const struct watch_facts *f = p->f;
    struct series series[2] = {
        {.look = LOOK_POINTS, .tint = TINT_SERIES, .n = f->n_points, .x = f->numbers, .y = f->values},
        {.name = "best so far", .look = LOOK_STEPS, .tint = TINT_SERIES + 1}};
    struct panel panel = {.x = AXIS_INIT, .y = AXIS_INIT, .series = series, .n_series = 1};
    struct figure figure = {.panels = &panel, .n_panels = 1};
    double *numbers = NULL, *values = NULL;
    panel.x.title = "trial";
    panel.x.whole = true;
    panel.y.title = f->objectives[0];
    panel.y.kind = style->log ? AXIS_LOG : AXIS_LINEAR;
    if (f->n_values > 1) {
        panel.x = (struct axis)AXIS_INIT;
        panel.x.title = f->objectives[0];
        panel.y.title = f->objectives[1];
        panel.x.kind = panel.y.kind;
        series[0].x = f->values;
        series[0].y = f->others;
    } else if (f->n_best > 0) {
        /* trials end in another order than they begin: the line is one of ends, so it may step back a little; and it goes on to
         * the right */
        numbers = mem_alloc((f->n_best + 1) * sizeof *numbers);
        values = mem_alloc((f->n_best + 1) * sizeof *values);
        if (numbers && values) {
            double last = 0;
            for (size_t i = 0; i < f->n_best; i++) {
                numbers[i] = last = f->best_numbers[i] > last ? f->best_numbers[i] : last;
                values[i] = f->best_values[i];
            }
            for (size_t i = 0; i < f->n_points; i++) {
                last = f->numbers[i] > last ? f->numbers[i] : last;
            }
            numbers[f->n_best] = last;
            values[f->n_best] = values[f->n_best - 1];
            series[1].n = f->n_best + 1;
            series[1].x = numbers;
            series[1].y = values;
            panel.n_series = 2;
        }
    }
    panel_cover(&panel);
    figure_draw_panel(&figure, &panel, p->cv, (struct cell_box){0, p->y, p->cv->cols, rows}, coloured);
    mem_free(numbers);
    mem_free(values);
    p->y += rows;
}

struct columns {
    int number, state, value, time;
};

static void row(struct page *p, const struct columns *c, const struct watch_trial *t)
{
    static const char *const names[TL_N_STATES] = {"running", "complete", "pruned", "failed", "waiting"};
    static const enum ink inks[TL_N_STATES] = {INK_FIRST, INK_GOOD, INK_PLAIN, INK_BAD, INK_PLAIN};
    char number[NUM_MAX];
    int x = c->number;
    num_format_int(t->number, number);
    canvas_text_left_of(p->cv, x, p->y, c->number, str_of(number), INK_PLAIN);
    canvas_text(p->cv, x + 2, p->y, c->state, str_of(names[t->state]), inks[t->state]);
    x += 2 + c->state + 1;
    if (t->values) {
        add_values(&p->text, p->f, t);
    } else if (t->reported) {
        add_number(&p->text, t->report.value);
        buf_printf(&p->text, " @%lld", (long long)t->report.step);
    }
    put(p, x, p->y, c->value, INK_PLAIN);
    x += c->value + 1;
    add_span(&p->text, t->span_us);
    put(p, x, p->y, c->time, INK_PLAIN);
    x += c->time + 1;
    add_params(&p->text, t);
    put(p, x, p->y, p->cv->cols - x, INK_PLAIN);
    p->y++;
}

static void table(struct page *p, size_t n_running, size_t n_last)
{
    const struct watch_facts *f = p->f;
    struct columns c = {8, 8, f->n_values > 1 ? 24 : 16, 7};
    if (p->y >= p->cv->rows) {
        return;
    }
    canvas_text_left_of(p->cv, c.number, p->y, c.number, STR("trial"), INK_STRONG);
    canvas_text(p->cv, c.number + 2, p->y, c.state, STR("state"), INK_STRONG);
    canvas_text(p->cv, c.number + c.state + 3, p->y, c.value, STR("value"), INK_STRONG);
    canvas_text(p->cv, c.number + c.state + c.value + 4, p->y, c.time, STR("time"), INK_STRONG);
    canvas_text(p->cv, c.number + c.state + c.value + c.time + 5, p->y, 10, STR("parameters"), INK_STRONG);
    p->y++;
    for (size_t i = 0; i < n_running; i++) {
        row(p, &c, &f->running[i]);
    }
    for (size_t i = 0; i < n_last; i++) {
        row(p, &c, &f->last[i]);
    }
}

bool watch_frame(const struct watch_facts *f, const struct watch_style *style, struct canvas *cv, bool coloured)
{
    struct page p = {.f = f, .cv = cv, .text = BUF_INIT(1 << 22)};
    heading(&p, style);
    if (f->trouble) {
        canvas_text(cv, 0, 1, cv->cols, str_of(f->trouble), INK_BAD);
        p.y = 2;
    }
    progress(&p);
    counts(&p);
    add_best(&p.text, f);
    put(&p, 0, p.y++, cv->cols, INK_STRONG);
    int room = cv->rows - p.y - 1, half = room / 2 > 2 ? room / 2 : 2;
    /* the table gets at most half of what is left, running trials first */
    size_t running = f->n_running < RUNNING_MOST ? f->n_running : RUNNING_MOST, last = f->n_last;
    if (room - half < CURVE_ROWS) {
        half = room; /* too low for both */
    }
    running = running > (size_t)(half - 1) ? (size_t)(half > 1 ? half - 1 : 0) : running;
    last = last > (size_t)(half - 1) - running ? (size_t)(half - 1) - running : last;
    int rows = half < room ? room - (int)(running + last) - 1 : 0;
    p.y++;
    if (rows >= CURVE_ROWS) {
        curve(&p, rows, style, coloured);
    }
    table(&p, running, last);
    bool done = !p.text.failed;
    buf_release(&p.text);
    return done;
}

/* ---- JSON ---- */

static void json_trial(struct buf *out, const struct watch_facts *f, const struct watch_trial *t)
{
    buf_printf(out, "{\"number\": %lld, \"state\": \"%s\", \"values\": ", (long long)t->number,
               tl_state_name((int)t->state));
    for (size_t i = 0; i < f->n_values && t->values; i++) {
        buf_add_text(out, i ? ", " : "[");
        json_put_double(out, t->values[i]);
    }
    buf_add_text(out, t->values ? "]" : "null");
    if (t->span_us >= 0) {
        buf_printf(out, ", \"seconds\": %lld.%06lld", (long long)(t->span_us / 1000000),
                   (long long)(t->span_us % 1000000));
    }
    if (t->reported) {
        buf_printf(out, ", \"step\": %lld, \"report\": ", (long long)t->report.step);
        json_put_double(out, t->report.value);
    }
    buf_add_text(out, ", \"params\": ");
    node_json(out, t->params);
    buf_add_char(out, '}');
}

static void json_seconds(struct buf *out, const char *name, double seconds)
{
    buf_printf(out, ", \"%s\": ", name);
    if (seconds >= 0) {
        json_put_double(out, seconds);
    } else {
        buf_add_text(out, "null");
    }
}

static void json_trials(struct buf *out, const struct watch_facts *f, const char *name,
                        const struct watch_trial *t, size_t n)
{
    buf_printf(out, ", \"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        buf_add_text(out, i ? ", " : "");
        json_trial(out, f, &t[i]);
    }
    buf_add_char(out, ']');
}

void watch_json(const struct watch_facts *f, struct buf *out)
{
    buf_add_text(out, "{\"study\": ");
    json_put_string(out, str_of(f->study));
    for (int i = 0; i < TL_N_STATES; i++) {
        buf_printf(out, ", \"%s\": %llu", tl_state_name(i), (unsigned long long)f->counts[i]);
    }
    buf_printf(out, ", \"finished\": %llu", (unsigned long long)f->finished);
    buf_printf(out, ", \"workers\": %zu, \"workers_seen\": %zu", f->workers, f->workers_seen);
    if (f->total > 0) {
        buf_printf(out, ", \"total\": %llu", (unsigned long long)f->total);
    }
    json_seconds(out, "rate", f->rate);
    double left = seconds_left(f);
    json_seconds(out, "seconds_left", left > 0 ? left : -1);
    json_seconds(out, "seconds_since_start", f->age_us >= 0 ? (double)f->age_us / 1e6 : -1);
    json_seconds(out, "seconds_since_last", f->idle_us >= 0 ? (double)f->idle_us / 1e6 : -1);
    buf_add_text(out, ", \"best\": ");
    if (f->best.number >= 0) {
        json_trial(out, f, &f->best);
    } else {
        buf_add_text(out, "null");
    }
    if (f->n_values > 1) {
        buf_printf(out, ", \"front\": %zu", f->n_front);
    }
    json_trials(out, f, "running", f->running, f->n_running);
    json_trials(out, f, "last", f->last, f->n_last);
    buf_add_text(out, "}\n");
}
