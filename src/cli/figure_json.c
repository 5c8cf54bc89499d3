/* SPDX-License-Identifier: MIT
 *
 * Figures as JSON: the data that a plot shows, for other programs.
 *
 * {"kind": …, "panels": [{"x": AXIS, "y": AXIS, "series": [{"name": …, "trial": […], "x": […], "y": […]}]}], "note": …};
 * AXIS is {"title": …, "scale": "linear|log|names", "names": […]}. Parallel coordinates have "axes" instead of x and y, and a
 * series' x and y are the number of the axis and the place on it. What JSON cannot say (NaN) is null and ends a line.
 */
#include "base/json.h"
#include "cli/figure.h"

#include <math.h>

static void put_string(struct buf *out, const char *text)
{
    if (text) {
        json_put_string(out, str_of(text));
    } else {
        buf_add_text(out, "null");
    }
}

static void put_numbers(struct buf *out, const char *name, const double *v, size_t n)
{
    if (!v) {
        return;
    }
    buf_printf(out, ", \"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        buf_add_text(out, i ? ", " : "");
        if (!isfinite(v[i])) {
            buf_add_text(out, "null");
        } else if (v[i] == floor(v[i]) && fabs(v[i]) < 1e15) {
            json_put_int(out, (int64_t)v[i]);
        } else {
            json_put_double(out, v[i]);
        }
    }
    buf_add_char(out, ']');
}

static void put_axis(struct buf *out, const struct axis *a)
{
    static const char *const scales[] = {"linear", "log", "names"};
    buf_add_text(out, "{\"title\": ");
    put_string(out, a->title);
    buf_printf(out, ", \"scale\": \"%s\"", scales[a->kind]);
    if (a->kind == AXIS_NAMES) {
        buf_add_text(out, ", \"names\": [");
        for (size_t i = 0; i < a->n_names; i++) {
            buf_add_text(out, i ? ", " : "");
            put_string(out, a->names[i]);
        }
        buf_add_char(out, ']');
    }
    if (a->low <= a->high) {
        put_numbers(out, "range", (const double[]){a->low, a->high}, 2);
    }
    buf_add_char(out, '}');
}

static void put_series(struct buf *out, const struct series *s)
{
    static const char *const looks[] = {"points", "marks", "line", "steps"};
    buf_add_text(out, "{\"name\": ");
    put_string(out, s->name);
    buf_printf(out, ", \"look\": \"%s\"", looks[s->look]);
    put_numbers(out, "trial", s->number, s->n);
    put_numbers(out, "x", s->x, s->n);
    put_numbers(out, "y", s->y, s->n);
    if (s->shade != s->number) {
        put_numbers(out, "value", s->shade, s->n);
    }
    buf_add_char(out, '}');
}

static void put_panel(struct buf *out, const struct panel *p)
{
    if (p->n_parallel > 0) {
        buf_add_text(out, "{\"axes\": [");
        for (size_t i = 0; i < p->n_parallel; i++) {
            buf_add_text(out, i ? ", " : "");
            put_axis(out, &p->parallel[i]);
        }
        buf_add_char(out, ']');
    } else {
        buf_add_text(out, "{\"x\": ");
        put_axis(out, &p->x);
        buf_add_text(out, ", \"y\": ");
        put_axis(out, &p->y);
    }
    buf_add_text(out, ", \"series\": [");
    for (size_t i = 0; i < p->n_series; i++) {
        buf_add_text(out, i ? ", " : "");
        put_series(out, &p->series[i]);
    }
    buf_add_char(out, ']');
    if (p->field.side > 0) {
        buf_printf(out, ", \"field\": {\"side\": %zu", p->field.side);
        put_numbers(out, "z", p->field.z, p->field.side * p->field.side);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

void figure_json(const struct figure *f, struct buf *out)
{
    buf_add_text(out, "{\"kind\": ");
    put_string(out, f->kind);
    buf_add_text(out, ", \"title\": ");
    put_string(out, f->title);
    buf_add_text(out, ", \"panels\": [");
    for (size_t i = 0; i < f->n_panels; i++) {
        buf_add_text(out, i ? ", " : "");
        put_panel(out, &f->panels[i]);
    }
    buf_add_text(out, "], \"note\": ");
    put_string(out, f->note);
    buf_add_text(out, "}\n");
}
