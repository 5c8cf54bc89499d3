/* SPDX-License-Identifier: MIT
 *
 * base/mem.c: sizes that overflow, failing allocators, arenas.
 */
#include "base/mem.h"
#include "support/check_main.h"

#include <trialog/storage.h>

#include <stdlib.h>

/* An allocator that counts what is out and fails from the n-th call on. */
struct meter {
    long calls, fail_from, out;
};

static void *meter_alloc(size_t size, void *ctx)
{
    struct meter *m = ctx;
    if (++m->calls >= m->fail_from || size > (size_t)1 << 40) { /* a sanitizer's malloc would end the program */
        return NULL;
    }
    m->out++;
    return malloc(size);
}

static void *meter_resize(void *old, size_t size, void *ctx)
{
    struct meter *m = ctx;
    return ++m->calls >= m->fail_from ? NULL : realloc(old, size);
}

static void meter_release(void *old, void *ctx)
{
    struct meter *m = ctx;
    m->out--;
    free(old);
}

static struct meter meter;

static void use_meter(void)
{
    meter = (struct meter){0, 1L << 40, 0};
    mem_set_hooks(&(struct mem_hooks){meter_alloc, meter_resize, meter_release, &meter});
}

static void back_to_malloc(void)
{
    ck_assert_int_eq(meter.out, 0);
    mem_set_hooks(NULL);
}

START_TEST(size_zero_is_an_allocation)
{
    void *p = mem_alloc(0), *q = mem_zalloc(0, 8), *r = mem_zalloc(8, 0);
    ck_assert(p && q && r);
    p = mem_resize(p, 0);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
    mem_free(q);
    mem_free(r);
    mem_free(NULL);
    char *text = mem_dup(NULL, 0);
    ck_assert_str_eq(text, "");
    mem_free(text);
}
END_TEST

START_TEST(overflow_is_no_memory)
{
    ck_assert_ptr_null(mem_zalloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(mem_dup("", SIZE_MAX));
    void *array = NULL;
    size_t cap = 0;
    ck_assert(!mem_grow(&array, &cap, SIZE_MAX / 4, 8));
    ck_assert(!mem_grow(&array, &cap, SIZE_MAX, 1));
    ck_assert(array == NULL && cap == 0);
    struct arena a = {0};
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 100));
    ck_assert_ptr_null(arena_dup(&a, "", SIZE_MAX));
    arena_release(&a);
}
END_TEST

START_TEST(grow_doubles_and_keeps)
{
    int *array = NULL;
    size_t cap = 0, moves = 0;
    for (size_t n = 0; n < 10000; n++) {
        size_t before = cap;
        ck_assert(mem_grow((void **)&array, &cap, n + 1, sizeof *array));
        moves += cap != before;
        array[n] = (int)n;
    }
    for (size_t n = 0; n < 10000; n++) {
        ck_assert_int_eq(array[n], (int)n);
    }
    ck_assert_uint_lt(moves, 15);
    meter.fail_from = meter.calls + 1;
    int *same = array;
    size_t same_cap = cap;
    ck_assert(!mem_grow((void **)&array, &cap, cap + 1, sizeof *array));
    ck_assert(array == same && cap == same_cap && array[9999] == 9999);
    mem_free(array);
}
END_TEST

START_TEST(users_bring_their_own_allocator)
{
    mem_set_hooks(NULL);
    tl_set_allocator(meter_alloc, meter_resize, meter_release, &meter);
    mem_free(mem_alloc(10));
    ck_assert_int_eq(meter.calls, 1);
    tl_set_allocator(NULL, NULL, NULL, NULL);
    mem_free(mem_alloc(10));
    ck_assert_int_eq(meter.calls, 1);
}
END_TEST

static bool is_filled(const unsigned char *p, size_t n, int byte)
{
    size_t k = 0;
    while (k < n && p[k] == byte) {
        k++;
    }
    return k == n;
}

START_TEST(arena_objects_are_aligned_and_apart)
{
    enum { N = 3000 };
    static unsigned char *at[N];
    static size_t size[N];
    struct arena a = {0};
    size_t sum = 0;
    for (int round = 0; round < 3; round++) {
        sum = 0;
        for (int i = 0; i < N; i++) {
            size[i] = (size_t)(i % 7 == 0 ? i * 37 % 9000 : i % 100);
            at[i] = arena_alloc(&a, size[i]);
            ck_assert_uint_eq((uintptr_t)at[i] % 16, 0);
            memset(at[i], i & 0xff, size[i]);
            sum += size[i];
        }
        ck_assert_uint_ge(a.used_total, sum);
        for (int i = 0; i < N; i++) {
            ck_assert(is_filled(at[i], size[i], i & 0xff));
        }
        long out = meter.out;
        arena_reset(&a);
        ck_assert_uint_eq(a.used_total, 0);
        ck_assert_int_le(meter.out, out);
        ck_assert_int_eq(meter.out, 1);
    }
    char *text = arena_dup(&a, "ab\0c", 4);
    ck_assert(memcmp(text, "ab\0c", 5) == 0);
    arena_release(&a);
}
END_TEST

START_TEST(reused_arena_does_not_allocate)
{
    struct arena a = {0};
    for (int i = 0; i < 100; i++) {
        ck_assert_ptr_nonnull(arena_alloc(&a, 1000));
    }
    arena_reset(&a);
    long calls = meter.calls;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 20; i++) {
            ck_assert_ptr_nonnull(arena_alloc(&a, 1000));
        }
        arena_reset(&a);
    }
    ck_assert_int_eq(meter.calls, calls);
    arena_release(&a);
}
END_TEST

/* A large object must not close a half-empty block to the small ones behind it. */
START_TEST(large_objects_lie_apart)
{
    struct arena a = {0};
    ck_assert_ptr_nonnull(arena_alloc(&a, 16));
    ck_assert_ptr_nonnull(arena_alloc(&a, 5000000));
    long calls = meter.calls;
    for (int i = 0; i < 30; i++) {
        ck_assert_ptr_nonnull(arena_alloc(&a, 16));
    }
    ck_assert_int_eq(meter.calls, calls);
    arena_release(&a);
}
END_TEST

START_TEST(arena_survives_every_failing_allocation)
{
    for (long k = 1; k < 12; k++) {
        struct arena a = {0};
        meter.fail_from = meter.calls + k;
        size_t got = 0;
        while (got < 200 && arena_alloc(&a, 500)) {
            got++;
        }
        meter.fail_from = 1L << 40;
        ck_assert_ptr_nonnull(arena_alloc(&a, 500));
        arena_release(&a);
        ck_assert_int_eq(meter.out, 0);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("mem");
    tcase_add_checked_fixture(t, use_meter, back_to_malloc);
    tcase_add_test(t, size_zero_is_an_allocation);
    tcase_add_test(t, overflow_is_no_memory);
    tcase_add_test(t, grow_doubles_and_keeps);
    tcase_add_test(t, users_bring_their_own_allocator);
    tcase_add_test(t, arena_objects_are_aligned_and_apart);
    tcase_add_test(t, reused_arena_does_not_allocate);
    tcase_add_test(t, large_objects_lie_apart);
    tcase_add_test(t, arena_survives_every_failing_allocation);
    return check_run("mem", t);
}
