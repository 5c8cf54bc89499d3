/* SPDX-License-Identifier: MIT
 *
 * The table of system calls: Linux with glibc or musl.
 *
 * Happy path: one call. Failure: the negated errno; EINTR is never seen by a caller, except that close reports success after it
 * (the descriptor is gone on Linux, and trying again might close somebody else's). Invariants: descriptors are close-on-exec;
 * no call here waits for a lock; nothing is kept between calls but the pointer `os`.
 */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* One call, again when a signal came in between. */
#define RETRY(result, call)                                                                                  \
    do {                                                                                                     \
        (result) = (call);                                                                                   \
    } while ((result) == -1 && errno == EINTR)

static int code_of(int rc)
{
    return rc == -1 ? -errno : rc;
}

static int64_t count_of(ssize_t n)
{
    return n == -1 ? -errno : n;
}

/* ---- descriptors ---- */

static int sys_open(const char *path, int flags, uint32_t mode)
{
    int fd;
    RETRY(fd, open(path, flags | O_CLOEXEC, (mode_t)mode));
    return code_of(fd);
}

static int sys_close(int fd)
{
    int rc = close(fd);
    return rc == -1 && errno == EINTR ? 0 : code_of(rc);
}

static int64_t sys_read(int fd, void *bytes, size_t n)
{
    ssize_t got;
    RETRY(got, read(fd, bytes, n));
    return count_of(got);
}

static int64_t sys_pread(int fd, void *bytes, size_t n, uint64_t offset)
{
    ssize_t got;
    RETRY(got, pread(fd, bytes, n, (off_t)offset));
    return count_of(got);
}

static int64_t sys_write(int fd, const void *bytes, size_t n)
{
    ssize_t put;
    RETRY(put, write(fd, bytes, n));
    return count_of(put);
}

static int sys_sync(int fd, bool data_only)
{
    int rc;
    RETRY(rc, data_only ? fdatasync(fd) : fsync(fd));
    return code_of(rc);
}

static int sys_truncate(int fd, uint64_t size)
{
    int rc;
    RETRY(rc, ftruncate(fd, (off_t)size));
    return code_of(rc);
}

static void fill_stat(const struct stat *s, struct os_stat *out)
{
    *out = (struct os_stat){
        .dev = (uint64_t)s->st_dev,
        .ino = (uint64_t)s->st_ino,
        .size = (uint64_t)s->st_size,
        .nlink = (uint64_t)s->st_nlink,
        .mtime_ns = (int64_t)s->st_mtim.tv_sec * 1000000000 + s->st_mtim.tv_nsec,
        .changed_ns = (int64_t)s->st_ctim.tv_sec * 1000000000 + s->st_ctim.tv_nsec,
        .mode = (uint32_t)(s->st_mode & 07777),
        .uid = (uint32_t)s->st_uid,
        .is_link = S_ISLNK(s->st_mode),
        .is_dir = S_ISDIR(s->st_mode),
        .is_file = S_ISREG(s->st_mode),
    };
}

static int sys_stat(const char *path, bool follow, struct os_stat *out)
{
    struct stat s;
    int rc = fstatat(AT_FDCWD, path, &s, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    if (rc == -1) {
        return -errno;
    }
    fill_stat(&s, out);
    return 0;
}

static int sys_fstat(int fd, struct os_stat *out)
{
    struct stat s;
    if (fstat(fd, &s) == -1) {
        return -errno;
    }
    fill_stat(&s, out);
    return 0;
}

static int sys_fadvise_drop(int fd)
{
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* ---- shared memory ---- */

static int sys_share(int fd, size_t n, void **out)
{
    void *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        return -errno;
    }
    *out = at;
    return 0;
}

static int sys_unshare(void *at, size_t n)
{
    return code_of(munmap(at, n));
}

static int sys_wait_word(atomic_uint *word, uint32_t seen, int64_t ns)
{
#if LONG_MAX < INT64_MAX
    (void)word;
    (void)seen;
    (void)ns;
    return -ENOSYS; /* this call's struct timespec is not always the C library's */
#else
    struct timespec most = {ns / 1000000000, ns % 1000000000};
    long rc = syscall(SYS_futex, word, FUTEX_WAIT, seen, &most, NULL, 0);
    return rc == -1 && errno != ETIMEDOUT && errno != EAGAIN && errno != EINTR ? -errno : 0;
#endif
}

static void sys_wake_word(atomic_uint *word, bool all)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, all ? INT_MAX : 1, NULL, NULL, 0);
}

