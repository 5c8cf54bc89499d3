/* SPDX-License-Identifier: MIT
 *
 * Snapshot bytes -> state; image.h has the form, image_write.c the order. Every number is checked against what it points into
 * before it is stored, so that no image can make the library read or write outside its memory. Facts that are cheap to make
 * again (maps, counts, queues, slots) are made again instead of being believed.
 */
#include "model/image.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/image_layout.h"

struct reader {
    struct image_source *from;
    struct tl_err *err;
    int rc; /* first failure; everything after it does nothing */
    size_t at, n;
    char bytes[1 << 16];
    struct buf scratch;
    struct state *s;
    uint64_t n_names, n_workers, n_dists;
};

static bool bad(struct reader *r, const char *what)
{
    if (r->rc == TL_OK) {
        r->rc = err_set(r->err, TL_ECORRUPT, "snapshot: %s", what);
    }
    return false;
}

static bool nomem(struct reader *r)
{
    if (r->rc == TL_OK) {
        r->rc = err_nomem(r->err);
    }
    return false;
}

/* Bytes that are still to come. */
static uint64_t left(const struct reader *r)
{
    return r->from->left + (r->n - r->at);
}

static bool in(struct reader *r, void *out, size_t n)
{
    char *p = out;
    if (r->rc != TL_OK) {
        return false;
    }
    if (n > left(r)) {
        return bad(r, "it ends too early");
    }
    while (n > 0) {
        size_t have = r->n - r->at;
        if (have == 0 && n >= sizeof r->bytes) {
            r->rc = r->from->read(r->from, p, n, r->err);
            return r->rc == TL_OK;
        }
        if (have == 0) {
            r->at = 0;
            r->n = r->from->left < sizeof r->bytes ? (size_t)r->from->left : sizeof r->bytes;
            r->rc = r->from->read(r->from, r->bytes, r->n, r->err);
            if (r->rc != TL_OK) {
                return false;
            }
            have = r->n;
        }
        size_t take = have < n ? have : n;
        memcpy(p, r->bytes + r->at, take);
        r->at += take;
        p += take;
        n -= take;
    }
    return true;
}

static uint32_t in_u32(struct reader *r)
{
    uint32_t v = 0;
    return in(r, &v, sizeof v) ? v : 0;
}

static uint64_t in_u64(struct reader *r)
{
    uint64_t v = 0;
    return in(r, &v, sizeof v) ? v : 0;
}

/* A count of things that take at least `size` bytes each: more than could still come is damage, not a reason to allocate. */
static uint64_t in_count(struct reader *r, size_t size)
{
    uint64_t n = in_u64(r);
    if (r->rc == TL_OK && n > left(r) / size) {
        bad(r, "a count is too large");
        return 0;
    }
    return r->rc == TL_OK ? n : 0;
}

/* A string, in the scratch buffer until the next call. */
static bool in_str(struct reader *r, struct str *out)
{
    uint64_t n = in_count(r, 1);
    buf_clear(&r->scratch);
    if (r->rc != TL_OK) {
        return false;
    }
    if (buf_reserve(&r->scratch, (size_t)n + 1) != TL_OK) {
        return nomem(r);
    }
    if (!in(r, r->scratch.data, (size_t)n)) {
        return false;
    }
    *out = (struct str){r->scratch.data, (size_t)n};
    return true;
}

/* ---- part 1 ---- */

struct part1 {
    uint64_t seq, n_names, n_workers, n_study_names, n_dists, n_trials, n_studies, n_alive, n_odd;
};

struct study_counts {
    uint64_t n_rows, n_columns, n_shapes;
};

static bool check_name(struct reader *r, uint32_t name)
{
    return name < r->n_names || bad(r, "a name is out of range");
}

static bool check_dist(struct reader *r, uint32_t dist)
{
    return (dist >= 1 && dist <= r->n_dists) || bad(r, "a distribution is out of range");
}

static bool check_json(struct reader *r, struct str json)
{
    struct json j = JSON_OF(json.p, json.n);
    struct str raw;
    return (json_skip(&j, &raw, NULL) == TL_OK && json_finish(&j, NULL) == TL_OK) || bad(r, "an attribute is no JSON");
}

