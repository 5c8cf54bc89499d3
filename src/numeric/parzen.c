/* SPDX-License-Identifier: MIT
 *
 * Parzen estimators that are kept up instead of rebuilt (Bergstra et al., NIPS 2011; the joint kernel: Falkner et al. (BOHB), ICML
 * 2018). A put or a drop touches one block of kernels (parzen_blocks.h) and, on each axis, one chunk of the order (parzen_order.h); it
 * notes which kernels have new neighbours. parzen_settle works out their widths and constants. While the least width still
 * depends on N (N < 98), and with PARZEN_SCOTT always, that is all kernels. Densities: parzen_density.h.
 *
 * Memory: about 28 bytes per kernel and parameter and 60 per kernel, with half-full blocks up to twice as many. Out of memory leaves
 * everything as it was, except that a list of changes that cannot grow is replaced by "all of them".
 */
#include "numeric/parzen.h"

#include "base/mem.h"
#include "numeric/normal.h"
#include "numeric/parzen_density.h"
#include "numeric/parzen_order.h"

#define SQRT_2      1.41421356237309504880
#define HALF_LN_2PI 0.91893853320467274178
#define LN_2        0.69314718055994530942
#define NEWEST      25            /* the ramp ends before them */
#define MAX_CELLS   8192          /* of a table */
#define TABLE_FROM  200           /* kernels, before a table pays */
#define ON_LATTICE  1e-11         /* in steps */
#define NEARLY_ONE  (1 - 0x1p-53) /* r of a kernel that has the least width but lies off the lattice: no table */

struct change {
    uint32_t id;
    uint32_t axis;
};
struct parzen {
    struct axis *axes;
    size_t d;
    struct parzen_rules rules;
    double prior; /* its weight */
    struct blocks blocks;
    struct order *orders; /* by axis; unused for categories */
    int64_t *keys;        /* in ascending order */
    uint32_t *ids;        /* of `keys` */
    size_t n, cap_keys, cap_ids;
    double *at;             /* d: a point being put */
    struct change *changes; /* since the last settle */
    size_t n_changes, cap_changes;
    bool all; /* everything changed */
    double *
        floor; /* by axis: least width that holds, as a share of the least it can come to: floor / (unit / sqrt 2) */
    double *hit, *miss;                      /* by axis */
    double first, slope, cap, total, margin; /* of the weights */
};

/* ---- making ---- */

static void axis_init(struct axis *a, const struct parzen_dim *dim, const struct parzen_rules *rules)
{
    double half = dim->kind == PARZEN_LATTICE ? dim->step / 2 : 0, low = dim->low - half,
           high = dim->high + half;
    *a = (struct axis){.dim = *dim, .unit = 1, .spread = 3};
    if (dim->kind == PARZEN_CATEGORY) {
        return;
    }
    a->low = dim->log ? log(low) : low;
    a->high = dim->log ? log(high) : high;
    a->middle = 0.5 * a->low + 0.5 * a->high;
    double range = a->high - a->low;
    a->bounded = rules->floor != PARZEN_FLOOR_NONE;
    if (a->bounded) {
        a->unit = SQRT_2 * range * (rules->floor == PARZEN_FLOOR_MAGIC ? 0.01 : 0.03);
    } else {
        a->middle = 0; /* widths of 1e-12 and ranges of 1: keep every digit */
    }
    a->spread = a->bounded ? 1 : 33 / range;
    a->half = half / a->unit;
}

