/* SPDX-License-Identifier: MIT
 *
 * What the files of the PostgreSQL driver share: postgres.c runs batches, postgres_connect.c makes the connection for them,
 * postgres_failure.c says what a failure means to both. Nothing of libpq is included here: whoever calls it has a table of its own
 * (client_library.h).
 */
#ifndef TL_POSTGRES_H
#define TL_POSTGRES_H

#include "base/os.h"
#include "journal/sql.h"

#define POSTGRES_LIBRARY "PostgreSQL", "libpq5", {"libpq.so.5", NULL, NULL, NULL} /* the head of a struct client_library */
#define POSTGRES_SLICE_MS 50                                                      /* of waiting, between two looks at who cancels */

static inline bool postgres_late(int64_t deadline_ns)
{
    return deadline_ns != INT64_MAX && os->monotonic_ns() >= deadline_ns;
}

/* ---- postgres_failure.c ---- */

/* What follows from a SQLSTATE (any text; "" for an unknown one), and the code for callers. */
enum sql_end postgres_end(const char *state, int *code);
/* The SQLSTATE in a message of libpq's verbose form; "" for none. */
void postgres_find_state(const char *text, char out[6]);
/* A message in one line, from what libpq prints. */
void postgres_set_error(struct tl_err *err, int code, const char *text);

/* ---- postgres_connect.c ---- */

struct pg_conn; /* libpq's PGconn */
/* Connects and goes into pipeline mode; nothing was sent yet. With an option in the URL that nobody knows the server is not asked, and
 * `*out` stays as it is: sql.c refuses such a URL. */
enum sql_end postgres_open(struct url *url, const struct tl_storage_options *options, int64_t deadline_ns, struct pg_conn **out,
                           struct tl_err *err);

#endif
