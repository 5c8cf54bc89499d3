/* SPDX-License-Identifier: MIT
 *
 * When snapshots are loaded and written.
 *
 * Loading: at open, before the log is read. Whatever is wrong with a snapshot, the log is replayed instead.
 * Writing: when the bytes replayed or written since the last snapshot exceed both 8 MB and an eighth of the log before it, so
 * that the cost per operation stays constant; by a thread of its own, which the close waits for. What changes is copied under the
 * state's lock, everything else is streamed without it (model/image.h). A failure is reported as an event and forgotten.
 */
#include "engine/parts.h"

#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"
#include "model/image.h"

#define SNAPSHOT_MIN_BYTES (UINT64_C(8) << 20)

struct parsed {
    struct state *state;
};

static int parse(void *ctx, struct image_source *from, struct tl_err *err)
{
    struct parsed *p = ctx;
    return image_read(from, &p->state, err);
}

int storage_load_snapshot(tl_storage *st, struct tl_err *err)
{
    const struct backend_ops *ops = st->backend->ops;
    struct parsed p = {NULL};
    bool loaded = false;
    if (st->options.no_snapshot || !ops->snapshot_load) {
        return TL_OK;
    }
    int rc = ops->snapshot_load(st->backend, parse, &p, &loaded, err);
    if (rc != TL_OK || !loaded) {
        state_unref(p.state);
        return rc;
    }
    pthread_mutex_lock(&st->state_lock);
    state_unref(st->state);
    st->state = p.state;
    st->log_bytes = 0;
    pthread_mutex_unlock(&st->state_lock);
    struct backend_mark mark;
    if (ops->mark && ops->mark(st->backend, &mark) == TL_OK) {
        st->log_bytes = mark.offset;
    }
    atomic_store(&st->snapshot_seq, p.state->seq);
    return TL_OK;
}

static int produce(void *ctx, struct image_sink *to, struct tl_err *err)
{
    return image_write(ctx, to, err);
}

/* Nobody else may be in the backend. */
static int prepare(tl_storage *st, struct image *im, struct backend_mark *mark, struct tl_err *err)
{
    int rc = st->backend->ops->mark(st->backend, mark);
    if (rc != TL_OK) {
        err_set(err, rc, "snapshot: the journal cannot be read");
    }
    pthread_mutex_lock(&st->state_lock);
    if (rc == TL_OK && (st->stale || st->damaged)) {
        rc = err_set(err, TL_EUNAVAILABLE, "snapshot: the journal is damaged or was just replaced");
    }
    if (rc == TL_OK) {
        rc = image_prepare(im, st->state, err);
    }
    if (rc == TL_OK) {
        st->replayed_bytes = 0;
        st->log_bytes = mark->offset;
    }
    pthread_mutex_unlock(&st->state_lock);
    return rc;
}

int storage_snapshot_now(tl_storage *st, struct tl_err *err)
{
    struct image im = {0};
    struct backend_mark mark;
    if (!st->backend->ops->snapshot_save || !st->backend->ops->mark) {
        return err_set(err, TL_EUNSUPPORTED, "this storage keeps no snapshots");
    }
    storage_exclusive(st);
    int rc = prepare(st, &im, &mark, err);
    storage_shared(st);
    if (rc != TL_OK) {
        return rc;
    }
    rc = st->backend->ops->snapshot_save(st->backend, &mark, produce, &im, err);
    if (rc == TL_OK) {
        log_emit(st->options.log, LOG_SNAPSHOT_WRITTEN, "at operation %llu", (unsigned long long)im.seq);
    }
    image_release(&im);
    return rc;
}

static void *snapshot_main(void *ctx)
{
    tl_storage *st = ctx;
    struct tl_err err = TL_ERR_INIT;
    int rc = storage_snapshot_now(st, &err);
    if (rc != TL_OK && rc != TL_EACCESS) { /* a folder that may only be read is nothing to report */
        log_emit(st->options.log, LOG_SNAPSHOT_FAILED, "%s", err.message);
    }
    pthread_mutex_lock(&st->queue_lock);
    st->snapshot_running = false;
    pthread_mutex_unlock(&st->queue_lock);
    return NULL;
}

void storage_snapshot_join(tl_storage *st)
{
    pthread_mutex_lock(&st->queue_lock);
    bool join = st->snapshot_joinable;
    st->snapshot_joinable = false;
    pthread_mutex_unlock(&st->queue_lock);
    if (join) {
        pthread_join(st->snapshot_thread, NULL);
    }
}

void storage_snapshot_if_due(tl_storage *st)
{
    if (st->options.no_snapshot || st->options.read_only || !st->backend->ops->snapshot_save) {
        return;
    }
    enum snapshot_due due = SNAPSHOT_NOT_DUE;
    if (st->backend->ops->snapshot_due) {
        due = st->backend->ops->snapshot_due(st->backend);
    }
    pthread_mutex_lock(&st->state_lock);
    if (!st->backend->ops->snapshot_due && st->replayed_bytes > SNAPSHOT_MIN_BYTES && st->replayed_bytes > st->log_bytes / 8) {
        due = SNAPSHOT_DUE;
    }
    if (st->damaged) {
        due = SNAPSHOT_NOT_DUE;
    }
    pthread_mutex_unlock(&st->state_lock);
    if (TL_LIKELY(due == SNAPSHOT_NOT_DUE)) {
        return;
    }
    pthread_mutex_lock(&st->queue_lock);
    bool start = !st->snapshot_running;
    bool join = start && st->snapshot_joinable;
    if (start) {
        st->snapshot_running = true;
        st->snapshot_joinable = false;
    }
    pthread_mutex_unlock(&st->queue_lock);
    if (!start) {
        return;
    }
    if (join) {
        pthread_join(st->snapshot_thread, NULL);
    }
    if (due == SNAPSHOT_DUE_NOW) {
        (void)snapshot_main(st);
        return;
    }
    pthread_mutex_lock(&st->queue_lock); /* the thread cannot say that it is done before it is known to be there */
    st->snapshot_joinable = thread_create(&st->snapshot_thread, 0, snapshot_main, st) == 0;
    st->snapshot_running = st->snapshot_joinable;
    pthread_mutex_unlock(&st->queue_lock);
}

TL_API int tl_storage_snapshot(tl_storage *st, struct tl_err *err)
{
    if (is_root(st)) {
        return root_snapshot(st, err);
    }
    int rc = store_refresh(st, err);
    return rc == TL_OK ? storage_snapshot_now(st, err) : rc;
}
