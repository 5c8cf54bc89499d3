/* SPDX-License-Identifier: MIT
 *
 * The snapshot beside a journal file: JOURNAL.snapshot, an image of the state at a position.
 *
 * Form, little-endian: header (96 bytes): "TLSNAP\r\n"; u32 version 1; u32 0; u64 offset in the journal; id (48 bytes);
 * 20 zero bytes; u32 CRC-32C of the header before it. Then the image. Trailer (16 bytes): u64 length of the image;
 * u32 its CRC-32C; "PANS". The id binds it to the journal: length and CRC-32C of the first bytes (up to 4 KiB) of the journal, length
 * and CRC-32C of the last ones before the offset, and the last 32 of those as they are.
 *
 * Happy path: written to a name of its own, synced, renamed over the old one; read in slices, handed to the engine as it comes.
 * Failure: whatever is wrong with it (torn, damaged, another journal's, of another version) it is ignored with an event and the log
 * is replayed. Invariant: the log is the truth; the position only moves behind a snapshot whose every check passed.
 */
#include "journal/file.h"

#include "base/crc32c.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wide.h"

#include <errno.h>
#include <fcntl.h>

#define HEADER 96u
#define TRAILER 16u
#define EDGE 4096u
#define PIECE ((size_t)256 * 1024)
#define VERSION 1u
#define LEFTOVER_NS (3600 * INT64_C(1000000000))

static const char magic[8] = "TLSNAP\r\n", end_magic[4] = "PANS", suffix[] = ".snapshot", temporary[] = ".snapshot.tmp.";

/* ---- where it belongs ---- */

/* Describes the journal around `offset`. 0, or a negated errno; -ENODATA when the journal is shorter. */
static int make_id(int fd, uint64_t offset, uint8_t id[48])
{
    char edge[EDGE];
    uint32_t n = offset < EDGE ? (uint32_t)offset : EDGE;
    memset(id, 0, 48);
    int64_t got = file_pread_all(fd, edge, n, 0);
    if (got < 0) {
        return (int)got;
    }
    if (got != n) {
        return -ENODATA;
    }
    store_le32(id, n);
    store_le32(id + 4, crc32c(0, edge, n));
    got = file_pread_all(fd, edge, n, offset - n);
    if (got < 0) {
        return (int)got;
    }
    if (got != n) {
        return -ENODATA;
    }
    store_le32(id + 8, n);
    store_le32(id + 12, crc32c(0, edge, n));
    uint32_t last = n < FILE_TAIL ? n : FILE_TAIL;
    memcpy(id + 16, edge + n - last, last);
    return 0;
}

int file_mark(struct backend *b, struct backend_mark *out)
{
    struct file *f = file_of(b);
    struct os_stat now;
    struct backend_mark mark = {.offset = f->offset};
    pthread_mutex_lock(&f->guard);
    int rc = flush_is_fenced(&f->flush) ? TL_EPOISONED : file_open_to_read(f, &now, NULL);
    if (rc == TL_OK && (now.dev != f->dev || now.ino != f->ino)) {
        rc = TL_EUNAVAILABLE;
    }
    if (rc == TL_OK && make_id(f->read_fd, f->offset, mark.id) < 0) {
        rc = TL_EIO;
    }
    if (rc == TL_OK) {
        *out = mark;
    }
    pthread_mutex_unlock(&f->guard);
    return rc;
}

/* ---- loading ---- */

struct source {
    struct piece_source in;
    int fd;
    uint64_t at; /* of the next byte to be read from the file */
    char *piece;
};

static int fetch(struct piece_source *in, struct str *piece, struct tl_err *err)
{
    struct source *s = (struct source *)(void *)in;
    size_t want = in->base.left < PIECE ? (size_t)in->base.left : PIECE;
    int64_t got = file_pread_all(s->fd, s->piece, want, s->at);
    if (got < 0) {
        return err_sys(err, (int)-got, "cannot read the snapshot");
    }
    if ((size_t)got != want) {
        return err_set(err, TL_ECORRUPT, "the snapshot ends too early");
    }
    s->at += want;
    *piece = (struct str){s->piece, want};
    return TL_OK;
}

static char *snapshot_path(const struct file *f, const char *ending, const char *unique)
{
    struct buf name = BUF_INIT(16384);
    buf_add_text(&name, f->path);
    buf_add_text(&name, ending);
    buf_add_text(&name, unique);
    if (!buf_cstr(&name)) {
        buf_release(&name);
    }
    return name.data;
}

