/* SPDX-License-Identifier: MIT
 *
 * Commands about whole studies: create-study, delete-study, study set-user-attr, study-names, studies, copy.
 */
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/when.h"

#include <stdlib.h>

#define STUDY_HELP "the study's name; may be left out when the journal has a single study"

/* ---- create-study ---- */

struct create_values {
    const char *name, *direction;
    struct opt_list directions;
    bool skip;
};
static const struct opt create_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct create_values, name), "NAME", NULL, NULL,
     "the new study's name; a random one when left out"},
    {OPT_CHOICE, "direction", 0, 0, offsetof(struct create_values, direction), "DIRECTION", "minimize|maximize",
     NULL, "what to do with the objective value (default: minimize)"},
    {OPT_LIST, "directions", 0, 0, offsetof(struct create_values, directions), "DIRECTION", "minimize|maximize",
     NULL, "the same for several objectives, one word each"},
    {OPT_FLAG, "skip-if-exists", 0, 0, offsetof(struct create_values, skip), NULL, NULL, NULL,
     "a study of this name that exists already is no error; it stays as it is"},
    OPT_TABLE_END,
};

static enum tl_direction direction_of(const char *word)
{
    return strcmp(word, "maximize") == 0 ? TL_MAXIMIZE : TL_MINIMIZE;
}

/* --skip-if-exists, and the study is there: says so when its directions are not those asked for. */
static int use_existing(struct cli *c, int64_t id, const enum tl_direction *wanted, size_t n_wanted)
{
    struct tl_err err = TL_ERR_INIT;
    tl_view *view;
    size_t n;
    if (n_wanted == 0) {
        return 0;
    }
    if (tl_view_open(c->storage, id, false, &view, &err)) {
        return cli_fail(c, &err);
    }
    const enum tl_direction *have = tl_view_directions(view, &n);
    bool same = n == n_wanted;
    for (size_t i = 0; i < n && same; i++) {
        same = have[i] == wanted[i];
    }
    if (!same) {
        cli_say(c, CLI_WARNING, "the study '%s' exists with other directions, and keeps them",
                tl_view_study_name(view));
    }
    tl_view_close(view);
    return 0;
}

static int print_line(struct cli *c, const char *text)
{
    struct out o;
    out_begin(&o, c, NULL);
    buf_add_text(&o.b, text);
    buf_add_char(&o.b, '\n');
    return out_end(&o, 0);
}

static int run_create(struct cli *c, void *values)
{
    struct create_values *v = values;
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_study *study = NULL;
    int64_t id;
    size_t n = v->direction ? 1 : v->directions.n;
    if (v->direction && v->directions.set) {
        return cli_usage(c, "give either --direction or --directions");
    }
    if (v->name && !*v->name) { /* as in Optuna */
        v->name = NULL;
    }
    int status = cli_open(c, CLI_CREATE);
    enum tl_direction *directions = status ? NULL : arena_alloc(&c->memory, (n + 1) * sizeof *directions);
    if (!directions) {
        return status ? status : cli_nomem(c);
    }
    for (size_t i = 0; i < n; i++) {
        directions[i] = direction_of(v->direction ? v->direction : v->directions.items[i]);
    }
    if (v->skip && v->name) {
        int rc = tl_storage_find_study(c->storage, v->name, &id, &err);
        if (rc != TL_ENOTFOUND) {
            status = rc ? cli_fail(c, &err) : use_existing(c, id, directions, n);
            return status ? status : print_line(c, v->name);
        }
    }
    options.directions = n ? directions : NULL;
    options.n_directions = n;
    options.load_if_exists = v->skip && v->name;
    int rc = tl_study_create(c->storage, v->name, &options, &study, &err);
    if (rc == TL_EEXISTS) {
        return cli_error(
            c, rc, "there is a study '%s' already: take another name, or --skip-if-exists to use it", v->name);
    }
    if (rc) {
        return cli_fail(c, &err);
    }
    status = print_line(c, tl_study_name(study));
    tl_study_free(study);
    return status;
}

const struct command cmd_create_study = {
    .name = "create-study",
    .group = "Studies",
    .help = "Create a new study and print its name.",
    .about = "The journal is created when it does not exist.",
    .opts = create_opts,
    .values_size = sizeof(struct create_values),
    .run = run_create,
};

/* ---- delete-study ---- */

