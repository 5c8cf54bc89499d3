/* SPDX-License-Identifier: MIT
 *
 * A user's program as tests/install/run.sh builds it: minimises (x - 2)^2 through the installed library and fails when the
 * best value cannot be right. clash.c beside it has functions of the same names as some of our internal ones.
 */
#include <stdio.h>

#include <trialog/trialog.h>

int own_names(void); /* clash.c */

static int objective(tl_trial *trial, double *values, void *ctx)
{
    double x;
    int rc = tl_trial_suggest_float(trial, "x", -10, 10, 0, false, &x, NULL);

    (void)ctx;
    values[0] = (x - 2) * (x - 2);
    return rc;
}

static int optimize(tl_storage *storage, struct tl_err *err)
{
    struct tl_optimize_options options = TL_OPTIMIZE_OPTIONS_INIT;
    tl_study *study;
    int64_t number = -1;
    double best = -1;
    int rc = tl_study_create(storage, "install", NULL, &study, err);

    if (rc) {
        return rc;
    }
    options.n_trials = 50;
    rc = tl_study_optimize(study, objective, NULL, &options, err);
    if (!rc) {
        rc = tl_study_best(study, &number, &best, err);
    }
    tl_study_free(study);
    if (!rc && (number < 0 || number >= 50 || best < 0 || best > 144)) {
        printf("wrong: best trial %d with value %g\n", (int)number, best);
        return TL_EINTERNAL;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    tl_storage *storage;
    int rc = tl_storage_open(argc > 1 ? argv[1] : "memory://", NULL, &storage, &err);

    if (!rc) {
        rc = optimize(storage, &err);
        tl_storage_close(storage);
    }
    if (rc) {
        printf("%s: %s\n", tl_code_name(rc), err.message);
    }
    if (own_names() != 42) {
        printf("wrong: own_names\n");
        return 1;
    }
    printf("trialog %s: %s\n", tl_version(), tl_features());
    return rc != 0;
}
