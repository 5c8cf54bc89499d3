/* SPDX-License-Identifier: MIT
 *
 * dark_worker URL TIMEOUT_MS LEASE_MS: one handle, told what to do by lines of standard input. Each answer is "CODE MILLISECONDS MESSAGE".
 *
 *   begin          makes a trial, which gives the worker a lease and the thread that renews it
 *   write N        sets an attribute to N
 *   read           reads what is new
 *   value          the answer's message is the attribute as it was last read
 *   replaced       the answer's message is how often the log was found to be another one
 *   wait           waits for news without end
 *   cancel N       the N-th question whether to go on, and all behind it, get a no; 0: never. (What is asked in this thread alone counts.)
 *   close          closes, answers, ends
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trialog/trialog.h>

static long cancel_at, asked, replaced;
static pthread_t caller;

static bool cancelled(void *ctx)
{
    (void)ctx;
    return pthread_equal(pthread_self(), caller) && cancel_at > 0 && ++asked >= cancel_at;
}

static void on_event(void *ctx, int level, const char *event, const char *message)
{
    (void)ctx, (void)level, (void)message;
    replaced += strcmp(event, "JOURNAL_REPLACED") == 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void answer(int rc, int64_t began_ms, const char *message)
{
    printf("%s %lld %s\n", rc == TL_OK ? "TL_OK" : tl_code_name(rc), (long long)(now_ms() - began_ms), message);
    fflush(stdout);
}

static int open_study(tl_storage *s, int64_t *study, struct tl_err *err)
{
    enum tl_direction minimize = TL_MINIMIZE;
    int rc = tl_storage_create_study(s, "dark", &minimize, 1, study, err);
    return rc == TL_EEXISTS ? tl_storage_find_study(s, "dark", study, err) : rc;
}

static int read_value(tl_storage *s, int64_t study, char out[32], struct tl_err *err)
{
    tl_view *v;
    size_t n;
    int rc = tl_view_open(s, study, false, &v, err);
    if (rc != TL_OK) {
        return rc;
    }
    const struct tl_attr *attrs = tl_view_study_attrs(v, &n);
    snprintf(out, 32, "none");
    for (size_t i = 0; i < n; i++) {
        snprintf(out, 32, "%.*s", (int)attrs[i].json.len, attrs[i].json.s);
    }
    tl_view_close(v);
    return TL_OK;
}

/* false: that was the last one. */
static bool obey(tl_storage *s, int64_t study, const char *line)
{
    struct tl_err err = TL_ERR_INIT;
    int64_t began = now_ms(), trial;
    char text[32] = "";
    int rc = TL_OK;
    if (strncmp(line, "write ", 6) == 0) {
        rc = tl_storage_set_study_attr(s, study, TL_ATTR_USER, "n", line + 6, &err);
    } else if (strcmp(line, "begin") == 0) {
        rc = tl_storage_create_trial(s, study, NULL, &trial, NULL, &err);
    } else if (strcmp(line, "read") == 0) {
        rc = tl_storage_sync(s, &err);
    } else if (strcmp(line, "value") == 0) {
        rc = read_value(s, study, text, &err);
    } else if (strcmp(line, "wait") == 0) {
        rc = tl_storage_wait(s, -1, &err);
    } else if (strcmp(line, "replaced") == 0) {
        snprintf(text, sizeof text, "%ld", replaced);
    } else if (strncmp(line, "cancel ", 7) == 0) {
        asked = 0;
        cancel_at = strtol(line + 7, NULL, 10);
    } else {
        tl_storage_close(s);
        answer(TL_OK, began, "");
        return false;
    }
    answer(rc, began, rc == TL_OK ? text : err.message);
    return true;
}

int main(int argc, char **argv)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_storage *s;
    int64_t study, began = now_ms();
    char line[200];
    if (argc != 4) {
        return 2;
    }
    caller = pthread_self();
    o.timeout_ms = strtoll(argv[2], NULL, 10);
    o.lease_ms = strtoll(argv[3], NULL, 10);
    o.cancelled = cancelled;
    o.log = &(struct tl_log_sink){on_event, NULL, 0};
    int rc = tl_storage_open(argv[1], &o, &s, &err);
    if (rc == TL_OK) {
        rc = open_study(s, &study, &err);
    }
    answer(rc, began, err.message);
    while (rc == TL_OK && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!obey(s, study, line)) {
            return 0;
        }
    }
    return rc != TL_OK;
}
