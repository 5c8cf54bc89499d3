/* SPDX-License-Identifier: MIT
 *
 * --pruner and --pruner-kwargs: a pruner by name, its options from a JSON object.
 *
 * Scalars become options of the same name (null leaves the default). An object with a member "name" is a pruner with its own options,
 * which become "option" and "option.NAME" of tl_pruner_create:
 *   {"patience": 5, "wrapped_pruner": {"name": "median", "n_startup_trials": 3}}
 */
#include <stdio.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/node.h"

struct options {
    struct nodes ns;
    struct tl_option *items; /* in the arena, as all texts */
    size_t n, cap;
};

static bool add(struct options *o, struct str prefix, struct str key, const struct node *value)
{
    struct buf name = BUF_INIT(4096), text = BUF_INIT(1 << 20);
    if (value->kind == NODE_NONE) {
        return true;
    }
    if (prefix.n > 0) {
        buf_add_str(&name, prefix);
        buf_add_char(&name, '.');
    }
    buf_add_str(&name, key);
    if (value->kind == NODE_STRING) {
        buf_add_str(&text, value->u.text);
    } else {
        node_json(&text, value);
    }
    const char *a = buf_cstr(&name), *b = buf_cstr(&text);
    bool good = a && b && o->n < o->cap;
    if (good) {
        struct tl_option *to = &o->items[o->n++];
        *to = (struct tl_option){arena_dup(&o->ns.arena, a, name.len), arena_dup(&o->ns.arena, b, text.len)};
        good = to->name && to->value;
    }
    buf_release(&name);
    buf_release(&text);
    return good;
}

/* The options of one pruner; those of a pruner inside it are left in *inner, the name of its option in *key. */
static bool add_level(struct options *o, struct str prefix, const struct node *level, const struct node **inner)
{
    bool good = true;
    *inner = NULL;
    for (const struct node *n = level->u.kids.first; good && n; n = n->next) {
        const struct node *name = n->kind == NODE_DICT ? node_get(n, "name") : NULL;
        if (name && name->kind == NODE_STRING) {
            good = add(o, prefix, n->key, name);
            *inner = n;
        } else if (prefix.n == 0 || !str_eq(n->key, STR("name"))) {
            good = add(o, prefix, n->key, n);
        }
    }
    return good;
}

static bool flatten(struct options *o, const struct node *tree)
{
    struct buf prefix = BUF_INIT(4096);
    const struct node *inner;
    size_t room = 0;
    for (const struct node *n = tree; n; n = inner) { /* how many there can be */
        inner = NULL;
        room += n->u.kids.n;
        for (const struct node *k = n->u.kids.first; k; k = k->next) {
            inner = k->kind == NODE_DICT ? k : inner;
        }
    }
    o->cap = room + 1;
    o->items = arena_alloc(&o->ns.arena, o->cap * sizeof *o->items);
    bool good = o->items && add_level(o, (struct str){NULL, 0}, tree, &inner);
    while (good && inner) {
        if (prefix.len > 0) {
            buf_add_char(&prefix, '.');
        }
        buf_add_str(&prefix, inner->key);
        good = !prefix.failed && add_level(o, (struct str){prefix.data, prefix.len}, inner, &inner);
    }
    buf_release(&prefix);
    return good;
}

static const char *next_pruner(void *ctx)
{
    const struct tl_component_doc **d = ctx;
    return (*d)->name ? ((*d)++)->name : NULL;
}

int cli_pruner(struct cli *c, const char *name, const char *kwargs, tl_pruner **out)
{
    struct options o = {.ns = {{0}, false}};
    struct tl_err err = TL_ERR_INIT;
    struct node *tree = NULL;
    int status = 0;
    *out = NULL;
    if (!name) {
        return kwargs ? cli_usage(c, "--pruner-kwargs needs --pruner") : 0;
    }
    if (kwargs) {
        tree = node_parse(&o.ns, str_of(kwargs), &err);
        if (!tree && !o.ns.failed) {
            err_wrap(&err, err.code, "--pruner-kwargs");
            err.offset = -1; /* the message has it */
            status = cli_fail(c, &err);
        } else if (tree && tree->kind != NODE_DICT) {
            status = cli_error(c, TL_EINVAL, "--pruner-kwargs must be a JSON object such as {\"n_startup_trials\": 3}");
        } else if (!tree || !flatten(&o, tree)) {
            status = cli_nomem(c);
        }
    }
    if (status == 0 && tl_pruner_create(name, o.items, o.n, out, &err) != 0) {
        const struct tl_component_doc *docs = tl_pruner_docs();
        const char *like = err.code == TL_EUNSUPPORTED ? cli_nearest(name, next_pruner, &docs) : NULL;
        bool inner = like && strcmp(like, name) == 0; /* it is a wrapped one that does not exist */
        status = like && !inner ? cli_error(c, err.code, "there is no pruner '%s': did you mean '%s'?", name, like) : cli_fail(c, &err);
    }
    arena_release(&o.ns.arena);
    return status;
}
