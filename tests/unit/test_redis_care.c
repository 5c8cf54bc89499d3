/* SPDX-License-Identifier: MIT
 *
 * journal/redis*.c beside a real server: what the server's errors become, passwords, durability, snapshots, leases.
 */
#include "support/redis_kit.h"

/* ---- what the server says ---- */

/* Whatever a test that failed left behind: the next one finds the server as it was. */
static void setup_server(void)
{
    setup();
    RAW("REPLICAOF", "NO", "ONE");
    RAW("CONFIG", "SET", "maxmemory", "0");
    RAW("CONFIG", "SET", "maxmemory-policy", "noeviction");
    RAW("CONFIG", "SET", "appendonly", "no");
}

/* With a time limit that a busy machine can keep: what may pass by itself is tried until then. */
static void assert_append_fails(struct writer *w, int code, const char *part)
{
    struct append a;
    struct tl_err err = TL_ERR_INIT;
    w->lines = "{\"x\":1}\n";
    a = (struct append){.deliver = {.ctx = &w->seen, .lines = collect_lines, .rewind = collect_rewind}, .ctx = w, .compose = compose,
                        .worker = w->name, .first_n = w->n + 1, .n_ops = 1, .timeout_ms = 2000};
    int rc = w->b->ops->append(w->b, &a, &err);
    ck_assert_msg(rc == code && a.outcome == OUTCOME_ERROR, "%d %s", rc, err.message);
    ck_assert_msg(strstr(err.message, part) != NULL, "'%s' has no '%s'", err.message, part);
}

START_TEST(errors_say_what_to_do)
{
    struct writer w = writer_of("w");
    append(&w, "{}\n");
    RAW("CONFIG", "SET", "maxmemory", "1");
    assert_append_fails(&w, TL_ENOSPC, "maxmemory");
    RAW("CONFIG", "SET", "maxmemory", "0");
    RAW("REPLICAOF", "127.0.0.1", "1");
    assert_append_fails(&w, TL_EUNAVAILABLE, "replica");
    RAW("REPLICAOF", "NO", "ONE");
    append(&w, "{}\n");
    writer_close(&w);
}
END_TEST

START_TEST(passwords)
{
    struct backend *b;
    struct tl_err err = TL_ERR_INIT;
    char with[600], host[64];
    ck_assert_int_eq(sscanf(url, "redis://%63[^/]", host), 1);
    RAW("ACL", "SETUSER", "me", "on", ">secret", "~*", "+@all");
    RAW("ACL", "SETUSER", "weak", "on", ">secret", "~*", "+get");
    snprintf(with, sizeof with, "redis://me:secret@%s/0?prefix=%s", host, prefix);
    ck_assert_int_eq(try_open(with, NULL, &b, &err), TL_OK);
    b->ops->close(b);
    snprintf(with, sizeof with, "redis://me:wrong-secret@%s/0?prefix=%s", host, prefix);
    ck_assert_int_eq(try_open(with, NULL, &b, &err), TL_EACCESS);
    ck_assert_ptr_nonnull(strstr(err.message, "password"));
    ck_assert_ptr_null(strstr(err.message, "secret"));
    snprintf(with, sizeof with, "redis://weak:secret@%s/0?prefix=%s", host, prefix);
    struct writer w = {.seen = COLLECT_INIT, .name = "w"};
    ck_assert_int_eq(try_open(with, NULL, &w.b, &err), TL_OK); /* INFO and CONFIG may be forbidden */
    struct buf text = BUF_INIT(1000);
    w.b->ops->describe(w.b, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "best-effort (the server does not tell"));
    buf_release(&text);
    ck_assert_int_eq(read_code(&w, &err), TL_EACCESS);
    ck_assert_ptr_nonnull(strstr(err.message, "EVALSHA"));
    writer_close(&w);
    RAW("ACL", "SETUSER", "default", ">needed", "resetpass", ">needed");
    snprintf(with, sizeof with, "redis://%s/0?prefix=%s", host, prefix);
    ck_assert_int_eq(try_open(with, NULL, &b, &err), TL_EACCESS);
    ck_assert_ptr_nonnull(strstr(err.message, "REDISCLI_AUTH"));
    RAW("ACL", "SETUSER", "default", "nopass");
    RAW("ACL", "DELUSER", "me", "weak");
}
END_TEST

