/* SPDX-License-Identifier: MIT
 *
 * Texts, numbers, instants, distributions and parameter values between Python and the library.
 *
 * Distributions are taken by their attributes (low, high, log, step; choices), not by their class, so Optuna's and ours will do alike: an
 * int as `low` makes an int distribution. Instants are naive local times in Python, as in Optuna, and UTC in the journal; a journal
 * written by an Optuna before 5.0 holds local times without a zone, which are shown as they stand.
 */
#include "native.h"

#include <time.h>

/* ---- texts ---- */

PyObject *text_from(const char *s, size_t n)
{
    return PyUnicode_DecodeUTF8(s, (Py_ssize_t)n, "surrogatepass");
}

const char *text_utf8(PyObject *s, const char *what, PyObject **owner)
{
    Py_ssize_t n;
    *owner = NULL;
    if (!PyUnicode_Check(s)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, (PyObject *)Py_TYPE(s));
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(s, &n);
    if (text) {
        *owner = Py_NewRef(s);
    } else {
        PyErr_Clear();
        *owner = PyUnicode_AsEncodedString(s, "utf-8", "surrogatepass");
        if (!*owner) {
            return NULL;
        }
        text = PyBytes_AsString(*owner);
        n = PyBytes_Size(*owner);
    }
    if (!memchr(text, '\0', (size_t)n)) {
        return text;
    }
    PyErr_Format(PyExc_ValueError, "%s must not contain a NUL character", what);
    Py_CLEAR(*owner);
    return NULL;
}

/* ---- numbers ---- */

int int64_from(PyObject *o, const char *what, int64_t *out)
{
    PyObject *index = PyNumber_Index(o);
    if (!index) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", what, (PyObject *)Py_TYPE(o));
        }
        return -1;
    }
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(index, &overflow);
    DROP(index);
    if (overflow) {
        PyErr_Format(PyExc_ValueError, "%s is too large: %R", what, o);
        return -1;
    }
    *out = v;
    return 0;
}

int id_from(PyObject *o, const char *what, int64_t *out)
{
    int rc = int64_from(o, what, out);
    if (rc < 0 && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        PyErr_Format(PyExc_KeyError, "nothing has the id %R", o);
    }
    return rc;
}

int double_from(PyObject *o, const char *what, double *out)
{
    *out = PyFloat_AsDouble(o);
    if (*out != -1.0 || !PyErr_Occurred()) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Format(PyExc_TypeError, "%s must be a number, not %R", what, (PyObject *)Py_TYPE(o));
    }
    return -1;
}

int state_from(PyObject *o, enum tl_state *out)
{
    int64_t v;
    if (int64_from(o, "the state", &v) < 0) {
        return -1;
    }
    if (v < 0 || v >= TL_N_STATES) {
        PyErr_Format(PyExc_ValueError, "there is no trial state %R", o);
        return -1;
    }
    *out = (enum tl_state)v;
    return 0;
}

int doubles_from(PyObject *sequence, double **out, size_t *n)
{
    *out = NULL;
    *n = 0;
    if (sequence == Py_None) {
        return 0;
    }
    PyObject *list = PySequence_List(sequence);
    if (!list) {
        return -1;
    }
    size_t len = (size_t)PyList_Size(list);
    double *items = PyMem_Malloc((len + 1) * sizeof *items);
    if (!items) {
        PyErr_NoMemory();
    }
    for (size_t i = 0; items && i < len; i++) {
        if (double_from(PyList_GetItem(list, (Py_ssize_t)i), "a value", &items[i]) < 0) {
            PyMem_Free(items);
            items = NULL;
        }
    }
    DROP(list);
    if (!items) {
        return -1;
    }
    *out = items;
    *n = len;
    return 0;
}

/* ---- instants ---- */

