/* SPDX-License-Identifier: MIT
 *
 * `trialog optimize`: runs a program again and again with other parameters.
 *
 * This file reads the options, opens journal and study, puts --enqueue's trials into the queue, hands over to optimize_loop, and
 * sums up. What can be wrong on the command line is found before the journal is touched. Several processes may run the same
 * command: the study is created by the first, the queue is filled once, and the budget is decided under the journal's lock.
 */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "cli/commands.h"
#include "cli/optimize.h"

#define MAX_JOBS           4096
#define REFUND_GIVES_UP_AT 20

struct optimize_values {
    const char *name, *direction, *sampler, *sampler_kwargs, *pruner, *pruner_kwargs, *log_dir, *progress;
    struct opt_list directions, params, fixed, fields, patterns, words;
    struct opt_int trials, trials_here, timeout, trial_timeout, grace, jobs, seed, max_failures, lease, retry_lost;
    bool refund_failed, wait, json;
};

#define FIELD(name) offsetof(struct optimize_values, name)
static const struct opt optimize_opts[] = {
    {OPT_TEXT, "study-name", 0, OPT_REQUIRED, FIELD(name), "NAME", NULL, NULL, "the study; it is created when it does not exist"},
    {OPT_REPEAT, "param", 'p', 0, FIELD(params), "NAME=SPACE", NULL, NULL,
     "a parameter: 'x=float(0,1)', 'lr=float(1e-5,1e-1,log)', 'n=int(2,12)', 'm=int(0,100,step=10)', 'c=choice(a,\"b c\",1,true)'; "
     "with 'if' and a condition on parameters before it: 'k=int(1,9) if c==a and n>=3'"},
    {OPT_REPEAT, "enqueue", 0, 0, FIELD(fixed), "NAME=VALUE,...", NULL, NULL,
     "parameters to try first, unless they were tried already; parameters left out are chosen by the sampler"},
    {OPT_INT, "trials", 'n', 0, FIELD(trials), "N", NULL, NULL,
     "end when the study has N trials, whoever ran them; running and failed ones count"},
    {OPT_INT, "trials-here", 0, 0, FIELD(trials_here), "N", NULL, NULL, "begin at most N trials in this process"},
    {OPT_FLAG, "refund-failed", 0, 0, FIELD(refund_failed), NULL, NULL, NULL, "failed trials do not count for --trials"},
    {OPT_FLAG, "wait", 0, 0, FIELD(wait), NULL, NULL, NULL,
     "when nothing is left to begin but trials run elsewhere: wait, because one that fails may be tried again"},
    {OPT_INT, "max-failures", 0, 0, FIELD(max_failures), "N", NULL, NULL,
     "end after N failed trials in a row in this process; 0: never. Default: 20 with --refund-failed, else 0"},
    {OPT_DURATION, "lease", 0, 0, FIELD(lease), "TIME", NULL, "60s",
     "when this process dies, others fail its trials after this time; 0: never"},
    {OPT_INT, "retry-lost", 0, 0, FIELD(retry_lost), "N", NULL, "0",
     "put a trial whose process died back into the queue, up to N times"},
    {OPT_DURATION, "timeout", 0, 0, FIELD(timeout), "TIME", NULL, NULL,
     "begin no trial after this time (30, 90s, 15m, 2h); running ones finish"},
    {OPT_DURATION, "trial-timeout", 0, 0, FIELD(trial_timeout), "TIME", NULL, NULL,
     "a program that runs longer is ended, and its trial fails"},
    {OPT_DURATION, "grace", 0, 0, FIELD(grace), "TIME", NULL, "5s",
     "a program that is told to end (SIGTERM) is killed after this time (SIGKILL)"},
    {OPT_INT, "jobs", 'j', 0, FIELD(jobs), "N", NULL, "1", "programs at a time in this process"},
    {OPT_CHOICE, "direction", 0, 0, FIELD(direction), "DIRECTION", "minimize|maximize", NULL,
     "what to do with the objective value (default: minimize)"},
    {OPT_LIST, "directions", 0, 0, FIELD(directions), "DIRECTION", "minimize|maximize", NULL,
     "the same for several objectives, one word each"},
    {OPT_TEXT, "sampler", 0, 0, FIELD(sampler), "SAMPLER", NULL, NULL, "who chooses the parameters (default: tpe)"},
    {OPT_TEXT, "sampler-kwargs", 0, 0, FIELD(sampler_kwargs), "JSON", NULL, NULL, "the sampler's options as a JSON object"},
    {OPT_INT, "seed", 0, 0, FIELD(seed), "N", NULL, NULL, "the sampler's seed"},
    {OPT_TEXT, "pruner", 0, 0, FIELD(pruner), "PRUNER", NULL, NULL,
     "who ends trials early by what they report with 'trialog-report STEP VALUE' (default: nop, nobody)"},
    {OPT_TEXT, "pruner-kwargs", 0, 0, FIELD(pruner_kwargs), "JSON", NULL, NULL, "the pruner's options as a JSON object"},
    {OPT_REPEAT, "value-json", 0, 0, FIELD(fields), "FIELD", NULL, NULL,
     "the value is this field of the JSON that the program prints, such as loss or metrics.loss; once per objective"},
    {OPT_REPEAT, "value-pattern", 0, 0, FIELD(patterns), "REGEX", NULL, NULL,
     "the value is the first group of the last line that matches (POSIX extended); once, with a group per objective, or once "
     "per objective"},
    {OPT_TEXT, "log-dir", 0, 0, FIELD(log_dir), "DIR", NULL, NULL,
     "keep what programs print in DIR/trial-NUMBER.out and .err; without it, -v shows it"},
    {OPT_FLAG, "json", 0, 0, FIELD(json), NULL, NULL, NULL, "print one JSON object per finished trial on standard output"},
    {OPT_CHOICE, "progress", 0, 0, FIELD(progress), "HOW", "auto|bar|lines|none", "auto",
     "how to show progress on standard error; auto: a bar on a terminal, else a line per trial"},
    {OPT_OPERANDS, "CMD", 0, OPT_REQUIRED | OPT_STOPS, FIELD(words), NULL, NULL, NULL,
     "the program and its words, behind --; {NAME} stands for a parameter, {trial} for the trial's number, {study} for the "
     "study's name, {{ and }} for braces"},
    OPT_TABLE_END,
};

