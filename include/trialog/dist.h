/* SPDX-License-Identifier: MIT
 *
 * Distributions: what values a parameter may take.
 *
 * Every value has an internal form, one double: the number itself for float and int, the index of the choice for
 * categorical. Journals and columns hold the internal form.
 */
#ifndef TRIALOG_DIST_H
#define TRIALOG_DIST_H

#include <trialog/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tl_dist_kind { TL_DIST_FLOAT, TL_DIST_INT, TL_DIST_CATEGORICAL };

/* Float: low <= high, step 0 means none, log excludes step and wants low > 0.
 * Int: whole numbers within +-2^53, step >= 1 (0 is taken as 1), log wants low >= 1 and step 1.
 * Categorical: choices[0..n_choices), n_choices >= 1. */
struct tl_dist {
    enum tl_dist_kind kind;
    bool log;
    double low, high, step;
    const struct tl_value *choices; /* borrowed for as long as the distribution is used */
    size_t n_choices;
};

#define TL_FLOAT_RANGE(low_, high_) {TL_DIST_FLOAT, false, (low_), (high_), 0.0, NULL, 0}
#define TL_FLOAT_LOG(low_, high_) {TL_DIST_FLOAT, true, (low_), (high_), 0.0, NULL, 0}
#define TL_INT_RANGE(low_, high_) {TL_DIST_INT, false, (low_), (high_), 1.0, NULL, 0}
#define TL_INT_LOG(low_, high_) {TL_DIST_INT, true, (low_), (high_), 1.0, NULL, 0}

/* Checks the rules above and makes `high` reachable: with a step it becomes the largest low + k * step that is not
 * above it (exact decimal arithmetic on the shortest decimal form, as Optuna does). `*adjusted`, when not NULL, says
 * whether it moved. Errors: TL_EINVAL with the reason. */
int tl_dist_normalise(struct tl_dist *dist, bool *adjusted, struct tl_err *err);

/* Is this internal value inside the distribution (step included)? */
bool tl_dist_contains(const struct tl_dist *dist, double internal);
/* Does the distribution hold a single value only? Then samplers are never asked. */
bool tl_dist_single(const struct tl_dist *dist);
/* Number of different values, or 0 when infinite (float without step) or above 2^63. */
uint64_t tl_dist_cardinality(const struct tl_dist *dist);

/* Internal to external: a choice is borrowed from the distribution. Errors: TL_EINVAL (choice out of range, NaN). */
int tl_dist_external(const struct tl_dist *dist, double internal, struct tl_value *out, struct tl_err *err);
/* External to internal. Numbers are not checked against the range (Optuna's rule); a choice must exist, where 1, 1.0
 * and true are equal. Errors: TL_EINVAL. */
int tl_dist_internal(const struct tl_dist *dist, const struct tl_value *value, double *out, struct tl_err *err);

#ifdef __cplusplus
}
#endif
#endif
