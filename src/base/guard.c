/* SPDX-License-Identifier: MIT
 *
 * Locks with a time limit, from a mutex and a condition variable.
 *
 * Happy path: the mutex is taken for a moment, nobody is inside, and the caller is. Who finds somebody inside waits in slices of 50 ms, and
 * between two of them looks at the clock and asks whether to go on. Failure modes: none but the two that the caller asked for.
 * Invariants: the mutex is not held while `cancelled` is called, which may wait for locks of its own; a slice goes by the system's clock
 * that nobody sets, the limit by the clock that tests may replace.
 */
#include "base/guard.h"

#include "base/err.h"
#include "base/os.h"
#include "base/thread.h"

#define SLICE_NS INT64_C(50000000)

int guard_init(struct guard *g, struct tl_err *err)
{
    int sys = cond_init(&g->freed);
    if (sys == 0) {
        sys = pthread_mutex_init(&g->mutex, NULL);
    }
    g->depth = 0;
    return sys == 0 ? TL_OK : err_sys(err, sys, "cannot make a lock");
}

void guard_release(struct guard *g)
{
    pthread_cond_destroy(&g->freed);
    pthread_mutex_destroy(&g->mutex);
}

int guard_enter(struct guard *g, int64_t deadline_ns, bool (*cancelled)(void *ctx), void *ctx, struct tl_err *err)
{
    int rc = TL_OK;
    bool stop = false;
    pthread_mutex_lock(&g->mutex);
    while (g->depth > 0 && !pthread_equal(g->owner, pthread_self())) {
        int64_t left = deadline_ns == INT64_MAX ? INT64_MAX : deadline_ns - os->monotonic_ns();
        if (stop || left <= 0) {
            rc = stop ? err_set(err, TL_ECANCELLED, "cancelled while another thread waits for the storage's answer")
                      : err_set(err, TL_ELOCKED, "another thread has been waiting for the storage's answer for the whole time limit");
            break;
        }
        (void)cond_wait_for(&g->freed, &g->mutex, left < SLICE_NS ? left : SLICE_NS);
        if (cancelled && g->depth > 0) {
            pthread_mutex_unlock(&g->mutex);
            stop = cancelled(ctx);
            pthread_mutex_lock(&g->mutex);
        }
    }
    if (rc == TL_OK) {
        g->owner = pthread_self();
        g->depth++;
    }
    pthread_mutex_unlock(&g->mutex);
    return rc;
}

void guard_lock(struct guard *g)
{
    (void)guard_enter(g, INT64_MAX, NULL, NULL, NULL);
}

void guard_leave(struct guard *g)
{
    pthread_mutex_lock(&g->mutex);
    if (--g->depth == 0) {
        pthread_cond_signal(&g->freed);
    }
    pthread_mutex_unlock(&g->mutex);
}