/* ---- mistakes on the command line ---- */

/* Shows the text with a mark under the place, then the message. */
static int bad_text(struct cli *c, const char *option, const char *text, const struct tl_err *err)
{
    if (err->code == TL_ENOMEM) {
        return cli_nomem(c);
    }
    if (err->offset >= 0) {
        int column = 0; /* bytes that begin a character */
        for (int64_t i = 0; i < err->offset && text[i]; i++) {
            column += ((unsigned char)text[i] & 0xC0) != 0x80;
        }
        fprintf(stderr, "    %s\n    %*s^\n", text, column, "");
    }
    return cli_usage(c, "%s: %s", option, err->message);
}

static int read_space(struct optimizer *o, const struct optimize_values *v)
{
    for (size_t i = 0; i < v->params.n; i++) {
        struct tl_err err = TL_ERR_INIT;
        const char *text = v->params.items[i];
        if (search_space_add(&o->space, str_of(text), &err) != 0) {
            return bad_text(o->c, "--param", text, &err);
        }
        const struct space_param *p = &o->space.params[o->space.n - 1];
        if (p->adjusted) {
            char high[NUM_MAX];
            num_format(p->dist.high, high);
            cli_say(o->c, CLI_WARNING, "--param '%s': the highest value on its steps is %s", p->name, high);
        }
    }
    o->ask_space = mem_zalloc(o->space.n + 1, sizeof *o->ask_space);
    if (!o->ask_space) {
        return cli_nomem(o->c);
    }
    for (size_t i = 0; i < o->space.n; i++) {
        const struct space_param *p = &o->space.params[i];
        if (p->n_cond == 0) {
            o->ask_space[o->n_ask_space++] = (struct tl_param_spec){.name = p->name, .dist = &p->dist};
        }
    }
    return 0;
}

static int read_words(struct optimizer *o, const struct optimize_values *v)
{
    struct tl_err err = TL_ERR_INIT;
    size_t bad = 0;
    if (command_template_read(&o->words, &o->space, v->words.items, v->words.n, &bad, &err) != 0) {
        return bad_text(o->c, "CMD", v->words.items[bad], &err);
    }
    if (strpbrk(v->words.items[0], "{}") == NULL && child_check_program(v->words.items[0], &err) != 0) {
        cli_fail(o->c, &err);
        return err.code == TL_ENOTFOUND ? 127 : 126;
    }
    return 0;
}

