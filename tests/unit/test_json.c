/* SPDX-License-Identifier: MIT
 *
 * base/json.c: each call of the cursor, positions of errors, compact form, strings. json_vs_python.py compares generated
 * documents with Python's json.
 */
#include "base/json.h"
#include "numeric/rng.h"
#include "support/check_main.h"
#include "support/json_rewrite.h"

#include <math.h>
#include <stdlib.h>

static struct arena arena;

static void tear_down(void)
{
    arena_release(&arena);
}

static struct json cursor(const char *text)
{
    return JSON_OF(text, strlen(text));
}

START_TEST(walks_an_object)
{
    struct json j =
        cursor(" { \"op_code\" : 4 , \"values\":[1.5,NaN ,-Infinity], \"n\\u00e4me\":\"a\\nb\", \"none\":null,"
               "\"yes\":true,\"rest\":{\"a\":[[],{}]} } ");
    struct str key, text;
    struct tl_err err = TL_ERR_INIT;
    int64_t whole = 0;
    double v = 0;
    bool first = true, item = true, yes = false;
    ck_assert_int_eq(json_open(&j, '{', &err), 0);
    ck_assert_int_eq(json_next_key(&j, &first, &arena, &key, &err), 1);
    ck_assert(str_eq(key, STR("op_code")));
    ck_assert_int_eq(json_integer(&j, &whole, &err), 0);
    ck_assert_int_eq(whole, 4);
    ck_assert_int_eq(json_next_key(&j, &first, &arena, &key, &err), 1);
    ck_assert_int_eq(json_open(&j, '[', &err), 0);
    ck_assert_int_eq(json_next_item(&j, &item, &err), 1);
    ck_assert_int_eq(json_number(&j, &v, &err), 0);
    ck_assert_double_eq(v, 1.5);
    ck_assert_int_eq(json_next_item(&j, &item, &err), 1);
    ck_assert_int_eq(json_number(&j, &v, &err), 0);
    ck_assert(isnan(v));
    ck_assert_int_eq(json_next_item(&j, &item, &err), 1);
    ck_assert_int_eq(json_number(&j, &v, &err), 0);
    ck_assert(v == -INFINITY);
    ck_assert_int_eq(json_next_item(&j, &item, &err), 0);
    ck_assert_int_eq(json_next_key(&j, &first, &arena, &key, &err), 1);
    ck_assert(str_eq(key, STR("n\xc3\xa4me")));
    ck_assert_int_eq(json_string(&j, &arena, &text, &err), 0);
    ck_assert(str_eq(text, STR("a\nb")));
    ck_assert_int_eq(json_next_key(&j, &first, &arena, &key, &err), 1);
    ck_assert(!json_eat(&j, 'x') && json_peek(&j) == JSON_NULL && json_null(&j) && !json_null(&j));
    ck_assert_int_eq(json_next_key(&j, &first, &arena, &key, &err), 1);
    ck_assert_int_eq(json_bool(&j, &yes, &err), 0);
    ck_assert(yes);
    ck_assert_int_eq(json_next_key(&j, &first, &arena, &key, &err), 1);
    ck_assert_int_eq(json_skip(&j, &text, &err), 0);
    ck_assert(str_eq(text, STR("{\"a\":[[],{}]}")));
    ck_assert_int_eq(json_next_key(&j, &first, &arena, &key, &err), 0);
    ck_assert_int_eq(json_finish(&j, &err), 0);
    ck_assert(json_peek(&j) == JSON_END);
}
END_TEST

START_TEST(plain_strings_are_not_copied)
{
    static const char text[] = "\"h\xc3\xa9llo\"";
    struct json j = cursor(text);
    struct str s;
    ck_assert_int_eq(json_string(&j, &arena, &s, NULL), 0);
    ck_assert_ptr_eq(s.p, text + 1);
    ck_assert_uint_eq(arena.used_total, 0);
}
END_TEST

