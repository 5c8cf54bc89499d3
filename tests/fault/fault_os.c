/* SPDX-License-Identifier: MIT
 *
 * The failing table; see fault_os.h. One thread uses it at a time, but for flushes that several threads wait for.
 */
#include "fault_os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define X(entry, ...) [FAULT_##entry] = #entry,
const char *const fault_names[FAULT_N_KINDS] = {FAULT_KINDS(X)};
#undef X
#define X(entry, ...) [FAULT_##entry] = {__VA_ARGS__},
const int fault_errnos[FAULT_N_KINDS][5] = {FAULT_KINDS(X)};
#undef X

static struct fault_plan plan;
static long calls[FAULT_N_KINDS];
static bool fired, armed;
static int64_t skew;

/* The disk: the file's last flushed contents. */
static struct stat disk_file;
static bool disk_known;
static char *disk_bytes;
static size_t disk_size;

static bool fails(enum fault_kind kind)
{
    calls[kind]++;
    if (!armed || plan.kind != kind || plan.at == 0) {
        return false;
    }
    bool now = plan.sticky ? calls[kind] >= plan.at : calls[kind] == plan.at;
    fired = fired || now;
    return now;
}

/* ---- the disk ---- */

static bool is_disk_file(int fd)
{
    struct stat s;
    return disk_known && fstat(fd, &s) == 0 && s.st_ino == disk_file.st_ino && s.st_dev == disk_file.st_dev;
}

static void disk_take(int fd)
{
    struct stat s;
    if (fstat(fd, &s) != 0) {
        return;
    }
    free(disk_bytes);
    disk_size = (size_t)s.st_size;
    disk_bytes = malloc(disk_size + 1);
    if (!disk_bytes || pread(fd, disk_bytes, disk_size, 0) != (ssize_t)disk_size) {
        abort();
    }
}

void fault_disk_has(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        disk_known = fstat(fd, &disk_file) == 0;
        disk_take(fd);
        close(fd);
    }
}

static void disk_forgets(int fd)
{
    char path[40];
    struct stat s;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int to = open(path, O_RDWR | O_CLOEXEC); /* not appending */
    if (to < 0 || fstat(to, &s) != 0) {
        abort();
    }
    if (plan.disk == FAULT_DISK_CUTS) {
        if (ftruncate(to, (off_t)disk_size) != 0) {
            abort();
        }
    } else {
        for (off_t at = (off_t)disk_size; at < s.st_size; at++) {
            if (pwrite(to, "", 1, at) != 1) {
                abort();
            }
        }
    }
    close(to);
}

/* ---- entries ---- */

