/* SPDX-License-Identifier: MIT
 *
 * export: a study as csv, as one JSON document, or as a journal of its own that Optuna reads.
 *
 * A file that exists is never overwritten, and one that could not be finished is removed.
 */
#include "base/json.h"
#include "base/num.h"
#include "cli/commands.h"
#include "cli/trials.h"

#include <errno.h>
#include <unistd.h>

struct export_values {
    const char *name, *format, *path;
};
static const struct opt export_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct export_values, name), "STUDY", NULL, NULL,
     "the study's name; may be left out when the journal has a single study"},
    {OPT_CHOICE, "format", 'f', 0, offsetof(struct export_values, format), "FORMAT", "csv|json|journal", "csv",
     "csv: a line for each trial; json: everything; journal: a journal file with this study alone"},
    {OPT_TEXT, "output", 'o', 0, offsetof(struct export_values, path), "FILE", NULL, NULL,
     "a new file to write to. Default: standard output"},
    OPT_TABLE_END,
};

static int export_csv(struct cli *c, const struct export_values *v, const tl_view *view)
{
    struct trial_records r = {.c = c, .view = view, .exact_times = true, .with_system = true};
    int status = trial_records_open(&r, false);
    if (status == 0) {
        struct out_records all = trial_records_all(&r, false);
        status = out_records_to(c, &all, "csv", true, v->path);
    }
    trial_records_close(&r);
    return status;
}

/* ---- JSON ---- */

#define TEXT_OF(s_) ((struct str){(s_).s, (s_).len})

/* Values are written as they stand in the journal, so nothing is lost on the way. */
static void put_attrs(struct buf *b, const char *name, const struct tl_attr *attrs, size_t n,
                      enum tl_attr_kind kind)
{
    bool first = true;
    buf_printf(b, "\"%s\": {", name);
    for (size_t i = 0; i < n; i++) {
        if (attrs[i].kind != kind) {
            continue;
        }
        buf_add_text(b, first ? "" : ", ");
        json_put_string(b, TEXT_OF(attrs[i].key));
        buf_add_text(b, ": ");
        buf_add_str(b, TEXT_OF(attrs[i].json));
        first = false;
    }
    buf_add_char(b, '}');
}

static void put_time(struct buf *b, const char *name, struct tl_time t)
{
    char text[TIME_MAX];
    if (!t.set) {
        buf_printf(b, "\"%s\": null, ", name);
        return;
    }
    time_format(t, text);
    buf_printf(b, "\"%s\": \"%s\", ", name, text);
}

static void put_values(struct buf *b, const struct tl_frozen_trial *t)
{
    buf_add_text(b, "\"values\": ");
    if (!t->has_values) {
        buf_add_text(b, "null");
    }
    for (size_t i = 0; t->has_values && i < t->n_values; i++) {
        buf_add_text(b, i == 0 ? "[" : ", ");
        json_put_double(b, t->values[i]);
    }
    if (t->has_values) {
        buf_add_text(b, t->n_values == 0 ? "[]" : "]");
    }
    buf_add_text(b, ", ");
}

static int put_params(struct cli *c, struct nodes *ns, struct buf *b, const struct tl_frozen_trial *t)
{
    struct tl_err err = TL_ERR_INIT;
    bool first = true;
    buf_add_text(b, "\"params\": {");
    for (size_t i = 0; i < t->n_params; i++) {
        struct tl_value value;
        if (!t->params[i].has_value) {
            continue;
        }
        if (tl_dist_external(t->params[i].dist, t->params[i].internal, &value, &err)) {
            return cli_fail(c, &err);
        }
        buf_add_text(b, first ? "" : ", ");
        json_put_string(b, TEXT_OF(t->params[i].name));
        buf_add_text(b, ": ");
        node_json(b, node_value(ns, &value));
        first = false;
    }
    buf_add_text(b, "}, \"distributions\": {");
    for (size_t i = 0; i < t->n_params; i++) {
        buf_add_text(b, i == 0 ? "" : ", ");
        json_put_string(b, TEXT_OF(t->params[i].name));
        buf_add_text(b, ": ");
        buf_add_str(b, TEXT_OF(t->params[i].dist_text));
    }
    buf_add_text(b, "}, ");
    return ns->failed ? cli_nomem(c) : 0;
}

