/* SPDX-License-Identifier: MIT
 *
 * Decisions that were made on a state which was no longer the head: between our decision and our write, another worker took the lock
 * away (Optuna does, after its grace period) and wrote first. The first line in the log wins; ours must notice.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/os.h"
#include "support/check_main.h"
#include "support/study_kit.h"

static struct os_table table;
static const char *foreign; /* lines to be written before ours, once */
static const char *follows; /* lines that somebody writes after ours, once, without robbing anybody … */
static const char *leads;   /* … behind the write that has this in it */
static tl_storage *storage;
static tl_study *study;

static bool unflushed; /* something was written after a robbery and not flushed since */

static int noted_sync(int fd, bool data_only)
{
    unflushed = false;
    return os_system.sync(fd, data_only);
}

static int64_t robbed_write(int fd, const void *bytes, size_t n)
{
    if (foreign && n > 11 && memcmp(bytes, "{\"op_code\":", 11) == 0) {
        const char *lines = foreign;
        foreign = NULL;
        unlink(scratch_path(kit_dir, "journal.log.lock"));
        ck_assert_int_eq(os_system.write(fd, lines, strlen(lines)), (int64_t)strlen(lines));
        unflushed = true;
    }
    int64_t written = os_system.write(fd, bytes, n);
    if (follows && written == (int64_t)n && memmem(bytes, n, leads, strlen(leads))) {
        ck_assert_int_eq(os_system.write(fd, follows, strlen(follows)), (int64_t)strlen(follows));
        follows = NULL;
    }
    return written;
}

static void setup(void)
{
    table = os_system;
    table.write = robbed_write;
    table.sync = noted_sync;
    os_use(&table);
    storage = kit_open(kit_url(1));
    study = kit_study(storage, "s", NULL);
}

static void teardown(void)
{
    tl_study_free(study);
    tl_storage_close(storage);
    os_use(NULL);
    kit_clean();
}

static void check_used(void)
{
    ck_assert_msg(foreign == NULL, "nothing was robbed");
}

#define TIME "\"2026-01-02T03:04:05.000006+00:00\""

START_TEST(a_queued_trial_is_gone)
{
    static const char *const lines[] = {
        "{\"op_code\":6,\"worker_id\":\"thief\",\"trial_id\":0,\"state\":0,\"values\":null,\"datetime_start\":" TIME "}\n",
        "{\"op_code\":6,\"worker_id\":\"thief\",\"trial_id\":0,\"state\":3,\"values\":null,\"datetime_complete\":" TIME "}\n",
    };
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err));
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err));
    foreign = lines[_i];
    tl_trial *t = kit_ask(study);
    check_used();
    ck_assert_int_eq(tl_trial_number(t), 1);
    kit_tell(study, t, 1);
    t = kit_ask(study);
    ck_assert_int_eq(tl_trial_number(t), 2);
    tl_trial_free(t);
}
END_TEST

START_TEST(the_number_is_anothers)
{
    struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    struct tl_param_spec space[] = {{"x", 0, &d}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    double x;
    o.space = space;
    o.n_space = 1;
    foreign = "{\"op_code\":4,\"worker_id\":\"thief\",\"study_id\":0,\"datetime_start\":" TIME "}\n";
    OK(tl_study_ask(study, &o, &t, err));
    check_used();
    ck_assert_int_eq(tl_trial_number(t), 1);
    ck_assert_int_eq(tl_trial_id(t), 1);
    ck_assert(tl_trial_param(t, "x", &x));
    kit_tell(study, t, 1);
    tl_view *view = kit_read(study, 1, &f);
    ck_assert_double_eq(kit_param(&f, "x")->internal, x);
    ck_assert_uint_eq(tl_view_n_trials(view), 2);
    tl_view_close(view);
    tl_frozen_release(&f);
}
END_TEST

/* Two cells; the thief takes the one that we were about to take, with our number. */
START_TEST(the_cell_is_anothers)
{
    struct tl_value values[] = {kit_int(1), kit_int(2)};
    struct tl_grid_axis axis = {"x", values, 2};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_sampler *grid;
    int64_t x;
    OK(tl_sampler_grid(&axis, 1, NULL, &grid, err));
    tl_study *g = kit_study(storage, "g", grid);
    foreign = "{\"op_code\":4,\"worker_id\":\"thief\",\"study_id\":1,\"datetime_start\":" TIME ",\"state\":0,\"value\":null,"
              "\"values\":null,\"distributions\":{},\"params\":{},\"user_attrs\":{},\"system_attrs\":{\"search_space\":{\"x\":[1,2]},"
              "\"grid_id\":0},\"intermediate_values\":{}}\n";
    tl_trial *t = kit_ask(g);
    check_used();
    ck_assert_int_eq(tl_trial_number(t), 2);
    OK(tl_trial_suggest_int(t, "x", 1, 2, 1, false, &x, err));
    kit_tell(g, t, 1);
    tl_view *view = kit_read(g, 1, &f); /* ours, for the cell that was taken */
    ck_assert_int_eq(f.state, TL_FAIL);
    tl_view_close(view);
    view = kit_read(g, 2, &f);
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "grid_id"), "1");
    tl_view_close(view);
    FAILS(TL_EEXHAUSTED, "", tl_study_ask(g, NULL, &t, err)); /* the thief has the other */
    tl_frozen_release(&f);
    tl_study_free(g);
    tl_sampler_free(grid);
}
END_TEST

