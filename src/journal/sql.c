/* SPDX-License-Identifier: MIT
 *
 * The connection of a SQL storage, and its catalog of studies.
 *
 * Happy path: one connection per handle, made when it is first needed and made anew when it broke; a statement or a transaction is one
 * call of the driver. What failed without doing anything is tried again with pauses of random length until the time limit; what may have
 * been done is repeated too, because every transaction here looks first whether it was.
 *
 * Failure modes: what will not pass by itself (password, rights, no such database) comes back at once; a database of Optuna or of a
 * newer Trialog is refused before anything is written. Invariants: no message holds the password; nobody but the holder of the guard uses
 * the connection; after a fork the child leaves the inherited one alone.
 */
#include "journal/sql_inside.h"

#include <stdarg.h>

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"

#define PAUSE_FIRST_MS 2
#define PAUSE_MOST_MS 250
#define CLOSE_MS 3000
#define CLOSE_EACH_MS 500
#define COMPLAIN_AFTER 12 /* tries: about two seconds */
#define SLICE_NS (50 * SQL_MS)
#define STREAMS_MAX (INT64_C(1) << 21)
#define SCHEMA_VERSION 1

static struct sql_catalog *catalog_of(struct catalog *c)
{
    return (struct sql_catalog *)(void *)c;
}

/* ---- texts ---- */

static const char *word_of(const struct sql_dialect *d, struct str name)
{
    const struct { const char *name, *word; } words[] = {
        {"int", d->int_}, {"name", d->name}, {"short", d->short_}, {"bytes", d->bytes}, {"now", d->now},
        {"for_update", d->for_update}, {"dual", d->dual}, {"least", d->least}, {"table_end", d->table_end}};
    for (size_t i = 0; i < TL_COUNT(words); i++) {
        if (str_eq(name, str_of(words[i].name))) {
            return words[i].word;
        }
    }
    return "";
}

/* The text in the driver's dialect, on the heap; NULL: out of memory. */
static char *in_dialect(const struct sql_dialect *d, const char *text)
{
    struct buf b = BUF_INIT(1 << 16);
    int parameters = 0;
    for (const char *p = text; *p; p++) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        if (end) {
            buf_add_text(&b, word_of(d, (struct str){p + 1, (size_t)(end - p - 1)}));
            p = end;
        } else if (*p == '?' && d->numbered) {
            buf_printf(&b, "$%d", ++parameters);
        } else {
            buf_add_char(&b, *p);
        }
    }
    char *copy = b.failed ? NULL : mem_dup(b.data, b.len);
    buf_release(&b);
    return copy;
}

static int make_texts(struct sql_catalog *c, struct tl_err *err)
{
    static const char *const texts[] = {
#define SQL_X(id, text) text,
        SQL_TEXT_LIST(SQL_X)
#undef SQL_X
    };
    for (size_t i = 0; i < SQL_N_TEXTS; i++) {
        const char *text = texts[i];
        for (size_t own = 0; own < c->driver->n_own_texts; own++) {
            text = c->driver->own_texts[own].id == (enum sql_text)i ? c->driver->own_texts[own].text : text;
        }
        for (const char *mark = strchr(text, '?'); mark; mark = strchr(mark + 1, '?')) {
            c->n_params[i]++;
        }
        c->texts[i] = in_dialect(&c->driver->dialect, text);
        if (!c->texts[i]) {
            return err_nomem(err);
        }
    }
    return TL_OK;
}

struct sql_statement sql_make(struct sql_catalog *c, enum sql_text id, size_t n_params, ...)
{
    struct sql_statement s = {.id = id, .text = c->texts[id], .n_params = n_params < c->n_params[id] ? n_params : c->n_params[id]};
    va_list args;
    va_start(args, n_params);
    for (size_t i = 0; i < s.n_params && i < SQL_PARAMS_MAX; i++) {
        s.params[i] = va_arg(args, struct sql_value);
    }
    va_end(args);
    return s;
}

/* ---- rows ---- */

