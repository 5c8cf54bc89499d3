/* SPDX-License-Identifier: MIT
 *
 * A storage: an open journal. Studies and trials (trialog/study.h, trialog/trial.h) stand on the calls here.
 *
 * Before you use it:
 *  - Every acknowledged change is durable when the call returns (unless TL_DURABILITY_RELAXED or _OFF was chosen, or it may wait: see
 *    WAITING WRITES).
 *  - A call ends in done, in an error (nothing happened), or in TL_EUNKNOWN (it may have happened: err->seq is the number
 *    of the operation; look before you repeat it).
 *  - A journal file may be shared by processes and hosts, and by Optuna's JournalStorage at the same time.
 *  - After fork the child's handle opens itself anew under a new worker id at its first call. Open trials stay the
 *    parent's. Do not fork while another thread is inside a call.
 *  - Calls that write wait for the journal's lock at most `timeout_ms`. Reading takes no lock.
 */
#ifndef TRIALOG_STORAGE_H
#define TRIALOG_STORAGE_H

#include <trialog/dist.h>
#include <trialog/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- opening ---- */

/* LEASES. A RUNNING trial belongs to the worker (the open handle) whose operation made it so. Such a worker holds a lease: a sign of
 * life outside the log, which a thread of the library renews every third of `lease_ms`. When it runs out, whoever asks for trials
 * or waits next fails the worker's trials, each once: state FAIL and the system attribute TL_LOST_ATTR. With `retry_lost` each of them
 * goes back into the queue up to that many times, in the same append and with the same parameters. Workers without a lease (lease_ms
 * below 0, Optuna's own) are never failed so.
 *  - A worker that comes back too late finds its trial finished: reports and tell give TL_EFINISHED, nothing else happens to it.
 *    One that was stopped for less than its lease notices nothing.
 *  - A handle that is closed while trials of it are RUNNING leaves its lease behind to run out. Who tells them later, by number from
 *    another process, chooses a lease that is long enough, or none; calls on the trial from elsewhere renew it.
 *  - No clocks of two machines are compared: on a file the times of small files beside it (JOURNAL.lease.*) count, which the file
 *    system sets. */
#define TL_LOST_ATTR "trialog:lost"

/* WAITING WRITES. On a database each append is a round trip and a flush. So a parameter (tl_storage_set_param) or an attribute
 * (tl_storage_set_trial_attr, tl_trial_set_attr) of a RUNNING trial of the handle's own waits for the handle's next append, such as a
 * report or a change of state, or for defer_ms, whichever comes first; tl_storage_close writes it too.
 *  - This handle shows it at once; others, and a disk that is to survive a crash, have it no later than the report or the state that
 *    follows it. Trials that are finished, and RUNNING ones of the handle's own when it heard of the log a moment ago, are shown by
 *    tl_view_open_trial as they are known here.
 *  - Errors that are known here come from the call. If another worker was faster with another kind of distribution, the call
 *    that writes the parameter, or the next one on that trial, fails with TL_EINCOMPATIBLE and names it, once; the parameter is forgotten
 *    then, and a report or state of that same call may have been written.
 *  - A write that fails is made again with the next append or a second later. A process that dies loses what waits. */
enum tl_durability {
    TL_DURABILITY_FULL = 0,    /* flushed before the call returns */
    TL_DURABILITY_RELAXED = 1, /* flushed at most every second and at close */
    TL_DURABILITY_OFF = 2      /* left to the operating system */
};
enum tl_lock_mode {
    TL_LOCK_BOTH = 0,  /* kernel lock and Optuna's lock file: safe with Optuna's workers on the same file */
    TL_LOCK_KERNEL = 1 /* kernel lock only: faster, and only when no Optuna process writes */
};

/* Events without a caller; see trialog(1), EVENTS. `event` is a name such as "LOCK_WAIT". Called from any thread. */
struct tl_log_sink {
    void (*emit)(void *ctx, int level, const char *event, const char *message);
    void *ctx;
    int level; /* lowest level wanted: 0 debug, 1 info, 2 warning */
};

