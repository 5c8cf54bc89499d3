/* SPDX-License-Identifier: MIT
 *
 * Tests of the replay rules' by-products: facts kept up by apply against brute force, lists and rows under load, images. The rules
 * themselves are compared with Optuna in tests/replay.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/store.h"
#include "fail_alloc.h"
#include "model/image.h"
#include "state_text.h"

static uint64_t random_state = 88172645463325252u;

static unsigned below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % n);
}

static void feedf(struct state *s, struct buf *b)
{
    ck_assert_ptr_nonnull(buf_cstr(b));
    ck_assert_int_eq(feed_line(s, b->data), V_APPLIED);
    buf_clear(b);
}

static void create_study(struct state *s, const char *name, const char *directions)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"%s\",\"directions\":[%s]}", name, directions);
    feedf(s, &b);
    buf_release(&b);
}

static void create_trial(struct state *s, int study)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":%d,\"datetime_start\":\"2026-01-01T00:00:00.000000+00:00\"}", study);
    feedf(s, &b);
    buf_release(&b);
}

static void end_trial(struct state *s, int trial, int state, const double *values, size_t n)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":%d,\"state\":%d,\"values\":[", trial, state);
    for (size_t i = 0; i < n; i++) {
        if (i) {
            buf_add_char(&b, ',');
        }
        json_put_double(&b, values[i]);
    }
    buf_add_text(&b, "],\"datetime_complete\":\"2026-01-01T00:00:01.000000+00:00\"}");
    feedf(s, &b);
    buf_release(&b);
}

static void system_attr(struct state *s, int trial, const char *key, const char *json)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "{\"op_code\":9,\"worker_id\":\"w\",\"trial_id\":%d,\"system_attr\":{\"%s\":%s}}", trial, key, json);
    feedf(s, &b);
    buf_release(&b);
}

static void set_float(struct state *s, int trial, const char *name, double low, double v)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":%d,\"param_name\":\"%s\",\"param_value_internal\":", trial, name);
    json_put_double(&b, v);
    buf_add_text(&b, ",\"distribution\":\"{\\\"name\\\": \\\"FloatDistribution\\\", \\\"attributes\\\": {\\\"step\\\": null, \\\"low\\\": ");
    json_put_double(&b, low);
    buf_add_text(&b, ", \\\"high\\\": 10.0, \\\"log\\\": false}}\"}");
    feedf(s, &b);
    buf_release(&b);
}

/* ---- facts ---- */

START_TEST(best_is_lowest_number_on_a_tie_and_feasible)
{
    struct state *s = state_new();
    create_study(s, "s", _i ? "2" : "1");
    double sign = _i ? -1 : 1;
    for (int i = 0; i < 6; i++) {
        create_trial(s, 0);
    }
    end_trial(s, 4, TL_COMPLETE, (double[]){sign * 2}, 1);
    ck_assert_int_eq(state_study(s, 0)->best, 0);
    end_trial(s, 3, TL_COMPLETE, (double[]){sign * 2}, 1);
    tl_view *v;
    ck_assert_int_eq(store_view(NULL, s, 0, &v, NULL), TL_OK);
    ck_assert_int_eq(tl_view_best(v), 3);
    tl_view_close(v);
    system_attr(s, 2, "constraints", "[0.0,0.5]");
    end_trial(s, 2, TL_COMPLETE, (double[]){sign * 1}, 1);
    system_attr(s, 1, "constraints:c", "1e-9");
    end_trial(s, 1, TL_COMPLETE, (double[]){sign * 1}, 1);
    end_trial(s, 0, TL_COMPLETE, (double[]){(double)NAN}, 1);
    end_trial(s, 5, TL_PRUNED, (double[]){sign * 0}, 1);
    ck_assert_int_eq(store_view(NULL, s, 0, &v, NULL), TL_OK);
    ck_assert_int_eq(tl_view_best(v), 3);
    ck_assert_uint_eq(tl_view_count(v, TL_COMPLETE), 5);
    tl_view_close(v);
    state_unref(s);
}
END_TEST

