/* SPDX-License-Identifier: MIT
 *
 * Leases: a worker that runs trials gives signs of life; trials of a worker that gives none any more are lost. For the engine only;
 * trialog/storage.h, LEASES, has the rules.
 */
#ifndef TL_LEASE_H
#define TL_LEASE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base.h"
#include "base/thread.h"
#include <trialog/types.h>

#define LEASE_MIN_MS 500
#define LEASE_MAX_MS (INT64_C(1000) * 86400 * 3650)

struct leases { /* part of a tl_storage */
    int64_t length_ms; /* 0: this worker takes none */
    uint32_t retries;

    /* our own */
    atomic_bool wanted; /* it has trials, or had some */
    atomic_bool held;   /* the lease was written */
    atomic_bool complained;
    atomic_int_fast64_t renewed_ns; /* monotonic */
    struct thread thread; /* renews it */

    /* those of others */
    pthread_mutex_t look_lock;     /* one thread of a handle looks at a time */
    atomic_int_fast64_t look_at_ns; /* monotonic: not before */
    int64_t shortest_ms;           /* length of the shortest lease seen at the last look, 0: none */
    bool late;                     /* somebody was late at the last look */
    unsigned failures;             /* looks in a row that failed */
    unsigned looks;
};

void leases_init(tl_storage *st);   /* options are there */
void leases_forked(tl_storage *st); /* in a child: the lease is the parent's */
void leases_close(tl_storage *st);  /* gives the lease up, or leaves it to run out when trials are running; ends the thread */

/* Inside an append's critical section, before operations that make a trial RUNNING are written: takes the lease or renews it. So whoever
 * finds under the lock that a lease ran out knows that its worker has no trial that is not in the log. */
void lease_hold(tl_storage *st);

/* The thread that renews could not be started: every append does it, then. */
static inline bool lease_needs_calls(const struct leases *l)
{
    return TL_UNLIKELY(!l->thread.running) && atomic_load(&l->wanted);
}

/* Milliseconds until lease_look (store.h) would look. */
int64_t lease_look_in_ms(tl_storage *st);

#endif
