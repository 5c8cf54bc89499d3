/* SPDX-License-Identifier: MIT
 *
 * engine/study.c, tell.c and copy.c: studies as one worker sees them, from their making to how trials end; asking is tested in test_ask.c, what
 * many workers do together in tests/storage.
 */
#include <math.h>

#include "support/one_study.h"

/* ---- creating, loading, deleting ---- */

START_TEST(create_load_delete)
{
    static const enum tl_direction two[] = {TL_MINIMIZE, TL_MAXIMIZE}, odd[] = {TL_NOT_SET};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_study *a, *b;
    tl_trial *t;
    storage = kit_open(kit_url(_i));
    FAILS(TL_ENOTFOUND, "'x'", tl_study_load(storage, "x", NULL, &a, err));
    OK(tl_study_create(storage, "x", NULL, &a, err));
    ck_assert_str_eq(tl_study_name(a), "x");
    ck_assert_uint_eq(tl_study_n_directions(a), 1);
    ck_assert_ptr_eq(tl_study_storage(a), storage);
    FAILS(TL_EEXISTS, "'x' exists already", tl_study_create(storage, "x", NULL, &b, err));
    OK(tl_study_load(storage, "x", NULL, &b, err));
    ck_assert_int_eq(tl_study_id(a), tl_study_id(b));
    tl_study_free(b);
    o.load_if_exists = true;
    OK(tl_study_create(storage, "x", &o, &b, err));
    ck_assert_int_eq(tl_study_id(a), tl_study_id(b));
    tl_study_free(b);
    o.maximize = true;
    FAILS(TL_EINVAL, "minimize instead of maximize", tl_study_create(storage, "x", &o, &b, err));
    o.directions = two;
    o.n_directions = 2;
    FAILS(TL_EINVAL, "minimize instead of minimize, maximize", tl_study_load(storage, "x", &o, &b, err));
    OK(tl_study_create(storage, "", &o, &b, err)); /* an empty name is a name */
    ck_assert_uint_eq(tl_study_n_directions(b), 2);
    FAILS(TL_EINVAL, "2 objectives", tl_study_best(b, NULL, NULL, err));
    tl_study_free(b);
    o.directions = odd;
    o.n_directions = 1;
    FAILS(TL_EINVAL, "direction 0", tl_study_create(storage, "y", &o, &b, err));
    o.n_directions = 0;
    FAILS(TL_EINVAL, "at least one direction", tl_study_create(storage, "y", &o, &b, err));
    o.directions = NULL;
    o.n_directions = 2;
    FAILS(TL_EINVAL, "directions is NULL", tl_study_create(storage, "y", &o, &b, err));
    o.size = 0;
    FAILS(TL_EINVAL, "INIT", tl_study_create(storage, "y", &o, &b, err));
    FAILS(TL_EINVAL, "UTF-8", tl_study_create(storage, "\xc3", NULL, &b, err));
    FAILS(TL_EINVAL, "missing", tl_study_load(storage, NULL, NULL, &b, err));
    OK(tl_study_delete(storage, "x", err));
    FAILS(TL_ENOTFOUND, "'x'", tl_study_delete(storage, "x", err));
    FAILS(TL_ENOTFOUND, "no study", tl_study_ask(a, NULL, &t, err));
    tl_study_free(a);
    OK(tl_study_create(storage, "x", NULL, &a, err));
    tl_study_free(a);
    tl_study_free(NULL);
    tl_storage_close(storage);
    kit_clean();
}
END_TEST

START_TEST(names_for_those_without)
{
    tl_study *a, *b;
    storage = kit_open(kit_url(_i));
    OK(tl_study_create(storage, NULL, NULL, &a, err));
    OK(tl_study_create(storage, NULL, NULL, &b, err));
    ck_assert_int_eq(strncmp(tl_study_name(a), "no-name-", 8), 0);
    ck_assert_uint_eq(strlen(tl_study_name(a)), 8 + 36);
    ck_assert_str_ne(tl_study_name(a), tl_study_name(b));
    tl_study_free(a);
    tl_study_free(b);
    tl_storage_close(storage);
    kit_clean();
}
END_TEST

