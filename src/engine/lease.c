/* SPDX-License-Identifier: MIT
 *
 * Leases: our own, and what happens when somebody else's runs out.
 *
 * Our own: taken inside the critical section of the append that makes a trial RUNNING, then renewed by a thread about every third of its
 * length. Nothing is written to the log for that. A worker that was stopped for longer takes it anew when it comes back.
 *
 * Others': who asks, runs an optimisation or waits looks now and then. The owner of a RUNNING trial is the worker whose operation
 * made it so; only owners of RUNNING trials are looked at, by name, so a look costs one small file per such worker; the look of one
 * handle spares those of all others. Whether a lease ran out, the backend says (its clock, its rules). Then, in one append and decided
 * under the lock on the state at the head - still RUNNING, same owner, still lost -, each trial gets a system attribute and becomes
 * FAIL, and, if its worker wished so, a WAITING trial with the same parameters follows, as Optuna's callback for retries makes it.
 * A second append, which writes nothing, removes the leases of workers that have no RUNNING trial any more: under the lock too, so
 * none is taken away from a worker that has just come back.
 *
 * Failure modes: a lease that cannot be taken or renewed is logged once, the trial runs all the same and is then protected from nobody
 * and failed by nobody; a look that fails is logged and made again. Invariants: who has no lease is never failed; a trial fails once,
 * because FAIL is decided under the lock; nothing here compares two machines' clocks.
 */
#include "engine/storage.h"

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/os.h"
#include "engine/parts.h"
#include "engine/study.h"

#define MS INT64_C(1000000)
#define DEFAULT_MS 60000
#define LOOK_SOON_MS 10
#define LONGEST_PAUSE_MS 15000 /* between two looks */
#define LOST_AT_ONCE 300       /* trials, and workers, that one append deals with: others wait for it */
#define LOST_BYTES (4u << 20)  /* one append writes about that much of them, or one trial */
#define SWEEP_EVERY 64         /* looks that also search for leases without trials */
#define ORPHAN_LEASES 10       /* such a lease goes when it is that many lengths old */

static const struct lease_ops *ops_of(const tl_storage *st)
{
    return st->backend ? st->backend->ops->leases : NULL;
}

/* ---- our own ---- */

static void init_sync(struct leases *l)
{
    thread_init(&l->thread);
    pthread_mutex_init(&l->look_lock, NULL);
}

void leases_init(tl_storage *st)
{
    struct leases *l = &st->leases;
    const struct tl_storage_options *o = &st->options;
    l->length_ms = o->lease_ms < 0 || o->read_only ? 0 : o->lease_ms == 0 ? DEFAULT_MS : o->lease_ms;
    l->retries = o->retry_lost;
    init_sync(l);
}

void leases_forked(tl_storage *st)
{
    struct leases *l = &st->leases;
    init_sync(l);
    atomic_store(&l->wanted, false);
    atomic_store(&l->held, false);
    atomic_store(&l->complained, false);
}

static void renew(tl_storage *st)
{
    struct leases *l = &st->leases;
    const struct lease_ops *ops = ops_of(st);
    struct lease lease = {l->length_ms, l->retries, false};
    struct tl_err err = TL_ERR_INIT;
    int64_t now = os->monotonic_ns();
    int rc = atomic_load(&l->held) ? ops->renew(st->backend, st->worker, &err) : 0;
    if (rc == 0) { /* there is none, or somebody thought that we were lost */
        rc = ops->take(st->backend, st->worker, &lease, &err) == TL_OK ? 1 : err.code;
    }
    if (rc > 0) {
        atomic_store(&l->renewed_ns, now);
        atomic_store(&l->held, true);
        atomic_store(&l->complained, false);
    } else if (!atomic_exchange(&l->complained, true)) {
        log_emit(st->options.log, LOG_LEASE, "no lease for this worker: %s; others %s", err.message,
                 atomic_load(&l->held) ? "may take it for lost" : "cannot tell when it is lost");
    }
}

