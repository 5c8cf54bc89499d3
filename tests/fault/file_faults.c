/* SPDX-License-Identifier: MIT
 *
 * The n-th system call of a journal file fails, for every kind of call, every n to completion, once and for ever, with and without
 * effect, on a disk that forgets what it could not write.
 *
 * A script appends numbered lines through healing, foreign lines, a dead holder's lock, rubbish at the end, snapshots, closing and
 * opening. Whatever fails, in the end:
 *  - every line that was acknowledged stands in the journal once, and none stands there twice;
 *  - what was reported as an error is not there (but for the lines that the report names), so writing it again lands it once;
 *  - the journal is a list of JSON lines again after the next append;
 *  - no descriptor and (unless its removal failed) no lock file is left.
 * Usage: file_faults [local|network] [one kind]
 */
#include "base/json.h"
#include "base/mem.h"
#include "fault_os.h"
#include "journal/backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <trialog/storage.h>
#include <unistd.h>

#define MAX_IDS 64

static char dir[200], dead_target[300];
static struct fault_plan plan;
static const struct tl_storage_options options = {.size = sizeof(struct tl_storage_options), .timeout_ms = 5000};

#define require(condition, ...)                                                                              \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            printf("FAILED %s:%d: %s: call %ld of %s fails with errno %d, %s, effect %d, disk %d, %s: ", __FILE__, __LINE__, \
                   #condition, plan.at, fault_names[plan.kind], plan.sys, plan.sticky ? "for ever" : "once", \
                   (int)plan.effect, (int)plan.disk, plan.network ? "network" : "local");                    \
            printf(__VA_ARGS__);                                                                             \
            printf("\n");                                                                                    \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* ---- what one run knows ---- */

struct run {
    struct backend *b;
    int seen[MAX_IDS];   /* how often a line was delivered to the present handle, or landed by it */
    bool acked[MAX_IDS]; /* told to be durable */
    int next_id, first, count; /* of the group being written */
    long errors, unknowns, reopened;
};

static void note_line(struct run *r, struct str line)
{
    static const char mark[] = "{\"id\":";
    if (line.n > sizeof mark && memcmp(line.p, mark, sizeof mark - 1) == 0) {
        int id = 0;
        for (size_t i = sizeof mark - 1; i < line.n && line.p[i] >= '0' && line.p[i] <= '9'; i++) {
            id = id * 10 + (line.p[i] - '0');
        }
        require(id < MAX_IDS, "id %d", id);
        r->seen[id]++;
    }
}

static int take_lines(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    (void)offset;
    (void)err;
    for (const char *p = bytes; p < bytes + n;) {
        const char *end = memchr(p, '\n', (size_t)(bytes + n - p));
        note_line(ctx, (struct str){p, (size_t)(end - p)});
        p = end + 1;
    }
    return TL_OK;
}

static int take_rewind(void *ctx, const char *why, struct tl_err *err)
{
    (void)why;
    (void)err;
    memset(((struct run *)ctx)->seen, 0, sizeof ((struct run *)ctx)->seen);
    return TL_OK;
}

/* Decides on what has been delivered: a line that is there already is not written again. */
static int compose(void *ctx, struct buf *out, struct tl_err *err)
{
    struct run *r = ctx;
    (void)err;
    for (int id = r->first; id < r->first + r->count; id++) {
        if (r->seen[id] == 0) {
            buf_printf(out, "{\"id\":%d,\"pad\":\"%040d\"}\n", id, id);
        }
    }
    return TL_OK;
}

static int read_news(struct run *r)
{
    struct deliver d = {r, take_lines, take_rewind, NULL, 0};
    return r->b->ops->read(r->b, &d, NULL);
}

static bool reopen(struct run *r)
{
    if (r->b) {
        r->b->ops->close(r->b);
        r->b = NULL;
    }
    r->reopened++;
    memset(r->seen, 0, sizeof r->seen);
    return backend_open("j", &options, &r->b, NULL) == TL_OK;
}

/* The ids of the present group that are not in the log, in order. */
static int missing(const struct run *r, int ids[MAX_IDS])
{
    int n = 0;
    for (int id = r->first; id < r->first + r->count; id++) {
        if (r->seen[id] == 0) {
            ids[n++] = id;
        }
    }
    return n;
}

