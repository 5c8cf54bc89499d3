/* SPDX-License-Identifier: MIT
 *
 * cli/progress.c: the text of the progress line.
 */
#include "cli/progress.h"

#include "support/check_main.h"

#define S INT64_C(1000000000)

static const char *text(struct progress_facts facts, uint64_t before, int64_t age_ns, size_t width)
{
    static struct buf b;
    buf_release(&b);
    b = (struct buf)BUF_INIT(4096);
    progress_text(&facts, before, age_ns, width, &b);
    return buf_cstr(&b);
}

START_TEST(lines)
{
    struct progress_facts f = {.finished = 0, .total = 200, .running = 4, .best_number = -1};
    ck_assert_str_eq(text(f, 0, 0, 200), "[........................] 0/200  4 running");
    f.finished = 50;
    f.best_number = 31;
    f.best = 0.125;
    ck_assert_str_eq(text(f, 0, 100 * S, 200),
                     "[######..................] 50/200  best 0.125 (#31)  30.0/min  5m00s left  4 running");
    ck_assert_str_eq(text(f, 40, 5 * S, 200),
                     "[######..................] 50/200  best 0.125 (#31)  2.0/s  1m15s left  4 running");
    ck_assert_str_eq(text(f, 40, 5 * S, 30), "[######..................] 50/");
    f.finished = 210;
    ck_assert_str_eq(text(f, 210, 5 * S, 200), "[########################] 210/200  best 0.125 (#31)  4 running");
    f.total = 0;
    f.best_number = -1;
    f.n_front = 3;
    ck_assert_str_eq(text(f, 0, 3600 * 105 * S, 200), "210 trials  3 on the front  2.0/h  4 running");
}
END_TEST

START_TEST(durations)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{0, "0.0s"}, {1290000000, "1.2s"}, {59 * S, "59.0s"}, {65 * S, "1m05s"}, {3600 * S, "1h00m"},
                 {7265 * S, "2h01m"}, {90000 * S, "1d01h"}};
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct buf b = BUF_INIT(100);
        progress_duration(cases[i].ns, &b);
        ck_assert_str_eq(buf_cstr(&b), cases[i].text);
        buf_release(&b);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("progress");
    tcase_add_test(t, lines);
    tcase_add_test(t, durations);
    return check_run("progress", t);
}
