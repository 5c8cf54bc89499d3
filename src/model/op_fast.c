/* SPDX-License-Identifier: MIT
 *
 * The fast way to read the lines that Optuna and we write: members are expected in their order, compared as
 * bytes, and strings without escapes are borrowed from the line. Whatever does not fit exactly is left to
 * op_decode_general, so each test here may be as strict as it likes, but what passes must mean the same
 * there.
 *
 * The end of a line is looked at first: behind the last member of the operation may only come our `n` and
 * `crc`. So an attribute's value, whatever it holds, is known to reach up to the brace before `c.end`.
 */
#include "base/num.h"
#include "model/op_text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct scan {
    const char *p, *end; /* end: behind the last member that belongs to the operation */
    struct arena *a;
    struct op *op;
};

#define EAT(c, literal) eat((c), (literal), sizeof(literal) - 1)
static inline bool eat(struct scan *c, const char *literal, size_t n)
{
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, literal, n) != 0) {
        return false;
    }
    c->p += n;
    return true;
}

/* ---- strings ---- */

static inline bool is_odd(char byte)
{
    return byte == '"' || byte == '\\' || (signed char)byte < 0x20; /* controls and bytes from 0x80 on */
}

/* Behind an opening quote: borrows a string of plain ASCII and steps behind its closing quote. */
static inline bool plain_string(struct scan *c, struct str *out)
{
    const char *p = c->p, *end = c->end;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                   _mm_cmplt_epi8(v, space));
        unsigned mask = (unsigned)_mm_movemask_epi8(odd);
        if (mask) {
            p += __builtin_ctz(mask);
            break;
        }
    }
#endif
    while (p < end && !is_odd(*p)) {
        p++;
    }
    if (p == end || *p != '"') {
        return false;
    }
    *out = (struct str){c->p, (size_t)(p - c->p)};
    c->p = p + 1;
    return true;
}

/* Behind an opening quote: borrows the text of a distribution, which must end at c->end. */
static inline bool last_string(struct scan *c, struct str *out, bool *escaped)
{
    const char *last = op_scan_text(c->p, c->end, escaped);
    if (!last || last + 1 != c->end) {
        return false;
    }
    *out = (struct str){c->p, (size_t)(last - c->p)};
    c->p = c->end;
    return true;
}

/* ---- numbers ---- */

/* A whole number of up to 18 digits without sign. */
static inline bool whole(struct scan *c, int64_t *out)
{
    const char *p = c->p;
    int64_t v = 0;
    while (p < c->end && *p >= '0' && *p <= '9' && p - c->p < 18) {
        v = v * 10 + (*p++ - '0');
    }
    if (p == c->p || (*c->p == '0' && p - c->p > 1)) {
        return false;
    }
    c->p = p;
    *out = v;
    return true;
}

static inline bool number(struct scan *c, double *out)
{
    const char *end = num_parse(c->p, c->end, out, NULL);
    if (!end || end - c->p > 1000) { /* Python refuses whole numbers of over 4,300 digits */
        return false;
    }
    c->p = end;
    return true;
}

/* A string with an instant, its quotes included. */
static bool instant(struct scan *c, struct tl_time *out)
{
    struct str text;
    return EAT(c, "\"") && plain_string(c, &text) && time_parse(text, out);
}

/* [x,y,…] of a few numbers. */
static bool values(struct scan *c)
{
    double few[8], *kept;
    size_t n = 0;
    if (!EAT(c, "[")) {
        return false;
    }
    do {
        if (n == TL_COUNT(few) || !number(c, &few[n++])) {
            return false;
        }
    } while (EAT(c, ","));
    if (!EAT(c, "]") || !(kept = arena_alloc(c->a, n * sizeof *kept))) {
        return false;
    }
    memcpy(kept, few, n * sizeof *kept);
    c->op->has_values = true;
    c->op->values = kept;
    c->op->n_values = n;
    return true;
}

