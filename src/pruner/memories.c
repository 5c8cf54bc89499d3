/* SPDX-License-Identifier: MIT
 *
 * What a pruner remembers of each study handle that asks it: made at the first question, dropped when the handle goes (`forget`).
 *
 * One lock for all of a pruner's memories: a decision holds it for microseconds, but for the first one on a large study.
 */
#include "base/mem.h"
#include "pruner/pruner.h"

bool memories_init(struct memories *m, void (*release)(void *memory))
{
    m->of = (struct map64){0};
    m->release = release;
    return pthread_mutex_init(&m->lock, NULL) == 0;
}

static void drop(struct memories *m, void *memory)
{
    m->release(memory);
    mem_free(memory);
}

void memories_release(struct memories *m)
{
    for (size_t i = 0; i < m->of.n_slots; i++) {
        if (m->of.keys[i] != UINT64_MAX) {
            drop(m, (void *)(uintptr_t)m->of.values[i]);
        }
    }
    map64_release(&m->of);
    pthread_mutex_destroy(&m->lock);
}

void *memories_enter(struct memories *m, uint64_t handle, size_t size)
{
    uint64_t found;
    pthread_mutex_lock(&m->lock);
    if (map64_get(&m->of, handle, &found)) {
        return (void *)(uintptr_t)found;
    }
    void *memory = mem_zalloc(1, size);
    if (memory && map64_set(&m->of, handle, (uint64_t)(uintptr_t)memory)) {
        return memory;
    }
    mem_free(memory);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

void memories_leave(struct memories *m)
{
    pthread_mutex_unlock(&m->lock);
}

void memories_forget(struct memories *m, uint64_t handle)
{
    uint64_t found;
    pthread_mutex_lock(&m->lock);
    if (map64_get(&m->of, handle, &found) && map64_remove(&m->of, handle)) {
        drop(m, (void *)(uintptr_t)found);
    }
    pthread_mutex_unlock(&m->lock);
}

bool row_cursor_holds(struct row_cursor *c, const tl_view *view)
{
    uint64_t epoch = tl_view_epoch(view);
    bool holds = c->started && c->epoch == epoch;
    if (!holds) {
        *c = (struct row_cursor){.epoch = epoch, .started = true};
    }
    return holds;
}
