/* SPDX-License-Identifier: MIT
 *
 * For study loops other than ours (bindings, adapters): claims of samplers by trial id, and a pruner's decision from a view.
 *
 * A claim is decided as tl_study_ask decides it, under the journal's lock on the state at its head, and stored in the same append: with
 * the trial that is created by it, or with one that exists. So no two trials hold the same. When another writer took our lock away and
 * was first (its trial has the number that we decided for), the trial that we created is failed and the claim is made again.
 *
 * The caller's functions are called before the lock is taken or after it was given back, never under it: what a sampler says under the
 * lock is collected.
 *
 * Failure modes: TL_EEXHAUSTED when nothing is left, and then nothing is written; those of any write.
 */
#include "engine/study.h"

#include "base/err.h"
#include "engine/parts.h"

/* ---- claims ---- */

struct claim {
    tl_storage *storage;
    const tl_sampler *sampler;
    uint64_t handle;
    int64_t study_id;
    int64_t trial_id; /* -1: one is created */
    int64_t number;   /* result: of the trial that it is decided for */
    struct commit *commit;
    struct fixed_list fixed;
    struct attr_list attrs;
    struct tl_err *err;
    int rc; /* of the callbacks */
};

static int take_fixed(void *ctx, const char *name, const struct tl_value *value)
{
    struct claim *k = ctx;
    k->rc = check_name("name of a parameter", name, k->err);
    if (k->rc == TL_OK) {
        k->rc = fixed_add(&k->fixed, str_of(name), value, &k->commit->arena, k->err);
    }
    return k->rc;
}

static int take_attr(void *ctx, const char *key, const char *json)
{
    struct claim *k = ctx;
    k->rc = attr_add(&k->attrs, key, json, &k->commit->arena, k->err);
    return k->rc;
}

/* Asks the sampler on this state; what it says is in `fixed` and `attrs`. */
static int decide_claim(struct claim *k, const struct state *s, struct tl_err *err)
{
    tl_view *view;
    k->fixed.n = k->attrs.n = 0;
    k->rc = TL_OK;
    k->err = err;
    if (!k->sampler->ops.claim) {
        return TL_OK;
    }
    int rc = store_view(k->storage, s, k->study_id, &view, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct tl_sample_context c = {view, tl_view_study_id(view), k->number, k->handle, NULL};
    rc = k->sampler->ops.claim(k->sampler->self, &c, take_fixed, take_attr, k, err);
    tl_view_close(view);
    return k->rc != TL_OK ? k->rc : rc;
}

static int decide_create(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct claim *k = c->ctx;
    struct study *st;
    int rc = find_study(s, k->study_id, &st, err);
    if (rc != TL_OK) {
        return rc;
    }
    k->number = (int64_t)st->n_trials;
    rc = decide_claim(k, s, err);
    struct op *op = rc == TL_OK ? commit_ops(c, 1) : NULL;
    if (!op) {
        return rc == TL_OK ? err_nomem(err) : rc;
    }
    *op = (struct op){.code = OP_CREATE_TRIAL, .target = k->study_id, .state = TL_RUNNING, .start = store_now(),
                      .is_template = k->attrs.n > 0, .system_attrs = k->attrs.items, .n_system_attrs = k->attrs.n};
    return TL_OK;
}

/* Does the trial have what says that its values are settled? */
static bool has_claim(const struct state *s, const struct live_trial *live)
{
    static const char *const keys[] = {"grid_id", "fixed_params"};
    for (size_t i = 0; i < TL_COUNT(keys); i++) {
        uint32_t key = intern_find(&s->names, str_of(keys[i]));
        if (key != INTERN_NONE && list_find(&live->attrs, list_key_attr(key, TL_ATTR_SYSTEM))) {
            return true;
        }
    }
    return false;
}

static int decide_existing(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct claim *k = c->ctx;
    const struct live_trial *live;
    struct study *st;
    uint32_t number = 0;
    int rc = find_open_trial(s, k->trial_id, &st, &live, err);
    if (rc != TL_OK) {
        return rc;
    }
    k->fixed.n = 0;
    if (has_claim(s, live)) {
        return TL_OK; /* nothing is written */
    }
    (void)state_trial_place(s, k->trial_id, &st, &number);
    k->study_id = st->id;
    k->number = number;
    rc = decide_claim(k, s, err);
    struct op *ops = rc == TL_OK ? commit_ops(c, k->attrs.n) : NULL;
    if (rc != TL_OK || k->attrs.n == 0) {
        c->n_ops = 0;
        return rc;
    }
    if (!ops) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < k->attrs.n; i++) {
        ops[i] = (struct op){.code = OP_TRIAL_SYSTEM_ATTR, .target = live->id, .name = k->attrs.items[i].key,
                             .text = k->attrs.items[i].json};
    }
    return TL_OK;
}

/* Slow preparation outside the lock. */
static int prepare(struct claim *k, struct tl_err *err)
{
    tl_view *view;
    if (!k->sampler->ops.claim || !k->sampler->ops.prepare) {
        return TL_OK;
    }
    int rc = tl_view_open(k->storage, k->study_id, true, &view, err);
    if (rc == TL_OK) {
        struct tl_sample_context c = {view, tl_view_study_id(view), (int64_t)tl_view_n_trials(view), k->handle, NULL};
        rc = k->sampler->ops.prepare(k->sampler->self, &c, err);
        tl_view_close(view);
    }
    return rc;
}

