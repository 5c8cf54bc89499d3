/* SPDX-License-Identifier: MIT
 *
 * journal/file*.c: one or two handles of one journal in one process: reading, appending, healing, replaced files, path forms,
 * durability, forks.
 */
#include "base/mem.h"
#include "base/os.h"
#include "journal/backend.h"

#include "support/check_main.h"
#include "support/collect.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_MAX];
static struct tl_storage_options options;
static struct tl_err err;
static char events[4096];

static void on_event(void *ctx, int level, const char *event, const char *message)
{
    size_t n = strlen(events);
    (void)ctx;
    (void)level;
    (void)message;
    snprintf(events + n, sizeof events - n, "%s ", event);
}

static const struct tl_log_sink sink = {on_event, NULL, 0};

static void setup(void)
{
    scratch_make(dir);
    options = (struct tl_storage_options)TL_STORAGE_OPTIONS_INIT;
    options.log = &sink;
    err = (struct tl_err)TL_ERR_INIT;
    events[0] = 0;
    ck_assert_int_eq(chdir(dir), 0);
}

static void teardown(void)
{
    os_use(NULL);
    ck_assert_int_eq(chdir("/"), 0);
    scratch_remove(dir);
}

static struct backend *open_file(const char *path)
{
    struct backend *b = NULL;
    int rc = backend_open(path, &options, &b, &err);
    ck_assert_msg(rc == TL_OK, "%s", err.message);
    return b;
}

static void close_file(struct backend *b)
{
    b->ops->close(b);
}

static int open_fails(const char *path)
{
    struct backend *b = NULL;
    int rc = backend_open(path, &options, &b, &err);
    ck_assert_ptr_null(b);
    ck_assert_int_ne(rc, TL_OK);
    ck_assert_int_eq(err.code, rc);
    return rc;
}

static void assert_file(const char *path, const char *expected)
{
    char *text = scratch_read(path, NULL);
    ck_assert_str_eq(text, expected);
    free(text);
}

/* ---- the happy path ---- */

START_TEST(two_handles_see_each_other)
{
    struct backend *a = open_file("j"), *b = open_file("j");
    struct collect ca = COLLECT_INIT, cb = COLLECT_INIT;
    ck_assert_int_eq(collect_read(a, &ca, &err), TL_OK);
    ck_assert_int_eq(collect_append(a, &ca, "{\"a\":1}\n{\"a\":2}\n", &err), TL_OK);
    ck_assert_int_eq(collect_append(b, &cb, "{\"b\":1}\n", &err), TL_OK);
    collect_assert_text(&cb, "{\"a\":1}\n{\"a\":2}\n{\"b\":1}\n");
    ck_assert_int_eq(collect_append(a, &ca, NULL, &err), TL_OK);
    collect_assert_text(&ca, "{\"a\":1}\n{\"a\":2}\n{\"b\":1}\n");
    ck_assert_int_eq(collect_append(a, &ca, "{\"a\":3}\n", &err), TL_OK);
    ck_assert_int_eq(collect_read(b, &cb, &err), TL_OK);
    ck_assert_int_eq(collect_read(b, &cb, &err), TL_OK);
    collect_assert_text(&cb, "{\"a\":1}\n{\"a\":2}\n{\"b\":1}\n{\"a\":3}\n");
    ck_assert_int_eq(cb.deliveries, 2);
    close_file(a);
    b->ops->restart(b);
    buf_clear(&cb.text);
    cb.next_offset = 0;
    ck_assert_int_eq(collect_append(b, &cb, "{\"b\":2}\n", &err), TL_OK);
    collect_assert_text(&cb, "{\"a\":1}\n{\"a\":2}\n{\"b\":1}\n{\"a\":3}\n{\"b\":2}\n");
    assert_file("j", cb.text.data);
    close_file(b);
    ck_assert_int_eq(scratch_count(dir, "j"), 1); /* no lock, no owner file is left */
    ck_assert_str_eq(events, "");
    collect_release(&ca);
    collect_release(&cb);
}
END_TEST

