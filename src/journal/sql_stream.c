/* SPDX-License-Identifier: MIT
 *
 * One study's operations in a SQL database, as a backend.
 *
 * Happy path of a read: one statement gives head, base and all rows from the last known one on. The last known one is looked at again:
 * when it is not there as it was, the database lost something (a restored backup, a failover), and everything is read anew and reported.
 * Who is behind the base loads the snapshot.
 * Happy path of an append: one transaction in one round trip locks the stream's row, writes if the writer's number has not been seen, the
 * base has not passed us and, where that matters, nothing else was written, raises head and number, and reads what is new. A local
 * database (SQL_LOCKED) decides between reading and writing instead, inside one transaction.
 *
 * An answer that was lost: that the lines are found in the database afterwards does not say that they are on its disk, because servers
 * show a commit before its flush has ended (or let appends share flushes). So one small transaction more is committed, whose flush covers
 * them, before anybody is told that they landed.
 *
 * A gap: MariaDB gathers the transactions that a statement is not to see one by one, and meanwhile one of them may end and the next one,
 * which waited for its lock, too. So a reader that holds no lock may be shown an operation and not yet the one before it. What stands
 * before the gap is delivered, and the rest is read again; only a gap that stays is damage.
 *
 * Failure modes: what sql.c could not settle within the time limit. Invariants: lines are delivered only after the transaction that
 * read them has ended well, or from one that waited for the lock and reads what others committed before; rows are delivered in order
 * without gaps, or not.
 */
#include "journal/sql_inside.h"

#include "base/err.h"
#include "base/os.h"

#define OUT_MAX ((size_t)1 << 30)
#define ROWS_MOST 500 /* of one answer, each of up to 64 KiB, and the first new one of any length (SQL_READ) */
#define ROWS_FEW 4    /* where rows are long: the server looks at their lengths in vain */
#define GAP_PAUSE_MS 1
#define GAP_MOST_MS 10000 /* a row that is missing for so long does not come any more */
#define WAIT_FIRST_MS 10
#define WAIT_MOST_MS 250

/* What a write of ours is, while its row may come back without its payload. */
struct own {
    const char *worker;
    uint64_t first_n, n_ops;
    const struct buf *lines; /* NULL: none */
};

/* What SQL_READ told. */
struct news {
    uint64_t head;
    uint64_t last_n; /* the writer's */
    bool more;       /* there are more rows than one answer holds */
};

static struct sql_statement read_statement(struct sql_stream *s, const char *worker, const struct own *own)
{
    struct sql_value w = sql_bytes(str_of(worker ? worker : "")), id = sql_int(s->stream), position = sql_int((int64_t)s->position);
    return SQL_STATEMENT(s->c, SQL_READ, position, w, own && own->lines ? sql_int((int64_t)own->first_n) : sql_int(-1), position,
                         s->has_last ? sql_int((int64_t)s->last_first) : position, id, w, id, sql_int(s->rows));
}

static void forget_position(struct sql_stream *s)
{
    s->position = 0;
    s->has_last = s->complete = s->has_writer = false;
    s->own_n = 0;
    s->tag[0] = 0;
}

static int rewound(struct sql_stream *s, const struct deliver *d, const char *why, struct tl_err *err)
{
    int rc = d->rewind(d->ctx, why, err);
    if (rc == TL_OK) {
        forget_position(s);
    }
    return rc;
}

/* Does a snapshot pay? By operations and, so that a large study is not written out over and over, by bytes. */
static void note_progress(struct sql_stream *s, uint64_t base, uint64_t image_bytes, uint64_t bytes)
{
    if (base != s->trimmed) {
        s->trimmed = base;
        s->bytes_since = 0;
        s->save_after_ns = 0; /* it is done */
    }
    if (image_bytes > 0) {
        s->image_bytes = image_bytes;
    }
    s->bytes_since += bytes;
    uint64_t from = base > 0 ? base + SQL_KEEP : 0;
    bool due = s->position > from + SQL_SNAPSHOT_OPS + s->patience && s->bytes_since > s->image_bytes / 8 &&
               os->monotonic_ns() >= s->save_after_ns;
    atomic_store(&s->due, !due ? SNAPSHOT_NOT_DUE : s->image_bytes < SQL_SMALL_IMAGE ? SNAPSHOT_DUE_NOW : SNAPSHOT_DUE);
}

