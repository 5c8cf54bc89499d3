/* SPDX-License-Identifier: MIT
 *
 * The trials of a study as records: first a pass that collects the names of parameters and attributes, then one trial
 * at a time, so that a study of any size needs the memory of one trial.
 */
#include "cli/trials.h"

#include "base/err.h"
#include "base/num.h"
#include "cli/when.h"

#include <stdlib.h>

#define TEXT_OF(s_) ((struct str){(s_).s, (s_).len})

/* ---- columns ---- */

static int add_column(struct trial_records *r, struct out_column column)
{
    void *grown = r->columns;
    if (!mem_grow(&grown, &r->cap_columns, r->n_columns + 1, sizeof *r->columns)) {
        return cli_nomem(r->c);
    }
    r->columns = grown;
    r->columns[r->n_columns++] = column;
    return 0;
}

static int add_plain(struct trial_records *r, const char *group)
{
    return add_column(r, (struct out_column){.group = group, .place = -1});
}

struct sortable {
    struct str text;
    uint32_t number;
};

static int by_text(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
    int c = n ? memcmp(x->text.p, y->text.p, n) : 0;
    return c ? c : (x->text.n > y->text.n) - (x->text.n < y->text.n);
}

/* The columns of a set of names, sorted. A group that only trials not shown have is there too, without a value. */
static int add_names(struct trial_records *r, const char *group, struct trial_names *set)
{
    size_t n = set->names.strings.len;
    struct sortable *all = mem_alloc((n + 1) * sizeof *all);
    set->column = mem_alloc((n + 1) * sizeof *set->column);
    int status = all && set->column ? 0 : cli_nomem(r->c);
    for (size_t i = 0; i < n && status == 0; i++) {
        all[i] = (struct sortable){intern_str(&set->names, (uint32_t)i), (uint32_t)i};
    }
    if (status == 0 && n > 1) {
        qsort(all, n, sizeof *all, by_text);
    }
    for (size_t i = 0; i < n && status == 0; i++) {
        struct str name = all[i].text;
        set->column[all[i].number] = r->n_columns;
        if (!name.p) {
            name.p = "";
        }
        status = add_column(r, (struct out_column){.group = group, .name = name, .place = -1});
    }
    if (status == 0 && n == 0 && set->any) {
        status = add_column(r, (struct out_column){.group = group, .name = {"", 0}, .place = -1});
    }
    mem_free(all);
    return status;
}

const struct node *metric_names(struct nodes *keep, const tl_view *view)
{
    size_t n;
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n);
    for (size_t i = 0; i < n; i++) {
        if (attrs[i].kind == TL_ATTR_SYSTEM && str_eq(TEXT_OF(attrs[i].key), STR("study:metric_names"))) {
            const struct node *list = node_parse(keep, TEXT_OF(attrs[i].json), NULL);
            return list && list->kind == NODE_LIST ? list : NULL;
        }
    }
    return NULL;
}

static int add_values(struct trial_records *r)
{
    const struct node *names = metric_names(&r->keep, r->view), *name = names ? names->u.kids.first : NULL;
    const char *group = r->n_directions > 1 ? "values" : "value";
    int status = 0;
    r->first_value = r->n_columns;
    if (r->n_directions == 1) {
        r->n_values = 1;
    } else if (names) {
        r->n_values = names->u.kids.n;
    }
    for (size_t i = 0; i < r->n_values && status == 0; i++) {
        struct out_column column = {.group = group, .place = r->n_directions > 1 && !names ? (int64_t)i : -1};
        if (name) {
            column.name = name->kind == NODE_STRING && name->u.text.p ? name->u.text : STR("");
            name = name->next;
        }
        status = add_column(r, column);
    }
    return status;
}

/* ---- which names are there ---- */

static int note(struct trial_names *set, struct str name, bool keep)
{
    set->any = true;
    return keep && intern_add(&set->names, name) == INTERN_NONE ? TL_ENOMEM : 0;
}

