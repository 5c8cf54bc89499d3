/* SPDX-License-Identifier: MIT
 *
 * What became of a grid's cells in one study.
 *
 * A cell is *held* by a trial that has it and has not finished; it is *done* when such a trial ended COMPLETE or PRUNED; a FAIL one
 * makes it free again, up to the number of retries, or without limit when it was its worker that was lost. Which cell a trial has is
 * read off its attributes: `grid_id`, or `fixed_params` with exactly a cell's values; but when its parameters are those of another
 * cell, that one counts. So all workers agree without messages, and Optuna's GridSampler takes part: its later duplicates are
 * tolerated. (Optuna 3.1 numbers cells in another order: which one its trial had is certain only when that has finished.)
 *
 * Happy path: each trial is looked at twice, when it shows up and when it has finished; only RUNNING ones without a cell are looked
 * at again, because Optuna sets the attributes after it created the trial. Memory grows with the cells that were touched, not with
 * the grid.
 *
 * Which cell is next: the one whose id is the trial's number (Optuna's choice, so that workers of both kinds meet seldom), else the
 * lowest id that nobody had, else a failed one. Ids below `frontier` were passed; those whose cell was not done then are `open`.
 *
 * Failure modes: out of memory; then everything is forgotten and read anew at the next call. A view of another epoch likewise.
 */
#include "sampler/grid.h"

#include "base/err.h"

/* A cell in the map: failures in the low half, holders above, then the flag. */
#define CELL_HOLDER (UINT64_C(1) << 32)
#define CELL_DONE (UINT64_C(1) << 63)
#define CELL_FAILURES(cell) ((cell) & UINT32_MAX)
#define CELL_HELD(cell) (((cell) & ~CELL_DONE) >= CELL_HOLDER)

/* In `holds`, otherwise place + 1. */
#define NO_PLACE_YET UINT64_C(0)
#define NO_PLACE_EVER UINT64_MAX /* an enqueued trial is never given a cell */

struct cells {
    uint64_t epoch;
    bool started;
    size_t rows;          /* seen so far */
    struct map64 holds;   /* number of an unfinished trial -> see below */
    struct map64 touched; /* place -> cell */
    uint64_t frontier;
    uint64_t *open; /* ids below the frontier whose cells were not done when last looked at */
    size_t n_open, cap_open, open_limit;
    struct tl_frozen_trial trial; /* read last */
    bool lost;                    /* it was failed because its worker was lost */
};

struct cells *cells_new(void)
{
    return mem_zalloc(1, sizeof(struct cells));
}

static void forget(struct cells *c)
{
    map64_release(&c->holds);
    map64_release(&c->touched);
    c->holds = c->touched = (struct map64){0};
    c->rows = c->n_open = c->open_limit = 0;
    c->frontier = 0;
    c->started = false;
}

void cells_free(struct cells *c)
{
    if (c) {
        forget(c);
        tl_frozen_release(&c->trial);
        mem_free(c->open);
        mem_free(c);
    }
}

/* ---- reading trials ---- */

static uint64_t cell_at(const struct cells *c, uint64_t place)
{
    uint64_t cell = 0;
    return map64_get(&c->touched, place, &cell) ? cell : 0;
}

static bool has_place(uint64_t held)
{
    return held != NO_PLACE_YET && held != NO_PLACE_EVER;
}

/* The place of the trial that was read last, as `holds` keeps it. */
static int place_of_trial(struct cells *c, const struct grid *g, uint64_t *place, struct tl_err *err)
{
    struct str id = {NULL, 0}, space = {NULL, 0}, fixed = {NULL, 0}, perm = {NULL, 0};
    c->lost = false;
    for (size_t i = 0; i < c->trial.n_attrs; i++) {
        const struct tl_attr *a = &c->trial.attrs[i];
        struct str key = {a->key.s, a->key.len}, json = {a->json.s, a->json.len};
        if (a->kind != TL_ATTR_SYSTEM) {
            continue;
        }
        if (str_eq(key, STR("grid_id"))) {
            id = json;
        } else if (str_eq(key, STR("search_space"))) {
            space = json;
        } else if (str_eq(key, STR("fixed_params"))) {
            fixed = json;
        } else if (str_eq(key, STR("grid_perm"))) {
            perm = json;
        } else if (str_eq(key, STR(TL_LOST_ATTR))) {
            c->lost = true;
        }
    }
    bool our_order = g->order.shuffled ? perm.n == 0 : str_eq(perm, STR("\"feistel1\""));
    uint64_t found;
    int rc = id.n && space.n ? grid_same_space(g, space) : 0;
    bool ours = rc > 0;
    if (ours) {
        bool known = our_order && grid_place_of_id(g, id, &found);
        rc = known ? grid_place_fits(g, &c->trial, found) : 0;
        if (rc == 0) {
            rc = grid_place_of_params(g, &c->trial, &found);
        }
        if (rc == 0 && known) { /* values that the distribution changed: 2.5 asked for as an integer */
            rc = grid_place_of_id(g, id, &found);
        }
    } else if (rc == 0 && fixed.n) {
        rc = grid_place_of_fixed(g, fixed, &found);
    }
    if (rc < 0) {
        return err_nomem(err);
    }
    *place = rc > 0 ? found + 1 : fixed.n ? NO_PLACE_EVER : NO_PLACE_YET;
    return TL_OK;
}

