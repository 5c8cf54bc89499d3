/* SPDX-License-Identifier: MIT
 *
 * What the TPE sampler knows of one study handle, for any number of threads.
 *
 * Happy path: a thread that asks takes the read lock and finds the space at least as new as its view. Otherwise it takes the write
 * lock, takes in what is new (history, running trials, the space), and goes back to the read lock, under which candidates are
 * scored: that is where the time goes, and threads do it side by side. A mixture only changes under the write lock and is
 * settled before it ends, so whoever holds the read lock may use it.
 *
 * A thread whose view is older than the model uses the model as it is: newer is better.
 *
 * Bounds: a parameter starts at most SPACES_MAX spaces; the one that was not used for longest makes room. When the journal turns
 * out to be another one (epoch), or memory runs out half-way, everything is forgotten and made anew.
 */
#include "base/err.h"
#include "sampler/tpe.h"

#define SPACES_MAX 4
#define ROUNDS_MAX 3 /* of making a space that others take away again, before it is used under the write lock */
#define MOVES_MAX  100000 /* moves that are kept for spaces that nobody asked for since */

static void forget(struct model *m)
{
    for (size_t i = 0; i < m->cap_spaces; i++) {
        struct tpe_space *s = m->spaces[i];
        while (s) {
            struct tpe_space *next = s->next;
            tpe_space_free(s);
            s = next;
        }
    }
    mem_free(m->spaces);
    mem_free(m->columns);
    intern_release(&m->names);
    history_release(&m->history);
    live_release(&m->live);
    groups_free(m->groups);
    m->groups = NULL;
    m->spaces = NULL;
    m->columns = NULL;
    m->names = (struct intern)INTERN_INIT;
    m->cap_spaces = m->cap_columns = m->n_columns = m->n_spaces = 0;
    m->seq = 0;
    m->started = false;
}

struct model *model_new(uint64_t handle, const struct tpe_rules *rules)
{
    struct model *m = mem_zalloc(1, sizeof *m);
    if (m && pthread_rwlock_init(&m->lock, NULL) != 0) {
        mem_free(m);
        m = NULL;
    }
    if (m) {
        m->refs = 1;
        m->handle = handle;
        m->left_out = -1;
        m->rules = rules;
        m->names = (struct intern)INTERN_INIT;
    }
    return m;
}

struct model *model_ref(struct model *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void model_unref(struct model *m)
{
    if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        forget(m);
        pthread_rwlock_destroy(&m->lock);
        mem_free(m);
    }
}

/* ---- keeping up ---- */

/* Number of a name, with room for it in the tables. */
static int name_add(struct model *m, struct str name, uint32_t *number)
{
    size_t old_columns = m->cap_columns, old_spaces = m->cap_spaces;
    *number = intern_add(&m->names, name);
    size_t want = m->names.strings.len;
    if (*number == INTERN_NONE || !mem_grow((void **)&m->columns, &m->cap_columns, want, sizeof *m->columns) ||
        !mem_grow((void **)&m->spaces, &m->cap_spaces, want, sizeof(struct tpe_space *))) {
        return TL_ENOMEM;
    }
    for (size_t i = old_columns; i < m->cap_columns; i++) {
        m->columns[i] = -1;
    }
    for (size_t i = old_spaces; i < m->cap_spaces; i++) {
        m->spaces[i] = NULL;
    }
    return TL_OK;
}

static int take_columns(struct model *m, const tl_view *view)
{
    size_t n = tl_view_n_columns(view);
    for (; m->n_columns < n; m->n_columns++) {
        uint32_t name;
        int rc = name_add(m, str_of(tl_view_column_name(view, (int64_t)m->n_columns)), &name);
        if (rc != TL_OK) {
            return rc;
        }
        m->columns[name] = (int64_t)m->n_columns;
    }
    return TL_OK;
}

/* Names of running trials' parameters were put into `names` without room in the tables. */
static int take_names(struct model *m)
{
    uint32_t name;
    size_t n = m->names.strings.len;
    return n ? name_add(m, intern_str(&m->names, (uint32_t)(n - 1)), &name) : TL_OK;
}

/* Forgets the older half of many moves; spaces that have not taken it in are made anew. */
static void trim_moves(struct model *m)
{
    struct history *h = &m->history;
    if (m->n_spaces > 0 && h->n_moves < MOVES_MAX) {
        return;
    }
    size_t gone = m->n_spaces > 0 ? h->n_moves - MOVES_MAX / 2 : h->n_moves;
    for (size_t i = 0; m->n_spaces > 0 && i < m->cap_spaces; i++) {
        for (struct tpe_space *s = m->spaces[i]; s; s = s->next) {
            s->spoilt = s->spoilt || s->moves < gone;
            s->moves = s->moves > gone ? s->moves - gone : 0;
        }
    }
    h->n_moves -= gone;
    if (h->n_moves > 0) {
        memmove(h->moves, h->moves + gone, h->n_moves * sizeof *h->moves);
    }
}

