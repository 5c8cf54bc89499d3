/* SPDX-License-Identifier: MIT
 *
 * A model that is kept up while trials come, run and end in any order equals one that is made at once: which trials are good, and
 * both densities of every space. One, two and three objectives, constraints, pruned and failed trials, conditional parameters,
 * running trials with what their workers published.
 */
#include "sampler/tpe.h"
#include "support/check_main.h"
#include "support/study_kit.h"

#include <math.h>
#include <stdio.h>

static struct rng r;

#define PARAMS 5
static const struct tl_value words[] = {{TL_VALUE_STRING, {.text = {"a", 1}}},
                                        {TL_VALUE_STRING, {.text = {"b", 1}}},
                                        {TL_VALUE_STRING, {.text = {"c", 1}}}};
static const struct tl_dist dists[PARAMS] = {
    TL_FLOAT_RANGE(-1, 1),
    TL_INT_LOG(1, 1000),
    {TL_DIST_CATEGORICAL, false, 0, 0, 0, words, 3},
    TL_FLOAT_LOG(1e-3, 10),
    {TL_DIST_FLOAT, false, 0, 2, 0.25, NULL, 0},
};
static const char *const names[PARAMS] = {"x", "n", "c", "lr", "step"};

struct world {
    tl_storage *storage;
    int64_t study;
    size_t n_objectives;
    int64_t running[40];
    size_t n_running;
};

static double value(size_t i)
{
    struct rng *q = &r;
    return random_draw(&dists[i], q);
}

static void begin(struct world *w)
{
    int64_t id;
    struct tl_param_spec params[PARAMS];
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    bool early = rng_below(&r, 2) == 0;
    for (size_t i = 0; i < PARAMS; i++) {
        bool has = i < 3 || rng_below(&r, 2) == 0; /* the last two are conditional */
        if (has && early) {
            params[spec.n_params++] = (struct tl_param_spec){names[i], value(i), &dists[i]};
        }
    }
    spec.params = params;
    OK(tl_storage_create_trial(w->storage, w->study, &spec, &id, NULL, err));
    if (!early && rng_below(&r, 2) == 0) {
        OK(tl_storage_set_trial_attr(w->storage, id, TL_ATTR_SYSTEM, TPE_RELATIVE_KEY "0",
                                     "\"{\\\"x\\\": 0.5, \\\"n\\\": 7, \"", err));
        OK(tl_storage_set_trial_attr(w->storage, id, TL_ATTR_SYSTEM, TPE_RELATIVE_KEY "1",
                                     "\"\\\"c\\\": \\\"b\\\"}\"", err));
    }
    w->running[w->n_running++] = id;
}

static void give(struct world *w, int64_t id)
{
    size_t i = (size_t)rng_below(&r, PARAMS);
    OK(tl_storage_set_param(w->storage, id, names[i], value(i), &dists[i], err));
}

static void end(struct world *w, size_t which)
{
    int64_t id = w->running[which];
    double values[3];
    uint64_t how = rng_below(&r, 10);
    w->running[which] = w->running[--w->n_running];
    for (size_t i = 0; i < 3; i++) {
        OK(tl_storage_set_param(w->storage, id, names[i], value(i), &dists[i], err));
        values[i] = rng_below(&r, 4) == 0 ? (double)rng_below(&r, 5) : rng_uniform(&r) * 4 - 2;
        if (rng_below(&r, 40) == 0) {
            values[i] = rng_below(&r, 2) ? INFINITY : -INFINITY;
        }
    }
    if (rng_below(&r, 3) == 0) {
        char text[80];
        snprintf(text, sizeof text, "[%.3f, %.3f]", rng_uniform(&r) * 3 - 1, rng_uniform(&r) * 300 - 200);
        OK(tl_storage_set_trial_attr(w->storage, id, TL_ATTR_SYSTEM, "constraints", text, err));
    }
    if (how < 2) {
        for (uint64_t k = rng_below(&r, 4); k > 0; k--) {
            OK(tl_storage_report(w->storage, id, (int64_t)k, k == 2 ? NAN : rng_uniform(&r), err));
        }
        OK(tl_storage_set_state(w->storage, id, TL_PRUNED, NULL, 0, NULL, err));
    } else if (how == 2) {
        OK(tl_storage_set_state(w->storage, id, TL_FAIL, NULL, 0, NULL, err));
    } else {
        OK(tl_storage_set_state(w->storage, id, TL_COMPLETE, values, w->n_objectives, NULL, err));
    }
}

