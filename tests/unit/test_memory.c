/* SPDX-License-Identifier: MIT
 *
 * journal/memory.c: private and shared journals, waiting, turns.
 */
#include "base/mem.h"
#include "base/os.h"
#include "journal/backend.h"

#include "support/check_main.h"
#include "support/collect.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
static struct tl_err err;

static struct backend *open_memory(const char *url)
{
    struct backend *b = NULL;
    int rc = backend_open(url, &options, &b, &err);
    ck_assert_msg(rc == TL_OK, "%s", err.message);
    return b;
}

START_TEST(private_journals_are_apart)
{
    struct backend *a = open_memory("memory://"), *b = open_memory("memory://");
    struct collect ca = COLLECT_INIT, cb = COLLECT_INIT;
    ck_assert_int_eq(collect_append(a, &ca, "1\n", &err), TL_OK);
    ck_assert_int_eq(collect_read(b, &cb, &err), TL_OK);
    collect_assert_text(&cb, "");
    ck_assert_int_eq(collect_read(a, &ca, &err), TL_OK);
    collect_assert_text(&ca, "1\n");
    a->ops->restart(a);
    collect_release(&ca);
    ca = (struct collect)COLLECT_INIT;
    ck_assert_int_eq(collect_read(a, &ca, &err), TL_OK);
    collect_assert_text(&ca, "1\n"); /* still there */
    a->ops->close(a);
    b->ops->close(b);
    collect_release(&ca);
    collect_release(&cb);
}
END_TEST

START_TEST(shared_journals_live_as_long_as_a_handle)
{
    options.must_exist = true;
    struct backend *none = NULL;
    ck_assert_int_eq(backend_open("memory://x", &options, &none, &err), TL_ENOTFOUND);
    options.must_exist = false;
    struct backend *a = open_memory("memory://x"), *b = open_memory("memory://x"), *y = open_memory("memory://y");
    struct collect ca = COLLECT_INIT, cb = COLLECT_INIT, cy = COLLECT_INIT;
    for (int i = 0; i < 3000; i++) {
        char line[200];
        snprintf(line, sizeof line, "{\"i\":%d,\"pad\":\"%0100d\"}\n", i, i);
        ck_assert_int_eq(i % 3 ? collect_append(a, &ca, line, &err) : collect_append(b, &cb, line, &err), TL_OK);
    }
    ck_assert_int_eq(collect_read(a, &ca, &err), TL_OK);
    ck_assert_int_eq(collect_read(b, &cb, &err), TL_OK);
    ck_assert_str_eq(buf_cstr(&ca.text), buf_cstr(&cb.text));
    ck_assert_uint_gt(ca.text.len, 3000 * 100);
    ck_assert_int_eq(collect_read(y, &cy, &err), TL_OK);
    collect_assert_text(&cy, "");
    a->ops->close(a);
    struct backend *c = open_memory("memory://x");
    struct collect cc = COLLECT_INIT;
    ck_assert_int_eq(collect_read(c, &cc, &err), TL_OK);
    ck_assert_str_eq(buf_cstr(&cc.text), buf_cstr(&cb.text));
    options.read_only = true;
    struct backend *r = open_memory("memory://x");
    options.read_only = false;
    ck_assert_int_eq(collect_append(r, &cy, "1\n", &err), TL_EACCESS);
    r->ops->close(r);
    b->ops->close(b);
    c->ops->close(c);
    c = open_memory("memory://x"); /* ended with its last handle */
    collect_release(&cc);
    cc = (struct collect)COLLECT_INIT;
    ck_assert_int_eq(collect_read(c, &cc, &err), TL_OK);
    collect_assert_text(&cc, "");
    c->ops->close(c);
    y->ops->close(y);
    collect_release(&ca);
    collect_release(&cb);
    collect_release(&cc);
    collect_release(&cy);
}
END_TEST

START_TEST(groups_larger_than_a_chunk)
{
    struct backend *b = open_memory("memory://");
    struct collect c = COLLECT_INIT;
    char *big = malloc(300001);
    memset(big, 'x', 300000);
    big[299999] = '\n';
    big[300000] = 0;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(collect_append(b, &c, big, &err), TL_OK);
        ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
    }
    b->ops->restart(b);
    struct collect again = COLLECT_INIT;
    ck_assert_int_eq(collect_read(b, &again, &err), TL_OK);
    ck_assert_str_eq(buf_cstr(&again.text), buf_cstr(&c.text));
    b->ops->close(b);
    free(big);
    collect_release(&c);
    collect_release(&again);
}
END_TEST

