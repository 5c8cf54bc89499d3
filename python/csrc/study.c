/* SPDX-License-Identifier: MIT
 *
 * _native.Study: a handle of a study with its sampler and pruner, under trialog.Study. Ask, tell, the queue, the best trial.
 *
 * What Python's rules say about values and states stands in study.py; here is what goes to the library in one call each. The handle
 * borrows sampler and pruner, which their objects own: they are kept alive here. When the storage is closed, it frees the handles of its
 * studies first (release_child), and these those of their trials.
 */
#include "ask.h"
#include "study.h"

#include <string.h>

static struct study_object *as_study(PyObject *object)
{
    return (struct study_object *)object;
}

/* ---- lifetime ---- */

static void free_handles(struct study_object *s)
{
    while (s->trials) {
        tl_trial *trial = trial_is_orphaned(s->trials) ? NULL : s->trials->trial;
        trial_object_unlink(s->trials);
        tl_trial_free(trial);
    }
    tl_study_free(s->study);
    s->study = NULL;
    tl_pruner_free(s->own_pruner);
    s->own_pruner = NULL;
    tl_sampler_free(s->own_sampler);
    s->own_sampler = NULL;
    if (s->child.link) {
        LOCK_OBJECT((PyObject *)s->storage)
        *s->child.link = s->child.next;
        if (s->child.next) {
            s->child.next->link = s->child.link;
        }
        s->child.link = NULL;
        UNLOCK_OBJECT()
    }
}

static void release_child(struct storage_child *child)
{
    free_handles((struct study_object *)((char *)child - offsetof(struct study_object, child)));
}

static int study_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct study_object *s = as_study(object);
    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)s->storage);
    Py_VISIT(s->sampler);
    Py_VISIT(s->pruner);
    return 0;
}

static int study_clear(PyObject *object)
{
    struct study_object *s = as_study(object);
    free_handles(s);
    Py_CLEAR(s->sampler);
    Py_CLEAR(s->pruner);
    return 0;
}

static void study_dealloc(PyObject *object)
{
    struct study_object *s = as_study(object);
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    study_clear(object);
    Py_CLEAR(s->storage);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    DROP(type);
}

/* ---- opening ---- */

/* A sampler or pruner by name and options, (str, dict), that the study will own. `pruner` NULL: a sampler is wanted. */
static int make_part(struct study_object *s, PyObject *spec, tl_sampler **sampler, tl_pruner **pruner)
{
    PyObject *name_object, *dict, *owner;
    struct tl_option *options = NULL;
    size_t n = 0;
    struct call c = {.err = TL_ERR_INIT};
    int code = TL_EINTERNAL;
    if (!PyArg_ParseTuple(spec, "UO!", &name_object, &PyDict_Type, &dict)) {
        return -1;
    }
    const char *name = text_utf8(name_object, "the name of a sampler or pruner", &owner);
    if (name && option_texts(dict, &options, &n) == 0) {
        code = pruner ? tl_pruner_create(name, options, n, pruner, &c.err) : tl_sampler_create(name, options, n, sampler, &c.err);
        if (code != TL_OK) {
            raise_err(s->native, s->storage->kit, &c, code);
        }
    }
    PyMem_Free(options);
    DROP(owner);
    return code == TL_OK ? 0 : -1;
}

/* What the library is to borrow. None: its default sampler, no pruner. */
static int take_parts(struct study_object *s, PyObject *sampler, PyObject *pruner, struct tl_study_options *o)
{
    if (PyTuple_Check(sampler)) {
        if (make_part(s, sampler, &s->own_sampler, NULL) < 0) {
            return -1;
        }
        o->sampler = s->own_sampler;
    } else if (sampler != Py_None && (o->sampler = sampler_of(s->native, sampler)) != NULL) {
        s->sampler = Py_NewRef(sampler);
    } else if (sampler != Py_None) {
        PyErr_Format(PyExc_TypeError, "%R is no sampler of a native study", sampler);
        return -1;
    }
    if (PyTuple_Check(pruner)) {
        if (make_part(s, pruner, NULL, &s->own_pruner) < 0) {
            return -1;
        }
        o->pruner = s->own_pruner;
    } else if (pruner != Py_None && (o->pruner = pruner_of(s->native, pruner)) != NULL) {
        s->pruner = Py_NewRef(pruner);
    } else if (pruner != Py_None) {
        PyErr_Format(PyExc_TypeError, "%R is no pruner of a native study", pruner);
        return -1;
    }
    return 0;
}

