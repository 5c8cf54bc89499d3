/* SPDX-License-Identifier: MIT
 *
 * Client libraries of databases, opened when a URL asks for one: `trialog` itself needs libc alone.
 *
 * A driver lists the functions it needs with their types from the library's own headers:
 *
 *     #define API(X) X(PQconnectStartParams) X(PQfinish)
 *     static struct { API(CLIENT_MEMBER) } client_table;
 *     static const struct client_symbol symbols[] = {API(CLIENT_SYMBOL)};
 *     static struct client_library library = {"PostgreSQL", "libpq5", {"libpq.so.5"}, symbols, TL_COUNT(symbols),
 *                                            &client_table};
 *     … rc = client_library_open(&library, err); … client_table.PQfinish(conn);
 *
 * CLIENT_SYMBOL wants the table to have that name. A library stays open until the process ends.
 */
#ifndef TL_CLIENT_LIBRARY_H
#define TL_CLIENT_LIBRARY_H

#include "base/base.h"

#include <stdatomic.h>

struct client_symbol {
    const char *name;
    size_t offset; /* of its pointer in the table */
};
#define CLIENT_MEMBER(name) __typeof__(name) *name;
#define CLIENT_SYMBOL(name) {#name, offsetof(__typeof__(client_table), name)},

struct client_library {
    const char *what;    /* "PostgreSQL": for messages */
    const char *package; /* Debian's name: "libpq5" */
    const char *files[4]; /* tried in order; the rest is NULL */
    const struct client_symbol *symbols;
    size_t n_symbols;
    void *table;
    atomic_bool open; /* private */
};

/* Opens the library and fills in the table, once per process; any thread. TL_EUNSUPPORTED names the package to install. */
int client_library_open(struct client_library *l, struct tl_err *err);

#endif
