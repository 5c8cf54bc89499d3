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
 * Databases (BACKEND_OPTIMISTIC) have no critical section: compose() decides on the state as it is known and applies nothing; what was
 * written comes back among the news, with the verdict of the log. Where a decision must hold exactly (commit.exact), the group begins
 * with it and is written only if nothing else was since; else it is decided anew, after some conflicts in a turn of its own, where that can
 * be had (append.patient), so that nobody is last for ever. The state lock is not held meanwhile.
 *
 * What waits for an append (defer.h) is a commit of its own in front of the one that takes it along.
 *
 * When it is not known whether a group landed (the lock was lost), the log is read again: every line of ours carries (worker, n), so
 * it is either found, and its verdict taken from there, or written once more under the lock. A failed flush ends in TL_EUNKNOWN.
 *
 * One time limit holds for all that: whatever is tried again and read to settle it, the group has an answer when the storage's time
 * limit has passed since it was begun, and what is not known by then is TL_EUNKNOWN.
 */
#include "engine/storage.h"

#include "base/err.h"
#include "base/os.h"
#include "base/thread.h"

#define GROUP_OPS 4096           /* operations that share one write at most */
#define SETTLE_TRIES 3
#define GROUP_BYTES (1u << 20)   /* a group of databases is not made longer, so that one statement stays small */
#define PATIENT_CONFLICTS 2      /* so many conflicts in a row are met at once, then with patience: a turn of one's own, or pauses */
#define MS INT64_C(1000000)
#define ASK_NS INT64_C(50000000) /* how often who waits for another thread asks whether the caller gave up */

enum phase { PHASE_QUEUED, PHASE_WRITTEN, PHASE_ENDED };

struct group {
    tl_storage *st;
    struct commit *first;
    struct append *append;
    struct commit *unapplied; /* encoded last, not applied yet */
    int64_t deadline_ns; /* INT64_MAX: none */
    bool state_locked, applied_early;

    /* optimistic */
    bool optimistic;
    bool exact;        /* the lines that were composed last hold only at the position that they were composed at */
    bool fresh;        /* the state was read since the group was begun */
    bool waits;        /* a decision not to write waits for that: what it looked at may be old */
    bool again;        /* the same lines once more: nobody knows whether they landed, or may land yet */
    uint64_t seq;      /* where they were composed, */
    unsigned rewinds;  /* and in which log */
    uint64_t first_n, n_ops;
    struct buf sent;
    struct commit *behind; /* the first commit that had no place in the group */
    unsigned conflicts;    /* in a row */
};

void commit_release(struct commit *c)
{
    arena_release(&c->arena);
}

bool commit_failed(const struct commit *c)
{
    return c->phase == PHASE_ENDED && c->code != TL_OK;
}

/* The number that stands for a commit: that of its last operation, because a group lands as a prefix. */
static int64_t commit_seq(const tl_storage *st, const struct commit *c)
{
    return st->base_id + (int64_t)(c->first_n + c->n_ops - 1);
}

/* Applies the operations of a commit to the state. */
static void apply_commit(tl_storage *st, struct commit *c)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        struct tl_err why = TL_ERR_INIT;
        if (state_apply(st->state, &c->ops[i], &c->applied[i], &why) != TL_OK) {
            st->stale = true;
            c->code = err_set(&c->err, TL_EUNKNOWN, "out of memory after the operation was written");
            c->err.seq = commit_seq(st, c);
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
        if (c->ops[i].state == TL_RUNNING && (c->ops[i].code == OP_CREATE_TRIAL || c->ops[i].code == OP_TRIAL_STATE)) {
            return !c->copies;
        }
    }
    return false;
}

