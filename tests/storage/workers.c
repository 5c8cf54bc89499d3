/* SPDX-License-Identifier: MIT
 *
 * Many worker processes with several threads each on one journal (a file, or a new database beside tests/support/servers.py): what must be
 * exact is exact. Budget, queue, grid, enqueue without doubles, one study for all who start together, and the same seed with one worker and with many.
 *
 * Each test forks its workers before it opens anything, lets them go at once, and counts what they report through a pipe.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIT_DURABILITY TL_DURABILITY_FULL
#include "support/check_main.h"
#include "support/sqlite_optimistic.h"
#include "support/study_kit.h"

#define PROCESSES 8
#define THREADS 3
#define RECORDS 4000

struct record {
    int worker;
    int64_t number;
    double value;
};
static struct record records[RECORDS];
static int n_records;

static char path[1024];
static const char *storage_format = "%s/journal.log"; /* "server": a new database beside tests/support/servers.py */
static int worker, report_to; /* in a worker */

static void report(int64_t number, double value)
{
    struct record r = {worker, number, value};
    ck_assert_int_eq(write(report_to, &r, sizeof r), sizeof r); /* below PIPE_BUF: whole */
}

typedef void job(tl_storage *s);

/* Runs the job in `n` processes at once and gathers their records. */
static void run_workers(int n, job *fn)
{
    int gate[2], results[2];
    pid_t pids[PROCESSES];
    ck_assert(pipe(gate) == 0 && pipe(results) == 0);
    for (int i = 0; i < n; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0) {
            char go;
            close(gate[1]);
            close(results[0]);
            worker = i;
            report_to = results[1];
            ck_assert_int_eq(read(gate[0], &go, 1), 0); /* until the parent opens the gate */
            tl_storage *s = kit_open(path);
            fn(s);
            tl_storage_close(s);
            _exit(0);
        }
    }
    close(gate[0]);
    close(results[1]);
    close(gate[1]);
    n_records = 0;
    while (read(results[0], &records[n_records], sizeof records[0]) == (ssize_t)sizeof records[0]) {
        ck_assert_int_lt(++n_records, RECORDS);
    }
    close(results[0]);
    for (int i = 0; i < n; i++) {
        int status;
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_msg(status == 0, "worker %d ended with status %x", i, (unsigned)status);
    }
}

/* Runs fn(study) in THREADS threads of a worker. */
static void run_threads(tl_study *study, void *(*fn)(void *study))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, study), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void setup(void)
{
    if (strcmp(storage_format, "server") == 0) {
        snprintf(path, sizeof path, "%s", kit_url(1));
        return;
    }
    scratch_make(kit_dir);
    snprintf(path, sizeof path, storage_format, kit_dir);
}

static void teardown(void)
{
    kit_clean();
}

/* Each number 0 … n-1 was reported once. */
static void check_each_once(int n)
{
    static int times[RECORDS];
    memset(times, 0, sizeof times);
    ck_assert_int_eq(n_records, n);
    for (int i = 0; i < n; i++) {
        ck_assert(records[i].number >= 0 && records[i].number < n);
        ck_assert_int_eq(times[records[i].number]++, 0);
    }
}

static size_t count(enum tl_state state)
{
    tl_storage *s = kit_open(path);
    tl_study *study = kit_study(s, "s", NULL);
    tl_view *view;
    OK(tl_study_view(study, &view, err));
    size_t n = tl_view_count(view, state);
    tl_view_close(view);
    tl_study_free(study);
    tl_storage_close(s);
    return n;
}

/* ---- budget ---- */

#define BUDGET 120
static bool refund;

static void *use_budget(void *ctx)
{
    tl_study *study = ctx;
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_trial *t;
    int rc;
    o.budget = BUDGET;
    o.refund_failed = refund;
    while ((rc = tl_study_ask(study, &o, &t, NULL)) == 0) {
        int64_t number = tl_trial_number(t);
        report(number, 0);
        if (number % 3 == 0) {
            kit_end(study, t, TL_FAIL);
        } else {
            kit_tell(study, t, (double)number);
        }
    }
    ck_assert_int_eq(rc, TL_EEXHAUSTED);
    return NULL;
}

static void budget_job(tl_storage *s)
{
    tl_study *study = kit_study(s, "s", NULL); /* all start together: one creates, the others load */
    run_threads(study, use_budget);
    tl_study_free(study);
}

static int count_study(void *ctx, int64_t id, const char *name)
{
    (void)id, (void)name;
    ++*(int *)ctx;
    return 0;
}

