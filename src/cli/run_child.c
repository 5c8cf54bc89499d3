/* SPDX-License-Identifier: MIT
 *
 * Starting, reading, signalling and gathering in the programs of `trialog optimize`.
 *
 * Happy path: fork, the child arranges its descriptors and its group and calls exec; a pipe that closes on exec brings the errno
 * back if that fails. Failure: no processes or descriptors left, or a program that cannot be run, are errors of child_start and
 * leave nothing behind. Invariants: every descriptor here closes on exec; a pid is signalled only while we have not waited for
 * it, so that it cannot belong to somebody else.
 */
#include "cli/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/err.h"

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* Moves a descriptor away from 0, 1 and 2, which the child is about to replace. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) {
        return fd;
    }
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), saved = errno;
    close(fd);
    errno = saved;
    return moved;
}

static bool make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0) {
        ends[0] = ends[1] = -1;
        return false;
    }
    ends[0] = above_standard(ends[0]);
    ends[1] = above_standard(ends[1]);
    return ends[0] >= 0 && ends[1] >= 0;
}

int child_check_program(const char *program, struct tl_err *err)
{
    const char *path = getenv("PATH");
    int sys = ENOENT;
    if (strchr(program, '/')) {
        return access(program, X_OK) == 0 ? 0 : err_sys(err, errno, "cannot run '%s'", program);
    }
    if (!path) {
        return 0; /* exec knows a default path */
    }
    while (*path) {
        char file[4096];
        size_t n = strcspn(path, ":");
        int length = snprintf(file, sizeof file, "%.*s%s%s", (int)n, path, n > 0 ? "/" : "", program);
        if (length > 0 && (size_t)length < sizeof file) {
            if (access(file, X_OK) == 0) {
                return 0;
            }
            sys = errno == EACCES ? EACCES : sys;
        }
        path += n + (path[n] == ':');
    }
    return err_sys(err, sys, "cannot run '%s'", program);
}

struct plumbing {
    int null, out[2], err[2], result[2]; /* pipes: read end, write end */
};
#define PLUMBING_INIT {-1, {-1, -1}, {-1, -1}, {-1, -1}}

static bool open_plumbing(struct plumbing *p)
{
    p->null = above_standard(open("/dev/null", O_RDONLY | O_CLOEXEC));
    return p->null >= 0 && make_pipe(p->out) && make_pipe(p->err) && make_pipe(p->result) &&
           fcntl(p->out[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(p->err[0], F_SETFL, O_NONBLOCK) == 0;
}

static void close_plumbing(struct plumbing *p)
{
    int *const all[] = {&p->null, &p->out[0], &p->out[1], &p->err[0], &p->err[1], &p->result[0], &p->result[1]};
    int saved = errno;
    for (size_t i = 0; i < TL_COUNT(all); i++) {
        close_fd(all[i]);
    }
    errno = saved;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become(const struct plumbing *p, char *const *argv, char *const *env, const sigset_t *mask, pid_t parent)
{
    struct sigaction plain = {0}, old;
    plain.sa_handler = SIG_DFL;
    sigemptyset(&plain.sa_mask);
    setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    /* what was ignored when the command started (nohup) stays so; SIGPIPE we ignore ourselves, programs expect it */
    for (int sig = 1; sig < NSIG; sig++) {
        if (sig == SIGPIPE || (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_IGN)) {
            sigaction(sig, &plain, NULL);
        }
    }
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (getppid() != parent) {
        _exit(127);
    }
    if (dup2(p->null, STDIN_FILENO) >= 0 && dup2(p->out[1], STDOUT_FILENO) >= 0 && dup2(p->err[1], STDERR_FILENO) >= 0) {
        execvpe(argv[0], argv, env);
    }
    int sys = errno;
    ssize_t ignored = write(p->result[1], &sys, sizeof sys);
    (void)ignored;
    _exit(127);
}

/* Waits until the program runs: 0, or the errno that exec gave. */
static int exec_result(int fd)
{
    int sys = 0;
    ssize_t n;
    do {
        n = read(fd, &sys, sizeof sys);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof sys ? sys : 0;
}

int child_start(struct child *c, char *const *argv, char *const *env, const sigset_t *mask, struct tl_err *err)
{
    struct plumbing p = PLUMBING_INIT;
    pid_t parent = getpid(), pid = -1;
    sigset_t all, before;
    if (open_plumbing(&p)) {
        /* no handler of ours may run in the child */
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, &before);
        pid = fork();
        if (pid == 0) {
            become(&p, argv, env, mask, parent);
        }
        int saved = errno;
        sigprocmask(SIG_SETMASK, &before, NULL);
        errno = saved;
    }
    if (pid < 0) {
        int sys = errno;
        close_plumbing(&p);
        return err_sys(err, sys, "cannot start a process for '%s'", argv[0]);
    }
    setpgid(pid, pid); /* both sides do it, so that the group exists whoever comes first */
    close_fd(&p.result[1]);
    int sys = exec_result(p.result[0]);
    if (sys) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
            continue;
        }
        close_plumbing(&p);
        return err_sys(err, sys, "cannot run '%s'", argv[0]);
    }
    *c = (struct child){.pid = pid, .out = p.out[0], .err = p.err[0]};
    p.out[0] = p.err[0] = -1;
    close_plumbing(&p);
    return 0;
}

size_t child_read(int *fd, char *bytes, size_t n)
{
    if (*fd < 0) {
        return 0;
    }
    ssize_t got;
    do {
        got = read(*fd, bytes, n);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        return (size_t)got;
    }
    if (got == 0 || errno != EAGAIN) {
        close_fd(fd);
    }
    return 0;
}

void child_signal(const struct child *c, int sig)
{
    if (c->pid > 0) {
        kill(-c->pid, sig);
    }
}

bool child_gather(struct child *c)
{
    siginfo_t info = {0};
    if (c->pid <= 0 || waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != c->pid) {
        return false;
    }
    /* the zombie still holds its pid, so the group cannot be somebody else's */
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR) {
        continue;
    }
    c->pid = 0;
    return true;
}

void child_close(struct child *c)
{
    close_fd(&c->out);
    close_fd(&c->err);
}

void child_status_text(int status, char *out, size_t n)
{
    if (WIFSIGNALED(status)) {
        snprintf(out, n, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        snprintf(out, n, "exit status %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
}
