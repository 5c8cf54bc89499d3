/* SPDX-License-Identifier: MIT
 *
 * A worker of one study, for exactly_once.py and same_tables.py: asks, runs a small objective and tells until nothing is left.
 *
 *   once_worker fill PATH N                       a study with N queued trials, x = 0 … N-1
 *   once_worker run PATH SAMPLER [option=value]…  works; SAMPLER is random, grid or queue (nothing but what is queued)
 *
 * Options: side=N (the grid has N x N cells), budget=N, refund=1, threads=N, define=1 (asks with the space instead of suggesting),
 * fail=PERCENT (of the objectives, at random; of the queue: each x with x % 20 == 7), work_us=N (the objective lasts up to that
 * long), seed=N, lease_ms=N, retry_lost=N, durability=full|relaxed|off; at=POINT nth=N: kills itself there (storm_hooks.h). Ends
 * with 0 when nothing is left and no trial runs anywhere.
 */
#include <trialog/trialog.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storm_hooks.h"

#define STUDY "once"
#define SIDE_MAX 1000

static struct {
    const char *path, *sampler;
    size_t side;
    uint64_t budget, seed;
    bool refund, define;
    unsigned threads;
    const char *point;
    long nth;
    long fail, work_us;
    struct tl_storage_options storage;
} set = {.side = 100, .seed = 1, .threads = 1, .nth = 1};

static tl_study *study;

static int failed(const char *what, const struct tl_err *err)
{
    fprintf(stderr, "once_worker: %s: %s: %s\n", what, tl_code_name(err->code), err->message);
    return 1;
}

static bool set_option(const char *name, const char *value)
{
    long number = strtol(value, NULL, 10);
    if (strcmp(name, "side") == 0) {
        set.side = (size_t)number;
    } else if (strcmp(name, "budget") == 0) {
        set.budget = (uint64_t)number;
    } else if (strcmp(name, "seed") == 0) {
        set.seed = (uint64_t)number;
    } else if (strcmp(name, "refund") == 0) {
        set.refund = number != 0;
    } else if (strcmp(name, "define") == 0) {
        set.define = number != 0;
    } else if (strcmp(name, "threads") == 0) {
        set.threads = (unsigned)number;
    } else if (strcmp(name, "fail") == 0) {
        set.fail = number;
    } else if (strcmp(name, "work_us") == 0) {
        set.work_us = number;
    } else if (strcmp(name, "at") == 0) {
        set.point = value;
    } else if (strcmp(name, "nth") == 0) {
        set.nth = number;
    } else if (strcmp(name, "lease_ms") == 0) {
        set.storage.lease_ms = number;
    } else if (strcmp(name, "retry_lost") == 0) {
        set.storage.retry_lost = (unsigned)number;
    } else if (strcmp(name, "durability") == 0) {
        set.storage.durability = strcmp(value, "full") == 0      ? TL_DURABILITY_FULL
                                 : strcmp(value, "relaxed") == 0 ? TL_DURABILITY_RELAXED
                                                                 : TL_DURABILITY_OFF;
    } else {
        return false;
    }
    return set.side >= 1 && set.side <= SIDE_MAX && set.threads >= 1;
}

/* ---- the samplers ---- */

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

static int make_sampler(tl_sampler **out, struct tl_err *err)
{
    static struct tl_value values[SIDE_MAX];
    if (strcmp(set.sampler, "random") == 0) {
        return tl_sampler_random(set.seed, out, err);
    }
    if (strcmp(set.sampler, "queue") == 0) {
        static const struct tl_sampler_ops ops = {.size = sizeof ops, .name = "queue", .independent = never, .claim = nothing_new};
        return tl_sampler_new(&ops, NULL, out, err);
    }
    for (size_t i = 0; i < set.side; i++) {
        values[i] = (struct tl_value){.kind = TL_VALUE_INT, .as.i = (int64_t)i};
    }
    struct tl_grid_axis axes[] = {{"a", values, set.side}, {"b", values, set.side}};
    struct tl_grid_options o = TL_GRID_OPTIONS_INIT;
    o.seed = set.seed;
    return tl_sampler_grid(axes, 2, &o, out, err);
}

/* ---- the objective ---- */

static long random_below(long n)
{
    static _Thread_local unsigned state;
    if (!state) {
        state = (unsigned)getpid() * 2654435761u ^ (unsigned)time(NULL) ^ (unsigned)(uintptr_t)&state;
    }
    return n > 0 ? (long)(rand_r(&state) % (unsigned)n) : 0;
}

static int work(double a, double b, bool queued, double *value)
{
    if (set.work_us > 0) {
        usleep((useconds_t)random_below(set.work_us));
    }
    *value = a * 1000 + b;
    return set.fail && (queued ? (int64_t)a % 20 == 7 : random_below(100) < set.fail) ? -1 : 0;
}

