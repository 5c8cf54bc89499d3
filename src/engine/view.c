/* SPDX-License-Identifier: MIT
 *
 * Views: an unchanging picture of one study, read without locks.
 *
 * Taking one costs O(unfinished trials): their structs are copied, their lists referenced; finished trials are rows below the row
 * count learnt here, which never change. What takes longer to say (attributes, front, search space) is built when first asked for,
 * under the view's own mutex.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "engine/defer.h"
#include "engine/parts.h"

struct built { /* an array made on demand */
    void *items;
    size_t n;
    bool done;
};

struct tl_view {
    struct state *state; /* one reference: keeps rows, names and distributions alive */
    const struct study *study;
    int64_t base_id; /* added to ids for callers */
    uint64_t seq, version;
    size_t n_trials, n_rows, n_columns;
    size_t counts[TL_N_STATES];
    int64_t best; /* trial number */
    enum tl_direction *directions, few[4]; /* directions: few, or in the arena */
    size_t n_directions;
    struct list_ref attrs;
    struct front *front;
    struct space_entry *space[2]; /* without and with PRUNED trials */
    size_t n_space[2];
    struct live_trial *live; /* copies, ordered by number */
    size_t n_live;
    struct deferred **waiting; /* what waits to be written of those trials */
    size_t n_waiting;
    uint64_t waiting_changes;
    struct arena arena; /* all of the above arrays, and what is built on demand */
    pthread_mutex_t lock;
    struct built attr_list, front_list, space_list[2], unfinished;
};

/* ---- taking one ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct live_trial *)a)->number, y = ((const struct live_trial *)b)->number;
    return (x > y) - (x < y);
}

static bool copy_space(tl_view *v, const struct search_space *from, size_t i)
{
    v->n_space[i] = from->n;
    if (from->n == 0) {
        return true;
    }
    v->space[i] = arena_alloc(&v->arena, from->n * sizeof *from->entries);
    if (v->space[i]) {
        memcpy(v->space[i], from->entries, from->n * sizeof *from->entries);
    }
    return v->space[i] != NULL;
}

static bool copy_live(tl_view *v, const struct study *st)
{
    if (st->n_live == 0) {
        return true;
    }
    v->live = arena_alloc(&v->arena, st->n_live * sizeof *v->live);
    if (!v->live) {
        return false;
    }
    for (size_t i = 0; i < st->n_live; i++) {
        v->live[i] = *st->live[i];
        list_ref_get(&v->live[i].params);
        list_ref_get(&v->live[i].attrs);
        list_ref_get(&v->live[i].reports);
    }
    v->n_live = st->n_live;
    qsort(v->live, v->n_live, sizeof *v->live, by_number);
    return true;
}

/* One unfinished trial instead of all. */
static bool copy_one(tl_view *v, const struct live_trial *t)
{
    v->live = arena_alloc(&v->arena, sizeof *v->live);
    if (!v->live) {
        return false;
    }
    v->live[0] = *t;
    list_ref_get(&v->live[0].params);
    list_ref_get(&v->live[0].attrs);
    list_ref_get(&v->live[0].reports);
    v->n_live = 1;
    return true;
}

/* What a view takes of the unfinished trials. */
enum part { PART_ALL, PART_STUDY, PART_TRIAL };

/* The state must not change meanwhile. */
static bool fill(tl_view *v, const tl_storage *storage, struct state *s, const struct study *st, enum part part,
                 const struct live_trial *only)
{
    v->state = state_ref(s);
    v->study = st;
    v->base_id = storage ? storage->base_id : 0;
    v->seq = s->seq;
    v->waiting_changes = storage ? storage->deferral.changes : 0;
    v->version = st->version + v->waiting_changes; /* both only grow */
    v->n_trials = st->n_trials;
    v->n_rows = st->rows.len;
    v->n_columns = st->columns.len;
    memcpy(v->counts, st->counts, sizeof v->counts);
    v->best = -1;
    if (st->best >= 0) {
        v->best = ((const struct row *)svec_at(&st->rows, (size_t)st->best))->number;
    }
    v->attrs = list_ref_get(&st->attrs);
    v->front = st->front;
    if (v->front) {
        atomic_fetch_add_explicit(&v->front->refs, 1, memory_order_relaxed);
    }
    v->n_directions = st->n_directions;
    v->directions = st->n_directions <= TL_COUNT(v->few) ? v->few : arena_alloc(&v->arena, st->n_directions * sizeof *v->directions);
    if (!v->directions) {
        return false;
    }
    for (size_t i = 0; i < st->n_directions; i++) {
        v->directions[i] = (enum tl_direction)st->directions[i];
    }
    if (storage && (part == PART_ALL || only) &&
        !defer_collect(storage, st->id, only ? only->id : -1, &v->arena, &v->waiting, &v->n_waiting)) {
        return false;
    }
    if (part != PART_ALL) {
        return !only || copy_one(v, only);
    }
    return copy_live(v, st) && copy_space(v, &st->complete_space, 0) && copy_space(v, &st->pruned_space, 1);
}

