/* SPDX-License-Identifier: MIT
 *
 * The PostgreSQL driver: libpq in pipeline mode, never blocking.
 *
 * Happy path: the statements of a batch are sent as prepared ones (each is prepared on first use, in the same pipeline) with one sync
 * behind them, which makes them one implicit transaction and one round trip; a payload travels as it is, in binary. At connect one more
 * round trip sets the session up and reads how durable the server really is. Failure modes: a statement that fails takes the transaction
 * with it, and the server goes on behind the sync, so the connection stays good; what follows stands in postgres_failure.c. A connection
 * that is lost after anything was sent leaves SQL_MAYBE, unless a statement had failed before, or the batch only reads. Waiting goes in
 * slices of 50 ms; one that is given up gives up the connection, too: the server may be anywhere.
 *
 * Flushing together: PostgreSQL holds a transaction's locks until its commit is on the disk, so a stream would have as many appends a
 * second as the disk has flushes. Therefore an append commits without waiting, and a second small transaction behind it in the same
 * pipeline writes a message into the log and waits for its own flush, which covers everything before it: then the answer comes. Appends of
 * many clients share flushes that way (as threads do on a journal file), and what was answered is as durable as ever. Others may see an
 * operation a moment before it is durable; so do readers of a file. What conflicted wrote nothing, and waits for no flush.
 *
 * Invariants: the isolation level is READ COMMITTED whatever the server's default is, so each statement sees what was committed before
 * it began, behind the lock that an earlier one waited for. Outside `run` the connection is idle, outside any transaction.
 */
#include <libpq-fe.h>

#include <stdio.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/os.h"
#include "journal/client_library.h"
#include "journal/postgres.h"

#include <trialog/storage.h>

#define API(X)                                                                                                                    \
    X(PQclear) X(PQcmdTuples) X(PQconsumeInput) X(PQerrorMessage) X(PQfinish) X(PQflush) X(PQftype) X(PQgetResult) X(PQgetisnull) \
    X(PQgetlength) X(PQgetvalue) X(PQisBusy) X(PQnfields) X(PQntuples) X(PQpipelineSync) X(PQresultErrorField) X(PQresultStatus)  \
    X(PQsendPrepare) X(PQsendQueryParams) X(PQsendQueryPrepared) X(PQsocket) X(PQtransactionStatus)
static struct {
    API(CLIENT_MEMBER)
} client_table;
static const struct client_symbol symbols[] = {API(CLIENT_SYMBOL)};
static struct client_library library = {POSTGRES_LIBRARY, symbols, TL_COUNT(symbols), &client_table, false};
#define pq client_table

#define MAX_PAYLOAD ((size_t)256 << 20) /* of the 1 GiB that a value may have; memory on both sides is the limit that matters */
#define TYPE_BOOL 16u
#define TYPE_BYTEA 17u
#define TYPE_INT8 20u
#define TYPE_INT2 21u
#define TYPE_INT4 23u

/* What the server says about itself, as text, in the order of SETTINGS. */
enum { SERVER_VERSION, FSYNC, COMMIT, FULL_PAGES, RECOVERY, MESSAGES, N_SETTINGS };
static const char settings_text[] =
    "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit'), "
    "current_setting('full_page_writes'), pg_is_in_recovery()::text, (SELECT count(*) FROM pg_proc "
    "WHERE proname = 'pg_logical_emit_message' AND pg_get_function_arguments(oid) LIKE '%boolean%text%text%' "
    "AND has_function_privilege(oid, 'EXECUTE'))::text";

/* Statements of our own behind those of sql_text.h. */
enum { RAISE_HEAD = SQL_N_TEXTS, FLUSH, HOLD, HOLD_LIMIT, RELEASE, N_STATEMENTS };
#define FLUSH_TEXT                                                                                                                \
    "SELECT pg_logical_emit_message(true, 'trialog', '') WHERE coalesce(current_setting('trialog.wrote', true), '1') <> '0'"

