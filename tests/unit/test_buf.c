/* SPDX-License-Identifier: MIT
 *
 * base/buf.c: appends, the ceiling, and failures that stick until the next clear.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "support/check_main.h"

START_TEST(appends_add_up)
{
    struct buf b = BUF_INIT(1 << 20);
    ck_assert_str_eq(buf_cstr(&b), "");
    buf_add(&b, "ab\0c", 4);
    buf_add(&b, NULL, 0);
    buf_add_str(&b, STR("de"));
    buf_add_str(&b, (struct str){NULL, 0});
    buf_add_text(&b, "fg");
    buf_add_char(&b, '!');
    buf_printf(&b, "%d-%s", 42, "x");
    ck_assert_uint_eq(b.len, 13);
    ck_assert(memcmp(buf_cstr(&b), "ab\0cdefg!42-x", 14) == 0);
    buf_clear(&b);
    ck_assert_uint_eq(b.len, 0);
    for (int i = 0; i < 100000; i++) {
        buf_add_char(&b, (char)('a' + i % 26));
    }
    ck_assert_uint_eq(b.len, 100000);
    for (int i = 0; i < 100000; i++) {
        ck_assert_int_eq(b.data[i], 'a' + i % 26);
    }
    buf_release(&b);
    buf_release(&b);
}
END_TEST

START_TEST(formats_of_any_length)
{
    struct buf b = BUF_INIT(1 << 20);
    for (int n = 0; n < 700; n += 1) {
        buf_clear(&b);
        buf_printf(&b, "<%*s>", n, "");
        ck_assert_uint_eq(b.len, (size_t)n + 2);
        ck_assert(b.data[0] == '<' && b.data[n + 1] == '>');
    }
    buf_release(&b);
}
END_TEST

START_TEST(ceiling_is_exact_and_sticks)
{
    for (size_t max = 0; max < 300; max++) {
        struct buf b = BUF_INIT(max);
        for (size_t i = 0; i < max; i++) {
            buf_add_char(&b, 'x');
        }
        ck_assert_int_eq(b.failed, 0);
        ck_assert_uint_eq(strlen(buf_cstr(&b)), max);
        buf_add_char(&b, 'y');
        ck_assert_int_eq(b.failed, TL_ELIMIT);
        ck_assert_uint_eq(b.len, max);
        ck_assert_ptr_null(buf_cstr(&b));
        buf_clear(&b);
        ck_assert_ptr_nonnull(buf_cstr(&b));
        buf_release(&b);
    }
}
END_TEST

START_TEST(after_a_failure_nothing_is_added)
{
    struct buf b = BUF_INIT(100);
    buf_add_text(&b, "begin");
    buf_printf(&b, "%200d", 1);
    buf_add_text(&b, "short");
    buf_add_char(&b, 'c');
    buf_printf(&b, "%d", 1);
    ck_assert_int_eq(b.failed, TL_ELIMIT);
    ck_assert_int_eq(buf_reserve(&b, 1), TL_ELIMIT);
    ck_assert_uint_eq(b.len, 5);
    buf_release(&b);
}
END_TEST

START_TEST(huge_wishes_are_refused)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    buf_add_char(&b, 'x');
    ck_assert_int_eq(buf_reserve(&b, SIZE_MAX), TL_ELIMIT);
    b.failed = 0;
    ck_assert_int_eq(buf_reserve(&b, SIZE_MAX - 1), TL_ELIMIT);
    buf_release(&b);
}
END_TEST

static void *no_resize(void *old, size_t size, void *ctx)
{
    (void)old;
    (void)size;
    (void)ctx;
    return NULL;
}

static void *no_alloc(size_t size, void *ctx)
{
    return no_resize(NULL, size, ctx);
}

static void no_release(void *old, void *ctx)
{
    (void)old;
    (void)ctx;
}

START_TEST(no_memory_keeps_what_is_there)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_add_text(&b, "begin");
    mem_set_hooks(&(struct mem_hooks){no_alloc, no_resize, no_release, NULL});
    buf_printf(&b, "%5000d", 1);
    struct buf empty = BUF_INIT(10);
    ck_assert_ptr_null(buf_cstr(&empty));
    mem_set_hooks(NULL);
    ck_assert_int_eq(b.failed, TL_ENOMEM);
    ck_assert_int_eq(empty.failed, TL_ENOMEM);
    ck_assert(b.len == 5 && memcmp(b.data, "begin", 5) == 0);
    buf_release(&b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("buf");
    tcase_add_test(t, appends_add_up);
    tcase_add_test(t, formats_of_any_length);
    tcase_add_test(t, ceiling_is_exact_and_sticks);
    tcase_add_test(t, after_a_failure_nothing_is_added);
    tcase_add_test(t, huge_wishes_are_refused);
    tcase_add_test(t, no_memory_keeps_what_is_there);
    return check_run("buf", t);
}
