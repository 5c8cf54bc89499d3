/* SPDX-License-Identifier: MIT
 *
 * journal/file_heal.c: every cut of every kind of line becomes one valid JSON line that means nothing.
 */
#include "base/json.h"
#include "journal/file_heal.h"

#include "support/check_main.h"
#include "support/op_lines.h"

#include <stdio.h>

static enum heal_verdict heal_in_pieces(const char *text, size_t n, size_t piece, struct buf *out)
{
    struct heal h = {0};
    for (size_t at = 0; at < n; at += piece) {
        heal_feed(&h, text + at, n - at < piece ? n - at : piece);
    }
    return heal_end(&h, out);
}

/* The line is one JSON object in valid UTF-8, and the last member of each name is that of the operation without effect. */
static void assert_noop(struct str line)
{
    struct json j = JSON_OF(line.p, line.n);
    struct arena a = {0};
    struct str key, worker = {NULL, 0};
    struct tl_err err = TL_ERR_INIT;
    int64_t code = -1, study = -1;
    bool first = true;
    int rc;
    ck_assert(json_utf8_valid(line));
    ck_assert_int_eq(json_open(&j, '{', &err), TL_OK);
    while ((rc = json_next_key(&j, &first, &a, &key, &err)) > 0) {
        struct json value = j;
        ck_assert_msg(json_skip(&j, NULL, &err) == TL_OK, "%s in %.*s", err.message, (int)line.n, line.p);
        /* Earlier members of these names may hold anything: the last one counts. */
        if (str_eq(key, STR("op_code")) && json_integer(&value, &code, &err) != TL_OK) {
            code = -1;
        } else if (str_eq(key, STR("study_id")) && json_integer(&value, &study, &err) != TL_OK) {
            study = -1;
        } else if (str_eq(key, STR("worker_id")) && json_string(&value, &a, &worker, &err) != TL_OK) {
            worker.n = 0;
        }
    }
    ck_assert_msg(rc == 0, "%s in %.*s", err.message, (int)line.n, line.p);
    ck_assert_int_eq(json_finish(&j, &err), TL_OK);
    ck_assert_int_eq(code, 1);
    ck_assert_int_eq(study, 4294967295);
    ck_assert(str_eq(worker, STR("torn-tail-repair")));
    arena_release(&a);
}

START_TEST(every_cut_of_every_line)
{
    struct buf line = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
    long cuts = 0;
    for (size_t i = 0; i < TL_COUNT(op_lines); i++) {
        size_t n = strlen(op_lines[i]);
        for (size_t cut = 0; cut <= n; cut++) {
            buf_clear(&line);
            buf_add(&line, op_lines[i], cut);
            enum heal_verdict how = heal_in_pieces(op_lines[i], cut, 4096, &line);
            for (size_t piece = 1; piece <= 3; piece++) {
                buf_clear(&again);
                buf_add(&again, op_lines[i], cut);
                ck_assert_int_eq(heal_in_pieces(op_lines[i], cut, piece, &again), how);
                ck_assert_uint_eq(again.len, line.len);
                ck_assert_int_eq(memcmp(again.data, line.data, line.len), 0);
            }
            ck_assert_int_eq(line.data[line.len - 1], '\n');
            ck_assert_ptr_null(memchr(line.data, '\n', line.len - 1));
            if (cut == n) {
                ck_assert_int_eq(how, HEAL_NEWLINE);
                ck_assert_uint_eq(line.len, n + 1);
            } else {
                ck_assert_msg(how == HEAL_COMPLETE, "line %zu, cut %zu", i, cut);
                assert_noop((struct str){line.data, line.len - 1});
                cuts++;
            }
        }
    }
    printf("%ld cuts\n", cuts);
    buf_release(&line);
    buf_release(&again);
}
END_TEST

/* What stands behind a cut must not matter: a healed line is its own proof. Every prefix of a healed line heals again. */
START_TEST(a_completion_torn_again_is_completed_again)
{
    struct buf line = BUF_INIT(1 << 20), twice = BUF_INIT(1 << 20);
    for (size_t i = 0; i < TL_COUNT(op_lines); i++) {
        size_t n = strlen(op_lines[i]);
        for (size_t cut = 1; cut < n; cut += 7) {
            buf_clear(&line);
            buf_add(&line, op_lines[i], cut);
            ck_assert_int_eq(heal_in_pieces(op_lines[i], cut, 4096, &line), HEAL_COMPLETE);
            for (size_t short_cut = cut; short_cut < line.len - 1; short_cut++) {
                buf_clear(&twice);
                buf_add(&twice, line.data, short_cut);
                enum heal_verdict how = heal_in_pieces(line.data, short_cut, 4096, &twice);
                ck_assert_int_eq(how, HEAL_COMPLETE);
                assert_noop((struct str){twice.data, twice.len - 1});
            }
        }
    }
    buf_release(&line);
    buf_release(&twice);
}
END_TEST

