/* SPDX-License-Identifier: MIT
 *
 * Every system call that the library makes, in one replaceable table. os.c is the only file that calls the system;
 * a test compares the library's undefined symbols with that promise. EINTR is handled in os.c and nowhere else.
 *
 * Each entry returns what the call returns, or -1 with the errno negated: -ENOSPC. (No caller looks at errno.)
 */
#ifndef TL_OS_H
#define TL_OS_H

#include "base/base.h"

#include <stdatomic.h>
#include <sys/types.h>

struct os_stat {
    uint64_t dev, ino, size, nlink;
    int64_t mtime_ns, changed_ns; /* contents; contents, names or mode: by the file system's clock */
    uint32_t mode, uid;
    bool is_link, is_dir, is_file;
};

/* What kind of file system a path lies on. */
enum os_fs { OS_FS_LOCAL, OS_FS_NFS, OS_FS_LUSTRE, OS_FS_SMB, OS_FS_FUSE, OS_FS_OTHER_NETWORK };
struct os_fs_info {
    enum os_fs kind;
    bool locks_shared; /* a kernel lock taken here is seen by every host that has the file system mounted */
};

enum os_lock { OS_LOCK_TRY, OS_LOCK_TRY_SHARED, OS_LOCK_RELEASE };
/* Which bytes a lock covers: the journal itself, the gate before it (one byte far behind any data), or both at once. */
enum os_range { OS_RANGE_JOURNAL, OS_RANGE_GATE, OS_RANGE_BOTH };

/* Where a server listens. */
struct os_address {
    const char *path; /* of a local socket; NULL: host and port count */
    const char *host; /* a name, or an IPv4 or IPv6 address */
    uint16_t port;
};
enum os_ready { OS_READABLE = 1, OS_WRITABLE = 2 };

struct os_table {
    int (*open)(const char *path, int flags, uint32_t mode);
    int (*close)(int fd); /* the descriptor is gone whatever it returns */
    int64_t (*read)(int fd, void *bytes, size_t n);
    int64_t (*pread)(int fd, void *bytes, size_t n, uint64_t offset);
    int64_t (*write)(int fd, const void *bytes, size_t n); /* may be short */
    int (*sync)(int fd, bool data_only);
    int (*truncate)(int fd, uint64_t size);
    int (*stat)(const char *path, bool follow, struct os_stat *out);
    int (*fstat)(int fd, struct os_stat *out);
    int (*rename)(const char *from, const char *to);
    int (*rename_new)(const char *from, const char *to); /* -EEXIST instead of replacing; -EINVAL or -ENOSYS: not here */
    int (*link)(const char *from, const char *to); /* a symbolic link is linked itself, not what it points to */
    int (*symlink)(const char *target, const char *path);
    int64_t (*readlink)(const char *path, char *out, size_t n); /* not terminated */
    int (*unlink)(const char *path);
    int (*touch)(const char *path); /* sets its time to now, by the file system's clock where it has one */
    int (*dir_list)(const char *path, int (*each)(const char *name, void *ctx), void *ctx); /* non-zero from each ends it */
    /* Open-file-description lock, exclusive unless shared; never waits: -EAGAIN when taken, -ENOSYS when the file system has none. */
    int (*lock)(int fd, enum os_lock what, enum os_range range);
    int (*fs_info)(const char *path, struct os_fs_info *out);
    int64_t (*realpath)(const char *path, char *out, size_t n); /* terminated; returns its length */
    int (*fadvise_drop)(int fd); /* forget cached pages that are clean */
    int (*share)(int fd, size_t n, void **out); /* maps the first n bytes of a file, shared with others */
    int (*unshare)(void *at, size_t n);
    /* Sleeps until a word in shared memory is woken, at most `ns`, and not at all when it does not hold `seen` any more: 0 in all
     * these cases. */
    int (*wait_word)(atomic_uint *word, uint32_t seen, int64_t ns);
    void (*wake_word)(atomic_uint *word, bool all); /* or one */

    /* A connected stream socket that never blocks and gives up on a peer that vanished. Names are looked up first, and that takes as
     * long as it takes; then every address is tried until the time is up, or until `cancelled`, asked every 50 ms, says so (-ECANCELED;
     * NULL: never). -ENXIO: there is no such host. */
    int (*connect)(const struct os_address *to, int64_t timeout_ms, bool (*cancelled)(void *ctx), void *ctx);
    int64_t (*send)(int fd, const void *bytes, size_t n); /* may be short; -EAGAIN: nothing fits now; no SIGPIPE */
    int64_t (*recv)(int fd, void *bytes, size_t n); /* 0: the peer closed; -EAGAIN: nothing there now */
    int (*poll)(int fd, enum os_ready what, int64_t timeout_ms); /* 1; 0: time is up */

    int64_t (*monotonic_ns)(void);
    int64_t (*boottime_ns)(void); /* goes on while the machine sleeps */
    int64_t (*realtime_us)(void);
    void (*sleep_ns)(int64_t ns); /* 0: lets others run */
    int (*random)(void *bytes, size_t n);
    int (*hostname)(char *out, size_t n); /* terminated, cut to n */
    /* Text naming this boot of the machine, and the namespaces that process ids and start times are of; terminated. -ENOSYS: they cannot be
     * told apart. */
    int (*boot_id)(char *out, size_t n);
    int64_t (*pid)(void);
    uint32_t (*uid)(void); /* the effective user */
    /* Start of a process, ticks since boot; -ESRCH when there is no such process (or only its remains, a zombie), -ENOSYS when
     * that cannot be known. */
    int (*process_start)(int64_t pid, uint64_t *ticks);
    const char *(*env)(const char *name);
};

/* The table in use: the system's own unless a test put another one there. Read it afresh at each call. */
extern const struct os_table *os;
extern const struct os_table os_system;
void os_use(const struct os_table *table); /* NULL: the system's own */

#endif
