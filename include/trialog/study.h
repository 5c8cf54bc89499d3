/* SPDX-License-Identifier: MIT
 *
 * Studies: create, load, ask and tell, the queue, the best trials, and the optimisation loop.
 */
#ifndef TRIALOG_STUDY_H
#define TRIALOG_STUDY_H

#include <trialog/pruner.h>
#include <trialog/sampler.h>
#include <trialog/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tl_study_options {
    size_t size; /* sizeof(struct tl_study_options) */
    const enum tl_direction *directions; /* NULL: one objective, minimise */
    size_t n_directions;
    bool load_if_exists; /* a study of this name is loaded; its directions must then be equal or left out here */
    bool maximize;       /* shorthand for one objective to maximise when `directions` is NULL */
    tl_sampler *sampler; /* borrowed until tl_study_free; NULL: TPE with a seed of its own */
    tl_pruner *pruner;   /* borrowed until tl_study_free; NULL: never prunes */
};
#define TL_STUDY_OPTIONS_INIT {sizeof(struct tl_study_options), NULL, 0, false, false, NULL, NULL}

/* `name` NULL: "no-name-" and a UUID. `options` may be NULL. `*out`: owned by the caller, free with tl_study_free; the storage must
 * outlive it. Errors: TL_EEXISTS, TL_EINVAL (other directions than the study that is loaded). */
int tl_study_create(tl_storage *storage, const char *name, const struct tl_study_options *options, tl_study **out,
                    struct tl_err *err);
/* Directions in the options are checked when given. Errors: TL_ENOTFOUND, TL_EINVAL. */
int tl_study_load(tl_storage *storage, const char *name, const struct tl_study_options *options, tl_study **out,
                  struct tl_err *err);
void tl_study_free(tl_study *study);
int tl_study_delete(tl_storage *storage, const char *name, struct tl_err *err);
/* Copies a study with all its trials, attributes and times to another storage (or the same under another name); unfinished
 * trials are copied as they are, trial numbers stay. `to_name` NULL: the same name. After an error the copy is taken away again
 * where that is possible. Errors: TL_ENOTFOUND, TL_EEXISTS, TL_EUNAVAILABLE (somebody added trials to the unfinished copy). */
int tl_study_copy(tl_storage *from, const char *name, tl_storage *to, const char *to_name, struct tl_err *err);

int64_t tl_study_id(const tl_study *study);
const char *tl_study_name(const tl_study *study);
tl_storage *tl_study_storage(const tl_study *study);
size_t tl_study_n_directions(const tl_study *study); /* number of objectives */
int tl_study_set_attr(tl_study *study, enum tl_attr_kind kind, const char *key, const char *json, struct tl_err *err);
/* A fresh view; free with tl_view_close. */
int tl_study_view(tl_study *study, tl_view **out, struct tl_err *err);
/* Number and value of the best trial, either of which may be NULL; TL_ENOTFOUND when no trial is COMPLETE (and feasible),
 * TL_EINVAL with several objectives. */
int tl_study_best(tl_study *study, int64_t *number, double *value, struct tl_err *err);

struct tl_ask_options {
    size_t size;
    /* Define-and-run: these parameters are chosen before the trial is created and travel with it in one operation. (On databases those
     * whose values depend on the trial's number are chosen after it, and written as trialog/storage.h, WAITING WRITES, says.) */
    const struct tl_param_spec *space; /* `internal` is ignored */
    size_t n_space;
    /* The study's budget: a trial is only begun (created, or taken from the queue) while fewer than `budget` trials count:
     * running and finished ones; FAIL ones not when refund_failed. 0: no limit. Decided under the journal's lock, so that all
     * workers together meet it exactly. TL_EEXHAUSTED when it is used up. */
    uint64_t budget;
    bool refund_failed;
};
#define TL_ASK_OPTIONS_INIT {sizeof(struct tl_ask_options), NULL, 0, 0, false}

/* The next trial: the oldest WAITING one if there is any, else a new one. Trials of workers that are lost are failed first, when a look
 * is due (trialog/storage.h, LEASES). `options` may be NULL. `*out`: owned by the caller, end
 * it with tl_study_tell or tl_trial_free (which leaves it RUNNING). Blocks for one append; a second one follows when a trial of
 * the queue does not fix all of the space. Errors: TL_EEXHAUSTED (grid or budget used up), TL_EINCOMPATIBLE (a parameter of the space). */
