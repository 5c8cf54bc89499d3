/* SPDX-License-Identifier: MIT
 *
 * Writes a tree as PyYAML's safe_dump does with its defaults: block style, keys sorted, lines folded behind column 80, ASCII
 * only. A string is plain when it would be read back as the same string, else in single quotes, else in double quotes.
 *
 * The rules were found by asking PyYAML; tests/cli/vs_optuna.py compares both on many values.
 */
#include "base/json.h"
#include "base/num.h"
#include "cli/node.h"
#include "cli/pytext.h"

#include <math.h>

#define FOLD_AT     80
#define LONGEST_KEY 122 /* code points of a key that still stands on one line as "key:" */

struct yaml {
    struct buf *out;
    int column;
};

static void put(struct yaml *y, const char *bytes, size_t n)
{
    buf_add(y->out, bytes, n);
    y->column += (int)n;
}

static void put_text(struct yaml *y, const char *text)
{
    put(y, text, strlen(text));
}

static void put_char(struct yaml *y, char c)
{
    put(y, &c, 1);
}

static void new_line(struct yaml *y, int indent)
{
    buf_add_char(y->out, '\n');
    for (y->column = 0; y->column < indent;) {
        put_char(y, ' ');
    }
}

/* ---- would a plain word be read as something else than a string? ---- */

struct scan {
    const char *p, *end;
};

static bool at(const struct scan *s, char low, char high)
{
    return s->p < s->end && *s->p >= low && *s->p <= high;
}

static bool eat(struct scan *s, char c)
{
    if (!at(s, c, c)) {
        return false;
    }
    s->p++;
    return true;
}

/* Digits up to `high`, underscores too when allowed; how many characters. */
static size_t eat_digits(struct scan *s, char high, bool underscores)
{
    const char *from = s->p;
    while (at(s, '0', high) || (underscores && at(s, '_', '_'))) {
        s->p++;
    }
    return (size_t)(s->p - from);
}

/* ":59", one or more. */
static bool eat_sixties(struct scan *s)
{
    int n = 0;
    while (at(s, ':', ':')) {
        struct scan t = {s->p + 1, s->end};
        size_t digits = eat_digits(&t, '9', false);
        if (digits == 0 || digits > 2 || (digits == 2 && s->p[1] > '5')) {
            break;
        }
        *s = t;
        n++;
    }
    return n > 0;
}

static bool is_integer(struct str text)
{
    struct scan s = {text.p, text.p + text.n};
    if (!eat(&s, '-')) {
        eat(&s, '+');
    }
    if (eat(&s, '0')) {
        if (s.p == s.end) {
            return true;
        }
        if (eat(&s, 'b')) {
            return eat_digits(&s, '1', true) > 0 && s.p == s.end;
        }
        if (eat(&s, 'x')) {
            const char *from = s.p;
            while (at(&s, '0', '9') || at(&s, 'a', 'f') || at(&s, 'A', 'F') || at(&s, '_', '_')) {
                s.p++;
            }
            return s.p > from && s.p == s.end;
        }
        return eat_digits(&s, '7', true) > 0 && s.p == s.end;
    }
    if (!at(&s, '1', '9')) {
        return false;
    }
    eat_digits(&s, '9', true);
    return s.p == s.end || (eat_sixties(&s) && s.p == s.end);
}

static bool eat_exponent(struct scan *s)
{
    if (!eat(s, 'e') && !eat(s, 'E')) {
        return true;
    }
    if (!eat(s, '-') && !eat(s, '+')) {
        return false;
    }
    return eat_digits(s, '9', false) > 0;
}