/* ---- operations: each starts behind the worker and must end at c->end ---- */

static bool param(struct scan *c)
{
    struct op *op = c->op;
    return EAT(c, ",\"trial_id\":") && whole(c, &op->target) && EAT(c, ",\"param_name\":\"") &&
           plain_string(c, &op->name) && EAT(c, ",\"param_value_internal\":") && number(c, &op->number) &&
           EAT(c, ",\"distribution\":\"") && last_string(c, &op->text, &op->text_escaped);
}

static bool report(struct scan *c)
{
    struct op *op = c->op;
    return EAT(c, ",\"trial_id\":") && whole(c, &op->target) && EAT(c, ",\"step\":") && whole(c, &op->step) &&
           EAT(c, ",\"intermediate_value\":") && number(c, &op->number) && c->p == c->end;
}

/* The value of an attribute, which must reach up to the brace before c->end. */
static bool attr_value(struct scan *c)
{
    struct op *op = c->op;
    const char *first = c->p;
    if (first == c->end || *--c->end != '}') {
        return false;
    }
    if (*first == '"') {
        struct str inside;
        c->p++;
        if (plain_string(c, &inside) && c->p == c->end) {
            op->text = (struct str){first, (size_t)(c->end - first)};
            return true;
        }
    }
    struct json j = JSON_OF(first, (size_t)(c->end - first));
    return json_skip(&j, &op->text, NULL) == TL_OK && op->text.p == first && j.p == j.end;
}

static bool attr(struct scan *c, enum op_code code)
{
    struct op *op = c->op;
    bool study = code == OP_STUDY_USER_ATTR || code == OP_STUDY_SYSTEM_ATTR;
    bool user = code == OP_STUDY_USER_ATTR || code == OP_TRIAL_USER_ATTR;
    return (study ? EAT(c, ",\"study_id\":") : EAT(c, ",\"trial_id\":")) && whole(c, &op->target) &&
           (user ? EAT(c, ",\"user_attr\":{\"") : EAT(c, ",\"system_attr\":{\"")) &&
           plain_string(c, &op->name) && EAT(c, ":") && attr_value(c);
}

static bool state(struct scan *c)
{
    struct op *op = c->op;
    int64_t number_of_state;
    if (!EAT(c, ",\"trial_id\":") || !whole(c, &op->target) || !EAT(c, ",\"state\":") ||
        !whole(c, &number_of_state) || number_of_state >= TL_N_STATES || !EAT(c, ",\"values\":") ||
        !(EAT(c, "null") || values(c))) {
        return false;
    }
    op->state = (int)number_of_state;
    if (op->state == TL_RUNNING && !(EAT(c, ",\"datetime_start\":") && instant(c, &op->start))) {
        return false;
    }
    if (TL_STATE_IS_FINISHED(op->state) && !(EAT(c, ",\"datetime_complete\":") && instant(c, &op->complete))) {
        return false;
    }
    return c->p == c->end;
}

/* ---- create trial: the nested members go through the readers that the general path uses ---- */

/* One member: the reader gets a cursor at its value, and reading goes on where it stopped. */
#define MEMBER(c, j, key, call) (EAT((c), key) && ((j).p = (c)->p, (call) == TL_OK) && ((c)->p = (j).p, true))

static bool template_values(struct scan *c, struct op_reader *r)
{
    struct json j = {c->p, c->p, c->end};
    if (!EAT(c, ",\"value\":")) {
        return false;
    }
    if (!EAT(c, "null")) {
        double *value = arena_alloc(c->a, sizeof *value);
        if (!value || !number(c, value)) {
            return false;
        }
        c->op->has_values = true;
        c->op->values = value;
        c->op->n_values = 1;
        return EAT(c, ",\"values\":null");
    }
    return MEMBER(c, j, ",\"values\":", op_read_values(r, &j));
}

