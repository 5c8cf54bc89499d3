/* SPDX-License-Identifier: MIT
 *
 * What every SQL driver that talks to a server must do, below sql.c: batches, values, what is prepared, and above all how failures are
 * sorted (enum sql_end). usage: sql_driver, with TRIALOG_TEST_URL and TRIALOG_TEST_NEW_URL as tests/support/servers.py sets them.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "journal/sql.h"
#include "support/check_main.h"

#include <trialog/storage.h>

static const struct sql_driver *driver;
static bool postgres;
static char database[512]; /* URL of this case's own */
static struct tl_err err;
static const struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;

#define SECOND INT64_C(1000000000)

static int64_t in(double seconds)
{
    return os->monotonic_ns() + (int64_t)(seconds * 1e9);
}

static void new_database(void)
{
    FILE *f = popen(getenv("TRIALOG_TEST_NEW_URL"), "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(database, sizeof database, f));
    database[strcspn(database, "\n")] = 0;
    ck_assert_int_eq(pclose(f), 0);
}

static enum sql_end connect_url(const char *text, struct sql_conn **out)
{
    struct url url;
    ck_assert_int_eq(url_parse(text, &url, &err), TL_OK);
    enum sql_end end = driver->connect(&url, &options, in(20), out, &err);
    if (end == SQL_DONE) {
        ck_assert_ptr_null(url_unknown(&url));
    }
    url_release(&url);
    return end;
}

static struct sql_conn *connected(void)
{
    struct sql_conn *c = NULL;
    enum sql_end end = connect_url(database, &c);
    ck_assert_msg(end == SQL_DONE, "connect: %d %s", (int)end, err.message);
    return c;
}

/* Texts, until the process ends. */
static char arena[64 << 10];
static size_t arena_used;
static char *room(size_t n)
{
    char *p = arena + arena_used;
    arena_used += n;
    if (arena_used > sizeof arena) {
        abort();
    }
    return p;
}

/* The text of a statement of sql_text.h in the driver's dialect. */
static const char *dialect(const char *text)
{
    const struct sql_dialect *d = &driver->dialect;
    const char *const words[][2] = {{"{int}", d->int_}, {"{name}", d->name}, {"{short}", d->short_}, {"{bytes}", d->bytes},
                                    {"{now}", d->now}, {"{for_update}", d->for_update}, {"{dual}", d->dual},
                                    {"{least}", d->least}, {"{table_end}", d->table_end}};
    char *out = arena + arena_used, *to = out;
    int n = 0;
    while (*text) {
        size_t i = 0;
        while (i < TL_COUNT(words) && strncmp(text, words[i][0], strlen(words[i][0])) != 0) {
            i++;
        }
        if (i < TL_COUNT(words)) {
            to += sprintf(to, "%s", words[i][1]);
            text += strlen(words[i][0]);
        } else if (*text == '?' && d->numbered) {
            to += sprintf(to, "$%d", ++n);
            text++;
        } else {
            *to++ = *text++;
        }
    }
    *to = 0;
    return room((size_t)(to - out) + 1);
}

static const char *texts[SQL_N_TEXTS];
static const char *schema[8], *read_text;
static size_t n_schema;

/* As SQL_READ does it, with fewer columns. */
#define READ                                                                                                                       \
    "SELECT s.head, s.tag, w.last_n, o.first_seq, o.count, o.worker, o.n, CASE WHEN o.worker = ? AND o.n = ? THEN NULL "           \
    "ELSE o.payload END FROM trialog_stream s LEFT JOIN trialog_writer w ON w.stream = s.id AND w.worker = ? "                     \
    "LEFT JOIN trialog_op o ON o.stream = s.id AND o.first_seq >= ? WHERE s.id = 1 ORDER BY o.first_seq"

static void make_texts(void)
{
    size_t i = 0;
    read_text = dialect(READ);
#define ONE(id, text) texts[i++] = dialect(text);
    SQL_TEXT_LIST(ONE)
    for (i = 0; i < driver->n_own_texts; i++) {
        texts[driver->own_texts[i].id] = dialect(driver->own_texts[i].text);
    }
#define TABLE(text) schema[n_schema++] = dialect(text);
    SQL_SCHEMA_LIST(TABLE)
}

static struct sql_statement statement(enum sql_text id, size_t n, const struct sql_value *params)
{
    struct sql_statement s = {.id = id, .text = texts[id], .n_params = 0};
    memcpy(s.params, params, n * sizeof *params);
    for (const char *mark = strpbrk(s.text, "?$"); mark && s.n_params < n; mark = strpbrk(mark + 1, "?$")) {
        s.n_params++; /* as sql_make does: a driver's own text may take fewer */
    }
    return s;
}
#define S(id, ...) statement(id, sizeof((struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value), (struct sql_value[]){__VA_ARGS__})
#define I(i) sql_int(i)
#define T(text) sql_bytes(str_of(text))

/* A text of this test's own, under the number of a statement that no case uses (drivers prepare by number). */
static struct sql_statement own(int number, const char *text)
{
    return (struct sql_statement){.id = (enum sql_text)(SQL_TAKE + number), .text = text};
}

/* Rows as text: "3:a|-|9;", statement, columns, "-" for NULL. */
struct seen {
    char text[4096];
    size_t n, rows, bytes;
};
static size_t not_seen = SIZE_MAX; /* a statement whose rows do not count */
static int see(void *ctx, size_t number, const struct sql_value *columns, size_t n, struct tl_err *e)
{
    struct seen *s = ctx;
    (void)e;
    if (number == not_seen) {
        return 0;
    }
    s->rows++;
    s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "%zu:", number);
    for (size_t i = 0; i < n; i++) {
        const struct sql_value *v = &columns[i];
        s->bytes += v->kind == SQL_BYTES && !v->null ? v->bytes.n : 0;
        const char *end = i + 1 < n ? "|" : ";";
        if (v->null) {
            s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "-%s", end);
        } else if (v->kind == SQL_INT) {
            s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "%lld%s", (long long)v->i, end);
        } else {
            s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "%.*s%s", v->bytes.n > 40 ? 40 : (int)v->bytes.n, v->bytes.p, end);
        }
        ck_assert_uint_lt(s->n, sizeof s->text);
    }
    return 0;
}

