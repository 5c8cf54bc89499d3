/* SPDX-License-Identifier: MIT
 *
 * When two values are equal in Python: 1, 1.0 and true are, a whole number and a double are when they are
 * the same number exactly, and NaN equals NaN, as Optuna wants it for choices.
 *
 * A value is turned into a key: bytes that are the same exactly for equal values. So tables can hash what is
 * compared here. The bytes: 'n' null; 'i' and 8 bytes for whole numbers within 64 bits, whatever their type;
 * 'd' and 8 bytes for other doubles; 'N' NaN; 'h', sign, digits and a NUL for longer whole numbers that are
 * no double; 's', length and bytes for text; '[', ']', '{', '}' around the keys of what a list or an object
 * holds.
 */
#include "base/json.h"
#include "base/num.h"
#include "model/dist.h"

#include <math.h>

#define SCALAR_KEY 9

static size_t key_int(int64_t i, char key[SCALAR_KEY])
{
    key[0] = 'i';
    memcpy(key + 1, &i, sizeof i);
    return SCALAR_KEY;
}

static size_t key_double(double v, char key[SCALAR_KEY])
{
    if (isnan(v)) {
        key[0] = 'N';
        return 1;
    }
    if (v >= -0x1p63 && v < 0x1p63 && v == trunc(v)) {
        return key_int((int64_t)v, key);
    }
    key[0] = 'd';
    memcpy(key + 1, &v, sizeof v);
    return SCALAR_KEY;
}

/* Key of a value that is neither text nor JSON. */
static size_t key_scalar(const struct tl_value *v, char key[SCALAR_KEY])
{
    switch (v->kind) {
    case TL_VALUE_BOOL: return key_int(v->as.b, key);
    case TL_VALUE_INT: return key_int(v->as.i, key);
    case TL_VALUE_FLOAT: return key_double(v->as.f, key);
    default: key[0] = 'n'; return 1;
    }
}

static void add_text(struct buf *out, const char *s, size_t n)
{
    uint64_t length = n;
    buf_add_char(out, 's');
    buf_add(out, &length, sizeof length);
    buf_add(out, s, n);
}

/* All decimal digits of a finite double >= 2^53; returns how many. */
size_t dist_exact_digits(double v, char out[DIST_DIGITS_MAX])
{
    enum { LIMBS = 36 }; /* 9 digits each: 2^1024 has 309 */
    uint32_t limb[LIMBS] = {0};
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(v, &exponent), 53);
    limb[0] = (uint32_t)(mantissa % 1000000000u);
    limb[1] = (uint32_t)(mantissa / 1000000000u % 1000000000u);
    for (exponent -= 53; exponent > 0;) {
        int shift = exponent < 29 ? exponent : 29;
        uint64_t carry = 0;
        for (int i = 0; i < LIMBS; i++) {
            carry += (uint64_t)limb[i] << shift;
            limb[i] = (uint32_t)(carry % 1000000000u);
            carry /= 1000000000u;
        }
        exponent -= shift;
    }
    size_t n = 0;
    for (int i = LIMBS - 1; i >= 0; i--) {
        for (uint32_t place = 100000000; place > 0; place /= 10) {
            char digit = (char)('0' + limb[i] / place % 10);
            if (n > 0 || digit != '0') {
                out[n++] = digit;
            }
        }
    }
    return n;
}

/* A number as it stands in JSON text. */
static void add_number(struct buf *out, const char *p, const char *end)
{
    char key[SCALAR_KEY];
    int64_t i;
    double v = 0;
    bool integer = false;
    if (num_parse_int(p, end, &i) == end) {
        buf_add(out, key, key_int(i, key));
        return;
    }
    num_parse(p, end, &v, &integer);
    if (integer) { /* more than 64 bits: equal to a double only if it is exactly that double */
        char exact[DIST_DIGITS_MAX];
        const char *digits = p + (*p == '-');
        size_t n = (size_t)(end - digits);
        if (!isfinite(v) || dist_exact_digits(fabs(v), exact) != n || memcmp(exact, digits, n) != 0) {
            buf_add_char(out, 'h');
            buf_add(out, p, (size_t)(end - p));
            buf_add_char(out, '\0');
            return;
        }
    }
    buf_add(out, key, key_double(v, key));
}

