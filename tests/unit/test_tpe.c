/* SPDX-License-Identifier: MIT
 *
 * What users of the TPE sampler see: when it draws at random, that a seed decides, spaces of every kind, finite ones without a
 * repeat, what is published for other workers, threads, options.
 */
#include "sampler/sampler.h"
#include "support/check_main.h"
#include "support/study_kit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

static struct tl_dist wide = TL_FLOAT_RANGE(-5, 5), rate = TL_FLOAT_LOG(1e-4, 1), layers = TL_INT_RANGE(1, 8),
                      units = TL_INT_LOG(4, 512);
static const struct tl_value words[] = {
    {TL_VALUE_STRING, {.text = {"a", 1}}}, {TL_VALUE_NULL, {0}}, {TL_VALUE_BOOL, {.b = true}}};
static struct tl_dist word = {TL_DIST_CATEGORICAL, false, 0, 0, 0, words, 3},
                      grid = {TL_DIST_FLOAT, false, 0, 1, 0.25, NULL, 0};

static struct tl_param_spec mixed[] = {{"x", 0, &wide},      {"lr", 0, &rate},   {"layers", 0, &layers},
                                       {"units", 0, &units}, {"word", 0, &word}, {"grid", 0, &grid}};
#define N_MIXED (sizeof mixed / sizeof mixed[0])

static tl_sampler *make(const char *name, const struct tl_option *options, size_t n)
{
    tl_sampler *s = NULL;
    OK(tl_sampler_create(name, options, n, &s, err));
    return s;
}

static tl_sampler *seeded(const char *preset)
{
    struct tl_option options[] = {{"seed", "7"}, {"preset", preset}};
    return make("tpe", options, 2);
}

static tl_trial *ask_space(tl_study *study, const struct tl_param_spec *space, size_t n)
{
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_trial *t = NULL;
    o.space = space;
    o.n_space = n;
    OK(tl_study_ask(study, &o, &t, err));
    return t;
}

static double param(const tl_trial *t, const char *name)
{
    double v = NAN;
    ck_assert_msg(tl_trial_param(t, name, &v), "%s", name);
    return v;
}

static double badness(const double *x)
{
    return x[0] * x[0] + fabs(log10(x[1]) + 2) + fabs(x[2] - 3) + fabs(log2(x[3]) - 5) + (x[4] != 1) + x[5];
}

/* Runs trials and writes their values into rows of N_MIXED. */
static double run_mixed(tl_study *study, size_t n, bool by_run, double *rows)
{
    double best = INFINITY;
    for (size_t i = 0; i < n; i++) {
        tl_trial *t = by_run ? kit_ask(study) : ask_space(study, mixed, N_MIXED);
        double *x = rows + i * N_MIXED;
        for (size_t k = 0; k < N_MIXED; k++) {
            if (by_run) {
                OK(tl_trial_suggest(t, mixed[k].name, mixed[k].dist, &x[k], err));
            } else {
                x[k] = param(t, mixed[k].name);
            }
            ck_assert(tl_dist_contains(mixed[k].dist, x[k]));
        }
        best = badness(x) < best ? badness(x) : best;
        kit_tell(study, t, badness(x));
    }
    return best;
}

static double run_study(tl_sampler *sampler, bool by_run, size_t n, double *rows)
{
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", sampler);
    double best = run_mixed(study, n, by_run, rows);
    tl_study_free(study);
    tl_storage_close(storage);
    tl_sampler_free(sampler);
    return best;
}

START_TEST(the_first_trials_are_random)
{
    struct tl_option options[] = {{"seed", "7"}, {"n_startup_trials", "4"}};
    double random[11 * N_MIXED], tpe[11 * N_MIXED], early[11 * N_MIXED];
    (void)run_study(make("random", options, 1), false, 11, random);
    (void)run_study(make("TPESampler", options, 1), false, 11, tpe);
    (void)run_study(make("tpe", options, 2), true, 11, early);
    ck_assert_int_eq(memcmp(random, tpe, 10 * N_MIXED * sizeof *tpe), 0);
    ck_assert_int_ne(memcmp(random + 10 * N_MIXED, tpe + 10 * N_MIXED, N_MIXED * sizeof *tpe), 0);
    ck_assert_int_eq(memcmp(random, early, 4 * N_MIXED * sizeof *tpe), 0);
    ck_assert_int_ne(memcmp(random + 4 * N_MIXED, early + 4 * N_MIXED, N_MIXED * sizeof *tpe), 0);
}
END_TEST

