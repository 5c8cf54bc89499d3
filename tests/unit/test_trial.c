/* SPDX-License-Identifier: MIT
 *
 * engine/trial.c and ops.c: suggestions and their state machine, what waits and when it is written, reports, attributes, pruning; and
 * the operations by id.
 */
#include <math.h>

#include "support/check_main.h"
#include "support/study_kit.h"

static tl_storage *storage;
static tl_study *study;
static char events[2000]; /* what the log got, one after the other */

static void note(void *ctx, int level, const char *event, const char *message)
{
    (void)ctx, (void)level;
    if (strcmp(event, "TRIAL") == 0) {
        strncat(events, message, sizeof events - strlen(events) - 1);
        strncat(events, "\n", sizeof events - strlen(events) - 1);
    }
}

static void start(int backend)
{
    static const struct tl_log_sink sink = {note, NULL, 0};
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    o.durability = TL_DURABILITY_OFF;
    o.log = &sink;
    events[0] = '\0';
    OK(tl_storage_open(kit_url(backend), &o, &storage, err));
    study = kit_study(storage, "s", NULL);
}

static void stop(void)
{
    tl_study_free(study);
    tl_storage_close(storage);
    kit_clean();
}

/* The event came, and is forgotten. */
static void check_event(const char *part)
{
    ck_assert_msg(strstr(events, part) != NULL, "events: %s", events);
    events[0] = '\0';
}

static uint64_t appends(void)
{
    struct tl_storage_stats stats;
    tl_storage_get_stats(storage, &stats);
    return stats.appends;
}

/* ---- suggestions ---- */

START_TEST(every_kind)
{
    struct tl_value choices[] = {{TL_VALUE_NULL, {0}}, {TL_VALUE_BOOL, {.b = true}}, kit_int(1), kit_float(NAN), kit_text("a"),
                                 {TL_VALUE_JSON, {.text = {"[1]", 3}}}};
    static const char *const texts[] = {"sgd", "adam"};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    double x;
    int64_t n;
    size_t i;
    start(_i);
    t = kit_ask(study);
    OK(tl_trial_suggest_float(t, "lr", 1e-5, 1, 0, true, &x, err));
    ck_assert(x >= 1e-5 && x < 1);
    OK(tl_trial_suggest_float(t, "step", 0, 1, 0.25, false, &x, err));
    ck_assert_double_eq(x * 4, trunc(x * 4));
    OK(tl_trial_suggest_int(t, "n", -3, 3, 0, false, &n, err));
    ck_assert(n >= -3 && n <= 3);
    OK(tl_trial_suggest_int(t, "big", -(INT64_C(1) << 53), INT64_C(1) << 53, 1, false, &n, err));
    OK(tl_trial_suggest_choice(t, "c", choices, 6, &i, err));
    ck_assert_uint_lt(i, 6);
    OK(tl_trial_suggest_string(t, "o", texts, 2, &i, err));
    ck_assert_uint_lt(i, 2);
    OK(tl_trial_suggest_float(t, "one", 2.5, 2.5, 0, false, &x, err));
    ck_assert_double_eq(x, 2.5);
    OK(tl_trial_suggest_float(t, "few", 0, 1, 2, false, &x, err)); /* the step is longer than the range */
    ck_assert_double_eq(x, 0);
    check_event("'few'");
    OK(tl_trial_suggest_float(t, "moved", 0, 1, 0.3, false, &x, err));
    ck_assert(x <= 0.9);
    check_event("'moved'");
    kit_tell(study, t, 1);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_uint_eq(f.n_params, 9);
    ck_assert_uint_eq(kit_param(&f, "c")->dist->n_choices, 6);
    const struct tl_param *p = kit_param(&f, "c");
    static const char text[] = "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [null, true, 1, NaN, \"a\", [1]]}}";
    ck_assert_msg(p->dist_text.len == strlen(text) && memcmp(p->dist_text.s, text, strlen(text)) == 0, "%.*s", (int)p->dist_text.len,
                  p->dist_text.s);
    tl_view_close(view);
    tl_frozen_release(&f);
    stop();
}
END_TEST

