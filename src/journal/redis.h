/* SPDX-License-Identifier: MIT
 *
 * What the files of the Redis backend share: the URL's contents, replies, one connection, the link that keeps one alive, and the handle.
 *
 * Layers, each knowing those before it only: redis_url.c, redis_io.c (bytes, TLS), redis_reply.c (hiredis' reader and formatter),
 * redis_link.c (one connection for all threads of a handle, scripts, retries), redis.c (lines), redis_snapshot.c, redis_lease.c.
 *
 * Keys, PREFIX being the user's (Optuna's default is the empty one):
 *   PREFIX:log_number, PREFIX:log:N      Optuna's own: number of the last line, and the lines from 0
 *   PREFIX:trialog:writer:WORKER         highest operation number of a worker, for exactly once
 *   PREFIX:trialog:lease:WORKER, PREFIX:trialog:leases, PREFIX:trialog:looks
 *   PREFIX:trialog:snapshot, PREFIX:trialog:snapshot:GENERATION:PART
 */
#ifndef TL_REDIS_H
#define TL_REDIS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/guard.h"
#include "base/mem.h"
#include "base/os.h"
#include "journal/backend.h"

#include <trialog/storage.h>

#define MS INT64_C(1000000)

/* ---- redis_url.c ---- */

enum redis_verify { REDIS_VERIFY_FULL, REDIS_VERIFY_NO_NAME, REDIS_VERIFY_NONE };
struct redis_url {
    struct arena memory;
    struct os_address address;
    const char *user, *password; /* NULL: none */
    int64_t db;
    const char *prefix;
    bool tls;
    enum redis_verify verify;
    const char *ca_file, *cert_file, *key_file; /* NULL: the system's, none */
    int64_t connect_ms, reply_ms; /* for one try */
    int64_t hole_ms; /* age at which a line that was counted but never came is given up */
    char where[300]; /* for messages: never holds a password */
};
/* `out` is to be released in any case. */
int redis_url_parse(const char *text, struct redis_url *out, struct tl_err *err);
void redis_url_release(struct redis_url *u);

/* ---- redis_io.c ---- */

/* What ends a wait besides what it waits for. */
struct redis_limit {
    int64_t deadline_ns;
    bool (*cancelled)(void *ctx); /* asked every 50 ms */
    void *ctx;
};
struct redis_tls;
struct redis_io {
    int fd; /* -1: none */
    struct redis_tls *tls;
};
/* Connects; with TLS, also shakes hands and looks at the certificate. `*again`: the same may succeed soon. */
int redis_io_open(struct redis_io *io, const struct redis_url *u, const struct os_address *to, const struct redis_limit *limit, bool *again,
                  struct tl_err *err);
void redis_io_close(struct redis_io *io); /* without a word to the server: also for a child that inherited it */
int redis_io_send(struct redis_io *io, const char *bytes, size_t n, const struct redis_limit *limit, struct tl_err *err);
/* At least one byte. */
int redis_io_recv(struct redis_io *io, char *bytes, size_t n, const struct redis_limit *limit, size_t *got, struct tl_err *err);

/* redis_tls.c, used by redis_io.c alone. Bytes go through memory: it never touches the socket. */
struct redis_tls *redis_tls_new(const struct redis_url *u, struct tl_err *err);
void redis_tls_free(struct redis_tls *t);
/* What to do next. DONE: the step is over. FLUSH: send what pending gives, then call again. MORE: feed what arrives, then call again. */
enum redis_tls_step { TLS_DONE, TLS_FLUSH, TLS_MORE, TLS_FAILED };
enum redis_tls_step redis_tls_handshake(struct redis_tls *t, struct tl_err *err);
enum redis_tls_step redis_tls_write(struct redis_tls *t, const char *bytes, size_t n, size_t *taken, struct tl_err *err);
enum redis_tls_step redis_tls_read(struct redis_tls *t, char *bytes, size_t n, size_t *got, struct tl_err *err); /* DONE with 0: the end */
size_t redis_tls_pending(struct redis_tls *t, char *out, size_t n);
bool redis_tls_feed(struct redis_tls *t, const char *bytes, size_t n);

/* ---- redis_reply.c ---- */

enum reply_type { REPLY_NIL, REPLY_TEXT, REPLY_STATUS, REPLY_ERROR, REPLY_NUMBER, REPLY_LIST };
struct reply {
    enum reply_type type;
    struct str text;
    int64_t number;
    struct reply **item;
    size_t n;
};
struct reply_reader;
int reply_reader_new(struct reply_reader **out, struct tl_err *err); /* TL_EUNSUPPORTED: no hiredis */
void reply_reader_free(struct reply_reader *r);
/* Replies are made in this memory from now on. */
void reply_reader_use(struct reply_reader *r, struct arena *memory);
/* Takes bytes in; `*out` NULL: the reply is not whole yet. TL_EIO: these are no replies. */
int reply_feed(struct reply_reader *r, const char *bytes, size_t n, struct reply **out, struct tl_err *err);
/* Appends a request to `out`. */
int reply_request(struct buf *out, const struct str *words, size_t n, struct tl_err *err);
/* Reading a list: NULL or false when the item is of another type. */
bool reply_number(const struct reply *list, size_t i, int64_t *out);
const struct str *reply_text(const struct reply *list, size_t i);

