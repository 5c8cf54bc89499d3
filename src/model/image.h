/* SPDX-License-Identifier: MIT
 *
 * State <-> snapshot bytes.
 *
 * An image is written in two steps, so that nobody waits for a disk: image_prepare, under the state's lock, copies what may
 * change (live trials, attributes of studies, facts) and learns the counts of what only grows; image_write streams that
 * without a lock. It holds a reference to the state in between.
 *
 * Bytes, in the machine's own order (an image of another kind of machine is not read):
 *   head    "TLIMAGE1", u32 mark of byte order and layout, u64 length of part 1
 *   part 1  counts; per study: name, directions, facts, attributes, live trials
 *   part 2  strings (names, workers with their counts, study names), distributions, places of trials; per study: rows, columns,
 *           shapes, runs
 * The checksum around it is the backend's. Reading checks every number against what it points into, so a damaged or forged
 * image is refused, never followed.
 */
#ifndef TL_IMAGE_H
#define TL_IMAGE_H

#include "base/buf.h"
#include "base/stream.h"
#include "model/state.h"

#define IMAGE_MAGIC "TLIMAGE1"

struct image_study { /* what only grows, as far as it is in the image */
    const struct study *study;
    size_t n_rows, n_columns, n_shapes;
    uint64_t used[SVEC_SEGMENTS]; /* of the space `bytes` */
};

struct image {
    struct state *state;
    struct buf part1;
    struct image_study *studies;
    size_t n_studies, n_names, n_workers, n_study_names, n_dists, n_trials;
    uint64_t seq;
};

/* Zero-initialise `im`. The caller keeps the state from changing. TL_ENOMEM. */
int image_prepare(struct image *im, struct state *s, struct tl_err *err);
int image_write(const struct image *im, struct image_sink *to, struct tl_err *err);
void image_release(struct image *im);

/* `*out` is a new state. TL_ECORRUPT: not an image, or a damaged one; TL_EVERSION: of another version or machine. */
int image_read(struct image_source *from, struct state **out, struct tl_err *err);

#endif
