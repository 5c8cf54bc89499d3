/* SPDX-License-Identifier: MIT
 *
 * The grid sampler: each combination of the listed values once, over all workers.
 *
 * Happy path: `prepare` reads what is new in the study outside the journal's lock; `claim` runs under the lock on the state at the
 * head, picks a free cell (grid_cells.c), fixes its values and stores `search_space` and `grid_id` with the new trial, so the
 * claim and the trial are one operation. Nobody can pick the same cell: whoever comes next sees the trial.
 *
 * Values are used as they are, also outside the range that the objective asks for. A trial that Optuna put back into the queue
 * keeps its `grid_id`; its values are read off the study when the objective asks. A name that is not in the grid is an error.
 *
 * Failure modes: TL_EEXHAUSTED when every cell is held, done or given up; TL_EINVAL for names that the grid does not have.
 */
#include "sampler/grid.h"

#include <pthread.h>

#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "sampler/sampler.h"

#define WATCHES_MAX 8 /* study handles that one sampler remembers */
#define SPACE_MAX (64u << 20)

/* What the sampler knows of the studies that use it, the last used first. */
struct watch {
    uint64_t handle;
    struct cells *cells;
};
struct grid_watch {
    pthread_mutex_t lock;
    struct watch seen[WATCHES_MAX];
};

/* ---- cells and values ---- */

const struct tl_value *grid_value(const struct grid *g, uint64_t place, size_t axis)
{
    for (size_t i = g->n_axes - 1; i > axis; i--) {
        place /= g->axes[i].n;
    }
    return &g->axes[axis].values[place % g->axes[axis].n];
}

bool grid_place_of_id(const struct grid *g, struct str grid_id, uint64_t *place)
{
    int64_t id;
    const char *end = grid_id.p + grid_id.n;
    if (num_parse_int(grid_id.p, end, &id) != end || id < 0 || (uint64_t)id >= g->order.n) {
        return false;
    }
    *place = grid_order_place(&g->order, (uint64_t)id);
    return true;
}

static size_t find_axis(const struct grid *g, struct str name)
{
    size_t i = 0;
    while (i < g->n_axes && !str_eq(g->axes[i].name, name)) {
        i++;
    }
    return i;
}

static int same_values(const struct grid_axis *axis, struct json *j, struct arena *scratch)
{
    bool first = true;
    uint64_t i = 0;
    int rc = json_open(j, '[', NULL);
    while (rc == TL_OK && (rc = json_next_item(j, &first, NULL)) > 0) {
        struct tl_value v;
        rc = dist_value_read(j, scratch, &v, NULL);
        if (rc == TL_OK) {
            int equal = i < axis->n ? dist_value_equal(&axis->values[i], &v) : 0;
            rc = equal < 0 ? TL_ENOMEM : equal ? TL_OK : TL_EINVAL;
        }
        i++;
    }
    return rc < 0 ? rc : i == axis->n ? TL_OK : TL_EINVAL;
}

static int first_equal(const struct grid_axis *axis, const struct tl_value *v, uint64_t *index)
{
    for (uint64_t i = 0; i < axis->n; i++) {
        int equal = dist_value_equal(&axis->values[i], v);
        if (equal) {
            *index = i;
            return equal < 0 ? TL_ENOMEM : TL_OK;
        }
    }
    return TL_EINVAL;
}

/* Walks over an object that must have each axis as a member, with a list of its values (`place` NULL) or with one of them. */
static int match_object(const struct grid *g, struct str text, uint64_t *place)
{
    struct json j = JSON_OF(text.p, text.n);
    struct arena scratch = {0};
    struct str name;
    bool first = true;
    size_t members = 0;
    uint64_t *index = arena_alloc(&scratch, g->n_axes * sizeof *index);
    int rc = index ? json_open(&j, '{', NULL) : TL_ENOMEM;
    for (size_t i = 0; rc == TL_OK && i < g->n_axes; i++) {
        index[i] = UINT64_MAX;
    }
    while (rc == TL_OK && (rc = json_next_key(&j, &first, &scratch, &name, NULL)) > 0) {
        size_t axis = find_axis(g, name);
        struct tl_value v;
        if (axis == g->n_axes || ++members > g->n_axes) {
            rc = TL_EINVAL;
        } else if (!place) {
            rc = same_values(&g->axes[axis], &j, &scratch);
            index[axis] = 0;
        } else if ((rc = dist_value_read(&j, &scratch, &v, NULL)) == TL_OK) {
            rc = first_equal(&g->axes[axis], &v, &index[axis]);
        }
    }
    uint64_t at = 0;
    for (size_t i = 0; rc == TL_OK && i < g->n_axes; i++) {
        rc = index[i] == UINT64_MAX ? TL_EINVAL : TL_OK;
        at = at * g->axes[i].n + index[i];
    }
    arena_release(&scratch);
    if (rc == TL_OK && place) {
        *place = at;
    }
    return rc == TL_OK ? 1 : rc == TL_ENOMEM ? TL_ENOMEM : 0;
}

