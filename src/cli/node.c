/* SPDX-License-Identifier: MIT
 *
 * Trees of Python-like values: building, reading JSON, writing JSON and repr. Walks go down by first child and up by
 * parent, so deep input costs no stack.
 */
#include "cli/node.h"

#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "cli/pytext.h"

#include <math.h>
#include <stdlib.h>

struct node *node_new(struct nodes *ns, enum node_kind kind)
{
    struct node *n = arena_alloc(&ns->arena, sizeof *n);
    if (!n) {
        ns->failed = true;
        return NULL;
    }
    memset(n, 0, sizeof *n);
    n->kind = kind;
    return n;
}

struct node *node_string(struct nodes *ns, struct str text)
{
    struct node *n = node_new(ns, NODE_STRING);
    if (n) {
        n->u.text = text;
    }
    return n;
}

struct node *node_copied(struct nodes *ns, const char *text)
{
    size_t len = strlen(text);
    char *copy = arena_dup(&ns->arena, text, len);
    if (!copy) {
        ns->failed = true;
    }
    return copy ? node_string(ns, (struct str){copy, len}) : NULL;
}

struct node *node_int(struct nodes *ns, int64_t v)
{
    char text[NUM_MAX];
    num_format_int(v, text);
    struct node *n = node_copied(ns, text);
    if (n) {
        n->kind = NODE_INT;
    }
    return n;
}

struct node *node_float(struct nodes *ns, double v)
{
    struct node *n = node_new(ns, NODE_FLOAT);
    if (n) {
        n->u.f = v;
    }
    return n;
}

struct node *node_value(struct nodes *ns, const struct tl_value *v)
{
    struct node *n;
    switch (v->kind) {
    case TL_VALUE_BOOL:
        n = node_new(ns, NODE_BOOL);
        if (n) {
            n->u.b = v->as.b;
        }
        return n;
    case TL_VALUE_INT: return node_int(ns, v->as.i);
    case TL_VALUE_FLOAT: return node_float(ns, v->as.f);
    case TL_VALUE_STRING: return node_string(ns, (struct str){v->as.text.s, v->as.text.len});
    case TL_VALUE_JSON: return node_parse(ns, (struct str){v->as.text.s, v->as.text.len}, NULL);
    default: return node_new(ns, NODE_NONE);
    }
}

char *node_keep(struct nodes *ns, struct str text)
{
    char *copy = arena_dup(&ns->arena, text.p ? text.p : "", text.n);
    ns->failed = ns->failed || !copy;
    return copy;
}

void node_to_value(struct nodes *ns, const struct node *n, struct tl_value *out)
{
    struct buf json = BUF_INIT(SIZE_MAX / 2);
    *out = (struct tl_value){.kind = TL_VALUE_NULL};
    if (!n || n->kind == NODE_NONE) {
        return;
    }
    if (n->kind == NODE_BOOL) {
        *out = (struct tl_value){.kind = TL_VALUE_BOOL, .as.b = n->u.b};
    } else if (n->kind == NODE_FLOAT) {
        *out = (struct tl_value){.kind = TL_VALUE_FLOAT, .as.f = n->u.f};
    } else if (n->kind == NODE_STRING) {
        *out = (struct tl_value){.kind = TL_VALUE_STRING, .as.text = {n->u.text.p, n->u.text.n}};
    } else if (n->kind == NODE_INT && num_parse_int(n->u.text.p, n->u.text.p + n->u.text.n, &out->as.i)) {
        out->kind = TL_VALUE_INT;
    } else {
        node_json(&json, n);
        char *copy = json.failed ? NULL : node_keep(ns, (struct str){json.data, json.len});
        ns->failed = ns->failed || !copy;
        *out = (struct tl_value){.kind = TL_VALUE_JSON, .as.text = {copy, copy ? json.len : 0}};
        buf_release(&json);
    }
}

