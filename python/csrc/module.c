/* SPDX-License-Identifier: MIT
 *
 * The module `trialog._native`: multi-phase initialisation, so that each interpreter has a module and a state of its own.
 */
#include "native.h"

struct native *native_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyObject *import_from(const char *module, const char *name)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *o = m ? PyObject_GetAttrString(m, name) : NULL;
    DROP(m);
    return o;
}

static int names_init(struct native *m)
{
    static const char *const frozen[] = {
#define X(name, text) text,
        FROZEN_FIELDS(X)
#undef X
    };
    static const char *const names[] = {
#define X(name, text) text,
        NATIVE_NAMES(X)
#undef X
    };
    for (size_t i = 0; i < N_FROZEN_FIELDS; i++) {
        if (!(m->frozen[i] = PyUnicode_InternFromString(frozen[i]))) {
            return -1;
        }
    }
    for (size_t i = 0; i < N_NATIVE_NAMES; i++) {
        if (!(m->names[i] = PyUnicode_InternFromString(names[i]))) {
            return -1;
        }
    }
    return 0;
}

static int native_exec(PyObject *module)
{
    struct native *m = native_of(module);
    if (names_init(m) < 0 || !(m->empty = PyTuple_New(0)) || !(m->dumps = import_from("json", "dumps")) ||
        !(m->loads = import_from("json", "loads")) || !(m->datetime = import_from("datetime", "datetime"))) {
        return -1;
    }
    if (errors_init(m, module) < 0 || kit_init(m, module) < 0 || storage_init(m, module) < 0 || study_init(m, module) < 0 ||
        sampler_init(m, module) < 0 || pruner_init(m, module) < 0) {
        return -1;
    }
    if (PyModule_AddStringConstant(module, "__version__", tl_version()) < 0 ||
        PyModule_AddStringConstant(module, "features", tl_features()) < 0 ||
        PyModule_AddStringConstant(module, "LOST_ATTR", TL_LOST_ATTR) < 0) {
        return -1;
    }
    PyObject *at_exit = import_from("atexit", "register");
    PyObject *close = at_exit ? PyObject_GetAttrString(module, "_close_all") : NULL;
    PyObject *done = close ? PyObject_CallFunctionObjArgs(at_exit, close, NULL) : NULL;
    DROP(at_exit);
    DROP(close);
    DROP(done);
    return done ? 0 : -1;
}

#define EACH_OBJECT(m, X)                                                                                              \
    X((m)->storage_type) X((m)->kit_type) X((m)->study_type) X((m)->trial_type) X((m)->sampler_type)                   \
    X((m)->pruner_type) X((m)->dumps) X((m)->loads) X((m)->datetime) X((m)->empty)

static int native_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct native *m = native_of(module);
#define VISIT(o) Py_VISIT((PyObject *)(o));
    EACH_OBJECT(m, VISIT)
#undef VISIT
    for (size_t i = 0; i < N_NATIVE_ERRORS; i++) {
        Py_VISIT(m->errors[i]);
    }
    return 0;
}

static int native_clear(PyObject *module)
{
    struct native *m = native_of(module);
#define CLEAR(o) Py_CLEAR(o);
    EACH_OBJECT(m, CLEAR)
#undef CLEAR
    for (size_t i = 0; i < N_NATIVE_ERRORS; i++) {
        Py_CLEAR(m->errors[i]);
    }
    for (size_t i = 0; i < N_FROZEN_FIELDS; i++) {
        Py_CLEAR(m->frozen[i]);
    }
    for (size_t i = 0; i < N_NATIVE_NAMES; i++) {
        Py_CLEAR(m->names[i]);
    }
    return 0;
}

static void native_free(void *module)
{
    native_clear(module);
}

static PyMethodDef functions[] = {
    {"_close_all", storage_close_all, METH_NOARGS, "_close_all()\n--\n\nFor the end of the interpreter."},
    {"new_handle", new_handle, METH_NOARGS, "new_handle()\n--\n\nA number under which samplers and pruners remember one study."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, native_exec},
#if !defined(Py_LIMITED_API) && PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "trialog._native",
    .m_doc = "The core of Trialog. What is meant for users stands in the package `trialog`.",
    .m_size = sizeof(struct native),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = native_traverse,
    .m_clear = native_clear,
    .m_free = native_free,
};

PyMODINIT_FUNC PyInit__native(void); /* for compilers that want a declaration */
PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
