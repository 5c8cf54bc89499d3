/* SPDX-License-Identifier: MIT
 *
 * A journal in Redis, in the key layout of Optuna's JournalRedisBackend, which may read and write it at the same time.
 *
 * Happy path of an append: the lines are composed on the state as known and travel in one request; a script (redis_script.c) looks
 * whether they still hold and whether they were written before, gives them the next numbers, and answers with everything that others
 * wrote meanwhile. Read: one request says that nothing is new, or brings what is, some megabytes at a time.
 * Who was too late several times (append.patient) gets a turn with the next refusal: for a tenth of a second, or until he has written, the
 * script lets nobody else write (Optuna's writers do not ask it).
 *
 * Failure modes. Lost connections, restarts: redis_link.c sends again, which the writer's key makes harmless; when the time is up, the
 * outcome is unknown. A line that was counted but is missing (Optuna's use_cluster mode counts first and writes then; its writer may die in
 * between, and Optuna's readers then wait for ever): we wait for it, for hole_timeout at most; then a line that changes nothing is put in
 * its place. A log that was rewound (FLUSHALL, a restored backup, a failover, the last second without appendfsync always): each request
 * carries the last line as this handle knows it, or both its ends; if that line is gone or another, nothing is written and the
 * handle begins anew. A counter that fell behind the lines: TL_ECORRUPT, because new lines would replace old ones.
 *
 * Invariants: Optuna's keys are never trimmed and its snapshot, a Python pickle, is never touched; all keys begin with the prefix; the
 * position moves only over lines that were delivered.
 */
#include "journal/redis.h"

#include "base/crc32c.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "journal/kinds.h"

#include <stdio.h>

#define OUT_MAX ((size_t)1 << 30)
#define NEWS_MAX ((size_t)3 << 29)
#define NEWS_LIMIT "1048576"  /* bytes of news that an append brings along */
#define READ_LIMIT "4194304"  /* and a read */
#define WRITER_KEPT_S "604800" /* far longer than any request can be stuck */
#define HOLE_PAUSE 6          /* pauses of at most 64 ms while a line is missing */
#define FILL_MAX 1000
#define BUSY_NS 200000        /* while it is another worker's turn */
#define N_FIXED 9             /* arguments of an append before the lines */

static const char missing_line[] = "{\"op_code\":1,\"worker_id\":\"missing-line-repair\",\"study_id\":4294967295}";

struct str redis_number(char out[24], uint64_t n)
{
    int length = snprintf(out, 24, "%llu", (unsigned long long)n);
    return (struct str){out, (size_t)length};
}

/* ---- position ---- */

void redis_pass(struct redis_position *at, struct str line)
{
    at->length = line.n;
    at->crc = crc32c(0, line.p, line.n);
    at->n_edge = line.n <= sizeof at->edge ? line.n : sizeof at->edge;
    if (line.n <= sizeof at->edge) {
        memcpy(at->edge, line.p, line.n);
    } else {
        memcpy(at->edge, line.p, REDIS_EDGE);
        memcpy(at->edge + REDIS_EDGE, line.p + line.n - REDIS_EDGE, REDIS_EDGE);
    }
    if (at->seq == 0) {
        at->first_length = line.n;
        at->first_crc = at->crc;
    }
    at->seq++;
    at->bytes += line.n + 1;
}

/* The arguments of READ and APPEND that say where the handle stands. */
static void add_position(const struct redis_position *at, struct str *words, char from[24], char length[24])
{
    words[0] = redis_number(from, at->seq);
    words[1] = redis_number(length, at->length);
    words[2] = (struct str){at->edge, at->n_edge};
}

static void begin_anew(struct redis *r)
{
    r->at = (struct redis_position){0};
    r->hole_known = false;
}

/* ---- delivering ---- */

