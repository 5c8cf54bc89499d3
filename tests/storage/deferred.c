/* SPDX-License-Identifier: MIT
 *
 * Writes that wait for the next append (defer_ms): what this handle shows, what others see and when, which call says what is wrong, and
 * what is left after a close, a fork, and want of memory.
 *
 *   deferred memory|file|sqlite|sqlite-optimistic|server
 *
 * On memory and files nothing waits unless it is asked for; here it is. "server": a new database of tests/support/servers.py.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/fail_alloc.h"
#include "support/sqlite_optimistic.h"
#include "support/study_kit.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define FORKS 0 /* one ends a child of several threads that starts one; the other's allocator stays locked when a thread starts just then */
#else
#define FORKS 1
#endif
#define NEVER_MS INT64_C(3600000)
#define PATIENCE_S 60

static const char *kind;
static char url[2048];
static tl_storage *a, *b; /* b: nothing waits there */
static int64_t study;
static const struct tl_dist unit = {TL_DIST_FLOAT, false, 0, 1, 0, NULL, 0}, count = {TL_DIST_INT, false, 0, 9, 1, NULL, 0};
static const enum tl_direction minimize[] = {TL_MINIMIZE};

static tl_storage *open_with(int64_t defer_ms)
{
    kit_defer_ms = defer_ms;
    return kit_open(url);
}

static void begin(int64_t defer_ms)
{
    kit_special = open_optimistic;
    const char *path = strcmp(kind, "memory") == 0 ? "memory://deferred" : kit_url(1);
    if (strncmp(kind, "sqlite", 6) == 0) {
        snprintf(url, sizeof url, "%s/%s.db", kind[6] ? OPTIMISTIC : "sqlite://", path);
    } else {
        snprintf(url, sizeof url, "%s", path);
    }
    a = open_with(defer_ms);
    b = open_with(-1);
    OK(tl_storage_create_study(a, "s", minimize, 1, &study, err));
}

static void end(void)
{
    tl_storage_close(a);
    tl_storage_close(b);
    kit_clean();
}

static int64_t new_trial(tl_storage *s)
{
    int64_t id;
    OK(tl_storage_create_trial(s, study, NULL, &id, NULL, err));
    return id;
}

static uint64_t appends(tl_storage *s)
{
    struct tl_storage_stats stats;
    tl_storage_get_stats(s, &stats);
    return stats.appends;
}

static uint64_t operations(tl_storage *s)
{
    struct tl_storage_stats stats;
    tl_storage_get_stats(s, &stats);
    return stats.operations;
}

/* Parameters and attributes of a trial, as a handle shows them. */
static void shown(tl_storage *s, int64_t trial, size_t *n_params, size_t *n_attrs)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    int64_t number;
    OK(tl_view_open_trial(s, trial, true, &view, &number, err));
    OK(tl_view_trial(view, number, &t, err));
    *n_params = t.n_params;
    *n_attrs = t.n_attrs;
    tl_frozen_release(&t);
    tl_view_close(view);
}

static bool shows(tl_storage *s, int64_t trial, size_t n_params, size_t n_attrs)
{
    size_t p, n;
    shown(s, trial, &p, &n);
    return p == n_params && n == n_attrs;
}

/* Becomes true by what other threads do. */
static void until(bool (*is)(void *ctx), void *ctx)
{
    time_t start = time(NULL);
    while (!is(ctx)) {
        ck_assert_msg(time(NULL) - start < PATIENCE_S, "it did not happen");
        usleep(1000);
    }
}

static int set_state(tl_storage *s, int64_t trial, enum tl_state state, struct tl_err *err)
{
    const double value = 0.5;
    return tl_storage_set_state(s, trial, state, state == TL_COMPLETE ? &value : NULL, 1, NULL, err);
}