START_TEST(durability_is_described)
{
    struct backend *b = open_it();
    struct buf text = BUF_INIT(1000);
    b->ops->describe(b, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "durability=best-effort (appendonly no)"));
    b->ops->close(b);
    RAW("CONFIG", "SET", "appendonly", "yes");
    RAW("CONFIG", "SET", "appendfsync", "always");
    RAW("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    b = open_it();
    buf_clear(&text);
    b->ops->describe(b, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "durability=full evicts-keys"));
    b->ops->close(b);
    RAW("CONFIG", "SET", "maxmemory-policy", "noeviction");
    RAW("CONFIG", "SET", "appendfsync", "everysec");
    b = open_it();
    buf_clear(&text);
    b->ops->describe(b, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "best-effort (appendfsync everysec)"));
    b->ops->close(b);
    RAW("CONFIG", "SET", "appendonly", "no");
    buf_release(&text);
}
END_TEST

/* With eviction, a line that is missing may have been evicted: nothing is put in its place. */
START_TEST(evicted_lines_are_no_holes)
{
    struct writer w = writer_of("w");
    struct tl_err err = TL_ERR_INIT;
    append(&w, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    writer_close(&w);
    RAW("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    RAW("DEL", key("log:1"));
    w = writer_of("w");
    ck_assert_int_eq(read_code(&w, &err), TL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "evicts"));
    ck_assert_ptr_null(get("log:1"));
    RAW("CONFIG", "SET", "maxmemory-policy", "noeviction");
    writer_close(&w);
}
END_TEST

/* ---- snapshots ---- */

static size_t image_size = 2500000; /* three parts */

static int produce(void *ctx, struct image_sink *to, struct tl_err *err)
{
    char bytes[1000];
    (void)ctx;
    for (size_t at = 0; at < image_size; at += sizeof bytes) {
        memset(bytes, (int)(at / sizeof bytes % 251), sizeof bytes);
        int rc = to->write(to, bytes, sizeof bytes, err);
        if (rc != TL_OK) {
            return rc;
        }
    }
    return TL_OK;
}

static int parse_image(void *ctx, struct image_source *from, struct tl_err *err)
{
    char bytes[1000];
    size_t *n = ctx;
    for (*n = 0; from->left > 0; *n += sizeof bytes) {
        int rc = from->read(from, bytes, sizeof bytes, err);
        if (rc != TL_OK) {
            return rc;
        }
        ck_assert_int_eq((unsigned char)bytes[7], (int)(*n / sizeof bytes % 251));
    }
    return TL_OK;
}

static bool load(struct writer *w)
{
    size_t n = 0;
    bool loaded = false;
    ck_assert_int_eq(w->b->ops->snapshot_load(w->b, parse_image, &n, &loaded, NULL), TL_OK);
    ck_assert(!loaded || n == image_size);
    return loaded;
}

static void save(struct writer *w)
{
    struct backend_mark mark;
    struct tl_err err = TL_ERR_INIT;
    ck_assert_int_eq(w->b->ops->mark(w->b, &mark), TL_OK);
    ck_assert_msg(w->b->ops->snapshot_save(w->b, &mark, produce, NULL, &err) == TL_OK, "%s", err.message);
}

static int64_t count_parts(void)
{
    RAW("KEYS", key("trialog:snapshot:*"));
    return (int64_t)answer->n;
}

START_TEST(snapshots)
{
    struct writer w = writer_of("w"), r = writer_of("r");
    struct backend_mark mark;
    ck_assert(!load(&r));
    ck_assert_int_eq(w.b->ops->mark(w.b, &mark), TL_OK);
    ck_assert_int_ne(w.b->ops->snapshot_save(w.b, &mark, produce, NULL, NULL), TL_OK); /* of nothing */
    append(&w, "{\"a\":1}\n");
    save(&w);
    append(&w, "{\"a\":2}\n{\"a\":3}\n");
    save(&w);
    ck_assert_int_eq(count_parts(), 3); /* the older one's are gone */
    append(&w, "{\"a\":4}\n");
    ck_assert(load(&r));
    r.seen.next_offset = 24;
    read_it(&r);
    collect_assert_text(&r.seen, "{\"a\":4}\n");
    writer_close(&r);
    r = writer_of("r");
    image_size = 1000;
    save(&w);
    ck_assert_int_eq(count_parts(), 1);
    RAW("TTL", key("trialog:snapshot"));
    ck_assert_int_eq(answer->number, -1); /* stays */
    RAW("EVAL", "return redis.call('ttl', redis.call('keys', ARGV[1])[1])", "0", key("trialog:snapshot:*"));
    ck_assert_int_eq(answer->number, -1);
    ck_assert(load(&r));
    writer_close(&r);
    writer_close(&w);
    image_size = 2500000;
}
END_TEST

START_TEST(snapshots_that_do_not_fit)
{
    struct writer w = writer_of("w");
    append(&w, "{\"a\":1}\n{\"a\":2}\n");
    save(&w);
    writer_close(&w);
    w = writer_of("w");
    RAW("SET", key("log:1"), "{\"a\":3}"); /* another journal */
    ck_assert(!load(&w));
    RAW("SET", key("log:1"), "{\"a\":2}");
    RAW("SET", key("log:0"), "{\"a\":0}");
    ck_assert(!load(&w));
    RAW("SET", key("log:0"), "{\"a\":1}");
    ck_assert(load(&w));
    w.b->ops->restart(w.b);
    RAW("EVAL", "local k = redis.call('keys', ARGV[1])[1] local s = redis.call('get', k) redis.call('setrange', k, 999, 'x')", "0",
        key("trialog:snapshot:*:2"));
    ck_assert(!load(&w)); /* a byte is wrong */
    RAW("EVAL", "redis.call('del', redis.call('keys', ARGV[1])[1])", "0", key("trialog:snapshot:*:1"));
    ck_assert(!load(&w));
    RAW("HSET", key("trialog:snapshot"), "header", "TLSNAPR");
    ck_assert(!load(&w));
    RAW("SET", key("snapshot"), "cos\nsystem\n(S'touch /tmp/never'\ntR."); /* Optuna's: a pickle */
    ck_assert(!load(&w));
    read_it(&w);
    collect_assert_text(&w.seen, "{\"a\":1}\n{\"a\":2}\n");
    writer_close(&w);
}
END_TEST

/* ---- leases ---- */

static enum lease_state look(struct backend *b, const char *worker, int64_t later_ms)
{
    int64_t now;
    struct lease_seen seen;
    ck_assert_int_eq(b->ops->leases->now(b, LEASE_CLOCK_LOOK, &now, NULL), 1);
    ck_assert_int_eq(b->ops->leases->look(b, worker, now + later_ms * 1000, true, &seen, NULL), TL_OK);
    return seen.state;
}

static int add_worker(void *ctx, const char *worker)
{
    struct buf *names = ctx;
    buf_add_text(names, worker);
    buf_add_char(names, ' ');
    return 0;
}

START_TEST(leases)
{
    struct writer w = writer_of("me");
    struct backend *b = w.b, *looker = open_it();
    struct lease lease = {10000, 3, false};
    struct lease_seen seen;
    int64_t now;
    ck_assert_int_eq(look(looker, "me", 0), LEASE_NONE);
    ck_assert_int_eq(b->ops->leases->renew(b, "me", NULL), 0);
    ck_assert_int_eq(b->ops->leases->take(b, "me", &lease, NULL), TL_OK);
    ck_assert_int_eq(b->ops->leases->renew(b, "me", NULL), 1);
    ck_assert_int_eq(look(looker, "me", 0), LEASE_ALIVE);
    ck_assert_int_eq(look(looker, "me", 20000), LEASE_LATE); /* the first look notes it */
    ck_assert_int_eq(look(looker, "me", 20100), LEASE_LATE); /* the note is young */
    ck_assert_int_eq(look(looker, "me", 25000), LEASE_LOST);
    append(&w, "{}\n"); /* a sign of life */
    ck_assert_int_eq(look(looker, "me", 25000), LEASE_LATE);
    ck_assert_int_eq(looker->ops->leases->now(looker, LEASE_CLOCK_SHOW, &now, NULL), 1);
    ck_assert_int_eq(looker->ops->leases->look(looker, "me", now, false, &seen, NULL), TL_OK);
    ck_assert(seen.lease.length_ms == 10000 && seen.lease.retries == 3 && !seen.lease.left && seen.age_ms < 10000);
    RAW("PTTL", key("trialog:lease:me"));
    ck_assert_int_gt(answer->number, 1000000000);
    lease.left = true;
    ck_assert_int_eq(b->ops->leases->take(b, "me", &lease, NULL), TL_OK);
    ck_assert_int_eq(b->ops->leases->take(b, "another one", &lease, NULL), TL_OK);
    ck_assert_int_eq(looker->ops->leases->look(looker, "me", now, false, &seen, NULL), TL_OK);
    ck_assert(seen.lease.left);
    struct buf names = BUF_INIT(1000);
    ck_assert_int_eq(b->ops->leases->drop(b, "me", NULL), TL_OK);
    ck_assert_int_eq(b->ops->leases->drop(b, "me", NULL), TL_OK);
    ck_assert_int_eq(looker->ops->leases->each(looker, add_worker, &names, NULL), 0);
    ck_assert_str_eq(buf_cstr(&names), "another one ");
    RAW("DEL", key("trialog:lease:another one")); /* expired */
    buf_clear(&names);
    ck_assert_int_eq(looker->ops->leases->each(looker, add_worker, &names, NULL), 0);
    ck_assert_uint_eq(names.len, 0);
    buf_release(&names);
    looker->ops->close(looker);
    writer_close(&w);
}
END_TEST

START_TEST(looks_are_shared)
{
    struct backend *a = open_it(), *b = open_it();
    int64_t now;
    ck_assert_int_eq(a->ops->leases->now(a, LEASE_CLOCK_IN_TURN, &now, NULL), 1);
    ck_assert_int_eq(b->ops->leases->now(b, LEASE_CLOCK_IN_TURN, &now, NULL), 1); /* knows of nobody's */
    ck_assert_int_eq(a->ops->leases->now(a, LEASE_CLOCK_IN_TURN, &now, NULL), 0); /* b looked since */
    ck_assert_int_eq(a->ops->leases->now(a, LEASE_CLOCK_IN_TURN, &now, NULL), 1);
    ck_assert_int_eq(a->ops->leases->now(a, LEASE_CLOCK_SHOW, &now, NULL), 1);
    ck_assert_int_eq(a->ops->leases->now(a, LEASE_CLOCK_IN_TURN, &now, NULL), 1);
    ck_assert_int_eq(b->ops->leases->now(b, LEASE_CLOCK_IN_TURN, &now, NULL), 0);
    a->ops->close(a);
    b->ops->close(b);
}
END_TEST

int main(void)
{
    need_server();
    TCase *t = tcase_create("redis_care");
    tcase_add_checked_fixture(t, setup_server, teardown);
    const TTest *const tests[] = {
        errors_say_what_to_do,
        passwords,
        durability_is_described,
        evicted_lines_are_no_holes,
        snapshots,
        snapshots_that_do_not_fit,
        leases,
        looks_are_shared,
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_test(t, tests[i]);
    }
    return check_run("redis_care", t);
}
