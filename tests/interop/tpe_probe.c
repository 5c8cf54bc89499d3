/* SPDX-License-Identifier: MIT
 *
 * tpe_probe JOURNAL: what the TPE sampler makes of a study, for tpe_vs_optuna.py. Reads lines:
 *   study NAME [OPTION=VALUE…]   opens it with a sampler of these options
 *   good                         prints the numbers of the good trials
 *   space NAME…                  enters the space of these parameters
 *   at VALUE…                    prints ln l and ln g there (internal values, in the order of the names)
 *   ask                          prints what the sampler proposes jointly for the next trial: NAME=VALUE…
 */
#include "sampler/tpe.h"

#include <trialog/trialog.h>

#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 64

static tl_storage *storage;
static tl_view *view;
static struct tpe_rules rules;
static struct model *model;
static tl_sampler *sampler;
static struct visit visit;
static bool inside;
static struct tl_err err = TL_ERR_INIT;

static void need(int rc)
{
    if (rc != TL_OK) {
        fprintf(stderr, "tpe_probe: %s\n", err.message);
        exit(1);
    }
}

static void leave(void)
{
    if (inside) {
        model_leave(&visit);
    }
    inside = false;
}

static void close_study(void)
{
    leave();
    model_unref(model);
    tl_sampler_free(sampler);
    tl_view_close(view);
    model = NULL;
    sampler = NULL;
    view = NULL;
}

static void open_study(char **words, size_t n)
{
    struct tl_option options[WORDS_MAX];
    int64_t id;
    for (size_t i = 1; i < n; i++) {
        char *equals = strchr(words[i], '=');
        *equals = '\0';
        options[i - 1] = (struct tl_option){words[i], equals + 1};
    }
    need(tpe_rules_read(&rules, options, n - 1, &err));
    need(tl_sampler_create("tpe", options, n - 1, &sampler, &err));
    need(tl_storage_find_study(storage, words[0], &id, &err));
    need(tl_view_open(storage, id, true, &view, &err));
    model = model_new(1, &rules);
}

/* The distribution that the newest trial with this parameter has. */
static const struct tl_dist *dist_of(const char *name)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT; /* what it points to lives as long as the view */
    for (int64_t i = (int64_t)tl_view_n_trials(view) - 1; i >= 0; i--) {
        need(tl_view_trial(view, i, &t, &err));
        for (size_t k = 0; k < t.n_params; k++) {
            if (strcmp(t.params[k].name.s, name) == 0) {
                const struct tl_dist *d = t.params[k].dist;
                tl_frozen_release(&t);
                return d;
            }
        }
    }
    fprintf(stderr, "tpe_probe: nobody has %s\n", name);
    exit(1);
}

static void enter(char **words, size_t n)
{
    struct tl_assignment dims[WORDS_MAX];
    leave();
    for (size_t i = 0; i < n; i++) {
        dims[i] = (struct tl_assignment){words[i], dist_of(words[i]), 0};
    }
    need(model_enter(&visit, model, view, (int64_t)tl_view_n_trials(view), dims, n, &err));
    inside = true;
}

static void densities(char **words, size_t n)
{
    double x[WORDS_MAX], good, rest;
    for (size_t i = 0; i < n; i++) {
        x[i] = strtod(words[i], NULL);
    }
    size_t most = parzen_scratch(visit.space->good, 1) + parzen_scratch(visit.space->rest, 1);
    void *scratch = malloc(most + 1);
    parzen_log_density(visit.space->good, x, 1, &good, scratch);
    parzen_log_density(visit.space->rest, x, 1, &rest, scratch);
    free(scratch);
    printf("%.17g %.17g %zu %zu\n", good, rest, parzen_count(visit.space->good),
           parzen_count(visit.space->rest));
}

static void good_trials(void)
{
    if (!model->started) {
        struct tl_dist any = TL_FLOAT_RANGE(0, 1);
        struct tl_assignment dim = {"no such parameter", &any, 0};
        need(model_enter(&visit, model, view, -1, &dim, 1, &err));
        model_leave(&visit);
    }
    for (size_t i = 0; i < history_rows(&model->history); i++) {
        const struct tpe_point *p = history_point(&model->history, i);
        if (p->good) {
            printf("%lld ", (long long)p->number);
        }
    }
    printf("\n");
}

static int show(void *ctx, const struct tl_assignment *a)
{
    (void)ctx;
    printf("%s=%.17g ", a->name, a->internal);
    return 0;
}

static void ask(void)
{
    struct tl_sample_context c = {view, tl_view_study_id(view), (int64_t)tl_view_n_trials(view), 1, NULL};
    need(sampler->ops.relative(sampler->self, &c, show, NULL, NULL, &err));
    printf("\n");
}

int main(int argc, char **argv)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    char line[8192], *words[WORDS_MAX];
    options.read_only = true;
    if (argc != 2) {
        return 2;
    }
    need(tl_storage_open(argv[1], &options, &storage, &err));
    while (fgets(line, sizeof line, stdin)) {
        size_t n = 0;
        for (char *p = strtok(line, " \n"); p && n < WORDS_MAX; p = strtok(NULL, " \n")) {
            words[n++] = p;
        }
        if (n == 0) {
            continue;
        }
        if (strcmp(words[0], "study") == 0) {
            close_study();
            open_study(words + 1, n - 1);
        } else if (strcmp(words[0], "good") == 0) {
            good_trials();
        } else if (strcmp(words[0], "space") == 0) {
            enter(words + 1, n - 1);
        } else if (strcmp(words[0], "at") == 0) {
            densities(words + 1, n - 1);
        } else if (strcmp(words[0], "ask") == 0) {
            ask();
        }
        fflush(stdout);
    }
    close_study();
    tl_storage_close(storage);
    return 0;
}
