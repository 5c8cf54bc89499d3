/* SPDX-License-Identifier: MIT
 *
 * cli/canvas.c: text, dots and lines as cells, and how they are written.
 */
#include "cli/canvas.h"
#include "support/check_main.h"

#include <math.h>

static struct canvas cv;
static struct buf out;

static void begin(int cols, int rows, bool ascii)
{
    canvas_release(&cv);
    ck_assert(canvas_init(&cv, cols, rows, ascii));
}

static const char *written(enum colours colours)
{
    buf_release(&out);
    out = (struct buf)BUF_INIT(1 << 20);
    canvas_write(&cv, colours, &out);
    return buf_cstr(&out);
}

#define TEXT(s_) ((struct str){(s_), sizeof(s_) - 1})

START_TEST(text)
{
    begin(10, 2, false);
    ck_assert_int_eq(canvas_text(&cv, 1, 0, 9, TEXT("abc"), INK_PLAIN), 3);
    canvas_text_left_of(&cv, 10, 1, 10, TEXT("right"), INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), " abc\n     right\n");
    ck_assert_int_eq(canvas_text(&cv, 0, 0, 5, TEXT("longer than that"), INK_PLAIN), 5);
    canvas_text(&cv, 8, 1, 20, TEXT("over the edge"), INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), "long\xe2\x80\xa6\n     rigov\n");
    /* outside: nothing happens */
    canvas_text(&cv, -3, 5, 9, TEXT("x"), INK_PLAIN);
    canvas_text(&cv, 3, -1, 9, TEXT("x"), INK_PLAIN);
    canvas_put(&cv, 10, 0, 'x', 'x', INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), "long\xe2\x80\xa6\n     rigov\n");
}
END_TEST

START_TEST(no_control_characters)
{
    begin(20, 1, false);
    canvas_text(&cv, 0, 0, 20, TEXT("a\033[31m\n\t\0b\x80\xff\xe2\x80\xae|"), INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_256), "a\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                           "b"
                                           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\n");
    begin(20, 1, true);
    canvas_text(&cv, 0, 0, 20, TEXT("a\033\n\xc3\xa9\xe4\xb8\xad|"), INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), "a????|\n");
}
END_TEST

START_TEST(wide_characters)
{
    ck_assert_int_eq(text_cells(TEXT("a\xe4\xb8\xad"
                                     "e\xcc\x81")),
                     4); /* two cells, and an accent of none */
    begin(6, 1, false);
    ck_assert_int_eq(canvas_text(&cv, 0, 0, 6, TEXT("\xe4\xb8\xad\xe6\x96\x87x"), INK_PLAIN), 5);
    ck_assert_str_eq(written(COLOURS_NONE), "\xe4\xb8\xad\xe6\x96\x87x\n");
    canvas_text(&cv, 1, 0, 1, TEXT("|"), INK_PLAIN); /* the second half of the first one */
    ck_assert_str_eq(written(COLOURS_NONE), " |\xe6\x96\x87x\n");
    canvas_text(&cv, 2, 0, 1, TEXT("|"), INK_PLAIN); /* the first half of the second one */
    ck_assert_str_eq(written(COLOURS_NONE), " || x\n");
    /* what does not fit whole is left out */
    begin(4, 1, false);
    ck_assert_int_eq(canvas_text(&cv, 0, 0, 4, TEXT("\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad"), INK_PLAIN), 3);
    ck_assert_str_eq(written(COLOURS_NONE), "\xe4\xb8\xad\xe2\x80\xa6\n");
}
END_TEST

