/* SPDX-License-Identifier: MIT
 *
 * Leases: who is failed, who is not, exactly once, and what a worker that comes back meets. Time is played: the monotonic clock
 * moves by `skew`, and a lease file grows old because its time is set back. Real time passes in no test.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "support/check_main.h"
#include "support/study_kit.h"

#define SECOND INT64_C(1000000000)

static _Thread_local int64_t skew; /* for the threads that renew no time passes: their workers are silent */
static atomic_int_fast64_t wall_skew_us;
static struct os_table played;
static char events[65536];

static int64_t played_monotonic(void)
{
    return os_system.monotonic_ns() + skew;
}

static int64_t played_realtime(void)
{
    return os_system.realtime_us() + wall_skew_us;
}

static void on_event(void *ctx, int level, const char *event, const char *message)
{
    size_t n = strlen(events);
    (void)ctx;
    (void)level;
    snprintf(events + n, sizeof events - n, "%s: %s\n", event, message);
}

static const struct tl_log_sink sink = {on_event, NULL, 1};

static void setup(void)
{
    skew = 0;
    wall_skew_us = 0;
    events[0] = 0;
    played = os_system;
    played.monotonic_ns = played_monotonic;
    played.realtime_us = played_realtime;
    os_use(&played);
}

static void teardown(void)
{
    os_use(NULL);
    kit_clean();
}

/* ---- workers ---- */

static tl_storage *open_worker(int backend, const char *name, int64_t lease_ms, unsigned retry_lost)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *s = NULL;
    o.durability = TL_DURABILITY_OFF;
    o.worker_id = name;
    o.lease_ms = lease_ms;
    o.retry_lost = retry_lost;
    o.log = &sink;
    OK(tl_storage_open(kit_url(backend), &o, &s, err));
    return s;
}

static const char *lease_path(const char *worker, const char *suffix)
{
    char name[256];
    snprintf(name, sizeof name, "journal.log.lease.%s%s", worker, suffix);
    return scratch_path(kit_dir, name);
}

static bool has_lease(const char *worker)
{
    return access(lease_path(worker, ""), F_OK) == 0;
}