START_TEST(strings)
{
    static const struct {
        const char *text;
        struct str value; /* p NULL: refused */
    } rows[] = {{"\"\"", STR("")},
                {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", STR("\"\\/\b\f\n\r\t")},
                {"\"\\u0000\"", STR("\0")},
                {"\"\\u20AC\\u20ac\"", STR("\xe2\x82\xac\xe2\x82\xac")},
                {"\"\\ud83d\\ude00\"", STR("\xf0\x9f\x98\x80")},
                {"\"\\ud83d\"", STR("\xed\xa0\xbd")},
                {"\"\\ude00\\ud83d\"", STR("\xed\xb8\x80\xed\xa0\xbd")},
                {"\"\\ud83d\\ud83d\\ude00x\"", STR("\xed\xa0\xbd\xf0\x9f\x98\x80x")},
                {"\"\\ud83dA\\ude00\"", STR("\xed\xa0\xbd"
                                            "A\xed\xb8\x80")},
                {"\"\\ud83d\\n\"", STR("\xed\xa0\xbd\n")},
                {"\"\x7f\"", STR("\x7f")},
                {"\"\xf4\x8f\xbf\xbf\"", STR("\xf4\x8f\xbf\xbf")},
                {"\"", {0}},
                {"\"a", {0}},
                {"\"\\", {0}},
                {"\"\\\"", {0}},
                {"\"\\x\"", {0}},
                {"\"\\u12\"", {0}},
                {"\"\\u12g4\"", {0}},
                {"\"\\u", {0}},
                {"\"\\u123", {0}},
                {"\"\t\"", {0}},
                {"\"\x1f\"", {0}},
                {"\"\x80\"", {0}},
                {"\"\xc0\xaf\"", {0}},
                {"\"\xe0\x9f\xbf\"", {0}},
                {"\"\xf0\x8f\xbf\xbf\"", {0}},
                {"\"\xf4\x90\x80\x80\"", {0}},
                {"\"\xe2\x82\"", {0}},
                {"\"\xe2\x82", {0}},
                {"\"\xff\"", {0}},
                {"x", {0}},
                {"", {0}}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        /* at each distance from a block of 16 bytes */
        for (size_t shift = 0; shift < 18; shift++) {
            size_t n = strlen(rows[i].text);
            char *copy = malloc(n + shift + 1);
            if (n) {
                memset(copy, 'p', shift + 1);
                copy[0] = rows[i].text[0];
                memcpy(copy + 1 + shift, rows[i].text + 1, n - 1);
            }
            struct json j = JSON_OF(copy, n ? n + shift : 0);
            struct str s = STR("old");
            struct tl_err err = TL_ERR_INIT;
            int rc = json_string(&j, &arena, &s, &err);
            if (rows[i].value.p) {
                ck_assert_msg(rc == 0, "%s", rows[i].text);
                ck_assert(s.n == rows[i].value.n + shift);
                ck_assert(memcmp(s.p + shift, rows[i].value.p, rows[i].value.n) == 0);
                ck_assert(j.p == j.end);
            } else {
                ck_assert_msg(rc == TL_EINVAL, "%s", rows[i].text);
                ck_assert(err.code == TL_EINVAL && err.offset == j.p - j.start && str_eq(s, STR("old")));
            }
            free(copy);
            arena_reset(&arena);
        }
    }
}
END_TEST

START_TEST(errors_say_where)
{
    static const struct {
        const char *text, *message;
        int64_t offset;
    } rows[] = {{"", "expected a value at byte 0", 0},
                {"  ", "expected a value at byte 2", 2},
                {"[1,", "expected a value at byte 3", 3},
                {"[1,]", "expected a value at byte 3", 3},
                {"[1 2]", "expected ',' or ']' at byte 3", 3},
                {"{\"a\" 1}", "expected ':' at byte 5", 5},
                {"{1:2}", "expected a string at byte 1", 1},
                {"{\"a\":1,}", "expected a string at byte 7", 7},
                {"{\"a\":1]", "expected ',' or '}' at byte 6", 6},
                {"[tru]", "expected a value at byte 1", 1},
                {"[-]", "expected a number at byte 1", 1},
                {"[\"ab\n\"]", "control character in a string at byte 4", 4},
                {"[\"ab\\x\"]", "bad escape in a string at byte 4", 4},
                {"[\"ab\xff\"]", "invalid UTF-8 in a string at byte 4", 4},
                {"[\"ab", "unfinished string at byte 4", 4},
                {"1 2", "more text behind the value at byte 2", 2},
                {"01", "more text behind the value at byte 1", 1}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct tl_err err = TL_ERR_INIT;
        struct buf out = BUF_INIT(1000);
        buf_add_text(&out, "kept");
        ck_assert_int_eq(json_compact(str_of(rows[i].text), &out, &err), TL_EINVAL);
        ck_assert_str_eq(err.message, rows[i].message);
        ck_assert_int_eq(err.offset, rows[i].offset);
        ck_assert_str_eq(buf_cstr(&out), "kept");
        buf_release(&out);
    }
}
END_TEST

