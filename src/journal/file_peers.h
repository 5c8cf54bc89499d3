/* SPDX-License-Identifier: MIT
 *
 * What the processes of one host tell each other about a journal that they share: "it is your turn", and "that is flushed".
 */
#ifndef TL_FILE_PEERS_H
#define TL_FILE_PEERS_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/os.h"

struct peers_page;

/* Zero-initialise, with fd = -1. Without a page everything here does nothing. */
struct peers {
    uint64_t dev, ino; /* of the open journal; 0: none, or one that other hosts share too */
    bool tried;        /* to get the page */
    int fd;            /* of the page's file */
    _Atomic(struct peers_page *) page;
    uint32_t opening;  /* which of all openings of the journal ours is */
    char path[96];     /* of that file */
};

/* What a flush must have come after to count for a write. */
struct peers_mark {
    bool known;
    uint32_t opens; /* before the write: openings until then */
    uint32_t begun; /* behind the write: flushes begun until then */
};

/* The journal that this handle writes to, after its descriptor was opened. The page is only made when others are met. */
void peers_use(struct peers *p, uint64_t dev, uint64_t ino);
/* Before the descriptor is closed. */
void peers_close(struct peers *p);
/* In a forked child: the page stays the parent's. */
void peers_forked(struct peers *p);
/* Somebody else is at the journal: gets the page, if there is a way. */
void peers_meet(struct peers *p);

static inline bool peers_are_met(const struct peers *p)
{
    return atomic_load_explicit(&p->page, memory_order_relaxed) != NULL;
}

/* Has this handle ever found the lock taken? */
static inline bool peers_were_looked_for(const struct peers *p)
{
    return p->tried;
}

/* ---- turns ---- */

/* To be read before a try for the lock: how often it was given back. */
uint32_t peers_turn(const struct peers *p, enum os_range range);
/* Waits until it has been given back since `seen`, at most `ns`. False: there is no page, nothing was waited for. */
bool peers_wait_turn(const struct peers *p, enum os_range range, uint32_t seen, int64_t ns);
/* The lock was given back. */
void peers_pass_turn(const struct peers *p, enum os_range range);

/* ---- flushes ---- */

struct peers_mark peers_before_write(const struct peers *p);
void peers_behind_write(const struct peers *p, struct peers_mark *mark);
/* Makes durable what was written up to the mark: by a flush of our own, or by one of somebody else's. What os->sync returns. */
int peers_flush(const struct peers *p, const struct peers_mark *mark, int fd);

#endif
