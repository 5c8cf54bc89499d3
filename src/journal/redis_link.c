/* SPDX-License-Identifier: MIT
 *
 * The one connection of a handle, shared by its threads: opened when first needed, opened again when it broke, and every request
 * sent again until it has an answer or the time is up.
 *
 * That is harmless, because every request of ours may come twice (redis_script.c); even one that was stuck on its way and
 * wakes up after its retry changes nothing. So a lost connection, a server that restarts, loads its data, is busy or has no place
 * for another client, costs time and nothing else. Scripts are sent once per handle and then named by their hash; a server that
 * has forgotten them (SCRIPT FLUSH, a restart) gets the text again.
 *
 * Failure: the server's own errors become codes and advice in `errors` below. When the time is up, `maybe` says whether the server
 * may have the request, or may still get it. Who waits, for the server or for a
 * thread that does, is asked every 50 ms whether to go on. Invariants: no text of the server is shown that may hold a password (some
 * versions repeat the words of a command that they do not know); the guard is held while one request and its reply travel.
 */
#include "journal/redis.h"

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"

#include <stdio.h>

#define REQUEST_MAX ((size_t)3 << 29)
#define REQUEST_KEEP ((size_t)4 << 20)
#define PIECE 65536
#define FIRST_MS 2000    /* a server that never answered this handle is given that long to appear */
#define PAUSE_MAX_MS 500
#define REDIRECTS 16
#define COMPLAIN_AFTER 11 /* tries: about two seconds */
#define CLOSE_MS 3000     /* who closes waits that long in all, then for a moment each */
#define CLOSE_EACH_MS 500

int64_t redis_deadline(int64_t timeout_ms)
{
    int64_t now = os->monotonic_ns();
    return timeout_ms < 0 || timeout_ms >= (INT64_MAX - now) / MS ? INT64_MAX : now + timeout_ms * MS;
}

int link_init(struct redis_link *l, struct tl_err *err)
{
    int rc = guard_init(&l->guard, err);
    l->io = (struct redis_io){-1, NULL};
    l->reader = NULL;
    l->connected = false;
    l->request = (struct buf)BUF_INIT(REQUEST_MAX);
    uint32_t chance = 0;
    (void)os->random(&chance, sizeof chance);
    atomic_store(&l->chance, chance | 1);
    return rc;
}

void link_drop(struct redis_link *l)
{
    redis_io_close(&l->io);
    reply_reader_free(l->reader);
    l->reader = NULL;
    l->connected = false;
}

void link_release(struct redis_link *l)
{
    link_drop(l);
    buf_release(&l->request);
    redis_url_release(&l->url);
    guard_release(&l->guard);
}

/* Half to all of 1, 2, 4 … 500 ms. */
bool link_pause(struct redis_link *l, int tries, int64_t deadline_ns)
{
    uint32_t chance = atomic_load(&l->chance);
    chance ^= chance << 13;
    chance ^= chance >> 17;
    chance ^= chance << 5;
    atomic_store(&l->chance, chance);
    int64_t ms = tries < 9 ? INT64_C(1) << tries : PAUSE_MAX_MS;
    int64_t ns = ms * MS / 2 + (int64_t)(chance % 1024) * ms * MS / 2048;
    if (os->monotonic_ns() + ns >= deadline_ns) {
        return false;
    }
    os->sleep_ns(ns);
    return true;
}

/* ---- what the server's errors mean ---- */

