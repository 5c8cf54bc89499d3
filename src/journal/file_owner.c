/* SPDX-License-Identifier: MIT
 *
 * The lock file that Optuna's processes wait for.
 *
 * Optuna's lock is JOURNAL.lock: a symbolic link to the journal, or an empty file made with O_EXCL. A waiter that sees no
 * change in its time (through the link) for its grace period (30 s) takes it away. Ours is a second name, a hard link, of an owner file
 * whose time is set to now before an acquisition and every half second while held, so a live holder is never robbed. Its
 * own name, JOURNAL.lock.own.MACHINE.PID.START.NONCE, also stands in it, so others see who holds the lock; MACHINE is the host's
 * name and a hash of boot and process-id namespace, so that a process id is believed only where it means something. A hard link
 * makes and frees no inode: beside writers that flush, it costs half of a symbolic link, which from 60 bytes on even waits for
 * ext4's journal. Where there are no hard links, the lock is a symbolic link to the owner file.
 *
 * Happy path: rename the link that waits beside the owner file, unless there is a lock; later rename it back and look whether it is
 * ours. The owner file and the link are made once and kept until the handle closes. On a network file system, and where renaming
 * cannot refuse to replace: link; later rename, stat, unlink.
 * Breaking somebody's lock: at once when its process is dead here; soon when the kernel lock proves that no process of ours can
 * be inside; otherwise when nothing about it has changed for the grace period on our own clock. It is moved aside first and
 * looked at again; what turns out to be another lock is put back.
 * What dead processes left lying (owner files, links, locks that were moved aside) is removed by whoever breaks a lock or makes the
 * journal longer by a piece (file_append.c), once a second at most, so it does not pile up: theirs of this machine at once, others' after a
 * day. Failure: a lock that cannot be removed stays and is broken by the next one. Invariant: nothing here removes a lock that it has
 * not just seen to be the one it means.
 */
#include "journal/file_owner.h"

#include "base/crc32c.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define MS INT64_C(1000000)
#define LOOK_NS (10 * MS)          /* between two looks at a lock of Optuna's */
#define FRESH_NS (100 * MS)        /* age of the owner file's time at which it is renewed before an acquisition */
#define BEAT_NS (400 * MS)         /* age at which a held lock's time is renewed */
#define SAFE_NS (500 * MS)         /* nobody robs a lock touched that recently: Optuna's shortest grace is 1 s */
#define CLEAN_PAUSE_NS (1000 * MS) /* the folder may be large, or far away */
#define NAME_LIMIT 255u
#define LEFTOVER_NS (24 * 3600 * INT64_C(1000000000))

static const char lock_suffix[] = ".lock", own_mark[] = ".own.", rename_suffix[] = ".rename", free_suffix[] = "-free";

/* ---- names ---- */

