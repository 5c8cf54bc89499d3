/* SPDX-License-Identifier: MIT
 *
 * numeric/parzen.h once more, plain and slow: the reference that test_parzen compares with. Not thread-safe, not checked.
 */
#ifndef TEST_PARZEN_PLAIN_H
#define TEST_PARZEN_PLAIN_H

#include "numeric/parzen.h"

struct plain;
struct plain *plain_new(const struct parzen_dim *dims, size_t n_dims, const struct parzen_rules *rules);
void plain_free(struct plain *p);
int plain_put(struct plain *p, int64_t key, const double *x);
bool plain_drop(struct plain *p, int64_t key);
size_t plain_count(const struct plain *p);
void plain_weigh(struct plain *p, int64_t key, double w);
void plain_prior_weight(struct plain *p, double w);
int plain_settle(struct plain *p);
void plain_sample(const struct plain *p, const double *u, double *x);
void plain_log_density(const struct plain *p, const double *x, size_t m, double *out, void *scratch);
size_t plain_scratch(const struct plain *p, size_t m);

#endif
