/* SPDX-License-Identifier: MIT
 *
 * What an ask of the TPE sampler costs in a study in memory that has finished trials already. Each ask is told, so that the next
 * one has a new trial to take in. Prints {"p50": US, "p99": US, "max": US, "tell": US, "rate": ASKS_PER_SECOND}: microseconds of
 * processor time of one ask (median, 99th percentile, largest), of one tell (mean), and ask-tell pairs a second of all threads by the clock.
 *
 *   bench_tpe_ask TRIALS PARAMETERS spread|clustered ASKS THREADS
 *
 * ASKS counts those of all threads together, so that the history grows by as much with one thread as with two.
 *
 * History: parameters x0, x1, ... in [-5, 5], the value is the sum of squares. spread: uniform. clustered: nine of ten lie around
 * -1.3 in each parameter with deviation 0.3, as a search that has converged leaves them.
 */
#include <trialog/trialog.h>

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST 1000

static size_t n_params;
static char names[MOST][24];
static const struct tl_dist range = TL_FLOAT_RANGE(-5, 5);
static tl_study *study;

static double now_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double uniform(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static int history(size_t trials, int clustered, struct tl_err *err)
{
    uint64_t state = 5;
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < trials; i++) {
        struct tl_param_spec params[MOST];
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        double sum = 0;
        for (size_t j = 0; j < n_params; j++) {
            double u = uniform(&state), x = -5 + 10 * u;
            if (clustered && i >= trials / 10) {
                x = -1.3 + 0.3 * sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * uniform(&state));
                x = x < -5 ? -5 : x > 5 ? 5 : x;
            }
            params[j] = (struct tl_param_spec){names[j], x, &range};
            sum += x * x;
        }
        spec.state = TL_COMPLETE;
        spec.values = &sum;
        spec.n_values = 1;
        spec.params = params;
        spec.n_params = n_params;
        rc = tl_study_add_trial(study, &spec, NULL, err);
    }
    return rc;
}

struct asker {
    size_t asks;
    double *us, tell;
    struct tl_err err;
    int rc;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    struct tl_param_spec space[MOST];
    struct tl_ask_options options = TL_ASK_OPTIONS_INIT;
    for (size_t j = 0; j < n_params; j++) {
        space[j] = (struct tl_param_spec){names[j], 0, &range};
    }
    options.space = space;
    options.n_space = n_params;
    for (size_t i = 0; a->rc == TL_OK && i < a->asks; i++) {
        tl_trial *trial;
        double start = now_us(CLOCK_THREAD_CPUTIME_ID), sum = 0, x;
        a->rc = tl_study_ask(study, &options, &trial, &a->err);
        a->us[i] = now_us(CLOCK_THREAD_CPUTIME_ID) - start;
        for (size_t j = 0; a->rc == TL_OK && j < n_params; j++) {
            a->rc = tl_trial_suggest_float(trial, names[j], -5, 5, 0, false, &x, &a->err);
            sum += x * x;
        }
        if (a->rc == TL_OK) {
            start = now_us(CLOCK_THREAD_CPUTIME_ID);
            a->rc = tl_study_tell(study, trial, TL_COMPLETE, &sum, 1, NULL, &a->err);
            a->tell += now_us(CLOCK_THREAD_CPUTIME_ID) - start;
        }
    }
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    tl_storage *storage;
    tl_sampler *sampler;
    if (argc < 6) {
        return 2;
    }
    size_t asks = (size_t)atol(argv[4]), threads = (size_t)atol(argv[5]);
    n_params = (size_t)atol(argv[2]);
    if (n_params > MOST || threads < 1 || threads > 64 || asks < 1) {
        return 2;
    }
    asks = (asks + threads - 1) / threads;
    for (size_t j = 0; j < n_params; j++) {
        snprintf(names[j], sizeof names[j], "x%zu", j);
    }
    if (tl_sampler_create("tpe", NULL, 0, &sampler, &err) != TL_OK ||
        tl_storage_open("memory://", NULL, &storage, &err) != TL_OK ||
        (options.sampler = sampler, tl_study_create(storage, "bench", &options, &study, &err)) != TL_OK ||
        history((size_t)atol(argv[1]), strcmp(argv[3], "clustered") == 0, &err) != TL_OK) {
        fprintf(stderr, "bench_tpe_ask: %s\n", err.message);
        return 1;
    }
    struct asker askers[64] = {{0}}, first = {.asks = 3, .us = (double[3]){0}};
    pthread_t ids[64];
    double *us = malloc(threads * asks * sizeof *us), tell = 0;
    ask(&first); /* takes in the history */
    double seconds = 0;
    for (int timed = 0; timed < 2; timed++) { /* first a few together, so that what threads need for themselves is there */
        double start = now_us(CLOCK_MONOTONIC);
        for (size_t i = 0; i < threads; i++) {
            askers[i] = (struct asker){.asks = timed || asks < 30 ? asks : 30, .us = us + i * asks};
            pthread_create(&ids[i], NULL, ask, &askers[i]);
        }
        for (size_t i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
            tell = timed ? tell + askers[i].tell : 0;
            if (askers[i].rc != TL_OK || first.rc != TL_OK) {
                fprintf(stderr, "bench_tpe_ask: %s\n", askers[i].err.message);
                return 1;
            }
        }
        seconds = (now_us(CLOCK_MONOTONIC) - start) / 1e6;
    }
    size_t n = threads * asks;
    qsort(us, n, sizeof *us, ascending);
    printf("{\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, \"tell\": %.1f, \"rate\": %.1f}\n", us[n / 2],
           us[n * 99 / 100], us[n - 1], tell / (double)n, (double)n / seconds);
    free(us);
    tl_study_free(study);
    tl_storage_close(storage);
    tl_sampler_free(sampler);
    return 0;
}
