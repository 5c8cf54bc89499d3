/* SPDX-License-Identifier: MIT
 *
 * What our replay makes of operation lists: reads them from standard input in the form of gen.py's encode_list, decodes
 * and applies each line, and answers each list with one line of JSON in the form of oracle.py:
 *   v        a letter per line: A applied, Y not yours, N not found, F finished, E exists, I incompatible, O odd,
 *            B broken, S skipped
 *   ids      for each applied create operation, the new id
 *   studies, trials   the state at the end
 *   workers  highest operation count of each worker
 *   facts    what is kept up as operations apply, per study
 * A line of damage (flag P) leaves a placeholder. Stands on base and model alone, so that the mutation test compiles
 * quickly. A failure of the tool itself (input, memory, a state that contradicts itself) ends it with status 2.
 */
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/dist.h"
#include "model/op.h"
#include "model/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "replay_tool: %s\n", what);
    exit(2);
}

/* ---- output ---- */

static void put_bits(struct buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (v != v) {
        buf_add_text(out, "\"nan\"");
    } else {
        buf_printf(out, "\"%016" PRIx64 "\"", bits);
    }
}

static void put_time(struct buf *out, int64_t packed)
{
    struct tl_time t = time_unpack(packed);
    if (!t.set) {
        buf_add_text(out, "null");
    } else {
        buf_printf(out, "[\"%c\",%" PRId64 "]", t.naive ? 'n' : 'u', t.us);
    }
}

static void put_external(struct buf *out, const struct tl_value *v)
{
    switch (v->kind) {
    case TL_VALUE_NULL: buf_add_text(out, "[\"z\"]"); break;
    case TL_VALUE_BOOL: buf_printf(out, "[\"b\",%s]", v->as.b ? "true" : "false"); break;
    case TL_VALUE_INT: buf_printf(out, "[\"i\",\"%" PRId64 "\"]", v->as.i); break;
    case TL_VALUE_FLOAT:
        buf_add_text(out, "[\"f\",");
        put_bits(out, v->as.f);
        buf_add_char(out, ']');
        break;
    case TL_VALUE_STRING:
        buf_add_text(out, "[\"s\",");
        json_put_string(out, (struct str){v->as.text.s, v->as.text.len});
        buf_add_char(out, ']');
        break;
    case TL_VALUE_JSON:
        buf_add_text(out, "[\"j\",");
        buf_add(out, v->as.text.s, v->as.text.len);
        buf_add_char(out, ']');
        break;
    }
}

/* An unfinished or finished trial, in one form. */
struct trial {
    int64_t id;
    uint32_t number, owner;
    int state;
    int64_t start, complete;
    bool has_values;
    const double *values;
    size_t n_values;
    struct param_entry *params;
    size_t n_params;
    struct attr_entry *attrs;
    size_t n_attrs;
    struct report_entry *reports;
    size_t n_reports;
};

static void *room(struct arena *a, size_t n, size_t size)
{
    void *p = arena_alloc(a, (n + 1) * size);
    if (!p) {
        die("out of memory");
    }
    return p;
}

static void read_live(const struct live_trial *t, struct arena *a, struct trial *out)
{
    *out = (struct trial){t->id,
                          t->number,
                          t->owner,
                          t->state,
                          t->start,
                          t->complete,
                          t->has_values,
                          t->values,
                          t->n_values,
                          NULL,
                          t->params.distinct,
                          NULL,
                          t->attrs.distinct,
                          NULL,
                          t->reports.distinct};
    out->params = room(a, out->n_params, sizeof *out->params);
    out->attrs = room(a, out->n_attrs, sizeof *out->attrs);
    out->reports = room(a, out->n_reports, sizeof *out->reports);
    const void **p = room(a, out->n_params + out->n_attrs + out->n_reports, sizeof *p);
    if (!list_collect(&t->params, p)) {
        die("out of memory");
    }
    for (size_t i = 0; i < out->n_params; i++) {
        out->params[i] = *(const struct param_entry *)p[i];
    }
    if (!list_collect(&t->attrs, p)) {
        die("out of memory");
    }
    for (size_t i = 0; i < out->n_attrs; i++) {
        out->attrs[i] = *(const struct attr_entry *)p[i];
    }
    if (!list_collect(&t->reports, p)) {
        die("out of memory");
    }
    for (size_t i = 0; i < out->n_reports; i++) {
        out->reports[i] = *(const struct report_entry *)p[i];
    }
}