static bool template(struct scan *c)
{
    struct op *op = c->op;
    struct op_reader r = {op, c->a, NULL};
    struct op_params params = OP_PARAMS_INIT;
    struct json j = {c->p, c->p, c->end};
    op->is_template = true;
    if (!MEMBER(c, j, ",\"state\":", op_read_state(&r, &j)) || !template_values(c, &r)) {
        return false;
    }
    if (EAT(c, ",\"datetime_complete\":") && !instant(c, &op->complete)) {
        return false;
    }
    bool ok = MEMBER(c, j, ",\"distributions\":", op_read_distributions(&r, &j, &params)) &&
              MEMBER(c, j, ",\"params\":", op_read_param_values(&r, &j, &params));
    ok = op_end_params(&r, &params, ok ? TL_OK : TL_EINVAL) == TL_OK && ok;
    return ok && MEMBER(c, j, ",\"user_attrs\":", op_read_attrs(&r, &j, &op->user_attrs, &op->n_user_attrs)) &&
           MEMBER(c, j, ",\"system_attrs\":", op_read_attrs(&r, &j, &op->system_attrs, &op->n_system_attrs)) &&
           MEMBER(c, j, ",\"intermediate_values\":", op_read_reports(&r, &j)) && c->p == c->end && !op->odd;
}

static bool create_trial(struct scan *c)
{
    struct op *op = c->op;
    if (!EAT(c, ",\"study_id\":") || !whole(c, &op->target) || !EAT(c, ",\"datetime_start\":") ||
        !(EAT(c, "null") || instant(c, &op->start))) {
        return false;
    }
    return c->p == c->end || template(c);
}

/* ---- the line ---- */

/* Sets c->end before our own members and the closing brace, and reads `n`. */
static bool find_end(struct scan *c, struct str line)
{
    const char *start = line.p, *end = start + line.n;
    if (line.n < 32 || end[-1] != '}') {
        return false;
    }
    end--;
    const char *suffix = end + 1 - OP_CRC_SUFFIX;
    if (memcmp(suffix, OP_CRC_KEY, OP_CRC_KEY_SIZE) == 0 && end[-1] == '"') {
        for (int i = 0; i < 8; i++) {
            if (is_odd(suffix[OP_CRC_KEY_SIZE + i])) {
                return false;
            }
        }
        end = suffix;
    }
    c->end = end;
    const char *p = end;
    while (end - p < 18 && p[-1] >= '0' && p[-1] <= '9') {
        p--;
    }
    if (p < end && p - start > 5 && memcmp(p - 5, ",\"n\":", 5) == 0) {
        int64_t n;
        struct scan digits = {p, end, NULL, NULL};
        if (!whole(&digits, &n) || digits.p != end) {
            return false;
        }
        c->op->n = (uint64_t)n;
        c->end = p - 5;
    }
    return true;
}

bool op_decode_fast(struct str line, struct arena *a, struct op *out)
{
    struct scan c = {line.p, NULL, a, out};
    int64_t code;
    *out = (struct op){.code = OP_N_CODES, .target = -1, .state = TL_RUNNING};
    if (!find_end(&c, line) || !EAT(&c, "{\"op_code\":") || !whole(&c, &code) || code >= OP_N_CODES ||
        !EAT(&c, ",\"worker_id\":\"") || !plain_string(&c, &out->worker)) {
        return false;
    }
    out->code = (enum op_code)code;
    switch (out->code) {
    case OP_TRIAL_PARAM: return param(&c);
    case OP_TRIAL_REPORT: return report(&c);
    case OP_TRIAL_STATE: return state(&c);
    case OP_CREATE_TRIAL: return create_trial(&c);
    case OP_STUDY_USER_ATTR:
    case OP_STUDY_SYSTEM_ATTR:
    case OP_TRIAL_USER_ATTR:
    case OP_TRIAL_SYSTEM_ATTR: return attr(&c, out->code);
    default: return false;
    }
}
