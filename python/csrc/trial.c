/* SPDX-License-Identifier: MIT
 *
 * _native.Trial: a trial that runs, the base of trialog.Trial. What an objective calls all the time goes straight to the library.
 *
 * The object keeps the external values that it gave out (`params`): choices are the caller's own objects, and they outlive the handle,
 * which tell frees. When the library forgets a suggestion, because another worker had given the name another kind meanwhile, it goes from
 * there too. A trial that was told already still gives known parameters again and raises for all else, as one would that somebody else
 * ended.
 *
 * A handle serves one thread at a time: the lock is taken after the GIL was given away, so who waits for it holds nothing. In a forked
 * child a trial that another thread was using at that moment cannot be used: its calls raise.
 */
#include "study.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* ---- the handle ---- */

static struct trial_object *as_trial(PyObject *object)
{
    return (struct trial_object *)object;
}

void trial_object_unlink(struct trial_object *t)
{
    if (t->study) {
        LOCK_OBJECT((PyObject *)t->study)
        if (t->link) {
            *t->link = t->next;
            if (t->next) {
                t->next->link = t->link;
            }
            t->link = NULL;
        }
        UNLOCK_OBJECT()
    }
    t->trial = NULL;
}

static PyObject *raise_finished(struct trial_object *t)
{
    struct call c = {.err = TL_ERR_INIT};
    PyOS_snprintf(c.err.message, sizeof c.err.message, "trial %lld has ended and cannot change", (long long)t->number);
    return raise_err(t->study->native, t->study->storage->kit, &c, TL_EFINISHED);
}

/* ---- the lock ---- */

#define ASK_US 50000 /* how often who waits for it asks for signals */

static atomic_uint forks; /* that made this process and its forebears */
static pthread_mutex_t first_look = PTHREAD_MUTEX_INITIALIZER;

static void in_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    first_look = fresh; /* its holder may be gone */
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

/* After a fork, before anybody uses the trial: a lock that is taken was taken by a thread that is not here. */
bool trial_is_orphaned(struct trial_object *t)
{
    unsigned now = atomic_load(&forks);
    if (atomic_load(&t->forks) == now) {
        return t->orphaned;
    }
    pthread_mutex_lock(&first_look);
    if (atomic_load(&t->forks) != now && t->lock && atomic_load(&t->holder) != PyThread_get_thread_ident()) {
        if (PyThread_acquire_lock(t->lock, NOWAIT_LOCK)) {
            PyThread_release_lock(t->lock);
        } else {
            t->orphaned = true;
        }
    }
    atomic_store(&t->forks, now);
    pthread_mutex_unlock(&first_look);
    return t->orphaned;
}

bool trial_lock(struct trial_object *t)
{
    if (trial_is_orphaned(t)) {
        return false;
    }
    unsigned long me = PyThread_get_thread_ident();
    if (atomic_load(&t->holder) == me) {
        return false;
    }
    while (PyThread_acquire_lock_timed(t->lock, ASK_US, 0) != PY_LOCK_ACQUIRED) {
        if (call_cancelled(NULL)) {
            return false;
        }
    }
    /* Read, too: the thread sanitizer does not know the wait with a limit, so this tells it who was before us. */
    (void)atomic_exchange(&t->holder, me);
    return true;
}

void trial_unlock(struct trial_object *t)
{
    atomic_store(&t->holder, 0);
    PyThread_release_lock(t->lock);
}

PyObject *trial_raise_in_use(const struct trial_object *t)
{
    if (t->orphaned) {
        return PyErr_Format(PyExc_RuntimeError,
                            "trial %lld was being used by another thread when this process was forked: it cannot be used here",
                            (long long)t->number);
    }
    return PyErr_Format(PyExc_RuntimeError, "trial %lld is being read by this thread: a warning's or signal's handler must not use it then",
                        (long long)t->number);
}

/* Not so when the class was called. */
static bool has_study(const struct trial_object *t)
{
    if (!t->study) {
        PyErr_SetString(PyExc_TypeError, "trials come from Study.ask or Study.optimize");
    }
    return t->study != NULL;
}

