/* SPDX-License-Identifier: MIT
 *
 * Leases beside a journal file: JOURNAL.lease.WORKER, whose time is the worker's last sign of life.
 *
 * The file holds one line of fixed length: "trialog-lease 1 LENGTH_MS RETRIES held" (or "left"). A renewal sets its time, which writes
 * nothing anywhere else. Worker ids may hold any byte: what is no letter, digit, '-' or '_' stands as %XX, so that no name of a worker
 * meets the names with a '+' below, and none can leave the folder.
 *
 * Whose time is it? Only times that the file system has set are compared: who looks touches JOURNAL.lease.+clock and takes that as
 * now (who only shows leases touches JOURNAL.lease.+show instead). No machine's clock takes part, on NFS all times are the server's. That
 * clock may jump (set by hand, a laptop or a guest that wakes up), and then every lease looks old at once. So one look never condemns: the
 * first that misses a renewal (age over half the length) leaves JOURNAL.lease.WORKER+late with the time it saw; a lease is lost when its
 * age is over its length *and* its time is still the one in the note *and* the note is older than a renewal takes. Whoever wrote the note
 * may be gone by then: commands that live for a moment take part, and no two looks need the same process.
 *
 * Happy path of a look: open, read, fstat, close; opened, because on NFS only that asks the server. Failure: what is no lease that we
 * can read (a folder, somebody else's private file, a name that is too long for a file) is none: nobody is condemned by it, and it
 * keeps nobody from looking at the others; every other system call that fails is an error of the call. Leases are not flushed, so a
 * power cut can leave an empty one beside a trial that is in the log: an empty lease counts as one of a minute. Left behind by a
 * crash: files of dead workers without trials, which the engine sweeps.
 */
#include "journal/file.h"

#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define PATH_LIMIT 4096
#define LINE 64 /* bytes of a lease */
#define MS INT64_C(1000000)
#define UNREADABLE_MS 60000

static const char mark[] = ".lease.", late[] = "+late", clock_name[] = "+clock", show_name[] = "+show", magic[] = "trialog-lease 1 ";

/* ---- names ---- */