static bool in_list(struct reader *r, struct list_ref *list, enum list_kind kind)
{
    uint64_t n = in_count(r, 16);
    for (uint64_t i = 0; r->rc == TL_OK && i < n; i++) {
        struct attr_entry a;
        struct param_entry p;
        struct report_entry e;
        const void *entry = &e;
        if (kind == LIST_ATTRS) {
            a.key = in_u32(r);
            a.kind = (uint8_t)(in_u32(r) & 1);
            if (!in_str(r, &a.json) || !check_name(r, a.key) || !check_json(r, a.json)) {
                return false;
            }
            entry = &a;
        } else if (kind == LIST_PARAMS) {
            p.name = in_u32(r);
            p.dist = in_u32(r);
            p.has_value = in_u64(r) != 0;
            if (!in(r, &p.internal, sizeof p.internal) || !check_name(r, p.name) || !check_dist(r, p.dist)) {
                return false;
            }
            entry = &p;
        } else {
            e.step = (int64_t)in_u64(r);
            if (!in(r, &e.value, sizeof e.value)) {
                return false;
            }
        }
        if (!list_put(r->s, list, kind, entry)) {
            return nomem(r);
        }
    }
    return r->rc == TL_OK;
}

static bool in_live(struct reader *r, struct study *st)
{
    if (!mem_grow((void **)&st->live, &st->cap_live, st->n_live + 1, sizeof(struct live_trial *))) {
        return nomem(r);
    }
    struct live_trial *t = mem_zalloc(1, sizeof *t);
    if (!t) {
        return nomem(r);
    }
    st->live[st->n_live++] = t; /* from here on it is freed with the study */
    t->id = (int64_t)in_u64(r);
    t->number = in_u32(r);
    t->state = (uint8_t)in_u32(r);
    t->owner = in_u32(r);
    t->has_values = in_u32(r) != 0;
    t->start = (int64_t)in_u64(r);
    t->complete = (int64_t)in_u64(r);
    t->n_values = (size_t)in_count(r, sizeof(double));
    if (r->rc != TL_OK) {
        return false;
    }
    if (t->n_values) {
        uint64_t at = space_alloc(&st->blocks, t->n_values * sizeof(double));
        if (at == 0) {
            return nomem(r);
        }
        t->values = space_at(&st->blocks, at);
        if (!in(r, space_at(&st->blocks, at), t->n_values * sizeof(double))) {
            return false;
        }
    }
    if (t->number >= st->n_trials || (t->state != TL_RUNNING && t->state != TL_WAITING) ||
        (t->owner != INTERN_NONE && t->owner >= r->n_workers)) {
        return bad(r, "an unfinished trial is wrong");
    }
    return in_list(r, &t->params, LIST_PARAMS) && in_list(r, &t->attrs, LIST_ATTRS) &&
           in_list(r, &t->reports, LIST_REPORTS);
}

static bool in_space(struct reader *r, struct search_space *sp)
{
    sp->started = in_u32(r) != 0;
    uint64_t n = in_u32(r);
    if (r->rc != TL_OK || n == 0) {
        return r->rc == TL_OK;
    }
    if (n > left(r) / sizeof *sp->entries) {
        return bad(r, "a search space is too large");
    }
    sp->entries = mem_alloc((size_t)n * sizeof *sp->entries);
    if (!sp->entries) {
        return nomem(r);
    }
    if (!in(r, sp->entries, (size_t)n * sizeof *sp->entries)) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!check_name(r, sp->entries[i].name) || !check_dist(r, sp->entries[i].dist)) {
            return false;
        }
    }
    sp->n = (size_t)n;
    return true;
}

static bool in_front(struct reader *r, struct study *st)
{
    uint64_t n = in_u32(r);
    if (r->rc != TL_OK || n == 0) {
        return r->rc == TL_OK;
    }
    if (n > left(r) / sizeof(uint32_t)) {
        return bad(r, "a front is too large");
    }
    st->front = mem_alloc(sizeof *st->front + (size_t)n * sizeof st->front->rows[0]);
    if (!st->front) {
        return nomem(r);
    }
    atomic_store_explicit(&st->front->refs, 1, memory_order_relaxed);
    st->front->n = st->front->cap = (size_t)n;
    return in(r, st->front->rows, (size_t)n * sizeof st->front->rows[0]);
}

static struct study *study_blank(struct reader *r)
{
    struct study *st = mem_zalloc(1, sizeof *st);
    if (!st) {
        return NULL;
    }
    st->id = (int64_t)r->s->studies.len;
    st->slots = (struct svec)SVEC_INIT(uint32_t);
    st->rows = (struct svec)SVEC_INIT(struct row);
    st->columns = (struct svec)SVEC_INIT(struct column);
    st->shapes = (struct svec)SVEC_INIT(struct shape);
    struct study **slot = svec_push(&r->s->studies);
    if (!slot) {
        mem_free(st);
        return NULL;
    }
    *slot = st; /* from here on it is freed with the state */
    return st;
}

