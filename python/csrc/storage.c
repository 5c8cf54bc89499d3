/* SPDX-License-Identifier: MIT
 *
 * The type _native.Storage: an open journal. Opening, closing, the end of the interpreter; what it can do stands in storage_write.c,
 * storage_read.c and trials.c.
 *
 * storage_use and storage_done surround each use: the GIL is given away in between, and a storage that is closed meanwhile by another
 * thread stays open until the last call has returned. Nothing here waits for other threads: a destructor only closes what nobody uses,
 * because whoever uses it holds a reference.
 */
#include "native.h"

#include <stdlib.h>

/* ---- use ---- */

tl_storage *storage_use(struct storage_object *self, struct call *c)
{
    tl_storage *storage = NULL;
    LOCK_OBJECT((PyObject *)self)
    if (!self->closing) {
        storage = self->storage;
    }
    if (storage) {
        self->users++;
    }
    UNLOCK_OBJECT()
    if (!storage) {
        PyErr_SetString(PyExc_ValueError, "the storage is closed");
        return NULL;
    }
    if (call_begin(c)) {
        return storage;
    }
    LOCK_OBJECT((PyObject *)self)
    self->users--;
    UNLOCK_OBJECT()
    return NULL;
}

/* Closes the handle when it is time to: nobody uses it any more. */
static void close_if_unused(struct storage_object *self)
{
    tl_storage *storage = NULL;
    LOCK_OBJECT((PyObject *)self)
    if (self->closing && self->users == 0) {
        storage = self->storage;
        self->storage = NULL;
    }
    UNLOCK_OBJECT()
    if (!storage) {
        return;
    }
    while (self->children) {
        self->children->release(self->children);
    }
    Py_BEGIN_ALLOW_THREADS
    tl_storage_close(storage);
    Py_END_ALLOW_THREADS
}

bool storage_done(struct storage_object *self, struct call *c, int code)
{
    call_end(c);
    bool last;
    LOCK_OBJECT((PyObject *)self)
    last = --self->users == 0 && self->closing;
    UNLOCK_OBJECT()
    if (last) {
        close_if_unused(self);
    }
    if (code == TL_OK && !c->interrupted) { /* the library may finish a call although a handler raised */
        return true;
    }
    raise_err(self->native, self->kit, c, code);
    return false;
}

/* ---- opening ---- */

static int choice(const char *what, const char *given, const char *const *names)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(given, names[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, "%s: there is no '%s'", what, given);
    return -1;
}

/* Seconds (None: the default) as milliseconds. */
static int seconds_from(PyObject *o, const char *what, int64_t none, int64_t *out)
{
    double seconds;
    *out = none;
    if (o == Py_None) {
        return 0;
    }
    if (double_from(o, what, &seconds) < 0) {
        return -1;
    }
    if (!(seconds > 0 && seconds < 1e12)) {
        PyErr_Format(PyExc_ValueError, "%s must be a number of seconds above 0, or None; got %R", what, o);
        return -1;
    }
    *out = (int64_t)(seconds * 1000);
    if (*out == 0) {
        *out = 1;
    }
    return 0;
}

/* 0: nothing waits. */
static int defer_from(PyObject *o, int64_t *out)
{
    double seconds;
    *out = -1;
    if (o != Py_None && double_from(o, "defer", &seconds) == 0 && seconds == 0) {
        return 0;
    }
    return PyErr_Occurred() ? -1 : seconds_from(o, "defer", 0, out);
}