/* The same whether the space is asked for at once or parameter by parameter. */
START_TEST(a_seed_decides)
{
    static const char *const presets[] = {"tpe2", "optuna5", "optuna4"};
    static double rows[3][60 * N_MIXED];
    for (size_t i = 0; i < 3; i++) {
        double random = run_study(make("random", (struct tl_option[]){{"seed", "7"}}, 1), false, 60, rows[0]);
        double best = run_study(seeded(presets[i]), false, 60, rows[0]);
        (void)run_study(seeded(presets[i]), true, 60, rows[1]);
        ck_assert_int_eq(memcmp(rows[0], rows[1], sizeof rows[0]), 0);
        ck_assert_msg(best < random, "%s: %g, random %g", presets[i], best, random);
    }
    tl_sampler *s = NULL;
    OK(tl_sampler_tpe(7, &s, err));
    ck_assert_str_eq(tl_sampler_name(s), "tpe");
    (void)run_study(s, false, 60, rows[1]);
    (void)run_study(seeded("tpe2"), false, 60, rows[0]);
    ck_assert_int_eq(memcmp(rows[0], rows[1], sizeof rows[0]), 0);
}
END_TEST

/* ---- finite spaces ---- */

#define CELLS (3 * 5 * 2)
static struct tl_dist coin = TL_INT_RANGE(0, 1);
static struct tl_param_spec cells[] = {{"word", 0, &word}, {"grid", 0, &grid}, {"coin", 0, &coin}};

static unsigned cell_of(tl_trial *t, bool by_run)
{
    double v[3];
    for (size_t i = 0; i < 3; i++) {
        if (by_run) {
            OK(tl_trial_suggest(t, cells[i].name, cells[i].dist, &v[i], err));
        } else {
            v[i] = param(t, cells[i].name);
        }
    }
    return (unsigned)(v[0] * 10 + v[1] * 8 + v[2]);
}

/* `at_once` trials run at a time and end in turn; every cell comes once, then trials go on. */
static void exhaust(const struct tl_option *options, size_t n_options, size_t n_objectives, size_t at_once,
                    bool by_run)
{
    static const enum tl_direction directions[] = {TL_MINIMIZE, TL_MAXIMIZE};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_storage *storage = kit_open("memory://");
    tl_trial *running[8];
    unsigned had[CELLS] = {0}, n_running = 0;
    tl_study *study;
    o.sampler = make("tpe", options, n_options);
    o.directions = directions;
    o.n_directions = n_objectives;
    OK(tl_study_create(storage, "s", &o, &study, err));
    for (unsigned i = 0; i < CELLS + 3; i++) {
        running[n_running] = by_run ? kit_ask(study) : ask_space(study, cells, 3);
        unsigned cell = cell_of(running[n_running++], by_run);
        ck_assert_msg(i >= CELLS || ++had[cell] == 1,
                      "%s=%s, %zu objectives, %zu at once, by run %d: trial %u: cell %u again", options[0].name,
                      options[0].value, n_objectives, at_once, by_run, i, cell);
        if (n_running == (i == 0 ? 1 : at_once)) { /* the first ends at once: it tells what the space is */
            double values[] = {cell % 7, cell % 5};
            OK(tl_study_tell(study, running[0], TL_COMPLETE, values, n_objectives, NULL, err));
            memmove(running, running + 1, --n_running * sizeof running[0]);
        }
    }
    for (unsigned i = 0; i < n_running; i++) {
        kit_end(study, running[i], TL_FAIL);
    }
    tl_study_free(study);
    tl_sampler_free(o.sampler);
    tl_storage_close(storage);
}

