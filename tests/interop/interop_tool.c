/* SPDX-License-Identifier: MIT
 *
 * Trialog's side of the tests with real Optuna; optuna_side.py is the other one. Public API only, linked with the
 * shared library.
 *
 *   interop_tool dump PATH                      all studies of a journal, one line of JSON
 *   interop_tool make PATH                      a journal that uses everything the API can write
 *   interop_tool work PATH STUDY INDEX TRIALS   one worker of mixed_writers.py: prints "ready", waits for "go", runs its
 *                                               trials, prints "done" and their numbers, waits for "dump", prints what
 *                                               it sees
 *
 * Doubles are printed as their bits. Any error of the library ends the program with status 1 and its message.
 */
#include <trialog/trialog.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tl_err err = TL_ERR_INIT;

static void must(int rc, const char *what)
{
    if (rc == TL_OK) {
        return;
    }
    fprintf(stderr, "interop_tool: %s: %s: %s\n", what, tl_code_name(rc), err.message);
    exit(1);
}

/* ---- printing ---- */

/* UTF-8 as it is (lone surrogates too: Python reads them), the rest escaped. */
static void print_string(const char *s, size_t n)
{
    putchar('"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void print_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (isnan(v)) {
        printf("\"nan\"");
    } else {
        printf("\"%016" PRIx64 "\"", bits);
    }
}

static void print_time(struct tl_time t)
{
    if (!t.set) {
        printf("null");
    } else {
        printf("[\"%c\",%" PRId64 "]", t.naive ? 'n' : 'u', t.us);
    }
}

static void print_value(const struct tl_value *v)
{
    switch (v->kind) {
    case TL_VALUE_NULL: printf("[\"z\"]"); break;
    case TL_VALUE_BOOL: printf("[\"b\",%s]", v->as.b ? "true" : "false"); break;
    case TL_VALUE_INT: printf("[\"i\",\"%" PRId64 "\"]", v->as.i); break;
    case TL_VALUE_FLOAT:
        printf("[\"f\",");
        print_bits(v->as.f);
        putchar(']');
        break;
    case TL_VALUE_STRING:
        printf("[\"s\",");
        print_string(v->as.text.s, v->as.text.len);
        putchar(']');
        break;
    case TL_VALUE_JSON: printf("[\"j\",%.*s]", (int)v->as.text.len, v->as.text.s); break;
    }
}

static void print_attrs(const struct tl_attr *attrs, size_t n, enum tl_attr_kind kind)
{
    const char *comma = "";
    putchar('[');
    for (size_t i = 0; i < n; i++) {
        if (attrs[i].kind != kind) {
            continue;
        }
        printf("%s[", comma);
        print_string(attrs[i].key.s, attrs[i].key.len);
        printf(",%.*s]", (int)attrs[i].json.len, attrs[i].json.s);
        comma = ",";
    }
    putchar(']');
}

static void print_dist(const struct tl_dist *d)
{
    static const char *const kinds[] = {"float", "int", "categorical"};
    printf("\"%s\"", kinds[d->kind]);
    if (d->kind == TL_DIST_CATEGORICAL) {
        printf(",[");
        for (size_t i = 0; i < d->n_choices; i++) {
            if (i) {
                putchar(',');
            }
            print_value(&d->choices[i]);
        }
        putchar(']');
        return;
    }
    const double bounds[] = {d->low, d->high, d->step};
    for (int i = 0; i < 3; i++) {
        putchar(',');
        print_bits(bounds[i]);
    }
    printf(",%s", d->log ? "true" : "false");
}

static void print_params(const struct tl_frozen_trial *t)
{
    const char *comma = "";
    printf(",[");
    for (size_t i = 0; i < t->n_params; i++) {
        struct tl_value v;
        if (!t->params[i].has_value) {
            continue;
        }
        must(tl_dist_external(t->params[i].dist, t->params[i].internal, &v, &err), "external value");
        printf("%s[", comma);
        print_string(t->params[i].name.s, t->params[i].name.len);
        putchar(',');
        print_value(&v);
        putchar(']');
        comma = ",";
    }
    printf("],[");
    for (size_t i = 0; i < t->n_params; i++) {
        printf("%s[", i ? "," : "");
        print_string(t->params[i].name.s, t->params[i].name.len);
        putchar(',');
        print_dist(t->params[i].dist);
        putchar(']');
    }
    printf("],");
}