static int read_limits(struct optimizer *o, const struct optimize_values *v)
{
    const struct {
        const char *name;
        const struct opt_int *value;
        int64_t low, high;
    } limits[] = {
        {"trials", &v->trials, 1, INT64_MAX}, {"trials-here", &v->trials_here, 1, INT64_MAX},
        {"jobs", &v->jobs, 1, MAX_JOBS},      {"max-failures", &v->max_failures, 0, INT64_MAX},
        {"seed", &v->seed, 0, INT64_MAX},     {"timeout", &v->timeout, 1, INT64_MAX / 1000000},
        {"grace", &v->grace, 0, 86400000},    {"trial-timeout", &v->trial_timeout, 1, INT64_MAX / 4000000},
    };
    for (size_t i = 0; i < TL_COUNT(limits); i++) {
        const struct opt_int *value = limits[i].value;
        if (value->set && value->value < limits[i].low) {
            return cli_usage(o->c, "--%s must be at least %lld", limits[i].name, (long long)limits[i].low);
        }
        if (value->set && value->value > limits[i].high) {
            return cli_usage(o->c, "--%s is too large", limits[i].name);
        }
    }
    o->budget = v->trials.set ? (uint64_t)v->trials.value : 0;
    o->budget_here = v->trials_here.set ? (uint64_t)v->trials_here.value : 0;
    o->refund_failed = v->refund_failed;
    o->wait = v->wait;
    o->max_failures = v->max_failures.set ? (uint64_t)v->max_failures.value : v->refund_failed ? REFUND_GIVES_UP_AT : 0;
    o->timeout_ms = v->timeout.set ? v->timeout.value : 0;
    o->trial_timeout_ms = v->trial_timeout.set ? v->trial_timeout.value : 0;
    o->grace_ms = v->grace.value;
    o->n_slots = (size_t)v->jobs.value;
    return 0;
}

/* ---- where the value comes from ---- */

static int read_patterns(struct optimizer *o, const struct optimize_values *v)
{
    o->rules.rule = VALUE_PATTERN;
    o->rules.patterns = mem_zalloc(v->patterns.n, sizeof *o->rules.patterns);
    if (!o->rules.patterns) {
        return cli_nomem(o->c);
    }
    for (size_t i = 0; i < v->patterns.n; i++) {
        char why[160];
        regex_t *re = &o->rules.patterns[i];
        int failed = regcomp(re, v->patterns.items[i], REG_EXTENDED);
        if (failed) {
            regerror(failed, re, why, sizeof why);
            return cli_usage(o->c, "--value-pattern '%s': %s", v->patterns.items[i], why);
        }
        o->rules.n_patterns++;
    }
    return 0;
}

static int read_rules(struct optimizer *o, const struct optimize_values *v)
{
    if (v->fields.set && v->patterns.set) {
        return cli_usage(o->c, "give either --value-json or --value-pattern");
    }
    if (v->patterns.set) {
        return read_patterns(o, v);
    }
    if (!v->fields.set) {
        return 0;
    }
    o->rules.rule = VALUE_JSON;
    o->rules.fields = mem_zalloc(v->fields.n, sizeof *o->rules.fields);
    if (!o->rules.fields) {
        return cli_nomem(o->c);
    }
    for (size_t i = 0; i < v->fields.n; i++) {
        o->rules.fields[i] = str_of(v->fields.items[i]);
        if (o->rules.fields[i].n == 0) {
            return cli_usage(o->c, "--value-json: the name of a field is empty");
        }
    }
    return 0;
}

/* One rule per objective. */
static int check_rules(struct optimizer *o, const struct optimize_values *v)
{
    size_t n = o->rules.n_values;
    if (o->rules.rule == VALUE_JSON && v->fields.n != n) {
        return cli_usage(o->c, "the study has %zu objective%s, but --value-json was given %zu times", n, n == 1 ? "" : "s",
                         v->fields.n);
    }
    if (o->rules.rule != VALUE_PATTERN || o->rules.n_patterns == n) {
        bool several = o->rules.rule == VALUE_PATTERN && n == 1 && o->rules.patterns[0].re_nsub > 1;
        if (several) {
            cli_say(o->c, CLI_INFO, "--value-pattern: the first of its groups is the value");
        }
        return 0;
    }
    if (o->rules.n_patterns == 1 && o->rules.patterns[0].re_nsub == n) {
        return 0;
    }
    return cli_usage(o->c, "the study has %zu objectives: --value-pattern needs as many groups, or once per objective", n);
}

/* ---- opening ---- */

