/* SPDX-License-Identifier: MIT
 *
 * journal/file_lock.c and file_owner.c: who may enter, for how long they wait, whose lock is broken when, what happens to a lock
 * that was taken away. Time is played: a sleep moves the clocks instead of waiting. Optuna's locks are played with symlink and open;
 * tests/interop has the real ones.
 */
#include "base/mem.h"
#include "base/os.h"
#include "journal/backend.h"
#include "journal/file_owner.h"

#include "support/check_main.h"
#include "support/collect.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static char dir[SCRATCH_MAX];
static struct tl_storage_options options;
static struct tl_err err;
static char events[4096], messages[4096];

static void on_event(void *ctx, int level, const char *event, const char *message)
{
    size_t n = strlen(events), m = strlen(messages);
    (void)ctx;
    (void)level;
    snprintf(events + n, sizeof events - n, "%s ", event);
    snprintf(messages + m, sizeof messages - m, "%s\n", message);
}

static const struct tl_log_sink sink = {on_event, NULL, 1};

/* ---- played time ---- */

static int64_t skew;
static void (*while_asleep)(int64_t now);
static struct os_table played;

static int64_t played_monotonic(void)
{
    return os_system.monotonic_ns() + skew;
}

static int64_t played_boottime(void)
{
    return os_system.boottime_ns() + skew;
}

static void played_sleep(int64_t ns)
{
    skew += ns;
    if (while_asleep) {
        while_asleep(skew);
    }
}

static void setup(void)
{
    scratch_make(dir);
    ck_assert_int_eq(chdir(dir), 0);
    options = (struct tl_storage_options)TL_STORAGE_OPTIONS_INIT;
    options.log = &sink;
    err = (struct tl_err)TL_ERR_INIT;
    events[0] = messages[0] = 0;
    skew = 0;
    while_asleep = NULL;
    played = os_system;
    played.monotonic_ns = played_monotonic;
    played.boottime_ns = played_boottime;
    played.sleep_ns = played_sleep;
    os_use(&played);
}

static void teardown(void)
{
    os_use(NULL);
    ck_assert_int_eq(chdir("/"), 0);
    scratch_remove(dir);
}

static struct backend *open_file(const char *path)
{
    struct backend *b = NULL;
    int rc = backend_open(path, &options, &b, &err);
    ck_assert_msg(rc == TL_OK, "%s", err.message);
    return b;
}

static bool exists(const char *name)
{
    struct os_stat s;
    return os_system.stat(name, false, &s) == 0;
}

static void assert_link(const char *name, const char *target)
{
    char text[600];
    int64_t n = os_system.readlink(name, text, sizeof text - 1);
    ck_assert_int_gt(n, 0);
    text[n] = 0;
    ck_assert_str_eq(text, target);
}

static void assert_file(const char *expected)
{
    char *text = scratch_read("j", NULL);
    ck_assert_str_eq(text, expected);
    free(text);
}

/* ---- inside ---- */

static char seen_target[600];

/* Who holds the lock: the name of an owner file, which stands in it or is what it points to. */
static void read_target(void)
{
    struct os_stat s;
    ck_assert_int_eq(os_system.stat("j.lock", false, &s), 0);
    if (s.is_link) {
        int64_t n = os_system.readlink("j.lock", seen_target, sizeof seen_target - 1);
        ck_assert_int_gt(n, 0);
        seen_target[n] = 0;
    } else {
        size_t n;
        char *text = scratch_read("j.lock", &n);
        ck_assert_uint_gt(n, 1);
        ck_assert_int_eq(text[n - 1], '\n');
        text[n - 1] = 0;
        snprintf(seen_target, sizeof seen_target, "%s", text);
        free(text);
    }
}

static void look_inside(struct collect *c)
{
    struct os_stat lock, owner, journal;
    (void)c;
    read_target();
    ck_assert_ptr_null(strchr(seen_target, '/'));
    ck_assert_int_eq(os_system.stat("j.lock", true, &lock), 0); /* as Optuna's waiters look */
    ck_assert_int_eq(os_system.stat(seen_target, false, &owner), 0);
    ck_assert(owner.is_file);
    ck_assert_uint_eq(lock.ino, owner.ino);
    ck_assert_int_eq(os_system.stat("j", true, &journal), 0);
    ck_assert_uint_ne(owner.ino, journal.ino); /* its time is not the journal's */
    int fd = os_system.open("j", O_RDWR, 0);
    ck_assert_int_eq(os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_JOURNAL), -EAGAIN);
    ck_assert_int_eq(os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_GATE), 0); /* the next may queue */
    os_system.close(fd);
}

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

