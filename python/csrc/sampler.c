/* SPDX-License-Identifier: MIT
 *
 * _native.Sampler: a sampler of the library, asked from Python for one trial at a time.
 *
 * Each question names a storage, a study, the trial's number and a handle (a number that the caller keeps per study): a view is taken of
 * the study as it is now, and the sampler answers from it; no trial object is made. The storage is the user's own, or the journal in memory
 * that mirrors a storage of somebody else's (trialog/_mirror.py). What the sampler wants stored with the trial is handed back, for the
 * caller to write.
 *
 * The GIL is given away while the library works. TPE's functions gamma and weights take it back for their call: the library holds no lock
 * then (trialog/sampler.h). Distribution objects of the joint space are made once, as long as the library says the same pointers in the
 * same epoch; those of groups are made each time, because they live in memory of the moment.
 *
 * Failure modes: those of the storage; ValueError for options, spaces and weights that are none; what a Python function raised.
 */
#include "ask.h"

#include <stdlib.h>

struct sampler_object {
    PyObject_HEAD
    struct native *native;
    tl_sampler *sampler;
    PyObject *gamma, *weights; /* NULL: none */
    bool groups;
    struct {                   /* the last joint space */
        uint64_t epoch;
        const void **keys;     /* name and distribution of each parameter; malloc */
        size_t n;
        PyObject *kit, *dict;
    } space;
};

static struct sampler_object *as_sampler(PyObject *object)
{
    return (struct sampler_object *)object;
}

tl_sampler *sampler_of(struct native *m, PyObject *object)
{
    return PyObject_TypeCheck(object, m->sampler_type) ? as_sampler(object)->sampler : NULL;
}

/* ---- questions ---- */

int question_open(struct question *q, struct native *m, PyObject *const *args)
{
    int64_t handle;
    *q = (struct question){.storage = NULL};
    if (args[0] != Py_None && !PyObject_TypeCheck(args[0], m->storage_type)) {
        PyErr_Format(PyExc_TypeError, "a Storage is wanted, not %R", (PyObject *)Py_TYPE(args[0]));
        return -1;
    }
    if (int64_from(args[1], "a study's id", &q->study_id) < 0 || int64_from(args[2], "a trial's number", &q->number) < 0 ||
        int64_from(args[3], "a handle", &handle) < 0) {
        return -1;
    }
    q->handle = (uint64_t)handle;
    if (args[0] == Py_None) { /* for samplers that need no study */
        return call_begin(&q->call) ? 0 : -1;
    }
    q->storage = (struct storage_object *)args[0];
    tl_storage *s = storage_use(q->storage, &q->call);
    if (!s) {
        return -1;
    }
    int code = tl_view_open(s, q->study_id, true, &q->view, &q->call.err);
    if (code == TL_OK) {
        return 0;
    }
    (void)storage_done(q->storage, &q->call, code);
    return -1;
}

bool question_close(struct question *q, struct native *m, int code)
{
    tl_view_close(q->view);
    q->view = NULL;
    if (q->storage) {
        return storage_done(q->storage, &q->call, code);
    }
    call_end(&q->call);
    if (code != TL_OK) {
        raise_err(m, NULL, &q->call, code);
    }
    return code == TL_OK;
}

static struct tl_sample_context context_of(const struct question *q)
{
    return (struct tl_sample_context){q->view, q->study_id, q->number, q->handle, NULL};
}

/* ---- attributes that are handed back ---- */

static char *raw_copy(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    if (copy) {
        memcpy(copy, s, n);
    }
    return copy;
}

int wishes_take(void *ctx, const char *key, const char *json)
{
    struct wishes *w = ctx;
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 4;
        char **texts = realloc(w->texts, 2 * cap * sizeof *texts);
        if (!texts) {
            return TL_ENOMEM;
        }
        w->texts = texts;
        w->cap = cap;
    }
    char **to = w->texts + 2 * w->n;
    to[0] = raw_copy(key);
    to[1] = raw_copy(json);
    if (!to[0] || !to[1]) {
        free(to[0]);
        free(to[1]);
        return TL_ENOMEM;
    }
    w->n++;
    return TL_OK;
}

