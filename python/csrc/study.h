/* SPDX-License-Identifier: MIT
 *
 * Studies and running trials of the native API: what study.c and trial.c share.
 *
 * Lifetimes: a trial object keeps its study object alive, and that its storage object. When the storage is closed first (by hand, or at
 * the interpreter's end), it takes the library's handles of its studies and trials with it: their pointers become NULL, and what is
 * called on them later raises.
 */
#ifndef TL_PYTHON_STUDY_H
#define TL_PYTHON_STUDY_H

#include "native.h"

#include <pythread.h>
#include <stdatomic.h>

struct trial_object;

struct study_object {
    PyObject_HEAD
    struct native *native;
    struct storage_object *storage;
    tl_study *study;             /* NULL once the storage is closed */
    PyObject *sampler, *pruner;  /* who owns what the study borrows; may be NULL */
    tl_sampler *own_sampler;     /* made by name, freed with the study; NULL: the library's default, or that of `sampler` */
    tl_pruner *own_pruner;
    size_t n_directions;
    int64_t id;
    struct trial_object *trials; /* with a handle */
    struct storage_child child;  /* of the storage */
};

struct trial_object {
    PyObject_HEAD
    struct study_object *study;
    PyObject *owner;  /* the Python study, `study` of the trial */
    tl_trial *trial;  /* NULL: told, or the storage is closed */
    PyThread_type_lock lock; /* around uses of `trial`: taken without the GIL, by trial_lock */
    atomic_ulong holder;     /* the thread that has it; 0: none */
    atomic_uint forks;       /* of this process when the lock was last seen to be anybody's */
    bool orphaned;           /* a thread that a fork left behind has the lock for ever, and the handle is as it left it */
    PyObject *params; /* dict: what was suggested so far, external values */
    int64_t id, number;
    bool eager;       /* suggestions are written at once */
    struct trial_object *next, **link; /* in study->trials */
};

/* A new trial object of `class`, a subclass of _native.Trial; takes the handle over, which is freed on failure. `space`: names and
 * distributions that were asked for, or NULL. */
PyObject *trial_object_new(PyTypeObject *class, struct study_object *study, PyObject *owner, tl_trial *trial, bool eager,
                           PyObject *space);
/* Without the GIL. false: this very thread has the lock, because code that runs while the trial makes an object came back to it; or nobody
 * will ever have it again, because another thread had it when the process was forked; or a signal handler raised while it was waited
 * for. */
bool trial_lock(struct trial_object *t);
void trial_unlock(struct trial_object *t);
/* In a forked child: was another thread using it? Then its handle is not to be touched. */
bool trial_is_orphaned(struct trial_object *t);
PyObject *trial_raise_in_use(const struct trial_object *t);
/* With the GIL, when the handle is gone or about to go. */
void trial_object_unlink(struct trial_object *t);
int trial_init(struct native *m, PyObject *module);

#endif
