/* SPDX-License-Identifier: MIT
 *
 * Care of journal files: check, repair, compact, unlock. The work is done by trialog/journal.h; here it is told.
 */
#include "base/json.h"
#include "cli/commands.h"
#include "cli/out.h"

#include <stdlib.h>

struct journal_values {
    const char *path, *to;
    bool json, force;
};
#define JOURNAL_OPERAND                                                                          \
    {                                                                                            \
        OPT_OPERAND, "JOURNAL", 0, 0, offsetof(struct journal_values, path), "FILE", NULL, NULL, \
            "the journal file; --storage or the environment name it otherwise"                   \
    }

/* The file that the command is about; with `any`, another kind of storage will do. */
static int journal_path(struct cli *c, const struct journal_values *v, bool any, const char **path)
{
    const char *trialog = getenv("TRIALOG_STORAGE"), *optuna = getenv("OPTUNA_STORAGE");
    *path = v->path ? v->path : c->g.storage ? c->g.storage : trialog && *trialog ? trialog : optuna;
    if (!*path || !**path) {
        return cli_usage(c, "which journal?");
    }
    if (strstr(*path, "://") && !any) {
        return cli_error(c, TL_EUNSUPPORTED, "'%s' is no file: this command is for journal files", cli_show_url(c, *path));
    }
    return 0;
}

/* PATH with a suffix, when the user gave no other name. */
static int target_path(struct cli *c, const struct journal_values *v, const char *path, const char *suffix,
                       const char **to)
{
    size_t n = strlen(path), m = strlen(suffix);
    if (v->to) {
        *to = v->to;
        return 0;
    }
    char *text = arena_alloc(&c->memory, n + m + 1);
    if (!text) {
        return cli_nomem(c);
    }
    memcpy(text, path, n);
    memcpy(text + n, suffix, m + 1);
    *to = text;
    return 0;
}

/* ---- check ---- */

static const struct opt check_opts[] = {
    JOURNAL_OPERAND,
    {OPT_FLAG, "json", 0, 0, offsetof(struct journal_values, json), NULL, NULL, NULL, "print one JSON object"},
    OPT_TABLE_END,
};

struct findings {
    struct cli *c;
    struct out out;
    const char *path;
    bool json;
    size_t n;
};

static int each_finding(void *ctx, const struct tl_finding *f)
{
    struct findings *all = ctx;
    struct buf *b = &all->out.b;
    bool harmless = strcmp(f->kind, "rejected") == 0;
    if (harmless && !all->json && all->c->g.verbose == 0) {
        return 0;
    }
    if (all->json) {
        buf_printf(b,
                   "%s{\"kind\": \"%s\", \"line\": %lld, \"offset\": %lld, \"message\": ", all->n ? ", " : "",
                   f->kind, (long long)f->line, (long long)f->offset);
        json_put_string(b, str_of(f->message));
        buf_add_char(b, '}');
    } else {
        buf_printf(b, "%s:%lld: %s: %s\n", all->path, (long long)f->line, f->kind, f->message);
    }
    all->n++;
    out_spill(&all->out);
    return all->out.status ? 1 : 0;
}

static void put_counts(struct findings *all, const struct tl_check_result *r)
{
    struct buf *b = &all->out.b;
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"bytes", r->bytes},     {"lines", r->lines},   {"checked_lines", r->checked_lines},
                  {"studies", r->studies}, {"trials", r->trials}, {"broken", r->broken},
                  {"odd", r->odd},         {"torn", r->torn},     {"rejected", r->rejected}};
    if (!all->json) {
        buf_printf(b,
                   "%s: %llu lines (%llu with a checksum), %llu studies, %llu trials; "
                   "%llu broken, %llu odd, %llu torn, %llu rejected\n",
                   all->path, (unsigned long long)r->lines, (unsigned long long)r->checked_lines,
                   (unsigned long long)r->studies, (unsigned long long)r->trials, (unsigned long long)r->broken,
                   (unsigned long long)r->odd, (unsigned long long)r->torn, (unsigned long long)r->rejected);
        return;
    }
    for (size_t i = 0; i < TL_COUNT(counts); i++) {
        buf_printf(b, ", \"%s\": %llu", counts[i].name, (unsigned long long)counts[i].n);
    }
    buf_add_text(b, "}\n");
}

static int run_check(struct cli *c, void *values)
{
    const struct journal_values *v = values;
    struct tl_check_result result = {.size = sizeof result};
    struct tl_err err = TL_ERR_INIT;
    struct findings all = {.c = c, .json = v->json};
    int status = journal_path(c, v, true, &all.path);
    if (status) {
        return status;
    }
    const char *path = all.path;
    all.path = cli_show_url(c, path);
    out_begin(&all.out, c, NULL);
    if (v->json) {
        buf_add_text(&all.out.b, "{\"journal\": ");
        json_put_string(&all.out.b, str_of(all.path));
        buf_add_text(&all.out.b, ", \"findings\": [");
    }
    int rc = tl_journal_check(path, each_finding, &all, &result, &err);
    if (rc < 0) {
        buf_clear(&all.out.b);
        return out_end(&all.out, cli_fail(c, &err));
    }
    if (v->json) {
        buf_add_char(&all.out.b, ']');
    }
    put_counts(&all, &result);
    status = out_end(&all.out, 0);
    return status ? status : result.broken || result.odd ? tl_code_exit_status(TL_ECORRUPT) : 0;
}