void wishes_release(struct wishes *w)
{
    for (size_t i = 0; i < 2 * w->n; i++) {
        free(w->texts[i]);
    }
    free(w->texts);
}

PyObject *wishes_object(struct native *m, const struct wishes *w)
{
    if (w->n == 0) {
        Py_RETURN_NONE;
    }
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < w->n; i++) {
        PyObject *key = text_from(w->texts[2 * i], strlen(w->texts[2 * i]));
        PyObject *value = key ? json_value(m, w->texts[2 * i + 1], strlen(w->texts[2 * i + 1])) : NULL;
        if (!value || PyDict_SetItem(dict, key, value) < 0) {
            Py_CLEAR(dict);
        }
        DROP(key);
        DROP(value);
    }
    return dict;
}

/* ---- values ---- */

static PyObject *external(struct native *m, const struct tl_dist *d, PyObject *dist, double internal)
{
    if (d->kind == TL_DIST_INT) {
        return PyLong_FromDouble(internal);
    }
    if (d->kind == TL_DIST_FLOAT) {
        return PyFloat_FromDouble(internal);
    }
    PyObject *choices = PyObject_GetAttr(dist, m->names[NAME_choices]);
    PyObject *value = choices ? PySequence_GetItem(choices, (Py_ssize_t)internal) : NULL;
    DROP(choices);
    return value;
}

/* A distribution ready to be asked for. */
static int wanted_dist(struct native *m, PyObject *object, struct dist_spec *out)
{
    struct call c = {.err = TL_ERR_INIT};
    if (dist_from(m, object, out) < 0) {
        return -1;
    }
    int code = tl_dist_normalise(&out->dist, NULL, &c.err);
    if (code == TL_OK) {
        return 0;
    }
    dist_spec_release(out);
    raise_err(m, NULL, &c, code);
    return -1;
}

/* ---- the joint space ---- */

struct space_call {
    struct sampler_object *self;
    struct kit_object *kit;
    struct call *call;
    const void **keys; /* malloc */
    size_t n, cap;
    PyObject *dict;    /* groups: made at once */
    bool failed;       /* an exception is set */
};

static int put_dist(const struct kit_object *kit, PyObject *dict, const char *name, const struct tl_dist *dist)
{
    PyObject *key = text_from(name, strlen(name));
    PyObject *value = key ? dist_object(kit, dist) : NULL;
    int rc = value ? PyDict_SetItem(dict, key, value) : -1;
    DROP(key);
    DROP(value);
    return rc;
}

static int take_space(void *ctx, const struct tl_assignment *a)
{
    struct space_call *s = ctx;
    if (s->self->groups) {
        call_python(s->call);
        s->failed = put_dist(s->kit, s->dict, a->name, a->dist) < 0;
        call_native(s->call);
        return s->failed ? TL_ECANCELLED : TL_OK;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 32;
        const void **keys = realloc((void *)s->keys, 2 * cap * sizeof *keys);
        if (!keys) {
            return TL_ENOMEM;
        }
        s->keys = keys;
        s->cap = cap;
    }
    s->keys[2 * s->n] = a->name;
    s->keys[2 * s->n + 1] = a->dist;
    s->n++;
    return TL_OK;
}

