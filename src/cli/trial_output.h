/* SPDX-License-Identifier: MIT
 *
 * What a program's standard output says about its trial.
 *
 *   trialog-report STEP VALUE     an intermediate value
 *   trialog-attr KEY JSON         a user attribute; KEY is a word or a JSON string
 *   trialog-pruned                the program ends because its trial was pruned: there is no value to look for
 *   everything else               the value(s), by one of three rules:
 *     last line   numbers separated by blanks or commas on the last line that is not empty, one per objective
 *     JSON        fields of the output, if it is one JSON object or array as a whole, else of the last line that is one. A field
 *                 is a path such as `metrics.loss` or `runs.0.loss`; a key with dots is found too
 *     pattern     groups of the last line that matches a POSIX extended regular expression: one pattern with a group per
 *                 objective, or one pattern per objective (its first group, or the whole match without one)
 *
 * A line that is overwritten by carriage returns counts as its last state, as on a terminal. Numbers are read as Python's
 * float() does. Pure: bytes in, calls of the sink and values out; nothing blocks. Lines above TRIAL_LINE_MAX are cut; an output
 * above TRIAL_WHOLE_MAX is no longer tried as one JSON text.
 */
#ifndef TL_TRIAL_OUTPUT_H
#define TL_TRIAL_OUTPUT_H

#include <regex.h>

#include "base/base.h"
#include "base/buf.h"

#define TRIAL_LINE_MAX  (1u << 20)
#define TRIAL_WHOLE_MAX (16u << 20)

enum value_rule { VALUE_LAST_LINE, VALUE_JSON, VALUE_PATTERN };
struct output_rules {
    enum value_rule rule;
    size_t n_values;    /* objectives */
    struct str *fields; /* VALUE_JSON: one per objective */
    regex_t *patterns;  /* VALUE_PATTERN: n_patterns is 1 or n_values */
    size_t n_patterns;
};

/* Each may return non-zero, which ends trial_output_feed and is returned by it. */
struct output_sink {
    int (*report)(void *ctx, int64_t step, double value);
    int (*attr)(void *ctx, struct str key, struct str json);
    int (*pruned)(void *ctx);
    int (*odd)(void *ctx, struct str line); /* a trialog-... line that cannot be read */
    void *ctx;
};

struct trial_output {
    const struct output_rules *rules;
    const struct output_sink *sink;
    struct buf line;  /* the line that is being read */
    struct buf last;  /* last line that may hold the value: any line, or a JSON one */
    struct buf whole; /* VALUE_JSON: all of it */
    double *matched;  /* VALUE_PATTERN: values so far */
    bool *has_match;
};

/* TL_ENOMEM. Rules and sink must outlive the output. */
int trial_output_init(struct trial_output *o, const struct output_rules *rules, const struct output_sink *sink);
void trial_output_release(struct trial_output *o);
int trial_output_feed(struct trial_output *o, const char *bytes, size_t n);
/* The end: a last line without line break counts too. */
int trial_output_end(struct trial_output *o);
/* The values. TL_EINVAL: there are none, err says why. */
int trial_output_values(const struct trial_output *o, double *values, struct tl_err *err);

#endif
