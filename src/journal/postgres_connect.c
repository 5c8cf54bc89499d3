/* SPDX-License-Identifier: MIT
 *
 * From a URL to a connection of PostgreSQL that takes batches.
 *
 * Happy path: what the URL says becomes libpq's keywords, over a few of our own; libpq connects without blocking while we wait in slices of
 * 50 ms; then the connection goes into pipeline mode. Failure modes: what the server says is sorted by its SQLSTATE (postgres_failure.c),
 * what libpq alone says by its words; what is not known to last is tried again (SQL_AGAIN). Invariant: a connection that failed on the way
 * is closed here.
 */
#include <libpq-fe.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/os.h"
#include "journal/client_library.h"
#include "journal/postgres.h"

#include <trialog/storage.h>

#define API(X)                                                                                                                    \
    X(PQconndefaults) X(PQconnectPoll) X(PQconnectStartParams) X(PQconnectionNeedsPassword) X(PQconninfoFree)                     \
    X(PQenterPipelineMode) X(PQerrorMessage) X(PQfinish) X(PQsetErrorVerbosity) X(PQsetNoticeReceiver) X(PQsetnonblocking)         \
    X(PQsocket) X(PQstatus)
static struct {
    API(CLIENT_MEMBER)
} client_table;
static const struct client_symbol symbols[] = {API(CLIENT_SYMBOL)};
static struct client_library library = {POSTGRES_LIBRARY, symbols, TL_COUNT(symbols), &client_table, false};
#define pq client_table

/* ---- what the URL says ---- */

#define KEYWORDS_MAX 48

struct keywords {
    const char *names[KEYWORDS_MAX + 1], *values[KEYWORDS_MAX + 1];
    int n;
    struct buf hosts, ports; /* of a list of hosts */
};

/* The last value counts; NULL leaves it to the environment. */
static void set_keyword(struct keywords *k, const char *name, const char *value)
{
    for (int i = 0; i < k->n && value; i++) {
        if (strcmp(k->names[i], name) == 0) {
            k->values[i] = value;
            return;
        }
    }
    if (value && k->n < KEYWORDS_MAX) {
        k->names[k->n] = name;
        k->values[k->n++] = value;
    }
}

/* "a:1,b,[::1]:2" in two lists. */
static int split_hosts(struct keywords *k, const char *list, struct tl_err *err)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        const char *colon = memrchr(list, ':', n), *bracket = memchr(list, ']', n);
        size_t host = colon && (!bracket || colon > bracket) ? (size_t)(colon - list) : n;
        bool brackets = list[0] == '[' && host > 2 && list[host - 1] == ']';
        buf_add(&k->hosts, list + brackets, host - 2 * (size_t)brackets);
        if (host < n) {
            buf_add(&k->ports, list + host + 1, n - host - 1);
        }
        list += n;
        if (*list) {
            list++;
            buf_add_char(&k->hosts, ',');
            buf_add_char(&k->ports, ',');
        }
    }
    const char *hosts = buf_cstr(&k->hosts), *ports = buf_cstr(&k->ports);
    if (!hosts || !ports) {
        return err_nomem(err);
    }
    set_keyword(k, "host", hosts);
    set_keyword(k, "port", ports);
    return TL_OK;
}

/* Everything that libpq knows by name may stand in the URL. What does not, comes from the environment and the password file. */
static int url_keywords(struct url *url, const struct tl_storage_options *options, struct keywords *k, struct tl_err *err)
{
    static const char *const defaults[][2] = {
        {"fallback_application_name", "trialog"}, {"keepalives_idle", "30"}, {"keepalives_interval", "10"},
        {"keepalives_count", "3"}, {"tcp_user_timeout", "30000"},
    };
    PQconninfoOption *known = pq.PQconndefaults();
    if (!known) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < TL_COUNT(defaults); i++) {
        set_keyword(k, defaults[i][0], defaults[i][1]);
    }
    if (url->host && url->port < 0 && strchr(url->host, ',') && !options->read_only) {
        set_keyword(k, "target_session_attrs", "read-write"); /* of several hosts the one that takes writes */
    }
    for (PQconninfoOption *o = known; o->keyword; o++) {
        const char *value = url_option(url, o->keyword);
        for (size_t i = 0; value && i < url->n_options; i++) { /* names that live as long as the URL does */
            if (strcmp(url->options[i].key, o->keyword) == 0) {
                set_keyword(k, url->options[i].key, value);
                break;
            }
        }
    }
    pq.PQconninfoFree(known);
    set_keyword(k, "user", url->user);
    set_keyword(k, "password", url->password);
    if (url->path && url->path[0]) {
        set_keyword(k, "dbname", url->path);
    }
    if (url->host && url->host[0] && url->port < 0 && strchr(url->host, ',')) {
        return split_hosts(k, url->host, err);
    }
    if (url->host && url->host[0]) {
        set_keyword(k, "host", url->host);
    }
    if (url->port >= 0) {
        buf_printf(&k->ports, "%d", url->port);
        const char *port = buf_cstr(&k->ports);
        if (!port) {
            return err_nomem(err);
        }
        set_keyword(k, "port", port);
    }
    return TL_OK;
}

