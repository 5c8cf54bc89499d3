/* SPDX-License-Identifier: MIT
 *
 * Trialog's side of the comparison: runs a sampler on the problems through the public API, define-by-run, in memory, and prints
 * one line per run (problems.py says what stands in it).
 *
 *   bench_quality LABEL SAMPLER OPTIONS N-OBJECTIVES WORKERS SEEDS [N-TRIALS [PROBLEM]]
 *
 * OPTIONS: "name=value,…" or "". WORKERS asynchronous workers are simulated: so many trials run at a time, and they are told in the
 * order in which they end in virtual time. Nothing is flushed: what others know of a running trial is what the library lets them know.
 */
#include "asking.h"

#include <trialog/trialog.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_WORKERS 64

/* ---- one trial ---- */

struct running {
    tl_trial *trial; /* NULL: the worker is idle */
    double end;      /* virtual time */
    struct quality_result result;
};

static int begin(tl_study *study, const struct quality_problem *p, uint64_t seed, double now, struct running *r,
                 struct tl_err *err)
{
    struct asking a = {.err = TL_ERR_INIT};
    int rc = tl_study_ask(study, NULL, &a.trial, err);
    if (rc != TL_OK) {
        return rc;
    }
    r->trial = a.trial;
    r->end = now + quality_run_time(seed, (uint64_t)tl_trial_number(a.trial));
    quality_eval(p, ask, &a, &r->result);
    if (a.rc != TL_OK) {
        *err = a.err;
        return a.rc;
    }
    return TL_OK;
}

static bool feasible(const struct quality_problem *p, const struct running *r)
{
    for (int i = 0; i < p->n_constraints; i++) {
        if (r->result.constraint[i] > 0) {
            return false;
        }
    }
    return true;
}

/* Tells the trial and prints its outcome. */
static int end(tl_study *study, const struct quality_problem *p, bool timed, struct running *r,
               struct tl_err *err)
{
    int rc = TL_OK;
    for (int i = 0; rc == TL_OK && i < p->n_constraints; i++) {
        char key[32], json[32];
        snprintf(key, sizeof key, "constraints:c%d", i);
        snprintf(json, sizeof json, "%.17g", r->result.constraint[i]);
        rc = tl_trial_set_attr(r->trial, TL_ATTR_SYSTEM, key, json, err);
    }
    if (rc == TL_OK) {
        rc = tl_study_tell(study, r->trial, TL_COMPLETE, r->result.value, (size_t)p->n_values, NULL, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    r->trial = NULL;
    printf(" ");
    if (timed) {
        printf("%.6g:", r->end);
    }
    if (!feasible(p, r)) {
        printf("inf");
    } else {
        printf("%.10g", r->result.value[0]);
        if (p->n_values == 2) {
            printf("/%.10g", r->result.value[1]);
        }
    }
    return TL_OK;
}

/* ---- one run ---- */

static int simulate(tl_study *study, const struct quality_problem *p, uint64_t seed, int workers, int n_trials,
                    struct tl_err *err)
{
    struct running running[MAX_WORKERS] = {{0}};
    double now = 0;
    int rc = TL_OK, asked = 0, done = 0;
    while (rc == TL_OK && done < n_trials) {
        int idle = -1, first = -1;
        for (int i = 0; i < workers; i++) {
            if (!running[i].trial) {
                idle = i;
            } else if (first < 0 || running[i].end < running[first].end) {
                first = i;
            }
        }
        if (idle >= 0 && asked < n_trials) {
            rc = begin(study, p, seed, now, &running[idle], err);
            asked++;
        } else {
            now = running[first].end;
            rc = end(study, p, workers > 1, &running[first], err);
            done++;
        }
    }
    for (int i = 0; i < workers; i++) {
        tl_trial_free(running[i].trial);
    }
    return rc;
}

static double cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run(const char *label, const char *sampler, struct solver *s, const struct quality_problem *p,
               uint64_t seed, int workers, int n_trials, struct tl_err *err)
{
    static const enum tl_direction minimize[] = {TL_MINIMIZE, TL_MINIMIZE};
    struct tl_study_options so = TL_STUDY_OPTIONS_INIT;
    char seed_text[24];
    tl_storage *storage = NULL;
    tl_study *study = NULL;
    double start = cpu_time();
    snprintf(seed_text, sizeof seed_text, "%" PRIu64, seed);
    s->options[s->n_options] = (struct tl_option){"seed", seed_text};
    so.directions = minimize;
    so.n_directions = (size_t)p->n_values;
    printf("%s,%s,%" PRIu64 ",%d,", label, p->name, seed, workers);
    int rc = tl_sampler_create(sampler, s->options, s->n_options + 1, &so.sampler, err);
    if (rc == TL_OK) {
        rc = tl_storage_open("memory://", NULL, &storage, err);
    }
    if (rc == TL_OK) {
        rc = tl_study_create(storage, NULL, &so, &study, err);
    }
    if (rc == TL_OK) {
        rc = simulate(study, p, seed, workers, n_trials, err);
    }
    tl_study_free(study);
    tl_storage_close(storage);
    tl_sampler_free(so.sampler);
    printf(",%.4f\n", cpu_time() - start);
    return rc;
}

/* ---- the command line ---- */

int main(int argc, char **argv)
{
    struct solver s = {0};
    struct tl_err err = TL_ERR_INIT;
    const struct quality_problem *p;
    if (argc < 7 || read_options(&s, argv[3]) != 0) {
        fprintf(stderr,
                "usage: bench_quality LABEL SAMPLER OPTIONS N-OBJECTIVES WORKERS SEEDS [N-TRIALS [PROBLEM]]\n");
        return 2;
    }
    int n_values = atoi(argv[4]), workers = atoi(argv[5]), seeds = atoi(argv[6]);
    int n_trials = argc > 7 ? atoi(argv[7]) : 200;
    if (workers < 1 || workers > MAX_WORKERS) {
        fprintf(stderr, "bench_quality: 1 to %d workers\n", MAX_WORKERS);
        return 2;
    }
    for (int i = 0; (p = quality_problem(i)) != NULL; i++) {
        if (p->n_values != n_values || (argc > 8 && strcmp(argv[8], p->name) != 0)) {
            continue;
        }
        for (int seed = 0; seed < seeds; seed++) {
            if (run(argv[1], argv[2], &s, p, (uint64_t)seed, workers, n_trials, &err) != TL_OK) {
                fprintf(stderr, "bench_quality: %s, seed %d: %s\n", p->name, seed, err.message);
                return 1;
            }
        }
    }
    return 0;
}
