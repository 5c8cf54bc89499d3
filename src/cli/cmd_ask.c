/* SPDX-License-Identifier: MIT
 *
 * Commands that run trials from outside: ask, tell, enqueue. (report is in cmd_report.c.)
 *
 * ask creates a trial (or takes the oldest queued one) and prints its parameters; tell writes final values by the trial's number.
 * Neither reads more of the study than the one trial.
 */
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "cli/commands.h"
#include "cli/dist_json.h"
#include "cli/out.h"

#include <stdio.h>

#define STUDY_HELP "the study's name; may be left out when the journal has a single study"

/* ---- ask ---- */

struct ask_values {
    const char *name, *sampler, *kwargs, *space, *format;
    struct opt_int lease, retry_lost;
    bool json, flatten;
};
static const struct opt ask_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct ask_values, name), "STUDY", NULL, NULL, STUDY_HELP},
    {OPT_TEXT, "sampler", 0, 0, offsetof(struct ask_values, sampler), "SAMPLER", NULL, NULL,
     "who chooses the parameters: tpe (the default), random, grid, or Optuna's name for one of them"},
    {OPT_TEXT, "sampler-kwargs", 0, 0, offsetof(struct ask_values, kwargs), "JSON", NULL, NULL,
     "the sampler's options as a JSON object, such as {\"seed\": 1}"},
    {OPT_TEXT, "search-space", 0, 0, offsetof(struct ask_values, space), "JSON", NULL, NULL,
     "the parameters: a JSON object of names and distributions"},
    {OPT_DURATION, "lease", 0, 0, offsetof(struct ask_values, lease), "TIME", NULL, NULL,
     "fail the trial when it shows no sign of life (report, tell) for this time, such as 10m. Default: 0, never"},
    {OPT_INT, "retry-lost", 0, 0, offsetof(struct ask_values, retry_lost), "N", NULL, NULL,
     "with --lease: put the trial back into the queue when it is lost, up to N times. Default: 0"},
    {OPT_CHOICE, "format", 'f', 0, offsetof(struct ask_values, format), "FORMAT", OUT_FORMATS, "json",
     "how to print"},
    {OPT_FLAG, "json", 0, OPT_HIDDEN, offsetof(struct ask_values, json), NULL, NULL, NULL,
     "short for --format json"},
    {OPT_FLAG, "flatten", 0, 0, offsetof(struct ask_values, flatten), NULL, NULL, NULL,
     "a column for each parameter"},
    OPT_TABLE_END,
};

struct asked {
    struct cli *c;
    const struct tl_frozen_trial *trial;
    bool with_params; /* there is a column of params even when there is none */
};

static int read_asked(void *ctx, size_t record, struct nodes *ns, struct node **cells)
{
    const struct asked *a = ctx;
    struct tl_err err = TL_ERR_INIT;
    (void)record;
    cells[0] = node_int(ns, a->trial->number);
    size_t n = 1;
    for (size_t i = 0; i < a->trial->n_params; i++) {
        const struct tl_param *p = &a->trial->params[i];
        struct tl_value value;
        if (!p->has_value) {
            continue;
        }
        if (tl_dist_external(p->dist, p->internal, &value, &err)) {
            return cli_fail(a->c, &err);
        }
        cells[n++] = node_value(ns, &value);
    }
    if (n == 1 && a->with_params) {
        cells[n] = node_new(ns, NODE_DICT);
    }
    return 0;
}

static int print_asked(struct cli *c, const struct ask_values *v, const struct tl_frozen_trial *trial)
{
    struct asked asked = {c, trial, !v->flatten};
    size_t n = 1;
    struct out_column *columns = arena_alloc(&c->memory, (trial->n_params + 2) * sizeof *columns);
    if (!columns) {
        return cli_nomem(c);
    }
    columns[0] = (struct out_column){.group = "number", .place = -1};
    for (size_t i = 0; i < trial->n_params; i++) {
        struct str name = {trial->params[i].name.s ? trial->params[i].name.s : "", trial->params[i].name.len};
        if (trial->params[i].has_value) {
            columns[n++] = (struct out_column){.group = "params", .name = name, .place = -1};
        }
    }
    if (n == 1 && !v->flatten) {
        columns[n++] = (struct out_column){.group = "params", .place = -1};
    }
    struct out_records records = {columns, n, 1, true, read_asked, &asked};
    return out_records(c, &records, v->json ? "json" : v->format, v->flatten);
}

