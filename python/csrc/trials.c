/* SPDX-License-Identifier: MIT
 *
 * Reading trials: methods of _native.Storage that give trial objects.
 *
 * Objects are kept per kit and study. A finished trial never changes, so its object is made once; an unfinished one is made anew when its
 * version has changed. A call opens a view, makes what is missing, puts it into the cache and copies the list. While objects are made
 * other threads may run (the garbage collector runs finalizers, say), and may even close the storage: so objects are made outside the
 * cache and put in afterwards, and only if nobody else has changed the cache since; else the call begins anew. When the storage's epoch
 * changes, the cache is emptied. Its struct stays as long as the storage object, and its parts as long as somebody makes objects with them.
 */
#include "native.h"

#define VERSION_NONE UINT64_MAX /* no object yet */

struct slot {
    uint64_t version; /* of the object in the list; 0: finished */
    uint8_t state;
};

/* The best of a study's first rows. They never change, so only what has come since is looked at. */
struct best {
    uint64_t epoch;
    size_t n_rows;
    int64_t number; /* -1: none */
    double value;
};

struct trial_cache {
    struct trial_cache *next;
    struct kit_object *kit;
    int64_t study_id;
    uint64_t epoch;
    uint64_t version;  /* of the study when the cache was last brought up to date; VERSION_NONE: it lacks something */
    uint64_t changes;  /* grows whenever the cache changes */
    PyObject *list;    /* objects by number, None where there is none yet */
    struct slot *slots;
    size_t n, cap;
    int64_t *open;     /* numbers whose object is missing or of an unfinished trial, in no order */
    size_t n_open, cap_open;
    struct parts *parts; /* with the list */
    struct best best;
};

static PyObject *select_cached(const struct trial_cache *c, size_t n, unsigned mask);

/* ---- caches ---- */

/* Gives up what the cache has for a list and parts that are empty, or for none (NULL). Takes both over; what goes may run other code. */
static void cache_begin(struct trial_cache *c, PyObject *list, struct parts *parts)
{
    PyObject *old_list = c->list;
    struct parts *old_parts = c->parts;
    c->list = list;
    c->parts = parts;
    c->n = c->n_open = 0;
    c->version = VERSION_NONE;
    c->changes++;
    parts_drop(old_parts);
    DROP(old_list);
}

void trials_forget(struct storage_object *self)
{
    for (struct trial_cache *c = self->caches; c; c = c->next) {
        cache_begin(c, NULL, NULL);
    }
}

void trials_free(struct storage_object *self)
{
    trials_forget(self);
    struct trial_cache *c = self->caches, *next;
    self->caches = NULL;
    for (; c; c = next) {
        next = c->next;
        DROP(c->kit);
        PyMem_Free(c->slots);
        PyMem_Free(c->open);
        PyMem_Free(c);
    }
}

