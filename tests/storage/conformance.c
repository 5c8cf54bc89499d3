/* SPDX-License-Identifier: MIT
 *
 * What every storage must do: one table of cases, run on every backend in every setting:
 *   one         both sides of a case use one handle
 *   handles     two handles on one journal in this process
 *   processes   the other side is a process of its own
 * usage: conformance BACKEND SETTING   (memory, file, sqlite, sqlite-optimistic, server, or a URL; CK_RUN_CASE=name runs one case)
 *
 * A case writes on side A and checks what side B makes of it, or lets both write. Side B's part is a function that gets a handle and
 * a block of plain bytes; in another process the block travels there and back through a pipe. The list of behaviours follows
 * Optuna's StorageTestCase.
 */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "storage/sides.h"

/* ---- short words ---- */

static const enum tl_direction minimize[] = {TL_MINIMIZE};

static int64_t new_study(tl_storage *s, const char *name)
{
    int64_t id = -1;
    OK(tl_storage_create_study(s, name, minimize, 1, &id, err));
    return id;
}

static int64_t new_trial(tl_storage *s, int64_t study)
{
    int64_t id = -1, number;
    OK(tl_storage_create_trial(s, study, NULL, &id, &number, err));
    return id;
}

static void finish(tl_storage *s, int64_t trial, double value)
{
    OK(tl_storage_set_state(s, trial, TL_COMPLETE, &value, 1, NULL, err));
}

struct ids {
    int64_t study, other, trial[6];
    int n;
};

static int count_study(void *ctx, int64_t id, const char *name)
{
    struct ids *ids = ctx;
    (void)name;
    ids->trial[ids->n++ % 6] = id;
    return 0;
}

/* ---- studies ---- */

static void check_studies(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct ids seen = {0};
    int64_t id;
    OK(tl_storage_sync(s, err));
    OK(tl_storage_each_study(s, count_study, &seen, err));
    ck_assert_int_eq(seen.n, ids->n);
    for (int i = 0; i < ids->n; i++) {
        ck_assert_int_eq(seen.trial[i], ids->trial[i]);
    }
    OK(tl_storage_find_study(s, "x", &id, err));
    ck_assert_int_eq(id, ids->study);
    tl_view *view = view_of(s, id);
    ck_assert_str_eq(tl_view_study_name(view), "x");
    ck_assert_int_eq(tl_view_study_id(view), id);
    tl_view_close(view);
    FAILS(TL_ENOTFOUND, "'dummy-name'", tl_storage_find_study(s, "dummy-name", &id, err));
    FAILS(TL_ENOTFOUND, "", tl_view_open(s, 99, true, &view, err));
    FAILS(TL_EEXISTS, "'x'", tl_storage_create_study(s, "x", minimize, 1, &id, err));
}

START_TEST(studies_are_created)
{
    struct ids ids = {0};
    ids.study = ids.trial[ids.n++] = new_study(a, "x");
    ids.trial[ids.n++] = new_study(a, "");
    ids.trial[ids.n++] = new_study(a, NULL);
    ids.trial[ids.n++] = new_study(a, NULL);
    ids.trial[ids.n++] = new_study(a, "\xe5\xad\xa6\xe7\xbf\x92 \"quoted\"\n\\");
    for (int i = 1; i < ids.n; i++) {
        ck_assert_int_gt(ids.trial[i], ids.trial[i - 1]);
    }
    tl_view *view = view_of(a, ids.trial[2]);
    ck_assert_int_eq(strncmp(tl_view_study_name(view), "no-name-", 8), 0);
    tl_view_close(view);
    ON_B(check_studies, ids);
    FAILS(TL_EINVAL, "direction", tl_storage_create_study(a, "y", NULL, 0, NULL, err));
}
END_TEST

static void delete_on_b(tl_storage *s, void *arg)
{
    struct ids *ids = arg;
    OK(tl_storage_delete_study(s, ids->study, err));
    FAILS(TL_ENOTFOUND, "", tl_storage_delete_study(s, ids->study, err));
    ids->other = new_study(s, "x"); /* the name is free again, the id is not */
    ck_assert_int_ne(ids->other, ids->study);
    tl_view *view = view_of(s, ids->other);
    ck_assert_uint_eq(tl_view_n_trials(view), 0);
    tl_view_close(view);
}

START_TEST(studies_are_deleted)
{
    struct ids ids = {0};
    tl_view *view, *old;
    FAILS(TL_ENOTFOUND, "", tl_storage_delete_study(a, 0, err));
    FAILS(TL_ENOTFOUND, "", tl_storage_delete_study(a, -1, err));
    ids.trial[0] = new_study(a, "first");
    ids.study = new_study(a, "x");
    ids.trial[5] = new_trial(a, ids.study);
    old = view_of(a, ids.study);
    ON_B(delete_on_b, ids);
    FAILS(TL_ENOTFOUND, "", tl_view_open(a, ids.study, true, &view, err));
    FAILS(TL_ENOTFOUND, "", tl_storage_create_trial(a, ids.study, NULL, NULL, NULL, err));
    FAILS(TL_ENOTFOUND, "", tl_storage_set_study_attr(a, ids.study, TL_ATTR_USER, "k", "1", err));
    FAILS(TL_ENOTFOUND, "", tl_storage_delete_study(a, ids.study, err));
    ck_assert_uint_eq(tl_view_n_trials(old), 1); /* an older view still shows it */
    tl_view_close(old);
    ids.trial[ids.n = 1] = ids.study = ids.other;
    ids.n = 2;
    ON_B(check_studies, ids);
}
END_TEST

