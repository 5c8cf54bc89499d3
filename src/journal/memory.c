/* SPDX-License-Identifier: MIT
 *
 * The reference backend: lines in this process. "memory://" belongs to one handle, "memory://NAME" is shared by all handles of the
 * process that name it, and ends with the last of them.
 *
 * Lines lie in one growing block behind a mutex, which append holds for the whole call: that is the critical section. Nothing is
 * durable and nothing can be half written. After a fork parent and child go separate ways.
 */
#include "journal/memory.h"

#include <pthread.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"

#define SLICE ((size_t)1 << 20) /* bytes delivered at once, unless a line is longer */

struct journal { /* what handles share */
    struct journal *next; /* in the registry */
    char *name;           /* NULL: nobody else can find it */
    unsigned handles;     /* under registry_lock */
    pthread_mutex_t lock;
    pthread_cond_t grown;
    struct buf lines;
};

struct memory {
    struct backend backend;
    struct journal *journal;
    pthread_mutex_t guard; /* of the position: append and read may come from two threads */
    size_t at;             /* bytes delivered */
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct journal *registry;

static void journal_free(struct journal *j)
{
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->grown);
    buf_release(&j->lines);
    mem_free(j->name);
    mem_free(j);
}

static struct journal *journal_new(const char *name)
{
    struct journal *j = mem_zalloc(1, sizeof *j);
    if (!j)
        return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->grown, &attr);
    pthread_condattr_destroy(&attr);
    j->lines = (struct buf)BUF_INIT(SIZE_MAX / 4);
    j->handles = 1;
    if (*name && !(j->name = mem_dup(name, strlen(name)))) {
        journal_free(j);
        return NULL;
    }
    return j;
}

static struct journal *journal_find(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    struct journal *j = *name ? registry : NULL;
    while (j && strcmp(j->name, name) != 0)
        j = j->next;
    if (j) {
        j->handles++;
    } else {
        j = journal_new(name);
        if (j && j->name) {
            j->next = registry;
            registry = j;
        }
    }
    pthread_mutex_unlock(&registry_lock);
    return j;
}

static void journal_drop(struct journal *j)
{
    pthread_mutex_lock(&registry_lock);
    bool last = --j->handles == 0;
    if (last && j->name) {
        struct journal **p = &registry;
        while (*p != j)
            p = &(*p)->next;
        *p = j->next;
    }
    pthread_mutex_unlock(&registry_lock);
    if (last)
        journal_free(j);
}

/* Whole lines from `at`, about a slice. */
static size_t slice(const struct journal *j, size_t at)
{
    size_t n = j->lines.len - at;
    if (n <= SLICE)
        return n;
    const char *end = memrchr(j->lines.data + at, '\n', SLICE);
    if (!end)
        end = memchr(j->lines.data + at + SLICE, '\n', n - SLICE);
    return (size_t)(end - (j->lines.data + at)) + 1;
}

/* Delivers what is new. Guard and journal lock held. */
static int deliver_locked(struct memory *m, const struct deliver *d, struct tl_err *err)
{
    struct journal *j = m->journal;
    while (m->at < j->lines.len) {
        size_t n = slice(j, m->at);
        int rc = d->lines(d->ctx, j->lines.data + m->at, n, (int64_t)m->at, err);
        if (rc != TL_OK)
            return rc;
        m->at += n;
    }
    return TL_OK;
}

static int memory_read(struct backend *b, const struct deliver *d, struct tl_err *err)
{
    struct memory *m = (struct memory *)b;
    pthread_mutex_lock(&m->guard);
    pthread_mutex_lock(&m->journal->lock);
    int rc = deliver_locked(m, d, err);
    pthread_mutex_unlock(&m->journal->lock);
    pthread_mutex_unlock(&m->guard);
    return rc;
}

static int memory_append(struct backend *b, struct append *a, struct tl_err *err)
{
    struct memory *m = (struct memory *)b;
    struct journal *j = m->journal;
    struct buf out = BUF_INIT(SIZE_MAX / 4);
    pthread_mutex_lock(&m->guard);
    pthread_mutex_lock(&j->lock);
    int rc = deliver_locked(m, &a->deliver, err);
    if (rc == TL_OK)
        rc = a->compose(a->ctx, &out, err);
    a->outcome = rc == TL_OK ? OUTCOME_NOTHING : OUTCOME_ERROR;
    a->written = 0;
    if (rc == TL_OK && out.len > 0) {
        rc = buf_reserve(&j->lines, out.len);
        a->outcome = rc == TL_OK ? OUTCOME_DONE : OUTCOME_ERROR;
        if (rc == TL_OK) {
            buf_add(&j->lines, out.data, out.len);
            m->at = j->lines.len;
            pthread_cond_broadcast(&j->grown);
        } else {
            j->lines.failed = 0;
            err_nomem(err);
        }
    }
    pthread_mutex_unlock(&j->lock);
    pthread_mutex_unlock(&m->guard);
    buf_release(&out);
    return rc;
}

static int memory_wait(struct backend *b, int64_t timeout_ms, struct tl_err *err)
{
    struct memory *m = (struct memory *)b;
    (void)err;
    int64_t until = os->monotonic_ns() + timeout_ms * 1000000;
    struct timespec t = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
    pthread_mutex_lock(&m->guard);
    size_t at = m->at;
    pthread_mutex_unlock(&m->guard);
    pthread_mutex_lock(&m->journal->lock);
    int late = 0;
    while (m->journal->lines.len <= at && !late)
        late = timeout_ms < 0 ? pthread_cond_wait(&m->journal->grown, &m->journal->lock)
                              : pthread_cond_timedwait(&m->journal->grown, &m->journal->lock, &t);
    bool news = m->journal->lines.len > at;
    pthread_mutex_unlock(&m->journal->lock);
    return news;
}

static void memory_restart(struct backend *b)
{
    struct memory *m = (struct memory *)b;
    pthread_mutex_lock(&m->guard);
    m->at = 0;
    pthread_mutex_unlock(&m->guard);
}

static void memory_forked(struct backend *b)
{
    struct memory *m = (struct memory *)b;
    pthread_mutex_init(&m->guard, NULL);
    pthread_mutex_init(&m->journal->lock, NULL);
}

static void memory_close(struct backend *b)
{
    struct memory *m = (struct memory *)b;
    journal_drop(m->journal);
    pthread_mutex_destroy(&m->guard);
    mem_free(m);
}

static const struct backend_ops memory_ops = {
    .size = sizeof memory_ops,
    .name = "memory",
    .close = memory_close,
    .read = memory_read,
    .append = memory_append,
    .restart = memory_restart,
    .wait = memory_wait,
    .forked = memory_forked,
};

int memory_open(const char *name, struct backend **out, struct tl_err *err)
{
    struct memory *m = mem_zalloc(1, sizeof *m);
    if (!m)
        return err_nomem(err);
    m->backend.ops = &memory_ops;
    m->journal = journal_find(name);
    if (!m->journal) {
        mem_free(m);
        return err_nomem(err);
    }
    pthread_mutex_init(&m->guard, NULL);
    *out = &m->backend;
    return TL_OK;
}
