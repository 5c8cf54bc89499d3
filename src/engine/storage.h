/* SPDX-License-Identifier: MIT
 *
 * The inside of a tl_storage, for storage.c, store.c, lease.c, defer.c, view.c and snapshot.c only.
 */
#ifndef TL_STORAGE_H
#define TL_STORAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/defer.h"
#include "engine/lease.h"
#include "engine/store.h"
#include "journal/backend.h"

struct catalog;
struct parts;

#define WORKER_MAX 64

struct tl_storage {
    struct tl_storage_options options;
    struct backend *backend;
    struct catalog *catalog; /* of a root (parts.h): then there is no backend, and its studies lie in parts */
    struct parts *parts;
    tl_storage *root;        /* of a part */
    int64_t base_id;         /* of a part: to be added to ids for callers */
    char worker[WORKER_MAX]; /* one per handle and process */
    uint64_t n;              /* operations numbered so far; commit leader only */
    atomic_uint fork_count;  /* the process's when this handle was set up */

    /* the commit queue: the thread that takes the lead writes for all that wait */
    pthread_mutex_t queue_lock;
    pthread_cond_t queue_moved;
    struct commit *queue, **queue_end;
    bool leading;

    pthread_mutex_t read_lock; /* one reader in the backend at a time */

    pthread_mutex_t state_lock;
    struct state *state;
    unsigned rewinds; /* how often the log was found to be another one */
    bool stale;   /* the state must be rebuilt from the log before use */
    bool damaged; /* a line in the middle cannot be trusted */
    uint64_t damage_line;
    int64_t damage_offset;
    struct arena arena; /* of the line being replayed */
    struct commit *in_flight; /* the group being written: lines of ours that come back give it their verdicts */

    /* snapshots */
    pthread_t snapshot_thread;
    bool snapshot_running, snapshot_joinable; /* under queue_lock */
    uint64_t replayed_bytes; /* read or written since the last one; under state_lock */
    uint64_t log_bytes;      /* length of the log when the last one was made */

    struct leases leases;
    struct deferral deferral;

    atomic_uint_fast64_t operations, appends, flushes, lines_read, bytes_read, odd_lines, bad_lines, lock_waits_ns,
        snapshot_seq;
};

/* Opens a storage on a backend, which is closed with it, or at once on failure. `root`: NULL unless it becomes a part. */
int storage_open_on(struct backend *backend, const struct tl_storage_options *options, tl_storage *root, int64_t base_id,
                    tl_storage **out, struct tl_err *err);
/* Opens a root on a catalog, which is closed with it, or at once on failure. */
int storage_open_catalog(struct catalog *catalog, const struct tl_storage_options *options, tl_storage **out, struct tl_err *err);
/* Entry of every public call: sets the handle up anew in a forked child, rebuilds a stale state. */
int storage_enter(tl_storage *st, struct tl_err *err);
/* Callbacks of the backend: replay. */
int storage_lines(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err);
int storage_rewind(void *ctx, const char *why, struct tl_err *err);
int storage_image(void *ctx, uint64_t seq, struct image_source *from, struct tl_err *err);
/* Study that a broken create-trial line names, -1 when it is no such line: its trial keeps its place in the count. */
int64_t storage_broken_create_trial(struct str line);
/* Delivers what is new; storage_rebuild throws the state away first. `deadline_ns`: when to give up waiting for a server, 0: after the
 * storage's time limit. Caller holds read_lock, or nobody else knows the handle. */
int storage_read_news(tl_storage *st, int64_t deadline_ns, struct tl_err *err);
int storage_rebuild(tl_storage *st, int64_t deadline_ns, struct tl_err *err);
/* Keeps everybody else out of the backend, and lets them in again. */
void storage_exclusive(tl_storage *st);
void storage_shared(tl_storage *st);
/* A line of ours came back from the log: gives its verdict, and what is to be said of it, to the commit that waits for it. */
void storage_settle(tl_storage *st, uint64_t n, const struct applied *done, const struct tl_err *why);
/* Loads the snapshot into the empty state if there is a usable one. */
int storage_load_snapshot(tl_storage *st, struct tl_err *err);
/* Starts writing a snapshot in the background when the policy says that it pays. */
void storage_snapshot_if_due(tl_storage *st);
void storage_snapshot_join(tl_storage *st);
int storage_snapshot_now(tl_storage *st, struct tl_err *err);

#endif
