/* SPDX-License-Identifier: MIT
 *
 * journal/file_peers.c: which flushes of others count, who is woken, whose page is trusted, what stays behind. Flushes are played: the
 * table counts them and lets another process's work happen in the middle of one.
 */
#include "journal/file_peers.h"

#include "support/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS INT64_C(1000000)

/* No inode has such numbers, and no two tests that run at once have the same. */
#define DEV ((uint64_t)UINT32_MAX << 32 | (uint64_t)getpid())
#define INO (UINT64_C(1) << 63)

static struct os_table table;
static int syncs, sync_result;
static void (*during_sync)(void);

static int played_sync(int fd, bool data_only)
{
    (void)fd;
    ck_assert(data_only);
    syncs++;
    void (*what)(void) = during_sync;
    during_sync = NULL;
    if (what) {
        what();
    }
    return sync_result;
}

static struct peers one, two, three;

static struct peers fresh(void)
{
    struct peers p = {.fd = -1};
    peers_use(&p, DEV, INO);
    return p;
}

static void setup(void)
{
    table = os_system;
    table.sync = played_sync;
    os_use(&table);
    syncs = sync_result = 0;
    during_sync = NULL;
    one = fresh();
    two = fresh();
    three = fresh();
}

static void teardown(void)
{
    peers_close(&one);
    peers_close(&two);
    peers_close(&three);
    os_use(NULL);
}

static void meet(struct peers *p)
{
    peers_meet(p);
    ck_assert(peers_are_met(p));
}

static struct peers_mark write_by(const struct peers *p)
{
    struct peers_mark mark = peers_before_write(p);
    peers_behind_write(p, &mark);
    return mark;
}

/* How many flushes making it durable takes. */
static int flushes(const struct peers *p, struct peers_mark mark)
{
    int before = syncs;
    ck_assert_int_eq(peers_flush(p, &mark, 7), 0);
    return syncs - before;
}

/* ---- flushes ---- */

START_TEST(a_flush_that_began_behind_the_write_counts)
{
    meet(&one);
    meet(&two);
    struct peers_mark a = write_by(&one), b = write_by(&two);
    ck_assert_int_eq(flushes(&two, b), 1);
    ck_assert_int_eq(flushes(&one, a), 0);
    a = write_by(&one);
    ck_assert_int_eq(flushes(&one, a), 1); /* the earlier one does not */
    ck_assert_int_eq(flushes(&one, a), 0);
}
END_TEST

static struct peers_mark in_the_middle;

static void write_in_the_middle(void)
{
    in_the_middle = write_by(&one);
}

START_TEST(a_flush_that_was_under_way_does_not)
{
    meet(&one);
    meet(&two);
    during_sync = write_in_the_middle;
    ck_assert_int_eq(flushes(&two, write_by(&two)), 1);
    ck_assert_int_eq(flushes(&one, in_the_middle), 1);
}
END_TEST

/* Its descriptor might have been opened after the kernel had told somebody else that our page could not be written. */
START_TEST(a_flush_of_a_later_opening_does_not)
{
    meet(&one);
    struct peers_mark a = write_by(&one);
    meet(&two);
    struct peers_mark b = write_by(&one);
    ck_assert_int_eq(flushes(&two, write_by(&two)), 1);
    ck_assert_int_eq(flushes(&one, b), 0);
    ck_assert_int_eq(flushes(&one, a), 1);
}
END_TEST

START_TEST(a_flush_that_failed_does_not)
{
    meet(&one);
    meet(&two);
    struct peers_mark a = write_by(&one), b = write_by(&two);
    sync_result = -EIO;
    ck_assert_int_eq(peers_flush(&two, &b, 7), -EIO);
    ck_assert_int_eq(peers_flush(&one, &a, 7), -EIO); /* asked, and told by the kernel itself */
    ck_assert_int_eq(syncs, 2);
}
END_TEST

