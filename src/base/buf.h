/* SPDX-License-Identifier: MIT
 *
 * Growable bytes with a ceiling. An append that would pass the ceiling or finds no memory sets `failed` and does
 * nothing; so a writer may append many times and check once.
 */
#ifndef TL_BUF_H
#define TL_BUF_H

#include "base/base.h"

struct buf {
    char *data;
    size_t len, cap;
    size_t max;  /* ceiling in bytes */
    int failed;  /* 0, TL_ENOMEM or TL_ELIMIT */
};

#define BUF_INIT(max_) {NULL, 0, 0, (max_), 0}

void buf_release(struct buf *b);
static inline void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = 0;
}
/* Room for `more` bytes after `len`; 0 or the code that is then in `failed`. */
int buf_reserve(struct buf *b, size_t more);
void buf_add_slow(struct buf *b, const void *bytes, size_t n); /* buf_add when there is no room yet */
static inline void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (TL_LIKELY(b->data && n <= b->cap - b->len && !b->failed)) {
        if (n) {
            memcpy(b->data + b->len, bytes, n);
        }
        b->len += n;
    } else {
        buf_add_slow(b, bytes, n);
    }
}
static inline void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}
static inline void buf_add_text(struct buf *b, const char *text) /* NUL-terminated */
{
    buf_add(b, text, strlen(text));
}
static inline void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}
void buf_printf(struct buf *b, const char *fmt, ...) TL_PRINTF(2, 3); /* never for doubles: locale */
/* Terminates with a NUL that is not counted and returns data; NULL when something failed. */
const char *buf_cstr(struct buf *b);

#endif