static bool is_float(struct str text)
{
    struct scan s = {text.p, text.p + text.n};
    struct str rest = text;
    bool sign = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+');
    if (sign) {
        rest.p++;
        rest.n--;
        s.p++;
    }
    if (str_eq(rest, STR(".inf")) || str_eq(rest, STR(".Inf")) || str_eq(rest, STR(".INF"))) {
        return true;
    }
    if (!sign && (str_eq(rest, STR(".nan")) || str_eq(rest, STR(".NaN")) || str_eq(rest, STR(".NAN")))) {
        return true;
    }
    if (!at(&s, '0', '9')) {
        if (sign || !eat(&s, '.') || !at(&s, '0', '9')) {
            return false;
        }
        eat_digits(&s, '9', true);
        return eat_exponent(&s) && s.p == s.end;
    }
    eat_digits(&s, '9', true);
    bool sixties = eat_sixties(&s);
    if (!eat(&s, '.')) {
        return false;
    }
    eat_digits(&s, '9', true);
    return (sixties || eat_exponent(&s)) && s.p == s.end;
}

static bool eat_count(struct scan *s, size_t least, size_t most)
{
    size_t n = 0;
    while (n < most && at(s, '0', '9')) {
        s->p++;
        n++;
    }
    return n >= least;
}

static size_t eat_blanks(struct scan *s)
{
    const char *from = s->p;
    while (at(s, ' ', ' ') || at(s, '\t', '\t')) {
        s->p++;
    }
    return (size_t)(s->p - from);
}

static bool is_timestamp(struct str text)
{
    struct scan s = {text.p, text.p + text.n};
    const char *from = s.p;
    if (!eat_count(&s, 4, 4) || !eat(&s, '-') || !eat_count(&s, 1, 2) || !eat(&s, '-') || !eat_count(&s, 1, 2)) {
        return false;
    }
    if (s.p == s.end) {
        return s.p - from == 10;
    }
    if (!eat(&s, 'T') && !eat(&s, 't') && eat_blanks(&s) == 0) {
        return false;
    }
    if (!eat_count(&s, 1, 2) || !eat(&s, ':') || !eat_count(&s, 2, 2) || !eat(&s, ':') || !eat_count(&s, 2, 2)) {
        return false;
    }
    if (eat(&s, '.')) {
        eat_digits(&s, '9', false);
    }
    if (s.p == s.end) {
        return true;
    }
    eat_blanks(&s);
    if (eat(&s, 'Z')) {
        return s.p == s.end;
    }
    if ((!eat(&s, '-') && !eat(&s, '+')) || !eat_count(&s, 1, 2)) {
        return false;
    }
    return s.p == s.end || (eat(&s, ':') && eat_count(&s, 2, 2) && s.p == s.end);
}

static bool reads_as_other(struct str text)
{
    static const char *const words[] = {"",      "~",  "null", "Null", "NULL", "<<",   "=",    "yes",   "Yes",
                                        "YES",   "no", "No",   "NO",   "true", "True", "TRUE", "false", "False",
                                        "FALSE", "on", "On",   "ON",   "off",  "Off",  "OFF"};
    for (size_t i = 0; i < TL_COUNT(words); i++) {
        if (str_eq(text, str_of(words[i]))) {
            return true;
        }
    }
    return is_integer(text) || is_float(text) || is_timestamp(text);
}

/* ---- strings ---- */

enum scalar_style { PLAIN, SINGLE, TWOFOLD };

