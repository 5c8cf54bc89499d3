/* SPDX-License-Identifier: MIT
 *
 * What SQL storages keep beside the operations, and what their answers hold: summaries, from which listings and single facts are told,
 * numbers of writers, long rows. On SQLite as it is and driven as a server is (database_kit.h).
 */
#include "support/check_main.h"
#include "storage/database_kit.h"

/* ---- summaries ---- */

static int count_summary(void *ctx, const struct tl_study_summary *s)
{
    size_t *n = ctx;
    n[0]++;
    n[1] += s->n_trials;
    n[2] += s->best >= 0 && s->best_value == 0.25;
    n[3] += s->n_attrs;
    ck_assert_uint_eq(s->n_directions, 1);
    return 0;
}

static struct tl_trial_spec good_trial(void)
{
    static const double values[] = {0.25};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    spec.state = TL_COMPLETE;
    spec.values = values;
    spec.n_values = 1;
    return spec;
}

#define STUDIES 60

START_TEST(a_listing_reads_no_operations)
{
    setup_kind(_i);
    struct tl_trial_spec spec = good_trial();
    char name[20];
    tl_storage *w = kit_open(url), *reader;
    for (int i = 0; i < STUDIES; i++) {
        snprintf(name, sizeof name, "s%d", i);
        int64_t id = make_study(w, name);
        set_attr(w, id, i);
        OK(tl_storage_create_trial(w, id, &spec, NULL, NULL, err));
    }
    tl_storage_close(w);
    for (int round = 0; round < 2; round++) {
        size_t n[4] = {0};
        reader = kit_open(url);
        OK(tl_storage_each_summary(reader, count_summary, n, err));
        ck_assert(n[0] == STUDIES && n[1] == STUDIES && n[2] == STUDIES && n[3] == STUDIES);
        ck_assert_uint_eq(lines_read(reader), 0);
        tl_storage_close(reader);
    }
    /* one that was written to is read, once */
    w = kit_open(url);
    int64_t id;
    OK(tl_storage_find_study(w, "s7", &id, err));
    set_attr(w, id, 1);
    for (int round = 0; round < 2; round++) {
        size_t n[4] = {0};
        reader = kit_open(url);
        OK(tl_storage_each_summary(reader, count_summary, n, err));
        ck_assert_uint_eq(n[0], STUDIES);
        ck_assert_uint_eq(lines_read(reader), round == 0 ? 4 : 0);
        tl_storage_close(reader);
    }
    tl_storage_close(w);
    kit_clean();
}
END_TEST

/* ---- what one answer holds ---- */

static size_t answer_bytes, answer_most;
static struct sql_batch *inner;

static int weigh(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *e)
{
    for (size_t i = 0; i < n; i++) {
        answer_bytes += columns[i].kind == SQL_BYTES && !columns[i].null ? columns[i].bytes.n : 0;
    }
    return inner->row(ctx, statement, columns, n, e);
}

static enum sql_end weigh_run(struct sql_conn *c, struct sql_batch *batch, struct tl_err *e)
{
    struct sql_batch copy = *batch;
    inner = batch;
    copy.row = batch->row ? weigh : NULL;
    answer_bytes = 0;
    enum sql_end end = sqlite_driver.run(c, &copy, e);
    answer_most = answer_bytes > answer_most ? answer_bytes : answer_most;
    return end;
}

#define LONG_LINES 40
#define LONG_BYTES 300000

static void set_long(tl_storage *s, int64_t study)
{
    static char text[LONG_BYTES + 3];
    memset(text, 'x', LONG_BYTES + 2);
    text[0] = text[LONG_BYTES + 1] = '"';
    OK(tl_storage_set_study_attr(s, study, TL_ATTR_USER, "x", text, err));
}

