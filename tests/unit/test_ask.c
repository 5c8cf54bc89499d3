/* SPDX-License-Identifier: MIT
 *
 * engine/ask.c and queue.c: how trials begin: numbers, spaces, budgets, the queue, samplers of one's own.
 */
#include <math.h>

#include "support/one_study.h"

/* ---- ask ---- */

START_TEST(trials_are_numbered_and_start_now)
{
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    start(_i);
    for (int64_t i = 0; i < 3; i++) {
        uint64_t before = appends();
        t = kit_ask(study);
        ck_assert_int_eq(tl_trial_number(t), i);
        ck_assert_uint_eq(appends() - before, 1);
        tl_view *view = kit_read(study, i, &f);
        ck_assert_int_eq(f.id, tl_trial_id(t));
        ck_assert_int_eq(f.state, TL_RUNNING);
        ck_assert(f.start.set && !f.complete.set && !f.start.naive);
        ck_assert_uint_eq(f.n_params + f.n_attrs + f.n_reports, 0);
        tl_view_close(view);
        tl_trial_free(t);
    }
    ck_assert_uint_eq(count(TL_RUNNING), 3);
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(a_space_is_one_operation)
{
    struct tl_value choices[] = {kit_text("a"), kit_int(7)};
    struct tl_dist x = TL_FLOAT_LOG(1e-5, 1), n = {TL_DIST_INT, false, 0, 11, 5, NULL, 0},
                   c = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, 2}, one = TL_INT_RANGE(4, 4);
    struct tl_param_spec space[] = {{"x", 0, &x}, {"n", 0, &n}, {"c", 0, &c}, {"one", 0, &one}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    double asked, again;
    int64_t four;
    start(_i);
    o.space = space;
    o.n_space = 4;
    uint64_t before = operations();
    OK(tl_study_ask(study, &o, &t, err));
    ck_assert_uint_eq(operations() - before, 1);
    ck_assert(tl_trial_param(t, "x", &asked));
    OK(tl_trial_suggest_float(t, "x", 1e-5, 1, 0, true, &again, err));
    ck_assert_double_eq(asked, again);
    OK(tl_trial_suggest_int(t, "one", 4, 4, 1, false, &four, err));
    ck_assert_int_eq(four, 4);
    OK(tl_trial_flush(t, err));
    ck_assert_uint_eq(operations() - before, 1); /* nothing waits */
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_uint_eq(f.n_params, 4);
    ck_assert_double_eq(kit_param(&f, "x")->internal, asked);
    ck_assert_double_eq(kit_param(&f, "n")->dist->high, 10);
    ck_assert_uint_eq(f.params[2].name.len, 1); /* order is kept */
    ck_assert_int_eq(f.params[2].name.s[0], 'c');
    tl_view_close(view);
    kit_tell(study, t, 1);

    space[1].name = "x";
    FAILS(TL_EINVAL, "'x' twice", tl_study_ask(study, &o, &t, err));
    space[1] = (struct tl_param_spec){"n", 0, &x};
    FAILS(TL_EINCOMPATIBLE, "'n'", tl_study_ask(study, &o, &t, err));
    space[1].dist = NULL;
    FAILS(TL_EINVAL, "'n' has no distribution", tl_study_ask(study, &o, &t, err));
    struct tl_dist bad = TL_FLOAT_RANGE(2, 1);
    space[1].dist = &bad;
    FAILS(TL_EINVAL, "'n'", tl_study_ask(study, &o, &t, err));
    o.space = NULL;
    FAILS(TL_EINVAL, "space is NULL", tl_study_ask(study, &o, &t, err));
    ck_assert_uint_eq(count(TL_RUNNING), 0);
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(same_seed_same_trials)
{
    /* alone; define-by-run; by two handles that take turns: the same values per number */
    struct tl_dist x = TL_FLOAT_RANGE(0, 1), n = TL_INT_LOG(1, 1000);
    struct tl_param_spec space[] = {{"x", 0, &x}, {"n", 0, &n}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    double first[6][2], v;
    int64_t i64;
    o.space = space;
    o.n_space = 2;
    for (int way = 0; way < 3; way++) {
        char name[8];
        tl_sampler *samplers[2];
        tl_study *studies[2];
        snprintf(name, sizeof name, "w%d", way);
        storage = kit_open(kit_url(_i));
        for (int k = 0; k < 2; k++) {
            OK(tl_sampler_random(5, &samplers[k], err));
            studies[k] = kit_study(storage, name, samplers[k]);
        }
        for (int i = 0; i < 6; i++) {
            tl_study *s = studies[way == 2 ? i % 2 : 0];
            tl_trial *t;
            OK(tl_study_ask(s, way == 1 ? NULL : &o, &t, err));
            OK(tl_trial_suggest_int(t, "n", 1, 1000, 1, true, &i64, err));
            OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &v, err));
            if (way == 0) {
                first[i][0] = v;
                first[i][1] = (double)i64;
            }
            ck_assert_double_eq(first[i][0], v);
            ck_assert_double_eq(first[i][1], (double)i64);
            kit_tell(s, t, v);
        }
        for (int k = 0; k < 2; k++) {
            tl_study_free(studies[k]);
            tl_sampler_free(samplers[k]);
        }
        tl_storage_close(storage);
    }
    kit_clean();
}
END_TEST

START_TEST(budgets)
{
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_trial *t[4], *more;
    start(_i);
    o.budget = 3;
    for (int i = 0; i < 3; i++) {
        OK(tl_study_ask(study, &o, &t[i], err));
    }
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err)); /* counts when it is taken from the queue */
    FAILS(TL_EEXHAUSTED, "budget of 3", tl_study_ask(study, &o, &more, err));
    kit_tell(study, t[0], 1);
    kit_end(study, t[1], TL_FAIL);
    FAILS(TL_EEXHAUSTED, "budget", tl_study_ask(study, &o, &more, err));
    o.refund_failed = true;
    OK(tl_study_ask(study, &o, &more, err));
    ck_assert_int_eq(tl_trial_number(more), 3);
    FAILS(TL_EEXHAUSTED, "budget", tl_study_ask(study, &o, &t[3], err));
    kit_tell(study, more, 1);
    kit_tell(study, t[2], 1);
    more = kit_ask(study); /* without a budget there is always one */
    tl_trial_free(more);
    stop();
}
END_TEST

