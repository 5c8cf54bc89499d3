/* SPDX-License-Identifier: MIT
 *
 * The contract of backend.h as assertions around every call, for builds with assertions. A release build has none of it.
 *
 * Happy path: the call is passed on, with callbacks of our own in between that look at what is delivered. A breach stops the
 * program with an assertion: it is our bug, never the user's. Invariant: nothing that a backend does is changed by being watched.
 */
#ifndef NDEBUG

#include "journal/kinds.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/mem.h"

struct checked {
    struct backend base;
    struct backend_ops ops; /* with the inner one's name, and only what it has */
    struct backend *inner;
    atomic_int appending, reading;
    /* Where the next delivery must begin; changed in callbacks, which the backend's guard keeps apart. */
    int64_t next;
    bool known;
};

/* What stands between the backend and its caller during one call. */
struct watch {
    struct checked *c;
    const struct deliver *outer;
    struct append *append; /* NULL in a read */
    struct append *inner;
    bool composed;
    size_t lines; /* since then */
};

static _Thread_local int callbacks; /* that this thread is inside of */

static struct checked *checked_of(struct backend *b)
{
    assert(callbacks == 0 && "a callback called the backend");
    return (struct checked *)(void *)b;
}

static bool optimistic(const struct checked *c)
{
    return c->ops.flags & BACKEND_OPTIMISTIC;
}

static int watch_lines(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    struct watch *w = ctx;
    assert((!w->composed || optimistic(w->c)) && "lines after compose");
    assert(n > 0 && bytes[n - 1] == '\n' && "not whole lines");
    assert((!w->c->known || offset < 0 || offset == w->c->next) && "a gap, or lines delivered twice");
    callbacks++;
    int rc = w->outer->lines(w->outer->ctx, bytes, n, offset, err);
    callbacks--;
    if (rc == TL_OK) {
        w->c->next = offset + (int64_t)n;
        w->c->known = offset >= 0;
        for (const char *p = bytes; w->composed && p < bytes + n; p++) {
            w->lines += *p == '\n';
        }
    }
    return rc;
}

static int watch_image(void *ctx, uint64_t seq, struct image_source *from, struct tl_err *err)
{
    struct watch *w = ctx;
    assert(seq > 0 && from);
    callbacks++;
    int rc = w->outer->image(w->outer->ctx, seq, from, err);
    callbacks--;
    w->c->known = false;
    return rc;
}

static int watch_rewind(void *ctx, const char *why, struct tl_err *err)
{
    struct watch *w = ctx;
    assert((!w->composed || optimistic(w->c)) && why);
    callbacks++;
    int rc = w->outer->rewind(w->outer->ctx, why, err);
    callbacks--;
    if (rc == TL_OK) {
        w->c->next = 0;
        w->c->known = true;
    }
    return rc;
}

static int watch_compose(void *ctx, struct buf *out, struct tl_err *err)
{
    struct watch *w = ctx;
    assert(!w->composed && "composed twice");
    assert(out->len == 0 && out->failed == 0);
    w->composed = true;
    callbacks++;
    int rc = w->append->compose(w->append->ctx, out, err);
    callbacks--;
    assert(rc != TL_OK || out->len == 0 || out->failed || out->data[out->len - 1] == '\n');
    w->inner->exact = w->append->exact;
    w->inner->worker = w->append->worker;
    w->inner->first_n = w->append->first_n;
    w->inner->n_ops = w->append->n_ops;
    w->c->known = w->c->known && optimistic(w->c); /* else our lines are not delivered */
    return rc;
}

static bool watch_cancelled(void *ctx)
{
    const struct watch *w = ctx;
    callbacks++;
    bool stop = w->append->cancelled(w->append->ctx);
    callbacks--;
    return stop;
}

static void checked_close(struct backend *b)
{
    struct checked *c = checked_of(b);
    assert(atomic_load(&c->appending) == 0 && atomic_load(&c->reading) == 0);
    c->inner->ops->close(c->inner);
    mem_free(c);
}

