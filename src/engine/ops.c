/* SPDX-License-Identifier: MIT
 *
 * The operations by id: tl_storage_create_study … tl_storage_set_trial_attr, and the pieces that studies and trials share
 * with them.
 *
 * Happy path: arguments are checked and turned into operations outside the journal's critical section; decide() checks them
 * against the state at the head and hands them over. Failure modes: what the replay rules would refuse is refused with the same
 * code before anything is written; what fails after that is store_commit's.
 */
#include "engine/ops.h"

#include <math.h>

#include "base/err.h"
#include "base/json.h"
#include "engine/parts.h"

/* ---- checks of arguments ---- */

int check_name(const char *what, const char *name, struct tl_err *err)
{
    if (!name) {
        return err_set(err, TL_EINVAL, "the %s is missing", what);
    }
    return json_utf8_valid(str_of(name)) ? TL_OK : err_set(err, TL_EINVAL, "the %s is not valid UTF-8", what);
}

int check_json(const char *key, const char *json, struct arena *a, struct str *out, struct tl_err *err)
{
    struct buf b = BUF_INIT(JSON_TEXT_MAX);
    if (!json) {
        return err_set(err, TL_EINVAL, "attribute '%s' has no value", key);
    }
    int rc = json_compact(str_of(json), &b, err);
    rc = rc == TL_OK ? rc : err_wrap(err, rc, "the value of attribute '%s' is not JSON", key);
    char *copy = rc == TL_OK ? arena_dup(a, b.data, b.len) : NULL;
    size_t n = b.len;
    buf_release(&b);
    if (rc == TL_OK && !copy) {
        rc = err_nomem(err);
    }
    if (rc == TL_OK) {
        *out = (struct str){copy, n};
    }
    return rc;
}

int attr_make(struct op_attr *out, const char *key, const char *json, struct arena *a, struct tl_err *err)
{
    struct op_attr attr = {{NULL, 0}, {NULL, 0}};
    int rc = check_name("key of an attribute", key, err);
    if (rc == TL_OK) {
        rc = check_json(key, json, a, &attr.json, err);
    }
    if (rc == TL_OK) {
        attr.key = (struct str){arena_dup(a, key, strlen(key)), strlen(key)};
        rc = attr.key.p ? TL_OK : err_nomem(err);
    }
    if (rc == TL_OK) {
        *out = attr;
    }
    return rc;
}

int attr_add(struct attr_list *list, const char *key, const char *json, struct arena *a, struct tl_err *err)
{
    struct op_attr attr;
    int rc = attr_make(&attr, key, json, a, err);
    if (rc == TL_OK && !mem_grow((void **)&list->items, &list->cap, list->n + 1, sizeof *list->items)) {
        rc = err_nomem(err);
    }
    if (rc == TL_OK) {
        list->items[list->n++] = attr;
    }
    return rc;
}

int read_options(void *to, size_t size, const void *from, const char *what, struct tl_err *err)
{
    size_t given;
    if (!from) {
        return TL_OK;
    }
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > 4096) {
        return err_set(err, TL_EINVAL, "%s: size is %zu: use the INIT macro", what, given);
    }
    memcpy(to, from, given < size ? given : size);
    return TL_OK;
}

/* ---- parameters ---- */

int value_copy(const struct tl_value *from, struct tl_value *to, struct arena *a, struct tl_err *err)
{
    *to = *from;
    if (from->kind != TL_VALUE_STRING && from->kind != TL_VALUE_JSON) {
        return (unsigned)from->kind <= TL_VALUE_JSON ? TL_OK : err_set(err, TL_EINVAL, "unknown kind of value");
    }
    struct str text = {from->as.text.s, from->as.text.len};
    if (!json_utf8_valid(text)) {
        return err_set(err, TL_EINVAL, "a string is not valid UTF-8");
    }
    to->as.text.s = arena_dup(a, text.p, text.n);
    return to->as.text.s ? TL_OK : err_nomem(err);
}