static void print_trial(const struct tl_frozen_trial *t)
{
    printf("[%" PRId64 ",%" PRId64 ",%d,", t->id, t->number, t->state);
    print_time(t->start);
    putchar(',');
    print_time(t->complete);
    printf(t->has_values ? ",[" : ",null");
    for (size_t i = 0; i < t->n_values; i++) {
        if (i) {
            putchar(',');
        }
        print_bits(t->values[i]);
    }
    if (t->has_values) {
        putchar(']');
    }
    print_params(t);
    print_attrs(t->attrs, t->n_attrs, TL_ATTR_USER);
    putchar(',');
    print_attrs(t->attrs, t->n_attrs, TL_ATTR_SYSTEM);
    printf(",[");
    for (size_t i = 0; i < t->n_reports; i++) {
        printf("%s[%" PRId64 ",", i ? "," : "", t->reports[i].step);
        print_bits(t->reports[i].value);
        putchar(']');
    }
    printf("]]");
}

struct walk {
    tl_storage *storage;
    size_t n;
};

static int print_study(void *ctx, int64_t study_id, const char *name)
{
    struct walk *w = ctx;
    tl_view *view;
    struct tl_frozen_trial trial = TL_FROZEN_TRIAL_INIT;
    size_t n;
    must(tl_view_open(w->storage, study_id, false, &view, &err), "open a view");
    printf("%s[%" PRId64 ",", w->n++ ? "," : "", study_id);
    print_string(name, strlen(name));
    printf(",[");
    const enum tl_direction *directions = tl_view_directions(view, &n);
    for (size_t i = 0; i < n; i++) {
        printf("%s%d", i ? "," : "", directions[i]);
    }
    printf("],");
    const struct tl_attr *attrs = tl_view_study_attrs(view, &n);
    print_attrs(attrs, n, TL_ATTR_USER);
    putchar(',');
    print_attrs(attrs, n, TL_ATTR_SYSTEM);
    printf(",[");
    for (size_t i = 0; i < tl_view_n_trials(view); i++) {
        must(tl_view_trial(view, (int64_t)i, &trial, &err), "read a trial");
        if (i) {
            putchar(',');
        }
        print_trial(&trial);
    }
    printf("]]");
    tl_frozen_release(&trial);
    tl_view_close(view);
    return 0;
}

static void dump(tl_storage *storage)
{
    struct walk w = {storage, 0};
    must(tl_storage_sync(storage, &err), "sync");
    putchar('[');
    must(tl_storage_each_study(storage, print_study, &w, &err), "list studies");
    puts("]");
    fflush(stdout);
}

/* ---- a journal with everything ---- */

static void make_params(tl_trial *trial)
{
    static const struct tl_value mixed[] = {
        {.kind = TL_VALUE_NULL},
        {.kind = TL_VALUE_BOOL, .as.b = true},
        {.kind = TL_VALUE_INT, .as.i = -7},
        {.kind = TL_VALUE_FLOAT, .as.f = 0.1},
        {.kind = TL_VALUE_STRING, .as.text = {"\xe5\x90\x8d\xe5\x89\x8d \"q\" \\ \n", 13}},
        {.kind = TL_VALUE_FLOAT, .as.f = 1e300},
        {.kind = TL_VALUE_INT, .as.i = INT64_MAX},
    };
    static const char *const names[] = {"a", "", "\xf0\x9f\x98\x80"};
    double f;
    int64_t i;
    size_t at;
    must(tl_trial_suggest_float(trial, "float", -1.5, 2.5, 0, false, &f, &err), "float");
    must(tl_trial_suggest_float(trial, "log", 1e-300, 1e300, 0, true, &f, &err), "log");
    must(tl_trial_suggest_float(trial, "step", 0.1, 1.05, 0.1, false, &f, &err), "step");
    must(tl_trial_suggest_int(trial, "int", -5, 12, 3, false, &i, &err), "int");
    must(tl_trial_suggest_int(trial, "int log", 1, 1 << 20, 1, true, &i, &err), "int log");
    must(tl_trial_suggest_choice(trial, "mixed \xce\xbb", mixed, sizeof mixed / sizeof mixed[0], &at, &err),
         "choice");
    must(tl_trial_suggest_string(trial, "", names, 3, &at, &err), "string");
}

