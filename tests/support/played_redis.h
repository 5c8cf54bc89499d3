/* SPDX-License-Identifier: MIT
 *
 * A bad network for tests in one process: from the n-th call on, some fail as if the connection was reset; or everything comes in pieces; or
 * one byte that arrives is wrong. os_use(NULL) ends it.
 */
#ifndef TEST_PLAYED_REDIS_H
#define TEST_PLAYED_REDIS_H

#include "base/os.h"

#include <errno.h>

static struct os_table played_table;
static long played_left, played_failures, played_at, played_sends;
static size_t played_piece;
static bool played_did;

static inline bool played_fails(void)
{
    if (played_left > 1) {
        played_left--;
        return false;
    }
    if (played_failures <= 0) {
        return false;
    }
    played_failures--;
    played_did = true;
    return true;
}

static inline int played_connect(const struct os_address *to, int64_t timeout_ms, bool (*cancelled)(void *ctx), void *ctx)
{
    return played_fails() ? -ECONNREFUSED : os_system.connect(to, timeout_ms, cancelled, ctx);
}

/* A send that fails may have sent something: every other one has sent all. */
static inline int64_t played_send(int fd, const void *bytes, size_t n)
{
    static unsigned turn;
    played_sends++;
    if (played_fails()) {
        if (turn++ % 2) {
            (void)os_system.send(fd, bytes, n);
        }
        return -ECONNRESET;
    }
    return os_system.send(fd, bytes, played_piece && n > played_piece ? played_piece : n);
}

static inline int64_t played_recv(int fd, void *bytes, size_t n)
{
    if (played_fails()) {
        return -ECONNRESET;
    }
    int64_t got = os_system.recv(fd, bytes, played_piece && n > played_piece ? played_piece : n);
    if (got > 0 && played_at >= 0) {
        if (played_at < got) {
            ((char *)bytes)[played_at] ^= 0x15;
        }
        played_at -= got;
    }
    return got;
}

static inline int played_poll(int fd, enum os_ready what, int64_t timeout_ms)
{
    return played_fails() ? -EIO : os_system.poll(fd, what, timeout_ms);
}

static inline void played_redis_begin(void)
{
    played_table = os_system;
    played_table.connect = played_connect;
    played_table.send = played_send;
    played_table.recv = played_recv;
    played_table.poll = played_poll;
    played_left = played_failures = 0;
    played_at = -1;
    played_sends = 0;
    played_piece = 0;
    played_did = false;
    os_use(&played_table);
}

/* The n-th call (from 1) and the `times` - 1 behind it fail. */
static inline void played_redis_fail(long n, long times)
{
    played_redis_begin();
    played_left = n;
    played_failures = times;
}

static inline bool played_redis_failed(void)
{
    return played_did;
}

static inline void played_redis_pieces(size_t piece)
{
    played_redis_begin();
    played_piece = piece;
}

/* Byte `at` of all that arrives from now on. */
static inline void played_redis_garble(long at)
{
    played_redis_begin();
    played_at = at;
}

#endif
