/* SPDX-License-Identifier: MIT
 *
 * The MySQL and MariaDB driver: MariaDB's client library in its non-blocking form.
 *
 * Happy path: a batch is one text of several statements, START TRANSACTION in front and COMMIT behind, with the parameters written into
 * it; the server works it off and answers in one round trip. What the statements of an append have in common is worked out by the first of
 * them (`own_texts`): a server plans each statement anew, so that it is their plainness that counts. At connect one more sets the session
 * up and reads how durable the server really is. Failure modes: the server stops at the first statement that fails, so COMMIT is not
 * reached; a lock timeout leaves the transaction open, therefore ROLLBACK comes before anything else. What follows from which error stands
 * in the table `errors`. A connection that is lost after the text was sent leaves SQL_MAYBE, unless the batch only reads; one that ends
 * inside an answer looks to the library like an answer without rows, so each statement's result is counted. Waiting goes in slices of 50
 * ms; one that is given up gives up the connection, too.
 *
 * A transaction that is held between two batches ends with the session when its holder is silent for 5 s: `wait_timeout` is that short
 * meanwhile.
 *
 * Invariants: bytes are written as _binary'…' under a session whose backslash escapes; READ COMMITTED, except on a server whose binary
 * log holds statements, which forbids that: there the first statement of a batch takes the lock before any snapshot is made. Outside
 * `run` the connection is idle, outside any transaction.
 */
#include <mysql.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/os.h"
#include "journal/client_library.h"
#include "journal/sql.h"

#include <trialog/storage.h>

#define API(X)                                                                                                                    \
    X(mysql_affected_rows) X(mysql_close) X(mysql_errno) X(mysql_error) X(mysql_fetch_field_direct) X(mysql_fetch_lengths)         \
    X(mysql_fetch_row) X(mysql_field_count) X(mysql_free_result) X(mysql_get_socket) X(mysql_get_ssl_cipher) X(mysql_init)         \
    X(mysql_more_results)                                                                                                         \
    X(mysql_next_result_cont) X(mysql_next_result_start) X(mysql_num_fields) X(mysql_options) X(mysql_real_connect_cont)           \
    X(mysql_real_connect_start) X(mysql_real_query_cont) X(mysql_real_query_start) X(mysql_store_result_cont)                      \
    X(mysql_store_result_start)
static struct {
    API(CLIENT_MEMBER)
} client_table;
static const struct client_symbol symbols[] = {API(CLIENT_SYMBOL)};
static struct client_library library = {"MySQL", "libmariadb3", {"libmariadb.so.3", NULL, NULL, NULL}, symbols, TL_COUNT(symbols),
                                        &client_table, false};
#define my client_table

#define SLICE_MS 50
#define TEXT_MAX ((size_t)1 << 30)           /* what the protocol takes */
#define MAX_PAYLOAD ((size_t)4 << 20)        /* with every byte escaped still below the 16 MiB that servers take by default */
#define SETTING_MAX 48
#define HOLD_TEXT "SET SESSION wait_timeout = 5;START TRANSACTION;" /* seconds that a stopped process may hold a stream */
#define RELEASE_TEXT ";SET SESSION wait_timeout = DEFAULT"

/* What the server says about itself. */
#define SETTINGS(X)                                                                                                               \
    X(VERSION, "version") X(FLUSH, "innodb_flush_log_at_trx_commit") X(FLUSH_METHOD, "innodb_flush_method") X(LOG_BIN, "log_bin")    \
    X(SYNC_BINLOG, "sync_binlog") X(BINLOG_FORMAT, "binlog_format") X(PACKET, "max_allowed_packet")
enum {
#define SETTING_ID(id, name) id,
    SETTINGS(SETTING_ID)
    N_SETTINGS
};
static const char *const setting_names[] = {
#define SETTING_NAME(id, name) name,
    SETTINGS(SETTING_NAME)
};

struct sql_conn {
    MYSQL *my;
    struct buf text; /* of the batch under way */
    bool (*cancelled)(void *ctx); /* of the options */
    void *cancelled_ctx;
    char settings[N_SETTINGS][SETTING_MAX];
    int64_t packet; /* longest text that the server takes */
};

/* ---- what a failure means ---- */

