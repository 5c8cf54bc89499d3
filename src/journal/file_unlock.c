/* SPDX-License-Identifier: MIT
 *
 * Taking away the lock file of a dead process by hand.
 *
 * Writers do the same by themselves, after the grace period when they cannot know that the holder is dead. As for them, the kernel
 * lock comes first: whoever has it is alive. With force neither question is asked; the holder then finds out when it has
 * written, and reports its outcome as unknown.
 */
#include "journal/file.h"

#include "base/err.h"
#include "journal/kinds.h"

#include <errno.h>
#include <trialog/journal.h>

TL_API int tl_journal_unlock(const char *path, bool force, bool *removed, struct tl_err *err)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    struct backend *b;
    options.must_exist = options.no_snapshot = true;
    int rc = file_open(path, &options, &b, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct file *f = file_of(b);
    int locked = f->write_fd >= 0 && f->lock.kernel ? os->lock(f->write_fd, OS_LOCK_TRY, OS_RANGE_BOTH) : -ENOSYS;
    if (f->read_only) {
        rc = err_set(err, TL_EACCESS, "'%s' may not be written", path);
    } else if (locked == -EAGAIN && !force) {
        rc = err_set(err, TL_ELOCKED, "a running process has '%s' locked", path);
    } else {
        rc = owner_unlock(&f->lock.owner, force, removed, err);
    }
    if (locked == 0) {
        (void)os->lock(f->write_fd, OS_LOCK_RELEASE, OS_RANGE_BOTH);
    }
    b->ops->close(b);
    return rc;
}
