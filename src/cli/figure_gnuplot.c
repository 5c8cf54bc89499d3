/* SPDX-License-Identifier: MIT
 *
 * Figures as scripts for gnuplot. The layout, all scales and all tick labels are ours: gnuplot gets whole numbers between 0 and
 * UNITS, and texts, and draws. So a range of any size works, and nothing depends on gnuplot's own choice of ticks.
 *
 * Safety: names of studies, parameters, choices and objectives are somebody else's text. put_text is the only way for text into
 * the script; it writes a double-quoted string in which every byte that is not a letter, a digit, a blank or one of a few marks
 * is an octal escape, so no quote, backquote, backslash, line break or dollar sign is ever there to be interpreted; `noenhanced`
 * keeps gnuplot from reading markup. Numbers are written by printf from integers.
 */
#include "cli/figure.h"

#include <math.h>
#include <stdlib.h>

#define UNITS       100000 /* both axes of every panel run from 0 to here */
#define TICKS_MOST  24
#define SINGLE_W    900
#define SINGLE_H    540
#define PANEL_W     360
#define PANEL_H     290
#define BAND_W      1100
#define BAND_H      360
#define TITLE_H     36
#define SCALE_H     62
#define NOTE_H      24
#define CHAR_W      7 /* of a letter, on average */
#define MANY_POINTS 20000
#define LABEL_MOST  16 /* letters of a tick's label */

/* Colours of Okabe and Ito (2008), which stay apart in print and for people who see colours differently. */
static const char *const series_colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                             "#56b4e9", "#e69f00", "#333333"};
static const char muted_colour[] = "#b0b0b0";

/* `format`: where gnuplot takes a text as a format (labels of ticks), % stands twice. */
static void put_text(struct buf *out, struct str text, bool format)
{
    static const char plain[] = " _-+.,:;()/*=<>";
    bool escaped = false; /* a digit behind an escape would be taken for a part of it */
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool digit = c >= '0' && c <= '9';
        /* gnuplot's SVG escapes < and & but not >, and XML text may not hold ]]>: a space of no width goes in between */
        if (c == '>' && i >= 2 && text.p[i - 1] == ']' && text.p[i - 2] == ']') {
            buf_add_text(out, "\\342\\200\\213");
        }
        escaped =
            digit ? escaped : !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr(plain, c)));
        if (escaped) {
            buf_printf(out, "\\%03o", c);
        } else {
            buf_add_char(out, (char)c);
        }
        if (c == '%' && format) {
            buf_printf(out, "\\%03o", c);
        }
    }
    buf_add_char(out, '"');
}

/* At most `most` letters of it. */
static void put_short(struct buf *out, struct str text, size_t most, bool format)
{
    size_t cut = 0, letters = 0;
    bool longer = (size_t)text_cells(text) > most;
    while (longer && cut < text.n && (letters += ((unsigned char)text.p[cut] & 0xc0) != 0x80) <= most - 1) {
        cut++;
    }
    put_text(out, longer ? (struct str){text.p, cut} : text, format);
    if (longer && out->len > 0) {
        out->len--; /* the quote */
        buf_add_text(out, "\\342\\200\\246\"");
    }
}

/* ---- data ---- */

static long units(double place)
{
    double u = place * UNITS;
    return !(u > -1e9) ? -1000000000 : u > 1e9 ? 1000000000 : lround(u);
}

/* Which points of a series are worth drawing at `w` x `h` pixels: of those that fall on one pixel the last one, which would
 * hide the others. NULL: all of them, as when there is no memory to find out. */