/* Decides and encodes one commit. Its own failures are its own; a return other than 0 concerns the whole group. */
static int compose_commit(tl_storage *st, struct commit *c, struct buf *out)
{
    struct tl_err why = TL_ERR_INIT;
    size_t before = out->len;
    c->code = TL_OK;
    if (c->before) {
        int rc = c->before->commit.phase == PHASE_ENDED ? c->before->commit.code : TL_OK;
        if (rc != TL_OK) {
            why = c->before->commit.err; /* what must come before it could not be written */
        } else if (c->has_trial) {
            rc = defer_check(st, c->trial, &why);
        }
        if (rc != TL_OK) {
            commit_fail(c, rc, &why);
            return TL_OK;
        }
    }
    if (c->decide) {
        arena_reset(&c->arena);
        c->ops = NULL;
        c->n_ops = 0;
        c->head_only = false;
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
    if (runs_trial(c) || lease_needs_calls(&st->leases)) {
        lease_hold(st);
    }
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

static int refuse_damaged(const tl_storage *st, struct tl_err *err)
{
    if (!st->damaged || st->options.allow_damaged) {
        return TL_OK;
    }
    err_set(err, TL_ECORRUPT,
            "line %llu of the journal is damaged: nothing is written until `trialog repair` has made a clean copy",
            (unsigned long long)st->damage_line);
    err_at(err, (int64_t)st->damage_line, st->damage_offset);
    return TL_ECORRUPT;
}

static int compose_applying(struct group *g, struct buf *out, struct tl_err *err)
{
    tl_storage *st = g->st;
    for (struct commit *c = g->first; c; c = c->next) {
        if (c->phase != PHASE_QUEUED) {
            continue; /* settled by an earlier try */
        }
        if (g->unapplied) {
            apply_commit(st, g->unapplied);
            g->unapplied = NULL;
            g->applied_early = true;
            if (st->stale) {
                return err_nomem(err);
            }
        }
        int rc = compose_commit(st, c, out);
        if (rc != TL_OK) {
            return rc;
        }
        if (c->phase == PHASE_QUEUED) {
            g->unapplied = c;
        }
    }
    st->replayed_bytes += out->len;
    return TL_OK;
}

static bool must_be_exact(const struct group *g, const struct commit *c)
{
    return c->exact == EXACT_HEAD || (c->exact == EXACT_FRESH && !g->fresh);
}

/* Nothing is applied. An exact decision comes first or in another group; what has no place stays behind. */
static int compose_optimistic(struct group *g, struct buf *out, struct tl_err *err)
{
    tl_storage *st = g->st;
    if (g->again) {
        buf_add(out, g->sent.data, g->sent.len);
        return TL_OK;
    }
    g->exact = false;
    g->seq = st->state->seq;
    g->rewinds = st->rewinds;
    g->first_n = st->n + 1;
    g->behind = NULL;
    g->waits = false;
    for (struct commit *c = g->first; c; c = c->next) {
        if (c->phase != PHASE_QUEUED) {
            continue;
        }
        bool exact = must_be_exact(g, c);
        if (out->len > 0 && (exact || out->len >= GROUP_BYTES)) {
            g->behind = c;
            break;
        }
        int rc = compose_commit(st, c, out);
        if (rc != TL_OK) {
            return rc;
        }
        if (c->phase == PHASE_ENDED && !g->fresh && c->code != TL_ENOMEM) {
            c->phase = PHASE_QUEUED;
            c->n_ops = 0;
            g->waits = true;
        }
        g->exact = g->exact || ((exact || c->head_only) && c->n_ops > 0);
    }
    g->n_ops = st->n + 1 - g->first_n;
    buf_clear(&g->sent);
    buf_add(&g->sent, out->data, out->len);
    return g->sent.failed ? err_nomem(err) : TL_OK;
}

static int compose(void *ctx, struct buf *out, struct tl_err *err)
{
    struct group *g = ctx;
    tl_storage *st = g->st;
    if (!g->state_locked) {
        pthread_mutex_lock(&st->state_lock);
        g->state_locked = true;
    }
    uint64_t first_n = st->n + 1;
    int rc = refuse_damaged(st, err);
    if (rc == TL_OK) {
        rc = g->optimistic ? compose_optimistic(g, out, err) : compose_applying(g, out, err);
    }
    if (!g->optimistic) {
        g->first_n = first_n;
        g->n_ops = st->n + 1 - first_n;
    } else {
        pthread_mutex_unlock(&st->state_lock);
        g->state_locked = false;
    }
    g->append->exact = g->exact;
    g->append->worker = st->worker;
    g->append->first_n = g->first_n;
    g->append->n_ops = g->n_ops;
    return rc;
}

static bool cancelled(void *ctx)
{
    const tl_storage *st = ((const struct group *)ctx)->st;
    return st->options.cancelled(st->options.cancelled_ctx);
}

/* A line of ours was read back: its verdict counts, because others may have come in between. */
void storage_settle(tl_storage *st, uint64_t n, const struct applied *done, const struct tl_err *why)
{
    for (struct commit *c = st->in_flight; c; c = c->next) {
        if (c->phase == PHASE_QUEUED && c->first_n != 0 && n >= c->first_n && n < c->first_n + c->n_ops) {
            c->applied[n - c->first_n] = *done;
            int code = verdict_code(done->verdict);
            if (code != TL_OK && c->code == TL_OK) {
                c->code = code;
                c->err = *why;
                c->err.code = code;
            }
            return;
        }
    }
}

/* The write failed after `written` whole lines of ours: commits that lie wholly in them are done, the others failed. */
static void split_by_written(struct group *g, const struct append *a, int code, const struct tl_err *err)
{
    size_t written = a->written;
    for (struct commit *c = g->first; c != g->behind; c = c->next) {
        if (c->phase != PHASE_QUEUED) {
            continue;
        }
        if (c->n_ops > 0 && c->n_ops <= written) {
            written -= c->n_ops;
            c->phase = PHASE_WRITTEN;
            c->flush_token = a->flush_token;
            atomic_fetch_add_explicit(&g->st->operations, c->n_ops, memory_order_relaxed);
        } else {
            size_t n = c->n_ops;
            commit_fail(c, code, err);
            if (written > 0) {
                err_wrap(&c->err, code, "only the first %zu of %zu operations were written", written, n);
            }
            written = 0;
        }
    }
}

/* The verdicts of an early application do not count any more. */
static void forget_verdicts(struct commit *c)
{
    c->code = TL_OK;
    for (size_t i = 0; i < c->n_ops; i++) {
        c->applied[i] = (struct applied){V_ODD, -1};
    }
}

/* Did the log give every operation its verdict? Not if a snapshot of another process held them already. */
static bool has_verdicts(const struct commit *c)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        if (c->applied[i].verdict == V_ODD) {
            return false;
        }
    }
    return true;
}

