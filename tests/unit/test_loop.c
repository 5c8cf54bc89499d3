/* SPDX-License-Identifier: MIT
 *
 * sampler/loop.c, sampler/tpe_given.c, engine/claim.c: a study loop outside the library gets what tl_study_ask and tl_trial_suggest get.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "support/check_main.h"
#include "support/study_kit.h"

/* ---- a loop of our own, by trial id ---- */

#define NAMES_MAX 8

struct hand {
    tl_storage *storage;
    const tl_sampler *sampler;
    int64_t study_id, trial_id, number;
    uint64_t handle;
    bool whole; /* tl_sampler_relative instead of space and joint */
    bool asked;
    struct tl_assignment dims[NAMES_MAX]; /* names are the caller's */
    struct tl_dist dists[NAMES_MAX];
    bool given[NAMES_MAX];
    size_t n;
};
static const char *const known[] = {"c", "i", "k", "x", "y", "z"};

static struct tl_value choices[2];

static const char *lasting(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i], name) == 0) {
            return known[i];
        }
    }
    ck_abort_msg("no such name: %s", name);
    return NULL;
}

static int take_space(void *ctx, const struct tl_assignment *a)
{
    struct hand *h = ctx;
    h->dists[h->n] = *a->dist;
    if (a->dist->kind == TL_DIST_CATEGORICAL) { /* what is emitted is borrowed */
        ck_assert_uint_eq(a->dist->n_choices, 2);
        h->dists[h->n].choices = choices;
    }
    h->dims[h->n] = (struct tl_assignment){lasting(a->name), &h->dists[h->n], NAN};
    h->given[h->n++] = false;
    return 0;
}

static int take_value(void *ctx, const struct tl_assignment *a)
{
    struct hand *h = ctx;
    for (size_t i = 0; i < h->n; i++) {
        if (strcmp(h->dims[i].name, a->name) == 0) {
            h->dims[i].internal = a->internal;
            h->given[i] = true;
            return 0;
        }
    }
    if (h->whole) {
        (void)take_space(h, a);
        h->dims[h->n - 1].internal = a->internal;
        h->given[h->n - 1] = true;
        return 0;
    }
    return 7;
}

static void begin(struct hand *h)
{
    h->n = 0;
    h->asked = false;
    OK(tl_sampler_create_trial(h->sampler, h->storage, h->study_id, h->handle, NULL, NULL, &h->trial_id, &h->number, err));
}

static double suggest(struct hand *h, const char *name, struct tl_dist dist)
{
    struct tl_sample_context c = {NULL, h->study_id, h->number, h->handle, NULL};
    tl_view *view;
    double v = NAN;
    OK(tl_dist_normalise(&dist, NULL, err));
    OK(tl_view_open(h->storage, h->study_id, true, &view, err));
    c.view = view;
    if (!h->asked && h->whole) {
        OK(tl_sampler_relative(h->sampler, &c, take_value, NULL, h, err));
    } else if (!h->asked) {
        OK(tl_sampler_space(h->sampler, &c, take_space, h, err));
        OK(tl_sampler_joint(h->sampler, &c, h->dims, h->n, take_value, NULL, h, err));
    }
    h->asked = true;
    for (size_t i = 0; i < h->n; i++) {
        if (strcmp(h->dims[i].name, name) == 0 && h->given[i] && tl_dist_contains(&dist, h->dims[i].internal)) {
            v = h->dims[i].internal;
        }
    }
    if (isnan(v)) {
        OK(tl_sampler_independent(h->sampler, &c, name, &dist, &v, err));
    }
    tl_view_close(view);
    OK(tl_storage_set_param(h->storage, h->trial_id, name, v, &dist, err));
    return v;
}

static void end(struct hand *h, const double *values, size_t n)
{
    struct tl_sample_context c = {NULL, h->study_id, h->number, h->handle, NULL};
    tl_view *view;
    OK(tl_view_open(h->storage, h->study_id, true, &view, err));
    c.view = view;
    OK(tl_sampler_after(h->sampler, &c, TL_COMPLETE, values, n, NULL, NULL, err));
    tl_view_close(view);
    OK(tl_storage_set_state(h->storage, h->trial_id, TL_COMPLETE, values, n, NULL, err));
}

