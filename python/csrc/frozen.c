/* SPDX-License-Identifier: MIT
 *
 * Trial objects: what the library reads of a trial, as a FrozenTrial of the kit's class.
 *
 * Names and distributions are the same in nearly all trials, so each becomes one object: they are remembered by their address in the
 * library's memory, which holds as long as the storage's epoch (the caller looks after that). Attributes are set one by one on a bare
 * object, in the order of the class's own constructor, so that Python shares the keys of all these objects.
 */
#include "native.h"

/* ---- parts ---- */

struct part {
    const void *key;
    PyObject *object;
};

static size_t part_at(const struct parts *p, const void *key)
{
    size_t at = (size_t)((uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (p->cap - 1);
    while (p->slots[at].key && p->slots[at].key != key) {
        at = (at + 1) & (p->cap - 1);
    }
    return at;
}

static bool parts_grow(struct parts *p)
{
    struct parts bigger = {.cap = p->cap ? p->cap * 2 : 64, .n = p->n, .holders = p->holders};
    bigger.slots = PyMem_Calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < p->cap; i++) {
        if (p->slots[i].key) {
            bigger.slots[part_at(&bigger, p->slots[i].key)] = p->slots[i];
        }
    }
    PyMem_Free(p->slots);
    *p = bigger;
    return true;
}

static PyObject *part_find(const struct parts *p, const void *key) /* borrowed, or NULL */
{
    return p->cap ? p->slots[part_at(p, key)].object : NULL;
}

/* Takes the new object (NULL: passed on) and returns it borrowed. Making it may have run other Python code that put the same part. */
static PyObject *part_put(struct parts *p, const void *key, PyObject *object)
{
    if (!object) {
        return NULL;
    }
    PyObject *known = part_find(p, key);
    if (known || ((p->n + 1) * 2 > p->cap && !parts_grow(p))) {
        DROP(object);
        return known;
    }
    p->slots[part_at(p, key)] = (struct part){key, object};
    p->n++;
    return object;
}

void parts_release(struct parts *p)
{
    struct parts old = *p;
    *p = (struct parts){.holders = old.holders};
    for (size_t i = 0; i < old.cap; i++) {
        DROP(old.slots[i].object);
    }
    PyMem_Free(old.slots);
}

struct parts *parts_new(void)
{
    struct parts *p = PyMem_Calloc(1, sizeof *p);
    if (p) {
        p->holders = 1;
    } else {
        PyErr_NoMemory();
    }
    return p;
}

struct parts *parts_hold(struct parts *p)
{
    p->holders++;
    return p;
}

void parts_drop(struct parts *p)
{
    if (!p || --p->holders > 0) {
        return;
    }
    parts_release(p);
    PyMem_Free(p);
}

int parts_traverse(struct parts *p, visitproc visit, void *arg)
{
    for (size_t i = 0; i < p->cap; i++) {
        Py_VISIT(p->slots[i].object);
    }
    return 0;
}

static PyObject *name_part(struct parts *p, const char *s, size_t n)
{
    PyObject *known = part_find(p, s);
    if (known) {
        return known;
    }
    PyObject *text = text_from(s, n);
    if (text) {
        PyUnicode_InternInPlace(&text);
    }
    return part_put(p, s, text);
}

static PyObject *dist_part(const struct kit_object *kit, struct parts *p, const struct tl_dist *d)
{
    PyObject *known = part_find(p, d);
    return known ? known : part_put(p, d, dist_object(kit, d));
}

/* ---- the parts of a trial ---- */

static int fill_params(const struct kit_object *kit, struct parts *parts, const struct tl_frozen_trial *t, PyObject *params,
                       PyObject *dists)
{
    for (size_t i = 0; i < t->n_params; i++) {
        const struct tl_param *p = &t->params[i];
        PyObject *name = name_part(parts, p->name.s, p->name.len);
        PyObject *dist = name ? dist_part(kit, parts, p->dist) : NULL;
        if (!dist || PyDict_SetItem(dists, name, dist) < 0) {
            return -1;
        }
        if (!p->has_value) {
            continue;
        }
        PyObject *value = external_object(kit, p->dist, dist, p->internal);
        int rc = value ? PyDict_SetItem(params, name, value) : -1;
        DROP(value);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_attrs(const struct kit_object *kit, struct parts *parts, const struct tl_frozen_trial *t, PyObject *user,
                      PyObject *system)
{
    for (size_t i = 0; i < t->n_attrs; i++) {
        const struct tl_attr *a = &t->attrs[i];
        PyObject *key = name_part(parts, a->key.s, a->key.len);
        PyObject *value = key ? json_value(kit->native, a->json.s, a->json.len) : NULL;
        int rc = value ? PyDict_SetItem(a->kind == TL_ATTR_USER ? user : system, key, value) : -1;
        DROP(value);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_reports(const struct tl_frozen_trial *t, PyObject *reports)
{
    for (size_t i = 0; i < t->n_reports; i++) {
        PyObject *step = PyLong_FromLongLong(t->reports[i].step);
        PyObject *value = step ? PyFloat_FromDouble(t->reports[i].value) : NULL;
        int rc = value ? PyDict_SetItem(reports, step, value) : -1;
        DROP(step);
        DROP(value);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *values_object(const struct tl_frozen_trial *t)
{
    if (!t->has_values) {
        Py_RETURN_NONE;
    }
    PyObject *list = PyList_New((Py_ssize_t)t->n_values);
    for (size_t i = 0; list && i < t->n_values; i++) {
        PyObject *v = PyFloat_FromDouble(t->values[i]);
        if (!v || PyList_SetItem(list, (Py_ssize_t)i, v) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* ---- the whole ---- */

static PyObject *assemble(const struct kit_object *kit, PyObject *const *fields)
{
    struct native *m = kit->native;
    if (!kit->plain) {
        static const char *const arguments[N_FROZEN_FIELDS] = {
            [FROZEN_number] = "number",       [FROZEN_state] = "state",           [FROZEN_values] = "values",
            [FROZEN_start] = "datetime_start", [FROZEN_complete] = "datetime_complete", [FROZEN_params] = "params",
            [FROZEN_user_attrs] = "user_attrs", [FROZEN_system_attrs] = "system_attrs",
            [FROZEN_reports] = "intermediate_values", [FROZEN_distributions] = "distributions", [FROZEN_id] = "trial_id"};
        PyObject *kwargs = PyDict_New(), *result = NULL;
        int rc = kwargs ? PyDict_SetItemString(kwargs, "value", Py_None) : -1;
        for (size_t i = 0; rc == 0 && i < N_FROZEN_FIELDS; i++) {
            rc = PyDict_SetItemString(kwargs, arguments[i], fields[i]);
        }
        if (rc == 0) {
            result = PyObject_Call(kit->frozen_trial, m->empty, kwargs);
        }
        DROP(kwargs);
        return result;
    }
    PyTypeObject *type = (PyTypeObject *)kit->frozen_trial;
    PyObject *trial = ((newfunc)PyType_GetSlot(type, Py_tp_new))(type, m->empty, NULL);
    for (size_t i = 0; trial && i < N_FROZEN_FIELDS; i++) {
        if (PyObject_GenericSetAttr(trial, m->frozen[i], fields[i]) < 0) {
            Py_CLEAR(trial);
        }
    }
    return trial;
}

PyObject *frozen_object(const struct kit_object *kit, struct parts *parts, const struct tl_frozen_trial *t)
{
    PyObject *fields[N_FROZEN_FIELDS] = {
        [FROZEN_number] = PyLong_FromLongLong(t->number),
        [FROZEN_state] = Py_NewRef(kit->states[t->state]),
        [FROZEN_values] = values_object(t),
        [FROZEN_start] = time_object(kit->native, t->start),
        [FROZEN_complete] = time_object(kit->native, t->complete),
        [FROZEN_params] = PyDict_New(),
        [FROZEN_user_attrs] = PyDict_New(),
        [FROZEN_system_attrs] = PyDict_New(),
        [FROZEN_reports] = PyDict_New(),
        [FROZEN_distributions] = PyDict_New(),
        [FROZEN_id] = PyLong_FromLongLong(t->id),
    };
    bool ok = true;
    for (size_t i = 0; i < N_FROZEN_FIELDS; i++) {
        ok = ok && fields[i];
    }
    ok = ok && fill_params(kit, parts, t, fields[FROZEN_params], fields[FROZEN_distributions]) == 0 &&
         fill_attrs(kit, parts, t, fields[FROZEN_user_attrs], fields[FROZEN_system_attrs]) == 0 &&
         fill_reports(t, fields[FROZEN_reports]) == 0;
    PyObject *trial = ok ? assemble(kit, fields) : NULL;
    for (size_t i = 0; i < N_FROZEN_FIELDS; i++) {
        DROP(fields[i]);
    }
    return trial;
}
