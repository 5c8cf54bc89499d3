/* SPDX-License-Identifier: MIT
 *
 * Tests of appends without a critical section (BACKEND_OPTIMISTIC), on a log in memory that misbehaves as databases do: others write in
 * between, answers get lost before or after the write, and a request lands long after it was given up. What must hold: an acknowledged
 * operation is in the log once and with the verdict that its caller was told; one that failed is not in it; one whose end is
 * unknown at most once; exact decisions hold where they landed; what waited for an append (defer_ms) lies in the log, once, before what
 * followed it.
 */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/storage.h"
#include "journal/kinds.h"
#include "support/check_main.h"

#define LINES_MAX 100000
#define REQUESTS_MAX 4096

/* ---- the log ---- */

struct request { /* as a server would see it */
    char worker[64];
    uint64_t first_n;
    size_t n_ops;
    bool exact;
    size_t position;
    char *text;
};

static struct log {
    pthread_mutex_t mutex;
    char *lines[LINES_MAX]; /* without newline */
    size_t n;
    struct { char worker[64]; uint64_t n; } writers[64];
    size_t n_writers;
    struct request stuck[REQUESTS_MAX]; /* given up by its sender, not yet dead */
    size_t n_stuck;
    unsigned conflicts, lost_before, lost_after, landed_late, repeated;
} the_log = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct fake {
    struct backend base;
    pthread_mutex_t guard;
    size_t position;
    uint64_t random; /* 0: behaves well */
    bool bad_reads;  /* reads fail, too */
};

/* What the next append meets, in tests of one case; under the_log's mutex. */
static struct {
    enum { AS_EVER, REFUSED, GONE, LANDS_UNSEEN } append;
    bool hold;      /* it stops before it sends anything */
    bool hold_flush; /* so does who waits for its flush */
    uint64_t flush_of; /* its token */
    bool away;      /* reads fail */
} plan;
static atomic_int held, held_flush; /* so many stand there */
static atomic_int refused_reads;
static uint64_t tokens;

static void stand(atomic_int *count, const bool *until_false)
{
    bool stay = true;
    atomic_fetch_add(count, 1);
    while (stay) {
        sched_yield();
        pthread_mutex_lock(&the_log.mutex);
        stay = *until_false;
        pthread_mutex_unlock(&the_log.mutex);
    }
    atomic_fetch_sub(count, 1);
}

static void set_plan(bool *what, bool to)
{
    pthread_mutex_lock(&the_log.mutex);
    *what = to;
    pthread_mutex_unlock(&the_log.mutex);
}

static uint64_t roll(struct fake *f, uint64_t n)
{
    f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->random >> 33) % n;
}

static uint64_t *writer_n(const char *worker)
{
    size_t i = 0;
    while (i < the_log.n_writers && strcmp(the_log.writers[i].worker, worker) != 0) {
        i++;
    }
    if (i == the_log.n_writers) {
        ck_assert_uint_lt(i, TL_COUNT(the_log.writers));
        snprintf(the_log.writers[i].worker, sizeof the_log.writers[i].worker, "%s", worker);
        the_log.writers[i].n = 0;
        the_log.n_writers++;
    }
    return &the_log.writers[i].n;
}

/* What a transaction or script does. false: conflict. */
static bool execute_locked(const struct request *r)
{
    uint64_t *last = writer_n(r->worker);
    if (*last >= r->first_n) {
        the_log.repeated++;
        return true;
    }
    if (r->exact && the_log.n != r->position) {
        return false;
    }
    const char *p = r->text;
    for (size_t i = 0; i < r->n_ops; i++) {
        const char *end = strchr(p, '\n');
        ck_assert_uint_lt(the_log.n, LINES_MAX);
        the_log.lines[the_log.n++] = mem_dup(p, (size_t)(end - p));
        p = end + 1;
    }
    *last = r->first_n + r->n_ops - 1;
    return true;
}

/* Now and then a request that nobody waits for any more reaches the server. */
static void wake_stuck_locked(struct fake *f)
{
    while (the_log.n_stuck > 0 && roll(f, 3) == 0) {
        size_t i = (size_t)roll(f, the_log.n_stuck);
        struct request r = the_log.stuck[i];
        the_log.stuck[i] = the_log.stuck[--the_log.n_stuck];
        size_t before = the_log.n;
        (void)execute_locked(&r);
        the_log.landed_late += the_log.n > before;
        mem_free(r.text);
    }
}

