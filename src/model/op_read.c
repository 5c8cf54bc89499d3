/* SPDX-License-Identifier: MIT
 *
 * Readers of the single members of a line (see op_text.h). Each takes what Python's json module and Optuna's
 * replay would make of the value; where an odd one would raise there, op->odd says so. The differences that
 * we want stand in tests/replay/EXCEPTIONS.md.
 */
#include "base/err.h"
#include "base/map.h"
#include "base/num.h"
#include "model/op_text.h"

#include <math.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

const struct str op_member_names[M_COUNT] = {
#define OP_X(name, text) [name] = {text, sizeof(text) - 1},
    OP_MEMBERS(OP_X)
#undef OP_X
};

int op_odd(struct op_reader *r, enum op_member member, const char *what)
{
    if (r->op->odd) {
        return TL_OK;
    }
    struct str name = op_member_names[member];
    size_t n = strlen(what);
    char *text = arena_alloc(r->a, name.n + n + 4);
    if (!text) {
        return err_nomem(r->err);
    }
    text[0] = '\'';
    memcpy(text + 1, name.p, name.n);
    memcpy(text + 1 + name.n, "' ", 2);
    memcpy(text + 3 + name.n, what, n + 1);
    r->op->odd = text;
    return TL_OK;
}

/* Skips a value that is of the wrong kind. */
static int refuse(struct op_reader *r, enum op_member m, struct json *j, const char *what)
{
    struct str raw;
    int rc = json_skip(j, &raw, r->err);
    return rc == TL_OK ? op_odd(r, m, what) : rc;
}

/* Room for element n of an array in the arena. */
static bool grow(struct arena *a, void **array, size_t *cap, size_t n, size_t elem)
{
    if (n < *cap) {
        return true;
    }
    size_t more = *cap ? *cap * 2 : 8;
    void *bigger = arena_alloc(a, more * elem);
    if (!bigger) {
        return false;
    }
    if (*array) {
        memcpy(bigger, *array, n * elem);
    }
    *array = bigger;
    *cap = more;
    return true;
}

/* ---- keys of an object ---- */

#define FEW_KEYS 16u /* up to here they are compared one by one */

static struct str keys_at(const struct op_keys *k, size_t i)
{
    return *(const struct str *)(const void *)(k->names + i * k->stride);
}

/* Which entry has this key: its index, or k->n; SIZE_MAX when out of memory. `add`: it becomes entry k->n. */
static size_t keys_find(struct op_keys *k, struct str key, bool add)
{
    if (k->n < FEW_KEYS) {
        size_t i = 0;
        while (i < k->n && !str_eq(keys_at(k, i), key)) {
            i++;
        }
        return i;
    }
    for (size_t i = k->table.strings.len; i < k->n; i++) {
        if (intern_add(&k->table, keys_at(k, i)) == INTERN_NONE) {
            return SIZE_MAX;
        }
    }
    if (!add) {
        uint32_t at = intern_find(&k->table, key);
        return at == INTERN_NONE ? k->n : at;
    }
    uint32_t at = intern_add(&k->table, key);
    return at == INTERN_NONE ? SIZE_MAX : at;
}

/* ---- single values ---- */

enum op_whole op_whole_of(struct str raw, int64_t *out)
{
    const char *end = raw.p + raw.n;
    double v;
    switch (raw.n > 0 ? raw.p[0] : '\0') {
    case '[':
    case '{': return WHOLE_UNHASHABLE;
    case 't':
    case 'f': *out = raw.p[0] == 't'; return WHOLE_YES;
    default: break;
    }
    if (num_parse_int(raw.p, end, out) == end) {
        return WHOLE_YES;
    }
    bool integer;
    if (num_parse(raw.p, end, &v, &integer) != end || integer || !(v >= -0x1p63 && v < 0x1p63) || v != trunc(v)) {
        return WHOLE_NO;
    }
    *out = (int64_t)v;
    return WHOLE_YES;
}