static void check_directions_on_b(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    tl_view *view = view_of(s, ids->study);
    size_t n;
    const enum tl_direction *d = tl_view_directions(view, &n);
    ck_assert_int_eq((int)n, ids->n);
    for (int i = 0; i < ids->n; i++) {
        ck_assert_int_eq((int64_t)d[i], ids->trial[i]);
    }
    tl_view_close(view);
}

START_TEST(directions_stay)
{
    static const enum tl_direction rows[4][2] = {
        {TL_MINIMIZE}, {TL_MAXIMIZE}, {TL_MINIMIZE, TL_MAXIMIZE}, {TL_MAXIMIZE, TL_MINIMIZE}};
    for (size_t i = 0; i < 4; i++) {
        struct ids ids = {.n = i < 2 ? 1 : 2};
        OK(tl_storage_create_study(a, NULL, rows[i], (size_t)ids.n, &ids.study, err));
        ids.trial[0] = (int64_t)rows[i][0];
        ids.trial[1] = (int64_t)rows[i][1];
        ON_B(check_directions_on_b, ids);
    }
}
END_TEST

/* ---- attributes ---- */

/* Values as they go in and as they come out. */
static const char *const attr_rows[][2] = {
    {"\"MNIST\"", "\"MNIST\""},
    {"null", "null"},
    {" { \"score\" : 0.001,\n \"tags\" : [ \"image\" , true ] } ", "{\"score\":0.001,\"tags\":[\"image\",true]}"},
    {"0", "0"},
    {"3.141592653589793", "3.141592653589793"},
    {"1.7976931348623157e+308", "1.7976931348623157e+308"},
    {"-2.2250738585072014e-308", "-2.2250738585072014e-308"},
    {"Infinity", "Infinity"},
    {"-Infinity", "-Infinity"},
    {"NaN", "NaN"},
    {"\"\xc3\xa9\\ud800\"", "\"\\u00e9\\ud800\""},
    {"123456789012345678901234567890", "123456789012345678901234567890"},
};
#define N_ATTRS (sizeof attr_rows / sizeof attr_rows[0])

static void attr_key(char out[16], size_t i)
{
    snprintf(out, 16, "key %zu", i % N_ATTRS);
}

static void check_attrs(const struct tl_attr *attrs, size_t n, enum tl_attr_kind kind, size_t offset)
{
    char key[16];
    for (size_t i = 0; i < N_ATTRS; i++) {
        attr_key(key, i + offset);
        const char *json = kit_attr(attrs, n, kind, key);
        ck_assert_ptr_nonnull(json);
        ck_assert_str_eq(json, attr_rows[i][1]);
    }
}

static void check_study_attrs(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    size_t n;
    tl_view *view = view_of(s, ids->study);
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n);
    ck_assert_uint_eq(n, 2 * N_ATTRS);
    check_attrs(attrs, n, TL_ATTR_USER, 0);
    check_attrs(attrs, n, TL_ATTR_SYSTEM, 1); /* the same keys with other values: kinds are not mixed up */
    tl_view_close(view);
    view = view_of(s, ids->other);
    tl_view_study_attrs(view, &n);
    ck_assert_uint_eq(n, 0);
    tl_view_close(view);
}

START_TEST(study_attributes)
{
    struct ids ids = {.study = new_study(a, NULL), .other = new_study(a, NULL)};
    char key[16];
    for (size_t i = 0; i < N_ATTRS; i++) {
        attr_key(key, i);
        OK(tl_storage_set_study_attr(a, ids.study, TL_ATTR_USER, key, "\"old\"", err));
        OK(tl_storage_set_study_attr(a, ids.study, TL_ATTR_USER, key, attr_rows[i][0], err));
        attr_key(key, i + 1);
        OK(tl_storage_set_study_attr(a, ids.study, TL_ATTR_SYSTEM, key, attr_rows[i][0], err));
    }
    ON_B(check_study_attrs, ids);
    FAILS(TL_ENOTFOUND, "", tl_storage_set_study_attr(a, 99, TL_ATTR_USER, "k", "1", err));
    FAILS(TL_EINVAL, "'k'", tl_storage_set_study_attr(a, ids.study, TL_ATTR_USER, "k", "1 2", err));
    FAILS(TL_EINVAL, "'k'", tl_storage_set_study_attr(a, ids.study, TL_ATTR_USER, "k", "\"\xff\"", err));
}
END_TEST

