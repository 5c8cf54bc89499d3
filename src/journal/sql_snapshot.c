/* SPDX-License-Identifier: MIT
 *
 * Snapshots of a SQL stream, in parts, and trimming the stream to them.
 *
 * Happy path of saving: the turn is taken, so that of all handles that find a snapshot due one saves it; parts are inserted one by one
 * under the position that they belong to, nobody is held up; then one transaction makes them the stream's snapshot, moves the base to a
 * little before it and deletes operations and parts that nobody needs, and the numbers of writers who have been silent for a week (each
 * command of its own is one). Of several who save at once the one with the newest position wins. Loading: the parts in order; when one is
 * gone, a newer snapshot took its place, and loading begins anew.
 * Failure modes: who dies in between leaves parts behind that the next snapshot removes. Invariants: base <= position of the snapshot;
 * a snapshot is announced only when all its parts are there; operations are deleted in the transaction that announces it.
 */
#include "journal/sql_inside.h"

#include "base/err.h"
#include "base/os.h"

#define LOADS_MOST 20
#define WRITER_KEPT_US (INT64_C(7) * 24 * 3600 * 1000000) /* a request that was under way for so long does not arrive any more */
#define TURN_US INT64_C(500000)     /* who saves says so again with each part */
#define TURN_LOCAL_US INT64_C(5000) /* a local database takes a hundred operations meanwhile, should he be held up */
#define PAUSE_NS (50 * SQL_MS)      /* before who came too late looks again, unless a snapshot appears */
#define PAUSE_LOCAL_NS (5 * SQL_MS)

/* ---- loading ---- */

struct source {
    struct piece_source in;
    struct sql_stream *s;
    int64_t seq, part, deadline_ns;
    struct sql_rows rows; /* the part being read */
    bool gone;
};

static int fetch(struct piece_source *in, struct str *piece, struct tl_err *err)
{
    struct source *from = (struct source *)(void *)in;
    struct sql_catalog *c = from->s->c;
    size_t at = 0;
    struct sql_statement st =
        SQL_STATEMENT(c, SQL_PART_GET, sql_int(from->s->stream), sql_int(from->seq), sql_int(from->part));
    int rc = sql_do(c, SQL_READS, &st, 1, &from->rows, from->deadline_ns, err);
    const struct sql_row *row = rc == TL_OK ? sql_rows_next(&from->rows, 0, &at) : NULL;
    if (rc == TL_OK && (!row || row->columns[0].bytes.n == 0)) {
        from->gone = true;
        return err_set(err, TL_EUNAVAILABLE, "a newer snapshot took the place of this one");
    }
    if (rc == TL_OK) {
        *piece = row->columns[0].bytes;
        from->part++;
    }
    return rc;
}

/* 1: loaded; 0: it was replaced meanwhile; < 0. */
static int load_once(struct sql_stream *s, const struct deliver *d, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_rows rows = {0};
    size_t at = 0;
    struct tl_err why = TL_ERR_INIT;
    struct sql_statement st = SQL_STATEMENT(s->c, SQL_SNAPSHOT, sql_int(s->stream));
    int rc = sql_do(s->c, SQL_READS, &st, 1, &rows, deadline_ns, err);
    const struct sql_row *row = rc == TL_OK ? sql_rows_next(&rows, 0, &at) : NULL;
    int64_t seq = row ? row->columns[0].i : 0, bytes = row ? row->columns[1].i : 0;
    sql_rows_release(&rows);
    if (rc == TL_OK && (seq <= 0 || bytes <= 0)) {
        rc = err_set(err, TL_ECORRUPT, "the database is damaged: study %lld was trimmed but has no snapshot", (long long)s->stream);
    }
    if (rc != TL_OK) {
        return rc;
    }
    struct source from = {.in = {.base = {piece_read, (uint64_t)bytes}, .fetch = fetch}, .s = s, .seq = seq, .deadline_ns = deadline_ns};
    rc = d->image(d->ctx, (uint64_t)seq, &from.in.base, &why);
    sql_rows_release(&from.rows);
    if (rc == TL_OK) {
        s->position = (uint64_t)seq;
        s->has_last = false;
        s->image_bytes = (uint64_t)bytes;
        s->bytes_since = 0;
        return 1;
    }
    if (from.gone) {
        return 0;
    }
    if (err) {
        *err = why;
    }
    return rc == TL_ECORRUPT ? err_wrap(err, rc, "snapshot of study %lld in the database", (long long)s->stream) : rc;
}

int sql_snapshot_deliver(struct sql_stream *s, const struct deliver *d, int64_t deadline_ns, struct tl_err *err)
{
    int rc = 0;
    for (int i = 0; i < LOADS_MOST && rc == 0; i++) {
        rc = load_once(s, d, deadline_ns, err);
    }
    if (rc == 0) {
        return err_set(err, TL_EUNAVAILABLE, "snapshots of study %lld are replaced faster than they can be read", (long long)s->stream);
    }
    return rc > 0 ? TL_OK : rc;
}

