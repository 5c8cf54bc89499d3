/* SPDX-License-Identifier: MIT
 *
 * Reading studies, and what is known of workers: methods of _native.Storage. Trials are read in trials.c.
 *
 * A method opens the smallest view that knows the answer, without the GIL, and turns it into Python objects with it; views need no lock.
 * What is asked of a study as a whole comes from its summary where that spares reading the study (databases).
 */
#include "native.h"

#include <stdlib.h>

static PyObject *find_study(PyObject *object, PyObject *name)
{
    struct storage_object *self = (struct storage_object *)object;
    PyObject *owner, *result = NULL;
    struct call c;
    int64_t id;
    const char *text = text_utf8(name, "a study's name", &owner);
    tl_storage *s = text ? storage_use(self, &c) : NULL;
    if (s && storage_done(self, &c, tl_storage_find_study(s, text, &id, &c.err))) {
        result = PyLong_FromLongLong(id);
    }
    DROP(owner);
    return result;
}

int facts_open(struct storage_object *self, PyObject *study_id, bool fresh, struct facts *f)
{
    struct call c;
    int64_t id;
    *f = (struct facts){NULL, NULL};
    if (id_from(study_id, "a study's id", &id) < 0) {
        return -1;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return -1;
    }
    int rc = tl_storage_has_read(s, id) ? tl_view_open_study(s, id, true, &f->view, &c.err)
                                        : tl_storage_summary(s, id, fresh, &f->summary, &c.err);
    if (!storage_done(self, &c, rc)) {
        facts_close(f);
        return -1;
    }
    return 0;
}

void facts_close(struct facts *f)
{
    tl_view_close(f->view);
    tl_study_summary_free(f->summary);
}

static PyObject *name_of(const struct facts *f)
{
    const char *name = f->view ? tl_view_study_name(f->view) : f->summary->name;
    return text_from(name, strlen(name));
}

static PyObject *directions_of(const struct kit_object *kit, const struct facts *f)
{
    size_t n = f->view ? 0 : f->summary->n_directions;
    const enum tl_direction *d = f->view ? tl_view_directions(f->view, &n) : f->summary->directions;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *member = kit ? kit->directions[d[i]] : NULL;
        PyObject *v = member ? Py_NewRef(member) : PyLong_FromLong((long)d[i]);
        if (!v || PyList_SetItem(list, (Py_ssize_t)i, v) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* The attributes of one kind as a dictionary. */
static PyObject *attrs_of(struct native *m, const struct facts *f, enum tl_attr_kind kind)
{
    size_t n = f->view ? 0 : f->summary->n_attrs;
    const struct tl_attr *a = f->view ? tl_view_study_attrs(f->view, &n) : f->summary->attrs;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < n; i++) {
        if (a[i].kind != kind) {
            continue;
        }
        PyObject *key = text_from(a[i].key.s, a[i].key.len);
        PyObject *value = key ? json_value(m, a[i].json.s, a[i].json.len) : NULL;
        if (!value || PyDict_SetItem(dict, key, value) < 0) {
            Py_CLEAR(dict);
        }
        DROP(key);
        DROP(value);
    }
    return dict;
}

static PyObject *study_name(PyObject *object, PyObject *study_id)
{
    struct facts f;
    if (facts_open((struct storage_object *)object, study_id, false, &f) < 0) {
        return NULL;
    }
    PyObject *result = name_of(&f);
    facts_close(&f);
    return result;
}

static PyObject *study_directions(PyObject *object, PyObject *study_id)
{
    struct storage_object *self = (struct storage_object *)object;
    struct facts f;
    if (facts_open(self, study_id, false, &f) < 0) {
        return NULL;
    }
    PyObject *result = directions_of(self->kit, &f);
    facts_close(&f);
    return result;
}

static PyObject *study_attrs(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    struct facts f;
    int system = n == 2 ? PyObject_IsTrue(args[1]) : -1;
    if (n != 2) {
        PyErr_SetString(PyExc_TypeError, "study_attrs takes 2 arguments");
    }
    if (system < 0 || facts_open(self, args[0], true, &f) < 0) {
        return NULL;
    }
    PyObject *result = attrs_of(self->native, &f, system ? TL_ATTR_SYSTEM : TL_ATTR_USER);
    facts_close(&f);
    return result;
}

/* ---- all studies ---- */

struct ids {
    int64_t *items;
    size_t n, cap;
};

static int add_id(void *ctx, int64_t study_id, const char *name) /* runs without the GIL */
{
    struct ids *ids = ctx;
    (void)name;
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? ids->cap * 2 : 64;
        int64_t *items = realloc(ids->items, cap * sizeof *items);
        if (!items) {
            return TL_ENOMEM;
        }
        ids->items = items;
        ids->cap = cap;
    }
    ids->items[ids->n++] = study_id;
    return 0;
}