static void check_trial_attrs(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    for (int64_t number = 0; number < ids->n; number++) {
        read_trial(s, ids->study, number, &f, &view);
        if (number == 0) {
            ck_assert_uint_eq(f.n_attrs, 2 * N_ATTRS);
            check_attrs(f.attrs, f.n_attrs, TL_ATTR_USER, 0);
            check_attrs(f.attrs, f.n_attrs, TL_ATTR_SYSTEM, 1);
        } else {
            ck_assert_uint_eq(f.n_attrs, 1);
            ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_USER, "baseline"), "0.001");
        }
        tl_view_close(view);
    }
    tl_frozen_release(&f);
}

START_TEST(trial_attributes)
{
    struct ids ids = {.study = new_study(a, NULL), .n = 2};
    char key[16];
    ids.trial[0] = new_trial(a, ids.study);
    ids.trial[1] = new_trial(a, ids.study);
    for (size_t i = 0; i < N_ATTRS; i++) {
        attr_key(key, i);
        OK(tl_storage_set_trial_attr(a, ids.trial[0], TL_ATTR_USER, key, "\"old\"", err));
        OK(tl_storage_set_trial_attr(a, ids.trial[0], TL_ATTR_USER, key, attr_rows[i][0], err));
        attr_key(key, i + 1);
        OK(tl_storage_set_trial_attr(a, ids.trial[0], TL_ATTR_SYSTEM, key, attr_rows[i][0], err));
    }
    OK(tl_storage_set_trial_attr(a, ids.trial[1], TL_ATTR_USER, "baseline", "0.001", err));
    ON_B(check_trial_attrs, ids);
    finish(a, ids.trial[0], 0);
    ON_B(check_trial_attrs, ids); /* finishing changes nothing of it */
    FAILS(TL_ENOTFOUND, "", tl_storage_set_trial_attr(a, 99, TL_ATTR_USER, "k", "1", err));
    FAILS(TL_EFINISHED, "COMPLETE", tl_storage_set_trial_attr(a, ids.trial[0], TL_ATTR_USER, "k", "1", err));
    FAILS(TL_EFINISHED, "", tl_storage_set_trial_attr(a, ids.trial[0], TL_ATTR_SYSTEM, "k", "1", err));
}
END_TEST

/* ---- trials ---- */

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void check_new_trials(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    int64_t end = now_us();
    for (int64_t i = 0; i < 3; i++) {
        read_trial(s, ids->study, i, &f, &view);
        ck_assert_uint_eq(tl_view_n_trials(view), 3);
        ck_assert_uint_eq(tl_view_count(view, TL_RUNNING), 3);
        ck_assert_int_eq(f.id, ids->trial[i]);
        ck_assert_int_eq(f.number, i);
        ck_assert_int_eq(f.state, TL_RUNNING);
        ck_assert(f.start.set && f.start.us >= ids->other && f.start.us <= end && !f.complete.set && !f.has_values);
        ck_assert_uint_eq(f.n_params + f.n_attrs + f.n_reports + f.n_values, 0);
        FAILS(TL_ENOTFOUND, "", tl_view_trial(view, 3, &f, err));
        FAILS(TL_ENOTFOUND, "", tl_view_trial(view, -1, &f, err));
        ck_assert_int_eq(tl_view_trial_state(view, 3), -1);
        tl_view_close(view);
    }
    tl_frozen_release(&f);
}

START_TEST(trials_are_created)
{
    struct ids ids = {.study = new_study(a, NULL), .other = now_us()};
    int64_t second, number, id;
    FAILS(TL_ENOTFOUND, "", tl_storage_create_trial(a, ids.study + 1, NULL, &id, &number, err));
    second = new_study(a, NULL);
    for (int64_t i = 0; i < 3; i++) {
        OK(tl_storage_create_trial(a, ids.study, NULL, &ids.trial[i], &number, err));
        ck_assert_int_eq(number, i);
        OK(tl_storage_create_trial(a, second, NULL, &id, &number, err)); /* numbers count within a study, ids do not */
        ck_assert_int_eq(number, i);
        ck_assert_int_ne(id, ids.trial[i]);
    }
    ON_B(check_new_trials, ids);
}
END_TEST

static const struct tl_dist unit = TL_FLOAT_RANGE(0, 1), unit_log = TL_FLOAT_LOG(1, 100);

static void check_template(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    for (int64_t i = 0; i < 3; i++) {
        read_trial(s, ids->study, i, &f, &view);
        ck_assert(f.state == TL_COMPLETE && f.n_values == 1 && f.values[0] == 10000);
        ck_assert(f.start.us == 1661990400000000 && f.complete.us == 1662076800000001 && !f.start.naive);
        ck_assert(f.n_params == 1 && kit_param(&f, "x")->internal == 0.5 && kit_param(&f, "x")->dist->high == 1);
        ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_USER, "foo"), "\"bar\"");
        ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "baz"), "123");
        ck_assert(f.n_reports == 3 && f.reports[0].step == 1 && f.reports[2].value == 1000);
        tl_view_close(view);
    }
    tl_frozen_release(&f);
}

