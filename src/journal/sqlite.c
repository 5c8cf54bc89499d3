/* SPDX-License-Identifier: MIT
 *
 * SQLite as a driver of sql.h: a file on a local disk that the processes of one machine share.
 *
 * Happy path: one connection with prepared statements; writing is BEGIN IMMEDIATE … COMMIT, waiting for others happens in the busy
 * handler, in short pauses of random length. WAL, so that readers and the writer do not wait for each other; a flush per commit for full
 * durability. `PRAGMA data_version` tells without a read whether anybody else has committed.
 *
 * Failure modes: network file systems are refused, because their locks cannot be trusted and WAL needs shared memory; a file that was
 * replaced under our hands is noticed by its inode and opened anew; an error at COMMIT leaves the outcome open. Invariants: nobody
 * but sql.c uses the connection; at a fork it is idle (sql.c sees to that), so that the child may close its copy: the kernel's locks
 * are the parent's and stay.
 */
#include "journal/sql.h"

#ifdef TRIALOG_HAVE_SQLITE

#include <errno.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/os.h"
#include "journal/client_library.h"

#include <trialog/storage.h>

#define MS INT64_C(1000000)
#define CONNECT_MS 300 /* one try */
#define SCHEMA_MS 50
#define BUSY_FIRST_US 60 /* the longest pause between two tries for the lock, at first … */
#define BUSY_MOST_US 15000 /* … and in the end */

#define API(X)                                                                                                                  \
    X(sqlite3_open_v2) X(sqlite3_close_v2) X(sqlite3_extended_result_codes) X(sqlite3_busy_handler) X(sqlite3_prepare_v2)      \
    X(sqlite3_finalize) X(sqlite3_reset) X(sqlite3_clear_bindings) X(sqlite3_step) X(sqlite3_bind_int64) X(sqlite3_bind_blob64) \
    X(sqlite3_bind_null) X(sqlite3_column_count) X(sqlite3_column_type) X(sqlite3_column_int64) X(sqlite3_column_blob)          \
    X(sqlite3_column_bytes) X(sqlite3_changes) X(sqlite3_errmsg) X(sqlite3_get_autocommit) X(sqlite3_libversion_number)

static struct {
    API(CLIENT_MEMBER)
} client_table;
static const struct client_symbol symbols[] = {API(CLIENT_SYMBOL)};
static struct client_library library = {
    .what = "SQLite",
    .package = "libsqlite3-0",
    .files = {"libsqlite3.so.0", "libsqlite3.so"},
    .symbols = symbols,
    .n_symbols = TL_COUNT(symbols),
    .table = &client_table,
};
#define lib client_table

struct sql_conn {
    sqlite3 *db;
    sqlite3_stmt *cache[SQL_N_TEXTS];
    sqlite3_stmt *begin, *commit, *version;
    char *path;
    uint64_t dev, ino; /* of the file that was opened */
    bool read_only, wal, has_version;
    enum tl_durability durability;
    int64_t data_version;
    int64_t deadline_ns; /* of the call under way */
    bool (*cancelled)(void *ctx);
    void *cancelled_ctx;
};

/* ---- failures ---- */

static enum sql_end sort(const struct sql_conn *c, int code, bool committing, struct tl_err *err)
{
    const char *text = c->db ? lib.sqlite3_errmsg(c->db) : "out of memory";
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        err_set(err, TL_ELOCKED, "SQLite: %s", text);
        return SQL_AGAIN;
    case SQLITE_CONSTRAINT:
        err_set(err, TL_EEXISTS, "SQLite: %s", text);
        return SQL_TAKEN;
    case SQLITE_NOMEM:
        err_nomem(err);
        return SQL_FAILED;
    case SQLITE_FULL:
        err_set(err, TL_ENOSPC, "SQLite cannot write '%s': %s", c->path, text);
        return SQL_FAILED;
    case SQLITE_TOOBIG:
        err_set(err, TL_ELIMIT, "SQLite: %s", text);
        return SQL_FAILED;
    case SQLITE_READONLY:
        err_set(err, TL_EACCESS, "'%s' or its folder may only be read: SQLite needs to write into both", c->path);
        return code == SQLITE_READONLY_DBMOVED ? SQL_GONE : SQL_FAILED;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        err_set(err, TL_EACCESS, "SQLite cannot use '%s': %s", c->path, text);
        return SQL_FAILED;
    case SQLITE_NOTADB:
        err_set(err, TL_EINVAL, "'%s' is no SQLite database (a journal file is opened by its path alone, without sqlite:///)", c->path);
        return SQL_FAILED;
    case SQLITE_CORRUPT:
        err_set(err, TL_ECORRUPT, "the SQLite database '%s' is damaged: %s", c->path, text);
        return SQL_FAILED;
    default:
        err_set(err, TL_EIO, "SQLite cannot read or write '%s': %s", c->path, text);
        return committing ? SQL_MAYBE : SQL_FAILED;
    }
}