static int read_place(struct cells *c, const struct grid *g, const tl_view *view, int64_t number, uint64_t *place,
                      struct tl_err *err)
{
    int rc = tl_view_trial(view, number, &c->trial, err);
    return rc == TL_OK ? place_of_trial(c, g, place, err) : rc;
}

/* ---- keeping up ---- */

static int finish_trial(struct cells *c, const struct grid *g, const tl_view *view, const struct tl_row *row,
                        struct tl_err *err)
{
    uint64_t place, before = NO_PLACE_YET;
    int rc = read_place(c, g, view, row->number, &place, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (map64_get(&c->holds, (uint64_t)row->number, &before) && has_place(before) &&
        !map64_set(&c->touched, before - 1, cell_at(c, before - 1) - CELL_HOLDER)) {
        return err_nomem(err);
    }
    map64_remove(&c->holds, (uint64_t)row->number);
    if (!has_place(place)) {
        return TL_OK;
    }
    uint64_t cell = cell_at(c, place - 1);
    if (row->state != TL_FAIL) {
        cell |= CELL_DONE;
    } else if (!c->lost) {
        cell += CELL_FAILURES(cell) < UINT32_MAX ? 1 : 0;
    }
    return map64_set(&c->touched, place - 1, cell) ? TL_OK : err_nomem(err);
}

static int meet_unfinished(struct cells *c, const struct grid *g, const tl_view *view, int64_t number, struct tl_err *err)
{
    uint64_t place = NO_PLACE_YET;
    bool known = map64_get(&c->holds, (uint64_t)number, &place);
    if (known && (place != NO_PLACE_YET || tl_view_trial_state(view, number) != TL_RUNNING)) {
        return TL_OK;
    }
    int rc = read_place(c, g, view, number, &place, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (has_place(place) && !map64_set(&c->touched, place - 1, cell_at(c, place - 1) + CELL_HOLDER)) {
        return err_nomem(err);
    }
    return map64_set(&c->holds, (uint64_t)number, place) ? TL_OK : err_nomem(err);
}

int cells_update(struct cells *c, const struct grid *g, const tl_view *view, struct tl_err *err)
{
    size_t n_rows = tl_view_n_rows(view), n_unfinished;
    int rc = TL_OK;
    if (c->started && c->epoch != tl_view_epoch(view)) {
        forget(c);
    } else if (n_rows < c->rows) {
        return TL_OK; /* an older view than the one before: what is known is newer */
    }
    c->epoch = tl_view_epoch(view);
    c->started = true;
    for (; rc == TL_OK && c->rows < n_rows; c->rows++) {
        struct tl_row row;
        tl_view_row(view, c->rows, &row);
        rc = finish_trial(c, g, view, &row, err);
    }
    const int64_t *unfinished = tl_view_unfinished(view, &n_unfinished);
    if (rc == TL_OK && !unfinished) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == TL_OK && i < n_unfinished; i++) {
        rc = meet_unfinished(c, g, view, unfinished[i], err);
    }
    if (rc != TL_OK) {
        forget(c);
    }
    return rc;
}

/* ---- choosing ---- */

static bool cell_free(const struct grid *g, uint64_t cell)
{
    return !(cell & CELL_DONE) && !CELL_HELD(cell) && CELL_FAILURES(cell) <= g->retries;
}

/* Drops the open ids that are done or given up, when there are twice as many as last time. */
static void sweep_open(struct cells *c, const struct grid *g)
{
    size_t kept = 0;
    if (c->n_open < c->open_limit) {
        return;
    }
    for (size_t i = 0; i < c->n_open; i++) {
        uint64_t cell = cell_at(c, grid_order_place(&g->order, c->open[i]));
        if (CELL_HELD(cell) || cell_free(g, cell)) {
            c->open[kept++] = c->open[i];
        }
    }
    c->n_open = kept;
    c->open_limit = 2 * kept + 64;
}

/* Moves the frontier to the lowest id that nobody had; `*free_id` is that id, or a failed one met on the way. */
static int advance(struct cells *c, const struct grid *g, uint64_t *free_id)
{
    for (; c->frontier < g->order.n; c->frontier++) {
        uint64_t cell = cell_at(c, grid_order_place(&g->order, c->frontier));
        if (cell == 0) { /* nobody has it, nobody had it */
            *free_id = c->frontier;
            return 1;
        }
        if (cell & CELL_DONE) {
            continue;
        }
        sweep_open(c, g);
        if (!mem_grow((void **)&c->open, &c->cap_open, c->n_open + 1, sizeof *c->open)) {
            return TL_ENOMEM;
        }
        c->open[c->n_open++] = c->frontier;
    }
    return 0;
}

int cells_next(struct cells *c, const struct grid *g, uint64_t number, uint64_t *id)
{
    if (number < g->order.n && cell_at(c, grid_order_place(&g->order, number)) == 0) {
        *id = number;
        return 1;
    }
    int rc = advance(c, g, id);
    if (rc != 0) {
        return rc;
    }
    c->open_limit = 0; /* only failed and held cells are left: keep the list short */
    sweep_open(c, g);
    for (size_t i = 0; i < c->n_open; i++) {
        if (cell_free(g, cell_at(c, grid_order_place(&g->order, c->open[i])))) {
            *id = c->open[i];
            return 1;
        }
    }
    return 0;
}
