/* SPDX-License-Identifier: MIT
 *
 * Asks our pruners, for vs_optuna.py. Reads lines from standard input, words separated by tabs:
 *
 *   study  NAME  min|max  PRUNER  OPTION=VALUE ...   a new study in memory, with this pruner; forgets the study before
 *   add    STATE VALUE|-  STEP=VALUE,...|-  KEY=JSON ...     a trial that exists already, with system attributes
 *   ask                                              a running trial
 *   report TRIAL  STEP  VALUE
 *   prune  TRIAL                                     prints 0 or 1
 *   tell   TRIAL  STATE  VALUE|-
 *   attrs                                            prints all attributes completed_rung_... of the study
 *
 * Each question is put to a pruner made afresh as well, which has to read everything anew: unless an "auto" resource was learnt from
 * fewer trials before, it must say the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trialog/trialog.h>

#include "base/num.h"
#include "engine/study.h"

#define WORDS_MAX 64
#define TRIALS_MAX 4096

static struct tl_err err = TL_ERR_INIT;
static unsigned long line_number, n_rebuilt;

static void fail(const char *why)
{
    fprintf(stderr, "pruner_tool: line %lu: %s\n", line_number, why);
    exit(1);
}

static void need(int rc)
{
    if (rc != 0) {
        fail(err.message);
    }
}

static double number(const char *text)
{
    double v;
    const char *end = text + strlen(text);
    if (num_parse(text, end, &v, NULL) != end) {
        fail("no number");
    }
    return v;
}

static struct {
    tl_storage *storage;
    tl_study *study;
    char *pruner_name;
    struct tl_option options[WORDS_MAX];
    size_t n_options;
    tl_pruner *pruner;
    tl_trial *trials[TRIALS_MAX]; /* running ones, by number */
    bool learns; /* an "auto" resource */
} now;

static void leave(void)
{
    for (size_t i = 0; i < TRIALS_MAX; i++) {
        tl_trial_free(now.trials[i]);
        now.trials[i] = NULL;
    }
    tl_study_free(now.study);
    tl_pruner_free(now.pruner);
    for (size_t i = 0; i < now.n_options; i++) {
        free((void *)now.options[i].name);
    }
    free(now.pruner_name);
    tl_storage_close(now.storage);
    memset(&now, 0, sizeof now);
}

static void new_study(char **words, size_t n)
{
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    leave();
    need(tl_storage_open("memory://", NULL, &now.storage, &err));
    o.maximize = strcmp(words[2], "max") == 0;
    now.pruner_name = strdup(words[3]);
    now.learns = strstr(words[3], "alving") || strstr(words[3], "yperband");
    for (size_t i = 4; i < n; i++) {
        char *text = strdup(words[i]), *equals = strchr(text, '=');
        *equals = '\0';
        now.options[now.n_options++] = (struct tl_option){text, equals + 1};
        now.learns = now.learns || strstr(equals + 1, "alving") || strstr(equals + 1, "yperband");
    }
    for (size_t i = 0; i < now.n_options; i++) {
        const char *name = strrchr(now.options[i].name, '.') ? strrchr(now.options[i].name, '.') + 1 : now.options[i].name;
        if (strcmp(now.options[i].value, "auto") != 0 &&
            (strcmp(name, "max_resource") == 0 || (strcmp(name, "min_resource") == 0 && !strstr(words[3], "yperband")))) {
            now.learns = false;
        }
    }
    need(tl_pruner_create(now.pruner_name, now.options, now.n_options, &now.pruner, &err));
    o.pruner = now.pruner;
    need(tl_study_create(now.storage, words[1], &o, &now.study, &err));
}

static enum tl_state state_of(const char *name)
{
    for (int s = 0; s < 5; s++) {
        if (strcmp(tl_state_name(s), name) == 0) {
            return (enum tl_state)s;
        }
    }
    fail("no state");
    return TL_FAIL;
}

static void add_trial(char **words, size_t n)
{
    static struct tl_report_spec reports[4096];
    struct tl_attr_spec attrs[WORDS_MAX];
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    double value;
    spec.state = state_of(words[1]);
    if (strcmp(words[2], "-") != 0) {
        value = number(words[2]);
        spec.values = &value;
        spec.n_values = 1;
    }
    for (char *p = strcmp(words[3], "-") ? strtok(words[3], ",") : NULL; p; p = strtok(NULL, ",")) {
        char *equals = strchr(p, '=');
        reports[spec.n_reports++] = (struct tl_report_spec){strtoll(p, NULL, 10), number(equals + 1)};
    }
    spec.reports = reports;
    for (size_t i = 4; i < n; i++) {
        char *equals = strchr(words[i], '=');
        *equals = '\0';
        attrs[spec.n_attrs++] = (struct tl_attr_spec){TL_ATTR_SYSTEM, words[i], equals + 1};
    }
    spec.attrs = attrs;
    need(tl_storage_create_trial(now.storage, tl_study_id(now.study), &spec, NULL, NULL, &err));
}