/* Somebody ends a queued trial between our claim of it and the values that it did not fix. */
START_TEST(ended_before_it_had_its_values)
{
    struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    struct tl_param_spec space[] = {{"x", 0, &d}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_trial *t;
    double x;
    o.space = space;
    o.n_space = 1;
    OK(tl_study_enqueue(study, NULL, 0, NULL, 0, false, NULL, err));
    leads = "\"op_code\":6";
    follows = "{\"op_code\":6,\"worker_id\":\"guest\",\"trial_id\":0,\"state\":3,\"values\":null,\"datetime_complete\":" TIME "}\n";
    OK(tl_study_ask(study, &o, &t, err));
    ck_assert_ptr_null(follows);
    ck_assert_int_eq(tl_trial_number(t), 1);
    ck_assert(tl_trial_param(t, "x", &x));
    kit_tell(study, t, 1);
}
END_TEST

START_TEST(ended_before_we_could)
{
    double v = 1;
    tl_trial *t = kit_ask(study);
    foreign = "{\"op_code\":6,\"worker_id\":\"thief\",\"trial_id\":0,\"state\":3,\"values\":null,\"datetime_complete\":" TIME "}\n";
    FAILS(TL_EFINISHED, "", tl_study_tell(study, t, TL_COMPLETE, &v, 1, NULL, err));
    check_used();
    tl_trial_free(t);
}
END_TEST

START_TEST(the_name_is_taken)
{
    static const char line[] = "{\"op_code\":0,\"worker_id\":\"thief\",\"study_name\":\"new\",\"directions\":[1]}\n";
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    tl_study *s;
    foreign = line;
    if (_i == 0) {
        FAILS(TL_EEXISTS, "", tl_study_create(storage, "new", NULL, &s, err));
    } else {
        o.load_if_exists = true;
        OK(tl_study_create(storage, "new", &o, &s, err));
        ck_assert_int_eq(tl_study_id(s), 1);
        tl_study_free(s);
    }
    check_used();
}
END_TEST

START_TEST(a_parameter_has_become_another_kind)
{
    tl_trial *t = kit_ask(study);
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    double x;
    OK(tl_trial_suggest_float(t, "a", 0, 1, 0, false, &x, err));
    OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
    foreign = "{\"op_code\":4,\"worker_id\":\"thief\",\"study_id\":0,\"datetime_start\":" TIME "}\n"
              "{\"op_code\":5,\"worker_id\":\"thief\",\"trial_id\":1,\"param_name\":\"x\",\"param_value_internal\":1,\"distribution\":"
              "\"{\\\"name\\\": \\\"IntDistribution\\\", \\\"attributes\\\": {\\\"log\\\": false, \\\"step\\\": 1, \\\"low\\\": 0, "
              "\\\"high\\\": 9}}\"}\n";
    OK(tl_trial_suggest_float(t, "z", 0, 1, 0, false, &x, err));
    FAILS(TL_EINCOMPATIBLE, "'x'", tl_trial_flush(t, err));
    check_used();
    ck_assert(!tl_trial_param(t, "x", &x) && tl_trial_param(t, "a", &x) && tl_trial_param(t, "z", &x));
    kit_end(study, t, TL_FAIL);
    tl_view *view = kit_read(study, 0, &f);
    ck_assert_uint_eq(f.n_params, 2);
    tl_view_close(view);
    tl_frozen_release(&f);
}
END_TEST

/* What landed elsewhere than it should is found in the log; it is as durable as anything else when the call returns. */
START_TEST(what_landed_is_flushed)
{
    foreign = "{\"op_code\":4,\"worker_id\":\"thief\",\"study_id\":0,\"datetime_start\":" TIME "}\n";
    tl_storage *durable;
    OK(tl_storage_open(kit_url(1), NULL, &durable, err));
    OK(tl_storage_set_study_attr(durable, 0, TL_ATTR_USER, "k", "1", err));
    check_used();
    ck_assert(!unflushed);
    tl_storage_close(durable);
}
END_TEST

START_TEST(somebody_adds_to_an_unfinished_copy)
{
    tl_study *s;
    tl_storage *from = kit_open("memory://");
    tl_study *source = kit_study(from, "copy", NULL);
    for (int i = 0; i < 1500; i++) { /* two appends' worth */
        kit_tell(source, kit_ask(source), i);
    }
    leads = "\"study_name\":\"copy\"";
    follows = "{\"op_code\":4,\"worker_id\":\"guest\",\"study_id\":1,\"datetime_start\":" TIME "}\n";
    FAILS(TL_EUNAVAILABLE, "somebody added trials to study 'copy'", tl_study_copy(from, "copy", storage, NULL, err));
    ck_assert_ptr_null(follows);
    FAILS(TL_ENOTFOUND, "", tl_study_load(storage, "copy", NULL, &s, err)); /* taken away again */
    OK(tl_study_copy(from, "copy", storage, NULL, err));
    tl_study_free(source);
    tl_storage_close(from);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("robbed");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_queued_trial_is_gone, 0, 2);
    tcase_add_test(t, the_number_is_anothers);
    tcase_add_test(t, the_cell_is_anothers);
    tcase_add_test(t, ended_before_it_had_its_values);
    tcase_add_test(t, ended_before_we_could);
    tcase_add_loop_test(t, the_name_is_taken, 0, 2);
    tcase_add_test(t, a_parameter_has_become_another_kind);
    tcase_add_test(t, what_landed_is_flushed);
    tcase_add_test(t, somebody_adds_to_an_unfinished_copy);
    return check_run("robbed", t);
}
