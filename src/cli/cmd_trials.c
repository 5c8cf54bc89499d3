/* SPDX-License-Identifier: MIT
 *
 * Commands that show trials: trials, best-trial, best-trials.
 */
#include "base/err.h"
#include "cli/commands.h"
#include "cli/trials.h"

struct show_values {
    const char *name, *format;
    bool json, flatten;
};
static const struct opt show_opts[] = {
    {OPT_TEXT, "study-name", 0, OPT_REQUIRED, offsetof(struct show_values, name), "STUDY", NULL, NULL,
     "the study to show"},
    {OPT_CHOICE, "format", 'f', 0, offsetof(struct show_values, format), "FORMAT", OUT_FORMATS, "table",
     "how to print"},
    {OPT_FLAG, "json", 0, 0, offsetof(struct show_values, json), NULL, NULL, NULL, "short for --format json"},
    {OPT_FLAG, "flatten", 0, 0, offsetof(struct show_values, flatten), NULL, NULL, NULL,
     "a column for each parameter, attribute and value"},
    OPT_TABLE_END,
};

/* Opens the storage and takes a picture of the study. */
static int open_view(struct cli *c, const struct show_values *v, tl_view **view)
{
    int status = cli_open(c, CLI_READ);
    return status ? status : cli_view(c, v->name, view);
}

static int show(struct cli *c, const struct show_values *v, const tl_view *view, const int64_t *numbers,
                size_t n, bool single)
{
    struct trial_records r = {.c = c, .view = view, .numbers = numbers, .n_numbers = n};
    int status = trial_records_open(&r, !v->flatten);
    if (status == 0) {
        struct out_records all = trial_records_all(&r, single);
        status = out_records(c, &all, v->json ? "json" : v->format, v->flatten);
    }
    trial_records_close(&r);
    return status;
}

static int run_trials(struct cli *c, void *values)
{
    tl_view *view = NULL;
    int status = open_view(c, values, &view);
    status = status ? status : show(c, values, view, NULL, 0, false);
    if (view) {
        tl_view_close(view);
    }
    return status;
}

static int run_best_trial(struct cli *c, void *values)
{
    tl_view *view = NULL;
    size_t n_directions;
    int status = open_view(c, values, &view);
    if (status) {
        return status;
    }
    tl_view_directions(view, &n_directions);
    int64_t number = tl_view_best(view);
    if (n_directions != 1) {
        status =
            cli_error(c, TL_EINVAL, "the study has %zu objectives and so no single best trial: see best-trials",
                      n_directions);
    } else if (number < 0 && tl_view_count(view, TL_COMPLETE) == 0) {
        status = cli_error(c, TL_ENOTFOUND, "no trial is complete yet");
    } else if (number < 0) {
        status = cli_error(c, TL_ENOTFOUND, "no complete trial satisfies the constraints");
    } else {
        status = show(c, values, view, &number, 1, true);
    }
    if (view) {
        tl_view_close(view);
    }
    return status;
}

/* With one objective the front is every trial that is as good as the best one. */
static int equally_good(struct cli *c, const tl_view *view, int64_t **numbers, size_t *n)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct nodes ns = {{0}, false};
    struct tl_err err = TL_ERR_INIT;
    int64_t best = tl_view_best(view);
    size_t cap = 0, n_trials = tl_view_n_trials(view);
    int rc = best >= 0 ? tl_view_trial(view, best, &trial, &err) : 0;
    double value = best >= 0 && rc == 0 && trial.n_values ? trial.values[0] : 0;
    for (size_t i = best >= 0 ? (size_t)best : n_trials; i < n_trials && rc == 0; i++) {
        if (tl_view_trial_state(view, (int64_t)i) != TL_COMPLETE) {
            continue;
        }
        rc = tl_view_trial(view, (int64_t)i, &trial, &err);
        if (rc || trial.n_values == 0 || trial.values[0] != value || !trial_is_feasible(&ns, &trial)) {
            continue;
        }
        void *grown = *numbers;
        if (!mem_grow(&grown, &cap, *n + 1, sizeof **numbers)) {
            rc = err_nomem(&err);
        }
        *numbers = grown;
        if (rc == 0) {
            (*numbers)[(*n)++] = (int64_t)i;
        }
        arena_reset(&ns.arena);
    }
    tl_frozen_release(&trial);
    arena_release(&ns.arena);
    return rc ? cli_fail(c, &err) : 0;
}

static int run_best_trials(struct cli *c, void *values)
{
    static const int64_t none;
    const int64_t *front = NULL;
    int64_t *equals = NULL;
    tl_view *view = NULL;
    size_t n_directions = 0, n = 0;
    int status = open_view(c, values, &view);
    if (status == 0) {
        tl_view_directions(view, &n_directions);
    }
    if (status == 0 && n_directions == 1) {
        status = equally_good(c, view, &equals, &n);
        front = equals;
    } else if (status == 0) {
        front = tl_view_front(view, &n);
    }
    status = status ? status : show(c, values, view, front ? front : &none, n, false);
    mem_free(equals);
    if (view) {
        tl_view_close(view);
    }
    return status;
}

const struct command cmd_trials = {
    .name = "trials",
    .group = "Results",
    .help = "List the trials of a study.",
    .opts = show_opts,
    .values_size = sizeof(struct show_values),
    .run = run_trials,
};
const struct command cmd_best_trial = {
    .name = "best-trial",
    .group = "Results",
    .help = "Show the best trial of a study with one objective.",
    .about = "Trials that break a constraint do not count.",
    .opts = show_opts,
    .values_size = sizeof(struct show_values),
    .run = run_best_trial,
};
const struct command cmd_best_trials = {
    .name = "best-trials",
    .group = "Results",
    .help = "List the trials on the Pareto front.",
    .about = "Trials that break a constraint do not count.",
    .opts = show_opts,
    .values_size = sizeof(struct show_values),
    .run = run_best_trials,
};
