/* SPDX-License-Identifier: MIT
 *
 * Values as Python knows them, as a tree: what a record of the output consists of, and what JSON text reads as. Written as
 * JSON (json.dumps), as Python's repr() and as YAML (yaml.safe_dump). Nothing recurses: nodes know their parent.
 *
 * All nodes belong to a `struct nodes`; a failed allocation is remembered there, constructors then return NULL, and every
 * function takes NULL for "None". So a caller builds a whole tree and looks at `failed` once.
 */
#ifndef TL_CLI_NODE_H
#define TL_CLI_NODE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"

#include <trialog/types.h>

enum node_kind {
    NODE_NONE,
    NODE_BOOL,
    NODE_INT, /* text: its digits, any length */
    NODE_FLOAT,
    NODE_STRING,
    NODE_LIST,
    NODE_TUPLE,
    NODE_DICT
};

struct node {
    enum node_kind kind;
    int indent;     /* the YAML writer's own */
    struct str key; /* of a member of a dict */
    union {
        bool b;
        double f;
        struct str text; /* NODE_INT, NODE_STRING; borrowed or in the arena */
        struct {
            struct node *first, *last;
            size_t n;
        } kids;
    } u;
    struct node *next, *up;
};

struct nodes {
    struct arena arena;
    bool failed; /* out of memory */
};

static inline bool node_is_container(const struct node *n)
{
    return n && n->kind >= NODE_LIST;
}

struct node *node_new(struct nodes *ns, enum node_kind kind); /* empty container, None, false, 0.0, "" */
struct node *node_int(struct nodes *ns, int64_t v);
struct node *node_float(struct nodes *ns, double v);
struct node *node_string(struct nodes *ns, struct str text);         /* borrowed */
struct node *node_copied(struct nodes *ns, const char *text);        /* a string of our own */
struct node *node_value(struct nodes *ns, const struct tl_value *v); /* borrows strings */
/* The other way round; lists, objects and huge integers become TL_VALUE_JSON. Text lives as long as the nodes. */
void node_to_value(struct nodes *ns, const struct node *n, struct tl_value *out);
/* Text with a NUL that lives as long as the nodes; NULL and `failed` when out of memory. */
char *node_keep(struct nodes *ns, struct str text);
/* Adds a child at the end; `key` is for dicts and borrowed. A NULL child becomes None. */
void node_add(struct nodes *ns, struct node *up, struct str key, struct node *child);
/* Reads JSON text as Python does: the last of equal keys wins, at the first one's place. NULL with an error. */
struct node *node_parse(struct nodes *ns, struct str json, struct tl_err *err);
/* The member of a dict, NULL for none. */
const struct node *node_get(const struct node *dict, const char *key);
/* Sorts the members of a dict by key. */
void node_sort(struct nodes *ns, struct node *dict);

void node_json(struct buf *b, const struct node *n); /* json.dumps(v) */
void node_repr(struct buf *b, const struct node *n); /* repr(v) */
void node_str(struct buf *b, const struct node *n);  /* str(v): a string as it is, else repr */
/* yaml.safe_dump(v) of a list or dict, with its final line break. Sorts all dicts. */
void node_yaml(struct nodes *ns, struct buf *b, struct node *n);

#endif