static bool plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* The path for a worker, with a suffix. A path that is too long is empty, and no call succeeds on that. */
static void name_of(const struct file *f, const char *worker, const char *suffix, char out[PATH_LIMIT])
{
    static const char hex[] = "0123456789ABCDEF";
    int n = snprintf(out, PATH_LIMIT, "%s%s", f->real, mark);
    size_t at = n < 0 ? PATH_LIMIT : (size_t)n, end = strlen(suffix);
    for (; *worker && at + end + 4 < PATH_LIMIT; worker++) {
        if (plain(*worker)) {
            out[at++] = *worker;
        } else {
            out[at++] = '%';
            out[at++] = hex[(unsigned char)*worker >> 4];
            out[at++] = hex[(unsigned char)*worker & 15];
        }
    }
    if (at + end + 4 >= PATH_LIMIT) {
        out[0] = 0;
        return;
    }
    memcpy(out + at, suffix, end + 1);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The worker of a file name behind the mark; false when it is no lease of a worker. */
static bool worker_of(const char *name, char *out, size_t size)
{
    size_t n = 0;
    for (; *name && n + 1 < size; name++) {
        if (plain(*name)) {
            out[n++] = *name;
        } else if (*name == '%' && digit(name[1]) >= 0 && digit(name[2]) >= 0) {
            out[n++] = (char)(digit(name[1]) << 4 | digit(name[2]));
            name += 2;
        } else {
            return false;
        }
    }
    out[n] = 0;
    return *name == 0 && n > 0;
}

/* ---- small files ---- */

static int write_small(const char *path, int flags, const char *text, size_t n)
{
    int fd = os->open(path, flags | O_WRONLY | O_NOCTTY | O_NOFOLLOW, 0666);
    if (fd < 0) {
        return fd;
    }
    int64_t put = os->write(fd, text, n);
    int rc = put < 0 ? (int)put : (size_t)put < n ? -ENOSPC : 0;
    int closed = os->close(fd);
    return rc < 0 ? rc : closed;
}

/* Reads at most `size` - 1 bytes, terminated, and the file's time. */
static int read_small(const char *path, char *text, size_t size, struct os_stat *s)
{
    int fd = os->open(path, O_RDONLY | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) {
        return fd;
    }
    int64_t got = os->pread(fd, text, size - 1, 0);
    int rc = got < 0 ? (int)got : os->fstat(fd, s);
    (void)os->close(fd);
    text[got > 0 ? got : 0] = 0;
    return rc;
}

static int unlink_if_there(const char *path)
{
    int rc = os->unlink(path);
    return rc == -ENOENT ? 0 : rc;
}

/* ---- the worker's side ---- */

static int lease_take(struct backend *b, const char *worker, const struct lease *lease, struct tl_err *err)
{
    char path[PATH_LIMIT], line[LINE + 1];
    name_of(file_of(b), worker, "", path);
    int n = snprintf(line, sizeof line, "%s%lld %lu %s", magic, (long long)lease->length_ms, (unsigned long)lease->retries,
                     lease->left ? "left" : "held");
    memset(line + n, ' ', (size_t)(LINE - n));
    line[LINE - 1] = '\n';
    /* Not cut first: a lease that is there is replaced in one write of the same length. */
    int rc = write_small(path, O_CREAT, line, LINE);
    if (rc < 0) {
        struct os_stat s;
        if (os->stat(path, false, &s) == 0 && s.is_file && s.size < LINE) {
            (void)os->unlink(path); /* half of one is none */
        }
        return err_sys(err, -rc, "cannot write '%s'", path);
    }
    return TL_OK;
}

static int lease_renew(struct backend *b, const char *worker, struct tl_err *err)
{
    char path[PATH_LIMIT];
    name_of(file_of(b), worker, "", path);
    int rc = os->touch(path);
    return rc == 0 ? 1 : rc == -ENOENT ? 0 : err_sys(err, -rc, "cannot set the time of '%s'", path);
}

static int lease_drop(struct backend *b, const char *worker, struct tl_err *err)
{
    char path[PATH_LIMIT], note[PATH_LIMIT];
    name_of(file_of(b), worker, "", path);
    name_of(file_of(b), worker, late, note);
    int rc = unlink_if_there(path), second = unlink_if_there(note);
    rc = rc < 0 ? rc : second;
    return rc < 0 ? err_sys(err, -rc, "cannot remove '%s'", path) : TL_OK;
}

/* ---- the observer's side ---- */

/* The file belongs to whoever touched it first; another user makes it anew. */
static int touch_clock(const char *path)
{
    int rc = os->touch(path);
    for (int tries = 0; rc < 0 && tries < 3; tries++) {
        if (rc == -EACCES || rc == -EPERM) {
            rc = unlink_if_there(path);
        } else if (rc != -ENOENT) {
            return rc;
        }
        int fd = rc == -ENOENT || rc == 0 ? os->open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY, 0666) : rc;
        rc = fd == -EEXIST ? os->touch(path) : fd < 0 ? fd : os->close(fd);
    }
    return rc;
}

static int lease_now(struct backend *b, enum lease_clock what_for, int64_t *now, struct tl_err *err)
{
    struct file *f = file_of(b);
    char path[PATH_LIMIT];
    struct os_stat s;
    bool in_turn = what_for == LEASE_CLOCK_IN_TURN;
    name_of(f, "", what_for == LEASE_CLOCK_SHOW ? show_name : clock_name, path);
    if (in_turn && os->stat(path, false, &s) == 0 && s.mtime_ns != f->lease_looked) {
        int64_t before = f->lease_looked;
        f->lease_looked = s.mtime_ns;
        if (before != 0) {
            return 0;
        }
    }
    int rc = touch_clock(path);
    rc = rc < 0 ? rc : os->stat(path, false, &s);
    if (rc < 0) {
        return err_sys(err, -rc, "cannot set the time of '%s'", path);
    }
    if (in_turn) {
        f->lease_looked = s.mtime_ns;
    }
    *now = s.mtime_ns;
    return 1;
}

static bool parse(const char *text, struct lease *out)
{
    const char *end = text + strlen(text), *p = text + sizeof magic - 1;
    int64_t length, retries;
    if (strncmp(text, magic, sizeof magic - 1) != 0 || !(p = num_parse_int(p, end, &length)) || *p != ' ' ||
        !(p = num_parse_int(p + 1, end, &retries)) || *p != ' ' || length <= 0 || length > INT64_MAX / (2 * MS) || retries < 0 ||
        retries > UINT32_MAX) {
        return false;
    }
    *out = (struct lease){length, (uint32_t)retries, strncmp(p, " left", 5) == 0};
    return true;
}