/* Shows a trial that has been asked for. */
static int show_asked(struct cli *c, const struct ask_values *v, tl_study *study, int64_t number)
{
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_view *view = NULL;
    int rc = tl_study_view(study, &view, &err);
    rc = rc ? rc : tl_view_trial(view, number, &trial, &err);
    int status = rc ? cli_fail(c, &err) : print_asked(c, v, &trial);
    tl_frozen_release(&trial);
    if (view) {
        tl_view_close(view);
    }
    return status;
}

static int ask(struct cli *c, const struct ask_values *v, tl_study *study, const struct tl_param_spec *space,
               size_t n_space)
{
    struct tl_ask_options options = TL_ASK_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_trial *trial = NULL;
    options.space = space;
    options.n_space = n_space;
    int rc = tl_study_ask(study, &options, &trial, &err);
    rc = rc ? rc : tl_trial_flush(trial, &err);
    int64_t number = rc ? -1 : tl_trial_number(trial);
    tl_trial_free(trial);
    if (rc) {
        return cli_fail(c, &err);
    }
    cli_say(c, CLI_INFO, "asked for trial %lld", (long long)number);
    return show_asked(c, v, study, number);
}

static int run_ask(struct cli *c, void *values)
{
    const struct ask_values *v = values;
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    struct tl_param_spec *space = NULL;
    struct nodes ns = {{0}, false};
    tl_sampler *sampler = NULL;
    tl_study *study = NULL;
    size_t n_space = 0;
    int status = cli_lease(c, &v->lease, &v->retry_lost);
    if (status) {
        return status;
    }
    status = v->space ? dist_json_space(c, &ns, "search-space", v->space, &space, &n_space) : 0;
    status = status ? status : cli_sampler(c, v->sampler, v->kwargs, space, n_space, &sampler);
    status = status ? status : cli_open(c, 0);
    options.sampler = sampler;
    status = status ? status : cli_load_study(c, v->name, &options, &study);
    status = status ? status : ask(c, v, study, space, n_space);
    tl_study_free(study);
    tl_sampler_free(sampler);
    arena_release(&ns.arena);
    return status;
}

const struct command cmd_ask = {
    .name = "ask",
    .group = "Trials",
    .help = "Begin a trial and print its number and parameters.",
    .about =
        "The oldest queued trial (see enqueue) comes first; otherwise a new one is created.\n"
        "End it with tell.\n\n"
        "Example:\n"
        "  trialog ask --study-name s --search-space '{\"x\": {\"type\": \"float\", \"low\": 0, \"high\": 1}}'",
    .opts = ask_opts,
    .values_size = sizeof(struct ask_values),
    .run = run_ask,
};

/* ---- tell ---- */

struct tell_values {
    const char *name, *state;
    struct opt_int number;
    struct opt_numbers values;
    bool skip;
};
static const struct opt tell_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct tell_values, name), "STUDY", NULL, NULL, STUDY_HELP},
    {OPT_INT, "trial-number", 0, OPT_REQUIRED, offsetof(struct tell_values, number), "NUMBER", NULL, NULL,
     "the trial to end"},
    {OPT_NUMBERS, "values", 0, 0, offsetof(struct tell_values, values), "VALUE", NULL, NULL,
     "the objective values, one for each objective"},
    {OPT_CHOICE, "state", 0, 0, offsetof(struct tell_values, state), "STATE", "complete|pruned|fail", NULL,
     "how it ended. Default: complete, or fail when the values cannot be used"},
    {OPT_FLAG, "skip-if-finished", 0, 0, offsetof(struct tell_values, skip), NULL, NULL, NULL,
     "a trial that has finished already is no error; it stays as it is"},
    OPT_TABLE_END,
};

/* What a state and values must look like together; *state is what to write. */
static int check_tell(struct cli *c, const struct tell_values *v, size_t n_directions, enum tl_state *state)
{
    const char *word = v->state ? v->state : "";
    bool nan = false;
    for (size_t i = 0; i < v->values.n; i++) {
        nan = nan || v->values.items[i] != v->values.items[i];
    }
    *state = strcmp(word, "pruned") == 0 ? TL_PRUNED : strcmp(word, "fail") == 0 ? TL_FAIL : TL_COMPLETE;
    if (*state != TL_COMPLETE) {
        return v->values.set ? cli_usage(c, "--values go with --state complete only") : 0;
    }
    if (v->state && !v->values.set) {
        return cli_usage(c, "--state complete needs --values");
    }
    if (v->state && nan) {
        return cli_error(c, TL_EINVAL, "--values: nan is no value of a complete trial");
    }
    if (v->state && v->values.n != n_directions) {
        return cli_error(c, TL_EINVAL, "--values: %zu given, but the study has %zu objective%s", v->values.n,
                         n_directions, n_directions == 1 ? "" : "s");
    }
    if (!v->state && (!v->values.set || nan || v->values.n != n_directions)) {
        *state = TL_FAIL;
        cli_say(c, CLI_WARNING, "%s: the trial counts as failed",
                !v->values.set ? "no values"
                : nan          ? "nan is no value"
                               : "the number of values is not that of the objectives");
    }
    return 0;
}

