/* SPDX-License-Identifier: MIT
 *
 * What a sampler would suggest next, many times over, for a study that stays as it is: one line "name=value …" (internal values) per
 * draw. The study is copied from a journal into memory; each drawn trial ends as FAIL, which TPE does not look at.
 *
 *   bench_decisions JOURNAL STUDY PROBLEM SAMPLER OPTIONS DRAWS
 */
#include "asking.h"

#include <trialog/trialog.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One trial: asked, drawn, failed. */
static int draw(tl_study *study, const struct quality_problem *p, struct tl_err *err)
{
    struct asking a = {.err = TL_ERR_INIT, .print = true};
    struct quality_result r;
    int rc = tl_study_ask(study, NULL, &a.trial, err);
    if (rc != TL_OK) {
        return rc;
    }
    quality_eval(p, ask, &a, &r);
    printf("\n");
    if (a.rc != TL_OK) {
        *err = a.err;
        tl_trial_free(a.trial);
        return a.rc;
    }
    return tl_study_tell(study, a.trial, TL_FAIL, NULL, 0, NULL, err);
}

static int draw_all(tl_storage *storage, const char *name, const struct quality_problem *p, tl_sampler *sampler,
                    int draws, struct tl_err *err)
{
    struct tl_study_options so = TL_STUDY_OPTIONS_INIT;
    tl_study *study = NULL;
    so.sampler = sampler;
    int rc = tl_study_load(storage, name, &so, &study, err);
    for (int i = 0; rc == TL_OK && i < draws; i++) {
        rc = draw(study, p, err);
    }
    tl_study_free(study);
    return rc;
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    struct solver s = {0};
    tl_storage *file = NULL, *memory = NULL;
    tl_sampler *sampler = NULL;
    const struct quality_problem *p = argc == 7 ? quality_problem_of(argv[3]) : NULL;
    if (!p || read_options(&s, argv[5]) != 0) {
        fprintf(stderr, "usage: bench_decisions JOURNAL STUDY PROBLEM SAMPLER OPTIONS DRAWS\n");
        return 2;
    }
    int rc = tl_storage_open(argv[1], NULL, &file, &err);
    if (rc == TL_OK) {
        rc = tl_storage_open("memory://", NULL, &memory, &err);
    }
    if (rc == TL_OK) {
        rc = tl_study_copy(file, argv[2], memory, NULL, &err);
    }
    if (rc == TL_OK) {
        rc = tl_sampler_create(argv[4], s.options, s.n_options, &sampler, &err);
    }
    if (rc == TL_OK) {
        rc = draw_all(memory, argv[2], p, sampler, atoi(argv[6]), &err);
    }
    if (rc != TL_OK) {
        fprintf(stderr, "bench_decisions: %s\n", err.message);
    }
    tl_sampler_free(sampler);
    tl_storage_close(memory);
    tl_storage_close(file);
    return rc != TL_OK;
}