/* ---- breaking ---- */

/* Is it the owner file's text that is being written? */
static bool is_owner_text(const void *bytes, size_t n)
{
    return n > 11 && memcmp(bytes, "j.lock.own.", 11) == 0;
}

static int64_t die_writing(int fd, const void *bytes, size_t n)
{
    if (!is_owner_text(bytes, n)) {
        kill(getpid(), SIGKILL);
    }
    return os_system.write(fd, bytes, n);
}

/* A child that dies inside its critical section; seen_target becomes its lock's. */
static void child_dies_inside(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct backend *b = open_file("j");
        struct collect c = COLLECT_INIT;
        struct append a = {.deliver = {&c, collect_lines, collect_rewind}, .ctx = &c, .compose = collect_compose};
        c.lines = "1\n";
        c.n_lines = 2;
        played.write = die_writing;
        b->ops->append(b, &a, NULL);
        _exit(3);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    read_target();
}

START_TEST(a_dead_owner_is_removed_at_once)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    child_dies_inside();
    ck_assert(exists("j.lock") && exists(seen_target));
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", 1000, NULL, &err), TL_OK);
    ck_assert_int_lt(skew, SECOND / 100);
    ck_assert_str_eq(events, "LOCK_BROKEN ");
    ck_assert_ptr_nonnull(strstr(messages, "dead"));
    ck_assert(!exists("j.lock") && !exists(seen_target)); /* cleaned up too */
    ck_assert_int_eq(scratch_count(dir, ".rename"), 0);
    assert_file("2\n");
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* Locks of Optuna: nothing is known about their holders, so only time decides. */
START_TEST(a_lock_of_optuna_is_broken_after_the_grace_period)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    for (int regular = 0; regular < 2; regular++) {
        if (regular) {
            scratch_write("j.lock", "", 0);
        } else {
            ck_assert_int_eq(symlink("j", "j.lock"), 0);
        }
        events[0] = 0;
        int64_t start = os->monotonic_ns();
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 60000, NULL, &err), TL_OK);
        ck_assert_int_ge(os->monotonic_ns() - start, 30 * SECOND);
        ck_assert_int_lt(os->monotonic_ns() - start, 31 * SECOND);
        ck_assert_ptr_nonnull(strstr(events, "LOCK_BROKEN"));
        ck_assert(!exists("j.lock"));
    }
    b->ops->close(b);
    collect_release(&c);
    c = (struct collect)COLLECT_INIT;
    options.grace_ms = 5000;
    b = open_file("j");
    ck_assert_int_eq(symlink("somewhere/j", "j.lock"), 0); /* a relative path with a folder: its target cannot be found */
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 60000, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 5 * SECOND);
    ck_assert_int_lt(os->monotonic_ns() - start, 6 * SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static int64_t renew_every, renewed_at;
static int renewals;

static void renew_lock(int64_t now)
{
    if (now - renewed_at > renew_every && renewals > 0) {
        renewed_at = now;
        renewals--;
        unlink("j.lock");
        if (symlink("j", "j.lock") != 0) {
            abort();
        }
    }
}

START_TEST(a_lock_that_changes_hands_is_not_abandoned)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    renew_every = 20 * SECOND;
    renewed_at = 0;
    renewals = 4;
    while_asleep = renew_lock;
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 110 * SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static void writer_lives(int64_t now)
{
    if (now - renewed_at > renew_every && renewals > 0) {
        renewed_at = now;
        renewals--;
        scratch_append("j", "{\"o\":1}\n", 8); /* Optuna's holder is slow, but it works */
        os_system.sleep_ns(5000000);
        os_system.touch("j");
    }
}

START_TEST(a_holder_that_writes_is_alive)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    renew_every = 20 * SECOND;
    renewed_at = 0;
    renewals = 3;
    while_asleep = writer_lives;
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "{\"a\":1}\n", -1, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 90 * SECOND);
    collect_assert_text(&c, "{\"o\":1}\n{\"o\":1}\n{\"o\":1}\n{\"a\":1}\n");
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* The kernel lock proves that no process of ours is inside, wherever it runs. */
START_TEST(a_lock_of_ours_is_broken_soon_when_the_kernel_lock_is_ours)
{
    static const char target[] = "j.lock.own.elsewhere-01234567.1.2.89abcdef\n";
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j.lock.own.elsewhere-01234567.1.2.89abcdef", "j.lock"), 0);
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_OK);
    ck_assert_int_lt(skew, SECOND);
    scratch_write("j.lock", target, sizeof target - 1);
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_OK);
    ck_assert_int_lt(skew, 2 * SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static int no_locks(int fd, enum os_lock what, enum os_range range)
{
    (void)fd;
    (void)what;
    (void)range;
    return -ENOSYS;
}

START_TEST(without_kernel_locks_the_lock_file_decides)
{
    played.lock = no_locks;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 1000, NULL, &err), TL_OK);
    struct buf text = BUF_INIT(200);
    b->ops->describe(b, &text);
    ck_assert_str_eq(buf_cstr(&text), "locking=file fence=none durability=full");
    buf_release(&text);
    /* now another host's lock is only broken after the grace period; a dead process of this host at once */
    ck_assert_int_eq(symlink("j.lock.own.elsewhere-01234567.1.2.89abcdef", "j.lock"), 0);
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", -1, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 30 * SECOND);
    child_dies_inside();
    start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "3\n", -1, NULL, &err), TL_OK);
    ck_assert_int_lt(os->monotonic_ns() - start, SECOND / 10);
    b->ops->close(b);
    options.lock = TL_LOCK_KERNEL;
    b = open_file("j");
    ck_assert_int_eq(collect_append_for(b, &c, "4\n", -1, NULL, &err), TL_EUNSUPPORTED);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* Between our look and our rename somebody else's lock may come into the place: it is put back. */
