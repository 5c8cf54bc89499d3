/* SPDX-License-Identifier: MIT
 *
 * A journal in the memory of this process: the reference backend.
 *
 * Lines lie in chunks that never move, so a reader hands them on without a lock while writers append behind them. A journal
 * with a name is shared by all handles of the process that use the name and ends with the last of them.
 *
 * Happy path: append waits for its turn, delivers what is new, copies the caller's lines behind it. Failure: out of memory, time limit,
 * cancelled; then nothing is written. Invariants: a chunk holds whole lines; bytes below `used` never change.
 */
#include "journal/kinds.h"

#include <pthread.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/thread.h"

#define CHUNK ((size_t)64 * 1024)
#define OUT_MAX ((size_t)1 << 30)
#define MS INT64_C(1000000)
#define SLICE_NS (50 * MS)

struct chunk {
    struct chunk *next;
    size_t size, used; /* bytes */
    char bytes[];
};

struct memory_log {
    char *name; /* NULL: private */
    unsigned handles;
    struct memory_log *next; /* in the registry */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* new lines, or the writer's place is free */
    bool writing;
    struct chunk *first, *last;
    struct memory_lease *leases; /* under a mutex of their own, because they are used inside callbacks */
    pthread_mutex_t leases_mutex;
    uint64_t lease_asked; /* how often a handle asked for the time */
};

struct memory_lease {
    struct memory_lease *next;
    struct lease lease;
    int64_t renewed_ns;
    int64_t late_ns, late_renewed_ns; /* when a look first saw that a renewal was missing, and the time of the last one then */
    char worker[]; /* terminated */
};

struct memory {
    struct backend base;
    struct memory_log *log;
    bool read_only;
    pthread_mutex_t guard; /* the position */
    struct chunk *at;      /* chunk of the position; NULL: before the first one */
    size_t done;           /* bytes of it that were delivered */
    uint64_t offset;
    struct buf out;
    uint64_t lease_asked; /* of the log when this handle last asked */
};

/* Journals with a name. */
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct memory_log *registry;

static struct memory *memory_of(struct backend *b)
{
    return (struct memory *)(void *)b;
}

static void init_sync(struct memory_log *log)
{
    (void)cond_init(&log->changed);
    pthread_mutex_init(&log->mutex, NULL);
    pthread_mutex_init(&log->leases_mutex, NULL);
}

/* ---- logs ---- */

static void free_leases(struct memory_log *log)
{
    for (struct memory_lease *l = log->leases, *next; l; l = next) {
        next = l->next;
        mem_free(l);
    }
    log->leases = NULL;
}

