/* SPDX-License-Identifier: MIT
 *
 * The finished trials of one study, and which of them are good.
 *
 * Happy path: history_fold looks once at each row that is new, gives it a class and a key, and puts it on the heap of the rest;
 * then as many trials as gamma says are good. gamma grows by at most one a trial, so at most one trial enters the good set
 * and one leaves it per finished trial: O(log n). What crossed the border is noted in `moves`, for the mixtures.
 *
 * The good set is filled with COMPLETE feasible trials by loss, then PRUNED ones (those that got further first, then by their last
 * value), then infeasible ones by their violation; ties by number. A constraint is violated by how much it is above zero; `raw` adds
 * violations up as they are, `normalised` measures each in the median of its violations, taken anew when their number has grown by
 * an eighth. All of it is a function of the rows in their order, so a model built at once equals one kept up.
 *
 * Failure modes: out of memory; then the history is to be thrown away.
 */
#include "base/err.h"
#include "base/json.h"
#include "sampler/tpe.h"

#include <math.h>
#include <stdlib.h>

static struct tpe_point *point_at(const struct history *h, size_t row)
{
    return svec_at(&h->points, row);
}

/* ---- violations ---- */

struct violation {
    uint32_t row, key;
    double by;
};
struct violations {
    struct intern keys; /* of constraints */
    double *scale;      /* by key */
    size_t n_scale, cap_scale;
    struct violation *items; /* those of a row together */
    size_t n, cap;
    size_t next;    /* how many infeasible trials there will be when scales are taken anew */
    double *values; /* scratch */
    size_t cap_values;
};

/* Reading one trial's constraints. */
struct reading {
    struct violations *to;
    uint32_t row;
    bool failed;
};

static bool constraint_value(struct json *j, double *out)
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

static void add_violation(struct reading *r, struct str key, double by)
{
    struct violations *v = r->to;
    if (!(by > 0)) {
        return;
    }
    uint32_t number = intern_add(&v->keys, key);
    if (number == INTERN_NONE || !mem_grow((void **)&v->items, &v->cap, v->n + 1, sizeof *v->items)) {
        r->failed = true;
        return;
    }
    v->items[v->n++] = (struct violation){r->row, number, by};
}

/* Optuna's attributes: "constraints", a list, and "constraints:NAME", a number. */
static int read_constraint(void *ctx, const struct tl_attr *a)
{
    static const char prefix[] = "constraints";
    const size_t n = sizeof prefix - 1;
    struct reading *r = ctx;
    struct str key = {a->key.s, a->key.len};
    if (a->kind != TL_ATTR_SYSTEM || key.n < n || memcmp(key.p, prefix, n) != 0) {
        return 0;
    }
    struct json j = JSON_OF(a->json.s, a->json.len);
    double by;
    if (key.n > n && key.p[n] == ':') {
        if (constraint_value(&j, &by)) {
            add_violation(r, key, by);
        }
    } else if (key.n == n && json_open(&j, '[', NULL) == TL_OK) {
        bool first = true;
        for (uint32_t i = 0; json_next_item(&j, &first, NULL) > 0 && constraint_value(&j, &by); i++) {
            char place[sizeof i + 1] = {'#'};
            memcpy(place + 1, &i, sizeof i);
            add_violation(r, (struct str){place, sizeof place}, by);
        }
    }
    return r->failed ? TL_ENOMEM : 0;
}

