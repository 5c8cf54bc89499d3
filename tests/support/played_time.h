/* SPDX-License-Identifier: MIT
 *
 * For tests of locks: a folder, a log of events, a journal "j", and time that is played: a sleep moves the clocks instead of waiting.
 * Unused parts are no error: every test takes what it needs.
 */
#ifndef TEST_PLAYED_TIME_H
#define TEST_PLAYED_TIME_H

#include "base/os.h"
#include "journal/backend.h"
#include "support/collect.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

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

static atomic_int_fast64_t skew; /* the keeper thread looks at it too */
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

/* A word in shared memory is waited for in real time. */
static int share_nothing(int fd, size_t n, void **out)
{
    (void)fd;
    (void)n;
    (void)out;
    return -ENODEV;
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
    played.share = share_nothing;
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

/* ---- who holds the lock ---- */

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

/* Both locks are held as they should be. The gate is free for the next one when `met`: when the holder has met others before. */
static void look_at_locks(bool met)
{
    struct os_stat lock, owner, journal;
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
    ck_assert_int_eq(os_system.lock(fd, OS_LOCK_TRY, OS_RANGE_GATE), met ? 0 : -EAGAIN);
    os_system.close(fd);
}

static void look_inside(struct collect *c)
{
    (void)c;
    look_at_locks(false);
}

/* ---- a holder that dies ---- */

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
        struct append a = {.deliver = {&c, collect_lines, collect_rewind, NULL, 0}, .ctx = &c, .compose = collect_compose};
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

#pragma GCC diagnostic pop

#endif
