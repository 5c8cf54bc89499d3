/* SPDX-License-Identifier: MIT
 *
 * The scenario of engine_scenario.h and its driver.
 */
#include "engine_scenario.h"

#include <trialog/trialog.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKER        "scenario"
#define STUDY         "study"
#define STEP_LIMIT_MS 2000 /* real time */
#define LOCK_LIMIT_MS \
    10000 /* time that fault_os plays: a lock whose release failed is broken after 2 s on a network */

struct life {
    const char *path;
    tl_storage *storage;
    tl_sampler *sampler;
    tl_study *study;
    tl_trial *trial; /* NULL after its handle was given up: then trials are named by number */
    int64_t number, trial_id;
    int64_t other_study, by_id;
    bool again; /* this step was tried before */
    int requeued;
};

typedef int step_fn(struct life *l, struct tl_err *err);

/* ---- opening and giving up ---- */

static void give_up_handles(struct life *l)
{
    tl_trial_free(l->trial);
    tl_study_free(l->study);
    tl_storage_close(l->storage);
    l->trial = NULL;
    l->study = NULL;
    l->storage = NULL;
}

static int open_storage(struct life *l, bool no_snapshot, struct tl_err *err)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    o.worker_id = WORKER;
    o.timeout_ms = LOCK_LIMIT_MS;
    o.no_snapshot = no_snapshot;
    o.durability = strstr(l->path, "://") ? TL_DURABILITY_OFF : TL_DURABILITY_FULL; /* a client library does its own flushes */
    return tl_storage_open(l->path, &o, &l->storage, err);
}

static int load_study(struct life *l, struct tl_err *err)
{
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    int rc = l->sampler ? TL_OK : tl_sampler_random(7, &l->sampler, err);
    o.sampler = l->sampler;
    o.load_if_exists = true;
    return rc == TL_OK ? tl_study_create(l->storage, STUDY, &o, &l->study, err) : rc;
}

static int reopen(struct life *l, bool no_snapshot, struct tl_err *err)
{
    give_up_handles(l);
    int rc = open_storage(l, no_snapshot, err);
    return rc == TL_OK ? load_study(l, err) : rc;
}

static int do_open(struct life *l, struct tl_err *err)
{
    return open_storage(l, false, err);
}

static int do_create_study(struct life *l, struct tl_err *err)
{
    return load_study(l, err);
}

/* ---- trials by handle ---- */

static const struct tl_value colours[] = {{.kind = TL_VALUE_STRING, .as.text = {"red", 3}},
                                          {.kind = TL_VALUE_INT, .as.i = 5},
                                          {.kind = TL_VALUE_NULL}};
static const struct tl_dist x_dist = TL_FLOAT_LOG(1e-3, 10.0), n_dist = TL_INT_RANGE(1, 9);
static const struct tl_dist c_dist = {TL_DIST_CATEGORICAL, false, 0, 0, 0, colours, 3};

static int do_study_attr(struct life *l, struct tl_err *err)
{
    return tl_study_set_attr(l->study, TL_ATTR_USER, "owner", "{\"name\":[1,2.5,\"\\u00e9\"]}", err);
}

/* Number of the lowest trial in this state, -1: there is none. */
static int64_t lowest(struct life *l, enum tl_state state)
{
    tl_view *view = NULL;
    int64_t found = -1;
    if (tl_study_view(l->study, &view, NULL) == TL_OK) {
        for (int64_t k = 0; found < 0 && k < (int64_t)tl_view_n_trials(view); k++) {
            found = tl_view_trial_state(view, k) == (int)state ? k : -1;
        }
    }
    tl_view_close(view);
    return found;
}

/* The study that all trials belong to is the first one, so a trial's id is its number, on top of the study's where a storage keeps studies
 * apart. */
static int64_t id_of(const struct life *l, int64_t number)
{
    return number < 0 ? number : tl_study_id(l->study) + number;
}

/* When memory ends after the trial was made, it is recorded as FAIL and the call fails: so numbers are not known in advance. Nothing else
 * runs at that time, so a running trial is that of an earlier try. (There is one study: ids are numbers.) */
static int ask(struct life *l, const struct tl_param_spec *space, size_t n_space, struct tl_err *err)
{
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    o.space = space;
    o.n_space = n_space;
    o.budget = 100;
    l->number = l->again ? lowest(l, TL_RUNNING) : -1;
    l->trial_id = id_of(l, l->number);
    if (l->number >= 0) {
        return TL_OK;
    }
    int rc = tl_study_ask(l->study, &o, &l->trial, err);
    if (rc == TL_OK) {
        l->number = tl_trial_number(l->trial);
        l->trial_id = tl_trial_id(l->trial);
    }
    return rc;
}