struct tl_storage_options {
    size_t size; /* sizeof(struct tl_storage_options) */
    enum tl_durability durability;
    enum tl_lock_mode lock;
    int64_t timeout_ms;      /* longest wait for the lock, or for a database; a write has an answer by then; 0: 60,000; < 0: no limit */
    int64_t grace_ms;        /* age at which a foreign lock file counts as abandoned; 0: 30,000; at least 3,000 */
    bool read_only;          /* nothing is written, not even a snapshot; the journal must exist */
    bool must_exist;         /* do not create a missing journal */
    bool allow_damaged;      /* write although a line in the middle is damaged */
    bool no_snapshot;        /* neither load nor write snapshots */
    const char *worker_id;   /* for tests: this worker id instead of a fresh UUID */
    const struct tl_log_sink *log; /* borrowed until tl_storage_close */
    bool (*cancelled)(void *ctx); /* asked every 50 ms while waiting, by any thread that waits; true ends the wait with TL_ECANCELLED, or
                                   * with TL_EUNKNOWN when a database may have got what was to be written */
    void *cancelled_ctx;
    int64_t lease_ms;    /* see LEASES; 0: 60,000; < 0: no lease; at least 500 */
    unsigned retry_lost; /* how often a trial that is lost goes back into the queue; 0: never */
    int64_t defer_ms;    /* see WAITING WRITES; 0: 50 on databases, none elsewhere; < 0: nothing waits */
};
#define TL_STORAGE_OPTIONS_INIT                                                                              \
    {sizeof(struct tl_storage_options), TL_DURABILITY_FULL, TL_LOCK_BOTH, 0, 0, false, false, false, false,  \
     NULL, NULL, NULL, NULL, 0, 0, 0}

/* Opens a storage: the path of a journal file, "memory://" (this handle's own), "memory://NAME" (shared inside the process), or the URL
 * of a database: "sqlite:///FILE", "postgresql://…", "mysql://…", "redis://…", as far as they are built in (tl_features). `options`
 * may be NULL. `*out`: owned by the caller, free with tl_storage_close. Blocks while the journal is read.
 * Errors: TL_EUNSUPPORTED (unknown URL), TL_EACCESS, TL_EIO, TL_ENOTFOUND, TL_ENOMEM. */
int tl_storage_open(const char *url, const struct tl_storage_options *options, tl_storage **out, struct tl_err *err);
/* Flushes, writes a snapshot if one is due, frees. NULL is fine. A database that does not answer is waited for some seconds, no longer.
 * Views, studies and trials must be freed before. */
void tl_storage_close(tl_storage *storage);
/* The URL or path for people, NUL-terminated, cut to n: "***" for a password, and without options. */
void tl_storage_url_show(const char *url, char *out, size_t n);
/* Reads what is new. Every other call that reads does it too. */
int tl_storage_sync(tl_storage *storage, struct tl_err *err);
/* Waits until the journal may have news, at most timeout_ms (below 0: no limit). Who waits looks for lost trials, too (LEASES). */
int tl_storage_wait(tl_storage *storage, int64_t timeout_ms, struct tl_err *err);
/* Writes a snapshot now, whatever the policy says. TL_EUNSUPPORTED where there is none. */
int tl_storage_snapshot(tl_storage *storage, struct tl_err *err);
/* Replaces the allocator of the whole process; before any other call. NULL functions restore malloc. */
void tl_set_allocator(void *(*alloc)(size_t, void *), void *(*resize)(void *, size_t, void *),
                      void (*release)(void *, void *), void *ctx);

struct tl_storage_stats {
    size_t size;
    uint64_t seq;            /* operations applied */
    uint64_t operations;     /* written by this handle */
    uint64_t appends;        /* writes; several operations may share one */
    uint64_t flushes;
    uint64_t lines_read;     /* replayed, own ones that came back included */
    uint64_t bytes_read;
    uint64_t odd_lines, bad_lines;
    uint64_t lock_waits_ns;  /* time spent waiting for the lock */
    uint64_t snapshot_seq;   /* operations that came from a snapshot */
    bool damaged;            /* a line in the middle is damaged: writing is refused */
};
void tl_storage_get_stats(tl_storage *storage, struct tl_storage_stats *out);
/* This handle's worker id in this process (a UUID, or what the options said), NUL-terminated. */
void tl_storage_worker_id(tl_storage *storage, char out[64]);
/* After TL_EUNKNOWN: did operation number `n` (err->seq) of that worker reach the journal? Ask on a handle that works, opened anew
 * if need be. */
int tl_storage_landed(tl_storage *storage, const char *worker_id, uint64_t n, bool *landed, struct tl_err *err);
/* Text such as "file locking=ofd+file fence=none durability=full", NUL-terminated, cut to n. */
void tl_storage_describe(tl_storage *storage, char *out, size_t n);

/* The whole log as it stands, in runs of whole lines that end with newlines: for handing a journal in memory to another process. A result
 * other than 0 ends it and is returned. */
int tl_storage_export_lines(tl_storage *storage, int (*lines)(void *ctx, const char *bytes, size_t n), void *ctx, struct tl_err *err);
/* Puts such lines into an empty journal. Errors: TL_EEXISTS (it is not empty), TL_EUNSUPPORTED. */
int tl_storage_import_lines(tl_storage *storage, const char *bytes, size_t n, struct tl_err *err);