struct sql_conn {
    PGconn *pg;
    bool prepared[N_STATEMENTS];
    bool grouped; /* appends share flushes */
    bool (*cancelled)(void *ctx); /* of the options */
    void *cancelled_ctx;
    char settings[N_SETTINGS][32];
};

static enum sql_end result_failed(const PGresult *r, struct tl_err *err)
{
    const char *state = pq.PQresultErrorField(r, PG_DIAG_SQLSTATE), *text = pq.PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    int code;
    enum sql_end end = postgres_end(state ? state : "", &code);
    err_set(err, code, "PostgreSQL: %s%s%s%s", text ? text : "a statement failed", state ? " (SQLSTATE " : "", state ? state : "",
            state ? ")" : "");
    return end;
}

/* ---- waiting ---- */

/* At most a slice. */
static bool wait_ready(PGconn *pg, int what, int64_t deadline_ns)
{
    int64_t left = deadline_ns == INT64_MAX ? POSTGRES_SLICE_MS : (deadline_ns - os->monotonic_ns()) / 1000000 + 1;
    return os->poll(pq.PQsocket(pg), (enum os_ready)what, left < 1 ? 1 : left > POSTGRES_SLICE_MS ? POSTGRES_SLICE_MS : left) != 0;
}

/* ---- results ---- */

#define STATEMENTS_MAX 48

/* A batch under way. */
struct run {
    struct sql_conn *c;
    struct sql_batch *batch;
    bool preparing[STATEMENTS_MAX + 1]; /* statement i sends a "prepare" in front of itself; behind the last one: the flush */
    bool grouped;
    enum sql_end end;
    bool refused; /* a row was not taken, which the server does not know */
    bool certain; /* the server itself reported a failure, so nothing was or will be committed */
    struct tl_err *err;
};

static int64_t big_endian(const char *p, int n)
{
    int64_t v = n && (*p & 0x80) ? -1 : 0;
    for (int i = 0; i < n; i++) {
        v = (int64_t)((uint64_t)v << 8 | (uint8_t)p[i]);
    }
    return v;
}

static struct sql_value value_of(const PGresult *r, int row, int column)
{
    unsigned type = pq.PQftype(r, column);
    const char *p = pq.PQgetvalue(r, row, column);
    int n = pq.PQgetlength(r, row, column);
    struct sql_value v = sql_bytes((struct str){p, (size_t)n});
    if (type == TYPE_INT8 || type == TYPE_INT4 || type == TYPE_INT2 || type == TYPE_BOOL) {
        v = sql_int(big_endian(p, n));
    }
    v.null = pq.PQgetisnull(r, row, column);
    return v;
}

#define COLUMNS_MAX 16

static void take_rows(struct run *run, size_t statement, const PGresult *r)
{
    struct sql_value columns[COLUMNS_MAX];
    int n = pq.PQnfields(r), rows = pq.PQntuples(r);
    n = n > COLUMNS_MAX ? COLUMNS_MAX : n;
    for (int row = 0; row < rows && run->end == SQL_DONE; row++) {
        for (int i = 0; i < n; i++) {
            columns[i] = value_of(r, row, i);
        }
        if (run->batch->row(run->batch->ctx, statement, columns, (size_t)n, run->err) != 0) {
            run->end = SQL_FAILED;
            run->refused = true;
        }
    }
}

/* By what number statement `i` is prepared; the one behind the last is the flush. */
static int prepared_as(const struct run *run, size_t i)
{
    if (i >= run->batch->n) {
        return FLUSH;
    }
    int id = (int)run->batch->statements[i].id;
    return run->grouped && id == SQL_RAISE_HEAD ? RAISE_HEAD : id;
}

/* A failure of statement `i`, or of the commit behind the last one. One without SQLSTATE is libpq's own: the connection is lost. One of
 * class 57P says that the server ends the connection, perhaps just behind a commit. */