/* The space as a new dict, from the last one if it is the same. With the GIL, while the view is open. */
static PyObject *space_object(struct space_call *s, uint64_t epoch)
{
    struct sampler_object *self = s->self;
    PyObject *dict = PyDict_New(), *found = NULL;
    LOCK_OBJECT((PyObject *)self)
    if (self->space.dict && self->space.epoch == epoch && self->space.n == s->n && self->space.kit == (PyObject *)s->kit &&
        (s->n == 0 || memcmp((const void *)self->space.keys, (const void *)s->keys, 2 * s->n * sizeof *s->keys) == 0)) {
        found = Py_NewRef(self->space.dict);
    }
    UNLOCK_OBJECT()
    if (!dict || (found && PyDict_Update(dict, found) < 0)) {
        Py_CLEAR(dict);
    }
    if (found || !dict) {
        DROP(found);
        return dict;
    }
    for (size_t i = 0; dict && i < s->n; i++) {
        if (put_dist(s->kit, dict, s->keys[2 * i], s->keys[2 * i + 1]) < 0) {
            Py_CLEAR(dict);
        }
    }
    PyObject *kept = dict ? PyDict_Copy(dict) : NULL, *old_kit = NULL, *old = NULL;
    const void **old_keys = NULL;
    if (kept) {
        LOCK_OBJECT((PyObject *)self)
        old = self->space.dict;
        old_kit = self->space.kit;
        old_keys = self->space.keys;
        self->space.dict = kept;
        self->space.kit = Py_NewRef((PyObject *)s->kit);
        self->space.keys = s->keys;
        self->space.n = s->n;
        self->space.epoch = epoch;
        s->keys = NULL;
        UNLOCK_OBJECT()
    }
    free((void *)old_keys);
    DROP(old);
    DROP(old_kit);
    if (!kept) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *sampler_space(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct sampler_object *self = as_sampler(object);
    struct question q;
    if (n != 5 || !PyObject_TypeCheck(args[4], self->native->kit_type)) {
        PyErr_SetString(PyExc_TypeError, "space(storage, study_id, number, handle, kit)");
        return NULL;
    }
    struct space_call s = {.self = self, .kit = (struct kit_object *)args[4], .call = &q.call};
    s.dict = PyDict_New();
    if (!s.dict || question_open(&q, self->native, args) < 0) {
        DROP(s.dict);
        return NULL;
    }
    struct tl_sample_context c = context_of(&q);
    int code = tl_sampler_space(self->sampler, &c, take_space, &s, &q.call.err);
    if (code == TL_OK && !self->groups) {
        call_python(&q.call);
        DROP(s.dict);
        s.dict = space_object(&s, q.view ? tl_view_epoch(q.view) : 0);
        call_native(&q.call);
    }
    bool done = question_close(&q, self->native, code);
    free((void *)s.keys);
    if (!done) {
        Py_CLEAR(s.dict);
    }
    return s.dict;
}

/* ---- joint values ---- */

struct joint_call {
    struct tl_assignment *dims;
    struct dist_spec *specs;
    PyObject **owners; /* of the names */
    bool *given;
    size_t n, next;
    struct wishes wishes;
};

static void joint_release(struct joint_call *j)
{
    for (size_t i = 0; i < j->n; i++) {
        dist_spec_release(&j->specs[i]);
        DROP(j->owners[i]);
    }
    PyMem_Free(j->dims);
    PyMem_Free(j->specs);
    PyMem_Free(j->owners);
    PyMem_Free(j->given);
    wishes_release(&j->wishes);
}

static int joint_read(struct joint_call *j, struct native *m, PyObject *items)
{
    size_t n = (size_t)PyList_Size(items);
    j->dims = PyMem_Calloc(n + 1, sizeof *j->dims);
    j->specs = PyMem_Calloc(n + 1, sizeof *j->specs);
    j->owners = PyMem_Calloc(n + 1, sizeof *j->owners);
    j->given = PyMem_Calloc(n + 1, sizeof *j->given);
    if (!j->dims || !j->specs || !j->owners || !j->given) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        PyObject *pair = PyList_GetItem(items, (Py_ssize_t)i);
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "the items of a space are pairs of a name and a distribution");
            return -1;
        }
        j->dims[i].name = text_utf8(PyTuple_GetItem(pair, 0), "a parameter's name", &j->owners[i]);
        if (!j->dims[i].name || wanted_dist(m, PyTuple_GetItem(pair, 1), &j->specs[i]) < 0) {
            Py_CLEAR(j->owners[i]);
            return -1;
        }
        j->dims[i].dist = &j->specs[i].dist;
        j->n++;
    }
    return 0;
}

