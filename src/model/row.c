/* SPDX-License-Identifier: MIT
 *
 * Finished trials: a live trial becomes a row of its study's columns, once and for ever.
 *
 * Bytes in the study's space:
 *   attributes  u64 count, then per attribute: u32 key << 1 | kind, u32 length, the JSON bytes, filled up to 4
 *   reports     u64 count << 1 | dense; dense: the values (steps are 0, 1, 2, …); else pairs of i64 step and value
 *   values      the doubles, only when there are more than one
 *   shapes      u32 column indexes
 * Everything is written before the row count goes up, and never again, so readers of smaller counts need no lock.
 * Words of a column block that several rows share (present, dists) are atomic.
 */
#include "model/state.h"

#include "base/mem.h"

/* ---- columns ---- */

/* Index of the column of a name, made when new; SIZE_MAX when out of memory. */
static size_t column_index(struct study *st, uint32_t name)
{
    uint64_t at;
    if (map64_get(&st->column_of, name, &at)) {
        return (size_t)at;
    }
    at = st->columns.len;
    if (!map64_set(&st->column_of, name, at)) {
        return SIZE_MAX;
    }
    struct column *c = svec_push(&st->columns);
    if (!c) {
        return SIZE_MAX;
    }
    c->name = name;
    c->blocks = (struct svec)SVEC_INIT(void *);
    return (size_t)at;
}

typedef _Atomic(struct column_block *) block_slot;

/* The block that holds a row, made when missing; a new one's common distribution is `dist`. */
static struct column_block *column_block(struct study *st, struct column *c, size_t row, uint32_t dist)
{
    size_t index = row / BLOCK;
    while (c->blocks.len <= index) {
        if (!svec_push(&c->blocks)) {
            return NULL;
        }
    }
    atomic_store_explicit(&c->n_blocks, c->blocks.len, memory_order_release);
    block_slot *slot = svec_at(&c->blocks, index);
    struct column_block *b = atomic_load_explicit(slot, memory_order_relaxed);
    if (!b) {
        uint64_t offset = space_alloc(&st->blocks, sizeof *b);
        if (offset == 0) {
            return NULL;
        }
        b = space_at(&st->blocks, offset);
        memset(b, 0, sizeof *b);
        b->dist = dist;
        atomic_store_explicit(slot, b, memory_order_release);
    }
    return b;
}

struct column *column_restore(struct study *st, uint32_t name)
{
    size_t at = column_index(st, name);
    return at == SIZE_MAX ? NULL : svec_at(&st->columns, at);
}

struct column_block *column_block_restore(struct study *st, struct column *c, size_t index, uint32_t dist, bool dists)
{
    struct column_block *b = column_block(st, c, index * BLOCK, dist);
    if (b && dists) {
        uint64_t offset = space_alloc(&st->blocks, BLOCK * sizeof(uint32_t));
        if (offset == 0) {
            return NULL;
        }
        memset(space_at(&st->blocks, offset), 0, BLOCK * sizeof(uint32_t));
        atomic_store_explicit(&b->dists, (uint32_t *)space_at(&st->blocks, offset), memory_order_release);
    }
    return b;
}

const struct column_block *column_block_at(const struct column *c, size_t index)
{
    if (index >= atomic_load_explicit(&c->n_blocks, memory_order_acquire)) {
        return NULL;
    }
    block_slot *slot = svec_at(&c->blocks, index);
    return atomic_load_explicit(slot, memory_order_acquire);
}

static bool column_set(struct study *st, struct column *c, size_t row, const struct param_entry *p)
{
    struct column_block *b = column_block(st, c, row, p->dist);
    if (!b) {
        return false;
    }
    uint32_t *dists = atomic_load_explicit(&b->dists, memory_order_relaxed);
    unsigned i = (unsigned)(row % BLOCK);
    if (!dists && p->dist != b->dist) {
        uint64_t offset = space_alloc(&st->blocks, BLOCK * sizeof *dists);
        if (offset == 0) {
            return false;
        }
        dists = space_at(&st->blocks, offset);
        for (unsigned k = 0; k < BLOCK; k++) {
            dists[k] = b->dist;
        }
        atomic_store_explicit(&b->dists, dists, memory_order_release);
    }
    if (dists) {
        dists[i] = p->dist;
    }
    b->values[i] = p->internal;
    if (p->has_value) {
        uint64_t present = atomic_load_explicit(&b->present, memory_order_relaxed);
        atomic_store_explicit(&b->present, present | UINT64_C(1) << i, memory_order_release);
    }
    return true;
}

/* ---- shapes ---- */

static uint32_t shape_hash(const uint32_t *columns, uint32_t n)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n;
    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ columns[i]) * UINT64_C(0xff51afd7ed558ccd) ^ (h >> 29);
    }
    return (uint32_t)(h >> 32);
}

static const uint32_t *shape_columns(const struct study *st, const struct shape *sh)
{
    return space_at(&st->bytes, sh->columns);
}