static int count_proposals(void *ctx, const struct tl_assignment *a)
{
    size_t *n = ctx;
    ck_assert_str_eq(a->name, "x");
    ck_assert(a->internal >= 0 && a->internal <= 1);
    ++*n;
    return *n > 1 ? 7 : 0;
}

START_TEST(what_a_trial_has_can_be_listed)
{
    static const char *const texts[] = {"a", "b"};
    struct tl_param p;
    tl_trial *t;
    double x;
    size_t i, proposals = 0;
    start(_i);
    t = kit_ask(study);
    ck_assert_uint_eq(tl_trial_n_params(t), 0);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_trial_suggest_string(t, "c", texts, 2, &i, err));
    ck_assert_uint_eq(tl_trial_n_params(t), 2);
    tl_trial_get_param(t, 0, &p);
    ck_assert(p.name.len == 1 && p.name.s[0] == 'x' && p.has_value && p.internal == x && p.dist->kind == TL_DIST_FLOAT);
    tl_trial_get_param(t, 1, &p);
    ck_assert(p.name.s[0] == 'c' && p.internal == (double)i && p.dist->n_choices == 2);
    ck_assert(!tl_trial_reported(t, 3) && !tl_trial_reported(t, -1));
    OK(tl_trial_report(t, 3, 0.5, err));
    ck_assert(tl_trial_reported(t, 3) && !tl_trial_reported(t, 2));
    OK(tl_trial_each_proposal(t, count_proposals, &proposals, err)); /* a study's first trial: nothing to go by */
    ck_assert_uint_eq(proposals, 0);
    OK(tl_study_tell(study, t, TL_COMPLETE, &x, 1, NULL, err));
    stop();
}
END_TEST

START_TEST(bad_suggestions)
{
    struct tl_dist infinite = TL_FLOAT_RANGE(0, INFINITY);
    static const char *const none[] = {"a", NULL};
    tl_trial *t;
    double x;
    int64_t n;
    size_t i;
    start(_i);
    t = kit_ask(study);
    FAILS(TL_EINVAL, "'x'", tl_trial_suggest_float(t, "x", 1, 0, 0, false, &x, err));
    FAILS(TL_EINVAL, "'x'", tl_trial_suggest_float(t, "x", 0, 1, 0, true, &x, err));
    FAILS(TL_EINVAL, "'x'", tl_trial_suggest_float(t, "x", 1, 2, 0.5, true, &x, err));
    FAILS(TL_EINVAL, "'x'", tl_trial_suggest_float(t, "x", NAN, 2, 0, false, &x, err));
    FAILS(TL_EINVAL, "'x'", tl_trial_suggest(t, "x", &infinite, &x, err));
    FAILS(TL_EINVAL, "'x'", tl_trial_suggest(t, "x", NULL, &x, err));
    FAILS(TL_EINVAL, "name", tl_trial_suggest_float(t, NULL, 0, 1, 0, false, &x, err));
    FAILS(TL_EINVAL, "UTF-8", tl_trial_suggest_float(t, "\xff", 0, 1, 0, false, &x, err));
    FAILS(TL_EINVAL, "2^53", tl_trial_suggest_int(t, "n", 0, INT64_MAX, 1, false, &n, err));
    FAILS(TL_EINVAL, "2^53", tl_trial_suggest_int(t, "n", 0, 1, -1, false, &n, err));
    FAILS(TL_EINVAL, "'n'", tl_trial_suggest_int(t, "n", 0, 5, 1, true, &n, err));
    FAILS(TL_EINVAL, "choice", tl_trial_suggest_string(t, "c", NULL, 0, &i, err));
    FAILS(TL_EINVAL, "choice 1", tl_trial_suggest_string(t, "c", none, 2, &i, err));
    ck_assert(!tl_trial_param(t, "x", &x));
    OK(tl_trial_flush(t, err));
    kit_tell(study, t, 0);
    stop();
}
END_TEST

