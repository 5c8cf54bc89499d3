/* SPDX-License-Identifier: MIT
 *
 * Python's C API under one roof: what differs between the stable ABI of 3.11, older versions and free-threaded builds.
 *
 * With TRIALOG_STABLE_ABI (set by CMake for CPython from 3.11) only functions of the stable ABI may be used, and the binary works with
 * every later version. Other builds serve one version.
 */
#ifndef TL_PYTHON_COMPAT_H
#define TL_PYTHON_COMPAT_H

#define PY_SSIZE_T_CLEAN
#ifdef TRIALOG_STABLE_ABI
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if !defined(Py_LIMITED_API) && PY_VERSION_HEX < 0x030A0000
static inline PyObject *Py_NewRef(PyObject *o)
{
    Py_INCREF(o);
    return o;
}
#define Py_IsNone(o) ((o) == Py_None)
static inline int PyModule_AddObjectRef(PyObject *module, const char *name, PyObject *o)
{
    if (o) {
        Py_INCREF(o);
    }
    int rc = o ? PyModule_AddObject(module, name, o) : -1;
    if (rc < 0) {
        Py_XDECREF(o);
    }
    return rc;
}
#endif

/* Short sections on an object that several threads may use: only free-threaded builds have something to do. */
#ifdef Py_GIL_DISABLED
#define LOCK_OBJECT(o) Py_BEGIN_CRITICAL_SECTION(o);
#define UNLOCK_OBJECT() Py_END_CRITICAL_SECTION();
#else
#define LOCK_OBJECT(o) {
#define UNLOCK_OBJECT() }
#endif

#endif