static int checked_read(struct backend *b, const struct deliver *d, struct tl_err *err)
{
    struct checked *c = checked_of(b);
    struct watch w = {.c = c, .outer = d};
    struct deliver inner = {&w, watch_lines, watch_rewind, watch_image, d->deadline_ns};
    int others = atomic_fetch_add(&c->reading, 1);
    assert(others == 0 && "two readers");
    int rc = c->inner->ops->read(c->inner, &inner, err);
    atomic_fetch_sub(&c->reading, 1);
    assert(rc <= 0);
    return rc;
}

static int checked_append(struct backend *b, struct append *a, struct tl_err *err)
{
    struct checked *c = checked_of(b);
    struct watch w = {.c = c, .outer = &a->deliver, .append = a};
    struct append inner = *a;
    inner.deliver = (struct deliver){&w, watch_lines, watch_rewind, watch_image, 0};
    w.inner = &inner;
    inner.ctx = &w;
    inner.compose = watch_compose;
    inner.cancelled = a->cancelled ? watch_cancelled : NULL;
    int others = atomic_fetch_add(&c->appending, 1);
    assert(others == 0 && "two writers");
    int rc = c->inner->ops->append(c->inner, &inner, err);
    atomic_fetch_sub(&c->appending, 1);
    a->outcome = inner.outcome;
    a->written = inner.written;
    a->flush_token = inner.flush_token;
    a->waited_ns = inner.waited_ns;
    assert(rc <= 0);
    assert((rc == TL_OK) == (a->outcome == OUTCOME_DONE || a->outcome == OUTCOME_NOTHING));
    assert(rc == TL_EUNKNOWN || a->outcome != OUTCOME_UNKNOWN);
    assert(a->outcome != OUTCOME_CONFLICT || (optimistic(c) && rc == TL_EUNAVAILABLE));
    assert(!optimistic(c) || a->outcome != OUTCOME_DONE || w.lines >= a->n_ops || !c->known);
    assert(a->outcome == OUTCOME_ERROR || a->written == 0);
    assert(a->outcome == OUTCOME_ERROR || w.composed);
    return rc;
}

static int checked_flush(struct backend *b, uint64_t token, struct tl_err *err)
{
    struct checked *c = checked_of(b);
    int rc = c->inner->ops->flush(c->inner, token, err);
    assert(rc == TL_OK || rc == TL_EUNKNOWN);
    return rc;
}

static void checked_closing(struct backend *b)
{
    struct checked *c = checked_of(b);
    c->inner->ops->closing(c->inner);
}

static int checked_wait(struct backend *b, int64_t timeout_ms, struct tl_err *err)
{
    struct checked *c = checked_of(b);
    int rc = c->inner->ops->wait(c->inner, timeout_ms, err);
    assert(rc <= 1);
    return rc;
}

static void checked_restart(struct backend *b)
{
    struct checked *c = checked_of(b);
    assert(atomic_load(&c->appending) == 0 && atomic_load(&c->reading) == 0);
    c->inner->ops->restart(c->inner);
    c->next = 0;
    c->known = true;
}

static int checked_mark(struct backend *b, struct backend_mark *out)
{
    struct checked *c = checked_of(b);
    assert(atomic_load(&c->appending) == 0 && atomic_load(&c->reading) == 0);
    return c->inner->ops->mark(c->inner, out);
}

static int checked_snapshot_load(struct backend *b,
                                 int (*parse)(void *ctx, struct image_source *from, struct tl_err *err), void *ctx,
                                 bool *loaded, struct tl_err *err)
{
    struct checked *c = checked_of(b);
    assert(!*loaded && atomic_load(&c->appending) == 0 && atomic_load(&c->reading) == 0);
    int rc = c->inner->ops->snapshot_load(c->inner, parse, ctx, loaded, err);
    assert(rc == TL_OK || !*loaded);
    c->known = c->known && !*loaded;
    return rc;
}

static int checked_snapshot_save(struct backend *b, const struct backend_mark *at,
                                 int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx,
                                 struct tl_err *err)
{
    struct checked *c = checked_of(b);
    return c->inner->ops->snapshot_save(c->inner, at, produce, ctx, err);
}

