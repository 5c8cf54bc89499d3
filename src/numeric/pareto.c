/* SPDX-License-Identifier: MIT
 *
 * Fronts kept up to date while points come one by one.
 *
 * A point belongs to the first front that does not dominate it. "Front k dominates the point" holds for all k before that one, so
 * binary search finds it (ENS-BS: Zhang, Tian, Cheng, Jin, IEEE TEVC 19, 2015). What the point dominates there falls to the next
 * front, together, and may push members of that one on: level by level until nothing falls, or a whole front fell: then it is
 * a front of its own, and those behind it keep their members (Li, Deb, Zhang, Zhang, IEEE TCYB 47, 2017).
 *
 * Two objectives: a front is a staircase, so one binary search tells whether it dominates a point, and what a group of points
 * dominates in it is one run.
 */
#include "numeric/pareto.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

bool pareto_dominates(const double *a, const double *b, size_t m)
{
    bool smaller = false;
    for (size_t i = 0; i < m; i++) {
        if (a[i] > b[i]) {
            return false;
        }
        smaller = smaller || a[i] < b[i];
    }
    return smaller;
}

void fronts_init(struct fronts *f, size_t m)
{
    *f = (struct fronts){.m = m};
}

void fronts_release(struct fronts *f)
{
    for (size_t i = 0; i < f->n_sets; i++) {
        mem_free(f->sets[i].ids);
    }
    mem_free(f->sets);
    mem_free(f->values);
    fronts_init(f, f->m);
}

/* ---- one front ---- */

/* Staircase: the first member that lies behind p in the order (first objective, then the second one falling). */
static size_t behind(const struct fronts *f, const uint32_t *ids, size_t n, const double *p)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (fronts_point(f, ids[mid])[0] <= p[0]) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool set_dominates(const struct fronts *f, const uint32_t *ids, size_t n, const double *p)
{
    if (f->m ==
        2) { /* of the members that are no larger in the first objective, the last is smallest in the second */
        size_t at = behind(f, ids, n, p);
        return at > 0 && pareto_dominates(fronts_point(f, ids[at - 1]), p, 2);
    }
    for (size_t i = n; i > 0; i--) { /* the newest first: they are the likeliest */
        if (pareto_dominates(fronts_point(f, ids[i - 1]), p, f->m)) {
            return true;
        }
    }
    return false;
}

/* Members from which on, and up to which, a group may dominate: all, or a run of the staircase. */
static void dominated_range(const struct fronts *f, const struct front_set *set, const uint32_t *group,
                            size_t n, size_t *from, size_t *to)
{
    *from = 0;
    *to = set->n;
    if (f->m != 2) {
        return;
    }
    const double *first = fronts_point(f, group[0]), *last = fronts_point(f, group[n - 1]);
    size_t low = 0, high = set->n;
    while (low < high) { /* the first that is no smaller than the group's first in the first objective */
        size_t mid = low + (high - low) / 2;
        if (fronts_point(f, set->ids[mid])[0] < first[0]) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *from = low;
    high = set->n;
    while (low < high) { /* the first that is smaller than the group's last in the second */
        size_t mid = low + (high - low) / 2;
        if (fronts_point(f, set->ids[mid])[1] >= last[1]) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *to = low;
}

/* Puts a group into a front: a merge of two staircases, or behind the others. */
static bool set_insert(const struct fronts *f, struct front_set *set, const uint32_t *group, size_t n)
{
    if (!mem_grow((void **)&set->ids, &set->cap, set->n + n, sizeof *set->ids)) {
        return false;
    }
    if (f->m != 2) {
        memcpy(set->ids + set->n, group, n * sizeof *group);
    } else {
        size_t end = set->n;
        for (size_t i = n; i > 0; i--) { /* from the back */
            size_t at = behind(f, set->ids, end, fronts_point(f, group[i - 1]));
            memmove(set->ids + at + i, set->ids + at, (end - at) * sizeof *set->ids);
            set->ids[at + i - 1] = group[i - 1];
            end = at;
        }
    }
    set->n += n;
    return true;
}

/* Takes out what the group dominates; it comes to `fallen`, which has room for all members. */
static size_t set_remove(const struct fronts *f, struct front_set *set, const uint32_t *group, size_t n,
                         uint32_t *fallen)
{
    size_t from, to, kept, n_fallen = 0;
    dominated_range(f, set, group, n, &from, &to);
    kept = from;
    for (size_t i = from; i < to; i++) {
        uint32_t id = set->ids[i];
        if (set_dominates(f, group, n, fronts_point(f, id))) {
            fallen[n_fallen++] = id;
        } else {
            set->ids[kept++] = id;
        }
    }
    memmove(set->ids + kept, set->ids + to, (set->n - to) * sizeof *set->ids);
    set->n -= n_fallen;
    return n_fallen;
}

/* ---- all of them ---- */

static size_t level_of(const struct fronts *f, const double *p)
{
    size_t low = 0, high = f->n_sets;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (set_dominates(f, f->sets[mid].ids, f->sets[mid].n, p)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* A new front of these members at `level`; those from there on move back. */
static bool new_set(struct fronts *f, size_t level, const uint32_t *group, size_t n)
{
    struct front_set set = {0};
    if (!mem_grow((void **)&f->sets, &f->cap_sets, f->n_sets + 1, sizeof *f->sets) ||
        !set_insert(f, &set, group, n)) {
        return false;
    }
    set.version = ++f->clock;
    memmove(f->sets + level + 1, f->sets + level, (f->n_sets - level) * sizeof *f->sets);
    f->sets[level] = set;
    f->n_sets++;
    return true;
}

/* Puts a group into its level and sends what it pushes out down. */
static bool cascade(struct fronts *f, size_t level, uint32_t *group, size_t n)
{
    uint32_t *fallen = NULL;
    bool ok = true;
    while (ok && n > 0) {
        if (level == f->n_sets) {
            ok = new_set(f, level, group, n);
            break;
        }
        struct front_set *set = &f->sets[level];
        uint32_t *other = mem_alloc((set->n + 1) * sizeof *other);
        size_t n_other = other ? set_remove(f, set, group, n, other) : 0;
        if (other && set->n == 0) { /* all of it fell: it stays a front, behind the group */
            ok = set_insert(f, set, other, n_other) && new_set(f, level, group, n);
            mem_free(other);
            break;
        }
        ok = other && set_insert(f, set, group, n);
        set->version = ++f->clock;
        mem_free(fallen);
        fallen = group = other;
        n = n_other;
        level++;
    }
    mem_free(fallen);
    return ok;
}

int fronts_add(struct fronts *f, const double *v)
{
    uint32_t id = (uint32_t)f->n;
    if (!mem_grow((void **)&f->values, &f->cap_values, (f->n + 1) * f->m, sizeof *f->values)) {
        return TL_ENOMEM;
    }
    memcpy(f->values + f->n * f->m, v, f->m * sizeof *v);
    f->n++;
    return cascade(f, level_of(f, v), &id, 1) ? TL_OK : TL_ENOMEM;
}

int pareto_ranks(const double *v, size_t n, size_t m, uint32_t *rank)
{
    struct fronts f;
    int rc = TL_OK;
    fronts_init(&f, m);
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        rc = fronts_add(&f, v + i * m);
    }
    for (size_t k = 0; rc == TL_OK && k < f.n_sets; k++) {
        for (size_t i = 0; i < f.sets[k].n; i++) {
            rank[f.sets[k].ids[i]] = (uint32_t)k;
        }
    }
    fronts_release(&f);
    return rc;
}