static unsigned char *visible(const struct panel *p, const struct series *s, int w, int h)
{
    bool points = s->look == LOOK_POINTS || s->look == LOOK_MARKS;
    if (s->n < 2000 || s->look == LOOK_LINE || w < 1 || h < 1) { /* no room is left beside titles: --size 200x35 */
        return NULL;
    }
    w /= s->n > MANY_POINTS ? 3 : 1; /* smaller files, and points are about as large */
    h /= s->n > MANY_POINTS ? 3 : 1;
    unsigned char *keep = mem_zalloc(s->n, 1), *taken = mem_zalloc((size_t)w + 1, (size_t)h + 1);
    size_t last = SIZE_MAX;
    if (!keep || !taken) {
        mem_free(keep);
        mem_free(taken);
        return NULL;
    }
    for (size_t i = s->n; i-- > 0;) {
        double x = axis_place(&p->x, s->x[i]), y = axis_place(&p->y, s->y[i]);
        if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) {
            continue;
        }
        size_t pixel = (size_t)(x * w) * ((size_t)h + 1) + (size_t)(y * h);
        /* of steps, the last point on a pixel that the line has just left */
        keep[i] = points ? !taken[pixel] : pixel != last || i == 0;
        taken[pixel] = 1;
        last = pixel;
    }
    mem_free(taken);
    return keep;
}

static void put_series(const struct figure *f, const struct panel *p, const struct series *s, int w, int h,
                       struct buf *out)
{
    unsigned char *keep = visible(p, s, w, h);
    bool line = s->look == LOOK_LINE || s->look == LOOK_STEPS;
    for (size_t i = 0; i < s->n; i++) {
        if (keep && !keep[i]) {
            continue;
        }
        if (!axis_shows(&p->x, s->x[i]) || !axis_shows(&p->y, s->y[i])) {
            if (line) {
                buf_add_char(out, '\n');
            }
            continue;
        }
        double shade = s->shade ? figure_shade(f, s->shade[i]) : 0;
        buf_printf(out, "%ld %ld %ld\n", units(axis_place(&p->x, s->x[i])), units(axis_place(&p->y, s->y[i])),
                   units(isfinite(shade) ? shade : 0));
    }
    mem_free(keep);
}

static void put_field(const struct figure *f, const struct field *d, struct buf *out)
{
    for (size_t i = 0; i < d->side * d->side; i++) {
        long z = isfinite(d->z[i]) ? units(figure_shade(f, d->z[i])) : 0;
        buf_printf(out, "%ld%s", z, i % d->side == d->side - 1 ? "\n" : " ");
    }
}

static void put_data(const struct figure *f, int w, int h, struct buf *out)
{
    for (size_t i = 0; i < f->n_panels; i++) {
        const struct panel *p = &f->panels[i];
        for (size_t k = 0; k < p->n_series; k++) {
            buf_printf(out, "$d%zu_%zu << EOD\n", i, k);
            put_series(f, p, &p->series[k], w, h, out);
            buf_add_text(out, "EOD\n");
        }
        if (p->field.side > 0) {
            buf_printf(out, "$f%zu << EOD\n", i);
            put_field(f, &p->field, out);
            buf_add_text(out, "EOD\n");
        }
    }
}

/* ---- axes ---- */

/* set xtics (...); returns the letters of the longest label. */
static int put_ticks(const struct axis *a, char which, size_t most, size_t letters, struct buf *out)
{
    struct tick ticks[TICKS_MOST];
    size_t n = axis_ticks(a, most < 2 ? 2 : most > TICKS_MOST ? TICKS_MOST : most, ticks);
    int longest = 1;
    buf_printf(out, "set %ctics (", which);
    for (size_t i = 0; i < n; i++) {
        struct str text = axis_tick_text(a, &ticks[i]);
        int cells = text_cells(text);
        longest = cells > longest ? cells : longest;
        buf_add_text(out, i ? ", " : "");
        put_short(out, text, letters, true);
        buf_printf(out, " %ld", units(axis_place(a, ticks[i].at)));
    }
    buf_add_text(out, ")\n");
    return longest > (int)letters ? (int)letters : longest;
}

struct frame {
    int x, y, w, h;    /* of the panel, from the upper left corner of the picture */
    int width, height; /* of the picture */
};

static void put_margin(const struct frame *r, const char *name, int pixels, bool across, struct buf *out)
{
    int most = across ? r->width : r->height, at = across ? pixels : r->height - pixels;
    long share = lround((double)at / most * 1e6);
    buf_printf(out, "set %s at screen %ld.%06ld\n", name, share / 1000000, share % 1000000);
}

