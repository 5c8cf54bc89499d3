/* SPDX-License-Identifier: MIT
 *
 * What a Redis server does with what it was given: asked at open, said in the storage's description.
 *
 * "durability=full" stands for appendonly yes with appendfsync always: then an acknowledged line survives a power cut. Everything else is
 * best effort, with the setting that makes it so. A server that may not be asked (CONFIG and INFO are often forbidden) is best effort,
 * too. A server that evicts keys when its memory is full loses lines of the journal: that is an event at open. Failure: TL_EUNSUPPORTED for
 * a cluster when the prefix has no {tag}, because then the keys lie on several nodes; other errors of the questions are no errors.
 */
#include "journal/redis.h"

#include "base/err.h"
#include "base/log.h"

/* The value of "NAME:value\r\n" in INFO's text. */
static struct str info_of(struct str info, const char *name)
{
    size_t n = strlen(name);
    const char *p = info.n ? info.p : name, *end = p + info.n;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        if ((size_t)(stop - p) > n && memcmp(p, name, n) == 0 && p[n] == ':') {
            const char *value = p + n + 1;
            size_t length = (size_t)(stop - value);
            return (struct str){value, length > 0 && value[length - 1] == '\r' ? length - 1 : length};
        }
        p = stop + 1;
    }
    return (struct str){NULL, 0};
}

/* TL_OK with an empty answer when the server does not want to tell. */
static int ask(struct redis *r, const struct str *words, size_t n, struct arena *memory, struct reply **reply, struct tl_err *err)
{
    static struct reply nothing = {.type = REPLY_NIL};
    struct redis_call c = {.script = SCRIPT_NONE, .words = words, .n = n, .deadline_ns = redis_deadline(r->timeout_ms),
                           .memory = memory};
    struct tl_err why = TL_ERR_INIT;
    int rc = link_call(&r->link, &c, reply, &why);
    if (rc == TL_EACCESS || rc == TL_EIO) {
        *reply = &nothing;
        return TL_OK;
    }
    if (rc != TL_OK && err) {
        *err = why;
    }
    return rc;
}

static bool has_tag(const char *prefix)
{
    const char *open = strchr(prefix, '{'), *close = open ? strchr(open, '}') : NULL;
    return close && close > open + 1;
}

static void describe(struct redis *r, struct str info, struct str fsync)
{
    struct str version = info_of(info, "redis_version"), aof = info_of(info, "aof_enabled");
    struct buf *out = &r->description;
    const char *weak = NULL;
    if (!aof.p) {
        weak = "the server does not tell its settings";
    } else if (!str_eq(aof, STR("1"))) {
        weak = "appendonly no";
    } else if (!fsync.p) {
        weak = "appendfsync is not known";
    } else if (!str_eq(fsync, STR("always"))) {
        weak = str_eq(fsync, STR("everysec")) ? "appendfsync everysec" : "appendfsync no";
    }
    buf_printf(out, "server=%s version=%.*s tls=%s prefix=%s durability=%s", r->link.url.where, (int)(version.n < 20 ? version.n : 20),
               version.p ? version.p : "", r->link.url.tls ? "yes" : "no", r->link.url.prefix, weak ? "best-effort" : "full");
    if (weak) {
        buf_printf(out, " (%s)", weak);
    }
    if (r->evicts) {
        buf_add_text(out, " evicts-keys");
    }
    buf_cstr(out);
}

int redis_probe(struct redis *r, struct tl_err *err)
{
    static const struct str info_words[] = {{"INFO", 4}}, config_words[] = {{"CONFIG", 6}, {"GET", 3}, {"appendfsync", 11}};
    struct arena memory = {0};
    struct reply *info = NULL, *config = NULL;
    int rc = ask(r, info_words, 1, &memory, &info, err);
    rc = rc == TL_OK ? ask(r, config_words, 3, &memory, &config, err) : rc;
    if (rc == TL_OK) {
        struct str text = info->type == REPLY_TEXT ? info->text : (struct str){NULL, 0};
        struct str policy = info_of(text, "maxmemory_policy"), limit = info_of(text, "maxmemory");
        const struct str *fsync = reply_text(config, 1);
        r->evicts = policy.n >= 7 && memcmp(policy.p, "allkeys", 7) == 0;
        if (str_eq(info_of(text, "cluster_enabled"), STR("1")) && !has_tag(r->link.url.prefix)) {
            rc = err_set(err, TL_EUNSUPPORTED, "the Redis server at %s is part of a cluster: there the prefix wants a {tag}, such as "
                         "?prefix={study}, which keeps its keys on one node", r->link.url.where);
        } else {
            describe(r, text, fsync ? *fsync : (struct str){NULL, 0});
            log_emit(r->log, LOG_FILE_SYSTEM, "redis: %s", r->description.failed ? "" : r->description.data);
        }
        if (rc == TL_OK && r->evicts) {
            log_emit(r->log, LOG_DATABASE, "the Redis server at %s may evict lines of the journal (maxmemory-policy %.*s, maxmemory "
                     "%.*s): set it to noeviction", r->link.url.where, (int)(policy.n < 20 ? policy.n : 20), policy.p,
                     (int)(limit.n < 20 ? limit.n : 20), limit.p ? limit.p : "");
        }
    }
    arena_release(&memory);
    return rc;
}
