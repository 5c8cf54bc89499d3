/* SPDX-License-Identifier: MIT
 *
 * What a plot shows, independent of where it is drawn: panels with axes and series of points. plot_value.c and plot_param.c make
 * figures of studies; figure_terminal.c, figure_gnuplot.c and figure_json.c show them.
 *
 * Everything lives in the figure's arena. A failed allocation is remembered in `failed`; functions then return NULL, and the
 * caller looks once at the end.
 */
#ifndef TL_FIGURE_H
#define TL_FIGURE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cli/axis.h"
#include "cli/canvas.h"

enum look {
    LOOK_POINTS,
    LOOK_MARKS, /* points that must be seen */
    LOOK_LINE,
    LOOK_STEPS /* a line that keeps its value until the next point */
};
/* What a series is; each way of drawing has a colour for it. */
enum tint {
    TINT_SHADE,  /* coloured by `shade`, point by point */
    TINT_MUTED,  /* what does not count */
    TINT_SERIES  /* + 0, 1, …: the colours of series */
};

struct series {
    const char *name; /* in the legend; NULL: not there */
    enum look look;
    unsigned tint; /* enum tint */
    size_t n;
    const double *x, *y;  /* a NaN in y breaks a line */
    const double *shade;  /* NULL, or a value of the figure's colour scale for each point */
    const double *number; /* NULL, or the trial of each point */
};

/* Values on a regular grid that covers the panel, for contours: z[row * side + column], row 0 at the bottom. */
struct field {
    size_t side; /* 0: none */
    const double *z;
};

struct panel {
    const char *title; /* may be NULL */
    struct axis x, y;
    struct series *series;
    size_t n_series, cap_series;
    struct field field;
    /* Parallel coordinates: axis i stands at x = i, and the series' y are places on it, 0 to 1. */
    struct axis *parallel;
    size_t n_parallel;
};

struct figure {
    struct arena arena;
    bool failed;
    const char *kind;  /* "history" */
    const char *title; /* may be NULL */
    const char *note;  /* below: what was left out; may be NULL */
    struct panel *panels;
    size_t n_panels, cap_panels;
    size_t per_row; /* panels side by side, when there is room; 0: as fits */
    bool has_shade;
    struct axis shade; /* of series with TINT_SHADE and of fields */
};

void figure_release(struct figure *f);
struct panel *figure_panel(struct figure *f);
struct series *figure_series(struct figure *f, struct panel *p, const char *name, enum look look, unsigned tint);
double *figure_doubles(struct figure *f, size_t n);
/* Text of the figure's own. */
const char *figure_text(struct figure *f, const char *fmt, ...) TL_PRINTF(2, 3);
/* A name that is text for people: at most `most` characters, no control characters. */
const char *figure_label(struct figure *f, struct str text, size_t most);
/* Widens the panel's axes to hold all series. */
void panel_cover(struct panel *p);
/* The share of the colour scale for a value: 0 dark to 1 bright. */
double figure_shade(const struct figure *f, double v);

/* ---- showing ---- */

/* Draws all panels for a terminal of `cols` columns; a panel gets about `rows` rows (0: as fits). Appends text. False: out of
 * memory. */
bool figure_terminal(const struct figure *f, int cols, int rows, bool ascii, enum colours colours, struct buf *out);
/* Draws one panel into a rectangle of cells. */
struct cell_box {
    int x, y, w, h;
};
void figure_draw_panel(const struct figure *f, const struct panel *p, struct canvas *cv, struct cell_box box, bool coloured);

/* The script that makes gnuplot write the figure to its standard output. `format` is "svg" or "png"; sizes in pixels, 0: as fits.
 * No text of a study reaches gnuplot but as escaped strings. */
void figure_gnuplot(const struct figure *f, const char *format, int width, int height, struct buf *out);

/* One JSON object with all points. */
void figure_json(const struct figure *f, struct buf *out);

#endif
