/* SPDX-License-Identifier: MIT
 *
 * base/os.c: the real table, entry by entry: results, negated errnos, locks between descriptors.
 */
#include "base/os.h"

#include "support/check_main.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_MAX];

static void setup(void)
{
    scratch_make(dir);
}

static void teardown(void)
{
    scratch_remove(dir);
}

static const char *at(const char *name)
{
    return scratch_path(dir, name);
}

START_TEST(every_entry_is_there)
{
    const void *const *entry = (const void *const *)(const void *)&os_system;
    for (size_t i = 0; i < sizeof os_system / sizeof *entry; i++) {
        ck_assert_ptr_nonnull(entry[i]);
    }
    ck_assert_ptr_eq(os, &os_system);
    struct os_table other = os_system;
    os_use(&other);
    ck_assert_ptr_eq(os, &other);
    os_use(NULL);
    ck_assert_ptr_eq(os, &os_system);
}
END_TEST

START_TEST(files)
{
    ck_assert_int_eq(os->open(at("none"), O_RDONLY, 0), -ENOENT);
    int fd = os->open(at("f"), O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(os->open(at("f"), O_RDWR | O_CREAT | O_EXCL, 0644), -EEXIST);
    ck_assert_int_eq(os->write(fd, "hello world", 11), 11);
    char text[32] = "";
    ck_assert_int_eq(os->pread(fd, text, sizeof text, 6), 5);
    ck_assert_int_eq(memcmp(text, "world", 5), 0);
    ck_assert_int_eq(os->pread(fd, text, sizeof text, 11), 0);
    struct os_stat s, t;
    ck_assert_int_eq(os->fstat(fd, &s), 0);
    ck_assert_uint_eq(s.size, 11);
    ck_assert(s.is_file && !s.is_dir && !s.is_link);
    ck_assert_int_eq(os->stat(at("f"), true, &t), 0);
    ck_assert_uint_eq(s.ino, t.ino);
    ck_assert_uint_eq(s.dev, t.dev);
    ck_assert_int_eq(os->sync(fd, true), 0);
    ck_assert_int_eq(os->sync(fd, false), 0);
    ck_assert_int_eq(os->truncate(fd, 5), 0);
    ck_assert_int_eq(os->fstat(fd, &s), 0);
    ck_assert_uint_eq(s.size, 5);
    ck_assert_int_eq(os->fadvise_drop(fd), 0);
    ck_assert_int_eq(os->close(fd), 0);
    ck_assert_int_eq(os->close(fd), -EBADF);
    ck_assert_int_eq(os->pread(fd, text, 1, 0), -EBADF);
    ck_assert_int_eq(os->write(fd, text, 1), -EBADF);
    ck_assert_int_eq(os->sync(fd, true), -EBADF);
    ck_assert_int_eq(os->truncate(fd, 0), -EBADF);
    ck_assert_int_eq(os->fstat(fd, &s), -EBADF);
    fd = os->open(at("f"), O_RDONLY, 0);
    ck_assert_int_eq(os->read(fd, text, sizeof text), 5);
    ck_assert_int_eq(os->read(fd, text, sizeof text), 0);
    ck_assert_int_eq(os->close(fd), 0);
}
END_TEST

static int count_names(const char *name, void *ctx)
{
    ck_assert_str_ne(name, ".");
    ck_assert_str_ne(name, "..");
    ++*(int *)ctx;
    return 0;
}

static int stop_at_once(const char *name, void *ctx)
{
    (void)name;
    ++*(int *)ctx;
    return 7;
}

START_TEST(names)
{
    scratch_write(at("a"), "x", 1);
    ck_assert_int_eq(os->symlink("a", at("l")), 0);
    ck_assert_int_eq(os->symlink("b", at("l")), -EEXIST);
    char text[32];
    ck_assert_int_eq(os->readlink(at("l"), text, sizeof text), 1);
    ck_assert_int_eq(text[0], 'a');
    ck_assert_int_eq(os->readlink(at("a"), text, sizeof text), -EINVAL);
    ck_assert_int_eq(os->readlink(at("none"), text, sizeof text), -ENOENT);
    struct os_stat s;
    ck_assert_int_eq(os->stat(at("l"), false, &s), 0);
    ck_assert(s.is_link);
    ck_assert_int_eq(os->stat(at("l"), true, &s), 0);
    ck_assert(s.is_file);
    ck_assert_int_eq(os->stat(dir, true, &s), 0);
    ck_assert(s.is_dir);
    /* a link is linked itself */
    ck_assert_int_eq(os->link(at("l"), at("l2")), 0);
    ck_assert_int_eq(os->stat(at("l2"), false, &s), 0);
    ck_assert(s.is_link);
    ck_assert_int_eq(os->link(at("a"), at("l2")), -EEXIST);
    ck_assert_int_eq(os->rename(at("l2"), at("l3")), 0);
    ck_assert_int_eq(os->rename(at("l2"), at("l3")), -ENOENT);
    ck_assert_int_eq(os->rename_new(at("l3"), at("a")), -EEXIST);
    ck_assert_int_eq(os->rename_new(at("l3"), at("l2")), 0);
    ck_assert_int_eq(os->rename_new(at("l3"), at("l2")), -ENOENT);
    ck_assert_int_eq(os->rename_new(at("l2"), at("l3")), 0);
    int n = 0;
    ck_assert_int_eq(os->dir_list(dir, count_names, &n), 0);
    ck_assert_int_eq(n, 3);
    n = 0;
    ck_assert_int_eq(os->dir_list(dir, stop_at_once, &n), 7);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(os->dir_list(at("none"), count_names, &n), -ENOENT);
    ck_assert_int_eq(os->unlink(at("l3")), 0);
    ck_assert_int_eq(os->unlink(at("l3")), -ENOENT);
    char real[4096], real_dir[4096];
    ck_assert_int_gt(os->realpath(dir, real_dir, sizeof real_dir), 0);
    int64_t length = os->realpath(at("l"), real, sizeof real);
    ck_assert_int_eq(length, (int64_t)strlen(real));
    ck_assert_int_eq(strncmp(real, real_dir, strlen(real_dir)), 0);
    ck_assert_str_eq(real + strlen(real_dir), "/a");
    ck_assert_int_eq(os->realpath(at("none"), real, sizeof real), -ENOENT);
    ck_assert_int_eq(os->realpath(at("a"), real, 3), -ENAMETOOLONG);
}
END_TEST

START_TEST(touch_moves_the_time)
{
    scratch_write(at("a"), "x", 1);
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    ck_assert_int_eq(utimensat(AT_FDCWD, at("a"), old, 0), 0);
    struct os_stat before, after;
    ck_assert_int_eq(os->stat(at("a"), true, &before), 0);
    ck_assert_int_eq(before.mtime_ns, INT64_C(1000) * 1000000000);
    ck_assert_int_eq(os->touch(at("a")), 0);
    ck_assert_int_eq(os->stat(at("a"), true, &after), 0);
    ck_assert_int_gt(after.mtime_ns, before.mtime_ns);
    ck_assert_int_eq(os->touch(at("none")), -ENOENT);
}
END_TEST

START_TEST(locks_exclude_descriptors_not_processes)
{
    scratch_write(at("a"), "", 0);
    int a = os->open(at("a"), O_RDWR, 0), b = os->open(at("a"), O_RDWR, 0);
    ck_assert_int_eq(os->lock(a, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    ck_assert_int_eq(os->lock(a, OS_LOCK_TRY, OS_RANGE_BOTH), 0); /* its own */
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_BOTH), -EAGAIN);
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_GATE), -EAGAIN);
    ck_assert_int_eq(os->lock(a, OS_LOCK_RELEASE, OS_RANGE_GATE), 0);
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_GATE), 0);
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_JOURNAL), -EAGAIN);
    ck_assert_int_eq(os->lock(a, OS_LOCK_RELEASE, OS_RANGE_JOURNAL), 0);
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_JOURNAL), 0);
    ck_assert_int_eq(os->lock(a, OS_LOCK_TRY, OS_RANGE_JOURNAL), -EAGAIN);
    os->close(b); /* ends its locks */
    ck_assert_int_eq(os->lock(a, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    /* A child shares the description: its close does not release. */
    pid_t pid = fork();
    if (pid == 0) {
        os->close(a);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    b = os->open(at("a"), O_RDWR, 0);
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_BOTH), -EAGAIN);
    os->close(a);
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    os->close(b);
    ck_assert_int_eq(os->lock(b, OS_LOCK_TRY, OS_RANGE_BOTH), -EBADF);
}
END_TEST

