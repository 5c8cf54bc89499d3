/* SPDX-License-Identifier: MIT
 *
 * Asynchronous successive halving on the attributes `completed_rung_<k>` of trials: what the successive halving pruner is, and each
 * bracket of Hyperband.
 */
#ifndef TL_RUNGS_H
#define TL_RUNGS_H

#include "numeric/order_stat.h"
#include "pruner/pruner.h"

#define RUNGS_MAX 64u /* rung k lies at step 2^k or more, so no trial gets further */

#define RESOURCE_MAX (INT64_C(1) << 40)

struct halving_rules {
    int64_t min_resource; /* >= 1 */
    int64_t reduction_factor; /* >= 2 */
    int64_t min_early_stopping_rate, bootstrap_count; /* >= 0 */
};

/* The values of finished trials in each rung of each bracket. Zero-initialise. */
struct rung_book {
    struct row_cursor cursor;
    struct order_stat *values; /* n_brackets * RUNGS_MAX */
    size_t n_brackets;
};
void rung_book_release(struct rung_book *book); /* empties it */

/* Which bracket a trial is in. */
typedef size_t bracket_fn(const void *ctx, int64_t trial_number);

/* Decides, for a trial of bracket `bracket`, and hands the values of the rungs that it has completed to c->attr. */
int rungs_decide(struct rung_book *book, const struct halving_rules *rules, size_t n_brackets, size_t bracket,
                 bracket_fn *bracket_of, const void *ctx, const struct tl_prune_context *c, bool *prune, struct tl_err *err);

/* The highest step of the COMPLETE trials that had ended when there was the first with reports. Zero-initialise. */
struct first_steps {
    size_t rows;
    bool known;
    int64_t highest;
};
bool first_steps_known(struct first_steps *f, const tl_view *view);

/* Reads a resource: a whole number from 1, or "auto", which is 0. */
int option_resource(const struct tl_option *options, size_t n, const char *name, int64_t *out, struct tl_err *err);

#endif