START_TEST(trials_are_created_from_templates)
{
    static const double value = 10000;
    const struct tl_param_spec params[] = {{"x", 0.5, &unit}};
    const struct tl_attr_spec attrs[] = {{TL_ATTR_USER, "foo", "\"bar\""}, {TL_ATTR_SYSTEM, "baz", "123"}};
    const struct tl_report_spec reports[] = {{1, 10}, {2, 100}, {3, 1000}};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    struct ids ids = {.study = new_study(a, NULL)};
    spec.state = TL_COMPLETE;
    spec.values = &value;
    spec.n_values = 1;
    spec.start = (struct tl_time){1661990400000000, true, false};
    spec.complete = (struct tl_time){1662076800000001, true, false};
    spec.params = params;
    spec.n_params = 1;
    spec.attrs = attrs;
    spec.n_attrs = 2;
    spec.reports = reports;
    spec.n_reports = 3;
    for (int i = 0; i < 3; i++) {
        int64_t number;
        OK(tl_storage_create_trial(a, ids.study, &spec, &ids.trial[i], &number, err));
        ck_assert_int_eq(number, i);
    }
    ON_B(check_template, ids);
    FAILS(TL_ENOTFOUND, "", tl_storage_create_trial(a, 99, &spec, NULL, NULL, err));
    const struct tl_param_spec other[] = {{"x", 1, &unit_log}}, twice[] = {{"x", 0, &unit}, {"x", 1, &unit}};
    spec.params = other;
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_storage_create_trial(a, ids.study, &spec, NULL, NULL, err));
    spec.params = twice;
    spec.n_params = 2;
    FAILS(TL_EINVAL, "'x'", tl_storage_create_trial(a, ids.study, &spec, NULL, NULL, err));
}
END_TEST

static void check_states(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    for (int64_t i = 0; i < 5; i++) {
        read_trial(s, ids->study, i, &f, &view);
        ck_assert_int_eq((int64_t)f.state, i);
        ck_assert_int_eq((int64_t)tl_view_trial_state(view, i), i);
        ck_assert(f.complete.set == (bool)TL_STATE_IS_FINISHED(f.state));
        ck_assert(f.has_values == (f.state == TL_COMPLETE));
        ck_assert_uint_eq(tl_view_count(view, (enum tl_state)i), 1);
        ck_assert(i != TL_RUNNING || f.start.us == ids->other);
        tl_view_close(view);
    }
    tl_frozen_release(&f);
}

START_TEST(states)
{
    struct ids ids = {.study = new_study(a, NULL)};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    double value = 0.5;
    bool updated = true;
    tl_view *view;
    for (int i = 0; i < 5; i++) {
        ids.trial[i] = new_trial(a, ids.study);
    }
    read_trial(a, ids.study, 0, &f, &view);
    ids.other = f.start.us;
    tl_view_close(view);
    for (int i = 0; i < 5; i++) {
        enum tl_state state = (enum tl_state)i;
        OK(tl_storage_set_state(a, ids.trial[i], state, state == TL_COMPLETE ? &value : NULL, 1, &updated, err));
        ck_assert(updated == (state != TL_RUNNING)); /* RUNNING already: nothing changes, the start neither */
    }
    ON_B(check_states, ids);
    FAILS(TL_ENOTFOUND, "", tl_storage_set_state(a, 99, TL_COMPLETE, &value, 1, NULL, err));
    FAILS(TL_EINVAL, "state", tl_storage_set_state(a, ids.trial[0], (enum tl_state)5, NULL, 0, NULL, err));
    for (int i = 0; i < 5; i++) {
        FAILS(TL_EFINISHED, "COMPLETE", tl_storage_set_state(a, ids.trial[1], (enum tl_state)i, NULL, 0, NULL, err));
    }
    tl_frozen_release(&f);
}
END_TEST

static void claim_on_b(tl_storage *s, void *arg)
{
    struct ids *ids = arg;
    bool updated;
    OK(tl_storage_set_state(s, ids->trial[0], TL_RUNNING, NULL, 0, &updated, err));
    ids->n = updated;
}

START_TEST(the_first_claim_wins)
{
    struct ids ids = {.study = new_study(a, NULL)};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    bool updated;
    spec.state = TL_WAITING;
    for (int i = 0; i < 20; i++) {
        OK(tl_storage_create_trial(a, ids.study, &spec, &ids.trial[0], NULL, err));
        if (i % 2) {
            ON_B(claim_on_b, ids);
            OK(tl_storage_set_state(a, ids.trial[0], TL_RUNNING, NULL, 0, &updated, err));
            ck_assert(ids.n == 1 && !updated);
        } else {
            OK(tl_storage_set_state(a, ids.trial[0], TL_RUNNING, NULL, 0, &updated, err));
            ON_B(claim_on_b, ids);
            ck_assert(ids.n == 0 && updated);
        }
    }
}
END_TEST

/* ---- numbers ---- */