/* ---- operations by id (what an adapter for another framework needs) ---- */

/* A trial to be created: everything may be left out. Strings and arrays are copied during the call. Parameters are checked
 * against the study's earlier distributions. */
struct tl_param_spec {
    const char *name;
    double internal;
    const struct tl_dist *dist;
};
struct tl_attr_spec {
    enum tl_attr_kind kind;
    const char *key;
    const char *json; /* JSON text */
};
struct tl_report_spec {
    int64_t step;
    double value;
};
struct tl_trial_spec {
    size_t size;
    enum tl_state state;
    const double *values; /* NULL: none */
    size_t n_values;
    struct tl_time start, complete; /* not set: now, where the state wants one (start: all but WAITING; complete: finished ones) */
    const struct tl_param_spec *params;
    size_t n_params;
    const struct tl_attr_spec *attrs;
    size_t n_attrs;
    const struct tl_report_spec *reports;
    size_t n_reports;
};
#define TL_TRIAL_SPEC_INIT                                                                                   \
    {sizeof(struct tl_trial_spec), TL_RUNNING, NULL, 0, {0, false, false}, {0, false, false}, NULL, 0, NULL, \
     0, NULL, 0}

/* Errors of all: TL_ENOTFOUND (unknown id), TL_EFINISHED, TL_EINCOMPATIBLE, TL_EINVAL, TL_ELOCKED, TL_EIO, TL_ENOSPC, TL_EUNKNOWN,
 * TL_ECORRUPT (journal damaged), TL_EPOISONED, TL_ENOMEM. All block for one append,
 * unless they may wait (WAITING WRITES). */
int tl_storage_create_study(tl_storage *storage, const char *name, const enum tl_direction *directions, size_t n_directions,
                            int64_t *study_id, struct tl_err *err); /* TL_EEXISTS: the name is in use */
int tl_storage_delete_study(tl_storage *storage, int64_t study_id, struct tl_err *err);
int tl_storage_find_study(tl_storage *storage, const char *name, int64_t *study_id, struct tl_err *err);
int tl_storage_set_study_attr(tl_storage *storage, int64_t study_id, enum tl_attr_kind kind, const char *key,
                              const char *json, struct tl_err *err);
/* `spec` NULL: a RUNNING trial that starts now. */
int tl_storage_create_trial(tl_storage *storage, int64_t study_id, const struct tl_trial_spec *spec, int64_t *trial_id,
                            int64_t *number, struct tl_err *err);
int tl_storage_set_param(tl_storage *storage, int64_t trial_id, const char *name, double internal,
                         const struct tl_dist *dist, struct tl_err *err);
/* Values: NULL leaves them as they are. `*updated` is false when the state was to be RUNNING and somebody else runs the
 * trial already (not an error); it may be NULL. */
int tl_storage_set_state(tl_storage *storage, int64_t trial_id, enum tl_state state, const double *values, size_t n_values,
                         bool *updated, struct tl_err *err);
int tl_storage_report(tl_storage *storage, int64_t trial_id, int64_t step, double value, struct tl_err *err);
int tl_storage_set_trial_attr(tl_storage *storage, int64_t trial_id, enum tl_attr_kind kind, const char *key,
                              const char *json, struct tl_err *err);

/* ---- reading ---- */

/* Studies that are not deleted, by id. For each one `each` gets the id, which tl_view_open takes. Non-zero ends the walk
 * and is returned. */
int tl_storage_each_study(tl_storage *storage, int (*each)(void *ctx, int64_t study_id, const char *name), void *ctx,
                          struct tl_err *err);

/* What a listing says of a study. Borrowed for the call. */
struct tl_attr;
struct tl_study_summary {
    size_t size;
    int64_t study_id;
    const char *name;
    const enum tl_direction *directions;
    size_t n_directions;
    size_t n_trials;
    size_t counts[5];  /* by state */
    int64_t best;      /* number of the best trial, as tl_view_best has it; -1: none */
    double best_value; /* its value */
    struct tl_time start; /* the earliest start of a trial */
    const struct tl_attr *attrs; /* of the study */
    size_t n_attrs;
};
/* Studies that are not deleted, by id, with what there is to say of them. Databases keep that beside the trials, so that a listing reads
 * those studies only that were written to since the last one. Non-zero ends the walk and is returned. */
int tl_storage_each_summary(tl_storage *storage, int (*each)(void *ctx, const struct tl_study_summary *summary), void *ctx,
                            struct tl_err *err);
