/* SPDX-License-Identifier: MIT
 *
 * Appending to a journal file that other processes append to as well.
 *
 * Happy path: take the locks, see by one stat that nothing has changed (or deliver what others wrote), let the caller compose
 * its lines, write them in one piece, give the locks back. Flushing comes after that, in file_flush.c; on a network file system
 * the journal is opened again under the lock, written through, read back and closed, so that the lock's order is the server's.
 * Failure: a torn tail left by a writer that died is healed first (file_heal.c). A write that ends early keeps whole lines
 * of ours and cuts the rest. When the lock was lost in the middle, the bytes at the place where ours should be tell whether
 * they landed there; if not, the outcome is unknown and the log decides.
 * Invariants: bytes are only cut behind the last newline, under the locks, and only our own or rubbish that was saved; the
 * position moves over our lines exactly when they are known to stand at it.
 */
#include "journal/file.h"

#include "base/err.h"
#include "base/log.h"
#include "journal/file_heal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define REPLACED_TRIES 100
#define SALVAGE_NAMES 10
#define CLEAN_BYTES 65536u /* whoever makes the journal longer by such a piece looks for what dead processes left beside it */

static bool is_full(int sys)
{
    return sys == ENOSPC || sys == EDQUOT || sys == EFBIG;
}

/* ---- in and out of the critical section ---- */

static void leave(struct file *f)
{
    (void)file_lock_release_owner(&f->lock);
    if (f->write_fd >= 0 && (f->network || !file_lock_release_kernel(&f->lock, f->write_fd))) {
        (void)file_close_write(f);
    }
}

/* On a network file system only a descriptor opened under the lock sees what others wrote, and only the one that holds the kernel lock
 * is fenced by the server: so a fresh one takes the lock over. */
static int open_afresh(struct file *f, struct tl_err *err)
{
    int fd;
    struct os_stat s;
    int rc = file_open_to_write(f, false, &fd, &s, err);
    if (rc != TL_OK) {
        return rc;
    }
    rc = file_lock_move(&f->lock, f->write_fd, fd, err);
    int first = f->write_fd;
    f->write_fd = fd;
    f->write_stat = s;
    flush_use(&f->flush, fd);
    (void)os->close(first);
    return rc;
}

static int enter(struct file *f, struct lock_wait *w, struct tl_err *err)
{
    if (f->write_fd < 0) {
        int rc = file_open_to_write(f, false, &f->write_fd, &f->write_stat, err);
        if (rc != TL_OK) {
            return rc;
        }
        flush_use(&f->flush, f->write_fd);
        if (!f->network) {
            peers_use(&f->peers, f->write_stat.dev, f->write_stat.ino);
        }
    }
    int rc = file_lock_acquire(&f->lock, f->write_fd, w, err);
    if (rc == TL_OK && f->lock.with_owner) {
        (void)keeper_poke(&f->keeper); /* without a thread, a hold of seconds may be robbed: then the outcome shows it */
    }
    if (rc == TL_OK && f->network) {
        rc = open_afresh(f, err);
    }
    if (rc != TL_OK) {
        leave(f);
    }
    return rc;
}

/* ---- the torn tail ---- */

/* Feeds the bytes behind the last newline to the state machine. */
static int look_at_tail(struct file *f, uint64_t size, struct heal *h, struct tl_err *err)
{
    char piece[4096];
    for (uint64_t at = f->offset; at < size;) {
        size_t want = size - at < sizeof piece ? (size_t)(size - at) : sizeof piece;
        int64_t got = os->pread(f->write_fd, piece, want, at);
        if (got < 0) {
            return err_sys(err, (int)-got, "cannot read journal '%s'", f->path);
        }
        if (got == 0) {
            return err_set(err, TL_EUNAVAILABLE, "journal '%s' became shorter while it was locked", f->path);
        }
        heal_feed(h, piece, (size_t)got);
        at += (uint64_t)got;
    }
    return TL_OK;
}

