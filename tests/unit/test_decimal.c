/* SPDX-License-Identifier: MIT
 *
 * model/decimal.c: snapping and counting steps as Python's decimal does. Random cases are compared in
 * dist_vs_python.py; the results here were printed by Python.
 */
#include "model/decimal.h"
#include "support/check_main.h"

#include <float.h>
#include <math.h>

static const struct snap {
    double low, high, step;
    int result;
    double snapped;
} snaps[] = {
    {0, 1, 0.1, 0, 1},
    {0, 1, 0.3, 1, 0.9},
    {0.1, 0.35, 0.1, 1, 0.3},
    {-1.1, 1, 0.25, 1, 0.9},
    {-0.0, 0.05, 0.1, 1, 0.0},
    {0, 0, 0.1, 0, 0},
    {0, 1, 7, 1, 0},
    {-5, -1, 3, 1, -2},
    {1e-300, 1e300, 1e290, 0, 1e300}, /* 28 digits */
    {0, 1e300, 0.1, -1, 0},
    {0, 9e27, 1, 0, 9e27},
    {0, 1e28, 1, -1, 0},
    {0.5, 1e27, 1, 1, 1e27},
    {5e-324, 1, 0.5, 0, 1},
    {-5e-324, 5e-324, 5e-324, 0, 5e-324},
    {0, DBL_MAX, DBL_MAX, 0, DBL_MAX},
    {3.80962152795479e-11, 3.9, 2, 1, 2.000000000038096},
    {0, INFINITY, 1, -1, 0},
    {-INFINITY, 1, 1, -1, 0},
    {INFINITY, INFINITY, NAN, -1, 0},
    {0, 1, INFINITY, -1, 0},
    {1, 1, INFINITY, 0, 1},
};

START_TEST(high_snaps_as_in_python)
{
    const struct snap *s = &snaps[_i];
    double high = s->high;
    int rc = decimal_snap(s->low, s->high, s->step, &high);
    ck_assert_int_eq(rc, s->result);
    if (rc >= 0) {
        ck_assert_double_eq(high, rc ? s->snapped : s->high);
    }
}
END_TEST

START_TEST(nan_stays_nan)
{
    double high = 1;
    ck_assert(decimal_snap(NAN, 1, 0.1, &high) == 1 && isnan(high));
    ck_assert(decimal_snap(0, NAN, 0.1, &high) == 1 && isnan(high));
    ck_assert(decimal_snap(0, 1, NAN, &high) == 1 && isnan(high));
    ck_assert(decimal_snap(-INFINITY, INFINITY, NAN, &high) == 1 && isnan(high));
}
END_TEST

START_TEST(ranges_compare_with_steps)
{
    ck_assert(decimal_narrower(0, 0.3, 0.3000000000000001));
    ck_assert(!decimal_narrower(0, 0.3, 0.3));
    ck_assert(!decimal_narrower(0.1, 0.3, 0.2)); /* in binary 0.3 - 0.1 is below 0.2 */
    ck_assert(decimal_narrower(1, 1, 5e-324));
    ck_assert(decimal_narrower(0, 1, INFINITY));
    ck_assert(!decimal_narrower(0, 1, NAN));
    ck_assert(!decimal_narrower(NAN, 1, 1));
    ck_assert(!decimal_narrower(0, INFINITY, 1));
}
END_TEST

START_TEST(steps_are_counted)
{
    uint64_t n;
    ck_assert(decimal_steps(0, 1, 0.1, &n) && n == 10);
    ck_assert(decimal_steps(0, 0.9, 0.3, &n) && n == 3);
    ck_assert(decimal_steps(5, 5, 0.1, &n) && n == 0);
    ck_assert(decimal_steps(0, 0x1p62, 1, &n) && n == UINT64_C(4611686018427388000)); /* its shortest form */
    ck_assert(!decimal_steps(0, 0x1p63, 1, &n));
    ck_assert(!decimal_steps(0, 1e25, 1, &n));
    ck_assert(!decimal_steps(0, DBL_MAX, 5e-324, &n));
    ck_assert(!decimal_steps(1, 0, 0.1, &n));
    ck_assert(!decimal_steps(0, 1, -0.1, &n));
    ck_assert(!decimal_steps(0, 1, 0, &n));
    ck_assert(!decimal_steps(0, NAN, 1, &n));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("decimal");
    tcase_add_loop_test(t, high_snaps_as_in_python, 0, sizeof snaps / sizeof *snaps);
    tcase_add_test(t, nan_stays_nan);
    tcase_add_test(t, ranges_compare_with_steps);
    tcase_add_test(t, steps_are_counted);
    return check_run("decimal", t);
}