static void same_space(struct model *kept, struct model *fresh, const tl_view *view, const size_t *which,
                       size_t n)
{
    struct tl_assignment dims[PARAMS];
    struct visit a, b;
    double x[8 * PARAMS], good[2][8], rest[2][8];
    int64_t number = rng_below(&r, 2) ? (int64_t)tl_view_n_trials(view) - 1 : (int64_t)tl_view_n_trials(view);
    for (size_t i = 0; i < n; i++) {
        dims[i] = (struct tl_assignment){names[which[i]], &dists[which[i]], 0};
    }
    for (size_t i = 0; i < 8; i++) {
        for (size_t k = 0; k < n; k++) {
            x[i * n + k] = value(which[k]);
        }
    }
    OK(model_enter(&a, kept, view, number, dims, n, err));
    OK(model_enter(&b, fresh, view, number, dims, n, err));
    ck_assert_uint_eq(parzen_count(a.space->good), parzen_count(b.space->good));
    ck_assert_uint_eq(parzen_count(a.space->rest), parzen_count(b.space->rest));
    for (size_t k = 0; k < 2; k++) {
        const struct tpe_space *s = k ? b.space : a.space;
        size_t most = parzen_scratch(s->good, 8) + parzen_scratch(s->rest, 8);
        void *scratch = mem_alloc(most + 1);
        parzen_log_density(s->good, x, 8, good[k], scratch);
        parzen_log_density(s->rest, x, 8, rest[k], scratch);
        mem_free(scratch);
    }
    for (size_t i = 0; i < 8; i++) {
        ck_assert_double_eq_tol(good[0][i], good[1][i], 1e-9);
        ck_assert_double_eq_tol(rest[0][i], rest[1][i], 1e-9);
    }
    model_leave(&a);
    model_leave(&b);
}

static void compare(struct world *w, struct model *kept, const struct tpe_rules *rules)
{
    static const size_t spaces[][PARAMS] = {{0, 1, 2}, {2, 4}, {3}, {1}, {0, 3, 4}};
    static const size_t sizes[] = {3, 2, 1, 1, 3};
    tl_view *view;
    struct model *fresh = model_new(1, rules);
    OK(tl_view_open(w->storage, w->study, true, &view, err));
    for (size_t i = 0; i < TL_COUNT(spaces); i++) {
        if (rng_below(&r, 3) > 0) {
            same_space(kept, fresh, view, spaces[i], sizes[i]);
        }
    }
    if (fresh->started && kept->seq == fresh->seq) {
        ck_assert_uint_eq(history_rows(&kept->history), history_rows(&fresh->history));
        for (size_t row = 0; row < history_rows(&kept->history); row++) {
            ck_assert_int_eq(history_point(&kept->history, row)->good,
                             history_point(&fresh->history, row)->good);
        }
    }
    model_unref(fresh);
    tl_view_close(view);
}

static void run(const char *preset, size_t n_objectives, const char *option, const char *text)
{
    static const enum tl_direction directions[] = {TL_MAXIMIZE, TL_MINIMIZE, TL_MAXIMIZE};
    struct tl_option options[] = {{"preset", preset}, {option, text}};
    struct tpe_rules rules;
    struct world w = {.n_objectives = n_objectives};
    OK(tpe_rules_read(&rules, options, option ? 2 : 1, err));
    w.storage = kit_open("memory://");
    OK(tl_storage_create_study(w.storage, "s", directions, n_objectives, &w.study, err));
    struct model *kept = model_new(1, &rules);
    for (unsigned step = 0; step < 600; step++) {
        uint64_t k = rng_below(&r, 10);
        if (k < 4 && w.n_running < 40) {
            begin(&w);
        } else if (k < 6 && w.n_running) {
            give(&w, w.running[rng_below(&r, w.n_running)]);
        } else if (w.n_running) {
            end(&w, (size_t)rng_below(&r, w.n_running));
        }
        if (rng_below(&r, 6) == 0) {
            compare(&w, kept, &rules);
        }
    }
    model_unref(kept);
    tl_storage_close(w.storage);
}

