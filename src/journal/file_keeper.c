/* SPDX-License-Identifier: MIT
 *
 * The keeper thread of a journal file: renews a lock that is held long, flushes under relaxed durability.
 *
 * Happy path: asleep without limit until poked, then a tick every half second until the tick finds nothing to do. Failure: no
 * thread can be made; the caller is told and does without. Invariant: a poke is never lost, because the thread says "asleep" before it
 * looks a last time, and whoever pokes has made its need visible before it asks "asleep?".
 */
#include "journal/file_keeper.h"

#define TICK_NS INT64_C(500000000)

void keeper_init(struct keeper *k, bool (*tick)(void *ctx), void *ctx)
{
    *k = (struct keeper){.tick = tick, .ctx = ctx};
    atomic_init(&k->awake, false);
    thread_init(&k->thread);
}

static void *keeper_main(void *ctx)
{
    struct keeper *k = ctx;
    struct thread *t = &k->thread;
    pthread_mutex_lock(&t->mutex);
    while (!t->stop) {
        if (!atomic_load(&k->awake)) {
            pthread_cond_wait(&t->changed, &t->mutex);
            continue;
        }
        (void)cond_wait_for(&t->changed, &t->mutex, TICK_NS);
        if (t->stop) {
            break;
        }
        pthread_mutex_unlock(&t->mutex);
        if (!k->tick(k->ctx)) {
            atomic_store(&k->awake, false);
            if (k->tick(k->ctx)) {
                atomic_store(&k->awake, true);
            }
        }
        pthread_mutex_lock(&t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

bool keeper_poke(struct keeper *k)
{
    if (TL_LIKELY(atomic_load(&k->awake))) {
        return true;
    }
    pthread_mutex_lock(&k->thread.mutex);
    bool running = k->thread.running || thread_start_locked(&k->thread, keeper_main, k) == 0;
    if (running) {
        atomic_store(&k->awake, true);
        pthread_cond_signal(&k->thread.changed);
    }
    pthread_mutex_unlock(&k->thread.mutex);
    return running;
}

void keeper_release(struct keeper *k)
{
    thread_stop(&k->thread);
    thread_release(&k->thread);
}

void keeper_forked(struct keeper *k)
{
    atomic_store(&k->awake, false);
    thread_init(&k->thread);
}
