/* SPDX-License-Identifier: MIT
 *
 * JSON texts to Python values and back.
 *
 * The meaning is that of Python's json module, because it wrote and will read the journals of Optuna. What nearly all attributes are made
 * of (exact str, int, float, bool, None, lists, tuples, dictionaries with str keys) is done here; whatever else turns up, from a subclass
 * of int to a lone surrogate or an integer of a thousand digits, is handed to json.dumps and json.loads as a whole. So there is one fast
 * way and one that is right by definition. No Python code runs on the fast way, hence nobody changes a container under it.
 */
#include "native.h"

#include <math.h>

#define DEPTH_MAX 100 /* deeper values go to json.dumps and json.loads */

/* ---- Python -> JSON ---- */

struct out {
    char *p;
    size_t n, cap;
    char small[512];
};

/* Results of the fast way. */
enum { FAST_OK, FAST_FAILED, FAST_NOT_MINE };

static bool room(struct out *o, size_t more)
{
    if (o->cap - o->n >= more) {
        return true;
    }
    size_t cap = o->cap * 2 > o->n + more ? o->cap * 2 : o->n + more;
    char *p = o->p == o->small ? PyMem_Malloc(cap) : PyMem_Realloc(o->p, cap);
    if (!p) {
        PyErr_NoMemory();
        return false;
    }
    if (o->p == o->small) {
        memcpy(p, o->small, o->n);
    }
    o->p = p;
    o->cap = cap;
    return true;
}

static int put(struct out *o, const char *s, size_t n)
{
    if (!room(o, n)) {
        return FAST_FAILED;
    }
    memcpy(o->p + o->n, s, n);
    o->n += n;
    return FAST_OK;
}

static int put_char(struct out *o, char c)
{
    return put(o, &c, 1);
}

static int put_text(struct out *o, PyObject *s)
{
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(s, &n);
    if (!text) {
        PyErr_Clear();
        return FAST_NOT_MINE;
    }
    if (!room(o, (size_t)n * 6 + 2)) {
        return FAST_FAILED;
    }
    char *to = o->p + o->n;
    *to++ = '"';
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < 0x20) {
            memcpy(to, "\\u00", 4);
            to[4] = "01"[c >> 4];
            to[5] = "0123456789abcdef"[c & 15];
            to += 6;
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    o->n = (size_t)(to - o->p);
    return FAST_OK;
}

static int put_int(struct out *o, PyObject *v)
{
    int overflow;
    long long i = PyLong_AsLongLongAndOverflow(v, &overflow);
    if (overflow) {
        return FAST_NOT_MINE;
    }
    char text[32];
    return put(o, text, (size_t)PyOS_snprintf(text, sizeof text, "%lld", i));
}