static bool out_of_time(const struct group *g)
{
    return g->deadline_ns != INT64_MAX && os->monotonic_ns() >= g->deadline_ns;
}

/* What is left of the time limit, for an append. */
static int64_t left_ms(const struct group *g)
{
    int64_t left = g->deadline_ns == INT64_MAX ? -MS : g->deadline_ns - os->monotonic_ns();
    return g->deadline_ns != INT64_MAX && left < 0 ? 0 : left / MS;
}

static bool is_stale(tl_storage *st)
{
    pthread_mutex_lock(&st->state_lock);
    bool stale = st->stale;
    pthread_mutex_unlock(&st->state_lock);
    return stale;
}

/* It is not known whether the group landed: reads on (our own lines have not been delivered yet) and sees. Commits that are in
 * the log are WRITTEN; those that are not stay QUEUED, to be written again under the lock; when the log cannot be read, or a
 * commit landed in part, the answer stays TL_EUNKNOWN. */
static void settle_group(struct group *g, uint64_t flush_token, const struct tl_err *err)
{
    tl_storage *st = g->st;
    struct tl_err why = TL_ERR_INIT;
    for (struct commit *c = g->first; c != g->behind; c = c->next) {
        if (c->phase == PHASE_QUEUED && !g->optimistic) { /* nothing was applied early there, and somebody may have read on already */
            forget_verdicts(c);
        }
    }
    int rc = TL_EUNAVAILABLE;
    if (!g->optimistic || !out_of_time(g)) { /* files are read without waiting for anybody */
        pthread_mutex_lock(&st->read_lock);
        rc = g->applied_early || is_stale(st) ? storage_rebuild(st, g->deadline_ns, &why) : storage_read_news(st, g->deadline_ns, &why);
        pthread_mutex_unlock(&st->read_lock);
        g->applied_early = false;
    }
    g->fresh = g->fresh || rc == TL_OK;
    pthread_mutex_lock(&st->state_lock);
    uint64_t seen = rc == TL_OK ? state_worker_n(st->state, str_of(st->worker)) : 0;
    /* A request that may still be on its way is sent again as it is, numbers and all: only one of the two can land. One whose position
     * has passed cannot land any more. What was decided on a log that has gone back in time since is neither sent again nor decided
     * anew, because the first request may yet land. */
    bool replaced = g->optimistic && st->rewinds != g->rewinds;
    g->again = g->optimistic && rc == TL_OK && seen < g->first_n && !replaced && !(g->exact && st->state->seq != g->seq);
    pthread_mutex_unlock(&st->state_lock);
    for (struct commit *c = g->first; c != g->behind; c = c->next) {
        if (c->phase != PHASE_QUEUED || c->n_ops == 0 || (rc == TL_OK && seen < c->first_n && !replaced)) {
            continue;
        }
        if (rc == TL_OK && seen >= c->first_n + c->n_ops - 1 && has_verdicts(c)) {
            c->phase = PHASE_WRITTEN;
            c->flush_token = flush_token;
            atomic_fetch_add_explicit(&st->operations, c->n_ops, memory_order_relaxed);
            continue;
        }
        int64_t seq = commit_seq(st, c);
        commit_fail(c, TL_EUNKNOWN, err);
        c->err.seq = seq;
    }
}

