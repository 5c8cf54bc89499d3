/* SPDX-License-Identifier: MIT
 *
 * cli/axis.c: places, ticks and numbers for people.
 */
#include "cli/axis.h"
#include "support/check_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct axis made(enum axis_kind kind, double low, double high)
{
    struct axis a = AXIS_INIT;
    a.kind = kind;
    a.fixed = true;
    axis_cover(&a, low);
    axis_cover(&a, high);
    axis_finish(&a);
    return a;
}

/* The ticks' texts, with blanks between. */
static const char *ticks(const struct axis *a, size_t most)
{
    static char text[1024];
    struct tick t[64];
    size_t n = axis_ticks(a, most, t), used = 0;
    text[0] = 0;
    for (size_t i = 0; i < n; i++) {
        struct str s = axis_tick_text(a, &t[i]);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", i ? " " : "", (int)s.n, s.p);
    }
    return text;
}

START_TEST(linear)
{
    struct axis a = made(AXIS_LINEAR, 0, 1);
    ck_assert_str_eq(ticks(&a, 6), "0 0.2 0.4 0.6 0.8 1");
    ck_assert_str_eq(ticks(&a, 3), "0 0.5 1");
    a = made(AXIS_LINEAR, -0.3, 0.31);
    ck_assert_str_eq(ticks(&a, 8), "-0.3 -0.2 -0.1 0 0.1 0.2 0.3");
    a = made(AXIS_LINEAR, 3e-9, 9e-9);
    ck_assert_str_eq(ticks(&a, 5), "4e-09 6e-09 8e-09");
    a = made(AXIS_LINEAR, 0, 3e7);
    ck_assert_str_eq(ticks(&a, 4), "0 1e+07 2e+07 3e+07");
    a = made(AXIS_LINEAR, 1234, 1236);
    ck_assert_str_eq(ticks(&a, 5), "1234 1234.5 1235 1235.5 1236");
    a.whole = true;
    ck_assert_str_eq(ticks(&a, 5), "1234 1235 1236");
    ck_assert_double_eq(axis_place(&a, 1235), 0.5);
    ck_assert_double_eq(axis_value(&a, 0.25), 1234.5);
}
END_TEST

START_TEST(logarithmic)
{
    struct axis a = made(AXIS_LOG, 1e-5, 1e-1);
    ck_assert_str_eq(ticks(&a, 5), "1e-05 0.0001 0.001 0.01 0.1");
    ck_assert_str_eq(ticks(&a, 3), "0.0001 0.01");
    ck_assert_double_eq_tol(axis_place(&a, 1e-3), 0.5, 1e-12);
    ck_assert_double_eq_tol(axis_value(&a, 0.5), 1e-3, 1e-15);
    a = made(AXIS_LOG, 3, 70);
    ck_assert_str_eq(ticks(&a, 8), "5 10 20 50");
    a = made(AXIS_LOG, 11, 13);
    ck_assert_str_eq(ticks(&a, 5), "11 11.5 12 12.5 13");
    ck_assert(!axis_shows(&a, 0));
    ck_assert(!axis_shows(&a, -1));
    ck_assert(axis_shows(&a, 5e-324));
}
END_TEST

START_TEST(by_name)
{
    static const char *const names[] = {"sgd", "adam", "x y"};
    struct axis a = AXIS_INIT;
    a.kind = AXIS_NAMES;
    a.names = names;
    a.n_names = 3;
    axis_finish(&a);
    ck_assert_str_eq(ticks(&a, 5), "sgd adam x y");
    ck_assert_str_eq(ticks(&a, 2), "sgd x y");
    ck_assert_double_eq(axis_place(&a, 1), 0.5);
    ck_assert(axis_place(&a, 0) > 0 && axis_place(&a, 2) < 1);
    ck_assert_int_eq((int)axis_tick_text(&a, &(struct tick){.at = 7}).n, 1);
}
END_TEST

