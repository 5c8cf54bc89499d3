/* SPDX-License-Identifier: MIT
 *
 * Kernels in order (see parzen_order.h). No chunk is empty. Only order_reserve can fail.
 */
#include "numeric/parzen_order.h"

#include "base/mem.h"

void order_release(struct order *o)
{
    for (size_t i = 0; i < o->n; i++) {
        mem_free(o->at[i]);
    }
    mem_free(o->at);
}

static bool is_before(const struct order *o, const struct blocks *s, uint32_t id, double x, int64_t key)
{
    double at = order_place(o, s, id);
    return at != x ? at < x : (id == PRIOR_ID ? INT64_MAX : s->key[id]) < key;
}

/* The first that is not before (x, key); may be one behind the end of the last chunk, never of another one. */
static struct spot lower(const struct order *o, const struct blocks *s, double x, int64_t key)
{
    size_t low = 0, high = o->n; /* the first chunk whose last is not before */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct chunk *c = o->at[mid];
        if (is_before(o, s, c->id[c->n - 1], x, key)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == o->n) {
        return (struct spot){o->n - (o->n > 0), o->n > 0 ? o->at[o->n - 1]->n : 0};
    }
    const struct chunk *c = o->at[low];
    size_t from = 0, to = c->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (is_before(o, s, c->id[mid], x, key)) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return (struct spot){low, from};
}

int order_reserve(struct order *o, const struct blocks *s, double x, int64_t key)
{
    if (!mem_grow((void **)&o->at, &o->cap, o->n + 1, sizeof(struct chunk *))) {
        return TL_ENOMEM;
    }
    bool empty = o->n == 0 || o->at[0]->n == 0; /* reserved, and the put did not come */
    size_t k = empty ? 0 : lower(o, s, x, key).chunk;
    if (o->n > 0 && o->at[k]->n < CHUNK) {
        return TL_OK;
    }
    struct chunk *fresh = mem_zalloc(1, sizeof *fresh);
    if (!fresh) {
        return TL_ENOMEM;
    }
    if (o->n == 0) {
        o->at[o->n++] = fresh; /* empty until the put that follows */
        return TL_OK;
    }
    struct chunk *old = o->at[k];
    fresh->n = CHUNK / 2;
    old->n = CHUNK - CHUNK / 2;
    memcpy(fresh->id, old->id + old->n, fresh->n * sizeof *fresh->id);
    memmove(o->at + k + 2, o->at + k + 1, (o->n - k - 1) * sizeof(struct chunk *));
    o->at[k + 1] = fresh;
    o->n++;
    return TL_OK;
}

void order_put(struct order *o, const struct blocks *s, uint32_t id)
{
    int64_t key = id == PRIOR_ID ? INT64_MAX : s->key[id];
    struct spot at = {0, 0};
    if (o->at[0]->n > 0) {
        at = lower(o, s, order_place(o, s, id), key);
    }
    struct chunk *c = o->at[at.chunk];
    memmove(c->id + at.index + 1, c->id + at.index, (c->n - at.index) * sizeof *c->id);
    c->id[at.index] = id;
    c->n++;
}

struct spot order_find(const struct order *o, const struct blocks *s, uint32_t id)
{
    return lower(o, s, order_place(o, s, id), id == PRIOR_ID ? INT64_MAX : s->key[id]);
}

void order_drop(struct order *o, struct spot at)
{
    struct chunk *c = o->at[at.chunk];
    c->n--;
    memmove(c->id + at.index, c->id + at.index + 1, (c->n - at.index) * sizeof *c->id);
    if (c->n == 0) {
        mem_free(c);
        o->n--;
        memmove(o->at + at.chunk, o->at + at.chunk + 1, (o->n - at.chunk) * sizeof(struct chunk *));
    }
}

uint32_t order_before(const struct order *o, struct spot at)
{
    if (at.index > 0) {
        return o->at[at.chunk]->id[at.index - 1];
    }
    return at.chunk > 0 ? o->at[at.chunk - 1]->id[o->at[at.chunk - 1]->n - 1] : NOWHERE;
}

uint32_t order_after(const struct order *o, struct spot at)
{
    const struct chunk *c = o->at[at.chunk];
    if (at.index + 1 < c->n) {
        return c->id[at.index + 1];
    }
    return at.chunk + 1 < o->n ? o->at[at.chunk + 1]->id[0] : NOWHERE;
}