static int do_ask_with_space(struct life *l, struct tl_err *err)
{
    const struct tl_param_spec space[] = {{"x", 0, &x_dist}, {"n", 0, &n_dist}, {"c", 0, &c_dist}};
    return ask(l, space, 3, err);
}

static int report(struct life *l, int64_t step, double value, struct tl_err *err)
{
    l->number = l->number >= 0 ? l->number : lowest(l, TL_RUNNING);
    l->trial_id = id_of(l, l->number);
    return l->trial ? tl_trial_report(l->trial, step, value, err)
                    : tl_storage_report(l->storage, l->trial_id, step, value, err);
}

static int do_report_1(struct life *l, struct tl_err *err)
{
    return report(l, 1, 0.5, err);
}

static int do_report_2(struct life *l, struct tl_err *err)
{
    return report(l, 2, 0.25, err);
}

static int do_trial_attr(struct life *l, struct tl_err *err)
{
    return l->trial
               ? tl_trial_set_attr(l->trial, TL_ATTR_SYSTEM, "note", "\"hello\"", err)
               : tl_storage_set_trial_attr(l->storage, l->trial_id, TL_ATTR_SYSTEM, "note", "\"hello\"", err);
}

static int tell(struct life *l, enum tl_state state, const double *values, size_t n, struct tl_err *err)
{
    if (!l->trial) {
        return tl_study_tell_number(l->study, l->number, state, values, n, false, NULL, err);
    }
    int rc = tl_study_tell(l->study, l->trial, state, values, n, NULL, err);
    if (rc == TL_OK) {
        l->trial = NULL;
    }
    return rc;
}

static int do_tell(struct life *l, struct tl_err *err)
{
    const double value = 1.5;
    return tell(l, TL_COMPLETE, &value, 1, err);
}

static int do_enqueue(struct life *l, struct tl_err *err)
{
    const struct tl_fixed_param fixed = {"x", {.kind = TL_VALUE_FLOAT, .as.f = 0.5}};
    const struct tl_attr_spec attr = {TL_ATTR_USER, "why", "\"a guess\""};
    return tl_study_enqueue(l->study, &fixed, 1, &attr, 1, false, NULL, err);
}

static int do_ask_queue(struct life *l, struct tl_err *err)
{
    if (l->again && lowest(l, TL_WAITING) < 0 && lowest(l, TL_RUNNING) < 0) {
        int rc = do_enqueue(l, err); /* it was taken, and given up for want of memory */
        l->requeued += rc == TL_OK;
        if (rc != TL_OK) {
            return rc;
        }
    }
    return ask(l, NULL, 0, err);
}

/* The handle was given up: the same by id. */
static int suggest_by_id(struct life *l, struct tl_err *err)
{
    static const struct tl_dist y_dist = {TL_DIST_FLOAT, false, -1, 1, 0.25, NULL, 0};
    l->number = l->number >= 0 ? l->number : lowest(l, TL_RUNNING);
    l->trial_id = id_of(l, l->number);
    int rc = tl_storage_set_param(l->storage, l->trial_id, "x", 0.5, &x_dist, err);
    if (rc == TL_OK) {
        rc = tl_storage_set_param(l->storage, l->trial_id, "y", 0.25, &y_dist, err);
    }
    return rc == TL_OK ? tl_storage_set_param(l->storage, l->trial_id, "c", 1, &c_dist, err) : rc;
}

/* Suggestions wait for the next report: one commit with several operations. */
static int do_suggest(struct life *l, struct tl_err *err)
{
    double x, y;
    size_t c;
    if (!l->trial) {
        return suggest_by_id(l, err);
    }
    int rc = tl_trial_suggest_float(l->trial, "x", 1e-3, 10.0, 0, true, &x, err);
    if (rc == TL_OK) {
        rc = tl_trial_suggest_float(l->trial, "y", -1, 1, 0.25, false, &y, err);
    }
    return rc == TL_OK ? tl_trial_suggest_choice(l->trial, "c", colours, 3, &c, err) : rc;
}

static int do_report_suggested(struct life *l, struct tl_err *err)
{
    int rc = l->trial ? TL_OK : suggest_by_id(l, err); /* they were lost with the handle */
    return rc == TL_OK ? report(l, 1, 0.5, err) : rc;
}

