/* SPDX-License-Identifier: MIT
 *
 * One trial of `trialog optimize`: ask, run the program, read it, tell.
 *
 * Happy path: tl_study_ask with all parameters that have no condition (one operation), the others by tl_trial_suggest in the order
 * of their declaration (one more append), then the program starts; its reports and attributes are written as they are read;
 * when it has ended its values are told. Failure: everything the program does wrong ends the trial as FAIL with the system
 * attribute `fail_reason`; everything the storage does wrong goes to optimize_storage_error, and no further trial starts. A
 * trial that could not be told stays RUNNING in the journal, and its values are shown so that they are not lost.
 */
#include "cli/optimize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/num.h"

#define COMPLAINT_MAX 200u
#define READ_AT_ONCE  65536u

/* ---- what the program says ---- */

/* Storage errors while a trial runs. It may have been ended by somebody else: then its program has nothing left to do. */
static void trial_error(struct slot *s, const struct tl_err *err)
{
    if (err->code != TL_EFINISHED) {
        optimize_storage_error(s->o, err);
    } else if (!s->ended_elsewhere) {
        s->ended_elsewhere = true;
        optimize_say(s->o, CLI_WARNING, "trial %lld was ended elsewhere: %s", (long long)s->number, err->message);
        if (s->child.pid > 0) {
            optimize_end_program(s, ENDING_STOPPED, optimize_now_ns());
        }
    }
}

static int on_report(void *ctx, int64_t step, double value)
{
    struct slot *s = ctx;
    struct optimizer *o = s->o;
    struct tl_err err = TL_ERR_INIT;
    bool prune = false;
    if (o->rules.n_values != 1) {
        if (!o->warned_report) {
            optimize_say(o, CLI_WARNING, "trialog-report is ignored: the study has several objectives");
        }
        o->warned_report = true;
        return 0;
    }
    if (s->ending == ENDING_PRUNED) { /* the trial's value is that of the step at which it was pruned, however quick the program is */
        return 0;
    }
    int rc = tl_trial_report(s->trial, step, value, &err);
    if (rc == 0 && o->prunes && s->ending == ENDING_NONE) {
        rc = tl_trial_should_prune(s->trial, &prune, &err);
    }
    if (rc) {
        trial_error(s, &err);
    }
    if (prune && s->gathered) {
        s->ending = ENDING_PRUNED;
    } else if (prune) {
        optimize_end_program(s, ENDING_PRUNED, optimize_now_ns());
    }
    return 0;
}

static int on_pruned(void *ctx)
{
    struct slot *s = ctx;
    s->said_pruned = true;
    return 0;
}

static int on_attr(void *ctx, struct str key, struct str json)
{
    struct slot *s = ctx;
    struct tl_err err = TL_ERR_INIT;
    char *texts[2] = {arena_dup(&s->memory, key.p, key.n), arena_dup(&s->memory, json.p, json.n)};
    if (!texts[0] || !texts[1]) {
        return TL_ENOMEM;
    }
    int rc = tl_trial_set_attr(s->trial, TL_ATTR_USER, texts[0], texts[1], &err);
    if (rc == TL_EINVAL || rc == TL_ELIMIT) {
        optimize_say(s->o, CLI_WARNING, "trial %lld: attribute '%s': %s", (long long)s->number, texts[0], err.message);
    } else if (rc) {
        trial_error(s, &err);
    }
    return 0;
}

static int on_odd(void *ctx, struct str line)
{
    struct slot *s = ctx;
    optimize_say(s->o, CLI_WARNING, "trial %lld: this line cannot be read: %.*s", (long long)s->number,
            (int)(line.n < COMPLAINT_MAX ? line.n : COMPLAINT_MAX), line.p);
    return 0;
}

static void log_bytes(struct slot *s, int *fd, const char *bytes, size_t n)
{
    while (*fd >= 0 && n > 0) {
        ssize_t done = write(*fd, bytes, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            optimize_say(s->o, CLI_WARNING, "trial %lld: cannot write its log: %s", (long long)s->number, strerror(errno));
            close(*fd);
            *fd = -1;
            return;
        }
        bytes += done;
        n -= (size_t)done;
    }
}

static void end_of_line(struct slot *s, struct buf *line, bool complains)
{
    if (s->o->c->g.verbose > 0) {
        progress_clear(&s->o->progress);
        fprintf(stderr, "[%lld] %.*s\n", (long long)s->number, (int)line->len, line->len > 0 ? line->data : "");
    }
    size_t n = line->len;
    while (n > 0 && (unsigned char)line->data[n - 1] <= ' ') {
        n--;
    }
    if (complains && n > 0) {
        buf_clear(&s->complaint);
        buf_add(&s->complaint, line->data, n < COMPLAINT_MAX ? n : COMPLAINT_MAX);
    }
    buf_clear(line);
}

