/* SPDX-License-Identifier: MIT
 *
 * Makes the n-th allocation and all later ones fail, and counts blocks that are not given back.
 */
#ifndef TEST_FAIL_ALLOC_H
#define TEST_FAIL_ALLOC_H

#include "base/mem.h"

#include <stdlib.h>

struct fail_alloc {
    long left; /* allocations that still succeed */
    long out;  /* blocks in use */
    bool failed;
};

static inline void *fail_alloc_resize(void *old, size_t size, void *ctx)
{
    struct fail_alloc *f = ctx;
    if (f->left <= 0) {
        f->failed = true;
        return NULL;
    }
    f->left--;
    f->out += old == NULL;
    return realloc(old, size ? size : 1);
}

static inline void *fail_alloc_alloc(size_t size, void *ctx)
{
    return fail_alloc_resize(NULL, size, ctx);
}

static inline void fail_alloc_release(void *old, void *ctx)
{
    ((struct fail_alloc *)ctx)->out -= old != NULL;
    free(old);
}

/* `f` must live until mem_set_hooks(NULL). */
static inline void fail_alloc_after(struct fail_alloc *f, long n)
{
    *f = (struct fail_alloc){n, 0, false};
    struct mem_hooks hooks = {fail_alloc_alloc, fail_alloc_resize, fail_alloc_release, f};
    mem_set_hooks(&hooks);
}

#endif
