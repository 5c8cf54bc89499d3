/* SPDX-License-Identifier: MIT
 *
 * What storages in databases do beyond what every storage does: trimming, readers that fell behind, a database that went back in time,
 * forks, many processes that start at once, tables of others. Each case runs on SQLite as it is and on SQLite driven as a server is
 * (support/sqlite_optimistic.h).
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/os.h"
#include "support/check_main.h"
#include "storage/database_kit.h"

/* ---- trimming ---- */

START_TEST(an_attribute_written_often_stays_small)
{
    setup_kind(_i);
    tl_storage *w = kit_open(url), *behind = kit_open(url), *near = kit_open(url);
    int64_t study = make_study(w, "s"), most = 0;
    for (int i = 0; i < 10; i++) {
        set_attr(w, study, i);
    }
    ck_assert_int_eq(attr(behind, study), 9);
    for (int i = 10; i < 6000; i++) {
        set_attr(w, study, i);
        if (i % 100 == 0) {
            ck_assert_int_eq(attr(near, study), i);
            int64_t n = rows();
            most = n > most ? n : most;
        }
    }
    ck_assert_int_lt(most, 2000);
    ck_assert_int_gt(raw("SELECT base FROM trialog_stream"), 3000);
    ck_assert_int_eq(attr(behind, study), 5999);
    set_attr(behind, study, 6000);
    ck_assert_int_eq(attr(w, study), 6000);
    tl_storage *late = kit_open(url);
    ck_assert_int_eq(attr(late, study), 6000);
    ck_assert_uint_lt(lines_read(late), 2000);
    tl_storage_close(late);
    tl_storage_close(behind);
    tl_storage_close(near);
    tl_storage_close(w);
    kit_clean();
}
END_TEST

START_TEST(who_fell_behind_can_write_at_once)
{
    setup_kind(_i);
    tl_storage *w = kit_open(url), *behind = kit_open(url);
    int64_t study = make_study(w, "s"), id;
    OK(tl_storage_create_trial(behind, study, NULL, &id, NULL, err));
    for (int i = 0; i < 3000; i++) {
        set_attr(w, study, i);
    }
    OK(tl_storage_snapshot(w, err));
    ck_assert_int_gt(raw("SELECT base FROM trialog_stream"), 2000);
    OK(tl_storage_report(behind, id, 1, 0.5, err));
    double value = 1;
    OK(tl_storage_set_state(behind, id, TL_COMPLETE, &value, 1, NULL, err));
    FAILS(TL_EFINISHED, "", tl_storage_report(w, id, 2, 0.5, err));
    tl_storage_close(behind);
    tl_storage_close(w);
    kit_clean();
}
END_TEST

/* ---- a database that went back in time ---- */

static int replaced;

static void note_event(void *ctx, int level, const char *event, const char *message)
{
    (void)ctx, (void)level, (void)message;
    replaced += strcmp(event, "JOURNAL_REPLACED") == 0;
}

static void copy_file(const char *from, const char *to)
{
    size_t n;
    char *bytes = scratch_read(from, &n);
    scratch_write(to, bytes, n);
    free(bytes);
}

static tl_storage *open_noting(void)
{
    static const struct tl_log_sink sink = {note_event, NULL, 0};
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *s;
    o.log = &sink;
    if (kind) {
        return open_optimistic(url, &o);
    }
    OK(tl_storage_open(url, &o, &s, err));
    return s;
}

START_TEST(a_restored_backup_is_noticed)
{
    setup_kind(_i);
    char backup[SCRATCH_MAX + 40];
    snprintf(backup, sizeof backup, "%s.backup", file);
    tl_storage *s = kit_open(url);
    int64_t study = make_study(s, "s");
    set_attr(s, study, 1);
    tl_storage_close(s); /* the last one: everything is in the file */
    copy_file(file, backup);
    tl_storage *a = open_noting();
    set_attr(a, study, 2);
    set_attr(a, study, 3);
    ck_assert_int_eq(attr(a, study), 3);
    ck_assert_int_eq(replaced, 0);
    char part[SCRATCH_MAX + 40]; /* what SQLite keeps beside it belongs to the old one */
    for (int i = 0; i < 2; i++) {
        snprintf(part, sizeof part, "%s%s", file, i ? "-wal" : "-shm");
        ck_assert(unlink(part) == 0 || errno == ENOENT);
    }
    ck_assert_int_eq(rename(backup, file), 0);
    ck_assert_int_eq(attr(a, study), 1);
    ck_assert_int_eq(replaced, 1);
    set_attr(a, study, 4);
    tl_storage *b = kit_open(url);
    ck_assert_int_eq(attr(b, study), 4);
    tl_storage_close(a);
    tl_storage_close(b);
    kit_clean();
}
END_TEST

