/* SPDX-License-Identifier: MIT
 *
 * journal/file_snapshot.c: what is saved is loaded, what does not belong to the journal or is damaged in any byte is ignored.
 */
#include "base/mem.h"
#include "base/os.h"
#include "journal/backend.h"

#include "support/check_main.h"
#include "support/collect.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char dir[SCRATCH_MAX];
static struct tl_storage_options options;
static struct tl_err err;
static char events[4096];
static struct os_table played;

static void on_event(void *ctx, int level, const char *event, const char *message)
{
    (void)ctx;
    (void)level;
    (void)message;
    snprintf(events, sizeof events, "%s", event);
}

static const struct tl_log_sink sink = {on_event, NULL, 0};

static void setup(void)
{
    scratch_make(dir);
    ck_assert_int_eq(chdir(dir), 0);
    options = (struct tl_storage_options)TL_STORAGE_OPTIONS_INIT;
    options.log = &sink;
    err = (struct tl_err)TL_ERR_INIT;
    events[0] = 0;
    played = os_system;
}

static void teardown(void)
{
    os_use(NULL);
    mem_set_hooks(NULL);
    ck_assert_int_eq(chdir("/"), 0);
    scratch_remove(dir);
}

static struct backend *open_file(void)
{
    struct backend *b = NULL;
    int rc = backend_open("j", &options, &b, &err);
    ck_assert_msg(rc == TL_OK, "%s", err.message);
    return b;
}

/* ---- images: n bytes of a pattern, given and taken in pieces of odd sizes ---- */

struct pattern {
    size_t n, piece;
    int fail;      /* code to end with */
    size_t skip;   /* bytes that parse leaves unread */
    bool wrong;
};

static unsigned char pattern_at(size_t i)
{
    return (unsigned char)(i * 31 + i / 251);
}

static int produce(void *ctx, struct image_sink *to, struct tl_err *e)
{
    const struct pattern *p = ctx;
    unsigned char bytes[100000];
    for (size_t at = 0; at < p->n;) {
        size_t n = p->n - at < p->piece ? p->n - at : p->piece;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = pattern_at(at + i);
        }
        int rc = to->write(to, bytes, n, e);
        if (rc != TL_OK) {
            return rc;
        }
        at += n;
    }
    return p->fail ? err_set(e, p->fail, "failed") : TL_OK;
}

static int parse(void *ctx, struct image_source *from, struct tl_err *e)
{
    struct pattern *p = ctx;
    unsigned char bytes[100000];
    if (from->left != p->n) {
        p->wrong = true;
        return err_set(e, TL_ECORRUPT, "another length");
    }
    for (size_t at = 0; at < p->n - p->skip;) {
        size_t n = p->n - p->skip - at < p->piece ? p->n - p->skip - at : p->piece;
        uint64_t left = from->left;
        int rc = from->read(from, bytes, n, e);
        if (rc != TL_OK) {
            return rc;
        }
        ck_assert_uint_eq(from->left, left - n);
        for (size_t i = 0; i < n; i++) {
            p->wrong = p->wrong || bytes[i] != pattern_at(at + i);
        }
        at += n;
    }
    if (p->skip == 0) {
        ck_assert_int_eq(from->read(from, bytes, 1, e), TL_ECORRUPT); /* nothing is behind it */
    }
    return p->fail ? err_set(e, p->fail, "failed") : TL_OK;
}

static void save(struct backend *b, struct pattern *p)
{
    struct backend_mark mark;
    ck_assert_int_eq(b->ops->mark(b, &mark), TL_OK);
    int rc = b->ops->snapshot_save(b, &mark, produce, p, &err);
    ck_assert_msg(rc == TL_OK, "%s", err.message);
}

static bool load(struct backend *b, struct pattern *p)
{
    bool loaded = false;
    events[0] = 0;
    ck_assert_int_eq(b->ops->snapshot_load(b, parse, p, &loaded, &err), TL_OK);
    ck_assert_str_eq(events, loaded ? "" : "SNAPSHOT_IGNORED");
    return loaded;
}

static void write_journal(int lines)
{
    struct backend *b = open_file();
    struct collect c = COLLECT_INIT;
    for (int i = 0; i < lines; i++) {
        char line[100];
        snprintf(line, sizeof line, "{\"i\":%d,\"pad\":\"%050d\"}\n", i, i);
        ck_assert_int_eq(collect_append(b, &c, line, &err), TL_OK);
    }
    b->ops->close(b);
    collect_release(&c);
}

