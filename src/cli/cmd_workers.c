/* SPDX-License-Identifier: MIT
 *
 * `trialog workers`: who runs what, since when, and when its worker last gave a sign of life.
 */
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/when.h"

#include <stdlib.h>

struct workers_values {
    const char *name, *format;
    bool json;
};
static const struct opt workers_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct workers_values, name), "STUDY", NULL, NULL, "this study only"},
    {OPT_CHOICE, "format", 'f', 0, offsetof(struct workers_values, format), "FORMAT", OUT_FORMATS, "table", "how to print"},
    {OPT_FLAG, "json", 0, 0, offsetof(struct workers_values, json), NULL, NULL, NULL, "short for --format json"},
    OPT_TABLE_END,
};

enum { WORKERS_STUDY, WORKERS_NUMBER, WORKERS_WORKER, WORKERS_START, WORKERS_LEASE, WORKERS_SILENT, WORKERS_COLUMNS };

struct running {
    struct cli *c;
    int64_t study_id; /* -1: all */
    struct tl_running_trial *items; /* texts in c->memory */
    size_t n, cap;
};

static int note_running(void *ctx, const struct tl_running_trial *t)
{
    struct running *l = ctx;
    if (l->study_id >= 0 && t->study_id != l->study_id) {
        return 0;
    }
    struct tl_running_trial copy = *t;
    copy.study_name = arena_dup(&l->c->memory, t->study_name, strlen(t->study_name));
    copy.worker = arena_dup(&l->c->memory, t->worker, strlen(t->worker));
    if (!copy.study_name || !copy.worker || !mem_grow((void **)&l->items, &l->cap, l->n + 1, sizeof *l->items)) {
        return TL_ENOMEM;
    }
    l->items[l->n++] = copy;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct tl_running_trial *x = a, *y = b;
    return x->study_id != y->study_id ? (x->study_id > y->study_id) - (x->study_id < y->study_id)
                                      : (x->number > y->number) - (x->number < y->number);
}

static int read_running(void *ctx, size_t record, struct nodes *ns, struct node **cells)
{
    const struct running *l = ctx;
    const struct tl_running_trial *t = &l->items[record];
    char text[WHEN_MAX];
    cells[WORKERS_STUDY] = node_string(ns, str_of(t->study_name));
    cells[WORKERS_NUMBER] = node_int(ns, t->number);
    cells[WORKERS_WORKER] = node_string(ns, str_of(t->worker));
    if (t->start.set) {
        when_text(t->start, text);
    }
    cells[WORKERS_START] = t->start.set ? node_copied(ns, text) : node_new(ns, NODE_NONE);
    cells[WORKERS_LEASE] = t->lease_ms > 0 ? node_float(ns, (double)t->lease_ms / 1000) : node_new(ns, NODE_NONE);
    cells[WORKERS_SILENT] = t->silent_ms >= 0 ? node_float(ns, (double)t->silent_ms / 1000) : node_new(ns, NODE_NONE);
    return 0;
}

static int run_workers(struct cli *c, void *values)
{
    static const struct out_column columns[WORKERS_COLUMNS] = {
        {.group = "study", .place = -1},          {.group = "number", .place = -1}, {.group = "worker", .place = -1},
        {.group = "datetime_start", .place = -1}, {.group = "lease", .place = -1},  {.group = "silent", .place = -1},
    };
    const struct workers_values *v = values;
    struct running l = {.c = c, .study_id = -1};
    struct tl_err err = TL_ERR_INIT;
    const char *name;
    int status = cli_open(c, CLI_READ);
    if (status == 0 && v->name) {
        status = cli_find_study(c, v->name, &l.study_id, &name);
    }
    if (status == 0) {
        int rc = tl_storage_each_running(c->storage, note_running, &l, &err);
        status = rc == TL_ENOMEM ? cli_nomem(c) : rc ? cli_fail(c, &err) : 0;
    }
    if (l.n > 0) {
        qsort(l.items, l.n, sizeof *l.items, by_number);
    }
    if (status == 0) {
        struct out_records records = {columns, WORKERS_COLUMNS, l.n, false, read_running, &l};
        status = out_records(c, &records, v->json ? "json" : v->format, false);
    }
    mem_free(l.items);
    return status;
}

const struct command cmd_workers = {
    .name = "workers",
    .group = "Results",
    .help = "List running trials with their workers and leases.",
    .about = "Lease and silent are seconds: the length of the worker's lease, and how long ago it\n"
             "gave its last sign of life. A worker without a lease has neither. When silent is\n"
             "above lease, workers that ask for trials or wait fail the running ones.",
    .opts = workers_opts,
    .values_size = sizeof(struct workers_values),
    .run = run_workers,
};