static enum snapshot_due checked_snapshot_due(struct backend *b)
{
    struct backend *inner = ((struct checked *)(void *)b)->inner;
    return inner->ops->snapshot_due(inner);
}

static void checked_forked(struct backend *b)
{
    struct checked *c = checked_of(b);
    atomic_store(&c->appending, 0);
    atomic_store(&c->reading, 0);
    c->inner->ops->forked(c->inner);
}

static void checked_describe(struct backend *b, struct buf *out)
{
    struct checked *c = checked_of(b);
    c->inner->ops->describe(c->inner, out);
}

/* ---- leases: allowed everywhere, so nothing is asserted about when ---- */

static struct backend *inner_of(struct backend *b)
{
    return ((struct checked *)(void *)b)->inner;
}

static int checked_take(struct backend *b, const char *worker, const struct lease *lease, struct tl_err *err)
{
    assert(*worker && lease->length_ms > 0);
    return inner_of(b)->ops->leases->take(inner_of(b), worker, lease, err);
}

static int checked_renew(struct backend *b, const char *worker, struct tl_err *err)
{
    int rc = inner_of(b)->ops->leases->renew(inner_of(b), worker, err);
    assert(rc <= 1);
    return rc;
}

static int checked_now(struct backend *b, enum lease_clock what_for, int64_t *now, struct tl_err *err)
{
    int rc = inner_of(b)->ops->leases->now(inner_of(b), what_for, now, err);
    assert(rc <= 1 && (rc != 0 || what_for == LEASE_CLOCK_IN_TURN));
    return rc;
}

static int checked_look(struct backend *b, const char *worker, int64_t now, bool judge, struct lease_seen *out,
                        struct tl_err *err)
{
    int rc = inner_of(b)->ops->leases->look(inner_of(b), worker, now, judge, out, err);
    assert(rc < 0 || out->state == LEASE_NONE || out->lease.length_ms > 0);
    return rc;
}

static int checked_drop(struct backend *b, const char *worker, struct tl_err *err)
{
    return inner_of(b)->ops->leases->drop(inner_of(b), worker, err);
}

static int checked_each(struct backend *b, int (*each)(void *ctx, const char *worker), void *ctx, struct tl_err *err)
{
    return inner_of(b)->ops->leases->each(inner_of(b), each, ctx, err);
}

static const struct lease_ops checked_leases = {checked_take, checked_renew, checked_now,
                                                checked_look, checked_drop,  checked_each};

struct backend *backend_checked(struct backend *inner)
{
    const struct backend_ops *ops = inner->ops;
    assert(ops->size == sizeof(struct backend_ops) && ops->name && ops->close && ops->read && ops->append && ops->restart);
    struct checked *c = mem_zalloc(1, sizeof *c);
    if (!c) {
        ops->close(inner);
        return NULL;
    }
    c->ops = (struct backend_ops){
        .size = sizeof(struct backend_ops),
        .name = ops->name,
        .flags = ops->flags,
        .close = checked_close,
        .read = checked_read,
        .append = checked_append,
        .flush = ops->flush ? checked_flush : NULL,
        .wait = ops->wait ? checked_wait : NULL,
        .restart = checked_restart,
        .mark = ops->mark ? checked_mark : NULL,
        .snapshot_load = ops->snapshot_load ? checked_snapshot_load : NULL,
        .snapshot_save = ops->snapshot_save ? checked_snapshot_save : NULL,
        .snapshot_due = ops->snapshot_due ? checked_snapshot_due : NULL,
        .forked = ops->forked ? checked_forked : NULL,
        .describe = ops->describe ? checked_describe : NULL,
        .closing = ops->closing ? checked_closing : NULL,
        .leases = ops->leases ? &checked_leases : NULL,
    };
    c->base.ops = &c->ops;
    c->inner = inner;
    c->known = true;
    return &c->base;
}

#else

typedef int translation_unit_needs_something; /* C wants at least one declaration */

#endif
