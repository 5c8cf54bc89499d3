/* SPDX-License-Identifier: MIT
 *
 * Writing by id: one method of _native.Storage for each operation of a journal.
 *
 * Each one turns its arguments into C with the GIL held, gives the GIL away, makes one append, and turns the outcome into a result or an
 * exception. Nothing is kept between calls.
 */
#include "native.h"

static bool n_args(const char *name, Py_ssize_t n, Py_ssize_t wanted)
{
    if (n == wanted) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, %zd were given", name, wanted, n);
    return false;
}

/* ---- studies ---- */

static PyObject *create_study(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    if (!n_args("create_study", n, 2)) {
        return NULL;
    }
    PyObject *owner = NULL, *list = NULL, *result = NULL;
    enum tl_direction directions[256];
    const char *name = args[0] == Py_None ? NULL : text_utf8(args[0], "a study's name", &owner);
    if (args[0] != Py_None && !name) {
        return NULL;
    }
    list = PySequence_List(args[1]);
    Py_ssize_t n_directions = list ? PyList_Size(list) : -1;
    if (n_directions > 256) {
        PyErr_SetString(PyExc_ValueError, "a study has at most 256 objectives here");
        n_directions = -1;
    }
    for (Py_ssize_t i = 0; i < n_directions; i++) {
        int64_t d;
        if (int64_from(PyList_GetItem(list, i), "a direction", &d) < 0) {
            n_directions = -1;
        } else {
            directions[i] = d >= 0 && d <= TL_MAXIMIZE ? (enum tl_direction)d : TL_NOT_SET;
        }
    }
    struct call c;
    int64_t id;
    tl_storage *s = n_directions < 0 ? NULL : storage_use(self, &c);
    if (s && storage_done(self, &c, tl_storage_create_study(s, name, directions, (size_t)n_directions, &id, &c.err))) {
        result = PyLong_FromLongLong(id);
    }
    DROP(owner);
    DROP(list);
    return result;
}