static bool is_blank_or_end(const char *p, const char *end)
{
    if (p >= end) {
        return true;
    }
    uint32_t c = py_next(&p, end);
    return c == 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* Which style can hold the text: everything needs double quotes that is neither printable ASCII nor a line feed. */
static enum scalar_style style_of(struct str text, bool *several_lines)
{
    bool plain = !reads_as_other(text), single = true, blank_before = true;
    char previous = 0;
    *several_lines = false;
    if (text.n >= 3 && (memcmp(text.p, "---", 3) == 0 || memcmp(text.p, "...", 3) == 0)) {
        plain = false;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool blank_behind = is_blank_or_end(text.p + i + 1, text.p + text.n);
        if (c != '\n' && (c < ' ' || c > '~')) {
            single = false;
        }
        if (c == '\n') {
            plain = false;
            *several_lines = true;
            if (previous == ' ') {
                single = false;
            }
        }
        if (c == ' ') {
            if (i == 0 || i + 1 == text.n) {
                plain = false;
            }
            if (previous == '\n') {
                single = false;
            }
        }
        if ((c == ':' && blank_behind) || (c == '#' && blank_before)) {
            plain = false;
        }
        if (i == 0 && (strchr(",[]{}&*!|>'\"%@`", c) || ((c == '?' || c == '-') && blank_behind))) {
            plain = false;
        }
        blank_before = c == ' ' || c == '\n';
        previous = c;
    }
    /* NEL, LS and PS are line breaks, though they are always escaped */
    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        uint32_t c = py_next(&p, end);
        *several_lines = *several_lines || c == 0x85 || c == 0x2028 || c == 0x2029;
    }
    return !single ? TWOFOLD : plain ? PLAIN : SINGLE;
}

static size_t run_of(struct str text, size_t i, char c)
{
    size_t n = 0;
    while (i + n < text.n && text.p[i + n] == c) {
        n++;
    }
    return n;
}

/* Plain and single-quoted text: a single blank behind column 80 becomes a line break. `fold` < 0: never, else the indent of
 * the lines that follow. */
static void put_lines(struct yaml *y, struct str text, enum scalar_style style, int fold)
{
    if (style == SINGLE) {
        put_char(y, '\'');
    }
    for (size_t i = 0; i < text.n;) {
        size_t blanks = run_of(text, i, ' '), breaks = run_of(text, i, '\n');
        if (blanks > 0) {
            bool inside = i > 0 && i + blanks < text.n;
            if (blanks == 1 && inside && fold >= 0 && y->column > FOLD_AT) {
                new_line(y, fold);
            } else {
                put(y, text.p + i, blanks);
            }
            i += blanks;
        } else if (breaks > 0) {
            buf_add_char(y->out, '\n');
            for (size_t k = 1; k < breaks; k++) {
                buf_add_char(y->out, '\n');
            }
            new_line(y, fold < 0 ? 0 : fold);
            i += breaks;
        } else {
            if (text.p[i] == '\'' && style == SINGLE) {
                put_char(y, '\'');
            }
            put_char(y, text.p[i++]);
        }
    }
    if (style == SINGLE) {
        put_char(y, '\'');
    }
}

static void put_escape(struct yaml *y, uint32_t c)
{
    static const struct {
        uint32_t c;
        char letter;
    } short_ones[] = {{0, '0'},     {7, 'a'},    {8, 'b'},    {9, 't'},      {10, 'n'},
                      {11, 'v'},    {12, 'f'},   {13, 'r'},   {27, 'e'},     {'"', '"'},
                      {'\\', '\\'}, {0x85, 'N'}, {0xa0, '_'}, {0x2028, 'L'}, {0x2029, 'P'}};
    static const char hex[] = "0123456789ABCDEF";
    put_char(y, '\\');
    for (size_t i = 0; i < TL_COUNT(short_ones); i++) {
        if (short_ones[i].c == c) {
            put_char(y, short_ones[i].letter);
            return;
        }
    }
    int digits = c <= 0xff ? 2 : c <= 0xffff ? 4 : 8;
    put_char(y, digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
    while (digits-- > 0) {
        put_char(y, hex[(c >> (4 * digits)) & 15]);
    }
}

/* Double-quoted text folds at a blank or behind an escape, with a backslash at the end of the line. */
static void put_twofold(struct yaml *y, struct str text, int fold)
{
    bool fresh = true; /* nothing was written since the last escape or fold */
    put_char(y, '"');
    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        const char *from = p;
        uint32_t c = py_next(&p, end);
        bool escape = c < ' ' || c > '~' || c == '"' || c == '\\';
        bool inside = from > text.p && p < end;
        if (escape) {
            put_escape(y, c);
            fresh = true;
        }
        /* PyYAML counts one less behind an escape */
        if (inside && fold >= 0 && (c == ' ' || fresh) && y->column - (escape ? 1 : 0) > FOLD_AT) {
            put_char(y, '\\');
            new_line(y, fold);
            if (c == ' ' || (escape && *p == ' ')) {
                put_char(y, '\\');
            }
        }
        if (!escape) {
            put_char(y, (char)c);
            fresh = false;
        }
    }
    put_char(y, '"');
}

