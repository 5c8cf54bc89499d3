/* SPDX-License-Identifier: MIT
 *
 * cli/trial_output.c: the value of a trial in what its program prints, by each of the three rules, and the messages for us.
 */
#include "cli/trial_output.h"

#include "base/mem.h"
#include "support/check_main.h"

static struct buf said; /* what the sink was told */

static int on_report(void *ctx, int64_t step, double value)
{
    (void)ctx;
    buf_printf(&said, "report %lld %lld;", (long long)step, (long long)(value * 100));
    return 0;
}
static int on_attr(void *ctx, struct str key, struct str json)
{
    (void)ctx;
    buf_printf(&said, "attr %.*s=%.*s;", (int)key.n, key.p, (int)json.n, json.p);
    return 0;
}
static int on_pruned(void *ctx)
{
    (void)ctx;
    buf_printf(&said, "pruned;");
    return 0;
}
static int on_odd(void *ctx, struct str line)
{
    (void)ctx;
    buf_printf(&said, "odd %.*s;", (int)line.n, line.p);
    return 0;
}
static const struct output_sink sink = {on_report, on_attr, on_pruned, on_odd, NULL};

static double values[4];
static struct tl_err err;

/* Feeds the text in pieces of every length up to 7 and as a whole, and finds the values; all must agree. */
static int values_of(const struct output_rules *rules, const char *text)
{
    int first = 0;
    double kept[4] = {0};
    char heard[500] = "";
    for (size_t piece = 1; piece <= 8; piece++) {
        struct trial_output o;
        size_t n = strlen(text), size = piece == 8 ? n + 1 : piece;
        said = (struct buf)BUF_INIT(1 << 16);
        err = (struct tl_err)TL_ERR_INIT;
        memset(values, 0, sizeof values);
        ck_assert_int_eq(trial_output_init(&o, rules, &sink), 0);
        for (size_t i = 0; i < n; i += size) {
            ck_assert_int_eq(trial_output_feed(&o, text + i, n - i < size ? n - i : size), 0);
        }
        ck_assert_int_eq(trial_output_end(&o), 0);
        int rc = trial_output_values(&o, values, &err);
        if (piece == 1) {
            first = rc;
            memcpy(kept, values, sizeof kept);
            strncat(heard, buf_cstr(&said), sizeof heard - 1);
        }
        ck_assert_int_eq(rc, first);
        ck_assert(rc != 0 || memcmp(kept, values, sizeof kept) == 0);
        ck_assert_str_eq(heard, buf_cstr(&said));
        trial_output_release(&o);
        buf_release(&said);
    }
    return first;
}

START_TEST(last_line)
{
    struct output_rules one = {.rule = VALUE_LAST_LINE, .n_values = 1}, two = {.rule = VALUE_LAST_LINE, .n_values = 2};
    ck_assert(values_of(&one, "0.5\n") == 0 && values[0] == 0.5);
    ck_assert(values_of(&one, "epoch 1\n  -1e-3  \r\n\n  \n") == 0 && values[0] == -1e-3);
    ck_assert(values_of(&one, "7") == 0 && values[0] == 7);
    ck_assert(values_of(&one, ".5") == 0 && values[0] == 0.5);
    ck_assert(values_of(&one, "10%\r20%\r3.25\n") == 0 && values[0] == 3.25);
    ck_assert(values_of(&one, "inf\n") == 0 && values[0] > 1e308);
    ck_assert(values_of(&one, "nan\n") == 0 && values[0] != values[0]);
    ck_assert(values_of(&two, "x\n1 2\n") == 0 && values[0] == 1 && values[1] == 2);
    ck_assert(values_of(&two, "1,\t2\n") == 0 && values[1] == 2);
    ck_assert_int_eq(values_of(&one, ""), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, "\n \n"), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, "0.5\ndone\n"), TL_EINVAL);
    ck_assert_str_eq(err.message, "no value: the last line is no number: 'done'");
    ck_assert_int_eq(values_of(&one, "1 2\n"), TL_EINVAL);
    ck_assert_int_eq(values_of(&two, "1\n"), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, "0x10\n"), TL_EINVAL);
}
END_TEST