static PyObject *delete_study(PyObject *object, PyObject *study_id)
{
    struct storage_object *self = (struct storage_object *)object;
    struct call c;
    int64_t id;
    if (id_from(study_id, "a study's id", &id) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_delete_study(s, id, &c.err))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* (id, system, key, value) of a study or a trial. */
static PyObject *set_attr(PyObject *object, PyObject *const *args, Py_ssize_t n, const char *name,
                          int (*set)(tl_storage *, int64_t, enum tl_attr_kind, const char *, const char *, struct tl_err *))
{
    struct storage_object *self = (struct storage_object *)object;
    PyObject *key_owner = NULL, *json_owner = NULL;
    int64_t id;
    if (!n_args(name, n, 4) || id_from(args[0], "an id", &id) < 0) {
        return NULL;
    }
    int system = PyObject_IsTrue(args[1]);
    const char *key = system < 0 ? NULL : text_utf8(args[2], "the key of an attribute", &key_owner);
    const char *json = key ? json_utf8(self->native, args[3], &json_owner) : NULL;
    struct call c;
    tl_storage *s = json ? storage_use(self, &c) : NULL;
    bool ok = s && storage_done(self, &c, set(s, id, system ? TL_ATTR_SYSTEM : TL_ATTR_USER, key, json, &c.err));
    DROP(key_owner);
    DROP(json_owner);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *set_study_attr(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    return set_attr(object, args, n, "set_study_attr", tl_storage_set_study_attr);
}

static PyObject *set_trial_attr(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    return set_attr(object, args, n, "set_trial_attr", tl_storage_set_trial_attr);
}

/* ---- a trial with everything it has ---- */

/* The C form of a template; `keep` holds the texts that the lists borrow. */
struct template {
    struct tl_trial_spec spec;
    struct tl_param_spec *params;
    struct dist_spec *dists;
    struct tl_attr_spec *attrs;
    struct tl_report_spec *reports;
    double *values;
    PyObject *keep;
};

static void template_release(struct template *t)
{
    for (size_t i = 0; i < t->spec.n_params; i++) {
        dist_spec_release(&t->dists[i]);
    }
    PyMem_Free(t->params);
    PyMem_Free(t->dists);
    PyMem_Free(t->attrs);
    PyMem_Free(t->reports);
    PyMem_Free(t->values);
    DROP(t->keep);
}

static const char *kept_text(struct template *t, PyObject *s, const char *what)
{
    PyObject *owner;
    const char *text = text_utf8(s, what, &owner);
    if (text && PyList_Append(t->keep, owner) < 0) {
        text = NULL;
    }
    DROP(owner);
    return text;
}

/* An attribute that is a dictionary, as a list of its items: nothing that runs meanwhile can change it. */
static PyObject *items_of(PyObject *trial, PyObject *name, size_t *n)
{
    PyObject *dict = PyObject_GetAttr(trial, name);
    PyObject *items = dict ? PyMapping_Items(dict) : NULL;
    DROP(dict);
    *n = items ? (size_t)PyList_Size(items) : 0;
    return items;
}

static int item(PyObject *items, size_t i, PyObject **key, PyObject **value)
{
    PyObject *pair = PyList_GetItem(items, (Py_ssize_t)i);
    *key = pair ? PyTuple_GetItem(pair, 0) : NULL;
    *value = pair ? PyTuple_GetItem(pair, 1) : NULL;
    return *value ? 0 : -1;
}

/* One parameter: its distribution knows the internal form. */
static int template_param(struct native *m, struct template *t, PyObject *dists, PyObject *name, PyObject *value)
{
    size_t i = t->spec.n_params;
    struct tl_param_spec *p = &t->params[i];
    PyObject *dist = PyObject_GetItem(dists, name), *internal = NULL;
    int rc = dist ? dist_from(m, dist, &t->dists[i]) : -1;
    if (rc == 0) {
        t->spec.n_params++;
        p->dist = &t->dists[i].dist;
        p->name = kept_text(t, name, "a parameter's name");
        internal = p->name ? PyObject_CallMethodObjArgs(dist, m->names[NAME_to_internal_repr], value, NULL) : NULL;
        rc = internal ? double_from(internal, "a parameter's value", &p->internal) : -1;
    }
    DROP(internal);
    DROP(dist);
    return rc;
}

static int template_params(struct native *m, struct template *t, PyObject *trial)
{
    size_t n;
    PyObject *dists = PyObject_GetAttr(trial, m->names[NAME_distributions]);
    PyObject *items = dists ? items_of(trial, m->names[NAME_params], &n) : NULL;
    int rc = items ? 0 : -1;
    if (items) {
        t->params = PyMem_Calloc(n + 1, sizeof *t->params);
        t->dists = PyMem_Calloc(n + 1, sizeof *t->dists);
        if (!t->params || !t->dists) {
            PyErr_NoMemory();
            rc = -1;
        }
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        PyObject *name, *value;
        rc = item(items, i, &name, &value);
        if (rc == 0) {
            rc = template_param(m, t, dists, name, value);
        }
    }
    DROP(items);
    DROP(dists);
    t->spec.params = t->params;
    return rc;
}

static int template_attrs(struct native *m, struct template *t, PyObject *trial)
{
    static const enum native_name names[2] = {[TL_ATTR_USER] = NAME_user_attrs, [TL_ATTR_SYSTEM] = NAME_system_attrs};
    PyObject *items[2];
    size_t n[2] = {0, 0};
    items[0] = items_of(trial, m->names[names[0]], &n[0]);
    items[1] = items[0] ? items_of(trial, m->names[names[1]], &n[1]) : NULL;
    int rc = items[1] ? 0 : -1;
    if (rc == 0) {
        t->attrs = PyMem_Calloc(n[0] + n[1] + 1, sizeof *t->attrs);
        if (!t->attrs) {
            PyErr_NoMemory();
            rc = -1;
        }
    }
    for (size_t i = 0; rc == 0 && i < n[0] + n[1]; i++) {
        struct tl_attr_spec *a = &t->attrs[i];
        PyObject *key, *value, *owner = NULL;
        a->kind = i < n[0] ? TL_ATTR_USER : TL_ATTR_SYSTEM;
        rc = item(items[a->kind], i < n[0] ? i : i - n[0], &key, &value);
        a->key = rc == 0 ? kept_text(t, key, "the key of an attribute") : NULL;
        a->json = a->key ? json_utf8(m, value, &owner) : NULL;
        rc = a->json ? PyList_Append(t->keep, owner) : -1;
        DROP(owner);
    }
    DROP(items[0]);
    DROP(items[1]);
    t->spec.attrs = t->attrs;
    t->spec.n_attrs = n[0] + n[1];
    return rc;
}

static int template_reports(struct native *m, struct template *t, PyObject *trial)
{
    size_t n;
    PyObject *items = items_of(trial, m->frozen[FROZEN_reports], &n);
    int rc = items ? 0 : -1;
    if (rc == 0) {
        t->reports = PyMem_Calloc(n + 1, sizeof *t->reports);
        if (!t->reports) {
            PyErr_NoMemory();
            rc = -1;
        }
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        PyObject *step, *value;
        rc = item(items, i, &step, &value);
        if (rc == 0) {
            rc = int64_from(step, "a step", &t->reports[i].step);
        }
        if (rc == 0) {
            rc = double_from(value, "an intermediate value", &t->reports[i].value);
        }
    }
    DROP(items);
    t->spec.reports = t->reports;
    t->spec.n_reports = n;
    return rc;
}

static int template_from(struct native *m, struct template *t, PyObject *trial)
{
    *t = (struct template){.spec = TL_TRIAL_SPEC_INIT, .keep = PyList_New(0)};
    if (!t->keep) {
        return -1;
    }
    PyObject *state = PyObject_GetAttr(trial, m->frozen[FROZEN_state]);
    PyObject *values = state ? PyObject_GetAttr(trial, m->names[NAME_values]) : NULL;
    PyObject *start = values ? PyObject_GetAttr(trial, m->names[NAME_datetime_start]) : NULL;
    PyObject *complete = start ? PyObject_GetAttr(trial, m->frozen[FROZEN_complete]) : NULL;
    int rc = -1;
    if (complete && state_from(state, &t->spec.state) == 0 && doubles_from(values, &t->values, &t->spec.n_values) == 0 &&
        time_from(m, start, &t->spec.start) == 0 && time_from(m, complete, &t->spec.complete) == 0 &&
        template_params(m, t, trial) == 0 && template_attrs(m, t, trial) == 0) {
        rc = template_reports(m, t, trial);
    }
    t->spec.values = t->values;
    DROP(state);
    DROP(values);
    DROP(start);
    DROP(complete);
    return rc;
}

static PyObject *create_trial(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    struct template t = {.keep = NULL};
    struct call c;
    int64_t study_id, id, number;
    PyObject *result = NULL;
    if (!n_args("create_trial", n, 2) || id_from(args[0], "a study's id", &study_id) < 0) {
        return NULL;
    }
    bool plain = args[1] == Py_None;
    tl_storage *s = plain || template_from(self->native, &t, args[1]) == 0 ? storage_use(self, &c) : NULL;
    if (s && storage_done(self, &c, tl_storage_create_trial(s, study_id, plain ? NULL : &t.spec, &id, &number, &c.err))) {
        result = Py_BuildValue("(LL)", (long long)id, (long long)number);
    }
    template_release(&t);
    return result;
}

/* ---- changes of a trial ---- */

static PyObject *set_param(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    struct dist_spec d;
    PyObject *owner = NULL;
    int64_t id;
    double internal;
    struct call c;
    if (!n_args("set_param", n, 4) || id_from(args[0], "a trial's id", &id) < 0 ||
        double_from(args[2], "a parameter's internal value", &internal) < 0 || dist_from(self->native, args[3], &d) < 0) {
        return NULL;
    }
    const char *name = text_utf8(args[1], "a parameter's name", &owner);
    tl_storage *s = name ? storage_use(self, &c) : NULL;
    bool ok = s && storage_done(self, &c, tl_storage_set_param(s, id, name, internal, &d.dist, &c.err));
    DROP(owner);
    dist_spec_release(&d);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *set_state(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    int64_t id;
    enum tl_state state;
    double *values;
    size_t n_values;
    bool updated = true;
    struct call c;
    if (!n_args("set_state", n, 3) || id_from(args[0], "a trial's id", &id) < 0 || state_from(args[1], &state) < 0 ||
        doubles_from(args[2], &values, &n_values) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    bool ok = s && storage_done(self, &c, tl_storage_set_state(s, id, state, values, n_values, &updated, &c.err));
    PyMem_Free(values);
    return ok ? PyBool_FromLong(updated) : NULL;
}

static PyObject *report(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    int64_t id, step;
    double value;
    struct call c;
    if (!n_args("report", n, 3) || id_from(args[0], "a trial's id", &id) < 0 || int64_from(args[1], "a step", &step) < 0 ||
        double_from(args[2], "an intermediate value", &value) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_report(s, id, step, value, &c.err))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

#define FAST(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL
PyMethodDef storage_write_methods[] = {
    {"create_study", FAST(create_study), "create_study(name, directions)\n--\n\nThe new study's id; name None: one of its own."},
    {"delete_study", delete_study, METH_O, "delete_study(study_id)\n--\n\n"},
    {"set_study_attr", FAST(set_study_attr), "set_study_attr(study_id, system, key, value)\n--\n\nAny value that JSON can hold."},
    {"create_trial", FAST(create_trial), "create_trial(study_id, template)\n--\n\nId and number; template None: a RUNNING trial."},
    {"set_param", FAST(set_param), "set_param(trial_id, name, internal, distribution)\n--\n\n"},
    {"set_state", FAST(set_state), "set_state(trial_id, state, values)\n--\n\nFalse: somebody else runs it already."},
    {"report", FAST(report), "report(trial_id, step, value)\n--\n\n"},
    {"set_trial_attr", FAST(set_trial_attr), "set_trial_attr(trial_id, system, key, value)\n--\n\nAny value that JSON can hold."},
    {NULL, NULL, 0, NULL},
};
