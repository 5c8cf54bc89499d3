/* SPDX-License-Identifier: MIT
 *
 * base/num.c and base/time.c: edges with known answers. num_vs_python.py compares some hundred thousand values more.
 */
#include "base/num.h"
#include "numeric/rng.h"
#include "support/check_main.h"

#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* From memory of exactly that size, so that a sanitizer sees a read behind the end. */
static const char *parse(const char *text, double *out, bool *integer, size_t *used)
{
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    const char *behind = num_parse(copy, copy + n, out, integer);
    bool unused;
    ck_assert_ptr_eq(num_skip(copy, copy + n, &unused), behind);
    ck_assert(!behind || unused == *integer);
    *used = behind ? (size_t)(behind - copy) : 0;
    free(copy);
    return behind ? text + *used : NULL;
}

static const struct {
    const char *text;
    double value;
    size_t used;
    bool integer;
} numbers[] = {
    {"0", 0, 1, true},
    {"-0", 0.0, 2, true},
    {"0.0", 0, 3, false},
    {"12345678", 12345678, 8, true},
    {"123456789012345678", 123456789012345678.0, 18, true},
    {"-1.5e3,", -1500, 6, false},
    {"1E+2]", 100, 4, false},
    {"01", 0, 1, true},
    {"1.", 1, 1, true},
    {"1.e5", 1, 1, true},
    {"1e", 1, 1, true},
    {"1e+", 1, 1, true},
    {"1.5e-", 1.5, 3, false},
    {"1e5.5", 1e5, 3, false},
    {"9007199254740993", 9007199254740992.0, 16, true},
    {"9007199254740993.0000000000000000000000000000000000000000001", 9007199254740994.0, 60, false},
    {"1e23", 1e23, 4, false},
    {"1.7976931348623157e308", 1.7976931348623157e308, 22, false},
    {"1.7976931348623158e308", 1.7976931348623157e308, 22, false},
    {"1.7976931348623159e308", INFINITY, 22, false},
    {"1e309", INFINITY, 5, false},
    {"-1e99999999999999999999999", -INFINITY, 26, false},
    {"1e-99999999999999999999999", 0, 26, false},
    {"5e-324", 4.9406564584124654e-324, 6, false},
    {"2.4703282292062327e-324", 0, 23, false},
    {"2.4703282292062328e-324", 4.9406564584124654e-324, 23, false},
    {"2.2250738585072011e-308", 2.2250738585072011e-308, 23, false},
    {"2.2250738585072014e-308", 2.2250738585072014e-308, 23, false},
    {"0e999999999999", 0, 14, false},
    {"NaNny", NAN, 3, false},
    {"Infinity", INFINITY, 8, false},
    {"-Infinity", -INFINITY, 9, false},
};

START_TEST(reads)
{
    double v = 7;
    bool integer;
    size_t used;
    ck_assert_msg(parse(numbers[_i].text, &v, &integer, &used) != NULL, "%s", numbers[_i].text);
    ck_assert_msg(bits_of(v) == bits_of(numbers[_i].value) || (isnan(v) && isnan(numbers[_i].value)),
                  "%s gives %a", numbers[_i].text, v);
    ck_assert_msg(used == numbers[_i].used, "%s: %zu bytes read", numbers[_i].text, used);
    ck_assert_msg(integer == numbers[_i].integer, "%s", numbers[_i].text);
}
END_TEST

START_TEST(refuses)
{
    static const char *const no_numbers[] = {"",     "-",   "+1",      ".5",   "-.5", "e5", "nan", "Na",
                                             "-NaN", "inf", "Infinit", "-Inf", "x",   " 1", "/",   ":"};
    double v = 7;
    bool integer = true;
    size_t used;
    ck_assert_msg(!parse(no_numbers[_i], &v, &integer, &used), "%s", no_numbers[_i]);
    ck_assert(v == 7 && integer);
}
END_TEST