static PyObject *study_facts(const struct storage_object *self, int64_t id, const struct facts *f)
{
    struct native *m = self->native;
    PyObject *name = name_of(f), *directions = name ? directions_of(self->kit, f) : NULL;
    PyObject *user = directions ? attrs_of(m, f, TL_ATTR_USER) : NULL;
    PyObject *system = user ? attrs_of(m, f, TL_ATTR_SYSTEM) : NULL;
    if (system) {
        return Py_BuildValue("(LNNNN)", (long long)id, name, directions, user, system);
    }
    DROP(name);
    DROP(directions);
    DROP(user);
    return NULL;
}

static int add_facts(PyObject *list, const struct storage_object *self, int64_t id, const struct facts *f)
{
    PyObject *facts = study_facts(self, id, f);
    int rc = facts ? PyList_Append(list, facts) : -1;
    DROP(facts);
    return rc;
}

/* Where all studies are known, each is looked at by itself. Runs without the GIL. */
static int open_views(tl_storage *s, struct ids *ids, tl_view ***out, struct tl_err *err)
{
    int rc = tl_storage_each_study(s, add_id, ids, err);
    tl_view **views = rc == TL_OK ? calloc(ids->n + 1, sizeof *views) : NULL;
    *out = views;
    if (rc == TL_OK && !views) {
        return TL_ENOMEM;
    }
    for (size_t i = 0; rc == TL_OK && i < ids->n; i++) {
        rc = tl_view_open_study(s, ids->items[i], false, &views[i], err);
        if (rc == TL_ENOTFOUND) { /* deleted since: it is not there */
            rc = TL_OK;
        }
    }
    return rc;
}

struct copies {
    struct tl_study_summary *items;
    size_t n, cap;
};

static void *copy_bytes(const void *from, size_t n)
{
    char *to = malloc(n + 1);
    if (to) {
        memcpy(to, from ? from : "", from ? n : 0);
        to[from ? n : 0] = 0;
    }
    return to;
}

static void copy_release(struct tl_study_summary *s)
{
    for (size_t i = 0; s->attrs && i < s->n_attrs; i++) {
        free((void *)(uintptr_t)s->attrs[i].key.s);
        free((void *)(uintptr_t)s->attrs[i].json.s);
    }
    free((void *)(uintptr_t)s->attrs);
    free((void *)(uintptr_t)s->directions);
    free((void *)(uintptr_t)s->name);
}

static int copy_summary(void *ctx, const struct tl_study_summary *from) /* runs without the GIL */
{
    struct copies *c = ctx;
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        struct tl_study_summary *items = realloc(c->items, cap * sizeof *items);
        if (!items) {
            return TL_ENOMEM;
        }
        c->items = items;
        c->cap = cap;
    }
    struct tl_attr *attrs = calloc(from->n_attrs + 1, sizeof *attrs);
    struct tl_study_summary *to = &c->items[c->n++];
    *to = *from;
    to->attrs = attrs;
    to->name = copy_bytes(from->name, strlen(from->name));
    to->directions = copy_bytes(from->directions, from->n_directions * sizeof *from->directions);
    bool all = attrs && to->name && to->directions;
    for (size_t i = 0; attrs && i < from->n_attrs; i++) {
        attrs[i] = from->attrs[i];
        attrs[i].key.s = copy_bytes(from->attrs[i].key.s, from->attrs[i].key.len);
        attrs[i].json.s = copy_bytes(from->attrs[i].json.s, from->attrs[i].json.len);
        all = all && attrs[i].key.s && attrs[i].json.s;
    }
    return all ? TL_OK : TL_ENOMEM;
}

