/* SPDX-License-Identifier: MIT
 *
 * Threads of the library's own, and waits on condition variables that end in time.
 */
#ifndef TL_THREAD_H
#define TL_THREAD_H

#include <pthread.h>

#include "base/base.h"

/* A condition variable for cond_wait_for; also in place of one that was inherited by a forked child. 0, or an errno. */
int cond_init(pthread_cond_t *c);
/* Waits to be woken, at most so many nanoseconds (0 or less: not at all). false: the time is over. As with every condition variable, what
 * was waited for is to be looked at in either case. */
bool cond_wait_for(pthread_cond_t *c, pthread_mutex_t *m, int64_t ns);

/* Starts a thread in which the program's signal handlers never run. `stack_bytes` 0: as the system has it. 0, or an errno. */
int thread_create(pthread_t *out, size_t stack_bytes, void *(*run)(void *ctx), void *ctx);

/* A thread that sleeps most of the time and looks after something. It waits on `changed` and ends when `stop` is set; one that ends by
 * itself clears `running` as the last thing under the mutex. */
struct thread {
    pthread_mutex_t mutex; /* for what its user shares with it, too */
    pthread_cond_t changed;
    pthread_t id;
    bool running, joinable, stop;
};
/* Also in a forked child, where the thread does not exist. */
void thread_init(struct thread *t);
/* The mutex is held, and it does not run. 0, or an errno; never again after thread_stop. */
int thread_start_locked(struct thread *t, void *(*run)(void *ctx), void *ctx);
/* Ends it, if it runs, and waits for that. */
void thread_stop(struct thread *t);
void thread_release(struct thread *t); /* stopped before */

#endif
