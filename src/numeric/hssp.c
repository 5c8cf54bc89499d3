/* SPDX-License-Identifier: MIT
 *
 * Greedy hypervolume subset selection.
 *
 * What a point adds only falls as others are selected, so an old value is an upper bound: the point with the highest bound is
 * evaluated again, until the highest one is new (lazy greedy: Minoux 1978; for hypervolume: Guerreiro, Fonseca, Paquete, Evolutionary
 * Computation 24, 2016). With two objectives what a point adds is the rectangle between its selected neighbours; with more
 * its box without what the selected points cut off.
 */
#include "base/mem.h"
#include "numeric/hypervolume.h"

#include <math.h>
#include <stdlib.h>

struct candidate {
    const double *p;
    uint32_t index;
    uint32_t rank;    /* in the order of the first objective */
    size_t evaluated; /* how many were selected when `gain` was true */
    double gain;
};

struct choice {
    size_t m;
    const double *ref;
    struct candidate *all, **heap; /* different points; those that are not selected */
    size_t n, n_heap;
    double *selected; /* points, n_selected * m */
    size_t n_selected;
    double *limited;            /* scratch: n * m */
    double *right, *above;      /* two objectives, by rank: where the selected neighbours begin */
    struct candidate **by_rank; /* two objectives */
};

/* ---- what a point adds ---- */

static double box_of(const struct choice *c, const double *p)
{
    double product = 1;
    for (size_t i = 0; i < c->m; i++) {
        product *= c->ref[i] - p[i];
    }
    return isnan(product) ? 0 : product;
}

static int gain_of(struct choice *c, struct candidate *x)
{
    double covered = 0;
    if (c->m == 2) {
        x->gain = (c->right[x->rank] - x->p[0]) * (c->above[x->rank] - x->p[1]);
    } else {
        for (size_t k = 0; k < c->n_selected; k++) {
            for (size_t i = 0; i < c->m; i++) {
                double s = c->selected[k * c->m + i];
                c->limited[k * c->m + i] = s > x->p[i] ? s : x->p[i];
            }
        }
        int rc = hypervolume(c->limited, c->n_selected, c->m, c->ref, &covered);
        if (rc != TL_OK) {
            return rc;
        }
        x->gain = box_of(c, x->p) - covered;
    }
    x->gain = isnan(x->gain) ? 0 : x->gain;
    x->evaluated = c->n_selected;
    return TL_OK;
}

/* ---- heap ---- */

static bool comes_first(const struct candidate *a, const struct candidate *b)
{
    return a->gain != b->gain ? a->gain > b->gain : a->rank < b->rank;
}

static void sink(struct choice *c, size_t i)
{
    for (;;) {
        size_t top = i, left = 2 * i + 1;
        for (size_t k = left; k < c->n_heap && k < left + 2; k++) {
            top = comes_first(c->heap[k], c->heap[top]) ? k : top;
        }
        if (top == i) {
            return;
        }
        struct candidate *x = c->heap[i];
        c->heap[i] = c->heap[top];
        c->heap[top] = x;
        i = top;
    }
}

static void select_top(struct choice *c, uint32_t *picked)
{
    struct candidate *x = c->heap[0];
    memcpy(c->selected + c->n_selected * c->m, x->p, c->m * sizeof *x->p);
    picked[c->n_selected++] = x->index;
    c->heap[0] = c->heap[--c->n_heap];
    sink(c, 0);
    if (c->m != 2) {
        return;
    }
    for (size_t k = x->rank; k > 0 && c->right[k - 1] > x->p[0]; k--) {
        c->right[k - 1] = x->p[0];
    }
    for (size_t k = x->rank + 1; k < c->n && c->above[k] > x->p[1]; k++) {
        c->above[k] = x->p[1];
    }
}

/* ---- different points ---- */

