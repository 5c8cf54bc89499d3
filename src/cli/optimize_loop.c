/* SPDX-License-Identifier: MIT
 *
 * The event loop of `trialog optimize`: keeps up to --jobs programs running until the study's budget, this process's share, the
 * time or the sampler is used up, or somebody says stop.
 *
 * Happy path: fill free slots, wait in one ppoll for output, an ended program or the next deadline, handle what happened, again.
 * Stop: the first SIGINT, SIGTERM or SIGHUP ends the programs (SIGTERM, after the grace period SIGKILL) and records their trials as
 * FAIL; the second one kills them at once, and trials that cannot be recorded at once stay RUNNING.
 * Invariants: signals that stop us are held back between looking at their counter and ppoll, which lets them in; SIGCHLD is let
 * in by ppoll only, so that none is missed. Should another thread of the library be handed a signal, the loop sees it within
 * LOOK_EVERY.
 */
#include "cli/optimize.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "base/json.h"
#include "base/num.h"

#define NS_PER_MS      INT64_C(1000000)
#define REDRAW_EVERY   (INT64_C(1000) * NS_PER_MS)
#define DRAIN_AT_MOST  (INT64_C(1000) * NS_PER_MS)
#define WAIT_SLICE_MS  500 /* how long one look for what others do takes at most */
#define LOOK_EVERY     (INT64_C(1000) * NS_PER_MS)

int64_t optimize_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void optimize_say(struct optimizer *o, enum cli_level level, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    err_text(text, sizeof text, fmt, args);
    va_end(args);
    progress_clear(&o->progress);
    cli_say(o->c, level, "%s", text);
}

void optimize_storage_error(struct optimizer *o, const struct tl_err *err)
{
    o->closing = true;
    if (err->code == TL_ECANCELLED && cli_stops > 0) {
        return; /* what was asked for */
    }
    progress_clear(&o->progress);
    int status = cli_fail(o->c, err);
    if (o->status == 0) {
        o->status = status;
    }
}

/* ---- showing ---- */

int optimize_facts(struct optimizer *o, struct progress_facts *facts, struct tl_err *err)
{
    tl_view *view;
    int rc = tl_study_view(o->study, &view, err);
    if (rc) {
        return rc;
    }
    *facts = (struct progress_facts){.total = o->budget, .running = o->n_running, .best_number = -1};
    facts->finished = tl_view_count(view, TL_COMPLETE) + tl_view_count(view, TL_PRUNED);
    if (!o->refund_failed) {
        facts->finished += tl_view_count(view, TL_FAIL);
    }
    if (o->rules.n_values > 1) {
        tl_view_front(view, &facts->n_front);
    } else {
        struct tl_frozen_trial best = TL_FROZEN_TRIAL_INIT;
        facts->best_number = tl_view_best(view);
        if (facts->best_number >= 0) {
            rc = tl_view_trial(view, facts->best_number, &best, err);
        }
        if (facts->best_number >= 0 && rc == 0 && best.n_values > 0) {
            facts->best = best.values[0];
        }
        tl_frozen_release(&best);
    }
    tl_view_close(view);
    return rc;
}

static void add_values(const struct optimizer *o, const struct outcome *outcome, const char *between, struct buf *out)
{
    for (size_t i = 0; i < o->rules.n_values; i++) {
        if (i > 0) {
            buf_add_text(out, between);
        }
        json_put_double(out, outcome->values[i]);
    }
}

static void add_json_value(const struct tl_dist *dist, double internal, struct buf *out)
{
    struct tl_value v;
    if (tl_dist_external(dist, internal, &v, NULL) != 0) {
        v.kind = TL_VALUE_NULL;
    }
    switch (v.kind) {
    case TL_VALUE_NULL: buf_add_text(out, "null"); break;
    case TL_VALUE_BOOL: buf_add_text(out, v.as.b ? "true" : "false"); break;
    case TL_VALUE_INT: json_put_int(out, v.as.i); break;
    case TL_VALUE_FLOAT: json_put_double(out, v.as.f); break;
    case TL_VALUE_STRING: json_put_string(out, (struct str){v.as.text.s, v.as.text.len}); break;
    case TL_VALUE_JSON: buf_add(out, v.as.text.s, v.as.text.len); break;
    }
}

