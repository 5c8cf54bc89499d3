/* SPDX-License-Identifier: MIT
 *
 * Snapshots: any bytes are refused, or give a state that can be read, changed and written again.
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
    if (n > source->left)
        abort();
    if (n)
        memcpy(out, m->bytes, n);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char more[] =
        "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null}\n"
        "{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":0,\"step\":1,\"intermediate_value\":1.0}\n"
        "{\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":1,\"user_attr\":{\"k\":1}}\n"
        "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":1,\"state\":1,\"values\":[1.0],\"datetime_complete\":\"2026-01-01T00:00:00\"}\n";
    struct memory_source m = {{memory_read, size}, data};
    struct state *s;
    if (image_read(&m.source, &s, NULL) != TL_OK)
        return 0;
    struct buf text = BUF_INIT(1u << 30);
    struct image im = {0};
    struct image_sink sink = {drop};
    state_text(s, &text);
    feed_lines(s, more, sizeof more - 1);
    buf_clear(&text);
    state_text(s, &text);
    if (image_prepare(&im, s, NULL) != TL_OK || image_write(&im, &sink, NULL) != TL_OK)
        abort();
    image_release(&im);
    buf_release(&text);
    state_unref(s);
    return 0;
}