static void take_failure(struct run *run, size_t i, const PGresult *r)
{
    const char *state = pq.PQresultErrorField(r, PG_DIAG_SQLSTATE);
    if (run->end != SQL_DONE) {
        return;
    }
    run->end = result_failed(r, run->err);
    run->certain = state && strncmp(state, "57P", 3) != 0 && strncmp(state, "08", 2) != 0;
    if (state && (strcmp(state, "26000") == 0 || strcmp(state, "42P05") == 0 || strcmp(state, "0A000") == 0)) {
        memset(run->c->prepared, 0, sizeof run->c->prepared);
        run->c->prepared[prepared_as(run, i)] = strcmp(state, "42P05") == 0;
    }
}

/* One result of statement `i`, or of the commit behind the last one. */
static void take_result(struct run *run, size_t i, bool prepare, const PGresult *r)
{
    struct sql_statement *s = i < run->batch->n ? &run->batch->statements[i] : NULL;
    ExecStatusType status = pq.PQresultStatus(r);
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
        take_failure(run, i, r);
    } else if (prepare && status == PGRES_COMMAND_OK) {
        run->c->prepared[prepared_as(run, i)] = true;
    } else if (s && status == PGRES_TUPLES_OK && prepared_as(run, i) == RAISE_HEAD) {
        s->changed = value_of(r, 0, 0).i;
    } else if (s && (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)) {
        const char *count = pq.PQcmdTuples((PGresult *)r);
        s->changed = 0;
        (void)num_parse_int(count, count + strlen(count), &s->changed);
        if (status == PGRES_TUPLES_OK && run->batch->row) {
            take_rows(run, i, r);
        }
    }
}

/* Sends and receives until a result is there. SQL_DONE, or SQL_GONE: the connection is of no use (err is set). */
static enum sql_end advance(struct run *run, PGresult **out)
{
    PGconn *pg = run->c->pg;
    for (;;) {
        int unsent = pq.PQflush(pg);
        if (unsent < 0) {
            break;
        }
        if (!pq.PQisBusy(pg)) {
            *out = pq.PQgetResult(pg);
            return SQL_DONE;
        }
        if (run->batch->cancelled && run->batch->cancelled(run->batch->cancelled_ctx)) {
            err_set(run->err, TL_ECANCELLED, "cancelled while waiting for PostgreSQL");
            return SQL_GONE;
        }
        if (postgres_late(run->batch->deadline_ns)) {
            err_set(run->err, TL_EUNAVAILABLE, "PostgreSQL did not answer in time");
            return SQL_GONE;
        }
        if (wait_ready(pg, OS_READABLE | (unsent ? OS_WRITABLE : 0), run->batch->deadline_ns) && !pq.PQconsumeInput(pg)) {
            break;
        }
    }
    postgres_set_error(run->err, TL_ENET, pq.PQerrorMessage(pg));
    return SQL_GONE;
}

/* Takes in all results up to the sync: for each command its results and a NULL. A connection that is lost ends with NULLs alone. */
static enum sql_end receive(struct run *run)
{
    size_t i = 0;
    int syncs = 0;
    bool prepare = run->preparing[0], any = false, committed = false;
    for (;;) {
        PGresult *r = NULL;
        struct tl_err later = TL_ERR_INIT, *err = run->err;
        run->err = run->end == SQL_DONE ? err : &later; /* the first failure is the one to tell */
        enum sql_end end = advance(run, &r);
        if (end == SQL_DONE && r) {
            take_result(run, i, prepare, r);
        }
        run->err = err;
        if (end != SQL_DONE || (!r && !any)) {
            if (run->end == SQL_DONE && end == SQL_DONE) {
                postgres_set_error(err, TL_ENET, pq.PQerrorMessage(run->c->pg));
            }
            return run->certain ? SQL_GONE : SQL_MAYBE;
        }
        any = r != NULL;
        bool sync = r && pq.PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        if (r) {
            pq.PQclear(r);
        }
        if (sync && (!run->grouped || ++syncs == 2)) {
            return run->refused ? SQL_MAYBE : run->end == SQL_DONE || !committed ? run->end : SQL_MAYBE;
        }
        if (sync) {
            committed = run->end == SQL_DONE;
            any = false;
        } else if (!r && prepare) {
            prepare = false;
        } else if (!r) {
            prepare = ++i <= run->batch->n && run->preparing[i];
        }
    }
}

