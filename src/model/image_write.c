/* SPDX-License-Identifier: MIT
 *
 * State -> snapshot bytes; image.h has the form. Whatever is added here is read in the same order in image_read.c.
 */
#include "model/image.h"

#include "base/err.h"
#include "base/mem.h"
#include "model/image_layout.h"

/* ---- part 1: under the state's lock ---- */

static void put_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_str(struct buf *b, struct str s)
{
    put_u64(b, s.n);
    buf_add_str(b, s);
}

/* A list without its replaced entries. */
static bool put_list(struct buf *b, const struct list_ref *r)
{
    put_u64(b, r->distinct);
    if (r->distinct == 0) {
        return true;
    }
    const void **entries = mem_alloc(r->distinct * sizeof *entries);
    bool ok = entries && list_collect(r, entries);
    for (size_t i = 0; ok && i < r->distinct; i++) {
        if (r->list->kind == LIST_ATTRS) {
            const struct attr_entry *a = entries[i];
            put_u32(b, a->key);
            put_u32(b, a->kind);
            put_str(b, a->json);
        } else if (r->list->kind == LIST_PARAMS) {
            const struct param_entry *p = entries[i];
            put_u32(b, p->name);
            put_u32(b, p->dist);
            put_u64(b, p->has_value);
            buf_add(b, &p->internal, sizeof p->internal);
        } else {
            const struct report_entry *e = entries[i];
            put_u64(b, (uint64_t)e->step);
            buf_add(b, &e->value, sizeof e->value);
        }
    }
    mem_free(entries);
    return ok;
}

static bool put_live(struct buf *b, const struct live_trial *t)
{
    put_u64(b, (uint64_t)t->id);
    put_u32(b, t->number);
    put_u32(b, t->state);
    put_u32(b, t->owner);
    put_u32(b, t->has_values);
    put_u64(b, (uint64_t)t->start);
    put_u64(b, (uint64_t)t->complete);
    put_u64(b, t->n_values);
    if (t->n_values) {
        buf_add(b, t->values, t->n_values * sizeof *t->values);
    }
    return put_list(b, &t->params) && put_list(b, &t->attrs) && put_list(b, &t->reports);
}

static void put_space(struct buf *b, const struct search_space *sp)
{
    put_u32(b, sp->started);
    put_u32(b, (uint32_t)sp->n);
    if (sp->n) {
        buf_add(b, sp->entries, sp->n * sizeof *sp->entries);
    }
}

static bool put_study(struct buf *b, const struct study *st)
{
    put_u32(b, st->deleted);
    put_u32(b, (uint32_t)st->n_directions);
    put_str(b, st->name);
    buf_add(b, st->directions, st->n_directions);
    put_u64(b, st->n_trials);
    put_u64(b, (uint64_t)st->best);
    put_u64(b, st->version);
    put_u32(b, (uint32_t)(st->front ? st->front->n : 0));
    if (st->front) {
        buf_add(b, st->front->rows, st->front->n * sizeof st->front->rows[0]);
    }
    put_space(b, &st->complete_space);
    put_space(b, &st->pruned_space);
    put_u64(b, st->first_dist.n);
    for (size_t i = 0; i < st->first_dist.n_slots; i++) {
        if (st->first_dist.keys[i] != UINT64_MAX) {
            put_u64(b, st->first_dist.keys[i]);
            put_u64(b, st->first_dist.values[i]);
        }
    }
    bool ok = put_list(b, &st->attrs);
    put_u64(b, st->n_live);
    for (size_t i = 0; ok && i < st->n_live; i++) {
        ok = put_live(b, st->live[i]);
    }
    return ok;
}

static void note_counts(struct image_study *is, const struct study *st)
{
    is->study = st;
    is->n_rows = st->rows.len;
    is->n_columns = st->columns.len;
    is->n_shapes = st->shapes.len;
    for (unsigned k = 0; k < SVEC_SEGMENTS; k++) {
        is->used[k] = st->bytes.segment ? st->bytes.segment[k].used : 0;
    }
}

int image_prepare(struct image *im, struct state *s, struct tl_err *err)
{
    struct buf *b = &im->part1;
    *b = (struct buf)BUF_INIT(SIZE_MAX / 4);
    im->state = state_ref(s);
    im->seq = s->seq;
    im->n_studies = s->studies.len;
    im->n_names = s->names.strings.len;
    im->n_workers = s->workers.strings.len;
    im->n_study_names = s->study_names.strings.len;
    im->n_dists = s->dists.entries.len;
    im->n_trials = s->trials.len;
    im->studies = mem_alloc((im->n_studies + 1) * sizeof *im->studies);
    bool ok = im->studies != NULL;
    const uint64_t counts[] = {im->seq,        im->n_names,  im->n_workers, im->n_study_names, im->n_dists,
                               im->n_trials,   im->n_studies, s->n_studies, s->n_odd};
    buf_add(b, counts, sizeof counts);
    for (size_t i = 0; ok && i < im->n_workers; i++) {
        put_u64(b, *(const uint64_t *)svec_at(&s->worker_n, i));
    }
    for (size_t i = 0; ok && i < im->n_studies; i++) {
        const struct study *st = *(struct study **)svec_at(&s->studies, i);
        note_counts(&im->studies[i], st);
        ok = put_study(b, st);
        put_u64(b, im->studies[i].n_rows);
        put_u64(b, im->studies[i].n_columns);
        put_u64(b, im->studies[i].n_shapes);
    }
    if (ok && !b->failed) {
        return TL_OK;
    }
    image_release(im);
    return err_nomem(err);
}