/* Without the GIL and with the lock from here on; false: an exception is set, and neither is held. */
static bool enter(struct trial_object *t, struct call *c)
{
    if (!has_study(t)) {
        return false;
    }
    if (!storage_use(t->study->storage, c)) {
        return false;
    }
    if (!trial_lock(t)) {
        if (storage_done(t->study->storage, c, TL_OK)) {
            trial_raise_in_use(t);
        }
        return false;
    }
    if (t->trial) {
        return true;
    }
    trial_unlock(t);
    if (storage_done(t->study->storage, c, TL_OK)) {
        raise_finished(t);
    }
    return false;
}

/* What the library forgot is forgotten here, too. With the GIL. */
static void drop_forgotten(struct trial_object *t)
{
    PyObject *names = PyDict_Keys(t->params), *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    for (Py_ssize_t i = 0; names && i < PyList_Size(names); i++) {
        PyObject *owner, *name = PyList_GetItem(names, i);
        const char *text = text_utf8(name, "a name", &owner);
        double internal;
        if (text && t->trial && !tl_trial_param(t->trial, text, &internal)) {
            PyDict_DelItem(t->params, name);
        }
        DROP(owner);
    }
    DROP(names);
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
}

static bool leave(struct trial_object *t, struct call *c, int code)
{
    if (code == TL_EINCOMPATIBLE) {
        call_python(c); /* who holds the GIL never waits for the trial's lock */
        drop_forgotten(t);
        call_native(c);
    }
    trial_unlock(t);
    return storage_done(t->study->storage, c, code);
}

/* ---- making and unmaking ---- */

/* The external value of a parameter: a choice is the caller's own object where it is known. */
static PyObject *take_value(struct trial_object *t, PyObject *asked, const struct tl_param *p, struct tl_value *v)
{
    if (p->dist->kind == TL_DIST_INT && v->kind == TL_VALUE_FLOAT) {
        return PyLong_FromDouble(v->as.f);
    }
    PyObject *choices = asked && p->dist->kind == TL_DIST_CATEGORICAL ? PyObject_GetAttrString(asked, "choices") : NULL;
    PyObject *result = choices ? PySequence_GetItem(choices, (Py_ssize_t)p->internal) : NULL;
    DROP(choices);
    return result || PyErr_Occurred() ? result : value_object(t->study->native, v);
}

/* What the handle has already: parameters of the space, of the queue, or of a run that was lost. A value outside the distribution that
 * was asked for is one that somebody fixed: that is told. */
static int take_params(struct trial_object *t, PyObject *space)
{
    for (size_t i = 0, n = tl_trial_n_params(t->trial); i < n; i++) {
        struct tl_param p;
        struct tl_value v;
        struct call c = {.err = TL_ERR_INIT};
        tl_trial_get_param(t->trial, i, &p);
        int code = tl_dist_external(p.dist, p.internal, &v, &c.err);
        if (code != TL_OK) {
            raise_err(t->study->native, t->study->storage->kit, &c, code);
            return -1;
        }
        PyObject *name = text_from(p.name.s, p.name.len);
        PyObject *asked = name && space ? PyDict_GetItemWithError(space, name) : NULL;
        PyObject *value = !name || PyErr_Occurred() ? NULL : take_value(t, asked, &p, &v);
        int rc = value ? PyDict_SetItem(t->params, name, value) : -1;
        if (rc == 0 && asked && !tl_dist_contains(p.dist, p.internal)) {
            rc = PyErr_WarnFormat(PyExc_UserWarning, 1, "the fixed value %R of parameter %R lies outside %R", value, name, asked);
        }
        DROP(name);
        DROP(value);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *trial_object_new(PyTypeObject *class, struct study_object *study, PyObject *owner, tl_trial *trial, bool eager,
                           PyObject *space)
{
    PyObject *object = ((allocfunc)PyType_GetSlot(class, Py_tp_alloc))(class, 0);
    if (!object) {
        tl_trial_free(trial);
        return NULL;
    }
    struct trial_object *t = as_trial(object);
    t->study = (struct study_object *)Py_NewRef((PyObject *)study);
    t->owner = Py_NewRef(owner);
    t->trial = trial;
    t->id = tl_trial_id(trial);
    t->number = tl_trial_number(trial);
    t->eager = eager;
    t->lock = PyThread_allocate_lock();
    atomic_init(&t->forks, atomic_load(&forks));
    t->params = PyDict_New();
    LOCK_OBJECT((PyObject *)study)
    t->next = study->trials;
    t->link = &study->trials;
    if (t->next) {
        t->next->link = &t->next;
    }
    study->trials = t;
    UNLOCK_OBJECT()
    if (!t->lock) {
        PyErr_NoMemory();
    }
    if (!t->lock || !t->params || take_params(t, space) < 0) {
        DROP(object);
        return NULL;
    }
    return object;
}

static int trial_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct trial_object *t = as_trial(object);
    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)t->study);
    Py_VISIT(t->owner);
    Py_VISIT(t->params);
    return 0;
}