/* Lines from item `first` of a reply on. A line break inside one, which JSON allows between its words, becomes a blank. */
static int deliver_reply(struct redis *r, const struct reply *reply, size_t first, const struct deliver *d, struct tl_err *err)
{
    struct redis_position at = r->at;
    buf_clear(&r->news);
    for (size_t i = first; i < reply->n; i++) {
        const struct str *line = reply_text(reply, i);
        if (!line) {
            return err_set(err, TL_EIO, "the Redis server's reply is garbled");
        }
        size_t begin = r->news.len;
        buf_add_str(&r->news, *line);
        buf_add_char(&r->news, '\n');
        if (r->news.failed) {
            return r->news.failed == TL_ENOMEM ? err_nomem(err) : err_set(err, TL_ELIMIT, "the lines are too long");
        }
        for (char *p = r->news.data + begin, *end = p + line->n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL;) {
            *p = ' ';
        }
        if (i + 1 == reply->n || at.seq == 0) {
            redis_pass(&at, *line);
        } else { /* only the last one's hash is needed */
            at.seq++;
            at.bytes += line->n + 1;
        }
    }
    if (r->news.len == 0) {
        return TL_OK;
    }
    int rc = d->lines(d->ctx, r->news.data, r->news.len, (int64_t)r->at.bytes, err);
    if (rc == TL_OK) {
        r->at = at;
        r->hole_known = false;
    }
    return rc;
}

static int deliver_own(struct redis *r, const struct deliver *d, struct tl_err *err)
{
    struct redis_position at = r->at;
    const char *p = r->out.data, *end = p + r->out.len;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        redis_pass(&at, (struct str){p, (size_t)(newline - p)});
        p = newline + 1;
    }
    int rc = d->lines(d->ctx, r->out.data, r->out.len, (int64_t)r->at.bytes, err);
    if (rc == TL_OK) {
        r->at = at;
    }
    return rc;
}

static int rewind_log(struct redis *r, const struct deliver *d, struct tl_err *err)
{
    int rc = d->rewind(d->ctx, "the journal in Redis is not what it was: it was restored, emptied or lost its last lines", err);
    if (rc == TL_OK) {
        begin_anew(r);
    }
    return rc;
}

/* ---- a missing line ---- */

static int fill_hole(struct redis *r, int64_t deadline_ns, struct tl_err *err)
{
    char from[24], to[24];
    uint64_t last = r->hole_head - r->hole_seq >= FILL_MAX ? r->hole_seq + FILL_MAX - 1 : r->hole_head;
    struct str words[3] = {redis_number(from, r->hole_seq), redis_number(to, last), STR(missing_line)};
    struct arena memory = {0};
    struct redis_call c = {.script = SCRIPT_FILL, .words = words, .n = 3, .deadline_ns = deadline_ns, .memory = &memory};
    struct reply *reply = NULL;
    if (r->evicts) {
        return err_set(err, TL_ECORRUPT, "line %llu is missing, and the Redis server at %s evicts keys (maxmemory-policy): "
                       "restore a backup, and set the policy to noeviction", (unsigned long long)r->hole_seq + 1, r->link.url.where);
    }
    if (r->read_only) {
        return err_set(err, TL_EUNAVAILABLE, "line %llu was counted and never written; a handle that may write repairs that",
                       (unsigned long long)r->hole_seq + 1);
    }
    int rc = link_call(&r->link, &c, &reply, err);
    int64_t n = rc == TL_OK && reply->type == REPLY_NUMBER ? reply->number : 0;
    arena_release(&memory);
    if (rc != TL_OK) {
        return rc;
    }
    if (n > 0) {
        log_emit(r->log, LOG_TAIL_HEALED, "line %llu was counted and never written (a writer died): %lld such lines were given up",
                 (unsigned long long)r->hole_seq + 1, (long long)n);
    }
    r->hole_known = false;
    return TL_OK;
}

/* The next line is counted and not there. Waits a little; TL_OK: look again. */
static int meet_hole(struct redis *r, uint64_t head, int *tries, int64_t deadline_ns, struct tl_err *err)
{
    int64_t now = os->monotonic_ns();
    if (!r->hole_known || r->hole_seq != r->at.seq) {
        r->hole_known = true;
        r->hole_seq = r->at.seq;
        r->hole_since_ns = now;
        r->hole_head = head;
    }
    if (now - r->hole_since_ns >= r->link.url.hole_ms * MS) {
        return fill_hole(r, deadline_ns, err);
    }
    if (!link_pause(&r->link, *tries < HOLE_PAUSE ? (*tries)++ : HOLE_PAUSE, deadline_ns)) {
        return err_set(err, TL_EUNAVAILABLE, "line %llu was counted by a writer and is not there yet",
                       (unsigned long long)r->at.seq + 1);
    }
    return TL_OK;
}