/* One JSON object on a line of its own, on standard output. */
static int show_json(struct optimizer *o, const struct slot *s, const struct outcome *outcome)
{
    struct buf b = BUF_INIT(64u << 20);
    bool first = true;
    buf_printf(&b, "{\"number\": %lld, \"state\": \"%s\", \"values\": ", (long long)s->number,
               tl_state_name((int)outcome->state));
    if (outcome->has_values) {
        buf_add_char(&b, '[');
        add_values(o, outcome, ", ", &b);
        buf_add_char(&b, ']');
    } else {
        buf_add_text(&b, "null");
    }
    buf_add_text(&b, ", \"params\": {");
    for (size_t i = 0; i < o->space.n; i++) {
        if (!s->values[i].present) {
            continue;
        }
        buf_add_text(&b, first ? "" : ", ");
        json_put_string(&b, str_of(o->space.params[i].name));
        buf_add_text(&b, ": ");
        add_json_value(&o->space.params[i].dist, s->values[i].internal, &b);
        first = false;
    }
    buf_printf(&b, "}, \"seconds\": %lld.%03lld, \"fail_reason\": ", (long long)(outcome->age_ns / (1000 * NS_PER_MS)),
               (long long)(outcome->age_ns / NS_PER_MS % 1000));
    if (outcome->state == TL_FAIL) {
        json_put_string(&b, str_of(outcome->reason));
    } else {
        buf_add_text(&b, "null");
    }
    buf_add_text(&b, "}\n");
    int status = b.failed ? cli_nomem(o->c) : cli_write(o->c, b.data, b.len);
    buf_release(&b);
    return status;
}

static void add_params(const struct optimizer *o, const struct slot *s, struct buf *out)
{
    for (size_t i = 0; i < o->space.n; i++) {
        if (!s->values[i].present) {
            continue;
        }
        buf_add_char(out, ' ');
        buf_add_text(out, o->space.params[i].name);
        buf_add_char(out, '=');
        add_json_value(&o->space.params[i].dist, s->values[i].internal, out);
    }
}

/* "trial 12: 0.5  lr=0.01 depth=3  (1.2s, 13/200, best 0.25 by trial 7)" */
static void show_line(struct optimizer *o, const struct slot *s, const struct outcome *outcome,
                      const struct progress_facts *facts)
{
    struct buf b = BUF_INIT(1 << 16);
    char number[NUM_MAX];
    buf_printf(&b, "trial %lld: ", (long long)s->number);
    if (outcome->state == TL_FAIL) {
        buf_printf(&b, "failed: %s", outcome->reason);
    } else if (outcome->state == TL_PRUNED) {
        buf_add_text(&b, outcome->has_values ? "pruned at " : "pruned");
    }
    if (outcome->has_values && outcome->state != TL_FAIL) {
        add_values(o, outcome, " ", &b);
    }
    buf_add_char(&b, ' ');
    add_params(o, s, &b);
    buf_add_text(&b, "  (");
    progress_duration(outcome->age_ns, &b);
    buf_printf(&b, ", %llu", (unsigned long long)facts->finished);
    if (facts->total > 0) {
        buf_printf(&b, "/%llu", (unsigned long long)facts->total);
    }
    if (facts->best_number >= 0) {
        buf_add_text(&b, ", best ");
        buf_add(&b, number, num_format(facts->best, number));
        buf_printf(&b, " by trial %lld", (long long)facts->best_number);
    }
    buf_add_char(&b, ')');
    const char *text = buf_cstr(&b);
    if (text) {
        progress_say(&o->progress, text, outcome->state == TL_FAIL);
    }
    buf_release(&b);
}

void optimize_show(struct optimizer *o, const struct slot *s, const struct outcome *outcome)
{
    struct progress_facts facts;
    struct tl_err err = TL_ERR_INIT;
    if (o->json) {
        int status = show_json(o, s, outcome);
        if (status) {
            o->closing = true;
            o->status = o->status ? o->status : status;
        }
    }
    if (o->progress.mode == PROGRESS_NONE) {
        return;
    }
    if (optimize_facts(o, &facts, &err) != 0) {
        optimize_storage_error(o, &err);
        return;
    }
    facts.running--; /* the slot is about to be free */
    show_line(o, s, outcome, &facts);
    progress_draw(&o->progress, &facts, optimize_now_ns(), false);
}