static void *wait_for_end(void *fd)
{
    char c;
    (void)!read(*(int *)fd, &c, 1);
    _exit(0);
}

/* The first thread of a process has ended, others go on: it is alive, though its state is that of a zombie. */
START_TEST(a_process_without_its_first_thread)
{
    int ends[2];
    uint64_t start;
    char path[40], text[512] = "";
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t other;
        close(ends[1]);
        if (pthread_create(&other, NULL, wait_for_end, &ends[0]) != 0) {
            _exit(1);
        }
        pthread_exit(NULL);
    }
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (!strstr(text, ") Z ")) {
        FILE *f = fopen(path, "r");
        ck_assert_ptr_nonnull(f);
        ck_assert_ptr_nonnull(fgets(text, sizeof text, f));
        fclose(f);
    }
    ck_assert_int_eq(os->process_start(pid, &start), 0);
    ck_assert_uint_gt(start, 0);
    close(ends[1]);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(os->process_start(pid, &start), -ESRCH);
    close(ends[0]);
}
END_TEST

START_TEST(processes)
{
    uint64_t mine, again, child;
    ck_assert_int_eq(os->pid(), getpid());
    ck_assert_int_eq(os->process_start(os->pid(), &mine), 0);
    ck_assert_int_eq(os->process_start(os->pid(), &again), 0);
    ck_assert_uint_eq(mine, again);
    ck_assert_uint_gt(mine, 0);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(ends[1]);
        (void)!read(ends[0], &c, 1);
        _exit(0);
    }
    ck_assert_int_eq(os->process_start(pid, &child), 0);
    ck_assert_uint_ge(child, mine);
    close(ends[1]);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0); /* now a zombie */
    ck_assert_int_eq(os->process_start(pid, &child), -ESRCH);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(os->process_start(pid, &child), -ESRCH);
    close(ends[0]);
    ck_assert_int_eq(os->process_start(-5, &child), -ESRCH);
    ck_assert_int_eq(os->process_start(INT64_C(1) << 40, &child), -ESRCH);
    char host[64], tiny[3], boot[200];
    ck_assert_int_eq(os->hostname(host, sizeof host), 0);
    ck_assert_uint_gt(strlen(host), 0);
    ck_assert_int_eq(os->hostname(tiny, sizeof tiny), 0);
    ck_assert_uint_le(strlen(tiny), 2);
    ck_assert_int_eq(os->boot_id(boot, sizeof boot), 0);
    ck_assert_uint_gt(strlen(boot), 36);
    ck_assert_int_eq(os->boot_id(boot, 10), -ENAMETOOLONG);
}
END_TEST