static int swap_and_rename(const char *from, const char *to)
{
    if (strcmp(strrchr(from, '/') ? strrchr(from, '/') + 1 : from, "j.lock") == 0) {
        played.rename = os_system.rename;
        unlink("j.lock");
        if (symlink("fresh", "j.lock") != 0) {
            abort();
        }
    }
    return os_system.rename(from, to);
}

START_TEST(a_lock_that_was_not_meant_is_put_back)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    played.rename = swap_and_rename;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 32000, NULL, &err), TL_ELOCKED);
    assert_link("j.lock", "fresh");
    ck_assert_int_eq(scratch_count(dir, ".rename"), 0);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* ---- file systems without hard links ---- */

static int no_links(const char *from, const char *to)
{
    (void)from;
    (void)to;
    return -EPERM;
}

static void see_symbolic_link(struct collect *c)
{
    struct os_stat s;
    look_inside(c);
    ck_assert_int_eq(os_system.stat("j.lock", false, &s), 0);
    ck_assert(s.is_link);
}

START_TEST(without_hard_links_a_symbolic_one_will_do)
{
    played.link = no_links;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    c.inside = see_symbolic_link;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_OK);
        ck_assert(!exists("j.lock"));
        skew += SECOND;
    }
    c.inside = NULL;
    child_dies_inside();
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", 1000, NULL, &err), TL_OK);
    ck_assert_str_eq(events, "LOCK_BROKEN ");
    b->ops->close(b);
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
    collect_release(&c);
}
END_TEST

static int unlinks_to_fail;

static int fail_unlink(const char *path)
{
    if (strstr(path, ".rename") && unlinks_to_fail > 0) {
        unlinks_to_fail--;
        return -EIO;
    }
    return os_system.unlink(path);
}

/* Renaming a name of a file to another name of the same file does nothing and reports success. */
START_TEST(a_moved_lock_that_stays_does_not_keep_the_next_one)
{
    played.unlink = fail_unlink;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    for (int i = 0; i < 20; i++) {
        unlinks_to_fail = 1;
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_OK);
        ck_assert(!exists("j.lock"));
    }
    ck_assert_int_eq(scratch_count(dir, ".rename"), 20);
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

/* ---- names, unlocking by hand ---- */

START_TEST(odd_targets_are_nobodys)
{
    static const char *const odd[] = {
        "j.lock.own.", "j.lock.own.a", "j.lock.own.a.b", "j.lock.own.a.1.b.c", "j.lock.own.a..1.c", "j.lock.own.a/b.1.2.c",
        "j.lock.own.a.99999999999999999999999.2.c", "x.lock.own.a.1.2.c", "/j.lock.own.a.1.2.c", "j.lock.own",
    };
    for (size_t i = 0; i < TL_COUNT(odd); i++) {
        struct backend *b = open_file("j");
        struct collect c = COLLECT_INIT;
        ck_assert_int_eq(symlink(odd[i], "j.lock"), 0);
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 20000, NULL, &err), TL_ELOCKED); /* treated like Optuna's */
        ck_assert_int_eq(unlink("j.lock"), 0);
        b->ops->close(b);
        collect_release(&c);
    }
}
END_TEST

