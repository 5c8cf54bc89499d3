/* SPDX-License-Identifier: MIT
 *
 * Building operations: checks of what callers hand in, parameters ready to be written, groups of operations for one trial. For
 * ops.c (operations by id) and for studies and trials above it.
 *
 * Everything that the replay rules would refuse is refused here, before it is written, on the state at the head of the journal: a
 * journal that only we write holds no rejected operation.
 */
#ifndef TL_OPS_H
#define TL_OPS_H

#include "engine/store.h"

#define JSON_TEXT_MAX (256u << 20) /* ceiling of one attribute's value, one distribution's text */

/* ---- checks of arguments ---- */

/* Not NULL and UTF-8. `what` is "parameter name", "attribute key" and the like. */
int check_name(const char *what, const char *name, struct tl_err *err);
/* One JSON value, in the journal's form: memory from the arena. `key` names it in the error. */
int check_json(const char *key, const char *json, struct arena *a, struct str *out, struct tl_err *err);
/* An attribute ready to be written: checked, memory from the arena. */
int attr_make(struct op_attr *out, const char *key, const char *json, struct arena *a, struct tl_err *err);
struct attr_list {
    struct op_attr *items; /* on the heap */
    size_t n, cap;
};
int attr_add(struct attr_list *list, const char *key, const char *json, struct arena *a, struct tl_err *err);
int check_directions(const enum tl_direction *directions, size_t n, struct tl_err *err);
/* "no-name-" and a UUID. */
#define STUDY_NAME_MAX 80
int fresh_study_name(char out[STUDY_NAME_MAX], struct tl_err *err);
/* The rest of a struct that begins with its size is zero where the caller's is shorter. */
int read_options(void *to, size_t size, const void *from, const char *what, struct tl_err *err);

/* ---- parameters ---- */

/* A parameter of a trial; memory from an arena that outlives it. */
struct param {
    struct str name;     /* NUL-terminated */
    double internal;
    struct tl_dist dist; /* checked and normalised */
    struct str text;     /* of the distribution, as the journal has it */
};
/* Copies name and distribution and makes the text; `internal` stays 0. `adjusted` may be NULL (see tl_dist_normalise). */
int param_make(struct param *out, const char *name, const struct tl_dist *dist, struct arena *a, bool *adjusted,
               struct tl_err *err);
/* Takes a value that a journal can hold: no NaN, an existing choice. */
int param_set(struct param *p, double internal, struct tl_err *err);
/* Optuna's rule on two distributions of one parameter: same kind, same log, equal choices. */
bool dist_fits(const struct dist *known, const struct tl_dist *dist);
bool dist_same_kind(const struct tl_dist *known, const struct tl_dist *dist);
/* The same against what the study knows; TL_EINCOMPATIBLE names the parameter. Under the state lock. */
int param_fits(const struct state *s, const struct study *st, const struct param *p, struct tl_err *err);
/* A deep copy of a distribution. */
int dist_copy(const struct tl_dist *from, struct tl_dist *to, struct arena *a, struct tl_err *err);
int value_copy(const struct tl_value *from, struct tl_value *to, struct arena *a, struct tl_err *err);

/* ---- operations ---- */

/* The error for a finished trial: TL_EFINISHED, with the reason when its worker was lost. */
int finished_error(const struct state *s, const struct study *st, const struct row *row, struct tl_err *err);
/* After a write that the log's verdict was TL_EFINISHED on: says so as the others do. Returns rc. */
int explain_finished(tl_storage *storage, int64_t trial_id, int rc, struct tl_err *err);
/* The study, or TL_ENOTFOUND. */
int find_study(const struct state *s, int64_t study_id, struct study **out, struct tl_err *err);
/* The trial as long as it can change: TL_ENOTFOUND, TL_EFINISHED. `st` may be NULL. */
int find_open_trial(const struct state *s, int64_t trial_id, struct study **st, const struct live_trial **out,
                    struct tl_err *err);
/* Room for `n` operations in the commit; NULL: out of memory. */
struct op *commit_ops(struct commit *c, size_t n);

/* Parameters, then other operations, of one trial, in one append. Set `write` as the commit's ctx and trial_write_decide as its
 * decide(); the trial is checked to be unfinished and the parameters to fit. */
struct trial_write {
    int64_t trial_id;
    const struct param *params;
    size_t n_params;
    const struct op *ops; /* the target is filled in */
    size_t n_ops;
    size_t misfit; /* result of TL_EINCOMPATIBLE: which parameter; otherwise n_params */
};
int trial_write_decide(struct commit *c, const struct state *s, struct tl_err *err);
/* The two parts of it, for decisions of their own: checks the parameters, and puts their operations at the front of `ops`. */
int trial_write_check(struct trial_write *w, const struct state *s, const struct study *st, struct tl_err *err);
void trial_write_params(const struct trial_write *w, struct op *ops);

/* A create-trial operation with everything that the specification says, memory from the arena; parameters are checked by
 * `params`, n_params of them, once the state is known. */
struct trial_create {
    struct op op;
    struct param *params;
    size_t n_params;
};
int trial_create_make(struct trial_create *out, const struct tl_trial_spec *spec, struct arena *a, struct tl_err *err);
/* Checks the parameters and completes the operation for this study. */
int trial_create_decide(struct commit *c, const struct state *s, const struct trial_create *create, int64_t study_id,
                        struct tl_err *err);
/* Number of a trial that was just created. */
int64_t trial_number(tl_storage *storage, int64_t trial_id);

#endif
