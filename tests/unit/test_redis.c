/* SPDX-License-Identifier: MIT
 *
 * journal/redis.c and redis_link.c beside a real server: the layout, order, exactly once, logs that are not what they were, missing lines, and
 * connections that fail at any call.
 */
#include "support/redis_kit.h"

#include "support/played_redis.h"

#include <sys/wait.h>

/* ---- layout ---- */

START_TEST(lines_lie_where_optuna_looks)
{
    struct writer w = writer_of("w1");
    read_it(&w);
    ck_assert_ptr_null(get("log_number")); /* opening writes nothing */
    append(&w, "{\"op_code\":0}\n{\"op_code\":1}\n");
    ck_assert_str_eq(get("log_number"), "1");
    ck_assert_str_eq(get("log:0"), "{\"op_code\":0}");
    ck_assert_str_eq(get("log:1"), "{\"op_code\":1}");
    ck_assert_ptr_null(get("log:2"));
    ck_assert_str_eq(get("trialog:writer:w1"), "2");
    collect_assert_text(&w.seen, "{\"op_code\":0}\n{\"op_code\":1}\n");
    /* Optuna's writer, then ours: one request brings its line and ours */
    RAW("SET", key("log:2"), "{\"op_code\": 2}");
    RAW("SET", key("log_number"), "2");
    append(&w, "{\"op_code\":3}\n");
    collect_assert_text(&w.seen, "{\"op_code\":0}\n{\"op_code\":1}\n{\"op_code\": 2}\n{\"op_code\":3}\n");
    /* what begins with -1, as Optuna's */
    struct writer late = writer_of("w2");
    read_it(&late);
    collect_assert_text(&late.seen, buf_cstr(&w.seen.text));
    writer_close(&late);
    writer_close(&w);
}
END_TEST

START_TEST(an_empty_journal_of_optuna)
{
    RAW("SET", key("log_number"), "-1");
    struct writer w = writer_of("w");
    read_it(&w);
    ck_assert_uint_eq(w.seen.text.len, 0);
    append(&w, "{}\n");
    ck_assert_str_eq(get("log_number"), "0");
    writer_close(&w);
}
END_TEST

START_TEST(foreign_lines_may_have_line_breaks)
{
    RAW("SET", key("log:0"), "{\n \"op_code\": 0\n}");
    RAW("SET", key("log:1"), "");
    RAW("SET", key("log_number"), "1");
    struct writer w = writer_of("w");
    read_it(&w);
    collect_assert_text(&w.seen, "{  \"op_code\": 0 }\n\n");
    append(&w, "{}\n");
    read_it(&w);
    ck_assert_int_eq(w.seen.rewinds, 0);
    writer_close(&w);
}
END_TEST

START_TEST(long_lines_and_much_news)
{
    struct writer w = writer_of("w"), reader = writer_of("r");
    struct buf text = BUF_INIT(1 << 30);
    for (int i = 0; i < 3000; i++) { /* 15 MB: several reads */
        buf_printf(&text, "{\"op_code\":%d,\"x\":\"", i);
        size_t n = i % 100 == 0 ? 400000 : (size_t)i % 2000;
        ck_assert_int_eq(buf_reserve(&text, n), 0);
        memset(text.data + text.len, 'a' + i % 26, n);
        text.len += n;
        buf_add_text(&text, "\"}\n");
    }
    append(&w, buf_cstr(&text));
    ck_assert(w.seen.text.len == text.len && memcmp(w.seen.text.data, text.data, text.len) == 0);
    append(&reader, "{}\n"); /* all of it as news of an append */
    ck_assert(reader.seen.text.len == text.len + 3 && memcmp(reader.seen.text.data, text.data, text.len) == 0);
    read_it(&w);
    read_it(&w);
    read_it(&reader);
    ck_assert_uint_eq(w.seen.text.len, text.len + 3);
    ck_assert_int_eq(w.seen.rewinds + reader.seen.rewinds, 0);
    buf_release(&text);
    writer_close(&w);
    writer_close(&reader);
}
END_TEST

/* ---- order, exactly once ---- */

