/* SPDX-License-Identifier: MIT
 *
 * A trial being run: what it was suggested, what it reports. (Pruning is in prune.c.)
 *
 * The suggest state machine, the same for every sampler: a name asked for before gives its value again; else a value fixed in
 * advance; else the only value of the distribution; else the sampler's joint proposal, if it lies inside; else the sampler's
 * independent one. The sampler is asked for its joint proposal once, at the first suggestion that gets that far.
 *
 * Suggestions wait in `params` behind n_written and travel at the front of the next append; when the sampler wants others to know, that is
 * at once, or they go to the storage's own list of what waits (trial_share). They are checked against the study
 * as it is known here when they are made, and against the state at the head when they are written. A suggestion that turns out
 * not to fit is forgotten, so that the trial can still be ended.
 */
#include "engine/study.h"

#include <math.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/storage.h"

/* ---- fixed parameters ---- */

int fixed_add(struct fixed_list *list, struct str name, const struct tl_value *value, struct arena *a, struct tl_err *err)
{
    struct fixed f;
    if (!mem_grow((void **)&list->items, &list->cap, list->n + 1, sizeof *list->items)) {
        return err_nomem(err);
    }
    f.name = (struct str){arena_dup(a, name.p, name.n), name.n};
    int rc = f.name.p ? value_copy(value, &f.value, a, err) : err_nomem(err);
    if (rc == TL_OK) {
        list->items[list->n++] = f;
    }
    return rc;
}

int fixed_read(struct fixed_list *list, struct str text, struct arena *a, struct tl_err *err)
{
    struct json j = JSON_OF(text.p, text.n);
    struct str name;
    bool first = true;
    int rc = json_open(&j, '{', err);
    while (rc == TL_OK && (rc = json_next_key(&j, &first, a, &name, err)) > 0) {
        struct tl_value value;
        rc = dist_value_read(&j, a, &value, err);
        if (rc == TL_OK) {
            rc = fixed_add(list, name, &value, a, err);
        }
    }
    return rc;
}

/* The last one of a name counts, as in Python. */
const struct fixed *fixed_find(const struct fixed_list *list, struct str name)
{
    for (size_t i = list->n; i > 0; i--) {
        if (str_eq(list->items[i - 1].name, name)) {
            return &list->items[i - 1];
        }
    }
    return NULL;
}

/* ---- the handle ---- */

tl_trial *trial_new(tl_study *study)
{
    tl_trial *t = mem_zalloc(1, sizeof *t);
    if (t) {
        t->study = study;
        t->id = t->number = -1;
        t->names = (struct intern)INTERN_INIT;
    }
    return t;
}

TL_API void tl_trial_free(tl_trial *t)
{
    if (t) {
        tl_view_close(t->view);
        commit_release(&t->commit);
        intern_release(&t->names);
        reports_release(&t->reports);
        relative_release(&t->relative);
        mem_free(t->fixed.items);
        mem_free(t->slots);
        mem_free(t->params);
        arena_release(&t->memory);
        mem_free(t);
    }
}

TL_API int64_t tl_trial_number(const tl_trial *t)
{
    return t->number;
}

TL_API int64_t tl_trial_id(const tl_trial *t)
{
    return t->study->storage->base_id + t->id;
}

static struct param *known_param(const tl_trial *t, struct str name)
{
    uint32_t number = intern_find(&t->names, name);
    return number == INTERN_NONE || t->slots[number] == INTERN_NONE ? NULL : &t->params[t->slots[number]];
}

TL_API bool tl_trial_param(const tl_trial *t, const char *name, double *internal)
{
    const struct param *p = name ? known_param(t, str_of(name)) : NULL;
    if (p) {
        *internal = p->internal;
    }
    return p != NULL;
}

TL_API size_t tl_trial_n_params(const tl_trial *t)
{
    return t->n_params;
}

TL_API void tl_trial_get_param(const tl_trial *t, size_t index, struct tl_param *out)
{
    const struct param *p = &t->params[index];
    *out = (struct tl_param){{p->name.p, p->name.n}, p->internal, true, &p->dist, {p->text.p, p->text.n}};
}