void node_add(struct nodes *ns, struct node *up, struct str key, struct node *child)
{
    if (!child) {
        child = node_new(ns, NODE_NONE);
    }
    if (!up || !child) {
        return;
    }
    child->up = up;
    child->key = key;
    child->next = NULL;
    if (up->u.kids.last) {
        up->u.kids.last->next = child;
    } else {
        up->u.kids.first = child;
    }
    up->u.kids.last = child;
    up->u.kids.n++;
}

const struct node *node_get(const struct node *dict, const char *key)
{
    if (!dict || dict->kind != NODE_DICT) {
        return NULL;
    }
    for (const struct node *n = dict->u.kids.first; n; n = n->next) {
        if (str_eq(n->key, str_of(key))) {
            return n;
        }
    }
    return NULL;
}

/* ---- order of members ---- */

struct member {
    struct node *node;
    size_t place;
};

static int compare_keys(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = compare_keys(x->node->key, y->node->key);
    return c ? c : (x->place > y->place) - (x->place < y->place);
}

static int by_place(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

static struct member *members_of(struct nodes *ns, struct node *dict)
{
    struct member *all = mem_alloc(dict->u.kids.n * sizeof *all);
    size_t i = 0;
    if (!all) {
        ns->failed = true;
        return NULL;
    }
    for (struct node *n = dict->u.kids.first; n; n = n->next, i++) {
        all[i] = (struct member){n, i};
    }
    return all;
}

static void relink(struct node *dict, const struct member *all, size_t n)
{
    dict->u.kids.n = n;
    dict->u.kids.first = all[0].node;
    dict->u.kids.last = all[n - 1].node;
    for (size_t i = 0; i < n; i++) {
        all[i].node->next = i + 1 < n ? all[i + 1].node : NULL;
    }
}

void node_sort(struct nodes *ns, struct node *dict)
{
    struct member *all = dict->u.kids.n > 1 ? members_of(ns, dict) : NULL;
    if (!all) {
        return;
    }
    qsort(all, dict->u.kids.n, sizeof *all, by_key);
    relink(dict, all, dict->u.kids.n);
    mem_free(all);
}

/* Of members with equal keys the last one stays, at the place of the first one. */
static void drop_repeated(struct nodes *ns, struct node *dict)
{
    struct member *all = dict->u.kids.n > 1 ? members_of(ns, dict) : NULL;
    size_t n = dict->u.kids.n, kept = 0;
    if (!all) {
        return;
    }
    qsort(all, n, sizeof *all, by_key);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && str_eq(all[kept - 1].node->key, all[i].node->key)) {
            all[kept - 1].node = all[i].node;
        } else {
            all[kept++] = all[i];
        }
    }
    if (kept < n) {
        qsort(all, kept, sizeof *all, by_place);
        relink(dict, all, kept);
    }
    mem_free(all);
}

/* ---- reading JSON ---- */

static struct node *parse_number(struct nodes *ns, struct json *j, struct tl_err *err)
{
    double v;
    bool integer = false;
    const char *from = j->p, *end = num_parse(from, j->end, &v, &integer);
    if (!end) {
        json_fail(j, err, "not a number");
        return NULL;
    }
    j->p = end;
    if (!integer) {
        return node_float(ns, v);
    }
    struct str digits = {from, (size_t)(end - from)};
    struct node *n = node_string(ns, str_eq(digits, STR("-0")) ? STR("0") : digits);
    if (n) {
        n->kind = NODE_INT;
    }
    return n;
}

/* One value; containers come back empty and open. */
static struct node *parse_one(struct nodes *ns, struct json *j, struct tl_err *err)
{
    struct node *n = NULL;
    struct str text;
    bool b;
    switch (json_peek(j)) {
    case JSON_OBJECT: return json_open(j, '{', err) ? NULL : node_new(ns, NODE_DICT);
    case JSON_ARRAY: return json_open(j, '[', err) ? NULL : node_new(ns, NODE_LIST);
    case JSON_STRING: return json_string(j, &ns->arena, &text, err) ? NULL : node_string(ns, text);
    case JSON_NUMBER: return parse_number(ns, j, err);
    case JSON_TRUE:
    case JSON_FALSE:
        n = json_bool(j, &b, err) ? NULL : node_new(ns, NODE_BOOL);
        if (n) {
            n->u.b = b;
        }
        return n;
    case JSON_NULL:
        if (json_null(j)) {
            return node_new(ns, NODE_NONE);
        }
        break;
    default: break;
    }
    json_fail(j, err, "not a JSON value");
    return NULL;
}