static const struct {
    unsigned number;
    enum sql_end end;
    int code;
} errors[] = {
    {1020, SQL_AGAIN, TL_EUNAVAILABLE},  /* record has changed since last read (MariaDB's snapshot isolation) */
    {1205, SQL_AGAIN, TL_EUNAVAILABLE},  /* lock wait timeout */
    {1213, SQL_AGAIN, TL_EUNAVAILABLE},  /* deadlock */
    {1206, SQL_AGAIN, TL_EUNAVAILABLE},  /* the lock table is full */
    {1412, SQL_AGAIN, TL_EUNAVAILABLE},  /* table definition has changed */
    {1317, SQL_AGAIN, TL_EUNAVAILABLE},  /* interrupted by an administrator */
    {1969, SQL_AGAIN, TL_EUNAVAILABLE},  /* or by a time limit */
    {3024, SQL_AGAIN, TL_EUNAVAILABLE},
    {1040, SQL_AGAIN, TL_EUNAVAILABLE},  /* too many connections */
    {1203, SQL_AGAIN, TL_EUNAVAILABLE},
    {1226, SQL_AGAIN, TL_EUNAVAILABLE},
    {1047, SQL_AGAIN, TL_EUNAVAILABLE},  /* a cluster's node is not ready */
    {1053, SQL_GONE, TL_EUNAVAILABLE},   /* shutting down */
    {1927, SQL_GONE, TL_EUNAVAILABLE},   /* the connection was killed */
    {1152, SQL_GONE, TL_ENET},
    {1158, SQL_GONE, TL_ENET},
    {1159, SQL_GONE, TL_ENET},
    {1160, SQL_GONE, TL_ENET},
    {1161, SQL_GONE, TL_ENET},
    {4031, SQL_GONE, TL_ENET},           /* idle for too long */
    {2002, SQL_GONE, TL_EUNAVAILABLE},   /* no server */
    {2003, SQL_GONE, TL_EUNAVAILABLE},
    {2006, SQL_GONE, TL_ENET},           /* gone away */
    {2012, SQL_GONE, TL_ENET},
    {2013, SQL_GONE, TL_ENET},           /* lost */
    {2027, SQL_GONE, TL_ENET},           /* malformed packet */
    {2055, SQL_GONE, TL_ENET},
    {5014, SQL_GONE, TL_ENET},
    {1062, SQL_TAKEN, TL_EEXISTS},
    {1044, SQL_FAILED, TL_EACCESS},
    {1045, SQL_FAILED, TL_EACCESS},
    {1129, SQL_FAILED, TL_EACCESS},      /* host blocked after many failed connections */
    {1130, SQL_FAILED, TL_EACCESS},
    {1142, SQL_FAILED, TL_EACCESS},
    {1143, SQL_FAILED, TL_EACCESS},
    {1227, SQL_FAILED, TL_EACCESS},
    {1290, SQL_FAILED, TL_EACCESS},      /* read only */
    {1698, SQL_FAILED, TL_EACCESS},
    {1792, SQL_FAILED, TL_EACCESS},
    {1836, SQL_FAILED, TL_EACCESS},
    {2026, SQL_FAILED, TL_EACCESS},      /* TLS */
    {2059, SQL_FAILED, TL_EUNSUPPORTED}, /* no plug-in for this way to log in */
    {1049, SQL_FAILED, TL_ENOTFOUND},    /* no such database */
    {1046, SQL_FAILED, TL_ENOTFOUND},    /* no database was named */
    {1146, SQL_FAILED, TL_ENOTFOUND},    /* no such table */
    {2005, SQL_FAILED, TL_ENOTFOUND},    /* no such host */
    {1021, SQL_FAILED, TL_ENOSPC},
    {1114, SQL_FAILED, TL_ENOSPC},
    {1153, SQL_FAILED, TL_ELIMIT},       /* packet too large */
    {2020, SQL_FAILED, TL_ELIMIT},
    {1406, SQL_FAILED, TL_ELIMIT},       /* too long for its column */
    {2008, SQL_FAILED, TL_ENOMEM},
    {1034, SQL_FAILED, TL_ECORRUPT},
    {1194, SQL_FAILED, TL_ECORRUPT},
    {1712, SQL_FAILED, TL_ECORRUPT},
};

/* Of the connection's last error; writes it into `err`. */
static enum sql_end failed(struct sql_conn *c, struct tl_err *err)
{
    unsigned number = my.mysql_errno(c->my);
    for (size_t i = 0; i < TL_COUNT(errors); i++) {
        if (errors[i].number == number) {
            err_set(err, errors[i].code, "MySQL: %.230s (error %u)", my.mysql_error(c->my), number);
            return errors[i].end;
        }
    }
    err_set(err, TL_EIO, "MySQL: %.230s (error %u)", my.mysql_error(c->my), number);
    return SQL_FAILED;
}