static void remember_last(struct sql_stream *s, uint64_t first, struct str worker, uint64_t n)
{
    s->has_last = worker.n < sizeof s->last_worker;
    s->last_first = first;
    s->last_n = n;
    if (s->has_last) {
        memcpy(s->last_worker, worker.p, worker.n);
        s->last_worker[worker.n] = 0;
    }
}

static uint64_t count_lines(struct str text)
{
    uint64_t n = 0;
    for (const char *p = text.p, *end = text.p + text.n; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
        n++;
    }
    return text.n > 0 && text.p[text.n - 1] == '\n' ? n : 0;
}

enum { C_HEAD, C_BASE, C_IMAGE_BYTES, C_TAG, C_DELETED, C_LAST_N, C_FIRST, C_COUNT, C_WORKER, C_N, C_PAYLOAD, C_COLUMNS };

/* `*held_back`: it is long, and comes when it is the first one that is asked for. */
static int deliver_row(struct sql_stream *s, const struct deliver *d, const struct sql_value *v, const struct own *own,
                       uint64_t *bytes, bool *held_back, struct tl_err *err)
{
    uint64_t first = (uint64_t)v[C_FIRST].i, count = (uint64_t)v[C_COUNT].i;
    struct str payload = v[C_PAYLOAD].bytes;
    if (first < s->position) {
        return TL_OK; /* the last known one, or what an image held */
    }
    if (v[C_PAYLOAD].null && own && own->lines && (uint64_t)v[C_N].i == own->first_n && str_eq(v[C_WORKER].bytes, str_of(own->worker))) {
        payload = (struct str){own->lines->data, own->lines->len};
    } else if (v[C_PAYLOAD].null) {
        *held_back = true;
        return TL_OK;
    }
    if (count == 0 || count_lines(payload) != count) {
        return err_set(err, TL_ECORRUPT, "the database is damaged: row %llu of study %lld holds %llu operations, not %llu",
                       (unsigned long long)first, (long long)s->stream, (unsigned long long)count_lines(payload),
                       (unsigned long long)count);
    }
    int rc = d->lines(d->ctx, payload.p, payload.n, -1, err);
    if (rc == TL_OK) {
        s->position = first + count;
        remember_last(s, first, v[C_WORKER].bytes, (uint64_t)v[C_N].i);
        *bytes += payload.n;
    }
    return rc;
}

/* The next row is not the one behind the position. 0, after a moment: read again. What was missing when a read was given up long ago is no
 * reason to give up now. */
static int meet_gap(struct sql_stream *s, int64_t deadline_ns, struct tl_err *err)
{
    int64_t now = os->monotonic_ns(), unseen = now - s->gap_met_ns;
    s->gap_met_ns = now;
    if (s->gap_since_ns == 0 || s->gap_at != s->position || unseen > GAP_MOST_MS * SQL_MS) {
        s->gap_at = s->position;
        s->gap_since_ns = now;
    } else if (now - s->gap_since_ns > GAP_MOST_MS * SQL_MS) {
        return err_set(err, TL_ECORRUPT, "the database is damaged: study %lld lacks operations from %llu on", (long long)s->stream,
                       (unsigned long long)s->position);
    } else if (now >= deadline_ns) {
        return err_set(err, TL_EUNAVAILABLE, "the database does not show study %lld's operations from %llu on yet", (long long)s->stream,
                       (unsigned long long)s->position);
    }
    os->sleep_ns(GAP_PAUSE_MS * SQL_MS);
    return 0;
}