int op_read_text(struct op_reader *r, enum op_member m, struct json *j, struct str *out)
{
    if (json_peek(j) != JSON_STRING) {
        return refuse(r, m, j, "is no text");
    }
    return json_string(j, r->a, out, r->err);
}

const char *op_scan_text(const char *p, const char *end, bool *escaped)
{
    /* A quote stands exactly where a backslash stands before it, up to the first place where that fails. The byte
     * before `p` is the opening quote. */
    *escaped = false;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i before = _mm_loadu_si128((const __m128i *)(const void *)(p - 1));
        __m128i is_quote = _mm_cmpeq_epi8(v, quote);
        /* as signed bytes those from 0x80 on are below the space, too */
        __m128i stop =
            _mm_or_si128(_mm_xor_si128(is_quote, _mm_cmpeq_epi8(before, backslash)), _mm_cmplt_epi8(v, space));
        unsigned stops = (unsigned)_mm_movemask_epi8(stop), quotes = (unsigned)_mm_movemask_epi8(is_quote);
        if (stops) {
            unsigned at = (unsigned)__builtin_ctz(stops);
            *escaped |= (quotes & ((1u << at) - 1)) != 0;
            return p[at] == '"' && p[(int)at - 1] != '\\' ? p + at : NULL;
        }
        *escaped |= quotes != 0;
    }
#endif
    for (; p < end; p++) {
        if ((*p == '"') != (p[-1] == '\\') || (signed char)*p < 0x20) {
            return *p == '"' && p[-1] != '\\' ? p : NULL;
        }
        *escaped |= *p == '"';
    }
    return NULL;
}

int op_read_raw_text(struct op_reader *r, enum op_member m, struct json *j, struct str *out, bool *escaped)
{
    if (json_peek(j) != JSON_STRING) {
        return refuse(r, m, j, "is no text");
    }
    const char *first = j->p + 1, *last = op_scan_text(first, j->end, escaped);
    if (last) {
        j->p = last + 1;
    } else {
        int rc = json_skip(j, NULL, r->err);
        if (rc != TL_OK) {
            return rc;
        }
        last = j->p - 1;
        *escaped = memchr(first, '\\', (size_t)(last - first)) != NULL;
    }
    *out = (struct str){first, (size_t)(last - first)};
    return TL_OK;
}

int op_read_time(struct op_reader *r, enum op_member m, struct json *j, bool null_allowed, struct tl_time *out)
{
    if (null_allowed && json_null(j)) {
        out->set = false;
        return TL_OK;
    }
    struct str text;
    if (json_peek(j) != JSON_STRING) {
        return refuse(r, m, j, "is no instant");
    }
    int rc = json_string(j, r->a, &text, r->err);
    if (rc != TL_OK) {
        return rc;
    }
    return time_parse(text, out) ? TL_OK : op_odd(r, m, "is no instant");
}

/* A number in text, as some writers put NaN; anything else is NaN. */
static double number_in_text(struct str text)
{
    double v;
    return text.n > 0 && num_parse(text.p, text.p + text.n, &v, NULL) == text.p + text.n ? v : (double)NAN;
}

int op_read_number(struct op_reader *r, struct json *j, double *out)
{
    struct str text;
    int rc;
    enum json_kind kind = json_peek(j);
    if (kind == JSON_NUMBER) {
        const char *end = num_parse(j->p, j->end, out, NULL);
        if (!end) {
            return json_fail(j, r->err, "no number");
        }
        j->p = end;
        return TL_OK;
    }
    if (kind == JSON_STRING) {
        rc = json_string(j, r->a, &text, r->err);
        *out = rc == TL_OK ? number_in_text(text) : (double)NAN;
        return rc;
    }
    rc = json_skip(j, &text, r->err);
    *out = kind == JSON_TRUE ? 1.0 : kind == JSON_FALSE ? 0.0 : (double)NAN;
    return rc;
}