/* ---- waiting ---- */

/* What ends a wait besides the answer. */
struct limit {
    int64_t deadline_ns;
    bool (*cancelled)(void *ctx);
    void *cancelled_ctx;
    struct tl_err *err;
    bool given_up; /* the library is in the middle of something: the connection is of no use */
    int code;      /* why */
};

/* Waits for what the library waits for; the events that came, or 0: given up. */
static int wait_for(struct sql_conn *c, int events, struct limit *l)
{
    int what = (events & MYSQL_WAIT_READ ? OS_READABLE : 0) | (events & MYSQL_WAIT_WRITE ? OS_WRITABLE : 0);
    for (;;) {
        if (l->cancelled && l->cancelled(l->cancelled_ctx)) {
            l->code = err_set(l->err, TL_ECANCELLED, "cancelled while waiting for MySQL");
            break;
        }
        int64_t now = os->monotonic_ns(), left = l->deadline_ns == INT64_MAX ? SLICE_MS : (l->deadline_ns - now) / 1000000 + 1;
        if (l->deadline_ns <= now) {
            l->code = err_set(l->err, TL_EUNAVAILABLE, "MySQL did not answer in time");
            break;
        }
        if (os->poll((int)my.mysql_get_socket(c->my), (enum os_ready)what, left > SLICE_MS ? SLICE_MS : left) != 0) {
            return events & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE);
        }
    }
    l->given_up = true;
    return 0;
}

/* Runs one non-blocking call to its end; false: given up. */
#define FINISH(start, cont, c, l)                                                                                                 \
    do {                                                                                                                          \
        for (int events = (start); events;) {                                                                                     \
            int ready = wait_for((c), events, (l));                                                                               \
            if (!ready) {                                                                                                         \
                return false;                                                                                                     \
            }                                                                                                                     \
            events = (cont);                                                                                                      \
        }                                                                                                                         \
        return true;                                                                                                              \
    } while (0)

static bool query(struct sql_conn *c, struct limit *l, int *rc)
{
    FINISH(my.mysql_real_query_start(rc, c->my, c->text.data, (unsigned long)c->text.len),
           my.mysql_real_query_cont(rc, c->my, ready), c, l);
}

static bool next_result(struct sql_conn *c, struct limit *l, int *rc)
{
    FINISH(my.mysql_next_result_start(rc, c->my), my.mysql_next_result_cont(rc, c->my, ready), c, l);
}

static bool store_result(struct sql_conn *c, struct limit *l, MYSQL_RES **out)
{
    FINISH(my.mysql_store_result_start(out, c->my), my.mysql_store_result_cont(out, c->my, ready), c, l);
}

struct target {
    const char *host, *user, *password, *database, *socket;
    unsigned port;
    bool tls; /* required: the library itself goes on without it when the server has none */
};

static bool connect_to(struct sql_conn *c, const struct target *t, struct limit *l, MYSQL **out)
{
    FINISH(my.mysql_real_connect_start(out, c->my, t->host, t->user, t->password, t->database, t->port, t->socket,
                                       CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS),
           my.mysql_real_connect_cont(out, c->my, ready), c, l);
}

/* ---- a batch as text ---- */

static void add_bytes(struct buf *b, struct str s)
{
    size_t from = 0;
    buf_add_text(b, "_binary'");
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\'' || c == '\\' || c == 0) {
            buf_add(b, s.p + from, i - from);
            buf_add(b, c == 0 ? "\\0" : c == '\'' ? "\\'" : "\\\\", 2);
            from = i + 1;
        }
    }
    if (s.n) {
        buf_add(b, s.p + from, s.n - from);
    }
    buf_add_char(b, '\'');
}

/* A statement with its parameters; our texts hold no question mark that is none. */
static void add_statement(struct buf *b, const struct sql_statement *s)
{
    const char *from = s->text;
    char number[NUM_MAX];
    for (size_t p = 0; p < s->n_params; p++) {
        const char *mark = strchr(from, '?');
        const struct sql_value *v = &s->params[p];
        if (!mark) {
            b->failed = TL_EINTERNAL;
            return;
        }
        buf_add(b, from, (size_t)(mark - from));
        if (v->null) {
            buf_add_text(b, "NULL");
        } else if (v->kind == SQL_INT) {
            buf_add(b, number, num_format_int(v->i, number));
        } else {
            add_bytes(b, v->bytes);
        }
        from = mark + 1;
    }
    buf_add_text(b, from);
}

