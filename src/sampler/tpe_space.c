/* SPDX-License-Identifier: MIT
 *
 * The two mixtures of one space of parameters: kernels of good trials and of all others, the running ones among these.
 *
 * A space is brought up to a view when somebody asks for it, by what changed since the last time: kernels of running trials that have
 * ended go, trials that crossed the border of the good set (history.moves) change sides, new rows with all parameters of the space
 * are put in on the side where they are now, and running trials that are new or know more parameters than before.
 * Presence words of the columns say which rows have all parameters, 64 at a time; so rows of other branches of a conditional space
 * cost almost nothing.
 *
 * A value that no kernel can stand on (NaN, infinite, not above 0 on a log scale, no choice) leaves its trial out. So does, in
 * the preset tpe2, one outside the range: the range was another one then.
 */
#include "base/err.h"
#include "model/dist.h"
#include "sampler/tpe.h"

#include <math.h>

/* ---- making ---- */

static struct parzen_dim parzen_dim_of(const struct tl_dist *d)
{
    if (d->kind == TL_DIST_CATEGORICAL) {
        return (struct parzen_dim){.kind = PARZEN_CATEGORY, .n_choices = d->n_choices};
    }
    bool lattice = d->kind == TL_DIST_INT || d->step > 0;
    return (struct parzen_dim){.kind = lattice ? PARZEN_LATTICE : PARZEN_FLOAT,
                               .low = d->low,
                               .high = d->high,
                               .step = !lattice      ? 0
                                       : d->step > 0 ? d->step
                                                     : 1,
                               .log = d->log};
}

bool tpe_can_model(const struct tl_dist *d)
{
    if (d->kind == TL_DIST_CATEGORICAL) {
        return d->n_choices > 1;
    }
    double half = d->step > 0 ? d->step / 2 : d->kind == TL_DIST_INT ? 0.5 : 0;
    double low = d->low - half, high = d->high + half, width = d->log ? log(high) - log(low) : high - low;
    return !tl_dist_single(d) && isfinite(width) && width > 1e-300;
}

bool tpe_copy_dist(const struct tl_dist *from, struct tl_dist *to, struct arena *a)
{
    *to = *from;
    if (from->kind != TL_DIST_CATEGORICAL) {
        return true;
    }
    struct tl_value *choices = arena_alloc(a, from->n_choices * sizeof *choices);
    for (size_t i = 0; choices && i < from->n_choices; i++) {
        choices[i] = from->choices[i];
        if (choices[i].kind == TL_VALUE_STRING || choices[i].kind == TL_VALUE_JSON) {
            choices[i].as.text.s = arena_dup(a, from->choices[i].as.text.s, from->choices[i].as.text.len);
            if (!choices[i].as.text.s) {
                return false;
            }
        }
    }
    to->choices = choices;
    return choices != NULL;
}

static struct parzen_rules rules_for(const struct model *m, size_t n, bool narrow, bool good)
{
    const struct tpe_rules *r = m->rules;
    bool old = r->preset == TPE_OPTUNA4, several = m->history.n_objectives > 1;
    struct parzen_rules p = {
        .floor = !r->consider_magic_clip ? PARZEN_FLOOR_NONE
                 : narrow                ? PARZEN_FLOOR_NARROW
                                         : PARZEN_FLOOR_MAGIC,
        .width = !old    ? PARZEN_NEIGHBOUR
                 : n > 1 ? PARZEN_SCOTT
                         : PARZEN_NEIGHBOUR_PRIOR,
        .weights = PARZEN_RAMP,
        .endpoints = r->consider_endpoints,
        .prior_weight = r->prior_weight,
    };
    if (old && (several ? r->multivariate_mo : r->multivariate)) {
        p.width = PARZEN_SCOTT; /* one parameter, or one outside the joint space, too */
    }
    if (r->functions.weights && !(good && several)) {
        p.weights = PARZEN_GIVEN;
    } else if (good && several) {
        p.weights = r->mo_weights ? PARZEN_GIVEN : PARZEN_FLAT;
    } else if (good && r->preset == TPE_2) {
        p.weights = PARZEN_GIVEN;
    }
    return p;
}

