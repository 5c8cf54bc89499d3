/* SPDX-License-Identifier: MIT
 *
 * URLs of Redis, as redis-py (and so Optuna) takes them:
 *   redis://[[user]:password@]host[:port][/db][?options]    rediss:// the same with TLS
 *   unix://[user[:password]@]/path/of/socket[?db=N&options] (also redis+unix://)
 *
 * Options: prefix (as JournalRedisBackend's), db, username, password, socket_connect_timeout, socket_timeout (seconds, for one
 * try), hole_timeout (seconds after which a line that a dead writer counted and never wrote is given up); for rediss://
 * ssl_cert_reqs (required or none), ssl_check_hostname, ssl_ca_certs, ssl_certfile, ssl_keyfile. Without a password the one in the
 * environment variable REDISCLI_AUTH is taken.
 *
 * Failure: TL_EINVAL that names the part, never the URL, because it may hold a password. Invariant: `where` has neither user nor
 * password.
 */
#include "journal/redis.h"

#include "base/err.h"
#include "base/num.h"
#include "journal/url.h"

#include <stdio.h>

#define PORT 6379
#define CONNECT_MS 5000
#define REPLY_MS 15000
#define HOLE_MS 20000

static const char *keep(struct redis_url *out, const char *text)
{
    return text ? arena_dup(&out->memory, text, strlen(text)) : NULL;
}

/* "2.5" seconds; leaves `*ms` alone when the option is not given. */
static int read_seconds(struct url *u, const char *key, int64_t *ms, struct tl_err *err)
{
    const char *text = url_option(u, key);
    double seconds;
    if (!text) {
        return TL_OK;
    }
    const char *end = text + strlen(text);
    if (num_parse(text, end, &seconds, NULL) != end || !(seconds >= 0.001 && seconds <= 86400)) {
        return err_set(err, TL_EINVAL, "%s in the Redis URL is no number of seconds from 0.001 to 86400", key);
    }
    *ms = (int64_t)(seconds * 1000);
    return TL_OK;
}

static int read_db(const char *text, int64_t *db, struct tl_err *err)
{
    const char *end = text + strlen(text);
    if (*text && (num_parse_int(text, end, db) != end || *db < 0 || *db > INT32_MAX)) {
        return err_set(err, TL_EINVAL, "the database in the Redis URL is no number: redis://host:port/0 is the first one");
    }
    return TL_OK;
}

static int read_address(const struct url *u, bool local, struct redis_url *out, struct tl_err *err)
{
    if (!local) {
        if (u->port > 65535 || u->port == 0 || (u->host && strchr(u->host, ',')) || (u->host && strlen(u->host) > 255)) {
            return err_set(err, TL_EINVAL, "the Redis URL wants one host and a port from 1 to 65535");
        }
        out->address.host = keep(out, u->host && *u->host ? u->host : "localhost");
        out->address.port = (uint16_t)(u->port < 0 ? PORT : u->port);
        if (!out->address.host) {
            return err_nomem(err);
        }
        bool colon = strchr(out->address.host, ':') != NULL;
        snprintf(out->where, sizeof out->where, "%s%s%s:%u", colon ? "[" : "", out->address.host, colon ? "]" : "",
                 (unsigned)out->address.port);
        return TL_OK;
    }
    if ((u->host && *u->host) || !u->path || !*u->path) {
        return err_set(err, TL_EINVAL, "a Redis socket is given as unix:///path/of/the/socket");
    }
    struct buf path = BUF_INIT(4096);
    if (*u->path != '/') {
        buf_add_char(&path, '/');
    }
    buf_add_text(&path, u->path);
    out->address.path = buf_cstr(&path) ? keep(out, path.data) : NULL;
    buf_release(&path);
    if (!out->address.path) {
        return err_nomem(err);
    }
    snprintf(out->where, sizeof out->where, "%s", out->address.path);
    return TL_OK;
}