/* Random trials would repeat one of the cells. */
START_TEST(it_is_the_default)
{
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", NULL);
    unsigned had[CELLS] = {0};
    for (unsigned i = 0; i < CELLS; i++) {
        tl_trial *t = ask_space(study, cells, 3);
        unsigned cell = cell_of(t, false);
        ck_assert_uint_eq(++had[cell], 1);
        kit_tell(study, t, cell);
    }
    tl_study_free(study);
    tl_storage_close(storage);
}
END_TEST

START_TEST(finite_spaces_without_a_repeat)
{
    struct tl_option usual[] = {{"seed", "1"}}, apart[] = {{"multivariate", "false"}},
                     lonely[] = {{"constant_liar", "false"}}, late[] = {{"n_startup_trials", "1000"}},
                     group[] = {{"group", "true"}};
    for (size_t at_once = 1; at_once <= 6; at_once += 5) {
        for (int by_run = 0; by_run < 2 - (at_once > 1);
             by_run++) { /* by run, what others ask for is not always known */
            exhaust(usual, 1, 1, at_once, by_run);
            exhaust(usual, 1, 2, at_once, by_run);
            exhaust(apart, 1, 1, at_once, by_run);
            exhaust(lonely, 1, 1, at_once, by_run);
            exhaust(late, 1, 1, at_once, by_run);
            exhaust(group, 1, 1, at_once, by_run);
        }
    }
}
END_TEST

/* ---- spaces that are not the same every time ---- */

static void conditional(const char *option, const char *text)
{
    struct tl_option options[] = {{"seed", "3"}, {"n_startup_trials", "5"}, {option, text}};
    tl_sampler *sampler = make("tpe", options, option ? 3 : 2);
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", sampler);
    for (unsigned i = 0; i < 60; i++) {
        tl_trial *t = kit_ask(study);
        double branch, deep = 0, value;
        struct tl_dist range = TL_FLOAT_RANGE(0, 1 + i % 3), single = TL_INT_RANGE(4, 4);
        OK(tl_trial_suggest(t, "branch", &word, &branch, err));
        if (branch != 0) {
            OK(tl_trial_suggest(t, branch == 1 ? "first" : "second", &rate, &deep, err));
        }
        OK(tl_trial_suggest(t, "range", &range, &value, err)); /* another range each time */
        ck_assert(value >= 0 && value <= range.high);
        OK(tl_trial_suggest(t, "single", &single, &value, err));
        ck_assert_double_eq(value, 4);
        if (i % 9 == 8) {
            kit_end(study, t, i % 2 ? TL_FAIL : TL_PRUNED);
        } else {
            kit_tell(study, t, i % 11 == 10 ? INFINITY : branch + deep);
        }
    }
    tl_study_free(study);
    tl_sampler_free(sampler);
    tl_storage_close(storage);
}

START_TEST(conditional_parameters_and_changing_ranges)
{
    conditional(NULL, NULL);
    conditional("group", "true");
    conditional("multivariate", "false");
    conditional("preset", "optuna5");
    conditional("preset", "optuna4");
}
END_TEST

/* Values that no kernel can stand on. */
START_TEST(odd_values_are_left_out)
{
    struct tl_option options[] = {{"seed", "3"}, {"n_startup_trials", "2"}};
    tl_sampler *sampler = make("tpe", options, 2);
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", sampler);
    static const double odd[][2] = {{0.5, INFINITY}, {-3, 1}, {1e300, -1e300}, {0.25, 2}, {0, 0}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        int64_t id;
        double value = (double)i;
        struct tl_param_spec params[] = {{"lr", odd[i][0], &rate}, {"x", odd[i][1], &wide}};
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        spec.state = TL_COMPLETE;
        spec.params = params;
        spec.n_params = 2;
        spec.values = &value;
        spec.n_values = 1;
        OK(tl_storage_create_trial(storage, tl_study_id(study), &spec, &id, NULL, err));
    }
    for (unsigned i = 0; i < 20; i++) {
        tl_trial *t = ask_space(study, mixed, 2);
        ck_assert(tl_dist_contains(&wide, param(t, "x")) && tl_dist_contains(&rate, param(t, "lr")));
        kit_tell(study, t, param(t, "x"));
    }
    tl_study_free(study);
    tl_sampler_free(sampler);
    tl_storage_close(storage);
}
END_TEST