START_TEST(exact_lines_meet_a_conflict)
{
    struct writer a = writer_of("a"), b = writer_of("b");
    struct append result;
    struct tl_err err = TL_ERR_INIT;
    append(&a, "{\"a\":1}\n");
    b.exact = true;
    ck_assert_int_eq(append_as(&b, "{\"b\":1}\n", 1, &result, &err), TL_EUNAVAILABLE);
    ck_assert_int_eq(result.outcome, OUTCOME_CONFLICT);
    collect_assert_text(&b.seen, "{\"a\":1}\n"); /* the news came with it */
    append(&b, "{\"b\":1}\n");
    collect_assert_text(&b.seen, "{\"a\":1}\n{\"b\":1}\n");
    read_it(&a);
    collect_assert_text(&a.seen, "{\"a\":1}\n{\"b\":1}\n");
    writer_close(&a);
    writer_close(&b);
}
END_TEST

START_TEST(numbers_are_written_once)
{
    struct writer w = writer_of("w"), again = writer_of("w");
    struct append a;
    append(&w, "{\"n\":1}\n{\"n\":2}\n");
    ck_assert_int_eq(append_as(&again, "{\"n\":1}\n{\"n\":2}\n", 1, &a, NULL), TL_OK); /* a retry after a lost reply */
    ck_assert_int_eq(a.outcome, OUTCOME_DONE);
    collect_assert_text(&again.seen, "{\"n\":1}\n{\"n\":2}\n");
    ck_assert_str_eq(get("log_number"), "1");
    append(&again, "{\"n\":3}\n");
    ck_assert_str_eq(get("log_number"), "2");
    RAW("TTL", key("trialog:writer:w"));
    ck_assert_int_gt(answer->number, 3600);
    writer_close(&w);
    writer_close(&again);
}
END_TEST

/* ---- a log that is not what it was ---- */

START_TEST(a_rewound_log_is_noticed)
{
    struct writer w = writer_of("w");
    append(&w, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    /* the last line was lost */
    RAW("DEL", key("log:2"));
    RAW("SET", key("log_number"), "1");
    read_it(&w);
    ck_assert_int_eq(w.seen.rewinds, 1);
    collect_assert_text(&w.seen, "{\"a\":1}\n{\"a\":2}\n");
    /* and others went on from there: the same length, another line */
    append(&w, "{\"a\":4}\n");
    RAW("SET", key("log:2"), "{\"a\":5}");
    read_it(&w);
    ck_assert_int_eq(w.seen.rewinds, 2);
    collect_assert_text(&w.seen, "{\"a\":1}\n{\"a\":2}\n{\"a\":5}\n");
    /* an append on a state that is void writes nothing */
    RAW("SET", key("log:2"), "{\"a\":6}");
    struct append a;
    ck_assert_int_eq(append_as(&w, "{\"a\":7}\n", w.n + 1, &a, NULL), TL_EUNAVAILABLE);
    ck_assert_int_eq(a.outcome, OUTCOME_CONFLICT);
    ck_assert_int_eq(w.seen.rewinds, 3);
    collect_assert_text(&w.seen, "{\"a\":1}\n{\"a\":2}\n{\"a\":6}\n");
    ck_assert_str_eq(get("log_number"), "2");
    /* emptied */
    RAW("DEL", key("log:0"), key("log:1"), key("log:2"), key("log_number"));
    read_it(&w);
    ck_assert_int_eq(w.seen.rewinds, 4);
    ck_assert_uint_eq(w.seen.text.len, 0);
    append(&w, "{\"a\":8}\n");
    ck_assert_str_eq(get("log_number"), "0");
    writer_close(&w);
}
END_TEST

START_TEST(a_lost_counter_is_damage)
{
    struct writer w = writer_of("w");
    append(&w, "{\"a\":1}\n{\"a\":2}\n");
    RAW("DEL", key("log_number")); /* evicted */
    struct append a;
    struct tl_err err = TL_ERR_INIT;
    int rc = append_as(&w, "{\"a\":3}\n", w.n + 1, &a, &err); /* the handle notices that it was rewound */
    ck_assert_int_eq(a.outcome, OUTCOME_CONFLICT);
    rc = append_as(&w, "{\"a\":3}\n", w.n + 1, &a, &err);
    ck_assert_int_eq(rc, TL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "log_number"));
    ck_assert_str_eq(get("log:0"), "{\"a\":1}"); /* nothing was overwritten */
    RAW("SET", key("log_number"), "1");
    append(&w, "{\"a\":3}\n");
    collect_assert_text(&w.seen, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    writer_close(&w);
}
END_TEST

START_TEST(other_things_under_the_prefix)
{
    struct backend *b;
    struct tl_err err = TL_ERR_INIT;
    RAW("SET", key("log_number"), "many");
    ck_assert_int_eq(try_open(url, NULL, &b, &err), TL_ECORRUPT);
    RAW("DEL", key("log_number"));
    RAW("LPUSH", key("log_number"), "1");
    ck_assert_int_eq(try_open(url, NULL, &b, &err), TL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "something else"));
    RAW("DEL", key("log_number"));
    struct writer w = writer_of("w");
    RAW("SET", key("log_number"), "many"); /* meanwhile */
    ck_assert_int_eq(read_code(&w, &err), TL_ECORRUPT);
    writer_close(&w);
}
END_TEST