static bool any_queued(const struct group *g)
{
    for (const struct commit *c = g->first; c != g->behind; c = c->next) {
        if (c->phase == PHASE_QUEUED) {
            return true;
        }
    }
    return false;
}

/* The group is in the log. */
static void group_written(struct group *g, const struct append *a)
{
    tl_storage *st = g->st;
    if (g->unapplied) {
        apply_commit(st, g->unapplied);
    }
    for (struct commit *c = g->first; c != g->behind; c = c->next) {
        if (c->phase != PHASE_QUEUED || c->n_ops == 0) {
            continue;
        }
        if (g->optimistic && !has_verdicts(c)) { /* only when a snapshot that somebody else made holds it already */
            struct tl_err why = TL_ERR_INIT;
            int64_t seq = commit_seq(st, c);
            err_set(&why, TL_EUNKNOWN, "the operation was written, but what became of it was not seen: look before you repeat it");
            commit_fail(c, TL_EUNKNOWN, &why);
            c->err.seq = seq;
            continue;
        }
        c->phase = PHASE_WRITTEN;
        c->flush_token = a->flush_token;
        atomic_fetch_add_explicit(&st->operations, c->n_ops, memory_order_relaxed);
    }
    atomic_store_explicit(&st->deferral.looked_ns, os->monotonic_ns(), memory_order_relaxed);
    atomic_fetch_add_explicit(&st->appends, 1, memory_order_relaxed);
}

/* One append of the group. */
static enum outcome append_group(struct group *g, struct tl_err *err)
{
    tl_storage *st = g->st;
    struct append a = {.deliver = {st, storage_lines, storage_rewind, storage_image, 0},
                       .ctx = g,
                       .compose = compose,
                       .patient = g->conflicts >= PATIENT_CONFLICTS,
                       .timeout_ms = left_ms(g),
                       .cancelled = st->options.cancelled ? cancelled : NULL,
                       .outcome = OUTCOME_ERROR};
    g->append = &a;
    g->unapplied = NULL;
    int rc = st->backend->ops->append(st->backend, &a, err);
    if (a.outcome == OUTCOME_DONE) {
        group_written(g, &a);
    } else if (a.outcome == OUTCOME_ERROR && (g->applied_early || (a.written > 0 && g->unapplied))) {
        st->stale = true; /* the state has seen what the log may not hold */
    }
    if (g->state_locked) {
        pthread_mutex_unlock(&st->state_lock);
    }
    g->state_locked = false;
    g->again = false;
    atomic_fetch_add_explicit(&st->lock_waits_ns, a.waited_ns, memory_order_relaxed);
    if (a.outcome == OUTCOME_ERROR) {
        split_by_written(g, &a, rc, err);
    } else if (a.outcome == OUTCOME_UNKNOWN) {
        settle_group(g, a.flush_token, err);
    } else if (a.outcome == OUTCOME_CONFLICT || (a.outcome == OUTCOME_DONE && g->optimistic)) {
        g->fresh = true;
    }
    return a.outcome;
}

static void fail_queued(struct group *g, int code, const struct tl_err *err)
{
    for (struct commit *c = g->first; c != g->behind; c = c->next) {
        if (c->phase == PHASE_QUEUED) {
            int64_t seq = commit_seq(g->st, c);
            commit_fail(c, code, err);
            if (code == TL_EUNKNOWN) {
                c->err.seq = seq;
            }
        }
    }
}

/* Somebody else was faster, several times in a row: leaves the others some time. false: time is up. */
static bool pause_after_conflict(const tl_storage *st, unsigned conflicts, int64_t start_ns, struct tl_err *err)
{
    int64_t now = os->monotonic_ns();
    uint32_t r = 0;
    if (st->options.timeout_ms >= 0 && (now - start_ns) / MS >= st->options.timeout_ms) {
        err_set(err, TL_ELOCKED, "other workers wrote in between %u times in %.1f s", conflicts, (double)(now - start_ns) / 1e9);
        return false;
    }
    if (conflicts > PATIENT_CONFLICTS && os->random(&r, sizeof r) >= 0) {
        unsigned doubled = conflicts - PATIENT_CONFLICTS < 6 ? conflicts - PATIENT_CONFLICTS : 6;
        os->sleep_ns((int64_t)(r % (1u << doubled)) * MS / 4);
    }
    return true;
}

