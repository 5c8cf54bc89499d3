/* SPDX-License-Identifier: MIT
 *
 * The lists of unfinished trials and of studies: parameters, attributes, intermediate values.
 *
 * A write appends an entry; a later entry for the same key replaces an earlier one. Nothing below a count that a reader
 * has learnt ever changes, so readers need no lock. When more than half of a list is replaced, its newest entries are
 * copied into a new list, so a million writes of one key cost a constant each and keep a constant size.
 *
 * How the writer finds keys: while they come in ascending order (steps of reports, names that were interned in this order),
 * by bisection; afterwards, from the ninth entry on, through a map.
 *
 * Lists whose readers are gone are reused (list_recycle): a replay makes and drops three for every trial.
 */
#include "model/state.h"

#include "base/mem.h"

#define SMALL 8u /* entries that are searched from the end instead of through the map */

static size_t entry_size(enum list_kind kind)
{
    static const size_t sizes[] = {sizeof(struct param_entry), sizeof(struct attr_entry), sizeof(struct report_entry)};
    return sizes[kind];
}

static uint64_t entry_key(enum list_kind kind, const void *entry)
{
    switch (kind) {
    case LIST_PARAMS: return list_key_param(((const struct param_entry *)entry)->name);
    case LIST_ATTRS: {
        const struct attr_entry *a = entry;
        return list_key_attr(a->key, a->kind);
    }
    case LIST_REPORTS: break;
    }
    return list_key_report(((const struct report_entry *)entry)->step);
}