static int by_point(const struct candidate *a, const struct candidate *b, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        if (a->p[i] != b->p[i]) {
            return a->p[i] < b->p[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Merge sort of pointers by point, then by index (stable): qsort could not be told `m`. `other`: scratch of n. */
static void sort_points(struct candidate **list, struct candidate **other, size_t n, size_t m)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t mid = from + width < n ? from + width : n, end = from + 2 * width < n ? from + 2 * width : n;
            for (size_t a = from, b = mid, to = from; to < end; to++) {
                bool left = a < mid && (b == end || by_point(list[a], list[b], m) <= 0);
                other[to] = left ? list[a++] : list[b++];
            }
        }
        memcpy(list, other, n * sizeof(struct candidate *));
    }
}

/* Puts the different points in front of by_rank, in order, and counts them; the others are marked by a rank of UINT32_MAX. */
static void tell_apart(struct choice *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c->by_rank[i] = &c->all[i];
    }
    sort_points(c->by_rank, c->heap, n, c->m);
    for (size_t i = 0; i < n; i++) {
        struct candidate *x = c->by_rank[i];
        if (c->n > 0 && by_point(c->by_rank[c->n - 1], x, c->m) == 0) {
            x->rank = UINT32_MAX;
        } else {
            x->rank = (uint32_t)c->n;
            c->by_rank[c->n++] = x;
        }
    }
}

static bool finite_point(const double *p, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        if (!isfinite(p[i])) {
            return false;
        }
    }
    return true;
}

static int run(struct choice *c, size_t n, size_t k, uint32_t *picked)
{
    int rc = TL_OK;
    tell_apart(c, n);
    if (!finite_point(c->ref, c->m)) {
        while (c->n_selected < k && c->n_selected < c->n) {
            picked[c->n_selected] = c->by_rank[c->n_selected]->index;
            c->n_selected++;
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        c->right[i] = c->ref[0];
        c->above[i] = c->m > 1 ? c->ref[1] : 0;
    }
    for (size_t i = 0; i < n && c->n_selected == 0; i++) {
        if (c->all[i].rank != UINT32_MAX) {
            c->all[i].gain = box_of(c, c->all[i].p);
            c->heap[c->n_heap++] = &c->all[i];
        }
    }
    for (size_t i = c->n_heap / 2; i > 0; i--) {
        sink(c, i - 1);
    }
    while (rc == TL_OK && c->n_selected < k && c->n_heap > 0) {
        if (c->heap[0]->evaluated == c->n_selected) {
            select_top(c, picked);
        } else {
            rc = gain_of(c, c->heap[0]);
            sink(c, 0);
        }
    }
    for (size_t i = 0; i < n && c->n_selected < k; i++) {
        if (c->all[i].rank == UINT32_MAX) {
            picked[c->n_selected++] = (uint32_t)i;
        }
    }
    return rc;
}

int hssp(const double *v, size_t n, size_t m, const double *ref, size_t k, uint32_t *picked)
{
    struct choice c = {.m = m, .ref = ref};
    k = k < n ? k : n;
    if (k == n) {
        for (size_t i = 0; i < k; i++) {
            picked[i] = (uint32_t)i;
        }
        return TL_OK;
    }
    c.all = mem_zalloc(n, sizeof *c.all);
    c.heap = mem_zalloc(n, sizeof(struct candidate *));
    c.by_rank = mem_zalloc(n, sizeof(struct candidate *));
    c.selected = mem_zalloc(n * m, sizeof *c.selected);
    c.limited = mem_zalloc(n * m, sizeof *c.limited);
    c.right = mem_zalloc(n, sizeof *c.right);
    c.above = mem_zalloc(n, sizeof *c.above);
    int rc = c.all && c.heap && c.by_rank && c.selected && c.limited && c.right && c.above ? TL_OK : TL_ENOMEM;
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        c.all[i] = (struct candidate){.p = v + i * m, .index = (uint32_t)i};
    }
    if (rc == TL_OK) {
        rc = run(&c, n, k, picked);
    }
    mem_free(c.all);
    mem_free(c.heap);
    mem_free(c.by_rank);
    mem_free(c.selected);
    mem_free(c.limited);
    mem_free(c.right);
    mem_free(c.above);
    return rc;
}