/* The same of one study, to be freed with tl_study_summary_free: a database does not read the study for it if nothing was written since its
 * summary was. `fresh` false: an older one will do; name and directions never change. TL_ENOTFOUND. */
int tl_storage_summary(tl_storage *storage, int64_t study_id, bool fresh, struct tl_study_summary **out, struct tl_err *err);
void tl_study_summary_free(struct tl_study_summary *summary); /* NULL: nothing */
/* Has the storage read the study already, so that a view costs no more than its news? Else a summary may be had for less. -1: all
 * studies. */
bool tl_storage_has_read(tl_storage *storage, int64_t study_id);

/* RUNNING trials of all studies, with the workers that run them. A worker is overdue when it has been silent for longer than its
 * lease: the next looks fail its trials. */
struct tl_running_trial {
    int64_t study_id, trial_id, number;
    const char *study_name;
    struct tl_time start;
    const char *worker;
    int64_t lease_ms;  /* 0: none */
    int64_t silent_ms; /* since its last sign of life; -1: no lease, or the storage was opened read-only */
    bool closed;       /* its handle was closed while the trial ran (trialog ask): only calls on its trials renew the lease */
};
/* Fails the trials of lost workers when a look is due (LEASES), as tl_study_ask does, and tells which: for adapters that have something to
 * do for each. study_id >= 0: of this study only. Non-zero from `each`, called after they were failed, ends it and is returned. What goes
 * wrong with looking is logged, and looked at again next time. */
int tl_storage_fail_lost(tl_storage *storage, int64_t study_id, int (*each)(void *ctx, int64_t study_id, int64_t trial_id), void *ctx,
                         struct tl_err *err);

/* What `each` gets is borrowed for the call. Non-zero ends the walk and is returned. */
int tl_storage_each_running(tl_storage *storage, int (*each)(void *ctx, const struct tl_running_trial *trial), void *ctx,
                            struct tl_err *err);

/* A picture of one study at one position of the journal. It never changes; taking it costs O(unfinished trials), and neither
 * it nor reading it blocks writers. Everything it hands out is borrowed until tl_view_close. `fresh`: read news first. */
int tl_view_open(tl_storage *storage, int64_t study_id, bool fresh, tl_view **out, struct tl_err *err);
/* The same for less, however many trials are unfinished. A view without unfinished trials: for name, directions, attributes, counts,
 * best, rows and finished trials. */
int tl_view_open_study(tl_storage *storage, int64_t study_id, bool fresh, tl_view **out, struct tl_err *err);
/* Of the unfinished trials only this one: what else may be asked is as with tl_view_open_study. Trials of deleted studies are found,
 * too. `*number` is the trial's. */
int tl_view_open_trial(tl_storage *storage, int64_t trial_id, bool fresh, tl_view **out, int64_t *number, struct tl_err *err);
/* The id of a trial by its number. */
int tl_storage_trial_id(tl_storage *storage, int64_t study_id, int64_t number, int64_t *trial_id, struct tl_err *err);
void tl_view_close(tl_view *view);

uint64_t tl_view_seq(const tl_view *view);
/* Changes when what was read before turned out void (a journal that was replaced or shortened, a write that failed): then whoever
 * keeps something from one view to the next begins anew. Otherwise rows and finished trials of an older view are a prefix of
 * those of a newer one. Unique in the process. */
uint64_t tl_view_epoch(const tl_view *view);
/* A count that grows with everything that happens to the study's trials: two views of one epoch with the same count show the same. */
uint64_t tl_view_version(const tl_view *view);
int64_t tl_view_study_id(const tl_view *view);
const char *tl_view_study_name(const tl_view *view);
const enum tl_direction *tl_view_directions(const tl_view *view, size_t *n);
size_t tl_view_n_trials(const tl_view *view);
size_t tl_view_count(const tl_view *view, enum tl_state state);
/* Number of the best COMPLETE trial of a single-objective study (lowest number on a tie, infeasible trials left out when
 * constraints are known); -1 when there is none or the study has several objectives. O(1). */
int64_t tl_view_best(const tl_view *view);
/* Numbers of the trials on the Pareto front, ascending; borrowed. */
const int64_t *tl_view_front(const tl_view *view, size_t *n);
/* Earliest start over all trials; not set when there is none. */
struct tl_time tl_view_start(const tl_view *view);

struct tl_attr {
    enum tl_attr_kind kind;
    struct { const char *s; size_t len; } key, json;
};
/* The study's attributes in the order in which they were first set. */
const struct tl_attr *tl_view_study_attrs(const tl_view *view, size_t *n);