/* Checks everything but the image. */
static int check_frame(struct file *f, int fd, struct backend_mark *at, uint64_t *n_image, uint32_t *crc, struct tl_err *err)
{
    uint8_t header[HEADER], trailer[TRAILER], id[48];
    struct os_stat s, journal;
    int rc = os->fstat(fd, &s);
    if (rc < 0) {
        return err_sys(err, -rc, "cannot look at it");
    }
    if (s.size < HEADER + TRAILER || file_pread_all(fd, header, HEADER, 0) != HEADER ||
        file_pread_all(fd, trailer, TRAILER, s.size - TRAILER) != TRAILER) {
        return err_set(err, TL_ECORRUPT, "it is not whole");
    }
    if (memcmp(header, magic, sizeof magic) != 0 || crc32c(0, header, HEADER - 4) != load_le32(header + HEADER - 4)) {
        return err_set(err, TL_ECORRUPT, "it is damaged, or no snapshot");
    }
    if (load_le32(header + 8) != VERSION) {
        return err_set(err, TL_EVERSION, "it is of version %u", (unsigned)load_le32(header + 8));
    }
    if (memcmp(trailer + 12, end_magic, sizeof end_magic) != 0 || load_le64(trailer) != s.size - HEADER - TRAILER) {
        return err_set(err, TL_ECORRUPT, "it is not whole");
    }
    *at = (struct backend_mark){.offset = load_le64(header + 16)};
    memcpy(at->id, header + 24, sizeof at->id);
    rc = file_open_to_read(f, &journal, err);
    if (rc != TL_OK) {
        return rc;
    }
    if (at->offset == 0 || at->offset > journal.size || make_id(f->read_fd, at->offset, id) < 0 ||
        memcmp(id, at->id, sizeof id) != 0) {
        return err_set(err, TL_ECORRUPT, "it belongs to another journal, or the journal was rewound");
    }
    f->dev = journal.dev;
    f->ino = journal.ino;
    f->known = true;
    *n_image = s.size - HEADER - TRAILER;
    *crc = load_le32(trailer + 8);
    return TL_OK;
}

static int load_from(struct file *f, int fd, int (*parse)(void *ctx, struct image_source *from, struct tl_err *err), void *ctx,
                     struct tl_err *err)
{
    struct backend_mark at;
    struct source s = {.in = {.base.read = piece_read, .fetch = fetch}, .fd = fd, .at = HEADER};
    uint32_t crc = 0;
    int rc = check_frame(f, fd, &at, &s.in.base.left, &crc, err);
    if (rc != TL_OK) {
        return rc;
    }
    s.piece = mem_alloc(PIECE);
    if (!s.piece) {
        return err_nomem(err);
    }
    rc = parse(ctx, &s.in.base, err);
    if (rc == TL_OK) {
        rc = piece_drain(&s.in, err);
    }
    if (rc == TL_OK && s.in.crc != crc) {
        rc = err_set(err, TL_ECORRUPT, "its checksum is wrong");
    }
    mem_free(s.piece);
    if (rc == TL_OK) {
        uint32_t n = load_le32(at.id + 8);
        f->offset = at.offset;
        f->n_tail = n < FILE_TAIL ? n : FILE_TAIL;
        memcpy(f->tail, at.id + 16, f->n_tail);
    }
    return rc;
}

int file_snapshot_load(struct backend *b, int (*parse)(void *ctx, struct image_source *from, struct tl_err *err), void *ctx,
                       bool *loaded, struct tl_err *err)
{
    struct file *f = file_of(b);
    struct tl_err why = TL_ERR_INIT;
    char *path = snapshot_path(f, suffix, "");
    if (!path) {
        return err_nomem(err);
    }
    int rc = TL_OK, fd = os->open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd >= 0) {
        pthread_mutex_lock(&f->guard);
        rc = load_from(f, fd, parse, ctx, &why);
        pthread_mutex_unlock(&f->guard);
        (void)os->close(fd);
    } else if (fd != -ENOENT) {
        rc = err_sys(&why, -fd, "cannot open it");
    }
    if (rc == TL_ENOMEM) {
        err_nomem(err);
    } else if (rc != TL_OK) {
        log_emit(f->log, LOG_SNAPSHOT_IGNORED, "snapshot '%s' is ignored: %s", path, why.message);
        rc = TL_OK;
    } else {
        *loaded = fd >= 0;
    }
    mem_free(path);
    return rc;
}

/* ---- saving ---- */

