/* SPDX-License-Identifier: MIT
 *
 * JSON as Python's `json` module reads and writes it: NaN, Infinity and -Infinity are numbers, text is ASCII with \uXXXX
 * escapes, surrogates may stand alone. A cursor walks text without building a tree; nothing recurses.
 *
 * Strings come out as UTF-8; a lone surrogate becomes its three-byte form (ED A0..BF xx), which the writer turns back
 * into the same escape, so any text that Python wrote survives.
 */
#ifndef TL_JSON_H
#define TL_JSON_H

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"

#define JSON_MAX_DEPTH 900 /* Python gives up near 1,000 */

/* What stands at the cursor. */
enum json_kind {
    JSON_END, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL, JSON_BAD
};

struct json {
    const char *start, *p, *end; /* p: next byte to read */
};
static inline struct json json_of(const char *text, size_t n)
{
    const char *p = text ? text : ""; /* NULL with 0 bytes is fine */
    return (struct json){p, p, p + n};
}
#define JSON_OF(text, n) json_of((text), (n))

/* Skips blanks: space, tab, CR, LF. */
static inline void json_space(struct json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t')) {
        j->p++;
    }
}
/* Skips blanks and the byte `c` if it is there. */
static inline bool json_eat(struct json *j, char c)
{
    json_space(j);
    if (j->p < j->end && *j->p == c) {
        j->p++;
        return true;
    }
    return false;
}
enum json_kind json_peek(struct json *j); /* skips blanks, looks at the first byte of the value (NaN, Infinity are numbers) */

/* Each reads one value at the cursor and returns 0 or TL_EINVAL (TL_ENOMEM, TL_ELIMIT: nested too deeply) with the byte offset
 * in err. After an error the cursor stands where reading stopped. */
int json_skip(struct json *j, struct str *raw, struct tl_err *err); /* any value; raw: its bytes, blanks around cut off */
/* `out` points into the text when nothing is escaped, else into the arena. */
int json_string(struct json *j, struct arena *a, struct str *out, struct tl_err *err);
/* Huge integers round as in Python's float(), or are infinite where that raises. */
int json_number(struct json *j, double *out, struct tl_err *err);
int json_integer(struct json *j, int64_t *out, struct tl_err *err); /* a number without fraction or exponent within 64 bits */
int json_bool(struct json *j, bool *out, struct tl_err *err);
bool json_null(struct json *j); /* eats `null` if it is there */

/* Objects and arrays: json_open eats '{' or '['; then `while ((rc = json_next_key(…)) > 0)` or json_next_item, each
 * followed by reading exactly one value; 0 means the closing bracket was eaten; < 0 an error. `first` starts true. */
int json_open(struct json *j, char bracket, struct tl_err *err);
int json_next_key(struct json *j, bool *first, struct arena *a, struct str *key, struct tl_err *err);
int json_next_item(struct json *j, bool *first, struct tl_err *err);
/* Only blanks may follow. */
int json_finish(struct json *j, struct tl_err *err);

/* Sets err to "<what> at byte N". */
int json_fail(const struct json *j, struct tl_err *err, const char *what);

/* Checks that `text` is exactly one JSON value and writes it in the journal's form: no blanks, no line breaks, strings in
 * ASCII escapes, numbers and everything else untouched. Invalid UTF-8 in strings is TL_EINVAL. */
int json_compact(struct str text, struct buf *out, struct tl_err *err);

/* Writing. Doubles as Python's repr (1e-05, 1e+16, 1.0, NaN, Infinity). */
void json_put_string(struct buf *b, struct str s); /* quoted, ASCII; invalid UTF-8 bytes become U+FFFD */
void json_put_double(struct buf *b, double v);
void json_put_int(struct buf *b, int64_t v);

/* Does `s` hold valid UTF-8 (lone surrogates in three-byte form allowed)? */
bool json_utf8_valid(struct str s);

#endif
