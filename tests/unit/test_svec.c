/* SPDX-License-Identifier: MIT
 *
 * base/svec.c: elements that never move, runs, byte spaces, and failures that change nothing.
 */
#include "base/mem.h"
#include "base/svec.h"
#include "support/check_main.h"

#include <stdlib.h>

static long fail_from, calls, out;

static void *count_alloc(size_t size, void *ctx)
{
    (void)ctx;
    if (++calls >= fail_from) {
        return NULL;
    }
    out++;
    void *p = malloc(size);
    if (p) {
        memset(p, 0xee, size); /* whoever relies on zeros is found out */
    }
    return p;
}

static void *count_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    return realloc(old, size);
}

static void count_release(void *old, void *ctx)
{
    (void)ctx;
    out--;
    free(old);
}

static void set_up(void)
{
    fail_from = 1L << 40;
    calls = out = 0;
    mem_set_hooks(&(struct mem_hooks){count_alloc, count_resize, count_release, NULL});
}

static void tear_down(void)
{
    ck_assert_int_eq(out, 0);
    mem_set_hooks(NULL);
}

START_TEST(elements_never_move_and_start_zeroed)
{
    enum { N = 20000 };
    static void *at[N];
    struct element {
        uint64_t number;
        char tail[5];
    };
    struct svec v = SVEC_INIT(struct element);
    for (size_t i = 0; i < N; i++) {
        struct element *e = at[i] = svec_push(&v);
        ck_assert(e && e->number == 0 && e->tail[4] == 0);
        e->number = i;
    }
    for (size_t i = 0; i < N; i++) {
        ck_assert_ptr_eq(svec_at(&v, i), at[i]);
        ck_assert_uint_eq(((struct element *)at[i])->number, i);
    }
    svec_release(&v);
    ck_assert_uint_eq(v.len, 0);
}
END_TEST

START_TEST(runs_cover_each_element_once)
{
    struct svec v = SVEC_INIT(uint32_t);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t *p = svec_push(&v);
        ck_assert_ptr_nonnull(p);
        *p = i;
    }
    for (size_t begin = 0; begin < 1000; begin += 7) {
        for (size_t end = begin + 1; end <= 1000; end += 31) {
            size_t at = begin, n;
            while (at < end) {
                const uint32_t *run = svec_run(&v, at, end, &n);
                ck_assert(n >= 1 && at + n <= end);
                ck_assert(run[0] == at && run[n - 1] == at + n - 1);
                at += n;
            }
        }
    }
    svec_release(&v);
}
END_TEST

START_TEST(reserved_pushes_cannot_fail)
{
    struct svec v = SVEC_INIT(uint16_t);
    ck_assert(svec_reserve(&v, 0));
    ck_assert(svec_reserve(&v, 5000));
    fail_from = calls + 1;
    for (int i = 0; i < 5000; i++) {
        ck_assert_ptr_nonnull(svec_push(&v));
    }
    ck_assert(!svec_reserve(&v, 100000));
    ck_assert_uint_eq(v.len, 5000);
    svec_release(&v);
}
END_TEST

START_TEST(failed_push_changes_nothing)
{
    struct svec v = SVEC_INIT(uint64_t);
    size_t failures = 0;
    for (size_t i = 0; i < 3000;) {
        fail_from = calls + (failures % 2 ? 1L << 40 : 1);
        uint64_t *p = svec_push(&v);
        if (p) {
            *p = i++;
            ck_assert_uint_eq(v.len, i);
            failures += failures % 2;
        } else {
            ck_assert_uint_eq(v.len, i);
            failures++;
        }
    }
    ck_assert_uint_gt(failures, 4);
    for (size_t i = 0; i < 3000; i++) {
        ck_assert_uint_eq(*(uint64_t *)svec_at(&v, i), i);
    }
    svec_release(&v);
    struct svec impossible = {.elem = SIZE_MAX / 2};
    fail_from = 1L << 40;
    ck_assert_ptr_null(svec_push(&impossible));
    long before = calls;
    ck_assert(!svec_reserve(&v, SIZE_MAX));
    ck_assert_int_eq(calls, before);
    svec_release(&impossible);
    svec_release(&v);
}
END_TEST

START_TEST(reset_keeps_little)
{
    struct svec v = SVEC_INIT(uint64_t);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 1000; i++) {
            uint64_t *p = svec_push(&v);
            ck_assert(p && *p == 0);
            *p = 1;
        }
        svec_reset(&v);
        ck_assert_uint_eq(v.len, 0);
    }
    svec_release(&v);
    svec_reset(&v);
    svec_release(&v);
}
END_TEST