START_TEST(another_way_since_a_backup_is_noticed)
{
    setup_kind(_i);
    tl_storage *a = open_noting();
    int64_t study = make_study(a, "s");
    set_attr(a, study, 1);
    set_attr(a, study, 2);
    replaced = 0;
    /* the last operation gone, another one in its place: as many as before */
    raw("DELETE FROM trialog_op WHERE first_seq = 2");
    raw("UPDATE trialog_stream SET head = 2");
    tl_storage *b = kit_open(url);
    set_attr(b, study, 7);
    ck_assert_int_eq(attr(a, study), 7);
    ck_assert_int_eq(replaced, 1);
    tl_storage_close(a);
    tl_storage_close(b);
    kit_clean();
}
END_TEST

START_TEST(a_file_that_is_gone_is_begun_anew)
{
    setup_kind(_i);
    tl_storage *a = open_noting();
    int64_t study = make_study(a, "s"), other;
    set_attr(a, study, 1);
    char part[SCRATCH_MAX + 40];
    for (int i = 0; i < 3; i++) {
        snprintf(part, sizeof part, "%s%s", file, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
        ck_assert(unlink(part) == 0 || errno == ENOENT);
    }
    FAILS(TL_ENOTFOUND, "is not in the database any more", tl_storage_set_study_attr(a, study, TL_ATTR_USER, "x", "2", err));
    other = make_study(a, "s");
    set_attr(a, other, 3);
    tl_storage_close(a);
    kit_clean();
}
END_TEST

/* ---- answers that get lost ---- */

static int lose; /* so many answers to appends */
static bool dead;
static int writes_behind; /* transactions that wrote something since the last append did */

static enum sql_end run_and_lose(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    bool puts = false, put = false, wrote = false;
    enum sql_end end = sqlite_driver.run(c, batch, err);
    for (size_t i = 0; i < batch->n && end == SQL_DONE && (batch->flags & SQL_COMMIT); i++) {
        puts = puts || batch->statements[i].id == SQL_PUT;
        put = put || (batch->statements[i].id == SQL_PUT && batch->statements[i].changed > 0);
        wrote = wrote || (batch->statements[i].id == SQL_TOUCH && batch->statements[i].changed > 0);
    }
    writes_behind = put ? 0 : writes_behind + wrote;
    if (dead) {
        err_set(err, TL_ENET, "the server is gone");
        return SQL_GONE;
    }
    if (puts && lose > 0) {
        lose--;
        err_set(err, TL_ENET, "the answer was lost");
        return SQL_MAYBE;
    }
    return end;
}

/* What was found after its answer was lost may be seen before it is durable: a commit behind it makes it so. */
START_TEST(what_was_found_later_is_made_durable)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    optimistic_run = run_and_lose;
    setup_kind(1);
    o.timeout_ms = _i == 0 ? 60000 : 300;
    tl_storage *a = open_optimistic(url, &o), *b = kit_open(url);
    int64_t study = make_study(a, "s");
    set_attr(a, study, 1);
    set_attr(a, study, 2);
    ck_assert_int_eq(writes_behind, 0); /* as long as nothing goes wrong there is no need */
    lose = _i == 0 ? 1 : INT_MAX; /* the next try finds it; or no append is answered, and a read finds it */
    set_attr(a, study, 3);
    ck_assert_int_eq(writes_behind, 1);
    lose = 0;
    set_attr(a, study, 4);
    ck_assert_int_eq(writes_behind, 0);
    ck_assert_int_eq(attr(b, study), 4);
    tl_storage_close(a);
    tl_storage_close(b);
    optimistic_run = NULL;
    kit_clean();
}
END_TEST

static int put, refused; /* appends that wrote, or did not */