static void free_handle(struct trial_object *t)
{
    tl_trial *trial = trial_is_orphaned(t) ? NULL : t->trial; /* what was left half changed is left alone */
    trial_object_unlink(t);
    tl_trial_free(trial);
}

static int trial_clear(PyObject *object)
{
    struct trial_object *t = as_trial(object);
    free_handle(t);
    Py_CLEAR(t->owner);
    Py_CLEAR(t->params);
    return 0;
}

static void trial_dealloc(PyObject *object)
{
    struct trial_object *t = as_trial(object);
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    trial_clear(object);
    if (t->lock) {
        PyThread_free_lock(t->lock);
    }
    Py_CLEAR(t->study);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    DROP(type);
}

/* ---- suggesting ---- */

/* Arguments of a suggest method by position and name, without a tuple or a dict. `out` has borrowed references, NULL: not given. */
static bool take_args(const char *method, const char *const *names, size_t n_names, size_t n_positional, PyObject *const *args,
                      Py_ssize_t n_args, PyObject *kwnames, PyObject **out)
{
    size_t n = (size_t)n_args;
    memset(out, 0, n_names * sizeof *out);
    if (n > n_positional) {
        PyErr_Format(PyExc_TypeError, "%s takes %zu positional arguments but %zu were given: the others go by name", method,
                     n_positional, n);
        return false;
    }
    memcpy(out, args, n * sizeof *out);
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_Size(kwnames); i++) {
        PyObject *key = PyTuple_GetItem(kwnames, i);
        size_t at = 0;
        while (at < n_names && PyUnicode_CompareWithASCIIString(key, names[at]) != 0) {
            at++;
        }
        if (at == n_names || out[at]) {
            PyErr_Format(PyExc_TypeError, at == n_names ? "%s has no argument %R" : "%s got argument %R twice", method, key);
            return false;
        }
        out[at] = args[n_args + i];
    }
    for (size_t i = 0; i < n_positional; i++) {
        if (!out[i]) {
            PyErr_Format(PyExc_TypeError, "%s needs argument '%s'", method, names[i]);
            return false;
        }
    }
    return true;
}

enum { ARG_NAME, ARG_LOW, ARG_HIGH, ARG_STEP, ARG_LOG, N_RANGE_ARGS };
static const char *const range_args[] = {"name", "low", "high", "step", "log"};

/* The upper end is moved where no step leads to it, with a warning, as the distributions in Python do. */
static int reach_high(struct tl_dist *d, const char *name)
{
    struct tl_err err = TL_ERR_INIT;
    double high = d->high;
    bool adjusted = false;
    if (d->step == 0 || tl_dist_normalise(d, &adjusted, &err) != TL_OK) {
        return 0; /* the library says what is wrong */
    }
    if (!adjusted) {
        return 0;
    }
    char text[300];
    PyOS_snprintf(text, sizeof text,
                  "parameter '%.100s': no number of steps of %.17g leads from %.17g to %.17g; the upper bound is now %.17g", name,
                  d->step, d->low, high, d->high);
    return PyErr_WarnEx(PyExc_UserWarning, text, 1);
}

