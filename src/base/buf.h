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
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_text(struct buf *b, const char *text); /* NUL-terminated */
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) TL_PRINTF(2, 3); /* never for doubles: locale */
/* Terminates with a NUL that is not counted and returns data; NULL when something failed. */
const char *buf_cstr(struct buf *b);

#endif