int op_read_state(struct op_reader *r, struct json *j)
{
    struct str raw;
    int64_t state = -1;
    int rc = json_skip(j, &raw, r->err);
    if (rc != TL_OK) {
        return rc;
    }
    if (op_whole_of(raw, &state) != WHOLE_YES || state < 0 || state >= TL_N_STATES) {
        r->op->state = -1;
        return op_odd(r, M_STATE, "is no trial state");
    }
    r->op->state = (int)state;
    return TL_OK;
}

/* ---- lists ---- */

/* Python goes over the characters of a text and the keys of an object, none of which is a direction: only
 * empty ones pass. */
static int read_no_directions(struct op_reader *r, struct json *j)
{
    struct str raw;
    int rc = json_skip(j, &raw, r->err);
    if (rc != TL_OK) {
        return rc;
    }
    struct json inside = JSON_OF(raw.p + 1, raw.n - 1);
    bool empty = raw.n >= 2 && ((raw.p[0] == '"' && raw.n == 2) || (raw.p[0] == '{' && json_eat(&inside, '}')));
    return empty ? TL_OK : op_odd(r, M_DIRECTIONS, "is no list of directions");
}

int op_read_directions(struct op_reader *r, struct json *j)
{
    uint8_t *directions = NULL;
    size_t cap = 0, n = 0;
    bool first = true;
    if (json_peek(j) != JSON_ARRAY) {
        return read_no_directions(r, j);
    }
    int rc = json_open(j, '[', r->err);
    while (rc == TL_OK && (rc = json_next_item(j, &first, r->err)) > 0) {
        struct str raw;
        int64_t direction = -1;
        if ((rc = json_skip(j, &raw, r->err)) != TL_OK) {
            break;
        }
        if (!grow(r->a, (void **)&directions, &cap, n, sizeof *directions)) {
            return err_nomem(r->err);
        }
        if (op_whole_of(raw, &direction) != WHOLE_YES || direction < TL_NOT_SET || direction > TL_MAXIMIZE) {
            rc = op_odd(r, M_DIRECTIONS, "holds what is no direction");
        }
        directions[n++] = (uint8_t)direction;
    }
    r->op->directions = directions;
    r->op->n_directions = n;
    return rc;
}

int op_read_values(struct op_reader *r, struct json *j)
{
    double *values = NULL;
    size_t cap = 0, n = 0;
    bool first = true;
    if (json_null(j)) {
        return TL_OK;
    }
    if (json_peek(j) != JSON_ARRAY) {
        return refuse(r, M_VALUES, j, "is no list");
    }
    int rc = json_open(j, '[', r->err);
    while (rc == TL_OK && (rc = json_next_item(j, &first, r->err)) > 0) {
        if (!grow(r->a, (void **)&values, &cap, n, sizeof *values)) {
            return err_nomem(r->err);
        }
        rc = op_read_number(r, j, &values[n++]);
    }
    r->op->has_values = true;
    r->op->values = values;
    r->op->n_values = n;
    return rc;
}

/* ---- objects ---- */

int op_read_attr(struct op_reader *r, enum op_member m, struct json *j)
{
    bool first = true;
    size_t n = 0;
    struct str key, json;
    if (json_peek(j) != JSON_OBJECT) {
        return refuse(r, m, j, "is no object");
    }
    int rc = json_open(j, '{', r->err);
    while (rc == TL_OK && (rc = json_next_key(j, &first, r->a, &key, r->err)) > 0) {
        if ((rc = json_skip(j, &json, r->err)) != TL_OK) {
            break;
        }
        if (n == 0 || !str_eq(key, r->op->name)) {
            n++;
        }
        r->op->name = key;
        r->op->text = json;
    }
    if (rc == TL_OK && n != 1) {
        rc = op_odd(r, m, "does not have exactly one key");
    }
    return rc;
}