/* What is found by step agrees with the list of all. */
static void check_reports(const struct study *st, const struct row *r, const struct trial *t)
{
    struct report_entry last;
    double value;
    int64_t lowest = 0, highest = INT64_MIN;
    for (size_t i = 0; i < t->n_reports; i++) {
        if (!row_report_at(st, r, t->reports[i].step, &value) || memcmp(&value, &t->reports[i].value, sizeof value) != 0) {
            die("row_report_at misses a report");
        }
        highest = t->reports[i].step > highest ? t->reports[i].step : highest;
        lowest = t->reports[i].step < lowest ? t->reports[i].step : lowest;
    }
    if ((lowest > INT64_MIN && row_report_at(st, r, lowest - 1, &value)) ||
        (highest < INT64_MAX && row_report_at(st, r, highest + 1, &value))) {
        die("row_report_at finds a report that is none");
    }
    if (row_last_report(st, r, &last) != (t->n_reports > 0) || (t->n_reports > 0 && last.step != highest)) {
        die("row_last_report: another step than the highest");
    }
    if (t->n_reports > 0 && (!row_report_at(st, r, highest, &value) || memcmp(&value, &last.value, sizeof value) != 0)) {
        die("row_last_report: another value than that step's");
    }
}

static void read_row(const struct study *st, const struct row *r, struct arena *a, struct trial *out)
{
    size_t index = atomic_load((_Atomic uint32_t *)svec_at(&st->slots, r->number));
    *out = (struct trial){r->id,
                          r->number,
                          r->owner,
                          r->state,
                          r->start,
                          r->complete,
                          r->has_values,
                          row_values(st, r),
                          r->n_values,
                          NULL,
                          row_n_params(st, r),
                          NULL,
                          0,
                          NULL,
                          row_n_reports(st, r)};
    out->params = room(a, out->n_params, sizeof *out->params);
    for (size_t i = 0; i < out->n_params; i++) {
        out->params[i] = row_param(st, r, index, i);
    }
    struct attr_walk w = row_attrs(st, r);
    out->attrs = room(a, w.left, sizeof *out->attrs);
    while (attr_walk_next(&w, &out->attrs[out->n_attrs])) {
        out->n_attrs++;
    }
    out->reports = room(a, out->n_reports, sizeof *out->reports);
    for (size_t i = 0; i < out->n_reports; i++) {
        out->reports[i] = row_report(st, r, i);
    }
    check_reports(st, r, out);
}

static void put_attrs(const struct state *s, struct buf *out, const struct attr_entry *attrs, size_t n,
                      unsigned kind)
{
    const char *comma = "";
    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (attrs[i].kind != kind) {
            continue;
        }
        buf_printf(out, "%s[", comma);
        json_put_string(out, intern_str(&s->names, attrs[i].key));
        buf_add_char(out, ',');
        buf_add_str(out, attrs[i].json);
        buf_add_char(out, ']');
        comma = ",";
    }
    buf_add_char(out, ']');
}

static const char *const class_names[] = {
    [DIST_FLOAT] = "FloatDistribution",
    [DIST_INT] = "IntDistribution",
    [DIST_CATEGORICAL] = "CategoricalDistribution",
    [DIST_UNIFORM] = "UniformDistribution",
    [DIST_LOG_UNIFORM] = "LogUniformDistribution",
    [DIST_DISCRETE_UNIFORM] = "DiscreteUniformDistribution",
    [DIST_INT_UNIFORM] = "IntUniformDistribution",
    [DIST_INT_LOG_UNIFORM] = "IntLogUniformDistribution",
};

static void put_params(const struct state *s, struct buf *out, const struct trial *t)
{
    const char *comma = "";
    buf_add_text(out, ",[");
    for (size_t i = 0; i < t->n_params; i++) {
        struct tl_value v;
        if (!t->params[i].has_value) {
            continue;
        }
        if (tl_dist_external(&dist_table_get(&s->dists, t->params[i].dist)->d, t->params[i].internal, &v,
                             NULL) != TL_OK) {
            v = (struct tl_value){.kind = TL_VALUE_STRING, .as.text = {"no such value", 13}};
        }
        buf_printf(out, "%s[", comma);
        json_put_string(out, intern_str(&s->names, t->params[i].name));
        buf_add_char(out, ',');
        put_external(out, &v);
        buf_add_char(out, ']');
        comma = ",";
    }
    buf_add_text(out, "],[");
    for (size_t i = 0; i < t->n_params; i++) {
        const struct dist *d = dist_table_get(&s->dists, t->params[i].dist);
        struct buf text = BUF_INIT(SIZE_MAX);
        if (dist_format(&d->d, &text) != TL_OK) {
            die("dist_format failed");
        }
        buf_add_text(out, i ? ",[" : "[");
        json_put_string(out, intern_str(&s->names, t->params[i].name));
        buf_printf(out, ",\"%s\",", class_names[d->class_]);
        json_put_string(out, (struct str){text.data, text.len});
        buf_add_char(out, ']');
        buf_release(&text);
    }
    buf_add_char(out, ']');
}

