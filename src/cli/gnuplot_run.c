/* SPDX-License-Identifier: MIT
 *
 * Runs gnuplot (see gnuplot_run.h). One poll loop serves its three pipes, so neither side ever waits for the other.
 *
 * Failure modes: it is not installed; it complains (the first line of its standard error is passed on); it does not end (it is
 * killed). Ctrl-C reaches it too, because it stays in our process group.
 */
#include "cli/gnuplot_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_MS   120000
#define PICTURE_MOST ((size_t)256 << 20)

enum { SCRIPT, PICTURE, COMPLAINTS, N_PIPES };

struct run {
    pid_t pid;
    int fds[N_PIPES]; /* our ends; -1: closed */
    struct buf *out;
    struct buf complaints;
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* Starts it with a pipe for each standard descriptor. Returns an errno. */
static int start(struct run *r)
{
    static char *const argv[] = {(char *)"gnuplot", (char *)"-d", NULL};
    posix_spawn_file_actions_t actions;
    int theirs[N_PIPES] = {-1, -1, -1}, rc = posix_spawn_file_actions_init(&actions);
    if (rc) {
        return rc;
    }
    for (int i = 0; i < N_PIPES && rc == 0; i++) {
        int ends[2];
        rc = pipe2(ends, O_CLOEXEC) ? errno : 0;
        if (rc) {
            break;
        }
        theirs[i] = ends[i == SCRIPT ? 0 : 1];
        r->fds[i] = ends[i == SCRIPT ? 1 : 0];
        /* main.c keeps 0 to 2 open, so no end is one of them */
        rc = posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
        if (rc == 0 && fcntl(r->fds[i], F_SETFL, O_NONBLOCK) != 0) {
            rc = errno;
        }
    }
    if (rc == 0) {
        rc = posix_spawnp(&r->pid, argv[0], &actions, NULL, argv, environ);
    }
    for (int i = 0; i < N_PIPES; i++) {
        close_fd(&theirs[i]);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* Reads what is there; closes at the end, or when it is too much. */
static void take(int *fd, struct buf *to)
{
    char bytes[65536];
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n > 0) {
        buf_add(to, bytes, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_fd(fd);
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Serves the pipes until gnuplot has closed its ends. False: time is up, or a signal wants us to stop. */
static bool serve(struct run *r, const struct buf *script)
{
    int64_t end_ms = now_ms() + LONGEST_MS;
    size_t sent = 0;
    while (r->fds[PICTURE] >= 0 || r->fds[COMPLAINTS] >= 0) {
        struct pollfd polls[N_PIPES];
        for (int i = 0; i < N_PIPES; i++) {
            polls[i] = (struct pollfd){.fd = r->fds[i], .events = i == SCRIPT ? POLLOUT : POLLIN};
        }
        int64_t left = end_ms - now_ms();
        if (left <= 0 || cli_stops > 0) {
            return false;
        }
        if (poll(polls, N_PIPES, (int)left) < 0) {
            continue;
        }
        if (polls[SCRIPT].revents) {
            ssize_t n = write(r->fds[SCRIPT], script->data + sent, script->len - sent);
            sent += n > 0 ? (size_t)n : 0;
            if (sent == script->len || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                close_fd(&r->fds[SCRIPT]);
            }
        }
        if (polls[PICTURE].revents) {
            take(&r->fds[PICTURE], r->out);
        }
        if (polls[COMPLAINTS].revents) {
            take(&r->fds[COMPLAINTS], &r->complaints);
        }
    }
    return true;
}

/* The line of gnuplot's complaints that says what is wrong: it prints the command, a caret, and then "line 12: what". */
static struct str complaint(const struct buf *b)
{
    const char *p = b->data, *end = p + b->len;
    struct str last = {p, 0};
    while (p < end) {
        const char *line = p;
        while (p < end && *p != '\n') {
            p++;
        }
        if (p > line && p - line > 1) {
            last = (struct str){line, (size_t)(p - line)};
        }
        p += p < end;
    }
    while (last.n > 0 && (*last.p == ' ' || *last.p == '\t')) {
        last.p++;
        last.n--;
    }
    return last;
}

int gnuplot_run(struct cli *c, const struct buf *script, struct buf *out)
{
    struct run r = {.pid = -1, .fds = {-1, -1, -1}, .out = out, .complaints = BUF_INIT(1 << 20)};
    int status = 0, wait_status = 0, rc = start(&r);
    bool done = rc == 0 && serve(&r, script);
    for (int i = 0; i < N_PIPES; i++) {
        close_fd(&r.fds[i]);
    }
    if (rc == 0) {
        if (!done) {
            kill(r.pid, SIGKILL);
        }
        while (waitpid(r.pid, &wait_status, 0) < 0 && errno == EINTR) {
            continue;
        }
    }
    struct str words = complaint(&r.complaints);
    if (rc == ENOENT) {
        status = cli_error(c, TL_EUNSUPPORTED,
                           "SVG and PNG files are drawn by gnuplot, which is not installed or not in PATH "
                           "(Debian: apt install gnuplot-nox; Fedora: dnf install gnuplot-minimal; macOS: "
                           "brew install gnuplot)");
    } else if (rc) {
        status = cli_error(c, TL_EIO, "gnuplot cannot be run: %s", strerror(rc));
    } else if (!done) {
        status = cli_stops > 0 ? 128 + (int)cli_stop_signal
                               : cli_error(c, TL_EIO, "gnuplot did not end in two minutes");
    } else if (out->failed || r.complaints.failed) {
        status = cli_nomem(c);
    } else if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0 || out->len == 0) {
        status = cli_error(c, TL_EIO, "gnuplot failed: %.*s", words.n > 0 ? (int)words.n : 12,
                           words.n > 0 ? words.p : "no complaint");
    }
    buf_release(&r.complaints);
    return status;
}