static enum sql_end run(struct sql_conn *c, struct sql_statement *s, size_t n, unsigned flags, struct seen *seen)
{
    struct sql_batch b = {s, n, flags, seen ? see : NULL, seen, in(20), NULL, NULL};
    if (seen) {
        memset(seen, 0, sizeof *seen);
    }
    err = (struct tl_err)TL_ERR_INIT;
    return driver->run(c, &b, &err);
}
#define DONE(call)                                                                                                                 \
    do {                                                                                                                          \
        enum sql_end end_ = (call);                                                                                               \
        ck_assert_msg(end_ == SQL_DONE, "%s: %d, %s", #call, (int)end_, err.message);                                             \
    } while (0)

/* The schema, and a stream 1 that holds one line. */
static struct sql_conn *prepared(void)
{
    struct sql_conn *c = connected();
    DONE(driver->create_schema(c, schema, n_schema, in(20), &err));
    struct sql_statement s[] = {
        S(SQL_LOCK_META, I(0)), S(SQL_NEW_STREAM, T("x"), T("tag"), I(99), T("x")), S(SQL_NEW_STREAM_OP, T("w0"), I(1), T("first\n")),
        S(SQL_NEW_STREAM_WRITER, T("w0"), I(1)), S(SQL_COUNT_STREAM, I(0)),
    };
    s[0].n_params = s[4].n_params = 0;
    DONE(run(c, s, 5, SQL_BEGIN | SQL_COMMIT, NULL));
    return c;
}

/* An append to stream 1 by `worker` of `k` operations from number `n` on; rows from `from` on in `seen`. */
static enum sql_end append(struct sql_conn *c, const char *worker, int64_t n, int64_t k, struct str payload, int64_t from, int64_t exact,
                           struct seen *seen)
{
    struct sql_statement s[] = {
        S(SQL_LOCK, I(1)),
        S(SQL_NEW_WRITER, I(1), T(worker), I(1), T(worker)),
        S(SQL_LOCK_PUT, I(1), T(worker), I(n), I(0), I(from), I(from), I(exact >= 0), I(exact)),
        S(SQL_PUT, I(k), T(worker), I(n), sql_bytes(payload), I(1), I(from), I(from), I(exact >= 0), I(exact), T(worker), I(n), I(0)),
        S(SQL_RAISE_WRITER, I(n + k - 1), I(1), T(worker), I(n)),
        S(SQL_RAISE_HEAD, I(k), I(1)),
        own(5, read_text),
    };
    struct sql_value read[] = {T(worker), I(n), T(worker), I(from)};
    memcpy(s[6].params, read, sizeof read);
    s[6].n_params = 4;
    not_seen = 2; /* one driver has a row there, another has not */
    enum sql_end end = run(c, s, 7, SQL_BEGIN | SQL_COMMIT, seen);
    not_seen = SIZE_MAX;
    return end;
}

/* ---- cases ---- */

static void *create(void *arg)
{
    struct sql_conn *c = NULL;
    struct url url;
    struct tl_err e = TL_ERR_INIT;
    struct { enum sql_end end; char text[320]; } *out = arg;
    if (url_parse(database, &url, &e) == TL_OK) {
        do {
            out->end = driver->connect(&url, &options, in(60), &c, &e);
        } while (out->end == SQL_AGAIN);
        if (out->end == SQL_DONE) {
            do {
                out->end = driver->create_schema(c, schema, n_schema, in(60), &e);
            } while (out->end == SQL_AGAIN);
            driver->close(c);
        }
        url_release(&url);
    }
    memcpy(out->text, e.message, sizeof out->text);
    return NULL;
}

START_TEST(forty_create_the_schema_at_once)
{
    pthread_t threads[40];
    struct { enum sql_end end; char text[320]; } out[40];
    struct sql_conn *c = connected();
    bool there;
    DONE(driver->has_table(c, "trialog_meta", &there, os->monotonic_ns() + 10000000000, &err));
    ck_assert(!there);
    for (int i = 0; i < 40; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, create, &out[i]), 0);
    }
    for (int i = 0; i < 40; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(out[i].end == SQL_DONE, "%d: %d %s", i, (int)out[i].end, out[i].text);
    }
    struct seen seen;
    struct sql_statement s = S(SQL_META, I(0));
    s.n_params = 0;
    DONE(run(c, &s, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "0:1|1|1;");
    DONE(driver->has_table(c, "trialog_meta", &there, os->monotonic_ns() + 10000000000, &err));
    ck_assert(there);
    driver->close(c);
}
END_TEST