static int tell(struct cli *c, const struct tell_values *v, tl_study *study, const tl_view *view)
{
    struct tl_err err = TL_ERR_INIT;
    long long number = v->number.value;
    int now = tl_view_trial_state(view, number);
    enum tl_state state;
    size_t n_directions;
    if (now < 0) {
        return cli_error(c, TL_ENOTFOUND, "there is no trial %lld in '%s'", number, tl_study_name(study));
    }
    if (now == TL_WAITING) {
        return cli_error(c, TL_EINVAL, "trial %lld is waiting in the queue: ask begins it", number);
    }
    if (TL_STATE_IS_FINISHED(now) && v->skip) {
        cli_say(c, CLI_INFO, "trial %lld has finished already (%s)", number, tl_state_name(now));
        return 0;
    }
    if (TL_STATE_IS_FINISHED(now)) {
        return cli_error(c, TL_EFINISHED,
                         "trial %lld has finished already (%s); --skip-if-finished makes that no error", number,
                         tl_state_name(now));
    }
    tl_view_directions(view, &n_directions);
    int status = check_tell(c, v, n_directions, &state);
    if (status) {
        return status;
    }
    const double *values = state == TL_COMPLETE ? v->values.items : NULL;
    size_t n_values = state == TL_COMPLETE ? v->values.n : 0;
    if (tl_study_tell_number(study, number, state, values, n_values, v->skip, NULL, &err)) {
        return cli_fail(c, &err);
    }
    return 0;
}

static int run_tell(struct cli *c, void *values)
{
    const struct tell_values *v = values;
    struct tl_err err = TL_ERR_INIT;
    tl_study *study = NULL;
    tl_view *view = NULL;
    int status = cli_open(c, 0);
    status = status ? status : cli_load_study(c, v->name, NULL, &study);
    if (status == 0 && tl_study_view(study, &view, &err)) {
        status = cli_fail(c, &err);
    }
    status = status ? status : tell(c, v, study, view);
    if (view) {
        tl_view_close(view);
    }
    tl_study_free(study);
    return status;
}

const struct command cmd_tell = {
    .name = "tell",
    .group = "Trials",
    .help = "End a trial that ask began.",
    .opts = tell_opts,
    .values_size = sizeof(struct tell_values),
    .run = run_tell,
};

/* ---- enqueue ---- */

struct enqueue_values {
    const char *name, *params, *attrs;
    struct opt_list words;
    bool skip;
};
static const struct opt enqueue_opts[] = {
    {OPT_TEXT, "study-name", 0, 0, offsetof(struct enqueue_values, name), "STUDY", NULL, NULL, STUDY_HELP},
    {OPT_TEXT, "params", 0, 0, offsetof(struct enqueue_values, params), "JSON", NULL, NULL,
     "fixed parameters as a JSON object of names and values"},
    {OPT_TEXT, "user-attrs", 0, 0, offsetof(struct enqueue_values, attrs), "JSON", NULL, NULL,
     "user attributes of the trial as a JSON object"},
    {OPT_FLAG, "skip-if-exists", 0, 0, offsetof(struct enqueue_values, skip), NULL, NULL, NULL,
     "do nothing when a trial with the same parameters exists already"},
    {OPT_OPERANDS, "NAME=VALUE", 0, 0, offsetof(struct enqueue_values, words), NULL, NULL, NULL,
     "a fixed parameter; a VALUE that is no JSON number, string, true, false or null is taken as a string"},
    OPT_TABLE_END,
};

/* A JSON object given to an option; NULL for none. */
static int read_object(struct cli *c, struct nodes *ns, const char *option, const char *text, struct node **out)
{
    struct tl_err err = TL_ERR_INIT;
    *out = text ? node_parse(ns, str_of(text), &err) : NULL;
    if (text && !*out) {
        return ns->failed ? cli_nomem(c) : cli_error(c, TL_EINVAL, "--%s: %s", option, err.message);
    }
    if (*out && (*out)->kind != NODE_DICT) {
        return cli_error(c, TL_EINVAL, "--%s must be a JSON object", option);
    }
    for (const struct node *n = *out ? (*out)->u.kids.first : NULL; n; n = n->next) {
        if (n->key.n && memchr(n->key.p, 0, n->key.n)) {
            return cli_error(c, TL_EINVAL, "--%s: a name may not hold a NUL character", option);
        }
    }
    return 0;
}

