/* SPDX-License-Identifier: MIT
 *
 * Ask: how a trial begins, in one append.
 *
 * Under the journal's lock, on the state at its head: is the budget used up? Else the oldest WAITING trial becomes RUNNING. Else
 * a new trial is created: a sampler that claims (grid) says what it will be, and the parameters of the caller's space travel in the
 * same operation, in the template form that Optuna reads. So nothing is claimed twice, the budget is met exactly, and what a
 * counter-based sampler draws belongs to the number that the trial gets.
 *
 * Where values come from, for a parameter of the space: fixed by the claim; the only value there is; drawn under the lock by a
 * stateless sampler; else proposed outside the lock beforehand, from a view. What a queued trial fixes is written with the claim of
 * it. What could not be decided so (the rest of a queued trial, a name that the claim left open) is suggested afterwards and written in
 * a second append; if that fails, the trial ends as FAIL, because nobody would know of it.
 *
 * Proposals of a sampler whose values depend on the number (TL_SAMPLER_NUMBERED) are worth nothing when another worker was faster and the
 * trial would get another number: then nothing is written and they are made anew, a few times; after that the trial is created
 * without them and they follow in a second append.
 *
 * On a database other workers would take the number again and again, and every conflict is a round trip. So where writes may wait
 * (defer_ms), values that depend on the number do not take part in the decision: the trial is created without them, they are chosen for the
 * number it has got, and they wait for the next append.
 *
 * Another writer that takes our lock away (Optuna does, after its grace period) can be first with a claim: the verdict on our
 * operation tells, or the number that a claimed cell's trial got, and we ask again. So we do when somebody ends the trial before we
 * have it.
 */
#include "engine/study.h"

#include "base/err.h"
#include "engine/defer.h"

#define PROPOSALS_MAX 3 /* rounds of proposals for a trial whose number others keep taking */

struct wanted { /* a parameter of the caller's space */
    struct param param;
    bool proposed; /* outside the lock */
    double proposal;
    bool decided; /* under the lock */
};

struct ask {
    tl_study *study;
    struct tl_ask_options options;
    struct arena *memory;  /* of the space and the proposals: the trial's own */
    struct wanted *wanted; /* options.n_space */
    int64_t proposed_for;  /* the number that the proposals were made for */
    bool later;            /* values that depend on the number follow when it is known */
    unsigned rounds;       /* of proposals, so far */

    /* what decide() chose; its memory lasts until the commit is released */
    bool late; /* nothing: the proposals are for another number */
    bool popped;
    int64_t trial_id; /* popped */
    int64_t number;   /* else: what the new trial's number is to be */
    struct tl_time start;
    struct fixed_list fixed;
    struct attr_list attrs;
    struct commit *commit;
    struct tl_err *err;
    int rc; /* of the callbacks */
};

/* ---- before the lock ---- */

static int read_space(struct ask *a, struct tl_err *err)
{
    size_t n = a->options.n_space;
    if (n && !a->options.space) {
        return err_set(err, TL_EINVAL, "ask options: n_space is %zu but space is NULL", n);
    }
    a->wanted = n < SIZE_MAX / sizeof *a->wanted ? arena_alloc(a->memory, (n + 1) * sizeof *a->wanted) : NULL;
    if (!a->wanted) {
        return err_nomem(err);
    }
    memset(a->wanted, 0, n * sizeof *a->wanted);
    struct intern names = INTERN_INIT;
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        struct param *p = &a->wanted[i].param;
        rc = param_make(p, a->options.space[i].name, a->options.space[i].dist, a->memory, NULL, err);
        if (rc == TL_OK) {
            uint32_t number = intern_add(&names, p->name);
            rc = number == INTERN_NONE ? err_nomem(err)
                 : number != i         ? err_set(err, TL_EINVAL, "the space has parameter '%s' twice", p->name.p)
                                       : TL_OK;
        }
    }
    intern_release(&names);
    return rc;
}