/* ---- deciding ---- */

static bool may_start(const struct optimizer *o, int64_t now_ns)
{
    if (o->closing || o->exhausted || o->stops_seen > 0 || o->n_running >= o->n_slots) {
        return false;
    }
    if (o->budget_here > 0 && o->n_started >= o->budget_here) {
        return false;
    }
    if (o->max_failures > 0 && o->failures_in_row >= o->max_failures) {
        return false;
    }
    return o->timeout_ms == 0 || now_ns - o->began_ns < o->timeout_ms * NS_PER_MS;
}

/* SIG_BLOCK or SIG_UNBLOCK for the signals that stop us. Storage calls look at the counter themselves, so they run unblocked. */
static void stop_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(how, &set, NULL);
}

static void fill_slots(struct optimizer *o)
{
    for (size_t i = 0; i < o->n_slots && cli_stops == 0; i++) {
        if (!o->slots[i].trial && may_start(o, optimize_now_ns())) {
            optimize_start(o, &o->slots[i]);
        }
    }
}

/* Takes note of programs that have ended. Comes before everything that tells programs to end: what ended by itself counts. */
static void gather(struct optimizer *o)
{
    for (size_t i = 0; i < o->n_slots; i++) {
        struct slot *s = &o->slots[i];
        if (s->trial && !s->gathered && child_gather(&s->child)) {
            s->gathered = true;
            s->kill_ns = optimize_now_ns() + DRAIN_AT_MOST;
        }
    }
}

/* What a stop asks for: nothing new, programs end; the second time they are killed. */
static void heed_stops(struct optimizer *o)
{
    int stops = (int)cli_stops;
    int64_t now = optimize_now_ns();
    if (stops == o->stops_seen) {
        return;
    }
    for (size_t i = 0; i < o->n_slots; i++) {
        struct slot *s = &o->slots[i];
        if (!s->trial || s->gathered) {
            continue;
        }
        optimize_end_program(s, ENDING_STOPPED, now);
        if (stops > 1) {
            child_signal(&s->child, SIGKILL);
        }
    }
    if (o->stops_seen == 0) {
        progress_clear(&o->progress);
        if (o->n_running > 0) {
            optimize_say(o, CLI_WARNING, "stopping: %zu running trial%s told to end (once more kills at once)", o->n_running,
                    o->n_running == 1 ? " is" : "s are");
        }
    }
    o->stops_seen = stops;
}

static void heed_deadlines(struct optimizer *o)
{
    int64_t now = optimize_now_ns();
    for (size_t i = 0; i < o->n_slots; i++) {
        struct slot *s = &o->slots[i];
        if (!s->trial || s->gathered) {
            continue;
        }
        if (s->limit_ns > 0 && now >= s->limit_ns) {
            optimize_end_program(s, ENDING_TIME_LIMIT, now);
        }
        if (s->kill_ns > 0 && now >= s->kill_ns) {
            child_signal(&s->child, SIGKILL);
            s->kill_ns = 0;
        }
    }
}

/* Programs that have ended and whose output was read to its end. A process that left the program's group may hold the pipes
 * open, so what is not there a second later is not waited for. */
static void heed_ends(struct optimizer *o)
{
    for (size_t i = 0; i < o->n_slots; i++) {
        struct slot *s = &o->slots[i];
        if (s->trial && s->gathered && ((s->child.out < 0 && s->child.err < 0) || optimize_now_ns() >= s->kill_ns)) {
            optimize_finish(s);
        }
    }
}

/* ---- waiting ---- */

/* Nanoseconds until something is due. */
static int64_t next_deadline(const struct optimizer *o)
{
    int64_t now = optimize_now_ns(), next = now + LOOK_EVERY;
    for (size_t i = 0; i < o->n_slots; i++) {
        const struct slot *s = &o->slots[i];
        if (!s->trial) {
            continue;
        }
        if (s->kill_ns > 0 && s->kill_ns < next) {
            next = s->kill_ns;
        }
        if (s->limit_ns > 0 && s->ending == ENDING_NONE && s->limit_ns < next) {
            next = s->limit_ns;
        }
    }
    return next > now ? next - now : 0;
}