/* Values mostly come in the order of the question, and always with its names. */
static int take_value(void *ctx, const struct tl_assignment *a)
{
    struct joint_call *j = ctx;
    for (size_t k = 0; k < j->n; k++) {
        size_t i = (j->next + k) % j->n;
        if (j->dims[i].name == a->name || strcmp(j->dims[i].name, a->name) == 0) {
            j->dims[i].internal = a->internal;
            j->given[i] = true;
            j->next = i + 1;
            break;
        }
    }
    return TL_OK;
}

static int take_wish(void *ctx, const char *key, const char *json)
{
    return wishes_take(&((struct joint_call *)ctx)->wishes, key, json);
}

/* (values by name, attributes to be stored or None) */
static PyObject *joint_object(const struct joint_call *j, struct native *m, PyObject *items)
{
    PyObject *values = PyDict_New();
    for (size_t i = 0; values && i < j->n; i++) {
        PyObject *pair = PyList_GetItem(items, (Py_ssize_t)i);
        if (!j->given[i]) {
            continue;
        }
        PyObject *v = external(m, j->dims[i].dist, PyTuple_GetItem(pair, 1), j->dims[i].internal);
        if (!v || PyDict_SetItem(values, PyTuple_GetItem(pair, 0), v) < 0) {
            Py_CLEAR(values);
        }
        DROP(v);
    }
    PyObject *attrs = values ? wishes_object(m, &j->wishes) : NULL;
    PyObject *result = attrs ? PyTuple_Pack(2, values, attrs) : NULL;
    DROP(values);
    DROP(attrs);
    return result;
}

static PyObject *sampler_joint(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct sampler_object *self = as_sampler(object);
    struct joint_call j = {.n = 0};
    struct question q;
    PyObject *result = NULL;
    if (n != 5) {
        PyErr_SetString(PyExc_TypeError, "joint(storage, study_id, number, handle, space)");
        return NULL;
    }
    PyObject *items = PyMapping_Items(args[4]);
    if (items && joint_read(&j, self->native, items) == 0 && question_open(&q, self->native, args) == 0) {
        struct tl_sample_context c = context_of(&q);
        int code = tl_sampler_joint(self->sampler, &c, j.dims, j.n, take_value, take_wish, &j, &q.call.err);
        if (question_close(&q, self->native, code)) {
            result = joint_object(&j, self->native, items);
        }
    }
    joint_release(&j);
    DROP(items);
    return result;
}

/* ---- one value ---- */

static PyObject *sampler_independent(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct sampler_object *self = as_sampler(object);
    struct dist_spec d;
    struct question q;
    PyObject *owner = NULL, *result = NULL;
    double internal = 0;
    if (n != 6) {
        PyErr_SetString(PyExc_TypeError, "independent(storage, study_id, number, handle, name, distribution)");
        return NULL;
    }
    const char *name = text_utf8(args[4], "a parameter's name", &owner);
    if (name && wanted_dist(self->native, args[5], &d) == 0) {
        if (question_open(&q, self->native, args) == 0) {
            struct tl_sample_context c = context_of(&q);
            int code = tl_sampler_independent(self->sampler, &c, name, &d.dist, &internal, &q.call.err);
            if (question_close(&q, self->native, code)) {
                result = external(self->native, &d.dist, args[5], internal);
            }
        }
        dist_spec_release(&d);
    }
    DROP(owner);
    return result;
}