START_TEST(json)
{
    struct str fields[] = {STR("loss"), STR("m.acc")};
    struct output_rules one = {.rule = VALUE_JSON, .n_values = 1, .fields = fields};
    struct output_rules two = {.rule = VALUE_JSON, .n_values = 2, .fields = fields};
    struct output_rules acc = {.rule = VALUE_JSON, .n_values = 1, .fields = &fields[1]};
    ck_assert(values_of(&one, "{\"loss\": 0.5}") == 0 && values[0] == 0.5);
    ck_assert(values_of(&one, "{\n  \"loss\":\n 0.5\n}\n") == 0 && values[0] == 0.5);
    ck_assert(values_of(&one, "start\n{\"loss\": 1}\n{\"loss\": 2}\n{broken\ndone\n") == 0 && values[0] == 2);
    ck_assert(values_of(&two, "{\"m\": {\"acc\": 3, \"acc\": 4}, \"loss\": 5}\n") == 0 && values[0] == 5 && values[1] == 4);
    ck_assert(values_of(&acc, "{\"m.acc\": 6, \"m\": {\"acc\": 7}}\n") == 0 && values[0] == 6);
    fields[1] = STR("runs.1.x.y");
    ck_assert(values_of(&acc, "{\"runs\": [1, {\"x.y\": 8}]}\n") == 0 && values[0] == 8);
    fields[1] = STR("1");
    ck_assert(values_of(&acc, "[1, 9]\n") == 0 && values[0] == 9);
    ck_assert_int_eq(values_of(&acc, "[1]\n"), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, "{\"los\": 0.5}"), TL_EINVAL);
    ck_assert_str_eq(err.message, "no value: the JSON output has no field 'loss'");
    ck_assert_int_eq(values_of(&one, "{\"loss\": \"0.5\"}"), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, "{\"loss\": null}"), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, "0.5\n"), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, ""), TL_EINVAL);
    fields[1] = STR("a..b");
    ck_assert(values_of(&acc, "{\"a\": {\"\": {\"b\": 1}}}") == 0);
    fields[1] = STR("a.");
    ck_assert_int_eq(values_of(&acc, "{\"a\": {\"\": 3}}"), TL_EINVAL);
}
END_TEST

START_TEST(patterns)
{
    regex_t re[2];
    struct output_rules one = {.rule = VALUE_PATTERN, .n_values = 1, .patterns = re, .n_patterns = 1};
    struct output_rules two = {.rule = VALUE_PATTERN, .n_values = 2, .patterns = re, .n_patterns = 2};
    struct output_rules groups = {.rule = VALUE_PATTERN, .n_values = 2, .patterns = &re[1], .n_patterns = 1};
    ck_assert_int_eq(regcomp(&re[0], "loss[=:] *([^ ]+)", REG_EXTENDED), 0);
    ck_assert_int_eq(regcomp(&re[1], "^size ([0-9]+) of ([0-9]+)$", REG_EXTENDED), 0);
    ck_assert(values_of(&one, "loss: 3\nx loss=2.5 y\nend\n") == 0 && values[0] == 2.5);
    ck_assert(values_of(&two, "loss: 3\nsize 4 of 5\n") == 0 && values[0] == 3 && values[1] == 4);
    ck_assert(values_of(&groups, "size 4 of 5\n") == 0 && values[0] == 4 && values[1] == 5);
    ck_assert_int_eq(values_of(&one, "nothing\n"), TL_EINVAL);
    ck_assert_int_eq(values_of(&two, "loss: 3\n"), TL_EINVAL);
    ck_assert_int_eq(values_of(&one, "loss: 3\nloss: bad\n"), TL_EINVAL);
    regfree(&re[0]);
    ck_assert_int_eq(regcomp(&re[0], "[0-9]+", REG_EXTENDED), 0);
    ck_assert(values_of(&one, "a 12 b\n") == 0 && values[0] == 12);
    regfree(&re[0]);
    regfree(&re[1]);
}
END_TEST