static void add_child(struct study_object *s)
{
    s->n_directions = tl_study_n_directions(s->study);
    s->id = tl_study_id(s->study);
    s->child.release = release_child;
    LOCK_OBJECT((PyObject *)s->storage)
    s->child.next = s->storage->children;
    s->child.link = &s->storage->children;
    if (s->child.next) {
        s->child.next->link = &s->child.next;
    }
    s->storage->children = &s->child;
    UNLOCK_OBJECT()
}

static int open_study(struct study_object *s, PyObject *name_object, PyObject *sampler, PyObject *pruner)
{
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    struct call c;
    PyObject *owner;
    const char *name = text_utf8(name_object, "the name of a study", &owner);
    bool done = false;
    if (name && take_parts(s, sampler, pruner, &o) == 0) {
        tl_storage *storage = storage_use(s->storage, &c);
        if (storage) {
            int code = tl_study_load(storage, name, &o, &s->study, &c.err);
            if (code == TL_OK) { /* before the use ends: the storage may be closed from then on, and takes its children with it */
                call_python(&c);
                add_child(s);
                call_native(&c);
            }
            done = storage_done(s->storage, &c, code);
        }
    }
    DROP(owner);
    if (done && !s->study) {
        PyErr_SetString(PyExc_ValueError, "the storage is closed");
        done = false;
    }
    return done ? 0 : -1;
}

static PyObject *study_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"storage", "name", "sampler", "pruner", NULL};
    struct native *m = PyType_GetModuleState(type);
    PyObject *storage, *name, *sampler = Py_None, *pruner = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!U|OO", names, m->storage_type, &storage, &name, &sampler, &pruner)) {
        return NULL;
    }
    PyObject *object = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (object) {
        struct study_object *s = as_study(object);
        s->native = m;
        s->storage = (struct storage_object *)Py_NewRef(storage);
        if (open_study(s, name, sampler, pruner) < 0) {
            Py_CLEAR(object);
        }
    }
    return object;
}

/* Around every use of s->study, which an open storage does not free; the garbage collector may have. */
static bool use(struct study_object *s, struct call *c)
{
    if (s->study) {
        return storage_use(s->storage, c) != NULL;
    }
    PyErr_SetString(PyExc_ValueError, "the storage of this study is closed");
    return false;
}

static bool done(struct study_object *s, struct call *c, int code)
{
    return storage_done(s->storage, c, code);
}

/* ---- ask ---- */

struct space {
    size_t n;
    struct tl_param_spec *items;
    struct dist_spec *dists;
    PyObject **names; /* owners of the texts */
};

static void space_release(struct space *s)
{
    for (size_t i = 0; i < s->n; i++) {
        dist_spec_release(&s->dists[i]);
        DROP(s->names[i]);
    }
    PyMem_Free(s->items);
    PyMem_Free(s->dists);
    PyMem_Free(s->names);
}

static int space_from(struct native *m, PyObject *dict, struct space *out)
{
    *out = (struct space){0};
    size_t n = (size_t)PyDict_Size(dict);
    out->items = PyMem_Calloc(n + 1, sizeof *out->items);
    out->dists = PyMem_Calloc(n + 1, sizeof *out->dists);
    out->names = PyMem_Calloc(n + 1, sizeof *out->names);
    int rc = out->items && out->dists && out->names ? 0 : -1;
    if (rc < 0) {
        PyErr_NoMemory();
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (rc == 0 && out->n < n && PyDict_Next(dict, &at, &key, &value)) {
        size_t i = out->n++;
        out->items[i].name = text_utf8(key, "the name of a parameter", &out->names[i]);
        rc = out->items[i].name ? dist_from(m, value, &out->dists[i]) : -1;
        out->items[i].dist = &out->dists[i].dist;
    }
    if (rc < 0) {
        space_release(out);
    }
    return rc;
}

static PyObject *study_ask(PyObject *object, PyObject *args)
{
    struct study_object *s = as_study(object);
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    PyObject *class, *owner, *dict, *result = NULL;
    struct space space = {0};
    tl_trial *trial = NULL;
    struct call c;
    int eager;
    if (!PyArg_ParseTuple(args, "O!OOp", &PyType_Type, &class, &owner, &dict, &eager)) {
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)class, s->native->trial_type) || (dict != Py_None && !PyDict_Check(dict))) {
        PyErr_SetString(PyExc_TypeError, "ask wants a subclass of _native.Trial, the study, and a dict or None");
        return NULL;
    }
    if (dict != Py_None && space_from(s->native, dict, &space) < 0) {
        return NULL;
    }
    o.space = space.items;
    o.n_space = space.n;
    if (use(s, &c)) {
        int code = tl_study_ask(s->study, &o, &trial, &c.err);
        if (code == TL_OK) { /* before the use ends: a storage that is closed takes the handles of its trials with it */
            call_python(&c);
            result = trial_object_new((PyTypeObject *)class, s, owner, trial, eager, dict == Py_None ? NULL : dict);
            call_native(&c);
        }
        if (!done(s, &c, code == TL_EEXHAUSTED ? TL_OK : code)) {
            Py_CLEAR(result);
        } else if (code == TL_EEXHAUSTED) {
            result = Py_NewRef(Py_None);
        }
    }
    space_release(&space);
    return result;
}