START_TEST(one_objective)
{
    run("tpe2", 1, NULL, NULL);
    run("tpe2", 1, "gamma", "0.5*n");
    run("optuna5", 1, NULL, NULL);
    run("optuna5", 1, "gamma", "0.9");
    run("optuna4", 1, "constraint_scale", "normalised");
}
END_TEST

START_TEST(several_objectives)
{
    run("tpe2", 2, NULL, NULL);
    run("optuna5", 3, "gamma", "0.4*n");
    run("optuna4", 2, "multivariate", "true");
    run("optuna4", 3, "gamma", "0.3*n");
}
END_TEST

/* Adds a finished trial with these parameters, and says whether tpe2 then has narrow kernels for `asked`. */
static bool narrow_after(struct world *w, struct model *m, size_t n_given, const struct tl_param_spec *given,
                         size_t n_asked, const struct tl_assignment *asked)
{
    static const double values[2] = {1, 2};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    struct visit v;
    tl_view *view;
    spec.params = given;
    spec.n_params = n_given;
    spec.state = TL_COMPLETE;
    spec.values = values;
    spec.n_values = w->n_objectives;
    OK(tl_storage_create_trial(w->storage, w->study, &spec, NULL, NULL, err));
    OK(tl_view_open(w->storage, w->study, true, &view, err));
    OK(model_enter(&v, m, view, (int64_t)tl_view_n_trials(view), asked, n_asked, err));
    bool narrow = v.space->narrow;
    model_leave(&v);
    tl_view_close(view);
    return narrow;
}

START_TEST(kernels_are_narrow_only_where_no_other_parameter_plays_a_part)
{
    static const struct tl_dist constant = TL_INT_RANGE(3, 3);
    static const enum tl_direction minimize[2] = {TL_MINIMIZE, TL_MINIMIZE};
    const struct tl_param_spec given[4] = {{names[0], 0.5, &dists[0]},
                                           {names[1], 7, &dists[1]},
                                           {"constant", 3, &constant},
                                           {names[3], 0.5, &dists[3]}};
    const struct tl_assignment asked[2] = {{names[0], &dists[0], 0}, {names[1], &dists[1], 0}};
    for (size_t n_objectives = 1; n_objectives <= 2; n_objectives++) {
        struct world w = {.n_objectives = n_objectives};
        struct tpe_rules rules;
        OK(tpe_rules_read(&rules, NULL, 0, err));
        struct model *m = model_new(1, &rules);
        ck_assert_ptr_nonnull(m);
        OK(tl_storage_open("memory://", NULL, &w.storage, err));
        OK(tl_storage_create_study(w.storage, "s", minimize, n_objectives, &w.study, err));
        ck_assert(narrow_after(&w, m, 1, given, 1, asked));
        ck_assert(narrow_after(&w, m, 3, given, 2, asked) == (n_objectives == 2));
        model_unref(m);
        m = model_new(2, &rules);
        OK(tl_storage_create_study(w.storage, "t", minimize, n_objectives, &w.study, err));
        ck_assert(narrow_after(&w, m, 3, given, 2, asked));
        ck_assert(narrow_after(&w, m, 3, given, 1, asked) == (n_objectives == 2)); /* univariate */
        ck_assert(narrow_after(&w, m, 3, given, 2, asked));
        ck_assert(narrow_after(&w, m, 4, given, 2, asked) ==
                  (n_objectives == 2)); /* a conditional one appears */
        model_unref(m);
        tl_storage_close(w.storage);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tpe_model");
    uint64_t seed = tl_random_seed();
    printf("seed %llu\n", (unsigned long long)seed);
    rng_init(&r, seed, 0, 0, STR("tpe_model"));
    tcase_add_test(t, one_objective);
    tcase_add_test(t, several_objectives);
    tcase_add_test(t, kernels_are_narrow_only_where_no_other_parameter_plays_a_part);
    return check_run("tpe_model", t);
}