START_TEST(the_same_name_again)
{
    tl_trial *t, *next;
    double x, y;
    int64_t n;
    start(_i);
    t = kit_ask(study);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &y, err));
    ck_assert_double_eq(x, y);
    ck_assert_str_eq(events, "");
    OK(tl_trial_suggest_float(t, "x", 5, 6, 0, false, &y, err)); /* another range: the value stays */
    ck_assert_double_eq(x, y);
    check_event("another range");
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_trial_suggest_int(t, "x", 0, 1, 1, false, &n, err));
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_trial_suggest_float(t, "x", 1, 2, 0, true, &y, err));
    FAILS(TL_EINVAL, "'x'", tl_trial_suggest_float(t, "x", 2, 1, 0, false, &y, err));
    kit_tell(study, t, 1);
    next = kit_ask(study);
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_trial_suggest_int(next, "x", 0, 1, 1, false, &n, err));
    OK(tl_trial_suggest_float(next, "x", 5, 6, 0, false, &y, err)); /* ranges may differ between trials */
    ck_assert(y >= 5);
    kit_tell(study, next, 1);
    stop();
}
END_TEST

START_TEST(fixed_values)
{
    static const char *const texts[] = {"a", "b"};
    struct tl_fixed_param p[] = {{"x", kit_float(7)}, {"c", kit_text("z")}, {"n", kit_text("no number")}, {"huge", kit_float(1e300)},
                                 {"frac", kit_float(2.5)}};
    tl_trial *t;
    double x;
    int64_t n;
    size_t i;
    start(_i);
    OK(tl_study_enqueue(study, p, 5, NULL, 0, false, NULL, err));
    t = kit_ask(study);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    ck_assert_double_eq(x, 7);
    check_event("'x' lies outside");
    FAILS(TL_EINVAL, "'c' of trial 0 is fixed", tl_trial_suggest_string(t, "c", texts, 2, &i, err));
    FAILS(TL_EINVAL, "'n'", tl_trial_suggest_int(t, "n", 0, 9, 1, false, &n, err));
    FAILS(TL_EINVAL, "'huge'", tl_trial_suggest_int(t, "huge", 0, 9, 1, false, &n, err));
    OK(tl_trial_suggest_int(t, "frac", 0, 9, 1, false, &n, err));
    ck_assert_int_eq(n, 2);
    OK(tl_trial_suggest_float(t, "free", 0, 1, 0, false, &x, err));
    kit_tell(study, t, 1);
    stop();
}
END_TEST

/* ---- what waits ---- */

