/* SPDX-License-Identifier: MIT
 *
 * Writes that wait: parameters and attributes of RUNNING trials of this handle's own (tl_storage_set_param, tl_storage_set_trial_attr,
 * tl_trial_set_attr). On a database each append is a turn of the server and a flush, and nobody needs to see them before the trial
 * reports or ends.
 *
 * Happy path: store_defer checks one against the state as it is known here and against what waits already, and puts it on a list. Views
 * show the list over the state, so this handle sees it at once. The next append takes the list along in front of its own lines
 * (store_commit, defer_begin); if none comes within defer_ms, a thread writes it.
 *
 * Failure modes: a write that failed leaves the list as it was, for the next append or the thread, which then pauses for a second. One
 * whose end is unknown does, too, and what it set is looked for in the state at the head before it is written again. What the log refuses
 * stays on the list with its error for the next call on that trial; if the trial has ended or is gone, it is dropped with an event. What
 * cannot be written at close is lost, with an event.
 * Invariants: one list entry is written by one commit at a time; no append of a trial overtakes what waits for it, because the commit of
 * the list goes first and what follows it fails when it failed, and takes over what an earlier one failed to write; a finished trial is
 * never shown with something that waits.
 */
#include "engine/storage.h"

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"

#define MS INT64_C(1000000)
#define DEFAULT_MS 50
#define AGAIN_MS 1000          /* after a write that failed */
#define IDLE_MS 10000          /* the thread ends when there was nothing to do for so long */
#define KNOWN_MS 5000          /* our own RUNNING trial is shown without a look at the log when the last one is no older */
#define WAITING_MAX 256        /* more are written at once, all of them */
#define WAITING_BYTES (1u << 18)
#define LARGE_BYTES (1u << 16) /* such a text is written at once */

/* ---- entries ---- */

void deferred_unref(struct deferred *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(e->value);
        mem_free(e);
    }
}

/* What was given is borrowed yet: keep_locked. */
static struct deferred *entry_new(int64_t trial_id, const struct param *p, const struct op *attr)
{
    struct deferred *e = mem_zalloc(1, sizeof *e);
    if (!e) {
        return NULL;
    }
    atomic_init(&e->refs, 1);
    e->trial_id = trial_id;
    e->is_param = p != NULL;
    if (p) {
        e->param = *p;
        return e;
    }
    e->op = *attr;
    e->value = mem_dup(attr->text.p, attr->text.n);
    e->op.text.p = e->value;
    if (!e->value) {
        mem_free(e);
        return NULL;
    }
    return e;
}

/* Names and distributions become the storage's own. */
static int keep_locked(struct deferral *d, struct deferred *e, struct tl_err *err)
{
    struct str *name = e->is_param ? &e->param.name : &e->op.name;
    uint32_t number = intern_add(&d->names, *name), id;
    if (number == INTERN_NONE) {
        return err_nomem(err);
    }
    *name = intern_str(&d->names, number);
    int rc = e->is_param ? dist_table_add(&d->dists, e->param.text, false, &id, err) : TL_OK;
    if (rc == TL_OK && e->is_param) {
        const struct dist *kept = dist_table_get(&d->dists, id);
        e->param.dist = kept->d;
        e->dist = &kept->d;
        e->param.text = kept->text;
    }
    return rc;
}

static size_t size_of(const struct deferred *e)
{
    return e->is_param ? e->param.name.n + e->param.text.n : e->op.name.n + e->op.text.n;
}

static struct str name_of(const struct deferred *e)
{
    return e->is_param ? e->param.name : e->op.name;
}

static enum tl_attr_kind kind_of(const struct deferred *e)
{
    return e->op.code == OP_TRIAL_USER_ATTR ? TL_ATTR_USER : TL_ATTR_SYSTEM;
}

/* Takes the entry that `*at` points to off the list. */
static void remove_locked(struct deferral *d, struct deferred **at)
{
    struct deferred *e = *at;
    *at = e->next;
    if (d->end == &e->next) {
        d->end = at;
    }
    d->n--;
    d->bytes -= size_of(e);
    d->changes++;
    deferred_unref(e);
}

