/* SPDX-License-Identifier: MIT
 *
 * model/op*.c: lines of operations, written and read. What Optuna makes of odd lines is compared in
 * op_vs_python.py; here are the promises of op.h.
 */
#include "base/crc32c.h"
#include "model/op_text.h"
#include "numeric/rng.h"
#include "op_same.h"
#include "support/check_main.h"
#include "support/fail_alloc.h"

#include <stdio.h>
#include <time.h>

#define WORKER "6e9a3c1e-6b4a-4a3e-9d57-0c2f5e1a7b10-140000000000000"
#define FLOAT                                                                                          \
    "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0, \"high\": 1.0, " \
    "\"log\": false}}"
#define FLOAT_ESCAPED                                                                                       \
    "{\\\"name\\\": \\\"FloatDistribution\\\", \\\"attributes\\\": {\\\"step\\\": null, \\\"low\\\": 0.0, " \
    "\\\"high\\\": 1.0, \\\"log\\\": false}}"

static struct arena arena;

static void release_arena(void)
{
    arena_release(&arena);
}

static enum op_line decode(const char *line, struct op *op, struct tl_err *err)
{
    return op_decode(str_of(line), &arena, op, err);
}

/* ---- names and checksums ---- */

START_TEST(operations_have_names)
{
    ck_assert_str_eq(op_name(OP_CREATE_STUDY), "create study");
    ck_assert_str_eq(op_name(OP_DISCARD_TRIALS), "discard trials");
    ck_assert_ptr_null(op_name(-1));
    ck_assert_ptr_null(op_name(OP_N_CODES));
}
END_TEST

START_TEST(checksum_is_looked_for_at_the_very_end)
{
    char line[64];
    const char *body = "{\"a\":1";
    uint32_t crc = crc32c(0, body, strlen(body));
    int n = snprintf(line, sizeof line, "%s,\"crc\":\"%08x\"}", body, crc);
    ck_assert_int_eq(op_check_crc((struct str){line, (size_t)n}), 1);
    for (int i = 0; i < (int)strlen(body); i++) { /* any changed byte shows */
        line[i] ^= 1;
        ck_assert_int_eq(op_check_crc((struct str){line, (size_t)n}), 0);
        line[i] ^= 1;
    }
    line[n] = ' ';
    ck_assert_int_eq(op_check_crc((struct str){line, (size_t)n + 1}), -1);
    ck_assert_int_eq(op_check_crc(str_of("{\"a\":1,\"crc\":\"0123456G\"}")), -1);
    ck_assert_int_eq(op_check_crc(str_of("{\"a\":1,\"crc\":\"0123456A\"}")), -1);
    ck_assert_int_eq(op_check_crc(str_of("{\"a\":1,\"crc\":\"01234567\",\"b\":1}")), -1);
    ck_assert_int_eq(op_check_crc(str_of("{\"a\":1}")), -1);
    ck_assert_int_eq(op_check_crc((struct str){NULL, 0}), -1);
}
END_TEST

/* ---- writing ---- */

static const struct tl_time some_time = {INT64_C(1767225600000001), true, false};
#define SOME_TIME "\"2026-01-01T00:00:00.000001+00:00\""

