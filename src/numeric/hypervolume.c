/* SPDX-License-Identifier: MIT
 *
 * Hypervolume, exactly.
 *
 * Two objectives: points by the first one, and the strips below each step of the staircase. Three: points come by the third one;
 * the staircase of the first two and its area are kept up (Beume, Fonseca, López-Ibáñez, Paquete, Vahrenhold, IEEE TEVC 13,
 * 2009). More: WFG (While, Bradstreet, Barone, IEEE TEVC 16, 2012): points with the worst last objective first; each adds its own box
 * without what later points cut off, and as all of those are limited to its last objective, that one drops out.
 *
 * Memory: each level of slicing has its own block, so the depth is the number of objectives.
 */
#include "numeric/hypervolume.h"

#include "base/mem.h"
#include "numeric/pareto.h"

#include <math.h>
#include <stdlib.h>

/* ---- order ---- */

static int compare(double x, double y)
{
    return (x > y) - (x < y);
}

static int by_first(const void *a, const void *b)
{
    const double *x = a, *y = b;
    int c = compare(x[0], y[0]);
    return c ? c : compare(x[1], y[1]);
}

static int by_third(const void *a, const void *b)
{
    const double *x = a, *y = b;
    int c = compare(x[2], y[2]);
    return c ? c : by_first(a, b);
}

/* ---- two and three objectives ---- */

/* Rows of two; they are sorted here. */
static double volume_2d(double *v, size_t n, const double *ref)
{
    double sum = 0, low = ref[1];
    qsort(v, n, 2 * sizeof *v, by_first);
    for (size_t i = 0; i < n; i++) {
        if (v[2 * i + 1] < low) {
            sum += (ref[0] - v[2 * i]) * (low - v[2 * i + 1]);
            low = v[2 * i + 1];
        }
    }
    return sum;
}

/* The staircase of a three-dimensional sweep: first objective rising, second falling. */
struct stairs {
    double *x, *y;
    size_t n;
    double area;
};

static void stairs_add(struct stairs *s, double x, double y, const double *ref)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->x[mid] <= x) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low > 0 && s->y[low - 1] <= y) {
        return; /* below a step that is there */
    }
    size_t from = low > 0 && s->x[low - 1] == x ? low - 1 : low, to = from;
    double height = from > 0 ? s->y[from - 1] : ref[1], left = x, gained = 0;
    while (to < s->n && s->y[to] >= y) { /* steps that it covers */
        gained += (s->x[to] - left) * (height - y);
        left = s->x[to];
        height = s->y[to];
        to++;
    }
    gained += ((to < s->n ? s->x[to] : ref[0]) - left) * (height - y);
    memmove(s->x + from + 1, s->x + to, (s->n - to) * sizeof *s->x);
    memmove(s->y + from + 1, s->y + to, (s->n - to) * sizeof *s->y);
    s->x[from] = x;
    s->y[from] = y;
    s->n += 1 + from - to;
    s->area += gained;
}

/* Rows of three; they are sorted here. `scratch`: 2 * n. */
static double volume_3d(double *v, size_t n, const double *ref, double *scratch)
{
    struct stairs s = {scratch, scratch + n, 0, 0};
    double sum = 0;
    qsort(v, n, 3 * sizeof *v, by_third);
    for (size_t i = 0; i < n; i++) {
        stairs_add(&s, v[3 * i], v[3 * i + 1], ref);
        sum += s.area * ((i + 1 < n ? v[3 * (i + 1) + 2] : ref[2]) - v[3 * i + 2]);
    }
    return sum;
}

/* ---- slicing ---- */

static double box(const double *p, const double *ref, size_t m)
{
    double product = 1;
    for (size_t i = 0; i < m; i++) {
        product *= ref[i] - p[i];
    }
    return product;
}

/* Keeps what nobody dominates, one of equal points. */
static size_t filter(double *v, size_t n, size_t m)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool covered = false;
        for (size_t k = 0; !covered && k < n; k++) {
            if (k < kept || k > i) {
                const double *p = v + k * m, *q = v + i * m;
                covered = pareto_dominates(p, q, m) || (k < kept && memcmp(p, q, m * sizeof *p) == 0);
            }
        }
        if (!covered) {
            memmove(v + kept++ * m, v + i * m, m * sizeof *v);
        }
    }
    return kept;
}

