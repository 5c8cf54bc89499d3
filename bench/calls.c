/* SPDX-License-Identifier: MIT
 *
 * Calls of one client on any storage, each acknowledged before the next: per trial one create, 5 parameters, 5 reports, 2 attributes, one end.
 * And the first look at a study: open, then read every trial.
 *
 *   bench_calls STORAGE STUDY TRIALS     prints {"calls": N, "seconds": S, "cpu": S}
 *   bench_calls STORAGE STUDY read       prints {"trials": N, "seconds": S, "cpu": S}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <trialog/trialog.h>

static struct tl_err err = TL_ERR_INIT;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process, user and system. */
static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void must(int rc)
{
    if (rc != TL_OK) {
        fprintf(stderr, "bench_calls: %s\n", err.message);
        exit(1);
    }
}

static long one_trial(tl_storage *s, int64_t study, long i)
{
    const struct tl_dist range = TL_FLOAT_RANGE(-10, 10);
    int64_t id, number;
    char name[16];
    double value = (double)(i % 1000);
    long calls = 2;
    must(tl_storage_create_trial(s, study, NULL, &id, &number, &err));
    for (int k = 0; k < 5; k++, calls++) {
        snprintf(name, sizeof name, "x%d", k);
        must(tl_storage_set_param(s, id, name, (double)k + 0.25, &range, &err));
    }
    for (int k = 0; k < 5; k++, calls++) {
        must(tl_storage_report(s, id, k, value + k, &err));
    }
    for (int k = 0; k < 2; k++, calls++) {
        snprintf(name, sizeof name, "attr%d", k);
        must(tl_storage_set_trial_attr(s, id, TL_ATTR_USER, name, "\"value\"", &err));
    }
    must(tl_storage_set_state(s, id, TL_COMPLETE, &value, 1, NULL, &err));
    return calls;
}

static void calls(const char *url, const char *name, long trials)
{
    static const enum tl_direction minimize[] = {TL_MINIMIZE};
    tl_storage *s;
    int64_t study;
    must(tl_storage_open(url, NULL, &s, &err));
    must(tl_storage_create_study(s, name, minimize, 1, &study, &err));
    long done = 0;
    double start = now(), used = cpu();
    for (long i = 0; i < trials; i++) {
        done += one_trial(s, study, i);
    }
    printf("{\"calls\":%ld,\"seconds\":%.6f,\"cpu\":%.6f}\n", done, now() - start, cpu() - used);
    tl_storage_close(s);
}

static void read_all(const char *url, const char *name)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    double start = now(), used = cpu();
    tl_storage *s;
    tl_view *view;
    int64_t study;
    must(tl_storage_open(url, NULL, &s, &err));
    must(tl_storage_find_study(s, name, &study, &err));
    must(tl_view_open(s, study, false, &view, &err));
    size_t n = tl_view_n_trials(view);
    for (size_t i = 0; i < n; i++) {
        must(tl_view_trial(view, (int64_t)i, &t, &err));
    }
    printf("{\"trials\":%zu,\"seconds\":%.6f,\"cpu\":%.6f}\n", n, now() - start, cpu() - used);
    tl_frozen_release(&t);
    tl_view_close(view);
    tl_storage_close(s);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    if (strcmp(argv[3], "read") == 0) {
        read_all(argv[1], argv[2]);
    } else {
        calls(argv[1], argv[2], atol(argv[3]));
    }
    return 0;
}