/* ---- sending ---- */

/* Sends a statement, prepared; `i` is its place in the batch. Behind a pooler other clients may have prepared statements on the same
 * server: same name, same text. */
static bool send_prepared(struct run *run, size_t i, const char *text, int n, const Oid *types, const char *const *values,
                          const int *lengths, const int *formats)
{
    char name[32];
    int id = prepared_as(run, i);
    snprintf(name, sizeof name, "trialog%d_%08x", id, (unsigned)crc32c(0, text, strlen(text)));
    run->preparing[i] = !run->c->prepared[id];
    for (size_t before = 0; before < i; before++) {
        run->preparing[i] &= prepared_as(run, before) != id;
    }
    return (!run->preparing[i] || pq.PQsendPrepare(run->c->pg, name, text, n, types)) &&
           pq.PQsendQueryPrepared(run->c->pg, name, n, values, lengths, formats, 1);
}

static bool send_statement(struct run *run, size_t i)
{
    struct sql_statement *s = &run->batch->statements[i];
    const char *values[SQL_PARAMS_MAX];
    int lengths[SQL_PARAMS_MAX], formats[SQL_PARAMS_MAX], n = (int)s->n_params;
    Oid types[SQL_PARAMS_MAX];
    char numbers[SQL_PARAMS_MAX][8], raise[600];
    for (int p = 0; p < n; p++) {
        const struct sql_value *v = &s->params[p];
        bool is_int = v->kind == SQL_INT;
        types[p] = is_int ? TYPE_INT8 : TYPE_BYTEA;
        for (int b = 0; b < 8; b++) {
            numbers[p][b] = (char)((uint64_t)v->i >> (56 - 8 * b));
        }
        values[p] = v->null ? NULL : is_int ? numbers[p] : v->bytes.n ? v->bytes.p : "";
        lengths[p] = is_int ? 8 : (int)v->bytes.n;
        formats[p] = 1;
    }
    if (prepared_as(run, i) != RAISE_HEAD) {
        return send_prepared(run, i, s->text, n, types, values, lengths, formats);
    }
    snprintf(raise, sizeof raise, "WITH raised AS (%s RETURNING 1) SELECT count(*), set_config('trialog.wrote', count(*)::text, false), "
             "set_config('synchronous_commit', 'off', true) FROM raised", s->text);
    return send_prepared(run, i, raise, n, types, values, lengths, formats);
}

/* The batch and its sync; behind an append the flush and its own. */
static bool send_batch(struct run *run)
{
    for (size_t i = 0; i < run->batch->n; i++) {
        if (!send_statement(run, i)) {
            return false;
        }
    }
    return pq.PQpipelineSync(run->c->pg) &&
           (!run->grouped || (send_prepared(run, run->batch->n, FLUSH_TEXT, 0, NULL, NULL, NULL, NULL) && pq.PQpipelineSync(run->c->pg)));
}

static enum sql_end check_batch(const struct sql_batch *batch, struct tl_err *err)
{
    if (batch->cancelled && batch->cancelled(batch->cancelled_ctx)) {
        err_set(err, TL_ECANCELLED, "cancelled");
        return SQL_FAILED;
    }
    for (size_t i = 0; i < batch->n; i++) {
        for (size_t p = 0; p < batch->statements[i].n_params; p++) {
            if (batch->statements[i].params[p].bytes.n > MAX_PAYLOAD) {
                err_set(err, TL_ELIMIT, "%zu bytes are too much for one value in PostgreSQL", batch->statements[i].params[p].bytes.n);
                return SQL_FAILED;
            }
        }
    }
    return SQL_DONE;
}

