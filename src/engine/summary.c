/* SPDX-License-Identifier: MIT
 *
 * Summaries: what a listing says of a study, without its trials.
 *
 * On a storage with a catalog the stream's row holds one as JSON, with the position that it describes. A listing takes it when it
 * is up to date; else it reads the study and leaves a new one behind, so that the next listing reads nothing. Who wrote to a study
 * does that when the storage is closed. Who asks for one study leaves a new one behind unless trials run: then it would be out of date
 * at once. On other storages a summary is made from the state.
 *
 * {"v":1,"directions":[0],"counts":[…],"best":NUMBER,"value":X,"start":PACKED,"attrs":[[KIND,"KEY",JSON],…]}; without "attrs" when they are
 * too long to be kept there. A summary that cannot be read counts as none.
 */
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "engine/ops.h"
#include "engine/parts.h"
#include "journal/catalog.h"

#define VERSION 1
#define ATTRS_MAX ((size_t)64 * 1024)

/* ---- making one ---- */

/* Borrowed from the view. */
static int from_view(const tl_view *v, struct tl_study_summary *out, struct tl_err *err)
{
    *out = (struct tl_study_summary){.size = sizeof *out, .study_id = tl_view_study_id(v), .name = tl_view_study_name(v),
                                     .n_trials = tl_view_n_trials(v), .best = tl_view_best(v), .start = tl_view_start(v)};
    out->directions = tl_view_directions(v, &out->n_directions);
    for (int i = 0; i < TL_N_STATES; i++) {
        out->counts[i] = tl_view_count(v, (enum tl_state)i);
    }
    if (out->best >= 0) {
        struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
        int rc = tl_view_trial(v, out->best, &t, err);
        out->best_value = rc == TL_OK && t.n_values > 0 ? t.values[0] : 0;
        tl_frozen_release(&t);
        if (rc != TL_OK) {
            return rc;
        }
    }
    out->attrs = tl_view_study_attrs(v, &out->n_attrs);
    return out->attrs ? TL_OK : err_nomem(err);
}

static void encode(const struct tl_study_summary *s, struct buf *b)
{
    size_t bytes = 0;
    buf_printf(b, "{\"v\":%d,\"directions\":[", VERSION);
    for (size_t i = 0; i < s->n_directions; i++) {
        buf_printf(b, "%s%d", i ? "," : "", (int)s->directions[i]);
    }
    buf_add_text(b, "],\"counts\":[");
    for (int i = 0; i < TL_N_STATES; i++) {
        buf_printf(b, "%s%zu", i ? "," : "", s->counts[i]);
    }
    buf_printf(b, "],\"start\":%lld", (long long)time_pack(s->start));
    if (s->best >= 0) {
        buf_printf(b, ",\"best\":%lld,\"value\":", (long long)s->best);
        json_put_double(b, s->best_value);
    }
    for (size_t i = 0; i < s->n_attrs; i++) {
        bytes += s->attrs[i].key.len + s->attrs[i].json.len;
    }
    if (bytes <= ATTRS_MAX) {
        buf_add_text(b, ",\"attrs\":[");
        for (size_t i = 0; i < s->n_attrs; i++) {
            buf_printf(b, "%s[%d,", i ? "," : "", (int)s->attrs[i].kind);
            json_put_string(b, (struct str){s->attrs[i].key.s, s->attrs[i].key.len});
            buf_add_char(b, ',');
            buf_add(b, s->attrs[i].json.s, s->attrs[i].json.len);
            buf_add_char(b, ']');
        }
        buf_add_char(b, ']');
    }
    buf_add_char(b, '}');
}

void summary_write(tl_storage *part, uint64_t known_seq)
{
    struct buf b = BUF_INIT(4 * ATTRS_MAX);
    struct tl_study_summary s;
    tl_view *view;
    if (part->options.read_only || tl_view_open(part, 0, false, &view, NULL) != TL_OK) {
        return;
    }
    if (tl_view_seq(view) > known_seq && from_view(view, &s, NULL) == TL_OK) {
        encode(&s, &b);
        if (!b.failed) {
            struct catalog *c = part->root->catalog;
            (void)c->ops->summarise(c, part->base_id >> PART_SHIFT, tl_view_seq(view), (struct str){b.data, b.len}, NULL);
        }
    }
    tl_view_close(view);
    buf_release(&b);
}

/* ---- reading one ---- */