static int read_tls(struct url *u, struct redis_url *out, struct tl_err *err)
{
    const char *reqs = url_option(u, "ssl_cert_reqs"), *name = url_option(u, "ssl_check_hostname");
    if (reqs && strcmp(reqs, "none") == 0) {
        out->verify = REDIS_VERIFY_NONE;
    } else if (reqs && strcmp(reqs, "required") != 0) {
        return err_set(err, TL_EINVAL, "ssl_cert_reqs in the Redis URL is 'required' or 'none'");
    } else if (name && (strcasecmp(name, "false") == 0 || strcmp(name, "0") == 0)) {
        out->verify = REDIS_VERIFY_NO_NAME;
    }
    static const char *const keys[3] = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"};
    const char **files[3] = {&out->ca_file, &out->cert_file, &out->key_file};
    for (int i = 0; i < 3; i++) {
        const char *file = url_option(u, keys[i]);
        if (file && !(*files[i] = keep(out, file))) {
            return err_nomem(err);
        }
    }
    if (out->key_file && !out->cert_file) {
        return err_set(err, TL_EINVAL, "ssl_keyfile in the Redis URL wants ssl_certfile, too");
    }
    return TL_OK;
}

static int read_who(struct url *u, struct redis_url *out, struct tl_err *err)
{
    const char *user = url_option(u, "username"), *password = url_option(u, "password");
    user = u->user && *u->user ? u->user : user;
    password = u->password && *u->password ? u->password : password;
    if (!password && !user) {
        password = os->env("REDISCLI_AUTH");
    }
    out->user = user && *user ? keep(out, user) : NULL;
    out->password = password && *password ? keep(out, password) : NULL;
    if ((user && *user && !out->user) || (password && *password && !out->password)) {
        return err_nomem(err);
    }
    if (out->user && !out->password) {
        return err_set(err, TL_EINVAL, "the Redis URL has a user without a password: redis://user:password@host");
    }
    return TL_OK;
}

static int read_all(struct url *u, struct redis_url *out, struct tl_err *err)
{
    bool local = strcmp(u->scheme, "unix") == 0 || strcmp(u->driver, "unix") == 0;
    out->tls = strcmp(u->scheme, "rediss") == 0;
    int rc = read_address(u, local, out, err);
    rc = rc == TL_OK && !local && u->path ? read_db(u->path, &out->db, err) : rc;
    const char *db = url_option(u, "db"), *prefix = url_option(u, "prefix");
    rc = rc == TL_OK && db ? read_db(db, &out->db, err) : rc;
    rc = rc == TL_OK ? read_who(u, out, err) : rc;
    rc = rc == TL_OK && out->tls ? read_tls(u, out, err) : rc;
    rc = rc == TL_OK ? read_seconds(u, "socket_connect_timeout", &out->connect_ms, err) : rc;
    rc = rc == TL_OK ? read_seconds(u, "socket_timeout", &out->reply_ms, err) : rc;
    rc = rc == TL_OK ? read_seconds(u, "hole_timeout", &out->hole_ms, err) : rc;
    if (rc != TL_OK) {
        return rc;
    }
    out->prefix = keep(out, prefix ? prefix : "");
    if (!out->prefix) {
        return err_nomem(err);
    }
    const char *unknown = url_unknown(u);
    if (unknown) {
        return err_set(err, TL_EINVAL, "'%.40s' in the Redis URL is no option%s: see STORAGES in trialog(1)", unknown,
                       strncmp(unknown, "ssl_", 4) == 0 && !out->tls ? " without TLS (rediss://)" : "");
    }
    return TL_OK;
}

int redis_url_parse(const char *text, struct redis_url *out, struct tl_err *err)
{
    struct url u;
    *out = (struct redis_url){.connect_ms = CONNECT_MS, .reply_ms = REPLY_MS, .hole_ms = HOLE_MS};
    int rc = url_parse(text, &u, err);
    rc = rc == TL_OK ? read_all(&u, out, err) : rc;
    url_release(&u);
    return rc;
}

void redis_url_release(struct redis_url *u)
{
    if (u->password) {
        memset((char *)(uintptr_t)u->password, 0, strlen(u->password));
    }
    arena_release(&u->memory);
    *u = (struct redis_url){0};
}
