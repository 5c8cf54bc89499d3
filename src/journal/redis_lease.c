/* SPDX-License-Identifier: MIT
 *
 * Leases in Redis: a hash per worker, PREFIX:trialog:lease:WORKER, with the server's time of its last sign of life.
 *
 * Only the server's clock takes part. It may jump, so one look never condemns: the first that misses a renewal notes that in the hash,
 * and a lease is lost when it is too old, was not renewed since the note, and the note is older than a renewal takes (the rules of
 * file_lease.c). An append of a worker that holds a lease renews it in passing. The key expires when nobody renewed it for a month,
 * long after every look: it only keeps what crashed from staying for ever. The set PREFIX:trialog:leases has the workers' names, so that
 * nobody needs to search all keys. Each call is one request; calls may come from any thread, in callbacks too.
 */
#include "journal/redis.h"

#include "base/err.h"

#define KEPT_MS (INT64_C(30) * 24 * 3600 * 1000)

static int call(struct backend *b, enum redis_script script, const struct str *words, size_t n, struct arena *memory,
                struct reply **reply, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    int64_t deadline = redis_deadline(r->timeout_ms);
    pthread_mutex_lock(&r->lease_mutex);
    bool part_of_append = r->composing && pthread_equal(r->composer, pthread_self());
    deadline = part_of_append && r->compose_until_ns < deadline ? r->compose_until_ns : deadline;
    pthread_mutex_unlock(&r->lease_mutex);
    struct redis_call c = {.script = script, .words = words, .n = n, .deadline_ns = deadline, .memory = memory};
    return link_call(&r->link, &c, reply, err);
}

static int garbled(struct tl_err *err)
{
    return err_set(err, TL_EIO, "the Redis server's reply about a lease is garbled");
}

/* For how long a lease's key stays without a renewal. */
static struct str kept(const struct lease *lease, char text[24])
{
    int64_t ms = lease && lease->length_ms > KEPT_MS / 4 ? lease->length_ms * 4 : KEPT_MS;
    return redis_number(text, (uint64_t)ms);
}

static int lease_take(struct backend *b, const char *worker, const struct lease *lease, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    char length[24], retries[24], until[24];
    struct str words[5] = {str_of(worker), redis_number(length, (uint64_t)lease->length_ms), redis_number(retries, lease->retries),
                           lease->left ? STR("1") : STR("0"), kept(lease, until)};
    struct arena memory = {0};
    struct reply *reply = NULL;
    int rc = call(b, SCRIPT_TAKE, words, 5, &memory, &reply, err);
    arena_release(&memory);
    if (rc == TL_OK && strlen(worker) < sizeof r->lease_worker) {
        pthread_mutex_lock(&r->lease_mutex);
        memcpy(r->lease_worker, worker, strlen(worker) + 1);
        r->lease_worker[0] = lease->left ? 0 : r->lease_worker[0];
        pthread_mutex_unlock(&r->lease_mutex);
    }
    return rc;
}

static int lease_renew(struct backend *b, const char *worker, struct tl_err *err)
{
    char until[24];
    struct str words[2] = {str_of(worker), kept(NULL, until)};
    struct arena memory = {0};
    struct reply *reply = NULL;
    int rc = call(b, SCRIPT_RENEW, words, 2, &memory, &reply, err);
    rc = rc != TL_OK ? rc : reply->type == REPLY_NUMBER ? reply->number == 1 : garbled(err);
    arena_release(&memory);
    return rc;
}

static int lease_now(struct backend *b, enum lease_clock what_for, int64_t *now, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    char known[24];
    pthread_mutex_lock(&r->lease_mutex);
    struct str words[2] = {what_for == LEASE_CLOCK_IN_TURN ? STR("0") : what_for == LEASE_CLOCK_LOOK ? STR("1") : STR("2"),
                           redis_number(known, (uint64_t)r->looks)};
    pthread_mutex_unlock(&r->lease_mutex);
    struct arena memory = {0};
    struct reply *reply = NULL;
    int64_t turn = 0, looks = 0, time = 0;
    int rc = call(b, SCRIPT_NOW, words, 2, &memory, &reply, err);
    if (rc == TL_OK && (!reply_number(reply, 0, &turn) || !reply_number(reply, 1, &looks) || !reply_number(reply, 2, &time))) {
        rc = garbled(err);
    }
    arena_release(&memory);
    if (rc != TL_OK) {
        return rc;
    }
    if (what_for == LEASE_CLOCK_IN_TURN) {
        pthread_mutex_lock(&r->lease_mutex);
        r->looks = looks;
        pthread_mutex_unlock(&r->lease_mutex);
        if (turn != 1) {
            return 0;
        }
    }
    *now = time;
    return 1;
}

static int lease_look(struct backend *b, const char *worker, int64_t now, bool judge, struct lease_seen *out, struct tl_err *err)
{
    char text[24];
    struct str words[3] = {str_of(worker), redis_number(text, (uint64_t)now), judge ? STR("1") : STR("0")};
    struct arena memory = {0};
    struct reply *reply = NULL;
    int64_t f[5] = {0};
    int rc = call(b, SCRIPT_LOOK, words, 3, &memory, &reply, err);
    if (rc == TL_OK && !reply_number(reply, 0, &f[0])) {
        rc = garbled(err);
    }
    for (size_t i = 1; rc == TL_OK && f[0] != LEASE_NONE && i < 5; i++) {
        rc = reply_number(reply, i, &f[i]) ? TL_OK : garbled(err);
    }
    arena_release(&memory);
    if (rc == TL_OK && (f[0] < LEASE_NONE || f[0] > LEASE_LOST || (f[0] != LEASE_NONE && f[1] <= 0) || f[2] < 0 || f[2] > UINT32_MAX)) {
        rc = garbled(err);
    }
    if (rc == TL_OK) {
        *out = (struct lease_seen){(enum lease_state)f[0], {f[1], (uint32_t)f[2], f[3] != 0}, f[4] / 1000};
    }
    return rc;
}

static int lease_drop(struct backend *b, const char *worker, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    struct str words[1] = {str_of(worker)};
    struct arena memory = {0};
    struct reply *reply = NULL;
    int rc = call(b, SCRIPT_DROP, words, 1, &memory, &reply, err);
    arena_release(&memory);
    pthread_mutex_lock(&r->lease_mutex);
    if (strcmp(r->lease_worker, worker) == 0) {
        r->lease_worker[0] = 0;
    }
    pthread_mutex_unlock(&r->lease_mutex);
    return rc;
}

static int lease_each(struct backend *b, int (*each)(void *ctx, const char *worker), void *ctx, struct tl_err *err)
{
    struct arena memory = {0};
    struct reply *reply = NULL;
    int rc = call(b, SCRIPT_EACH, NULL, 0, &memory, &reply, err);
    for (size_t i = 0; rc == TL_OK && i < reply->n; i++) {
        const struct str *name = reply_text(reply, i);
        rc = name ? each(ctx, name->p) : garbled(err); /* terminated, as every reply's text */
    }
    arena_release(&memory);
    return rc;
}

const struct lease_ops redis_leases = {
    .take = lease_take,
    .renew = lease_renew,
    .now = lease_now,
    .look = lease_look,
    .drop = lease_drop,
    .each = lease_each,
};