int trials_traverse(struct storage_object *self, visitproc visit, void *arg)
{
    for (struct trial_cache *c = self->caches; c; c = c->next) {
        Py_VISIT(c->kit);
        Py_VISIT(c->list);
        int rc = c->parts ? parts_traverse(c->parts, visit, arg) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static struct trial_cache *cache_of(const struct storage_object *self, const struct kit_object *kit, int64_t study_id)
{
    struct trial_cache *c = self->caches;
    while (c && (c->kit != kit || c->study_id != study_id)) {
        c = c->next;
    }
    return c;
}

static struct trial_cache *cache_find(const struct storage_object *self, const struct kit_object *kit, const tl_view *view)
{
    return cache_of(self, kit, tl_view_study_id(view));
}

/* Can what the view knows be put into the cache? */
static bool cache_fits(const struct trial_cache *c, const tl_view *view)
{
    return c->list && c->epoch == tl_view_epoch(view);
}

/* The cache for a kit and the view's study, made to fit the view. Whoever uses it asks cache_fits again: other code may have run. */
static struct trial_cache *cache_for(struct storage_object *self, struct kit_object *kit, const tl_view *view)
{
    struct trial_cache *c = cache_find(self, kit, view);
    if (c && cache_fits(c, view)) {
        return c;
    }
    PyObject *list = PyList_New(0);
    struct parts *parts = list ? parts_new() : NULL;
    c = cache_find(self, kit, view);
    if (parts && !c && (c = PyMem_Calloc(1, sizeof *c)) != NULL) {
        c->kit = (struct kit_object *)Py_NewRef((PyObject *)kit);
        c->study_id = tl_view_study_id(view);
        c->next = self->caches;
        self->caches = c;
    }
    if (!parts || !c) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        parts_drop(parts);
        DROP(list);
        return NULL;
    }
    c->epoch = tl_view_epoch(view);
    cache_begin(c, list, parts);
    return c;
}

static bool grow(void **items, size_t *cap, size_t n, size_t size)
{
    if (n <= *cap) {
        return true;
    }
    size_t wanted = n * 2 < 64 ? 64 : n * 2;
    void *p = PyMem_Realloc(*items, wanted * size);
    if (!p) {
        PyErr_NoMemory();
        return false;
    }
    *items = p;
    *cap = wanted;
    return true;
}

/* The whole list without opening a view of all trials, when nothing has happened since it was brought up to date; NULL without an
 * exception: something has. */
static PyObject *unchanged(struct storage_object *self, const struct kit_object *kit, const tl_view *view, unsigned mask)
{
    PyObject *result = NULL;
    LOCK_OBJECT((PyObject *)self)
    const struct trial_cache *c = cache_find(self, kit, view);
    if (c && cache_fits(c, view) && c->version == tl_view_version(view) && c->n == tl_view_n_trials(view)) {
        result = select_cached(c, c->n, mask);
    }
    UNLOCK_OBJECT()
    return result;
}

/* Room for trials 0 … n - 1, missing at first. */
static int cache_extend(struct trial_cache *c, size_t n)
{
    if (n <= c->n) {
        return 0;
    }
    size_t more = n - c->n;
    if (!grow((void **)&c->slots, &c->cap, n, sizeof *c->slots) ||
        !grow((void **)&c->open, &c->cap_open, c->n_open + more, sizeof *c->open)) {
        return -1;
    }
    for (; c->n < n; c->n++) {
        if (PyList_Append(c->list, Py_None) < 0) {
            return -1;
        }
        c->slots[c->n] = (struct slot){VERSION_NONE, 0};
        c->open[c->n_open++] = (int64_t)c->n;
    }
    c->changes++;
    return 0;
}

/* ---- making objects ---- */

struct fresh {
    int64_t number;
    uint64_t version;
    uint8_t state;
    PyObject *object;
};
struct batch {
    struct fresh *items;
    size_t n, cap;
    struct tl_frozen_trial memory;
};

static void batch_release(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        DROP(b->items[i].object);
    }
    PyMem_Free(b->items);
    tl_frozen_release(&b->memory);
}

static PyObject *make(const struct kit_object *kit, struct parts *parts, const tl_view *view, int64_t number,
                      struct tl_frozen_trial *memory)
{
    struct call c = {.err = TL_ERR_INIT};
    int rc = tl_view_trial(view, number, memory, &c.err);
    return rc == TL_OK ? frozen_object(kit, parts, memory) : raise_err(kit->native, kit, &c, rc);
}

static int batch_add(struct batch *b, const struct kit_object *kit, struct parts *parts, const tl_view *view, int64_t number,
                     uint64_t version)
{
    if (!grow((void **)&b->items, &b->cap, b->n + 1, sizeof *b->items)) {
        return -1;
    }
    PyObject *object = make(kit, parts, view, number, &b->memory);
    if (!object) {
        return -1;
    }
    b->items[b->n++] = (struct fresh){number, version, (uint8_t)b->memory.state, object};
    return 0;
}

/* Puts the batch into the cache; no other code runs in between. The old objects go into the batch, which gives them away. */
static int batch_put(struct batch *b, struct trial_cache *c)
{
    for (size_t i = 0; i < b->n; i++) {
        struct fresh *f = &b->items[i];
        PyObject *old = Py_NewRef(PyList_GetItem(c->list, f->number));
        PyList_SetItem(c->list, f->number, f->object); /* takes the reference; `old` keeps the one before alive */
        f->object = old;
        c->slots[f->number] = (struct slot){f->version, f->state};
    }
    size_t kept = 0;
    for (size_t i = 0; i < c->n_open; i++) {
        if (c->slots[c->open[i]].version != 0) {
            c->open[kept++] = c->open[i];
        }
    }
    c->n_open = kept;
    c->changes++;
    return 0;
}

