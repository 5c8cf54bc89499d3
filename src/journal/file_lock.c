/* SPDX-License-Identifier: MIT
 *
 * Waiting for a journal's turn: bounded, cancellable, fair, without threads and signals.
 *
 * The kernel lock is an open-file-description lock on the journal's bytes. Before it stands a gate, one byte far behind them: who
 * finds the journal taken takes the gate first and keeps it until the journal is his, and nobody gets the journal without
 * the gate. So a writer that comes back at once finds the gate shut by the one that waits, and at most one process polls the
 * journal quickly. All waits are tries with short pauses, because a kernel wait could only be ended by a signal.
 *
 * Happy path: one call takes gate and journal together, one frees the gate; then the lock file. Failure: TL_ELOCKED after the time
 * limit, TL_ECANCELLED; nothing is held then. Invariant: the lock file is only touched with the kernel lock held, where there is one.
 */
#include "journal/file_lock.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define ASK_NS (50 * MS)
#define WARN_NS (10 * SECOND)

/* Pauses between tries: a few times giving way to others, then doubling; longer ones when it takes long. */
struct pace {
    unsigned yields; /* left */
    int64_t next_ns, most_ns;
};

struct lock_wait lock_wait_begin(int64_t timeout_ms, bool (*cancelled)(void *ctx), void *ctx)
{
    int64_t now = os->monotonic_ns();
    bool limited = timeout_ms >= 0 && timeout_ms < (INT64_MAX - now) / MS;
    return (struct lock_wait){
        .start_ns = now,
        .deadline_ns = limited ? now + timeout_ms * MS : INT64_MAX,
        .cancelled = cancelled,
        .ctx = ctx,
        .next_ask_ns = now,
        .next_warn_ns = now + WARN_NS,
    };
}

/* One pause. TL_ELOCKED or TL_ECANCELLED when it is time to give up. */
static int pause_a_little(struct file_lock *l, struct lock_wait *w, struct pace *p, struct tl_err *err)
{
    int64_t now = os->monotonic_ns();
    char who[160] = "another process";
    if (w->cancelled && now >= w->next_ask_ns) {
        w->next_ask_ns = now + ASK_NS;
        if (w->cancelled(w->ctx)) {
            return err_set(err, TL_ECANCELLED, "cancelled while waiting for the lock of '%s'", l->path);
        }
    }
    if (now >= w->deadline_ns || now >= w->next_warn_ns) {
        if (l->with_owner) {
            owner_holder(&l->owner, who, sizeof who);
        }
        if (now >= w->deadline_ns) {
            return err_set(err, TL_ELOCKED, "'%s' stayed locked for %.1f s, by %s", l->path,
                           (double)(now - w->start_ns) / (double)SECOND, who);
        }
        w->next_warn_ns = now + WARN_NS;
        log_emit(l->log, LOG_LOCK_WAIT, "waiting for the lock of '%s' for %lld s already; it is held by %s", l->path,
                 (long long)((now - w->start_ns) / SECOND), who);
    }
    if (p->yields > 0) {
        p->yields--;
        os->sleep_ns(0);
        return TL_OK;
    }
    int64_t ns = p->next_ns;
    if (ns > w->deadline_ns - now) {
        ns = w->deadline_ns - now;
    }
    os->sleep_ns(ns > 0 ? ns : 1);
    int64_t most = now - w->start_ns > SECOND ? 5 * p->most_ns : p->most_ns;
    p->next_ns = p->next_ns * 2 > most ? most : p->next_ns * 2;
    return TL_OK;
}

