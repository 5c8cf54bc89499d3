/* SPDX-License-Identifier: MIT
 *
 * A life of a journal through the public API, step by step: open, create, ask, report, tell, queue, views, snapshot, replay. Sweeps
 * run it once for each place where something can fail. Every step can be repeated after a definite error, on the same handle;
 * after TL_EUNKNOWN the handles are opened anew, the journal is asked whether the operation landed, and only if it did not the step
 * is repeated. So whatever failed, the end must be that of a run without faults.
 */
#ifndef ENGINE_SCENARIO_H
#define ENGINE_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

struct scenario_result {
    int failures;                                    /* steps that returned an error */
    int no_memory, unknown, landed, poisoned, other; /* of these; `landed` of the unknown ones */
    int requeued;                                    /* trials taken from the queue and given up */
    int dishonest; /* definite errors of a single append that left something in the journal */
    const char *dishonest_step;
    int last_code;     /* the last step's error, TL_OK when none failed */
    char problem[600]; /* what went wrong for good; empty when all is well */
    char end[65536];   /* what stands in the journal at the end, without times */
};

/* Runs the scenario on a journal that does not exist yet. `calm` is called after each failed step, before it is repeated: it ends
 * the fault. `may_fail(code)` says whether such an error is one that the fault may cause. */
void scenario_run(const char *path, void (*calm)(void), bool (*may_fail)(int code),
                  struct scenario_result *out);

/* Removes the journal and what lies beside it. Returns how many lock files were left behind. */
int scenario_clean(const char *path);

#endif