static int do_prune(struct life *l, struct tl_err *err)
{
    bool prune;
    return l->trial ? tl_trial_should_prune(l->trial, &prune, err) : TL_OK;
}

static int do_tell_pruned(struct life *l, struct tl_err *err)
{
    return tell(l, TL_PRUNED, NULL, 0, err);
}

static int do_add_trial(struct life *l, struct tl_err *err)
{
    const double value = -2;
    const struct tl_param_spec params[] = {{"x", 2.5, &x_dist}, {"c", 1, &c_dist}};
    const struct tl_attr_spec attr = {TL_ATTR_USER, "from", "[1,2]"};
    const struct tl_report_spec reports[] = {{0, 3.0}, {5, 2.0}};
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    spec.state = TL_COMPLETE;
    spec.values = &value;
    spec.n_values = 1;
    spec.params = params;
    spec.n_params = 2;
    spec.attrs = &attr;
    spec.n_attrs = 1;
    spec.reports = reports;
    spec.n_reports = 2;
    return tl_study_add_trial(l->study, &spec, NULL, err);
}

/* ---- trials and studies by id ---- */

static int do_create_by_id(struct life *l, struct tl_err *err)
{
    int64_t number;
    l->by_id = l->again ? id_of(l, lowest(l, TL_RUNNING)) : -1;
    return l->by_id >= 0
               ? TL_OK
               : tl_storage_create_trial(l->storage, tl_study_id(l->study), NULL, &l->by_id, &number, err);
}

static int do_param_by_id(struct life *l, struct tl_err *err)
{
    l->by_id = l->by_id >= 0 ? l->by_id : id_of(l, lowest(l, TL_RUNNING));
    return tl_storage_set_param(l->storage, l->by_id, "z", 4, &n_dist, err);
}

static int do_attr_by_id(struct life *l, struct tl_err *err)
{
    return tl_storage_set_trial_attr(l->storage, l->by_id, TL_ATTR_USER, "k", "null", err);
}

static int do_state_by_id(struct life *l, struct tl_err *err)
{
    const double value = 0.125;
    return tl_storage_set_state(l->storage, l->by_id, TL_COMPLETE, &value, 1, NULL, err);
}

static int do_other_study(struct life *l, struct tl_err *err)
{
    const enum tl_direction both[] = {TL_MINIMIZE, TL_MAXIMIZE};
    int rc = tl_storage_create_study(l->storage, "other", both, 2, &l->other_study, err);
    return rc == TL_EEXISTS ? tl_storage_find_study(l->storage, "other", &l->other_study, err) : rc;
}

static int do_delete_other(struct life *l, struct tl_err *err)
{
    int64_t id;
    int rc = tl_storage_find_study(l->storage, "other", &id, err);
    return rc == TL_OK ? tl_storage_delete_study(l->storage, id, err) : rc;
}

/* ---- reading, snapshots, replay ---- */

static int read_all(struct life *l, char *text, size_t room, struct tl_err *err)
{
    tl_view *view = NULL;
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    size_t at = 0, n_space, n_attrs;
    int rc = tl_study_view(l->study, &view, err);
    if (rc != TL_OK) {
        return rc;
    }
#define SAY(...) (at += (size_t)snprintf(text + at, room - at, __VA_ARGS__), at = at < room ? at : room - 1)
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n_attrs);
    (void)tl_view_search_space(view, false, &n_space);
    SAY("space %zu attrs", n_space);
    for (size_t i = 0; i < n_attrs; i++) {
        SAY(" %.*s=%.*s", (int)attrs[i].key.len, attrs[i].key.s, (int)attrs[i].json.len, attrs[i].json.s);
    }
    for (int64_t k = 0; rc == TL_OK && k < (int64_t)tl_view_n_trials(view); k++) {
        rc = tl_view_trial(view, k, &t, err);
        if (rc != TL_OK || (t.state == TL_FAIL && t.n_reports == 0)) {
            continue; /* given up by an ask that had no memory */
        }
        SAY("\n%s%s times %d%d", k == tl_view_best(view) ? "best " : "", tl_state_name(t.state), t.start.set,
            t.complete.set);
        for (size_t i = 0; i < t.n_values; i++) {
            SAY(" value %.17g", t.values[i]);
        }
        for (size_t i = 0; i < t.n_params; i++) {
            SAY(" param %.*s", (int)t.params[i].name.len,
                t.params[i].name.s); /* asked ones depend on the trial's number */
            if (t.params[i].name.s[0] == 'z' || t.params[i].internal == 0.5 || t.params[i].internal == 2.5) {
                SAY("=%g", t.params[i].internal);
            }
        }
        for (size_t i = 0; i < t.n_attrs; i++) {
            SAY(" attr %.*s=%.*s", (int)t.attrs[i].key.len, t.attrs[i].key.s, (int)t.attrs[i].json.len,
                t.attrs[i].json.s);
        }
        for (size_t i = 0; i < t.n_reports; i++) {
            SAY(" report %" PRId64 "=%.17g", t.reports[i].step, t.reports[i].value);
        }
    }