static double violation_of(const struct history *h, const struct tpe_point *p)
{
    const struct violations *v = h->violations;
    double sum = 0;
    for (size_t i = p->extra; i < v->n && v->items[i].row == v->items[p->extra].row; i++) {
        uint32_t key = v->items[i].key;
        sum += key < v->n_scale ? v->items[i].by / v->scale[key] : v->items[i].by;
    }
    return sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of each constraint's violations, which are put side by side for it. */
static bool take_scales(struct violations *v)
{
    size_t n_keys = v->keys.strings.len;
    size_t *end = mem_zalloc(n_keys + 2, sizeof *end);
    if (!end || !mem_grow((void **)&v->scale, &v->cap_scale, n_keys + 1, sizeof *v->scale) ||
        !mem_grow((void **)&v->values, &v->cap_values, v->n + 1, sizeof *v->values)) {
        mem_free(end);
        return false;
    }
    for (size_t i = 0; i < v->n; i++) {
        end[v->items[i].key + 2]++;
    }
    for (size_t key = 2; key < n_keys + 2; key++) {
        end[key] += end[key - 1]; /* where those of key - 1 begin, until they are filled in */
    }
    for (size_t i = 0; i < v->n; i++) {
        v->values[end[v->items[i].key + 1]++] = v->items[i].by;
    }
    for (size_t key = 0; key < n_keys; key++) {
        double *values = v->values + end[key];
        size_t n = end[key + 1] - end[key];
        qsort(values, n, sizeof *values, by_value);
        double median = n ? values[(n - 1) / 2] / 2 + values[n / 2] / 2 : 1;
        v->scale[key] = isfinite(median) && median > 0 ? median : 1;
    }
    mem_free(end);
    v->n_scale = n_keys;
    return true;
}

static struct violations *violations_new(void)
{
    struct violations *v = mem_zalloc(1, sizeof *v);
    if (v) {
        v->keys = (struct intern)INTERN_INIT;
    }
    return v;
}

/* ---- order and heaps ---- */

static bool better(const struct tpe_point *a, const struct tpe_point *b)
{
    if (a->class_ != b->class_) {
        return a->class_ < b->class_;
    }
    for (size_t i = 0; i < 2; i++) {
        if (a->key[i] != b->key[i]) {
            return a->key[i] < b->key[i];
        }
    }
    return a->number < b->number;
}

/* Does row a belong above row b? */
static bool above(const struct history *h, const struct heap *heap, uint32_t a, uint32_t b)
{
    const struct tpe_point *x = point_at(h, a), *y = point_at(h, b);
    return heap == &h->good ? better(y, x) : better(x, y);
}

static void sink(const struct history *h, struct heap *heap, size_t i)
{
    for (;;) {
        size_t top = i, left = 2 * i + 1;
        for (size_t k = left; k < heap->n && k < left + 2; k++) {
            top = above(h, heap, heap->rows[k], heap->rows[top]) ? k : top;
        }
        if (top == i) {
            return;
        }
        uint32_t row = heap->rows[i];
        heap->rows[i] = heap->rows[top];
        heap->rows[top] = row;
        i = top;
    }
}

static bool heap_push(const struct history *h, struct heap *heap, uint32_t row)
{
    if (!mem_grow((void **)&heap->rows, &heap->cap, heap->n + 1, sizeof *heap->rows)) {
        return false;
    }
    size_t i = heap->n++;
    while (i > 0 && above(h, heap, row, heap->rows[(i - 1) / 2])) {
        heap->rows[i] = heap->rows[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->rows[i] = row;
    return true;
}

static uint32_t heap_pop(const struct history *h, struct heap *heap)
{
    uint32_t row = heap->rows[0];
    heap->rows[0] = heap->rows[--heap->n];
    sink(h, heap, 0);
    return row;
}

static void heap_rebuild(const struct history *h, struct heap *heap)
{
    for (size_t i = heap->n / 2; i > 0; i--) {
        sink(h, heap, i - 1);
    }
}

/* ---- the good set ---- */

bool history_mark(struct history *h, uint32_t row, bool good)
{
    if (!mem_grow((void **)&h->moves, &h->cap_moves, h->n_moves + 1, sizeof *h->moves)) {
        return false;
    }
    point_at(h, row)->good = good;
    h->moves[h->n_moves++] = (uint64_t)row * 2 + good;
    return true;
}

static bool move_top(struct history *h, struct heap *from, struct heap *to)
{
    uint32_t row = heap_pop(h, from);
    return heap_push(h, to, row) && history_mark(h, row, to == &h->good);
}

static int settle(struct history *h, struct tl_err *err)
{
    size_t n = h->count[CLASS_COMPLETE] + h->count[CLASS_PRUNED] + h->count[CLASS_INFEASIBLE], want;
    int rc = tpe_good_count(h->rules, h->fronts != NULL, n, &want, err);
    bool ok = rc == TL_OK;
    if (ok && h->fronts) {
        size_t complete = h->count[CLASS_COMPLETE] < want ? h->count[CLASS_COMPLETE] : want;
        ok = front_state_select(h, complete) && (!h->rules->mo_weights || front_state_weigh(h));
        want -= complete;
    }
    while (ok && h->good.n > want) {
        ok = move_top(h, &h->good, &h->rest);
    }
    while (ok && h->good.n < want && h->rest.n > 0) {
        ok = move_top(h, &h->rest, &h->good);
    }
    while (ok && h->good.n > 0 && h->rest.n > 0 &&
           better(point_at(h, h->rest.rows[0]), point_at(h, h->good.rows[0]))) {
        ok = move_top(h, &h->rest, &h->good) && move_top(h, &h->good, &h->rest);
    }
    return ok || rc != TL_OK ? rc : err_nomem(err);
}

double history_weight(const struct history *h, const struct tpe_point *p)
{
    const struct tpe_point *best = h->rest.n ? point_at(h, h->rest.rows[0]) : NULL;
    if (h->fronts) {
        return p->class_ == CLASS_COMPLETE ? p->key[1] : p->class_ == CLASS_INFEASIBLE ? 1e-12 : 1;
    }
    if (!best || best->class_ != CLASS_COMPLETE) {
        return 1;
    }
    double w = best->key[0] - p->key[0];
    return !isfinite(best->key[0]) || !isfinite(w) ? 1 : w < 1e-12 ? 1e-12 : w;
}

/* ---- folding ---- */

/* NaN is no value that a COMPLETE trial should have: worst. */
static double loss(const struct history *h, double value)
{
    return isnan(value) ? INFINITY : h->maximise[0] ? -value : value;
}

static bool read_violations(struct history *h, const tl_view *view, uint32_t row, struct tpe_point *p)
{
    size_t before = h->violations->n, n_keys = h->violations->keys.strings.len;
    struct reading r = {h->violations, row, false};
    (void)tl_view_each_attr(view, p->number, read_constraint, &r, NULL);
    if (r.failed) {
        return false;
    }
    if (h->violations->n == before) {
        return true;
    }
    p->class_ = CLASS_INFEASIBLE;
    p->extra = (uint32_t)before;
    if (h->rules->normalised_constraints &&
        (h->count[CLASS_INFEASIBLE] + 1 >= h->violations->next || h->violations->keys.strings.len > n_keys)) {
        if (!take_scales(h->violations)) {
            return false;
        }
        for (size_t i = 0; i < row; i++) {
            struct tpe_point *old = point_at(h, i);
            if (old->class_ == CLASS_INFEASIBLE) {
                old->key[0] = violation_of(h, old);
            }
        }
        h->violations->next = h->count[CLASS_INFEASIBLE] + h->count[CLASS_INFEASIBLE] / 8 + 2;
        heap_rebuild(h, &h->good);
        heap_rebuild(h, &h->rest);
    }
    p->key[0] = violation_of(h, p);
    return true;
}

static bool fold_row(struct history *h, const tl_view *view, uint32_t row)
{
    struct tl_row r;
    struct tl_report last;
    tl_view_row(view, row, &r);
    struct tpe_point *p = svec_push(&h->points);
    if (!p) {
        return false;
    }
    *p = (struct tpe_point){.number = r.number, .class_ = CLASS_NONE};
    if (r.state == TL_COMPLETE) {
        p->class_ = CLASS_COMPLETE;
        p->key[0] = loss(h, r.n_values ? r.values[0] : NAN);
    } else if (r.state == TL_PRUNED) {
        p->class_ = CLASS_PRUNED;
        p->key[0] = 1;
        if (!h->fronts && tl_view_last_report(view, r.number, &last)) {
            p->key[0] = -(double)last.step;
            p->key[1] = loss(h, last.value);
        }
    }
    if (p->class_ != CLASS_NONE) {
        if (!read_violations(h, view, row, p)) {
            return false;
        }
        if (p->class_ == CLASS_INFEASIBLE) {
            p->key[1] = 0;
        }
    }
    h->count[p->class_]++;
    if (p->class_ == CLASS_COMPLETE && h->fronts) {
        return front_state_add(h->fronts, row, r.values, r.n_values, h->maximise);
    }
    return p->class_ == CLASS_NONE || heap_push(h, &h->rest, row);
}

int history_fold(struct history *h, const tl_view *view, struct tl_err *err)
{
    size_t n = tl_view_n_rows(view), before = h->points.len;
    for (size_t row = before; row < n; row++) {
        if (!fold_row(h, view, (uint32_t)row)) {
            return err_nomem(err);
        }
    }
    return h->points.len == before ? TL_OK : settle(h, err);
}

int history_init(struct history *h, const struct tpe_rules *rules, const tl_view *view)
{
    size_t n;
    const enum tl_direction *directions = tl_view_directions(view, &n);
    *h = (struct history){.rules = rules, .n_objectives = n, .points = SVEC_INIT(struct tpe_point)};
    h->violations = violations_new();
    h->maximise = mem_zalloc(n + 1, sizeof *h->maximise);
    h->fronts = n > 1 ? front_state_new(n) : NULL;
    for (size_t i = 0; h->maximise && i < n; i++) {
        h->maximise[i] = directions[i] == TL_MAXIMIZE;
    }
    return h->violations && h->maximise && (n < 2 || h->fronts) ? TL_OK : TL_ENOMEM;
}

void history_release(struct history *h)
{
    struct violations *v = h->violations;
    if (v) {
        intern_release(&v->keys);
        mem_free(v->scale);
        mem_free(v->items);
        mem_free(v->values);
        mem_free(v);
    }
    front_state_free(h->fronts);
    mem_free(h->maximise);
    svec_release(&h->points);
    mem_free(h->good.rows);
    mem_free(h->rest.rows);
    mem_free(h->moves);
    *h = (struct history){0};
}