static PyObject *studies(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct ids ids = {NULL, 0, 0};
    struct copies copies = {NULL, 0, 0};
    struct call c;
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return NULL;
    }
    tl_view **views = NULL;
    int rc = tl_storage_has_read(s, -1) ? open_views(s, &ids, &views, &c.err)
                                        : tl_storage_each_summary(s, copy_summary, &copies, &c.err);
    PyObject *list = storage_done(self, &c, rc) ? PyList_New(0) : NULL;
    for (size_t i = 0; views && i < ids.n; i++) {
        struct facts f = {views[i], NULL};
        if (list && views[i] && add_facts(list, self, ids.items[i], &f) < 0) {
            Py_CLEAR(list);
        }
        tl_view_close(views[i]);
    }
    free(views);
    for (size_t i = 0; i < copies.n; i++) {
        struct facts f = {NULL, &copies.items[i]};
        if (list && add_facts(list, self, copies.items[i].study_id, &f) < 0) {
            Py_CLEAR(list);
        }
        copy_release(&copies.items[i]);
    }
    free(copies.items);
    free(ids.items);
    return list;
}

/* ---- trials that run ---- */

struct running_copy {
    int64_t study_id, trial_id, number, lease_ms, silent_ms;
    bool closed;
    char worker[64];
    struct running_copy *next;
};

static int add_running(void *ctx, const struct tl_running_trial *t) /* runs without the GIL */
{
    struct running_copy ***end = ctx, *copy = calloc(1, sizeof *copy);
    if (!copy) {
        return TL_ENOMEM;
    }
    copy->study_id = t->study_id;
    copy->trial_id = t->trial_id;
    copy->number = t->number;
    copy->lease_ms = t->lease_ms;
    copy->silent_ms = t->silent_ms;
    copy->closed = t->closed;
    PyOS_snprintf(copy->worker, sizeof copy->worker, "%s", t->worker ? t->worker : "");
    **end = copy;
    *end = &copy->next;
    return 0;
}

static PyObject *running(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct running_copy *first = NULL, **end = &first, *next;
    struct call c;
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return NULL;
    }
    PyObject *list = storage_done(self, &c, tl_storage_each_running(s, add_running, &end, &c.err)) ? PyList_New(0) : NULL;
    for (struct running_copy *r = first; r; r = next) {
        PyObject *worker = list ? text_from(r->worker, strlen(r->worker)) : NULL;
        PyObject *row = worker ? Py_BuildValue("(LLLNLLN)", (long long)r->study_id, (long long)r->trial_id, (long long)r->number, worker,
                                               (long long)r->lease_ms, (long long)r->silent_ms, PyBool_FromLong(r->closed))
                               : NULL;
        if (list && (!row || PyList_Append(list, row) < 0)) {
            Py_CLEAR(list);
        }
        DROP(row);
        next = r->next;
        free(r);
    }
    return list;
}

static int add_failed(void *ctx, int64_t study_id, int64_t trial_id) /* runs without the GIL */
{
    (void)study_id;
    return add_id(ctx, trial_id, NULL);
}

static PyObject *fail_lost(PyObject *object, PyObject *study)
{
    struct storage_object *self = (struct storage_object *)object;
    struct ids ids = {NULL, 0, 0};
    struct call c;
    int64_t study_id = -1;
    if (study != Py_None && id_from(study, "a study's id", &study_id) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return NULL;
    }
    PyObject *list = storage_done(self, &c, tl_storage_fail_lost(s, study_id, add_failed, &ids, &c.err)) ? PyList_New(0) : NULL;
    for (size_t i = 0; list && i < ids.n; i++) {
        PyObject *id = PyLong_FromLongLong(ids.items[i]);
        if (!id || PyList_Append(list, id) < 0) {
            Py_CLEAR(list);
        }
        DROP(id);
    }
    free(ids.items);
    return list;
}

PyMethodDef storage_read_methods[] = {
    {"fail_lost", fail_lost, METH_O,
     "fail_lost(study_id)\n--\n\nFails trials of lost workers when a look is due (None: of all studies); their ids."},
    {"find_study", find_study, METH_O, "find_study(name)\n--\n\nThe id of the study of that name."},
    {"study_name", study_name, METH_O, "study_name(study_id)\n--\n\n"},
    {"study_directions", study_directions, METH_O, "study_directions(study_id)\n--\n\nMembers of the kit's StudyDirection, or numbers."},
    {"study_attrs", (PyCFunction)(void (*)(void))study_attrs, METH_FASTCALL, "study_attrs(study_id, system)\n--\n\n"},
    {"studies", studies, METH_NOARGS, "studies()\n--\n\n(id, name, directions, user attributes, system attributes) of each."},
    {"running", running, METH_NOARGS,
     "running()\n--\n\n(study id, trial id, number, worker, lease in ms, silent for ms, handle closed) of each RUNNING trial."},
    {NULL, NULL, 0, NULL},
};
