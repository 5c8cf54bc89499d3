/* SPDX-License-Identifier: MIT
 *
 * Tests of the commit queue and of views under load: decisions see what came before them, whoever wrote it; readers see whole
 * operations; handles on one journal agree. Runs under the thread sanitizer too.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "engine/storage.h"
#include "engine/store.h"
#include "state_text.h"
#include "support/check_main.h"
#include "support/scratch.h"
#include <trialog/study.h>

enum { WRITERS = 8, READERS = 4, EACH = 150 };

static const char *url;
static char path[64];

static char dir[SCRATCH_MAX];

/* A folder for a journal "j". */
static void enter_folder(void)
{
    scratch_make(dir);
    ck_assert_int_eq(chdir(dir), 0);
    url = "j";
}

/* Nothing else may lie in it. */
static void leave_folder(void)
{
    ck_assert_int_eq(unlink("j"), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}

static tl_storage *open_storage(void)
{
    tl_storage *st;
    struct tl_err err = TL_ERR_INIT;
    ck_assert_msg(tl_storage_open(url, NULL, &st, &err) == TL_OK, "%s", err.message);
    return st;
}

static void setup_memory(void)
{
    snprintf(path, sizeof path, "memory://store-%d", (int)getpid());
    url = path;
}

static void create_study(tl_storage *st, const char *name)
{
    uint8_t direction = TL_MINIMIZE;
    struct op op = {.code = OP_CREATE_STUDY, .name = str_of(name), .directions = &direction, .n_directions = 1};
    struct commit c = {.ops = &op, .n_ops = 1};
    ck_assert_int_eq(store_commit(st, &c, NULL), TL_OK);
    commit_release(&c);
}

/* Creates a trial that carries the number it expects to get. */
static int decide_number(struct commit *c, const struct state *s, struct tl_err *err)
{
    (void)err;
    struct op_attr *attr = arena_alloc(&c->arena, sizeof *attr);
    char *text = arena_alloc(&c->arena, 32);
    c->ops = arena_alloc(&c->arena, sizeof *c->ops);
    if (!attr || !text || !c->ops) {
        return TL_ENOMEM;
    }
    int n = snprintf(text, 32, "%zu", state_study(s, 0)->n_trials);
    *attr = (struct op_attr){STR("expected"), {text, (size_t)n}};
    *c->ops = (struct op){.code = OP_CREATE_TRIAL,
                          .start = {1, true, false},
                          .is_template = true,
                          .user_attrs = attr,
                          .n_user_attrs = 1};
    c->n_ops = 1;
    return TL_OK;
}

static void *write_trials(void *ctx)
{
    tl_storage *st = ctx;
    for (int i = 0; i < EACH; i++) {
        struct commit c = {.decide = decide_number};
        if (store_commit(st, &c, NULL) != TL_OK || c.applied[0].verdict != V_APPLIED) {
            abort();
        }
        double value = i;
        struct op op = {.code = OP_TRIAL_STATE,
                        .target = c.applied[0].id,
                        .state = TL_COMPLETE,
                        .has_values = true,
                        .values = &value,
                        .n_values = 1,
                        .complete = {2, true, false}};
        struct commit end = {.ops = &op, .n_ops = 1};
        if (store_commit(st, &end, NULL) != TL_OK) {
            abort();
        }
        commit_release(&c);
        commit_release(&end);
    }
    return NULL;
}

static atomic_bool stop;

static void *read_views(void *ctx)
{
    tl_storage *st = ctx;
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    uint64_t seq = 0;
    while (!atomic_load(&stop)) {
        tl_view *v;
        if (tl_view_open(st, 0, true, &v, NULL) != TL_OK || tl_view_seq(v) < seq) {
            abort();
        }
        seq = tl_view_seq(v);
        size_t n = tl_view_n_trials(v), finished = 0;
        for (size_t i = n > 50 ? n - 50 : 0; i < n; i++) {
            if (tl_view_trial(v, (int64_t)i, &t, NULL) != TL_OK || t.n_attrs != 1) {
                abort();
            }
            if (t.state == TL_COMPLETE && t.n_values != 1) {
                abort();
            }
        }
        for (int s = TL_COMPLETE; s <= TL_FAIL; s++) {
            finished += tl_view_count(v, (enum tl_state)s);
        }
        if (finished != tl_view_n_rows(v)) {
            abort();
        }
        tl_view_close(v);
    }
    tl_frozen_release(&t);
    return NULL;
}

static void check_numbers(tl_storage *st, size_t want)
{
    tl_view *v;
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    char text[32];
    ck_assert_int_eq(tl_view_open(st, 0, true, &v, NULL), TL_OK);
    ck_assert_uint_eq(tl_view_n_trials(v), want);
    ck_assert_uint_eq(tl_view_count(v, TL_COMPLETE), want);
    for (size_t i = 0; i < want; i++) {
        ck_assert_int_eq(tl_view_trial(v, (int64_t)i, &t, NULL), TL_OK);
        snprintf(text, sizeof text, "%zu", i);
        ck_assert_uint_eq(t.attrs[0].json.len, strlen(text));
        ck_assert_mem_eq(t.attrs[0].json.s, text, strlen(text));
    }
    tl_frozen_release(&t);
    tl_view_close(v);
}

/* Decisions are made on the state at the head, also inside a group: every trial gets the number that it expected. Half of the threads
 * use a handle of their own when _i is 1. */
START_TEST(decisions_see_what_came_before)
{
    setup_memory();
    tl_storage *a = open_storage(), *b = _i ? open_storage() : a;
    pthread_t writers[WRITERS], readers[READERS];
    create_study(a, "s");
    atomic_store(&stop, false);
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_views, i % 2 ? a : b), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(pthread_create(&writers[i], NULL, write_trials, i % 2 ? a : b), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i], NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
    }
    check_numbers(a, WRITERS * EACH);
    check_numbers(b, WRITERS * EACH);
    if (b != a) {
        struct buf x = BUF_INIT(1u << 28), y = BUF_INIT(1u << 28);
        state_text(a->state, &x);
        state_text(b->state, &y);
        ck_assert_uint_eq(x.len, y.len);
        ck_assert_mem_eq(x.data, y.data, x.len);
        buf_release(&x);
        buf_release(&y);
        tl_storage_close(b);
    }
    tl_storage_close(a);
}
END_TEST