START_TEST(dots)
{
    begin(2, 1, false);
    for (int y = 0; y < 4; y++) {
        canvas_dot(&cv, 0, y, INK_PLAIN);
    }
    canvas_dot(&cv, 3, 3, INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), "\xe2\xa1\x87\xe2\xa2\x80\n"); /* U+2847, U+2880 */
    canvas_dot(&cv, -1, 0, INK_PLAIN);
    canvas_dot(&cv, 0, -1, INK_PLAIN);
    canvas_dot(&cv, 4, 0, INK_PLAIN);
    canvas_dot(&cv, 0, 4, INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), "\xe2\xa1\x87\xe2\xa2\x80\n");
    canvas_text(&cv, 0, 0, 1, TEXT("T"), INK_PLAIN); /* text hides dots */
    ck_assert_str_eq(written(COLOURS_NONE), "T\xe2\xa2\x80\n");
    begin(5, 1, true);
    canvas_dot(&cv, 0, 0, INK_PLAIN); /* from top to bottom */
    canvas_dot(&cv, 2, 1, INK_PLAIN);
    canvas_dot(&cv, 4, 3, INK_PLAIN);
    for (int y = 0; y < 4; y++) {
        canvas_dot(&cv, 6, y, INK_PLAIN);
    }
    for (int i = 0; i < 8; i++) {
        canvas_dot(&cv, 8 + i % 2, i / 2, INK_PLAIN);
    }
    ck_assert_str_eq(written(COLOURS_NONE), "'*.|#\n");
}
END_TEST

START_TEST(lines)
{
    const struct dot_box all = {0, 0, 8, 8}, part = {2, 2, 4, 4};
    begin(4, 2, false);
    canvas_line(&cv, &all, 0, 0, 7, 7, INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), "\xe2\xa0\x91\xe2\xa2\x84\n  \xe2\xa0\x91\xe2\xa2\x84\n");
    canvas_clear(&cv);
    /* a line far beyond is cut to the box, and costs no more */
    canvas_line(&cv, &part, -1e9, 3, 1e9, 3, INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), " \xe2\xa3\x80\xe2\xa3\x80\n\n");
    canvas_clear(&cv);
    canvas_line(&cv, &part, 0, 0, 8, 0, INK_PLAIN); /* beside the box */
    canvas_line(&cv, &part, NAN, 0, 8, 3, INK_PLAIN);
    canvas_line(&cv, &part, 0, 0, INFINITY, 3, INK_PLAIN);
    ck_assert_str_eq(written(COLOURS_NONE), "\n\n");
    canvas_line(&cv, &part, 3, 3, 3, 3, INK_PLAIN); /* a point */
    ck_assert_str_eq(written(COLOURS_NONE), " \xe2\xa2\x80\n\n");
}
END_TEST

START_TEST(colours)
{
    begin(4, 1, false);
    canvas_text(&cv, 0, 0, 2, TEXT("ab"), INK_FIRST);
    canvas_text(&cv, 2, 0, 1, TEXT("c"), INK_STRONG);
    canvas_fill(&cv, 3, 0, 1, true);
    ck_assert_str_eq(written(COLOURS_16), "\033[0;34mab\033[0;1mc\033[0;43m \033[0m\n");
    ck_assert_str_eq(written(COLOURS_256), "\033[0;38;5;32mab\033[0;1mc\033[0;48;5;220m \033[0m\n");
    ck_assert_str_eq(written(COLOURS_NONE), "abc \n");
    ck_assert_int_eq(ink_shade(-1), INK_SHADE);
    ck_assert_int_eq(ink_shade(NAN), INK_SHADE);
    ck_assert_int_eq(ink_shade(2), INK_SHADE + N_SHADES - 1);
    /* without colours density stands for the share */
    begin(3, 1, true);
    canvas_fill(&cv, 0, 0, 0, false);
    canvas_fill(&cv, 1, 0, 0.5, false);
    canvas_fill(&cv, 2, 0, 5, false);
    ck_assert_str_eq(written(COLOURS_NONE), ".+@\n");
}
END_TEST

START_TEST(sizes)
{
    struct canvas none;
    ck_assert(!canvas_init(&none, 0, 5, false));
    ck_assert(!canvas_init(&none, 5, -1, false));
    ck_assert(!canvas_init(&none, 100000, 100000, false));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("canvas");
    tcase_add_test(t, text);
    tcase_add_test(t, no_control_characters);
    tcase_add_test(t, wide_characters);
    tcase_add_test(t, dots);
    tcase_add_test(t, lines);
    tcase_add_test(t, colours);
    tcase_add_test(t, sizes);
    return check_run("canvas", t);
}
