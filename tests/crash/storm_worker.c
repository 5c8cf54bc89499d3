/* SPDX-License-Identifier: MIT
 *
 * A writer for torture tests. Everything that a call acknowledged is written to a file of its own at once, so that what was
 * acknowledged is known however the process ends.
 *
 *   storm_worker write PATH ACKS WORKER [option=value]…   appends in a loop
 *   storm_worker probe PATH WORKER [option=value]…        one append for each line of standard input
 *   storm_worker race PATH PROCESSES APPENDS DURABILITY   processes that open a missing journal at once
 *
 * write: lines of ACKS are "T ID NUMBER" (trial made), "R ID STEP" (value reported), "A ID KEY" (attribute set; on databases, where it
 * waits, written when the next of the others is acknowledged). At the end one line on standard output: "done APPENDS LONGEST_US UNKNOWN
 * RETRIED", or "error CODE MESSAGE". Trials last 50 reports; each 64th operation is an attribute, sometimes a very long one.
 * probe: a line of input is "append", "limit N" (the file may grow by N bytes; -1: no limit), "pad N" or "check"; the answer is
 * "ok MICROSECONDS ID STEP" or "error CODE MESSAGE".
 * race: ends with 0 when all could append.
 */
#include <trialog/trialog.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef STORM_PUBLIC
#include "storm_hooks.h"
#endif

#define STUDY         "storm"
#define TRIAL_REPORTS 50
#define ATTR_EVERY    64
#define ATTR_MAX      400000 /* long enough that a kill can fall into the write */

struct settings {
    const char *path, *acks, *worker;
    struct tl_storage_options storage;
    long count, seconds, pause_us;
    bool barrier;
    const char *point, *counter;
    int signal;
    long nth, hold_us;
};

