/* SPDX-License-Identifier: MIT
 *
 * What the parts of the command `trialog` share. The command is a user of the public headers and of base/ only.
 *
 * A command is one `const struct command` with a table of options. The table is the only list of its options: the parser,
 * `help`, shell completion and the check of trialog(1) all read it. main.c finds the command, fills a zeroed block of
 * `values_size` bytes (fields at `opt.field`) and calls `run`, which returns the exit status of the process.
 *
 * Errors: functions whose name begins with cli_ and that return int have already printed what went wrong and return an exit
 * status (> 0), or 0; so a command ends in `return status;`. Standard output goes through cli_write only.
 */
#ifndef TL_CLI_H
#define TL_CLI_H

#include <signal.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"
#include <trialog/trialog.h>

/* ---- options ---- */

/* Kind, and the type of the field that the parser fills in. */
enum opt_kind {
    OPT_END = 0,
    OPT_FLAG,     /* bool */
    OPT_COUNT,    /* int: how often it was given */
    OPT_TEXT,     /* const char *, NULL when absent and without default */
    OPT_CHOICE,   /* const char *, one of `choices` */
    OPT_INT,      /* struct opt_int */
    OPT_NUMBER,   /* struct opt_number: as Python's float(): nan and inf too */
    OPT_DURATION, /* struct opt_int, milliseconds: "90" (seconds), "1.5s", "250ms", "10m", "2h", "1d" */
    OPT_LIST,     /* struct opt_list: one or more words behind one option; a later one replaces an earlier one */
    OPT_NUMBERS,  /* struct opt_numbers: the same, numbers */
    OPT_REPEAT,   /* struct opt_list: one word each time; may be given again and again */
    OPT_OPERAND,  /* const char *: a word that is no option; `name` is what help calls it */
    OPT_OPERANDS  /* struct opt_list: all words that are left; everything behind "--" */
};

struct opt_int {
    bool set;
    int64_t value;
};
struct opt_number {
    bool set;
    double value;
};
struct opt_list {
    bool set;
    const char **items; /* freed by main.c */
    size_t n;
};
struct opt_numbers {
    bool set;
    double *items; /* freed by main.c */
    size_t n;
};

#define OPT_REQUIRED 1u
#define OPT_HIDDEN   2u /* not in help, completion and man page */
#define OPT_STOPS    4u /* OPT_OPERAND(S): options end at this word, so that CMD may have its own */

struct opt {
    enum opt_kind kind;
    const char *name;    /* without dashes; operands: in capitals */
    char letter;         /* short form, 0 for none */
    unsigned flags;
    size_t field;        /* offsetof(struct …, …) */
    const char *arg;     /* what help calls the value; NULL for flags. FILE completes file names, and STUDY, SAMPLER, PRUNER their names */
    const char *choices; /* OPT_CHOICE, OPT_LIST: "a|b|c" or NULL */
    const char *def;     /* default as text, read like a given value; NULL for none */
    const char *help;    /* one or two plain sentences, lower-case start, no final stop for a single one */
};
#define OPT_TABLE_END {OPT_END, NULL, 0, 0, 0, NULL, NULL, NULL, NULL}

/* ---- commands ---- */

struct cli;
struct command {
    const char *name;  /* "ask", or two words: "study set-user-attr" */
    const char *group; /* heading in `trialog help` */
    const char *help;  /* one line */
    const char *about; /* more, for `trialog help NAME`; lines of at most 78 bytes, may be NULL */
    const struct opt *opts;
    size_t values_size;
    int (*run)(struct cli *c, void *values);
    bool hidden;
};
/* commands.c; ends with NULL. A new command adds its row there and its file to sources.cmake. */
extern const struct command *const cli_commands[];
/* Options that every command has. */
extern const struct opt cli_global_opts[];

/* Values of the global options. */
struct cli_globals {
    const char *storage, *storage_class, *log_file, *durability, *lock;
    struct opt_int lock_timeout;
    int verbose;
    bool quiet, debug, help;
};

struct cli {
    struct cli_globals g;
    const struct command *command;
    tl_storage *storage; /* opened by cli_open, closed by main.c */
    const char *url;     /* what was opened: may hold a password, so messages take … */
    const char *shown;   /* … this */
    struct arena memory; /* lives as long as the command */
    struct tl_log_sink sink;
    void *log_file;      /* FILE *, NULL for none */
    bool out_closed;     /* standard output went away (closed pipe): finish quietly */
    bool catching;       /* cli_catch_stop was called */
    bool (*woken)(void); /* asked besides while the storage waits for news; true ends that with TL_ECANCELLED. May be NULL */
    int64_t lease_ms;    /* for cli_open: below 0, as at the start: trials that are begun have no lease */
    unsigned retry_lost; /* how often the lost ones go back into the queue */
    int stops_endured;   /* waiting for a lock ends once cli_stops is above it; optimize raises it to record its trials */
};

