/* SPDX-License-Identifier: MIT
 *
 * The optimisation loop: ask, run the objective, tell; in one or several threads.
 *
 * Happy path: each thread takes one of the n_trials tickets, asks, runs and tells until the tickets, the time, the budget or the
 * sampler are used up, or somebody says stop. A failed objective is a FAIL trial and no error. An error of the storage or the
 * sampler ends the loop: the first one is returned after all threads have ended the trial they run; a trial that cannot be told
 * stays RUNNING.
 *
 * A thread that finds nothing to begin ends, or, with `wait`, looks on until nothing runs: a trial that fails may free its cell or
 * its place in the budget.
 *
 * The calling thread is one of the threads. Callbacks run under a mutex, one at a time. `stop` is the only thing that a signal
 * handler touches.
 */
#include "engine/study.h"

#include <math.h>
#include <pthread.h>

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"

#define WAIT_SLICE_MS 200 /* how soon a thread that waits for others notices a stop */

struct loop {
    tl_study *study;
    tl_objective *objective;
    void *ctx;
    struct tl_optimize_options options;
    struct tl_ask_options ask;
    int64_t deadline_ns; /* of the monotonic clock; INT64_MAX: none */
    atomic_uint_fast64_t tickets; /* taken so far */
    atomic_bool ended;            /* an error: no new trials */
    pthread_mutex_t lock;         /* callbacks; the fields below */
    int rc;
    struct tl_err err;
};

TL_API void tl_study_stop(tl_study *study)
{
    atomic_store(&study->stop, 1);
}

static void end_with(struct loop *l, int rc, const struct tl_err *err)
{
    pthread_mutex_lock(&l->lock);
    if (l->rc == TL_OK) {
        l->rc = rc;
        l->err = *err;
    }
    pthread_mutex_unlock(&l->lock);
    atomic_store(&l->ended, true);
}

static bool is_over(struct loop *l)
{
    return atomic_load(&l->ended) || atomic_load(&l->study->stop) || os->monotonic_ns() >= l->deadline_ns;
}

/* May another trial begin? Takes one of the tickets. */
static bool go_on(struct loop *l)
{
    if (is_over(l)) {
        return false;
    }
    return l->options.n_trials == 0 || atomic_fetch_add(&l->tickets, 1) < l->options.n_trials;
}

static enum tl_state state_of(int result)
{
    return result == 0 ? TL_COMPLETE : result == TL_PRUNE ? TL_PRUNED : TL_FAIL;
}

/* Ends the trial, whatever happens: what cannot be told is freed. */
static int end_trial(struct loop *l, tl_trial *t, enum tl_state state, const double *values, enum tl_state *final,
                     struct tl_err *err)
{
    bool complete = state == TL_COMPLETE;
    int rc = tl_study_tell(l->study, t, state, complete ? values : NULL, complete ? l->study->n_directions : 0, final, err);
    if (rc == TL_EINCOMPATIBLE) {
        /* The last suggestions met another worker's: as if the suggestion itself had failed. Several may: each try forgets one. */
        int again = rc;
        while (again == TL_EINCOMPATIBLE) {
            again = tl_study_tell(l->study, t, TL_FAIL, NULL, 0, final, NULL);
        }
        if (again == TL_OK) {
            return rc;
        }
    }
    if (rc != TL_OK) {
        tl_trial_free(t);
    }
    return rc;
}

static void run_callback(struct loop *l, int64_t number, enum tl_state state, const double *values)
{
    size_t n = state == TL_COMPLETE ? l->study->n_directions : 0;
    if (!l->options.callback) {
        return;
    }
    pthread_mutex_lock(&l->lock);
    if (l->options.callback(l->study, number, state, n ? values : NULL, n, l->options.callback_ctx) != 0) {
        tl_study_stop(l->study);
    }
    pthread_mutex_unlock(&l->lock);
}

/* One trial; the error ends the loop. */
static int run_trial(struct loop *l, double *values, struct tl_err *err)
{
    tl_trial *t;
    enum tl_state final;
    int rc = tl_study_ask(l->study, &l->ask, &t, err);
    if (rc != TL_OK) {
        return rc;
    }
    for (size_t i = 0; i < l->study->n_directions; i++) {
        values[i] = NAN;
    }
    int64_t number = tl_trial_number(t);
    enum tl_state state = state_of(l->objective(t, values, l->ctx));
    rc = end_trial(l, t, state, values, &final, err);
    if (rc == TL_EFINISHED) { /* ended from outside, or given up as lost: no fault of this loop */
        log_emit(store_log(l->study->storage), LOG_TRIAL, "what was told of it is dropped: %s", err->message);
        return TL_OK;
    }
    if (rc == TL_OK) {
        run_callback(l, number, final, values);
    }
    return rc;
}