static bool dominated(const double *a, const double *b, const int *sign, int m) /* a by b */
{
    bool better = false;
    for (int k = 0; k < m; k++) {
        if (sign[k] * b[k] > sign[k] * a[k]) {
            return false;
        }
        better = better || sign[k] * b[k] < sign[k] * a[k];
    }
    return better;
}

START_TEST(front_equals_brute_force)
{
    enum { N = 300 };
    static const char *directions[] = {"", "", "1,2", "2,1,1", "1,1,2,1"};
    int m = _i, sign[4];
    for (int k = 0; k < m; k++) {
        sign[k] = directions[m][2 * k] == '2' ? -1 : 1;
    }
    struct state *s = state_new();
    create_study(s, "s", directions[m]);
    static double values[N][4];
    for (int i = 0; i < N; i++) {
        create_trial(s, 0);
    }
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < m; k++) {
            values[i][k] = (double)below(m == 2 ? 40 : 12);
        }
        end_trial(s, i, TL_COMPLETE, values[i], (size_t)m);
        if (i % 37 != 0 && i != N - 1) {
            continue;
        }
        tl_view *v;
        size_t n, want = 0;
        ck_assert_int_eq(store_view(NULL, s, 0, &v, NULL), TL_OK);
        const int64_t *front = tl_view_front(v, &n);
        for (int a = 0; a <= i; a++) {
            bool out = false;
            for (int b = 0; b <= i && !out; b++) {
                out = dominated(values[a], values[b], sign, m);
            }
            if (!out) {
                ck_assert_uint_lt(want, n);
                ck_assert_int_eq(front[want++], a);
            }
        }
        ck_assert_uint_eq(want, n);
        tl_view_close(v);
    }
    state_unref(s);
}
END_TEST

START_TEST(waiting_queue_gives_the_lowest_number)
{
    struct state *s = state_new();
    create_study(s, "s", "1");
    enum { N = 200 };
    int waiting[N] = {0};
    for (int i = 0; i < N; i++) {
        create_trial(s, 0);
    }
    for (int round = 0; round < 2000; round++) {
        int t = (int)below(N), to = below(2) ? TL_WAITING : TL_RUNNING;
        struct buf b = BUF_INIT(1000);
        buf_printf(&b, "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":%d,\"state\":%d,\"values\":null,\"datetime_start\":\"2026-01-01T00:00:00\"}", t, to);
        enum verdict v = feed_line(s, buf_cstr(&b));
        ck_assert_int_eq(v, to == TL_RUNNING && !waiting[t] ? V_NOT_YOURS : V_APPLIED);
        buf_release(&b);
        waiting[t] = to == TL_WAITING;
        int first = -1;
        for (int i = N - 1; i >= 0; i--) {
            first = waiting[i] ? i : first;
        }
        ck_assert_int_eq(study_first_waiting(state_study(s, 0)), first);
    }
    state_unref(s);
}
END_TEST