START_TEST(a_refused_append_writes_nothing)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct append a;
    c.refuse = TL_EEXHAUSTED;
    ck_assert_int_eq(collect_append_for(b, &c, "x\n", 0, &a, &err), TL_EEXHAUSTED);
    ck_assert_int_eq(a.outcome, OUTCOME_ERROR);
    ck_assert_uint_eq(a.written, 0);
    c.refuse = 0;
    ck_assert_int_eq(collect_append_for(b, &c, NULL, 0, &a, &err), TL_OK);
    ck_assert_int_eq(a.outcome, OUTCOME_NOTHING);
    ck_assert_int_eq(collect_append_for(b, &c, "y\n", 0, &a, &err), TL_OK);
    assert_file("j", "y\n");
    ck_assert_int_eq(scratch_count(dir, ".lock"), 2); /* the owner file and its link, kept for the next time */
    close_file(b);
    collect_release(&c);
}
END_TEST

START_TEST(a_delivery_that_fails_comes_again)
{
    scratch_write(scratch_path(dir, "j"), "1\n2\n", 4);
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    c.refuse_lines = TL_ENOMEM;
    ck_assert_int_eq(collect_read(b, &c, &err), TL_ENOMEM);
    ck_assert_int_eq(collect_append(b, &c, "3\n", &err), TL_ENOMEM);
    c.refuse_lines = 0;
    ck_assert_int_eq(collect_append(b, &c, "3\n", &err), TL_OK);
    collect_assert_text(&c, "1\n2\n3\n");
    close_file(b);
    collect_release(&c);
}
END_TEST

START_TEST(lines_of_all_lengths_around_the_slice)
{
    struct buf text = BUF_INIT((size_t)1 << 30);
    static const size_t lengths[] = {1, 2, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20, 9 << 20, 5, 700000, 700000, 1};
    for (size_t i = 0; i < TL_COUNT(lengths); i++) {
        for (size_t k = 1; k < lengths[i]; k++) {
            buf_add_char(&text, (char)('a' + (k * 7 + i) % 26));
        }
        buf_add_char(&text, '\n');
    }
    scratch_write(scratch_path(dir, "j"), text.data, text.len);
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    ck_assert_uint_eq(c.text.len, text.len);
    ck_assert_int_eq(memcmp(c.text.data, text.data, text.len), 0);
    scratch_append(scratch_path(dir, "j"), text.data, text.len);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    ck_assert_uint_eq(c.text.len, 2 * text.len);
    ck_assert_int_eq(memcmp(c.text.data + text.len, text.data, text.len), 0);
    close_file(b);
    buf_release(&text);
    collect_release(&c);
}
END_TEST

START_TEST(a_reader_takes_whole_lines_only)
{
    scratch_write(scratch_path(dir, "j"), "{\"a\":1}\n{\"b", 11);
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    collect_assert_text(&c, "{\"a\":1}\n");
    ck_assert_int_eq(b->ops->wait(b, 0, &err), 0); /* a torn tail is no news twice */
    scratch_append(scratch_path(dir, "j"), "\":2}\n", 5);
    ck_assert_int_eq(b->ops->wait(b, 1000, &err), 1);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    collect_assert_text(&c, "{\"a\":1}\n{\"b\":2}\n");
    ck_assert_int_eq(b->ops->wait(b, 20, &err), 0);
    close_file(b);
    collect_release(&c);
}
END_TEST

/* ---- torn tails ---- */

START_TEST(torn_tails_are_healed_before_an_append)
{
    static const char noop[] = "\"op_code\":1,\"worker_id\":\"torn-tail-repair\",\"study_id\":4294967295}\n";
    char expected[512];
    struct collect c = COLLECT_INIT;
    scratch_write(scratch_path(dir, "j"), "{\"a\":1}\n{\"op_code\":4,\"x\":[1", 27);
    struct backend *b = open_file("j");
    ck_assert_int_eq(collect_append(b, &c, "{\"c\":1}\n", &err), TL_OK);
    snprintf(expected, sizeof expected, "{\"a\":1}\n{\"op_code\":4,\"x\":[1],%s{\"c\":1}\n", noop);
    collect_assert_text(&c, expected);
    assert_file("j", expected);
    ck_assert_str_eq(events, "TAIL_HEALED ");
    /* a whole object without its newline counts */
    scratch_append(scratch_path(dir, "j"), "{\"d\":1}", 7);
    ck_assert_int_eq(collect_append(b, &c, "{\"e\":1}\n", &err), TL_OK);
    strcat(expected, "{\"d\":1}\n{\"e\":1}\n");
    collect_assert_text(&c, expected);
    assert_file("j", expected);
    /* rubbish is moved aside; so is more of it at the same place */
    for (int i = 0; i < 2; i++) {
        scratch_append(scratch_path(dir, "j"), "\0\0\0{\"f", 6);
        ck_assert_int_eq(collect_append(b, &c, NULL, &err), TL_OK);
        assert_file("j", expected);
        collect_assert_text(&c, expected);
        ck_assert_int_eq(scratch_count(dir, "j.salvage-"), i + 1);
    }
    snprintf(events, sizeof events, "j.salvage-%zu", strlen(expected));
    size_t n;
    char *saved = scratch_read(events, &n);
    ck_assert_uint_eq(n, 6);
    ck_assert_int_eq(memcmp(saved, "\0\0\0{\"f", 6), 0);
    free(saved);
    close_file(b);
    collect_release(&c);
}
END_TEST

