/* SPDX-License-Identifier: MIT
 *
 * The n-th system call of the life of a lease fails: taking it, looking at it, noting that it is late, failing its trial, sweeping
 * it away, giving it up. For every kind of call, every n to completion, once and for ever until the faults end, with and without effect.
 *
 * Whatever fails: no crash; the trial ends exactly once; it is queued again exactly once if it was lost, else never; what could not be
 * done is an error of a call or a line in the log; and after the faults everything goes on.
 * Usage: lease_faults [one kind]
 */
#include "fault_os.h"

#include <trialog/trialog.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64] = "/tmp/trialog-leases-XXXXXX", path[96];
static const struct fault_plan *plan;
static long errors, logged, runs, lost, told;

static void stop(const char *what, const struct tl_err *err)
{
    printf("FAILED: call %ld of %s fails with errno %d, %s, effect %d: %s: %s\n", plan->at, fault_names[plan->kind], plan->sys,
           plan->sticky ? "until the end" : "once", (int)plan->effect, what, err ? err->message : "");
    exit(1);
}

static void on_event(void *ctx, int level, const char *event, const char *message)
{
    (void)ctx;
    (void)message;
    logged += level > 0 && strcmp(event, "LOST") != 0;
}

static const struct tl_log_sink sink = {on_event, NULL, 1};

/* A call that may fail while faults are on is repeated without them. TL_EUNKNOWN is repeated too: what is asked twice is failed below. */
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        struct tl_err err_ = TL_ERR_INIT, *err = &err_;                                                      \
        if ((call) != TL_OK) {                                                                               \
            errors++;                                                                                        \
            fault_disarm();                                                                                  \
            if ((call) != TL_OK)                                                                             \
                stop(#call, err);                                                                            \
        }                                                                                                    \
    } while (0)

static int open_worker(const char *name, tl_storage **s, tl_study **study, struct tl_err *err)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_study_options so = TL_STUDY_OPTIONS_INIT;
    o.worker_id = name;
    o.retry_lost = 1;
    o.no_snapshot = true;
    o.durability = TL_DURABILITY_OFF; /* flushes are not what this is about */
    o.log = &sink;
    so.load_if_exists = true;
    int rc = tl_storage_open(path, &o, s, err);
    if (rc == TL_OK) {
        rc = tl_study_create(*s, "s", &so, study, err);
        if (rc != TL_OK) {
            tl_storage_close(*s);
        }
    }
    return rc;
}

static void close_worker(tl_storage *s, tl_study *study)
{
    tl_study_free(study);
    tl_storage_close(s);
}

static void older(const char *suffix, int64_t seconds)
{
    char name[160];
    struct stat s;
    snprintf(name, sizeof name, "%s.lease.a%s", path, suffix);
    if (stat(name, &s) == 0) {
        struct timespec times[2] = {s.st_atim, s.st_mtim};
        times[1].tv_sec -= seconds;
        utimensat(AT_FDCWD, name, times, 0);
    }
}

static void look(tl_storage *s)
{
    struct tl_err err = TL_ERR_INIT;
    os->sleep_ns(INT64_C(16000000000)); /* played: a look is due */
    errors += tl_storage_wait(s, 0, &err) != TL_OK;
}

static bool is_lost(const struct tl_frozen_trial *t)
{
    for (size_t i = 0; i < t->n_attrs; i++) {
        if (t->attrs[i].key.len == strlen(TL_LOST_ATTR) && memcmp(t->attrs[i].key.s, TL_LOST_ATTR, strlen(TL_LOST_ATTR)) == 0) {
            return true;
        }
    }
    return false;
}