/* ---- the thread ---- */

static bool set_due(tl_storage *st, int64_t in_ms);

static bool due(struct deferral *d)
{
    return d->due_ns != INT64_MAX && os->monotonic_ns() >= d->due_ns;
}

static void *flush_main(void *ctx)
{
    tl_storage *st = ctx;
    struct deferral *d = &st->deferral;
    struct thread *t = &d->thread;
    pthread_mutex_lock(&t->mutex);
    while (!t->stop) {
        if (due(d)) {
            d->due_ns = INT64_MAX;
            pthread_mutex_unlock(&t->mutex);
            if (store_flush(st, NULL) != TL_OK && atomic_load(&d->open) > 0) {
                (void)set_due(st, AGAIN_MS); /* it may not even have begun */
            }
            pthread_mutex_lock(&t->mutex);
            continue;
        }
        int64_t now = os->monotonic_ns();
        d->wakes_ns = d->due_ns != INT64_MAX ? d->due_ns : now + IDLE_MS * MS;
        (void)cond_wait_for(&t->changed, &t->mutex, d->wakes_ns - now);
        if (d->due_ns == INT64_MAX && os->monotonic_ns() >= d->wakes_ns) {
            break;
        }
    }
    t->running = false;
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

/* Something waits, and is to be written in so many milliseconds. false: there is no thread that would. */
static bool set_due(tl_storage *st, int64_t in_ms)
{
    struct deferral *d = &st->deferral;
    int64_t at = os->monotonic_ns() + in_ms * MS;
    pthread_mutex_lock(&d->thread.mutex);
    bool ok = d->thread.running || thread_start_locked(&d->thread, flush_main, st) == 0;
    if (ok && at < d->due_ns) {
        d->due_ns = at;
        if (at < d->wakes_ns) {
            pthread_cond_signal(&d->thread.changed);
        }
    }
    pthread_mutex_unlock(&d->thread.mutex);
    return ok;
}

/* ---- beginning and end ---- */

static void init_sync(struct deferral *d)
{
    thread_init(&d->thread);
    d->due_ns = INT64_MAX;
    d->wakes_ns = INT64_MAX;
}

void deferral_init(tl_storage *st)
{
    st->deferral.end = &st->deferral.first;
    st->deferral.names = (struct intern)INTERN_INIT;
    dist_table_init(&st->deferral.dists);
    init_sync(&st->deferral);
}

void deferral_begin(tl_storage *st)
{
    const struct tl_storage_options *o = &st->options;
    bool by_itself = st->backend->ops->flags & BACKEND_DEFERS;
    st->deferral.wait_ms = o->read_only || o->defer_ms < 0 ? 0 : o->defer_ms > 0 ? o->defer_ms : by_itself ? DEFAULT_MS : 0;
}

static void empty(struct deferral *d)
{
    while (d->first) {
        remove_locked(d, &d->first);
    }
    atomic_store(&d->open, 0);
    atomic_store(&d->unwritten, 0);
    atomic_store(&d->refused, 0);
}

void deferral_forked(tl_storage *st, bool whole)
{
    struct deferral *d = &st->deferral;
    if (!whole) { /* somebody may have been changing it */
        d->first = NULL;
        d->end = &d->first;
        d->n = d->bytes = 0;
        d->changes++;
        d->names = (struct intern)INTERN_INIT;
        dist_table_init(&d->dists);
    }
    empty(d);
    init_sync(d);
}

void deferral_close(tl_storage *st)
{
    struct deferral *d = &st->deferral;
    struct tl_err err = TL_ERR_INIT;
    thread_stop(&d->thread);
    if (atomic_load(&d->open) > 0 && store_flush(st, &err) != TL_OK && atomic_load(&d->open) > 0) {
        log_emit(st->options.log, LOG_DEFERRED, "%zu parameters or attributes of running trials were not written and are lost: %s",
                 (size_t)atomic_load(&d->open), err.message);
    }
    d->wait_ms = 0;
}

void deferral_release(tl_storage *st)
{
    empty(&st->deferral);
    intern_release(&st->deferral.names);
    dist_table_release(&st->deferral.dists);
    thread_release(&st->deferral.thread);
}

/* ---- taking in ---- */

static bool is_own(const tl_storage *st, const struct live_trial *live)
{
    return live->owner != INTERN_NONE && str_eq(intern_str(&st->state->workers, live->owner), str_of(st->worker));
}

/* The trial, when it is RUNNING and our own, as far as is known here. */
static const struct live_trial *own_running(const tl_storage *st, int64_t trial_id, struct study **study)
{
    const struct state *s = st->state;
    const struct live_trial *live;
    const struct row *row;
    uint32_t number;
    if (st->stale || !s || st->damaged || !state_trial_place(s, trial_id, study, &number) || (*study)->deleted) {
        return NULL;
    }
    study_trial(*study, number, &row, &live);
    return live && live->state == TL_RUNNING && is_own(st, live) ? live : NULL;
}

/* A parameter of the study that waits fixes its kind as one in the log does. */
static int fits_waiting(const struct deferral *d, const struct study *study, const struct param *p, struct tl_err *err)
{
    for (const struct deferred *e = d->first; e; e = e->next) {
        if (e->is_param && e->study_id == study->id && !e->refused && str_eq(e->param.name, p->name)) {
            return dist_same_kind(&e->param.dist, &p->dist)
                       ? TL_OK
                       : err_set(err, TL_EINCOMPATIBLE,
                                 "parameter '%s' has another kind of distribution in this study: kind, log and choices must stay",
                                 p->name.p);
        }
    }
    return TL_OK;
}

static int take_locked(tl_storage *st, struct deferred *e, bool *waits, struct tl_err *err)
{
    struct deferral *d = &st->deferral;
    struct study *study;
    int rc = TL_OK;
    if (!own_running(st, e->trial_id, &study) || d->n >= WAITING_MAX || d->bytes + size_of(e) > WAITING_BYTES) {
        return TL_OK;
    }
    if (e->is_param) {
        rc = param_fits(st->state, study, &e->param, err);
        rc = rc == TL_OK ? fits_waiting(d, study, &e->param, err) : rc;
    }
    rc = rc == TL_OK ? keep_locked(d, e, err) : rc;
    if (rc != TL_OK) {
        return rc;
    }
    atomic_fetch_add(&d->open, 1); /* first: whoever finds nothing open ends what set_due begins */
    if (!set_due(st, d->wait_ms)) {
        atomic_fetch_sub(&d->open, 1);
        return TL_OK;
    }
    e->study_id = study->id;
    *d->end = e;
    d->end = &e->next;
    d->n++;
    d->bytes += size_of(e);
    d->changes++;
    atomic_fetch_add(&d->unwritten, 1);
    *waits = true;
    return TL_OK;
}

int store_defer(tl_storage *st, int64_t trial_id, const struct param *param, const struct op *attr, bool *waits, struct tl_err *err)
{
    size_t bytes = param ? param->name.n + param->text.n : attr->name.n + attr->text.n;
    *waits = false;
    if (st->deferral.wait_ms == 0 || bytes > LARGE_BYTES) {
        return TL_OK;
    }
    int rc = storage_enter(st, err);
    rc = rc == TL_OK ? defer_refused(st, trial_id, err) : rc;
    if (rc != TL_OK) {
        return rc;
    }
    struct deferred *e = entry_new(trial_id, param, attr);
    if (!e) {
        return err_nomem(err);
    }
    pthread_mutex_lock(&st->state_lock);
    rc = take_locked(st, e, waits, err);
    pthread_mutex_unlock(&st->state_lock);
    if (!*waits) {
        deferred_unref(e);
    }
    return rc;
}

bool defer_instead(const tl_storage *st)
{
    return st->deferral.wait_ms > 0 && (st->backend->ops->flags & BACKEND_OPTIMISTIC);
}

/* ---- writing ---- */

/* Does the trial have it? */
static bool is_set(const struct state *s, const struct live_trial *live, const struct deferred *e)
{
    uint32_t name = intern_find(&s->names, name_of(e));
    if (name == INTERN_NONE) {
        return false;
    }
    if (e->is_param) {
        const struct param_entry *p = list_find(&live->params, list_key_param(name));
        return p && p->has_value && p->internal == e->param.internal && str_eq(dist_table_get(&s->dists, p->dist)->text, e->param.text);
    }
    const struct attr_entry *a = list_find(&live->attrs, list_key_attr(name, kind_of(e)));
    return a && str_eq(a->json, e->op.text);
}

static bool same_thing(const struct deferred *a, const struct deferred *b)
{
    return a->trial_id == b->trial_id && a->is_param == b->is_param && (a->is_param || a->op.code == b->op.code) &&
           str_eq(name_of(a), name_of(b));
}

/* Did an earlier write of it land? One that set the same thing later, and landed, had it before itself. */
static bool has_landed(const struct state *s, const struct live_trial *live, const struct deferred *e)
{
    if (!e->doubtful) {
        return false;
    }
    for (const struct deferred *later = e; later; later = later->next) {
        if (later->doubtful && same_thing(later, e) && is_set(s, live, later)) {
            return true;
        }
    }
    return false;
}

static void place_entry(const tl_storage *st, struct deferred *e, const struct state *s, struct op *ops, size_t *n)
{
    const struct live_trial *live = NULL;
    struct study *study;
    e->code = find_open_trial(s, e->trial_id, &study, &live, &e->why);
    if (e->code == TL_OK && live->state == TL_RUNNING && !is_own(st, live)) { /* the log was put back, and its id is another one's now */
        e->code = TL_ENOTFOUND;
    }
    if (e->code == TL_OK && e->is_param) {
        e->code = param_fits(s, study, &e->param, &e->why);
    }
    if (e->code != TL_OK) {
        e->place = DEFER_REFUSED; /* for good when this decision stands: defer_end */
    } else if (has_landed(s, live, e)) {
        e->place = DEFER_LANDED;
    } else {
        const struct param *p = &e->param;
        ops[*n] = e->is_param ? (struct op){.code = OP_TRIAL_PARAM, .name = p->name, .number = p->internal, .text = p->text} : e->op;
        ops[*n].target = e->trial_id;
        e->place = (*n)++;
    }
}

/* Makes it this commit's. false: it is another one's of the same group, which comes before. */
static bool take_over(struct deferral *d, struct defer_flush *f, struct deferred *e)
{
    if (e->by && e->by != f && !commit_failed(&e->by->commit)) {
        return false;
    }
    if (!e->by) {
        atomic_fetch_sub(&d->open, 1);
    } else if (e->by != f) {
        e->doubtful = e->doubtful || (e->by->commit.code == TL_EUNKNOWN && e->place < DEFER_REFUSED);
    }
    e->by = f;
    return true;
}

static int decide_waiting(struct commit *c, const struct state *s, struct tl_err *err)
{
    struct defer_flush *f = c->ctx;
    struct deferral *d = &f->st->deferral;
    size_t n = 0;
    struct op *ops = commit_ops(c, d->n + 1);
    c->n_ops = 0;
    if (!ops) {
        return err_nomem(err);
    }
    for (struct deferred *e = d->first; e; e = e->next) {
        if (e->refused || !take_over(d, f, e)) {
            continue;
        }
        if (e->doubtful) {
            c->head_only = true; /* whether it is there already is seen at the head only */
        }
        place_entry(f->st, e, s, ops, &n);
    }
    c->n_ops = n;
    return TL_OK;
}

bool defer_begin(tl_storage *st, struct defer_flush *f)
{
    if (atomic_load(&st->deferral.unwritten) == 0) {
        return false;
    }
    *f = (struct defer_flush){.st = st, .commit = {.decide = decide_waiting}};
    f->commit.ctx = f;
    pthread_mutex_lock(&st->state_lock);
    for (const struct deferred *e = st->deferral.first; e; e = e->next) {
        if (e->doubtful) {
            f->commit.exact = EXACT_HEAD;
        }
    }
    pthread_mutex_unlock(&st->state_lock);
    return true;
}

int defer_check(const tl_storage *st, int64_t trial_id, struct tl_err *err)
{
    for (const struct deferred *e = st->deferral.first; e; e = e->next) {
        if (e->trial_id == trial_id && (e->refused || (e->by && e->place == DEFER_REFUSED && e->code == TL_EINCOMPATIBLE))) {
            *err = e->why;
            return TL_EINCOMPATIBLE;
        }
    }
    return TL_OK;
}

/* What became of an entry that was written, or refused: TL_OK, or why it is not in the study. */
static int end_of(struct deferred *e, const struct commit *c)
{
    if (c->n_ops == 0 && c->code == TL_ENOTFOUND) { /* the study is gone, and with it where it could be written */
        return c->code;
    }
    if (e->place == DEFER_LANDED) {
        return TL_OK;
    }
    if (e->place == DEFER_REFUSED) {
        return e->code;
    }
    int rc = verdict_code(c->applied[e->place].verdict);
    if (rc == TL_EINCOMPATIBLE) {
        err_set(&e->why, rc, "parameter '%s' has another kind of distribution in this study: another worker was faster, and it was "
                "not stored", name_of(e).p);
    }
    return rc;
}

/* Was it written, or was there nothing to write? Before its flush, which only files have: when that fails, the handle is fenced. */
static bool is_done(const struct commit *c)
{
    return c->n_ops > 0 ? c->code != TL_EUNKNOWN : c->code == TL_OK || c->code == TL_ENOTFOUND;
}

/* An entry that was settled leaves the list, or stays with its error; another one waits again. true: it stays. */
static bool settle_locked(struct deferral *d, struct deferred **at)
{
    struct deferred *e = *at;
    struct defer_flush *f = e->by;
    e->by = NULL;
    int rc = is_done(&f->commit) ? end_of(e, &f->commit) : TL_OK;
    if (!is_done(&f->commit)) {
        e->doubtful = e->doubtful || (f->commit.code == TL_EUNKNOWN && e->place < DEFER_REFUSED);
        atomic_fetch_add(&d->open, 1);
        return true;
    }
    atomic_fetch_sub(&d->unwritten, 1);
    if (rc == TL_EINCOMPATIBLE) {
        e->refused = true;
        d->changes++;
        atomic_fetch_add(&d->refused, 1);
        return true;
    }
    f->dropped += rc != TL_OK;
    remove_locked(d, at);
    return false;
}

void defer_led(tl_storage *st)
{
    struct deferral *d = &st->deferral;
    if (TL_LIKELY(atomic_load(&d->unwritten) == 0)) {
        return;
    }
    pthread_mutex_lock(&st->state_lock);
    for (struct deferred **at = &d->first; *at;) {
        if (!((*at)->by && (*at)->by->commit.led) || settle_locked(d, at)) {
            at = &(*at)->next;
        }
    }
    pthread_mutex_unlock(&st->state_lock);
}

void defer_end(struct defer_flush *f)
{
    tl_storage *st = f->st;
    struct deferral *d = &st->deferral;
    const struct commit *c = &f->commit;
    bool done = is_done(c);
    pthread_mutex_lock(&d->thread.mutex);
    size_t open = atomic_load(&d->open);
    bool complain = !done && open > 0 && !d->complained && c->code != TL_ECANCELLED;
    d->complained = !done;
    if (open == 0) {
        d->due_ns = INT64_MAX;
    }
    pthread_mutex_unlock(&d->thread.mutex);
    if (f->dropped > 0) {
        log_emit(st->options.log, LOG_DEFERRED, "%zu parameters or attributes came too late: their trial had ended, or is gone",
                 f->dropped);
    }
    if (complain) {
        log_emit(st->options.log, LOG_DEFERRED, "%zu parameters or attributes of running trials go on waiting: %s", open, c->err.message);
    }
    if (open > 0) {
        (void)set_due(st, done ? d->wait_ms : AGAIN_MS);
    }
    commit_release(&f->commit);
}

int defer_refused(tl_storage *st, int64_t trial_id, struct tl_err *err)
{
    struct deferral *d = &st->deferral;
    int rc = TL_OK;
    if (TL_LIKELY(atomic_load(&d->refused) == 0)) {
        return TL_OK;
    }
    pthread_mutex_lock(&st->state_lock);
    for (struct deferred **at = &d->first; *at;) {
        struct deferred *e = *at;
        if (e->trial_id != trial_id || !e->refused) {
            at = &e->next;
            continue;
        }
        if (rc == TL_OK && err) {
            *err = e->why;
        }
        rc = rc == TL_OK ? e->why.code : rc;
        atomic_fetch_sub(&d->refused, 1);
        remove_locked(d, at);
    }
    pthread_mutex_unlock(&st->state_lock);
    return rc;
}

/* ---- for views ---- */

bool defer_knows(tl_storage *st, int64_t trial_id)
{
    const struct live_trial *live;
    const struct row *row = NULL;
    struct study *study;
    uint32_t number;
    if (st->deferral.wait_ms == 0 || storage_enter(st, NULL) != TL_OK) {
        return false;
    }
    pthread_mutex_lock(&st->state_lock);
    bool knows = os->monotonic_ns() - atomic_load(&st->deferral.looked_ns) < KNOWN_MS * MS && own_running(st, trial_id, &study) != NULL;
    if (!knows && !st->stale && st->state && state_trial_place(st->state, trial_id, &study, &number) && !study->deleted) {
        study_trial(study, number, &row, &live);
    }
    pthread_mutex_unlock(&st->state_lock);
    return knows || row;
}

static bool is_shown(const struct deferred *e, int64_t study_id, int64_t trial_id)
{
    return !e->refused && (trial_id < 0 ? e->study_id == study_id : e->trial_id == trial_id);
}

bool defer_collect(const tl_storage *st, int64_t study_id, int64_t trial_id, struct arena *a, struct deferred ***out, size_t *n)
{
    *n = 0;
    if (!st->deferral.first) {
        return true;
    }
    struct deferred **list = arena_alloc(a, st->deferral.n * sizeof(struct deferred *));
    for (struct deferred *e = st->deferral.first; list && e; e = e->next) {
        if (is_shown(e, study_id, trial_id)) {
            atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
            list[(*n)++] = e;
        }
    }
    *out = list;
    return list != NULL;
}

bool deferred_any(struct deferred *const *list, size_t n, int64_t trial_id)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i]->trial_id == trial_id) {
            return true;
        }
    }
    return false;
}