/* While somebody else holds the lock. 1: try again. */
static int busy(void *ctx, int tries)
{
    const struct sql_conn *c = ctx;
    int64_t now = os->monotonic_ns();
    uint32_t r = 0;
    if (now >= c->deadline_ns || (c->cancelled && tries % 8 == 7 && c->cancelled(c->cancelled_ctx)) ||
        os->random(&r, sizeof r) < 0) {
        return 0;
    }
    int64_t most = (int64_t)BUSY_FIRST_US << (tries / 4 < 8 ? tries / 4 : 8); /* who waits longer asks less often: nobody is polled out */
    most = most < BUSY_MOST_US ? most : BUSY_MOST_US;
    os->sleep_ns((int64_t)(r % ((uint64_t)most * 1000)));
    return 1;
}

/* ---- opening ---- */

/* Where SQLite's locks and shared memory can be trusted. */
static int check_file_system(struct sql_conn *c, bool *wal, struct tl_err *err)
{
    struct os_fs_info fs;
    const char *slash = strrchr(c->path, '/');
    char *folder = mem_dup(slash ? c->path : ".", slash ? (slash == c->path ? 1 : (size_t)(slash - c->path)) : 1);
    if (!folder) {
        return err_nomem(err);
    }
    int sys = os->fs_info(folder, &fs);
    int rc = TL_OK;
    if (sys == -ENOENT || sys == -ENOTDIR) {
        rc = err_set(err, TL_ENOTFOUND, "there is no folder '%s'", folder);
    } else if (sys >= 0 && fs.kind != OS_FS_LOCAL && fs.kind != OS_FS_FUSE) {
        rc = err_set(err, TL_EUNSUPPORTED, "'%s' lies on a network file system, where SQLite's locks are not to be trusted: use a journal "
                     "file there (its path alone, without sqlite:///), or a database server", c->path);
    }
    *wal = sys >= 0 && fs.kind == OS_FS_LOCAL;
    mem_free(folder);
    return rc;
}

static enum sql_end exec(struct sql_conn *c, const char *text, char *answer, size_t n_answer, struct tl_err *err)
{
    sqlite3_stmt *st = NULL;
    int code = lib.sqlite3_prepare_v2(c->db, text, -1, &st, NULL);
    if (code == SQLITE_OK) {
        code = lib.sqlite3_step(st);
        if (code == SQLITE_ROW && answer) {
            const void *bytes = lib.sqlite3_column_blob(st, 0);
            size_t n = (size_t)lib.sqlite3_column_bytes(st, 0);
            n = bytes && n < n_answer ? n : 0;
            memcpy(answer, bytes ? bytes : "", n);
            answer[n] = 0;
        }
        while (code == SQLITE_ROW) {
            code = lib.sqlite3_step(st);
        }
    }
    enum sql_end end = code == SQLITE_DONE ? SQL_DONE : sort(c, code, false, err);
    lib.sqlite3_finalize(st);
    return end;
}