int trial_add_param(tl_trial *t, const struct param *p, bool waits, struct tl_err *err)
{
    if (t->n_params >= INTERN_NONE - 1 ||
        !mem_grow((void **)&t->params, &t->cap_params, t->n_params + 1, sizeof *t->params) ||
        !mem_grow((void **)&t->slots, &t->cap_slots, t->names.strings.len + 1, sizeof *t->slots)) {
        return err_nomem(err);
    }
    uint32_t number = intern_add(&t->names, p->name);
    if (number == INTERN_NONE) {
        return err_nomem(err);
    }
    t->slots[number] = (uint32_t)t->n_params;
    t->params[t->n_params++] = *p;
    if (!waits) {
        t->n_written = t->n_params;
    }
    return TL_OK;
}

static void forget_param(tl_trial *t, size_t index)
{
    t->slots[intern_find(&t->names, t->params[index].name)] = INTERN_NONE;
    for (size_t i = index + 1; i < t->n_params; i++) {
        t->slots[intern_find(&t->names, t->params[i].name)] = (uint32_t)(i - 1);
        t->params[i - 1] = t->params[i];
    }
    t->n_params--;
}

/* ---- what the journal has already ---- */

static int load_params(tl_trial *t, const struct state *s, const struct live_trial *live, const void **entries,
                       struct tl_err *err)
{
    if (!list_collect(&live->params, entries)) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < live->params.distinct; i++) {
        const struct param_entry *e = entries[i];
        const struct dist *d = dist_table_get(&s->dists, e->dist);
        struct str name = intern_str(&s->names, e->name);
        struct param p = {.internal = e->internal};
        if (!e->has_value) {
            continue;
        }
        p.name = (struct str){arena_dup(&t->memory, name.p, name.n), name.n};
        p.text = (struct str){arena_dup(&t->memory, d->text.p, d->text.n), d->text.n};
        int rc = p.name.p && p.text.p ? dist_copy(&d->d, &p.dist, &t->memory, err) : err_nomem(err);
        if (rc == TL_OK) {
            rc = trial_add_param(t, &p, false, err);
        }
        if (rc != TL_OK) {
            return rc;
        }
    }
    return TL_OK;
}

static int load_live(tl_trial *t, const struct state *s, const struct live_trial *live, struct tl_err *err)
{
    size_t most = live->params.distinct > live->reports.distinct ? live->params.distinct : live->reports.distinct;
    const void **entries = mem_alloc((most + 1) * sizeof *entries);
    uint32_t key = intern_find(&s->names, STR("fixed_params"));
    const struct attr_entry *attr = key == INTERN_NONE ? NULL : list_find(&live->attrs, list_key_attr(key, TL_ATTR_SYSTEM));
    int rc = entries ? load_params(t, s, live, entries, err) : err_nomem(err);
    if (rc == TL_OK && !list_collect(&live->reports, entries)) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == TL_OK && i < live->reports.distinct; i++) {
        const struct report_entry *e = entries[i];
        rc = reports_add(&t->reports, e->step, e->value, err);
    }
    if (rc == TL_OK && attr) {
        rc = fixed_read(&t->fixed, attr->json, &t->memory, err);
        rc = rc == TL_OK ? rc : err_wrap(err, rc, "attribute fixed_params of trial %lld", (long long)t->number);
    }
    mem_free(entries);
    return rc;
}

int trial_load(tl_trial *t, struct tl_err *err)
{
    const struct state *s = store_lock_state(t->study->storage);
    const struct live_trial *live = NULL;
    const struct row *row;
    struct study *st;
    uint32_t number;
    if (state_trial_place(s, t->id, &st, &number)) {
        study_trial(st, number, &row, &live);
    }
    int rc = TL_ENOTFOUND;
    if (live) {
        t->number = number;
        rc = load_live(t, s, live, err);
    } else {
        err_set(err, rc, "trial %lld is gone", (long long)t->id);
    }
    store_unlock_state(t->study->storage);
    return rc;
}

/* ---- asking the sampler ---- */