static int take(const tl_storage *storage, const struct state *s, const struct study *st, enum part part,
                const struct live_trial *only, tl_view **out, struct tl_err *err)
{
    tl_view *v = mem_zalloc(1, sizeof *v);
    if (!v) {
        return err_nomem(err);
    }
    pthread_mutex_init(&v->lock, NULL);
    if (!fill(v, storage, (struct state *)(uintptr_t)s, st, part, only)) {
        tl_view_close(v);
        return err_nomem(err);
    }
    *out = v;
    return TL_OK;
}

static int take_study(tl_storage *storage, const struct state *s, int64_t study_id, enum part part, tl_view **out, struct tl_err *err)
{
    const struct study *st = state_study(s, study_id);
    if (!st) {
        return err_set(err, TL_ENOTFOUND, "there is no study with id %lld", (long long)study_id);
    }
    return take(storage, s, st, part, NULL, out, err);
}

int store_view(tl_storage *storage, const struct state *s, int64_t study_id, tl_view **out, struct tl_err *err)
{
    return take_study(storage, s, study_id, PART_ALL, out, err);
}

/* Also without news a forked child's handle is set up, and a state that the log does not bear out is not shown. */
static int open_study(tl_storage *storage, int64_t study_id, bool fresh, enum part part, tl_view **out, struct tl_err *err)
{
    int rc = storage_part(&storage, &study_id, NULL, "study", err);
    if (rc == TL_OK) {
        rc = fresh ? store_refresh(storage, err) : storage_enter(storage, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct state *s = store_lock_state(storage);
    rc = take_study(storage, s, study_id, part, out, err);
    store_unlock_state(storage);
    return rc;
}

TL_API int tl_view_open(tl_storage *storage, int64_t study_id, bool fresh, tl_view **out, struct tl_err *err)
{
    return open_study(storage, study_id, fresh, PART_ALL, out, err);
}

TL_API int tl_view_open_study(tl_storage *storage, int64_t study_id, bool fresh, tl_view **out, struct tl_err *err)
{
    return open_study(storage, study_id, fresh, PART_STUDY, out, err);
}

TL_API int tl_view_open_trial(tl_storage *storage, int64_t trial_id, bool fresh, tl_view **out, int64_t *number,
                              struct tl_err *err)
{
    int rc = storage_part(&storage, &trial_id, NULL, "trial", err);
    if (rc == TL_OK) {
        rc = fresh && !defer_knows(storage, trial_id) ? store_refresh(storage, err) : storage_enter(storage, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct state *s = store_lock_state(storage);
    struct study *st;
    uint32_t place;
    if (state_trial_place(s, trial_id, &st, &place)) {
        const struct row *row;
        const struct live_trial *live;
        study_trial(st, place, &row, &live);
        rc = take(storage, s, st, PART_TRIAL, live, out, err);
    } else {
        rc = err_set(err, TL_ENOTFOUND, "there is no trial with id %lld", (long long)trial_id);
    }
    store_unlock_state(storage);
    if (rc == TL_OK) {
        *number = place;
    }
    return rc;
}

TL_API int tl_storage_trial_id(tl_storage *storage, int64_t study_id, int64_t number, int64_t *trial_id, struct tl_err *err)
{
    int rc = storage_part(&storage, &study_id, NULL, "study", err);
    if (rc == TL_OK) {
        rc = store_refresh(storage, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct state *s = store_lock_state(storage);
    const struct study *st = state_study(s, study_id);
    if (!st) {
        rc = err_set(err, TL_ENOTFOUND, "there is no study with id %lld", (long long)study_id);
    } else if (number < 0 || (uint64_t)number >= st->n_trials) {
        rc = err_set(err, TL_ENOTFOUND, "study '%s' has no trial %lld", st->name.p, (long long)number);
    } else {
        const struct row *row;
        const struct live_trial *live;
        study_trial(st, (uint32_t)number, &row, &live);
        *trial_id = storage->base_id + (row ? row->id : live->id);
    }
    store_unlock_state(storage);
    return rc;
}

TL_API void tl_view_close(tl_view *v)
{
    if (!v) {
        return;
    }
    for (size_t i = 0; i < v->n_live; i++) {
        list_ref_drop(&v->live[i].params);
        list_ref_drop(&v->live[i].attrs);
        list_ref_drop(&v->live[i].reports);
    }
    for (size_t i = 0; i < v->n_waiting; i++) {
        deferred_unref(v->waiting[i]);
    }
    list_ref_drop(&v->attrs);
    front_drop(v->front);
    arena_release(&v->arena);
    pthread_mutex_destroy(&v->lock);
    state_unref(v->state);
    mem_free(v);
}

/* ---- the study ---- */

TL_API uint64_t tl_view_seq(const tl_view *v)
{
    return v->seq;
}

TL_API uint64_t tl_view_epoch(const tl_view *v)
{
    return v->state->epoch;
}

TL_API uint64_t tl_view_version(const tl_view *v)
{
    return v->version;
}

TL_API int64_t tl_view_study_id(const tl_view *v)
{
    return v->base_id + v->study->id;
}

TL_API const char *tl_view_study_name(const tl_view *v)
{
    return v->study->name.p;
}

TL_API const enum tl_direction *tl_view_directions(const tl_view *v, size_t *n)
{
    *n = v->n_directions;
    return v->directions;
}

TL_API size_t tl_view_n_trials(const tl_view *v)
{
    return v->n_trials;
}

TL_API size_t tl_view_count(const tl_view *v, enum tl_state state)
{
    return (unsigned)state < TL_N_STATES ? v->counts[state] : 0;
}

TL_API int64_t tl_view_best(const tl_view *v)
{
    return v->best;
}

/* Makes an array once, under the view's lock; NULL and 0 when memory is short. */
static void *build(const tl_view *view, struct built *b, size_t *n, void (*make)(tl_view *v, struct built *b, size_t arg),
                   size_t arg)
{
    tl_view *v = (tl_view *)(uintptr_t)view; /* what is built on demand is invisible from outside */
    pthread_mutex_lock(&v->lock);
    if (!b->done) {
        make(v, b, arg);
    }
    *n = b->n;
    void *items = b->items;
    pthread_mutex_unlock(&v->lock);
    return items;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void make_front(tl_view *v, struct built *b, size_t arg)
{
    (void)arg;
    size_t n = v->front ? v->front->n : 0;
    int64_t *numbers = arena_alloc(&v->arena, (n + 1) * sizeof *numbers);
    if (!numbers) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        numbers[i] = ((const struct row *)svec_at(&v->study->rows, v->front->rows[i]))->number;
    }
    qsort(numbers, n, sizeof *numbers, by_value);
    *b = (struct built){numbers, n, true};
}

TL_API const int64_t *tl_view_front(const tl_view *v, size_t *n)
{
    return build(v, (struct built *)(uintptr_t)&v->front_list, n, make_front, 0);
}

static void make_unfinished(tl_view *v, struct built *b, size_t arg)
{
    (void)arg;
    int64_t *numbers = arena_alloc(&v->arena, (v->n_live + 1) * sizeof *numbers);
    if (!numbers) {
        return;
    }
    for (size_t i = 0; i < v->n_live; i++) {
        numbers[i] = v->live[i].number;
    }
    *b = (struct built){numbers, v->n_live, true};
}

TL_API const int64_t *tl_view_unfinished(const tl_view *v, size_t *n)
{
    return build(v, (struct built *)(uintptr_t)&v->unfinished, n, make_unfinished, 0);
}

TL_API struct tl_time tl_view_start(const tl_view *v)
{
    int64_t first = TIME_NONE;
    for (size_t i = 0; i < v->n_rows; i++) {
        int64_t t = ((const struct row *)svec_at(&v->study->rows, i))->start;
        if (t != TIME_NONE && (first == TIME_NONE || t < first)) {
            first = t;
        }
    }
    for (size_t i = 0; i < v->n_live; i++) {
        if (v->live[i].start != TIME_NONE && (first == TIME_NONE || v->live[i].start < first)) {
            first = v->live[i].start;
        }
    }
    return time_unpack(first);
}

static struct tl_attr attr_of(const tl_view *v, const struct attr_entry *e)
{
    struct str key = intern_str(&v->state->names, e->key);
    struct tl_attr a = {(enum tl_attr_kind)e->kind, {key.p, key.n}, {e->json.p, e->json.n}};
    return a;
}

static void make_attrs(tl_view *v, struct built *b, size_t arg)
{
    (void)arg;
    size_t n = v->attrs.distinct;
    const void **entries = arena_alloc(&v->arena, (n + 1) * sizeof *entries);
    struct tl_attr *items = arena_alloc(&v->arena, (n + 1) * sizeof *items);
    if (!entries || !items || !list_collect(&v->attrs, entries)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = attr_of(v, entries[i]);
    }
    *b = (struct built){items, n, true};
}

TL_API const struct tl_attr *tl_view_study_attrs(const tl_view *v, size_t *n)
{
    return build(v, (struct built *)(uintptr_t)&v->attr_list, n, make_attrs, 0);
}

static struct tl_param param_of(const tl_view *v, const struct param_entry *e)
{
    struct str name = intern_str(&v->state->names, e->name);
    const struct dist *d = dist_table_get(&v->state->dists, e->dist);
    struct tl_param p = {{name.p, name.n}, e->internal, e->has_value, &d->d, {d->text.p, d->text.n}};
    return p;
}

static int by_name(const void *a, const void *b)
{
    const struct tl_param *x = a, *y = b;
    size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    int c = memcmp(x->name.s, y->name.s, n);
    return c ? c : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static void make_space(tl_view *v, struct built *b, size_t which)
{
    size_t n = v->n_space[which];
    struct tl_param *items = arena_alloc(&v->arena, (n + 1) * sizeof *items);
    if (!items) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct param_entry e = {v->space[which][i].name, v->space[which][i].dist, 0, false};
        items[i] = param_of(v, &e);
    }
    qsort(items, n, sizeof *items, by_name);
    *b = (struct built){items, n, true};
}

TL_API const struct tl_param *tl_view_search_space(const tl_view *v, bool include_pruned, size_t *n)
{
    size_t which = include_pruned ? 1 : 0;
    return build(v, (struct built *)(uintptr_t)&v->space_list[which], n, make_space, which);
}

/* ---- trials ---- */

/* The trial as this view sees it: a live copy, or a row below the view's row count. */
static bool find_trial(const tl_view *v, int64_t number, const struct row **row, size_t *row_index,
                       const struct live_trial **live)
{
    *row = NULL;
    *live = NULL;
    if (number < 0 || (uint64_t)number >= v->n_trials) {
        return false;
    }
    size_t lo = 0, hi = v->n_live;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (v->live[mid].number < (uint32_t)number) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo < v->n_live && v->live[lo].number == (uint32_t)number) {
        *live = &v->live[lo];
        return true;
    }
    /* it had finished when the view was taken, so its slot holds its row for good */
    const _Atomic uint32_t *slot = svec_at(&v->study->slots, (size_t)number);
    *row_index = atomic_load_explicit(slot, memory_order_acquire);
    if (*row_index >= v->n_rows) {
        return false; /* unfinished, and left out of this view */
    }
    *row = svec_at(&v->study->rows, *row_index);
    return true;
}

TL_API int tl_view_trial_state(const tl_view *v, int64_t number)
{
    const struct row *row;
    const struct live_trial *live;
    size_t index;
    if (!find_trial(v, number, &row, &index, &live)) {
        return -1;
    }
    return row ? row->state : live->state;
}

struct frozen_memory {
    struct arena arena;
};

static bool freeze_row(const tl_view *v, const struct row *r, size_t index, struct arena *a, struct tl_frozen_trial *t)
{
    const struct study *st = v->study;
    size_t n_params = row_n_params(st, r), n_reports = row_n_reports(st, r);
    struct attr_walk walk = row_attrs(st, r);
    struct attr_entry attr;
    struct tl_param *params = arena_alloc(a, (n_params + 1) * sizeof *params);
    struct tl_attr *attrs = arena_alloc(a, ((size_t)walk.left + 1) * sizeof *attrs);
    struct tl_report *reports = arena_alloc(a, (n_reports + 1) * sizeof *reports);
    if (!params || !attrs || !reports) {
        return false;
    }
    for (size_t i = 0; i < n_params; i++) {
        struct param_entry e = row_param(st, r, index, i);
        params[i] = param_of(v, &e);
    }
    while (attr_walk_next(&walk, &attr)) {
        attrs[t->n_attrs++] = attr_of(v, &attr);
    }
    for (size_t i = 0; i < n_reports; i++) {
        struct report_entry e = row_report(st, r, i);
        reports[i] = (struct tl_report){e.step, e.value};
    }
    t->id = v->base_id + r->id;
    t->number = r->number;
    t->state = (enum tl_state)r->state;
    t->start = time_unpack(r->start);
    t->complete = time_unpack(r->complete);
    t->has_values = r->has_values;
    t->values = row_values(st, r);
    t->n_values = r->has_values ? r->n_values : 0;
    t->params = params;
    t->n_params = n_params;
    t->attrs = attrs;
    t->reports = reports;
    t->n_reports = n_reports;
    return true;
}

static bool freeze_live(const tl_view *v, const struct live_trial *l, struct arena *a, struct tl_frozen_trial *t)
{
    size_t most = l->params.distinct + l->attrs.distinct + l->reports.distinct;
    const void **entries = arena_alloc(a, (most + 1) * sizeof *entries);
    struct tl_param *params = arena_alloc(a, (l->params.distinct + v->n_waiting + 1) * sizeof *params);
    struct tl_attr *attrs = arena_alloc(a, (l->attrs.distinct + v->n_waiting + 1) * sizeof *attrs);
    struct tl_report *reports = arena_alloc(a, (l->reports.distinct + 1) * sizeof *reports);
    if (!entries || !params || !attrs || !reports) {
        return false;
    }
    if (!list_collect(&l->params, entries)) {
        return false;
    }
    for (size_t i = 0; i < l->params.distinct; i++) {
        params[i] = param_of(v, entries[i]);
    }
    if (!list_collect(&l->attrs, entries)) {
        return false;
    }
    for (size_t i = 0; i < l->attrs.distinct; i++) {
        attrs[i] = attr_of(v, entries[i]);
    }
    if (!list_collect(&l->reports, entries)) {
        return false;
    }
    for (size_t i = 0; i < l->reports.distinct; i++) {
        const struct report_entry *e = entries[i];
        reports[i] = (struct tl_report){e->step, e->value};
    }
    t->id = v->base_id + l->id;
    t->number = l->number;
    t->state = (enum tl_state)l->state;
    t->start = time_unpack(l->start);
    t->complete = time_unpack(l->complete);
    t->has_values = l->has_values;
    t->values = l->values;
    t->n_values = l->n_values;
    t->params = params;
    t->n_params = l->params.distinct;
    deferred_params(v->waiting, v->n_waiting, l->id, params, &t->n_params);
    t->attrs = attrs;
    t->n_attrs = l->attrs.distinct;
    deferred_attrs(v->waiting, v->n_waiting, l->id, attrs, &t->n_attrs);
    t->reports = reports;
    t->n_reports = l->reports.distinct;
    return true;
}

TL_API int tl_view_trial(const tl_view *v, int64_t number, struct tl_frozen_trial *out, struct tl_err *err)
{
    const struct row *row;
    const struct live_trial *live;
    size_t index = 0;
    if (!find_trial(v, number, &row, &index, &live)) {
        return err_set(err, TL_ENOTFOUND, "study '%s' has no trial %lld", v->study->name.p, (long long)number);
    }
    struct frozen_memory *m = out->memory;
    if (!m) {
        m = mem_zalloc(1, sizeof *m);
        if (!m) {
            return err_nomem(err);
        }
    }
    arena_reset(&m->arena);
    *out = (struct tl_frozen_trial){.memory = m};
    bool ok = row ? freeze_row(v, row, index, &m->arena, out) : freeze_live(v, live, &m->arena, out);
    return ok ? TL_OK : err_nomem(err);
}

TL_API void tl_frozen_release(struct tl_frozen_trial *t)
{
    struct frozen_memory *m = t->memory;
    if (m) {
        arena_release(&m->arena);
        mem_free(m);
    }
    *t = (struct tl_frozen_trial)TL_FROZEN_TRIAL_INIT;
}

TL_API uint64_t tl_view_trial_version(const tl_view *v, int64_t number)
{
    const struct row *row;
    const struct live_trial *live;
    size_t index;
    if (!find_trial(v, number, &row, &index, &live) || !live) {
        return 0;
    }
    if (!deferred_any(v->waiting, v->n_waiting, live->id)) {
        return 1 + live->changes;
    }
    return UINT64_C(1) << 63 | (v->waiting_changes & UINT32_MAX) << 31 | (live->changes & INT32_MAX); /* like none that was or will be */
}

TL_API int tl_view_each_attr(const tl_view *v, int64_t number, int (*each)(void *ctx, const struct tl_attr *attr), void *ctx,
                             struct tl_err *err)
{
    const struct row *row;
    const struct live_trial *live;
    struct attr_entry entry;
    size_t index;
    int rc = TL_OK;
    if (!find_trial(v, number, &row, &index, &live)) {
        return err_set(err, TL_ENOTFOUND, "study '%s' has no trial %lld", v->study->name.p, (long long)number);
    }
    if (row) {
        struct attr_walk walk = row_attrs(v->study, row);
        while (rc == TL_OK && attr_walk_next(&walk, &entry)) {
            struct tl_attr a = attr_of(v, &entry);
            rc = each(ctx, &a);
        }
        return rc;
    }
    size_t n = live->attrs.distinct;
    const void **entries = mem_alloc((n + 1) * sizeof *entries);
    struct tl_attr *attrs = mem_alloc((n + v->n_waiting + 1) * sizeof *attrs);
    if (!entries || !attrs || !list_collect(&live->attrs, entries)) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        attrs[i] = attr_of(v, entries[i]);
    }
    if (rc == TL_OK) {
        deferred_attrs(v->waiting, v->n_waiting, live->id, attrs, &n);
    }
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        rc = each(ctx, &attrs[i]);
    }
    mem_free(entries);
    mem_free(attrs);
    return rc;
}

TL_API bool tl_view_last_report(const tl_view *v, int64_t number, struct tl_report *out)
{
    const struct row *row;
    const struct live_trial *live;
    size_t index;
    if (!find_trial(v, number, &row, &index, &live)) {
        return false;
    }
    struct report_entry last;
    bool any = row && row_last_report(v->study, row, &last);
    if (any) {
        *out = (struct tl_report){last.step, last.value};
    }
    for (size_t i = 0; live && i < live->reports.n; i++) {
        const struct report_entry *e = svec_at(&live->reports.list->entries, i);
        if (!any || e->step >= out->step) {
            *out = (struct tl_report){e->step, e->value};
            any = true;
        }
    }
    return any;
}

TL_API size_t tl_view_n_reports(const tl_view *v, int64_t number)
{
    const struct row *row;
    const struct live_trial *live;
    size_t index;
    if (!find_trial(v, number, &row, &index, &live)) {
        return 0;
    }
    return row ? row_n_reports(v->study, row) : live->reports.distinct;
}

static bool is_attr(const tl_view *v, const struct attr_entry *e, enum tl_attr_kind kind, struct str key)
{
    return e->kind == kind && str_eq(intern_str(&v->state->names, e->key), key);
}

TL_API bool tl_view_trial_attr(const tl_view *v, int64_t number, enum tl_attr_kind kind, const char *key, const char **json,
                               size_t *len)
{
    const struct row *row;
    const struct live_trial *live;
    struct str wanted = str_of(key), found = {NULL, 0};
    size_t index;
    if (!find_trial(v, number, &row, &index, &live)) {
        return false;
    }
    struct attr_walk walk = row ? row_attrs(v->study, row) : (struct attr_walk){NULL, 0};
    struct attr_entry e;
    while (!found.p && attr_walk_next(&walk, &e)) {
        if (is_attr(v, &e, kind, wanted)) {
            found = e.json;
        }
    }
    const struct str *waits = live ? deferred_attr(v->waiting, v->n_waiting, live->id, kind, wanted) : NULL;
    if (waits) {
        found = *waits;
    }
    for (size_t i = live ? live->attrs.n : 0; !found.p && i > 0; i--) { /* later entries replace earlier ones */
        const struct attr_entry *entry = svec_at(&live->attrs.list->entries, i - 1);
        if (is_attr(v, entry, kind, wanted)) {
            found = entry->json;
        }
    }
    if (found.p) {
        *json = found.p;
        *len = found.n;
    }
    return found.p != NULL;
}

/* ---- columns ---- */

TL_API size_t tl_view_n_rows(const tl_view *v)
{
    return v->n_rows;
}

TL_API void tl_view_row(const tl_view *v, size_t row, struct tl_row *out)
{
    const struct row *r = svec_at(&v->study->rows, row);
    out->number = r->number;
    out->state = (enum tl_state)r->state;
    out->values = row_values(v->study, r);
    out->n_values = r->has_values ? r->n_values : 0;
}

TL_API bool tl_view_row_report(const tl_view *v, size_t row, int64_t step, double *value)
{
    return row_report_at(v->study, svec_at(&v->study->rows, row), step, value);
}

TL_API struct tl_attr_walk tl_view_row_attrs(const tl_view *v, size_t row)
{
    struct attr_walk walk = row_attrs(v->study, svec_at(&v->study->rows, row));
    return (struct tl_attr_walk){walk.p, walk.left};
}

TL_API bool tl_view_next_attr(const tl_view *v, struct tl_attr_walk *walk, struct tl_attr *out)
{
    struct attr_walk w = {walk->at, walk->left};
    struct attr_entry e;
    if (!attr_walk_next(&w, &e)) {
        return false;
    }
    *out = attr_of(v, &e);
    *walk = (struct tl_attr_walk){w.p, w.left};
    return true;
}

TL_API int64_t tl_view_column(const tl_view *v, const char *name)
{
    struct str wanted = str_of(name);
    for (size_t i = 0; i < v->n_columns; i++) {
        const struct column *c = svec_at(&v->study->columns, i);
        if (str_eq(intern_str(&v->state->names, c->name), wanted)) {
            return (int64_t)i;
        }
    }
    return -1;
}

TL_API size_t tl_view_n_columns(const tl_view *v)
{
    return v->n_columns;
}

TL_API const char *tl_view_column_name(const tl_view *v, int64_t column)
{
    if (column < 0 || (uint64_t)column >= v->n_columns) {
        return NULL;
    }
    const struct column *c = svec_at(&v->study->columns, (size_t)column);
    return intern_str(&v->state->names, c->name).p;
}

TL_API uint64_t tl_view_block(const tl_view *v, int64_t column, size_t block, const double **values)
{
    *values = NULL;
    if (column < 0 || (uint64_t)column >= v->n_columns || block * BLOCK >= v->n_rows) {
        return 0;
    }
    const struct column_block *b = column_block_at(svec_at(&v->study->columns, (size_t)column), block);
    if (!b) {
        return 0;
    }
    uint64_t present = atomic_load_explicit(&b->present, memory_order_acquire);
    size_t rows = v->n_rows - block * BLOCK;
    if (rows < BLOCK) {
        present &= (UINT64_C(1) << rows) - 1;
    }
    if (present) {
        *values = b->values;
    }
    return present;
}

/* ---- all studies ---- */

/* The list is copied first, so that `each` may use the storage. */
TL_API int tl_storage_each_study(tl_storage *storage, int (*each)(void *ctx, int64_t study_id, const char *name), void *ctx,
                                 struct tl_err *err)
{
    if (is_root(storage)) {
        return root_each_study(storage, each, ctx, err);
    }
    int rc = store_refresh(storage, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct state *s = store_lock_state(storage);
    size_t n = 0, room = s->n_studies;
    const struct study **list = mem_alloc((room + 1) * sizeof *list);
    for (size_t i = 0; list && i < s->studies.len && n < room; i++) {
        const struct study *st = state_study(s, (int64_t)i);
        if (st) {
            list[n++] = st;
        }
    }
    state_ref(s); /* names live as long as the state */
    store_unlock_state(storage);
    rc = list ? TL_OK : err_nomem(err);
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        rc = each(ctx, list[i]->id, list[i]->name.p);
    }
    mem_free(list);
    state_unref(s);
    return rc;
}
