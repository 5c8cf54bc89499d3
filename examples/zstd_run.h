/* SPDX-License-Identifier: MIT
 *
 * Runs zstd on one thread and measures it: bytes written, and processor time of the child (user and system, from wait4).
 */
#ifndef ZSTD_RUN_H
#define ZSTD_RUN_H

#include <stdint.h>

struct zstd_run {
    int64_t cpu_us;
    int64_t size;
    int cut; /* ended early, at 4/3 of the limit */
};

/* Compresses `file` with one option: "--zstd=strategy=4,wlog=21" or "-6". `limit_us` is the processor time allowed, 0 for any:
 * a run that is far over it is ended. The median of up to `n_runs` runs (at most 9); fewer when the first one is far from the
 * limit. Returns 0, or -1 after saying on standard error what went wrong. */
int zstd_measure(const char *file, const char *option, int64_t limit_us, int n_runs, struct zstd_run *median);

/* The value to minimise: the size in bytes within the limit; above it `file_size` * time / limit, which no size reaches and
 * which grows with the time. A run that was ended counts with the time it had by then. */
double zstd_value(const struct zstd_run *run, int64_t limit_us, int64_t file_size);

#endif