START_TEST(search_space_keeps_equal_distributions_only)
{
    struct state *s = state_new();
    create_study(s, "s", "1");
    for (int i = 0; i < 4; i++) {
        create_trial(s, 0);
    }
    set_float(s, 0, "b", 0, 1);
    set_float(s, 0, "a", 0, 1);
    set_float(s, 0, "c", 0, 1);
    end_trial(s, 0, TL_COMPLETE, (double[]){1}, 1);
    set_float(s, 1, "a", 0, 2);
    set_float(s, 1, "b", 0, 2);
    set_float(s, 1, "c", -1, 2); /* another range */
    end_trial(s, 1, TL_COMPLETE, (double[]){1}, 1);
    set_float(s, 2, "a", 0, 3);
    end_trial(s, 2, TL_PRUNED, NULL, 0);
    end_trial(s, 3, TL_FAIL, NULL, 0);
    tl_view *v;
    size_t n;
    ck_assert_int_eq(store_view(NULL, s, 0, &v, NULL), TL_OK);
    const struct tl_param *p = tl_view_search_space(v, false, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(p[0].name.s[0], 'a');
    ck_assert_int_eq(p[1].name.s[0], 'b');
    p = tl_view_search_space(v, true, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(p[0].name.s[0], 'a');
    int64_t column = tl_view_column(v, "a");
    const double *values;
    ck_assert_uint_eq(tl_view_block(v, column, 0, &values), 7);
    ck_assert_double_eq(values[2], 3);
    ck_assert_int_eq(tl_view_column(v, "zzz"), -1);
    tl_view_close(v);
    state_unref(s);
}
END_TEST

/* ---- a view does not change ---- */

START_TEST(a_view_stays_as_it_was)
{
    struct state *s = state_new();
    create_study(s, "s", "1");
    for (int i = 0; i < 100; i++) {
        create_trial(s, 0);
        set_float(s, i, "x", 0, i);
        system_attr(s, i, "k", "1");
        if (i % 2) {
            end_trial(s, i, TL_COMPLETE, (double[]){i}, 1);
        }
    }
    tl_view *v;
    ck_assert_int_eq(store_view(NULL, s, 0, &v, NULL), TL_OK);
    for (int i = 0; i < 100; i += 2) {
        for (int k = 0; k < 100; k++) {
            system_attr(s, i, "k", "2");
        }
        set_float(s, i, "x", 0, 10);
        end_trial(s, i, TL_COMPLETE, (double[]){-1}, 1);
    }
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(tl_view_trial(v, i, &t, NULL), TL_OK);
        ck_assert_int_eq(t.state, i % 2 ? TL_COMPLETE : TL_RUNNING);
        ck_assert_uint_eq(t.n_attrs, 1);
        ck_assert_int_eq(t.attrs[0].json.s[0], '1');
        ck_assert_double_eq(t.params[0].internal, i);
    }
    ck_assert_uint_eq(tl_view_n_rows(v), 50);
    ck_assert_int_eq(tl_view_best(v), 1);
    ck_assert_int_eq(tl_view_trial(v, 100, &t, NULL), TL_ENOTFOUND);
    tl_frozen_release(&t);
    tl_view_close(v);
    state_unref(s);
}
END_TEST

/* ---- images ---- */

struct memory {
    struct image_source source;
    struct image_sink sink;
    struct buf bytes;
    size_t at;
};

static int memory_write(struct image_sink *sink, const void *bytes, size_t n, struct tl_err *err)
{
    struct memory *m = (struct memory *)((char *)sink - offsetof(struct memory, sink));
    (void)err;
    buf_add(&m->bytes, bytes, n);
    return m->bytes.failed;
}

static int memory_read(struct image_source *source, void *out, size_t n, struct tl_err *err)
{
    struct memory *m = (struct memory *)source;
    (void)err;
    ck_assert_uint_le(n, source->left);
    if (n) {
        memcpy(out, m->bytes.data + m->at, n);
    }
    m->at += n;
    source->left -= n;
    return TL_OK;
}

static void write_image(struct state *s, struct memory *m)
{
    struct image im = {0};
    *m = (struct memory){.source = {memory_read, 0}, .sink = {memory_write}, .bytes = BUF_INIT(1u << 30)};
    ck_assert_int_eq(image_prepare(&im, s, NULL), TL_OK);
    ck_assert_int_eq(image_write(&im, &m->sink, NULL), TL_OK);
    image_release(&im);
}

static int read_image(struct memory *m, size_t n, struct state **out, struct tl_err *err)
{
    m->at = 0;
    m->source.left = n;
    return image_read(&m->source, out, err);
}

/* Random operations over several studies; some are rejected, which is fine. */
static void random_lines(struct state *s, int n)
{
    struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < n; i++) {
        unsigned study = below(4), trial = below(60), kind = below(20);
        if (kind == 0) {
            buf_printf(&b, "{\"op_code\":0,\"worker_id\":\"w\",\"n\":%d,\"study_name\":\"s%u\",\"directions\":[%s]}", i + 1, study, study == 2 ? "1,2" : "1");
        } else if (kind == 1 && below(20) == 0) {
            buf_printf(&b, "{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":%u}", study);
        } else if (kind < 5) {
            buf_printf(&b, "{\"op_code\":4,\"worker_id\":\"v%u\",\"study_id\":%u,\"datetime_start\":\"2026-01-01T00:00:00\"}", study, study);
        } else if (kind < 8) {
            buf_printf(&b, "{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":%u,\"param_name\":\"p%u\",\"param_value_internal\":%u.5,\"distribution\":\"{\\\"name\\\": \\\"FloatDistribution\\\", \\\"attributes\\\": {\\\"step\\\": null, \\\"low\\\": %u.0, \\\"high\\\": 100.0, \\\"log\\\": false}}\"}", trial, below(70), below(9), below(2));
        } else if (kind < 12) {
            buf_printf(&b, "{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":%u,\"step\":%u,\"intermediate_value\":%u.25}", trial, below(30), below(9));
        } else if (kind < 16) {
            buf_printf(&b, "{\"op_code\":%u,\"worker_id\":\"w\",\"trial_id\":%u,\"%s_attr\":{\"k%u\":[%u,\"x\"]}}", 8 + kind % 2, trial, kind % 2 ? "system" : "user", below(40), below(1000));
        } else if (kind < 18) {
            buf_printf(&b, "{\"op_code\":3,\"worker_id\":\"w\",\"study_id\":%u,\"system_attr\":{\"k%u\":%u}}", study, below(20), below(1000));
        } else {
            buf_printf(&b, "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":%u,\"state\":%u,\"values\":[%u.0%s],\"datetime_start\":\"2026-01-01T00:00:00\",\"datetime_complete\":\"2026-01-01T00:00:00+00:00\"}", trial, below(5), below(50), below(3) == 0 ? ",2.0" : "");
        }
        feed_line(s, buf_cstr(&b));
        buf_clear(&b);
    }
    buf_release(&b);
}