static int deliver_news(struct fake *f, const struct deliver *d, struct tl_err *err)
{
    for (;;) {
        struct buf b = BUF_INIT(1 << 24);
        pthread_mutex_lock(&the_log.mutex);
        size_t n = the_log.n;
        for (size_t i = f->position; i < n; i++) {
            buf_add_text(&b, the_log.lines[i]);
            buf_add_char(&b, '\n');
        }
        pthread_mutex_unlock(&the_log.mutex);
        int rc = b.len ? d->lines(d->ctx, b.data, b.len, -1, err) : TL_OK;
        bool end = b.len == 0;
        buf_release(&b);
        if (rc != TL_OK || end) {
            return rc;
        }
        f->position = n;
    }
}

static struct fake *fake_of(struct backend *b)
{
    return (struct fake *)(void *)b;
}

static int fake_read(struct backend *b, const struct deliver *d, struct tl_err *err)
{
    struct fake *f = fake_of(b);
    pthread_mutex_lock(&the_log.mutex);
    bool away = plan.away;
    pthread_mutex_unlock(&the_log.mutex);
    if (away) {
        atomic_fetch_add(&refused_reads, 1);
        return err_set(err, TL_EUNAVAILABLE, "the server is away");
    }
    pthread_mutex_lock(&f->guard);
    int rc = f->bad_reads && roll(f, 3) == 0 ? err_set(err, TL_EUNAVAILABLE, "the server is away") : deliver_news(f, d, err);
    pthread_mutex_unlock(&f->guard);
    return rc;
}

static void fake_restart(struct backend *b)
{
    fake_of(b)->position = 0;
}

static void fake_close(struct backend *b)
{
    mem_free(b);
}

enum answer { ANSWERED, LOST_BEFORE, LOST_AFTER };

static int planned(struct append *a, struct buf *out, int how, struct tl_err *err)
{
    if (how == LANDS_UNSEEN) {
        struct request r = {.first_n = a->first_n, .n_ops = a->n_ops};
        snprintf(r.worker, sizeof r.worker, "%s", a->worker);
        r.text = mem_dup(out->data, out->len);
        pthread_mutex_lock(&the_log.mutex);
        execute_locked(&r);
        plan.away = true;
        pthread_mutex_unlock(&the_log.mutex);
        mem_free(r.text);
    }
    a->outcome = how == LANDS_UNSEEN ? OUTCOME_UNKNOWN : OUTCOME_ERROR;
    return err_set(err, how == GONE ? TL_ENOTFOUND : how == REFUSED ? TL_EUNAVAILABLE : TL_EUNKNOWN, "the server, or the study, went away");
}

static int send_request(struct fake *f, struct append *a, struct buf *out, struct tl_err *err)
{
    struct request r = {.first_n = a->first_n, .n_ops = a->n_ops, .exact = a->exact, .position = f->position};
    snprintf(r.worker, sizeof r.worker, "%s", a->worker);
    r.text = mem_dup(out->data, out->len);
    enum answer answer = f->random && roll(f, 10) == 0 ? (enum answer)(1 + roll(f, 2)) : ANSWERED;
    bool done = false;
    pthread_mutex_lock(&the_log.mutex);
    if (f->random) {
        wake_stuck_locked(f);
    }
    if (answer == LOST_BEFORE && the_log.n_stuck < REQUESTS_MAX) { /* it may land at any time */
        the_log.stuck[the_log.n_stuck++] = r;
        the_log.lost_before++;
    } else {
        done = execute_locked(&r);
        mem_free(r.text);
    }
    the_log.conflicts += answer == ANSWERED && !done;
    the_log.lost_after += answer == LOST_AFTER;
    pthread_mutex_unlock(&the_log.mutex);
    if (answer != ANSWERED) {
        a->outcome = OUTCOME_UNKNOWN;
        return err_set(err, TL_EUNKNOWN, "the connection was lost");
    }
    int rc = deliver_news(f, &a->deliver, err);
    a->outcome = rc != TL_OK ? OUTCOME_UNKNOWN : done ? OUTCOME_DONE : OUTCOME_CONFLICT;
    return rc != TL_OK ? TL_EUNKNOWN : done ? TL_OK : err_set(err, TL_EUNAVAILABLE, "somebody else was first");
}

