/* SPDX-License-Identifier: MIT
 *
 * Numbers to text and back without the C library, so without its locale and rounding mode.
 *
 * Reading: up to 19 digits become a 64-bit integer w, and w * 10^q is rounded by one or two 64-bit multiplications with a
 * truncated power of five (Lemire, "Number parsing at a gigabyte per second", 2021, Algorithm 1; that its error case cannot
 * occur for such w: Mushtak and Lemire, "Fast number parsing without fallback", 2023). More digits: when w and w + 1 round
 * to different doubles, those two are neighbours, and the digits are compared with the midpoint in exact integers.
 *
 * Writing: Giulietti, "The Schubfach way to render doubles", 2020, with 128-bit powers; of the shortest texts that read
 * back as the same double the nearest one, as Python's repr.
 *
 * The table of powers is computed exactly at the first use. Nothing here allocates. Reading fails only where the text is
 * no number; writing never fails.
 */
#include "base/num.h"

#include "base/wide.h"

#include <pthread.h>
#include <stdatomic.h>

#define MANTISSA_BITS 52
#define HIDDEN_BIT    (UINT64_C(1) << MANTISSA_BITS)
#define EXPONENT_BIAS 1075 /* a double is mantissa * 2^(biased exponent - 1075) */
#define INFINITY_BITS (UINT64_C(0x7ff) << MANTISSA_BITS)
#define NAN_BITS      (UINT64_C(0x7ff8) << 48)
#define SIGN_BIT      (UINT64_C(1) << 63)

static inline double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* floor(log2(10^q)) for |q| <= 400: 217706 / 2^16 is log2(10) closely enough. Shifts of negative numbers are arithmetic
 * in the compilers we build with. */
static inline int log2_of_pow10(int q)
{
    return (217706 * q) >> 16;
}

/* ---- exact integers, for the table of powers and for hard cases ---- */

/* Bounds: 770 digits are 2,558 bits, 5^1112 times a 54-bit midpoint is 2,637 bits, and of two numbers that are nearly
 * equal the smaller one is shifted towards the other; 64 limbs are 4,096 bits. */
#define BIG_LIMBS 64

struct big {
    uint64_t limb[BIG_LIMBS]; /* least first */
    unsigned n;               /* in use; the highest one is not 0 */
};

static void big_set(struct big *b, uint64_t v)
{
    b->limb[0] = v;
    b->n = v != 0;
}

/* b = b * factor + more */
static void big_multiply(struct big *b, uint64_t factor, uint64_t more)
{
    uint64_t carry = more;
    for (unsigned i = 0; i < b->n; i++) {
        struct wide p = wide_mul(b->limb[i], factor);
        p.lo += carry;
        carry = p.hi + (p.lo < carry);
        b->limb[i] = p.lo;
    }
    if (carry) {
        b->limb[b->n++] = carry;
    }
}

static void big_multiply_pow5(struct big *b, unsigned power)
{
    const uint64_t five_27 = UINT64_C(7450580596923828125);
    for (; power >= 27; power -= 27) {
        big_multiply(b, five_27, 0);
    }
    uint64_t rest = 1;
    for (; power > 0; power--) {
        rest *= 5;
    }
    big_multiply(b, rest, 0);
}

static void big_divide_by_5(struct big *b)
{
    uint64_t rest = 0;
    for (unsigned i = b->n; i-- > 0;) {
        uint64_t high = rest << 32 | b->limb[i] >> 32;
        uint64_t low = high % 5 << 32 | (b->limb[i] & 0xffffffffu);
        b->limb[i] = high / 5 << 32 | low / 5;
        rest = low % 5;
    }
    while (b->n > 0 && b->limb[b->n - 1] == 0) {
        b->n--;
    }
}

