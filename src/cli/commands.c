/* SPDX-License-Identifier: MIT
 *
 * The table of commands, in the order in which help shows them. Groups stand together.
 */
#include "cli/commands.h"

#include "cli/help.h"

const struct command *const cli_commands[] = {
    /* Studies */
    &cmd_create_study,
    &cmd_delete_study,
    &cmd_set_attr,
    &cmd_study_names,
    &cmd_studies,
    &cmd_copy,
    /* Trials */
    &cmd_optimize,
    &cmd_ask,
    &cmd_tell,
    &cmd_report,
    &cmd_enqueue,
    /* Results */
    &cmd_best_trial,
    &cmd_best_trials,
    &cmd_trials,
    &cmd_export,
    &cmd_plot,
    &cmd_watch,
    &cmd_workers,
    /* Journals */
    &cmd_check,
    &cmd_repair,
    &cmd_compact,
    &cmd_unlock,
    /* Help */
    &cmd_help,
    &cmd_version,
    &cmd_completion,
    &cmd_dump_options,
    NULL,
};