START_TEST(a_long_torn_tail_is_healed_in_pieces)
{
    struct buf text = BUF_INIT((size_t)1 << 30);
    buf_add_text(&text, "{\"a\":\"");
    for (int i = 0; i < 3000000; i++) {
        buf_add_char(&text, 'x');
    }
    scratch_write(scratch_path(dir, "j"), text.data, text.len);
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"c\":1}\n", &err), TL_OK);
    ck_assert_int_eq(memcmp(c.text.data, text.data, text.len), 0);
    ck_assert_int_eq(memcmp(c.text.data + text.len, "\",\"op_code\":1,", 13), 0);
    close_file(b);
    buf_release(&text);
    collect_release(&c);
}
END_TEST

/* ---- files that change under us ---- */

START_TEST(a_replaced_file_is_read_from_the_start)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    scratch_write(scratch_path(dir, "other"), "{\"o\":1}\n{\"o\":2}\n", 16);
    ck_assert_int_eq(rename("other", "j"), 0);
    ck_assert_int_eq(b->ops->wait(b, 0, &err), 1);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    ck_assert_int_eq(c.rewinds, 1);
    collect_assert_text(&c, "{\"o\":1}\n{\"o\":2}\n");
    /* the writer notices by itself, locks the new file, and writes there */
    scratch_write(scratch_path(dir, "other"), "{\"p\":1}\n", 8);
    ck_assert_int_eq(rename("other", "j"), 0);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_OK);
    ck_assert_int_eq(c.rewinds, 2);
    collect_assert_text(&c, "{\"p\":1}\n{\"a\":2}\n");
    assert_file("j", "{\"p\":1}\n{\"a\":2}\n");
    /* shorter */
    ck_assert_int_eq(truncate("j", 8), 0);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    ck_assert_int_eq(c.rewinds, 3);
    collect_assert_text(&c, "{\"p\":1}\n");
    /* same length or longer, but not the same bytes: a restored backup */
    scratch_write(scratch_path(dir, "j"), "{\"q\":1}\n{\"q\":2}\n", 16);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":3}\n", &err), TL_OK);
    ck_assert_int_eq(c.rewinds, 4);
    collect_assert_text(&c, "{\"q\":1}\n{\"q\":2}\n{\"a\":3}\n");
    /* another file whose last bytes are the same */
    scratch_write(scratch_path(dir, "j"), "{\"first\":1}\n{\"r\":1111111111111111111111111111111111111111}\n", 60);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    ck_assert_int_eq(c.rewinds, 5);
    scratch_write(scratch_path(dir, "other"), "{\"other\":1}\n{\"r\":1111111111111111111111111111111111111111}\n{}\n", 63);
    ck_assert_int_eq(rename("other", "j"), 0);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    ck_assert_int_eq(c.rewinds, 6);
    collect_assert_text(&c, "{\"other\":1}\n{\"r\":1111111111111111111111111111111111111111}\n{}\n");
    /* gone */
    ck_assert_int_eq(unlink("j"), 0);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_EUNAVAILABLE);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":4}\n", &err), TL_EUNAVAILABLE);
    ck_assert_int_ne(access("j", F_OK), 0); /* and not made again */
    scratch_write(scratch_path(dir, "j"), "", 0);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":4}\n", &err), TL_OK);
    collect_assert_text(&c, "{\"a\":4}\n");
    close_file(b);
    collect_release(&c);
}
END_TEST

