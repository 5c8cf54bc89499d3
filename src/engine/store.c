/* SPDX-License-Identifier: MIT
 *
 * store_commit: the one way to write.
 *
 * Happy path: a commit joins the queue. The first thread that finds nobody leading takes the lead and everything that waits,
 * as one group: the backend takes its lock, delivers what is new, then calls compose(), where each commit decides on the state
 * at the head and becomes lines; one write; the group is applied; then every thread waits for the flush by itself, while the next
 * group is being written already.
 *
 * Inside a group each decision sees the commits before it: those are applied while composing. The state lock is held from the
 * first decision until the write is known to be done, so nobody reads what is not in the log. If the write fails after something
 * was applied, the state is thrown away and rebuilt from the log.
 *
 * When it is not known whether a group landed (the lock was lost), the log is read again: every line of ours carries (worker, n), so
 * it is either found, and its verdict taken from there, or written once more under the lock. A failed flush ends in TL_EUNKNOWN.
 */
#include "engine/storage.h"

#include "base/err.h"
#include "base/os.h"

#define GROUP_OPS 4096           /* operations that share one write at most */
#define SETTLE_TRIES 3

enum phase { PHASE_QUEUED, PHASE_WRITTEN, PHASE_ENDED };

struct group {
    tl_storage *st;
    struct commit *first;
    struct commit *unapplied; /* encoded last, not applied yet */
    bool state_locked, applied_early;
};

void commit_release(struct commit *c)
{
    arena_release(&c->arena);
}

/* The number that stands for a commit: that of its last operation, because a group lands as a prefix. */
static int64_t commit_seq(const struct commit *c)
{
    return (int64_t)(c->first_n + c->n_ops - 1);
}

/* Applies the operations of a commit to the state. */
static void apply_commit(tl_storage *st, struct commit *c)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        struct tl_err why = TL_ERR_INIT;
        if (state_apply(st->state, &c->ops[i], &c->applied[i], &why) != TL_OK) {
            st->stale = true;
            c->code = err_set(&c->err, TL_EUNKNOWN, "out of memory after the operation was written");
            c->err.seq = commit_seq(c);
            return;
        }
        int code = verdict_code(c->applied[i].verdict);
        if (code != TL_OK && c->code == TL_OK) {
            c->code = code;
            c->err = why;
            c->err.code = code;
        }
    }
}

static void commit_fail(struct commit *c, int code, const struct tl_err *err)
{
    c->code = code;
    c->err = *err;
    c->err.code = code;
    c->n_ops = 0;
    c->phase = PHASE_ENDED;
}

/* Makes one of the operations a trial RUNNING, by this worker? (A copy is nobody's run.) */
static bool runs_trial(const struct commit *c)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        if (c->ops[i].state == TL_RUNNING && (c->ops[i].code == OP_CREATE_TRIAL || c->ops[i].code == OP_TRIAL_STATE))
            return !c->copies;
    }
    return false;
}

/* Decides and encodes one commit. Its own failures are its own; a return other than 0 concerns the whole group. */
static int compose_commit(tl_storage *st, struct commit *c, struct buf *out)
{
    struct tl_err why = TL_ERR_INIT;
    size_t before = out->len;
    c->code = TL_OK;
    if (c->decide) {
        arena_reset(&c->arena);
        c->ops = NULL;
        c->n_ops = 0;
        int rc = c->decide(c, st->state, &why);
        if (rc != TL_OK) {
            commit_fail(c, rc, &why);
            return TL_OK;
        }
    }
    if (c->n_ops == 0) {
        c->phase = PHASE_ENDED; /* nothing to write */
        return TL_OK;
    }
    c->applied = arena_alloc(&c->arena, c->n_ops * sizeof *c->applied);
    if (!c->applied) {
        err_nomem(&why);
        commit_fail(c, TL_ENOMEM, &why);
        return TL_OK;
    }
    if (runs_trial(c) || lease_needs_calls(&st->leases))
        lease_hold(st);
    c->first_n = st->n + 1;
    for (size_t i = 0; i < c->n_ops; i++) {
        c->ops[i].worker = str_of(st->worker);
        c->ops[i].n = c->first_n + i;
        c->applied[i] = (struct applied){V_ODD, -1};
        int rc = op_encode(&c->ops[i], out);
        if (rc != TL_OK) {
            out->len = before;
            out->failed = 0;
            err_set(&why, rc, "%s: the operation is too large or memory is short", op_name(c->ops[i].code));
            commit_fail(c, rc, &why);
            return TL_OK;
        }
    }
    st->n += c->n_ops;
    return TL_OK;
}

