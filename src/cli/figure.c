/* SPDX-License-Identifier: MIT
 *
 * Putting figures together (see figure.h).
 */
#include "cli/figure.h"

#include "base/err.h"
#include "cli/pytext.h"

#include <stdarg.h>
#include <stdio.h>

void figure_release(struct figure *f)
{
    for (size_t i = 0; i < f->n_panels; i++) {
        mem_free(f->panels[i].series);
    }
    mem_free(f->panels);
    arena_release(&f->arena);
    *f = (struct figure){0};
}

struct panel *figure_panel(struct figure *f)
{
    void *grown = f->panels;
    if (f->failed || !mem_grow(&grown, &f->cap_panels, f->n_panels + 1, sizeof *f->panels)) {
        f->failed = true;
        return NULL;
    }
    f->panels = grown;
    struct panel *p = &f->panels[f->n_panels++];
    *p = (struct panel){.x = AXIS_INIT, .y = AXIS_INIT};
    return p;
}

struct series *figure_series(struct figure *f, struct panel *p, const char *name, enum look look, unsigned tint)
{
    if (f->failed || !p) {
        return NULL;
    }
    void *grown = p->series;
    if (!mem_grow(&grown, &p->cap_series, p->n_series + 1, sizeof *p->series)) {
        f->failed = true;
        return NULL;
    }
    p->series = grown;
    struct series *s = &p->series[p->n_series++];
    *s = (struct series){.name = name, .look = look, .tint = tint};
    return s;
}

double *figure_doubles(struct figure *f, size_t n)
{
    double *d = f->failed || n > SIZE_MAX / 16 ? NULL : arena_alloc(&f->arena, (n + 1) * sizeof *d);
    f->failed = f->failed || !d;
    return d;
}

const char *figure_text(struct figure *f, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    err_text(text, sizeof text, fmt, args);
    va_end(args);
    char *copy = f->failed ? NULL : arena_dup(&f->arena, text, strlen(text));
    f->failed = f->failed || !copy;
    return copy;
}

const char *figure_label(struct figure *f, struct str text, size_t most)
{
    struct buf b = BUF_INIT(1 << 20);
    size_t n = 0;
    bool cut = py_length(text) > most;
    for (const char *p = text.p, *end = text.p + text.n; p < end && n < (cut ? most - 1 : most); n++) {
        const char *from = p;
        uint32_t c = py_next(&p, end);
        if (c == '\n' || c == '\t' || c == '\r') {
            buf_add_text(&b, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        } else if (c != ' ' && !py_printable(c)) {
            buf_add_text(&b, "\xef\xbf\xbd");
        } else {
            buf_add(&b, from, (size_t)(p - from));
        }
    }
    if (cut) {
        buf_add_text(&b, "\xe2\x80\xa6");
    }
    const char *s = buf_cstr(&b);
    char *copy = s && !f->failed ? arena_dup(&f->arena, s, b.len) : NULL;
    f->failed = f->failed || !copy;
    buf_release(&b);
    return copy;
}

void panel_cover(struct panel *p)
{
    for (size_t i = 0; i < p->n_series; i++) {
        const struct series *s = &p->series[i];
        for (size_t k = 0; k < s->n; k++) {
            if (axis_shows(&p->x, s->x[k]) && axis_shows(&p->y, s->y[k])) {
                axis_cover(&p->x, s->x[k]);
                axis_cover(&p->y, s->y[k]);
            }
        }
    }
    axis_finish(&p->x);
    axis_finish(&p->y);
}

double figure_shade(const struct figure *f, double v)
{
    return axis_place(&f->shade, v);
}
