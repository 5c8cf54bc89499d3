/* SPDX-License-Identifier: MIT
 *
 * Roots and their parts: what public calls do on a storage with a catalog.
 *
 * Happy path: an id names the stream in its upper half; the part of the stream is opened at its first use and stays open. What concerns
 * all studies goes through the catalog, which answers from the streams' rows without reading any operations.
 * Failure modes: those of the catalog's connection; a stream that is gone is TL_ENOTFOUND. Invariants: parts are never closed before the
 * root; all have the root's worker id; a part's number n is its own, and err->seq of an unknown outcome carries the stream.
 */
#include "engine/parts.h"

#include "base/err.h"
#include "base/os.h"
#include "engine/ops.h"
#include "journal/catalog.h"
#include "journal/kinds.h"

#define MS INT64_C(1000000)
#define WAIT_SLICE_MS 50

struct parts {
    pthread_mutex_t mutex; /* the list; opening a part happens under it, so that it is opened once */
    tl_storage **items;
    size_t n, cap;
    struct map64 of_stream; /* index */
};

int parts_begin(tl_storage *root, struct catalog *catalog, struct tl_err *err)
{
    struct parts *p = mem_zalloc(1, sizeof *p);
    if (!p) {
        catalog->ops->close(catalog);
        return err_nomem(err);
    }
    pthread_mutex_init(&p->mutex, NULL);
    root->catalog = catalog;
    root->parts = p;
    return TL_OK;
}

void parts_close(tl_storage *root)
{
    struct parts *p = root->parts;
    if (root->catalog->ops->closing) {
        root->catalog->ops->closing(root->catalog);
    }
    for (size_t i = 0; i < p->n; i++) {
        deferral_close(p->items[i]);
        if (!root->options.read_only && atomic_load(&p->items[i]->operations) > 0) {
            summary_write(p->items[i], 0);
        }
        tl_storage_close(p->items[i]);
    }
    root->catalog->ops->close(root->catalog);
    mem_free(p->items);
    map64_release(&p->of_stream);
    pthread_mutex_destroy(&p->mutex);
    mem_free(p);
}

void parts_forked(tl_storage *root)
{
    struct parts *p = root->parts;
    if (pthread_mutex_trylock(&p->mutex) != 0) { /* a thread that is not here was changing the list: it cannot be trusted, and is leaked */
        p->items = NULL;
        p->n = p->cap = 0;
        p->of_stream = (struct map64){0};
    }
    pthread_mutex_init(&p->mutex, NULL);
    if (root->catalog->ops->forked) {
        root->catalog->ops->forked(root->catalog);
    }
}

/* ---- finding parts ---- */

static int open_part_locked(tl_storage *root, int64_t stream, tl_storage **out, struct tl_err *err)
{
    struct parts *p = root->parts;
    struct backend *b;
    if (!mem_grow((void **)&p->items, &p->cap, p->n + 1, sizeof *p->items)) {
        return err_nomem(err);
    }
    int rc = root->catalog->ops->open(root->catalog, stream, &b, err);
    if (rc != TL_OK) {
        return rc;
    }
#ifndef NDEBUG
    b = backend_checked(b);
    if (!b) {
        return err_nomem(err);
    }
#endif
    rc = storage_open_on(b, &root->options, root, stream << PART_SHIFT, out, err);
    if (rc == TL_OK && !map64_set(&p->of_stream, (uint64_t)stream, p->n)) {
        tl_storage_close(*out);
        rc = err_nomem(err);
    }
    if (rc == TL_OK) {
        p->items[p->n++] = *out;
    }
    return rc;
}

