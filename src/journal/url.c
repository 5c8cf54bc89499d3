/* SPDX-License-Identifier: MIT
 *
 * Taking URLs of storages apart.
 *
 * Happy path: one copy of the text is cut at its marks, each part is decoded in place (it only gets shorter). Failure: a bad escape, a
 * port that is no number, a bracket that is not closed, too many options: TL_EINVAL, and the message never repeats the URL, which may
 * hold a password. Invariants: all parts point into one block, which is overwritten before it is freed; no part holds a NUL.
 */
#include "journal/url.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

size_t url_scheme_length(const char *text)
{
    size_t n = 0;
    if (!is_letter(text[0])) {
        return 0;
    }
    while ((text[n] >= '0' && text[n] <= '9') || is_letter(text[n]) || text[n] == '+' || text[n] == '-' || text[n] == '.' ||
           text[n] == '_') {
        n++;
    }
    return strncmp(text + n, "://", 3) == 0 ? n : 0;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Decodes in place; `plus`: '+' is a blank, as in forms. */
static int decode(char *text, const char *what, bool plus, struct tl_err *err)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        int high = *p == '%' ? hex(p[1]) : 0, low = *p == '%' && high >= 0 ? hex(p[2]) : 0;
        if (high < 0 || low < 0) {
            return err_set(err, TL_EINVAL, "the %s in the URL of the storage has a '%%' that is not followed by two hex digits (a '%%' "
                           "itself is written %%25)", what);
        }
        if (*p == '%') {
            char c = (char)(high * 16 + low);
            if (c == 0) {
                return err_set(err, TL_EINVAL, "the %s in the URL of the storage holds %%00", what);
            }
            *to++ = c;
            p += 2;
        } else {
            *to++ = plus && *p == '+' ? ' ' : *p;
        }
    }
    *to = 0;
    return json_utf8_valid(str_of(text)) ? TL_OK
                                         : err_set(err, TL_EINVAL, "the %s in the URL of the storage is not valid UTF-8", what);
}

static int read_port(struct url *u, const char *text, struct tl_err *err)
{
    int port = 0;
    for (const char *p = text; *p; p++) {
        port = *p >= '0' && *p <= '9' && port <= 65535 ? port * 10 + (*p - '0') : 65536;
    }
    if (port > 65535 || (*text && port == 0)) {
        return err_set(err, TL_EINVAL, "the port in the URL of the storage is not a number from 1 to 65535");
    }
    u->port = *text ? port : -1;
    return TL_OK;
}

/* [user[:password]@]host[:port]; `text` ends there. */
static int read_authority(struct url *u, char *text, struct tl_err *err)
{
    char *at = strrchr(text, '@'), *host = at ? at + 1 : text, *end;
    int rc = TL_OK;
    if (at) {
        *at = 0;
        char *colon = strchr(text, ':');
        if (colon) {
            *colon = 0;
            u->password = colon + 1;
            rc = decode(colon + 1, "password", false, err);
        }
        u->user = text;
        rc = rc == TL_OK ? decode(text, "user name", false, err) : rc;
    }
    if (rc != TL_OK) {
        return rc;
    }
    if (*host == '[' && !strchr(host, ',')) {
        end = strchr(host, ']');
        if (!end || (end[1] && end[1] != ':')) {
            return err_set(err, TL_EINVAL, "the URL of the storage has an IPv6 address without its ']'");
        }
        *end++ = 0;
        host++;
    } else {
        end = strchr(host, ','); /* several hosts have their own ports: the driver's business */
        end = end ? host + strlen(host) : strchr(host, ':');
        end = end ? end : host + strlen(host);
    }
    if (*end == ':') {
        *end = 0;
        rc = read_port(u, end + 1, err);
    }
    u->host = *host ? host : NULL;
    return rc == TL_OK ? decode(host, "host", false, err) : rc;
}

