/* SPDX-License-Identifier: MIT
 *
 * Lines of journal files in and out.
 *
 * Reading takes slices of a mebibyte and moves the unfinished line to the front; one line may be as long as a gibibyte. Writing
 * gathers lines, writes them in large pieces and ends with a flush. All failures are definite: what could not be
 * written whole is removed.
 */
#include "engine/journal_lines.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>

#define SLICE     ((size_t)1 << 20)
#define LINE_MAX_ ((size_t)1 << 30)

int lines_in_open(struct lines_in *in, const char *path, struct tl_err *err)
{
    struct os_stat st;
    *in = (struct lines_in){.path = path, .fd = os->open(path, O_RDONLY | O_CLOEXEC, 0)};
    if (in->fd < 0) {
        return err_sys(err, -in->fd, "cannot open '%s'", path);
    }
    int rc = os->fstat(in->fd, &st);
    if (rc < 0) {
        return err_sys(err, -rc, "cannot look at '%s'", path);
    }
    if (!st.is_file) {
        return err_set(err, TL_EINVAL, "'%s' is no file", path);
    }
    return TL_OK;
}

/* Reads more behind what is there. */
static int fill(struct lines_in *in, struct tl_err *err)
{
    if (in->at > 0) {
        memmove(in->bytes, in->bytes + in->at, in->n - in->at);
        in->n -= in->at;
        in->at = 0;
    }
    if (in->n >= LINE_MAX_) {
        return err_set(err, TL_ELIMIT, "line %llu of '%s' is longer than %zu bytes",
                       (unsigned long long)in->number + 1, in->path, LINE_MAX_);
    }
    void *bytes = in->bytes;
    if (!mem_grow(&bytes, &in->cap, in->n + SLICE, 1)) {
        return err_nomem(err);
    }
    in->bytes = bytes;
    int64_t got = os->pread(in->fd, in->bytes + in->n, SLICE, in->offset + in->n);
    if (got < 0) {
        return err_sys(err, (int)-got, "cannot read '%s'", in->path);
    }
    in->n += (size_t)got;
    in->ended = got == 0;
    return TL_OK;
}

int lines_in_next(struct lines_in *in, struct line_in *out, struct tl_err *err)
{
    size_t searched = 0;
    for (;;) {
        size_t have = in->n - in->at;
        const char *from = have ? in->bytes + in->at : NULL;
        const char *newline = have > searched ? memchr(from + searched, '\n', have - searched) : NULL;
        if (!newline && !in->ended) {
            searched = have;
            int rc = fill(in, err);
            if (rc) {
                return rc;
            }
            continue;
        }
        if (have == 0) {
            return 0;
        }
        size_t n = newline ? (size_t)(newline - from) : have;
        *out = (struct line_in){{from, n}, ++in->number, in->offset, !newline};
        in->at += n + (newline ? 1 : 0);
        in->offset += n + (newline ? 1 : 0);
        return 1;
    }
}

void lines_in_close(struct lines_in *in)
{
    if (in->fd >= 0) {
        os->close(in->fd);
    }
    mem_free(in->bytes);
}

/* ---- writing ---- */

int lines_out_open(struct lines_out *out, const char *path, struct tl_err *err)
{
    *out = (struct lines_out){path, os->open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666),
                              BUF_INIT(SIZE_MAX / 2), 0};
    if (out->fd == -EEXIST) {
        return err_set(err, TL_EEXISTS, "'%s' exists already and is not overwritten", path);
    }
    return out->fd < 0 ? err_sys(err, -out->fd, "cannot create '%s'", path) : TL_OK;
}

static int spill(struct lines_out *out, struct tl_err *err)
{
    size_t done = 0;
    if (out->b.failed) {
        return err_nomem(err);
    }
    while (done < out->b.len) {
        int64_t part = os->write(out->fd, out->b.data + done, out->b.len - done);
        if (part < 0) {
            return err_sys(err, (int)-part, "cannot write to '%s'", out->path);
        }
        done += (size_t)part;
    }
    buf_clear(&out->b);
    return TL_OK;
}

int lines_out_add(struct lines_out *out, struct str line, struct tl_err *err)
{
    buf_add_str(&out->b, line);
    buf_add_char(&out->b, '\n');
    out->n++;
    return out->b.len >= SLICE || out->b.failed ? spill(out, err) : TL_OK;
}

int lines_out_op(struct lines_out *out, const struct op *op, struct tl_err *err)
{
    int rc = op_encode(op, &out->b);
    out->n++;
    if (rc) {
        return err_set(err, rc, "an operation for '%s' is too large", out->path);
    }
    return out->b.len >= SLICE ? spill(out, err) : TL_OK;
}

int lines_out_close(struct lines_out *out, int rc, struct tl_err *err)
{
    if (rc == TL_OK) {
        rc = spill(out, err);
    }
    if (rc == TL_OK) {
        int sync = os->sync(out->fd, false);
        rc = sync < 0 ? err_sys(err, -sync, "cannot flush '%s'", out->path) : TL_OK;
    }
    int closed = os->close(out->fd);
    if (rc == TL_OK && closed < 0) {
        rc = err_sys(err, -closed, "cannot close '%s'", out->path);
    }
    if (rc != TL_OK) {
        (void)os->unlink(out->path);
    }
    buf_release(&out->b);
    return rc;
}
