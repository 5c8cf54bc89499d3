/* SPDX-License-Identifier: MIT
 *
 * A client that does a bit of everything to one study and writes down when each call began and ended and what it said (history.h).
 * linear.py compares that with the journal.
 *
 *   history_worker PATH FOLDER COUNT KIND SEED    COUNT calls per client; KIND is one, threads (two on one handle) or fork (a child
 *                                                 goes on with its parent's handle, again and again)
 *   history_worker PATH FOLDER COUNT claim THREADS FORKS    claims until nothing waits or runs: COUNT calls at most
 *   history_worker PATH FOLDER COUNT fill 0                 enqueues COUNT trials
 *
 * STORM_AT=POINT:N in the environment: it kills itself when it gets to that point (storm_hooks.h) for the N-th time.
 * The logs are FOLDER/PID.CLIENT. Ends with 0 when no call failed in a way that it should not.
 */
#include "history.h"
#include "storm_hooks.h"

#include <trialog/trialog.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STUDY "history"
#define POOL 400 /* different x of those that are enqueued only if absent */

static const char *path, *folder;
static long count;
static tl_storage *storage;
static tl_study *study;

struct client {
    struct history_head *head;
    struct record *next, *end;
    unsigned rng;
    tl_trial *trial; /* being run */
    int64_t number, step, seen; /* seen: trials of the last view */
    uint64_t enqueued;
    struct tl_err err;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what, const struct tl_err *err)
{
    fprintf(stderr, "history_worker: %s: %s: %s\n", what, err ? tl_code_name(err->code) : "", err ? err->message : "");
    _exit(3);
}

static unsigned below(struct client *c, unsigned n)
{
    return (unsigned)rand_r(&c->rng) / 7 % n;
}

/* ---- the log ---- */

static void open_log(struct client *c, int index, unsigned seed)
{
    char name[600];
    size_t size = sizeof(struct history_head) + (size_t)count * sizeof(struct record);
    memset(c, 0, sizeof *c);
    c->rng = seed ^ (unsigned)getpid() * 2654435761u ^ (unsigned)index * 40503u;
    snprintf(name, sizeof name, "%s/%d.%d", folder, (int)getpid(), index);
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        die(name, NULL);
    }
    c->head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (c->head == MAP_FAILED) {
        die("mmap", NULL);
    }
    if (tl_storage_sync(storage, &c->err) != 0) { /* a forked child gets its own worker id here */
        die("sync", &c->err);
    }
    tl_storage_worker_id(storage, c->head->worker);
    c->head->capacity = (uint64_t)count;
    memcpy(c->head->magic, "HISTORY", 8);
    c->next = (struct record *)(c->head + 1);
    c->end = c->next + count;
}

static struct record *begin(struct client *c, enum event event, int64_t number)
{
    struct record *r = c->next;
    r->number = number;
    r->seq = -1;
    return r->event = (int32_t)event, r;
}

/* Between what goes into the record before the call and the call. */
static void invoke(struct record *r)
{
    atomic_signal_fence(memory_order_seq_cst);
    r->begun_ns = now_ns();
    atomic_signal_fence(memory_order_seq_cst);
}

static void returned(struct client *c, struct record *r, int code)
{
    int64_t now = now_ns();
    r->code = code;
    atomic_signal_fence(memory_order_seq_cst);
    r->ended_ns = now;
    atomic_signal_fence(memory_order_seq_cst);
    c->next++;
}

/* ---- the calls ---- */

static void drop(struct client *c)
{
    tl_trial_free(c->trial);
    c->trial = NULL;
}