static int read_options(PyObject *args, PyObject *kwargs, PyObject **url, PyObject **kit, struct tl_storage_options *o)
{
    static char *names[] = {"url",      "durability", "lock",      "timeout", "lease",     "retry_lost", "snapshot",
                            "read_only", "must_exist", "grace", "allow_damaged", "kit", "defer", NULL};
    static const char *const durabilities[] = {"full", "relaxed", "off", NULL}, *const locks[] = {"both", "kernel", NULL};
    const char *durability = "full", *lock = "both";
    PyObject *timeout = Py_None, *lease = Py_None, *grace = Py_None, *defer = Py_None;
    int retry_lost = 0, snapshot = 1, read_only = 0, must_exist = 0, allow_damaged = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|$ssOOipppOpOO", names, url, &durability, &lock, &timeout, &lease, &retry_lost,
                                     &snapshot, &read_only, &must_exist, &grace, &allow_damaged, kit, &defer)) {
        return -1;
    }
    if (retry_lost < 0) {
        PyErr_Format(PyExc_ValueError, "retry_lost must be 0 or more, not %d", retry_lost);
        return -1;
    }
    o->retry_lost = (unsigned)retry_lost;
    int d = choice("durability", durability, durabilities), l = d < 0 ? -1 : choice("lock", lock, locks);
    if (l < 0 || seconds_from(timeout, "timeout", 0, &o->timeout_ms) < 0 || seconds_from(lease, "lease", -1, &o->lease_ms) < 0 ||
        seconds_from(grace, "grace", 0, &o->grace_ms) < 0 || defer_from(defer, &o->defer_ms) < 0) {
        return -1;
    }
    o->durability = (enum tl_durability)d;
    o->lock = (enum tl_lock_mode)l;
    o->no_snapshot = !snapshot;
    o->read_only = read_only;
    o->must_exist = must_exist;
    o->allow_damaged = allow_damaged;
    o->cancelled = call_cancelled;
    return 0;
}

static void list_add(struct storage_object *self)
{
    struct native *m = self->native;
    self->next = m->open;
    if (self->next) {
        self->next->link = &self->next;
    }
    self->link = &m->open;
    m->open = self;
}

static void list_remove(struct storage_object *self)
{
    if (!self->link) {
        return;
    }
    *self->link = self->next;
    if (self->next) {
        self->next->link = self->link;
    }
    self->link = NULL;
}

static int check_kit(const struct native *m, PyObject *kit)
{
    if (kit == Py_None || PyObject_TypeCheck(kit, m->kit_type)) {
        return 0;
    }
    PyErr_SetString(PyExc_TypeError, "kit must be a Kit or None");
    return -1;
}

/* A journal that is not there is a missing file, not a missing key. */
static void raise_not_opened(struct storage_object *self, const struct call *c, int code)
{
    raise_err(self->native, self->kit, c, code);
    if (code != TL_ENOTFOUND || !PyErr_ExceptionMatches(PyExc_KeyError)) {
        return;
    }
    PyErr_Clear();
    raise_class(PyExc_FileNotFoundError, c, code);
}

/* A path is what the file system's encoding makes of it: Python names what is no text there by surrogates. */
static const char *path_bytes(PyObject *url, PyObject **owner)
{
    *owner = PyUnicode_EncodeFSDefault(url);
    const char *text = *owner ? PyBytes_AsString(*owner) : NULL;
    if (text && strlen(text) == (size_t)PyBytes_Size(*owner)) {
        return text;
    }
    if (text) {
        PyErr_SetString(PyExc_ValueError, "the path or URL of a storage must not contain a NUL character");
    }
    Py_CLEAR(*owner);
    return NULL;
}

static PyObject *storage_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct native *m = PyType_GetModuleState(type);
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    PyObject *url, *owner, *kit = Py_None;
    if (read_options(args, kwargs, &url, &kit, &options) < 0 || check_kit(m, kit) < 0) {
        return NULL;
    }
    const char *text = path_bytes(url, &owner);
    if (!text) {
        return NULL;
    }
    PyObject *object = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    struct storage_object *self = (struct storage_object *)object;
    if (object) {
        struct call c;
        self->native = m;
        self->url = Py_NewRef(url);
        self->kit = kit == Py_None ? NULL : (struct kit_object *)Py_NewRef(kit);
        int rc = TL_ECANCELLED;
        if (call_begin(&c)) {
            rc = tl_storage_open(text, &options, &self->storage, &c.err);
            call_end(&c);
        } else {
            c = (struct call){.interrupted = true};
        }
        if (rc == TL_OK) {
            list_add(self);
        } else {
            raise_not_opened(self, &c, rc);
            Py_CLEAR(object);
        }
    }
    DROP(owner);
    return object;
}

