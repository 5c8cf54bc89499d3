/* SPDX-License-Identifier: MIT
 *
 * The good set when there are several objectives: whole non-dominated fronts while they fit, and of the first one that does not,
 * the subset with a large hypervolume (Ozaki, Tanigaki, Watanabe, Onishi: GECCO 2020).
 *
 * Fronts are kept up as trials come (numeric/pareto.h). A front whose members and whose part of the good set are what they were is
 * passed over, so what a finished trial costs are the fronts that it changed, and a subset selection when the border lies in
 * one of them or moved.
 *
 * Weights by hypervolume (preset optuna4): what the set would lose without the trial, in parts of the largest such loss.
 */
#include "numeric/hypervolume.h"
#include "numeric/pareto.h"
#include "sampler/tpe.h"

#include <math.h>
#include <stdlib.h>

#define TINY 1e-12

enum part { PART_ALL = 1, PART_NONE = 2, PART_SOME = 3 };

struct front_state {
    struct fronts fronts;
    uint32_t *rows;  /* by id in the fronts; then those that wait */
    double *waiting; /* losses of trials that are not in the fronts yet */
    size_t cap_rows, n_waiting, cap_waiting;
    size_t some; /* how many of the border front were taken */
    struct border {
        uint32_t *ids, *picked;
        double *points, *ref;
        size_t cap_ids, cap_picked, cap_points;
    } border; /* scratch */
};

struct front_state *front_state_new(size_t m)
{
    struct front_state *s = mem_zalloc(1, sizeof *s);
    if (s) {
        fronts_init(&s->fronts, m);
        s->border.ref = mem_zalloc(m, sizeof *s->border.ref);
    }
    if (s && !s->border.ref) {
        front_state_free(s);
        return NULL;
    }
    return s;
}

void front_state_free(struct front_state *s)
{
    if (s) {
        fronts_release(&s->fronts);
        mem_free(s->rows);
        mem_free(s->waiting);
        mem_free(s->border.ids);
        mem_free(s->border.picked);
        mem_free(s->border.points);
        mem_free(s->border.ref);
        mem_free(s);
    }
}

bool front_state_add(struct front_state *s, uint32_t row, const double *values, size_t n, const bool *maximise)
{
    size_t m = s->fronts.m, id = s->fronts.n + s->n_waiting;
    if (!mem_grow((void **)&s->rows, &s->cap_rows, id + 1, sizeof *s->rows) ||
        !mem_grow((void **)&s->waiting, &s->cap_waiting, (s->n_waiting + 1) * m, sizeof *s->waiting)) {
        return false;
    }
    double *loss = s->waiting + s->n_waiting++ * m;
    for (size_t i = 0; i < m; i++) {
        double v = i < n ? values[i] : NAN;
        loss[i] = isnan(v) ? INFINITY : maximise[i] ? -v : v;
    }
    s->rows[id] = row;
    return true;
}

/* Of two that wait: does the one come first in lexicographic order? The order in which they came breaks ties. */
static bool comes_first(const struct front_state *s, uint32_t a, uint32_t b)
{
    size_t m = s->fronts.m;
    const double *x = s->waiting + a * m, *y = s->waiting + b * m;
    for (size_t i = 0; i < m; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i];
        }
    }
    return a < b;
}

static void sink(const struct front_state *s, uint32_t *heap, size_t n, size_t i)
{
    for (;;) {
        size_t last = i;
        for (size_t k = 2 * i + 1; k < n && k < 2 * i + 3; k++) {
            last = comes_first(s, heap[last], heap[k]) ? k : last;
        }
        if (last == i) {
            return;
        }
        uint32_t x = heap[i];
        heap[i] = heap[last];
        heap[last] = x;
        i = last;
    }
}

/* Puts those that wait into the fronts. Many at once in lexicographic order: then none pushes another out. */
static bool take_waiting(struct front_state *s)
{
    size_t n = s->n_waiting, m = s->fronts.m, first = s->fronts.n;
    uint32_t *order = mem_alloc((2 * n + 1) * sizeof *order), *rows = order + n;
    bool ok = order != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        order[i] = (uint32_t)i;
        rows[i] = s->rows[first + i];
    }
    for (size_t i = n / 2; ok && i > 0; i--) {
        sink(s, order, n, i - 1);
    }
    for (size_t end = n; ok && end > 1; end--) { /* heap sort: qsort could not be told where the values are */
        uint32_t x = order[0];
        order[0] = order[end - 1];
        order[end - 1] = x;
        sink(s, order, end - 1, 0);
    }
    for (size_t i = 0; ok && i < n; i++) {
        s->rows[first + i] = rows[order[i]];
        ok = fronts_add(&s->fronts, s->waiting + order[i] * m) == TL_OK;
    }
    mem_free(order);
    s->n_waiting = 0;
    return ok;
}

/* ---- selection ---- */

/* Above the worst value of each objective. */
static void reference(const double *points, size_t n, size_t m, double *ref)
{
    for (size_t j = 0; j < m; j++) {
        double worst = points[j];
        for (size_t i = 1; i < n; i++) {
            worst = points[i * m + j] > worst ? points[i * m + j] : worst;
        }
        ref[j] = 1.1 * worst > 0.9 * worst ? 1.1 * worst : 0.9 * worst;
        ref[j] = ref[j] == 0 ? TINY : ref[j];
    }
}

static bool grow_border(struct border *b, size_t n, size_t m)
{
    return mem_grow((void **)&b->ids, &b->cap_ids, n, sizeof *b->ids) &&
           mem_grow((void **)&b->picked, &b->cap_picked, n, sizeof *b->picked) &&
           mem_grow((void **)&b->points, &b->cap_points, n * m, sizeof *b->points);
}