static void put_string(struct yaml *y, struct str text, enum scalar_style style, int fold)
{
    if (style == TWOFOLD) {
        put_twofold(y, text, fold);
    } else {
        put_lines(y, text, style, fold);
    }
}

static void put_float(struct yaml *y, double v)
{
    char text[NUM_MAX];
    if (!isfinite(v)) {
        put_text(y, isnan(v) ? ".nan" : v > 0 ? ".inf" : "-.inf");
        return;
    }
    size_t n = num_format(v, text);
    const char *e = memchr(text, 'e', n);
    if (e && !memchr(text, '.', n)) { /* 1e-05 would be read as a string */
        put(y, text, (size_t)(e - text));
        put_text(y, ".0");
        put_text(y, e);
    } else {
        put(y, text, n);
    }
}

/* Everything but a filled container. */
static void put_leaf(struct yaml *y, const struct node *n, int fold)
{
    bool several_lines;
    switch (n->kind) {
    case NODE_NONE: put_text(y, "null"); return;
    case NODE_BOOL: put_text(y, n->u.b ? "true" : "false"); return;
    case NODE_INT: put(y, n->u.text.p, n->u.text.n); return;
    case NODE_FLOAT: put_float(y, n->u.f); return;
    case NODE_STRING: put_string(y, n->u.text, style_of(n->u.text, &several_lines), fold); return;
    case NODE_DICT: put_text(y, "{}"); return;
    default: put_text(y, "[]"); return;
    }
}

/* ---- structure ---- */

/* Writes what stands in front of a member's or item's value. `same_line`: the container began behind "- ", "? " or at the top, so
 * its first entry stands on that line. Returns whether the value stands behind such a mark itself. */
static bool put_entry(struct yaml *y, const struct node *up, const struct node *n, bool same_line)
{
    bool several_lines;
    if (n == up->u.kids.first && same_line) {
        while (y->column < up->indent) {
            put_char(y, ' ');
        }
    } else {
        new_line(y, up->indent);
    }
    if (up->kind != NODE_DICT) {
        put_char(y, '-');
        return true;
    }
    enum scalar_style style = style_of(n->key, &several_lines);
    if (n->key.n > 0 && !several_lines && py_length(n->key) <= LONGEST_KEY) {
        put_string(y, n->key, style, -1);
        put_char(y, ':');
        return false;
    }
    put_text(y, "? ");
    put_string(y, n->key, style, up->indent + 2);
    new_line(y, up->indent);
    put_char(y, ':');
    return true;
}

void node_yaml(struct nodes *ns, struct buf *b, struct node *top)
{
    struct yaml y = {b, 0};
    struct node *n = top, *up;
    bool behind_mark = true; /* "- ", "? " or nothing at all in front */
    top->indent = 0;
    for (;;) {
        if (node_is_container(n) && n->u.kids.first) {
            if (n->kind == NODE_DICT) {
                node_sort(ns, n);
            }
            up = n;
            n = n->u.kids.first;
        } else {
            if (n != top) {
                put_char(&y, ' ');
            }
            put_leaf(&y, n, n == top ? 0 : n->up->indent + 2);
            while (n != top && !n->next) {
                n = n->up;
            }
            if (n == top) {
                break;
            }
            up = n->up;
            n = n->next;
        }
        behind_mark = put_entry(&y, up, n, behind_mark);
        /* lists under "key:" are not indented */
        n->indent = n->kind != NODE_DICT && !behind_mark ? up->indent : up->indent + 2;
    }
    buf_add_char(b, '\n');
}
