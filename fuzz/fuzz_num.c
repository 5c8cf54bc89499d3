/* SPDX-License-Identifier: MIT
 *
 * Numbers and instants: any text is read within its bounds, and what was written reads back the same.
 */
#include "base/num.h"
#include "fuzz.h"

#include <math.h>

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void check_double(double v)
{
    char text[NUM_MAX];
    double again;
    bool integer;
    size_t n = num_format(v, text);
    FUZZ_CHECK(n < NUM_MAX && text[n] == 0);
    FUZZ_CHECK(num_parse(text, text + n, &again, &integer) == text + n && !integer);
    FUZZ_CHECK(isnan(v) ? isnan(again) : bits_of(v) == bits_of(again));
}

static void check_int(int64_t v)
{
    char text[NUM_MAX];
    int64_t again;
    size_t n = num_format_int(v, text);
    FUZZ_CHECK(num_parse_int(text, text + n, &again) == text + n && again == v);
}

static void check_time(struct tl_time t)
{
    char text[TIME_MAX], text_again[TIME_MAX];
    struct tl_time again;
    size_t n = time_format(t, text);
    FUZZ_CHECK(n < TIME_MAX && time_parse((struct str){text, n}, &again));
    FUZZ_CHECK(again.naive == t.naive);
    FUZZ_CHECK(time_format(again, text_again) == n && memcmp(text, text_again, n) == 0);
    /* inside the years that have a text nothing is lost */
    FUZZ_CHECK(again.us == t.us || t.us < INT64_C(-62135596800000000) || t.us > INT64_C(253402300799999999));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = p + size;
    double v;
    int64_t whole;
    bool integer, integer_skip;
    struct tl_time t;
    const char *behind = num_parse(p, end, &v, &integer);
    FUZZ_CHECK(num_skip(p, end, &integer_skip) == behind);
    if (behind) {
        FUZZ_CHECK(behind > p && behind <= end && integer == integer_skip);
        check_double(v);
    }
    const char *behind_int = num_parse_int(p, end, &whole);
    if (behind_int) {
        FUZZ_CHECK(behind && behind_int <= behind && (!integer || behind_int == behind));
        FUZZ_CHECK(!integer || v == (double)whole);
        check_int(whole);
    }
    if (time_parse((struct str){p, size}, &t)) {
        check_time(t);
    }
    if (size >= sizeof v) {
        memcpy(&v, p, sizeof v);
        memcpy(&whole, p, sizeof whole);
        check_double(v);
        check_int(whole);
        check_time((struct tl_time){whole, true, whole & 1});
    }
    return 0;
}