static void rows_clear(struct sql_rows *rows)
{
    arena_reset(&rows->memory);
    rows->n = 0;
}

void sql_rows_release(struct sql_rows *rows)
{
    arena_release(&rows->memory);
    mem_free(rows->items);
    *rows = (struct sql_rows){0};
}

const struct sql_row *sql_rows_next(const struct sql_rows *rows, size_t statement, size_t *at)
{
    while (*at < rows->n) {
        const struct sql_row *row = &rows->items[(*at)++];
        if (row->statement == statement) {
            return row;
        }
    }
    return NULL;
}

static int add_row(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *err)
{
    struct sql_rows *rows = ctx;
    struct sql_value *copy = arena_alloc(&rows->memory, (n + 1) * sizeof *copy);
    if (!copy || !mem_grow((void **)&rows->items, &rows->cap, rows->n + 1, sizeof *rows->items)) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        copy[i] = columns[i];
        if (!columns[i].null && columns[i].kind == SQL_BYTES) {
            copy[i].bytes.p = arena_dup(&rows->memory, columns[i].bytes.p, columns[i].bytes.n);
            if (!copy[i].bytes.p) {
                return err_nomem(err);
            }
        }
    }
    rows->items[rows->n++] = (struct sql_row){statement, copy, n};
    return TL_OK;
}

/* ---- the connection ---- */

int64_t sql_deadline(int64_t timeout_ms)
{
    int64_t now = os->monotonic_ns();
    return timeout_ms < 0 || timeout_ms >= (INT64_MAX - now) / SQL_MS ? INT64_MAX : now + timeout_ms * SQL_MS;
}