static bool shape_same(const struct study *st, const struct shape *sh, const uint32_t *columns, uint32_t n)
{
    return sh->n == n && memcmp(shape_columns(st, sh), columns, n * sizeof *columns) == 0;
}

/* Number of the shape with these columns, made when new; UINT32_MAX when out of memory. Usually the last one again. */
static uint32_t shape_index(struct study *st, const uint32_t *columns, uint32_t n)
{
    uint64_t at;
    uint32_t hash = shape_hash(columns, n);
    if (map64_get(&st->shape_of, hash, &at) && shape_same(st, svec_at(&st->shapes, at), columns, n)) {
        return (uint32_t)at;
    }
    uint64_t offset = space_alloc(&st->bytes, n ? n * sizeof *columns : 1);
    struct shape *sh = offset ? svec_push(&st->shapes) : NULL;
    if (!sh) {
        return UINT32_MAX;
    }
    sh->columns = offset;
    if (n) {
        memcpy(space_at(&st->bytes, offset), columns, n * sizeof *columns);
    }
    sh->n = n;
    sh->hash = hash;
    at = st->shapes.len - 1;
    return map64_set(&st->shape_of, hash, at) ? (uint32_t)at : UINT32_MAX;
}

bool shape_restore(struct study *st, size_t index)
{
    return map64_set(&st->shape_of, ((const struct shape *)svec_at(&st->shapes, index))->hash, index);
}

static bool put_params(struct study *st, const struct live_trial *t, const void **entries, size_t row, struct row *out)
{
    size_t n = t->params.distinct;
    uint32_t small[64], *columns = n <= TL_COUNT(small) ? small : mem_alloc(n * sizeof *columns);
    bool ok = columns != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const struct param_entry *p = entries[i];
        size_t at = column_index(st, p->name);
        ok = at != SIZE_MAX && column_set(st, svec_at(&st->columns, at), row, p);
        if (ok) {
            columns[i] = (uint32_t)at | (p->has_value ? 0 : SHAPE_NO_VALUE);
        }
    }
    if (ok) {
        out->shape = shape_index(st, columns, (uint32_t)n);
        ok = out->shape != UINT32_MAX;
    }
    if (columns != small) {
        mem_free(columns);
    }
    return ok;
}

/* ---- runs ---- */

static bool put_attrs(struct study *st, const struct live_trial *t, const void **entries, struct row *out)
{
    size_t n = t->attrs.distinct, size = sizeof(uint64_t);
    if (n == 0) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        size += 8 + (((const struct attr_entry *)entries[i])->json.n + 3) / 4 * 4;
    }
    out->attrs = space_alloc(&st->bytes, size);
    if (out->attrs == 0) {
        return false;
    }
    char *p = space_at(&st->bytes, out->attrs);
    *(uint64_t *)(void *)p = n;
    p += sizeof(uint64_t);
    for (size_t i = 0; i < n; i++) {
        const struct attr_entry *a = entries[i];
        uint32_t head[2] = {a->key << 1 | a->kind, (uint32_t)a->json.n};
        size_t padded = (a->json.n + 3) / 4 * 4;
        memcpy(p, head, sizeof head);
        memset(p + 8 + padded - (padded ? 4 : 0), 0, padded ? 4 : 0);
        memcpy(p + 8, a->json.p, a->json.n);
        p += 8 + padded;
    }
    return true;
}

struct attr_walk row_attrs(const struct study *st, const struct row *r)
{
    struct attr_walk w = {NULL, 0};
    if (r->attrs) {
        const char *p = space_at(&st->bytes, r->attrs);
        w.left = *(const uint64_t *)(const void *)p;
        w.p = p + sizeof(uint64_t);
    }
    return w;
}

bool attr_walk_next(struct attr_walk *w, struct attr_entry *out)
{
    if (w->left == 0) {
        return false;
    }
    uint32_t head[2];
    memcpy(head, w->p, sizeof head);
    out->key = head[0] >> 1;
    out->kind = head[0] & 1;
    out->json = (struct str){w->p + 8, head[1]};
    w->p += 8 + ((size_t)head[1] + 3) / 4 * 4;
    w->left--;
    return true;
}

static bool put_reports(struct study *st, const struct live_trial *t, const void **entries, struct row *out)
{
    size_t n = t->reports.distinct;
    if (n == 0) {
        return true;
    }
    bool dense = true;
    for (size_t i = 0; dense && i < n; i++) {
        dense = ((const struct report_entry *)entries[i])->step == (int64_t)i;
    }
    out->reports = space_alloc(&st->bytes, sizeof(uint64_t) + n * (dense ? sizeof(double) : sizeof(struct report_entry)));
    if (out->reports == 0) {
        return false;
    }
    uint64_t *p = space_at(&st->bytes, out->reports);
    *p++ = (uint64_t)n << 1 | dense;
    for (size_t i = 0; i < n; i++) {
        const struct report_entry *e = entries[i];
        if (dense) {
            ((double *)p)[i] = e->value;
        } else {
            ((struct report_entry *)p)[i] = *e;
        }
    }
    return true;
}

