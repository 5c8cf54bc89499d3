/* SPDX-License-Identifier: MIT
 *
 * Facts about a study that are kept up as operations apply: best trial, Pareto front, waiting queue, intersection search
 * space. Each is a function of the log alone, so every process has the same.
 *
 * Best and front count COMPLETE, feasible trials without NaN among their values. A trial is infeasible when one of its
 * constraints (Optuna's system attributes "constraints", a list, and "constraints:NAME", a number) is above zero.
 */
#include "model/state.h"

#include <math.h>

#include "base/json.h"
#include "base/mem.h"

/* ---- feasibility ---- */

/* One constraint: false when it is no number. Python's true counts as 1: functions that answer with a comparison write it. */
static bool constraint_read(struct json *j, double *out)
{
    bool flag = false;
    if (json_peek(j) == JSON_NUMBER) {
        return json_number(j, out, NULL) == TL_OK;
    }
    if (json_bool(j, &flag, NULL) != TL_OK) {
        return false;
    }
    *out = flag;
    return true;
}

static bool list_feasible(struct str json)
{
    struct json j = JSON_OF(json.p, json.n);
    bool first = true;
    double v;
    if (json_open(&j, '[', NULL) != 0) {
        return true;
    }
    while (json_next_item(&j, &first, NULL) > 0) {
        if (!constraint_read(&j, &v)) {
            return true;
        }
        if (!(v <= 0)) {
            return false;
        }
    }
    return true;
}

static bool single_feasible(struct str json)
{
    struct json j = JSON_OF(json.p, json.n);
    double v;
    return !constraint_read(&j, &v) || v <= 0;
}

bool row_feasible(const struct state *s, const struct study *st, const struct row *r)
{
    static const char prefix[] = "constraints";
    const size_t n = sizeof prefix - 1;
    struct attr_walk w = row_attrs(st, r);
    struct attr_entry a;
    while (attr_walk_next(&w, &a)) {
        struct str key;
        if (a.kind != TL_ATTR_SYSTEM || (key = intern_str(&s->names, a.key)).n < n || memcmp(key.p, prefix, n) != 0) {
            continue;
        }
        if (key.n == n ? !list_feasible(a.json) : key.p[n] == ':' && !single_feasible(a.json)) {
            return false;
        }
    }
    return true;
}

/* ---- best trial ---- */

/* Smaller is better: the value, negated when it is to be maximised. */
static double loss(const struct study *st, const double *values, size_t objective)
{
    return st->directions[objective] == TL_MAXIMIZE ? -values[objective] : values[objective];
}

static void best_update(struct study *st, size_t row_index, const double *values)
{
    double v = loss(st, values, 0);
    if (st->best >= 0) {
        const struct row *best = svec_at(&st->rows, (size_t)st->best);
        const struct row *r = svec_at(&st->rows, row_index);
        double b = loss(st, row_values(st, best), 0);
        if (v > b || (v == b && r->number > best->number)) {
            return;
        }
    }
    st->best = (int64_t)row_index;
}

/* ---- Pareto front ---- */

void front_drop(struct front *f)
{
    if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(f);
    }
}

/* Room for one more row in a front that nobody else holds. */
static struct front *front_writable(struct study *st)
{
    struct front *f = st->front;
    if (f && f->n < f->cap && atomic_load_explicit(&f->refs, memory_order_acquire) == 1) {
        return f;
    }
    size_t n = f ? f->n : 0, cap = n < 8 ? 16 : n * 2;
    struct front *copy = mem_alloc(sizeof *copy + cap * sizeof copy->rows[0]);
    if (!copy) {
        return NULL;
    }
    atomic_store_explicit(&copy->refs, 1, memory_order_relaxed);
    copy->n = n;
    copy->cap = cap;
    if (n) {
        memcpy(copy->rows, f->rows, n * sizeof copy->rows[0]);
    }
    front_drop(f);
    st->front = copy;
    return copy;
}

static const double *front_values(const struct study *st, const struct front *f, size_t i)
{
    return row_values(st, svec_at(&st->rows, f->rows[i]));
}

/* Is a at least as good as b everywhere and better somewhere? */
static bool dominates(const struct study *st, const double *a, const double *b)
{
    bool better = false;
    for (size_t k = 0; k < st->n_directions; k++) {
        double x = loss(st, a, k), y = loss(st, b, k);
        if (x > y) {
            return false;
        }
        better = better || x < y;
    }
    return better;
}

/* Two objectives: the front is ordered by the first one, and then the second one never rises along it. So a new point is
 * compared with its left neighbour, and what it pushes out is a run on its right. */
