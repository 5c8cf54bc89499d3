/* SPDX-License-Identifier: MIT
 *
 * Guards: recursive, exclusive, and whoever waits can be cancelled or runs out of time. Nothing here depends on how fast a thread runs.
 */
#include "base/guard.h"

#include <stdatomic.h>

#include "base/os.h"
#include "support/check_main.h"

#define THREADS 4
#define TURNS 5000

static struct guard g;
static int counter;
static atomic_long asked;

static void setup(void)
{
    struct tl_err err = TL_ERR_INIT;
    ck_assert_int_eq(guard_init(&g, &err), TL_OK);
    counter = 0;
    asked = 0;
}

static void teardown(void)
{
    guard_release(&g);
}

static bool third(void *ctx)
{
    ck_assert_ptr_eq(ctx, &g);
    return ++asked == 3;
}

static bool never(void *ctx)
{
    (void)ctx;
    asked++;
    return false;
}

/* What a thread that meets a guard that is taken got. */
struct met {
    int64_t deadline_ns;
    bool (*cancelled)(void *ctx);
    int rc;
    struct tl_err err;
};

static void *meet(void *ctx)
{
    struct met *m = ctx;
    m->rc = guard_enter(&g, m->deadline_ns, m->cancelled, &g, &m->err);
    if (m->rc == TL_OK) {
        guard_leave(&g);
    }
    return NULL;
}

static void meet_taken(struct met *m)
{
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, meet, m), 0);
    pthread_join(t, NULL);
}

START_TEST(its_holder_enters_again)
{
    struct met late = {0, NULL, 1, TL_ERR_INIT};
    guard_lock(&g);
    ck_assert_int_eq(guard_enter(&g, 0, third, &g, NULL), TL_OK);
    guard_leave(&g);
    meet_taken(&late);
    ck_assert_int_eq(late.rc, TL_ELOCKED);
    ck_assert_int_eq(late.err.code, TL_ELOCKED);
    guard_leave(&g);
    ck_assert_int_eq(asked, 0);
}
END_TEST

START_TEST(a_free_one_is_entered_whatever_the_time_is)
{
    struct met late = {1, third, 1, TL_ERR_INIT};
    meet_taken(&late);
    ck_assert_int_eq(late.rc, TL_OK);
    ck_assert_int_eq(asked, 0);
}
END_TEST

START_TEST(waiting_ends_when_it_is_cancelled)
{
    struct met m = {INT64_MAX, third, 1, TL_ERR_INIT};
    guard_lock(&g);
    meet_taken(&m);
    guard_leave(&g);
    ck_assert_int_eq(m.rc, TL_ECANCELLED);
    ck_assert_int_eq(m.err.code, TL_ECANCELLED);
    ck_assert_int_eq(asked, 3);
}
END_TEST

START_TEST(waiting_ends_at_the_deadline)
{
    struct met m = {os->monotonic_ns() + 120000000, never, 1, TL_ERR_INIT};
    guard_lock(&g);
    meet_taken(&m);
    guard_leave(&g);
    ck_assert_int_eq(m.rc, TL_ELOCKED);
    ck_assert_int_ge(os->monotonic_ns(), m.deadline_ns);
}
END_TEST

static void *count(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < TURNS; i++) {
        ck_assert_int_eq(guard_enter(&g, INT64_MAX, i % 2 ? never : NULL, NULL, NULL), TL_OK);
        counter++;
        guard_leave(&g);
    }
    return NULL;
}

START_TEST(one_at_a_time)
{
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&t[i], NULL, count, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    ck_assert_int_eq(counter, THREADS * TURNS);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("guard");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, its_holder_enters_again);
    tcase_add_test(t, a_free_one_is_entered_whatever_the_time_is);
    tcase_add_test(t, waiting_ends_when_it_is_cancelled);
    tcase_add_test(t, waiting_ends_at_the_deadline);
    tcase_add_test(t, one_at_a_time);
    return check_run("guard", t);
}
