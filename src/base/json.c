/* SPDX-License-Identifier: MIT
 *
 * JSON: a cursor over text, and the journal's form of it.
 *
 * Accepts and refuses what Python's json.loads does with bytes: strict strings (no control characters), any blanks
 * between tokens, NaN and the infinities, UTF-8 in which surrogates may stand alone, integers up to 4,300 digits.
 * Happy path: a reader moves the cursor behind one value. Failure modes: TL_EINVAL with the byte where reading stopped,
 * TL_ELIMIT for nesting over JSON_MAX_DEPTH, TL_ENOMEM. Nesting is a row of bits, never recursion.
 */
#include "base/json.h"

#include "base/err.h"
#include "base/num.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define MAX_INTEGER_DIGITS 4300 /* Python's limit for int() of text */

static int fail(const struct json *j, struct tl_err *err, int code, const char *what)
{
    int64_t at = j->p - j->start;
    err_set(err, code, "%s at byte %lld", what, (long long)at);
    err_at(err, -1, at);
    return code;
}

int json_fail(const struct json *j, struct tl_err *err, const char *what)
{
    return fail(j, err, TL_EINVAL, what);
}

/* ---- text ---- */

/* Bytes of a string that stand for themselves, also in ASCII output. */
static inline bool is_plain(char byte)
{
    unsigned char c = (unsigned char)byte;
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* The first byte that is not plain, or `end`. */
static inline const char *skip_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* as signed bytes all those from 0x80 on are below the space, too */
        __m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                   _mm_or_si128(_mm_cmplt_epi8(v, space), _mm_cmpeq_epi8(v, del)));
        unsigned mask = (unsigned)_mm_movemask_epi8(odd);
        if (mask) {
            return p + __builtin_ctz(mask);
        }
    }
#endif
    while (p < end && is_plain(*p)) {
        p++;
    }
    return p;
}

/* Decodes one character of UTF-8, surrogates included; returns its length, 0 when invalid. */
static unsigned decode_utf8(const char *text, const char *end, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    if (n == 0 || (size_t)(end - text) < n) {
        return 0;
    }
    if (n == 1) {
        *code = p[0];
        return 1;
    }
    uint32_t c = p[0] & (0x7fu >> n);
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff) {
        return 0;
    }
    *code = c;
    return n;
}

static char *encode_utf8(char *p, uint32_t c)
{
    if (c < 0x80) {
        *p++ = (char)c;
        return p;
    }
    if (c < 0x800) {
        *p++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *p++ = (char)(0xe0 | c >> 12);
        } else {
            *p++ = (char)(0xf0 | c >> 18);
            *p++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *p++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *p++ = (char)(0x80 | (c & 0x3f));
    return p;
}

bool json_utf8_valid(struct str s)
{
    const char *p = s.n ? s.p : "", *end = p + s.n;
    uint32_t code;
    while (p < end) {
        p = skip_plain(p, end);
        if (p < end) {
            unsigned n = decode_utf8(p, end, &code);
            if (n == 0) {
                return false;
            }
            p += n;
        }
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static int32_t read_hex4(const char *p, const char *end)
{
    if (end - p < 4) {
        return -1;
    }
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i], letter = (c | 0x20) - 'a';
        if (c - '0' > 9 && letter > 5) {
            return -1;
        }
        v = v * 16 + (int32_t)(c - '0' <= 9 ? c - '0' : letter + 10);
    }
    return v;
}

/* The byte that a one-letter escape stands for, or 0. */
static char escaped_byte(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

/* Reads a string to its closing quote. `raw`: what stands between the quotes; `plain`: it stands for itself; `ascii`. */
static int scan_string(struct json *j, struct str *raw, bool *plain, bool *ascii, struct tl_err *err)
{
    if (j->p >= j->end || *j->p != '"') {
        return json_fail(j, err, "expected a string");
    }
    const char *first = ++j->p;
    *plain = *ascii = true;
    for (;;) {
        j->p = skip_plain(j->p, j->end);
        if (j->p == j->end) {
            return json_fail(j, err, "unfinished string");
        }
        unsigned char c = (unsigned char)*j->p;
        if (c == '"') {
            *raw = (struct str){first, (size_t)(j->p - first)};
            j->p++;
            return 0;
        }
        if (c == '\\') {
            *plain = false;
            bool unicode = j->end - j->p > 1 && j->p[1] == 'u';
            if (unicode ? read_hex4(j->p + 2, j->end) < 0 : j->end - j->p < 2 || !escaped_byte(j->p[1])) {
                return json_fail(j, err, "bad escape in a string");
            }
            j->p += unicode ? 6 : 2;
        } else if (c < 0x20) {
            return json_fail(j, err, "control character in a string");
        } else {
            uint32_t code;
            unsigned n = decode_utf8(j->p, j->end, &code);
            if (n == 0) {
                return json_fail(j, err, "invalid UTF-8 in a string");
            }
            *ascii = false;
            j->p += n;
        }
    }
}

/* Resolves the escapes of a scanned string; `out` has room for raw.n bytes, which is always enough. */
static size_t resolve_escapes(struct str raw, char *out)
{
    const char *p = raw.p, *end = p + raw.n;
    char *to = out;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((escape ? escape : end) - p);
        memcpy(to, p, n);
        to += n;
        p += n;
        if (p == end) {
            break;
        }
        if (p[1] != 'u') {
            *to++ = escaped_byte(p[1]);
            p += 2;
            continue;
        }
        uint32_t code = (uint32_t)read_hex4(p + 2, end);
        p += 6;
        if (code >= 0xd800 && code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
            uint32_t low = (uint32_t)read_hex4(p + 2, end);
            if (low >= 0xdc00 && low < 0xe000) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                p += 6;
            }
        }
        to = encode_utf8(to, code);
    }
    return (size_t)(to - out);
}