static int read_attrs(struct json *j, struct tl_study_summary *s, struct arena *a)
{
    struct tl_attr *items = NULL;
    size_t n = 0, cap = 0;
    bool first = true;
    int rc = json_open(j, '[', NULL);
    while (rc == TL_OK && (rc = json_next_item(j, &first, NULL)) > 0) {
        struct str key, value;
        int64_t kind;
        bool inner = true;
        rc = json_open(j, '[', NULL);
        rc = rc == TL_OK && json_next_item(j, &inner, NULL) > 0 ? json_integer(j, &kind, NULL) : TL_EINVAL;
        rc = rc == TL_OK && json_next_item(j, &inner, NULL) > 0 ? json_string(j, a, &key, NULL) : TL_EINVAL;
        rc = rc == TL_OK && json_next_item(j, &inner, NULL) > 0 ? json_skip(j, &value, NULL) : TL_EINVAL;
        rc = rc == TL_OK && json_next_item(j, &inner, NULL) == 0 ? TL_OK : TL_EINVAL;
        if (rc == TL_OK && !mem_grow((void **)&items, &cap, n + 1, sizeof *items)) {
            rc = TL_ENOMEM;
        }
        if (rc == TL_OK) {
            items[n++] = (struct tl_attr){kind == TL_ATTR_USER ? TL_ATTR_USER : TL_ATTR_SYSTEM, {key.p, key.n}, {value.p, value.n}};
        }
    }
    struct tl_attr *kept = rc >= 0 ? arena_alloc(a, (n + 1) * sizeof *kept) : NULL;
    if (kept && n) {
        memcpy(kept, items, n * sizeof *kept);
    }
    mem_free(items);
    s->attrs = kept;
    s->n_attrs = n;
    return rc < 0 ? rc : kept ? TL_OK : TL_ENOMEM;
}

/* An array of small numbers; returns how many, at most `most`, or < 0. */
static int read_numbers(struct json *j, int64_t *out, int most)
{
    bool first = true;
    int n = 0, rc = json_open(j, '[', NULL);
    while (rc == TL_OK && (rc = json_next_item(j, &first, NULL)) > 0) {
        rc = n < most ? json_integer(j, &out[n++], NULL) : TL_EINVAL;
    }
    return rc < 0 ? rc : n;
}

#define DIRECTIONS_MAX 64

static int read_directions(struct json *j, struct tl_study_summary *s, struct arena *a)
{
    int64_t numbers[DIRECTIONS_MAX];
    int n = read_numbers(j, numbers, DIRECTIONS_MAX);
    enum tl_direction *directions = n > 0 ? arena_alloc(a, (size_t)n * sizeof *directions) : NULL;
    for (int i = 0; directions && i < n; i++) {
        directions[i] = (enum tl_direction)numbers[i];
    }
    s->directions = directions;
    s->n_directions = directions ? (size_t)n : 0;
    return directions ? TL_OK : TL_EINVAL;
}

static int read_counts(struct json *j, struct tl_study_summary *s)
{
    int64_t numbers[TL_N_STATES];
    if (read_numbers(j, numbers, TL_N_STATES) != TL_N_STATES) {
        return TL_EINVAL;
    }
    for (int i = 0; i < TL_N_STATES; i++) {
        s->counts[i] = (size_t)numbers[i];
        s->n_trials += s->counts[i];
    }
    return TL_OK;
}

/* Everything but id and name. */
static bool decode(struct str bytes, struct tl_study_summary *s, struct arena *a)
{
    struct json j = JSON_OF(bytes.p, bytes.n);
    struct str key;
    bool first = true;
    int64_t version = 0, start = TIME_NONE;
    *s = (struct tl_study_summary){.size = sizeof *s, .best = -1};
    int rc = bytes.n ? json_open(&j, '{', NULL) : TL_EINVAL;
    while (rc == TL_OK && (rc = json_next_key(&j, &first, a, &key, NULL)) > 0) {
        if (str_eq(key, STR("v"))) {
            rc = json_integer(&j, &version, NULL);
        } else if (str_eq(key, STR("directions"))) {
            rc = read_directions(&j, s, a);
        } else if (str_eq(key, STR("counts"))) {
            rc = read_counts(&j, s);
        } else if (str_eq(key, STR("best"))) {
            rc = json_integer(&j, &s->best, NULL);
        } else if (str_eq(key, STR("value"))) {
            rc = json_number(&j, &s->best_value, NULL);
        } else if (str_eq(key, STR("start"))) {
            rc = json_integer(&j, &start, NULL);
        } else if (str_eq(key, STR("attrs"))) {
            rc = read_attrs(&j, s, a);
        } else {
            rc = json_skip(&j, NULL, NULL);
        }
    }
    s->start = time_unpack(start);
    return rc == 0 && version == VERSION && s->n_directions > 0 && s->attrs;
}

bool summary_idle(struct str bytes)
{
    struct tl_study_summary s;
    struct arena a = {0};
    bool idle = decode(bytes, &s, &a) && s.counts[TL_RUNNING] == 0;
    arena_release(&a);
    return idle;
}

/* ---- listing ---- */

struct listing {
    tl_storage *st;
    int (*each)(void *ctx, const struct tl_study_summary *s);
    void *ctx;
    struct tl_err *err;
};

static int hand_view(const struct listing *l, const tl_view *view)
{
    struct tl_study_summary s;
    int rc = from_view(view, &s, l->err);
    return rc == TL_OK ? l->each(l->ctx, &s) : rc;
}

