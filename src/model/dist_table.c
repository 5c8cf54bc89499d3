/* SPDX-License-Identifier: MIT
 *
 * The table of distinct distributions of a stream.
 *
 * Journals repeat the same few texts, so a text seen before is found by its bytes as they stood in the line,
 * escapes and all: one hash. A new text is unescaped, read, and given the number of the first equal
 * distribution beside its own. A call that fails adds nothing; running out of memory between two of the
 * tables leaves an entry in the first that means nothing until the same text comes again.
 */
#include "base/err.h"
#include "base/json.h"
#include "model/dist.h"

void dist_table_init(struct dist_table *t)
{
    *t = (struct dist_table){
        .entries = SVEC_INIT(struct dist),
        .texts = INTERN_INIT,
        .raw = INTERN_INIT,
        .raw_ids = SVEC_INIT(uint32_t),
        .keys = INTERN_INIT,
        .key_ids = SVEC_INIT(uint32_t),
    };
}

void dist_table_release(struct dist_table *t)
{
    svec_release(&t->entries);
    intern_release(&t->texts);
    intern_release(&t->raw);
    svec_release(&t->raw_ids);
    intern_release(&t->keys);
    svec_release(&t->key_ids);
    arena_release(&t->choices);
    arena_release(&t->scratch);
}

/* Bytes that are equal for equal distributions. Attributes are compared as doubles, so -0.0 equals 0.0. */
static void key_of(const struct dist *x, struct buf *out)
{
    const struct tl_dist *d = &x->d;
    buf_add_char(out, (char)x->class_);
    if (d->kind == TL_DIST_CATEGORICAL) {
        for (size_t i = 0; i < d->n_choices; i++) {
            dist_value_key(&d->choices[i], out);
        }
        return;
    }
    const double numbers[] = {d->log ? 1 : 0, d->low, d->high, d->step};
    for (size_t i = 0; i < TL_COUNT(numbers); i++) {
        dist_value_key(&(struct tl_value){.kind = TL_VALUE_FLOAT, .as.f = numbers[i]}, out);
    }
}

/* The cell that holds the number of the first distribution equal to `x`, 0 when there is none yet; NULL: out
 * of memory. */
static uint32_t *equal_cell(struct dist_table *t, const struct dist *x)
{
    struct buf key = BUF_INIT(SIZE_MAX);
    key_of(x, &key);
    uint32_t at = INTERN_NONE;
    if (!key.failed && svec_reserve(&t->key_ids, t->key_ids.len + 1)) {
        at = intern_add(&t->keys, (struct str){key.data, key.len});
    }
    buf_release(&key);
    if (at == INTERN_NONE) {
        return NULL;
    }
    return at < t->key_ids.len ? svec_at(&t->key_ids, at) : svec_push(&t->key_ids);
}

/* Number of an unescaped text, added when new. */
static int add_text(struct dist_table *t, struct str text, uint32_t *id, struct tl_err *err)
{
    uint32_t number = intern_find(&t->texts, text);
    if (number != INTERN_NONE) {
        *id = number + 1;
        return TL_OK;
    }
    struct dist x;
    int rc = dist_parse(text, &t->choices, &x.d, &x.class_, err);
    if (rc != TL_OK) {
        return rc;
    }
    uint32_t *equal = equal_cell(t, &x);
    if (!equal || !svec_reserve(&t->entries, t->entries.len + 1) ||
        (number = intern_add(&t->texts, text)) == INTERN_NONE) {
        return err_nomem(err);
    }
    if (*equal == 0) {
        *equal = number + 1;
    }
    x.equal_id = *equal;
    x.text = intern_str(&t->texts, number);
    *(struct dist *)svec_push(&t->entries) = x;
    *id = number + 1;
    return TL_OK;
}

/* Undoes the escapes of a text that stood between quotes. */
static int unescape(struct arena *a, struct str text, struct str *out, struct tl_err *err)
{
    char *quoted = arena_alloc(a, text.n + 2);
    if (!quoted) {
        return err_nomem(err);
    }
    quoted[0] = '"';
    if (text.n > 0) {
        memcpy(quoted + 1, text.p, text.n);
    }
    quoted[text.n + 1] = '"';
    struct json j = JSON_OF(quoted, text.n + 2);
    int rc = json_string(&j, a, out, err);
    return rc == TL_OK ? json_finish(&j, err) : rc;
}

int dist_table_add(struct dist_table *t, struct str text, bool escaped, uint32_t *id, struct tl_err *err)
{
    if (!escaped) {
        return add_text(t, text, id, err);
    }
    uint32_t raw = intern_find(&t->raw, text);
    if (raw != INTERN_NONE) {
        *id = *(const uint32_t *)svec_at(&t->raw_ids, raw);
        return TL_OK;
    }
    struct str plain;
    uint32_t number;
    int rc = unescape(&t->scratch, text, &plain, err);
    if (rc == TL_OK) {
        rc = add_text(t, plain, &number, err);
    }
    arena_reset(&t->scratch);
    if (rc != TL_OK) {
        return rc;
    }
    if (!svec_reserve(&t->raw_ids, t->raw_ids.len + 1) || intern_add(&t->raw, text) == INTERN_NONE) {
        return err_nomem(err);
    }
    *(uint32_t *)svec_push(&t->raw_ids) = number;
    *id = number;
    return TL_OK;
}