/* ---- single values ---- */

enum json_kind json_peek(struct json *j)
{
    json_space(j);
    if (j->p >= j->end) {
        return JSON_END;
    }
    switch (*j->p) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': return JSON_TRUE;
    case 'f': return JSON_FALSE;
    case 'n': return JSON_NULL;
    case 'N':
    case 'I':
    case '-': return JSON_NUMBER;
    default: return *j->p >= '0' && *j->p <= '9' ? JSON_NUMBER : JSON_BAD;
    }
}

int json_string(struct json *j, struct arena *a, struct str *out, struct tl_err *err)
{
    struct str raw;
    bool plain, ascii;
    json_space(j);
    int rc = scan_string(j, &raw, &plain, &ascii, err);
    if (rc != 0) {
        return rc;
    }
    if (!plain) {
        char *text = arena_alloc(a, raw.n);
        if (!text) {
            return err_nomem(err);
        }
        raw.n = resolve_escapes(raw, text);
        raw.p = text;
    }
    *out = raw;
    return 0;
}

/* `behind` is the end of a number at the cursor; NULL: there is none. */
static int accept_number(struct json *j, const char *behind, bool integer, struct tl_err *err)
{
    if (!behind) {
        return json_fail(j, err, "expected a number");
    }
    if (integer && behind - j->p > MAX_INTEGER_DIGITS && behind - j->p - (*j->p == '-') > MAX_INTEGER_DIGITS) {
        return json_fail(j, err, "integer of over 4,300 digits");
    }
    j->p = behind;
    return 0;
}

int json_number(struct json *j, double *out, struct tl_err *err)
{
    double v;
    bool integer = false;
    json_space(j);
    const char *behind = num_parse(j->p, j->end, &v, &integer);
    int rc = accept_number(j, behind, integer, err);
    if (rc == 0) {
        *out = v;
    }
    return rc;
}

int json_integer(struct json *j, int64_t *out, struct tl_err *err)
{
    int64_t v;
    json_space(j);
    const char *behind = num_parse_int(j->p, j->end, &v);
    if (!behind || (behind < j->end && (*behind == '.' || *behind == 'e' || *behind == 'E'))) {
        return json_fail(j, err, "expected an integer of 64 bits");
    }
    j->p = behind;
    *out = v;
    return 0;
}

static bool eat_word(struct json *j, struct str word)
{
    if ((size_t)(j->end - j->p) < word.n || memcmp(j->p, word.p, word.n) != 0) {
        return false;
    }
    j->p += word.n;
    return true;
}

int json_bool(struct json *j, bool *out, struct tl_err *err)
{
    json_space(j);
    bool yes = eat_word(j, STR("true"));
    if (!yes && !eat_word(j, STR("false"))) {
        return json_fail(j, err, "expected true or false");
    }
    *out = yes;
    return 0;
}