static void free_log(struct memory_log *log)
{
    free_leases(log);
    for (struct chunk *c = log->first, *next; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    pthread_mutex_destroy(&log->mutex);
    pthread_mutex_destroy(&log->leases_mutex);
    pthread_cond_destroy(&log->changed);
    mem_free(log->name);
    mem_free(log);
}

static struct memory_log *new_log(const char *name)
{
    struct memory_log *log = mem_zalloc(1, sizeof *log);
    if (!log) {
        return NULL;
    }
    init_sync(log);
    log->handles = 1;
    if (*name) {
        log->name = mem_dup(name, strlen(name));
        if (!log->name) {
            free_log(log);
            return NULL;
        }
    }
    return log;
}

static struct memory_log *find_log_locked(const char *name)
{
    for (struct memory_log *log = registry; log; log = log->next) {
        if (strcmp(log->name, name) == 0) {
            log->handles++;
            return log;
        }
    }
    return NULL;
}

static int get_log(const char *name, const struct tl_storage_options *options, struct memory_log **out, struct tl_err *err)
{
    pthread_mutex_lock(&registry_mutex);
    struct memory_log *log = *name ? find_log_locked(name) : NULL;
    int rc = TL_OK;
    if (!log && *name && (options->must_exist || options->read_only)) {
        rc = err_set(err, TL_ENOTFOUND, "there is no journal 'memory://%s' in this process", name);
    } else if (!log) {
        log = new_log(name);
        rc = log ? TL_OK : err_nomem(err);
        if (log && log->name) {
            log->next = registry;
            registry = log;
        }
    }
    pthread_mutex_unlock(&registry_mutex);
    if (rc == TL_OK) {
        *out = log;
    }
    return rc;
}

static void put_log(struct memory_log *log)
{
    pthread_mutex_lock(&registry_mutex);
    bool last = --log->handles == 0;
    if (last && log->name) {
        struct memory_log **p = &registry;
        while (*p != log) {
            p = &(*p)->next;
        }
        *p = log->next;
    }
    pthread_mutex_unlock(&registry_mutex);
    if (last) {
        free_log(log);
    }
}

/* ---- reading ---- */

/* The next run of bytes that the handle has not seen. */
static size_t next_run(struct memory *m, const char **bytes)
{
    size_t n = 0;
    pthread_mutex_lock(&m->log->mutex);
    if (!m->at) {
        m->at = m->log->first;
        m->done = 0;
    }
    while (m->at && m->done == m->at->used && m->at->next) {
        m->at = m->at->next;
        m->done = 0;
    }
    if (m->at) {
        *bytes = m->at->bytes + m->done;
        n = m->at->used - m->done;
    }
    pthread_mutex_unlock(&m->log->mutex);
    return n;
}

static int deliver_news(struct memory *m, const struct deliver *d, struct tl_err *err)
{
    const char *bytes;
    size_t n;
    while ((n = next_run(m, &bytes)) > 0) {
        int rc = d->lines(d->ctx, bytes, n, (int64_t)m->offset, err);
        if (rc != TL_OK) {
            return rc;
        }
        m->done += n;
        m->offset += n;
    }
    return TL_OK;
}

static int memory_read(struct backend *b, const struct deliver *d, struct tl_err *err)
{
    struct memory *m = memory_of(b);
    pthread_mutex_lock(&m->guard);
    int rc = deliver_news(m, d, err);
    pthread_mutex_unlock(&m->guard);
    return rc;
}

static void memory_restart(struct backend *b)
{
    struct memory *m = memory_of(b);
    pthread_mutex_lock(&m->guard);
    m->at = NULL;
    m->done = 0;
    m->offset = 0;
    pthread_mutex_unlock(&m->guard);
}

/* Waits for the condition variable, at most until `deadline_ns` and at most a slice. */
static void wait_slice_locked(struct memory_log *log, int64_t deadline_ns)
{
    int64_t left = deadline_ns - os->monotonic_ns();
    (void)cond_wait_for(&log->changed, &log->mutex, left < SLICE_NS ? left : SLICE_NS);
}

static int64_t deadline_after(int64_t timeout_ms)
{
    int64_t now = os->monotonic_ns();
    return timeout_ms < 0 || timeout_ms >= (INT64_MAX - now) / MS ? INT64_MAX : now + timeout_ms * MS;
}

static int memory_wait(struct backend *b, int64_t timeout_ms, struct tl_err *err)
{
    struct memory *m = memory_of(b);
    int64_t deadline = deadline_after(timeout_ms);
    const char *bytes;
    (void)err;
    for (;;) {
        pthread_mutex_lock(&m->guard);
        bool news = next_run(m, &bytes) > 0;
        pthread_mutex_unlock(&m->guard);
        if (news || os->monotonic_ns() >= deadline) {
            return news;
        }
        pthread_mutex_lock(&m->log->mutex);
        wait_slice_locked(m->log, deadline);
        pthread_mutex_unlock(&m->log->mutex);
    }
}

/* ---- appending ---- */

/* Waits for the writer's place, first come first served. */
static int take_turn(struct memory *m, const struct append *a, struct tl_err *err)
{
    struct memory_log *log = m->log;
    int64_t start = os->monotonic_ns(), deadline = deadline_after(a->timeout_ms);
    int rc = TL_OK;
    pthread_mutex_lock(&log->mutex);
    while (rc == TL_OK && log->writing) {
        if (a->cancelled) {
            pthread_mutex_unlock(&log->mutex);
            bool stop = a->cancelled(a->ctx);
            pthread_mutex_lock(&log->mutex);
            if (stop) {
                rc = err_set(err, TL_ECANCELLED, "cancelled while waiting for another writer");
                break;
            }
        }
        int64_t now = os->monotonic_ns();
        if (log->writing && now >= deadline) {
            rc = err_set(err, TL_ELOCKED, "another writer kept the journal for %.1f s", (double)(now - start) / 1e9);
        } else if (log->writing) {
            wait_slice_locked(log, deadline);
        }
    }
    if (rc == TL_OK) {
        log->writing = true;
    }
    pthread_mutex_unlock(&log->mutex);
    return rc;
}

static void end_turn(struct memory *m)
{
    pthread_mutex_lock(&m->log->mutex);
    m->log->writing = false;
    pthread_cond_broadcast(&m->log->changed);
    pthread_mutex_unlock(&m->log->mutex);
}

/* Copies the lines behind the log's end and moves the position, which stands there, over them. */
static int add_lines(struct memory *m, struct tl_err *err)
{
    struct memory_log *log = m->log;
    size_t n = m->out.len;
    struct chunk *c = log->last;
    if (!c || c->size - c->used < n) {
        size_t size = n > CHUNK ? n : CHUNK;
        c = mem_alloc(sizeof *c + size);
        if (!c) {
            return err_nomem(err);
        }
        *c = (struct chunk){.size = size};
    }
    memcpy(c->bytes + c->used, m->out.data, n);
    pthread_mutex_lock(&log->mutex);
    if (c != log->last) {
        *(log->last ? &log->last->next : &log->first) = c;
        log->last = c;
    }
    c->used += n;
    m->at = c;
    m->done = c->used;
    m->offset += n;
    pthread_mutex_unlock(&log->mutex);
    return TL_OK;
}

static int write_in_turn(struct memory *m, struct append *a, struct tl_err *err)
{
    int rc = deliver_news(m, &a->deliver, err);
    if (rc != TL_OK) {
        return rc;
    }
    buf_clear(&m->out);
    rc = a->compose(a->ctx, &m->out, err);
    if (rc == TL_OK && m->out.failed) {
        rc = err_set(err, m->out.failed, "the lines to be written are too long or memory is short");
    }
    if (rc == TL_OK && m->out.len > 0) {
        rc = add_lines(m, err);
        a->outcome = rc == TL_OK ? OUTCOME_DONE : OUTCOME_ERROR;
    } else if (rc == TL_OK) {
        a->outcome = OUTCOME_NOTHING;
    }
    return rc;
}

static int memory_append(struct backend *b, struct append *a, struct tl_err *err)
{
    struct memory *m = memory_of(b);
    a->outcome = OUTCOME_ERROR;
    a->written = 0;
    a->flush_token = 0;
    int64_t start = os->monotonic_ns();
    int rc = m->read_only ? err_set(err, TL_EACCESS, "the journal is open for reading only") : take_turn(m, a, err);
    a->waited_ns = (uint64_t)(os->monotonic_ns() - start);
    if (rc != TL_OK) {
        return rc;
    }
    pthread_mutex_lock(&m->guard);
    rc = write_in_turn(m, a, err);
    pthread_mutex_unlock(&m->guard);
    end_turn(m);
    return rc;
}

/* ---- leases: by the monotonic clock, which all handles share ----
 * One look never condemns, as on a file: a process that was stopped comes back with all its workers late, and whoever looks may run
 * before the threads that renew. */

static struct memory_lease *find_lease_locked(struct memory_log *log, const char *worker)
{
    struct memory_lease *l = log->leases;
    while (l && strcmp(l->worker, worker) != 0) {
        l = l->next;
    }
    return l;
}

static int memory_lease_take(struct backend *b, const char *worker, const struct lease *lease, struct tl_err *err)
{
    struct memory_log *log = memory_of(b)->log;
    size_t n = strlen(worker) + 1;
    pthread_mutex_lock(&log->leases_mutex);
    struct memory_lease *l = find_lease_locked(log, worker);
    if (!l && (l = mem_alloc(sizeof *l + n)) != NULL) {
        memcpy(l->worker, worker, n);
        l->next = log->leases;
        log->leases = l;
    }
    if (l) {
        l->lease = *lease;
        l->late_ns = l->late_renewed_ns = 0;
        l->renewed_ns = os->monotonic_ns();
    }
    pthread_mutex_unlock(&log->leases_mutex);
    return l ? TL_OK : err_nomem(err);
}

static int memory_lease_renew(struct backend *b, const char *worker, struct tl_err *err)
{
    struct memory_log *log = memory_of(b)->log;
    (void)err;
    pthread_mutex_lock(&log->leases_mutex);
    struct memory_lease *l = find_lease_locked(log, worker);
    if (l) {
        l->renewed_ns = os->monotonic_ns();
    }
    pthread_mutex_unlock(&log->leases_mutex);
    return l != NULL;
}

static int memory_lease_now(struct backend *b, enum lease_clock what_for, int64_t *now, struct tl_err *err)
{
    struct memory *m = memory_of(b);
    struct memory_log *log = m->log;
    int rc = 1;
    (void)err;
    pthread_mutex_lock(&log->leases_mutex);
    if (what_for == LEASE_CLOCK_IN_TURN) {
        bool asked = m->lease_asked != 0 && m->lease_asked != log->lease_asked;
        m->lease_asked = asked ? log->lease_asked : ++log->lease_asked;
        rc = !asked;
    }
    pthread_mutex_unlock(&log->leases_mutex);
    if (rc) {
        *now = os->monotonic_ns();
    }
    return rc;
}

/* LOST: too old, and seen as late with the same time longer ago than a renewal takes. */
static enum lease_state judge_lease(struct memory_lease *l, int64_t now, bool judge)
{
    int64_t length = l->lease.length_ms * MS, age = now - l->renewed_ns;
    if (age <= length / 2) {
        return LEASE_ALIVE;
    }
    if (judge && (l->late_ns == 0 || l->late_renewed_ns != l->renewed_ns)) {
        l->late_ns = now;
        l->late_renewed_ns = l->renewed_ns;
    }
    return judge && age > length && now - l->late_ns >= length / 5 * 2 ? LEASE_LOST : LEASE_LATE;
}

static int memory_lease_look(struct backend *b, const char *worker, int64_t now, bool judge, struct lease_seen *out,
                             struct tl_err *err)
{
    struct memory_log *log = memory_of(b)->log;
    (void)err;
    pthread_mutex_lock(&log->leases_mutex);
    struct memory_lease *l = find_lease_locked(log, worker);
    *out = (struct lease_seen){.state = LEASE_NONE};
    if (l) {
        *out = (struct lease_seen){judge_lease(l, now, judge), l->lease, (now - l->renewed_ns) / MS};
    }
    pthread_mutex_unlock(&log->leases_mutex);
    return TL_OK;
}

static int memory_lease_drop(struct backend *b, const char *worker, struct tl_err *err)
{
    struct memory_log *log = memory_of(b)->log;
    (void)err;
    pthread_mutex_lock(&log->leases_mutex);
    for (struct memory_lease **p = &log->leases; *p; p = &(*p)->next) {
        if (strcmp((*p)->worker, worker) == 0) {
            struct memory_lease *gone = *p;
            *p = gone->next;
            mem_free(gone);
            break;
        }
    }
    pthread_mutex_unlock(&log->leases_mutex);
    return TL_OK;
}

/* `each` runs under the mutex: it must not come back here. */
static int memory_lease_each(struct backend *b, int (*each)(void *ctx, const char *worker), void *ctx, struct tl_err *err)
{
    struct memory_log *log = memory_of(b)->log;
    int rc = 0;
    (void)err;
    pthread_mutex_lock(&log->leases_mutex);
    for (const struct memory_lease *l = log->leases; l && rc == 0; l = l->next) {
        rc = each(ctx, l->worker);
    }
    pthread_mutex_unlock(&log->leases_mutex);
    return rc;
}

static const struct lease_ops memory_leases = {
    .take = memory_lease_take,
    .renew = memory_lease_renew,
    .now = memory_lease_now,
    .look = memory_lease_look,
    .drop = memory_lease_drop,
    .each = memory_lease_each,
};

/* ---- the rest ---- */

static void memory_close(struct backend *b)
{
    struct memory *m = memory_of(b);
    put_log(m->log);
    pthread_mutex_destroy(&m->guard);
    buf_release(&m->out);
    mem_free(m);
}

/* The child has a copy of the log, its own from now on. */
static void memory_forked(struct backend *b)
{
    struct memory *m = memory_of(b);
    pthread_mutex_init(&m->guard, NULL);
    init_sync(m->log);
    m->log->writing = false;
    free_leases(m->log); /* those of the parent's workers, whom nobody can judge from here */
}

static void memory_describe(struct backend *b, struct buf *out)
{
    const struct memory *m = memory_of(b);
    buf_add_text(out, m->log->name ? "shared inside this process" : "of this handle");
}

static const struct backend_ops memory_ops = {
    .size = sizeof(struct backend_ops),
    .name = "memory",
    .close = memory_close,
    .read = memory_read,
    .append = memory_append,
    .wait = memory_wait,
    .restart = memory_restart,
    .forked = memory_forked,
    .describe = memory_describe,
    .leases = &memory_leases,
};

int memory_open(const char *name, const struct tl_storage_options *options, struct backend **out, struct tl_err *err)
{
    struct memory *m = mem_zalloc(1, sizeof *m);
    if (!m) {
        return err_nomem(err);
    }
    int rc = get_log(name, options, &m->log, err);
    if (rc != TL_OK) {
        mem_free(m);
        return rc;
    }
    m->base.ops = &memory_ops;
    m->read_only = options->read_only;
    m->out = (struct buf)BUF_INIT(OUT_MAX);
    pthread_mutex_init(&m->guard, NULL);
    *out = &m->base;
    return TL_OK;
}