START_TEST(clocks_and_chance)
{
    int64_t a = os->monotonic_ns(), boot = os->boottime_ns();
    os->sleep_ns(2000000);
    os->sleep_ns(0);
    ck_assert_int_ge(os->monotonic_ns() - a, 2000000);
    ck_assert_int_ge(os->boottime_ns() - boot, 2000000);
    ck_assert_int_gt(os->realtime_us(), INT64_C(1600000000) * 1000000);
    unsigned char x[64] = {0}, y[64] = {0};
    ck_assert_int_eq(os->random(x, sizeof x), 0);
    ck_assert_int_eq(os->random(y, sizeof y), 0);
    ck_assert_int_ne(memcmp(x, y, sizeof x), 0);
    setenv("TRIALOG_TEST_OS", "v", 1);
    ck_assert_str_eq(os->env("TRIALOG_TEST_OS"), "v");
    unsetenv("TRIALOG_TEST_OS");
    ck_assert_ptr_null(os->env("TRIALOG_TEST_OS"));
}
END_TEST

static void on_alarm(int signal)
{
    (void)signal;
}

START_TEST(signals_do_not_interrupt)
{
    struct sigaction act = {.sa_handler = on_alarm}; /* no SA_RESTART */
    sigaction(SIGALRM, &act, NULL);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 20; i++) {
            usleep(2000);
            kill(parent, SIGALRM);
        }
        (void)!write(ends[1], "x", 1);
        _exit(0);
    }
    char c = 0;
    ck_assert_int_eq(os->read(ends[0], &c, 1), 1);
    ck_assert_int_eq(c, 'x');
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    int64_t start = os->monotonic_ns();
    pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 5; i++) {
            usleep(2000);
            kill(parent, SIGALRM);
        }
        _exit(0);
    }
    os->sleep_ns(30000000);
    ck_assert_int_ge(os->monotonic_ns() - start, 30000000);
    while (waitpid(pid, NULL, 0) != pid) {
    }
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(file_systems)
{
    struct os_fs_info info = {OS_FS_NFS, false};
    ck_assert_int_eq(os->fs_info(dir, &info), 0);
    ck_assert_int_eq(info.kind, OS_FS_LOCAL);
    ck_assert(info.locks_shared);
    ck_assert_int_eq(os->fs_info(at("none"), &info), -ENOENT);
}
END_TEST