/* ---- path forms ---- */

START_TEST(paths_that_name_no_journal)
{
    ck_assert_int_eq(open_fails("/"), TL_EINVAL);
    ck_assert_int_eq(open_fails("."), TL_EINVAL);
    ck_assert_int_eq(open_fails("x/"), TL_EINVAL);
    ck_assert_int_eq(open_fails("none/j"), TL_ENOTFOUND);
    ck_assert_int_eq(mkdir("folder", 0755), 0);
    ck_assert_int_ne(open_fails("folder"), TL_OK);
    ck_assert_int_eq(mkfifo("pipe", 0644), 0);
    ck_assert_int_eq(open_fails("pipe"), TL_EINVAL);
    ck_assert_int_eq(open_fails("/dev/null"), TL_EINVAL);
    options.must_exist = true;
    ck_assert_int_eq(open_fails("j"), TL_ENOTFOUND);
    options.must_exist = false;
    options.read_only = true;
    ck_assert_int_eq(open_fails("j"), TL_ENOTFOUND);
    ck_assert_int_eq(open_fails("folder"), TL_EINVAL);
    ck_assert_int_ne(access("j", F_OK), 0);
}
END_TEST

START_TEST(names_that_are_too_long_for_lock_files)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    ck_assert_int_eq(open_fails(name), TL_EINVAL);
    name[256] = 0;
    name[255] = 'n';
    ck_assert_int_ne(open_fails(name), TL_OK);
    name[150] = 0;
    struct backend *b = open_file(name);
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    close_file(b);
    name[150] = 'n';
    name[255] = 0;
    options.lock = TL_LOCK_KERNEL; /* needs no names */
    b = open_file(name);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_OK);
    close_file(b);
    collect_release(&c);
}
END_TEST

START_TEST(relative_paths_survive_a_change_of_folder)
{
    ck_assert_int_eq(mkdir("sub", 0755), 0);
    struct backend *b = open_file("sub/j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_OK);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    close_file(b);
    ck_assert_int_eq(chdir(dir), 0);
    assert_file("sub/j", "{\"a\":1}\n{\"a\":2}\n");
    ck_assert_int_eq(scratch_count("sub", "j"), 1);
    collect_release(&c);
}
END_TEST

static void see_both_locks(struct collect *c)
{
    struct os_stat s;
    (void)c;
    ck_assert_int_eq(os->stat("link.lock", true, &s), 0);
    ck_assert_int_eq(os->stat("real/j.lock", true, &s), 0);
}

START_TEST(a_symbolic_link_is_locked_at_both_ends)
{
    ck_assert_int_eq(mkdir("real", 0755), 0);
    scratch_write(scratch_path(dir, "real/j"), "", 0);
    ck_assert_int_eq(symlink("real/j", "link"), 0);
    struct backend *a = open_file("link"), *b = open_file("real/j");
    struct collect ca = COLLECT_INIT, cb = COLLECT_INIT;
    ca.inside = see_both_locks;
    ck_assert_int_eq(collect_append(a, &ca, "{\"a\":1}\n", &err), TL_OK);
    ck_assert_int_eq(collect_append(b, &cb, "{\"b\":1}\n", &err), TL_OK);
    ck_assert_int_eq(collect_append(a, &ca, "{\"a\":2}\n", &err), TL_OK);
    collect_assert_text(&ca, "{\"a\":1}\n{\"b\":1}\n{\"a\":2}\n");
    close_file(a);
    close_file(b);
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
    ck_assert_int_eq(scratch_count("real", ".lock"), 0);
    ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
    ck_assert_int_eq(open_fails("dangling"), TL_ENOTFOUND);
    collect_release(&ca);
    collect_release(&cb);
}
END_TEST

START_TEST(hard_links_are_refused)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    ck_assert_int_eq(link("j", "j2"), 0);
    ck_assert_int_eq(open_fails("j"), TL_EUNSUPPORTED);
    ck_assert_int_eq(open_fails("j2"), TL_EUNSUPPORTED);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_EUNSUPPORTED);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK); /* reading is safe */
    ck_assert_int_eq(unlink("j2"), 0);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_OK);
    close_file(b);
    collect_release(&c);
}
END_TEST

