/* SPDX-License-Identifier: MIT
 *
 * Reading studies, and what is known of workers: methods of _native.Storage. Trials are read in trials.c.
 *
 * A method opens the smallest view that knows the answer, without the GIL, and turns it into Python objects with it; views need no lock.
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
    if (s && storage_done(self, &c, tl_storage_find_study(s, text, &id, &c.err)))
        result = PyLong_FromLongLong(id);
    DROP(owner);
    return result;
}

/* A view of the study without unfinished trials; NULL with an exception. */
static tl_view *open_study(struct storage_object *self, PyObject *study_id)
{
    struct call c;
    int64_t id;
    tl_view *view = NULL;
    if (id_from(study_id, "a study's id", &id) < 0)
        return NULL;
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_view_open_study(s, id, true, &view, &c.err))) {
        tl_view_close(view);
        return NULL;
    }
    return view;
}

static PyObject *name_of(const tl_view *view)
{
    const char *name = tl_view_study_name(view);
    return text_from(name, strlen(name));
}

static PyObject *directions_of(const struct kit_object *kit, const tl_view *view)
{
    size_t n;
    const enum tl_direction *d = tl_view_directions(view, &n);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *member = kit ? kit->directions[d[i]] : NULL;
        PyObject *v = member ? Py_NewRef(member) : PyLong_FromLong((long)d[i]);
        if (!v || PyList_SetItem(list, (Py_ssize_t)i, v) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* The attributes of one kind as a dictionary. */
static PyObject *attrs_of(struct native *m, const tl_view *view, enum tl_attr_kind kind)
{
    size_t n;
    const struct tl_attr *a = tl_view_study_attrs(view, &n);
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < n; i++) {
        if (a[i].kind != kind)
            continue;
        PyObject *key = text_from(a[i].key.s, a[i].key.len);
        PyObject *value = key ? json_value(m, a[i].json.s, a[i].json.len) : NULL;
        if (!value || PyDict_SetItem(dict, key, value) < 0)
            Py_CLEAR(dict);
        DROP(key);
        DROP(value);
    }
    return dict;
}

static PyObject *study_name(PyObject *object, PyObject *study_id)
{
    tl_view *view = open_study((struct storage_object *)object, study_id);
    PyObject *result = view ? name_of(view) : NULL;
    tl_view_close(view);
    return result;
}

static PyObject *study_directions(PyObject *object, PyObject *study_id)
{
    struct storage_object *self = (struct storage_object *)object;
    tl_view *view = open_study(self, study_id);
    PyObject *result = view ? directions_of(self->kit, view) : NULL;
    tl_view_close(view);
    return result;
}

static PyObject *study_attrs(PyObject *object, PyObject *args)
{
    struct storage_object *self = (struct storage_object *)object;
    PyObject *study_id;
    int system;
    if (!PyArg_ParseTuple(args, "Op", &study_id, &system))
        return NULL;
    tl_view *view = open_study(self, study_id);
    PyObject *result = view ? attrs_of(self->native, view, system ? TL_ATTR_SYSTEM : TL_ATTR_USER) : NULL;
    tl_view_close(view);
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
        if (!items)
            return TL_ENOMEM;
        ids->items = items;
        ids->cap = cap;
    }
    ids->items[ids->n++] = study_id;
    return 0;
}

static PyObject *study_facts(const struct storage_object *self, const tl_view *view)
{
    struct native *m = self->native;
    PyObject *name = name_of(view), *directions = name ? directions_of(self->kit, view) : NULL;
    PyObject *user = directions ? attrs_of(m, view, TL_ATTR_USER) : NULL;
    PyObject *system = user ? attrs_of(m, view, TL_ATTR_SYSTEM) : NULL;
    if (system)
        return Py_BuildValue("(LNNNN)", (long long)tl_view_study_id(view), name, directions, user, system);
    DROP(name);
    DROP(directions);
    DROP(user);
    return NULL;
}

static PyObject *studies(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct ids ids = {NULL, 0, 0};
    struct call c;
    tl_storage *s = storage_use(self, &c);
    if (!s)
        return NULL;
    PyObject *list = storage_done(self, &c, tl_storage_each_study(s, add_id, &ids, &c.err)) ? PyList_New(0) : NULL;
    for (size_t i = 0; list && i < ids.n; i++) {
        tl_view *view = NULL;
        s = storage_use(self, &c);
        int rc = s ? tl_view_open_study(s, ids.items[i], false, &view, &c.err) : 0;
        bool deleted = rc == TL_ENOTFOUND;
        if (!s || !storage_done(self, &c, deleted ? TL_OK : rc)) {
            Py_CLEAR(list);
        } else if (!deleted) { /* deleted since: it is not there */
            PyObject *facts = study_facts(self, view);
            if (!facts || PyList_Append(list, facts) < 0)
                Py_CLEAR(list);
            DROP(facts);
        }
        tl_view_close(view);
    }
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
    if (!copy)
        return TL_ENOMEM;
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
    if (!s)
        return NULL;
    PyObject *list = storage_done(self, &c, tl_storage_each_running(s, add_running, &end, &c.err)) ? PyList_New(0) : NULL;
    for (struct running_copy *r = first; r; r = next) {
        PyObject *worker = list ? text_from(r->worker, strlen(r->worker)) : NULL;
        PyObject *row = worker ? Py_BuildValue("(LLLNLLN)", (long long)r->study_id, (long long)r->trial_id, (long long)r->number, worker,
                                               (long long)r->lease_ms, (long long)r->silent_ms, PyBool_FromLong(r->closed))
                               : NULL;
        if (list && (!row || PyList_Append(list, row) < 0))
            Py_CLEAR(list);
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
    if (study != Py_None && id_from(study, "a study's id", &study_id) < 0)
        return NULL;
    tl_storage *s = storage_use(self, &c);
    if (!s)
        return NULL;
    PyObject *list = storage_done(self, &c, tl_storage_fail_lost(s, study_id, add_failed, &ids, &c.err)) ? PyList_New(0) : NULL;
    for (size_t i = 0; list && i < ids.n; i++) {
        PyObject *id = PyLong_FromLongLong(ids.items[i]);
        if (!id || PyList_Append(list, id) < 0)
            Py_CLEAR(list);
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
    {"study_attrs", study_attrs, METH_VARARGS, "study_attrs(study_id, system)\n--\n\n"},
    {"studies", studies, METH_NOARGS, "studies()\n--\n\n(id, name, directions, user attributes, system attributes) of each."},
    {"running", running, METH_NOARGS,
     "running()\n--\n\n(study id, trial id, number, worker, lease in ms, silent for ms, handle closed) of each RUNNING trial."},
    {NULL, NULL, 0, NULL},
};