/* ---- the same values as in the library's own loop ---- */

static const struct tl_dist float_range = TL_FLOAT_RANGE(-5, 5), log_range = TL_FLOAT_LOG(1e-3, 10),
                            int_range = TL_INT_RANGE(1, 4), small = TL_INT_RANGE(0, 2), one = TL_INT_RANGE(3, 3);

/* One trial of an objective whose space is conditional (kind 0), finite (1) or plain (2); `at` gives the value of a parameter. */
static void run(int kind, double (*at)(void *ctx, const char *name, struct tl_dist dist), void *ctx, double *values)
{
    choices[0] = kit_text("p");
    choices[1] = kit_text("q");
    struct tl_dist choice = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, 2};
    if (kind == 1) {
        double i = at(ctx, "i", int_range), k = at(ctx, "k", small);
        values[0] = i * 3 - k + at(ctx, "z", one);
    } else {
        double x = at(ctx, "x", float_range), c = at(ctx, "c", choice);
        double y = kind == 2 || c == 0 ? at(ctx, "y", log_range) : at(ctx, "i", int_range);
        values[0] = x * x + y + 2 * c;
    }
    values[1] = -values[0] + at(ctx, "k", small);
}

static double by_hand(void *ctx, const char *name, struct tl_dist dist)
{
    return suggest(ctx, name, dist);
}

static double by_library(void *ctx, const char *name, struct tl_dist dist)
{
    double v = NAN;
    OK(tl_trial_suggest(ctx, name, &dist, &v, err));
    return v;
}

static const struct {
    const char *words[9]; /* sampler, then options */
} samplers[] = {
    {{"tpe", "seed", "1"}},
    {{"tpe", "seed", "2", "preset", "optuna5"}},
    {{"tpe", "seed", "3", "preset", "optuna4"}},
    {{"tpe", "seed", "4", "group", "true", "n_startup_trials", "5"}},
    {{"tpe", "seed", "5", "multivariate", "false", "n_startup_trials", "0"}},
    {{"random", "seed", "6"}},
};
#define N_SAMPLERS ((int)(sizeof samplers / sizeof *samplers))

static tl_sampler *make(const char *const *words)
{
    struct tl_option options[4];
    size_t n = 0;
    tl_sampler *s = NULL;
    for (; words[1 + 2 * n]; n++) {
        options[n] = (struct tl_option){words[1 + 2 * n], words[2 + 2 * n]};
    }
    OK(tl_sampler_create(words[0], options, n, &s, err));
    return s;
}

static void compare(tl_sampler *first, tl_sampler *second, int kind, size_t n_objectives, bool whole, int n_trials)
{
    static const enum tl_direction directions[] = {TL_MINIMIZE, TL_MAXIMIZE};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_storage *a = kit_open("memory://"), *b = kit_open("memory://");
    tl_study *study = NULL;
    o.directions = directions;
    o.n_directions = n_objectives;
    o.sampler = first;
    OK(tl_study_create(a, "s", &o, &study, err));
    struct hand h = {.storage = b, .sampler = second, .handle = tl_handle_new(), .whole = whole};
    OK(tl_storage_create_study(b, "s", directions, n_objectives, &h.study_id, err));
    for (int i = 0; i < n_trials; i++) {
        double x[2], y[2];
        tl_trial *t = kit_ask(study);
        run(kind, by_library, t, x);
        OK(tl_study_tell(study, t, TL_COMPLETE, x, n_objectives, NULL, err));
        begin(&h);
        ck_assert_int_eq(h.number, i);
        run(kind, by_hand, &h, y);
        ck_assert_msg(x[0] == y[0] && x[1] == y[1], "trial %d of kind %d: %.17g, %.17g and %.17g, %.17g", i, kind, x[0], x[1], y[0],
                      y[1]);
        end(&h, y, n_objectives);
    }
    tl_sampler_forget(second, h.handle);
    tl_study_free(study);
    tl_storage_close(a);
    tl_storage_close(b);
}

START_TEST(a_loop_by_hand_gets_the_same)
{
    for (int i = 0; i < 12; i++) {
        tl_sampler *first = make(samplers[_i].words), *second = make(samplers[_i].words);
        compare(first, second, i % 3, i % 6 < 3 ? 1 : 2, i >= 6, 40);
        tl_sampler_free(first);
        tl_sampler_free(second);
    }
}
END_TEST