static int fake_append(struct backend *b, struct append *a, struct tl_err *err)
{
    struct fake *f = fake_of(b);
    struct buf out = BUF_INIT(1 << 24);
    a->outcome = OUTCOME_ERROR;
    pthread_mutex_lock(&f->guard);
    int rc = a->compose(a->ctx, &out, err);
    pthread_mutex_lock(&the_log.mutex);
    int how = out.len > 0 ? (int)plan.append : AS_EVER;
    bool hold = out.len > 0 && plan.hold;
    plan.append = how == AS_EVER ? plan.append : AS_EVER;
    a->flush_token = ++tokens;
    plan.flush_of = plan.hold_flush && plan.flush_of == 0 ? tokens : plan.flush_of;
    pthread_mutex_unlock(&the_log.mutex);
    if (hold) {
        stand(&held, &plan.hold);
    }
    if (rc == TL_OK && out.len == 0) {
        a->outcome = OUTCOME_NOTHING;
    } else if (rc == TL_OK && how != AS_EVER) {
        rc = planned(a, &out, how, err);
    } else if (rc == TL_OK) {
        rc = send_request(f, a, &out, err);
    }
    pthread_mutex_unlock(&f->guard);
    buf_release(&out);
    return rc;
}

static int fake_flush(struct backend *b, uint64_t token, struct tl_err *err)
{
    (void)b;
    (void)err;
    pthread_mutex_lock(&the_log.mutex);
    bool hold = plan.hold_flush && plan.flush_of == token;
    pthread_mutex_unlock(&the_log.mutex);
    if (hold) {
        stand(&held_flush, &plan.hold_flush);
    }
    return TL_OK;
}

static const struct backend_ops fake_ops = {
    .size = sizeof(struct backend_ops), .name = "fake", .flags = BACKEND_OPTIMISTIC, .close = fake_close, .read = fake_read,
    .restart = fake_restart, .append = fake_append, .flush = fake_flush};

static tl_storage *open_waiting(uint64_t random, int64_t defer_ms)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    options.defer_ms = defer_ms;
    struct fake *f = mem_zalloc(1, sizeof *f);
    tl_storage *st;
    struct tl_err err = TL_ERR_INIT;
    ck_assert_ptr_nonnull(f);
    f->base.ops = &fake_ops;
    f->random = random;
    pthread_mutex_init(&f->guard, NULL);
    ck_assert_msg(storage_open_on(backend_checked(&f->base), &options, NULL, 0, &st, &err) == TL_OK, "%s", err.message);
    f->bad_reads = random && defer_ms != 0;
    return st;
}

static tl_storage *open_fake(uint64_t random)
{
    return open_waiting(random, 0);
}

static void empty_log(void)
{
    for (size_t i = 0; i < the_log.n; i++) {
        mem_free(the_log.lines[i]);
    }
    for (size_t i = 0; i < the_log.n_stuck; i++) {
        mem_free(the_log.stuck[i].text);
    }
    the_log.n = the_log.n_writers = the_log.n_stuck = 0;
}

/* ---- single cases ---- */

static const enum tl_direction minimize[] = {TL_MINIMIZE};