static enum sql_end run_and_count(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    enum sql_end end = sqlite_driver.run(c, batch, err);
    for (size_t i = 0; i < batch->n && end == SQL_DONE; i++) {
        put += batch->statements[i].id == SQL_PUT && batch->statements[i].changed > 0;
        refused += batch->statements[i].id == SQL_PUT && batch->statements[i].changed == 0;
    }
    return end;
}

/* A backup comes back behind a handle's back; then, or when others have written more than it ever knew, it appends. The first request
 * was composed on what is no more and is refused; then the handle has noticed. */
START_TEST(what_was_composed_before_a_restore_is_not_written)
{
    setup_kind(1);
    optimistic_run = run_and_count;
    tl_storage *a = open_noting(), *b = kit_open(url);
    int64_t study = make_study(a, "s");
    for (int i = 1; i <= 3; i++) {
        set_attr(a, study, i);
    }
    raw("DELETE FROM trialog_op WHERE first_seq > 1");
    raw("UPDATE trialog_stream SET head = 2");
    raw("UPDATE trialog_writer SET last_n = 2 WHERE last_n = 4");
    for (int i = 0; i < 5 * _i; i++) {
        set_attr(b, study, 10 + i);
    }
    put = refused = replaced = 0;
    set_attr(a, study, 9);
    ck_assert_int_eq(refused, 1);
    ck_assert_int_eq(put, 1);
    ck_assert_int_eq(replaced, 1);
    ck_assert_int_eq(attr(b, study), 9);
    tl_storage_close(a);
    tl_storage_close(b);
    optimistic_run = NULL;
    kit_clean();
}
END_TEST

/* ---- rows that are seen too late ---- */

static int64_t hidden; /* first_seq of a row that reads do not see, */
static int hide;       /* so many times */
static size_t hiding;  /* the statement that reads */
static int (*seen_row)(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *err);

static int hide_row(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *err)
{
    bool is_it = statement == hiding && n > 6 && columns[6].i == hidden && hide > 0;
    hide -= is_it;
    return is_it ? 0 : seen_row(ctx, statement, columns, n, err);
}

static enum sql_end run_and_hide(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    struct sql_batch mine = *batch;
    hiding = SIZE_MAX;
    for (size_t i = 0; i < batch->n; i++) {
        hiding = batch->statements[i].id == SQL_READ ? i : hiding;
    }
    seen_row = batch->row;
    mine.row = batch->row ? hide_row : NULL;
    return sqlite_driver.run(c, &mine, err);
}

static int64_t slept_ns;

static int64_t later(void)
{
    return os_system.monotonic_ns() + slept_ns;
}

static void sleep_at_once(int64_t ns)
{
    slept_ns += ns < 100000000 ? 100000000 : ns;
}

/* MariaDB may show a transaction before one that was committed earlier. */
START_TEST(a_row_that_is_seen_late_is_waited_for)
{
    struct os_table table = os_system;
    struct tl_err err = TL_ERR_INIT;
    setup_kind(1);
    optimistic_run = run_and_hide;
    tl_storage *a = open_noting(), *b = kit_open(url);
    int64_t study = make_study(a, "s");
    ck_assert_int_eq(attr(b, study), -1);
    for (int i = 1; i <= 4; i++) {
        set_attr(a, study, i);
    }
    replaced = 0;
    hidden = 2;
    hide = 3;
    ck_assert_int_eq(attr(b, study), 4);
    ck_assert_int_eq(hide, 0);
    set_attr(a, study, 5);
    set_attr(a, study, 6);
    hidden = 5;
    hide = INT_MAX;
    table.monotonic_ns = later;
    table.sleep_ns = sleep_at_once;
    os_use(&table);
    ck_assert_int_eq(tl_storage_sync(b, &err), TL_ECORRUPT);
    ck_assert_msg(strstr(err.message, "lacks operations from 5 on"), "%s", err.message);
    os_use(NULL);
    hide = 0;
    ck_assert_int_eq(attr(b, study), 6);
    ck_assert_int_eq(replaced, 0);
    tl_storage_close(a);
    tl_storage_close(b);
    optimistic_run = NULL;
    kit_clean();
}
END_TEST

