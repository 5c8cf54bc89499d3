/* SPDX-License-Identifier: MIT
 *
 * Optuna's lock file beside a journal: taken, kept and given back so that Optuna's processes and ours respect each other.
 */
#ifndef TL_FILE_OWNER_H
#define TL_FILE_OWNER_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/os.h"

struct tl_log_sink;

/* One lock file. A journal reached through a symbolic link has two: beside the link and beside the file. */
struct owner_place {
    char *lock;         /* JOURNAL.lock */
    char *moved;        /* JOURNAL.lock<uuid>.rename: where a lock goes before it is removed */
    char *own;          /* JOURNAL.lock.own.MACHINE.PID.START.NONCE */
    const char *target; /* the last part of `own`, which is also what stands in it: who holds the lock */
    size_t prefix;      /* bytes of `target` up to MACHINE */
    bool made;          /* our owner file exists, as far as we know */
    uint64_t dev, ino;  /* of it */
    bool symbolic;      /* its file system has no hard links */
    char *free;         /* `own` and "-free": where the link waits between two acquisitions */
    bool waits;         /* it does */
    bool unlinks;       /* links are made anew and removed each time instead */
};

#define OWNER_TARGET_MAX 512
/* What a waiter has seen of the lock file that is in its way. Zero-initialise before each wait. */
struct owner_watch {
    bool seen;
    struct os_stat file; /* the lock file itself */
    int64_t target_mtime_ns; /* when it is a symbolic link: of what it points to */
    char target[OWNER_TARGET_MAX]; /* who holds it: what it points to, or what stands in it */
    size_t n_target;
    int64_t since_ns, next_look_ns; /* monotonic */
};

struct owner {
    struct owner_place places[2];
    unsigned n_places, n_held;
    char machine[40]; /* host name and a hash of boot and process-id namespace */
    int64_t grace_ns; /* a lock of somebody we know nothing about is broken after that long without a change */
    int64_t proof_ns; /* > 0: holding the kernel lock proves that no process of ours is inside, and its lock is broken that soon */
    const struct tl_log_sink *log;
    bool local;       /* a file system of this host: links are kept between two acquisitions */
    atomic_bool held; /* for the beat */
    atomic_int_fast64_t touched_ns; /* boottime: when the owner files got their time */
    bool clean_due;   /* a lock was broken, or the journal has grown by a good piece */
    int64_t cleaned_ns; /* monotonic; 0: never */
};

/* `paths`: the journal as given and, when that is a symbolic link, the file itself; absolute. Errors: TL_EINVAL (name too long). */
int owner_init(struct owner *o, const char *const *paths, unsigned n_paths, int64_t grace_ms, const struct tl_log_sink *log,
               struct tl_err *err);
/* Removes our owner files. Also after a failed init, or on zeroes. */
void owner_close(struct owner *o);
/* Tries to take the lock files; never waits. 1 taken, 0 somebody has them (look again soon), < 0 error. Breaks an abandoned lock,
 * so the caller must hold the kernel lock where there is one. */
int owner_try(struct owner *o, struct owner_watch *w, struct tl_err *err);
/* Are the lock files still ours? Asked only when enough time has passed that Optuna may have robbed us. */
bool owner_still_ours(const struct owner *o);
/* Gives back what is ours. False: somebody had taken it away meanwhile. */
bool owner_give_back(struct owner *o);
/* Renews the time of the owner files when held for a while. Any thread. */
void owner_beat(struct owner *o);
/* The journal has grown by a good piece: is it time to clean again? */
void owner_grew(struct owner *o);
/* Removes what dead processes left lying. Now and then, while no lock is held. */
void owner_clean(struct owner *o);
/* In a forked child: the parent keeps its files, the child gets a name of its own. */
int owner_forked(struct owner *o, struct tl_err *err);
/* Puts "process 123 on host" or the like into `out`: who has the lock. */
void owner_holder(const struct owner *o, char *out, size_t n);
/* Removes the lock files when their holder is dead or, with `force`, whoever holds them. */
int owner_unlock(struct owner *o, bool force, bool *removed, struct tl_err *err);

#endif