/* --seed goes into the sampler's options. */
static int add_seed(struct optimizer *o, const struct optimize_values *v, struct buf *kwargs)
{
    struct json j = JSON_OF(v->sampler_kwargs ? v->sampler_kwargs : "{}", v->sampler_kwargs ? strlen(v->sampler_kwargs) : 2);
    if (json_open(&j, '{', NULL) != 0) {
        return cli_usage(o->c, "--sampler-kwargs must be a JSON object such as {\"seed\": 1}");
    }
    const char *rest = j.p;
    buf_printf(kwargs, "{\"seed\": %lld%s", (long long)v->seed.value, json_eat(&j, '}') ? "" : ", ");
    buf_add_text(kwargs, rest);
    return buf_cstr(kwargs) ? 0 : cli_nomem(o->c);
}

static int make_sampler(struct optimizer *o, const struct optimize_values *v, tl_sampler **out)
{
    struct buf kwargs = BUF_INIT(1 << 20);
    const char *name = v->sampler ? v->sampler : v->seed.set || v->sampler_kwargs ? "tpe" : NULL;
    const char *options = v->sampler_kwargs;
    bool grid = name && (strcmp(name, "grid") == 0 || strcmp(name, "GridSampler") == 0);
    int status = 0;
    if (grid && !options && o->n_ask_space < o->space.n) {
        return cli_usage(o->c, "the grid sampler cannot enumerate parameters with conditions");
    }
    if (v->seed.set) {
        status = add_seed(o, v, &kwargs);
    }
    if (status == 0 && v->seed.set) {
        options = kwargs.data;
    }
    if (status == 0) {
        status = cli_sampler(o->c, name, options, o->ask_space, o->n_ask_space, out);
    }
    buf_release(&kwargs);
    return status;
}

static int open_study(struct optimizer *o, const struct optimize_values *v, const struct tl_study_options *with)
{
    struct tl_study_options options = *with;
    struct tl_err err = TL_ERR_INIT;
    tl_view *view;
    size_t n = v->direction ? 1 : v->directions.n;
    if (v->direction && v->directions.set) {
        return cli_usage(o->c, "give either --direction or --directions");
    }
    enum tl_direction *directions = arena_alloc(&o->c->memory, (n + 1) * sizeof *directions);
    if (!directions) {
        return cli_nomem(o->c);
    }
    for (size_t i = 0; i < n; i++) {
        const char *word = v->direction ? v->direction : v->directions.items[i];
        directions[i] = strcmp(word, "maximize") == 0 ? TL_MAXIMIZE : TL_MINIMIZE;
    }
    options.directions = n > 0 ? directions : NULL;
    options.n_directions = n;
    options.load_if_exists = true;
    if (tl_study_create(o->c->storage, v->name, &options, &o->study, &err) != 0) {
        return cli_fail(o->c, &err);
    }
    if (tl_study_view(o->study, &view, &err) != 0) {
        return cli_fail(o->c, &err);
    }
    tl_view_directions(view, &o->rules.n_values);
    tl_view_close(view);
    return check_rules(o, v);
}

static int fill_queue(struct optimizer *o, const struct optimize_values *v)
{
    for (size_t i = 0; i < v->fixed.n; i++) {
        struct tl_err err = TL_ERR_INIT;
        struct tl_fixed_param *fixed;
        size_t n;
        if (search_space_fixed(&o->space, str_of(v->fixed.items[i]), &fixed, &n, &err) != 0) {
            return bad_text(o->c, "--enqueue", v->fixed.items[i], &err);
        }
        if (o->study && tl_study_enqueue(o->study, fixed, n, NULL, 0, true, NULL, &err) != 0) {
            return cli_fail(o->c, &err);
        }
    }
    return 0;
}

static int make_slots(struct optimizer *o)
{
    o->scratch = mem_zalloc(o->rules.n_values, sizeof *o->scratch);
    o->slots = mem_zalloc(o->n_slots, sizeof *o->slots);
    if (!o->scratch || !o->slots) {
        return cli_nomem(o->c);
    }
    for (size_t i = 0; i < o->n_slots; i++) {
        struct slot *s = &o->slots[i];
        *s = (struct slot){.o = o, .child = CHILD_INIT, .log_out = -1, .log_err = -1};
        s->out_line = s->err_line = s->complaint = (struct buf)BUF_INIT(8192);
        s->values = mem_zalloc(o->space.n + 1, sizeof *s->values);
        if (!s->values) {
            return cli_nomem(o->c);
        }
    }
    return 0;
}

