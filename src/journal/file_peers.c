/* SPDX-License-Identifier: MIT
 *
 * A page of memory that the processes of one host and one user share for a journal, so that they need not guess.
 *
 * It lies in /dev/shm, named after the user and the journal's inode, and holds counters only. Whoever meets somebody else at a lock gets
 * it; a process that is alone never does. Two things are told through it:
 *
 * Turns. Who gives a lock back counts that and wakes one that waits. The lock itself is the kernel's as before: the page only says when to
 * try. A wake-up that is lost (its receiver was killed, the holder has no page) costs the limit of one pause.
 *
 * Flushes. A flush of another process counts for our write when it began behind the write, succeeded, and its descriptor had been open
 * before the write: then the kernel would have told it of any page of ours that could not be written since. So nobody's failure is
 * hidden: who cannot find such a flush does his own. Two may be under way at once: with one, few writers would wait for half a flush
 * more; with one for each writer, each pays for a flush of the same few pages.
 *
 * Happy path: open, map, count. Failure: no page (no /dev/shm, no room, another user's file): pauses and own flushes, as without.
 * A killed or stopped process leaves a flush that never ends: it is waited for once, for a limited time. Invariants: nothing in the page is
 * needed for exclusion; a claim of durability rests on counters of this boot and on descriptors that are open, never on bytes on a disk;
 * the page's file never becomes shorter, so touching it cannot fail. Each handle has a shared lock on the file, which dies
 * with its process; the last one removes the file, and who makes one removes leftovers of the killed.
 */
#include "journal/file_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define PAGE_BYTES 4096u
#define MAKE_TRIES 8
#define FLUSHES_AT_ONCE 2
#define MS INT64_C(1000000)
#define PATIENCE_NS (50 * MS) /* for a flush of somebody else's, before we do our own */

/* Alone on its line of the processor's caches. */
struct turn {
    _Alignas(64) atomic_uint passed;
    atomic_uint waiting;
};

struct peers_page {
    struct turn turns[2]; /* of the gate, of the journal */
    _Alignas(64) atomic_uint opens;
    _Alignas(64) atomic_uint begun;  /* flushes; the last one's number */
    atomic_uint ended;               /* counts ends, to wait for */
    atomic_uint waiting;
    atomic_ullong done; /* the highest number of a flush that succeeded, and below it which opening did it */
};
_Static_assert(sizeof(struct peers_page) <= PAGE_BYTES, "the page is large enough");

static struct peers_page *page_of(const struct peers *p)
{
    return atomic_load_explicit(&p->page, memory_order_acquire);
}

/* Is `a` later than `b`? Counters may go round. */
static bool later(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* ---- the page's file ---- */

static const char folder[] = "/dev/shm/";

/* The last one who has the file removes it. Who opens it just now looks afterwards whether it is still there. */
static void remove_if_unused(const char *path, int fd)
{
    if (os->lock(fd, OS_LOCK_TRY, OS_RANGE_JOURNAL) == 0) {
        (void)os->unlink(path);
    }
}

/* Leftovers of this user, whose processes were killed. */
static int sweep_one(const char *name, void *ctx)
{
    const char *prefix = ctx;
    char path[sizeof folder + 256];
    if (strncmp(name, prefix, strlen(prefix)) != 0 || strlen(name) > 255) {
        return 0;
    }
    snprintf(path, sizeof path, "%s%s", folder, name);
    int fd = os->open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd >= 0) {
        remove_if_unused(path, fd);
        (void)os->close(fd);
    }
    return 0;
}

/* Makes the file whole under another name first, so that nobody maps one that is too short. */
static int make_file(const char *path)
{
    static const char zeroes[PAGE_BYTES];
    char fresh[160];
    uint64_t r;
    int rc = os->random(&r, sizeof r);
    if (rc < 0) {
        return rc;
    }
    snprintf(fresh, sizeof fresh, "%s.%016llx", path, (unsigned long long)r);
    int fd = os->open(fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fd;
    }
    int64_t put = os->write(fd, zeroes, sizeof zeroes); /* real bytes: a hole might find no memory later */
    rc = put == (int64_t)sizeof zeroes ? os->link(fresh, path) : -ENOSPC;
    (void)os->unlink(fresh);
    (void)os->close(fd);
    return rc == -EEXIST || rc == -ENOENT ? 0 : rc; /* somebody was faster, or swept it away: look again */
}

/* Nobody but us may have made it or may write to it. */
static bool is_trusted(const struct os_stat *s)
{
    return s->is_file && s->size >= PAGE_BYTES && s->uid == os->uid() && (s->mode & 0077) == 0;
}

/* The file, with a shared lock on it: or what went wrong, -EAGAIN when it was being removed. */
static int open_file(const char *path)
{
    struct os_stat s, named;
    int fd = os->open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) {
        return fd;
    }
    int rc = os->fstat(fd, &s);
    rc = rc == 0 && !is_trusted(&s) ? -EACCES : rc;
    rc = rc == 0 ? os->lock(fd, OS_LOCK_TRY_SHARED, OS_RANGE_JOURNAL) : rc;
    if (rc == 0 && (os->stat(path, false, &named) < 0 || named.ino != s.ino || named.dev != s.dev)) {
        rc = -EAGAIN;
    }
    if (rc < 0) {
        (void)os->close(fd);
        return rc;
    }
    return fd;
}