/* One try; true when the whole group is durable. */
static bool try_append(struct run *r)
{
    int ids[MAX_IDS];
    struct tl_err err = TL_ERR_INIT;
    struct append a = {.deliver = {r, take_lines, take_rewind, NULL, 0}, .ctx = r, .compose = compose, .timeout_ms = 5000};
    if (!r->b && !reopen(r)) {
        return false;
    }
    int rc = r->b->ops->append(r->b, &a, &err);
    require((rc == TL_OK) == (a.outcome == OUTCOME_DONE || a.outcome == OUTCOME_NOTHING), "rc %d outcome %d", rc, (int)a.outcome);
    require(rc == TL_OK || err.message[0], "no message for %d", rc);
    int n = missing(r, ids);
    bool landed = a.outcome == OUTCOME_DONE || (a.outcome == OUTCOME_ERROR && a.written > 0);
    if (landed) {
        int written = a.outcome == OUTCOME_DONE ? n : (int)a.written;
        require(written <= n, "%d of %d written", written, n);
        for (int i = 0; i < written; i++) {
            r->seen[ids[i]]++;
        }
        rc = r->b->ops->flush(r->b, a.flush_token, &err);
        if (rc == TL_OK) {
            for (int i = 0; i < written; i++) {
                r->acked[ids[i]] = true;
            }
        }
    }
    if (rc == TL_OK && a.outcome != OUTCOME_ERROR) {
        return a.outcome == OUTCOME_DONE; /* NOTHING: they were there, but are they durable? Only a flush of ours says so */
    }
    r->errors += a.outcome == OUTCOME_ERROR;
    r->unknowns += a.outcome == OUTCOME_UNKNOWN || rc == TL_EUNKNOWN;
    if (rc == TL_EUNKNOWN || rc == TL_EPOISONED) {
        (void)reopen(r);
    }
    return false;
}

/* Appends `count` new lines, once more when that failed: as a caller would that wants them in. */
static void append(struct run *r, int count)
{
    r->first = r->next_id;
    r->count = count;
    r->next_id += count;
    for (int tries = 0; tries < 2 && !try_append(r); tries++) {
    }
}

/* ---- what others do to the journal; not through the table ---- */

/* Somebody who looks at the end first; what he would do to a torn tail is another test's business. */
static void others_write(const char *text, size_t n)
{
    struct stat s;
    char last = '\n';
    int fd = open("j", O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    require(fd >= 0 && fstat(fd, &s) == 0 && (s.st_size == 0 || pread(fd, &last, 1, s.st_size - 1) == 1), "others");
    require(last != '\n' || write(fd, text, n) == (ssize_t)n, "others");
    close(fd);
    fault_disk_has("j");
}

static void others_die_holding_the_lock(bool symbolic)
{
    size_t n = strlen(dead_target);
    (void)unlink("j.lock");
    int fd = open(dead_target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    require(fd >= 0 && write(fd, dead_target, n) == (ssize_t)n && write(fd, "\n", 1) == 1, "owner");
    close(fd);
    require((symbolic ? symlink(dead_target, "j.lock") : link(dead_target, "j.lock")) == 0, "lock");
}

static int produce(void *ctx, struct image_sink *to, struct tl_err *err)
{
    (void)ctx;
    return to->write(to, "image", 5, err);
}

static int parse(void *ctx, struct image_source *from, struct tl_err *err)
{
    char bytes[5];
    (void)ctx;
    return from->left == 5 ? from->read(from, bytes, 5, err) : TL_ECORRUPT;
}

static void script(struct run *r)
{
    bool loaded = false;
    struct backend_mark mark;
    append(r, 1);
    os->sleep_ns(1000000000); /* the owner file needs a new time */
    append(r, 3);
    others_write("{\"other\":1}\n{\"torn\":[1,\"x", 25);
    append(r, 2);
    if (r->b) {
        (void)read_news(r);
    }
    others_write("{\"other\":2}\n{\"whole\":1}", 23);
    append(r, 2);
    others_die_holding_the_lock(false);
    append(r, 1);
    others_die_holding_the_lock(true);
    append(r, 1);
    if (r->b && read_news(r) == TL_OK && r->b->ops->mark(r->b, &mark) == TL_OK) {
        (void)r->b->ops->snapshot_save(r->b, &mark, produce, NULL, NULL);
    }
    (void)reopen(r);
    if (r->b) {
        (void)r->b->ops->snapshot_load(r->b, parse, NULL, &loaded, NULL);
        r->b->ops->restart(r->b);
        (void)r->b->ops->wait(r->b, 0, NULL);
    }
    others_write("\0\0\0\0rubbish", 11);
    append(r, 4);
    if (r->b) {
        (void)read_news(r);
        r->b->ops->close(r->b);
        r->b = NULL;
    }
}

/* ---- judgement ---- */

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static int count_files(const char *part)
{
    DIR *d = opendir(".");
    struct dirent *e;
    int n = 0;
    while ((e = readdir(d)) != NULL) {
        n += strstr(e->d_name, part) != NULL && strcmp(e->d_name, dead_target) != 0;
    }
    closedir(d);
    return n;
}

static void empty_folder(void)
{
    DIR *d = opendir(".");
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            unlink(e->d_name);
        }
    }
    closedir(d);
}

static void check_file(void)
{
    FILE *f = fopen("j", "rb");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    require(f, "no journal");
    while ((n = getline(&line, &cap, f)) > 0) {
        struct json j = JSON_OF(line, (size_t)n);
        struct tl_err err = TL_ERR_INIT;
        require(line[n - 1] == '\n' && json_skip(&j, NULL, &err) == TL_OK && json_finish(&j, &err) == TL_OK, "%s in %s", err.message,
                line);
    }
    free(line);
    fclose(f);
}

