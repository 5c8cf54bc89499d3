/* SPDX-License-Identifier: MIT
 *
 * journal/redis_reply.c: replies in any pieces, replies that are none, requests as bytes, and no memory.
 */
#include "journal/redis.h"

#include "support/check_main.h"
#include "support/fail_alloc.h"

#include <stdio.h>

static struct reply_reader *reader;
static struct arena memory;

static void setup(void)
{
    struct tl_err err = TL_ERR_INIT;
    ck_assert_msg(reply_reader_new(&reader, &err) == TL_OK, "%s", err.message);
    reply_reader_use(reader, &memory);
}

static void teardown(void)
{
    reply_reader_free(reader);
    arena_release(&memory);
}

/* Feeds the text `piece` bytes at a time: the reply must come with the last piece. */
static struct reply *feed(struct str text, size_t piece)
{
    struct reply *r = NULL;
    for (size_t at = 0; at < text.n; at += piece) {
        ck_assert_ptr_null(r);
        struct tl_err err = TL_ERR_INIT;
        size_t n = text.n - at < piece ? text.n - at : piece;
        ck_assert_msg(reply_feed(reader, text.p + at, n, &r, &err) == TL_OK, "%s", err.message);
    }
    ck_assert_ptr_nonnull(r);
    return r;
}

START_TEST(replies_in_any_pieces)
{
    const struct str text = STR("*6\r\n:-12\r\n$5\r\na\0b\r\n\r\n$-1\r\n$0\r\n\r\n*2\r\n+OK\r\n-ERR no\r\n*0\r\n");
    for (size_t piece = 1; piece <= text.n; piece++) {
        struct reply *r = feed(text, piece);
        int64_t n = 0;
        ck_assert_int_eq(r->type, REPLY_LIST);
        ck_assert_uint_eq(r->n, 6);
        ck_assert(reply_number(r, 0, &n) && n == -12);
        ck_assert(str_eq(*reply_text(r, 1), (struct str){"a\0b\r\n", 5}));
        ck_assert_int_eq(r->item[2]->type, REPLY_NIL);
        ck_assert_uint_eq(reply_text(r, 3)->n, 0);
        ck_assert_int_eq(r->item[4]->item[0]->type, REPLY_STATUS);
        ck_assert_int_eq(r->item[4]->item[1]->type, REPLY_ERROR);
        ck_assert(str_eq(r->item[4]->item[1]->text, STR("ERR no")));
        ck_assert_uint_eq(r->item[5]->n, 0);
        ck_assert(!reply_number(r, 1, &n) && !reply_number(r, 6, &n));
        ck_assert(!reply_text(r, 0) && !reply_text(r, 2) && !reply_text(r, 6) && !reply_text(r->item[1], 0));
        arena_reset(&memory);
    }
}
END_TEST

START_TEST(what_is_no_reply)
{
    static const char *const texts[] = {"HTTP/1.1 400 Bad Request\r\n", "*x\r\n", ":\r\n", ":1x\r\n", "$-2\r\n", "*1000001\r\n", "*4294967297\r\n",
                                        "*2147483648\r\n", "*-2\r\n", "$99999999999999999999\r\n", "\r\n",
                                        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"};
    for (size_t i = 0; i < TL_COUNT(texts); i++) {
        struct tl_err err = TL_ERR_INIT;
        struct reply *r = NULL;
        int rc = reply_feed(reader, texts[i], strlen(texts[i]), &r, &err);
        ck_assert_msg(rc == TL_EIO || r == NULL, "'%s' is a reply", texts[i]);
        ck_assert_msg(rc == TL_EIO || rc == TL_OK, "'%s': %d %s", texts[i], rc, err.message);
        teardown();
        memory = (struct arena){0};
        setup();
    }
}
END_TEST

START_TEST(requests)
{
    struct buf out = BUF_INIT(1000);
    struct str words[3] = {STR("SET"), {"a\0", 2}, {NULL, 0}};
    ck_assert_int_eq(reply_request(&out, words, 3, NULL), TL_OK);
    ck_assert_uint_eq(out.len, 27);
    ck_assert_int_eq(memcmp(out.data, "*3\r\n$3\r\nSET\r\n$2\r\na\0\r\n$0\r\n\r\n", out.len), 0);
    struct buf small = BUF_INIT(8);
    ck_assert_int_eq(reply_request(&small, words, 3, NULL), TL_ELIMIT);
    buf_release(&out);
    buf_release(&small);
}
END_TEST

START_TEST(without_memory)
{
    const struct str text = STR("*3\r\n:1\r\n$5\r\nhello\r\n*1\r\n+OK\r\n");
    struct fail_alloc f;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct tl_err err = TL_ERR_INIT;
        struct reply *r = NULL;
        struct reply_reader *own = NULL;
        struct arena room = {0};
        fail_alloc_after(&f, n);
        int rc = reply_reader_new(&own, &err);
        if (rc == TL_OK) {
            reply_reader_use(own, &room);
            rc = reply_feed(own, text.p, text.n, &r, &err);
        }
        ck_assert_int_eq(rc, f.failed ? TL_ENOMEM : TL_OK);
        ck_assert(rc != TL_OK || r);
        reply_reader_free(own);
        arena_release(&room);
        failed = f.failed;
        mem_set_hooks(NULL);
        ck_assert_int_eq(f.out, 0);
    }
}
END_TEST

int main(void)
{
    struct tl_err err = TL_ERR_INIT;
    struct reply_reader *probe = NULL;
    if (reply_reader_new(&probe, &err) != TL_OK) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    reply_reader_free(probe);
    TCase *t = tcase_create("redis_reply");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, replies_in_any_pieces);
    tcase_add_test(t, what_is_no_reply);
    tcase_add_test(t, requests);
    tcase_add_test(t, without_memory);
    return check_run("redis_reply", t);
}
