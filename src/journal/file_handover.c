/* SPDX-License-Identifier: MIT
 *
 * Handing Optuna's lock file from one process of ours to the next, instead of removing and making it again.
 *
 * Making and removing a name costs a writer more than the write itself when many flush the same file system. So while several
 * processes of ours write, the one that releases the journal leaves the lock file as it is, and the next one adopts it: the
 * kernel lock proves that its former owner is not inside. Optuna's waiters must not starve meanwhile. They are noticed, and then
 * the lock file is given back after every append as it would be without all this:
 *  - a waiter of Optuna looks at what the lock file points to, which sets the access time of the link (older ones do not look);
 *  - lines that Optuna wrote in the last minute;
 *  - in any case the lock file is removed when it is 50 ms old, and then stays away for 5 ms, so that a newcomer gets in.
 *
 * Happy path: adopt, write, leave. Failure: nobody of ours comes any more. Then the one that left it removes it a little later
 * (handover_sweep, by the keeper thread and at close); if that one dies too, it is the lock of a dead process like any other.
 * Invariant: the lock file is only adopted, left or removed with the kernel lock held.
 */
#include "journal/file_owner.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

#define MS INT64_C(1000000)
#define TENURE_NS (50 * MS)   /* age at which the lock file is removed */
#define COURTESY_NS (5 * MS)  /* how long it then stays away */
#define FRESH_NS (300 * MS)   /* age of the owner file's time up to which an adopter need not renew it */
#define ALONE_NS (20 * MS)    /* so long after the last line of another process of ours we count as alone */
#define SWEEP_NS (40 * MS)    /* how long a lock file that was left may wait for its next owner */
#define OPTUNA_NS (60 * 1000 * MS)

void handover_init(struct handover *h, bool possible)
{
    h->possible = possible;
    h->optuna_seen_ns = h->ours_seen_ns = INT64_MIN;
    h->n_target = 0;
    h->path = NULL;
    atomic_init(&h->left_ns, 0);
    pthread_mutex_init(&h->lock, NULL);
}

void handover_release(struct handover *h)
{
    mem_free(h->path);
    h->path = NULL;
    pthread_mutex_destroy(&h->lock);
}