/* Half way between 0 and the least double, which takes 752 digits to say. */
START_TEST(halfway_with_all_digits)
{
    static const char middle[] =
        "2."
        "47032822920623272088284396434110686182529901307162382212792841250337753635104375932649918180817996189"
        "898282347722858865463328355177969898199387398005390939063150356595155702263922908583924491051844359318"
        "0"
        "284993653615250031937045767824921936562366986365848075700158576926990370631192827955855133292783433840"
        "9"
        "351978015531246597263579574622766465272827220056374006485499977096599470454020828166226237857393450736"
        "3"
        "390079677619305775067401763246736009689513405355374585166611342237666786041621596804619144672918403005"
        "3"
        "005753084904876539171138659164623952491262365388187963623937328042389101867234849766823508986338858792"
        "5"
        "628302755995657524455507255189313690836254779186948667994968324049705821028513185451396213837722826145"
        "4"
        "37693412532098591327667236328125";
    char text[900];
    double v;
    bool integer;
    size_t used, n = sizeof middle - 1;
    static const char *const tails[] = {"e-324", "0e-324", "000000000000000000000001e-324"};
    for (size_t i = 0; i < TL_COUNT(tails); i++) {
        memcpy(text, middle, n);
        memcpy(text + n, tails[i], strlen(tails[i]) + 1);
        ck_assert_ptr_nonnull(parse(text, &v, &integer, &used));
        ck_assert_uint_eq(bits_of(v), i == 2); /* a tie goes to the even one, 0 */
    }
    text[n - 1] = '4';
    memcpy(text + n, tails[0], 6);
    ck_assert_ptr_nonnull(parse(text, &v, &integer, &used));
    ck_assert_uint_eq(bits_of(v), 0);
}
END_TEST

START_TEST(long_texts)
{
    enum { N = 20000 };
    char *text = malloc(N + 40);
    double v;
    bool integer;
    size_t used;
    memset(text, '0', N);
    text[0] = '1';
    memcpy(text + N, "e-19999", 8);
    ck_assert_ptr_nonnull(parse(text, &v, &integer, &used));
    ck_assert(v == 1 && used == N + 7);
    text[0] = '0';
    text[1] = '.';
    memcpy(text + N, "25e19999", 9);
    ck_assert_ptr_nonnull(parse(text, &v, &integer, &used));
    ck_assert(v == 2.5 && used == N + 8);
    memset(text, '9', N);
    text[N] = 0;
    ck_assert_ptr_nonnull(parse(text, &v, &integer, &used));
    ck_assert(v == INFINITY && used == N && integer);
    free(text);
}
END_TEST

START_TEST(whole_numbers)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
        size_t used;
    } rows[] = {{"0", true, 0, 1},
                {"-0", true, 0, 2},
                {"007", true, 0, 1},
                {"42,", true, 42, 2},
                {"1.5", true, 1, 1},
                {"9223372036854775807", true, INT64_MAX, 19},
                {"9223372036854775808", false, 0, 0},
                {"-9223372036854775808", true, INT64_MIN, 20},
                {"-9223372036854775809", false, 0, 0},
                {"18446744073709551617", false, 0, 0},
                {"99999999999999999999999", false, 0, 0},
                {"", false, 0, 0},
                {"-", false, 0, 0},
                {"+1", false, 0, 0},
                {"x", false, 0, 0}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        int64_t v = 77;
        const char *text = rows[i].text, *behind = num_parse_int(text, text + strlen(text), &v);
        ck_assert_msg((behind != NULL) == rows[i].good, "%s", text);
        ck_assert_int_eq(v, rows[i].good ? rows[i].value : 77);
        ck_assert(!behind || behind == text + rows[i].used);
    }
    char out[NUM_MAX];
    ck_assert_uint_eq(num_format_int(INT64_MIN, out), 20);
    ck_assert_str_eq(out, "-9223372036854775808");
    ck_assert_uint_eq(num_format_int(0, out), 1);
    ck_assert_str_eq(out, "0");
    num_format_int(INT64_MAX, out);
    ck_assert_str_eq(out, "9223372036854775807");
    for (int64_t v = 1, n = 1; n < 19; v *= 10, n++) {
        ck_assert_uint_eq(num_format_int(v, out), (size_t)n);
        ck_assert_uint_eq(num_format_int(-v, out), (size_t)n + 1);
        ck_assert(n == 1 || num_format_int(v - 1, out) == (size_t)n - 1);
    }
}
END_TEST

