/* SPDX-License-Identifier: MIT
 *
 * The trials of a study as records for out.h: the columns that Optuna's trials_dataframe has, in its order.
 */
#ifndef TL_CLI_TRIALS_H
#define TL_CLI_TRIALS_H

#include "base/map.h"
#include "cli/out.h"

struct trial_records {
    struct cli *c;
    const tl_view *view;
    const int64_t *numbers; /* trials to show; NULL: all */
    size_t n_numbers;
    bool exact_times; /* instants with offset and microseconds, spans in seconds (for export) */
    bool with_system; /* system attributes too */

    /* private */
    struct out_column *columns;
    size_t n_columns, cap_columns;
    struct nodes keep; /* names of objectives */
    struct tl_frozen_trial trial;
    size_t n_directions, n_values;  /* n_values: columns of values */
    size_t first_value, first_time; /* places of columns */
    struct trial_names {
        struct intern names;
        size_t *column; /* of each name */
        bool any;       /* some trial has one, shown or not */
    } params, user, system;
};

/* Finds the columns: those of all trials of the view, whichever are shown. `thrifty`: only what the shown trials have matters
 * besides whether there are parameters and attributes at all (output that is not flattened). 0, or a status after printing. */
int trial_records_open(struct trial_records *r, bool thrifty);
void trial_records_close(struct trial_records *r);
/* For out_records, with the struct as context. */
int trial_records_read(void *ctx, size_t record, struct nodes *ns, struct node **cells);
struct out_records trial_records_all(struct trial_records *r, bool single);

/* Names of the objectives that the study was given, a list; NULL for none. */
const struct node *metric_names(struct nodes *keep, const tl_view *view);
/* Does the trial keep all constraints that were recorded with it? As Optuna keeps them: a list, or an attribute for each. */
bool trial_is_feasible(struct nodes *ns, const struct tl_frozen_trial *t);

#endif
