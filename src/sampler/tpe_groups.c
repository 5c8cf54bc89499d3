/* SPDX-License-Identifier: MIT
 *
 * Which parameters come together: a partition of their names such that every finished trial has each block whole or not at all.
 *
 * A trial with the set K of names splits every block B into what lies in K and what does not, and the names that are new make a
 * block. The partition does not depend on the order of trials, and a set that was there before changes nothing, so the work is one
 * look at the presence words per row and a refinement per distinct set. FAIL trials do not count.
 *
 * A parameter's distribution is the one that was seen first.
 */
#include "base/err.h"
#include "sampler/tpe.h"

#include <stdlib.h>

struct block {
    uint32_t *columns; /* in no order */
    size_t n;
};
struct groups {
    size_t rows;       /* taken in */
    struct map64 seen; /* hashes of sets of columns */
    struct block *blocks;
    size_t n, cap;
    struct tl_dist *dists; /* by column */
    size_t n_dists, cap_dists;
    uint64_t *words; /* scratch: presence words of 64 rows, by column */
    size_t cap_words;
    bool *in; /* scratch: the trial's set */
    size_t cap_in;
    struct arena memory;
    struct tl_frozen_trial trial;
};

struct groups *groups_new(void)
{
    return mem_zalloc(1, sizeof(struct groups));
}

void groups_free(struct groups *g)
{
    if (g) {
        for (size_t i = 0; i < g->n; i++) {
            mem_free(g->blocks[i].columns);
        }
        mem_free(g->blocks);
        mem_free(g->dists);
        mem_free(g->words);
        mem_free(g->in);
        map64_release(&g->seen);
        arena_release(&g->memory);
        tl_frozen_release(&g->trial);
        mem_free(g);
    }
}

static uint64_t mix(uint64_t h)
{
    h = (h + 1) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ (h >> 32);
}

static bool add_block(struct groups *g, uint32_t *columns, size_t n)
{
    if (!mem_grow((void **)&g->blocks, &g->cap, g->n + 1, sizeof *g->blocks)) {
        return false;
    }
    g->blocks[g->n++] = (struct block){columns, n};
    return true;
}

/* Puts the columns of the set first; true when some are in it and some are not, `*n_in` of them. */
static bool divide(const struct groups *g, struct block *b, size_t *n_in)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (g->in[b->columns[i]]) {
            uint32_t c = b->columns[i];
            b->columns[i] = b->columns[n];
            b->columns[n++] = c;
        }
    }
    *n_in = n;
    return n > 0 && n < b->n;
}

static bool refine(struct groups *g, size_t n_columns)
{
    size_t n_blocks = g->n, n_in, n_fresh = 0;
    uint32_t *fresh = mem_alloc((n_columns + 1) * sizeof *fresh);
    bool ok = fresh != NULL;
    for (size_t i = 0; ok && i < n_blocks; i++) {
        if (divide(g, &g->blocks[i], &n_in)) {
            size_t n_out = g->blocks[i].n - n_in;
            uint32_t *out = mem_alloc(n_out * sizeof *out);
            ok = out != NULL;
            if (ok) {
                memcpy(out, g->blocks[i].columns + n_in, n_out * sizeof *out);
                ok = add_block(g, out, n_out);
                g->blocks[i].n = n_in;
                if (!ok) {
                    mem_free(out);
                }
            }
        }
        for (size_t k = 0; ok && k < g->blocks[i].n; k++) {
            g->in[g->blocks[i].columns[k]] = false; /* what is left is new */
        }
    }
    for (size_t c = 0; ok && c < n_columns; c++) {
        if (g->in[c]) {
            fresh[n_fresh++] = (uint32_t)c;
        }
    }
    bool added = ok && n_fresh > 0 && add_block(g, fresh, n_fresh);
    if (!added) {
        mem_free(fresh);
    }
    return ok && (added || n_fresh == 0);
}

