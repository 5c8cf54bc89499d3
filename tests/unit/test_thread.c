/* SPDX-License-Identifier: MIT
 *
 * Threads of the library's own: started when needed, once more after they ended by themselves, never after they were stopped; and waits, whose
 * length no clock that is set can change. Nothing here depends on how fast a thread runs.
 */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>

#include "base/os.h"
#include "support/check_main.h"

#define DAY INT64_C(86400000000000)
#define MS INT64_C(1000000)

static struct thread t;
static int turns, wanted; /* under its mutex */
static bool leaves;
static bool takes_signals;

static void setup(void)
{
    thread_init(&t);
    turns = wanted = 0;
    leaves = takes_signals = false;
}

static void teardown(void)
{
    thread_stop(&t);
    thread_release(&t);
    os_use(NULL);
}

/* Takes a turn for each that is wanted. */
static void *take_turns(void *ctx)
{
    sigset_t blocked;
    ck_assert_ptr_eq(ctx, &t);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    pthread_mutex_lock(&t.mutex);
    takes_signals |= !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGUSR1);
    while (!t.stop && !(leaves && turns == wanted)) {
        if (turns < wanted) {
            turns++;
        } else {
            (void)cond_wait_for(&t.changed, &t.mutex, DAY);
        }
    }
    t.running = false;
    pthread_mutex_unlock(&t.mutex);
    return NULL;
}

static void want_turn(void)
{
    pthread_mutex_lock(&t.mutex);
    if (!t.running) {
        ck_assert_int_eq(thread_start_locked(&t, take_turns, &t), 0);
    }
    wanted++;
    pthread_cond_signal(&t.changed);
    pthread_mutex_unlock(&t.mutex);
}

static void await_turns(void)
{
    for (bool done = false; !done; os_system.sleep_ns(0)) {
        pthread_mutex_lock(&t.mutex);
        done = turns == wanted;
        pthread_mutex_unlock(&t.mutex);
    }
}

START_TEST(it_takes_a_turn_when_it_is_woken)
{
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int i = 0; i < 100; i++) {
        want_turn();
        await_turns();
    }
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    ck_assert_int_eq(turns, 100);
    ck_assert(!takes_signals);
    ck_assert_int_eq(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
}
END_TEST

START_TEST(one_that_ended_by_itself_is_started_again)
{
    leaves = true;
    for (int i = 0; i < 100; i++) {
        want_turn();
    }
    await_turns();
    ck_assert_int_eq(turns, 100);
}
END_TEST

START_TEST(one_that_was_stopped_is_not)
{
    want_turn();
    thread_stop(&t);
    thread_stop(&t);
    pthread_mutex_lock(&t.mutex);
    ck_assert(!t.running);
    ck_assert_int_eq(thread_start_locked(&t, take_turns, &t), ECANCELED);
    ck_assert(!t.running && !t.joinable);
    pthread_mutex_unlock(&t.mutex);
}
END_TEST

static int64_t tomorrow_ns(void)
{
    return os_system.monotonic_ns() + DAY;
}

static int64_t tomorrow_us(void)
{
    return os_system.realtime_us() + DAY / 1000;
}

START_TEST(a_wait_is_a_length_and_no_instant)
{
    struct os_table table = os_system;
    table.monotonic_ns = tomorrow_ns;
    table.realtime_us = tomorrow_us;
    os_use(&table);
    pthread_mutex_lock(&t.mutex);
    while (cond_wait_for(&t.changed, &t.mutex, 1 * MS)) { /* woken for no reason */
    }
    ck_assert(!cond_wait_for(&t.changed, &t.mutex, 0));
    ck_assert(!cond_wait_for(&t.changed, &t.mutex, -DAY));
    pthread_mutex_unlock(&t.mutex);
}
END_TEST

static void *wake(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&t.mutex);
    wanted = 1;
    pthread_cond_signal(&t.changed);
    pthread_mutex_unlock(&t.mutex);
    return NULL;
}

START_TEST(the_longest_wait_ends_when_it_is_woken)
{
    pthread_t waker;
    pthread_mutex_lock(&t.mutex);
    ck_assert_int_eq(thread_create(&waker, 0, wake, NULL), 0);
    while (!wanted) {
        ck_assert(cond_wait_for(&t.changed, &t.mutex, INT64_MAX));
    }
    pthread_mutex_unlock(&t.mutex);
    pthread_join(waker, NULL);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("thread");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, it_takes_a_turn_when_it_is_woken);
    tcase_add_test(c, one_that_ended_by_itself_is_started_again);
    tcase_add_test(c, one_that_was_stopped_is_not);
    tcase_add_test(c, a_wait_is_a_length_and_no_instant);
    tcase_add_test(c, the_longest_wait_ends_when_it_is_woken);
    return check_run("thread", c);
}