int sql_enter(struct sql_catalog *c, int64_t deadline_ns, struct tl_err *err)
{
    return guard_enter(&c->guard, deadline_ns, c->options.cancelled, c->options.cancelled_ctx, err);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Who closes waits for some seconds in all, then for a moment each. */
static int64_t closing_limit(const struct sql_catalog *c)
{
    int64_t closing = atomic_load(&c->closing_ns), all = closing + CLOSE_MS * SQL_MS;
    int64_t each = atomic_load(&c->began_ns) + CLOSE_EACH_MS * SQL_MS;
    return closing == 0 ? INT64_MAX : all > each ? all : each;
}

/* Asked by whoever waits. What threads waited for when the handle began to be closed ends, too. */
static bool given_up(void *ctx)
{
    struct sql_catalog *c = ctx;
    return (c->user_cancelled && c->user_cancelled(c->user_ctx)) || os->monotonic_ns() > closing_limit(c);
}

/* Begins something that waits for the server: until when? */
static int64_t begin_call(struct sql_catalog *c, int64_t deadline_ns)
{
    atomic_store(&c->began_ns, os->monotonic_ns());
    return earlier(deadline_ns, earlier(c->until_ns, closing_limit(c)));
}

static void drop_connection(struct sql_catalog *c)
{
    if (c->conn) {
        c->driver->close(c->conn);
        c->conn = NULL;
        c->checked = false; /* another database may answer next time */
        c->changes++;
        c->lost_transaction = c->lost_transaction || c->in_transaction;
        c->in_transaction = false;
    }
}

/* Before the n-th try. */
static int pause_before(const struct sql_catalog *c, unsigned tries, int64_t deadline_ns, const struct tl_err *last, int code,
                        struct tl_err *err)
{
    int64_t now = os->monotonic_ns();
    unsigned doubled = tries < 7 ? tries : 7;
    if (tries == COMPLAIN_AFTER) {
        log_emit(c->options.log, LOG_DATABASE, "trying again for a while: %s", last->message);
    }
    int64_t most = (int64_t)PAUSE_FIRST_MS << doubled;
    uint32_t r = 0;
    if (c->options.cancelled(c->options.cancelled_ctx)) {
        return err_set(err, TL_ECANCELLED, "cancelled while waiting for the database");
    }
    most = (most < PAUSE_MOST_MS ? most : PAUSE_MOST_MS) * SQL_MS;
    if (os->random(&r, sizeof r) < 0) {
        r = UINT32_MAX / 2;
    }
    int64_t pause = most / 8 + (int64_t)((double)most * r / UINT32_MAX);
    pause = pause < SLICE_NS || !c->user_cancelled ? pause : SLICE_NS;
    if (pause >= deadline_ns - now) { /* one more try would have no time: it could only hide what the last one said */
        return err_set(err, code, "the database did not come round within the time limit, %u tries; the last one: %s", tries,
                       last->message);
    }
    os->sleep_ns(pause);
    return TL_OK;
}

static enum sql_end connect_once(struct sql_catalog *c, int64_t deadline_ns, struct tl_err *err)
{
    struct url url;
    enum sql_end end = SQL_FAILED;
    if (url_parse(c->url, &url, err) != TL_OK) {
        return SQL_FAILED;
    }
    end = c->driver->connect(&url, &c->options, deadline_ns, &c->conn, err);
    const char *unknown = end == SQL_DONE ? url_unknown(&url) : NULL;
    if (unknown) {
        err_set(err, TL_EINVAL, "the URL of the storage has an option '%.60s', which %s storages do not know", unknown, c->driver->name);
        drop_connection(c);
        end = SQL_FAILED;
    }
    if (end != SQL_DONE) {
        c->conn = NULL;
    }
    url_release(&url);
    return end;
}

/* Makes what is missing of our tables. */
static enum sql_end make_tables(struct sql_catalog *c, int64_t deadline_ns, struct tl_err *err)
{
    const struct sql_driver *d = c->driver;
    enum sql_end end;
    static const char *const texts[] = {
#define SQL_X(text) text,
        SQL_SCHEMA_LIST(SQL_X)
#undef SQL_X
    };
    char *statements[TL_COUNT(texts)] = {NULL};
    bool memory = true;
    for (size_t i = 0; i < TL_COUNT(texts); i++) {
        statements[i] = in_dialect(&d->dialect, texts[i]);
        memory = memory && statements[i];
    }
    if (memory) {
        end = d->create_schema(c->conn, (const char *const *)statements, TL_COUNT(texts), deadline_ns, err);
    } else {
        err_nomem(err);
        end = SQL_FAILED;
    }
    for (size_t i = 0; i < TL_COUNT(texts); i++) {
        mem_free(statements[i]);
    }
    return end;
}

/* Whose tables are these? Makes ours if there are none. */
static enum sql_end look_at_tables(struct sql_catalog *c, int64_t deadline_ns, struct tl_err *err)
{
    const struct sql_driver *d = c->driver;
    bool ours = false, studies = false, trials = false;
    enum sql_end end = d->has_table(c->conn, "trialog_meta", &ours, deadline_ns, err);
    if (end != SQL_DONE || ours) {
        return end;
    }
    end = d->has_table(c->conn, "studies", &studies, deadline_ns, err);
    if (end == SQL_DONE) {
        end = d->has_table(c->conn, "trial_params", &trials, deadline_ns, err);
    }
    if (end == SQL_DONE && studies && trials) {
        err_set(err, TL_EUNSUPPORTED, "this database holds studies of Optuna's RDBStorage, which Trialog never touches: give another "
                "database (Trialog makes its own tables in it)");
        return SQL_FAILED;
    }
    if (end == SQL_DONE && (c->options.read_only || c->options.must_exist)) {
        err_set(err, TL_ENOTFOUND, "there are no studies of Trialog in this database: creating one makes its tables");
        return SQL_FAILED;
    }
    return end != SQL_DONE ? end : make_tables(c, deadline_ns, err);
}

static enum sql_end run_once(struct sql_catalog *c, struct sql_statement *s, size_t n, unsigned flags, struct sql_rows *rows,
                             int64_t deadline_ns, struct tl_err *err)
{
    struct sql_batch batch = {.statements = s, .n = n, .flags = flags, .row = rows ? add_row : NULL, .ctx = rows,
                              .deadline_ns = deadline_ns, .cancelled = c->options.cancelled, .cancelled_ctx = c->options.cancelled_ctx};
    if (rows) {
        rows_clear(rows);
    }
    return c->driver->run(c->conn, &batch, err);
}

/* `made`: the tables were completed already. MySQL commits each of them by itself: we may have come before the last, or their maker
 * died. */
static enum sql_end check_version(struct sql_catalog *c, bool made, int64_t deadline_ns, struct tl_err *err)
{
    struct sql_statement s = sql_make(c, SQL_META, 0);
    struct sql_rows rows = {0};
    size_t at = 0;
    enum sql_end end = run_once(c, &s, 1, SQL_READ_ONLY, &rows, deadline_ns, err);
    const struct sql_row *row = end == SQL_DONE ? sql_rows_next(&rows, 0, &at) : NULL;
    if (end == SQL_DONE && !row && !made && !c->options.read_only) {
        sql_rows_release(&rows);
        end = make_tables(c, deadline_ns, err);
        return end != SQL_DONE ? end : check_version(c, true, deadline_ns, err);
    }
    if (end == SQL_DONE && (!row || row->n_columns < 3)) {
        err_set(err, TL_ECORRUPT, "the table trialog_meta is empty: the database was not set up by Trialog, or not completely");
        end = SQL_FAILED;
    } else if (end == SQL_DONE && (row->columns[1].i > SCHEMA_VERSION || (row->columns[2].i > SCHEMA_VERSION && !c->options.read_only))) {
        err_set(err, TL_EVERSION, "the tables in this database are of version %lld, made by a newer Trialog: this one knows version %d",
                (long long)row->columns[0].i, SCHEMA_VERSION);
        end = SQL_FAILED;
    }
    sql_rows_release(&rows);
    return end;
}

/* Makes sure that there is a connection to tables that we know. */
static enum sql_end have_connection(struct sql_catalog *c, int64_t deadline_ns, struct tl_err *err)
{
    enum sql_end end = SQL_DONE;
    if (!c->conn) {
        end = connect_once(c, deadline_ns, err);
    }
    if (end == SQL_DONE && !c->checked) {
        end = look_at_tables(c, deadline_ns, err);
        if (end == SQL_DONE) {
            end = check_version(c, false, deadline_ns, err);
        }
        c->checked = end == SQL_DONE;
        if (end == SQL_MAYBE) {
            end = SQL_GONE; /* tables that were made need not be made again */
        }
    }
    return end;
}

/* ---- running ---- */

/* What a failure inside a transaction means. */
static int failed_inside(struct sql_catalog *c, enum sql_end end, struct tl_err *err)
{
    if (end == SQL_DONE) {
        return TL_OK;
    }
    c->in_transaction = false;
    c->lost_transaction = true;
    if (end == SQL_GONE || end == SQL_MAYBE || !c->driver->rollback(c->conn, begin_call(c, sql_deadline(c->options.timeout_ms)))) {
        drop_connection(c);
    }
    int code = err && (end == SQL_FAILED ? err->code : err->code == TL_ECANCELLED) ? err->code : TL_EUNAVAILABLE;
    if (err) {
        err->code = code;
    }
    return code;
}

static int run_until_done(struct sql_catalog *c, unsigned flags, struct sql_statement *s, size_t n, struct sql_rows *rows,
                          int64_t deadline_ns, struct tl_err *err)
{
    bool perhaps = false;
    deadline_ns = begin_call(c, deadline_ns);
    for (unsigned tries = 1;; tries++) {
        struct tl_err why = TL_ERR_INIT;
        enum sql_end end = have_connection(c, deadline_ns, &why);
        bool connected = end == SQL_DONE;
        if (connected) {
            end = run_once(c, s, n, flags, rows, deadline_ns, &why);
        }
        if (end == SQL_DONE) {
            return TL_OK;
        }
        perhaps = perhaps || (connected && end == SQL_MAYBE);
        if (end == SQL_GONE || end == SQL_MAYBE) {
            drop_connection(c);
        }
        if (end == SQL_TAKEN) {
            return err_set(err, TL_EEXISTS, "%s", why.message);
        }
        int code = perhaps ? TL_EUNKNOWN : end == SQL_AGAIN && connected ? TL_ELOCKED : TL_EUNAVAILABLE;
        if (end == SQL_FAILED) {
            if (err) {
                *err = why;
                err->code = perhaps && connected ? TL_EUNKNOWN : why.code ? why.code : TL_EIO;
            }
            return perhaps && connected ? TL_EUNKNOWN : why.code ? why.code : TL_EIO;
        }
        int rc = why.code == TL_ECANCELLED ? err_set(err, TL_ECANCELLED, "%s", why.message)
                                           : pause_before(c, tries, deadline_ns, &why, code, err);
        if (rc != TL_OK) {
            return perhaps && rc == TL_ECANCELLED ? err_set(err, TL_EUNKNOWN, "cancelled; the database may have done it") : rc;
        }
    }
}

int sql_do(struct sql_catalog *c, enum sql_how how, struct sql_statement *s, size_t n, struct sql_rows *rows, int64_t deadline_ns,
           struct tl_err *err)
{
    int rc;
    struct tl_err own = TL_ERR_INIT;
    err = err ? err : &own;
    rc = sql_enter(c, deadline_ns, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (c->in_transaction) {
        rc = failed_inside(c, run_once(c, s, n, 0, rows, begin_call(c, deadline_ns), err), err);
    } else {
        rc = run_until_done(c, how == SQL_WRITES ? SQL_BEGIN | SQL_COMMIT : SQL_READ_ONLY, s, n, rows, deadline_ns, err);
    }
    sql_leave(c);
    return rc;
}

int sql_begin(struct sql_catalog *c, struct sql_statement *s, size_t n, struct sql_rows *rows, int64_t deadline_ns, struct tl_err *err)
{
    int rc = run_until_done(c, SQL_BEGIN, s, n, rows, deadline_ns, err);
    c->in_transaction = rc == TL_OK;
    c->lost_transaction = false;
    return rc == TL_EUNKNOWN ? TL_EUNAVAILABLE : rc; /* nothing was to be committed */
}

int sql_commit(struct sql_catalog *c, struct sql_statement *s, size_t n, struct sql_rows *rows, struct tl_err *err)
{
    if (c->lost_transaction || !c->in_transaction) {
        return err_set(err, TL_EUNAVAILABLE, "the database's transaction was lost");
    }
    enum sql_end end = run_once(c, s, n, SQL_COMMIT, rows, begin_call(c, sql_deadline(c->options.timeout_ms)), err);
    int rc = failed_inside(c, end, err);
    c->in_transaction = false;
    return end == SQL_MAYBE ? TL_EUNKNOWN : rc;
}

void sql_rollback(struct sql_catalog *c)
{
    if (c->in_transaction && !c->driver->rollback(c->conn, begin_call(c, sql_deadline(c->options.timeout_ms)))) {
        drop_connection(c);
    }
    c->in_transaction = false;
}

bool sql_changed(struct sql_catalog *c, uint64_t *seen)
{
    if (!c->conn || !c->driver->changed) {
        return true;
    }
    c->changes += c->driver->changed(c->conn);
    bool changed = c->changes != *seen;
    *seen = c->changes;
    return changed;
}

/* ---- opening and closing ---- */

static void catalog_free(struct sql_catalog *c)
{
    for (size_t i = 0; i < SQL_N_TEXTS; i++) {
        mem_free(c->texts[i]);
    }
    if (c->url) {
        volatile char *p = c->url;
        while (*p) {
            *p++ = 0;
        }
        mem_free(c->url);
    }
    guard_release(&c->guard);
    mem_free(c);
}

/* ---- forks: a local database's connection must be idle at that moment, for the child to close its copy ---- */

static pthread_mutex_t local_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct sql_catalog *local_catalogs;
static pthread_once_t local_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&local_mutex);
    for (struct sql_catalog *c = local_catalogs; c; c = c->next_local) {
        guard_lock(&c->guard);
    }
}