struct parzen *parzen_new(const struct parzen_dim *dims, size_t n_dims, const struct parzen_rules *rules)
{
    struct parzen *p = mem_zalloc(1, sizeof *p);
    if (!p) {
        return NULL;
    }
    p->rules = *rules;
    p->prior = rules->prior_weight;
    p->d = n_dims;
    p->axes = mem_zalloc(n_dims, sizeof *p->axes);
    p->orders = mem_zalloc(n_dims, sizeof *p->orders);
    p->at = mem_zalloc(n_dims, sizeof *p->at);
    p->floor = mem_zalloc(n_dims, sizeof *p->floor);
    p->hit = mem_zalloc(n_dims, sizeof *p->hit);
    p->miss = mem_zalloc(n_dims, sizeof *p->miss);
    if (!p->axes || !p->orders || !p->at || !p->floor || !p->hit || !p->miss) {
        parzen_free(p);
        return NULL;
    }
    for (size_t j = 0; j < n_dims; j++) {
        axis_init(&p->axes[j], &dims[j], rules);
        p->orders[j].axis = j;
        p->orders[j].prior =
            (0.5 * p->axes[j].low + 0.5 * p->axes[j].high - p->axes[j].middle) / p->axes[j].unit;
    }
    if (blocks_init(&p->blocks, p->axes, n_dims) != TL_OK) {
        parzen_free(p);
        return NULL;
    }
    for (size_t j = 0; j < n_dims && rules->width == PARZEN_NEIGHBOUR_PRIOR; j++) {
        if (dims[j].kind != PARZEN_CATEGORY) {
            if (order_reserve(&p->orders[j], &p->blocks, p->orders[j].prior, INT64_MAX) != TL_OK) {
                parzen_free(p);
                return NULL;
            }
            order_put(&p->orders[j], &p->blocks, PRIOR_ID);
        }
    }
    p->all = true;
    if (parzen_settle(p) != TL_OK) {
        parzen_free(p);
        return NULL;
    }
    return p;
}

void parzen_free(struct parzen *p)
{
    if (!p) {
        return;
    }
    for (size_t j = 0; j < p->d; j++) {
        if (p->orders) {
            order_release(&p->orders[j]);
        }
        if (p->axes) {
            mem_free(p->axes[j].cells);
        }
    }
    blocks_release(&p->blocks);
    mem_free(p->axes);
    mem_free(p->orders);
    mem_free(p->keys);
    mem_free(p->ids);
    mem_free(p->at);
    mem_free(p->changes);
    mem_free(p->floor);
    mem_free(p->hit);
    mem_free(p->miss);
    mem_free(p);
}

/* ---- changing ---- */

static size_t place(const struct parzen *p, int64_t key)
{
    if (p->n > 0 && p->keys[p->n - 1] < key) {
        return p->n;
    }
    size_t low = 0, high = p->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->keys[mid] < key) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool find(const struct parzen *p, int64_t key, size_t *at)
{
    *at = place(p, key);
    return *at < p->n && p->keys[*at] == key;
}

static void changed(struct parzen *p, uint32_t id, size_t axis)
{
    if (p->all || id == NOWHERE || id == PRIOR_ID) {
        return;
    }
    if (p->n_changes > 4 * p->d * (p->n + 8) ||
        !mem_grow((void **)&p->changes, &p->cap_changes, p->n_changes + 1, sizeof *p->changes)) {
        p->all = true;
        return;
    }
    p->changes[p->n_changes++] = (struct change){id, (uint32_t)axis};
}

/* The scaled coordinate; for categories the choice. */
static double scaled(const struct axis *a, double x)
{
    if (a->dim.kind == PARZEN_CATEGORY) {
        return x;
    }
    return ((a->dim.log ? log(x) : x) - a->middle) / a->unit;
}

static bool valid(const struct axis *a, double x)
{
    if (a->dim.kind == PARZEN_CATEGORY) {
        return x >= 0 && x < (double)a->dim.n_choices && x == floor(x);
    }
    return isfinite(x) && (!a->dim.log || x > 0) && isfinite(scaled(a, x));
}

/* Ranks of the kernels from `from` on: their places in the order of keys. */
static void number_from(struct parzen *p, size_t from)
{
    for (size_t i = from; i < p->n && p->rules.weights != PARZEN_GIVEN; i++) {
        block_of(&p->blocks, p->ids[i])->rank[lane_of(&p->blocks, p->ids[i])] = (double)i;
    }
}

