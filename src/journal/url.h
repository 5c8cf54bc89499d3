/* SPDX-License-Identifier: MIT
 *
 * URLs of storages: scheme[+driver]://[user[:password]@][host][:port][/path][?key=value&…].
 *
 * Parts are percent-decoded and NUL-terminated; "%00" is refused, so they hold no NUL. A password is never printed: messages use
 * url_show. Paths are not touched: what a path means (a file, the name of a database, a number) the driver knows.
 */
#ifndef TL_URL_H
#define TL_URL_H

#include "base/base.h"
#include "base/buf.h"

#define URL_OPTIONS_MAX 32

struct url_option {
    const char *key, *value; /* "" for one without '=' */
    bool used; /* a driver marks those that it knows (url_option does): url_unknown finds the others */
};
struct url {
    const char *scheme; /* lower case: "postgresql" */
    const char *driver; /* what stands behind '+', "" for none: Optuna's users write postgresql+psycopg2 */
    const char *user, *password; /* NULL: none. "" is an empty one */
    const char *host; /* NULL: none; without the brackets of an IPv6 address. May be a list "a:1,b:2": then port is -1 */
    int port;         /* -1: none */
    const char *path; /* behind the slash that ends host and port; sqlite:///a.db: "a.db"; sqlite:////a.db: "/a.db". NULL: no slash */
    struct url_option options[URL_OPTIONS_MAX];
    size_t n_options;
    char *memory; /* private */
    size_t n_memory;
};

/* Length of "scheme" or "scheme+driver" in "scheme://…"; 0 when the text is a path. */
size_t url_scheme_length(const char *text);
/* `out` is to be released, which overwrites the password. TL_EINVAL says what is wrong without repeating the URL. */
int url_parse(const char *text, struct url *out, struct tl_err *err);
void url_release(struct url *u); /* fine after a failed parse, and twice */
/* The last value given for `key` ("timeout"), NULL for none. Marks all of that key as used. */
const char *url_option(struct url *u, const char *key);
/* The first option that nobody asked for, NULL for none: a driver refuses it, because a mistyped option must not pass. */
const char *url_unknown(const struct url *u);
/* The URL for people: scheme, user, host, port and path as given, "***" for a password, and no options. */
void url_show(const struct url *u, struct buf *out);
/* The same of a text that need not be a valid URL; a path comes out as it is. */
void url_show_text(const char *text, struct buf *out);

#endif