int dist_copy(const struct tl_dist *from, struct tl_dist *to, struct arena *a, struct tl_err *err)
{
    struct tl_dist d = *from;
    int rc = TL_OK;
    if (d.kind == TL_DIST_CATEGORICAL && d.choices) {
        struct tl_value *choices =
            d.n_choices < SIZE_MAX / sizeof *choices ? arena_alloc(a, d.n_choices * sizeof *choices) : NULL;
        if (!choices) {
            return err_nomem(err);
        }
        for (size_t i = 0; rc == TL_OK && i < d.n_choices; i++) {
            rc = value_copy(&from->choices[i], &choices[i], a, err);
        }
        d.choices = choices;
    } else {
        d.choices = NULL;
        d.n_choices = 0;
    }
    if (rc == TL_OK) {
        *to = d;
    }
    return rc;
}

static int dist_text(const struct tl_dist *d, struct arena *a, struct str *out, struct tl_err *err)
{
    struct buf b = BUF_INIT(JSON_TEXT_MAX);
    int rc = dist_format(d, &b);
    char *copy = rc == TL_OK ? arena_dup(a, b.data, b.len) : NULL;
    if (rc != TL_OK) {
        rc = err_set(err, rc, "the distribution is too large");
    } else if (!copy) {
        rc = err_nomem(err);
    } else {
        *out = (struct str){copy, b.len};
    }
    buf_release(&b);
    return rc;
}