/* Ranges whose width overflows, or is nothing in doubles, and losses as large as can be. */
static void ends_of_doubles(const char *name, const char *value)
{
    struct tl_option options[] = {{"seed", "3"}, {name, value}};
    tl_sampler *sampler = make("tpe", options, 2);
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", sampler);
    struct tl_dist vast = TL_FLOAT_RANGE(-1.7e308, 1.7e308), thin = TL_FLOAT_LOG(1e300, 1e300),
                   tiny = TL_FLOAT_RANGE(0, 1e-323), top = TL_INT_LOG(0x1p53 - 1, 0x1p53), all = TL_INT_LOG(1, 0x1p53);
    thin.high = nextafter(1e300, INFINITY);
    struct tl_param_spec space[] = {{"vast", 0, &vast}, {"thin", 0, &thin}, {"tiny", 0, &tiny},
                                    {"top", 0, &top},   {"all", 0, &all},   {"x", 0, &wide}};
    double low = INFINITY, high = -INFINITY, best = INFINITY;
    for (unsigned i = 0; i < 40; i++) {
        tl_trial *t = ask_space(study, space, sizeof space / sizeof space[0]);
        for (size_t k = 0; k < sizeof space / sizeof space[0]; k++) {
            ck_assert_msg(tl_dist_contains(space[k].dist, param(t, space[k].name)), "%s: %g", space[k].name,
                          param(t, space[k].name));
        }
        double x = param(t, "x"), v = param(t, "vast");
        if (i >= 10) {
            low = v < low ? v : low;
            high = v > high ? v : high;
            best = fabs(x) < best ? fabs(x) : best;
        }
        kit_tell(study, t, fabs(x) < 1 ? fabs(x) : 1.7e308);
    }
    ck_assert_msg(low < 0 && high > 0, "%g .. %g", low, high);
    ck_assert_msg(best < 0.2, "%g", best);
    tl_study_free(study);
    tl_sampler_free(sampler);
    tl_storage_close(storage);
}

START_TEST(ranges_at_the_ends_of_doubles)
{
    ends_of_doubles("preset", "tpe2");
    ends_of_doubles("preset", "optuna4");
    ends_of_doubles("group", "true");
}
END_TEST

/* Improvements whose sum overflows still weigh the good trials: draws are near them. */
START_TEST(improvements_as_large_as_can_be)
{
    struct tl_option options[] = {{"seed", "3"}, {"gamma", "5"}, {"n_ei_candidates", "1"}};
    tl_sampler *sampler = make("tpe", options, 3);
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", sampler);
    unsigned near = 0;
    for (unsigned i = 0; i < 40; i++) {
        double value = i < 5 ? 0 : 1.7e308;
        struct tl_param_spec x = {"x", i < 5 ? 0 : -5 + i / 4.0, &wide};
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        spec.state = TL_COMPLETE;
        spec.params = &x;
        spec.n_params = 1;
        spec.values = &value;
        spec.n_values = 1;
        OK(tl_storage_create_trial(storage, tl_study_id(study), &spec, NULL, NULL, err));
    }
    struct tl_param_spec space = {"x", 0, &wide};
    for (unsigned i = 0; i < 30; i++) {
        tl_trial *t = ask_space(study, &space, 1);
        near += fabs(param(t, "x")) < 1;
        kit_tell(study, t, 1.7e308);
    }
    ck_assert_msg(near >= 20, "%u of 30", near);
    tl_study_free(study);
    tl_sampler_free(sampler);
    tl_storage_close(storage);
}
END_TEST