START_TEST(attributes_and_best)
{
    int64_t number;
    double value;
    tl_view *view;
    size_t n;
    start(_i);
    OK(tl_study_set_attr(study, TL_ATTR_USER, "k", " { \"a\" : [1, 2 ] }\n", err));
    FAILS(TL_EINVAL, "'k'", tl_study_set_attr(study, TL_ATTR_USER, "k", "{a}", err));
    FAILS(TL_EINVAL, "no value", tl_study_set_attr(study, TL_ATTR_USER, "k", NULL, err));
    FAILS(TL_EINVAL, "key", tl_study_set_attr(study, TL_ATTR_USER, NULL, "1", err));
    FAILS(TL_ENOTFOUND, "no completed trial", tl_study_best(study, &number, &value, err));
    kit_tell(study, kit_ask(study), 3);
    kit_tell(study, kit_ask(study), 1);
    kit_tell(study, kit_ask(study), 1);
    OK(tl_study_best(study, &number, &value, err));
    ck_assert_int_eq(number, 1);
    ck_assert_double_eq(value, 1);
    OK(tl_study_best(study, NULL, NULL, err));
    OK(tl_study_view(study, &view, err));
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n);
    ck_assert_str_eq(kit_attr(attrs, n, TL_ATTR_USER, "k"), "{\"a\":[1,2]}");
    tl_view_close(view);
    stop();
}
END_TEST

/* ---- tell ---- */

START_TEST(how_trials_end)
{
    double two[] = {1, 2}, nan = NAN, inf = INFINITY, v;
    enum tl_state final = TL_WAITING;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    int64_t number;
    start(_i);
    t = kit_ask(study);
    FAILS(TL_EINVAL, "needs its values", tl_study_tell(study, t, TL_COMPLETE, NULL, 1, &final, err));
    FAILS(TL_EINVAL, "without values", tl_study_tell(study, t, TL_FAIL, two, 1, &final, err));
    FAILS(TL_EINVAL, "without values", tl_study_tell(study, t, TL_PRUNED, two, 1, &final, err));
    FAILS(TL_EINVAL, "RUNNING", tl_study_tell(study, t, TL_RUNNING, NULL, 0, &final, err));
    FAILS(TL_EINVAL, "unknown", tl_study_tell(study, t, (enum tl_state)9, NULL, 0, &final, err));
    ck_assert_int_eq(final, TL_WAITING);
    OK(tl_study_tell(study, t, TL_COMPLETE, two, 2, &final, err)); /* the handle was still there */
    ck_assert_int_eq(final, TL_FAIL);
    OK(tl_study_tell(study, kit_ask(study), TL_COMPLETE, &nan, 1, &final, err));
    ck_assert_int_eq(final, TL_FAIL);
    OK(tl_study_tell(study, kit_ask(study), TL_COMPLETE, &inf, 1, &final, err));
    ck_assert_int_eq(final, TL_COMPLETE);
    OK(tl_study_best(study, &number, &v, err));
    ck_assert_double_eq(v, INFINITY);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert(!f.has_values && f.complete.set);
    tl_view_close(view);
    /* pruned: the value of the highest step, whenever it was reported */
    t = kit_ask(study);
    OK(tl_trial_report(t, 5, 50, err));
    OK(tl_trial_report(t, 2, 20, err));
    kit_end(study, t, TL_PRUNED);
    view = kit_read(study, 3, &f);
    ck_assert(f.has_values && f.n_values == 1 && f.values[0] == 50);
    tl_view_close(view);
    t = kit_ask(study);
    OK(tl_trial_report(t, 5, 50, err));
    OK(tl_trial_report(t, 6, NAN, err));
    kit_end(study, t, TL_PRUNED);
    view = kit_read(study, 4, &f);
    ck_assert(!f.has_values && f.state == TL_PRUNED);
    tl_view_close(view);
    kit_end(study, kit_ask(study), TL_PRUNED);
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(told_by_number)
{
    double v = 1;
    enum tl_state final;
    tl_trial *t, *late;
    start(_i);
    t = kit_ask(study);
    late = kit_ask(study);
    OK(tl_study_tell_number(study, 0, TL_COMPLETE, &v, 1, false, &final, err));
    ck_assert_int_eq(final, TL_COMPLETE);
    FAILS(TL_EFINISHED, "COMPLETE", tl_study_tell_number(study, 0, TL_FAIL, NULL, 0, false, &final, err));
    OK(tl_study_tell_number(study, 0, TL_FAIL, NULL, 0, true, &final, err));
    ck_assert_int_eq(final, TL_COMPLETE);
    FAILS(TL_EFINISHED, "trial 0", tl_study_tell(study, t, TL_FAIL, NULL, 0, &final, err));
    tl_trial_free(t);
    FAILS(TL_ENOTFOUND, "trial 2", tl_study_tell_number(study, 2, TL_FAIL, NULL, 0, false, NULL, err));
    FAILS(TL_ENOTFOUND, "trial -1", tl_study_tell_number(study, -1, TL_FAIL, NULL, 0, true, NULL, err));
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err));
    FAILS(TL_EINVAL, "WAITING", tl_study_tell_number(study, 2, TL_FAIL, NULL, 0, false, NULL, err));
    OK(tl_trial_report(late, 1, 7, err));
    OK(tl_study_tell_number(study, 1, TL_PRUNED, NULL, 0, false, &final, err));
    ck_assert_int_eq(final, TL_PRUNED);
    FAILS(TL_EFINISHED, "PRUNED", tl_trial_report(late, 2, 1, err));
    FAILS(TL_EINVAL, "handle", tl_study_tell(study, NULL, TL_FAIL, NULL, 0, NULL, err));
    tl_study *other = kit_study(storage, "other", NULL);
    FAILS(TL_EINVAL, "handle", tl_study_tell(other, late, TL_FAIL, NULL, 0, NULL, err));
    tl_study_free(other);
    tl_trial_free(late);
    stop();
}
END_TEST