struct node *node_parse(struct nodes *ns, struct str json, struct tl_err *err)
{
    struct json j = JSON_OF(json.p, json.n);
    struct node *top = parse_one(ns, &j, err), *up = node_is_container(top) ? top : NULL;
    int depth = 1;
    if (!top) {
        return NULL;
    }
    while (up) {
        struct str key = {NULL, 0};
        bool first = up->u.kids.n == 0;
        int more = up->kind == NODE_DICT ? json_next_key(&j, &first, &ns->arena, &key, err)
                                         : json_next_item(&j, &first, err);
        if (more < 0) {
            return NULL;
        }
        if (more == 0) {
            if (up->kind == NODE_DICT) {
                drop_repeated(ns, up);
            }
            up = up->up;
            depth--;
            continue;
        }
        struct node *n = parse_one(ns, &j, err);
        if (!n) {
            return NULL;
        }
        node_add(ns, up, key, n);
        if (node_is_container(n)) {
            up = n;
            if (++depth > JSON_MAX_DEPTH) {
                json_fail(&j, err, "nested too deeply");
                return NULL;
            }
        }
    }
    return json_finish(&j, err) ? NULL : top;
}

/* ---- writing ---- */

static void put_float(struct buf *b, double v, bool python)
{
    if (python && !isfinite(v)) {
        buf_add_text(b, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
    } else {
        json_put_double(b, v);
    }
}

static void put_leaf(struct buf *b, const struct node *n, bool python)
{
    if (!n || n->kind == NODE_NONE) {
        buf_add_text(b, python ? "None" : "null");
    } else if (n->kind == NODE_BOOL) {
        buf_add_text(b, python ? (n->u.b ? "True" : "False") : n->u.b ? "true" : "false");
    } else if (n->kind == NODE_INT) {
        buf_add_str(b, n->u.text);
    } else if (n->kind == NODE_FLOAT) {
        put_float(b, n->u.f, python);
    } else if (python) {
        py_repr(b, n->u.text);
    } else {
        json_put_string(b, n->u.text);
    }
}

static void put_bracket(struct buf *b, const struct node *n, bool python, bool closing)
{
    if (n->kind == NODE_TUPLE && python) {
        if (closing && n->u.kids.n == 1) {
            buf_add_char(b, ',');
        }
        buf_add_char(b, closing ? ')' : '(');
    } else if (n->kind == NODE_DICT) {
        buf_add_char(b, closing ? '}' : '{');
    } else {
        buf_add_char(b, closing ? ']' : '[');
    }
}

static void put_tree(struct buf *b, const struct node *top, bool python)
{
    const struct node *n = top;
    for (;;) {
        if (n != top && n->up->kind == NODE_DICT) {
            if (python) {
                py_repr(b, n->key);
            } else {
                json_put_string(b, n->key);
            }
            buf_add_text(b, ": ");
        }
        if (node_is_container(n)) {
            put_bracket(b, n, python, false);
            if (n->u.kids.first) {
                n = n->u.kids.first;
                continue;
            }
            put_bracket(b, n, python, true);
        } else {
            put_leaf(b, n, python);
        }
        while (n != top && !n->next) {
            n = n->up;
            put_bracket(b, n, python, true);
        }
        if (n == top) {
            return;
        }
        n = n->next;
        buf_add_text(b, ", ");
    }
}

void node_json(struct buf *b, const struct node *n)
{
    put_tree(b, n, false);
}

void node_repr(struct buf *b, const struct node *n)
{
    put_tree(b, n, true);
}

void node_str(struct buf *b, const struct node *n)
{
    if (n && n->kind == NODE_STRING) {
        py_plain(b, n->u.text);
    } else {
        put_tree(b, n, true);
    }
}