static const struct encoded {
    struct op op;
    const char *line; /* without checksum and closing brace */
} encoded[] = {
    {{.code = OP_CREATE_STUDY,
      .worker = {"w", 1},
      .name = {"s\"\xc3\xa9", 4},
      .directions = (const uint8_t[]){1, 2},
      .n_directions = 2},
     "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"s\\\"\\u00e9\",\"directions\":[1,2]"},
    {{.code = OP_DELETE_STUDY, .worker = {"w", 1}, .target = 7},
     "{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":7"},
    {{.code = OP_STUDY_USER_ATTR,
      .worker = {"w", 1},
      .target = 7,
      .name = {"k", 1},
      .text = {"[1,null]", 8},
      .n = 3},
     "{\"op_code\":2,\"worker_id\":\"w\",\"study_id\":7,\"user_attr\":{\"k\":[1,null]},\"n\":3"},
    {{.code = OP_STUDY_SYSTEM_ATTR, .worker = {"w", 1}, .target = 7, .name = {"k", 1}, .text = {"1", 1}},
     "{\"op_code\":3,\"worker_id\":\"w\",\"study_id\":7,\"system_attr\":{\"k\":1}"},
    {{.code = OP_CREATE_TRIAL,
      .worker = {"w", 1},
      .target = 0,
      .start = {INT64_C(1767225600000001), true, false}},
     "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":" SOME_TIME},
    {{.code = OP_CREATE_TRIAL, .worker = {"w", 1}},
     "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null"},
    {{.code = OP_CREATE_TRIAL,
      .worker = {"w", 1},
      .is_template = true,
      .state = TL_COMPLETE,
      .has_values = true,
      .values = (const double[]){1e-5},
      .n_values = 1,
      .start = {0, true, true},
      .complete = {1, true, false},
      .params =
          (const struct op_param[]){
              {.name = {"x", 1}, .internal = 0.5, .has_value = true, .dist = {FLOAT, sizeof FLOAT - 1}},
              {.name = {"y", 1}, .dist_escaped = true, .dist = {FLOAT_ESCAPED, sizeof FLOAT_ESCAPED - 1}}},
      .n_params = 2,
      .user_attrs = (const struct op_attr[]){{{"u", 1}, {"{}", 2}}, {{"v", 1}, {"\"\"", 2}}},
      .n_user_attrs = 2,
      .reports = (const struct op_report[]){{-1, 1e16}, {2, 3.0}},
      .n_reports = 2},
     "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":\"1970-01-01T00:00:00.000000\","
     "\"state\":1,\"value\":1e-05,"
     "\"values\":null,\"datetime_complete\":\"1970-01-01T00:00:00.000001+00:00\",\"distributions\":{\"x\":"
     "\"" FLOAT_ESCAPED "\",\"y\":\"" FLOAT_ESCAPED
     "\"},\"params\":{\"x\":0.5},\"user_attrs\":{\"u\":{},\"v\":\"\"},\"system_attrs\":{},"
     "\"intermediate_values\":{\"-1\":1e+16,\"2\":3.0}"},
    {{.code = OP_CREATE_TRIAL,
      .worker = {"w", 1},
      .is_template = true,
      .state = TL_WAITING,
      .has_values = true,
      .values = (const double[]){1, 2},
      .n_values = 2},
     "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"state\":4,\"value\":null,"
     "\"values\":[1.0,2.0],"
     "\"distributions\":{},\"params\":{},\"user_attrs\":{},\"system_attrs\":{},\"intermediate_values\":{}"},
    {{.code = OP_TRIAL_PARAM,
      .worker = {"w", 1},
      .target = 9,
      .name = {"x", 1},
      .number = -0.0,
      .text = {FLOAT, sizeof FLOAT - 1}},
     "{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":9,\"param_name\":\"x\",\"param_value_internal\":-0.0,"
     "\"distribution\":\"" FLOAT_ESCAPED "\""},
    {{.code = OP_TRIAL_STATE,
      .worker = {"w", 1},
      .target = 9,
      .state = TL_RUNNING,
      .start = {INT64_C(1767225600000001), true, false}},
     "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":9,\"state\":0,\"values\":null,\"datetime_"
     "start\":" SOME_TIME},
    {{.code = OP_TRIAL_STATE,
      .worker = {"w", 1},
      .target = 9,
      .state = TL_FAIL,
      .complete = {INT64_C(1767225600000001), true, false},
      .has_values = true},
     "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":9,\"state\":3,\"values\":[],\"datetime_"
     "complete\":" SOME_TIME},
    {{.code = OP_TRIAL_STATE, .worker = {"w", 1}, .target = 9, .state = TL_WAITING},
     "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":9,\"state\":4,\"values\":null"},
    {{.code = OP_TRIAL_REPORT, .worker = {"w", 1}, .target = 9, .step = 3, .number = 1.0 / 3},
     "{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":9,\"step\":3,\"intermediate_value\":0.3333333333333333"},
    {{.code = OP_TRIAL_USER_ATTR,
      .worker = {"w", 1},
      .target = 9,
      .name = {"k", 1},
      .text = {"NaN", 3},
      .n = 12},
     "{\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":9,\"user_attr\":{\"k\":NaN},\"n\":12"},
    {{.code = OP_TRIAL_SYSTEM_ATTR, .worker = {"w", 1}, .target = 9, .name = {"", 0}, .text = {"1", 1}},
     "{\"op_code\":9,\"worker_id\":\"w\",\"trial_id\":9,\"system_attr\":{\"\":1}"},
    {{.code = OP_DISCARD_TRIALS, .worker = {"w", 1}}, "{\"op_code\":10,\"worker_id\":\"w\""},
};

START_TEST(lines_have_optunas_form)
{
    const struct encoded *e = &encoded[_i];
    struct buf b = BUF_INIT(1 << 20);
    buf_add_text(&b, "before");
    ck_assert_int_eq(op_encode(&e->op, &b), TL_OK);
    struct str line = {b.data + 6, b.len - 7};
    ck_assert_int_eq(b.data[b.len - 1], '\n');
    ck_assert_int_eq(op_check_crc(line), 1);
    b.data[b.len - 1 - OP_CRC_SUFFIX] = '\0';
    ck_assert_str_eq(line.p, e->line);
    b.data[b.len - 1 - OP_CRC_SUFFIX] = ',';

    struct op again;
    ck_assert_int_eq(op_decode(line, &arena, &again, NULL), OP_LINE_OK);
    struct op expected = e->op;
    if (e->op.code == OP_CREATE_STUDY || e->op.code == OP_DISCARD_TRIALS) { /* no target of their own */
        expected.target = -1;
    }
    ck_assert(op_same_meaning(&expected, &again, &arena));
    buf_release(&b);
}
END_TEST

START_TEST(operations_without_a_line_are_refused)
{
    struct op good = {.code = OP_TRIAL_STATE, .worker = STR("w"), .state = TL_COMPLETE, .complete = some_time};
    struct op bad[] = {good, good, good, good, good, good};
    bad[0].odd = "odd";
    bad[1].worker.p = NULL;
    bad[2].complete.set = false;
    bad[3].state = TL_RUNNING;
    bad[4].state = -1;
    bad[5].code = OP_N_CODES;
    struct buf b = BUF_INIT(1 << 20);
    ck_assert_int_eq(op_encode(&good, &b), TL_OK);
    size_t len = b.len;
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        ck_assert_int_eq(op_encode(&bad[i], &b), TL_EINVAL);
    }
    ck_assert_uint_eq(b.len, len);
    ck_assert_int_eq(b.failed, 0);
    buf_release(&b);
}
END_TEST

START_TEST(a_full_buffer_stays_as_it_was)
{
    const struct op *op = &encoded[6].op;
    struct buf whole = BUF_INIT(1 << 20);
    ck_assert_int_eq(op_encode(op, &whole), TL_OK);
    for (size_t max = 1; max < whole.len; max++) {
        struct buf b = BUF_INIT(max);
        buf_add_char(&b, 'x');
        ck_assert_int_eq(op_encode(op, &b), TL_ELIMIT);
        ck_assert_uint_eq(b.len, 1);
        buf_release(&b);
    }
    buf_release(&whole);
}
END_TEST

/* ---- reading ---- */

#define OK OP_LINE_OK
static const struct read {
    const char *line;
    enum op_line how;
    const char *odd; /* op->odd, or the message of an odd or broken line; NULL: none */
    int code;
    int64_t target;
} reads[] = {
    {"{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":3}", OK, NULL, 1, 3},
    {" { \"study_id\" : 3 , \"worker_id\":\"w\", \"op_code\" :\t1 }\r", OK, NULL, 1, 3},
    {"\xef\xbb\xbf{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":3}", OK, NULL, 1, 3},
    {"{\"op_code\":4,\"x\":[1,{\"op_code\":5}],\"op_code\":1,\"worker_id\":\"torn\",\"study_id\":4294967295}",
     OK, NULL, 1, 4294967295},
    {"{\"\\u006fp_code\":1.0,\"worker_id\":null,\"study_id\":true}", OK, NULL, 1, 1},
    {"{\"op_code\":1,\"study_id\":2.5}", OK, NULL, 1, -1},
    {"{\"op_code\":1,\"study_id\":-2}", OK, NULL, 1, -1},
    {"{\"op_code\":1,\"study_id\":\"0\"}", OK, NULL, 1, -1},
    {"{\"op_code\":1,\"study_id\":1e300}", OK, NULL, 1, -1},
    {"{\"op_code\":1,\"study_id\":123456789012345678901234567890}", OK, NULL, 1, -1},
    {"{\"op_code\":1,\"study_id\":null}", OK, NULL, 1, -1},
    {"{\"op_code\":10}", OK, NULL, 10, -1},
    /* every Optuna raises at once */
    {"[]", OP_LINE_ODD, "not an object", OP_N_CODES, -1},
    {"17", OP_LINE_ODD, "not an object", OP_N_CODES, -1},
    {"{}", OP_LINE_ODD, "'op_code' is missing", OP_N_CODES, -1},
    {"{\"op_code\":11}", OP_LINE_ODD, "'op_code' is no known operation", OP_N_CODES, -1},
    {"{\"op_code\":-1}", OP_LINE_ODD, "'op_code' is no known operation", OP_N_CODES, -1},
    {"{\"op_code\":\"1\"}", OP_LINE_ODD, "'op_code' is no known operation", OP_N_CODES, -1},
    {"{\"op_code\":1,\"worker_id\":\"w\"}", OP_LINE_ODD, "'study_id' is missing", 1, -1},
    {"{\"op_code\":5,\"worker_id\":\"w\",\"study_id\":1}", OP_LINE_ODD, "'trial_id' is missing", 5, -1},
    {"{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":[1]}", OP_LINE_ODD, "'trial_id' is a list or an object",
     5, -1},
    /* it raises when it gets there */
    {"{\"op_code\":0,\"worker_id\":\"w\",\"directions\":[1]}", OK, "'study_name' is missing", 0, -1},
    {"{\"op_code\":0,\"study_name\":7,\"directions\":[1]}", OK, "'study_name' is no text", 0, -1},
    {"{\"op_code\":0,\"study_name\":\"s\"}", OK, "'directions' is missing", 0, -1},
    {"{\"op_code\":0,\"study_name\":\"s\",\"directions\":[3]}", OK, "'directions' holds what is no direction",
     0, -1},
    {"{\"op_code\":0,\"study_name\":\"s\",\"directions\":1}", OK, "'directions' is no list of directions", 0,
     -1},
    {"{\"op_code\":0,\"study_name\":\"s\",\"directions\":\"\"}", OK, NULL, 0, -1},
    {"{\"op_code\":0,\"study_name\":\"s\",\"directions\":{ }}", OK, NULL, 0, -1},
    {"{\"op_code\":2,\"study_id\":0}", OK, "'user_attr' is missing", 2, 0},
    {"{\"op_code\":3,\"study_id\":0,\"system_attr\":{}}", OK, "'system_attr' does not have exactly one key", 3,
     0},
    {"{\"op_code\":8,\"trial_id\":0,\"user_attr\":{\"a\":1,\"b\":2}}", OK,
     "'user_attr' does not have exactly one key", 8, 0},
    {"{\"op_code\":8,\"trial_id\":0,\"user_attr\":{\"a\":1,\"\\u0061\":2}}", OK, NULL, 8, 0},
    {"{\"op_code\":9,\"trial_id\":0,\"system_attr\":\"a\"}", OK, "'system_attr' is no object", 9, 0},
    {"{\"op_code\":4,\"study_id\":0,\"datetime_start\":null}", OK, "'worker_id' is missing", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0}", OK, "'datetime_start' is missing", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":5}", OK,
     "'datetime_start' is no instant", 4, 0},
    {"{\"op_code\":4,\"worker_id\":5,\"study_id\":0,\"datetime_start\":null,\"datetime_complete\":null}", OK,
     "'datetime_complete' is no instant", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"value\":1,\"values\":[]}", OK,
     "'value' and 'values' are both given", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"params\":{\"x\":1}}", OK,
     "'params' has a name without distribution", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"distributions\":{\"x\":1}}",
     OK, "'distributions' is no text", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"distributions\":[]}", OK,
     "'distributions' is no object", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"params\":null}", OK,
     "'params' is no object", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"intermediate_values\":[]}",
     OK, "'intermediate_values' is no object", 4, 0},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"intermediate_values\":{\"1."
     "0\":1}}",
     OK, "'intermediate_values' has a step that is no whole number", 4, 0},
    {"{\"op_code\":5,\"trial_id\":0}", OK, "'param_name' is missing", 5, 0},
    {"{\"op_code\":5,\"trial_id\":0,\"param_name\":\"x\"}", OK, "'param_value_internal' is missing", 5, 0},
    {"{\"op_code\":5,\"trial_id\":0,\"param_name\":\"x\",\"param_value_internal\":1}", OK,
     "'distribution' is missing", 5, 0},
    {"{\"op_code\":5,\"trial_id\":0,\"param_name\":\"x\",\"param_value_internal\":1,\"distribution\":{}}", OK,
     "'distribution' is no text", 5, 0},
    {"{\"op_code\":6,\"trial_id\":0,\"values\":null}", OK, "'state' is missing", 6, 0},
    {"{\"op_code\":6,\"trial_id\":0,\"state\":5,\"values\":null}", OK, "'state' is no trial state", 6, 0},
    {"{\"op_code\":6,\"trial_id\":0,\"state\":4}", OK, "'values' is missing", 6, 0},
    {"{\"op_code\":6,\"trial_id\":0,\"state\":4,\"values\":1}", OK, "'values' is no list", 6, 0},
    {"{\"op_code\":6,\"trial_id\":0,\"state\":1,\"values\":null}", OK, "'datetime_complete' is missing", 6, 0},
    {"{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":0,\"state\":0,\"values\":null,\"datetime_start\":null}",
     OK, "'datetime_start' is no instant", 6, 0},
    {"{\"op_code\":6,\"trial_id\":0,\"state\":0,\"values\":null,\"datetime_start\":\"2026-01-01T00:00:00\"}",
     OK, "'worker_id' is missing", 6, 0},
    {"{\"op_code\":7,\"trial_id\":0,\"intermediate_value\":1}", OK, "'step' is missing", 7, 0},
    {"{\"op_code\":7,\"trial_id\":0,\"step\":1}", OK, "'intermediate_value' is missing", 7, 0},
    {"{\"op_code\":7,\"trial_id\":0,\"step\":\"1\",\"intermediate_value\":1}", OK,
     "'step' is no whole number within 64 bits", 7, 0},
    /* no JSON */
    {"", OP_LINE_BROKEN, "", OP_N_CODES, -1},
    {"{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"date", OP_LINE_BROKEN, "", 4, -1},
    {"{\"op_code\":11,\"worker_id\":\"w\"", OP_LINE_BROKEN, "", OP_N_CODES, -1},
    {"{\"op_code\":1,\"worker_id\":\"\x80\",\"study_id\":3}", OP_LINE_BROKEN, "", 1, -1},
    {"{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":3}{", OP_LINE_BROKEN, "", 1, -1},
    {"{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":3,\"crc\":\"00000000\"}", OP_LINE_BROKEN, "checksum", 1,
     -1},
};

START_TEST(lines_read_as_in_optuna)
{
    const struct read *t = &reads[_i];
    struct op op, general;
    struct tl_err err = TL_ERR_INIT;
    enum op_line how = decode(t->line, &op, &err);
    ck_assert_int_eq(how, t->how);
    ck_assert_int_eq(op.code, t->code);
    ck_assert_int_eq(op.target, t->target);
    if (how == OP_LINE_BROKEN) {
        ck_assert(err.code == TL_EINVAL || err.code == TL_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(err.message, t->odd));
    } else if (how == OP_LINE_ODD) {
        ck_assert_int_eq(err.code, TL_EINVAL);
        ck_assert_str_eq(err.message, t->odd);
    } else {
        ck_assert_pstr_eq(op.odd, t->odd);
    }
    if (op_check_crc(str_of(t->line)) == -1) {
        ck_assert_int_eq(op_decode_general(str_of(t->line), &arena, &general, NULL), how);
        ck_assert(op_same(&op, &general));
    }
}
END_TEST

START_TEST(usual_lines_take_the_fast_way_and_borrow)
{
    const struct op *op = &encoded[_i].op;
    struct buf b = BUF_INIT(1 << 20);
    struct op fast, general;
    ck_assert_int_eq(op_encode(op, &b), TL_OK);
    struct str line = {b.data, b.len - 1};
    bool rare = op->code == OP_CREATE_STUDY || op->code == OP_DELETE_STUDY || op->code == OP_DISCARD_TRIALS ||
                (op->has_values && op->n_values == 0);
    ck_assert_int_eq(op_decode_fast(line, &arena, &fast), !rare);
    ck_assert_int_eq(op_decode_general(line, &arena, &general, NULL), OP_LINE_OK);
    if (!rare) {
        ck_assert(op_same(&fast, &general));
        ck_assert(fast.worker.p > line.p && fast.worker.p < line.p + line.n);
        ck_assert(!fast.text.p || (fast.text.p > line.p && fast.text.p + fast.text.n <= line.p + line.n));
    }
    buf_release(&b);
}
END_TEST

/* Every byte of every line changed, left out or doubled: both ways must agree. */
START_TEST(both_ways_agree_on_changed_lines)
{
    static const char replacements[] = "\"\\{}[],:0159.-eEnNtfu x\x01\x7f\xc3\n";
    struct buf b = BUF_INIT(1 << 20);
    struct op fast, general;
    ck_assert_int_eq(op_encode(&encoded[_i].op, &b), TL_OK);
    size_t n = b.len - 1 - OP_CRC_SUFFIX + 1; /* without checksum, so that changes get past it */
    b.data[n - 1] = '}';
    char *line = malloc(n + 1);
    for (size_t at = 0; at < n; at++) {
        for (size_t r = 0; r < sizeof replacements + 1; r++) {
            size_t size = n;
            memcpy(line, b.data, n);
            if (r < sizeof replacements - 1) {
                line[at] = replacements[r];
            } else if (r == sizeof replacements) {
                memmove(line + at, line + at + 1, n - at - 1);
                size = n - 1;
            } else {
                memmove(line + at + 1, line + at, n - at);
                size = n + 1;
            }
            if (op_decode_fast((struct str){line, size}, &arena, &fast)) {
                ck_assert_int_eq(op_decode_general((struct str){line, size}, &arena, &general, NULL),
                                 OP_LINE_OK);
                ck_assert_msg(op_same(&fast, &general), "%.*s", (int)size, line);
            }
            arena_reset(&arena);
        }
    }
    free(line);
    buf_release(&b);
}
END_TEST

/* ---- members that hold much ---- */

START_TEST(the_last_of_equal_keys_wins_in_the_place_of_the_first)
{
    struct op op;
    ck_assert_int_eq(
        decode("{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,"
               "\"distributions\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"a\":\"4\"},"
               "\"params\":{\"c\":1,\"a\":2,\"c\":3},"
               "\"user_attrs\":{\"k\":1,\"l\":2,\"k\":[3]},"
               "\"intermediate_values\":{\"5\":1,\" 1_0 \":2,\"+5\":3,\"9223372036854775808\":4,\"-7\":5}}",
               &op, NULL),
        OP_LINE_OK);
    ck_assert_ptr_null(op.odd);
    ck_assert_uint_eq(op.n_params, 3);
    ck_assert(str_eq(op.params[0].name, STR("c")) && op.params[0].has_value && op.params[0].internal == 3);
    ck_assert(str_eq(op.params[1].name, STR("a")) && op.params[1].internal == 2 &&
              str_eq(op.params[1].dist, STR("4")));
    ck_assert(str_eq(op.params[2].name, STR("b")) && !op.params[2].has_value);
    ck_assert_uint_eq(op.n_user_attrs, 2);
    ck_assert(str_eq(op.user_attrs[0].json, STR("[3]")) && str_eq(op.user_attrs[1].json, STR("2")));
    ck_assert_uint_eq(op.n_reports, 3);
    ck_assert(op.reports[0].step == 5 && op.reports[0].value == 3);
    ck_assert(op.reports[1].step == 10 && op.reports[2].step == -7);
}
END_TEST

START_TEST(many_parameters_attributes_and_reports)
{
    enum { N = 20000 };
    struct buf b = BUF_INIT(1 << 24);
    struct op op;
    buf_add_text(
        &b, "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"distributions\":{");
    for (int i = 0; i < 2 * N; i++) {
        buf_printf(&b, "%s\"p%d\":\"%d\"", i ? "," : "", i % N, i);
    }
    buf_add_text(&b, "},\"params\":{");
    for (int i = 2 * N; i-- > 0;) {
        buf_printf(&b, "\"p%d\":%d%s", i / 2, i, i ? "," : "");
    }
    buf_add_text(&b, "},\"user_attrs\":{");
    for (int i = 0; i < 2 * N; i++) {
        buf_printf(&b, "%s\"%d\":%d", i ? "," : "", i % N, i);
    }
    buf_add_text(&b, "},\"intermediate_values\":{");
    for (int i = 0; i < 2 * N; i++) {
        buf_printf(&b, "%s\"%d\":%d", i ? "," : "", i % N, i);
    }
    buf_add_text(&b, "}}");
    ck_assert_int_eq(op_decode((struct str){b.data, b.len}, &arena, &op, NULL), OP_LINE_OK);
    ck_assert_ptr_null(op.odd);
    ck_assert_uint_eq(op.n_params, N);
    ck_assert_uint_eq(op.n_user_attrs, N);
    ck_assert_uint_eq(op.n_reports, N);
    for (int i = 0; i < N; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", i + N);
        ck_assert(op.reports[i].step == i && op.reports[i].value == i + N);
        ck_assert(str_eq(op.user_attrs[i].json, (struct str){text, (size_t)n}));
        n = snprintf(text, sizeof text, "p%d", N - 1 - i);
        ck_assert(str_eq(op.params[i].name, (struct str){text, (size_t)n}) &&
                  op.params[i].internal == 2 * (N - 1 - i));
    }
    buf_release(&b);
}
END_TEST

START_TEST(numbers_in_any_form)
{
    struct op op;
    decode("{\"op_code\":7,\"trial_id\":0,\"step\":3.0,\"intermediate_value\":\"NaN\"}", &op, NULL);
    ck_assert(!op.odd && op.step == 3 && op.number != op.number);
    decode("{\"op_code\":7,\"trial_id\":0,\"step\":true,\"intermediate_value\":\"-1.5e1\"}", &op, NULL);
    ck_assert(!op.odd && op.step == 1 && op.number == -15);
    decode("{\"op_code\":7,\"trial_id\":0,\"step\":-0.0,\"intermediate_value\":null}", &op, NULL);
    ck_assert(!op.odd && op.step == 0 && op.number != op.number);
    decode("{\"op_code\":7,\"trial_id\":0,\"step\":9223372036854775807,\"intermediate_value\":true}", &op,
           NULL);
    ck_assert(!op.odd && op.step == INT64_MAX && op.number == 1);
    decode("{\"op_code\":6,\"trial_id\":0,\"state\":4,\"values\":[1,\"2\",null,[],false,1e400]}", &op, NULL);
    ck_assert(!op.odd && op.n_values == 6 && op.values[0] == 1 && op.values[1] == 2 &&
              op.values[2] != op.values[2]);
    ck_assert(op.values[3] != op.values[3] && op.values[4] == 0 && op.values[5] > 1e308);
}
END_TEST

/* ---- memory ---- */

static const char big_line[] =
    "{\"op_code\":4,\"worker_id\":\"\\u0077\",\"study_id\":0,\"datetime_start\":null,\"state\":1,\"value\":"
    "null,\"values\":[1,2,3,4,5,6,7,8,9],"
    "\"distributions\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\",\"f\":\"\",\"g\":\"\",\"h\":"
    "\"\",\"i\":\"\",\"j\":\"\",\"k\":\"\","
    "\"l\":\"\",\"m\":\"\",\"n\":\"\",\"o\":\"\",\"p\":\"\",\"q\":\"\",\"r\":\"\"},\"params\":{\"r\":1,\"q\":2,"
    "\"\\u0061\":3},"
    "\"user_attrs\":{\"\\u0061\":1},\"system_attrs\":{},\"intermediate_values\":{\"3\":1,\"2\":2,\"1\":3}}";

static const char *const allocating_lines[] = {
    big_line,
    "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"state\":1,\"value\":1.5}",
    "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"distributions\":{\"a\":1}}",
    "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"\\u0073\",\"directions\":[1,2,1,2,1,2,1,2,1,2]}",
    "{\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":0,\"user_attr\":{\"\\u0061\":1,\"\\u0062\":2}}",
    "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":0,\"state\":\"\\u0030\",\"values\":[\"\\u0031\"]}",
    "{\"op_code\":5,\"trial_id\":0,\"param_name\":\"\\u0061\",\"param_value_internal\":\"\\u0031\","
    "\"distribution\":1}",
};

/* The n-th allocation fails, from every place in the arena's first block: so each object is once the first of a block. */
START_TEST(every_allocation_may_fail)
{
    struct fail_alloc f;
    int failures = 0;
    for (size_t before = 0; before < 1024; before += 16) {
        for (long n = 1;; n++) {
            struct arena a = {0};
            struct op op;
            struct tl_err err = TL_ERR_INIT;
            fail_alloc_after(&f, n);
            ck_assert(before == 0 || arena_alloc(&a, before));
            enum op_line how = op_decode(str_of(allocating_lines[_i]), &a, &op, &err);
            arena_release(&a);
            mem_set_hooks(NULL);
            ck_assert_int_eq(f.out, 0);
            ck_assert(how == OP_LINE_OK || (how == OP_LINE_BROKEN && err.code == TL_ENOMEM && f.failed));
            failures += how == OP_LINE_BROKEN;
            if (!f.failed) {
                break;
            }
        }
    }
    ck_assert_int_gt(failures, 0);
}
END_TEST

/* ---- random operations ---- */

static struct str some_bytes(struct rng *r)
{
    static const char *const pieces[] = {
        "", "x", "lr", "\"", "\\", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\n", "\x7f", "abc"};
    size_t n = rng_below(r, 5);
    char *p = arena_alloc(&arena, 40), *end = p;
    for (size_t i = 0; i < n; i++) {
        const char *piece = pieces[rng_below(r, TL_COUNT(pieces))];
        memcpy(end, piece, strlen(piece));
        end += strlen(piece);
    }
    return (struct str){p, (size_t)(end - p)};
}

static double some_double(struct rng *r)
{
    uint64_t bits = rng_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return rng_below(r, 2) ? v : (double)(int64_t)rng_below(r, 1000) / 8;
}

static struct tl_time some_instant(struct rng *r)
{
    return (struct tl_time){(int64_t)rng_below(r, UINT64_C(4000000000000000)), true, rng_below(r, 2) == 0};
}

static struct op some_op(struct rng *r)
{
    static const char *const values[] = {"null", "1",        "[1,{\"a\":\"\\u00e9\"}]", "\"x\"", "NaN",
                                         "{}",   "\"a\\\\\""};
    struct op op = {.code = (enum op_code)rng_below(r, OP_N_CODES),
                    .worker = some_bytes(r),
                    .n = rng_u64(r) >> rng_below(r, 64) >> 1};
    if (op.code != OP_CREATE_STUDY && op.code != OP_DISCARD_TRIALS) {
        op.target = (int64_t)rng_below(r, 1u << 30);
    } else {
        op.target = -1;
    }
    switch (op.code) {
    case OP_CREATE_STUDY: {
        uint8_t *d = arena_alloc(&arena, 4);
        op.name = some_bytes(r);
        op.n_directions = rng_below(r, 4);
        for (size_t i = 0; i < op.n_directions; i++) {
            d[i] = (uint8_t)rng_below(r, 3);
        }
        op.directions = d;
        break;
    }
    case OP_STUDY_USER_ATTR:
    case OP_STUDY_SYSTEM_ATTR:
    case OP_TRIAL_USER_ATTR:
    case OP_TRIAL_SYSTEM_ATTR:
        op.name = some_bytes(r);
        op.text = str_of(values[rng_below(r, TL_COUNT(values))]);
        break;
    case OP_TRIAL_PARAM:
        op.name = some_bytes(r);
        op.number = some_double(r);
        op.text_escaped = rng_below(r, 2);
        op.text = op.text_escaped ? STR(FLOAT_ESCAPED) : some_bytes(r);
        break;
    case OP_TRIAL_REPORT:
        op.step = (int64_t)rng_u64(r) >> rng_below(r, 64);
        op.number = some_double(r);
        break;
    case OP_CREATE_TRIAL:
        op.is_template = rng_below(r, 2);
        if (rng_below(r, 2)) {
            op.start = some_instant(r);
        }
        if (!op.is_template) {
            break;
        }
        if (rng_below(r, 2)) {
            op.complete = some_instant(r);
        }
        /* fall through */
    case OP_TRIAL_STATE: {
        double *v = arena_alloc(&arena, 10 * sizeof *v);
        op.state = (int)rng_below(r, TL_N_STATES);
        if (op.code == OP_TRIAL_STATE && op.state == TL_RUNNING) {
            op.start = some_instant(r);
        }
        if (op.code == OP_TRIAL_STATE && TL_STATE_IS_FINISHED(op.state)) {
            op.complete = some_instant(r);
        }
        op.has_values = rng_below(r, 2);
        op.n_values = op.has_values ? rng_below(r, 10) : 0;
        for (size_t i = 0; i < op.n_values; i++) {
            v[i] = some_double(r);
        }
        op.values = v;
        break;
    }
    default: break;
    }
    return op;
}

START_TEST(what_is_written_reads_back)
{
    const char *given = getenv("TRIALOG_SEED");
    unsigned long long seed = given ? strtoull(given, NULL, 10) : (unsigned long long)time(NULL);
    struct rng r;
    struct buf b = BUF_INIT(1 << 20);
    printf("what_is_written_reads_back: TRIALOG_SEED=%llu\n", seed);
    rng_init(&r, seed, 0, 0, STR("op"));
    for (int i = 0; i < 20000; i++) {
        struct op op = some_op(&r), again;
        buf_clear(&b);
        ck_assert_int_eq(op_encode(&op, &b), TL_OK);
        ck_assert_int_eq(op_decode((struct str){b.data, b.len - 1}, &arena, &again, NULL), OP_LINE_OK);
        ck_assert_msg(op_same_meaning(&op, &again, &arena), "%.*s", (int)b.len, b.data);
        ck_assert_ptr_null(memchr(b.data, '\n', b.len - 1));
        arena_reset(&arena);
    }
    buf_release(&b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("op");
    tcase_add_checked_fixture(t, NULL, release_arena);
    tcase_add_test(t, operations_have_names);
    tcase_add_test(t, checksum_is_looked_for_at_the_very_end);
    tcase_add_loop_test(t, lines_have_optunas_form, 0, TL_COUNT(encoded));
    tcase_add_test(t, operations_without_a_line_are_refused);
    tcase_add_test(t, a_full_buffer_stays_as_it_was);
    tcase_add_loop_test(t, lines_read_as_in_optuna, 0, TL_COUNT(reads));
    tcase_add_loop_test(t, usual_lines_take_the_fast_way_and_borrow, 0, TL_COUNT(encoded));
    tcase_add_loop_test(t, both_ways_agree_on_changed_lines, 0, TL_COUNT(encoded));
    tcase_add_test(t, the_last_of_equal_keys_wins_in_the_place_of_the_first);
    tcase_add_test(t, many_parameters_attributes_and_reports);
    tcase_add_test(t, numbers_in_any_form);
    tcase_add_loop_test(t, every_allocation_may_fail, 0, TL_COUNT(allocating_lines));
    tcase_add_test(t, what_is_written_reads_back);
    return check_run("op", t);
}
