/* SPDX-License-Identifier: MIT
 *
 * base/err.c: the code table, and messages that stay one valid line however long or odd the parts are.
 */
#include "base/err.h"
#include "base/log.h"
#include "support/check_main.h"

#include <trialog/storage.h>
#include <trialog/types.h>

#include <errno.h>

START_TEST(each_code_has_name_text_and_exit_status)
{
    static const int codes[] = {
#define CODE(name, value, sentence, retry, status) name,
        TL_ERROR_LIST(CODE)
#undef CODE
    };
    for (size_t i = 0; i < TL_COUNT(codes); i++) {
        ck_assert_msg(strncmp(tl_code_name(codes[i]), "TL_E", 4) == 0, "code %d", codes[i]);
        ck_assert_str_ne(tl_code_name(codes[i]), "TL_E?");
        ck_assert_int_gt((int)strlen(tl_code_text(codes[i])), 4);
        ck_assert_int_gt(tl_code_exit_status(codes[i]), 1);
        for (size_t k = 0; k < i; k++) {
            ck_assert_int_ne(codes[i], codes[k]);
            ck_assert_int_ne(tl_code_exit_status(codes[i]), tl_code_exit_status(codes[k]));
        }
    }
    ck_assert_str_eq(tl_code_name(TL_EINVAL), "TL_EINVAL");
    ck_assert_int_eq(tl_code_exit_status(TL_EINVAL), 2);
    ck_assert(tl_code_retry(TL_ELOCKED));
    ck_assert(!tl_code_retry(TL_ECORRUPT));
    ck_assert_str_eq(tl_code_name(0), "TL_OK");
    ck_assert_int_eq(tl_code_exit_status(0), 0);
    ck_assert_str_eq(tl_code_name(-999), "TL_E?");
    ck_assert_int_eq(tl_code_exit_status(-999), 1);
}
END_TEST

START_TEST(states_and_directions_have_optunas_names)
{
    ck_assert_str_eq(tl_state_name(TL_RUNNING), "RUNNING");
    ck_assert_str_eq(tl_state_name(TL_PRUNED), "PRUNED");
    ck_assert_str_eq(tl_state_name(TL_WAITING), "WAITING");
    ck_assert_ptr_null(tl_state_name(-1));
    ck_assert_ptr_null(tl_state_name(TL_N_STATES));
    ck_assert_str_eq(tl_direction_name(TL_MAXIMIZE), "MAXIMIZE");
    ck_assert_ptr_null(tl_direction_name(3));
    ck_assert_ptr_null(tl_direction_name(-1));
}
END_TEST

START_TEST(set_fills_everything)
{
    struct tl_err err = {1, 2, 3, 4, 5, "old"};
    ck_assert_int_eq(err_set(&err, TL_EIO, "part %d of %s", 7, "x"), TL_EIO);
    ck_assert_int_eq(err.code, TL_EIO);
    ck_assert_int_eq(err.sys_errno, 0);
    ck_assert(err.line == -1 && err.offset == -1 && err.seq == -1);
    ck_assert_str_eq(err.message, "part 7 of x");
    err_at(&err, 12, 400);
    err_at(&err, 13, 500);
    ck_assert(err.line == 12 && err.offset == 400);
}
END_TEST

START_TEST(nobody_asked)
{
    ck_assert_int_eq(err_set(NULL, TL_EINVAL, "x"), TL_EINVAL);
    ck_assert_int_eq(err_sys(NULL, ENOSPC, "x"), TL_ENOSPC);
    ck_assert_int_eq(err_wrap(NULL, TL_EIO, "x"), TL_EIO);
    ck_assert_int_eq(err_nomem(NULL), TL_ENOMEM);
    err_at(NULL, 1, 1);
}
END_TEST

START_TEST(system_errors_choose_the_code)
{
    static const struct {
        int sys, code;
    } rows[] = {{ENOSPC, TL_ENOSPC},  {EDQUOT, TL_ENOSPC}, {EFBIG, TL_ENOSPC},  {ENOMEM, TL_ENOMEM},
                {EACCES, TL_EACCESS}, {EPERM, TL_EACCESS}, {EROFS, TL_EACCESS}, {ENOENT, TL_ENOTFOUND},
                {EIO, TL_EIO},        {99999, TL_EIO}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct tl_err err = TL_ERR_INIT;
        ck_assert_int_eq(err_sys(&err, rows[i].sys, "cannot"), rows[i].code);
        ck_assert_int_eq(err.sys_errno, rows[i].sys);
    }
    struct tl_err err = TL_ERR_INIT;
    err_sys(&err, ENOENT, "cannot open '%s'", "x");
    ck_assert_str_eq(err.message, "cannot open 'x': No such file or directory (errno 2)");
}
END_TEST

