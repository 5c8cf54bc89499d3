/* SPDX-License-Identifier: MIT
 *
 * The parts of the TPE sampler:
 *   tpe_options.c  what the user asks for
 *   tpe_history.c  the finished trials of one study, each folded in once, and which of them are good
 *   tpe_fronts.c   the good ones when there are several objectives
 *   tpe_groups.c   which parameters come together
 *   tpe_live.c     the running trials and what is known of their parameters
 *   tpe_space.c    the two mixtures of one space of parameters, kept up to date
 *   tpe_given.c    weights by a function of the caller's
 *   tpe_model.c    all of this for one study handle, and its lock
 *   tpe.c          the sampler: when to draw at random, which space, candidates and their score
 *
 * Who owns what: the sampler has a model per study handle; a model has one history, one list of running trials, and spaces that are
 * made when they are first asked for. Everything below the model is changed under its write lock and read under its read lock.
 */
#ifndef TL_TPE_H
#define TL_TPE_H

#include "base/map.h"
#include "base/mem.h"
#include "numeric/parzen.h"
#include "sampler/sampler.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- options ---- */

enum tpe_preset { TPE_2, TPE_OPTUNA5, TPE_OPTUNA4 };

/* How many trials are good: the ceiling of `factor`, of factor * n or of factor * sqrt(n), never more than `most`. */
enum gamma_kind { GAMMA_COUNT, GAMMA_SHARE, GAMMA_ROOT };
struct gamma {
    enum gamma_kind kind;
    double factor;
    uint64_t most;
};
size_t gamma_of(const struct gamma *g, size_t n);

struct tpe_rules {
    enum tpe_preset preset;
    uint64_t seed;
    bool seeded; /* by the user */
    uint64_t n_startup_trials, n_ei_candidates;
    struct gamma gamma, gamma_mo; /* one objective, several */
    bool multivariate, multivariate_mo;
    bool group, constant_liar;
    bool consider_magic_clip, consider_endpoints;
    double prior_weight;
    bool mo_weights;             /* kernels of the good set weighed by hypervolume */
    bool normalised_constraints; /* violations are measured in the median violation of each constraint */
    struct tl_tpe_functions functions; /* the caller's own; each may be NULL */
};
/* Functions of the caller's are called with no lock that another thread may wait for: then every proposal has a model of its own. */
static inline bool tpe_has_functions(const struct tpe_rules *r)
{
    return r->functions.gamma || r->functions.weights;
}
/* How many of n trials are good, by the caller's function where there is one. */
int tpe_good_count(const struct tpe_rules *r, bool several, size_t n, size_t *good, struct tl_err *err);
int tpe_rules_read(struct tpe_rules *rules, const struct tl_option *options, size_t n, struct tl_err *err);

/* ---- history ---- */

/* In the order in which the good set is filled. */
enum tpe_class { CLASS_COMPLETE, CLASS_PRUNED, CLASS_INFEASIBLE, CLASS_NONE /* failed */ };

struct tpe_point { /* a finished trial; its index is its row */
    int64_t number;
    double key
        [2]; /* smaller is better, within its class; COMPLETE: the loss, with several objectives {-, weight} */
    uint32_t extra; /* CLASS_INFEASIBLE: where its violations begin */
    uint8_t class_;
    bool good;
};

struct violations;  /* tpe_history.c */
struct front_state; /* tpe_fronts.c */
struct history {
    const struct tpe_rules *rules;
    size_t n_objectives;
    bool *maximise;     /* by objective */
    struct svec points; /* struct tpe_point */
    size_t count[CLASS_NONE + 1];
    /* heaps of rows by class, key, number: `good` has the worst on top, `rest` the best; COMPLETE ones of several objectives are
     * not here */
    struct heap {
        uint32_t *rows;
        size_t n, cap;
    } good, rest;
    /* good <-> not: row * 2 + (1: became good), oldest first */
    uint64_t *moves;
    size_t n_moves, cap_moves;
    struct violations *violations;
    struct front_state *fronts; /* several objectives */
};
int history_init(struct history *h, const struct tpe_rules *rules, const tl_view *view); /* TL_ENOMEM */
void history_release(struct history *h);
/* Takes in the rows that are new in the view. After an error it must be released. */
int history_fold(struct history *h, const tl_view *view, struct tl_err *err);
static inline size_t history_rows(const struct history *h)
{
    return h->points.len;
}
static inline const struct tpe_point *history_point(const struct history *h, size_t row)
{
    return svec_at(&h->points, row);
}
/* A trial changes sides; false: out of memory. */
bool history_mark(struct history *h, uint32_t row, bool good);
/* Weight of a good trial's kernel, for presets in which good trials are not equal. */
double history_weight(const struct history *h, const struct tpe_point *p);