int grid_same_space(const struct grid *g, struct str search_space)
{
    return str_eq(search_space, str_of(g->search_space)) ? 1 : match_object(g, search_space, NULL);
}

int grid_place_of_fixed(const struct grid *g, struct str fixed_params, uint64_t *place)
{
    return match_object(g, fixed_params, place);
}

/* A trial's value of an axis; false when it has none. */
static bool trial_value(const struct tl_frozen_trial *trial, const struct grid_axis *axis, struct tl_value *out)
{
    for (size_t i = 0; i < trial->n_params; i++) {
        const struct tl_param *p = &trial->params[i];
        if (p->has_value && str_eq((struct str){p->name.s, p->name.len}, axis->name)) {
            return tl_dist_external(p->dist, p->internal, out, NULL) == TL_OK;
        }
    }
    return false;
}

int grid_place_fits(const struct grid *g, const struct tl_frozen_trial *trial, uint64_t place)
{
    int equal = 1;
    for (size_t i = 0; equal == 1 && i < g->n_axes; i++) {
        struct tl_value v;
        if (trial_value(trial, &g->axes[i], &v)) {
            equal = dist_value_equal(grid_value(g, place, i), &v);
        }
    }
    return equal;
}

int grid_place_of_params(const struct grid *g, const struct tl_frozen_trial *trial, uint64_t *place)
{
    uint64_t at = 0, index = 0;
    for (size_t i = 0; i < g->n_axes; i++) {
        struct tl_value v;
        int rc = trial_value(trial, &g->axes[i], &v) ? first_equal(&g->axes[i], &v, &index) : TL_EINVAL;
        if (rc != TL_OK) {
            return rc == TL_ENOMEM ? rc : 0;
        }
        at = at * g->axes[i].n + index;
    }
    *place = at;
    return 1;
}

/* ---- the sampler's functions ---- */

/* What is known of the handle's study, most recently used first; the one that was not used for longest makes room. */
static struct cells *cells_of(struct grid_watch *w, uint64_t handle)
{
    size_t i = 0;
    while (i < WATCHES_MAX - 1 && w->seen[i].cells && w->seen[i].handle != handle) {
        i++;
    }
    struct watch found = w->seen[i];
    if (!found.cells || found.handle != handle) {
        cells_free(found.cells);
        found = (struct watch){handle, cells_new()};
    }
    memmove(&w->seen[1], &w->seen[0], i * sizeof w->seen[0]);
    w->seen[0] = found;
    return found.cells;
}

static int grid_prepare(void *self, const struct tl_sample_context *c, struct tl_err *err)
{
    struct grid *g = self;
    pthread_mutex_lock(&g->watch->lock);
    struct cells *cells = cells_of(g->watch, c->handle);
    int rc = cells ? cells_update(cells, g, c->view, err) : err_nomem(err);
    pthread_mutex_unlock(&g->watch->lock);
    return rc;
}

static int choose_cell(struct grid *g, const struct tl_sample_context *c, uint64_t *id, struct tl_err *err)
{
    pthread_mutex_lock(&g->watch->lock);
    struct cells *cells = cells_of(g->watch, c->handle);
    int rc = cells ? cells_update(cells, g, c->view, err) : err_nomem(err);
    if (rc == TL_OK) {
        rc = cells_next(cells, g, (uint64_t)c->trial_number, id);
        if (rc > 0) {
            rc = TL_OK;
        } else {
            rc = rc < 0 ? err_nomem(err)
                        : err_set(err, TL_EEXHAUSTED, "every cell of the grid is done, being tried or given up");
        }
    }
    pthread_mutex_unlock(&g->watch->lock);
    return rc;
}