static const double floats[] = {0, M_PI, DBL_MAX, -DBL_MAX, DBL_MIN, -DBL_MIN, 5e-324, 0.1, -0.0, 1e22, INFINITY, -INFINITY, NAN};
#define N_FLOATS (sizeof floats / sizeof floats[0])

static bool same_bits(double x, double y)
{
    return memcmp(&x, &y, sizeof x) == 0 || (isnan(x) && isnan(y));
}

static void check_floats(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    for (size_t i = 0; i < N_FLOATS; i++) {
        char name[16];
        read_trial(s, ids->study, (int64_t)i, &f, &view);
        ck_assert(f.has_values == !isnan(floats[i]));
        ck_assert(!f.has_values || same_bits(f.values[0], floats[i]));
        ck_assert(f.n_reports == N_FLOATS && same_bits(f.reports[i].value, floats[i]) && f.reports[i].step == (int64_t)i);
        for (size_t k = 0; k < N_FLOATS; k++) {
            snprintf(name, sizeof name, "p%zu", k);
            const struct tl_param *p = kit_param(&f, name);
            ck_assert(isfinite(floats[k]) ? p && same_bits(p->internal, floats[k]) && same_bits(p->dist->low, floats[k]) : !p);
            snprintf(name, sizeof name, "c%zu", k);
            p = kit_param(&f, name);
            ck_assert(p && p->internal == 0 && p->dist->n_choices == 1);
            ck_assert(same_bits(p->dist->choices[0].as.f, floats[k]));
        }
        tl_view_close(view);
    }
    tl_frozen_release(&f);
}

START_TEST(every_bit_of_a_double)
{
    struct ids ids = {.study = new_study(a, NULL)};
    for (size_t i = 0; i < N_FLOATS; i++) {
        int64_t trial = new_trial(a, ids.study);
        for (size_t k = 0; k < N_FLOATS; k++) {
            struct tl_value choice = kit_float(floats[k]);
            struct tl_dist d = TL_FLOAT_RANGE(floats[k], floats[k]), c = {TL_DIST_CATEGORICAL, false, 0, 0, 0, &choice, 1};
            char name[16];
            OK(tl_storage_report(a, trial, (int64_t)k, floats[k], err));
            snprintf(name, sizeof name, "p%zu", k);
            if (isfinite(floats[k])) {
                OK(tl_storage_set_param(a, trial, name, floats[k], &d, err));
            } else {
                FAILS(TL_EINVAL, "'p", tl_storage_set_param(a, trial, name, floats[k], &d, err));
            }
            snprintf(name, sizeof name, "c%zu", k);
            OK(tl_storage_set_param(a, trial, name, 0, &c, err));
        }
        if (isnan(floats[i])) {
            OK(tl_storage_set_state(a, trial, TL_FAIL, NULL, 0, NULL, err));
        } else {
            finish(a, trial, floats[i]);
        }
    }
    ON_B(check_floats, ids);
}
END_TEST

static void check_params(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    struct tl_value v;
    tl_view *view;
    read_trial(s, ids->study, 0, &f, &view);
    ck_assert(f.n_params == 2 && kit_param(&f, "x")->internal == 0.75 && kit_param(&f, "y")->internal == 2);
    OK(tl_dist_external(kit_param(&f, "y")->dist, 2, &v, err));
    ck_assert(v.as.text.len == 6 && memcmp(v.as.text.s, "Meguro", 6) == 0);
    ck_assert(f.params[0].name.s[0] == 'x'); /* setting it again does not move it */
    OK(tl_view_trial(view, 1, &f, err));
    ck_assert(f.n_params == 2 && kit_param(&f, "x")->internal == 0.3 && kit_param(&f, "z")->internal == 0.1);
    ck_assert(f.params[0].name.s[0] == 'z');
    tl_view_close(view);
    read_trial(s, ids->other, 0, &f, &view);
    ck_assert(f.n_params == 1 && kit_param(&f, "y")->internal == 1);
    tl_view_close(view);
    tl_frozen_release(&f);
}