enum action { ACT_FAIL, ACT_AGAIN, ACT_RECONNECT, ACT_MOVED, ACT_NO_SCRIPT };
static const struct {
    const char *begins;
    enum action action;
    int code;
    const char *text; /* behind "the Redis server at WHERE " */
} errors[] = {
    {"NOSCRIPT", ACT_NO_SCRIPT, TL_EIO, "forgets scripts at once"},
    {"NOAUTH", ACT_FAIL, TL_EACCESS, "wants a password: redis://:PASSWORD@host, or the environment variable REDISCLI_AUTH"},
    {"WRONGPASS", ACT_FAIL, TL_EACCESS, "refuses the user or the password"},
    {"NOPERM", ACT_FAIL, TL_EACCESS,
     "does not permit it: the user needs EVALSHA, SCRIPT|LOAD, GET, SET, MGET and the like on keys that begin with the prefix"},
    {"LOADING", ACT_AGAIN, TL_EUNAVAILABLE, "is still loading its data"},
    {"BUSY ", ACT_AGAIN, TL_EUNAVAILABLE, "is busy with somebody's script"},
    {"MASTERDOWN", ACT_RECONNECT, TL_EUNAVAILABLE, "is a replica that has lost its master"},
    {"NOREPLICAS", ACT_AGAIN, TL_EUNAVAILABLE, "has fewer replicas than it must have to write"},
    {"CLUSTERDOWN", ACT_AGAIN, TL_EUNAVAILABLE, "says that its cluster is down"},
    {"TRYAGAIN", ACT_AGAIN, TL_EUNAVAILABLE, "is moving these keys to another node"},
    {"ASK", ACT_AGAIN, TL_EUNAVAILABLE, "is moving these keys to another node"},
    {"MOVED", ACT_MOVED, TL_EUNAVAILABLE, "sends us from node to node"},
    {"CROSSSLOT", ACT_FAIL, TL_EUNSUPPORTED, "is part of a cluster: there the prefix wants a {tag}, such as ?prefix={study}"},
    {"READONLY", ACT_RECONNECT, TL_EUNAVAILABLE, "is a replica that takes no writes: give the address of the master"},
    {"OOM", ACT_FAIL, TL_ENOSPC, "has reached its maxmemory: nothing was written"},
    {"MISCONF", ACT_FAIL, TL_ENOSPC, "cannot save its data and takes no writes: see its log"},
    {"WRONGTYPE", ACT_FAIL, TL_ECORRUPT, "has something else than a journal under this prefix"},
    {"ERR max number of clients", ACT_RECONNECT, TL_EUNAVAILABLE, "has no place for another client (maxclients)"},
};

/* Fills in `err` and says what to do. */
static enum action judge(const struct redis_link *l, struct str text, struct tl_err *err)
{
    for (size_t i = 0; i < TL_COUNT(errors); i++) {
        size_t n = strlen(errors[i].begins);
        if (text.n >= n && memcmp(text.p, errors[i].begins, n) == 0) {
            err_set(err, errors[i].code, "the Redis server at %s %s", l->url.where, errors[i].text);
            return errors[i].action;
        }
    }
    for (size_t i = 0; i < TL_COUNT(errors); i++) { /* inside a script some come with a word before them */
        if (errors[i].action == ACT_FAIL && memmem(text.p, text.n, errors[i].begins, strlen(errors[i].begins))) {
            err_set(err, errors[i].code, "the Redis server at %s %s", l->url.where, errors[i].text);
            return ACT_FAIL;
        }
    }
    err_set(err, TL_EIO, "the Redis server at %s answered: %.*s", l->url.where, (int)(text.n < 160 ? text.n : 160), text.p);
    return ACT_FAIL;
}

/* "MOVED SLOT HOST:PORT" */
static bool follow_move(struct redis_link *l, struct str text)
{
    const char *host = memrchr(text.p, ' ', text.n), *end = text.p + text.n;
    const char *colon = memrchr(text.p, ':', text.n);
    int64_t port;
    if (!host || !colon || colon < host || num_parse_int(colon + 1, end, &port) != end || port < 1 || port > 65535) {
        return false;
    }
    host++;
    size_t n = (size_t)(colon - host);
    if (n >= sizeof l->host) {
        return false;
    }
    if (n > 0) { /* else: the node does not know its own name, the host stays */
        memcpy(l->host, host, n);
        l->host[n] = 0;
    } else if (!l->host[0] && l->url.address.host) {
        memcpy(l->host, l->url.address.host, strlen(l->url.address.host) + 1);
    }
    l->port = (uint16_t)port;
    return l->host[0] != 0;
}

/* ---- one request ---- */

/* `*sent`: the server may have the whole request. */
static int exchange(struct redis_link *l, const struct str *words, size_t n, const struct redis_limit *limit, struct arena *memory,
                    struct reply **out, bool *sent, struct tl_err *err)
{
    char piece[PIECE];
    struct reply *reply = NULL;
    struct redis_limit one = *limit;
    int64_t most = os->monotonic_ns() + l->url.reply_ms * MS;
    one.deadline_ns = most < limit->deadline_ns ? most : limit->deadline_ns;
    buf_clear(&l->request);
    int rc = reply_request(&l->request, words, n, err);
    if (rc != TL_OK) {
        return rc;
    }
    *sent = true;
    rc = redis_io_send(&l->io, l->request.data, l->request.len, &one, err);
    reply_reader_use(l->reader, memory);
    while (rc == TL_OK && !reply) {
        size_t got = 0;
        rc = redis_io_recv(&l->io, piece, sizeof piece, &one, &got, err);
        rc = rc == TL_OK ? reply_feed(l->reader, piece, got, &reply, err) : rc;
    }
    if (l->request.cap > REQUEST_KEEP) {
        buf_release(&l->request);
    }
    if (rc == TL_OK) {
        *out = reply;
    }
    return rc;
}