static bool make_mixtures(struct tpe_space *s, const struct model *m)
{
    struct parzen_rules good = rules_for(m, s->n, s->narrow, true), rest = rules_for(m, s->n, s->narrow, false);
    struct parzen_dim *dims = arena_alloc(&s->memory, s->n * sizeof *dims);
    for (size_t i = 0; dims && i < s->n; i++) {
        dims[i] = parzen_dim_of(&s->dims[i].dist);
    }
    if (dims) {
        s->good = parzen_new(dims, s->n, &good);
        s->rest = parzen_new(dims, s->n, &rest);
    }
    s->weighed = good.weights == PARZEN_GIVEN && (m->history.n_objectives > 1 || !m->rules->functions.weights);
    return s->good && s->rest;
}

struct tpe_space *tpe_space_new(const struct model *m, const uint32_t *names,
                                const struct tl_dist *const *dists, size_t n, bool narrow, struct tl_err *err)
{
    struct tpe_space *s = mem_zalloc(1, sizeof *s);
    bool ok = s && n < SIZE_MAX / sizeof *s->dims;
    if (ok) {
        s->n = n;
        s->narrow = narrow;
        s->dims = arena_alloc(&s->memory, n * sizeof *s->dims);
        s->columns = arena_alloc(&s->memory, n * sizeof *s->columns);
        s->x = arena_alloc(&s->memory, n * sizeof *s->x);
        ok = s->dims && s->columns && s->x;
    }
    for (size_t i = 0; ok && i < n; i++) {
        s->dims[i] = (struct dim){.name = names[i], .column = -1, .n_values = tl_dist_cardinality(dists[i])};
        ok = tpe_copy_dist(dists[i], &s->dims[i].dist, &s->memory);
    }
    if (ok && m->rules->preset == TPE_2) {
        s->cardinality = tpe_cardinality(dists, n);
    }
    s = ok && make_mixtures(s, m) ? s : (tpe_space_free(s), NULL);
    if (!s) {
        err_nomem(err);
    }
    return s;
}

void tpe_space_free(struct tpe_space *s)
{
    if (s) {
        parzen_free(s->good);
        parzen_free(s->rest);
        mem_free(s->good_rows);
        mem_free(s->given[0].items);
        mem_free(s->given[1].items);
        mem_free(s->kernels);
        map64_release(&s->seen);
        arena_release(&s->memory);
        mem_free(s);
    }
}

static bool same_dist(const struct tl_dist *a, const struct tl_dist *b)
{
    if (a->kind != b->kind || a->n_choices != b->n_choices) {
        return false;
    }
    if (a->kind != TL_DIST_CATEGORICAL) {
        return a->low == b->low && a->high == b->high && a->step == b->step && a->log == b->log;
    }
    for (size_t i = 0; i < a->n_choices; i++) {
        if (dist_value_equal(&a->choices[i], &b->choices[i]) != 1) {
            return false;
        }
    }
    return true;
}

bool tpe_space_same(const struct tpe_space *s, const uint32_t *names, const struct tl_dist *const *dists,
                    size_t n, bool narrow)
{
    if (s->n != n || s->narrow != narrow) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->dims[i].name != names[i] || !same_dist(&s->dims[i].dist, dists[i])) {
            return false;
        }
    }
    return true;
}

/* ---- kernels ---- */

/* May a kernel stand here? */
static bool usable(const struct model *m, const struct tl_dist *d, double x)
{
    if (d->kind == TL_DIST_CATEGORICAL) {
        return x >= 0 && x < (double)d->n_choices && x == floor(x);
    }
    if (!isfinite(x) || (d->log && x <= 0)) {
        return false;
    }
    return m->rules->preset != TPE_2 || (x >= d->low && x <= d->high);
}

static bool usable_point(const struct tpe_space *s, const struct model *m)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!usable(m, &s->dims[i].dist, s->x[i])) {
            return false;
        }
    }
    return true;
}

static int put_row(struct tpe_space *s, const struct tpe_point *p, size_t row)
{
    if (!p->good) {
        return parzen_put(s->rest, p->number, s->x);
    }
    if (s->weighed) {
        if (!mem_grow((void **)&s->good_rows, &s->cap_good, s->n_good + 1, sizeof *s->good_rows)) {
            return TL_ENOMEM;
        }
        s->good_rows[s->n_good++] = (uint32_t)row;
    }
    return parzen_put(s->good, p->number, s->x);
}

/* Rows of one block of 64 that have all parameters; points s->columns at their values. */
static uint64_t block_rows(struct tpe_space *s, const tl_view *view, size_t block)
{
    uint64_t all = UINT64_MAX;
    for (size_t i = 0; all && i < s->n; i++) {
        all &= tl_view_block(view, s->dims[i].column, block, &s->columns[i]);
    }
    return all;
}

