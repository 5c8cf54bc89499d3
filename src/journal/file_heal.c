/* SPDX-License-Identifier: MIT
 *
 * Completes a torn last line by appending only.
 *
 * A writer that died in the middle of its write leaves the beginning of a line. The next writer must not append to that
 * (both lines would be lost and no Optuna could open the journal again), and cutting it off would move the end of the file
 * under readers. So what is open is closed (escape, UTF-8 sequence, string, number, literal, brackets) and members are added
 * that make the line mean nothing: of equal keys the last one counts in every reader, and the deletion of a study that
 * cannot exist changes nothing.
 *
 * Happy path: one pass of a state machine over the tail, in constant memory. Failure: bytes that no JSON text in UTF-8 can begin
 * with (NULs, rubbish) are told apart. Invariant: tail + completion is a JSON value that Python's json reads, and so do we.
 */
#include "journal/file_heal.h"

/* Python refuses longer integers, though not longer fractions. */
#define PYTHON_MAX_DIGITS 4300

static const char noop[] = "\"op_code\":1,\"worker_id\":\"torn-tail-repair\",\"study_id\":4294967295}\n";

static const char *const words[] = {"true", "false", "null", "NaN", "Infinity", "-Infinity"};

enum state {
    BEFORE, /* the object */
    KEY_OR_CLOSE,
    KEY,
    COLON,
    VALUE,
    VALUE_OR_CLOSE,
    COMMA_OR_CLOSE,
    BEHIND, /* the object */
    STRING,
    ESCAPE,
    HEX,
    UTF8,
    WORD,
    MINUS, /* numbers, by what was read last */
    ZERO,
    INTEGER,
    POINT,
    FRACTION,
    E,
    E_SIGN,
    EXPONENT,
    RUBBISH,
};

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static enum state open_bracket(struct heal *h, unsigned char c)
{
    if (h->depth == HEAL_DEPTH) {
        return RUBBISH;
    }
    h->stack[h->depth++] = c;
    return c == '{' ? KEY_OR_CLOSE : VALUE_OR_CLOSE;
}

static enum state close_bracket(struct heal *h, unsigned char c)
{
    if (h->stack[h->depth - 1] != (c == '}' ? '{' : '[')) {
        return RUBBISH;
    }
    h->depth--;
    return h->depth == 0 ? BEHIND : COMMA_OR_CLOSE;
}

static enum state open_string(struct heal *h, bool is_key)
{
    h->in_key = is_key;
    return STRING;
}

static enum state begin_word(struct heal *h, uint8_t word, uint8_t at)
{
    h->word = word;
    h->at = at;
    return WORD;
}

static enum state begin_value(struct heal *h, unsigned char c)
{
    switch (c) {
    case '{':
    case '[': return open_bracket(h, c);
    case '"': return open_string(h, false);
    case 't': return begin_word(h, 0, 1);
    case 'f': return begin_word(h, 1, 1);
    case 'n': return begin_word(h, 2, 1);
    case 'N': return begin_word(h, 3, 1);
    case 'I': return begin_word(h, 4, 1);
    case '-': h->digits = 0; return MINUS;
    case '0': return ZERO;
    default: h->digits = 1; return is_digit(c) ? INTEGER : RUBBISH;
    }
}

/* Between tokens. */
static enum state next_token(struct heal *h, unsigned char c)
{
    if (is_blank(c)) {
        return h->state;
    }
    switch ((enum state)h->state) {
    case BEFORE: return c == '{' ? open_bracket(h, c) : RUBBISH;
    case KEY_OR_CLOSE: return c == '}' ? close_bracket(h, c) : c == '"' ? open_string(h, true) : RUBBISH;
    case KEY: return c == '"' ? open_string(h, true) : RUBBISH;
    case COLON: return c == ':' ? VALUE : RUBBISH;
    case VALUE: return begin_value(h, c);
    case VALUE_OR_CLOSE: return c == ']' ? close_bracket(h, c) : begin_value(h, c);
    case COMMA_OR_CLOSE:
        if (c == ',') {
            return h->stack[h->depth - 1] == '{' ? KEY : VALUE;
        }
        return c == '}' || c == ']' ? close_bracket(h, c) : RUBBISH;
    default: return RUBBISH; /* something behind the object */
    }
}

static enum state begin_utf8(struct heal *h, unsigned char c)
{
    h->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    h->high = c == 0xf4 ? 0x8f : 0xbf;
    h->left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    return c >= 0xc2 && c <= 0xf4 ? UTF8 : RUBBISH;
}

static enum state in_string(struct heal *h, unsigned char c)
{
    if (c == '"') {
        return h->in_key ? COLON : COMMA_OR_CLOSE;
    }
    if (c == '\\') {
        return ESCAPE;
    }
    if (c >= 0x80) {
        return begin_utf8(h, c);
    }
    return c >= 0x20 ? STRING : RUBBISH;
}