START_TEST(suggestions_travel_with_the_next_write)
{
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    struct tl_storage_stats stats;
    tl_trial *t;
    double x;
    char name[8];
    start(_i);
    for (int way = 0; way < 4; way++) {
        t = kit_ask(study);
        uint64_t before = appends();
        for (int i = 0; i < 5; i++) {
            snprintf(name, sizeof name, "p%d", i);
            OK(tl_trial_suggest_float(t, name, 0, 1, 0, false, &x, err));
        }
        ck_assert_uint_eq(appends(), before);
        if (way == 0) {
            OK(tl_trial_report(t, 0, 1, err));
        } else if (way == 1) {
            OK(tl_trial_set_attr(t, TL_ATTR_USER, "k", "1", err));
        } else if (way == 2) {
            OK(tl_trial_flush(t, err));
        } else {
            kit_end(study, t, TL_FAIL);
        }
        ck_assert_uint_eq(appends(), before + 1);
        tl_view *view = kit_read(study, way, &f);
        ck_assert_uint_eq(f.n_params, 5);
        tl_view_close(view);
        if (way < 3) {
            before = appends();
            OK(tl_trial_flush(t, err));
            ck_assert_uint_eq(appends(), before);
            tl_trial_free(t);
        }
    }
    t = kit_ask(study); /* dropped with the handle */
    OK(tl_trial_suggest_float(t, "p0", 0, 1, 0, false, &x, err));
    tl_trial_free(t);
    tl_trial_free(NULL);
    tl_view *view = kit_read(study, 4, &f);
    ck_assert_uint_eq(f.n_params, 0);
    tl_view_close(view);
    tl_storage_get_stats(storage, &stats);
    ck_assert_uint_eq(stats.odd_lines, 0);
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(a_conflict_comes_to_light_at_the_write)
{
    /* Another worker gives the name another kind while our suggestion waits. */
    tl_storage *other;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_study *theirs;
    tl_trial *t, *u;
    double x;
    int64_t n;
    start(_i);
    other = kit_open(kit_url(_i));
    theirs = kit_study(other, "s", NULL);
    t = kit_ask(study);
    OK(tl_trial_suggest_float(t, "a", 0, 1, 0, false, &x, err));
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_trial_suggest_float(t, "b", 0, 1, 0, false, &x, err));
    u = kit_ask(theirs);
    OK(tl_trial_suggest_int(u, "x", 0, 9, 1, false, &n, err));
    kit_tell(theirs, u, 1);
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_trial_report(t, 0, 1, err));
    ck_assert(!tl_trial_param(t, "x", &x) && tl_trial_param(t, "a", &x) && tl_trial_param(t, "b", &x));
    OK(tl_trial_report(t, 0, 1, err)); /* nothing was written, and the suggestion is forgotten */
    OK(tl_trial_suggest_int(t, "x", 0, 9, 1, false, &n, err));
    kit_tell(study, t, 1);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_uint_eq(f.n_params, 3);
    ck_assert_uint_eq(f.n_reports, 1);
    ck_assert_int_eq(kit_param(&f, "x")->dist->kind, TL_DIST_INT);
    tl_view_close(view);
    tl_frozen_release(&f);
    tl_study_free(theirs);
    tl_storage_close(other);
    stop();
}
END_TEST

START_TEST(ended_by_somebody_else)
{
    tl_trial *t;
    double x, v = 1;
    start(_i);
    t = kit_ask(study);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_study_tell_number(study, 0, TL_COMPLETE, &v, 1, false, NULL, err));
    FAILS(TL_EFINISHED, "trial 0 has finished as COMPLETE", tl_trial_flush(t, err));
    FAILS(TL_EFINISHED, "COMPLETE", tl_trial_set_attr(t, TL_ATTR_USER, "k", "1", err));
    tl_trial_free(t);
    stop();
}
END_TEST

/* ---- reports, attributes, pruning ---- */

START_TEST(reports_and_attributes)
{
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    start(_i);
    t = kit_ask(study);
    OK(tl_trial_report(t, 3, 1.5, err));
    OK(tl_trial_report(t, 0, NAN, err));
    OK(tl_trial_report(t, INT64_MAX, -INFINITY, err));
    uint64_t before = appends();
    OK(tl_trial_report(t, 3, 2.5, err)); /* the first one counts */
    ck_assert_uint_eq(appends(), before);
    check_event("step 3 was reported before");
    FAILS(TL_EINVAL, "step -1", tl_trial_report(t, -1, 1, err));
    FAILS(TL_EINVAL, "'k'", tl_trial_set_attr(t, TL_ATTR_USER, "k", "nope", err));
    FAILS(TL_EINVAL, "key", tl_trial_set_attr(t, TL_ATTR_USER, NULL, "1", err));
    OK(tl_trial_set_attr(t, TL_ATTR_USER, "k", "{\"a\": NaN}", err));
    OK(tl_trial_set_attr(t, TL_ATTR_SYSTEM, "k", "\"\xc3\xa9\"", err));
    kit_tell(study, t, 1);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_uint_eq(f.n_reports, 3);
    ck_assert(f.reports[0].step == 3 && f.reports[0].value == 1.5 && isnan(f.reports[1].value));
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_USER, "k"), "{\"a\":NaN}");
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "k"), "\"\\u00e9\"");
    tl_view_close(view);
    tl_frozen_release(&f);
    stop();
}
END_TEST

static int prune_at_two(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    int *calls = self;
    struct tl_report last;
    ++*calls;
    ck_assert(tl_view_last_report(c->view, c->trial_number, &last));
    ck_assert(last.step == c->reports[c->n_reports - 1].step);
    *prune = last.step >= 2;
    if (last.step == 3) {
        *err = (struct tl_err){.code = TL_EINVAL, .message = "no three"};
        return TL_EINVAL;
    }
    return 0;
}