PyObject *time_object(struct native *m, struct tl_time t)
{
    if (!t.set) {
        Py_RETURN_NONE;
    }
    int64_t seconds = t.us / 1000000, micro = t.us % 1000000;
    if (micro < 0) {
        micro += 1000000;
        seconds--;
    }
    time_t clock = (time_t)seconds;
    struct tm parts;
    if (!(t.naive ? gmtime_r(&clock, &parts) : localtime_r(&clock, &parts)) || parts.tm_year < 1 - 1900 ||
        parts.tm_year > 9999 - 1900) {
        Py_RETURN_NONE; /* no datetime can hold it */
    }
    int year = parts.tm_year + 1900, second = parts.tm_sec < 60 ? parts.tm_sec : 59;
    /* the form in which datetimes are pickled: one argument instead of seven */
    unsigned char state[10] = {(unsigned char)(year >> 8),    (unsigned char)(year & 255),   (unsigned char)(parts.tm_mon + 1),
                               (unsigned char)parts.tm_mday,  (unsigned char)parts.tm_hour,  (unsigned char)parts.tm_min,
                               (unsigned char)second,         (unsigned char)(micro >> 16),  (unsigned char)(micro >> 8 & 255),
                               (unsigned char)(micro & 255)};
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)state, sizeof state);
    PyObject *result = bytes ? PyObject_CallFunctionObjArgs(m->datetime, bytes, NULL) : NULL;
    DROP(bytes);
    return result;
}

int time_from(struct native *m, PyObject *datetime, struct tl_time *out)
{
    *out = (struct tl_time){0, false, false};
    if (datetime == Py_None) {
        return 0;
    }
    PyObject *stamp = PyObject_CallMethodObjArgs(datetime, m->names[NAME_timestamp], NULL);
    PyObject *micro = stamp ? PyObject_GetAttr(datetime, m->names[NAME_microsecond]) : NULL;
    double seconds = micro ? PyFloat_AsDouble(stamp) : -1;
    long us = micro ? PyLong_AsLong(micro) : -1;
    DROP(stamp);
    DROP(micro);
    if (PyErr_Occurred()) {
        return -1;
    }
    double whole = seconds - (double)us / 1e6; /* a whole number but for rounding: microseconds come from the datetime itself */
    out->us = (int64_t)(whole < 0 ? whole - 0.5 : whole + 0.5) * 1000000 + us;
    out->set = true;
    return 0;
}

/* ---- distributions and values ---- */

PyObject *value_object(struct native *m, const struct tl_value *v)
{
    switch (v->kind) {
    case TL_VALUE_NULL: Py_RETURN_NONE;
    case TL_VALUE_BOOL: return PyBool_FromLong(v->as.b);
    case TL_VALUE_INT: return PyLong_FromLongLong(v->as.i);
    case TL_VALUE_FLOAT: return PyFloat_FromDouble(v->as.f);
    case TL_VALUE_STRING: return text_from(v->as.text.s, v->as.text.len);
    default: return json_value(m, v->as.text.s, v->as.text.len);
    }
}

/* `texts` keeps what the value borrows. */
int value_from(struct native *m, PyObject *o, struct tl_value *out, PyObject *texts)
{
    if (o == Py_None) {
        out->kind = TL_VALUE_NULL;
        return 0;
    }
    if (PyBool_Check(o)) {
        out->kind = TL_VALUE_BOOL;
        out->as.b = o == Py_True;
        return 0;
    }
    if (PyFloat_Check(o)) {
        out->kind = TL_VALUE_FLOAT;
        out->as.f = PyFloat_AsDouble(o);
        return 0;
    }
    if (PyIndex_Check(o)) { /* an int, of a subclass, or one of numpy's */
        PyObject *index = PyNumber_Index(o);
        int overflow = 0;
        long long i = index ? PyLong_AsLongLongAndOverflow(index, &overflow) : -1;
        DROP(index);
        if (!index) {
            return -1;
        }
        if (!overflow) {
            out->kind = TL_VALUE_INT;
            out->as.i = i;
            return 0;
        }
    }
    PyObject *owner;
    bool text = PyUnicode_Check(o);
    const char *s = text ? text_utf8(o, "a choice", &owner) : json_utf8(m, o, &owner);
    if (!s) {
        return -1;
    }
    out->kind = text ? TL_VALUE_STRING : TL_VALUE_JSON;
    out->as.text.s = s;
    out->as.text.len = strlen(s);
    int rc = PyList_Append(texts, owner);
    DROP(owner);
    return rc;
}

void dist_spec_release(struct dist_spec *d)
{
    PyMem_Free(d->choices);
    DROP(d->texts);
    d->choices = NULL;
    d->texts = NULL;
}