static int update(struct model *m, const tl_view *view, struct tl_err *err)
{
    int rc = TL_OK;
    if (m->started && m->epoch != tl_view_epoch(view)) {
        forget(m);
    }
    if (!m->started) {
        rc = history_init(&m->history, m->rules, view);
        m->epoch = tl_view_epoch(view);
        m->started = true;
    } else if (tl_view_seq(view) <= m->seq) {
        return TL_OK;
    }
    if (rc == TL_OK) {
        rc = take_columns(m, view);
    }
    if (rc == TL_OK) {
        rc = history_fold(&m->history, view, err);
    }
    if (rc == TL_OK && (m->rules->constant_liar || m->rules->preset == TPE_2)) {
        rc = live_update(&m->live, &m->names, view, err);
        rc = rc == TL_OK ? take_names(m) : rc;
    }
    trim_moves(m);
    m->seq = tl_view_seq(view);
    if (rc != TL_OK) {
        forget(m);
    }
    return rc == TL_ENOMEM ? err_nomem(err) : rc;
}

/* ---- finding a space ---- */

/* The caller's space in the model's numbers. */
struct wish {
    uint32_t *names;
    const struct tl_dist **dists;
    size_t n;
    bool narrow;
    struct arena memory;
};

static struct tpe_space *find(struct model *m, const struct wish *w)
{
    struct tpe_space *s = w->names[0] < m->cap_spaces ? m->spaces[w->names[0]] : NULL;
    while (s && (s->spoilt || !tpe_space_same(s, w->names, w->dists, w->n, w->narrow))) {
        s = s->next;
    }
    if (s) {
        atomic_store_explicit(&s->used, atomic_fetch_add_explicit(&m->clock, 1, memory_order_relaxed),
                              memory_order_relaxed);
    }
    return s;
}

static void unlink_space(struct model *m, struct tpe_space *gone)
{
    struct tpe_space **at = &m->spaces[gone->dims[0].name];
    while (*at != gone) {
        at = &(*at)->next;
    }
    *at = gone->next;
    m->n_spaces--;
    tpe_space_free(gone);
}

/* Takes away what is spoilt and, when there are many, the one that was not used for longest. */
static void make_room(struct model *m, uint32_t name)
{
    struct tpe_space *oldest = NULL, *next;
    size_t n = 0;
    for (struct tpe_space *s = m->spaces[name]; s; s = next) {
        next = s->next;
        if (s->spoilt) {
            unlink_space(m, s);
            continue;
        }
        n++;
        if (!oldest || atomic_load_explicit(&s->used, memory_order_relaxed) <
                           atomic_load_explicit(&oldest->used, memory_order_relaxed)) {
            oldest = s;
        }
    }
    if (n >= SPACES_MAX) {
        unlink_space(m, oldest);
    }
}

static struct tpe_space *make(struct model *m, const struct wish *w, struct tl_err *err)
{
    struct tpe_space *s = tpe_space_new(m, w->names, w->dists, w->n, w->narrow, err);
    if (s) {
        make_room(m, w->names[0]);
        s->moves = m->history.n_moves;
        s->next = m->spaces[w->names[0]];
        m->spaces[w->names[0]] = s;
        m->n_spaces++;
    }
    return s;
}

/* Under the read lock: all names are known? */
static bool wish_known(const struct model *m, struct wish *w, const struct tl_assignment *dims)
{
    for (size_t i = 0; i < w->n; i++) {
        w->names[i] = intern_find(&m->names, str_of(dims[i].name));
        if (w->names[i] == INTERN_NONE) {
            return false;
        }
    }
    return true;
}

static int wish_learn(struct model *m, struct wish *w, const struct tl_assignment *dims)
{
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < w->n; i++) {
        rc = name_add(m, str_of(dims[i].name), &w->names[i]);
    }
    return rc;
}

/* ---- visiting ---- */

static bool new_enough(const struct model *m, const struct tpe_space *s, const tl_view *view)
{
    return m->epoch == tl_view_epoch(view) && s->seq >= tl_view_seq(view);
}

