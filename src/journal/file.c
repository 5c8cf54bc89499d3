/* SPDX-License-Identifier: MIT
 *
 * The journal file: opening, closing, forking. README.md tells how processes share one.
 *
 * Happy path: the path is made absolute (the process may change its folder later), the file opened or made, its folder synced
 * while it is empty, the kind of file system looked up. Failure: what is no plain file, or has several names, is refused; a file
 * that may not be written is opened for reading and refuses appends. Invariants: a journal is never truncated, renamed or removed
 * here, except that a torn tail may be cut (file_append.c); no lock is held between calls.
 */
#include "journal/file.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/kinds.h"

#include <errno.h>
#include <fcntl.h>

#define PATH_LIMIT 4096
#define LOCAL_PROOF_NS (250 * INT64_C(1000000))
#define NETWORK_PROOF_NS (2000 * INT64_C(1000000))
#define OUT_MAX ((size_t)1 << 30)

/* ---- opening ---- */

int file_check_kind(const struct file *f, const struct os_stat *s, bool writing, struct tl_err *err)
{
    if (s->is_dir) {
        return err_set(err, TL_EINVAL, "'%s' is a folder, not a journal", f->path);
    }
    if (!s->is_file) {
        return err_set(err, TL_EINVAL, "'%s' is not a plain file", f->path);
    }
    if (writing && s->nlink > 1) {
        return err_set(err, TL_EUNSUPPORTED,
                       "journal '%s' has %llu names (hard links), and each would have a lock of its own: remove the other names, or "
                       "use symbolic links",
                       f->path, (unsigned long long)s->nlink);
    }
    return TL_OK;
}

/* A file system without it has nothing to sync. */
static int sync_folder(const struct file *f, struct tl_err *err)
{
    int fd = os->open(f->folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd == -EACCES ? TL_OK : err_sys(err, -fd, "cannot open folder '%s'", f->folder);
    }
    int rc = os->sync(fd, false);
    (void)os->close(fd);
    return rc == 0 || rc == -EINVAL || rc == -ENOTSUP ? TL_OK : err_sys(err, -rc, "cannot flush folder '%s'", f->folder);
}

int file_open_to_write(struct file *f, bool create, int *fd_out, struct os_stat *out, struct tl_err *err)
{
    int flags = O_RDWR | O_APPEND | O_NOCTTY | O_NONBLOCK, fd;
    if (f->network && f->flush.durability != TL_DURABILITY_OFF) {
        flags |= O_DSYNC;
    }
    for (int tries = 0;; tries++) {
        fd = os->open(f->path, flags, 0);
        if (fd != -ENOENT || !create || tries == 3) {
            break;
        }
        fd = os->open(f->path, flags | O_CREAT | O_EXCL, 0666); /* never truncates what another starter has made */
        if (fd != -EEXIST) {
            break;
        }
    }
    if (fd < 0) {
        if (fd == -ENOENT && f->known) {
            return err_set(err, TL_EUNAVAILABLE, "journal '%s' has vanished", f->path);
        }
        return err_sys(err, -fd, "cannot open journal '%s'", f->path);
    }
    int rc = os->fstat(fd, out);
    rc = rc < 0 ? err_sys(err, -rc, "cannot look at journal '%s'", f->path) : file_check_kind(f, out, true, err);
    /* While it is empty nothing has been acknowledged, so its name becomes durable before anything in it is. */
    if (rc == TL_OK && out->size == 0 && f->flush.durability != TL_DURABILITY_OFF) {
        rc = sync_folder(f, err);
    }
    if (rc != TL_OK) {
        (void)os->close(fd);
        return rc;
    }
    *fd_out = fd;
    return TL_OK;
}

int file_close_write(struct file *f)
{
    if (f->write_fd < 0) {
        return 0;
    }
    flush_use(&f->flush, -1);
    peers_close(&f->peers);
    int rc = os->close(f->write_fd);
    f->write_fd = -1;
    return rc;
}

static char *copy_joined(const char *folder, const char *name)
{
    size_t n = strlen(folder), m = strlen(name);
    char *path = mem_alloc(n + m + 2);
    if (path) {
        memcpy(path, folder, n);
        path[n] = '/';
        memcpy(path + n + (n > 1), name, m + 1); /* "/" + name */
    }
    return path;
}

