/* SPDX-License-Identifier: MIT
 *
 * CRC-32C (Castagnoli): "123456789" gives e3069283. Uses the processor's instruction on x86-64.
 */
#ifndef TL_CRC32C_H
#define TL_CRC32C_H

#include "base/base.h"

/* Continues from `crc`, which is 0 at the start. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);
/* The same without special instructions: what other processors use, and a second opinion for tests. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t n);

#endif