/* Takes down the names of r->trial; `keep` false: only that there are any. */
static int note_trial(struct trial_records *r, bool keep)
{
    int rc = 0;
    for (size_t i = 0; i < r->trial.n_params && rc == 0; i++) {
        if (r->trial.params[i].has_value) {
            rc = note(&r->params, TEXT_OF(r->trial.params[i].name), keep);
        }
    }
    for (size_t i = 0; i < r->trial.n_attrs && rc == 0; i++) {
        const struct tl_attr *attr = &r->trial.attrs[i];
        if (attr->kind == TL_ATTR_USER || r->with_system) {
            rc = note(attr->kind == TL_ATTR_USER ? &r->user : &r->system, TEXT_OF(attr->key), keep);
        }
    }
    if (r->trial.has_values && r->trial.n_values > r->n_values) {
        r->n_values = r->trial.n_values;
    }
    return rc;
}

static int note_names(struct trial_records *r, bool thrifty)
{
    struct tl_err err = TL_ERR_INIT;
    size_t n_all = tl_view_n_trials(r->view), n_shown = r->numbers ? r->n_numbers : 0;
    int rc = 0;
    for (size_t i = 0; i < n_shown && rc == 0; i++) {
        rc = tl_view_trial(r->view, r->numbers[i], &r->trial, &err);
        rc = rc ? rc : note_trial(r, true);
    }
    for (size_t i = 0; i < n_all && rc == 0; i++) {
        if (thrifty && r->numbers && r->params.any && r->user.any) {
            break;
        }
        rc = tl_view_trial(r->view, (int64_t)i, &r->trial, &err);
        rc = rc ? rc : note_trial(r, !thrifty || !r->numbers);
    }
    if (rc && !err.code) {
        return cli_nomem(r->c);
    }
    return rc ? cli_fail(r->c, &err) : 0;
}

int trial_records_open(struct trial_records *r, bool thrifty)
{
    static const struct intern none = INTERN_INIT;
    r->params.names = r->user.names = r->system.names = none;
    tl_view_directions(r->view, &r->n_directions);
    r->n_values = r->n_directions;
    if (tl_view_n_trials(r->view) == 0) {
        return 0; /* no trial, no column */
    }
    int status = note_names(r, thrifty);
    status = status ? status : add_plain(r, "number");
    status = status ? status : add_values(r);
    r->first_time = r->n_columns;
    status = status ? status : add_plain(r, "datetime_start");
    status = status ? status : add_plain(r, "datetime_complete");
    status = status ? status : add_plain(r, "duration");
    status = status ? status : add_names(r, "params", &r->params);
    status = status ? status : add_names(r, "user_attrs", &r->user);
    status = status || !r->with_system ? status : add_names(r, "system_attrs", &r->system);
    return status ? status : add_plain(r, "state");
}

void trial_records_close(struct trial_records *r)
{
    struct trial_names *sets[] = {&r->params, &r->user, &r->system};
    for (size_t i = 0; i < TL_COUNT(sets); i++) {
        intern_release(&sets[i]->names);
        mem_free(sets[i]->column);
    }
    tl_frozen_release(&r->trial);
    arena_release(&r->keep.arena);
    mem_free(r->columns);
}

/* ---- cells ---- */

static struct node *time_cell(const struct trial_records *r, struct nodes *ns, struct tl_time t)
{
    char text[WHEN_MAX];
    if (!t.set) {
        return node_new(ns, NODE_NONE);
    }
    if (r->exact_times) {
        time_format(t, text);
    } else {
        when_text(t, text);
    }
    return node_copied(ns, text);
}

static struct node *span_cell(const struct trial_records *r, struct nodes *ns)
{
    const struct tl_frozen_trial *t = &r->trial;
    char text[WHEN_MAX];
    if (!t->start.set || !t->complete.set) {
        return node_new(ns, NODE_NONE);
    }
    int64_t us = t->start.naive != t->complete.naive || !r->exact_times
                     ? when_local_us(t->complete) - when_local_us(t->start)
                     : t->complete.us - t->start.us;
    if (r->exact_times) {
        return node_float(ns, (double)us / 1e6);
    }
    when_span(us, text);
    return node_copied(ns, text);
}