START_TEST(parameters_that_the_caller_chooses)
{
    tl_storage *s = kit_open("memory://");
    static const char *const words[] = {"tpe", "seed", "7", "group", "true", "n_startup_trials", "5", NULL};
    tl_sampler *tpe = make(words);
    struct hand h = {.storage = s, .sampler = tpe, .handle = tl_handle_new()};
    static const enum tl_direction down = TL_MINIMIZE;
    tl_view *view;
    double v[2];
    OK(tl_storage_create_study(s, "s", &down, 1, &h.study_id, err));
    for (int i = 0; i < 12; i++) {
        begin(&h);
        run(0, by_hand, &h, v);
        end(&h, v, 1);
    }
    begin(&h);
    OK(tl_view_open(s, h.study_id, true, &view, err));
    struct tl_sample_context c = {view, h.study_id, h.number, h.handle, NULL};
    /* some of its space, in another order, one of another range, one that nobody knows and one that has one value */
    struct tl_dist wide = TL_FLOAT_RANGE(-50, 50), single = TL_FLOAT_RANGE(1, 1);
    const struct tl_assignment dims[] = {{"y", &log_range, 0}, {"x", &wide, 0}, {"z", &int_range, 0}, {"i", &single, 0}};
    memcpy(h.dims, dims, sizeof dims);
    memset(h.given, 0, sizeof h.given);
    h.n = 4;
    OK(tl_sampler_joint(tpe, &c, dims, 4, take_value, NULL, &h, err));
    ck_assert(h.given[0] && h.given[1] && h.given[2] && !h.given[3]);
    ck_assert(tl_dist_contains(&log_range, h.dims[0].internal) && tl_dist_contains(&wide, h.dims[1].internal) &&
              tl_dist_contains(&int_range, h.dims[2].internal));
    OK(tl_sampler_independent(tpe, &c, "i", &single, v, err));
    ck_assert_double_eq(v[0], 1);
    /* what emit returns is returned, and no view is an error */
    h.n = 0;
    ck_assert_int_eq(tl_sampler_joint(tpe, &c, dims, 1, take_value, NULL, &h, NULL), 7);
    c.view = NULL;
    FAILS(TL_EINVAL, "needs a view", tl_sampler_independent(tpe, &c, "x", &wide, v, err));
    FAILS(TL_EINVAL, "needs a view", tl_sampler_space(tpe, &c, take_space, &h, err));
    ck_assert(tl_sampler_wants_view(tpe));
    tl_view_close(view);
    tl_storage_close(s);
    tl_sampler_free(tpe);
}
END_TEST

/* A sampler of the user's own, without `space` and `joint`. */
static int half(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist, double *internal,
                struct tl_err *err)
{
    (void)self, (void)c, (void)name, (void)err;
    *internal = (dist->low + dist->high) / 2;
    return 0;
}
static int fixed_pair(void *self, const struct tl_sample_context *c, int (*emit)(void *ctx, const struct tl_assignment *a),
                      int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    const struct tl_assignment a[] = {{"x", &float_range, 2}, {"y", &log_range, 9}};
    (void)self, (void)c, (void)err;
    int rc = attr ? attr(ctx, "said", "1") : 0;
    rc = rc ? rc : emit(ctx, &a[0]);
    return rc ? rc : emit(ctx, &a[1]);
}
static int count_attr(void *ctx, const char *key, const char *json)
{
    (void)key, (void)json;
    ((struct hand *)ctx)->number++;
    return 0;
}
static int late(void *self, const struct tl_sample_context *c, enum tl_state state, const double *values, size_t n_values,
                int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    (void)self, (void)c, (void)values, (void)err;
    return state == TL_COMPLETE && n_values == 1 ? attr(ctx, "late", "2") : 0;
}