static int call_ask(struct client *c)
{
    static const struct tl_dist x = TL_FLOAT_RANGE(0, 1e9);
    struct tl_param_spec space = {"x", 0, &x};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct record *r = begin(c, EVENT_ASK, -1);
    int64_t budget = c->seen - 3 + (int64_t)below(c, 40);
    if (below(c, 3) == 0 && budget > 0) {
        o.budget = (uint64_t)budget;
        o.refund_failed = below(c, 4) == 0;
    }
    if (below(c, 2) == 0) {
        o.space = &space;
        o.n_space = 1;
    }
    r->a = (int64_t)o.budget;
    r->b = o.refund_failed;
    r->c = -1;
    invoke(r);
    int rc = tl_study_ask(study, &o, &c->trial, &c->err);
    if (rc == TL_OK) {
        c->number = r->number = tl_trial_number(c->trial);
        c->step = 0;
        if (o.n_space) {
            tl_trial_param(c->trial, "x", &r->c);
        }
    }
    returned(c, r, rc);
    return rc == TL_EEXHAUSTED ? TL_OK : rc;
}

static int call_enqueue(struct client *c)
{
    struct record *r = begin(c, EVENT_ENQUEUE, -1);
    bool only_if_absent = below(c, 2) == 0;
    double x = only_if_absent ? 1 + below(c, POOL) : 1e3 + (double)getpid() * 1e4 + (double)c->enqueued++;
    struct tl_fixed_param fixed = {"x", {.kind = TL_VALUE_FLOAT, .as.f = x}};
    r->b = only_if_absent;
    r->c = x;
    invoke(r);
    int rc = tl_study_enqueue(study, &fixed, 1, NULL, 0, only_if_absent, &r->number, &c->err);
    returned(c, r, rc);
    return rc;
}

static int call_report(struct client *c)
{
    struct record *r = begin(c, EVENT_REPORT, c->number);
    r->a = c->step++;
    r->c = (double)below(c, 1000);
    invoke(r);
    int rc = tl_trial_report(c->trial, r->a, r->c, &c->err);
    returned(c, r, rc);
    if (rc == TL_EFINISHED) { /* somebody else has ended it */
        drop(c);
        return TL_OK;
    }
    return rc;
}

static int call_attr(struct client *c)
{
    struct record *r = begin(c, EVENT_ATTR, c->number);
    char key[32];
    r->a = c->step++;
    snprintf(key, sizeof key, "k%ld", (long)r->a);
    invoke(r);
    int rc = tl_trial_set_attr(c->trial, TL_ATTR_USER, key, "1", &c->err);
    returned(c, r, rc);
    if (rc == TL_EFINISHED) {
        drop(c);
        return TL_OK;
    }
    return rc;
}

static int call_tell(struct client *c, bool by_number)
{
    struct record *r = begin(c, EVENT_TELL, by_number ? c->seen - 1 - (int64_t)below(c, 30) : c->number);
    enum tl_state final = TL_RUNNING, state = below(c, 6) == 0 ? TL_FAIL : below(c, 6) == 0 ? TL_PRUNED : TL_COMPLETE;
    double value = (double)below(c, 1000000) / 8;
    if (r->number < 0) {
        r->event = EVENT_NONE;
        return TL_OK;
    }
    r->a = state;
    r->b = by_number;
    r->c = value;
    const double *values = state == TL_COMPLETE ? &value : NULL;
    invoke(r);
    int rc = by_number ? tl_study_tell_number(study, r->number, state, values, values != NULL, false, &final, &c->err)
                       : tl_study_tell(study, c->trial, state, values, values != NULL, &final, &c->err);
    r->d = final;
    returned(c, r, rc);
    if (!by_number && rc == TL_OK) {
        c->trial = NULL;
    } else if (!by_number && rc == TL_EFINISHED) {
        drop(c);
    }
    return rc == TL_EFINISHED || (by_number && (rc == TL_EINVAL || rc == TL_ENOTFOUND)) ? TL_OK : rc;
}

static int call_read(struct client *c)
{
    struct record *r = begin(c, EVENT_READ, -1);
    tl_view *view;
    struct tl_frozen_trial best = TL_FROZEN_TRIAL_INIT;
    invoke(r);
    int rc = tl_study_view(study, &view, &c->err);
    if (rc == TL_OK) {
        r->seq = (int64_t)tl_view_seq(view);
        r->a = c->seen = (int64_t)tl_view_n_trials(view);
        r->b = (int64_t)tl_view_count(view, TL_COMPLETE);
        r->d = (int64_t)tl_view_count(view, TL_RUNNING);
        r->e = (int64_t)tl_view_count(view, TL_WAITING);
        r->number = tl_view_best(view);
        if (r->number >= 0 && (rc = tl_view_trial(view, r->number, &best, &c->err)) == TL_OK) {
            r->c = best.values[0];
        }
        tl_view_close(view);
        tl_frozen_release(&best);
    }
    returned(c, r, rc);
    return rc;
}

