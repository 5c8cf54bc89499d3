/* SPDX-License-Identifier: MIT
 *
 * Study handles: create, load, delete, attributes, best trial, adding trials that ran elsewhere.
 *
 * A handle holds what never changes in a study (id, name, directions) and who samples and prunes; everything else is read from
 * the state or a view when it is asked for. "Load or create" is one decision under the journal's lock, so of many workers that
 * start together one creates and all others load.
 */
#include "engine/study.h"

#include <math.h>

#include "base/err.h"
#include "engine/parts.h"

/* ---- making handles ---- */

TL_API uint64_t tl_handle_new(void)
{
    static atomic_uint_fast64_t count;
    return atomic_fetch_add(&count, 1) + 1;
}

/* What the options say of directions: `n` 0 when nothing is said. */
static int wanted_directions(const struct tl_study_options *o, const enum tl_direction **directions, size_t *n,
                             struct tl_err *err)
{
    static const enum tl_direction maximize[] = {TL_MAXIMIZE};
    *directions = o->directions;
    *n = o->directions ? o->n_directions : 0;
    if (o->directions) {
        return check_directions(o->directions, o->n_directions, err);
    }
    if (o->n_directions > 1) {
        return err_set(err, TL_EINVAL, "study options: n_directions is %zu but directions is NULL", o->n_directions);
    }
    if (o->maximize) {
        *directions = maximize;
        *n = 1;
    }
    return TL_OK;
}

static void put_directions(struct buf *b, const enum tl_direction *directions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_add_text(b, i ? ", " : "");
        buf_add_text(b, directions[i] == TL_MAXIMIZE ? "maximize" : "minimize");
    }
}

static int other_directions(const tl_study *study, const enum tl_direction *directions, size_t n, struct tl_err *err)
{
    struct buf is = BUF_INIT(100), wanted = BUF_INIT(100);
    put_directions(&is, study->directions, study->n_directions);
    put_directions(&wanted, directions, n);
    const char *a = buf_cstr(&is), *b = buf_cstr(&wanted);
    int rc = err_set(err, TL_EINVAL, "study '%s' exists with other directions: %s instead of %s", study->name, a ? a : "?",
                     b ? b : "?");
    buf_release(&is);
    buf_release(&wanted);
    return rc;
}

/* Learns id and directions by name; TL_ENOTFOUND. */
static int learn(tl_study *study, const char *name, struct tl_err *err)
{
    const struct study *st = state_study_by_name(store_lock_state(study->storage), str_of(name));
    int rc = st ? TL_OK : err_set(err, TL_ENOTFOUND, "there is no study named '%s'", name);
    if (rc == TL_OK) {
        study->id = st->id;
        study->n_directions = st->n_directions;
        study->directions = mem_zalloc(st->n_directions + 1, sizeof *study->directions);
        for (size_t i = 0; study->directions && i < st->n_directions; i++) {
            study->directions[i] = (enum tl_direction)st->directions[i];
        }
        rc = study->directions ? TL_OK : err_nomem(err);
    }
    store_unlock_state(study->storage);
    return rc;
}

/* A handle on a study that exists in the state. */
static int open_handle(tl_storage *storage, const char *name, const struct tl_study_options *o,
                       const enum tl_direction *directions, size_t n_directions, tl_study **out, struct tl_err *err)
{
    tl_study *study = mem_zalloc(1, sizeof *study);
    if (!study) {
        return err_nomem(err);
    }
    study->storage = storage;
    study->handle = tl_handle_new();
    study->name = mem_dup(name, strlen(name));
    study->pruner = o->pruner;
    study->sampler = o->sampler;
    int rc = study->name ? learn(study, name, err) : err_nomem(err);
    if (rc == TL_OK && n_directions &&
        (n_directions != study->n_directions ||
         memcmp(directions, study->directions, n_directions * sizeof *directions) != 0)) {
        rc = other_directions(study, directions, n_directions, err);
    }
    if (rc == TL_OK && !study->sampler) {
        study->own_sampler = true;
        rc = tl_sampler_create("tpe", NULL, 0, &study->sampler, err);
    }
    if (rc != TL_OK) {
        tl_study_free(study);
        return rc;
    }
    *out = study;
    return TL_OK;
}

