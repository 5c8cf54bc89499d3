/* SPDX-License-Identifier: MIT
 *
 * engine/optimize.c: when the loop ends, and what it leaves behind.
 */
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/os.h"
#include "support/one_study.h"

struct seen {
    atomic_int calls, running, most;
    int callbacks, inside, failed, stop_at, by_state[TL_N_STATES];
    double sum;
};

static int parabola(tl_trial *t, double *values, void *ctx)
{
    struct seen *seen = ctx;
    double x;
    atomic_fetch_add(&seen->calls, 1);
    if (tl_trial_suggest_float(t, "x", -1, 1, 0, false, &x, NULL) != 0) {
        return -1;
    }
    values[0] = x * x;
    return 0;
}

static int on_trial(tl_study *s, int64_t number, enum tl_state state, const double *values, size_t n, void *ctx)
{
    struct seen *seen = ctx;
    (void)s, (void)number;
    seen->failed += seen->inside++ != 0; /* one at a time */
    seen->callbacks++;
    seen->by_state[state]++;
    seen->failed += (state == TL_COMPLETE) != (n == 1 && values != NULL);
    seen->sum += n ? values[0] : 0;
    seen->inside--;
    return seen->stop_at && seen->callbacks >= seen->stop_at;
}

START_TEST(n_trials_in_threads)
{
    struct seen seen = {0};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    double best;
    start(_i);
    o.callback = on_trial;
    o.callback_ctx = &seen;
    for (unsigned threads = 0; threads <= 8; threads += threads ? threads : 1) { /* 0, 1, 2, 4, 8 */
        o.n_threads = threads;
        o.n_trials = 25;
        OK(tl_study_optimize(study, parabola, &seen, &o, err));
    }
    ck_assert_int_eq(atomic_load(&seen.calls), 125);
    ck_assert_int_eq(seen.callbacks, 125);
    ck_assert_int_eq(seen.failed, 0);
    ck_assert_uint_eq(count(TL_COMPLETE), 125);
    OK(tl_study_best(study, NULL, &best, err));
    ck_assert(best < 0.01);
    stop();
}
END_TEST

static int odd(tl_trial *t, double *values, void *ctx)
{
    (void)ctx;
    switch (tl_trial_number(t) % 6) {
    case 0: values[0] = 1; return 0;
    case 1: values[0] = NAN; return 0;
    case 2: return tl_trial_report(t, 0, 3, NULL) == 0 ? TL_PRUNE : -1;
    case 3: return -1;
    case 4: return 17;
    default: return 0; /* forgot its value */
    }
}

START_TEST(outcomes)
{
    struct seen seen = {0};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    start(_i);
    o.n_trials = 12;
    o.callback = on_trial;
    o.callback_ctx = &seen;
    OK(tl_study_optimize(study, odd, NULL, &o, err));
    ck_assert_uint_eq(count(TL_COMPLETE), 2);
    ck_assert_uint_eq(count(TL_PRUNED), 2);
    ck_assert_uint_eq(count(TL_FAIL), 8);
    ck_assert_uint_eq(count(TL_RUNNING), 0);
    ck_assert_int_eq(seen.by_state[TL_COMPLETE], 2);
    ck_assert_int_eq(seen.by_state[TL_FAIL], 8);
    ck_assert_int_eq(seen.failed, 0);
    FAILS(TL_EINVAL, "objective", tl_study_optimize(study, NULL, NULL, &o, err));
    o.size = 1;
    FAILS(TL_EINVAL, "INIT", tl_study_optimize(study, odd, NULL, &o, err));
    stop();
}
END_TEST

START_TEST(budget_over_calls)
{
    struct seen seen = {0};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    start(_i);
    o.budget = 12;
    o.n_trials = 5;
    o.n_threads = 3;
    OK(tl_study_optimize(study, parabola, &seen, &o, err));
    ck_assert_int_eq(atomic_load(&seen.calls), 5);
    o.n_trials = 0;
    OK(tl_study_optimize(study, parabola, &seen, &o, err));
    ck_assert_int_eq(atomic_load(&seen.calls), 12);
    OK(tl_study_optimize(study, parabola, &seen, &o, err)); /* used up: nothing happens */
    ck_assert_int_eq(atomic_load(&seen.calls), 12);
    o.budget = 20;
    o.refund_failed = true;
    OK(tl_study_optimize(study, odd, NULL, &o, err));
    ck_assert_uint_eq(count(TL_COMPLETE) + count(TL_PRUNED), 20);
    ck_assert_uint_eq(count(TL_FAIL), 13); /* four of six fail: numbers 12 to 32 hold 8 good ones */
    stop();
}
END_TEST