static int make_log_dir(struct optimizer *o, const struct optimize_values *v)
{
    o->log_dir = v->log_dir;
    if (o->log_dir && mkdir(o->log_dir, 0777) != 0 && errno != EEXIST) {
        return cli_error(o->c, errno == EACCES ? TL_EACCESS : TL_EIO, "cannot create '%s': %s", o->log_dir, strerror(errno));
    }
    return 0;
}

/* ---- the end ---- */

static void add_param(const struct tl_param *p, struct buf *out)
{
    struct tl_value v;
    buf_printf(out, "    %.*s = ", (int)p->name.len, p->name.s);
    if (!p->has_value || !p->dist || tl_dist_external(p->dist, p->internal, &v, NULL) != 0) {
        buf_add_char(out, '?');
    } else {
        space_value_text(p->dist, p->internal, out, NULL);
    }
    buf_add_char(out, '\n');
}

static void add_best_trial(const tl_view *view, int64_t number, struct buf *out)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    if (tl_view_trial(view, number, &t, NULL) == 0) {
        buf_printf(out, "best: trial %lld with", (long long)number);
        for (size_t i = 0; i < t.n_values && t.has_values; i++) {
            buf_add_char(out, ' ');
            json_put_double(out, t.values[i]);
        }
        buf_add_char(out, '\n');
        for (size_t i = 0; i < t.n_params; i++) {
            add_param(&t.params[i], out);
        }
    }
    tl_frozen_release(&t);
}

static void add_counts(const tl_view *view, struct buf *out)
{
    static const struct {
        enum tl_state state;
        const char *word;
    } kinds[] = {{TL_COMPLETE, "complete"}, {TL_PRUNED, "pruned"}, {TL_FAIL, "failed"}, {TL_RUNNING, "running"},
                 {TL_WAITING, "waiting"}};
    size_t n = tl_view_n_trials(view);
    buf_printf(out, "study '%s': %zu trial%s", tl_view_study_name(view), n, n == 1 ? "" : "s");
    for (size_t i = 0, shown = 0; i < TL_COUNT(kinds); i++) {
        size_t count = tl_view_count(view, kinds[i].state);
        if (count > 0) {
            buf_printf(out, "%s%zu %s", shown++ ? ", " : ": ", count, kinds[i].word);
        }
    }
    buf_add_char(out, '\n');
}

/* What the study has now, and the exit status: 1 when this run completed no trial although it ran some, or when the study has
 * none that is complete. */
static int sum_up(struct optimizer *o)
{
    struct buf b = BUF_INIT(64u << 20);
    struct tl_err err = TL_ERR_INIT;
    tl_view *view;
    size_t n_front;
    if (tl_study_view(o->study, &view, &err) != 0) {
        return o->status ? o->status : cli_fail(o->c, &err);
    }
    int status = o->status;
    if (status == 0 && (tl_view_count(view, TL_COMPLETE) == 0 || (o->n_failed > 0 && o->n_complete == 0))) {
        status = 1;
    }
    add_counts(view, &b);
    if (o->rules.n_values == 1 && tl_view_best(view) >= 0) {
        add_best_trial(view, tl_view_best(view), &b);
    }
    if (o->rules.n_values > 1) {
        tl_view_front(view, &n_front);
        buf_printf(&b, "best: %zu trial%s on the Pareto front (trialog best-trials)\n", n_front, n_front == 1 ? "" : "s");
    }
    if (status <= 1 && o->max_failures > 0 && o->failures_in_row >= o->max_failures) {
        status = 1;
        cli_say(o->c, CLI_WARNING, "ended after %llu failed trials in a row (--max-failures)",
                (unsigned long long)o->failures_in_row);
    }
    if (!o->json && !o->c->g.quiet && !b.failed) {
        int failed = cli_write(o->c, b.data, b.len);
        status = status ? status : failed;
    }
    tl_view_close(view);
    buf_release(&b);
    return status;
}

static void release(struct optimizer *o)
{
    for (size_t i = 0; o->slots && i < o->n_slots; i++) {
        optimize_slot_release(&o->slots[i]);
    }
    mem_free(o->slots);
    mem_free(o->scratch);
    tl_study_free(o->study);
    for (size_t i = 0; i < o->rules.n_patterns; i++) {
        regfree(&o->rules.patterns[i]);
    }
    mem_free(o->rules.patterns);
    mem_free(o->rules.fields);
    command_template_release(&o->words);
    mem_free(o->ask_space);
    search_space_release(&o->space);
}