struct sink {
    struct piece_sink out;
    int fd;
    const char *path;
};

static int write_all(const struct sink *s, const void *bytes, size_t n, struct tl_err *err)
{
    const char *p = bytes;
    while (n > 0) {
        int64_t put = os->write(s->fd, p, n);
        if (put <= 0) {
            return err_sys(err, put < 0 ? (int)-put : ENOSPC, "cannot write snapshot '%s'", s->path);
        }
        p += put;
        n -= (size_t)put;
    }
    return TL_OK;
}

static int put(struct piece_sink *out, struct str piece, struct tl_err *err)
{
    return write_all((const struct sink *)(void *)out, piece.p, piece.n, err);
}

static int write_parts(struct sink *s, const struct backend_mark *at,
                       int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx, struct tl_err *err)
{
    uint8_t header[HEADER] = {0}, trailer[TRAILER];
    memcpy(header, magic, sizeof magic);
    store_le32(header + 8, VERSION);
    store_le64(header + 16, at->offset);
    memcpy(header + 24, at->id, sizeof at->id);
    store_le32(header + HEADER - 4, crc32c(0, header, HEADER - 4));
    int rc = write_all(s, header, HEADER, err);
    if (rc == TL_OK) {
        rc = produce(ctx, &s->out.base, err);
    }
    if (rc == TL_OK) {
        rc = piece_flush(&s->out, err);
    }
    if (rc == TL_OK) {
        store_le64(trailer, s->out.total);
        store_le32(trailer + 8, s->out.crc);
        memcpy(trailer + 12, end_magic, sizeof end_magic);
        rc = write_all(s, trailer, TRAILER, err);
    }
    if (rc == TL_OK) {
        int sys = os->sync(s->fd, false);
        rc = sys == 0 ? TL_OK : err_sys(err, -sys, "cannot flush snapshot '%s'", s->path);
    }
    return rc;
}

struct leftovers {
    const struct file *f;
    int64_t now_ns; /* by the file system's clock */
};

/* Unfinished snapshots of processes that died. */
static int remove_leftover(const char *name, void *ctx)
{
    const struct leftovers *l = ctx;
    const char *journal = strrchr(l->f->path, '/') + 1;
    size_t n = strlen(journal);
    struct os_stat s;
    if (strncmp(name, journal, n) != 0 || strncmp(name + n, temporary, sizeof temporary - 1) != 0) {
        return 0;
    }
    char *path = snapshot_path(l->f, temporary, name + n + sizeof temporary - 1);
    if (path && os->stat(path, false, &s) == 0 && l->now_ns - s.mtime_ns > LEFTOVER_NS) {
        (void)os->unlink(path);
    }
    mem_free(path);
    return 0;
}

int file_snapshot_save(struct backend *b, const struct backend_mark *at,
                       int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx, struct tl_err *err)
{
    const struct file *f = file_of(b);
    uint64_t chance;
    char unique[24], *path = snapshot_path(f, suffix, ""), *temp = NULL;
    struct sink s = {.fd = -1};
    int rc = os->random(&chance, sizeof chance);
    if (rc < 0) {
        rc = err_sys(err, -rc, "no random bytes");
        goto out;
    }
    for (int i = 0; i < 16; i++) {
        unique[i] = "0123456789abcdef"[chance >> (4 * i) & 15];
    }
    unique[16] = 0;
    temp = snapshot_path(f, temporary, unique);
    s.path = temp;
    rc = path && temp ? piece_sink_init(&s.out, PIECE, put, err) : err_nomem(err);
    if (rc != TL_OK) {
        goto out;
    }
    s.fd = os->open(temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (s.fd < 0) {
        rc = err_sys(err, -s.fd, "cannot make snapshot '%s'", temp);
        goto out;
    }
    rc = write_parts(&s, at, produce, ctx, err);
    struct os_stat now;
    struct leftovers l = {f, os->fstat(s.fd, &now) == 0 ? now.mtime_ns : 0};
    int closed = os->close(s.fd);
    if (rc == TL_OK) {
        int sys = closed < 0 ? closed : os->rename(temp, path);
        rc = sys == 0 ? TL_OK : err_sys(err, -sys, "cannot put snapshot '%s' in place", path);
    }
    if (rc != TL_OK) {
        (void)os->unlink(temp);
    } else {
        (void)os->dir_list(f->folder, remove_leftover, &l);
    }
out:
    piece_sink_release(&s.out);
    mem_free(path);
    mem_free(temp);
    return rc;
}