/* Margins, ticks and titles of an ordinary panel. */
static void put_axes(const struct panel *p, const struct frame *r, struct buf *out)
{
    int each = (r->w - 80) / CHAR_W;
    size_t most = p->x.kind == AXIS_NAMES ? TICKS_MOST : (size_t)(r->w / 52);
    int y_letters =
        put_ticks(&p->y, 'y', p->y.kind == AXIS_NAMES ? TICKS_MOST : (size_t)(r->h / 40), LABEL_MOST, out);
    int letters = put_ticks(&p->x, 'x', most, LABEL_MOST, out);
    size_t shown = p->x.kind == AXIS_NAMES ? p->x.n_names : 0;
    bool turned = shown > 0 && (letters + 1) * (int)(shown < TICKS_MOST ? shown : TICKS_MOST) > each;
    if (turned) {
        buf_add_text(out, "set xtics rotate by 40 right\n");
    } else {
        buf_add_text(out, "set xtics norotate autojustify\n");
    }
    int left = 30 + y_letters * CHAR_W + (p->y.title ? 14 : 0), bottom = (turned ? 24 + letters * 5 : 26) + 20;
    put_margin(r, "lmargin", r->x + left, true, out);
    put_margin(r, "rmargin", r->x + r->w - 18, true, out);
    put_margin(r, "tmargin", r->y + 26, false, out);
    put_margin(r, "bmargin", r->y + r->h - bottom, false, out);
    buf_add_text(out, "set xlabel ");
    put_short(out, str_of(p->x.title ? p->x.title : ""), (size_t)(r->w / CHAR_W), false);
    buf_printf(out, " offset 0,%s\nset ylabel ", turned ? "-0.2" : "0.4");
    put_short(out, str_of(p->y.title ? p->y.title : ""), (size_t)(r->h / CHAR_W), false);
    buf_add_text(out, " offset 0.5,0\n");
}

/* The axes of parallel coordinates: lines with labels of their own. */
static void put_parallel(const struct panel *p, const struct frame *r, struct buf *out)
{
    size_t room = p->n_parallel > 1 ? (size_t)(r->w - 140) / (p->n_parallel - 1) / (size_t)CHAR_W : 40;
    put_margin(r, "lmargin", r->x + 60, true, out);
    put_margin(r, "rmargin", r->x + r->w - 90, true, out);
    put_margin(r, "tmargin", r->y + 26, false, out);
    put_margin(r, "bmargin", r->y + r->h - 44, false, out);
    buf_add_text(out, "set xlabel ''\nset ylabel ''\nunset ytics\nset xtics norotate autojustify (");
    for (size_t i = 0; i < p->n_parallel; i++) {
        buf_add_text(out, i ? ", " : "");
        put_short(out, str_of(p->parallel[i].title), room > 6 ? room - 3 : 3, true);
        buf_printf(out, " %ld", units(axis_place(&p->x, (double)i)));
    }
    buf_add_text(out, ")\nset border 0\nset grid noxtics noytics\n");
    for (size_t i = 0; i < p->n_parallel; i++) {
        const struct axis *a = &p->parallel[i];
        struct tick ticks[TICKS_MOST];
        size_t most = a->kind == AXIS_NAMES ? TICKS_MOST : (size_t)(r->h / 60);
        size_t n = axis_ticks(a, most < 3 ? 3 : most > TICKS_MOST ? TICKS_MOST : most, ticks);
        long x = units(axis_place(&p->x, (double)i));
        buf_printf(out, "set arrow from %ld,0 to %ld,%d nohead lc rgb '#404040' lw 1.2 front\n", x, x, UNITS);
        for (size_t k = 0; k < n; k++) {
            buf_add_text(out, "set label ");
            put_short(out, axis_tick_text(a, &ticks[k]), room < 10 ? 7 : LABEL_MOST, false);
            buf_printf(out, " at %ld,%ld offset 0.6,0 left boxed front\n", x,
                       units(axis_place(a, ticks[k].at)));
        }
    }
}

/* ---- panels ---- */

