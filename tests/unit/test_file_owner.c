/* SPDX-License-Identifier: MIT
 *
 * journal/file_owner.c: whose lock is broken when, file systems without hard links, leftovers, unlocking by hand.
 */
#include "journal/file_owner.h"

#include "support/check_main.h"
#include "support/played_time.h"

/* ---- breaking ---- */

START_TEST(a_dead_owner_is_removed_at_once)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    child_dies_inside();
    ck_assert(exists("j.lock") && exists(seen_target));
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", 1000, NULL, &err), TL_OK);
    ck_assert_int_lt(skew, SECOND / 100);
    ck_assert_str_eq(events, "LOCK_BROKEN ");
    ck_assert_ptr_nonnull(strstr(messages, "dead"));
    ck_assert(!exists("j.lock") && !exists(seen_target)); /* cleaned up too */
    ck_assert_int_eq(scratch_count(dir, ".rename"), 0);
    assert_file("2\n");
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* Locks of Optuna: nothing is known about their holders, so only time decides. */
START_TEST(a_lock_of_optuna_is_broken_after_the_grace_period)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    for (int regular = 0; regular < 2; regular++) {
        if (regular) {
            scratch_write("j.lock", "", 0);
        } else {
            ck_assert_int_eq(symlink("j", "j.lock"), 0);
        }
        events[0] = 0;
        int64_t start = os->monotonic_ns();
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 60000, NULL, &err), TL_OK);
        ck_assert_int_ge(os->monotonic_ns() - start, 30 * SECOND);
        ck_assert_int_lt(os->monotonic_ns() - start, 31 * SECOND);
        ck_assert_ptr_nonnull(strstr(events, "LOCK_BROKEN"));
        ck_assert(!exists("j.lock"));
    }
    b->ops->close(b);
    collect_release(&c);
    c = (struct collect)COLLECT_INIT;
    options.grace_ms = 5000;
    b = open_file("j");
    ck_assert_int_eq(symlink("somewhere/j", "j.lock"), 0); /* a relative path with a folder: its target cannot be found */
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 60000, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 5 * SECOND);
    ck_assert_int_lt(os->monotonic_ns() - start, 6 * SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static int64_t renew_every, renewed_at;
static int renewals;

static void renew_lock(int64_t now)
{
    if (now - renewed_at > renew_every && renewals > 0) {
        renewed_at = now;
        renewals--;
        unlink("j.lock");
        if (symlink("j", "j.lock") != 0) {
            abort();
        }
    }
}

START_TEST(a_lock_that_changes_hands_is_not_abandoned)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    renew_every = 20 * SECOND;
    renewed_at = 0;
    renewals = 4;
    while_asleep = renew_lock;
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 110 * SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static void writer_lives(int64_t now)
{
    if (now - renewed_at > renew_every && renewals > 0) {
        renewed_at = now;
        renewals--;
        scratch_append("j", "{\"o\":1}\n", 8); /* Optuna's holder is slow, but it works */
        os_system.sleep_ns(5000000);
        os_system.touch("j");
    }
}

START_TEST(a_holder_that_writes_is_alive)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    renew_every = 20 * SECOND;
    renewed_at = 0;
    renewals = 3;
    while_asleep = writer_lives;
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "{\"a\":1}\n", -1, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 90 * SECOND);
    collect_assert_text(&c, "{\"o\":1}\n{\"o\":1}\n{\"o\":1}\n{\"a\":1}\n");
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* The kernel lock proves that no process of ours is inside, wherever it runs. */
START_TEST(a_lock_of_ours_is_broken_soon_when_the_kernel_lock_is_ours)
{
    static const char target[] = "j.lock.own.elsewhere-01234567.1.2.89abcdef\n";
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j.lock.own.elsewhere-01234567.1.2.89abcdef", "j.lock"), 0);
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_OK);
    ck_assert_int_lt(skew, SECOND);
    scratch_write("j.lock", target, sizeof target - 1);
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", -1, NULL, &err), TL_OK);
    ck_assert_int_lt(skew, 2 * SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static int no_locks(int fd, enum os_lock what, enum os_range range)
{
    (void)fd;
    (void)what;
    (void)range;
    return -ENOSYS;
}

START_TEST(without_kernel_locks_the_lock_file_decides)
{
    played.lock = no_locks;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 1000, NULL, &err), TL_OK);
    struct buf text = BUF_INIT(200);
    b->ops->describe(b, &text);
    ck_assert_str_eq(buf_cstr(&text), "locking=file fence=none durability=full");
    buf_release(&text);
    /* now another host's lock is only broken after the grace period; a dead process of this host at once */
    ck_assert_int_eq(symlink("j.lock.own.elsewhere-01234567.1.2.89abcdef", "j.lock"), 0);
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", -1, NULL, &err), TL_OK);
    ck_assert_int_ge(os->monotonic_ns() - start, 30 * SECOND);
    child_dies_inside();
    start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "3\n", -1, NULL, &err), TL_OK);
    ck_assert_int_lt(os->monotonic_ns() - start, SECOND / 10);
    b->ops->close(b);
    options.lock = TL_LOCK_KERNEL;
    b = open_file("j");
    ck_assert_int_eq(collect_append_for(b, &c, "4\n", -1, NULL, &err), TL_EUNSUPPORTED);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* A process id that was given to somebody else means nothing: the start time tells. */