static int call_best(struct client *c)
{
    struct record *r = begin(c, EVENT_BEST, -1);
    invoke(r);
    int rc = tl_study_best(study, &r->number, &r->c, &c->err);
    returned(c, r, rc);
    return rc == TL_ENOTFOUND ? TL_OK : rc;
}

static int call_look(struct client *c)
{
    struct record *r = begin(c, EVENT_LOOK, c->seen - 1 - (int64_t)below(c, 30));
    struct tl_report last = {-1, 0};
    tl_view *view;
    if (r->number < 0) {
        r->event = EVENT_NONE;
        return TL_OK;
    }
    invoke(r);
    int rc = tl_study_view(study, &view, &c->err);
    if (rc == TL_OK) {
        r->seq = (int64_t)tl_view_seq(view);
        r->a = tl_view_trial_state(view, r->number);
        tl_view_last_report(view, r->number, &last);
        r->b = last.step;
        r->c = last.value;
        tl_view_close(view);
    }
    returned(c, r, rc);
    return rc;
}

static int one_call(struct client *c)
{
    unsigned dice = below(c, 100);
    if (dice < 6) {
        return call_read(c);
    }
    if (dice < 12) {
        return call_best(c);
    }
    if (dice < 18) {
        return call_look(c);
    }
    if (dice < 22) {
        return call_tell(c, true);
    }
    if (dice < 40) {
        return call_enqueue(c);
    }
    if (!c->trial) {
        return call_ask(c);
    }
    return dice < 62 ? call_report(c) : dice < 72 ? call_attr(c) : call_tell(c, false);
}

/* ---- clients ---- */

static void *run_client(void *ctx)
{
    struct client *c = ctx;
    while (c->next < c->end) {
        int rc = one_call(c);
        if (rc != TL_OK && rc != TL_EUNKNOWN) {
            die("a call failed", &c->err);
        }
    }
    drop(c);
    return NULL;
}

/* Does anything wait or run? Looks after leases, too. */
static bool anything_left(struct client *c)
{
    tl_view *view = NULL;
    if (tl_storage_wait(storage, 100, &c->err) != TL_OK || tl_study_view(study, &view, &c->err) != TL_OK) {
        die("wait", &c->err);
    }
    bool left = tl_view_count(view, TL_WAITING) + tl_view_count(view, TL_RUNNING) > 0;
    tl_view_close(view);
    return left;
}

/* Takes what is queued, and ends it, until nothing waits or runs. */
static void *run_claimer(void *ctx)
{
    struct client *c = ctx;
    while (c->next < c->end) {
        struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
        double value = 1;
        struct record *r = begin(c, EVENT_ASK, -1);
        invoke(r);
        int rc = tl_study_ask(study, &o, &c->trial, &c->err);
        r->number = rc == TL_OK ? tl_trial_number(c->trial) : -1;
        returned(c, r, rc);
        if (rc == TL_OK) {
            rc = tl_study_tell(study, c->trial, TL_COMPLETE, &value, 1, NULL, &c->err);
        } else if (rc == TL_EEXHAUSTED) {
            c->next--; /* the next claim takes its place */
            if (!anything_left(c)) {
                c->next->event = EVENT_NONE;
                break;
            }
            continue;
        }
        if (rc == TL_EFINISHED) { /* it took us so long that the trial counts as lost */
            tl_trial_free(c->trial);
        } else if (rc != TL_OK) {
            die("a claim failed", &c->err);
        }
    }
    return NULL;
}