static void after_fork_parent(void)
{
    for (struct sql_catalog *c = local_catalogs; c; c = c->next_local) {
        guard_leave(&c->guard);
    }
    pthread_mutex_unlock(&local_mutex);
}

static void after_fork_child(void)
{
    for (struct sql_catalog *c = local_catalogs; c; c = c->next_local) {
        (void)guard_init(&c->guard, NULL);
    }
    pthread_mutex_init(&local_mutex, NULL);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void remember_local(struct sql_catalog *c)
{
    pthread_once(&local_once, watch_forks);
    pthread_mutex_lock(&local_mutex);
    c->next_local = local_catalogs;
    local_catalogs = c;
    pthread_mutex_unlock(&local_mutex);
}

static void forget_local(struct sql_catalog *c)
{
    pthread_mutex_lock(&local_mutex);
    for (struct sql_catalog **p = &local_catalogs; *p; p = &(*p)->next_local) {
        if (*p == c) {
            *p = c->next_local;
            break;
        }
    }
    pthread_mutex_unlock(&local_mutex);
}

static void catalog_closing(struct catalog *base)
{
    atomic_store(&catalog_of(base)->closing_ns, os->monotonic_ns());
}

static void catalog_close(struct catalog *base)
{
    struct sql_catalog *c = catalog_of(base);
    forget_local(c);
    drop_connection(c);
    catalog_free(c);
}

static void catalog_forked(struct catalog *base)
{
    struct sql_catalog *c = catalog_of(base);
    if (c->conn) {
        c->driver->abandon(c->conn);
    }
    c->conn = NULL;
    c->checked = false;
    c->in_transaction = c->lost_transaction = false;
    c->changes++;
    (void)guard_init(&c->guard, NULL);
}

/* ---- the catalog ---- */

static int64_t limit_of(const struct sql_catalog *c)
{
    return sql_deadline(c->options.timeout_ms);
}

static int check_name_length(struct str name, struct tl_err *err)
{
    return name.n <= SQL_NAME_MAX ? TL_OK
                                  : err_set(err, TL_ELIMIT, "the name of the study is %zu bytes long; databases hold names of up to %d",
                                            name.n, SQL_NAME_MAX);
}

/* What tells a stream from all others, also those of another copy of the database. */
static int tag_of(const char *worker, uint64_t n, char out[100], struct tl_err *err)
{
    struct buf b = BUF_INIT(99);
    uint64_t r = 0;
    int sys = os->random(&r, sizeof r);
    if (sys < 0) {
        return err_sys(err, -sys, "cannot get random bytes");
    }
    buf_printf(&b, "%.40s/%llu/%016llx", worker, (unsigned long long)n, (unsigned long long)r);
    const char *text = buf_cstr(&b);
    if (text) {
        memcpy(out, text, b.len + 1);
    }
    int failed = b.failed;
    buf_release(&b);
    return failed ? err_set(err, failed, "the name of a new stream: memory is short") : TL_OK;
}

static int catalog_create(struct catalog *base, struct str name, struct str line, const char *worker, uint64_t n, int64_t *stream,
                          struct tl_err *err)
{
    struct sql_catalog *c = catalog_of(base);
    struct sql_rows rows = {0};
    struct sql_value w = sql_bytes(str_of(worker)), no = sql_int((int64_t)n), key = sql_bytes(name);
    char tag[100];
    size_t at = 0;
    int rc = check_name_length(name, err);
    rc = rc == TL_OK ? tag_of(worker, n, tag, err) : rc;
    if (rc != TL_OK) {
        return rc;
    }
    struct sql_statement s[] = {
        sql_make(c, SQL_LOCK_META, 0),
        SQL_STATEMENT(c, SQL_NEW_STREAM, key, sql_bytes(str_of(tag)), sql_int(STREAMS_MAX), key),
        SQL_STATEMENT(c, SQL_NEW_STREAM_OP, w, no, sql_bytes(line)),
        SQL_STATEMENT(c, SQL_NEW_STREAM_WRITER, w, no),
        SQL_STATEMENT(c, SQL_NEW_STREAM_WRITER, sql_bytes(STR("")), sql_int(0)),
        sql_make(c, SQL_COUNT_STREAM, 0),
        SQL_STATEMENT(c, SQL_FIND, key),
    };
    rc = sql_do(c, SQL_WRITES, s, TL_COUNT(s), &rows, limit_of(c), err);
    const struct sql_row *row = rc == TL_OK ? sql_rows_next(&rows, TL_COUNT(s) - 1, &at) : NULL;
    if (rc == TL_OK && !row) {
        rc = err_set(err, TL_ELIMIT, "the database has room for %lld studies, deleted ones included, and they are used up",
                     (long long)STREAMS_MAX - 1);
    } else if (rc == TL_OK && !str_eq(row->columns[1].bytes, str_of(tag))) {
        rc = err_set(err, TL_EEXISTS, "a study named '%.*s' exists already", (int)(name.n < 200 ? name.n : 200), name.p);
    } else if (rc == TL_OK) {
        *stream = row->columns[0].i;
    }
    sql_rows_release(&rows);
    return rc;
}

static int catalog_remove(struct catalog *base, int64_t stream, struct str line, const char *worker, uint64_t n, struct tl_err *err)
{
    struct sql_catalog *c = catalog_of(base);
    struct sql_rows rows = {0};
    struct sql_value w = sql_bytes(str_of(worker)), no = sql_int((int64_t)n), id = sql_int(stream);
    size_t at = 0;
    struct sql_statement s[] = {
        SQL_STATEMENT(c, SQL_LOCK, id),
        SQL_STATEMENT(c, SQL_REMOVE_OP, w, no, sql_bytes(line), id),
        SQL_STATEMENT(c, SQL_REMOVE, id),
        SQL_STATEMENT(c, SQL_REMOVE_OPS, id, id),
        SQL_STATEMENT(c, SQL_REMOVE_PARTS, id, id),
        SQL_STATEMENT(c, SQL_REMOVED, id),
    };
    int rc = sql_do(c, SQL_WRITES, s, TL_COUNT(s), &rows, limit_of(c), err);
    const struct sql_row *row = rc == TL_OK ? sql_rows_next(&rows, TL_COUNT(s) - 1, &at) : NULL;
    guard_lock(&c->guard);
    c->changes++; /* for the stream's backend: what this connection commits is not seen as a change by others */
    guard_leave(&c->guard);
    bool ours = row && row->columns[2].i == 1 && !row->columns[0].null && str_eq(row->columns[0].bytes, str_of(worker)) &&
                row->columns[1].i == (int64_t)n;
    if (rc == TL_OK && !ours) {
        rc = err_set(err, TL_ENOTFOUND, "there is no study %lld (any more)", (long long)stream);
    }
    sql_rows_release(&rows);
    return rc;
}

static int catalog_find(struct catalog *base, struct str name, int64_t *stream, struct tl_err *err)
{
    struct sql_catalog *c = catalog_of(base);
    struct sql_rows rows = {0};
    size_t at = 0;
    struct sql_statement s = SQL_STATEMENT(c, SQL_FIND, sql_bytes(name));
    int rc = sql_do(c, SQL_READS, &s, 1, &rows, limit_of(c), err);
    const struct sql_row *row = rc == TL_OK ? sql_rows_next(&rows, 0, &at) : NULL;
    if (rc == TL_OK && !row) {
        rc = err_set(err, TL_ENOTFOUND, "there is no study named '%.*s'", (int)(name.n < 200 ? name.n : 200), name.p);
    } else if (rc == TL_OK) {
        *stream = row->columns[0].i;
    }
    sql_rows_release(&rows);
    return rc;
}

static int catalog_each(struct catalog *base, int64_t stream, int (*each)(void *ctx, const struct catalog_entry *e), void *ctx,
                        struct tl_err *err)
{
    struct sql_catalog *c = catalog_of(base);
    struct sql_rows rows = {0};
    size_t at = 0;
    struct sql_statement s = stream ? SQL_STATEMENT(c, SQL_ENTRY, sql_int(stream)) : sql_make(c, SQL_LIST, 0);
    int rc = sql_do(c, SQL_READS, &s, 1, &rows, limit_of(c), err);
    const struct sql_row *row;
    while (rc == TL_OK && (row = sql_rows_next(&rows, 0, &at)) != NULL) {
        const struct sql_value *v = row->columns;
        struct catalog_entry e = {.stream = v[0].i, .name = v[1].null ? STR("") : v[1].bytes, .deleted = v[1].null,
                                  .head = (uint64_t)v[2].i, .summary_seq = (uint64_t)v[3].i,
                                  .summary = v[4].null ? STR("") : v[4].bytes};
        rc = each(ctx, &e);
    }
    sql_rows_release(&rows);
    return rc;
}

static int catalog_summarise(struct catalog *base, int64_t stream, uint64_t seq, struct str summary, struct tl_err *err)
{
    struct sql_catalog *c = catalog_of(base);
    struct sql_value at = sql_int((int64_t)seq);
    struct sql_statement s = SQL_STATEMENT(c, SQL_SUMMARISE, at, sql_bytes(summary), sql_int(stream), at);
    return sql_do(c, SQL_WRITES, &s, 1, NULL, limit_of(c), err);
}

static int catalog_open_stream(struct catalog *base, int64_t stream, struct backend **out, struct tl_err *err)
{
    return sql_stream_open(catalog_of(base), stream, out, err);
}

static void catalog_describe(struct catalog *base, struct buf *out)
{
    struct sql_catalog *c = catalog_of(base);
    struct tl_err err = TL_ERR_INIT;
    int64_t deadline = limit_of(c);
    if (sql_enter(c, deadline, &err) != TL_OK) {
        return;
    }
    if (!c->in_transaction && have_connection(c, begin_call(c, deadline), &err) == SQL_DONE && c->driver->describe) {
        c->driver->describe(c->conn, out);
    }
    sql_leave(c);
}

int sql_open(const struct sql_driver *driver, const char *url, const struct tl_storage_options *options, struct catalog **out,
             struct tl_err *err)
{
    struct sql_catalog *c = mem_zalloc(1, sizeof *c);
    if (!c) {
        return err_nomem(err);
    }
    c->driver = driver;
    c->options = *options;
    c->user_cancelled = options->cancelled;
    c->user_ctx = options->cancelled_ctx;
    c->options.cancelled = given_up;
    c->options.cancelled_ctx = c;
    c->until_ns = INT64_MAX;
    c->ops = (struct catalog_ops){
        .size = sizeof c->ops,
        .name = driver->name,
        .close = catalog_close,
        .create = catalog_create,
        .remove = catalog_remove,
        .find = catalog_find,
        .each = catalog_each,
        .summarise = catalog_summarise,
        .closing = catalog_closing,
        .open = catalog_open_stream,
        .forked = catalog_forked,
        .describe = catalog_describe,
    };
    c->base.ops = &c->ops;
    int rc = guard_init(&c->guard, err);
    if (rc != TL_OK) {
        mem_free(c);
        return rc;
    }
    if (driver->flags & SQL_LOCKED) {
        remember_local(c);
    }
    c->url = mem_dup(url, strlen(url));
    rc = c->url ? make_texts(c, err) : err_nomem(err);
    if (rc == TL_OK) { /* also shows whether all is well: a connection, tables, a version that we know */
        struct sql_statement s = sql_make(c, SQL_META, 0);
        struct sql_rows rows = {0};
        rc = sql_do(c, SQL_READS, &s, 1, &rows, limit_of(c), err);
        sql_rows_release(&rows);
    }
    if (rc != TL_OK) {
        catalog_close(&c->base);
        return rc;
    }
    *out = &c->base;
    return TL_OK;
}