START_TEST(several_objectives)
{
    static const enum tl_direction directions[] = {TL_MINIMIZE, TL_MAXIMIZE};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    double v[] = {1, 2};
    enum tl_state final;
    size_t n;
    tl_view *view;
    tl_trial *t;
    storage = kit_open(kit_url(_i));
    o.directions = directions;
    o.n_directions = 2;
    OK(tl_study_create(storage, "m", &o, &study, err));
    OK(tl_study_tell(study, kit_ask(study), TL_COMPLETE, v, 2, &final, err));
    OK(tl_study_tell(study, kit_ask(study), TL_COMPLETE, v, 1, &final, err));
    ck_assert_int_eq(final, TL_FAIL);
    t = kit_ask(study);
    FAILS(TL_EINVAL, "several objectives", tl_trial_report(t, 0, 1, err));
    kit_end(study, t, TL_PRUNED);
    OK(tl_study_view(study, &view, err));
    ck_assert_int_eq(tl_view_front(view, &n)[0], 0);
    ck_assert_uint_eq(n, 1);
    tl_view_close(view);
    stop();
}
END_TEST

/* ---- trials from elsewhere ---- */

START_TEST(adding_trials)
{
    struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    struct tl_param_spec params[] = {{"x", 0.5, &d}};
    struct tl_attr_spec attrs[] = {{TL_ATTR_USER, "u", "[1, 2]"}, {TL_ATTR_SYSTEM, "s", "null"}};
    struct tl_report_spec reports[] = {{3, 1.5}, {1, NAN}};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    double values[] = {4, 5}, nan = NAN;
    int64_t number;
    start(_i);
    spec.state = TL_COMPLETE;
    spec.values = values;
    spec.n_values = 1;
    spec.params = params;
    spec.n_params = 1;
    spec.attrs = attrs;
    spec.n_attrs = 2;
    spec.reports = reports;
    spec.n_reports = 2;
    spec.start = (struct tl_time){1000000, true, false};
    spec.complete = (struct tl_time){2000001, true, false};
    OK(tl_study_add_trial(study, &spec, &number, err));
    ck_assert_int_eq(number, 0);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert(f.values[0] == 4 && f.start.us == 1000000 && f.complete.us == 2000001);
    ck_assert_double_eq(kit_param(&f, "x")->internal, 0.5);
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_USER, "u"), "[1,2]");
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "s"), "null");
    ck_assert(f.n_reports == 2 && f.reports[0].step == 3 && isnan(f.reports[1].value));
    tl_view_close(view);
    spec.start.set = spec.complete.set = false;
    OK(tl_study_add_trial(study, &spec, &number, err));
    view = kit_read(study, 1, &f);
    ck_assert(f.start.set && f.complete.set);
    tl_view_close(view);
    spec.n_values = 2;
    FAILS(TL_EINVAL, "needs 1 values", tl_study_add_trial(study, &spec, NULL, err));
    spec.values = &nan;
    spec.n_values = 1;
    FAILS(TL_EINVAL, "NaN", tl_study_add_trial(study, &spec, NULL, err));
    spec.values = NULL;
    FAILS(TL_EINVAL, "needs 1 values", tl_study_add_trial(study, &spec, NULL, err));
    spec.state = TL_FAIL;
    OK(tl_study_add_trial(study, &spec, NULL, err));
    spec.values = values;
    FAILS(TL_EINVAL, "no values", tl_study_add_trial(study, &spec, NULL, err));
    spec.values = NULL;
    params[0].internal = 2;
    FAILS(TL_EINVAL, "outside", tl_study_add_trial(study, &spec, NULL, err));
    params[0].internal = NAN;
    FAILS(TL_EINVAL, "'x'", tl_study_add_trial(study, &spec, NULL, err));
    params[0] = (struct tl_param_spec){"x", 1, &(struct tl_dist)TL_FLOAT_LOG(1, 2)};
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_study_add_trial(study, &spec, NULL, err));
    spec.n_params = 0;
    spec.state = TL_RUNNING;
    spec.complete.set = true;
    FAILS(TL_EINVAL, "completion", tl_study_add_trial(study, &spec, NULL, err));
    spec.state = (enum tl_state)7;
    FAILS(TL_EINVAL, "state 7", tl_study_add_trial(study, &spec, NULL, err));
    FAILS(TL_EINVAL, "no trial", tl_study_add_trial(study, NULL, NULL, err));
    ck_assert_uint_eq(count(TL_COMPLETE), 2);
    tl_frozen_release(&f);
    stop();
}
END_TEST