/* Splits the path as given: the folder becomes absolute and free of links, the last part stays (locks lie beside that name). */
static int name_file(struct file *f, const char *given, struct tl_err *err)
{
    char folder[PATH_LIMIT], real[PATH_LIMIT];
    const char *slash = strrchr(given, '/'), *name = slash ? slash + 1 : given;
    size_t n = slash ? (size_t)(slash - given) : 0;
    if (*name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return err_set(err, TL_EINVAL, "'%s' does not name a file", given);
    }
    if (n >= sizeof folder) {
        return err_sys(err, ENAMETOOLONG, "cannot open journal '%.60s…'", given);
    }
    memcpy(folder, slash ? given : ".", slash ? n : 1);
    folder[slash ? n : 1] = 0;
    int64_t got = os->realpath(slash && n == 0 ? "/" : folder, real, sizeof real);
    if (got < 0) {
        return err_sys(err, (int)-got, "cannot open journal '%s'", given);
    }
    f->folder = mem_dup(real, (size_t)got);
    f->path = copy_joined(real, name);
    return f->folder && f->path ? TL_OK : err_nomem(err);
}

/* The lock file lies beside the path as given (Optuna's rule) and, when that is a symbolic link, beside the file itself too. */
static int init_owner(struct file *f, const struct tl_storage_options *options, struct tl_err *err)
{
    char real[PATH_LIMIT];
    const char *paths[2] = {f->path, real};
    unsigned n = 1;
    struct os_stat s;
    int rc = os->stat(f->path, false, &s);
    if (rc == 0 && s.is_link) {
        int64_t got = os->realpath(f->path, real, sizeof real);
        if (got < 0) {
            return err_sys(err, (int)-got, "cannot follow the link '%s'", f->path);
        }
        n = strcmp(real, f->path) != 0 ? 2 : 1;
    }
    int64_t grace_ms = options->grace_ms == 0 ? 30000 : options->grace_ms < 3000 ? 3000 : options->grace_ms;
    return owner_init(&f->lock.owner, paths, n, grace_ms, f->log, err);
}

/* What the file system can do. Unknown means: be careful. */
static void look_at_file_system(struct file *f, bool *locks_shared)
{
    struct os_fs_info info = {.kind = OS_FS_OTHER_NETWORK};
    if (os->fs_info(f->path, &info) < 0) {
        (void)os->fs_info(f->folder, &info); /* the journal is still to be made */
    }
    f->network = f->flush.written_through = f->lock.network = info.kind != OS_FS_LOCAL;
    *locks_shared = info.kind == OS_FS_LOCAL || info.locks_shared;
}

/* Leases lie beside the file itself, whatever name it was opened by. */
static int name_real(struct file *f, struct tl_err *err)
{
    char real[PATH_LIMIT];
    struct os_stat s;
    const char *path = f->path;
    if (os->stat(f->path, false, &s) == 0 && s.is_link && os->realpath(f->path, real, sizeof real) > 0) {
        path = real;
    }
    f->real = mem_dup(path, strlen(path));
    return f->real ? TL_OK : err_nomem(err);
}

static int open_for_writing(struct file *f, const struct tl_storage_options *options, bool locks_shared, struct tl_err *err)
{
    int fd = -1;
    struct os_stat s;
    int rc = file_open_to_write(f, !options->must_exist, &fd, &s, err);
    if (rc == TL_EACCESS) {
        /* Not ours to write; perhaps ours to read. */
        struct tl_err why = TL_ERR_INIT;
        f->read_only = file_open_to_read(f, &s, &why) == TL_OK;
        return f->read_only ? TL_OK : rc;
    }
    if (rc != TL_OK) {
        return rc;
    }
    f->lock.owner.local = !f->network;
    f->lock.owner.proof_ns = !locks_shared ? 0 : f->network ? NETWORK_PROOF_NS : LOCAL_PROOF_NS;
    if (f->network) {
        file_lock_probe(&f->lock, fd);
        (void)os->close(fd);
        log_emit(f->log, LOG_FILE_SYSTEM, "'%s' lies on a network file system%s", f->path,
                 !f->lock.kernel ? " without kernel locks: only the lock file excludes others"
                 : locks_shared  ? ""
                                 : " whose kernel locks may not reach other hosts");
    } else {
        f->write_fd = fd;
        f->write_stat = s;
        flush_use(&f->flush, fd);
        peers_use(&f->peers, s.dev, s.ino);
    }
    return options->lock != TL_LOCK_KERNEL ? init_owner(f, options, err) : TL_OK;
}