static void big_shift_left(struct big *b, unsigned bits)
{
    if (b->n == 0) {
        return;
    }
    unsigned limbs = bits / 64, rest = bits % 64;
    b->limb[b->n] = 0;
    for (unsigned i = b->n + 1; i-- > 0;) {
        uint64_t below = rest && i > 0 ? b->limb[i - 1] >> (64 - rest) : 0;
        b->limb[i + limbs] = b->limb[i] << rest | below;
    }
    memset(b->limb, 0, limbs * sizeof b->limb[0]);
    b->n += limbs + 1;
    while (b->limb[b->n - 1] == 0) {
        b->n--;
    }
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    for (unsigned i = a->n; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

/* ---- powers of ten ---- */

#define POW10_LEAST (-342)
#define POW10_MOST  324

/* The first 128 bits of 10^q (which are those of 5^q), the rest cut off. Exact for 0 <= q <= 55 only. */
static struct wide pow10_table[POW10_MOST - POW10_LEAST + 1];
static atomic_bool pow10_made;
static pthread_once_t pow10_once = PTHREAD_ONCE_INIT;

static struct wide first_128_bits(const struct big *b)
{
    uint64_t high = b->limb[b->n - 1];
    uint64_t middle = b->n > 1 ? b->limb[b->n - 2] : 0;
    uint64_t low = b->n > 2 ? b->limb[b->n - 3] : 0;
    int left = __builtin_clzll(high);
    if (left == 0) {
        return (struct wide){middle, high};
    }
    return (struct wide){middle << left | low >> (64 - left), high << left | middle >> (64 - left)};
}

static void make_pow10(void)
{
    struct big b;
    big_set(&b, 1);
    for (int q = 0; q <= POW10_MOST; q++) {
        pow10_table[q - POW10_LEAST] = first_128_bits(&b);
        big_multiply(&b, 5, 0);
    }
    big_set(&b, 1);
    big_shift_left(&b, 960); /* 2^960 / 5^342 has 165 bits left */
    for (int q = -1; q >= POW10_LEAST; q--) {
        big_divide_by_5(&b); /* the floor of a floor is the floor of the whole quotient */
        pow10_table[q - POW10_LEAST] = first_128_bits(&b);
    }
    atomic_store_explicit(&pow10_made, true, memory_order_release);
}

static inline struct wide pow10_bits(int q)
{
    if (TL_UNLIKELY(!atomic_load_explicit(&pow10_made, memory_order_acquire))) {
        pthread_once(&pow10_once, make_pow10);
    }
    return pow10_table[q - POW10_LEAST];
}

/* ---- reading ---- */

/* The double nearest to w * 10^q, as bits without sign. */
static uint64_t round_decimal(uint64_t w, int64_t q)
{
    if (w == 0 || q < POW10_LEAST) {
        return 0;
    }
    if (q > 308) {
        return INFINITY_BITS;
    }
    int power = (int)q;
    struct wide ten = pow10_bits(power);
    if (power < 0 && ++ten.lo == 0) { /* reciprocals are rounded up */
        ten.hi++;
    }
    int left = __builtin_clzll(w);
    w <<= left;
    struct wide z = wide_mul(w, ten.hi);
    if ((z.hi & 0x1ff) == 0x1ff) { /* the cut part of the power may matter */
        uint64_t more = wide_mul(w, ten.lo).hi;
        z.lo += more;
        z.hi += z.lo < more;
    }
    int top = (int)(z.hi >> 63);
    int shift = top + 64 - MANTISSA_BITS - 3; /* leaves 53 bits and one to round by */
    uint64_t m = z.hi >> shift;
    int exponent = log2_of_pow10(power) + 63 + top - left + 1023; /* biased */
    if (exponent <= 0) {
        if (exponent < -62) {
            return 0;
        }
        m >>= 1 - exponent;        /* subnormal; no tie is possible with so small a power */
        return (m + (m & 1)) >> 1; /* a carry into the hidden bit makes it the least normal number */
    }
    /* exactly between two doubles: only possible while 5^q fits into 64 bits */
    if (z.lo <= 1 && power >= -4 && power <= 23 && (m & 3) == 1 && m << shift == z.hi) {
        m &= ~UINT64_C(1);
    }
    m = (m + (m & 1)) >> 1;
    if (m == HIDDEN_BIT << 1) {
        m = HIDDEN_BIT;
        exponent++;
    }
    if (exponent >= 0x7ff) {
        return INFINITY_BITS;
    }
    return (uint64_t)exponent << MANTISSA_BITS | (m & (HIDDEN_BIT - 1));
}

/* A decimal as it stands in the text. */
struct decimal {
    const char *first, *behind; /* its digits, with a point in between perhaps; no leading zeros */
    size_t n_digits;            /* between the two, without the point */
    int64_t exponent;           /* value = digits as an integer * 10^exponent */
};

#define MAX_DIGITS 769 /* a midpoint of two doubles has at most 767 significant digits */
#define DIGITS_19  UINT64_C(10000000000000000000)

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Compares the decimal with the midpoint between the double `lower` (bits) and the next one. */
static int compare_with_midpoint(const struct decimal *d, uint64_t lower)
{
    struct big text, middle;
    big_set(&text, 0);
    size_t n = 0;
    uint64_t chunk = 0, scale = 1;
    bool rest = false; /* digits other than 0 behind MAX_DIGITS */
    for (const char *p = d->first; p < d->behind; p++) {
        if (!is_digit(*p)) {
            continue;
        }
        if (n == MAX_DIGITS) {
            rest = rest || *p != '0';
            continue;
        }
        chunk = chunk * 10 + (uint64_t)(*p - '0');
        scale *= 10;
        n++;
        if (scale == DIGITS_19) {
            big_multiply(&text, scale, chunk);
            chunk = 0;
            scale = 1;
        }
    }
    big_multiply(&text, scale, chunk);
    int ten = (int)(d->exponent + (int64_t)(d->n_digits - n));
    if (rest) { /* any digit there says "a little more" */
        big_multiply(&text, 10, 1);
        ten--;
    }

    uint64_t exponent = lower >> MANTISSA_BITS;
    uint64_t mantissa = lower & (HIDDEN_BIT - 1);
    big_set(&middle, 2 * (exponent ? mantissa | HIDDEN_BIT : mantissa) + 1);
    int two = (exponent ? (int)exponent : 1) - EXPONENT_BIAS - 1;
    if (ten >= 0) {
        big_multiply_pow5(&text, (unsigned)ten);
    } else {
        big_multiply_pow5(&middle, (unsigned)-ten);
    }
    /* text * 2^ten against middle * 2^two */
    if (ten > two) {
        big_shift_left(&text, (unsigned)(ten - two));
    } else {
        big_shift_left(&middle, (unsigned)(two - ten));
    }
    return big_compare(&text, &middle);
}

/* More digits than 64 bits hold. `first` is the first digit of the text, leading zeros included. */
static uint64_t round_long_decimal(struct decimal *d)
{
    while (d->first < d->behind && (*d->first == '0' || *d->first == '.')) {
        d->n_digits -= *d->first == '0';
        d->first++;
    }
    uint64_t w = 0;
    size_t n = 0;
    for (const char *p = d->first; p < d->behind && n < 19; p++) {
        if (is_digit(*p)) {
            w = w * 10 + (uint64_t)(*p - '0');
            n++;
        }
    }
    int64_t q = d->exponent + (int64_t)(d->n_digits - n);
    uint64_t lower = round_decimal(w, q);
    if (d->n_digits <= 19 || lower == round_decimal(w + 1, q)) {
        return lower;
    }
    int order = compare_with_midpoint(d, lower);
    return lower + (order > 0 || (order == 0 && (lower & 1)));
}

/* Eight digits at once: are there eight, and what is their value? */
static inline bool are_8_digits(uint64_t v)
{
    const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0);
    return ((v & high) | (((v + UINT64_C(0x0606060606060606)) & high) >> 4)) == UINT64_C(0x3333333333333333);
}

static inline uint64_t value_of_8_digits(uint64_t v)
{
    v = ((v & UINT64_C(0x0f0f0f0f0f0f0f0f)) * (10 * 0x100 + 1)) >> 8;
    v = ((v & UINT64_C(0x00ff00ff00ff00ff)) * (100 * 0x10000 + 1)) >> 16;
    return ((v & UINT64_C(0x0000ffff0000ffff)) * (10000 * UINT64_C(0x100000000) + 1)) >> 32;
}

/* Appends a run of digits to *w, which may overflow: whoever wants it counts the digits. */
static inline const char *read_digits(const char *p, const char *end, uint64_t *w)
{
    uint64_t v = *w;
    while (end - p >= 8) {
        uint64_t eight = load_le64(p);
        if (!are_8_digits(eight)) {
            break;
        }
        v = v * 100000000 + value_of_8_digits(eight);
        p += 8;
    }
    for (; p < end && is_digit(*p); p++) {
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *w = v;
    return p;
}

/* NaN, Infinity or -Infinity; p stands behind the sign. */
static const char *read_word(const char *p, const char *end, bool negative, double *out)
{
    static const char nan[] = "NaN", infinity[] = "Infinity";
    size_t n = (size_t)(end - p);
    if (!negative && n >= sizeof nan - 1 && memcmp(p, nan, sizeof nan - 1) == 0) {
        *out = double_of(NAN_BITS);
        return p + sizeof nan - 1;
    }
    if (n >= sizeof infinity - 1 && memcmp(p, infinity, sizeof infinity - 1) == 0) {
        *out = double_of(INFINITY_BITS | (negative ? SIGN_BIT : 0));
        return p + sizeof infinity - 1;
    }
    return NULL;
}

/* The part from `e` on, if it is complete: adds it to *exponent. */
static const char *read_exponent(const char *p, const char *end, int64_t *exponent)
{
    const char *digit = p + 1;
    bool negative = digit < end && *digit == '-';
    if (negative || (digit < end && *digit == '+')) {
        digit++;
    }
    if (digit == end || !is_digit(*digit)) {
        return p;
    }
    int64_t v = 0;
    for (; digit < end && is_digit(*digit); digit++) {
        if (v < INT64_C(100000000000000000)) { /* far beyond any number of digits in memory */
            v = v * 10 + (*digit - '0');
        }
    }
    *exponent += negative ? -v : v;
    return digit;
}

/* The grammar of a number whose first digit stands at p. *w gets the digits' value, right if there are at most 19. */
static inline const char *read_number(const char *p, const char *end, struct decimal *d, uint64_t *w,
                                      bool *integer)
{
    d->first = p;
    d->exponent = 0;
    p = *p == '0' ? p + 1 : read_digits(p, end, w);
    d->n_digits = (size_t)(p - d->first);
    *integer = true;
    if (end - p >= 2 && *p == '.' && is_digit(p[1])) {
        const char *fraction = p + 1;
        p = read_digits(fraction, end, w);
        d->exponent = fraction - p;
        d->n_digits += (size_t)(p - fraction);
        *integer = false;
    }
    d->behind = p;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p = read_exponent(p, end, &d->exponent);
        *integer = *integer && p == d->behind;
    }
    return p;
}

const char *num_parse(const char *p, const char *end, double *out, bool *integer)
{
    bool negative = p < end && *p == '-', whole = false;
    p += negative;
    if (p >= end) {
        return NULL;
    }
    if (is_digit(*p)) {
        struct decimal d;
        uint64_t w = 0, bits;
        p = read_number(p, end, &d, &w, &whole);
        if (TL_LIKELY(d.n_digits <= 19)) {
            bits = d.exponent == 0 && w < HIDDEN_BIT ? bits_of((double)w) : round_decimal(w, d.exponent);
        } else {
            bits = round_long_decimal(&d);
        }
        bool no_sign = whole && bits == 0; /* -0 is a whole number, and those have no negative zero */
        *out = double_of(bits | (negative && !no_sign ? SIGN_BIT : 0));
    } else {
        p = read_word(p, end, negative, out);
    }
    if (p && integer) {
        *integer = whole;
    }
    return p;
}

const char *num_skip(const char *p, const char *end, bool *integer)
{
    bool negative = p < end && *p == '-', whole = false;
    p += negative;
    if (p >= end) {
        return NULL;
    }
    if (is_digit(*p)) {
        struct decimal d;
        uint64_t w = 0;
        p = read_number(p, end, &d, &w, &whole);
    } else {
        double v;
        p = read_word(p, end, negative, &v);
    }
    if (p && integer) {
        *integer = whole;
    }
    return p;
}

const char *num_parse_int(const char *p, const char *end, int64_t *out)
{
    bool negative = p < end && *p == '-';
    p += negative;
    if (p >= end || !is_digit(*p)) {
        return NULL;
    }
    uint64_t v = 0;
    const char *first = p;
    p = *p == '0' ? p + 1 : read_digits(p, end, &v);
    /* 19 digits stay below 2^64 */
    if (p - first > 19 || v > (uint64_t)INT64_MAX + negative) {
        return NULL;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return p;
}

/* ---- writing ---- */

static const char digit_pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static inline void write_2_digits(char *out, uint32_t v)
{
    memcpy(out, digit_pairs + 2 * v, 2);
}

static inline void write_8_digits(char *out, uint32_t v)
{
    uint32_t high = v / 10000, low = v % 10000;
    write_2_digits(out, high / 100);
    write_2_digits(out + 2, high % 100);
    write_2_digits(out + 4, low / 100);
    write_2_digits(out + 6, low % 100);
}

/* Digits of v without leading zeros; returns how many. out holds 20. */
static size_t write_digits(char *out, uint64_t v)
{
    char text[24];
    char *first = text + sizeof text;
    while (v >= 100000000) {
        first -= 8;
        write_8_digits(first, (uint32_t)(v % 100000000));
        v /= 100000000;
    }
    uint32_t rest = (uint32_t)v;
    while (rest >= 100) {
        first -= 2;
        write_2_digits(first, rest % 100);
        rest /= 100;
    }
    if (rest >= 10) {
        first -= 2;
        write_2_digits(first, rest);
    } else {
        *--first = (char)('0' + rest);
    }
    size_t n = (size_t)(text + sizeof text - first);
    memcpy(out, first, n);
    return n;
}

size_t num_format_int(int64_t v, char out[NUM_MAX])
{
    out[0] = '-';
    size_t sign = v < 0;
    size_t n = sign + write_digits(out + sign, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    out[n] = 0;
    return n;
}

struct shortest {
    uint64_t digits;
    int exponent; /* value = digits * 10^exponent */
};

/* floor(g * x / 2^128), with the last bit set when something was cut off (Schubfach, section 9.6: "rop"). The power is off
 * by less than one unit, hence "> 1". */
static inline uint64_t multiply_round_to_odd(struct wide g, uint64_t x)
{
    uint64_t low = wide_mul(g.lo, x).hi;
    struct wide p = wide_mul(g.hi, x);
    p.lo += low;
    p.hi += p.lo < low;
    return p.hi | (p.lo > 1);
}

/* Schubfach, section 9: v = c * 2^q; the interval of what rounds to v has its bounds at a quarter's precision, all times 4
 * and scaled by 10^-k so that it holds at least one integer and at most one multiple of ten. */
static struct shortest find_shortest(uint64_t bits)
{
    uint64_t fraction = bits & (HIDDEN_BIT - 1);
    int biased = (int)(bits >> MANTISSA_BITS & 0x7ff);
    uint64_t c = biased ? fraction | HIDDEN_BIT : fraction;
    int q = (biased ? biased : 1) - EXPONENT_BIAS;
    bool closer = fraction == 0 && biased > 1; /* the next smaller double is only half as far away */
    uint64_t odd = c & 1;                      /* bounds belong to the interval of an even c only */

    /* floor(log10(2^q)), or of 3/4 * 2^q */
    int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
    int h = q + log2_of_pow10(-k) + 1;
    struct wide g = pow10_bits(-k);
    if (++g.lo == 0) {
        g.hi++;
    }
    uint64_t lower = multiply_round_to_odd(g, (4 * c - 2 + closer) << h) + odd;
    uint64_t value = multiply_round_to_odd(g, (4 * c) << h);
    uint64_t upper = multiply_round_to_odd(g, (4 * c + 2) << h) - odd;

    uint64_t s = value / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;
        if (below != above) {
            return (struct shortest){tens + above, k + 1};
        }
    }
    bool below = lower <= 4 * s, above = 4 * s + 4 <= upper;
    if (below != above) {
        return (struct shortest){s + above, k};
    }
    uint64_t middle = 4 * s + 2;
    return (struct shortest){s + (value > middle || (value == middle && (s & 1))), k};
}

/* Lays out `n` digits with the point behind digit number `point` (which may lie outside), in repr's form. */
static size_t lay_out(const char *digits, int n, int point, char *out)
{
    char *p = out;
    if (point > 16 || point < -3) {
        *p++ = digits[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, (size_t)n - 1);
            p += n - 1;
        }
        int exponent = point - 1;
        *p++ = 'e';
        *p++ = exponent < 0 ? '-' : '+';
        uint32_t magnitude = (uint32_t)(exponent < 0 ? -exponent : exponent);
        if (magnitude >= 100) {
            *p++ = (char)('0' + magnitude / 100);
            magnitude %= 100;
        }
        write_2_digits(p, magnitude);
        p += 2;
    } else if (point <= 0) {
        memcpy(p, "0.000", 5);
        p += 2 - point;
        memcpy(p, digits, (size_t)n);
        p += n;
    } else if (point >= n) {
        memcpy(p, digits, (size_t)n);
        memset(p + n, '0', (size_t)(point - n));
        p += point;
        memcpy(p, ".0", 2);
        p += 2;
    } else {
        memcpy(p, digits, (size_t)point);
        p[point] = '.';
        memcpy(p + point + 1, digits + point, (size_t)(n - point));
        p += n + 1;
    }
    *p = 0;
    return (size_t)(p - out);
}

size_t num_format(double v, char out[NUM_MAX])
{
    uint64_t bits = bits_of(v);
    char *p = out;
    if ((bits & ~SIGN_BIT) > INFINITY_BITS) {
        memcpy(p, "NaN", sizeof "NaN");
        return sizeof "NaN" - 1;
    }
    if (bits & SIGN_BIT) {
        *p++ = '-';
        bits &= ~SIGN_BIT;
    }
    size_t sign = (size_t)(p - out);
    if (bits == INFINITY_BITS) {
        memcpy(p, "Infinity", sizeof "Infinity");
        return sign + sizeof "Infinity" - 1;
    }
    double magnitude = double_of(bits);
    char digits[24];
    /* whole numbers whose neighbours are at most 1 away have no shorter text */
    if (magnitude < 9007199254740992.0 && magnitude == (double)(int64_t)magnitude) {
        int n = (int)write_digits(digits, (uint64_t)magnitude);
        return sign + lay_out(digits, n, n, p);
    }
    struct shortest s = find_shortest(bits);
    int n = (int)write_digits(digits, s.digits);
    int point = n + s.exponent;
    while (digits[n - 1] == '0') {
        n--;
    }
    return sign + lay_out(digits, n, point, p);
}