static int read_options(struct url *u, char *text, struct tl_err *err)
{
    int rc = TL_OK;
    while (text && rc == TL_OK) {
        char *next = strchr(text, '&');
        if (next) {
            *next++ = 0;
        }
        if (*text && u->n_options == URL_OPTIONS_MAX) {
            return err_set(err, TL_EINVAL, "the URL of the storage has more than %d options", URL_OPTIONS_MAX);
        }
        if (*text) {
            char *equals = strchr(text, '=');
            if (equals) {
                *equals = 0;
            }
            char *value = equals ? equals + 1 : text + strlen(text);
            rc = decode(text, "name of an option", true, err);
            rc = rc == TL_OK ? decode(value, "value of an option", true, err) : rc;
            u->options[u->n_options++] = (struct url_option){text, value, false};
        }
        text = next;
    }
    return rc;
}

int url_parse(const char *text, struct url *out, struct tl_err *err)
{
    struct url u = {.port = -1};
    size_t n_scheme = url_scheme_length(text), n = strlen(text);
    *out = u;
    if (n_scheme == 0) {
        return err_set(err, TL_EINVAL, "a URL of a storage begins with a name and ://");
    }
    char *copy = mem_dup(text, n);
    if (!copy) {
        return err_nomem(err);
    }
    u.memory = copy;
    u.n_memory = n;
    copy[n_scheme] = 0;
    for (char *p = copy; *p; p++) {
        *p = is_letter(*p) ? (char)(*p | 0x20) : *p;
    }
    char *plus = strchr(copy, '+');
    if (plus) {
        *plus = 0;
    }
    u.scheme = copy;
    u.driver = plus ? plus + 1 : copy + n_scheme;
    char *rest = copy + n_scheme + 3, *fragment = strchr(rest, '#'), *query;
    if (fragment) {
        *fragment = 0;
    }
    query = strchr(rest, '?');
    if (query) {
        *query++ = 0;
    }
    char *slash = strchr(rest, '/');
    if (slash) {
        *slash = 0;
        u.path = slash + 1;
    }
    int rc = read_authority(&u, rest, err);
    if (rc == TL_OK && slash) {
        rc = decode(slash + 1, "path", false, err);
    }
    if (rc == TL_OK) {
        rc = read_options(&u, query, err);
    }
    if (rc != TL_OK) {
        url_release(&u);
        return rc;
    }
    *out = u;
    return TL_OK;
}

void url_release(struct url *u)
{
    if (u->memory) {
        volatile char *p = u->memory; /* so that it is not left out */
        for (size_t i = 0; i < u->n_memory; i++) {
            p[i] = 0;
        }
        mem_free(u->memory);
    }
    *u = (struct url){.port = -1};
}

const char *url_option(struct url *u, const char *key)
{
    const char *value = NULL;
    for (size_t i = 0; i < u->n_options; i++) {
        if (strcmp(u->options[i].key, key) == 0) {
            u->options[i].used = true;
            value = u->options[i].value;
        }
    }
    return value;
}

const char *url_unknown(const struct url *u)
{
    for (size_t i = 0; i < u->n_options; i++) {
        if (!u->options[i].used) {
            return u->options[i].key;
        }
    }
    return NULL;
}

void url_show(const struct url *u, struct buf *out)
{
    bool six = u->host && strchr(u->host, ':') && !strchr(u->host, ',');
    buf_add_text(out, u->scheme);
    buf_add_text(out, "://");
    if (u->user || u->password) {
        buf_add_text(out, u->user ? u->user : "");
        buf_add_text(out, u->password ? ":***@" : "@");
    }
    buf_add_text(out, six ? "[" : "");
    buf_add_text(out, u->host ? u->host : "");
    buf_add_text(out, six ? "]" : "");
    if (u->port >= 0) {
        buf_printf(out, ":%d", u->port);
    }
    if (u->path) {
        buf_add_char(out, '/');
        buf_add_text(out, u->path);
    }
}

void url_show_text(const char *text, struct buf *out)
{
    struct url u;
    size_t n = url_scheme_length(text);
    if (n == 0) {
        buf_add_text(out, text);
    } else if (url_parse(text, &u, NULL) == TL_OK) {
        url_show(&u, out);
        url_release(&u);
    } else {
        buf_add(out, text, n);
        buf_add_text(out, "://***");
    }
}