/* Cuts the file back to `size` if nobody but us can have written behind it. */
static int cut_back(struct file *f, uint64_t from, uint64_t size)
{
    struct os_stat now;
    int rc = os->fstat(f->write_fd, &now);
    if (rc == 0 && (now.size != from || !file_lock_still_ours(&f->lock))) {
        rc = -EBUSY;
    }
    return rc == 0 && from > size ? os->truncate(f->write_fd, size) : rc;
}

static int append_completion(struct file *f, uint64_t size, const struct buf *add, struct tl_err *err)
{
    int64_t put = os->write(f->write_fd, add->data, add->len);
    if (put == (int64_t)add->len) {
        return TL_OK;
    }
    int sys = put < 0 ? (int)-put : ENOSPC;
    (void)cut_back(f, size + (uint64_t)(put < 0 ? 0 : put), size); /* what stays is a torn tail again */
    return err_sys(err, sys, "cannot complete the torn last line of journal '%s'", f->path);
}

static int copy_tail(struct file *f, int to, uint64_t size, struct tl_err *err)
{
    char piece[4096];
    for (uint64_t at = f->offset; at < size;) {
        size_t want = size - at < sizeof piece ? (size_t)(size - at) : sizeof piece;
        int64_t got = os->pread(f->write_fd, piece, want, at);
        if (got <= 0) {
            return err_sys(err, got < 0 ? (int)-got : EIO, "cannot read journal '%s'", f->path);
        }
        int64_t put = os->write(to, piece, (size_t)got);
        if (put != got) {
            return err_sys(err, put < 0 ? (int)-put : ENOSPC, "cannot save the rubbish at the end of journal '%s'", f->path);
        }
        at += (uint64_t)got;
    }
    int rc = os->sync(to, false);
    return rc == 0 ? TL_OK : err_sys(err, -rc, "cannot save the rubbish at the end of journal '%s'", f->path);
}

/* Saves the tail as JOURNAL.salvage-OFFSET, then cuts it off. */
static int salvage(struct file *f, uint64_t size, struct tl_err *err)
{
    struct buf name = BUF_INIT(16384);
    int fd = -EEXIST, rc;
    for (int i = 0; i < SALVAGE_NAMES && fd == -EEXIST; i++) {
        buf_clear(&name);
        buf_printf(&name, "%s.salvage-%llu", f->path, (unsigned long long)f->offset);
        if (i > 0) {
            buf_printf(&name, "-%d", i);
        }
        if (!buf_cstr(&name)) {
            buf_release(&name);
            return err_nomem(err);
        }
        fd = os->open(name.data, O_WRONLY | O_CREAT | O_EXCL, 0666);
    }
    if (fd < 0) {
        rc = err_sys(err, -fd, "cannot save the rubbish at the end of journal '%s' as '%s'", f->path, name.data);
        buf_release(&name);
        return rc;
    }
    rc = copy_tail(f, fd, size, err);
    (void)os->close(fd);
    if (rc == TL_OK) {
        int sys = cut_back(f, size, f->offset);
        rc = sys == 0 ? TL_OK : err_sys(err, -sys, "cannot cut the rubbish at the end of journal '%s'", f->path);
    }
    if (rc == TL_OK) {
        log_emit(f->log, LOG_TAIL_HEALED, "%llu bytes of rubbish at byte %llu of '%s' were moved to '%s'",
                 (unsigned long long)(size - f->offset), (unsigned long long)f->offset, f->path, name.data);
    } else {
        (void)os->unlink(name.data);
    }
    buf_release(&name);
    return rc;
}

