/* SPDX-License-Identifier: MIT
 *
 * The TPE sampler: tree-structured Parzen estimator.
 *
 * Bergstra, Bardenet, Bengio, Kégl: "Algorithms for Hyper-Parameter Optimization", NIPS 2011; the joint kernel: Falkner, Klein,
 * Hutter: "BOHB", ICML 2018; several objectives: Ozaki et al., GECCO 2020; the preset tpe2: Watanabe, arXiv:2304.11127.
 *
 * The finished trials are split into a few good ones and the rest. Each set is the kernels of a mixture, l(x) and g(x).
 * Candidates are drawn from l, and the one with the highest l(x) / g(x) is the proposal. Running trials are kernels of g (the
 * constant liar), so that workers keep away from each other.
 *
 * Happy path of one ask: fewer finished trials than n_startup_trials: every parameter at random, as the random sampler would.
 * Else `relative` proposes the parameters that all finished trials share (or with `group`, that come together) jointly, and
 * `independent` the others, and all of them in univariate mode, by a mixture of that parameter alone.
 *
 * What a define-by-run trial will ask for is published before it runs when others run at the same time, in Optuna's form, so that
 * their workers and ours take it into account; parameters outside the joint proposal are written as they are suggested.
 *
 * A proposal is a function of (seed, trial number, log as far as it was read). Fails only for want of memory.
 */
#include "sampler/tpe.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "model/dist.h"

#include <math.h>

#define MODELS_MAX  32   /* that one sampler remembers, of all study handles */
#define COPIES_MAX  8    /* of them of one handle */
#define PIECE       2045 /* characters of a published attribute: a limit of Optuna's databases */
#define PUBLISH_MAX (64u << 20)

struct tpe {
    struct tpe_rules rules;
    pthread_mutex_t lock;
    struct model *models[MODELS_MAX]; /* the last used first */
};

/* Puts models[i] first, or a new one in its place. Lock held. NULL: out of memory. */
static struct model *put_first(struct tpe *t, size_t i, struct model *m)
{
    if (m) {
        memmove(&t->models[1], &t->models[0], i * sizeof t->models[0]);
        t->models[0] = m;
    }
    return m;
}

/* A model for one proposal, for trial `number`, with functions of the caller's: nobody else knows it. NULL: out of memory. */
static struct model *model_alone(const struct tpe *t, uint64_t handle, int64_t number)
{
    struct model *m = model_new(handle, &t->rules);
    if (m) {
        m->left_out = number;
        m->users = 1;
    }
    return m;
}

/* A model of the handle that no other thread is using, to be given back to model_done: nearly every ask has a new trial to take in,
 * and if threads shared one model, each would wait for the candidates of the others. So there are as many as threads ask at once;
 * beyond COPIES_MAX they share the least used one. NULL: out of memory. */
static struct model *model_of(struct tpe *t, uint64_t handle, int64_t number)
{
    size_t i, n = 0, copies = 0, best = MODELS_MAX;
    if (tpe_has_functions(&t->rules)) {
        return model_alone(t, handle, number);
    }
    pthread_mutex_lock(&t->lock);
    for (i = 0; i < MODELS_MAX && t->models[i]; i++) {
        if (t->models[i]->handle == handle) {
            copies++;
            best = best == MODELS_MAX || t->models[i]->users < t->models[best]->users ? i : best;
        }
    }
    n = i;
    struct model *m = NULL;
    if (best == MODELS_MAX || (t->models[best]->users > 0 && copies < COPIES_MAX)) {
        m = model_new(handle, &t->rules);
        if (m && n == MODELS_MAX) {
            model_unref(t->models[--n]);
        }
        m = put_first(t, n, m);
    }
    if (!m && best < n) {
        m = put_first(t, best, t->models[best]);
    }
    if (m) {
        m->users++;
        model_ref(m);
    }
    pthread_mutex_unlock(&t->lock);
    return m;
}

/* Others may use it; the reference stays. */
static void model_leave_to_others(struct tpe *t, struct model *m)
{
    pthread_mutex_lock(&t->lock);
    m->users--;
    pthread_mutex_unlock(&t->lock);
}

static void model_done(struct tpe *t, struct model *m)
{
    if (m) {
        model_leave_to_others(t, m);
        model_unref(m);
    }
}

