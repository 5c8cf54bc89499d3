/* SPDX-License-Identifier: MIT
 *
 * bench_append_floor FOLDER: processor microseconds of the bare system calls of one append to a journal in that folder, in a loop without
 * anything else: what no writer that keeps the protocol can be faster than. python_storage.py prints them beside the calls.
 *
 * One line of JSON: `kernel` (lock, look at the path, write, unlock, flush), `both` (and Optuna's lock file, by renaming a link that waits),
 * `both_linked` (the same by link, rename, look and unlink), and `optuna_lock` (its lock file alone: symlink, rename, unlink). The least of
 * several rounds. A system call that fails ends it with status 1.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define CALLS 2000
#define WITHOUT_REPLACING 1u /* RENAME_NOREPLACE */

static char journal[4200], lock_file[4300], own[4300], waiting[4400], moved[4300];
static int fd;

static void need(int rc, const char *what)
{
    if (rc < 0) {
        perror(what);
        exit(1);
    }
}

static void lock(short type)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_len = ((off_t)1 << 62) + 1};
    need(fcntl(fd, F_OFD_SETLK, &range), "lock");
}

static void look(const char *path)
{
    struct stat s;
    need(lstat(path, &s), path);
}

static void write_line(void)
{
    static char line[135];
    memset(line, 'x', sizeof line);
    need((int)write(fd, line, sizeof line), "write");
    need(fdatasync(fd), "fdatasync");
}

static void kernel(void)
{
    lock(F_WRLCK);
    look(journal);
    write_line();
    lock(F_UNLCK);
}

static void both(void)
{
    lock(F_WRLCK);
    need((int)syscall(SYS_renameat2, AT_FDCWD, waiting, AT_FDCWD, lock_file, WITHOUT_REPLACING), "renameat2");
    look(journal);
    write_line();
    need(rename(lock_file, waiting), "rename");
    look(waiting);
    lock(F_UNLCK);
}

static void both_linked(void)
{
    lock(F_WRLCK);
    need(link(own, lock_file), "link");
    look(journal);
    write_line();
    need(rename(lock_file, moved), "rename");
    look(moved);
    need(unlink(moved), "unlink");
    lock(F_UNLCK);
}

static void optuna_lock(void)
{
    need(symlink(journal, lock_file), "symlink");
    need(rename(lock_file, moved), "rename");
    need(unlink(moved), "unlink");
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double least(void (*call)(void))
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (int i = 0; i < CALLS; i++) {
            call();
        }
        double us = (now_us() - start) / CALLS;
        best = us < best ? us : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    if (argc != 2 || strlen(argv[1]) > 4000) {
        fprintf(stderr, "usage: bench_append_floor FOLDER\n");
        return 2;
    }
    char folder[4100];
    snprintf(folder, sizeof folder, "%s/append-floor-XXXXXX", argv[1]);
    need(mkdtemp(folder) ? 0 : -1, folder);
    snprintf(journal, sizeof journal, "%s/j", folder);
    snprintf(lock_file, sizeof lock_file, "%s/j.lock", folder);
    snprintf(own, sizeof own, "%s/j.lock.own.host-01234567.12345.1234567.01234567", folder);
    snprintf(waiting, sizeof waiting, "%s-free", own);
    snprintf(moved, sizeof moved, "%s/j.lock01234567-89ab-4def-8123-456789abcdef.rename", folder);
    fd = open(journal, O_RDWR | O_CREAT | O_APPEND, 0600);
    need(fd, journal);
    int owner = open(own, O_WRONLY | O_CREAT, 0600);
    need(owner, own);
    need(close(owner), own);
    need(link(own, waiting), waiting);
    double k = least(kernel), b = least(both), l = least(both_linked), o = least(optuna_lock);
    printf("{\"kernel\": %.2f, \"both\": %.2f, \"both_linked\": %.2f, \"optuna_lock\": %.2f}\n", k, b, l, o);
    need(unlink(waiting), waiting);
    need(unlink(own), own);
    need(unlink(journal), journal);
    need(rmdir(folder), folder);
    return 0;
}
