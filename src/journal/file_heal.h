/* SPDX-License-Identifier: MIT
 *
 * What to append to a torn last line so that every reader can go on behind it.
 */
#ifndef TL_FILE_HEAL_H
#define TL_FILE_HEAL_H

#include "base/base.h"
#include "base/buf.h"

#define HEAL_DEPTH 900 /* deeper nesting counts as rubbish: Python gives up near 1,000 */

enum heal_verdict {
    HEAL_NEWLINE,  /* a whole object that lacks its newline: it counts */
    HEAL_COMPLETE, /* the beginning of an object: completed into an operation that changes nothing */
    HEAL_RUBBISH,  /* not the beginning of a JSON object in UTF-8: no text behind it can mend that */
};

/* A tail being looked at, in as many pieces as it comes. Zero-initialise. */
struct heal {
    uint8_t state;      /* enum in file_heal.c; 0 is the start */
    bool in_key;        /* the string being read is a key */
    uint8_t left;       /* hex digits or UTF-8 bytes that are still to come */
    uint8_t low, high;  /* which bytes may come next in a UTF-8 sequence */
    uint8_t word, at;   /* literal being read, bytes of it seen */
    uint32_t digits;    /* of the integer being read */
    uint32_t depth;
    uint8_t stack[HEAL_DEPTH]; /* '{' or '[' */
};

void heal_feed(struct heal *h, const char *bytes, size_t n);
/* What is to be done; `out` gets the bytes to append, the newline included (nothing for HEAL_RUBBISH). */
enum heal_verdict heal_end(const struct heal *h, struct buf *out);

#endif