START_TEST(without_a_page_each_flushes_for_itself)
{
    struct peers_mark a = write_by(&one);
    ck_assert(!a.known);
    ck_assert_int_eq(flushes(&one, a), 1);
    meet(&one);
    ck_assert_int_eq(flushes(&one, a), 1); /* written before others were met */
    ck_assert_int_eq(flushes(&two, write_by(&two)), 1);
}
END_TEST

static void start_three(void)
{
    struct peers_mark mark = write_by(&three);
    ck_assert_int_eq(peers_flush(&three, &mark, 7), 0);
}

START_TEST(two_may_be_under_way)
{
    meet(&one);
    meet(&two);
    meet(&three);
    struct peers_mark a = write_by(&one);
    during_sync = start_three; /* would wait for ever if it could not begin: this thread is the one that would end the first */
    ck_assert_int_eq(flushes(&two, write_by(&two)), 2);
    ck_assert_int_eq(flushes(&one, a), 0);
}
END_TEST

static void die(void)
{
    raise(SIGKILL);
}

static void flush_and_die(struct peers *p)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct peers_mark mark = write_by(p);
        during_sync = die;
        (void)peers_flush(p, &mark, 7);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Who wrote before it waits a little, then flushes; who writes later waits for nobody. */
START_TEST(a_flush_that_never_ends_is_not_waited_for_long)
{
    meet(&one);
    meet(&two);
    for (int killed = 1; killed <= 2; killed++) {
        struct peers_mark a = write_by(&one);
        for (int i = 0; i < killed; i++) {
            flush_and_die(&two);
        }
        int64_t start = os->monotonic_ns();
        ck_assert_int_eq(flushes(&one, a), 1);
        ck_assert_int_ge(os->monotonic_ns() - start, 50 * MS);
        ck_assert_int_lt(os->monotonic_ns() - start, 2000 * MS);
        flush_and_die(&two);
        start = os->monotonic_ns();
        ck_assert_int_eq(flushes(&one, write_by(&one)), 1);
        ck_assert_int_lt(os->monotonic_ns() - start, 45 * MS);
    }
}
END_TEST

/* ---- turns ---- */

static void *wait_for_turn(void *seen)
{
    int64_t start = os->monotonic_ns();
    while (peers_turn(&one, OS_RANGE_GATE) == *(uint32_t *)seen) {
        ck_assert(peers_wait_turn(&one, OS_RANGE_GATE, *(uint32_t *)seen, 30000 * MS));
    }
    ck_assert_int_lt(os->monotonic_ns() - start, 20000 * MS);
    return NULL;
}

START_TEST(who_gives_back_wakes_who_waits)
{
    pthread_t thread;
    uint32_t seen = peers_turn(&one, OS_RANGE_GATE);
    ck_assert(!peers_wait_turn(&one, OS_RANGE_GATE, seen, 30000 * MS)); /* nobody could wake us */
    meet(&one);
    meet(&two);
    seen = peers_turn(&one, OS_RANGE_GATE);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_turn, &seen), 0);
    peers_pass_turn(&two, OS_RANGE_JOURNAL); /* another queue */
    peers_pass_turn(&two, OS_RANGE_GATE);
    pthread_join(thread, NULL);
    ck_assert(peers_wait_turn(&one, OS_RANGE_GATE, seen, 30000 * MS)); /* given back already: does not wait */
    seen = peers_turn(&one, OS_RANGE_GATE);
    ck_assert(peers_wait_turn(&one, OS_RANGE_GATE, seen, MS));
}
END_TEST

static int no_waiting(atomic_uint *word, uint32_t seen, int64_t ns)
{
    (void)word;
    (void)seen;
    (void)ns;
    return -EPERM;
}

/* A sandbox may forbid the call: then there is no busy waiting. */
START_TEST(where_nobody_can_wait_for_a_word_pauses_are_made)
{
    meet(&one);
    meet(&two);
    table.wait_word = no_waiting;
    ck_assert(!peers_wait_turn(&one, OS_RANGE_GATE, peers_turn(&one, OS_RANGE_GATE), MS));
    struct peers_mark a = write_by(&one);
    flush_and_die(&two);
    ck_assert_int_eq(flushes(&one, a), 1);
}
END_TEST

