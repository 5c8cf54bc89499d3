/* SPDX-License-Identifier: MIT
 *
 * journal/file_lock.c: who may enter, for how long they wait, what happens when the lock file was taken away meanwhile. Optuna's locks are
 * played with symlink and open; tests/crash has the real ones.
 */
#include "support/check_main.h"
#include "support/played_time.h"

#include <pthread.h>

/* ---- inside ---- */

START_TEST(both_locks_are_held_inside_and_none_after)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    char expected[200];
    c.inside = look_inside;
    ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
    ck_assert(!exists("j.lock"));
    snprintf(expected, sizeof expected, ".%lld.", (long long)getpid());
    ck_assert_int_eq(strncmp(seen_target, "j.lock.own.", 11), 0);
    ck_assert_ptr_nonnull(strstr(seen_target, expected));
    ck_assert(exists(seen_target));
    int fd = os_system.open("j", O_RDWR, 0);
    ck_assert_int_eq(os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    os_system.close(fd);
    b->ops->close(b);
    ck_assert(!exists(seen_target));
    /* the kernel's lock alone */
    options.lock = TL_LOCK_KERNEL;
    b = open_file("j");
    collect_release(&c);
    c = (struct collect)COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "2\n", &err), TL_OK);
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

START_TEST(the_owner_file_is_young_at_each_acquisition)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    struct os_stat s;
    c.inside = look_inside;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
        ck_assert_int_eq(os_system.stat(seen_target, true, &s), 0);
        ck_assert_int_gt(s.mtime_ns, INT64_C(1000000) * SECOND);
        ck_assert_int_eq(utimensat(AT_FDCWD, seen_target, old, 0), 0);
        skew += SECOND;
        if (i == 1) {
            ck_assert_int_eq(unlink(seen_target), 0); /* somebody cleaned up: it is made again */
        }
    }
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static int64_t mtime_before;

static void stay_for_a_second(struct collect *c)
{
    struct os_stat s;
    look_inside(c);
    ck_assert_int_eq(os_system.stat(seen_target, true, &s), 0);
    mtime_before = s.mtime_ns;
    int64_t start = os_system.monotonic_ns();
    do {
        os_system.sleep_ns(10000000);
        ck_assert_int_eq(os_system.stat(seen_target, true, &s), 0);
        ck_assert_int_lt(os_system.monotonic_ns() - start, 10 * SECOND);
    } while (s.mtime_ns == mtime_before);
}

START_TEST(a_lock_held_long_is_kept_fresh)
{
    os_use(NULL); /* real time: another thread does it */
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    c.inside = stay_for_a_second;
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
    ck_assert_int_lt(os->monotonic_ns() - start, 3 * SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* ---- waiting ---- */

static int blocker;

static void block_kernel(void)
{
    blocker = os_system.open("j", O_RDWR, 0);
    ck_assert_int_eq(os_system.lock(blocker, OS_LOCK_TRY, OS_RANGE_JOURNAL), 0);
}

START_TEST(waiting_is_bounded)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct append a;
    block_kernel();
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, &a, &err), TL_ELOCKED);
    ck_assert_int_eq(a.outcome, OUTCOME_ERROR);
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 35000, &a, &err), TL_ELOCKED);
    int64_t gone = os->monotonic_ns() - start;
    ck_assert_int_ge(gone, 35 * SECOND);
    ck_assert_int_lt(gone, 36 * SECOND);
    ck_assert_uint_ge(a.waited_ns, 35 * (uint64_t)SECOND);
    ck_assert_str_eq(events, "LOCK_WAIT LOCK_WAIT LOCK_WAIT "); /* every ten seconds */
    ck_assert_ptr_nonnull(strstr(err.message, "35.0 s"));
    ck_assert_int_eq(c.composed, 0);
    /* and holds nothing afterwards */
    os_system.close(blocker);
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, &a, &err), TL_OK);
    /* the same when it is the lock file that is taken */
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", 5000, &a, &err), TL_ELOCKED);
    ck_assert_ptr_nonnull(strstr(err.message, "Optuna"));
    assert_link("j.lock", "j");
    int fd = os_system.open("j", O_RDWR, 0);
    ck_assert_int_eq(os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    os_system.close(fd);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static struct collect *to_cancel;
static int64_t cancel_at;

static void cancel_later(int64_t now)
{
    if (now >= cancel_at && !to_cancel->cancel) {
        to_cancel->cancel = true;
        cancel_at = now;
    }
}

START_TEST(waiting_can_be_cancelled)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    block_kernel();
    to_cancel = &c;
    cancel_at = 3 * SECOND;
    while_asleep = cancel_later;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_ECANCELLED);
    ck_assert_int_lt(skew - cancel_at, SECOND / 10);
    os_system.close(blocker);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static void unblock_later(int64_t now)
{
    if (now > 2 * SECOND && blocker >= 0) {
        os_system.close(blocker);
        blocker = -1;
    }
}

