/* SPDX-License-Identifier: MIT
 *
 * A lock that is held while a server answers: who waits for it has a time limit and can be cancelled. Recursive.
 */
#ifndef TL_GUARD_H
#define TL_GUARD_H

#include <pthread.h>

#include "base/base.h"

struct guard {
    pthread_mutex_t mutex; /* a leaf: protects what follows, never held while waiting */
    pthread_cond_t freed;
    pthread_t owner; /* while depth > 0 */
    unsigned depth;
};

/* Also of a guard that was inherited by a forked child, whose holder may not exist there. */
int guard_init(struct guard *g, struct tl_err *err);
void guard_release(struct guard *g);
/* Waits until nobody else is inside. `cancelled` may be NULL; it is asked about every 50 ms while waiting, with nothing held. TL_ELOCKED:
 * the deadline (os->monotonic_ns(); INT64_MAX: none) has passed; TL_ECANCELLED. A guard that is free is entered whatever the time is. */
int guard_enter(struct guard *g, int64_t deadline_ns, bool (*cancelled)(void *ctx), void *ctx, struct tl_err *err);
/* The same without a limit. */
void guard_lock(struct guard *g);
void guard_leave(struct guard *g);

#endif