static void put_trial(const struct state *s, struct buf *out, int64_t study, const struct trial *t)
{
    buf_printf(out, "[%" PRId64 ",%" PRId64 ",%u,%d,", t->id, study, t->number, t->state);
    put_time(out, t->start);
    buf_add_char(out, ',');
    put_time(out, t->complete);
    buf_add_text(out, t->has_values ? ",[" : ",null");
    for (size_t i = 0; i < t->n_values; i++) {
        if (i) {
            buf_add_char(out, ',');
        }
        put_bits(out, t->values[i]);
    }
    if (t->has_values) {
        buf_add_char(out, ']');
    }
    put_params(s, out, t);
    buf_add_char(out, ',');
    put_attrs(s, out, t->attrs, t->n_attrs, TL_ATTR_USER);
    buf_add_char(out, ',');
    put_attrs(s, out, t->attrs, t->n_attrs, TL_ATTR_SYSTEM);
    buf_add_text(out, ",[");
    for (size_t i = 0; i < t->n_reports; i++) {
        buf_printf(out, "%s[%" PRId64 ",", i ? "," : "", t->reports[i].step);
        put_bits(out, t->reports[i].value);
        buf_add_char(out, ']');
    }
    buf_add_text(out, "],");
    if (t->state == TL_RUNNING && t->owner != INTERN_NONE) {
        json_put_string(out, intern_str(&s->workers, t->owner));
    } else {
        buf_add_text(out, "null");
    }
    buf_add_char(out, ']');
}

static void put_trials(const struct state *s, struct buf *out, struct arena *a)
{
    buf_add_text(out, "\"trials\":[");
    for (size_t id = 0; id < s->trials.len; id++) {
        struct study *st;
        uint32_t number;
        const struct row *row;
        const struct live_trial *live;
        struct trial t;
        if (!state_trial_place(s, (int64_t)id, &st, &number)) {
            die("a trial has no place");
        }
        study_trial(st, number, &row, &live);
        if (live) {
            read_live(live, a, &t);
        } else {
            read_row(st, row, a, &t);
        }
        if (t.id != (int64_t)id || t.number != number || study_trial_state(st, number) != t.state) {
            die("a trial is not where its id says");
        }
        if (id) {
            buf_add_char(out, ',');
        }
        put_trial(s, out, st->id, &t);
        arena_reset(a);
    }
    buf_add_char(out, ']');
}

static void put_studies(const struct state *s, struct buf *out, struct arena *a)
{
    size_t seen = 0;
    buf_add_text(out, "\"studies\":[");
    for (size_t id = 0; id < s->studies.len; id++) {
        const struct study *st = state_study(s, (int64_t)id);
        if (!st) {
            continue;
        }
        if (state_study_by_name(s, st->name) != st) {
            die("a study is not found by its name");
        }
        size_t n = st->attrs.distinct;
        struct attr_entry *attrs = room(a, n, sizeof *attrs);
        const void **p = room(a, n, sizeof *p);
        if (!list_collect(&st->attrs, p)) {
            die("out of memory");
        }
        for (size_t i = 0; i < n; i++) {
            attrs[i] = *(const struct attr_entry *)p[i];
        }
        buf_printf(out, "%s[%zu,", seen++ ? "," : "", id);
        json_put_string(out, st->name);
        buf_add_text(out, ",[");
        for (size_t i = 0; i < st->n_directions; i++) {
            buf_printf(out, "%s%d", i ? "," : "", st->directions[i]);
        }
        buf_add_text(out, "],");
        put_attrs(s, out, attrs, n, TL_ATTR_USER);
        buf_add_char(out, ',');
        put_attrs(s, out, attrs, n, TL_ATTR_SYSTEM);
        buf_add_text(out, ",[");
        const char *comma = "";
        for (size_t k = 0; k < s->trials.len; k++) {
            const struct trial_place *place = svec_at(&s->trials, k);
            if (place->study == id) {
                buf_printf(out, "%s%zu", comma, k);
                comma = ",";
            }
        }
        buf_add_text(out, "]]");
        arena_reset(a);
    }
    if (seen != s->n_studies) {
        die("the number of studies is wrong");
    }
    buf_add_char(out, ']');
}

