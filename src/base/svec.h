/* SPDX-License-Identifier: MIT
 *
 * A growing array whose elements never move, so that readers need no lock: a reader that has learnt a published
 * length may read every element below it while the one writer appends behind it.
 *
 * Segment k holds FIRST << k elements; element i lies in segment log2(i / FIRST + 1). Publishing a length is the
 * owner's business (an atomic store after the elements are written). Zero-initialise, then set elem with SVEC_INIT.
 */
#ifndef TL_SVEC_H
#define TL_SVEC_H

#include "base/base.h"

#define SVEC_SEGMENTS 40
#define SVEC_FIRST 16u /* elements in segment 0 */

struct svec {
    void **segment; /* SVEC_SEGMENTS of them; NULL while empty */
    size_t elem; /* bytes per element */
    size_t len;  /* elements in use; the writer's own count */
};

#define SVEC_INIT(type) {NULL, sizeof(type), 0}

static inline unsigned svec_segment_of(size_t i)
{
    return 63u - (unsigned)__builtin_clzll((unsigned long long)(i / SVEC_FIRST) + 1u);
}

/* Address of element i, which must lie below `len`. */
static inline void *svec_at(const struct svec *v, size_t i)
{
    unsigned k = svec_segment_of(i);
    size_t first = (((size_t)1 << k) - 1u) * SVEC_FIRST;
    return (char *)v->segment[k] + (i - first) * v->elem;
}

/* A zeroed new element at the end; NULL when out of memory (nothing changed). */
void *svec_push(struct svec *v) TL_USE_RESULT;
/* Makes sure that elements up to `len` (exclusive) can be pushed without failing. */
bool svec_reserve(struct svec *v, size_t len) TL_USE_RESULT;
/* The run of elements that starts at i < end and lies in one piece: returns its address, sets *n (cut off at `end`,
 * which a reader takes from its published length: `len` belongs to the writer). For loops, images and copies. */
void *svec_run(const struct svec *v, size_t i, size_t end, size_t *n);
void svec_release(struct svec *v);
/* Empties it but keeps the first segment for reuse; its elements are not zeroed, svec_push does that. */
void svec_reset(struct svec *v);

/* Byte space with stable addresses and 64-bit offsets: objects of any size that end with their owner. An object never
 * straddles a segment. Offset 0 is never handed out, so it can mean "none". */
struct space {
    struct space_segment {
        char *p;       /* NULL: skipped, because an object did not fit */
        uint64_t used; /* bytes up to the end of its last object */
    } *segment;        /* SVEC_SEGMENTS of them; NULL while empty */
    uint64_t end;      /* offset behind the last object */
};
#define SPACE_FIRST 256u
/* Offset at which segment k begins. */
static inline uint64_t space_start(unsigned k)
{
    return ((UINT64_C(1) << k) - 1u) * SPACE_FIRST;
}
/* `size` bytes aligned to 8, uninitialised; returns the offset, 0 when out of memory. */
uint64_t space_alloc(struct space *s, size_t size) TL_USE_RESULT;
static inline void *space_at(const struct space *s, uint64_t offset)
{
    unsigned k = 63u - (unsigned)__builtin_clzll((unsigned long long)(offset / SPACE_FIRST) + 1u);
    return s->segment[k].p + (offset - space_start(k));
}
/* For images. Makes segment k with `used` bytes for the caller to fill in. false: no memory, or no such segment. */
bool space_restore(struct space *s, unsigned k, uint64_t used) TL_USE_RESULT;
/* Do `size` bytes at `offset` lie inside the objects of one segment? */
bool space_holds(const struct space *s, uint64_t offset, uint64_t size);
void space_reset(struct space *s); /* empties it, keeps the segments */
void space_release(struct space *s);

#endif