/* What a thread that has nothing to do knows: when one of these grows, asking again may help. */
struct outlook {
    size_t failed, waiting;
};

/* Nothing could be begun. Waits until that may have changed: true. False: nothing runs that could change it, or the loop is over. */
static bool wait_for_others(struct loop *l, struct outlook *seen)
{
    struct tl_err err = TL_ERR_INIT;
    int rc = TL_OK;
    while (rc == TL_OK && l->options.wait && !is_over(l)) {
        tl_view *view;
        rc = tl_study_view(l->study, &view, &err);
        if (rc != TL_OK) {
            break;
        }
        struct outlook now = {tl_view_count(view, TL_FAIL), tl_view_count(view, TL_WAITING)};
        bool again = now.failed > seen->failed || now.waiting > seen->waiting;
        bool idle = tl_view_count(view, TL_RUNNING) == 0;
        tl_view_close(view);
        *seen = now;
        if (again || idle) {
            return again;
        }
        rc = tl_storage_wait(l->study->storage, WAIT_SLICE_MS, &err);
    }
    if (rc != TL_OK) {
        end_with(l, rc, &err);
    }
    return false;
}

static void *work(void *ctx)
{
    struct loop *l = ctx;
    struct tl_err err = TL_ERR_INIT;
    struct outlook seen = {0, 0};
    double *values = mem_zalloc(l->study->n_directions, sizeof *values);
    int rc = values ? TL_OK : err_nomem(&err);
    while (rc == TL_OK && go_on(l)) {
        do {
            rc = run_trial(l, values, &err);
        } while (rc == TL_EEXHAUSTED && wait_for_others(l, &seen));
    }
    if (rc != TL_OK && rc != TL_EEXHAUSTED) {
        end_with(l, rc, &err); /* exhausted: for this thread; a trial of another one may yet fail and free its cell */
    }
    mem_free(values);
    return NULL;
}

/* Runs work() in n threads, the caller's among them. */
static int run_threads(struct loop *l, unsigned n, struct tl_err *err)
{
    pthread_t *threads = mem_zalloc(n, sizeof *threads);
    unsigned started = 0;
    if (!threads) {
        return err_nomem(err);
    }
    while (started + 1 < n) {
        int sys = pthread_create(&threads[started], NULL, work, l);
        if (sys != 0) {
            struct tl_err why = TL_ERR_INIT;
            int rc = err_sys(&why, sys, "cannot start a thread");
            end_with(l, rc, &why);
            break;
        }
        started++;
    }
    work(l);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    mem_free(threads);
    return TL_OK;
}

TL_API int tl_study_optimize(tl_study *study, tl_objective *objective, void *ctx,
                             const struct tl_optimize_options *options, struct tl_err *err)
{
    struct loop l = {.study = study, .objective = objective, .ctx = ctx, .options = TL_OPTIMIZE_OPTIONS_INIT,
                     .ask = TL_ASK_OPTIONS_INIT, .deadline_ns = INT64_MAX};
    if (!objective) {
        return err_set(err, TL_EINVAL, "there is no objective");
    }
    int rc = read_options(&l.options, sizeof l.options, options, "optimize options", err);
    if (rc != TL_OK) {
        return rc;
    }
    l.ask.budget = l.options.budget;
    l.ask.refund_failed = l.options.refund_failed;
    if (l.options.timeout_ms > 0 && l.options.timeout_ms < INT64_MAX / 2000000) {
        l.deadline_ns = os->monotonic_ns() + l.options.timeout_ms * 1000000;
    }
    pthread_mutex_init(&l.lock, NULL);
    atomic_fetch_add(&study->loops, 1);
    rc = run_threads(&l, l.options.n_threads ? l.options.n_threads : 1, err);
    if (atomic_fetch_sub(&study->loops, 1) == 1) {
        atomic_store(&study->stop, 0);
    }
    pthread_mutex_destroy(&l.lock);
    if (rc == TL_OK && l.rc != TL_OK) {
        rc = l.rc;
        if (err) {
            *err = l.err;
        }
    }
    return rc;
}