START_TEST(ten_thousand_parameters)
{
    enum { MANY = 10000 };
    struct tl_option options[] = {{"seed", "3"}, {"n_startup_trials", "2"}, {"n_ei_candidates", "2"}};
    tl_sampler *sampler = make("tpe", options, 3);
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", sampler);
    struct tl_param_spec *space = calloc(MANY, sizeof *space);
    char(*names)[8] = calloc(MANY, sizeof *names);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        space[i] = (struct tl_param_spec){names[i], 0, i % 2 ? &wide : &layers};
    }
    for (int i = 0; i < 4; i++) {
        tl_trial *t = ask_space(study, space, MANY);
        ck_assert(tl_dist_contains(&wide, param(t, "p9999")));
        kit_tell(study, t, param(t, "p1"));
    }
    free(space);
    free(names);
    tl_study_free(study);
    tl_sampler_free(sampler);
    tl_storage_close(storage);
}
END_TEST

/* ---- other workers ---- */

static const char *published(tl_study *study, int64_t number)
{
    static char text[2048];
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view = kit_read(study, number, &f);
    const char *a = kit_trial_attr(&f, TL_ATTR_SYSTEM, "tpe:relative_params:0");
    snprintf(text, sizeof text, "%s", a ? a : "");
    tl_frozen_release(&f);
    tl_view_close(view);
    return text;
}

static bool is_written(tl_study *study, int64_t number, const char *name)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    bool found = false;
    OK(tl_study_view(study, &view, err));
    OK(tl_view_trial(view, number, &trial, err));
    for (size_t i = 0; i < trial.n_params; i++) {
        found = found || (trial.params[i].name.len == strlen(name) && memcmp(trial.params[i].name.s, name, strlen(name)) == 0);
    }
    tl_frozen_release(&trial);
    tl_view_close(view);
    return found;
}

START_TEST(what_is_asked_for_is_published_for_others)
{
    struct tl_option options[] = {{"seed", "3"}, {"n_startup_trials", "2"}, {"constant_liar", "false"}};
    for (size_t liar = 0; liar < 2; liar++) {
        tl_sampler *sampler = make("tpe", options, 3 - liar);
        tl_storage *storage = kit_open("memory://");
        tl_study *study = kit_study(storage, "s", sampler);
        double x, w;
        for (int i = 0; i < 4; i++) {
            struct tl_param_spec two[] = {{"x", 0, &wide}, {"word", 0, &word}};
            tl_trial *t = ask_space(study, two, 2);
            kit_tell(study, t, i);
        }
        tl_trial *alone = kit_ask(study);
        OK(tl_trial_suggest(alone, "x", &wide, &x, err));
        OK(tl_trial_suggest(alone, "layers", &layers, &x, err));
        ck_assert_str_eq(published(study, 4), "");
        ck_assert(!is_written(study, 4, "layers"));
        tl_trial *second = kit_ask(study);
        OK(tl_trial_suggest(second, "x", &wide, &x, err));
        ck_assert_int_eq(*published(study, 5) != '\0', liar);
        if (liar) {
            char expected[128];
            OK(tl_trial_suggest(second, "word", &word, &w, err));
            snprintf(expected, sizeof expected, "\"{\\\"word\\\": %s, \\\"x\\\": ",
                     w == 0   ? "\\\"a\\\""
                     : w == 1 ? "null"
                              : "true");
            ck_assert_msg(strncmp(published(study, 5), expected, strlen(expected)) == 0, "%s: %s",
                          published(study, 5), expected);
        }
        /* what was not proposed jointly: written at once, when others run */
        OK(tl_trial_suggest(second, "layers", &layers, &x, err));
        ck_assert_int_eq(is_written(study, 5, "layers"), liar);
        tl_trial *whole = ask_space(study, (struct tl_param_spec[]){{"x", 0, &wide}}, 1);
        ck_assert_str_eq(published(study, 6), "");
        kit_tell(study, alone, 1);
        kit_tell(study, second, 1);
        kit_tell(study, whole, 1);
        tl_study_free(study);
        tl_sampler_free(sampler);
        tl_storage_close(storage);
    }
}
END_TEST