START_TEST(a_living_process_with_another_start_is_not_the_owner)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    char target[600];
    c.inside = look_inside;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 1000, NULL, &err), TL_OK);
    c.inside = NULL;
    played.lock = no_locks; /* nothing else proves that it is dead */
    snprintf(target, sizeof target, "%s", seen_target); /* ….PID.START.NONCE: ours */
    *strrchr(target, '.') = 0;
    *strrchr(target, '.') = 0;
    strcat(target, ".1.0123abcd");
    ck_assert_int_eq(symlink(target, "j.lock"), 0);
    int64_t start = os->monotonic_ns();
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", -1, NULL, &err), TL_OK);
    ck_assert_int_lt(os->monotonic_ns() - start, SECOND);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* Between our look and our rename somebody else's lock may come into the place: it is put back. */
static int swap_and_rename(const char *from, const char *to)
{
    if (strcmp(strrchr(from, '/') ? strrchr(from, '/') + 1 : from, "j.lock") == 0) {
        played.rename = os_system.rename;
        unlink("j.lock");
        if (symlink("fresh", "j.lock") != 0) {
            abort();
        }
    }
    return os_system.rename(from, to);
}

START_TEST(a_lock_that_was_not_meant_is_put_back)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    played.rename = swap_and_rename;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 32000, NULL, &err), TL_ELOCKED);
    assert_link("j.lock", "fresh");
    ck_assert_int_eq(scratch_count(dir, ".rename"), 0);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* ---- the link that waits ---- */

static int links, renames;

static int count_link(const char *from, const char *to)
{
    links++;
    return os_system.link(from, to);
}

static int refused_with;

static int refuse_rename(const char *from, const char *to)
{
    renames++;
    return refused_with ? refused_with : os_system.rename_new(from, to);
}

/* Both names of it lie beside the journal while nobody holds the lock, and nothing when the handle is closed. */
static void check_waiting(size_t n)
{
    ck_assert(!exists("j.lock"));
    ck_assert_uint_eq(scratch_count(dir, ".lock.own."), n);
    ck_assert_uint_eq(scratch_count(dir, "-free"), n - 1);
}

START_TEST(the_link_is_made_once)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    played.link = count_link;
    c.inside = look_inside;
    for (links = 0; links < 10 && c.composed < 5;) {
        ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
        check_waiting(2);
    }
    ck_assert_int_eq(links, 1);
    /* somebody cleaned up */
    strcat(seen_target, "-free");
    ck_assert_int_eq(unlink(seen_target), 0);
    ck_assert_int_eq(collect_append(b, &c, "2\n", &err), TL_OK);
    check_waiting(2);
    ck_assert_int_eq(links, 2);
    /* and more thoroughly, just after the owner file's time was found new enough */
    ck_assert_int_eq(unlink(seen_target), 0);
    strcat(seen_target, "-free");
    ck_assert_int_eq(unlink(seen_target), 0);
    ck_assert_int_eq(collect_append(b, &c, "3\n", &err), TL_OK);
    check_waiting(2);
    b->ops->close(b);
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
    collect_release(&c);
}
END_TEST

