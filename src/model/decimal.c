/* SPDX-License-Identifier: MIT
 *
 * Decimal arithmetic for distributions with a step (see decimal.h).
 *
 * A number is its digits, least significant first, and the power of ten of the first one. Doubles need at
 * most 17 digits between 10^-340 and 10^309, so exact sums of two of them fit the array; each result is then
 * rounded to 28 digits as Python's default context does. Speed does not matter here: this runs once per
 * distribution, on few digits.
 */
#include "model/decimal.h"

#include "base/num.h"

#include <math.h>

#define PRECISION  28
#define DIGITS_MAX 704 /* the exact difference of DBL_MAX and the smallest subnormal takes 650 */

struct dec {
    bool neg;
    int n;   /* digits in use, the last one not 0; 0 digits: the number 0 */
    int exp; /* power of ten of digit[0] */
    uint8_t digit[DIGITS_MAX];
};

static void trim(struct dec *x)
{
    while (x->n > 0 && x->digit[x->n - 1] == 0) {
        x->n--;
    }
    if (x->n == 0) {
        x->neg = false;
        x->exp = 0;
    }
}

/* From num_format's text, which is -?DIGITS[.DIGITS][e[+-]DIGITS] for a finite number. */
static void dec_of(double v, struct dec *out)
{
    char text[NUM_MAX];
    size_t len = num_format(v, text);
    size_t i = 0, end = len;
    out->neg = text[0] == '-';
    out->n = 0;
    out->exp = 0;
    const char *e = memchr(text, 'e', len);
    if (e) {
        int64_t exp = 0;
        const char *p = e + 1;
        if (*p == '+') {
            p++;
        }
        for (const char *q = p + (*p == '-'); q < text + len; q++) {
            exp = exp * 10 + (*q - '0');
        }
        out->exp = (int)(*p == '-' ? -exp : exp);
        end = (size_t)(e - text);
    }
    const char *dot = memchr(text, '.', end);
    if (dot) {
        out->exp -= (int)(text + end - dot - 1);
    }
    for (i = end; i-- > (out->neg ? 1u : 0u);) {
        if (text[i] != '.') {
            out->digit[out->n++] = (uint8_t)(text[i] - '0');
        }
    }
    trim(out);
}

static double dec_double(const struct dec *x)
{
    char text[PRECISION + 24];
    size_t n = 0;
    if (x->neg) {
        text[n++] = '-';
    }
    for (int i = x->n - 1; i >= 0 && n < PRECISION + 2; i--) {
        text[n++] = (char)('0' + x->digit[i]);
    }
    if (x->n == 0) {
        text[n++] = '0';
    }
    text[n++] = 'e';
    n += num_format_int(x->exp, text + n);
    double v = 0;
    num_parse(text, text + n, &v, NULL);
    return v;
}

/* The digit that stands for 10^place. */
static int digit_at(const struct dec *x, int place)
{
    int i = place - x->exp;
    return i >= 0 && i < x->n ? x->digit[i] : 0;
}

static int compare_magnitude(const struct dec *a, const struct dec *b)
{
    int top = a->exp + a->n > b->exp + b->n ? a->exp + a->n : b->exp + b->n;
    int low = a->exp < b->exp ? a->exp : b->exp;
    for (int place = top - 1; place >= low; place--) {
        int difference = digit_at(a, place) - digit_at(b, place);
        if (difference != 0) {
            return difference;
        }
    }
    return 0;
}

static void round_to_precision(struct dec *x)
{
    if (x->n <= PRECISION) {
        return;
    }
    int cut = x->n - PRECISION;
    bool below = false; /* anything behind the first digit that is cut */
    for (int i = 0; i < cut - 1 && !below; i++) {
        below = x->digit[i] != 0;
    }
    int first = x->digit[cut - 1];
    bool up = first > 5 || (first == 5 && (below || x->digit[cut] % 2 == 1));
    memmove(x->digit, x->digit + cut, PRECISION);
    x->n = PRECISION;
    x->exp += cut;
    int i = 0;
    for (; up && i < PRECISION; i++) {
        up = x->digit[i] == 9;
        x->digit[i] = up ? 0 : (uint8_t)(x->digit[i] + 1);
    }
    if (up) { /* 99…9 became 100…0 */
        x->digit[PRECISION - 1] = 1;
        x->exp++;
    }
}