static int param_cells(struct trial_records *r, struct nodes *ns, struct node **cells)
{
    for (size_t i = 0; i < r->trial.n_params; i++) {
        const struct tl_param *p = &r->trial.params[i];
        struct tl_err err = TL_ERR_INIT;
        struct tl_value value;
        uint32_t number = intern_find(&r->params.names, TEXT_OF(p->name));
        if (!p->has_value || number == INTERN_NONE) {
            continue;
        }
        int rc = tl_dist_external(p->dist, p->internal, &value, &err);
        if (rc) {
            err_wrap(&err, rc, "trial %lld, parameter '%.*s'", (long long)r->trial.number, (int)p->name.len,
                     p->name.s);
            return cli_fail(r->c, &err);
        }
        cells[r->params.column[number]] = node_value(ns, &value);
    }
    return 0;
}

static int attr_cells(struct trial_records *r, struct nodes *ns, struct node **cells)
{
    for (size_t i = 0; i < r->trial.n_attrs; i++) {
        const struct tl_attr *attr = &r->trial.attrs[i];
        const struct trial_names *set = attr->kind == TL_ATTR_USER ? &r->user : &r->system;
        struct tl_err err = TL_ERR_INIT;
        uint32_t number = intern_find(&set->names, TEXT_OF(attr->key));
        if (number == INTERN_NONE || (attr->kind == TL_ATTR_SYSTEM && !r->with_system)) {
            continue;
        }
        struct node *n = node_parse(ns, TEXT_OF(attr->json), &err);
        if (!n && !ns->failed) {
            err_wrap(&err, err.code, "trial %lld, attribute '%.*s'", (long long)r->trial.number,
                     (int)attr->key.len, attr->key.s);
            return cli_fail(r->c, &err);
        }
        cells[set->column[number]] = n;
    }
    return 0;
}

int trial_records_read(void *ctx, size_t record, struct nodes *ns, struct node **cells)
{
    struct trial_records *r = ctx;
    struct tl_frozen_trial *t = &r->trial;
    struct tl_err err = TL_ERR_INIT;
    if (tl_view_trial(r->view, r->numbers ? r->numbers[record] : (int64_t)record, t, &err)) {
        return cli_fail(r->c, &err);
    }
    cells[0] = node_int(ns, t->number);
    size_t given = t->has_values ? t->n_values : 0;
    for (size_t i = 0; i < r->n_values; i++) {
        if (i < given) {
            cells[r->first_value + i] = node_float(ns, t->values[i]);
        } else if (given == 0 && i < r->n_directions) {
            cells[r->first_value + i] = node_new(ns, NODE_NONE);
        }
    }
    cells[r->first_time] = time_cell(r, ns, t->start);
    cells[r->first_time + 1] = time_cell(r, ns, t->complete);
    cells[r->first_time + 2] = span_cell(r, ns);
    cells[r->n_columns - 1] = node_string(ns, str_of(tl_state_name((int)t->state)));
    int status = param_cells(r, ns, cells);
    return status ? status : attr_cells(r, ns, cells);
}

struct out_records trial_records_all(struct trial_records *r, bool single)
{
    size_t n = r->numbers ? r->n_numbers : tl_view_n_trials(r->view);
    return (struct out_records){r->columns, r->n_columns, n, single, trial_records_read, r};
}

bool trial_is_feasible(struct nodes *ns, const struct tl_frozen_trial *t)
{
    static const char list[] = "constraints", one[] = "constraints:";
    for (size_t i = 0; i < t->n_attrs; i++) {
        struct str key = {t->attrs[i].key.s, t->attrs[i].key.len},
                   json = {t->attrs[i].json.s, t->attrs[i].json.len};
        bool single = key.n >= sizeof one - 1 && memcmp(key.p, one, sizeof one - 1) == 0;
        if (t->attrs[i].kind != TL_ATTR_SYSTEM || (!single && !str_eq(key, str_of(list)))) {
            continue;
        }
        const struct node *n = node_parse(ns, json, NULL);
        for (n = n && n->kind == NODE_LIST ? n->u.kids.first : n; n; n = n->next) {
            double v = 0;
            if (n->kind == NODE_FLOAT) {
                v = n->u.f;
            } else if (n->kind == NODE_INT) {
                cli_parse_number(n->u.text, &v);
            } else if (n->kind == NODE_BOOL) {
                v = n->u.b;
            }
            if (v > 0) {
                return false;
            }
        }
    }
    return true;
}