int op_read_attrs(struct op_reader *r, struct json *j, const struct op_attr **out, size_t *out_n)
{
    struct op_attr *attrs = NULL;
    struct op_keys keys = {NULL, sizeof *attrs, 0, INTERN_INIT};
    size_t cap = 0;
    bool first = true;
    struct str key, json;
    if (json_peek(j) != JSON_OBJECT) { /* Optuna keeps whatever it is; the trial must exist for the ids to hold */
        return json_skip(j, &json, r->err);
    }
    int rc = json_open(j, '{', r->err);
    while (rc == TL_OK && (rc = json_next_key(j, &first, r->a, &key, r->err)) > 0) {
        if ((rc = json_skip(j, &json, r->err)) != TL_OK) {
            break;
        }
        size_t at = keys_find(&keys, key, true);
        if (at == SIZE_MAX || !grow(r->a, (void **)&attrs, &cap, keys.n, sizeof *attrs)) {
            rc = err_nomem(r->err);
            break;
        }
        keys.names = (const char *)attrs;
        if (at == keys.n) {
            attrs[keys.n++].key = key;
        }
        attrs[at].json = json;
    }
    intern_release(&keys.table);
    *out = attrs;
    *out_n = keys.n;
    return rc;
}

static bool python_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

/* Python's int(text) for ASCII text: blanks around, a sign, digits with single underscores between them. 1
 * with the number, 0 when it does not fit 64 bits, -1 when it is none. */
static int python_int(struct str text, int64_t *out)
{
    const char *p = text.p, *end = p + text.n;
    while (p < end && python_blank(*p)) {
        p++;
    }
    while (end > p && python_blank(end[-1])) {
        end--;
    }
    bool neg = p < end && *p == '-', fits = true;
    if (p < end && (*p == '-' || *p == '+')) {
        p++;
    }
    int64_t v = 0; /* kept negative: its range is the larger one */
    if (p == end || *p == '_') {
        return -1;
    }
    for (; p < end; p++) {
        if (*p == '_' && p + 1 < end && p[1] != '_') {
            continue;
        }
        if (*p < '0' || *p > '9') {
            return -1;
        }
        int digit = *p - '0';
        fits = fits && v >= (INT64_MIN + digit) / 10;
        if (fits) {
            v = v * 10 - digit;
        }
    }
    if (!neg && v == INT64_MIN) {
        fits = false;
    }
    *out = neg || !fits ? v : -v;
    return fits;
}

/* Place of `step` among n reports; n when it is new, SIZE_MAX when out of memory. Steps mostly come in
 * order: a table is only made when one does not. */
static size_t report_at(const struct op_report *reports, size_t n, struct intern *table, int64_t step)
{
    size_t known = table->strings.len;
    if (known == 0 && (n == 0 || reports[n - 1].step < step)) {
        return n;
    }
    for (size_t i = known; i < n; i++) {
        if (intern_add(table, (struct str){(const char *)&reports[i].step, sizeof step}) == INTERN_NONE) {
            return SIZE_MAX;
        }
    }
    uint32_t at = intern_add(table, (struct str){(const char *)&step, sizeof step});
    return at == INTERN_NONE ? SIZE_MAX : at;
}

int op_read_reports(struct op_reader *r, struct json *j)
{
    struct op_report *reports = NULL;
    struct intern table = INTERN_INIT;
    size_t cap = 0, n = 0;
    bool first = true;
    struct str key;
    if (json_peek(j) != JSON_OBJECT) {
        return refuse(r, M_INTERMEDIATE_VALUES, j, "is no object");
    }
    int rc = json_open(j, '{', r->err);
    while (rc == TL_OK && (rc = json_next_key(j, &first, r->a, &key, r->err)) > 0) {
        struct op_report report;
        if ((rc = op_read_number(r, j, &report.value)) != TL_OK) {
            break;
        }
        int known = python_int(key, &report.step);
        if (known < 0) {
            rc = op_odd(r, M_INTERMEDIATE_VALUES, "has a step that is no whole number");
        }
        if (known <= 0) { /* beyond 64 bits: left out */
            continue;
        }
        size_t at = report_at(reports, n, &table, report.step);
        if (at == SIZE_MAX || !grow(r->a, (void **)&reports, &cap, n, sizeof *reports)) {
            rc = err_nomem(r->err);
            break;
        }
        reports[at] = report;
        n += at == n;
    }
    intern_release(&table);
    r->op->reports = reports;
    r->op->n_reports = n;
    return rc;
}