static void make_single(tl_storage *storage)
{
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    tl_study *study;
    tl_trial *trial;
    options.maximize = true;
    must(tl_study_create(storage, "single \xe2\x98\x83 \"x\"", &options, &study, &err), "create study");
    must(tl_study_set_attr(study, TL_ATTR_USER, "k\xc3\xb6y",
                           "{\"a\": [1, 2.5, null, true, \"\\ud800\"], \"n\": NaN}", &err),
         "attr");
    must(tl_study_set_attr(study, TL_ATTR_SYSTEM, "", "-0.0", &err), "attr");
    const struct tl_fixed_param fixed[] = {{"float", {.kind = TL_VALUE_FLOAT, .as.f = 0.1}},
                                           {"int", {.kind = TL_VALUE_INT, .as.i = 4}}};
    must(tl_study_enqueue(study, fixed, 2, NULL, 0, false, NULL, &err), "enqueue");
    static const double values[] = {0.1, -0.0, 5e-324, 1.7976931348623157e308, INFINITY, -INFINITY};
    for (int k = 0; k < 6; k++) {
        must(tl_study_ask(study, NULL, &trial, &err), "ask");
        make_params(trial);
        must(tl_trial_report(trial, 0, k == 0 ? NAN : values[k], &err), "report");
        must(tl_trial_report(trial, 100 + k, k == 1 ? INFINITY : 1.0 / 3, &err), "report");
        must(tl_trial_set_attr(trial, TL_ATTR_USER, "deep", "[[[[{\"x\":[1e400,-1e400]}]]]]", &err), "attr");
        must(tl_trial_set_attr(trial, TL_ATTR_SYSTEM, "sys", "\"\\ud83d\\ude00\"", &err), "attr");
        must(tl_study_tell(study, trial, TL_COMPLETE, &values[k], 1, NULL, &err), "tell");
    }
    static const enum tl_state ends[] = {TL_PRUNED, TL_FAIL};
    for (int k = 0; k < 2; k++) {
        must(tl_study_ask(study, NULL, &trial, &err), "ask");
        make_params(trial);
        must(tl_trial_report(trial, 3, 2.5, &err), "report");
        must(tl_study_tell(study, trial, ends[k], NULL, 0, NULL, &err), "tell");
    }
    must(tl_study_ask(study, NULL, &trial, &err), "ask"); /* stays RUNNING */
    make_params(trial);
    must(tl_trial_flush(trial, &err), "flush");
    tl_trial_free(trial);
    must(tl_study_enqueue(study, fixed, 1, NULL, 0, false, NULL, &err), "enqueue"); /* stays WAITING */
    tl_study_free(study);
}

static void make_added(tl_storage *storage, int64_t study_id)
{
    static const struct tl_dist dists[] = {TL_FLOAT_LOG(1e-5, 0.1), TL_INT_RANGE(-3, 9)};
    static const struct tl_param_spec params[] = {{"lr", 3.3e-4, &dists[0]}, {"n", -3, &dists[1]}};
    static const struct tl_attr_spec attrs[] = {
        {TL_ATTR_USER, "u", "1"}, {TL_ATTR_SYSTEM, "s", "{}"}, {TL_ATTR_USER, "v", "[]"}};
    static const struct tl_report_spec reports[] = {{5, 0.5}, {1, NAN}, {0, -INFINITY}};
    static const double values[] = {1.0 / 3, 2e-308};
    static const struct tl_time times[] = {
        {1700000000123456, true, false}, {-1, true, false}, {4102444800000000, true, false}};
    for (int k = 0; k < 3; k++) {
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        spec.state = k == 0 ? TL_COMPLETE : k == 1 ? TL_PRUNED : TL_FAIL;
        spec.values = k == 2 ? NULL : values;
        spec.n_values = k == 2 ? 0 : 2;
        spec.start = times[k];
        spec.complete = times[(k + 1) % 3];
        spec.params = params;
        spec.n_params = 2;
        spec.attrs = attrs;
        spec.n_attrs = 3;
        spec.reports = reports;
        spec.n_reports = 3;
        must(tl_storage_create_trial(storage, study_id, &spec, NULL, NULL, &err), "create trial");
    }
}

