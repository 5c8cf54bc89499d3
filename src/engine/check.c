/* SPDX-License-Identifier: MIT
 *
 * Looking a whole journal file over, line by line, and writing a clean copy of a damaged one.
 *
 * The file is only read, without a lock and without the help of a snapshot; replaying it with the one function that gives
 * operations their meaning tells which lines changed nothing. A clean copy holds the good lines byte for byte. Lines that nobody
 * could apply are left out; where one of them began a trial, a failed trial takes its place, because readers count
 * trials by their lines.
 * Other storages are opened for reading and read to their ends; their backends check what they deliver.
 * Failure modes: the file cannot be read, memory, the copy cannot be written (then it is removed again).
 */
#include "base/err.h"
#include "base/os.h"
#include "engine/journal_lines.h"
#include "engine/storage.h"
#include "journal/url.h"
#include "model/op.h"
#include "model/state.h"

#include <trialog/journal.h>

struct check {
    int (*each)(void *ctx, const struct tl_finding *finding);
    void *ctx;
    struct tl_check_result *result;
    struct state *state;
    struct arena arena;
    struct lines_out *copy; /* NULL: only look */
    tl_storage *storage;    /* of a URL */
    struct tl_err *err;
};

static int tell(struct check *c, const char *kind, uint64_t *count, const struct line_in *line,
                const char *message)
{
    struct tl_finding finding = {kind, (int64_t)line->number, (int64_t)line->offset, message};
    *count += 1;
    return c->each ? c->each(c->ctx, &finding) : 0;
}

/* The line stays: it is good, or harmless. */
static int keep(struct check *c, const struct line_in *line, struct tl_err *err)
{
    return c->copy ? lines_out_add(c->copy, line->text, err) : TL_OK;
}

/* A line that nobody can apply: its place in the count of trials is kept. */
static int replace(struct check *c, const struct line_in *line, struct tl_err *err)
{
    int64_t study = storage_broken_create_trial(line->text);
    bool trial = study >= 0 && state_study(c->state, study) != NULL;
    if (state_skip(c->state, study) != TL_OK) {
        return err_nomem(err);
    }
    if (!c->copy || !trial) {
        return TL_OK;
    }
    struct op op = {.code = OP_CREATE_TRIAL,
                    .target = study,
                    .state = TL_FAIL,
                    .is_template = true,
                    .worker = STR("trialog-repair")};
    return lines_out_op(c->copy, &op, err);
}

static int check_line(struct check *c, const struct line_in *line, struct tl_err *err)
{
    struct tl_check_result *r = c->result;
    struct tl_err why = TL_ERR_INIT;
    struct applied done = {V_APPLIED, -1};
    struct op op;
    enum op_line how = op_decode(line->text, &c->arena, &op, &why);
    int rc = TL_OK;
    if (why.code == TL_ENOMEM) {
        return err_nomem(err);
    }
    if (how == OP_LINE_BROKEN && line->torn) {
        return tell(c, "torn", &r->torn, line, "an unfinished last line");
    }
    if (how == OP_LINE_BROKEN) {
        rc = replace(c, line, err);
        return rc ? rc : tell(c, "broken", &r->broken, line, why.message);
    }
    if (op_check_crc(line->text) == 1) {
        r->checked_lines++;
    }
    if (how == OP_LINE_OK) {
        rc = state_apply(c->state, &op, &done, &why);
    } else {
        rc = state_skip(c->state, -1);
    }
    if (rc) {
        return err_nomem(err);
    }
    if (how == OP_LINE_ODD || done.verdict == V_ODD) {
        return tell(c, "odd", &r->odd, line, why.message);
    }
    rc = keep(c, line, err);
    if (rc == TL_OK && line->torn) {
        rc = tell(c, "torn", &r->torn, line, "the last line is whole but lacks its newline");
    }
    if (rc == TL_OK && done.verdict != V_APPLIED && done.verdict != V_SKIPPED) {
        rc = tell(c, "rejected", &r->rejected, line,
                  why.message[0] ? why.message : "somebody else runs the trial already");
    }
    return rc;
}

static void count(struct check *c)
{
    struct tl_check_result *r = c->result;
    r->studies = r->trials = 0;
    for (size_t i = 0; i < c->state->studies.len; i++) {
        const struct study *st = state_study(c->state, (int64_t)i);
        if (st) {
            r->studies++;
            r->trials += st->n_trials;
        }
    }
}