/* Makes the file end in a newline and delivers what that made a line. */
static int heal_tail(struct file *f, uint64_t size, const struct deliver *d, struct tl_err *err)
{
    struct heal h = {0};
    int rc = look_at_tail(f, size, &h, err);
    if (rc != TL_OK) {
        return rc;
    }
    buf_clear(&f->out);
    enum heal_verdict how = heal_end(&h, &f->out);
    if (f->out.failed) {
        return err_nomem(err);
    }
    if (how == HEAL_RUBBISH) {
        return salvage(f, size, err);
    }
    rc = append_completion(f, size, &f->out, err);
    if (rc != TL_OK) {
        return rc;
    }
    log_emit(f->log, LOG_TAIL_HEALED, "the torn last line at byte %llu of '%s' %s", (unsigned long long)f->offset, f->path,
             how == HEAL_NEWLINE ? "got its newline" : "was completed into an operation that changes nothing");
    return file_read_news(f, f->write_fd, size + f->out.len, d, err);
}

/* ---- the write ---- */

/* Do the bytes of `out` stand at the position? */
static bool landed_there(struct file *f)
{
    char piece[4096];
    for (size_t at = 0; at < f->out.len;) {
        size_t want = f->out.len - at < sizeof piece ? f->out.len - at : sizeof piece;
        int64_t got = file_pread_all(f->write_fd, piece, want, f->offset + at);
        if (got != (int64_t)want || memcmp(piece, f->out.data + at, want) != 0) {
            return false;
        }
        at += want;
    }
    return true;
}

static int unknown(struct file *f, struct append *a, int sys, struct tl_err *err)
{
    a->outcome = OUTCOME_UNKNOWN;
    if (sys != 0) {
        flush_fence(&f->flush, sys);
        err_sys(err, sys, "writing to '%s' failed, and it is not known whether the operation is in it", f->path);
    } else {
        a->flush_token = flush_wrote(&f->flush); /* if the log shows that it landed, it has to be flushed like anything else */
        err_set(err, TL_EUNKNOWN, "the lock of '%s' was lost while writing", f->path);
    }
    if (err) {
        err->code = TL_EUNKNOWN;
    }
    return TL_EUNKNOWN;
}

/* Our lines [0, n) of `out` stand at the position. */
static void landed(struct file *f, struct append *a, size_t n)
{
    uint64_t piece = f->offset / CLEAN_BYTES;
    file_advance(f, f->out.data, n);
    f->seen_size = f->offset;
    if (f->offset / CLEAN_BYTES != piece) {
        owner_grew(&f->lock.owner);
    }
    a->flush_token = flush_wrote(&f->flush);
    if (f->flush.durability == TL_DURABILITY_RELAXED && !keeper_poke(&f->keeper)) {
        (void)flush_when_due(&f->flush);
    }
}

/* The write ended after `put` bytes with `sys`: whole lines stay, the rest of ours is cut off. */
static int write_failed(struct file *f, struct append *a, size_t put, int sys, struct tl_err *err)
{
    size_t whole = 0;
    const char *newline = put ? memrchr(f->out.data, '\n', put) : NULL;
    if (newline) {
        whole = (size_t)(newline + 1 - f->out.data);
    }
    int cut = f->network && !is_full(sys) ? -sys : cut_back(f, f->offset + put, f->offset + whole);
    if (cut < 0) {
        return unknown(f, a, cut == -EBUSY ? 0 : sys, err); /* busy: somebody wrote behind us, so we had lost the lock */
    }
    for (size_t i = 0; i < whole; i++) {
        a->written += f->out.data[i] == '\n';
    }
    if (whole > 0) {
        landed(f, a, whole);
    }
    return err_sys(err, sys, "cannot write to journal '%s'", f->path);
}

static int write_group(struct file *f, struct append *a, struct tl_err *err)
{
    size_t n = f->out.len, put = 0;
    flush_writing(&f->flush);
    while (put < n) {
        int64_t got = os->write(f->write_fd, f->out.data + put, n - put);
        if (got <= 0) {
            return write_failed(f, a, put, got < 0 ? (int)-got : ENOSPC, err);
        }
        put += (size_t)got; /* what comes after a short write is nearly always the reason for it */
    }
    bool certain = false;
    if (f->network) {
        (void)os->fadvise_drop(f->write_fd);
        certain = landed_there(f);
        int rc = file_close_write(f); /* before the lock file goes, or the next host might not see our bytes */
        if (rc < 0) {
            return unknown(f, a, -rc, err);
        }
        if (!certain) {
            return unknown(f, a, 0, err);
        }
    }
    bool kept = file_lock_release_owner(&f->lock);
    if (!kept && !certain && !landed_there(f)) {
        return unknown(f, a, 0, err);
    }
    landed(f, a, n);
    a->outcome = OUTCOME_DONE;
    return TL_OK;
}

