/* SPDX-License-Identifier: MIT
 *
 * What a pruner's decision costs: a study in memory with N finished trials of 20 reports, then trials that run and ask at a step, while
 * others finish in between. Prints one line of JSON: microseconds of processor time of the first question at a step (all of the study is
 * read), and of those after it.
 *
 *   bench_prune N PRUNER [OPTION=VALUE ...]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trialog/trialog.h>

#define STEPS  20
#define ROUNDS 400

static struct tl_err err = TL_ERR_INIT;

static void need(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "bench_prune: %s\n", err.message);
        exit(1);
    }
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double noise(void)
{
    static unsigned long long x = 88172645463325252ULL;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (double)(x >> 11) / 9007199254740992.0;
}

/* A finished trial: reports that fall, and the rungs that successive halving would have left (steps 1, 4, 16). */
static void add(tl_storage *storage, int64_t study)
{
    static const char *const keys[] = {"completed_rung_0", "completed_rung_1", "completed_rung_2"};
    static const int rung_steps[] = {1, 4, 16};
    struct tl_report_spec reports[STEPS];
    struct tl_attr_spec attrs[3];
    char texts[3][32];
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    double level = noise(), value = level;
    for (int i = 0; i < STEPS; i++) {
        reports[i] = (struct tl_report_spec){i, level + noise() / (i + 1)};
    }
    for (int i = 0; i < 3 && (i == 0 || level < 0.25 * (3 - i)); i++) {
        snprintf(texts[i], sizeof texts[i], "%.6f", reports[rung_steps[i]].value);
        attrs[spec.n_attrs++] = (struct tl_attr_spec){TL_ATTR_SYSTEM, keys[i], texts[i]};
    }
    spec.state = TL_COMPLETE;
    spec.values = &value;
    spec.n_values = 1;
    spec.reports = reports;
    spec.n_reports = STEPS;
    spec.attrs = attrs;
    need(tl_storage_create_trial(storage, study, &spec, NULL, NULL, &err));
}

/* A trial that runs up to `step` and asks there. */
static double ask(tl_study *study, int step)
{
    bool prune;
    tl_trial *t;
    double level = 0.2 * noise();
    need(tl_study_ask(study, NULL, &t, &err));
    for (int i = 0; i <= step; i++) {
        need(tl_trial_report(t, i, level + noise() / (i + 1), &err));
    }
    double start = now_us();
    need(tl_trial_should_prune(t, &prune, &err));
    double us = now_us() - start;
    need(tl_study_tell(study, t, TL_PRUNED, NULL, 0, NULL, &err));
    return us;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    struct tl_option options[16];
    static double us[ROUNDS];
    tl_storage *storage;
    tl_study *study;
    if (argc < 3 || argc > 18) {
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals) {
            return 2;
        }
        *equals = '\0';
        options[i - 3] = (struct tl_option){argv[i], equals + 1};
    }
    need(tl_pruner_create(argv[2], options, (size_t)argc - 3, &o.pruner, &err));
    need(tl_storage_open("memory://", NULL, &storage, &err));
    need(tl_study_create(storage, "bench", &o, &study, &err));
    for (long n = strtol(argv[1], NULL, 10); n > 0; n--) {
        add(storage, tl_study_id(study));
    }
    double first = ask(study, 4);
    for (int i = 0; i < ROUNDS; i++) {
        add(storage, tl_study_id(study));
        us[i] = ask(study, 4);
    }
    qsort(us, ROUNDS, sizeof *us, ascending);
    printf("{\"first_us\": %.2f, \"us\": %.2f, \"p99_us\": %.2f}\n", first, us[ROUNDS / 2], us[ROUNDS * 99 / 100]);
    tl_study_free(study);
    tl_pruner_free(o.pruner);
    tl_storage_close(storage);
    return 0;
}