/* Rows with the largest last objective first, by binary insertion: qsort could not be told `m`. */
static void sort_by_last(double *v, size_t n, size_t m, double *row)
{
    for (size_t i = 1; i < n; i++) {
        size_t low = 0, high = i;
        memcpy(row, v + i * m, m * sizeof *row);
        while (low < high) {
            size_t mid = low + (high - low) / 2;
            if (v[mid * m + m - 1] >= row[m - 1]) {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        memmove(v + (low + 1) * m, v + low * m, (i - low) * m * sizeof *v);
        memcpy(v + low * m, row, m * sizeof *row);
    }
}

/* Memory that one level and those below it need, in doubles. */
static size_t memory_for(size_t n, size_t m)
{
    size_t sum = 3 * n + 4;
    for (size_t i = 3; i < m; i++) {
        sum += n * i + i + 1;
    }
    return sum;
}

/* All levels in one loop: `at` counts the level, m falls as it goes down. */
struct level {
    double *v, *next; /* rows of m; memory of the level below */
    size_t n, m, i;
    double sum;
};

static double base_volume(double *v, size_t n, size_t m, const double *ref, double *scratch)
{
    return m == 1 ? ref[0] - v[0] : m == 2 ? volume_2d(v, n, ref) : volume_3d(v, n, ref, scratch);
}

/* The points behind i, limited by i in all but the last objective, into the memory below. */
static size_t limit(const struct level *l, double *to)
{
    const double *p = l->v + l->i * l->m;
    size_t m = l->m - 1, n = 0;
    for (size_t k = l->i + 1; k < l->n; k++, n++) {
        const double *q = l->v + k * l->m;
        for (size_t j = 0; j < m; j++) {
            to[n * m + j] = p[j] > q[j] ? p[j] : q[j];
        }
    }
    return n;
}

#define LEVELS_MAX 64

static double volume_sliced(double *v, size_t n, size_t m, const double *ref, double *memory)
{
    struct level levels[LEVELS_MAX];
    size_t depth = 0;
    sort_by_last(v, n, m, memory);
    levels[0] = (struct level){v, memory + m, n, m, 0, 0};
    for (;;) {
        struct level *l = &levels[depth];
        if (l->i == l->n) {
            if (depth == 0) {
                return l->sum;
            }
            double inner = l->sum;
            struct level *up = &levels[--depth];
            const double *p = up->v + up->i++ * up->m;
            up->sum += (ref[up->m - 1] - p[up->m - 1]) * (box(p, ref, up->m - 1) - inner);
            continue;
        }
        const double *p = l->v + l->i * l->m;
        size_t below = limit(l, l->next);
        if (l->m - 1 > 3 && below > 0) {
            below = filter(l->next, below, l->m - 1);
            double *row = l->next + below * (l->m - 1);
            sort_by_last(l->next, below, l->m - 1, row);
            levels[depth + 1] = (struct level){l->next, row + l->m - 1, below, l->m - 1, 0, 0};
            depth++;
            continue;
        }
        double inner = below ? base_volume(l->next, below, l->m - 1, ref, l->next + below * (l->m - 1)) : 0;
        l->sum += (ref[l->m - 1] - p[l->m - 1]) * (box(p, ref, l->m - 1) - inner);
        l->i++;
    }
}

static bool all_finite(const double *v, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        if (!isfinite(v[i])) {
            return false;
        }
    }
    return true;
}

static bool below_ref(const double *p, const double *ref, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        if (!(p[i] <= ref[i])) {
            return false;
        }
    }
    return true;
}

int hypervolume(const double *v, size_t n, size_t m, const double *ref, double *out)
{
    if (n > 0 && !all_finite(ref, m)) {
        *out = INFINITY;
        return TL_OK;
    }
    if (m > LEVELS_MAX + 2 || n > SIZE_MAX / (m + 2) / (m + 2) / 16) {
        return TL_ENOMEM;
    }
    size_t rows = n * m;
    double *memory = mem_alloc((rows + memory_for(n, m) + m) * sizeof *memory);
    if (!memory) {
        return TL_ENOMEM;
    }
    size_t kept = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        if (below_ref(v + i * m, ref, m)) {
            finite = finite && all_finite(v + i * m, m);
            memcpy(memory + kept++ * m, v + i * m, m * sizeof *v);
        }
    }
    if (!finite) {
        *out = INFINITY;
    } else if (kept == 0) {
        *out = 0;
    } else if (m == 1) {
        double low = memory[0];
        for (size_t i = 1; i < kept; i++) {
            low = memory[i] < low ? memory[i] : low;
        }
        *out = ref[0] - low;
    } else if (m <= 3) {
        *out = base_volume(memory, kept, m, ref, memory + rows);
    } else {
        kept = filter(memory, kept, m);
        *out = volume_sliced(memory, kept, m, ref, memory + rows);
    }
    mem_free(memory);
    return TL_OK;
}