/* Cuts bytes into lines; overlong ones are shown in pieces. */
static void cut_lines(struct slot *s, struct buf *line, const char *bytes, size_t n, bool complains)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            buf_add_char(line, bytes[i]);
        }
        if (bytes[i] == '\n' || line->len >= 4096) {
            end_of_line(s, line, complains);
        }
    }
}

void optimize_read(struct slot *s)
{
    static char bytes[READ_AT_ONCE]; /* one thread */
    size_t n = child_read(&s->child.out, bytes, sizeof bytes);
    if (n > 0) {
        log_bytes(s, &s->log_out, bytes, n);
        if (s->o->c->g.verbose > 0) {
            cut_lines(s, &s->out_line, bytes, n, false);
        }
        if (trial_output_feed(&s->output, bytes, n) != 0) {
            struct tl_err err = TL_ERR_INIT;
            err_nomem(&err);
            optimize_storage_error(s->o, &err);
        }
    }
    n = child_read(&s->child.err, bytes, sizeof bytes);
    if (n > 0) {
        log_bytes(s, &s->log_err, bytes, n);
        cut_lines(s, &s->err_line, bytes, n, true);
    }
}

/* ---- ending ---- */

void optimize_end_program(struct slot *s, enum ending why, int64_t now_ns)
{
    if (s->ending == ENDING_NONE) {
        s->ending = why;
        s->kill_ns = now_ns + s->o->grace_ms * 1000000 + 1;
        child_signal(&s->child, SIGTERM);
        child_signal(&s->child, SIGCONT); /* a stopped program hears SIGTERM only when it goes on */
    }
}

static void clear_slot(struct slot *s)
{
    child_close(&s->child);
    trial_output_release(&s->output);
    buf_clear(&s->out_line);
    buf_clear(&s->err_line);
    buf_clear(&s->complaint);
    for (int *fd = &s->log_out; fd; fd = fd == &s->log_out ? &s->log_err : NULL) {
        if (*fd >= 0) {
            close(*fd);
        }
        *fd = -1;
    }
    arena_reset(&s->memory);
    if (s->trial) {
        s->o->n_running--;
    }
    s->trial = NULL;
    s->limit_ns = s->kill_ns = 0;
    s->ending = ENDING_NONE;
    s->gathered = s->ended_elsewhere = s->said_pruned = false;
}

void optimize_slot_release(struct slot *s)
{
    tl_trial_free(s->trial);
    clear_slot(s);
    arena_release(&s->memory);
    buf_release(&s->out_line);
    buf_release(&s->err_line);
    buf_release(&s->complaint);
    mem_free(s->values);
}

/* Writes why the trial failed. The attribute is a help, not a result: when it cannot be written the trial is told all the same. */
static void write_reason(struct slot *s, const char *reason)
{
    struct buf json = BUF_INIT(4096);
    struct tl_err err = TL_ERR_INIT;
    json_put_string(&json, str_of(reason));
    const char *text = buf_cstr(&json);
    if (text && tl_trial_set_attr(s->trial, TL_ATTR_SYSTEM, "fail_reason", text, &err) != 0) {
        optimize_say(s->o, CLI_INFO, "trial %lld: cannot write why it failed: %s", (long long)s->number, err.message);
    }
    buf_release(&json);
}

/* The values would be lost: show them. */
static void show_untold(struct slot *s, const struct outcome *outcome, const struct tl_err *err)
{
    struct buf text = BUF_INIT(4096);
    char number[NUM_MAX];
    for (size_t i = 0; i < s->o->rules.n_values && outcome->has_values; i++) {
        buf_add_char(&text, ' ');
        buf_add(&text, number, num_format(outcome->values[i], number));
    }
    const char *values = buf_cstr(&text);
    optimize_say(s->o, CLI_WARNING, "trial %lld ended as %s%s%s, but that could not be recorded", (long long)s->number,
            tl_state_name((int)outcome->state), outcome->has_values ? " with" : "", values ? values : "");
    buf_release(&text);
    trial_error(s, err);
}