START_TEST(what_may_not_be_written_is_read)
{
    scratch_write(scratch_path(dir, "j"), "{\"a\":1}\n", 8);
    struct collect c = COLLECT_INIT;
    options.read_only = true;
    struct backend *b = open_file("j");
    ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
    collect_assert_text(&c, "{\"a\":1}\n");
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_EACCESS);
    close_file(b);
    options.read_only = false;
    if (geteuid() != 0) {
        ck_assert_int_eq(chmod("j", 0444), 0);
        b = open_file("j");
        ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_EACCESS);
        close_file(b);
    }
    assert_file("j", "{\"a\":1}\n");
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
    collect_release(&c);
}
END_TEST

/* ---- disk full, for real ---- */

START_TEST(no_space_leaves_whole_lines)
{
    signal(SIGXFSZ, SIG_IGN);
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct append a;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    static const char group[] = "{\"b\":1}\n{\"b\":2}\n{\"b\":3}\n";
    for (rlim_t room = 0; room < 24; room++) {
        struct rlimit before, limit;
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
        limit = before;
        limit.rlim_cur = 8 + room;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        int rc = collect_append_for(b, &c, group, 1000, &a, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        ck_assert_int_eq(rc, TL_ENOSPC);
        ck_assert_int_eq(a.outcome, OUTCOME_ERROR);
        ck_assert_uint_eq(a.written, room / 8);
        struct stat s;
        ck_assert_int_eq(stat("j", &s), 0);
        ck_assert_uint_eq((uint64_t)s.st_size, 8 + room / 8 * 8);
        ck_assert_int_eq(b->ops->flush(b, a.flush_token, &err), TL_OK);
        buf_add(&c.text, group, room / 8 * 8);
        c.next_offset += (int64_t)(room / 8 * 8);
        /* the position is behind what landed, and the handle works */
        ck_assert_int_eq(collect_append(b, &c, "{\"z\":1}\n", &err), TL_OK);
        assert_file("j", buf_cstr(&c.text));
        ck_assert_int_eq(truncate("j", 8), 0);
        ck_assert_int_eq(collect_read(b, &c, &err), TL_OK);
        collect_assert_text(&c, "{\"a\":1}\n");
    }
    close_file(b);
    collect_release(&c);
}
END_TEST

/* ---- durability ---- */

static struct os_table counting;
static atomic_int syncs, slow_syncs, folder_syncs;

static int count_sync(int fd, bool data_only)
{
    atomic_fetch_add(data_only ? &syncs : &folder_syncs, 1);
    if (atomic_load(&slow_syncs)) {
        os_system.sleep_ns(20000000);
    }
    return os_system.sync(fd, data_only);
}

static void count_syncs(void)
{
    atomic_store(&syncs, 0);
    atomic_store(&folder_syncs, 0);
    atomic_store(&slow_syncs, 0);
    counting = os_system;
    counting.sync = count_sync;
    os_use(&counting);
}

START_TEST(full_durability_flushes_after_each_append)
{
    count_syncs();
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(atomic_load(&folder_syncs), 1); /* its name, before anything is in it */
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
        ck_assert_int_eq(atomic_load(&syncs), i + 1);
    }
    struct append a;
    ck_assert_int_eq(collect_append_for(b, &c, "{\"a\":1}\n", 0, &a, &err), TL_OK);
    ck_assert_int_eq(b->ops->flush(b, a.flush_token, &err), TL_OK); /* done already */
    ck_assert_int_eq(atomic_load(&syncs), 6);
    close_file(b);
    ck_assert_int_eq(atomic_load(&syncs), 6);
    b = open_file("j");
    ck_assert_int_eq(atomic_load(&folder_syncs), 1);
    close_file(b);
    collect_release(&c);
}
END_TEST

START_TEST(no_durability_never_flushes)
{
    count_syncs();
    options.durability = TL_DURABILITY_OFF;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    close_file(b);
    ck_assert_int_eq(atomic_load(&syncs) + atomic_load(&folder_syncs), 0);
    collect_release(&c);
}
END_TEST

