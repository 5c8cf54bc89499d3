/* SPDX-License-Identifier: MIT
 *
 * Names of operations and the checksum of a line.
 */
#include "model/op.h"

#include "base/crc32c.h"
#include "model/op_text.h"

const char *op_name(int code)
{
    static const char *const names[OP_N_CODES] = {
#define OP_X(name, code_, text, id) [code_] = text,
        OP_LIST(OP_X)
#undef OP_X
    };
    return code >= 0 && code < OP_N_CODES ? names[code] : NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int op_check_crc(struct str line)
{
    if (line.n < OP_CRC_SUFFIX) {
        return -1;
    }
    const char *suffix = line.p + line.n - OP_CRC_SUFFIX;
    if (memcmp(suffix, OP_CRC_KEY, OP_CRC_KEY_SIZE) != 0 || memcmp(suffix + OP_CRC_SUFFIX - 2, "\"}", 2) != 0) {
        return -1;
    }
    uint32_t written = 0;
    for (int i = 0; i < 8; i++) {
        int digit = hex_value(suffix[OP_CRC_KEY_SIZE + i]);
        if (digit < 0) {
            return -1;
        }
        written = written << 4 | (uint32_t)digit;
    }
    return crc32c(0, line.p, line.n - OP_CRC_SUFFIX) == written;
}