int parzen_put(struct parzen *p, int64_t key, const double *x)
{
    size_t at;
    if (find(p, key, &at)) {
        return TL_EINVAL;
    }
    for (size_t j = 0; j < p->d; j++) {
        if (!valid(&p->axes[j], x[j])) {
            return TL_EINVAL;
        }
        p->at[j] = scaled(&p->axes[j], x[j]);
    }
    if (!mem_grow((void **)&p->keys, &p->cap_keys, p->n + 1, sizeof *p->keys) ||
        !mem_grow((void **)&p->ids, &p->cap_ids, p->n + 1, sizeof *p->ids)) {
        return TL_ENOMEM;
    }
    for (size_t j = 0; j < p->d; j++) {
        if (p->axes[j].dim.kind != PARZEN_CATEGORY &&
            order_reserve(&p->orders[j], &p->blocks, p->at[j], key) != TL_OK) {
            return TL_ENOMEM;
        }
    }
    uint32_t id = blocks_put(&p->blocks, key, p->at);
    if (id == NOWHERE) {
        return TL_ENOMEM;
    }
    for (size_t j = 0; j < p->d; j++) {
        struct order *o = &p->orders[j];
        if (p->axes[j].dim.kind == PARZEN_CATEGORY) {
            changed(p, id, j);
            continue;
        }
        order_put(o, &p->blocks, id);
        struct spot spot = order_find(o, &p->blocks, id);
        changed(p, id, j);
        changed(p, order_before(o, spot), j);
        changed(p, order_after(o, spot), j);
    }
    memmove(p->keys + at + 1, p->keys + at, (p->n - at) * sizeof *p->keys);
    memmove(p->ids + at + 1, p->ids + at, (p->n - at) * sizeof *p->ids);
    p->keys[at] = key;
    p->ids[at] = id;
    p->n++;
    number_from(p, at);
    if (p->rules.weights == PARZEN_GIVEN) {
        block_of(&p->blocks, id)->rank[lane_of(&p->blocks, id)] = 1;
    }
    return TL_OK;
}

bool parzen_drop(struct parzen *p, int64_t key)
{
    size_t at;
    if (!find(p, key, &at)) {
        return false;
    }
    uint32_t id = p->ids[at];
    for (size_t j = 0; j < p->d; j++) {
        if (p->axes[j].dim.kind != PARZEN_CATEGORY) {
            struct order *o = &p->orders[j];
            struct spot spot = order_find(o, &p->blocks, id);
            changed(p, order_before(o, spot), j);
            changed(p, order_after(o, spot), j);
            order_drop(o, spot);
        }
    }
    blocks_drop(&p->blocks, id);
    p->n--;
    memmove(p->keys + at, p->keys + at + 1, (p->n - at) * sizeof *p->keys);
    memmove(p->ids + at, p->ids + at + 1, (p->n - at) * sizeof *p->ids);
    number_from(p, at);
    return true;
}

size_t parzen_count(const struct parzen *p)
{
    return p->n;
}

void parzen_weigh(struct parzen *p, int64_t key, double w)
{
    size_t at;
    if (p->rules.weights == PARZEN_GIVEN && find(p, key, &at)) {
        block_of(&p->blocks, p->ids[at])->rank[lane_of(&p->blocks, p->ids[at])] = w;
    }
}

void parzen_prior_weight(struct parzen *p, double w)
{
    p->prior = w;
}

/* ---- settling ---- */

/* In scaled coordinates, as all widths here: sigma / unit. */
static double least_width(const struct parzen *p, size_t j)
{
    const struct axis *a = &p->axes[j];
    double n = (double)p->n + 2, range = (a->high - a->low) / a->unit;
    switch (p->rules.floor) {
    case PARZEN_FLOOR_MAGIC: return n < 100 ? range / n : 1 / SQRT_2;
    case PARZEN_FLOOR_NARROW: return 1 / (n * n) > 0.03 ? range / (n * n) : 1 / SQRT_2;
    default: return 1e-12;
    }
}