/* AUTH or SELECT. What the server says to AUTH is not repeated. */
static int greet_with(struct redis_link *l, const struct str *words, size_t n, const struct redis_limit *limit, bool *again,
                      struct tl_err *err)
{
    struct arena memory = {0};
    struct reply *reply = NULL;
    bool sent = false;
    int rc = exchange(l, words, n, limit, &memory, &reply, &sent, err);
    *again = rc == TL_ENET;
    if (rc == TL_OK && reply->type == REPLY_ERROR) {
        enum action action = judge(l, reply->text, err);
        *again = action == ACT_AGAIN || action == ACT_RECONNECT;
        rc = err ? err->code : TL_EACCESS;
        if (!*again && str_eq(words[0], STR("AUTH"))) {
            rc = err_set(err, TL_EACCESS, "the Redis server at %s refuses the user or the password", l->url.where);
        }
    }
    arena_release(&memory);
    return rc;
}

static int greet(struct redis_link *l, const struct redis_limit *limit, bool *again, struct tl_err *err)
{
    const struct redis_url *u = &l->url;
    char db[24];
    int rc = TL_OK;
    if (u->password) {
        struct str words[3] = {STR("AUTH"), str_of(u->user ? u->user : u->password), str_of(u->password)};
        rc = greet_with(l, words, u->user ? 3 : 2, limit, again, err);
    }
    if (rc == TL_OK && u->db != 0) {
        struct str words[2] = {STR("SELECT"), redis_number(db, (uint64_t)u->db)};
        rc = greet_with(l, words, 2, limit, again, err);
    }
    return rc;
}

static int ensure_connected(struct redis_link *l, const struct redis_limit *limit, bool *again, struct tl_err *err)
{
    struct tl_err local = TL_ERR_INIT;
    struct tl_err *why = err ? err : &local; /* greet reads the code */
    struct os_address to = l->url.address;
    *again = false;
    if (l->connected) {
        return TL_OK;
    }
    if (l->host[0]) {
        to = (struct os_address){NULL, l->host, l->port};
    }
    int rc = reply_reader_new(&l->reader, why);
    rc = rc == TL_OK ? redis_io_open(&l->io, &l->url, &to, limit, again, why) : rc;
    rc = rc == TL_OK ? greet(l, limit, again, why) : rc;
    if (rc != TL_OK) {
        link_drop(l);
        if (l->host[0] && *again) { /* the node that a cluster named is gone: ask the first one again */
            l->host[0] = 0;
        }
        return rc;
    }
    l->connected = l->was_connected = true;
    return TL_OK;
}

/* ---- scripts ---- */

/* Learns the hash; a server that does not permit that gets the text every time. */
static int load_script(struct redis_link *l, struct redis_call *c, const struct redis_limit *limit, struct tl_err *err)
{
    struct str words[3] = {STR("SCRIPT"), STR("LOAD"), str_of(redis_scripts[c->script])};
    struct reply *reply = NULL;
    bool sent;
    int rc = exchange(l, words, 3, limit, c->memory, &reply, &sent, err);
    if (rc == TL_OK && reply->type == REPLY_TEXT && reply->text.n == SHA_MAX - 1) {
        memcpy(l->sha[c->script], reply->text.p, reply->text.n);
    }
    return rc;
}

static int run(struct redis_link *l, struct redis_call *c, bool by_text, const struct redis_limit *limit, struct reply **out,
               struct tl_err *err)
{
    bool sent = false;
    if (c->script == SCRIPT_NONE) {
        int rc = exchange(l, c->words, c->n, limit, c->memory, out, &sent, err);
        c->maybe = c->maybe || (sent && rc != TL_OK);
        return rc;
    }
    char *sha = l->sha[c->script];
    int rc = !sha[0] && !by_text ? load_script(l, c, limit, err) : TL_OK;
    if (rc != TL_OK) {
        return rc;
    }
    by_text = by_text || !sha[0];
    struct str *words = arena_alloc(c->memory, (c->n + 5) * sizeof *words);
    size_t prefix = strlen(l->url.prefix);
    char *key = arena_alloc(c->memory, prefix + sizeof ":log_number");
    if (!words || !key) {
        return err_nomem(err);
    }
    memcpy(key, l->url.prefix, prefix);
    memcpy(key + prefix, ":log_number", sizeof ":log_number");
    words[0] = by_text ? STR("EVAL") : STR("EVALSHA");
    words[1] = by_text ? str_of(redis_scripts[c->script]) : (struct str){sha, SHA_MAX - 1};
    words[2] = STR("1");
    words[3] = str_of(key);
    words[4] = str_of(l->url.prefix);
    if (c->n > 0) {
        memcpy(words + 5, c->words, c->n * sizeof *words);
    }
    rc = exchange(l, words, c->n + 5, limit, c->memory, out, &sent, err);
    c->maybe = c->maybe || (sent && rc != TL_OK);
    return rc;
}