START_TEST(unlocking_by_hand)
{
    struct owner o = {0};
    char path[SCRATCH_MAX + 10];
    const char *paths[] = {path};
    bool removed = true;
    snprintf(path, sizeof path, "%s/j", dir);
    scratch_write("j", "", 0);
    ck_assert_int_eq(owner_init(&o, paths, 1, 30000, &sink, &err), TL_OK);
    ck_assert_int_eq(owner_unlock(&o, false, &removed, &err), TL_OK);
    ck_assert(!removed);
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    ck_assert_int_eq(owner_unlock(&o, false, &removed, &err), TL_ELOCKED);
    ck_assert(exists("j.lock"));
    ck_assert_int_eq(owner_unlock(&o, true, &removed, &err), TL_OK);
    ck_assert(removed && !exists("j.lock"));
    child_dies_inside();
    ck_assert_int_eq(owner_unlock(&o, false, &removed, &err), TL_OK);
    ck_assert(removed && !exists("j.lock"));
    owner_close(&o);
}
END_TEST

START_TEST(leftovers_are_cleaned)
{
    struct owner o = {0};
    struct owner_watch w = {0};
    char path[SCRATCH_MAX + 10];
    const char *paths[] = {path};
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    snprintf(path, sizeof path, "%s/j", dir);
    scratch_write("j", "", 0);
    child_dies_inside();
    ck_assert_int_eq(unlink("j.lock"), 0);
    char dead[600];
    snprintf(dead, sizeof dead, "%s", seen_target);
    scratch_write("j.lock.own.elsewhere-01234567.1.2.00000001", "", 0);
    scratch_write("j.lock.own.elsewhere-01234567.1.2.00000002", "", 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, "j.lock.own.elsewhere-01234567.1.2.00000002", old, 0), 0);
    scratch_write("j.lock00000000-0000-4000-8000-000000000000.rename", "", 0);
    scratch_write("j.lock00000000-0000-4000-8000-000000000001.rename", "", 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, "j.lock00000000-0000-4000-8000-000000000001.rename", old, 0), 0);
    scratch_write("jj.lock.own.elsewhere-01234567.1.2.00000002", "", 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, "jj.lock.own.elsewhere-01234567.1.2.00000002", old, 0), 0);
    ck_assert_int_eq(owner_init(&o, paths, 1, 30000, &sink, &err), TL_OK);
    ck_assert_int_eq(owner_try(&o, &w, &err), 1);
    ck_assert(owner_give_back(&o));
    owner_clean(&o);
    ck_assert(!exists(dead));
    ck_assert(exists("j.lock.own.elsewhere-01234567.1.2.00000001"));
    ck_assert(!exists("j.lock.own.elsewhere-01234567.1.2.00000002"));
    ck_assert(exists("j.lock00000000-0000-4000-8000-000000000000.rename"));
    ck_assert(!exists("j.lock00000000-0000-4000-8000-000000000001.rename"));
    ck_assert(exists("jj.lock.own.elsewhere-01234567.1.2.00000002"));
    ck_assert_int_eq(scratch_count(dir, "j.lock.own."), 3); /* ours is still in use */
    owner_close(&o);
    ck_assert_int_eq(scratch_count(dir, "j.lock.own."), 2);
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
    tcase_add_test(t, a_dead_owner_is_removed_at_once);
    tcase_add_test(t, a_lock_of_optuna_is_broken_after_the_grace_period);
    tcase_add_test(t, a_lock_that_changes_hands_is_not_abandoned);
    tcase_add_test(t, a_holder_that_writes_is_alive);
    tcase_add_test(t, a_lock_of_ours_is_broken_soon_when_the_kernel_lock_is_ours);
    tcase_add_test(t, without_kernel_locks_the_lock_file_decides);
    tcase_add_test(t, a_lock_that_was_not_meant_is_put_back);
    tcase_add_test(t, without_hard_links_a_symbolic_one_will_do);
    tcase_add_test(t, a_moved_lock_that_stays_does_not_keep_the_next_one);
    tcase_add_test(t, robbed_after_the_last_look);
    tcase_add_test(t, robbed_and_noticed_before_writing);
    tcase_add_test(t, held_long_but_not_robbed);
    tcase_add_test(t, nothing_is_cut_behind_somebody_elses_bytes);
    tcase_add_test(t, odd_targets_are_nobodys);
    tcase_add_test(t, unlocking_by_hand);
    tcase_add_test(t, leftovers_are_cleaned);
    tcase_add_test(t, handles_of_one_process_exclude_each_other);
    return check_run("file_lock", t);
}