void image_release(struct image *im)
{
    buf_release(&im->part1);
    mem_free(im->studies);
    state_unref(im->state);
    *im = (struct image){0};
}

/* ---- part 2: without a lock ---- */

struct writer { /* gathers small pieces */
    struct image_sink *to;
    size_t n;
    struct tl_err *err;
    char bytes[1 << 16];
};

static int drain(struct writer *w)
{
    int rc = w->n ? w->to->write(w->to, w->bytes, w->n, w->err) : TL_OK;
    w->n = 0;
    return rc;
}

static int out(struct writer *w, const void *bytes, size_t n)
{
    if (n > sizeof w->bytes - w->n) {
        int rc = drain(w);
        if (rc != TL_OK) {
            return rc;
        }
        if (n >= sizeof w->bytes) {
            return w->to->write(w->to, bytes, n, w->err);
        }
    }
    if (n) {
        memcpy(w->bytes + w->n, bytes, n);
    }
    w->n += n;
    return TL_OK;
}

static int out_strings(struct writer *w, const struct intern *t, size_t n)
{
    int rc = TL_OK;
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        struct str s = intern_str(t, (uint32_t)i);
        uint64_t len = s.n;
        rc = out(w, &len, sizeof len);
        rc = rc == TL_OK ? out(w, s.p, s.n) : rc;
    }
    return rc;
}

static int out_elements(struct writer *w, const struct svec *v, size_t n)
{
    int rc = TL_OK;
    for (size_t i = 0, run; rc == TL_OK && i < n; i += run) {
        const void *p = svec_run(v, i, n, &run);
        rc = out(w, p, run * v->elem);
    }
    return rc;
}

/* Rows of the last block beyond `n_rows` may be in the making: only those below are written. */
static int out_column(struct writer *w, const struct column *c, size_t n_rows)
{
    uint32_t name = c->name;
    int rc = out(w, &name, sizeof name);
    for (size_t first = 0; rc == TL_OK && first < n_rows; first += BLOCK) {
        const struct column_block *b = column_block_at(c, first / BLOCK);
        size_t rows = n_rows - first < BLOCK ? n_rows - first : BLOCK;
        uint64_t present = b ? atomic_load_explicit(&b->present, memory_order_acquire) : 0;
        const uint32_t *dists = b ? atomic_load_explicit(&b->dists, memory_order_acquire) : NULL;
        struct image_block head = {0, 0, 0};
        if (rows < BLOCK) {
            present &= (UINT64_C(1) << rows) - 1;
        }
        if (b) {
            head.present = present;
            head.dist = b->dist;
            head.kind = dists ? IMAGE_BLOCK_DISTS : IMAGE_BLOCK_DIST;
        }
        rc = out(w, &head, sizeof head);
        if (rc == TL_OK && b) {
            rc = out(w, b->values, rows * sizeof b->values[0]);
        }
        if (rc == TL_OK && dists) {
            rc = out(w, dists, rows * sizeof dists[0]);
        }
    }
    return rc;
}

static int out_study(struct writer *w, const struct image_study *is)
{
    const struct study *st = is->study;
    int rc = out_elements(w, &st->rows, is->n_rows);
    for (size_t i = 0; rc == TL_OK && i < is->n_columns; i++) {
        rc = out_column(w, svec_at(&st->columns, i), is->n_rows);
    }
    if (rc == TL_OK) {
        rc = out_elements(w, &st->shapes, is->n_shapes);
    }
    for (unsigned k = 0; rc == TL_OK && k < SVEC_SEGMENTS; k++) {
        if (is->used[k] == 0) {
            continue;
        }
        uint64_t head[2] = {k + 1, is->used[k]};
        size_t skip = k == 0 ? 8 : 0; /* offset 0 is nobody's */
        rc = out(w, head, sizeof head);
        if (rc == TL_OK) {
            rc = out(w, st->bytes.segment[k].p + skip, (size_t)is->used[k] - skip);
        }
    }
    uint64_t end[2] = {0, 0};
    return rc == TL_OK ? out(w, end, sizeof end) : rc;
}

int image_write(const struct image *im, struct image_sink *to, struct tl_err *err)
{
    const struct state *s = im->state;
    struct image_head head = IMAGE_HEAD(im->part1.len);
    struct writer *w = mem_alloc(sizeof *w);
    if (!w) {
        return err_nomem(err);
    }
    w->to = to;
    w->n = 0;
    w->err = err;
    int rc = out(w, &head, sizeof head);
    rc = rc == TL_OK ? out(w, im->part1.data, im->part1.len) : rc;
    rc = rc == TL_OK ? out_strings(w, &s->names, im->n_names) : rc;
    rc = rc == TL_OK ? out_strings(w, &s->workers, im->n_workers) : rc;
    rc = rc == TL_OK ? out_strings(w, &s->study_names, im->n_study_names) : rc;
    for (size_t i = 0; rc == TL_OK && i < im->n_dists; i++) {
        struct str text = dist_table_get(&s->dists, (uint32_t)i + 1)->text;
        uint64_t len = text.n;
        rc = out(w, &len, sizeof len);
        rc = rc == TL_OK ? out(w, text.p, text.n) : rc;
    }
    rc = rc == TL_OK ? out_elements(w, &s->trials, im->n_trials) : rc;
    for (size_t i = 0; rc == TL_OK && i < im->n_studies; i++) {
        rc = out_study(w, &im->studies[i]);
    }
    rc = rc == TL_OK ? drain(w) : rc;
    mem_free(w);
    return rc;
}
