/* SPDX-License-Identifier: MIT
 *
 * One worker of the throughput benchmark: asks for trials with 5 float parameters, reports 5 intermediate values, each acknowledged
 * as durable, and tells the result, until its share is done. The sampler is the random one, as on Optuna's side: the journal is
 * measured. Prints {"trials": N, "start": S, "end": E} (seconds since the epoch).
 *
 *   bench_worker STORAGE STUDY TRIALS full|relaxed|off both|kernel [suggest]
 *
 * suggest: the parameters are asked for one by one, as Optuna's objective does, instead of with the trial.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <trialog/trialog.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const struct tl_err *err)
{
    fprintf(stderr, "bench_worker: %s\n", err->message);
    return 1;
}

static int one_trial(tl_study *study, bool suggest, struct tl_err *err)
{
    static const char *const names[] = {"x0", "x1", "x2", "x3", "x4"};
    const struct tl_dist range = TL_FLOAT_RANGE(-10, 10);
    struct tl_param_spec space[5];
    struct tl_ask_options ask = TL_ASK_OPTIONS_INIT;
    tl_trial *trial;
    double sum = 0, x;
    for (int i = 0; i < 5; i++) {
        space[i] = (struct tl_param_spec){names[i], 0, &range};
    }
    ask.space = space;
    ask.n_space = suggest ? 0 : 5;
    int rc = tl_study_ask(study, &ask, &trial, err);
    if (rc != TL_OK) {
        return rc;
    }
    for (int i = 0; rc == TL_OK && i < 5; i++) {
        rc = tl_trial_suggest_float(trial, names[i], -10, 10, 0, false, &x, err);
        sum += x * x;
    }
    for (int step = 0; rc == TL_OK && step < 5; step++) {
        rc = tl_trial_report(trial, step, sum + step, err);
    }
    if (rc != TL_OK) {
        tl_trial_free(trial);
        return rc;
    }
    return tl_study_tell(study, trial, TL_COMPLETE, &sum, 1, NULL, err);
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_study_options so = TL_STUDY_OPTIONS_INIT;
    tl_storage *st;
    tl_sampler *sampler;
    tl_study *study;
    if (argc < 6) {
        return 2;
    }
    o.durability = strcmp(argv[4], "full") == 0      ? TL_DURABILITY_FULL
                   : strcmp(argv[4], "relaxed") == 0 ? TL_DURABILITY_RELAXED
                                                     : TL_DURABILITY_OFF;
    o.lock = strcmp(argv[5], "kernel") == 0 ? TL_LOCK_KERNEL : TL_LOCK_BOTH;
    so.load_if_exists = true;
    if (tl_sampler_random((uint64_t)getpid(), &sampler, &err) != TL_OK) {
        return fail(&err);
    }
    so.sampler = sampler;
    if (tl_storage_open(argv[1], &o, &st, &err) != TL_OK || tl_study_create(st, argv[2], &so, &study, &err) != TL_OK) {
        return fail(&err);
    }
    printf("ready\n");
    fflush(stdout);
    if (getchar() == EOF) { /* all start together */
        return 1;
    }
    double start = now();
    long trials = atol(argv[3]);
    for (long i = 0; i < trials; i++) {
        if (one_trial(study, argc > 6 && strcmp(argv[6], "suggest") == 0, &err) != TL_OK) {
            return fail(&err);
        }
    }
    printf("{\"trials\":%ld,\"start\":%.6f,\"end\":%.6f}\n", trials, start, now());
    tl_study_free(study);
    tl_storage_close(st);
    tl_sampler_free(sampler);
    return 0;
}
