/* SPDX-License-Identifier: MIT
 *
 * Opening and closing a storage, replay of delivered lines, forks, counters.
 *
 * Happy path of opening: backend, snapshot if there is a usable one, the rest of the log. A state that an allocation failure
 * broke, or whose log was replaced, is thrown away and rebuilt at the next call (storage_enter): the log is the truth.
 */
#include "engine/storage.h"

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "base/thread.h"
#include "engine/parts.h"
#include "journal/catalog.h"
#include "journal/url.h"
#include "model/image.h"

/* ---- forks ---- */

static atomic_uint fork_count;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static pthread_mutex_t repair_lock = PTHREAD_MUTEX_INITIALIZER; /* one thread of a child repairs */

static void forked_child(void)
{
    atomic_fetch_add(&fork_count, 1);
    pthread_mutex_init(&repair_lock, NULL);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked_child);
}

/* A UUID of version 4. */
int storage_uuid(char out[WORKER_MAX], struct tl_err *err)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char r[16];
    int rc = os->random(r, sizeof r);
    if (rc < 0) {
        return err_sys(err, -rc, "cannot get random bytes");
    }
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    char *p = out;
    for (size_t i = 0; i < sizeof r; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }
        *p++ = hex[r[i] >> 4];
        *p++ = hex[r[i] & 15];
    }
    *p = '\0';
    return TL_OK;
}

static void init_locks(tl_storage *st)
{
    pthread_mutex_init(&st->queue_lock, NULL);
    (void)cond_init(&st->queue_moved);
    pthread_mutex_init(&st->read_lock, NULL);
    pthread_mutex_init(&st->state_lock, NULL);
    st->queue = NULL;
    st->queue_end = &st->queue;
    st->leading = false;
    st->in_flight = NULL;
    st->snapshot_running = st->snapshot_joinable = false;
}

/* Was a lock free at the fork? (A thread that held it does not exist here.) */
static bool was_free(pthread_mutex_t *lock)
{
    bool is_free = pthread_mutex_trylock(lock) == 0;
    if (is_free) {
        pthread_mutex_unlock(lock);
    }
    return is_free;
}

/* First call in a forked child: locks, descriptors and identity are the parent's, so new ones are made. A state that another
 * thread was changing at the fork is given up (leaked: its parts cannot be trusted) and rebuilt. */
static int after_fork(tl_storage *st, struct tl_err *err)
{
    char worker[WORKER_MAX];
    unsigned now = atomic_load(&fork_count);
    int rc = st->root ? storage_enter(st->root, err) : TL_OK;
    if (rc != TL_OK) {
        return rc;
    }
    pthread_mutex_lock(&repair_lock);
    if (st->root) {
        memcpy(worker, st->root->worker, sizeof worker);
    }
    if (atomic_load(&st->fork_count) == now || (!st->root && (rc = storage_uuid(worker, err)) != TL_OK)) {
        pthread_mutex_unlock(&repair_lock);
        return rc;
    }
    bool whole = !st->leading && was_free(&st->state_lock) && was_free(&st->read_lock);
    init_locks(st);
    leases_forked(st);
    deferral_forked(st, whole);
    memcpy(st->worker, worker, sizeof worker);
    st->n = 0;
    if (st->catalog) {
        parts_forked(st);
    } else if (st->backend->ops->forked) {
        st->backend->ops->forked(st->backend);
    }
    if (!whole) {
        st->arena = (struct arena){0};
        st->state = NULL;
        st->stale = true;
    }
    atomic_store(&st->fork_count, now);
    pthread_mutex_unlock(&repair_lock);
    return TL_OK;
}

/* ---- replay ---- */