static int grid_claim(void *self, const struct tl_sample_context *c,
                      int (*fix)(void *ctx, const char *name, const struct tl_value *value),
                      int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    struct grid *g = self;
    uint64_t id;
    char text[NUM_MAX];
    int rc = choose_cell(g, c, &id, err);
    if (rc != TL_OK) {
        return rc;
    }
    uint64_t place = grid_order_place(&g->order, id);
    for (size_t i = 0; rc == TL_OK && i < g->n_axes; i++) {
        rc = fix(ctx, g->axes[i].name.p, grid_value(g, place, i));
    }
    num_format_int((int64_t)id, text);
    if (rc == TL_OK) {
        rc = attr(ctx, "search_space", g->search_space);
    }
    if (rc == TL_OK) {
        rc = attr(ctx, "grid_id", text);
    }
    if (rc == TL_OK && !g->order.shuffled) {
        rc = attr(ctx, "grid_perm", "\"feistel1\"");
    }
    return rc;
}

/* Asked for what `claim` did not fix: a trial that came from the queue, or a name that the grid does not have. */
static int grid_independent(void *self, const struct tl_sample_context *c, const char *name, const struct tl_dist *dist,
                            double *internal, struct tl_err *err)
{
    struct grid *g = self;
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct str id = {NULL, 0}, space = {NULL, 0};
    size_t axis = find_axis(g, str_of(name));
    uint64_t place;
    if (axis == g->n_axes) {
        return err_set(err, TL_EINVAL, "the grid has no parameter '%s'", name);
    }
    int rc = tl_view_trial(c->view, c->trial_number, &trial, err);
    for (size_t i = 0; rc == TL_OK && i < trial.n_attrs; i++) {
        const struct tl_attr *a = &trial.attrs[i];
        struct str key = {a->key.s, a->key.len}, json = {a->json.s, a->json.len};
        if (a->kind == TL_ATTR_SYSTEM && str_eq(key, STR("grid_id"))) {
            id = json;
        } else if (a->kind == TL_ATTR_SYSTEM && str_eq(key, STR("search_space"))) {
            space = json;
        }
    }
    int same = rc == TL_OK && id.n && space.n ? grid_same_space(g, space) : 0;
    if (rc == TL_OK && same < 0) {
        rc = err_nomem(err);
    } else if (rc == TL_OK && same == 1 && grid_place_of_id(g, id, &place)) {
        rc = tl_dist_internal(dist, grid_value(g, place, axis), internal, err);
        rc = rc == TL_OK ? rc : err_wrap(err, rc, "the grid's value of parameter '%s'", name);
    } else if (rc == TL_OK) {
        rc = err_set(err, TL_EINVAL, "trial %lld has no cell of this grid and does not fix parameter '%s': a trial that is "
                     "enqueued for a grid must fix all of them", (long long)c->trial_number, name);
    }
    tl_frozen_release(&trial);
    return rc;
}

static void grid_release(void *self)
{
    struct grid *g = self;
    if (g->watch) {
        for (size_t i = 0; i < WATCHES_MAX; i++) {
            cells_free(g->watch->seen[i].cells);
        }
        pthread_mutex_destroy(&g->watch->lock);
        mem_free(g->watch);
    }
    grid_order_release(&g->order);
    arena_release(&g->memory);
    mem_free(g);
}

static const struct tl_sampler_ops grid_ops = {
    .size = sizeof grid_ops,
    .name = "grid",
    .independent = grid_independent,
    .claim = grid_claim,
    .prepare = grid_prepare,
    .release = grid_release,
};

/* ---- what a cell is ---- */

TL_API uint64_t tl_sampler_grid_cells(const tl_sampler *sampler)
{
    return sampler->ops.claim == grid_claim ? ((const struct grid *)sampler->self)->order.n : 0;
}

TL_API int tl_sampler_grid_cell(const tl_sampler *sampler, uint64_t grid_id, uint64_t *values, size_t n, struct tl_err *err)
{
    const struct grid *g = sampler->self;
    if (grid_id >= tl_sampler_grid_cells(sampler) || n != g->n_axes) {
        return err_set(err, TL_EINVAL, "no grid, or not one with %zu axes and a cell %llu", n, (unsigned long long)grid_id);
    }
    uint64_t place = grid_order_place(&g->order, grid_id);
    for (size_t i = n; i > 0; i--) {
        values[i - 1] = place % g->axes[i - 1].n;
        place /= g->axes[i - 1].n;
    }
    return TL_OK;
}

/* ---- making ---- */

static int copy_value(struct arena *a, const struct tl_value *from, struct tl_value *to, struct tl_err *err)
{
    *to = *from;
    if (from->kind == TL_VALUE_STRING || from->kind == TL_VALUE_JSON) {
        struct str text = {from->as.text.s, from->as.text.len};
        if (from->kind == TL_VALUE_STRING && !json_utf8_valid(text)) {
            return err_set(err, TL_EINVAL, "a string is not valid UTF-8");
        }
        to->as.text.s = arena_dup(a, text.p, text.n);
        return to->as.text.s ? TL_OK : err_nomem(err);
    }
    return (unsigned)from->kind <= TL_VALUE_JSON ? TL_OK : err_set(err, TL_EINVAL, "unknown kind of value");
}

