/* SPDX-License-Identifier: MIT
 *
 * Philox4x32-10: ten rounds of multiply and exclusive-or over a 128-bit counter under a 64-bit key.
 *
 * The key is the seed; the counter holds {block, hash of the parameter's name, trial low, trial high ^ purpose}, so streams never
 * overlap unless two names share their 32-bit hash, in which case both get the same numbers (their distributions still make
 * different values of them). What comes out is a format: the same seed must give the same trials for ever.
 *
 * Constants: Salmon, Moraes, Dror and Shaw, SC 2011, section 3.2 and their reference vectors (test_rng.c). rng_below: Lemire,
 * "Fast Random Integer Generation in an Interval", ACM TOMACS 29 (2019), algorithm 5, over 64 bits.
 */
#include "numeric/rng.h"

#include "base/crc32c.h"

#define ROUNDS 10

static void block(struct rng *r)
{
    uint32_t c[4] = {r->counter[0], r->counter[1], r->counter[2], r->counter[3]};
    uint32_t key[2] = {r->key[0], r->key[1]};
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t a = UINT64_C(0xd2511f53) * c[0], b = UINT64_C(0xcd9e8d57) * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key[0], (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ key[1],
                            (uint32_t)a};
        memcpy(c, next, sizeof c);
        key[0] += UINT32_C(0x9e3779b9);
        key[1] += UINT32_C(0xbb67ae85);
    }
    memcpy(r->out, c, sizeof c);
    r->counter[0]++;
    r->left = 4;
}

void rng_init(struct rng *r, uint64_t seed, uint32_t purpose, uint64_t trial, struct str parameter)
{
    *r = (struct rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, crc32c(0, parameter.p, parameter.n), (uint32_t)trial, (uint32_t)(trial >> 32) ^ purpose},
    };
}

uint32_t rng_u32(struct rng *r)
{
    if (r->left == 0) {
        block(r);
    }
    return r->out[4 - r->left--];
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t high = rng_u32(r);
    return high << 32 | rng_u32(r);
}

double rng_uniform(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

/* High and low half of a product of 64 bits each; ISO C has no 128-bit type. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t *low)
{
    uint64_t al = a & UINT32_MAX, ah = a >> 32, bl = b & UINT32_MAX, bh = b >> 32;
    uint64_t middle = ah * bl + (al * bl >> 32);
    uint64_t middle2 = al * bh + (middle & UINT32_MAX);
    *low = a * b;
    return ah * bh + (middle >> 32) + (middle2 >> 32);
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    uint64_t low, high = multiply(rng_u64(r), bound, &low);
    if (low < bound) {
        uint64_t least = (0 - bound) % bound;
        while (low < least) {
            high = multiply(rng_u64(r), bound, &low);
        }
    }
    return high;
}