/* How many statements of our own stand before those of a batch (COMMIT, if any, is the next one behind them), and how many in all. */
static size_t before(const struct sql_batch *batch)
{
    return !(batch->flags & SQL_BEGIN) ? 0 : batch->flags & SQL_COMMIT ? 1 : 2;
}

static size_t in_all(const struct sql_batch *batch)
{
    size_t behind = !(batch->flags & SQL_COMMIT) ? 0 : batch->flags & SQL_BEGIN ? 1 : 2;
    return before(batch) + batch->n + behind;
}

static enum sql_end make_text(struct sql_conn *c, const struct sql_batch *batch, struct tl_err *err)
{
    struct buf *b = &c->text;
    buf_clear(b);
    if (batch->flags & SQL_BEGIN) {
        buf_add_text(b, batch->flags & SQL_COMMIT ? "START TRANSACTION;" : HOLD_TEXT);
    }
    for (size_t i = 0; i < batch->n; i++) {
        if (i) {
            buf_add_char(b, ';');
        }
        add_statement(b, &batch->statements[i]);
    }
    if (batch->flags & SQL_COMMIT) {
        buf_add_text(b, batch->n ? ";COMMIT" : "COMMIT");
        buf_add_text(b, batch->flags & SQL_BEGIN ? "" : RELEASE_TEXT);
    }
    if (b->failed == TL_ENOMEM) {
        err_nomem(err);
        return SQL_FAILED;
    }
    if (b->failed == TL_EINTERNAL) {
        err_set(err, TL_EINTERNAL, "a statement has more parameters than question marks");
        return SQL_FAILED;
    }
    if (b->failed || (int64_t)b->len + 16 > c->packet) {
        err_set(err, TL_ELIMIT, "a request of %zu bytes is longer than this server takes (its max_allowed_packet is %lld)", b->len,
                (long long)c->packet);
        return SQL_FAILED;
    }
    return SQL_DONE;
}

/* ---- results ---- */

#define COLUMNS_MAX 16

static bool is_int(enum enum_field_types type)
{
    return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT || type == MYSQL_TYPE_LONG || type == MYSQL_TYPE_LONGLONG ||
           type == MYSQL_TYPE_INT24;
}