/* Is this not the distribution that the parameter got at first? (Kind, log and choices are checked by the library.) */
static bool other_range(const tl_trial *trial, const char *name, const struct tl_dist *d)
{
    size_t len = strlen(name);
    for (size_t i = 0, n = tl_trial_n_params(trial); i < n; i++) {
        struct tl_param p;
        tl_trial_get_param(trial, i, &p);
        if (p.name.len == len && memcmp(p.name.s, name, len) == 0) {
            return p.dist->low != d->low || p.dist->high != d->high || p.dist->step != d->step;
        }
    }
    return false;
}

/* The suggestion, written at once when the trial is eager. `*other`, when not NULL: see other_range. */
static bool suggest(struct trial_object *t, const char *name, const struct tl_dist *d, double *internal, bool *other)
{
    struct call c;
    if (!enter(t, &c)) {
        return false;
    }
    int code = tl_trial_suggest(t->trial, name, d, internal, &c.err);
    if (code == TL_OK && other) {
        *other = other_range(t->trial, name, d);
    }
    if (code == TL_OK && t->eager) {
        code = tl_trial_flush(t->trial, &c.err);
    }
    return leave(t, &c, code);
}

/* After a suggestion of numbers: tells what is odd about it, and keeps the value. Steals `value`. */
static PyObject *keep(struct trial_object *t, PyObject *name, const struct tl_dist *d, double internal, bool known, bool other,
                      PyObject *value)
{
    int rc = value ? 0 : -1;
    if (rc == 0 && known) {
        if (other) {
            rc = PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                                  "parameter %R was suggested with other bounds or another step before; its value stays %R", name,
                                  value);
        }
    } else if (rc == 0) {
        if (!tl_dist_contains(d, internal)) {
            rc = PyErr_WarnFormat(PyExc_UserWarning, 1, "the fixed value %R of parameter %R lies outside its range", value, name);
        }
        if (rc == 0) {
            rc = PyDict_SetItem(t->params, name, value);
        }
    }
    if (rc < 0) {
        Py_CLEAR(value);
    }
    return value;
}

/* The value that is known already of a trial that was told: `*known` borrowed, NULL: none. false: an exception. */
static bool look_up(struct trial_object *t, PyObject *name, PyObject **known)
{
    *known = t->params ? PyDict_GetItemWithError(t->params, name) : NULL;
    return *known || !PyErr_Occurred();
}

static int flag_from(PyObject *o, bool *out)
{
    int truth = o ? PyObject_IsTrue(o) : 0;
    *out = truth > 0;
    return truth < 0 ? -1 : 0;
}

static PyObject *trial_suggest_float(PyObject *object, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    struct trial_object *t = as_trial(object);
    struct tl_dist d = {.kind = TL_DIST_FLOAT};
    PyObject *a[N_RANGE_ARGS], *owner, *known;
    double v;
    bool other = false;
    if (!take_args("suggest_float", range_args, N_RANGE_ARGS, 3, args, n_args, kwnames, a) ||
        double_from(a[ARG_LOW], "low", &d.low) < 0 || double_from(a[ARG_HIGH], "high", &d.high) < 0 ||
        flag_from(a[ARG_LOG], &d.log) < 0) {
        return NULL;
    }
    if (a[ARG_STEP] && a[ARG_STEP] != Py_None) {
        if (double_from(a[ARG_STEP], "step", &d.step) < 0) {
            return NULL;
        }
        if (!(d.step > 0)) {
            PyErr_Format(PyExc_ValueError, "the step must be above 0, not %R", a[ARG_STEP]);
            return NULL;
        }
    }
    const char *name = text_utf8(a[ARG_NAME], "the name of a parameter", &owner);
    PyObject *result = NULL;
    if (name && reach_high(&d, name) == 0 && look_up(t, a[ARG_NAME], &known)) {
        if (known && !t->trial) {
            result = Py_NewRef(known);
        } else if (suggest(t, name, &d, &v, known ? &other : NULL)) {
            result = keep(t, a[ARG_NAME], &d, v, known != NULL, other, PyFloat_FromDouble(v));
        }
    }
    DROP(owner);
    return result;
}