START_TEST(an_image_holds_everything)
{
    random_state += (uint64_t)_i * 7919;
    struct state *s = state_new(), *copy;
    struct buf before = BUF_INIT(1u << 28), after = BUF_INIT(1u << 28);
    struct memory m;
    random_lines(s, 200 + (int)below(4000));
    state_text(s, &before);
    write_image(s, &m);
    ck_assert_int_eq(read_image(&m, m.bytes.len, &copy, NULL), TL_OK);
    state_text(copy, &after);
    ck_assert_uint_eq(before.len, after.len);
    ck_assert_int_eq(memcmp(before.data, after.data, before.len), 0);
    /* and it goes on from there as the original does */
    uint64_t seed = random_state;
    random_lines(s, 500);
    random_state = seed;
    random_lines(copy, 500);
    buf_clear(&before);
    buf_clear(&after);
    state_text(s, &before);
    state_text(copy, &after);
    ck_assert_uint_eq(before.len, after.len);
    ck_assert_int_eq(memcmp(before.data, after.data, before.len), 0);
    buf_release(&before);
    buf_release(&after);
    buf_release(&m.bytes);
    state_unref(s);
    state_unref(copy);
}
END_TEST

START_TEST(a_damaged_image_is_refused_or_harmless)
{
    struct state *s = state_new(), *copy;
    struct memory m;
    random_lines(s, 1500);
    write_image(s, &m);
    for (int round = 0; round < 3000; round++) {
        size_t at = below((unsigned)m.bytes.len), cut = round % 3 == 0 ? at : m.bytes.len;
        char old = m.bytes.data[at];
        m.bytes.data[at] = (char)(old ^ (1 << below(8)));
        if (read_image(&m, cut, &copy, NULL) == TL_OK) {
            struct buf text = BUF_INIT(1u << 28);
            state_text(copy, &text); /* whatever it says, it can be read */
            buf_release(&text);
            state_unref(copy);
        }
        m.bytes.data[at] = old;
    }
    buf_release(&m.bytes);
    state_unref(s);
}
END_TEST