/* A listening socket of this process on a free port of the loopback. */
static int listen_on(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, n), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void talk(int fd, int peer)
{
    char text[16] = "";
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(os->recv(fd, text, sizeof text), -EAGAIN);
    ck_assert_int_eq(os->poll(fd, OS_READABLE, 1), 0);
    ck_assert_int_eq(os->poll(fd, OS_WRITABLE, 1000), 1);
    ck_assert_int_eq(os->send(fd, "ping", 4), 4);
    ck_assert_int_eq(read(peer, text, sizeof text), 4);
    ck_assert_int_eq(write(peer, "pong", 4), 4);
    ck_assert_int_eq(os->poll(fd, OS_READABLE, 1000), 1);
    ck_assert_int_eq(os->recv(fd, text, sizeof text), 4);
    ck_assert_int_eq(memcmp(text, "pong", 4), 0);
    close(peer);
    ck_assert_int_eq(os->poll(fd, OS_READABLE, 1000), 1);
    ck_assert_int_eq(os->recv(fd, text, sizeof text), 0);
    for (int i = 0; i < 100 && os->send(fd, "to nobody", 9) > 0; i++) { /* no SIGPIPE */
    }
    os->close(fd);
}

START_TEST(sockets)
{
    struct os_address to = {.host = "127.0.0.1"};
    int listener = listen_on(&to.port);
    int fd = os->connect(&to, 5000, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    talk(fd, accept(listener, NULL, NULL));
    close(listener);
    ck_assert_int_eq(os->connect(&to, 5000, NULL, NULL), -ECONNREFUSED);
    to.host = "no-such-host.invalid";
    fd = os->connect(&to, 5000, NULL, NULL);
    ck_assert_msg(fd == -ENXIO || fd == -EAGAIN, "%d", fd); /* -EAGAIN: this machine has no name service at all */

    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", at("socket"));
    to = (struct os_address){.path = at("socket")};
    ck_assert_int_eq(os->connect(&to, 1000, NULL, NULL), -ENOENT);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    fd = os->connect(&to, 1000, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    talk(fd, accept(listener, NULL, NULL));
    close(listener);
    char far[300];
    memset(far, 'x', sizeof far - 1);
    far[sizeof far - 1] = 0;
    to.path = far;
    ck_assert_int_eq(os->connect(&to, 1000, NULL, NULL), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("os");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_entry_is_there);
    tcase_add_test(t, files);
    tcase_add_test(t, names);
    tcase_add_test(t, touch_moves_the_time);
    tcase_add_test(t, locks_exclude_descriptors_not_processes);
    tcase_add_test(t, a_process_without_its_first_thread);
    tcase_add_test(t, processes);
    tcase_add_test(t, clocks_and_chance);
    tcase_add_test(t, signals_do_not_interrupt);
    tcase_add_test(t, file_systems);
    tcase_add_test(t, sockets);
    return check_run("os", t);
}