static bool means_none(int code)
{
    return code == -ENOENT || code == -ELOOP || code == -ENAMETOOLONG || code == -EACCES || code == -EISDIR;
}

/* A renewal is missing. Was that so already some time ago? If nobody noted it, it is noted now. */
static int look_at_note(const struct file *f, const char *worker, int64_t renewed, int64_t now, const struct lease *lease,
                        enum lease_state *out)
{
    char path[PATH_LIMIT], text[LINE], seen[NUM_MAX];
    int64_t length = lease->length_ms * MS, age = now - renewed;
    struct os_stat s;
    name_of(f, worker, late, path);
    size_t n = num_format_int(renewed, seen);
    int rc = read_small(path, text, sizeof text, &s);
    if (rc == 0 && strcmp(text, seen) == 0) {
        int64_t noted = now - s.mtime_ns;
        bool lost = age > length ? noted >= length / 5 * 2 : age < 0 && noted > length;
        *out = lost ? LEASE_LOST : LEASE_LATE;
        return 0;
    }
    if (rc == 0) {
        rc = unlink_if_there(path); /* it was late before, and came back */
    }
    if (rc == 0 || rc == -ENOENT) {
        rc = write_small(path, O_CREAT | O_EXCL, seen, n);
    }
    *out = LEASE_LATE;
    return rc == -EEXIST || rc == -EACCES ? 0 : rc; /* somebody else was faster, or has a note that only he can read */
}

static int lease_look(struct backend *b, const char *worker, int64_t now, bool judge, struct lease_seen *out,
                      struct tl_err *err)
{
    const struct file *f = file_of(b);
    char path[PATH_LIMIT], text[LINE + 1];
    struct lease_seen seen = {.state = LEASE_NONE};
    struct os_stat s;
    name_of(f, worker, "", path);
    int rc = read_small(path, text, sizeof text, &s);
    if (rc < 0 && !means_none(rc)) {
        return err_sys(err, -rc, "cannot look at '%s'", path);
    }
    if (rc == 0 && s.is_file) {
        bool empty = text[0] == 0; /* its writer died before it wrote (then no trial of his is in the log), or the power failed */
        bool whole = parse(text, &seen.lease);
        seen.lease.length_ms = whole ? seen.lease.length_ms : UNREADABLE_MS;
        int64_t length = seen.lease.length_ms * MS, age = now - s.mtime_ns;
        seen.state = whole || empty ? LEASE_ALIVE : LEASE_NONE;
        seen.age_ms = age / MS;
        if (seen.state == LEASE_ALIVE && (age > length / 2 || age < -length)) {
            seen.state = LEASE_LATE;
        }
        if (seen.state == LEASE_LATE && judge) {
            rc = look_at_note(f, worker, s.mtime_ns, now, &seen.lease, &seen.state);
            if (rc < 0) {
                return err_sys(err, -rc, "cannot note that '%s' is late", path);
            }
        }
    }
    *out = seen;
    return TL_OK;
}

struct walk {
    const char *name; /* of the journal, with the mark */
    size_t n;
    int (*each)(void *ctx, const char *worker);
    void *ctx;
    int rc; /* of each */
};

static int walk_name(const char *name, void *ctx)
{
    struct walk *w = ctx;
    char worker[256];
    if (strncmp(name, w->name, w->n) != 0 || !worker_of(name + w->n, worker, sizeof worker)) {
        return 0;
    }
    w->rc = w->each(w->ctx, worker);
    return w->rc != 0;
}

static int lease_each(struct backend *b, int (*each)(void *ctx, const char *worker), void *ctx, struct tl_err *err)
{
    const struct file *f = file_of(b);
    char path[PATH_LIMIT];
    name_of(f, "", "", path);
    char *slash = strrchr(path, '/');
    if (!slash) {
        return err_sys(err, ENAMETOOLONG, "cannot list the leases of '%s'", f->path);
    }
    struct walk w = {slash + 1, strlen(slash + 1), each, ctx, 0};
    *slash = 0;
    int rc = os->dir_list(slash == path ? "/" : path, walk_name, &w);
    return rc < 0 ? err_sys(err, -rc, "cannot list folder '%s'", path) : w.rc;
}

const struct lease_ops file_leases = {
    .take = lease_take,
    .renew = lease_renew,
    .now = lease_now,
    .look = lease_look,
    .drop = lease_drop,
    .each = lease_each,
};
