/* SPDX-License-Identifier: MIT
 *
 * Kits: the classes from which objects are built, so that the same code makes Optuna's objects and ours.
 *
 * _native.Kit(frozen_trial, states, distributions, errors, directions): the class FrozenTrial, the five TrialState members by number, the
 * classes of float, int and categorical distributions, the four exceptions of NATIVE_ERRORS, and the three StudyDirection members by number
 * (without them directions are numbers). When a trial object made by the constructor has
 * just the attributes that we know (FROZEN_FIELDS), objects are made without calling it; else it is called for each.
 */
#include "native.h"

static PyObject *probe(PyObject *class, PyObject *state)
{
    PyObject *kwargs = Py_BuildValue("{sisOsOsOsOs{}s{}s{}s{}s{}si}", "number", 0, "state", state, "value", Py_None, "datetime_start",
                                     Py_None, "datetime_complete", Py_None, "params", "distributions", "user_attrs", "system_attrs",
                                     "intermediate_values", "trial_id", 0);
    PyObject *empty = PyTuple_New(0);
    PyObject *trial = kwargs && empty ? PyObject_Call(class, empty, kwargs) : NULL;
    PyObject *dict = trial ? PyObject_GetAttrString(trial, "__dict__") : NULL;
    DROP(kwargs);
    DROP(empty);
    DROP(trial);
    return dict;
}

/* Has a fresh trial object exactly the attributes of FROZEN_FIELDS? */
static int check_plain(struct kit_object *self)
{
    PyObject *dict = probe(self->frozen_trial, self->states[TL_WAITING]);
    if (!dict) {
        return -1;
    }
    self->plain = PyDict_Size(dict) == N_FROZEN_FIELDS;
    for (size_t i = 0; i < N_FROZEN_FIELDS && self->plain; i++) {
        self->plain = PyDict_GetItemWithError(dict, self->native->frozen[i]) != NULL;
    }
    DROP(dict);
    return PyErr_Occurred() ? -1 : 0;
}

/* `n` items of a sequence, as new references. */
static int take_items(PyObject *sequence, PyObject **out, size_t n, const char *what)
{
    PyObject *tuple = PySequence_Tuple(sequence);
    if (!tuple) {
        return -1;
    }
    if ((size_t)PyTuple_Size(tuple) != n) {
        PyErr_Format(PyExc_ValueError, "%s: %zu items wanted", what, n);
        DROP(tuple);
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = Py_NewRef(PyTuple_GetItem(tuple, (Py_ssize_t)i));
    }
    DROP(tuple);
    return 0;
}

static int kit_start(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frozen_trial", "states", "distributions", "errors", "directions", NULL};
    struct kit_object *self = (struct kit_object *)object;
    PyObject *frozen, *states, *dists, *errors, *directions = NULL;
    if (self->frozen_trial) {
        PyErr_SetString(PyExc_TypeError, "a Kit is made once");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO|O", names, &frozen, &states, &dists, &errors, &directions)) {
        return -1;
    }
    if (!PyType_Check(frozen)) {
        PyErr_SetString(PyExc_TypeError, "frozen_trial must be a class");
        return -1;
    }
    self->frozen_trial = Py_NewRef(frozen);
    if (take_items(states, self->states, TL_N_STATES, "states") < 0 ||
        (directions && take_items(directions, self->directions, 3, "directions") < 0) ||
        take_items(dists, self->dists, 3, "distributions") < 0 ||
        take_items(errors, self->errors, N_NATIVE_ERRORS, "errors") < 0) {
        return -1;
    }
    return check_plain(self);
}

static PyObject *kit_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    PyObject *object = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (object) {
        ((struct kit_object *)object)->native = PyType_GetModuleState(type);
    }
    return object;
}

static int kit_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct kit_object *self = (struct kit_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->frozen_trial);
    for (size_t i = 0; i < TL_N_STATES; i++) {
        Py_VISIT(self->states[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        Py_VISIT(self->directions[i]);
        Py_VISIT(self->dists[i]);
    }
    for (size_t i = 0; i < N_NATIVE_ERRORS; i++) {
        Py_VISIT(self->errors[i]);
    }
    return 0;
}

static int kit_clear(PyObject *object)
{
    struct kit_object *self = (struct kit_object *)object;
    Py_CLEAR(self->frozen_trial);
    for (size_t i = 0; i < TL_N_STATES; i++) {
        Py_CLEAR(self->states[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        Py_CLEAR(self->directions[i]);
        Py_CLEAR(self->dists[i]);
    }
    for (size_t i = 0; i < N_NATIVE_ERRORS; i++) {
        Py_CLEAR(self->errors[i]);
    }
    return 0;
}

static void kit_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    kit_clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    DROP(type);
}

int kit_init(struct native *m, PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_doc, "The classes from which objects are built: Optuna's or Trialog's."},
        {Py_tp_new, kit_new},
        {Py_tp_init, kit_start},
        {Py_tp_traverse, kit_traverse},
        {Py_tp_clear, kit_clear},
        {Py_tp_dealloc, kit_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "trialog._native.Kit",
        .basicsize = sizeof(struct kit_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    m->kit_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return m->kit_type ? PyModule_AddObjectRef(module, "Kit", (PyObject *)m->kit_type) : -1;
}