struct name_values {
    const char *name;
};
static const struct opt delete_opts[] = {
    {OPT_TEXT, "study-name", 0, OPT_REQUIRED, offsetof(struct name_values, name), "STUDY", NULL, NULL,
     "the study to delete"},
    OPT_TABLE_END,
};

static int run_delete(struct cli *c, void *values)
{
    const struct name_values *v = values;
    struct tl_err err = TL_ERR_INIT;
    const char *name;
    int64_t id;
    int status = cli_open(c, 0);
    status = status ? status : cli_find_study(c, v->name, &id, &name);
    if (status == 0 && tl_storage_delete_study(c->storage, id, &err)) {
        status = cli_fail(c, &err);
    }
    return status;
}

const struct command cmd_delete_study = {
    .name = "delete-study",
    .group = "Studies",
    .help = "Delete a study with all its trials.",
    .opts = delete_opts,
    .values_size = sizeof(struct name_values),
    .run = run_delete,
};

/* ---- study set-user-attr ---- */

struct attr_values {
    const char *name, *key, *text, *json;
};
static const struct opt attr_opts[] = {
    {OPT_TEXT, "study-name", 0, OPT_REQUIRED, offsetof(struct attr_values, name), "STUDY", NULL, NULL,
     "the study to change"},
    {OPT_TEXT, "key", 'k', OPT_REQUIRED, offsetof(struct attr_values, key), "KEY", NULL, NULL,
     "name of the attribute"},
    {OPT_TEXT, "value", 0, 0, offsetof(struct attr_values, text), "TEXT", NULL, NULL, "its value, a string"},
    {OPT_TEXT, "json-value", 0, 0, offsetof(struct attr_values, json), "JSON", NULL, NULL,
     "its value as JSON, such as 3, true or [1, 2]; instead of --value"},
    OPT_TABLE_END,
};

static int run_set_attr(struct cli *c, void *values)
{
    const struct attr_values *v = values;
    struct tl_err err = TL_ERR_INIT;
    struct buf json = BUF_INIT(SIZE_MAX / 2);
    const char *name;
    int64_t id;
    if (!v->text == !v->json) {
        return cli_usage(c, "give either --value or --json-value");
    }
    int status = cli_open(c, 0);
    status = status ? status : cli_find_study(c, v->name, &id, &name);
    if (status == 0 && v->text) {
        json_put_string(&json, str_of(v->text));
    } else if (status == 0 && json_compact(str_of(v->json), &json, &err)) {
        status = cli_error(c, err.code, "--json-value: %s", err.message);
    }
    const char *text = status ? NULL : buf_cstr(&json);
    if (status == 0 && !text) {
        status = cli_nomem(c);
    }
    if (status == 0 && tl_storage_set_study_attr(c->storage, id, TL_ATTR_USER, v->key, text, &err)) {
        status = cli_fail(c, &err);
    }
    if (status == 0) {
        cli_say(c, CLI_INFO, "attribute '%s' written", v->key);
    }
    buf_release(&json);
    return status;
}

const struct command cmd_set_attr = {
    .name = "study set-user-attr",
    .group = "Studies",
    .help = "Set a user attribute of a study.",
    .opts = attr_opts,
    .values_size = sizeof(struct attr_values),
    .run = run_set_attr,
};

/* ---- study-names, studies ---- */

struct list_values {
    const char *format;
    bool json, flatten;
};
static const struct opt names_opts[] = {
    {OPT_CHOICE, "format", 'f', 0, offsetof(struct list_values, format), "FORMAT", OUT_FORMATS, "value",
     "how to print"},
    {OPT_FLAG, "json", 0, 0, offsetof(struct list_values, json), NULL, NULL, NULL, "short for --format json"},
    OPT_TABLE_END,
};
static const struct opt studies_opts[] = {
    {OPT_CHOICE, "format", 'f', 0, offsetof(struct list_values, format), "FORMAT", OUT_FORMATS, "table",
     "how to print"},
    {OPT_FLAG, "json", 0, 0, offsetof(struct list_values, json), NULL, NULL, NULL, "short for --format json"},
    {OPT_FLAG, "flatten", 0, 0, offsetof(struct list_values, flatten), NULL, NULL, NULL,
     "one column for each direction"},
    OPT_TABLE_END,
};

struct study_list {
    struct cli *c;
    int64_t *ids;
    struct str *names; /* copies in c->memory */
    size_t n, cap_ids, cap_names;
};

