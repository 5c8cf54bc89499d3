/* SPDX-License-Identifier: MIT
 *
 * Reading a journal file line by line from its beginning, and writing a new one. For check.c and compact.c, which work on files
 * as they lie there, without a storage around them.
 */
#ifndef TL_JOURNAL_LINES_H
#define TL_JOURNAL_LINES_H

#include "base/base.h"
#include "base/buf.h"
#include "model/op.h"

struct lines_in {
    const char *path; /* borrowed */
    int fd;
    char *bytes; /* [at, n) is read and not handed out yet */
    size_t at, n, cap;
    uint64_t offset; /* of bytes[at] in the file */
    uint64_t number; /* lines handed out */
    bool ended;
};
struct line_in {
    struct str text; /* without its newline; until the next call */
    uint64_t number; /* from 1 */
    uint64_t offset;
    bool torn; /* the file ends without a newline behind it */
};
int lines_in_open(struct lines_in *in, const char *path, struct tl_err *err);
/* 1: a line; 0: the end; < 0: an error. */
int lines_in_next(struct lines_in *in, struct line_in *out, struct tl_err *err);
void lines_in_close(struct lines_in *in); /* also after a failed open */

struct lines_out {
    const char *path; /* borrowed */
    int fd;
    struct buf b;
    uint64_t n; /* lines added */
};
/* Creates a file that must not exist: TL_EEXISTS. */
int lines_out_open(struct lines_out *out, const char *path, struct tl_err *err);
int lines_out_add(struct lines_out *out, struct str line, struct tl_err *err); /* adds the newline */
int lines_out_op(struct lines_out *out, const struct op *op, struct tl_err *err);
/* Writes the rest and flushes it to the disk; when that fails or `rc` is a failure already, the file is removed. Returns the
 * first failure. */
int lines_out_close(struct lines_out *out, int rc, struct tl_err *err);

#endif
