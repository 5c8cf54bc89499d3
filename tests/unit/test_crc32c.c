/* SPDX-License-Identifier: MIT
 *
 * base/crc32c.c: published values, and all ways of computing against a division bit by bit.
 */
#include "base/crc32c.h"
#include "numeric/rng.h"
#include "support/check_main.h"

/* The definition. */
static uint32_t bit_by_bit(uint32_t crc, const unsigned char *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

/* RFC 3720 (iSCSI), B.4, and the usual check value. */
START_TEST(published_values)
{
    unsigned char text[32];
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(crc32c(0, "", 0), 0);
    memset(text, 0, sizeof text);
    ck_assert_uint_eq(crc32c(0, text, sizeof text), 0x8a9136aau);
    memset(text, 0xff, sizeof text);
    ck_assert_uint_eq(crc32c(0, text, sizeof text), 0x62a8ab43u);
    for (unsigned i = 0; i < sizeof text; i++) {
        text[i] = (unsigned char)i;
    }
    ck_assert_uint_eq(crc32c(0, text, sizeof text), 0x46dd794eu);
    for (unsigned i = 0; i < sizeof text; i++) {
        text[i] = (unsigned char)(31 - i);
    }
    ck_assert_uint_eq(crc32c(0, text, sizeof text), 0x113fdb5cu);
}
END_TEST

START_TEST(all_ways_agree)
{
    static unsigned char bytes[8192];
    struct rng r;
    rng_init(&r, 1, 0, 0, STR("crc"));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)rng_u32(&r);
    }
    for (size_t n = 0; n < 700; n++) {
        uint32_t start = rng_u32(&r);
        const unsigned char *p = bytes + n % 16;
        uint32_t want = bit_by_bit(start, p, n);
        ck_assert_uint_eq(crc32c(start, p, n), want);
        ck_assert_uint_eq(crc32c_portable(start, p, n), want);
    }
    for (int i = 0; i < 300; i++) {
        uint32_t start = rng_u32(&r);
        size_t at = rng_below(&r, 100), n = rng_below(&r, 8000);
        uint32_t want = bit_by_bit(start, bytes + at, n);
        ck_assert_uint_eq(crc32c(start, bytes + at, n), want);
        ck_assert_uint_eq(crc32c_portable(start, bytes + at, n), want);
    }
}
END_TEST

START_TEST(pieces_continue)
{
    static unsigned char bytes[5000];
    struct rng r;
    rng_init(&r, 2, 0, 0, STR("crc"));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)rng_u32(&r);
    }
    uint32_t whole = crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 13) {
        ck_assert_uint_eq(crc32c(crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("crc32c");
    tcase_add_test(t, published_values);
    tcase_add_test(t, all_ways_agree);
    tcase_add_test(t, pieces_continue);
    return check_run("crc32c", t);
}