START_TEST(parameters)
{
    struct ids ids = {.study = new_study(a, NULL), .other = new_study(a, NULL)};
    struct tl_value first[] = {kit_text("Shibuya"), kit_text("Ebisu"), kit_text("Meguro")},
                    turned[] = {kit_text("Meguro"), kit_text("Shibuya"), kit_text("Ebisu")},
                    two[] = {kit_text("Shibuya"), kit_text("Shinsen")};
    const struct tl_dist x = TL_FLOAT_RANGE(1, 2), z = TL_FLOAT_LOG(1, 100), y1 = {TL_DIST_CATEGORICAL, false, 0, 0, 0, first, 3},
                         y2 = {TL_DIST_CATEGORICAL, false, 0, 0, 0, two, 2}, y3 = {TL_DIST_CATEGORICAL, false, 0, 0, 0, turned, 3};
    int64_t t1 = new_trial(a, ids.study), t2 = new_trial(a, ids.study), t3 = new_trial(a, ids.other);
    OK(tl_storage_set_param(a, t1, "x", 0.5, &x, err)); /* outside the range: fine */
    OK(tl_storage_set_param(a, t1, "y", 2, &y1, err));
    OK(tl_storage_set_param(a, t1, "x", 0.75, &x, err));
    OK(tl_storage_set_param(a, t2, "z", 0.1, &z, err));
    OK(tl_storage_set_param(a, t2, "x", 0.3, &x, err));
    FAILS(TL_EINCOMPATIBLE, "'y'", tl_storage_set_param(a, t2, "y", 0.5, &z, err));
    FAILS(TL_EINCOMPATIBLE, "'y'", tl_storage_set_param(a, t2, "y", 2, &y3, err)); /* order counts */
    FAILS(TL_EINCOMPATIBLE, "'y'", tl_storage_set_param(a, t1, "y", 0.5, &z, err)); /* the trial's own too */
    FAILS(TL_EINVAL, "no such choice", tl_storage_set_param(a, t2, "y", 3, &y1, err));
    FAILS(TL_EINVAL, "NaN", tl_storage_set_param(a, t2, "x", NAN, &x, err));
    FAILS(TL_EINVAL, "no distribution", tl_storage_set_param(a, t2, "x", 1, NULL, err));
    finish(a, t2, 0);
    FAILS(TL_EFINISHED, "", tl_storage_set_param(a, t2, "y", 2, &y1, err));
    FAILS(TL_EFINISHED, "", tl_storage_set_param(a, t2, "y", 0.4, &z, err)); /* before the distribution is looked at */
    OK(tl_storage_set_param(a, t3, "y", 1, &y2, err));                        /* another study */
    FAILS(TL_ENOTFOUND, "", tl_storage_set_param(a, 99, "x", 1, &x, err));
    ON_B(check_params, ids);
}
END_TEST

static void check_reports(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    struct tl_report last;
    tl_view *view;
    read_trial(s, ids->study, 0, &f, &view);
    ck_assert(f.n_reports == 2 && f.reports[0].step == 0 && f.reports[0].value == 0.2);
    ck_assert(f.reports[1].step == 2 && f.reports[1].value == 0.4);
    ck_assert(tl_view_last_report(view, 0, &last) && last.step == 2 && last.value == 0.4);
    ck_assert(!tl_view_last_report(view, 1, &last));
    tl_view_close(view);
    tl_frozen_release(&f);
}

START_TEST(intermediate_values)
{
    struct ids ids = {.study = new_study(a, NULL)};
    int64_t t1 = new_trial(a, ids.study);
    new_trial(a, ids.study);
    OK(tl_storage_report(a, t1, 0, 0.3, err));
    OK(tl_storage_report(a, t1, 2, 0.4, err));
    OK(tl_storage_report(a, t1, 0, 0.2, err)); /* the last one counts here */
    ON_B(check_reports, ids);
    finish(a, t1, 0);
    ON_B(check_reports, ids);
    FAILS(TL_ENOTFOUND, "", tl_storage_report(a, 99, 0, 0.2, err));
    FAILS(TL_EFINISHED, "", tl_storage_report(a, t1, 0, 0.2, err));
}
END_TEST

static void check_best(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    tl_view *view = view_of(s, ids->study);
    ck_assert_int_eq(tl_view_best(view), ids->n);
    tl_view_close(view);
}

START_TEST(best_trials)
{
    static const struct {
        double values[4];
        int n, least, most;
    } rows[] = {{{0, 1, 2}, 3, 0, 2}, {{0, INFINITY, 1}, 3, 0, 1}, {{0, -INFINITY, 1}, 3, 1, 2}, {{INFINITY, 0, 1, -INFINITY}, 4, 3, 0},
                {{INFINITY}, 1, 0, 0}, {{-INFINITY}, 1, 0, 0}, {{1, 1}, 2, 0, 0}, {{0}, 0, -1, -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int d = TL_MINIMIZE; d <= TL_MAXIMIZE; d++) {
            enum tl_direction direction = (enum tl_direction)d;
            struct ids ids = {.n = d == TL_MINIMIZE ? rows[i].least : rows[i].most};
            OK(tl_storage_create_study(a, NULL, &direction, 1, &ids.study, err));
            for (int k = 0; k < rows[i].n; k++) {
                finish(a, new_trial(a, ids.study), rows[i].values[k]);
            }
            new_trial(a, ids.study);
            ON_B(check_best, ids);
        }
    }
}
END_TEST

/* ---- views ---- */

static void change_everything(tl_storage *s, void *arg)
{
    const struct ids *ids = arg;
    OK(tl_storage_set_study_attr(s, ids->study, TL_ATTR_USER, "u", "2", err));
    OK(tl_storage_set_study_attr(s, ids->study, TL_ATTR_USER, "v", "3", err));
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 40; k++) { /* enough to make lists grow and change place */
            char key[16];
            snprintf(key, sizeof key, "k%d", k);
            OK(tl_storage_set_trial_attr(s, ids->trial[i], TL_ATTR_USER, key, "2", err));
            OK(tl_storage_report(s, ids->trial[i], k, 2, err));
        }
        OK(tl_storage_set_param(s, ids->trial[i], "x", 0.25, &unit, err));
        OK(tl_storage_set_param(s, ids->trial[i], "y", 0.25, &unit, err));
    }
    finish(s, ids->trial[0], 5);
    OK(tl_storage_set_state(s, ids->trial[1], TL_PRUNED, NULL, 0, NULL, err));
    new_trial(s, ids->study);
}