static PyObject *storage_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    LOCK_OBJECT(object)
    self->closing = true;
    UNLOCK_OBJECT()
    close_if_unused(self);
    trials_forget(self);
    Py_RETURN_NONE;
}

/* ---- plain facts ---- */

static PyObject *storage_sync(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct call c;
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_sync(s, &c.err))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *storage_wait(PyObject *object, PyObject *timeout)
{
    struct storage_object *self = (struct storage_object *)object;
    struct call c;
    int64_t ms;
    if (seconds_from(timeout, "timeout", -1, &ms) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_wait(s, ms, &c.err))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *storage_snapshot(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct call c;
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_snapshot(s, &c.err))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *storage_describe(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct call c;
    char text[256];
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return NULL;
    }
    tl_storage_describe(s, text, sizeof text);
    return storage_done(self, &c, TL_OK) ? text_from(text, strlen(text)) : NULL;
}

static PyObject *storage_landed(PyObject *object, PyObject *args)
{
    struct storage_object *self = (struct storage_object *)object;
    const char *worker;
    unsigned long long n;
    bool landed = false;
    struct call c;
    if (!PyArg_ParseTuple(args, "sK", &worker, &n)) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_landed(s, worker, n, &landed, &c.err))) {
        return NULL;
    }
    return PyBool_FromLong(landed);
}

/* ---- the log as bytes, for pickling what lives in memory ---- */

struct bytes_out {
    char *p;
    size_t n, cap;
};

static int add_lines(void *ctx, const char *bytes, size_t n) /* runs without the GIL */
{
    struct bytes_out *o = ctx;
    if (o->cap - o->n < n) {
        size_t cap = o->cap * 2 > o->n + n ? o->cap * 2 : o->n + n;
        char *p = realloc(o->p, cap);
        if (!p) {
            return TL_ENOMEM;
        }
        o->p = p;
        o->cap = cap;
    }
    memcpy(o->p + o->n, bytes, n);
    o->n += n;
    return 0;
}

static PyObject *storage_export(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct bytes_out out = {NULL, 0, 0};
    struct call c;
    PyObject *result = NULL;
    tl_storage *s = storage_use(self, &c);
    if (s && storage_done(self, &c, tl_storage_export_lines(s, add_lines, &out, &c.err))) {
        result = PyBytes_FromStringAndSize(out.p, (Py_ssize_t)out.n);
    }
    free(out.p);
    return result;
}

static PyObject *storage_import(PyObject *object, PyObject *bytes)
{
    struct storage_object *self = (struct storage_object *)object;
    struct call c;
    char *p;
    Py_ssize_t n;
    if (PyBytes_AsStringAndSize(bytes, &p, &n) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_import_lines(s, p, (size_t)n, &c.err))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *get_worker_id(PyObject *object, void *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    struct call c;
    char id[64];
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return NULL;
    }
    tl_storage_worker_id(s, id);
    return storage_done(self, &c, TL_OK) ? text_from(id, strlen(id)) : NULL;
}

static PyObject *get_url(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct storage_object *)object)->url);
}

static PyObject *get_closed(PyObject *object, void *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    return PyBool_FromLong(self->closing || !self->storage);
}

static PyObject *get_kit(PyObject *object, void *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    return Py_NewRef(self->kit ? (PyObject *)self->kit : Py_None);
}

static int set_kit(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    struct storage_object *self = (struct storage_object *)object;
    if (value && check_kit(self->native, value) < 0) {
        return -1;
    }
    PyObject *old = (PyObject *)self->kit;
    self->kit = !value || value == Py_None ? NULL : (struct kit_object *)Py_NewRef(value);
    DROP(old);
    return 0;
}

