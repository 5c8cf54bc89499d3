/* SPDX-License-Identifier: MIT
 *
 * A thread that looks after a handle every half second while there is something to look after.
 */
#ifndef TL_FILE_KEEPER_H
#define TL_FILE_KEEPER_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/thread.h"

struct keeper {
    /* Runs on the thread; true: look again soon, false: nothing to do until the next poke. */
    bool (*tick)(void *ctx);
    void *ctx;
    struct thread thread;
    atomic_bool awake;
};

void keeper_init(struct keeper *k, bool (*tick)(void *ctx), void *ctx);
/* There is something to look after. Starts the thread at the first call; false when that failed. Costs one load while awake. */
bool keeper_poke(struct keeper *k);
/* Ends the thread and waits for it. */
void keeper_release(struct keeper *k);
/* In a forked child: the thread is the parent's. */
void keeper_forked(struct keeper *k);

#endif
