/* SPDX-License-Identifier: MIT
 *
 * The parts of `trialog optimize`: cmd_optimize.c reads the options and opens everything, optimize_loop.c decides when programs
 * start and end, optimize_trial.c runs one trial. One thread; every wait is one ppoll.
 */
#ifndef TL_OPTIMIZE_H
#define TL_OPTIMIZE_H

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/command_template.h"
#include "cli/progress.h"
#include "cli/run_child.h"
#include "cli/space.h"
#include "cli/trial_output.h"

/* Why a program was told to end. */
enum ending { ENDING_NONE, ENDING_TIME_LIMIT, ENDING_STOPPED, ENDING_PRUNED };

struct optimizer;

/* A place for one running program. */
struct slot {
    struct optimizer *o;
    tl_trial *trial; /* NULL: the place is free */
    int64_t number;
    struct space_value *values; /* one per parameter */
    struct arena memory;        /* words and environment */
    struct child child;
    struct trial_output output;
    struct output_sink sink;
    struct buf out_line, err_line; /* lines that are being read, for -v and for the reason of a failure */
    struct buf complaint;          /* the last line of standard error that is not empty */
    int log_out, log_err;          /* files of --log-dir, -1 for none */
    int64_t started_ns;
    int64_t limit_ns, kill_ns; /* instants of the time limit and of SIGKILL, 0 for none */
    enum ending ending;
    bool gathered; /* the program has ended, its output may still hold bytes */
    bool ended_elsewhere; /* somebody else told the trial's end */
    bool said_pruned;     /* the program says that it ends because its trial was pruned */
};

/* How a trial ended, for those who show it. */
struct outcome {
    enum tl_state state;
    double *values; /* of COMPLETE and PRUNED ones, n_values; in the optimizer's scratch */
    bool has_values;
    char reason[256]; /* of a failure, else empty */
    int64_t age_ns;
};

struct optimizer {
    struct cli *c;

    /* the job */
    struct search_space space;
    struct tl_param_spec *ask_space; /* parameters without condition: chosen in the operation that creates the trial */
    size_t n_ask_space;
    struct command_template words;
    struct output_rules rules;
    const char *study_name, *log_dir, *pruner, *pruner_kwargs; /* the last two as given, for programs that ask by themselves */
    uint64_t budget, budget_here; /* 0: no limit */
    bool refund_failed, wait, prunes, json;
    int64_t timeout_ms, trial_timeout_ms, grace_ms; /* 0: none; grace: between SIGTERM and SIGKILL */
    uint64_t max_failures;                          /* in a row, 0: no limit */

    /* the work */
    tl_study *study;
    struct slot *slots;
    size_t n_slots, n_running;
    struct progress progress;
    sigset_t calm;      /* signal mask of ppoll and of programs; signals are blocked everywhere else in the loop */
    double *scratch;    /* n_values */
    int64_t began_ns;
    uint64_t n_started, n_complete, n_failed, failures_in_row;
    bool exhausted; /* budget or sampler has nothing left */
    size_t seen_failed, seen_waiting; /* when that was looked at last (--wait) */
    bool closing;   /* no trial starts any more, those that run end by themselves */
    int stops_seen; /* of cli_stops */
    int status;     /* of the first error, 0 for none */
    bool warned_report;
};

int64_t optimize_now_ns(void);

/* ---- optimize_trial.c ---- */

/* Asks for a trial and starts its program in a free slot. 0 also when nothing could be started (o->exhausted, o->closing or a stop
 * say why). */
void optimize_start(struct optimizer *o, struct slot *s);
/* Tells the program to end: SIGTERM now, SIGKILL after the grace period. */
void optimize_end_program(struct slot *s, enum ending why, int64_t now_ns);
/* Reads what the program wrote. */
void optimize_read(struct slot *s);
/* The program has ended: records the trial and frees the slot. */
void optimize_finish(struct slot *s);
void optimize_slot_release(struct slot *s);

/* ---- optimize_loop.c ---- */

/* Runs until there is nothing left to do; the caller has filled in the job, the study and the slots. o->status is then the exit
 * status of the first error. */
void optimize_loop(struct optimizer *o);
/* cli_say, without spoiling the progress line. */
void optimize_say(struct optimizer *o, enum cli_level level, const char *fmt, ...) TL_PRINTF(3, 4);
/* Something that a storage call returned: shown once, no trial starts any more. */
void optimize_storage_error(struct optimizer *o, const struct tl_err *err);
/* Shows a finished trial and the study's progress. */
void optimize_show(struct optimizer *o, const struct slot *s, const struct outcome *outcome);
/* Numbers for the progress line. */
int optimize_facts(struct optimizer *o, struct progress_facts *facts, struct tl_err *err);

#endif
