/* SPDX-License-Identifier: MIT
 *
 * Byte sequences in pieces: what was written comes out again however it is cut, with the checksum of all of it; what is missing is noticed.
 */
#include "base/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "support/check_main.h"

#define MOST 5000

static char bytes[MOST], came[MOST];
static uint64_t state;

static size_t below(size_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(state >> 33) % n;
}

static void setup(void)
{
    const char *given = getenv("TRIALOG_SEED");
    state = given ? strtoull(given, NULL, 10) : (uint64_t)getpid() << 20 ^ (uint64_t)time(NULL);
    printf("TRIALOG_SEED=%llu\n", (unsigned long long)state);
    for (size_t i = 0; i < MOST; i++) {
        bytes[i] = (char)below(256);
    }
}

struct from {
    struct piece_source in;
    size_t at, end, longest; /* of the bytes that are there, which may be fewer than was said */
    int fetches, fail_at;
};

static int fetch(struct piece_source *in, struct str *piece, struct tl_err *err)
{
    struct from *f = (struct from *)(void *)in;
    size_t n = 1 + below(f->longest);
    if (++f->fetches == f->fail_at) {
        return err_set(err, TL_EIO, "gone");
    }
    n = n < f->end - f->at ? n : f->end - f->at;
    *piece = (struct str){bytes + f->at, n};
    f->at += n;
    return TL_OK;
}

struct to {
    struct piece_sink out;
    size_t n;
    bool ended;
    int puts, fail_at;
};

static int put(struct piece_sink *out, struct str piece, struct tl_err *err)
{
    struct to *t = (struct to *)(void *)out;
    ck_assert(!t->ended);
    ck_assert(piece.n > 0 && piece.n <= out->size);
    t->ended = piece.n < out->size;
    if (++t->puts == t->fail_at) {
        return err_set(err, TL_ENOSPC, "full");
    }
    memcpy(came + t->n, piece.p, piece.n);
    t->n += piece.n;
    return TL_OK;
}

START_TEST(what_is_read_is_what_the_pieces_hold)
{
    for (int i = 0; i < 200; i++) {
        size_t n = below(MOST), at = 0, read = below(n + 1);
        struct from f = {.in = {.base = {piece_read, n}, .fetch = fetch}, .end = n, .longest = 1 + below(300)};
        while (at < read) {
            size_t part = 1 + below(read - at < 400 ? read - at : 400);
            ck_assert_int_eq(f.in.base.read(&f.in.base, came + at, part, NULL), TL_OK);
            at += part;
            ck_assert_uint_eq(f.in.base.left, n - at);
        }
        ck_assert_mem_eq(came, bytes, read);
        ck_assert_int_eq(piece_drain(&f.in, NULL), TL_OK);
        ck_assert_uint_eq(f.in.base.left, 0);
        ck_assert_uint_eq(f.in.crc, crc32c(0, bytes, n));
        ck_assert_int_eq(piece_read(&f.in.base, came, 1, NULL), TL_ECORRUPT);
    }
}
END_TEST

START_TEST(pieces_that_do_not_come_are_noticed)
{
    struct from few = {.in = {.base = {piece_read, 1000}, .fetch = fetch}, .end = 999, .longest = 100};
    struct from exact = {.in = {.base = {piece_read, 999}, .fetch = fetch}, .end = 999, .longest = 100};
    struct from longer = {.in = {.base = {piece_read, 1}, .fetch = fetch}, .end = MOST, .longest = 1000};
    struct from gone = {.in = {.base = {piece_read, 1000}, .fetch = fetch}, .end = 1000, .longest = 10, .fail_at = 3};
    ck_assert_int_eq(piece_read(&few.in.base, came, 1000, NULL), TL_ECORRUPT);
    ck_assert_int_eq(piece_read(&exact.in.base, came, 1000, NULL), TL_ECORRUPT);
    ck_assert_int_eq(exact.fetches, 0);
    while (piece_read(&longer.in.base, came, 1, NULL) == TL_OK) { /* now and then a piece of one byte */
        longer.in.base.left = 1;
        ck_assert_uint_eq(longer.in.rest.n, 0);
    }
    ck_assert_uint_eq(longer.in.base.left, 1);
    ck_assert_int_eq(piece_read(&gone.in.base, came, 1000, NULL), TL_EIO);
    ck_assert_int_eq(piece_drain(&gone.in, NULL), TL_OK); /* the next time they come */
}
END_TEST

START_TEST(what_is_written_is_put_in_pieces)
{
    for (int i = 0; i < 200; i++) {
        size_t n = below(MOST), at = 0;
        struct to t = {0};
        ck_assert_int_eq(piece_sink_init(&t.out, 1 + below(300), put, NULL), TL_OK);
        while (at < n) {
            size_t part = 1 + below(n - at);
            ck_assert_int_eq(t.out.base.write(&t.out.base, bytes + at, part, NULL), TL_OK);
            at += part;
        }
        ck_assert_int_eq(piece_flush(&t.out, NULL), TL_OK);
        ck_assert_int_eq(piece_flush(&t.out, NULL), TL_OK); /* there is no more */
        ck_assert_uint_eq(t.n, n);
        ck_assert_mem_eq(came, bytes, n);
        ck_assert_uint_eq(t.out.total, n);
        ck_assert_uint_eq(t.out.crc, crc32c(0, bytes, n));
        piece_sink_release(&t.out);
    }
}
END_TEST

START_TEST(a_piece_that_cannot_be_put_ends_it)
{
    struct to t = {.fail_at = 2};
    ck_assert_int_eq(piece_sink_init(&t.out, 100, put, NULL), TL_OK);
    ck_assert_int_eq(t.out.base.write(&t.out.base, bytes, 150, NULL), TL_OK);
    ck_assert_int_eq(t.out.base.write(&t.out.base, bytes, 150, NULL), TL_ENOSPC);
    ck_assert_int_eq(t.puts, 2);
    piece_sink_release(&t.out);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("stream");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, what_is_read_is_what_the_pieces_hold);
    tcase_add_test(c, pieces_that_do_not_come_are_noticed);
    tcase_add_test(c, what_is_written_is_put_in_pieces);
    tcase_add_test(c, a_piece_that_cannot_be_put_ends_it);
    return check_run("stream", c);
}