START_TEST(relaxed_durability_flushes_within_about_a_second)
{
    count_syncs();
    options.durability = TL_DURABILITY_RELAXED;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    int64_t start = os->monotonic_ns();
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    }
    while (atomic_load(&syncs) == 0) {
        ck_assert_int_lt(os->monotonic_ns() - start, INT64_C(5000000000));
        os->sleep_ns(1000000);
    }
    ck_assert_int_lt(os->monotonic_ns() - start, INT64_C(2500000000));
    ck_assert_int_eq(atomic_load(&syncs), 1);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    close_file(b);
    ck_assert_int_eq(atomic_load(&syncs), 2); /* at close */
    collect_release(&c);
}
END_TEST

struct flusher {
    struct backend *b;
    uint64_t token;
    pthread_t thread;
};

static void *flush_one(void *ctx)
{
    struct flusher *f = ctx;
    struct tl_err own = TL_ERR_INIT;
    return f->b->ops->flush(f->b, f->token, &own) == TL_OK ? NULL : f;
}

START_TEST(threads_share_flushes)
{
    count_syncs();
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct flusher f[16];
    atomic_store(&slow_syncs, 1);
    for (int i = 0; i < 16; i++) {
        struct append a = {.deliver = {&c, collect_lines, collect_rewind, NULL, 0}, .ctx = &c, .compose = collect_compose, .timeout_ms = -1};
        c.lines = "{\"a\":1}\n";
        c.n_lines = 8;
        ck_assert_int_eq(b->ops->append(b, &a, &err), TL_OK);
        f[i] = (struct flusher){.b = b, .token = a.flush_token};
    }
    for (int i = 0; i < 16; i++) {
        ck_assert_int_eq(pthread_create(&f[i].thread, NULL, flush_one, &f[i]), 0);
    }
    for (int i = 0; i < 16; i++) {
        void *failed;
        ck_assert_int_eq(pthread_join(f[i].thread, &failed), 0);
        ck_assert_ptr_null(failed);
    }
    ck_assert_int_le(atomic_load(&syncs), 2);
    close_file(b);
    collect_release(&c);
}
END_TEST

static int fail_sync(int fd, bool data_only)
{
    return data_only ? -EIO : os_system.sync(fd, data_only);
}

START_TEST(a_failed_flush_fences_the_handle)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    counting = os_system;
    counting.sync = fail_sync;
    os_use(&counting);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":2}\n", &err), TL_EUNKNOWN);
    os_use(NULL);
    ck_assert_int_eq(err.sys_errno, EIO);
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":3}\n", &err), TL_EPOISONED);
    ck_assert_int_eq(collect_read(b, &c, &err), TL_EPOISONED);
    ck_assert_int_eq(b->ops->wait(b, 0, &err), TL_EPOISONED);
    ck_assert_int_eq(b->ops->flush(b, 1, &err), TL_OK); /* that one was durable */
    ck_assert_int_eq(b->ops->flush(b, 2, &err), TL_EUNKNOWN);
    close_file(b);
    b = open_file("j");
    collect_release(&c);
    c = (struct collect)COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, NULL, &err), TL_OK);
    close_file(b);
    collect_release(&c);
}
END_TEST

/* ---- network file systems, played on a local one ---- */

static int net_opens, net_closes, dsync_opens;

static int say_network(const char *path, struct os_fs_info *out)
{
    int rc = os_system.fs_info(path, out);
    out->kind = OS_FS_NFS;
    out->locks_shared = true;
    return rc;
}

static int note_open(const char *path, int flags, uint32_t mode)
{
    int fd = os_system.open(path, flags, mode);
    if (fd >= 0 && strcmp(strrchr(path, '/') ? strrchr(path, '/') : path, "/j") == 0) {
        net_opens++;
        dsync_opens += (flags & O_DSYNC) == O_DSYNC;
    }
    return fd;
}

static int note_close(int fd)
{
    net_closes++;
    return os_system.close(fd);
}

static void play_network(void)
{
    counting = os_system;
    counting.fs_info = say_network;
    counting.open = note_open;
    counting.close = note_close;
    counting.sync = count_sync;
    atomic_store(&syncs, 0);
    atomic_store(&slow_syncs, 0);
    os_use(&counting);
}

