/* SPDX-License-Identifier: MIT
 *
 * Text as Python sees it: code points, which of them repr() shows as they are, and what str.strip() takes away. Output that
 * must equal Optuna's byte for byte needs exactly these notions.
 */
#ifndef TL_CLI_PYTEXT_H
#define TL_CLI_PYTEXT_H

#include "base/base.h"
#include "base/buf.h"

/* The code point at *p (p < end), and moves behind it. Lone surrogates in three-byte form come out as they are; a byte that
 * begins no character gives U+FFFD. */
uint32_t py_next(const char **p, const char *end);
/* len() of the text. */
size_t py_length(struct str s);
bool py_printable(uint32_t c); /* str.isprintable() of Python 3.11, which has Unicode 14 */
bool py_space(uint32_t c);     /* str.isspace() */
/* Appends repr() of a string. */
void py_repr(struct buf *b, struct str s);
/* Appends the text as print() would; what cannot be encoded becomes U+FFFD. */
void py_plain(struct buf *b, struct str s);
/* Lengths of the white space at both ends. */
size_t py_space_before(struct str s);
size_t py_space_behind(struct str s);

#endif