/* With the write lock: the space, made and up to date. */
static int provide(struct model *m, struct wish *w, const struct tl_assignment *dims, const tl_view *view,
                   struct tpe_space **out, struct tl_err *err)
{
    int rc = update(m, view, err);
    if (rc == TL_OK && wish_learn(m, w, dims) != TL_OK) {
        forget(m); /* tables of different sizes */
        rc = err_nomem(err);
    }
    struct tpe_space *s = rc == TL_OK ? find(m, w) : NULL;
    if (rc == TL_OK && !s) {
        s = make(m, w, err);
        rc = s ? TL_OK : TL_ENOMEM;
    }
    if (rc == TL_OK && !new_enough(m, s, view)) {
        rc = tpe_space_update(s, m, view, err);
        if (rc != TL_OK) {
            unlink_space(m, s);
        }
    }
    *out = s;
    return rc;
}

static int visit(struct visit *v, struct wish *w, const tl_view *view, const struct tl_assignment *dims,
                 struct tl_err *err)
{
    struct model *m = v->model;
    for (unsigned round = 1;; round++) {
        pthread_rwlock_rdlock(&m->lock);
        v->space = m->started && wish_known(m, w, dims) ? find(m, w) : NULL;
        if (v->space && new_enough(m, v->space, view) && !tpe_space_has_kernel(v->space, v->number)) {
            return TL_OK;
        }
        pthread_rwlock_unlock(&m->lock);
        pthread_rwlock_wrlock(&m->lock);
        int rc = provide(m, w, dims, view, &v->space, err);
        if (rc == TL_OK && tpe_space_has_kernel(v->space, v->number)) {
            rc = tpe_space_leave_out(v->space, v->number);
            if (rc == TL_OK) {
                v->taken_out = true;
                return TL_OK;
            }
            unlink_space(m, v->space);
            err_nomem(err);
        } else if (rc == TL_OK && round == ROUNDS_MAX) {
            return TL_OK;
        }
        pthread_rwlock_unlock(&m->lock);
        if (rc != TL_OK) {
            return rc;
        }
    }
}

/* May kernels be as narrow as tpe2 has them? With one objective only in a space that holds every parameter that varies: where others
 * play a part (conditional ones, or each by itself), the loss is noise in what the mixtures see, and narrow kernels are
 * drawn to it. bench/quality: beside Optuna on condmodels A12 0.29 with them, 0.57 without; with two objectives they help. */
static bool narrow_for(const struct model *m, const tl_view *view, size_t n)
{
    size_t n_objectives, n_shared, constant = 0;
    (void)tl_view_directions(view, &n_objectives);
    if (m->rules->preset != TPE_2 || n_objectives > 1) {
        return m->rules->preset == TPE_2;
    }
    const struct tl_param *shared = tl_view_search_space(view, true, &n_shared);
    for (size_t i = 0; shared && i < n_shared; i++) {
        constant += tl_dist_single(shared[i].dist);
        if (i + 1 - constant > n) {
            return false; /* some that vary are left out: no need to count the rest of many */
        }
    }
    return n + constant >= tl_view_n_columns(view);
}

int model_enter(struct visit *v, struct model *m, const tl_view *view, int64_t number,
                const struct tl_assignment *dims, size_t n, struct tl_err *err)
{
    struct wish w = {.n = n, .narrow = narrow_for(m, view, n)};
    *v = (struct visit){.model = m, .number = number};
    w.names = n < SIZE_MAX / sizeof *w.dists ? arena_alloc(&w.memory, n * sizeof *w.names) : NULL;
    w.dists = w.names ? arena_alloc(&w.memory, n * sizeof *w.dists) : NULL;
    int rc = w.dists ? TL_OK : err_nomem(err);
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        w.dists[i] = dims[i].dist;
    }
    if (rc == TL_OK) {
        rc = visit(v, &w, view, dims, err);
    }
    arena_release(&w.memory);
    return rc;
}

void model_leave(struct visit *v)
{
    if (v->taken_out) {
        tpe_space_put_back(v->space, v->model, v->number);
    }
    pthread_rwlock_unlock(&v->model->lock);
}

int model_groups(struct model *m, const tl_view *view, struct arena *a, struct group **out, size_t *n,
                 struct tl_err *err)
{
    pthread_rwlock_wrlock(&m->lock);
    int rc = update(m, view, err);
    if (rc == TL_OK && !m->groups && !(m->groups = groups_new())) {
        rc = err_nomem(err);
    }
    if (rc == TL_OK) {
        rc = groups_update(m->groups, view, err);
        if (rc != TL_OK) {
            groups_free(m->groups);
            m->groups = NULL;
        }
    }
    if (rc == TL_OK) {
        rc = groups_copy(m->groups, view, a, out, n, err);
    }
    pthread_rwlock_unlock(&m->lock);
    return rc;
}