static int compose(void *ctx, struct buf *out, struct tl_err *err)
{
    struct group *g = ctx;
    tl_storage *st = g->st;
    if (!g->state_locked) {
        pthread_mutex_lock(&st->state_lock);
        g->state_locked = true;
    }
    if (st->damaged && !st->options.allow_damaged) {
        err_set(err, TL_ECORRUPT,
                "line %llu of the journal is damaged: nothing is written until `trialog repair` has made a clean copy",
                (unsigned long long)st->damage_line);
        err_at(err, (int64_t)st->damage_line, st->damage_offset);
        return TL_ECORRUPT;
    }
    for (struct commit *c = g->first; c; c = c->next) {
        if (c->phase != PHASE_QUEUED)
            continue; /* settled by an earlier try */
        if (g->unapplied) {
            apply_commit(st, g->unapplied);
            g->unapplied = NULL;
            g->applied_early = true;
            if (st->stale)
                return err_nomem(err);
        }
        int rc = compose_commit(st, c, out);
        if (rc != TL_OK)
            return rc;
        if (c->phase == PHASE_QUEUED)
            g->unapplied = c;
    }
    st->replayed_bytes += out->len;
    return TL_OK;
}

static bool cancelled(void *ctx)
{
    const tl_storage *st = ((const struct group *)ctx)->st;
    return st->options.cancelled(st->options.cancelled_ctx);
}

/* A line of ours was read back: its verdict counts, because others may have come in between. */
void storage_settle(tl_storage *st, uint64_t n, const struct applied *done)
{
    for (struct commit *c = st->in_flight; c; c = c->next) {
        if (c->phase == PHASE_QUEUED && c->first_n != 0 && n >= c->first_n && n < c->first_n + c->n_ops) {
            c->applied[n - c->first_n] = *done;
            int code = verdict_code(done->verdict);
            if (code != TL_OK && c->code == TL_OK)
                c->code = err_set(&c->err, code, "%s", tl_code_text(code));
            return;
        }
    }
}

/* The write failed after `written` whole lines of ours: commits that lie wholly in them are done, the others failed. */
static void split_by_written(struct group *g, const struct append *a, int code, const struct tl_err *err)
{
    size_t written = a->written;
    for (struct commit *c = g->first; c; c = c->next) {
        if (c->phase != PHASE_QUEUED)
            continue;
        if (c->n_ops > 0 && c->n_ops <= written) {
            written -= c->n_ops;
            c->phase = PHASE_WRITTEN;
            c->flush_token = a->flush_token;
            atomic_fetch_add_explicit(&g->st->operations, c->n_ops, memory_order_relaxed);
        } else {
            size_t n = c->n_ops;
            commit_fail(c, code, err);
            if (written > 0)
                err_wrap(&c->err, code, "only the first %zu of %zu operations were written", written, n);
            written = 0;
        }
    }
}

/* The verdicts of an early application do not count any more. */
static void forget_verdicts(struct commit *c)
{
    c->code = TL_OK;
    for (size_t i = 0; i < c->n_ops; i++)
        c->applied[i] = (struct applied){V_ODD, -1};
}

/* Did the log give every operation its verdict? Not if a snapshot of another process held them already. */
static bool has_verdicts(const struct commit *c)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        if (c->applied[i].verdict == V_ODD)
            return false;
    }
    return true;
}

/* It is not known whether the group landed: reads on (our own lines have not been delivered yet) and sees. Commits that are in
 * the log are WRITTEN; those that are not stay QUEUED, to be written again under the lock; when the log cannot be read, or a
 * commit landed in part, the answer stays TL_EUNKNOWN. */
static void settle_group(struct group *g, uint64_t flush_token, const struct tl_err *err)
{
    tl_storage *st = g->st;
    struct tl_err why = TL_ERR_INIT;
    for (struct commit *c = g->first; c; c = c->next) {
        if (c->phase == PHASE_QUEUED)
            forget_verdicts(c);
    }
    pthread_mutex_lock(&st->read_lock);
    int rc = g->applied_early ? storage_rebuild(st, &why) : storage_read_news(st, &why);
    pthread_mutex_unlock(&st->read_lock);
    g->applied_early = false;
    pthread_mutex_lock(&st->state_lock);
    uint64_t seen = rc == TL_OK ? state_worker_n(st->state, str_of(st->worker)) : 0;
    pthread_mutex_unlock(&st->state_lock);
    for (struct commit *c = g->first; c; c = c->next) {
        if (c->phase != PHASE_QUEUED || (rc == TL_OK && seen < c->first_n))
            continue;
        if (rc == TL_OK && seen >= c->first_n + c->n_ops - 1 && has_verdicts(c)) {
            c->phase = PHASE_WRITTEN;
            c->flush_token = flush_token;
            atomic_fetch_add_explicit(&st->operations, c->n_ops, memory_order_relaxed);
            continue;
        }
        int64_t seq = commit_seq(c);
        commit_fail(c, TL_EUNKNOWN, err);
        c->err.seq = seq;
    }
}

static bool any_queued(const struct group *g)
{
    for (const struct commit *c = g->first; c; c = c->next) {
        if (c->phase == PHASE_QUEUED)
            return true;
    }
    return false;
}