START_TEST(whole_objects_get_a_newline)
{
    static const char *const whole[] = {"{}", " {} ", "{\"a\":1}\r", "{\"a\":[{}]}\t \r"};
    for (size_t i = 0; i < TL_COUNT(whole); i++) {
        struct buf out = BUF_INIT(1000);
        ck_assert_int_eq(heal_in_pieces(whole[i], strlen(whole[i]), 1, &out), HEAL_NEWLINE);
        ck_assert_str_eq(buf_cstr(&out), "\n");
        buf_release(&out);
    }
}
END_TEST

START_TEST(rubbish_is_no_beginning)
{
    static const struct str rubbish[] = {
        STR("\0"), STR("\0\0\0\0"), STR("{\"a\":\0"), STR("{\"a\":\"\0"), STR("{\"a\":\"\x1f"), STR("x"), STR("[1"), STR("1"),
        STR("\"a"), STR("null"), STR("\xef\xbb\xbf{"), STR("{a"), STR("{1"), STR("{,"), STR("{\"a\",") , STR("{\"a\" 1"),
        STR("{\"a\"::"), STR("{\"a\":,"), STR("{\"a\":}"), STR("{\"a\":1,}"), STR("{\"a\":1]"), STR("{\"a\":[1}"), STR("{\"a\":[,"),
        STR("{\"a\":[1,]"), STR("{\"a\":1}{"), STR("{\"a\":1}x"), STR("{\"a\":1 2"), STR("{\"a\":tx"), STR("{\"a\":truex"),
        STR("{\"a\":nan"), STR("{\"a\":Na,"), STR("{\"a\":inf"), STR("{\"a\":-i"), STR("{\"a\":-Nan"), STR("{\"a\":+1"), STR("{\"a\":.5"),
        STR("{\"a\":01"), STR("{\"a\":1.e"), STR("{\"a\":1.,"), STR("{\"a\":1e,"), STR("{\"a\":1e+,"), STR("{\"a\":-,"), STR("{\"a\":1.2.3"),
        STR("{\"a\":1e5e"), STR("{\"a\":0x1"), STR("{\"a\":\"\\x"), STR("{\"a\":\"\\u12g"), STR("{\"a\":\"\\U"), STR("{\"a\":'b"),
        STR("{\"a\":\"\x80"), STR("{\"a\":\"\xc0\x80"), STR("{\"a\":\"\xc1"), STR("{\"a\":\"\xc2\""), STR("{\"a\":\"\xe0\x80"),
        STR("{\"a\":\"\xe3\x81\""), STR("{\"a\":\"\xf0\x80"), STR("{\"a\":\"\xf4\x90"), STR("{\"a\":\"\xf5"), STR("{\"a\":\"\xff"),
        STR("{\"a\"\v:"), STR("{\"a\":\\"), STR("{\"\\q"),
    };
    for (size_t i = 0; i < TL_COUNT(rubbish); i++) {
        struct buf out = BUF_INIT(1000);
        ck_assert_msg(heal_in_pieces(rubbish[i].p, rubbish[i].n, 1, &out) == HEAL_RUBBISH, "%.*s", (int)rubbish[i].n, rubbish[i].p);
        ck_assert_uint_eq(out.len, 0);
        buf_release(&out);
    }
}
END_TEST

START_TEST(depth_and_digits_have_limits)
{
    struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    buf_add_text(&text, "{\"a\":");
    for (unsigned i = 1; i < HEAL_DEPTH; i++) {
        buf_add_char(&text, i % 2 ? '[' : '{');
        if (i % 2 == 0) {
            buf_add_text(&text, "\"k\":");
        }
    }
    size_t before = text.len;
    ck_assert_int_eq(heal_in_pieces(text.data, text.len, 4096, &text), HEAL_COMPLETE);
    assert_noop((struct str){text.data, text.len - 1});
    text.len = before;
    buf_add_char(&text, '[');
    ck_assert_int_eq(heal_in_pieces(text.data, text.len, 4096, &out), HEAL_RUBBISH);
    /* Python refuses integers of more than 4,300 digits */
    for (int digits = 4299; digits <= 4302; digits++) {
        buf_clear(&text);
        buf_add_text(&text, "{\"a\":-");
        for (int i = 0; i < digits; i++) {
            buf_add_char(&text, '7');
        }
        buf_clear(&out);
        ck_assert_int_eq(heal_in_pieces(text.data, text.len, 4096, &out), HEAL_COMPLETE);
        ck_assert_int_eq(out.data[0], digits > 4300 ? '.' : ',');
        buf_add_char(&text, ',');
        ck_assert_int_eq(heal_in_pieces(text.data, text.len, 4096, &out), digits > 4300 ? HEAL_RUBBISH : HEAL_COMPLETE);
    }
    buf_release(&text);
    buf_release(&out);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file_heal");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_cut_of_every_line);
    tcase_add_test(t, a_completion_torn_again_is_completed_again);
    tcase_add_test(t, whole_objects_get_a_newline);
    tcase_add_test(t, rubbish_is_no_beginning);
    tcase_add_test(t, depth_and_digits_have_limits);
    return check_run("file_heal", t);
}