/* Tries until the range is ours. */
static int lock_range(struct file_lock *l, int fd, enum os_range range, struct lock_wait *w, struct pace p, struct tl_err *err)
{
    int rc;
    while ((rc = os->lock(fd, OS_LOCK_TRY, range)) == -EAGAIN) {
        rc = pause_a_little(l, w, &p, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
    return rc == 0 ? TL_OK : err_sys(err, -rc, "cannot lock '%s'", l->path);
}

static int lock_kernel(struct file_lock *l, int fd, struct lock_wait *w, struct tl_err *err)
{
    int rc = os->lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH);
    if (rc == -ENOSYS) {
        l->kernel = false;
        l->owner.proof_ns = 0;
        return l->with_owner ? TL_OK
                             : err_set(err, TL_EUNSUPPORTED, "the file system of '%s' has no locks: lock it with a lock file too",
                                       l->path);
    }
    if (rc < 0 && rc != -EAGAIN) {
        return err_sys(err, -rc, "cannot lock '%s'", l->path);
    }
    if (rc == -EAGAIN) {
        /* Many may wait at the gate, one behind it: that one looks often. */
        struct pace gate = {3, 100 * US, l->network ? 10 * MS : 2 * MS};
        struct pace journal = {10, 50 * US, l->network ? 5 * MS : 1 * MS};
        rc = lock_range(l, fd, OS_RANGE_GATE, w, gate, err);
        if (rc != TL_OK) {
            return rc;
        }
        rc = lock_range(l, fd, OS_RANGE_JOURNAL, w, journal, err);
        if (rc != TL_OK) {
            (void)os->lock(fd, OS_LOCK_RELEASE, OS_RANGE_GATE);
            return rc;
        }
    }
    return TL_OK;
}

static int lock_owner(struct file_lock *l, struct lock_wait *w, struct tl_err *err)
{
    struct owner_watch watch = {0};
    struct pace p = {0, l->network ? 1 * MS : 20 * US, l->network ? 20 * MS : 1 * MS};
    int rc;
    while ((rc = owner_try(&l->owner, &watch, err)) == 0) {
        rc = pause_a_little(l, w, &p, err);
        if (rc != TL_OK) {
            break;
        }
    }
    if (rc < 0) {
        owner_give_back(&l->owner); /* one of two places */
        return rc;
    }
    return TL_OK;
}

int file_lock_acquire(struct file_lock *l, int fd, struct lock_wait *w, struct tl_err *err)
{
    int rc = l->kernel ? lock_kernel(l, fd, w, err) : TL_OK;
    if (rc != TL_OK) {
        return rc;
    }
    if (l->kernel && !l->network) {
        (void)os->lock(fd, OS_LOCK_RELEASE, OS_RANGE_GATE); /* if that fails, releasing both will do it */
    }
    return l->with_owner ? lock_owner(l, w, err) : TL_OK;
}

int file_lock_move(struct file_lock *l, int from, int to, struct tl_err *err)
{
    if (!l->kernel) {
        return TL_OK;
    }
    (void)os->lock(from, OS_LOCK_RELEASE, OS_RANGE_JOURNAL);
    int rc = os->lock(to, OS_LOCK_TRY, OS_RANGE_JOURNAL); /* the gate is ours, so nobody else asks for it */
    (void)os->lock(from, OS_LOCK_RELEASE, OS_RANGE_GATE);
    return rc == 0 ? TL_OK : err_sys(err, -rc, "cannot lock '%s'", l->path);
}

bool file_lock_release_owner(struct file_lock *l)
{
    if (!l->with_owner || l->owner.n_held == 0) {
        return true;
    }
    return owner_leave(&l->owner) || owner_give_back(&l->owner);
}

bool file_lock_release_kernel(struct file_lock *l, int fd)
{
    return !l->kernel || os->lock(fd, OS_LOCK_RELEASE, OS_RANGE_BOTH) == 0;
}

bool file_lock_still_ours(const struct file_lock *l)
{
    return !l->with_owner || owner_still_ours(&l->owner);
}

void file_lock_probe(struct file_lock *l, int fd)
{
    int rc = os->lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH);
    if (rc == 0) {
        (void)os->lock(fd, OS_LOCK_RELEASE, OS_RANGE_BOTH);
    } else if (rc == -ENOSYS) {
        l->kernel = false;
        l->owner.proof_ns = 0;
    }
}