/* A long run of new objects is no reason to look for garbage among them. */
static bool gc_pause(size_t n)
{
#if !defined(Py_LIMITED_API) && PY_VERSION_HEX < 0x030A0000
    (void)n;
    return false;
#else
    return n > 500 && PyGC_Disable();
#endif
}

static void gc_resume(bool paused)
{
#if !defined(Py_LIMITED_API) && PY_VERSION_HEX < 0x030A0000
    (void)paused;
#else
    if (paused) {
        PyGC_Enable();
    }
#endif
}

/* Makes what the view knows better than the cache, and the list of what is wanted. 1: done, 0: somebody changed the cache meanwhile, -1:
 * exception. */
static int cache_update(struct trial_cache *c, const tl_view *view, unsigned mask, PyObject **result)
{
    if (!cache_fits(c, view)) {
        return 0;
    }
    if (cache_extend(c, tl_view_n_trials(view)) < 0) {
        return -1;
    }
    struct batch b = {.memory = TL_FROZEN_TRIAL_INIT};
    struct parts *parts = parts_hold(c->parts);
    uint64_t seen = c->changes;
    size_t n_open = c->n_open;
    int rc = 1;
    bool paused = gc_pause(n_open);
    for (size_t i = 0; rc == 1 && i < n_open; i++) {
        int64_t number = c->open[i];
        if ((size_t)number >= tl_view_n_trials(view)) {
            continue; /* a newer view put it there */
        }
        uint64_t version = tl_view_trial_version(view, number);
        if (c->slots[number].version == version) {
            continue;
        }
        if (batch_add(&b, c->kit, parts, view, number, version) < 0) {
            rc = -1;
        } else if (c->changes != seen) {
            rc = 0;
        }
    }
    gc_resume(paused);
    if (rc == 1 && b.n > 0) {
        batch_put(&b, c);
    }
    if (rc == 1) {
        c->version = tl_view_version(view);
        *result = select_cached(c, tl_view_n_trials(view), mask);
        rc = *result ? 1 : PyErr_Occurred() ? -1 : 0;
    }
    batch_release(&b);
    parts_drop(parts);
    return rc;
}

/* ---- get_all_trials ---- */

/* Which states are wanted, as bits. */
static int state_mask(const struct kit_object *kit, PyObject *states, unsigned *mask)
{
    *mask = 0;
    for (int i = 0; i < TL_N_STATES; i++) {
        int has = PySequence_Contains(states, kit->states[i]);
        if (has < 0) {
            return -1;
        }
        *mask |= (unsigned)has << i;
    }
    return 0;
}

/* New objects for all trials: for callers that may change them. */
static PyObject *make_all(const struct kit_object *kit, const tl_view *view, unsigned mask)
{
    struct parts parts = {0};
    struct tl_frozen_trial memory = TL_FROZEN_TRIAL_INIT;
    size_t n = tl_view_n_trials(view);
    PyObject *list = PyList_New(0);
    bool paused = gc_pause(n);
    for (size_t i = 0; list && i < n; i++) {
        int state = tl_view_trial_state(view, (int64_t)i);
        if (!(mask >> state & 1)) {
            continue;
        }
        PyObject *trial = make(kit, &parts, view, (int64_t)i, &memory);
        if (!trial || PyList_Append(list, trial) < 0) {
            Py_CLEAR(list);
        }
        DROP(trial);
    }
    gc_resume(paused);
    tl_frozen_release(&memory);
    parts_release(&parts);
    return list;
}