static int from_stream(void *ctx, const struct catalog_entry *e)
{
    const struct listing *l = ctx;
    struct tl_study_summary s;
    struct arena a = {0};
    tl_storage *part;
    tl_view *view;
    int rc;
    if (e->summary_seq == e->head && decode(e->summary, &s, &a)) {
        s.study_id = e->stream << PART_SHIFT;
        s.name = e->name.p;
        rc = l->each(l->ctx, &s);
        arena_release(&a);
        return rc;
    }
    arena_release(&a);
    rc = part_of_stream(l->st, e->stream, &part, l->err);
    if (rc == TL_OK) {
        rc = tl_view_open(part, 0, true, &view, l->err);
    }
    if (rc != TL_OK) {
        return rc == TL_ENOTFOUND ? TL_OK : rc; /* deleted meanwhile */
    }
    rc = hand_view(l, view);
    tl_view_close(view);
    summary_write(part, e->summary_seq);
    return rc;
}

static int from_state(void *ctx, int64_t study_id, const char *name)
{
    const struct listing *l = ctx;
    tl_view *view;
    (void)name;
    int rc = tl_view_open(l->st, study_id, false, &view, l->err);
    if (rc == TL_ENOTFOUND) {
        return TL_OK;
    }
    if (rc == TL_OK) {
        rc = hand_view(l, view);
        tl_view_close(view);
    }
    return rc;
}

TL_API int tl_storage_each_summary(tl_storage *storage, int (*each)(void *ctx, const struct tl_study_summary *summary), void *ctx,
                                   struct tl_err *err)
{
    struct listing l = {storage, each, ctx, err};
    return is_root(storage) ? root_each_stream(storage, from_stream, &l, err) : tl_storage_each_study(storage, from_state, &l, err);
}

/* ---- one study ---- */

struct owned {
    struct tl_study_summary s; /* first: what callers have */
    struct arena memory;       /* what was read from a row … */
    tl_view *view;             /* … or what the summary was made from */
};

struct wanted {
    struct owned *out;
    bool fresh;
    bool found, done; /* is there such a study? does its row say enough? */
    uint64_t seq;     /* of the row's summary */
    struct tl_err *err;
};

static int take_entry(void *ctx, const struct catalog_entry *e)
{
    struct wanted *w = ctx;
    struct owned *o = w->out;
    w->found = !e->deleted;
    w->seq = e->summary_seq;
    if (e->deleted || (w->fresh && e->summary_seq != e->head)) {
        return TL_OK;
    }
    char *name = arena_dup(&o->memory, e->name.p, e->name.n), *bytes = arena_dup(&o->memory, e->summary.p, e->summary.n);
    if (!name || !bytes) {
        return err_nomem(w->err);
    }
    w->done = decode((struct str){bytes, e->summary.n}, &o->s, &o->memory);
    o->s.study_id = e->stream << PART_SHIFT;
    o->s.name = name;
    return TL_OK;
}

/* From the study's row; `w->done` false: it does not say enough. */
static int from_row(tl_storage *root, int64_t study_id, struct wanted *w)
{
    int rc = storage_enter(root, w->err);
    if (rc == TL_OK && study_id >= 0 && (study_id & PART_LOCAL) == 0 && study_id >> PART_SHIFT > 0) {
        rc = root->catalog->ops->each(root->catalog, study_id >> PART_SHIFT, take_entry, w, w->err);
    }
    return rc == TL_OK && !w->found ? err_set(w->err, TL_ENOTFOUND, "there is no study with id %lld", (long long)study_id) : rc;
}

TL_API int tl_storage_summary(tl_storage *storage, int64_t study_id, bool fresh, struct tl_study_summary **out, struct tl_err *err)
{
    struct owned *o = mem_zalloc(1, sizeof *o);
    struct wanted w = {.out = o, .fresh = fresh, .err = err};
    if (!o) {
        return err_nomem(err);
    }
    int rc = is_root(storage) && !part_is_open(storage, study_id) ? from_row(storage, study_id, &w) : TL_OK;
    if (rc == TL_OK && !w.done) {
        arena_reset(&o->memory);
        rc = tl_view_open(storage, study_id, true, &o->view, err);
        rc = rc == TL_OK ? from_view(o->view, &o->s, err) : rc;
        int64_t id = study_id;
        tl_storage *part = storage;
        if (rc == TL_OK && w.found && o->s.counts[TL_RUNNING] == 0 && storage_part(&part, &id, NULL, "study", NULL) == TL_OK) {
            summary_write(part, w.seq);
        }
    }
    if (rc != TL_OK) {
        tl_study_summary_free(&o->s);
        return rc;
    }
    *out = &o->s;
    return TL_OK;
}

TL_API void tl_study_summary_free(struct tl_study_summary *summary)
{
    struct owned *o = (struct owned *)(void *)summary;
    if (o) {
        tl_view_close(o->view);
        arena_release(&o->memory);
        mem_free(o);
    }
}

TL_API bool tl_storage_has_read(tl_storage *storage, int64_t study_id)
{
    return !is_root(storage) || part_is_open(storage, study_id);
}