/* One append of the group. Returns true when some of it has to be tried again. */
static bool append_group(struct group *g, bool last_try)
{
    tl_storage *st = g->st;
    struct tl_err err = TL_ERR_INIT;
    struct append a = {.deliver = {st, storage_lines, storage_rewind},
                       .ctx = g,
                       .compose = compose,
                       .timeout_ms = st->options.timeout_ms,
                       .cancelled = st->options.cancelled ? cancelled : NULL,
                       .outcome = OUTCOME_ERROR};
    g->unapplied = NULL;
    int rc = st->backend->ops->append(st->backend, &a, &err);
    if (a.outcome == OUTCOME_DONE) {
        if (g->unapplied)
            apply_commit(st, g->unapplied);
        for (struct commit *c = g->first; c; c = c->next) {
            if (c->phase == PHASE_QUEUED) {
                c->phase = PHASE_WRITTEN;
                c->flush_token = a.flush_token;
                atomic_fetch_add_explicit(&st->operations, c->n_ops, memory_order_relaxed);
            }
        }
        atomic_fetch_add_explicit(&st->appends, 1, memory_order_relaxed);
    } else if (a.outcome == OUTCOME_ERROR && (g->applied_early || (a.written > 0 && g->unapplied))) {
        st->stale = true; /* the state has seen what the log may not hold */
    }
    if (g->state_locked)
        pthread_mutex_unlock(&st->state_lock);
    g->state_locked = false;
    atomic_fetch_add_explicit(&st->lock_waits_ns, a.waited_ns, memory_order_relaxed);
    if (a.outcome == OUTCOME_ERROR)
        split_by_written(g, &a, rc, &err);
    else if (a.outcome == OUTCOME_UNKNOWN)
        settle_group(g, a.flush_token, &err);
    if (last_try && any_queued(g)) {
        for (struct commit *c = g->first; c; c = c->next) {
            if (c->phase == PHASE_QUEUED)
                commit_fail(c, TL_EUNAVAILABLE, &err); /* known not to be in the log */
        }
    }
    return any_queued(g);
}

/* Takes up to GROUP_OPS operations from the queue. Queue lock held. */
static struct commit *take_group_locked(tl_storage *st)
{
    struct commit *first = st->queue, *c = first;
    size_t ops = c->n_ops + 1;
    while (c->next && ops < GROUP_OPS) {
        c = c->next;
        ops += c->n_ops + 1;
    }
    st->queue = c->next;
    if (!st->queue)
        st->queue_end = &st->queue;
    c->next = NULL;
    return first;
}

static void set_in_flight(tl_storage *st, struct commit *first)
{
    pthread_mutex_lock(&st->state_lock);
    st->in_flight = first;
    pthread_mutex_unlock(&st->state_lock);
}

/* Leads: writes one group. Queue lock held at entry and exit, not in between. */
static void lead_locked(tl_storage *st)
{
    struct group g = {.st = st, .first = take_group_locked(st)};
    st->leading = true;
    pthread_mutex_unlock(&st->queue_lock);
    set_in_flight(st, g.first);
    for (int tries = 1; append_group(&g, tries == SETTLE_TRIES) && tries < SETTLE_TRIES; tries++)
        ;
    set_in_flight(st, NULL);
    pthread_mutex_lock(&st->queue_lock);
    for (struct commit *c = g.first, *next; c; c = next) {
        next = c->next;
        c->next = NULL;
        c->led = true;
    }
    st->leading = false;
    pthread_cond_broadcast(&st->queue_moved);
}

static int flush(tl_storage *st, struct commit *c)
{
    if (c->phase != PHASE_WRITTEN || !st->backend->ops->flush)
        return c->code;
    struct tl_err why = TL_ERR_INIT;
    int rc = st->backend->ops->flush(st->backend, c->flush_token, &why);
    atomic_fetch_add_explicit(&st->flushes, 1, memory_order_relaxed);
    if (rc == TL_OK)
        return c->code;
    c->err = why;
    c->err.seq = commit_seq(c);
    c->err.code = c->code = TL_EUNKNOWN;
    return TL_EUNKNOWN;
}

int store_commit(tl_storage *st, struct commit *c, struct tl_err *err)
{
    int rc = storage_enter(st, err);
    if (rc == TL_OK && st->options.read_only)
        rc = err_set(err, TL_EACCESS, "the storage was opened read-only");
    if (rc != TL_OK) {
        c->code = rc;
        return rc;
    }
    c->next = NULL;
    c->phase = PHASE_QUEUED;
    c->led = false;
    c->code = TL_OK;
    c->flush_token = 0;
    c->first_n = 0;
    c->err = (struct tl_err)TL_ERR_INIT;
    pthread_mutex_lock(&st->queue_lock);
    *st->queue_end = c;
    st->queue_end = &c->next;
    while (!c->led) {
        if (st->leading)
            pthread_cond_wait(&st->queue_moved, &st->queue_lock);
        else
            lead_locked(st);
    }
    pthread_mutex_unlock(&st->queue_lock);
    rc = flush(st, c);
    if (rc != TL_OK && err)
        *err = c->err;
    storage_snapshot_if_due(st);
    return rc;
}