START_TEST(the_lock_is_taken_when_it_comes_free)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    block_kernel();
    while_asleep = unblock_later;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 60000, NULL, &err), TL_OK);
    ck_assert_int_lt(skew, 2 * SECOND + SECOND / 10);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* Who waits keeps the gate, so nobody who comes later gets in before him. */
static int latecomer;

static void come_late(int64_t now)
{
    if (now > SECOND / 2 && latecomer == 0) {
        int fd = os_system.open("j", O_RDWR, 0);
        latecomer = os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH) == -EAGAIN &&
                            os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_GATE) == -EAGAIN
                        ? 1
                        : -1;
        os_system.close(fd);
        os_system.close(blocker);
    }
}

START_TEST(who_waits_first_shuts_the_gate)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    block_kernel();
    latecomer = 0;
    while_asleep = come_late;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 60000, NULL, &err), TL_OK);
    ck_assert_int_eq(latecomer, 1);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static int blocked_for;

static void unblock_soon(int64_t now)
{
    (void)now;
    if (++blocked_for == 3) {
        os_system.close(blocker);
    }
}

static void look_for_free_gate(struct collect *c)
{
    (void)c;
    look_at_locks(true);
}

/* Alone, both are kept together and given back together; after the first meeting the gate is free as soon as one is inside. */
START_TEST(the_gate_is_kept_until_somebody_is_met)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    c.inside = look_inside;
    ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
    ck_assert_int_eq(collect_append(b, &c, "2\n", &err), TL_OK);
    block_kernel();
    blocked_for = 0;
    while_asleep = unblock_soon;
    c.inside = look_for_free_gate;
    ck_assert_int_eq(collect_append_for(b, &c, "3\n", 60000, NULL, &err), TL_OK);
    ck_assert_int_eq(blocked_for, 3);
    ck_assert_int_eq(collect_append(b, &c, "4\n", &err), TL_OK);
    int fd = os_system.open("j", O_RDWR, 0);
    ck_assert_int_eq(os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    os_system.close(fd);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* ---- robbed ---- */

static const char *robber_writes;

/* As Optuna does after its grace period: takes our lock away, makes its own, writes. */
static void rob(struct collect *c)
{
    (void)c;
    ck_assert_int_eq(unlink("j.lock"), 0);
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    if (robber_writes) {
        scratch_append("j", robber_writes, strlen(robber_writes));
    }
}

START_TEST(robbed_after_the_last_look)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct append a;
    ck_assert_int_eq(collect_append(b, &c, "0\n", &err), TL_OK);
    /* nobody wrote: our lines stand where they should */
    c.inside = rob;
    robber_writes = NULL;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, &a, &err), TL_OK);
    ck_assert_int_eq(a.outcome, OUTCOME_DONE);
    ck_assert_str_eq(events, "LOCK_LOST ");
    assert_link("j.lock", "j"); /* the robber's lock is left alone */
    ck_assert_int_eq(unlink("j.lock"), 0);
    /* somebody wrote: what was decided may be void, the log tells */
    robber_writes = "r\n";
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", 0, &a, &err), TL_EUNKNOWN);
    ck_assert_int_eq(a.outcome, OUTCOME_UNKNOWN);
    assert_link("j.lock", "j");
    ck_assert_int_eq(unlink("j.lock"), 0);
    c.inside = NULL;
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    collect_assert_text(&c, "0\n1\nr\n2\n");
    ck_assert_int_eq(collect_append(b, &c, "3\n", &err), TL_OK);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static void rob_slowly(struct collect *c)
{
    rob(c);
    skew += 40 * SECOND;
}