/* An int, or something that int() takes. */
static int whole_from(PyObject *o, const char *what, double *out)
{
    static const int64_t limit = INT64_C(1) << 53;
    PyObject *whole = PyLong_Check(o) ? Py_NewRef(o) : PyNumber_Check(o) ? PyNumber_Long(o) : NULL;
    int64_t v;
    if (!whole && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", what, (PyObject *)Py_TYPE(o));
    }
    int rc = whole ? int64_from(whole, what, &v) : -1;
    DROP(whole);
    if (rc == 0 && (v < -limit || v > limit)) {
        PyErr_Format(PyExc_ValueError, "%s must lie within +-2^53: %R", what, o);
        rc = -1;
    }
    if (rc == 0) {
        *out = (double)v;
    }
    return rc;
}

static PyObject *trial_suggest_int(PyObject *object, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    struct trial_object *t = as_trial(object);
    struct tl_dist d = {.kind = TL_DIST_INT, .step = 1};
    PyObject *a[N_RANGE_ARGS], *owner, *known;
    double v;
    bool other = false;
    if (!take_args("suggest_int", range_args, N_RANGE_ARGS, 3, args, n_args, kwnames, a) ||
        whole_from(a[ARG_LOW], "low", &d.low) < 0 || whole_from(a[ARG_HIGH], "high", &d.high) < 0 ||
        (a[ARG_STEP] && whole_from(a[ARG_STEP], "step", &d.step) < 0) || flag_from(a[ARG_LOG], &d.log) < 0) {
        return NULL;
    }
    if (d.step < 1) {
        PyErr_Format(PyExc_ValueError, "the step must be at least 1, not %R", a[ARG_STEP]);
        return NULL;
    }
    const char *name = text_utf8(a[ARG_NAME], "the name of a parameter", &owner);
    PyObject *result = NULL;
    if (name && (d.step == 1 || reach_high(&d, name) == 0) && look_up(t, a[ARG_NAME], &known)) {
        if (known && !t->trial) {
            result = PyNumber_Long(known);
        } else if (suggest(t, name, &d, &v, known ? &other : NULL)) {
            result = keep(t, a[ARG_NAME], &d, v, known != NULL, other, PyLong_FromDouble(v));
        }
    }
    DROP(owner);
    return result;
}

/* The choices as the library's values. A choice that JSON cannot hold raises TypeError. */
static int choices_from(struct native *m, PyObject *choices, struct dist_spec *out)
{
    *out = (struct dist_spec){.dist = {.kind = TL_DIST_CATEGORICAL}};
    size_t n = (size_t)PyTuple_Size(choices);
    out->choices = PyMem_Calloc(n + 1, sizeof *out->choices);
    out->texts = PyList_New(0);
    out->dist.choices = out->choices;
    out->dist.n_choices = n;
    if (!out->choices) {
        PyErr_NoMemory();
    }
    int rc = out->choices && out->texts ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        PyObject *choice = PyTuple_GetItem(choices, (Py_ssize_t)i);
        rc = value_from(m, choice, &out->choices[i], out->texts);
        if (rc == 0 && out->choices[i].kind == TL_VALUE_JSON && !PyLong_Check(choice)) {
            rc = PyErr_WarnFormat(PyExc_UserWarning, 1,
                                  "the choice %R is of type %S: only None, bool, int, float and str are sure to come back from a "
                                  "storage as they were", choice, (PyObject *)Py_TYPE(choice));
        }
    }
    if (rc < 0) {
        dist_spec_release(out);
    }
    return rc;
}