static double width_between(const struct parzen *p, size_t j, double x, const double *before,
                            const double *after)
{
    const struct axis *a = &p->axes[j];
    double low = (a->low - a->middle) / a->unit, high = (a->high - a->middle) / a->unit, least = p->floor[j];
    double left = x - (before ? *before : low), right = (after ? *after : high) - x;
    double w = left > right ? left : right;
    if (!p->rules.endpoints && (before || after)) {
        w = !before ? right : !after ? left : w;
    }
    if (p->rules.width == PARZEN_SCOTT) {
        w = 0.2 * pow(p->n > 0 ? (double)p->n : 1, -1.0 / ((double)p->d + 4)) * (high - low);
    }
    return w < least ? least : w > high - low ? high - low : w;
}

static bool on_lattice(const struct axis *a, double x)
{
    double k = (x - a->dim.low) / a->dim.step;
    return fabs(k - rint(k)) <= ON_LATTICE * (1 + fabs(k));
}

/* New r of a kernel on one axis from its neighbours; whether it changed. */
static bool widen(struct parzen *p, uint32_t id, size_t j, const double *before, const double *after)
{
    const struct axis *a = &p->axes[j];
    double x = *mu_of(&p->blocks, id, j), *r = r_of(&p->blocks, id, j), was = *r;
    *r = 1 / (SQRT_2 * width_between(p, j, x, before, after));
    if (a->bounded && *r > NEARLY_ONE) {
        bool off = a->dim.kind == PARZEN_LATTICE && !a->dim.log && !on_lattice(a, a->middle + x * a->unit);
        *r = off ? NEARLY_ONE : 1;
    }
    return *r != was;
}

/* What does not depend on where a density is asked for: c. */
static void constant(struct parzen *p, uint32_t id)
{
    double sum = 0;
    for (size_t j = 0; j < p->d; j++) {
        const struct axis *a = &p->axes[j];
        if (a->dim.kind == PARZEN_CATEGORY) {
            continue;
        }
        double mu = *mu_of(&p->blocks, id, j), per_sigma = SQRT_2 * *r_of(&p->blocks, id, j);
        double low = ((a->low - a->middle) / a->unit - mu) * per_sigma,
               high = ((a->high - a->middle) / a->unit - mu) * per_sigma;
        sum -= log_gauss_mass(low, high);
        if (a->dim.kind == PARZEN_FLOAT) {
            sum += log(per_sigma / a->unit) - HALF_LN_2PI;
        }
    }
    block_of(&p->blocks, id)->c[lane_of(&p->blocks, id)] = sum > LEAST_TERM ? sum : LEAST_TERM;
}

static void settle_all(struct parzen *p)
{
    const struct blocks *s = &p->blocks;
    for (size_t j = 0; j < p->d; j++) {
        struct order *o = &p->orders[j];
        for (size_t k = 0; k < o->n; k++) {
            for (size_t i = 0; i < o->at[k]->n; i++) {
                struct spot spot = {k, i};
                uint32_t id = o->at[k]->id[i], before = order_before(o, spot), after = order_after(o, spot);
                double left = before == NOWHERE ? 0 : order_place(o, s, before);
                double right = after == NOWHERE ? 0 : order_place(o, s, after);
                if (id != PRIOR_ID) {
                    widen(p, id, j, before == NOWHERE ? NULL : &left, after == NOWHERE ? NULL : &right);
                }
            }
        }
    }
    for (size_t i = 0; i < p->n; i++) {
        constant(p, p->ids[i]);
    }
    for (size_t k = 0; k < s->n; k++) {
        blocks_refresh(&p->blocks, s->at[k]);
    }
}