static struct grow_list *list_new(struct state *s, enum list_kind kind)
{
    struct grow_list *l = s->pool[kind];
    if (l) {
        s->pool[kind] = l->next_free;
        l->next_free = NULL;
    } else {
        l = mem_zalloc(1, sizeof *l);
        if (!l) {
            return NULL;
        }
    }
    l->kind = kind;
    l->entries.elem = entry_size(kind);
    atomic_store_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

static void list_free(struct grow_list *l)
{
    svec_release(&l->entries);
    space_release(&l->bytes);
    map64_release(&l->latest);
    mem_free(l);
}

struct list_ref list_ref_get(const struct list_ref *r)
{
    if (r->list) {
        atomic_fetch_add_explicit(&r->list->refs, 1, memory_order_relaxed);
    }
    return *r;
}

void list_ref_drop(struct list_ref *r)
{
    if (r->list && atomic_fetch_sub_explicit(&r->list->refs, 1, memory_order_acq_rel) == 1) {
        list_free(r->list);
    }
    *r = (struct list_ref){0};
}

void list_recycle(struct state *s, struct list_ref *r)
{
    struct grow_list *l = r->list;
    if (!l) {
        return;
    }
    /* only the writer gives out new references, so 1 stays 1 */
    if (atomic_load_explicit(&l->refs, memory_order_acquire) != 1 || l->entries.len > 64 || l->bytes.end > 8192) {
        list_ref_drop(r);
        return;
    }
    svec_reset(&l->entries);
    space_reset(&l->bytes);
    map64_release(&l->latest);
    l->n_distinct = 0;
    l->scattered = false;
    l->next_free = s->pool[l->kind];
    s->pool[l->kind] = l;
    *r = (struct list_ref){0};
}

void list_pool_release(struct state *s)
{
    for (size_t kind = 0; kind < TL_COUNT(s->pool); kind++) {
        while (s->pool[kind]) {
            struct grow_list *l = s->pool[kind];
            s->pool[kind] = l->next_free;
            list_free(l);
        }
    }
}

static uint64_t key_at(const struct grow_list *l, size_t i)
{
    return entry_key(l->kind, svec_at(&l->entries, i));
}

static int64_t bisect(const struct grow_list *l, uint64_t key)
{
    size_t low = 0, high = l->entries.len;
    if (high == 0 || key > key_at(l, high - 1)) {
        return -1;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (key_at(l, middle) <= key) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return key_at(l, low) == key ? (int64_t)low : -1;
}

/* Index of the newest entry with the key, or -1. */
static int64_t find_index(const struct grow_list *l, uint64_t key)
{
    size_t n = l->entries.len;
    if (!l->scattered) {
        return bisect(l, key);
    }
    if (n > SMALL && key != UINT64_MAX) {
        uint64_t at;
        return map64_get(&l->latest, key, &at) ? (int64_t)at : -1;
    }
    while (n-- > 0) {
        if (key_at(l, n) == key) {
            return (int64_t)n;
        }
    }
    return -1;
}

const void *list_find(const struct list_ref *r, uint64_t key)
{
    int64_t at = r->list ? find_index(r->list, key) : -1;
    return at < 0 ? NULL : svec_at(&r->list->entries, (size_t)at);
}

/* Appends a copy of the entry (and of the bytes it points to). */
static bool list_append(struct grow_list *l, const void *entry)
{
    struct attr_entry copy;
    size_t at = l->entries.len;
    if (l->kind == LIST_ATTRS) {
        copy = *(const struct attr_entry *)entry;
        uint64_t offset = space_alloc(&l->bytes, copy.json.n ? copy.json.n : 1);
        if (offset == 0) {
            return false;
        }
        char *bytes = space_at(&l->bytes, offset);
        memcpy(bytes, copy.json.p, copy.json.n);
        copy.json.p = bytes;
        entry = &copy;
    }
    uint64_t key = entry_key(l->kind, entry);
    bool scattered = l->scattered || (at > 0 && key <= key_at(l, at - 1));
    void *slot = svec_push(&l->entries);
    if (!slot) {
        return false;
    }
    memcpy(slot, entry, l->entries.elem);
    if (!scattered || at + 1 <= SMALL) {
        l->scattered = scattered;
        return true;
    }
    if (!l->scattered || at == SMALL) { /* the map begins: put everything in, oldest first */
        l->scattered = true;
        for (size_t i = 0; i < at; i++) {
            uint64_t older = key_at(l, i);
            if (older != UINT64_MAX && !map64_set(&l->latest, older, i)) {
                return false;
            }
        }
    }
    return key == UINT64_MAX || map64_set(&l->latest, key, at);
}

bool list_collect(const struct list_ref *r, const void **out)
{
    if (!r->list) {
        return true;
    }
    if (r->n == r->distinct) {
        for (size_t i = 0; i < r->n; i++) {
            out[i] = svec_at(&r->list->entries, i);
        }
        return true;
    }
    struct map64 place = {0};
    size_t n = 0;
    bool ok = true, have_max = false;
    size_t max_at = 0;
    for (size_t i = 0; ok && i < r->n; i++) {
        const void *entry = svec_at(&r->list->entries, i);
        uint64_t key = entry_key(r->list->kind, entry), at;
        if (key == UINT64_MAX) { /* the one key that map64 cannot hold */
            if (!have_max) {
                max_at = n++;
            }
            have_max = true;
            out[max_at] = entry;
        } else if (map64_get(&place, key, &at)) {
            out[at] = entry;
        } else {
            ok = map64_set(&place, key, n);
            out[n++] = entry;
        }
    }
    map64_release(&place);
    return ok;
}

/* A new list with the newest entry of each key. */
static bool list_compact(struct state *s, struct list_ref *r)
{
    const void **entries = mem_alloc(r->distinct * sizeof *entries);
    struct list_ref fresh = {list_new(s, r->list->kind), 0, 0};
    bool ok = entries && fresh.list && list_collect(r, entries);
    for (size_t i = 0; ok && i < r->distinct; i++) {
        ok = list_append(fresh.list, entries[i]);
    }
    mem_free(entries);
    if (!ok) {
        list_ref_drop(&fresh);
        return false;
    }
    fresh.n = fresh.distinct = fresh.list->n_distinct = r->distinct;
    list_ref_drop(r);
    *r = fresh;
    return true;
}

bool list_put(struct state *s, struct list_ref *r, enum list_kind kind, const void *entry)
{
    if (!r->list) {
        r->list = list_new(s, kind);
        if (!r->list) {
            return false;
        }
    }
    bool known = find_index(r->list, entry_key(kind, entry)) >= 0;
    if (!list_append(r->list, entry)) {
        return false;
    }
    if (!known) {
        r->list->n_distinct++;
    }
    r->n = r->list->entries.len;
    r->distinct = r->list->n_distinct;
    return r->n <= 2 * r->distinct + 64 || list_compact(s, r);
}