static void tpe_forget(void *self, uint64_t handle)
{
    struct tpe *t = self;
    struct model *gone[MODELS_MAX];
    size_t kept = 0, n_gone = 0;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < MODELS_MAX && t->models[i]; i++) {
        struct model *m = t->models[i];
        t->models[i] = NULL;
        if (m->handle == handle) {
            gone[n_gone++] = m;
        } else {
            t->models[kept++] = m;
        }
    }
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < n_gone; i++) {
        model_unref(gone[i]);
    }
}

/* ---- candidates ---- */

static bool drawing_init(struct drawing *d, struct arena *a, const struct tpe_space *s)
{
    size_t scratch = parzen_scratch(s->good, BATCH), other = parzen_scratch(s->rest, BATCH);
    if (s->n > SIZE_MAX / sizeof(double) / (BATCH + 2) - 2) {
        return false;
    }
    d->u = arena_alloc(a, (s->n + 1) * sizeof *d->u);
    d->x = arena_alloc(a, s->n * (BATCH + 1) * sizeof *d->x);
    d->best = arena_alloc(a, s->n * sizeof *d->best);
    d->scratch = arena_alloc(a, (scratch > other ? scratch : other) + 1);
    return d->u && d->x && d->best && d->scratch;
}

void tpe_draw(const struct tpe_space *s, size_t m, struct rng *r, struct drawing *d)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t k = 0; k <= s->n; k++) {
            d->u[k] = rng_uniform(r);
        }
        parzen_sample(s->good, d->u, d->x + i * s->n);
    }
}

void tpe_score(const struct tpe_space *s, size_t m, struct drawing *d)
{
    parzen_log_density(s->good, d->x, m, d->score, d->scratch);
    parzen_log_density(s->rest, d->x, m, d->rest, d->scratch);
    for (size_t i = 0; i < m; i++) {
        d->score[i] -= d->rest[i];
    }
}

/* Draws candidates from the good mixture and keeps the first with the highest score. */
static void choose(const struct tpe_space *s, size_t candidates, struct rng *r, struct drawing *d)
{
    double highest = -INFINITY;
    bool any = false;
    for (size_t done = 0; done < candidates; done += BATCH) {
        size_t m = candidates - done < BATCH ? candidates - done : BATCH;
        tpe_draw(s, m, r, d);
        tpe_score(s, m, d);
        for (size_t i = 0; i < m; i++) {
            if (!any || d->score[i] > highest) {
                any = true;
                highest = d->score[i];
                memcpy(d->best, d->x + i * s->n, s->n * sizeof *d->best);
            }
        }
    }
}

/* How values are chosen once the space is there. */
enum manner {
    MANNER_BEST,   /* the best candidate */
    MANNER_NEW,    /* the best one that nobody tried, if there is one */
    MANNER_RANDOM, /* the values that the dimensions come with, or others at random when somebody tried them */
    MANNER_GIVEN,  /* the values that the dimensions come with, or as MANNER_NEW when somebody tried them */
};

static void choose_in(const struct tpe *t, const struct tpe_space *s, int64_t number, enum manner manner,
                      struct rng *r, const struct tl_assignment *dims, struct drawing *d)
{
    size_t candidates = (size_t)t->rules.n_ei_candidates;
    for (size_t i = 0; i < s->n; i++) {
        d->best[i] = dims[i].internal;
    }
    if (manner == MANNER_BEST) {
        choose(s, candidates, r, d);
        return;
    }
    bool found = manner == MANNER_RANDOM ? tpe_random_new(s, number, r, d)
                 : manner == MANNER_GIVEN && tpe_is_new(s, number, d->best)
                     ? true
                     : tpe_choose_new(s, number, candidates, r, d);
    if (!found && manner == MANNER_NEW) { /* nothing is left: again */
        choose(s, candidates, r, d);
    } else if (!found) {
        for (size_t i = 0; i < s->n; i++) {
            d->best[i] = dims[i].internal;
        }
    }
}

