/* SPDX-License-Identifier: MIT
 *
 * Arrays and byte spaces whose contents never move.
 *
 * Happy path: the next element lies in a segment that exists. A new segment is allocated uninitialised and its pages are
 * touched only as elements are pushed. Failure: no memory; then nothing has changed. Invariant: a segment pointer is
 * written once, before any element in it is published.
 */
#include "base/svec.h"

#include "base/mem.h"

static bool add_segment(struct svec *v, unsigned k)
{
    if (k >= SVEC_SEGMENTS || ((size_t)SVEC_FIRST << k) > SIZE_MAX / v->elem) {
        return false;
    }
    v->segment[k] = mem_alloc(((size_t)SVEC_FIRST << k) * v->elem);
    return v->segment[k] != NULL;
}

void *svec_push(struct svec *v)
{
    unsigned k = svec_segment_of(v->len);
    if ((k >= SVEC_SEGMENTS || !v->segment[k]) && !add_segment(v, k)) {
        return NULL;
    }
    void *p = svec_at(v, v->len);
    memset(p, 0, v->elem);
    v->len++;
    return p;
}

bool svec_reserve(struct svec *v, size_t len)
{
    if (len == 0) {
        return true;
    }
    unsigned last = svec_segment_of(len - 1);
    for (unsigned k = 0; k <= last; k++) {
        if ((k >= SVEC_SEGMENTS || !v->segment[k]) && !add_segment(v, k)) {
            return false;
        }
    }
    return true;
}

void *svec_run(const struct svec *v, size_t i, size_t end, size_t *n)
{
    unsigned k = svec_segment_of(i);
    size_t behind = (((size_t)2 << k) - 1u) * SVEC_FIRST; /* first element of the next segment */
    *n = (end < behind ? end : behind) - i;
    return svec_at(v, i);
}

void svec_release(struct svec *v)
{
    for (unsigned k = 0; k < SVEC_SEGMENTS; k++) {
        mem_free(v->segment[k]);
        v->segment[k] = NULL;
    }
    v->len = 0;
}

/* ---- space ---- */

#define SPACE_ALIGN 8u

uint64_t space_alloc(struct space *s, size_t size)
{
    if (size > SIZE_MAX - SPACE_ALIGN) {
        return 0;
    }
    uint64_t take = (size + SPACE_ALIGN - 1) & ~(uint64_t)(SPACE_ALIGN - 1);
    if (take == 0) {
        take = SPACE_ALIGN;
    }
    uint64_t at = s->end ? s->end : SPACE_ALIGN;
    unsigned k = 63u - (unsigned)__builtin_clzll(at / SPACE_FIRST + 1u);
    uint64_t behind = ((UINT64_C(2) << k) - 1u) * SPACE_FIRST; /* first offset of the next segment */
    while (take > behind - at) {
        k++;
        if (k >= SVEC_SEGMENTS) {
            return 0;
        }
        at = behind;
        behind = ((UINT64_C(2) << k) - 1u) * SPACE_FIRST;
    }
    if (k >= SVEC_SEGMENTS) {
        return 0;
    }
    if (!s->segment[k]) {
        s->segment[k] = mem_alloc((size_t)SPACE_FIRST << k);
        if (!s->segment[k]) {
            return 0;
        }
    }
    s->end = at + take;
    return at;
}

void space_release(struct space *s)
{
    for (unsigned k = 0; k < SVEC_SEGMENTS; k++) {
        mem_free(s->segment[k]);
        s->segment[k] = NULL;
    }
    s->end = 0;
}
