/* SPDX-License-Identifier: MIT
 *
 * What a SQL driver provides, and nothing more: a connection that runs batches of statements. Schema, catalog, streams, leases,
 * snapshots, trimming, retries and reconnecting are sql*.c's, on top of it, with the statements of sql_text.h.
 *
 * Threads: sql.c calls a connection from one thread at a time. Drivers keep no state of their own outside a connection.
 *
 * A driver does not retry, except inside one call of the client library. It sorts failures into enum sql_end, and sql.c does what
 * follows from that, with jitter, until the time limit: so the sorting is the important part. When in doubt: SQL_MAYBE rather than
 * SQL_AGAIN or SQL_GONE after a commit may have reached the server; sql.c finds out (appends carry the writer's number and are harmless
 * when repeated).
 */
#ifndef TL_SQL_H
#define TL_SQL_H

#include "base/base.h"
#include "base/buf.h"
#include "journal/sql_text.h"
#include "journal/url.h"

struct tl_storage_options;
struct catalog;
struct sql_conn; /* a driver's own connection */

/* How a call of a driver ended. `err` is set (message for people, without password) whenever it is not SQL_DONE. */
enum sql_end {
    SQL_DONE,
    SQL_AGAIN,  /* nothing of it happened, the transaction was rolled back, the connection is good: deadlock, serialisation failure,
                 * lock timeout (MariaDB 1020, 1205, 1213; PostgreSQL 40001, 40P01, 55P03; SQLITE_BUSY); from connect: too many connections,
                 * server starting, stopping or not there (yet), connection refused or reset */
    SQL_GONE,   /* the connection is of no use any more, and nothing of the batch was committed (it failed before the commit was sent) */
    SQL_MAYBE,  /* the connection is of no use any more, and the batch may have been committed, or may yet be */
    SQL_TAKEN,  /* a unique key is taken; nothing of it happened, the transaction was rolled back, the connection is good */
    SQL_FAILED, /* anything else; nothing of it happened, rolled back. err->code is for callers: TL_EACCESS (wrong password, no
                 * rights, read only), TL_ENOTFOUND (no such database or host), TL_ENOSPC, TL_ELIMIT (packet too large), TL_EUNSUPPORTED,
                 * TL_ECORRUPT, TL_ECANCELLED, TL_ENOMEM, TL_EIO otherwise. Put "connect" failures that will not pass by
                 * themselves here, not into SQL_AGAIN */
};

/* A parameter or a column. Integers have 64 bits (a column may be of any width in the database). NULL keeps the kind: PostgreSQL wants
 * to know the type of a parameter. Column bytes are borrowed for the call of `row`. */
struct sql_value {
    enum { SQL_INT, SQL_BYTES } kind; /* of columns: what the database has */
    bool null;
    int64_t i;
    struct str bytes; /* may hold any byte; not terminated. Empty is not NULL */
};
static inline struct sql_value sql_int(int64_t i)
{
    return (struct sql_value){SQL_INT, false, i, {NULL, 0}};
}
static inline struct sql_value sql_bytes(struct str s)
{
    return (struct sql_value){SQL_BYTES, false, 0, s};
}

#define SQL_PARAMS_MAX 12
struct sql_statement {
    enum sql_text id;  /* which one: a driver may prepare each once per connection */
    const char *text;  /* in the driver's dialect; valid as long as the connection */
    size_t n_params;
    struct sql_value params[SQL_PARAMS_MAX];
    int64_t changed;   /* result: rows inserted, updated (to other values or not: either will do) or deleted. Only valid after SQL_DONE */
};

/* Statements that travel together. */
#define SQL_BEGIN 1u  /* opens a transaction before the first one. READ COMMITTED (each statement sees what is committed when it
                       * begins); SQLite: BEGIN IMMEDIATE */
#define SQL_COMMIT 2u /* commits behind the last one, if all of them succeeded; else the transaction is rolled back */
#define SQL_READ_ONLY 4u /* with neither of the two and one statement: it reads, outside a transaction */
struct sql_batch {
    struct sql_statement *statements;
    size_t n;
    unsigned flags; /* SQL_BEGIN | SQL_COMMIT is the usual batch: everything is sent in one go and answered in one round trip.
                     * A driver with `rollback` also sees them in two calls (BEGIN …, then … COMMIT), with reads in between that have
                     * no flag at all. What fails then has ended the transaction */
    /* Called for each row, as rows come; sql.c does not act on them before the call has ended in SQL_DONE. Non-zero (err is set):
     * the driver takes in the rest, rolls back and returns SQL_FAILED. NULL: no rows are wanted. */
    int (*row)(void *ctx, size_t statement, const struct sql_value *columns, size_t n_columns, struct tl_err *err);
    void *ctx;
    int64_t deadline_ns; /* os->monotonic_ns() at which to give up waiting (for locks and for the server); INT64_MAX: never. Then
                          * SQL_AGAIN, SQL_GONE or SQL_MAYBE, as it is */
    bool (*cancelled)(void *ctx); /* NULL, or asked about every 50 ms while waiting. true: SQL_FAILED when nothing has been sent yet, else
                                   * as when the deadline passes; with TL_ECANCELLED */
    void *cancelled_ctx;
};