static int take_rows(const struct sql_batch *batch, size_t statement, MYSQL_RES *result, struct tl_err *err)
{
    struct sql_value columns[COLUMNS_MAX];
    bool ints[COLUMNS_MAX];
    unsigned n = my.mysql_num_fields(result);
    n = n > COLUMNS_MAX ? COLUMNS_MAX : n;
    for (unsigned i = 0; i < n; i++) {
        ints[i] = is_int(my.mysql_fetch_field_direct(result, i)->type);
    }
    for (MYSQL_ROW row = my.mysql_fetch_row(result); row; row = my.mysql_fetch_row(result)) {
        const unsigned long *lengths = my.mysql_fetch_lengths(result);
        for (unsigned i = 0; i < n; i++) {
            columns[i] = sql_bytes((struct str){row[i] ? row[i] : "", lengths[i]});
            if (ints[i]) {
                columns[i] = sql_int(0);
                (void)(row[i] && num_parse_int(row[i], row[i] + lengths[i], &columns[i].i));
            }
            columns[i].null = !row[i];
        }
        int rc = batch->row(batch->ctx, statement, columns, n, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* How far a text came. */
struct progress {
    size_t at;    /* the statement whose result is the next one, ours counted */
    bool failed;  /* the library has an error for us */
    bool refused; /* a row was not taken */
};

/* Sends the text and takes in its results; false: given up. The library forgets how many columns there were when a connection is lost on
 * the way to the rows: that no result came is a failure if there is an error number. */
static bool run_text(struct sql_conn *c, struct sql_batch *batch, struct limit *l, struct progress *p)
{
    size_t first = before(batch);
    int rc = 0;
    if (!query(c, l, &rc)) {
        return false;
    }
    for (;;) {
        MYSQL_RES *result = NULL;
        if (rc > 0) {
            p->failed = true;
            return true;
        }
        if (!store_result(c, l, &result)) {
            return false;
        }
        bool ours = p->at >= first && p->at - first < batch->n;
        if (!result && (my.mysql_field_count(c->my) > 0 || my.mysql_errno(c->my) != 0)) {
            p->failed = true;
            return true;
        }
        if (ours) {
            batch->statements[p->at - first].changed = result ? 0 : (int64_t)my.mysql_affected_rows(c->my);
        }
        if (result) {
            if (ours && batch->row && !p->refused) {
                p->refused = take_rows(batch, p->at - first, result, l->err) != 0;
            }
            my.mysql_free_result(result);
        }
        p->at++;
        if (!my.mysql_more_results(c->my)) {
            return true;
        }
        if (!next_result(c, l, &rc)) {
            return false;
        }
        if (rc < 0) {
            return true;
        }
    }
}

/* Ends a transaction that a failed statement left open. False: the connection is of no use. */
static bool roll_back(struct sql_conn *c, int64_t deadline_ns)
{
    struct limit l = {.deadline_ns = deadline_ns, .cancelled = c->cancelled, .cancelled_ctx = c->cancelled_ctx};
    struct sql_batch batch = {.n = 0};
    struct progress p = {0};
    buf_clear(&c->text);
    buf_add_text(&c->text, "ROLLBACK" RELEASE_TEXT);
    return !c->text.failed && run_text(c, &batch, &l, &p) && !p.failed && p.at == 2;
}

static enum sql_end mysql_run(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    bool reads = batch->flags & SQL_READ_ONLY;
    struct limit l = {batch->deadline_ns, batch->cancelled, batch->cancelled_ctx, err, false, 0};
    struct progress p = {0};
    if (batch->cancelled && batch->cancelled(batch->cancelled_ctx)) {
        err_set(err, TL_ECANCELLED, "cancelled");
        return SQL_FAILED;
    }
    enum sql_end end = make_text(c, batch, err);
    if (end != SQL_DONE) {
        return end;
    }
    if (!run_text(c, batch, &l, &p)) {
        return reads ? SQL_GONE : SQL_MAYBE;
    }
    if (!p.failed && p.at != in_all(batch)) {
        err_set(err, TL_ENET, "MySQL: the answer ended after %zu of %zu results", p.at, in_all(batch));
        return reads ? SQL_GONE : SQL_MAYBE;
    }
    if (!p.failed) {
        return !p.refused ? SQL_DONE : reads ? SQL_FAILED : SQL_MAYBE;
    }
    end = failed(c, err);
    unsigned number = my.mysql_errno(c->my); /* 2000 to 2999 and 5000 to 5999 are the library's own: it may be in the middle of anything */
    bool from_server = number < 2000 || (number >= 3000 && number < 5000) || number >= 6000;
    end = from_server ? end : SQL_GONE;
    bool committing = (batch->flags & SQL_COMMIT) && p.at >= before(batch) + batch->n; /* only COMMIT's own result was missing */
    if (end == SQL_GONE) {
        return reads || (from_server && !committing) ? SQL_GONE : SQL_MAYBE;
    }
    if (committing && end != SQL_AGAIN) {
        return SQL_MAYBE;
    }
    if (!reads && !roll_back(c, batch->deadline_ns)) {
        return SQL_GONE;
    }
    return end;
}

/* ---- connecting ---- */

static bool is_true(const char *value)
{
    return value && strcasecmp(value, "0") != 0 && strcasecmp(value, "false") != 0 && strcasecmp(value, "no") != 0 &&
           strcasecmp(value, "disabled") != 0;
}

/* Files for TLS, by the names that SQLAlchemy's and the command's users write. */
static const struct {
    const char *key;
    enum mysql_option option;
} tls_files[] = {
    {"ssl_ca", MYSQL_OPT_SSL_CA}, {"ssl-ca", MYSQL_OPT_SSL_CA}, {"ssl_capath", MYSQL_OPT_SSL_CAPATH},
    {"ssl-capath", MYSQL_OPT_SSL_CAPATH}, {"ssl_cert", MYSQL_OPT_SSL_CERT}, {"ssl-cert", MYSQL_OPT_SSL_CERT},
    {"ssl_key", MYSQL_OPT_SSL_KEY}, {"ssl-key", MYSQL_OPT_SSL_KEY}, {"ssl_cipher", MYSQL_OPT_SSL_CIPHER},
};
/* What only other drivers need: character sets, as we send bytes; time limits, as storages have their own. */
static const char *const no_matter[] = {"charset", "use_unicode", "binary_prefix", "autocommit", "local_infile", "connect_timeout",
                                        "read_timeout", "write_timeout"};

static const char *first_option(struct url *url, const char *a, const char *b)
{
    const char *first = url_option(url, a), *second = url_option(url, b);
    return first ? first : second;
}

/* Returns whether a connection without TLS is to be refused. */
static bool set_tls(MYSQL *m, struct url *url)
{
    const char *mode = first_option(url, "ssl_mode", "ssl-mode"), *verify = first_option(url, "ssl_verify_cert", "ssl_verify_identity");
    const char *wanted = url_option(url, "ssl"), *off = url_option(url, "ssl_disabled"), *check = url_option(url, "ssl_check_hostname");
    bool any = is_true(wanted) || (mode && (strcasecmp(mode, "REQUIRED") == 0 || strncasecmp(mode, "VERIFY", 6) == 0));
    char yes = 1, sure = is_true(verify) || is_true(check) || (mode && strncasecmp(mode, "VERIFY", 6) == 0);
    for (size_t i = 0; i < TL_COUNT(tls_files); i++) {
        const char *value = url_option(url, tls_files[i].key);
        if (value) {
            (void)my.mysql_options(m, tls_files[i].option, value);
            any = true;
        }
    }
    if (is_true(off) || (!any && !sure)) {
        return false;
    }
    (void)my.mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &yes);
    if (sure) {
        (void)my.mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &sure);
    }
    return true;
}

/* What does not stand in the URL comes from option files and the environment, as for every client of MySQL. */
static void set_options(MYSQL *m, struct url *url, struct target *t)
{
    const char *file = url_option(url, "read_default_file"), *group = url_option(url, "read_default_group");
    unsigned seconds = 1, tcp = MYSQL_PROTOCOL_TCP, none = 0;
    char no = 0;
    for (size_t i = 0; i < TL_COUNT(no_matter); i++) {
        (void)url_option(url, no_matter[i]);
    }
    if (file) {
        (void)my.mysql_options(m, MYSQL_READ_DEFAULT_FILE, file);
    }
    (void)my.mysql_options(m, MYSQL_READ_DEFAULT_GROUP, group ? group : "trialog");
    (void)my.mysql_options(m, MYSQL_OPT_NONBLOCK, NULL);
    (void)my.mysql_options(m, MYSQL_OPT_RECONNECT, &no);
    (void)my.mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &none); /* a server may not ask for our files */
    (void)my.mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    (void)my.mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &seconds); /* counts only in mysql_close */
    t->tls = set_tls(m, url);
    t->socket = first_option(url, "unix_socket", "socket");
    t->host = url->host && url->host[0] ? url->host : NULL;
    t->user = url->user;
    t->password = url->password;
    t->database = url->path && url->path[0] ? url->path : NULL;
    t->port = url->port > 0 ? (unsigned)url->port : 0;
    if (t->port && !t->socket) {
        (void)my.mysql_options(m, MYSQL_OPT_PROTOCOL, &tcp); /* "localhost" would be a socket otherwise, whatever the port */
    }
}