START_TEST(compact_form)
{
    static const struct {
        const char *text, *compact;
    } rows[] = {
        {" 1 ", "1"},
        {"[ ]", "[]"},
        {"\r\n{ }\t", "{}"},
        {"{\"a\" : [ 1 , { \"b\" : null } ] , \"c\" : \"x y\" }", "{\"a\":[1,{\"b\":null}],\"c\":\"x y\"}"},
        {"[1.50, 1E5, -0, 123456789012345678901234567890]", "[1.50,1E5,-0,123456789012345678901234567890]"},
        {"\"\\/\\u0041\\u00E9\"", "\"\\/\\u0041\\u00E9\""},
        {"\"\xc3\xa9\xf0\x9f\x98\x80\xed\xa0\xbd\x7f\"", "\"\\u00e9\\ud83d\\ude00\\ud83d\\u007f\""},
        {"{\"k\xc3\xa9\\\"\":1}", "{\"k\\u00e9\\\"\":1}"},
        {"\"\\\\\xc3\xa9\\\\\"", "\"\\\\\\u00e9\\\\\""}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000);
        ck_assert_int_eq(json_compact(str_of(rows[i].text), &out, NULL), 0);
        ck_assert_str_eq(buf_cstr(&out), rows[i].compact);
        buf_release(&out);
    }
    struct buf small = BUF_INIT(10);
    struct tl_err err = TL_ERR_INIT;
    ck_assert_int_eq(json_compact(STR("[1,2,3,4,5,6,7]"), &small, &err), TL_ELIMIT);
    ck_assert_uint_eq(small.len, 0);
    buf_release(&small);
    struct buf none = BUF_INIT(10);
    ck_assert_int_eq(json_compact((struct str){NULL, 0}, &none, &err), TL_EINVAL);
    buf_release(&none);
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    enum { MANY = 2000 };
    char *text = malloc(2 * MANY + 2);
    for (size_t depth = JSON_MAX_DEPTH - 1; depth <= JSON_MAX_DEPTH + 1; depth++) {
        for (int object = 0; object < 2; object++) {
            size_t n = 0, opened = depth - (size_t)object;
            for (size_t i = 0; i < opened; i++) {
                text[n++] = '[';
            }
            if (object) {
                memcpy(text + n, "{}", 2);
                n += 2;
            }
            for (size_t i = 0; i < opened; i++) {
                text[n++] = ']';
            }
            struct json j = JSON_OF(text, n);
            struct tl_err err = TL_ERR_INIT;
            int want = depth > JSON_MAX_DEPTH ? TL_ELIMIT : 0;
            ck_assert_int_eq(json_skip(&j, NULL, &err), want);
            ck_assert_int_eq(err.code, want);
        }
    }
    memset(text, '[', 2 * MANY);
    struct json j = JSON_OF(text, 2 * MANY);
    ck_assert_int_eq(json_skip(&j, NULL, NULL), TL_ELIMIT);
    free(text);
}
END_TEST

START_TEST(numbers_and_words)
{
    struct tl_err err = TL_ERR_INIT;
    int64_t whole = 5;
    double v = 5;
    bool yes = true;
    static const char *const no_integers[] = {"1.0", "1e5", "9223372036854775808", "true", "\"1\"", "NaN", ""};
    for (size_t i = 0; i < TL_COUNT(no_integers); i++) {
        struct json j = cursor(no_integers[i]);
        ck_assert_int_eq(json_integer(&j, &whole, &err), TL_EINVAL);
        ck_assert_int_eq(whole, 5);
    }
    static const char *const no_numbers[] = {"", "-", "null", "\"1\"", "nan", "+1"};
    for (size_t i = 0; i < TL_COUNT(no_numbers); i++) {
        struct json j = cursor(no_numbers[i]);
        ck_assert_int_eq(json_number(&j, &v, &err), TL_EINVAL);
        ck_assert(v == 5);
    }
    struct json j = cursor("TRUE");
    ck_assert_int_eq(json_bool(&j, &yes, &err), TL_EINVAL);
    ck_assert(json_peek(&j) == JSON_BAD);
    j = cursor(" -9223372036854775808");
    ck_assert_int_eq(json_integer(&j, &whole, &err), 0);
    ck_assert(whole == INT64_MIN);
}
END_TEST

/* Python refuses integers of more than 4,300 digits, not long fractions. */
START_TEST(huge_integers)
{
    static char text[5000];
    double v;
    for (size_t n = 4298; n < 4304; n++) {
        for (size_t sign = 0; sign < 2; sign++) {
            memset(text, '9', n + sign);
            text[0] = sign ? '-' : '9';
            struct json j = JSON_OF(text, n + sign), k = j;
            int want = n > 4300 ? TL_EINVAL : 0;
            ck_assert_int_eq(json_number(&j, &v, NULL), want);
            ck_assert_int_eq(json_skip(&k, NULL, NULL), want);
            memcpy(text + n + sign, ".5", 2);
            j = k = JSON_OF(text, n + sign + 2);
            ck_assert_int_eq(json_number(&j, &v, NULL), 0);
            ck_assert_int_eq(json_skip(&k, NULL, NULL), 0);
        }
    }
}
END_TEST