/* Values for `n` parameters, jointly; `dims[i].internal` is filled in. */
static int propose(struct tpe *t, const struct tl_sample_context *c, enum purpose purpose, enum manner manner,
                   struct tl_assignment *dims, size_t n, struct tl_err *err)
{
    struct visit v;
    struct rng r;
    struct arena memory = {0};
    struct model *m = model_of(t, c->handle, c->trial_number);
    struct drawing *d = arena_alloc(&memory, sizeof *d);
    int rc = m && d ? model_enter(&v, m, c->view, c->trial_number, dims, n, err) : err_nomem(err);
    if (rc == TL_OK) {
        if (drawing_init(d, &memory, v.space)) {
            rng_init(&r, t->rules.seed, purpose, (uint64_t)c->trial_number, str_of(dims[0].name));
            choose_in(t, v.space, c->trial_number, manner, &r, dims, d);
            for (size_t i = 0; i < n; i++) {
                dims[i].internal = d->best[i];
            }
        } else {
            rc = err_nomem(err);
        }
        model_leave(&v);
    }
    arena_release(&memory);
    model_done(t, m);
    return rc;
}

/* ---- the sampler's functions ---- */

static bool starting(const struct tpe *t, const tl_view *view)
{
    return tl_view_count(view, TL_COMPLETE) + tl_view_count(view, TL_PRUNED) < t->rules.n_startup_trials;
}

static bool joint(const struct tpe *t, const tl_view *view)
{
    size_t n;
    (void)tl_view_directions(view, &n);
    return n > 1 ? t->rules.multivariate_mo : t->rules.multivariate;
}

/* Does anybody else run? */
static bool in_company(const struct tl_sample_context *c)
{
    size_t self = tl_view_trial_state(c->view, c->trial_number) == TL_RUNNING;
    return tl_view_count(c->view, TL_RUNNING) > self;
}

static int tpe_independent(void *self, const struct tl_sample_context *c, const char *name,
                           const struct tl_dist *dist, double *internal, struct tl_err *err)
{
    struct tpe *t = self;
    struct tl_assignment dim = {name, dist, 0};
    if (starting(t, c->view) || !tpe_can_model(dist)) {
        struct rng r;
        rng_init(&r, t->rules.seed, PURPOSE_RANDOM, (uint64_t)c->trial_number, str_of(name));
        *internal = random_draw(dist, &r);
        return TL_OK;
    }
    int rc = propose(t, c, PURPOSE_TPE, MANNER_BEST, &dim, 1, err);
    if (rc == TL_OK) {
        *internal = dim.internal;
        if (c->share && t->rules.constant_liar && in_company(c)) {
            *c->share = true;
        }
    }
    return rc;
}

/* Writes what the trial will ask for as Optuna's TPESampler does: one JSON object, cut into pieces, each a JSON string. */
static int publish(const struct tl_assignment *dims, size_t n,
                   int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    struct buf text = BUF_INIT(PUBLISH_MAX), piece = BUF_INIT(2 * PIECE + 16);
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        struct tl_value v;
        rc = tl_dist_external(dims[i].dist, dims[i].internal, &v, err);
        if (rc == TL_OK) {
            buf_add_text(&text, i ? ", " : "{");
            json_put_string(&text, str_of(dims[i].name));
            buf_add_text(&text, ": ");
            dist_value_write(&text, &v);
        }
    }
    buf_add_char(&text, '}');
    if (rc == TL_OK && text.failed) {
        rc = text.failed == TL_ENOMEM ? err_nomem(err) : TL_OK; /* too long: others do without */
        text.len = 0;
    }
    for (size_t at = 0, i = 0; rc == TL_OK && at < text.len; at += PIECE, i++) {
        char key[sizeof TPE_RELATIVE_KEY + NUM_MAX] = TPE_RELATIVE_KEY;
        (void)num_format_int((int64_t)i, key + sizeof TPE_RELATIVE_KEY - 1);
        piece.len = 0;
        json_put_string(&piece, (struct str){text.data + at, text.len - at < PIECE ? text.len - at : PIECE});
        const char *json = buf_cstr(&piece);
        rc = json ? attr(ctx, key, json) : err_nomem(err);
    }
    buf_release(&text);
    buf_release(&piece);
    return rc;
}

