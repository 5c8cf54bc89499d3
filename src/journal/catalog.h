/* SPDX-License-Identifier: MIT
 *
 * Storages that keep one stream per study: a catalog of names, and a backend for each stream. A journal file or a Redis prefix is one
 * stream with many studies and has no catalog.
 *
 * All streams of a catalog share its connection; the catalog guards it. Calls are made by any thread. Names and lines are bytes.
 */
#ifndef TL_CATALOG_H
#define TL_CATALOG_H

#include "journal/backend.h"

struct catalog;

/* What the catalog knows of a stream without reading it. Borrowed for the call. */
struct catalog_entry {
    int64_t stream; /* from 1, below 2^21, never reused */
    struct str name; /* empty and `deleted` when its study was deleted */
    bool deleted;
    uint64_t head;    /* operations in it */
    uint64_t summary_seq; /* position that the summary describes; 0: there is none */
    struct str summary;   /* the engine's own bytes */
};

struct catalog_ops {
    size_t size; /* sizeof(struct catalog_ops) */
    const char *name;
    void (*close)(struct catalog *c);
    /* A new stream with that name whose first line is `line`, in one transaction. TL_EEXISTS: the name is in use (but not when the
     * stream that has it begins with this very line: then an earlier try of ours landed). */
    int (*create)(struct catalog *c, struct str name, struct str line, const char *worker, uint64_t n, int64_t *stream,
                  struct tl_err *err);
    /* Appends `line` and frees the name, in one transaction. TL_ENOTFOUND: no such stream, or it was removed already. */
    int (*remove)(struct catalog *c, int64_t stream, struct str line, const char *worker, uint64_t n, struct tl_err *err);
    /* TL_ENOTFOUND: no stream has that name. */
    int (*find)(struct catalog *c, struct str name, int64_t *stream, struct tl_err *err);
    /* All streams by id, or only `stream` when it is not 0. One statement. Non-zero from each ends the walk and is returned. */
    int (*each)(struct catalog *c, int64_t stream, int (*each)(void *ctx, const struct catalog_entry *e), void *ctx,
                struct tl_err *err);
    /* Replaces a stream's summary unless it has a newer one. */
    int (*summarise)(struct catalog *c, int64_t stream, uint64_t seq, struct str summary, struct tl_err *err);
    /* (optional) From now on nothing is waited for for long: a server that is gone must not hold up who closes. */
    void (*closing)(struct catalog *c);
    /* The backend of one stream; closed before the catalog. TL_ENOTFOUND. */
    int (*open)(struct catalog *c, int64_t stream, struct backend **out, struct tl_err *err);
    /* (optional) after fork: abandons the inherited connection */
    void (*forked)(struct catalog *c);
    /* (optional) as in struct backend_ops */
    void (*describe)(struct catalog *c, struct buf *out);
};

struct catalog {
    const struct catalog_ops *ops;
};

/* Opens the catalog that a URL names; TL_OK with `*out` NULL when the URL names a storage of one stream (backend_open). */
int catalog_open(const char *url, const struct tl_storage_options *options, struct catalog **out, struct tl_err *err);

#endif
