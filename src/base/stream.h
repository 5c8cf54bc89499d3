/* SPDX-License-Identifier: MIT
 *
 * Long byte sequences handed from one layer to another piece by piece, so that neither side holds a whole one in memory.
 */
#ifndef TL_STREAM_H
#define TL_STREAM_H

#include "base/base.h"

/* A snapshot's bytes, in order. read gives exactly n bytes or fails; `left` counts what is still to come. */
struct image_source {
    int (*read)(struct image_source *s, void *out, size_t n, struct tl_err *err);
    uint64_t left;
};
struct image_sink {
    int (*write)(struct image_sink *s, const void *bytes, size_t n, struct tl_err *err);
};

/* ---- where they lie in pieces ---- */

/* Set `fetch` and base.read = piece_read, and base.left to the length of all. fetch gives the next piece, which stays valid until the
 * next call; it is not empty and at most base.left bytes long. */
struct piece_source {
    struct image_source base;
    int (*fetch)(struct piece_source *s, struct str *piece, struct tl_err *err);
    struct str rest; /* of the last piece: not read yet */
    uint32_t crc;    /* CRC-32C of all pieces so far */
};
int piece_read(struct image_source *base, void *out, size_t n, struct tl_err *err);
/* Reads on to the end for the sake of the checksum. */
int piece_drain(struct piece_source *s, struct tl_err *err);

/* Collects pieces of one size and hands each to `put`; the last one may be shorter. */
struct piece_sink {
    struct image_sink base;
    int (*put)(struct piece_sink *s, struct str piece, struct tl_err *err);
    char *piece;
    size_t n, size;
    uint64_t total; /* bytes handed to `put`, */
    uint32_t crc;   /* and their CRC-32C */
};
int piece_sink_init(struct piece_sink *s, size_t size, int (*put)(struct piece_sink *s, struct str piece, struct tl_err *err),
                    struct tl_err *err);
int piece_flush(struct piece_sink *s, struct tl_err *err); /* the last piece */
void piece_sink_release(struct piece_sink *s);

#endif
