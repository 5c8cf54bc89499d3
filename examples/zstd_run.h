/* SPDX-License-Identifier: MIT
 *
 * Runs zstd on one thread and measures it: bytes written, and processor time of the child (user and system, from wait4).
 *
 * The question here is always the same: how small, in no more processor time than a known setting (the reference) takes? Times
 * vary from run to run, more so on a busy machine. So a setting that would win is compared in turns with the reference, and
 * the median of the ratios decides; for all others one run is enough.
 */
#ifndef ZSTD_RUN_H
#define ZSTD_RUN_H

#include <stdint.h>

struct zstd_run {
    int64_t cpu_us;
    int64_t size;
    int cut; /* ended early, far above the limit: size means nothing */
};

/* Compresses `file` once with one option: "--zstd=strategy=4,wlog=21" or "-6". A run that takes more than 4/3 of `limit_us` is
 * ended; 0: no limit. Returns 0, or -1 after saying on standard error what went wrong. */
int zstd_run(const char *file, const char *option, int64_t limit_us, struct zstd_run *run);

struct zstd_reference {
    const char *option; /* "-6" */
    int64_t cpu_us, size;
};
/* Measures the reference: the median of several runs. */
int zstd_measure_reference(const char *file, struct zstd_reference *reference);

/* How a setting compares with the reference. */
struct zstd_score {
    struct zstd_run run; /* the first run */
    double time;         /* processor time as a part of the reference's; 1 is just within the limit */
    double value;        /* to minimise: size while time <= 1, else the reference's size * time: worse than the reference */
};
int zstd_compare(const char *file, const char *option, const struct zstd_reference *reference, struct zstd_score *score);

#endif
