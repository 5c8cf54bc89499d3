/* SPDX-License-Identifier: MIT
 *
 * The torn tail of a journal: whatever stands there, the verdict is the same however it is cut into pieces, a completed tail is a
 * line that means nothing, and only what cannot be the beginning of an object is rubbish. Judged by base/json.h.
 */
#include "base/json.h"
#include "fuzz.h"
#include "journal/file_heal.h"

/* Is it one JSON object in UTF-8? Depth and length of numbers are not looked at. */
static bool is_object(struct str text)
{
    struct json j = JSON_OF(text.p, text.n);
    return json_utf8_valid(text) && json_peek(&j) == JSON_OBJECT && json_skip(&j, NULL, NULL) == TL_OK && json_finish(&j, NULL) == TL_OK;
}

static enum heal_verdict heal_in_pieces(struct str tail, size_t piece, struct buf *out)
{
    struct heal h = {0};
    for (size_t at = 0; at < tail.n; at += piece) {
        heal_feed(&h, tail.p + at, tail.n - at < piece ? tail.n - at : piece);
    }
    return heal_end(&h, out);
}

static bool ends_with(struct str s, struct str end)
{
    return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str tail = {(const char *)data, size};
    struct buf whole = BUF_INIT((size_t)1 << 26), again = BUF_INIT((size_t)1 << 26);
    if (memchr(data, '\n', size)) {
        return 0; /* then it is no tail */
    }
    buf_add_str(&whole, tail);
    enum heal_verdict how = heal_in_pieces(tail, size ? size : 1, &whole);
    for (size_t piece = 1; piece <= 7; piece += 3) {
        buf_clear(&again);
        buf_add_str(&again, tail);
        FUZZ_CHECK(heal_in_pieces(tail, piece, &again) == how);
        FUZZ_CHECK(again.len == whole.len && (whole.len == 0 || memcmp(again.data, whole.data, whole.len) == 0));
    }
    if (how == HEAL_RUBBISH) {
        FUZZ_CHECK(whole.len == size);
        /* A whole object is only refused for its depth or an integer of thousands of digits. */
        FUZZ_CHECK(size > HEAL_DEPTH || !is_object(tail));
    } else {
        struct str line = {whole.data, whole.len - 1};
        FUZZ_CHECK(whole.data[whole.len - 1] == '\n' && !memchr(line.p, '\n', line.n));
        FUZZ_CHECK(is_object(line));
        FUZZ_CHECK(is_object(tail) == (how == HEAL_NEWLINE));
        FUZZ_CHECK(how == HEAL_NEWLINE ||
                   ends_with(line, STR("\"op_code\":1,\"worker_id\":\"torn-tail-repair\",\"study_id\":4294967295}")));
    }
    buf_release(&whole);
    buf_release(&again);
    return 0;
}