static PyObject *suggest_choice(struct trial_object *t, PyObject *name_object, PyObject *choices)
{
    struct dist_spec spec;
    PyObject *owner, *known, *result = NULL;
    double v;
    const char *name = text_utf8(name_object, "the name of a parameter", &owner);
    if (!name || !look_up(t, name_object, &known)) {
        DROP(owner);
        return NULL;
    }
    if (known && !t->trial) {
        result = Py_NewRef(known);
    } else if (choices_from(t->study->native, choices, &spec) == 0) {
        if (suggest(t, name, &spec.dist, &v, NULL)) {
            result = Py_NewRef(PyTuple_GetItem(choices, (Py_ssize_t)v));
        }
        if (result && !known && PyDict_SetItem(t->params, name_object, result) < 0) {
            Py_CLEAR(result);
        }
        dist_spec_release(&spec);
    }
    DROP(owner);
    return result;
}

static PyObject *trial_suggest_categorical(PyObject *object, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    static const char *const names[] = {"name", "choices"};
    PyObject *a[2];
    if (!take_args("suggest_categorical", names, 2, 2, args, n_args, kwnames, a) || !has_study(as_trial(object))) {
        return NULL;
    }
    PyObject *choices = PySequence_Tuple(a[1]);
    PyObject *result = choices ? suggest_choice(as_trial(object), a[0], choices) : NULL;
    DROP(choices);
    return result;
}

/* ---- reporting and attributes ---- */

