/* SPDX-License-Identifier: MIT
 *
 * Waiting for a journal's turn: bounded, cancellable, fair, without threads and signals.
 *
 * The kernel lock is an open-file-description lock on the journal's bytes. Before it stands a gate, one byte far behind them: who
 * finds the journal taken takes the gate first and keeps it until the journal is his, and nobody gets the journal without
 * the gate. So a writer that comes back at once finds the gate shut by the one that waits, and at most one process polls the
 * journal quickly. All waits are tries with short pauses, because a kernel wait could only be ended by a signal. Processes that share
 * a page (file_peers.c) end each other's pauses when they give a lock back, in the order in which they came.
 *
 * Happy path: one call takes gate and journal together, one frees the gate; then the lock file. A handle that has never found anybody
 * else keeps the gate as long as the journal: whoever comes waits at the gate for once, and from then on both free it. Failure: TL_ELOCKED
 * after the time limit, TL_ECANCELLED; nothing is held then. Invariant: the lock file is only touched with the kernel lock held, where
 * there is one.
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

/* Pauses between tries, by how long this wait has lasted: the first entry whose limit is not over. */
struct pace {
    int64_t up_to_ns, pause_ns;
};
/* At the gate, where many may wait: who has waited longer looks more often, so that nobody starves; until it is clear that the
 * holder is stuck. */
static const struct pace at_gate[] = {{2 * MS, 400 * US},  {10 * MS, 200 * US}, {50 * MS, 100 * US}, {200 * MS, 200 * US},
                                      {SECOND, 500 * US}, {5 * SECOND, 1 * MS}, {INT64_MAX, 5 * MS}};
/* Behind the gate, where only one waits: for a holder that is inside for some ten microseconds, as a rule. 0: lets others run. */
static const struct pace at_journal[] = {{30 * US, 0}, {10 * MS, 30 * US}, {100 * MS, 100 * US}, {SECOND, 500 * US}, {INT64_MAX, 5 * MS}};
/* The same where the holder tells when it is done: only limits then, for one that cannot tell or a waiter that died. */
static const struct pace at_gate_told[] = {{SECOND, 2 * MS}, {INT64_MAX, 5 * MS}};
static const struct pace at_journal_told[] = {{50 * MS, 300 * US}, {SECOND, 500 * US}, {INT64_MAX, 5 * MS}};
/* For a holder of Optuna's lock file. */
static const struct pace at_file[] = {{5 * MS, 50 * US}, {50 * MS, 200 * US}, {SECOND, 1 * MS}, {INT64_MAX, 5 * MS}};
#define NETWORK_FACTOR 10 /* a look costs a round trip */

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

/* Is it time to give up, or to say that it takes long? */
static int look_at_clock(struct file_lock *l, struct lock_wait *w, int64_t now, struct tl_err *err)
{
    char who[160] = "another process";
    if (w->cancelled && now >= w->next_ask_ns) {
        w->next_ask_ns = now + ASK_NS;
        if (w->cancelled(w->ctx)) {
            return err_set(err, TL_ECANCELLED, "cancelled while waiting for the lock of '%s'", l->path);
        }
    }
    if (now < w->deadline_ns && now < w->next_warn_ns) {
        return TL_OK;
    }
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
    return TL_OK;
}

/* How long the next pause of a wait that began at `since_ns` may be. TL_ELOCKED or TL_ECANCELLED when it is time to give up. */
static int next_pause(struct file_lock *l, struct lock_wait *w, const struct pace *p, int64_t since_ns, int64_t *out,
                      struct tl_err *err)
{
    int64_t now = os->monotonic_ns();
    int rc = look_at_clock(l, w, now, err);
    if (rc != TL_OK) {
        return rc;
    }
    while (now - since_ns > p->up_to_ns) {
        p++;
    }
    int64_t ns = p->pause_ns * (l->network ? NETWORK_FACTOR : 1), left = w->deadline_ns - now;
    *out = ns < left ? ns : left;
    return TL_OK;
}

static int pause_a_little(struct file_lock *l, struct lock_wait *w, const struct pace *p, int64_t since_ns, struct tl_err *err)
{
    int64_t ns;
    int rc = next_pause(l, w, p, since_ns, &ns, err);
    if (rc == TL_OK) {
        os->sleep_ns(ns);
    }
    return rc;
}

/* Gives a lock back and tells that to who waits for it. */
static int release(struct file_lock *l, int fd, enum os_range range)
{
    int rc = os->lock(fd, OS_LOCK_RELEASE, range);
    peers_pass_turn(l->peers, range == OS_RANGE_GATE ? OS_RANGE_GATE : OS_RANGE_JOURNAL);
    return rc;
}

/* Tries until the range is ours. `has_peers`: who has it will tell when it gives it back. */
static int lock_range(struct file_lock *l, int fd, enum os_range range, bool has_peers, struct lock_wait *w, struct tl_err *err)
{
    const struct pace *blind = range == OS_RANGE_GATE ? at_gate : at_journal;
    const struct pace *told = range == OS_RANGE_GATE ? at_gate_told : at_journal_told;
    int64_t since = os->monotonic_ns(), ns;
    for (;;) {
        uint32_t seen = peers_turn(l->peers, range);
        int rc = os->lock(fd, OS_LOCK_TRY, range);
        if (rc != -EAGAIN) {
            return rc == 0 ? TL_OK : err_sys(err, -rc, "cannot lock '%s'", l->path);
        }
        rc = next_pause(l, w, has_peers ? told : blind, since, &ns, err);
        if (rc != TL_OK) {
            return rc;
        }
        if (!peers_wait_turn(l->peers, range, seen, ns)) {
            os->sleep_ns(ns);
        }
    }
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
        bool met = peers_are_met(l->peers); /* before now: who has the gate may not have met anybody yet, and then tells nothing */
        peers_meet(l->peers);
        rc = lock_range(l, fd, OS_RANGE_GATE, met, w, err);
        if (rc != TL_OK) {
            return rc;
        }
        rc = lock_range(l, fd, OS_RANGE_JOURNAL, peers_are_met(l->peers), w, err);
        if (rc != TL_OK) {
            (void)release(l, fd, OS_RANGE_GATE);
            return rc;
        }
    }
    return TL_OK;
}

static int lock_owner(struct file_lock *l, struct lock_wait *w, struct tl_err *err)
{
    struct owner_watch watch = {0};
    int64_t since = os->monotonic_ns();
    int rc;
    while ((rc = owner_try(&l->owner, &watch, err)) == 0) {
        rc = pause_a_little(l, w, at_file, since, err);
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
    if (l->kernel && !l->network && peers_were_looked_for(l->peers)) {
        (void)release(l, fd, OS_RANGE_GATE); /* if that fails, releasing both will do it */
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
    return !l->with_owner || owner_give_back(&l->owner);
}

bool file_lock_release_kernel(struct file_lock *l, int fd)
{
    return !l->kernel || release(l, fd, OS_RANGE_BOTH) == 0;
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