/* Where renaming cannot refuse to replace, and where it fails in another way, links are made and removed each time. */
START_TEST(without_renaming_links_are_made_each_time)
{
    static const int refusals[] = {-EINVAL, -ENOSYS, -EIO};
    played.link = count_link;
    played.rename_new = refuse_rename;
    for (size_t i = 0; i < TL_COUNT(refusals); i++) {
        struct backend *b = open_file("j");
        struct collect c = COLLECT_INIT;
        refused_with = refusals[i];
        links = renames = 0;
        c.inside = look_inside;
        for (int k = 0; k < 4; k++) {
            ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
            check_waiting(k == 0 ? 2 : 1);
        }
        ck_assert_int_eq(links, 4);
        ck_assert_int_eq(renames, 1);
        ck_assert_int_eq(scratch_count(dir, ".rename"), 0);
        b->ops->close(b);
        ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
        collect_release(&c);
    }
}
END_TEST

static int failed_unlinks;

static int keep_free(const char *path)
{
    if (strstr(path, "-free")) {
        failed_unlinks++;
        return -EIO;
    }
    return os_system.unlink(path);
}

/* A link that could neither be used nor removed: renaming the lock to its name would do nothing, and the lock would stay. */
START_TEST(a_waiting_link_that_stays_does_not_keep_the_lock)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append(b, &c, "1\n", &err), TL_OK);
    played.rename_new = refuse_rename;
    played.unlink = keep_free;
    refused_with = -EIO;
    failed_unlinks = 0;
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(collect_append(b, &c, "2\n", &err), TL_OK);
        check_waiting(2);
    }
    ck_assert_int_eq(failed_unlinks, 1);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

static void put_optunas_lock(struct collect *c)
{
    (void)c;
    ck_assert_int_eq(unlink("j.lock"), 0);
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
}

/* Robbed while held: the lock that stands there is somebody else's and is put back from the waiting link's name. */
START_TEST(anothers_lock_does_not_become_the_waiting_link)
{
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    c.inside = put_optunas_lock;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_OK);
    assert_link("j.lock", "j");
    ck_assert_uint_eq(scratch_count(dir, "-free"), 0);
    ck_assert_int_eq(unlink("j.lock"), 0);
    c.inside = look_inside;
    ck_assert_int_eq(collect_append(b, &c, "2\n", &err), TL_OK);
    check_waiting(2);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* ---- file systems without hard links ---- */

static int no_links(const char *from, const char *to)
{
    (void)from;
    (void)to;
    return -EPERM;
}

static void see_symbolic_link(struct collect *c)
{
    struct os_stat s;
    look_inside(c);
    ck_assert_int_eq(os_system.stat("j.lock", false, &s), 0);
    ck_assert(s.is_link);
}

START_TEST(without_hard_links_a_symbolic_one_will_do)
{
    played.link = no_links;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    c.inside = see_symbolic_link;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_OK);
        ck_assert(!exists("j.lock"));
        skew += SECOND;
    }
    c.inside = NULL;
    child_dies_inside();
    ck_assert_int_eq(collect_append_for(b, &c, "2\n", 1000, NULL, &err), TL_OK);
    ck_assert_str_eq(events, "LOCK_BROKEN ");
    b->ops->close(b);
    ck_assert_int_eq(scratch_count(dir, ".lock"), 0);
    collect_release(&c);
}
END_TEST

static int unlinks_to_fail;

static int fail_unlink(const char *path)
{
    if (strstr(path, ".rename") && unlinks_to_fail > 0) {
        unlinks_to_fail--;
        return -EIO;
    }
    return os_system.unlink(path);
}