/* A read that was given up says nothing about one that comes much later. */
START_TEST(a_row_that_was_missing_long_ago_is_waited_for_anew)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct os_table table = os_system;
    struct tl_err err = TL_ERR_INIT;
    setup_kind(1);
    optimistic_run = run_and_hide;
    o.timeout_ms = 300;
    tl_storage *a = open_noting(), *b = open_optimistic(url, &o);
    int64_t study = make_study(a, "s");
    set_attr(a, study, 1);
    ck_assert_int_eq(attr(b, study), 1);
    set_attr(a, study, 2);
    set_attr(a, study, 3);
    table.monotonic_ns = later;
    table.sleep_ns = sleep_at_once;
    os_use(&table);
    hidden = 2;
    hide = INT_MAX;
    ck_assert_int_eq(tl_storage_sync(b, &err), TL_EUNAVAILABLE);
    ck_assert_msg(strstr(err.message, "operations from 2 on"), "%s", err.message);
    slept_ns += INT64_C(3600000000000);
    hide = 2;
    ck_assert_int_eq(attr(b, study), 3);
    ck_assert_int_eq(hide, 0);
    hidden = 4;
    set_attr(a, study, 4);
    set_attr(a, study, 5);
    hide = INT_MAX;
    int rc = TL_EUNAVAILABLE, reads = 0;
    for (; rc == TL_EUNAVAILABLE; reads++) { /* short reads, one after the other, find a damage, too */
        rc = tl_storage_sync(b, &err);
    }
    ck_assert_int_eq(rc, TL_ECORRUPT);
    ck_assert_int_gt(reads, 1);
    os_use(NULL);
    hide = 0;
    tl_storage_close(a);
    tl_storage_close(b);
    optimistic_run = NULL;
    kit_clean();
}
END_TEST

START_TEST(closing_does_not_wait_for_a_server_that_is_gone)
{
    optimistic_run = run_and_lose;
    setup_kind(1);
    tl_storage *s = kit_open(url);
    int64_t study = make_study(s, "s"), id;
    OK(tl_storage_create_trial(s, study, NULL, &id, NULL, err)); /* and a lease */
    dead = true;
    int64_t start = os->monotonic_ns();
    tl_storage_close(s);
    ck_assert_int_lt(os->monotonic_ns() - start, INT64_C(20000000000)); /* not the three minutes of three time limits */
    dead = false;
    optimistic_run = NULL;
    kit_clean();
}
END_TEST

/* A snapshot of what a database does not hold any more is not put into it. */
static bool shorten;
static enum sql_end run_and_shorten(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err)
{
    for (size_t i = 0; shorten && i < batch->n; i++) {
        if (batch->statements[i].id == SQL_PUBLISH) {
            raw("UPDATE trialog_stream SET head = 3");
            shorten = false;
        }
    }
    return sqlite_driver.run(c, batch, err);
}

START_TEST(a_snapshot_does_not_outlive_its_operations)
{
    optimistic_run = run_and_shorten;
    setup_kind(1);
    tl_storage *s = kit_open(url);
    int64_t study = make_study(s, "s");
    for (int i = 0; i < 5; i++) {
        set_attr(s, study, i);
    }
    shorten = true;
    OK(tl_storage_snapshot(s, err));
    ck_assert(!shorten);
    ck_assert_int_eq(raw("SELECT snapshot_seq FROM trialog_stream"), 0);
    ck_assert_int_eq(raw("SELECT COUNT(*) FROM trialog_snapshot"), 0);
    tl_storage_close(s);
    optimistic_run = NULL;
    kit_clean();
}
END_TEST

/* ---- processes ---- */

