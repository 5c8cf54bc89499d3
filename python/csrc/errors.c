/* SPDX-License-Identifier: MIT
 *
 * Errors of the library as Python exceptions, and what surrounds each call of it.
 *
 * Which exception belongs to which code is one table below. The classes come from the kit in use: Optuna's when Optuna calls, ours
 * otherwise; without a kit the module's own. TL_EUNKNOWN carries the number of the operation as `op_id`. TL_ECANCELLED means that a
 * signal handler raised: its exception is pending already and stays.
 *
 * A handler that runs while a call waits must not call the same library: the thread may hold its locks. That is told by an exception
 * instead of a deadlock (call_begin).
 */
#include "native.h"

#include <pthread.h>
#include <unistd.h>

static _Thread_local struct call *current;

/* Handlers run on Python's main thread alone: after a fork, as before, the only one whose id is the process's. */
static bool on_main_thread(void)
{
#ifdef __linux__
    return gettid() == getpid();
#else
    return true;
#endif
}

bool call_begin(struct call *c)
{
    if (current && current->in_handler) {
        PyErr_SetString(PyExc_RuntimeError, "a signal handler must not use a Trialog storage while a call of the same thread waits: set "
                                            "a flag in the handler, or raise an exception");
        return false;
    }
    c->outer = current;
    c->in_handler = c->interrupted = false;
    c->err = (struct tl_err){.line = -1, .offset = -1, .seq = -1};
    current = c;
    c->thread = PyEval_SaveThread();
    return true;
}

void call_end(struct call *c)
{
    PyEval_RestoreThread(c->thread);
    current = c->outer;
}

struct call *call_current(void)
{
    return current;
}

void call_python(struct call *c)
{
    PyEval_RestoreThread(c->thread);
}

void call_native(struct call *c)
{
    c->thread = PyEval_SaveThread();
}

bool call_cancelled(void *ctx)
{
    (void)ctx;
    struct call *c = current;
    if (!c || c->in_handler || !on_main_thread()) {
        return false;
    }
    if (c->interrupted) {
        return true;
    }
    PyEval_RestoreThread(c->thread);
    c->in_handler = true;
    c->interrupted = PyErr_CheckSignals() != 0;
    c->in_handler = false;
    c->thread = PyEval_SaveThread();
    return c->interrupted;
}

/* ---- classes ---- */

/* A message quotes names and paths, in which there may be what is no text. */
static PyObject *message_object(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

void raise_class(PyObject *class, const struct call *c, int code)
{
    PyObject *message = message_object(c->err.message[0] ? c->err.message : tl_code_text(code));
    if (message) {
        PyErr_SetObject(class, message);
    }
    DROP(message);
}

static PyObject *raise_unknown(PyObject *class, const struct tl_err *err)
{
    PyObject *message = message_object(err->message);
    PyObject *error = message ? PyObject_CallFunctionObjArgs(class, message, NULL) : NULL;
    PyObject *id = error ? PyLong_FromLongLong(err->seq) : NULL;
    if (id && PyObject_SetAttrString(error, "op_id", id) == 0) {
        PyErr_SetObject(class, error);
    }
    DROP(id);
    DROP(error);
    DROP(message);
    return NULL;
}

PyObject *raise_err(struct native *m, const struct kit_object *kit, const struct call *c, int code)
{
    const struct tl_err *err = &c->err;
    PyObject *const *own = kit ? kit->errors : m->errors;
    if (c->interrupted || PyErr_Occurred()) {
        return NULL; /* the handler's exception, or one of our own callbacks */
    }
    PyObject *class = own[ERROR_internal];
    switch (code) {
    case TL_EINVAL:
    case TL_EINCOMPATIBLE:
    case TL_ELIMIT: class = PyExc_ValueError; break;
    case TL_ENOTFOUND: class = PyExc_KeyError; break;
    case TL_EEXISTS: class = own[ERROR_duplicated]; break;
    case TL_EFINISHED: class = own[ERROR_finished]; break;
    case TL_EUNSUPPORTED: class = PyExc_NotImplementedError; break;
    case TL_EACCESS: class = PyExc_PermissionError; break;
    case TL_ENOMEM: return PyErr_NoMemory();
    case TL_EUNKNOWN: return raise_unknown(own[ERROR_unknown], err);
    default: break;
    }
    raise_class(class, c, code);
    return NULL;
}

int errors_init(struct native *m, PyObject *module)
{
    static const char *const names[N_NATIVE_ERRORS] = {
#define X(name, text) "trialog._native." text,
        NATIVE_ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < N_NATIVE_ERRORS; i++) {
        PyObject *base = i == ERROR_unknown ? m->errors[ERROR_internal] : PyExc_Exception;
        m->errors[i] = PyErr_NewException(names[i], base, NULL);
        if (!m->errors[i] || PyModule_AddObjectRef(module, strrchr(names[i], '.') + 1, m->errors[i]) < 0) {
            return -1;
        }
    }
    return 0;
}