START_TEST(the_budget_is_met_exactly)
{
    int studies = 0;
    run_workers(PROCESSES, budget_job);
    check_each_once(BUDGET);
    ck_assert_uint_eq(count(TL_COMPLETE) + count(TL_FAIL), BUDGET);
    ck_assert_uint_eq(count(TL_RUNNING), 0);
    tl_storage *s = kit_open(path);
    OK(tl_storage_each_study(s, count_study, &studies, err));
    tl_storage_close(s);
    ck_assert_int_eq(studies, 1);
}
END_TEST

START_TEST(failed_trials_are_refunded)
{
    refund = true;
    run_workers(PROCESSES, budget_job);
    refund = false;
    ck_assert_uint_eq(count(TL_COMPLETE), BUDGET);
    check_each_once((int)(count(TL_COMPLETE) + count(TL_FAIL)));
}
END_TEST

/* ---- turns ---- */

#define TURNS_OF_ALL 800
#define FEWEST 20 /* of the 100 that each worker would have in fairness */

static struct {
    atomic_int of[PROCESSES], all;
} *turns; /* shared by the workers */

static void *take_turns(void *ctx)
{
    tl_study *study = ctx;
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    o.budget = 1000000; /* a decision that holds at the head only */
    while (atomic_fetch_add(&turns->all, 1) < TURNS_OF_ALL) {
        tl_trial *t;
        OK(tl_study_ask(study, &o, &t, err));
        atomic_fetch_add(&turns->of[worker], 1);
        kit_tell(study, t, 0);
    }
    return NULL;
}

static void turns_job(tl_storage *s)
{
    tl_study *study = kit_study(s, "s", NULL);
    run_threads(study, take_turns);
    tl_study_free(study);
}

/* Who knows what was written last must not win again and again. For servers: on a file 800 trials are over before the last process has begun. */
START_TEST(everybody_has_turns)
{
    turns = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(turns != MAP_FAILED);
    run_workers(PROCESSES, turns_job);
    for (int i = 0; i < PROCESSES; i++) {
        fprintf(stderr, "%d%s", atomic_load(&turns->of[i]), i < PROCESSES - 1 ? ", " : " turns of eight workers\n");
    }
    for (int i = 0; i < PROCESSES; i++) {
        ck_assert_int_ge(atomic_load(&turns->of[i]), FEWEST);
    }
    munmap(turns, sizeof *turns);
}
END_TEST

/* ---- queue ---- */

#define QUEUED 100

static void *pop_queue(void *ctx)
{
    tl_study *study = ctx;
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_trial *t;
    double x;
    o.budget = QUEUED;
    while (tl_study_ask(study, &o, &t, NULL) == 0) {
        OK(tl_trial_suggest_float(t, "x", 0, 1000, 0, false, &x, err));
        report(tl_trial_number(t), x);
        kit_tell(study, t, x);
    }
    return NULL;
}

static void queue_job(tl_storage *s)
{
    tl_study *study = kit_study(s, "s", NULL);
    run_threads(study, pop_queue);
    tl_study_free(study);
}

START_TEST(each_queued_trial_is_popped_once)
{
    tl_storage *s = kit_open(path);
    tl_study *study = kit_study(s, "s", NULL);
    for (int i = 0; i < QUEUED; i++) {
        struct tl_fixed_param p = {"x", kit_int(i * 2)};
        OK(tl_study_enqueue(study, &p, 1, NULL, 0, false, NULL, err));
    }
    tl_study_free(study);
    tl_storage_close(s);
    run_workers(PROCESSES, queue_job);
    check_each_once(QUEUED);
    for (int i = 0; i < n_records; i++) {
        ck_assert_double_eq(records[i].value, (double)records[i].number * 2);
    }
    ck_assert_uint_eq(count(TL_COMPLETE), QUEUED);
}
END_TEST

#define DIFFERENT 20

static void *enqueue_all(void *ctx)
{
    tl_study *study = ctx;
    for (int i = 0; i < DIFFERENT; i++) {
        struct tl_fixed_param p = {"x", kit_int((worker * 7 + i) % DIFFERENT)};
        int64_t number;
        OK(tl_study_enqueue(study, &p, 1, NULL, 0, true, &number, err));
        if (number >= 0) {
            report(number, (double)p.value.as.i);
        }
    }
    return NULL;
}

static void enqueue_job(tl_storage *s)
{
    tl_study *study = kit_study(s, "s", NULL);
    run_threads(study, enqueue_all);
    tl_study_free(study);
}