void handover_see_lines(struct handover *h, const char *bytes, size_t n)
{
    static const char check[] = ",\"crc\":\"";
    const size_t suffix = sizeof check - 1 + 10; /* eight digits, quote, brace */
    const char *end = bytes + n;
    if (!h->possible) {
        return;
    }
    if (n > 16384) { /* what came last matters */
        bytes = end - 16384;
        const char *newline = memchr(bytes, '\n', 16384);
        bytes = newline ? newline + 1 : end;
    }
    for (const char *newline; bytes < end && (newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes = newline + 1) {
        if ((size_t)(newline - bytes) < suffix || memcmp(newline - suffix, check, sizeof check - 1) != 0) {
            h->optuna_seen_ns = os->monotonic_ns();
            return;
        }
    }
    h->ours_seen_ns = os->monotonic_ns();
}

static bool within(int64_t then, int64_t span)
{
    return then != INT64_MIN && os->monotonic_ns() - then < span;
}

/* ---- adopting ---- */

/* FOLDER/TARGET of the lock file that was adopted, for touching. */
static bool note_target(struct handover *h, const struct owner_place *p, const char *target, size_t n)
{
    size_t folder = (size_t)(p->target - p->own);
    char *path = mem_alloc(folder + n + 1);
    if (!path) {
        return false;
    }
    memcpy(path, p->own, folder);
    memcpy(path + folder, target, n);
    path[folder + n] = 0;
    pthread_mutex_lock(&h->lock);
    mem_free(h->path);
    h->path = path;
    h->n_target = n;
    memcpy(h->target, target, n);
    pthread_mutex_unlock(&h->lock);
    return true;
}

bool handover_adopt(struct owner *o, struct owner_place *p)
{
    struct handover *h = &o->handover;
    char target[OWNER_TARGET_MAX];
    struct os_stat s;
    if (!h->possible) {
        return false;
    }
    int64_t got = os->readlink(p->lock, target, sizeof target);
    if (got <= 0 || !owner_is_of_this_machine(o, p, (struct str){target, (size_t)got})) {
        return false;
    }
    /* Among busy writers it was left a moment ago, by whomever; else a dead owner is worth a word (owner_try breaks its lock). */
    if (!within(h->ours_seen_ns, ALONE_NS) && owner_is_dead(o, p, (struct str){target, (size_t)got})) {
        return false;
    }
    bool known = h->path && h->n_target == (size_t)got && memcmp(h->target, target, (size_t)got) == 0;
    if (!known && !note_target(h, p, target, (size_t)got)) {
        return false;
    }
    int rc = os->stat(h->path, false, &s);
    int64_t age = os->realtime_us() * 1000 - s.mtime_ns;
    if (rc == 0 && (age < 0 || age > FRESH_NS)) {
        rc = os->touch(h->path);
        age = 0;
    }
    if (rc < 0) {
        return false; /* its owner has gone: an abandoned lock like any other */
    }
    atomic_store(&o->touched_ns, os->boottime_ns() - age);
    h->adopted = true;
    atomic_store(&h->left_ns, 0);
    return true;
}

struct str handover_target(const struct owner *o, const struct owner_place *p)
{
    const struct handover *h = &o->handover;
    return h->adopted ? (struct str){h->target, h->n_target} : str_of(p->target);
}

void handover_touch(struct owner *o)
{
    struct handover *h = &o->handover;
    pthread_mutex_lock(&h->lock);
    if (h->adopted && h->path) {
        (void)os->touch(h->path);
    }
    pthread_mutex_unlock(&h->lock);
}

/* ---- leaving ---- */

bool handover_leave(struct owner *o, struct owner_place *p)
{
    struct handover *h = &o->handover;
    struct os_stat s;
    h->courtesy = false;
    if (!h->possible || !within(h->ours_seen_ns, ALONE_NS) || within(h->optuna_seen_ns, OPTUNA_NS) ||
        os->stat(p->lock, false, &s) < 0 || !s.is_link) {
        return false;
    }
    int64_t age = os->realtime_us() * 1000 - s.ctime_ns;
    if (s.atime_ns > s.ctime_ns) {
        return false; /* somebody of Optuna has looked at it */
    }
    if (age < 0 || age > TENURE_NS) {
        h->courtesy = true;
        return false;
    }
    pthread_mutex_lock(&h->lock);
    h->adopted = false;
    pthread_mutex_unlock(&h->lock);
    atomic_store(&h->left_ns, os->monotonic_ns());
    return true;
}

void handover_given_back(struct owner *o)
{
    struct handover *h = &o->handover;
    pthread_mutex_lock(&h->lock);
    h->adopted = false;
    pthread_mutex_unlock(&h->lock);
    if (h->courtesy) {
        h->courtesy = false;
        os->sleep_ns(COURTESY_NS);
    }
}

/* ---- nobody came ---- */

bool handover_sweep(struct owner *o, const char *journal, bool now)
{
    struct handover *h = &o->handover;
    struct owner_place *p = &o->places[0];
    char target[OWNER_TARGET_MAX];
    int64_t left = atomic_load(&h->left_ns);
    if (left == 0) {
        return true;
    }
    if (!now && os->monotonic_ns() - left < SWEEP_NS) {
        return false;
    }
    int fd = os->open(journal, O_RDWR, 0); /* a description of its own: the writer's would share its locks with us */
    if (fd < 0) {
        return false;
    }
    bool mine = os->lock(fd, OS_LOCK_TRY, OS_RANGE_BOTH) == 0;
    if (mine) {
        int64_t got = os->readlink(p->lock, target, sizeof target);
        if (got > 0 && owner_is_of_this_machine(o, p, (struct str){target, (size_t)got})) {
            (void)os->unlink(p->lock); /* nobody but the holder of the kernel lock touches a lock of ours */
        }
        atomic_store(&h->left_ns, 0);
    }
    (void)os->close(fd);
    return mine;
}
