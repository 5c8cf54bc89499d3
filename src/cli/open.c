/* SPDX-License-Identifier: MIT
 *
 * Opening storages and finding studies, with errors that say what to do.
 */
#include "base/err.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#define URL_SHOWN_MAX 4096

static bool cancelled(void *ctx)
{
    const struct cli *c = ctx;
    return cli_stops > c->stops_endured || (c->woken && c->woken());
}

static void on_event(void *ctx, int level, const char *event, const char *message)
{
    struct cli *c = ctx;
    cli_say(c, level >= 2 ? CLI_WARNING : level == 1 ? CLI_INFO : CLI_DEBUG, "%s (%s)", message, event);
}

static int number_of(const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (word && strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    return 0;
}

const char *cli_show_url(struct cli *c, const char *url)
{
    char *text = arena_alloc(&c->memory, URL_SHOWN_MAX);
    if (!text) {
        return "?";
    }
    tl_storage_url_show(url, text, URL_SHOWN_MAX);
    return text;
}

int cli_open_url(struct cli *c, const char *url, unsigned flags, tl_storage **out)
{
    static const char *const durabilities[] = {"full", "relaxed", "off"}, *const locks[] = {"both", "kernel"};
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    o.durability = (enum tl_durability)number_of(c->g.durability, durabilities, 3);
    o.lock = (enum tl_lock_mode)number_of(c->g.lock, locks, 2);
    o.timeout_ms = c->g.lock_timeout.set ? c->g.lock_timeout.value : 0;
    if (c->g.lock_timeout.set && o.timeout_ms == 0) {
        o.timeout_ms = 1; /* 0 stands for the default there */
    }
    o.must_exist = !(flags & CLI_CREATE);
    o.lease_ms = c->lease_ms;
    o.retry_lost = c->retry_lost;
    o.read_only = (flags & CLI_LOOK) != 0;
    c->sink = (struct tl_log_sink){on_event, c, 0};
    o.log = &c->sink;
    o.cancelled = cancelled;
    o.cancelled_ctx = c;
    int rc = tl_storage_open(url, &o, out, &err);
    if (rc == TL_EACCESS && (flags & CLI_READ)) { /* a journal that we may not write can still be shown */
        o.read_only = true;
        rc = tl_storage_open(url, &o, out, &err);
    }
    const char *shown = rc == TL_ENOTFOUND ? cli_show_url(c, url) : NULL;
    if (rc == TL_ENOTFOUND && o.must_exist && !strstr(url, "://")) {
        return cli_error(c, rc, "there is no journal '%s' ('trialog create-study --storage %s' makes one)", shown, shown);
    }
    return rc ? cli_fail(c, &err) : 0;
}

int cli_lease(struct cli *c, const struct opt_int *lease, const struct opt_int *retry_lost)
{
    int64_t ms = lease->set ? lease->value : -1;
    if (lease->set && ms != 0 && (ms < 500 || ms > INT64_C(86400000) * 3650)) {
        return cli_usage(c, "--lease must be between 500ms and ten years; 0: none");
    }
    if (retry_lost->set && (retry_lost->value < 0 || retry_lost->value > UINT32_MAX)) {
        return cli_usage(c, "--retry-lost must be between 0 and %lu", (unsigned long)UINT32_MAX);
    }
    if (retry_lost->set && retry_lost->value > 0 && ms <= 0) {
        return cli_usage(c, "--retry-lost needs a lease: without one nobody can tell that a trial was lost");
    }
    c->lease_ms = ms > 0 ? ms : -1;
    c->retry_lost = retry_lost->set ? (unsigned)retry_lost->value : 0;
    return 0;
}

/* Optuna's name for a kind of storage, and whether the URL is of that kind. */
static int check_class(struct cli *c, const char *url)
{
    static const struct {
        const char *name, *scheme; /* ends where the URL's may go on: "postgresql+psycopg2" */
    } classes[] = {{"JournalFileBackend", NULL},        {"JournalFileStorage", NULL},
                   {"RDBStorage", "sqlite"},            {"RDBStorage", "postgres"},
                   {"RDBStorage", "mysql"},             {"RDBStorage", "mariadb"},
                   {"JournalRedisBackend", "redis"},    {"JournalRedisStorage", "redis"}};
    const char *name = c->g.storage_class;
    bool known = !name, fits = !name, is_url = strstr(url, "://") != NULL;
    for (size_t i = 0; name && i < TL_COUNT(classes); i++) {
        const char *scheme = classes[i].scheme;
        if (strcmp(name, classes[i].name) != 0) {
            continue;
        }
        known = true;
        fits = fits || (scheme ? is_url && strncmp(url, scheme, strlen(scheme)) == 0 : !is_url);
    }
    if (!known) {
        return cli_usage(
            c, "--storage-class: '%s' is not one of RDBStorage, JournalFileBackend or JournalRedisBackend",
            name);
    }
    return fits ? 0 : cli_usage(c, "--storage-class %s does not fit the storage '%s'", name, cli_show_url(c, url));
}

int cli_open(struct cli *c, unsigned flags)
{
    static const char *const variables[] = {"TRIALOG_STORAGE", "OPTUNA_STORAGE"};
    const char *url = c->g.storage;
    for (size_t i = 0; i < TL_COUNT(variables) && !url; i++) {
        url = getenv(variables[i]);
        if (url && !*url) {
            url = NULL;
        }
    }
    if (!url) {
        return cli_usage(c, "which journal? Give --storage FILE or URL, or set TRIALOG_STORAGE");
    }
    int status = check_class(c, url);
    if (status) {
        return status;
    }
    c->url = url;
    c->shown = cli_show_url(c, url);
    return cli_open_url(c, url, flags, &c->storage);
}

/* ---- studies ---- */

struct search {
    struct cli *c;
    size_t n;         /* studies seen */
    const char *name; /* of the first one */
    int64_t id;
    const char **names; /* a few of them, for the error message */
    size_t n_names;
    size_t at; /* of next_study */
};
#define NAMES_MAX 200

static int each_study(void *ctx, int64_t id, const char *name)
{
    struct search *s = ctx;
    s->n++;
    if (s->n_names == NAMES_MAX) {
        return 0;
    }
    char *copy = arena_dup(&s->c->memory, name, strlen(name));
    if (!copy) {
        return TL_ENOMEM;
    }
    if (s->n == 1) {
        s->name = copy;
        s->id = id;
    }
    s->names[s->n_names++] = copy;
    return 0;
}

static const char *next_study(void *ctx)
{
    struct search *s = ctx;
    return s->at < s->n_names ? s->names[s->at++] : NULL;
}

static int unknown_study(struct cli *c, const char *name, struct search *s)
{
    const char *like = cli_nearest(name, next_study, s);
    if (s->n == 0) {
        return cli_error(c, TL_ENOTFOUND, "there is no study '%s' in '%s': it has no study at all", name,
                         c->shown);
    }
    if (like) {
        return cli_error(c, TL_ENOTFOUND, "there is no study '%s' in '%s': did you mean '%s'?", name, c->shown,
                         like);
    }
    if (s->n <= 3) {
        return cli_error(c, TL_ENOTFOUND, "there is no study '%s' in '%s': there is '%s'%s%s%s%s%s", name,
                         c->shown, s->names[0], s->n > 1 ? ", '" : "", s->n > 1 ? s->names[1] : "",
                         s->n > 1 ? "'" : "", s->n > 2 ? ", " : "", s->n > 2 ? s->names[2] : "");
    }
    return cli_error(c, TL_ENOTFOUND, "there is no study '%s' in '%s' (its studies: trialog study-names)", name,
                     c->shown);
}

int cli_find_study(struct cli *c, const char *name, int64_t *id, const char **found)
{
    struct tl_err err = TL_ERR_INIT;
    int rc = name ? tl_storage_find_study(c->storage, name, id, &err) : 0;
    if (name && rc != TL_ENOTFOUND) {
        *found = name;
        return rc ? cli_fail(c, &err) : 0;
    }
    struct search s = {.c = c};
    s.names = arena_alloc(&c->memory, NAMES_MAX * sizeof *s.names);
    if (!s.names) {
        return cli_nomem(c);
    }
    rc = tl_storage_each_study(c->storage, each_study, &s, &err);
    if (rc) {
        return rc == TL_ENOMEM ? cli_nomem(c) : cli_fail(c, &err);
    }
    if (name) {
        return unknown_study(c, name, &s);
    }
    if (s.n != 1) {
        return cli_usage(c, "which study? '%s' has %zu: give --study-name", c->shown, s.n);
    }
    *id = s.id;
    *found = s.name;
    cli_say(c, CLI_INFO, "no --study-name: '%s' is the only study there", s.name);
    return 0;
}

int cli_load_study(struct cli *c, const char *name, const struct tl_study_options *options, tl_study **out)
{
    struct tl_err err = TL_ERR_INIT;
    int64_t id;
    int status = cli_find_study(c, name, &id, &name);
    if (status == 0 && tl_study_load(c->storage, name, options, out, &err)) {
        status = cli_fail(c, &err);
    }
    return status;
}

int cli_view(struct cli *c, const char *name, tl_view **out)
{
    struct tl_err err = TL_ERR_INIT;
    int64_t id;
    int status = cli_find_study(c, name, &id, &name);
    if (status == 0 && tl_view_open(c->storage, id, false, out, &err)) {
        status = cli_fail(c, &err);
    }
    return status;
}
