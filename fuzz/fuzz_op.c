/* SPDX-License-Identifier: MIT
 *
 * Lines of operations: both ways to read a line agree, what reads can be written again and means the same,
 * and our own lines have their checksum. Input with newlines is several lines.
 */
#include "fuzz.h"
#include "model/op_text.h"
#include "unit/op_same.h"

static struct arena arena;

/* Surrogates that stand as raw bytes one behind the other become one character when they are written as
 * escapes, in Python too. */
static bool has_raw_surrogates(struct str line)
{
    return line.n > 0 && memchr(line.p, 0xed, line.n);
}

static void check_written(struct str line, const struct op *op)
{
    struct buf b = BUF_INIT(1u << 30);
    struct op again;
    int rc = op_encode(op, &b);
    if (rc == TL_EINVAL) {
        FUZZ_CHECK(b.len == 0);
        FUZZ_CHECK(op->odd || !op->worker.p || op->state < 0);
    } else {
        FUZZ_CHECK(rc == TL_OK && b.data[b.len - 1] == '\n' && !memchr(b.data, '\n', b.len - 1));
        struct str out = {b.data, b.len - 1};
        FUZZ_CHECK(op_check_crc(out) == 1);
        FUZZ_CHECK(op_decode(out, &arena, &again, NULL) == OP_LINE_OK);
        FUZZ_CHECK(has_raw_surrogates(line) || op_same_meaning(op, &again, &arena));
    }
    buf_release(&b);
}

static void check_line(struct str line)
{
    struct op fast, general, op;
    struct tl_err err = TL_ERR_INIT;
    enum op_line how = op_decode_general(line, &arena, &general, &err);
    if (how == OP_LINE_BROKEN) {
        FUZZ_CHECK(err.code != TL_OK && err.code != TL_ENOMEM && !general.worker.p);
    }
    if (op_decode_fast(line, &arena, &fast)) {
        FUZZ_CHECK(how == OP_LINE_OK && op_same(&fast, &general));
    }
    int crc = op_check_crc(line);
    enum op_line together = op_decode(line, &arena, &op, NULL);
    FUZZ_CHECK(crc == 0 ? together == OP_LINE_BROKEN : together == how && op_same(&op, &general));
    if (together == OP_LINE_OK) {
        check_written(line, &op);
    }
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = p + size;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        /* a block of its own, so that the sanitizer sees a step over its end */
        char *copy = malloc((size_t)(stop - p) + 1);
        FUZZ_CHECK(copy);
        memcpy(copy + 1, p, (size_t)(stop - p));
        check_line((struct str){copy + 1, (size_t)(stop - p)});
        free(copy);
        p = stop + 1;
    }
    return 0;
}