/* ---- saving ---- */

static bool is_local(const struct sql_stream *s)
{
    return s->c->driver->flags & SQL_LOCKED;
}

static int64_t turn_us(const struct sql_stream *s)
{
    return is_local(s) ? TURN_LOCAL_US : TURN_US;
}

struct sink {
    struct piece_sink out;
    struct sql_stream *s;
    int64_t seq, parts;
};

static int put(struct piece_sink *out, struct str piece, struct tl_err *err)
{
    struct sink *to = (struct sink *)(void *)out;
    struct sql_catalog *c = to->s->c;
    struct sql_value v[] = {sql_int(to->s->stream), sql_int(to->seq), sql_int(to->parts), sql_bytes(piece)};
    struct sql_statement st[] = {SQL_STATEMENT(c, SQL_PART_PUT, v[0], v[1], v[2], v[3]),
                                 SQL_STATEMENT(c, SQL_SAVE_GOES_ON, sql_int(turn_us(to->s)), v[0], sql_bytes(STR("")))};
    to->parts++;
    return sql_do(c, SQL_WRITES, st, TL_COUNT(st), NULL, sql_deadline(c->options.timeout_ms), err);
}

static int publish(struct sink *to, bool *published, struct tl_err *err)
{
    struct sql_catalog *c = to->s->c;
    struct sql_value id = sql_int(to->s->stream), seq = sql_int(to->seq), parts = sql_int(to->parts),
                     base = sql_int(to->seq > SQL_KEEP ? to->seq - SQL_KEEP : 0);
    struct sql_statement st[] = {
        SQL_STATEMENT(c, SQL_LOCK, id),
        SQL_STATEMENT(c, SQL_PUBLISH, seq, sql_int((int64_t)to->out.total), base, base, id, seq, seq, id, seq, parts),
        SQL_STATEMENT(c, SQL_TRIM_PARTS, id, id),
        SQL_STATEMENT(c, SQL_TRIM, id, id),
        SQL_STATEMENT(c, SQL_TRIM_WRITERS, id, sql_int(WRITER_KEPT_US), sql_bytes(STR(""))),
        SQL_STATEMENT(c, SQL_SAVE_ENDS, id, sql_bytes(STR(""))),
    };
    int rc = sql_do(c, SQL_WRITES, st, TL_COUNT(st), NULL, sql_deadline(c->options.timeout_ms), err);
    *published = rc == TL_OK && st[1].changed > 0;
    return rc;
}

bool sql_snapshot_turn(struct sql_stream *s)
{
    struct tl_err err = TL_ERR_INIT; /* a server that does not answer now is asked again */
    int64_t deadline = sql_deadline(s->c->options.timeout_ms);
    if (sql_enter(s->c, deadline, &err) != TL_OK) {
        return false;
    }
    struct sql_statement st = SQL_STATEMENT(s->c, SQL_SAVE_TURN, sql_int(turn_us(s)), sql_int(s->stream), sql_bytes(STR("")),
                                            sql_int((int64_t)s->position - SQL_SNAPSHOT_OPS / 2));
    bool ours = sql_do(s->c, SQL_WRITES, &st, 1, NULL, deadline, &err) == TL_OK && st.changed > 0;
    if (!ours) {
        atomic_store(&s->due, SNAPSHOT_NOT_DUE);
        s->save_after_ns = os->monotonic_ns() + (is_local(s) ? PAUSE_LOCAL_NS : PAUSE_NS);
    }
    sql_leave(s->c);
    return ours;
}

/* Takes back what was not published. */
static void give_up(struct sink *to)
{
    struct sql_catalog *c = to->s->c;
    struct sql_value id = sql_int(to->s->stream), seq = sql_int(to->seq);
    struct sql_statement st[] = {SQL_STATEMENT(c, SQL_PARTS_DROP, id, seq, id),
                                 SQL_STATEMENT(c, SQL_SAVE_ENDS, id, sql_bytes(STR("")))};
    (void)sql_do(c, SQL_WRITES, st, TL_COUNT(st), NULL, sql_deadline(c->options.timeout_ms), NULL);
}

int sql_snapshot_save(struct backend *b, const struct backend_mark *at,
                      int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx, struct tl_err *err)
{
    struct sink to = {.s = sql_stream_of(b), .seq = (int64_t)at->offset};
    bool published = false;
    if (to.seq == 0) {
        return TL_OK;
    }
    int rc = piece_sink_init(&to.out, SQL_PART_BYTES, put, err);
    if (rc == TL_OK) {
        rc = produce(ctx, &to.out.base, err);
    }
    if (rc == TL_OK) {
        rc = piece_flush(&to.out, err);
    }
    if (rc == TL_OK) {
        rc = publish(&to, &published, err);
    }
    piece_sink_release(&to.out);
    if (rc == TL_EEXISTS) { /* there is one at this position, or somebody is at it */
        return TL_OK;
    }
    if (!published) {
        give_up(&to);
    }
    return rc;
}