/* ---- tell ---- */

static PyObject *told(struct study_object *s, struct call *c, int code, enum tl_state final)
{
    return done(s, c, code) ? PyLong_FromLong((long)final) : NULL;
}

static PyObject *tell_trial(struct study_object *s, struct trial_object *t, enum tl_state state, const double *values, size_t n)
{
    enum tl_state final = state;
    struct call c;
    if (!use(s, &c)) {
        return NULL;
    }
    if (!trial_lock(t)) {
        return done(s, &c, TL_OK) ? trial_raise_in_use(t) : NULL;
    }
    int code;
    bool by_handle = t->trial != NULL;
    if (by_handle) {
        code = tl_study_tell(t->study->study, t->trial, state, values, n, &final, &c.err);
    } else {
        code = tl_study_tell_number(s->study, t->number, state, values, n, false, &final, &c.err);
    }
    if (by_handle && code == TL_OK) {
        t->trial = NULL; /* freed; unlinked below, with the GIL */
    }
    trial_unlock(t);
    PyObject *result = told(s, &c, code, final);
    if (!t->trial) {
        trial_object_unlink(t);
    }
    return result;
}

static PyObject *study_tell(PyObject *object, PyObject *args)
{
    struct study_object *s = as_study(object);
    PyObject *what, *state_object, *values_object, *result = NULL;
    enum tl_state state;
    double *values;
    size_t n;
    int64_t number;
    if (!PyArg_ParseTuple(args, "OOO", &what, &state_object, &values_object) || state_from(state_object, &state) < 0 ||
        doubles_from(values_object, &values, &n) < 0) {
        return NULL;
    }
    if (PyObject_TypeCheck(what, s->native->trial_type)) {
        struct trial_object *t = (struct trial_object *)what;
        if (t->study && t->study->storage == s->storage && t->study->id == s->id) {
            result = tell_trial(s, t, state, values, n);
        } else {
            PyErr_SetString(PyExc_ValueError, "this trial is of another study");
        }
    } else if (int64_from(what, "the number of a trial", &number) == 0) {
        enum tl_state final = state;
        struct call c;
        if (use(s, &c)) {
            result = told(s, &c, tl_study_tell_number(s->study, number, state, values, n, false, &final, &c.err), final);
        }
    }
    PyMem_Free(values);
    return result;
}

/* ---- the queue ---- */

struct queued {
    size_t n, n_attrs;
    struct tl_fixed_param *params;
    struct tl_attr_spec *attrs;
    PyObject *owners; /* list: keeps the texts alive */
};

static int keep_owner(PyObject *owners, PyObject *owner)
{
    int rc = owner ? PyList_Append(owners, owner) : -1;
    DROP(owner);
    return rc;
}