/* Trials 0 … n - 1 of the wanted states. Making a list may run other code: NULL without an exception when that changed the cache. */
static PyObject *select_cached(const struct trial_cache *c, size_t n, unsigned mask)
{
    bool all = mask == (1u << TL_N_STATES) - 1;
    uint64_t seen = c->changes;
    PyObject *from = Py_NewRef(c->list), *list = all ? PyList_GetSlice(from, 0, (Py_ssize_t)n) : PyList_New(0);
    if (c->changes != seen) {
        Py_CLEAR(list);
    }
    for (size_t i = 0; list && !all && i < n; i++) {
        if (c->slots[i].version != VERSION_NONE && (mask >> c->slots[i].state & 1) &&
            PyList_Append(list, PyList_GetItem(from, (Py_ssize_t)i)) < 0) {
            Py_CLEAR(list);
        }
    }
    DROP(from);
    return list;
}

static PyObject *shared_list(struct storage_object *self, struct kit_object *kit, const tl_view *view, unsigned mask)
{
    PyObject *result = NULL;
    int rc = 0;
    LOCK_OBJECT((PyObject *)self)
    for (int tries = 0; rc == 0 && tries < 10; tries++) {
        struct trial_cache *c = cache_for(self, kit, view);
        rc = c ? cache_update(c, view, mask, &result) : -1;
    }
    UNLOCK_OBJECT()
    return rc == 0 ? make_all(kit, view, mask) : result;
}

struct kit_object *kit_from(struct storage_object *self, PyObject *o)
{
    if (PyObject_TypeCheck(o, self->native->kit_type) && ((struct kit_object *)o)->frozen_trial) {
        return (struct kit_object *)o;
    }
    PyErr_SetString(PyExc_TypeError, "a Kit is wanted");
    return NULL;
}

static PyObject *trials(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kit", "study_id", "states", "copy", NULL};
    struct storage_object *self = (struct storage_object *)object;
    PyObject *kit_arg, *id, *states = Py_None;
    int64_t study_id;
    int copy = 0;
    unsigned mask = (1u << TL_N_STATES) - 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|Op", names, &kit_arg, &id, &states, &copy)) {
        return NULL;
    }
    struct kit_object *kit = kit_from(self, kit_arg);
    if (!kit || id_from(id, "a study's id", &study_id) < 0 || (states != Py_None && state_mask(kit, states, &mask) < 0)) {
        return NULL;
    }
    struct call c;
    tl_view *view = NULL;
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_view_open_study(s, study_id, true, &view, &c.err))) {
        tl_view_close(view);
        return NULL;
    }
    PyObject *known = copy ? NULL : unchanged(self, kit, view, mask);
    tl_view_close(view);
    view = NULL;
    if (known || PyErr_Occurred()) {
        return known;
    }
    s = storage_use(self, &c);
    bool open = s && storage_done(self, &c, tl_view_open(s, study_id, false, &view, &c.err));
    PyObject *result = !open ? NULL : copy ? make_all(kit, view, mask) : shared_list(self, kit, view, mask);
    tl_view_close(view);
    return result;
}

/* ---- one trial ---- */

static PyObject *shared_one(struct storage_object *self, struct kit_object *kit, const tl_view *view, int64_t number)
{
    struct tl_frozen_trial memory = TL_FROZEN_TRIAL_INIT;
    uint64_t version = tl_view_trial_version(view, number);
    PyObject *result = NULL, *old = NULL;
    LOCK_OBJECT((PyObject *)self)
    struct trial_cache *c = cache_for(self, kit, view);
    if (c && !cache_fits(c, view)) {
        struct parts own = {0};
        result = make(kit, &own, view, number, &memory);
        parts_release(&own);
    } else if (c && cache_extend(c, (size_t)number + 1) == 0) {
        if (c->slots[number].version == version) {
            result = Py_NewRef(PyList_GetItem(c->list, (Py_ssize_t)number));
        } else {
            uint64_t seen = c->changes;
            struct parts *parts = parts_hold(c->parts);
            result = make(kit, parts, view, number, &memory);
            if (result && c->changes == seen) {
                old = Py_NewRef(PyList_GetItem(c->list, (Py_ssize_t)number));
                PyList_SetItem(c->list, (Py_ssize_t)number, Py_NewRef(result));
                c->slots[number] = (struct slot){version, (uint8_t)memory.state};
                c->changes++;
            }
            parts_drop(parts);
        }
    }
    UNLOCK_OBJECT()
    DROP(old);
    tl_frozen_release(&memory);
    return result;
}

