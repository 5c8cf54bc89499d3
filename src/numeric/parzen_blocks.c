/* SPDX-License-Identifier: MIT
 *
 * Kernels in blocks (see parzen_blocks.h). Lanes behind the last kernel hold c = LEAST_TERM, so that they add nothing. What can
 * fail is the memory for a new block; it is asked for before anything changes.
 */
#include "numeric/parzen_blocks.h"

#include "base/mem.h"

static void clear_lane(const struct blocks *s, struct block *b, size_t lane)
{
    b->c[lane] = LEAST_TERM;
    b->rank[lane] = 0;
    for (size_t j = 0; j < s->n_dims; j++) {
        b->mu[j * BLOCK + lane] = 0;
        b->r[j * BLOCK + lane] = 1;
    }
}

static struct block *block_new(const struct blocks *s)
{
    size_t d = s->n_dims, doubles = BLOCK + 2 * d * BLOCK + 4 * d;
    struct block *b = mem_zalloc(1, sizeof *b);
    char *memory = mem_alloc(doubles * sizeof(double) + 64);
    if (!b || !memory) {
        mem_free(b);
        mem_free(memory);
        return NULL;
    }
    b->memory = memory;
    b->c = (double *)(memory + (64 - (uintptr_t)memory % 64)); /* whole vectors lie in one cache line */
    b->mu = b->c + BLOCK;
    b->r = b->mu + d * BLOCK;
    b->low = b->r + d * BLOCK;
    b->high = b->low + d;
    b->least = b->high + d;
    b->most_r = b->least + d;
    for (size_t lane = 0; lane < BLOCK; lane++) {
        clear_lane(s, b, lane);
    }
    return b;
}

static void block_free(struct block *b)
{
    if (b) {
        mem_free(b->memory);
        mem_free(b);
    }
}

static bool add_block(struct blocks *s)
{
    if (!mem_grow((void **)&s->at, &s->cap, s->n + 1, sizeof(struct block *))) {
        return false;
    }
    struct block *b = block_new(s);
    if (b) {
        s->at[s->n++] = b;
        blocks_refresh(s, b);
    }
    return b != NULL;
}

int blocks_init(struct blocks *s, const struct axis *axes, size_t n_dims)
{
    *s = (struct blocks){.axes = axes, .n_dims = n_dims};
    return add_block(s) ? TL_OK : TL_ENOMEM;
}

void blocks_release(struct blocks *s)
{
    for (size_t i = 0; i < s->n; i++) {
        block_free(s->at[i]);
    }
    mem_free(s->at);
    mem_free(s->forks);
    mem_free(s->place);
    mem_free(s->key);
    mem_free(s->spare);
}

void blocks_refresh(struct blocks *s, struct block *b)
{
    b->most = LEAST_TERM;
    b->unit = true;
    for (size_t lane = 0; lane < b->n; lane++) {
        b->most = b->c[lane] > b->most ? b->c[lane] : b->most;
    }
    for (size_t j = 0; j < s->n_dims; j++) {
        const double *mu = b->mu + j * BLOCK, *r = b->r + j * BLOCK;
        double low = INFINITY, high = -INFINITY, least = INFINITY, most = 0;
        for (size_t lane = 0; lane < b->n; lane++) {
            low = mu[lane] < low ? mu[lane] : low;
            high = mu[lane] > high ? mu[lane] : high;
            least = r[lane] < least ? r[lane] : least;
            most = r[lane] > most ? r[lane] : most;
        }
        b->low[j] = low;
        b->high[j] = high;
        b->least[j] = least;
        b->most_r[j] = most;
        b->unit = b->unit && least == 1 && most == 1 && s->axes[j].dim.kind == PARZEN_FLOAT;
    }
}

static void copy_lane(const struct blocks *s, struct block *to, size_t at, const struct block *from,
                      size_t lane)
{
    to->id[at] = from->id[lane];
    to->rank[at] = from->rank[lane];
    to->c[at] = from->c[lane];
    for (size_t j = 0; j < s->n_dims; j++) {
        to->mu[j * BLOCK + at] = from->mu[j * BLOCK + lane];
        to->r[j * BLOCK + at] = from->r[j * BLOCK + lane];
    }
}

static int widest(const struct blocks *s, const struct block *b)
{
    int best = -1;
    double most = 0;
    for (size_t j = 0; j < s->n_dims; j++) {
        double extent = (b->high[j] - b->low[j]) * s->axes[j].spread;
        if (extent > 0 && s->axes[j].dim.kind == PARZEN_CATEGORY) {
            extent = s->axes[j].spread;
        }
        if (extent > most) {
            most = extent;
            best = (int)j;
        }
    }
    return best;
}