/* What every part of the reader has to do with, in few bytes. */
static struct state *small_state(void)
{
    struct state *s = state_new();
    create_study(s, "one", "1");
    create_study(s, "gone", "2");
    create_study(s, "two", "1,2");
    feed_line(s, "{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":1}");
    feed_line(s, "{\"op_code\":2,\"worker_id\":\"w\",\"n\":9,\"study_id\":0,\"user_attr\":{\"k\":1}}");
    random_lines(s, 150);
    return s;
}

static void try_image(struct memory *m, size_t n, unsigned *refused)
{
    struct state *copy;
    if (read_image(m, n, &copy, NULL) != TL_OK) {
        ++*refused;
        return;
    }
    struct buf text = BUF_INIT(1u << 28);
    state_text(copy, &text);
    buf_release(&text);
    state_unref(copy);
}

START_TEST(every_byte_of_an_image_may_be_wrong)
{
    static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct state *s = small_state();
    struct memory m;
    unsigned refused = 0;
    write_image(s, &m);
    for (size_t at = 0; at < m.bytes.len; at++) {
        char old = m.bytes.data[at];
        for (size_t i = 0; i < sizeof values + 2; i++) {
            m.bytes.data[at] = (char)(i < sizeof values ? values[i] : i == sizeof values ? old + 1 : old - 1);
            try_image(&m, m.bytes.len, &refused);
        }
        m.bytes.data[at] = old;
    }
    ck_assert_uint_gt(refused, 1000);
    refused = 0;
    for (size_t n = 0; n < m.bytes.len; n++) {
        try_image(&m, n, &refused);
    }
    ck_assert_uint_eq(refused, m.bytes.len);
    buf_add(&m.bytes, "x", 1);
    refused = 0;
    try_image(&m, m.bytes.len, &refused);
    ck_assert_uint_eq(refused, 1);
    buf_release(&m.bytes);
    state_unref(s);
}
END_TEST

START_TEST(an_image_is_read_whole_or_not_at_all_when_memory_ends)
{
    struct state *s = small_state(), *copy;
    struct fail_alloc f;
    struct memory m;
    long n = 0;
    write_image(s, &m);
    for (int rc = TL_ENOMEM; rc != TL_OK; n++) {
        fail_alloc_after(&f, n);
        struct tl_err err = TL_ERR_INIT;
        rc = read_image(&m, m.bytes.len, &copy, &err);
        ck_assert_msg(rc == TL_OK || rc == TL_ENOMEM, "allocation %ld: %s", n, err.message);
        ck_assert(rc == TL_ENOMEM || !f.failed);
        if (rc == TL_OK) {
            state_unref(copy);
        }
        ck_assert_int_eq(f.out, 0);
        mem_set_hooks(NULL);
    }
    ck_assert_int_gt(n, 50);
    buf_release(&m.bytes);
    state_unref(s);
}
END_TEST

/* ---- no quadratic path ---- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(a_key_written_often_stays_small)
{
    struct state *s = state_new();
    create_study(s, "s", "1");
    create_trial(s, 0);
    double t = seconds();
    for (int i = 0; i < 300000; i++) {
        feed_line(s, "{\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":0,\"user_attr\":{\"progress\":12345}}");
    }
    ck_assert_msg(seconds() - t < 20, "300,000 writes took %.1f s", seconds() - t);
    ck_assert_uint_lt(state_study(s, 0)->live[0]->attrs.n, 200);
    state_unref(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *c = tcase_create("state");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, best_is_lowest_number_on_a_tie_and_feasible, 0, 2);
    tcase_add_loop_test(c, front_equals_brute_force, 2, 5);
    tcase_add_test(c, waiting_queue_gives_the_lowest_number);
    tcase_add_test(c, search_space_keeps_equal_distributions_only);
    tcase_add_test(c, a_view_stays_as_it_was);
    tcase_add_loop_test(c, an_image_holds_everything, 0, 20);
    tcase_add_test(c, a_damaged_image_is_refused_or_harmless);
    tcase_add_test(c, every_byte_of_an_image_may_be_wrong);
    tcase_add_test(c, an_image_is_read_whole_or_not_at_all_when_memory_ends);
    tcase_add_test(c, a_key_written_often_stays_small);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