/* All finished trials have the same parameters, which have few enough values to run out of them? (tpe2) */
static bool whole_space_finite(const struct tpe *t, const tl_view *view, const struct tl_param *space, size_t n)
{
    if (t->rules.preset != TPE_2 || n == 0 || n != tl_view_n_columns(view)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (tl_dist_cardinality(space[i].dist) == 0) {
            return false;
        }
    }
    return true;
}

/* Parameter by parameter, as the random sampler draws them or by the mixtures of each alone; if somebody tried that point, another
 * one, at random or by the joint mixtures. */
static int propose_apart(struct tpe *t, const struct tl_sample_context *c, struct tl_assignment *dims, size_t n,
                         struct tl_err *err)
{
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        rc = tpe_independent(t, c, dims[i].name, dims[i].dist, &dims[i].internal, err);
    }
    enum manner manner = starting(t, c->view) ? MANNER_RANDOM : MANNER_GIVEN;
    return rc == TL_OK ? propose(t, c, PURPOSE_TPE_JOINT, manner, dims, n, err) : rc;
}

/* What a joint proposal is collected for. */
struct hand_over {
    int (*emit)(void *ctx, const struct tl_assignment *a);
    int (*attr)(void *ctx, const char *key, const char *json);
    void *ctx;
};

static int hand_over(const struct tpe *t, const struct tl_sample_context *c, const struct hand_over *to,
                     const struct tl_assignment *dims, size_t n, struct tl_err *err)
{
    int rc = TL_OK;
    if (n && to->attr && t->rules.constant_liar && in_company(c)) {
        rc = publish(dims, n, to->attr, to->ctx, err);
    }
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        rc = to->emit(to->ctx, &dims[i]);
    }
    return rc;
}

/* The parameters that are proposed together: dims[ends[i - 1] … ends[i]) jointly, each such part by itself. */
struct plan {
    struct tl_assignment *dims;
    size_t n, *ends, n_parts;
    enum { PLAN_NOTHING, PLAN_JOINT, PLAN_APART, PLAN_FINITE } how;
    struct arena memory;
};

static bool plan_room(struct plan *p, size_t n)
{
    p->dims = n < SIZE_MAX / sizeof *p->dims - 1 ? arena_alloc(&p->memory, (n + 1) * sizeof *p->dims) : NULL;
    p->ends = p->dims ? arena_alloc(&p->memory, (n + 2) * sizeof *p->ends) : NULL;
    return p->ends != NULL;
}

static void plan_part_ends(struct plan *p)
{
    if (p->n > (p->n_parts ? p->ends[p->n_parts - 1] : 0)) {
        p->ends[p->n_parts++] = p->n;
    }
}

static int groups_now(struct tpe *t, const struct tl_sample_context *c, struct arena *a, struct group **groups, size_t *n,
                      struct tl_err *err)
{
    struct model *m = model_of(t, c->handle, c->trial_number);
    int rc = m ? model_groups(m, c->view, a, groups, n, err) : err_nomem(err);
    model_done(t, m);
    return rc;
}

/* Every group is a part. */
static int plan_groups(struct tpe *t, const struct tl_sample_context *c, struct plan *p, struct tl_err *err)
{
    struct group *groups = NULL;
    size_t n = 0, n_all = 0;
    int rc = groups_now(t, c, &p->memory, &groups, &n, err);
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        n_all += groups[i].n;
    }
    if (rc == TL_OK && !plan_room(p, n_all)) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        memcpy(p->dims + p->n, groups[i].dims, groups[i].n * sizeof *p->dims);
        p->n += groups[i].n;
        plan_part_ends(p);
    }
    p->how = PLAN_JOINT;
    return rc;
}

/* What this sampler would propose by itself. */
static int plan_own(struct tpe *t, const struct tl_sample_context *c, struct plan *p, struct tl_err *err)
{
    size_t n_space;
    const struct tl_param *space = tl_view_search_space(c->view, true, &n_space);
    *p = (struct plan){.how = PLAN_NOTHING};
    if (!space) {
        return err_nomem(err);
    }
    bool finite = whole_space_finite(t, c->view, space, n_space),
         apart = starting(t, c->view) || !joint(t, c->view);
    if (apart && !finite) {
        return TL_OK;
    }
    if (t->rules.group && !finite) {
        return plan_groups(t, c, p, err);
    }
    if (!plan_room(p, n_space)) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n_space; i++) {
        if (tpe_can_model(space[i].dist)) {
            p->dims[p->n++] = (struct tl_assignment){space[i].name.s, space[i].dist, 0};
        }
    }
    plan_part_ends(p);
    p->how = apart ? PLAN_APART : finite ? PLAN_FINITE : PLAN_JOINT;
    return TL_OK;
}

