/* SPDX-License-Identifier: MIT
 *
 * The seam between the engine and where a journal lies. A backend moves whole lines; it knows nothing of studies.
 *
 * Contract, checked around every call by backend_check.c in test builds: lines are delivered once each, in order, without gaps,
 * starting where the handle's position stands; what a call delivers before it fails stays delivered; outs are
 * untouched on failure. append is called by one thread at a time, and so is read; but a read may come while another
 * thread is inside append or flush, so the backend guards its own position. Callbacks run under that guard: they must
 * not call the backend.
 */
#ifndef TL_BACKEND_H
#define TL_BACKEND_H

#include "base/base.h"
#include "base/buf.h"
#include "base/stream.h"

struct backend;
struct tl_storage_options;

/* Foreign or own lines that the handle has not seen yet: `bytes` holds `n` bytes of whole lines, each ended by '\n'. `offset`
 * is the byte offset of the first one in the journal (-1 where there is none). Returns 0 or a code that ends the call; these
 * lines then count as not delivered. */
typedef int deliver_fn(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err);
/* The backend lost its place (file replaced, shortened, restored backup): everything delivered so far is void, and lines
 * come again from seq 0. A code ends the call, and the backend will ask again. */
typedef int rewind_fn(void *ctx, const char *why, struct tl_err *err);

/* Instead of the first `seq` lines, which are not kept any more: an image of the state behind them. Replaces everything that was
 * delivered before. (Only journals that are trimmed to their snapshots do that.) */
struct image_source;
typedef int image_fn(void *ctx, uint64_t seq, struct image_source *from, struct tl_err *err);

struct deliver {
    void *ctx;
    deliver_fn *lines;
    rewind_fn *rewind;
    image_fn *image;
    int64_t deadline_ns; /* of a read: when to give up waiting, by os->monotonic_ns(); 0: after the storage's time limit */
};

/* How an append ended. */
enum outcome {
    OUTCOME_DONE,    /* written; durable once flush says so */
    OUTCOME_NOTHING, /* compose had nothing to write */
    OUTCOME_ERROR,   /* definitely nothing of ours is in the journal, or `written` whole lines are */
    OUTCOME_UNKNOWN, /* perhaps */
    OUTCOME_CONFLICT, /* optimistic backends: somebody else wrote first; nothing of ours is in the journal, nor can it get there any more;
                       * the news was delivered. The code is TL_EUNAVAILABLE */
};

struct append {
    struct deliver deliver;
    void *ctx; /* for compose and cancelled (not for deliver) */
    /* Called at most once, inside the critical section, after everything older has been delivered: decides on the state at
     * the head and puts whole lines into `out`, which is empty. A non-zero return ends the append with nothing written. No
     * callback comes after it. */
    int (*compose)(void *ctx, struct buf *out, struct tl_err *err);
    /* Set by compose. `first_n`: number of the first of `n_ops` operations, one a line; `worker` is valid as long as the call. An
     * optimistic backend writes them only if it has not seen a number of this worker as high before, inside the same transaction or
     * script; else they are there already, and it goes on as if it had written them. `exact`: the lines hold only if nothing was
     * written since the handle's position; else the outcome is CONFLICT. */
    bool exact;
    const char *worker;
    uint64_t first_n;
    size_t n_ops;
    bool patient; /* others were faster several times: an optimistic backend that can takes its turn first, then decides, as others do who
                   * have a lock. One more round trip */
    int64_t timeout_ms; /* for the lock; < 0: no limit */
    bool (*cancelled)(void *ctx); /* asked every 50 ms while waiting; NULL: never. The outcome may then be UNKNOWN */

    /* results */
    enum outcome outcome; /* UNKNOWN: the position stays before our lines, so that the next read delivers them if they landed */
    size_t written;   /* OUTCOME_ERROR: whole lines of ours that landed nevertheless (the position is behind them) */
    uint64_t flush_token; /* for flush: covers what was written, or may have been (UNKNOWN) */
    uint64_t waited_ns;   /* for the lock */
};

/* A position in the journal that a snapshot can be bound to. (How many lines stand before it, the engine knows.) */
struct backend_mark {
    uint64_t offset; /* bytes before it */
    uint8_t id[48];  /* what else the backend checks (hashes of the head and of the tail before `offset`) */
};

/* ---- leases: what says that a worker lives, outside the log ---- */

/* What a worker says about itself. */
struct lease {
    int64_t length_ms; /* it gives a sign of life at least that often */
    uint32_t retries;  /* how often a trial that it loses goes back into the queue */
    bool left;         /* it closed while trials of it were running: nobody renews this by himself any more */
};
enum lease_state {
    LEASE_NONE,  /* there is none (or none that can be read): nothing is known about the worker */
    LEASE_ALIVE,
    LEASE_LATE,  /* a renewal is missing; this was noted, so that a later look, by whomever, can say more */
    LEASE_LOST,  /* no sign of life for longer than its length */
};
struct lease_seen {
    enum lease_state state;
    struct lease lease; /* length_ms 0: there is none at all; what cannot be read counts as one of a minute */
    int64_t age_ms;     /* since its last renewal, by the storage's clock */
};
/* What asking for the time is for. */
enum lease_clock {
    LEASE_CLOCK_IN_TURN, /* a look, unless somebody else looked since this handle last asked so; by one thread of a handle at a time */
    LEASE_CLOCK_LOOK,    /* a look in any case */
    LEASE_CLOCK_SHOW,    /* no look: others should not think that there was one */
};
/* May be called at any time, by several threads at once, also in callbacks: they touch neither position nor locks. Times are those
 * of one clock, the storage's: never that of a machine that looks on. */