static bool front_add_2d(struct study *st, size_t row_index, const double *values)
{
    double x = loss(st, values, 0), y = loss(st, values, 1);
    const struct front *old = st->front;
    size_t lo = 0, hi = old ? old->n : 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const double *v = front_values(st, old, mid);
        double vx = loss(st, v, 0), vy = loss(st, v, 1);
        if (vx < x || (vx == x && vy < y)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo > 0 && loss(st, front_values(st, old, lo - 1), 1) <= y) {
        return true;
    }
    struct front *f = front_writable(st);
    if (!f) {
        return false;
    }
    while (lo < f->n && !dominates(st, values, front_values(st, f, lo)) &&
           loss(st, front_values(st, f, lo), 0) == x && loss(st, front_values(st, f, lo), 1) == y) {
        lo++; /* equal points stay */
    }
    size_t end = lo;
    while (end < f->n && dominates(st, values, front_values(st, f, end))) {
        end++;
    }
    memmove(f->rows + lo + 1, f->rows + end, (f->n - end) * sizeof f->rows[0]);
    f->rows[lo] = (uint32_t)row_index;
    f->n = f->n - (end - lo) + 1;
    return true;
}

static bool front_add(struct study *st, size_t row_index, const double *values)
{
    const struct front *old = st->front;
    for (size_t i = 0; old && i < old->n; i++) {
        if (dominates(st, front_values(st, old, i), values)) {
            return true;
        }
    }
    struct front *f = front_writable(st);
    if (!f) {
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (!dominates(st, values, front_values(st, f, i))) {
            f->rows[n++] = f->rows[i];
        }
    }
    f->n = n;
    double x = loss(st, values, 0);
    size_t at = n;
    while (at > 0 && loss(st, front_values(st, f, at - 1), 0) > x) {
        at--;
    }
    memmove(f->rows + at + 1, f->rows + at, (n - at) * sizeof f->rows[0]);
    f->rows[at] = (uint32_t)row_index;
    f->n = n + 1;
    return true;
}

/* ---- intersection search space ---- */

static bool space_fold(struct state *s, struct study *st, size_t row_index, struct search_space *sp)
{
    const struct row *r = svec_at(&st->rows, row_index);
    size_t n = row_n_params(st, r);
    if (!sp->started) {
        sp->started = true;
        if (n == 0) {
            return true;
        }
        sp->entries = mem_alloc(n * sizeof *sp->entries);
        if (!sp->entries) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            struct param_entry p = row_param(st, r, row_index, i);
            sp->entries[sp->n++] = (struct space_entry){p.name, p.dist};
        }
        return true;
    }
    /* Usually trials agree in names and order: entry i of the space is then found at parameter i or soon after it. */
    size_t kept = 0, hint = 0;
    for (size_t i = 0; i < sp->n; i++) {
        struct space_entry e = sp->entries[i];
        for (size_t tried = 0; tried < n; tried++) {
            size_t k = hint + tried < n ? hint + tried : hint + tried - n;
            struct param_entry p = row_param(st, r, row_index, k);
            if (p.name != e.name) {
                continue;
            }
            if (p.dist == e.dist ||
                dist_table_get(&s->dists, p.dist)->equal_id == dist_table_get(&s->dists, e.dist)->equal_id) {
                sp->entries[kept++] = e;
            }
            hint = k + 1 < n ? k + 1 : 0;
            break;
        }
    }
    sp->n = kept;
    return true;
}

/* ---- waiting queue ---- */

bool facts_waiting(struct study *st, uint32_t number)
{
    if (!mem_grow((void **)&st->waiting, &st->cap_waiting, st->n_waiting + 1, sizeof *st->waiting)) {
        return false;
    }
    size_t i = st->n_waiting++;
    while (i > 0 && st->waiting[(i - 1) / 2] > number) {
        st->waiting[i] = st->waiting[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    st->waiting[i] = number;
    return true;
}

static void waiting_pop(struct study *st)
{
    uint32_t last = st->waiting[--st->n_waiting];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < st->n_waiting) {
        if (child + 1 < st->n_waiting && st->waiting[child + 1] < st->waiting[child]) {
            child++;
        }
        if (st->waiting[child] >= last) {
            break;
        }
        st->waiting[i] = st->waiting[child];
        i = child;
    }
    st->waiting[i] = last;
}

int64_t study_first_waiting(struct study *st)
{
    while (st->n_waiting > 0) {
        if (study_trial_state(st, st->waiting[0]) == TL_WAITING) {
            return st->waiting[0];
        }
        waiting_pop(st);
    }
    return -1;
}

/* ---- all of them ---- */

bool facts_finished(struct state *s, struct study *st, size_t row_index)
{
    const struct row *r = svec_at(&st->rows, row_index);
    if (r->state == TL_FAIL) {
        return true;
    }
    if (!space_fold(s, st, row_index, &st->pruned_space)) {
        return false;
    }
    if (r->state != TL_COMPLETE) {
        return true;
    }
    if (!space_fold(s, st, row_index, &st->complete_space)) {
        return false;
    }
    const double *values = row_values(st, r);
    if (!values || r->n_values != st->n_directions) {
        return true;
    }
    for (size_t k = 0; k < r->n_values; k++) {
        if (isnan(values[k])) {
            return true;
        }
    }
    if (!row_feasible(s, st, r)) {
        return true;
    }
    if (st->n_directions == 1) {
        best_update(st, row_index, values);
        return true;
    }
    return st->n_directions == 2 ? front_add_2d(st, row_index, values) : front_add(st, row_index, values);
}
