/* SPDX-License-Identifier: MIT
 *
 * check, repair, compact and unlock when a system call or an allocation fails, at every place where one can. Each call then
 * succeeds with the right result or returns an error; the journal is as it was, no half-written copy is left, nothing is
 * leaked, and the same call succeeds afterwards.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fault_os.h"
#include "support/check_main.h"
#include "support/fail_alloc.h"
#include "support/scratch.h"

#include <trialog/trialog.h>

static char dir[SCRATCH_MAX];

static const char journal[] =
    "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"gone\",\"directions\":[1]}\n"
    "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"s\",\"directions\":[1,2]}\n"
    "{\"op_code\":2,\"worker_id\":\"w\",\"study_id\":1,\"user_attr\":{\"k\":[1,\"x\"]}}\n"
    "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":\"2024-01-01T00:00:00.000000\"}\n"
    "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":1,\"datetime_start\":\"2024-01-01T00:00:00.000000+00:00\"}\n"
    "{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":1,\"param_name\":\"x\",\"param_value_internal\":0.5,\"distribution\":"
    "\"{\\\"name\\\": \\\"FloatDistribution\\\", \\\"attributes\\\": {\\\"step\\\": null, \\\"low\\\": 0.0, \\\"high\\\": 1.0, "
    "\\\"log\\\": false}}\"}\n"
    "{\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":1,\"user_attr\":{\"a\":1}}\n"
    "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":1,\"state\":1,\"values\":[1.0,2.0],\"datetime_complete\":"
    "\"2024-01-01T00:00:01.000000+00:00\"}\n"
    "{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":1,\"step\":1,\"intermediate_value\":1.0}\n"
    "{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":0}\n";
static const char damage[] = "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":1,\"datetime_start\":\"20\n"
                             "{\"op_code\":77,\"worker_id\":\"w\"}\n"
                             "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":1,\"datetime_start\":null}\n"
                             "{\"op_code\":2,\"wor";

static const char *path(const char *name)
{
    return scratch_path(dir, name);
}

static void setup(void)
{
    scratch_make(dir);
    scratch_write(path("good"), journal, sizeof journal - 1);
    scratch_write(path("bad"), journal, sizeof journal - 1);
    scratch_append(path("bad"), damage, sizeof damage - 1);
}

static void teardown(void)
{
    scratch_remove(dir);
}

static bool exists(const char *name)
{
    return access(path(name), F_OK) == 0;
}

static int each(void *ctx, const struct tl_finding *finding)
{
    strcat((char *)ctx, finding->kind);
    strcat((char *)ctx, " ");
    return 0;
}

/* ---- the calls, with a look at their results ---- */

static int call_check(struct tl_err *err)
{
    struct tl_check_result r = {.size = sizeof r};
    char kinds[200] = "";
    int rc = tl_journal_check(path("bad"), each, kinds, &r, err);
    if (rc == TL_OK) {
        ck_assert_str_eq(kinds, "rejected broken odd torn ");
        ck_assert_uint_eq(r.lines, 13);
        ck_assert_uint_eq(r.bytes, sizeof journal - 1 + sizeof damage - 1);
        ck_assert_uint_eq(r.broken + r.odd * 10 + r.torn * 100 + r.rejected * 1000, 1111);
        ck_assert_uint_eq(r.studies, 1);
        ck_assert_uint_eq(r.trials, 3);
    }
    return rc;
}

static int call_repair(struct tl_err *err)
{
    struct tl_check_result r = {.size = sizeof r};
    char kinds[200] = "";
    int rc = tl_journal_repair(path("bad"), path("new"), each, kinds, &r, err);
    if (rc == TL_OK) {
        ck_assert_str_eq(kinds, "rejected broken odd torn ");
        ck_assert_uint_eq(r.trials, 3);
    }
    return rc;
}

static int call_compact(struct tl_err *err)
{
    uint64_t before = 0, after = 0;
    int rc = tl_journal_compact(path("good"), path("new"), &before, &after, err);
    if (rc == TL_OK) {
        ck_assert_uint_eq(before, 10);
        ck_assert_uint_eq(after, 6); /* two studies, an attribute, two trials, a deletion */
    }
    return rc;
}

static int call_unlock(struct tl_err *err)
{
    bool removed = false;
    char lock[SCRATCH_MAX * 2];
    snprintf(lock, sizeof lock, "%s", path("good.lock"));
    if (symlink("good", lock) != 0) {
        ck_assert(exists("good.lock"));
    }
    int rc = tl_journal_unlock(path("good"), true, &removed, err);
    if (rc == TL_OK) {
        ck_assert(removed);
        ck_assert(!exists("good.lock"));
    }
    return rc;
}