/* ---- parameters of a template ---- */

int op_read_distributions(struct op_reader *r, struct json *j, struct op_params *p)
{
    size_t cap = 0;
    bool first = true;
    struct str key;
    if (json_peek(j) != JSON_OBJECT) {
        return refuse(r, M_DISTRIBUTIONS, j, "is no object");
    }
    int rc = json_open(j, '{', r->err);
    while (rc == TL_OK && (rc = json_next_key(j, &first, r->a, &key, r->err)) > 0) {
        struct op_param x = {.name = key};
        if ((rc = op_read_raw_text(r, M_DISTRIBUTIONS, j, &x.dist, &x.dist_escaped)) != TL_OK) {
            break;
        }
        size_t at = keys_find(&p->keys, key, true);
        if (at == SIZE_MAX || !grow(r->a, (void **)&p->known, &cap, p->keys.n, sizeof x)) {
            return err_nomem(r->err);
        }
        p->keys.names = (const char *)p->known;
        p->known[at] = x;
        p->keys.n += at == p->keys.n;
    }
    return rc;
}

int op_read_param_values(struct op_reader *r, struct json *j, struct op_params *p)
{
    bool first = true;
    struct str key;
    if (json_peek(j) != JSON_OBJECT) {
        return refuse(r, M_PARAMS, j, "is no object");
    }
    if (p->keys.n > 0) {
        p->values = arena_alloc(r->a, p->keys.n * sizeof *p->values);
        if (!p->values) {
            return err_nomem(r->err);
        }
    }
    p->value_keys.names = (const char *)p->values;
    int rc = json_open(j, '{', r->err);
    while (rc == TL_OK && (rc = json_next_key(j, &first, r->a, &key, r->err)) > 0) {
        double v;
        if ((rc = op_read_number(r, j, &v)) != TL_OK) {
            break;
        }
        /* mostly in the same order as the distributions */
        size_t n = p->value_keys.n;
        size_t known = n < p->keys.n && str_eq(p->known[n].name, key) ? n : keys_find(&p->keys, key, false);
        if (known == p->keys.n) {
            rc = op_odd(r, M_PARAMS, "has a name without distribution");
            continue;
        }
        size_t at = known == SIZE_MAX           ? SIZE_MAX
                    : p->known[known].has_value ? keys_find(&p->value_keys, key, false)
                                                : n;
        if (at == SIZE_MAX) {
            return err_nomem(r->err);
        }
        if (at == n) {
            p->known[known].has_value = true;
            p->values[n] = p->known[known];
            p->value_keys.n++;
        }
        p->values[at].internal = v;
    }
    return rc;
}

int op_end_params(struct op_reader *r, struct op_params *p, int rc)
{
    size_t n = p->value_keys.n;
    if (rc == TL_OK && p->keys.n > 0 && !p->values) { /* no `params` */
        p->values = p->known;
        n = p->keys.n;
    } else {
        for (size_t i = 0; rc == TL_OK && i < p->keys.n; i++) {
            if (!p->known[i].has_value) {
                p->values[n++] = p->known[i];
            }
        }
    }
    r->op->params = p->values;
    r->op->n_params = n;
    intern_release(&p->keys.table);
    intern_release(&p->value_keys.table);
    return rc;
}
