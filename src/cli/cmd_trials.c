/* SPDX-License-Identifier: MIT
 *
 * Commands that show trials: trials, best-trial, best-trials.
 */
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
    if (view)
        tl_view_close(view);
    return status;
}

static int run_best_trial(struct cli *c, void *values)
{
    tl_view *view = NULL;
    size_t n_directions;
    int status = open_view(c, values, &view);
    if (status)
        return status;
    tl_view_directions(view, &n_directions);
    int64_t number = tl_view_best(view);
    if (n_directions != 1)
        status =
            cli_error(c, TL_EINVAL, "the study has %zu objectives and so no single best trial: see best-trials",
                      n_directions);
    else if (number < 0 && tl_view_count(view, TL_COMPLETE) == 0)
        status = cli_error(c, TL_ENOTFOUND, "no trial is complete yet");
    else if (number < 0)
        status = cli_error(c, TL_ENOTFOUND, "no complete trial satisfies the constraints");
    else
        status = show(c, values, view, &number, 1, true);
    if (view)
        tl_view_close(view);
    return status;
}

static int run_best_trials(struct cli *c, void *values)
{
    tl_view *view = NULL;
    int status = open_view(c, values, &view);
    if (status == 0) {
        static const int64_t none;
        size_t n;
        const int64_t *front = tl_view_front(view, &n);
        status = show(c, values, view, front ? front : &none, n, false);
    }
    if (view)
        tl_view_close(view);
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