static bool in_directions(struct reader *r, struct study *st, uint32_t n)
{
    st->directions = mem_alloc(n ? n : 1);
    if (!st->directions) {
        return nomem(r);
    }
    st->n_directions = n;
    if (!in(r, st->directions, n)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (st->directions[i] > TL_MAXIMIZE) {
            return bad(r, "a direction is unknown");
        }
    }
    return true;
}

static bool in_first_dists(struct reader *r, struct study *st)
{
    uint64_t n = in_count(r, 16);
    for (uint64_t i = 0; r->rc == TL_OK && i < n; i++) {
        uint64_t name = in_u64(r), first = in_u64(r);
        if (r->rc != TL_OK || name >= r->n_names || !check_dist(r, (uint32_t)first)) {
            return bad(r, "a parameter's first distribution is wrong");
        }
        if (!map64_set(&st->first_dist, name, first)) {
            return nomem(r);
        }
    }
    return r->rc == TL_OK;
}

static bool in_study(struct reader *r, struct study_counts *counts)
{
    struct study *st = study_blank(r);
    struct str name;
    if (!st) {
        return nomem(r);
    }
    st->deleted = in_u32(r) != 0;
    uint32_t n_directions = in_u32(r);
    if (!in_str(r, &name) || n_directions > left(r)) {
        return bad(r, "a study is wrong");
    }
    st->name = (struct str){mem_dup(name.p, name.n), name.n};
    if (!st->name.p) {
        return nomem(r);
    }
    if (!in_directions(r, st, n_directions)) {
        return false;
    }
    st->n_trials = (size_t)in_u64(r);
    st->best = (int64_t)in_u64(r);
    st->version = in_u64(r);
    if (!in_front(r, st) || !in_space(r, &st->complete_space) || !in_space(r, &st->pruned_space) ||
        !in_first_dists(r, st) || !in_list(r, &st->attrs, LIST_ATTRS)) {
        return false;
    }
    uint64_t n_live = in_count(r, 48);
    for (uint64_t i = 0; r->rc == TL_OK && i < n_live; i++) {
        in_live(r, st);
    }
    counts->n_rows = in_u64(r);
    counts->n_columns = in_u64(r);
    counts->n_shapes = in_u64(r);
    if (r->rc != TL_OK) {
        return false;
    }
    if (counts->n_rows > left(r) / sizeof(struct row) || counts->n_shapes > left(r) / sizeof(struct shape) ||
        counts->n_columns > left(r) / sizeof(uint32_t) || counts->n_rows + n_live != st->n_trials ||
        st->best < -1 || st->best >= (int64_t)counts->n_rows) {
        return bad(r, "a study's counts do not agree");
    }
    for (size_t i = 0; st->front && i < st->front->n; i++) {
        if (st->front->rows[i] >= counts->n_rows) {
            return bad(r, "a front is wrong");
        }
    }
    return true;
}

/* ---- part 2 ---- */

static bool in_strings(struct reader *r, struct intern *t, uint64_t n)
{
    struct str s;
    for (uint64_t i = 0; r->rc == TL_OK && i < n; i++) {
        if (!in_str(r, &s)) {
            return false;
        }
        uint32_t number = intern_add(t, s);
        if (number == INTERN_NONE) {
            return nomem(r);
        }
        if (number != i) {
            return bad(r, "a string comes twice");
        }
    }
    return r->rc == TL_OK;
}

static bool in_dists(struct reader *r, uint64_t n)
{
    struct str text;
    for (uint64_t i = 0; r->rc == TL_OK && i < n; i++) {
        uint32_t id;
        if (!in_str(r, &text)) {
            return false;
        }
        int rc = dist_table_add(&r->s->dists, text, false, &id, NULL);
        if (rc == TL_ENOMEM) {
            return nomem(r);
        }
        if (rc != TL_OK || id != i + 1) {
            return bad(r, "a distribution is wrong");
        }
    }
    return r->rc == TL_OK;
}

/* n elements straight into an empty array. */
static bool in_elements(struct reader *r, struct svec *v, uint64_t n)
{
    if (r->rc != TL_OK) {
        return false;
    }
    if (n > left(r) / v->elem) {
        return bad(r, "it ends too early");
    }
    if (!svec_reserve(v, (size_t)n)) {
        return nomem(r);
    }
    v->len = (size_t)n;
    for (size_t i = 0, run; i < n; i += run) {
        void *p = svec_run(v, i, (size_t)n, &run);
        if (!in(r, p, run * v->elem)) {
            return false;
        }
    }
    return true;
}

