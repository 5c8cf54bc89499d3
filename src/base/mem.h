/* SPDX-License-Identifier: MIT
 *
 * Memory. All allocation of the library goes through the four functions here, so that tests can make the n-th one
 * fail and users can bring their own allocator (tl_set_allocator in trialog/storage.h). None of them aborts: NULL
 * means out of memory.
 */
#ifndef TL_MEM_H
#define TL_MEM_H

#include "base/base.h"

struct mem_hooks {
    void *(*alloc)(size_t size, void *ctx); /* uninitialised */
    void *(*resize)(void *old, size_t size, void *ctx);
    void (*release)(void *old, void *ctx);
    void *ctx;
};

/* Replaces the allocator for the whole process; NULL restores malloc. Only before the library is used, or from a test
 * that owns the process. */
void mem_set_hooks(const struct mem_hooks *hooks);

void *mem_alloc(size_t size) TL_USE_RESULT;                  /* size 0 gives a pointer that may be freed */
void *mem_zalloc(size_t count, size_t size) TL_USE_RESULT;   /* zeroed; overflow gives NULL */
void *mem_resize(void *old, size_t size) TL_USE_RESULT;      /* old block stays valid on failure */
void mem_free(void *old);                                    /* NULL is fine */
char *mem_dup(const void *bytes, size_t n) TL_USE_RESULT;    /* a NUL is added */

/* Grows an array to at least `want` elements, doubling. Returns false on overflow or out of memory (array unchanged). */
bool mem_grow(void **array, size_t *cap, size_t want, size_t elem) TL_USE_RESULT;

/* An arena: many small allocations that end together. Zero-initialise. Blocks double up to 1 MiB. */
struct arena {
    struct arena_block *head;
    size_t used_total; /* bytes handed out since the last reset */
};
void *arena_alloc(struct arena *a, size_t size) TL_USE_RESULT; /* aligned to 16 */
char *arena_dup(struct arena *a, const void *bytes, size_t n) TL_USE_RESULT; /* a NUL is added */
void arena_reset(struct arena *a);   /* keeps the largest block for the next round */
void arena_release(struct arena *a); /* gives everything back */

#endif
