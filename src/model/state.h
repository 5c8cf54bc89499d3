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
enum list_kind { LIST_PARAMS, LIST_ATTRS, LIST_REPORTS };
struct grow_list {
    atomic_int refs;
    enum list_kind kind;
    struct svec entries;
    struct space bytes;   /* values of attributes */
    bool scattered;       /* keys did not come in ascending order; the writer's own, like the next two */
    struct map64 latest;  /* scattered: key -> index of its newest entry; only from the 9th entry on */
    size_t n_distinct;
    struct grow_list *next_free; /* in the state's pool */
};
struct list_ref { /* what a reader sees of a list: entries [0, n), of which `distinct` are not replaced by later ones */
    struct grow_list *list; /* NULL when empty */
    size_t n, distinct;
};

/* An unfinished trial. Readers hold copies of this struct with references to its lists. */
struct live_trial {
    int64_t id;
    uint32_t number;
    uint8_t state;
    bool has_values;
    uint32_t owner; /* interned worker whose operation made it RUNNING, INTERN_NONE for none */
    int64_t start, complete; /* packed */
    struct list_ref params, attrs, reports;
    const double *values; /* n_values, in the study's space: replaced, never changed */
    size_t n_values;
    uint64_t changes; /* operations applied to it since it was made, or read from an image */
};

/* ---- finished trials ---- */

#define BLOCK 64u /* rows in a column block */
struct column_block {
    _Atomic uint64_t present;   /* bit i: row i of the block has a value */
    _Atomic(uint32_t *) dists;  /* BLOCK numbers, or NULL when all rows share `dist` */
    uint32_t dist;              /* of the first row written; never changes */
    double values[BLOCK];
};
struct column {
    uint32_t name;
    atomic_size_t n_blocks;
    struct svec blocks; /* _Atomic(struct column_block *), NULL where no row of the block has the parameter */
};

/* Which parameters a trial has, in which order: shared by all trials that agree. Entry: index of the column, with SHAPE_NO_VALUE
 * when only the distribution is known. */
struct shape {
    uint64_t columns; /* offset of n column indexes in the study's `bytes` */
    uint32_t n;
    uint32_t hash;
};
#define SHAPE_NO_VALUE UINT32_C(0x80000000)

/* A finished trial. Attributes and reports are runs in the study's `bytes`; row.c knows their form. */
struct row {
    uint32_t number;
    uint8_t state;
    uint8_t has_values; /* 0 or 1 */
    uint16_t n_values; /* cut to 65,535 */
    uint32_t owner, shape;
    int64_t id;
    int64_t start, complete; /* packed */
    double value;    /* the first value */
    uint64_t values; /* n_values > 1: offset of the doubles */
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

/* Rows on the Pareto front, ordered by the first objective. Shared with views: copied before a change when somebody else
 * holds it. */
struct front {
    atomic_int refs;
    size_t n, cap;
    uint32_t rows[];
};

struct study {
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
    struct svec shapes;  /* struct shape */
    struct map64 shape_of; /* hash -> index of the newest shape with it; the writer's own */
    struct space bytes;  /* runs and shapes: never change once written */
    struct space blocks; /* column blocks */

    struct live_trial **live; /* unfinished trials, in no order; index in slots */
    size_t n_live, cap_live;

    struct map64 first_dist; /* name -> number of the trial that fixes its kind << 32 | distribution */
    uint32_t *waiting;       /* a min-heap of numbers; entries that are no longer WAITING are dropped when met */
    size_t n_waiting, cap_waiting;

    int64_t best;            /* row of the best trial of a single objective, -1 for none */
    struct front *front;     /* NULL when empty */
    struct search_space complete_space, pruned_space; /* COMPLETE; COMPLETE and PRUNED */
    uint64_t version;        /* counts changes */
};
#define LIVE_BIT UINT32_C(0x80000000)

struct trial_place {
    uint32_t study, number;
};

struct state {
    atomic_int refs;
    uint64_t epoch; /* unique in the process */
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
    struct grow_list *pool[3]; /* lists to reuse, per kind */
    uint32_t last_worker;     /* memo of the last worker looked up */
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

void front_drop(struct front *f); /* NULL is fine */

/* ---- lists (live.c) ---- */
/* Adds or replaces an entry; the list is made on first use. `json` of an attribute is copied. false: out of memory. */
bool list_put(struct state *s, struct list_ref *r, enum list_kind kind, const void *entry) TL_USE_RESULT;
/* Newest entry for a key, NULL when there is none: O(1). Writer only. */
const void *list_find(const struct list_ref *r, uint64_t key);
static inline uint64_t list_key_param(uint32_t name)
{
    return name;
}
static inline uint64_t list_key_attr(uint32_t key, unsigned kind)
{
    return (uint64_t)key * 2 + kind;
}
static inline uint64_t list_key_report(int64_t step)
{
    return (uint64_t)step;
}
/* The list as a reader wants it: newest entry of each key, in the order in which the keys first came. Entries are pointers into
 * the list; `out` has room for r->distinct. false: out of memory. */
bool list_collect(const struct list_ref *r, const void **out) TL_USE_RESULT;
struct list_ref list_ref_get(const struct list_ref *r); /* another reference */
void list_ref_drop(struct list_ref *r);
/* The writer is done with a list: kept for reuse when nobody else holds it. */
void list_recycle(struct state *s, struct list_ref *r);
void list_pool_release(struct state *s);

/* ---- rows (row.c) ---- */
/* For images: a column of its own for `name`, and its block of row 64 * index, both new. NULL: out of memory. */
struct column *column_restore(struct study *st, uint32_t name);
struct column_block *column_block_restore(struct study *st, struct column *c, size_t index, uint32_t dist, bool dists);
bool shape_restore(struct study *st, size_t index) TL_USE_RESULT; /* makes shape `index` findable */
/* Appends the row of a trial that has just finished (columns, runs); the lists of `t` are given up. false: out of memory (the
 * state is then broken). */
bool row_finish(struct state *s, struct study *st, struct live_trial *t) TL_USE_RESULT;
const struct column_block *column_block_at(const struct column *c, size_t index); /* NULL: no row of the block has it */
const double *row_values(const struct study *st, const struct row *r); /* NULL: none */
/* A walk over a row's attributes in order. */
struct attr_walk {
    const char *p;
    uint64_t left; /* how many are still to come */
};
struct attr_walk row_attrs(const struct study *st, const struct row *r);
bool attr_walk_next(struct attr_walk *w, struct attr_entry *out); /* false at the end */
size_t row_n_reports(const struct study *st, const struct row *r);
struct report_entry row_report(const struct study *st, const struct row *r, size_t i); /* O(1) */
bool row_report_at(const struct study *st, const struct row *r, int64_t step, double *value); /* false: none at this step */
bool row_last_report(const struct study *st, const struct row *r, struct report_entry *out); /* of the highest step; false: none */
/* Parameter `i` of the row's shape. */
size_t row_n_params(const struct study *st, const struct row *r);
struct param_entry row_param(const struct study *st, const struct row *r, size_t row_index, size_t i);

/* ---- facts (facts.c) ---- */
bool facts_finished(struct state *s, struct study *st, size_t row_index) TL_USE_RESULT; /* after a row was added */
bool facts_waiting(struct study *st, uint32_t number) TL_USE_RESULT;   /* a trial became WAITING */
bool row_feasible(const struct state *s, const struct study *st, const struct row *r);

#endif