static PyObject *trial_of(struct storage_object *self, struct kit_object *kit, PyObject *trial_id)
{
    int64_t id, number;
    if (!kit || id_from(trial_id, "a trial's id", &id) < 0) {
        return NULL;
    }
    struct call c;
    tl_view *view = NULL;
    tl_storage *s = storage_use(self, &c);
    bool open = s && storage_done(self, &c, tl_view_open_trial(s, id, true, &view, &number, &c.err));
    PyObject *result = open ? shared_one(self, kit, view, number) : NULL;
    tl_view_close(view);
    return result;
}

static PyObject *trial(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    if (n != 2) {
        PyErr_SetString(PyExc_TypeError, "trial takes 2 arguments");
        return NULL;
    }
    return trial_of(self, kit_from(self, args[0]), args[1]);
}

/* A value of the trial's dictionary of that name, a new reference. */
static PyObject *entry_of(PyObject *trial, PyObject *dictionary, PyObject *key)
{
    PyObject *dict = PyObject_GetAttr(trial, dictionary);
    PyObject *value = dict ? PyObject_GetItem(dict, key) : NULL;
    DROP(dict);
    return value;
}

static PyObject *trial_param(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    struct native *m = self->native;
    if (n != 3) {
        PyErr_SetString(PyExc_TypeError, "trial_param takes 3 arguments");
        return NULL;
    }
    struct kit_object *kit = kit_from(self, args[0]);
    PyObject *trial = trial_of(self, kit, args[1]);
    PyObject *dist = trial ? entry_of(trial, m->frozen[FROZEN_distributions], args[2]) : NULL;
    PyObject *value = dist ? entry_of(trial, m->frozen[FROZEN_params], args[2]) : NULL, *result = NULL;
    if (value && (PyObject *)Py_TYPE(dist) == kit->dists[TL_DIST_FLOAT] && PyFloat_CheckExact(value)) { /* its own internal value */
        result = Py_NewRef(value);
    } else if (value) {
        result = PyObject_CallMethodObjArgs(dist, m->names[NAME_to_internal_repr], value, NULL);
    }
    DROP(value);
    DROP(dist);
    DROP(trial);
    return result;
}

/* The first of the COMPLETE trials with the best value, whatever constraints say: what Optuna asks for. */
static void find_best(const tl_view *view, bool maximise, struct best *b)
{
    struct tl_row row;
    size_t i = b->epoch == tl_view_epoch(view) ? b->n_rows : 0, n = tl_view_n_rows(view);
    if (i == 0) {
        *b = (struct best){.epoch = tl_view_epoch(view), .number = -1};
    }
    for (; i < n; i++) {
        tl_view_row(view, i, &row);
        if (row.state != TL_COMPLETE || row.n_values == 0) {
            continue;
        }
        double v = maximise ? -row.values[0] : row.values[0];
        if (b->number < 0 || v < b->value || (v == b->value && row.number < b->number)) {
            b->number = row.number;
            b->value = v;
        }
    }
    b->n_rows = n > b->n_rows ? n : b->n_rows;
}

/* What is known of the best of a study; nothing at first. */
static struct best best_known(struct storage_object *self, const struct kit_object *kit, int64_t study_id)
{
    struct best b = {.number = -1};
    LOCK_OBJECT((PyObject *)self)
    const struct trial_cache *c = cache_of(self, kit, study_id);
    if (c) {
        b = c->best;
    }
    UNLOCK_OBJECT()
    return b;
}

static void best_keep(struct storage_object *self, const struct kit_object *kit, int64_t study_id, const struct best *b)
{
    LOCK_OBJECT((PyObject *)self)
    struct trial_cache *c = cache_of(self, kit, study_id);
    if (c && (c->best.epoch != b->epoch || c->best.n_rows < b->n_rows)) {
        c->best = *b;
    }
    UNLOCK_OBJECT()
}