/* ---- stopping ---- */

static int stopper(tl_trial *t, double *values, void *ctx)
{
    int rc = parabola(t, values, ctx);
    if (tl_trial_number(t) == 4) {
        tl_study_stop(study);
    }
    return rc;
}

static void on_signal(int sig)
{
    (void)sig;
    tl_study_stop(study);
}

static int raiser(tl_trial *t, double *values, void *ctx)
{
    if (tl_trial_number(t) == 9) {
        raise(SIGUSR1);
    }
    return parabola(t, values, ctx);
}

START_TEST(stops)
{
    struct seen seen = {0};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    start(_i);
    o.n_trials = 1000;
    OK(tl_study_optimize(study, stopper, &seen, &o, err)); /* from the objective */
    ck_assert_uint_eq(count(TL_COMPLETE), 5);
    seen.stop_at = 2;
    o.callback = on_trial;
    o.callback_ctx = &seen;
    OK(tl_study_optimize(study, parabola, &seen, &o, err)); /* from the callback */
    ck_assert_uint_eq(count(TL_COMPLETE), 7);
    seen.stop_at = 0;
    signal(SIGUSR1, on_signal);
    OK(tl_study_optimize(study, raiser, &seen, &o, err)); /* from a signal handler */
    ck_assert_uint_eq(count(TL_COMPLETE), 10);
    tl_study_stop(study); /* before it starts */
    OK(tl_study_optimize(study, parabola, &seen, &o, err));
    ck_assert_uint_eq(count(TL_COMPLETE), 10);
    o.n_trials = 1;
    OK(tl_study_optimize(study, parabola, &seen, &o, err)); /* and then it is forgotten */
    ck_assert_uint_eq(count(TL_COMPLETE), 11);
    ck_assert_uint_eq(count(TL_RUNNING), 0);
    stop();
}
END_TEST

static struct os_table clockwork;
static atomic_llong clock_ns;

static int64_t read_clock(void)
{
    return atomic_load(&clock_ns);
}

static int takes_a_second(tl_trial *t, double *values, void *ctx)
{
    atomic_fetch_add(&clock_ns, 1000000000);
    return parabola(t, values, ctx);
}

START_TEST(time_is_up)
{
    struct seen seen = {0};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    start(0);
    clockwork = os_system;
    clockwork.monotonic_ns = read_clock;
    os_use(&clockwork);
    o.timeout_ms = 3500;
    OK(tl_study_optimize(study, takes_a_second, &seen, &o, err));
    os_use(NULL);
    ck_assert_uint_eq(count(TL_COMPLETE), 4); /* begun at 0, 1, 2 and 3 seconds */
    stop();
}
END_TEST

/* ---- errors ---- */

static pthread_barrier_t barrier;

/* All threads are inside a trial when the study goes away. */
static int deleter(tl_trial *t, double *values, void *ctx)
{
    (void)values, (void)ctx;
    pthread_barrier_wait(&barrier);
    if (tl_trial_number(t) == 0) {
        OK(tl_study_delete(storage, "s", err));
    }
    pthread_barrier_wait(&barrier);
    return -1;
}

START_TEST(an_error_ends_it)
{
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    start(_i);
    o.n_threads = 3;
    pthread_barrier_init(&barrier, NULL, 3);
    FAILS(TL_ENOTFOUND, "no study", tl_study_optimize(study, deleter, NULL, &o, err));
    pthread_barrier_destroy(&barrier);
    stop();
}
END_TEST

static int ended_outside(tl_trial *t, double *values, void *ctx)
{
    if (tl_trial_number(t) == 1) {
        OK(tl_storage_set_state(storage, tl_trial_id(t), TL_FAIL, NULL, 0, NULL, err));
    }
    return parabola(t, values, ctx);
}

START_TEST(a_trial_that_somebody_else_ended)
{
    struct seen seen = {0};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    start(_i);
    o.n_trials = 3;
    OK(tl_study_optimize(study, ended_outside, &seen, &o, err));
    ck_assert_uint_eq(count(TL_COMPLETE), 2);
    ck_assert_uint_eq(count(TL_FAIL), 1);
    stop();
}
END_TEST

static tl_study *theirs;

/* Suggestions that others contradict before they are written. */
static int conflicting(tl_trial *t, double *values, void *ctx)
{
    double x;
    int64_t n;
    (void)ctx;
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_trial_suggest_float(t, "y", 0, 1, 0, false, &x, err));
    tl_trial *u = kit_ask(theirs);
    OK(tl_trial_suggest_int(u, "x", 0, 9, 1, false, &n, err));
    OK(tl_trial_suggest_int(u, "y", 0, 9, 1, false, &n, err));
    kit_tell(theirs, u, 1);
    values[0] = x;
    return 0;
}

