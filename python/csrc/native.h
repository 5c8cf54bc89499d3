/* SPDX-License-Identifier: MIT
 *
 * What the files of the extension `trialog._native` share: the state of the module, calls into the library, errors.
 *
 * Rules that hold everywhere here:
 *  - The library is called without the GIL (call_begin … call_end), so whoever holds the GIL never waits for a lock of the library, and
 *    `cancelled` may take the GIL although locks are held. Only what reads a view or an object in memory may keep the GIL.
 *  - No static Python object: everything hangs on `struct native`, one per module and interpreter.
 *  - Only the stable ABI of Python 3.11, so that one binary serves all later versions; what is newer or older stands in compat.h.
 *  - Functions return NULL or -1 with a Python exception set.
 */
#ifndef TL_PYTHON_NATIVE_H
#define TL_PYTHON_NATIVE_H

#include "compat.h"

#include <trialog/trialog.h>

/* ---- the module ---- */

/* Attributes of a FrozenTrial in the order in which its constructor sets them; the same in all Optunas from 3.1 on, and in ours. */
#define FROZEN_FIELDS(X)                                                                                               \
    X(number, "_number")                                                                                               \
    X(state, "state")                                                                                                  \
    X(values, "_values")                                                                                               \
    X(start, "_datetime_start")                                                                                        \
    X(complete, "datetime_complete")                                                                                   \
    X(params, "_params")                                                                                               \
    X(user_attrs, "_user_attrs")                                                                                       \
    X(system_attrs, "_system_attrs")                                                                                   \
    X(reports, "intermediate_values")                                                                                  \
    X(distributions, "_distributions")                                                                                 \
    X(id, "_trial_id")
enum frozen_field {
#define X(name, text) FROZEN_##name,
    FROZEN_FIELDS(X)
#undef X
    N_FROZEN_FIELDS
};

/* Other names that are looked up often. */
#define NATIVE_NAMES(X)                                                                                                \
    X(low, "low") X(high, "high") X(step, "step") X(log, "log") X(choices, "choices") X(values, "values")              \
    X(datetime_start, "datetime_start") X(params, "params") X(distributions, "distributions")                          \
    X(user_attrs, "user_attrs") X(system_attrs, "system_attrs") X(timestamp, "timestamp")                              \
    X(microsecond, "microsecond") X(to_internal_repr, "to_internal_repr")
enum native_name {
#define X(name, text) NAME_##name,
    NATIVE_NAMES(X)
#undef X
    N_NATIVE_NAMES
};

/* Exceptions that a kit may replace; the table says what is raised without one. */
#define NATIVE_ERRORS(X)                                                                                               \
    X(duplicated, "DuplicatedStudyError")                                                                              \
    X(finished, "UpdateFinishedTrialError")                                                                            \
    X(internal, "StorageInternalError")                                                                                \
    X(unknown, "UnknownOutcomeError")
enum native_error {
#define X(name, text) ERROR_##name,
    NATIVE_ERRORS(X)
#undef X
    N_NATIVE_ERRORS
};

struct native {
    PyTypeObject *storage_type, *kit_type, *study_type, *trial_type, *sampler_type, *pruner_type;
    PyObject *frozen[N_FROZEN_FIELDS]; /* interned names */
    PyObject *names[N_NATIVE_NAMES];
    PyObject *errors[N_NATIVE_ERRORS];
    PyObject *dumps, *loads;  /* json.dumps, json.loads */
    PyObject *datetime;       /* datetime.datetime */
    PyObject *empty;          /* () */
    struct storage_object *open; /* storages that are open, for the end of the interpreter */
};

/* ---- kits (kit.c): the classes that objects are built from ---- */

struct kit_object {
    PyObject_HEAD
    struct native *native;
    PyObject *frozen_trial;      /* class */
    PyObject *states[TL_N_STATES];
    PyObject *directions[3];     /* by enum tl_direction */
    PyObject *dists[3];          /* classes by enum tl_dist_kind */
    PyObject *errors[N_NATIVE_ERRORS];
    bool plain;                  /* objects of the class have just the attributes of FROZEN_FIELDS: they are set directly */
};

/* ---- calls into the library ---- */

/* One call of a public function of the library: begin gives the GIL away, end takes it back. What `cancelled` needs to know of the
 * calling thread hangs on a thread-local pointer meanwhile. */
struct call {
    PyThreadState *thread;
    struct call *outer;
    bool in_handler, interrupted; /* interrupted: a signal handler raised; the exception is pending */
    struct tl_err err;
};
/* false: an exception is set (called from a signal handler that ran during another call of this thread). */
bool call_begin(struct call *c);
void call_end(struct call *c);
/* For functions that the library calls during a call of this thread: the call, and the GIL for as long as Python code runs. */
struct call *call_current(void);
void call_python(struct call *c);
void call_native(struct call *c);
/* For tl_storage_options: true when a signal handler raised. */
bool call_cancelled(void *ctx);

/* ---- errors (errors.c) ---- */

/* Raises the exception that belongs to a code of the library; always returns NULL. `kit` may be NULL. */
PyObject *raise_err(struct native *m, const struct kit_object *kit, const struct call *c, int code);
/* The same with a class of Python's own. */
void raise_class(PyObject *class, const struct call *c, int code);
int errors_init(struct native *m, PyObject *module);

/* ---- JSON (json.c) ---- */

/* JSON text of any Python value, as json.dumps means it, NUL-terminated; it lives as long as `*owner`, which the caller gives up
 * (Py_DECREF). */
const char *json_utf8(struct native *m, PyObject *value, PyObject **owner);
/* The Python value of a JSON text, as json.loads reads it. */
PyObject *json_value(struct native *m, const char *text, size_t n);

