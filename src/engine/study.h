/* SPDX-License-Identifier: MIT
 *
 * The inside of studies and trials, for study.c, ask.c, queue.c, trial.c, optimize.c and copy.c.
 */
#ifndef TL_ENGINE_STUDY_H
#define TL_ENGINE_STUDY_H

#include <stdatomic.h>

#include "engine/ops.h"
#include "pruner/pruner.h"
#include "sampler/sampler.h"
#include <trialog/trial.h>

struct tl_study {
    tl_storage *storage;
    int64_t id;
    char *name;
    enum tl_direction *directions;
    size_t n_directions;
    tl_sampler *sampler;
    bool own_sampler; /* made by us: freed with the study */
    tl_pruner *pruner; /* NULL: never prunes */
    uint64_t handle;   /* unique in the process */
    atomic_int stop;
    atomic_uint loops; /* tl_study_optimize calls under way */
};

/* A parameter fixed in advance. */
struct fixed {
    struct str name;
    struct tl_value value;
};
struct fixed_list {
    struct fixed *items; /* on the heap; texts in the arena that was given */
    size_t n, cap;
};
int fixed_add(struct fixed_list *list, struct str name, const struct tl_value *value, struct arena *a, struct tl_err *err);
/* Reads the attribute `fixed_params`, an object of external values. */
int fixed_read(struct fixed_list *list, struct str json, struct arena *a, struct tl_err *err);
const struct fixed *fixed_find(const struct fixed_list *list, struct str name);

/* What a trial reported, and what pruners want to know of it at every report (prune.c). */
struct trial_reports {
    struct tl_report *items;
    struct tl_report_range *ranges; /* ranges[i]: over items 0 … i */
    size_t n, cap, cap_ranges;
    struct map64 steps; /* step -> index in items; steps below 0 are not in it */
    struct report_facts {
        size_t last;           /* index of the highest step */
        int64_t previous_step; /* the highest of the others, -1 for none */
        bool descended;        /* some step is not higher than the one before it */
    } facts;
};
int reports_add(struct trial_reports *r, int64_t step, double value, struct tl_err *err);
/* Takes the last one back; `facts` are those from before it. */
void reports_drop(struct trial_reports *r, const struct report_facts *facts);
void reports_release(struct trial_reports *r);

/* A sampler's joint proposal. */
struct relative {
    struct param *list; /* on the heap */
    size_t n, cap;
    struct intern names; /* number: index in the list */
};
void relative_release(struct relative *r);
const struct param *relative_find(const struct relative *r, struct str name); /* NULL: not proposed */

struct tl_trial {
    tl_study *study;
    int64_t id, number;
    struct arena memory; /* of names, distributions, fixed values */

    /* suggested so far; those from n_written on wait for the next append */
    struct param *params;
    size_t n_params, n_written, cap_params;
    struct intern names; /* every name ever suggested … */
    uint32_t *slots;     /* … and its index in params, INTERN_NONE when it was forgotten again */
    size_t cap_slots;

    struct fixed_list fixed;
    bool asked_relative;
    bool unpublished; /* the sampler's joint proposal is written right away: nobody needs to be told of it before */
    struct relative relative; /* what the sampler proposed jointly */
    tl_view *view; /* for a sampler that looks at the study; taken at the first need */

    struct trial_reports reports;

    struct commit commit; /* reused, so that a report allocates nothing */
};

tl_trial *trial_new(tl_study *study); /* NULL: out of memory */
/* Takes in what the journal has of the trial already: fixed parameters, parameters, reports. TL_ENOTFOUND: it has finished. */
int trial_load(tl_trial *t, struct tl_err *err);
/* Adds a parameter that stands in the journal already or, when `waits`, will be written with the next append. */
int trial_add_param(tl_trial *t, const struct param *p, bool waits, struct tl_err *err);
/* What waits, as the front of an append. */
struct trial_write trial_waiting(const tl_trial *t);
/* What waits and `n` operations more, in one append. */
int trial_write_with(tl_trial *t, const struct op *ops, size_t n, struct tl_err *err);
/* Suggestions that wait in the handle become known to others: where the storage lets them wait (defer_ms), soon, else by an append. */
int trial_share(tl_trial *t, struct tl_err *err);
/* After an append that carried it and ended in `rc`: done, or, after TL_EINCOMPATIBLE, what does not fit is forgotten. Returns rc. */
int trial_wrote(tl_trial *t, const struct trial_write *w, const struct commit *c, int rc, struct tl_err *err);
/* What samplers get to see; takes the view when the sampler wants one. */
int trial_context(tl_trial *t, struct tl_sample_context *out, struct tl_err *err);

/* The sampler's proposal for one parameter at a given context, or a single value. `relative` may be NULL. */
int sample_param(const tl_sampler *sampler, const struct tl_sample_context *c, const struct param *p,
                 const struct param *relative, double *internal, struct tl_err *err);
/* Collects what the sampler proposes jointly, memory of the parameters from the arena. `attrs`: what others are to be told of it
 * before the trial has these parameters; NULL: nothing. `out` is to be released in any case. */
int sample_relative(const tl_sampler *sampler, const struct tl_sample_context *c, struct arena *a, struct relative *out,
                    struct attr_list *attrs, struct tl_err *err);
/* A trial as one create-trial operation with everything it has; lists are allocated in the arena, texts borrowed from the trial
 * (but attributes copied). The caller fills in study and worker. (copy.c) */
int copy_trial(const struct tl_frozen_trial *t, struct op *op, struct arena *a, struct tl_err *err);

#endif