static enum progress_mode progress_mode(const struct optimizer *o, const char *how)
{
    if (strcmp(how, "auto") == 0) {
        return o->c->g.quiet ? PROGRESS_NONE : PROGRESS_BAR;
    }
    return strcmp(how, "bar") == 0 ? PROGRESS_BAR : strcmp(how, "lines") == 0 ? PROGRESS_LINES : PROGRESS_NONE;
}

static int work(struct optimizer *o, const struct optimize_values *v)
{
    struct progress_facts facts;
    struct tl_err err = TL_ERR_INIT;
    int status = fill_queue(o, v);
    if (status == 0) {
        status = make_slots(o);
    }
    if (status) {
        return status;
    }
    if (optimize_facts(o, &facts, &err) != 0) {
        return cli_fail(o->c, &err);
    }
    enum progress_mode mode = progress_mode(o, v->progress);
    progress_init(&o->progress, mode, facts.finished, optimize_now_ns());
    if (o->json && o->progress.mode == PROGRESS_LINES && strcmp(v->progress, "lines") != 0) {
        o->progress.mode = PROGRESS_NONE;
    }
    if (facts.finished > 0) {
        cli_say(o->c, CLI_INFO, "study '%s' goes on with %llu finished trials", o->study_name,
                (unsigned long long)facts.finished);
    }
    optimize_loop(o);
    return sum_up(o);
}

/* Everything on the command line is read before the journal is touched. */
static int read_values(struct optimizer *o, const struct optimize_values *v)
{
    int status = read_limits(o, v);
    if (status == 0) {
        status = cli_lease(o->c, &v->lease, &v->retry_lost);
    }
    if (status == 0) {
        status = read_space(o, v);
    }
    if (status == 0) {
        status = fill_queue(o, v); /* reads only: there is no study yet */
    }
    if (status == 0) {
        status = read_rules(o, v);
    }
    if (status == 0) {
        status = read_words(o, v);
    }
    o->study_name = v->name;
    o->json = v->json;
    return status ? status : make_log_dir(o, v);
}

static int several_objectives(const struct optimizer *o)
{
    return cli_usage(o->c, "--pruner is for studies with one objective");
}

static int run_optimize(struct cli *c, void *values)
{
    const struct optimize_values *v = values;
    struct optimizer o = {.c = c};
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    int status = read_values(&o, v);
    if (status == 0) {
        status = make_sampler(&o, v, &options.sampler);
    }
    if (status == 0) {
        status = cli_pruner(c, v->pruner, v->pruner_kwargs, &options.pruner);
    }
    o.prunes = options.pruner && strcmp(tl_pruner_name(options.pruner), "nop") != 0;
    if (status == 0 && o.prunes && v->directions.n > 1) {
        status = several_objectives(&o);
    }
    o.pruner = v->pruner;
    o.pruner_kwargs = v->pruner_kwargs;
    cli_catch_stop(c);
    if (status == 0) {
        status = cli_open(c, CLI_CREATE);
    }
    if (status == 0) {
        status = open_study(&o, v, &options);
    }
    if (status == 0 && o.prunes && o.rules.n_values != 1) {
        status = several_objectives(&o);
    }
    if (status == 0) {
        status = work(&o, v);
    }
    if (cli_stops > 0) {
        status = 128 + (int)cli_stop_signal;
    }
    release(&o);
    tl_sampler_free(options.sampler);
    tl_pruner_free(options.pruner);
    return status;
}

const struct command cmd_optimize = {
    "optimize", "Trials", "Run a program again and again with other parameters.",
    "Creates the study or joins it, and runs CMD once per trial. The value is the last\n"
    "line that CMD prints (several objectives: several numbers), unless --value-json or\n"
    "--value-pattern says otherwise. CMD may print 'trialog-report STEP VALUE' for\n"
    "intermediate values and 'trialog-attr KEY JSON' for attributes. Parameters are also\n"
    "in the environment, as TRIALOG_PARAM_NAME. A CMD that fails or prints no value is a\n"
    "failed trial. Ctrl-C ends everything cleanly, and the same command goes on where it\n"
    "stopped. The same command may run many times at once, on many machines: they share\n"
    "the study, and --trials is the total.\n"
    "\n"
    "  trialog optimize --storage s.journal --study-name s --trials 100 --jobs 4 \\\n"
    "      --param 'lr=float(1e-5,1e-1,log)' --param 'depth=int(2,12)' -- ./train {lr} {depth}",
    optimize_opts, sizeof(struct optimize_values), run_optimize, false,
};
