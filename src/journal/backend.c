/* SPDX-License-Identifier: MIT
 *
 * Which backend or catalog a URL names.
 *
 * Happy path: "memory://" goes to memory.c, what has no scheme is a path and goes to file.c, a database to its row in the table.
 * Failure: a scheme that is not built in, or unknown, is TL_EUNSUPPORTED with what to do instead; the URL itself is not repeated, it may
 * hold a password. Invariant: outside release builds every backend is wrapped in the contract's assertions (backend_check.c).
 */
#include "journal/backend.h"

#include "base/err.h"
#include "journal/catalog.h"
#include "journal/kinds.h"
#include "journal/sql.h"
#include "journal/url.h"

struct kind {
    const char *scheme; /* up to "://" or, before the name of a driver that we do not have, "+" */
    const char *what;
    const struct sql_driver *sql; /* a catalog */
    int (*open)(const char *url, const struct tl_storage_options *options, struct backend **out, struct tl_err *err); /* one stream */
    const char *headers; /* what it is built with: Debian's package. NULL: not written yet */
};

#ifdef TRIALOG_HAVE_SQLITE
#define SQLITE &sqlite_driver
#else
#define SQLITE NULL
#endif
#ifdef TRIALOG_HAVE_POSTGRES
#define POSTGRES &postgres_driver
#else
#define POSTGRES NULL
#endif
#ifdef TRIALOG_HAVE_MYSQL
#define MYSQL &mysql_driver
#else
#define MYSQL NULL
#endif
#ifdef TRIALOG_HAVE_REDIS
#define REDIS redis_open
#else
#define REDIS NULL
#endif

static const struct kind kinds[] = {
    {"sqlite", "SQLite databases", SQLITE, NULL, "libsqlite3-dev"},
    {"postgresql", "PostgreSQL databases", POSTGRES, NULL, "libpq-dev"},
    {"postgres", "PostgreSQL databases", POSTGRES, NULL, "libpq-dev"},
    {"mysql", "MySQL and MariaDB databases", MYSQL, NULL, "libmariadb-dev"},
    {"mariadb", "MySQL and MariaDB databases", MYSQL, NULL, "libmariadb-dev"},
    {"redis", "Redis servers", NULL, REDIS, "libhiredis-dev"},
    {"rediss", "Redis servers", NULL, REDIS, "libhiredis-dev"},
    {"unix", "Redis servers", NULL, REDIS, "libhiredis-dev"},
    {"grpc", "Trialog servers", NULL, NULL, NULL},
    {"grpcs", "Trialog servers", NULL, NULL, NULL},
    {"http", "Trialog servers", NULL, NULL, NULL},
    {"https", "Trialog servers", NULL, NULL, NULL},
};

static const struct kind *find_kind(struct str scheme)
{
    const char *plus = memchr(scheme.p, '+', scheme.n);
    struct str name = {scheme.p, plus ? (size_t)(plus - scheme.p) : scheme.n};
    for (size_t i = 0; i < TL_COUNT(kinds); i++) {
        if (str_eq(name, str_of(kinds[i].scheme))) {
            return &kinds[i];
        }
    }
    return NULL;
}

static int unsupported(struct str scheme, struct tl_err *err)
{
    const struct kind *k = find_kind(scheme);
    if (k && k->headers) {
        return err_set(err, TL_EUNSUPPORTED, "%s are not built into this Trialog: install %s (that is its name on Debian) and build "
                       "it anew, or give the path of a journal file instead", k->what, k->headers);
    }
    if (k) {
        return err_set(err, TL_EUNSUPPORTED, "%s are not supported yet: give the path of a journal file instead", k->what);
    }
    return err_set(err, TL_EUNSUPPORTED,
                   "'%.*s://' is no kind of storage: give the path of a journal file, memory://, or the URL of a database",
                   (int)(scheme.n < 40 ? scheme.n : 40), scheme.p);
}

int catalog_open(const char *url, const struct tl_storage_options *options, struct catalog **out, struct tl_err *err)
{
#if defined(TRIALOG_HAVE_SQLITE) || defined(TRIALOG_HAVE_POSTGRES) || defined(TRIALOG_HAVE_MYSQL)
    const struct kind *k = url ? find_kind((struct str){url, url_scheme_length(url)}) : NULL;
    if (k && k->sql) {
        return sql_open(k->sql, url, options, out, err);
    }
#else
    (void)url, (void)options, (void)err;
#endif
    *out = NULL;
    return TL_OK;
}

int backend_open(const char *url, const struct tl_storage_options *options, struct backend **out, struct tl_err *err)
{
    static const struct tl_storage_options defaults = TL_STORAGE_OPTIONS_INIT;
    struct backend *b;
    int rc;
    if (!url || !*url) {
        return err_set(err, TL_EINVAL, "no storage given: give the path of a journal file, memory://, or the URL of a database");
    }
    if (!options) {
        options = &defaults;
    }
    struct str scheme = {url, url_scheme_length(url)};
    const struct kind *k = find_kind(scheme);
    if (str_eq(scheme, STR("memory"))) {
        rc = memory_open(url + sizeof "memory://" - 1, options, &b, err);
    } else if (k && k->open) {
        rc = k->open(url, options, &b, err);
    } else if (scheme.n > 0) {
        rc = unsupported(scheme, err);
    } else {
        rc = file_open(url, options, &b, err);
    }
    if (rc != TL_OK) {
        return rc;
    }
#ifndef NDEBUG
    b = backend_checked(b);
    if (!b) {
        return err_nomem(err);
    }
#endif
    *out = b;
    return TL_OK;
}
