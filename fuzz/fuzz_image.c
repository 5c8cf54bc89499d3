/* SPDX-License-Identifier: MIT
 *
 * Snapshots: any bytes are refused, or give a state that can be read, changed and written again.
 *
 * An input is an image, or journal lines (it begins with '{'), whose state's image is taken: such seeds outlive changes of the layout. That
 * image must be read, and give the same state. Behind a NUL stand damages, each tried by itself: four bytes, a place in the image (24 bits,
 * little-endian, from the end when the highest is set) and what is added to the byte there; 0 cuts the image off there.
 */
#include <stdlib.h>

#include "model/image.h"
#include "state_text.h"

struct memory_source {
    struct image_source source;
    const uint8_t *bytes;
};

static int memory_read(struct image_source *source, void *out, size_t n, struct tl_err *err)
{
    struct memory_source *m = (struct memory_source *)source;
    (void)err;
    if (n > source->left) {
        abort();
    }
    if (n) {
        memcpy(out, m->bytes, n);
    }
    m->bytes += n;
    source->left -= n;
    return TL_OK;
}

static int drop(struct image_sink *sink, const void *bytes, size_t n, struct tl_err *err)
{
    (void)sink;
    (void)bytes;
    (void)n;
    (void)err;
    return TL_OK;
}

struct memory_sink {
    struct image_sink sink;
    struct buf bytes;
};

static int keep(struct image_sink *sink, const void *bytes, size_t n, struct tl_err *err)
{
    (void)err;
    buf_add(&((struct memory_sink *)sink)->bytes, bytes, n);
    return TL_OK;
}

static void write_image(struct state *s, struct image_sink *to)
{
    struct image im = {0};
    if (image_prepare(&im, s, NULL) != TL_OK || image_write(&im, to, NULL) != TL_OK) {
        abort();
    }
    image_release(&im);
}

static void use_image(const uint8_t *data, size_t size, struct state *same_as)
{
    static const char more[] =
        "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null}\n"
        "{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":0,\"step\":1,\"intermediate_value\":1.0}\n"
        "{\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":1,\"user_attr\":{\"k\":1}}\n"
        "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":1,\"state\":1,\"values\":[1.0],\"datetime_complete\":\"2026-01-01T00:00:00\"}\n";
    struct memory_source m = {{memory_read, size}, data};
    struct state *s;
    if (image_read(&m.source, &s, NULL) != TL_OK) {
        if (same_as) {
            abort();
        }
        return;
    }
    struct buf text = BUF_INIT(1u << 30), want = BUF_INIT(1u << 30);
    struct image_sink sink = {drop};
    state_text(s, &text);
    if (same_as) {
        state_text(same_as, &want);
        if (text.len != want.len || memcmp(text.data, want.data, want.len) != 0) {
            abort();
        }
    }
    feed_lines(s, more, sizeof more - 1);
    buf_clear(&text);
    state_text(s, &text);
    write_image(s, &sink);
    buf_release(&text);
    buf_release(&want);
    state_unref(s);
}

/* Damages an image, tries it, and repairs it again. */
static void damage(uint8_t *bytes, size_t n, const uint8_t how[4])
{
    size_t at = how[0] | (size_t)how[1] << 8 | (size_t)(how[2] & 127) << 16;
    at = how[2] & 128 ? n - 1 - at % n : at % n;
    bytes[at] = (uint8_t)(bytes[at] + how[3]);
    use_image(bytes, how[3] ? n : at, NULL);
    bytes[at] = (uint8_t)(bytes[at] - how[3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || data[0] != '{') {
        use_image(data, size, NULL);
        return 0;
    }
    const uint8_t *end = memchr(data, 0, size);
    size_t n = end ? (size_t)(end - data) : size, left = size - n;
    struct memory_sink m = {{keep}, BUF_INIT(1u << 30)};
    struct state *s = state_new();
    if (!s) {
        abort();
    }
    feed_lines(s, (const char *)data, n);
    write_image(s, &m.sink);
    use_image((const uint8_t *)m.bytes.data, m.bytes.len, s);
    for (const uint8_t *how = data + n + 1; left >= 5; how += 4, left -= 4) {
        damage((uint8_t *)m.bytes.data, m.bytes.len, how);
    }
    buf_release(&m.bytes);
    state_unref(s);
    return 0;
}