START_TEST(network_journals_are_opened_afresh_and_written_through)
{
    play_network();
    struct backend *a = open_file("j"), *b = open_file("j");
    struct collect ca = COLLECT_INIT, cb = COLLECT_INIT;
    struct buf text = BUF_INIT(1000);
    net_opens = dsync_opens = 0;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(collect_append(a, &ca, "{\"a\":1}\n", &err), TL_OK);
        ck_assert_int_eq(collect_append(b, &cb, "{\"b\":1}\n", &err), TL_OK);
    }
    ck_assert_int_eq(net_opens, 40); /* one to wait with, one under the lock */
    ck_assert_int_eq(dsync_opens, 40);
    ck_assert_int_eq(atomic_load(&syncs), 0);
    ck_assert_int_eq(collect_read(a, &ca, &err), TL_OK);
    ck_assert_int_eq(collect_read(a, &ca, &err), TL_OK);
    ck_assert_int_eq(net_opens, 42);
    ck_assert_str_eq(buf_cstr(&ca.text), buf_cstr(&cb.text));
    a->ops->describe(a, &text);
    ck_assert_str_eq(buf_cstr(&text), "locking=ofd+file fence=server durability=full");
    close_file(a);
    close_file(b);
    ck_assert_str_eq(events, "FILE_SYSTEM FILE_SYSTEM ");
    buf_release(&text);
    collect_release(&ca);
    collect_release(&cb);
}
END_TEST

/* The server has something else than what we wrote: two writers at one offset. */
static int64_t lossy_write(int fd, const void *bytes, size_t n)
{
    static const char nothing[64];
    return n <= sizeof nothing && memcmp(bytes, "{\"a\":2}", 7) == 0 ? os_system.write(fd, nothing, n) : os_system.write(fd, bytes, n);
}

START_TEST(what_is_written_through_is_read_back)
{
    play_network();
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    struct append a;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    counting.write = lossy_write;
    ck_assert_int_eq(collect_append_for(b, &c, "{\"a\":2}\n", 0, &a, &err), TL_EUNKNOWN);
    ck_assert_int_eq(a.outcome, OUTCOME_UNKNOWN);
    counting.write = os_system.write;
    ck_assert_int_eq(collect_append_for(b, &c, "{\"a\":3}\n", 0, &a, &err), TL_OK); /* the NULs were moved aside */
    collect_assert_text(&c, "{\"a\":1}\n{\"a\":3}\n");
    ck_assert_int_eq(scratch_count(dir, "salvage"), 1);
    close_file(b);
    collect_release(&c);
}
END_TEST

static int bad_close(int fd)
{
    char path[600] = "", link_name[40];
    snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", fd);
    int flags = fcntl(fd, F_GETFL);
    int64_t n = os_system.readlink(link_name, path, sizeof path - 1);
    int rc = os_system.close(fd);
    return n > 2 && strcmp(path + n - 2, "/j") == 0 && (flags & O_DSYNC) == O_DSYNC && net_closes++ > 0 ? -EIO : rc;
}

START_TEST(an_error_at_close_leaves_the_outcome_open)
{
    play_network();
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"a\":1}\n", &err), TL_OK);
    counting.close = bad_close;
    net_closes = 0; /* the first close is the waiting descriptor's */
    struct append a;
    ck_assert_int_eq(collect_append_for(b, &c, "{\"a\":2}\n", 0, &a, &err), TL_EUNKNOWN);
    ck_assert_int_eq(a.outcome, OUTCOME_UNKNOWN);
    counting.close = note_close;
    ck_assert_int_eq(collect_read(b, &c, &err), TL_EPOISONED);
    close_file(b);
    collect_release(&c);
}
END_TEST

/* ---- forks ---- */

START_TEST(a_forked_child_goes_on_by_itself)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "{\"p\":1}\n", &err), TL_OK);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        b->ops->forked(b);
        int rc = collect_append(b, &c, "{\"c\":1}\n", &err);
        close_file(b);
        collect_release(&c);
        _exit(rc == TL_OK ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(scratch_count(dir, ".lock.own."), 2); /* the child took its own away, not ours */
    ck_assert_int_eq(collect_append(b, &c, "{\"p\":2}\n", &err), TL_OK);
    collect_assert_text(&c, "{\"p\":1}\n{\"c\":1}\n{\"p\":2}\n");
    close_file(b);
    collect_release(&c);
}
END_TEST

/* ---- out of memory ---- */

static long allocations_left;

