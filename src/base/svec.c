/* SPDX-License-Identifier: MIT
 *
 * Arrays and byte spaces whose contents never move.
 *
 * Happy path: the next element lies in a segment that exists. A new segment is allocated uninitialised and its pages are
 * touched only as elements are pushed. Failure: no memory; then nothing has changed. Invariant: the table of segments and
 * each entry of it are written once, before any element in the segment is published.
 */
#include "base/svec.h"

#include "base/mem.h"

static bool add_segment(struct svec *v, unsigned k)
{
    if (k >= SVEC_SEGMENTS || ((size_t)SVEC_FIRST << k) > SIZE_MAX / v->elem) {
        return false;
    }
    if (!v->segment) {
        v->segment = mem_zalloc(SVEC_SEGMENTS, sizeof *v->segment);
        if (!v->segment) {
            return false;
        }
    }
    if (!v->segment[k]) {
        v->segment[k] = mem_alloc(((size_t)SVEC_FIRST << k) * v->elem);
    }
    return v->segment[k] != NULL;
}

static inline bool has_segment(const struct svec *v, unsigned k)
{
    return v->segment && k < SVEC_SEGMENTS && v->segment[k];
}

void *svec_push(struct svec *v)
{
    unsigned k = svec_segment_of(v->len);
    if (!has_segment(v, k) && !add_segment(v, k)) {
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
    if (last >= SVEC_SEGMENTS) {
        return false;
    }
    for (unsigned k = 0; k <= last; k++) {
        if (!has_segment(v, k) && !add_segment(v, k)) {
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

void svec_reset(struct svec *v)
{
    /* segments are made one after the other */
    for (unsigned k = 1; v->segment && k < SVEC_SEGMENTS && v->segment[k]; k++) {
        mem_free(v->segment[k]);
        v->segment[k] = NULL;
    }
    v->len = 0;
}

void svec_release(struct svec *v)
{
    for (unsigned k = 0; v->segment && k < SVEC_SEGMENTS; k++) {
        mem_free(v->segment[k]);
    }
    mem_free(v->segment);
    v->segment = NULL;
    v->len = 0;
}

/* ---- space ---- */

#define SPACE_ALIGN 8u

static unsigned space_segment_of(uint64_t at)
{
    return 63u - (unsigned)__builtin_clzll(at / SPACE_FIRST + 1u);
}

static bool space_segment(struct space *s, unsigned k)
{
    if (k >= SVEC_SEGMENTS) {
        return false;
    }
    if (!s->segment) {
        s->segment = mem_zalloc(SVEC_SEGMENTS, sizeof *s->segment);
        if (!s->segment) {
            return false;
        }
    }
    if (!s->segment[k].p) {
        s->segment[k].p = mem_alloc((size_t)SPACE_FIRST << k);
    }
    return s->segment[k].p != NULL;
}

uint64_t space_alloc(struct space *s, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return 0;
    }
    uint64_t take = size ? (size + SPACE_ALIGN - 1) & ~(uint64_t)(SPACE_ALIGN - 1) : SPACE_ALIGN;
    uint64_t at = s->end ? s->end : SPACE_ALIGN;
    unsigned k = space_segment_of(at);
    while (k < SVEC_SEGMENTS && take > space_start(k + 1) - at) {
        at = space_start(++k);
    }
    if (!space_segment(s, k)) {
        return 0;
    }
    s->end = at + take;
    s->segment[k].used = s->end - space_start(k);
    return at;
}

bool space_restore(struct space *s, unsigned k, uint64_t used)
{
    if (k >= SVEC_SEGMENTS || used > (uint64_t)SPACE_FIRST << k || !space_segment(s, k)) {
        return false;
    }
    s->segment[k].used = used;
    if (space_start(k) + used > s->end) {
        s->end = space_start(k) + used;
    }
    return true;
}

bool space_holds(const struct space *s, uint64_t offset, uint64_t size)
{
    if (offset < SPACE_ALIGN || offset % SPACE_ALIGN != 0 || offset >= s->end) {
        return false;
    }
    unsigned k = space_segment_of(offset);
    uint64_t inside = offset - space_start(k);
    return k < SVEC_SEGMENTS && inside <= s->segment[k].used && size <= s->segment[k].used - inside;
}

void space_reset(struct space *s)
{
    for (unsigned k = 0; s->segment && k < SVEC_SEGMENTS; k++) {
        s->segment[k].used = 0;
    }
    s->end = 0;
}

void space_release(struct space *s)
{
    for (unsigned k = 0; s->segment && k < SVEC_SEGMENTS; k++) {
        mem_free(s->segment[k].p);
    }
    mem_free(s->segment);
    s->segment = NULL;
    s->end = 0;
}
