/* SPDX-License-Identifier: MIT
 *
 * All commands, for the table in commands.c.
 */
#ifndef TL_CLI_COMMANDS_H
#define TL_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct command cmd_optimize;
extern const struct command cmd_create_study, cmd_delete_study, cmd_set_attr, cmd_study_names, cmd_studies,
    cmd_copy;
extern const struct command cmd_trials, cmd_best_trial, cmd_best_trials;
extern const struct command cmd_ask, cmd_tell, cmd_report, cmd_enqueue;
extern const struct command cmd_export;
extern const struct command cmd_plot, cmd_watch, cmd_workers;
extern const struct command cmd_check, cmd_repair, cmd_compact, cmd_unlock;

#endif