/* ---- queue ---- */

START_TEST(the_queue)
{
    struct tl_fixed_param p[] = {{"x", kit_float(0.25)}, {"c", kit_text("b\"\xc3\xa9")}, {"n", kit_int(3)}};
    struct tl_attr_spec attrs[] = {{TL_ATTR_USER, "memo", "\"first\""}};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    static const char *const choices[] = {"a", "b\"\xc3\xa9"};
    int64_t number, n;
    double x;
    size_t c;
    start(_i);
    kit_tell(study, kit_ask(study), 0);
    OK(tl_study_enqueue(study, p, 3, attrs, 1, false, &number, err));
    ck_assert_int_eq(number, 1);
    OK(tl_study_enqueue(study, p, 1, NULL, 0, false, &number, err));
    ck_assert_int_eq(number, 2);
    tl_view *view = kit_read(study, 1, &f);
    ck_assert_int_eq(f.state, TL_WAITING);
    ck_assert(!f.start.set);
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "fixed_params"), "{\"x\":0.25,\"c\":\"b\\\"\\u00e9\",\"n\":3}");
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_USER, "memo"), "\"first\"");
    tl_view_close(view);
    tl_trial *t = kit_ask(study); /* the oldest one first */
    ck_assert_int_eq(tl_trial_number(t), 1);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    ck_assert_double_eq(x, 0.25);
    OK(tl_trial_suggest_string(t, "c", choices, 2, &c, err));
    ck_assert_uint_eq(c, 1);
    OK(tl_trial_suggest_int(t, "n", 5, 9, 1, false, &n, err)); /* outside: used all the same */
    ck_assert_int_eq(n, 3);
    kit_tell(study, t, 1);
    view = kit_read(study, 1, &f);
    ck_assert(f.start.set);
    ck_assert_double_eq(kit_param(&f, "n")->internal, 3);
    tl_view_close(view);
    t = kit_ask(study);
    ck_assert_int_eq(tl_trial_number(t), 2);
    OK(tl_trial_suggest_int(t, "n", 5, 9, 1, false, &n, err));
    ck_assert(n >= 5);
    kit_tell(study, t, 1);
    t = kit_ask(study);
    ck_assert_int_eq(tl_trial_number(t), 3);
    kit_tell(study, t, 1);
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(a_queued_trial_and_a_space)
{
    struct tl_dist x = TL_FLOAT_RANGE(0, 1), y = TL_FLOAT_RANGE(0, 1), log = TL_FLOAT_LOG(1, 2);
    struct tl_param_spec space[] = {{"x", 0, &x}, {"y", 0, &y}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    struct tl_fixed_param p = {"x", kit_float(0.25)};
    tl_trial *t;
    start(_i);
    o.space = space;
    o.n_space = 2;
    OK(tl_study_enqueue(study, &p, 1, NULL, 0, false, NULL, err));
    OK(tl_study_ask(study, &o, &t, err));
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_int_eq(f.state, TL_RUNNING);
    ck_assert_double_eq(kit_param(&f, "x")->internal, 0.25);
    ck_assert_ptr_nonnull(kit_param(&f, "y"));
    tl_view_close(view);
    kit_tell(study, t, 1);
    OK(tl_study_enqueue(study, &p, 1, NULL, 0, false, NULL, err));
    space[1].dist = &log;
    FAILS(TL_EINCOMPATIBLE, "'y'", tl_study_ask(study, &o, &t, err));
    ck_assert_uint_eq(count(TL_RUNNING), 0); /* taken from the queue, then failed */
    ck_assert_uint_eq(count(TL_FAIL), 1);
    tl_frozen_release(&f);
    stop();
}
END_TEST

/* What the queue fixes, and what has one value only, is written with the claim. */
START_TEST(a_queued_trial_with_all_of_the_space_is_one_append)
{
    struct tl_value choices[] = {kit_text("u"), kit_text("v")};
    struct tl_dist x = TL_FLOAT_RANGE(0, 1), c = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, 2}, one = TL_INT_RANGE(7, 7);
    struct tl_param_spec space[] = {{"x", 0, &x}, {"c", 0, &c}, {"one", 0, &one}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    struct tl_fixed_param p[] = {{"c", kit_text("v")}, {"x", kit_float(0.25)}};
    struct tl_storage_stats before, after;
    tl_trial *t;
    double v;
    start(_i);
    o.space = space;
    o.n_space = 3;
    OK(tl_study_enqueue(study, p, 2, NULL, 0, false, NULL, err));
    tl_storage_get_stats(storage, &before);
    OK(tl_study_ask(study, &o, &t, err));
    tl_storage_get_stats(storage, &after);
    ck_assert_uint_eq(after.appends - before.appends, 1);
    ck_assert_uint_eq(after.operations - before.operations, 4);
    ck_assert(tl_trial_param(t, "x", &v) && v == 0.25);
    ck_assert(tl_trial_param(t, "c", &v) && v == 1);
    ck_assert(tl_trial_param(t, "one", &v) && v == 7);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_int_eq(f.state, TL_RUNNING);
    ck_assert_uint_eq(f.n_params, 3);
    tl_view_close(view);
    kit_tell(study, t, 1);
    p[1].value = kit_text("no number"); /* says why, and fails the trial */
    OK(tl_study_enqueue(study, p, 2, NULL, 0, false, NULL, err));
    FAILS(TL_EINVAL, "'x' of trial 1 is fixed", tl_study_ask(study, &o, &t, err));
    p[1].value = kit_float(9); /* outside the range: used all the same */
    OK(tl_study_enqueue(study, p, 2, NULL, 0, false, NULL, err));
    OK(tl_study_ask(study, &o, &t, err));
    ck_assert(tl_trial_param(t, "x", &v) && v == 9);
    kit_tell(study, t, 1);
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(enqueue_skips_what_exists)
{
    struct tl_fixed_param p[] = {{"x", kit_float(0.5)}, {"c", kit_text("b")}}, q[] = {{"c", kit_text("b")}, {"x", kit_float(0.5000001)}},
                          other[] = {{"x", kit_float(0.6)}, {"c", kit_text("b")}}, one = {"x", kit_float(0.5)},
                          whole[] = {{"n", kit_int(4)}, {"f", kit_float(NAN)}};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    struct tl_dist d = TL_FLOAT_RANGE(0, 9);
    struct tl_param_spec params[] = {{"n", 4, &d}};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    double value = 1;
    int64_t number;
    start(_i);
    OK(tl_study_enqueue(study, p, 2, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, 0);
    uint64_t before = operations();
    OK(tl_study_enqueue(study, q, 2, NULL, 0, true, &number, err)); /* waiting */
    ck_assert_int_eq(number, -1);
    kit_tell(study, kit_ask(study), 1);
    OK(tl_study_enqueue(study, q, 2, NULL, 0, true, &number, err)); /* finished */
    ck_assert_int_eq(number, -1);
    ck_assert_uint_eq(operations() - before, 2);
    OK(tl_study_enqueue(study, other, 2, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, 1);
    OK(tl_study_enqueue(study, &one, 1, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, 2);
    OK(tl_study_enqueue(study, &one, 1, NULL, 0, false, &number, err));
    ck_assert_int_eq(number, 3);
    /* a trial that was never in the queue: its parameters count; 4 is 4.0 */
    spec.state = TL_COMPLETE;
    spec.values = &value;
    spec.n_values = 1;
    spec.params = params;
    spec.n_params = 1;
    OK(tl_study_add_trial(study, &spec, &number, err));
    OK(tl_study_enqueue(study, whole, 1, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, -1);
    OK(tl_study_enqueue(study, whole, 2, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, 5);
    OK(tl_study_enqueue(study, whole, 2, NULL, 0, true, &number, err)); /* NaN is NaN here */
    ck_assert_int_eq(number, -1);
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, 6);
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, true, &number, err));
    ck_assert_int_eq(number, -1);
    struct tl_fixed_param twice[] = {{"x", kit_int(1)}, {"x", kit_int(2)}}, nameless = {NULL, kit_int(1)}, bad = {"x", kit_text("\xff")};
    FAILS(TL_EINVAL, "'x' is there twice", tl_study_enqueue(study, twice, 2, NULL, 0, false, NULL, err));
    FAILS(TL_EINVAL, "name", tl_study_enqueue(study, &nameless, 1, NULL, 0, false, NULL, err));
    FAILS(TL_EINVAL, "'x'", tl_study_enqueue(study, &bad, 1, NULL, 0, false, NULL, err));
    FAILS(TL_EINVAL, "missing", tl_study_enqueue(study, NULL, 1, NULL, 0, false, NULL, err));
    struct tl_attr_spec broken = {TL_ATTR_USER, "k", "{"};
    FAILS(TL_EINVAL, "'k'", tl_study_enqueue(study, NULL, 0, &broken, 1, false, NULL, err));
    tl_frozen_release(&f);
    stop();
}
END_TEST

/* ---- samplers of one's own ---- */

struct own {
    int relative, independent, claims, prepares, afters;
    int64_t numbers[8];
};

static int own_independent(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist,
                           double *internal, struct tl_err *err)
{
    struct own *own = self;
    (void)name, (void)err;
    own->independent++;
    ck_assert_ptr_nonnull(c->view);
    ck_assert_int_eq(c->study_id, tl_view_study_id(c->view));
    *internal = dist->low;
    return 0;
}

static int own_relative(void *self, const struct tl_sample_context *c, int (*emit)(void *ctx, const struct tl_assignment *a),
                        int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    static const struct tl_dist wide = TL_FLOAT_RANGE(0, 10);
    struct own *own = self;
    (void)c, (void)attr, (void)err;
    own->numbers[own->relative++] = c->trial_number;
    struct tl_assignment x = {"x", &wide, 7}, y = {"y", &wide, 8};
    int rc = emit(ctx, &x);
    return rc ? rc : emit(ctx, &y);
}

START_TEST(joint_proposals)
{
    struct own own = {0};
    struct tl_sampler_ops ops = {.size = sizeof ops, .name = "own", .independent = own_independent, .relative = own_relative};
    struct tl_dist wide = TL_FLOAT_RANGE(0, 20), narrow = TL_FLOAT_RANGE(1, 2), kind = TL_INT_RANGE(0, 9), single = TL_FLOAT_RANGE(3, 3);
    struct tl_param_spec space[] = {{"x", 0, &wide}, {"z", 0, &narrow}, {"q", 0, &single}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_sampler *sampler;
    double v;
    tl_trial *t;
    storage = kit_open(kit_url(_i));
    OK(tl_sampler_new(&ops, &own, &sampler, err));
    study = kit_study(storage, "s", sampler);
    t = kit_ask(study);
    OK(tl_trial_suggest(t, "q", &single, &v, err));
    ck_assert_int_eq(own.relative, 0); /* nothing to ask for yet */
    OK(tl_trial_suggest(t, "x", &wide, &v, err));
    ck_assert_double_eq(v, 7);
    OK(tl_trial_suggest(t, "y", &narrow, &v, err)); /* outside: the independent one is asked */
    ck_assert_double_eq(v, 1);
    OK(tl_trial_suggest(t, "z", &wide, &v, err));
    ck_assert_double_eq(v, 0);
    ck_assert_int_eq(own.relative, 1);
    ck_assert_int_eq(own.independent, 2);
    kit_tell(study, t, 1);
    t = kit_ask(study);
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_trial_suggest(t, "x", &kind, &v, err));
    kit_end(study, t, TL_FAIL);
    /* define-and-run: asked before the lock, written in one operation */
    uint64_t before = operations();
    o.space = space;
    o.n_space = 3;
    OK(tl_study_ask(study, &o, &t, err));
    ck_assert_uint_eq(operations() - before, 1);
    ck_assert(tl_trial_param(t, "x", &v) && v == 7);
    ck_assert(tl_trial_param(t, "z", &v) && v == 1);
    ck_assert(tl_trial_param(t, "q", &v) && v == 3);
    ck_assert(!tl_trial_param(t, "y", &v) && !tl_trial_param(t, NULL, &v));
    ck_assert_int_eq(own.numbers[own.relative - 1], 2);
    kit_tell(study, t, 1);
    tl_study *fresh = kit_study(storage, "fresh", sampler);
    t = kit_ask(fresh);
    FAILS(TL_EINCOMPATIBLE, "sampler 'own'", tl_trial_suggest(t, "x", &kind, &v, err));
    kit_end(fresh, t, TL_FAIL);
    tl_study_free(fresh);
    tl_study_free(study);
    tl_sampler_free(sampler);
    study = NULL;
    stop();
}
END_TEST

static int own_claim(void *self, const struct tl_sample_context *c, int (*fix)(void *ctx, const char *name, const struct tl_value *value),
                     int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    struct own *own = self;
    struct tl_value v = kit_int(c->trial_number);
    own->claims++;
    ck_assert_int_eq((int64_t)tl_view_n_trials(c->view), c->trial_number);
    if (c->trial_number == 3) {
        *err = (struct tl_err){.code = TL_EEXHAUSTED, .message = "three are enough"};
        return TL_EEXHAUSTED;
    }
    int rc = fix(ctx, "n", &v);
    rc = rc ? rc : attr(ctx, "own:claim", "{ \"n\": 1 }");
    return rc ? rc : c->trial_number == 2 ? attr(ctx, "bad", "{") : 0;
}

static int own_prepare(void *self, const struct tl_sample_context *c, struct tl_err *err)
{
    struct own *own = self;
    (void)c, (void)err;
    own->prepares++;
    return 0;
}

static int own_after(void *self, const struct tl_sample_context *c, enum tl_state state, const double *values, size_t n,
                     int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    struct own *own = self;
    (void)c, (void)err;
    own->afters++;
    ck_assert(state == TL_COMPLETE ? n == 1 && values[0] == 1 : n == 0);
    return attr(ctx, "own:after", "2");
}

START_TEST(claims)
{
    struct own own = {0};
    struct tl_sampler_ops ops = {.size = sizeof ops, .name = "own", .independent = own_independent, .claim = own_claim,
                                 .prepare = own_prepare, .after = own_after};
    struct tl_dist n = TL_INT_RANGE(0, 100), z = TL_INT_RANGE(1, 9);
    struct tl_param_spec space[] = {{"n", 0, &n}, {"z", 0, &z}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_sampler *sampler;
    tl_trial *t;
    double v;
    int64_t i;
    storage = kit_open(kit_url(_i));
    OK(tl_sampler_new(&ops, &own, &sampler, err));
    study = kit_study(storage, "s", sampler);
    t = kit_ask(study);
    OK(tl_trial_suggest_int(t, "n", 0, 5, 1, false, &i, err));
    ck_assert_int_eq(i, 0);
    uint64_t before = appends();
    kit_tell(study, t, 1);
    ck_assert_uint_eq(appends() - before, 1);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "own:claim"), "{\"n\":1}");
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "own:after"), "2");
    tl_view_close(view);
    /* with a space: what the claim left open is asked for afterwards */
    o.space = space;
    o.n_space = 2;
    OK(tl_study_ask(study, &o, &t, err));
    view = kit_read(study, 1, &f);
    ck_assert_double_eq(kit_param(&f, "n")->internal, 1);
    ck_assert_double_eq(kit_param(&f, "z")->internal, 1);
    tl_view_close(view);
    ck_assert(tl_trial_param(t, "z", &v));
    kit_end(study, t, TL_FAIL);
    FAILS(TL_EINVAL, "'bad'", tl_study_ask(study, NULL, &t, err)); /* a bad attribute: no trial */
    ck_assert_uint_eq(count(TL_RUNNING), 0);
    OK(tl_storage_create_trial(storage, tl_study_id(study), NULL, NULL, NULL, err));
    FAILS(TL_EEXHAUSTED, "three are enough", tl_study_ask(study, NULL, &t, err));
    ck_assert_int_eq(own.claims, 4);
    ck_assert_int_eq(own.prepares, 4);
    ck_assert_int_eq(own.afters, 2);
    /* a trial of the queue is claimed already */
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err));
    t = kit_ask(study);
    ck_assert_int_eq(own.claims, 4);
    kit_end(study, t, TL_PRUNED);
    tl_frozen_release(&f);
    tl_study_free(study);
    tl_sampler_free(sampler);
    study = NULL;
    stop();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        trials_are_numbered_and_start_now,
        a_space_is_one_operation,
        same_seed_same_trials,
        budgets,
        the_queue,
        a_queued_trial_and_a_space,
        a_queued_trial_with_all_of_the_space_is_one_append,
        enqueue_skips_what_exists,
        joint_proposals,
        claims,
    };
    TCase *t = tcase_create("ask");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_loop_test(t, tests[i], 0, KIT_BACKENDS);
    }
    return check_run("ask", t);
}
