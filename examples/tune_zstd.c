/* SPDX-License-Identifier: MIT
 *
 * What `make demo` does, from C: finds parameters of zstd that make FILE smaller than `zstd -6` does, in the same processor
 * time.
 *
 *   tune_zstd FILE [TRIALS [JOURNAL]]      100 and memory:// when left out
 *
 * Shows: a study, a first trial that is fixed in advance, parameters that exist only for some values of another, attributes,
 * and the best trial.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <trialog/trialog.h>

#include "zstd_run.h"

struct job {
    const char *file;
    struct zstd_reference level_6;
};

/* A parameter of zstd: its name there and here, its range, and the strategies that look at it. */
struct parameter {
    const char *name;
    int64_t low, high;
    int first_strategy, last_strategy;
    int64_t level_6; /* what -6 uses for large files (zstd 1.5) */
};
static const struct parameter parameters[] = {
    {"wlog", 19, 25, 1, 6, 21}, {"hlog", 16, 22, 1, 6, 19}, {"clog", 15, 22, 2, 6, 18},
    {"slog", 1, 6, 3, 6, 3},    {"mml", 3, 7, 1, 6, 5},     {"tlen", 1, 64, 1, 1, 4},
};
#define N_PARAMETERS (sizeof parameters / sizeof *parameters)
#define LOW_STRATEGY   1
#define HIGH_STRATEGY  6 /* the optimal parsers, 7 to 9, take several times the time allowed */
#define STRATEGY_OF_6  4

static int objective(tl_trial *trial, double *values, void *ctx)
{
    const struct job *job = ctx;
    struct tl_err err = TL_ERR_INIT;
    struct zstd_score score;
    char option[256], text[32];
    int64_t strategy, value;
    int rc = tl_trial_suggest_int(trial, "strategy", LOW_STRATEGY, HIGH_STRATEGY, 1, false, &strategy, &err);
    int used = snprintf(option, sizeof option, "--zstd=strategy=%" PRId64, strategy);
    for (size_t i = 0; i < N_PARAMETERS && rc == 0; i++) {
        const struct parameter *p = &parameters[i];
        if (strategy < p->first_strategy || strategy > p->last_strategy) {
            continue;
        }
        rc = tl_trial_suggest_int(trial, p->name, p->low, p->high, 1, false, &value, &err);
        used += snprintf(option + used, sizeof option - (size_t)used, ",%s=%" PRId64, p->name, value);
    }
    if (rc == 0 && zstd_compare(job->file, option, &job->level_6, &score) != 0) {
        return -1; /* the trial fails */
    }
    if (rc == 0) {
        snprintf(text, sizeof text, "%" PRId64, score.run.cpu_us);
        rc = tl_trial_set_attr(trial, TL_ATTR_USER, "cpu_us", text, &err);
    }
    if (rc != 0) {
        fprintf(stderr, "tune_zstd: %s\n", err.message);
        return rc;
    }
    values[0] = score.value;
    return 0;
}

/* The first trial: what -6 does. */
static int enqueue_level_6(tl_study *study, struct tl_err *err)
{
    struct tl_fixed_param fixed[1 + N_PARAMETERS];
    size_t n = 0;
    fixed[n].name = "strategy";
    fixed[n].value.kind = TL_VALUE_INT;
    fixed[n++].value.as.i = STRATEGY_OF_6;
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        if (STRATEGY_OF_6 < parameters[i].first_strategy) {
            continue;
        }
        fixed[n].name = parameters[i].name;
        fixed[n].value.kind = TL_VALUE_INT;
        fixed[n++].value.as.i = parameters[i].level_6;
    }
    return tl_study_enqueue(study, fixed, n, NULL, 0, true, NULL, err);
}

static int show_best(tl_study *study, const struct zstd_reference *level_6, struct tl_err *err)
{
    struct tl_frozen_trial best = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    int64_t number;
    int rc = tl_study_best(study, &number, NULL, err);
    if (rc == 0) {
        rc = tl_study_view(study, &view, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = tl_view_trial(view, number, &best, err);
    if (rc == 0 && best.values[0] < (double)level_6->size) {
        printf("trial %" PRId64 ": %.0f bytes, %.2f %% smaller than zstd -6\n", number, best.values[0],
               100 * (1 - best.values[0] / (double)level_6->size));
        for (size_t i = 0; i < best.n_params; i++) {
            printf("  %.*s=%.0f\n", (int)best.params[i].name.len, best.params[i].name.s, best.params[i].internal);
        }
    } else if (rc == 0) {
        printf("nothing better than zstd -6 was found\n");
    }
    tl_frozen_release(&best);
    tl_view_close(view);
    return rc;
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    struct tl_optimize_options run = TL_OPTIMIZE_OPTIONS_INIT;
    struct job job = {.file = argc > 1 ? argv[1] : NULL, .level_6 = {.option = "-6"}};
    tl_storage *storage = NULL;
    tl_study *study = NULL;

    if (argc < 2) {
        fprintf(stderr, "usage: tune_zstd FILE [TRIALS [JOURNAL]]\n");
        return 2;
    }
    if (zstd_measure_reference(job.file, &job.level_6) != 0) {
        return 1;
    }
    printf("zstd -6: %" PRId64 " bytes in %" PRId64 " us\n", job.level_6.size, job.level_6.cpu_us);

    options.load_if_exists = true;
    run.budget = argc > 2 ? (uint64_t)strtoull(argv[2], NULL, 10) : 100;
    int rc = tl_storage_open(argc > 3 ? argv[3] : "memory://", NULL, &storage, &err);
    if (rc == 0) {
        rc = tl_study_create(storage, "zstd", &options, &study, &err);
    }
    if (rc == 0) {
        rc = enqueue_level_6(study, &err);
    }
    if (rc == 0) {
        rc = tl_study_optimize(study, objective, &job, &run, &err);
    }
    if (rc == 0) {
        rc = show_best(study, &job.level_6, &err);
    }
    if (rc != 0) {
        fprintf(stderr, "tune_zstd: %s\n", err.message);
    }
    tl_study_free(study);
    tl_storage_close(storage);
    return rc != 0;
}