/* A list of trials by number, with their points. Shell sort: the comparison needs the history. */
static void border_fill(struct front_state *s, const struct history *h, const uint32_t *ids, size_t n)
{
    struct border *b = &s->border;
    size_t m = s->fronts.m;
    memcpy(b->ids, ids, n * sizeof *ids);
    for (size_t gap = n / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < n; i++) {
            uint32_t id = b->ids[i];
            int64_t number = history_point(h, s->rows[id])->number;
            size_t k = i;
            for (; k >= gap && history_point(h, s->rows[b->ids[k - gap]])->number > number; k -= gap) {
                b->ids[k] = b->ids[k - gap];
            }
            b->ids[k] = id;
        }
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(b->points + i * m, fronts_point(&s->fronts, b->ids[i]), m * sizeof *b->points);
    }
}

static bool mark_one(struct history *h, uint32_t row, bool good)
{
    return history_point(h, row)->good == good || history_mark(h, row, good);
}

static bool take_some(struct history *h, const struct front_set *set, size_t k)
{
    struct front_state *s = h->fronts;
    struct border *b = &s->border;
    size_t m = s->fronts.m;
    if (!grow_border(b, set->n, m)) {
        return false;
    }
    border_fill(s, h, set->ids, set->n);
    reference(b->points, set->n, m, b->ref);
    if (hssp(b->points, set->n, m, b->ref, k, b->picked) != TL_OK) {
        return false;
    }
    for (size_t i = 0; i < k; i++) { /* picked ones get a mark in the highest bit: rows are fewer */
        b->ids[b->picked[i]] |= UINT32_C(1) << 31;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < set->n; i++) {
        ok = mark_one(h, s->rows[b->ids[i] & (UINT32_MAX >> 1)], b->ids[i] >> 31);
    }
    return ok;
}

bool front_state_select(struct history *h, size_t want)
{
    struct front_state *s = h->fronts;
    size_t taken = 0;
    bool ok = take_waiting(s);
    for (size_t k = 0; ok && k < s->fronts.n_sets; k++) {
        struct front_set *set = &s->fronts.sets[k];
        size_t room = want - taken;
        enum part part = set->n <= room ? PART_ALL : room == 0 ? PART_NONE : PART_SOME;
        uint64_t seen = set->version * 4 + part;
        taken += set->n < room ? set->n : room;
        if (set->seen == seen && (part != PART_SOME || s->some == room)) {
            continue;
        }
        set->seen = seen;
        if (part == PART_SOME) {
            s->some = room;
            ok = take_some(h, set, room);
            continue;
        }
        for (size_t i = 0; ok && i < set->n; i++) {
            ok = mark_one(h, s->rows[set->ids[i]], part == PART_ALL);
        }
    }
    return ok;
}

/* ---- weights ---- */

/* What each of the points adds to the others, into `lost`. */
static bool contributions(struct border *b, size_t n, size_t m, double *lost, bool *finite)
{
    double all, without;
    *finite = hypervolume(b->points, n, m, b->ref, &all) == TL_OK && isfinite(all);
    double *others = mem_alloc((n * m + 1) * sizeof *others);
    for (size_t i = 0; others && *finite && i < n; i++) {
        memcpy(others, b->points, i * m * sizeof *others);
        memcpy(others + i * m, b->points + (i + 1) * m, (n - i - 1) * m * sizeof *others);
        if (hypervolume(others, n - 1, m, b->ref, &without) != TL_OK) {
            mem_free(others);
            return false;
        }
        lost[i] = all - without;
    }
    mem_free(others);
    return others != NULL;
}

bool front_state_weigh(struct history *h)
{
    struct front_state *s = h->fronts;
    struct border *b = &s->border;
    size_t m = s->fronts.m, n = 0, n_first = s->fronts.n_sets ? s->fronts.sets[0].n : 0;
    if (!grow_border(b, s->fronts.n + 1, m)) {
        return false;
    }
    for (size_t id = 0; id < s->fronts.n; id++) { /* the reference point is that of the good set */
        struct tpe_point *p = svec_at(&h->points, s->rows[id]);
        if (p->good) {
            memcpy(b->points + n++ * m, fronts_point(&s->fronts, (uint32_t)id), m * sizeof *b->points);
            p->key[1] = TINY;
        }
    }
    if (n <= 1) {
        n_first = 0;
    } else {
        reference(b->points, n, m, b->ref);
    }
    size_t n_good = 0;
    for (size_t i = 0; i < n_first; i++) { /* dominated ones add nothing */
        uint32_t id = s->fronts.sets[0].ids[i];
        if (history_point(h, s->rows[id])->good) {
            b->ids[n_good] = id;
            memcpy(b->points + n_good++ * m, fronts_point(&s->fronts, id), m * sizeof *b->points);
        }
    }
    double *lost = mem_zalloc(n_good + 1, sizeof *lost), most = 0;
    bool finite = n > 1;
    bool ok = lost && (n_good == 0 || contributions(b, n_good, m, lost, &finite));
    for (size_t i = 0; ok && finite && i < n_good; i++) {
        most = lost[i] > most ? lost[i] : most;
    }
    for (size_t i = 0; ok && finite && i < n_good; i++) {
        struct tpe_point *p = svec_at(&h->points, s->rows[b->ids[i]]);
        double w = most > 0 ? lost[i] / most : 1;
        p->key[1] = w < TINY ? TINY : w;
    }
    for (size_t id = 0; ok && !finite && id < s->fronts.n; id++) {
        ((struct tpe_point *)svec_at(&h->points, s->rows[id]))->key[1] = 1;
    }
    mem_free(lost);
    return ok;
}