START_TEST(writes)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {{0.0, "0.0"},
                {-0.0, "-0.0"},
                {1, "1.0"},
                {-1.5, "-1.5"},
                {0.1, "0.1"},
                {0.0001, "0.0001"},
                {0.00001, "1e-05"},
                {1.5e-7, "1.5e-07"},
                {123456.789, "123456.789"},
                {123456789012345.0, "123456789012345.0"},
                {1e15, "1000000000000000.0"},
                {9007199254740991.0, "9007199254740991.0"},
                {9007199254740992.0, "9007199254740992.0"},
                {9999999999999998.0, "9999999999999998.0"},
                {1e16, "1e+16"},
                {1e22, "1e+22"},
                {1e23, "1e+23"},
                {9.5367431640625e-07, "9.5367431640625e-07"},
                {2e-323, "2e-323"},
                {4.9406564584124654e-324, "5e-324"},
                {2.2250738585072014e-308, "2.2250738585072014e-308"},
                {-1.7976931348623157e308, "-1.7976931348623157e+308"},
                {1e100, "1e+100"},
                {NAN, "NaN"},
                {-NAN, "NaN"},
                {INFINITY, "Infinity"},
                {-INFINITY, "-Infinity"}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        char out[NUM_MAX];
        size_t n = num_format(rows[i].v, out);
        ck_assert_str_eq(out, rows[i].text);
        ck_assert_uint_eq(n, strlen(out));
    }
}
END_TEST

/* Every text of every double reads back as the same bits, also where it is longest. */
START_TEST(round_trip)
{
    uint64_t seed = 20260131;
    struct rng r;
    rng_init(&r, seed, 0, 0, STR("num"));
    for (int i = 0; i < 200000; i++) {
        double v = double_of(rng_u64(&r)), again;
        if (isnan(v)) {
            continue;
        }
        char out[NUM_MAX];
        bool integer;
        size_t n = num_format(v, out);
        ck_assert_uint_lt(n, 25);
        ck_assert_ptr_eq(num_parse(out, out + n, &again, &integer), out + n);
        ck_assert_msg(bits_of(again) == bits_of(v), "seed %llu: %s", (unsigned long long)seed, out);
    }
}
END_TEST

/* Neither a comma as decimal point nor another rounding mode changes anything. */
START_TEST(locale_and_rounding_mode_do_not_matter)
{
    static const char tenth[] = "0.1", seven[] = "7.038531e-26";
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    setlocale(LC_ALL, "de_DE.UTF-8");
    for (size_t i = 0; i < TL_COUNT(modes); i++) {
        char out[NUM_MAX];
        double v;
        bool integer;
        fesetround(modes[i]);
        num_parse(tenth, tenth + sizeof tenth - 1, &v, &integer);
        ck_assert_uint_eq(bits_of(v), UINT64_C(0x3fb999999999999a));
        num_parse(seven, seven + sizeof seven - 1, &v, &integer);
        ck_assert_uint_eq(bits_of(v), bits_of(7.038531e-26));
        num_format(double_of(UINT64_C(0x3fb999999999999a)), out);
        ck_assert_str_eq(out, "0.1");
        num_format(5e-324, out);
        ck_assert_str_eq(out, "5e-324");
    }
    fesetround(FE_TONEAREST);
    setlocale(LC_ALL, "C");
}
END_TEST

static void *first_use(void *out)
{
    static const char text[] = "1.2345678901234567e-200";
    bool integer;
    num_parse(text, text + sizeof text - 1, out, &integer);
    return NULL;
}

START_TEST(threads_share_the_first_use)
{
    pthread_t threads[8];
    double v[8];
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, first_use, &v[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(bits_of(v[i]), bits_of(1.2345678901234567e-200));
    }
}
END_TEST

static bool read_time(const char *text, struct tl_time *t)
{
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    bool good = time_parse((struct str){copy, n}, t);
    free(copy);
    return good;
}