/* NAME=VALUE words as further members of the object. */
static int read_words(struct cli *c, struct nodes *ns, const struct opt_list *words, struct node *params)
{
    for (size_t i = 0; i < words->n; i++) {
        const char *equals = strchr(words->items[i], '=');
        if (!equals || equals == words->items[i]) {
            return cli_usage(c, "'%s' is not NAME=VALUE", words->items[i]);
        }
        char *name = node_keep(ns, (struct str){words->items[i], (size_t)(equals - words->items[i])});
        if (name && node_get(params, name)) {
            return cli_usage(c, "the parameter '%s' is given twice", name);
        }
        struct node *value = node_parse(ns, str_of(equals + 1), NULL);
        if (!value && !ns->failed) {
            value = node_string(ns, str_of(equals + 1));
        }
        node_add(ns, params, str_of(name ? name : ""), value);
    }
    return ns->failed ? cli_nomem(c) : 0;
}

static int enqueue(struct cli *c, const struct enqueue_values *v, struct nodes *ns, const struct node *params,
                   const struct node *attrs, tl_study *study)
{
    struct tl_err err = TL_ERR_INIT;
    size_t n_params = 0, n_attrs = 0, most = params->u.kids.n + (attrs ? attrs->u.kids.n : 0) + 1;
    struct tl_fixed_param *fixed = arena_alloc(&ns->arena, most * sizeof *fixed);
    struct tl_attr_spec *specs = arena_alloc(&ns->arena, most * sizeof *specs);
    int64_t number = -1;
    if (!fixed || !specs) {
        return cli_nomem(c);
    }
    for (const struct node *n = params->u.kids.first; n; n = n->next, n_params++) {
        fixed[n_params].name = node_keep(ns, n->key);
        node_to_value(ns, n, &fixed[n_params].value);
    }
    for (const struct node *n = attrs ? attrs->u.kids.first : NULL; n; n = n->next, n_attrs++) {
        struct buf json = BUF_INIT(SIZE_MAX / 2);
        node_json(&json, n);
        ns->failed = ns->failed || json.failed;
        char *text = node_keep(ns, (struct str){json.data, json.len});
        specs[n_attrs] = (struct tl_attr_spec){TL_ATTR_USER, node_keep(ns, n->key), text};
        buf_release(&json);
    }
    if (ns->failed) {
        return cli_nomem(c);
    }
    if (tl_study_enqueue(study, fixed, n_params, specs, n_attrs, v->skip, &number, &err)) {
        return cli_fail(c, &err);
    }
    if (number < 0) {
        cli_say(c, CLI_INFO, "a trial with these parameters exists already");
        return 0;
    }
    struct out o;
    out_begin(&o, c, NULL);
    buf_printf(&o.b, "%lld\n", (long long)number);
    return out_end(&o, 0);
}

static int run_enqueue(struct cli *c, void *values)
{
    const struct enqueue_values *v = values;
    struct nodes ns = {{0}, false};
    struct node *params, *attrs = NULL;
    tl_study *study = NULL;
    int status = read_object(c, &ns, "params", v->params, &params);
    status = status ? status : read_object(c, &ns, "user-attrs", v->attrs, &attrs);
    if (status == 0 && !params) {
        params = node_new(&ns, NODE_DICT);
    }
    if (status == 0 && !params) {
        status = cli_nomem(c);
    }
    status = status ? status : read_words(c, &ns, &v->words, params);
    status = status ? status : cli_open(c, 0);
    status = status ? status : cli_load_study(c, v->name, NULL, &study);
    status = status ? status : enqueue(c, v, &ns, params, attrs, study);
    tl_study_free(study);
    arena_release(&ns.arena);
    return status;
}

const struct command cmd_enqueue = {
    .name = "enqueue",
    .group = "Trials",
    .help = "Put a trial with fixed parameters into the queue and print its number.",
    .about = "Parameters that are not fixed are chosen when the trial is begun.\n\n"
             "Example:\n"
             "  trialog enqueue --study-name s lr=0.01 optimizer=adam",
    .opts = enqueue_opts,
    .values_size = sizeof(struct enqueue_values),
    .run = run_enqueue,
};