START_TEST(a_forked_child_goes_on_by_itself)
{
    setup_kind(_i);
    tl_storage *s = kit_open(url);
    int64_t study = make_study(s, "s"), id;
    char parent[64], child[64] = "";
    tl_storage_worker_id(s, parent);
    OK(tl_storage_create_trial(s, study, NULL, &id, NULL, err)); /* the lease's thread is running */
    int from_child[2];
    ck_assert_int_eq(pipe(from_child), 0);
    pid_t pid = fork();
    if (pid == 0) {
        set_attr(s, study, 5);
        tl_storage_worker_id(s, child);
        if (write(from_child[1], child, sizeof child) != (ssize_t)sizeof child) {
            _exit(3);
        }
        tl_storage_close(s);
        _exit(0);
    }
    for (int i = 0; i < 50; i++) {
        OK(tl_storage_report(s, id, i, i, err));
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(from_child[0], child, sizeof child), (ssize_t)sizeof child);
    ck_assert_str_ne(child, parent);
    ck_assert_int_eq(attr(s, study), 5);
    ck_assert_int_eq(raw("SELECT COUNT(*) FROM (SELECT stream, first_seq FROM trialog_op GROUP BY stream, worker, n HAVING COUNT(*) > 1)"), 0);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

#define CROWD 200

START_TEST(two_hundred_start_at_once_on_nothing)
{
    setup_kind(_i);
    int gate[2], status;
    char go;
    ck_assert_int_eq(pipe(gate), 0);
    pid_t pids[CROWD];
    for (int i = 0; i < CROWD; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0) {
            close(gate[1]);
            ck_assert_int_eq(read(gate[0], &go, 1), 0);
            tl_storage *s = kit_open(url);
            tl_study *study = kit_study(s, "s", NULL);
            tl_trial *t;
            double x;
            OK(tl_study_ask(study, NULL, &t, err));
            OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
            OK(tl_study_tell(study, t, TL_COMPLETE, &x, 1, NULL, err));
            tl_study_free(study);
            tl_storage_close(s);
            _exit(0);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < CROWD; i++) {
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_msg(status == 0, "process %d ended with status %x", i, (unsigned)status);
    }
    tl_storage *s = kit_open(url);
    int64_t id;
    tl_view *v;
    OK(tl_storage_find_study(s, "s", &id, err));
    OK(tl_view_open(s, id, true, &v, err));
    ck_assert_uint_eq(tl_view_count(v, TL_COMPLETE), CROWD);
    tl_view_close(v);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

static tl_storage *open_leasing(int64_t lease_ms)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *s;
    o.lease_ms = lease_ms;
    o.durability = TL_DURABILITY_OFF;
    o.retry_lost = 1;
    if (kind) {
        return open_optimistic(url, &o);
    }
    OK(tl_storage_open(url, &o, &s, err));
    return s;
}

static int count_running(void *ctx, const struct tl_running_trial *t)
{
    ck_assert_int_eq((int)t->lease_ms, 600);
    ck_assert_int_ge(t->trial_id, INT64_C(1) << 32);
    ++*(int *)ctx;
    return 0;
}

START_TEST(trials_of_a_killed_worker_are_failed_once)
{
    setup_kind(_i % 2);
    tl_storage *s = open_leasing(600);
    int64_t study = make_study(s, "s");
    int ready[2], status, running = 0;
    char byte = 0;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        tl_storage *mine = open_leasing(600);
        int64_t id;
        OK(tl_storage_create_trial(mine, study, NULL, NULL, NULL, err));
        OK(tl_storage_create_trial(mine, study, NULL, &id, NULL, err));
        if (write(ready[1], &byte, 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    OK(tl_storage_each_running(s, count_running, &running, err));
    ck_assert_int_eq(running, 2);
    OK(tl_storage_wait(s, 1500, err)); /* alive: it stays so for longer than its lease */
    running = 0;
    OK(tl_storage_each_running(s, count_running, &running, err));
    ck_assert_int_eq(running, 2);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (_i >= 2) { /* the database's clock is set back by an hour */
        raw("UPDATE trialog_writer SET beat = beat + 3600000000, late_at = 0, late_beat = 0 WHERE lease_ms > 0");
    }
    size_t failed = 0, waiting = 0;
    for (int i = 0; i < 200 && waiting < 2; i++) {
        tl_view *v;
        OK(tl_storage_wait(s, 200, err));
        OK(tl_view_open(s, study, true, &v, err));
        failed = tl_view_count(v, TL_FAIL);
        waiting = tl_view_count(v, TL_WAITING);
        tl_view_close(v);
    }
    ck_assert_uint_eq(failed, 2);
    ck_assert_uint_eq(waiting, 2);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

START_TEST(a_trial_of_ten_parameters_takes_three_appends)
{
    setup_kind(_i);
    tl_storage *s = kit_open(url);
    tl_study *study = kit_study(s, "s", NULL);
    struct tl_storage_stats before = {.size = sizeof before}, after = before;
    for (int i = 0; i < 20; i++) {
        tl_trial *t;
        double x;
        char name[4] = "p0";
        tl_storage_get_stats(s, &before);
        OK(tl_study_ask(study, NULL, &t, err));
        for (int k = 0; k < 10; k++) {
            name[1] = (char)('0' + k);
            OK(tl_trial_suggest_float(t, name, 0, 1, 0, false, &x, err));
        }
        OK(tl_trial_report(t, 0, x, err));
        OK(tl_study_tell(study, t, TL_COMPLETE, &x, 1, NULL, err));
        tl_storage_get_stats(s, &after);
        ck_assert_uint_le(after.appends - before.appends, 3); /* with a report; two without */
    }
    tl_study_free(study);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

/* ---- tables of others ---- */

static void open_fails(int code, const char *part, const char *text)
{
    tl_storage *s;
    FAILS(code, part, tl_storage_open(text, NULL, &s, err));
}

START_TEST(tables_of_optuna_are_not_touched)
{
    setup_kind(0);
    raw("CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name TEXT)");
    raw("CREATE TABLE trial_params (param_id INTEGER PRIMARY KEY)");
    size_t n, m;
    char *before = scratch_read(file, &n);
    open_fails(TL_EUNSUPPORTED, "Optuna", url);
    char *after = scratch_read(file, &m);
    ck_assert(n == m && memcmp(before, after, n) == 0);
    ck_assert_int_eq(raw("SELECT COUNT(*) FROM sqlite_master WHERE name LIKE 'trialog%'"), 0);
    free(before);
    free(after);
    kit_clean();
}
END_TEST

static int on_nfs(const char *path, struct os_fs_info *out)
{
    (void)path;
    *out = (struct os_fs_info){OS_FS_NFS, true};
    return 0;
}

START_TEST(a_network_file_system_is_refused)
{
    struct os_table table = os_system;
    setup_kind(0);
    table.fs_info = on_nfs;
    os_use(&table);
    open_fails(TL_EUNSUPPORTED, "network file system", url);
    ck_assert_int_eq(access(file, F_OK), -1);
    os_use(NULL);
    kit_clean();
}
END_TEST

START_TEST(what_cannot_be_opened_says_why)
{
    char text[SCRATCH_MAX + 100];
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *s;
    setup_kind(0);
    open_fails(TL_EINVAL, "memory://", "sqlite://");
    open_fails(TL_EINVAL, "memory://", "sqlite:///:memory:");
    open_fails(TL_EINVAL, "sqlite:////absolute.db", "sqlite://study.db");
    open_fails(TL_ENOTFOUND, "no folder", "sqlite:////no/such/folder/a.db");
    snprintf(text, sizeof text, "%s?tiemout=4", url);
    open_fails(TL_EINVAL, "'tiemout'", text);
    o.must_exist = true;
    FAILS(TL_ENOTFOUND, "no SQLite database", tl_storage_open(url, &o, &s, err));
    scratch_write(file, "{\"op_code\":0}\nthis is a journal\n", 31);
    open_fails(TL_EINVAL, "no SQLite database", url);
    ck_assert_int_eq(unlink(file), 0);
    make_study(s = kit_open(url), "s");
    tl_storage_close(s);
    raw("UPDATE trialog_meta SET schema_version = 9, min_writer = 9");
    open_fails(TL_EVERSION, "newer Trialog", url);
    o.read_only = true;
    OK(tl_storage_open(url, &o, &s, err));
    FAILS(TL_EACCESS, "read-only", tl_storage_create_study(s, "t", minimize, 1, NULL, err));
    tl_storage_close(s);
    kit_clean();
}
END_TEST

/* ---- the catalog ---- */

START_TEST(a_deleted_study_leaves_its_number_behind)
{
    setup_kind(_i);
    tl_storage *w = kit_open(url), *other = kit_open(url);
    int64_t first = make_study(w, "s"), id;
    for (int i = 0; i < 20; i++) {
        set_attr(w, first, i);
    }
    ck_assert_int_eq(attr(other, first), 19);
    OK(tl_storage_delete_study(w, first, err));
    ck_assert_int_eq(rows(), 1);
    FAILS(TL_ENOTFOUND, "", tl_storage_delete_study(other, first, err));
    FAILS(TL_ENOTFOUND, "", tl_storage_set_study_attr(other, first, TL_ATTR_USER, "x", "1", err));
    FAILS(TL_ENOTFOUND, "'s'", tl_storage_find_study(other, "s", &id, err));
    ck_assert_int_gt(make_study(other, "s"), first);
    FAILS(TL_EEXISTS, "'s'", tl_storage_create_study(w, "s", minimize, 1, NULL, err));
    FAILS(TL_ENOTFOUND, "", tl_storage_set_study_attr(w, 7, TL_ATTR_USER, "x", "1", err));
    char *name = malloc(SQL_NAME_MAX + 2);
    memset(name, 'n', SQL_NAME_MAX + 1);
    name[SQL_NAME_MAX + 1] = 0;
    FAILS(TL_ELIMIT, "2000", tl_storage_create_study(w, name, minimize, 1, NULL, err));
    name[SQL_NAME_MAX] = 0;
    make_study(w, name);
    free(name);
    tl_storage_close(w);
    tl_storage_close(other);
    kit_clean();
}
END_TEST

START_TEST(copies_go_everywhere)
{
    setup_kind(_i);
    char journal[SCRATCH_MAX + 40], back[SCRATCH_MAX + 40];
    snprintf(journal, sizeof journal, "%s/a.journal", kit_dir);
    snprintf(back, sizeof back, "%s/b.journal", kit_dir);
    tl_storage *from = kit_open(journal), *db = kit_open(url), *to = kit_open(back);
    tl_study *study = kit_study(from, "s", NULL);
    for (int i = 0; i < 2500; i++) {
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        double value = i;
        spec.state = TL_COMPLETE;
        spec.values = &value;
        spec.n_values = 1;
        OK(tl_study_add_trial(study, &spec, NULL, err));
    }
    OK(tl_study_set_attr(study, TL_ATTR_USER, "x", "17", err));
    tl_study_free(study);
    OK(tl_study_copy(from, "s", db, NULL, err));
    OK(tl_study_copy(db, "s", db, "t", err));
    OK(tl_study_copy(db, "t", to, "s", err));
    FAILS(TL_EEXISTS, "", tl_study_copy(from, "s", db, NULL, err));
    int64_t id;
    tl_view *v;
    OK(tl_storage_find_study(to, "s", &id, err));
    OK(tl_view_open(to, id, true, &v, err));
    ck_assert_uint_eq(tl_view_count(v, TL_COMPLETE), 2500);
    ck_assert_int_eq(tl_view_best(v), 0);
    ck_assert_int_eq(attr(to, id), 17);
    tl_view_close(v);
    tl_storage_close(from);
    tl_storage_close(db);
    tl_storage_close(to);
    kit_clean();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("databases");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, an_attribute_written_often_stays_small, 0, 2);
    tcase_add_loop_test(t, who_fell_behind_can_write_at_once, 0, 2);
    tcase_add_loop_test(t, a_restored_backup_is_noticed, 0, 2);
    tcase_add_loop_test(t, another_way_since_a_backup_is_noticed, 0, 2);
    tcase_add_loop_test(t, a_file_that_is_gone_is_begun_anew, 0, 2);
    tcase_add_loop_test(t, what_was_found_later_is_made_durable, 0, 2);
    tcase_add_loop_test(t, what_was_composed_before_a_restore_is_not_written, 0, 2);
    tcase_add_test(t, a_row_that_is_seen_late_is_waited_for);
    tcase_add_test(t, a_row_that_was_missing_long_ago_is_waited_for_anew);
    tcase_add_test(t, closing_does_not_wait_for_a_server_that_is_gone);
    tcase_add_test(t, a_snapshot_does_not_outlive_its_operations);
    tcase_add_loop_test(t, a_forked_child_goes_on_by_itself, 0, 2);
    tcase_add_loop_test(t, two_hundred_start_at_once_on_nothing, 0, 2);
    tcase_add_loop_test(t, trials_of_a_killed_worker_are_failed_once, 0, 4);
    tcase_add_loop_test(t, a_trial_of_ten_parameters_takes_three_appends, 0, 2);
    tcase_add_test(t, tables_of_optuna_are_not_touched);
    tcase_add_test(t, a_network_file_system_is_refused);
    tcase_add_test(t, what_cannot_be_opened_says_why);
    tcase_add_loop_test(t, a_deleted_study_leaves_its_number_behind, 0, 2);
    tcase_add_loop_test(t, copies_go_everywhere, 0, 2);
    return check_run("databases", t);
}
