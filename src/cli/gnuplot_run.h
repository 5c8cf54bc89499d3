/* SPDX-License-Identifier: MIT
 *
 * Runs gnuplot with a script on its standard input and collects what it writes.
 */
#ifndef TL_GNUPLOT_RUN_H
#define TL_GNUPLOT_RUN_H

#include "base/buf.h"
#include "cli/cli.h"

/* Appends gnuplot's standard output to `out`. The program is found through PATH; its start-up files are not read. Blocks until it
 * ends, two minutes at most. Returns 0, or a status after printing what went wrong: gnuplot is missing (and what to install), or
 * what it complained about. */
int gnuplot_run(struct cli *c, const struct buf *script, struct buf *out);

#endif