/* ---- names ---- */

static int sys_rename(const char *from, const char *to)
{
    return code_of(rename(from, to));
}

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1u
#endif

static int sys_rename_new(const char *from, const char *to)
{
    return code_of((int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
}

static int sys_link(const char *from, const char *to)
{
    return code_of(linkat(AT_FDCWD, from, AT_FDCWD, to, 0));
}

static int sys_symlink(const char *target, const char *path)
{
    return code_of(symlink(target, path));
}

static int64_t sys_readlink(const char *path, char *out, size_t n)
{
    return count_of(readlink(path, out, n));
}

static int sys_unlink(const char *path)
{
    return code_of(unlink(path));
}

static int sys_touch(const char *path)
{
    return code_of(utimensat(AT_FDCWD, path, NULL, 0));
}

static int sys_dir_list(const char *path, int (*each)(const char *name, void *ctx), void *ctx)
{
    DIR *dir = opendir(path);
    if (!dir) {
        return -errno;
    }
    int rc = 0;
    while (rc == 0) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            rc = -errno; /* 0 at the end */
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            rc = each(entry->d_name, ctx);
        }
    }
    closedir(dir);
    return rc;
}

static int64_t sys_realpath(const char *path, char *out, size_t n)
{
    char resolved[PATH_MAX];
    if (!realpath(path, resolved)) {
        return -errno;
    }
    size_t length = strlen(resolved);
    if (length >= n) {
        return -ENAMETOOLONG;
    }
    memcpy(out, resolved, length + 1);
    return (int64_t)length;
}

/* ---- locks and file systems ---- */

/* The gate lies behind the largest offset that any file system gives to data, so that the journal's range ends before it. */
#define GATE_AT (INT64_C(1) << 62)

static int sys_lock(int fd, enum os_lock what, enum os_range range)
{
    struct flock lock = {
        .l_type = what == OS_LOCK_TRY ? F_WRLCK : what == OS_LOCK_TRY_SHARED ? F_RDLCK : F_UNLCK,
        .l_whence = SEEK_SET,
        .l_start = range == OS_RANGE_GATE ? GATE_AT : 0,
        .l_len = range == OS_RANGE_GATE ? 1 : range == OS_RANGE_JOURNAL ? GATE_AT : GATE_AT + 1,
    };
    int rc;
    RETRY(rc, fcntl(fd, F_OFD_SETLK, &lock));
    if (rc == 0) {
        return 0;
    }
    switch (errno) {
    case EACCES:
    case EAGAIN: return -EAGAIN;
    case EINVAL: /* a kernel without open-file-description locks */
    case EOPNOTSUPP:
    case ENOLCK:
    case ENOSYS: return -ENOSYS;
    default: return -errno;
    }
}

/* Magic numbers of statfs(2) for what is not local; <linux/magic.h> has only some of them. */
static const struct {
    uint32_t magic;
    enum os_fs kind;
} network_systems[] = {
    {0x6969, OS_FS_NFS},
    {0x0bd00bd0, OS_FS_LUSTRE},
    {0xff534d42, OS_FS_SMB},           /* cifs */
    {0xfe534d42, OS_FS_SMB},           /* smb2 */
    {0x517b, OS_FS_SMB},
    {0x65735546, OS_FS_FUSE},
    {0x01021997, OS_FS_OTHER_NETWORK}, /* 9p */
    {0x00c36400, OS_FS_OTHER_NETWORK}, /* ceph */
    {0x5346414f, OS_FS_OTHER_NETWORK}, /* afs */
    {0x6b414653, OS_FS_OTHER_NETWORK}, /* kafs */
    {0x47504653, OS_FS_OTHER_NETWORK}, /* gpfs */
    {0x19830326, OS_FS_OTHER_NETWORK}, /* beegfs */
    {0x01161970, OS_FS_OTHER_NETWORK}, /* gfs2 */
    {0x7461636f, OS_FS_OTHER_NETWORK}, /* ocfs2 */
    {0x73757245, OS_FS_OTHER_NETWORK}, /* coda */
    {0x786f4256, OS_FS_OTHER_NETWORK}, /* vboxsf */
};