START_TEST(a_conflict_fails_the_trial_and_ends_it)
{
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    start(_i);
    tl_storage *other = kit_open(kit_url(_i));
    theirs = kit_study(other, "s", NULL);
    o.n_trials = 5;
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_study_optimize(study, conflicting, NULL, &o, err));
    ck_assert_uint_eq(count(TL_FAIL), 1);
    ck_assert_uint_eq(count(TL_COMPLETE), 1);
    ck_assert_uint_eq(count(TL_RUNNING), 0);
    tl_study_free(theirs);
    tl_storage_close(other);
    stop();
}
END_TEST

/* ---- grids ---- */

static int fails_once(tl_trial *t, double *values, void *ctx)
{
    int *failures = ctx; /* per value */
    int64_t n;
    if (tl_trial_suggest_int(t, "n", 0, 15, 1, false, &n, NULL) != 0) {
        return -2;
    }
    values[0] = (double)n;
    return __atomic_fetch_add(&failures[n], 1, __ATOMIC_SEQ_CST) == 0 ? -1 : 0;
}

START_TEST(a_grid_ends_by_itself)
{
    struct tl_value values[16];
    struct tl_grid_axis axis = {"n", values, 16};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    int failures[16] = {0};
    tl_sampler *grid;
    storage = kit_open(kit_url(_i));
    for (int i = 0; i < 16; i++) {
        values[i] = kit_int(i);
    }
    OK(tl_sampler_grid(&axis, 1, NULL, &grid, err));
    study = kit_study(storage, "s", grid);
    o.n_threads = 4;
    OK(tl_study_optimize(study, fails_once, failures, &o, err));
    ck_assert_uint_eq(count(TL_COMPLETE), 16);
    ck_assert_uint_eq(count(TL_FAIL), 16);
    tl_study_free(study);
    tl_sampler_free(grid);
    study = NULL;
    stop();
}
END_TEST

/* One cell, which `holder` holds; it fails when the loop has begun to wait for news. */
static tl_trial *holder;
static sem_t loop_waits;
static struct os_table sleepless;

static void noticed_sleep(int64_t ns)
{
    sem_post(&loop_waits);
    os_system.sleep_ns(ns);
}

static void *fail_holder(void *ctx)
{
    (void)ctx;
    while (sem_wait(&loop_waits) != 0) {
    }
    kit_end(study, holder, TL_FAIL);
    return NULL;
}

START_TEST(waits_for_what_others_run)
{
    struct tl_value one = kit_int(1);
    struct tl_grid_axis axis = {"n", &one, 1};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    int failures[16] = {0, 1}; /* succeeds */
    tl_sampler *grid;
    pthread_t thread;
    sem_init(&loop_waits, 0, 0);
    sleepless = os_system;
    sleepless.sleep_ns = noticed_sleep;
    os_use(&sleepless);
    storage = kit_open(kit_url(1));
    OK(tl_sampler_grid(&axis, 1, NULL, &grid, err));
    study = kit_study(storage, "s", grid);
    holder = kit_ask(study);
    OK(tl_study_optimize(study, fails_once, failures, &o, err)); /* does not wait */
    ck_assert_uint_eq(count(TL_COMPLETE), 0);
    pthread_create(&thread, NULL, fail_holder, NULL);
    o.wait = true;
    o.n_threads = 2;
    OK(tl_study_optimize(study, fails_once, failures, &o, err));
    pthread_join(thread, NULL);
    ck_assert_uint_eq(count(TL_COMPLETE), 1);
    ck_assert_uint_eq(count(TL_FAIL), 1);
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err)); /* the queue is longer than the budget: no reason to wait */
    o.budget = 2;
    OK(tl_study_optimize(study, fails_once, failures, &o, err));
    ck_assert_uint_eq(count(TL_WAITING), 1);
    tl_study_free(study);
    tl_sampler_free(grid);
    study = NULL;
    stop();
    os_use(NULL);
    sem_destroy(&loop_waits);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        n_trials_in_threads,
        outcomes,
        budget_over_calls,
        stops,
        an_error_ends_it,
        a_trial_that_somebody_else_ended,
        a_conflict_fails_the_trial_and_ends_it,
        a_grid_ends_by_itself,
    };
    TCase *t = tcase_create("optimize");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_loop_test(t, tests[i], 0, KIT_BACKENDS);
    }
    tcase_add_test(t, time_is_up);
    tcase_add_test(t, waits_for_what_others_run);
    return check_run("optimize", t);
}
