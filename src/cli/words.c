/* SPDX-License-Identifier: MIT
 *
 * Reading what people type: numbers, durations, and what a mistyped word may have meant. Pure functions; false means that
 * the whole text is not what was asked for.
 */
#include "base/num.h"
#include "cli/cli.h"
#include "cli/pytext.h"

#include <math.h>

static struct str trimmed(struct str s)
{
    size_t before = py_space_before(s);
    s.p += before;
    s.n -= before;
    s.n -= py_space_behind(s);
    return s;
}

static bool same_word(struct str s, const char *word)
{
    size_t n = strlen(word);
    if (s.n != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = s.p[i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != word[i]) {
            return false;
        }
    }
    return true;
}

/* Copies digits without the single underscores that Python allows between them; the number of digits, or -1. */
static int copy_digits(const char **p, const char *end, struct buf *out)
{
    int n = 0;
    bool digit_before = false;
    for (; *p < end; (*p)++) {
        char c = **p;
        if (c >= '0' && c <= '9') {
            buf_add_char(out, c);
            n++;
            digit_before = true;
        } else if (c == '_') {
            if (!digit_before || *p + 1 >= end || (*p)[1] < '0' || (*p)[1] > '9') {
                return -1;
            }
            digit_before = false;
        } else {
            break;
        }
    }
    return n;
}

/* Puts a number without sign into JSON's form: at least one digit before the point, no needless zeros in front. */
static bool canonical(struct str s, struct buf *out)
{
    const char *p = s.p, *end = s.p + s.n;
    size_t from = out->len;
    int whole = copy_digits(&p, end, out);
    size_t zeros = 0;
    while (zeros < out->len - from && out->data[from + zeros] == '0') {
        zeros++;
    }
    if (zeros > 0) {
        memmove(out->data + from, out->data + from + zeros, out->len - from - zeros);
        out->len -= zeros;
    }
    if (out->len == from) {
        buf_add_char(out, '0');
    }
    int behind = 0;
    if (whole >= 0 && p < end && *p == '.') {
        p++;
        buf_add_char(out, '.');
        behind = copy_digits(&p, end, out);
        if (behind == 0) {
            buf_add_char(out, '0');
        }
    }
    if (whole < 0 || behind < 0 || whole + behind == 0) {
        return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        buf_add_char(out, 'e');
        if (p < end && (*p == '-' || *p == '+')) {
            buf_add_char(out, *p++);
        }
        if (copy_digits(&p, end, out) <= 0) {
            return false;
        }
    }
    return p == end;
}

bool cli_parse_number(struct str text, double *out)
{
    struct str s = trimmed(text);
    bool minus = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        s.p++;
        s.n--;
    }
    double v;
    if (same_word(s, "inf") || same_word(s, "infinity")) {
        v = (double)INFINITY;
    } else if (same_word(s, "nan")) {
        v = (double)NAN;
    } else {
        struct buf b = BUF_INIT(1 << 20);
        bool good = canonical(s, &b) && !b.failed;
        const char *end = b.data + b.len;
        good = good && num_parse(b.data, end, &v, NULL) == end;
        buf_release(&b);
        if (!good) {
            return false;
        }
    }
    *out = minus ? -v : v;
    return true;
}

bool cli_parse_int(struct str text, int64_t *out)
{
    struct str s = trimmed(text);
    struct buf b = BUF_INIT(4096);
    const char *p = s.p, *end = s.p + s.n;
    if (p < end && (*p == '-' || *p == '+')) {
        if (*p == '-') {
            buf_add_char(&b, '-');
        }
        p++;
    }
    while (p + 1 < end && *p == '0' && p[1] != '_') {
        p++;
    }
    bool good = copy_digits(&p, end, &b) > 0 && p == end && !b.failed;
    if (good && str_eq((struct str){b.data, b.len}, STR("-0"))) {
        *out = 0;
    } else {
        good = good && num_parse_int(b.data, b.data + b.len, out) == b.data + b.len;
    }
    buf_release(&b);
    return good;
}

bool cli_parse_duration(struct str text, int64_t *out)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}, {"", 1e3}};
    struct str s = trimmed(text);
    size_t digits = s.n;
    while (digits > 0 && s.p[digits - 1] >= 'a' && s.p[digits - 1] <= 'z') {
        digits--;
    }
    for (size_t i = 0; i < TL_COUNT(units); i++) {
        double v;
        if (!str_eq((struct str){s.p + digits, s.n - digits}, str_of(units[i].unit))) {
            continue;
        }
        if (!cli_parse_number((struct str){s.p, digits}, &v) || !(v >= 0 && v * units[i].ms < 9e15)) {
            return false;
        }
        *out = (int64_t)(v * units[i].ms + 0.5);
        return true;
    }
    return false;
}

/* ---- what a mistyped word may have meant ---- */

#define WORD_MAX 64

/* Edits (insert, delete, replace, swap two neighbours) that lead from a to b; both at most WORD_MAX bytes long. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t n = strlen(a), m = strlen(b);
    for (size_t j = 0; j <= m; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *twice = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned d = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < d) {
                d = before[j] + 1;
            }
            if (now[j - 1] + 1 < d) {
                d = now[j - 1] + 1;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && twice[j - 2] + 1 < d) {
                d = twice[j - 2] + 1;
            }
            now[j] = d;
        }
    }
    return rows[n % 3][m];
}

const char *cli_nearest(const char *word, const char *(*next)(void *ctx), void *ctx)
{
    const char *best = NULL;
    size_t n = strlen(word);
    unsigned limit = n < 3 ? 1 : n < 6 ? 2 : 3;
    if (n == 0 || n > WORD_MAX) {
        return NULL;
    }
    for (const char *candidate; (candidate = next(ctx)) != NULL;) {
        if (strlen(candidate) > WORD_MAX) {
            continue;
        }
        unsigned d = distance(word, candidate);
        if (d > limit && n >= 3 && strncmp(candidate, word, n) == 0) {
            d = limit; /* the beginning of a longer word */
        }
        if (d <= limit && d < strlen(candidate)) {
            best = candidate;
            limit = d > 0 ? d - 1 : 0;
            if (d == 0) {
                break;
            }
        }
    }
    return best;
}