/* A pruned trial's value, as it was recorded. */
static void read_pruned_value(struct slot *s, struct outcome *outcome)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    if (tl_study_view(s->o->study, &view, NULL) != 0) {
        return; /* it will not be shown, no more */
    }
    outcome->has_values = tl_view_trial(view, s->number, &t, NULL) == 0 && t.n_values == s->o->rules.n_values;
    if (outcome->has_values) {
        memcpy(outcome->values, t.values, t.n_values * sizeof *t.values);
    }
    tl_frozen_release(&t);
    tl_view_close(view);
}

/* Records the trial, counts it, shows it, frees the slot. */
static void tell(struct slot *s, struct outcome *outcome)
{
    struct optimizer *o = s->o;
    struct tl_err err = TL_ERR_INIT;
    enum tl_state final = outcome->state;
    bool complete = outcome->state == TL_COMPLETE;
    if (outcome->state == TL_FAIL) {
        write_reason(s, outcome->reason);
    }
    int rc = tl_study_tell(o->study, s->trial, outcome->state, complete ? outcome->values : NULL,
                           complete ? o->rules.n_values : 0, &final, &err);
    if (rc) {
        show_untold(s, outcome, &err);
        tl_trial_free(s->trial);
        clear_slot(s);
        return;
    }
    outcome->state = final;
    outcome->age_ns = s->started_ns > 0 ? optimize_now_ns() - s->started_ns : 0;
    if (final == TL_COMPLETE) {
        o->n_complete++;
    }
    if (final == TL_PRUNED) {
        read_pruned_value(s, outcome);
    }
    o->n_failed += final == TL_FAIL;
    o->failures_in_row = final == TL_FAIL ? o->failures_in_row + 1 : 0;
    if (final == TL_FAIL) { /* refunded, or a grid cell that is free again */
        o->exhausted = false;
    }
    optimize_show(o, s, outcome);
    clear_slot(s);
}

/* What the exit status says: the reason of a failure, or nothing. */
static void explain_status(struct slot *s, char *reason, size_t n)
{
    char status[96];
    struct str last = {s->complaint.data, s->complaint.len};
    if (WIFEXITED(s->child.status) && WEXITSTATUS(s->child.status) == 0) {
        return;
    }
    child_status_text(s->child.status, status, sizeof status);
    snprintf(reason, n, "%s%s%.*s", status, last.n > 0 ? ": " : "", (int)last.n, last.n > 0 ? last.p : "");
}

static void refuse_nan(const struct optimizer *o, struct outcome *outcome)
{
    for (size_t i = 0; i < o->rules.n_values && outcome->has_values; i++) {
        if (outcome->values[i] != outcome->values[i]) {
            outcome->has_values = false;
            outcome->state = TL_FAIL;
            snprintf(outcome->reason, sizeof outcome->reason, "the value is NaN");
        }
    }
}

void optimize_finish(struct slot *s)
{
    struct optimizer *o = s->o;
    struct outcome outcome = {.state = TL_COMPLETE, .values = o->scratch};
    struct tl_err err = TL_ERR_INIT;
    if (trial_output_end(&s->output) != 0) {
        optimize_say(o, CLI_WARNING, "trial %lld: out of memory", (long long)s->number);
    }
    if (s->err_line.len > 0) {
        end_of_line(s, &s->err_line, true);
    }
    if (s->out_line.len > 0) {
        end_of_line(s, &s->out_line, false);
    }
    if (s->ended_elsewhere) {
        tl_trial_free(s->trial);
        clear_slot(s);
        return;
    }
    switch (s->ending) {
    case ENDING_TIME_LIMIT:
        snprintf(outcome.reason, sizeof outcome.reason, "time limit of %lld ms", (long long)o->trial_timeout_ms);
        break;
    case ENDING_STOPPED: snprintf(outcome.reason, sizeof outcome.reason, "interrupted"); break;
    case ENDING_PRUNED: outcome.state = TL_PRUNED; break;
    case ENDING_NONE: explain_status(s, outcome.reason, sizeof outcome.reason); break;
    }
    if (outcome.reason[0] == 0 && s->said_pruned) {
        outcome.state = TL_PRUNED;
    }
    if (outcome.reason[0] == 0 && outcome.state == TL_COMPLETE) {
        if (trial_output_values(&s->output, outcome.values, &err) == 0) {
            outcome.has_values = true;
        } else {
            snprintf(outcome.reason, sizeof outcome.reason, "%.*s", (int)sizeof outcome.reason - 1, err.message);
        }
    }
    if (outcome.reason[0]) {
        outcome.state = TL_FAIL;
    }
    refuse_nan(o, &outcome);
    tell(s, &outcome);
}