/* ---- redis_script.c ---- */

enum redis_script { SCRIPT_READ, SCRIPT_APPEND, SCRIPT_YIELD, SCRIPT_FILL, SCRIPT_SNAPSHOT, SCRIPT_TAKE, SCRIPT_RENEW, SCRIPT_NOW,
                    SCRIPT_LOOK, SCRIPT_DROP, SCRIPT_EACH, N_SCRIPTS, SCRIPT_NONE = -1 };
extern const char *const redis_scripts[N_SCRIPTS];
/* What the first number of READ's and APPEND's replies says; the head follows. */
enum redis_status { STATUS_OK, STATUS_REWOUND, STATUS_CONFLICT, STATUS_ALREADY, STATUS_COUNTER_LOST, STATUS_NO_COUNTER, STATUS_BUSY };
#define REDIS_EDGE 256 /* bytes at either end of a long line that stand for it */

/* ---- redis_link.c ---- */

#define SHA_MAX 41
struct redis_link {
    struct guard guard; /* a leaf: held while one request and its reply travel, never in callbacks */
    struct redis_url url;
    const struct tl_log_sink *log;
    struct redis_io io;
    struct reply_reader *reader;
    struct buf request;
    char host[256]; /* where a cluster sent us; empty: as the URL says */
    uint16_t port;
    char sha[N_SCRIPTS][SHA_MAX];
    bool connected, was_connected;
    bool (*cancelled)(void *ctx); /* the user's; NULL: never */
    void *cancelled_ctx;
    atomic_int_fast64_t closing_ns; /* since when the handle is being closed; 0: it is not */
    atomic_uint chance; /* for jitter */
};
struct redis_call {
    enum redis_script script; /* SCRIPT_NONE: `words` are a plain command */
    const struct str *words;  /* arguments of the script */
    size_t n;
    int64_t deadline_ns;
    struct arena *memory; /* the reply lies here */
    /* result: the server may have got the request although the call failed, now or later */
    bool maybe;
};
int link_init(struct redis_link *l, struct tl_err *err); /* after a fork, too: what was inherited must be closed before */
void link_release(struct redis_link *l);
void link_drop(struct redis_link *l); /* closes the connection */
/* Sends, and again while that may help, until the deadline, or until the user cancels it: repeating any of our requests is harmless. When
 * the handle is being closed, some seconds in all are the limit, then a moment for each. */
int link_call(struct redis_link *l, struct redis_call *c, struct reply **out, struct tl_err *err);
/* Longer and longer pauses with jitter; false when the deadline is too near. */
bool link_pause(struct redis_link *l, int tries, int64_t deadline_ns);
int64_t redis_deadline(int64_t timeout_ms);

/* ---- redis.c ---- */

/* A place in the log. */
struct redis_position {
    uint64_t seq;   /* lines before it */
    uint64_t bytes; /* the same as bytes of a journal file */
    uint64_t length;               /* of the line before it */
    char edge[2 * REDIS_EDGE];     /* that line when it is short, else its two ends */
    size_t n_edge;
    uint32_t crc;                  /* of that line */
    uint64_t first_length;         /* of line 0 */
    uint32_t first_crc;
};
struct redis {
    struct backend base;
    struct redis_link link;
    const struct tl_log_sink *log;
    int64_t timeout_ms;
    bool read_only, evicts;
    struct guard guard; /* position, turn, hole, out, news, memory */
    struct redis_position at;
    struct buf out, news;
    struct arena memory;
    uint64_t hole_seq; /* a line that was counted and is missing */
    int64_t hole_since_ns;
    uint64_t hole_head; /* head when it was first seen */
    bool hole_known;
    bool has_turn; /* others wait with what they write until we have, or until it expires */
    pthread_mutex_t lease_mutex; /* what follows */
    int64_t looks;
    bool composing;       /* a thread composes an append: what it asks of leases is part of that, and has its deadline */
    pthread_t composer;
    int64_t compose_until_ns;
    char lease_worker[64]; /* whose lease appends renew; empty: none */
    struct buf description;
};
static inline struct redis *redis_of(struct backend *b)
{
    return (struct redis *)(void *)b;
}
/* Moves a position behind a line. */
void redis_pass(struct redis_position *at, struct str line);
struct str redis_number(char out[24], uint64_t n);
/* redis_probe.c: what the server is, for redis_describe; warns of settings that lose data. */
int redis_probe(struct redis *r, struct tl_err *err);

int redis_mark(struct backend *b, struct backend_mark *out);
int redis_snapshot_load(struct backend *b, int (*parse)(void *ctx, struct image_source *from, struct tl_err *err), void *ctx,
                        bool *loaded, struct tl_err *err);
int redis_snapshot_save(struct backend *b, const struct backend_mark *at,
                        int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx, struct tl_err *err);
extern const struct lease_ops redis_leases;

#endif
