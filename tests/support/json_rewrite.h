/* SPDX-License-Identifier: MIT
 *
 * Reads JSON through every call of the cursor and writes it again: for comparisons with Python and with json_skip.
 */
#ifndef TEST_JSON_REWRITE_H
#define TEST_JSON_REWRITE_H

#include "base/json.h"

/* One value as Python's json.dumps(json.loads(text), separators=(",", ":")) would print it, but with repeated keys left
 * in. Integers beyond 64 bits are copied. Returns 0 or a code. */
int json_rewrite(struct json *j, struct arena *a, struct buf *out, struct tl_err *err);

#endif