static int give_fixed(const struct claim *k, int (*fix)(void *ctx, const char *name, const struct tl_value *value), void *ctx)
{
    int rc = TL_OK;
    for (size_t i = 0; fix && rc == TL_OK && i < k->fixed.n; i++) {
        rc = fix(ctx, k->fixed.items[i].name.p, &k->fixed.items[i].value);
    }
    return rc;
}

/* 1: another writer was first; the trial has been failed. */
static int create_once(struct claim *k, struct commit *c, int64_t *trial_id, int64_t *number, struct tl_err *err)
{
    int rc = store_commit(k->storage, c, err);
    if (rc != TL_OK) {
        return rc;
    }
    *trial_id = c->applied[0].id;
    *number = trial_number(k->storage, *trial_id);
    if (k->sampler->ops.claim && *number != k->number) {
        rc = tl_storage_set_state(k->storage, *trial_id, TL_FAIL, NULL, 0, NULL, err);
        return rc == TL_OK || rc == TL_EFINISHED ? 1 : rc;
    }
    return TL_OK;
}

TL_API int tl_sampler_create_trial(const tl_sampler *sampler, tl_storage *storage, int64_t study_id, uint64_t handle,
                                   int (*fix)(void *ctx, const char *name, const struct tl_value *value), void *ctx,
                                   int64_t *trial_id, int64_t *number, struct tl_err *err)
{
    struct claim k = {.storage = storage, .sampler = sampler, .handle = handle, .study_id = study_id, .trial_id = -1};
    int64_t id = -1, n = -1, base = 0;
    int rc = storage_part(&k.storage, &k.study_id, &base, "study", err);
    if (rc == TL_OK) {
        rc = prepare(&k, err);
    }
    for (bool again = true; rc == TL_OK && again;) {
        struct commit c = {.decide = decide_create, .ctx = &k, .exact = sampler->ops.claim ? EXACT_HEAD : EXACT_NOT};
        k.commit = &c;
        rc = create_once(&k, &c, &id, &n, err);
        again = rc == 1;
        rc = rc == 1 ? TL_OK : rc == TL_OK ? give_fixed(&k, fix, ctx) : rc;
        commit_release(&c);
    }
    mem_free(k.fixed.items);
    mem_free(k.attrs.items);
    if (rc == TL_OK && trial_id) {
        *trial_id = base + id;
    }
    if (rc == TL_OK && number) {
        *number = n;
    }
    return rc;
}

/* The study of a trial that can change. */
static int study_of(tl_storage *storage, int64_t trial_id, int64_t *study_id, struct tl_err *err)
{
    const struct live_trial *live;
    struct study *st;
    int rc = store_refresh(storage, err);
    if (rc == TL_OK) {
        rc = find_open_trial(store_lock_state(storage), trial_id, &st, &live, err);
        if (rc == TL_OK) {
            *study_id = st->id;
        }
        store_unlock_state(storage);
    }
    return rc;
}

TL_API int tl_sampler_claim_trial(const tl_sampler *sampler, tl_storage *storage, int64_t trial_id, uint64_t handle,
                                  int (*fix)(void *ctx, const char *name, const struct tl_value *value), void *ctx,
                                  struct tl_err *err)
{
    struct claim k = {.storage = storage, .sampler = sampler, .handle = handle, .trial_id = trial_id};
    int rc = storage_part(&k.storage, &k.trial_id, NULL, "trial", err);
    if (rc == TL_OK) {
        rc = study_of(k.storage, k.trial_id, &k.study_id, err);
    }
    if (rc == TL_OK) {
        rc = prepare(&k, err);
    }
    if (rc == TL_OK) {
        struct commit c = {.decide = decide_existing, .ctx = &k, .exact = sampler->ops.claim ? EXACT_HEAD : EXACT_NOT};
        k.commit = &c;
        rc = store_commit(k.storage, &c, err);
        rc = rc == TL_OK ? give_fixed(&k, fix, ctx) : rc;
        commit_release(&c);
    }
    mem_free(k.fixed.items);
    mem_free(k.attrs.items);
    return rc;
}

/* ---- pruning ---- */

static int no_attr(void *ctx, const char *key, const char *json)
{
    (void)ctx, (void)key, (void)json;
    return TL_OK;
}

TL_API int tl_pruner_decide(const tl_pruner *pruner, const tl_view *view, int64_t trial_number, uint64_t handle,
                            int (*attr)(void *ctx, const char *key, const char *json), void *ctx, bool *prune, struct tl_err *err)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct trial_reports r = {.items = NULL};
    size_t n_objectives;
    bool answer = false;
    (void)tl_view_directions(view, &n_objectives);
    if (n_objectives > 1) {
        return err_set(err, TL_EINVAL, "a trial of a study with several objectives cannot be pruned");
    }
    int rc = tl_view_trial(view, trial_number, &trial, err);
    for (size_t i = 0; rc == TL_OK && i < trial.n_reports; i++) {
        rc = reports_add(&r, trial.reports[i].step, trial.reports[i].value, err);
    }
    if (rc == TL_OK && r.n > 0) {
        struct tl_prune_context c = {.view = view,
                                     .study_id = tl_view_study_id(view),
                                     .trial_number = trial_number,
                                     .handle = handle,
                                     .reports = r.items,
                                     .n_reports = r.n,
                                     .ranges = r.ranges,
                                     .last = r.facts.last,
                                     .previous_step = r.facts.previous_step,
                                     .ascending = !r.facts.descended,
                                     .attr = attr ? attr : no_attr,
                                     .ctx = ctx};
        rc = pruner->ops.prune(pruner->self, &c, &answer, err);
    }
    if (rc == TL_OK) {
        *prune = answer;
    }
    reports_release(&r);
    tl_frozen_release(&trial);
    return rc;
}