static void take_row(struct tpe_space *s, unsigned at)
{
    for (size_t i = 0; i < s->n; i++) {
        s->x[i] = s->columns[i][at];
    }
}

static int put_rows(struct tpe_space *s, const struct model *m, const tl_view *view, size_t end)
{
    for (size_t block = s->rows / 64; block * 64 < end; block++) {
        uint64_t rows = block_rows(s, view, block);
        if (block * 64 < s->rows) {
            rows &= ~UINT64_C(0) << (s->rows - block * 64);
        }
        if (end - block * 64 < 64) {
            rows &= (UINT64_C(1) << (end - block * 64)) - 1;
        }
        for (; rows; rows &= rows - 1) {
            unsigned at = (unsigned)__builtin_ctzll(rows);
            const struct tpe_point *p = history_point(&m->history, block * 64 + at);
            if (p->class_ == CLASS_NONE) {
                continue;
            }
            take_row(s, at);
            if (!usable_point(s, m)) {
                continue;
            }
            if (s->cardinality && !map64_set(&s->seen, tpe_point_hash(s, s->x), 1)) {
                return TL_ENOMEM;
            }
            int rc = put_row(s, p, block * 64 + at);
            if (rc == TL_OK && !tpe_note_given(s, m, p->good, p->number)) {
                rc = TL_ENOMEM;
            }
            if (rc != TL_OK) {
                return rc;
            }
        }
    }
    s->rows = end;
    return TL_OK;
}

/* A trial that changes sides. `good`: where it goes. */
static int move_row(struct tpe_space *s, const struct model *m, const tl_view *view, size_t row, bool good)
{
    const struct tpe_point *p = history_point(&m->history, row);
    if (!parzen_drop(good ? s->rest : s->good, p->number)) {
        return TL_OK; /* not of this space */
    }
    for (size_t i = 0; !good && s->weighed && i < s->n_good; i++) {
        if (s->good_rows[i] == row) {
            s->good_rows[i] = s->good_rows[--s->n_good];
            break;
        }
    }
    (void)block_rows(s, view, row / 64);
    take_row(s, (unsigned)(row % 64));
    struct tpe_point there = *p;
    there.good = good;
    return put_row(s, &there, row);
}

static void weigh(struct tpe_space *s, const struct model *m)
{
    bool several = m->history.n_objectives > 1;
    double sum = 0, most = 1e-300;
    for (size_t i = 0; i < s->n_good; i++) {
        double w = history_weight(&m->history, history_point(&m->history, s->good_rows[i]));
        most = w > most ? w : most;
    }
    double scale = several ? 1 : most; /* improvements may be so large that their sum overflows */
    for (size_t i = 0; i < s->n_good; i++) {
        const struct tpe_point *p = history_point(&m->history, s->good_rows[i]);
        double w = history_weight(&m->history, p) / scale;
        parzen_weigh(s->good, p->number, w);
        sum += w;
    }
    double mean = s->n_good == 0 || several ? 1 : sum / (double)s->n_good;
    parzen_prior_weight(s->good, m->rules->prior_weight * mean);
}

/* ---- running trials ---- */

static bool live_point(struct tpe_space *s, const struct model *m, const struct live *l)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct live_value *v = live_find(l, s->dims[i].name);
        if (!v) {
            return false;
        }
        s->x[i] = v->internal;
        if (v->external && tl_dist_internal(&s->dims[i].dist, &v->value, &s->x[i], NULL) != TL_OK) {
            return false;
        }
    }
    return usable_point(s, m);
}

/* Kernels of trials that no longer run, or that are about to be put in anew, go. */
static void drop_ended(struct tpe_space *s, const struct model *m)
{
    size_t kept = 0, k = 0;
    for (size_t i = 0; i < s->n_kernels; i++) {
        while (k < m->live.n && m->live.items[k]->number < s->kernels[i].number) {
            k++;
        }
        bool same = k < m->live.n && m->live.items[k]->number == s->kernels[i].number &&
                    m->live.items[k]->version == s->kernels[i].version;
        if (same) {
            s->kernels[kept++] = s->kernels[i];
        } else if (s->kernels[i].put) {
            (void)parzen_drop(s->rest, s->kernels[i].number);
        }
    }
    s->n_kernels = kept;
}