static bool in_column(struct reader *r, struct study *st, size_t n_rows)
{
    uint32_t name = in_u32(r);
    size_t before = st->columns.len;
    if (r->rc != TL_OK || !check_name(r, name)) {
        return false;
    }
    struct column *c = column_restore(st, name);
    if (!c) {
        return nomem(r);
    }
    if (st->columns.len == before) {
        return bad(r, "a column comes twice");
    }
    for (size_t first = 0; first < n_rows; first += BLOCK) {
        size_t rows = n_rows - first < BLOCK ? n_rows - first : BLOCK;
        struct image_block head;
        if (!in(r, &head, sizeof head)) {
            return false;
        }
        if (head.kind == IMAGE_BLOCK_ABSENT) {
            continue;
        }
        if (head.kind > IMAGE_BLOCK_DISTS || !check_dist(r, head.dist) ||
            (rows < BLOCK && head.present >> rows != 0)) {
            return bad(r, "a column is wrong");
        }
        struct column_block *b = column_block_restore(st, c, first / BLOCK, head.dist, head.kind == IMAGE_BLOCK_DISTS);
        if (!b) {
            return nomem(r);
        }
        atomic_store_explicit(&b->present, head.present, memory_order_relaxed);
        uint32_t *dists = atomic_load_explicit(&b->dists, memory_order_relaxed);
        if (!in(r, b->values, rows * sizeof b->values[0]) || (dists && !in(r, dists, rows * sizeof dists[0]))) {
            return false;
        }
        for (size_t i = 0; dists && i < BLOCK; i++) {
            if (i >= rows || dists[i] == 0) {
                dists[i] = head.dist;
            }
            if (!check_dist(r, dists[i])) {
                return false;
            }
        }
    }
    return true;
}

static bool in_bytes(struct reader *r, struct study *st)
{
    uint64_t last = 0;
    for (;;) {
        uint64_t head[2];
        if (!in(r, head, sizeof head)) {
            return false;
        }
        if (head[0] == 0) {
            return true;
        }
        size_t skip = head[0] == 1 ? 8 : 0;
        if (head[0] <= last || head[0] > SVEC_SEGMENTS || head[1] <= skip || head[1] - skip > left(r) || head[1] % 8 != 0) {
            return bad(r, "a segment is wrong");
        }
        unsigned k = (unsigned)head[0] - 1;
        /* a segment is begun when the one before could not take an object: together they are half full */
        uint64_t before = k > 0 && st->bytes.segment ? st->bytes.segment[k - 1].used : 0;
        uint64_t room = (uint64_t)SPACE_FIRST << k;
        if (room > 4 * (before + head[1]) + 4096 || head[1] > room) {
            return bad(r, "a segment is too large");
        }
        last = head[0];
        if (!space_restore(&st->bytes, k, head[1])) {
            return nomem(r);
        }
        if (!in(r, st->bytes.segment[k].p + skip, (size_t)head[1] - skip)) {
            return false;
        }
    }
}

/* ---- what points where ---- */

static bool check_shapes(struct reader *r, const struct study *st)
{
    for (size_t i = 0; i < st->shapes.len; i++) {
        const struct shape *sh = svec_at(&st->shapes, i);
        if (!space_holds(&st->bytes, sh->columns, (uint64_t)sh->n * sizeof(uint32_t))) {
            return bad(r, "a shape is wrong");
        }
        const uint32_t *columns = space_at(&st->bytes, sh->columns);
        for (uint32_t k = 0; k < sh->n; k++) {
            if ((columns[k] & ~SHAPE_NO_VALUE) >= st->columns.len) {
                return bad(r, "a shape is wrong");
            }
        }
        if (!shape_restore((struct study *)(uintptr_t)st, i)) {
            return nomem(r);
        }
    }
    return true;
}

static bool check_attrs(struct reader *r, const struct study *st, uint64_t at)
{
    uint64_t n;
    if (!space_holds(&st->bytes, at, sizeof n)) {
        return bad(r, "attributes lie outside");
    }
    memcpy(&n, space_at(&st->bytes, at), sizeof n);
    uint64_t offset = sizeof n;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t head[2];
        if (!space_holds(&st->bytes, at, offset + sizeof head)) {
            return bad(r, "attributes lie outside");
        }
        memcpy(head, (const char *)space_at(&st->bytes, at) + offset, sizeof head);
        offset += sizeof head + ((uint64_t)head[1] + 3) / 4 * 4;
        if (!space_holds(&st->bytes, at, offset) || !check_name(r, head[0] >> 1)) {
            return bad(r, "attributes lie outside");
        }
    }
    return true;
}