static enum sql_end run_batch(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    struct run run = {.c = c, .batch = batch, .end = SQL_DONE, .err = err};
    bool reads = batch->flags & SQL_READ_ONLY;
    enum sql_end end = check_batch(batch, err);
    if (end != SQL_DONE) {
        return end;
    }
    if (batch->n > STATEMENTS_MAX) {
        err_set(err, TL_EINTERNAL, "a batch of %zu statements", batch->n);
        return SQL_FAILED;
    }
    for (size_t i = 0; i < batch->n; i++) {
        run.grouped |= c->grouped && (batch->flags & SQL_COMMIT) && batch->statements[i].id == SQL_RAISE_HEAD;
    }
    if (!send_batch(&run)) {
        postgres_set_error(err, TL_ENET, pq.PQerrorMessage(c->pg));
        return reads ? SQL_GONE : SQL_MAYBE;
    }
    end = receive(&run);
    return end != SQL_MAYBE || !reads ? end : run.refused ? SQL_FAILED : SQL_GONE;
}

/* ---- transactions that are held between two batches ---- */

struct held {
    struct sql_batch *batch;
    size_t before; /* statements of ours in front */
};

static int held_row(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *err)
{
    const struct held *h = ctx;
    return statement < h->before ? 0 : h->batch->row(h->batch->ctx, statement - h->before, columns, n, err);
}

static void add_ours(struct sql_batch *all, int id, const char *text)
{
    all->statements[all->n++] = (struct sql_statement){.id = (enum sql_text)id, .text = text};
}

/* A batch that opens a transaction or ends one: with BEGIN or COMMIT in so many words. The server ends it, and the session, when its holder
 * is silent for five seconds. */
static enum sql_end run_held(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    struct sql_statement statements[STATEMENTS_MAX];
    struct held h = {batch, batch->flags & SQL_BEGIN ? 2 : 0};
    struct sql_batch all = *batch;
    if (batch->n + 2 > STATEMENTS_MAX) {
        err_set(err, TL_EINTERNAL, "a batch of %zu statements", batch->n);
        return SQL_FAILED;
    }
    all.statements = statements;
    all.n = 0;
    all.row = batch->row ? held_row : NULL;
    all.ctx = &h;
    if (batch->flags & SQL_BEGIN) {
        add_ours(&all, HOLD, "BEGIN");
        add_ours(&all, HOLD_LIMIT, "SET LOCAL idle_in_transaction_session_timeout = '5s'");
    }
    for (size_t i = 0; i < batch->n; i++) {
        all.statements[all.n++] = batch->statements[i];
    }
    if (batch->flags & SQL_COMMIT) {
        add_ours(&all, RELEASE, "COMMIT");
    }
    enum sql_end end = run_batch(c, &all, err);
    for (size_t i = 0; i < batch->n; i++) {
        batch->statements[i].changed = statements[h.before + i].changed;
    }
    return end;
}

static bool postgres_rollback(struct sql_conn *c, int64_t deadline_ns);

static enum sql_end postgres_run(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    bool begin = batch->flags & SQL_BEGIN, commit = batch->flags & SQL_COMMIT;
    enum sql_end end = begin != commit ? run_held(c, batch, err) : run_batch(c, batch, err);
    if (pq.PQtransactionStatus(c->pg) == PQTRANS_INERROR) {
        (void)postgres_rollback(c, batch->deadline_ns); /* a connection that is lost shows in its next use */
    }
    return end;
}

/* ---- text, for setting up ---- */

struct texts {
    int (*row)(void *ctx, const PGresult *r);
    void *ctx;
};