/* Of dicts that nobody else has: turning values into JSON may run other code. */
static int queued_from(struct native *m, PyObject *params, PyObject *attrs, struct queued *out)
{
    PyObject *key, *value, *owner;
    Py_ssize_t at = 0;
    out->params = PyMem_Calloc((size_t)PyDict_Size(params) + 1, sizeof *out->params);
    out->attrs = PyMem_Calloc((attrs ? (size_t)PyDict_Size(attrs) : 0) + 1, sizeof *out->attrs);
    out->owners = PyList_New(0);
    if (!out->params || !out->attrs || !out->owners) {
        PyErr_NoMemory();
        return -1;
    }
    while (PyDict_Next(params, &at, &key, &value)) {
        struct tl_fixed_param *p = &out->params[out->n++];
        p->name = text_utf8(key, "the name of a parameter", &owner);
        if (keep_owner(out->owners, owner) < 0 || value_from(m, value, &p->value, out->owners) < 0 ||
            PyList_Append(out->owners, value) < 0) {
            return -1;
        }
    }
    at = 0;
    while (attrs && PyDict_Next(attrs, &at, &key, &value)) {
        struct tl_attr_spec *a = &out->attrs[out->n_attrs++];
        a->kind = TL_ATTR_USER;
        a->key = text_utf8(key, "the key of an attribute", &owner);
        if (keep_owner(out->owners, owner) < 0) {
            return -1;
        }
        a->json = json_utf8(m, value, &owner);
        if (keep_owner(out->owners, owner) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *study_enqueue(PyObject *object, PyObject *args)
{
    struct study_object *s = as_study(object);
    PyObject *params, *attrs, *result = NULL;
    struct queued q = {0};
    int64_t number = -1;
    int skip;
    struct call c;
    if (!PyArg_ParseTuple(args, "O!Op", &PyDict_Type, &params, &attrs, &skip)) {
        return NULL;
    }
    if (attrs != Py_None && !PyDict_Check(attrs)) {
        PyErr_SetString(PyExc_TypeError, "user_attrs must be a dict");
        return NULL;
    }
    params = PyDict_Copy(params);
    attrs = attrs == Py_None ? NULL : PyDict_Copy(attrs);
    if (params && !PyErr_Occurred() && queued_from(s->native, params, attrs, &q) == 0 && use(s, &c)) {
        int code = tl_study_enqueue(s->study, q.params, q.n, q.attrs, q.n_attrs, skip, &number, &c.err);
        if (done(s, &c, code)) {
            result = number < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(number);
        }
    }
    PyMem_Free(q.params);
    PyMem_Free(q.attrs);
    DROP(q.owners);
    DROP(params);
    DROP(attrs);
    return result;
}

/* ---- facts ---- */

static PyObject *study_best(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct study_object *s = as_study(object);
    struct call c;
    int64_t number;
    double value;
    if (!use(s, &c)) {
        return NULL;
    }
    int code = tl_study_best(s->study, &number, &value, &c.err);
    if (!done(s, &c, code == TL_ENOTFOUND ? TL_OK : code)) {
        return NULL;
    }
    if (code == TL_ENOTFOUND) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(Ld)", (long long)number, value);
}

/* Numbers of the Pareto front, counts by state: what one view says. */
static PyObject *study_front(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct study_object *s = as_study(object);
    struct call c;
    tl_view *view = NULL;
    size_t n = 0;
    const int64_t *front = NULL;
    if (!use(s, &c)) {
        return NULL;
    }
    int code = tl_study_view(s->study, &view, &c.err);
    if (code == TL_OK) {
        front = tl_view_front(view, &n);
    }
    call_python(&c); /* the front is the view's: it is read with the GIL, the use ends below */
    PyObject *list = code == TL_OK ? PyList_New((Py_ssize_t)n) : NULL;
    for (size_t i = 0; list && i < n; i++) {
        PyObject *number = PyLong_FromLongLong(front[i]);
        if (!number || PyList_SetItem(list, (Py_ssize_t)i, number) < 0) {
            Py_CLEAR(list);
        }
    }
    call_native(&c);
    tl_view_close(view);
    if (!done(s, &c, code)) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *study_counts(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct study_object *s = as_study(object);
    struct call c;
    tl_view *view = NULL;
    size_t counts[TL_N_STATES] = {0};
    if (!use(s, &c)) {
        return NULL;
    }
    int code = tl_study_view(s->study, &view, &c.err);
    for (int i = 0; code == TL_OK && i < TL_N_STATES; i++) {
        counts[i] = tl_view_count(view, (enum tl_state)i);
    }
    tl_view_close(view);
    if (!done(s, &c, code)) {
        return NULL;
    }
    return Py_BuildValue("(nnnnn)", (Py_ssize_t)counts[0], (Py_ssize_t)counts[1], (Py_ssize_t)counts[2], (Py_ssize_t)counts[3],
                         (Py_ssize_t)counts[4]);
}

/* When the earliest trial began. */
static PyObject *study_start(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct study_object *s = as_study(object);
    struct call c;
    tl_view *view = NULL;
    struct tl_time start = {0, false, false};
    if (!use(s, &c)) {
        return NULL;
    }
    int code = tl_study_view(s->study, &view, &c.err);
    if (code == TL_OK) {
        start = tl_view_start(view);
    }
    tl_view_close(view);
    return done(s, &c, code) ? time_object(s->native, start) : NULL;
}

/* The id and state of a trial by its number. */
static PyObject *study_find(PyObject *object, PyObject *number_object)
{
    struct study_object *s = as_study(object);
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    struct call c;
    tl_view *view = NULL;
    int64_t number;
    if (int64_from(number_object, "the number of a trial", &number) < 0 || !use(s, &c)) {
        return NULL;
    }
    int code = tl_study_view(s->study, &view, &c.err);
    if (code == TL_OK) {
        code = tl_view_trial(view, number, &f, &c.err);
    }
    long long id = (long long)f.id;
    int state = (int)f.state;
    tl_frozen_release(&f);
    tl_view_close(view);
    return done(s, &c, code) ? Py_BuildValue("(Li)", id, state) : NULL;
}

static PyObject *study_copy(PyObject *object, PyObject *args)
{
    struct study_object *s = as_study(object);
    PyObject *target, *name_object, *owner = NULL, *result = NULL;
    struct call c, d;
    if (!PyArg_ParseTuple(args, "O!O", s->native->storage_type, &target, &name_object)) {
        return NULL;
    }
    struct storage_object *to = (struct storage_object *)target;
    const char *name = name_object == Py_None ? NULL : text_utf8(name_object, "the name of a study", &owner);
    if (name || name_object == Py_None) {
        tl_storage *to_storage = storage_use(to, &d); /* held open, but the call is made under the use of our own */
        if (to_storage) {
            call_end(&d);
            bool ok = use(s, &c) &&
                      done(s, &c, tl_study_copy(tl_study_storage(s->study), tl_study_name(s->study), to_storage, name, &c.err));
            d.thread = PyEval_SaveThread();
            ok = storage_done(to, &d, TL_OK) && ok;
            result = ok ? Py_NewRef(Py_None) : NULL;
        }
    }
    DROP(owner);
    return result;
}

static PyObject *get_id(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(as_study(object)->id);
}

static PyObject *get_n_directions(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(as_study(object)->n_directions);
}

static PyMethodDef methods[] = {
    {"ask", study_ask, METH_VARARGS,
     "ask(class, study, space, eager)\n--\n\nThe next trial, of a subclass of Trial; None when nothing is left to try."},
    {"tell", study_tell, METH_VARARGS, "tell(trial_or_number, state, values)\n--\n\nEnds a trial; the state that it got."},
    {"enqueue", study_enqueue, METH_VARARGS,
     "enqueue(params, user_attrs, skip_if_exists)\n--\n\nQueues a trial; its number, None when there is one already."},
    {"best", study_best, METH_NOARGS, "best()\n--\n\nNumber and value of the best trial, or None."},
    {"front", study_front, METH_NOARGS, "front()\n--\n\nNumbers of the trials on the Pareto front."},
    {"counts", study_counts, METH_NOARGS, "counts()\n--\n\nHow many trials there are of each state."},
    {"start", study_start, METH_NOARGS, "start()\n--\n\nWhen the earliest trial began, or None."},
    {"find", study_find, METH_O, "find(number)\n--\n\nId and state of a trial."},
    {"copy", study_copy, METH_VARARGS, "copy(storage, name)\n--\n\nCopies the study to another storage or name."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"id", get_id, NULL, "The study's id in its storage.", NULL},
    {"n_directions", get_n_directions, NULL, "How many objectives it has.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

int study_init(struct native *m, PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_doc, "Study(storage, name, sampler=None, pruner=None)\n--\n\nA handle of a study that exists."},
        {Py_tp_new, study_new},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_traverse, study_traverse},
        {Py_tp_clear, study_clear},
        {Py_tp_dealloc, study_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "trialog._native.Study",
        .basicsize = sizeof(struct study_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    m->study_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!m->study_type || PyModule_AddObjectRef(module, "Study", (PyObject *)m->study_type) < 0) {
        return -1;
    }
    return trial_init(m, module);
}
