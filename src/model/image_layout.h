/* SPDX-License-Identifier: MIT
 *
 * Fixed parts of an image that writer and reader share.
 */
#ifndef TL_IMAGE_LAYOUT_H
#define TL_IMAGE_LAYOUT_H

#include "model/state.h"

struct image_head {
    char magic[8];
    uint32_t order;  /* 0x01020304 in the machine's byte order */
    uint32_t layout; /* changes with everything that lies in the image as it lies in memory */
    uint64_t part1;  /* bytes */
};
#define IMAGE_LAYOUT ((uint32_t)(1u << 24 | sizeof(struct row) << 8 | sizeof(struct shape)))
#define IMAGE_HEAD(part1_) {{'T', 'L', 'I', 'M', 'A', 'G', 'E', '1'}, 0x01020304u, IMAGE_LAYOUT, (part1_)}

enum { IMAGE_BLOCK_ABSENT, IMAGE_BLOCK_DIST, IMAGE_BLOCK_DISTS };
struct image_block {
    uint64_t present;
    uint32_t dist, kind;
};

#endif