START_TEST(views_never_change)
{
    struct ids ids = {.study = new_study(a, NULL)};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    size_t n;
    OK(tl_storage_set_study_attr(a, ids.study, TL_ATTR_USER, "u", "1", err));
    for (int i = 0; i < 3; i++) {
        ids.trial[i] = new_trial(a, ids.study);
        OK(tl_storage_set_trial_attr(a, ids.trial[i], TL_ATTR_USER, "k0", "1", err));
        OK(tl_storage_report(a, ids.trial[i], 0, 1, err));
        OK(tl_storage_set_param(a, ids.trial[i], "x", 0.5, &unit, err));
    }
    tl_view *view = view_of(a, ids.study);
    uint64_t seq = tl_view_seq(view);
    ON_B(change_everything, ids);
    tl_view *later = view_of(a, ids.study);
    ck_assert_uint_eq(tl_view_n_trials(later), 4);
    ck_assert_int_eq(tl_view_best(later), 0);
    ck_assert_uint_gt(tl_view_seq(later), seq);
    ck_assert_uint_eq(tl_view_epoch(later), tl_view_epoch(view));
    ck_assert_uint_eq(tl_view_n_rows(later), 2);
    tl_view_unfinished(later, &n);
    ck_assert_uint_eq(n, 2);
    tl_view_close(later);

    ck_assert_uint_eq(tl_view_seq(view), seq);
    ck_assert_uint_eq(tl_view_n_trials(view), 3);
    ck_assert_uint_eq(tl_view_n_rows(view), 0);
    ck_assert_int_eq(tl_view_best(view), -1);
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(kit_attr(attrs, n, TL_ATTR_USER, "u"), "1");
    const int64_t *unfinished = tl_view_unfinished(view, &n);
    ck_assert(n == 3 && unfinished[0] == 0 && unfinished[2] == 2);
    for (int64_t i = 0; i < 3; i++) {
        OK(tl_view_trial(view, i, &f, err));
        ck_assert(f.state == TL_RUNNING && !f.complete.set && f.n_attrs == 1 && f.n_reports == 1 && f.n_params == 1);
        ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_USER, "k0"), "1");
        ck_assert(f.reports[0].value == 1 && f.params[0].internal == 0.5);
    }
    tl_view_close(view);
    tl_frozen_release(&f);
}
END_TEST

/* ---- both write ---- */

static void write_some(tl_storage *s, void *arg)
{
    struct ids *ids = arg;
    for (int i = 0; i < 10; i++) {
        int64_t trial = new_trial(s, ids->study);
        OK(tl_storage_set_param(s, trial, "x", i / 10.0, &unit, err));
        OK(tl_storage_report(s, trial, i, i, err));
        finish(s, trial, i);
    }
}

START_TEST(turns)
{
    struct ids ids = {.study = new_study(a, NULL)};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    for (int i = 0; i < 5; i++) {
        write_some(a, &ids);
        ON_B(write_some, ids);
    }
    tl_view *view = view_of(a, ids.study);
    ck_assert_uint_eq(tl_view_n_trials(view), 100);
    ck_assert_uint_eq(tl_view_count(view, TL_COMPLETE), 100);
    for (int64_t i = 0; i < 100; i++) {
        OK(tl_view_trial(view, i, &f, err));
        ck_assert(f.n_params == 1 && f.n_reports == 1 && f.reports[0].step == i % 10 && f.values[0] == (double)(i % 10));
    }
    tl_view_close(view);
    tl_frozen_release(&f);
}
END_TEST

struct asker {
    pthread_t thread;
    tl_study *study;
    char seen[8 * 40];
    int failed;
    struct tl_err err; /* of the last failure */
};

static void *ask_and_tell(void *ctx)
{
    struct asker *w = ctx;
    for (int i = 0; i < 40; i++) {
        tl_trial *t;
        double v = i;
        if (tl_study_ask(w->study, NULL, &t, &w->err) != 0) {
            w->failed++;
            continue;
        }
        w->seen[tl_trial_number(t)]++;
        if (tl_study_tell(w->study, t, TL_COMPLETE, &v, 1, NULL, &w->err) != 0) {
            w->failed++;
        }
    }
    return NULL;
}

