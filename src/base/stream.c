/* SPDX-License-Identifier: MIT
 *
 * Long byte sequences that lie in pieces.
 *
 * Happy path: who reads asks for bytes, and pieces are fetched as they are needed; who writes gives bytes, and a piece is put when it is
 * full. Failure modes: what is missing is TL_ECORRUPT; the rest is whatever fetch and put say, and ends the sequence. Invariant: the
 * checksum is that of all bytes of the pieces fetched or put so far, in order.
 */
#include "base/stream.h"

#include "base/crc32c.h"
#include "base/err.h"
#include "base/mem.h"

static int next_piece(struct piece_source *s, struct tl_err *err)
{
    struct str piece = {NULL, 0};
    int rc = s->fetch(s, &piece, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (piece.n == 0 || piece.n > s->base.left) {
        return err_set(err, TL_ECORRUPT, "a piece of the snapshot is too long or missing");
    }
    s->crc = crc32c(s->crc, piece.p, piece.n);
    s->rest = piece;
    return TL_OK;
}

static void take(struct piece_source *s, size_t n)
{
    if (n > 0) { /* before the first piece there is no place to count from */
        s->rest.p += n;
    }
    s->rest.n -= n;
    s->base.left -= n;
}

int piece_read(struct image_source *base, void *out, size_t n, struct tl_err *err)
{
    struct piece_source *s = (struct piece_source *)(void *)base;
    char *to = out;
    int rc = n > base->left ? err_set(err, TL_ECORRUPT, "the snapshot ends too early") : TL_OK;
    while (rc == TL_OK && n > 0) {
        size_t part = s->rest.n < n ? s->rest.n : n;
        if (part == 0) {
            rc = next_piece(s, err);
            continue;
        }
        memcpy(to, s->rest.p, part);
        take(s, part);
        to += part;
        n -= part;
    }
    return rc;
}

int piece_drain(struct piece_source *s, struct tl_err *err)
{
    int rc = TL_OK;
    take(s, s->rest.n);
    while (rc == TL_OK && s->base.left > 0) {
        rc = next_piece(s, err);
        take(s, s->rest.n);
    }
    return rc;
}

int piece_flush(struct piece_sink *s, struct tl_err *err)
{
    struct str piece = {s->piece, s->n};
    if (s->n == 0) {
        return TL_OK;
    }
    s->n = 0;
    s->total += piece.n;
    s->crc = crc32c(s->crc, piece.p, piece.n);
    return s->put(s, piece, err);
}

static int sink_write(struct image_sink *base, const void *bytes, size_t n, struct tl_err *err)
{
    struct piece_sink *s = (struct piece_sink *)(void *)base;
    const char *from = bytes;
    int rc = TL_OK;
    while (rc == TL_OK && n > 0) {
        size_t part = s->size - s->n < n ? s->size - s->n : n;
        memcpy(s->piece + s->n, from, part);
        s->n += part;
        from += part;
        n -= part;
        if (s->n == s->size) {
            rc = piece_flush(s, err);
        }
    }
    return rc;
}

int piece_sink_init(struct piece_sink *s, size_t size, int (*put)(struct piece_sink *s, struct str piece, struct tl_err *err),
                    struct tl_err *err)
{
    *s = (struct piece_sink){.base.write = sink_write, .put = put, .piece = mem_alloc(size), .size = size};
    return s->piece ? TL_OK : err_nomem(err);
}

void piece_sink_release(struct piece_sink *s)
{
    mem_free(s->piece);
}
