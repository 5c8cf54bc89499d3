/* SPDX-License-Identifier: MIT
 *
 * A whole log out of one storage and into an empty one, line by line as it stands: what travels when a journal in memory is handed to
 * another process.
 *
 * Out: the backend is sent back to the start and delivers everything to the caller instead of to the state. When others wrote meanwhile,
 * more comes than the state has seen, so it is rebuilt at the next use. In: one append whose decision is that the journal is still empty.
 * Failure modes: those of reading and writing; TL_EEXISTS when something is there already.
 */
#include "base/err.h"
#include "engine/parts.h"

struct outward {
    int (*lines)(void *ctx, const char *bytes, size_t n);
    void *ctx;
    uint64_t n_lines;
};

static int hand_out(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    struct outward *o = ctx;
    (void)offset;
    for (const char *p = bytes, *end = bytes + n; p && p < end; p = memchr(p, '\n', (size_t)(end - p)), p = p ? p + 1 : p) {
        o->n_lines++;
    }
    int rc = o->lines(o->ctx, bytes, n);
    return rc < 0 ? err_set(err, rc, "%s", tl_code_text(rc)) : rc;
}

static int rewound(void *ctx, const char *why, struct tl_err *err)
{
    (void)ctx;
    return err_set(err, TL_EUNAVAILABLE, "the journal was replaced while it was read: %s", why);
}

static int no_lines(void *ctx, uint64_t seq, struct image_source *from, struct tl_err *err)
{
    (void)ctx;
    (void)from;
    return err_set(err, TL_EUNSUPPORTED, "the journal does not keep its first %llu lines any more: copy its studies instead",
                   (unsigned long long)seq);
}

TL_API int tl_storage_export_lines(tl_storage *st, int (*lines)(void *ctx, const char *bytes, size_t n), void *ctx, struct tl_err *err)
{
    int rc = store_flush(st, err); /* what waits belongs to it */
    rc = rc == TL_OK ? store_refresh(st, err) : rc;
    if (rc == TL_OK && is_root(st)) {
        rc = err_set(err, TL_EUNSUPPORTED, "this storage has a log for each study: copy its studies instead");
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct outward o = {lines, ctx, 0};
    struct deliver d = {&o, hand_out, rewound, no_lines, 0};
    storage_exclusive(st);
    st->backend->ops->restart(st->backend);
    rc = st->backend->ops->read(st->backend, &d, err);
    pthread_mutex_lock(&st->state_lock);
    if (rc != TL_OK || o.n_lines != st->state->seq) {
        st->stale = true; /* the backend's position is not the state's */
    }
    pthread_mutex_unlock(&st->state_lock);
    storage_shared(st);
    return rc;
}

struct inward {
    tl_storage *st;
    const char *bytes;
    size_t n;
};

static int hand_in(void *ctx, struct buf *out, struct tl_err *err)
{
    const struct inward *in = ctx;
    pthread_mutex_lock(&in->st->state_lock);
    uint64_t seq = in->st->state->seq;
    pthread_mutex_unlock(&in->st->state_lock);
    if (seq != 0) {
        return err_set(err, TL_EEXISTS, "the journal is not empty");
    }
    buf_add(out, in->bytes, in->n);
    return out->failed ? err_nomem(err) : TL_OK;
}

TL_API int tl_storage_import_lines(tl_storage *st, const char *bytes, size_t n, struct tl_err *err)
{
    int rc = store_refresh(st, err);
    if (rc == TL_OK && is_root(st)) {
        rc = err_set(err, TL_EUNSUPPORTED, "lines cannot be imported into this kind of storage: copy the studies");
    }
    if (rc != TL_OK) {
        return rc;
    }
    if (n == 0) {
        return TL_OK;
    }
    if (bytes[n - 1] != '\n') {
        return err_set(err, TL_EINVAL, "lines to import must end with a newline");
    }
    if (st->backend->ops->flags & BACKEND_OPTIMISTIC) {
        return err_set(err, TL_EUNSUPPORTED, "lines cannot be imported into this kind of storage: copy the studies");
    }
    struct inward in = {st, bytes, n};
    struct append a = {.deliver = {st, storage_lines, storage_rewind, storage_image, 0},
                       .ctx = &in,
                       .compose = hand_in,
                       .timeout_ms = st->options.timeout_ms,
                       .outcome = OUTCOME_ERROR};
    storage_exclusive(st);
    rc = st->backend->ops->append(st->backend, &a, err);
    if (rc == TL_OK && a.outcome == OUTCOME_DONE) {
        rc = storage_lines(st, bytes, n, -1, err);
    } else if (rc == TL_OK) {
        rc = err_set(err, TL_EUNKNOWN, "it is not known whether the lines were imported");
    }
    storage_shared(st);
    if (rc == TL_OK && st->backend->ops->flush) {
        rc = st->backend->ops->flush(st->backend, a.flush_token, err);
    }
    return rc;
}