START_TEST(a_sampler_of_ones_own)
{
    struct tl_sampler_ops ops = {.size = sizeof ops, .name = "own", .flags = TL_SAMPLER_STATELESS, .independent = half,
                                 .relative = fixed_pair, .after = late};
    struct tl_sample_context c = {.trial_number = 0};
    struct tl_dist narrow = TL_FLOAT_RANGE(0, 1);
    const struct tl_assignment dims[] = {{"y", &narrow, 0}, {"x", &float_range, 0}, {"z", &narrow, 0}};
    struct hand h = {.n = 3};
    tl_sampler *own;
    double v = 5;
    OK(tl_sampler_new(&ops, NULL, &own, err));
    ck_assert(!tl_sampler_wants_view(own));
    memcpy(h.dims, dims, sizeof dims);
    OK(tl_sampler_joint(own, &c, dims, 3, take_value, count_attr, &h, err));
    ck_assert(!h.given[0] && h.given[1] && !h.given[2]); /* y is outside of what was asked for */
    ck_assert_int_eq(h.number, 1);
    h.n = 0;
    OK(tl_sampler_space(own, &c, take_space, &h, err));
    ck_assert_uint_eq(h.n, 2);
    OK(tl_sampler_after(own, &c, TL_COMPLETE, &v, 1, count_attr, &h, err));
    OK(tl_sampler_after(own, &c, TL_COMPLETE, &v, 1, NULL, &h, err));
    OK(tl_sampler_after(own, &c, TL_FAIL, NULL, 0, count_attr, &h, err));
    ck_assert_int_eq(h.number, 2);
    OK(tl_sampler_preview(own, &c, NULL, NULL, NULL, err));
    ck_assert_uint_eq(tl_sampler_grid_cells(own), 0);
    tl_sampler_forget(own, 1);
    tl_sampler_free(own);
}
END_TEST

/* ---- TPE with functions ---- */

struct functions {
    int gammas, weights, fail_after, released;
    double scale;
};
static int my_gamma(void *ctx, size_t n, size_t *good)
{
    struct functions *f = ctx;
    *good = (n + 9) / 10 < 25 ? (n + 9) / 10 : 25;
    return ++f->gammas > f->fail_after;
}
static int too_many(void *ctx, size_t n, size_t *good)
{
    (void)ctx;
    *good = 2 * n + 5;
    return 0;
}
static int my_weights(void *ctx, size_t n, double *w)
{
    struct functions *f = ctx;
    f->weights++;
    for (size_t i = 0; i < n; i++) { /* Optuna's ramp */
        w[i] = f->scale * (n < 25 || i >= n - 25 ? 1 : n == 26 ? 1.0 / 26 : 1.0 / (double)n + (1 - 1.0 / (double)n) * (double)i / (double)(n - 26));
    }
    return 0;
}
static void released(void *ctx)
{
    ((struct functions *)ctx)->released++;
}

START_TEST(functions_that_say_the_same_change_nothing)
{
    static const char *const presets[] = {"optuna5", "optuna5", "tpe2"};
    for (int i = 0; i < 9; i++) {
        const char *words[] = {"tpe", "seed", "8", "preset", presets[i / 3], i == 1 ? "group" : NULL, "true", NULL};
        struct tl_option options[] = {{"seed", "8"}, {"preset", presets[i / 3]}, {"group", "true"}};
        struct functions f = {.fail_after = 1000000, .scale = 1};
        struct tl_tpe_functions g = {sizeof g, my_gamma, i < 6 ? my_weights : NULL, &f, released};
        tl_sampler *first = make(words), *second = NULL;
        OK(tl_sampler_tpe_with(options, i == 1 ? 3 : 2, &g, &second, err));
        compare(first, second, i % 3, 1, i % 2 == 0, 60);
        ck_assert(f.gammas > 0 && (i >= 6) == (f.weights == 0));
        tl_sampler_free(first);
        tl_sampler_free(second);
        ck_assert_int_eq(f.released, 1);
    }
}
END_TEST