START_TEST(nothing_is_enqueued_twice)
{
    run_workers(PROCESSES, enqueue_job);
    check_each_once(DIFFERENT);
    int seen[DIFFERENT] = {0};
    for (int i = 0; i < n_records; i++) {
        ck_assert_int_eq(seen[(int)records[i].value]++, 0);
    }
    ck_assert_uint_eq(count(TL_WAITING), DIFFERENT);
}
END_TEST

/* ---- grid ---- */

static int failures; /* cells that fail at their first try */

static void *walk_grid(void *ctx)
{
    tl_study *study = ctx;
    tl_trial *t;
    int rc;
    while ((rc = tl_study_ask(study, NULL, &t, NULL)) == 0) {
        int64_t x, y, number = tl_trial_number(t);
        OK(tl_trial_suggest_int(t, "x", 0, 3, 1, false, &x, err));
        OK(tl_trial_suggest_int(t, "y", 0, 3, 1, false, &y, err));
        bool fails = number < 16 && x * 4 + y < failures;
        report(number, fails ? -1 : (double)(x * 4 + y));
        if (fails) {
            kit_end(study, t, TL_FAIL);
        } else {
            kit_tell(study, t, 0);
        }
    }
    ck_assert_int_eq(rc, TL_EEXHAUSTED);
    return NULL;
}

static void grid_job(tl_storage *s)
{
    struct tl_value values[] = {kit_int(0), kit_int(1), kit_int(2), kit_int(3)};
    struct tl_grid_axis axes[] = {{"x", values, 4}, {"y", values, 4}};
    tl_sampler *grid;
    OK(tl_sampler_grid(axes, 2, NULL, &grid, err));
    tl_study *study = kit_study(s, "s", grid);
    run_threads(study, walk_grid);
    tl_study_free(study);
    tl_sampler_free(grid);
}

START_TEST(each_cell_is_tried_once)
{
    failures = _i ? 5 : 0;
    run_workers(PROCESSES, grid_job);
    check_each_once(16 + failures);
    int seen[16] = {0};
    for (int i = 0; i < n_records; i++) {
        if (records[i].value >= 0) {
            ck_assert_int_eq(seen[(int)records[i].value]++, 0);
        }
    }
    ck_assert_uint_eq(count(TL_COMPLETE), 16);
    ck_assert_uint_eq(count(TL_FAIL), (size_t)failures);
}
END_TEST

/* ---- seeds ---- */

#define SEEDED 64

static void *ask_seeded(void *ctx)
{
    tl_study *study = ctx;
    struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    struct tl_param_spec space[] = {{"x", 0, &d}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_trial *t;
    o.budget = SEEDED;
    o.space = space;
    o.n_space = 1;
    while (tl_study_ask(study, &o, &t, NULL) == 0) {
        double x, y;
        ck_assert(tl_trial_param(t, "x", &x));
        OK(tl_trial_suggest_float(t, "y", 0, 1, 0, false, &y, err));
        report(tl_trial_number(t), x + y);
        kit_tell(study, t, x);
    }
    return NULL;
}

static void seeded_job(tl_storage *s)
{
    tl_sampler *sampler;
    OK(tl_sampler_random(99, &sampler, err));
    tl_study *study = kit_study(s, "s", sampler);
    run_threads(study, ask_seeded);
    tl_study_free(study);
    tl_sampler_free(sampler);
}

START_TEST(a_seed_gives_the_same_trials_to_one_and_to_many)
{
    double alone[SEEDED];
    run_workers(1, seeded_job);
    check_each_once(SEEDED);
    for (int i = 0; i < SEEDED; i++) {
        alone[records[i].number] = records[i].value;
    }
    teardown(); /* a storage of their own */
    setup();
    run_workers(PROCESSES, seeded_job);
    check_each_once(SEEDED);
    for (int i = 0; i < SEEDED; i++) {
        ck_assert_double_eq(alone[records[i].number], records[i].value);
    }
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1) {
        storage_format = argv[1];
        kit_special = open_optimistic;
    }
    TCase *t = tcase_create("workers");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_budget_is_met_exactly);
    tcase_add_test(t, failed_trials_are_refunded);
    if (strcmp(storage_format, "server") == 0) {
        tcase_add_test(t, everybody_has_turns);
    }
    tcase_add_test(t, each_queued_trial_is_popped_once);
    tcase_add_test(t, nothing_is_enqueued_twice);
    tcase_add_loop_test(t, each_cell_is_tried_once, 0, 2);
    tcase_add_test(t, a_seed_gives_the_same_trials_to_one_and_to_many);
    return check_run("workers", t);
}