/* Ours keep away from a running trial, and the trial that asks is not in its own way. */
START_TEST(running_trials_repel)
{
    double mean[2] = {0, 0};
    for (size_t liar = 0; liar < 2; liar++) {
        struct tl_option options[] = {{"seed", "3"}, {"constant_liar", liar ? "true" : "false"}};
        tl_sampler *sampler = make("tpe", options, 2);
        tl_storage *storage = kit_open("memory://");
        tl_study *study = kit_study(storage, "s", sampler);
        tl_trial *running[40];
        struct tl_param_spec one[] = {{"x", 0, &wide}};
        for (int i = 0; i < 30; i++) {
            tl_trial *t = ask_space(study, one, 1);
            kit_tell(study, t, fabs(param(t, "x")));
        }
        for (int i = 0; i < 40; i++) {
            running[i] = ask_space(study, one, 1);
            mean[liar] += fabs(param(running[i], "x")) / 40;
        }
        for (int i = 0; i < 40; i++) {
            kit_end(study, running[i], TL_FAIL);
        }
        tl_study_free(study);
        tl_sampler_free(sampler);
        tl_storage_close(storage);
    }
    ck_assert_msg(mean[1] > 1.3 * mean[0], "%g with, %g without", mean[1], mean[0]);
}
END_TEST

/* What samplers of one's own can use, too: names of columns, attributes without the rest, whether a trial was given something. */
static int count_attr(void *ctx, const struct tl_attr *a)
{
    int *sum = ctx;
    *sum = *sum * 10 + (a->kind == TL_ATTR_USER ? 1 : 2) + (int)a->json.len;
    return *sum >= 1000 ? 77 : 0;
}

START_TEST(views_tell_in_parts)
{
    tl_storage *storage = kit_open("memory://");
    tl_study *study = kit_study(storage, "s", NULL);
    uint64_t versions[5];
    tl_trial *t = ask_space(study, mixed, 2);
    tl_view *view;
    for (int i = 0; i < 5; i++) {
        OK(tl_study_view(study, &view, err));
        versions[i] = tl_view_trial_version(view, 0);
        ck_assert(i == 0 || (versions[i] != versions[i - 1]) == (i < 4));
        tl_view_close(view);
        if (i == 0) {
            OK(tl_trial_report(t, 1, 0.5, err));
        } else if (i < 3) {
            OK(tl_trial_set_attr(t, i == 1 ? TL_ATTR_USER : TL_ATTR_SYSTEM, "k", i == 1 ? "1" : "22", err));
        }
    }
    for (int ended = 0; ended < 2; ended++) {
        int sum = 0, sums = 0;
        OK(tl_study_view(study, &view, err));
        OK(tl_view_each_attr(view, 0, count_attr, &sum, err));
        ck_assert_int_eq(sum, 24); /* user, one byte; system, two */
        sum = 100;
        ck_assert_int_eq(tl_view_each_attr(view, 0, count_attr, &sum, NULL), 77);
        FAILS(TL_ENOTFOUND, "no trial 1", tl_view_each_attr(view, 1, count_attr, &sums, err));
        ck_assert_uint_eq(tl_view_n_columns(view), ended ? 2 : 0);
        ck_assert(ended == 0 || strcmp(tl_view_column_name(view, tl_view_column(view, "lr")), "lr") == 0);
        ck_assert_ptr_null(tl_view_column_name(view, 2));
        ck_assert_ptr_null(tl_view_column_name(view, -1));
        ck_assert_int_eq(tl_view_trial_version(view, 0) == 0, ended);
        tl_view_close(view);
        if (!ended) {
            kit_tell(study, t, 1);
        }
    }
    tl_study_free(study);
    tl_storage_close(storage);
}
END_TEST

/* ---- threads ---- */

struct worker {
    pthread_t thread;
    tl_study *study;
    bool by_run;
    int trials;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < w->trials; i++) {
        double x[N_MIXED];
        tl_trial *t = w->by_run ? kit_ask(w->study) : ask_space(w->study, mixed, N_MIXED);
        for (size_t k = 0; k < N_MIXED; k++) {
            if (w->by_run) {
                OK(tl_trial_suggest(t, mixed[k].name, mixed[k].dist, &x[k], err));
            } else {
                x[k] = param(t, mixed[k].name);
            }
        }
        kit_tell(w->study, t, badness(x));
    }
    return NULL;
}