/* WAL where it is wanted and can be had; durability. */
static enum sql_end set_up(struct sql_conn *c, bool wal, struct tl_err *err)
{
    static const char *const synchronous[] = {
        [TL_DURABILITY_FULL] = "PRAGMA synchronous=FULL", [TL_DURABILITY_RELAXED] = "PRAGMA synchronous=NORMAL",
        [TL_DURABILITY_OFF] = "PRAGMA synchronous=OFF"};
    char mode[20] = "";
    enum sql_end end = exec(c, "PRAGMA journal_mode", mode, sizeof mode, err);
    if (end == SQL_DONE && !c->read_only && strcmp(mode, wal ? "wal" : "delete") != 0 && (wal || strcmp(mode, "wal") == 0)) {
        end = exec(c, wal ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=DELETE", mode, sizeof mode, err);
    }
    c->wal = strcmp(mode, "wal") == 0;
    return end == SQL_DONE ? exec(c, synchronous[c->durability], NULL, 0, err) : end;
}

static int read_url(struct url *url, struct sql_conn *c, bool *create, int *wal, struct tl_err *err)
{
    const char *mode = url_option(url, "mode"), *journal = url_option(url, "journal");
    if (url->host || url->user) {
        return err_set(err, TL_EINVAL, "a SQLite database is a file: sqlite:///relative.db or sqlite:////absolute.db");
    }
    if (!url->path || !*url->path || strcmp(url->path, ":memory:") == 0) {
        return err_set(err, TL_EINVAL, "a SQLite database without a file would be this process's own: use memory://, or "
                       "sqlite:///FILE");
    }
    if (mode && strcmp(mode, "ro") == 0) {
        c->read_only = true;
    } else if (mode && strcmp(mode, "rw") == 0) {
        *create = false;
    } else if (mode && strcmp(mode, "rwc") != 0) {
        return err_set(err, TL_EINVAL, "the option mode of a SQLite URL is ro, rw or rwc");
    }
    *wal = !journal ? -1 : strcmp(journal, "wal") == 0 ? 1 : strcmp(journal, "delete") == 0 ? 0 : 2;
    if (*wal == 2) {
        return err_set(err, TL_EINVAL, "the option journal of a SQLite URL is wal or delete");
    }
    if (url_unknown(url)) { /* before a file is made */
        return err_set(err, TL_EINVAL, "the URL of the storage has an option '%.60s', which sqlite storages do not know", url_unknown(url));
    }
    c->path = mem_dup(url->path, strlen(url->path));
    return c->path ? TL_OK : err_nomem(err);
}

static void conn_free(struct sql_conn *c)
{
    for (size_t i = 0; i < SQL_N_TEXTS; i++) {
        lib.sqlite3_finalize(c->cache[i]);
    }
    lib.sqlite3_finalize(c->begin);
    lib.sqlite3_finalize(c->commit);
    lib.sqlite3_finalize(c->version);
    if (c->db) {
        lib.sqlite3_close_v2(c->db);
    }
    mem_free(c->path);
    mem_free(c);
}

static enum sql_end open_file(struct sql_conn *c, bool create, struct tl_err *err)
{
    struct os_stat st;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (c->read_only ? SQLITE_OPEN_READONLY : create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE);
    int code = lib.sqlite3_open_v2(c->path, &c->db, flags, NULL);
    int sys = os->stat(c->path, true, &st);
    if (code != SQLITE_OK && (code & 0xff) == SQLITE_CANTOPEN) {
        if (sys == -ENOENT && !create) {
            err_set(err, TL_ENOTFOUND, "there is no SQLite database '%s': creating a study makes it", c->path);
        } else {
            err_set(err, TL_EACCESS, "cannot open or make the SQLite database '%s': it, or its folder, may not be written", c->path);
        }
        return SQL_FAILED;
    }
    if (code != SQLITE_OK) {
        return sort(c, code, false, err);
    }
    c->dev = sys >= 0 ? st.dev : 0;
    c->ino = sys >= 0 ? st.ino : 0;
    lib.sqlite3_extended_result_codes(c->db, 1);
    lib.sqlite3_busy_handler(c->db, busy, c);
    return SQL_DONE;
}

static enum sql_end driver_connect(struct url *url, const struct tl_storage_options *options, int64_t deadline_ns,
                                   struct sql_conn **out, struct tl_err *err)
{
    bool create = !options->read_only && !options->must_exist, local = true;
    int wal = -1;
    if (client_library_open(&library, err) != TL_OK) {
        return SQL_FAILED;
    }
    if (lib.sqlite3_libversion_number() < 3024000) {
        err_set(err, TL_EUNSUPPORTED, "SQLite 3.24 or newer is needed");
        return SQL_FAILED;
    }
    struct sql_conn *c = mem_zalloc(1, sizeof *c);
    if (!c) {
        err_nomem(err);
        return SQL_FAILED;
    }
    int64_t soon = os->monotonic_ns() + CONNECT_MS * MS;
    c->durability = options->durability;
    c->deadline_ns = soon < deadline_ns ? soon : deadline_ns; /* sql.c tries again: many that switch to WAL at once must not hold on */
    c->cancelled = options->cancelled;
    c->cancelled_ctx = options->cancelled_ctx;
    c->read_only = options->read_only;
    int rc = read_url(url, c, &create, &wal, err);
    if (rc == TL_OK) {
        rc = check_file_system(c, &local, err);
    }
    enum sql_end end = rc == TL_OK ? open_file(c, create, err) : SQL_FAILED;
    if (end == SQL_DONE) {
        end = set_up(c, wal < 0 ? local : wal == 1, err);
    }
    if (end != SQL_DONE) {
        conn_free(c);
        return end;
    }
    *out = c;
    return SQL_DONE;
}

/* ---- running ---- */

static bool moved(const struct sql_conn *c)
{
    struct os_stat st;
    return os->stat(c->path, true, &st) < 0 || st.dev != c->dev || st.ino != c->ino;
}

static int prepared(struct sql_conn *c, sqlite3_stmt **st, const char *text)
{
    return *st ? SQLITE_OK : lib.sqlite3_prepare_v2(c->db, text, -1, st, NULL);
}

static int simple(struct sql_conn *c, sqlite3_stmt **st, const char *text)
{
    int code = prepared(c, st, text);
    if (code == SQLITE_OK) {
        code = lib.sqlite3_step(*st);
        int after = lib.sqlite3_reset(*st);
        code = code == SQLITE_DONE || code == SQLITE_ROW ? after : code;
    }
    return code;
}

static int bind(sqlite3_stmt *st, const struct sql_statement *s)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < s->n_params && code == SQLITE_OK; i++) {
        const struct sql_value *v = &s->params[i];
        int at = (int)i + 1;
        if (v->null) {
            code = lib.sqlite3_bind_null(st, at);
        } else if (v->kind == SQL_INT) {
            code = lib.sqlite3_bind_int64(st, at, v->i);
        } else {
            code = lib.sqlite3_bind_blob64(st, at, v->bytes.n ? v->bytes.p : "", v->bytes.n, SQLITE_STATIC);
        }
    }
    return code;
}

