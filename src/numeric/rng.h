/* SPDX-License-Identifier: MIT
 *
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). A number depends on (seed, purpose, trial, parameter, draw) only, so the same seed gives the same trials with
 * 1 or 32 workers.
 */
#ifndef TL_RNG_H
#define TL_RNG_H

#include "base/base.h"

struct rng {
    uint32_t key[2];
    uint32_t counter[4]; /* {draw, parameter hash, trial low, trial high ^ purpose} */
    uint32_t out[4];
    unsigned left; /* unused words in out */
};

/* A stream of its own for each (seed, purpose, trial, parameter). */
void rng_init(struct rng *r, uint64_t seed, uint32_t purpose, uint64_t trial, struct str parameter);
uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
double rng_uniform(struct rng *r);                 /* [0, 1), 53 bits */
uint64_t rng_below(struct rng *r, uint64_t bound); /* 0 … bound-1, unbiased */

#endif