/* Distributions of the row's parameters that were not seen before. */
static bool learn_dists(struct groups *g, const tl_view *view, int64_t number, size_t n_columns)
{
    if (!mem_grow((void **)&g->dists, &g->cap_dists, n_columns, sizeof *g->dists)) {
        return false;
    }
    for (; g->n_dists < n_columns; g->n_dists++) {
        g->dists[g->n_dists] = (struct tl_dist){.kind = TL_DIST_CATEGORICAL}; /* no choices: not seen yet */
    }
    if (tl_view_trial(view, number, &g->trial, NULL) != TL_OK) {
        return false;
    }
    for (size_t i = 0; i < g->trial.n_params; i++) {
        int64_t c = tl_view_column(view, g->trial.params[i].name.s);
        struct tl_dist *known = c >= 0 ? &g->dists[c] : NULL;
        if (known && known->kind == TL_DIST_CATEGORICAL && known->n_choices == 0 &&
            !tpe_copy_dist(g->trial.params[i].dist, known, &g->memory)) {
            return false;
        }
    }
    return true;
}

static bool take_row(struct groups *g, const tl_view *view, size_t row, size_t n_columns)
{
    struct tl_row r;
    uint64_t bit = UINT64_C(1) << (row % 64), hash = 0, ignored;
    tl_view_row(view, row, &r);
    if (r.state == TL_FAIL) {
        return true;
    }
    for (size_t c = 0; c < n_columns; c++) {
        g->in[c] = (g->words[c] & bit) != 0;
        hash += g->in[c] ? mix(c) : 0;
    }
    hash = hash == UINT64_MAX ? 0 : hash; /* no key of the map */
    if (map64_get(&g->seen, hash, &ignored)) {
        return true;
    }
    return map64_set(&g->seen, hash, 1) && learn_dists(g, view, r.number, n_columns) && refine(g, n_columns);
}

int groups_update(struct groups *g, const tl_view *view, struct tl_err *err)
{
    size_t n_rows = tl_view_n_rows(view), n_columns = tl_view_n_columns(view);
    const double *values;
    bool ok = mem_grow((void **)&g->words, &g->cap_words, n_columns + 1, sizeof *g->words) &&
              mem_grow((void **)&g->in, &g->cap_in, n_columns + 1, sizeof *g->in);
    while (ok && g->rows < n_rows) {
        for (size_t c = 0; c < n_columns; c++) {
            g->words[c] = tl_view_block(view, (int64_t)c, g->rows / 64, &values);
        }
        size_t end = (g->rows / 64 + 1) * 64;
        for (end = end < n_rows ? end : n_rows; ok && g->rows < end; g->rows++) {
            ok = take_row(g, view, g->rows, n_columns);
        }
    }
    return ok ? TL_OK : err_nomem(err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tl_assignment *)a)->name, ((const struct tl_assignment *)b)->name);
}

/* Copies one block's parameters, those that have no mixtures left out. */
static bool copy_block(const struct groups *g, const struct block *b, const tl_view *view, struct arena *a,
                       struct group *out)
{
    out->n = 0;
    out->dims = arena_alloc(a, (b->n + 1) * sizeof *out->dims);
    for (size_t i = 0; out->dims && i < b->n; i++) {
        const struct tl_dist *d = &g->dists[b->columns[i]];
        struct tl_dist *copy = arena_alloc(a, sizeof *copy);
        if (!copy || !tpe_copy_dist(d, copy, a)) {
            return false;
        }
        const char *name = tl_view_column_name(view, b->columns[i]); /* NULL: the view is older */
        if (name && tpe_can_model(d)) {
            out->dims[out->n++] = (struct tl_assignment){arena_dup(a, name, strlen(name)), copy, 0};
            if (!out->dims[out->n - 1].name) {
                return false;
            }
        }
    }
    if (out->dims) {
        qsort(out->dims, out->n, sizeof *out->dims, by_name);
    }
    return out->dims != NULL;
}

int groups_copy(const struct groups *g, const tl_view *view, struct arena *a, struct group **out, size_t *n,
                struct tl_err *err)
{
    struct group *list = arena_alloc(a, (g->n + 1) * sizeof *list);
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < g->n; i++) {
        ok = copy_block(g, &g->blocks[i], view, a, &list[i]);
    }
    if (!ok) {
        return err_nomem(err);
    }
    *out = list;
    *n = g->n;
    return TL_OK;
}