/* What became of one try. */
enum verdict { VERDICT_DONE, VERDICT_FAIL, VERDICT_PAUSE, VERDICT_AT_ONCE };

static enum verdict try_once(struct redis_link *l, struct redis_call *c, const struct redis_limit *limit, bool *by_text, int *redirects,
                             struct reply **out, struct tl_err *err)
{
    struct reply *reply = NULL;
    bool again = false;
    int rc = ensure_connected(l, limit, &again, err);
    if (rc != TL_OK) {
        return again ? VERDICT_PAUSE : VERDICT_FAIL;
    }
    rc = run(l, c, *by_text, limit, &reply, err);
    if (rc != TL_OK) {
        link_drop(l);
        return rc == TL_ENET || rc == TL_EIO ? VERDICT_PAUSE : VERDICT_FAIL;
    }
    if (reply->type != REPLY_ERROR) {
        *out = reply;
        return VERDICT_DONE;
    }
    enum action action = judge(l, reply->text, err);
    if (action == ACT_NO_SCRIPT) {
        enum verdict verdict = *by_text ? VERDICT_FAIL : VERDICT_AT_ONCE;
        *by_text = true;
        return verdict;
    }
    if (action == ACT_MOVED && follow_move(l, reply->text)) {
        link_drop(l);
        return ++*redirects < REDIRECTS ? VERDICT_AT_ONCE : VERDICT_PAUSE;
    }
    if (action == ACT_RECONNECT) {
        link_drop(l);
        l->host[0] = 0;
    }
    return action == ACT_FAIL ? VERDICT_FAIL : VERDICT_PAUSE;
}

/* A call under way. */
struct under_way {
    struct redis_link *l;
    int64_t began_ns;
};

static bool given_up(void *ctx)
{
    const struct under_way *u = ctx;
    int64_t closing = atomic_load(&u->l->closing_ns), all = closing + CLOSE_MS * MS, each = u->began_ns + CLOSE_EACH_MS * MS;
    return (u->l->cancelled && u->l->cancelled(u->l->cancelled_ctx)) || (closing != 0 && os->monotonic_ns() > (all > each ? all : each));
}

int link_call(struct redis_link *l, struct redis_call *c, struct reply **out, struct tl_err *err)
{
    struct tl_err local = TL_ERR_INIT, *why = err ? err : &local; /* the code is read below */
    bool by_text = false, first = !l->was_connected;
    int64_t start = os->monotonic_ns(), first_limit = start + FIRST_MS * MS;
    int redirects = 0;
    struct under_way under_way = {l, start};
    struct redis_limit limits = {c->deadline_ns, given_up, &under_way};
    c->maybe = false;
    for (int tries = 0;; tries++) {
        if (given_up(&under_way)) {
            return err_set(why, TL_ECANCELLED, "cancelled while waiting for the Redis server at %s", l->url.where);
        }
        int rc = guard_enter(&l->guard, c->deadline_ns, given_up, &under_way, why);
        if (rc != TL_OK) {
            return rc;
        }
        enum verdict verdict = try_once(l, c, &limits, &by_text, &redirects, out, why);
        bool connected = l->was_connected;
        guard_leave(&l->guard);
        if (verdict == VERDICT_DONE) {
            return TL_OK;
        }
        if (verdict == VERDICT_FAIL) {
            return why->code;
        }
        if (verdict == VERDICT_AT_ONCE) {
            continue;
        }
        int64_t limit = first && !connected && why->code == TL_ENET && first_limit < c->deadline_ns ? first_limit : c->deadline_ns;
        if (tries == COMPLAIN_AFTER) {
            log_emit(l->log, LOG_DATABASE, "trying again for a while: %s", why->message);
        }
        if (!link_pause(l, tries, limit)) {
            double seconds = (double)(os->monotonic_ns() - start) / 1e9;
            rc = why->code;
            return err_wrap(why, rc, "given up after %.1f s", seconds);
        }
    }
}
