/* SPDX-License-Identifier: MIT
 *
 * The n-th system call of a study's whole life fails, seen through the public API: for every kind of call, every n to
 * completion, once and for ever, with and without effect, on a disk that forgets what it could not write.
 *
 * Whatever fails: no step is "done" whose data was dropped, TL_EUNKNOWN names the operation and tl_storage_landed tells the truth
 * about it to a handle opened anew, repeating what did not land leads to the same end as a run without faults, and no lock file is
 * left where its removal did not fail.
 * Usage: engine_faults [local|network] [one kind]
 */
#include "engine_scenario.h"
#include "fault_os.h"

#include <trialog/error.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64] = "/tmp/trialog-faults-XXXXXX", path[96];
static struct scenario_result plain, now;
static long points, runs, errors, unknown, landed, poisoned;
static bool network;

static bool may_fail(int code)
{
    return code == TL_EIO || code == TL_ENOSPC || code == TL_EUNKNOWN || code == TL_EPOISONED ||
           code == TL_EUNAVAILABLE || code == TL_EACCESS || code == TL_ELOCKED;
}

/* Where removing a lock may fail, one may stay. */
static bool may_leave_lock(enum fault_kind kind)
{
    return kind == FAULT_rename || kind == FAULT_unlink || kind == FAULT_readlink || kind == FAULT_stat ||
           kind == FAULT_symlink || kind == FAULT_link || kind == FAULT_open ||
           kind ==
               FAULT_lock; /* one that was left for the next process is only removed under the kernel lock */
}

static bool run_one(const struct fault_plan *plan)
{
    if (plan->disk != FAULT_DISK_KEEPS) {
        FILE *f = fopen(path, "w"); /* what the disk forgets must be known to it */
        if (f) {
            fclose(f);
        }
    }
    fault_begin(plan, path);
    scenario_run(path, fault_disarm, may_fail, &now);
    bool fired = fault_fired();
    int locks = scenario_clean(path);
    runs++;
    errors += now.failures;
    unknown += now.unknown;
    landed += now.landed;
    poisoned += now.poisoned;
    if (!now.problem[0] && strcmp(now.end, plain.end) != 0) {
        snprintf(now.problem, sizeof now.problem, "another end:\n%.280s\ninstead of\n%.280s", now.end,
                 plain.end);
    }
    if (!now.problem[0] && now.dishonest && plan->kind != FAULT_truncate) {
        snprintf(now.problem, sizeof now.problem, "%s: a definite error, but it had written",
                 now.dishonest_step);
    }
    if (!now.problem[0] && locks > 0 && !may_leave_lock(plan->kind)) {
        snprintf(now.problem, sizeof now.problem, "%d lock files left behind", locks);
    }
    if (now.problem[0]) {
        printf("FAILED: call %ld of %s fails with errno %d, %s, effect %d, disk %d, %s: %s\n", plan->at,
               fault_names[plan->kind], plan->sys, plan->sticky ? "for ever" : "once", (int)plan->effect,
               (int)plan->disk, plan->network ? "network" : "local", now.problem);
        exit(1);
    }
    return fired;
}

static void sweep(struct fault_plan plan)
{
    plan.network = network;
    for (plan.at = 1; run_one(&plan); plan.at++) {
        points++;
    }
}

static bool has_effect(enum fault_kind kind, enum fault_effect effect)
{
    bool moves_bytes = kind == FAULT_write || kind == FAULT_read || kind == FAULT_pread;
    return effect == FAULT_HALF ? kind == FAULT_write : effect == FAULT_SHORT ? moves_bytes : true;
}

static void sweep_kind(enum fault_kind kind)
{
    for (int effect = 0; effect < FAULT_N_EFFECTS; effect++) {
        for (int disk = 0; has_effect(kind, (enum fault_effect)effect) && disk <= (kind == FAULT_sync ? 2 : 0);
             disk++) {
            for (int sticky = 0; sticky < 2; sticky++) {
                sweep((struct fault_plan){.kind = kind,
                                          .sys = fault_errnos[kind][0],
                                          .sticky = sticky,
                                          .effect = (enum fault_effect)effect,
                                          .disk = (enum fault_disk)disk});
            }
        }
    }
    for (int i = 1; i < 5 && fault_errnos[kind][i] != 0; i++) {
        sweep((struct fault_plan){.kind = kind, .sys = fault_errnos[kind][i]});
    }
}

int main(int argc, char **argv)
{
    struct fault_plan none = {0};
    network = argc > 1 && strcmp(argv[1], "network") == 0;
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/journal.log", folder);
    none.network = network;
    fault_begin(&none, path);
    scenario_run(path, fault_disarm, may_fail, &plain);
    scenario_clean(path);
    if (plain.problem[0] || plain.failures) {
        printf("without a fault: %s\n", plain.problem);
        return 1;
    }
    for (int kind = 0; kind < FAULT_N_KINDS; kind++) {
        if (argc < 3 || strcmp(argv[2], fault_names[kind]) == 0) {
            sweep_kind((enum fault_kind)kind);
        }
    }
    fault_end();
    rmdir(folder);
    printf("engine_faults, %s: %ld failing calls in %ld runs: %ld errors, of these %ld of unknown outcome (%ld "
           "had landed) and %ld "
           "refusals of a closed handle; 0 done for dropped data, the same end each time\n",
           network ? "network" : "local", points, runs, errors, unknown, landed, poisoned);
    return 0;
}