static char *join(const char *a, const char *b, const char *c, const char *d)
{
    size_t na = strlen(a), nb = strlen(b), nc = strlen(c), nd = strlen(d);
    char *text = mem_alloc(na + nb + nc + nd + 1);
    if (text) {
        memcpy(text, a, na);
        memcpy(text + na, b, nb);
        memcpy(text + na + nb, c, nc);
        memcpy(text + na + nb + nc, d, nd + 1);
    }
    return text;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* MACHINE: 23 bytes of the host's name and 8 hex digits. */
static int name_machine(struct owner *o, struct tl_err *err)
{
    char host[24] = "host", boot[200];
    uint32_t tag;
    if (os->hostname(host, sizeof host) < 0 || host[0] == 0) {
        memcpy(host, "host", 5);
    }
    for (char *p = host; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') || *p == '-';
        *p = plain ? *p : '_';
    }
    if (os->boot_id(boot, sizeof boot) == 0) {
        tag = crc32c(0, boot, strlen(boot));
    } else {
        /* Unknown: a tag that nobody else has, so that nobody judges by our process ids. */
        int rc = os->random(&tag, sizeof tag);
        if (rc < 0) {
            return err_sys(err, -rc, "no random bytes");
        }
    }
    snprintf(o->machine, sizeof o->machine, "%s-%08x", host, (unsigned)tag);
    return TL_OK;
}

static void free_names(struct owner_place *p)
{
    mem_free(p->lock);
    mem_free(p->moved);
    mem_free(p->own);
    mem_free(p->free);
    *p = (struct owner_place){0};
}

static int name_place(struct owner *o, struct owner_place *p, const char *path, struct tl_err *err)
{
    unsigned char r[20];
    char who[64], unique[48];
    uint64_t start = 0;
    int64_t pid = os->pid();
    int rc = os->random(r, sizeof r);
    if (rc < 0) {
        return err_sys(err, -rc, "no random bytes");
    }
    (void)os->process_start(pid, &start); /* 0: unknown */
    snprintf(who, sizeof who, ".%lld.%llu.%02x%02x%02x%02x", (long long)pid, (unsigned long long)start, r[16], r[17], r[18],
             r[19]);
    snprintf(unique, sizeof unique, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-8%01x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2],
             r[3], r[4], r[5], r[6] & 15u, r[7], r[8] & 15u, r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
    p->lock = join(path, lock_suffix, "", "");
    p->moved = join(path, lock_suffix, unique, rename_suffix);
    p->own = p->lock ? join(p->lock, own_mark, o->machine, who) : NULL;
    p->free = p->own ? join(p->own, free_suffix, "", "") : NULL;
    if (!p->lock || !p->moved || !p->free) {
        return err_nomem(err);
    }
    p->target = last_part(p->own);
    p->prefix = strlen(last_part(path)) + sizeof lock_suffix - 1 + sizeof own_mark - 1;
    if (strlen(last_part(p->free)) > NAME_LIMIT || strlen(last_part(p->moved)) > NAME_LIMIT) {
        return err_set(err, TL_EINVAL, "the journal's name '%.100s…' is too long by %zu bytes for the lock files beside it",
                       last_part(path), strlen(last_part(p->free)) - NAME_LIMIT);
    }
    return TL_OK;
}

int owner_init(struct owner *o, const char *const *paths, unsigned n_paths, int64_t grace_ms, const struct tl_log_sink *log,
               struct tl_err *err)
{
    o->grace_ns = grace_ms * MS;
    o->log = log;
    atomic_init(&o->held, false);
    atomic_init(&o->touched_ns, 0);
    int rc = name_machine(o, err);
    for (unsigned i = 0; rc == TL_OK && i < n_paths; i++) {
        rc = name_place(o, &o->places[i], paths[i], err);
        o->n_places = i + 1;
    }
    return rc;
}

void owner_close(struct owner *o)
{
    for (unsigned i = 0; i < o->n_places; i++) {
        if (o->places[i].made) {
            (void)os->unlink(o->places[i].own); /* what stays is cleaned by others */
        }
        if (o->places[i].waits) {
            (void)os->unlink(o->places[i].free);
        }
        free_names(&o->places[i]);
    }
    o->n_places = 0;
}

/* ---- who holds a lock ---- */

struct holder {
    bool ours; /* a process of Trialog */
    struct str machine;
    uint64_t pid, start;
};

static bool read_number(const char *p, const char *end, uint64_t *out)
{
    uint64_t v = 0;
    if (p == end) {
        return false;
    }
    for (; p < end; p++) {
        if (*p < '0' || *p > '9' || v > UINT64_MAX / 10 - 1) {
            return false;
        }
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *out = v;
    return true;
}

static const char *last_dot(const char *from, const char *end)
{
    return end > from ? memrchr(from, '.', (size_t)(end - from)) : NULL;
}

/* Reads the name of an owner file: JOURNAL.lock.own.MACHINE.PID.START.NONCE. */
static struct holder read_holder(const struct owner_place *p, struct str target)
{
    struct holder h = {0};
    if (target.n <= p->prefix || memcmp(target.p, p->target, p->prefix) != 0) {
        return h;
    }
    const char *from = target.p + p->prefix;
    const char *nonce = last_dot(from, target.p + target.n);
    const char *start = nonce ? last_dot(from, nonce) : NULL;
    const char *pid = start ? last_dot(from, start) : NULL;
    if (!pid || memchr(from, '/', (size_t)(target.p + target.n - from)) || !read_number(pid + 1, start, &h.pid) ||
        !read_number(start + 1, nonce, &h.start)) {
        return h;
    }
    h.machine = (struct str){from, (size_t)(pid - from)};
    h.ours = true;
    return h;
}

static bool same_machine(const struct owner *o, const struct holder *h)
{
    return h->ours && str_eq(h->machine, str_of(o->machine));
}

static bool is_dead(const struct owner *o, const struct holder *h)
{
    uint64_t start;
    if (!same_machine(o, h) || h->pid > INT64_MAX) {
        return false;
    }
    int rc = os->process_start((int64_t)h->pid, &start);
    return rc == -ESRCH || (rc == 0 && h->start != 0 && start != h->start);
}

static void describe_holder(const struct holder *h, char *out, size_t n)
{
    if (h->ours) {
        snprintf(out, n, "process %llu on %.*s", (unsigned long long)h->pid, (int)h->machine.n, h->machine.p);
    } else {
        snprintf(out, n, "a process of Optuna");
    }
}

/* ---- looking at a lock and breaking it ---- */

/* What stands in a lock file that is no link: the name of its owner file and a newline when it is ours, else nothing. */
static int read_inside(const char *path, struct owner_watch *w)
{
    int fd = os->open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return fd;
    }
    int64_t got = os->pread(fd, w->target, sizeof w->target, 0);
    (void)os->close(fd);
    if (got < 0) {
        return (int)got;
    }
    if (got > 0 && w->target[got - 1] == '\n') {
        w->n_target = (size_t)got - 1;
    }
    return 0;
}

/* Reads the lock file at `path` as it is now. 0, or -ENOENT and the like. */
static int look(const char *path, struct owner_watch *w)
{
    struct os_stat behind;
    int rc = os->stat(path, false, &w->file);
    if (rc < 0) {
        return rc;
    }
    w->n_target = 0;
    w->target_mtime_ns = -1;
    if (!w->file.is_link) {
        return w->file.is_file && w->file.size > 0 ? read_inside(path, w) : 0;
    }
    int64_t got = os->readlink(path, w->target, sizeof w->target);
    if (got < 0) {
        return (int)got;
    }
    w->n_target = (size_t)got;
    if (os->stat(path, true, &behind) == 0) {
        w->target_mtime_ns = behind.mtime_ns;
    }
    return 0;
}

static bool same_lock(const struct owner_watch *a, const struct owner_watch *b)
{
    return a->file.ino == b->file.ino && a->file.dev == b->file.dev && a->file.mtime_ns == b->file.mtime_ns &&
           a->file.is_link == b->file.is_link &&
           str_eq((struct str){a->target, a->n_target}, (struct str){b->target, b->n_target});
}

void owner_holder(const struct owner *o, char *out, size_t n)
{
    for (unsigned i = 0; i < o->n_places; i++) {
        struct owner_watch w;
        if (look(o->places[i].lock, &w) == 0) {
            struct holder h = read_holder(&o->places[i], (struct str){w.target, w.n_target});
            describe_holder(&h, out, n);
            return;
        }
    }
    snprintf(out, n, "another process");
}

/* Another name to move locks to: one that could not be removed stays, and renaming a file to a name that it has does nothing. */
static void next_moved(struct owner_place *p)
{
    static const char digits[] = "0123456789abcdef";
    char *digit = p->moved + strlen(p->lock);
    for (int i = 0; i < 8; i++, digit++) {
        const char *at = strchr(digits, *digit);
        *digit = at && at[1] ? at[1] : '0';
        if (*digit != '0') {
            return;
        }
    }
}

static void remove_moved(struct owner_place *p)
{
    if (os->unlink(p->moved) < 0) {
        next_moved(p);
    }
}

/* Puts a lock that was moved to `from` by mistake back. When somebody has taken the place meanwhile, its holder has lost it anyway. */
static void put_back(struct owner_place *p, const char *from)
{
    if (os->link(from, p->lock) < 0) {
        char target[OWNER_TARGET_MAX];
        int64_t got = os->readlink(from, target, sizeof target - 1);
        if (got > 0) {
            target[got] = 0;
            (void)os->symlink(target, p->lock);
        }
    }
    if (from == p->moved) {
        remove_moved(p);
    } else {
        (void)os->unlink(from);
    }
}

/* Removes the lock that `seen` describes, if it is still that one. */
static bool break_lock(struct owner *o, struct owner_place *p, const struct owner_watch *seen)
{
    struct owner_watch now = {0};
    if (look(p->lock, &now) < 0 || !same_lock(&now, seen) || now.target_mtime_ns != seen->target_mtime_ns) {
        return false;
    }
    if (os->rename(p->lock, p->moved) < 0) {
        return false;
    }
    if (look(p->moved, &now) < 0 || !same_lock(&now, seen)) {
        put_back(p, p->moved);
        return false;
    }
    remove_moved(p);
    o->clean_due = true;
    return true;
}

/* How long a lock must have stayed unchanged before it may be broken; 0: at once. */
static int64_t patience(const struct owner *o, const struct holder *h)
{
    if (is_dead(o, h)) {
        return 0;
    }
    return h->ours && o->proof_ns > 0 ? o->proof_ns : o->grace_ns;
}

/* Is the lock file at `path` ours? No other file can have our owner file's inode while that exists. */
static bool is_ours(const struct owner_place *p, const char *path)
{
    char text[OWNER_TARGET_MAX];
    struct os_stat s;
    if (!p->symbolic) {
        return os->stat(path, false, &s) == 0 && s.ino == p->ino && s.dev == p->dev;
    }
    int64_t got = os->readlink(path, text, sizeof text);
    return got > 0 && str_eq((struct str){text, (size_t)got}, str_of(p->target));
}

/* A lock is in the way. 1: it is ours; 0: go on waiting; -EAGAIN: it is gone, try again at once. */
static int consider(struct owner *o, struct owner_place *p, struct owner_watch *w)
{
    int64_t now = os->monotonic_ns();
    if (w->seen && now < w->next_look_ns) {
        return 0;
    }
    struct owner_watch fresh = {0};
    if (look(p->lock, &fresh) < 0) {
        return -EAGAIN;
    }
    if (is_ours(p, p->lock)) {
        return 1; /* an answer was lost */
    }
    bool same = w->seen && same_lock(w, &fresh) && w->target_mtime_ns == fresh.target_mtime_ns;
    fresh.since_ns = same ? w->since_ns : now;
    fresh.next_look_ns = now + LOOK_NS;
    fresh.seen = true;
    *w = fresh;
    struct holder h = read_holder(p, (struct str){w->target, w->n_target});
    int64_t limit = patience(o, &h);
    if (now - w->since_ns < limit || !break_lock(o, p, w)) {
        return 0;
    }
    char who[160];
    describe_holder(&h, who, sizeof who);
    log_emit(o->log, LOG_LOCK_BROKEN, "took away the lock of %s (%s): %s", who, p->lock,
             limit == 0 ? "it is dead" : "it did nothing for too long");
    w->seen = false;
    return -EAGAIN;
}

/* ---- taking ---- */

static int make_own(struct owner_place *p)
{
    struct os_stat s;
    size_t n = strlen(p->target);
    char text[NAME_LIMIT + 2];
    memcpy(text, p->target, n);
    text[n] = '\n';
    if (p->waits) {
        (void)os->unlink(p->free); /* the one before's: what stays there is replaced when our link comes back */
        p->waits = false;
    }
    p->made = true; /* even when the answer is an error: on a network the file may be there all the same */
    int fd = os->open(p->own, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) {
        return fd;
    }
    int64_t put = os->write(fd, text, n + 1);
    int rc = put == (int64_t)n + 1 ? os->fstat(fd, &s) : put < 0 ? (int)put : -ENOSPC;
    int closed = os->close(fd);
    if (rc < 0 || closed < 0) {
        return rc < 0 ? rc : closed;
    }
    p->dev = s.dev;
    p->ino = s.ino;
    return 0;
}

static int touch_own(struct owner_place *p)
{
    int rc = p->ino ? os->touch(p->own) : -ENOENT;
    return rc == -ENOENT ? make_own(p) : rc; /* somebody cleaned up, or it is the first time */
}

/* The time of the owner file must be new before the lock appears: a waiter that remembers an old one would rob us at once.
 * New enough is enough: in a tight loop this saves a call per acquisition. */
static int renew(struct owner *o, struct tl_err *err)
{
    int64_t now = os->boottime_ns();
    if (now - atomic_load(&o->touched_ns) < (o->n_held > 0 ? BEAT_NS : FRESH_NS)) {
        return TL_OK;
    }
    for (unsigned i = 0; i < o->n_places; i++) {
        int rc = touch_own(&o->places[i]);
        if (rc < 0) {
            return err_sys(err, -rc, "cannot make the lock's owner file '%s'", o->places[i].own);
        }
    }
    atomic_store(&o->touched_ns, now);
    return TL_OK;
}

static bool has_no_links(int rc)
{
    return rc == -EPERM || rc == -ENOSYS || rc == -EOPNOTSUPP || rc == -EMLINK || rc == -EXDEV;
}

/* Makes the lock file appear, if there is none: by the link that waits, or a new one. */
static int appear(struct owner_place *p)
{
    int rc = p->waits ? os->rename_new(p->free, p->lock) : -ENOENT;
    if (rc == 0 || rc == -EEXIST) {
        p->waits = rc == -EEXIST;
        return rc;
    }
    if (rc != -ENOENT) { /* not possible here. A link that stayed lying would spoil a later renaming to its name: that does nothing */
        p->unlinks = true;
        (void)os->unlink(p->free);
    }
    p->waits = false;
    return p->symbolic ? os->symlink(p->target, p->lock) : os->link(p->own, p->lock);
}

static int try_place(struct owner *o, struct owner_place *p, struct owner_watch *w, struct tl_err *err)
{
    for (int tries = 0; tries < 3; tries++) {
        int rc = appear(p);
        if (rc == 0) {
            return 1;
        }
        if (!p->symbolic && has_no_links(rc)) {
            p->symbolic = true;
            continue;
        }
        if (rc != -EEXIST) {
            if (is_ours(p, p->lock)) {
                return 1; /* it is there all the same */
            }
            if (rc == -ENOENT && (rc = make_own(p)) == 0) { /* somebody has removed our owner file */
                continue;
            }
            return err_sys(err, -rc, "cannot make the lock file '%s'", p->lock);
        }
        rc = consider(o, p, w);
        if (rc != -EAGAIN) {
            return rc;
        }
    }
    return 0;
}

int owner_try(struct owner *o, struct owner_watch *w, struct tl_err *err)
{
    int rc = renew(o, err);
    while (rc >= 0 && o->n_held < o->n_places) {
        rc = try_place(o, &o->places[o->n_held], w, err);
        if (rc <= 0) {
            return rc;
        }
        o->n_held++;
        w->seen = false;
    }
    if (rc >= 0) {
        atomic_store(&o->held, true);
    }
    return rc < 0 ? rc : 1;
}

void owner_beat(struct owner *o)
{
    int64_t now = os->boottime_ns();
    if (!atomic_load(&o->held) || now - atomic_load(&o->touched_ns) < BEAT_NS) {
        return;
    }
    for (unsigned i = 0; i < o->n_places; i++) {
        (void)os->touch(o->places[i].own); /* a failure shows when ownership is checked */
    }
    atomic_store(&o->touched_ns, now);
}

/* ---- keeping and giving back ---- */

static bool safe_by_time(const struct owner *o)
{
    return os->boottime_ns() - atomic_load(&o->touched_ns) < SAFE_NS;
}

bool owner_still_ours(const struct owner *o)
{
    if (safe_by_time(o)) {
        return true;
    }
    for (unsigned i = 0; i < o->n_held; i++) {
        if (!is_ours(&o->places[i], o->places[i].lock)) {
            return false;
        }
    }
    return true;
}

static bool give_back(const struct owner *o, struct owner_place *p)
{
    if (!safe_by_time(o) && !is_ours(p, p->lock)) {
        return false;
    }
    bool keeps = o->local && !p->symbolic && !p->unlinks;
    const char *to = keeps ? p->free : p->moved;
    int rc = os->rename(p->lock, to);
    if (!is_ours(p, to)) {
        if (rc == 0) {
            put_back(p, to);
            return false;
        }
        /* It stays, or has gone. If it stays, others will break it: the kernel lock shows that we are not inside. */
        return is_ours(p, p->lock);
    }
    p->waits = keeps;
    if (!keeps) {
        remove_moved(p);
    }
    return true;
}

bool owner_give_back(struct owner *o)
{
    bool kept = true;
    atomic_store(&o->held, false);
    while (o->n_held > 0) {
        o->n_held--;
        kept = give_back(o, &o->places[o->n_held]) && kept;
    }
    if (!kept) {
        log_emit(o->log, LOG_LOCK_LOST, "somebody took the lock file '%s' away while it was held", o->places[0].lock);
    }
    return kept;
}

int owner_forked(struct owner *o, struct tl_err *err)
{
    atomic_store(&o->held, false);
    atomic_store(&o->touched_ns, 0);
    o->n_held = 0;
    for (unsigned i = 0; i < o->n_places; i++) {
        struct owner_place *p = &o->places[i], fresh = {0};
        size_t n = strlen(p->lock) - (sizeof lock_suffix - 1);
        char *path = mem_dup(p->lock, n);
        int rc = path ? name_place(o, &fresh, path, err) : err_nomem(err);
        mem_free(path);
        if (rc != TL_OK) {
            free_names(&fresh);
            return rc;
        }
        free_names(p);
        *p = fresh;
    }
    return TL_OK;
}

/* ---- cleaning, unlocking by hand ---- */

struct cleaning {
    struct owner *o;
    const struct owner_place *p;
    struct str folder;
    int64_t now_ns; /* by the file system's clock */
};

static int clean_one(const char *name, void *ctx)
{
    const struct cleaning *c = ctx;
    size_t n = strlen(name), n_lock = c->p->prefix - (sizeof own_mark - 1), n_suffix = sizeof rename_suffix - 1;
    char path[4096 + NAME_LIMIT + 2];
    bool moved = n > n_lock + n_suffix && memcmp(name, c->p->target, n_lock) == 0 &&
                 memcmp(name + n - n_suffix, rename_suffix, n_suffix) == 0;
    struct holder h = read_holder(c->p, (struct str){name, n});
    if ((!h.ours && !moved) || strcmp(name, c->p->target) == 0 || c->folder.n + n + 1 > sizeof path) {
        return 0;
    }
    memcpy(path, c->folder.p, c->folder.n);
    memcpy(path + c->folder.n, name, n + 1);
    struct owner_watch w = {0};
    if (moved && look(path, &w) == 0) { /* whose lock it was; who moved it finds a dead one gone and looks again */
        h = read_holder(c->p, (struct str){w.target, w.n_target});
    }
    struct os_stat s;
    bool old = !same_machine(c->o, &h) && os->stat(path, false, &s) == 0 && c->now_ns - s.mtime_ns > LEFTOVER_NS;
    if (old || is_dead(c->o, &h)) {
        (void)os->unlink(path);
    }
    return 0;
}

void owner_grew(struct owner *o)
{
    o->clean_due = o->clean_due || o->cleaned_ns == 0 || os->monotonic_ns() - o->cleaned_ns >= CLEAN_PAUSE_NS;
}

void owner_clean(struct owner *o)
{
    o->clean_due = false;
    o->cleaned_ns = os->monotonic_ns();
    for (unsigned i = 0; i < o->n_places; i++) {
        const struct owner_place *p = &o->places[i];
        struct os_stat own;
        if (!p->made || os->stat(p->own, false, &own) < 0) {
            continue;
        }
        size_t n = (size_t)(p->target - p->own);
        char *folder = mem_dup(p->own, n);
        struct cleaning c = {o, p, {folder, n}, own.mtime_ns};
        if (folder) {
            (void)os->dir_list(folder, clean_one, &c);
        }
        mem_free(folder);
    }
}

int owner_unlock(struct owner *o, bool force, bool *removed, struct tl_err *err)
{
    bool any = false;
    for (unsigned i = 0; i < o->n_places; i++) {
        struct owner_place *p = &o->places[i];
        struct owner_watch w = {0};
        int rc = look(p->lock, &w);
        if (rc == -ENOENT) {
            continue;
        }
        if (rc < 0) {
            return err_sys(err, -rc, "cannot read the lock file '%s'", p->lock);
        }
        struct holder h = read_holder(p, (struct str){w.target, w.n_target});
        if (!force && !is_dead(o, &h)) {
            char who[160];
            describe_holder(&h, who, sizeof who);
            return err_set(err, TL_ELOCKED, "the journal is locked by %s, which is not known to be dead", who);
        }
        if (!break_lock(o, p, &w)) {
            return err_set(err, TL_ELOCKED, "the lock file '%s' changed hands just now", p->lock);
        }
        any = true;
    }
    owner_clean(o);
    *removed = any;
    return TL_OK;
}