START_TEST(what_is_saved_is_loaded)
{
    static const size_t sizes[] = {1, 99, 262143, 262144, 262145, 1000000};
    static const size_t pieces[] = {1, 7, 4096, 100000};
    options.durability = TL_DURABILITY_OFF;
    write_journal(200);
    for (size_t i = 0; i < TL_COUNT(sizes); i++) {
        for (size_t k = sizes[i] > 1000 ? 2 : 0; k < TL_COUNT(pieces); k++) {
            struct backend *b = open_file();
            struct collect c = COLLECT_INIT;
            struct pattern p = {.n = sizes[i], .piece = pieces[k]};
            ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
            save(b, &p);
            ck_assert_int_eq(collect_append(b, &c, "{\"new\":1}\n", &err), TL_OK);
            b->ops->close(b);
            b = open_file();
            struct collect after = COLLECT_INIT;
            after.next_offset = c.next_offset - 10;
            ck_assert(load(b, &p));
            ck_assert(!p.wrong);
            struct backend_mark mark;
            ck_assert_int_eq(b->ops->mark(b, &mark), TL_OK);
            ck_assert_uint_eq(mark.offset, (uint64_t)after.next_offset);
            ck_assert_int_eq(collect_read(b, &after, &err), TL_OK);
            collect_assert_text(&after, "{\"new\":1}\n"); /* only what is behind it */
            ck_assert_int_eq(collect_append(b, &after, "{\"new\":2}\n", &err), TL_OK);
            ck_assert_int_eq(after.rewinds, 0);
            /* a parse that does not want all of it */
            p.skip = sizes[i] / 2;
            ck_assert(load(b, &p));
            b->ops->restart(b);
            p.skip = 0;
            b->ops->close(b);
            collect_release(&c);
            collect_release(&after);
        }
    }
    ck_assert_int_eq(scratch_count(dir, "snapshot"), 1);
}
END_TEST

START_TEST(without_a_snapshot_nothing_happens)
{
    write_journal(3);
    struct backend *b = open_file();
    bool loaded = false;
    ck_assert_int_eq(b->ops->snapshot_load(b, parse, NULL, &loaded, &err), TL_OK);
    ck_assert(!loaded);
    ck_assert_str_eq(events, "");
    b->ops->close(b);
}
END_TEST

/* Every byte of a small snapshot matters, and so does its length. */
START_TEST(damaged_snapshots_are_ignored)
{
    struct pattern p = {.n = 300, .piece = 64};
    size_t n;
    options.durability = TL_DURABILITY_OFF;
    write_journal(3);
    struct backend *b = open_file();
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    save(b, &p);
    char *good = scratch_read("j.snapshot", &n), *bad = malloc(n + 1);
    ck_assert_uint_eq(n, 96 + 300 + 16);
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, good, n);
            bad[i] = (char)(bad[i] ^ (1 << bit));
            scratch_write("j.snapshot", bad, n);
            ck_assert_msg(!load(b, &p), "byte %zu, bit %d", i, bit);
        }
    }
    for (size_t i = 0; i < n; i++) {
        scratch_write("j.snapshot", good, i);
        ck_assert_msg(!load(b, &p), "cut to %zu", i);
    }
    memcpy(bad, good, n);
    bad[n] = 0;
    scratch_write("j.snapshot", bad, n + 1);
    ck_assert(!load(b, &p));
    scratch_write("j.snapshot", good, n);
    ck_assert(load(b, &p));
    /* the engine cannot make anything of it */
    p.fail = TL_EVERSION;
    ck_assert(!load(b, &p));
    bool loaded = false;
    p.fail = TL_ENOMEM;
    ck_assert_int_eq(b->ops->snapshot_load(b, parse, &p, &loaded, &err), TL_ENOMEM);
    ck_assert(!loaded);
    /* the position has not moved by any of that */
    b->ops->restart(b);
    p.fail = TL_EVERSION;
    ck_assert(!load(b, &p));
    struct collect again = COLLECT_INIT;
    ck_assert_int_eq(collect_read(b, &again, &err), TL_OK);
    ck_assert_str_eq(buf_cstr(&again.text), buf_cstr(&c.text));
    b->ops->close(b);
    free(good);
    free(bad);
    collect_release(&c);
    collect_release(&again);
}
END_TEST