/* Ranges that are no ranges. */
START_TEST(odd_ranges)
{
    struct axis a = AXIS_INIT;
    axis_cover(&a, NAN);
    axis_cover(&a, INFINITY);
    axis_finish(&a);
    ck_assert_str_eq(ticks(&a, 4), "0 0.5 1");
    a = made(AXIS_LINEAR, 7, 7);
    ck_assert_double_eq_tol(axis_place(&a, 7), 0.5, 1e-9);
    a = made(AXIS_LINEAR, 0, 0);
    ck_assert_double_eq_tol(axis_place(&a, 0), 0.5, 1e-9);
    a = made(AXIS_LOG, 100, 100);
    ck_assert_double_eq_tol(axis_place(&a, 100), 0.5, 1e-9);
    a = made(AXIS_LINEAR, -1.7e308, 1.7e308);
    ck_assert_double_eq_tol(axis_place(&a, 0), 0.5, 1e-9);
    ck_assert_str_ne(ticks(&a, 5), "");
    a = made(AXIS_LINEAR, 1, nextafter(1, 2));
    ck_assert(axis_place(&a, 1) == 0 && axis_place(&a, nextafter(1, 2)) == 1);
    ck_assert_str_ne(ticks(&a, 5), "");
    a = made(AXIS_LOG, 5e-324, 1.7e308);
    ck_assert_str_ne(ticks(&a, 5), "");
    ck_assert_uint_eq(axis_ticks(&a, 1, &(struct tick){0}), 0);
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        double v;
        int digits;
        const char *text;
    } cases[] = {{0, 5, "0"},
                 {-0.0, 5, "0"},
                 {1.23456789, 4, "1.235"},
                 {-1200, 3, "-1200"},
                 {1e16, 6, "1e+16"},
                 {123456789, 6, "123456789"},
                 {0.1 + 0.2, 6, "0.3"},
                 {1.5e-7, 6, "1.5e-07"},
                 {NAN, 6, "nan"},
                 {-INFINITY, 6, "-inf"},
                 {999999.9, 6, "1e+06"},
                 {2345678.25, 6, "2345678"},
                 {1234567890.0, 6, "1.23457e+09"},
                 {9.9999999, 3, "10"},
                 {5e-324, 3, "4.94e-324"},
                 {1.7976931348623157e308, 4, "1.798e+308"}};
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        char text[TICK_MAX];
        axis_number(cases[i].v, cases[i].digits, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

/* Whatever the range: ticks are few, ascend, lie inside, and say where they are. */
START_TEST(random_ranges)
{
    unsigned seed = (unsigned)time(NULL);
    struct tick t[32];
    printf("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        double v[2];
        for (int k = 0; k < 2; k++) {
            seed = seed * 1664525u + 1013904223u;
            double size = pow(10, (double)(seed >> 16) / 65536.0 * 40 - 20);
            seed = seed * 1664525u + 1013904223u;
            v[k] = size * ((double)(seed >> 16) / 32768.0 - 1);
        }
        bool log = i % 3 == 0;
        struct axis a = made(log ? AXIS_LOG : AXIS_LINEAR, log ? fabs(v[0]) : v[0], log ? fabs(v[1]) : v[1]);
        size_t most = 2 + (size_t)(i % 20), n = axis_ticks(&a, most, t);
        ck_assert_uint_le(n, most);
        for (size_t k = 0; k < n; k++) {
            double place = axis_place(&a, t[k].at), said = strtod(t[k].text, NULL);
            ck_assert_msg(place > -1e-6 && place < 1 + 1e-6, "%s at %.17g of %.17g to %.17g", t[k].text, place,
                          a.low, a.high);
            ck_assert(k == 0 || t[k].at > t[k - 1].at);
            ck_assert_double_eq_tol(said, t[k].at, fabs(t[k].at) * 1e-12 + 1e-320);
        }
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("axis");
    tcase_add_test(t, linear);
    tcase_add_test(t, logarithmic);
    tcase_add_test(t, by_name);
    tcase_add_test(t, odd_ranges);
    tcase_add_test(t, numbers);
    tcase_add_test(t, random_ranges);
    return check_run("axis", t);
}
