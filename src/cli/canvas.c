/* SPDX-License-Identifier: MIT
 *
 * Character cells to draw on (see canvas.h). Cells are independent of each other but for wide characters, which own the cell
 * behind them; whoever writes over one half blanks the other.
 */
#include "cli/canvas.h"

#include "base/mem.h"
#include "cli/pytext.h"

#include <math.h>

/* ---- widths ---- */

/* Ranges that terminals show two cells wide: East Asian Wide and Fullwidth of Unicode's UAX #11, emoji among them, joined
 * where nothing but unassigned code points lies between. */
static const uint32_t wide[][2] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x23f0, 0x23f0},
    {0x23f3, 0x23f3},   {0x25fd, 0x25fe},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267f, 0x267f},
    {0x2693, 0x2693},   {0x26a1, 0x26a1},   {0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},
    {0x26ce, 0x26ce},   {0x26d4, 0x26d4},   {0x26ea, 0x26ea},   {0x26f2, 0x26f3},   {0x26f5, 0x26f5},
    {0x26fa, 0x26fa},   {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},
    {0x274c, 0x274c},   {0x274e, 0x274e},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},
    {0x27b0, 0x27b0},   {0x27bf, 0x27bf},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},
    {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf},
    {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c},
    {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4},
    {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f567},
    {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5},
    {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6df}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc},
    {0x1f7e0, 0x1f7f0}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faff},
    {0x20000, 0x3fffd},
};
/* Marks that combine with the character before them. Not all of Unicode's, but the blocks that hold nothing else. */
static const uint32_t combining[][2] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
    {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef},
};

static bool is_among(const uint32_t (*ranges)[2], size_t n, uint32_t c)
{
    for (size_t low = 0, high = n; low < high;) {
        size_t mid = (low + high) / 2;
        if (c < ranges[mid][0]) {
            high = mid;
        } else if (c > ranges[mid][1]) {
            low = mid + 1;
        } else {
            return true;
        }
    }
    return false;
}

int char_cells(uint32_t c)
{
    if (c < 0x300) {
        return 1;
    }
    if (is_among(combining, TL_COUNT(combining), c)) {
        return 0;
    }
    return is_among(wide, TL_COUNT(wide), c) ? 2 : 1;
}

/* What is shown for a character: control characters and the like are not. */
static uint32_t shown(uint32_t c, bool ascii)
{
    if (ascii) {
        return c >= 0x20 && c < 0x7f ? c : '?';
    }
    return c == ' ' || py_printable(c) ? c : 0xfffd;
}

int text_cells(struct str text)
{
    int n = 0;
    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        n += char_cells(shown(py_next(&p, end), false));
    }
    return n;
}

/* ---- cells ---- */

bool canvas_init(struct canvas *cv, int cols, int rows, bool ascii)
{
    *cv = (struct canvas){cols, rows, ascii, NULL};
    if (cols < 1 || rows < 1 || cols > CANVAS_MOST / rows) {
        return false;
    }
    cv->cells = mem_zalloc((size_t)cols * (size_t)rows, sizeof *cv->cells);
    return cv->cells != NULL;
}

void canvas_release(struct canvas *cv)
{
    mem_free(cv->cells);
    *cv = (struct canvas){0};
}

void canvas_clear(struct canvas *cv)
{
    memset(cv->cells, 0, (size_t)cv->cols * (size_t)cv->rows * sizeof *cv->cells);
}

static struct cell *cell_at(const struct canvas *cv, int x, int y)
{
    if (x < 0 || y < 0 || x >= cv->cols || y >= cv->rows) {
        return NULL;
    }
    return &cv->cells[(size_t)y * (size_t)cv->cols + (size_t)x];
}

/* Puts a character there and mends what it cuts in two. */
static void set(struct canvas *cv, int x, int y, uint32_t c, enum ink ink)
{
    struct cell *cell = cell_at(cv, x, y), *next = cell_at(cv, x + 1, y), *before = cell_at(cv, x - 1, y);
    if (!cell) {
        return;
    }
    if (cell->c == CELL_REST && before) {
        before->c = ' ';
    }
    if (next && next->c == CELL_REST) {
        next->c = ' ';
    }
    cell->c = c;
    cell->ink = (uint8_t)ink;
    if (char_cells(c) == 2 && next) {
        struct cell *behind = cell_at(cv, x + 2, y);
        if (behind && behind->c == CELL_REST) {
            behind->c = ' ';
        }
        next->c = CELL_REST;
    }
}