int64_t storage_broken_create_trial(struct str line)
{
    static const char code[] = "{\"op_code\":4,", id[] = "\"study_id\":";
    if (line.n < sizeof code || memcmp(line.p, code, sizeof code - 1) != 0) {
        return -1;
    }
    const char *p = memmem(line.p, line.n, id, sizeof id - 1), *end = line.p + line.n;
    int64_t study = 0;
    if (!p) {
        return -1;
    }
    p += sizeof id - 1;
    if (p >= end || *p < '0' || *p > '9') {
        return -1;
    }
    while (p < end && *p >= '0' && *p <= '9' && study < INT32_MAX) {
        study = study * 10 + (*p++ - '0');
    }
    return study;
}

static int replay_line(tl_storage *st, struct str line, int64_t offset, struct tl_err *err)
{
    struct op op;
    struct applied done;
    struct tl_err why = TL_ERR_INIT;
    long long number = (long long)st->state->seq + 1;
    enum op_line how = op_decode(line, &st->arena, &op, &why);
    int rc = TL_OK;
    if (how == OP_LINE_OK) {
        rc = state_apply(st->state, &op, &done, &why);
        if (rc == TL_OK && op.n != 0 && st->in_flight && str_eq(op.worker, str_of(st->worker))) {
            storage_settle(st, op.n, &done, &why);
        }
        if (rc == TL_OK && done.verdict == V_ODD) {
            how = OP_LINE_ODD;
        }
    } else if (how == OP_LINE_ODD) {
        rc = state_skip(st->state, -1);
    } else if (why.code == TL_ENOMEM) {
        rc = TL_ENOMEM;
    } else {
        rc = state_skip(st->state, storage_broken_create_trial(line));
        atomic_fetch_add_explicit(&st->bad_lines, 1, memory_order_relaxed);
        if (!st->damaged) {
            st->damaged = true;
            st->damage_line = (uint64_t)number;
            st->damage_offset = offset;
        }
        log_emit(st->options.log, LOG_BAD_LINE, "line %lld, byte %lld: %s", number, (long long)offset, why.message);
    }
    if (how == OP_LINE_ODD && rc == TL_OK) {
        atomic_fetch_add_explicit(&st->odd_lines, 1, memory_order_relaxed);
        log_emit(st->options.log, LOG_ODD_OPERATION, "line %lld, byte %lld: %s", number, (long long)offset, why.message);
    }
    if (st->arena.used_total) {
        arena_reset(&st->arena);
    }
    return rc == TL_OK ? TL_OK : err_nomem(err);
}

int storage_lines(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    tl_storage *st = ctx;
    const char *p = bytes, *end = bytes + n;
    uint64_t lines = 0;
    int rc = TL_OK;
    pthread_mutex_lock(&st->state_lock);
    while (rc == TL_OK && p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) {
            break; /* the backend delivers whole lines only */
        }
        rc = replay_line(st, (struct str){p, (size_t)(newline - p)}, offset < 0 ? -1 : offset + (p - bytes), err);
        p = newline + 1;
        lines++;
    }
    if (rc != TL_OK) {
        st->stale = true;
    }
    st->replayed_bytes += n;
    pthread_mutex_unlock(&st->state_lock);
    atomic_fetch_add_explicit(&st->lines_read, lines, memory_order_relaxed);
    atomic_fetch_add_explicit(&st->bytes_read, n, memory_order_relaxed);
    return rc;
}

int storage_rewind(void *ctx, const char *why, struct tl_err *err)
{
    tl_storage *st = ctx;
    struct state *fresh = state_new();
    if (!fresh) {
        return err_nomem(err);
    }
    log_emit(st->options.log, LOG_JOURNAL_REPLACED, "%s", why);
    pthread_mutex_lock(&st->state_lock);
    state_unref(st->state);
    st->state = fresh;
    st->rewinds++;
    st->damaged = false;
    st->replayed_bytes = 0;
    pthread_mutex_unlock(&st->state_lock);
    return TL_OK;
}