/* ---- storage ---- */

#define CLI_READ   1u /* nothing will be written (the journal must exist) */
#define CLI_LOOK   4u /* nothing may be written, not even a snapshot or the end of a lost worker's trial */
#define CLI_CREATE 2u /* a missing journal is created; without it that is an error */
/* Opens the storage named by --storage, TRIALOG_STORAGE or OPTUNA_STORAGE with the global options, into c->storage. */
int cli_open(struct cli *c, unsigned flags);
/* --lease and --retry-lost, before cli_open: no lease unless they say otherwise. */
int cli_lease(struct cli *c, const struct opt_int *lease, const struct opt_int *retry_lost);
/* Opens another one the same way, for the caller to close. */
int cli_open_url(struct cli *c, const char *url, unsigned flags, tl_storage **out);
/* A URL or path for messages: without password. Lives as long as the command. */
const char *cli_show_url(struct cli *c, const char *url);
/* Id and name (which live as long as the command) of a study of c->storage. `name` NULL: the only study there is. The error
 * names studies that exist. */
int cli_find_study(struct cli *c, const char *name, int64_t *id, const char **found);
/* Loads a study, found in the same way. `options` may be NULL. */
int cli_load_study(struct cli *c, const char *name, const struct tl_study_options *options, tl_study **out);
/* A fresh view of a study of c->storage; free with tl_view_close. */
int cli_view(struct cli *c, const char *name, tl_view **out);

/* A sampler by name (ours or Optuna's class name) with its options as a JSON object (may be NULL). `name` NULL gives *out
 * NULL, the default. The grid sampler takes "search_space": {name: [values]} in the object; without it, its axes are those of
 * `space` (all values of every distribution, which must be finite). Free with tl_sampler_free. */
int cli_sampler(struct cli *c, const char *name, const char *kwargs, const struct tl_param_spec *space, size_t n_space,
                tl_sampler **out);

/* A pruner by name with its options as a JSON object (may be NULL). `name` NULL gives *out NULL: nothing is pruned. Free with
 * tl_pruner_free. */
int cli_pruner(struct cli *c, const char *name, const char *kwargs, tl_pruner **out);

/* ---- saying things ---- */

/* "trialog: MESSAGE (line L, byte B)" on standard error; returns the exit status of the code. */
int cli_fail(struct cli *c, const struct tl_err *err);
/* The same with a message and code of one's own. */
int cli_error(struct cli *c, int code, const char *fmt, ...) TL_PRINTF(3, 4);
/* A mistake on the command line: adds which help to read; returns 2. */
int cli_usage(struct cli *c, const char *fmt, ...) TL_PRINTF(2, 3);
/* Warnings are shown unless -q, info with -v, debug with -vv; all go to --log-file. */
enum cli_level { CLI_DEBUG = 0, CLI_INFO = 1, CLI_WARNING = 2 };
void cli_say(struct cli *c, enum cli_level level, const char *fmt, ...) TL_PRINTF(3, 4);
int cli_nomem(struct cli *c);

/* Writes to standard output at once. A closed pipe sets out_closed and is no error message, but the status that ends the
 * command (128 + SIGPIPE). */
int cli_write(struct cli *c, const char *bytes, size_t n);
/* The same to a descriptor of a file that messages call `name`. */
int cli_write_file(struct cli *c, int fd, const char *name, const char *bytes, size_t n);

/* ---- signals ---- */

/* SIGINT, SIGTERM and SIGHUP add one to `cli_stops` instead of ending the process, and `cli_stop_signal` is the last of them.
 * Calls that wait for a lock then end with TL_ECANCELLED. SIGPIPE is always ignored. */
extern volatile sig_atomic_t cli_stops, cli_stop_signal;
void cli_catch_stop(struct cli *c);

/* ---- reading what people type ---- */

/* Python's float(): blanks around, sign, "1e3", ".5", "1_000", "inf", "nan" in any case. Whole string. */
bool cli_parse_number(struct str text, double *out);
bool cli_parse_int(struct str text, int64_t *out);
/* Milliseconds; see OPT_DURATION. */
bool cli_parse_duration(struct str text, int64_t *out);
/* The candidate most like `word`, or NULL when none is near. `next` gives candidates until NULL. */
const char *cli_nearest(const char *word, const char *(*next)(void *ctx), void *ctx);

#endif