#define FAIL_OR(kind, call)                                                                                  \
    do {                                                                                                     \
        if (fails(FAULT_##kind)) {                                                                           \
            if (plan.effect == FAULT_ALL) {                                                                  \
                (void)(call);                                                                                \
            }                                                                                                \
            return -plan.sys;                                                                                \
        }                                                                                                    \
        return (call);                                                                                       \
    } while (0)

static int f_open(const char *path, int flags, uint32_t mode)
{
    if (fails(FAULT_open)) {
        if (plan.effect == FAULT_ALL && (flags & O_CREAT)) { /* the file is made, the answer is lost */
            int fd = os_system.open(path, flags, mode);
            if (fd >= 0) {
                os_system.close(fd);
            }
        }
        return -plan.sys;
    }
    return os_system.open(path, flags & ~O_DSYNC, mode); /* the real disk need not be bothered */
}

static int f_close(int fd)
{
    int rc = os_system.close(fd); /* gone in any case */
    return fails(FAULT_close) ? -plan.sys : rc;
}

static int64_t f_read(int fd, void *bytes, size_t n)
{
    if (fails(FAULT_read)) {
        return plan.effect == FAULT_SHORT ? os_system.read(fd, bytes, n > 1 ? n / 2 : n) : -plan.sys;
    }
    return os_system.read(fd, bytes, n);
}

static int64_t f_pread(int fd, void *bytes, size_t n, uint64_t offset)
{
    if (fails(FAULT_pread)) {
        return plan.effect == FAULT_SHORT ? os_system.pread(fd, bytes, n > 1 ? n / 2 : n, offset) : -plan.sys;
    }
    return os_system.pread(fd, bytes, n, offset);
}

static int64_t f_write(int fd, const void *bytes, size_t n)
{
    if (!fails(FAULT_write)) {
        return os_system.write(fd, bytes, n);
    }
    switch (plan.effect) {
    case FAULT_SHORT: return os_system.write(fd, bytes, n > 1 ? n / 2 : n);
    case FAULT_HALF: (void)os_system.write(fd, bytes, n / 2); return -plan.sys;
    case FAULT_ALL: (void)os_system.write(fd, bytes, n); return -plan.sys;
    default: return -plan.sys;
    }
}

static int f_sync(int fd, bool data_only)
{
    (void)data_only;
    bool ours = is_disk_file(fd);
    if (fails(FAULT_sync)) {
        if (ours && plan.disk != FAULT_DISK_KEEPS) {
            disk_forgets(fd);
        }
        return -plan.sys;
    }
    if (ours) {
        disk_take(fd);
    }
    return 0;
}

static int f_truncate(int fd, uint64_t size)
{
    FAIL_OR(truncate, os_system.truncate(fd, size));
}

static int f_stat(const char *path, bool follow, struct os_stat *out)
{
    if (fails(FAULT_stat)) {
        return -plan.sys;
    }
    return os_system.stat(path, follow, out);
}

static int f_fstat(int fd, struct os_stat *out)
{
    if (fails(FAULT_fstat)) {
        return -plan.sys;
    }
    return os_system.fstat(fd, out);
}

static int f_rename(const char *from, const char *to)
{
    FAIL_OR(rename, os_system.rename(from, to));
}

static int f_rename_new(const char *from, const char *to)
{
    FAIL_OR(rename_new, os_system.rename_new(from, to));
}

static int f_link(const char *from, const char *to)
{
    FAIL_OR(link, os_system.link(from, to));
}

static int f_symlink(const char *target, const char *path)
{
    FAIL_OR(symlink, os_system.symlink(target, path));
}

static int64_t f_readlink(const char *path, char *out, size_t n)
{
    if (fails(FAULT_readlink)) {
        return -plan.sys;
    }
    return os_system.readlink(path, out, n);
}

static int f_unlink(const char *path)
{
    FAIL_OR(unlink, os_system.unlink(path));
}

static int f_touch(const char *path)
{
    FAIL_OR(touch, os_system.touch(path));
}

static int f_dir_list(const char *path, int (*each)(const char *name, void *ctx), void *ctx)
{
    if (fails(FAULT_dir_list)) {
        return -plan.sys;
    }
    return os_system.dir_list(path, each, ctx);
}

static int f_lock(int fd, enum os_lock what, enum os_range range)
{
    int sys = plan.sys == ENOLCK ? ENOSYS : plan.sys; /* as os.c says it */
    if (fails(FAULT_lock)) {
        if (plan.effect == FAULT_ALL) {
            (void)os_system.lock(fd, what, range);
        }
        return -sys;
    }
    return os_system.lock(fd, what, range);
}

static int f_fs_info(const char *path, struct os_fs_info *out)
{
    if (fails(FAULT_fs_info)) {
        return -plan.sys;
    }
    int rc = os_system.fs_info(path, out);
    if (rc == 0 && plan.network) {
        *out = (struct os_fs_info){.kind = OS_FS_NFS, .locks_shared = true};
    }
    return rc;
}

static int64_t f_realpath(const char *path, char *out, size_t n)
{
    if (fails(FAULT_realpath)) {
        return -plan.sys;
    }
    return os_system.realpath(path, out, n);
}

static int f_fadvise_drop(int fd)
{
    FAIL_OR(fadvise_drop, os_system.fadvise_drop(fd));
}

static int f_random(void *bytes, size_t n)
{
    FAIL_OR(random, os_system.random(bytes, n));
}

static int f_hostname(char *out, size_t n)
{
    FAIL_OR(hostname, os_system.hostname(out, n));
}

static int f_boot_id(char *out, size_t n)
{
    FAIL_OR(boot_id, os_system.boot_id(out, n));
}

static int f_process_start(int64_t pid, uint64_t *ticks)
{
    if (fails(FAULT_process_start)) {
        return -plan.sys;
    }
    return os_system.process_start(pid, ticks);
}

static int64_t f_monotonic_ns(void)
{
    return os_system.monotonic_ns() + skew;
}

static int64_t f_boottime_ns(void)
{
    return os_system.boottime_ns() + skew;
}

static void f_sleep_ns(int64_t ns)
{
    skew += ns;
}

/* Time is played here, and a word in shared memory is waited for in real time. */
static int f_share(int fd, size_t n, void **out)
{
    (void)fd;
    (void)n;
    (void)out;
    return -ENODEV;
}

static struct os_table table;

void fault_begin(const struct fault_plan *with, const char *path)
{
    plan = *with;
    memset(calls, 0, sizeof calls);
    fired = false;
    armed = true;
    skew = 0;
    disk_known = false;
    disk_size = 0;
    fault_disk_has(path);
    table = os_system;
#define X(entry, ...) table.entry = f_##entry;
    FAULT_KINDS(X)
#undef X
    table.monotonic_ns = f_monotonic_ns;
    table.boottime_ns = f_boottime_ns;
    table.sleep_ns = f_sleep_ns;
    table.share = f_share;
    os_use(&table);
}

void fault_disarm(void)
{
    armed = false;
}

void fault_end(void)
{
    os_use(NULL);
    free(disk_bytes);
    disk_bytes = NULL;
}

bool fault_fired(void)
{
    return fired;
}

long fault_calls(enum fault_kind kind)
{
    return calls[kind];
}