static int decide_fail(struct commit *c, const struct state *s, struct tl_err *err)
{
    (void)c;
    (void)s;
    if (err) {
        err->code = TL_EEXHAUSTED;
    }
    return TL_EEXHAUSTED;
}

static int decide_nothing(struct commit *c, const struct state *s, struct tl_err *err)
{
    (void)c;
    (void)s;
    (void)err;
    return TL_OK;
}

START_TEST(a_refused_decision_writes_nothing)
{
    setup_memory();
    tl_storage *st = open_storage();
    create_study(st, "s");
    struct commit c = {.decide = decide_fail}, d = {.decide = decide_nothing};
    ck_assert_int_eq(store_commit(st, &c, NULL), TL_EEXHAUSTED);
    ck_assert_int_eq(store_commit(st, &d, NULL), TL_OK);
    ck_assert_uint_eq(d.n_ops, 0);
    ck_assert_uint_eq(st->state->seq, 1);
    tl_storage_close(st);
}
END_TEST

START_TEST(a_broken_rule_is_the_writers_error)
{
    setup_memory();
    tl_storage *st = open_storage();
    struct tl_err err = TL_ERR_INIT;
    create_study(st, "s");
    struct op ops[2] = {{.code = OP_TRIAL_REPORT, .target = 7, .step = 1, .number = 2.0},
                        {.code = OP_CREATE_TRIAL, .start = {1, true, false}}};
    struct commit c = {.ops = ops, .n_ops = 2};
    ck_assert_int_eq(store_commit(st, &c, &err), TL_ENOTFOUND);
    ck_assert_int_eq(c.applied[0].verdict, V_NOT_FOUND);
    ck_assert_int_eq(c.applied[1].verdict, V_APPLIED); /* stands in the log like on every reader */
    ck_assert_ptr_nonnull(strstr(err.message, "7"));
    ck_assert_uint_eq(st->state->seq, 3);
    commit_release(&c);
    tl_storage_close(st);
}
END_TEST

/* A child's handle is a worker of its own. */
START_TEST(a_forked_child_is_another_worker)
{
    setup_memory();
    tl_storage *st = open_storage();
    char parent[64], child[64];
    int pipes[2];
    create_study(st, "s");
    tl_storage_worker_id(st, parent);
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        create_study(st, "t");
        tl_storage_worker_id(st, child);
        _exit(write(pipes[1], child, sizeof child) != sizeof child);
    }
    int status;
    ck_assert_int_eq(read(pipes[0], child, sizeof child), sizeof child);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_str_ne(parent, child);
    create_study(st, "t"); /* memory is the parent's own */
    tl_storage_close(st);
}
END_TEST