/* Halves block `at`; `link` is the child entry that leads to it, or NULL at the root. */
static bool halve(struct blocks *s, uint32_t at, int32_t parent, int side)
{
    if (!mem_grow((void **)&s->forks, &s->cap_forks, s->n_forks + 1, sizeof *s->forks) || !add_block(s)) {
        return false;
    }
    struct block *old = s->at[at], *fresh = s->at[s->n - 1];
    blocks_refresh(s, old); /* the exact box */
    int dim = widest(s, old);
    size_t order[BLOCK];
    const double *mu = old->mu + (dim < 0 ? 0 : dim) * BLOCK;
    for (size_t i = 0; i < BLOCK; i++) {
        size_t k = i;
        for (; k > 0 && mu[order[k - 1]] > mu[i]; k--) {
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    bool leaves[BLOCK] = {false};
    for (size_t i = BLOCK / 2; i < BLOCK; i++) {
        leaves[order[i]] = true;
    }
    double plane = mu[order[BLOCK / 2]];
    uint32_t kept = 0;
    for (size_t lane = 0; lane < BLOCK; lane++) {
        if (leaves[lane]) {
            copy_lane(s, fresh, fresh->n++, old, lane);
        } else {
            copy_lane(s, old, kept++, old, lane);
        }
    }
    old->n = kept;
    for (size_t lane = kept; lane < BLOCK; lane++) {
        clear_lane(s, old, lane);
    }
    for (uint32_t lane = 0; lane < kept; lane++) {
        s->place[old->id[lane]] = at * BLOCK + lane;
    }
    for (uint32_t lane = 0; lane < fresh->n; lane++) {
        s->place[fresh->id[lane]] = (uint32_t)(s->n - 1) * BLOCK + lane;
    }
    blocks_refresh(s, old);
    blocks_refresh(s, fresh);
    int32_t node = (int32_t)s->n_forks++;
    s->forks[node] = (struct fork){.dim = dim, .plane = plane, .child = {~(int32_t)at, ~(int32_t)(s->n - 1)}};
    if (parent >= 0) {
        s->forks[parent].child[side] = node;
    }
    return true;
}

/* The leaf for x with room for one more, halving a full one on the way. */
static bool leaf_for(struct blocks *s, const double *x, uint32_t *leaf)
{
    int32_t at = s->n_forks > 0 ? 0 : ~0, parent = -1;
    int side = 0;
    for (;;) {
        if (at >= 0) {
            struct fork *f = &s->forks[at];
            side = f->dim < 0 ? (f->turn = !f->turn) : x[f->dim] >= f->plane;
            parent = at;
            at = f->child[side];
        } else if (s->at[~at]->n < BLOCK) {
            *leaf = (uint32_t)~at;
            return true;
        } else {
            if (!halve(s, (uint32_t)~at, parent, side)) {
                return false;
            }
            at = (int32_t)s->n_forks - 1;
        }
    }
}

uint32_t blocks_put(struct blocks *s, int64_t key, const double *x)
{
    uint32_t leaf;
    if (s->n_spare == 0) {
        size_t want = s->n_ids + 1;
        if (want >= NOWHERE / 4 || !mem_grow((void **)&s->place, &s->cap_place, want, sizeof *s->place) ||
            !mem_grow((void **)&s->key, &s->cap_key, want, sizeof *s->key) ||
            !mem_grow((void **)&s->spare, &s->cap_spare, s->cap_place, sizeof *s->spare)) {
            return NOWHERE;
        }
        s->place[s->n_ids] = NOWHERE;
        s->spare[s->n_spare++] = (uint32_t)s->n_ids++;
    }
    if (!leaf_for(s, x, &leaf)) {
        return NOWHERE;
    }
    uint32_t id = s->spare[--s->n_spare];
    struct block *b = s->at[leaf];
    uint32_t lane = b->n++;
    b->id[lane] = id;
    b->rank[lane] = 0;
    b->c[lane] = LEAST_TERM;
    for (size_t j = 0; j < s->n_dims; j++) {
        b->mu[j * BLOCK + lane] = x[j];
        b->r[j * BLOCK + lane] = 1;
    }
    s->place[id] = leaf * BLOCK + lane;
    s->key[id] = key;
    return id;
}

void blocks_drop(struct blocks *s, uint32_t id)
{
    struct block *b = block_of(s, id);
    size_t lane = lane_of(s, id), last = --b->n;
    if (lane != last) {
        copy_lane(s, b, lane, b, last);
        s->place[b->id[lane]] = s->place[id];
    }
    clear_lane(s, b, last);
    s->place[id] = NOWHERE;
    s->spare[s->n_spare++] = id;
    blocks_refresh(s, b);
}
