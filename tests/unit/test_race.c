/* SPDX-License-Identifier: MIT
 *
 * A race for the thread sanitizer: 8 writers and 4 readers on one journal file, through one shared handle and handles that are opened
 * and closed all the time, while snapshots are written. At the end every acknowledged trial is there once, and all handles agree.
 * Lasts 3 seconds, or $TRIALOG_RACE_SECONDS (a minute in `make check-long`).
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scratch.h"
#include <trialog/trialog.h>

enum { WRITERS = 8, READERS = 4 };

static char folder[SCRATCH_MAX];
static const char *path;
static atomic_bool stop;
static atomic_long acknowledged;

static void must(int rc, const struct tl_err *err)
{
    if (rc != TL_OK) {
        fprintf(stderr, "test_race: %s: %s\n", tl_code_name(rc), err->message);
        abort();
    }
}

static void one_trial(tl_study *study, int i)
{
    struct tl_err err = TL_ERR_INIT;
    tl_trial *t;
    double x;
    must(tl_study_ask(study, NULL, &t, &err), &err);
    must(tl_trial_suggest_float(t, i % 7 ? "x" : "y", 0, 1, 0, false, &x, &err), &err);
    for (int step = 0; step < 3; step++) {
        must(tl_trial_report(t, step, x, &err), &err);
    }
    must(tl_trial_set_attr(t, TL_ATTR_USER, "k", "[1]", &err), &err);
    must(tl_study_tell(study, t, i % 5 ? TL_COMPLETE : TL_FAIL, &x, i % 5 ? 1 : 0, NULL, &err), &err);
    atomic_fetch_add(&acknowledged, 1);
}

static tl_storage *open_storage(void)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *st;
    o.durability = TL_DURABILITY_RELAXED;
    must(tl_storage_open(path, &o, &st, &err), &err);
    return st;
}

static tl_study *load(tl_storage *st)
{
    struct tl_err err = TL_ERR_INIT;
    tl_study *study;
    must(tl_study_load(st, "race", NULL, &study, &err), &err);
    return study;
}

/* Half of the writers share a handle, the others open one for every few trials. */
static void *write_shared(void *ctx)
{
    tl_study *study = load(ctx);
    for (int i = 0; !atomic_load(&stop); i++) {
        one_trial(study, i);
    }
    tl_study_free(study);
    return NULL;
}

static void *write_own(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&stop)) {
        tl_storage *st = open_storage();
        tl_study *study = load(st);
        for (int i = 0; i < 4 && !atomic_load(&stop); i++) {
            one_trial(study, i);
        }
        tl_study_free(study);
        tl_storage_close(st);
    }
    return NULL;
}

static void *read_views(void *ctx)
{
    tl_study *study = load(ctx);
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    struct tl_err err = TL_ERR_INIT;
    for (int round = 0; !atomic_load(&stop); round++) {
        tl_view *v;
        size_t n;
        must(tl_study_view(study, &v, &err), &err);
        for (size_t i = tl_view_n_trials(v); i > 0 && i + 20 > tl_view_n_trials(v); i--) {
            must(tl_view_trial(v, (int64_t)i - 1, &t, &err), &err);
        }
        const double *values;
        for (size_t b = 0; b * 64 < tl_view_n_rows(v); b++) {
            tl_view_block(v, tl_view_column(v, "x"), b, &values);
        }
        tl_view_search_space(v, true, &n);
        tl_view_close(v);
        if (round % 16 == 0) {
            int rc = tl_storage_snapshot(ctx, &err);
            if (rc != TL_OK && rc != TL_EUNAVAILABLE) {
                must(rc, &err);
            }
        }
    }
    tl_frozen_release(&t);
    tl_study_free(study);
    return NULL;
}

START_TEST(writers_readers_snapshots_and_closes_race)
{
    const char *seconds = getenv("TRIALOG_RACE_SECONDS");
    struct tl_err err = TL_ERR_INIT;
    pthread_t writers[WRITERS], readers[READERS];
    scratch_make(folder);
    path = scratch_path(folder, "journal.log");
    tl_storage *st = open_storage();
    tl_study *study;
    must(tl_study_create(st, "race", NULL, &study, &err), &err);
    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(pthread_create(&writers[i], NULL, i % 2 ? write_shared : write_own, st), 0);
    }
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_views, st), 0);
    }
    struct timespec t = {seconds ? strtol(seconds, NULL, 10) : 3, 0}; /* how long the race lasts, not a synchronisation */
    nanosleep(&t, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i], NULL);
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
    }

    tl_storage *fresh = open_storage();
    tl_study *again = load(fresh);
    tl_view *a, *b;
    must(tl_study_view(study, &a, &err), &err);
    must(tl_study_view(again, &b, &err), &err);
    ck_assert_int_eq((long)tl_view_n_trials(a), atomic_load(&acknowledged));
    ck_assert_uint_eq(tl_view_n_trials(b), tl_view_n_trials(a));
    ck_assert_uint_eq(tl_view_n_rows(b), tl_view_n_trials(b));
    ck_assert_int_eq(tl_view_best(a), tl_view_best(b));
    printf("race: %ld trials\n", atomic_load(&acknowledged));
    tl_view_close(a);
    tl_view_close(b);
    tl_study_free(again);
    tl_storage_close(fresh);
    tl_study_free(study);
    tl_storage_close(st);
    scratch_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("race");
    TCase *c = tcase_create("race");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, writers_readers_snapshots_and_closes_race);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
