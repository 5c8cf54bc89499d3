/* SPDX-License-Identifier: MIT
 *
 * Flushes of a journal file, shared by the threads that wait for them.
 *
 * Happy path: the first thread that finds no flush under way starts one for everything written so far; threads that come
 * meanwhile wait for it and, if their bytes are younger, start the next. Processes share flushes in the same way (file_peers.c). Failure:
 * after a failed flush the kernel may have thrown the bytes away and call the pages clean, so a second flush would lie: it is never tried.
 * The handle is fenced for good, waiting threads get TL_EUNKNOWN, and the cached pages are dropped so that the next reader sees what the
 * disk has. Invariants: flushed <= written; a token is reported durable only if a flush that began after its write succeeded.
 */
#include "journal/file_flush.h"

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"

#define RELAXED_NS INT64_C(950000000)

void flush_init(struct file_flush *f, enum tl_durability durability, bool written_through, const char *path,
                const struct tl_log_sink *log)
{
    *f = (struct file_flush){
        .durability = durability, .written_through = written_through, .path = path, .log = log, .fd = -1};
    atomic_init(&f->fenced, 0);
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->ended, NULL);
}

void flush_release(struct file_flush *f)
{
    pthread_mutex_destroy(&f->mutex);
    pthread_cond_destroy(&f->ended);
}

void flush_forked(struct file_flush *f)
{
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->ended, NULL);
    f->running = false;
    f->fd = -1;
    f->flushed = f->written; /* the parent's business */
}

void flush_fence(struct file_flush *f, int sys)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&f->fenced, &none, sys);
}

int flush_poisoned(const struct file_flush *f, struct tl_err *err)
{
    int sys = atomic_load(&f->fenced);
    err_sys(err, sys, "writing to '%s' failed earlier, so nothing that this handle knows is sure: open the journal again", f->path);
    if (err) {
        err->code = TL_EPOISONED;
    }
    return TL_EPOISONED;
}

/* Flushes everything written so far; called with the mutex held and no flush under way. */
static void run_locked(struct file_flush *f)
{
    uint64_t target = f->written;
    int fd = f->fd;
    struct peers_mark mark = f->mark;
    f->running = true;
    pthread_mutex_unlock(&f->mutex);
    int rc = f->durability == TL_DURABILITY_FULL ? peers_flush(f->peers, &mark, fd) : os->sync(fd, true);
    if (rc < 0) {
        flush_fence(f, -rc);
        (void)os->fadvise_drop(fd);
        if (f->durability != TL_DURABILITY_FULL) { /* else somebody waits for it and gets the error */
            log_emit(f->log, LOG_FLUSH_FAILED, "flushing '%s' failed (errno %d): what was written lately may be lost", f->path,
                     -rc);
        }
    }
    pthread_mutex_lock(&f->mutex);
    f->running = false;
    if (rc == 0 && target > f->flushed) {
        f->flushed = target;
    }
    pthread_cond_broadcast(&f->ended);
}

static void wait_idle_locked(struct file_flush *f)
{
    while (f->running) {
        pthread_cond_wait(&f->ended, &f->mutex);
    }
}

void flush_use(struct file_flush *f, int fd)
{
    pthread_mutex_lock(&f->mutex);
    wait_idle_locked(f);
    if (f->fd >= 0 && f->flushed < f->written && f->durability != TL_DURABILITY_OFF && !flush_is_fenced(f)) {
        run_locked(f);
    }
    f->fd = fd;
    pthread_mutex_unlock(&f->mutex);
}

void flush_writing(struct file_flush *f)
{
    f->writing = peers_before_write(f->peers);
}

uint64_t flush_wrote(struct file_flush *f)
{
    peers_behind_write(f->peers, &f->writing);
    pthread_mutex_lock(&f->mutex);
    f->mark = f->writing;
    uint64_t token = ++f->written;
    if (f->written_through || f->durability == TL_DURABILITY_OFF) {
        f->flushed = token;
    }
    pthread_mutex_unlock(&f->mutex);
    return token;
}

int flush_wait(struct file_flush *f, uint64_t token, struct tl_err *err)
{
    int rc = TL_OK;
    if (f->durability != TL_DURABILITY_FULL) {
        return TL_OK;
    }
    pthread_mutex_lock(&f->mutex);
    while (f->flushed < token && !flush_is_fenced(f)) {
        if (f->running) {
            pthread_cond_wait(&f->ended, &f->mutex);
        } else {
            run_locked(f);
        }
    }
    if (f->flushed < token) {
        int sys = atomic_load(&f->fenced);
        err_sys(err, sys, "flushing '%s' failed after the operation was written", f->path);
        if (err) {
            err->code = TL_EUNKNOWN;
        }
        rc = TL_EUNKNOWN;
    }
    pthread_mutex_unlock(&f->mutex);
    return rc;
}

bool flush_when_due(struct file_flush *f)
{
    if (f->durability != TL_DURABILITY_RELAXED) {
        return false;
    }
    pthread_mutex_lock(&f->mutex);
    int64_t now = os->monotonic_ns();
    if (f->flushed < f->written && f->fd >= 0 && !f->running && !flush_is_fenced(f) && now - f->flushed_ns >= RELAXED_NS) {
        f->flushed_ns = now;
        run_locked(f);
    }
    bool waiting = f->flushed < f->written && !flush_is_fenced(f);
    pthread_mutex_unlock(&f->mutex);
    return waiting;
}