/* Runs statements without parameters as one transaction; results in text form. */
static enum sql_end run_texts(struct sql_conn *c, const char *const *texts, size_t n, const char *param, int64_t deadline_ns,
                              const struct texts *rows, struct tl_err *err)
{
    struct sql_batch batch = {.n = n, .flags = SQL_BEGIN | SQL_COMMIT, .deadline_ns = deadline_ns, .cancelled = c->cancelled,
                              .cancelled_ctx = c->cancelled_ctx};
    struct run run = {.c = c, .batch = &batch, .end = SQL_DONE, .err = err};
    bool sent = true, done = false;
    for (size_t i = 0; i < n && sent; i++) {
        sent = pq.PQsendQueryParams(c->pg, texts[i], param ? 1 : 0, NULL, param ? &param : NULL, NULL, NULL, 0);
    }
    if (!sent || !pq.PQpipelineSync(c->pg)) {
        postgres_set_error(err, TL_ENET, pq.PQerrorMessage(c->pg));
        return SQL_GONE;
    }
    for (bool any = true; !done;) {
        PGresult *r = NULL;
        if (advance(&run, &r) != SQL_DONE) {
            return SQL_GONE;
        }
        if (!r && !any) {
            postgres_set_error(err, TL_ENET, pq.PQerrorMessage(c->pg));
            return SQL_GONE;
        }
        any = r != NULL;
        ExecStatusType status = r ? pq.PQresultStatus(r) : PGRES_COMMAND_OK;
        done = status == PGRES_PIPELINE_SYNC;
        if (r && status == PGRES_TUPLES_OK && rows) {
            rows->row(rows->ctx, r);
        } else if (r && status == PGRES_FATAL_ERROR && run.end == SQL_DONE) {
            run.end = result_failed(r, err);
        }
        if (r) {
            pq.PQclear(r);
        }
    }
    return run.end;
}

static bool postgres_rollback(struct sql_conn *c, int64_t deadline_ns)
{
    const char *const text = "ROLLBACK";
    struct tl_err err = TL_ERR_INIT;
    return pq.PQtransactionStatus(c->pg) == PQTRANS_IDLE || run_texts(c, &text, 1, NULL, deadline_ns, NULL, &err) == SQL_DONE;
}

static int take_settings(void *ctx, const PGresult *r)
{
    struct sql_conn *c = ctx;
    for (int i = 0; i < N_SETTINGS && pq.PQntuples(r) == 1 && i < pq.PQnfields(r); i++) {
        const char *text = pq.PQgetvalue(r, 0, i);
        size_t n = strcspn(text, " "); /* "15.4 (Debian 15.4-1)" */
        n = n < sizeof c->settings[i] ? n : sizeof c->settings[i] - 1;
        memcpy(c->settings[i], text, n);
        c->settings[i][n] = 0;
    }
    return 0;
}

/* Full durability is ours to ask for: who wants it gets it even where the server's default is to answer early. */
static enum sql_end set_up(struct sql_conn *c, const struct tl_storage_options *options, int64_t deadline_ns, struct tl_err *err)
{
    const char *commit = options->durability != TL_DURABILITY_FULL ? "SET synchronous_commit = off"
                         : "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
    const char *const texts[] = {
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
        "SET client_min_messages = warning",
        "SET statement_timeout = 0",
        "SET lock_timeout = '10s'", /* a wait that is given up by the server leaves the connection in order */
        /* A host that vanishes when half of a request has arrived leaves the stream locked: the server is to notice within half a minute */
        "SET tcp_keepalives_idle = 10",
        "SET tcp_keepalives_interval = 5",
        "SET tcp_keepalives_count = 3",
        commit,
        settings_text,
    };
    struct texts rows = {take_settings, c};
    enum sql_end end = run_texts(c, texts, TL_COUNT(texts), NULL, deadline_ns, &rows, err);
    c->grouped = options->durability == TL_DURABILITY_FULL && strcmp(c->settings[FSYNC], "on") == 0 &&
                 strcmp(c->settings[COMMIT], "off") != 0 && strcmp(c->settings[MESSAGES], "1") == 0;
    return end;
}

/* ---- the driver ---- */

static void postgres_close(struct sql_conn *c)
{
    if (c->pg) {
        pq.PQfinish(c->pg); /* non-blocking: says good-bye if there is room for it */
    }
    mem_free(c);
}

