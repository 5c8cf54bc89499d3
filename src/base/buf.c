/* SPDX-License-Identifier: MIT
 *
 * Growable bytes.
 *
 * Happy path: an append finds room and copies. Failure modes: no memory, ceiling reached; both stay in `failed` until
 * buf_clear, and every later append does nothing, so what is in the buffer is always a prefix of what was asked for.
 * Invariant: data has room for cap + 1 bytes, so a NUL always fits.
 */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define SMALLEST 128u

void buf_release(struct buf *b)
{
    mem_free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
    b->failed = 0;
}

int buf_reserve(struct buf *b, size_t more)
{
    if (b->failed) {
        return b->failed;
    }
    if (b->data && more <= b->cap - b->len) {
        return 0;
    }
    if (b->len > b->max || more > b->max - b->len || b->len + more == SIZE_MAX) {
        return b->failed = TL_ELIMIT;
    }
    size_t want = b->len + more;
    size_t cap = b->cap > b->max / 2 ? b->max : b->cap * 2;
    if (cap < SMALLEST) {
        cap = SMALLEST < b->max ? SMALLEST : b->max;
    }
    if (cap < want || cap == SIZE_MAX) {
        cap = want;
    }
    char *data = mem_resize(b->data, cap + 1);
    if (!data) {
        return b->failed = TL_ENOMEM;
    }
    b->data = data;
    b->cap = cap;
    return 0;
}

void buf_add_slow(struct buf *b, const void *bytes, size_t n)
{
    if (buf_reserve(b, n) == 0 && n) {
        memcpy(b->data + b->len, bytes, n);
        b->len += n;
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof small) {
        buf_add(b, small, (size_t)n);
    } else if (n >= 0 && buf_reserve(b, (size_t)n) == 0) {
        n = vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += n > 0 ? (size_t)n : 0;
    }
    va_end(again);
}

const char *buf_cstr(struct buf *b)
{
    if (buf_reserve(b, 0) != 0) {
        return NULL;
    }
    b->data[b->len] = 0;
    return b->data;
}