static void fill(void)
{
    struct tl_err err = TL_ERR_INIT;
    for (long i = 0; i < count; i++) {
        struct tl_fixed_param x = {"x", {.kind = TL_VALUE_INT, .as.i = i}};
        if (tl_study_enqueue(study, &x, 1, NULL, 0, false, NULL, &err) != TL_OK) {
            die("enqueue", &err);
        }
    }
}

static void run_threads(int n, unsigned seed, void *(*work)(void *))
{
    struct client clients[64];
    pthread_t threads[64];
    if (n > 64) {
        die("too many threads", NULL);
    }
    for (int i = 0; i < n; i++) {
        open_log(&clients[i], i, seed);
    }
    for (int i = 1; i < n; i++) {
        if (pthread_create(&threads[i], NULL, work, &clients[i]) != 0) {
            die("pthread_create", NULL);
        }
    }
    work(&clients[0]);
    for (int i = 1; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Parent and child go on with one handle; four generations, two processes at a time. */
static int run_forks(unsigned seed)
{
    count /= 4;
    for (int generation = 0; generation < 4; generation++) {
        struct client c;
        int status = 0;
        pid_t child = fork();
        if (child < 0) {
            die("fork", NULL);
        }
        open_log(&c, generation, seed + (unsigned)generation);
        run_client(&c);
        if (child == 0) {
            _exit(0);
        }
        if (waitpid(child, &status, 0) != child || status != 0) {
            die("a child failed", NULL);
        }
    }
    return 0;
}

static int nothing_new(void *self, const struct tl_sample_context *c,
                       int (*fix)(void *ctx, const char *name, const struct tl_value *value),
                       int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    (void)self, (void)c, (void)fix, (void)attr, (void)ctx, (void)err;
    return TL_EEXHAUSTED;
}

static int never(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist, double *internal,
                 struct tl_err *err)
{
    (void)self, (void)c, (void)name, (void)dist, (void)internal, (void)err;
    return TL_EINVAL;
}

static void open_study(bool claims)
{
    static const struct tl_sampler_ops queue = {.size = sizeof queue, .name = "queue", .independent = never, .claim = nothing_new};
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_study_options so = TL_STUDY_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_sampler *sampler = NULL;
    o.durability = TL_DURABILITY_OFF;
    o.lease_ms = -1; /* whoever dies leaves its trials as they are */
    so.load_if_exists = true;
    if (!claims) {
        tl_sampler_random(1, &sampler, &err);
    } else {
        o.lease_ms = 2000;
        o.retry_lost = 1000;
        tl_sampler_new(&queue, NULL, &sampler, &err);
    }
    so.sampler = sampler;
    if (tl_storage_open(path, &o, &storage, &err) != 0 || tl_study_create(storage, STUDY, &so, &study, &err) != 0) {
        die("open", &err);
    }
}

/* STORM_AT=POINT:N in the environment: kills itself there. */
static void arm(void)
{
    char point[32] = "";
    const char *at = getenv("STORM_AT");
    long nth = 1;
    if (at && (sscanf(at, "%31[^:]:%ld", point, &nth) != 2 || !storm_arm(point, SIGKILL, nth))) {
        die("STORM_AT", NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: history_worker PATH FOLDER COUNT KIND …, see history_worker.c\n");
        return 2;
    }
    path = argv[1];
    folder = argv[2];
    count = strtol(argv[3], NULL, 10);
    bool claims = strcmp(argv[4], "claim") == 0;
    unsigned number = (unsigned)strtoul(argv[5], NULL, 10);
    arm();
    open_study(claims);
    if (strcmp(argv[4], "fill") == 0) {
        fill();
        return 0;
    }
    if (claims) {
        long forks = argc > 6 ? strtol(argv[6], NULL, 10) : 0;
        while (forks-- > 0) {
            pid_t child = fork();
            if (child <= 0) { /* children fork no more, and wait for nobody */
                forks = 0;
            }
        }
        run_threads((int)number, 0, run_claimer);
        while (wait(NULL) > 0) {
        }
        return 0;
    }
    if (strcmp(argv[4], "fork") == 0) {
        return run_forks(number);
    }
    run_threads(strcmp(argv[4], "threads") == 0 ? 2 : 1, number, run_client);
    return 0;
}