struct writer {
    struct settings set;
    tl_storage *storage;
    int64_t study, trial, number;
    int acks;
    char owed[96]; /* a line of ACKS */
    long done, longest_us, unknown, retried, steps;
    struct tl_err err;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int failed(const char *what, const struct tl_err *err)
{
    printf("error %s %s: %s\n", tl_code_name(err->code), what, err->message);
    fflush(stdout);
    return 1;
}

static void put_line(struct writer *w, const char *line)
{
    ssize_t n = (ssize_t)strlen(line);
    if (w->acks >= 0 && write(w->acks, line, (size_t)n) != n) {
        _exit(9);
    }
}

/* On a database attributes wait for what is written next: their acknowledgment comes with that one's. */
static void acknowledge(struct writer *w, const char *format, int64_t a, int64_t b)
{
    char line[96];
    snprintf(line, sizeof line, format, a, b);
    if (format[0] == 'A' && strstr(w->set.path, "://")) {
        memcpy(w->owed, line, sizeof line);
        return;
    }
    put_line(w, w->owed);
    w->owed[0] = 0;
    put_line(w, line);
}

/* ---- options ---- */

static bool set_option(struct settings *s, const char *name, const char *value)
{
    long number = strtol(value, NULL, 10);
    if (strcmp(name, "count") == 0) {
        s->count = number;
    } else if (strcmp(name, "seconds") == 0) {
        s->seconds = number;
    } else if (strcmp(name, "pause_us") == 0) {
        s->pause_us = number;
    } else if (strcmp(name, "barrier") == 0) {
        s->barrier = number != 0;
    } else if (strcmp(name, "grace_ms") == 0) {
        s->storage.grace_ms = number;
    } else if (strcmp(name, "timeout_ms") == 0) {
        s->storage.timeout_ms = number;
    } else if (strcmp(name, "snapshot") == 0) {
        s->storage.no_snapshot = number == 0;
    } else if (strcmp(name, "durability") == 0) {
        s->storage.durability = strcmp(value, "full") == 0      ? TL_DURABILITY_FULL
                                : strcmp(value, "relaxed") == 0 ? TL_DURABILITY_RELAXED
                                                                : TL_DURABILITY_OFF;
    } else if (strcmp(name, "at") == 0) {
        s->point = value;
    } else if (strcmp(name, "nth") == 0) {
        s->nth = number;
    } else if (strcmp(name, "signal") == 0) {
        s->signal = strcmp(value, "stop") == 0 ? SIGSTOP : SIGKILL;
    } else if (strcmp(name, "counter") == 0) {
        s->counter = value;
    } else if (strcmp(name, "hold_us") == 0) {
        s->hold_us = number;
    } else {
        return false;
    }
    return true;
}

static bool read_options(struct settings *s, char **argv)
{
    s->storage = (struct tl_storage_options)TL_STORAGE_OPTIONS_INIT;
    s->nth = 1;
    s->signal = SIGKILL;
    for (; *argv; argv++) {
        char *equals = strchr(*argv, '=');
        if (!equals) {
            return false;
        }
        *equals = 0;
        if (!set_option(s, *argv, equals + 1)) {
            return false;
        }
    }
    s->storage.worker_id = s->worker;
#ifdef STORM_PUBLIC
    return !s->point && !s->counter;
#else
    return (!s->counter || storm_count(s->counter, s->hold_us));
#endif
}

static void arm(const struct settings *s)
{
#ifndef STORM_PUBLIC
    if (s->point && !storm_arm(s->point, s->signal, s->nth)) {
        _exit(9);
    }
#else
    (void)s;
#endif
}

/* ---- one append ---- */

static int open_study(tl_storage *storage, int64_t *study, struct tl_err *err)
{
    const enum tl_direction minimise = TL_MINIMIZE;
    int rc = tl_storage_find_study(storage, STUDY, study, err);
    if (rc == TL_ENOTFOUND) {
        rc = tl_storage_create_study(storage, STUDY, &minimise, 1, study, err);
    }
    if (rc == TL_EEXISTS) {
        rc = tl_storage_find_study(storage, STUDY, study, err);
    }
    return rc;
}

static int new_trial(struct writer *w)
{
    struct tl_dist lr = TL_FLOAT_LOG(1e-5, 1.0);
    struct tl_param_spec param = {"lr", 1e-3, &lr};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    spec.params = &param;
    spec.n_params = 1;
    int rc = tl_storage_create_trial(w->storage, w->study, &spec, &w->trial, &w->number, &w->err);
    if (rc == TL_OK) {
        acknowledge(w, "T %" PRId64 " %" PRId64 "\n", w->trial, w->number);
    }
    return rc;
}

static int long_attr(struct writer *w)
{
    static char json[ATTR_MAX + 3];
    char key[32];
    size_t n = (size_t)(random() % (random() % 8 == 0 ? ATTR_MAX : 2000));
    json[0] = '"';
    memset(json + 1, 'a' + (int)(w->steps % 26), n);
    json[n + 1] = '"';
    json[n + 2] = 0;
    snprintf(key, sizeof key, "k%ld", w->steps);
    int rc = tl_storage_set_trial_attr(w->storage, w->trial, TL_ATTR_USER, key, json, &w->err);
    if (rc == TL_OK) {
        acknowledge(w, "A %" PRId64 " k%" PRId64 "\n", w->trial, w->steps);
    }
    return rc;
}

/* An attribute that makes the journal longer by about n bytes. */
static int pad(struct writer *w, long n)
{
    static char json[4096], key[32];
    snprintf(key, sizeof key, "pad%ld", w->steps);
    snprintf(json, sizeof json, "\"%0*d\"", (int)(n < 4000 ? n : 4000), 0);
    return tl_storage_set_trial_attr(w->storage, w->trial, TL_ATTR_USER, key, json, &w->err);
}

static int one_report(struct writer *w)
{
    int rc = tl_storage_report(w->storage, w->trial, w->steps, (double)w->steps, &w->err);
    if (rc == TL_OK) {
        acknowledge(w, "R %" PRId64 " %" PRId64 "\n", w->trial, w->steps);
    }
    return rc;
}

static int one_append(struct writer *w)
{
    w->steps++;
    if (w->trial < 0 || w->steps % TRIAL_REPORTS == 0) {
        return new_trial(w);
    }
    return w->steps % ATTR_EVERY == 0 ? long_attr(w) : one_report(w);
}

/* The outcome of an append is unknown: asks a new handle, and goes on with it. *landed: it need not be repeated. */
static int look_again(struct writer *w, bool *landed)
{
    struct tl_storage_options again = w->set.storage;
    char before[64];
    uint64_t n = (uint64_t)w->err.seq;
    tl_storage_worker_id(w->storage, before);
    w->unknown++;
    tl_storage_close(w->storage);
    w->storage = NULL;
    again.worker_id = NULL;
    int rc = tl_storage_open(w->set.path, &again, &w->storage, &w->err);
    return rc == TL_OK ? tl_storage_landed(w->storage, before, n, landed, &w->err) : rc;
}

static int timed_append(struct writer *w)
{
    int64_t start = now_us();
    int rc = one_append(w);
    if (rc == TL_EUNKNOWN && w->err.seq > 0) {
        bool landed = false;
        rc = look_again(w, &landed);
        if (rc == TL_OK && !landed) {
            w->owed[0] = 0; /* what waited need not have been written either */
            w->retried++;
            w->steps--;
            rc = one_append(w);
        }
    }
    int64_t took = now_us() - start;
    if (took > w->longest_us) {
        w->longest_us = (long)took;
    }
    return rc;
}

static int begin(struct writer *w)
{
    w->trial = w->number = -1;
    w->acks = -1;
    w->err = (struct tl_err)TL_ERR_INIT;
    srandom((unsigned)getpid());
    if (w->set.acks) {
        w->acks = open(w->set.acks, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (w->acks < 0) {
            return TL_EIO;
        }
    }
    int rc = tl_storage_open(w->set.path, &w->set.storage, &w->storage, &w->err);
    return rc == TL_OK ? open_study(w->storage, &w->study, &w->err) : rc;
}

/* ---- the programs ---- */

static int run_write(struct writer *w)
{
    char go;
    bool early = w->set.point && strcmp(w->set.point, "open") == 0;
    if (early) {
        arm(&w->set);
    }
    int rc = begin(w);
    if (rc != TL_OK) {
        return failed("open", &w->err);
    }
    printf("ready\n");
    fflush(stdout);
    if (w->set.barrier && read(0, &go, 1) != 1) {
        return 1;
    }
    if (!early) {
        arm(&w->set);
    }
    int64_t end = w->set.seconds > 0 ? now_us() + w->set.seconds * 1000000 : INT64_MAX;
    while (rc == TL_OK && now_us() < end && (w->set.count == 0 || w->done < w->set.count)) {
        rc = timed_append(w);
        w->done += rc == TL_OK;
        if (w->set.pause_us > 0) {
            usleep((useconds_t)(random() % w->set.pause_us));
        }
    }
    if (rc != TL_OK) {
        return failed("append", &w->err);
    }
    tl_storage_close(w->storage);
    printf("done %ld %ld %ld %ld\n", w->done, w->longest_us, w->unknown, w->retried);
    return 0;
}

static int limit_size(struct writer *w, long more)
{
    struct stat now;
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    if (more >= 0) {
        if (stat(w->set.path, &now) < 0) {
            return TL_EIO;
        }
        limit.rlim_cur = (rlim_t)(now.st_size + more);
    }
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? TL_OK : TL_EIO;
}

static int check_journal(struct writer *w)
{
    struct tl_check_result r = {.size = sizeof r};
    int rc = tl_journal_check(w->set.path, NULL, NULL, &r, &w->err);
    return rc == TL_OK && r.broken + r.odd + r.torn > 0 ? TL_ECORRUPT : rc;
}

/* One command of a probe: an append, or what stands before " N". */
static int obey(struct writer *w, const char *line)
{
    long number = strtol(line + strcspn(line, "-0123456789"), NULL, 10);
    switch (line[0]) {
    case 'l': return limit_size(w, number);
    case 'c': return check_journal(w);
    case 'p': return pad(w, number);
    default: w->steps++; return one_report(w);
    }
}

static int run_probe(struct writer *w)
{
    char line[64];
    int rc = begin(w);
    if (rc == TL_OK) {
        rc = new_trial(w);
    }
    if (rc != TL_OK) {
        return failed("open", &w->err);
    }
    signal(SIGXFSZ, SIG_IGN);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        int64_t start = now_us();
        rc = obey(w, line);
        if (rc != TL_OK) {
            failed("probe", &w->err);
            continue;
        }
        printf("ok %" PRId64 " %" PRId64 " %ld\n", now_us() - start, w->trial, w->steps);
        fflush(stdout);
    }
    tl_storage_close(w->storage);
    return 0;
}

static int race_child(struct writer *w, int gate, long appends)
{
    char go;
    if (read(gate, &go, 1) != 0) { /* the parent closes its end */
        return 1;
    }
    int rc = begin(w);
    for (long i = 0; rc == TL_OK && i < appends; i++) {
        rc = new_trial(w);
    }
    if (rc != TL_OK) {
        return failed("race", &w->err);
    }
    tl_storage_close(w->storage);
    return 0;
}

static int run_race(struct writer *w, long processes, long appends)
{
    int gate[2], bad = 0;
    if (pipe(gate) < 0) {
        return 1;
    }
    for (long i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            close(gate[1]);
            exit(race_child(w, gate[0], appends));
        }
        bad += pid < 0;
    }
    close(gate[0]);
    close(gate[1]);
    for (int status; wait(&status) > 0;) {
        bad += status != 0;
    }
    return bad != 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: storm_worker write|probe|race …, see storm_worker.c\n");
    return 2;
}

int main(int argc, char **argv)
{
    static struct writer w;
    if (argc < 4) {
        return usage();
    }
    w.set.path = argv[2];
    if (strcmp(argv[1], "write") == 0 && argc >= 5) {
        w.set.acks = argv[3];
        w.set.worker = argv[4];
        return read_options(&w.set, argv + 5) ? run_write(&w) : usage();
    }
    if (strcmp(argv[1], "probe") == 0) {
        w.set.worker = argv[3];
        return read_options(&w.set, argv + 4) ? run_probe(&w) : usage();
    }
    if (strcmp(argv[1], "race") == 0 && argc >= 6) {
        char *none[] = {NULL};
        return read_options(&w.set, none) && set_option(&w.set, "durability", argv[5])
                   ? run_race(&w, strtol(argv[3], NULL, 10), strtol(argv[4], NULL, 10))
                   : usage();
    }
    return usage();
}