static int objective(tl_trial *t, double *values, void *ctx)
{
    struct tl_err err = TL_ERR_INIT;
    int64_t a = 0;
    double b = 0;
    bool queued = strcmp(set.sampler, "queue") == 0;
    (void)ctx;
    int rc = tl_trial_suggest_int(t, queued ? "x" : "a", 0, queued ? 1000000 : SIDE_MAX, 1, false, &a, &err);
    if (rc == TL_OK && !queued) {
        rc = tl_trial_suggest_float(t, "b", 0, SIDE_MAX, 0, false, &b, &err);
    }
    if (rc != TL_OK) {
        failed("suggest", &err);
        _exit(3);
    }
    return work((double)a, b, queued, values);
}

/* ---- asking with the space ---- */

static void *define_and_run(void *rc_out)
{
    static const struct tl_dist a = TL_INT_RANGE(0, SIDE_MAX), b = TL_FLOAT_RANGE(0, SIDE_MAX);
    struct tl_param_spec space[] = {{"a", 0, &a}, {"b", 0, &b}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    int *out = rc_out, rc;
    o.space = space;
    o.n_space = 2;
    o.budget = set.budget;
    o.refund_failed = set.refund;
    do {
        tl_trial *t;
        double x = 0, y = 0, value;
        rc = tl_study_ask(study, &o, &t, &err);
        if (rc == TL_OK) {
            tl_trial_param(t, "a", &x);
            tl_trial_param(t, "b", &y);
            bool fails = work(x, y, false, &value) != 0;
            rc = tl_study_tell(study, t, fails ? TL_FAIL : TL_COMPLETE, fails ? NULL : &value, !fails, NULL, &err);
        }
    } while (rc == TL_OK);
    *out = rc == TL_EEXHAUSTED ? 0 : failed("define", &err);
    return NULL;
}

static int define_in_threads(void)
{
    pthread_t threads[64];
    int codes[64] = {0}, bad = 0;
    if (set.threads > 64) {
        return 2;
    }
    for (unsigned i = 0; i < set.threads; i++) {
        bad |= pthread_create(&threads[i], NULL, define_and_run, &codes[i]);
    }
    for (unsigned i = 0; i < set.threads; i++) {
        pthread_join(threads[i], NULL);
        bad |= codes[i];
    }
    return bad;
}

/* ---- the programs ---- */

static int open_all(tl_storage **storage, tl_sampler *sampler, struct tl_err *err)
{
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    o.load_if_exists = true;
    o.sampler = sampler;
    int rc = tl_storage_open(set.path, &set.storage, storage, err);
    return rc == TL_OK ? tl_study_create(*storage, STUDY, &o, &study, err) : rc;
}

static int run(void)
{
    if (set.point && !storm_arm(set.point, SIGKILL, set.nth)) {
        return 2;
    }
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_storage *storage = NULL;
    tl_sampler *sampler = NULL;
    int rc = make_sampler(&sampler, &err);
    if (rc == TL_OK) {
        rc = open_all(&storage, sampler, &err);
    }
    if (rc != TL_OK) {
        return failed("open", &err);
    }
    if (set.define) {
        rc = define_in_threads();
    } else {
        o.budget = set.budget;
        o.refund_failed = set.refund;
        o.n_threads = set.threads;
        o.wait = true;
        rc = tl_study_optimize(study, objective, NULL, &o, &err);
        rc = rc == TL_OK ? 0 : failed("optimize", &err);
    }
    tl_study_free(study);
    tl_storage_close(storage);
    tl_sampler_free(sampler);
    return rc;
}

static int fill(long n)
{
    struct tl_err err = TL_ERR_INIT;
    tl_storage *storage;
    int rc = open_all(&storage, NULL, &err);
    for (long i = 0; rc == TL_OK && i < n; i++) {
        struct tl_fixed_param x = {"x", {.kind = TL_VALUE_INT, .as.i = i}};
        rc = tl_study_enqueue(study, &x, 1, NULL, 0, false, NULL, &err);
    }
    if (rc != TL_OK) {
        return failed("fill", &err);
    }
    tl_study_free(study);
    tl_storage_close(storage);
    return 0;
}

int main(int argc, char **argv)
{
    set.storage = (struct tl_storage_options)TL_STORAGE_OPTIONS_INIT;
    set.storage.durability = TL_DURABILITY_OFF;
    if (argc >= 4) {
        set.path = argv[2];
        set.sampler = argv[3];
    }
    for (int i = 4; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals) {
            return 2;
        }
        *equals = 0;
        if (!set_option(argv[i], equals + 1)) {
            return 2;
        }
    }
    if (argc >= 4 && strcmp(argv[1], "fill") == 0) {
        return fill(strtol(argv[3], NULL, 10));
    }
    if (argc >= 4 && strcmp(argv[1], "run") == 0) {
        return run();
    }
    fprintf(stderr, "usage: once_worker fill|run PATH …, see once_worker.c\n");
    return 2;
}
