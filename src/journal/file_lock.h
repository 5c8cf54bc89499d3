/* SPDX-License-Identifier: MIT
 *
 * Exclusion on a journal file: the kernel's lock, then Optuna's lock file. README.md has the protocol and why.
 */
#ifndef TL_FILE_LOCK_H
#define TL_FILE_LOCK_H

#include "journal/file_owner.h"
#include "journal/file_peers.h"

#include <trialog/storage.h>

struct file_lock {
    struct owner owner;
    const char *path; /* for messages; borrowed */
    bool with_owner;  /* Optuna's lock file too */
    bool kernel;      /* false: the file system has no locks (found out at the first try) */
    bool network;
    struct peers *peers; /* borrowed */
    const struct tl_log_sink *log;
};

/* A wait that is under way; fill in deadline and cancelled. */
struct lock_wait {
    int64_t start_ns, deadline_ns; /* monotonic; deadline INT64_MAX: none */
    bool (*cancelled)(void *ctx);
    void *ctx;
    int64_t next_ask_ns, next_warn_ns;
};
/* timeout_ms < 0: no limit */
struct lock_wait lock_wait_begin(int64_t timeout_ms, bool (*cancelled)(void *ctx), void *ctx);

/* Takes both locks through `fd`, which must be open for writing. The gate stays ours on a network file system, for
 * file_lock_move. After a failure the caller releases the kernel lock (or closes fd). Errors: TL_ELOCKED, TL_ECANCELLED, TL_EUNSUPPORTED
 * (kernel lock wanted and not there), system errors. */
int file_lock_acquire(struct file_lock *l, int fd, struct lock_wait *w, struct tl_err *err);
/* Moves the kernel lock to another descriptor of the same file, so that what is written through it is fenced; frees the gate. */
int file_lock_move(struct file_lock *l, int from, int to, struct tl_err *err);
/* The lock file first: false when somebody had taken it away. The kernel lock is still held then. */
bool file_lock_release_owner(struct file_lock *l);
/* False: it could not be released, so the descriptor must be closed. */
bool file_lock_release_kernel(struct file_lock *l, int fd);
/* Is the lock file still ours? */
bool file_lock_still_ours(const struct file_lock *l);
/* Has the file system kernel locks? Looks by taking one for a moment. */
void file_lock_probe(struct file_lock *l, int fd);

#endif
