/* SPDX-License-Identifier: MIT
 *
 * Kernels in order of their place on one axis (equal places: of their keys): chunks of up to 128 ids. An insertion moves one chunk.
 */
#ifndef TL_PARZEN_ORDER_H
#define TL_PARZEN_ORDER_H

#include "numeric/parzen_blocks.h"

#define PRIOR_ID (UINT32_MAX - 1) /* the prior's middle as a neighbour, with the largest key */
#define CHUNK    128

struct chunk {
    uint32_t n;
    uint32_t id[CHUNK];
};
struct order {
    struct chunk **at;
    size_t n, cap;
    size_t axis;
    double prior; /* place of PRIOR_ID */
};
struct spot {
    size_t chunk, index;
};

void order_release(struct order *o);
/* Makes sure that one put of a kernel at (x, key) cannot fail. */
int order_reserve(struct order *o, const struct blocks *s, double x, int64_t key) TL_USE_RESULT;
void order_put(struct order *o, const struct blocks *s, uint32_t id);
/* Where `id` is; it must be there. */
struct spot order_find(const struct order *o, const struct blocks *s, uint32_t id);
void order_drop(struct order *o, struct spot at);
uint32_t order_before(const struct order *o, struct spot at); /* NOWHERE at the ends */
uint32_t order_after(const struct order *o, struct spot at);

static inline double order_place(const struct order *o, const struct blocks *s, uint32_t id)
{
    return id == PRIOR_ID ? o->prior : *mu_of(s, id, o->axis);
}

#endif