/* ---- reading ---- */

/* What a script answered: its status and the head. */
static int read_status(struct redis *r, const struct reply *reply, enum redis_status *status, int64_t *head, struct tl_err *err)
{
    int64_t s = 0;
    if (!reply_number(reply, 0, &s) || !reply_number(reply, 1, head) || s < 0 || s > STATUS_BUSY || *head < -1) {
        return err_set(err, TL_EIO, "the Redis server's reply is garbled");
    }
    *status = (enum redis_status)s;
    if (s == STATUS_NO_COUNTER) {
        return err_set(err, TL_ECORRUPT, "%s:log_number is no number: is something else kept under this prefix?", r->link.url.prefix);
    }
    if (s == STATUS_COUNTER_LOST) {
        return err_set(err, TL_ECORRUPT,
                       "%s:log_number says %lld, but there are lines behind it: the server lost the counter. Set it to the last line's "
                       "number",
                       r->link.url.prefix, (long long)*head);
    }
    return TL_OK;
}

/* Delivers everything up to the head. Guard held. */
static int fetch(struct redis *r, const struct deliver *d, int64_t deadline_ns, struct tl_err *err)
{
    int tries = 0;
    for (;;) {
        char from[24], length[24];
        struct str words[4];
        struct reply *reply = NULL;
        enum redis_status status;
        int64_t head = -1;
        add_position(&r->at, words, from, length);
        words[3] = STR(READ_LIMIT);
        arena_reset(&r->memory);
        struct redis_call c = {.script = SCRIPT_READ, .words = words, .n = 4, .deadline_ns = deadline_ns, .memory = &r->memory};
        int rc = link_call(&r->link, &c, &reply, err);
        rc = rc == TL_OK ? read_status(r, reply, &status, &head, err) : rc;
        if (rc != TL_OK) {
            return rc;
        }
        if (status == STATUS_REWOUND) {
            rc = rewind_log(r, d, err);
        } else {
            rc = deliver_reply(r, reply, 2, d, err);
            if (rc != TL_OK || (int64_t)r->at.seq > head) {
                return rc;
            }
            rc = reply->n > 2 ? TL_OK : meet_hole(r, (uint64_t)head, &tries, deadline_ns, err);
        }
        if (rc != TL_OK) {
            return rc;
        }
    }
}

static int enter(struct redis *r, int64_t deadline_ns, struct tl_err *err)
{
    return guard_enter(&r->guard, deadline_ns, r->link.cancelled, r->link.cancelled_ctx, err);
}

static int redis_read(struct backend *b, const struct deliver *d, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    int64_t deadline = d->deadline_ns ? d->deadline_ns : redis_deadline(r->timeout_ms);
    int rc = enter(r, deadline, err);
    if (rc == TL_OK) {
        rc = fetch(r, d, deadline, err);
        guard_leave(&r->guard);
    }
    return rc;
}

static void redis_restart(struct backend *b)
{
    struct redis *r = redis_of(b);
    guard_lock(&r->guard);
    begin_anew(r);
    guard_leave(&r->guard);
}

/* The head by itself; -1: no line. */
static int get_head(struct redis *r, int64_t deadline_ns, int64_t *head, bool *exists, struct tl_err *err)
{
    struct buf key = BUF_INIT(1 << 20);
    struct arena memory = {0};
    struct reply *reply = NULL;
    buf_add_text(&key, r->link.url.prefix);
    buf_add_text(&key, ":log_number");
    struct str words[2] = {STR("GET"), {key.data, key.len}};
    struct redis_call c = {.script = SCRIPT_NONE, .words = words, .n = 2, .deadline_ns = deadline_ns, .memory = &memory};
    int rc = key.failed ? err_nomem(err) : link_call(&r->link, &c, &reply, err);
    if (rc == TL_OK) {
        *head = -1;
        *exists = reply->type == REPLY_TEXT;
        const char *end = *exists ? reply->text.p + reply->text.n : NULL;
        if (*exists && num_parse_int(reply->text.p, end, head) != end) {
            rc = err_set(err, TL_ECORRUPT, "%s:log_number is no number: is something else kept under this prefix?",
                         r->link.url.prefix);
        }
    }
    arena_release(&memory);
    buf_release(&key);
    return rc;
}