/* stray(storage, study_id, number, handle, name, n_startup): does a finished trial have the parameter, once the model is in use? */
static PyObject *sampler_stray(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct sampler_object *self = as_sampler(object);
    struct question q;
    PyObject *owner = NULL;
    int64_t n_startup;
    bool stray = false;
    if (n != 6) {
        PyErr_SetString(PyExc_TypeError, "stray(storage, study_id, number, handle, name, n_startup)");
        return NULL;
    }
    const char *name = text_utf8(args[4], "a parameter's name", &owner);
    bool done = name && int64_from(args[5], "n_startup_trials", &n_startup) == 0 && question_open(&q, self->native, args) == 0;
    if (done) {
        stray = q.view && (int64_t)(tl_view_count(q.view, TL_COMPLETE) + tl_view_count(q.view, TL_PRUNED)) >= n_startup &&
                tl_view_column(q.view, name) >= 0;
        done = question_close(&q, self->native, TL_OK);
    }
    DROP(owner);
    return done ? PyBool_FromLong(stray) : NULL;
}

/* ---- claims ---- */

static PyObject *sampler_claim(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct sampler_object *self = as_sampler(object);
    int64_t trial_id, handle;
    struct call c;
    if (n != 3 || !PyObject_TypeCheck(args[0], self->native->storage_type)) {
        PyErr_SetString(PyExc_TypeError, "claim(storage, trial_id, handle)");
        return NULL;
    }
    struct storage_object *storage = (struct storage_object *)args[0];
    if (int64_from(args[1], "a trial's id", &trial_id) < 0 || int64_from(args[2], "a handle", &handle) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(storage, &c);
    if (!s) {
        return NULL;
    }
    int code = tl_sampler_claim_trial(self->sampler, s, trial_id, (uint64_t)handle, NULL, NULL, &c.err);
    if (!storage_done(storage, &c, code == TL_EEXHAUSTED ? TL_OK : code)) {
        return NULL;
    }
    return PyBool_FromLong(code != TL_EEXHAUSTED);
}

static PyObject *sampler_preview(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct sampler_object *self = as_sampler(object);
    struct wishes w = {.n = 0};
    struct question q;
    PyObject *result = NULL;
    if (n != 4) {
        PyErr_SetString(PyExc_TypeError, "preview(storage, study_id, number, handle)");
        return NULL;
    }
    if (question_open(&q, self->native, args) < 0) {
        return NULL;
    }
    struct tl_sample_context c = context_of(&q);
    int code = tl_sampler_preview(self->sampler, &c, NULL, wishes_take, &w, &q.call.err);
    if (question_close(&q, self->native, code == TL_EEXHAUSTED ? TL_OK : code)) {
        result = code == TL_EEXHAUSTED ? Py_NewRef(Py_None) : wishes_object(self->native, &w);
    }
    wishes_release(&w);
    return result;
}

static PyObject *sampler_cell(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct sampler_object *self = as_sampler(object);
    struct call c = {.err = TL_ERR_INIT};
    int64_t id, axes;
    if (n != 2) {
        PyErr_SetString(PyExc_TypeError, "cell(grid_id, n_axes)");
        return NULL;
    }
    if (int64_from(args[0], "a cell", &id) < 0 || int64_from(args[1], "the number of axes", &axes) < 0) {
        return NULL;
    }
    uint64_t *places = axes < 0 || axes > 1000000 ? NULL : PyMem_Calloc((size_t)axes + 1, sizeof *places);
    if (!places) {
        return PyErr_NoMemory();
    }
    PyObject *list = NULL;
    int code = tl_sampler_grid_cell(self->sampler, id < 0 ? UINT64_MAX : (uint64_t)id, places, (size_t)axes, &c.err);
    if (code != TL_OK) {
        raise_err(self->native, NULL, &c, code);
    } else {
        list = PyList_New((Py_ssize_t)axes);
    }
    for (int64_t i = 0; list && i < axes; i++) {
        PyObject *place = PyLong_FromUnsignedLongLong(places[i]);
        if (!place || PyList_SetItem(list, (Py_ssize_t)i, place) < 0) {
            Py_CLEAR(list);
        }
    }
    PyMem_Free(places);
    return list;
}

static PyObject *sampler_forget(PyObject *object, PyObject *handle)
{
    int64_t id;
    if (int64_from(handle, "a handle", &id) < 0) {
        return NULL;
    }
    tl_sampler_forget(as_sampler(object)->sampler, (uint64_t)id);
    Py_RETURN_NONE;
}

static PyObject *get_cells(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(tl_sampler_grid_cells(as_sampler(object)->sampler));
}

static PyObject *get_name(PyObject *object, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(tl_sampler_name(as_sampler(object)->sampler));
}

/* ---- functions of TPE ---- */

static int call_gamma(void *ctx, size_t n, size_t *good)
{
    struct sampler_object *self = ctx;
    struct call *c = call_current();
    int64_t count = -1;
    if (!c) {
        return -1;
    }
    call_python(c);
    PyObject *result = PyObject_CallFunction(self->gamma, "n", (Py_ssize_t)n);
    if (result && int64_from(result, "what gamma returns", &count) == 0 && count < 0) {
        PyErr_Format(PyExc_ValueError, "gamma(%zu) is negative: %R", n, result);
    }
    DROP(result);
    int rc = PyErr_Occurred() ? -1 : 0;
    call_native(c);
    *good = (size_t)count;
    return rc;
}

static int call_weights(void *ctx, size_t n, double *weights)
{
    struct sampler_object *self = ctx;
    struct call *c = call_current();
    double *values = NULL;
    size_t n_values = 0;
    if (!c) {
        return -1;
    }
    call_python(c);
    PyObject *result = PyObject_CallFunction(self->weights, "n", (Py_ssize_t)n);
    int rc = result ? doubles_from(result, &values, &n_values) : -1;
    if (rc == 0 && n_values < n) {
        PyErr_Format(PyExc_ValueError, "weights(%zu) has %zu items only", n, n_values);
        rc = -1;
    }
    if (rc == 0) {
        memcpy(weights, values, n * sizeof *weights);
    }
    PyMem_Free(values);
    DROP(result);
    call_native(c);
    return rc;
}

/* ---- the type ---- */

int option_texts(PyObject *dict, struct tl_option **out, size_t *n)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    *n = 0;
    *out = PyMem_Calloc((size_t)PyDict_Size(dict) + 1, sizeof **out);
    if (!*out) {
        PyErr_NoMemory();
        return -1;
    }
    while (PyDict_Next(dict, &at, &key, &value)) {
        struct tl_option *o = &(*out)[*n];
        o->name = PyUnicode_AsUTF8AndSize(key, NULL);
        o->value = o->name ? PyUnicode_AsUTF8AndSize(value, NULL) : NULL;
        if (!o->value) {
            PyMem_Free(*out);
            *out = NULL;
            return -1;
        }
        (*n)++;
    }
    return 0;
}