START_TEST(space_objects_are_aligned_and_apart)
{
    enum { N = 4000 };
    static uint64_t at[N];
    static size_t size[N];
    struct space s = {0};
    srand(1);
    for (int i = 0; i < N; i++) {
        size[i] = (size_t)(i % 100 == 99 ? rand() % 30000 : rand() % 90);
        at[i] = space_alloc(&s, size[i]);
        ck_assert_uint_ne(at[i], 0);
        ck_assert_uint_eq(at[i] % 8, 0);
        ck_assert_uint_eq((uintptr_t)space_at(&s, at[i]) % 8, 0);
        ck_assert(space_holds(&s, at[i], size[i]));
        memset(space_at(&s, at[i]), i & 0xff, size[i]);
        if (i > 0) {
            ck_assert_uint_ge(at[i], at[i - 1] + size[i - 1]);
        }
    }
    for (int i = 0; i < N; i++) {
        const unsigned char *p = space_at(&s, at[i]);
        size_t k = 0;
        while (k < size[i] && p[k] == (i & 0xff)) {
            k++;
        }
        ck_assert_uint_eq(k, size[i]);
    }
    ck_assert(!space_holds(&s, 0, 1));
    ck_assert(!space_holds(&s, at[5] + 4, 1));
    ck_assert(!space_holds(&s, s.end, 1));
    ck_assert(!space_holds(&s, at[5], SIZE_MAX));
    ck_assert(!space_holds(&s, UINT64_MAX - 7, 8));
    space_release(&s);
}
END_TEST

/* A big object goes to a segment that is large enough; those in between are never allocated. */
START_TEST(big_objects_skip_segments)
{
    struct space s = {0};
    ck_assert_uint_ne(space_alloc(&s, 10), 0);
    long before = calls;
    uint64_t at = space_alloc(&s, 1000000);
    ck_assert_uint_ne(at, 0);
    ck_assert_int_eq(calls, before + 1);
    memset(space_at(&s, at), 1, 1000000);
    uint64_t next = space_alloc(&s, 8);
    ck_assert_uint_eq(next, at + 1000000);
    ck_assert_uint_eq(space_alloc(&s, SIZE_MAX), 0);
    ck_assert_uint_eq(space_alloc(&s, SIZE_MAX - 8), 0);
    ck_assert_uint_eq(space_alloc(&s, (size_t)1 << 60), 0);
    ck_assert_uint_eq(space_alloc(&s, 8), next + 8);
    space_release(&s);
}
END_TEST

START_TEST(space_without_memory)
{
    struct space s = {0};
    uint64_t at = space_alloc(&s, 100);
    fail_from = calls + 1;
    ck_assert_uint_eq(space_alloc(&s, 200), 0);
    ck_assert_uint_eq(space_alloc(&s, 100), at + 104);
    fail_from = 1L << 40;
    ck_assert_uint_ne(space_alloc(&s, 200), 0);
    space_release(&s);
}
END_TEST

START_TEST(space_is_restored_segment_by_segment)
{
    struct space s = {0}, copy = {0};
    uint64_t at[300];
    for (int i = 0; i < 300; i++) {
        at[i] = space_alloc(&s, (size_t)(i * 3));
        memset(space_at(&s, at[i]), i & 0xff, (size_t)(i * 3));
    }
    for (unsigned k = 0; k < SVEC_SEGMENTS; k++) {
        if (s.segment[k].p) {
            ck_assert(space_restore(&copy, k, s.segment[k].used));
            memcpy(copy.segment[k].p, s.segment[k].p, s.segment[k].used);
        }
    }
    ck_assert_uint_eq(copy.end, s.end);
    for (int i = 1; i < 300; i++) {
        ck_assert(memcmp(space_at(&s, at[i]), space_at(&copy, at[i]), (size_t)(i * 3)) == 0);
    }
    ck_assert_uint_eq(space_alloc(&copy, 8), space_alloc(&s, 8));
    ck_assert(!space_restore(&copy, 0, 257));
    ck_assert(!space_restore(&copy, SVEC_SEGMENTS, 0));
    space_reset(&copy);
    ck_assert_uint_eq(space_alloc(&copy, 8), 8);
    space_release(&s);
    space_release(&copy);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("svec");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, elements_never_move_and_start_zeroed);
    tcase_add_test(t, runs_cover_each_element_once);
    tcase_add_test(t, reserved_pushes_cannot_fail);
    tcase_add_test(t, failed_push_changes_nothing);
    tcase_add_test(t, reset_keeps_little);
    tcase_add_test(t, space_objects_are_aligned_and_apart);
    tcase_add_test(t, big_objects_skip_segments);
    tcase_add_test(t, space_without_memory);
    tcase_add_test(t, space_is_restored_segment_by_segment);
    return check_run("svec", t);
}
