/* SPDX-License-Identifier: MIT
 *
 * The store: one journal, one state, one way to write (store_commit) and one way to read (store_lock_state after
 * store_refresh, or a tl_view). Everything above speaks to a journal through this header only.
 *
 * Locks, in the order in which they may be taken:
 *   commit queue -> backend's own guard -> state lock.
 * The state is only changed by the thread that holds the state lock inside a backend callback; decide() runs there too, so it
 * may read the state freely.
 */
#ifndef TL_STORE_H
#define TL_STORE_H

#include "base/mem.h"
#include "model/state.h"
#include <trialog/storage.h>

/* What a decision depends on, where there is no lock to decide under (BACKEND_OPTIMISTIC). */
enum exact {
    EXACT_NOT,   /* it only looks the arguments over: the log's verdict on the operations is answer enough */
    EXACT_FRESH, /* on a state that was read since the call began: a conflict makes it so, and need not be avoided a second time */
    EXACT_HEAD,  /* on the state at the head: nothing may come in between */
};

/* A group of operations that is written in one append, in order, and applied together. */
struct commit {
    /* (optional) Runs inside the journal's critical section on the state at its head, possibly more than once (each time from
     * the start: the arena is reset before). Fills in `ops`, memory from `arena`. A non-zero return ends this commit with that
     * code and writes nothing of it; TL_OK with n_ops 0 writes nothing and succeeds. */
    int (*decide)(struct commit *c, const struct state *s, struct tl_err *err);
    void *ctx;
    enum exact exact;
    bool has_trial;  /* of one trial, `trial`: what was refused of it while it waited is an error of this call */
    bool takes_along; /* with exact: what waits has to be written before, though the decision does not belong to it */
    int64_t trial;
    bool copies; /* trials made RUNNING are copies: nobody runs them here, so no lease is taken for them */
    struct arena arena;
    struct op *ops; /* worker and n are filled in by the store; strings must stay valid until store_commit returns */
    size_t n_ops;

    /* results */
    struct applied *applied; /* n_ops, in the arena */
    int code;                /* 0, or the first operation's failure, or why nothing was written */
    struct tl_err err;
    uint64_t first_n; /* number of the first operation, for TL_EUNKNOWN */

    bool head_only; /* set by decide(): its operations hold at the head only, whatever `exact` says */

    /* private */
    struct commit *next;
    struct defer_flush *before; /* what waited: nothing is written unless that was */
    int phase;
    bool led; /* a leader is done with it */
    uint64_t flush_token;
};

/* Writes and applies; blocks until durable (as the storage's durability says). Threads that come together share one append.
 * An operation that the replay rules reject is an error of this call (applied[i].verdict says which), but it stands in the log;
 * later operations of the group are applied all the same, as on every other reader. */
int store_commit(tl_storage *storage, struct commit *c, struct tl_err *err);
void commit_release(struct commit *c);
/* Of one that a group has: did it fail before it was written? For its leader. */
bool commit_failed(const struct commit *c);
/* Writes what waits for the next append (defer.h). */
int store_flush(tl_storage *storage, struct tl_err *err);

/* For decide(): a view of the state that it was given. To be closed after store_commit returned. */
int store_view(tl_storage *storage, const struct state *s, int64_t study_id, tl_view **out, struct tl_err *err);

/* Brings the state up to the journal's head. */
int store_refresh(tl_storage *storage, struct tl_err *err);
/* The current state, locked against changes until store_unlock_state. Keep it short: writers wait. */
struct state *store_lock_state(tl_storage *storage);
void store_unlock_state(tl_storage *storage);

/* Fails the trials of workers whose lease ran out, exactly once each, and puts them back into the queue where their worker wished
 * so (lease.c): for whoever asks or waits. Cheap when called often: over all workers about four looks are made per lease. Returns how
 * many trials were failed. What goes wrong is logged: a look that failed is made again. */
size_t lease_look(tl_storage *storage);
/* Something was written for a trial by somebody who need not be its owner: a sign of life all the same. */
void lease_sign_of_life(tl_storage *storage, int64_t trial_id);
/* The same when that ended the trial: the lease of a handle that closed while it ran (trialog ask) goes with its last trial. */
void lease_settle(tl_storage *storage, int64_t trial_id);
/* Entry of calls that look at the state without store_refresh: sets the handle up anew in a forked child. */
int store_enter(tl_storage *storage, struct tl_err *err);

/* Now, in the form of the columns' times. */
struct tl_time store_now(void);
const struct tl_log_sink *store_log(tl_storage *storage);
/* The worker id of this handle in this process. Copied into `out`. */
void store_worker(tl_storage *storage, char out[64]);
/* A UUID of version 4 as text, NUL-terminated: 37 bytes. */
int storage_uuid(char out[64], struct tl_err *err);

#endif