/* Words for sql_text.h. All are required; "" where there is nothing to say. */
struct sql_dialect {
    bool numbered;          /* parameters are $1, $2, … instead of ? */
    const char *int_;       /* {int}: a signed 64-bit integer, "BIGINT" */
    const char *name;       /* {name}: up to SQL_NAME_MAX bytes with a unique index, compared byte by byte: "BYTEA", "VARBINARY(2000)" */
    const char *short_;     /* {short}: up to 100 bytes, in a primary key: "BYTEA", "VARBINARY(100)" */
    const char *bytes;      /* {bytes}: up to 1 GiB: "BYTEA", "LONGBLOB" */
    const char *now;        /* {now}: the server's clock now, not at the beginning of the transaction, as microseconds in an integer */
    const char *for_update; /* {for_update}: " FOR UPDATE", "" */
    const char *dual;       /* {dual}: " FROM DUAL", "" */
    const char *least;      /* {least}: the function that gives the least of its arguments: "LEAST", "MIN" */
    const char *table_end;  /* {table_end}: " ENGINE=InnoDB", "" */
};
#define SQL_NAME_MAX 2000

/* The database is local and holds one lock while we write: a transaction is opened, news are read, the engine decides on them, then it
 * writes and commits. Without it: one request does it all, on condition (BACKEND_OPTIMISTIC). */
#define SQL_LOCKED 1u

/* A statement in a driver's own words: the parameters that sql_text.h lists, or the first ones of them, in that order, and the same
 * effect. */
struct sql_own_text {
    enum sql_text id;
    const char *text;
};

struct sql_driver {
    size_t size; /* sizeof(struct sql_driver) */
    const char *name; /* for people and tl_storage_describe: "postgresql" */
    unsigned flags;
    struct sql_dialect dialect;
    const struct sql_own_text *own_texts; /* instead of those of sql_text.h; NULL: none */
    size_t n_own_texts;
    size_t max_payload; /* bytes of one parameter that are sure to pass; longer ones are refused with TL_ELIMIT (a soft limit: appends
                         * are cut at 1 MiB where that can be chosen) */
    /* A connection: session settings (time zone, isolation, timeouts, quiet notices) are made here, in few round trips. `url` is asked
     * for options with url_option; then url_unknown must be empty, else TL_EINVAL names it (sql.c checks that). The library behind it is
     * loaded here (client_library.h). `options->cancelled` is asked while something
     * is waited for here or in has_table and create_schema. Without options->read_only and options->must_exist a missing database may be
     * created where that is usual (SQLite). */
    enum sql_end (*connect)(struct url *url, const struct tl_storage_options *options, int64_t deadline_ns, struct sql_conn **out,
                            struct tl_err *err);
    void (*close)(struct sql_conn *c); /* also of one that is broken: does not wait for the server */
    /* In a forked child: frees what it can without sending anything to the server or closing what the parent uses (shutdown is not
     * allowed, close of the descriptor is). Leaking is fine. */
    void (*abandon)(struct sql_conn *c);
    enum sql_end (*run)(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err);
    /* Ends the transaction that a batch with SQL_BEGIN and without SQL_COMMIT opened, if it is open. False: the connection is of no use. A
     * server must end it by itself when its client is silent for some seconds. */
    bool (*rollback)(struct sql_conn *c, int64_t deadline_ns);
    /* Is there a table of that name where ours would be? */
    enum sql_end (*has_table)(struct sql_conn *c, const char *name, bool *out, int64_t deadline_ns, struct tl_err *err);
    /* Runs the statements (dialect filled in, no parameters, each fine when it was done before) under a lock that all creators share:
     * of 200 processes that start at once none may fail. */
    enum sql_end (*create_schema)(struct sql_conn *c, const char *const *statements, size_t n, int64_t deadline_ns, struct tl_err *err);
    /* (optional) May somebody else have committed anything since the last call? Cheap, no round trip; true when in doubt. */
    bool (*changed)(struct sql_conn *c);
    /* (optional) " durability=full …", with the real settings of the server as read at connect, space in front */
    void (*describe)(struct sql_conn *c, struct buf *out);
};

/* A catalog on top of a driver. The URL is copied (the password too: connections are made anew). */
int sql_open(const struct sql_driver *driver, const char *url, const struct tl_storage_options *options, struct catalog **out,
             struct tl_err *err);

/* The drivers that were built in; a row each in backend.c. */
extern const struct sql_driver sqlite_driver, postgres_driver, mysql_driver;

#endif