bool json_null(struct json *j)
{
    json_space(j);
    return eat_word(j, STR("null"));
}

/* ---- objects and arrays ---- */

int json_open(struct json *j, char bracket, struct tl_err *err)
{
    if (!json_eat(j, bracket)) {
        return json_fail(j, err, bracket == '{' ? "expected an object" : "expected an array");
    }
    return 0;
}

/* 1: another entry follows; 0: the closing bracket was eaten. */
static int next_entry(struct json *j, bool *first, char bracket, struct tl_err *err)
{
    bool at_start = *first;
    *first = false;
    if (json_eat(j, bracket)) {
        return 0;
    }
    if (!at_start && !json_eat(j, ',')) {
        return json_fail(j, err, bracket == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    return 1;
}

int json_next_key(struct json *j, bool *first, struct arena *a, struct str *key, struct tl_err *err)
{
    struct str name;
    int rc = next_entry(j, first, '}', err);
    if (rc <= 0) {
        return rc;
    }
    rc = json_string(j, a, &name, err);
    if (rc != 0) {
        return rc;
    }
    if (!json_eat(j, ':')) {
        return json_fail(j, err, "expected ':'");
    }
    *key = name;
    return 1;
}

int json_next_item(struct json *j, bool *first, struct tl_err *err)
{
    return next_entry(j, first, ']', err);
}

int json_finish(struct json *j, struct tl_err *err)
{
    json_space(j);
    return j->p == j->end ? 0 : json_fail(j, err, "more text behind the value");
}

/* ---- whole values ---- */

static void put_escape(struct buf *b, uint32_t code)
{
    static const char hex[] = "0123456789abcdef";
    if (code >= 0x10000) {
        put_escape(b, 0xd800 + ((code - 0x10000) >> 10));
        code = 0xdc00 + ((code - 0x10000) & 0x3ff);
    }
    char text[6] = {'\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};
    buf_add(b, text, sizeof text);
}

/* Writes what stood between the quotes: escapes as they are, everything outside of printable ASCII escaped. */
static void put_raw_string(struct buf *out, struct str raw)
{
    const char *p = raw.p, *end = p + raw.n;
    while (p < end) {
        const char *first = p;
        p = skip_plain(p, end);
        buf_add(out, first, (size_t)(p - first));
        if (p < end && *p == '\\') {
            buf_add(out, p, 2); /* of \u.... the digits are plain; of \\ and \" the second byte is none */
            p += 2;
        } else if (p < end) {
            uint32_t code = 0xfffd;
            unsigned n = decode_utf8(p, end, &code);
            put_escape(out, code);
            p += n ? n : 1;
        }
    }
}

/* A string of a value that is walked over, copied to `out` unless that is NULL. */
static int walk_string(struct json *j, struct buf *out, struct tl_err *err)
{
    struct str raw;
    bool plain, ascii;
    json_space(j);
    int rc = scan_string(j, &raw, &plain, &ascii, err);
    if (rc != 0 || !out) {
        return rc;
    }
    buf_add_char(out, '"');
    if (ascii) {
        buf_add_str(out, raw);
    } else {
        put_raw_string(out, raw);
    }
    buf_add_char(out, '"');
    return 0;
}

/* A number or a word. */
static int walk_atom(struct json *j, struct buf *out, struct tl_err *err)
{
    const char *first = j->p;
    bool integer = false, known;
    switch (json_peek(j)) {
    case JSON_NUMBER: {
        const char *behind = num_skip(j->p, j->end, &integer);
        int rc = accept_number(j, behind, integer, err);
        if (rc != 0) {
            return rc;
        }
        known = true;
        break;
    }
    case JSON_TRUE: known = eat_word(j, STR("true")); break;
    case JSON_FALSE: known = eat_word(j, STR("false")); break;
    case JSON_NULL: known = eat_word(j, STR("null")); break;
    default: known = false; break;
    }
    if (!known) {
        return json_fail(j, err, "expected a value");
    }
    if (out) {
        buf_add(out, first, (size_t)(j->p - first));
    }
    return 0;
}

static inline void put_if(struct buf *out, char c)
{
    if (out) {
        buf_add_char(out, c);
    }
}

static int walk_key(struct json *j, struct buf *out, struct tl_err *err)
{
    int rc = walk_string(j, out, err);
    if (rc == 0 && !json_eat(j, ':')) {
        rc = json_fail(j, err, "expected ':'");
    }
    if (rc == 0) {
        put_if(out, ':');
    }
    return rc;
}

/* Open brackets: one bit each, set for an object. */
struct nesting {
    uint64_t is_object[(JSON_MAX_DEPTH + 63) / 64];
    unsigned depth;
};

static inline bool inside_object(const struct nesting *n)
{
    unsigned top = n->depth - 1;
    return n->is_object[top / 64] >> (top % 64) & 1;
}

/* Behind a value: closes what ends here. 1: another value follows (its key has been read); 0: the outermost one ended. */
static int walk_on(struct json *j, struct nesting *n, struct buf *out, struct tl_err *err)
{
    while (n->depth > 0) {
        bool object = inside_object(n);
        char bracket = object ? '}' : ']';
        if (json_eat(j, ',')) {
            put_if(out, ',');
            int rc = object ? walk_key(j, out, err) : 0;
            return rc != 0 ? rc : 1;
        }
        if (!json_eat(j, bracket)) {
            return json_fail(j, err, object ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        put_if(out, bracket);
        n->depth--;
    }
    return 0;
}

/* Reads one value from its first byte to its last and copies it, without blanks, to `out` unless that is NULL. */
static int walk(struct json *j, struct buf *out, struct tl_err *err)
{
    struct nesting n = {.depth = 0};
    int rc;
    do {
        enum json_kind kind = json_peek(j);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
            bool object = kind == JSON_OBJECT;
            if (n.depth == JSON_MAX_DEPTH) {
                return fail(j, err, TL_ELIMIT, "nested too deeply");
            }
            uint64_t bit = UINT64_C(1) << (n.depth % 64);
            uint64_t *word = &n.is_object[n.depth++ / 64];
            *word = object ? *word | bit : *word & ~bit;
            put_if(out, *j->p++);
            if (!json_eat(j, object ? '}' : ']')) {
                rc = object ? walk_key(j, out, err) : 0;
                if (rc != 0) {
                    return rc;
                }
                rc = 1;
                continue;
            }
            put_if(out, object ? '}' : ']');
            n.depth--;
        } else {
            rc = kind == JSON_STRING ? walk_string(j, out, err) : walk_atom(j, out, err);
            if (rc != 0) {
                return rc;
            }
        }
        rc = walk_on(j, &n, out, err);
    } while (rc > 0);
    return rc;
}

int json_skip(struct json *j, struct str *raw, struct tl_err *err)
{
    json_space(j);
    const char *first = j->p;
    int rc = walk(j, NULL, err);
    if (rc == 0 && raw) {
        *raw = (struct str){first, (size_t)(j->p - first)};
    }
    return rc;
}

int json_compact(struct str text, struct buf *out, struct tl_err *err)
{
    struct json j = JSON_OF(text.p, text.n);
    size_t before = out->len;
    int rc = walk(&j, out, err);
    if (rc == 0) {
        rc = json_finish(&j, err);
    }
    if (rc == 0 && out->failed) {
        rc = err_set(err, out->failed, "no room for %zu bytes of JSON", text.n);
    }
    if (rc != 0) {
        out->len = before;
    }
    return rc;
}

/* ---- writing ---- */

/* The letter of a short escape, or 0. */
static char escape_letter(char byte)
{
    switch (byte) {
    case '"':
    case '\\': return byte;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

void json_put_string(struct buf *b, struct str s)
{
    const char *p = s.n ? s.p : "", *end = p + s.n;
    buf_add_char(b, '"');
    while (p < end) {
        const char *first = p;
        p = skip_plain(p, end);
        buf_add(b, first, (size_t)(p - first));
        if (p == end) {
            break;
        }
        char letter = escape_letter(*p);
        if (letter) {
            buf_add(b, (char[2]){'\\', letter}, 2);
            p++;
            continue;
        }
        uint32_t code = 0xfffd;
        unsigned n = decode_utf8(p, end, &code);
        put_escape(b, code);
        p += n ? n : 1;
    }
    buf_add_char(b, '"');
}

void json_put_double(struct buf *b, double v)
{
    char text[NUM_MAX];
    buf_add(b, text, num_format(v, text));
}

void json_put_int(struct buf *b, int64_t v)
{
    char text[NUM_MAX];
    buf_add(b, text, num_format_int(v, text));
}