START_TEST(pruning)
{
    int calls = 0;
    struct tl_pruner_ops ops = {sizeof ops, "two", prune_at_two, NULL, NULL};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_pruner *pruner;
    tl_study *pruned;
    tl_trial *t;
    bool prune = true;
    start(_i);
    t = kit_ask(study);
    OK(tl_trial_report(t, 0, 1, err));
    OK(tl_trial_should_prune(t, &prune, err)); /* no pruner */
    ck_assert(!prune);
    kit_tell(study, t, 1);
    OK(tl_pruner_new(&ops, &calls, &pruner, err));
    o.pruner = pruner;
    OK(tl_study_load(storage, "s", &o, &pruned, err));
    t = kit_ask(pruned);
    OK(tl_trial_should_prune(t, &prune, err)); /* nothing reported yet */
    ck_assert(!prune && calls == 0);
    for (int i = 0; i < 3; i++) {
        OK(tl_trial_report(t, i, i, err));
        OK(tl_trial_should_prune(t, &prune, err));
        ck_assert(prune == (i == 2));
    }
    OK(tl_trial_report(t, 3, 1, err));
    FAILS(TL_EINVAL, "no three", tl_trial_should_prune(t, &prune, err));
    ck_assert(prune && calls == 4);
    kit_end(pruned, t, TL_PRUNED);
    tl_study_free(pruned);
    tl_pruner_free(pruner);
    stop();
}
END_TEST

START_TEST(a_requeued_trial_goes_on)
{
    /* As Optuna's retry callback leaves one: WAITING with parameters and reports. */
    struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    struct tl_param_spec params[] = {{"x", 0.125, &d}};
    struct tl_report_spec reports[] = {{0, 5}, {-1, 6}};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    tl_trial *t;
    double x;
    start(_i);
    spec.state = TL_WAITING;
    spec.params = params;
    spec.n_params = 1;
    spec.reports = reports;
    spec.n_reports = 2;
    OK(tl_storage_create_trial(storage, tl_study_id(study), &spec, NULL, NULL, err));
    t = kit_ask(study);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    ck_assert_double_eq(x, 0.125);
    uint64_t before = appends();
    OK(tl_trial_report(t, 0, 7, err));
    OK(tl_trial_flush(t, err));
    ck_assert_uint_eq(appends(), before);
    kit_tell(study, t, 1);
    struct tl_attr_spec broken[] = {{TL_ATTR_SYSTEM, "fixed_params", "[1]"}};
    spec.attrs = broken;
    spec.n_attrs = 1;
    OK(tl_storage_create_trial(storage, tl_study_id(study), &spec, NULL, NULL, err));
    FAILS(TL_EINVAL, "fixed_params of trial 1", tl_study_ask(study, NULL, &t, err));
    stop();
}
END_TEST

START_TEST(a_thousand_parameters)
{
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    double x, y;
    char name[16];
    start(_i);
    t = kit_ask(study);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "p%d", i);
        OK(tl_trial_suggest_float(t, name, 0, 1, 0, false, &x, err));
        OK(tl_trial_suggest_float(t, name, 0, 1, 0, false, &y, err));
        ck_assert_double_eq(x, y);
    }
    kit_tell(study, t, 1);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_uint_eq(f.n_params, 1000);
    tl_view_close(view);
    tl_frozen_release(&f);
    stop();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_kind,
        what_a_trial_has_can_be_listed,
        bad_suggestions,
        the_same_name_again,
        fixed_values,
        suggestions_travel_with_the_next_write,
        a_conflict_comes_to_light_at_the_write,
        ended_by_somebody_else,
        reports_and_attributes,
        pruning,
        a_requeued_trial_goes_on,
        a_thousand_parameters,
    };
    TCase *t = tcase_create("trial");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_loop_test(t, tests[i], 0, KIT_BACKENDS);
    }
    return check_run("trial", t);
}