static PyObject *best_trial(PyObject *object, PyObject *const *args, Py_ssize_t n)
{
    struct storage_object *self = (struct storage_object *)object;
    int64_t id;
    size_t n_directions = 0;
    if (n != 2) {
        PyErr_SetString(PyExc_TypeError, "best_trial takes 2 arguments");
        return NULL;
    }
    struct kit_object *kit = kit_from(self, args[0]);
    if (!kit || id_from(args[1], "a study's id", &id) < 0) {
        return NULL;
    }
    struct call c;
    tl_view *view = NULL;
    struct best best = best_known(self, kit, id);
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return NULL;
    }
    int rc = tl_view_open_study(s, id, true, &view, &c.err);
    if (rc == TL_OK) {
        const enum tl_direction *d = tl_view_directions(view, &n_directions);
        find_best(view, d[0] == TL_MAXIMIZE, &best);
    }
    if (!storage_done(self, &c, rc)) {
        tl_view_close(view);
        return NULL;
    }
    PyObject *result = NULL;
    if (best.number < 0) {
        PyErr_SetString(PyExc_ValueError, "No trials are completed yet.");
    } else if (n_directions > 1) {
        PyErr_SetString(PyExc_RuntimeError, "Best trial can be obtained only for single-objective optimization.");
    } else {
        result = shared_one(self, kit, view, best.number);
    }
    if (result) {
        best_keep(self, kit, id, &best);
    }
    tl_view_close(view);
    return result;
}

static PyObject *trial_id(PyObject *object, PyObject *args)
{
    struct storage_object *self = (struct storage_object *)object;
    PyObject *study, *trial;
    int64_t study_id, number, id;
    struct call c;
    if (!PyArg_ParseTuple(args, "OO", &study, &trial) || id_from(study, "a study's id", &study_id) < 0 ||
        id_from(trial, "a trial's number", &number) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s || !storage_done(self, &c, tl_storage_trial_id(s, study_id, number, &id, &c.err))) {
        return NULL;
    }
    return PyLong_FromLongLong(id);
}

static PyObject *trial_number(PyObject *object, PyObject *trial)
{
    struct storage_object *self = (struct storage_object *)object;
    int64_t id, number;
    struct call c;
    tl_view *view = NULL;
    if (id_from(trial, "a trial's id", &id) < 0) {
        return NULL;
    }
    tl_storage *s = storage_use(self, &c);
    if (!s) {
        return NULL;
    }
    int rc = tl_view_open_trial(s, id, true, &view, &number, &c.err);
    tl_view_close(view);
    return storage_done(self, &c, rc) ? PyLong_FromLongLong(number) : NULL;
}

static PyObject *n_trials(PyObject *object, PyObject *study)
{
    struct facts f;
    if (facts_open((struct storage_object *)object, study, true, &f) < 0) {
        return NULL;
    }
    PyObject *counts = PyTuple_New(TL_N_STATES);
    for (int i = 0; counts && i < TL_N_STATES; i++) {
        PyObject *v = PyLong_FromSize_t(f.view ? tl_view_count(f.view, (enum tl_state)i) : f.summary->counts[i]);
        if (!v || PyTuple_SetItem(counts, i, v) < 0) {
            Py_CLEAR(counts);
        }
    }
    facts_close(&f);
    return counts;
}

#define KEYWORDS(f) (PyCFunction)(void (*)(void))(f), METH_VARARGS | METH_KEYWORDS
PyMethodDef storage_trial_methods[] = {
    {"trials", KEYWORDS(trials),
     "trials(kit, study_id, states=None, copy=False)\n--\n\nTrial objects by number; without copy they are "
     "shared and must not be changed."},
    {"trial", (PyCFunction)(void (*)(void))trial, METH_FASTCALL, "trial(kit, trial_id)\n--\n\nA trial object, shared."},
    {"trial_param", (PyCFunction)(void (*)(void))trial_param, METH_FASTCALL,
     "trial_param(kit, trial_id, name)\n--\n\nThe internal value of a parameter."},
    {"best_trial", (PyCFunction)(void (*)(void))best_trial, METH_FASTCALL, "best_trial(kit, study_id)\n--\n\nWhatever constraints say."},
    {"trial_id", trial_id, METH_VARARGS, "trial_id(study_id, number)\n--\n\n"},
    {"trial_number", trial_number, METH_O, "trial_number(trial_id)\n--\n\n"},
    {"counts", n_trials, METH_O, "counts(study_id)\n--\n\nHow many trials there are of each state, by its number."},
    {NULL, NULL, 0, NULL},
};