static PyMethodDef own_methods[] = {
    {"close", storage_close, METH_NOARGS, "close()\n--\n\nFlushes and closes; calls that are under way end before."},
    {"sync", storage_sync, METH_NOARGS, "sync()\n--\n\nReads what is new."},
    {"wait", storage_wait, METH_O, "wait(timeout)\n--\n\nWaits for news, at most so many seconds (None: no limit)."},
    {"snapshot", storage_snapshot, METH_NOARGS, "snapshot()\n--\n\nWrites a snapshot now."},
    {"describe", storage_describe, METH_NOARGS, "describe()\n--\n\nHow the journal is locked and flushed, as text."},
    {"export_lines", storage_export, METH_NOARGS, "export_lines()\n--\n\nThe whole log as bytes."},
    {"import_lines", storage_import, METH_O, "import_lines(log)\n--\n\nPuts a log into an empty journal."},
    {"landed", storage_landed, METH_VARARGS,
     "landed(worker_id, op_id)\n--\n\nAfter UnknownOutcomeError: did this operation reach the journal?"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"worker_id", get_worker_id, NULL, "This handle's id in this process.", NULL},
    {"url", get_url, NULL, "What was opened.", NULL},
    {"closed", get_closed, NULL, "Has close() been called?", NULL},
    {"kit", get_kit, set_kit, "The Kit whose exceptions are raised, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type ---- */

static int storage_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct storage_object *self = (struct storage_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->kit);
    Py_VISIT(self->url);
    return trials_traverse(self, visit, arg);
}

static int storage_clear(PyObject *object)
{
    struct storage_object *self = (struct storage_object *)object;
    trials_forget(self);
    Py_CLEAR(self->kit);
    Py_CLEAR(self->url);
    return 0;
}

static void storage_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    struct storage_object *self = (struct storage_object *)object;
    PyObject_GC_UnTrack(object);
    list_remove(self);
    self->closing = true;
    close_if_unused(self);
    storage_clear(object);
    trials_free(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    DROP(type);
}

/* All methods of the type, from four tables, in one that lives as long as the process: types keep pointers into it. */
static PyMethodDef all_methods[64];

static int gather_methods(void)
{
    PyMethodDef *tables[] = {own_methods, storage_write_methods, storage_read_methods, storage_trial_methods};
    size_t n = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (PyMethodDef *d = tables[t]; d->ml_name; d++) {
            if (n + 1 >= sizeof all_methods / sizeof *all_methods) {
                PyErr_SetString(PyExc_SystemError, "too many methods");
                return -1;
            }
            all_methods[n++] = *d; /* the same bytes each time: several interpreters may do it */
        }
    }
    return 0;
}

int storage_init(struct native *m, PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_doc, "Storage(url, *, durability='full', lock='both', timeout=None, lease=None, retry_lost=0, snapshot=True, "
                    "read_only=False, must_exist=False, grace=None, allow_damaged=False, kit=None, defer=None)\n--\n\nAn open journal."},
        {Py_tp_new, storage_new},
        {Py_tp_methods, all_methods},
        {Py_tp_getset, getset},
        {Py_tp_traverse, storage_traverse},
        {Py_tp_clear, storage_clear},
        {Py_tp_dealloc, storage_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "trialog._native.Storage",
        .basicsize = sizeof(struct storage_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    if (gather_methods() < 0) {
        return -1;
    }
    m->storage_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return m->storage_type ? PyModule_AddObjectRef(module, "Storage", (PyObject *)m->storage_type) : -1;
}

/* ---- the end of the interpreter ---- */

/* For atexit: closes what is open and unused, so that it is flushed and its threads end. */
PyObject *storage_close_all(PyObject *module, PyObject *unused)
{
    (void)unused;
    struct native *m = native_of(module);
    while (m->open) {
        struct storage_object *s = m->open;
        list_remove(s);
        Py_INCREF((PyObject *)s);
        s->closing = true;
        close_if_unused(s);
        DROP(s);
    }
    Py_RETURN_NONE;
}
