/* SPDX-License-Identifier: MIT
 *
 * The second program that `make demo` runs once per trial: as small as `zstd -19`, but in how little time? The job is a row of
 * files, each compressed by itself; after each one the trial reports how it does so far, and a pruner may stop it.
 *
 *   zstd_faster profile OPTION FILE...        what OPTION (-19) needs, a line for each file: "BYTES MICROSECONDS FILE"
 *   zstd_faster trial PROFILE NAME=VALUE...   a trial; PROFILE is a file with the lines above
 *   zstd_faster run PROFILE OPTION            one run of the job: "BYTES MICROSECONDS"
 *
 * A setting is as in zstd(1), --zstd: strategy=9 wlog=19 ... Its value, to minimise: while the files are in sum no larger than the
 * profile's, the processor time as a part of the profile's; otherwise above 1, and the more so the larger they are.
 * Exit status: 0, 1 when zstd failed, 2 for a wrong call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zstd_run.h"

#define RUNS       3 /* odd */
#define FILES_MOST 64
#define LIMIT      3 /* a file may take this many times the profile's time, and then some */

struct job {
    char files[FILES_MOST][256];
    int64_t size[FILES_MOST], cpu_us[FILES_MOST];
    int n;
};

static int by_time(const void *a, const void *b)
{
    const struct zstd_run *x = a, *y = b;
    return (x->cpu_us > y->cpu_us) - (x->cpu_us < y->cpu_us);
}

/* The median time of several runs for each file. */
static int profile(const char *option, char **files, int n)
{
    for (int i = 0; i < n; i++) {
        struct zstd_run runs[RUNS];
        for (int k = 0; k < RUNS; k++) {
            if (zstd_run(files[i], option, 0, &runs[k]) != 0)
                return 1;
        }
        qsort(runs, RUNS, sizeof *runs, by_time);
        printf("%lld %lld %s\n", (long long)runs[RUNS / 2].size, (long long)runs[RUNS / 2].cpu_us, files[i]);
    }
    return 0;
}

static int read_profile(const char *path, struct job *job)
{
    FILE *f = fopen(path, "r");
    char line[512];
    job->n = 0;
    while (f && job->n < FILES_MOST && fgets(line, sizeof line, f)) {
        char *end;
        job->size[job->n] = strtoll(line, &end, 10);
        job->cpu_us[job->n] = strtoll(end, &end, 10);
        end += *end == ' ';
        end[strcspn(end, "\n")] = 0;
        if (job->size[job->n] <= 0 || job->cpu_us[job->n] <= 0 || strlen(end) >= sizeof job->files[0])
            break;
        snprintf(job->files[job->n++], sizeof job->files[0], "%s", end);
    }
    if (f)
        fclose(f);
    return job->n;
}

static double value_of(double size, double time)
{
    return size <= 1 ? time : 1 + 20 * (size - 1) + time / 10;
}

/* Runs the job; `report` says how it goes. */
static int run(const struct job *job, const char *option, int report)
{
    int64_t size = 0, cpu_us = 0, size_19 = 0, cpu_us_19 = 0;
    double value = 0;
    for (int i = 0; i < job->n; i++) {
        struct zstd_run one;
        if (zstd_run(job->files[i], option, LIMIT * job->cpu_us[i] + 50000, &one) != 0 || one.cut)
            return 1;
        size += one.size;
        cpu_us += one.cpu_us;
        size_19 += job->size[i];
        cpu_us_19 += job->cpu_us[i];
        value = value_of((double)size / (double)size_19, (double)cpu_us / (double)cpu_us_19);
        if (report && i + 1 < job->n) {
            printf("trialog-report %d %.5f\n", i + 1, value);
            fflush(stdout);
        }
    }
    if (report)
        printf("trialog-attr bytes %lld\ntrialog-attr cpu_us %lld\n%.5f\n", (long long)size, (long long)cpu_us, value);
    else
        printf("%lld %lld\n", (long long)size, (long long)cpu_us);
    return 0;
}

int main(int argc, char **argv)
{
    struct job job;
    char option[512] = "--zstd=";
    if (argc >= 4 && strcmp(argv[1], "profile") == 0)
        return profile(argv[2], argv + 3, argc - 3);
    if (argc == 4 && strcmp(argv[1], "run") == 0 && read_profile(argv[2], &job) > 0)
        return run(&job, argv[3], 0);
    if (argc < 4 || strcmp(argv[1], "trial") != 0 || read_profile(argv[2], &job) == 0) {
        fprintf(stderr, "usage: zstd_faster profile OPTION FILE...\n"
                        "       zstd_faster trial PROFILE NAME=VALUE...\n"
                        "       zstd_faster run PROFILE OPTION\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        size_t used = strlen(option);
        snprintf(option + used, sizeof option - used, "%s%s", i > 3 ? "," : "", argv[i]);
    }
    return run(&job, option, 1);
}