static int note_study(void *ctx, int64_t id, const char *name)
{
    struct study_list *l = ctx;
    void *ids = l->ids, *names = l->names;
    size_t len = strlen(name);
    char *copy = arena_dup(&l->c->memory, name, len);
    bool room = copy && mem_grow(&ids, &l->cap_ids, l->n + 1, sizeof *l->ids);
    l->ids = ids;
    room = room && mem_grow(&names, &l->cap_names, l->n + 1, sizeof *l->names);
    l->names = names;
    if (!room) {
        return TL_ENOMEM;
    }
    l->ids[l->n] = id;
    l->names[l->n++] = (struct str){copy, len};
    return 0;
}

static int list_studies(struct cli *c, struct study_list *l)
{
    struct tl_err err = TL_ERR_INIT;
    int status = cli_open(c, CLI_READ);
    if (status) {
        return status;
    }
    int rc = tl_storage_each_study(c->storage, note_study, l, &err);
    return rc == TL_ENOMEM ? cli_nomem(c) : rc ? cli_fail(c, &err) : 0;
}

static void forget_studies(struct study_list *l)
{
    mem_free(l->ids);
    mem_free(l->names);
}

static int read_name(void *ctx, size_t record, struct nodes *ns, struct node **cells)
{
    const struct study_list *l = ctx;
    cells[0] = node_string(ns, l->names[record]);
    return 0;
}

static int run_names(struct cli *c, void *values)
{
    static const struct out_column column = {.group = "name", .place = -1};
    const struct list_values *v = values;
    struct study_list list = {.c = c};
    int status = list_studies(c, &list);
    if (status == 0) {
        struct out_records records = {&column, 1, list.n, false, read_name, &list};
        status = out_records(c, &records, v->json ? "json" : v->format, false);
    }
    forget_studies(&list);
    return status;
}

const struct command cmd_study_names = {
    .name = "study-names",
    .group = "Studies",
    .help = "Print the names of all studies.",
    .opts = names_opts,
    .values_size = sizeof(struct list_values),
    .run = run_names,
};

enum { STUDY_NAME, STUDY_DIRECTION, STUDY_N_TRIALS, STUDY_START, STUDY_ATTRS, STUDY_COLUMNS };

/* What is printed of a study; texts in c->memory. */
struct study_fact {
    struct str name, start, attrs; /* attrs: a JSON object of the user attributes, empty when there are none */
    enum tl_direction *directions;
    size_t n_directions, n_trials;
};
struct fact_list {
    struct cli *c;
    struct study_fact *items;
    size_t n, cap;
    bool any_attrs; /* only then there is a column for them */
};

static bool note_attrs(struct fact_list *l, const struct tl_study_summary *s, struct study_fact *f)
{
    struct buf b = BUF_INIT(SIZE_MAX / 2);
    size_t n = 0;
    for (size_t i = 0; i < s->n_attrs; i++) {
        if (s->attrs[i].kind != TL_ATTR_USER) {
            continue;
        }
        buf_add_text(&b, n++ ? "," : "{");
        json_put_string(&b, (struct str){s->attrs[i].key.s, s->attrs[i].key.len});
        buf_add_char(&b, ':');
        buf_add(&b, s->attrs[i].json.s, s->attrs[i].json.len);
    }
    buf_add_text(&b, n ? "}" : "{}");
    char *copy = b.failed ? NULL : arena_dup(&l->c->memory, b.data, b.len);
    f->attrs = (struct str){copy, b.len};
    l->any_attrs = l->any_attrs || n > 0;
    buf_release(&b);
    return copy != NULL;
}

static int note_fact(void *ctx, const struct tl_study_summary *s)
{
    struct fact_list *l = ctx;
    struct arena *memory = &l->c->memory;
    char start[WHEN_MAX] = "";
    void *items = l->items;
    bool room = mem_grow(&items, &l->cap, l->n + 1, sizeof *l->items);
    l->items = items;
    if (!room) {
        return TL_ENOMEM;
    }
    struct study_fact *f = &l->items[l->n];
    if (s->start.set) {
        when_text(s->start, start);
    }
    f->name = (struct str){arena_dup(memory, s->name, strlen(s->name)), strlen(s->name)};
    f->start = (struct str){arena_dup(memory, start, strlen(start)), strlen(start)};
    f->directions = arena_alloc(memory, (s->n_directions + 1) * sizeof *f->directions);
    if (!f->name.p || !f->start.p || !f->directions || !note_attrs(l, s, f)) {
        return TL_ENOMEM;
    }
    memcpy(f->directions, s->directions, s->n_directions * sizeof *f->directions);
    f->n_directions = s->n_directions;
    f->n_trials = s->n_trials;
    l->n++;
    return 0;
}

