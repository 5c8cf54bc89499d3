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

#endif