static bool option_is_set(const char *options, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = options; (p = strstr(p, name)) != NULL; p += n) {
        if ((p == options || p[-1] == ',' || p[-1] == ' ') && (p[n] == 0 || p[n] == ',' || p[n] == ' ' || p[n] == '\n')) {
            return true;
        }
    }
    return false;
}

/* Options that keep locks on this host, per kind. */
static bool options_share_locks(enum os_fs kind, const char *options)
{
    switch (kind) {
    case OS_FS_NFS:
        return !option_is_set(options, "nolock") && !option_is_set(options, "local_lock=all") &&
               !option_is_set(options, "local_lock=posix");
    case OS_FS_LUSTRE: return option_is_set(options, "flock");
    case OS_FS_SMB: return !option_is_set(options, "nobrl") && !option_is_set(options, "forcemandatorylock");
    default: return false;
    }
}

/* Finds the mount by its device number in /proc/self/mountinfo: "36 35 98:0 /root /mount OPTIONS … - TYPE SOURCE OPTIONS". */
static bool locks_are_shared(enum os_fs kind, dev_t dev)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    if (!mounts) {
        return false;
    }
    char line[4096], device[32];
    snprintf(device, sizeof device, " %u:%u ", major(dev), minor(dev));
    bool shared = false;
    while (fgets(line, sizeof line, mounts)) {
        const char *super = strstr(line, device) ? strstr(line, " - ") : NULL;
        if (super) {
            shared = options_share_locks(kind, super);
        }
    }
    fclose(mounts);
    return shared;
}

static int sys_fs_info(const char *path, struct os_fs_info *out)
{
    struct statfs fs;
    struct stat s;
    int rc;
    RETRY(rc, statfs(path, &fs));
    if (rc == -1 || stat(path, &s) == -1) {
        return -errno;
    }
    *out = (struct os_fs_info){.kind = OS_FS_LOCAL, .locks_shared = true};
    for (size_t i = 0; i < TL_COUNT(network_systems); i++) {
        if ((uint32_t)fs.f_type == network_systems[i].magic) {
            out->kind = network_systems[i].kind;
            out->locks_shared = locks_are_shared(out->kind, s.st_dev);
        }
    }
    return 0;
}

/* ---- clocks, chance, processes ---- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0, 0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t sys_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t sys_boottime_ns(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

static int64_t sys_realtime_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000;
}

static void sys_sleep_ns(int64_t ns)
{
    if (ns <= 0) {
        sched_yield();
        return;
    }
    struct timespec left = {ns / 1000000000, ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

static int sys_random(void *bytes, size_t n)
{
    char *p = bytes;
    while (n > 0) {
        ssize_t got;
        RETRY(got, getrandom(p, n, 0));
        if (got == -1) {
            return -errno;
        }
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

static int sys_hostname(char *out, size_t n)
{
    if (n == 0) {
        return -EINVAL;
    }
    char name[HOST_NAME_MAX + 1];
    if (gethostname(name, sizeof name) == -1) {
        return -errno;
    }
    name[sizeof name - 1] = 0;
    size_t length = strlen(name);
    if (length >= n) {
        length = n - 1;
    }
    memcpy(out, name, length);
    out[length] = 0;
    return 0;
}

/* Reads a small file whole; the text is terminated. */
static int64_t read_small(const char *path, char *out, size_t n)
{
    int fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    int64_t got = sys_read(fd, out, n - 1);
    sys_close(fd);
    if (got >= 0) {
        out[got] = 0;
    }
    return got;
}