/* Are these all the parameters there are (but those with one value), and are they few enough values to run out of them? */
static bool given_space_finite(const struct tpe *t, const tl_view *view, const struct plan *p)
{
    size_t n_space, constant = 0;
    const struct tl_param *space = tl_view_search_space(view, true, &n_space);
    if (t->rules.preset != TPE_2 || !space) {
        return false;
    }
    for (size_t i = 0; i < n_space; i++) {
        constant += tl_dist_single(space[i].dist);
    }
    bool finite = p->n > 0 && p->n + constant == tl_view_n_columns(view);
    for (size_t i = 0; finite && i < p->n; i++) {
        finite = tl_dist_cardinality(p->dims[i].dist) > 0;
    }
    return finite;
}

/* Sorts the parameters by the group that they are in; those of no group are a part of their own. */
static int split_given(struct tpe *t, const struct tl_sample_context *c, struct plan *p, struct tl_err *err)
{
    struct group *groups = NULL;
    struct intern names = INTERN_INIT;
    size_t n_groups = 0, n = p->n;
    struct tl_assignment *all = p->dims;
    bool *taken = arena_alloc(&p->memory, n + 1);
    int rc = taken ? groups_now(t, c, &p->memory, &groups, &n_groups, err) : err_nomem(err);
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        taken[i] = false;
        rc = intern_add(&names, str_of(all[i].name)) == INTERN_NONE ? err_nomem(err) : TL_OK;
    }
    if (rc == TL_OK && !plan_room(p, n)) {
        rc = err_nomem(err);
    }
    p->n = p->n_parts = 0;
    for (size_t i = 0; rc == TL_OK && i <= n_groups; i++) {
        for (size_t k = 0; k < (i < n_groups ? groups[i].n : n); k++) {
            uint32_t at = i < n_groups ? intern_find(&names, str_of(groups[i].dims[k].name)) : (uint32_t)k;
            if (at < n && !taken[at]) {
                taken[at] = true;
                p->dims[p->n++] = all[at];
            }
        }
        plan_part_ends(p);
    }
    intern_release(&names);
    return rc;
}

static int plan_given(struct tpe *t, const struct tl_sample_context *c, const struct tl_assignment *dims, size_t n,
                      struct plan *p, struct tl_err *err)
{
    *p = (struct plan){.how = PLAN_NOTHING};
    if (!plan_room(p, n)) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        if (tpe_can_model(dims[i].dist)) {
            p->dims[p->n++] = dims[i];
        }
    }
    bool finite = given_space_finite(t, c->view, p), start = starting(t, c->view);
    if (start && !finite) {
        return TL_OK;
    }
    p->how = !finite ? PLAN_JOINT : start || !joint(t, c->view) ? PLAN_APART : PLAN_FINITE;
    if (t->rules.group && !finite) {
        return split_given(t, c, p, err);
    }
    plan_part_ends(p);
    return TL_OK;
}

static int carry_out(struct tpe *t, const struct tl_sample_context *c, const struct plan *p, const struct hand_over *to,
                     struct tl_err *err)
{
    int rc = TL_OK;
    if (p->how == PLAN_NOTHING) {
        return TL_OK;
    }
    for (size_t i = 0, from = 0; rc == TL_OK && i < p->n_parts; from = p->ends[i++]) {
        rc = p->how == PLAN_APART ? propose_apart(t, c, p->dims + from, p->ends[i] - from, err)
                                  : propose(t, c, PURPOSE_TPE_JOINT, p->how == PLAN_FINITE ? MANNER_NEW : MANNER_BEST,
                                            p->dims + from, p->ends[i] - from, err);
    }
    return rc == TL_OK ? hand_over(t, c, to, p->dims, p->n, err) : rc;
}

