/* SPDX-License-Identifier: MIT
 *
 * Operations: the one thing a journal holds. A line of text <-> struct op.
 *
 * The text form is Optuna's JSON line (trialog-journal(5)); ours add `"n"` (the writer's own count) and end
 * in `,"crc":"xxxxxxxx"}`, CRC-32C over all bytes before that comma. Unknown members are ignored and the
 * last of several equal keys wins, as in Python.
 */
#ifndef TL_OP_H
#define TL_OP_H

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"
#include <trialog/types.h>

/* X(name, code, text for people, which id it carries: 's'tudy, 't'rial or '-') */
#define OP_LIST(X)                                                                                           \
    X(OP_CREATE_STUDY, 0, "create study", '-')                                                               \
    X(OP_DELETE_STUDY, 1, "delete study", 's')                                                               \
    X(OP_STUDY_USER_ATTR, 2, "set study user attribute", 's')                                                \
    X(OP_STUDY_SYSTEM_ATTR, 3, "set study system attribute", 's')                                            \
    X(OP_CREATE_TRIAL, 4, "create trial", 's')                                                               \
    X(OP_TRIAL_PARAM, 5, "set trial parameter", 't')                                                         \
    X(OP_TRIAL_STATE, 6, "set trial state and values", 't')                                                  \
    X(OP_TRIAL_REPORT, 7, "set intermediate value", 't')                                                     \
    X(OP_TRIAL_USER_ATTR, 8, "set trial user attribute", 't')                                                \
    X(OP_TRIAL_SYSTEM_ATTR, 9, "set trial system attribute", 't')                                            \
    X(OP_DISCARD_TRIALS, 10, "discard trials", '-')

enum op_code {
#define OP_X(name, code, text, id) name = code,
    OP_LIST(OP_X)
#undef OP_X
    OP_N_CODES
};
const char *op_name(int code); /* "create trial"; NULL when unknown */

/* A parameter of a create-trial operation. A distribution whose name has no value keeps has_value false
 * (Optuna keeps such entries too). */
struct op_param {
    struct str name;
    double internal;
    bool has_value;
    bool dist_escaped; /* dist holds the bytes between the quotes of the line, escapes and all */
    struct str dist;   /* JSON text of the distribution */
};
struct op_attr {
    struct str key;
    struct str json; /* the value's bytes as they stand in the line */
};
struct op_report {
    int64_t step;
    double value;
};

/* Everything is borrowed: from the line, from the arena given to op_decode, or from whoever built the
 * operation. */
struct op {
    enum op_code code;
    /* Why every Optuna would raise at this operation if it got as far as reading its members, NULL when it
     * would not. state_apply judges first what Optuna judges first (does the study or trial exist, is it
     * finished) and turns this into V_ODD after that. For a state change `state` is -1 when the state itself
     * is at fault; otherwise Optuna finds out only after "RUNNING on RUNNING" was refused. Static or in the
     * arena. */
    const char *odd;
    struct str worker; /* p is NULL when the line has none: nobody's own operation */
    uint64_t n;       /* the writer's own count from 1, 0: none */
    int64_t target;   /* study id or trial id; -1 when the line names one that cannot exist ("7", 2.5, null) */
    struct str name;  /* study name, parameter name or attribute key */
    struct str text;  /* distribution text or attribute value (JSON) */
    bool text_escaped; /* see op_param.dist_escaped */
    double number;    /* internal parameter value or intermediate value */
    int64_t step;
    int state;        /* create trial: RUNNING unless the template says otherwise */
    struct tl_time start, complete;
    bool has_values;
    const double *values;
    size_t n_values;
    const uint8_t *directions;
    size_t n_directions;
    bool is_template; /* a create-trial operation that carries more than a start time */
    const struct op_param *params; /* in the order of `params`, then distributions without value */
    size_t n_params;
    const struct op_attr *user_attrs, *system_attrs;
    size_t n_user_attrs, n_system_attrs;
    const struct op_report *reports;
    size_t n_reports;
};

/* How a line read. */
enum op_line {
    OP_LINE_OK,
    OP_LINE_ODD,    /* JSON, but every Optuna raises before it looks for the study or trial (unknown code, no
                       id): keeps its place in seq, changes nothing, is reported */
    OP_LINE_BROKEN, /* not JSON, or the checksum is wrong: damage */
};

/* Decodes one line without its newline. With OP_LINE_ODD and OP_LINE_BROKEN `err` says why (and, for text that
 * is no JSON, at which byte), and op->code is the code if it could be read, else OP_N_CODES. Out of memory is
 * OP_LINE_BROKEN with err->code TL_ENOMEM. Time: one pass for the usual shapes; any other valid JSON takes a
 * slower path. */
enum op_line op_decode(struct str line, struct arena *a, struct op *out, struct tl_err *err);

/* Appends the line with its newline: members in Optuna's order, then `n` (when not 0) and `crc`. Bytes of
 * names that are no UTF-8 are written as U+FFFD. Returns 0, what is in out->failed, or TL_EINVAL for an operation
 * that has no line which Optuna reads: `odd` is set, the worker is missing, the state is unknown, or the time
 * is missing that belongs to a state change. After a failure `out` is as long as before. */
int op_encode(const struct op *op, struct buf *out);

/* Does the line end in a checksum member, and is it right? 1 right, 0 wrong, -1 none. */
int op_check_crc(struct str line);

#endif
