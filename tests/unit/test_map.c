/* SPDX-License-Identifier: MIT
 *
 * base/map.c: interned strings and number maps against a plain model, hash quality, failing allocations.
 */
#include "base/map.h"
#include "numeric/rng.h"
#include "support/check_main.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(equal_bytes_get_equal_numbers)
{
    struct intern t = INTERN_INIT;
    char text[32];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 30000; i++) {
            int n = snprintf(text, sizeof text, "name-%u", i);
            ck_assert_uint_eq(intern_find(&t, (struct str){text, (size_t)n}), round ? i : INTERN_NONE);
            ck_assert_uint_eq(intern_add(&t, (struct str){text, (size_t)n}), i);
        }
    }
    ck_assert_uint_eq(t.strings.len, 30000);
    struct str s = intern_str(&t, 1234);
    ck_assert(str_eq(s, STR("name-1234")) && s.p[s.n] == 0);
    ck_assert_uint_eq(intern_find(&t, STR("name-")), INTERN_NONE);
    intern_release(&t);
    ck_assert_uint_eq(intern_find(&t, STR("name-1")), INTERN_NONE);
}
END_TEST

START_TEST(any_bytes_are_a_string)
{
    struct intern t = INTERN_INIT;
    ck_assert_uint_eq(intern_add(&t, (struct str){NULL, 0}), 0);
    ck_assert_uint_eq(intern_add(&t, STR("")), 0);
    ck_assert_uint_eq(intern_add(&t, STR("\0")), 1);
    ck_assert_uint_eq(intern_add(&t, STR("\0\0")), 2);
    ck_assert_uint_eq(intern_add(&t, STR("\xff")), 3);
    ck_assert_uint_eq(intern_str(&t, 0).n, 0);
    ck_assert_str_eq(intern_str(&t, 0).p, "");
    char *big = malloc(3000000);
    memset(big, 'x', 3000000);
    ck_assert_uint_eq(intern_add(&t, (struct str){big, 3000000}), 4);
    ck_assert_uint_eq(intern_add(&t, (struct str){big, 2999999}), 5);
    ck_assert_uint_eq(intern_find(&t, (struct str){big, 3000000}), 4);
    free(big);
    intern_release(&t);
}
END_TEST

START_TEST(bytes_never_move)
{
    struct intern t = INTERN_INIT;
    ck_assert_uint_eq(intern_add(&t, STR("first")), 0);
    const char *p = intern_str(&t, 0).p;
    char text[32];
    for (int i = 0; i < 100000; i++) {
        int n = snprintf(text, sizeof text, "%d", i);
        ck_assert_uint_eq(intern_add(&t, (struct str){text, (size_t)n}), (uint32_t)i + 1);
    }
    ck_assert_ptr_eq(intern_str(&t, 0).p, p);
    intern_release(&t);
}
END_TEST

/* Random sets and removals of few keys, so that runs of occupied slots form and break. */
START_TEST(number_map_equals_an_array)
{
    enum { KEYS = 700 };
    static uint64_t model[KEYS];
    static bool there[KEYS];
    struct map64 m = {0};
    struct rng r;
    rng_init(&r, (uint64_t)_i, 0, 0, STR("map"));
    size_t n = 0;
    for (int step = 0; step < 200000; step++) {
        uint64_t k = rng_below(&r, KEYS), key = k * UINT64_C(0x9e3779b97f4a7c15), got = 0;
        switch (rng_below(&r, 3)) {
        case 0:
            ck_assert(map64_set(&m, key, (uint64_t)step));
            n += !there[k];
            there[k] = true;
            model[k] = (uint64_t)step;
            break;
        case 1:
            ck_assert(map64_remove(&m, key) == there[k]);
            n -= there[k];
            there[k] = false;
            break;
        default:
            ck_assert(map64_get(&m, key, &got) == there[k]);
            ck_assert(!there[k] || got == model[k]);
            break;
        }
        ck_assert_uint_eq(m.n, n);
    }
    for (uint64_t k = 0; k < KEYS; k++) {
        uint64_t got;
        ck_assert(map64_get(&m, k * UINT64_C(0x9e3779b97f4a7c15), &got) == there[k]);
    }
    map64_release(&m);
}
END_TEST

START_TEST(number_map_edges)
{
    struct map64 m = {0};
    uint64_t v = 5;
    ck_assert(!map64_get(&m, 0, &v));
    ck_assert(!map64_remove(&m, 0));
    ck_assert(map64_set(&m, 0, 7));
    ck_assert(map64_set(&m, UINT64_MAX - 1, 8));
    ck_assert(map64_get(&m, 0, &v) && v == 7);
    ck_assert(map64_get(&m, UINT64_MAX - 1, &v) && v == 8);
    ck_assert(!map64_get(&m, UINT64_MAX, &v) && v == 8);
    ck_assert(!map64_remove(&m, UINT64_MAX));
    map64_release(&m);
    map64_release(&m);
}
END_TEST