static void make(const char *path)
{
    static const enum tl_direction directions[] = {TL_MINIMIZE, TL_MAXIMIZE};
    struct tl_study_options options = TL_STUDY_OPTIONS_INIT;
    tl_storage *storage;
    tl_study *study;
    must(tl_storage_open(path, NULL, &storage, &err), "open");
    must(tl_study_create(storage, "deleted", NULL, &study, &err), "create study");
    tl_study_free(study);
    must(tl_study_delete(storage, "deleted", &err), "delete study");
    make_single(storage);
    options.directions = directions;
    options.n_directions = 2;
    must(tl_study_create(storage, "deleted", &options, &study, &err), "create study");
    make_added(storage, tl_study_id(study));
    tl_study_free(study);
    dump(storage);
    tl_storage_close(storage);
}

/* ---- a worker ---- */

#define ROUND 8 /* workers in all */

static void await(const char *word)
{
    char line[64];
    if (!fgets(line, sizeof line, stdin) || strncmp(line, word, strlen(word)) != 0) {
        fprintf(stderr, "interop_tool: expected '%s'\n", word);
        exit(1);
    }
}

/* Ours are far quicker than Optuna's workers: each waits until all together have kept up, so that both kinds take
 * turns. */
static void keep_pace(tl_storage *storage, int64_t study_id, size_t k)
{
    for (;;) {
        tl_view *view;
        must(tl_view_open(storage, study_id, true, &view, &err), "open a view");
        size_t n = tl_view_n_trials(view) - tl_view_count(view, TL_WAITING);
        tl_view_close(view);
        if (n + 2 * ROUND >= ROUND * k) {
            return;
        }
        must(tl_storage_wait(storage, 1000, &err), "wait");
    }
}

static void work_one(tl_study *study, int index, int k, int64_t *number)
{
    static const char *const words[] = {"red", "green", "blue"};
    tl_trial *trial;
    double x;
    int64_t n;
    size_t c;
    char who[32];
    must(tl_study_ask(study, NULL, &trial, &err), "ask");
    *number = tl_trial_number(trial);
    must(tl_trial_suggest_float(trial, "x", -10, 10, 0, false, &x, &err), "suggest x");
    must(tl_trial_suggest_int(trial, "n", 1, 100, 1, false, &n, &err), "suggest n");
    must(tl_trial_suggest_string(trial, "c", words, 3, &c, &err), "suggest c");
    snprintf(who, sizeof who, "[%d, %d]", index, k);
    must(tl_trial_set_attr(trial, TL_ATTR_USER, "who", who, &err), "attribute");
    must(tl_trial_report(trial, 0, x, &err), "report");
    must(tl_trial_report(trial, 1, x * x, &err), "report");
    double value = x * x + (double)n;
    if (k % 7 == 3) {
        must(tl_study_tell(study, trial, TL_PRUNED, NULL, 0, NULL, &err), "tell");
    } else if (k % 11 == 5) {
        must(tl_study_tell(study, trial, TL_FAIL, NULL, 0, NULL, &err), "tell");
    } else {
        must(tl_study_tell(study, trial, TL_COMPLETE, &value, 1, NULL, &err), "tell");
    }
}

static void work(const char *path, const char *name, int index, int trials)
{
    tl_storage *storage;
    tl_study *study;
    int64_t *numbers = calloc((size_t)trials, sizeof *numbers);
    must(tl_storage_open(path, NULL, &storage, &err), "open");
    must(tl_study_load(storage, name, NULL, &study, &err), "load");
    puts("ready");
    fflush(stdout);
    await("go");
    for (int k = 0; k < trials; k++) {
        keep_pace(storage, tl_study_id(study), (size_t)k);
        work_one(study, index, k, &numbers[k]);
    }
    printf("done [");
    for (int k = 0; k < trials; k++) {
        printf("%s%" PRId64, k ? "," : "", numbers[k]);
    }
    puts("]");
    fflush(stdout);
    await("dump");
    dump(storage);
    tl_study_free(study);
    tl_storage_close(storage);
    free(numbers);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "dump") == 0) {
        struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
        tl_storage *storage;
        options.read_only = true;
        must(tl_storage_open(argv[2], &options, &storage, &err), "open");
        dump(storage);
        tl_storage_close(storage);
    } else if (argc == 3 && strcmp(argv[1], "make") == 0) {
        make(argv[2]);
    } else if (argc == 6 && strcmp(argv[1], "work") == 0) {
        work(argv[2], argv[3], (int)strtol(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10));
    } else {
        fprintf(stderr, "usage: interop_tool dump PATH | make PATH | work PATH STUDY INDEX TRIALS\n");
        return 2;
    }
    return 0;
}