static int choices_from(struct native *m, PyObject *object, struct dist_spec *out)
{
    PyObject *choices = PyObject_GetAttr(object, m->names[NAME_choices]);
    PyObject *tuple = choices ? PySequence_Tuple(choices) : NULL;
    DROP(choices);
    if (!tuple) {
        return -1;
    }
    size_t n = (size_t)PyTuple_Size(tuple);
    out->dist.kind = TL_DIST_CATEGORICAL;
    out->dist.n_choices = n;
    out->dist.choices = out->choices = PyMem_Calloc(n + 1, sizeof *out->choices);
    out->texts = PyList_New(0);
    int rc = out->choices && out->texts ? 0 : -1;
    if (!out->choices) {
        PyErr_NoMemory();
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = value_from(m, PyTuple_GetItem(tuple, (Py_ssize_t)i), &out->choices[i], out->texts);
    }
    if (rc == 0) {
        rc = PyList_Append(out->texts, tuple); /* plain texts live in the choices themselves */
    }
    DROP(tuple);
    return rc;
}

static int number_attr(PyObject *object, PyObject *name, double *out)
{
    PyObject *v = PyObject_GetAttr(object, name);
    int rc = -1;
    if (v == Py_None) {
        *out = 0;
        rc = 0;
    } else if (v) {
        rc = double_from(v, "a bound of a distribution", out);
    }
    DROP(v);
    return rc;
}

int dist_from(struct native *m, PyObject *object, struct dist_spec *out)
{
    *out = (struct dist_spec){0};
    PyObject *low = PyObject_GetAttr(object, m->names[NAME_low]);
    if (!low) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        int rc = choices_from(m, object, out);
        if (rc < 0) {
            dist_spec_release(out);
        }
        return rc;
    }
    struct tl_dist *d = &out->dist;
    d->kind = PyLong_Check(low) ? TL_DIST_INT : TL_DIST_FLOAT;
    int rc = double_from(low, "a bound of a distribution", &d->low);
    DROP(low);
    if (rc < 0 || number_attr(object, m->names[NAME_high], &d->high) < 0 || number_attr(object, m->names[NAME_step], &d->step) < 0) {
        return -1;
    }
    PyObject *log = PyObject_GetAttr(object, m->names[NAME_log]);
    int truth = log ? PyObject_IsTrue(log) : -1;
    DROP(log);
    d->log = truth > 0;
    return truth < 0 ? -1 : 0;
}

static PyObject *number_object(const struct tl_dist *d, double v)
{
    return d->kind == TL_DIST_INT ? PyLong_FromDouble(v) : PyFloat_FromDouble(v);
}

PyObject *dist_object(const struct kit_object *kit, const struct tl_dist *d)
{
    PyObject *class = kit->dists[d->kind];
    if (d->kind == TL_DIST_CATEGORICAL) {
        PyObject *choices = PyTuple_New((Py_ssize_t)d->n_choices);
        for (size_t i = 0; choices && i < d->n_choices; i++) {
            PyObject *c = value_object(kit->native, &d->choices[i]);
            if (!c || PyTuple_SetItem(choices, (Py_ssize_t)i, c) < 0) {
                Py_CLEAR(choices);
            }
        }
        PyObject *result = choices ? PyObject_CallFunctionObjArgs(class, choices, NULL) : NULL;
        DROP(choices);
        return result;
    }
    PyObject *step = d->step != 0 ? number_object(d, d->step) : d->kind == TL_DIST_INT ? PyLong_FromLong(1) : Py_NewRef(Py_None);
    PyObject *low = number_object(d, d->low), *high = number_object(d, d->high);
    PyObject *log = PyBool_FromLong(d->log), *result = NULL;
    PyObject *kwargs = step ? Py_BuildValue("{sOsO}", "log", log, "step", step) : NULL;
    PyObject *args = low && high ? Py_BuildValue("(OO)", low, high) : NULL;
    if (kwargs && args) {
        result = PyObject_Call(class, args, kwargs);
    }
    DROP(kwargs);
    DROP(args);
    DROP(step);
    DROP(low);
    DROP(high);
    DROP(log);
    return result;
}

PyObject *external_object(const struct kit_object *kit, const struct tl_dist *d, PyObject *dist, double internal)
{
    if (d->kind != TL_DIST_CATEGORICAL) {
        return number_object(d, internal);
    }
    PyObject *choices = PyObject_GetAttr(dist, kit->native->names[NAME_choices]);
    PyObject *result = choices ? PySequence_GetItem(choices, (Py_ssize_t)internal) : NULL;
    DROP(choices);
    return result;
}