START_TEST(an_append_tells_all_that_is_new)
{
    struct sql_conn *c = prepared(), *d = connected();
    struct seen seen;
    for (int round = 0; round < 2; round++) { /* the second time everything is prepared already */
        int64_t at = 1 + 5 * round;
        DONE(append(c, "wa", 1 + 2 * round, 2, STR("one\ntwo\n"), at, -1, &seen));
        DONE(append(d, "wb", 1 + 3 * round, 3, STR("three\nfour\nfive\n"), at, -1, &seen));
        char expected[200];
        snprintf(expected, sizeof expected, "0:%lld;6:%lld|tag|%lld|%lld|2|wa|%d|one\ntwo\n;6:%lld|tag|%lld|%lld|3|wb|%d|-;",
                 (long long)at + 2, (long long)at + 5, (long long)(3 + 3 * round), (long long)at, 1 + 2 * round, (long long)at + 5,
                 (long long)(3 + 3 * round), (long long)at + 2, 1 + 3 * round);
        ck_assert_str_eq(seen.text, expected);
    }
    DONE(append(c, "wa", 3, 2, STR("one\ntwo\n"), 11, -1, &seen)); /* this number was there already */
    ck_assert_str_eq(seen.text, "0:11;6:11|tag|4|-|-|-|-|-;");
    DONE(append(c, "wa", 5, 1, STR("six\n"), 11, 10, &seen)); /* not at that place */
    ck_assert_str_eq(seen.text, "0:11;6:11|tag|4|-|-|-|-|-;");
    DONE(append(c, "wa", 5, 1, STR("six\n"), 11, 11, &seen));
    ck_assert_str_eq(seen.text, "0:11;6:12|tag|5|11|1|wa|5|-;");
    driver->close(c);
    driver->close(d);
}
END_TEST