int canvas_text(struct canvas *cv, int x, int y, int width, struct str text, enum ink ink)
{
    const char *p = text.p, *end = text.p + text.n;
    bool cut = text_cells(text) > width;
    int at = 0, room = cut && width > 0 ? width - 1 : width;
    while (p < end && at < room) {
        uint32_t c = shown(py_next(&p, end), cv->ascii);
        int n = char_cells(c);
        if (at + n > room) {
            break;
        }
        if (n > 0) { /* combining marks are left out */
            set(cv, x + at, y, c, ink);
        }
        at += n;
    }
    if (cut && at < width) {
        set(cv, x + at++, y, cv->ascii ? '~' : 0x2026, ink);
    }
    return at;
}

void canvas_text_left_of(struct canvas *cv, int x, int y, int width, struct str text, enum ink ink)
{
    int n = text_cells(text);
    canvas_text(cv, x - (n < width ? n : width), y, width, text, ink);
}

void canvas_put(struct canvas *cv, int x, int y, uint32_t c, char plain, enum ink ink)
{
    set(cv, x, y, cv->ascii ? (uint32_t)plain : c, ink);
}

enum ink ink_shade(double share)
{
    int step = !(share > 0) ? 0 : share >= 1 ? N_SHADES - 1 : (int)(share * N_SHADES);
    return (enum ink)(INK_SHADE + step);
}

void canvas_fill(struct canvas *cv, int x, int y, double share, bool coloured)
{
    static const uint32_t blocks[] = {0x2591, 0x2592, 0x2593, 0x2588};
    static const char plain[] = ".:-=+*#%@";
    const size_t levels = cv->ascii ? sizeof plain - 1 : TL_COUNT(blocks);
    struct cell *cell = cell_at(cv, x, y);
    if (!cell) {
        return;
    }
    if (!(share > 0)) {
        share = 0;
    }
    if (share > 0.999) {
        share = 0.999;
    }
    if (coloured) {
        cell->fill = (uint8_t)ink_shade(share);
    } else if (cv->ascii) {
        set(cv, x, y, (uint32_t)plain[(size_t)(share * (double)levels)], INK_PLAIN);
    } else {
        set(cv, x, y, blocks[(size_t)(share * (double)levels)], INK_PLAIN);
    }
}

/* ---- dots ---- */

void canvas_dot(struct canvas *cv, int x, int y, enum ink ink)
{
    static const uint8_t bits[CANVAS_DOTS_Y][CANVAS_DOTS_X] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    struct cell *cell = x < 0 || y < 0 ? NULL : cell_at(cv, x / CANVAS_DOTS_X, y / CANVAS_DOTS_Y);
    if (!cell) {
        return;
    }
    cell->dots |= bits[y % CANVAS_DOTS_Y][x % CANVAS_DOTS_X];
    if (cell->c == 0) {
        cell->ink = (uint8_t)ink;
    }
}

/* The part of a line inside 0 <= p + t * d <= most (Liang and Barsky 1984): narrows t0..t1. */
static bool clip_axis(double p, double d, double most, double *t0, double *t1)
{
    if (d == 0) {
        return p >= 0 && p <= most;
    }
    double a = -p / d, b = (most - p) / d;
    double enter = a < b ? a : b, leave = a < b ? b : a;
    *t0 = enter > *t0 ? enter : *t0;
    *t1 = leave < *t1 ? leave : *t1;
    return *t0 <= *t1;
}

void canvas_line(struct canvas *cv, const struct dot_box *clip, double x0, double y0, double x1, double y1,
                 enum ink ink)
{
    double dx = x1 - x0, dy = y1 - y0, from = 0, to = 1;
    if (!isfinite(x0) || !isfinite(y0) || !isfinite(dx) || !isfinite(dy)) {
        return;
    }
    if (!clip_axis(x0 - clip->x, dx, clip->w - 1, &from, &to) ||
        !clip_axis(y0 - clip->y, dy, clip->h - 1, &from, &to)) {
        return;
    }
    double length = fmax(fabs(dx), fabs(dy)) * (to - from);
    long steps = lround(ceil(length));
    for (long i = 0; i <= steps; i++) {
        double t = steps ? from + (to - from) * (double)i / (double)steps : from;
        canvas_dot(cv, (int)lround(x0 + t * dx), (int)lround(y0 + t * dy), ink);
    }
}

/* ---- writing ---- */

