/* SPDX-License-Identifier: MIT
 *
 * The walk a user of base/json.h would write, with a stack of its own.
 */
#include "support/json_rewrite.h"

#include "base/err.h"

static int rewrite_number(struct json *j, struct buf *out, struct tl_err *err)
{
    struct json again = *j;
    struct str raw;
    int64_t whole;
    double v;
    int rc = json_skip(&again, &raw, err);
    if (rc != 0) {
        return rc;
    }
    if (json_integer(j, &whole, NULL) == 0) {
        json_put_int(out, whole);
        return 0;
    }
    rc = json_number(j, &v, err);
    if (rc != 0) {
        return rc;
    }
    if (memchr(raw.p, '.', raw.n) || memchr(raw.p, 'e', raw.n) || memchr(raw.p, 'E', raw.n) ||
        memchr(raw.p, 'N', raw.n) || memchr(raw.p, 'I', raw.n)) {
        json_put_double(out, v);
    } else {
        buf_add_str(out, raw);
    }
    return 0;
}

static int rewrite_scalar(struct json *j, struct arena *a, struct buf *out, struct tl_err *err)
{
    struct str text;
    bool yes;
    int rc;
    switch (json_peek(j)) {
    case JSON_STRING:
        rc = json_string(j, a, &text, err);
        if (rc == 0) {
            json_put_string(out, text);
        }
        return rc;
    case JSON_NUMBER: return rewrite_number(j, out, err);
    case JSON_TRUE:
    case JSON_FALSE:
        rc = json_bool(j, &yes, err);
        if (rc == 0) {
            buf_add_text(out, yes ? "true" : "false");
        }
        return rc;
    default:
        if (!json_null(j)) {
            return json_fail(j, err, "expected a value");
        }
        buf_add_text(out, "null");
        return 0;
    }
}

struct frame {
    bool object, first;
};

/* 1: a value follows; 0: everything is closed. */
static int rewrite_next(struct json *j, struct frame *frames, unsigned *depth, struct arena *a, struct buf *out,
                        struct tl_err *err)
{
    while (*depth > 0) {
        struct frame *f = &frames[*depth - 1];
        bool at_start = f->first;
        struct str key;
        int rc = f->object ? json_next_key(j, &f->first, a, &key, err) : json_next_item(j, &f->first, err);
        if (rc < 0) {
            return rc;
        }
        if (rc > 0) {
            if (!at_start) {
                buf_add_char(out, ',');
            }
            if (f->object) {
                json_put_string(out, key);
                buf_add_char(out, ':');
            }
            return 1;
        }
        buf_add_char(out, f->object ? '}' : ']');
        (*depth)--;
    }
    return 0;
}

int json_rewrite(struct json *j, struct arena *a, struct buf *out, struct tl_err *err)
{
    struct frame frames[JSON_MAX_DEPTH];
    unsigned depth = 0;
    int rc;
    do {
        enum json_kind kind = json_peek(j);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
            char bracket = kind == JSON_OBJECT ? '{' : '[';
            if (depth == JSON_MAX_DEPTH) {
                return err_set(err, TL_ELIMIT, "nested too deeply");
            }
            rc = json_open(j, bracket, err);
            if (rc != 0) {
                return rc;
            }
            buf_add_char(out, bracket);
            frames[depth++] = (struct frame){kind == JSON_OBJECT, true};
        } else {
            rc = rewrite_scalar(j, a, out, err);
            if (rc != 0) {
                return rc;
            }
        }
        rc = rewrite_next(j, frames, &depth, a, out, err);
    } while (rc > 0);
    return rc;
}