int trial_context(tl_trial *t, struct tl_sample_context *out, struct tl_err *err)
{
    tl_study *study = t->study;
    if (!(study->sampler->ops.flags & TL_SAMPLER_STATELESS) && !t->view) {
        int rc = tl_view_open(study->storage, study->id, true, &t->view, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
    *out = (struct tl_sample_context){t->view, tl_study_id(study), t->number, study->handle, NULL};
    return TL_OK;
}

struct proposal {
    struct arena *arena;
    struct relative *out;
    struct attr_list *attrs;
    struct tl_err *err;
    int rc;
};

static int take_published(void *ctx, const char *key, const char *json)
{
    struct proposal *to = ctx;
    to->rc = attr_add(to->attrs, key, json, to->arena, to->err);
    return to->rc;
}

static int take_assignment(void *ctx, const struct tl_assignment *a)
{
    struct proposal *to = ctx;
    struct param p;
    int rc = param_make(&p, a->name, a->dist, to->arena, NULL, to->err);
    if (rc == TL_OK && !mem_grow((void **)&to->out->list, &to->out->cap, to->out->n + 1, sizeof *to->out->list)) {
        rc = err_nomem(to->err);
    }
    uint32_t number = rc == TL_OK ? intern_add(&to->out->names, p.name) : 0;
    if (rc == TL_OK && number == INTERN_NONE) {
        rc = err_nomem(to->err);
    }
    if (rc == TL_OK && number == to->out->n) { /* of one that is proposed twice the first counts */
        p.internal = a->internal;
        to->out->list[to->out->n++] = p;
    }
    to->rc = rc;
    return rc;
}

int sample_relative(const tl_sampler *sampler, const struct tl_sample_context *c, struct arena *a, struct relative *out,
                    struct attr_list *attrs, struct tl_err *err)
{
    struct proposal to = {a, out, attrs, err, TL_OK};
    *out = (struct relative){.names = INTERN_INIT};
    if (!sampler->ops.relative) {
        return TL_OK;
    }
    int rc = sampler->ops.relative(sampler->self, c, take_assignment, attrs ? take_published : NULL, &to, err);
    return to.rc != TL_OK ? to.rc : rc;
}

const struct param *relative_find(const struct relative *r, struct str name)
{
    uint32_t number = r->n ? intern_find(&r->names, name) : INTERN_NONE;
    return number < r->n ? &r->list[number] : NULL;
}

void relative_release(struct relative *r)
{
    mem_free(r->list);
    if (r->cap) {
        intern_release(&r->names);
    }
    *r = (struct relative){0};
}

int sample_param(const tl_sampler *sampler, const struct tl_sample_context *c, const struct param *p,
                 const struct param *relative, double *internal, struct tl_err *err)
{
    if (relative) {
        if (!dist_same_kind(&relative->dist, &p->dist)) {
            return err_set(err, TL_EINCOMPATIBLE, "sampler '%s' proposes another kind of distribution for parameter '%s'",
                           sampler->ops.name, p->name.p);
        }
        if (tl_dist_contains(&p->dist, relative->internal)) {
            *internal = relative->internal;
            return TL_OK;
        }
    }
    return sampler->ops.independent(sampler->self, c, p->name.p, &p->dist, internal, err);
}

/* The joint proposal, once per trial; what the sampler wants others to know is written at once, before the objective runs. */
static int ask_relative(tl_trial *t, const struct tl_sample_context *c, struct tl_err *err)
{
    struct attr_list attrs = {0};
    int rc = sample_relative(t->study->sampler, c, &t->memory, &t->relative, t->unpublished ? NULL : &attrs, err);
    struct op *ops = rc == TL_OK && attrs.n ? arena_alloc(&t->memory, attrs.n * sizeof *ops) : NULL;
    for (size_t i = 0; ops && i < attrs.n; i++) {
        ops[i] = (struct op){.code = OP_TRIAL_SYSTEM_ATTR, .name = attrs.items[i].key, .text = attrs.items[i].json};
    }
    if (rc == TL_OK && attrs.n) {
        rc = ops ? trial_write_with(t, ops, attrs.n, err) : err_nomem(err);
    }
    mem_free(attrs.items);
    t->asked_relative = rc == TL_OK;
    if (rc != TL_OK) {
        relative_release(&t->relative);
    }
    return rc;
}

TL_API int tl_trial_each_proposal(tl_trial *t, int (*each)(void *ctx, const struct tl_assignment *a), void *ctx,
                                  struct tl_err *err)
{
    struct tl_sample_context c;
    int rc = TL_OK;
    if (!t->asked_relative) {
        rc = trial_context(t, &c, err);
        rc = rc == TL_OK ? ask_relative(t, &c, err) : rc;
    }
    for (size_t i = 0; rc == TL_OK && i < t->relative.n; i++) {
        const struct param *p = &t->relative.list[i];
        rc = each(ctx, &(struct tl_assignment){p->name.p, &p->dist, p->internal});
    }
    return rc;
}

/* ---- suggesting ---- */

static int fixed_value(tl_trial *t, const struct fixed *f, const struct param *p, double *internal, struct tl_err *err)
{
    int rc = tl_dist_internal(&p->dist, &f->value, internal, err);
    if (rc != TL_OK) {
        return err_wrap(err, rc, "parameter '%s' of trial %lld is fixed", p->name.p, (long long)t->number);
    }
    if (!tl_dist_contains(&p->dist, *internal)) {
        log_emit(store_log(t->study->storage), LOG_TRIAL,
                 "trial %lld: the fixed value of parameter '%s' lies outside its range and is used all the same",
                 (long long)t->number, p->name.p);
    }
    return TL_OK;
}

static int sampled_value(tl_trial *t, const struct param *p, double *internal, bool *share, struct tl_err *err)
{
    const tl_sampler *sampler = t->study->sampler;
    struct tl_sample_context c;
    int rc = trial_context(t, &c, err);
    if (rc == TL_OK && !t->asked_relative) {
        rc = ask_relative(t, &c, err);
    }
    c.share = share;
    return rc == TL_OK ? sample_param(sampler, &c, p, relative_find(&t->relative, p->name), internal, err) : rc;
}

/* `*share` becomes true when others should know of the value at once. */
static int new_value(tl_trial *t, struct param *p, bool *share, struct tl_err *err)
{
    const struct fixed *f = fixed_find(&t->fixed, p->name);
    double internal = NAN;
    int rc = TL_OK;
    if (f) {
        rc = fixed_value(t, f, p, &internal, err);
    } else if (tl_dist_single(&p->dist)) {
        internal = p->dist.kind == TL_DIST_CATEGORICAL ? 0 : p->dist.low;
    } else {
        rc = sampled_value(t, p, &internal, share, err);
    }
    return rc == TL_OK ? param_set(p, internal, err) : rc;
}

/* Against the study as this process knows it; what others wrote meanwhile comes to light when the suggestion is written. */
static int check_known(tl_trial *t, const struct param *p, struct tl_err *err)
{
    int rc = store_enter(t->study->storage, err);
    if (rc != TL_OK) {
        return rc;
    }
    const struct state *s = store_lock_state(t->study->storage);
    const struct study *st = state_study_any(s, t->study->id);
    rc = st ? param_fits(s, st, p, err) : TL_OK;
    store_unlock_state(t->study->storage);
    return rc;
}

static int again(tl_trial *t, const struct param *known, const struct tl_dist *dist, double *internal, struct tl_err *err)
{
    struct tl_dist d = *dist;
    int rc = tl_dist_normalise(&d, NULL, err);
    if (rc != TL_OK) {
        return err_wrap(err, rc, "parameter '%s'", known->name.p);
    }
    if (!dist_same_kind(&known->dist, &d)) {
        return err_set(err, TL_EINCOMPATIBLE, "parameter '%s' was suggested with another kind of distribution before",
                       known->name.p);
    }
    if (d.low != known->dist.low || d.high != known->dist.high || d.step != known->dist.step) {
        log_emit(store_log(t->study->storage), LOG_TRIAL,
                 "trial %lld: parameter '%s' was suggested from another range before; its value stays",
                 (long long)t->number, known->name.p);
    }
    *internal = known->internal;
    return TL_OK;
}

TL_API int tl_trial_suggest(tl_trial *t, const char *name, const struct tl_dist *dist, double *internal, struct tl_err *err)
{
    struct param p;
    bool adjusted = false, share = false;
    int rc = check_name("name of a parameter", name, err);
    if (rc == TL_OK && !dist) {
        rc = err_set(err, TL_EINVAL, "parameter '%s' has no distribution", name);
    }
    if (rc != TL_OK) {
        return rc;
    }
    const struct param *known = known_param(t, str_of(name));
    if (known) {
        return again(t, known, dist, internal, err);
    }
    rc = param_make(&p, name, dist, &t->memory, &adjusted, err);
    if (rc == TL_OK && adjusted) {
        log_emit(store_log(t->study->storage), LOG_TRIAL,
                 "trial %lld: the upper end of parameter '%s' is no step from the lower one and was moved",
                 (long long)t->number, name);
    }
    if (rc == TL_OK) {
        rc = check_known(t, &p, err);
    }
    if (rc == TL_OK) {
        rc = new_value(t, &p, &share, err);
    }
    if (rc == TL_OK) {
        rc = trial_add_param(t, &p, true, err);
    }
    if (rc == TL_OK && share) {
        rc = trial_share(t, err);
    }
    if (rc == TL_OK) {
        *internal = p.internal;
    }
    return rc;
}

TL_API int tl_trial_suggest_float(tl_trial *t, const char *name, double low, double high, double step, bool log,
                                  double *out, struct tl_err *err)
{
    struct tl_dist d = {TL_DIST_FLOAT, log, low, high, step, NULL, 0};
    return tl_trial_suggest(t, name, &d, out, err);
}

TL_API int tl_trial_suggest_int(tl_trial *t, const char *name, int64_t low, int64_t high, int64_t step, bool log,
                                int64_t *out, struct tl_err *err)
{
    static const int64_t limit = INT64_C(1) << 53;
    double v;
    if (low < -limit || high > limit || high < -limit || low > limit || step < 0 || step > 2 * limit) {
        return err_set(err, TL_EINVAL, "parameter '%s': bounds must be within +-2^53 and step positive", name ? name : "");
    }
    struct tl_dist d = {TL_DIST_INT, log, (double)low, (double)high, (double)step, NULL, 0};
    int rc = tl_trial_suggest(t, name, &d, &v, err);
    if (rc == TL_OK && !(fabs(v) <= 0x1p62)) {
        rc = err_set(err, TL_EINVAL, "the fixed value of parameter '%s' does not fit an integer", name);
    }
    if (rc == TL_OK) {
        *out = (int64_t)v;
    }
    return rc;
}

TL_API int tl_trial_suggest_choice(tl_trial *t, const char *name, const struct tl_value *choices, size_t n_choices,
                                   size_t *index, struct tl_err *err)
{
    struct tl_dist d = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, n_choices};
    double v;
    int rc = tl_trial_suggest(t, name, &d, &v, err);
    if (rc == TL_OK) {
        *index = (size_t)v;
    }
    return rc;
}

TL_API int tl_trial_suggest_string(tl_trial *t, const char *name, const char *const *choices, size_t n_choices,
                                   size_t *index, struct tl_err *err)
{
    struct tl_value *values = mem_zalloc(n_choices + 1, sizeof *values);
    int rc = values ? TL_OK : err_nomem(err);
    for (size_t i = 0; rc == TL_OK && i < n_choices; i++) {
        if (!choices || !choices[i]) {
            rc = err_set(err, TL_EINVAL, "choice %zu of parameter '%s' is missing", i, name ? name : "");
            break;
        }
        values[i].kind = TL_VALUE_STRING;
        values[i].as.text.s = choices[i];
        values[i].as.text.len = strlen(choices[i]);
    }
    if (rc == TL_OK) {
        rc = tl_trial_suggest_choice(t, name, values, n_choices, index, err);
    }
    mem_free(values);
    return rc;
}

/* ---- writing ---- */

struct trial_write trial_waiting(const tl_trial *t)
{
    return (struct trial_write){.trial_id = t->id,
                                .params = t->params ? t->params + t->n_written : NULL,
                                .n_params = t->n_params - t->n_written,
                                .misfit = t->n_params - t->n_written};
}

int trial_wrote(tl_trial *t, const struct trial_write *w, const struct commit *c, int rc, struct tl_err *err)
{
    if (rc == TL_OK) {
        t->n_written += w->n_params;
    } else if (rc == TL_EINCOMPATIBLE && c->n_ops == 0 && w->misfit < w->n_params) {
        forget_param(t, t->n_written + w->misfit); /* found before anything was written */
    } else if (rc == TL_EINCOMPATIBLE && c->n_ops > 0) {
        size_t first = t->n_written; /* another writer was faster: what fits has been written all the same */
        for (size_t i = w->n_params; i > 0; i--) {
            if (c->applied[i - 1].verdict == V_INCOMPATIBLE) {
                err_set(err, rc, "parameter '%s' has another kind of distribution in this study", w->params[i - 1].name.p);
                forget_param(t, first + i - 1);
            }
        }
        t->n_written = t->n_params;
    }
    return rc;
}

int trial_write_with(tl_trial *t, const struct op *ops, size_t n, struct tl_err *err)
{
    struct trial_write w = trial_waiting(t);
    w.ops = ops;
    w.n_ops = n;
    t->commit = (struct commit){.decide = trial_write_decide, .ctx = &w, .has_trial = true, .trial = t->id, .arena = t->commit.arena};
    int rc = explain_finished(t->study->storage, t->id, store_commit(t->study->storage, &t->commit, err), err);
    return trial_wrote(t, &w, &t->commit, rc, err);
}

TL_API int tl_trial_flush(tl_trial *t, struct tl_err *err)
{
    return t->n_written == t->n_params ? TL_OK : trial_write_with(t, NULL, 0, err);
}

int trial_share(tl_trial *t, struct tl_err *err)
{
    bool waits = true;
    while (t->n_written < t->n_params && waits) {
        int rc = store_defer(t->study->storage, t->id, &t->params[t->n_written], NULL, &waits, err);
        if (rc != TL_OK) {
            return rc;
        }
        t->n_written += waits;
    }
    return tl_trial_flush(t, err);
}

TL_API bool tl_trial_reported(const tl_trial *t, int64_t step)
{
    uint64_t index;
    return step >= 0 && map64_get(&t->reports.steps, (uint64_t)step, &index);
}

TL_API int tl_trial_report(tl_trial *t, int64_t step, double value, struct tl_err *err)
{
    uint64_t index;
    if (t->study->n_directions > 1) {
        return err_set(err, TL_EINVAL, "a trial of a study with several objectives has no intermediate values");
    }
    if (step < 0) {
        return err_set(err, TL_EINVAL, "step %lld is below 0", (long long)step);
    }
    if (map64_get(&t->reports.steps, (uint64_t)step, &index)) {
        log_emit(store_log(t->study->storage), LOG_TRIAL, "trial %lld: step %lld was reported before; the new value is dropped",
                 (long long)t->number, (long long)step);
        return TL_OK;
    }
    struct op op = {.code = OP_TRIAL_REPORT, .step = step, .number = value};
    struct report_facts facts = t->reports.facts;
    int rc = reports_add(&t->reports, step, value, err); /* first: once it is written nothing may fail any more */
    if (rc != TL_OK) {
        return rc;
    }
    rc = trial_write_with(t, &op, 1, err);
    if (rc != TL_OK) {
        reports_drop(&t->reports, &facts);
    }
    return rc;
}

TL_API int tl_trial_set_attr(tl_trial *t, enum tl_attr_kind kind, const char *key, const char *json, struct tl_err *err)
{
    struct arena memory = {0};
    struct op op = {.code = kind == TL_ATTR_USER ? OP_TRIAL_USER_ATTR : OP_TRIAL_SYSTEM_ATTR, .name = str_of(key)};
    bool waits = false;
    int rc = check_name("key of an attribute", key, err);
    if (rc == TL_OK) {
        rc = check_json(key, json, &memory, &op.text, err);
    }
    if (rc == TL_OK) {
        rc = store_defer(t->study->storage, t->id, NULL, &op, &waits, err);
    }
    if (rc == TL_OK && !waits) {
        rc = trial_write_with(t, &op, 1, err);
    }
    arena_release(&memory);
    return rc;
}