START_TEST(long_rows_come_one_by_one)
{
    setup_kind(1);
    optimistic_run = weigh_run;
    tl_storage *w = kit_open(url), *behind[] = {kit_open(url), kit_open(url)};
    int64_t id = make_study(w, "s");
    ck_assert(attr(behind[0], id) == -1 && attr(behind[1], id) == -1);
    for (int i = 0; i < LONG_LINES * 6; i++) {
        i % 6 == 0 ? set_long(w, id) : set_attr(w, id, i);
    }
    ck_assert_int_eq(attr(behind[0], id), LONG_LINES * 6 - 1);
    set_attr(behind[1], id, 7);
    ck_assert_int_eq(attr(w, id), 7);
    ck_assert_uint_le(answer_most, 2 * LONG_BYTES);
    tl_storage_close(behind[0]);
    tl_storage_close(behind[1]);
    tl_storage_close(w);
    optimistic_run = NULL;
    kit_clean();
}
END_TEST

static struct tl_study_summary *summary_of(tl_storage *s, int64_t id, bool fresh, uint64_t lines)
{
    struct tl_study_summary *out;
    OK(tl_storage_summary(s, id, fresh, &out, err));
    ck_assert_uint_eq(lines_read(s), lines);
    ck_assert_int_eq(out->study_id, id);
    ck_assert_str_eq(out->name, "s");
    ck_assert_int_eq(out->directions[0], TL_MINIMIZE);
    return out;
}

START_TEST(one_fact_of_a_study_reads_no_operations)
{
    setup_kind(_i);
    struct tl_trial_spec spec = good_trial();
    struct tl_study_summary *sum;
    tl_storage *w = kit_open(url), *reader = kit_open(url);
    int64_t other = make_study(w, "other"), id = make_study(w, "s"), running;
    for (int i = 0; i < 50; i++) {
        OK(tl_storage_create_trial(w, id, &spec, NULL, NULL, err));
    }
    set_attr(w, id, 7);
    tl_storage_close(w);
    ck_assert(!tl_storage_has_read(reader, id) && !tl_storage_has_read(reader, -1));
    sum = summary_of(reader, id, true, 0);
    ck_assert(sum->n_trials == 50 && sum->counts[TL_COMPLETE] == 50 && sum->best == 0 && sum->best_value == 0.25 && sum->n_attrs == 1);
    tl_study_summary_free(sum);

    /* it was written to, and a trial runs: read, and no new summary is left behind; an old one tells the directions */
    w = kit_open(url);
    OK(tl_storage_create_trial(w, id, NULL, &running, NULL, err));
    tl_study_summary_free(summary_of(reader, id, false, 0));
    sum = summary_of(reader, id, true, 53);
    ck_assert(sum->counts[TL_RUNNING] == 1 && tl_storage_has_read(reader, id) && !tl_storage_has_read(reader, other));
    tl_study_summary_free(sum);
    tl_storage_close(reader);
    reader = kit_open(url);
    tl_study_summary_free(summary_of(reader, id, true, 53));
    tl_storage_close(reader);

    /* the trial ended: who reads the study leaves a summary to the next one */
    OK(tl_storage_set_state(w, running, TL_FAIL, NULL, 0, NULL, err));
    for (int round = 0; round < 2; round++) {
        reader = kit_open(url);
        sum = summary_of(reader, id, true, round == 0 ? 54 : 0);
        ck_assert_uint_eq(sum->counts[TL_FAIL], 1);
        tl_study_summary_free(sum);
        tl_storage_close(reader);
    }
    OK(tl_storage_delete_study(w, id, err));
    reader = kit_open(url);
    for (int i = 0; i < 4; i++) {
        FAILS(TL_ENOTFOUND, "no study", tl_storage_summary(reader, (const int64_t[]){id, id + 1, -1, INT64_MAX}[i], i % 2, &sum, err));
    }
    tl_storage_close(reader);
    tl_storage_close(w);
    kit_clean();
}
END_TEST

/* ---- numbers of writers ---- */

static int64_t writers(void)
{
    return raw("SELECT COUNT(*) FROM trialog_writer WHERE worker <> x''");
}

