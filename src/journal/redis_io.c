/* SPDX-License-Identifier: MIT
 *
 * Bytes to and from a Redis server, with TLS or without, every wait with a limit.
 *
 * Happy path: one send, one poll, one recv for a request and its reply. Failure: TL_ENET with what the system said; after any failure
 * the connection is of no use and is to be closed. A connection that was refused, timed out or was cut may work a moment later; a
 * host that does not exist or a certificate that does not fit will not. Invariant: nothing is said to the server when closing, so that a
 * forked child can drop what it inherited.
 */
#include "journal/redis.h"

#include "base/err.h"

#include <errno.h>

#define PIECE 16384
#define SLICE_MS 50 /* how often waiting may be cancelled */

static int64_t left_ms(int64_t deadline_ns)
{
    int64_t left = deadline_ns - os->monotonic_ns();
    return left <= 0 ? 0 : (left + MS - 1) / MS;
}

static int wait_for(const struct redis_io *io, enum os_ready what, const struct redis_limit *limit, struct tl_err *err)
{
    for (;;) {
        int64_t left = left_ms(limit->deadline_ns);
        int rc = left > 0 ? os->poll(io->fd, what, left < SLICE_MS ? left : SLICE_MS) : 0;
        if (rc < 0) {
            return err_set(err, TL_ENET, "cannot wait for the Redis server (errno %d)", -rc);
        }
        if (rc > 0) {
            return TL_OK;
        }
        if (left <= SLICE_MS) {
            return err_set(err, TL_ENET, "the Redis server does not answer");
        }
        if (limit->cancelled(limit->ctx)) {
            return err_set(err, TL_ECANCELLED, "cancelled while waiting for the Redis server");
        }
    }
}

static int broken(struct tl_err *err, int sys)
{
    err_sys(err, sys, "the connection to the Redis server broke");
    if (err) {
        err->code = TL_ENET;
    }
    return TL_ENET;
}

static int send_raw(struct redis_io *io, const char *bytes, size_t n, const struct redis_limit *limit, struct tl_err *err)
{
    while (n > 0) {
        int64_t put = os->send(io->fd, bytes, n);
        if (put == -EAGAIN) {
            int rc = wait_for(io, OS_WRITABLE, limit, err);
            if (rc != TL_OK) {
                return rc;
            }
        } else if (put < 0) {
            return broken(err, (int)-put);
        } else {
            bytes += put;
            n -= (size_t)put;
        }
    }
    return TL_OK;
}