START_TEST(every_byte_travels)
{
    struct sql_conn *c = prepared();
    char all[512], name[] = "it's \\ \"quoted\" ? $1 \xff\x80\xc3";
    static char big[3 << 20];
    struct seen seen;
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (char)i;
    }
    memset(big, '\'', sizeof big);
    DONE(append(c, name, 1, 1, (struct str){all, sizeof all}, 1, -1, &seen));
    DONE(append(c, "w", 1, 1, (struct str){big, sizeof big}, 1, -1, &seen));
    ck_assert_uint_eq(seen.rows, 3);
    DONE(append(c, "v", 1, 1, (struct str){"", 0}, 1, -1, &seen));
    ck_assert_uint_eq(seen.bytes, 3 * strlen("tag") + strlen(name) + 1 + 1 + sizeof all + sizeof big);
    struct sql_statement s = S(SQL_SUMMARISE, I(INT64_MAX), (struct sql_value){SQL_BYTES, true, 0, {NULL, 0}}, I(1), I(INT64_MAX));
    DONE(run(c, &s, 1, 0, NULL));
    ck_assert_int_eq(s.changed, 1);
    s = S(SQL_SUMMARISE, I(INT64_MIN), sql_bytes((struct str){all, sizeof all}), I(2), I(1));
    DONE(run(c, &s, 1, SQL_BEGIN | SQL_COMMIT, NULL));
    ck_assert_int_eq(s.changed, 0);
    struct sql_statement e = S(SQL_ENTRY, I(1));
    DONE(run(c, &e, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "0:1|x|4|9223372036854775807|-;");
    driver->close(c);
}
END_TEST