/* Optuna's writers tell nobody that they wrote, so somebody has to ask: seldom, and with the cheapest command. */
static int redis_wait(struct backend *b, int64_t timeout_ms, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    int64_t deadline = redis_deadline(timeout_ms);
    for (int tries = 3;; tries = tries < 8 ? tries + 1 : tries) {
        int64_t head = -1, limit = redis_deadline(r->timeout_ms);
        bool exists;
        int rc = get_head(r, limit, &head, &exists, err);
        if (rc != TL_OK) {
            return rc;
        }
        rc = enter(r, limit, err);
        if (rc != TL_OK) {
            return rc;
        }
        bool news = head + 1 != (int64_t)r->at.seq;
        guard_leave(&r->guard);
        if (news) {
            return 1;
        }
        if (!link_pause(&r->link, tries, deadline)) {
            int64_t left = deadline - os->monotonic_ns();
            if (left > 0) {
                os->sleep_ns(left);
            }
            return 0;
        }
    }
}

/* ---- appending ---- */

/* The request for what was composed: fixed arguments and the lines. */
static struct str *append_words(struct redis *r, const struct append *a, char text[3][24], char lease[64], size_t *n)
{
    struct str *words = arena_alloc(&r->memory, (N_FIXED + a->n_ops) * sizeof *words);
    if (!words) {
        return NULL;
    }
    add_position(&r->at, words, text[0], text[1]);
    words[3] = STR(NEWS_LIMIT);
    words[4] = !a->exact ? STR("0") : a->patient ? STR("2") : STR("1");
    words[5] = str_of(a->worker);
    words[6] = redis_number(text[2], a->first_n);
    words[7] = STR(WRITER_KEPT_S);
    pthread_mutex_lock(&r->lease_mutex);
    memcpy(lease, r->lease_worker, sizeof r->lease_worker);
    pthread_mutex_unlock(&r->lease_mutex);
    words[8] = str_of(lease);
    const char *p = r->out.data, *end = p + r->out.len;
    size_t lines = 0;
    while (p < end && lines < a->n_ops) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        words[N_FIXED + lines++] = (struct str){p, (size_t)(newline - p)};
        p = newline + 1;
    }
    *n = N_FIXED + lines;
    return p == end && lines == a->n_ops ? words : NULL;
}

static int unknown(struct append *a, struct tl_err *err, int rc)
{
    a->outcome = OUTCOME_UNKNOWN;
    err_wrap(err, rc, "it is not known whether the lines were written");
    if (err) {
        err->code = TL_EUNKNOWN;
    }
    return TL_EUNKNOWN;
}

/* Our lines are in the log: delivers up to and with them. */
static int take_in(struct redis *r, struct append *a, const struct reply *reply, uint64_t landed, int64_t deadline, struct tl_err *err)
{
    int rc = deliver_reply(r, reply, 2, &a->deliver, err);
    if (rc == TL_OK && r->at.seq == landed) {
        rc = deliver_own(r, &a->deliver, err);
    } else if (rc == TL_OK) {
        rc = fetch(r, &a->deliver, deadline, err);
    }
    if (rc == TL_OK && r->at.seq < landed + a->n_ops) {
        rc = err_set(err, TL_EIO, "the journal in Redis was rewound behind the lines");
    }
    if (rc != TL_OK) {
        return unknown(a, err, rc);
    }
    a->outcome = OUTCOME_DONE;
    return TL_OK;
}