/* ---- a writer of Optuna's cluster mode died between counting and writing ---- */

START_TEST(a_missing_line_is_given_up_after_its_time)
{
    struct writer w = writer_of("w"), r = writer_of("r");
    append(&w, "{\"a\":1}\n");
    RAW("INCR", key("log_number"));
    RAW("INCR", key("log_number"));
    int64_t start = os->monotonic_ns();
    append(&w, "{\"a\":2}\n"); /* lands behind the holes; its verdict waits for them */
    ck_assert_int_ge(os->monotonic_ns() - start, 200 * MS);
    const char *line = get("log:1");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, "\"op_code\":1,"));
    ck_assert_str_eq(get("log:3"), "{\"a\":2}");
    read_it(&r);
    ck_assert_uint_eq(r.seen.text.len, w.seen.text.len);
    writer_close(&w);
    writer_close(&r);
}
END_TEST

static void *write_late(void *ctx)
{
    struct redis_link *l = ctx;
    (void)l;
    RAW("SET", key("log:1"), "{\"late\":1}");
    return NULL;
}

START_TEST(a_line_that_comes_late_is_waited_for)
{
    struct writer w = writer_of("w");
    pthread_t thread;
    append(&w, "{\"a\":1}\n");
    RAW("INCR", key("log_number"));
    ck_assert_int_eq(pthread_create(&thread, NULL, write_late, &other), 0);
    read_it(&w);
    pthread_join(thread, NULL);
    collect_assert_text(&w.seen, "{\"a\":1}\n{\"late\":1}\n");
    writer_close(&w);
}
END_TEST

START_TEST(a_reader_waits_and_does_not_write)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    struct writer r = {.seen = COLLECT_INIT, .name = "r"};
    o.read_only = true;
    ck_assert_int_eq(try_open(url, &o, &r.b, &err), TL_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(err.message, prefix));
    RAW("SET", key("log_number"), "0");
    ck_assert_int_eq(try_open(url, &o, &r.b, &err), TL_OK);
    ck_assert_int_eq(read_code(&r, &err), TL_EUNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "line 1"));
    ck_assert_ptr_null(get("log:0"));
    struct append a;
    ck_assert_int_eq(append_as(&r, "{}\n", 1, &a, &err), TL_EACCESS);
    writer_close(&r);
}
END_TEST

/* ---- connections ---- */