static int count_owner_files(const char *name, void *ctx)
{
    *(int *)ctx += strncmp(name, "j.lock.own.", 11) == 0;
    return 0;
}

/* A child that closes what it never used leaves the parent's thread, lock and owner file alone. */
START_TEST(a_forked_child_only_closes)
{
    int status, n = 0;
    enter_folder();
    tl_storage *st = open_storage();
    create_study(st, "s");
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        tl_storage_close(st);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(os->dir_list(".", count_owner_files, &n), 0);
    ck_assert_int_eq(n, 2); /* and its link */
    create_study(st, "t");
    tl_storage_close(st);
    leave_folder();
}
END_TEST

/* ---- a disk that is full in the middle of a group ---- */

static struct os_table full_table;
static atomic_int written_short, flushed_after;

/* The first line lands, half of the second does. */
static int64_t short_write(int fd, const void *bytes, size_t n)
{
    const char *newline = memchr(bytes, '\n', n);
    if (atomic_load(&written_short) == 0 && newline && newline + 1 < (const char *)bytes + n) {
        atomic_store(&written_short, 1);
        return os_system.write(fd, bytes, (size_t)(newline + 1 - (const char *)bytes) + 5);
    }
    return atomic_load(&written_short) == 1 ? (atomic_store(&written_short, 2), -ENOSPC) : os_system.write(fd, bytes, n);
}

static int note_flush(int fd, bool data_only)
{
    atomic_store(&flushed_after, atomic_load(&written_short) == 2);
    return os_system.sync(fd, data_only);
}

static void *create_named(void *ctx)
{
    static atomic_int names;
    char name[16];
    uint8_t direction = TL_MINIMIZE;
    snprintf(name, sizeof name, "n%d", atomic_fetch_add(&names, 1));
    struct op op = {.code = OP_CREATE_STUDY, .name = str_of(name), .directions = &direction, .n_directions = 1};
    struct commit c = {.ops = &op, .n_ops = 1};
    int rc = store_commit(ctx, &c, NULL);
    bool flushed = atomic_load(&flushed_after);
    commit_release(&c);
    return (void *)(uintptr_t)(rc == TL_OK ? (flushed ? 1 : 2) : 3);
}

static size_t n_queued(tl_storage *st)
{
    size_t n = 0;
    pthread_mutex_lock(&st->queue_lock);
    for (const struct commit *c = st->queue; c; c = c->next) {
        n++;
    }
    pthread_mutex_unlock(&st->queue_lock);
    return n;
}

START_TEST(the_part_of_a_group_that_landed_is_flushed)
{
    pthread_t threads[3];
    int outcomes[4] = {0};
    enter_folder();
    full_table = os_system;
    full_table.write = short_write;
    full_table.sync = note_flush;
    os_use(&full_table);
    tl_storage *st = open_storage();
    int fd = os->open("j", O_RDWR, 0);
    ck_assert_int_eq(os->lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, create_named, st), 0);
    }
    while (n_queued(st) < 2) { /* the leader waits for the lock, the others for the leader */
        os->sleep_ns(1000000);
    }
    os->close(fd);
    for (int i = 0; i < 3; i++) {
        void *how;
        pthread_join(threads[i], &how);
        outcomes[(uintptr_t)how]++;
    }
    ck_assert_int_eq(atomic_load(&written_short), 2);
    ck_assert_int_eq(outcomes[3], 1); /* the second of the group */
    ck_assert_int_ge(outcomes[1], 1); /* the first: in the log, flushed before it was acknowledged */
    ck_assert_int_eq(outcomes[1] + outcomes[2], 2);
    create_study(st, "after");
    tl_storage_close(st);
    os_use(NULL);
    leave_folder();
}
END_TEST

/* ---- who waited while a group failed ---- */

static tl_storage *failing;
static pthread_t waiting;
static atomic_int step; /* 1: the first line was written; 2: a group of two is about to be, another commit waits; 3: it failed */

static void *create_last(void *ctx)
{
    uint8_t direction = TL_MINIMIZE;
    struct op op = {.code = OP_CREATE_STUDY, .name = STR("last"), .directions = &direction, .n_directions = 1};
    struct commit c = {.ops = &op, .n_ops = 1};
    int rc = store_commit(ctx, &c, NULL);
    int64_t id = rc == TL_OK ? c.applied[0].id : -1;
    commit_release(&c);
    return (void *)(intptr_t)id;
}

