/* SPDX-License-Identifier: MIT
 *
 * The state of a stream: what its operations mean. state_apply is the only code that changes a study, for every
 * backend, for snapshots and for tests; its rules equal Optuna's replay operation by operation.
 *
 * Shape. Names, workers and distributions are interned. A study keeps
 *  - finished trials as rows of columns, in the order in which they finished. Rows never change, so a reader that knows a
 *    row count reads all rows below it without a lock, while the one writer appends behind it;
 *  - unfinished trials as `live` records, whose lists only grow behind published counts;
 *  - facts kept up by apply: best trial, Pareto front, counts per state, waiting queue, intersection search space, first
 *    distribution of each parameter.
 *
 * Threads: one writer at a time (state_apply) under the owner's lock; columns and interned tables may be read without it
 * up to counts that were learnt under it. A state is freed when its last reference goes.
 */
#ifndef TL_STATE_H
#define TL_STATE_H

#include <stdatomic.h>

#include "base/map.h"
#include "base/svec.h"
#include "model/dist.h"
#include "model/op.h"

/* What an operation did. All but V_APPLIED changed nothing but the position. */
enum verdict {
    V_APPLIED,
    V_NOT_YOURS,    /* set RUNNING on a trial that is RUNNING already: somebody else has it */
    V_NOT_FOUND,
    V_FINISHED,
    V_EXISTS,       /* study name in use */
    V_INCOMPATIBLE, /* distribution */
    V_ODD,          /* an operation that every Optuna would choke on: unknown state, choice out of range, bad distribution */
    V_SKIPPED,      /* code 10 */
};
int verdict_code(enum verdict v); /* the TL_E… code its writer gets; 0 for V_APPLIED, V_NOT_YOURS, V_SKIPPED */

struct applied {
    enum verdict verdict;
    int64_t id; /* of the study or trial that was created or touched, -1 otherwise */
};

/* Times in columns: microseconds * 2 + naive flag; TIME_NONE for none. */
#define TIME_NONE INT64_MIN
static inline int64_t time_pack(struct tl_time t)
{
    return t.set ? t.us * 2 + (t.naive ? 1 : 0) : TIME_NONE;
}
static inline struct tl_time time_unpack(int64_t packed)
{
    struct tl_time t = {0, false, false};
    if (packed != TIME_NONE) {
        t.us = packed >> 1;
        t.set = true;
        t.naive = (packed & 1) != 0;
    }
    return t;
}

/* ---- lists that only grow: the parts of live trials and the attributes of studies ---- */

/* Entries are appended; a later entry for the same key replaces an earlier one. When more than half are replaced the
 * owner makes a new list, so the cost per write stays constant. Readers hold a reference and a count. */
struct param_entry {
    uint32_t name, dist;
    double internal;
    bool has_value;
};
struct attr_entry {
    uint32_t key;
    uint8_t kind; /* enum tl_attr_kind */
    struct str json;
};
struct report_entry {
    int64_t step;
    double value;
};
struct grow_list {
    atomic_int refs;
    size_t elem;
    struct svec entries;
    struct space bytes;   /* values of attributes */
    struct map64 latest;  /* key -> index of its newest entry; kept from the 9th entry on; the writer's own */
    size_t n_distinct;
};
struct list_ref { /* what a reader sees of a list: entries [0, n) */
    struct grow_list *list; /* NULL when empty */
    size_t n;
};

/* An unfinished trial. */
struct live_trial {
    int64_t id;
    uint32_t number;
    uint8_t state;
    uint32_t owner; /* interned worker whose operation made it RUNNING, INTERN_NONE for none */
    int64_t start, complete; /* packed */
    bool has_values;
    struct list_ref params, attrs, reports;
    size_t n_values;
    double *values; /* n_values; a block that is replaced, never changed (freed with the study) */
};

/* ---- finished trials ---- */

#define BLOCK 64u /* rows in a column block */
struct column_block {
    uint64_t present; /* bit i: row i of the block has the parameter */
    uint64_t all_present_dist; /* number of the distribution when all rows share it, else 0 and `dists` counts */
    uint32_t *dists;  /* BLOCK numbers or NULL */
    double values[BLOCK];
};
struct column {
    uint32_t name;
    struct svec blocks; /* struct column_block *, NULL where no row of the block has the parameter */
};

