/* SPDX-License-Identifier: MIT
 *
 * Figures for a terminal. A panel is, from top to bottom: its title; the y axis' title and the legend; the area, with the y axis
 * and its ticks at the left; the x axis; its ticks; its title. Points and lines are dots of an eighth of a cell.
 *
 * Pure: sizes and capabilities come in as arguments. Failure modes: memory. What does not fit is cut.
 */
#include "cli/figure.h"

#include <math.h>

#define TICKS_MOST  24
#define LABEL_CELLS 14 /* of a y tick, at most */
#define PANEL_COLS  44 /* smallest width of a panel beside others, and what a good one has */
#define PANEL_ROWS  16
#define SINGLE_ROWS 24
#define BAND_COLS   9   /* between two parallel axes, at least */
#define GAP         2   /* between panels */
#define FEW_POINTS  150 /* are drawn larger */

static enum ink ink_of(unsigned tint)
{
    if (tint == TINT_MUTED) {
        return (enum ink)(INK_FIRST + N_SERIES_INKS - 1);
    }
    return tint >= TINT_SERIES ? (enum ink)(INK_FIRST + (tint - TINT_SERIES) % (N_SERIES_INKS - 1)) : INK_FIRST;
}

static enum ink point_ink(const struct figure *f, const struct series *s, size_t i)
{
    if (s->tint == TINT_SHADE && s->shade && f->has_shade) {
        return ink_shade(figure_shade(f, s->shade[i]));
    }
    return ink_of(s->tint);
}

/* ---- series ---- */

/* Where values fall inside the area, in dots. */
struct area {
    const struct figure *f;
    const struct panel *p;
    struct canvas *cv;
    struct dot_box dots;
    bool coloured;
};

static double dot_x(const struct area *a, double v)
{
    return a->dots.x + axis_place(&a->p->x, v) * (a->dots.w - 1);
}

static double dot_y(const struct area *a, double v)
{
    return a->dots.y + (1 - axis_place(&a->p->y, v)) * (a->dots.h - 1);
}

/* A point of `size` dots: 1, 4 (a square) or 5 (a cross). */
static void put_dot(const struct area *a, double x, double y, enum ink ink, size_t size)
{
    static const int square[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}},
                     cross[][2] = {{0, 0}, {1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    const int(*around)[2] = size == TL_COUNT(cross) ? cross : square;
    for (size_t i = 0; i < size; i++) {
        double at_x = round(x) + around[i][0], at_y = round(y) + around[i][1];
        if (at_x >= a->dots.x && at_y >= a->dots.y && at_x < a->dots.x + a->dots.w &&
            at_y < a->dots.y + a->dots.h) {
            canvas_dot(a->cv, (int)at_x, (int)at_y, ink);
        }
    }
}

static void draw_series(const struct area *a, const struct series *s)
{
    bool line = s->look == LOOK_LINE || s->look == LOOK_STEPS, last_shown = false;
    double last_x = 0, last_y = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool shown = axis_shows(&a->p->x, s->x[i]) && axis_shows(&a->p->y, s->y[i]);
        if (shown) {
            double x = dot_x(a, s->x[i]), y = dot_y(a, s->y[i]);
            enum ink ink = point_ink(a->f, s, i);
            if (a->p->field.side > 0 && !a->coloured) { /* the surface is made of characters: dots would not be seen */
                if (s->look == LOOK_MARKS) {
                    canvas_put(a->cv, (int)x / CANVAS_DOTS_X, (int)y / CANVAS_DOTS_Y, 0x25cf, 'O', ink);
                }
                continue;
            }
            if (line && last_shown && s->look == LOOK_LINE) {
                canvas_line(a->cv, &a->dots, last_x, last_y, x, y, ink);
            } else if (line && last_shown) {
                canvas_line(a->cv, &a->dots, last_x, last_y, x, last_y, ink);
                canvas_line(a->cv, &a->dots, x, last_y, x, y, ink);
            } else {
                put_dot(a, x, y, ink, s->look == LOOK_MARKS ? 5 : !line && s->n <= FEW_POINTS ? 4 : 1);
            }
            last_x = x;
            last_y = y;
        }
        last_shown = shown;
    }
}