/* Is the database still the one that was read before? 1; 0 after a rewind: read again; < 0. */
static int check_place(struct sql_stream *s, const struct deliver *d, const struct sql_value *v, struct tl_err *err)
{
    uint64_t head = (uint64_t)v[C_HEAD].i, base = (uint64_t)v[C_BASE].i;
    struct str tag = v[C_TAG].bytes;
    int rc = TL_OK;
    if (s->tag[0] && !str_eq(tag, str_of(s->tag))) {
        rc = rewound(s, d, "the database was replaced: another study has its number", err);
        return rc == TL_OK ? 0 : rc;
    }
    if (tag.n >= sizeof s->tag) {
        return err_set(err, TL_ECORRUPT, "the database is damaged: a study's tag is too long");
    }
    if (head < s->position) {
        rc = rewound(s, d, "the database went back in time (a restored backup, or a failover that lost what was written last)", err);
        return rc == TL_OK ? 0 : rc;
    }
    if (s->has_last && s->last_first >= base) {
        bool same = !v[C_FIRST].null && (uint64_t)v[C_FIRST].i == s->last_first && (uint64_t)v[C_N].i == s->last_n &&
                    str_eq(v[C_WORKER].bytes, str_of(s->last_worker));
        if (!same) {
            rc = rewound(s, d, "the database went back in time and on another way since (a restored backup)", err);
            return rc == TL_OK ? 0 : rc;
        }
    }
    memcpy(s->tag, tag.p, tag.n);
    s->tag[tag.n] = 0;
    return 1;
}

/* Takes in the answer of a SQL_READ. 1: done; 0: the position was changed otherwise, read again; < 0. */
static int take_news(struct sql_stream *s, const struct deliver *d, const struct sql_rows *rows, size_t statement,
                     const struct own *own, struct news *news, int64_t deadline_ns, struct tl_err *err)
{
    size_t at = 0, n = 0;
    uint64_t bytes = 0;
    const struct sql_row *row = sql_rows_next(rows, statement, &at);
    if (!row || row->n_columns < C_COLUMNS) {
        return err_set(err, TL_ENOTFOUND, "study %lld is not in the database any more", (long long)s->stream);
    }
    const struct sql_value *v = row->columns;
    uint64_t base = (uint64_t)v[C_BASE].i;
    *news = (struct news){(uint64_t)v[C_HEAD].i, v[C_LAST_N].null ? 0 : (uint64_t)v[C_LAST_N].i, false};
    s->has_writer = own ? !v[C_LAST_N].null : s->has_writer;
    int rc = check_place(s, d, v, err);
    if (rc <= 0) {
        return rc;
    }
    if (own) {
        s->own_n = news->last_n; /* less than before, in a log that is the one we know: our row was taken away (SQL_TRIM_WRITERS) */
    }
    if (s->position < base) {
        if (v[C_DELETED].i) {
            return err_set(err, TL_ENOTFOUND, "study %lld was deleted", (long long)s->stream);
        }
        rc = sql_snapshot_deliver(s, d, deadline_ns, err);
        if (rc < 0 || s->position < base) {
            return rc;
        }
    }
    bool gap = false, held_back = false;
    for (rc = TL_OK; row && rc == TL_OK && !held_back; row = sql_rows_next(rows, statement, &at), n++) {
        gap = (uint64_t)row->columns[C_FIRST].i > s->position;
        if (gap) {
            break;
        }
        rc = deliver_row(s, d, row->columns, own, &bytes, &held_back, err);
    }
    news->more = held_back || n == (size_t)s->rows;
    s->rows = held_back ? ROWS_FEW : s->rows * 2 < ROWS_MOST ? s->rows * 2 : ROWS_MOST;
    note_progress(s, base, (uint64_t)v[C_IMAGE_BYTES].i, bytes);
    if (rc == TL_OK && TL_UNLIKELY(gap)) {
        return meet_gap(s, deadline_ns, err);
    }
    s->gap_since_ns = 0;
    return rc == TL_OK ? 1 : rc;
}

/* Reads until there is nothing new. `worker`: whose number to look up, NULL: nobody's. */
static int read_all(struct sql_stream *s, const struct deliver *d, const char *worker, const struct own *own, struct news *news,
                    int64_t deadline_ns, struct tl_err *err)
{
    struct sql_rows rows = {0};
    int rc;
    do {
        struct sql_statement st = read_statement(s, worker, own);
        rc = sql_do(s->c, SQL_READS, &st, 1, &rows, deadline_ns, err);
        if (rc == TL_OK) {
            rc = take_news(s, d, &rows, 0, own, news, deadline_ns, err);
        } else {
            break;
        }
    } while (rc == 0 || (rc == 1 && news->more));
    sql_rows_release(&rows);
    return rc > 0 ? TL_OK : rc;
}