static atomic_int entered, let_go;

static void stay_inside(struct collect *c)
{
    (void)c;
    atomic_store(&entered, 1);
    while (!atomic_load(&let_go)) {
        os->sleep_ns(100000);
    }
}

static void *append_and_stay(void *ctx)
{
    struct collect c = COLLECT_INIT;
    c.inside = stay_inside;
    collect_append(ctx, &c, "slow\n", NULL);
    collect_release(&c);
    return NULL;
}

START_TEST(turns_are_waited_for_within_limits)
{
    struct backend *a = open_memory("memory://x"), *b = open_memory("memory://x");
    struct collect c = COLLECT_INIT;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, append_and_stay, a), 0);
    while (!atomic_load(&entered)) {
        os->sleep_ns(100000);
    }
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 30, NULL, &err), TL_ELOCKED);
    ck_assert_int_ge(os->monotonic_ns() - start, 30000000);
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_ELOCKED);
    c.cancel = true;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_ECANCELLED);
    c.cancel = false;
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK); /* readers do not wait for writers */
    collect_assert_text(&c, "");
    ck_assert_int_eq(b->ops->wait(b, 10, &err), 0);
    atomic_store(&let_go, 1);
    ck_assert_int_eq(b->ops->wait(b, -1, &err), 1);
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_OK);
    collect_assert_text(&c, "slow\n1\n");
    pthread_join(thread, NULL);
    a->ops->close(a);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static void *append_many(void *ctx)
{
    struct backend *b = open_memory("memory://many");
    struct collect c = COLLECT_INIT;
    struct tl_err own = TL_ERR_INIT;
    for (int i = 0; i < 2000; i++) {
        char line[40];
        snprintf(line, sizeof line, "%d %d\n", *(int *)ctx, i);
        ck_assert_int_eq(collect_append_for(b, &c, line, -1, NULL, &own), TL_OK);
    }
    b->ops->close(b);
    collect_release(&c);
    return NULL;
}

START_TEST(many_writers_and_a_reader)
{
    pthread_t threads[4];
    int ids[4] = {0, 1, 2, 3};
    struct backend *b = open_memory("memory://many");
    struct collect c = COLLECT_INIT;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, append_many, &ids[i]), 0);
    }
    size_t lines = 0;
    while (lines < 8000) {
        ck_assert_int_eq(b->ops->wait(b, -1, &err), 1);
        size_t before = c.text.len;
        ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
        for (size_t i = before; i < c.text.len; i++) {
            lines += c.text.data[i] == '\n';
        }
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    int next[4] = {0};
    for (const char *p = buf_cstr(&c.text); *p; p = strchr(p, '\n') + 1) {
        ck_assert_int_eq(strtol(p + 2, NULL, 10), next[*p - '0']++); /* each writer's lines in order */
    }
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static long left;

static void *maybe_alloc(size_t n, void *ctx)
{
    (void)ctx;
    return left-- > 0 ? malloc(n) : NULL;
}

static void *maybe_resize(void *old, size_t n, void *ctx)
{
    (void)ctx;
    return left-- > 0 ? realloc(old, n) : NULL;
}

static void give_back(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

START_TEST(out_of_memory_anywhere_is_an_error)
{
    static const struct mem_hooks hooks = {maybe_alloc, maybe_resize, give_back, NULL};
    struct collect c = COLLECT_INIT;
    bool done = false;
    ck_assert_int_eq(buf_reserve(&c.text, 1000), 0);
    mem_set_hooks(&hooks);
    for (long n = 0; !done; n++) {
        struct backend *b;
        ck_assert_int_lt(n, 50);
        left = n;
        int rc = backend_open("memory://x", &options, &b, &err);
        if (rc == TL_OK) {
            rc = collect_append(b, &c, "1\n", &err);
            done = rc == TL_OK;
            b->ops->close(b);
        }
        ck_assert(rc == TL_OK || rc == TL_ENOMEM);
    }
    mem_set_hooks(NULL);
    collect_assert_text(&c, "1\n");
    collect_release(&c);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("memory");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, private_journals_are_apart);
    tcase_add_test(t, shared_journals_live_as_long_as_a_handle);
    tcase_add_test(t, groups_larger_than_a_chunk);
    tcase_add_test(t, turns_are_waited_for_within_limits);
    tcase_add_test(t, many_writers_and_a_reader);
    tcase_add_test(t, out_of_memory_anywhere_is_an_error);
    return check_run("memory", t);
}
