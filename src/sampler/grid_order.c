/* SPDX-License-Identifier: MIT
 *
 * The order in which a grid's cells are issued: a permutation of 0 … n-1.
 *
 * Up to ten million cells it is the one that Optuna's GridSampler makes, so that both can share a study: Fisher and Yates'
 * shuffle, driven by the Mersenne Twister (Matsumoto and Nishimura: "Mersenne Twister", ACM TOMACS 8 (1998), MT19937 with the
 * seeding of 2002) as NumPy's RandomState(seed).shuffle does: from the last place down, bounded by masking and rejection.
 *
 * More cells are never listed, neither here nor there: a Feistel network over the next even power of two, walked along its
 * cycle until it is below n (Black and Rogaway: "Ciphers with Arbitrary Finite Domains", CT-RSA 2002), fewer than four steps on
 * average. Trials of such grids carry "grid_perm": "feistel1", which names what stands below: its constants are a format.
 *
 * Failure modes: no memory for the list.
 */
#include "sampler/grid.h"

#include "base/err.h"

/* ---- Optuna's shuffle ---- */

#define MT_N 624
#define MT_M 397

struct twister {
    uint32_t mt[MT_N];
    unsigned next;
};

static void twister_seed(struct twister *t, uint32_t seed)
{
    t->mt[0] = seed;
    for (uint32_t i = 1; i < MT_N; i++) {
        t->mt[i] = UINT32_C(1812433253) * (t->mt[i - 1] ^ (t->mt[i - 1] >> 30)) + i;
    }
    t->next = MT_N;
}

static void twister_turn(struct twister *t)
{
    for (unsigned i = 0; i < MT_N; i++) {
        uint32_t y = (t->mt[i] & UINT32_C(0x80000000)) | (t->mt[(i + 1) % MT_N] & UINT32_C(0x7fffffff));
        t->mt[i] = t->mt[(i + MT_M) % MT_N] ^ (y >> 1) ^ ((y & 1) ? UINT32_C(0x9908b0df) : 0);
    }
    t->next = 0;
}

static uint32_t twister_u32(struct twister *t)
{
    if (t->next == MT_N) {
        twister_turn(t);
    }
    uint32_t y = t->mt[t->next++];
    y ^= y >> 11;
    y ^= (y << 7) & UINT32_C(0x9d2c5680);
    y ^= (y << 15) & UINT32_C(0xefc60000);
    return y ^ (y >> 18);
}

static uint32_t twister_upto(struct twister *t, uint32_t max)
{
    uint32_t mask = max, v;
    for (unsigned shift = 1; shift < 32; shift *= 2) {
        mask |= mask >> shift;
    }
    do {
        v = twister_u32(t) & mask;
    } while (v > max);
    return v;
}

static void shuffle(uint32_t *list, uint32_t n, uint32_t seed)
{
    struct twister t;
    twister_seed(&t, seed);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = i;
    }
    for (uint32_t i = n - 1; i > 0; i--) {
        uint32_t j = twister_upto(&t, i), held = list[i];
        list[i] = list[j];
        list[j] = held;
    }
}

/* ---- feistel1 ---- */

#define FEISTEL_ROUNDS 8

/* The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t v)
{
    v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
    return v ^ (v >> 31);
}

static uint64_t feistel(uint64_t v, unsigned half, uint64_t seed)
{
    uint64_t mask = (UINT64_C(1) << half) - 1, left = v >> half, right = v & mask;
    for (uint64_t round = 1; round <= FEISTEL_ROUNDS; round++) {
        uint64_t next = left ^ (mix(right ^ mix(seed + round * UINT64_C(0x9e3779b97f4a7c15))) & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}

static unsigned half_bits(uint64_t n)
{
    unsigned bits = n > 1 ? 64u - (unsigned)__builtin_clzll(n - 1) : 1;
    return (bits + 1) / 2;
}

/* ---- both ---- */

int grid_order_init(struct grid_order *order, uint64_t n, uint64_t seed, struct tl_err *err)
{
    uint32_t *list = NULL;
    if (n <= GRID_SHUFFLE_MAX) {
        list = mem_alloc((size_t)n * sizeof *list);
        if (!list) {
            return err_nomem(err);
        }
        shuffle(list, (uint32_t)n, (uint32_t)seed);
    }
    *order = (struct grid_order){n, seed, list};
    return TL_OK;
}

void grid_order_release(struct grid_order *order)
{
    mem_free(order->shuffled);
    order->shuffled = NULL;
}

uint64_t grid_order_place(const struct grid_order *order, uint64_t id)
{
    if (order->shuffled) {
        return order->shuffled[id];
    }
    unsigned half = half_bits(order->n);
    uint64_t v = id;
    do {
        v = feistel(v, half, order->seed);
    } while (v >= order->n);
    return v;
}