START_TEST(a_key_that_is_taken)
{
    struct sql_conn *c = prepared();
    struct sql_statement s[] = {S(SQL_PART_PUT, I(1), I(5), I(0), T("a")), S(SQL_PART_PUT, I(1), I(5), I(0), T("b"))};
    ck_assert_int_eq(run(c, s, 2, SQL_BEGIN | SQL_COMMIT, NULL), SQL_TAKEN);
    struct seen seen;
    struct sql_statement get = S(SQL_PART_GET, I(1), I(5), I(0));
    DONE(run(c, &get, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, ""); /* the first one went, too */
    DONE(run(c, s, 1, SQL_BEGIN | SQL_COMMIT, NULL));
    DONE(run(c, &get, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "0:a;");
    driver->close(c);
}
END_TEST

struct beside {
    struct sql_conn *c;
    struct sql_statement s[4];
    size_t n;
    enum sql_end end;
    struct tl_err err;
};
static void *run_beside(void *arg)
{
    struct beside *b = arg;
    struct sql_batch batch = {b->s, b->n, SQL_BEGIN | SQL_COMMIT, NULL, NULL, in(30), NULL, NULL};
    b->end = driver->run(b->c, &batch, &b->err);
    return NULL;
}

static const char *sleeping(double seconds)
{
    char *text = room(100);
    snprintf(text, 100, postgres ? "SELECT pg_sleep(%g)" : "SELECT SLEEP(%g)", seconds);
    return text;
}

START_TEST(a_deadlock_is_for_another_try)
{
    struct beside a = {.c = prepared(), .n = 3, .err = TL_ERR_INIT}, b = {.c = connected(), .n = 3, .err = TL_ERR_INIT};
    pthread_t thread;
    a.s[0] = b.s[2] = S(SQL_LOCK, I(1));
    a.s[2] = b.s[0] = S(SQL_LOCK_META, I(0));
    a.s[2].n_params = b.s[0].n_params = 0;
    a.s[1] = own(0, sleeping(0.7));
    b.s[1] = own(0, sleeping(0.7));
    for (int round = 0; round < 10 && (round == 0 || (a.end == SQL_DONE && b.end == SQL_DONE)); round++) { /* they may have missed each other */
        ck_assert_int_eq(pthread_create(&thread, NULL, run_beside, &a), 0);
        run_beside(&b);
        pthread_join(thread, NULL);
    }
    ck_assert_msg((a.end == SQL_AGAIN) != (b.end == SQL_AGAIN), "%d %s; %d %s", (int)a.end, a.err.message, (int)b.end, b.err.message);
    ck_assert(a.end == SQL_DONE || b.end == SQL_DONE);
    DONE(run(a.c, a.s, 3, SQL_BEGIN | SQL_COMMIT, NULL));
    DONE(run(b.c, b.s, 3, SQL_BEGIN | SQL_COMMIT, NULL));
    driver->close(a.c);
    driver->close(b.c);
}
END_TEST

START_TEST(a_lock_that_does_not_come)
{
    struct beside holder = {.c = prepared(), .n = 2, .err = TL_ERR_INIT};
    struct sql_conn *c = connected();
    struct sql_statement limit = own(2, postgres ? "SET lock_timeout = '300ms'" : "SET SESSION innodb_lock_wait_timeout = 1");
    struct seen seen;
    pthread_t thread;
    DONE(run(c, &limit, 1, 0, NULL));
    holder.s[0] = S(SQL_LOCK, I(1));
    holder.s[1] = own(0, sleeping(8));
    ck_assert_int_eq(pthread_create(&thread, NULL, run_beside, &holder), 0);
    struct sql_statement lock = S(SQL_LOCK, I(1));
    while (run(c, &lock, 1, SQL_BEGIN | SQL_COMMIT, NULL) == SQL_DONE) { /* until the holder has it */
    }
    struct sql_statement s[] = {S(SQL_PART_PUT, I(1), I(5), I(0), T("a")), S(SQL_LOCK, I(1))};
    ck_assert_int_eq(run(c, s, 2, SQL_BEGIN | SQL_COMMIT, NULL), SQL_AGAIN);
    struct sql_statement get = S(SQL_PART_GET, I(1), I(5), I(0));
    DONE(run(c, &get, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "");
    pthread_join(thread, NULL);
    ck_assert_int_eq(holder.end, SQL_DONE);
    DONE(run(c, s, 2, SQL_BEGIN | SQL_COMMIT, NULL));
    driver->close(c);
    driver->close(holder.c);
}
END_TEST

/* libpq sends from 8 KiB on before it has all, and the first part may lock the stream: who vanishes then must not be waited for as long as TCP would. */
START_TEST(a_host_that_vanished_is_noticed)
{
    struct sql_conn *c = prepared();
    struct sql_statement s = own(8, "SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), "
                                    "current_setting('tcp_keepalives_count')");
    struct seen seen;
    DONE(run(c, &s, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "0:10|5|3;");
    driver->close(c);
}
END_TEST

START_TEST(a_transaction_is_held)
{
    struct sql_conn *c = prepared(), *other = connected();
    struct sql_statement lock = S(SQL_LOCK, I(1)), put = S(SQL_PART_PUT, I(1), I(5), I(0), T("a")), get = S(SQL_PART_GET, I(1), I(5), I(0));
    struct sql_statement put_6 = S(SQL_PART_PUT, I(1), I(6), I(0), T("b")), get_6 = S(SQL_PART_GET, I(1), I(6), I(0));
    struct sql_statement as_before = own(6, postgres ? "SELECT current_setting('idle_in_transaction_session_timeout') = '0'"
                                                     : "SELECT @@SESSION.wait_timeout = @@GLOBAL.wait_timeout");
    struct seen seen;
    DONE(run(c, &lock, 1, SQL_BEGIN, &seen));
    ck_assert_str_eq(seen.text, "0:1;");
    DONE(run(c, &get, 1, 0, &seen));
    ck_assert_str_eq(seen.text, "");
    DONE(run(c, &put, 1, SQL_COMMIT, NULL));
    ck_assert_int_eq(put.changed, 1);
    DONE(run(other, &get, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "0:a;");

    DONE(run(c, &lock, 1, SQL_BEGIN, NULL));
    DONE(run(c, &put_6, 1, 0, NULL));
    ck_assert(driver->rollback(c, in(20)));
    DONE(run(other, &lock, 1, SQL_BEGIN | SQL_COMMIT, NULL));

    DONE(run(c, &lock, 1, SQL_BEGIN, NULL));
    struct sql_statement both[] = {put_6, put}; /* the second is there already */
    ck_assert_int_eq(run(c, both, 2, SQL_COMMIT, NULL), SQL_TAKEN);
    ck_assert(driver->rollback(c, in(20)));
    DONE(run(other, &get_6, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "");
    DONE(run(c, &as_before, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "0:1;");

    DONE(run(c, &lock, 1, SQL_BEGIN, NULL));
    DONE(run(other, &lock, 1, SQL_BEGIN | SQL_COMMIT, NULL)); /* when the server has had enough of the silence */
    enum sql_end end = run(c, &put_6, 1, SQL_COMMIT, NULL);
    ck_assert_msg(end == SQL_GONE || end == SQL_MAYBE, "%d %s", (int)end, err.message);
    DONE(run(other, &get_6, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "");
    driver->close(c);
    driver->close(other);
}
END_TEST

/* The server's number of a session. */
static long long session(struct sql_conn *c)
{
    struct seen seen;
    struct sql_statement s = own(3, postgres ? "SELECT pg_backend_pid()" : "SELECT CONNECTION_ID()");
    DONE(run(c, &s, 1, SQL_READ_ONLY, &seen));
    return atoll(seen.text + 2);
}

static void *kill_later(void *arg)
{
    struct beside *b = arg;
    struct timespec t = {0, 400000000};
    nanosleep(&t, NULL);
    return run_beside(b);
}

START_TEST(a_session_that_is_killed)
{
    struct sql_conn *c = prepared();
    struct seen seen;
    for (int kind = 0; kind < 4; kind++) { /* idle and then writing, idle and then reading, in the middle of a batch, in a read */
        struct beside killer = {.c = connected(), .n = 1, .err = TL_ERR_INIT};
        struct sql_conn *victim = connected();
        char text[100];
        pthread_t thread;
        snprintf(text, sizeof text, postgres ? "SELECT pg_terminate_backend(%lld)" : "KILL %lld", session(victim));
        killer.s[0] = own(4, text);
        if (kind < 2) {
            struct sql_statement read = S(SQL_ENTRY, I(1));
            run_beside(&killer);
            enum sql_end end = kind == 0 ? append(victim, "v", 1, 1, STR("x\n"), 1, -1, NULL) : run(victim, &read, 1, SQL_READ_ONLY, NULL);
            ck_assert_msg(end == (kind == 0 ? SQL_MAYBE : SQL_GONE) || (kind == 0 && end == SQL_GONE), "%d: %d %s", kind, (int)end, err.message);
        } else {
            struct sql_statement s[] = {S(SQL_LOCK, I(1)), own(0, sleeping(5))};
            ck_assert_int_eq(pthread_create(&thread, NULL, kill_later, &killer), 0);
            enum sql_end end = kind == 2 ? run(victim, s, 2, SQL_BEGIN | SQL_COMMIT, NULL) : run(victim, s + 1, 1, SQL_READ_ONLY, NULL);
            ck_assert_msg(kind == 2 ? end == SQL_MAYBE || end == SQL_GONE : end == SQL_GONE || !postgres, "%d: %d %s", kind, (int)end,
                          err.message);
            pthread_join(thread, NULL);
        }
        driver->close(victim);
        driver->close(killer.c);
    }
    DONE(append(c, "w", 1, 1, STR("y\n"), 1, -1, &seen));
    ck_assert_str_eq(seen.text, "0:1;6:2|tag|1|1|1|w|1|-;"); /* nothing of theirs landed */
    driver->close(c);
}
END_TEST

START_TEST(a_forked_child_leaves_the_session_alone)
{
    struct sql_conn *c = prepared();
    struct seen seen;
    long long before = session(c);
    for (int round = 0; round < 3; round++) {
        int status;
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            driver->abandon(c);
            struct sql_conn *own = NULL;
            bool fine = connect_url(database, &own) == SQL_DONE;
            if (fine) {
                driver->close(own);
            }
            _exit(fine ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        DONE(append(c, "w", 1 + round, 1, STR("x\n"), 1 + round, -1, &seen));
    }
    ck_assert_int_eq(session(c), before);
    driver->close(c);
}
END_TEST

static bool soon(void *ctx)
{
    return os->monotonic_ns() > *(int64_t *)ctx;
}

START_TEST(waiting_ends_in_time)
{
    struct sql_conn *c = connected();
    struct sql_statement s = own(0, sleeping(20));
    int64_t began = os->monotonic_ns(), stop = in(0.3);
    struct sql_batch b = {&s, 1, SQL_READ_ONLY, NULL, NULL, in(20), soon, &stop};
    enum sql_end end = driver->run(c, &b, &err);
    ck_assert(end == SQL_FAILED || end == SQL_GONE);
    ck_assert_int_eq(err.code, TL_ECANCELLED);
    ck_assert_int_lt(os->monotonic_ns() - began, 8 * SECOND);
    began = os->monotonic_ns();
    driver->close(c); /* does not wait for the server */
    ck_assert_int_lt(os->monotonic_ns() - began, 8 * SECOND);
    c = connected();
    began = os->monotonic_ns();
    b = (struct sql_batch){&s, 1, SQL_READ_ONLY, NULL, NULL, in(0.3), NULL, NULL};
    ck_assert_int_eq(driver->run(c, &b, &err), SQL_GONE);
    driver->close(c);
    c = connected();
    b = (struct sql_batch){&s, 1, SQL_BEGIN | SQL_COMMIT, NULL, NULL, in(0.3), NULL, NULL};
    ck_assert_int_eq(driver->run(c, &b, &err), SQL_MAYBE);
    ck_assert_int_lt(os->monotonic_ns() - began, 8 * SECOND);
    driver->close(c);
}
END_TEST

START_TEST(a_batch_of_reads_sees_one_answer)
{
    struct sql_conn *c = prepared();
    struct seen seen;
    struct sql_statement wrong = own(4, "SELECT nothing FROM nowhere");
    struct sql_statement s[] = {S(SQL_PART_PUT, I(1), I(5), I(0), T("a")), wrong};
    ck_assert_int_eq(run(c, s, 2, SQL_BEGIN | SQL_COMMIT, NULL), SQL_FAILED);
    ck_assert_int_eq(err.code, TL_ENOTFOUND);
    struct sql_statement get = S(SQL_PART_GET, I(1), I(5), I(0)), now = own(6, dialect("SELECT {now}"));
    DONE(run(c, &get, 1, SQL_READ_ONLY, &seen));
    ck_assert_str_eq(seen.text, "");
    DONE(run(c, &now, 1, SQL_READ_ONLY, &seen));
    int64_t there = atoll(seen.text + 2), here = os->realtime_us();
    ck_assert_int_lt(there > here ? there - here : here - there, 60000000);
    struct buf b = BUF_INIT(1000);
    driver->describe(c, &b);
    printf("%s\n", buf_cstr(&b));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&b), " durability="));
    buf_release(&b);
    driver->close(c);
}
END_TEST

/* `from` in the URL is replaced. */
static void expect(const char *from, const char *to, enum sql_end end, int code)
{
    char text[700];
    struct sql_conn *c = NULL;
    const char *at = strstr(database, from);
    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - database), database, to, at + strlen(from));
    enum sql_end got = connect_url(text, &c);
    if (got == SQL_DONE) {
        driver->close(c);
    }
    printf("%s: %s\n", to, got == SQL_DONE ? "connected" : err.message);
    ck_assert_msg(got == end && (end == SQL_DONE || err.code == code), "%s: %d %s", text, (int)got, err.message);
    ck_assert_ptr_null(strstr(err.message, "secret"));
}

START_TEST(connections_that_fail)
{
    struct url url;
    char last[100], port[100];
    ck_assert_int_eq(url_parse(database, &url, &err), TL_OK);
    snprintf(last, sizeof last, "/%s", url.path);
    snprintf(port, sizeof port, ":%d/", url.port);
    url_release(&url);
    expect(last, "/no_such_database", SQL_FAILED, TL_ENOTFOUND);
    expect("trialog@", "nobody:secret@", SQL_FAILED, TL_EACCESS);
    expect("127.0.0.1", "no-such-host.invalid", SQL_FAILED, TL_ENOTFOUND);
    expect(port, ":9/", SQL_AGAIN, TL_EUNAVAILABLE);
    if (postgres) {
        expect(last, "/postgres?application_name=a%20b&connect_timeout=3", SQL_DONE, 0);
        expect(last, "/postgres?sslmode=require", SQL_FAILED, TL_EACCESS);
        expect(last, "/postgres?sslmode=prefer", SQL_DONE, 0);
        expect(last, "/postgres?target_session_attrs=read-only", SQL_AGAIN, TL_EUNAVAILABLE);
    } else {
        expect(last, "/mysql?charset=utf8mb4&connect_timeout=3", SQL_DONE, 0);
        expect(last, "/mysql?ssl_mode=REQUIRED", SQL_FAILED, TL_EACCESS);
    }
}
END_TEST

int main(void)
{
    const char *base = getenv("TRIALOG_TEST_URL");
    if (!base) {
        printf("SKIPPED: no TRIALOG_TEST_URL; run beside tests/support/servers.py\n");
        return 77;
    }
    postgres = strncmp(base, "postgres", 8) == 0;
    driver = postgres ? &postgres_driver : &mysql_driver;
    make_texts();
    TCase *c = tcase_create("driver");
    tcase_add_checked_fixture(c, new_database, NULL);
    tcase_set_timeout(c, 100);
    tcase_add_test(c, forty_create_the_schema_at_once);
    tcase_add_test(c, an_append_tells_all_that_is_new);
    tcase_add_test(c, every_byte_travels);
    tcase_add_test(c, a_key_that_is_taken);
    tcase_add_test(c, a_deadlock_is_for_another_try);
    tcase_add_test(c, a_lock_that_does_not_come);
    if (postgres) {
        tcase_add_test(c, a_host_that_vanished_is_noticed);
    }
    tcase_add_test(c, a_transaction_is_held);
    tcase_add_test(c, a_session_that_is_killed);
    tcase_add_test(c, a_forked_child_leaves_the_session_alone);
    tcase_add_test(c, waiting_ends_in_time);
    tcase_add_test(c, a_batch_of_reads_sees_one_answer);
    tcase_add_test(c, connections_that_fail);
    return check_run("sql_driver", c);
}
