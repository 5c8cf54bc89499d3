/* SPDX-License-Identifier: MIT
 *
 * Pruners inside the library: the object behind tl_pruner, the registry's makers, reading options, what several pruners share.
 */
#ifndef TL_PRUNER_H
#define TL_PRUNER_H

#include <pthread.h>

#include "base/base.h"
#include "base/map.h"
#include <trialog/pruner.h>

struct tl_pruner {
    struct tl_pruner_ops ops; /* members that the given table did not have are NULL */
    void *self;
};

/* ---- registry ---- */

/* Makers get options whose names were checked against the documentation table. */
typedef int pruner_maker(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err);
pruner_maker median_from_options, percentile_from_options, halving_from_options, hyperband_from_options,
    threshold_from_options, patient_from_options, wilcoxon_from_options;

/* Read an option; the value keeps what it was when the option is not given. Errors name the option and its range. */
int option_int(const struct tl_option *options, size_t n, const char *name, int64_t low, int64_t high, int64_t *out,
               struct tl_err *err);
int option_double(const struct tl_option *options, size_t n, const char *name, double low, double high, double *out,
                  struct tl_err *err);
/* A pruner of ours; `self` (may be NULL) is released when there is no memory. */
int pruner_make(const struct tl_pruner_ops *ops, void *self, tl_pruner **out, struct tl_err *err);

/* ---- what a pruner remembers of each study handle (memories.c) ---- */

struct memories {
    pthread_mutex_t lock; /* held while a memory is used */
    struct map64 of;      /* handle -> memory */
    void (*release)(void *memory);
};
bool memories_init(struct memories *m, void (*release)(void *memory)) TL_USE_RESULT;
void memories_release(struct memories *m);
/* Locks, and gives the handle's memory: `size` zeroed bytes at first. NULL: out of memory (and not locked). */
void *memories_enter(struct memories *m, uint64_t handle, size_t size);
void memories_leave(struct memories *m);
void memories_forget(struct memories *m, uint64_t handle);

/* How far a memory has read a study's rows. */
struct row_cursor {
    uint64_t epoch;
    bool started;
    size_t rows;
};
/* Is what was read still good? When not (the journal was replaced), the cursor begins anew and the caller forgets everything. */
bool row_cursor_holds(struct row_cursor *c, const tl_view *view);

/* ---- what several pruners share ---- */

/* Checks take place from `warmup` on, at the first report of each interval of steps. */
struct step_gate {
    int64_t warmup, interval;
};
bool step_gate_open(const struct step_gate *g, const struct tl_prune_context *c);
int step_gate_options(struct step_gate *g, const struct tl_option *options, size_t n, struct tl_err *err);

static inline bool prune_maximizes(const struct tl_prune_context *c)
{
    size_t n;
    const enum tl_direction *d = tl_view_directions(c->view, &n);
    return n > 0 && d[0] == TL_MAXIMIZE;
}

#endif