START_TEST(writers_of_long_ago_leave_no_row)
{
    setup_kind(_i);
    tl_storage *w = kit_open(url), *idle = kit_open(url), *leased = kit_open(url), *s;
    int64_t id = make_study(w, "s"), trial;
    for (int i = 0; i < 20; i++) { /* as commands do */
        s = kit_open(url);
        set_attr(s, id, i);
        tl_storage_close(s);
    }
    set_attr(idle, id, 20);
    OK(tl_storage_create_trial(leased, id, NULL, &trial, NULL, err));
    ck_assert_int_eq(writers(), 20 + 3);
    int64_t old = raw("SELECT COUNT(*) FROM trialog_writer WHERE lease_ms > 0");
    ck_assert_int_eq(old, 1); /* who runs a trial keeps it, however long he is silent */
    raw("UPDATE trialog_writer SET beat = beat - 6 * 86400000000");
    OK(tl_storage_snapshot(w, err));
    ck_assert_int_eq(writers(), 20 + 3);
    raw("UPDATE trialog_writer SET beat = beat - 2 * 86400000000");
    for (int i = 0; i < 320; i++) { /* so that another snapshot is worth it */
        set_attr(w, id, i);
    }
    OK(tl_storage_snapshot(w, err));
    ck_assert_int_eq(writers(), 2);
    int64_t before = rows();
    set_attr(idle, id, 22); /* he comes back */
    ck_assert_int_eq(attr(w, id), 22);
    ck_assert_int_eq(rows(), before + 1);
    OK(tl_storage_set_state(leased, trial, TL_FAIL, NULL, 0, NULL, err));
    ck_assert_int_eq(writers(), 3);
    tl_storage_close(leased);
    tl_storage_close(idle);
    tl_storage_close(w);
    kit_clean();
}
END_TEST

/* ---- snapshots ---- */

/* So many writes that one is due. */
static void write_many(tl_storage *w, int64_t id)
{
    for (int i = 0; i < 900; i++) {
        set_attr(w, id, i);
    }
}

START_TEST(of_many_one_saves_the_snapshot)
{
    setup_kind(_i);
    tl_storage *w = kit_open(url);
    int64_t id = make_study(w, "s");
    raw("UPDATE trialog_writer SET late_at = 4000000000000000 WHERE worker = x''"); /* somebody is at it */
    write_many(w, id);
    ck_assert_int_eq(raw("SELECT snapshot_seq FROM trialog_stream"), 0);
    ck_assert_int_eq(raw("SELECT COUNT(*) FROM trialog_snapshot"), 0);
    raw("UPDATE trialog_writer SET late_at = 1 WHERE worker = x''"); /* he died over it */
    while (raw("SELECT snapshot_seq FROM trialog_stream") == 0) {
        set_attr(w, id, 1);
    }
    ck_assert_int_eq(raw("SELECT late_at FROM trialog_writer WHERE worker = x''"), 0);
    raw("UPDATE trialog_writer SET late_at = 4000000000000000 WHERE worker = x''");
    set_attr(w, id, 2);
    OK(tl_storage_snapshot(w, err)); /* who asks for one gets it */
    ck_assert_int_eq(raw("SELECT snapshot_seq = head FROM trialog_stream"), 1);
    OK(tl_storage_snapshot(w, err));
    ck_assert_int_eq(raw("SELECT COUNT(DISTINCT seq) FROM trialog_snapshot"), 1);
    tl_storage_close(w);
    kit_clean();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("catalog");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_listing_reads_no_operations, 0, 2);
    tcase_add_loop_test(t, one_fact_of_a_study_reads_no_operations, 0, 2);
    tcase_add_test(t, long_rows_come_one_by_one);
    tcase_add_loop_test(t, of_many_one_saves_the_snapshot, 0, 2);
    tcase_add_loop_test(t, writers_of_long_ago_leave_no_row, 0, 2);
    return check_run("catalog", t);
}