static bool tick(void *ctx)
{
    struct file *f = ctx;
    owner_beat(&f->lock.owner);
    bool dirty = flush_when_due(&f->flush);
    return dirty || atomic_load(&f->lock.owner.held);
}

static void release(struct file *f)
{
    keeper_release(&f->keeper);
    (void)file_close_write(f); /* flushes what relaxed durability has put off */
    if (f->read_fd >= 0) {
        (void)os->close(f->read_fd);
    }
    owner_close(&f->lock.owner);
    flush_release(&f->flush);
    pthread_mutex_destroy(&f->guard);
    buf_release(&f->out);
    if (f->slice) {
        mem_free(f->slice - FILE_TAIL);
    }
    mem_free(f->path);
    mem_free(f->real);
    mem_free(f->folder);
    mem_free(f);
}

static void file_close(struct backend *b)
{
    release(file_of(b));
}

static int file_flush(struct backend *b, uint64_t token, struct tl_err *err)
{
    return flush_wait(&file_of(b)->flush, token, err);
}

/* The child shares descriptions with the parent: closing its copies leaves the parent's locks alone, unlocking would not. */
static void file_forked(struct backend *b)
{
    struct file *f = file_of(b);
    if (f->write_fd >= 0) {
        (void)os->close(f->write_fd);
    }
    if (f->read_fd >= 0) {
        (void)os->close(f->read_fd);
    }
    f->write_fd = f->read_fd = -1;
    pthread_mutex_init(&f->guard, NULL);
    flush_forked(&f->flush);
    peers_forked(&f->peers);
    keeper_forked(&f->keeper);
    if (f->lock.with_owner && owner_forked(&f->lock.owner, NULL) != TL_OK) {
        flush_fence(&f->flush, ENOMEM); /* without a name of its own it must not lock */
    }
}

static void file_describe(struct backend *b, struct buf *out)
{
    const struct file *f = file_of(b);
    static const char *const levels[] = {"full", "relaxed", "off"};
    if (f->read_only) {
        buf_add_text(out, "locking=none read-only");
        return;
    }
    buf_printf(out, "locking=%s%s%s fence=%s durability=%s", f->lock.kernel ? "ofd" : "",
               f->lock.kernel && f->lock.with_owner ? "+" : "", f->lock.with_owner ? "file" : "",
               f->network && f->lock.kernel && f->lock.owner.proof_ns > 0 ? "server" : "none", levels[f->flush.durability]);
}

static const struct backend_ops file_ops = {
    .size = sizeof(struct backend_ops),
    .name = "file",
    .close = file_close,
    .read = file_read,
    .append = file_append,
    .flush = file_flush,
    .wait = file_wait,
    .restart = file_restart,
    .mark = file_mark,
    .snapshot_load = file_snapshot_load,
    .snapshot_save = file_snapshot_save,
    .forked = file_forked,
    .describe = file_describe,
    .leases = &file_leases,
};

int file_open(const char *path, const struct tl_storage_options *options, struct backend **out, struct tl_err *err)
{
    struct file *f = mem_zalloc(1, sizeof *f);
    if (!f) {
        return err_nomem(err);
    }
    f->base.ops = &file_ops;
    f->read_only = options->read_only;
    f->log = options->log;
    f->cancelled = options->cancelled;
    f->cancelled_ctx = options->cancelled_ctx;
    f->read_fd = f->write_fd = f->peers.fd = -1;
    f->out = (struct buf)BUF_INIT(OUT_MAX);
    f->lock = (struct file_lock){
        .with_owner = options->lock != TL_LOCK_KERNEL, .kernel = true, .peers = &f->peers, .log = options->log};
    pthread_mutex_init(&f->guard, NULL);
    keeper_init(&f->keeper, tick, f);
    flush_init(&f->flush, options->durability, false, "", options->log);
    f->flush.peers = &f->peers;
    int rc = name_file(f, path, err);
    if (rc == TL_OK) {
        struct os_stat s;
        bool locks_shared;
        f->flush.path = f->lock.path = f->path;
        look_at_file_system(f, &locks_shared);
        rc = f->read_only ? file_open_to_read(f, &s, err) : open_for_writing(f, options, locks_shared, err);
    }
    if (rc == TL_OK) {
        rc = name_real(f, err);
    }
    if (rc != TL_OK) {
        release(f);
        return rc;
    }
    *out = &f->base;
    return TL_OK;
}
