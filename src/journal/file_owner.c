/* SPDX-License-Identifier: MIT
 *
 * The lock file that Optuna's processes wait for.
 *
 * Optuna's lock is JOURNAL.lock: a symbolic link to the journal, or an empty file made with O_EXCL. A waiter that sees no
 * change in the time of what it points to for its grace period (30 s) takes it away. Ours is a link to an owner file whose time
 * is set to now before each acquisition and every half second while held, so a live holder is never robbed, and whose name
 * tells others who holds it: JOURNAL.lock.own.MACHINE.PID.START.NONCE, MACHINE being the host's name and a hash of boot and
 * process-id namespace, so that a process id is believed only where it means something.
 *
 * Happy path: touch, symlink; later rename, readlink, unlink. The owner file is made once and kept until the handle closes.
 * Breaking somebody's lock: at once when its process is dead here; soon when the kernel lock proves that no process of ours can
 * be inside; otherwise when nothing about it has changed for the grace period on our own clock. It is moved aside first and
 * looked at again; what turns out to be another lock is put back.
 * Failure: a lock that cannot be removed stays and is broken by the next one. Invariant: nothing here removes a lock that it has
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
#define NAME_LIMIT 255u
#define CLEAN_EVERY 4096u
#define LEFTOVER_NS (24 * 3600 * INT64_C(1000000000))

static const char lock_suffix[] = ".lock", own_mark[] = ".own.", rename_suffix[] = ".rename";

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
    if (!p->lock || !p->moved || !p->own) {
        return err_nomem(err);
    }
    p->target = last_part(p->own);
    p->prefix = strlen(last_part(path)) + sizeof lock_suffix - 1 + sizeof own_mark - 1;
    if (strlen(p->target) > NAME_LIMIT || strlen(last_part(p->moved)) > NAME_LIMIT) {
        return err_set(err, TL_EINVAL, "the journal's name '%.100s…' is too long by %zu bytes for the lock files beside it",
                       last_part(path), strlen(p->target) - NAME_LIMIT);
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
    atomic_init(&o->own_touched_ns, 0);
    int rc = name_machine(o, err);
    for (unsigned i = 0; rc == TL_OK && i < n_paths; i++) {
        rc = name_place(o, &o->places[i], paths[i], err);
        o->n_places = i + 1;
    }
    return rc;
}

static bool is_ours(const char *path, struct str target)
{
    char text[OWNER_TARGET_MAX];
    int64_t got = os->readlink(path, text, sizeof text);
    return got > 0 && str_eq((struct str){text, (size_t)got}, target);
}

void owner_close(struct owner *o)
{
    if (o->handover.possible && o->handover.path) {
        owner_clean(o); /* what adopted links named and their owners had to leave */
    }
    for (unsigned i = 0; i < o->n_places; i++) {
        /* who adopted our link needs the file that it names; then others clean up */
        if (o->places[i].made && !(o->handover.possible && is_ours(o->places[i].lock, str_of(o->places[i].target)))) {
            (void)os->unlink(o->places[i].own); /* what stays is cleaned by others */
        }
        free_names(&o->places[i]);
    }
    if (o->handover.possible) {
        handover_release(&o->handover);
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

bool owner_is_of_this_machine(const struct owner *o, const struct owner_place *p, struct str target)
{
    struct holder h = read_holder(p, target);
    return same_machine(o, &h);
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

bool owner_is_dead(const struct owner *o, const struct owner_place *p, struct str target)
{
    struct holder h = read_holder(p, target);
    return is_dead(o, &h);
}

static void describe_holder(const struct holder *h, char *out, size_t n)
{
    if (h->ours) {
        snprintf(out, n, "process %llu on %.*s", (unsigned long long)h->pid, (int)h->machine.n, h->machine.p);
    } else {
        snprintf(out, n, "a process of Optuna");
    }
}

void owner_holder(const struct owner *o, char *out, size_t n)
{
    char target[OWNER_TARGET_MAX];
    for (unsigned i = 0; i < o->n_places; i++) {
        const struct owner_place *p = &o->places[i];
        int64_t got = os->readlink(p->lock, target, sizeof target);
        if (got < 0 && got != -EINVAL) {
            continue;
        }
        struct holder h = read_holder(p, (struct str){target, got < 0 ? 0 : (size_t)got});
        describe_holder(&h, out, n);
        return;
    }
    snprintf(out, n, "another process");
}

/* ---- looking at a lock and breaking it ---- */

/* Reads the lock file at `path` as it is now. 0, or -ENOENT and the like. */
static int look(const char *path, struct owner_watch *w)
{
    int rc = os->stat(path, false, &w->link);
    if (rc < 0) {
        return rc;
    }
    w->n_target = 0;
    if (w->link.is_link) {
        int64_t got = os->readlink(path, w->target, sizeof w->target);
        if (got < 0) {
            return (int)got;
        }
        w->n_target = (size_t)got;
    }
    struct os_stat behind;
    w->target_mtime_ns = os->stat(path, true, &behind) == 0 ? behind.mtime_ns : -1;
    return 0;
}

static bool same_lock(const struct owner_watch *a, const struct owner_watch *b)
{
    return a->link.ino == b->link.ino && a->link.dev == b->link.dev && a->link.mtime_ns == b->link.mtime_ns &&
           a->link.is_link == b->link.is_link &&
           str_eq((struct str){a->target, a->n_target}, (struct str){b->target, b->n_target});
}

/* Puts a lock that was moved by mistake back. When somebody has taken the place meanwhile, its holder has lost it anyway. */
static void put_back(const struct owner_place *p)
{
    if (os->link(p->moved, p->lock) < 0) {
        char target[OWNER_TARGET_MAX];
        int64_t got = os->readlink(p->moved, target, sizeof target - 1);
        if (got > 0) {
            target[got] = 0;
            (void)os->symlink(target, p->lock);
        }
    }
    (void)os->unlink(p->moved);
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
        put_back(p);
        return false;
    }
    (void)os->unlink(p->moved);
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
    if (str_eq((struct str){fresh.target, fresh.n_target}, str_of(p->target))) {
        return 1;
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

static int touch_own(struct owner_place *p)
{
    int rc = p->made ? os->touch(p->own) : -ENOENT;
    if (rc != -ENOENT) {
        return rc;
    }
    bool fresh = !p->made;
    p->made = true; /* even when the answer is an error: on a network the file may be there all the same */
    int fd = os->open(p->own, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) {
        return fd;
    }
    (void)os->close(fd);
    return fresh ? 0 : os->touch(p->own);
}

/* The time of the owner file must be new before the lock appears: a waiter that remembers an old one would rob us at once.
 * New enough is enough: in a tight loop this saves a call per acquisition. */
static int renew(struct owner *o, struct tl_err *err)
{
    int64_t now = os->boottime_ns(), own = atomic_load(&o->own_touched_ns);
    if (now - own < (o->n_held > 0 ? BEAT_NS : FRESH_NS)) {
        atomic_store(&o->touched_ns, own);
        return TL_OK;
    }
    for (unsigned i = 0; i < o->n_places; i++) {
        int rc = touch_own(&o->places[i]);
        if (rc < 0) {
            return err_sys(err, -rc, "cannot make the lock's owner file '%s'", o->places[i].own);
        }
    }
    atomic_store(&o->own_touched_ns, now);
    atomic_store(&o->touched_ns, now);
    return TL_OK;
}

static int try_place(struct owner *o, struct owner_place *p, struct owner_watch *w, struct tl_err *err)
{
    for (int tries = 0; tries < 3; tries++) {
        int rc = os->symlink(p->target, p->lock);
        if (rc == 0) {
            return 1;
        }
        if (rc != -EEXIST) {
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
    bool adopted = o->n_held == 0 && handover_adopt(o, &o->places[0]);
    int rc = adopted ? TL_OK : renew(o, err);
    o->n_held += adopted;
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
        o->acquisitions++;
        o->clean_due = o->clean_due || o->acquisitions % CLEAN_EVERY == 0;
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
    handover_touch(o);
    atomic_store(&o->own_touched_ns, now);
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
        if (!is_ours(o->places[i].lock, handover_target(o, &o->places[i]))) {
            return false;
        }
    }
    return true;
}

static bool give_back(struct owner *o, struct owner_place *p)
{
    struct str target = handover_target(o, p);
    if (!safe_by_time(o) && !is_ours(p->lock, target)) {
        return false;
    }
    int rc = os->rename(p->lock, p->moved);
    if (rc < 0) {
        /* It stays, or has gone. Ours still: others will break it, because the kernel lock shows that we are not inside. */
        return is_ours(p->lock, target);
    }
    if (!is_ours(p->moved, target)) {
        put_back(p);
        return false;
    }
    (void)os->unlink(p->moved);
    return true;
}

bool owner_leave(struct owner *o)
{
    if (o->n_held != 1 || !owner_still_ours(o) || !handover_leave(o, &o->places[0])) {
        return false;
    }
    o->n_held = 0;
    atomic_store(&o->held, false);
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
    handover_given_back(o);
    if (!kept) {
        log_emit(o->log, LOG_LOCK_LOST, "somebody took the lock file '%s' away while it was held", o->places[0].lock);
    }
    return kept;
}

int owner_forked(struct owner *o, struct tl_err *err)
{
    atomic_store(&o->held, false);
    atomic_store(&o->touched_ns, 0);
    atomic_store(&o->own_touched_ns, 0);
    o->n_held = 0;
    handover_init(&o->handover, o->handover.possible);
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
    struct os_stat s;
    bool old = !same_machine(c->o, &h) && os->stat(path, false, &s) == 0 && c->now_ns - s.mtime_ns > LEFTOVER_NS;
    if (old || is_dead(c->o, &h)) {
        (void)os->unlink(path);
    }
    return 0;
}

void owner_clean(struct owner *o)
{
    o->clean_due = false;
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