/* ---- what changed ---- */

static uint64_t version_of(int64_t number)
{
    tl_view *view;
    OK(tl_study_view(study, &view, err));
    uint64_t version = tl_view_trial_version(view, number);
    tl_view_close(view);
    return version;
}

/* Each change of a running trial shows in its version, also one that puts something in the place of what was there; changes of others and
 * refused ones do not; and a view keeps the version that it was taken with. */
START_TEST(versions_of_a_trial)
{
    static const struct tl_dist unit = TL_FLOAT_RANGE(0, 1);
    tl_view *old;
    start(_i);
    tl_trial *t = kit_ask(study), *other = kit_ask(study);
    int64_t id = tl_trial_id(t);
    uint64_t seen = version_of(0), others = version_of(1);
    ck_assert(seen != 0 && others != 0);
    OK(tl_study_view(study, &old, err));
    for (int i = 0; i < 12; i++) {
        switch (i % 6) {
        case 0: OK(tl_storage_set_param(storage, id, "x", 0.25, &unit, err)); break; /* the second time in its place */
        case 1: OK(tl_storage_report(storage, id, 3, 0.5, err)); break;
        case 2: OK(tl_storage_set_trial_attr(storage, id, TL_ATTR_USER, "a", "1", err)); break;
        case 3: OK(tl_storage_set_trial_attr(storage, id, TL_ATTR_SYSTEM, "a", "1", err)); break;
        case 4: OK(tl_storage_report(storage, id, 1, 0.5, err)); break;
        default: OK(tl_storage_set_trial_attr(storage, id, TL_ATTR_USER, "a", "2", err)); break;
        }
        uint64_t now = version_of(0);
        ck_assert_msg(now > seen, "change %d does not show", i);
        seen = now;
        ck_assert_uint_eq(version_of(1), others);
    }
    OK(tl_storage_report(storage, tl_trial_id(other), 0, 0.5, err));
    ck_assert_uint_gt(version_of(1), others);
    FAILS(TL_EINCOMPATIBLE, "x",
          tl_storage_set_param(storage, id, "x", 0, &(struct tl_dist){.kind = TL_DIST_INT, .low = 0, .high = 1, .step = 1}, err));
    ck_assert_uint_eq(version_of(0), seen);
    kit_tell(study, t, 1);
    ck_assert_uint_eq(version_of(0), 0);
    ck_assert_uint_ne(tl_view_trial_version(old, 0), 0);
    ck_assert_uint_eq(version_of(2), 0); /* there is none */
    tl_view_close(old);
    tl_trial_free(other);
    stop();
}
END_TEST

/* ---- copies ---- */

