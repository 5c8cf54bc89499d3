/* SPDX-License-Identifier: MIT
 *
 * Reading a journal file: no lock, whole lines only.
 *
 * Happy path: one stat says that there is more; it is read in slices, each slice goes to the caller up to its last newline. A slice
 * is looked at here only from its end back to that newline. Failure: the file was replaced, became shorter, or does not hold what
 * stood before the position any more (a restored backup): the caller is told to start again, and everything comes from byte 0.
 * Invariants: the position is the start of a line; it moves over what was delivered and nothing else; bytes behind the last newline
 * are left for later.
 */
#include "journal/file.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

#define MS INT64_C(1000000)

int64_t file_pread_all(int fd, void *bytes, size_t n, uint64_t offset)
{
    char *p = bytes;
    size_t done = 0;
    while (done < n) {
        int64_t got = os->pread(fd, p + done, n - done, offset + done);
        if (got < 0) {
            return got;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (int64_t)done;
}

void file_advance(struct file *f, const char *bytes, size_t n)
{
    f->offset += n;
    if (n >= FILE_TAIL) {
        memcpy(f->tail, bytes + n - FILE_TAIL, FILE_TAIL);
        f->n_tail = FILE_TAIL;
        return;
    }
    size_t keep = f->n_tail + n > FILE_TAIL ? FILE_TAIL - n : f->n_tail;
    memmove(f->tail, f->tail + f->n_tail - keep, keep);
    memcpy(f->tail + keep, bytes, n);
    f->n_tail = keep + n;
}

/* ---- where we are ---- */

/* Nothing changes when the caller cannot start again. */
static int rewind_to_start(struct file *f, const struct deliver *d, const char *why, struct tl_err *err)
{
    int rc = d->rewind(d->ctx, why, err);
    if (rc == TL_OK) {
        f->offset = 0;
        f->n_tail = 0;
    }
    return rc;
}

int file_settle_position(struct file *f, const struct os_stat *now, const struct deliver *d, struct tl_err *err)
{
    const char *why = NULL;
    if (f->known && (now->dev != f->dev || now->ino != f->ino)) {
        why = "the journal file was replaced by another one";
    } else if (now->size < f->offset) {
        why = "the journal file became shorter";
    }
    int rc = why ? rewind_to_start(f, d, why, err) : TL_OK;
    if (rc == TL_OK) {
        f->dev = now->dev;
        f->ino = now->ino;
        f->known = true;
    }
    return rc;
}

static void close_to_read(struct file *f)
{
    f->looked_ns = 0;
    if (f->read_fd >= 0) {
        (void)os->close(f->read_fd);
        f->read_fd = -1;
    }
}

/* Looking up a path costs several times what a look at an open file does, so it is left out for a moment while nothing happens: a file that
 * is replaced, moved or removed shows it in its own change time or link count. Those times have a grain, so a change just before the
 * look does not count as old; and who moves a folder or turns a symbolic link is noticed LOOK_LASTS_NS later. */
#define LOOK_LASTS_NS (50 * MS)
#define GRAIN_NS (20 * MS)

static bool seen_a_moment_ago(struct file *f, struct os_stat *now)
{
    return f->looked_ns != 0 && os->monotonic_ns() - f->looked_ns < LOOK_LASTS_NS && os->fstat(f->read_fd, now) == 0 &&
           now->nlink == 1 && now->changed_ns == f->looked_changed_ns;
}

static void note_look(struct file *f, const struct os_stat *now)
{
    f->looked_changed_ns = now->changed_ns;
    f->looked_ns = os->realtime_us() * 1000 - now->changed_ns > GRAIN_NS ? os->monotonic_ns() : 0;
}

int file_open_to_read(struct file *f, struct os_stat *now, struct tl_err *err)
{
    int rc;
    if (!f->network && f->read_fd >= 0) {
        if (seen_a_moment_ago(f, now)) {
            return TL_OK;
        }
        rc = os->stat(f->path, true, now);
        if (rc == 0 && now->dev == f->read_dev && now->ino == f->read_ino) {
            note_look(f, now);
            return TL_OK;
        }
        f->looked_ns = 0;
        if (rc < 0 && rc != -ENOENT) {
            return err_sys(err, -rc, "cannot look at journal '%s'", f->path);
        }
    }
    /* A network file system promises what others wrote only to a file that is opened afresh. */
    close_to_read(f);
    int fd = os->open(f->path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0) {
        rc = err_sys(err, -fd, "cannot open journal '%s'", f->path);
        if (fd == -ENOENT && f->known) {
            return err_set(err, TL_EUNAVAILABLE, "journal '%s' has vanished", f->path);
        }
        return rc;
    }
    rc = os->fstat(fd, now);
    if (rc < 0) {
        (void)os->close(fd);
        return err_sys(err, -rc, "cannot look at journal '%s'", f->path);
    }
    rc = file_check_kind(f, now, false, err);
    if (rc != TL_OK) {
        (void)os->close(fd);
        return rc;
    }
    f->read_fd = fd;
    f->read_dev = now->dev;
    f->read_ino = now->ino;
    return TL_OK;
}

/* ---- news ---- */

/* The slice has FILE_TAIL bytes of room before it, for what stands before the position. */
static int make_room(struct file *f, size_t want, struct tl_err *err)
{
    if (want <= f->slice_cap) {
        return TL_OK;
    }
    size_t cap = f->slice_cap ? f->slice_cap : FILE_SLICE;
    while (cap < want) {
        cap *= 2;
    }
    if (cap > FILE_LINE_MAX) {
        return err_set(err, TL_ELIMIT, "a line of journal '%s' at byte %llu is longer than %zu bytes", f->path,
                       (unsigned long long)f->offset, FILE_LINE_MAX);
    }
    char *more = mem_resize(f->slice ? f->slice - FILE_TAIL : NULL, FILE_TAIL + cap);
    if (!more) {
        return err_nomem(err);
    }
    f->slice = more + FILE_TAIL;
    f->slice_cap = cap;
    return TL_OK;
}

/* A buffer that one huge line made large is given back. */
static void shrink(struct file *f)
{
    if (f->slice_cap > 4 * FILE_SLICE) {
        mem_free(f->slice - FILE_TAIL);
        f->slice = NULL;
        f->slice_cap = 0;
    }
}

/* Hands over the whole lines in the first n bytes of the slice, of which the first `seen` hold no newline; moves the rest to the
 * front and returns its length, or a code. */
static int64_t deliver_slice(struct file *f, size_t seen, size_t n, const struct deliver *d, struct tl_err *err)
{
    const char *newline = memrchr(f->slice + seen, '\n', n - seen);
    if (!newline) {
        return (int64_t)n;
    }
    size_t whole = (size_t)(newline + 1 - f->slice);
    int rc = d->lines(d->ctx, f->slice, whole, (int64_t)f->offset, err);
    if (rc != TL_OK) {
        return rc;
    }
    file_advance(f, f->slice, whole);
    memmove(f->slice, f->slice + whole, n - whole);
    return (int64_t)(n - whole);
}

/* Reads the first slice together with the bytes before the position, which must be what they were. 1: they are; 0: the log was
 * rewound. *n: bytes in the slice. */
static int read_first(struct file *f, int fd, uint64_t end, size_t *n, struct tl_err *err)
{
    uint64_t left = end - f->offset;
    size_t want = left < f->slice_cap ? (size_t)left : f->slice_cap;
    char *to = f->slice - f->n_tail;
    int64_t got = os->pread(fd, to, f->n_tail + want, f->offset - f->n_tail);
    if (got < 0) {
        return err_sys(err, (int)-got, "cannot read journal '%s'", f->path);
    }
    if ((size_t)got < f->n_tail || memcmp(to, f->tail, f->n_tail) != 0) {
        return 0;
    }
    *n = (size_t)got - f->n_tail;
    return 1;
}

int file_read_news(struct file *f, int fd, uint64_t end, const struct deliver *d, struct tl_err *err)
{
    size_t have = 0, n = 0;
    if (end <= f->offset) {
        return TL_OK;
    }
    int rc = make_room(f, FILE_SLICE, err);
    if (rc != TL_OK) {
        return rc;
    }
    rc = read_first(f, fd, end, &n, err);
    if (rc == 0) {
        rc = rewind_to_start(f, d, "the journal file does not hold what it held before", err);
        if (rc == TL_OK) {
            rc = read_first(f, fd, end, &n, err);
        }
    }
    if (rc < 0) {
        return rc;
    }
    while (n > 0) {
        int64_t rest = deliver_slice(f, have, have + n, d, err);
        if (rest < 0) {
            return (int)rest;
        }
        have = (size_t)rest;
        uint64_t at = f->offset + have;
        if (at >= end) {
            break;
        }
        rc = make_room(f, have + 1, err);
        if (rc != TL_OK) {
            return rc;
        }
        size_t want = f->slice_cap - have;
        int64_t got = os->pread(fd, f->slice + have, end - at < want ? (size_t)(end - at) : want, at);
        if (got < 0) {
            return err_sys(err, (int)-got, "cannot read journal '%s'", f->path);
        }
        n = (size_t)got;
        if (atomic_load_explicit(&f->lock.owner.held, memory_order_relaxed)) {
            owner_beat(&f->lock.owner);
        }
    }
    shrink(f);
    return TL_OK;
}

int file_read(struct backend *b, const struct deliver *d, struct tl_err *err)
{
    struct file *f = file_of(b);
    struct os_stat now;
    pthread_mutex_lock(&f->guard);
    int rc = flush_is_fenced(&f->flush) ? flush_poisoned(&f->flush, err) : file_open_to_read(f, &now, err);
    if (rc == TL_OK) {
        rc = file_settle_position(f, &now, d, err);
    }
    if (rc == TL_OK) {
        rc = file_read_news(f, f->read_fd, now.size, d, err);
    }
    if (rc == TL_OK) {
        f->seen_size = now.size;
    }
    pthread_mutex_unlock(&f->guard);
    return rc;
}

void file_restart(struct backend *b)
{
    struct file *f = file_of(b);
    pthread_mutex_lock(&f->guard);
    f->offset = 0;
    f->n_tail = 0;
    f->seen_size = 0;
    pthread_mutex_unlock(&f->guard);
}

/* Is there anything that a read would deliver or notice? */
static int has_news(struct file *f, struct tl_err *err)
{
    struct os_stat now;
    pthread_mutex_lock(&f->guard);
    int rc = flush_is_fenced(&f->flush) ? flush_poisoned(&f->flush, err) : file_open_to_read(f, &now, err);
    if (rc == TL_OK) {
        rc = !f->known || now.dev != f->dev || now.ino != f->ino || now.size != f->seen_size;
    }
    pthread_mutex_unlock(&f->guard);
    return rc;
}

int file_wait(struct backend *b, int64_t timeout_ms, struct tl_err *err)
{
    struct file *f = file_of(b);
    int64_t start = os->monotonic_ns(), pause = MS / 2, most = f->network ? 500 * MS : 20 * MS;
    for (;;) {
        int rc = has_news(f, err);
        int64_t gone = os->monotonic_ns() - start;
        if (rc != 0 || (timeout_ms >= 0 && gone / MS >= timeout_ms)) {
            return rc;
        }
        if (f->cancelled && f->cancelled(f->cancelled_ctx)) {
            return err_set(err, TL_ECANCELLED, "cancelled while waiting for news");
        }
        int64_t left = timeout_ms < 0 || timeout_ms > INT64_MAX / MS ? pause : timeout_ms * MS - gone;
        os->sleep_ns(pause < left ? pause : left);
        pause = pause * 2 > most ? most : pause * 2;
    }
}
