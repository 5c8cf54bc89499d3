/* SPDX-License-Identifier: MIT
 *
 * The running trials of a study, and what is known of their parameters.
 *
 * A parameter is known when the trial has it; or when its worker has published what it will ask for: Optuna's attributes
 * `tpe:relative_params:0`, `:1`, … hold pieces of one JSON object of external values. What the trial has counts more. Pieces that
 * do not make an object are ignored, as in Optuna.
 *
 * A trial is read again only when it was given something since (tl_view_trial_version), so trials that never end cost little; and
 * it counts as changed only when its parameters did, so reports do not move kernels.
 */
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "model/dist.h"
#include "sampler/tpe.h"

#include <stdlib.h>

#define PUBLISHED_MAX (64u << 20)

static void live_free(struct live *l)
{
    if (l) {
        arena_release(&l->memory);
        mem_free(l->values);
        mem_free(l);
    }
}

void live_release(struct live_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        live_free(list->items[i]);
    }
    mem_free(list->items);
    *list = (struct live_list){0};
}

const struct live_value *live_find(const struct live *l, uint32_t name)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->values[mid].name < name) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < l->n && l->values[low].name == name ? &l->values[low] : NULL;
}

/* ---- reading one ---- */

/* Puts the pieces of the published object together; false: out of memory. */
static bool join_pieces(const struct tl_frozen_trial *t, struct arena *scratch, struct buf *text)
{
    for (int64_t piece = 0;; piece++) {
        char key[sizeof TPE_RELATIVE_KEY + NUM_MAX] = TPE_RELATIVE_KEY;
        size_t n = sizeof TPE_RELATIVE_KEY - 1, i = 0;
        n += num_format_int(piece, key + n);
        while (i < t->n_attrs &&
               !(t->attrs[i].kind == TL_ATTR_SYSTEM &&
                 str_eq((struct str){t->attrs[i].key.s, t->attrs[i].key.len}, (struct str){key, n}))) {
            i++;
        }
        if (i == t->n_attrs) {
            return !text->failed;
        }
        struct json j = JSON_OF(t->attrs[i].json.s, t->attrs[i].json.len);
        struct str part;
        int rc = json_string(&j, scratch, &part, NULL);
        if (rc != TL_OK) {
            return rc != TL_ENOMEM;
        }
        buf_add(text, part.p, part.n);
    }
}

static bool add_value(struct live *l, size_t *cap, const struct live_value *v)
{
    if (!mem_grow((void **)&l->values, cap, l->n + 1, sizeof *l->values)) {
        return false;
    }
    l->values[l->n++] = *v;
    return true;
}

static bool read_published(struct live *l, size_t *cap, struct intern *names, const struct tl_frozen_trial *t)
{
    struct buf text = BUF_INIT(PUBLISHED_MAX);
    struct arena scratch = {0};
    struct str name;
    bool first = true, ok = join_pieces(t, &scratch, &text);
    const char *kept = ok && text.len ? arena_dup(&l->memory, text.data, text.len) : NULL;
    struct json j = JSON_OF(kept, kept ? text.len : 0);
    int rc = !ok || (text.len && !kept) ? TL_ENOMEM : kept ? json_open(&j, '{', NULL) : TL_EINVAL;
    while (rc == TL_OK && (rc = json_next_key(&j, &first, &scratch, &name, NULL)) > 0) {
        struct live_value v = {.external = true};
        rc = dist_value_read(&j, &l->memory, &v.value, NULL);
        v.name = rc == TL_OK ? intern_add(names, name) : 0;
        if (rc == TL_OK && (v.name == INTERN_NONE || !add_value(l, cap, &v))) {
            rc = TL_ENOMEM;
        }
    }
    if (rc != TL_OK || json_finish(&j, NULL) != TL_OK) {
        l->n = 0;
    }
    arena_release(&scratch);
    buf_release(&text);
    return rc != TL_ENOMEM;
}

static int by_name(const void *a, const void *b)
{
    const struct live_value *x = a, *y = b;
    if (x->name != y->name) {
        return x->name < y->name ? -1 : 1;
    }
    return (int)x->external - (int)y->external; /* what the trial has comes first */
}

static struct live *live_read(struct intern *names, const tl_view *view, int64_t number,
                              struct tl_frozen_trial *t)
{
    struct live *l = mem_zalloc(1, sizeof *l);
    size_t cap = 0, kept = 0;
    bool ok = l && tl_view_trial(view, number, t, NULL) == TL_OK && read_published(l, &cap, names, t);
    for (size_t i = 0; ok && i < t->n_params; i++) {
        const struct tl_param *p = &t->params[i];
        if (p->has_value) {
            struct live_value v = {.name = intern_add(names, (struct str){p->name.s, p->name.len}),
                                   .internal = p->internal};
            ok = v.name != INTERN_NONE && add_value(l, &cap, &v);
        }
    }
    if (!ok) {
        live_free(l);
        return NULL;
    }
    if (l->n) {
        qsort(l->values, l->n, sizeof *l->values, by_name);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (kept == 0 || l->values[kept - 1].name != l->values[i].name) {
            l->values[kept++] = l->values[i];
        }
    }
    l->n = kept;
    l->number = number;
    l->read_at = tl_view_trial_version(view, number);
    return l;
}

static bool same_values(const struct live *a, const struct live *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        const struct live_value *x = &a->values[i], *y = &b->values[i];
        same = x->name == y->name && x->external == y->external &&
               (x->external ? dist_value_equal(&x->value, &y->value) == 1 : x->internal == y->internal);
    }
    return same;
}

/* ---- all of them ---- */

int live_update(struct live_list *list, struct intern *names, const tl_view *view, struct tl_err *err)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    struct live_list fresh = {0};
    size_t n, old = 0;
    const int64_t *numbers = tl_view_unfinished(view, &n);
    bool ok = numbers && mem_grow((void **)&fresh.items, &fresh.cap, n + 1, sizeof(struct live *));
    for (size_t i = 0; ok && i < n; i++) {
        while (old < list->n && list->items[old]->number < numbers[i]) {
            old++;
        }
        if (tl_view_trial_state(view, numbers[i]) != TL_RUNNING) {
            continue;
        }
        struct live *was = old < list->n && list->items[old]->number == numbers[i] ? list->items[old] : NULL;
        if (was && was->read_at == tl_view_trial_version(view, numbers[i])) {
            list->items[old++] = NULL; /* taken over */
            fresh.items[fresh.n++] = was;
            continue;
        }
        struct live *l = live_read(names, view, numbers[i], &t);
        ok = l != NULL;
        if (ok) {
            l->version = was && same_values(was, l) ? was->version : l->read_at;
            fresh.items[fresh.n++] = l;
        }
    }
    tl_frozen_release(&t);
    for (size_t i = 0; i < list->n; i++) {
        live_free(list->items[i]);
    }
    mem_free(list->items);
    *list = fresh;
    return ok ? TL_OK : err_nomem(err);
}