static enum state in_escape(struct heal *h, unsigned char c)
{
    if (h->state == ESCAPE) {
        h->left = 4;
        return c == 'u' ? HEX : c != 0 && strchr("\"\\/bfnrt", c) ? STRING : RUBBISH;
    }
    if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'f')) {
        return RUBBISH;
    }
    return --h->left == 0 ? STRING : HEX;
}

static enum state in_utf8(struct heal *h, unsigned char c)
{
    if (c < h->low || c > h->high) {
        return RUBBISH;
    }
    h->low = 0x80;
    h->high = 0xbf;
    return --h->left == 0 ? STRING : UTF8;
}

static enum state in_number(struct heal *h, unsigned char c)
{
    enum state at = h->state;
    if (is_digit(c)) {
        switch (at) {
        case MINUS:
            if (c == '0') {
                return ZERO;
            }
            h->digits = 1;
            return INTEGER;
        case INTEGER: h->digits += h->digits < UINT32_MAX; return INTEGER;
        case ZERO: return RUBBISH;
        case POINT:
        case FRACTION: return FRACTION;
        default: return EXPONENT;
        }
    }
    if (at == MINUS) {
        return c == 'I' ? begin_word(h, 5, 2) : RUBBISH;
    }
    if (c == '.' && (at == ZERO || at == INTEGER)) {
        return POINT;
    }
    if ((c == 'e' || c == 'E') && (at == ZERO || at == INTEGER || at == FRACTION)) {
        return E;
    }
    if ((c == '+' || c == '-') && at == E) {
        return E_SIGN;
    }
    if (at == POINT || at == E || at == E_SIGN || (at == INTEGER && h->digits > PYTHON_MAX_DIGITS)) {
        return RUBBISH;
    }
    h->state = COMMA_OR_CLOSE;
    return next_token(h, c);
}

static enum state in_word(struct heal *h, unsigned char c)
{
    if (words[h->word][h->at]) {
        return c == (unsigned char)words[h->word][h->at++] ? WORD : RUBBISH;
    }
    h->state = COMMA_OR_CLOSE;
    return next_token(h, c);
}

void heal_feed(struct heal *h, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && h->state != RUBBISH; i++) {
        unsigned char c = (unsigned char)bytes[i];
        switch ((enum state)h->state) {
        case STRING: h->state = in_string(h, c); break;
        case ESCAPE:
        case HEX: h->state = in_escape(h, c); break;
        case UTF8: h->state = in_utf8(h, c); break;
        case WORD: h->state = in_word(h, c); break;
        case MINUS:
        case ZERO:
        case INTEGER:
        case POINT:
        case FRACTION:
        case E:
        case E_SIGN:
        case EXPONENT: h->state = in_number(h, c); break;
        default: h->state = next_token(h, c); break;
        }
    }
}

/* Completes the token at the end; returns the state behind it. */
static enum state end_token(const struct heal *h, struct buf *out)
{
    switch ((enum state)h->state) {
    case ESCAPE: buf_add_char(out, 'n'); break;
    case HEX: buf_add(out, "0000", h->left); break;
    case UTF8:
        buf_add_char(out, (char)h->low);
        buf_add(out, "\x80\x80", h->left - 1u);
        break;
    case STRING: break;
    case WORD: buf_add_text(out, words[h->word] + h->at); return COMMA_OR_CLOSE;
    case MINUS:
    case POINT:
    case E:
    case E_SIGN: buf_add_char(out, '0'); return COMMA_OR_CLOSE;
    case INTEGER:
        if (h->digits > PYTHON_MAX_DIGITS) {
            buf_add_text(out, ".0");
        }
        return COMMA_OR_CLOSE;
    case ZERO:
    case FRACTION:
    case EXPONENT: return COMMA_OR_CLOSE;
    default: return h->state;
    }
    buf_add_char(out, '"');
    return h->in_key ? COLON : COMMA_OR_CLOSE;
}

/* What the innermost object or array lacks before its closing bracket. */
static const char *filler(enum state at, bool outermost)
{
    switch (at) {
    case KEY: return outermost ? "" : "\"x\":0";
    case COLON: return outermost ? ":0," : ":0";
    case VALUE: return outermost ? "0," : "0";
    case COMMA_OR_CLOSE: return outermost ? "," : "";
    default: return "";
    }
}

enum heal_verdict heal_end(const struct heal *h, struct buf *out)
{
    if (h->state == RUBBISH) {
        return HEAL_RUBBISH;
    }
    if (h->state == BEHIND) {
        buf_add_char(out, '\n');
        return HEAL_NEWLINE;
    }
    enum state at = end_token(h, out);
    if (at == BEFORE) {
        buf_add_char(out, '{');
    }
    for (uint32_t depth = h->depth; depth > 1; depth--) {
        buf_add_text(out, filler(at, false));
        buf_add_char(out, h->stack[depth - 1] == '{' ? '}' : ']');
        at = COMMA_OR_CLOSE;
    }
    buf_add_text(out, filler(at, true));
    buf_add_text(out, noop);
    return HEAL_COMPLETE;
}
