/* SPDX-License-Identifier: MIT
 *
 * The parts of the grid sampler: the order of its cells (grid_order.c) and what became of each cell (grid_cells.c).
 *
 * Two numbers name a cell. Its *id* (attribute `grid_id`) counts in the order in which cells are issued, as Optuna does; its
 * *place* counts the combinations of values with names sorted and the last name fastest. The order maps ids to places.
 */
#ifndef TL_GRID_H
#define TL_GRID_H

#include "base/map.h"
#include "base/mem.h"
#include "model/dist.h"
#include <trialog/sampler.h>

/* ---- order ---- */

#define GRID_SHUFFLE_MAX UINT64_C(10000000) /* more cells are never listed */
#define GRID_CELLS_MAX (UINT64_C(1) << 62)

struct grid_order {
    uint64_t n;
    uint64_t seed;
    uint32_t *shuffled; /* up to GRID_SHUFFLE_MAX cells: Optuna's own shuffle; else NULL: computed */
};
/* 1 <= n <= GRID_CELLS_MAX, seed below 2^32. */
int grid_order_init(struct grid_order *order, uint64_t n, uint64_t seed, struct tl_err *err);
void grid_order_release(struct grid_order *order);
uint64_t grid_order_place(const struct grid_order *order, uint64_t id);

/* ---- the grid ---- */

struct grid_axis {
    struct str name;
    struct tl_value *values;
    uint64_t n;
};
struct grid {
    struct arena memory; /* names, values, texts */
    struct grid_axis *axes; /* sorted by name */
    size_t n_axes;
    struct grid_order order;
    const char *search_space; /* the attribute's value, journal form */
    unsigned retries;
    struct grid_watch *watch;
};
const struct tl_value *grid_value(const struct grid *g, uint64_t place, size_t axis);
/* The place that an attribute of a trial names; false when it names none of this grid's. */
bool grid_place_of_id(const struct grid *g, struct str grid_id, uint64_t *place);
/* Does this text describe the same grid? 1 or 0, or TL_ENOMEM. */
int grid_same_space(const struct grid *g, struct str search_space);
/* Are the parameters that a trial has so far those of this cell? 1 or 0, or TL_ENOMEM. */
int grid_place_fits(const struct grid *g, const struct tl_frozen_trial *trial, uint64_t place);
/* The cell whose values a trial has: 1 and its place, 0 (a value is missing or in no cell), or TL_ENOMEM. */
int grid_place_of_params(const struct grid *g, const struct tl_frozen_trial *trial, uint64_t *place);
/* The cell whose values are exactly these fixed parameters: 1 and its place, 0, or TL_ENOMEM. */
int grid_place_of_fixed(const struct grid *g, struct str fixed_params, uint64_t *place);

/* ---- cells ---- */

/* What is known of a grid's cells in one study, kept up from view to view: memory for the cells that were touched only, time for
 * what is new only. One thread at a time. */
struct cells;
struct cells *cells_new(void); /* NULL: out of memory */
void cells_free(struct cells *c);
/* Takes in what is new in the view. */
int cells_update(struct cells *c, const struct grid *g, const tl_view *view, struct tl_err *err);
/* The cell to try next, for the trial of this number: 1 and its id, 0 when none is free. Changes nothing that matters: the cell is
 * taken when a trial that has it shows up in a view. */
int cells_next(struct cells *c, const struct grid *g, uint64_t number, uint64_t *id);

#endif
