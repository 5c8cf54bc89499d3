/* SPDX-License-Identifier: MIT
 *
 * The shortest journal with the same studies, trials, ids and times.
 *
 * Ids are places in the order of creation, so that order is kept: first all studies with their attributes, then all trials by id,
 * one operation each, under the name of the worker that runs or ran them. What was deleted keeps its place with the least that
 * does so: a study under a name that nobody has, bare trials, and the deletion at the end.
 * Failure modes: a journal with a damaged line is refused (repair it first), for its trials would be lost for good; and those of
 * reading and writing. A copy that could not be finished is removed.
 */
#include "base/err.h"
#include "engine/journal_lines.h"
#include "engine/store.h"
#include "engine/study.h"

#include <trialog/journal.h>

struct compact {
    tl_storage *from;
    const struct state *state; /* nobody else has the storage, so it does not change */
    struct lines_out out;
    tl_view **views; /* by study id, opened when first needed */
    size_t n_views;
    struct tl_frozen_trial trial;
    struct arena memory;
};

#define OWN_NAME STR("trialog-compact")

/* A name that no study has. */
static struct str free_name(struct compact *c, int64_t id)
{
    struct buf b = BUF_INIT(1 << 10);
    struct str name = {NULL, 0};
    for (unsigned i = 0; !b.failed; i++) {
        buf_clear(&b);
        buf_printf(&b, "deleted-%lld%s", (long long)id, i ? "-" : "");
        if (i) {
            buf_printf(&b, "%u", i);
        }
        if (!b.failed && !state_study_by_name(c->state, (struct str){b.data, b.len})) {
            name = (struct str){arena_dup(&c->memory, b.data, b.len), b.len};
            break;
        }
    }
    buf_release(&b);
    return name;
}

static int write_study(struct compact *c, int64_t id, struct tl_err *err)
{
    static const uint8_t one_direction[] = {TL_MINIMIZE};
    const struct study *st = state_study_any(c->state, id);
    struct op op = {.code = OP_CREATE_STUDY,
                    .worker = OWN_NAME,
                    .name = st->name,
                    .directions = st->directions,
                    .n_directions = st->n_directions};
    if (st->deleted) {
        op.name = free_name(c, id);
        op.directions = one_direction;
        op.n_directions = 1;
        return op.name.p ? lines_out_op(&c->out, &op, err) : err_nomem(err);
    }
    int rc = tl_view_open(c->from, id, false, &c->views[id], err);
    if (rc == TL_OK) {
        rc = lines_out_op(&c->out, &op, err);
    }
    size_t n = 0;
    const struct tl_attr *attrs = rc == TL_OK ? tl_view_study_attrs(c->views[id], &n) : NULL;
    for (size_t i = 0; i < n && rc == TL_OK; i++) {
        struct op attr = {.code = attrs[i].kind == TL_ATTR_USER ? OP_STUDY_USER_ATTR : OP_STUDY_SYSTEM_ATTR,
                          .worker = OWN_NAME,
                          .target = id,
                          .name = {attrs[i].key.s, attrs[i].key.len},
                          .text = {attrs[i].json.s, attrs[i].json.len}};
        rc = lines_out_op(&c->out, &attr, err);
    }
    return rc;
}

static uint32_t owner_of(const struct study *st, uint32_t number)
{
    const struct row *row;
    const struct live_trial *live;
    study_trial(st, number, &row, &live);
    return row ? row->owner : live ? live->owner : INTERN_NONE;
}

static int write_trial(struct compact *c, int64_t id, struct tl_err *err)
{
    struct study *st;
    uint32_t number;
    struct op op = {.code = OP_CREATE_TRIAL};
    if (!state_trial_place(c->state, id, &st, &number)) {
        return err_set(err, TL_EINTERNAL, "trial %lld has no place", (long long)id);
    }
    arena_reset(&c->memory);
    op.worker = OWN_NAME;
    if (!st->deleted) {
        int rc = tl_view_trial(c->views[st->id], number, &c->trial, err);
        rc = rc ? rc : copy_trial(&c->trial, &op, &c->memory, err);
        if (rc) {
            return rc;
        }
        uint32_t owner = owner_of(st, number);
        op.worker = owner == INTERN_NONE ? OWN_NAME : intern_str(&c->state->workers, owner);
    }
    op.target = st->id;
    return lines_out_op(&c->out, &op, err);
}

static int write_all(struct compact *c, struct tl_err *err)
{
    int rc = TL_OK;
    for (size_t i = 0; i < c->n_views && rc == TL_OK; i++) {
        rc = write_study(c, (int64_t)i, err);
    }
    for (size_t i = 0; i < c->state->trials.len && rc == TL_OK; i++) {
        rc = write_trial(c, (int64_t)i, err);
    }
    for (size_t i = 0; i < c->n_views && rc == TL_OK; i++) {
        struct op op = {.code = OP_DELETE_STUDY, .worker = OWN_NAME, .target = (int64_t)i};
        if (state_study_any(c->state, (int64_t)i)->deleted) {
            rc = lines_out_op(&c->out, &op, err);
        }
    }
    return rc;
}

static int compact_into(struct compact *c, const char *to, uint64_t *before, uint64_t *after,
                        struct tl_err *err)
{
    c->state = store_lock_state(c->from);
    store_unlock_state(c->from);
    c->n_views = c->state->studies.len;
    c->views = mem_zalloc(c->n_views + 1, sizeof *c->views);
    int rc = c->views ? lines_out_open(&c->out, to, err) : err_nomem(err);
    if (rc == TL_OK) {
        rc = lines_out_close(&c->out, write_all(c, err), err);
    }
    if (rc == TL_OK) {
        if (before) {
            *before = c->state->seq;
        }
        if (after) {
            *after = c->out.n;
        }
    }
    for (size_t i = 0; c->views && i < c->n_views; i++) {
        if (c->views[i]) {
            tl_view_close(c->views[i]);
        }
    }
    mem_free(c->views);
    tl_frozen_release(&c->trial);
    arena_release(&c->memory);
    return rc;
}

TL_API int tl_journal_compact(const char *path, const char *to, uint64_t *lines_before, uint64_t *lines_after,
                              struct tl_err *err)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    struct tl_storage_stats stats = {.size = sizeof stats};
    struct compact c = {0};
    options.read_only = options.must_exist = options.no_snapshot = true;
    int rc = tl_storage_open(path, &options, &c.from, err);
    if (rc != TL_OK) {
        return rc;
    }
    tl_storage_get_stats(c.from, &stats);
    if (stats.damaged) {
        rc = err_set(err, TL_ECORRUPT, "'%s' has a damaged line: repair it first", path);
    } else {
        rc = compact_into(&c, to, lines_before, lines_after, err);
    }
    tl_storage_close(c.from);
    return rc;
}