/* Everything that copies must keep, as text of our own making. */
static void check_same(tl_study *a, tl_study *b)
{
    tl_view *va, *vb;
    struct tl_frozen_trial x = TL_FROZEN_TRIAL_INIT, y = TL_FROZEN_TRIAL_INIT;
    size_t na, nb;
    OK(tl_study_view(a, &va, err));
    OK(tl_study_view(b, &vb, err));
    const struct tl_attr *p = tl_view_study_attrs(va, &na), *q = tl_view_study_attrs(vb, &nb);
    ck_assert_uint_eq(na, nb);
    for (size_t i = 0; i < na; i++) {
        ck_assert(p[i].kind == q[i].kind && p[i].json.len == q[i].json.len && memcmp(p[i].json.s, q[i].json.s, p[i].json.len) == 0);
    }
    ck_assert_uint_eq(tl_view_n_trials(va), tl_view_n_trials(vb));
    for (int64_t i = 0; i < (int64_t)tl_view_n_trials(va); i++) {
        OK(tl_view_trial(va, i, &x, err));
        OK(tl_view_trial(vb, i, &y, err));
        ck_assert_int_eq(x.state, y.state);
        ck_assert(x.start.us == y.start.us && x.start.set == y.start.set && x.start.naive == y.start.naive);
        ck_assert(x.complete.us == y.complete.us && x.complete.set == y.complete.set);
        ck_assert(x.has_values == y.has_values && x.n_values == y.n_values);
        ck_assert(!x.n_values || memcmp(x.values, y.values, x.n_values * sizeof *x.values) == 0);
        ck_assert_uint_eq(x.n_params, y.n_params);
        for (size_t k = 0; k < x.n_params; k++) {
            ck_assert(x.params[k].name.len == y.params[k].name.len &&
                      memcmp(x.params[k].name.s, y.params[k].name.s, x.params[k].name.len) == 0);
            ck_assert(x.params[k].internal == y.params[k].internal && x.params[k].dist_text.len == y.params[k].dist_text.len);
        }
        ck_assert_uint_eq(x.n_attrs, y.n_attrs);
        for (size_t k = 0; k < x.n_attrs; k++) {
            ck_assert(x.attrs[k].kind == y.attrs[k].kind && x.attrs[k].json.len == y.attrs[k].json.len &&
                      memcmp(x.attrs[k].json.s, y.attrs[k].json.s, x.attrs[k].json.len) == 0);
        }
        ck_assert_uint_eq(x.n_reports, y.n_reports);
        for (size_t k = 0; k < x.n_reports; k++) {
            ck_assert(x.reports[k].step == y.reports[k].step && x.reports[k].value == y.reports[k].value);
        }
    }
    tl_view_close(va);
    tl_view_close(vb);
    tl_frozen_release(&x);
    tl_frozen_release(&y);
}

START_TEST(copying)
{
    struct tl_fixed_param p = {"x", kit_float(0.5)};
    tl_storage *to = kit_open("memory://");
    tl_study *copy;
    double v;
    start(_i);
    OK(tl_study_set_attr(study, TL_ATTR_USER, "u", "\"\\u00e9\"", err));
    OK(tl_study_set_attr(study, TL_ATTR_SYSTEM, "u", "[]", err));
    for (int i = 0; i < 2100; i++) { /* more than two appends' worth */
        tl_trial *t = kit_ask(study);
        OK(tl_trial_suggest_float(t, i % 3 ? "x" : "y", 0, 1, 0, false, &v, err));
        if (i % 7 == 0) {
            OK(tl_trial_report(t, i, v, err));
            OK(tl_trial_set_attr(t, i % 2 ? TL_ATTR_USER : TL_ATTR_SYSTEM, "k", "{\"a\": 1}", err));
        }
        if (i % 11 == 0) {
            OK(tl_trial_flush(t, err));
            tl_trial_free(t); /* stays RUNNING */
        } else if (i % 5 == 0) {
            kit_end(study, t, i % 2 ? TL_FAIL : TL_PRUNED);
        } else {
            kit_tell(study, t, v);
        }
    }
    OK(tl_study_enqueue(study, &p, 1, NULL, 0, false, NULL, err));
    OK(tl_study_copy(storage, "s", to, NULL, err));
    copy = kit_study(to, "s", NULL);
    check_same(study, copy);
    tl_study_free(copy);
    OK(tl_study_copy(storage, "s", storage, "t", err));
    copy = kit_study(storage, "t", NULL);
    check_same(study, copy);
    tl_study_free(copy);
    FAILS(TL_EEXISTS, "'s'", tl_study_copy(storage, "s", to, NULL, err));
    FAILS(TL_EEXISTS, "'s'", tl_study_copy(storage, "s", storage, NULL, err));
    FAILS(TL_ENOTFOUND, "'z'", tl_study_copy(storage, "z", to, NULL, err));
    tl_study *empty = kit_study(storage, "empty", NULL);
    OK(tl_study_copy(storage, "empty", to, NULL, err));
    copy = kit_study(to, "empty", NULL);
    check_same(empty, copy);
    tl_study_free(copy);
    tl_study_free(empty);
    tl_storage_close(to);
    stop();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        create_load_delete,
        names_for_those_without,
        attributes_and_best,
        how_trials_end,
        told_by_number,
        several_objectives,
        adding_trials,
        versions_of_a_trial,
        copying,
    };
    TCase *t = tcase_create("study");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_loop_test(t, tests[i], 0, KIT_BACKENDS);
    }
    return check_run("study", t);
}