static void run_workers(struct worker *workers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(workers[i].thread, NULL);
    }
}

START_TEST(threads_share_a_sampler)
{
    tl_sampler *sampler = seeded("tpe2");
    tl_storage *storage = kit_open("memory://");
    tl_study *one = kit_study(storage, "one", sampler), *two = kit_study(storage, "two", sampler);
    struct worker workers[] = {{.study = one, .trials = 30},
                               {.study = one, .by_run = true, .trials = 30},
                               {.study = two, .trials = 30},
                               {.study = one, .trials = 30}};
    run_workers(workers, 4);
    tl_study_free(one);
    workers[0].study = workers[1].study = workers[3].study = two;
    run_workers(workers, 4);
    tl_view *view;
    OK(tl_study_view(two, &view, err));
    ck_assert_uint_eq(tl_view_count(view, TL_COMPLETE), 150);
    tl_view_close(view);
    tl_study_free(two);
    tl_storage_close(storage);
    tl_sampler_free(sampler);
}
END_TEST

/* Two workers with one seed: every trial has the values of its own number, whoever was faster. */
START_TEST(values_belong_to_the_number)
{
    struct tl_option options[] = {{"seed", "9"}, {"n_startup_trials", "100000"}};
    tl_storage *storage = kit_open("memory://");
    tl_sampler *samplers[4];
    struct worker workers[4];
    for (size_t i = 0; i < 4; i++) {
        samplers[i] = make("tpe", options, 2);
        workers[i] = (struct worker){.study = kit_study(storage, "s", samplers[i]), .trials = 25};
    }
    run_workers(workers, 4);
    for (int64_t number = 0; number < 100; number++) {
        struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
        tl_view *view = kit_read(workers[0].study, number, &f);
        for (size_t k = 0; k < N_MIXED; k++) {
            struct rng r;
            rng_init(&r, 9, PURPOSE_RANDOM, (uint64_t)number, str_of(mixed[k].name));
            ck_assert_double_eq(kit_param(&f, mixed[k].name)->internal, random_draw(mixed[k].dist, &r));
        }
        tl_frozen_release(&f);
        tl_view_close(view);
    }
    for (size_t i = 0; i < 4; i++) {
        tl_study_free(workers[i].study);
        tl_sampler_free(samplers[i]);
    }
    tl_storage_close(storage);
}
END_TEST

/* A sampler whose values are the trial's number; meanwhile another worker is faster, `races` times. */
struct numbered {
    tl_storage *other;
    int64_t study;
    int races, calls;
};