START_TEST(functions_that_fail)
{
    struct functions f = {.fail_after = 3, .scale = 1};
    struct tl_tpe_functions g = {sizeof g, my_gamma, my_weights, &f, released};
    struct tl_option options[] = {{"n_startup_trials", "3"}, {"consider_prior", "true"}};
    tl_sampler *tpe = NULL;
    tl_trial *t = NULL;
    double x;
    FAILS(TL_EINVAL, "consider_prior", tl_sampler_tpe_with(options, 2, &g, &tpe, err));
    ck_assert_int_eq(f.released, 0);
    OK(tl_sampler_tpe_with(options, 1, &g, &tpe, err));
    tl_storage *s = kit_open("memory://");
    tl_study *study = kit_study(s, "s", tpe);
    for (int i = 0; i < 6; i++) {
        t = kit_ask(study);
        OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
        kit_tell(study, t, x);
    }
    t = kit_ask(study);
    FAILS(TL_ECANCELLED, "gamma", tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    f.fail_after = 1000000;
    f.scale = -1;
    FAILS(TL_EINVAL, "negative", tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    f.scale = 0;
    FAILS(TL_EINVAL, "all 0", tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    f.scale = (double)NAN;
    FAILS(TL_EINVAL, "not finite", tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    f.scale = 1e-9;
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    kit_tell(study, t, x);
    tl_study_free(study);
    tl_sampler_free(tpe);
    g.gamma = too_many; /* all of them */
    OK(tl_sampler_tpe_with(options, 1, &g, &tpe, err));
    f.scale = 1;
    study = kit_study(s, "s", tpe);
    t = kit_ask(study);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    kit_tell(study, t, x);
    tl_study_free(study);
    tl_storage_close(s);
    tl_sampler_free(tpe);
}
END_TEST

/* ---- claims ---- */

static tl_sampler *make_grid(void)
{
    struct tl_value b[] = {kit_text("u"), kit_text("v"), kit_text("w")}, a[] = {kit_float(0.5), kit_float(99)};
    struct tl_grid_axis axes[] = {{"b", b, 3}, {"a", a, 2}};
    tl_sampler *s = NULL;
    OK(tl_sampler_grid(axes, 2, NULL, &s, err));
    return s;
}

struct claimed {
    int n;
    double a;
    char b;
};
static int take_fixed(void *ctx, const char *name, const struct tl_value *v)
{
    struct claimed *c = ctx;
    c->n++;
    if (strcmp(name, "a") == 0) {
        c->a = v->as.f;
    } else {
        c->b = v->as.text.s[0];
    }
    return 0;
}

static void grid_id_of(tl_storage *s, int64_t study_id, int64_t number, char out[8])
{
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    OK(tl_view_open(s, study_id, true, &view, err));
    OK(tl_view_trial(view, number, &f, err));
    const char *id = kit_trial_attr(&f, TL_ATTR_SYSTEM, "grid_id");
    snprintf(out, 8, "%s", id ? id : "-");
    tl_frozen_release(&f);
    tl_view_close(view);
}

START_TEST(claims_by_trial_id)
{
    static const enum tl_direction down = TL_MINIMIZE;
    tl_storage *s = kit_open("memory://");
    tl_sampler *grid = make_grid();
    uint64_t handle = tl_handle_new(), cell[2];
    int64_t study_id, id[6], number;
    char text[8];
    bool seen[6] = {false};
    tl_view *view;
    OK(tl_storage_create_study(s, "s", &down, 1, &study_id, err));
    for (int i = 0; i < 6; i++) {
        struct claimed c = {0};
        if (i % 2 == 0) {
            OK(tl_sampler_create_trial(grid, s, study_id, handle, take_fixed, &c, &id[i], &number, err));
        } else {
            OK(tl_storage_create_trial(s, study_id, NULL, &id[i], &number, err));
            OK(tl_sampler_claim_trial(grid, s, id[i], handle, take_fixed, &c, err));
        }
        ck_assert_int_eq(number, i);
        ck_assert_int_eq(c.n, 2);
        grid_id_of(s, study_id, i, text);
        ck_assert_int_eq(text[0], '0' + i);
        OK(tl_sampler_grid_cell(grid, (uint64_t)i, cell, 2, err));
        ck_assert(c.a == (cell[0] ? 99 : 0.5) && c.b == "uvw"[cell[1]]);
        ck_assert(!seen[cell[0] * 3 + cell[1]]);
        seen[cell[0] * 3 + cell[1]] = true;
        struct claimed again = {0};
        OK(tl_sampler_claim_trial(grid, s, id[i], handle, take_fixed, &again, err)); /* it has one: left as it is */
        ck_assert_int_eq(again.n, 0);
    }
    ck_assert_uint_eq(tl_sampler_grid_cells(grid), 6);
    FAILS(TL_EINVAL, "cell 6", tl_sampler_grid_cell(grid, 6, cell, 2, err));
    FAILS(TL_EINVAL, "axes", tl_sampler_grid_cell(grid, 0, cell, 1, err));
    int64_t last;
    FAILS(TL_EEXHAUSTED, "cell", tl_sampler_create_trial(grid, s, study_id, handle, NULL, NULL, NULL, NULL, err));
    OK(tl_storage_create_trial(s, study_id, NULL, &last, NULL, err));
    FAILS(TL_EEXHAUSTED, "cell", tl_sampler_claim_trial(grid, s, last, handle, NULL, NULL, err));
    grid_id_of(s, study_id, 6, text);
    ck_assert_str_eq(text, "-");
    /* a failed one is free again: seen beforehand, then claimed */
    OK(tl_view_open(s, study_id, true, &view, err));
    struct tl_sample_context c = {view, study_id, 6, handle, NULL};
    FAILS(TL_EEXHAUSTED, "cell", tl_sampler_preview(grid, &c, NULL, NULL, NULL, err));
    tl_view_close(view);
    OK(tl_storage_set_state(s, id[2], TL_FAIL, NULL, 0, NULL, err));
    OK(tl_view_open(s, study_id, true, &view, err));
    c.view = view;
    struct claimed found = {0};
    OK(tl_sampler_preview(grid, &c, take_fixed, NULL, &found, err));
    ck_assert_int_eq(found.n, 2);
    tl_view_close(view);
    OK(tl_sampler_claim_trial(grid, s, last, handle, NULL, NULL, err));
    grid_id_of(s, study_id, 6, text);
    ck_assert_str_eq(text, "2");
    FAILS(TL_EFINISHED, "finished", tl_sampler_claim_trial(grid, s, id[2], handle, NULL, NULL, err));
    FAILS(TL_ENOTFOUND, "", tl_sampler_claim_trial(grid, s, 77, handle, NULL, NULL, err));
    FAILS(TL_ENOTFOUND, "", tl_sampler_create_trial(grid, s, 77, handle, NULL, NULL, NULL, NULL, err));
    /* values that are settled already: an enqueued trial */
    struct tl_attr_spec fixed = {TL_ATTR_SYSTEM, "fixed_params", "{\"a\": 99.0}"};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    spec.attrs = &fixed;
    spec.n_attrs = 1;
    OK(tl_storage_create_trial(s, study_id, &spec, &last, NULL, err));
    OK(tl_sampler_claim_trial(grid, s, last, handle, NULL, NULL, err));
    grid_id_of(s, study_id, 7, text);
    ck_assert_str_eq(text, "-");
    tl_storage_close(s);
    tl_sampler_free(grid);
}
END_TEST

#define CELLS   300
#define THREADS 4
struct worker {
    tl_storage *storage;
    const tl_sampler *grid;
    int64_t study_id;
    uint64_t handle;
    bool by_claim;
    int done;
};
static void *work(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        int64_t id;
        int rc;
        if (w->by_claim) {
            OK(tl_storage_create_trial(w->storage, w->study_id, NULL, &id, NULL, err));
            rc = tl_sampler_claim_trial(w->grid, w->storage, id, w->handle, NULL, NULL, NULL);
        } else {
            rc = tl_sampler_create_trial(w->grid, w->storage, w->study_id, w->handle, NULL, NULL, &id, NULL, NULL);
        }
        double v = 0;
        if (rc != TL_OK) {
            ck_assert_int_eq(rc, TL_EEXHAUSTED);
            return NULL;
        }
        OK(tl_storage_set_state(w->storage, id, TL_COMPLETE, &v, 1, NULL, err));
        w->done++;
    }
}

START_TEST(threads_claim_each_cell_once)
{
    static const enum tl_direction down = TL_MINIMIZE;
    struct tl_value values[CELLS];
    struct tl_grid_axis axis = {"x", values, CELLS};
    struct worker workers[THREADS];
    pthread_t ids[THREADS];
    tl_storage *s = kit_open("memory://");
    tl_sampler *grid = NULL;
    int64_t study_id;
    int done = 0;
    for (int i = 0; i < CELLS; i++) {
        values[i] = kit_int(i);
    }
    OK(tl_sampler_grid(&axis, 1, NULL, &grid, err));
    OK(tl_storage_create_study(s, "s", &down, 1, &study_id, err));
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){s, grid, study_id, i < 2 ? 1000001 : tl_handle_new(), i % 2 == 1, 0};
        ck_assert_int_eq(pthread_create(&ids[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
        done += workers[i].done;
    }
    ck_assert_int_eq(done, CELLS);
    tl_storage_close(s);
    tl_sampler_free(grid);
}
END_TEST

/* ---- pruning by view ---- */

static int keep_rung(void *ctx, const char *key, const char *json)
{
    (void)json;
    ck_assert_str_eq(key, "completed_rung_0");
    ++*(int *)ctx;
    return 0;
}
static int refuse(void *ctx, const char *key, const char *json)
{
    (void)ctx, (void)key, (void)json;
    return 9;
}

START_TEST(a_pruner_decides_from_a_view)
{
    static const char *const names[] = {"median", "successive_halving", "patient"};
    struct tl_option none[] = {{"n_startup_trials", "2"}}, halving[] = {{"min_resource", "2"}}, patient[] = {{"patience", "1"}};
    struct tl_option *options[] = {none, halving, patient};
    tl_storage *s = kit_open("memory://");
    for (int i = 0; i < 3; i++) {
        struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
        tl_pruner *pruner = NULL;
        tl_study *study = NULL;
        int yes = 0, rungs = 0;
        uint64_t handle = tl_handle_new();
        OK(tl_pruner_create(names[i], options[i], 1, &pruner, err));
        o.pruner = pruner;
        OK(tl_study_create(s, names[i], &o, &study, err));
        for (int k = 0; k < 12; k++) {
            tl_trial *t = kit_ask(study);
            for (int step = 0; step < 6; step++) {
                bool said = false, ours = false;
                tl_view *view;
                OK(tl_trial_report(t, step == 3 ? 2 : step, (k * 7 % 5) + (k % 2 ? step : -step), err));
                OK(tl_study_view(study, &view, err));
                OK(tl_pruner_decide(pruner, view, k, handle, keep_rung, &rungs, &ours, err));
                OK(tl_pruner_decide(pruner, view, k, handle, NULL, NULL, &said, err));
                ck_assert_int_eq(said, ours);
                tl_view_close(view);
                OK(tl_trial_should_prune(t, &said, err));
                ck_assert_msg(said == ours, "%s, trial %d, step %d: %d and %d", names[i], k, step, said, ours);
                yes += said;
            }
            kit_tell(study, t, k);
        }
        ck_assert(yes > 0 && (rungs > 0) == (i == 1));
        tl_trial *t = kit_ask(study);
        tl_view *view;
        bool prune = true;
        OK(tl_study_view(study, &view, err));
        OK(tl_pruner_decide(pruner, view, 12, handle, NULL, NULL, &prune, err)); /* no report yet */
        ck_assert(!prune);
        FAILS(TL_ENOTFOUND, "", tl_pruner_decide(pruner, view, 13, handle, NULL, NULL, &prune, err));
        tl_view_close(view);
        OK(tl_trial_report(t, 5, 1, err));
        OK(tl_study_view(study, &view, err));
        if (i == 1) {
            ck_assert_int_eq(tl_pruner_decide(pruner, view, 12, handle, refuse, NULL, &prune, NULL), 9);
        }
        tl_view_close(view);
        tl_trial_free(t);
        tl_pruner_forget(pruner, handle);
        tl_study_free(study);
        tl_pruner_free(pruner);
    }
    tl_storage_close(s);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("loop");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_loop_by_hand_gets_the_same, 0, N_SAMPLERS);
    tcase_add_test(t, parameters_that_the_caller_chooses);
    tcase_add_test(t, a_sampler_of_ones_own);
    tcase_add_test(t, functions_that_say_the_same_change_nothing);
    tcase_add_test(t, functions_that_fail);
    tcase_add_test(t, claims_by_trial_id);
    tcase_add_test(t, threads_claim_each_cell_once);
    tcase_add_test(t, a_pruner_decides_from_a_view);
    return check_run("loop", t);
}