START_TEST(the_handle_shows_it_and_the_next_append_writes_it)
{
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    const char *json;
    size_t len;
    begin(NEVER_MS);
    int64_t id = new_trial(a), other = new_trial(a), number;
    uint64_t before = appends(a), written = operations(a);
    tl_view *old, *view;
    OK(tl_view_open(a, study, true, &old, err));
    OK(tl_storage_set_param(a, id, "x", 0.25, &unit, err));
    OK(tl_storage_set_param(a, id, "n", 3, &count, err));
    OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, "k", "1", err));
    OK(tl_storage_set_trial_attr(a, id, TL_ATTR_SYSTEM, "k", "[1]", err));
    OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, "k", "22", err));
    OK(tl_storage_set_param(a, other, "x", 0.5, &unit, err));
    ck_assert_uint_eq(appends(a), before);

    OK(tl_view_open(a, study, true, &view, err));
    OK(tl_view_trial(view, 0, &f, err));
    ck_assert(f.n_params == 2 && kit_param(&f, "x")->internal == 0.25 && kit_param(&f, "n")->internal == 3 && f.n_attrs == 2);
    ck_assert(f.attrs[0].kind == TL_ATTR_USER && f.attrs[0].json.len == 2 && memcmp(f.attrs[0].json.s, "22", 2) == 0);
    ck_assert(tl_view_trial_attr(view, 0, TL_ATTR_SYSTEM, "k", &json, &len) && len == 3);
    ck_assert(tl_view_trial_attr(view, 0, TL_ATTR_USER, "k", &json, &len) && len == 2);
    ck_assert(!tl_view_trial_attr(view, 1, TL_ATTR_USER, "k", &json, &len));
    ck_assert_uint_ne(tl_view_version(view), tl_view_version(old));
    ck_assert_uint_ne(tl_view_trial_version(view, 0), tl_view_trial_version(old, 0));
    OK(tl_view_trial(old, 0, &f, err));
    ck_assert_uint_eq(f.n_params, 0); /* a view never changes */
    ck_assert(shows(b, id, 0, 0) && shows(b, other, 0, 0));

    OK(tl_storage_report(a, id, 0, 1.5, err));
    ck_assert_uint_eq(appends(a), before + 1);
    ck_assert_uint_eq(operations(a), written + 7);
    ck_assert(shows(a, id, 2, 2) && shows(b, id, 2, 2) && shows(b, other, 1, 0));
    OK(tl_view_trial(view, 0, &f, err)); /* what waited is written and forgotten, and the view has it still */
    ck_assert(f.n_params == 2 && f.n_attrs == 2 && f.n_reports == 0);
    tl_view_close(old);
    tl_view_close(view);
    OK(tl_view_open_trial(b, id, true, &view, &number, err));
    OK(tl_view_trial(view, number, &f, err));
    ck_assert_str_eq(kit_param(&f, "x")->name.s, "x");
    ck_assert(f.attrs[0].kind == TL_ATTR_USER && memcmp(f.attrs[0].json.s, "22", 2) == 0);
    tl_view_close(view);
    tl_frozen_release(&f);
    end();
}
END_TEST

static bool b_sees_it(void *ctx)
{
    return shows(b, *(const int64_t *)ctx, 1, 1);
}

START_TEST(others_see_it_without_another_call)
{
    begin(50);
    for (int i = 0; i < 3; i++) { /* the thread goes on waiting for more */
        int64_t id = new_trial(a);
        OK(tl_storage_set_param(a, id, "x", 0.25, &unit, err));
        OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, "k", "1", err));
        until(b_sees_it, &id);
        ck_assert(shows(a, id, 1, 1));
    }
    end();
}
END_TEST

START_TEST(only_what_may_wait_does)
{
    begin(NEVER_MS);
    struct tl_trial_spec waiting = TL_TRIAL_SPEC_INIT;
    int64_t queued, theirs = new_trial(b), mine = new_trial(a);
    waiting.state = TL_WAITING;
    OK(tl_storage_create_trial(a, study, &waiting, &queued, NULL, err));
    OK(tl_storage_sync(a, err));
    OK(tl_storage_set_trial_attr(a, theirs, TL_ATTR_USER, "k", "1", err));
    OK(tl_storage_set_trial_attr(a, queued, TL_ATTR_USER, "k", "1", err));
    OK(tl_storage_set_trial_attr(b, mine, TL_ATTR_USER, "k", "1", err));
    ck_assert(shows(b, theirs, 0, 1) && shows(b, queued, 0, 1) && shows(b, mine, 0, 1));
    char *large = malloc(70003);
    ck_assert_ptr_nonnull(large);
    memset(large, 'a', 70002);
    large[0] = large[70001] = '"';
    large[70002] = 0;
    uint64_t before = appends(a);
    OK(tl_storage_set_trial_attr(a, mine, TL_ATTR_USER, "large", large, err));
    ck_assert_uint_eq(appends(a), before + 1);
    free(large);
    for (int i = 0; i < 1000; i++) { /* a list that is long enough is written */
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        OK(tl_storage_set_trial_attr(a, mine, TL_ATTR_USER, key, "1", err));
    }
    ck_assert_uint_eq(appends(a), before + 4);
    OK(set_state(a, mine, TL_COMPLETE, err));
    ck_assert(shows(b, mine, 0, 1002));
    FAILS(TL_EFINISHED, "COMPLETE", tl_storage_set_trial_attr(a, mine, TL_ATTR_USER, "k", "1", err));
    FAILS(TL_EFINISHED, "COMPLETE", tl_storage_set_param(a, mine, "x", 0.5, &unit, err));
    FAILS(TL_ENOTFOUND, "no trial", tl_storage_set_param(a, mine + 99999, "x", 0.5, &unit, err));
    end();
}
END_TEST

