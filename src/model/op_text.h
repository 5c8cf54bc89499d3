/* SPDX-License-Identifier: MIT
 *
 * What the files that read and write lines of operations share: the names of members, the form of the
 * checksum, and the readers of single members, which the general path (op_decode.c) and the fast one
 * (op_fast.c) both use.
 */
#ifndef TL_OP_TEXT_H
#define TL_OP_TEXT_H

#include "base/json.h"
#include "base/map.h"
#include "model/op.h"

#define OP_CRC_KEY ",\"crc\":\""
#define OP_CRC_KEY_SIZE 8u
#define OP_CRC_SUFFIX 18u /* ,"crc":"xxxxxxxx"} */

/* Members, in no special order. */
#define OP_MEMBERS(X)                                                                                        \
    X(M_OP_CODE, "op_code")                                                                                  \
    X(M_WORKER_ID, "worker_id")                                                                              \
    X(M_N, "n")                                                                                              \
    X(M_STUDY_ID, "study_id")                                                                                \
    X(M_TRIAL_ID, "trial_id")                                                                                \
    X(M_STUDY_NAME, "study_name")                                                                            \
    X(M_DIRECTIONS, "directions")                                                                            \
    X(M_USER_ATTR, "user_attr")                                                                              \
    X(M_SYSTEM_ATTR, "system_attr")                                                                          \
    X(M_DATETIME_START, "datetime_start")                                                                    \
    X(M_DATETIME_COMPLETE, "datetime_complete")                                                              \
    X(M_STATE, "state")                                                                                      \
    X(M_VALUE, "value")                                                                                      \
    X(M_VALUES, "values")                                                                                    \
    X(M_DISTRIBUTIONS, "distributions")                                                                      \
    X(M_PARAMS, "params")                                                                                    \
    X(M_USER_ATTRS, "user_attrs")                                                                            \
    X(M_SYSTEM_ATTRS, "system_attrs")                                                                        \
    X(M_INTERMEDIATE_VALUES, "intermediate_values")                                                          \
    X(M_PARAM_NAME, "param_name")                                                                            \
    X(M_PARAM_VALUE, "param_value_internal")                                                                 \
    X(M_DISTRIBUTION, "distribution")                                                                        \
    X(M_STEP, "step")                                                                                        \
    X(M_INTERMEDIATE_VALUE, "intermediate_value")

enum op_member {
#define OP_X(name, text) name,
    OP_MEMBERS(OP_X)
#undef OP_X
    M_COUNT
};
extern const struct str op_member_names[M_COUNT];

/* What a reader works on. Readers take a cursor at their value, consume it, and fill the operation. A value
 * that Optuna would choke on goes into op->odd, and the first one stays. They return 0, or TL_ENOMEM, or
 * TL_EINVAL for text that is no JSON. */
struct op_reader {
    struct op *op;
    struct arena *a;
    struct tl_err *err;
};

/* Notes why Optuna would raise; the message names the member. 0 or TL_ENOMEM. */
int op_odd(struct op_reader *r, enum op_member member, const char *what);

/* Behind an opening quote: finds the closing one if all between is ASCII and only quotes are escaped, as in the
 * texts of distributions; NULL otherwise. */
const char *op_scan_text(const char *p, const char *end, bool *escaped);

int op_read_text(struct op_reader *r, enum op_member m, struct json *j, struct str *out);
/* The bytes between the quotes, and whether they hold escapes. */
int op_read_raw_text(struct op_reader *r, enum op_member m, struct json *j, struct str *out, bool *escaped);
int op_read_time(struct op_reader *r, enum op_member m, struct json *j, bool null_allowed, struct tl_time *out);
/* Any value: what is no number reads as NaN. */
int op_read_number(struct op_reader *r, struct json *j, double *out);
int op_read_state(struct op_reader *r, struct json *j);
int op_read_directions(struct op_reader *r, struct json *j);
/* null, or a list into op->values. */
int op_read_values(struct op_reader *r, struct json *j);
int op_read_attr(struct op_reader *r, enum op_member m, struct json *j); /* one key: into op->name, op->text */
int op_read_attrs(struct op_reader *r, struct json *j, const struct op_attr **out, size_t *n);
int op_read_reports(struct op_reader *r, struct json *j);

/* Keys of an object: the last of equal ones wins and keeps the place of the first, as in a Python dict. */
struct op_keys {
    const char *names; /* the struct str of the first entry, the others `stride` bytes apart */
    size_t stride, n;
    struct intern table; /* of all of them once there are more than a few */
};
/* Parameters of a template while they are read: `distributions`, then `params`, either of which may be
 * missing, then the end, which takes the code so far, puts all into the operation and lets go of the memory. */
struct op_params {
    struct op_param *known; /* in the order of `distributions`; has_value: it is among the values, too */
    struct op_keys keys;    /* of `known` */
    struct op_param *values; /* in the order of `params` */
    struct op_keys value_keys;
};
#define OP_PARAMS_INIT                                                                                       \
    {NULL, {NULL, sizeof(struct op_param), 0, INTERN_INIT},                                                  \
     NULL, {NULL, sizeof(struct op_param), 0, INTERN_INIT}}
int op_read_distributions(struct op_reader *r, struct json *j, struct op_params *p);
int op_read_param_values(struct op_reader *r, struct json *j, struct op_params *p);
int op_end_params(struct op_reader *r, struct op_params *p, int rc);

/* A value that Python would take for a whole number where a number is looked up: 3, 3.0, true. */
enum op_whole { WHOLE_YES, WHOLE_NO, WHOLE_UNHASHABLE /* a list or an object, at which a look-up raises */ };
enum op_whole op_whole_of(struct str raw, int64_t *out);

/* The shapes that Optuna and we write; false for all others, which op_decode_general then reads, and when
 * memory ran out. The checksum is not looked at. */
bool op_decode_fast(struct str line, struct arena *a, struct op *out);
/* Any line; the checksum is not looked at. */
enum op_line op_decode_general(struct str line, struct arena *a, struct op *out, struct tl_err *err);

#endif