START_TEST(utf8)
{
    ck_assert(json_utf8_valid((struct str){NULL, 0}));
    ck_assert(json_utf8_valid(STR("plain \"text\"\n\0 and \x7f")));
    ck_assert(json_utf8_valid(STR("\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    ck_assert(json_utf8_valid(STR("\xed\xa0\x80")));
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98",
                                      "\xc3(",
                                      "\xff",
                                      "a long text with an odd byte \xe9 inside"};
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        ck_assert_msg(!json_utf8_valid(str_of(bad[i])), "%zu", i);
    }
}
END_TEST

START_TEST(writers)
{
    struct buf b = BUF_INIT(1000);
    json_put_string(&b, STR("a\"\\/\b\f\n\r\t\0\x1f\x7f\xc3\xa9\xf0\x9f\x98\x80\xed\xa0\xbd"));
    ck_assert_str_eq(buf_cstr(&b),
                     "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\\u00e9\\ud83d\\ude00\\ud83d\"");
    buf_clear(&b);
    json_put_string(&b, STR("\xff"
                            "a\xe2\x82"
                            "b\xc0\x80"));
    ck_assert_str_eq(buf_cstr(&b), "\"\\ufffda\\ufffd\\ufffdb\\ufffd\\ufffd\"");
    buf_clear(&b);
    json_put_string(&b, (struct str){NULL, 0});
    json_put_double(&b, 1e-5);
    json_put_double(&b, -INFINITY);
    json_put_int(&b, INT64_MIN);
    ck_assert_str_eq(buf_cstr(&b), "\"\"1e-05-Infinity-9223372036854775808");
    buf_release(&b);
}
END_TEST

/* Any valid string that is written reads back as the same bytes. */
START_TEST(string_round_trip)
{
    uint64_t seed = 11;
    struct rng r;
    rng_init(&r, seed, 0, 0, STR("json"));
    struct buf b = BUF_INIT(1 << 16), again = BUF_INIT(1 << 16);
    for (int i = 0; i < 20000; i++) {
        static const char *const pieces[] = {
            "a",    "plain text", "\"",       "\\",           "\n",
            "\x01", "\x7f",       "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
        buf_clear(&b);
        buf_clear(&again);
        for (uint64_t n = rng_below(&r, 30); n > 0; n--) {
            buf_add_text(&b, pieces[rng_below(&r, TL_COUNT(pieces))]);
        }
        json_put_string(&again, (struct str){b.data, b.len});
        struct json j = JSON_OF(again.data, again.len);
        struct str s;
        ck_assert_int_eq(json_string(&j, &arena, &s, NULL), 0);
        ck_assert_msg(str_eq(s, (struct str){b.data, b.len}), "seed %llu, round %d", (unsigned long long)seed,
                      i);
        ck_assert_int_eq(json_finish(&j, NULL), 0);
        arena_reset(&arena);
    }
    buf_release(&b);
    buf_release(&again);
}
END_TEST

/* No prefix of a document is accepted, and none is read behind its end. */
START_TEST(prefixes)
{
    static const char text[] =
        "{\"op_code\":4,\"study\":[1.5e-3,true,null,\"h\xc3\xa9\\u00e9\\n\"],\"x\":{\"y\":-Infinity}}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        struct json j = JSON_OF(copy, n), k = j;
        struct buf out = BUF_INIT(1000);
        ck_assert_int_eq(json_skip(&j, NULL, NULL), TL_EINVAL);
        ck_assert_int_eq(json_rewrite(&k, &arena, &out, NULL), TL_EINVAL);
        buf_release(&out);
        free(copy);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("json");
    tcase_add_checked_fixture(t, NULL, tear_down);
    tcase_add_test(t, walks_an_object);
    tcase_add_test(t, plain_strings_are_not_copied);
    tcase_add_test(t, strings);
    tcase_add_test(t, errors_say_where);
    tcase_add_test(t, compact_form);
    tcase_add_test(t, nesting_has_a_limit);
    tcase_add_test(t, numbers_and_words);
    tcase_add_test(t, huge_integers);
    tcase_add_test(t, utf8);
    tcase_add_test(t, writers);
    tcase_add_test(t, string_round_trip);
    tcase_add_test(t, prefixes);
    return check_run("json", t);
}