/* Commits something behind what an append, whose answer was lost, may have written. */
static int make_sure(struct sql_stream *s, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_statement st = SQL_STATEMENT(s->c, SQL_TOUCH, sql_int(s->stream), sql_bytes(str_of(s->unsure)));
    int rc = sql_do(s->c, SQL_WRITES, &st, 1, NULL, deadline_ns, err);
    if (rc == TL_OK) {
        s->unsure[0] = 0;
    }
    return rc;
}

static void set_unsure(struct sql_stream *s, const char *worker)
{
    size_t n = strlen(worker);
    n = n < sizeof s->unsure ? n : sizeof s->unsure - 1;
    memcpy(s->unsure, worker, n);
    s->unsure[n] = 0;
}

/* ---- reading ---- */

static int stream_read(struct backend *b, const struct deliver *d, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    struct news news = {0};
    int64_t deadline = d->deadline_ns ? d->deadline_ns : sql_deadline(s->c->options.timeout_ms);
    int rc = sql_enter(s->c, deadline, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (sql_changed(s->c, &s->seen) || !s->complete) {
        s->complete = false;
        rc = read_all(s, d, NULL, NULL, &news, deadline, err);
        s->complete = rc == TL_OK;
    }
    if (rc == TL_OK && TL_UNLIKELY(s->unsure[0])) {
        rc = make_sure(s, deadline, err);
    }
    sql_leave(s->c);
    return rc;
}

static void stream_restart(struct backend *b)
{
    struct sql_stream *s = sql_stream_of(b);
    guard_lock(&s->c->guard);
    forget_position(s);
    sql_leave(s->c);
}

/* Asks now and then. */
static int stream_wait(struct backend *b, int64_t timeout_ms, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    int64_t until = sql_deadline(timeout_ms), pause = WAIT_FIRST_MS * SQL_MS;
    uint64_t seen = UINT64_MAX;
    for (;;) {
        struct sql_rows rows = {0};
        struct sql_statement st = SQL_STATEMENT(s->c, SQL_HEAD, sql_int(s->stream));
        size_t at = 0;
        bool news = false;
        int64_t deadline = sql_deadline(s->c->options.timeout_ms);
        int rc = sql_enter(s->c, deadline, err);
        if (rc != TL_OK) {
            return rc;
        }
        if (sql_changed(s->c, &seen)) {
            rc = sql_do(s->c, SQL_READS, &st, 1, &rows, deadline, err);
            const struct sql_row *row = rc == TL_OK ? sql_rows_next(&rows, 0, &at) : NULL;
            news = rc == TL_OK && (!row || (uint64_t)row->columns[0].i != s->position);
        }
        sql_leave(s->c);
        sql_rows_release(&rows);
        int64_t now = os->monotonic_ns();
        if (rc != TL_OK || news || now >= until) {
            return rc != TL_OK ? rc : news;
        }
        if (s->c->options.cancelled(s->c->options.cancelled_ctx)) {
            return err_set(err, TL_ECANCELLED, "cancelled while waiting for news");
        }
        os->sleep_ns(pause < until - now ? pause : until - now);
        pause = pause * 3 / 2 < WAIT_MOST_MS * SQL_MS ? pause * 3 / 2 : WAIT_MOST_MS * SQL_MS;
    }
}

/* ---- appending ---- */

enum { WRITE_MAX = 6 };

/* The statements that write, without the read behind them. The third one from the end is SQL_PUT. */
static size_t write_statements(struct sql_stream *s, const struct append *a, struct sql_statement *out)
{
    struct sql_value id = sql_int(s->stream), w = sql_bytes(str_of(a->worker)), first = sql_int((int64_t)a->first_n),
                     count = sql_int((int64_t)a->n_ops), at = sql_int((int64_t)s->position);
    size_t n = 0;
    bool locked = s->c->driver->flags & SQL_LOCKED;
    if (!s->has_writer && !locked) {
        out[n++] = SQL_STATEMENT(s->c, SQL_LOCK, id);
    }
    if (!s->has_writer) { /* it goes when its writer is silent for long; a local database is not asked, and it counts as missing */
        out[n++] = SQL_STATEMENT(s->c, SQL_NEW_WRITER, id, w, id, w);
    }
    if (!locked) {
        out[n++] = SQL_STATEMENT(s->c, SQL_LOCK_PUT, id, w, first, sql_int((int64_t)s->own_n), at, at, sql_int(a->exact), at);
    }
    out[n++] = SQL_STATEMENT(s->c, SQL_PUT, count, w, first, sql_bytes(((struct str){s->out.data, s->out.len})), id, at,
                             at, sql_int(a->exact), at, w, first, sql_int((int64_t)s->own_n));
    out[n++] = SQL_STATEMENT(s->c, SQL_RAISE_WRITER, sql_int((int64_t)(a->first_n + a->n_ops - 1)), id, w, first);
    out[n++] = SQL_STATEMENT(s->c, SQL_RAISE_HEAD, count, id);
    return n;
}

static int compose(struct sql_stream *s, struct append *a, struct tl_err *err)
{
    buf_clear(&s->out);
    int rc = a->compose(a->ctx, &s->out, err);
    if (rc == TL_OK && s->out.failed) {
        rc = err_set(err, s->out.failed, "the lines to be written are too long or memory is short");
    }
    if (rc == TL_OK && s->out.len > s->c->driver->max_payload) {
        rc = err_set(err, TL_ELIMIT, "%zu bytes are more than one append to this database may have (%zu)", s->out.len,
                     s->c->driver->max_payload);
    }
    if (rc == TL_OK && s->out.len == 0) {
        a->outcome = OUTCOME_NOTHING;
    }
    return rc;
}

/* Takes in what came behind an append's writes, at `statement`: news, and whether ours are among them. `put`: rows that SQL_PUT wrote. */
static int take_own(struct sql_stream *s, struct append *a, const struct sql_rows *rows, size_t statement, int64_t put,
                    const struct own *own, int64_t deadline_ns, struct tl_err *err)
{
    struct news news = {0};
    int rc = take_news(s, &a->deliver, rows, statement, own, &news, deadline_ns, err);
    bool landed = news.last_n >= a->first_n, before = landed && put == 0; /* an earlier try did it */
    if (rc == 0 || (rc == 1 && news.more)) {
        rc = read_all(s, &a->deliver, a->worker, own, &news, deadline_ns, err);
    } else {
        rc = rc > 0 ? TL_OK : rc;
    }
    if (before && rc == TL_OK) {
        set_unsure(s, a->worker);
        rc = make_sure(s, deadline_ns, err);
    }
    if (rc != TL_OK) {
        a->outcome = landed ? OUTCOME_UNKNOWN : OUTCOME_ERROR;
        return landed ? err_wrap(err, TL_EUNKNOWN, "the operation was written, but then") : rc;
    }
    if (landed) {
        s->unsure[0] = 0; /* our commit came behind all that */
    }
    a->outcome = landed ? OUTCOME_DONE : OUTCOME_CONFLICT;
    return landed ? TL_OK : err_set(err, TL_EUNAVAILABLE, "somebody else wrote first");
}

/* The read is part of the transaction: behind it, a snapshot of somebody else's may take our rows away before we have seen them. */
static int append_optimistic(struct sql_stream *s, struct append *a, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_rows rows = {0};
    struct sql_statement st[WRITE_MAX + 1];
    int rc = compose(s, a, err);
    if (rc != TL_OK || a->outcome == OUTCOME_NOTHING) {
        return rc;
    }
    struct own own = {a->worker, a->first_n, a->n_ops, &s->out};
    size_t n = write_statements(s, a, st);
    st[n] = read_statement(s, a->worker, &own);
    rc = sql_do(s->c, SQL_WRITES, st, n + 1, &rows, deadline_ns, err);
    if (rc != TL_OK) {
        a->outcome = rc == TL_EUNKNOWN ? OUTCOME_UNKNOWN : OUTCOME_ERROR;
        sql_rows_release(&rows);
        return rc;
    }
    rc = take_own(s, a, &rows, n, st[n - 3].changed, &own, deadline_ns, err);
    sql_rows_release(&rows);
    return rc;
}

/* Reads on inside the transaction until the position is at the head. */
static int read_inside(struct sql_stream *s, struct append *a, struct sql_rows *rows, size_t statement, int64_t deadline_ns,
                       struct tl_err *err)
{
    struct news news = {0};
    int rc = take_news(s, &a->deliver, rows, statement, NULL, &news, deadline_ns, err);
    if (rc == 0 || (rc == 1 && news.more)) {
        rc = read_all(s, &a->deliver, NULL, NULL, &news, deadline_ns, err);
    }
    return rc < 0 ? rc : TL_OK;
}

static int append_locked(struct sql_stream *s, struct append *a, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_rows rows = {0};
    struct sql_statement st[WRITE_MAX];
    struct sql_statement first = read_statement(s, NULL, NULL);
    int rc = sql_begin(s->c, &first, 1, &rows, deadline_ns, err);
    if (rc == TL_OK) {
        rc = read_inside(s, a, &rows, 0, deadline_ns, err);
        rc = rc == TL_OK ? compose(s, a, err) : rc;
        if (rc != TL_OK) {
            sql_rollback(s->c);
        }
    }
    sql_rows_release(&rows);
    if (rc != TL_OK) {
        return rc;
    }
    size_t n = a->outcome == OUTCOME_NOTHING ? 0 : write_statements(s, a, st); /* leases may have been written all the same */
    rc = sql_commit(s->c, st, n, NULL, err);
    if (rc != TL_OK) {
        a->outcome = rc == TL_EUNKNOWN && n > 0 ? OUTCOME_UNKNOWN : OUTCOME_ERROR;
        return a->outcome == OUTCOME_ERROR && rc == TL_EUNKNOWN ? err_wrap(err, TL_EIO, "nothing was written") : rc;
    }
    if (n > 0) {
        remember_last(s, s->position, str_of(a->worker), a->first_n);
        s->position += a->n_ops;
        note_progress(s, s->trimmed, 0, s->out.len);
        a->outcome = OUTCOME_DONE;
    }
    return TL_OK;
}

/* Did a transaction end because its connection was lost, or the server gave it up? Then another try may do better. */
static bool lost_inside(const struct sql_stream *s, int rc)
{
    return rc == TL_EUNAVAILABLE && s->c->lost_transaction;
}

/* Writes what was decided inside the transaction, and ends it. */
static int write_inside(struct sql_stream *s, struct append *a, struct sql_rows *rows, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_statement st[WRITE_MAX + 1];
    struct own own = {a->worker, a->first_n, a->n_ops, &s->out};
    bool nothing = a->outcome == OUTCOME_NOTHING; /* leases may have been written all the same */
    size_t n = nothing ? 0 : write_statements(s, a, st);
    if (!nothing) {
        st[n] = read_statement(s, a->worker, &own);
    }
    int rc = sql_commit(s->c, st, nothing ? 0 : n + 1, nothing ? NULL : rows, err);
    if (rc != TL_OK) {
        a->outcome = rc == TL_EUNKNOWN && !nothing ? OUTCOME_UNKNOWN : lost_inside(s, rc) ? OUTCOME_CONFLICT : OUTCOME_ERROR;
        return rc;
    }
    return nothing ? TL_OK : take_own(s, a, rows, n, st[n - 3].changed, &own, deadline_ns, err);
}

/* Whoever decides on what he knows may always come too late: a stream's lock is handed on in order, and those who wait for it with an old
 * decision only pass it on to the one who wrote last and knows all. So he waits for the lock first, reads, decides, and writes before he
 * gives it back. CONFLICT: the connection was lost meanwhile, and nothing was written. */
static int append_patient(struct sql_stream *s, struct append *a, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_rows rows = {0};
    struct sql_statement st[] = {SQL_STATEMENT(s->c, SQL_LOCK, sql_int(s->stream)), read_statement(s, NULL, NULL)};
    int rc = sql_begin(s->c, st, 2, &rows, deadline_ns, err);
    if (rc == TL_OK) {
        rc = read_inside(s, a, &rows, 1, deadline_ns, err);
        rc = rc == TL_OK ? compose(s, a, err) : rc;
        if (rc != TL_OK) {
            sql_rollback(s->c);
            a->outcome = lost_inside(s, rc) ? OUTCOME_CONFLICT : OUTCOME_ERROR;
        } else {
            rc = write_inside(s, a, &rows, deadline_ns, err);
        }
    }
    sql_rows_release(&rows);
    return rc;
}

static int stream_append(struct backend *b, struct append *a, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    int64_t start = os->monotonic_ns(), deadline = sql_deadline(a->timeout_ms);
    a->outcome = OUTCOME_ERROR;
    a->written = 0;
    a->flush_token = 0;
    int rc = sql_enter(s->c, deadline, err);
    if (rc != TL_OK) {
        a->waited_ns = (uint64_t)(os->monotonic_ns() - start);
        return rc;
    }
    s->c->until_ns = deadline;
    rc = s->c->driver->flags & SQL_LOCKED               ? append_locked(s, a, deadline, err)
         : a->patient && s->c->driver->rollback != NULL ? append_patient(s, a, deadline, err)
                                                        : append_optimistic(s, a, deadline, err);
    if (a->outcome == OUTCOME_UNKNOWN) {
        set_unsure(s, a->worker);
    }
    s->c->until_ns = INT64_MAX;
    sql_leave(s->c);
    a->waited_ns = (uint64_t)(os->monotonic_ns() - start);
    return rc;
}

/* ---- the rest ---- */

static int stream_mark(struct backend *b, struct backend_mark *out)
{
    struct sql_stream *s = sql_stream_of(b);
    *out = (struct backend_mark){.offset = 0};
    guard_lock(&s->c->guard);
    out->offset = s->position;
    atomic_store(&s->due, SNAPSHOT_NOT_DUE); /* not again before there is more */
    sql_leave(s->c);
    return TL_OK;
}

static enum snapshot_due stream_snapshot_due(struct backend *b)
{
    struct sql_stream *s = sql_stream_of(b);
    enum snapshot_due due = (enum snapshot_due)atomic_load_explicit(&s->due, memory_order_relaxed);
    return TL_LIKELY(due == SNAPSHOT_NOT_DUE) || sql_snapshot_turn(s) ? due : SNAPSHOT_NOT_DUE;
}

/* The connection is the catalog's business. */
static void stream_forked(struct backend *b)
{
    struct sql_stream *s = sql_stream_of(b);
    s->complete = s->has_writer = false;
    s->own_n = 0;
    s->unsure[0] = 0; /* the parent's worker */
    s->turn = -1;
}

static void stream_describe(struct backend *b, struct buf *out)
{
    struct sql_stream *s = sql_stream_of(b);
    s->c->base.ops->describe(&s->c->base, out);
}

static void stream_close(struct backend *b)
{
    struct sql_stream *s = sql_stream_of(b);
    buf_release(&s->out);
    mem_free(s);
}

#define STREAM_OPS(flags_)                                                                                                      \
    {.size = sizeof(struct backend_ops), .name = "sql", .flags = (flags_), .close = stream_close, .read = stream_read,          \
     .restart = stream_restart, .append = stream_append, .wait = stream_wait, .mark = stream_mark,                              \
     .snapshot_save = sql_snapshot_save, .snapshot_due = stream_snapshot_due, .forked = stream_forked,                          \
     .describe = stream_describe, .leases = &sql_leases}

static const struct backend_ops locked_ops = STREAM_OPS(BACKEND_DEFERS), optimistic_ops = STREAM_OPS(BACKEND_OPTIMISTIC | BACKEND_DEFERS);

int sql_stream_open(struct sql_catalog *c, int64_t stream, struct backend **out, struct tl_err *err)
{
    struct sql_stream *s = mem_zalloc(1, sizeof *s);
    uint32_t r = 0;
    if (!s) {
        return err_nomem(err);
    }
    s->base.ops = c->driver->flags & SQL_LOCKED ? &locked_ops : &optimistic_ops;
    s->c = c;
    s->stream = stream;
    s->turn = -1;
    s->rows = ROWS_MOST;
    s->out = (struct buf)BUF_INIT(OUT_MAX);
    if (os->random(&r, sizeof r) >= 0) {
        s->patience = r % (SQL_SNAPSHOT_OPS / 3);
    }
    *out = &s->base;
    return TL_OK;
}