/* Each bit of input and of the length changes about half of the bits that come out. */
START_TEST(hash_mixes_all_bits)
{
    unsigned char text[200];
    struct rng r;
    rng_init(&r, 7, 0, 0, STR("hash"));
    for (size_t n = 1; n <= sizeof text; n++) {
        for (size_t i = 0; i < n; i++) {
            text[i] = (unsigned char)rng_u32(&r);
        }
        uint64_t base = hash_bytes(text, n);
        ck_assert_uint_eq(base, hash_bytes(text, n));
        unsigned changed = 0;
        for (size_t bit = 0; bit < 8 * n; bit++) {
            text[bit / 8] ^= (unsigned char)(1u << bit % 8);
            uint64_t other = hash_bytes(text, n);
            text[bit / 8] ^= (unsigned char)(1u << bit % 8);
            ck_assert_uint_ne(other, base);
            changed += (unsigned)__builtin_popcountll(other ^ base);
        }
        double mean = changed / (8.0 * (double)n);
        ck_assert_msg(mean > 24 && mean < 40, "%zu bytes: %f bits change", n, mean);
    }
    unsigned char zeros[256] = {0};
    for (size_t n = 0; n < sizeof zeros; n++) {
        for (size_t k = 0; k < n; k++) {
            ck_assert_uint_ne(hash_bytes(zeros, n), hash_bytes(zeros, k));
        }
    }
}
END_TEST

/* Low bits choose the slot: names that count up fill 2^16 slots as randomly drawn ones would (load 1: 36.8 % stay empty). */
START_TEST(hash_spreads_similar_names)
{
    static unsigned char used[1 << 16];
    static const char *const forms[] = {"x%d", "learning_rate_%d", "%08d",
                                        "a-name-of-more-than-thirty-two-bytes-with-a-number-%d-inside"};
    char text[100];
    for (size_t f = 0; f < TL_COUNT(forms); f++) {
        for (unsigned shift = 0; shift <= 48; shift += 16) {
            memset(used, 0, sizeof used);
            size_t empty = 0;
            for (int i = 0; i < 1 << 16; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                int n = snprintf(text, sizeof text, forms[f], i);
#pragma GCC diagnostic pop
                used[hash_bytes(text, (size_t)n) >> shift & 0xffff] = 1;
            }
            for (size_t i = 0; i < sizeof used; i++) {
                empty += !used[i];
            }
            ck_assert_msg(empty > 23400 && empty < 24800, "%s, bits from %u: %zu of 65536 empty", forms[f],
                          shift, empty);
        }
    }
}
END_TEST

static void *hash_of_x(void *out)
{
    *(uint64_t *)out = hash_bytes("x", 1);
    return NULL;
}

START_TEST(threads_agree_on_the_secret)
{
    pthread_t threads[8];
    uint64_t hashes[8];
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hash_of_x, &hashes[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(hashes[i], hashes[0]);
    }
}
END_TEST

static long fail_at, calls;

static void *fail_alloc(size_t size, void *ctx)
{
    (void)ctx;
    return ++calls == fail_at ? NULL : malloc(size);
}

static void *fail_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    return ++calls == fail_at ? NULL : realloc(old, size);
}

static void fail_release(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

START_TEST(each_allocation_may_fail_once)
{
    mem_set_hooks(&(struct mem_hooks){fail_alloc, fail_resize, fail_release, NULL});
    bool failed = true;
    for (fail_at = 1; failed; fail_at++) {
        struct intern t = INTERN_INIT;
        struct map64 m = {0};
        calls = 0;
        failed = false;
        for (uint64_t i = 0; i < 500; i++) {
            char text[40];
            int n = snprintf(text, sizeof text, "a parameter's name %d", (int)i);
            struct str s = {text, (size_t)n};
            uint32_t number = intern_add(&t, s);
            if (number == INTERN_NONE) {
                failed = true;
                ck_assert_uint_eq(intern_find(&t, s), INTERN_NONE);
                number = intern_add(&t, s);
            }
            ck_assert_uint_eq(number, i);
            if (!map64_set(&m, i, i)) {
                failed = true;
                ck_assert_uint_eq(m.n, i);
                ck_assert(map64_set(&m, i, i));
            }
        }
        for (uint64_t i = 0; i < 500; i++) {
            uint64_t v;
            ck_assert(map64_get(&m, i, &v) && v == i);
        }
        intern_release(&t);
        map64_release(&m);
    }
    ck_assert_int_gt(fail_at, 15);
    mem_set_hooks(NULL);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("map");
    tcase_add_test(t, equal_bytes_get_equal_numbers);
    tcase_add_test(t, any_bytes_are_a_string);
    tcase_add_test(t, bytes_never_move);
    tcase_add_loop_test(t, number_map_equals_an_array, 0, 3);
    tcase_add_test(t, number_map_edges);
    tcase_add_test(t, hash_mixes_all_bits);
    tcase_add_test(t, hash_spreads_similar_names);
    tcase_add_test(t, threads_agree_on_the_secret);
    tcase_add_test(t, each_allocation_may_fail_once);
    return check_run("map", t);
}