static int put_float(struct out *o, PyObject *v)
{
    double d = PyFloat_AsDouble(v);
    if (isnan(d)) {
        return put(o, "NaN", 3);
    }
    if (isinf(d)) {
        return d > 0 ? put(o, "Infinity", 8) : put(o, "-Infinity", 9);
    }
    char *text = PyOS_double_to_string(d, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (!text) {
        return FAST_FAILED;
    }
    int rc = put(o, text, strlen(text));
    PyMem_Free(text);
    return rc;
}

static int put_value(struct out *o, PyObject *v, int depth);

static int put_list(struct out *o, PyObject *v, int depth)
{
    bool list = PyList_CheckExact(v);
    Py_ssize_t n = list ? PyList_Size(v) : PyTuple_Size(v);
    int rc = put_char(o, '[');
    for (Py_ssize_t i = 0; rc == FAST_OK && i < n; i++) {
        if (i > 0) {
            rc = put_char(o, ',');
        }
        if (rc == FAST_OK) {
            rc = put_value(o, list ? PyList_GetItem(v, i) : PyTuple_GetItem(v, i), depth + 1);
        }
    }
    return rc == FAST_OK ? put_char(o, ']') : rc;
}

static int put_dict(struct out *o, PyObject *v, int depth)
{
    Py_ssize_t at = 0;
    PyObject *key, *value;
    bool first = true;
    int rc = put_char(o, '{');
    while (rc == FAST_OK && PyDict_Next(v, &at, &key, &value)) {
        if (!PyUnicode_CheckExact(key)) {
            return FAST_NOT_MINE;
        }
        if (!first) {
            rc = put_char(o, ',');
        }
        first = false;
        if (rc == FAST_OK) {
            rc = put_text(o, key);
        }
        if (rc == FAST_OK) {
            rc = put_char(o, ':');
        }
        if (rc == FAST_OK) {
            rc = put_value(o, value, depth + 1);
        }
    }
    return rc == FAST_OK ? put_char(o, '}') : rc;
}

static int put_value(struct out *o, PyObject *v, int depth)
{
    if (v == Py_None) {
        return put(o, "null", 4);
    }
    if (v == Py_True) {
        return put(o, "true", 4);
    }
    if (v == Py_False) {
        return put(o, "false", 5);
    }
    if (PyUnicode_CheckExact(v)) {
        return put_text(o, v);
    }
    if (PyFloat_CheckExact(v)) {
        return put_float(o, v);
    }
    if (PyLong_CheckExact(v)) {
        return put_int(o, v);
    }
#ifndef Py_GIL_DISABLED /* other threads could change the container meanwhile */
    if (depth < DEPTH_MAX && (PyList_CheckExact(v) || PyTuple_CheckExact(v))) {
        return put_list(o, v, depth);
    }
    if (depth < DEPTH_MAX && PyDict_CheckExact(v)) {
        return put_dict(o, v, depth);
    }
#else
    (void)put_list;
    (void)put_dict;
    (void)depth;
#endif
    return FAST_NOT_MINE;
}

const char *json_utf8(struct native *m, PyObject *value, PyObject **owner)
{
    struct out o = {.cap = sizeof o.small};
    o.p = o.small;
    *owner = NULL;
    int rc = put_value(&o, value, 0);
    if (rc == FAST_OK) {
        *owner = PyBytes_FromStringAndSize(o.p, (Py_ssize_t)o.n);
    }
    if (o.p != o.small) {
        PyMem_Free(o.p);
    }
    if (rc == FAST_NOT_MINE) {
        PyObject *text = PyObject_CallFunctionObjArgs(m->dumps, value, NULL);
        *owner = text ? PyUnicode_AsUTF8String(text) : NULL; /* json.dumps gives ASCII */
        DROP(text);
    }
    return *owner ? PyBytes_AsString(*owner) : NULL;
}

/* ---- JSON -> Python ---- */

struct in {
    const char *p, *end;
};

static void blanks(struct in *in)
{
    while (in->p < in->end && (*in->p == ' ' || *in->p == '\n' || *in->p == '\r' || *in->p == '\t')) {
        in->p++;
    }
}

static bool take(struct in *in, char c)
{
    blanks(in);
    if (in->p == in->end || *in->p != c) {
        return false;
    }
    in->p++;
    return true;
}

static PyObject *get_text(struct in *in) /* behind the opening quote; NULL without exception: not mine */
{
    const char *from = in->p, *quote = memchr(from, '"', (size_t)(in->end - from));
    if (!quote || memchr(from, '\\', (size_t)(quote - from))) {
        return NULL;
    }
    in->p = quote + 1;
    return text_from(from, (size_t)(quote - from));
}

static PyObject *get_number(struct in *in)
{
    const char *from = in->p;
    bool whole = true;
    char text[40];
    for (; in->p < in->end; in->p++) {
        char c = *in->p;
        if (c == '.' || c == 'e' || c == 'E') {
            whole = false;
        } else if (!(c >= '0' && c <= '9') && c != '-' && c != '+') {
            break;
        }
    }
    size_t n = (size_t)(in->p - from);
    if (n == 0 || n >= sizeof text) {
        return NULL;
    }
    memcpy(text, from, n);
    text[n] = '\0';
    if (!whole) {
        double d = PyOS_string_to_double(text, NULL, NULL);
        if (d != -1.0 || !PyErr_Occurred()) {
            return PyFloat_FromDouble(d);
        }
        PyErr_Clear();
        return NULL;
    }
    if (n > 18) {
        return NULL;
    }
    bool minus = text[0] == '-';
    long long i = 0;
    if (n == minus || (text[minus] == '0' && n > (size_t)minus + 1)) {
        return NULL;
    }
    for (size_t k = minus; k < n; k++) {
        if (text[k] < '0' || text[k] > '9') {
            return NULL;
        }
        i = i * 10 + (text[k] - '0');
    }
    return PyLong_FromLongLong(minus ? -i : i);
}

static PyObject *get_word(struct in *in)
{
    static const struct {
        const char *text;
        int what;
    } words[] = {{"null", 0}, {"true", 1}, {"false", 2}, {"NaN", 3}, {"Infinity", 4}, {"-Infinity", 5}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].text);
        if ((size_t)(in->end - in->p) < n || memcmp(in->p, words[i].text, n) != 0) {
            continue;
        }
        in->p += n;
        switch (words[i].what) {
        case 0: return Py_NewRef(Py_None);
        case 1: return Py_NewRef(Py_True);
        case 2: return Py_NewRef(Py_False);
        case 3: return PyFloat_FromDouble((double)NAN);
        default: return PyFloat_FromDouble(words[i].what == 4 ? (double)INFINITY : -(double)INFINITY);
        }
    }
    return NULL;
}