const struct command cmd_check = {
    .name = "check",
    .group = "Journals",
    .help = "Read a whole journal and list what is wrong with it.",
    .about = "A finding is \"broken\" (no JSON, or a wrong checksum), \"odd\" (no Optuna could\n"
             "apply it), \"torn\" (an unfinished last line, which the next writer heals) or, with\n"
             "-v, \"rejected\" (valid, but it changed nothing). The exit status is 20 when a line\n"
             "is broken or odd. Of a database, all studies are read with their snapshots.",
    .opts = check_opts,
    .values_size = sizeof(struct journal_values),
    .run = run_check,
};

/* ---- repair, compact ---- */

static const struct opt repair_opts[] = {
    JOURNAL_OPERAND,
    {OPT_OPERAND, "TO", 0, 0, offsetof(struct journal_values, to), "FILE", NULL, NULL,
     "the new file. Default: JOURNAL.repaired"},
    OPT_TABLE_END,
};

static int run_repair(struct cli *c, void *values)
{
    const struct journal_values *v = values;
    struct tl_check_result r = {.size = sizeof r};
    struct tl_err err = TL_ERR_INIT;
    struct findings all = {.c = c};
    const char *to = NULL;
    int status = journal_path(c, v, false, &all.path);
    status = status ? status : target_path(c, v, all.path, ".repaired", &to);
    if (status) {
        return status;
    }
    out_begin(&all.out, c, NULL);
    int rc = tl_journal_repair(all.path, to, each_finding, &all, &r, &err);
    if (rc) {
        return out_end(&all.out, rc < 0 ? cli_fail(c, &err) : 0);
    }
    buf_printf(&all.out.b, "%s: %llu of %llu lines written\n", to,
               (unsigned long long)(r.lines - r.broken - r.torn), (unsigned long long)r.lines);
    return out_end(&all.out, 0);
}

const struct command cmd_repair = {
    .name = "repair",
    .group = "Journals",
    .help = "Write a clean copy of a damaged journal.",
    .about = "Good lines are kept as they are. A broken line that began a trial becomes a failed\n"
             "trial, so that later trials keep their numbers; other broken lines are left out.\n"
             "The journal itself is not changed: when no process writes to it any more, put the\n"
             "copy in its place.",
    .opts = repair_opts,
    .values_size = sizeof(struct journal_values),
    .run = run_repair,
};

static const struct opt compact_opts[] = {
    JOURNAL_OPERAND,
    {OPT_OPERAND, "TO", 0, 0, offsetof(struct journal_values, to), "FILE", NULL, NULL,
     "the new file. Default: JOURNAL.compacted"},
    OPT_TABLE_END,
};

static int run_compact(struct cli *c, void *values)
{
    const struct journal_values *v = values;
    struct tl_err err = TL_ERR_INIT;
    uint64_t before, after;
    const char *path, *to = NULL;
    struct out o;
    int status = journal_path(c, v, false, &path);
    status = status ? status : target_path(c, v, path, ".compacted", &to);
    if (status) {
        return status;
    }
    if (tl_journal_compact(path, to, &before, &after, &err)) {
        return cli_fail(c, &err);
    }
    out_begin(&o, c, NULL);
    buf_printf(&o.b, "%s: %llu lines instead of %llu\n", to, (unsigned long long)after,
               (unsigned long long)before);
    return out_end(&o, 0);
}

const struct command cmd_compact = {
    .name = "compact",
    .group = "Journals",
    .help = "Write the shortest journal with the same studies and trials.",
    .about = "Ids, numbers and times stay. The journal itself is not changed, because processes\n"
             "that read it would lose their place: when none uses it any more, put the copy in\n"
             "its place.",
    .opts = compact_opts,
    .values_size = sizeof(struct journal_values),
    .run = run_compact,
};

/* ---- unlock ---- */

static const struct opt unlock_opts[] = {
    JOURNAL_OPERAND,
    {OPT_FLAG, "force", 0, 0, offsetof(struct journal_values, force), NULL, NULL, NULL,
     "take the lock away from whoever holds it, even from a running process"},
    OPT_TABLE_END,
};

static int run_unlock(struct cli *c, void *values)
{
    const struct journal_values *v = values;
    struct tl_err err = TL_ERR_INIT;
    bool removed = false;
    const char *path;
    struct out o;
    int status = journal_path(c, v, false, &path);
    if (status) {
        return status;
    }
    int rc = tl_journal_unlock(path, v->force, &removed, &err);
    if (rc == TL_ELOCKED && !v->force) {
        return cli_error(c, rc, "%s: --force takes the lock away all the same", err.message);
    }
    if (rc) {
        return cli_fail(c, &err);
    }
    out_begin(&o, c, NULL);
    buf_printf(&o.b, "%s: %s\n", path, removed ? "lock removed" : "there was no lock");
    return out_end(&o, 0);
}

const struct command cmd_unlock = {
    .name = "unlock",
    .group = "Journals",
    .help = "Take away the lock that a dead process left behind.",
    .about = "Writers do that by themselves after a while; this is for the impatient.",
    .opts = unlock_opts,
    .values_size = sizeof(struct journal_values),
    .run = run_unlock,
};