static void draw_field(const struct area *a, struct cell_box box, bool coloured)
{
    const struct field *d = &a->p->field;
    for (int y = 0; y < box.h && d->side > 0; y++) {
        for (int x = 0; x < box.w; x++) {
            size_t column = (size_t)((double)x / box.w * (double)d->side);
            size_t row = (size_t)((double)(box.h - 1 - y) / box.h * (double)d->side);
            double z = d->z[row * d->side + column];
            if (!isnan(z)) {
                canvas_fill(a->cv, box.x + x, box.y + y, figure_shade(a->f, z), coloured);
            }
        }
    }
}

/* ---- axes ---- */

static int widest(const struct axis *a, const struct tick *ticks, size_t n)
{
    int most = 1;
    for (size_t i = 0; i < n; i++) {
        int cells = text_cells(axis_tick_text(a, &ticks[i]));
        most = cells > most ? cells : most;
    }
    return most < LABEL_CELLS ? most : LABEL_CELLS;
}

static void draw_y_axis(const struct area *a, struct cell_box box, const struct tick *ticks, size_t n)
{
    for (int y = 0; y < box.h; y++) {
        canvas_put(a->cv, box.x - 1, box.y + y, 0x2502, '|', INK_FAINT);
    }
    for (size_t i = 0; i < n; i++) {
        int y = (int)round(dot_y(a, ticks[i].at)) / CANVAS_DOTS_Y;
        if (y < box.y || y >= box.y + box.h) {
            continue;
        }
        canvas_put(a->cv, box.x - 1, y, 0x2524, '+', INK_FAINT);
        canvas_text_left_of(a->cv, box.x - 1, y, LABEL_CELLS, axis_tick_text(&a->p->y, &ticks[i]), INK_PLAIN);
    }
}

static void draw_x_axis(const struct area *a, struct cell_box box)
{
    struct tick ticks[TICKS_MOST];
    bool names = a->p->x.kind == AXIS_NAMES;
    size_t most = (size_t)(box.w / (names ? 6 : 10)) + 1;
    size_t n = axis_ticks(&a->p->x, most < TICKS_MOST ? most < 2 ? 2 : most : TICKS_MOST, ticks);
    int y = box.y + box.h, free_from = box.x - 1, each = n > 0 ? box.w / (int)n : box.w;
    canvas_put(a->cv, box.x - 1, y, 0x2514, '+', INK_FAINT);
    for (int x = 0; x < box.w; x++) {
        canvas_put(a->cv, box.x + x, y, 0x2500, '-', INK_FAINT);
    }
    for (size_t i = 0; i < n; i++) {
        struct str text = axis_tick_text(&a->p->x, &ticks[i]);
        int x = (int)round(dot_x(a, ticks[i].at)) / CANVAS_DOTS_X, cells = text_cells(text);
        if (x < box.x || x >= box.x + box.w) {
            continue;
        }
        canvas_put(a->cv, x, y, 0x252c, '+', INK_FAINT);
        if (names && n > 1 && cells > each - 1) {
            cells = each > 2 ? each - 1 : 1;
        }
        int from = x - cells / 2;
        from = from + cells > box.x + box.w ? box.x + box.w - cells : from;
        from = from < box.x - 1 ? box.x - 1 : from;
        if (from < free_from) {
            continue;
        }
        canvas_text(a->cv, from, y + 1, cells, text, INK_PLAIN);
        free_from = from + cells + 1;
    }
    if (a->p->x.title) {
        int cells = text_cells(str_of(a->p->x.title)), room = cells < box.w ? cells : box.w;
        canvas_text(a->cv, box.x + (box.w - room) / 2, y + 2, room, str_of(a->p->x.title), INK_STRONG);
    }
}

/* "* trials  - best so far", ending before column `end`; returns where it begins. */
static int draw_legend(const struct area *a, int y, int from, int end)
{
    int cells = 0;
    for (size_t i = 0; i < a->p->n_series; i++) {
        cells += a->p->series[i].name ? text_cells(str_of(a->p->series[i].name)) + 4 : 0;
    }
    int x = end - cells + 2 > from ? end - cells + 2 : from, begin = x;
    for (size_t i = 0; i < a->p->n_series && x + 3 < end; i++) {
        const struct series *s = &a->p->series[i];
        if (!s->name) {
            continue;
        }
        bool line = s->look == LOOK_LINE || s->look == LOOK_STEPS;
        enum ink ink = s->tint == TINT_SHADE ? ink_shade(0.5) : ink_of(s->tint);
        canvas_put(a->cv, x, y, line ? 0x2501 : s->look == LOOK_MARKS ? 0x25cf : 0x2022,
                   line ? '-' : s->look == LOOK_MARKS ? 'O' : '*', ink);
        x += 2 + canvas_text(a->cv, x + 2, y, end - x - 2, str_of(s->name), INK_PLAIN) + 2;
    }
    return begin;
}