START_TEST(wrap_puts_words_in_front)
{
    struct tl_err err = TL_ERR_INIT;
    err_set(&err, TL_ECORRUPT, "not JSON");
    err_at(&err, 3, 99);
    ck_assert_int_eq(err_wrap(&err, TL_ECORRUPT, "study '%s'", "s"), TL_ECORRUPT);
    ck_assert_str_eq(err.message, "study 's': not JSON");
    ck_assert(err.code == TL_ECORRUPT && err.line == 3);
    for (int i = 0; i < 100; i++) {
        err_wrap(&err, TL_ECORRUPT, "again and again");
    }
    ck_assert_uint_eq(strlen(err.message), sizeof err.message - 1);
}
END_TEST

START_TEST(own_message_may_be_an_argument)
{
    struct tl_err err = TL_ERR_INIT;
    err_set(&err, TL_EIO, "inner");
    err_set(&err, TL_EUNKNOWN, "outer (%s)", err.message);
    ck_assert_str_eq(err.message, "outer (inner)");
}
END_TEST

START_TEST(messages_are_one_line)
{
    struct tl_err err = TL_ERR_INIT;
    err_set(&err, TL_EIO, "name '%s'", "a\nb\x1b[2J\x7f\tc");
    ck_assert_str_eq(err.message, "name 'a?b?[2J??c'");
}
END_TEST

/* Whatever the length of what stands before, no character is cut in two. */
START_TEST(long_messages_end_with_a_whole_character)
{
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    const char *c = characters[_i];
    char text[1024], ascii[5] = "";
    for (size_t shift = 0; shift < 4; shift++) {
        memcpy(ascii, "aaaa", shift);
        ascii[shift] = 0;
        size_t n = 0;
        while (n + 5 < sizeof text) {
            memcpy(text + n, c, strlen(c));
            n += strlen(c);
        }
        text[n] = 0;
        struct tl_err err = TL_ERR_INIT;
        err_set(&err, TL_EIO, "%s%s", ascii, text);
        size_t len = strlen(err.message);
        ck_assert_uint_eq((len - shift) % strlen(c), 0);
        ck_assert_uint_gt(len + strlen(c), sizeof err.message - 1);
    }
}
END_TEST

struct seen {
    int n, level;
    char event[64], message[2000];
};

static void note(void *ctx, int level, const char *event, const char *message)
{
    struct seen *seen = ctx;
    seen->n++;
    seen->level = level;
    memcpy(seen->event, event, strlen(event) + 1);
    memcpy(seen->message, message, strlen(message) + 1);
}

START_TEST(events_reach_the_sink_by_level)
{
    struct seen seen = {0};
    struct tl_log_sink sink = {note, &seen, 1};
    log_emit(NULL, LOG_LOCK_WAIT, "nobody");
    log_emit(&sink, LOG_SNAPSHOT_WRITTEN, "debug");
    ck_assert_int_eq(seen.n, 0);
    log_emit(&sink, LOG_TAIL_HEALED, "at byte %d\n", 17);
    ck_assert_int_eq(seen.n, 1);
    ck_assert_int_eq(seen.level, 2);
    ck_assert_str_eq(seen.event, "TAIL_HEALED");
    ck_assert_str_eq(seen.message, "at byte 17?");
    log_emit(&sink, LOG_FILE_SYSTEM, "%*s", 5000, "");
    ck_assert_int_eq(seen.n, 2);
    ck_assert_int_eq(seen.level, 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("err");
    tcase_add_test(t, each_code_has_name_text_and_exit_status);
    tcase_add_test(t, states_and_directions_have_optunas_names);
    tcase_add_test(t, set_fills_everything);
    tcase_add_test(t, nobody_asked);
    tcase_add_test(t, system_errors_choose_the_code);
    tcase_add_test(t, wrap_puts_words_in_front);
    tcase_add_test(t, own_message_may_be_an_argument);
    tcase_add_test(t, messages_are_one_line);
    tcase_add_loop_test(t, long_messages_end_with_a_whole_character, 0, 4);
    tcase_add_test(t, events_reach_the_sink_by_level);
    return check_run("err", t);
}
