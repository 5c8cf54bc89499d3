/* SPDX-License-Identifier: MIT
 *
 * No quadratic path: writes journals of N and 2N operations of five awkward kinds, opens each, prints time(2N) / time(N) in processor time. Each is
 * opened several times; the median counts.
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

#define RUNS 5
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
    for (long i = 0; i < n; i++)
        fprintf(f, "{\"op_code\":7," HEAD "\"trial_id\":0,\"step\":%ld,\"intermediate_value\":%ld.25}\n", i, i % 97);
    finish(f, 0);
}

static void one_attribute(FILE *f, long n)
{
    study(f);
    create(f);
    for (long i = 0; i < n; i++)
        fprintf(f, "{\"op_code\":8," HEAD "\"trial_id\":0,\"user_attr\":{\"progress\":%ld}}\n", i);
}

static void many_studies(FILE *f, long n)
{
    for (long i = 0; i < n; i++)
        fprintf(f, "{\"op_code\":0," HEAD "\"study_name\":\"study-%ld\",\"directions\":[1]}\n", i);
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

static double median_open(const char *path)
{
    double times[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct tl_err err = TL_ERR_INIT;
        struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
        tl_storage *st;
        o.no_snapshot = true;
        double start = now();
        if (tl_storage_open(path, &o, &st, &err) != TL_OK) {
            fprintf(stderr, "bench_scaling: %s\n", err.message);
            exit(1);
        }
        times[i] = now() - start;
        tl_storage_close(st);
    }
    qsort(times, RUNS, sizeof times[0], by_size);
    return times[RUNS / 2];
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    long n = argc > 2 ? atol(argv[2]) : 500000;
    printf("| %-28s | N = %ld, s | 2N, s | ratio |\n|---|---|---|---|\n", "case", n);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double t[2];
        for (int k = 0; k < 2; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/scaling-%zu-%d.log", argv[1], c, k);
            FILE *f = fopen(path, "w");
            if (!f) {
                perror(path);
                return 1;
            }
            cases[c].write(f, n << k);
            fclose(f);
            t[k] = median_open(path);
            unlink(path);
        }
        printf("| %-28s | %.3f | %.3f | %.2f |\n", cases[c].name, t[0], t[1], t[1] / t[0]);
        fflush(stdout);
    }
    return 0;
}