START_TEST(what_is_known_to_be_wrong_is_refused_at_once)
{
    begin(NEVER_MS);
    int64_t one = new_trial(a), two = new_trial(a);
    OK(tl_storage_set_param(a, one, "x", 0.5, &unit, err));
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_storage_set_param(a, two, "x", 3, &count, err)); /* one that waits */
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_storage_set_param(a, one, "x", 3, &count, err));
    OK(tl_storage_report(a, one, 0, 1, err));
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_storage_set_param(a, two, "x", 3, &count, err)); /* one in the log */
    OK(tl_storage_set_param(a, two, "x", 0.125, &unit, err));
    OK(set_state(a, two, TL_COMPLETE, err));
    ck_assert(shows(b, one, 1, 0) && shows(b, two, 1, 0));
    end();
}
END_TEST

START_TEST(the_flushing_call_tells_of_a_conflict)
{
    begin(NEVER_MS);
    int64_t mine = new_trial(a), theirs = new_trial(b);
    OK(tl_storage_set_param(b, theirs, "x", 3, &count, err));
    OK(tl_storage_set_param(a, mine, "x", 0.5, &unit, err)); /* nothing is known of it here */
    OK(tl_storage_set_param(a, mine, "y", 0.5, &unit, err));
    OK(tl_storage_set_trial_attr(a, mine, TL_ATTR_USER, "k", "1", err));
    FAILS(TL_EINCOMPATIBLE, "'x'", set_state(a, mine, TL_COMPLETE, err));
    ck_assert(shows(a, mine, 1, 1) && shows(b, mine, 1, 1)); /* told once, and forgotten; what fits is there */
    struct tl_err again = TL_ERR_INIT;
    int rc = set_state(a, mine, TL_COMPLETE, &again);
    ck_assert_msg(rc == TL_OK || rc == TL_EFINISHED, "%s", again.message); /* databases cannot take back what came with it */
    tl_view *view;
    int64_t number;
    OK(tl_view_open_trial(b, mine, true, &view, &number, err));
    ck_assert_int_eq(tl_view_trial_state(view, number), TL_COMPLETE);
    tl_view_close(view);
    end();
}
END_TEST

static bool a_gave_up(void *ctx)
{
    return shows(a, *(const int64_t *)ctx, 0, 0);
}

START_TEST(the_next_call_tells_of_a_conflict_of_the_thread)
{
    begin(1);
    int64_t mine = new_trial(a), other = new_trial(a), theirs = new_trial(b);
    OK(tl_storage_set_param(b, theirs, "x", 3, &count, err));
    OK(tl_storage_set_param(a, mine, "x", 0.5, &unit, err));
    until(a_gave_up, &mine);
    OK(tl_storage_report(a, other, 0, 1, err)); /* not its business */
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_storage_report(a, mine, 0, 1, err));
    OK(tl_storage_report(a, mine, 0, 1, err));
    OK(set_state(a, mine, TL_COMPLETE, err));
    end();
}
END_TEST

START_TEST(a_trial_that_others_ended_is_finished)
{
    begin(NEVER_MS);
    int64_t mine = new_trial(a), other = new_trial(a);
    OK(tl_storage_set_trial_attr(a, mine, TL_ATTR_USER, "k", "1", err));
    OK(tl_storage_set_trial_attr(a, other, TL_ATTR_USER, "k", "1", err));
    OK(set_state(b, mine, TL_FAIL, err));
    FAILS(TL_EFINISHED, "FAIL", tl_storage_report(a, mine, 0, 1, err));
    OK(tl_storage_report(a, other, 0, 1, err));
    ck_assert(shows(a, mine, 0, 0) && shows(b, mine, 0, 0) && shows(b, other, 0, 1));
    end();
}
END_TEST

