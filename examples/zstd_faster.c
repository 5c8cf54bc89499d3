/* SPDX-License-Identifier: MIT
 *
 * The second program that `make demo` runs once per trial: as small as `zstd -19`, but in how little time? The job is a row of
 * files, each compressed by itself; after each one the trial reports how it does so far, and a pruner may stop it.
 *
 *   zstd_faster profile FILE...               what -19 needs, a line for each file: "BYTES MICROSECONDS FILE"
 *   zstd_faster trial PROFILE NAME=VALUE...   a trial; PROFILE is a file with the lines above
 *   zstd_faster run PROFILE OPTION            one run of the job: "BYTES MICROSECONDS"
 *
 * A setting is as in zstd(1), --zstd: strategy=9 wlog=19 ... Its value, to minimise: while the files are in sum no larger than the
 * profile's, the processor time as a part of that of -19; otherwise above 1, and the more so the larger they are. Times vary, so
 * -19 runs once more after a setting that is small enough, and the two times are compared.
 * Exit status: 0, 1 when zstd failed, 2 for a wrong call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zstd_run.h"

#define REFERENCE  "-19"
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
static int profile(char **files, int n)
{
    for (int i = 0; i < n; i++) {
        struct zstd_run runs[RUNS];
        for (int k = 0; k < RUNS; k++) {
            if (zstd_run(files[i], REFERENCE, 0, &runs[k]) != 0) {
                return 1;
            }
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
        if (job->size[job->n] <= 0 || job->cpu_us[job->n] <= 0 || strlen(end) >= sizeof job->files[0]) {
            break;
        }
        snprintf(job->files[job->n++], sizeof job->files[0], "%s", end);
    }
    if (f) {
        fclose(f);
    }
    return job->n;
}

static double value_of(double size, double time)
{
    return size <= 1 ? time : 1 + 20 * (size - 1) + time / 10;
}

/* All files, one after the other. With `report`, says after each but the last how it goes. Returns 0 when zstd did its work. */
static int run(const struct job *job, const char *option, int report, struct zstd_run *all)
{
    int64_t size_19 = 0, cpu_us_19 = 0;
    *all = (struct zstd_run){0, 0, 0};
    for (int i = 0; i < job->n; i++) {
        struct zstd_run one;
        if (zstd_run(job->files[i], option, LIMIT * job->cpu_us[i] + 50000, &one) != 0 || one.cut) {
            return 1;
        }
        all->size += one.size;
        all->cpu_us += one.cpu_us;
        size_19 += job->size[i];
        cpu_us_19 += job->cpu_us[i];
        if (report && i + 1 < job->n) {
            printf("trialog-report %d %.5f\n", i + 1,
                   value_of((double)all->size / (double)size_19, (double)all->cpu_us / (double)cpu_us_19));
            fflush(stdout);
        }
    }
    return 0;
}

static int trial(const struct job *job, const char *option)
{
    struct zstd_run ours, theirs = {0, 0, 0};
    if (run(job, option, 1, &ours) != 0) {
        return 1;
    }
    for (int i = 0; i < job->n; i++) {
        theirs.size += job->size[i];
        theirs.cpu_us += job->cpu_us[i];
    }
    if (ours.size <= theirs.size && run(job, REFERENCE, 0, &theirs) != 0) {
        return 1;
    }
    printf("trialog-attr bytes %lld\ntrialog-attr cpu_us %lld\n", (long long)ours.size, (long long)ours.cpu_us);
    printf("%.5f\n", value_of((double)ours.size / (double)theirs.size, (double)ours.cpu_us / (double)theirs.cpu_us));
    return 0;
}

int main(int argc, char **argv)
{
    struct job job;
    struct zstd_run all;
    char option[512] = "--zstd=";
    if (argc >= 3 && strcmp(argv[1], "profile") == 0) {
        return profile(argv + 2, argc - 2);
    }
    if (argc == 4 && strcmp(argv[1], "run") == 0 && read_profile(argv[2], &job) > 0) {
        if (run(&job, argv[3], 0, &all) != 0) {
            return 1;
        }
        printf("%lld %lld\n", (long long)all.size, (long long)all.cpu_us);
        return 0;
    }
    if (argc < 4 || strcmp(argv[1], "trial") != 0 || read_profile(argv[2], &job) == 0) {
        fprintf(stderr, "usage: zstd_faster profile FILE...\n"
                        "       zstd_faster trial PROFILE NAME=VALUE...\n"
                        "       zstd_faster run PROFILE OPTION\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        size_t used = strlen(option);
        snprintf(option + used, sizeof option - used, "%s%s", i > 3 ? "," : "", argv[i]);
    }
    return trial(&job, option);
}