/* Sends an append, again and again while it is somebody else's turn: that is soon over. */
static int call_in_turn(struct redis *r, struct append *a, struct redis_call *c, struct reply **reply, enum redis_status *status,
                        int64_t *head, struct tl_err *err)
{
    for (bool maybe = false;;) { /* did one of the requests so far get no answer? It may land yet */
        int rc = link_call(&r->link, c, reply, err);
        maybe = maybe || c->maybe;
        if (rc != TL_OK) {
            return maybe ? unknown(a, err, rc) : rc;
        }
        rc = read_status(r, *reply, status, head, err);
        if (rc != TL_OK) {
            return rc == TL_ECORRUPT ? rc : unknown(a, err, rc);
        }
        if (*status != STATUS_BUSY) {
            return TL_OK;
        }
        uint32_t random = 0;
        if (a->cancelled && a->cancelled(a->ctx)) {
            rc = err_set(err, TL_ECANCELLED, "cancelled while it was another worker's turn");
        } else if (os->monotonic_ns() >= c->deadline_ns) {
            rc = err_set(err, TL_ELOCKED, "it was another worker's turn for the whole time limit");
        }
        if (rc != TL_OK) {
            return maybe ? unknown(a, err, rc) : rc;
        }
        (void)os->random(&random, sizeof random);
        os->sleep_ns(BUSY_NS / 2 + random % BUSY_NS);
    }
}

/* A turn was taken, and there is nothing to write. Others would only have to wait until it expires. */
static void yield_turn(struct redis *r, const struct append *a, int64_t deadline)
{
    struct arena memory = {0};
    struct reply *reply = NULL;
    struct tl_err err = TL_ERR_INIT;
    struct str words[1] = {str_of(a->worker)};
    struct redis_call c = {.script = SCRIPT_YIELD, .words = words, .n = 1, .deadline_ns = deadline, .memory = &memory};
    (void)link_call(&r->link, &c, &reply, &err);
    arena_release(&memory);
}

static int write_lines(struct redis *r, struct append *a, int64_t deadline, struct tl_err *err)
{
    char text[3][24], lease[64];
    size_t n = 0;
    arena_reset(&r->memory);
    struct str *words = append_words(r, a, text, lease, &n);
    if (!words) {
        return err_nomem(err);
    }
    struct redis_call c = {.script = SCRIPT_APPEND, .words = words, .n = n, .deadline_ns = deadline, .memory = &r->memory};
    struct reply *reply = NULL;
    enum redis_status status;
    int64_t head = -1;
    int rc = call_in_turn(r, a, &c, &reply, &status, &head, err);
    if (rc != TL_OK) {
        return rc;
    }
    r->has_turn = status == STATUS_CONFLICT && a->exact && a->patient;
    if (status == STATUS_OK) {
        return take_in(r, a, reply, (uint64_t)(head + 1), deadline, err);
    }
    if (status == STATUS_ALREADY) { /* an earlier try landed; the news has our lines in it */
        uint64_t least = r->at.seq;
        rc = deliver_reply(r, reply, 2, &a->deliver, err);
        rc = rc == TL_OK && (int64_t)r->at.seq <= head ? fetch(r, &a->deliver, deadline, err) : rc;
        if (rc != TL_OK || r->at.seq < least + a->n_ops) {
            return unknown(a, err, rc != TL_OK ? rc : TL_EIO);
        }
        a->outcome = OUTCOME_DONE;
        return TL_OK;
    }
    rc = status == STATUS_REWOUND ? rewind_log(r, &a->deliver, err) : deliver_reply(r, reply, 2, &a->deliver, err);
    rc = rc == TL_OK && (int64_t)r->at.seq <= head ? fetch(r, &a->deliver, deadline, err) : rc;
    if (rc == TL_OK) {
        a->outcome = OUTCOME_CONFLICT;
        rc = err_set(err, TL_EUNAVAILABLE, "other writers were faster each time");
    }
    return rc;
}

/* What compose asks of leases has the append's deadline; until 0: it is not composing any more. */
static void set_composing(struct redis *r, int64_t until_ns)
{
    pthread_mutex_lock(&r->lease_mutex);
    r->composing = until_ns != 0;
    r->composer = pthread_self();
    r->compose_until_ns = until_ns;
    pthread_mutex_unlock(&r->lease_mutex);
}