static void put_look(const struct series *s, struct buf *out)
{
    const char *size = s->n > MANY_POINTS ? "0.35" : s->n > 3000 ? "0.25" : s->n > 300 ? "0.4" : "0.55";
    switch (s->look) {
    case LOOK_POINTS: buf_printf(out, "with points pt 7 ps %s", size); break;
    case LOOK_MARKS: buf_printf(out, "with points pt 7 ps %s", s->n > 300 ? "0.6" : "1"); break;
    case LOOK_LINE:
        buf_printf(out, "with linespoints pt 7 ps 0.15 lw %s", s->tint > TINT_SERIES ? "2" : "1");
        break;
    case LOOK_STEPS: buf_add_text(out, "with steps lw 2"); break;
    }
    if (s->tint == TINT_SHADE && s->shade) {
        buf_add_text(out, " lc palette");
    } else if (s->tint == TINT_MUTED) {
        buf_printf(out, " lc rgb '%s'", muted_colour);
    } else {
        buf_printf(out, " lc rgb '%s'", series_colours[(s->tint - TINT_SERIES) % TL_COUNT(series_colours)]);
    }
}

static void put_panel(const struct figure *f, size_t i, const struct frame *r, struct buf *out)
{
    const struct panel *p = &f->panels[i];
    bool any = false;
    buf_add_text(out, "unset arrow\nunset label\nset border 3 lc rgb '#404040'\nset grid xtics ytics lc rgb "
                      "'#e4e4e4' lt 1\n");
    if (p->n_parallel > 0) {
        put_parallel(p, r, out);
    } else {
        put_axes(p, r, out);
    }
    buf_add_text(out, "set title ");
    put_text(out, str_of(p->title ? p->title : ""), false);
    buf_add_text(out, "\nplot ");
    if (p->field.side > 0) {
        buf_printf(out, "$f%zu matrix using (($1+0.5)*%g):(($2+0.5)*%g):3 with image notitle", i,
                   (double)UNITS / (double)p->field.side, (double)UNITS / (double)p->field.side);
        any = true;
    }
    for (size_t k = 0; k < p->n_series; k++) {
        const struct series *s = &p->series[k];
        if (s->n == 0) {
            continue;
        }
        buf_printf(out, "%s$d%zu_%zu using 1:2%s ", any ? ", " : "", i, k,
                   s->tint == TINT_SHADE && s->shade ? ":3" : "");
        put_look(s, out);
        buf_add_text(out, s->name ? " title " : " notitle");
        if (s->name) {
            put_text(out, str_of(s->name), false);
        }
        any = true;
    }
    if (!any) {
        buf_add_text(out, "1/0 notitle");
    }
    buf_add_text(out, "\n");
}

/* ---- the picture ---- */

static void put_label(const char *text, int x_pixels, int y_pixels, const struct frame *r, const char *more,
                      struct buf *out)
{
    buf_add_text(out, "set label ");
    put_text(out, str_of(text), false);
    buf_printf(out, " at screen %d./%d,%d./%d %s\n", x_pixels, r->width, r->height - y_pixels, r->height, more);
}

