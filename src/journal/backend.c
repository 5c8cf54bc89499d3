/* SPDX-License-Identifier: MIT
 *
 * Which backend a URL names.
 *
 * Happy path: "memory://" goes to memory.c, what has no scheme is a path and goes to file.c. Failure: a scheme that is known but not
 * built yet, or unknown, is TL_EUNSUPPORTED with what to do instead; the URL itself is not repeated, it may hold a password.
 * Invariant: outside release builds every backend is wrapped in the contract's assertions (backend_check.c).
 */
#include "journal/backend.h"

#include "base/err.h"
#include "journal/kinds.h"

struct scheme {
    const char *name; /* up to "://" or, for SQL drivers, "+" */
    const char *what;
};

static const struct scheme later[] = {
    {"sqlite", "SQLite databases"}, {"postgresql", "PostgreSQL databases"}, {"postgres", "PostgreSQL databases"},
    {"mysql", "MySQL databases"},   {"mariadb", "MariaDB databases"},       {"redis", "Redis servers"},
    {"rediss", "Redis servers"},    {"grpc", "Trialog servers"},            {"grpcs", "Trialog servers"},
    {"http", "Trialog servers"},    {"https", "Trialog servers"},
};

/* Length of "scheme" in "scheme://…", 0 when the text is a path. */
static size_t scheme_length(const char *url)
{
    size_t n = 0;
    if ((url[0] | 0x20) < 'a' || (url[0] | 0x20) > 'z') {
        return 0;
    }
    while ((url[n] >= '0' && url[n] <= '9') || ((url[n] | 0x20) >= 'a' && (url[n] | 0x20) <= 'z') || url[n] == '+' ||
           url[n] == '-' || url[n] == '.') {
        n++;
    }
    return strncmp(url + n, "://", 3) == 0 ? n : 0;
}

static int unsupported(struct str scheme, struct tl_err *err)
{
    const char *plus = memchr(scheme.p, '+', scheme.n);
    struct str name = {scheme.p, plus ? (size_t)(plus - scheme.p) : scheme.n};
    for (size_t i = 0; i < TL_COUNT(later); i++) {
        if (str_eq(name, str_of(later[i].name))) {
            return err_set(err, TL_EUNSUPPORTED, "%s are not supported yet: give the path of a journal file instead",
                           later[i].what);
        }
    }
    return err_set(err, TL_EUNSUPPORTED,
                   "'%.*s://' is no kind of storage: give the path of a journal file, or memory://", (int)(scheme.n < 40 ? scheme.n : 40),
                   scheme.p);
}

int backend_open(const char *url, const struct tl_storage_options *options, struct backend **out, struct tl_err *err)
{
    static const struct tl_storage_options defaults = TL_STORAGE_OPTIONS_INIT;
    struct backend *b;
    int rc;
    if (!url || !*url) {
        return err_set(err, TL_EINVAL, "no storage given: give the path of a journal file, or memory://");
    }
    if (!options) {
        options = &defaults;
    }
    struct str scheme = {url, scheme_length(url)};
    if (str_eq(scheme, STR("memory"))) {
        rc = memory_open(url + sizeof "memory://" - 1, options, &b, err);
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