START_TEST(decisions_are_not_made_on_old_news)
{
    tl_storage *a = open_fake(0), *b = open_fake(0);
    int64_t study, id, other;
    struct tl_err err = TL_ERR_INIT;
    bool updated;
    ck_assert_int_eq(tl_storage_create_study(a, "s", minimize, 1, &study, NULL), TL_OK);
    /* b knows of neither study nor trial */
    ck_assert_msg(tl_storage_create_trial(b, study, NULL, &id, NULL, &err) == TL_OK, "%s", err.message);
    ck_assert_msg(tl_storage_report(a, id, 0, 1.5, &err) == TL_OK, "%s", err.message);
    ck_assert_int_eq(tl_storage_create_study(b, "s", minimize, 1, &other, &err), TL_EEXISTS);
    double value = 1;
    ck_assert_int_eq(tl_storage_set_state(a, id, TL_COMPLETE, &value, 1, &updated, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_report(b, id, 1, 1.5, &err), TL_EFINISHED);
    ck_assert_int_eq(tl_storage_report(b, 99, 1, 1.5, &err), TL_ENOTFOUND);
    tl_storage_close(a);
    tl_storage_close(b);
    empty_log();
}
END_TEST

START_TEST(of_two_claims_one_is_told_that_it_came_first)
{
    tl_storage *a = open_fake(0), *b = open_fake(0);
    struct tl_trial_spec waiting = TL_TRIAL_SPEC_INIT;
    int64_t study, id;
    bool mine, theirs;
    waiting.state = TL_WAITING;
    ck_assert_int_eq(tl_storage_create_study(a, "s", minimize, 1, &study, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_create_trial(a, study, &waiting, &id, NULL, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_sync(b, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_set_state(a, id, TL_RUNNING, NULL, 0, &mine, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_set_state(b, id, TL_RUNNING, NULL, 0, &theirs, NULL), TL_OK);
    ck_assert(mine && !theirs);
    tl_storage_close(a);
    tl_storage_close(b);
    empty_log();
}
END_TEST

/* ---- all at once ---- */

enum { HANDLES = 4, THREADS = 3, EACH = 120 };

enum told { TOLD_NOTHING, TOLD_DONE, TOLD_FAILED, TOLD_UNKNOWN };
struct ticket {
    enum told told;
    int64_t id, number;
    bool exact;
};
static struct ticket tickets[HANDLES * THREADS * EACH];
static tl_storage *handles[HANDLES];

struct decision {
    size_t ticket;
    bool exact;
};

static int decide(struct commit *c, const struct state *s, struct tl_err *err)
{
    const struct decision *d = c->ctx;
    struct op_attr *attrs = arena_alloc(&c->arena, 2 * sizeof *attrs);
    char *texts = arena_alloc(&c->arena, 64);
    c->ops = arena_alloc(&c->arena, sizeof *c->ops);
    if (!attrs || !texts || !c->ops) {
        return err_nomem(err);
    }
    int n = snprintf(texts, 32, "%zu", d->ticket), m = snprintf(texts + 32, 32, "%zu", state_study(s, 0)->n_trials);
    attrs[0] = (struct op_attr){STR("ticket"), {texts, (size_t)n}};
    attrs[1] = (struct op_attr){STR("expected"), {texts + 32, (size_t)m}};
    *c->ops = (struct op){.code = OP_CREATE_TRIAL, .start = {1, true, false}, .is_template = true, .user_attrs = attrs,
                          .n_user_attrs = 2};
    c->n_ops = 1;
    return TL_OK;
}

static void *worker(void *ctx)
{
    size_t thread = (size_t)(uintptr_t)ctx;
    tl_storage *st = handles[thread / THREADS];
    for (size_t i = 0; i < EACH; i++) {
        struct decision d = {thread * EACH + i, i % 3 == 0};
        struct commit c = {.decide = decide, .ctx = &d, .exact = d.exact ? EXACT_HEAD : i % 3 == 1 ? EXACT_FRESH : EXACT_NOT};
        struct tl_err err = TL_ERR_INIT;
        int rc = store_commit(st, &c, &err);
        struct ticket *t = &tickets[d.ticket];
        t->exact = d.exact;
        t->told = rc == TL_OK ? TOLD_DONE : rc == TL_EUNKNOWN ? TOLD_UNKNOWN : TOLD_FAILED;
        t->id = rc == TL_OK ? c.applied[0].id : -1;
        commit_release(&c);
    }
    return NULL;
}

static int64_t attr_number(const tl_view *v, int64_t number, const char *key)
{
    const char *json;
    size_t n;
    ck_assert(tl_view_trial_attr(v, number, TL_ATTR_USER, key, &json, &n));
    int64_t value = 0; /* no NUL behind it */
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + (json[i] - '0');
    }
    return value;
}

START_TEST(everything_at_once)
{
    const char *given = getenv("TRIALOG_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 1000 + (uint64_t)_i;
    printf("seed %" PRIu64 "\n", seed);
    pthread_t threads[HANDLES * THREADS];
    size_t seen[TL_COUNT(tickets)] = {0}, unknown = 0;
    memset(tickets, 0, sizeof tickets);
    the_log.conflicts = the_log.lost_before = the_log.lost_after = the_log.landed_late = the_log.repeated = 0;
    tl_storage *quiet = open_fake(0);
    ck_assert_int_eq(tl_storage_create_study(quiet, "s", minimize, 1, NULL, NULL), TL_OK);
    for (size_t i = 0; i < HANDLES; i++) {
        handles[i] = open_fake(seed * 100 + i + 1);
    }
    for (size_t i = 0; i < TL_COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i < TL_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    tl_view *v;
    ck_assert_int_eq(tl_view_open(quiet, 0, true, &v, NULL), TL_OK);
    for (int64_t number = 0; number < (int64_t)tl_view_n_trials(v); number++) {
        int64_t ticket = attr_number(v, number, "ticket");
        seen[ticket]++;
        ck_assert_msg(tickets[ticket].told != TOLD_DONE || tickets[ticket].id == number,
                      "seed %" PRIu64 ": ticket %d is trial %d and was told to be %d", seed, (int)ticket, (int)number,
                      (int)tickets[ticket].id);
        ck_assert(!tickets[ticket].exact || attr_number(v, number, "expected") == number);
    }
    for (size_t i = 0; i < TL_COUNT(tickets); i++) {
        ck_assert_msg(tickets[i].told == TOLD_DONE ? seen[i] == 1 : tickets[i].told == TOLD_UNKNOWN ? seen[i] <= 1 : seen[i] == 0,
                      "seed %" PRIu64 ": ticket %zu was told %d and is there %zu times", seed, i, tickets[i].told, seen[i]);
        unknown += tickets[i].told == TOLD_UNKNOWN;
    }
    ck_assert(the_log.conflicts > 0 && the_log.lost_before > 0 && the_log.lost_after > 0 && the_log.repeated > 0);
    printf("%u conflicts, %u lost before and %u after the write, %u landed late, %u repeated, %zu unknown\n", the_log.conflicts,
           the_log.lost_before, the_log.lost_after, the_log.landed_late, the_log.repeated, unknown);
    tl_view_close(v);
    tl_storage_close(quiet);
    for (size_t i = 0; i < HANDLES; i++) {
        tl_storage_close(handles[i]);
    }
    empty_log();
}
END_TEST

/* ---- writes that wait (defer_ms) ---- */

static atomic_uint unknown_ends; /* of calls */
enum { WAITERS = 4, WAITER_TRIALS = 60, WAITER_ATTRS = 3 };

/* Each trial gets attributes and a parameter that wait, then a report, then its end; what the network refuses is called again. */
static void *waiter(void *ctx)
{
    size_t thread = (size_t)(uintptr_t)ctx;
    tl_storage *st = handles[thread % HANDLES];
    static const struct tl_dist unit = {TL_DIST_FLOAT, false, 0, 1, 0, NULL, 0};
    for (size_t i = 0; i < WAITER_TRIALS; i++) {
        int64_t id = -1;
        struct tl_err err = TL_ERR_INIT;
        if (tl_storage_create_trial(st, 0, NULL, &id, NULL, &err) != TL_OK) {
            unknown_ends++;
            continue;
        }
        for (size_t k = 0; k < WAITER_ATTRS; k++) {
            char key[16], json[32];
            snprintf(key, sizeof key, "k%zu", k);
            snprintf(json, sizeof json, "\"%zu-%zu-%zu\"", thread, i, k);
            ck_assert_msg(tl_storage_set_trial_attr(st, id, TL_ATTR_USER, key, json, &err) == TL_OK, "%s", err.message);
        }
        ck_assert_msg(tl_storage_set_param(st, id, "x", 0.5, &unit, &err) == TL_OK, "%s", err.message);
        int rc = TL_EUNKNOWN;
        if (i % 2) {
            unknown_ends += tl_storage_report(st, id, 0, 1, &err) == TL_EUNKNOWN;
        }
        for (int tries = 0; rc != TL_OK && rc != TL_EFINISHED && tries < 1000; tries++) {
            rc = tl_storage_set_state(st, id, TL_FAIL, NULL, 0, NULL, &err);
            unknown_ends += rc == TL_EUNKNOWN;
        }
        ck_assert_msg(rc == TL_OK || rc == TL_EFINISHED, "%s", err.message);
    }
    return NULL;
}

/* How often the value of an attribute stands in the log. */
static size_t count_lines(const char *json)
{
    size_t n = 0;
    for (size_t i = 0; i < the_log.n; i++) {
        n += strstr(the_log.lines[i], json) != NULL;
    }
    return n;
}

START_TEST(what_waits_comes_before_what_follows)
{
    const char *given = getenv("TRIALOG_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 2000 + (uint64_t)_i;
    printf("seed %" PRIu64 "\n", seed);
    pthread_t threads[WAITERS];
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    size_t finished = 0;
    the_log.lost_before = the_log.lost_after = the_log.repeated = 0;
    tl_storage *quiet = open_fake(0);
    ck_assert_int_eq(tl_storage_create_study(quiet, "s", minimize, 1, NULL, NULL), TL_OK);
    for (size_t i = 0; i < HANDLES; i++) {
        handles[i] = open_waiting(seed * 100 + i + 1, i % 2 ? 1 : 3600000);
    }
    for (size_t i = 0; i < TL_COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, waiter, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i < TL_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < HANDLES; i++) {
        tl_storage_close(handles[i]);
    }
    tl_view *v;
    ck_assert_int_eq(tl_view_open(quiet, 0, true, &v, NULL), TL_OK);
    for (int64_t number = 0; number < (int64_t)tl_view_n_trials(v); number++) {
        ck_assert_int_eq(tl_view_trial(v, number, &t, NULL), TL_OK);
        finished += t.state == TL_FAIL;
        if (t.state != TL_FAIL) { /* its creation ended in nobody knows what */
            continue;
        }
        ck_assert_msg(t.n_attrs == WAITER_ATTRS && t.n_params == 1, "seed %" PRIu64 ": trial %d ended with %zu attributes", seed, (int)number,
                      t.n_attrs);
        for (size_t k = 0; k < t.n_attrs; k++) {
            char json[40];
            snprintf(json, sizeof json, "%.*s", (int)t.attrs[k].json.len, t.attrs[k].json.s);
            ck_assert_msg(count_lines(json) == 1, "seed %" PRIu64 ": %s is there %zu times", seed, json, count_lines(json));
        }
    }
    printf("%zu trials ended, %u requests lost before and %u after the write, %u repeated, %u calls ended unknown\n", finished,
           the_log.lost_before, the_log.lost_after, the_log.repeated, unknown_ends);
    ck_assert(finished > WAITERS * WAITER_TRIALS / 2 && the_log.lost_before > 0 && the_log.lost_after > 0);
    tl_frozen_release(&t);
    tl_view_close(v);
    tl_storage_close(quiet);
    empty_log();
}
END_TEST

/* One trial of one handle, whose writes wait until somebody appends. */
static int64_t begin_trial(int64_t defer_ms)
{
    int64_t id;
    memset(&plan, 0, sizeof plan);
    refused_reads = 0;
    handles[0] = open_waiting(0, defer_ms);
    ck_assert_int_eq(tl_storage_create_study(handles[0], "s", minimize, 1, NULL, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_create_trial(handles[0], 0, NULL, &id, NULL, NULL), TL_OK);
    return id;
}

static void set_attr(int64_t id, const char *json)
{
    struct tl_err err = TL_ERR_INIT;
    ck_assert_msg(tl_storage_set_trial_attr(handles[0], id, TL_ATTR_USER, "k", json, &err) == TL_OK, "%s", err.message);
}

/* The attribute, as a handle shows it; "" when there is none. */
static void attr_of_trial(tl_storage *st, char *out, size_t n)
{
    tl_view *v;
    const char *json = "";
    size_t len = 0;
    ck_assert_int_eq(tl_view_open(st, 0, true, &v, NULL), TL_OK);
    (void)tl_view_trial_attr(v, 0, TL_ATTR_USER, "k", &json, &len);
    snprintf(out, n, "%.*s", (int)len, json);
    tl_view_close(v);
}

static void end_trial(const char *attr)
{
    char got[32];
    tl_storage *quiet;
    tl_storage_close(handles[0]);
    quiet = open_fake(0);
    attr_of_trial(quiet, got, sizeof got);
    ck_assert_str_eq(got, attr);
    tl_storage_close(quiet);
    empty_log();
}

static void *flush_now(void *ctx)
{
    return (void *)(intptr_t)store_flush(ctx, NULL);
}

static void *fail_trial(void *ctx)
{
    return (void *)(intptr_t)tl_storage_set_state(ctx, 0, TL_FAIL, NULL, 0, NULL, NULL);
}

static void wait_for_queue(tl_storage *st)
{
    for (bool some = false; !some; sched_yield()) {
        pthread_mutex_lock(&st->queue_lock);
        some = st->queue != NULL;
        pthread_mutex_unlock(&st->queue_lock);
    }
}

/* What waits is being written, and held; the trial's end queues behind it; then the write goes on. */
static void end_behind_flush(pthread_t *flusher, pthread_t *teller)
{
    ck_assert_int_eq(pthread_create(flusher, NULL, flush_now, handles[0]), 0);
    while (atomic_load(&held) == 0) {
        sched_yield();
    }
    ck_assert_int_eq(pthread_create(teller, NULL, fail_trial, handles[0]), 0);
    wait_for_queue(handles[0]);
    set_plan(&plan.hold, false);
}

START_TEST(a_state_never_overtakes_what_waits_for_it)
{
    pthread_t flusher, teller;
    void *flushed, *told;
    int64_t id = begin_trial(3600000);
    set_attr(id, "1");
    set_plan(&plan.hold, true);
    plan.append = _i ? LANDS_UNSEEN : REFUSED;
    end_behind_flush(&flusher, &teller);
    pthread_join(flusher, &flushed);
    set_plan(&plan.away, false);
    pthread_join(teller, &told);
    ck_assert_int_ne((int)(intptr_t)flushed, TL_OK);
    if (told != (void *)TL_OK) { /* what came before it was not known to be written */
        ck_assert_int_eq(tl_storage_set_state(handles[0], id, TL_FAIL, NULL, 0, NULL, NULL), TL_OK);
    }
    ck_assert_uint_eq(count_lines("\"k\""), 1);
    end_trial("1");
}
END_TEST

START_TEST(the_last_of_two_values_counts_after_an_unknown_end)
{
    int64_t id = begin_trial(3600000);
    set_attr(id, "1");
    set_attr(id, "2");
    plan.append = LANDS_UNSEEN;
    ck_assert_int_eq(store_flush(handles[0], NULL), TL_EUNKNOWN);
    plan.away = false;
    ck_assert_int_eq(store_flush(handles[0], NULL), TL_OK);
    ck_assert_uint_eq(count_lines("\"k\""), 2);
    end_trial("2");
}
END_TEST

START_TEST(what_waits_for_a_deleted_study_is_dropped)
{
    int64_t id = begin_trial(3600000);
    set_attr(id, "1");
    plan.append = GONE;
    ck_assert_int_eq(store_flush(handles[0], NULL), TL_ENOTFOUND);
    ck_assert_uint_eq(handles[0]->deferral.n, 0);
    end_trial("");
}
END_TEST

/* The log was put back to what it was before the trial, and another worker's trial has its id now. */
START_TEST(what_waits_is_not_written_to_a_trial_of_another)
{
    int64_t id = begin_trial(3600000), other;
    set_attr(id, "1");
    empty_log();
    tl_storage *quiet = open_fake(0);
    ck_assert_int_eq(tl_storage_create_study(quiet, "s", minimize, 1, NULL, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_create_trial(quiet, 0, NULL, &other, NULL, NULL), TL_OK);
    ck_assert_int_eq(other, id);
    pthread_mutex_lock(&handles[0]->state_lock);
    handles[0]->stale = true;
    pthread_mutex_unlock(&handles[0]->state_lock);
    ck_assert_int_eq(store_flush(handles[0], NULL), TL_OK);
    ck_assert_uint_eq(handles[0]->deferral.n, 0);
    tl_storage_close(quiet);
    end_trial("");
}
END_TEST

/* The state of a trial is written behind its parameter, in the next group, by another thread; that one must hear of the parameter. */
START_TEST(who_comes_behind_is_told_what_was_refused)
{
    static const struct tl_dist unit = {TL_DIST_FLOAT, false, 0, 1, 0, NULL, 0}, count = {TL_DIST_INT, false, 0, 9, 1, NULL, 0};
    pthread_t flusher, teller;
    void *flushed, *told;
    int64_t id = begin_trial(3600000), other;
    tl_storage *quiet = open_fake(0);
    ck_assert_int_eq(tl_storage_create_trial(quiet, 0, NULL, &other, NULL, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_set_param(quiet, other, "x", 0.5, &unit, NULL), TL_OK);
    ck_assert_int_eq(tl_storage_set_param(handles[0], id, "x", 5, &count, NULL), TL_OK);
    set_plan(&plan.hold, true);
    set_plan(&plan.hold_flush, true);
    end_behind_flush(&flusher, &teller);
    pthread_join(teller, &told);
    set_plan(&plan.hold_flush, false);
    pthread_join(flusher, &flushed);
    ck_assert_int_eq((int)(intptr_t)told, TL_EINCOMPATIBLE);
    tl_storage_close(quiet);
    end_trial("");
}
END_TEST

static void *set_large(void *ctx)
{
    static char json[70000];
    memset(json, '1', sizeof json - 1);
    json[0] = json[sizeof json - 2] = '"';
    return (void *)(intptr_t)tl_storage_set_trial_attr(ctx, 0, TL_ATTR_USER, "k", json, NULL);
}

START_TEST(what_is_written_hides_nothing_newer)
{
    pthread_t flusher;
    void *flushed;
    char got[16];
    int64_t id = begin_trial(3600000);
    set_attr(id, "2");
    plan.hold_flush = true;
    ck_assert_int_eq(pthread_create(&flusher, NULL, flush_now, handles[0]), 0);
    while (atomic_load(&held_flush) == 0) { /* it is in the log, and its writer is not back yet */
        sched_yield();
    }
    ck_assert_ptr_eq(set_large(handles[0]), (void *)TL_OK);
    attr_of_trial(handles[0], got, sizeof got);
    ck_assert_str_eq(got, "\"11111111111111");
    set_plan(&plan.hold_flush, false);
    pthread_join(flusher, &flushed);
    ck_assert_ptr_eq(flushed, (void *)TL_OK);
    tl_storage_close(handles[0]);
    empty_log();
}
END_TEST

START_TEST(the_thread_tries_again_when_it_could_not_begin)
{
    int64_t id = begin_trial(300);
    set_attr(id, "1");
    set_plan(&plan.away, true);
    pthread_mutex_lock(&handles[0]->state_lock);
    handles[0]->stale = true; /* so the state must be read anew, which fails */
    pthread_mutex_unlock(&handles[0]->state_lock);
    while (atomic_load(&refused_reads) == 0) {
        sched_yield();
    }
    set_plan(&plan.away, false);
    for (bool written = false; !written; sched_yield()) {
        pthread_mutex_lock(&the_log.mutex);
        written = count_lines("\"k\"") == 1;
        pthread_mutex_unlock(&the_log.mutex);
    }
    end_trial("1");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("optimistic");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, decisions_are_not_made_on_old_news);
    tcase_add_test(t, of_two_claims_one_is_told_that_it_came_first);
    tcase_add_loop_test(t, everything_at_once, 0, 5);
    tcase_add_loop_test(t, a_state_never_overtakes_what_waits_for_it, 0, 2);
    tcase_add_test(t, the_last_of_two_values_counts_after_an_unknown_end);
    tcase_add_test(t, what_waits_for_a_deleted_study_is_dropped);
    tcase_add_test(t, what_waits_is_not_written_to_a_trial_of_another);
    tcase_add_test(t, who_comes_behind_is_told_what_was_refused);
    tcase_add_test(t, what_is_written_hides_nothing_newer);
    tcase_add_test(t, the_thread_tries_again_when_it_could_not_begin);
    tcase_add_loop_test(t, what_waits_comes_before_what_follows, 0, 3);
    return check_run("optimistic", t);
}
