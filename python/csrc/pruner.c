/* SPDX-License-Identifier: MIT
 *
 * _native.Pruner: a pruner of the library, asked from Python about one trial at a time. As sampler.c: a view is taken of the study as it is
 * now, the pruner decides without the GIL, and what it wants stored with the trial (rungs) is handed back for the caller to write.
 */
#include "ask.h"

struct pruner_object {
    PyObject_HEAD
    struct native *native;
    tl_pruner *pruner;
};

static struct pruner_object *as_pruner(PyObject *object)
{
    return (struct pruner_object *)object;
}

tl_pruner *pruner_of(struct native *m, PyObject *object)
{
    return PyObject_TypeCheck(object, m->pruner_type) ? as_pruner(object)->pruner : NULL;
}

static PyObject *pruner_decide(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct pruner_object *self = as_pruner(object);
    struct wishes w = {.n = 0};
    struct question q;
    PyObject *result = NULL;
    bool prune = false;
    if (n != 4 || args[0] == Py_None) {
        PyErr_SetString(PyExc_TypeError, "decide(storage, study_id, number, handle)");
        return NULL;
    }
    if (question_open(&q, self->native, args) < 0) {
        return NULL;
    }
    int code = tl_pruner_decide(self->pruner, q.view, q.number, q.handle, wishes_take, &w, &prune, &q.call.err);
    if (question_close(&q, self->native, code)) {
        PyObject *attrs = wishes_object(self->native, &w);
        result = attrs ? PyTuple_Pack(2, prune ? Py_True : Py_False, attrs) : NULL;
        DROP(attrs);
    }
    wishes_release(&w);
    return result;
}

static PyObject *pruner_forget(PyObject *object, PyObject *handle)
{
    int64_t id;
    if (int64_from(handle, "a handle", &id) < 0) {
        return NULL;
    }
    tl_pruner_forget(as_pruner(object)->pruner, (uint64_t)id);
    Py_RETURN_NONE;
}

static PyObject *get_name(PyObject *object, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(tl_pruner_name(as_pruner(object)->pruner));
}

static PyObject *pruner_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "options", NULL};
    struct native *m = PyType_GetModuleState(type);
    struct call c = {.err = TL_ERR_INIT};
    struct tl_option *options;
    tl_pruner *pruner = NULL;
    PyObject *dict;
    const char *name;
    size_t n;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO!", names, &name, &PyDict_Type, &dict) || option_texts(dict, &options, &n) < 0) {
        return NULL;
    }
    int code = tl_pruner_create(name, options, n, &pruner, &c.err);
    PyMem_Free(options);
    if (code != TL_OK) {
        return raise_err(m, NULL, &c, code == TL_EUNSUPPORTED ? TL_EINVAL : code);
    }
    PyObject *object = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!object) {
        tl_pruner_free(pruner);
        return NULL;
    }
    as_pruner(object)->native = m;
    as_pruner(object)->pruner = pruner;
    return object;
}

static void pruner_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    tl_pruner_free(as_pruner(object)->pruner);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    DROP(type);
}

int pruner_init(struct native *m, PyObject *module)
{
    static PyMethodDef methods[] = {
        {"decide", FAST(pruner_decide),
         "decide(storage, study_id, number, handle)\n--\n\nShould it stop, and attributes to be stored or None."},
        {"forget", pruner_forget, METH_O, "forget(handle)\n--\n\nWhat is remembered under this handle goes."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getset[] = {
        {"name", get_name, NULL, "The library's name of it.", NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, "Pruner(name, options)\n--\n\nA pruner of the library; options are texts."},
        {Py_tp_new, pruner_new},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_dealloc, pruner_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "trialog._native.Pruner",
        .basicsize = sizeof(struct pruner_object),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = slots,
    };
    m->pruner_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return m->pruner_type ? PyModule_AddObjectRef(module, "Pruner", (PyObject *)m->pruner_type) : -1;
}
