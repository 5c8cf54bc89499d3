/* SPDX-License-Identifier: MIT
 *
 * Out of memory at every allocation of a journal's life: the n-th one fails, once or with all that follow, for n = 1 until the
 * scenario passes without one. Each failure must be an error code, leave no memory, descriptor or lock behind, and the repeated step
 * must lead to the same end.
 */
#include "base/os.h"
#include "engine_scenario.h"

#include <trialog/trialog.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long left, blocks;
static atomic_bool fired;
static bool sticky;
static long requeued;

static bool fails(void)
{
    long now = atomic_fetch_sub(&left, 1);
    bool yes = now == 1 || (sticky && now < 1);
    if (yes) {
        atomic_store(&fired, true);
    }
    return yes;
}

static void *hook_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    if (fails()) {
        return NULL;
    }
    if (!old) {
        atomic_fetch_add(&blocks, 1);
    }
    return realloc(old, size ? size : 1);
}

static void *hook_alloc(size_t size, void *ctx)
{
    return hook_resize(NULL, size, ctx);
}

static void hook_release(void *old, void *ctx)
{
    (void)ctx;
    if (old) {
        atomic_fetch_sub(&blocks, 1);
    }
    free(old);
}

static void calm(void)
{
    atomic_store(&left, 1L << 40);
}

static bool may_fail(int code)
{
    return code == TL_ENOMEM || code == TL_EUNKNOWN;
}

static struct scenario_result plain, now;

/* Thousands of runs: the disk's time is not what is tested. */
static int quick_sync(int fd, bool data_only)
{
    (void)data_only;
    return fd < 0 ? -1 : 0;
}

/* Sweeps n; returns the number of places, or -1 with the reason printed. */
static long sweep(const char *path, bool for_ever, long *failures, long *unknown)
{
    sticky = for_ever;
    for (long n = 1;; n++) {
        atomic_store(&fired, false);
        atomic_store(&left, n);
        scenario_run(path, calm, may_fail, &now);
        int locks = scenario_clean(path);
        *failures += now.failures;
        *unknown += now.unknown;
        requeued += now.requeued;
        if (!now.problem[0] && now.dishonest) {
            snprintf(now.problem, sizeof now.problem, "%s failed and had written", now.dishonest_step);
        }
        if (!now.problem[0] && strcmp(now.end, plain.end) != 0) {
            snprintf(now.problem, sizeof now.problem, "another end:\n%.250s\ninstead of\n%.250s", now.end,
                     plain.end);
        }
        if (!now.problem[0] && atomic_load(&blocks) != 0) {
            snprintf(now.problem, sizeof now.problem, "%ld blocks leaked", atomic_load(&blocks));
        }
        if (!now.problem[0] && locks > 0) {
            snprintf(now.problem, sizeof now.problem, "%d lock files left behind", locks);
        }
        if (now.problem[0]) {
            printf("allocation %ld fails %s: %s\n", n, for_ever ? "and all later ones" : "once", now.problem);
            return -1;
        }
        if (!atomic_load(&fired)) {
            return n - 1;
        }
    }
}

int main(int argc, char **argv)
{
    bool sqlite = argc > 1 && strcmp(argv[1], "sqlite") == 0;
    char path[256] = "/tmp/trialog-oom-XXXXXX";
    long failures = 0, unknown = 0;
    if (!mkdtemp(path)) {
        return 1;
    }
    char folder[sizeof path];
    snprintf(folder, sizeof folder, "%s", path);
    snprintf(path, sizeof path, "%s%.200s/%s", sqlite ? "sqlite:///" : "", folder, sqlite ? "study.db" : "journal.log");
    struct os_table quick = os_system;
    quick.sync = quick_sync;
    os_use(&quick);
    tl_set_allocator(hook_alloc, hook_resize, hook_release, NULL);
    calm();
    scenario_run(path, calm, may_fail, &plain);
    scenario_clean(path);
    if (plain.problem[0] || plain.failures) {
        printf("without a fault: %s\n", plain.problem);
        return 1;
    }
    long once = sweep(path, false, &failures, &unknown);
    long for_ever = once < 0 ? -1 : sweep(path, true, &failures, &unknown);
    scenario_clean(path);
    rmdir(folder);
    if (for_ever < 0) {
        return 1;
    }
    printf("out of memory: %ld allocations failed once, %ld for ever: %ld errors (%ld of unknown outcome), 0 "
           "crashes, 0 leaks, 0 locks "
           "left, the same end each time (%ld times a queued trial had to be queued again)\n",
           once, for_ever, failures, unknown, requeued);
    return 0;
}
