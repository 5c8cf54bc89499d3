/* SPDX-License-Identifier: MIT
 *
 * A rectangle of character cells to draw on: text, dots of an eighth of a cell (braille), and tinted cells; then written out for
 * a terminal, with or without colours, in UTF-8 or in plain ASCII. What `plot` and `watch` show is put together here.
 *
 * Drawing outside the rectangle does nothing. Out of memory is possible at canvas_init only. No clock, no terminal: pure.
 */
#ifndef TL_CANVAS_H
#define TL_CANVAS_H

#include "base/base.h"
#include "base/buf.h"

/* Tints by what they mean; how they look is decided when the canvas is written. */
enum ink {
    INK_PLAIN,
    INK_FAINT, /* grid, hints */
    INK_STRONG,
    INK_FIRST, /* the first of N_SERIES_INKS colours that are easy to tell apart */
    INK_GOOD = INK_FIRST + 8,
    INK_BAD,
    INK_SHADE = 32 /* the first of N_SHADES steps from dark to bright */
};
#define N_SERIES_INKS 8
#define N_SHADES      24
/* The ink for a share of a colour scale, 0 to 1. */
enum ink ink_shade(double share);

enum colours { COLOURS_NONE, COLOURS_16, COLOURS_256 };

#define CANVAS_DOTS_X 2 /* dots in a cell */
#define CANVAS_DOTS_Y 4
#define CANVAS_MOST   1000000 /* cells */

struct cell {
    uint32_t c;   /* code point; 0: none; CELL_REST: covered by the wide character before it */
    uint8_t dots; /* as in U+2800 + dots; shown where c is 0 */
    uint8_t ink;
    uint8_t fill; /* ink of the background, 0: none */
};
#define CELL_REST 0xffffffffu

struct canvas {
    int cols, rows;
    bool ascii;
    struct cell *cells;
};

/* False: out of memory, or more than CANVAS_MOST cells. */
bool canvas_init(struct canvas *cv, int cols, int rows, bool ascii);
void canvas_release(struct canvas *cv);
void canvas_clear(struct canvas *cv);

/* Text from column `x` on, cut (with an ellipsis) to `width` cells; what cannot be shown becomes U+FFFD or '?'. Control characters
 * never reach the terminal. Returns the cells used. */
int canvas_text(struct canvas *cv, int x, int y, int width, struct str text, enum ink ink);
/* The same, ending before column `x`. */
void canvas_text_left_of(struct canvas *cv, int x, int y, int width, struct str text, enum ink ink);
/* One character; `plain` stands for it in ASCII. */
void canvas_put(struct canvas *cv, int x, int y, uint32_t c, char plain, enum ink ink);
/* A tinted cell; without colours a character as dense as `share` (0 to 1) is high. */
void canvas_fill(struct canvas *cv, int x, int y, double share, bool coloured);
/* A dot, in units of dots from the upper left corner. The last ink of a cell counts. */
void canvas_dot(struct canvas *cv, int x, int y, enum ink ink);
/* A straight line of dots between two dots, clipped to the rectangle `clip` (dots: x, y, width, height). */
struct dot_box {
    int x, y, w, h;
};
void canvas_line(struct canvas *cv, const struct dot_box *clip, double x0, double y0, double x1, double y1, enum ink ink);

/* Row `y` as text, blanks at its end left out, no line break. */
void canvas_row(const struct canvas *cv, int y, enum colours colours, struct buf *out);
/* All rows, a line break behind each. */
void canvas_write(const struct canvas *cv, enum colours colours, struct buf *out);

/* Cells that a character takes: 0 (combining), 1 or 2 (East Asian, emoji). */
int char_cells(uint32_t c);
int text_cells(struct str text);

#endif