/* ---- starting ---- */

/* The program could not even start, or the parameters could not be had: the trial ends as FAIL. */
static void fail_trial(struct slot *s, const char *reason)
{
    struct outcome outcome = {.state = TL_FAIL, .values = s->o->scratch};
    snprintf(outcome.reason, sizeof outcome.reason, "%.*s", (int)sizeof outcome.reason - 1, reason);
    tell(s, &outcome);
}

static int choose_parameters(struct slot *s, struct tl_err *err)
{
    const struct search_space *space = &s->o->space;
    bool waiting = false;
    for (size_t i = 0; i < space->n; i++) {
        s->values[i].present = false;
    }
    for (size_t i = 0; i < space->n; i++) {
        if (!search_space_active(space, i, s->values)) {
            continue;
        }
        int rc = tl_trial_suggest(s->trial, space->params[i].name, &space->params[i].dist, &s->values[i].internal, err);
        if (rc) {
            return rc;
        }
        s->values[i].present = true;
        waiting = waiting || space->params[i].n_cond > 0;
    }
    return waiting ? tl_trial_flush(s->trial, err) : 0;
}

/* Opens DIR/trial-NUMBER.out and .err; a log that cannot be opened is a warning. */
static void open_logs(struct slot *s)
{
    static const char *const ends[] = {"out", "err"};
    int *const fds[] = {&s->log_out, &s->log_err};
    for (size_t i = 0; i < TL_COUNT(ends) && s->o->log_dir; i++) {
        struct buf path = BUF_INIT(8192);
        buf_printf(&path, "%s/trial-%lld.%s", s->o->log_dir, (long long)s->number, ends[i]);
        const char *name = buf_cstr(&path);
        *fds[i] = name ? open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
        if (*fds[i] < 0) {
            optimize_say(s->o, CLI_WARNING, "cannot write '%s': %s", name ? name : "", strerror(errno));
        }
        buf_release(&path);
    }
}

static int start_program(struct slot *s, struct tl_err *err)
{
    struct optimizer *o = s->o;
    struct trial_facts facts = {&o->space, s->values, s->number, o->study_name, o->c->url, o->pruner, o->pruner_kwargs};
    char **argv, **env;
    int rc = command_template_fill(&o->words, &facts, &s->memory, &argv, err);
    if (rc == 0) {
        rc = command_environment(&facts, environ, &s->memory, &env, err);
    }
    s->sink = (struct output_sink){on_report, on_attr, on_pruned, on_odd, s};
    if (rc == 0 && trial_output_init(&s->output, &o->rules, &s->sink) != 0) {
        rc = err_nomem(err);
    }
    if (rc == 0) {
        rc = child_start(&s->child, argv, env, &o->calm, err);
    }
    return rc;
}

/* As shells and env(1) do. */
static int exec_exit_status(int code)
{
    return code == TL_ENOTFOUND ? 127 : code == TL_EACCESS ? 126 : tl_code_exit_status(code);
}

void optimize_start(struct optimizer *o, struct slot *s)
{
    struct tl_ask_options options = TL_ASK_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    options.space = o->ask_space;
    options.n_space = o->n_ask_space;
    options.budget = o->budget;
    options.refund_failed = o->refund_failed;
    o->c->stops_endured = 0; /* nothing is lost when this call is cut short */
    int rc = tl_study_ask(o->study, &options, &s->trial, &err);
    o->c->stops_endured = 1;
    if (rc == TL_EEXHAUSTED) {
        o->exhausted = true;
        return;
    }
    if (rc) {
        s->trial = NULL;
        optimize_storage_error(o, &err);
        return;
    }
    o->n_running++;
    o->n_started++;
    s->number = tl_trial_number(s->trial);
    s->started_ns = optimize_now_ns();
    rc = choose_parameters(s, &err);
    if (rc) {
        if (rc != TL_EINVAL) { /* a value that does not fit, from somebody's queue, concerns this trial only */
            optimize_storage_error(o, &err);
        }
        fail_trial(s, err.message);
        return;
    }
    open_logs(s);
    rc = start_program(s, &err);
    if (rc) {
        o->closing = true;
        progress_clear(&o->progress);
        cli_fail(o->c, &err);
        if (o->status == 0) {
            o->status = exec_exit_status(rc);
        }
        fail_trial(s, err.message);
        return;
    }
    if (o->trial_timeout_ms > 0) {
        s->limit_ns = s->started_ns + o->trial_timeout_ms * 1000000;
    }
}