/* Every trial has ended or waits; a lost one has exactly one successor; what was told is there. */
static void check(bool was_told)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    tl_storage *s;
    tl_study *study;
    tl_view *view;
    size_t n_lost = 0, n_complete = 0, n_waiting = 0;
    TRY(open_worker("c", &s, &study, err));
    TRY(tl_study_view(study, &view, err));
    for (size_t i = 0; i < tl_view_n_trials(view); i++) {
        TRY(tl_view_trial(view, (int64_t)i, &t, err));
        n_lost += t.state == TL_FAIL && is_lost(&t);
        n_complete += t.state == TL_COMPLETE;
        n_waiting += t.state == TL_WAITING;
        if (is_lost(&t) && t.state != TL_FAIL) {
            stop("marked as lost and not FAIL", NULL);
        }
    }
    if (n_waiting != n_lost) {
        stop("not queued again exactly once", NULL);
    }
    if (was_told != (n_complete == 1)) {
        stop("what was told is not what stands there", NULL);
    }
    if (tl_view_count(view, TL_RUNNING) > (errors ? 1 : 0)) { /* an ask that ended in TL_EUNKNOWN may have begun one */
        stop("a trial runs", NULL);
    }
    lost += n_lost > 0;
    told += was_told;
    tl_frozen_release(&t);
    tl_view_close(view);
    close_worker(s, study);
}

static bool run(void)
{
    tl_storage *a, *b;
    tl_study *sa, *sb;
    tl_trial *t = NULL;
    double value = 1;
    struct tl_err why = TL_ERR_INIT;
    fault_begin(&(struct fault_plan){0}, path);
    errors = logged = 0;
    TRY(open_worker("b", &b, &sb, err));
    fault_begin(plan, path);
    TRY(open_worker("a", &a, &sa, err));
    TRY(tl_study_ask(sa, NULL, &t, err));
    older("", 40);
    look(b);
    older("", 0);
    older("", 61); /* another time: it was late, came back, and is late again */
    look(b);
    older("+late", 30);
    look(b);
    look(b);
    int rc = tl_study_tell(sa, t, TL_COMPLETE, &value, 1, NULL, &why);
    if (rc != TL_OK && rc != TL_EFINISHED) {
        errors++;
        fault_disarm();
        rc = tl_study_tell(sa, t, TL_COMPLETE, &value, 1, NULL, &why);
    }
    bool unknown = rc == TL_EFINISHED && strstr(why.message, "lost") == NULL; /* the first one had landed */
    if (rc != TL_OK && rc != TL_EFINISHED) {
        stop("tell", &why);
    }
    if (rc != TL_OK) {
        tl_trial_free(t);
    }
    close_worker(a, sa);
    close_worker(b, sb);
    bool fired = fault_fired();
    fault_end();
    check(rc == TL_OK || unknown);
    bool ours = plan->kind == FAULT_touch;
    if (fired && ours && errors == 0 && logged == 0) {
        stop("neither an error nor a line in the log", NULL);
    }
    runs++;
    return fired;
}

static int remove_name(const char *name, void *ctx)
{
    char full[400];
    (void)ctx;
    snprintf(full, sizeof full, "%s/%s", folder, name);
    unlink(full);
    return 0;
}

int main(int argc, char **argv)
{
    static const enum fault_effect effects[] = {FAULT_NOTHING, FAULT_ALL};
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/j", folder);
    for (int kind = 0; kind < FAULT_N_KINDS; kind++) {
        if (argc > 1 && strcmp(argv[1], fault_names[kind]) != 0) {
            continue;
        }
        for (int how = 0; how < 4; how++) {
            struct fault_plan p = {.kind = (enum fault_kind)kind, .sys = fault_errnos[kind][0], .sticky = how & 1,
                                   .effect = effects[how >> 1]};
            bool fired = true;
            plan = &p;
            for (p.at = 1; fired; p.at++) {
                fired = run();
                os_system.dir_list(folder, remove_name, NULL);
            }
        }
    }
    rmdir(folder);
    printf("%ld runs: the trial was lost and queued again in %ld, told in time in %ld\n", runs, lost, told);
    return lost > 0 ? 0 : 1;
}
