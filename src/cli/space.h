/* SPDX-License-Identifier: MIT
 *
 * The language of --param and --enqueue: the search space as people type it on a command line.
 *
 *   param     = name "=" kind [ "if" condition ]
 *   kind      = "float(" low "," high { "," ( "log" | "step=" number ) } ")"
 *             | "int("   low "," high { "," ( "log" | "step=" number ) } ")"
 *             | "choice(" value { "," value } ")"
 *   value     = "null" | "true" | "false" | number (as in JSON) | "\"text\"" (as in JSON) | word (text)
 *   condition = test | "not" condition | "(" condition ")" | condition "and" condition | condition "or" condition
 *   test      = name ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) value | name [ "not" ] "in" "(" value { "," value } ")"
 *   fixed     = name "=" value { "," name "=" value }
 *
 * Blanks may stand between any two of these. `not` binds tighter than `and`, `and` tighter than `or`. A condition names
 * parameters declared before it. A test of a parameter that is itself absent is false, whatever the comparison.
 *
 * Pure: text in, tables out. Errors are TL_EINVAL with the byte offset of the place in err->offset, TL_ELIMIT, TL_ENOMEM.
 */
#ifndef TL_SPACE_H
#define TL_SPACE_H

#include "base/base.h"
#include "base/mem.h"
#include <trialog/study.h>

#define SPACE_MAX_PARAMS  1000u
#define SPACE_MAX_NAME    200u
#define SPACE_MAX_CHOICES 1000u
#define SPACE_MAX_DEPTH   64u

/* One step of a condition in postfix order. */
enum cond_kind { COND_TEST, COND_NOT, COND_AND, COND_OR };
enum cond_relation { COND_LT, COND_LE, COND_GT, COND_GE, COND_EQ, COND_NE, COND_IN, COND_NOT_IN };
struct cond_step {
    enum cond_kind kind;
    enum cond_relation relation;
    size_t param;           /* index of the tested parameter */
    const double *operands; /* internal values; orders compare numbers themselves, of choices too */
    size_t n_operands;
};

struct space_param {
    const char *name; /* NUL-terminated */
    const char *env;  /* "TRIALOG_PARAM_" and the name in capitals, '_' for what is no letter or digit */
    struct tl_dist dist;
    const struct cond_step *cond; /* NULL: always there */
    size_t n_cond;
    bool adjusted; /* `high` was lowered to the last reachable step */
};

/* Value of a parameter in a trial. */
struct space_value {
    bool present;
    double internal;
};

struct search_space {
    struct space_param *params;
    size_t n, cap;
    struct arena memory;
};

/* Adds the parameter that `text` declares; on failure the space is as before. Zero-initialise the space before the first. */
int search_space_add(struct search_space *s, struct str text, struct tl_err *err);
void search_space_release(struct search_space *s);
/* Index of a parameter, or `n` when there is none of this name. */
size_t search_space_find(const struct search_space *s, struct str name);

/* Does the parameter exist, given the values of those before it? `values` has an entry for each parameter. */
bool search_space_active(const struct search_space *s, size_t param, const struct space_value *values);

/* Reads a list of fixed parameters. They must be in the space, in range, and not contradict a condition. `*out` (external
 * values) and what it points to live in the space's memory. */
int search_space_fixed(struct search_space *s, struct str text, struct tl_fixed_param **out, size_t *n, struct tl_err *err);

#endif
