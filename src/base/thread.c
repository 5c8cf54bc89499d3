/* SPDX-License-Identifier: MIT
 *
 * Threads of the library's own, and waits on condition variables that end in time.
 *
 * Happy path: a thread with a small stack and all signals blocked, which sleeps on its condition variable until somebody needs it. Failure
 * modes: no thread can be made: the caller is told and does without. Invariants: a wait goes by the system's clock that nobody sets,
 * whatever clock a test has put in its place, so its length is a length, not an instant; the mutex of a struct thread is a leaf.
 */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/os.h"

#define SECOND INT64_C(1000000000)
#define STACK_BYTES ((size_t)256 * 1024)

int cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    int sys = pthread_condattr_init(&attr);
    if (sys != 0) {
        return sys;
    }
    sys = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (sys == 0) {
        sys = pthread_cond_init(c, &attr);
    }
    pthread_condattr_destroy(&attr);
    return sys;
}

bool cond_wait_for(pthread_cond_t *c, pthread_mutex_t *m, int64_t ns)
{
    int64_t now = os_system.monotonic_ns(), at = ns > INT64_MAX - now ? INT64_MAX : now + ns;
    struct timespec until = {(time_t)(at / SECOND), (long)(at % SECOND)};
    return ns > 0 && pthread_cond_timedwait(c, m, &until) == 0;
}

int thread_create(pthread_t *out, size_t stack_bytes, void *(*run)(void *ctx), void *ctx)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int sys = pthread_attr_init(&attr);
    if (sys != 0) {
        return sys;
    }
    if (stack_bytes > 0) {
        (void)pthread_attr_setstacksize(&attr, stack_bytes);
    }
    sigfillset(&all);
    sys = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (sys == 0) {
        sys = pthread_create(out, &attr, run, ctx);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    return sys;
}

void thread_init(struct thread *t)
{
    (void)cond_init(&t->changed);
    pthread_mutex_init(&t->mutex, NULL);
    t->running = t->joinable = t->stop = false;
}

int thread_start_locked(struct thread *t, void *(*run)(void *ctx), void *ctx)
{
    if (t->joinable) {
        pthread_join(t->id, NULL); /* one that ended by itself: it is done with the mutex */
    }
    t->joinable = false;
    int sys = t->stop ? ECANCELED : thread_create(&t->id, STACK_BYTES, run, ctx);
    t->running = t->joinable = sys == 0;
    return sys;
}

void thread_stop(struct thread *t)
{
    pthread_mutex_lock(&t->mutex);
    bool join = t->joinable;
    t->stop = true;
    t->running = t->joinable = false;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    if (join) {
        pthread_join(t->id, NULL);
    }
}

void thread_release(struct thread *t)
{
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
}