static enum sql_end postgres_connect(struct url *url, const struct tl_storage_options *options, int64_t deadline_ns, struct sql_conn **out,
                                     struct tl_err *err)
{
    struct sql_conn *c;
    if (client_library_open(&library, err) != TL_OK) {
        return SQL_FAILED;
    }
    c = mem_zalloc(1, sizeof *c);
    if (!c) {
        err_nomem(err);
        return SQL_FAILED;
    }
    c->cancelled = options->cancelled;
    c->cancelled_ctx = options->cancelled_ctx;
    enum sql_end end = postgres_open(url, options, deadline_ns, &c->pg, err);
    if (end == SQL_DONE && c->pg) {
        end = set_up(c, options, deadline_ns, err);
        end = end == SQL_GONE ? SQL_AGAIN : end;
    }
    if (end != SQL_DONE) {
        postgres_close(c);
        return end;
    }
    *out = c;
    return SQL_DONE;
}

/* PQfinish would end the parent's session. */
static void postgres_abandon(struct sql_conn *c)
{
    (void)os->close(pq.PQsocket(c->pg));
    mem_free(c);
}

static int count_rows(void *ctx, const PGresult *r)
{
    *(bool *)ctx = pq.PQntuples(r) > 0;
    return 0;
}

static enum sql_end postgres_has_table(struct sql_conn *c, const char *name, bool *out, int64_t deadline_ns, struct tl_err *err)
{
    static const char *const text = "SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1::text AND relkind IN ('r', 'p', 'v', 'f') "
                                    "AND pg_catalog.pg_table_is_visible(oid)";
    bool found = false;
    struct texts rows = {count_rows, &found};
    enum sql_end end = run_texts(c, &text, 1, name, deadline_ns, &rows, err);
    if (end == SQL_DONE) {
        *out = found;
    }
    return end;
}

/* CREATE TABLE IF NOT EXISTS of two sessions at once may fail: the system catalogue's own keys collide. The lock is one that nobody
 * else has a reason to take ("trialog" in ASCII). */
#define SCHEMA_MAX 16
static enum sql_end postgres_create_schema(struct sql_conn *c, const char *const *statements, size_t n, int64_t deadline_ns,
                                           struct tl_err *err)
{
    const char *texts[SCHEMA_MAX + 2] = {"SELECT set_config('lock_timeout', '0', true)", "SELECT pg_advisory_xact_lock(32777051498393447)"};
    if (n > SCHEMA_MAX) {
        err_set(err, TL_EINTERNAL, "a schema of %zu statements", n);
        return SQL_FAILED;
    }
    memcpy(texts + 2, statements, n * sizeof *statements);
    enum sql_end end = run_texts(c, texts, n + 2, NULL, deadline_ns, NULL, err);
    if (end == SQL_FAILED && err && err->code == TL_EACCESS) {
        (void)err_wrap(err, TL_EACCESS, "the tables cannot be created (GRANT CREATE ON SCHEMA … TO this user, or let its owner open the "
                       "storage once)");
    }
    return end;
}

static void postgres_describe(struct sql_conn *c, struct buf *out)
{
    bool on = strcmp(c->settings[COMMIT], "off") != 0, sync = strcmp(c->settings[FSYNC], "on") == 0;
    buf_printf(out, " durability=%s", !sync ? "none" : !on ? "relaxed" : "full");
    buf_printf(out, " fsync=%s synchronous_commit=%s full_page_writes=%s server=%s", c->settings[FSYNC], c->settings[COMMIT],
               c->settings[FULL_PAGES], c->settings[SERVER_VERSION]);
    if (strcmp(c->settings[RECOVERY], "true") == 0) {
        buf_add_text(out, " standby=yes");
    }
}

const struct sql_driver postgres_driver = {
    .size = sizeof(struct sql_driver),
    .name = "postgresql",
    .dialect = {
        .numbered = true,
        .int_ = "BIGINT",
        .name = "BYTEA",
        .short_ = "BYTEA",
        .bytes = "BYTEA",
        .now = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        .for_update = " FOR UPDATE",
        .dual = "",
        .least = "LEAST",
        .table_end = "",
    },
    .max_payload = MAX_PAYLOAD,
    .connect = postgres_connect,
    .close = postgres_close,
    .abandon = postgres_abandon,
    .run = postgres_run,
    .rollback = postgres_rollback,
    .has_table = postgres_has_table,
    .create_schema = postgres_create_schema,
    .describe = postgres_describe,
};