static void await(struct optimizer *o, struct pollfd *polls)
{
    nfds_t n = 0;
    int64_t ns = next_deadline(o);
    struct timespec limit = {ns / 1000000000, (long)(ns % 1000000000)};
    for (size_t i = 0; i < o->n_slots; i++) {
        const struct slot *s = &o->slots[i];
        if (s->trial && s->child.out >= 0) {
            polls[n++] = (struct pollfd){.fd = s->child.out, .events = POLLIN};
        }
        if (s->trial && s->child.err >= 0) {
            polls[n++] = (struct pollfd){.fd = s->child.err, .events = POLLIN};
        }
    }
    if ((int)cli_stops != o->stops_seen) {
        return;
    }
    /* a failure is a signal, or a lack of memory that may pass: look around and come back */
    ppoll(polls, n, &limit, &o->calm);
}

static void redraw(struct optimizer *o)
{
    struct progress_facts facts;
    if (o->progress.mode != PROGRESS_BAR || optimize_now_ns() - o->progress.drawn_ns < REDRAW_EVERY) {
        return;
    }
    if (optimize_facts(o, &facts, NULL) == 0) {
        progress_draw(&o->progress, &facts, optimize_now_ns(), true);
    }
}

static void turn(struct optimizer *o, struct pollfd *polls)
{
    stop_signals(SIG_BLOCK);
    gather(o);
    heed_stops(o);
    if (o->n_running > 0) {
        await(o, polls);
    }
    stop_signals(SIG_UNBLOCK);
    for (size_t i = 0; i < o->n_slots; i++) {
        if (o->slots[i].trial) {
            optimize_read(&o->slots[i]);
        }
    }
    gather(o);
    heed_stops(o);
    heed_deadlines(o);
    heed_ends(o);
    redraw(o);
}

/* --wait: nothing could be begun. When a trial has failed or was queued since the last look, that may have changed (o->exhausted
 * is taken back). false: nothing runs anywhere that could change it. */
static bool look_elsewhere(struct optimizer *o)
{
    struct tl_err err = TL_ERR_INIT;
    tl_view *view = NULL;
    if (!o->wait || !o->exhausted) {
        return false;
    }
    o->exhausted = false;
    if (o->n_running < o->n_slots && !may_start(o, optimize_now_ns())) {
        o->exhausted = true; /* and that is not the only reason */
        return false;
    }
    o->exhausted = true;
    o->c->stops_endured = 0;
    int rc = tl_storage_wait(tl_study_storage(o->study), o->n_running > 0 ? 0 : WAIT_SLICE_MS, &err);
    o->c->stops_endured = 1;
    if (rc == 0) {
        rc = tl_study_view(o->study, &view, &err);
    }
    if (rc) {
        optimize_storage_error(o, &err);
        return false;
    }
    size_t failed = tl_view_count(view, TL_FAIL), waiting = tl_view_count(view, TL_WAITING);
    bool runs = tl_view_count(view, TL_RUNNING) > 0;
    tl_view_close(view);
    o->exhausted = failed <= o->seen_failed && waiting <= o->seen_waiting;
    o->seen_failed = failed;
    o->seen_waiting = waiting;
    return runs || !o->exhausted;
}

/* Wakes ppoll, nothing else: programs are gathered in by asking for each. */
static void on_child(int sig)
{
    (void)sig;
}

static void catch_child(struct optimizer *o)
{
    struct sigaction action = {0};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &o->calm);
    sigdelset(&o->calm, SIGCHLD);
    action.sa_handler = on_child;
    action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
}

void optimize_loop(struct optimizer *o)
{
    struct pollfd *polls = mem_zalloc(2 * o->n_slots, sizeof *polls);
    if (!polls) {
        o->status = cli_nomem(o->c);
        return;
    }
    catch_child(o);
    /* what has been done must be recorded: only a second stop ends the waiting for the lock */
    o->c->stops_endured = 1;
    o->began_ns = optimize_now_ns();
    do {
        fill_slots(o);
        turn(o, polls);
        /* a free slot and a turn that started nothing: over, when nothing runs that could change its mind (refunds) */
    } while (look_elsewhere(o) || o->n_running > 0 || may_start(o, optimize_now_ns()));
    progress_clear(&o->progress);
    mem_free(polls);
}
