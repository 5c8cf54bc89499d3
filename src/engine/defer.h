/* SPDX-License-Identifier: MIT
 *
 * Writes that wait: parameters and attributes of a RUNNING trial of this handle's own, which nobody needs to see at once. For the
 * engine only; trialog/storage.h has the rules (defer_ms).
 */
#ifndef TL_DEFER_H
#define TL_DEFER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "engine/ops.h"

/* One of them. Belongs to the storage's list, and to the views that show it. */
struct deferred {
    struct deferred *next;
    atomic_int refs;
    int64_t study_id, trial_id; /* the storage's own ids */
    bool is_param;
    struct param param; /* is_param */
    const struct tl_dist *dist; /* its distribution, in the storage's table */
    struct op op;       /* else: an attribute */
    char *value;        /* of the attribute, on the heap. Names and distributions lie in the storage's tables, as long as it is open */

    /* under the state lock */
    struct defer_flush *by; /* who is writing it; NULL: it waits */
    size_t place;       /* which of that commit's operations it is, or one of the following */
    bool doubtful;      /* an earlier write of it ended in nobody knows what */
    int code;           /* DEFER_REFUSED: why, with `why` */
    bool refused;       /* for good: a call on the trial has to be told. Not shown any more */
    struct tl_err why;
};
#define DEFER_LANDED SIZE_MAX        /* no operation: it stands in the log already */
#define DEFER_REFUSED (SIZE_MAX - 1) /* no operation: the state forbids it */

struct deferral { /* part of a tl_storage */
    int64_t wait_ms; /* 0: nothing waits here */

    /* the list, in the order of the calls; under the state lock */
    struct deferred *first, **end;
    size_t n, bytes;
    struct intern names; /* that ever waited: whoever reads trials may know them by their place */
    struct dist_table dists;
    atomic_int_fast64_t looked_ns; /* monotonic: when the state was last known to be the log's */
    uint64_t changes;           /* grows with every change of what views show */
    atomic_size_t open;         /* that wait and nobody writes */
    atomic_size_t unwritten;    /* all that somebody has to write yet */
    atomic_size_t refused;      /* that somebody must be told of */

    /* the thread that writes what waited long enough */
    struct thread thread;
    int64_t due_ns;   /* under its mutex; monotonic; INT64_MAX: nothing to do */
    int64_t wakes_ns; /* when it looks by itself */
    bool complained;
};

void deferral_init(tl_storage *st);  /* locks only: nothing waits yet */
void deferral_begin(tl_storage *st); /* backend and options are there */
/* In a child: what waited is the parent's. `whole`: the state lock was free. */
void deferral_forked(tl_storage *st, bool whole);
/* Writes what waits and ends the thread. Comes before the backend is closed; a second time it does nothing. */
void deferral_close(tl_storage *st);
void deferral_release(tl_storage *st);

/* Takes a parameter, or an attribute, of a trial in, if it may wait: *waits. Otherwise it is to be written at once, also when it is wrong
 * in a way that a write finds out. TL_EINCOMPATIBLE: with what is known here, or what had waited and was refused. */
int store_defer(tl_storage *st, int64_t trial_id, const struct param *param, const struct op *attr, bool *waits, struct tl_err *err);

/* Where decisions conflict and writes wait: what can wait is better not part of a decision. */
bool defer_instead(const tl_storage *st);

/* A commit of what waits. It goes in front of another one (commit.before) or by itself. */
struct defer_flush {
    struct commit commit;
    tl_storage *st;
    size_t dropped; /* of what it had: the trial had ended, or is gone */
};
/* false: nothing waits, and nothing is being written (which may fail, and then `f` takes it over). */
bool defer_begin(tl_storage *st, struct defer_flush *f);
/* A group was led: what it wrote leaves the list, before anybody whose commit was in that group, or comes next, goes on. Under the queue
 * lock. */
void defer_led(tl_storage *st);
/* After it was led and flushed. */
void defer_end(struct defer_flush *f);
/* Was something of this trial refused? Under the state lock. */
int defer_check(const tl_storage *st, int64_t trial_id, struct tl_err *err);
/* Tells of what was refused of a trial, once. */
int defer_refused(tl_storage *st, int64_t trial_id, struct tl_err *err);

/* ---- for views ---- */

/* Where writes wait, a look at the log costs a round trip: can a trial be shown as it is known here? A finished one does not change, and
 * one of our own that is RUNNING hardly by others: if this process was away for a while it may have been given up as lost. */
bool defer_knows(tl_storage *st, int64_t trial_id);
/* What waits in a study (trial_id < 0) or for one trial; references in the arena. Under the state lock. false: out of memory. */
bool defer_collect(const tl_storage *st, int64_t study_id, int64_t trial_id, struct arena *a, struct deferred ***out, size_t *n);
void deferred_unref(struct deferred *e);
/* Put over the lists of a trial what waits for it; the lists have room for n more. */
void deferred_params(struct deferred *const *list, size_t n, int64_t trial_id, struct tl_param *params, size_t *n_params);
void deferred_attrs(struct deferred *const *list, size_t n, int64_t trial_id, struct tl_attr *attrs, size_t *n_attrs);
/* The newest value of an attribute that waits; NULL when none does. */
const struct str *deferred_attr(struct deferred *const *list, size_t n, int64_t trial_id, enum tl_attr_kind kind, struct str key);
bool deferred_any(struct deferred *const *list, size_t n, int64_t trial_id);

#endif
