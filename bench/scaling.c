/* SPDX-License-Identifier: MIT
 *
 * No quadratic path: writes journals of N and 2N operations of five awkward kinds and opens them in turns. Prints the medians, in
 * processor time, and the median of time(2N) / time(N) of neighbours: both halves of a ratio saw the same machine. What other
 * programs take of caches and memory still shows; instructions (valgrind --tool=callgrind) are in a ratio of 2.00.
 *
 *   bench_scaling FOLDER [N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <trialog/trialog.h>

#define RUNS 7
#define HEAD "\"worker_id\":\"w\","
#define FLOAT_DIST                                                                                           \
    "\"{\\\"name\\\": \\\"FloatDistribution\\\", \\\"attributes\\\": {\\\"step\\\": null, \\\"low\\\": 0.0, \\\"high\\\": 1.0, "           \
    "\\\"log\\\": false}}\""

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void study(FILE *f)
{
    fprintf(f, "{\"op_code\":0," HEAD "\"study_name\":\"s\",\"directions\":[1]}\n");
}

static void create(FILE *f)
{
    fprintf(f, "{\"op_code\":4," HEAD "\"study_id\":0,\"datetime_start\":\"2026-01-01T00:00:00.000000+00:00\"}\n");
}

static void finish(FILE *f, long trial)
{
    fprintf(f,
            "{\"op_code\":6," HEAD "\"trial_id\":%ld,\"state\":1,\"values\":[%ld.5],"
            "\"datetime_complete\":\"2026-01-01T00:00:01.000000+00:00\"}\n",
            trial, trial % 1000);
}

static void param(FILE *f, long trial, const char *name)
{
    fprintf(f,
            "{\"op_code\":5," HEAD "\"trial_id\":%ld,\"param_name\":\"%s\",\"param_value_internal\":0.5,\"distribution\":" FLOAT_DIST "}\n",
            trial, name);
}

static void many_reports(FILE *f, long n)
{
    study(f);
    create(f);
    for (long i = 0; i < n; i++) {
        fprintf(f, "{\"op_code\":7," HEAD "\"trial_id\":0,\"step\":%ld,\"intermediate_value\":%ld.25}\n", i, i % 97);
    }
    finish(f, 0);
}

static void one_attribute(FILE *f, long n)
{
    study(f);
    create(f);
    for (long i = 0; i < n; i++) {
        fprintf(f, "{\"op_code\":8," HEAD "\"trial_id\":0,\"user_attr\":{\"progress\":%ld}}\n", i);
    }
}

static void many_studies(FILE *f, long n)
{
    for (long i = 0; i < n; i++) {
        fprintf(f, "{\"op_code\":0," HEAD "\"study_name\":\"study-%ld\",\"directions\":[1]}\n", i);
    }
}

static void late_parameter(FILE *f, long n) /* the second parameter appears in the last trials only */
{
    study(f);
    for (long i = 0; i < n / 3; i++) {
        create(f);
        param(f, i, i < n / 3 - n / 30 ? "x" : "late");
        finish(f, i);
    }
}

static void zombie_trial(FILE *f, long n) /* trial 0 never ends */
{
    study(f);
    create(f);
    param(f, 0, "x");
    for (long i = 1; i < n / 3; i++) {
        create(f);
        param(f, i, "x");
        finish(f, i);
    }
}

static const struct {
    const char *name;
    void (*write)(FILE *f, long n);
} cases[] = {
    {"reports of one trial", many_reports},
    {"writes of one attribute", one_attribute},
    {"studies", many_studies},
    {"a parameter first seen late", late_parameter},
    {"a zombie trial", zombie_trial},
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *times)
{
    double sorted[RUNS];
    memcpy(sorted, times, sizeof sorted);
    qsort(sorted, RUNS, sizeof sorted[0], by_size);
    return sorted[RUNS / 2];
}

static double time_open(const char *path)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    tl_storage *st;
    o.no_snapshot = true;
    double start = now();
    if (tl_storage_open(path, &o, &st, &err) != TL_OK) {
        fprintf(stderr, "bench_scaling: %s\n", err.message);
        exit(1);
    }
    double taken = now() - start;
    tl_storage_close(st);
    return taken;
}

static void write_journal(size_t c, const char *path, long n)
{
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    cases[c].write(f, n);
    if (fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static void compare(size_t c, const char *folder, long n)
{
    char path[2][4096];
    double times[2][RUNS], ratios[RUNS];
    for (int k = 0; k < 2; k++) {
        snprintf(path[k], sizeof path[k], "%s/scaling-%zu-%d.log", folder, c, k);
        write_journal(c, path[k], n << k);
        time_open(path[k]); /* from now on it is in the page cache */
    }
    for (int i = 0; i < RUNS; i++) {
        for (int k = 0; k < 2; k++) {
            times[k][i] = time_open(path[k]);
        }
        ratios[i] = times[1][i] / times[0][i];
    }
    printf("| %-28s | %.3f | %.3f | %.2f |\n", cases[c].name, median(times[0]), median(times[1]), median(ratios));
    fflush(stdout);
    for (int k = 0; k < 2; k++) {
        unlink(path[k]);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return 2;
    }
    long n = argc > 2 ? atol(argv[2]) : 500000;
    printf("| %-28s | N = %ld, s | 2N, s | ratio |\n|---|---|---|---|\n", "case", n);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        compare(c, argv[1], n);
    }
    return 0;
}