static const struct {
    const char *name;
    int (*call)(struct tl_err *err);
} calls[] = {{"check", call_check}, {"repair", call_repair}, {"compact", call_compact}, {"unlock", call_unlock}};
#define N_CALLS ((int)(sizeof calls / sizeof calls[0]))

static void assert_journals_untouched(void)
{
    char bytes[sizeof journal + sizeof damage];
    FILE *f = fopen(path("bad"), "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), sizeof journal - 1 + sizeof damage - 1);
    fclose(f);
    ck_assert_mem_eq(bytes, journal, sizeof journal - 1);
    f = fopen(path("good"), "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), sizeof journal - 1);
    fclose(f);
    ck_assert_mem_eq(bytes, journal, sizeof journal - 1);
}

START_TEST(without_faults)
{
    struct tl_err err = TL_ERR_INIT;
    ck_assert_msg(calls[_i].call(&err) == TL_OK, "%s: %s", calls[_i].name, err.message);
    assert_journals_untouched();
    if (exists("new")) {
        ck_assert_int_eq(calls[_i].call(&err), TL_EEXISTS); /* never written over */
    }
}
END_TEST

START_TEST(out_of_memory)
{
    struct fail_alloc f;
    long n = 0;
    int rc;
    do {
        struct tl_err err = TL_ERR_INIT;
        fail_alloc_after(&f, n);
        rc = calls[_i].call(&err);
        mem_set_hooks(NULL);
        ck_assert_msg(rc == TL_OK || rc == TL_ENOMEM, "%s, allocation %ld: %s: %s", calls[_i].name, n, tl_code_name(rc), err.message);
        ck_assert_int_eq(f.out, 0);
        ck_assert(rc == TL_OK || !exists("new"));
        n++;
    } while (f.failed);
    ck_assert_int_eq(rc, TL_OK);
    ck_assert_int_gt(n, _i == 3 ? 3 : 8);
    assert_journals_untouched();
}
END_TEST

START_TEST(system_calls)
{
    long fired = 0;
    for (int kind = 0; kind < FAULT_N_KINDS; kind++) {
        for (const int *sys = fault_errnos[kind]; *sys; sys++) {
            for (long at = 1;; at++) {
                struct fault_plan plan = {.kind = (enum fault_kind)kind, .at = at, .sys = *sys};
                struct tl_err err = TL_ERR_INIT;
                fault_begin(&plan, path("new"));
                int rc = calls[_i].call(&err);
                bool did = fault_fired();
                fault_end();
                ck_assert_msg(rc <= 0 && (rc == TL_OK || err.message[0]), "%s, %s %ld: %d", calls[_i].name, fault_names[kind], at, rc);
                ck_assert_msg(rc == TL_OK || kind == FAULT_unlink || _i == 3 || !exists("new"), "%s, %s %ld", calls[_i].name,
                              fault_names[kind], at);
                if (exists("new")) {
                    ck_assert_int_eq(unlink(path("new")), 0);
                }
                assert_journals_untouched();
                if (!did) {
                    ck_assert_int_eq(rc, TL_OK);
                    break;
                }
                fired++;
            }
        }
    }
    printf("%s: %ld failing calls\n", calls[_i].name, fired);
    ck_assert_int_gt(fired, 3);
}
END_TEST

START_TEST(arguments)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_check_result r = {0};
    ck_assert_int_eq(tl_journal_check(path("good"), NULL, NULL, &r, &err), TL_EINVAL);
    r.size = sizeof r;
    ck_assert_int_eq(tl_journal_check(path("good"), NULL, NULL, &r, &err), TL_OK);
    ck_assert_int_eq(tl_journal_check(path("none"), NULL, NULL, &r, &err), TL_ENOTFOUND);
    ck_assert_int_eq(tl_journal_check(dir, NULL, NULL, &r, &err), TL_EINVAL);
    ck_assert_int_eq(tl_journal_compact(path("bad"), path("new"), NULL, NULL, &err), TL_ECORRUPT);
    ck_assert(!exists("new"));
    ck_assert_int_eq(tl_journal_compact(path("good"), path("new"), NULL, NULL, &err), TL_OK);
    bool removed = true;
    ck_assert_int_eq(tl_journal_unlock(path("good"), false, &removed, &err), TL_OK);
    ck_assert(!removed);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("care");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, without_faults, 0, N_CALLS);
    tcase_add_loop_test(t, out_of_memory, 0, N_CALLS);
    tcase_add_loop_test(t, system_calls, 0, N_CALLS);
    tcase_add_test(t, arguments);
    return check_run("care", t);
}