/* Renaming a name of a file to another name of the same file does nothing and reports success. */
START_TEST(a_moved_lock_that_stays_does_not_keep_the_next_one)
{
    played.unlink = fail_unlink;
    played.rename_new = refuse_rename;
    refused_with = -EINVAL;
    struct backend *b = open_file("j");
    struct collect c = COLLECT_INIT;
    ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_OK); /* from the next one on links are removed */
    for (int i = 0; i < 20; i++) {
        unlinks_to_fail = 1;
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 0, NULL, &err), TL_OK);
        ck_assert(!exists("j.lock"));
    }
    ck_assert_int_eq(scratch_count(dir, ".rename"), 20);
    b->ops->close(b);
    collect_release(&c);
}
END_TEST

/* ---- names, unlocking by hand ---- */

START_TEST(odd_targets_are_nobodys)
{
    static const char *const odd[] = {
        "j.lock.own.", "j.lock.own.a", "j.lock.own.a.b", "j.lock.own.a.1.b.c", "j.lock.own.a..1.c", "j.lock.own.a/b.1.2.c",
        "j.lock.own.a.99999999999999999999999.2.c", "x.lock.own.a.1.2.c", "/j.lock.own.a.1.2.c", "j.lock.own",
    };
    for (size_t i = 0; i < TL_COUNT(odd); i++) {
        struct backend *b = open_file("j");
        struct collect c = COLLECT_INIT;
        ck_assert_int_eq(symlink(odd[i], "j.lock"), 0);
        ck_assert_int_eq(collect_append_for(b, &c, "1\n", 20000, NULL, &err), TL_ELOCKED); /* treated like Optuna's */
        ck_assert_int_eq(unlink("j.lock"), 0);
        b->ops->close(b);
        collect_release(&c);
    }
}
END_TEST

START_TEST(unlocking_by_hand)
{
    struct owner o = {0};
    char path[SCRATCH_MAX + 10];
    const char *paths[] = {path};
    bool removed = true;
    snprintf(path, sizeof path, "%s/j", dir);
    scratch_write("j", "", 0);
    ck_assert_int_eq(owner_init(&o, paths, 1, 30000, &sink, &err), TL_OK);
    ck_assert_int_eq(owner_unlock(&o, false, &removed, &err), TL_OK);
    ck_assert(!removed);
    ck_assert_int_eq(symlink("j", "j.lock"), 0);
    ck_assert_int_eq(owner_unlock(&o, false, &removed, &err), TL_ELOCKED);
    ck_assert(exists("j.lock"));
    ck_assert_int_eq(owner_unlock(&o, true, &removed, &err), TL_OK);
    ck_assert(removed && !exists("j.lock"));
    child_dies_inside();
    ck_assert_int_eq(owner_unlock(&o, false, &removed, &err), TL_OK);
    ck_assert(removed && !exists("j.lock"));
    owner_close(&o);
}
END_TEST