static bool has_groups(const struct tl_option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(options[i].name, "group") == 0 && strcmp(options[i].value, "true") == 0) {
            return true;
        }
    }
    return false;
}

static int start(struct sampler_object *self, const char *name, PyObject *dict)
{
    struct tl_option *options;
    struct call c = {.err = TL_ERR_INIT};
    size_t n;
    int code;
    if (option_texts(dict, &options, &n) < 0) {
        return -1;
    }
    self->groups = has_groups(options, n);
    if (self->gamma || self->weights) {
        struct tl_tpe_functions f = {sizeof f, self->gamma ? call_gamma : NULL, self->weights ? call_weights : NULL, self, NULL};
        code = tl_sampler_tpe_with(options, n, &f, &self->sampler, &c.err);
    } else {
        code = tl_sampler_create(name, options, n, &self->sampler, &c.err);
    }
    PyMem_Free(options);
    if (code != TL_OK) {
        raise_err(self->native, NULL, &c, code == TL_EUNSUPPORTED ? TL_EINVAL : code);
    }
    return code == TL_OK ? 0 : -1;
}

static PyObject *sampler_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "options", "gamma", "weights", NULL};
    PyObject *dict, *gamma = Py_None, *weights = Py_None;
    const char *name;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO!|OO", names, &name, &PyDict_Type, &dict, &gamma, &weights)) {
        return NULL;
    }
    PyObject *object = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (object) {
        struct sampler_object *self = as_sampler(object);
        self->native = PyType_GetModuleState(type);
        self->gamma = gamma == Py_None ? NULL : Py_NewRef(gamma);
        self->weights = weights == Py_None ? NULL : Py_NewRef(weights);
        if (start(self, name, dict) < 0) {
            Py_CLEAR(object);
        }
    }
    return object;
}