START_TEST(closing_writes_it)
{
    begin(NEVER_MS);
    int64_t id = new_trial(a);
    OK(tl_storage_set_param(a, id, "x", 0.5, &unit, err));
    OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, "k", "1", err));
    tl_storage_close(a);
    ck_assert(shows(b, id, 1, 1));
    a = open_with(0);
    end();
}
END_TEST

START_TEST(nothing_waits_when_it_is_switched_off)
{
    begin(-1);
    int64_t id = new_trial(a);
    uint64_t before = appends(a);
    OK(tl_storage_set_param(a, id, "x", 0.5, &unit, err));
    OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, "k", "1", err));
    ck_assert_uint_eq(appends(a), before + 2);
    end();
}
END_TEST

START_TEST(attributes_of_native_trials_wait_too)
{
    begin(NEVER_MS);
    tl_study *s = kit_study(a, "s", NULL);
    tl_trial *t = kit_ask(s);
    int64_t id = tl_trial_id(t);
    double x;
    uint64_t before = appends(a);
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    OK(tl_trial_set_attr(t, TL_ATTR_USER, "k", "1", err));
    OK(tl_trial_set_attr(t, TL_ATTR_SYSTEM, "k", "1", err));
    ck_assert_uint_eq(appends(a), before);
    ck_assert(shows(a, id, 0, 2) && shows(b, id, 0, 0));
    kit_tell(s, t, 1);
    ck_assert_uint_eq(appends(a), before + 1);
    ck_assert(shows(b, id, 1, 2));
    tl_study_free(s);
    end();
}
END_TEST

/* On databases a trial of a whole space is created without what depends on its number, and nobody's writing in between makes that again. */
START_TEST(a_space_follows_its_trial)
{
    static const struct tl_param_spec space[] = {{"x", 0, &unit}, {"n", 0, &count}};
    struct tl_ask_options options = TL_ASK_OPTIONS_INIT;
    tl_storage *plain;
    tl_sampler *sampler = NULL;
    options.space = space;
    options.n_space = TL_COUNT(space);
    begin(NEVER_MS);
    kit_defer_ms = -1;
    plain = kit_open("memory://plain");
    OK(tl_sampler_random(7, &sampler, err));
    tl_study *s = kit_study(a, "s", sampler), *t = kit_study(plain, "s", sampler);
    for (int i = 0; i < 5; i++) {
        tl_trial *mine, *same;
        double x, y;
        OK(tl_storage_report(b, new_trial(b), 0, 1, err)); /* a's next append meets news */
        tl_trial *theirs = kit_ask(t); /* the same number */
        kit_end(t, theirs, TL_FAIL);
        uint64_t before = appends(a);
        OK(tl_study_ask(s, &options, &mine, err));
        OK(tl_study_ask(t, &options, &same, err));
        ck_assert_uint_eq(appends(a), before + 1);
        ck_assert_int_eq(tl_trial_number(mine), tl_trial_number(same));
        for (size_t k = 0; k < TL_COUNT(space); k++) {
            ck_assert(tl_trial_param(mine, space[k].name, &x) && tl_trial_param(same, space[k].name, &y) && x == y);
        }
        int64_t id = tl_trial_id(mine);
        ck_assert(shows(a, id, 2, 0));
        kit_tell(s, mine, 1);
        kit_tell(t, same, 1);
        ck_assert_uint_eq(appends(a), before + 2);
        ck_assert(shows(b, id, 2, 0));
    }
    tl_study_free(s);
    tl_study_free(t);
    tl_sampler_free(sampler);
    tl_storage_close(plain);
    end();
}
END_TEST

/* A forked child has its own handle, and nothing of what its parent has still to write. */
START_TEST(a_child_writes_nothing_of_its_parents)
{
    begin(NEVER_MS);
    int64_t id = new_trial(a);
    OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, "k", "1", err));
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int64_t own;
        size_t p = 9, n = 9;
        shown(a, id, &p, &n);
        bool ok = n == 0 && tl_storage_create_trial(a, study, NULL, &own, NULL, NULL) == TL_OK &&
                  tl_storage_set_trial_attr(a, own, TL_ATTR_USER, "k", "2", NULL) == TL_OK;
        tl_storage_close(a);
        _exit(ok ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(shows(b, id, 0, 0) && shows(b, id + 1, 0, 1)); /* the child's own was written by its close */
    uint64_t before = operations(a);
    OK(tl_storage_report(a, id, 0, 1, err));
    ck_assert_uint_eq(operations(a), before + 2);
    ck_assert(shows(b, id, 0, 1));
    end();
}
END_TEST

