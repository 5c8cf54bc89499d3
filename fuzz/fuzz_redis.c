/* SPDX-License-Identifier: MIT
 *
 * A Redis server that answers anything: the input is all that it ever sends, over as many connections as are made, in pieces whose sizes
 * the first byte chooses. Opening, reading, appending, leases and snapshots end in a code, whole lines are delivered, and time passes only
 * where the backend waits.
 */
#include "base/os.h"
#include "fuzz.h"
#include "journal/kinds.h"

#include <errno.h>
#include <trialog/storage.h>

#define ENDLESS (3600 * INT64_C(1000000000))

static struct os_table played;
static const char *sent;
static size_t left, piece, requests;
static int64_t now_ns;

static int play_connect(const struct os_address *to, int64_t timeout_ms, bool (*cancelled)(void *ctx), void *ctx)
{
    (void)to;
    (void)timeout_ms;
    (void)cancelled;
    (void)ctx;
    now_ns += 1000000;
    return left > 0 ? 1000 : -ECONNREFUSED;
}

static int play_close(int fd)
{
    (void)fd;
    return 0;
}

static int64_t play_send(int fd, const void *bytes, size_t n)
{
    (void)fd;
    (void)bytes;
    requests++;
    return (int64_t)n;
}

static int64_t play_recv(int fd, void *bytes, size_t n)
{
    (void)fd;
    now_ns += 1000;
    n = n < piece ? n : piece;
    n = n < left ? n : left;
    memcpy(bytes, sent, n);
    sent += n;
    left -= n;
    return (int64_t)n;
}

static int64_t play_monotonic(void)
{
    return now_ns;
}

static void play_sleep(int64_t ns)
{
    now_ns += ns > 0 ? ns : 1;
}

static int play_random(void *bytes, size_t n)
{
    memset(bytes, 7, n);
    return 0;
}

static int take_lines(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    FUZZ_CHECK(n > 0 && bytes[n - 1] == '\n' && offset >= 0);
    return TL_OK;
}

static int take_rewind(void *ctx, const char *why, struct tl_err *err)
{
    (void)err;
    FUZZ_CHECK(why);
    return ++*(int *)ctx < 20 ? TL_OK : TL_EIO; /* a server may say so for ever, but time passes */
}

static int take_image(void *ctx, struct image_source *from, struct tl_err *err)
{
    char bytes[256];
    (void)ctx;
    while (from->left > 0) {
        size_t n = from->left < sizeof bytes ? (size_t)from->left : sizeof bytes;
        int rc = from->read(from, bytes, n, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
    return TL_OK;
}

static struct append *composing;

static int compose(void *ctx, struct buf *out, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    buf_add_text(out, "{\"op_code\":1}\n{\"op_code\":2}\n");
    composing->worker = "w";
    composing->first_n = 1;
    composing->n_ops = 2;
    return TL_OK;
}

static int take_worker(void *ctx, const char *worker)
{
    (void)ctx;
    return worker ? 0 : 1;
}

static void use(struct backend *b)
{
    int rewinds = 0;
    struct deliver d = {.ctx = &rewinds, .lines = take_lines, .rewind = take_rewind};
    struct append a = {.deliver = d, .compose = compose, .timeout_ms = 500};
    struct lease lease = {1000, 1, false};
    struct lease_seen seen;
    int64_t now = 0;
    bool loaded = false;
    (void)b->ops->snapshot_load(b, take_image, NULL, &loaded, NULL);
    (void)b->ops->read(b, &d, NULL);
    composing = &a;
    int rc = b->ops->append(b, &a, NULL);
    FUZZ_CHECK((rc == TL_OK) == (a.outcome == OUTCOME_DONE));
    FUZZ_CHECK(rc == TL_EUNKNOWN || a.outcome != OUTCOME_UNKNOWN);
    (void)b->ops->leases->take(b, "w", &lease, NULL);
    (void)b->ops->leases->now(b, LEASE_CLOCK_LOOK, &now, NULL);
    if (b->ops->leases->look(b, "w", now, true, &seen, NULL) == TL_OK) {
        FUZZ_CHECK(seen.state == LEASE_NONE || seen.lease.length_ms > 0);
    }
    (void)b->ops->leases->each(b, take_worker, NULL, NULL);
    (void)b->ops->wait(b, 100, NULL);
    (void)b->ops->read(b, &d, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tl_storage_options defaults = TL_STORAGE_OPTIONS_INIT;
    struct tl_storage_options o = defaults;
    struct backend *b;
    if (size == 0) {
        return 0;
    }
    piece = data[0] ? data[0] : 100000;
    sent = (const char *)data + 1;
    left = size - 1;
    now_ns = 1;
    played = os_system;
    played.connect = play_connect;
    played.close = play_close;
    played.send = play_send;
    played.recv = play_recv;
    played.monotonic_ns = play_monotonic;
    played.sleep_ns = play_sleep;
    played.random = play_random;
    os_use(&played);
    o.timeout_ms = 2000;
    if (redis_open("redis://:secret@host/1?prefix=p&hole_timeout=0.5", &o, &b, NULL) == TL_OK) {
        use(b);
        b->ops->close(b);
    }
    FUZZ_CHECK(now_ns < ENDLESS);
    os_use(NULL);
    return 0;
}