static int recv_raw(struct redis_io *io, char *bytes, size_t n, const struct redis_limit *limit, size_t *got, struct tl_err *err)
{
    for (;;) {
        int64_t came = os->recv(io->fd, bytes, n);
        if (came > 0) {
            *got = (size_t)came;
            return TL_OK;
        }
        if (came == 0) {
            return err_set(err, TL_ENET, "the Redis server closed the connection");
        }
        if (came != -EAGAIN) {
            return broken(err, (int)-came);
        }
        int rc = wait_for(io, OS_READABLE, limit, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
}

/* ---- TLS: its bytes pass through memory ---- */

static int flush_tls(struct redis_io *io, const struct redis_limit *limit, struct tl_err *err)
{
    char piece[PIECE];
    size_t n;
    while ((n = redis_tls_pending(io->tls, piece, sizeof piece)) > 0) {
        int rc = send_raw(io, piece, n, limit, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
    return TL_OK;
}

/* Does what a step asked for. */
static int follow(struct redis_io *io, enum redis_tls_step step, const struct redis_limit *limit, struct tl_err *err)
{
    char piece[PIECE];
    size_t n = 0;
    int rc = flush_tls(io, limit, step == TLS_FAILED ? NULL : err); /* an alert should arrive if it can */
    if (step == TLS_FAILED) {
        return err && err->code ? err->code : TL_ENET;
    }
    if (rc != TL_OK || step != TLS_MORE) {
        return rc;
    }
    rc = recv_raw(io, piece, sizeof piece, limit, &n, err);
    return rc == TL_OK && !redis_tls_feed(io->tls, piece, n) ? err_nomem(err) : rc;
}

static int shake_hands(struct redis_io *io, const struct redis_limit *limit, struct tl_err *err)
{
    for (;;) {
        enum redis_tls_step step = redis_tls_handshake(io->tls, err);
        int rc = follow(io, step, limit, err);
        if (rc != TL_OK || step == TLS_DONE) {
            return rc;
        }
    }
}

/* A server that wants another certificate says so after the handshake and hangs up: what it said may lie there still when sending fails. */
static int refused_before(struct redis_io *io, int rc, struct tl_err *err)
{
    char piece[PIECE];
    struct tl_err why = TL_ERR_INIT;
    size_t got = 0;
    int64_t came = os->recv(io->fd, piece, sizeof piece);
    if (came <= 0 || !redis_tls_feed(io->tls, piece, (size_t)came) ||
        redis_tls_read(io->tls, piece, sizeof piece, &got, &why) != TLS_FAILED || why.code != TL_EACCESS) {
        return rc;
    }
    return err_set(err, why.code, "%s", why.message);
}

static int send_tls(struct redis_io *io, const char *bytes, size_t n, const struct redis_limit *limit, struct tl_err *err)
{
    while (n > 0) {
        size_t taken = 0;
        enum redis_tls_step step = redis_tls_write(io->tls, bytes, n, &taken, err);
        int rc = follow(io, step, limit, err);
        if (rc != TL_OK) {
            return rc == TL_ENET && step != TLS_FAILED ? refused_before(io, rc, err) : rc;
        }
        bytes += taken;
        n -= taken;
    }
    return TL_OK;
}

static int recv_tls(struct redis_io *io, char *bytes, size_t n, const struct redis_limit *limit, size_t *got, struct tl_err *err)
{
    for (;;) {
        enum redis_tls_step step = redis_tls_read(io->tls, bytes, n, got, err);
        if (step == TLS_DONE) {
            return *got > 0 ? TL_OK : err_set(err, TL_ENET, "the Redis server closed the connection");
        }
        int rc = follow(io, step, limit, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
}

/* ---- for the link ---- */

int redis_io_send(struct redis_io *io, const char *bytes, size_t n, const struct redis_limit *limit, struct tl_err *err)
{
    return io->tls ? send_tls(io, bytes, n, limit, err) : send_raw(io, bytes, n, limit, err);
}

int redis_io_recv(struct redis_io *io, char *bytes, size_t n, const struct redis_limit *limit, size_t *got, struct tl_err *err)
{
    return io->tls ? recv_tls(io, bytes, n, limit, got, err) : recv_raw(io, bytes, n, limit, got, err);
}

int redis_io_open(struct redis_io *io, const struct redis_url *u, const struct os_address *to, const struct redis_limit *limit, bool *again,
                  struct tl_err *err)
{
    int rc = TL_OK;
    *io = (struct redis_io){-1, NULL};
    *again = false;
    struct redis_limit sooner = *limit;
    int64_t most = os->monotonic_ns() + u->connect_ms * MS;
    sooner.deadline_ns = most < limit->deadline_ns ? most : limit->deadline_ns;
    int fd = os->connect(to, left_ms(sooner.deadline_ns), limit->cancelled, limit->ctx);
    if (fd == -ECANCELED) {
        return err_set(err, TL_ECANCELLED, "cancelled while connecting to the Redis server at %s", u->where);
    }
    if (fd < 0) {
        *again = fd != -ENXIO && fd != -EACCES && fd != -EPERM && fd != -ENAMETOOLONG;
        if (fd == -ENXIO && !to->path) {
            err_set(err, TL_ENET, "there is no host '%s' to find a Redis server on", to->host);
        } else {
            err_sys(err, -fd, "cannot connect to the Redis server at %s", u->where);
        }
        rc = fd == -ENOMEM ? TL_ENOMEM : TL_ENET;
        if (err) {
            err->code = rc;
        }
        return rc;
    }
    io->fd = fd;
    if (u->tls) {
        io->tls = redis_tls_new(u, err);
        rc = io->tls ? shake_hands(io, &sooner, err) : err ? err->code : TL_ENET;
    }
    if (rc != TL_OK) {
        redis_io_close(io);
        err_wrap(err, rc, "Redis server at %s", u->where);
    }
    return rc;
}

void redis_io_close(struct redis_io *io)
{
    redis_tls_free(io->tls);
    if (io->fd >= 0) {
        (void)os->close(io->fd);
    }
    *io = (struct redis_io){-1, NULL};
}
