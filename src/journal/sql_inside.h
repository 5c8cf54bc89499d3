/* SPDX-License-Identifier: MIT
 *
 * What the files of the SQL storages share: the catalog with its one connection, collected rows, streams.
 *
 * One lock, the guard, protects the connection and the position of every stream of a catalog. It is recursive: leases are taken and
 * looked at inside compose(), while the thread holds it already; inside a transaction of a SQL_LOCKED driver they become part of it.
 * It is held while the server is waited for, so who waits for it does so with a limit, too.
 */
#ifndef TL_SQL_INSIDE_H
#define TL_SQL_INSIDE_H

#include <stdatomic.h>

#include "base/guard.h"
#include "base/mem.h"
#include "journal/catalog.h"
#include "journal/sql.h"

#include <trialog/storage.h>

#define SQL_MS INT64_C(1000000)
#define SQL_PART_BYTES ((size_t)512 * 1024) /* of a snapshot */
#define SQL_KEEP 300            /* operations before a snapshot that are kept: who is a little behind need not load it */
#define SQL_SMALL_IMAGE ((uint64_t)1 << 20) /* bytes: a snapshot of that size is made by the call that finds it due */
#define SQL_SNAPSHOT_OPS 600    /* operations since the last snapshot that are worth a new one */

struct sql_catalog {
    struct catalog base;
    struct catalog_ops ops; /* with the driver's name */
    const struct sql_driver *driver;
    char *url; /* holds the password: overwritten when it is freed */
    struct tl_storage_options options; /* `cancelled` is never NULL: it is the user's, or says that a closing handle has waited enough */
    bool (*user_cancelled)(void *ctx);
    void *user_ctx;
    char *texts[SQL_N_TEXTS]; /* in the driver's dialect, */
    size_t n_params[SQL_N_TEXTS]; /* and how many parameters each takes: the first ones of those that are given */

    struct guard guard;
    struct sql_conn *conn; /* NULL: none at the moment */
    bool in_transaction;   /* between sql_begin and its end */
    bool lost_transaction; /* its connection broke */
    atomic_int_fast64_t closing_ns; /* since when the handle is being closed; 0: it is not */
    atomic_int_fast64_t began_ns;   /* when the call began that waits for the server */
    int64_t until_ns;      /* of the append under way, which bounds everything that is done for it; INT64_MAX: there is none */
    bool checked;          /* the tables are there, and of a version that we know */
    struct sql_catalog *next_local; /* of the SQL_LOCKED ones of this process */
    uint64_t changes;      /* how often others were seen to have committed (driver->changed) */
};

/* Rows of one call, copied. */
struct sql_row {
    size_t statement;
    struct sql_value *columns;
    size_t n_columns;
};
struct sql_rows {
    struct arena memory;
    struct sql_row *items;
    size_t n, cap;
};
void sql_rows_release(struct sql_rows *rows);
/* The next row of a statement from `*at` on, which moves behind it; NULL: no more. */
const struct sql_row *sql_rows_next(const struct sql_rows *rows, size_t statement, size_t *at);

/* ---- statements (sql.c) ---- */

/* Takes the guard. TL_ELOCKED: the deadline has passed; TL_ECANCELLED. */
int sql_enter(struct sql_catalog *c, int64_t deadline_ns, struct tl_err *err);
static inline void sql_leave(struct sql_catalog *c)
{
    guard_leave(&c->guard);
}

struct sql_statement sql_make(struct sql_catalog *c, enum sql_text id, size_t n_params, ...); /* params: struct sql_value */
#define SQL_COUNT_(...) (sizeof((struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value))
#define SQL_STATEMENT(c, id, ...) sql_make(c, id, SQL_COUNT_(__VA_ARGS__), __VA_ARGS__)

enum sql_how {
    SQL_READS,    /* no transaction */
    SQL_WRITES,   /* one transaction, that may be repeated as it is: it looks whether it was done */
};
/* Runs the statements until they are done, failed, or time is up; makes connections as needed. Between sql_begin and its end
 * they become part of that transaction, and nothing is retried. `rows` may be NULL; it is emptied before each try. The guard is taken
 * inside. Returns 0; TL_ELOCKED or TL_EUNAVAILABLE when time is up; TL_EUNKNOWN when it may have been done; or what the driver said. */
int sql_do(struct sql_catalog *c, enum sql_how how, struct sql_statement *s, size_t n, struct sql_rows *rows, int64_t deadline_ns,
           struct tl_err *err);
/* Opens a transaction with the given statements, waiting for its turn; ends it. The guard is held by the caller throughout. */
int sql_begin(struct sql_catalog *c, struct sql_statement *s, size_t n, struct sql_rows *rows, int64_t deadline_ns, struct tl_err *err);
/* TL_EUNKNOWN: perhaps. `rows` may be NULL. */
int sql_commit(struct sql_catalog *c, struct sql_statement *s, size_t n, struct sql_rows *rows, struct tl_err *err);
void sql_rollback(struct sql_catalog *c);
/* Has anybody else committed since *seen? Without a cheap way to tell: true. */
bool sql_changed(struct sql_catalog *c, uint64_t *seen);
int64_t sql_deadline(int64_t timeout_ms);

/* ---- streams ---- */

struct sql_stream {
    struct backend base;
    struct sql_catalog *c;
    int64_t stream;

    /* the position, under the guard */
    uint64_t position;
    bool has_last;   /* the row before the position is known: it is looked at again with each read */
    uint64_t last_first, last_n;
    char last_worker[64];
    char tag[100];   /* of the stream; "": not known yet */
    uint64_t seen;   /* changes of the catalog when nothing was new */
    bool complete;   /* nothing was new then */
    int64_t rows;    /* how many the next read asks for */
    bool has_writer; /* our row in trialog_writer is there */
    uint64_t own_n;  /* our last number that is known to have landed; 0: none */
    uint64_t gap_at;      /* position before which a row was missing, */
    int64_t gap_since_ns; /* since when (0: there is none), */
    int64_t gap_met_ns;   /* and when it was last looked for */
    struct buf out;
    char unsure[64]; /* a worker whose last append may have landed without being durable yet; "": none */
    int64_t turn;    /* counter of looks when this handle last asked, -1: never */

    /* when a snapshot pays */
    uint64_t trimmed;     /* base */
    uint64_t image_bytes; /* of the last snapshot */
    uint64_t bytes_since;
    uint64_t patience;    /* operations: differs from handle to handle, so that not all begin at once */
    atomic_int due; /* enum snapshot_due */
    int64_t save_after_ns; /* monotonic: until then somebody else is taken to be at it; under the guard */
};
static inline struct sql_stream *sql_stream_of(struct backend *b)
{
    return (struct sql_stream *)(void *)b;
}
int sql_stream_open(struct sql_catalog *c, int64_t stream, struct backend **out, struct tl_err *err);

/* sql_snapshot.c: hands the newest snapshot to d->image and moves the position behind it. */
int sql_snapshot_deliver(struct sql_stream *s, const struct deliver *d, int64_t deadline_ns, struct tl_err *err);
/* All handles find a snapshot due at about the same time: is it this one's turn to save it? Who dies over it holds the others up for a
 * moment. */
bool sql_snapshot_turn(struct sql_stream *s);
int sql_snapshot_save(struct backend *b, const struct backend_mark *at,
                      int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx, struct tl_err *err);
extern const struct lease_ops sql_leases; /* sql_lease.c */

#endif
