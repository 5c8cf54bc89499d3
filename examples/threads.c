/* SPDX-License-Identifier: MIT
 *
 * A plain C function, minimised by four threads: the smallest useful program with Trialog.
 *
 *   threads [JOURNAL [TRIALS]]      memory:// and 200 when left out
 *
 * With a journal file the study stays, and several of these programs may work on it at the same time.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <trialog/trialog.h>

/* Branin's function; its three minima have the value 0.397887. */
static int branin(tl_trial *trial, double *values, void *ctx)
{
    const double pi = 3.14159265358979323846;
    struct tl_err err = TL_ERR_INIT;
    double x, y;
    (void)ctx;
    int rc = tl_trial_suggest_float(trial, "x", -5, 10, 0, false, &x, &err);
    if (rc == 0) {
        rc = tl_trial_suggest_float(trial, "y", 0, 15, 0, false, &y, &err);
    }
    if (rc != 0) {
        return rc; /* the trial fails */
    }
    double a = y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
    values[0] = a * a + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10;
    return 0;
}

static int complain(const struct tl_err *err)
{
    fprintf(stderr, "threads: %s\n", err->message);
    return 1;
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    struct tl_optimize_options run = TL_OPTIMIZE_OPTIONS_INIT;
    tl_storage *storage = NULL;
    tl_study *study = NULL;
    int64_t number;
    double value;
    int status = 0;

    options.load_if_exists = true;
    run.n_threads = 4;
    run.budget = argc > 2 ? (uint64_t)strtoull(argv[2], NULL, 10) : 200;

    if (tl_storage_open(argc > 1 ? argv[1] : "memory://", NULL, &storage, &err) != 0) {
        return complain(&err);
    }
    if (tl_study_create(storage, "branin", &options, &study, &err) != 0 ||
        tl_study_optimize(study, branin, NULL, &run, &err) != 0 || tl_study_best(study, &number, &value, &err) != 0) {
        status = complain(&err);
    } else {
        printf("best of %" PRIu64 " trials: %g (trial %" PRId64 ")\n", run.budget, value, number);
    }
    tl_study_free(study);
    tl_storage_close(storage);
    return status;
}