static void settle_changes(struct parzen *p)
{
    struct blocks *s = &p->blocks;
    for (size_t k = 0; k < p->n_changes; k++) {
        uint32_t id = p->changes[k].id;
        size_t j = p->changes[k].axis;
        if (s->place[id] == NOWHERE) {
            continue; /* dropped meanwhile */
        }
        struct block *b = block_of(s, id);
        bool fresh = b->c[lane_of(s, id)] == LEAST_TERM, different = false;
        if (p->axes[j].dim.kind != PARZEN_CATEGORY) {
            const struct order *o = &p->orders[j];
            struct spot spot = order_find(o, s, id);
            uint32_t before = order_before(o, spot), after = order_after(o, spot);
            double left = before == NOWHERE ? 0 : order_place(o, s, before);
            double right = after == NOWHERE ? 0 : order_place(o, s, after);
            different = widen(p, id, j, before == NOWHERE ? NULL : &left, after == NOWHERE ? NULL : &right);
        }
        if (fresh || different) {
            constant(p, id);
            blocks_refresh(s, b);
        }
    }
}

/* ln of the masses of the cells around a kernel of the least width. A table that does not fit into memory is not needed. */
static void make_table(struct axis *a)
{
    double cells = rint((a->dim.high - a->dim.low) / a->dim.step) + 1;
    if (a->dim.log || cells > MAX_CELLS) {
        return;
    }
    a->n_cells = (size_t)cells;
    a->cells = mem_alloc(a->n_cells * sizeof *a->cells);
    for (size_t k = 0; a->cells && k < a->n_cells; k++) {
        a->cells[k] = log_gauss_cell(2 * (double)k * a->half * SQRT_2, a->half * SQRT_2);
    }
}

static void settle_weights(struct parzen *p)
{
    double n = (double)p->n, sum = n, largest = 1;
    p->first = 1;
    p->slope = 0;
    p->cap = 1;
    if (p->rules.weights == PARZEN_GIVEN) {
        sum = 0;
        for (size_t i = 0; i < p->n; i++) {
            double w = block_of(&p->blocks, p->ids[i])->rank[lane_of(&p->blocks, p->ids[i])];
            sum += w;
            largest = w > largest ? w : largest;
        }
        p->first = 0;
        p->slope = 1;
        p->cap = INFINITY;
    } else if (p->rules.weights == PARZEN_RAMP && p->n > NEWEST) {
        double ramp = n - NEWEST;
        p->first = 1 / n;
        p->slope = ramp > 1 ? (1 - 1 / n) / (ramp - 1) : 1;
        sum = NEWEST + (ramp > 1 ? ramp * (1 / n + 1) / 2 : 1 / n);
    }
    p->total = sum + p->prior;
    /* All that is dropped together, N kernels of the largest weight, stays below 1e-14 of the sum. */
    p->margin = 33 + log(n + 1) + log(largest);
    for (size_t j = 0; j < p->d; j++) {
        double base = p->rules.prior_weight / (n + 1), rows = 1 + (double)p->axes[j].dim.n_choices * base;
        p->hit[j] = log((1 + base) / rows);
        p->miss[j] = base > 0 ? log(base / rows) : LEAST_TERM;
    }
}

int parzen_settle(struct parzen *p)
{
    for (size_t j = 0; j < p->d; j++) {
        double least = least_width(p, j);
        p->all = p->all || least != p->floor[j];
        p->floor[j] = least;
    }
    if (p->all || (p->rules.width == PARZEN_SCOTT && p->n_changes > 0)) {
        settle_all(p);
    } else {
        settle_changes(p);
    }
    p->all = false;
    p->n_changes = 0;
    for (size_t j = 0; j < p->d && p->n >= TABLE_FROM; j++) {
        struct axis *a = &p->axes[j];
        if (a->dim.kind == PARZEN_LATTICE && a->bounded && a->n_cells == 0) {
            make_table(a);
            if (a->cells) {
                break; /* one at a time: no long pause */
            }
        }
    }
    settle_weights(p);
    return TL_OK;
}

/* ---- drawing ---- */

/* Sum of the first k weights in order of keys. */
static double weight_below(const struct parzen *p, double k)
{
    double ramp = (double)p->n - NEWEST;
    if (p->slope == 0 || ramp <= 0) {
        return k * p->first;
    }
    double m = k < ramp ? k : ramp;
    double below = m * p->first + (ramp > 1 ? p->slope * m * (m - 1) / 2 : 0);
    return below + (k > ramp ? k - ramp : 0);
}

