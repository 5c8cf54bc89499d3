/* SPDX-License-Identifier: MIT
 *
 * The keeper thread of a journal file: renews a lock that is held long, flushes under relaxed durability.
 *
 * Happy path: asleep without limit until poked, then a tick every half second until the tick finds nothing to do. Failure: no
 * thread can be made; the caller is told and does without. Invariant: a poke is never lost, because the thread says "asleep" before it
 * looks a last time, and whoever pokes has made its need visible before it asks "asleep?".
 */
#include "journal/file_keeper.h"

#include "base/os.h"

#include <signal.h>
#include <time.h>

#define TICK_NS INT64_C(500000000)
#define STACK_BYTES ((size_t)256 * 1024)

static void init_sync(struct keeper *k)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&k->mutex, NULL);
}

void keeper_init(struct keeper *k, bool (*tick)(void *ctx), void *ctx)
{
    *k = (struct keeper){.tick = tick, .ctx = ctx};
    atomic_init(&k->awake, false);
    init_sync(k);
}

static void *keeper_main(void *ctx)
{
    struct keeper *k = ctx;
    pthread_mutex_lock(&k->mutex);
    while (!k->stop) {
        if (!atomic_load(&k->awake)) {
            pthread_cond_wait(&k->changed, &k->mutex);
            continue;
        }
        int64_t at = os->monotonic_ns() + TICK_NS;
        struct timespec until = {at / 1000000000, at % 1000000000};
        pthread_cond_timedwait(&k->changed, &k->mutex, &until);
        if (k->stop) {
            break;
        }
        pthread_mutex_unlock(&k->mutex);
        if (!k->tick(k->ctx)) {
            atomic_store(&k->awake, false);
            if (k->tick(k->ctx)) {
                atomic_store(&k->awake, true);
            }
        }
        pthread_mutex_lock(&k->mutex);
    }
    pthread_mutex_unlock(&k->mutex);
    return NULL;
}

/* The thread must not run the user's signal handlers. */
static bool start_locked(struct keeper *k)
{
    pthread_attr_t attr;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    k->running = pthread_create(&k->thread, &attr, keeper_main, k) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return k->running;
}

bool keeper_poke(struct keeper *k)
{
    if (TL_LIKELY(atomic_load(&k->awake))) {
        return true;
    }
    pthread_mutex_lock(&k->mutex);
    bool running = k->running || start_locked(k);
    if (running) {
        atomic_store(&k->awake, true);
        pthread_cond_signal(&k->changed);
    }
    pthread_mutex_unlock(&k->mutex);
    return running;
}

void keeper_stop(struct keeper *k)
{
    pthread_mutex_lock(&k->mutex);
    bool running = k->running;
    k->stop = true;
    k->running = false;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->mutex);
    if (running) {
        pthread_join(k->thread, NULL);
    }
}

void keeper_release(struct keeper *k)
{
    keeper_stop(k);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->mutex);
}

void keeper_forked(struct keeper *k)
{
    k->running = k->stop = false;
    atomic_store(&k->awake, false);
    init_sync(k);
}
