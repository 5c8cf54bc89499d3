/* SPDX-License-Identifier: MIT
 *
 * Reading the command line by the option tables of cli.h.
 */
#ifndef TL_CLI_OPT_H
#define TL_CLI_OPT_H

#include "cli/cli.h"

/* Finds the command among the words: returns it and puts the words without its name into `rest` (room for argc pointers), their
 * number into *n_rest. Options may stand before the command. NULL and a printed error (*status), or NULL and *status 0 when
 * there is no command at all. */
const struct command *opt_find_command(struct cli *c, int argc, char **argv, char **rest, int *n_rest,
                                       int *status);
/* The command with this name, NULL for none. */
const struct command *opt_command(const char *name);

/* Fills in defaults, then the words. `cmd` NULL: global options only. Returns 0 or, after printing, 2. */
int opt_parse(struct cli *c, const struct command *cmd, void *values, int argc, char **argv);
/* Frees what the parser allocated. */
void opt_release(const struct command *cmd, void *values);

/* For help, completion and the man page check. */
static inline bool opt_is_operand(const struct opt *o)
{
    return o->kind == OPT_OPERAND || o->kind == OPT_OPERANDS;
}
static inline bool opt_takes_value(const struct opt *o)
{
    return o->kind != OPT_FLAG && o->kind != OPT_COUNT && !opt_is_operand(o);
}

#endif