static void *renew_main(void *ctx)
{
    tl_storage *st = ctx;
    struct leases *l = &st->leases;
    struct thread *t = &l->thread;
    int64_t pause = l->length_ms * MS / 3;
    pthread_mutex_lock(&t->mutex);
    while (!t->stop) {
        int64_t now = os->monotonic_ns(), at = atomic_load(&l->renewed_ns) + pause;
        if (at <= now) {
            at = now + (atomic_load(&l->complained) ? pause / 4 : 0);
        }
        if (at > now) {
            (void)cond_wait_for(&t->changed, &t->mutex, at - now);
        }
        if (!t->stop && os->monotonic_ns() >= at) {
            pthread_mutex_unlock(&t->mutex);
            renew(st);
            pthread_mutex_lock(&t->mutex);
        }
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

/* Without a thread the lease is renewed by calls only. */
static void start_thread(tl_storage *st)
{
    struct thread *t = &st->leases.thread;
    pthread_mutex_lock(&t->mutex);
    int sys = thread_start_locked(t, renew_main, st);
    pthread_mutex_unlock(&t->mutex);
    if (sys != 0) {
        log_emit(st->options.log, LOG_LEASE, "no thread to renew the lease (errno %d): only calls will do that", sys);
    }
}

void lease_hold(tl_storage *st)
{
    struct leases *l = &st->leases;
    if (l->length_ms == 0 || !ops_of(st)) {
        return;
    }
    if (TL_UNLIKELY(!atomic_exchange(&l->wanted, true))) {
        renew(st);
        start_thread(st);
    } else if (!atomic_load(&l->held) || os->monotonic_ns() - atomic_load(&l->renewed_ns) > l->length_ms * MS / 2) {
        renew(st); /* the thread is late, or could not */
    }
}

/* ---- RUNNING trials and their owners ---- */

/* Calls for each RUNNING trial of a study that is there; non-zero ends the walk. */
static int each_running(const struct state *s, int (*each)(void *ctx, const struct study *st, const struct live_trial *t),
                        void *ctx)
{
    int rc = 0;
    for (size_t i = 0; i < s->studies.len && rc == 0; i++) {
        const struct study *st = state_study(s, (int64_t)i);
        for (size_t k = 0; st && st->counts[TL_RUNNING] > 0 && k < st->n_live && rc == 0; k++) {
            if (st->live[k]->state == TL_RUNNING && st->live[k]->owner != INTERN_NONE) {
                rc = each(ctx, st, st->live[k]);
            }
        }
    }
    return rc;
}

static int is_owner(void *ctx, const struct study *st, const struct live_trial *t)
{
    (void)st;
    return t->owner == *(const uint32_t *)ctx;
}

static bool runs_trials(const struct state *s, const char *worker)
{
    uint32_t owner = intern_find(&s->workers, str_of(worker));
    return owner != INTERN_NONE && each_running(s, is_owner, &owner) != 0;
}

void leases_close(tl_storage *st)
{
    struct leases *l = &st->leases;
    struct tl_err err = TL_ERR_INIT;
    thread_stop(&l->thread);
    if (atomic_load(&l->held)) {
        struct lease left = {l->length_ms, l->retries, true};
        bool running = st->stale || !st->state || runs_trials(st->state, st->worker);
        if (running && storage_read_news(st, 0, NULL) == TL_OK && !st->stale) { /* perhaps others ended them */
            running = runs_trials(st->state, st->worker);
        }
        int rc = running ? ops_of(st)->take(st->backend, st->worker, &left, &err)
                         : ops_of(st)->drop(st->backend, st->worker, &err);
        if (rc != TL_OK) {
            log_emit(st->options.log, LOG_LEASE, "at closing: %s", err.message);
        }
    }
    thread_release(&l->thread);
    pthread_mutex_destroy(&l->look_lock);
}

/* ---- those of others ---- */

struct lost { /* a worker */
    const char *worker;
    bool orphan; /* had no RUNNING trial: only its lease is to be swept away */
    struct lease_seen seen; /* decided */
    bool still;             /* lost, or an orphan, under the lock too */
    uint32_t owner;
    size_t n_running;
};

/* Who is told of the trials that were failed, and wants them of one study only (< 0: of all). */
struct told {
    int64_t study_id;
    int (*each)(void *ctx, int64_t study_id, int64_t trial_id);
    void *ctx;
};

struct look {
    tl_storage *st;
    const struct told *told; /* NULL: nobody */
    struct arena memory;
    struct lost *lost;
    size_t n_lost, cap_lost;
    const char **owners; /* of RUNNING trials */
    size_t n_owners, cap_owners;
    struct map64 seen;   /* owners that were listed */
    const struct state *state;
    struct tl_err err;

    /* while deciding */
    struct commit *commit;
    tl_view *view; /* of the study whose trials are being queued again */
    size_t n_failed, n_retried;
    struct failed {
        int64_t study, trial;
    } *failed; /* n_failed, when somebody is told */
    size_t cap_failed;
    char first[128]; /* what became of the first one, for the log */
};

static int list_owner(void *ctx, const struct study *st, const struct live_trial *t)
{
    struct look *k = ctx;
    uint64_t before;
    struct str name = intern_str(&k->state->workers, t->owner);
    (void)st;
    if (map64_get(&k->seen, t->owner, &before) || str_eq(name, str_of(k->st->worker)) || memchr(name.p, 0, name.n)) {
        return 0;
    }
    char *copy = arena_dup(&k->memory, name.p, name.n);
    if (!copy || !map64_set(&k->seen, t->owner, 0) ||
        !mem_grow((void **)&k->owners, &k->cap_owners, k->n_owners + 1, sizeof *k->owners)) {
        return err_nomem(&k->err);
    }
    k->owners[k->n_owners++] = copy;
    return 0;
}

static int add_lost(struct look *k, const char *worker, bool orphan)
{
    if (!mem_grow((void **)&k->lost, &k->cap_lost, k->n_lost + 1, sizeof *k->lost)) {
        return err_nomem(&k->err);
    }
    k->lost[k->n_lost++] = (struct lost){.worker = worker, .orphan = orphan};
    return TL_OK;
}

/* A lease found in the folder. */
static int list_orphan(void *ctx, const char *worker)
{
    struct look *k = ctx;
    if (strcmp(worker, k->st->worker) == 0) {
        return 0;
    }
    for (size_t i = 0; i < k->n_owners; i++) {
        if (strcmp(k->owners[i], worker) == 0) {
            return 0;
        }
    }
    char *copy = arena_dup(&k->memory, worker, strlen(worker));
    return copy ? add_lost(k, copy, true) : err_nomem(&k->err);
}

/* Is this lease, whose worker runs nothing, old enough to be swept away? A worker that is idle for long makes it anew. */
static bool is_orphan(const struct lease_seen *seen)
{
    return seen->lease.length_ms > 0 && seen->age_ms / ORPHAN_LEASES > seen->lease.length_ms;
}

/* What the attribute says: who, and how long the lease was. */
static int lost_text(const struct lost *lost, struct arena *a, struct str *out)
{
    struct buf b = BUF_INIT(4096);
    buf_add_text(&b, "{\"worker\":");
    json_put_string(&b, str_of(lost->worker));
    buf_printf(&b, ",\"lease_ms\":%lld}", (long long)lost->seen.lease.length_ms);
    char *copy = b.failed ? NULL : arena_dup(a, b.data, b.len);
    *out = (struct str){copy, b.len};
    buf_release(&b);
    return copy ? TL_OK : TL_ENOMEM;
}

/* ---- putting back into the queue ---- */

static size_t count_items(struct str list)
{
    struct json j = JSON_OF(list.p, list.n);
    bool first = true;
    size_t n = 0;
    int rc = json_open(&j, '[', NULL);
    while (rc == TL_OK && (rc = json_next_item(&j, &first, NULL)) > 0) {
        rc = json_skip(&j, NULL, NULL);
        n++;
    }
    return rc < 0 ? 0 : n;
}

/* Turns the operation that copies a lost trial into one that queues it again, as Optuna's RetryFailedTrialCallback does: parameters, user
 * and system attributes stay, `failed_trial` names the first trial of the chain and `retry_history` all of them. */
static int queue_again(struct op *op, int64_t number, uint32_t retries, struct arena *a, bool *wanted)
{
    struct op_attr *attrs = arena_alloc(a, (op->n_system_attrs + 2) * sizeof *attrs);
    struct buf b = BUF_INIT(1 << 20);
    struct str first = {NULL, 0}, history = {NULL, 0};
    size_t n = 2;
    if (!attrs) {
        return TL_ENOMEM;
    }
    for (size_t i = 0; i < op->n_system_attrs; i++) {
        if (str_eq(op->system_attrs[i].key, STR("failed_trial"))) {
            first = op->system_attrs[i].json;
        } else if (str_eq(op->system_attrs[i].key, STR("retry_history"))) {
            history = op->system_attrs[i].json;
        } else {
            attrs[n++] = op->system_attrs[i];
        }
    }
    size_t before = count_items(history);
    *wanted = before < retries;
    buf_printf(&b, "%lld", (long long)number);
    attrs[0] = (struct op_attr){STR("failed_trial"), first};
    if (!first.p) {
        attrs[0].json = (struct str){arena_dup(a, b.data, b.len), b.len};
    }
    buf_clear(&b);
    buf_add(&b, before ? history.p : "[", before ? history.n - 1 : 1);
    buf_printf(&b, "%s%lld]", before ? "," : "", (long long)number);
    attrs[1] = (struct op_attr){STR("retry_history"), {b.failed ? NULL : arena_dup(a, b.data, b.len), b.len}};
    buf_release(&b);
    op->system_attrs = attrs;
    op->n_system_attrs = n;
    op->state = TL_WAITING;
    op->start = op->complete = (struct tl_time){0, false, false};
    op->has_values = false;
    op->n_values = op->n_reports = 0;
    return attrs[0].json.p && attrs[1].json.p ? TL_OK : TL_ENOMEM;
}

static int copy_lost(struct look *k, const struct study *st, const struct live_trial *t, uint32_t retries, struct op *op,
                     bool *wanted)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    int rc = TL_OK;
    if (!k->view || tl_view_study_id(k->view) != k->st->base_id + st->id) {
        tl_view_close(k->view);
        k->view = NULL;
        rc = store_view(k->st, k->state, st->id, &k->view, &k->err);
    }
    if (rc == TL_OK) {
        rc = tl_view_trial(k->view, t->number, &trial, &k->err);
    }
    if (rc == TL_OK) {
        rc = copy_trial(&trial, op, &k->commit->arena, &k->err);
    }
    if (rc == TL_OK && queue_again(op, t->number, retries, &k->commit->arena, wanted) != TL_OK) {
        rc = err_nomem(&k->err);
    }
    op->target = st->id;
    tl_frozen_release(&trial);
    return rc;
}

/* ---- deciding, under the lock ---- */

static struct lost *find_lost(struct look *k, uint32_t owner)
{
    for (size_t i = 0; i < k->n_lost; i++) {
        if (k->lost[i].owner == owner) {
            return &k->lost[i];
        }
    }
    return NULL;
}

static int fail_trial(void *ctx, const struct study *st, const struct live_trial *t)
{
    struct look *k = ctx;
    struct commit *c = k->commit;
    struct lost *lost = find_lost(k, t->owner);
    struct str text;
    if (!lost) {
        return 0;
    }
    lost->n_running++;
    if (k->told && k->told->study_id >= 0 && k->told->study_id != st->id) {
        return 0; /* somebody else's */
    }
    if (lost->orphan || k->n_failed == LOST_AT_ONCE || c->arena.used_total > LOST_BYTES) {
        return 0; /* the next append's */
    }
    struct op *op = &c->ops[c->n_ops];
    if (lost_text(lost, &c->arena, &text) != TL_OK) {
        return err_nomem(&k->err);
    }
    op[0] = (struct op){.code = OP_TRIAL_SYSTEM_ATTR, .target = t->id, .name = STR(TL_LOST_ATTR), .text = text};
    op[1] = (struct op){.code = OP_TRIAL_STATE, .target = t->id, .state = TL_FAIL, .complete = store_now()};
    c->n_ops += 2;
    if (lost->seen.lease.retries > 0) {
        bool wanted = false;
        int rc = copy_lost(k, st, t, lost->seen.lease.retries, &op[2], &wanted);
        if (rc != TL_OK) {
            return rc;
        }
        c->n_ops += wanted;
        k->n_retried += wanted;
    }
    if (k->told) {
        if (!mem_grow((void **)&k->failed, &k->cap_failed, k->n_failed + 1, sizeof *k->failed)) {
            return err_nomem(&k->err);
        }
        k->failed[k->n_failed] = (struct failed){st->id, t->id};
    }
    if (k->n_failed++ == 0) {
        struct buf b = BUF_INIT(sizeof k->first);
        buf_printf(&b, "trial %lu, worker %.60s: no sign of life for %lld s", (unsigned long)t->number, lost->worker,
                   (long long)(lost->seen.age_ms / 1000));
        size_t n = b.len < sizeof k->first ? b.len : 0;
        memcpy(k->first, b.data ? b.data : "", n);
        k->first[n] = 0;
        buf_release(&b);
    }
    return 0;
}

/* Who is lost still, now that nobody can write? */
static int look_again(struct look *k, const struct state *s)
{
    const struct lease_ops *ops = ops_of(k->st);
    int64_t now;
    int rc = ops->now(k->st->backend, LEASE_CLOCK_LOOK, &now, &k->err);
    for (size_t i = 0; i < k->n_lost && rc >= 0; i++) {
        struct lost *lost = &k->lost[i];
        lost->n_running = 0;
        lost->owner = INTERN_NONE;
        rc = ops->look(k->st->backend, lost->worker, now, !lost->orphan, &lost->seen, &k->err);
        lost->still = rc >= 0 && (lost->orphan ? is_orphan(&lost->seen) : lost->seen.state == LEASE_LOST);
        if (lost->still) {
            lost->owner = intern_find(&s->workers, str_of(lost->worker));
        }
    }
    return rc < 0 ? rc : TL_OK;
}

static int decide_lost(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct look *k = c->ctx;
    k->commit = c;
    k->state = s;
    k->n_failed = k->n_retried = 0;
    int rc = look_again(k, s);
    if (rc == TL_OK && !commit_ops(c, (size_t)3 * LOST_AT_ONCE)) {
        rc = err_nomem(&k->err);
    }
    c->n_ops = 0;
    if (rc == TL_OK) {
        rc = each_running(s, fail_trial, k);
    }
    tl_view_close(k->view);
    k->view = NULL;
    for (size_t i = 0; i < k->n_lost && rc == TL_OK; i++) {
        if (k->lost[i].still && k->lost[i].n_running == 0) {
            rc = ops_of(k->st)->drop(k->st->backend, k->lost[i].worker, &k->err);
        }
    }
    if (rc != TL_OK && err) {
        *err = k->err;
    }
    return rc;
}

/* ---- looking ---- */

static int collect(struct look *k)
{
    k->state = store_lock_state(k->st);
    int rc = each_running(k->state, list_owner, k);
    store_unlock_state(k->st);
    return rc;
}

/* Looks at the owners of RUNNING trials. */
static int look_at_owners(struct look *k, int64_t now)
{
    struct leases *l = &k->st->leases;
    const struct lease_ops *ops = ops_of(k->st);
    int rc = TL_OK;
    l->late = false;
    l->shortest_ms = 0;
    for (size_t i = 0; i < k->n_owners && rc >= 0; i++) {
        struct lease_seen seen;
        rc = ops->look(k->st->backend, k->owners[i], now, true, &seen, &k->err);
        if (rc < 0 || seen.state == LEASE_NONE) {
            continue;
        }
        if (l->shortest_ms == 0 || seen.lease.length_ms < l->shortest_ms) {
            l->shortest_ms = seen.lease.length_ms;
        }
        l->late = l->late || seen.state == LEASE_LATE;
        if (seen.state == LEASE_LOST && k->n_lost < LOST_AT_ONCE) {
            rc = add_lost(k, k->owners[i], false);
        } else if (seen.state == LEASE_LOST) {
            l->late = true; /* the next look, soon */
        }
    }
    return rc < 0 ? rc : TL_OK;
}

/* Leases of workers that run nothing: left behind by who died between two trials, or by who died while sweeping. */
static int look_for_orphans(struct look *k, int64_t now)
{
    const struct lease_ops *ops = ops_of(k->st);
    size_t kept = k->n_lost;
    int rc = ops->each(k->st->backend, list_orphan, k, &k->err);
    for (size_t i = kept; i < k->n_lost && kept < LOST_AT_ONCE && rc >= 0; i++) {
        struct lost orphan = k->lost[i];
        rc = ops->look(k->st->backend, orphan.worker, now, false, &orphan.seen, &k->err);
        if (rc >= 0 && is_orphan(&orphan.seen)) {
            k->lost[kept++] = orphan;
        }
    }
    k->n_lost = rc < 0 ? 0 : kept;
    return rc < 0 ? rc : TL_OK;
}

/* Fails what is lost, then removes leases that nobody needs: the commit that finds nothing to fail does that. */
static int fail_lost(struct look *k, size_t *n_failed)
{
    int rc;
    do {
        struct commit c = {.decide = decide_lost, .ctx = k, .exact = EXACT_HEAD};
        rc = store_commit(k->st, &c, &k->err);
        if (rc == TL_OK && k->n_failed > 0) {
            *n_failed += k->n_failed;
            log_emit(k->st->options.log, LOG_LOST, "%zu trial%s of lost workers failed, %zu queued again (%s)", k->n_failed,
                     k->n_failed == 1 ? "" : "s", k->n_retried, k->first);
            for (size_t i = 0; k->told && i < k->n_failed && rc == TL_OK; i++) {
                rc = k->told->each(k->told->ctx, k->failed[i].study, k->failed[i].trial);
            }
        }
        commit_release(&c);
    } while (rc == TL_OK && k->n_failed > 0);
    return rc;
}

static int64_t pause_ms(const struct leases *l)
{
    int64_t shortest = l->length_ms > 0 ? l->length_ms : DEFAULT_MS;
    if (l->shortest_ms > 0 && l->shortest_ms < shortest) {
        shortest = l->shortest_ms;
    }
    int64_t pause = shortest / (l->late ? 8 : 4);
    pause *= l->failures < 4 ? 1 + l->failures : 5; /* who cannot look must not pass for somebody who does */
    return pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
}

static int look_locked(struct look *k, size_t *n_failed)
{
    struct leases *l = &k->st->leases;
    int64_t now;
    int rc = store_refresh(k->st, &k->err);
    if (rc == TL_OK) {
        rc = collect(k);
    }
    bool sweep = atomic_load(&l->wanted) && l->looks++ % SWEEP_EVERY == 0; /* not commands that live for a moment */
    if (rc != TL_OK || (k->n_owners == 0 && !sweep)) {
        return rc;
    }
    rc = ops_of(k->st)->now(k->st->backend, LEASE_CLOCK_IN_TURN, &now, &k->err);
    if (rc == 0 && l->late) { /* we saw somebody late: the others need not have */
        rc = ops_of(k->st)->now(k->st->backend, LEASE_CLOCK_LOOK, &now, &k->err);
    }
    if (rc <= 0) {
        return rc;
    }
    rc = look_at_owners(k, now);
    if (rc == TL_OK && sweep) {
        rc = look_for_orphans(k, now);
    }
    return rc == TL_OK && k->n_lost > 0 ? fail_lost(k, n_failed) : rc;
}

static size_t look_and_tell(tl_storage *st, const struct told *told, int *outcome)
{
    struct leases *l = &st->leases;
    size_t n_failed = 0;
    if (!ops_of(st) || st->options.read_only || os->monotonic_ns() < atomic_load(&l->look_at_ns)) {
        return 0;
    }
    if (storage_enter(st, NULL) != TL_OK || pthread_mutex_trylock(&l->look_lock) != 0) {
        return 0;
    }
    struct look k = {.st = st, .told = told, .err = TL_ERR_INIT};
    int rc = look_locked(&k, &n_failed);
    bool complain = rc < 0 && rc != TL_ECANCELLED && l->failures == 0;
    l->failures = rc < 0 ? l->failures + 1 : 0;
    atomic_store(&l->look_at_ns, os->monotonic_ns() + pause_ms(l) * MS);
    pthread_mutex_unlock(&l->look_lock);
    if (complain) {
        log_emit(st->options.log, LOG_LEASE, "leases of other workers were not looked at: %s", k.err.message);
    }
    mem_free(k.lost);
    mem_free(k.owners);
    mem_free(k.failed);
    map64_release(&k.seen);
    arena_release(&k.memory);
    *outcome = rc;
    return n_failed;
}

size_t lease_look(tl_storage *st)
{
    int outcome;
    return look_and_tell(st, NULL, &outcome);
}

TL_API int tl_storage_fail_lost(tl_storage *st, int64_t study_id, int (*each)(void *ctx, int64_t study_id, int64_t trial_id), void *ctx,
                                struct tl_err *err)
{
    struct told told = {study_id, each, ctx};
    int outcome = TL_OK, rc = storage_enter(st, err);
    if (rc == TL_OK) {
        (void)look_and_tell(st, &told, &outcome);
    }
    return rc != TL_OK ? rc : outcome > 0 ? outcome : TL_OK;
}

int64_t lease_look_in_ms(tl_storage *st)
{
    if (!ops_of(st) || st->options.read_only) {
        return LEASE_MAX_MS;
    }
    int64_t left = (atomic_load(&st->leases.look_at_ns) - os->monotonic_ns()) / MS;
    return left < LOOK_SOON_MS ? LOOK_SOON_MS : left;
}

/* ---- signs of life by others ---- */

/* Another worker that owns a trial, in `worker`; `*running`: it has RUNNING trials. false: nobody, or we ourselves. */
static bool other_owner(tl_storage *st, int64_t trial_id, char worker[WORKER_MAX], bool *running)
{
    struct study *study;
    const struct row *row;
    const struct live_trial *live;
    uint32_t number, owner = INTERN_NONE;
    bool found = false;
    const struct state *s = store_lock_state(st);
    if (state_trial_place(s, trial_id, &study, &number)) {
        study_trial(study, number, &row, &live);
        owner = row ? row->owner : live->owner;
    }
    if (owner != INTERN_NONE) {
        struct str name = intern_str(&s->workers, owner);
        found = name.n > 0 && name.n < WORKER_MAX && !memchr(name.p, 0, name.n) && !str_eq(name, str_of(st->worker));
        if (found) {
            memcpy(worker, name.p, name.n);
            worker[name.n] = 0;
            *running = each_running(s, is_owner, &owner) != 0;
        }
    }
    store_unlock_state(st);
    return found;
}

void lease_sign_of_life(tl_storage *st, int64_t trial_id)
{
    char worker[WORKER_MAX];
    struct tl_err err = TL_ERR_INIT;
    bool running;
    if (ops_of(st) && other_owner(st, trial_id, worker, &running) && running && ops_of(st)->renew(st->backend, worker, &err) < 0) {
        log_emit(st->options.log, LOG_LEASE, "the lease of trial %lld: %s", (long long)trial_id, err.message);
    }
}

void lease_settle(tl_storage *st, int64_t trial_id)
{
    const struct lease_ops *ops = ops_of(st);
    char worker[WORKER_MAX];
    struct lease_seen seen;
    struct tl_err err = TL_ERR_INIT;
    bool running;
    if (!ops || !other_owner(st, trial_id, worker, &running)) {
        return;
    }
    int rc = running ? ops->renew(st->backend, worker, &err) : TL_OK;
    if (rc >= 0 && !running) {
        rc = ops->look(st->backend, worker, 0, false, &seen, &err); /* whatever the time is: asking for it would pass for a look */
        if (rc >= 0 && seen.state != LEASE_NONE && seen.lease.left) { /* it begins no trial any more */
            rc = ops->drop(st->backend, worker, &err);
        }
    }
    if (rc < 0) {
        log_emit(st->options.log, LOG_LEASE, "the lease of trial %lld: %s", (long long)trial_id, err.message);
    }
}

/* ---- showing ---- */

struct shown {
    struct tl_running_trial *items; /* names in the arena */
    size_t n, cap;
    struct arena memory;
    const struct state *state;
    int64_t base_id;
    struct tl_err *err;
};

static int list_running(void *ctx, const struct study *st, const struct live_trial *t)
{
    struct shown *l = ctx;
    struct str worker = intern_str(&l->state->workers, t->owner);
    if (!mem_grow((void **)&l->items, &l->cap, l->n + 1, sizeof *l->items)) {
        return err_nomem(l->err);
    }
    struct tl_running_trial *to = &l->items[l->n];
    *to = (struct tl_running_trial){.study_id = l->base_id + st->id, .trial_id = l->base_id + t->id, .number = t->number,
                                    .start = time_unpack(t->start), .silent_ms = -1};
    to->study_name = arena_dup(&l->memory, st->name.p, st->name.n);
    to->worker = arena_dup(&l->memory, worker.p, worker.n);
    l->n++;
    return to->study_name && to->worker ? 0 : err_nomem(l->err);
}

static int look_at_owner(tl_storage *st, int64_t now, struct tl_running_trial *t, struct tl_err *err)
{
    struct lease_seen seen;
    int rc = ops_of(st)->look(st->backend, t->worker, now, false, &seen, err);
    if (rc >= 0 && seen.state != LEASE_NONE) {
        t->lease_ms = seen.lease.length_ms;
        t->closed = seen.lease.left;
        t->silent_ms = now == 0 ? -1 : seen.age_ms < 0 ? 0 : seen.age_ms;
    }
    return rc < 0 ? rc : TL_OK;
}

TL_API int tl_storage_each_running(tl_storage *st, int (*each)(void *ctx, const struct tl_running_trial *trial), void *ctx,
                                   struct tl_err *err)
{
    struct shown l = {.base_id = st->base_id, .err = err};
    const struct lease_ops *ops = ops_of(st);
    int64_t now = 0;
    if (is_root(st)) {
        return root_each_running(st, each, ctx, err);
    }
    int rc = store_refresh(st, err);
    if (rc == TL_OK) {
        l.state = store_lock_state(st);
        rc = each_running(l.state, list_running, &l);
        store_unlock_state(st);
    }
    /* Who may not write here does not learn the time. */
    if (rc == TL_OK && l.n > 0 && ops && !st->options.read_only && ops->now(st->backend, LEASE_CLOCK_SHOW, &now, NULL) < 0) {
        now = 0;
    }
    for (size_t i = 0; i < l.n && rc == TL_OK; i++) {
        if (ops) {
            rc = look_at_owner(st, now, &l.items[i], err);
        }
        if (rc == TL_OK) {
            rc = each(ctx, &l.items[i]);
        }
    }
    mem_free(l.items);
    arena_release(&l.memory);
    return rc;
}