static const char *heard(const char *text)
{
    static char copy[500];
    struct output_rules rules = {.rule = VALUE_LAST_LINE, .n_values = 1};
    struct trial_output o;
    said = (struct buf)BUF_INIT(1 << 16);
    ck_assert_int_eq(trial_output_init(&o, &rules, &sink), 0);
    ck_assert_int_eq(trial_output_feed(&o, text, strlen(text)), 0);
    ck_assert_int_eq(trial_output_end(&o), 0);
    copy[0] = 0;
    strncat(copy, buf_cstr(&said), sizeof copy - 1);
    trial_output_release(&o);
    buf_release(&said);
    return copy;
}

START_TEST(messages)
{
    struct output_rules one = {.rule = VALUE_LAST_LINE, .n_values = 1};
    ck_assert_str_eq(heard("trialog-report 1 0.5\n  trialog-report  2\t-1\r\ntrialog-report 3 .25"),
                     "report 1 50;report 2 -100;report 3 25;");
    ck_assert_str_eq(heard("trialog-attr k {\"a\": [1, 2]}\ntrialog-attr \"a b\" \"x y\"\ntrialog-attr n  null \n"),
                     "attr k={\"a\": [1, 2]};attr a b=\"x y\";attr n=null;");
    ck_assert_str_eq(heard("trialog-report\ntrialog-report x 1\ntrialog-report 1 y\ntrialog-report -1 2\n"),
                     "odd trialog-report;odd trialog-report x 1;odd trialog-report 1 y;odd trialog-report -1 2;");
    ck_assert_str_eq(heard("trialog-attr\ntrialog-attr k\ntrialog-attr k word\ntrialog-attr k 1 2\ntrialog-attr \"k 1\n"),
                     "odd trialog-attr;odd trialog-attr k;odd trialog-attr k word;odd trialog-attr k 1 2;"
                     "odd trialog-attr \"k 1;");
    ck_assert_str_eq(heard("trialog-pruned\n trialog-pruned \ntrialog-pruned now\n"), "pruned;pruned;");
    ck_assert_str_eq(heard("trialog-reports 1 2\nx trialog-report 1 2\n"), "");
    /* messages are no values */
    ck_assert(values_of(&one, "0.5\ntrialog-report 3 4\ntrialog-attr k 1\n") == 0 && values[0] == 0.5);
}
END_TEST

START_TEST(overlong_output)
{
    struct str field = STR("x");
    struct output_rules line = {.rule = VALUE_LAST_LINE, .n_values = 1};
    struct output_rules object = {.rule = VALUE_JSON, .n_values = 1, .fields = &field};
    static char much[TRIAL_WHOLE_MAX + 100];
    struct trial_output o;
    memset(much, 'z', sizeof much);
    ck_assert_int_eq(trial_output_init(&o, &line, &sink), 0);
    ck_assert_int_eq(trial_output_feed(&o, much, sizeof much), 0);
    ck_assert_int_eq(trial_output_values(&o, values, &err), TL_EINVAL);
    ck_assert_int_eq(trial_output_feed(&o, "\n3\n", 3), 0);
    ck_assert(trial_output_values(&o, values, &err) == 0 && values[0] == 3);
    trial_output_release(&o);
    memset(much, '\n', sizeof much);
    ck_assert_int_eq(trial_output_init(&o, &object, &sink), 0);
    ck_assert_int_eq(trial_output_feed(&o, much, sizeof much), 0);
    ck_assert_int_eq(trial_output_feed(&o, "{\"x\": 1}\n", 9), 0);
    ck_assert(trial_output_values(&o, values, &err) == 0 && values[0] == 1);
    trial_output_release(&o);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("trial_output");
    tcase_add_test(t, last_line);
    tcase_add_test(t, json);
    tcase_add_test(t, patterns);
    tcase_add_test(t, messages);
    tcase_add_test(t, overlong_output);
    return check_run("trial_output", t);
}
