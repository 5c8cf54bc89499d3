/* SPDX-License-Identifier: MIT
 *
 * pruner/ and engine/prune.c: names and options, what a question reads and writes, several handles and threads, no memory. (That decisions
 * equal Optuna's is tests/pruner/vs_optuna.py.)
 */
#include <math.h>
#include <stdio.h>

#include "support/check_main.h"
#include "support/fail_alloc.h"
#include "support/study_kit.h"

static tl_pruner *make(const char *name, const char *const *words)
{
    struct tl_option options[8];
    size_t n = 0;
    tl_pruner *p = NULL;
    for (; words[2 * n]; n++) {
        options[n] = (struct tl_option){words[2 * n], words[2 * n + 1]};
    }
    OK(tl_pruner_create(name, options, n, &p, err));
    return p;
}
#define MAKE(name, ...) make(name, (const char *const[]){__VA_ARGS__, NULL, NULL})

static tl_study *study_with(tl_storage *s, const char *name, tl_pruner *pruner)
{
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_study *study;
    o.load_if_exists = true;
    o.pruner = pruner;
    OK(tl_study_create(s, name, &o, &study, err));
    return study;
}

/* A COMPLETE trial that reported `value` at steps 0 … n - 1. */
static void add(tl_study *study, double value, size_t n)
{
    struct tl_report_spec reports[64];
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    for (size_t i = 0; i < n; i++) {
        reports[i] = (struct tl_report_spec){(int64_t)i, value};
    }
    spec.state = TL_COMPLETE;
    spec.values = &value;
    spec.n_values = 1;
    spec.reports = reports;
    spec.n_reports = n;
    OK(tl_study_add_trial(study, &spec, NULL, err));
}

static bool ask(tl_trial *t, int64_t step, double value)
{
    bool prune = true;
    OK(tl_trial_report(t, step, value, err));
    OK(tl_trial_should_prune(t, &prune, err));
    return prune;
}

/* ---- names and options ---- */

START_TEST(all_names)
{
    static const char *const required[][3] = {
        {"percentile", "percentile", "25"}, {"threshold", "upper", "1"}, {"patient", "patience", "0"}};
    size_t n = 0;
    for (const struct tl_component_doc *d = tl_pruner_docs(); d->name; d++, n++) {
        const char *names[] = {d->name, d->optuna_name};
        struct tl_option o = {NULL, NULL};
        for (size_t i = 0; i < 3; i++) {
            if (strcmp(d->name, required[i][0]) == 0) {
                o = (struct tl_option){required[i][1], required[i][2]};
            }
        }
        for (size_t i = 0; i < 2; i++) {
            tl_pruner *p = NULL;
            OK(tl_pruner_create(names[i], &o, o.name != NULL, &p, err));
            ck_assert_str_eq(tl_pruner_name(p), d->name);
            tl_pruner_free(p);
        }
        if (o.name) {
            tl_pruner *p = NULL;
            FAILS(TL_EINVAL, o.name, tl_pruner_create(d->name, NULL, 0, &p, err));
        }
    }
    ck_assert_uint_eq(n, 8);
    tl_pruner *p = MAKE("halving", NULL);
    ck_assert_str_eq(tl_pruner_name(p), "successive_halving");
    tl_pruner_free(p);
}
END_TEST

/* The defaults that the documentation names are taken as they stand there. */
START_TEST(documented_defaults)
{
    for (const struct tl_component_doc *d = tl_pruner_docs(); d->name; d++) {
        struct tl_option options[16];
        size_t n = 0;
        tl_pruner *p = NULL;
        for (const struct tl_option_doc *o = d->options; o->name; o++) {
            const char *value = strcmp(o->def, "none") == 0 || !*o->def ? "null" : o->def;
            if (strchr(o->name, '*')) {
                continue;
            }
            options[n++] = (struct tl_option){o->name, strcmp(value, "required") == 0 ? "3" : value};
        }
        if (strcmp(d->name, "threshold") == 0) {
            options[0].value = "1";
        }
        OK(tl_pruner_create(d->name, options, n, &p, err));
        tl_pruner_free(p);
    }
}
END_TEST