START_TEST(robbed_and_noticed_before_writing)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct append a;
    c.inside = rob_slowly;
    robber_writes = "r\n";
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, &a, &err), TL_EUNKNOWN);
    ck_assert_int_eq(a.outcome, OUTCOME_UNKNOWN);
    assert_file("r\n");
    assert_link("j.lock", "j");
    ck_assert_int_eq(unlink("j.lock"), 0);
    c.inside = NULL;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, &a, &err), TL_OK);
    collect_assert_text(&c, "r\n1\n");
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static void hold_long(struct collect *c)
{
    (void)c;
    skew += 40 * SECOND;
}

START_TEST(held_long_but_not_robbed)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    c.inside = hold_long;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_OK);
    ck_assert(!exists("j.lock"));
    ck_assert_str_eq(events, "");
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static int short_write_robbed(int fd, const void *bytes, size_t n)
{
    (void)n;
    played.write = os_system.write;
    int64_t put = os_system.write(fd, bytes, 3);
    scratch_append("j", "r\n", 2);
    return put < 0 ? (int)put : -ENOSPC;
}

static int64_t short_write(int fd, const void *bytes, size_t n)
{
    return is_owner_text(bytes, n) ? os_system.write(fd, bytes, n) : short_write_robbed(fd, bytes, n);
}

/* Bytes of others behind our torn line must not be cut. */
START_TEST(nothing_is_cut_behind_somebody_elses_bytes)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct append a;
    played.write = short_write;
    ck_assert_int_eq(collect_append_for(b, &c, "{\"a\":1}\n", 0, &a, &err), TL_EUNKNOWN);
    ck_assert_int_eq(a.outcome, OUTCOME_UNKNOWN);
    assert_file("{\"ar\n");
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* ---- threads ---- */

struct worker {
    pthread_t thread;
    int id;
};
static atomic_int inside_now;

static void count_inside(struct collect *c)
{
    (void)c;
    ck_assert_int_eq(atomic_fetch_add(&inside_now, 1), 0);
    os_system.sleep_ns(10000);
    atomic_fetch_sub(&inside_now, 1);
}

static void *append_many(void *ctx)
{
    struct worker *w = ctx;
    struct backend *b = NULL;
    struct collect c = COLLECT_INIT;
    struct tl_err own = TL_ERR_INIT;
    ck_assert_int_eq(backend_open("j", &options, &b, &own), TL_OK);
    c.inside = count_inside;
    for (int i = 0; i < 100; i++) {
        char line[40];
        snprintf(line, sizeof line, "%d %d\n", w->id, i);
        ck_assert_msg(collect_append_for(b, &c, line, 30000, NULL, &own) == TL_OK, "%s", own.message);
    }
    b->ops->close(b);
    collect_release(&c);
    return NULL;
}

START_TEST(handles_of_one_process_exclude_each_other)
{
    os_use(NULL);
    struct worker w[6];
    for (int i = 0; i < 6; i++) {
        w[i].id = i;
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, append_many, &w[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(pthread_join(w[i].thread, NULL), 0);
    }
    char *text = scratch_read("j", NULL);
    int next[6] = {0}, lines = 0;
    for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
        ck_assert_int_eq(strtol(p + 2, NULL, 10), next[*p - '0']++);
        lines++;
    }
    ck_assert_int_eq(lines, 600);
    free(text);
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file_lock");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, both_locks_are_held_inside_and_none_after);
    tcase_add_test(t, the_owner_file_is_young_at_each_acquisition);
    tcase_add_test(t, a_lock_held_long_is_kept_fresh);
    tcase_add_test(t, waiting_is_bounded);
    tcase_add_test(t, waiting_can_be_cancelled);
    tcase_add_test(t, the_lock_is_taken_when_it_comes_free);
    tcase_add_test(t, who_waits_first_shuts_the_gate);
    tcase_add_test(t, the_gate_is_kept_until_somebody_is_met);
    tcase_add_test(t, robbed_after_the_last_look);
    tcase_add_test(t, robbed_and_noticed_before_writing);
    tcase_add_test(t, held_long_but_not_robbed);
    tcase_add_test(t, nothing_is_cut_behind_somebody_elses_bytes);
    tcase_add_test(t, handles_of_one_process_exclude_each_other);
    return check_run("file_lock", t);
}