TL_API int tl_study_load(tl_storage *storage, const char *name, const struct tl_study_options *options, tl_study **out,
                         struct tl_err *err)
{
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    const enum tl_direction *directions = NULL;
    size_t n = 0;
    int rc = read_options(&o, sizeof o, options, "study options", err);
    if (rc == TL_OK) {
        rc = check_name("name of the study", name, err);
    }
    if (rc == TL_OK) {
        rc = wanted_directions(&o, &directions, &n, err);
    }
    if (rc == TL_OK) {
        rc = storage_part_named(&storage, name, err);
    }
    if (rc == TL_OK) {
        rc = store_refresh(storage, err);
    }
    return rc == TL_OK ? open_handle(storage, name, &o, directions, n, out, err) : rc;
}

TL_API int tl_study_create(tl_storage *storage, const char *name, const struct tl_study_options *options, tl_study **out,
                           struct tl_err *err)
{
    static const enum tl_direction minimize[] = {TL_MINIMIZE};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    const enum tl_direction *directions = NULL;
    char fresh[STUDY_NAME_MAX];
    struct tl_err why = TL_ERR_INIT;
    size_t n = 0;
    int rc = read_options(&o, sizeof o, options, "study options", err);
    if (rc == TL_OK && !name) {
        rc = fresh_study_name(fresh, err);
        name = fresh;
    }
    if (rc == TL_OK) {
        rc = wanted_directions(&o, &directions, &n, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    if (o.load_if_exists) { /* most workers only load: no append, and a read-only storage will do */
        rc = tl_study_load(storage, name, &o, out, &why);
        if (rc != TL_ENOTFOUND) {
            if (rc != TL_OK && err) {
                *err = why;
            }
            return rc;
        }
    }
    rc = tl_storage_create_study(storage, name, n ? directions : minimize, n ? n : 1, NULL, &why);
    if (rc != TL_OK && !(rc == TL_EEXISTS && o.load_if_exists)) {
        if (err) {
            *err = why;
        }
        return rc;
    }
    rc = storage_part_named(&storage, name, err);
    return rc == TL_OK ? open_handle(storage, name, &o, directions, n, out, err) : rc;
}

TL_API void tl_study_free(tl_study *study)
{
    if (study) {
        if (study->pruner && study->pruner->ops.forget) {
            study->pruner->ops.forget(study->pruner->self, study->handle);
        }
        if (study->own_sampler) {
            tl_sampler_free(study->sampler);
        } else if (study->sampler && study->sampler->ops.forget) {
            study->sampler->ops.forget(study->sampler->self, study->handle);
        }
        mem_free(study->directions);
        mem_free(study->name);
        mem_free(study);
    }
}

/* ---- reading ---- */

TL_API int64_t tl_study_id(const tl_study *study)
{
    return study->storage->base_id + study->id;
}

TL_API const char *tl_study_name(const tl_study *study)
{
    return study->name;
}

TL_API tl_storage *tl_study_storage(const tl_study *study)
{
    return study->storage->root ? study->storage->root : study->storage;
}

TL_API size_t tl_study_n_directions(const tl_study *study)
{
    return study->n_directions;
}

TL_API int tl_study_view(tl_study *study, tl_view **out, struct tl_err *err)
{
    return tl_view_open(study->storage, study->id, true, out, err);
}

TL_API int tl_study_best(tl_study *study, int64_t *number, double *value, struct tl_err *err)
{
    if (study->n_directions != 1) {
        return err_set(err, TL_EINVAL, "study '%s' has %zu objectives: it has best trials, not one", study->name,
                       study->n_directions);
    }
    int rc = store_refresh(study->storage, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct study *st;
    rc = find_study(store_lock_state(study->storage), study->id, &st, err);
    if (rc == TL_OK && st->best < 0) {
        rc = err_set(err, TL_ENOTFOUND, "study '%s' has no completed trial%s", study->name,
                     st->counts[TL_COMPLETE] ? " that satisfies its constraints" : "");
    }
    if (rc == TL_OK) {
        const struct row *best = svec_at(&st->rows, (size_t)st->best);
        if (number) {
            *number = best->number;
        }
        if (value) {
            *value = best->value;
        }
    }
    store_unlock_state(study->storage);
    return rc;
}

/* ---- writing ---- */

TL_API int tl_study_set_attr(tl_study *study, enum tl_attr_kind kind, const char *key, const char *json, struct tl_err *err)
{
    return tl_storage_set_study_attr(study->storage, study->id, kind, key, json, err);
}

static int decide_delete(struct commit *c, const struct state *s, struct tl_err *err)
{
    const char *name = c->ctx;
    const struct study *st = state_study_by_name(s, str_of(name));
    if (!st) {
        return err_set(err, TL_ENOTFOUND, "there is no study named '%s'", name);
    }
    struct op *op = commit_ops(c, 1);
    if (!op) {
        return err_nomem(err);
    }
    op->code = OP_DELETE_STUDY;
    op->target = st->id;
    return TL_OK;
}

TL_API int tl_study_delete(tl_storage *storage, const char *name, struct tl_err *err)
{
    int64_t id;
    int rc = check_name("name of the study", name, err);
    if (rc == TL_OK && is_root(storage)) {
        rc = root_find_study(storage, name, &id, err);
        return rc == TL_OK ? root_delete_study(storage, id, err) : rc;
    }
    if (rc == TL_OK) {
        struct commit c = {.decide = decide_delete, .ctx = (void *)(uintptr_t)name};
        rc = store_commit(storage, &c, err);
        commit_release(&c);
    }
    return rc;
}

static int check_added(const tl_study *study, const struct tl_trial_spec *spec, struct tl_err *err)
{
    size_t n = spec->values ? spec->n_values : 0;
    if (spec->state == TL_COMPLETE && n != study->n_directions) {
        return err_set(err, TL_EINVAL, "a COMPLETE trial of study '%s' needs %zu values, not %zu", study->name,
                       study->n_directions, n);
    }
    if (spec->state == TL_FAIL && n) {
        return err_set(err, TL_EINVAL, "a FAIL trial has no values");
    }
    if (n && n != study->n_directions) {
        return err_set(err, TL_EINVAL, "study '%s' has %zu objectives, not %zu", study->name, study->n_directions, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (isnan(spec->values[i]) && spec->state == TL_COMPLETE) {
            return err_set(err, TL_EINVAL, "value %zu of the trial is NaN", i);
        }
    }
    return TL_OK;
}

static int check_inside(const struct tl_param_spec *p, struct tl_err *err)
{
    if (!p->name || !p->dist) {
        return err_set(err, TL_EINVAL, "a parameter of the trial has no name or no distribution");
    }
    struct tl_dist d = *p->dist;
    int rc = tl_dist_normalise(&d, NULL, err);
    if (rc != TL_OK) {
        return err_wrap(err, rc, "parameter '%s'", p->name);
    }
    return tl_dist_contains(&d, p->internal)
               ? TL_OK
               : err_set(err, TL_EINVAL, "the value of parameter '%s' lies outside its distribution", p->name);
}

TL_API int tl_study_add_trial(tl_study *study, const struct tl_trial_spec *given, int64_t *number, struct tl_err *err)
{
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    if (!given) {
        return err_set(err, TL_EINVAL, "no trial was given");
    }
    int rc = read_options(&spec, sizeof spec, given, "trial specification", err);
    if (rc == TL_OK) {
        rc = check_added(study, &spec, err);
    }
    for (size_t i = 0; rc == TL_OK && spec.params && i < spec.n_params; i++) {
        rc = check_inside(&spec.params[i], err);
    }
    return rc == TL_OK ? tl_storage_create_trial(study->storage, study->id, &spec, NULL, number, err) : rc;
}