/* ---- values (value.c) ---- */

/* UTF-8 in which surrogates may stand alone -> str. */
PyObject *text_from(const char *s, size_t n);
/* str -> NUL-terminated UTF-8, surrogates included; `*owner` as in json_utf8. `what` names it in errors (a NUL inside, no str). */
const char *text_utf8(PyObject *s, const char *what, PyObject **owner);

/* A distribution object of any class that has Optuna's attributes, as the library's struct. */
struct dist_spec {
    struct tl_dist dist;
    struct tl_value *choices; /* PyMem */
    PyObject *texts;          /* list that keeps the choices' texts alive */
};
int dist_from(struct native *m, PyObject *object, struct dist_spec *out);
void dist_spec_release(struct dist_spec *d);
/* Any value that JSON can hold; the list `texts` keeps what it borrows. */
int value_from(struct native *m, PyObject *o, struct tl_value *out, PyObject *texts);
/* The other way: a new object of the kit's class. */
PyObject *dist_object(const struct kit_object *kit, const struct tl_dist *d);
/* A choice or a parameter's external value. */
PyObject *value_object(struct native *m, const struct tl_value *v);
PyObject *external_object(const struct kit_object *kit, const struct tl_dist *d, PyObject *dist, double internal);

/* Instants: naive local time in Python, UTC (or naive) in the library. */
PyObject *time_object(struct native *m, struct tl_time t); /* None when not set */
int time_from(struct native *m, PyObject *datetime, struct tl_time *out);

/* A sequence of floats as doubles in PyMem; None: NULL and 0. */
int doubles_from(PyObject *sequence, double **out, size_t *n);
/* C numbers with errors that name the argument. */
int int64_from(PyObject *o, const char *what, int64_t *out);
int id_from(PyObject *o, const char *what, int64_t *out); /* what no number can hold, nothing has as its id: KeyError */
int double_from(PyObject *o, const char *what, double *out);
int state_from(PyObject *o, enum tl_state *out);

/* ---- trial objects (frozen.c) ---- */

/* What makes equal parts of many trials one object: names and distributions by their address in the library's memory, which holds as
 * long as the epoch. */
struct parts {
    struct part *slots;
    size_t n, cap;
    size_t holders; /* of one from parts_new */
};
/* One that is shared: whoever makes objects with it holds it, because what it lends may be needed after somebody else has given it up.
 * NULL with an exception. */
struct parts *parts_new(void);
struct parts *parts_hold(struct parts *p);
void parts_drop(struct parts *p); /* NULL: nothing */
void parts_release(struct parts *p); /* what it holds, for one on the stack */
int parts_traverse(struct parts *p, visitproc visit, void *arg);
/* A new trial object of the kit's class. */
PyObject *frozen_object(const struct kit_object *kit, struct parts *parts, const struct tl_frozen_trial *t);

/* ---- storages (storage.c) ---- */

struct trial_cache; /* trials.c */
/* What lives on the library's handle and must go before it is closed. `release` is called with the GIL, when no call is under way, and
 * takes the child out of the list. */
struct storage_child {
    void (*release)(struct storage_child *child);
    struct storage_child *next, **link;
};
struct storage_object {
    PyObject_HEAD
    struct native *native;
    struct kit_object *kit;   /* whose exceptions are raised; may be NULL */
    tl_storage *storage;      /* NULL when closed */
    size_t users;             /* calls under way */
    bool closing;
    struct trial_cache *caches; /* trial objects by kit and study */
    PyObject *url;
    struct storage_child *children;
    struct storage_object *next, **link; /* in native->open */
};
/* Around every use of self->storage: NULL with an exception when it is closed, or no longer usable. */
tl_storage *storage_use(struct storage_object *self, struct call *c);
/* Ends the use, takes the GIL back; raises the error for `code` other than 0 and then returns false. */
bool storage_done(struct storage_object *self, struct call *c, int code);

/* storage_write.c, storage_read.c: the methods of the type, by file. */
extern PyMethodDef storage_write_methods[], storage_read_methods[];

/* What is asked of a study as a whole: a view without unfinished trials, or a summary of a study that this handle has not read. */
struct facts {
    tl_view *view;
    struct tl_study_summary *summary; /* when there is no view */
};
/* `fresh` false: an older summary will do (name and directions). 0, or -1 with an exception. */
int facts_open(struct storage_object *self, PyObject *study_id, bool fresh, struct facts *f);
void facts_close(struct facts *f);

/* The kit that a method was given; NULL with an exception. */
struct kit_object *kit_from(struct storage_object *self, PyObject *o);

/* trials.c */
void trials_forget(struct storage_object *self); /* empties all caches, also while they are in use */
void trials_free(struct storage_object *self);   /* for the destructor: nobody uses them */
int trials_traverse(struct storage_object *self, visitproc visit, void *arg);
extern PyMethodDef storage_trial_methods[];

int kit_init(struct native *m, PyObject *module);
int storage_init(struct native *m, PyObject *module);
int study_init(struct native *m, PyObject *module);
int sampler_init(struct native *m, PyObject *module);
int pruner_init(struct native *m, PyObject *module);
/* What an object of _native.Sampler or _native.Pruner holds; NULL: it is none. */
tl_sampler *sampler_of(struct native *m, PyObject *object);
tl_pruner *pruner_of(struct native *m, PyObject *object);
PyObject *new_handle(PyObject *module, PyObject *unused);
PyObject *storage_close_all(PyObject *module, PyObject *unused);
struct native *native_of(PyObject *module);

/* Gives away a reference of any type. */
#define DROP(o) Py_XDECREF((PyObject *)(o))

#endif