#define COLUMNS_MAX 16

static int hand_row(sqlite3_stmt *st, struct sql_batch *b, size_t statement, struct tl_err *err)
{
    struct sql_value v[COLUMNS_MAX];
    int n = lib.sqlite3_column_count(st);
    for (int i = 0; i < n && i < COLUMNS_MAX; i++) {
        int type = lib.sqlite3_column_type(st, i);
        v[i] = (struct sql_value){.kind = type == SQLITE_INTEGER ? SQL_INT : SQL_BYTES, .null = type == SQLITE_NULL};
        if (type == SQLITE_INTEGER) {
            v[i].i = lib.sqlite3_column_int64(st, i);
        } else if (type != SQLITE_NULL) {
            const void *bytes = lib.sqlite3_column_blob(st, i);
            v[i].bytes = (struct str){bytes ? bytes : "", (size_t)lib.sqlite3_column_bytes(st, i)};
        }
    }
    return b->row ? b->row(b->ctx, statement, v, (size_t)n, err) : 0;
}

/* One statement; the code of SQLite, `*refused` when `row` did not want more. */
static int run_statement(struct sql_conn *c, struct sql_batch *b, size_t i, bool *refused, struct tl_err *err)
{
    struct sql_statement *s = &b->statements[i];
    sqlite3_stmt **st = &c->cache[s->id];
    int code = prepared(c, st, s->text);
    if (code == SQLITE_OK) {
        code = bind(*st, s);
    }
    if (code == SQLITE_OK) {
        while ((code = lib.sqlite3_step(*st)) == SQLITE_ROW && !*refused) {
            *refused = hand_row(*st, b, i, err) != 0;
        }
        s->changed = lib.sqlite3_changes(c->db);
    }
    if (*st) {
        int after = lib.sqlite3_reset(*st);
        code = code == SQLITE_DONE || code == SQLITE_ROW ? after : code;
        lib.sqlite3_clear_bindings(*st);
    }
    return code;
}

static bool driver_rollback(struct sql_conn *c, int64_t deadline_ns)
{
    (void)deadline_ns;
    if (!lib.sqlite3_get_autocommit(c->db)) {
        (void)exec(c, "ROLLBACK", NULL, 0, NULL);
    }
    return true;
}

