/* SPDX-License-Identifier: MIT
 *
 * Leases in a SQL database: columns of the worker's row in trialog_writer, by the database's clock.
 *
 * Happy path: appends renew the lease by the way; a thread renews it when there are none. Who looks compares two times of one clock. A
 * look that finds somebody late notes that, so that a later look, by whomever, can tell late from lost: as on a file, one look never
 * condemns. Looks are shared by a counter in the row with the empty name.
 * Failure modes: those of the connection. Invariants: a row stays when its lease goes, because it holds the writer's number.
 */
#include "journal/sql_inside.h"

#include "base/err.h"
#include "base/os.h"

#define US_PER_MS 1000

static int run(struct sql_stream *s, enum sql_how how, struct sql_statement *st, size_t n, struct sql_rows *rows, struct tl_err *err)
{
    return sql_do(s->c, how, st, n, rows, sql_deadline(s->c->options.timeout_ms), err);
}

static int lease_take(struct backend *b, const char *worker, const struct lease *lease, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    struct sql_value id = sql_int(s->stream), w = sql_bytes(str_of(worker));
    struct sql_statement st[] = {
        SQL_STATEMENT(s->c, SQL_LOCK, id), /* of two who make the row at once one would fail */
        SQL_STATEMENT(s->c, SQL_NEW_WRITER, id, w, id, w),
        SQL_STATEMENT(s->c, SQL_TAKE, sql_int(lease->length_ms), sql_int(lease->retries), sql_int(lease->left), id, w),
    };
    return run(s, SQL_WRITES, st, TL_COUNT(st), NULL, err);
}

static int lease_renew(struct backend *b, const char *worker, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    struct sql_statement st = SQL_STATEMENT(s->c, SQL_RENEW, sql_int(s->stream), sql_bytes(str_of(worker)));
    int rc = run(s, SQL_WRITES, &st, 1, NULL, err);
    return rc == TL_OK ? st.changed > 0 : rc;
}

static int lease_now(struct backend *b, enum lease_clock what_for, int64_t *now, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    struct sql_rows rows = {0};
    struct sql_value id = sql_int(s->stream), clock = sql_bytes(STR(""));
    struct sql_statement st[] = {
        SQL_STATEMENT(s->c, SQL_NOW, clock, id),
        SQL_STATEMENT(s->c, SQL_TURN, id, clock, sql_int(s->turn)),
    };
    size_t at = 0;
    int rc = sql_enter(s->c, sql_deadline(s->c->options.timeout_ms), err);
    if (rc != TL_OK) {
        return rc;
    }
    rc = run(s, SQL_READS, st, 1, &rows, err);
    const struct sql_row *row = rc == TL_OK ? sql_rows_next(&rows, 0, &at) : NULL;
    if (rc == TL_OK && !row) {
        rc = err_set(err, TL_ENOTFOUND, "study %lld is not in the database any more", (long long)s->stream);
    }
    bool ours = true;
    if (rc == TL_OK) {
        int64_t counter = row->columns[1].null ? 0 : row->columns[1].i;
        *now = row->columns[0].i;
        if (what_for == LEASE_CLOCK_IN_TURN) {
            ours = s->turn < 0 || s->turn == counter;
            st[1].params[2] = sql_int(counter);
            rc = ours ? run(s, SQL_WRITES, &st[1], 1, NULL, err) : TL_OK;
            ours = ours && rc == TL_OK && st[1].changed > 0;
            s->turn = ours ? counter + 1 : counter;
        }
    }
    sql_leave(s->c);
    sql_rows_release(&rows);
    return rc < 0 ? rc : ours;
}

static int lease_look(struct backend *b, const char *worker, int64_t now, bool judge, struct lease_seen *out, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    struct sql_rows rows = {0};
    struct sql_value id = sql_int(s->stream), w = sql_bytes(str_of(worker));
    struct sql_statement st = SQL_STATEMENT(s->c, SQL_LOOK, id, w);
    size_t at = 0;
    int rc = run(s, SQL_READS, &st, 1, &rows, err);
    const struct sql_row *row = rc == TL_OK ? sql_rows_next(&rows, 0, &at) : NULL;
    struct lease_seen seen = {.state = LEASE_NONE};
    if (row && row->columns[1].i > 0) {
        const struct sql_value *v = row->columns;
        int64_t beat = v[0].i, length = v[1].i * US_PER_MS, late_at = v[4].i, late_beat = v[5].i, age = now - beat;
        seen.lease = (struct lease){v[1].i, (uint32_t)v[2].i, v[3].i != 0};
        seen.age_ms = age / US_PER_MS;
        /* a beat far in the future: the database's clock was set back since */
        seen.state = age <= length / 2 && age >= -length ? LEASE_ALIVE : LEASE_LATE;
        if (seen.state == LEASE_LATE && judge && late_at != 0 && late_beat == beat) {
            int64_t noted = now - late_at;
            bool lost = age < 0 ? noted > length : age > length && noted >= length / 5 * 2;
            seen.state = lost ? LEASE_LOST : LEASE_LATE;
        } else if (seen.state == LEASE_LATE && judge) {
            struct sql_statement late = SQL_STATEMENT(s->c, SQL_LATE, sql_int(now), id, w, sql_int(beat));
            rc = run(s, SQL_WRITES, &late, 1, NULL, err);
        }
    }
    sql_rows_release(&rows);
    if (rc == TL_OK) {
        *out = seen;
    }
    return rc;
}

static int lease_drop(struct backend *b, const char *worker, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    struct sql_statement st = SQL_STATEMENT(s->c, SQL_DROP, sql_int(s->stream), sql_bytes(str_of(worker)));
    return run(s, SQL_WRITES, &st, 1, NULL, err);
}

static int lease_each(struct backend *b, int (*each)(void *ctx, const char *worker), void *ctx, struct tl_err *err)
{
    struct sql_stream *s = sql_stream_of(b);
    struct sql_rows rows = {0};
    struct sql_statement st = SQL_STATEMENT(s->c, SQL_LEASES, sql_int(s->stream));
    size_t at = 0;
    int rc = run(s, SQL_READS, &st, 1, &rows, err);
    const struct sql_row *row;
    while (rc == TL_OK && (row = sql_rows_next(&rows, 0, &at)) != NULL) {
        struct str worker = row->columns[0].bytes;
        if (worker.n > 0 && !memchr(worker.p, 0, worker.n)) {
            rc = each(ctx, worker.p); /* arena_dup put a NUL behind it */
        }
    }
    sql_rows_release(&rows);
    return rc;
}

const struct lease_ops sql_leases = {
    .take = lease_take, .renew = lease_renew, .now = lease_now, .look = lease_look, .drop = lease_drop, .each = lease_each};