/* Text and colour scale belong to no panel: they are drawn with an empty one. */
static void put_surroundings(const struct figure *f, const struct frame *r, struct buf *out)
{
    buf_add_text(
        out, "unset border\nunset xtics\nunset ytics\nunset key\nset xlabel ''\nset ylabel ''\nset title ''\n");
    put_margin(r, "lmargin", 0, true, out);
    put_margin(r, "rmargin", r->width, true, out);
    put_margin(r, "tmargin", 0, false, out);
    put_margin(r, "bmargin", r->height, false, out);
    if (f->title) {
        put_label(f->title, r->width / 2, TITLE_H / 2, r, "center font ',14'", out);
    }
    if (f->note) {
        put_label(f->note, 12, r->height - NOTE_H / 2, r, "left font ',10' tc rgb '#606060'", out);
    }
    if (f->has_shade) {
        int w = r->width / 3 < 420 ? r->width / 3 : 420, x = (r->width - w) / 2;
        int y = (f->note ? NOTE_H : 0) + 24;
        buf_printf(out,
                   "set colorbox user horizontal origin screen %d./%d,%d./%d size screen %d./%d,10./%d front "
                   "noborder\n",
                   x, r->width, y, r->height, w, r->width, r->height);
        put_label(f->shade.title ? f->shade.title : "", x - 12, r->height - y - 5, r, "right", out);
        struct buf ticks = BUF_INIT(1 << 16);
        put_ticks(&f->shade, 'c', (size_t)(w / 70), LABEL_MOST, &ticks);
        const char *text = buf_cstr(&ticks);
        buf_printf(out, "set cb%s", text ? text + strlen("set c") : "tics\n");
        buf_add_text(out, "set cbtics offset 0,0.4 scale 0.4\n");
        buf_release(&ticks);
    }
    /* a point that is not there makes gnuplot draw the rest */
    buf_printf(out, "plot '+' using (-1):(-1):(0) with points pt 7 ps 0 %s notitle\n",
               f->has_shade ? "lc palette" : "");
    buf_add_text(
        out, "unset colorbox\nunset label\nset xtics nomirror out scale 0.5\nset ytics nomirror out scale 0.5\n"
             "set key at graph 1,graph 1 right bottom horizontal reverse Left height 0 samplen 1 font ',10'\n");
}

void figure_gnuplot(const struct figure *f, const char *format, int width, int height, struct buf *out)
{
    size_t n = f->n_panels ? f->n_panels : 1;
    bool parallel = f->n_panels > 0 && f->panels[0].n_parallel > 0, svg = strcmp(format, "svg") == 0;
    size_t columns = f->per_row ? f->per_row : n <= 3 ? n : n == 4 ? 2 : n <= 9 ? 3 : n <= 16 ? 4 : 5;
    size_t rows = (n + columns - 1) / columns;
    int above = f->title ? TITLE_H : 6, below = (f->has_shade ? SCALE_H : 0) + (f->note ? NOTE_H : 0);
    int w = parallel ? BAND_W
            : n == 1 ? SINGLE_W
                     : PANEL_W,
        h = parallel ? BAND_H
            : n == 1 ? SINGLE_H
                     : PANEL_H;
    struct frame r = {.width = width > 0 ? width : w * (int)columns + 12,
                      .height = height > 0 ? height : h * (int)rows + above + below};
    r.w = (r.width - 12) / (int)columns;
    r.h = (r.height - above - below) / (int)rows;
    put_data(f, r.w, r.h, out);
    if (svg) {
        buf_printf(out,
                   "set terminal svg size %d,%d dynamic noenhanced font 'Arial,12' background rgb 'white'\n",
                   r.width, r.height);
    } else {
        buf_printf(out, "set terminal pngcairo size %d,%d noenhanced font 'Sans,10' background rgb 'white'\n",
                   r.width, r.height);
    }
    buf_printf(out, "set encoding utf8\nset xrange [0:%d]\nset yrange [0:%d]\nset cbrange [0:%d]\n", UNITS,
               UNITS, UNITS);
    /* viridis (van der Walt and Smith 2015) without its palest end, which white paper swallows */
    buf_add_text(
        out,
        "set palette defined (0 '#440154', 1 '#482878', 2 '#3e4989', 3 '#31688e', 4 '#26828e', 5 '#1f9e89', "
        "6 '#35b779', 7 '#6ece58', 8 '#b5de2b'");
    buf_printf(out, ")%s\n", f->n_panels > 0 && f->panels[0].field.side > 0 ? " maxcolors 16" : "");
    buf_add_text(out, "set style textbox opaque noborder fillcolor rgb '#60ffffff' margins 0.4,0.2\n"
                      "set multiplot\n");
    put_surroundings(f, &r, out);
    for (size_t i = 0; i < f->n_panels; i++) {
        r.x = 6 + (int)(i % columns) * r.w;
        r.y = above + (int)(i / columns) * r.h;
        put_panel(f, i, &r, out);
    }
    buf_add_text(out, "unset multiplot\n");
}