/* Without faults now: every line is there once, or can be written once. */
static void judge(struct run *r, int fds)
{
    fault_disarm();
    require(reopen(r), "cannot be opened afterwards");
    require(read_news(r) == TL_OK, "cannot be read afterwards");
    for (int id = 0; id < r->next_id; id++) {
        require(r->seen[id] <= 1, "line %d stands there %d times", id, r->seen[id]);
        require(r->seen[id] == 1 || !r->acked[id], "line %d was acknowledged and is gone", id);
    }
    r->first = 0;
    r->count = r->next_id;
    require(try_append(r) || r->errors + r->unknowns == 0 || read_news(r) == TL_OK, "cannot be appended to afterwards");
    require(reopen(r) && read_news(r) == TL_OK, "cannot be read in the end");
    for (int id = 0; id < r->next_id; id++) {
        require(r->seen[id] == 1, "line %d stands there %d times in the end", id, r->seen[id]);
    }
    r->b->ops->close(r->b);
    r->b = NULL;
    check_file();
    require(count_fds() == fds, "%d descriptors, %d before", count_fds(), fds);
    if (plan.kind != FAULT_unlink && plan.kind != FAULT_rename && plan.kind != FAULT_readlink) {
        require(count_files(".lock") == 0, "lock files are left");
    }
    require(access("j.lock", F_OK) != 0 || plan.kind != FAULT_unlink, "the lock is left");
}

static long runs, fired_runs, errors, unknowns;

/* One run with one plan; false when the planned call never came. */
static bool run_plan(void)
{
    struct run r = {0};
    empty_folder();
    int fds = count_fds();
    fault_begin(&plan, "j");
    script(&r);
    bool fired = fault_fired();
    judge(&r, fds);
    fault_end();
    runs++;
    fired_runs += fired;
    errors += r.errors;
    unknowns += r.unknowns;
    return fired;
}

/* All n of one kind of failure. */
static long sweep(void)
{
    for (plan.at = 1;; plan.at++) {
        if (!run_plan()) {
            return plan.at - 1;
        }
    }
}

static bool applies(enum fault_kind kind, enum fault_effect effect, int sys)
{
    switch (effect) {
    case FAULT_HALF: return kind == FAULT_write;
    case FAULT_SHORT: return sys == EIO && (kind == FAULT_write || kind == FAULT_pread || kind == FAULT_read);
    case FAULT_ALL:
        return kind == FAULT_write || kind == FAULT_rename || kind == FAULT_rename_new || kind == FAULT_symlink || kind == FAULT_unlink || kind == FAULT_link ||
               kind == FAULT_open || kind == FAULT_truncate || kind == FAULT_lock || kind == FAULT_touch;
    default: return true;
    }
}

static void sweep_kind(enum fault_kind kind)
{
    long points = 0, before = runs, errors_before = errors, unknowns_before = unknowns;
    for (int e = 0; fault_errnos[kind][e]; e++) {
        for (int sticky = 0; sticky < 2; sticky++) {
            for (enum fault_effect effect = 0; effect < FAULT_N_EFFECTS; effect++) {
                for (enum fault_disk disk = 0; disk <= (kind == FAULT_sync ? FAULT_DISK_NULS : FAULT_DISK_KEEPS); disk++) {
                    if (!applies(kind, effect, fault_errnos[kind][e])) {
                        continue;
                    }
                    plan.kind = kind;
                    plan.sys = fault_errnos[kind][e];
                    plan.sticky = sticky;
                    plan.effect = effect;
                    plan.disk = disk;
                    points += sweep();
                }
            }
        }
    }
    printf("  %-13s %5ld calls failed in %5ld runs: %4ld errors, %4ld unknown outcomes\n", fault_names[kind], points, runs - before,
           errors - errors_before, unknowns - unknowns_before);
}

/* The name of an owner file whose process is dead: made by a child that died with it. */
static void find_dead_target(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct backend *b;
        struct run r = {.count = 1};
        struct append a = {.deliver = {&r, take_lines, take_rewind, NULL, 0}, .ctx = &r, .compose = compose};
        if (backend_open("j", &options, &b, NULL) == TL_OK) {
            b->ops->append(b, &a, NULL);
        }
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    DIR *d = opendir(".");
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (strstr(e->d_name, ".lock.own.")) {
            snprintf(dead_target, sizeof dead_target, "%s", e->d_name);
        }
    }
    closedir(d);
    require(dead_target[0], "no owner file");
}

int main(int argc, char **argv)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/trialog-fault-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir) || chdir(dir) != 0) {
        return 1;
    }
    plan.network = argc > 1 && strcmp(argv[1], "network") == 0;
    find_dead_target();
    printf("%s file system:\n", plan.network ? "network" : "local");
    for (enum fault_kind kind = 0; kind < FAULT_N_KINDS; kind++) {
        if (argc <= 2 || strcmp(argv[2], fault_names[kind]) == 0) {
            sweep_kind(kind);
        }
    }
    printf("%ld runs, %ld of them with a failure: %ld errors, %ld unknown outcomes, nothing lost, nothing doubled\n", runs, fired_runs,
           errors, unknowns);
    empty_folder();
    return chdir("/") != 0 || rmdir(dir) != 0;
}