static int sampler_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct sampler_object *self = as_sampler(object);
    Py_VISIT((PyObject *)Py_TYPE(object));
    Py_VISIT(self->gamma);
    Py_VISIT(self->weights);
    Py_VISIT(self->space.kit);
    Py_VISIT(self->space.dict);
    return 0;
}

/* gamma and weights stay until the sampler goes: it may be asked as long as it is there. */
static int sampler_clear(PyObject *object)
{
    struct sampler_object *self = as_sampler(object);
    Py_CLEAR(self->space.kit);
    Py_CLEAR(self->space.dict);
    return 0;
}

static void sampler_dealloc(PyObject *object)
{
    struct sampler_object *self = as_sampler(object);
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    sampler_clear(object);
    tl_sampler_free(self->sampler);
    free((void *)self->space.keys);
    Py_CLEAR(self->gamma);
    Py_CLEAR(self->weights);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    DROP(type);
}

PyObject *new_handle(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromUnsignedLongLong(tl_handle_new());
}

int sampler_init(struct native *m, PyObject *module)
{
    static PyMethodDef methods[] = {
        {"space", FAST(sampler_space),
         "space(storage, study_id, number, handle, kit)\n--\n\nDistributions that joint() would be asked for."},
        {"joint", FAST(sampler_joint),
         "joint(storage, study_id, number, handle, space)\n--\n\nValues by name, and attributes to be stored or None."},
        {"independent", FAST(sampler_independent), "independent(storage, study_id, number, handle, name, distribution)\n--\n\nOne value."},
        {"stray", FAST(sampler_stray),
         "stray(storage, study_id, number, handle, name, n_startup)\n--\n\nIs the parameter known and the model in use?"},
        {"claim", FAST(sampler_claim), "claim(storage, trial_id, handle)\n--\n\nFalse: nothing is left to claim."},
        {"preview", FAST(sampler_preview),
         "preview(storage, study_id, number, handle)\n--\n\nThe attributes of a claim, or None: nothing is left."},
        {"cell", FAST(sampler_cell), "cell(grid_id, n_axes)\n--\n\nIndices of the values of a cell, by axis."},
        {"forget", sampler_forget, METH_O, "forget(handle)\n--\n\nWhat is remembered under this handle goes."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getset[] = {
        {"name", get_name, NULL, "The library's name of it.", NULL},
        {"cells", get_cells, NULL, "How many cells a grid has; 0: no grid.", NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, "Sampler(name, options, gamma=None, weights=None)\n--\n\nA sampler of the library; options are texts."},
        {Py_tp_new, sampler_new},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_traverse, sampler_traverse},
        {Py_tp_clear, sampler_clear},
        {Py_tp_dealloc, sampler_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "trialog._native.Sampler",
        .basicsize = sizeof(struct sampler_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    m->sampler_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return m->sampler_type ? PyModule_AddObjectRef(module, "Sampler", (PyObject *)m->sampler_type) : -1;
}
