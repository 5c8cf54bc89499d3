/* SPDX-License-Identifier: MIT
 *
 * A table of system calls that works on real files until told to fail: the n-th call of a kind, once or from then on.
 *
 * Time is played: sleeping moves the clocks. The disk can forget: after an injected failure of a flush, what was written to the file
 * since its last flush is gone (cut off, or NULs), as ext4, XFS and Btrfs do when they mark pages clean that they could not write.
 */
#ifndef TEST_FAULT_OS_H
#define TEST_FAULT_OS_H

#include "base/os.h"

/* X(entry, errnos that it is swept with) */
#define FAULT_KINDS(X)                                                                                       \
    X(open, EIO, ENOSPC, EMFILE)                                                                             \
    X(close, EIO)                                                                                            \
    X(read, EIO)                                                                                             \
    X(pread, EIO)                                                                                            \
    X(write, EIO, ENOSPC, EDQUOT, EFBIG)                                                                     \
    X(sync, EIO, ENOSPC)                                                                                     \
    X(truncate, EIO)                                                                                         \
    X(stat, EIO, ESTALE)                                                                                     \
    X(fstat, EIO)                                                                                            \
    X(rename, EIO, ENOSPC)                                                                                   \
    X(rename_new, EIO, EINVAL)                                                                               \
    X(link, EIO, EPERM)                                                                                      \
    X(symlink, EIO, ENOSPC, EACCES)                                                                          \
    X(readlink, EIO)                                                                                         \
    X(unlink, EIO)                                                                                           \
    X(touch, EIO)                                                                                            \
    X(dir_list, EIO)                                                                                         \
    X(lock, EIO, ENOLCK)                                                                                     \
    X(fs_info, EIO)                                                                                          \
    X(realpath, EIO)                                                                                         \
    X(fadvise_drop, EIO)                                                                                     \
    X(random, EIO)                                                                                           \
    X(hostname, EIO)                                                                                         \
    X(boot_id, EIO)                                                                                          \
    X(process_start, EIO)

enum fault_kind {
#define X(entry, ...) FAULT_##entry,
    FAULT_KINDS(X)
#undef X
    FAULT_N_KINDS
};
extern const char *const fault_names[FAULT_N_KINDS];
extern const int fault_errnos[FAULT_N_KINDS][5]; /* ended by 0 */

/* How much of a failing call happens all the same. */
enum fault_effect {
    FAULT_NOTHING, /* it fails and did nothing */
    FAULT_HALF,    /* write: half of the bytes land, then the error */
    FAULT_ALL,     /* it did everything and reports an error: a lost reply */
    FAULT_SHORT,   /* read, pread, write: half as many bytes as asked for, no error */
    FAULT_N_EFFECTS
};
enum fault_disk { FAULT_DISK_KEEPS, FAULT_DISK_CUTS, FAULT_DISK_NULS };

struct fault_plan {
    enum fault_kind kind;
    long at; /* the call that fails, from 1; 0: none */
    int sys; /* errno */
    bool sticky;
    enum fault_effect effect;
    enum fault_disk disk;
    bool network; /* file systems say that they are NFS */
};

/* Puts the table in place, all counters at 0. `path`: the file that the disk may forget. */
void fault_begin(const struct fault_plan *plan, const char *path);
/* No more failures; the table stays. */
void fault_disarm(void);
/* The system's own table again. */
void fault_end(void);
/* Did the planned failure happen? */
bool fault_fired(void);
long fault_calls(enum fault_kind kind);
/* What stands in the file is on disk now (the test wrote it itself). */
void fault_disk_has(const char *path);

#endif