/* Rows of SHOW VARIABLES. */
static int take_setting(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *err)
{
    struct sql_conn *c = ctx;
    (void)statement;
    (void)err;
    for (int i = 0; i < N_SETTINGS && n == 2; i++) {
        if (str_eq(columns[0].bytes, str_of(setting_names[i]))) {
            size_t len = columns[1].bytes.n < SETTING_MAX ? columns[1].bytes.n : SETTING_MAX - 1;
            memcpy(c->settings[i], columns[1].bytes.p, len);
            c->settings[i][len] = 0;
        }
    }
    return 0;
}

static enum sql_end set_up(struct sql_conn *c, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_statement statements[] = {
        {.text = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, "
                 "innodb_lock_wait_timeout = 10"},
        {.text = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"},
        {.text = "SET SESSION TRANSACTION READ WRITE"},
        {.text = "SHOW VARIABLES WHERE Variable_name IN ('version', 'innodb_flush_log_at_trx_commit', 'innodb_flush_method', 'log_bin', "
                 "'sync_binlog', 'binlog_format', 'max_allowed_packet')"},
    };
    struct sql_statement repeatable = {.text = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"};
    struct sql_batch batch = {statements, TL_COUNT(statements), 0, take_setting, c, deadline_ns, c->cancelled, c->cancelled_ctx};
    enum sql_end end = mysql_run(c, &batch, err);
    const char *packet = c->settings[PACKET];
    (void)num_parse_int(packet, packet + strlen(packet), &c->packet);
    if (end == SQL_DONE && strcmp(c->settings[LOG_BIN], "ON") == 0 && strcmp(c->settings[BINLOG_FORMAT], "STATEMENT") == 0) {
        batch.statements = &repeatable;
        batch.n = 1;
        end = mysql_run(c, &batch, err);
    }
    return end;
}

static enum sql_end start(struct sql_conn *c, struct url *url, const struct tl_storage_options *options, int64_t deadline_ns,
                          struct tl_err *err)
{
    struct limit l = {deadline_ns, options->cancelled, options->cancelled_ctx, err, false, 0};
    struct target t = {0};
    MYSQL *got = NULL;
    c->my = my.mysql_init(NULL);
    if (!c->my) {
        err_nomem(err);
        return SQL_FAILED;
    }
    set_options(c->my, url, &t);
    if (url_unknown(url)) {
        return SQL_DONE; /* sql.c refuses it; no need to ask the server first */
    }
    if (!connect_to(c, &t, &l, &got)) {
        return l.code == TL_ECANCELLED ? SQL_FAILED : SQL_AGAIN;
    }
    if (!got) {
        enum sql_end end = failed(c, err);
        if (my.mysql_errno(c->my) == 1049) {
            (void)err_wrap(err, TL_ENOTFOUND, "the database has to be made first (CREATE DATABASE)");
        }
        return end == SQL_GONE ? SQL_AGAIN : end == SQL_TAKEN ? SQL_FAILED : end;
    }
    if (t.tls && !my.mysql_get_ssl_cipher(c->my)) {
        err_set(err, TL_EACCESS, "MySQL: the URL asks for TLS, and this server does not offer it");
        return SQL_FAILED;
    }
    enum sql_end end = set_up(c, deadline_ns, err);
    return end == SQL_GONE || end == SQL_MAYBE ? SQL_AGAIN : end;
}

/* ---- the driver ---- */

/* An append: the first statement locks the rows of the stream and of its writer, and looks whether everything holds; @h is the head that it
 * found, or NULL (an aggregate always has a row, which sets @h). The others need no look of their own. */
static const struct sql_own_text own_texts[] = {
    {SQL_LOCK_PUT, "SELECT MAX(s.head) INTO @h FROM trialog_stream s STRAIGHT_JOIN trialog_writer w ON w.stream = s.id WHERE s.id = ? AND "
                   "w.worker = ? AND w.last_n < ? AND w.last_n >= ? AND s.name IS NOT NULL AND s.base <= ? AND s.head >= ? "
                   "AND (? = 0 OR s.head = ?) FOR UPDATE"},
    {SQL_PUT, "INSERT INTO trialog_op (count, worker, n, payload, stream, first_seq) SELECT ?, ?, ?, ?, ?, @h FROM DUAL "
              "WHERE @h IS NOT NULL"},
    {SQL_RAISE_WRITER, "UPDATE trialog_writer SET last_n = ?, beat = {now} WHERE stream = ? AND worker = ? AND @h IS NOT NULL"},
    {SQL_RAISE_HEAD, "UPDATE trialog_stream SET head = @h + ? WHERE id = ? AND @h IS NOT NULL"},
};

static void mysql_driver_close(struct sql_conn *c)
{
    if (c->my) {
        my.mysql_close(c->my);
    }
    buf_release(&c->text);
    mem_free(c);
}

static enum sql_end mysql_connect(struct url *url, const struct tl_storage_options *options, int64_t deadline_ns, struct sql_conn **out,
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
    c->text = (struct buf)BUF_INIT(TEXT_MAX);
    c->cancelled = options->cancelled;
    c->cancelled_ctx = options->cancelled_ctx;
    c->packet = 1 << 20; /* until the server has told */
    enum sql_end end = start(c, url, options, deadline_ns, err);
    if (end != SQL_DONE) {
        mysql_driver_close(c);
        return end;
    }
    *out = c;
    return SQL_DONE;
}

/* mysql_close would end the parent's session. */
static void mysql_abandon(struct sql_conn *c)
{
    (void)os->close((int)my.mysql_get_socket(c->my));
    buf_release(&c->text);
    mem_free(c);
}

static int see_row(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *err)
{
    (void)statement;
    (void)err;
    *(bool *)ctx = n > 0 && !columns[0].null && columns[0].i == 1;
    return 0;
}

static enum sql_end mysql_has_table(struct sql_conn *c, const char *name, bool *out, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_statement s = {
        .text = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
        .n_params = 1,
        .params = {sql_bytes(str_of(name))},
    };
    bool found = false;
    struct sql_batch batch = {&s, 1, SQL_READ_ONLY, see_row, &found, deadline_ns, c->cancelled, c->cancelled_ctx};
    enum sql_end end = mysql_run(c, &batch, err);
    if (end == SQL_DONE) {
        *out = found;
    }
    return end;
}

/* One text: a lock by name, which belongs to the session, the statements, and the lock's release. Each CREATE commits by itself, and all of
 * them may be repeated. */
#define SCHEMA_MAX 16
static enum sql_end mysql_create_schema(struct sql_conn *c, const char *const *statements, size_t n, int64_t deadline_ns,
                                        struct tl_err *err)
{
    struct sql_statement lock = {.text = "SELECT GET_LOCK('trialog schema', 10)"}, texts[SCHEMA_MAX + 1];
    bool locked = false;
    struct sql_batch batch = {&lock, 1, 0, see_row, &locked, deadline_ns, c->cancelled, c->cancelled_ctx};
    if (n > SCHEMA_MAX) {
        err_set(err, TL_EINTERNAL, "a schema of %zu statements", n);
        return SQL_FAILED;
    }
    enum sql_end end = mysql_run(c, &batch, err);
    if (end != SQL_DONE) {
        return end;
    }
    if (!locked) {
        err_set(err, TL_EUNAVAILABLE, "somebody else has been creating the tables for 10 s");
        return SQL_AGAIN;
    }
    memset(texts, 0, sizeof texts);
    for (size_t i = 0; i < n; i++) {
        texts[i].text = statements[i];
    }
    texts[n].text = "DO RELEASE_LOCK('trialog schema')";
    batch = (struct sql_batch){texts, n + 1, 0, NULL, NULL, deadline_ns, c->cancelled, c->cancelled_ctx};
    end = mysql_run(c, &batch, err);
    if (end != SQL_DONE && end != SQL_MAYBE && end != SQL_GONE) {
        struct tl_err later = TL_ERR_INIT;
        batch = (struct sql_batch){texts + n, 1, 0, NULL, NULL, deadline_ns, c->cancelled, c->cancelled_ctx};
        return mysql_run(c, &batch, &later) == SQL_DONE ? end : SQL_GONE;
    }
    return end;
}

static void mysql_describe(struct sql_conn *c, struct buf *out)
{
    const char *flush = c->settings[FLUSH], *method = c->settings[FLUSH_METHOD];
    bool none = strcasecmp(method, "nosync") == 0;
    buf_printf(out, " durability=%s innodb_flush_log_at_trx_commit=%s",
               none ? "none" : strcmp(flush, "1") == 0 ? "full" : "relaxed", flush);
    if (none) {
        buf_printf(out, " innodb_flush_method=%s", method);
    }
    if (strcmp(c->settings[LOG_BIN], "ON") == 0) {
        buf_printf(out, " sync_binlog=%s binlog_format=%s", c->settings[SYNC_BINLOG], c->settings[BINLOG_FORMAT]);
    }
    buf_printf(out, " server=%s", c->settings[VERSION]);
}

const struct sql_driver mysql_driver = {
    .size = sizeof(struct sql_driver),
    .name = "mysql",
    .dialect = {
        .numbered = false,
        .int_ = "BIGINT",
        .name = "VARBINARY(2000)",
        .short_ = "VARBINARY(100)",
        .bytes = "LONGBLOB",
        .now = "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)",
        .for_update = " FOR UPDATE",
        .dual = " FROM DUAL",
        .least = "LEAST",
        .table_end = " ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    },
    .own_texts = own_texts,
    .n_own_texts = TL_COUNT(own_texts),
    .max_payload = MAX_PAYLOAD,
    .connect = mysql_connect,
    .close = mysql_driver_close,
    .abandon = mysql_abandon,
    .run = mysql_run,
    .rollback = roll_back,
    .has_table = mysql_has_table,
    .create_schema = mysql_create_schema,
    .describe = mysql_describe,
};