static int open_or_make(struct peers *p)
{
    char prefix[48];
    int fd = -EAGAIN;
    bool swept = false;
    snprintf(prefix, sizeof prefix, "trialog-1-%lu-", (unsigned long)os->uid());
    snprintf(p->path, sizeof p->path, "%s%s%llx-%llx", folder, prefix, (unsigned long long)p->dev, (unsigned long long)p->ino);
    for (int tries = 0; tries < MAKE_TRIES && (fd == -EAGAIN || fd == -ENOENT); tries++) {
        fd = open_file(p->path);
        if (fd == -ENOENT) {
            if (!swept) {
                (void)os->dir_list(folder, sweep_one, prefix);
                swept = true;
            }
            int rc = make_file(p->path);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return fd;
}

void peers_meet(struct peers *p)
{
    void *at = NULL;
    if (TL_LIKELY(p->tried) || p->ino == 0) {
        return;
    }
    p->tried = true;
    int fd = open_or_make(p);
    if (fd < 0) {
        return;
    }
    struct peers_page *page = os->share(fd, PAGE_BYTES, &at) < 0 ? NULL : at;
    if (page && !atomic_is_lock_free(&page->done)) {
        (void)os->unshare(at, PAGE_BYTES);
        page = NULL;
    }
    if (!page) {
        remove_if_unused(p->path, fd);
        (void)os->close(fd);
        return;
    }
    p->fd = fd;
    p->opening = atomic_fetch_add(&page->opens, 1) + 1;
    atomic_store_explicit(&p->page, page, memory_order_release);
}

void peers_use(struct peers *p, uint64_t dev, uint64_t ino)
{
    peers_close(p);
    p->dev = dev;
    p->ino = ino;
}

static void drop(struct peers *p)
{
    struct peers_page *page = page_of(p);
    if (page) {
        atomic_store(&p->page, NULL);
        (void)os->unshare(page, PAGE_BYTES);
        (void)os->close(p->fd);
    }
    p->fd = -1;
    p->dev = p->ino = 0;
    p->tried = false;
}

void peers_close(struct peers *p)
{
    if (page_of(p)) {
        remove_if_unused(p->path, p->fd);
    }
    drop(p);
}

void peers_forked(struct peers *p)
{
    drop(p);
}

/* ---- turns ---- */

static struct turn *turn_of(struct peers_page *page, enum os_range range)
{
    return &page->turns[range == OS_RANGE_JOURNAL];
}

uint32_t peers_turn(const struct peers *p, enum os_range range)
{
    struct peers_page *page = page_of(p);
    return page ? atomic_load(&turn_of(page, range)->passed) : 0;
}

bool peers_wait_turn(const struct peers *p, enum os_range range, uint32_t seen, int64_t ns)
{
    struct peers_page *page = page_of(p);
    if (!page) {
        return false;
    }
    struct turn *t = turn_of(page, range);
    atomic_fetch_add(&t->waiting, 1);
    int rc = os->wait_word(&t->passed, seen, ns);
    atomic_fetch_sub(&t->waiting, 1);
    return rc == 0;
}

void peers_pass_turn(const struct peers *p, enum os_range range)
{
    struct peers_page *page = page_of(p);
    if (!page) {
        return;
    }
    struct turn *t = turn_of(page, range);
    atomic_fetch_add(&t->passed, 1);
    if (atomic_load(&t->waiting) != 0) {
        os->wake_word(&t->passed, false);
    }
}

/* ---- flushes ---- */

struct peers_mark peers_before_write(const struct peers *p)
{
    struct peers_page *page = page_of(p);
    return (struct peers_mark){page != NULL, page ? atomic_load(&page->opens) : 0, 0};
}

void peers_behind_write(const struct peers *p, struct peers_mark *mark)
{
    struct peers_page *page = page_of(p);
    if (mark->known && page) {
        mark->begun = atomic_load(&page->begun);
    }
}

static uint32_t number_of(unsigned long long done)
{
    return (uint32_t)(done >> 32);
}

/* Does the latest flush that succeeded cover the mark? */
static bool covered(unsigned long long done, const struct peers_mark *mark)
{
    return later(number_of(done), mark->begun) && !later((uint32_t)done, mark->opens);
}

/* Our own flush, which is number `number`. */
static int flush_for_all(const struct peers *p, struct peers_page *page, uint32_t number, int fd)
{
    int rc = os->sync(fd, true);
    unsigned long long mine = (unsigned long long)number << 32 | p->opening, done = atomic_load(&page->done);
    while (rc == 0 && later(number, number_of(done)) && !atomic_compare_exchange_weak(&page->done, &done, mine)) {
    }
    atomic_fetch_add(&page->ended, 1);
    if (atomic_load(&page->waiting) != 0) {
        os->wake_word(&page->ended, true);
    }
    return rc;
}

int peers_flush(const struct peers *p, const struct peers_mark *mark, int fd)
{
    struct peers_page *page = page_of(p);
    if (!page || !mark->known) {
        return os->sync(fd, true);
    }
    int64_t since = 0;
    int rc = 0;
    for (;;) {
        uint32_t ended = atomic_load(&page->ended);
        unsigned long long done = atomic_load(&page->done);
        uint32_t begun = atomic_load(&page->begun);
        if (covered(done, mark)) {
            return 0;
        }
        uint32_t under_way = later(begun, number_of(done)) ? begun - number_of(done) : 0;
        bool one_is_ours = under_way > 0 && later(begun, mark->begun);
        int64_t now = one_is_ours || under_way >= FLUSHES_AT_ONCE ? os->monotonic_ns() : 0;
        since = since == 0 ? now : since;
        if (now == 0 || now - since > PATIENCE_NS || rc < 0) {
            uint32_t next = begun + 1;
            if (atomic_compare_exchange_strong(&page->begun, &begun, next)) {
                return flush_for_all(p, page, next, fd);
            }
            continue;
        }
        atomic_fetch_add(&page->waiting, 1);
        rc = os->wait_word(&page->ended, ended, PATIENCE_NS / 5);
        atomic_fetch_sub(&page->waiting, 1);
    }
}
