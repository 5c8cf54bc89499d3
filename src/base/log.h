/* SPDX-License-Identifier: MIT
 *
 * Events that no caller asked for: a long wait for a lock, a healed tail, an ignored snapshot. They go to the sink given
 * at open (struct tl_log_sink in trialog/storage.h); without one they vanish.
 */
#ifndef TL_LOG_H
#define TL_LOG_H

#include "base/base.h"

/* X(name, level: 0 debug, 1 info, 2 warning) */
#define LOG_EVENTS(X)                                                                                        \
    X(LOG_LOCK_WAIT, 2)       /* waiting for the journal's lock for over 10 s */                             \
    X(LOG_LOCK_BROKEN, 2)     /* the lock of a dead or vanished holder was taken away */                     \
    X(LOG_LOCK_LOST, 2)       /* somebody took our lock away */                                              \
    X(LOG_FLUSH_FAILED, 2)    /* under relaxed durability: what was written lately may be lost, the handle is fenced */ \
    X(LOG_TAIL_HEALED, 2)     /* a torn last line was completed or cut */                                    \
    X(LOG_BAD_LINE, 2)        /* a line in the middle cannot be read or has a wrong checksum */              \
    X(LOG_ODD_OPERATION, 2)   /* a readable line that no Optuna could apply */                               \
    X(LOG_JOURNAL_REPLACED, 2) /* the file was replaced or became shorter: state is rebuilt */               \
    X(LOG_SNAPSHOT_IGNORED, 2) /* a snapshot does not belong to the journal or is damaged */                 \
    X(LOG_SNAPSHOT_WRITTEN, 0)                                                                               \
    X(LOG_SNAPSHOT_FAILED, 1)                                                                                \
    X(LOG_FILE_SYSTEM, 1)     /* what the probe at open found: locks, fencing, durability */                 \
    X(LOG_DATABASE, 2)        /* a database cannot be reached or is busy: trying again until the time limit */ \
    X(LOG_LEASE, 2)           /* this worker's lease cannot be renewed, or leases of others cannot be looked at */ \
    X(LOG_LOST, 2)            /* trials were failed because the lease of their worker ran out */              \
    X(LOG_DEFERRED, 2)        /* what waited for the next append came too late, or cannot be written */       \
    X(LOG_SAMPLER, 1)         /* a sampler had to fall back or ignored something */                          \
    X(LOG_TRIAL, 2)           /* a suggestion or report that is probably a mistake and was taken or dropped */

enum log_event {
#define LOG_X(name, level) name,
    LOG_EVENTS(LOG_X)
#undef LOG_X
};

struct tl_log_sink;
void log_emit(const struct tl_log_sink *sink, enum log_event event, const char *fmt, ...) TL_PRINTF(3, 4);

#endif
