/* SPDX-License-Identifier: MIT
 *
 * Texts made from the tables of commands and options.
 */
#ifndef TL_CLI_HELP_H
#define TL_CLI_HELP_H

#include "cli/cli.h"

int help_all(struct cli *c);
int help_command(struct cli *c, const struct command *cmd);
int help_version(struct cli *c);

extern const struct command cmd_help, cmd_version, cmd_completion, cmd_dump_options;

#endif