static int read_study(void *ctx, size_t record, struct nodes *ns, struct node **cells)
{
    const struct study_fact *f = &((const struct fact_list *)ctx)->items[record];
    cells[STUDY_NAME] = node_string(ns, f->name);
    cells[STUDY_DIRECTION] = node_new(ns, NODE_TUPLE);
    for (size_t i = 0; i < f->n_directions; i++) {
        node_add(ns, cells[STUDY_DIRECTION], (struct str){NULL, 0},
                 node_copied(ns, tl_direction_name((int)f->directions[i])));
    }
    cells[STUDY_N_TRIALS] = node_int(ns, (int64_t)f->n_trials);
    cells[STUDY_START] = f->start.n ? node_string(ns, f->start) : node_new(ns, NODE_NONE);
    cells[STUDY_ATTRS] = node_parse(ns, f->attrs, NULL);
    return 0;
}

static int run_studies(struct cli *c, void *values)
{
    static const struct out_column columns[STUDY_COLUMNS] = {
        {.group = "name", .place = -1},       {.group = "direction", .place = -1, .may_list = true},
        {.group = "n_trials", .place = -1},   {.group = "datetime_start", .place = -1},
        {.group = "user_attrs", .place = -1},
    };
    const struct list_values *v = values;
    struct fact_list list = {.c = c};
    struct tl_err err = TL_ERR_INIT;
    int status = cli_open(c, CLI_READ);
    if (status == 0) {
        int rc = tl_storage_each_summary(c->storage, note_fact, &list, &err);
        status = rc == TL_ENOMEM ? cli_nomem(c) : rc ? cli_fail(c, &err) : 0;
    }
    if (status == 0) {
        struct out_records records = {columns, list.any_attrs ? STUDY_COLUMNS : STUDY_ATTRS, list.n, false, read_study, &list};
        status = out_records(c, &records, v->json ? "json" : v->format, v->flatten);
    }
    mem_free(list.items);
    return status;
}

const struct command cmd_studies = {
    .name = "studies",
    .group = "Studies",
    .help = "List studies with their directions, sizes and user attributes.",
    .opts = studies_opts,
    .values_size = sizeof(struct list_values),
    .run = run_studies,
};

/* ---- copy ---- */

struct copy_values {
    const char *name, *to, *to_name;
};
static const struct opt copy_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct copy_values, name), "STUDY", NULL, NULL, STUDY_HELP},
    {OPT_TEXT, "to", 0, 0, offsetof(struct copy_values, to), "FILE", NULL, NULL,
     "the journal to copy to; created when it does not exist. Default: the same journal"},
    {OPT_TEXT, "to-study-name", 0, 0, offsetof(struct copy_values, to_name), "NAME", NULL, NULL,
     "name of the copy. Default: the same name"},
    OPT_TABLE_END,
};

static int run_copy(struct cli *c, void *values)
{
    const struct copy_values *v = values;
    struct tl_err err = TL_ERR_INIT;
    tl_storage *to = NULL;
    const char *name;
    int64_t id;
    if (!v->to && !v->to_name) {
        return cli_usage(c, "copy where? Give --to FILE or --to-study-name NAME");
    }
    int status = cli_open(c, v->to ? CLI_READ : 0);
    status = status ? status : cli_find_study(c, v->name, &id, &name);
    if (status == 0 && v->to) {
        status = cli_open_url(c, v->to, CLI_CREATE, &to);
    }
    if (status == 0) {
        int rc = tl_study_copy(c->storage, name, to ? to : c->storage, v->to_name, &err);
        if (rc == TL_EEXISTS) {
            status = cli_error(c, rc, "there is a study '%s' in '%s' already: give another --to-study-name",
                               v->to_name ? v->to_name : name, v->to ? cli_show_url(c, v->to) : c->shown);
        } else if (rc) {
            status = cli_fail(c, &err);
        }
    }
    tl_storage_close(to);
    return status ? status : print_line(c, v->to_name ? v->to_name : name);
}

const struct command cmd_copy = {
    .name = "copy",
    .group = "Studies",
    .help = "Copy a study with its trials, attributes and times.",
    .about = "Prints the name of the copy. Unfinished trials are copied as they are.",
    .opts = copy_opts,
    .values_size = sizeof(struct copy_values),
    .run = run_copy,
};