/* Sets a file's time back (or, below 0, forward). */
static void set_back(const char *path, int64_t seconds)
{
    struct stat s;
    ck_assert_int_eq(stat(path, &s), 0);
    struct timespec times[2] = {s.st_atim, s.st_mtim};
    times[1].tv_sec -= seconds;
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static long long time_of(const char *path)
{
    struct os_stat s;
    ck_assert_int_eq(os_system.stat(path, false, &s), 0);
    return (long long)s.mtime_ns;
}

/* Time passes, and these workers give no sign of life: lease and note grow older. The note holds the lease's time. */
static void pass(int backend, int64_t seconds, const char *const *silent)
{
    skew += seconds * SECOND;
    for (size_t i = 0; backend == 1 && silent[i]; i++) {
        const char *lease = lease_path(silent[i], ""), *note = lease_path(silent[i], "+late");
        long long before = time_of(lease);
        set_back(lease, seconds);
        if (access(note, F_OK) == 0) {
            char text[32];
            char *noted = scratch_read(note, NULL);
            struct stat s;
            ck_assert_int_eq(stat(note, &s), 0);
            if (strtoll(noted, NULL, 10) == before) {
                snprintf(text, sizeof text, "%lld", time_of(lease));
                scratch_write(note, text, strlen(text));
                struct timespec times[2] = {s.st_atim, s.st_mtim};
                ck_assert_int_eq(utimensat(AT_FDCWD, note, times, 0), 0);
            }
            free(noted);
            set_back(note, seconds);
        }
    }
}
#define PASS(backend, seconds, ...) pass(backend, seconds, (const char *const[]){__VA_ARGS__, NULL})

/* Looks, as somebody who waits does. At least 16 s must have passed since this worker's last look, else none is due. */
static void look(tl_storage *s)
{
    struct tl_err why = TL_ERR_INIT;
    ck_assert_int_ge(tl_storage_wait(s, 0, &why), 0);
}

/* More than a minute without a sign of life, with looks in between as there are in a study that goes on. */
static void lose(int backend, tl_storage *observer, const char *worker)
{
    for (int i = 0; i < 4; i++) {
        PASS(backend, 16, worker);
        look(observer);
    }
}

static enum tl_state state_of(tl_study *study, int64_t number)
{
    tl_view *view = NULL;
    OK(tl_study_view(study, &view, err));
    int state = tl_view_trial_state(view, number);
    tl_view_close(view);
    return (enum tl_state)state;
}

static size_t count_of(tl_study *study, enum tl_state state)
{
    tl_view *view = NULL;
    OK(tl_study_view(study, &view, err));
    size_t n = tl_view_count(view, state);
    tl_view_close(view);
    return n;
}

struct pair {
    tl_storage *a, *b;
    tl_study *sa, *sb;
};

static struct pair open_pair(int backend, int64_t lease_ms, unsigned retry_lost, tl_sampler *sampler)
{
    struct pair p;
    p.a = open_worker(backend, "worker-a", lease_ms, retry_lost);
    p.b = open_worker(backend, "worker-b", 0, 0);
    p.sa = kit_study(p.a, "s", sampler);
    p.sb = kit_study(p.b, "s", sampler);
    return p;
}

static void close_pair(struct pair *p)
{
    tl_study_free(p->sa);
    tl_study_free(p->sb);
    tl_storage_close(p->a);
    tl_storage_close(p->b);
}

START_TEST(a_lost_trial_fails_once)
{
    struct pair p = open_pair(_i, 60000, 0, NULL);
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    tl_trial *t = kit_ask(p.sa);
    int64_t number = tl_trial_number(t);
    look(p.b);
    ck_assert_int_eq(state_of(p.sb, number), TL_RUNNING);
    lose(_i, p.b, "worker-a");
    ck_assert_msg(state_of(p.sb, number) == TL_FAIL, "%s", events);
    tl_view *view = kit_read(p.sb, number, &trial);
    ck_assert_str_eq(kit_trial_attr(&trial, TL_ATTR_SYSTEM, TL_LOST_ATTR), "{\"worker\":\"worker-a\",\"lease_ms\":60000}");
    ck_assert_uint_eq(tl_view_n_trials(view), 1);
    uint64_t seq = tl_view_seq(view);
    tl_view_close(view);
    PASS(_i, 100, NULL);
    look(p.b);
    view = kit_read(p.sb, number, &trial);
    ck_assert_uint_eq(tl_view_seq(view), seq); /* nothing more was written */
    tl_view_close(view);
    tl_frozen_release(&trial);
    ck_assert(_i == 0 || !has_lease("worker-a"));
    ck_assert_ptr_nonnull(strstr(events, "LOST: 1 trial of lost workers failed"));
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

START_TEST(who_comes_back_late_is_told_so)
{
    struct pair p = open_pair(_i, 60000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    double value = 1;
    lose(_i, p.b, "worker-a");
    FAILS(TL_EFINISHED, "lost", tl_trial_report(t, 0, 1.0, err));
    FAILS(TL_EFINISHED, "lost", tl_study_tell(p.sa, t, TL_COMPLETE, &value, 1, NULL, err));
    FAILS(TL_EFINISHED, "lost", tl_study_tell_number(p.sb, tl_trial_number(t), TL_COMPLETE, &value, 1, false, NULL, err));
    tl_trial_free(t);
    t = kit_ask(p.sa); /* goes on, with a lease again */
    ck_assert(_i == 0 || has_lease("worker-a"));
    kit_tell(p.sa, t, 1);
    close_pair(&p);
}
END_TEST

START_TEST(a_stop_shorter_than_the_lease_costs_nothing)
{
    struct pair p = open_pair(_i, 60000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    PASS(_i, 35, "worker-a");
    look(p.b); /* late already: noted */
    tl_trial *second = kit_ask(p.sa); /* back: renews */
    PASS(_i, 20, "worker-a");
    look(p.b);
    PASS(_i, 12, "worker-a"); /* 67 s since the first, 32 since the second */
    look(p.b);
    kit_tell(p.sa, t, 1);
    kit_tell(p.sa, second, 2);
    ck_assert_uint_eq(count_of(p.sb, TL_COMPLETE), 2);
    close_pair(&p);
}
END_TEST

START_TEST(two_observers_fail_once_and_queue_once)
{
    struct pair p = open_pair(_i, 60000, 1, NULL);
    tl_storage *c = open_worker(_i, "worker-c", 0, 5); /* what the lost worker wished counts, not what the observer has */
    tl_study *sc = kit_study(c, "s", NULL);
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct tl_fixed_param fixed[] = {{"x", kit_float(0.25)}};
    double x = 0;
    OK(tl_study_enqueue(p.sa, fixed, 1, NULL, 0, false, NULL, err));
    tl_trial *t = kit_ask(p.sa);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_trial_report(t, 3, 0.5, err));
    OK(tl_trial_set_attr(t, TL_ATTR_USER, "note", "\"n\"", err));
    PASS(_i, 31, "worker-a");
    look(p.b);
    look(c);
    PASS(_i, 30, "worker-a");
    look(p.b);
    look(c);
    PASS(_i, 20, NULL);
    look(p.b);
    ck_assert_uint_eq(count_of(p.sb, TL_FAIL), 1);
    ck_assert_uint_eq(count_of(p.sb, TL_WAITING), 1);
    tl_view *view = kit_read(p.sb, 1, &trial);
    ck_assert_uint_eq(tl_view_n_trials(view), 2);
    ck_assert_str_eq(kit_trial_attr(&trial, TL_ATTR_SYSTEM, "failed_trial"), "0");
    ck_assert_str_eq(kit_trial_attr(&trial, TL_ATTR_SYSTEM, "retry_history"), "[0]");
    ck_assert_str_eq(kit_trial_attr(&trial, TL_ATTR_USER, "note"), "\"n\"");
    ck_assert_ptr_null(kit_trial_attr(&trial, TL_ATTR_SYSTEM, TL_LOST_ATTR));
    ck_assert_uint_eq(trial.n_reports, 0);
    ck_assert(!trial.start.set && !trial.has_values);
    ck_assert_double_eq(kit_param(&trial, "x")->internal, 0.25);
    tl_view_close(view);
    tl_trial_free(t);
    /* The queued one is lost, too: that was the last time. */
    t = kit_ask(p.sa);
    ck_assert_int_eq(tl_trial_number(t), 1);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    ck_assert_double_eq(x, 0.25);
    lose(_i, p.b, "worker-a");
    ck_assert_uint_eq(count_of(p.sb, TL_FAIL), 2);
    ck_assert_uint_eq(count_of(p.sb, TL_WAITING), 0);
    tl_trial_free(t);
    tl_frozen_release(&trial);
    tl_study_free(sc);
    tl_storage_close(c);
    close_pair(&p);
}
END_TEST

START_TEST(a_chain_of_retries_keeps_its_history)
{
    struct pair p = open_pair(_i, 60000, 3, NULL);
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    for (int round = 0; round < 4; round++) {
        tl_trial *t = kit_ask(p.sa);
        ck_assert_int_eq(tl_trial_number(t), round);
        lose(_i, p.b, "worker-a");
        tl_trial_free(t);
    }
    tl_view *view = kit_read(p.sb, 3, &trial);
    ck_assert_uint_eq(tl_view_n_trials(view), 4);
    ck_assert_str_eq(kit_trial_attr(&trial, TL_ATTR_SYSTEM, "failed_trial"), "0");
    ck_assert_str_eq(kit_trial_attr(&trial, TL_ATTR_SYSTEM, "retry_history"), "[0,1,2]");
    tl_view_close(view);
    tl_frozen_release(&trial);
    close_pair(&p);
}
END_TEST

/* What is queued again carries its attributes: an append of bounded size takes as many trials as fit. */
START_TEST(large_trials_are_failed_a_few_at_a_time)
{
    enum { TEXT = 5 << 20 };
    struct pair p = open_pair(_i, 60000, 1, NULL);
    char *text = malloc(TEXT + 1);
    memset(text, 'x', TEXT);
    text[0] = text[TEXT - 1] = '"';
    text[TEXT] = 0;
    tl_trial *t = kit_ask(p.sa), *small = kit_ask(p.sa);
    OK(tl_trial_set_attr(t, TL_ATTR_USER, "weights", text, err));
    free(text);
    lose(_i, p.b, "worker-a");
    ck_assert_uint_eq(count_of(p.sb, TL_FAIL), 2);
    ck_assert_uint_eq(count_of(p.sb, TL_WAITING), 2);
    const char *first = strstr(events, "LOST: 1 trial ");
    ck_assert(first && strstr(first + 1, "LOST: 1 trial "));
    tl_trial_free(t);
    tl_trial_free(small);
    close_pair(&p);
}
END_TEST

START_TEST(who_has_no_lease_is_left_alone)
{
    struct pair p = open_pair(_i, -1, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    for (int i = 0; i < 5; i++) {
        skew += 3600 * SECOND;
        look(p.b);
    }
    ck_assert(_i == 0 || scratch_count(kit_dir, ".lease.worker") == 0);
    kit_tell(p.sa, t, 1);
    close_pair(&p);
}
END_TEST

START_TEST(running_trials_of_optuna_are_left_alone)
{
    static const char line[] = "{\"op_code\":4,\"worker_id\":\"7c1e-140\",\"study_id\":0,"
                               "\"datetime_start\":\"2026-01-01T00:00:00.000000\"}\n";
    struct pair p = open_pair(1, 60000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    scratch_append(kit_url(1), line, sizeof line - 1);
    for (int i = 0; i < 20; i++) {
        PASS(1, 20, NULL);
        look(p.b);
    }
    lose(1, p.b, "worker-a");
    ck_assert_int_eq(state_of(p.sb, 0), TL_FAIL);
    ck_assert_int_eq(state_of(p.sb, 1), TL_RUNNING);
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

/* Who looks was stopped with the others (Ctrl-Z, a laptop), and is the first to go on. */
START_TEST(who_was_stopped_with_the_others_condemns_nobody)
{
    struct pair p = open_pair(_i, 60000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    PASS(_i, 200, "worker-a");
    look(p.b);
    ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
    tl_trial *second = kit_ask(p.sa); /* renews */
    PASS(_i, 31, NULL);
    look(p.b);
    kit_tell(p.sa, t, 1);
    kit_tell(p.sa, second, 2);
    ck_assert_uint_eq(count_of(p.sb, TL_COMPLETE), 2);
    close_pair(&p);
}
END_TEST

START_TEST(closing_gives_the_lease_up)
{
    struct pair p = open_pair(_i, 60000, 0, NULL);
    kit_tell(p.sa, kit_ask(p.sa), 1);
    ck_assert(_i == 0 || has_lease("worker-a"));
    close_pair(&p);
    ck_assert(_i == 0 || scratch_count(kit_dir, ".lease.worker") == 0);
}
END_TEST

START_TEST(a_trial_left_running_is_lost_later)
{
    tl_storage *keeper = open_worker(_i, "keeper", -1, 0); /* a journal in memory lives as long as a handle */
    struct pair p = open_pair(_i, 60000, 0, NULL);
    tl_trial_free(kit_ask(p.sa));
    tl_study_free(p.sa);
    tl_storage_close(p.a);
    look(p.b);
    ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
    lose(_i, p.b, "worker-a");
    ck_assert_int_eq(state_of(p.sb, 0), TL_FAIL);
    tl_study_free(p.sb);
    tl_storage_close(p.b);
    tl_storage_close(keeper);
}
END_TEST

static tl_sampler *small_grid(void)
{
    static const double xs[] = {1, 2};
    static struct tl_value values[2];
    struct tl_grid_axis axis = {"x", values, 2};
    struct tl_grid_options o = TL_GRID_OPTIONS_INIT;
    tl_sampler *grid = NULL;
    for (int i = 0; i < 2; i++) {
        values[i] = kit_float(xs[i]);
    }
    o.retries = -1; /* a failed cell is given up at once */
    OK(tl_sampler_grid(&axis, 1, &o, &grid, err));
    return grid;
}

START_TEST(a_lost_cell_is_issued_again_without_limit)
{
    tl_sampler *grid = small_grid();
    struct pair p = open_pair(_i, 60000, 0, grid);
    tl_trial *t, *other = kit_ask(p.sb);
    for (int round = 0; round < 10; round++) {
        t = kit_ask(p.sa);
        FAILS(TL_EEXHAUSTED, "", tl_study_ask(p.sb, NULL, &t, err));
        lose(_i, p.b, "worker-a");
        tl_trial_free(t);
    }
    t = kit_ask(p.sb);
    kit_tell(p.sb, t, 1);
    kit_end(p.sb, other, TL_FAIL); /* a failed one counts: no retries here */
    FAILS(TL_EEXHAUSTED, "", tl_study_ask(p.sb, NULL, &t, err));
    ck_assert_uint_eq(count_of(p.sb, TL_FAIL), 11);
    ck_assert_uint_eq(count_of(p.sb, TL_COMPLETE), 1);
    close_pair(&p);
    tl_sampler_free(grid);
}
END_TEST

/* ---- the file's own ---- */

START_TEST(a_clock_that_jumps_condemns_nobody)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    for (int round = 0; round < 3; round++) {
        set_back(lease_path("worker-a", ""), 7200); /* the file server's clock went two hours ahead */
        for (int i = 0; i < 3; i++) {
            skew += 16 * SECOND;
            look(p.b);
            ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
        }
        skew += 40 * SECOND; /* worker-a renews; whether by its thread or by a call makes no difference */
        tl_trial_free(kit_ask(p.sa));
        look(p.b);
        ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
    }
    set_back(lease_path("worker-a", ""), -7200); /* and two hours back: seen unchanged for a lease, it is lost */
    for (int i = 0; i < 3; i++) {
        skew += 16 * SECOND;
        look(p.b);
        ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
    }
    set_back(lease_path("worker-a", "+late"), 61);
    skew += 16 * SECOND;
    look(p.b);
    ck_assert_int_eq(state_of(p.sb, 0), TL_FAIL);
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

START_TEST(wall_clocks_do_not_matter)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    tl_trial *t;
    wall_skew_us = INT64_C(-1000000) * 86400 * 365;
    t = kit_ask(p.sa);
    wall_skew_us = INT64_C(1000000) * 86400 * 365;
    for (int i = 0; i < 5; i++) {
        skew += 16 * SECOND;
        look(p.b);
    }
    ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
    kit_tell(p.sa, t, 1);
    close_pair(&p);
}
END_TEST

START_TEST(looks_are_shared)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    char clock[SCRATCH_MAX * 2];
    tl_trial *t = kit_ask(p.sa), *u = kit_ask(p.sb);
    snprintf(clock, sizeof clock, "%s.lease.+clock", kit_url(1));
    skew += 16 * SECOND;
    look(p.a);
    set_back(clock, 10);
    long long before = time_of(clock);
    skew += 16 * SECOND;
    look(p.b); /* sees that somebody else looked */
    ck_assert_int_eq(time_of(clock), before);
    skew += 16 * SECOND;
    look(p.b); /* and since then nobody did */
    ck_assert_int_gt(time_of(clock), before);
    before = time_of(clock);
    skew += 16 * SECOND;
    look(p.a);
    ck_assert_int_eq(time_of(clock), before);
    kit_tell(p.sa, t, 1);
    kit_tell(p.sb, u, 1);
    close_pair(&p);
}
END_TEST

START_TEST(names_of_workers_stay_in_the_folder)
{
    tl_storage *s = open_worker(1, "../..+late/ %x", 60000, 0), *b = open_worker(1, "b", 0, 0);
    tl_study *study = kit_study(s, "s", NULL), *sb = kit_study(b, "s", NULL);
    tl_trial_free(kit_ask(study));
    ck_assert_int_eq(scratch_count(kit_dir, ".lease.%2E%2E%2F%2E%2E%2Blate%2F%20%25x"), 1);
    tl_study_free(study);
    tl_study_free(sb);
    tl_storage_close(s);
    tl_storage_close(b);
}
END_TEST

static int count_running(void *ctx, const struct tl_running_trial *trial)
{
    (void)trial;
    ++*(int *)ctx;
    return 0;
}

/* Owners whose lease cannot be looked at: a name that is too long for a file, and a folder where the file would be. */
START_TEST(what_is_no_lease_keeps_nobody_from_looking)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    char line[1024];
    int running = 0;
    tl_trial *t = kit_ask(p.sa);
    for (int i = 0; i < 2; i++) {
        int n = snprintf(line, sizeof line, "{\"op_code\":4,\"worker_id\":\"%0*d\",\"study_id\":0,"
                         "\"datetime_start\":\"2026-01-01T00:00:00.000000\"}\n", i ? 300 : 3, 7);
        scratch_append(kit_url(1), line, (size_t)n);
    }
    ck_assert_int_eq(mkdir(lease_path("007", ""), 0777), 0);
    lose(1, p.b, "worker-a");
    ck_assert_msg(state_of(p.sb, 0) == TL_FAIL, "%s", events);
    ck_assert_int_eq(state_of(p.sb, 1), TL_RUNNING);
    ck_assert_int_eq(state_of(p.sb, 2), TL_RUNNING);
    OK(tl_storage_each_running(p.b, count_running, &running, err));
    ck_assert_int_eq(running, 2);
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

/* Leases are not flushed: a power cut can leave the trial in the log and an empty file. */
START_TEST(an_empty_lease_is_one_of_a_minute)
{
    struct pair p = open_pair(1, 3600000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    ck_assert_int_eq(truncate(lease_path("worker-a", ""), 0), 0);
    look(p.b);
    ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
    lose(1, p.b, "worker-a");
    ck_assert_msg(state_of(p.sb, 0) == TL_FAIL, "%s", events);
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

/* A worker that died between two trials leaves a lease that nobody needs. */
START_TEST(leases_without_trials_are_swept)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        tl_storage *s = open_worker(1, "idle", 60000, 0);
        tl_study *study = kit_study(s, "s", NULL);
        kit_tell(study, kit_ask(study), 1);
        kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    kit_tell(p.sb, kit_ask(p.sb), 1);
    scratch_write(lease_path("torn", ""), "trialog", 7); /* and one that died while it wrote */
    set_back(lease_path("torn", ""), 601);
    for (int i = 0; i < 130; i++) { /* a look in 64 searches for them */
        PASS(1, i == 70 ? 601 : 16, NULL);
        if (i == 70) {
            ck_assert(has_lease("idle"));
            set_back(lease_path("idle", ""), 601);
        }
        look(p.b);
    }
    ck_assert(!has_lease("idle") && !has_lease("torn"));
    ck_assert_int_eq(scratch_count(kit_dir, "+late"), 0);
    close_pair(&p);
}
END_TEST

START_TEST(a_reader_writes_nothing)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *reader = NULL;
    struct pair p = open_pair(1, 60000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    int files = scratch_count(kit_dir, "");
    o.read_only = true;
    OK(tl_storage_open(kit_url(1), &o, &reader, err));
    for (int i = 0; i < 10; i++) {
        PASS(1, 20, "worker-a");
        look(reader);
    }
    ck_assert_int_eq(scratch_count(kit_dir, ""), files);
    ck_assert_int_eq(state_of(p.sa, 0), TL_RUNNING);
    tl_storage_close(reader);
    kit_tell(p.sa, t, 1);
    close_pair(&p);
}
END_TEST

START_TEST(a_link_to_the_journal_shares_its_leases)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    const char *link = scratch_path(kit_dir, "other name");
    tl_storage *s = NULL;
    tl_trial *t = kit_ask(p.sa);
    ck_assert_int_eq(symlink(kit_url(1), link), 0);
    o.log = &sink;
    OK(tl_storage_open(link, &o, &s, err));
    lose(1, s, "worker-a");
    ck_assert_int_eq(state_of(p.sb, 0), TL_FAIL);
    tl_storage_close(s);
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

/* In a compacted journal that is put in the place of the old one, RUNNING trials have the owners that they had. */
START_TEST(a_compacted_journal_keeps_owners)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    const char *to = scratch_path(kit_dir, "compacted");
    tl_trial *t = kit_ask(p.sa);
    OK(tl_journal_compact(kit_url(1), to, NULL, NULL, err));
    ck_assert_int_eq(rename(to, kit_url(1)), 0);
    lose(1, p.b, "worker-a");
    ck_assert_int_eq(state_of(p.sb, 0), TL_FAIL);
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

START_TEST(a_copy_is_nobodys_run)
{
    struct pair p = open_pair(_i, 60000, 0, NULL);
    tl_storage *s = open_worker(_i, "copier", 60000, 0);
    tl_trial *t = kit_ask(p.sa);
    OK(tl_study_copy(s, "s", s, "copy", err));
    ck_assert(_i == 0 || !has_lease("copier"));
    tl_study *copy = kit_study(s, "copy", NULL);
    lose(_i, p.b, "worker-a");
    ck_assert_int_eq(state_of(p.sb, 0), TL_FAIL);
    ck_assert_int_eq(state_of(copy, 0), TL_RUNNING);
    tl_study_free(copy);
    tl_storage_close(s);
    tl_trial_free(t);
    close_pair(&p);
}
END_TEST

/* A child that runs a trial and dies; its lease and trial stay. */
static void child_dies(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        tl_storage *s = open_worker(1, "child", 60000, 0);
        kit_ask(kit_study(s, "s", NULL));
        kill(getpid(), SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
}

START_TEST(a_killed_process_is_found_by_commands_that_live_for_a_moment)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    child_dies();
    for (int i = 0; i < 2; i++) { /* each looks once: the first notes, the second condemns */
        PASS(1, 40, "child");
        ck_assert_int_eq(state_of(p.sb, 0), TL_RUNNING);
        tl_storage *s = open_worker(1, NULL, -1, 0);
        tl_study *study = kit_study(s, "s", NULL);
        kit_tell(study, kit_ask(study), 0);
        tl_study_free(study);
        tl_storage_close(s);
    }
    ck_assert_int_eq(state_of(p.sb, 0), TL_FAIL);
    ck_assert(!has_lease("child") && access(lease_path("child", "+late"), F_OK) != 0);
    close_pair(&p);
}
END_TEST

START_TEST(a_fork_has_a_lease_of_its_own)
{
    struct pair p = open_pair(1, 60000, 0, NULL);
    tl_trial *t = kit_ask(p.sa);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        tl_trial *mine = kit_ask(p.sa);
        bool two = scratch_count(kit_dir, ".lease.") >= 2 && has_lease("worker-a");
        kit_tell(p.sa, mine, 1);
        tl_study_free(p.sa);
        tl_storage_close(p.a);
        _exit(two && has_lease("worker-a") && scratch_count(kit_dir, "journal.log.lease.") == 1 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert(has_lease("worker-a"));
    kit_tell(p.sa, t, 1);
    close_pair(&p);
}
END_TEST

START_TEST(the_log_does_not_grow)
{
    struct pair p = open_pair(1, 500, 0, NULL);
    struct stat before, after, lease, later;
    tl_trial *t = kit_ask(p.sa);
    ck_assert_int_eq(stat(kit_url(1), &before), 0);
    ck_assert_int_eq(stat(lease_path("worker-a", ""), &lease), 0);
    for (int i = 0; i < 2000; i++) { /* the thread renews within a sixth of a second */
        ck_assert_int_eq(stat(lease_path("worker-a", ""), &later), 0);
        if (later.st_mtim.tv_sec != lease.st_mtim.tv_sec || later.st_mtim.tv_nsec != lease.st_mtim.tv_nsec) {
            break;
        }
        os_system.sleep_ns(SECOND / 200);
        ck_assert_int_lt(i, 1999);
    }
    ck_assert_int_eq(stat(kit_url(1), &after), 0);
    ck_assert_int_eq(before.st_size, after.st_size);
    ck_assert_int_eq(lease.st_size, later.st_size);
    kit_tell(p.sa, t, 1);
    close_pair(&p);
}
END_TEST

/* ---- an ask that runs out of memory after its append ---- */

static long allocations;

static void *once_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    return allocations-- == 0 ? NULL : realloc(old, size ? size : 1);
}

static void *once_alloc(size_t size, void *ctx)
{
    return once_resize(NULL, size, ctx);
}

static void once_release(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

START_TEST(an_ask_that_fails_leaves_nothing_running)
{
    struct mem_hooks hooks = {once_alloc, once_resize, once_release, NULL};
    tl_storage *s = open_worker(0, "w", 60000, 0);
    tl_study *study = kit_study(s, "s", NULL);
    size_t asked = 0, unknown = 0;
    kit_tell(study, kit_ask(study), 1);
    for (long n = 0; n < 60; n++) { /* one allocation fails: first of new trials, then of queued ones */
        struct tl_err why = TL_ERR_INIT;
        tl_trial *t = NULL;
        if (n >= 30) {
            OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err));
        }
        allocations = n % 30;
        mem_set_hooks(&hooks);
        int rc = tl_study_ask(study, NULL, &t, &why);
        mem_set_hooks(NULL);
        if (rc == TL_OK) {
            kit_tell(study, t, 1);
            asked++;
        } else {
            ck_assert_msg(rc == TL_ENOMEM || rc == TL_EUNKNOWN, "%s", why.message);
            unknown += rc == TL_EUNKNOWN;
        }
        ck_assert_msg(count_of(study, TL_RUNNING) == 0, "allocation %ld: a trial runs", n);
    }
    ck_assert_uint_gt(unknown, 0);
    ck_assert_uint_gt(asked, 0);
    tl_study_free(study);
    tl_storage_close(s);
}
END_TEST

START_TEST(lengths_are_checked)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *s = NULL;
    o.lease_ms = 499;
    FAILS(TL_EINVAL, "lease_ms", tl_storage_open("memory://", &o, &s, err));
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("lease");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, a_lost_trial_fails_once, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, who_comes_back_late_is_told_so, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, a_stop_shorter_than_the_lease_costs_nothing, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, two_observers_fail_once_and_queue_once, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, a_chain_of_retries_keeps_its_history, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, large_trials_are_failed_a_few_at_a_time, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, who_has_no_lease_is_left_alone, 0, KIT_BACKENDS);
    tcase_add_test(c, running_trials_of_optuna_are_left_alone);
    tcase_add_loop_test(c, a_copy_is_nobodys_run, 0, KIT_BACKENDS);
    tcase_add_test(c, a_reader_writes_nothing);
    tcase_add_test(c, a_link_to_the_journal_shares_its_leases);
    tcase_add_test(c, a_compacted_journal_keeps_owners);
    tcase_add_loop_test(c, who_was_stopped_with_the_others_condemns_nobody, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, closing_gives_the_lease_up, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, a_trial_left_running_is_lost_later, 0, KIT_BACKENDS);
    tcase_add_loop_test(c, a_lost_cell_is_issued_again_without_limit, 0, KIT_BACKENDS);
    tcase_add_test(c, a_clock_that_jumps_condemns_nobody);
    tcase_add_test(c, wall_clocks_do_not_matter);
    tcase_add_test(c, looks_are_shared);
    tcase_add_test(c, names_of_workers_stay_in_the_folder);
    tcase_add_test(c, what_is_no_lease_keeps_nobody_from_looking);
    tcase_add_test(c, an_empty_lease_is_one_of_a_minute);
#ifndef __SANITIZE_THREAD__ /* it cannot start threads after a fork */
    tcase_add_test(c, a_killed_process_is_found_by_commands_that_live_for_a_moment);
    tcase_add_test(c, leases_without_trials_are_swept);
#else
    (void)a_killed_process_is_found_by_commands_that_live_for_a_moment;
    (void)leases_without_trials_are_swept;
#endif
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) /* a fork while a thread starts: its allocator stays locked */
    tcase_add_test(c, a_fork_has_a_lease_of_its_own);
#else
    (void)a_fork_has_a_lease_of_its_own;
#endif
    tcase_add_test(c, the_log_does_not_grow);
    tcase_add_test(c, an_ask_that_fails_leaves_nothing_running);
    tcase_add_test(c, lengths_are_checked);
    return check_run("lease", c);
}