/* Columns hold what the rows say, and nothing else. */
static void check_columns(const struct study *st)
{
    size_t want = 0, have = 0;
    for (size_t i = 0; i < st->rows.len; i++) {
        const struct row *r = svec_at(&st->rows, i);
        for (size_t k = 0; k < row_n_params(st, r); k++) {
            struct param_entry p = row_param(st, r, i, k);
            const struct column *c = study_column(st, p.name);
            const struct column_block *b = c ? column_block_at(c, i / BLOCK) : NULL;
            if (!b || (b->present >> i % BLOCK & 1) != p.has_value) {
                die("a column does not agree with its row");
            }
            want += p.has_value;
        }
    }
    for (size_t i = 0; i < st->columns.len; i++) {
        const struct column *c = svec_at(&st->columns, i);
        const struct column_block *b;
        for (size_t k = 0; k <= st->rows.len / BLOCK; k++) {
            if ((b = column_block_at(c, k)) != NULL) {
                have += (size_t)__builtin_popcountll(b->present);
            }
        }
    }
    if (have != want) {
        die("columns hold more than their rows");
    }
}

/* The front is ordered by the first objective. */
static void check_front(const struct study *st)
{
    double last = 0;
    for (size_t i = 0; st->front && i < st->front->n; i++) {
        double v = row_values(st, svec_at(&st->rows, st->front->rows[i]))[0];
        if (st->directions[0] == TL_MAXIMIZE) {
            v = -v;
        }
        if (i > 0 && v < last) {
            die("the front is not in order");
        }
        last = v;
    }
}

/* Per study that is not deleted: id, counts per state, first waiting trial, best, front, both search spaces. */
static void put_facts(const struct state *s, struct buf *out)
{
    const char *comma = "";
    buf_add_text(out, "\"facts\":[");
    for (size_t id = 0; id < s->studies.len; id++) {
        struct study *st = state_study(s, (int64_t)id);
        if (!st) {
            continue;
        }
        check_columns(st);
        check_front(st);
        buf_printf(out, "%s[%zu,[", comma, id);
        comma = ",";
        for (int i = 0; i < TL_N_STATES; i++) {
            buf_printf(out, "%s%zu", i ? "," : "", st->counts[i]);
        }
        int64_t best =
            st->best < 0 ? -1 : (int64_t)((const struct row *)svec_at(&st->rows, (size_t)st->best))->number;
        buf_printf(out, "],%" PRId64 ",%" PRId64 ",[", study_first_waiting(st), best);
        for (size_t i = 0; st->front && i < st->front->n; i++) {
            buf_printf(out, "%s%u", i ? "," : "",
                       ((const struct row *)svec_at(&st->rows, st->front->rows[i]))->number);
        }
        const struct search_space *spaces[] = {&st->complete_space, &st->pruned_space};
        for (int k = 0; k < 2; k++) {
            buf_add_text(out, "],[");
            for (size_t i = 0; i < spaces[k]->n; i++) {
                const struct dist *d = dist_table_get(&s->dists, spaces[k]->entries[i].dist);
                buf_add_text(out, i ? ",[" : "[");
                json_put_string(out, intern_str(&s->names, spaces[k]->entries[i].name));
                buf_printf(out, ",\"%s\"]", class_names[d->class_]);
            }
        }
        buf_add_text(out, "]]");
    }
    buf_add_char(out, ']');
}

static void put_workers(const struct state *s, struct buf *out)
{
    const char *comma = "";
    buf_add_text(out, "\"workers\":[");
    for (uint32_t i = 0; i < s->workers.strings.len; i++) {
        struct str name = intern_str(&s->workers, i);
        uint64_t n = state_worker_n(s, name);
        if (n == 0) {
            continue;
        }
        buf_printf(out, "%s[", comma);
        json_put_string(out, name);
        buf_printf(out, ",%" PRIu64 "]", n);
        comma = ",";
    }
    buf_add_char(out, ']');
}

/* ---- lists ---- */

