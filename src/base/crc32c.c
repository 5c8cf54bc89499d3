/* SPDX-License-Identifier: MIT
 *
 * CRC-32C, chosen at the first call: the crc32 instruction of x86-64 (SSE4.2 with PCLMULQDQ), else tables.
 *
 * The instruction answers after three cycles but one can start every cycle, so long input runs in three streams side by
 * side. With R the polynomial in its reflected form, moving a checksum over L bytes of zeros is a multiplication by
 * x^(8L) mod R; the carry-less product of two reflected 32-bit values followed by one crc32 step multiplies by x^33 on
 * its way, hence the constants x^(8L - 33). Nothing here fails. A test compares all paths with a bit-by-bit division.
 */
#include "base/crc32c.h"

#include "base/wide.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- tables: eight bytes a step (Kounavis and Berry, "A systematic approach to building high performance
 * software-based CRC generators", 2005) ---- */

#define POLYNOMIAL 0x82f63b78u

static uint32_t table[8][256]; /* table[k][b]: checksum of byte b followed by k zero bytes */
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
        }
        table[0][b] = crc;
    }
    for (int k = 1; k < 8; k++) {
        for (int b = 0; b < 256; b++) {
            table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
        }
    }
}

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t n)
{
    pthread_once(&table_once, make_table);
    const unsigned char *p = bytes;
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w = load_le64(p) ^ crc;
        crc = table[7][w & 0xff] ^ table[6][w >> 8 & 0xff] ^ table[5][w >> 16 & 0xff] ^
              table[4][w >> 24 & 0xff] ^ table[3][w >> 32 & 0xff] ^ table[2][w >> 40 & 0xff] ^
              table[1][w >> 48 & 0xff] ^ table[0][w >> 56];
    }
    for (; n > 0; n--, p++) {
        crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
    }
    return ~crc;
}

/* ---- the instruction ---- */

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>
#include <wmmintrin.h>

#define TARGET __attribute__((target("sse4.2,pclmul")))

/* For three streams of `bytes` each: factors that move the first over two streams and the second over one. */
struct stride {
    size_t bytes;
    uint32_t over_two, over_one; /* x^(16 * bytes - 33), x^(8 * bytes - 33) */
};
static const struct stride strides[] = {{512, 0x170076fau, 0xdd7e3b0cu}, {64, 0x0d3b6092u, 0x9e4addf8u}};

TARGET static inline uint64_t multiply(uint64_t crc, uint32_t factor)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc), _mm_cvtsi32_si128((int)factor), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

TARGET static uint32_t crc32c_x86(uint32_t start, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t crc = (uint32_t)~start;
    for (size_t s = 0; s < TL_COUNT(strides); s++) {
        const size_t len = strides[s].bytes;
        for (; n >= 3 * len; n -= 3 * len, p += 3 * len) {
            uint64_t second = 0, third = 0;
            for (size_t i = 0; i < len; i += 8) {
                crc = _mm_crc32_u64(crc, load_le64(p + i));
                second = _mm_crc32_u64(second, load_le64(p + len + i));
                third = _mm_crc32_u64(third, load_le64(p + 2 * len + i));
            }
            crc = _mm_crc32_u64(0, multiply(crc, strides[s].over_two) ^ multiply(second, strides[s].over_one)) ^
                  third;
        }
    }
    for (; n >= 8; n -= 8, p += 8) {
        crc = _mm_crc32_u64(crc, load_le64(p));
    }
    uint32_t rest = (uint32_t)crc;
    for (; n > 0; n--, p++) {
        rest = _mm_crc32_u8(rest, *p);
    }
    return ~rest;
}

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}
#else
static uint32_t crc32c_x86(uint32_t crc, const void *bytes, size_t n)
{
    return crc32c_portable(crc, bytes, n);
}

static bool has_instruction(void)
{
    return false;
}
#endif

/* ---- choice ---- */

typedef uint32_t crc_function(uint32_t crc, const void *bytes, size_t n);

static uint32_t choose(uint32_t crc, const void *bytes, size_t n);
static _Atomic(crc_function *) chosen = choose;

static uint32_t choose(uint32_t crc, const void *bytes, size_t n)
{
    crc_function *best = has_instruction() ? crc32c_x86 : crc32c_portable;
    atomic_store_explicit(&chosen, best, memory_order_relaxed);
    return best(crc, bytes, n);
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
    return atomic_load_explicit(&chosen, memory_order_relaxed)(crc, bytes, n);
}
