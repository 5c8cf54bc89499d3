/* SPDX-License-Identifier: MIT
 *
 * Running and measuring zstd; see zstd_run.h. The child writes into a pipe that we empty, and its processor clock is read
 * while it runs, so that a hopeless run costs little more than a good one.
 */
#include "zstd_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS     5 /* odd: the median is one of them */
#define CHECK_MS 5

static int64_t microseconds(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static int far_above(int64_t cpu_us, int64_t limit_us)
{
    return limit_us > 0 && cpu_us > limit_us * 4 / 3;
}

/* Processor time of a running child so far, 0 when it cannot be had. */
static int64_t cpu_so_far(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Counts what the child writes until it closes the pipe. */
static void count_output(pid_t pid, int fd, int64_t limit_us, struct zstd_run *run)
{
    char bytes[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        int ready = poll(&p, 1, limit_us > 0 ? CHECK_MS : -1);
        if (ready < 0 && errno != EINTR) {
            return;
        }
        if (ready > 0) {
            ssize_t n = read(fd, bytes, sizeof bytes);
            if (n == 0 || (n < 0 && errno != EINTR)) {
                return;
            }
            run->size += n > 0 ? n : 0;
        }
        if (!run->cut && far_above(cpu_so_far(pid), limit_us)) {
            run->cut = 1;
            kill(pid, SIGKILL);
        }
    }
}

static pid_t start(char *const *argv, int *out)
{
    int ends[2];
    if (pipe(ends) != 0) {
        perror("pipe");
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], argv);
        perror("cannot run zstd");
        _exit(127);
    }
    close(ends[1]);
    if (pid < 0) {
        perror("fork");
        close(ends[0]);
    }
    *out = ends[0];
    return pid;
}

int zstd_run(const char *file, const char *option, int64_t limit_us, struct zstd_run *run)
{
    char words[2][4096];
    struct rusage usage;
    int out, status;
    if (snprintf(words[0], sizeof words[0], "%s", option) >= (int)sizeof words[0] ||
        snprintf(words[1], sizeof words[1], "%s", file) >= (int)sizeof words[1]) {
        fprintf(stderr, "a name is too long\n");
        return -1;
    }
    char *argv[] = {"zstd", "-q", "--single-thread", "-c", words[0], words[1], NULL};
    *run = (struct zstd_run){0, 0, 0};
    pid_t pid = start(argv, &out);
    if (pid < 0) {
        return -1;
    }
    count_output(pid, out, limit_us, run);
    close(out);
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    run->cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    return run->cut || (WIFEXITED(status) && WEXITSTATUS(status) == 0) ? 0 : -1;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_size);
    return values[n / 2];
}

int zstd_measure_reference(const char *file, struct zstd_reference *reference)
{
    double times[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        struct zstd_run run;
        if (zstd_run(file, reference->option, 0, &run) != 0) {
            return -1;
        }
        times[i] = (double)run.cpu_us;
        reference->size = run.size;
    }
    reference->cpu_us = (int64_t)median(times, RUNS);
    return 0;
}

int zstd_compare(const char *file, const char *option, const struct zstd_reference *reference, struct zstd_score *score)
{
    double times[RUNS];
    if (zstd_run(file, option, reference->cpu_us, &score->run) != 0) {
        return -1;
    }
    score->time = (double)score->run.cpu_us / (double)reference->cpu_us;
    if (!score->run.cut && score->run.size < reference->size) {
        for (size_t i = 0; i < RUNS; i++) {
            struct zstd_run ours, theirs;
            if (zstd_run(file, option, 0, &ours) != 0 || zstd_run(file, reference->option, 0, &theirs) != 0) {
                return -1;
            }
            times[i] = (double)ours.cpu_us / (double)theirs.cpu_us;
        }
        score->time = median(times, RUNS);
    }
    int fits = !score->run.cut && score->time <= 1;
    score->value = fits ? (double)score->run.size : (double)reference->size * (score->time > 1.001 ? score->time : 1.001);
    return 0;
}
