/* SPDX-License-Identifier: MIT
 *
 * `trialog report`: writes an intermediate value of a running trial, and says whether the trial is to be pruned.
 *
 * What is not on the command line comes from the environment that `trialog optimize` gives its programs: study, trial, pruner and its
 * options. The pruner is made for this one question and reads of each finished trial no more than it needs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

#define STATUS_PRUNE 1

struct report_values {
    const char *name, *pruner, *pruner_kwargs;
    struct opt_int number, step;
    struct opt_number value;
    bool json;
};
#define FIELD(name) offsetof(struct report_values, name)
static const struct opt report_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, FIELD(name), "STUDY", NULL, NULL,
     "the study's name; may be left out when TRIALOG_STUDY_NAME says it, or the journal has a single study"},
    {OPT_INT, "trial-number", 0, 0, FIELD(number), "NUMBER", NULL, NULL, "the running trial (default: TRIALOG_TRIAL_NUMBER)"},
    {OPT_INT, "step", 0, OPT_REQUIRED, FIELD(step), "STEP", NULL, NULL, "a whole number from 0"},
    {OPT_NUMBER, "value", 0, OPT_REQUIRED, FIELD(value), "VALUE", NULL, NULL, "the objective value at that step"},
    {OPT_TEXT, "pruner", 0, 0, FIELD(pruner), "PRUNER", NULL, NULL,
     "who is asked whether the trial is to be pruned (default: TRIALOG_PRUNER, else nobody)"},
    {OPT_TEXT, "pruner-kwargs", 0, 0, FIELD(pruner_kwargs), "JSON", NULL, NULL,
     "the pruner's options as a JSON object (default: TRIALOG_PRUNER_KWARGS when TRIALOG_PRUNER is used)"},
    {OPT_FLAG, "json", 0, 0, FIELD(json), NULL, NULL, NULL, "print a JSON object with number, step, value and prune"},
    OPT_TABLE_END,
};

/* Fills in what the environment says. */
static int look_around(struct cli *c, struct report_values *v)
{
    const char *number = getenv("TRIALOG_TRIAL_NUMBER");
    if (!v->name) {
        v->name = getenv("TRIALOG_STUDY_NAME");
    }
    if (!v->pruner) {
        v->pruner = getenv("TRIALOG_PRUNER");
        v->pruner_kwargs = v->pruner_kwargs || !v->pruner ? v->pruner_kwargs : getenv("TRIALOG_PRUNER_KWARGS");
    }
    if (!v->number.set && !number) {
        return cli_usage(c, "--trial-number is missing");
    }
    if (!v->number.set && !cli_parse_int(str_of(number), &v->number.value)) {
        return cli_usage(c, "TRIALOG_TRIAL_NUMBER is no number: '%s'", number);
    }
    return v->step.value < 0 ? cli_usage(c, "--step: %lld is below 0", (long long)v->step.value) : 0;
}

static int write_report(struct cli *c, const struct report_values *v, const tl_view *view)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct tl_err err = TL_ERR_INIT;
    bool again = false;
    int status = 0, rc = tl_view_trial(view, v->number.value, &trial, &err);
    if (rc == TL_ENOTFOUND) {
        return cli_error(c, rc, "there is no trial %lld in '%s'", (long long)v->number.value,
                         tl_view_study_name(view));
    }
    if (rc) {
        return cli_fail(c, &err);
    }
    for (size_t i = 0; i < trial.n_reports; i++) {
        again = again || trial.reports[i].step == v->step.value;
    }
    if (TL_STATE_IS_FINISHED(trial.state)) {
        status = cli_error(c, TL_EFINISHED, "trial %lld has finished already (%s)", (long long)trial.number,
                           tl_state_name((int)trial.state));
    } else if (again) {
        cli_say(c, CLI_WARNING, "trial %lld has a value for step %lld already, which stays",
                (long long)trial.number, (long long)v->step.value);
    } else if (tl_storage_report(c->storage, trial.id, v->step.value, v->value.value, &err)) {
        status = cli_fail(c, &err);
    }
    tl_frozen_release(&trial);
    return status;
}

/* Shows the answer and turns it into the exit status. */
static int show(struct cli *c, const struct report_values *v, bool asked, bool prune)
{
    struct out o;
    out_begin(&o, c, NULL);
    if (v->json) {
        buf_printf(&o.b, "{\"number\": %lld, \"step\": %lld, \"value\": ", (long long)v->number.value,
                   (long long)v->step.value);
        json_put_double(&o.b, v->value.value);
        buf_printf(&o.b, ", \"prune\": %s}\n", !asked ? "null" : prune ? "true" : "false");
    } else if (asked) {
        buf_add_text(&o.b, prune ? "prune\n" : "continue\n");
    }
    int status = out_end(&o, 0);
    return status ? status : prune ? STATUS_PRUNE : 0;
}

static int report(struct cli *c, const struct report_values *v, tl_study *study)
{
    struct tl_err err = TL_ERR_INIT;
    bool prune = false;
    tl_view *view;
    if (tl_study_n_directions(study) != 1) {
        return cli_error(c, TL_EINVAL, "reports are for studies with one objective; this one has %zu",
                         tl_study_n_directions(study));
    }
    if (tl_study_view(study, &view, &err)) {
        return cli_fail(c, &err);
    }
    int status = write_report(c, v, view);
    tl_view_close(view);
    if (status == 0 && v->pruner && tl_study_should_prune(study, v->number.value, &prune, &err)) {
        status = cli_fail(c, &err);
    }
    return status ? status : show(c, v, v->pruner != NULL, prune);
}

static int run_report(struct cli *c, void *values)
{
    struct report_values *v = values;
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    tl_study *study = NULL;
    int status = look_around(c, v);
    status = status ? status : cli_pruner(c, v->pruner, v->pruner_kwargs, &options.pruner);
    status = status ? status : cli_open(c, 0);
    status = status ? status : cli_load_study(c, v->name, &options, &study);
    status = status ? status : report(c, v, study);
    tl_study_free(study);
    tl_pruner_free(options.pruner);
    return status;
}

const struct command cmd_report = {
    .name = "report",
    .group = "Trials",
    .help = "Write an intermediate value of a running trial, and ask whether to go on.",
    .about = "The first value of a step counts, as in Optuna. With a pruner, the answer is printed\n"
             "('continue' or 'prune') and the exit status is 1 when the trial is to be pruned: end\n"
             "it then with 'trialog tell --state pruned'. In a program that 'trialog optimize'\n"
             "runs, study, trial and pruner are those of the program's trial, and printing\n"
             "'trialog-pruned' ends it:\n\n"
             "  trialog report --step 3 --value 0.25 || { echo trialog-pruned; exit 0; }",
    .opts = report_opts,
    .values_size = sizeof(struct report_values),
    .run = run_report,
};