static int copy_axis(struct grid *g, struct grid_axis *to, const struct tl_grid_axis *from, struct tl_err *err)
{
    if (!from->name || !json_utf8_valid(str_of(from->name))) {
        return err_set(err, TL_EINVAL, "an axis of the grid needs a name in UTF-8");
    }
    if (!from->values || from->n_values == 0) {
        return err_set(err, TL_EINVAL, "axis '%s' of the grid has no values", from->name);
    }
    to->name = (struct str){arena_dup(&g->memory, from->name, strlen(from->name)), strlen(from->name)};
    to->n = from->n_values;
    to->values = from->n_values < SIZE_MAX / sizeof *to->values
                     ? arena_alloc(&g->memory, from->n_values * sizeof *to->values)
                     : NULL;
    if (!to->name.p || !to->values) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < from->n_values; i++) {
        int rc = copy_value(&g->memory, &from->values[i], &to->values[i], err);
        if (rc != TL_OK) {
            return err_wrap(err, rc, "value %zu of axis '%s'", i, from->name);
        }
    }
    return TL_OK;
}

/* Python sorts names by code points, which is the order of the bytes of UTF-8. Insertion sort: a grid has few axes. */
static int insert_axis(struct grid *g, const struct tl_grid_axis *from, struct tl_err *err)
{
    struct grid_axis axis;
    int rc = copy_axis(g, &axis, from, err);
    if (rc != TL_OK) {
        return rc;
    }
    size_t at = g->n_axes;
    while (at > 0) {
        int order = strcmp(g->axes[at - 1].name.p, axis.name.p);
        if (order == 0) {
            return err_set(err, TL_EINVAL, "the grid has axis '%s' twice", from->name);
        }
        if (order < 0) {
            break;
        }
        g->axes[at] = g->axes[at - 1];
        at--;
    }
    g->axes[at] = axis;
    g->n_axes++;
    return TL_OK;
}

/* The attribute as Optuna writes it: {"name":[values],…}, names sorted. */
static int write_space(struct grid *g, struct tl_err *err)
{
    struct buf b = BUF_INIT(SPACE_MAX), compact = BUF_INIT(SPACE_MAX);
    for (size_t i = 0; i < g->n_axes; i++) {
        buf_add_char(&b, i ? ',' : '{');
        json_put_string(&b, g->axes[i].name);
        buf_add_text(&b, ":[");
        for (uint64_t k = 0; k < g->axes[i].n; k++) {
            if (k) {
                buf_add_char(&b, ',');
            }
            dist_value_write(&b, &g->axes[i].values[k]);
        }
        buf_add_char(&b, ']');
    }
    buf_add_char(&b, '}');
    int rc = b.failed ? err_set(err, b.failed, "the grid has too many values")
                      : json_compact((struct str){b.data, b.len}, &compact, err);
    if (rc == TL_OK) {
        g->search_space = arena_dup(&g->memory, compact.data, compact.len);
        rc = g->search_space ? TL_OK : err_nomem(err);
    }
    buf_release(&b);
    buf_release(&compact);
    return rc;
}

static int count_cells(const struct grid *g, uint64_t *n, struct tl_err *err)
{
    uint64_t cells = 1;
    for (size_t i = 0; i < g->n_axes; i++) {
        if (cells > GRID_CELLS_MAX / g->axes[i].n) {
            return err_set(err, TL_ELIMIT, "the grid has more than 2^62 cells");
        }
        cells *= g->axes[i].n;
    }
    *n = cells;
    return TL_OK;
}

static int fill_grid(struct grid *g, const struct tl_grid_axis *axes, size_t n_axes, uint64_t seed, struct tl_err *err)
{
    uint64_t n = 0;
    int rc = TL_OK;
    g->axes = n_axes < SIZE_MAX / sizeof *g->axes ? arena_alloc(&g->memory, n_axes * sizeof *g->axes) : NULL;
    g->watch = mem_zalloc(1, sizeof *g->watch);
    if (g->watch && pthread_mutex_init(&g->watch->lock, NULL) != 0) {
        mem_free(g->watch);
        g->watch = NULL;
    }
    if (!g->axes || !g->watch) {
        return err_nomem(err);
    }
    for (size_t i = 0; rc == TL_OK && i < n_axes; i++) {
        rc = insert_axis(g, &axes[i], err);
    }
    if (rc == TL_OK) {
        rc = write_space(g, err);
    }
    if (rc == TL_OK) {
        rc = count_cells(g, &n, err);
    }
    return rc == TL_OK ? grid_order_init(&g->order, n, seed, err) : rc;
}