static int redis_append(struct backend *b, struct append *a, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    a->outcome = OUTCOME_ERROR;
    a->written = 0;
    a->flush_token = 0;
    if (r->read_only) {
        return err_set(err, TL_EACCESS, "the journal is open for reading only");
    }
    int64_t start = os->monotonic_ns(), deadline = redis_deadline(a->timeout_ms);
    int rc = enter(r, deadline, err);
    a->waited_ns = (uint64_t)(os->monotonic_ns() - start);
    if (rc != TL_OK) {
        return rc;
    }
    buf_clear(&r->out);
    set_composing(r, deadline);
    rc = a->compose(a->ctx, &r->out, err);
    set_composing(r, 0);
    if (rc == TL_OK && r->out.failed) {
        rc = err_set(err, r->out.failed, "the lines to be written are too long or memory is short");
    }
    if (rc == TL_OK && r->out.len > 0) {
        rc = write_lines(r, a, deadline, err);
    } else if (rc == TL_OK) {
        a->outcome = OUTCOME_NOTHING;
        if (r->has_turn) {
            yield_turn(r, a, redis_deadline(a->timeout_ms));
        }
        r->has_turn = false;
    }
    if (r->out.cap > (size_t)16 << 20) {
        buf_release(&r->out);
    }
    guard_leave(&r->guard);
    return rc;
}

/* ---- the rest ---- */

static void redis_close(struct backend *b)
{
    struct redis *r = redis_of(b);
    link_release(&r->link);
    guard_release(&r->guard);
    pthread_mutex_destroy(&r->lease_mutex);
    buf_release(&r->out);
    buf_release(&r->news);
    buf_release(&r->description);
    arena_release(&r->memory);
    mem_free(r);
}

/* The parent goes on with its connection; ours is a new one. */
static void redis_forked(struct backend *b)
{
    struct redis *r = redis_of(b);
    link_drop(&r->link);
    buf_release(&r->link.request);
    (void)link_init(&r->link, NULL);
    (void)guard_init(&r->guard, NULL);
    pthread_mutex_init(&r->lease_mutex, NULL);
    r->composing = false;
    r->lease_worker[0] = 0;
    r->looks = 0;
}

static void redis_describe(struct backend *b, struct buf *out)
{
    struct redis *r = redis_of(b);
    buf_add(out, r->description.data, r->description.len);
}

static void redis_closing(struct backend *b)
{
    atomic_store(&redis_of(b)->link.closing_ns, os->monotonic_ns());
}

static const struct backend_ops redis_ops = {
    .size = sizeof(struct backend_ops),
    .name = "redis",
    .flags = BACKEND_OPTIMISTIC | BACKEND_DEFERS,
    .close = redis_close,
    .read = redis_read,
    .append = redis_append,
    .wait = redis_wait,
    .restart = redis_restart,
    .mark = redis_mark,
    .snapshot_load = redis_snapshot_load,
    .snapshot_save = redis_snapshot_save,
    .forked = redis_forked,
    .describe = redis_describe,
    .closing = redis_closing,
    .leases = &redis_leases,
};

int redis_open(const char *url, const struct tl_storage_options *options, struct backend **out, struct tl_err *err)
{
    struct redis *r = mem_zalloc(1, sizeof *r);
    if (!r) {
        return err_nomem(err);
    }
    r->base.ops = &redis_ops;
    r->log = options->log;
    r->read_only = options->read_only;
    r->timeout_ms = options->timeout_ms == 0 ? 60000 : options->timeout_ms;
    pthread_mutex_init(&r->lease_mutex, NULL);
    r->out = (struct buf)BUF_INIT(OUT_MAX);
    r->news = (struct buf)BUF_INIT(NEWS_MAX);
    r->description = (struct buf)BUF_INIT(4096);
    r->link.log = options->log;
    r->link.cancelled = options->cancelled;
    r->link.cancelled_ctx = options->cancelled_ctx;
    int64_t head;
    bool exists;
    int rc = link_init(&r->link, err);
    rc = rc == TL_OK ? guard_init(&r->guard, err) : rc;
    rc = rc == TL_OK ? redis_url_parse(url, &r->link.url, err) : rc;
    rc = rc == TL_OK ? get_head(r, redis_deadline(r->timeout_ms), &head, &exists, err) : rc;
    rc = rc == TL_OK ? redis_probe(r, err) : rc;
    if (rc == TL_OK && !exists && (options->must_exist || options->read_only)) {
        rc = err_set(err, TL_ENOTFOUND, "there is no journal under the prefix '%s' in database %lld of the Redis server at %s: creating a "
                     "study makes it",
                     r->link.url.prefix, (long long)r->link.url.db, r->link.url.where);
    }
    if (rc != TL_OK) {
        redis_close(&r->base);
        return rc;
    }
    *out = &r->base;
    return TL_OK;
}