void deferred_params(struct deferred *const *list, size_t n, int64_t trial_id, struct tl_param *params, size_t *n_params)
{
    for (size_t i = 0; i < n; i++) {
        const struct param *p = &list[i]->param;
        size_t k = 0;
        if (!list[i]->is_param || list[i]->trial_id != trial_id) {
            continue;
        }
        while (k < *n_params && !str_eq((struct str){params[k].name.s, params[k].name.len}, p->name)) {
            k++;
        }
        params[k] = (struct tl_param){{p->name.p, p->name.n}, p->internal, true, list[i]->dist, {p->text.p, p->text.n}};
        *n_params += k == *n_params;
    }
}

void deferred_attrs(struct deferred *const *list, size_t n, int64_t trial_id, struct tl_attr *attrs, size_t *n_attrs)
{
    for (size_t i = 0; i < n; i++) {
        const struct op *op = &list[i]->op;
        size_t k = 0;
        if (list[i]->is_param || list[i]->trial_id != trial_id) {
            continue;
        }
        while (k < *n_attrs && (attrs[k].kind != kind_of(list[i]) || !str_eq((struct str){attrs[k].key.s, attrs[k].key.len}, op->name))) {
            k++;
        }
        attrs[k] = (struct tl_attr){kind_of(list[i]), {op->name.p, op->name.n}, {op->text.p, op->text.n}};
        *n_attrs += k == *n_attrs;
    }
}

const struct str *deferred_attr(struct deferred *const *list, size_t n, int64_t trial_id, enum tl_attr_kind kind, struct str key)
{
    for (size_t i = n; i > 0; i--) {
        const struct deferred *e = list[i - 1];
        if (!e->is_param && e->trial_id == trial_id && kind_of(e) == kind && str_eq(e->op.name, key)) {
            return &e->op.text;
        }
    }
    return NULL;
}