START_TEST(bad_options)
{
    static const struct {
        const char *pruner, *words[6], *why;
    } cases[] = {
        {"median", {"n_startup_trials", "-1"}, "from 0 to"},
        {"median", {"n_startup_trials", "1.5"}, "whole number"},
        {"median", {"n_startup_trials", "99999999999999999999"}, "n_startup_trials"},
        {"median", {"interval_steps", "0"}, "from 1 to"},
        {"median", {"n_min_trials", "0"}, "from 1 to"},
        {"median", {"percentile", "5"}, "has no option 'percentile'"},
        {"percentile", {"percentile", "100.5"}, "from 0.0 to 100.0"},
        {"percentile", {"percentile", "NaN"}, "from 0.0 to 100.0"},
        {"percentile", {"percentile", "x"}, "'x'"},
        {"percentile", {"percentile", ""}, "''"},
        {"halving", {"min_resource", "0"}, "\"auto\" or a whole number from 1"},
        {"halving", {"reduction_factor", "1"}, "from 2 to"},
        {"halving", {"bootstrap_count", "1"}, "bootstrap_count"},
        {"hyperband", {"max_resource", "never"}, "\"auto\""},
        {"hyperband", {"min_resource", "auto"}, "whole number"},
        {"hyperband", {"bootstrap_count", "1"}, "max_resource"},
        {"threshold", {"lower", "2", "upper", "1"}, "above"},
        {"threshold", {"lower", "NaN"}, "lower"},
        {"patient", {"patience", "-1"}, "from 0 to"},
        {"patient", {"patience", "1", "min_delta", "-0.5"}, "min_delta"},
        {"patient", {"patience", "1", "wrapped_pruner", "meidan"}, "wrapped_pruner: there is no pruner"},
        {"patient", {"patience", "1", "wrapped_pruner.upper", "1"}, "no wrapped_pruner"},
        {"wilcoxon", {"p_threshold", "2"}, "from 0.0 to 1.0"},
        {"wilcoxon", {"exact", "maybe"}, "true or false"},
    };
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_option o[3];
        size_t n = 0;
        tl_pruner *p = NULL;
        struct tl_err err = TL_ERR_INIT;
        for (; n < 3 && cases[i].words[2 * n]; n++) {
            o[n] = (struct tl_option){cases[i].words[2 * n], cases[i].words[2 * n + 1]};
        }
        int rc = tl_pruner_create(cases[i].pruner, o, n, &p, &err);
        ck_assert_msg(rc == TL_EINVAL || rc == TL_EUNSUPPORTED, "case %zu: %s", i, tl_code_name(rc));
        ck_assert_msg(strstr(err.message, cases[i].why) != NULL, "case %zu: %s", i, err.message);
    }
    /* nesting has an end */
    char deep[400] = "";
    while (strlen(deep) < 300) {
        strcat(deep, "wrapped_pruner.");
    }
    strcat(deep, "patience");
    struct tl_option o[] = {{"patience", "1"}, {"wrapped_pruner", "patient"}, {deep, "1"}};
    tl_pruner *p = NULL;
    FAILS(TL_EINVAL, "too long", tl_pruner_create("patient", o, 3, &p, err));
}
END_TEST

/* ---- questions ---- */

START_TEST(median_of_the_others)
{
    tl_storage *s = kit_open(kit_url(_i));
    tl_pruner *p = MAKE("median", "n_startup_trials", "2");
    tl_study *study = study_with(s, "s", p);
    tl_trial *t = kit_ask(study);
    ck_assert(!ask(t, 0, 100)); /* nobody to compare with */
    add(study, 1, 5);
    ck_assert(!ask(t, 1, 100)); /* one only */
    add(study, 2, 5);
    ck_assert(ask(t, 2, 100));
    ck_assert(!ask(t, 7, 100)); /* nobody came so far */
    ck_assert(!ask(t, 3, 0));   /* the last step is 7 still */
    tl_trial *good = kit_ask(study);
    ck_assert(!ask(good, 0, 1.5)); /* as good as the median is not worse */
    kit_end(study, t, TL_PRUNED);
    kit_tell(study, good, 1);
    tl_study_free(study);
    tl_pruner_free(p);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

/* Worse on every instance that both have (p = 1/16), but the best trial's mean over all of its own is not better. */
START_TEST(wilcoxon_spares_a_mean_that_is_as_good)
{
    tl_storage *s = kit_open("memory://");
    tl_pruner *p = MAKE("wilcoxon", NULL);
    for (int equal = 0; equal < 2; equal++) {
        tl_study *study = study_with(s, equal ? "equal" : "worse", p);
        struct tl_report_spec reports[] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, equal ? 12.5 : 12.25}};
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        double value = 0;
        spec.state = TL_COMPLETE;
        spec.values = &value;
        spec.n_values = 1;
        spec.reports = reports;
        spec.n_reports = 5;
        OK(tl_study_add_trial(study, &spec, NULL, err));
        tl_trial *t = kit_ask(study);
        for (int i = 0; i < 3; i++) {
            ck_assert(!ask(t, i, i + 1));
        }
        ck_assert(ask(t, 3, 4) == !equal);
        tl_trial_free(t);
        tl_study_free(study);
    }
    tl_pruner_free(p);
    tl_storage_close(s);
}
END_TEST

