/* SPDX-License-Identifier: MIT
 *
 * Tests of URLs of storages: what Optuna's users write is taken apart, what is wrong is refused, and no password gets into a message.
 */
#include <check.h>
#include <stdlib.h>

#include "journal/url.h"
#include "support/check_main.h"

/* "scheme|driver|user|password|host|port|path|key=value,…", with - for what is not there. */
static void describe(const struct url *u, struct buf *b)
{
    const char *parts[] = {u->scheme, u->driver, u->user, u->password, u->host};
    for (size_t i = 0; i < TL_COUNT(parts); i++) {
        buf_add_text(b, parts[i] ? parts[i] : "-");
        buf_add_char(b, '|');
    }
    buf_printf(b, "%d|%s|", u->port, u->path ? u->path : "-");
    for (size_t i = 0; i < u->n_options; i++) {
        buf_printf(b, "%s%s=%s", i ? "," : "", u->options[i].key, u->options[i].value);
    }
}

static const struct {
    const char *url, *parts, *shown;
} good[] = {
    {"sqlite:///study.db", "sqlite||-|-|-|-1|study.db|", "sqlite:///study.db"},
    {"sqlite:////data/study.db?timeout=5", "sqlite||-|-|-|-1|/data/study.db|timeout=5", "sqlite:////data/study.db"},
    {"sqlite://", "sqlite||-|-|-|-1|-|", "sqlite://"},
    {"SQLite:///a%20b%25.db", "sqlite||-|-|-|-1|a b%.db|", "sqlite:///a b%.db"},
    {"postgresql://user:pw@host/db?sslmode=require&x", "postgresql||user|pw|host|-1|db|sslmode=require,x=",
     "postgresql://user:***@host/db"},
    {"postgresql+psycopg2://u:p%40%3a%2F@h:5432/d", "postgresql|psycopg2|u|p@:/|h|5432|d|", "postgresql://u:***@h:5432/d"},
    {"postgresql:///db?host=/var/run/postgresql&user=a+b", "postgresql||-|-|-|-1|db|host=/var/run/postgresql,user=a b",
     "postgresql:///db"},
    {"postgresql://a:1,b:2/db", "postgresql||-|-|a:1,b:2|-1|db|", "postgresql://a:1,b:2/db"},
    {"mysql+pymysql://root@[::1]:3306/db", "mysql|pymysql|root|-|::1|3306|db|", "mysql://root@[::1]:3306/db"},
    {"mysql://root:@localhost/", "mysql||root||localhost|-1||", "mysql://root:***@localhost/"},
    {"redis://:secret@host:6379/0?prefix=a%3Ab", "redis|||secret|host|6379|0|prefix=a:b", "redis://:***@host:6379/0"},
    {"rediss://h", "rediss||-|-|h|-1|-|", "rediss://h"},
    {"redis://h:/1", "redis||-|-|h|-1|1|", "redis://h/1"},
    {"redis://u:a@b@h/1#part", "redis||u|a@b|h|-1|1|", "redis://u:***@h/1"},
};

START_TEST(parts)
{
    struct url u;
    struct tl_err err = TL_ERR_INIT;
    struct buf b = BUF_INIT(1000);
    ck_assert_msg(url_parse(good[_i].url, &u, &err) == TL_OK, "%s", err.message);
    describe(&u, &b);
    ck_assert_str_eq(buf_cstr(&b), good[_i].parts);
    buf_clear(&b);
    url_show(&u, &b);
    ck_assert_str_eq(buf_cstr(&b), good[_i].shown);
    buf_clear(&b);
    url_show_text(good[_i].url, &b);
    ck_assert_str_eq(buf_cstr(&b), good[_i].shown);
    buf_release(&b);
    url_release(&u);
    url_release(&u);
}
END_TEST

static const char *const bad[] = {
    "redis://u:TOPSECRET%@h/0", "redis://u:TOPSECRET%4@h/0",    "redis://u:TOPSECRET@h:70000/0",
    "redis://u:TOPSECRET@h:0/", "redis://u:TOPSECRET@h:12a/",   "redis://u:TOPSECRET@[::1/0",
    "redis://u:TOPSECRET@[::1]x/0", "redis://u:TOPSECRET%00@h/", "redis://u:TOPSECRET%ff@h/", "redis://u:TOPSECRET@h/?a=%g0",
    "TOPSECRET",
};

START_TEST(what_is_wrong_is_refused_without_the_password)
{
    struct url u;
    struct tl_err err = TL_ERR_INIT;
    struct buf b = BUF_INIT(1000);
    ck_assert_int_eq(url_parse(bad[_i], &u, &err), TL_EINVAL);
    ck_assert_int_eq(err.code, TL_EINVAL);
    ck_assert_ptr_null(strstr(err.message, "TOPSECRET"));
    url_release(&u);
    url_show_text(bad[_i], &b);
    ck_assert(!strstr(buf_cstr(&b), "TOPSECRET") || strcmp(bad[_i], "TOPSECRET") == 0);
    buf_release(&b);
}
END_TEST

START_TEST(options_are_asked_for)
{
    struct url u;
    ck_assert_int_eq(url_parse("redis://h/0?a=1&b=2&a=3", &u, NULL), TL_OK);
    ck_assert_str_eq(url_option(&u, "a"), "3");
    ck_assert_ptr_null(url_option(&u, "c"));
    ck_assert_str_eq(url_unknown(&u), "b");
    ck_assert_str_eq(url_option(&u, "b"), "2");
    ck_assert_ptr_null(url_unknown(&u));
    url_release(&u);
}
END_TEST

START_TEST(more_options_than_there_is_room_for)
{
    char text[400] = "redis://h/0?";
    struct url u;
    for (int i = 0; i < URL_OPTIONS_MAX; i++) {
        strcat(text, "a=1&");
    }
    ck_assert_int_eq(url_parse(text, &u, NULL), TL_OK);
    ck_assert_uint_eq(u.n_options, URL_OPTIONS_MAX);
    url_release(&u);
    strcat(text, "a=1");
    ck_assert_int_eq(url_parse(text, &u, NULL), TL_EINVAL);
}
END_TEST

START_TEST(what_is_a_path)
{
    ck_assert_uint_eq(url_scheme_length("study.db"), 0);
    ck_assert_uint_eq(url_scheme_length("a:/b"), 0);
    ck_assert_uint_eq(url_scheme_length("/a://b"), 0);
    ck_assert_uint_eq(url_scheme_length("./sqlite://x"), 0);
    ck_assert_uint_eq(url_scheme_length("sqlite:///x"), 6);
    ck_assert_uint_eq(url_scheme_length("mysql+pymysql://x"), 13);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("url");
    tcase_add_loop_test(t, parts, 0, TL_COUNT(good));
    tcase_add_loop_test(t, what_is_wrong_is_refused_without_the_password, 0, TL_COUNT(bad));
    tcase_add_test(t, options_are_asked_for);
    tcase_add_test(t, more_options_than_there_is_room_for);
    tcase_add_test(t, what_is_a_path);
    return check_run("url", t);
}