static int sys_boot_id(char *out, size_t n)
{
    static const char *const spaces[] = {"/proc/self/ns/pid", "/proc/self/ns/time"}; /* start times are told by the latter's clock */
    char boot[64], text[64], pid[24];
    int64_t got = read_small("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    if (got < 0) {
        return (int)got;
    }
    boot[strcspn(boot, "\n")] = 0;
    got = sys_readlink("/proc/self", text, sizeof text - 1);
    text[got < 0 ? 0 : got] = 0;
    snprintf(pid, sizeof pid, "%lld", (long long)getpid());
    if (strcmp(text, pid) != 0) {
        return -ENOSYS; /* this /proc is of another namespace: what it says of a process id is of another process */
    }
    size_t used = (size_t)snprintf(out, n, "%s", boot);
    for (size_t i = 0; i < TL_COUNT(spaces) && used < n; i++) {
        got = sys_readlink(spaces[i], text, sizeof text - 1);
        text[got < 0 ? 0 : got] = 0;
        used += (size_t)snprintf(out + used, n - used, " %s", text);
    }
    return used < n ? 0 : -ENAMETOOLONG;
}

static int64_t sys_pid(void)
{
    return getpid();
}

static uint32_t sys_uid(void)
{
    return (uint32_t)geteuid();
}

/* The field that comes so many behind the one at `p`; NULL: there are not so many. */
static const char *stat_field(const char *p, int behind)
{
    while (p && behind-- > 0) {
        p = strchr(p, ' ');
        p = p ? p + 1 : NULL;
    }
    return p;
}

/* /proc/PID/stat: "PID (NAME) STATE …", NAME may hold anything; the number of threads is the 17th field after the state, the start time
 * the 19th. A process whose first thread has ended looks like a zombie as long as others run. */
static int sys_process_start(int64_t pid, uint64_t *ticks)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    if (read_small(path, text, sizeof text) <= 0) {
        int rc = pid > 0 && pid <= INT_MAX ? kill((pid_t)pid, 0) : -1;
        return rc == -1 && (pid <= 0 || pid > INT_MAX || errno == ESRCH) ? -ESRCH : -ENOSYS;
    }
    const char *p = strrchr(text, ')');
    if (!p || p[1] != ' ') {
        return -ENOSYS;
    }
    p += 2;
    const char *threads = stat_field(p, 17);
    bool ended = *p == 'X' || (*p == 'Z' && (!threads || (threads[0] <= '1' && threads[1] == ' ')));
    p = stat_field(p, 19);
    if (ended || !p) {
        return ended ? -ESRCH : -ENOSYS;
    }
    uint64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
    }
    *ticks = value;
    return 0;
}

static const char *sys_env(const char *name)
{
    return getenv(name);
}

/* ---- sockets ---- */

static int sys_poll(int fd, enum os_ready what, int64_t timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = (short)((what & OS_READABLE ? POLLIN : 0) | (what & OS_WRITABLE ? POLLOUT : 0))};
    int64_t deadline = sys_monotonic_ns() + timeout_ms * 1000000;
    for (;;) {
        int rc = poll(&p, 1, timeout_ms > INT_MAX ? INT_MAX : timeout_ms < 0 ? 0 : (int)timeout_ms);
        if (rc != -1 || errno != EINTR) {
            return rc > 0 ? 1 : code_of(rc);
        }
        timeout_ms = (deadline - sys_monotonic_ns()) / 1000000;
    }
}

#define CONNECT_SLICE_MS 50 /* how often connecting may be cancelled */

/* How long a connection may take. */
struct patience {
    int64_t deadline_ns;
    bool (*cancelled)(void *ctx); /* NULL: never */
    void *ctx;
};

