/* SPDX-License-Identifier: MIT
 *
 * A program run as a child: started in a process group of its own, read through two pipes without blocking, signalled as a
 * group, and gathered in. Nothing of it outlives the call that gathers it in: what the program left running in its group is
 * killed then.
 */
#ifndef TL_RUN_CHILD_H
#define TL_RUN_CHILD_H

#include <signal.h>
#include <sys/types.h>

#include "base/base.h"

struct child {
    pid_t pid;    /* 0: none */
    int out, err; /* read ends of standard output and standard error, -1 when closed */
    int status;   /* as from wait, once child_gather was true */
};
#define CHILD_INIT {0, -1, -1, 0}

/* Can `program` be run, as far as one can see without trying? Errors: TL_ENOTFOUND, TL_EACCESS. */
int child_check_program(const char *program, struct tl_err *err);
/* Starts argv[0] (found through PATH) with standard input from /dev/null and `mask` as its signal mask. On Linux it gets
 * SIGTERM when this process dies. Blocks until the program runs. Errors: TL_ENOTFOUND, TL_EACCESS and others with the errno,
 * when it cannot be run; TL_EIO when the system refuses processes or pipes. */
int child_start(struct child *c, char *const *argv, char *const *env, const sigset_t *mask, struct tl_err *err);
/* Reads what is there from `*fd` (c->out or c->err): the number of bytes, 0 when there is nothing now; at the end the
 * descriptor is closed and set to -1. */
size_t child_read(int *fd, char *bytes, size_t n);
/* Sends a signal to the program and all that it started in its group. */
void child_signal(const struct child *c, int sig);
/* True once the program has ended: kills what is left of its group, takes the status, and forgets the pid. Descriptors stay
 * open, for what is still to be read. Never blocks. */
bool child_gather(struct child *c);
void child_close(struct child *c);

/* How it ended: "exit status 3", "killed by signal 11 (Segmentation fault)". */
void child_status_text(int status, char *out, size_t n);

#endif
