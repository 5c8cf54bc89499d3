/* SPDX-License-Identifier: MIT
 *
 * The log of what a client called and what it was told, for history_worker.c and linear.py: a file of fixed records in shared memory,
 * so that a client that is killed in the middle of a call leaves a record without an end.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdint.h>

/* What was called. The comments say what goes into the record's fields a, b, c … before the call > after it. */
enum event {
    EVENT_NONE,
    EVENT_ASK,      /* a: budget, b: failed ones are given back > number: of the trial, c: x when it was queued with one */
    EVENT_ENQUEUE,  /* c: x, b: only if absent > number: of the trial, -1 */
    EVENT_REPORT,   /* number, a: step, c: value */
    EVENT_ATTR,     /* number, a: the key is "k" and this */
    EVENT_TELL,     /* number, a: state, c: value, b: by number > d: final state */
    EVENT_READ,     /* > seq, number: the best (-1), c: its value, a: trials, b: COMPLETE, d: RUNNING, e: WAITING */
    EVENT_BEST,     /* > number, c: value */
    EVENT_LOOK,     /* number > seq, a: state, b: last step (-1), c: its value */
};

struct record {
    int64_t begun_ns, ended_ns; /* monotonic; ended 0: it never returned */
    int32_t event, code;
    int64_t number, seq, a, b, d, e;
    double c;
    int64_t spare;
};

struct history_head {
    char magic[8]; /* "HISTORY" */
    uint64_t capacity;
    char worker[64];
    char spare[48];
};

#endif