static int put_trial(struct cli *c, struct nodes *ns, struct buf *b, const struct tl_frozen_trial *t)
{
    buf_printf(b, "{\"number\": %lld, \"state\": \"%s\", ", (long long)t->number, tl_state_name((int)t->state));
    put_values(b, t);
    put_time(b, "datetime_start", t->start);
    put_time(b, "datetime_complete", t->complete);
    int status = put_params(c, ns, b, t);
    put_attrs(b, "user_attrs", t->attrs, t->n_attrs, TL_ATTR_USER);
    buf_add_text(b, ", ");
    put_attrs(b, "system_attrs", t->attrs, t->n_attrs, TL_ATTR_SYSTEM);
    buf_add_text(b, ", \"intermediate_values\": {");
    for (size_t i = 0; i < t->n_reports; i++) {
        buf_printf(b, "%s\"%lld\": ", i == 0 ? "" : ", ", (long long)t->reports[i].step);
        json_put_double(b, t->reports[i].value);
    }
    buf_add_text(b, "}}");
    return status;
}

static int export_json(struct cli *c, const struct export_values *v, const tl_view *view)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct tl_err err = TL_ERR_INIT;
    struct nodes ns = {{0}, false};
    struct out o;
    size_t n_directions, n_attrs, n_trials = tl_view_n_trials(view);
    const enum tl_direction *directions = tl_view_directions(view, &n_directions);
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n_attrs);
    out_begin(&o, c, v->path);
    buf_add_text(&o.b, "{\"study_name\": ");
    json_put_string(&o.b, str_of(tl_view_study_name(view)));
    buf_add_text(&o.b, ", \"directions\": [");
    for (size_t i = 0; i < n_directions; i++) {
        buf_printf(&o.b, "%s\"%s\"", i == 0 ? "" : ", ", tl_direction_name((int)directions[i]));
    }
    buf_add_text(&o.b, "], ");
    put_attrs(&o.b, "user_attrs", attrs, n_attrs, TL_ATTR_USER);
    buf_add_text(&o.b, ", ");
    put_attrs(&o.b, "system_attrs", attrs, n_attrs, TL_ATTR_SYSTEM);
    buf_add_text(&o.b, ", \"trials\": [");
    int status = o.status;
    for (size_t i = 0; i < n_trials && status == 0; i++) {
        buf_add_text(&o.b, i == 0 ? "\n" : ",\n");
        arena_reset(&ns.arena);
        int rc = tl_view_trial(view, (int64_t)i, &trial, &err);
        status = rc ? cli_fail(c, &err) : put_trial(c, &ns, &o.b, &trial);
        out_spill(&o);
        status = status ? status : o.status;
    }
    buf_add_text(&o.b, n_trials ? "\n]}\n" : "]}\n");
    tl_frozen_release(&trial);
    arena_release(&ns.arena);
    return out_end(&o, status);
}

/* ---- journal ---- */

static int export_journal(struct cli *c, const struct export_values *v, const char *study)
{
    struct tl_err err = TL_ERR_INIT;
    tl_storage *to = NULL;
    if (!v->path) {
        return cli_usage(c, "--format journal needs --output FILE");
    }
    if (access(v->path, F_OK) == 0 || errno != ENOENT) {
        return cli_error(c, TL_EEXISTS, "'%s' exists already: 'trialog copy --to' adds a study to a journal",
                         v->path);
    }
    int status = cli_open_url(c, v->path, CLI_CREATE, &to);
    if (status == 0 && tl_study_copy(c->storage, study, to, NULL, &err)) {
        status = cli_fail(c, &err);
    }
    tl_storage_close(to);
    return status;
}

static int run_export(struct cli *c, void *values)
{
    const struct export_values *v = values;
    struct tl_err err = TL_ERR_INIT;
    tl_view *view = NULL;
    const char *name;
    int64_t id;
    int status = cli_open(c, CLI_READ);
    status = status ? status : cli_find_study(c, v->name, &id, &name);
    if (status == 0 && strcmp(v->format, "journal") == 0) {
        return export_journal(c, v, name);
    }
    if (status == 0 && tl_view_open(c->storage, id, false, &view, &err)) {
        status = cli_fail(c, &err);
    }
    if (status == 0) {
        status = strcmp(v->format, "json") == 0 ? export_json(c, v, view) : export_csv(c, v, view);
    }
    if (view) {
        tl_view_close(view);
    }
    return status;
}

const struct command cmd_export = {
    .name = "export",
    .group = "Results",
    .help = "Write a study as csv, JSON or a journal of its own.",
    .about = "Instants are in ISO 8601 with their offset, spans in seconds. Numbers that JSON\n"
             "does not know are written NaN, Infinity and -Infinity, as Python does.",
    .opts = export_opts,
    .values_size = sizeof(struct export_values),
    .run = run_export,
};
