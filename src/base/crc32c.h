/* SPDX-License-Identifier: MIT
 *
 * CRC-32C (Castagnoli): "123456789" gives e3069283. Uses the processor's instruction when it has one.
 */
#ifndef TL_CRC32C_H
#define TL_CRC32C_H

#include "base/base.h"

/* Continues from `crc`, which is 0 at the start. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
