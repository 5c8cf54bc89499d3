/* SPDX-License-Identifier: MIT
 *
 * Filling in a `struct tl_err`. Every function takes NULL for "nobody asked" and returns the code, so that a failing
 * function can end in `return err_set(err, TL_EINVAL, "…");`.
 */
#ifndef TL_ERR_H
#define TL_ERR_H

#include "base/base.h"

#include <stdarg.h>

/* Writes code and message; all positions become "not known". */
int err_set(struct tl_err *err, int code, const char *fmt, ...) TL_PRINTF(3, 4);
/* The same with errno `sys`, whose text is added: "cannot open 'x': No such file or directory (errno 2)". The code is chosen
 * from the errno (ENOSPC, EDQUOT, EFBIG -> TL_ENOSPC; ENOMEM -> TL_ENOMEM; EACCES, EPERM, EROFS -> TL_EACCESS; ENOENT ->
 * TL_ENOTFOUND; others -> TL_EIO). */
int err_sys(struct tl_err *err, int sys, const char *fmt, ...) TL_PRINTF(3, 4);
/* Puts "PREFIX: " in front of the message and returns `rc`, the code of the failure (err may be NULL, so it cannot be
 * looked up there). */
int err_wrap(struct tl_err *err, int rc, const char *fmt, ...) TL_PRINTF(3, 4);
/* Adds a place to an error that has none yet. */
void err_at(struct tl_err *err, int64_t line, int64_t offset);
/* TL_ENOMEM, without formatting. */
int err_nomem(struct tl_err *err);
/* Formats one line of text for people: cut at a whole character when longer than n - 1 bytes, control characters (line
 * breaks above all) become '?'. */
void err_text(char *out, size_t n, const char *fmt, va_list args);

#endif
