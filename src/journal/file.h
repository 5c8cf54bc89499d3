/* SPDX-License-Identifier: MIT
 *
 * The inside of an open journal file, shared by file.c, file_read.c, file_append.c and file_snapshot.c.
 */
#ifndef TL_FILE_H
#define TL_FILE_H

#include <pthread.h>

#include "journal/backend.h"
#include "journal/file_flush.h"
#include "journal/file_keeper.h"
#include "journal/file_lock.h"

#define FILE_TAIL 32u               /* bytes before the position that are remembered, to notice that the log was rewound */
#define FILE_SLICE ((size_t)1 << 20) /* bytes read at a time */
#define FILE_LINE_MAX ((size_t)1 << 30)

struct file {
    struct backend base;
    char *path;   /* absolute, the journal as given */
    char *folder; /* that it lies in, for syncing */
    bool read_only, network;
    const struct tl_log_sink *log;
    bool (*cancelled)(void *ctx); /* asked while waiting for news */
    void *cancelled_ctx;

    /* The position; under `guard`, with what readers need. */
    pthread_mutex_t guard;
    int read_fd;
    uint64_t read_dev, read_ino;  /* of read_fd */
    int64_t looked_ns;            /* monotonic: when its path was seen to lead to it; 0: has to be looked at */
    int64_t looked_changed_ns;    /* its last change then */
    uint64_t dev, ino;            /* of the journal that the position is in; `known` when there is one yet */
    bool known;
    uint64_t offset;              /* behind the last line delivered or written: always the start of a line */
    char tail[FILE_TAIL];
    size_t n_tail;
    uint64_t seen_size;           /* of the journal at the last read or append; a torn tail is no news twice */
    char *slice;                  /* NULL, or FILE_TAIL + slice_cap bytes begin FILE_TAIL before it */
    size_t slice_cap;

    /* The writer's own; append is called by one thread at a time. */
    int write_fd; /* -1: none; on network file systems only inside an append */
    struct os_stat write_stat; /* of write_fd when it was opened */
    struct buf out;
    struct file_lock lock;
    struct peers peers; /* of write_fd */
    struct keeper keeper;

    /* leases; under no lock: `real` never changes, the rest is used by one thread at a time */
    char *real; /* the journal without symbolic links: leases lie beside it */
    int64_t lease_looked; /* the lease clock when this handle last asked for the time */

    struct file_flush flush;
};

static inline struct file *file_of(struct backend *b)
{
    return (struct file *)(void *)b;
}

/* ---- file.c ---- */
/* Opens the journal for appending, making it when `create`; checks that it is a journal one may write to. The descriptor and
 * its state come back. */
int file_open_to_write(struct file *f, bool create, int *fd, struct os_stat *out, struct tl_err *err);
/* Closes; on a network file system that is when errors show. The negated errno or 0. */
int file_close_write(struct file *f);
/* Only plain files with one name can be shared safely. `writing`: false for a reader. */
int file_check_kind(const struct file *f, const struct os_stat *s, bool writing, struct tl_err *err);

/* ---- file_read.c: guard held ---- */
/* Makes the position valid for the file that `now` describes: rewinds when it is another one or became shorter. */
int file_settle_position(struct file *f, const struct os_stat *now, const struct deliver *d, struct tl_err *err);
/* Delivers whole lines from the position up to byte `end`. */
int file_read_news(struct file *f, int fd, uint64_t end, const struct deliver *d, struct tl_err *err);
/* The position moves over bytes that need not be delivered. */
void file_advance(struct file *f, const char *bytes, size_t n);
/* Makes read_fd refer to what the path names now. */
int file_open_to_read(struct file *f, struct os_stat *now, struct tl_err *err);
/* read, wait, restart of the vtable */
int file_read(struct backend *b, const struct deliver *d, struct tl_err *err);
int file_wait(struct backend *b, int64_t timeout_ms, struct tl_err *err);
void file_restart(struct backend *b);
/* Reads exactly n bytes, or fewer at the end of the file: how many, or the negated errno. */
int64_t file_pread_all(int fd, void *bytes, size_t n, uint64_t offset);

/* ---- file_append.c ---- */
int file_append(struct backend *b, struct append *a, struct tl_err *err);

/* ---- file_snapshot.c ---- */
int file_mark(struct backend *b, struct backend_mark *out);
int file_snapshot_load(struct backend *b, int (*parse)(void *ctx, struct image_source *from, struct tl_err *err), void *ctx,
                       bool *loaded, struct tl_err *err);
int file_snapshot_save(struct backend *b, const struct backend_mark *at,
                       int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx, struct tl_err *err);

/* ---- file_lease.c ---- */
extern const struct lease_ops file_leases;

#endif