/* One token at the cursor of valid JSON; order and nesting are in the brackets. */
static void add_token(struct buf *out, struct json *j, struct arena *scratch)
{
    static const struct tl_value scalar[] = {
        {.kind = TL_VALUE_NULL}, {.kind = TL_VALUE_BOOL, .as.b = false}, {.kind = TL_VALUE_BOOL, .as.b = true}};
    char key[SCALAR_KEY];
    struct str s;
    double v;
    switch (json_peek(j)) {
    case JSON_STRING:
        if (json_string(j, scratch, &s, NULL) != TL_OK) {
            out->failed = TL_ENOMEM;
        } else {
            add_text(out, s.p, s.n);
        }
        break;
    case JSON_NUMBER: {
        const char *end = num_parse(j->p, j->end, &v, NULL);
        add_number(out, j->p, end);
        j->p = end;
        break;
    }
    case JSON_NULL:
        buf_add(out, key, key_scalar(&scalar[0], key));
        j->p += 4;
        break;
    case JSON_FALSE:
        buf_add(out, key, key_scalar(&scalar[1], key));
        j->p += 5;
        break;
    case JSON_TRUE:
        buf_add(out, key, key_scalar(&scalar[2], key));
        j->p += 4;
        break;
    default:
        if (*j->p != ',' && *j->p != ':') {
            buf_add_char(out, *j->p);
        }
        j->p++;
    }
}

bool dist_json_valid(struct str text)
{
    struct json j = JSON_OF(text.p, text.n);
    return text.n > 0 && json_skip(&j, NULL, NULL) == TL_OK && json_finish(&j, NULL) == TL_OK;
}

static void add_json(struct buf *out, struct str text)
{
    struct json j = JSON_OF(text.p, text.n);
    if (!dist_json_valid(text)) { /* a caller's mistake: equal to itself */
        buf_add_char(out, 'x');
        add_text(out, text.p, text.n);
        return;
    }
    struct arena scratch = {0};
    while (!out->failed && json_peek(&j) != JSON_END) {
        add_token(out, &j, &scratch);
    }
    arena_release(&scratch);
}

void dist_value_key(const struct tl_value *v, struct buf *out)
{
    char key[SCALAR_KEY];
    if (v->kind == TL_VALUE_STRING) {
        add_text(out, v->as.text.s, v->as.text.len);
    } else if (v->kind == TL_VALUE_JSON) {
        add_json(out, (struct str){v->as.text.s, v->as.text.len});
    } else {
        buf_add(out, key, key_scalar(v, key));
    }
}

static int json_equal(const struct tl_value *a, const struct tl_value *b)
{
    struct buf ka = BUF_INIT(SIZE_MAX), kb = BUF_INIT(SIZE_MAX);
    dist_value_key(a, &ka);
    dist_value_key(b, &kb);
    int result = TL_ENOMEM;
    if (!ka.failed && !kb.failed) {
        result = str_eq((struct str){ka.data, ka.len}, (struct str){kb.data, kb.len});
    }
    buf_release(&ka);
    buf_release(&kb);
    return result;
}

int dist_value_equal(const struct tl_value *a, const struct tl_value *b)
{
    if (a->kind == TL_VALUE_JSON || b->kind == TL_VALUE_JSON) {
        return json_equal(a, b);
    }
    if (a->kind == TL_VALUE_STRING || b->kind == TL_VALUE_STRING) {
        return a->kind == b->kind &&
               str_eq((struct str){a->as.text.s, a->as.text.len}, (struct str){b->as.text.s, b->as.text.len});
    }
    char ka[SCALAR_KEY], kb[SCALAR_KEY];
    size_t n = key_scalar(a, ka);
    return n == key_scalar(b, kb) && memcmp(ka, kb, n) == 0;
}