static char verdict_letter(enum verdict v)
{
    static const char letters[] = {
        [V_APPLIED] = 'A', [V_NOT_YOURS] = 'Y',    [V_NOT_FOUND] = 'N', [V_FINISHED] = 'F',
        [V_EXISTS] = 'E',  [V_INCOMPATIBLE] = 'I', [V_ODD] = 'O',       [V_SKIPPED] = 'S',
    };
    return letters[v];
}

struct list {
    struct state *state;
    struct arena arena, scratch;
    struct buf verdicts, ids;
};

static void skip(struct list *l, int64_t placeholder_study)
{
    if (state_skip(l->state, placeholder_study) != TL_OK) {
        die("state_skip failed");
    }
}

/* A create-trial line was damaged: its place is held by a failed trial. */
static void place_holder(struct list *l, const char *line)
{
    const char *id = strstr(line, "\"study_id\":");
    size_t before = l->state->trials.len;
    skip(l, id ? strtoll(id + 11, NULL, 10) : -1);
    buf_add_char(&l->verdicts, l->state->trials.len > before ? 'A' : 'N');
    if (l->state->trials.len > before) {
        buf_printf(&l->ids, "%s%zu", l->ids.len ? "," : "", before);
    }
}

/* Decodes and applies a line; the letter of its verdict. */
static char apply(struct list *l, struct str line)
{
    struct op op;
    struct applied done;
    struct tl_err err = TL_ERR_INIT;
    arena_reset(&l->arena);
    enum op_line how = op_decode(line, &l->arena, &op, &err);
    if (how != OP_LINE_OK) {
        if (err.code == TL_ENOMEM) {
            die("out of memory");
        }
        skip(l, -1);
        return how == OP_LINE_ODD ? 'O' : 'B';
    }
    uint64_t odd = l->state->n_odd;
    if (state_apply(l->state, &op, &done, &err) != TL_OK) {
        die("state_apply failed");
    }
    if (l->state->n_odd != odd + (done.verdict == V_ODD)) {
        die("odd operations are counted wrongly");
    }
    if (done.verdict == V_APPLIED && (op.code == OP_CREATE_STUDY || op.code == OP_CREATE_TRIAL)) {
        buf_printf(&l->ids, "%s%" PRId64, l->ids.len ? "," : "", done.id);
    }
    return verdict_letter(done.verdict);
}

static size_t read_line(char **line, size_t *cap)
{
    ssize_t n = getline(line, cap, stdin);
    if (n <= 0) {
        return 0;
    }
    if ((*line)[n - 1] != '\n') {
        die("the input ends within a line");
    }
    return (size_t)n;
}

static void run_list(size_t n_lines, char **line, size_t *cap)
{
    struct list l = {.state = state_new(), .verdicts = BUF_INIT(SIZE_MAX), .ids = BUF_INIT(SIZE_MAX)};
    struct buf out = BUF_INIT(SIZE_MAX);
    if (!l.state) {
        die("out of memory");
    }
    for (size_t i = 0; i < n_lines; i++) {
        size_t n = read_line(line, cap);
        if (n < 2) {
            die("the input ends within a list");
        }
        if (**line == 'P') {
            place_holder(&l, *line);
        } else {
            buf_add_char(&l.verdicts, apply(&l, (struct str){*line + 1, n - 2}));
        }
        if (l.state->seq != i + 1) {
            die("the position did not move by one");
        }
    }
    buf_add_text(&out, "{\"v\":\"");
    buf_add(&out, l.verdicts.data, l.verdicts.len);
    buf_add_text(&out, "\",\"ids\":[");
    buf_add(&out, l.ids.data, l.ids.len);
    buf_add_text(&out, "],");
    put_studies(l.state, &out, &l.scratch);
    buf_add_char(&out, ',');
    put_trials(l.state, &out, &l.scratch);
    buf_add_char(&out, ',');
    put_workers(l.state, &out);
    buf_add_char(&out, ',');
    put_facts(l.state, &out);
    buf_add_text(&out, "}\n");
    if (out.failed || l.verdicts.failed || l.ids.failed) {
        die("out of memory");
    }
    fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    buf_release(&out);
    buf_release(&l.verdicts);
    buf_release(&l.ids);
    arena_release(&l.arena);
    arena_release(&l.scratch);
    state_unref(l.state);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    puts("trialog");
    fflush(stdout);
    while (read_line(&line, &cap) > 0) {
        char *space = strchr(line, ' ');
        if (line[0] != '#' || !space) {
            die("a list has no header");
        }
        run_list(strtoul(space + 1, NULL, 10), &line, &cap);
    }
    free(line);
    return ferror(stdin) ? 2 : 0;
}