/* ---- connecting ---- */

/* Failures that libpq itself tells have no SQLSTATE. What is not known to last is tried again. */
static enum sql_end connect_failed(PGconn *pg, struct tl_err *err)
{
    const char *text = pq.PQerrorMessage(pg);
    char state[6];
    int code = TL_EUNAVAILABLE;
    enum sql_end end = SQL_AGAIN;
    postgres_find_state(text, state);
    if (state[0]) {
        end = postgres_end(state, &code);
        end = end == SQL_TAKEN ? SQL_FAILED : end;
    } else if (pq.PQconnectionNeedsPassword(pg)) {
        end = SQL_FAILED;
        code = TL_EACCESS;
    } else if (strstr(text, "could not translate host name")) {
        end = SQL_FAILED;
        code = TL_ENOTFOUND;
    } else if (strstr(text, "does not support SSL") || strstr(text, "ertificate") || strstr(text, "invalid ") ||
               strstr(text, "GSSAPI negotiation")) {
        end = SQL_FAILED;
        code = TL_EACCESS;
    }
    postgres_set_error(err, code, text);
    if (strcmp(state, "3D000") == 0) {
        (void)err_wrap(err, code, "the database has to be made first (createdb)");
    }
    return end;
}

static void no_notice(void *ctx, const PGresult *r)
{
    (void)ctx;
    (void)r;
}

static enum sql_end connect_wait(PGconn *pg, const struct tl_storage_options *options, int64_t deadline_ns, struct tl_err *err)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    for (;;) {
        if (options->cancelled && options->cancelled(options->cancelled_ctx)) {
            err_set(err, TL_ECANCELLED, "cancelled while connecting to PostgreSQL");
            return SQL_FAILED;
        }
        if (next == PGRES_POLLING_OK) {
            return SQL_DONE;
        }
        if (next == PGRES_POLLING_FAILED) {
            return connect_failed(pg, err);
        }
        if (postgres_late(deadline_ns)) {
            err_set(err, TL_EUNAVAILABLE, "PostgreSQL does not answer");
            return SQL_AGAIN;
        }
        int what = next == PGRES_POLLING_READING ? OS_READABLE : OS_WRITABLE;
        if (os->poll(pq.PQsocket(pg), (enum os_ready)what, POSTGRES_SLICE_MS) == 1) {
            next = pq.PQconnectPoll(pg);
        }
    }
}

static enum sql_end start(PGconn *pg, const struct tl_storage_options *options, int64_t deadline_ns, struct tl_err *err)
{
    (void)pq.PQsetErrorVerbosity(pg, PQERRORS_VERBOSE); /* with the SQLSTATE: there is no other way to it before we are in */
    (void)pq.PQsetNoticeReceiver(pg, no_notice, NULL);
    if (pq.PQstatus(pg) == CONNECTION_BAD) {
        return connect_failed(pg, err);
    }
    enum sql_end end = connect_wait(pg, options, deadline_ns, err);
    if (end == SQL_DONE && (pq.PQsetnonblocking(pg, 1) != 0 || !pq.PQenterPipelineMode(pg))) {
        err_set(err, TL_EIO, "PostgreSQL: %s", pq.PQerrorMessage(pg));
        end = SQL_FAILED;
    }
    return end;
}

static enum sql_end open_with(const struct keywords *k, const struct tl_storage_options *options, int64_t deadline_ns, PGconn **out,
                              struct tl_err *err)
{
    PGconn *pg = pq.PQconnectStartParams(k->names, k->values, 0);
    if (!pg) {
        err_nomem(err);
        return SQL_FAILED;
    }
    enum sql_end end = start(pg, options, deadline_ns, err);
    if (end != SQL_DONE) {
        pq.PQfinish(pg);
        return end;
    }
    *out = pg;
    return SQL_DONE;
}

enum sql_end postgres_open(struct url *url, const struct tl_storage_options *options, int64_t deadline_ns, struct pg_conn **out,
                           struct tl_err *err)
{
    struct keywords k = {.hosts = BUF_INIT(4096), .ports = BUF_INIT(1024)};
    if (client_library_open(&library, err) != TL_OK) {
        return SQL_FAILED;
    }
    enum sql_end end = url_keywords(url, options, &k, err) == TL_OK ? SQL_DONE : SQL_FAILED;
    if (end == SQL_DONE && !url_unknown(url)) {
        end = open_with(&k, options, deadline_ns, out, err);
    }
    buf_release(&k.hosts);
    buf_release(&k.ports);
    return end;
}
