/* SPDX-License-Identifier: MIT
 *
 * A trial being run: suggestions, reports, attributes. One thread at a time.
 *
 * Suggestions need not be seen by others at once: they are written with the next report, attribute, state change or
 * tl_trial_flush, or at once where the sampler wants it. When it turns out only then that a suggestion does
 * not fit what another worker has written meanwhile, that call fails with TL_EINCOMPATIBLE, names the parameter and forgets the
 * suggestion.
 *
 * A parameter that was fixed in advance (enqueued, grid, asked with a space) is returned as it is, even when it lies outside
 * the range asked for (that is logged). Asking again for a name returns the same value.
 */
#ifndef TRIALOG_TRIAL_H
#define TRIALOG_TRIAL_H

#include <trialog/study.h>

#ifdef __cplusplus
extern "C" {
#endif

int64_t tl_trial_number(const tl_trial *trial);
int64_t tl_trial_id(const tl_trial *trial);

/* low <= result <= high. `step` 0: none; log excludes step. Errors: TL_EINVAL (bad range, fixed value that is no such value),
 * TL_EINCOMPATIBLE (the study knows the name as another kind), those of the sampler. */
int tl_trial_suggest_float(tl_trial *trial, const char *name, double low, double high, double step, bool log, double *out,
                           struct tl_err *err);
/* Bounds within +-2^53; `step` 0 is taken as 1. */
int tl_trial_suggest_int(tl_trial *trial, const char *name, int64_t low, int64_t high, int64_t step, bool log, int64_t *out,
                         struct tl_err *err);
/* `*index` is the position of the choice; choices are copied. */
int tl_trial_suggest_choice(tl_trial *trial, const char *name, const struct tl_value *choices, size_t n_choices,
                            size_t *index, struct tl_err *err);
/* Choices that are strings. */
int tl_trial_suggest_string(tl_trial *trial, const char *name, const char *const *choices, size_t n_choices, size_t *index,
                            struct tl_err *err);
/* Any distribution (copied); `*internal` is the internal value. */
int tl_trial_suggest(tl_trial *trial, const char *name, const struct tl_dist *dist, double *internal, struct tl_err *err);
/* What was suggested so far, internal form; false: nothing yet. */
bool tl_trial_param(const tl_trial *trial, const char *name, double *internal);
/* All of it, in the order in which it was suggested; what the journal had of the trial before it was asked for comes first. */
size_t tl_trial_n_params(const tl_trial *trial);
/* Parameter `index`, below tl_trial_n_params; borrowed until the trial is freed. */
void tl_trial_get_param(const tl_trial *trial, size_t index, struct tl_param *out);
/* What the sampler proposes jointly for this trial, whether it was asked for yet or not. Non-zero from `each` ends the walk and is
 * returned. Errors: those of the sampler. */
int tl_trial_each_proposal(tl_trial *trial, int (*each)(void *ctx, const struct tl_assignment *a), void *ctx, struct tl_err *err);

/* step >= 0. NaN is legal. The first report of a step counts, as in Optuna; later ones are logged and dropped. Single objective
 * only: TL_EINVAL. */
int tl_trial_report(tl_trial *trial, int64_t step, double value, struct tl_err *err);
/* Does the trial have a report for this step? */
bool tl_trial_reported(const tl_trial *trial, int64_t step);
/* Asks the study's pruner about what was reported so far, by whomever; without a pruner the answer is no. Reads what is new in the
 * journal; one append when the pruner has something to store (a trial that reaches a rung of successive halving). Errors: TL_EINVAL
 * (several objectives), TL_EFINISHED (ended elsewhere), those of the pruner. */
int tl_trial_should_prune(tl_trial *trial, bool *prune, struct tl_err *err);
int tl_trial_set_attr(tl_trial *trial, enum tl_attr_kind kind, const char *key, const char *json, struct tl_err *err);
/* Writes suggestions that wait. */
int tl_trial_flush(tl_trial *trial, struct tl_err *err);
/* Frees the handle; the trial stays as it is in the journal, suggestions that wait are dropped. NULL is fine. */
void tl_trial_free(tl_trial *trial);

#ifdef __cplusplus
}
#endif
#endif
