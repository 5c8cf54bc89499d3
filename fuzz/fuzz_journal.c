/* SPDX-License-Identifier: MIT
 *
 * Whole journals: any bytes, replayed in one go and with an image in the middle, must give the same state, and every state must be
 * readable through views. The first byte says after which part of the lines the image is taken.
 */
#include <stdlib.h>

#include "model/image.h"
#include "state_text.h"

struct memory {
    struct image_source source;
    struct image_sink sink;
    struct buf bytes;
    size_t at;
};

static int memory_write(struct image_sink *sink, const void *bytes, size_t n, struct tl_err *err)
{
    struct memory *m = (struct memory *)((char *)sink - offsetof(struct memory, sink));
    (void)err;
    buf_add(&m->bytes, bytes, n);
    return m->bytes.failed;
}

static int memory_read(struct image_source *source, void *out, size_t n, struct tl_err *err)
{
    struct memory *m = (struct memory *)source;
    (void)err;
    if (n > source->left) {
        abort();
    }
    if (n) {
        memcpy(out, m->bytes.data + m->at, n);
    }
    m->at += n;
    source->left -= n;
    return TL_OK;
}

/* The state, by way of an image. */
static struct state *through_image(struct state *s)
{
    struct image im = {0};
    struct memory m = {.source = {memory_read, 0}, .sink = {memory_write}, .bytes = BUF_INIT(1u << 30)};
    struct state *copy;
    if (image_prepare(&im, s, NULL) != TL_OK || image_write(&im, &m.sink, NULL) != TL_OK) {
        abort();
    }
    image_release(&im);
    m.source.left = m.bytes.len;
    if (image_read(&m.source, &copy, NULL) != TL_OK) {
        abort();
    }
    buf_release(&m.bytes);
    state_unref(s);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    const char *bytes = (const char *)data + 1;
    size_t n = size - 1, half = n * data[0] / 256;
    const char *newline = half < n ? memchr(bytes + half, '\n', n - half) : NULL;
    half = newline ? (size_t)(newline - bytes) + 1 : n;

    struct state *whole = state_new(), *parts = state_new();
    struct buf a = BUF_INIT(1u << 30), b = BUF_INIT(1u << 30);
    if (!whole || !parts) {
        abort();
    }
    feed_lines(whole, bytes, n);
    feed_lines(parts, bytes, half);
    parts = through_image(parts);
    feed_lines(parts, bytes + half, n - half);
    state_text(whole, &a);
    state_text(parts, &b);
    if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0) {
        abort();
    }
    buf_release(&a);
    buf_release(&b);
    state_unref(whole);
    state_unref(parts);
    return 0;
}