/* Brings the state up to date for decisions that would write nothing. */
static void read_for_waiting(struct group *g)
{
    struct tl_err err = TL_ERR_INIT;
    pthread_mutex_lock(&g->st->read_lock);
    int rc = storage_read_news(g->st, g->deadline_ns, &err);
    pthread_mutex_unlock(&g->st->read_lock);
    g->fresh = rc == TL_OK;
    if (rc != TL_OK) {
        fail_queued(g, rc, &err);
    }
}

/* Who waited in the queue while a write failed came in before the state was found out to be wrong, and must not decide on it. */
static void mend_state(struct group *g)
{
    tl_storage *st = g->st;
    struct tl_err err = TL_ERR_INIT;
    if (TL_LIKELY(!is_stale(st))) {
        return;
    }
    pthread_mutex_lock(&st->read_lock);
    int rc = storage_rebuild(st, g->deadline_ns, &err);
    pthread_mutex_unlock(&st->read_lock);
    if (rc != TL_OK) {
        fail_queued(g, rc, &err);
    }
}

/* Appends the group until all that it holds is settled. */
static void append_until_settled(struct group *g)
{
    int64_t start = os->monotonic_ns(), limit = g->st->options.timeout_ms;
    unsigned unknown = 0;
    g->deadline_ns = limit < 0 || limit >= (INT64_MAX - start) / MS ? INT64_MAX : start + limit * MS;
    for (mend_state(g); any_queued(g); mend_state(g)) {
        struct tl_err err = TL_ERR_INIT;
        enum outcome how = append_group(g, &err);
        if (how == OUTCOME_CONFLICT) {
            if (!pause_after_conflict(g->st, ++g->conflicts, start, &err)) {
                fail_queued(g, TL_ELOCKED, &err);
            }
        } else if (how == OUTCOME_UNKNOWN && any_queued(g)) {
            if (++unknown == SETTLE_TRIES || out_of_time(g)) { /* known not to be in the log, unless the request may land yet */
                fail_queued(g, g->again ? TL_EUNKNOWN : TL_EUNAVAILABLE, &err);
            }
        } else if (how == OUTCOME_NOTHING && g->waits) {
            read_for_waiting(g);
        } else if (how == OUTCOME_DONE) {
            g->conflicts = 0;
        }
    }
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
    if (!st->queue) {
        st->queue_end = &st->queue;
    }
    c->next = NULL;
    return first;
}

/* What had no place in a group leads the queue again. */
static void put_back_locked(tl_storage *st, struct commit *first)
{
    struct commit **last = &first;
    while (*last) {
        last = &(*last)->next;
    }
    *last = st->queue;
    if (!st->queue && last != &first) {
        st->queue_end = last;
    }
    if (last != &first) {
        st->queue = first;
    }
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
    struct group g = {.st = st, .first = take_group_locked(st), .sent = BUF_INIT(SIZE_MAX / 2),
                      .optimistic = st->backend->ops->flags & BACKEND_OPTIMISTIC};
    st->leading = true;
    pthread_mutex_unlock(&st->queue_lock);
    set_in_flight(st, g.first);
    append_until_settled(&g);
    set_in_flight(st, NULL);
    buf_release(&g.sent);
    pthread_mutex_lock(&st->queue_lock);
    for (struct commit *c = g.first, *next; c != g.behind; c = next) {
        next = c->next;
        c->next = NULL;
        c->led = true;
    }
    put_back_locked(st, g.behind);
    defer_led(st);
    st->leading = false;
    pthread_cond_broadcast(&st->queue_moved);
}

static int flush(tl_storage *st, struct commit *c)
{
    if (c->phase != PHASE_WRITTEN || !st->backend->ops->flush) {
        return c->code;
    }
    struct tl_err why = TL_ERR_INIT;
    int rc = st->backend->ops->flush(st->backend, c->flush_token, &why);
    atomic_fetch_add_explicit(&st->flushes, 1, memory_order_relaxed);
    if (rc == TL_OK) {
        return c->code;
    }
    c->err = why;
    c->err.seq = commit_seq(st, c);
    c->err.code = c->code = TL_EUNKNOWN;
    return TL_EUNKNOWN;
}