/* Somebody comes in while the leader of the group of two waits for the journal's lock. */
static int lock_slowly(int fd, enum os_lock how, enum os_range range)
{
    if (atomic_load(&step) == 1 && n_queued(failing) == 0) {
        atomic_store(&step, 2);
        ck_assert_int_eq(pthread_create(&waiting, NULL, create_last, failing), 0);
        while (n_queued(failing) < 1) {
            os_system.sleep_ns(1000000);
        }
    }
    return os_system.lock(fd, how, range);
}

/* No room for the group of two. */
static int64_t write_one_line(int fd, const void *bytes, size_t n)
{
    int expected = 0;
    if (atomic_load(&step) == 2) {
        atomic_store(&step, 3);
        return -ENOSPC;
    }
    int64_t written = os_system.write(fd, bytes, n);
    if (memmem(bytes, n, "op_code", 7)) {
        (void)atomic_compare_exchange_strong(&step, &expected, 1);
    }
    return written;
}

START_TEST(nobody_decides_on_what_was_not_written)
{
    pthread_t threads[3];
    void *how, *last;
    int failures = 0;
    enter_folder();
    full_table = os_system;
    full_table.write = write_one_line;
    full_table.lock = lock_slowly;
    os_use(&full_table);
    failing = open_storage();
    int fd = os->open("j", O_RDWR, 0);
    ck_assert_int_eq(os->lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, create_named, failing), 0);
    }
    while (n_queued(failing) < 2) {
        os->sleep_ns(1000000);
    }
    os->close(fd);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &how);
        failures += (uintptr_t)how == 3;
    }
    pthread_join(waiting, &last);
    ck_assert_int_eq(failures, 2);
    int64_t id = -1;
    tl_storage *reader = open_storage();
    ck_assert_int_eq(tl_storage_find_study(reader, "last", &id, NULL), TL_OK);
    ck_assert_int_eq((intptr_t)last, id); /* as the log has it */
    tl_storage_close(reader);
    tl_storage_close(failing);
    os_use(NULL);
    leave_folder();
}
END_TEST

/* ---- waiting while somebody sets the clock ---- */

static _Thread_local bool gives_up;

static bool is_cancelled(void *ctx)
{
    (void)ctx;
    return gives_up;
}

static int64_t tomorrow(void)
{
    return os_system.realtime_us() + INT64_C(86400000000);
}

static bool is_led(tl_storage *st)
{
    pthread_mutex_lock(&st->queue_lock);
    bool led = st->leading;
    pthread_mutex_unlock(&st->queue_lock);
    return led;
}

/* An instant that was reckoned before the clock was set back is far away: nobody may wait for it. */
START_TEST(who_waits_for_the_leader_is_asked_whatever_the_clock_says)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    pthread_t leader;
    tl_storage *st;
    enter_folder();
    full_table = os_system;
    full_table.realtime_us = tomorrow;
    os_use(&full_table);
    o.cancelled = is_cancelled;
    ck_assert_int_eq(tl_storage_open("j", &o, &st, &err), TL_OK);
    create_study(st, "s");
    int fd = os->open("j", O_RDWR, 0);
    ck_assert_int_eq(os->lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH), 0);
    ck_assert_int_eq(pthread_create(&leader, NULL, create_last, st), 0);
    while (!is_led(st)) {
        os->sleep_ns(1000000);
    }
    gives_up = true; /* this thread alone */
    struct commit c = {.decide = decide_nothing};
    ck_assert_int_eq(store_commit(st, &c, &err), TL_ECANCELLED);
    gives_up = false;
    os->close(fd);
    void *id;
    pthread_join(leader, &id);
    ck_assert_int_eq((intptr_t)id, 1);
    tl_storage_close(st);
    os_use(NULL);
    leave_folder();
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("store");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, decisions_see_what_came_before, 0, 2);
    tcase_add_test(c, a_refused_decision_writes_nothing);
    tcase_add_test(c, a_broken_rule_is_the_writers_error);
    tcase_add_test(c, a_forked_child_is_another_worker);
    tcase_add_test(c, a_forked_child_only_closes);
    tcase_add_test(c, the_part_of_a_group_that_landed_is_flushed);
    tcase_add_test(c, nobody_decides_on_what_was_not_written);
    tcase_add_test(c, who_waits_for_the_leader_is_asked_whatever_the_clock_says);
    return check_run("store", c);
}