int part_of_stream(tl_storage *root, int64_t stream, tl_storage **out, struct tl_err *err)
{
    struct parts *p = root->parts;
    uint64_t index;
    int rc = storage_enter(root, err);
    if (rc != TL_OK) {
        return rc;
    }
    pthread_mutex_lock(&p->mutex);
    if (map64_get(&p->of_stream, (uint64_t)stream, &index)) {
        *out = p->items[index];
    } else {
        rc = open_part_locked(root, stream, out, err);
    }
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

bool part_is_open(tl_storage *root, int64_t study_id)
{
    struct parts *p = root->parts;
    uint64_t index;
    pthread_mutex_lock(&p->mutex);
    bool open = study_id >= 0 && map64_get(&p->of_stream, (uint64_t)(study_id >> PART_SHIFT), &index);
    pthread_mutex_unlock(&p->mutex);
    return open;
}

int storage_part(tl_storage **st, int64_t *id, int64_t *base, const char *what, struct tl_err *err)
{
    int64_t given = *id;
    if (base) {
        *base = 0;
    }
    if (!is_root(*st)) {
        return TL_OK;
    }
    if (given < 0 || given >> PART_SHIFT == 0 || given >> PART_SHIFT >= INT64_C(1) << 21) {
        return err_set(err, TL_ENOTFOUND, "there is no %s with id %lld", what, (long long)given);
    }
    int rc = part_of_stream(*st, given >> PART_SHIFT, st, err);
    if (rc == TL_ENOTFOUND) {
        return err_set(err, TL_ENOTFOUND, "there is no %s with id %lld", what, (long long)given);
    }
    if (rc == TL_OK) {
        *id = given & PART_LOCAL;
        if (base) {
            *base = (*st)->base_id;
        }
    }
    return rc;
}

int storage_part_named(tl_storage **st, const char *name, struct tl_err *err)
{
    int64_t stream;
    if (!is_root(*st)) {
        return TL_OK;
    }
    int rc = storage_enter(*st, err);
    if (rc == TL_OK) {
        rc = (*st)->catalog->ops->find((*st)->catalog, str_of(name), &stream, err);
    }
    return rc == TL_OK ? part_of_stream(*st, stream, st, err) : rc;
}

/* The open parts, as they are now; on the heap. */
static int list_parts(tl_storage *root, tl_storage ***out, size_t *n, struct tl_err *err)
{
    struct parts *p = root->parts;
    int rc = storage_enter(root, err);
    if (rc != TL_OK) {
        return rc;
    }
    pthread_mutex_lock(&p->mutex);
    *n = p->n;
    *out = mem_alloc((p->n + 1) * sizeof **out);
    if (*out && p->n) {
        memcpy(*out, p->items, p->n * sizeof **out);
    }
    pthread_mutex_unlock(&p->mutex);
    return *out ? TL_OK : err_nomem(err);
}

/* ---- studies ---- */

static int check_writable(tl_storage *root, struct tl_err *err)
{
    int rc = storage_enter(root, err);
    return rc == TL_OK && root->options.read_only ? err_set(err, TL_EACCESS, "the storage was opened read-only") : rc;
}

/* One line of this worker, with the next number of the root's own. */
static int make_line(tl_storage *root, const struct op *given, struct buf *line, uint64_t *n, struct tl_err *err)
{
    struct op op = *given;
    pthread_mutex_lock(&root->parts->mutex);
    *n = ++root->n;
    pthread_mutex_unlock(&root->parts->mutex);
    op.worker = str_of(root->worker);
    op.n = *n;
    int rc = op_encode(&op, line);
    return rc == TL_OK ? TL_OK : err_set(err, rc, "%s: the operation is too large or memory is short", op_name(op.code));
}

int root_create_study(tl_storage *root, const struct op *op, int64_t *study_id, struct tl_err *err)
{
    struct buf line = BUF_INIT(SIZE_MAX / 2);
    int64_t stream;
    uint64_t n = 0;
    int rc = check_writable(root, err);
    if (rc == TL_OK) {
        rc = make_line(root, op, &line, &n, err);
    }
    if (rc == TL_OK) {
        struct str text = {line.data, line.len};
        rc = root->catalog->ops->create(root->catalog, op->name, text, root->worker, n, &stream, err);
    }
    if (rc == TL_OK) {
        atomic_fetch_add(&root->operations, 1);
        atomic_fetch_add(&root->appends, 1);
        if (study_id) {
            *study_id = stream << PART_SHIFT;
        }
    }
    buf_release(&line);
    return rc;
}

int root_delete_study(tl_storage *root, int64_t study_id, struct tl_err *err)
{
    struct buf line = BUF_INIT(SIZE_MAX / 2);
    struct op op = {.code = OP_DELETE_STUDY};
    struct tl_err why = TL_ERR_INIT;
    uint64_t n = 0;
    int rc = check_writable(root, err);
    if (rc == TL_OK && (study_id < 0 || (study_id & PART_LOCAL) != 0)) {
        return err_set(err, TL_ENOTFOUND, "there is no study with id %lld", (long long)study_id);
    }
    if (rc == TL_OK) {
        rc = make_line(root, &op, &line, &n, err);
    }
    if (rc == TL_OK) {
        struct str text = {line.data, line.len};
        rc = root->catalog->ops->remove(root->catalog, study_id >> PART_SHIFT, text, root->worker, n, &why);
        if (rc == TL_ENOTFOUND) {
            err_set(err, rc, "there is no study with id %lld", (long long)study_id);
        } else if (rc != TL_OK && err) {
            *err = why;
        }
    }
    if (rc == TL_OK) {
        atomic_fetch_add(&root->operations, 1);
        atomic_fetch_add(&root->appends, 1);
    }
    buf_release(&line);
    return rc;
}

int root_find_study(tl_storage *root, const char *name, int64_t *study_id, struct tl_err *err)
{
    int64_t stream;
    int rc = storage_enter(root, err);
    if (rc == TL_OK) {
        rc = root->catalog->ops->find(root->catalog, str_of(name), &stream, err);
    }
    if (rc == TL_OK) {
        *study_id = stream << PART_SHIFT;
    }
    return rc;
}

struct listed {
    struct arena memory;
    struct catalog_entry *items;
    size_t n, cap;
    struct tl_err *err;
};

static int copy_entry(void *ctx, const struct catalog_entry *e)
{
    struct listed *l = ctx;
    if (e->deleted) {
        return 0;
    }
    if (!mem_grow((void **)&l->items, &l->cap, l->n + 1, sizeof *l->items)) {
        return err_nomem(l->err);
    }
    struct catalog_entry *to = &l->items[l->n];
    *to = *e;
    to->name.p = arena_dup(&l->memory, e->name.p, e->name.n);
    to->summary.p = arena_dup(&l->memory, e->summary.p, e->summary.n);
    l->n += to->name.p && to->summary.p;
    return to->name.p && to->summary.p ? 0 : err_nomem(l->err);
}

int root_each_stream(tl_storage *root, int (*each)(void *ctx, const struct catalog_entry *e), void *ctx, struct tl_err *err)
{
    struct listed l = {.err = err};
    int rc = storage_enter(root, err);
    if (rc == TL_OK) {
        rc = root->catalog->ops->each(root->catalog, 0, copy_entry, &l, err);
    }
    for (size_t i = 0; i < l.n && rc == TL_OK; i++) {
        rc = each(ctx, &l.items[i]);
    }
    mem_free(l.items);
    arena_release(&l.memory);
    return rc;
}

struct names {
    int (*each)(void *ctx, int64_t study_id, const char *name);
    void *ctx;
};

static int hand_name(void *ctx, const struct catalog_entry *e)
{
    const struct names *n = ctx;
    return n->each(n->ctx, e->stream << PART_SHIFT, e->name.p);
}

int root_each_study(tl_storage *root, int (*each)(void *ctx, int64_t study_id, const char *name), void *ctx, struct tl_err *err)
{
    struct names n = {each, ctx};
    return root_each_stream(root, hand_name, &n, err);
}

/* ---- trials ---- */

struct running {
    tl_storage *root;
    int (*each)(void *ctx, const struct tl_running_trial *trial);
    void *ctx;
    struct tl_err *err;
};

static int running_of_stream(void *ctx, const struct catalog_entry *e)
{
    const struct running *r = ctx;
    tl_storage *part;
    if (e->summary_seq == e->head && summary_idle(e->summary)) {
        return TL_OK;
    }
    int rc = part_of_stream(r->root, e->stream, &part, r->err);
    return rc == TL_OK ? tl_storage_each_running(part, r->each, r->ctx, r->err) : rc == TL_ENOTFOUND ? TL_OK : rc;
}

int root_each_running(tl_storage *root, int (*each)(void *ctx, const struct tl_running_trial *trial), void *ctx, struct tl_err *err)
{
    struct running r = {root, each, ctx, err};
    return root_each_stream(root, running_of_stream, &r, err);
}

/* ---- all open parts ---- */

int root_sync(tl_storage *root, struct tl_err *err)
{
    tl_storage **list;
    size_t n;
    int rc = list_parts(root, &list, &n, err);
    if (rc != TL_OK) {
        return rc;
    }
    for (size_t i = 0; i < n && rc == TL_OK; i++) {
        rc = store_refresh(list[i], err);
        rc = rc == TL_ENOTFOUND ? TL_OK : rc; /* deleted */
    }
    mem_free(list);
    return rc;
}

static uint64_t seq_of(tl_storage *part)
{
    const struct state *s = store_lock_state(part);
    uint64_t seq = s ? s->seq : 0; /* none: it is rebuilt after a fork */
    store_unlock_state(part);
    return seq;
}

int root_wait(tl_storage *root, int64_t timeout_ms, struct tl_err *err)
{
    int64_t now = os->monotonic_ns(), until = timeout_ms < 0 || timeout_ms > (INT64_MAX - now) / MS ? INT64_MAX : now + timeout_ms * MS;
    for (;;) {
        tl_storage **list;
        size_t n;
        int rc = list_parts(root, &list, &n, err), news = 0;
        if (rc != TL_OK) {
            return rc;
        }
        int64_t left = until == INT64_MAX ? INT64_MAX : (until - os->monotonic_ns()) / MS;
        left = left < 0 ? 0 : left;
        for (size_t i = 0; i < n && rc >= 0 && news == 0; i++) { /* one part is waited for, of several each is asked in turn */
            uint64_t before = seq_of(list[i]);
            rc = tl_storage_wait(list[i], n == 1 ? (left < 1000 ? left : 1000) : 0, err);
            news = seq_of(list[i]) != before;
            rc = rc == TL_ENOTFOUND ? TL_OK : rc;
        }
        mem_free(list);
        if (rc < 0 || news || os->monotonic_ns() >= until) {
            return rc < 0 ? rc : TL_OK;
        }
        if (root->options.cancelled && root->options.cancelled(root->options.cancelled_ctx)) {
            return err_set(err, TL_ECANCELLED, "cancelled while waiting for news");
        }
        if (n != 1) {
            os->sleep_ns((left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS) * MS);
        }
    }
}

struct snapshots {
    tl_storage *root;
    struct tl_err *err;
};

static int snapshot_stream(void *ctx, const struct catalog_entry *e)
{
    const struct snapshots *s = ctx;
    tl_storage *part;
    int rc = part_of_stream(s->root, e->stream, &part, s->err);
    if (rc == TL_OK) {
        rc = tl_storage_snapshot(part, s->err);
        summary_write(part, e->summary_seq);
    }
    return rc == TL_ENOTFOUND ? TL_OK : rc;
}

int root_snapshot(tl_storage *root, struct tl_err *err)
{
    struct snapshots s = {root, err};
    return root_each_stream(root, snapshot_stream, &s, err);
}

void root_add_stats(tl_storage *root, struct tl_storage_stats *s)
{
    tl_storage **list;
    size_t n;
    if (list_parts(root, &list, &n, NULL) != TL_OK) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct tl_storage_stats one = {.size = sizeof one};
        tl_storage_get_stats(list[i], &one);
        s->seq += one.seq;
        s->operations += one.operations;
        s->appends += one.appends;
        s->flushes += one.flushes;
        s->lines_read += one.lines_read;
        s->bytes_read += one.bytes_read;
        s->odd_lines += one.odd_lines;
        s->bad_lines += one.bad_lines;
        s->lock_waits_ns += one.lock_waits_ns;
        s->snapshot_seq += one.snapshot_seq;
        s->damaged = s->damaged || one.damaged;
    }
    mem_free(list);
}

void root_describe(tl_storage *root, struct buf *out)
{
    buf_add_text(out, root->catalog->ops->name);
    if (storage_enter(root, NULL) == TL_OK && root->catalog->ops->describe) {
        root->catalog->ops->describe(root->catalog, out);
    }
}

int root_landed(tl_storage *root, const char *worker_id, uint64_t n, bool *landed, struct tl_err *err)
{
    tl_storage *part;
    int rc = part_of_stream(root, (int64_t)(n >> PART_SHIFT), &part, err);
    return rc == TL_OK ? tl_storage_landed(part, worker_id, n & (uint64_t)PART_LOCAL, landed, err) : rc;
}