/* ---- parallel coordinates ---- */

static void draw_parallel_axis(const struct area *a, struct cell_box box, size_t i)
{
    const struct axis *axis = &a->p->parallel[i];
    struct tick ticks[TICKS_MOST];
    int x = (int)round(dot_x(a, (double)i)) / CANVAS_DOTS_X;
    int room = a->p->n_parallel > 1 ? box.w / (int)(a->p->n_parallel - 1) - 1 : box.w;
    int right = box.x + box.w;
    size_t n = axis_ticks(axis, axis->kind == AXIS_NAMES ? TICKS_MOST : (size_t)(box.h / 4 + 2), ticks);
    for (int y = 0; y < box.h; y++) {
        canvas_put(a->cv, x, box.y + y, 0x2502, '|', INK_FAINT);
    }
    room = room > LABEL_CELLS ? LABEL_CELLS : room;
    for (size_t k = 0; k < n; k++) {
        struct str text = axis_tick_text(axis, &ticks[k]);
        int y = (int)round(dot_y(a, axis_place(axis, ticks[k].at))) / CANVAS_DOTS_Y;
        if (y < box.y || y >= box.y + box.h) {
            continue;
        }
        canvas_put(a->cv, x, y, 0x251c, '+', INK_FAINT);
        if (x + 1 + room <= right + 2) {
            canvas_text(a->cv, x + 1, y, room, text, INK_PLAIN);
        } else {
            canvas_text_left_of(a->cv, x, y, room, text, INK_PLAIN);
        }
    }
    struct str title = str_of(axis->title);
    int cells = text_cells(title), from = x - (cells < room ? cells : room) / 2;
    from = from + room > right + 1 ? right + 1 - (cells < room ? cells : room) : from;
    canvas_text(a->cv, from < box.x ? box.x : from, box.y - 1, room, title, INK_STRONG);
}

static void draw_parallel(struct area *a, struct cell_box box)
{
    struct cell_box in = {box.x + 1, box.y + 1, box.w - 2, box.h - 2};
    a->dots = (struct dot_box){in.x * CANVAS_DOTS_X, in.y * CANVAS_DOTS_Y, in.w * CANVAS_DOTS_X,
                               in.h * CANVAS_DOTS_Y};
    for (size_t i = 0; i < a->p->n_series; i++) {
        draw_series(a, &a->p->series[i]);
    }
    for (size_t i = 0; i < a->p->n_parallel; i++) {
        draw_parallel_axis(a, in, i);
    }
    draw_legend(a, box.y + box.h - 1, box.x, box.x + box.w);
}

void figure_draw_panel(const struct figure *f, const struct panel *p, struct canvas *cv, struct cell_box box,
                       bool coloured)
{
    struct tick ticks[TICKS_MOST];
    struct area a = {f, p, cv, {0}, coloured};
    if (p->title) {
        canvas_text(cv, box.x, box.y, box.w, str_of(p->title), INK_STRONG);
        box.y++;
        box.h--;
    }
    if (box.h < 5 || box.w < 12) {
        return;
    }
    if (p->n_parallel > 0) {
        draw_parallel(&a, box);
        return;
    }
    size_t most = (size_t)(box.h / 3);
    size_t n = axis_ticks(&p->y,
                          p->y.kind == AXIS_NAMES ? TICKS_MOST
                          : most < 2              ? 2
                          : most > 10             ? 10
                                                  : most,
                          ticks);
    int left = widest(&p->y, ticks, n) + 1;
    int legend = draw_legend(&a, box.y, box.x + box.w / 3, box.x + box.w);
    if (p->y.title) {
        canvas_text(cv, box.x, box.y, legend > box.x + box.w ? box.w : legend - box.x - 1, str_of(p->y.title),
                    INK_STRONG);
    }
    struct cell_box in = {box.x + left, box.y + 1, box.w - left, box.h - 4};
    a.dots = (struct dot_box){in.x * CANVAS_DOTS_X, in.y * CANVAS_DOTS_Y, in.w * CANVAS_DOTS_X,
                              in.h * CANVAS_DOTS_Y};
    draw_field(&a, in, coloured);
    for (size_t i = 0; i < p->n_series; i++) {
        draw_series(&a, &p->series[i]);
    }
    draw_y_axis(&a, in, ticks, n);
    draw_x_axis(&a, in);
}