static void *maybe_alloc(size_t n, void *ctx)
{
    (void)ctx;
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void *maybe_resize(void *old, size_t n, void *ctx)
{
    (void)ctx;
    return allocations_left-- > 0 ? realloc(old, n) : NULL;
}

static void give_back(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

START_TEST(out_of_memory_anywhere_is_an_error)
{
    static const struct mem_hooks hooks = {maybe_alloc, maybe_resize, give_back, NULL};
    struct collect c = COLLECT_INIT;
    mem_set_hooks(&hooks);
    bool done = false;
    long n = 0;
    for (; !done; n++) {
        ck_assert_int_lt(n, 200);
        allocations_left = 1000000;
        buf_clear(&c.text);
        c.next_offset = 0;
        buf_reserve(&c.text, 1000);
        scratch_write(scratch_path(dir, "j"), "{\"a\":1}\n{\"t", 11);
        allocations_left = n;
        struct backend *b;
        int rc = backend_open("j", &options, &b, &err);
        if (rc == TL_OK) {
            rc = collect_append(b, &c, "{\"b\":1}\n", &err);
            if (rc == TL_OK) {
                rc = collect_read(b, &c, &err);
            }
            done = rc == TL_OK;
            close_file(b);
        }
        ck_assert_msg(rc == TL_OK || rc == TL_ENOMEM, "%d %s", rc, err.message);
    }
    mem_set_hooks(NULL);
    ck_assert_int_gt(n, 5);
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
    collect_release(&c);
}
END_TEST

START_TEST(urls)
{
    static const char *const refused[] = {"postgresql://u:secret@h/d", "mysql+pymysql://u:secret@h/d",
                                          "grpc://h:1", "https://h", "ftp://u:secret@h/x", "x+y-z.1://secret"};
    for (size_t i = 0; i < TL_COUNT(refused); i++) {
        ck_assert_int_eq(open_fails(refused[i]), TL_EUNSUPPORTED);
        ck_assert_ptr_null(strstr(err.message, "secret"));
        ck_assert_ptr_nonnull(strstr(err.message, "journal file"));
    }
    ck_assert_int_eq(open_fails(""), TL_EINVAL);
    struct backend *b = NULL;
    ck_assert_int_eq(backend_open(NULL, NULL, &b, &err), TL_EINVAL);
    ck_assert_int_eq(backend_open("j", NULL, &b, NULL), TL_OK);
    ck_assert_str_eq(b->ops->name, "file");
    close_file(b);
    ck_assert_int_eq(backend_open("1:/x", NULL, &b, NULL), TL_ENOTFOUND); /* a path with a folder that is not there */
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, two_handles_see_each_other);
    tcase_add_test(t, a_refused_append_writes_nothing);
    tcase_add_test(t, a_delivery_that_fails_comes_again);
    tcase_add_test(t, lines_of_all_lengths_around_the_slice);
    tcase_add_test(t, a_reader_takes_whole_lines_only);
    tcase_add_test(t, torn_tails_are_healed_before_an_append);
    tcase_add_test(t, a_long_torn_tail_is_healed_in_pieces);
    tcase_add_test(t, a_replaced_file_is_read_from_the_start);
    tcase_add_test(t, paths_that_name_no_journal);
    tcase_add_test(t, names_that_are_too_long_for_lock_files);
    tcase_add_test(t, relative_paths_survive_a_change_of_folder);
    tcase_add_test(t, a_symbolic_link_is_locked_at_both_ends);
    tcase_add_test(t, hard_links_are_refused);
    tcase_add_test(t, what_may_not_be_written_is_read);
    tcase_add_test(t, no_space_leaves_whole_lines);
    tcase_add_test(t, full_durability_flushes_after_each_append);
    tcase_add_test(t, no_durability_never_flushes);
    tcase_add_test(t, relaxed_durability_flushes_within_about_a_second);
    tcase_add_test(t, threads_share_flushes);
    tcase_add_test(t, a_failed_flush_fences_the_handle);
    tcase_add_test(t, network_journals_are_opened_afresh_and_written_through);
    tcase_add_test(t, what_is_written_through_is_read_back);
    tcase_add_test(t, an_error_at_close_leaves_the_outcome_open);
    tcase_add_test(t, a_forked_child_goes_on_by_itself);
    tcase_add_test(t, out_of_memory_anywhere_is_an_error);
    tcase_add_test(t, urls);
    return check_run("file", t);
}