START_TEST(connections_may_be_killed_between_any_two_calls)
{
    struct writer w = writer_of("w");
    char expected[64 * 12] = "";
    for (int i = 0; i < 20; i++) {
        char line[16];
        snprintf(line, sizeof line, "{\"a\":%d}\n", i);
        RAW("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        append(&w, line);
        memcpy(expected + strlen(expected), line, strlen(line) + 1);
        RAW("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        read_it(&w);
        RAW("SCRIPT", "FLUSH");
    }
    collect_assert_text(&w.seen, expected);
    ck_assert_str_eq(get("log_number"), "19");
    writer_close(&w);
}
END_TEST

/* Every call of the network in turn fails once: the lines are there once, whatever failed. */
START_TEST(any_call_may_fail_once)
{
    for (long n = 1;; n++) {
        char line[32];
        struct writer w = writer_of("w");
        read_it(&w);
        snprintf(line, sizeof line, "{\"n\":%ld}\n", n);
        w.n = (uint64_t)n;
        played_redis_fail(n, 1);
        append(&w, line);
        read_it(&w);
        bool failed = played_redis_failed();
        os_use(NULL);
        size_t count = 0;
        for (const char *p = buf_cstr(&w.seen.text); (p = strstr(p, line)) != NULL; p++) {
            count++;
        }
        ck_assert_uint_eq(count, 1);
        writer_close(&w);
        if (!failed) {
            ck_assert_int_gt(n, 6);
            return;
        }
    }
}
END_TEST

/* They fail for longer than the time limit. Whether the lines landed is not always known; a later try with the same number settles it. */
START_TEST(calls_that_go_on_failing)
{
    for (long n = 1; n < 12; n++) {
        char line[32];
        struct append a;
        struct writer w = writer_of("w");
        read_it(&w);
        snprintf(line, sizeof line, "{\"n\":%ld}\n", n);
        played_redis_fail(n, 1000000);
        w.lines = line;
        a = (struct append){.deliver = {.ctx = &w.seen, .lines = collect_lines, .rewind = collect_rewind}, .ctx = &w, .compose = compose,
                            .worker = "w", .first_n = (uint64_t)n, .n_ops = 1, .timeout_ms = 50};
        int rc = w.b->ops->append(w.b, &a, NULL);
        os_use(NULL);
        ck_assert((rc == TL_OK) == (a.outcome == OUTCOME_DONE));
        ck_assert((rc == TL_EUNKNOWN) == (a.outcome == OUTCOME_UNKNOWN));
        if (rc != TL_OK) {
            ck_assert_int_eq(append_as(&w, line, (uint64_t)n, &a, NULL), TL_OK);
        }
        read_it(&w);
        size_t count = 0;
        for (const char *p = buf_cstr(&w.seen.text); (p = strstr(p, line)) != NULL; p++) {
            count++;
        }
        ck_assert_uint_eq(count, 1);
        writer_close(&w);
    }
}
END_TEST

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

/* A request that got no answer may land yet, also when the one that was sent after it found another worker's turn, and was given up. */
START_TEST(a_request_without_an_answer_is_not_forgotten_while_others_have_their_turn)
{
    bool unknown = false;
    struct writer first = writer_of("w");
    append(&first, "{\"n\":1}\n");
    writer_close(&first);
    RAW("SET", key("trialog:turn"), "somebody", "PX", "600000");
    for (long n = 1;; n++) {
        struct writer w = writer_of("w");
        read_it(&w);
        w.lines = "{\"n\":2}\n";
        struct append a = {.deliver = {.ctx = &w.seen, .lines = collect_lines, .rewind = collect_rewind}, .ctx = &w, .compose = compose,
                           .worker = "w", .first_n = 2, .n_ops = 1, .timeout_ms = 20000, .cancelled = always};
        played_redis_fail(n, 1);
        int rc = w.b->ops->append(w.b, &a, NULL);
        bool failed = played_redis_failed();
        os_use(NULL);
        ck_assert_int_eq(rc, a.outcome == OUTCOME_UNKNOWN ? TL_EUNKNOWN : TL_ECANCELLED);
        unknown = unknown || rc == TL_EUNKNOWN;
        writer_close(&w);
        if (!failed) {
            break;
        }
    }
    ck_assert(unknown);
    ck_assert_str_eq(get("log_number"), "0");
}
END_TEST

START_TEST(replies_in_single_bytes_and_short_writes)
{
    struct writer w = writer_of("w"), r = writer_of("r");
    played_redis_pieces(1);
    append(&w, "{\"a\":1}\n{\"a\":2}\n");
    read_it(&r);
    os_use(NULL);
    collect_assert_text(&r.seen, "{\"a\":1}\n{\"a\":2}\n");
    writer_close(&w);
    writer_close(&r);
}
END_TEST

START_TEST(one_round_trip_each)
{
    struct writer w = writer_of("w"), r = writer_of("r");
    append(&w, "{\"a\":1}\n"); /* the scripts are known now */
    read_it(&w);
    read_it(&r);
    append(&r, "{\"b\":1}\n");
    played_redis_begin();
    append(&w, "{\"a\":2}\n{\"a\":3}\n"); /* with news */
    ck_assert_int_eq(played_sends, 1);
    read_it(&w);
    ck_assert_int_eq(played_sends, 2);
    read_it(&r); /* what is new comes with the answer */
    ck_assert_int_eq(played_sends, 3);
    os_use(NULL);
    collect_assert_text(&r.seen, buf_cstr(&w.seen.text));
    writer_close(&w);
    writer_close(&r);
}
END_TEST

/* One byte of what arrives is another: an error or a retry, never a crash; afterwards the handle works. */
START_TEST(garbled_replies)
{
    struct writer w = writer_of("w");
    struct tl_err err = TL_ERR_INIT;
    uint64_t n = 1;
    size_t end = strlen(url);
    snprintf(url + end, sizeof url - end, "&socket_timeout=0.05"); /* a garbled length waits for what never comes */
    for (long at = 0; at < 150; at++) {
        struct writer r = {.seen = COLLECT_INIT, .name = "r"};
        struct append a;
        struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
        o.timeout_ms = 100;
        append(&w, "{\"a\":1}\n");
        played_redis_garble(at);
        if (try_open(url, &o, &r.b, NULL) == TL_OK) {
            (void)read_code(&r, &err);
            r.b->ops->close(r.b);
        }
        os_use(NULL);
        r.b = open_it();
        buf_clear(&r.seen.text);
        r.seen.next_offset = 0;
        read_it(&r);
        played_redis_garble(at);
        (void)append_as(&r, "{\"b\":1}\n", n++, &a, NULL);
        os_use(NULL);
        (void)append_as(&r, "{\"b\":1}\n", n - 1, &a, &err);
        read_it(&r);
        writer_close(&r);
    }
    writer_close(&w);
    struct writer last = writer_of("x");
    read_it(&last);
    const char *p = buf_cstr(&last.seen.text);
    size_t ours = 0;
    for (; (p = strstr(p, "{\"b\":1}\n")) != NULL; p++) {
        ours++;
    }
    ck_assert_uint_eq(ours, 150);
    writer_close(&last);
}
END_TEST

START_TEST(a_child_has_a_connection_of_its_own)
{
    struct writer w = writer_of("parent");
    append(&w, "{\"a\":1}\n");
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        w.b->ops->forked(w.b);
        w.name = "child";
        w.n = 0;
        for (int i = 0; i < 50; i++) {
            append(&w, "{\"child\":1}\n");
        }
        writer_close(&w);
        _exit(0);
    }
    for (int i = 0; i < 50; i++) {
        append(&w, "{\"parent\":1}\n");
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(get("log_number"), "100");
    read_it(&w);
    ck_assert_int_eq(w.seen.rewinds, 0);
    writer_close(&w);
}
END_TEST

START_TEST(waiting_ends_with_news)
{
    struct writer w = writer_of("w"), r = writer_of("r");
    read_it(&r);
    ck_assert_int_eq(r.b->ops->wait(r.b, 30, NULL), 0);
    append(&w, "{}\n");
    ck_assert_int_eq(r.b->ops->wait(r.b, 20000, NULL), 1);
    read_it(&r);
    ck_assert_int_eq(r.b->ops->wait(r.b, 0, NULL), 0);
    writer_close(&w);
    writer_close(&r);
}
END_TEST

int main(void)
{
    need_server();
    TCase *t = tcase_create("redis");
    tcase_add_checked_fixture(t, setup, teardown);
    const TTest *const tests[] = {
        lines_lie_where_optuna_looks,
        an_empty_journal_of_optuna,
        foreign_lines_may_have_line_breaks,
        long_lines_and_much_news,
        exact_lines_meet_a_conflict,
        numbers_are_written_once,
        a_rewound_log_is_noticed,
        a_lost_counter_is_damage,
        other_things_under_the_prefix,
        a_missing_line_is_given_up_after_its_time,
        a_line_that_comes_late_is_waited_for,
        a_reader_waits_and_does_not_write,
        connections_may_be_killed_between_any_two_calls,
        any_call_may_fail_once,
        calls_that_go_on_failing,
        a_request_without_an_answer_is_not_forgotten_while_others_have_their_turn,
        replies_in_single_bytes_and_short_writes,
        one_round_trip_each,
        garbled_replies,
        a_child_has_a_connection_of_its_own,
        waiting_ends_with_news,
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_test(t, tests[i]);
    }
    return check_run("redis", t);
}