/* ---- the whole figure ---- */

/* "trial 0 ######## 99": the colour scale. */
static bool write_shade(const struct figure *f, int cols, bool ascii, enum colours colours, struct buf *out)
{
    struct canvas cv;
    char low[TICK_MAX], high[TICK_MAX];
    axis_number(f->shade.low, 5, low);
    axis_number(f->shade.high, 5, high);
    if (!canvas_init(&cv, cols, 1, ascii)) {
        return false;
    }
    int x = canvas_text(&cv, 0, 0, cols / 3, str_of(f->shade.title ? f->shade.title : ""), INK_STRONG) + 1;
    x += canvas_text(&cv, x, 0, TICK_MAX, str_of(low), INK_PLAIN) + 1;
    for (int i = 0; i < N_SHADES; i++) {
        if (colours != COLOURS_NONE) {
            canvas_put(&cv, x++, 0, 0x2588, '#', (enum ink)(INK_SHADE + i));
        } else {
            canvas_fill(&cv, x++, 0, (i + 0.5) / N_SHADES, false);
        }
    }
    canvas_text(&cv, x + 1, 0, TICK_MAX, str_of(high), INK_PLAIN);
    canvas_write(&cv, colours, out);
    canvas_release(&cv);
    return true;
}

static bool write_line(const char *text, int cols, bool ascii, enum ink ink, enum colours colours,
                       struct buf *out)
{
    struct canvas cv;
    if (!canvas_init(&cv, cols, 1, ascii)) {
        return false;
    }
    canvas_text(&cv, 0, 0, cols, str_of(text), ink);
    canvas_write(&cv, colours, out);
    canvas_release(&cv);
    return true;
}

static bool uses_field(const struct figure *f)
{
    return f->n_panels > 0 && f->panels[0].field.side > 0;
}

bool figure_terminal(const struct figure *f, int cols, int rows, bool ascii, enum colours colours,
                     struct buf *out)
{
    bool done = true, parallel = f->n_panels > 0 && f->panels[0].n_parallel > 0;
    size_t fit = parallel || cols < 2 * PANEL_COLS + GAP ? 1 : (size_t)((cols + GAP) / (PANEL_COLS + GAP));
    size_t per_row = f->per_row > 0 && f->per_row < fit ? f->per_row : fit;
    per_row = per_row > f->n_panels ? f->n_panels : per_row;
    if (per_row == 0) {
        return true;
    }
    int h = rows > 0 ? rows : f->n_panels == 1 ? SINGLE_ROWS : PANEL_ROWS;
    int w = (cols - GAP * ((int)per_row - 1)) / (int)per_row;
    if (f->title) {
        done = write_line(f->title, cols, ascii, INK_STRONG, colours, out);
    }
    for (size_t i = 0; i < f->n_panels && done; i += per_row) {
        struct canvas cv;
        done = canvas_init(&cv, cols, h, ascii);
        for (size_t k = 0; k < per_row && i + k < f->n_panels && done; k++) {
            figure_draw_panel(f, &f->panels[i + k], &cv, (struct cell_box){(int)k * (w + GAP), 0, w, h},
                              colours != COLOURS_NONE);
        }
        if (done) {
            canvas_write(&cv, colours, out);
        }
        canvas_release(&cv);
        if (done && i + per_row < f->n_panels) {
            buf_add_char(out, '\n');
        }
    }
    if (done && f->has_shade && (colours != COLOURS_NONE || uses_field(f))) {
        done = write_shade(f, cols, ascii, colours, out);
    }
    if (done && f->note) {
        done = write_line(f->note, cols, ascii, INK_FAINT, colours, out);
    }
    return done && !out->failed;
}