int tl_study_ask(tl_study *study, const struct tl_ask_options *options, tl_trial **out, struct tl_err *err);

/* Ends a trial and frees it; after an error it is still there: call again or tl_trial_free. `state` COMPLETE wants one value per
 * objective; a NaN or a wrong number of values makes it FAIL (`*final`, may be NULL, says what it became). PRUNED and FAIL come
 * without values; a PRUNED one takes the value of its highest step. Errors: TL_EFINISHED (ended elsewhere, or too late:
 * its worker's lease had run out, and the message says so), TL_EINVAL. */
int tl_study_tell(tl_study *study, tl_trial *trial, enum tl_state state, const double *values, size_t n_values,
                  enum tl_state *final, struct tl_err *err);
/* The same by number, for a trial asked elsewhere. skip_if_finished: a finished trial is no error, and `*final` its state. */
int tl_study_tell_number(tl_study *study, int64_t number, enum tl_state state, const double *values, size_t n_values,
                         bool skip_if_finished, enum tl_state *final, struct tl_err *err);

/* Asks the study's pruner about a trial that runs elsewhere; see tl_trial_should_prune. Errors: TL_ENOTFOUND (no such trial),
 * TL_EFINISHED. */
int tl_study_should_prune(tl_study *study, int64_t number, bool *prune, struct tl_err *err);

/* Puts a trial into the queue with some parameters fixed (external values, copied). `user_attrs` may be NULL. skip_if_exists:
 * nothing happens when there is a trial already whose fixed parameters, or whose parameters when none were fixed, are the same
 * names with equal values (numbers equal to 1e-5 of their size, as in Optuna), decided under the lock; `*number` is -1 then.
 * `number` may be NULL. */
struct tl_fixed_param {
    const char *name;
    struct tl_value value;
};
int tl_study_enqueue(tl_study *study, const struct tl_fixed_param *params, size_t n_params,
                     const struct tl_attr_spec *user_attrs, size_t n_attrs, bool skip_if_exists, int64_t *number,
                     struct tl_err *err);
/* Adds a trial that ran elsewhere; `spec->state` says how it ended. Stricter than tl_storage_create_trial: COMPLETE wants one
 * value per objective and no NaN, FAIL none, and parameters lie inside their distributions: TL_EINVAL. `number` may be NULL. */
int tl_study_add_trial(tl_study *study, const struct tl_trial_spec *spec, int64_t *number, struct tl_err *err);

/* The objective: puts its values into `values` (one per objective; NaN before the call) and returns 0; TL_PRUNE when it stopped
 * because tl_trial_should_prune said so; anything else records the trial as FAIL. */
#define TL_PRUNE 1
typedef int tl_objective(tl_trial *trial, double *values, void *ctx);

struct tl_optimize_options {
    size_t size;
    uint64_t n_trials;   /* of this call; 0: no limit */
    uint64_t budget;     /* of the study over all workers; 0: no limit; see tl_ask_options */
    bool refund_failed;
    int64_t timeout_ms;  /* no new trial is started after it; 0: no limit */
    unsigned n_threads;  /* 0: 1 */
    /* After each trial of this call, one at a time, in the thread that ran it. Non-zero stops the loop like tl_study_stop. */
    int (*callback)(tl_study *study, int64_t number, enum tl_state state, const double *values, size_t n_values, void *ctx);
    void *callback_ctx;
    /* When nothing is left to begin (grid or budget used up) but trials still run, here or elsewhere: wait for them, because one
     * that fails may free its cell or its place in the budget. Returns when nothing runs, at the timeout, or when stopped. */
    bool wait;
};
#define TL_OPTIMIZE_OPTIONS_INIT {sizeof(struct tl_optimize_options), 0, 0, false, 0, 0, NULL, NULL, false}
/* Runs trials until a limit is reached, the sampler has nothing left, or tl_study_stop is called. `options` may be NULL. A storage
 * error ends it and is returned after the running trials ended; failed objectives are no error, nor are trials that somebody else
 * ended meanwhile (because the lease of this process had run out, say): that is logged, and the loop goes on. */
int tl_study_optimize(tl_study *study, tl_objective *objective, void *ctx, const struct tl_optimize_options *options,
                      struct tl_err *err);
/* From any thread, callback or signal handler: running trials finish, no new one starts. When no tl_study_optimize runs, the next
 * one returns at once. */
void tl_study_stop(tl_study *study);

#ifdef __cplusplus
}
#endif
#endif