START_TEST(others_report_for_the_trial)
{
    tl_storage *s = kit_open(kit_url(_i));
    tl_pruner *p = MAKE("median", "n_startup_trials", "1");
    tl_study *study = study_with(s, "s", p);
    bool prune = true;
    add(study, 1, 5);
    tl_trial *t = kit_ask(study);
    OK(tl_trial_should_prune(t, &prune, err)); /* nothing reported */
    ck_assert(!prune);
    OK(tl_storage_report(s, tl_trial_id(t), 2, 5, err)); /* by another process */
    OK(tl_trial_should_prune(t, &prune, err));
    ck_assert(prune);
    OK(tl_study_should_prune(study, tl_trial_number(t), &prune, err));
    ck_assert(prune);
    OK(tl_storage_report(s, tl_trial_id(t), 1, 0.5, err));
    OK(tl_trial_should_prune(t, &prune, err));
    ck_assert(!prune); /* the best is 0.5 now */
    FAILS(TL_ENOTFOUND, "no trial 9", tl_study_should_prune(study, 9, &prune, err));
    FAILS(TL_EFINISHED, "trial 0 has finished", tl_study_should_prune(study, 0, &prune, err));
    tl_trial_free(t);
    tl_study_free(study);
    tl_pruner_free(p);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

START_TEST(several_objectives)
{
    static const enum tl_direction two[] = {TL_MINIMIZE, TL_MAXIMIZE};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_storage *s = kit_open("memory://");
    tl_study *study;
    bool prune;
    o.directions = two;
    o.n_directions = 2;
    OK(tl_study_create(s, "two", &o, &study, err));
    tl_trial *t = kit_ask(study);
    FAILS(TL_EINVAL, "several objectives", tl_trial_should_prune(t, &prune, err));
    tl_trial_free(t);
    tl_study_free(study);
    tl_storage_close(s);
}
END_TEST

static uint64_t appends(tl_storage *s)
{
    struct tl_storage_stats stats = {.size = sizeof stats};
    tl_storage_get_stats(s, &stats);
    return stats.appends;
}

START_TEST(rungs_are_written_with_what_waits)
{
    tl_storage *s = kit_open(kit_url(_i));
    tl_pruner *p = MAKE("successive_halving", "min_resource", "2", "reduction_factor", "2");
    tl_study *study = study_with(s, "s", p);
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    double x;
    bool prune;
    tl_trial *t = kit_ask(study), *other = kit_ask(study);
    ck_assert(!ask(t, 1, 3)); /* before the first rung */
    OK(tl_trial_report(t, 9, -INFINITY, err)); /* beyond rungs 2, 4 and 8 */
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    uint64_t before = appends(s);
    OK(tl_trial_should_prune(t, &prune, err));
    ck_assert_uint_eq(appends(s), before + 1);
    ck_assert(!prune);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_uint_eq(f.n_params, 1);
    for (int i = 0; i < 4; i++) {
        char key[32];
        snprintf(key, sizeof key, "completed_rung_%d", i);
        const char *v = kit_trial_attr(&f, TL_ATTR_SYSTEM, key);
        ck_assert(i < 3 ? strcmp(v, "-Infinity") == 0 : v == NULL);
    }
    tl_view_close(view);
    OK(tl_trial_should_prune(t, &prune, err)); /* nothing new: nothing is written */
    ck_assert(!prune);
    ck_assert_uint_eq(appends(s), before + 1);
    ck_assert(ask(other, 2, 0)); /* worse than the running trial */
    tl_trial *late = kit_ask(study);
    double value = 1;
    OK(tl_trial_report(late, 2, 0, err));
    OK(tl_study_tell_number(study, tl_trial_number(late), TL_COMPLETE, &value, 1, false, NULL, err));
    FAILS(TL_EFINISHED, "finished", tl_trial_should_prune(late, &prune, err));
    tl_trial_free(late);
    kit_end(study, other, TL_PRUNED);
    tl_trial_free(t);
    tl_frozen_release(&f);
    tl_study_free(study);
    tl_pruner_free(p);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

/* A pruner serves several studies and handles, which come and go. */
START_TEST(handles_are_kept_apart)
{
    tl_storage *s = kit_open("memory://");
    tl_pruner *p = MAKE("median", "n_startup_trials", "1");
    tl_study *low = study_with(s, "low", p), *high = study_with(s, "high", p);
    add(low, 1, 3);
    add(high, 9, 3);
    for (int i = 0; i < 3; i++) {
        tl_study *again = study_with(s, "low", p);
        tl_trial *a = kit_ask(low), *b = kit_ask(high), *c = kit_ask(again);
        ck_assert(ask(a, 1, 5));
        ck_assert(!ask(b, 1, 5));
        ck_assert(ask(c, 1, 5));
        kit_end(low, a, TL_FAIL);
        kit_end(high, b, TL_FAIL);
        kit_end(again, c, TL_FAIL);
        tl_study_free(again);
    }
    tl_study_free(low);
    tl_study_free(high);
    tl_pruner_free(p);
    tl_storage_close(s);
}
END_TEST

/* ---- threads ---- */

static int climb(tl_trial *t, double *values, void *ctx)
{
    double x = 0;
    bool prune = false;
    (void)ctx;
    if (tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, NULL) != 0) {
        return -1;
    }
    for (int i = 1; i <= 9; i++) {
        if (tl_trial_report(t, i, x + 1.0 / i, NULL) != 0 || tl_trial_should_prune(t, &prune, NULL) != 0) {
            return -1;
        }
        if (prune) {
            return TL_PRUNE;
        }
    }
    values[0] = x;
    return 0;
}

START_TEST(threads)
{
    static const char *const names[] = {"median", "successive_halving", "hyperband", "wilcoxon"};
    static const char *const options[][3] = {{NULL}, {"min_resource", "1", NULL}, {"max_resource", "9", NULL}, {NULL}};
    struct tl_optimize_options o = TL_OPTIMIZE_OPTIONS_INIT;
    tl_storage *s = kit_open("memory://");
    tl_pruner *p = make(names[_i], options[_i]);
    tl_study *study = study_with(s, "s", p);
    o.n_trials = 120;
    o.n_threads = 4;
    OK(tl_study_optimize(study, climb, NULL, &o, err));
    tl_view *view;
    OK(tl_study_view(study, &view, err));
    ck_assert_uint_eq(tl_view_count(view, TL_FAIL), 0);
    ck_assert_uint_gt(tl_view_count(view, TL_COMPLETE), 0);
    ck_assert_uint_gt(tl_view_count(view, TL_PRUNED), 10);
    tl_view_close(view);
    tl_study_free(study);
    tl_pruner_free(p);
    tl_storage_close(s);
}
END_TEST

/* ---- no memory ---- */

/* A question whose n-th allocation fails fails (TL_EUNKNOWN when rungs were being written), and put again gives the same
 * answer as if nothing had happened. */
START_TEST(every_allocation_may_fail)
{
    static const char *const names[] = {"median", "successive_halving", "hyperband", "wilcoxon", "patient"};
    static const char *const options[][5] = {
        {"n_startup_trials", "1", NULL}, {"min_resource", "1", NULL}, {"max_resource", "9", NULL}, {"p_threshold", "0.5", NULL},
        {"patience", "0", "wrapped_pruner", "median", NULL}};
    bool want = false;
    long failures = 0;
    for (long limit = -1; limit < 400; limit++) {
        struct fail_alloc f = {.left = limit};
        struct mem_hooks hooks = {fail_alloc_alloc, fail_alloc_resize, fail_alloc_release, &f};
        tl_storage *s = kit_open("memory://");
        tl_pruner *p = make(names[_i], options[_i]);
        tl_study *study = study_with(s, "s", p);
        bool prune = false;
        for (int i = 0; i < 150; i++) {
            add(study, i, 12);
        }
        tl_trial *t = kit_ask(study);
        for (int i = 8; i > 0; i--) { /* out of order */
            OK(tl_trial_report(t, i, 500 + i, err));
        }
        if (limit >= 0) {
            mem_set_hooks(&hooks);
        }
        int rc = tl_trial_should_prune(t, &prune, NULL);
        mem_set_hooks(NULL);
        ck_assert_msg(rc == TL_OK || ((rc == TL_ENOMEM || rc == TL_EUNKNOWN) && f.failed), "%s at %ld: %s", names[_i], limit, tl_code_name(rc));
        if (rc != TL_OK) {
            failures++;
            OK(tl_trial_should_prune(t, &prune, err));
        }
        if (limit < 0) {
            want = prune;
        }
        ck_assert_msg(prune == want, "%s at %ld: says %d", names[_i], limit, prune);
        bool done = limit >= 0 && rc == TL_OK && !f.failed;
        tl_trial_free(t);
        tl_study_free(study);
        tl_pruner_free(p);
        tl_storage_close(s);
        if (done) {
            break;
        }
    }
    ck_assert_int_gt(failures, 3);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pruner");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, all_names);
    tcase_add_test(t, documented_defaults);
    tcase_add_test(t, bad_options);
    tcase_add_loop_test(t, median_of_the_others, 0, KIT_BACKENDS);
    tcase_add_test(t, wilcoxon_spares_a_mean_that_is_as_good);
    tcase_add_loop_test(t, others_report_for_the_trial, 0, KIT_BACKENDS);
    tcase_add_test(t, several_objectives);
    tcase_add_loop_test(t, rungs_are_written_with_what_waits, 0, KIT_BACKENDS);
    tcase_add_test(t, handles_are_kept_apart);
    tcase_add_loop_test(t, threads, 0, 4);
    tcase_add_loop_test(t, every_allocation_may_fail, 0, 5);
    return check_run("pruner", t);
}
