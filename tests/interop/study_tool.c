/* SPDX-License-Identifier: MIT
 *
 * A worker for study_with_optuna.py: does one thing to study "s" of a journal and prints what it saw, one JSON object a line.
 * usage: study_tool PATH create|ask|space|queue|grid N|enqueue X [skip]|mixed
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trialog/trialog.h>

static struct tl_err err = TL_ERR_INIT;

static void need(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", tl_code_name(rc), err.message);
        exit(1);
    }
}

static struct tl_value text(const char *s)
{
    struct tl_value v = {TL_VALUE_STRING, {0}};
    v.as.text.s = s;
    v.as.text.len = strlen(s);
    return v;
}

static struct tl_value number(double f)
{
    struct tl_value v = {TL_VALUE_FLOAT, {0}};
    v.as.f = f;
    return v;
}

static const char *const letters[] = {"a", "b", "c"};

/* Define-by-run, two parameters, then COMPLETE. */
static void run(tl_study *study, tl_trial *t)
{
    double x, value;
    size_t c;
    int64_t n = tl_trial_number(t);
    need(tl_trial_suggest_float(t, "x", 0, 10, 0, false, &x, &err));
    need(tl_trial_suggest_string(t, "c", letters, 3, &c, &err));
    value = x + (double)c;
    need(tl_study_tell(study, t, TL_COMPLETE, &value, 1, NULL, &err));
    printf("{\"number\": %lld, \"x\": %.17g, \"c\": \"%s\"}\n", (long long)n, x, letters[c]);
}

static void ask(tl_study *study)
{
    tl_trial *t;
    need(tl_study_ask(study, NULL, &t, &err));
    run(study, t);
}

/* Takes `n` cells of the grid, or what is left. */
static void grid(tl_study *study, int n)
{
    tl_trial *t;
    int rc = 0;
    while (n-- > 0 && (rc = tl_study_ask(study, NULL, &t, &err)) == 0) {
        run(study, t);
    }
    if (rc == TL_EEXHAUSTED) {
        printf("{\"exhausted\": true}\n");
    } else {
        need(rc);
    }
}

/* A whole ask in one operation, with every kind of parameter. */
static void space(tl_study *study)
{
    struct tl_value choices[] = {{TL_VALUE_NULL, {0}}, {TL_VALUE_BOOL, {.b = true}}, number(2.5), text("\xc3\xa9\"")};
    struct tl_dist lr = TL_FLOAT_LOG(1e-5, 1), step = {TL_DIST_FLOAT, false, 0, 1, 0.25, NULL, 0}, n = TL_INT_LOG(1, 64),
                   m = {TL_DIST_INT, false, 0, 10, 2, NULL, 0}, c = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, 4};
    struct tl_param_spec params[] = {{"lr", 0, &lr}, {"step", 0, &step}, {"n", 0, &n}, {"m", 0, &m}, {"mixed", 0, &c}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_trial *t;
    o.space = params;
    o.n_space = 5;
    need(tl_study_ask(study, &o, &t, &err));
    printf("{\"number\": %lld", (long long)tl_trial_number(t));
    for (int i = 0; i < 5; i++) {
        double v = NAN;
        tl_trial_param(t, params[i].name, &v);
        printf(", \"%s\": %.17g", params[i].name, v);
    }
    printf("}\n");
    tl_trial_free(t); /* stays RUNNING */
}

static void enqueue(tl_study *study, const char *x, bool skip)
{
    struct tl_fixed_param params[] = {{"x", number(atof(x))}, {"c", text("b")}};
    struct tl_attr_spec attr = {TL_ATTR_USER, "from", "\"c\""};
    int64_t n;
    need(tl_study_enqueue(study, params, 2, &attr, 1, skip, &n, &err));
    printf("{\"number\": %lld}\n", (long long)n);
}

/* Every way in which a trial can end. */
static void mixed(tl_study *study)
{
    double nan = NAN;
    tl_trial *t;
    need(tl_study_ask(study, NULL, &t, &err));
    need(tl_trial_report(t, 3, 30, &err));
    need(tl_trial_report(t, 1, 10, &err));
    need(tl_trial_set_attr(t, TL_ATTR_SYSTEM, "sys", "[1, NaN]", &err));
    need(tl_study_tell(study, t, TL_PRUNED, NULL, 0, NULL, &err));
    need(tl_study_ask(study, NULL, &t, &err));
    need(tl_study_tell(study, t, TL_COMPLETE, &nan, 1, NULL, &err));
    need(tl_study_ask(study, NULL, &t, &err));
    need(tl_trial_report(t, 0, nan, &err));
    need(tl_study_tell(study, t, TL_PRUNED, NULL, 0, NULL, &err));
}

int main(int argc, char **argv)
{
    struct tl_value x[] = {number(0.5), number(1), number(99), number(2), number(3)}, c[] = {text("b"), text("a"), text("c")};
    struct tl_grid_axis axes[] = {{"x", x, 5}, {"c", c, 3}};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_storage *storage;
    tl_study *study;
    tl_sampler *sampler = NULL;
    if (argc < 3) {
        return 2;
    }
    const char *what = argv[2];
    o.load_if_exists = true;
    need(tl_storage_open(argv[1], NULL, &storage, &err));
    if (strcmp(what, "grid") == 0) {
        need(tl_sampler_grid(axes, 2, NULL, &sampler, &err));
        o.sampler = sampler;
    }
    need(tl_study_create(storage, "s", &o, &study, &err));
    if (strcmp(what, "ask") == 0) {
        ask(study);
    } else if (strcmp(what, "space") == 0) {
        space(study);
    } else if (strcmp(what, "grid") == 0) {
        grid(study, argc > 3 ? atoi(argv[3]) : 1000);
    } else if (strcmp(what, "enqueue") == 0) {
        enqueue(study, argv[3], argc > 4);
    } else if (strcmp(what, "mixed") == 0) {
        mixed(study);
    } else if (strcmp(what, "create") != 0) {
        return 2;
    }
    tl_study_free(study);
    tl_sampler_free(sampler);
    tl_storage_close(storage);
    return 0;
}
