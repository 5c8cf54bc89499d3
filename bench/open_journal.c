/* SPDX-License-Identifier: MIT
 *
 * Opens a journal, names the best trial of its only study, prints one line of JSON with the time and the peak memory. Used by
 * bench.py beside the same job in Optuna.
 *
 *   open_journal PATH [no-snapshot|snapshot|write-snapshot]
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <trialog/trialog.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Peak of resident memory of this program alone, mapped pages included (VmHWM, in KiB). */
static long peak_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

static int first_study(void *ctx, int64_t id, const char *name)
{
    (void)name;
    *(int64_t *)ctx = id;
    return 1;
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    const char *mode = argc > 2 ? argv[2] : "no-snapshot";
    tl_storage *st;
    tl_view *v;
    int64_t study = -1;
    if (argc < 2) {
        return 2;
    }
    o.no_snapshot = strcmp(mode, "no-snapshot") == 0;
    o.read_only = strcmp(mode, "snapshot") == 0;
    double start = now();
    if (tl_storage_open(argv[1], &o, &st, &err) != TL_OK || tl_storage_each_study(st, first_study, &study, &err) < 0 ||
        tl_view_open(st, study, false, &v, &err) != TL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int64_t best = tl_view_best(v);
    double seconds = now() - start;
    struct tl_storage_stats stats;
    tl_storage_get_stats(st, &stats);
    printf("{\"seconds\":%.6f,\"peak_kib\":%ld,\"trials\":%zu,\"best\":%" PRId64 ",\"from_snapshot\":%" PRIu64 "}\n", seconds,
           peak_kib(), tl_view_n_trials(v), best, stats.snapshot_seq);
    tl_view_close(v);
    tl_storage_close(st);
    return 0;
}