START_TEST(numbers_are_dense_over_threads)
{
    static struct asker w[8];
    struct ids ids = {.study = new_study(a, "threads")};
    tl_study *studies[2] = {kit_study(a, "threads", NULL), kit_study(setting == HANDLES ? b_handle : a, "threads", NULL)};
    for (int i = 0; i < 8; i++) {
        w[i].study = studies[i % 2];
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, ask_and_tell, &w[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(w[i].thread, NULL);
        ck_assert_msg(w[i].failed == 0, "%d failed, the last one with: %s", w[i].failed, w[i].err.message);
    }
    for (int k = 0; k < 8 * 40; k++) {
        int n = 0;
        for (int i = 0; i < 8; i++) {
            n += w[i].seen[k];
        }
        ck_assert_int_eq(n, 1);
    }
    tl_study_free(studies[0]);
    tl_study_free(studies[1]);
    tl_view *view = view_of(a, ids.study);
    ck_assert_uint_eq(tl_view_count(view, TL_COMPLETE), 320);
    tl_view_close(view);
}
END_TEST

/* ---- studies: what one side begins the other goes on with ---- */

static void go_on_on_b(tl_storage *s, void *arg)
{
    struct ids *ids = arg;
    struct tl_fixed_param p = {"x", kit_float(0.25)};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_study *study = kit_study(s, "over", NULL);
    tl_trial *t, *none;
    enum tl_state final;
    double x, value = 2;
    int64_t number;
    OK(tl_study_enqueue(study, &p, 1, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, -1); /* side A has put it there */
    o.budget = 2;
    OK(tl_study_ask(study, &o, &t, err));
    ck_assert_int_eq(tl_trial_number(t), 1);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    ck_assert_double_eq(x, 0.25);
    FAILS(TL_EEXHAUSTED, "", tl_study_ask(study, &o, &none, err));
    OK(tl_trial_report(t, 7, 70, err)); /* side A ends this one */
    tl_trial_free(t);
    OK(tl_study_tell_number(study, 0, TL_COMPLETE, &value, 1, false, &final, err));
    OK(tl_study_set_attr(study, TL_ATTR_USER, "from", "\"b\"", err));
    OK(tl_study_copy(s, "over", s, "copy", err));
    ids->n = (int)tl_study_id(study);
    tl_study_free(study);
}

START_TEST(studies_over_sides)
{
    struct tl_fixed_param p = {"x", kit_float(0.25)};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_study *study = kit_study(a, "over", NULL);
    tl_trial *t = kit_ask(study);
    struct ids ids = {.study = tl_study_id(study)};
    enum tl_state final;
    double x, best;
    size_t n;
    int64_t number;
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_trial_flush(t, err));
    OK(tl_study_enqueue(study, &p, 1, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, 1);
    ON_B(go_on_on_b, ids);
    ck_assert_int_eq(ids.n, (int)ids.study);
    FAILS(TL_EFINISHED, "trial 0", tl_study_tell(study, t, TL_FAIL, NULL, 0, &final, err)); /* side B was first */
    tl_trial_free(t);
    OK(tl_study_tell_number(study, 1, TL_PRUNED, NULL, 0, false, &final, err));
    tl_view *view = kit_read(study, 1, &f);
    ck_assert(f.state == TL_PRUNED && f.n_values == 1 && f.values[0] == 70 && kit_param(&f, "x")->internal == 0.25);
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n);
    ck_assert_str_eq(kit_attr(attrs, n, TL_ATTR_USER, "from"), "\"b\"");
    tl_view_close(view);
    OK(tl_study_best(study, &number, &best, err));
    ck_assert(number == 0 && best == 2);
    tl_study_free(study);
    study = kit_study(a, "copy", NULL);
    view = kit_read(study, 1, &f);
    ck_assert(f.state == TL_RUNNING && f.n_reports == 1 && tl_view_count(view, TL_COMPLETE) == 1);
    tl_view_close(view);
    tl_study_free(study);
    tl_frozen_release(&f);
    OK(tl_study_delete(a, "copy", err));
    FAILS(TL_ENOTFOUND, "", tl_study_load(a, "copy", NULL, &study, err));
}
END_TEST

/* ---- the program ---- */

int main(int argc, char **argv)
{
    const TTest *const cases[] = {
        studies_are_created,
        studies_are_deleted,
        directions_stay,
        study_attributes,
        trial_attributes,
        trials_are_created,
        trials_are_created_from_templates,
        states,
        the_first_claim_wins,
        every_bit_of_a_double,
        parameters,
        intermediate_values,
        best_trials,
        views_never_change,
        turns,
        numbers_are_dense_over_threads,
        studies_over_sides,
    };
    if (argc != 3) {
        fprintf(stderr, "usage: conformance memory|file|sqlite|sqlite-optimistic|server|URL one|handles|processes\n");
        return 2;
    }
    storage_kind = argv[1];
    while (setting < N_SETTINGS && strcmp(argv[2], setting_names[setting]) != 0) {
        setting++;
    }
    Suite *suite = suite_create(argv[1]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        TCase *t = tcase_create(cases[i]->name);
        tcase_add_checked_fixture(t, setup, teardown);
        tcase_set_timeout(t, 60);
        tcase_add_test(t, cases[i]);
        suite_add_tcase(suite, t);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