static bool check_reports(struct reader *r, const struct study *st, uint64_t at)
{
    uint64_t head;
    if (!space_holds(&st->bytes, at, sizeof head)) {
        return bad(r, "reports lie outside");
    }
    memcpy(&head, space_at(&st->bytes, at), sizeof head);
    uint64_t n = head >> 1, size = head & 1 ? sizeof(double) : sizeof(struct report_entry);
    return (n < UINT32_MAX && space_holds(&st->bytes, at, sizeof head + n * size)) || bad(r, "reports lie outside");
}

/* The columns of a row's shape must have its block. */
static bool check_row_params(struct reader *r, const struct study *st, const struct row *row, size_t index)
{
    const struct shape *sh = svec_at(&st->shapes, row->shape);
    const uint32_t *columns = space_at(&st->bytes, sh->columns);
    for (uint32_t k = 0; k < sh->n; k++) {
        const struct column *c = svec_at(&st->columns, columns[k] & ~SHAPE_NO_VALUE);
        if (!column_block_at(c, index / BLOCK)) {
            return bad(r, "a row's parameter is missing");
        }
    }
    return true;
}

typedef _Atomic uint32_t slot_word;
#define SLOT_FREE UINT32_MAX

static bool take_slot(struct reader *r, struct study *st, uint32_t number, uint32_t where)
{
    slot_word *slot = svec_at(&st->slots, number);
    if (atomic_load_explicit(slot, memory_order_relaxed) != SLOT_FREE) {
        return bad(r, "two trials have one number");
    }
    atomic_store_explicit(slot, where, memory_order_relaxed);
    return true;
}

static bool check_place(struct reader *r, const struct study *st, int64_t id, uint32_t number)
{
    const struct state *s = r->s;
    if (id < 0 || (uint64_t)id >= s->trials.len) {
        return bad(r, "a trial's id is out of range");
    }
    const struct trial_place *p = svec_at(&s->trials, (size_t)id);
    return (p->study == (uint64_t)st->id && p->number == number) || bad(r, "a trial's place is wrong");
}

static bool check_row(struct reader *r, struct study *st, const struct row *row, size_t index)
{
    if (row->number >= st->n_trials || !TL_STATE_IS_FINISHED(row->state) || row->shape >= st->shapes.len ||
        row->has_values > 1 || (row->owner != INTERN_NONE && row->owner >= r->n_workers)) {
        return bad(r, "a row is wrong");
    }
    if (row->n_values > 1 && !space_holds(&st->bytes, row->values, row->n_values * sizeof(double))) {
        return bad(r, "a row's values lie outside");
    }
    if ((row->attrs && !check_attrs(r, st, row->attrs)) || (row->reports && !check_reports(r, st, row->reports))) {
        return false;
    }
    st->counts[row->state]++;
    return check_row_params(r, st, row, index) && check_place(r, st, row->id, row->number) &&
           take_slot(r, st, row->number, (uint32_t)index);
}

static bool fact_row(const struct study *st, size_t index)
{
    const struct row *row = svec_at(&st->rows, index);
    return row->has_values && row->n_values == st->n_directions && row->n_values > 0;
}

static bool check_study(struct reader *r, struct study *st)
{
    if (!check_shapes(r, st)) {
        return false;
    }
    if (!svec_reserve(&st->slots, st->n_trials)) {
        return nomem(r);
    }
    st->slots.len = st->n_trials;
    for (size_t i = 0; i < st->n_trials; i++) {
        atomic_store_explicit((slot_word *)svec_at(&st->slots, i), SLOT_FREE, memory_order_relaxed);
    }
    for (size_t i = 0; i < st->rows.len; i++) {
        if (!check_row(r, st, svec_at(&st->rows, i), i)) {
            return false;
        }
    }
    for (size_t i = 0; i < st->n_live; i++) {
        const struct live_trial *t = st->live[i];
        if (!check_place(r, st, t->id, t->number) || !take_slot(r, st, t->number, LIVE_BIT | (uint32_t)i)) {
            return false;
        }
        st->counts[t->state]++;
        if (t->state == TL_WAITING && !facts_waiting(st, t->number)) {
            return nomem(r);
        }
    }
    if (st->best >= 0 && !fact_row(st, (size_t)st->best)) {
        return bad(r, "the best trial has no value");
    }
    for (size_t i = 0; st->front && i < st->front->n; i++) {
        if (!fact_row(st, st->front->rows[i])) {
            return bad(r, "a trial of the front has no values");
        }
    }
    uint32_t name = intern_find(&r->s->study_names, st->name);
    uint64_t taken;
    if (name == INTERN_NONE) {
        return bad(r, "a study's name is missing");
    }
    if (st->deleted) {
        return true;
    }
    if (map64_get(&r->s->study_by_name, name, &taken)) {
        return bad(r, "two studies have one name");
    }
    r->s->n_studies++;
    return map64_set(&r->s->study_by_name, name, (uint64_t)st->id) || nomem(r);
}