static int numbered_relative(void *self, const struct tl_sample_context *c,
                             int (*emit)(void *ctx, const struct tl_assignment *a),
                             int (*attr)(void *ctx, const char *key, const char *json), void *ctx,
                             struct tl_err *err)
{
    static const struct tl_dist number = TL_INT_RANGE(0, 1000);
    struct numbered *n = self;
    struct tl_assignment a = {"n", &number, (double)c->trial_number};
    (void)attr;
    n->calls++;
    if (n->races > 0) {
        n->races--;
        int rc = tl_storage_create_trial(n->other, n->study, NULL, NULL, NULL, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
    return emit(ctx, &a);
}

static int numbered_independent(void *self, const struct tl_sample_context *c, const char *name,
                                const struct tl_dist *dist, double *internal, struct tl_err *err)
{
    (void)self, (void)c, (void)name, (void)dist, (void)internal;
    return tl_dist_normalise(&(struct tl_dist){.kind = TL_DIST_INT, .low = 1}, NULL,
                             err); /* nobody should ask */
}

START_TEST(proposals_are_made_anew_for_another_number)
{
    struct tl_sampler_ops ops = {.size = sizeof ops,
                                 .name = "numbered",
                                 .flags = TL_SAMPLER_NUMBERED,
                                 .independent = numbered_independent,
                                 .relative = numbered_relative};
    static struct tl_dist number = TL_INT_RANGE(0, 1000);
    struct tl_param_spec space[] = {{"n", 0, &number}};
    for (int races = 0; races < 9; races++) {
        struct tl_storage_stats before = {.size = sizeof before}, after = {.size = sizeof after};
        struct numbered n = {.races = races};
        tl_sampler *sampler;
        tl_storage *storage = kit_open("memory://numbered");
        n.other = kit_open("memory://numbered");
        OK(tl_sampler_new(&ops, &n, &sampler, err));
        tl_study *study = kit_study(storage, "s", sampler);
        n.study = tl_study_id(study);
        tl_storage_get_stats(storage, &before);
        tl_trial *t = ask_space(study, space, 1);
        tl_storage_get_stats(storage, &after);
        ck_assert_double_eq(param(t, "n"), (double)tl_trial_number(t));
        ck_assert_int_eq(n.calls, races < 3 ? races + 1 : 4); /* the last time in the trial that was created */
        ck_assert_uint_eq(after.operations - before.operations, races < 3 ? 1 : 2);
        kit_tell(study, t, 1);
        tl_study_free(study);
        tl_sampler_free(sampler);
        tl_storage_close(n.other);
        tl_storage_close(storage);
    }
}
END_TEST

/* ---- options ---- */

START_TEST(bad_options)
{
    static const struct {
        const char *name, *value, *part;
    } bad[] = {
        {"preset", "tpe3", "tpe2, optuna5 or optuna4"},
        {"n_ei_candidates", "0", "at least 1"},
        {"n_startup_trials", "-1", "whole"},
        {"multivariate", "yes", "true or false"},
        {"gamma", "0", "good trials"},
        {"gamma", "n", "good trials"},
        {"gamma", "0.1*n,", "good trials"},
        {"gamma", "0.1*m", "good trials"},
        {"gamma", "5,0", "good trials"},
        {"prior_weight", "0", "above 0"},
        {"prior_weight", "NaN", "above 0"},
        {"mo_weights", "x", "uniform or hv"},
        {"constraint_scale", "x", "raw or normalised"},
        {"seed", "x", "seed"},
        {"gama", "3", "it has: preset"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tl_option o = {bad[i].name, bad[i].value};
        tl_sampler *s;
        FAILS(TL_EINVAL, bad[i].part, tl_sampler_create("tpe", &o, 1, &s, err));
    }
    struct tl_option both[] = {{"group", "true"}, {"multivariate", "false"}};
    tl_sampler *s;
    FAILS(TL_EINVAL, "group", tl_sampler_create("tpe", both, 2, &s, err));
    static const char *const gammas[] = {"5", "0.25", "0.1*n", "0.1*n, 25", "0.25*sqrt(n),25", "null"};
    for (size_t i = 0; i < sizeof gammas / sizeof gammas[0]; i++) {
        struct tl_option o = {"gamma", gammas[i]};
        tl_sampler_free(make("tpe", &o, 1));
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tpe");
    tcase_add_test(t, the_first_trials_are_random);
    tcase_add_test(t, a_seed_decides);
    tcase_add_test(t, it_is_the_default);
    tcase_add_test(t, finite_spaces_without_a_repeat);
    tcase_add_test(t, conditional_parameters_and_changing_ranges);
    tcase_add_test(t, odd_values_are_left_out);
    tcase_add_test(t, ranges_at_the_ends_of_doubles);
    tcase_add_test(t, improvements_as_large_as_can_be);
    tcase_add_test(t, ten_thousand_parameters);
    tcase_add_test(t, what_is_asked_for_is_published_for_others);
    tcase_add_test(t, running_trials_repel);
    tcase_add_test(t, views_tell_in_parts);
    tcase_add_test(t, threads_share_a_sampler);
    tcase_add_test(t, values_belong_to_the_number);
    tcase_add_test(t, proposals_are_made_anew_for_another_number);
    tcase_add_test(t, bad_options);
    return check_run("tpe", t);
}
