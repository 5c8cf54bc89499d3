/* SPDX-License-Identifier: MIT
 *
 * The full 128-bit product of two 64-bit numbers, for hashing, number text and random numbers; and loads and
 * stores of unaligned little-endian words.
 */
#ifndef TL_WIDE_H
#define TL_WIDE_H

#include "base/base.h"

struct wide {
    uint64_t lo, hi;
};

static inline struct wide wide_mul(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 u128;
    u128 p = (u128)a * b;
    return (struct wide){(uint64_t)p, (uint64_t)(p >> 64)};
#else
    uint64_t ll = (a & 0xffffffffu) * (b & 0xffffffffu), lh = (a & 0xffffffffu) * (b >> 32);
    uint64_t hl = (a >> 32) * (b & 0xffffffffu), hh = (a >> 32) * (b >> 32);
    uint64_t middle = (ll >> 32) + (lh & 0xffffffffu) + hl; /* cannot overflow */
    return (struct wide){middle << 32 | (ll & 0xffffffffu), hh + (lh >> 32) + (middle >> 32)};
#endif
}

static inline uint64_t load_le64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline uint32_t load_le32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline void store_le32(void *to, uint32_t v)
{
    uint8_t *p = to;
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static inline void store_le64(void *to, uint64_t v)
{
    uint8_t *p = to;
    store_le32(p, (uint32_t)v);
    store_le32(p + 4, (uint32_t)(v >> 32));
}

#endif
