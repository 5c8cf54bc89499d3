/* SPDX-License-Identifier: MIT
 *
 * Memory: the one door to the allocator, and arenas.
 *
 * Happy path: mem_alloc asks the hooks (malloc unless replaced). Failure: NULL, old blocks untouched. Invariants: no
 * size of 0 reaches the hooks; sizes are checked for overflow before they are added or multiplied.
 */
#include "base/mem.h"

#include <trialog/storage.h>

#include <stdalign.h>
#include <stdlib.h>

static void *system_alloc(size_t size, void *ctx)
{
    (void)ctx;
    return malloc(size);
}

static void *system_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    return realloc(old, size);
}

static void system_release(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

static const struct mem_hooks system_hooks = {system_alloc, system_resize, system_release, NULL};
static struct mem_hooks hooks = {system_alloc, system_resize, system_release, NULL};

void mem_set_hooks(const struct mem_hooks *with)
{
    hooks = with ? *with : system_hooks;
}

TL_API void tl_set_allocator(void *(*alloc)(size_t, void *), void *(*resize)(void *, size_t, void *),
                             void (*release)(void *, void *), void *ctx)
{
    struct mem_hooks own = {alloc, resize, release, ctx};
    mem_set_hooks(alloc && resize && release ? &own : NULL);
}

void *mem_alloc(size_t size)
{
    return hooks.alloc(size ? size : 1, hooks.ctx);
}

void *mem_zalloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    void *p = mem_alloc(count * size);
    if (p) {
        memset(p, 0, count * size);
    }
    return p;
}

void *mem_resize(void *old, size_t size)
{
    if (!old) {
        return mem_alloc(size);
    }
    return hooks.resize(old, size ? size : 1, hooks.ctx);
}

void mem_free(void *old)
{
    if (old) {
        hooks.release(old, hooks.ctx);
    }
}

char *mem_dup(const void *bytes, size_t n)
{
    if (n == SIZE_MAX) {
        return NULL;
    }
    char *copy = mem_alloc(n + 1);
    if (copy) {
        if (n) {
            memcpy(copy, bytes, n);
        }
        copy[n] = 0;
    }
    return copy;
}

bool mem_grow(void **array, size_t *cap, size_t want, size_t elem)
{
    if (want <= *cap) {
        return true;
    }
    size_t more = *cap > SIZE_MAX / 2 ? want : *cap * 2;
    if (more < 8) {
        more = 8;
    }
    if (more < want) {
        more = want;
    }
    if (elem != 0 && more > SIZE_MAX / elem) {
        return false;
    }
    void *p = mem_resize(*array, more * elem);
    if (!p) {
        return false;
    }
    *array = p;
    *cap = more;
    return true;
}

/* ---- arenas ---- */

#define ARENA_FIRST   960u /* with its head and that of malloc still a small block, which is cheap */
#define ARENA_LARGEST (1024u * 1024u)
#define ARENA_ALIGN   16u

struct arena_block {
    struct arena_block *next; /* older or set aside */
    size_t size, used;        /* of data */
    alignas(ARENA_ALIGN) char data[];
};

static struct arena_block *new_block(size_t size)
{
    struct arena_block *block = size > SIZE_MAX - sizeof *block ? NULL : mem_alloc(sizeof *block + size);
    if (block) {
        block->next = NULL;
        block->size = size;
        block->used = 0;
    }
    return block;
}

/* Room for `size` bytes in a block of its own or in a new head, whichever wastes less. */
static struct arena_block *add_block(struct arena *a, size_t size)
{
    size_t usual = a->head ? a->head->size * 2 : ARENA_FIRST;
    if (usual > ARENA_LARGEST) {
        usual = ARENA_LARGEST;
    }
    bool apart = a->head && size > usual / 2;
    struct arena_block *block = new_block(apart || size > usual ? size : usual);
    if (!block) {
        return NULL;
    }
    if (apart) {
        block->next = a->head->next;
        a->head->next = block;
    } else {
        block->next = a->head;
        a->head = block;
    }
    return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX - ARENA_ALIGN) {
        return NULL;
    }
    size_t take = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (take == 0) {
        take = ARENA_ALIGN;
    }
    struct arena_block *block = a->head;
    if (!block || take > block->size - block->used) {
        block = add_block(a, take);
        if (!block) {
            return NULL;
        }
    }
    void *p = block->data + block->used;
    block->used += take;
    a->used_total += take;
    return p;
}

char *arena_dup(struct arena *a, const void *bytes, size_t n)
{
    char *copy = n == SIZE_MAX ? NULL : arena_alloc(a, n + 1);
    if (copy) {
        if (n) {
            memcpy(copy, bytes, n);
        }
        copy[n] = 0;
    }
    return copy;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->head;
    for (struct arena_block *block = a->head; block; block = block->next) {
        if (block->size > keep->size) {
            keep = block;
        }
    }
    for (struct arena_block *block = a->head, *next; block; block = next) {
        next = block->next;
        if (block != keep) {
            mem_free(block);
        }
    }
    a->head = keep;
    a->used_total = 0;
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
}

void arena_release(struct arena *a)
{
    for (struct arena_block *block = a->head, *next; block; block = next) {
        next = block->next;
        mem_free(block);
    }
    *a = (struct arena){0};
}