/* Waits until an attempt to connect has come to an end: 1; -ETIMEDOUT, -ECANCELED. */
static int wait_connected(int fd, const struct patience *p)
{
    for (;;) {
        int64_t left = (p->deadline_ns - sys_monotonic_ns()) / 1000000;
        int rc = sys_poll(fd, OS_WRITABLE, left < CONNECT_SLICE_MS ? left : CONNECT_SLICE_MS);
        if (rc != 0) {
            return rc;
        }
        if (left < CONNECT_SLICE_MS) {
            return -ETIMEDOUT;
        }
        if (p->cancelled && p->cancelled(p->ctx)) {
            return -ECANCELED;
        }
    }
}

/* One address. */
static int connect_one(const struct sockaddr *to, socklen_t n, const struct patience *p)
{
    int yes = 1, error = 0;
    socklen_t size = sizeof error;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return -errno;
    }
    if (to->sa_family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    }
    int rc = code_of(connect(fd, to, n));
    if (rc == -EINPROGRESS || rc == -EINTR) {
        rc = wait_connected(fd, p);
        if (rc == 1) {
            rc = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 ? -errno : -error;
        }
    }
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    return fd;
}

static int connect_path(const char *path, const struct patience *p)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof to.sun_path) {
        return -ENAMETOOLONG;
    }
    memcpy(to.sun_path, path, n + 1);
    return connect_one((const struct sockaddr *)&to, sizeof to, p);
}

static int sys_connect(const struct os_address *to, int64_t timeout_ms, bool (*cancelled)(void *ctx), void *ctx)
{
    struct patience p = {sys_monotonic_ns() + timeout_ms * 1000000, cancelled, ctx};
    if (to->path) {
        return connect_path(to->path, &p);
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)to->port);
    int rc = getaddrinfo(to->host, port, &hints, &found);
    if (rc != 0) {
        return rc == EAI_SYSTEM ? -errno : rc == EAI_MEMORY ? -ENOMEM : rc == EAI_AGAIN ? -EAGAIN : -ENXIO;
    }
    int fd = -ENXIO;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        fd = sys_monotonic_ns() > p.deadline_ns ? -ETIMEDOUT : connect_one(a->ai_addr, a->ai_addrlen, &p);
        if (fd >= 0 || fd == -ETIMEDOUT || fd == -ECANCELED) {
            break;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static int64_t sys_send(int fd, const void *bytes, size_t n)
{
    ssize_t put;
    RETRY(put, send(fd, bytes, n, MSG_NOSIGNAL));
    return count_of(put);
}

static int64_t sys_recv(int fd, void *bytes, size_t n)
{
    ssize_t got;
    RETRY(got, recv(fd, bytes, n, 0));
    return count_of(got);
}

const struct os_table os_system = {
    .open = sys_open,
    .close = sys_close,
    .read = sys_read,
    .pread = sys_pread,
    .write = sys_write,
    .sync = sys_sync,
    .truncate = sys_truncate,
    .stat = sys_stat,
    .fstat = sys_fstat,
    .rename = sys_rename,
    .rename_new = sys_rename_new,
    .link = sys_link,
    .symlink = sys_symlink,
    .readlink = sys_readlink,
    .unlink = sys_unlink,
    .touch = sys_touch,
    .dir_list = sys_dir_list,
    .lock = sys_lock,
    .fs_info = sys_fs_info,
    .realpath = sys_realpath,
    .fadvise_drop = sys_fadvise_drop,
    .connect = sys_connect,
    .send = sys_send,
    .recv = sys_recv,
    .poll = sys_poll,
    .share = sys_share,
    .unshare = sys_unshare,
    .wait_word = sys_wait_word,
    .wake_word = sys_wake_word,
    .monotonic_ns = sys_monotonic_ns,
    .boottime_ns = sys_boottime_ns,
    .realtime_us = sys_realtime_us,
    .sleep_ns = sys_sleep_ns,
    .random = sys_random,
    .hostname = sys_hostname,
    .boot_id = sys_boot_id,
    .pid = sys_pid,
    .uid = sys_uid,
    .process_start = sys_process_start,
    .env = sys_env,
};

const struct os_table *os = &os_system;

void os_use(const struct os_table *table)
{
    os = table ? table : &os_system;
}