TL_API int tl_sampler_grid(const struct tl_grid_axis *axes, size_t n_axes, const struct tl_grid_options *options,
                           tl_sampler **out, struct tl_err *err)
{
    struct tl_grid_options o = TL_GRID_OPTIONS_INIT;
    if (options) {
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    }
    if (!axes || n_axes == 0 || !out) {
        return err_set(err, TL_EINVAL, "a grid needs at least one axis");
    }
    if (o.seed > UINT32_MAX) {
        return err_set(err, TL_EINVAL, "the seed of a grid must be below 2^32, as in Optuna");
    }
    struct grid *g = mem_zalloc(1, sizeof *g);
    if (!g) {
        return err_nomem(err);
    }
    g->retries = o.retries == 0 ? 6 : o.retries < 0 ? 0 : (unsigned)o.retries;
    int rc = fill_grid(g, axes, n_axes, o.seed, err);
    if (rc == TL_OK) {
        rc = tl_sampler_new(&grid_ops, g, out, err);
    }
    if (rc != TL_OK) {
        grid_release(g);
    }
    return rc;
}

/* ---- from options ---- */

static int read_values(struct json *j, struct arena *a, struct tl_grid_axis *axis, struct tl_err *err)
{
    struct tl_value *list = NULL;
    size_t cap = 0, n = 0;
    bool first = true;
    int rc = json_open(j, '[', err);
    while (rc == TL_OK && (rc = json_next_item(j, &first, err)) > 0) {
        rc = mem_grow((void **)&list, &cap, n + 1, sizeof *list) ? dist_value_read(j, a, &list[n++], err) : err_nomem(err);
    }
    axis->values = list;
    axis->n_values = n;
    return rc;
}

/* Reads {"name": [values], …}: names and texts live in the arena, lists of values and axes on the heap. */
static int read_axes(struct str text, struct arena *a, struct tl_grid_axis **axes, size_t *n_axes, struct tl_err *err)
{
    struct json j = JSON_OF(text.p, text.n);
    struct str name;
    bool first = true;
    size_t cap = 0;
    int rc = json_open(&j, '{', err);
    while (rc == TL_OK && (rc = json_next_key(&j, &first, a, &name, err)) > 0) {
        if (!mem_grow((void **)axes, &cap, *n_axes + 1, sizeof **axes)) {
            return err_nomem(err);
        }
        struct tl_grid_axis *axis = &(*axes)[(*n_axes)++];
        *axis = (struct tl_grid_axis){arena_dup(a, name.p, name.n), NULL, 0};
        rc = axis->name ? read_values(&j, a, axis, err) : err_nomem(err);
    }
    return rc == TL_OK ? json_finish(&j, err) : rc;
}

int grid_from_options(const struct tl_option *options, size_t n, tl_sampler **out, struct tl_err *err)
{
    struct tl_grid_options o = TL_GRID_OPTIONS_INIT;
    const char *space = option_value(options, n, "search_space"), *retries = option_value(options, n, "retries");
    uint64_t count = 6;
    if (!space) {
        return err_set(err, TL_EINVAL, "sampler 'grid' needs the option search_space: {\"name\": [value, ...], ...}");
    }
    int rc = option_u64(options, n, "seed", UINT32_MAX, &o.seed, err);
    if (rc == TL_OK && !(retries && strcmp(retries, "-1") == 0)) {
        rc = option_u64(options, n, "retries", INT32_MAX, &count, err);
        o.retries = count == 0 ? -1 : (int)count;
    } else {
        o.retries = -1;
    }
    struct arena a = {0};
    struct tl_grid_axis *axes = NULL;
    size_t n_axes = 0;
    if (rc == TL_OK) {
        rc = read_axes(str_of(space), &a, &axes, &n_axes, err);
        rc = rc == TL_OK ? rc : err_wrap(err, rc, "option search_space");
    }
    if (rc == TL_OK) {
        rc = tl_sampler_grid(axes, n_axes, &o, out, err);
    }
    for (size_t i = 0; i < n_axes; i++) {
        mem_free((void *)axes[i].values);
    }
    mem_free(axes);
    arena_release(&a);
    return rc;
}