/* a + b, or a - b. */
static void dec_add(const struct dec *a, const struct dec *b, bool subtract, struct dec *out)
{
    bool b_neg = b->neg != subtract;
    bool same_sign = a->neg == b_neg;
    const struct dec *big = a, *small = b;
    out->neg = a->neg;
    if (compare_magnitude(a, b) < 0) {
        big = b;
        small = a;
        out->neg = b_neg;
    }
    out->exp = a->exp < b->exp ? a->exp : b->exp;
    if (a->n == 0 || b->n == 0) { /* zero has no place of its own */
        out->exp = big->exp;
    }
    int top = big->exp + big->n, carry = 0, n = 0;
    for (int place = out->exp; place < top || carry != 0; place++) {
        int sum = digit_at(big, place) + (same_sign ? 1 : -1) * digit_at(small, place) + carry;
        carry = sum > 9 ? 1 : sum < 0 ? -1 : 0;
        out->digit[n++] = (uint8_t)(sum - 10 * carry);
    }
    out->n = n;
    trim(out);
    round_to_precision(out);
}

/* Both have at most 28 digits. */
static void dec_mul(const struct dec *a, const struct dec *b, struct dec *out)
{
    memset(out->digit, 0, 2 * PRECISION + 1);
    for (int i = 0; i < a->n; i++) {
        int carry = 0;
        for (int k = 0; k < b->n || carry; k++) {
            int sum = out->digit[i + k] + carry + (k < b->n ? a->digit[i] * b->digit[k] : 0);
            out->digit[i + k] = (uint8_t)(sum % 10);
            carry = sum / 10;
        }
    }
    out->n = a->n && b->n ? a->n + b->n : 0;
    out->exp = a->exp + b->exp;
    out->neg = a->neg != b->neg;
    trim(out);
    round_to_precision(out);
}

/* quotient = trunc(a / b) for a >= 0 of at most 28 digits and b > 0 of at most 17, so that what is left over
 * on the way is exact; false when the quotient has more than 28 digits. `*exact` says whether nothing is
 * left over in the end. */
static bool dec_divide(const struct dec *a, const struct dec *b, struct dec *quotient, bool *exact)
{
    quotient->neg = false;
    quotient->n = 0;
    quotient->exp = 0;
    *exact = a->n == 0;
    int excess = a->exp + a->n - (b->exp + b->n); /* digits of the quotient, or one less */
    if (a->n == 0 || excess < 0) {
        return true;
    }
    if (excess > PRECISION) {
        return false;
    }
    struct dec rest = *a, part = *b, difference;
    for (int place = excess; place >= 0; place--) {
        part.exp = b->exp + place;
        uint8_t times = 0;
        while (compare_magnitude(&rest, &part) >= 0) {
            dec_add(&rest, &part, true, &difference);
            rest = difference;
            times++;
        }
        quotient->digit[place] = times;
    }
    quotient->n = excess + 1;
    trim(quotient);
    *exact = rest.n == 0;
    return quotient->n <= PRECISION;
}

int decimal_snap(double low, double high, double step, double *out)
{
    if (isinf(low) && low == high) { /* inf - inf, before Python sees the step */
        return -1;
    }
    if (isnan(low) || isnan(high) || isnan(step)) {
        *out = NAN;
        return 1;
    }
    if (isinf(low) || isinf(high)) {
        return -1;
    }
    if (isinf(step)) {
        return low == high ? 0 : -1;
    }
    struct dec l, h, s, range, k, sum;
    bool exact;
    dec_of(low, &l);
    dec_of(high, &h);
    dec_of(step, &s);
    dec_add(&h, &l, true, &range);
    if (!dec_divide(&range, &s, &k, &exact)) {
        return -1;
    }
    if (exact) {
        return 0;
    }
    dec_mul(&k, &s, &range);
    dec_add(&range, &l, false, &sum);
    *out = dec_double(&sum);
    return 1;
}

bool decimal_narrower(double low, double high, double step)
{
    if (!isfinite(low) || !isfinite(high) || !isfinite(step)) {
        return isfinite(low) && isfinite(high) && step > 0;
    }
    struct dec l, h, s, range;
    dec_of(low, &l);
    dec_of(high, &h);
    dec_of(step, &s);
    dec_add(&h, &l, true, &range);
    if (range.neg != s.neg) {
        return range.neg;
    }
    return (range.neg ? -1 : 1) * compare_magnitude(&range, &s) < 0;
}

bool decimal_steps(double low, double high, double step, uint64_t *steps)
{
    if (!isfinite(low) || !isfinite(high) || !isfinite(step)) {
        return false;
    }
    struct dec l, h, s, range, k;
    bool exact;
    dec_of(low, &l);
    dec_of(high, &h);
    dec_of(step, &s);
    dec_add(&h, &l, true, &range);
    if (range.neg || s.n == 0 || s.neg || !dec_divide(&range, &s, &k, &exact) || k.n > 19) {
        return false;
    }
    uint64_t total = 0;
    for (int i = k.n - 1; i >= 0; i--) {
        total = total * 10 + k.digit[i];
    }
    if (total >> 63) {
        return false;
    }
    *steps = total;
    return true;
}