struct lease_ops {
    /* Makes or replaces the lease of a worker; that renews it, too. */
    int (*take)(struct backend *b, const char *worker, const struct lease *lease, struct tl_err *err);
    /* A sign of life: 1, or 0 when the worker has no lease. */
    int (*renew)(struct backend *b, const char *worker, struct tl_err *err);
    /* Asks for the time, which look needs. 1; or 0 when it is not this handle's turn. */
    int (*now)(struct backend *b, enum lease_clock what_for, int64_t *now, struct tl_err *err);
    /* `judge` false: LOST is not told from LATE, and nothing is noted. */
    int (*look)(struct backend *b, const char *worker, int64_t now, bool judge, struct lease_seen *out, struct tl_err *err);
    /* No lease any more; fine when there was none. */
    int (*drop)(struct backend *b, const char *worker, struct tl_err *err);
    /* The workers that have one. Non-zero from each ends the walk and is returned. */
    int (*each)(struct backend *b, int (*each)(void *ctx, const char *worker), void *ctx, struct tl_err *err);
};

/* There is no critical section that compose could run in: it is called once, before the write, on the state at the handle's position
 * (news need not have been delivered before); then everything that was written since, ours included, is delivered up to and with our own
 * lines, and only then the outcome is DONE. So a verdict is always that of the log, and one round trip does it all. After UNKNOWN the same
 * lines with the same numbers come again unless a read shows them: whichever of the two requests comes first lands, the other does
 * nothing. A backend may do the same by itself. */
#define BACKEND_OPTIMISTIC 1u
/* An append is dear: what nobody needs to see at once waits for the next one, unless the options say otherwise. */
#define BACKEND_DEFERS 2u

enum snapshot_due {
    SNAPSHOT_NOT_DUE,
    SNAPSHOT_DUE,     /* in the background */
    SNAPSHOT_DUE_NOW, /* it is small: by whoever finds it due */
};

struct backend_ops {
    size_t size; /* sizeof(struct backend_ops) */
    const char *name;
    unsigned flags;
    /* required */
    void (*close)(struct backend *b);
    /* required: lines that are new since the handle's position */
    int (*read)(struct backend *b, const struct deliver *d, struct tl_err *err);
    /* required: forgets the position; the next read or append delivers from seq 0 (called while no append or read is under way;
     * flushes may be) */
    void (*restart)(struct backend *b);
    /* required: exclusion, news, compose, one write, release. After OUTCOME_DONE the handle's position is behind our lines,
     * and they are not delivered: the caller knows them. */
    int (*append)(struct backend *b, struct append *a, struct tl_err *err);
    /* (optional) makes everything up to an append's token durable; several threads may call it at once; without it an
     * append is durable when it returns. TL_EUNKNOWN: the flush failed; the handle is then fenced. */
    int (*flush)(struct backend *b, uint64_t token, struct tl_err *err);
    /* (optional) waits until there may be news, at most timeout_ms (< 0: no limit): 1 perhaps, 0 time is up */
    int (*wait)(struct backend *b, int64_t timeout_ms, struct tl_err *err);
    /* (optional) snapshots: `mark` names the handle's position (called while no append or read is under way). load hands what lies
     * beside the journal to `parse` if it is bound to this journal; when parse succeeded and the checksum at the end is right, the
     * position moves behind the snapshot and *loaded is true; otherwise it is ignored with LOG_SNAPSHOT_IGNORED (what parse made
     * is then thrown away by the caller). save streams what `produce` writes to a temporary file, adds the checksum, syncs, renames;
     * `at` is an earlier mark. Images can be large: neither side holds a whole one in memory. */
    int (*mark)(struct backend *b, struct backend_mark *out);
    int (*snapshot_load)(struct backend *b, int (*parse)(void *ctx, struct image_source *from, struct tl_err *err),
                         void *ctx, bool *loaded, struct tl_err *err);
    int (*snapshot_save)(struct backend *b, const struct backend_mark *at,
                         int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx,
                         struct tl_err *err);
    /* (optional) would a snapshot pay now? For backends that know better than the engine, which goes by bytes. Of handles that all find it
     * so, one may be told, for it to save one. Cheap while the answer is no; any thread, with nothing held */
    enum snapshot_due (*snapshot_due)(struct backend *b);
    /* (optional) after fork: drops inherited descriptors and locks without releasing them for the parent */
    void (*forked)(struct backend *b);
    /* (optional) puts a description such as "locking=ofd+file fence=none durability=full" into `out` */
    void (*describe)(struct backend *b, struct buf *out);
    /* (optional) the handle is about to be closed: what waits, in whatever thread, and what is still to be done waits for some seconds in
     * all from now on, whatever the time limits say. Any thread */
    void (*closing)(struct backend *b);
    const struct lease_ops *leases; /* (optional) */
};

struct backend {
    const struct backend_ops *ops;
};

/* Opens the backend that a URL or path names. The journal is created when missing unless the options say read-only. */
int backend_open(const char *url, const struct tl_storage_options *options, struct backend **out, struct tl_err *err);

#endif