/* ---- append ---- */

/* Is the file that is locked still the one that the path names? *now is its state. */
static int look_at_journal(struct file *f, struct os_stat *now, bool *replaced, struct tl_err *err)
{
    int rc = f->network ? os->fstat(f->write_fd, now) : os->stat(f->path, true, now);
    if (rc == -ENOENT) {
        return err_set(err, TL_EUNAVAILABLE, "journal '%s' has vanished", f->path);
    }
    if (rc < 0) {
        return err_sys(err, -rc, "cannot look at journal '%s'", f->path);
    }
    *replaced = now->dev != f->write_stat.dev || now->ino != f->write_stat.ino;
    return *replaced ? TL_OK : file_check_kind(f, now, true, err);
}

/* Everything that happens under the locks; guard held. *again: the file was replaced before we had its lock. */
static int critical_section(struct file *f, struct append *a, bool *again, struct tl_err *err)
{
    struct os_stat now;
    int rc = look_at_journal(f, &now, again, err);
    if (rc != TL_OK || *again) {
        return rc;
    }
    rc = file_settle_position(f, &now, &a->deliver, err);
    if (rc == TL_OK && now.size > f->offset) {
        rc = file_read_news(f, f->write_fd, now.size, &a->deliver, err);
    }
    if (rc == TL_OK && now.size > f->offset) {
        rc = heal_tail(f, now.size, &a->deliver, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    buf_clear(&f->out);
    rc = a->compose(a->ctx, &f->out, err);
    if (rc == TL_OK && f->out.failed) {
        rc = err_set(err, f->out.failed, "the lines to be written are too long or memory is short");
    }
    if (rc != TL_OK || f->out.len == 0) {
        a->outcome = rc == TL_OK ? OUTCOME_NOTHING : OUTCOME_ERROR;
        return rc;
    }
    if (!file_lock_still_ours(&f->lock)) {
        a->outcome = OUTCOME_UNKNOWN; /* known in fact: nothing was written, but the decision is void; the caller tries anew */
        return err_set(err, TL_EUNKNOWN, "the lock of '%s' was lost before writing", f->path);
    }
    return write_group(f, a, err);
}

int file_append(struct backend *b, struct append *a, struct tl_err *err)
{
    struct file *f = file_of(b);
    a->outcome = OUTCOME_ERROR;
    a->written = 0;
    a->waited_ns = 0;
    if (flush_is_fenced(&f->flush)) {
        return flush_poisoned(&f->flush, err);
    }
    if (f->read_only) {
        return err_set(err, TL_EACCESS, "journal '%s' is open for reading only", f->path);
    }
    struct lock_wait w = lock_wait_begin(a->timeout_ms, a->cancelled, a->ctx);
    bool again = false;
    int rc = TL_OK;
    for (int tries = 0; tries < REPLACED_TRIES; tries++) {
        int64_t start = os->monotonic_ns();
        rc = enter(f, &w, err);
        a->waited_ns += (uint64_t)(os->monotonic_ns() - start);
        if (rc != TL_OK) {
            return rc;
        }
        pthread_mutex_lock(&f->guard);
        rc = critical_section(f, a, &again, err);
        pthread_mutex_unlock(&f->guard);
        leave(f);
        if (!again) {
            break;
        }
        (void)file_close_write(f);
    }
    if (again) {
        rc = err_set(err, TL_EUNAVAILABLE, "journal '%s' is replaced again and again", f->path);
    }
    if (f->lock.owner.clean_due) {
        owner_clean(&f->lock.owner);
    }
    return rc;
}
