/* SPDX-License-Identifier: MIT
 *
 * Distributions inside the library: the parsed form of a distribution text, and the table that gives each
 * distinct one a small number.
 */
#ifndef TL_MODEL_DIST_H
#define TL_MODEL_DIST_H

#include "base/base.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include <trialog/dist.h>

struct json;

/* The class named by the text. Old classes stay kinds of their own for the rule "same parameter, same kind";
 * users see them as the new ones. */
enum dist_class {
    DIST_FLOAT, DIST_INT, DIST_CATEGORICAL,
    DIST_UNIFORM, DIST_LOG_UNIFORM, DIST_DISCRETE_UNIFORM, DIST_INT_UNIFORM, DIST_INT_LOG_UNIFORM
};

struct dist {
    enum dist_class class_;
    struct tl_dist d;  /* converted and normalised; choices live as long as the table */
    struct str text;   /* as it stood in the journal, unescaped */
    uint32_t equal_id; /* the first number whose distribution is equal (Optuna's ==) */
};

/* The rules of tl_dist_normalise, but bounds may be infinite, NaN or whole numbers beyond 2^53: journals
 * hold what Optuna lets through. `adjusted` may be NULL. */
int dist_settle(struct tl_dist *d, bool *adjusted, struct tl_err *err);

/* Reads a distribution text (current, older and abbreviated forms; any key order). Choices go to the arena.
 * TL_EINVAL with the reason when no Optuna could read it. `*class_` may be NULL. */
int dist_parse(struct str text, struct arena *a, struct tl_dist *out, enum dist_class *class_,
               struct tl_err *err);
/* Writes Optuna's exact text of a distribution, blanks and order of members included. */
int dist_format(const struct tl_dist *d, struct buf *out);
/* Reads one choice at the cursor; texts are copied to the arena. What is no scalar becomes TL_VALUE_JSON. */
int dist_value_read(struct json *j, struct arena *a, struct tl_value *out, struct tl_err *err);
/* A choice as Python's json.dumps writes it; TL_EINVAL in out->failed when a TL_VALUE_JSON is no JSON. */
void dist_value_write(struct buf *out, const struct tl_value *v);
bool dist_json_valid(struct str text);

/* Optuna's rules, for two distributions of one table. Equal: same class and attributes (choices as in
 * Python: 1 == 1.0 == true, NaN equals NaN). Compatible: same class, same log flag, equal choices; ranges
 * and steps may differ. */
bool dist_equal(const struct dist *a, const struct dist *b);
bool dist_compatible(const struct dist *a, const struct dist *b);
/* Python's ==, and NaN equals NaN: 1 or 0, or TL_ENOMEM (only when one of them is of kind TL_VALUE_JSON). */
int dist_value_equal(const struct tl_value *a, const struct tl_value *b);
/* Appends bytes that are equal exactly for equal values. JSON objects count as equal only with the same
 * order of keys. */
void dist_value_key(const struct tl_value *v, struct buf *out);

/* All digits of a whole double of at least 2^53, not terminated; returns how many. */
#define DIST_DIGITS_MAX 310
size_t dist_exact_digits(double v, char out[DIST_DIGITS_MAX]);

/* Distinct texts get numbers 1, 2, 3, … (0 means none). Entries never move. */
struct dist_table {
    struct svec entries; /* struct dist; entry i has number i + 1 */
    struct intern texts; /* unescaped texts */
    struct intern raw;   /* texts as they stood between the quotes of a line, escapes and all */
    struct svec raw_ids; /* uint32_t: number of the distribution for each of `raw` */
    struct intern keys;  /* bytes that are equal for equal distributions */
    struct svec key_ids; /* uint32_t: number of the first distribution with each of `keys`, 0: none after all */
    struct arena choices;
    struct arena scratch;
};
void dist_table_init(struct dist_table *t);
void dist_table_release(struct dist_table *t);
/* Number of the distribution with this text; escaped: the text is the inside of a JSON string. TL_EINVAL: no
 * Optuna could read it; TL_ENOMEM. A text seen before costs one hash. */
int dist_table_add(struct dist_table *t, struct str text, bool escaped, uint32_t *id, struct tl_err *err);
static inline const struct dist *dist_table_get(const struct dist_table *t, uint32_t id)
{
    return (const struct dist *)svec_at(&t->entries, id - 1);
}

#endif