START_TEST(snapshots_of_other_journals_are_ignored)
{
    struct pattern p = {.n = 300, .piece = 64};
    struct collect c = COLLECT_INIT;
    options.durability = TL_DURABILITY_OFF;
    write_journal(200); /* more than the 4 KiB at either end */
    struct backend *b = open_file();
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    save(b, &p);
    size_t n;
    char *journal = scratch_read("j", &n);
    ck_assert(load(b, &p));
    static const size_t from_end[] = {2, 33, 4000};
    for (size_t i = 0; i < 3; i++) {
        size_t at = n - from_end[i];
        journal[at] = (char)(journal[at] ^ 1);
        scratch_write("j", journal, n);
        ck_assert(!load(b, &p));
        journal[at] = (char)(journal[at] ^ 1);
        journal[i * 2000] = (char)(journal[i * 2000] ^ 1);
        scratch_write("j", journal, n);
        ck_assert(!load(b, &p));
        journal[i * 2000] = (char)(journal[i * 2000] ^ 1);
    }
    scratch_write("j", journal, n - 50); /* a restored backup */
    ck_assert(!load(b, &p));
    scratch_write("j", "", 0);
    ck_assert(!load(b, &p));
    scratch_write("j", journal, n);
    scratch_append("j", "{\"more\":1}\n", 11);
    ck_assert(load(b, &p));
    b->ops->close(b);
    free(journal);
    collect_release(&c);
}
END_TEST

static int deny_snapshots(const char *path, int flags, uint32_t mode)
{
    return strstr(path, ".snapshot") ? -EACCES : os_system.open(path, flags, mode);
}

static int64_t full_disk(int fd, const void *bytes, size_t n)
{
    return n > 50 ? os_system.write(fd, bytes, n - 1) : -ENOSPC;
}

static int fail_sync(int fd, bool data_only)
{
    (void)fd;
    (void)data_only;
    return -EIO;
}

static int fail_rename(const char *from, const char *to)
{
    (void)from;
    (void)to;
    return -EIO;
}

START_TEST(a_snapshot_that_cannot_be_written_leaves_the_old_one)
{
    struct pattern old = {.n = 300, .piece = 64}, fresh = {.n = 500, .piece = 64};
    struct collect c = COLLECT_INIT;
    struct backend_mark mark;
    write_journal(3);
    struct backend *b = open_file();
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    save(b, &old);
    ck_assert_int_eq(b->ops->mark(b, &mark), TL_OK);
    os_use(&played);
    played.open = deny_snapshots;
    ck_assert_int_eq(b->ops->snapshot_save(b, &mark, produce, &fresh, &err), TL_EACCESS);
    ck_assert(!load(b, &old));
    played = os_system;
    played.write = full_disk;
    ck_assert_int_eq(b->ops->snapshot_save(b, &mark, produce, &fresh, &err), TL_ENOSPC);
    played = os_system;
    played.sync = fail_sync;
    ck_assert_int_eq(b->ops->snapshot_save(b, &mark, produce, &fresh, &err), TL_EIO);
    played = os_system;
    played.rename = fail_rename;
    ck_assert_int_eq(b->ops->snapshot_save(b, &mark, produce, &fresh, &err), TL_EIO);
    played = os_system;
    fresh.fail = TL_ENOMEM;
    ck_assert_int_eq(b->ops->snapshot_save(b, &mark, produce, &fresh, &err), TL_ENOMEM);
    ck_assert_int_eq(scratch_count(dir, "snapshot"), 1);
    ck_assert(load(b, &old));
    ck_assert(!old.wrong);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

START_TEST(unfinished_snapshots_of_dead_writers_are_removed)
{
    struct pattern p = {.n = 300, .piece = 64};
    struct collect c = COLLECT_INIT;
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    write_journal(3);
    struct backend *b = open_file();
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    scratch_write("j.snapshot.tmp.0123456789abcdef", "x", 1);
    scratch_write("j.snapshot.tmp.fedcba9876543210", "x", 1);
    scratch_write("jj.snapshot.tmp.fedcba9876543210", "x", 1);
    ck_assert_int_eq(utimensat(AT_FDCWD, "j.snapshot.tmp.0123456789abcdef", old, 0), 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, "jj.snapshot.tmp.fedcba9876543210", old, 0), 0);
    save(b, &p);
    ck_assert_int_ne(access("j.snapshot.tmp.0123456789abcdef", F_OK), 0);
    ck_assert_int_eq(access("j.snapshot.tmp.fedcba9876543210", F_OK), 0);
    ck_assert_int_eq(access("jj.snapshot.tmp.fedcba9876543210", F_OK), 0);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file_snapshot");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_saved_is_loaded);
    tcase_add_test(t, without_a_snapshot_nothing_happens);
    tcase_add_test(t, damaged_snapshots_are_ignored);
    tcase_add_test(t, snapshots_of_other_journals_are_ignored);
    tcase_add_test(t, a_snapshot_that_cannot_be_written_leaves_the_old_one);
    tcase_add_test(t, unfinished_snapshots_of_dead_writers_are_removed);
    return check_run("file_snapshot", t);
}
