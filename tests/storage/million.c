/* SPDX-License-Identifier: MIT
 *
 * million URL_FORMAT [writes [processes]]: one attribute written a million times by several processes. Meanwhile the operations kept in
 * the database stay below 2,000, and a reader that stopped at operation 10 catches up in the end and agrees with the writers.
 * The format has one %s, for a folder, or is the URL of a database that is empty. How many operations are kept is read from the reader's own statistics: a handle that is opened
 * anew reads what is kept, besides the snapshot.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/sqlite_optimistic.h"
#include "support/study_kit.h"

#define KEPT_MOST 2000

static char url[SCRATCH_MAX + 60];

static void set_attr(tl_storage *s, int64_t study, const char *key, long i)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", i);
    OK(tl_storage_set_study_attr(s, study, TL_ATTR_USER, key, text, err));
}

static long attr(tl_storage *s, int64_t study, const char *key)
{
    tl_view *v;
    size_t n;
    long value = -1;
    OK(tl_view_open(s, study, true, &v, err));
    const struct tl_attr *attrs = tl_view_study_attrs(v, &n);
    for (size_t i = 0; i < n; i++) {
        if (strncmp(attrs[i].key.s, key, attrs[i].key.len) == 0) {
            char text[24] = "";
            memcpy(text, attrs[i].json.s, attrs[i].json.len);
            value = strtol(text, NULL, 10);
        }
    }
    tl_view_close(v);
    return value;
}

static void writer(int64_t study, long n, int number)
{
    tl_storage *s = kit_open(url);
    char last[16];
    snprintf(last, sizeof last, "last%d", number);
    for (long i = 1; i < n; i++) {
        set_attr(s, study, "x", i);
    }
    set_attr(s, study, last, n);
    tl_storage_close(s);
    _exit(0);
}

static uint64_t kept(void)
{
    struct tl_storage_stats stats = {.size = sizeof stats};
    tl_storage *s = kit_open(url);
    int64_t id;
    tl_view *v;
    OK(tl_storage_find_study(s, "s", &id, err));
    OK(tl_view_open(s, id, true, &v, err));
    tl_view_close(v);
    tl_storage_get_stats(s, &stats);
    tl_storage_close(s);
    return stats.lines_read;
}

static const char *format = "sqlite:///%s/study.db";
static long total = 1000000;
static int processes = 4;

START_TEST(a_million_writes)
{
    long most = 0;
    int running;
    struct timespec start, end;
    kit_special = open_optimistic;
    scratch_make(kit_dir);
    snprintf(url, sizeof url, format, kit_dir);
    tl_storage *w = kit_open(url), *behind = kit_open(url);
    const enum tl_direction minimize[] = {TL_MINIMIZE};
    int64_t study;
    OK(tl_storage_create_study(w, "s", minimize, 1, &study, err));
    for (int i = 0; i < 9; i++) {
        set_attr(w, study, "x", i);
    }
    ck_assert_int_eq(attr(behind, study, "x"), 8);
    tl_storage_close(w);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (running = 0; running < processes; running++) {
        if (fork() == 0) {
            writer(study, total / processes, running);
        }
    }
    while (running > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        ck_assert_int_ge(pid, 0);
        if (pid > 0) {
            ck_assert_int_eq(status, 0);
            running--;
        } else {
            long n = (long)kept();
            most = n > most ? n : most;
            usleep(20000);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%ld writes by %d processes in %.1f s (%.0f/s); at most %ld operations kept, %ld in the end\n", total, processes, seconds,
           (double)total / seconds, most, (long)kept());
    for (int i = 0; i < processes; i++) {
        char last[16];
        snprintf(last, sizeof last, "last%d", i);
        ck_assert_int_eq(attr(behind, study, last), total / processes);
    }
    tl_storage *fresh = kit_open(url);
    ck_assert_int_eq(attr(behind, study, "x"), attr(fresh, study, "x"));
    ck_assert_int_lt(most, KEPT_MOST);
    tl_storage_close(fresh);
    tl_storage_close(behind);
    kit_clean();
}
END_TEST

int main(int argc, char **argv)
{
    TCase *t = tcase_create("million");
    format = argc > 1 ? argv[1] : format;
    total = argc > 2 ? atol(argv[2]) : total;
    processes = argc > 3 ? atoi(argv[3]) : processes;
    tcase_set_timeout(t, 1000 + (double)total / 400); /* a busy machine, and a server, make a few hundred a second */
    tcase_add_test(t, a_million_writes);
    return check_run("million", t);
}
