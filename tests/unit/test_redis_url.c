/* SPDX-License-Identifier: MIT
 *
 * journal/redis_url.c: what URLs of Redis mean, and what is wrong with them. No message repeats a password.
 */
#include "journal/redis.h"

#include "support/check_main.h"

#include <stdlib.h>

static void parse(const char *text, struct redis_url *u)
{
    struct tl_err err = TL_ERR_INIT;
    int rc = redis_url_parse(text, u, &err);
    ck_assert_msg(rc == TL_OK, "%s: %s", text, err.message);
}

static void refuse(const char *text, const char *part)
{
    struct redis_url u;
    struct tl_err err = TL_ERR_INIT;
    int rc = redis_url_parse(text, &u, &err);
    redis_url_release(&u);
    ck_assert_msg(rc == TL_EINVAL, "%s: %d", text, rc);
    ck_assert_msg(strstr(err.message, part) != NULL, "%s: '%s' has no '%s'", text, err.message, part);
    ck_assert_msg(strstr(err.message, "secret") == NULL, "%s: '%s' shows the password", text, err.message);
}

#define SAME(a, b) ck_assert_pstr_eq((a), (b))

START_TEST(hosts_and_databases)
{
    struct redis_url u;
    parse("redis://", &u);
    SAME(u.address.host, "localhost");
    ck_assert_uint_eq(u.address.port, 6379);
    ck_assert_int_eq(u.db, 0);
    SAME(u.prefix, "");
    SAME(u.user, NULL);
    SAME(u.password, NULL);
    ck_assert(!u.tls);
    redis_url_release(&u);

    parse("redis://example.org:6400/3?prefix=a%20b:%7Btag%7D", &u);
    SAME(u.address.host, "example.org");
    ck_assert_uint_eq(u.address.port, 6400);
    ck_assert_int_eq(u.db, 3);
    SAME(u.prefix, "a b:{tag}");
    SAME(u.where, "example.org:6400");
    redis_url_release(&u);

    parse("redis://[::1]:7000/", &u);
    SAME(u.address.host, "::1");
    ck_assert_uint_eq(u.address.port, 7000);
    SAME(u.where, "[::1]:7000");
    redis_url_release(&u);

    parse("redis://host?db=5", &u);
    ck_assert_int_eq(u.db, 5);
    redis_url_release(&u);
}
END_TEST

START_TEST(who_asks)
{
    struct redis_url u;
    parse("redis://:s%40cret@host", &u);
    SAME(u.user, NULL);
    SAME(u.password, "s@cret");
    SAME(u.where, "host:6379");
    redis_url_release(&u);
    parse("redis://me:secret@host", &u);
    SAME(u.user, "me");
    SAME(u.password, "secret");
    redis_url_release(&u);
    parse("redis://host?username=me&password=secret", &u);
    SAME(u.user, "me");
    SAME(u.password, "secret");
    redis_url_release(&u);
    ck_assert_int_eq(setenv("REDISCLI_AUTH", "from outside", 1), 0);
    parse("redis://host", &u);
    SAME(u.password, "from outside");
    redis_url_release(&u);
    parse("redis://:secret@host", &u);
    SAME(u.password, "secret");
    redis_url_release(&u);
    ck_assert_int_eq(unsetenv("REDISCLI_AUTH"), 0);
}
END_TEST

START_TEST(sockets)
{
    struct redis_url u;
    parse("unix:///run/redis/sock?db=2&prefix=p", &u);
    SAME(u.address.path, "/run/redis/sock");
    SAME(u.where, "/run/redis/sock");
    SAME(u.prefix, "p");
    ck_assert_int_eq(u.db, 2);
    redis_url_release(&u);
    parse("redis+unix://:secret@/run/redis/sock", &u);
    SAME(u.address.path, "/run/redis/sock");
    SAME(u.password, "secret");
    redis_url_release(&u);
}
END_TEST

START_TEST(tls_and_times)
{
    struct redis_url u;
    parse("rediss://host?ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem&socket_timeout=2.5&socket_connect_timeout=1"
          "&hole_timeout=0.25", &u);
    ck_assert(u.tls && u.verify == REDIS_VERIFY_FULL);
    SAME(u.ca_file, "/ca.pem");
    SAME(u.cert_file, "/c.pem");
    SAME(u.key_file, "/k.pem");
    ck_assert_int_eq(u.reply_ms, 2500);
    ck_assert_int_eq(u.connect_ms, 1000);
    ck_assert_int_eq(u.hole_ms, 250);
    redis_url_release(&u);
    parse("rediss://host?ssl_cert_reqs=none", &u);
    ck_assert_int_eq(u.verify, REDIS_VERIFY_NONE);
    redis_url_release(&u);
    parse("rediss://host?ssl_cert_reqs=required&ssl_check_hostname=False", &u);
    ck_assert_int_eq(u.verify, REDIS_VERIFY_NO_NAME);
    redis_url_release(&u);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
    refuse("redis://:secret@host/first", "database");
    refuse("redis://:secret@host/-1", "database");
    refuse("redis://:secret@host/0?prefx=a", "'prefx'");
    refuse("redis://:secret@host:0/0", "port");
    refuse("redis://:secret@a:1,b:2/0", "one host");
    refuse("redis://me@host/0", "without a password");
    refuse("redis://:secret@host?socket_timeout=soon", "socket_timeout");
    refuse("redis://:secret@host?hole_timeout=0", "hole_timeout");
    refuse("redis://:secret@host?ssl_ca_certs=/x", "rediss://");
    refuse("rediss://:secret@host?ssl_cert_reqs=maybe", "ssl_cert_reqs");
    refuse("rediss://:secret@host?ssl_keyfile=/x", "ssl_certfile");
    refuse("unix://:secret@host/path", "unix:///path");
    refuse("unix://", "unix:///path");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("redis_url");
    tcase_add_test(t, hosts_and_databases);
    tcase_add_test(t, who_asks);
    tcase_add_test(t, sockets);
    tcase_add_test(t, tls_and_times);
    tcase_add_test(t, what_is_wrong_is_named);
    return check_run("redis_url", t);
}