int storage_image(void *ctx, uint64_t seq, struct image_source *from, struct tl_err *err)
{
    tl_storage *st = ctx;
    struct state *fresh;
    int rc = image_read(from, &fresh, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (fresh->seq != seq) {
        state_unref(fresh);
        return err_set(err, TL_ECORRUPT, "the snapshot is one of operation %llu, not %llu", (unsigned long long)fresh->seq,
                       (unsigned long long)seq);
    }
    pthread_mutex_lock(&st->state_lock);
    state_unref(st->state);
    st->state = fresh;
    st->replayed_bytes = 0;
    pthread_mutex_unlock(&st->state_lock);
    atomic_store(&st->snapshot_seq, seq);
    return TL_OK;
}

int storage_read_news(tl_storage *st, int64_t deadline_ns, struct tl_err *err)
{
    struct deliver d = {st, storage_lines, storage_rewind, storage_image, deadline_ns};
    int rc = st->backend->ops->read(st->backend, &d, err);
    if (rc == TL_OK) {
        atomic_store_explicit(&st->deferral.looked_ns, os->monotonic_ns(), memory_order_relaxed);
    }
    return rc;
}

int storage_rebuild(tl_storage *st, int64_t deadline_ns, struct tl_err *err)
{
    struct state *fresh = state_new();
    if (!fresh) {
        return err_nomem(err);
    }
    st->backend->ops->restart(st->backend);
    pthread_mutex_lock(&st->state_lock);
    state_unref(st->state);
    st->state = fresh;
    st->damaged = false;
    st->stale = false;
    pthread_mutex_unlock(&st->state_lock);
    int rc = storage_load_snapshot(st, err);
    rc = rc == TL_OK ? storage_read_news(st, deadline_ns, err) : rc;
    if (rc != TL_OK) { /* what was read so far is no state of the journal that anybody should see */
        pthread_mutex_lock(&st->state_lock);
        st->stale = true;
        pthread_mutex_unlock(&st->state_lock);
    }
    return rc;
}

/* Takes the commit lead and the reader's place, so that nobody else is in the backend. */
void storage_exclusive(tl_storage *st)
{
    pthread_mutex_lock(&st->queue_lock);
    while (st->leading) {
        pthread_cond_wait(&st->queue_moved, &st->queue_lock);
    }
    st->leading = true;
    pthread_mutex_unlock(&st->queue_lock);
    pthread_mutex_lock(&st->read_lock);
}

void storage_shared(tl_storage *st)
{
    pthread_mutex_unlock(&st->read_lock);
    pthread_mutex_lock(&st->queue_lock);
    st->leading = false;
    pthread_cond_broadcast(&st->queue_moved);
    pthread_mutex_unlock(&st->queue_lock);
}

static int enter_after_fork(tl_storage *st, struct tl_err *err)
{
    return TL_LIKELY(atomic_load(&st->fork_count) == atomic_load(&fork_count)) ? TL_OK : after_fork(st, err);
}

int storage_enter(tl_storage *st, struct tl_err *err)
{
    int rc = enter_after_fork(st, err);
    if (rc != TL_OK) {
        return rc;
    }
    pthread_mutex_lock(&st->state_lock);
    bool stale = st->stale;
    pthread_mutex_unlock(&st->state_lock);
    if (TL_LIKELY(!stale)) {
        return TL_OK;
    }
    storage_exclusive(st);
    rc = st->stale ? storage_rebuild(st, 0, err) : TL_OK;
    storage_shared(st);
    return rc;
}

/* ---- opening and closing ---- */

static int check_options(const struct tl_storage_options *o, struct tl_err *err)
{
    if (o->size != sizeof *o) {
        return err_set(err, TL_EINVAL, "storage options: size is %zu, not %zu: use TL_STORAGE_OPTIONS_INIT", o->size, sizeof *o);
    }
    if (o->durability > TL_DURABILITY_OFF) {
        return err_set(err, TL_EINVAL, "storage options: there is no durability %d", (int)o->durability);
    }
    if (o->lock > TL_LOCK_KERNEL) {
        return err_set(err, TL_EINVAL, "storage options: there is no lock mode %d", (int)o->lock);
    }
    if (o->grace_ms != 0 && o->grace_ms < 3000) {
        return err_set(err, TL_EINVAL, "storage options: grace_ms is %lld, it must be at least 3000", (long long)o->grace_ms);
    }
    if (o->lease_ms > 0 && (o->lease_ms < LEASE_MIN_MS || o->lease_ms > LEASE_MAX_MS)) {
        return err_set(err, TL_EINVAL, "storage options: lease_ms is %lld, it must be between %d and %lld (below 0: no lease)",
                       (long long)o->lease_ms, LEASE_MIN_MS, (long long)LEASE_MAX_MS);
    }
    if (o->worker_id && (o->worker_id[0] == '\0' || strlen(o->worker_id) >= WORKER_MAX)) {
        return err_set(err, TL_EINVAL, "storage options: worker_id must have 1 to %d bytes", WORKER_MAX - 1);
    }
    return TL_OK;
}

/* A storage without its backend. */
static int make_storage(const struct tl_storage_options *options, tl_storage **out, struct tl_err *err)
{
    static const struct tl_storage_options defaults = TL_STORAGE_OPTIONS_INIT;
    if (!options) {
        options = &defaults;
    }
    int rc = check_options(options, err);
    if (rc != TL_OK) {
        return rc;
    }
    pthread_once(&fork_once, watch_forks);

    tl_storage *st = mem_zalloc(1, sizeof *st);
    if (!st) {
        return err_nomem(err);
    }
    init_locks(st);
    deferral_init(st);
    st->options = *options;
    if (st->options.timeout_ms == 0) {
        st->options.timeout_ms = 60000;
    }
    if (st->options.grace_ms == 0) {
        st->options.grace_ms = 30000;
    }
    leases_init(st);
    st->fork_count = atomic_load(&fork_count);
    st->state = state_new();
    rc = st->state ? TL_OK : err_nomem(err);
    if (rc == TL_OK && options->worker_id) {
        memcpy(st->worker, options->worker_id, strlen(options->worker_id) + 1);
    } else if (rc == TL_OK) {
        rc = storage_uuid(st->worker, err);
    }
    if (rc != TL_OK) {
        tl_storage_close(st);
        return rc;
    }
    *out = st;
    return TL_OK;
}

/* Reads the journal for the first time; on failure the storage is closed. */
static int begin(tl_storage *st, tl_storage **out, struct tl_err *err)
{
    int rc = storage_load_snapshot(st, err);
    if (rc == TL_OK) {
        rc = storage_read_news(st, 0, err);
    }
    if (rc != TL_OK) {
        tl_storage_close(st);
        return rc;
    }
    if (st->options.worker_id || st->root) { /* a worker that goes on: its numbers go on too */
        st->n = state_worker_n(st->state, str_of(st->worker));
    }
    deferral_begin(st);
    storage_snapshot_if_due(st);
    *out = st;
    return TL_OK;
}

int storage_open_on(struct backend *backend, const struct tl_storage_options *options, tl_storage *root, int64_t base_id,
                    tl_storage **out, struct tl_err *err)
{
    tl_storage *st;
    int rc = make_storage(options, &st, err);
    if (rc != TL_OK) {
        backend->ops->close(backend);
        return rc;
    }
    st->backend = backend;
    st->root = root;
    st->base_id = base_id;
    if (root) {
        memcpy(st->worker, root->worker, sizeof st->worker);
    }
    return begin(st, out, err);
}

int storage_open_catalog(struct catalog *catalog, const struct tl_storage_options *options, tl_storage **out, struct tl_err *err)
{
    tl_storage *st;
    int rc = make_storage(options, &st, err);
    if (rc != TL_OK) {
        catalog->ops->close(catalog);
        return rc;
    }
    rc = parts_begin(st, catalog, err);
    if (rc == TL_OK) {
        *out = st;
    } else {
        tl_storage_close(st);
    }
    return rc;
}

TL_API int tl_storage_open(const char *url, const struct tl_storage_options *options, tl_storage **out, struct tl_err *err)
{
    tl_storage *st;
    if (!url || !*url || !out) {
        return err_set(err, TL_EINVAL, "no storage was named: give a path of a journal file, memory://, or the URL of a database");
    }
    struct catalog *catalog = NULL;
    int rc = make_storage(options, &st, err);
    if (rc != TL_OK) {
        return rc;
    }
    rc = catalog_open(url, &st->options, &catalog, err);
    if (rc == TL_OK && catalog) {
        rc = parts_begin(st, catalog, err);
    } else if (rc == TL_OK) {
        rc = backend_open(url, &st->options, &st->backend, err);
    }
    if (rc != TL_OK) {
        tl_storage_close(st);
        return rc;
    }
    if (catalog) {
        *out = st;
    }
    return catalog ? TL_OK : begin(st, out, err);
}

TL_API void tl_storage_close(tl_storage *st)
{
    if (!st) {
        return;
    }
    /* In a forked child the threads and files are the parent's. Where that cannot be told apart, nothing is touched. */
    if (atomic_load(&st->fork_count) != atomic_load(&fork_count) && after_fork(st, NULL) != TL_OK) {
        return;
    }
    if (st->backend && st->backend->ops->closing) {
        st->backend->ops->closing(st->backend);
    }
    deferral_close(st);
    storage_snapshot_join(st);
    leases_close(st);
    if (st->catalog) {
        parts_close(st);
    }
    if (st->backend) {
        st->backend->ops->close(st->backend);
    }
    state_unref(st->state);
    arena_release(&st->arena);
    pthread_mutex_destroy(&st->queue_lock);
    pthread_cond_destroy(&st->queue_moved);
    pthread_mutex_destroy(&st->read_lock);
    pthread_mutex_destroy(&st->state_lock);
    deferral_release(st);
    mem_free(st);
}

/* ---- reading ---- */

int store_refresh(tl_storage *st, struct tl_err *err)
{
    if (is_root(st)) { /* its own state is empty */
        return storage_enter(st, err);
    }
    int rc = enter_after_fork(st, err);
    if (rc != TL_OK) {
        return rc;
    }
    uint64_t before = atomic_load_explicit(&st->bytes_read, memory_order_relaxed);
    for (;;) { /* while we waited for another reader, the state may have become one that must be rebuilt: nothing is added to that */
        pthread_mutex_lock(&st->read_lock);
        pthread_mutex_lock(&st->state_lock);
        bool read = !st->stale;
        pthread_mutex_unlock(&st->state_lock);
        rc = read ? storage_read_news(st, 0, err) : TL_OK;
        pthread_mutex_unlock(&st->read_lock);
        if (read) {
            break;
        }
        rc = storage_enter(st, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
    bool nothing_new = before == atomic_load_explicit(&st->bytes_read, memory_order_relaxed);
    if (rc == TL_OK && !(nothing_new && !st->backend->ops->snapshot_due)) {
        storage_snapshot_if_due(st);
    }
    return rc;
}

int store_enter(tl_storage *st, struct tl_err *err)
{
    return storage_enter(st, err);
}

struct state *store_lock_state(tl_storage *st)
{
    pthread_mutex_lock(&st->state_lock);
    return st->state;
}

void store_unlock_state(tl_storage *st)
{
    pthread_mutex_unlock(&st->state_lock);
}

TL_API int tl_storage_sync(tl_storage *st, struct tl_err *err)
{
    return is_root(st) ? root_sync(st, err) : store_refresh(st, err);
}

TL_API int tl_storage_wait(tl_storage *st, int64_t timeout_ms, struct tl_err *err)
{
    if (is_root(st)) {
        return root_wait(st, timeout_ms, err);
    }
    int rc = storage_enter(st, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (!st->backend->ops->wait) {
        return err_set(err, TL_EUNSUPPORTED, "this storage cannot wait for news");
    }
    /* Who waits may wait for a trial whose worker is dead: so waiting is looking, too. */
    int64_t now = os->monotonic_ns(), until = timeout_ms < 0 || timeout_ms > (INT64_MAX - now) / 1000000
                                                  ? INT64_MAX
                                                  : now + timeout_ms * 1000000;
    rc = lease_look(st) > 0;
    while (rc == 0) {
        int64_t left = until == INT64_MAX ? LEASE_MAX_MS : (until - os->monotonic_ns()) / 1000000, slice = lease_look_in_ms(st);
        rc = st->backend->ops->wait(st->backend, left < 0 ? 0 : left < slice ? left : slice, err);
        if (rc == 0 && left <= slice && until != INT64_MAX) {
            break;
        }
        rc = rc == 0 ? lease_look(st) > 0 : rc;
    }
    return rc < 0 ? rc : store_refresh(st, err);
}

/* ---- what this handle is and did ---- */

struct tl_time store_now(void)
{
    return (struct tl_time){os->realtime_us(), true, false};
}

const struct tl_log_sink *store_log(tl_storage *st)
{
    return st->options.log;
}

void store_worker(tl_storage *st, char out[64])
{
    memcpy(out, st->worker, WORKER_MAX);
}

TL_API void tl_storage_worker_id(tl_storage *st, char out[64])
{
    store_worker(st, out);
}

TL_API void tl_storage_get_stats(tl_storage *st, struct tl_storage_stats *out)
{
    struct tl_storage_stats s = {.size = sizeof s,
                                 .operations = atomic_load(&st->operations),
                                 .appends = atomic_load(&st->appends),
                                 .flushes = atomic_load(&st->flushes),
                                 .lines_read = atomic_load(&st->lines_read),
                                 .bytes_read = atomic_load(&st->bytes_read),
                                 .odd_lines = atomic_load(&st->odd_lines),
                                 .bad_lines = atomic_load(&st->bad_lines),
                                 .lock_waits_ns = atomic_load(&st->lock_waits_ns),
                                 .snapshot_seq = atomic_load(&st->snapshot_seq)};
    pthread_mutex_lock(&st->state_lock);
    s.seq = st->state ? st->state->seq : 0;
    s.damaged = st->damaged;
    pthread_mutex_unlock(&st->state_lock);
    if (is_root(st)) {
        root_add_stats(st, &s);
    }
    *out = s;
}

static void put_text(struct buf *b, char *out, size_t n)
{
    const char *text = buf_cstr(b);
    if (n > 0) {
        size_t len = text ? strlen(text) : 0;
        len = len < n - 1 ? len : n - 1;
        if (len) {
            memcpy(out, text, len);
        }
        out[len] = '\0';
    }
    buf_release(b);
}

TL_API void tl_storage_url_show(const char *url, char *out, size_t n)
{
    struct buf b = BUF_INIT(1 << 16);
    url_show_text(url, &b);
    put_text(&b, out, n);
}

TL_API void tl_storage_describe(tl_storage *st, char *out, size_t n)
{
    struct buf b = BUF_INIT(4096);
    if (is_root(st)) {
        root_describe(st, &b);
    } else {
        buf_add_text(&b, st->backend->ops->name);
    }
    if (!is_root(st) && st->backend->ops->describe) {
        buf_add_char(&b, ' ');
        st->backend->ops->describe(st->backend, &b);
    }
    put_text(&b, out, n);
}

TL_API int tl_storage_landed(tl_storage *st, const char *worker_id, uint64_t n, bool *landed, struct tl_err *err)
{
    if (is_root(st)) {
        return root_landed(st, worker_id, n, landed, err);
    }
    int rc = store_refresh(st, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct state *s = store_lock_state(st);
    *landed = state_worker_n(s, str_of(worker_id)) >= n;
    store_unlock_state(st);
    return TL_OK;
}