/* Several objectives: the COMPLETE trials. All return false when memory is short. */
struct front_state *front_state_new(size_t m);
void front_state_free(struct front_state *s);
bool front_state_add(struct front_state *s, uint32_t row, const double *values, size_t n, const bool *maximise);
bool front_state_select(struct history *h, size_t want); /* the best `want` of them are good, no others */
bool front_state_weigh(struct history *h);               /* puts weights by hypervolume into key[1] */

/* ---- running trials ---- */

struct live_value { /* a parameter of a running trial */
    uint32_t name;
    bool external;         /* published by a worker, not yet a parameter */
    double internal;       /* !external */
    struct tl_value value; /* external */
};
struct live {
    int64_t number;
    uint64_t read_at;          /* tl_view_trial_version when it was read */
    uint64_t version;          /* ... when its values were last others than before */
    struct live_value *values; /* by name */
    size_t n;
    struct arena memory;
};
struct live_list { /* by number */
    struct live **items;
    size_t n, cap;
};
/* Makes the list that of the view. */
int live_update(struct live_list *list, struct intern *names, const tl_view *view, struct tl_err *err);
void live_release(struct live_list *list);
const struct live_value *live_find(const struct live *l, uint32_t name); /* NULL: it has none */

#define TPE_RELATIVE_KEY "tpe:relative_params:"

/* ---- groups ---- */

struct groups;
struct group { /* parameters that come together, by name */
    struct tl_assignment *dims;
    size_t n;
};
struct groups *groups_new(void);
void groups_free(struct groups *g);
int groups_update(struct groups *g, const tl_view *view,
                  struct tl_err *err); /* after an error it must be freed */
/* What the rows so far say; memory from the arena. */
int groups_copy(const struct groups *g, const tl_view *view, struct arena *a, struct group **out, size_t *n,
                struct tl_err *err);

/* ---- spaces ---- */

/* Not when there is one value only, or when the width of the range overflows or is nothing in doubles (2^53 - 1 to 2^53 on a log
 * scale): such parameters have no part in a space and are drawn at random. */
bool tpe_can_model(const struct tl_dist *d);
bool tpe_copy_dist(const struct tl_dist *from, struct tl_dist *to,
                   struct arena *a); /* deeply; false: out of memory */

struct dim {
    uint32_t name;
    struct tl_dist dist;
    int64_t column;    /* -1: no finished trial has it yet */
    uint64_t n_values; /* tl_dist_cardinality */
};
struct kernel { /* a running trial, as a space has it */
    int64_t number;
    uint64_t version;
    bool whole;    /* it has all parameters */
    bool put;      /* it is a kernel */
    uint64_t hash; /* finite spaces, when whole */
};
struct tpe_space {
    struct tpe_space *next;    /* of the same first parameter */
    atomic_uint_fast64_t used; /* when it was last asked for */
    struct arena memory;
    struct dim *dims;
    size_t n;
    struct parzen *good, *rest;
    bool spoilt;         /* memory ran out half-way: to be made anew */
    bool weighed;        /* kernels of `good` are weighed one by one */
    struct given_keys {  /* numbers of the trials in `rest` and `good`, for a function of the caller's that weighs them */
        int64_t *items;
        size_t n, cap;
    } given[2];
    bool narrow;         /* kernels may be as narrow as in tpe2 */
    uint32_t *good_rows; /* weighed: the rows in `good` */
    size_t n_good, cap_good;
    uint64_t seq;           /* of the view it is up to date with */
    size_t rows, moves;     /* of the history that it has taken in */
    struct kernel *kernels; /* by number */
    size_t n_kernels, cap_kernels;
    uint64_t cardinality;   /* number of points when tried ones are remembered, else 0; too many: UINT64_MAX */
    struct map64 seen;      /* finite: hashes of finished points */
    const double **columns; /* scratch: n */
    double *x;              /* scratch: n */
};

