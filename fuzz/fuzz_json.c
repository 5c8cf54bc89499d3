/* SPDX-License-Identifier: MIT
 *
 * JSON: all ways of reading agree on what is a document and where it breaks, and what was written reads back the same.
 */
#include "base/json.h"
#include "fuzz.h"
#include "support/json_rewrite.h"

static struct arena arena;

static int rewrite(struct str text, struct buf *out, struct tl_err *err)
{
    struct json j = JSON_OF(text.p, text.n);
    int rc = json_rewrite(&j, &arena, out, err);
    return rc == 0 ? json_finish(&j, err) : rc;
}

static int skip(struct str text, struct tl_err *err)
{
    struct json j = JSON_OF(text.p, text.n);
    struct str raw = {0};
    int rc = json_skip(&j, &raw, err);
    FUZZ_CHECK(j.p >= j.start && j.p <= j.end);
    FUZZ_CHECK(rc != 0 || (raw.n > 0 && raw.p + raw.n == j.p));
    return rc == 0 ? json_finish(&j, err) : rc;
}

/* Any bytes as a string. */
static void check_string(struct str bytes)
{
    struct buf first = BUF_INIT(1u << 30), second = BUF_INIT(1u << 30);
    struct str once, twice;
    json_put_string(&first, bytes);
    struct json j = JSON_OF(first.data, first.len);
    FUZZ_CHECK(json_string(&j, &arena, &once, NULL) == 0 && j.p == j.end);
    FUZZ_CHECK(json_utf8_valid(once));
    json_put_string(&second, once);
    struct json k = JSON_OF(second.data, second.len);
    FUZZ_CHECK(json_string(&k, &arena, &twice, NULL) == 0 && k.p == k.end);
    FUZZ_CHECK(str_eq(once, twice));
    buf_release(&first);
    buf_release(&second);
}

static void check_documents(struct str text)
{
    struct buf compact = BUF_INIT(1u << 30), again = BUF_INIT(1u << 30), other = BUF_INIT(1u << 30);
    struct tl_err err = TL_ERR_INIT, err_skip = TL_ERR_INIT;
    int rc = json_compact(text, &compact, &err);
    FUZZ_CHECK(rc == skip(text, &err_skip));
    FUZZ_CHECK(err.offset == err_skip.offset);
    FUZZ_CHECK(rewrite(text, &other, NULL) == rc);
    if (rc != 0) {
        FUZZ_CHECK(err.code == rc && err.offset >= 0 && err.offset <= (int64_t)text.n && compact.len == 0);
    } else {
        struct str c = {compact.data, compact.len}, o = {other.data, other.len};
        FUZZ_CHECK(!memchr(c.p, '\n', c.n));
        FUZZ_CHECK(json_compact(c, &again, NULL) == 0 && str_eq(c, (struct str){again.data, again.len}));
        buf_clear(&again);
        FUZZ_CHECK(json_compact(o, &again, NULL) == 0 && str_eq(o, (struct str){again.data, again.len}));
        /* compact or not, the cursor sees the same */
        buf_clear(&again);
        FUZZ_CHECK(rewrite(c, &again, NULL) == 0 && str_eq(o, (struct str){again.data, again.len}));
    }
    buf_release(&compact);
    buf_release(&again);
    buf_release(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    check_documents(text);
    check_string(text);
    arena_release(&arena);
    return 0;
}