/* Every running trial gets its entry, those that have all parameters their kernel. */
static int put_live(struct tpe_space *s, const struct model *m)
{
    size_t old = s->n_kernels;
    if (!mem_grow((void **)&s->kernels, &s->cap_kernels, m->live.n + 1, sizeof *s->kernels)) {
        return TL_ENOMEM;
    }
    /* from the end, so that entries make room for themselves: what is left of the old ones is a part of the new list */
    s->n_kernels = m->live.n;
    for (size_t k = m->live.n; k > 0; k--) {
        const struct live *l = m->live.items[k - 1];
        if (old > 0 && s->kernels[old - 1].number == l->number) {
            s->kernels[k - 1] = s->kernels[--old];
            continue;
        }
        bool whole = live_point(s, m, l), put = whole && m->rules->constant_liar && l->number != m->left_out;
        int rc = put ? parzen_put(s->rest, l->number, s->x) : TL_OK;
        if (rc == TL_OK && put && !tpe_note_given(s, m, false, l->number)) {
            rc = TL_ENOMEM;
        }
        if (rc != TL_OK) {
            return rc;
        }
        uint64_t hash = whole && s->cardinality ? tpe_point_hash(s, s->x) : 0;
        s->kernels[k - 1] = (struct kernel){l->number, l->version, whole, put, hash};
    }
    return TL_OK;
}

static struct kernel *find_kernel(const struct tpe_space *s, int64_t number)
{
    size_t low = 0, high = s->n_kernels;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->kernels[mid].number < number) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < s->n_kernels && s->kernels[low].number == number ? &s->kernels[low] : NULL;
}

bool tpe_space_has_kernel(const struct tpe_space *s, int64_t number)
{
    const struct kernel *k = find_kernel(s, number);
    return k && k->put;
}

int tpe_space_leave_out(struct tpe_space *s, int64_t number)
{
    struct kernel *k = find_kernel(s, number);
    if (k && k->put && parzen_drop(s->rest, number)) {
        k->put = false;
    }
    return parzen_settle(s->rest);
}

void tpe_space_put_back(struct tpe_space *s, const struct model *m, int64_t number)
{
    struct kernel *k = find_kernel(s, number);
    size_t i = 0;
    while (i < m->live.n && m->live.items[i]->number != number) {
        i++;
    }
    if (k && i < m->live.n && live_point(s, m, m->live.items[i]) &&
        parzen_put(s->rest, number, s->x) == TL_OK) {
        k->put = true;
    } else if (k) {
        k->version = 0; /* out of memory: the next update tries again */
    }
    if (parzen_settle(s->rest) != TL_OK) {
        s->spoilt = true;
    }
}

/* ---- keeping up ---- */

int tpe_space_update(struct tpe_space *s, const struct model *m, const tl_view *view, struct tl_err *err)
{
    const struct history *h = &m->history;
    size_t seen = tl_view_n_rows(view), end = seen < history_rows(h) ? seen : history_rows(h);
    int rc = TL_OK;
    for (size_t i = 0; i < s->n; i++) {
        if (s->dims[i].column < 0) {
            s->dims[i].column = m->columns[s->dims[i].name];
        }
    }
    drop_ended(s, m);
    for (; rc == TL_OK && s->moves < h->n_moves; s->moves++) {
        size_t row = (size_t)(h->moves[s->moves] / 2);
        if (row < s->rows) {
            rc = move_row(s, m, view, row, h->moves[s->moves] % 2 == 1);
        }
    }
    if (rc == TL_OK && s->rows < end) {
        rc = put_rows(s, m, view, end);
    }
    if (rc == TL_OK) {
        rc = put_live(s, m);
    }
    if (rc == TL_OK && s->weighed) {
        weigh(s, m);
    }
    if (rc == TL_OK && m->rules->functions.weights && (rc = tpe_weigh_given(s, m, err)) != TL_OK && rc != TL_ENOMEM) {
        return rc;
    }
    if (rc == TL_OK) {
        rc = parzen_settle(s->good);
    }
    if (rc == TL_OK) {
        rc = parzen_settle(s->rest);
    }
    uint64_t seq = tl_view_seq(view);
    s->seq = seen >= history_rows(h) && seq < m->seq ? m->seq : seq;
    return rc == TL_OK ? TL_OK : err_nomem(err);
}