struct model;
struct tpe_space *tpe_space_new(const struct model *m, const uint32_t *names,
                                const struct tl_dist *const *dists, size_t n, bool narrow, struct tl_err *err);
void tpe_space_free(struct tpe_space *s);
/* Up to the view, or to the history where that is shorter. Needs the write lock. After an error the space must be freed. */
int tpe_space_update(struct tpe_space *s, const struct model *m, const tl_view *view, struct tl_err *err);
/* Takes one running trial's kernel out (TL_ENOMEM: the space must be freed), and puts it back. */
int tpe_space_leave_out(struct tpe_space *s, int64_t number);
void tpe_space_put_back(struct tpe_space *s, const struct model *m, int64_t number);
bool tpe_space_has_kernel(const struct tpe_space *s, int64_t number);
/* With a function of the caller's: notes a kernel (false: out of memory), and weighs all of them before they are settled. */
bool tpe_note_given(struct tpe_space *s, const struct model *m, bool good, int64_t number);
int tpe_weigh_given(struct tpe_space *s, const struct model *m, struct tl_err *err);
bool tpe_space_same(const struct tpe_space *s, const uint32_t *names, const struct tl_dist *const *dists,
                    size_t n, bool narrow);

/* ---- candidates ---- */

#define BATCH 64 /* candidates that are scored together */

struct drawing {
    double *u;    /* 1 + n */
    double *x;    /* (BATCH + 1) * n */
    double *best; /* n: the result */
    void *scratch;
    double score[BATCH], rest[BATCH];
};
void tpe_draw(const struct tpe_space *s, size_t m, struct rng *r,
              struct drawing *d);                                       /* m points from l, into d->x */
void tpe_score(const struct tpe_space *s, size_t m, struct drawing *d); /* ln l - ln g of m points */

/* Finite spaces (tpe_finite.c). Number of points of a space, 0: infinite, UINT64_MAX: that many or more. */
uint64_t tpe_cardinality(const struct tl_dist *const *dists, size_t n);
uint64_t tpe_point_hash(const struct tpe_space *s, const double *x);
bool tpe_is_new(const struct tpe_space *s, int64_t number, const double *x); /* has nobody tried it? */
/* A good point that nobody tried into d->best; false: there is none. `number`: the trial that asks. */
bool tpe_choose_new(const struct tpe_space *s, int64_t number, size_t candidates, struct rng *r,
                    struct drawing *d);
/* d->best as it is when nobody tried it, else another one at random; false: there is none. */
bool tpe_random_new(const struct tpe_space *s, int64_t number, struct rng *r, struct drawing *d);

/* ---- models ---- */

struct model {
    pthread_rwlock_t lock;
    atomic_int refs;
    uint64_t handle;
    int64_t left_out; /* the trial that a model with functions of the caller's is made for: no kernel; -1 */
    unsigned users; /* threads that have it from model_of, under the sampler's lock */
    const struct tpe_rules *rules;
    bool started;
    uint64_t epoch;
    uint64_t seq; /* of the newest view it has seen */
    struct intern names;
    int64_t *columns;          /* by name: its column, -1 */
    struct tpe_space **spaces; /* by the name of their first parameter: a list */
    size_t cap_columns, cap_spaces, n_columns;
    size_t n_spaces;
    atomic_uint_fast64_t clock;
    struct history history;
    struct live_list live;
    struct groups *groups; /* made when asked for */
};
struct model *model_new(uint64_t handle, const struct tpe_rules *rules);
struct model *model_ref(struct model *m);
void model_unref(struct model *m);

/* A space up to date with the view. Returns with the model's read lock held (or with the write lock: when the trial itself is one
 * of the kernels, which is taken out, or when others kept taking the space away) in all cases but an error; model_leave gives
 * it back. */
struct visit {
    struct model *model;
    struct tpe_space *space;
    int64_t number;
    bool taken_out;
};
int model_enter(struct visit *v, struct model *m, const tl_view *view, int64_t number,
                const struct tl_assignment *dims, size_t n, struct tl_err *err);
void model_leave(struct visit *v);
/* The groups of the view's parameters; memory from the arena. */
int model_groups(struct model *m, const tl_view *view, struct arena *a, struct group **out, size_t *n,
                 struct tl_err *err);

#endif