static bool in_study_bulk(struct reader *r, struct study *st, const struct study_counts *counts)
{
    if (!in_elements(r, &st->rows, counts->n_rows)) {
        return false;
    }
    for (uint64_t i = 0; i < counts->n_columns; i++) {
        if (!in_column(r, st, (size_t)counts->n_rows)) {
            return false;
        }
    }
    return in_elements(r, &st->shapes, counts->n_shapes) && in_bytes(r, st);
}

/* ---- all of it ---- */

static bool in_head(struct reader *r)
{
    struct image_head head, want = IMAGE_HEAD(0);
    if (!in(r, &head, sizeof head)) {
        return false;
    }
    if (memcmp(head.magic, want.magic, sizeof head.magic) != 0) {
        return bad(r, "it is none");
    }
    if (head.order != want.order || head.layout != want.layout) {
        r->rc = err_set(r->err, TL_EVERSION, "snapshot: made by another version or kind of machine");
        return false;
    }
    return true;
}

static bool in_workers(struct reader *r, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t *last = svec_push(&r->s->worker_n);
        if (!last) {
            return nomem(r);
        }
        *last = in_u64(r);
    }
    return r->rc == TL_OK;
}

static bool in_all(struct reader *r)
{
    struct part1 p;
    if (!in_head(r) || !in(r, &p, sizeof p)) {
        return false;
    }
    uint64_t most = left(r);
    if (p.n_names > most || p.n_workers > most || p.n_study_names > most || p.n_dists > most || p.n_trials > most ||
        p.n_studies > most) {
        return bad(r, "a count is too large");
    }
    r->n_names = p.n_names;
    r->n_workers = p.n_workers;
    r->n_dists = p.n_dists;
    struct study_counts *counts = mem_zalloc((size_t)p.n_studies + 1, sizeof *counts);
    if (!counts) {
        return nomem(r);
    }
    bool ok = in_workers(r, p.n_workers);
    for (uint64_t i = 0; ok && i < p.n_studies; i++) {
        ok = in_study(r, &counts[i]);
    }
    ok = ok && in_strings(r, &r->s->names, p.n_names) && in_strings(r, &r->s->workers, p.n_workers) &&
         in_strings(r, &r->s->study_names, p.n_study_names) && in_dists(r, p.n_dists) &&
         in_elements(r, &r->s->trials, p.n_trials);
    for (uint64_t i = 0; ok && i < p.n_trials; i++) {
        ok = ((const struct trial_place *)svec_at(&r->s->trials, i))->study < p.n_studies || bad(r, "a trial has no study");
    }
    for (uint64_t i = 0; ok && i < p.n_studies; i++) {
        struct study *st = state_study_any(r->s, (int64_t)i);
        ok = in_study_bulk(r, st, &counts[i]) && check_study(r, st);
    }
    mem_free(counts);
    if (ok && left(r) != 0) {
        return bad(r, "something follows it");
    }
    r->s->seq = p.seq;
    r->s->n_odd = p.n_odd;
    return ok;
}

int image_read(struct image_source *from, struct state **out, struct tl_err *err)
{
    struct reader *r = mem_alloc(sizeof *r);
    struct state *s = r ? state_new() : NULL;
    if (!s) {
        mem_free(r);
        return err_nomem(err);
    }
    r->from = from;
    r->err = err;
    r->rc = TL_OK;
    r->at = r->n = 0;
    r->s = s;
    r->scratch = (struct buf)BUF_INIT(SIZE_MAX / 4);
    bool ok = in_all(r);
    int rc = r->rc;
    buf_release(&r->scratch);
    mem_free(r);
    if (!ok) {
        state_unref(s);
        return rc;
    }
    *out = s;
    return TL_OK;
}