enum { THREADS = 4, TRIALS = 25, ATTRS = 6 };

static void *run_trials(void *ctx)
{
    for (int i = 0; i < TRIALS; i++) {
        int64_t id = new_trial(a);
        for (int k = 0; k < ATTRS; k++) {
            char name[16];
            snprintf(name, sizeof name, "p%d", k);
            OK(tl_storage_set_param(a, id, name, 0.5, &unit, err));
            OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, name, "1", err));
            ck_assert(shows(a, id, (size_t)k + 1, (size_t)k + 1));
        }
        OK(set_state(a, id, TL_COMPLETE, err));
        ck_assert(shows(a, id, ATTRS, ATTRS));
    }
    return ctx;
}

START_TEST(threads_see_their_own)
{
    pthread_t threads[THREADS];
    begin(1);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_trials, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    OK(tl_view_open(b, study, true, &view, err));
    ck_assert_uint_eq(tl_view_count(view, TL_COMPLETE), THREADS * TRIALS);
    for (int i = 0; i < THREADS * TRIALS; i++) {
        OK(tl_view_trial(view, i, &f, err));
        ck_assert(f.n_params == ATTRS && f.n_attrs == ATTRS);
    }
    tl_frozen_release(&f);
    tl_view_close(view);
    end();
}
END_TEST

/* The n-th allocation fails and all later ones; then there is memory again, and the calls that failed are made once more. */
START_TEST(want_of_memory_loses_nothing)
{
    begin(NEVER_MS);
    struct fail_alloc f;
    bool failed = true;
    long n = 0;
    for (; failed; n++) {
        int64_t id = new_trial(a);
        int codes[3];
        char x[32], k[32]; /* new ones */
        const struct tl_dist dist = {TL_DIST_FLOAT, false, 0, (double)(n + 2), 0, NULL, 0};
        snprintf(x, sizeof x, "x%ld", n);
        snprintf(k, sizeof k, "k%ld", n);
        fail_alloc_after(&f, n);
        codes[0] = tl_storage_set_param(a, id, x, 0.5, &dist, NULL);
        codes[1] = tl_storage_set_trial_attr(a, id, TL_ATTR_USER, k, "\"text\"", NULL);
        codes[2] = tl_storage_report(a, id, 0, 1, NULL);
        mem_set_hooks(NULL);
        failed = f.failed;
        for (int i = 0; i < 3; i++) {
            ck_assert_msg(codes[i] == TL_OK || codes[i] == TL_ENOMEM || codes[i] == TL_EUNKNOWN, "allocation %ld: %s", n,
                          tl_code_name(codes[i]));
        }
        if (codes[0] != TL_OK) {
            OK(tl_storage_set_param(a, id, x, 0.5, &dist, err));
        }
        if (codes[1] != TL_OK) {
            OK(tl_storage_set_trial_attr(a, id, TL_ATTR_USER, k, "\"text\"", err));
        }
        if (codes[2] != TL_OK) {
            OK(tl_storage_report(a, id, 0, 1, err));
        }
        ck_assert_msg(shows(a, id, 1, 1) && shows(b, id, 1, 1), "allocation %ld", n);
        OK(set_state(a, id, TL_COMPLETE, err));
    }
    ck_assert_int_gt(n, 10);
    end();
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: deferred memory|file|sqlite|sqlite-optimistic|server\n");
        return 2;
    }
    kind = argv[1];
    TCase *t = tcase_create("deferred");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_handle_shows_it_and_the_next_append_writes_it);
    tcase_add_test(t, others_see_it_without_another_call);
    tcase_add_test(t, only_what_may_wait_does);
    tcase_add_test(t, what_is_known_to_be_wrong_is_refused_at_once);
    tcase_add_test(t, the_flushing_call_tells_of_a_conflict);
    tcase_add_test(t, the_next_call_tells_of_a_conflict_of_the_thread);
    tcase_add_test(t, a_trial_that_others_ended_is_finished);
    tcase_add_test(t, closing_writes_it);
    tcase_add_test(t, nothing_waits_when_it_is_switched_off);
    tcase_add_test(t, attributes_of_native_trials_wait_too);
    tcase_add_test(t, a_space_follows_its_trial);
    if (strcmp(kind, "memory") != 0 && FORKS) { /* memory is the child's own */
        tcase_add_test(t, a_child_writes_nothing_of_its_parents);
    }
    tcase_add_test(t, threads_see_their_own);
    tcase_add_test(t, want_of_memory_loses_nothing);
    return check_run("deferred", t);
}