START_TEST(reads_instants)
{
    static const struct {
        const char *text;
        int64_t us;
        bool naive;
    } rows[] = {{"1970-01-01T00:00:00.000000+00:00", 0, false},
                {"1970-01-01T00:00:00.000001", 1, true},
                {"1969-12-31T23:59:59.999999Z", -1, false},
                {"2026-01-31T09:30:00.000001+00:00", INT64_C(1769851800000001), false},
                {"2026-01-31T10:30:00.000001+01:00", INT64_C(1769851800000001), false},
                {"2026-01-31 04:00:00.000001-05:30", INT64_C(1769851800000001), false},
                {"2026-01-31T09:30", INT64_C(1769851800000000), true},
                {"2026-01-31T09:30:00.125Z", INT64_C(1769851800125000), false},
                {"2026-01-31T09:30:10+00:00:10.000001", INT64_C(1769851799999999), false},
                {"0001-01-01T00:00:00", INT64_C(-62135596800000000), true},
                {"9999-12-31T23:59:59.999999", INT64_C(253402300799999999), true},
                {"2000-02-29T00:00Z", INT64_C(951782400000000), false}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct tl_time t = {0};
        ck_assert_msg(read_time(rows[i].text, &t), "%s", rows[i].text);
        ck_assert_msg(t.us == rows[i].us && t.set && t.naive == rows[i].naive, "%s: %lld", rows[i].text,
                      (long long)t.us);
    }
}
END_TEST

START_TEST(refuses_no_instants)
{
    static const char *const rows[] = {"",
                                       "2026-01-31",
                                       "2026-01-31T",
                                       "2026-01-31T09",
                                       "2026-01-31T09:3",
                                       "2026-01-31T09:30:6",
                                       "2026-01-31T09:30:60",
                                       "2026-01-31T24:00:00",
                                       "2026-01-31T09:60:00",
                                       "2026-02-29T00:00:00",
                                       "1900-02-29T00:00:00",
                                       "2026-04-31T00:00:00",
                                       "0000-01-01T00:00:00",
                                       "2026-00-01T00:00:00",
                                       "2026-13-01T00:00:00",
                                       "2026-01-00T00:00:00",
                                       "2026-1-31T09:30:00",
                                       "2026-01-31t09:30:00",
                                       "2026-01-31T09:30:00.1",
                                       "2026-01-31T09:30:00.1234567",
                                       "2026-01-31T09:30:00,123456",
                                       "2026-01-31T09:30:00+24:00",
                                       "2026-01-31T09:30:00+0100",
                                       "2026-01-31T09:30:00+01",
                                       "2026-01-31T09:30:00+01:60",
                                       "2026-01-31T09:30:00 ",
                                       "2026-01-31T09:30:00ZZ",
                                       "2026-01-31T09:30:00Z+00:00",
                                       "2026-01-31T09:30:00+",
                                       "+026-01-31T09:30:00",
                                       "2026-01-31T-9:30:00",
                                       "2026-01-31T09:30:00.12345x",
                                       "2026-01-31T09:30:00.x23456",
                                       "2026-01-31T09:30:0x",
                                       "202x-01-31T09:30:00",
                                       "2x26-01-31T09:30:00",
                                       "2026-01-31T09:30:00.000000+00:00\n"};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct tl_time t = {42, false, false};
        ck_assert_msg(!read_time(rows[i], &t), "%s", rows[i]);
        ck_assert(t.us == 42 && !t.set);
    }
}
END_TEST

START_TEST(writes_instants)
{
    static const struct {
        int64_t us;
        bool naive;
        const char *text;
    } rows[] = {{0, false, "1970-01-01T00:00:00.000000+00:00"},
                {-1, true, "1969-12-31T23:59:59.999999"},
                {INT64_C(1769851800000001), false, "2026-01-31T09:30:00.000001+00:00"},
                {INT64_MIN, true, "0001-01-01T00:00:00.000000"},
                {INT64_MAX, false, "9999-12-31T23:59:59.999999+00:00"}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        char out[TIME_MAX];
        size_t n = time_format((struct tl_time){rows[i].us, true, rows[i].naive}, out);
        ck_assert_str_eq(out, rows[i].text);
        ck_assert_uint_eq(n, strlen(out));
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("num");
    tcase_add_loop_test(t, reads, 0, (int)TL_COUNT(numbers));
    tcase_add_loop_test(t, refuses, 0, 16);
    tcase_add_test(t, halfway_with_all_digits);
    tcase_add_test(t, long_texts);
    tcase_add_test(t, whole_numbers);
    tcase_add_test(t, writes);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, locale_and_rounding_mode_do_not_matter);
    tcase_add_test(t, threads_share_the_first_use);
    tcase_add_test(t, reads_instants);
    tcase_add_test(t, refuses_no_instants);
    tcase_add_test(t, writes_instants);
    return check_run("num", t);
}