START_TEST(leftovers_are_cleaned)
{
    struct owner o = {0};
    struct owner_watch w = {0};
    char path[SCRATCH_MAX + 10];
    const char *paths[] = {path};
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    snprintf(path, sizeof path, "%s/j", dir);
    scratch_write("j", "", 0);
    child_dies_inside();
    ck_assert_int_eq(unlink("j.lock"), 0);
    char dead[600];
    char dead_link[620];
    snprintf(dead, sizeof dead, "%s", seen_target);
    snprintf(dead_link, sizeof dead_link, "%s-free", dead);
    scratch_write(dead_link, "", 0);
    scratch_write("j.lock.own.elsewhere-01234567.1.2.00000001", "", 0);
    scratch_write("j.lock.own.elsewhere-01234567.1.2.00000002", "", 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, "j.lock.own.elsewhere-01234567.1.2.00000002", old, 0), 0);
    scratch_write("j.lock00000000-0000-4000-8000-000000000000.rename", "", 0);
    scratch_write("j.lock00000000-0000-4000-8000-000000000001.rename", "", 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, "j.lock00000000-0000-4000-8000-000000000001.rename", old, 0), 0);
    scratch_write("j.lock00000000-0000-4000-8000-000000000002.rename", dead, strlen(dead));
    scratch_append("j.lock00000000-0000-4000-8000-000000000002.rename", "\n", 1);
    ck_assert_int_eq(symlink(dead, "j.lock00000000-0000-4000-8000-000000000003.rename"), 0);
    ck_assert_int_eq(symlink("j", "j.lock00000000-0000-4000-8000-000000000004.rename"), 0); /* Optuna's, of just now */
    scratch_write("jj.lock.own.elsewhere-01234567.1.2.00000002", "", 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, "jj.lock.own.elsewhere-01234567.1.2.00000002", old, 0), 0);
    ck_assert_int_eq(owner_init(&o, paths, 1, 30000, &sink, &err), TL_OK);
    ck_assert_int_eq(owner_try(&o, &w, &err), 1);
    ck_assert(owner_give_back(&o));
    owner_clean(&o);
    ck_assert(!exists(dead) && !exists(dead_link));
    ck_assert(exists("j.lock.own.elsewhere-01234567.1.2.00000001"));
    ck_assert(!exists("j.lock.own.elsewhere-01234567.1.2.00000002"));
    ck_assert(exists("j.lock00000000-0000-4000-8000-000000000000.rename"));
    ck_assert(!exists("j.lock00000000-0000-4000-8000-000000000001.rename"));
    ck_assert(!exists("j.lock00000000-0000-4000-8000-000000000002.rename")); /* those of a process that is dead, whoever moved them */
    ck_assert(!exists("j.lock00000000-0000-4000-8000-000000000003.rename"));
    ck_assert(exists("j.lock00000000-0000-4000-8000-000000000004.rename"));
    ck_assert(exists("jj.lock.own.elsewhere-01234567.1.2.00000002"));
    ck_assert_int_eq(scratch_count(dir, "j.lock.own."), 3); /* ours is still in use */
    owner_close(&o);
    ck_assert_int_eq(scratch_count(dir, "j.lock.own."), 2);
}
END_TEST

/* Processes that are killed while nobody is inside leave no lock that somebody would break, and none of them lives long. */
START_TEST(leftovers_do_not_pile_up)
{
    enum { DEATHS = 50, LINE = 10000, A_PIECE = 65536 / LINE + 1 };
    static char line[LINE + 1];
    memset(line, 'x', LINE - 1);
    line[LINE - 1] = '\n';
    os_use(NULL);
    for (int i = 0; i < DEATHS; i++) {
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            struct collect c = COLLECT_INIT;
            struct backend *b = open_file("j");
            (void)collect_append(b, &c, line, &err);
            raise(SIGKILL);
        }
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        ck_assert(!exists("j.lock"));
        ck_assert_int_le(scratch_count(dir, "j.lock.own."), 2 * A_PIECE);
    }
    struct os_stat s;
    ck_assert_int_eq(os_system.stat("j", false, &s), 0);
    ck_assert_uint_eq(s.size, (uint64_t)DEATHS * LINE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file_owner");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_dead_owner_is_removed_at_once);
    tcase_add_test(t, a_lock_of_optuna_is_broken_after_the_grace_period);
    tcase_add_test(t, a_lock_that_changes_hands_is_not_abandoned);
    tcase_add_test(t, a_holder_that_writes_is_alive);
    tcase_add_test(t, a_lock_of_ours_is_broken_soon_when_the_kernel_lock_is_ours);
    tcase_add_test(t, without_kernel_locks_the_lock_file_decides);
    tcase_add_test(t, a_living_process_with_another_start_is_not_the_owner);
    tcase_add_test(t, a_lock_that_was_not_meant_is_put_back);
    tcase_add_test(t, the_link_is_made_once);
    tcase_add_test(t, without_renaming_links_are_made_each_time);
    tcase_add_test(t, a_waiting_link_that_stays_does_not_keep_the_lock);
    tcase_add_test(t, anothers_lock_does_not_become_the_waiting_link);
    tcase_add_test(t, without_hard_links_a_symbolic_one_will_do);
    tcase_add_test(t, a_moved_lock_that_stays_does_not_keep_the_next_one);
    tcase_add_test(t, odd_targets_are_nobodys);
    tcase_add_test(t, unlocking_by_hand);
    tcase_add_test(t, leftovers_are_cleaned);
    tcase_add_test(t, leftovers_do_not_pile_up);
    return check_run("file_owner", t);
}