static int drop_attr(void *ctx, const char *key, const char *json)
{
    (void)ctx, (void)key, (void)json;
    return 0;
}

/* What a pruner says that has seen nothing yet, told nothing of what the handle keeps up. */
static bool ask_anew(int64_t number_)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    struct trial_reports r = {.items = NULL};
    tl_pruner *pruner;
    tl_view *view;
    bool prune = false;
    need(tl_pruner_create(now.pruner_name, now.options, now.n_options, &pruner, &err));
    need(tl_study_view(now.study, &view, &err));
    need(tl_view_trial(view, number_, &t, &err));
    for (size_t i = 0; i < t.n_reports; i++) {
        need(reports_add(&r, t.reports[i].step, t.reports[i].value, &err));
    }
    if (r.n > 0) {
        struct tl_prune_context c = {view, tl_study_id(now.study), number_, 1, r.items, r.n, r.ranges, r.facts.last,
                                     r.facts.previous_step, !r.facts.descended, drop_attr, NULL};
        need(pruner->ops.prune(pruner->self, &c, &prune, &err));
    }
    reports_release(&r);
    tl_frozen_release(&t);
    tl_view_close(view);
    tl_pruner_free(pruner);
    return prune;
}

static void ask_pruner(int64_t number_)
{
    bool prune = false, anew = now.learns ? false : ask_anew(number_);
    need(tl_trial_should_prune(now.trials[number_], &prune, &err));
    if (!now.learns && anew != prune) {
        fail("a pruner that reads everything anew says otherwise");
    }
    n_rebuilt += !now.learns;
    printf("%d\n", prune);
}

static void show_attrs(void)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    tl_view *view;
    need(tl_study_view(now.study, &view, &err));
    for (size_t n = 0; n < tl_view_n_trials(view); n++) {
        need(tl_view_trial(view, (int64_t)n, &t, &err));
        for (size_t i = 0; i < t.n_attrs; i++) {
            const struct tl_attr *a = &t.attrs[i];
            if (a->kind == TL_ATTR_SYSTEM && a->key.len > 10 && memcmp(a->key.s, "completed_", 10) == 0) {
                printf("%zu %.*s %.*s;", n, (int)a->key.len, a->key.s, (int)a->json.len, a->json.s);
            }
        }
    }
    printf("\n");
    tl_frozen_release(&t);
    tl_view_close(view);
}

static void one_line(char *line)
{
    char *words[WORDS_MAX];
    size_t n = 0;
    for (char *p = line; p && n < WORDS_MAX; n++) {
        words[n] = p;
        p = strchr(p, '\t');
        if (p) {
            *p++ = '\0';
        }
    }
    int64_t trial = n > 1 ? strtoll(words[1], NULL, 10) : 0;
    if (strcmp(words[0], "study") == 0 && n >= 4) {
        new_study(words, n);
    } else if (strcmp(words[0], "add") == 0 && n >= 4) {
        add_trial(words, n);
    } else if (strcmp(words[0], "ask") == 0) {
        tl_trial *t;
        need(tl_study_ask(now.study, NULL, &t, &err));
        now.trials[tl_trial_number(t)] = t;
    } else if (strcmp(words[0], "report") == 0 && n == 4) {
        need(tl_trial_report(now.trials[trial], strtoll(words[2], NULL, 10), number(words[3]), &err));
    } else if (strcmp(words[0], "prune") == 0) {
        ask_pruner(trial);
    } else if (strcmp(words[0], "tell") == 0 && n == 4) {
        bool with = strcmp(words[3], "-") != 0;
        double v = with ? number(words[3]) : 0;
        need(tl_study_tell(now.study, now.trials[trial], state_of(words[2]), with ? &v : NULL, with, NULL, &err));
        now.trials[trial] = NULL;
    } else if (strcmp(words[0], "attrs") == 0) {
        show_attrs();
    } else {
        fail("what?");
    }
}

int main(void)
{
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin)) {
        line_number++;
        line[strcspn(line, "\n")] = '\0';
        one_line(line);
    }
    leave();
    fprintf(stderr, "asked anew as well: %lu times\n", n_rebuilt);
    return 0;
}