/* The character that looks most like some dots. */
static char plain_dots(unsigned dots)
{
    unsigned rows = 0, n = 0;
    for (unsigned d = dots; d; d &= d - 1) {
        n++;
    }
    rows |= dots & 0x09 ? 1 : 0;
    rows |= dots & 0x12 ? 2 : 0;
    rows |= dots & 0x24 ? 4 : 0;
    rows |= dots & 0xc0 ? 8 : 0;
    if (n >= 6) {
        return '#';
    }
    if (rows == 1) {
        return '\'';
    }
    if (rows == 8) {
        return n > 1 ? '_' : '.';
    }
    if (rows == 2 || rows == 4) {
        return n > 1 ? '-' : '*';
    }
    if (rows >= 14 || rows == 7) {
        return n <= 4 && (dots == (dots & 0x47) || dots == (dots & 0xb8)) ? '|' : '*';
    }
    return n > 3 ? '*' : rows == 6 ? '-' : ':';
}

static void add_utf8(struct buf *out, uint32_t c)
{
    char s[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        s[i] = (char)(0x80 | (c & 0x3f));
    }
    s[0] = (char)(lead[n] | c);
    buf_add(out, s, n);
}

/* Steps of viridis (van der Walt and Smith 2015), a scale that is even to the eye and to those who see colours differently, in
 * the colours that terminals with 256 of them share. */
static const uint8_t shade_256[N_SHADES] = {53, 54, 54, 55, 60, 61, 61, 25, 25,  31,  31,  30,
                                            36, 36, 36, 35, 42, 41, 77, 77, 113, 149, 184, 220};
static const uint8_t shade_16[] = {5, 4, 6, 2, 3};
static const uint8_t series_256[N_SERIES_INKS] = {32, 208, 36, 175, 74, 214, 131, 245};
static const uint8_t series_16[N_SERIES_INKS] = {4, 1, 2, 5, 6, 3, 1, 7};

/* The number of a colour: 0 to 255, or 0 to 7; -1 for none. */
static int colour_of(unsigned ink, enum colours colours)
{
    bool many = colours == COLOURS_256;
    if (ink >= INK_SHADE && ink < INK_SHADE + N_SHADES) {
        unsigned step = ink - INK_SHADE;
        return many ? shade_256[step] : shade_16[step * TL_COUNT(shade_16) / N_SHADES];
    }
    if (ink >= INK_FIRST && ink < INK_FIRST + N_SERIES_INKS) {
        return many ? series_256[ink - INK_FIRST] : series_16[ink - INK_FIRST];
    }
    if (ink == INK_GOOD || ink == INK_BAD) {
        return ink == INK_GOOD ? 2 : 1;
    }
    if (ink == INK_FAINT && many) {
        return 244;
    }
    return -1;
}

static void add_style(struct buf *out, unsigned ink, unsigned fill, enum colours colours)
{
    int front = colour_of(ink, colours), back = fill ? colour_of(fill, colours) : -1;
    buf_add_text(out, "\033[0");
    if (ink == INK_STRONG) {
        buf_add_text(out, ";1");
    }
    if (front >= 0 && front < 8) {
        buf_printf(out, ";3%d", front);
    } else if (front >= 0) {
        buf_printf(out, ";38;5;%d", front);
    }
    if (back >= 0 && back < 8) {
        buf_printf(out, ";4%d", back);
    } else if (back >= 0) {
        buf_printf(out, ";48;5;%d", back);
    }
    buf_add_char(out, 'm');
}

static bool is_blank(const struct cell *cell)
{
    return (cell->c == 0 || cell->c == ' ') && (cell->c != 0 || cell->dots == 0) && cell->fill == 0;
}

void canvas_row(const struct canvas *cv, int y, enum colours colours, struct buf *out)
{
    const struct cell *row = &cv->cells[(size_t)y * (size_t)cv->cols];
    unsigned style = 0;
    int n = cv->cols;
    while (n > 0 && is_blank(&row[n - 1])) {
        n--;
    }
    for (int x = 0; x < n; x++) {
        const struct cell *cell = &row[x];
        if (cell->c == CELL_REST) {
            continue;
        }
        unsigned wanted = is_blank(cell) ? 0 : cell->ink | (unsigned)cell->fill << 8;
        if (colours != COLOURS_NONE && wanted != style) {
            add_style(out, wanted & 255, wanted >> 8, colours);
            style = wanted;
        }
        if (cell->c) {
            add_utf8(out, cell->c);
        } else if (cell->dots) {
            add_utf8(out, cv->ascii ? (uint32_t)(unsigned char)plain_dots(cell->dots) : 0x2800u + cell->dots);
        } else {
            buf_add_char(out, ' ');
        }
    }
    if (style != 0) {
        buf_add_text(out, "\033[0m");
    }
}

void canvas_write(const struct canvas *cv, enum colours colours, struct buf *out)
{
    for (int y = 0; y < cv->rows; y++) {
        canvas_row(cv, y, colours, out);
        buf_add_char(out, '\n');
    }
}