static PyObject *get_value(struct in *in, int depth);

static PyObject *get_list(struct in *in, int depth)
{
    PyObject *list = PyList_New(0);
    if (!list || take(in, ']')) {
        return list;
    }
    do {
        PyObject *item = get_value(in, depth + 1);
        bool ok = item && PyList_Append(list, item) == 0;
        DROP(item);
        if (!ok) {
            DROP(list);
            return NULL;
        }
    } while (take(in, ','));
    if (take(in, ']')) {
        return list;
    }
    DROP(list);
    return NULL;
}

static PyObject *get_dict(struct in *in, int depth)
{
    PyObject *dict = PyDict_New();
    if (!dict || take(in, '}')) {
        return dict;
    }
    do {
        PyObject *key = take(in, '"') ? get_text(in) : NULL;
        PyObject *value = key && take(in, ':') ? get_value(in, depth + 1) : NULL;
        bool ok = value && PyDict_SetItem(dict, key, value) == 0;
        DROP(key);
        DROP(value);
        if (!ok) {
            DROP(dict);
            return NULL;
        }
    } while (take(in, ','));
    if (take(in, '}')) {
        return dict;
    }
    DROP(dict);
    return NULL;
}

static PyObject *get_value(struct in *in, int depth)
{
    blanks(in);
    if (in->p == in->end || depth > DEPTH_MAX) {
        return NULL;
    }
    switch (*in->p) {
    case '"': in->p++; return get_text(in);
    case '[': in->p++; return get_list(in, depth);
    case '{': in->p++; return get_dict(in, depth);
    case 'n':
    case 't':
    case 'f':
    case 'N':
    case 'I': return get_word(in);
    default: break;
    }
    if (in->end - in->p > 1 && in->p[0] == '-' && in->p[1] == 'I') {
        return get_word(in);
    }
    return get_number(in);
}

PyObject *json_value(struct native *m, const char *text, size_t n)
{
    struct in in = {text, text + n};
    PyObject *value = get_value(&in, 0);
    if (value) {
        blanks(&in);
        if (in.p == in.end) {
            return value;
        }
        DROP(value);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *s = text_from(text, n);
    value = s ? PyObject_CallFunctionObjArgs(m->loads, s, NULL) : NULL;
    DROP(s);
    return value;
}