#undef SAY
    tl_frozen_release(&t);
    tl_view_close(view);
    return rc;
}

static int do_read_all(struct life *l, struct tl_err *err)
{
    static char text[65536];
    return read_all(l, text, sizeof text, err);
}

static int do_snapshot(struct life *l, struct tl_err *err)
{
    return tl_storage_snapshot(l->storage, err);
}

static int do_reopen_with_snapshot(struct life *l, struct tl_err *err)
{
    return reopen(l, false, err);
}

static int do_reopen_and_replay(struct life *l, struct tl_err *err)
{
    return reopen(l, true, err);
}

static int do_sync(struct life *l, struct tl_err *err)
{
    return tl_storage_sync(l->storage, err);
}

static int do_last_report(struct life *l, struct tl_err *err)
{
    return report(l, 9, 9.0, err);
}

static int do_ask_last(struct life *l, struct tl_err *err)
{
    return ask(l, NULL, 0, err);
}

static int do_tell_fail(struct life *l, struct tl_err *err)
{
    return tell(l, TL_FAIL, NULL, 0, err);
}

static const struct step {
    const char *name;
    step_fn *run;
    bool writes_once; /* one append and nothing else: after a definite error no line of it is in the journal */
} steps[] = {
    {"open", do_open, false},
    {"create study", do_create_study, false},
    {"study attribute", do_study_attr, true},
    {"ask with a space", do_ask_with_space, false},
    {"report", do_report_1, true},
    {"second report", do_report_2, true},
    {"trial attribute", do_trial_attr, true},
    {"tell", do_tell, true},
    {"enqueue", do_enqueue, true},
    {"ask from the queue", do_ask_queue, false},
    {"suggest", do_suggest, false},
    {"report with suggestions", do_report_suggested, false},
    {"should prune", do_prune, false},
    {"tell pruned", do_tell_pruned, true},
    {"add trial", do_add_trial, true},
    {"create trial by id", do_create_by_id, true},
    {"parameter by id", do_param_by_id, true},
    {"attribute by id", do_attr_by_id, true},
    {"state by id", do_state_by_id, true},
    {"read all", do_read_all, false},
    {"snapshot", do_snapshot, false},
    {"open with snapshot", do_reopen_with_snapshot, false},
    {"create another study", do_other_study, false},
    {"delete it", do_delete_other, true},
    {"open and replay", do_reopen_and_replay, false},
    {"sync", do_sync, false},
    {"read all again", do_read_all, false},
    {"last ask", do_ask_last, false},
    {"last report", do_last_report, true},
    {"tell fail", do_tell_fail, true},
};

/* ---- the driver ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void problem(struct scenario_result *out, const char *step, int code, const struct tl_err *err)
{
    if (!out->problem[0]) {
        snprintf(out->problem, sizeof out->problem, "%s: %s: %s", step, tl_code_name(code), err->message);
    }
}

/* After TL_EUNKNOWN: opens everything anew and asks. */
static bool look_whether_landed(struct life *l, int64_t seq, struct scenario_result *out)
{
    struct tl_err err = TL_ERR_INIT;
    bool landed = false;
    int rc = reopen(l, false, &err);
    if (rc == TL_OK) {
        rc = tl_storage_landed(l->storage, WORKER, (uint64_t)seq, &landed, &err);
    }
    if (rc != TL_OK) {
        problem(out, "looking again", rc, &err);
    }
    out->landed += landed;
    return landed;
}

static void count(struct scenario_result *out, int code)
{
    out->failures++;
    out->last_code = code;
    out->no_memory += code == TL_ENOMEM;
    out->unknown += code == TL_EUNKNOWN;
    out->poisoned += code == TL_EPOISONED;
    out->other += code != TL_ENOMEM && code != TL_EUNKNOWN && code != TL_EPOISONED;
}

static bool step_asks(const struct step *s)
{
    return s->run == do_ask_with_space || s->run == do_ask_queue || s->run == do_ask_last;
}