int param_make(struct param *out, const char *name, const struct tl_dist *dist, struct arena *a, bool *adjusted,
               struct tl_err *err)
{
    struct param p = {.name = {NULL, 0}};
    int rc = check_name("name of a parameter", name, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (!dist) {
        return err_set(err, TL_EINVAL, "parameter '%s' has no distribution", name);
    }
    p.name = (struct str){arena_dup(a, name, strlen(name)), strlen(name)};
    rc = p.name.p ? dist_copy(dist, &p.dist, a, err) : err_nomem(err);
    if (rc == TL_OK) {
        rc = tl_dist_normalise(&p.dist, adjusted, err);
    }
    if (rc == TL_OK) {
        rc = dist_text(&p.dist, a, &p.text, err);
    }
    if (rc != TL_OK) {
        return err_wrap(err, rc, "parameter '%s'", name);
    }
    *out = p;
    return TL_OK;
}

int param_set(struct param *p, double internal, struct tl_err *err)
{
    if (isnan(internal)) {
        return err_set(err, TL_EINVAL, "the value of parameter '%s' is NaN", p->name.p);
    }
    if (p->dist.kind == TL_DIST_CATEGORICAL &&
        !(internal >= 0 && internal < (double)p->dist.n_choices && internal == trunc(internal))) {
        return err_set(err, TL_EINVAL, "parameter '%s' has no such choice: it has %zu, counted from 0", p->name.p,
                       p->dist.n_choices);
    }
    p->internal = internal;
    return TL_OK;
}

bool dist_fits(const struct dist *known, const struct tl_dist *dist)
{
    static const enum dist_class class_of[] = {
        [TL_DIST_FLOAT] = DIST_FLOAT, [TL_DIST_INT] = DIST_INT, [TL_DIST_CATEGORICAL] = DIST_CATEGORICAL};
    if (known->class_ != class_of[dist->kind] || known->d.n_choices != dist->n_choices) {
        return false;
    }
    for (size_t i = 0; i < dist->n_choices; i++) {
        if (dist_value_equal(&known->d.choices[i], &dist->choices[i]) != 1) {
            return false;
        }
    }
    return dist->kind == TL_DIST_CATEGORICAL || known->d.log == dist->log;
}

bool dist_same_kind(const struct tl_dist *known, const struct tl_dist *dist)
{
    struct dist d = {.class_ = known->kind == TL_DIST_FLOAT ? DIST_FLOAT : known->kind == TL_DIST_INT ? DIST_INT : DIST_CATEGORICAL,
                     .d = *known};
    return dist_fits(&d, dist);
}

int param_fits(const struct state *s, const struct study *st, const struct param *p, struct tl_err *err)
{
    uint32_t name = intern_find(&s->names, p->name);
    uint32_t id = name == INTERN_NONE ? 0 : study_first_dist(st, name);
    if (id == 0) {
        return TL_OK;
    }
    const struct dist *known = dist_table_get(&s->dists, id);
    if (str_eq(known->text, p->text) || dist_fits(known, &p->dist)) {
        return TL_OK;
    }
    return err_set(err, TL_EINCOMPATIBLE,
                   "parameter '%s' has another kind of distribution in this study: kind, log and choices must stay as in %.*s",
                   p->name.p, (int)(known->text.n < 120 ? known->text.n : 120), known->text.p);
}

/* ---- finding things ---- */

int find_study(const struct state *s, int64_t study_id, struct study **out, struct tl_err *err)
{
    *out = state_study(s, study_id);
    return *out ? TL_OK : err_set(err, TL_ENOTFOUND, "there is no study with id %lld", (long long)study_id);
}

int finished_error(const struct state *s, const struct study *st, const struct row *row, struct tl_err *err)
{
    struct attr_walk walk = row_attrs(st, row);
    struct attr_entry attr;
    uint32_t lost = intern_find(&s->names, STR(TL_LOST_ATTR));
    while (lost != INTERN_NONE && attr_walk_next(&walk, &attr)) {
        if (attr.key == lost && attr.kind == TL_ATTR_SYSTEM) {
            return err_set(err, TL_EFINISHED, "trial %lu was given up as lost: its worker gave no sign of life for a whole lease (%.*s); "
                           "it is %s now and cannot change", (unsigned long)row->number, (int)(attr.json.n < 120 ? attr.json.n : 120),
                           attr.json.p, tl_state_name(row->state));
        }
    }
    return err_set(err, TL_EFINISHED, "trial %lu has finished as %s and cannot change", (unsigned long)row->number,
                   tl_state_name(row->state));
}

int explain_finished(tl_storage *storage, int64_t trial_id, int rc, struct tl_err *err)
{
    struct study *study;
    const struct row *row;
    const struct live_trial *live;
    uint32_t number;
    if (rc != TL_EFINISHED || !err) {
        return rc;
    }
    const struct state *s = store_lock_state(storage);
    if (state_trial_place(s, trial_id, &study, &number)) {
        study_trial(study, number, &row, &live);
        if (row) {
            finished_error(s, study, row, err);
        }
    }
    store_unlock_state(storage);
    return rc;
}

int find_open_trial(const struct state *s, int64_t trial_id, struct study **st, const struct live_trial **out,
                    struct tl_err *err)
{
    struct study *study;
    const struct row *row;
    uint32_t number;
    if (!state_trial_place(s, trial_id, &study, &number)) {
        return err_set(err, TL_ENOTFOUND, "there is no trial with id %lld", (long long)trial_id);
    }
    study_trial(study, number, &row, out);
    if (row) {
        return finished_error(s, study, row, err);
    }
    if (st) {
        *st = study;
    }
    return TL_OK;
}

struct op *commit_ops(struct commit *c, size_t n)
{
    struct op *ops = n < SIZE_MAX / sizeof *ops ? arena_alloc(&c->arena, n * sizeof *ops) : NULL;
    if (ops) {
        memset(ops, 0, n * sizeof *ops);
        c->ops = ops;
        c->n_ops = n;
    }
    return ops;
}

int64_t trial_number(tl_storage *storage, int64_t trial_id)
{
    struct study *st;
    uint32_t number = 0;
    bool known = state_trial_place(store_lock_state(storage), trial_id, &st, &number);
    store_unlock_state(storage);
    return known ? (int64_t)number : -1;
}

/* ---- groups of operations for one trial ---- */

int trial_write_check(struct trial_write *w, const struct state *s, const struct study *st, struct tl_err *err)
{
    w->misfit = w->n_params;
    for (size_t i = 0; i < w->n_params; i++) {
        int rc = param_fits(s, st, &w->params[i], err);
        if (rc != TL_OK) {
            w->misfit = i;
            return rc;
        }
    }
    return TL_OK;
}

void trial_write_params(const struct trial_write *w, struct op *ops)
{
    for (size_t i = 0; i < w->n_params; i++) {
        const struct param *p = &w->params[i];
        ops[i] = (struct op){.code = OP_TRIAL_PARAM, .target = w->trial_id, .name = p->name, .number = p->internal,
                             .text = p->text};
    }
}

int trial_write_decide(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct trial_write *w = c->ctx;
    const struct live_trial *live;
    struct study *st = NULL;
    int rc = find_open_trial(s, w->trial_id, &st, &live, err);
    if (rc == TL_OK) {
        rc = trial_write_check(w, s, st, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct op *ops = commit_ops(c, w->n_params + w->n_ops);
    if (!ops) {
        return err_nomem(err);
    }
    trial_write_params(w, ops);
    for (size_t i = 0; i < w->n_ops; i++) {
        ops[w->n_params + i] = w->ops[i];
        ops[w->n_params + i].target = w->trial_id;
    }
    return TL_OK;
}

/* One append. */
static int write_trial(tl_storage *storage, struct trial_write *w, struct tl_err *err)
{
    struct commit c = {.decide = trial_write_decide, .ctx = w, .has_trial = true, .trial = w->trial_id};
    int rc = explain_finished(storage, w->trial_id, store_commit(storage, &c, err), err);
    commit_release(&c);
    if (rc == TL_OK) {
        lease_sign_of_life(storage, w->trial_id);
    }
    return rc;
}

/* Writes a parameter or an attribute of a trial, or lets it wait. */
static int set_in_trial(tl_storage *storage, int64_t trial_id, const struct param *p, const struct op *attr, struct tl_err *err)
{
    bool waits = false;
    int rc = storage_part(&storage, &trial_id, NULL, "trial", err);
    if (rc == TL_OK) {
        rc = store_defer(storage, trial_id, p, attr, &waits, err);
    }
    if (rc != TL_OK || waits) {
        return rc;
    }
    struct trial_write w = {.trial_id = trial_id, .params = p, .n_params = p ? 1 : 0, .ops = attr, .n_ops = attr ? 1 : 0};
    return write_trial(storage, &w, err);
}

/* ---- creating trials ---- */

static int create_params(struct trial_create *out, const struct tl_trial_spec *spec, struct arena *a, struct tl_err *err)
{
    struct op_param *params = arena_alloc(a, (spec->n_params + 1) * sizeof *params);
    out->params = arena_alloc(a, (spec->n_params + 1) * sizeof *out->params);
    if (!params || !out->params) {
        return err_nomem(err);
    }
    struct intern names = INTERN_INIT;
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < spec->n_params; i++) {
        struct param *p = &out->params[i];
        rc = param_make(p, spec->params[i].name, spec->params[i].dist, a, NULL, err);
        if (rc == TL_OK) {
            rc = param_set(p, spec->params[i].internal, err);
        }
        if (rc == TL_OK) {
            uint32_t number = intern_add(&names, p->name);
            rc = number == INTERN_NONE ? err_nomem(err)
                 : number != i         ? err_set(err, TL_EINVAL, "parameter '%s' is there twice", p->name.p)
                                       : TL_OK;
            params[i] = (struct op_param){.name = p->name, .internal = p->internal, .has_value = true, .dist = p->text};
        }
    }
    intern_release(&names);
    out->n_params = out->op.n_params = spec->n_params;
    out->op.params = params;
    return rc;
}

static int create_attrs(struct op *op, const struct tl_trial_spec *spec, struct arena *a, struct tl_err *err)
{
    struct op_attr *user = arena_alloc(a, (spec->n_attrs + 1) * sizeof *user);
    struct op_attr *system = arena_alloc(a, (spec->n_attrs + 1) * sizeof *system);
    if (!user || !system) {
        return err_nomem(err);
    }
    op->user_attrs = user;
    op->system_attrs = system;
    for (size_t i = 0; i < spec->n_attrs; i++) {
        const struct tl_attr_spec *from = &spec->attrs[i];
        struct op_attr attr;
        int rc = attr_make(&attr, from->key, from->json, a, err);
        if (rc != TL_OK) {
            return rc;
        }
        if (from->kind == TL_ATTR_USER) {
            user[op->n_user_attrs++] = attr;
        } else {
            system[op->n_system_attrs++] = attr;
        }
    }
    return TL_OK;
}

static int create_numbers(struct op *op, const struct tl_trial_spec *spec, struct arena *a, struct tl_err *err)
{
    op->has_values = spec->values != NULL;
    if (spec->values) {
        double *values = arena_alloc(a, (spec->n_values + 1) * sizeof *values);
        if (!values) {
            return err_nomem(err);
        }
        memcpy(values, spec->values, spec->n_values * sizeof *values);
        op->values = values;
        op->n_values = spec->n_values;
    }
    struct op_report *reports = arena_alloc(a, (spec->n_reports + 1) * sizeof *reports);
    if (!reports) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < spec->n_reports; i++) {
        reports[i] = (struct op_report){spec->reports[i].step, spec->reports[i].value};
    }
    op->reports = reports;
    op->n_reports = spec->n_reports;
    return TL_OK;
}

int trial_create_make(struct trial_create *out, const struct tl_trial_spec *given, struct arena *a, struct tl_err *err)
{
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    int rc = read_options(&spec, sizeof spec, given, "trial specification", err);
    if (rc != TL_OK) {
        return rc;
    }
    if (!tl_state_name((int)spec.state)) {
        return err_set(err, TL_EINVAL, "there is no trial state %d", (int)spec.state);
    }
    if ((spec.n_params && !spec.params) || (spec.n_attrs && !spec.attrs) || (spec.n_reports && !spec.reports)) {
        return err_set(err, TL_EINVAL, "a list of the trial specification is missing");
    }
    *out = (struct trial_create){.op = {.code = OP_CREATE_TRIAL, .state = (int)spec.state, .start = spec.start,
                                        .complete = spec.complete, .is_template = given != NULL}};
    struct op *op = &out->op;
    if (spec.state != TL_WAITING && !op->start.set) {
        op->start = op->complete.set ? op->complete : store_now();
    }
    if (TL_STATE_IS_FINISHED(spec.state) && !op->complete.set) {
        op->complete = store_now();
    }
    if (!TL_STATE_IS_FINISHED(spec.state) && op->complete.set) {
        return err_set(err, TL_EINVAL, "a %s trial has no time of completion", tl_state_name((int)spec.state));
    }
    rc = create_params(out, &spec, a, err);
    if (rc == TL_OK) {
        rc = create_attrs(op, &spec, a, err);
    }
    return rc == TL_OK ? create_numbers(op, &spec, a, err) : rc;
}

int trial_create_decide(struct commit *c, const struct state *s, const struct trial_create *create, int64_t study_id,
                        struct tl_err *err)
{
    struct study *st;
    int rc = find_study(s, study_id, &st, err);
    for (size_t i = 0; rc == TL_OK && i < create->n_params; i++) {
        rc = param_fits(s, st, &create->params[i], err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct op *op = commit_ops(c, 1);
    if (!op) {
        return err_nomem(err);
    }
    *op = create->op;
    op->target = study_id;
    return TL_OK;
}

struct create_call {
    struct trial_create create;
    int64_t study_id;
};

static int decide_create(struct commit *c, const struct state *s, struct tl_err *err)
{
    const struct create_call *call = c->ctx;
    return trial_create_decide(c, s, &call->create, call->study_id, err);
}

TL_API int tl_storage_create_trial(tl_storage *storage, int64_t study_id, const struct tl_trial_spec *spec,
                                   int64_t *trial_id, int64_t *number, struct tl_err *err)
{
    struct arena memory = {0};
    struct create_call call = {.study_id = study_id};
    struct commit c = {.decide = decide_create, .ctx = &call};
    int64_t base = 0;
    int rc = trial_create_make(&call.create, spec, &memory, err);
    if (rc == TL_OK) {
        rc = storage_part(&storage, &call.study_id, &base, "study", err);
    }
    if (rc == TL_OK) {
        rc = store_commit(storage, &c, err);
    }
    if (rc == TL_OK && trial_id) {
        *trial_id = base + c.applied[0].id;
    }
    if (rc == TL_OK && number) {
        *number = trial_number(storage, c.applied[0].id);
    }
    commit_release(&c);
    arena_release(&memory);
    return rc;
}

/* ---- studies ---- */

struct study_call {
    struct op op;
    int64_t study_id; /* -1: the operation creates one */
};

static int decide_study(struct commit *c, const struct state *s, struct tl_err *err)
{
    const struct study_call *call = c->ctx;
    struct study *st;
    if (call->study_id >= 0) {
        int rc = find_study(s, call->study_id, &st, err);
        if (rc != TL_OK) {
            return rc;
        }
    } else if (state_study_by_name(s, call->op.name)) {
        return err_set(err, TL_EEXISTS, "a study named '%s' exists already", call->op.name.p);
    }
    struct op *op = commit_ops(c, 1);
    if (!op) {
        return err_nomem(err);
    }
    *op = call->op;
    op->target = call->study_id;
    return TL_OK;
}

static int write_study_op(tl_storage *storage, struct study_call *call, int64_t *id, struct tl_err *err)
{
    struct commit c = {.decide = decide_study, .ctx = call};
    int rc = store_commit(storage, &c, err);
    if (rc == TL_OK && id) {
        *id = c.applied[0].id;
    }
    commit_release(&c);
    return rc;
}

int fresh_study_name(char out[STUDY_NAME_MAX], struct tl_err *err)
{
    static const char prefix[] = "no-name-";
    memcpy(out, prefix, sizeof prefix);
    return storage_uuid(out + sizeof prefix - 1, err);
}

int check_directions(const enum tl_direction *directions, size_t n, struct tl_err *err)
{
    if (!directions || n == 0) {
        return err_set(err, TL_EINVAL, "a study needs at least one direction");
    }
    for (size_t i = 0; i < n; i++) {
        if (directions[i] != TL_MINIMIZE && directions[i] != TL_MAXIMIZE) {
            return err_set(err, TL_EINVAL, "direction %zu is neither minimize nor maximize", i);
        }
    }
    return TL_OK;
}

TL_API int tl_storage_create_study(tl_storage *storage, const char *name, const enum tl_direction *directions,
                                   size_t n_directions, int64_t *study_id, struct tl_err *err)
{
    char fresh[STUDY_NAME_MAX];
    int rc = check_directions(directions, n_directions, err);
    if (rc == TL_OK && !name) {
        rc = fresh_study_name(fresh, err);
        name = fresh;
    }
    if (rc == TL_OK) {
        rc = check_name("name of the study", name, err);
    }
    uint8_t *bytes = rc == TL_OK ? mem_alloc(n_directions) : NULL;
    if (rc != TL_OK || !bytes) {
        return rc != TL_OK ? rc : err_nomem(err);
    }
    for (size_t i = 0; i < n_directions; i++) {
        bytes[i] = (uint8_t)directions[i];
    }
    struct study_call call = {.op = {.code = OP_CREATE_STUDY, .name = str_of(name), .directions = bytes,
                                     .n_directions = n_directions},
                              .study_id = -1};
    rc = is_root(storage) ? root_create_study(storage, &call.op, study_id, err) : write_study_op(storage, &call, study_id, err);
    mem_free(bytes);
    return rc;
}

TL_API int tl_storage_delete_study(tl_storage *storage, int64_t study_id, struct tl_err *err)
{
    struct study_call call = {.op = {.code = OP_DELETE_STUDY}, .study_id = study_id};
    if (is_root(storage)) {
        return root_delete_study(storage, study_id, err);
    }
    return study_id < 0 ? err_set(err, TL_ENOTFOUND, "there is no study with id %lld", (long long)study_id)
                        : write_study_op(storage, &call, NULL, err);
}

TL_API int tl_storage_find_study(tl_storage *storage, const char *name, int64_t *study_id, struct tl_err *err)
{
    int rc = check_name("name of the study", name, err);
    if (rc == TL_OK && is_root(storage)) {
        return root_find_study(storage, name, study_id, err);
    }
    if (rc == TL_OK) {
        rc = store_refresh(storage, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
    const struct study *st = state_study_by_name(store_lock_state(storage), str_of(name));
    int64_t id = st ? st->id : -1;
    store_unlock_state(storage);
    if (!st) {
        return err_set(err, TL_ENOTFOUND, "there is no study named '%s'", name);
    }
    *study_id = id;
    return TL_OK;
}

TL_API int tl_storage_set_study_attr(tl_storage *storage, int64_t study_id, enum tl_attr_kind kind, const char *key,
                                     const char *json, struct tl_err *err)
{
    struct arena memory = {0};
    struct study_call call = {.op = {.code = kind == TL_ATTR_USER ? OP_STUDY_USER_ATTR : OP_STUDY_SYSTEM_ATTR,
                                     .name = str_of(key)},
                              .study_id = study_id};
    int rc = check_name("key of an attribute", key, err);
    if (rc == TL_OK) {
        rc = check_json(key, json, &memory, &call.op.text, err);
    }
    if (rc == TL_OK && study_id < 0) {
        rc = err_set(err, TL_ENOTFOUND, "there is no study with id %lld", (long long)study_id);
    }
    if (rc == TL_OK) {
        rc = storage_part(&storage, &call.study_id, NULL, "study", err);
    }
    if (rc == TL_OK) {
        rc = write_study_op(storage, &call, NULL, err);
    }
    arena_release(&memory);
    return rc;
}

/* ---- trials ---- */

TL_API int tl_storage_set_param(tl_storage *storage, int64_t trial_id, const char *name, double internal,
                                const struct tl_dist *dist, struct tl_err *err)
{
    struct arena memory = {0};
    struct param p;
    int rc = param_make(&p, name, dist, &memory, NULL, err);
    if (rc == TL_OK) {
        rc = param_set(&p, internal, err);
    }
    if (rc == TL_OK) {
        rc = set_in_trial(storage, trial_id, &p, NULL, err);
    }
    arena_release(&memory);
    return rc;
}

struct state_call {
    struct op op;
    bool claim;
};

/* RUNNING on a trial that is RUNNING already changes nothing: somebody else has it. */
static int decide_state(struct commit *c, const struct state *s, struct tl_err *err)
{
    const struct state_call *call = c->ctx;
    const struct live_trial *live;
    int rc = find_open_trial(s, call->op.target, NULL, &live, err);
    if (rc != TL_OK || (call->claim && live->state == TL_RUNNING)) {
        return rc;
    }
    struct op *op = commit_ops(c, 1);
    if (!op) {
        return err_nomem(err);
    }
    *op = call->op;
    return TL_OK;
}

TL_API int tl_storage_set_state(tl_storage *storage, int64_t trial_id, enum tl_state state, const double *values,
                                size_t n_values, bool *updated, struct tl_err *err)
{
    if (!tl_state_name((int)state)) {
        return err_set(err, TL_EINVAL, "there is no trial state %d", (int)state);
    }
    int found = storage_part(&storage, &trial_id, NULL, "trial", err);
    if (found != TL_OK) {
        return found;
    }
    struct state_call call = {.op = {.code = OP_TRIAL_STATE, .target = trial_id, .state = (int)state,
                                     .has_values = values != NULL, .values = values, .n_values = values ? n_values : 0},
                              .claim = state == TL_RUNNING};
    if (state == TL_RUNNING) {
        call.op.start = store_now();
    } else if (TL_STATE_IS_FINISHED(state)) {
        call.op.complete = store_now();
    }
    struct commit c = {.decide = decide_state, .ctx = &call, .has_trial = true, .trial = trial_id};
    int rc = explain_finished(storage, trial_id, store_commit(storage, &c, err), err);
    if (rc == TL_OK && updated) {
        *updated = c.n_ops == 1 && c.applied[0].verdict == V_APPLIED;
    }
    if (rc == TL_OK && TL_STATE_IS_FINISHED(state)) {
        lease_settle(storage, trial_id);
    }
    commit_release(&c);
    return rc;
}

TL_API int tl_storage_report(tl_storage *storage, int64_t trial_id, int64_t step, double value, struct tl_err *err)
{
    struct op op = {.code = OP_TRIAL_REPORT, .step = step, .number = value};
    int rc = storage_part(&storage, &trial_id, NULL, "trial", err);
    struct trial_write w = {.trial_id = trial_id, .ops = &op, .n_ops = 1};
    return rc == TL_OK ? write_trial(storage, &w, err) : rc;
}

TL_API int tl_storage_set_trial_attr(tl_storage *storage, int64_t trial_id, enum tl_attr_kind kind, const char *key,
                                     const char *json, struct tl_err *err)
{
    struct arena memory = {0};
    struct op op = {.code = kind == TL_ATTR_USER ? OP_TRIAL_USER_ATTR : OP_TRIAL_SYSTEM_ATTR, .name = str_of(key)};
    int rc = check_name("key of an attribute", key, err);
    if (rc == TL_OK) {
        rc = check_json(key, json, &memory, &op.text, err);
    }
    if (rc == TL_OK) {
        rc = set_in_trial(storage, trial_id, NULL, &op, err);
    }
    arena_release(&memory);
    return rc;
}