/* Takes a commit that no group has out of the queue. */
static bool leave_queue_locked(tl_storage *st, struct commit *c)
{
    for (struct commit **at = &st->queue; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            if (st->queue_end == &c->next) {
                st->queue_end = at;
            }
            c->next = NULL;
            return true;
        }
    }
    return false;
}

/* Waits for the leader. false: the caller gives up. */
static bool wait_for_leader_locked(tl_storage *st)
{
    if (!st->options.cancelled) {
        pthread_cond_wait(&st->queue_moved, &st->queue_lock);
        return true;
    }
    if (cond_wait_for(&st->queue_moved, &st->queue_lock, ASK_NS)) {
        return true;
    }
    pthread_mutex_unlock(&st->queue_lock); /* a caller's function; what it waits for may wait for us */
    bool stop = st->options.cancelled(st->options.cancelled_ctx);
    pthread_mutex_lock(&st->queue_lock);
    return !stop;
}

static int enter(tl_storage *st, struct tl_err *err)
{
    int rc = storage_enter(st, err);
    return rc == TL_OK && st->options.read_only ? err_set(err, TL_EACCESS, "the storage was opened read-only") : rc;
}

static void enqueue_locked(tl_storage *st, struct commit *c)
{
    c->next = NULL;
    c->phase = PHASE_QUEUED;
    c->led = false;
    c->code = TL_OK;
    c->flush_token = 0;
    c->first_n = 0;
    c->err = (struct tl_err)TL_ERR_INIT;
    *st->queue_end = c;
    st->queue_end = &c->next;
}

static void give_up_locked(tl_storage *st, struct commit *c)
{
    if (!c->led && leave_queue_locked(st, c)) {
        c->led = true;
        c->phase = PHASE_ENDED;
        c->n_ops = 0;
        c->code = err_set(&c->err, TL_ECANCELLED, "cancelled while another thread was writing");
    }
}

/* Queues commits, one behind the other, and waits until a leader, perhaps this thread, is done with all. One that the caller gives up
 * leaves the queue; once a group has it, it goes on. */
static void have_led(tl_storage *st, struct commit *const *commits, size_t n)
{
    pthread_mutex_lock(&st->queue_lock);
    for (size_t i = 0; i < n; i++) {
        enqueue_locked(st, commits[i]);
    }
    while (!commits[n - 1]->led || !commits[0]->led) {
        if (!st->leading) {
            lead_locked(st);
        } else if (!wait_for_leader_locked(st)) {
            for (size_t i = n; i > 0; i--) {
                give_up_locked(st, commits[i - 1]);
            }
        }
    }
    pthread_mutex_unlock(&st->queue_lock);
}

int store_flush(tl_storage *st, struct tl_err *err)
{
    struct defer_flush f;
    if (st->deferral.wait_ms == 0) {
        return TL_OK;
    }
    int rc = enter(st, err);
    if (rc != TL_OK || !defer_begin(st, &f)) {
        return rc;
    }
    have_led(st, (struct commit *[]){&f.commit}, 1);
    rc = flush(st, &f.commit);
    if (rc != TL_OK && err) {
        *err = f.commit.err;
    }
    defer_end(&f);
    return rc;
}

int store_commit(tl_storage *st, struct commit *c, struct tl_err *err)
{
    struct defer_flush f;
    c->n_ops = c->decide ? 0 : c->n_ops;
    int rc = enter(st, err);
    bool along = rc == TL_OK && (c->exact == EXACT_NOT || c->takes_along) && defer_begin(st, &f);
    if (rc == TL_OK && c->has_trial) { /* in this order: what is refused from now on is found out by our group, or after it */
        rc = defer_refused(st, c->trial, err);
    }
    if (rc != TL_OK) {
        c->code = rc;
        return rc;
    }
    c->before = along ? &f : NULL;
    have_led(st, along ? (struct commit *[]){&f.commit, c} : (struct commit *[]){c}, along ? 2 : 1);
    c->before = NULL;
    rc = flush(st, c);
    if (rc != TL_OK && err) {
        *err = c->err;
    }
    if (along) {
        (void)flush(st, &f.commit);
        defer_end(&f);
        int refused = c->has_trial ? defer_refused(st, c->trial, rc == TL_OK ? err : NULL) : TL_OK;
        rc = rc == TL_OK ? refused : rc;
    }
    storage_snapshot_if_due(st);
    return rc;
}
