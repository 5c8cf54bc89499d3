/* SPDX-License-Identifier: MIT
 *
 * A multiset of numbers that knows ranks (see order_stat.h).
 *
 * Adding goes down once and splits full nodes on its way, so a node always has room for the split of a child; each split alone leaves
 * a valid tree, so memory may run out between two of them. Sizes are counted up only at the end, when nothing can fail.
 *
 * Invariants: every number in child i lies between least[i] and least[i + 1], both included: equal numbers may sit on both sides of a
 * split. Nodes are never freed before the tree.
 */
#include "numeric/order_stat.h"

#include <assert.h>
#include <math.h>

#define LEAF  64u
#define FAN   32u
#define DEPTH 16u /* 2^64 numbers need fewer levels, with nodes at least half full */

struct leaf {
    unsigned n;
    double v[LEAF];
};
struct inner {
    unsigned n;
    double least[FAN];
    size_t count[FAN];
    void *child[FAN];
};

static bool is_full(const void *node, unsigned depth)
{
    return depth == 0 ? ((const struct leaf *)node)->n == LEAF : ((const struct inner *)node)->n == FAN;
}

static size_t size_of(const void *node, unsigned depth)
{
    size_t n = 0;
    if (depth == 0) {
        return ((const struct leaf *)node)->n;
    }
    const struct inner *p = node;
    for (unsigned i = 0; i < p->n; i++) {
        n += p->count[i];
    }
    return n;
}

static double least_of(const void *node, unsigned depth)
{
    return depth == 0 ? ((const struct leaf *)node)->v[0] : ((const struct inner *)node)->least[0];
}

/* Moves the upper half of a full node into a new one; NULL: out of memory. */
static void *split(struct order_stat *s, void *node, unsigned depth)
{
    if (depth == 0) {
        struct leaf *from = node, *to = arena_alloc(&s->memory, sizeof *to);
        if (to) {
            to->n = LEAF / 2;
            from->n = LEAF - LEAF / 2;
            memcpy(to->v, from->v + from->n, to->n * sizeof to->v[0]);
        }
        return to;
    }
    struct inner *from = node, *to = arena_alloc(&s->memory, sizeof *to);
    if (to) {
        to->n = FAN / 2;
        from->n = FAN - FAN / 2;
        memcpy(to->least, from->least + from->n, to->n * sizeof to->least[0]);
        memcpy(to->count, from->count + from->n, to->n * sizeof to->count[0]);
        memcpy(to->child, from->child + from->n, to->n * sizeof to->child[0]);
    }
    return to;
}

/* Splits child `i` of a node that has room; `depth` is the child's. */
static bool split_child(struct order_stat *s, struct inner *p, unsigned i, unsigned depth)
{
    void *upper = split(s, p->child[i], depth);
    if (!upper) {
        return false;
    }
    unsigned behind = p->n - i - 1;
    memmove(p->least + i + 2, p->least + i + 1, behind * sizeof p->least[0]);
    memmove(p->count + i + 2, p->count + i + 1, behind * sizeof p->count[0]);
    memmove(p->child + i + 2, p->child + i + 1, behind * sizeof p->child[0]);
    p->child[i + 1] = upper;
    p->least[i + 1] = least_of(upper, depth);
    p->count[i] = size_of(p->child[i], depth);
    p->count[i + 1] = size_of(upper, depth);
    p->n++;
    return true;
}

/* A root with room. */
static bool prepare_root(struct order_stat *s)
{
    if (!s->root) {
        struct leaf *leaf = arena_alloc(&s->memory, sizeof *leaf);
        if (leaf) {
            leaf->n = 0;
        }
        s->root = leaf;
        return leaf != NULL;
    }
    if (!is_full(s->root, s->depth)) {
        return true;
    }
    struct inner *above = arena_alloc(&s->memory, sizeof *above);
    if (!above) {
        return false;
    }
    above->n = 1;
    above->least[0] = least_of(s->root, s->depth);
    above->count[0] = s->n;
    above->child[0] = s->root;
    if (!split_child(s, above, 0, s->depth)) {
        return false;
    }
    s->root = above;
    s->depth++;
    assert(s->depth < DEPTH);
    return true;
}

/* The last child whose smallest number is at most v (less than v when `strict`); the first when there is none. */
static unsigned child_for(const struct inner *p, double v, bool strict)
{
    unsigned i = 1;
    while (i < p->n && (strict ? p->least[i] < v : p->least[i] <= v)) {
        i++;
    }
    return i - 1;
}

static unsigned place_in(const struct leaf *leaf, double v, bool strict)
{
    unsigned lo = 0, hi = leaf->n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (strict ? leaf->v[mid] < v : leaf->v[mid] <= v) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool order_stat_add(struct order_stat *s, double v)
{
    struct inner *path[DEPTH];
    unsigned at[DEPTH];
    assert(!isnan(v));
    if (!prepare_root(s)) {
        return false;
    }
    void *node = s->root;
    for (unsigned depth = s->depth; depth > 0; depth--) {
        struct inner *p = node;
        unsigned i = child_for(p, v, false);
        if (is_full(p->child[i], depth - 1)) {
            if (!split_child(s, p, i, depth - 1)) {
                return false;
            }
            i += p->least[i + 1] <= v;
        }
        path[depth - 1] = p;
        at[depth - 1] = i;
        node = p->child[i];
    }
    struct leaf *leaf = node;
    unsigned i = place_in(leaf, v, false);
    memmove(leaf->v + i + 1, leaf->v + i, (leaf->n - i) * sizeof leaf->v[0]);
    leaf->v[i] = v;
    leaf->n++;
    s->n++;
    for (unsigned k = 0; k < s->depth; k++) {
        struct inner *p = path[k];
        p->count[at[k]]++;
        if (v < p->least[at[k]]) {
            p->least[at[k]] = v;
        }
    }
    return true;
}

double order_stat_at(const struct order_stat *s, size_t k)
{
    const void *node = s->root;
    assert(k < s->n);
    for (unsigned depth = s->depth; depth > 0; depth--) {
        const struct inner *p = node;
        unsigned i = 0;
        while (k >= p->count[i]) {
            k -= p->count[i++];
        }
        node = p->child[i];
    }
    return ((const struct leaf *)node)->v[k];
}

static size_t rank(const struct order_stat *s, double v, bool strict)
{
    const void *node = s->root;
    size_t below = 0;
    if (!node) {
        return 0;
    }
    for (unsigned depth = s->depth; depth > 0; depth--) {
        const struct inner *p = node;
        unsigned i = child_for(p, v, strict);
        for (unsigned k = 0; k < i; k++) {
            below += p->count[k];
        }
        node = p->child[i];
    }
    return below + place_in(node, v, strict);
}

size_t order_stat_below(const struct order_stat *s, double v)
{
    return rank(s, v, true);
}

size_t order_stat_up_to(const struct order_stat *s, double v)
{
    return rank(s, v, false);
}

double order_stat_quantile(const struct order_stat *s, double q)
{
    if (s->n == 0) {
        return NAN;
    }
    double place = (double)(s->n - 1) * q, low = floor(place), t = place - low, a, b;
    if (place >= (double)(s->n - 1)) {
        a = b = order_stat_at(s, s->n - 1);
        t = 1;
    } else {
        a = order_stat_at(s, (size_t)low);
        b = order_stat_at(s, (size_t)low + 1);
    }
    double width = b - a;
    return t >= 0.5 ? b - width * (1 - t) : a + width * t;
}

void order_stat_release(struct order_stat *s)
{
    arena_release(&s->memory);
    *s = (struct order_stat){.root = NULL};
}
