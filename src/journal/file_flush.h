/* SPDX-License-Identifier: MIT
 *
 * Making appends durable: one flush serves every thread whose bytes were written before it began.
 */
#ifndef TL_FILE_FLUSH_H
#define TL_FILE_FLUSH_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base.h"
#include "journal/file_peers.h"

#include <trialog/storage.h>

struct file_flush {
    enum tl_durability durability;
    bool written_through; /* network file systems: writes are durable when they return */
    const char *path;     /* for messages; borrowed */
    const struct tl_log_sink *log;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int fd; /* where the bytes went; borrowed */
    const struct peers *peers; /* of that descriptor; borrowed */
    struct peers_mark writing, mark; /* of the write that is being made, of the last one */
    bool running;
    uint64_t written, flushed; /* tokens: appends counted */
    int64_t flushed_ns;        /* monotonic: when the last flush under relaxed durability began */
    atomic_int fenced;         /* 0, or the errno after which nothing is believed any more */
};

void flush_init(struct file_flush *f, enum tl_durability durability, bool written_through, const char *path,
                const struct tl_log_sink *log);
void flush_release(struct file_flush *f);
void flush_forked(struct file_flush *f);
/* Bytes go to `fd` from now on (-1: nowhere); those written to the earlier one are flushed before, if they have to be. */
void flush_use(struct file_flush *f, int fd);
/* Something is going to be written. */
void flush_writing(struct file_flush *f);
/* Something was written: returns its token. */
uint64_t flush_wrote(struct file_flush *f);
/* Waits until everything up to `token` is as durable as asked for. TL_EUNKNOWN: the flush failed and the handle is fenced. */
int flush_wait(struct file_flush *f, uint64_t token, struct tl_err *err);
/* Relaxed durability: flushes what is older than about a second. True when something is still waiting for it. */
bool flush_when_due(struct file_flush *f);
/* Nothing is believed from now on: `sys` is the errno. */
void flush_fence(struct file_flush *f, int sys);
static inline bool flush_is_fenced(const struct file_flush *f)
{
    return atomic_load_explicit(&f->fenced, memory_order_acquire) != 0;
}
/* TL_EPOISONED with the reason. */
int flush_poisoned(const struct file_flush *f, struct tl_err *err);

#endif
