/* SPDX-License-Identifier: MIT
 *
 * cli/figure_terminal.c: from points to cells. The axes fit the points, points and lines lie where they belong, nothing leaves the
 * box whatever its size.
 */
#include "cli/figure.h"
#include "support/check_main.h"

#include <math.h>

static const char *drawn(struct panel *p, int cols, int rows)
{
    static struct buf out;
    struct figure f = {.panels = p, .n_panels = 1};
    struct canvas cv;
    buf_release(&out);
    out = (struct buf)BUF_INIT(1 << 20);
    panel_cover(p);
    ck_assert(canvas_init(&cv, cols, rows, true));
    figure_draw_panel(&f, p, &cv, (struct cell_box){0, 0, cols, rows}, false);
    canvas_write(&cv, COLOURS_NONE, &out);
    canvas_release(&cv);
    return buf_cstr(&out);
}

START_TEST(points_and_a_line)
{
    const double x[] = {0, 1, 2, 3, 4}, y[] = {4, 3, 2, 1, 0}, best[] = {0, 0, 0, 0, 0};
    struct series series[] = {
        {.name = "all", .look = LOOK_MARKS, .tint = TINT_SERIES, .n = 5, .x = x, .y = y},
        {.name = "low", .look = LOOK_LINE, .tint = TINT_SERIES + 1, .n = 5, .x = x, .y = best}};
    struct panel p = {.x = AXIS_INIT, .y = AXIS_INIT, .series = series, .n_series = 2};
    p.x.title = "x";
    p.y.title = "y";
    ck_assert_str_eq(drawn(&p, 32, 12), "y                   O all  - low\n"
                                        "4+**\n"
                                        " |        .\n"
                                        " |       ':\n"
                                        " |               .\n"
                                        "2+              ':\n"
                                        " |                     :.\n"
                                        " |                     '\n"
                                        "0+ ---------------------------**\n"
                                        " +-+-------------+------------+-\n"
                                        "   0             2            4\n"
                                        "                x\n");
}
END_TEST

START_TEST(steps_keep_their_value)
{
    const double x[] = {0, 2, 4}, y[] = {2, 1, 1};
    struct series series[] = {{.look = LOOK_STEPS, .tint = TINT_SERIES, .n = 3, .x = x, .y = y}};
    struct panel p = {.x = AXIS_INIT, .y = AXIS_INIT, .series = series, .n_series = 1};
    ck_assert_str_eq(drawn(&p, 24, 9), "\n"
                                       "  2+*---------|\n"
                                       "   |          |\n"
                                       "1.5+          |\n"
                                       "   |          |\n"
                                       "  1+          *--------*\n"
                                       "   ++---------+--------+\n"
                                       "    0         2        4\n"
                                       "\n");
}
END_TEST

/* A NaN breaks a line; what an axis cannot show is left out. */
START_TEST(gaps)
{
    const double x[] = {1, 2, 3, 4, 5}, y[] = {1, 1, NAN, 1, 1}, odd[] = {1, -1, 10, INFINITY, 100};
    struct series series[] = {{.look = LOOK_LINE, .tint = TINT_SERIES, .n = 5, .x = x, .y = y}};
    struct panel p = {.x = AXIS_INIT, .y = AXIS_INIT, .series = series, .n_series = 1};
    ck_assert(strstr(drawn(&p, 24, 9), "  1+*----*        *----*\n"));
    series[0] = (struct series){.look = LOOK_MARKS, .tint = TINT_SERIES, .n = 5, .x = x, .y = odd};
    p.x = p.y = (struct axis)AXIS_INIT;
    p.y.kind = AXIS_LOG;
    const char *text = drawn(&p, 24, 9);
    int marks = 0;
    for (const char *s = text; *s; s++) {
        marks += *s == '*' || *s == 'O';
    }
    ck_assert_int_ge(marks, 3);
    ck_assert(p.y.low > 0.5 && p.y.high < 200);
}
END_TEST

START_TEST(any_size)
{
    const double x[] = {0, 1e300, -1e300}, y[] = {NAN, 5, -1e-300};
    struct series series[] = {{.name = "a name that is much longer than the panel",
                               .look = LOOK_STEPS,
                               .tint = TINT_SERIES,
                               .n = 3,
                               .x = x,
                               .y = y}};
    for (int cols = 1; cols < 40; cols += 3) {
        for (int rows = 1; rows < 20; rows += 2) {
            struct panel p = {
                .title = "title", .x = AXIS_INIT, .y = AXIS_INIT, .series = series, .n_series = 1};
            const char *text = drawn(&p, cols, rows);
            int lines = 0, width = 0;
            for (const char *s = text; *s; s++) {
                width = *s == '\n' ? 0 : width + 1;
                lines += *s == '\n';
                ck_assert_int_le(width, cols);
            }
            ck_assert_int_eq(lines, rows);
        }
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("figure");
    tcase_add_test(t, points_and_a_line);
    tcase_add_test(t, steps_keep_their_value);
    tcase_add_test(t, gaps);
    tcase_add_test(t, any_size);
    return check_run("figure", t);
}