static int tpe_relative(void *self, const struct tl_sample_context *c,
                        int (*emit)(void *ctx, const struct tl_assignment *a),
                        int (*attr)(void *ctx, const char *key, const char *json), void *ctx,
                        struct tl_err *err)
{
    struct plan p;
    int rc = plan_own(self, c, &p, err);
    if (rc == TL_OK) {
        rc = carry_out(self, c, &p, &(struct hand_over){emit, attr, ctx}, err);
    }
    arena_release(&p.memory);
    return rc;
}

static int tpe_joint(void *self, const struct tl_sample_context *c, const struct tl_assignment *dims, size_t n,
                     int (*emit)(void *ctx, const struct tl_assignment *a),
                     int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    struct plan p;
    int rc = plan_given(self, c, dims, n, &p, err);
    if (rc == TL_OK) {
        rc = carry_out(self, c, &p, &(struct hand_over){emit, attr, ctx}, err);
    }
    arena_release(&p.memory);
    return rc;
}

static int tpe_space(void *self, const struct tl_sample_context *c, int (*emit)(void *ctx, const struct tl_assignment *a),
                     void *ctx, struct tl_err *err)
{
    struct plan p;
    int rc = plan_own(self, c, &p, err);
    for (size_t i = 0; rc == TL_OK && p.how != PLAN_NOTHING && i < p.n; i++) {
        rc = emit(ctx, &p.dims[i]);
    }
    arena_release(&p.memory);
    return rc;
}

static void tpe_release(void *self)
{
    struct tpe *t = self;
    for (size_t i = 0; i < MODELS_MAX; i++) {
        model_unref(t->models[i]);
    }
    pthread_mutex_destroy(&t->lock);
    if (t->rules.functions.release) {
        t->rules.functions.release(t->rules.functions.ctx);
    }
    mem_free(t);
}

static int tpe_new(const struct tpe_rules *rules, tl_sampler **out, struct tl_err *err)
{
    static const struct tl_sampler_ops ops = {
        .size = sizeof ops,
        .name = "tpe",
        .independent = tpe_independent,
        .relative = tpe_relative,
        .forget = tpe_forget,
        .release = tpe_release,
        .space = tpe_space,
        .joint = tpe_joint,
    };
    struct tl_sampler_ops table = ops;
    struct tpe *t = mem_zalloc(1, sizeof *t);
    if (!t) {
        return err_nomem(err);
    }
    if (pthread_mutex_init(&t->lock, NULL) != 0) {
        mem_free(t);
        return err_nomem(err);
    }
    t->rules = *rules;
    t->rules.functions.release = NULL; /* not before the sampler is there */
    table.flags = rules->seeded ? TL_SAMPLER_NUMBERED : 0;
    int rc = tl_sampler_new(&table, t, out, err);
    if (rc != TL_OK) {
        tpe_release(t);
    } else {
        t->rules.functions.release = rules->functions.release;
    }
    return rc;
}

int tpe_from_options(const struct tl_option *options, size_t n, tl_sampler **out, struct tl_err *err)
{
    struct tpe_rules rules;
    int rc = tpe_rules_read(&rules, options, n, err);
    return rc == TL_OK ? tpe_new(&rules, out, err) : rc;
}

TL_API int tl_sampler_tpe(uint64_t seed, tl_sampler **out, struct tl_err *err)
{
    struct tpe_rules rules;
    int rc = tpe_rules_read(&rules, NULL, 0, err);
    if (rc == TL_OK) {
        rules.seed = seed;
        rules.seeded = true;
        rc = tpe_new(&rules, out, err);
    }
    return rc;
}

TL_API int tl_sampler_tpe_with(const struct tl_option *options, size_t n_options, const struct tl_tpe_functions *functions,
                               tl_sampler **out, struct tl_err *err)
{
    struct tpe_rules rules;
    size_t row;
    int rc = component_find(tl_sampler_docs(), "sampler", "tpe", options, n_options, &row, err);
    rc = rc == TL_OK ? tpe_rules_read(&rules, options, n_options, err) : rc;
    if (rc == TL_OK && functions) {
        memcpy(&rules.functions, functions, functions->size < sizeof *functions ? functions->size : sizeof *functions);
    }
    return rc == TL_OK ? tpe_new(&rules, out, err) : rc;
}