/* The step has failed: does what the manual says. Returns true when it must be repeated. */
static bool recover(struct life *l, const struct step *s, int code, const struct tl_err *err,
                    struct scenario_result *out)
{
    struct tl_err again = TL_ERR_INIT;
    if (code == TL_EUNKNOWN) {
        if (err->seq <= 0) {
            problem(out, s->name, code, err);
            return false;
        }
        /* an ask whose answer got lost fails its trial, if it can */
        return !look_whether_landed(l, err->seq, out) || (step_asks(s) && l->study && lowest(l, TL_RUNNING) < 0);
    }
    if (code == TL_EPOISONED) {
        int rc = reopen(l, false, &again);
        if (rc != TL_OK) {
            problem(out, "opening again", rc, &again);
        }
    }
    return true;
}

/* Whole lines, without those that only complete a torn one. */
static long journal_lines(const char *path)
{
    char *line = NULL;
    size_t room = 0;
    long n = 0;
    FILE *f = fopen(path, "r");
    for (ssize_t got; f && (got = getline(&line, &room, f)) > 0;) {
        n += line[got - 1] == '\n' && !strstr(line, "torn-tail-repair");
    }
    free(line);
    if (f) {
        fclose(f);
    }
    return n;
}

/* What is missing before a step that needs it, after handles were given up. */
static bool step_needs_study(const struct step *s)
{
    return s->run != do_open && s->run != do_create_study && s->run != do_reopen_with_snapshot &&
           s->run != do_reopen_and_replay;
}

static void run_step(struct life *l, const struct step *s, void (*calm)(void), bool (*may_fail)(int code),
                     struct scenario_result *out)
{
    for (int tries = 0; !out->problem[0]; tries++) {
        struct tl_err err = TL_ERR_INIT;
        int64_t start = now_ms();
        long lines = journal_lines(l->path);
        l->again = tries > 0;
        int rc = step_needs_study(s) && !l->study ? load_study(l, &err) : TL_OK;
        if (rc == TL_OK) {
            rc = s->run(l, &err);
        }
        if (now_ms() - start > STEP_LIMIT_MS / 2) {
            snprintf(out->problem, sizeof out->problem, "%s took %d ms", s->name, (int)(now_ms() - start));
        }
        if (rc == TL_OK) {
            return;
        }
        count(out, rc);
        if (s->writes_once && rc != TL_EUNKNOWN && journal_lines(l->path) != lines) {
            out->dishonest++;
            out->dishonest_step = s->name;
        }
        calm();
        if (tries == 3 || err.code != rc || !may_fail(rc)) {
            problem(out, s->name, rc, &err);
        } else if (!recover(l, s, rc, &err, out)) {
            return;
        }
    }
}

/* Nothing torn, broken or odd, and the same for a handle that knows nothing. */
static void check_end(struct life *l, struct scenario_result *out)
{
    struct tl_check_result check = {.size = sizeof check};
    struct tl_err err = TL_ERR_INIT;
    int rc = reopen(l, true, &err);
    if (rc == TL_OK) {
        rc = read_all(l, out->end, sizeof out->end, &err);
    }
    give_up_handles(l);
    if (rc == TL_OK) {
        rc = tl_journal_check(l->path, NULL, NULL, &check, &err);
    }
    if (rc != TL_OK) {
        problem(out, "the end", rc, &err);
    } else if ((check.broken || check.odd || check.torn) && !out->problem[0]) {
        snprintf(out->problem, sizeof out->problem,
                 "%" PRIu64 " broken, %" PRIu64 " odd, %" PRIu64 " torn lines", check.broken, check.odd,
                 check.torn);
    }
}

void scenario_run(const char *path, void (*calm)(void), bool (*may_fail)(int code), struct scenario_result *out)
{
    struct life l = {.path = path};
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !out->problem[0]; i++) {
        run_step(&l, &steps[i], calm, may_fail, out);
    }
    give_up_handles(&l);
    calm();
    out->requeued = l.requeued;
    if (!out->problem[0]) {
        check_end(&l, out);
    }
    give_up_handles(&l);
    tl_sampler_free(l.sampler);
}

int scenario_clean(const char *path)
{
    char folder[512], name[1024];
    int locks = 0;
    snprintf(folder, sizeof folder, "%s", strncmp(path, "sqlite:///", 10) == 0 ? path + 10 : path);
    *strrchr(folder, '/') = '\0';
    DIR *d = opendir(folder);
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            locks += strstr(e->d_name, ".lock") != NULL;
            snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
            unlink(name);
        }
    }
    if (d) {
        closedir(d);
    }
    return locks;
}