size_t row_n_reports(const struct study *st, const struct row *r)
{
    return r->reports ? (size_t)(*(const uint64_t *)space_at(&st->bytes, r->reports) >> 1) : 0;
}

struct report_entry row_report(const struct study *st, const struct row *r, size_t i)
{
    const uint64_t *p = space_at(&st->bytes, r->reports);
    if (*p & 1) {
        return (struct report_entry){(int64_t)i, ((const double *)(p + 1))[i]};
    }
    return ((const struct report_entry *)(p + 1))[i];
}

bool row_report_at(const struct study *st, const struct row *r, int64_t step, double *value)
{
    if (!r->reports) {
        return false;
    }
    const uint64_t *p = space_at(&st->bytes, r->reports);
    size_t n = (size_t)(*p >> 1), i = 0;
    if (*p++ & 1) {
        if (step < 0 || (uint64_t)step >= n) {
            return false;
        }
        *value = ((const double *)p)[step];
        return true;
    }
    const struct report_entry *e = (const struct report_entry *)p;
    while (i < n && e[i].step != step) {
        i++;
    }
    if (i < n) {
        *value = e[i].value;
    }
    return i < n;
}

bool row_last_report(const struct study *st, const struct row *r, struct report_entry *out)
{
    if (!r->reports) {
        return false;
    }
    const uint64_t *p = space_at(&st->bytes, r->reports);
    size_t n = (size_t)(*p >> 1), last = 0;
    if (*p++ & 1) {
        *out = (struct report_entry){(int64_t)n - 1, ((const double *)p)[n - 1]};
        return true;
    }
    const struct report_entry *e = (const struct report_entry *)p;
    for (size_t i = 1; i < n; i++) {
        last = e[i].step > e[last].step ? i : last;
    }
    *out = e[last];
    return true;
}

const double *row_values(const struct study *st, const struct row *r)
{
    if (!r->has_values || r->n_values == 0) {
        return NULL;
    }
    return r->n_values == 1 ? &r->value : space_at(&st->bytes, r->values);
}

size_t row_n_params(const struct study *st, const struct row *r)
{
    return ((const struct shape *)svec_at(&st->shapes, r->shape))->n;
}

struct param_entry row_param(const struct study *st, const struct row *r, size_t row_index, size_t i)
{
    const struct shape *sh = svec_at(&st->shapes, r->shape);
    uint32_t entry = shape_columns(st, sh)[i];
    const struct column *c = svec_at(&st->columns, entry & ~SHAPE_NO_VALUE);
    const struct column_block *b = column_block_at(c, row_index / BLOCK);
    const uint32_t *dists = atomic_load_explicit(&b->dists, memory_order_acquire);
    unsigned at = (unsigned)(row_index % BLOCK);
    struct param_entry p = {c->name, dists ? dists[at] : b->dist, b->values[at], !(entry & SHAPE_NO_VALUE)};
    return p;
}

/* ---- the change of a live trial into a row ---- */

bool row_finish(struct state *s, struct study *st, struct live_trial *t)
{
    size_t most = t->params.distinct;
    most = t->attrs.distinct > most ? t->attrs.distinct : most;
    most = t->reports.distinct > most ? t->reports.distinct : most;
    const void *small[64], **entries = most <= TL_COUNT(small) ? small : mem_alloc(most * sizeof *entries);
    if (!entries) {
        return false;
    }

    size_t index = st->rows.len;
    struct row r = {.number = t->number,
                    .state = t->state,
                    .has_values = t->has_values,
                    .n_values = (uint16_t)(t->n_values > UINT16_MAX ? UINT16_MAX : t->n_values),
                    .owner = t->owner,
                    .id = t->id,
                    .start = t->start,
                    .complete = t->complete,
                    .value = t->n_values ? t->values[0] : 0};
    bool ok = list_collect(&t->params, entries) && put_params(st, t, entries, index, &r) &&
              list_collect(&t->attrs, entries) && put_attrs(st, t, entries, &r) && list_collect(&t->reports, entries) &&
              put_reports(st, t, entries, &r);
    if (ok && r.n_values > 1) {
        r.values = space_alloc(&st->bytes, r.n_values * sizeof(double));
        ok = r.values != 0;
        if (ok) {
            memcpy(space_at(&st->bytes, r.values), t->values, r.n_values * sizeof(double));
        }
    }
    struct row *slot = ok ? svec_push(&st->rows) : NULL;
    if (slot) {
        *slot = r;
    }
    if (entries != small) {
        mem_free(entries);
    }
    if (!slot) {
        return false;
    }
    list_recycle(s, &t->params);
    list_recycle(s, &t->attrs);
    list_recycle(s, &t->reports);
    return true;
}