struct tl_param {
    struct { const char *s; size_t len; } name;
    double internal;
    bool has_value; /* false: only the distribution is known (templates written by Optuna) */
    const struct tl_dist *dist;
    struct { const char *s; size_t len; } dist_text; /* as it stands in the journal */
};
struct tl_report {
    int64_t step;
    double value;
};
/* One trial. Lists are in the order in which their entries were first set. */
struct tl_frozen_trial {
    int64_t id, number;
    enum tl_state state;
    struct tl_time start, complete;
    bool has_values;
    const double *values;
    size_t n_values;
    const struct tl_param *params;
    size_t n_params;
    const struct tl_attr *attrs; /* user and system */
    size_t n_attrs;
    const struct tl_report *reports;
    size_t n_reports;
    void *memory; /* private */
};
#define TL_FROZEN_TRIAL_INIT {0}
/* Reads trial `number` into `out`, which is reused from call to call and freed with tl_frozen_release; what it points to
 * stays valid until the next call with the same `out`. TL_ENOTFOUND: no such number. */
int tl_view_trial(const tl_view *view, int64_t number, struct tl_frozen_trial *out, struct tl_err *err);
void tl_frozen_release(struct tl_frozen_trial *trial);
/* Numbers of the unfinished (RUNNING and WAITING) trials, ascending; borrowed. */
const int64_t *tl_view_unfinished(const tl_view *view, size_t *n);
/* A count that grows with everything that happens to an unfinished trial (parameter, attribute, report, state): whoever keeps what it read
 * of the trial in an older view of the same epoch reads it again only when this has changed. 0 for a finished one. */
uint64_t tl_view_trial_version(const tl_view *view, int64_t number);
/* The attributes of one trial without the rest of it, in the order in which they were first set. Non-zero ends the walk and is
 * returned. TL_ENOTFOUND: no such number. */
int tl_view_each_attr(const tl_view *view, int64_t number, int (*each)(void *ctx, const struct tl_attr *attr), void *ctx,
                      struct tl_err *err);
/* State only, without the rest; -1: no such number. */
int tl_view_trial_state(const tl_view *view, int64_t number);
/* The report of the highest step; false when nothing was reported. O(1) for a finished trial that reported steps 0, 1, 2 and so on,
 * else O(its reports). */
bool tl_view_last_report(const tl_view *view, int64_t number, struct tl_report *out);
/* How many steps were reported, 0 for no such number. O(1). */
size_t tl_view_n_reports(const tl_view *view, int64_t number);
/* One attribute without the rest, as JSON text (borrowed, not NUL-terminated); false: the trial has none. O(its attributes). */
bool tl_view_trial_attr(const tl_view *view, int64_t number, enum tl_attr_kind kind, const char *key, const char **json,
                        size_t *len);

/* Parameters whose distribution is equal in all COMPLETE (and PRUNED, if asked) trials, sorted by name. */
const struct tl_param *tl_view_search_space(const tl_view *view, bool include_pruned, size_t *n);

/* ---- columns: all finished trials at once, without copying ---- */

/* Finished trials are rows, in the order in which they finished. */
size_t tl_view_n_rows(const tl_view *view);
struct tl_row {
    int64_t number;
    enum tl_state state;
    const double *values; /* n_values, NULL when it has none */
    size_t n_values;
};
void tl_view_row(const tl_view *view, size_t row, struct tl_row *out);
/* The value that row `row` reported at `step`, without copying; false when it did not. O(1) for steps 0, 1, 2 and so on, else O(its
 * reports). */
bool tl_view_row_report(const tl_view *view, size_t row, int64_t step, double *value);
/* A walk over the row's attributes in their order, without copying: `while (tl_view_next_attr(view, &walk, &attr))`. */
struct tl_attr_walk {
    const void *at; /* private */
    uint64_t left;  /* how many are still to come */
};
struct tl_attr_walk tl_view_row_attrs(const tl_view *view, size_t row);
bool tl_view_next_attr(const tl_view *view, struct tl_attr_walk *walk, struct tl_attr *out);
/* A parameter's column: -1 when no finished trial has it. */
int64_t tl_view_column(const tl_view *view, const char *name);
/* How many columns there are, and the name of column 0 … n - 1 (borrowed, the same in all views of one epoch). */
size_t tl_view_n_columns(const tl_view *view);
const char *tl_view_column_name(const tl_view *view, int64_t column);
/* 64 rows from row 64 * block: bit i of the result says whether row 64 * block + i has the parameter; values[i] is its
 * internal value. `*values` is NULL when the result is 0. */
uint64_t tl_view_block(const tl_view *view, int64_t column, size_t block, const double **values);

#ifdef __cplusplus
}
#endif
#endif