/* Asks a sampler that looks at the study for the whole space, for the number that the trial will probably get. */
static int propose(struct ask *a, const tl_view *view, struct tl_err *err)
{
    const tl_sampler *sampler = a->study->sampler;
    struct tl_sample_context c = {view, tl_study_id(a->study), (int64_t)tl_view_n_trials(view), a->study->handle, NULL};
    struct relative relative;
    int rc = sample_relative(sampler, &c, a->memory, &relative, NULL, err);
    a->proposed_for = c.trial_number;
    for (size_t i = 0; rc == TL_OK && i < a->options.n_space; i++) {
        struct wanted *w = &a->wanted[i];
        if (!tl_dist_single(&w->param.dist)) {
            rc = sample_param(sampler, &c, &w->param, relative_find(&relative, w->param.name), &w->proposal, err);
            w->proposed = rc == TL_OK;
        }
    }
    relative_release(&relative);
    return rc;
}

/* What is done outside the lock. */
static int prepare(struct ask *a, struct tl_err *err)
{
    const tl_sampler *sampler = a->study->sampler;
    bool claims = sampler->ops.claim != NULL;
    bool proposes = !claims && !a->later && !(sampler->ops.flags & TL_SAMPLER_STATELESS) && a->options.n_space;
    tl_view *view;
    a->rounds++;
    if (!(claims && sampler->ops.prepare) && !proposes) {
        return TL_OK;
    }
    int rc = tl_view_open(a->study->storage, a->study->id, true, &view, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (tl_view_count(view, TL_WAITING) > 0) {
        rc = TL_OK; /* the queue comes first */
    } else if (proposes) {
        rc = propose(a, view, err);
    } else {
        struct tl_sample_context c = {view, tl_study_id(a->study), (int64_t)tl_view_n_trials(view), a->study->handle, NULL};
        rc = sampler->ops.prepare(sampler->self, &c, err);
    }
    tl_view_close(view);
    return rc;
}

/* ---- under the lock ---- */

static int check_budget(const struct ask *a, const struct study *st, struct tl_err *err)
{
    const size_t *n = st->counts;
    uint64_t used = n[TL_RUNNING] + n[TL_COMPLETE] + n[TL_PRUNED] + (a->options.refund_failed ? 0 : n[TL_FAIL]);
    if (a->options.budget == 0 || used < a->options.budget) {
        return TL_OK;
    }
    return err_set(err, TL_EEXHAUSTED, "the budget of %llu trials is used up", (unsigned long long)a->options.budget);
}

/* A parameter of a queued trial is decided when it is fixed, or has one value only: then whoever gets the trial would write the same.
 * Everything else (also what needs a warning or an error) is left to tl_trial_suggest. */
static bool decide_queued(struct ask *a, struct wanted *w, const struct state *s, const struct study *st,
                          const struct live_trial *live)
{
    const struct fixed *f = fixed_find(&a->fixed, w->param.name);
    uint32_t name = intern_find(&s->names, w->param.name);
    double internal = w->param.dist.kind == TL_DIST_CATEGORICAL ? 0 : w->param.dist.low;
    if ((name != INTERN_NONE && list_find(&live->params, list_key_param(name))) || param_fits(s, st, &w->param, NULL) != TL_OK) {
        return false;
    }
    if (f ? tl_dist_internal(&w->param.dist, &f->value, &internal, NULL) != TL_OK : !tl_dist_single(&w->param.dist)) {
        return false;
    }
    return tl_dist_contains(&w->param.dist, internal) && param_set(&w->param, internal, NULL) == TL_OK;
}

static int pop(struct ask *a, struct commit *c, const struct state *s, const struct study *st, uint32_t number,
               struct tl_err *err)
{
    const struct row *row;
    const struct live_trial *live;
    struct op *ops = commit_ops(c, 1 + a->options.n_space);
    size_t n = 1;
    if (!ops) {
        return err_nomem(err);
    }
    study_trial(st, number, &row, &live);
    uint32_t key = a->options.n_space ? intern_find(&s->names, STR("fixed_params")) : INTERN_NONE;
    const struct attr_entry *attr =
        key == INTERN_NONE ? NULL : list_find(&live->attrs, list_key_attr(key, TL_ATTR_SYSTEM));
    if (attr && fixed_read(&a->fixed, attr->json, &c->arena, NULL) != TL_OK) {
        a->fixed.n = 0; /* trial_load will say why */
    }
    for (size_t i = 0; i < a->options.n_space; i++) {
        struct wanted *w = &a->wanted[i];
        w->decided = decide_queued(a, w, s, st, live);
        if (w->decided) {
            ops[n++] = (struct op){.code = OP_TRIAL_PARAM, .target = live->id, .name = w->param.name,
                                   .number = w->param.internal, .text = w->param.text};
        }
    }
    a->popped = true;
    a->trial_id = live->id;
    ops[0] = (struct op){.code = OP_TRIAL_STATE, .target = live->id, .state = TL_RUNNING, .start = a->start};
    c->n_ops = n;
    return TL_OK;
}

static int take_fixed(void *ctx, const char *name, const struct tl_value *value)
{
    struct ask *a = ctx;
    a->rc = check_name("name of a parameter", name, a->err);
    if (a->rc == TL_OK) {
        a->rc = fixed_add(&a->fixed, str_of(name), value, &a->commit->arena, a->err);
    }
    return a->rc;
}

static int take_attr(void *ctx, const char *key, const char *json)
{
    struct ask *a = ctx;
    a->rc = attr_add(&a->attrs, key, json, &a->commit->arena, a->err);
    return a->rc;
}

static int claim(struct ask *a, const struct state *s, int64_t number, struct tl_err *err)
{
    const tl_sampler *sampler = a->study->sampler;
    tl_view *view;
    if (!sampler->ops.claim) {
        return TL_OK;
    }
    int rc = store_view(a->study->storage, s, a->study->id, &view, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct tl_sample_context c = {view, tl_study_id(a->study), number, a->study->handle, NULL};
    a->err = err;
    rc = sampler->ops.claim(sampler->self, &c, take_fixed, take_attr, a, err);
    tl_view_close(view);
    return a->rc != TL_OK ? a->rc : rc;
}

/* The value of one parameter, if it can be told now. */
static int decide_param(struct ask *a, struct wanted *w, int64_t number, struct tl_err *err)
{
    const tl_sampler *sampler = a->study->sampler;
    const struct fixed *f = fixed_find(&a->fixed, w->param.name);
    double internal;
    int rc = TL_OK;
    w->decided = true;
    if (f) {
        rc = tl_dist_internal(&w->param.dist, &f->value, &internal, err);
        rc = rc == TL_OK ? rc : err_wrap(err, rc, "sampler '%s', parameter '%s'", sampler->ops.name, w->param.name.p);
    } else if (tl_dist_single(&w->param.dist)) {
        internal = w->param.dist.kind == TL_DIST_CATEGORICAL ? 0 : w->param.dist.low;
    } else if (w->proposed) {
        internal = w->proposal;
    } else if (sampler->ops.flags & TL_SAMPLER_STATELESS) {
        struct tl_sample_context c = {NULL, tl_study_id(a->study), number, a->study->handle, NULL};
        rc = sampler->ops.independent(sampler->self, &c, w->param.name.p, &w->param.dist, &internal, err);
    } else {
        w->decided = false;
        return TL_OK;
    }
    return rc == TL_OK ? param_set(&w->param, internal, err) : rc;
}

static int create(struct ask *a, struct commit *c, const struct state *s, const struct study *st, struct tl_err *err)
{
    struct op *op = commit_ops(c, 1);
    struct op_param *params = arena_alloc(&c->arena, (a->options.n_space + 1) * sizeof *params);
    size_t n = 0;
    if (!op || !params) {
        return err_nomem(err);
    }
    a->number = (int64_t)st->n_trials;
    int rc = claim(a, s, a->number, err);
    for (size_t i = 0; rc == TL_OK && i < a->options.n_space; i++) {
        struct wanted *w = &a->wanted[i];
        rc = param_fits(s, st, &w->param, err);
        if (rc == TL_OK && !a->later) {
            rc = decide_param(a, w, a->number, err);
        }
        if (rc == TL_OK && w->decided) {
            params[n++] = (struct op_param){.name = w->param.name, .internal = w->param.internal, .has_value = true,
                                            .dist = w->param.text};
        }
    }
    *op = (struct op){.code = OP_CREATE_TRIAL, .target = a->study->id, .state = TL_RUNNING, .start = a->start,
                      .is_template = n > 0 || a->attrs.n > 0, .params = params, .n_params = n,
                      .system_attrs = a->attrs.items, .n_system_attrs = a->attrs.n};
    return rc;
}

/* Do the proposals belong to another number, and is there still a round left to make new ones? After the last one they are thrown
 * away: the values are then chosen for the number that the trial has got, and follow in a second append. */
static bool other_number(struct ask *a, int64_t number)
{
    bool other = (a->study->sampler->ops.flags & TL_SAMPLER_NUMBERED) && a->proposed_for >= 0 && a->proposed_for != number;
    if (other && a->rounds < PROPOSALS_MAX) {
        return true;
    }
    for (size_t i = 0; other && i < a->options.n_space; i++) {
        a->wanted[i].proposed = false;
    }
    return false;
}

static int decide_ask(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct ask *a = c->ctx;
    struct study *st;
    a->popped = a->late = false;
    a->number = -1;
    a->start = store_now();
    a->fixed.n = a->attrs.n = 0;
    a->rc = TL_OK;
    for (size_t i = 0; i < a->options.n_space; i++) {
        a->wanted[i].decided = false;
    }
    int rc = find_study(s, a->study->id, &st, err);
    if (rc == TL_OK) {
        rc = check_budget(a, st, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    int64_t waiting = study_first_waiting(st);
    if (waiting < 0 && other_number(a, (int64_t)st->n_trials)) {
        a->late = true;
        return TL_OK; /* no operations: nothing is written */
    }
    return waiting >= 0 ? pop(a, c, s, st, (uint32_t)waiting, err) : create(a, c, s, st, err);
}

static bool draws_for_number(const struct ask *a)
{
    return a->options.n_space > 0 && (a->study->sampler->ops.flags & (TL_SAMPLER_STATELESS | TL_SAMPLER_NUMBERED));
}

/* Without a budget or a claim, and with nothing drawn for a number, all that counts is that what was queued before the call comes
 * first: who gets a queued trial the log says, and so it says the number of a new one. */
static bool needs_head(const struct ask *a)
{
    return a->options.budget > 0 || a->study->sampler->ops.claim || (draws_for_number(a) && !a->later);
}

/* ---- after it ---- */

/* The handle of a trial that was just created: what travelled with it is known here. */
static int new_handle(struct ask *a, tl_trial *t, struct tl_err *err)
{
    int rc = TL_OK;
    t->number = trial_number(a->study->storage, t->id);
    for (size_t i = 0; rc == TL_OK && i < a->fixed.n; i++) {
        rc = fixed_add(&t->fixed, a->fixed.items[i].name, &a->fixed.items[i].value, &t->memory, err);
    }
    for (size_t i = 0; rc == TL_OK && i < a->options.n_space; i++) {
        if (a->wanted[i].decided) {
            rc = trial_add_param(t, &a->wanted[i].param, false, err);
        }
    }
    return rc;
}

/* Suggests what is left of the space. */
static int complete_space(struct ask *a, tl_trial *t, struct tl_err *err)
{
    double internal;
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < a->options.n_space; i++) {
        if (!a->wanted[i].decided) {
            rc = tl_trial_suggest(t, a->wanted[i].param.name.p, &a->wanted[i].param.dist, &internal, err);
        }
    }
    return rc == TL_OK ? trial_share(t, err) : rc;
}

/* The trial is ours: makes its handle. Returns as ask_once does. */
static int begin_trial(struct ask *a, tl_trial *t, struct tl_err *err)
{
    int rc = a->popped ? trial_load(t, err) : new_handle(a, t, err);
    if (rc == TL_OK && !a->popped && a->study->sampler->ops.claim && t->number != a->number) {
        return 1; /* another writer was first: what was claimed may have been claimed by then */
    }
    if (rc == TL_OK && a->options.n_space) {
        t->unpublished = true;
        if (a->later && !(a->study->sampler->ops.flags & TL_SAMPLER_STATELESS)) { /* the append has just told what is new */
            rc = tl_view_open(a->study->storage, a->study->id, false, &t->view, err);
        }
        rc = rc == TL_OK ? complete_space(a, t, err) : rc;
    }
    return rc;
}

/* The operation was written, but the answer got lost (out of memory, a flush that failed), so nobody would run the trial, and our own
 * lease would keep it RUNNING: fails it, if that can be done at all. It is known by the number that it must have, its owner and its
 * start: if it was not written after all, another thread of this handle may have a trial of that number by now. */
static void fail_unknown(struct ask *a)
{
    tl_storage *storage = a->study->storage;
    const struct row *row;
    const struct live_trial *live = NULL;
    struct study *st;
    char worker[64];
    uint32_t number = (uint32_t)a->number;
    int64_t id = -1;
    if (store_refresh(storage, NULL) != TL_OK) {
        return;
    }
    store_worker(storage, worker);
    const struct state *s = store_lock_state(storage);
    bool known = a->popped ? state_trial_place(s, a->trial_id, &st, &number)
                           : a->number >= 0 && (st = state_study(s, a->study->id)) != NULL && number < st->n_trials;
    if (known) {
        study_trial(st, number, &row, &live);
    }
    if (live && live->state == TL_RUNNING && live->start == time_pack(a->start) && live->owner != INTERN_NONE &&
        str_eq(intern_str(&s->workers, live->owner), str_of(worker))) {
        id = live->id;
    }
    store_unlock_state(storage);
    if (id >= 0) {
        tl_storage_set_state(storage, id, TL_FAIL, NULL, 0, NULL, NULL);
    }
}

/* One round: 0 with a trial, 1 when another writer was first, or an error. */
static int ask_once(struct ask *a, tl_trial *t, struct tl_err *err)
{
    struct commit c = {.decide = decide_ask, .ctx = a, .exact = needs_head(a) ? EXACT_HEAD : EXACT_FRESH};
    a->commit = &c;
    int rc = store_commit(a->study->storage, &c, err);
    bool landed = c.n_ops > 0 && (rc == TL_OK || rc == TL_EINCOMPATIBLE);
    if (a->popped && (rc == TL_EFINISHED || (landed && c.applied[0].verdict == V_NOT_YOURS))) {
        rc = 1;
    } else if (rc == TL_OK && a->late) {
        rc = 1;
    } else if (landed && c.applied[0].verdict == V_APPLIED) {
        t->id = c.applied[0].id;
        rc = rc == TL_OK ? begin_trial(a, t, err) : rc;
        if (rc == TL_EFINISHED || (a->popped && rc == TL_ENOTFOUND)) {
            rc = 1; /* ended by somebody else already */
        } else if (rc != TL_OK) {
            tl_storage_set_state(a->study->storage, t->id, TL_FAIL, NULL, 0, NULL, NULL);
        }
    } else if (rc == TL_EUNKNOWN) {
        fail_unknown(a);
    }
    commit_release(&c);
    a->commit = NULL;
    return rc;
}

/* In place of one that a round has spoilt; the memory moves along, because the space lies in it. NULL: out of memory. */
static tl_trial *fresh_handle(struct ask *a, tl_trial *spoilt)
{
    tl_trial *t = trial_new(a->study);
    if (t) {
        t->memory = spoilt->memory;
        spoilt->memory = (struct arena){0};
        a->memory = &t->memory;
    }
    tl_trial_free(spoilt);
    return t;
}

TL_API int tl_study_ask(tl_study *study, const struct tl_ask_options *options, tl_trial **out, struct tl_err *err)
{
    struct ask a = {.study = study, .options = TL_ASK_OPTIONS_INIT, .proposed_for = -1};
    int rc = read_options(&a.options, sizeof a.options, options, "ask options", err);
    if (rc != TL_OK) {
        return rc;
    }
    tl_trial *t = trial_new(study);
    if (!t) {
        return err_nomem(err);
    }
    a.memory = &t->memory;
    (void)lease_look(study->storage); /* before anything is decided: what was lost may be tried again */
    rc = read_space(&a, err);
    a.later = draws_for_number(&a) && a.options.budget == 0 && !study->sampler->ops.claim && defer_instead(study->storage);
    if (rc == TL_OK) {
        while ((rc = a.rounds == 0 || a.late ? prepare(&a, err) : TL_OK) == TL_OK && (rc = ask_once(&a, t, err)) == 1 &&
               (t = fresh_handle(&a, t)) != NULL) {
        }
        rc = t ? rc : err_nomem(err);
    }
    if (rc == TL_OK) {
        *out = t;
    } else {
        tl_trial_free(t);
    }
    mem_free(a.fixed.items);
    mem_free(a.attrs.items);
    return rc;
}