/* A finished trial's attributes and reports are runs in the study's `space`; see state_row.c for the bytes. */
struct row {
    uint32_t number;
    uint8_t state;
    bool has_values;
    uint16_t n_values;
    uint32_t owner;
    int64_t id;
    int64_t start, complete; /* packed */
    uint64_t values;  /* n_values > 1: offset in space of the doubles */
    double value;     /* n_values == 1 */
    uint64_t params;  /* offset of the order of parameters (count, then name numbers), 0: column order of the study's usual list */
    uint64_t attrs, reports; /* offsets, 0: none */
};

/* The equal distributions that all folded trials share. */
struct space_entry {
    uint32_t name, dist;
};
struct search_space {
    struct space_entry *entries; /* in the order of the first folded trial */
    size_t n;
    bool started; /* false: no trial folded yet */
};

struct study {
    atomic_int refs;
    int64_t id;
    bool deleted;
    struct str name; /* owned */
    uint8_t *directions;
    size_t n_directions;
    struct list_ref attrs;

    /* trials by number: row index, or LIVE_BIT | index into live */
    struct svec slots; /* _Atomic uint32_t */
    size_t n_trials;
    size_t counts[TL_N_STATES];

    struct svec rows;    /* struct row */
    struct svec columns; /* struct column, in the order in which parameters were first seen */
    struct map64 column_of; /* name -> index; the writer's own */
    struct space bytes;  /* runs of finished trials */

    struct live_trial **live; /* unfinished trials, in no order; index in slots */
    size_t n_live, cap_live;

    struct map64 first_dist; /* name -> number of the trial that fixes its kind << 32 | distribution */
    uint32_t *waiting;       /* a min-heap of numbers; entries that are no longer WAITING are dropped when met */
    size_t n_waiting, cap_waiting;

    int64_t best;            /* row of the best trial of a single objective, -1 for none */
    uint32_t *front;         /* rows of the Pareto front, ordered by the first objective */
    size_t n_front, cap_front;
    struct search_space complete_space, pruned_space; /* COMPLETE; COMPLETE and PRUNED */
    uint64_t version;        /* counts changes */
};
#define LIVE_BIT UINT32_C(0x80000000)

struct trial_place {
    uint32_t study, number;
};

struct state {
    atomic_int refs;
    uint64_t seq; /* operations applied: the position of the next one */
    struct intern names;   /* parameter names, attribute keys */
    struct intern workers; /* worker ids */
    struct svec worker_n;  /* uint64_t per worker: the highest n seen */
    struct dist_table dists;
    struct svec studies;   /* struct study *, by id; a deleted one keeps its place and trials */
    struct intern study_names;
    struct map64 study_by_name; /* interned name -> id of the study that has it now */
    size_t n_studies;      /* that are not deleted */
    struct svec trials;    /* struct trial_place, by trial id */
    uint64_t n_odd;        /* operations with V_ODD */
    bool broken;           /* an allocation failed in the middle of an apply: throw away and replay */
};

struct state *state_new(void); /* NULL: out of memory */
struct state *state_ref(struct state *s);
void state_unref(struct state *s);

/* Applies one operation and moves on by one position. 0, or TL_ENOMEM: then `broken` is set and the state must be rebuilt
 * from the log. `why` (may be NULL) gets the message that belongs to a verdict other than V_APPLIED. */
int state_apply(struct state *s, const struct op *op, struct applied *out, struct tl_err *why);
/* A line that cannot be applied (odd or broken): only the position moves, but a broken line that began as a create-trial
 * operation leaves a FAIL placeholder when `placeholder_study` >= 0, so that later ids hold. */
int state_skip(struct state *s, int64_t placeholder_study);

struct study *state_study(const struct state *s, int64_t id); /* NULL: unknown or deleted */
struct study *state_study_any(const struct state *s, int64_t id); /* deleted ones too */
struct study *state_study_by_name(const struct state *s, struct str name);
bool state_trial_place(const struct state *s, int64_t trial_id, struct study **study, uint32_t *number);
uint64_t state_worker_n(const struct state *s, struct str worker); /* 0: never seen */

/* Trials by number; exactly one of row and live comes back non-NULL. */
void study_trial(const struct study *st, uint32_t number, const struct row **row, const struct live_trial **live);
int study_trial_state(const struct study *st, uint32_t number);
/* Lowest numbered WAITING trial, -1 for none. */
int64_t study_first_waiting(struct study *st);
/* The distribution that fixes a parameter's kind, 0 for a name not seen in this study. */
uint32_t study_first_dist(const struct study *st, uint32_t name);
const struct column *study_column(const struct study *st, uint32_t name); /* NULL: no finished trial has it */

struct study *study_ref(struct study *st);
void study_unref(struct study *st);
void list_ref_drop(struct list_ref r);
struct list_ref list_ref_get(struct list_ref r); /* another reference */

#endif
