/* SPDX-License-Identifier: MIT
 *
 * --search-space: a JSON object of name -> distribution, in every form that Optuna's json_to_distribution takes.
 */
#ifndef TL_CLI_DIST_JSON_H
#define TL_CLI_DIST_JSON_H

#include "cli/cli.h"
#include "cli/node.h"

/* Reads the object. Specs, names and distributions live in `ns`. 0, or a status after printing; `what` is the option's name. */
int dist_json_space(struct cli *c, struct nodes *ns, const char *what, const char *json,
                    struct tl_param_spec **out, size_t *n_out);

#endif