/* ---- the page's file ---- */

static bool exists(const char *path)
{
    struct os_stat s;
    return os->stat(path, false, &s) == 0;
}

START_TEST(the_last_one_removes_the_file)
{
    char path[sizeof one.path];
    ck_assert(!exists(one.path));
    meet(&one);
    meet(&two);
    memcpy(path, one.path, sizeof path);
    ck_assert_str_eq(path, two.path);
    ck_assert(exists(path));
    peers_close(&one);
    ck_assert(exists(path) && !peers_are_met(&one));
    peers_close(&two);
    ck_assert(!exists(path));
    one = fresh();
    meet(&one);
    ck_assert(exists(path));
}
END_TEST

START_TEST(leftovers_of_the_killed_go_with_the_next_page)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct peers p = {.fd = -1};
        peers_use(&p, DEV, INO + 1); /* the child's number */
        meet(&p);
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    char left[sizeof one.path];
    snprintf(left, sizeof left, "/dev/shm/trialog-1-%lu-%llx-%llx", (unsigned long)geteuid(),
             (unsigned long long)UINT32_MAX << 32 | (unsigned long long)child, (unsigned long long)(INO + 1));
    ck_assert(exists(left));
    meet(&one);
    ck_assert(!exists(left));
    peers_use(&two, DEV, INO + 2);
    meet(&two);
    ck_assert(exists(one.path)); /* in use */
}
END_TEST

START_TEST(a_file_that_others_may_write_to_is_not_used)
{
    meet(&one);
    char path[sizeof one.path];
    memcpy(path, one.path, sizeof path);
    ck_assert_int_eq(chmod(path, 0666), 0);
    peers_meet(&two);
    ck_assert(!peers_are_met(&two));
    ck_assert_int_eq(flushes(&two, write_by(&two)), 1);
    peers_close(&one);
    ck_assert(!exists(path));
    ck_assert_int_eq(symlink("/dev/zero", path), 0);
    peers_meet(&three);
    ck_assert(!peers_are_met(&three));
    ck_assert_int_eq(unlink(path), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600); /* too short to be touched */
    ck_assert_int_ge(fd, 0);
    close(fd);
    one = fresh();
    peers_meet(&one);
    ck_assert(!peers_are_met(&one));
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static int no_sharing(int fd, size_t n, void **out)
{
    (void)fd;
    (void)n;
    (void)out;
    return -ENOMEM;
}

START_TEST(where_memory_cannot_be_shared_nothing_stays_behind)
{
    table.share = no_sharing;
    peers_meet(&one);
    ck_assert(!peers_are_met(&one));
    ck_assert_str_ne(one.path, "");
    ck_assert(!exists(one.path));
}
END_TEST

START_TEST(no_journal_no_page)
{
    peers_use(&one, 0, 0);
    peers_meet(&one);
    ck_assert(!peers_are_met(&one));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file_peers");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_flush_that_began_behind_the_write_counts);
    tcase_add_test(t, a_flush_that_was_under_way_does_not);
    tcase_add_test(t, a_flush_of_a_later_opening_does_not);
    tcase_add_test(t, a_flush_that_failed_does_not);
    tcase_add_test(t, without_a_page_each_flushes_for_itself);
    tcase_add_test(t, two_may_be_under_way);
    tcase_add_test(t, a_flush_that_never_ends_is_not_waited_for_long);
    tcase_add_test(t, who_gives_back_wakes_who_waits);
    tcase_add_test(t, where_nobody_can_wait_for_a_word_pauses_are_made);
    tcase_add_test(t, the_last_one_removes_the_file);
    tcase_add_test(t, leftovers_of_the_killed_go_with_the_next_page);
    tcase_add_test(t, a_file_that_others_may_write_to_is_not_used);
    tcase_add_test(t, where_memory_cannot_be_shared_nothing_stays_behind);
    tcase_add_test(t, no_journal_no_page);
    return check_run("file_peers", t);
}