/* Goes through the file; a non-zero return of `each` comes back as it is. */
static int walk(struct check *c, const char *path, struct tl_err *err)
{
    struct lines_in in;
    struct line_in line;
    int rc = lines_in_open(&in, path, err), stop = 0;
    c->state = rc == TL_OK ? state_new() : NULL;
    if (rc == TL_OK && !c->state) {
        rc = err_nomem(err);
    }
    while (rc == TL_OK && stop == 0 && (rc = lines_in_next(&in, &line, err)) > 0) {
        c->result->lines += line.torn ? 0 : 1;
        c->result->bytes = line.offset + line.text.n + (line.torn ? 0 : 1);
        rc = check_line(c, &line, err);
        arena_reset(&c->arena);
        if (rc > 0) { /* from `each` */
            stop = rc;
            rc = TL_OK;
        }
    }
    if (rc == TL_OK) {
        count(c);
    }
    state_unref(c->state);
    arena_release(&c->arena);
    lines_in_close(&in);
    return rc ? rc : stop;
}

static int check_result(struct tl_check_result *result, struct tl_err *err)
{
    if (!result || result->size != sizeof *result) {
        return err_set(err, TL_EINVAL, "struct tl_check_result: set its size");
    }
    *result = (struct tl_check_result){.size = sizeof *result};
    return TL_OK;
}

/* ---- storages that are no files: opened, and read to their ends ---- */

struct reading {
    struct check *c;
    int stop;
};

/* What replay reports of a line becomes a finding. */
static void on_event(void *ctx, int level, const char *event, const char *message)
{
    struct reading *r = ctx;
    struct tl_check_result *result = r->c->result;
    bool broken = strcmp(event, "BAD_LINE") == 0;
    struct line_in line = {.number = 0};
    (void)level;
    if (!broken && strcmp(event, "ODD_OPERATION") != 0) {
        return;
    }
    for (const char *p = strncmp(message, "line ", 5) == 0 ? message + 5 : ""; *p >= '0' && *p <= '9'; p++) {
        line.number = line.number * 10 + (uint64_t)(*p - '0');
    }
    int rc = tell(r->c, broken ? "broken" : "odd", broken ? &result->broken : &result->odd, &line, message);
    r->stop = r->stop ? r->stop : rc;
}

static int read_study(void *ctx, int64_t study_id, const char *name)
{
    struct reading *r = ctx;
    tl_view *view;
    (void)name;
    int rc = tl_view_open(r->c->storage, study_id, true, &view, r->c->err);
    if (rc == TL_ENOTFOUND) {
        return TL_OK; /* deleted meanwhile */
    }
    if (rc) {
        return rc;
    }
    r->c->result->studies++;
    r->c->result->trials += tl_view_n_trials(view);
    tl_view_close(view);
    return r->stop;
}

static int check_storage(struct check *c, const char *url, struct tl_err *err)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    struct tl_storage_stats stats = {.size = sizeof stats};
    struct reading r = {c, 0};
    struct tl_log_sink sink = {on_event, &r, 0};
    options.read_only = options.must_exist = options.no_snapshot = true;
    options.log = &sink;
    c->err = err;
    int rc = tl_storage_open(url, &options, &c->storage, err);
    if (rc) {
        return rc;
    }
    rc = tl_storage_each_study(c->storage, read_study, &r, err);
    tl_storage_get_stats(c->storage, &stats);
    c->result->lines = stats.seq;
    c->result->bytes = stats.bytes_read;
    c->result->checked_lines = stats.lines_read - stats.bad_lines;
    tl_storage_close(c->storage);
    return rc;
}

TL_API int tl_journal_check(const char *path, int (*each)(void *ctx, const struct tl_finding *finding),
                            void *ctx, struct tl_check_result *result, struct tl_err *err)
{
    struct check c = {.each = each, .ctx = ctx, .result = result};
    int rc = check_result(result, err);
    if (rc == TL_OK && url_scheme_length(path) > 0) {
        return check_storage(&c, path, err);
    }
    return rc ? rc : walk(&c, path, err);
}

TL_API int tl_journal_repair(const char *path, const char *to,
                             int (*each)(void *ctx, const struct tl_finding *finding), void *ctx,
                             struct tl_check_result *result, struct tl_err *err)
{
    struct check c = {.each = each, .ctx = ctx, .result = result};
    struct lines_out out;
    int rc = check_result(result, err);
    rc = rc ? rc : lines_out_open(&out, to, err);
    if (rc) {
        return rc;
    }
    c.copy = &out;
    rc = walk(&c, path, err);
    return lines_out_close(&out, rc, err);
}