static enum sql_end driver_run(struct sql_conn *c, struct sql_batch *b, struct tl_err *err)
{
    bool refused = false, committing = false;
    int code = SQLITE_OK;
    c->deadline_ns = b->deadline_ns;
    c->cancelled = b->cancelled;
    c->cancelled_ctx = b->cancelled_ctx;
    if (lib.sqlite3_get_autocommit(c->db) && moved(c)) {
        err_set(err, TL_EUNAVAILABLE, "the file '%s' was removed or replaced", c->path);
        return SQL_GONE;
    }
    if (b->flags & SQL_BEGIN) {
        code = simple(c, &c->begin, "BEGIN IMMEDIATE");
    }
    for (size_t i = 0; i < b->n && code == SQLITE_OK && !refused; i++) {
        code = run_statement(c, b, i, &refused, err);
    }
    if (code == SQLITE_OK && !refused && (b->flags & SQL_COMMIT)) {
        committing = true;
        code = simple(c, &c->commit, "COMMIT");
    }
    if (code == SQLITE_OK && !refused) {
        return SQL_DONE;
    }
    enum sql_end end = refused ? SQL_FAILED : sort(c, code, committing, err);
    (void)driver_rollback(c, b->deadline_ns);
    return end;
}

static enum sql_end driver_has_table(struct sql_conn *c, const char *name, bool *out, int64_t deadline_ns, struct tl_err *err)
{
    c->deadline_ns = deadline_ns;
    sqlite3_stmt *st = NULL;
    int code = lib.sqlite3_prepare_v2(c->db, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND CAST(name AS BLOB) = ?", -1, &st, NULL);
    if (code == SQLITE_OK) {
        code = lib.sqlite3_bind_blob64(st, 1, name, strlen(name), SQLITE_STATIC);
    }
    if (code == SQLITE_OK) {
        code = lib.sqlite3_step(st);
    }
    enum sql_end end = code == SQLITE_ROW || code == SQLITE_DONE ? SQL_DONE : sort(c, code, false, err);
    *out = code == SQLITE_ROW;
    lib.sqlite3_finalize(st);
    return end;
}

static enum sql_end driver_create_schema(struct sql_conn *c, const char *const *statements, size_t n, int64_t deadline_ns,
                                         struct tl_err *err)
{
    int64_t soon = os->monotonic_ns() + SCHEMA_MS * MS;
    c->deadline_ns = soon < deadline_ns ? soon : deadline_ns; /* by then somebody else may have made them: sql.c looks again */
    enum sql_end end = exec(c, "BEGIN IMMEDIATE", NULL, 0, err);
    for (size_t i = 0; i < n && end == SQL_DONE; i++) {
        end = exec(c, statements[i], NULL, 0, err);
    }
    if (end == SQL_DONE) {
        end = exec(c, "COMMIT", NULL, 0, err);
    }
    if (end != SQL_DONE) {
        (void)driver_rollback(c, 0);
    }
    return end;
}

/* ---- the rest ---- */

/* The counter moves when another connection commits; own commits leave it. */
static bool driver_changed(struct sql_conn *c)
{
    int64_t version = -1;
    if (moved(c)) {
        return true;
    }
    if (prepared(c, &c->version, "PRAGMA data_version") == SQLITE_OK && lib.sqlite3_step(c->version) == SQLITE_ROW) {
        version = lib.sqlite3_column_int64(c->version, 0);
    }
    if (c->version) {
        lib.sqlite3_reset(c->version);
    }
    bool changed = version < 0 || !c->has_version || version != c->data_version;
    c->has_version = version >= 0;
    c->data_version = version;
    return changed;
}

static void driver_describe(struct sql_conn *c, struct buf *out)
{
    static const char *const durability[] = {
        [TL_DURABILITY_FULL] = "full", [TL_DURABILITY_RELAXED] = "relaxed", [TL_DURABILITY_OFF] = "off"};
    buf_printf(out, " journal=%s durability=%s", c->wal ? "wal" : "delete", durability[c->durability]);
}

const struct sql_driver sqlite_driver = {
    .size = sizeof(struct sql_driver),
    .name = "sqlite",
    .flags = SQL_LOCKED,
    .dialect = {.int_ = "INTEGER", .name = "BLOB", .short_ = "BLOB", .bytes = "BLOB",
                .now = "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)", .for_update = "", .dual = "",
                .least = "MIN", .table_end = ""},
    .max_payload = (size_t)512 << 20,
    .connect = driver_connect,
    .close = conn_free,
    .abandon = conn_free,
    .run = driver_run,
    .rollback = driver_rollback,
    .has_table = driver_has_table,
    .create_schema = driver_create_schema,
    .changed = driver_changed,
    .describe = driver_describe,
};

#else

typedef int translation_unit_needs_something; /* C wants at least one declaration */

#endif
