/* SPDX-License-Identifier: MIT
 *
 * A caller of backends for tests: collects what is delivered, appends given lines.
 */
#ifndef TEST_COLLECT_H
#define TEST_COLLECT_H

#include "base/buf.h"
#include "base/err.h"
#include "journal/backend.h"

#include <check.h>
#include <trialog/storage.h>

struct collect {
    struct buf text;      /* everything delivered since the last rewind, own lines too */
    int64_t next_offset;  /* where the next delivery should begin */
    int rewinds, deliveries, composed;
    const char *lines;    /* to be written; NULL: nothing */
    size_t n_lines;
    int refuse;           /* code that compose returns */
    int refuse_lines;     /* code that delivery returns */
    bool cancel;
    void (*inside)(struct collect *c); /* runs in compose */
    void *extra;
};
#define COLLECT_INIT {.text = BUF_INIT((size_t)1 << 31)}

static inline int collect_lines(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    struct collect *c = ctx;
    if (c->refuse_lines) {
        return err_set(err, c->refuse_lines, "refused");
    }
    if (offset >= 0) {
        ck_assert_int_eq(offset, c->next_offset);
    }
    buf_add(&c->text, bytes, n);
    c->next_offset = offset + (int64_t)n;
    c->deliveries++;
    return c->text.failed;
}

static inline int collect_rewind(void *ctx, const char *why, struct tl_err *err)
{
    struct collect *c = ctx;
    (void)err;
    ck_assert_ptr_nonnull(why);
    buf_clear(&c->text);
    c->next_offset = 0;
    c->rewinds++;
    return TL_OK;
}

static inline int collect_compose(void *ctx, struct buf *out, struct tl_err *err)
{
    struct collect *c = ctx;
    c->composed++;
    if (c->inside) {
        c->inside(c);
    }
    if (c->refuse) {
        return err_set(err, c->refuse, "refused");
    }
    buf_add(out, c->lines, c->n_lines);
    return TL_OK;
}

static inline bool collect_cancelled(void *ctx)
{
    return ((struct collect *)ctx)->cancel;
}

static inline int collect_read(struct backend *b, struct collect *c, struct tl_err *err)
{
    struct deliver d = {c, collect_lines, collect_rewind, NULL, 0};
    return b->ops->read(b, &d, err);
}

/* Appends `lines` (a text that ends in a newline, or NULL); flushes when it was written. `a` may be NULL. */
static inline int collect_append_for(struct backend *b, struct collect *c, const char *lines, int64_t timeout_ms, struct append *a,
                                     struct tl_err *err)
{
    struct append own;
    a = a ? a : &own;
    c->lines = lines;
    c->n_lines = lines ? strlen(lines) : 0;
    *a = (struct append){
        .deliver = {c, collect_lines, collect_rewind, NULL, 0},
        .ctx = c,
        .compose = collect_compose,
        .timeout_ms = timeout_ms,
        .cancelled = collect_cancelled,
    };
    int rc = b->ops->append(b, a, err);
    if (a->outcome == OUTCOME_DONE) {
        buf_add(&c->text, c->lines, c->n_lines);
        c->next_offset += (int64_t)c->n_lines;
        if (b->ops->flush) {
            rc = b->ops->flush(b, a->flush_token, err);
        }
    }
    return rc;
}

static inline int collect_append(struct backend *b, struct collect *c, const char *lines, struct tl_err *err)
{
    return collect_append_for(b, c, lines, 10000, NULL, err);
}

static inline void collect_release(struct collect *c)
{
    buf_release(&c->text);
}

#define collect_assert_text(c, expected)                                                                     \
    do {                                                                                                     \
        ck_assert_ptr_nonnull(buf_cstr(&(c)->text));                                                         \
        ck_assert_str_eq((c)->text.data, (expected));                                                        \
    } while (0)

#endif