static PyObject *trial_report(PyObject *object, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    static const char *const names[] = {"value", "step"};
    struct trial_object *t = as_trial(object);
    PyObject *a[2];
    struct call c;
    if (!take_args("report", names, 2, 2, args, n_args, kwnames, a)) {
        return NULL;
    }
    if (t->study && t->study->n_directions > 1) {
        PyErr_SetString(PyExc_NotImplementedError, "a trial with several objectives has no intermediate values");
        return NULL;
    }
    PyObject *number = PyNumber_Float(a[0]), *whole = number ? PyNumber_Long(a[1]) : NULL;
    if (!whole) {
        if (PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         number ? "the step of a report must be an int, not %R" : "the value of a report must be a float, not %R",
                         number ? a[1] : a[0]);
        }
        DROP(number);
        return NULL;
    }
    double value = PyFloat_AsDouble(number);
    int64_t step;
    int rc = int64_from(whole, "the step of a report", &step);
    DROP(number);
    DROP(whole);
    if (rc == 0 && step < 0) {
        PyErr_Format(PyExc_ValueError, "the step of a report must be 0 or more, not %R", a[1]);
    }
    if (rc < 0 || step < 0 || !enter(t, &c)) {
        return NULL;
    }
    bool again = tl_trial_reported(t->trial, step);
    int code = again ? TL_OK : tl_trial_report(t->trial, step, value, &c.err);
    if (!leave(t, &c, code) ||
        (again && PyErr_WarnFormat(PyExc_UserWarning, 1, "step %R was reported before: the new value is dropped", a[1]) < 0)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int refuse_attr(void *ctx, const char *key, const char *json)
{
    (void)key;
    (void)json;
    *(bool *)ctx = true;
    return TL_EFINISHED;
}

/* What the pruner says of a trial that was told. One that would store a rung with it cannot. */
static PyObject *decide_told(struct trial_object *t)
{
    struct study_object *s = t->study;
    const tl_pruner *pruner = s->own_pruner ? s->own_pruner : s->pruner ? pruner_of(s->native, s->pruner) : NULL;
    struct call c;
    tl_view *view = NULL;
    bool prune = false, refused = false;
    if (!pruner) {
        Py_RETURN_FALSE;
    }
    tl_storage *storage = storage_use(s->storage, &c);
    if (!storage) {
        return NULL;
    }
    int code = tl_view_open(storage, s->id, true, &view, &c.err);
    if (code == TL_OK) {
        uint64_t handle = tl_handle_new();
        code = tl_pruner_decide(pruner, view, t->number, handle, refuse_attr, &refused, &prune, &c.err);
        tl_pruner_forget((tl_pruner *)(uintptr_t)pruner, handle);
    }
    tl_view_close(view);
    bool ok = storage_done(s->storage, &c, refused ? TL_OK : code);
    return ok && refused ? raise_finished(t) : ok ? PyBool_FromLong(prune) : NULL;
}

static PyObject *trial_should_prune(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct trial_object *t = as_trial(object);
    struct call c;
    bool prune = false;
    if (t->study && t->study->n_directions > 1) {
        PyErr_SetString(PyExc_NotImplementedError, "trials with several objectives are not pruned");
        return NULL;
    }
    if (has_study(t) && !t->trial && t->study->study) {
        return decide_told(t);
    }
    if (!enter(t, &c)) {
        return NULL;
    }
    int code = tl_trial_should_prune(t->trial, &prune, &c.err);
    return leave(t, &c, code) ? PyBool_FromLong(prune) : NULL;
}

static PyObject *trial_set_attr(PyObject *object, PyObject *args)
{
    struct trial_object *t = as_trial(object);
    PyObject *key_object, *value, *key_owner, *json_owner = NULL, *result = NULL;
    int system;
    struct call c;
    if (!PyArg_ParseTuple(args, "pOO", &system, &key_object, &value)) {
        return NULL;
    }
    if (!has_study(t)) {
        return NULL;
    }
    const char *key = text_utf8(key_object, "the key of an attribute", &key_owner);
    const char *json = key ? json_utf8(t->study->native, value, &json_owner) : NULL;
    if (json && enter(t, &c)) {
        int code = tl_trial_set_attr(t->trial, system ? TL_ATTR_SYSTEM : TL_ATTR_USER, key, json, &c.err);
        if (leave(t, &c, code)) {
            result = Py_NewRef(Py_None);
        }
    }
    DROP(json_owner);
    DROP(key_owner);
    return result;
}

static PyObject *trial_flush(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct trial_object *t = as_trial(object);
    struct call c;
    if (!t->trial) { /* told: all is written */
        Py_RETURN_NONE;
    }
    if (!enter(t, &c)) {
        return NULL;
    }
    int code = tl_trial_flush(t->trial, &c.err);
    if (!leave(t, &c, code)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- reading ---- */

static PyObject *trial_params(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct trial_object *t = as_trial(object);
    return t->params ? Py_NewRef(t->params) : PyDict_New();
}

/* The distributions of what was suggested, by objects of a kit's classes. A told trial has no handle to ask: None. */
static PyObject *trial_distributions(PyObject *object, PyObject *kit)
{
    struct trial_object *t = as_trial(object);
    if (!t->study || !PyObject_TypeCheck(kit, t->study->native->kit_type)) {
        PyErr_SetString(PyExc_TypeError, "a _native.Kit is wanted");
        return NULL;
    }
    if (!t->trial) {
        Py_RETURN_NONE;
    }
    struct call c;
    if (!enter(t, &c)) {
        return NULL;
    }
    call_python(&c); /* who holds the GIL never waits for the trial's lock */
    PyObject *result = PyDict_New();
    for (size_t i = 0, n = tl_trial_n_params(t->trial); result && i < n; i++) {
        struct tl_param p;
        tl_trial_get_param(t->trial, i, &p);
        PyObject *name = text_from(p.name.s, p.name.len);
        PyObject *dist = name ? dist_object((struct kit_object *)kit, p.dist) : NULL;
        if (!dist || PyDict_SetItem(result, name, dist) < 0) {
            Py_CLEAR(result);
        }
        DROP(name);
        DROP(dist);
    }
    call_native(&c);
    if (!leave(t, &c, TL_OK)) {
        Py_CLEAR(result);
    }
    return result;
}

struct proposals {
    struct native *native;
    PyObject *dict;
    struct call *call;
};

/* Called without the GIL. */
static int take_proposal(void *ctx, const struct tl_assignment *a)
{
    struct proposals *to = ctx;
    struct tl_value v;
    int rc = tl_dist_external(a->dist, a->internal, &v, &to->call->err);
    if (rc != TL_OK) {
        return rc;
    }
    call_python(to->call);
    if (a->dist->kind == TL_DIST_INT && v.kind == TL_VALUE_FLOAT) {
        v = (struct tl_value){TL_VALUE_INT, {.i = (int64_t)v.as.f}};
    }
    PyObject *name = text_from(a->name, strlen(a->name)), *value = value_object(to->native, &v);
    rc = name && value && PyDict_SetItem(to->dict, name, value) == 0 ? TL_OK : TL_EINTERNAL;
    DROP(name);
    DROP(value);
    call_native(to->call);
    return rc;
}

static PyObject *trial_relative_params(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct trial_object *t = as_trial(object);
    struct call c;
    PyObject *dict = PyDict_New();
    if (!dict || !enter(t, &c)) {
        DROP(dict);
        return NULL;
    }
    struct proposals to = {t->study->native, dict, &c};
    int code = tl_trial_each_proposal(t->trial, take_proposal, &to, &c.err);
    if (!leave(t, &c, code)) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *get_number(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(as_trial(object)->number);
}

static PyObject *get_id(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(as_trial(object)->id);
}

static PyObject *get_study(PyObject *object, void *unused)
{
    (void)unused;
    PyObject *owner = as_trial(object)->owner;
    return Py_NewRef(owner ? owner : Py_None);
}

static PyMethodDef methods[] = {
    {"suggest_float", (PyCFunction)(void (*)(void))trial_suggest_float, METH_FASTCALL | METH_KEYWORDS,
     "suggest_float($self, /, name, low, high, *, step=None, log=False)\n--\n\nA number from low to high, both included."},
    {"suggest_int", (PyCFunction)(void (*)(void))trial_suggest_int, METH_FASTCALL | METH_KEYWORDS,
     "suggest_int($self, /, name, low, high, *, step=1, log=False)\n--\n\nA whole number from low to high, both included."},
    {"suggest_categorical", (PyCFunction)(void (*)(void))trial_suggest_categorical, METH_FASTCALL | METH_KEYWORDS,
     "suggest_categorical($self, /, name, choices)\n--\n\nOne of the choices."},
    {"report", (PyCFunction)(void (*)(void))trial_report, METH_FASTCALL | METH_KEYWORDS,
     "report($self, /, value, step)\n--\n\nReports an intermediate value. The first report of a step counts."},
    {"should_prune", trial_should_prune, METH_NOARGS,
     "should_prune($self, /)\n--\n\nShould the objective give up, by `raise TrialPruned`?"},
    {"_set_attr", trial_set_attr, METH_VARARGS, "_set_attr(system, key, value)"},
    {"_flush", trial_flush, METH_NOARGS, "Writes suggestions that wait."},
    {"_params", trial_params, METH_NOARGS, "The dict of external values, not a copy."},
    {"_native_distributions", trial_distributions, METH_O, "_native_distributions(kit): a dict; None once the trial was told."},
    {"_relative_params", trial_relative_params, METH_NOARGS, "What the sampler proposes jointly."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"number", get_number, NULL, "The trial's place in its study, from 0.", NULL},
    {"_trial_id", get_id, NULL, "The trial's id in its storage.", NULL},
    {"study", get_study, NULL, "The study that asked.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

int trial_init(struct native *m, PyObject *module)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    static PyType_Slot slots[] = {
        {Py_tp_doc, "A trial that runs; see trialog.Trial."},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_traverse, trial_traverse},
        {Py_tp_clear, trial_clear},
        {Py_tp_dealloc, trial_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "trialog._native.Trial",
        .basicsize = sizeof(struct trial_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
        .slots = slots,
    };
    m->trial_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return m->trial_type ? PyModule_AddObjectRef(module, "Trial", (PyObject *)m->trial_type) : -1;
}