/* The kernel at a share u of the weight; p->n is the prior. */
static size_t drawn(const struct parzen *p, double u)
{
    double wanted = u * p->total;
    if (p->rules.weights == PARZEN_GIVEN) {
        for (size_t i = 0; i < p->n; i++) {
            double w = block_of(&p->blocks, p->ids[i])->rank[lane_of(&p->blocks, p->ids[i])];
            if (wanted < w) {
                return i;
            }
            wanted -= w;
        }
        return p->n;
    }
    size_t low = 0, high = p->n + 1; /* the last whose weight_below is <= wanted */
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (weight_below(p, (double)mid) <= wanted) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

static double draw_choice(const struct parzen *p, size_t j, bool prior, double mu, double u)
{
    double n = (double)p->axes[j].dim.n_choices, c;
    double hit = prior ? 1 / n : exp(p->hit[j]), miss = prior ? hit : exp(p->miss[j]), below = mu * miss;
    if (u < below) {
        c = floor(u / miss);
        c = c < mu ? c : mu - 1;
    } else if (u < below + hit || !(miss > 0)) {
        c = mu;
    } else {
        c = mu + 1 + floor((u - below - hit) / miss);
    }
    return c < n ? c : n - 1;
}

static double draw_number(const struct axis *a, double mu, double sigma, double u)
{
    double x = mu + sigma * truncnorm_quantile(u, (a->low - mu) / sigma, (a->high - mu) / sigma);
    x = a->dim.log ? exp(x) : x;
    if (a->dim.kind == PARZEN_LATTICE) {
        x = a->dim.low + rint((x - a->dim.low) / a->dim.step) * a->dim.step;
    }
    return !(x > a->dim.low) ? a->dim.low : x < a->dim.high ? x : a->dim.high;
}

void parzen_sample(const struct parzen *p, const double *u, double *x)
{
    size_t i = drawn(p, u[0]);
    bool prior = i >= p->n;
    for (size_t j = 0; j < p->d; j++) {
        const struct axis *a = &p->axes[j];
        double mu = prior ? 0 : *mu_of(&p->blocks, p->ids[i], j);
        if (a->dim.kind == PARZEN_CATEGORY) {
            x[j] = draw_choice(p, j, prior, mu, u[1 + j]);
        } else if (prior) {
            x[j] = draw_number(a, 0.5 * a->low + 0.5 * a->high, a->high - a->low, u[1 + j]);
        } else {
            double r = *r_of(&p->blocks, p->ids[i], j);
            x[j] = draw_number(a, a->middle + mu * a->unit, a->unit / (SQRT_2 * r), u[1 + j]);
        }
    }
}

/* ---- densities ---- */

static size_t padded(size_t m)
{
    m = m < POINTS ? m : POINTS;
    return (m + 7) / 8 * 8;
}

size_t parzen_scratch(const struct parzen *p, size_t m)
{
    size_t rows = 2 * p->d + 4 + p->blocks.n;
    return rows * padded(m) * sizeof(double) + p->d * sizeof(double *);
}

/* Centre and half width of the cell around x. */
static void cell_around(const struct axis *a, double x, double *centre, double *half)
{
    double h = a->dim.step / 2;
    *centre = a->dim.log ? 0.5 * log((x - h) * (x + h)) : x;
    *half = a->dim.log ? 0.5 * log1p(a->dim.step / (x - h)) : h;
}

static bool inside(const struct axis *a, double x)
{
    if (a->dim.kind == PARZEN_CATEGORY) {
        return valid(a, x);
    }
    double t = a->dim.log ? log(x) : x;
    return t >= a->low && t <= a->high && (a->dim.kind == PARZEN_FLOAT || !a->dim.log || x > a->dim.step / 2);
}

/* ln of the prior kernel on one axis; mass of the standard normal on [-1/2, 1/2] below it. */
static double prior_factor(const struct axis *a, double x)
{
    const double whole = -0.95991633369562231933; /* ln (Phi(1/2) - Phi(-1/2)) */
    double range = a->high - a->low, middle = 0.5 * a->low + 0.5 * a->high, centre, half;
    if (a->dim.kind == PARZEN_CATEGORY) {
        return -log((double)a->dim.n_choices);
    }
    if (a->dim.kind == PARZEN_FLOAT) {
        double z = ((a->dim.log ? log(x) : x) - middle) / range;
        return -0.5 * z * z - log(range) - HALF_LN_2PI - whole;
    }
    cell_around(a, x, &centre, &half);
    return log_gauss_cell((centre - middle) / range, half / range) - whole;
}

/* Fills in one point's column; false: outside. */
static bool point(const struct parzen *p, const double *x, struct pass *pass, size_t c, double *xs,
                  double *halves, const double **cells, double *base)
{
    double prior = 0;
    for (size_t j = 0; j < p->d; j++) {
        const struct axis *a = &p->axes[j];
        if (!inside(a, x[j])) {
            return false;
        }
        double centre = x[j], half = 0;
        prior += prior_factor(a, x[j]);
        if (a->dim.kind == PARZEN_LATTICE) {
            cell_around(a, x[j], &centre, &half);
            centre = (centre - a->middle) / a->unit;
            half /= a->unit;
            if (a->bounded && half < 0.5) { /* a cell holds at most its width times the highest density */
                *base += log(half * SQRT_2 * 0.79788456080286535588);
            }
            cells[j] = on_lattice(a, x[j]) ? cells[j] : NULL;
        } else {
            centre = scaled(a, x[j]);
        }
        xs[j * pass->stride + c] = centre;
        halves[j * pass->stride + c] = half;
    }
    pass->most[c] = p->prior > 0 ? prior : LEAST_TERM;
    pass->sum[c] = p->prior > 0 ? p->prior : 0;
    return true;
}

/* Up to POINTS points. */
static void log_density(const struct parzen *p, const double *x, size_t m, double *out, void *scratch)
{
    size_t stride = padded(m), rows = p->d * stride;
    double *xs = scratch, *halves = xs + rows, *base = halves + rows, *most = base + stride,
           *sum = most + stride, *enough = sum + stride, *bound = enough + stride;
    const double **cells = (const double **)(bound + p->blocks.n * stride);
    memset(xs, 0, 2 * rows * sizeof *xs);
    struct pass pass = {
        .axes = p->axes,
        .blocks = &p->blocks,
        .n_dims = p->d,
        .m = m,
        .stride = stride,
        .x = xs,
        .half = halves,
        .base = base,
        .most = most,
        .sum = sum,
        .enough = enough,
        .bound = bound,
        .cells = cells,
        .hit = p->hit,
        .miss = p->miss,
        .first = p->first,
        .slope = p->slope,
        .cap = p->cap,
        .margin = p->margin,
    };
    for (size_t j = 0; j < p->d; j++) {
        cells[j] = p->axes[j].cells;
    }
    for (size_t c = 0; c < stride; c++) {
        base[c] = 0;
        if (c >= m || !point(p, x + c * p->d, &pass, c, xs, halves, cells, &base[c])) {
            base[c] = sum[c] = 0;
            most[c] = enough[c] = INFINITY; /* no block comes near */
        } else {
            enough[c] = sum[c] > 0 ? most[c] + log(sum[c]) - p->margin : -INFINITY;
        }
    }
    pass_blocks(&pass);
    for (size_t c = 0; c < m; c++) {
        bool none = most[c] == INFINITY || most[c] < 0.9 * LEAST_TERM || !(sum[c] > 0);
        out[c] = none ? -INFINITY : most[c] + log(sum[c] / p->total);
    }
}

void parzen_log_density(const struct parzen *p, const double *x, size_t m, double *out, void *scratch)
{
    for (size_t done = 0; done < m; done += POINTS) {
        size_t some = m - done < POINTS ? m - done : POINTS;
        log_density(p, x + done * p->d, some, out + done, scratch);
    }
}
