/* SPDX-License-Identifier: MIT
 *
 * Reads the language of --param and --enqueue (grammar in space.h).
 *
 * Happy path: a cursor walks the text once; distributions are checked by tl_dist_normalise, conditions become postfix steps
 * with two small fixed stacks (operators while reading, truth values while evaluating), so depth is bounded and nothing
 * recurses. Failure: the cursor stands at the offending place, whose offset goes into the error. What a failed declaration
 * allocated stays in the arena until the space is released; nothing refers to it.
 */
#include "cli/space.h"

#include <math.h>

#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "cli/cli.h"

struct cursor {
    const char *start, *p, *end;
    struct arena *memory;
};

/* ---- words ---- */

static int fail_at(const struct cursor *c, const char *place, struct tl_err *err, int rc)
{
    err_at(err, -1, place - c->start);
    return rc;
}

static void blanks(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n')) {
        c->p++;
    }
}

/* Eats `c` behind blanks. */
static bool eat(struct cursor *c, char what)
{
    blanks(c);
    if (c->p >= c->end || *c->p != what) {
        return false;
    }
    c->p++;
    return true;
}

static int want(struct cursor *c, char what, struct tl_err *err)
{
    if (eat(c, what)) {
        return 0;
    }
    return fail_at(c, c->p, err, err_set(err, TL_EINVAL, "'%c' is expected here", what));
}

static bool at_end(struct cursor *c)
{
    blanks(c);
    return c->p >= c->end;
}

static bool name_start(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' || (unsigned char)ch >= 0x80;
}

static bool name_byte(char ch)
{
    return name_start(ch) || (ch >= '0' && ch <= '9') || ch == '.' || ch == '-' || ch == '/' || ch == ':';
}

/* The longest name behind blanks; empty when there is none. */
static struct str read_name(struct cursor *c)
{
    blanks(c);
    const char *from = c->p;
    if (c->p < c->end && name_start(*c->p)) {
        while (c->p < c->end && name_byte(*c->p)) {
            c->p++;
        }
    }
    return (struct str){from, (size_t)(c->p - from)};
}

/* A word ends at blanks and at the marks of the grammar. */
static struct str read_word(struct cursor *c)
{
    blanks(c);
    const char *from = c->p;
    while (c->p < c->end && (unsigned char)*c->p > ' ' && !strchr(",()\"", *c->p)) {
        c->p++;
    }
    return (struct str){from, (size_t)(c->p - from)};
}

static bool eat_keyword(struct cursor *c, const char *keyword)
{
    blanks(c);
    const char *from = c->p;
    if (str_eq(read_name(c), str_of(keyword))) {
        return true;
    }
    c->p = from;
    return false;
}

static bool is_keyword(struct str s)
{
    static const char *const words[] = {"if", "and", "or", "not", "in"};
    for (size_t i = 0; i < TL_COUNT(words); i++) {
        if (str_eq(s, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- values ---- */

/* Numbers of ranges: as Python's float(), finite. */
static int read_number(struct cursor *c, bool whole, double *out, struct tl_err *err)
{
    struct str word = read_word(c);
    int64_t integer;
    double v;
    if (word.n == 0 || !cli_parse_number(word, &v)) {
        return fail_at(c, word.p, err, err_set(err, TL_EINVAL, "a number is expected here"));
    }
    if (!isfinite(v)) {
        return fail_at(c, word.p, err, err_set(err, TL_EINVAL, "a finite number is expected here"));
    }
    if (whole && !cli_parse_int(word, &integer)) {
        return fail_at(c, word.p, err, err_set(err, TL_EINVAL, "a whole number is expected here"));
    }
    *out = v;
    return 0;
}

static struct tl_value text_value(struct str s)
{
    struct tl_value v = {.kind = TL_VALUE_STRING};
    v.as.text.s = s.p;
    v.as.text.len = s.n;
    return v;
}

/* What a word without quotes means: null, true, false, a number in JSON's form, else text. */
static struct tl_value word_value(struct str word)
{
    struct tl_value v = {.kind = TL_VALUE_NULL};
    const char *end = word.p + word.n;
    bool digit = word.n > 0 && ((word.p[0] >= '0' && word.p[0] <= '9') || (word.p[0] == '-' && word.n > 1));
    if (str_eq(word, STR("null"))) {
        return v;
    }
    if (str_eq(word, STR("true")) || str_eq(word, STR("false"))) {
        v.kind = TL_VALUE_BOOL;
        v.as.b = word.p[0] == 't';
        return v;
    }
    if (digit && num_parse_int(word.p, end, &v.as.i) == end) {
        v.kind = TL_VALUE_INT;
        return v;
    }
    if (digit && num_parse(word.p, end, &v.as.f, NULL) == end && isfinite(v.as.f)) {
        v.kind = TL_VALUE_FLOAT;
        return v;
    }
    return text_value(word);
}

/* A value; `*quoted` (may be NULL) says that it was text in quotes. Text is copied into the arena. */
static int read_value(struct cursor *c, struct tl_value *out, bool *quoted, struct tl_err *err)
{
    blanks(c);
    const char *from = c->p;
    bool is_quoted = c->p < c->end && *c->p == '"';
    struct str s;
    if (is_quoted) {
        struct json j = {c->start, c->p, c->end};
        int rc = json_string(&j, c->memory, &s, NULL);
        if (rc == TL_ENOMEM) {
            return err_nomem(err);
        }
        if (rc) {
            return fail_at(c, from, err, err_set(err, TL_EINVAL, "this text in quotes is not complete or not valid"));
        }
        c->p = j.p;
    } else {
        s = read_word(c);
        if (s.n == 0) {
            return fail_at(c, from, err, err_set(err, TL_EINVAL, "a value is expected here"));
        }
        if (s.p[0] == '\'') {
            return fail_at(c, from, err, err_set(err, TL_EINVAL, "text is quoted with \" here, not with '"));
        }
    }
    if (!json_utf8_valid(s)) {
        return fail_at(c, from, err, err_set(err, TL_EINVAL, "this text is not valid UTF-8"));
    }
    struct tl_value v = is_quoted ? text_value(s) : word_value(s);
    if (v.kind == TL_VALUE_STRING) {
        v.as.text.s = arena_dup(c->memory, s.p, s.n);
        if (!v.as.text.s) {
            return err_nomem(err);
        }
    }
    if (quoted) {
        *quoted = is_quoted;
    }
    *out = v;
    return 0;
}

static bool same_value(const struct tl_value *a, const struct tl_value *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case TL_VALUE_NULL: return true;
    case TL_VALUE_BOOL: return a->as.b == b->as.b;
    case TL_VALUE_INT: return a->as.i == b->as.i;
    case TL_VALUE_FLOAT: return a->as.f == b->as.f;
    case TL_VALUE_STRING:
    case TL_VALUE_JSON: break;
    }
    return a->as.text.len == b->as.text.len && memcmp(a->as.text.s, b->as.text.s, a->as.text.len) == 0;
}

/* The same value twice is a slip. (1 and true are two choices, though Python thinks them equal.) */
static int check_repeated(const struct cursor *c, const struct tl_value *values, size_t i, const char *place,
                          struct tl_err *err)
{
    for (size_t k = 0; k < i; k++) {
        if (same_value(&values[k], &values[i])) {
            return fail_at(c, place, err, err_set(err, TL_EINVAL, "this value is there already"));
        }
    }
    return 0;
}

/* "(" value { "," value } ")" into the arena. */
static int read_list(struct cursor *c, struct tl_value **out, size_t *n, struct tl_err *err)
{
    struct tl_value *values = NULL, *kept;
    size_t count = 0, cap = 0;
    int rc = want(c, '(', err);
    while (rc == 0) {
        blanks(c);
        const char *place = c->p;
        if (count >= SPACE_MAX_CHOICES) {
            rc = fail_at(c, place, err, err_set(err, TL_ELIMIT, "more than %u values", SPACE_MAX_CHOICES));
            break;
        }
        if (!mem_grow((void **)&values, &cap, count + 1, sizeof *values)) {
            rc = err_nomem(err);
            break;
        }
        rc = read_value(c, &values[count], NULL, err);
        if (rc == 0) {
            rc = check_repeated(c, values, count, place, err);
        }
        count++;
        if (rc == 0 && !eat(c, ',')) {
            rc = eat(c, ')') ? 0 : fail_at(c, c->p, err, err_set(err, TL_EINVAL, "',' or ')' is expected here"));
            break;
        }
    }
    if (rc == 0) {
        kept = arena_alloc(c->memory, count * sizeof *kept);
        if (kept) {
            memcpy(kept, values, count * sizeof *kept);
            *out = kept;
            *n = count;
        } else {
            rc = err_nomem(err);
        }
    }
    mem_free(values);
    return rc;
}

/* ---- kinds ---- */

/* low "," high { "," ( log | step=NUMBER ) } ")" */
static int read_range(struct cursor *c, struct tl_dist *dist, struct tl_err *err)
{
    bool whole = dist->kind == TL_DIST_INT, stepped = false;
    int rc = want(c, '(', err);
    if (rc == 0) {
        rc = read_number(c, whole, &dist->low, err);
    }
    if (rc == 0) {
        rc = want(c, ',', err);
    }
    if (rc == 0) {
        rc = read_number(c, whole, &dist->high, err);
    }
    while (rc == 0 && eat(c, ',')) {
        blanks(c);
        const char *place = c->p;
        if (!dist->log && eat_keyword(c, "log")) {
            dist->log = true;
        } else if (!stepped && eat_keyword(c, "step")) {
            rc = want(c, '=', err);
            if (rc == 0) {
                rc = read_number(c, whole, &dist->step, err);
            }
            if (rc == 0 && !(dist->step > 0)) {
                rc = fail_at(c, place, err, err_set(err, TL_EINVAL, "the step must be above 0"));
            }
            stepped = true;
        } else {
            rc = fail_at(c, place, err, err_set(err, TL_EINVAL, "'log' or 'step=NUMBER' is expected here"));
        }
    }
    return rc ? rc : want(c, ')', err);
}

static int read_kind(struct cursor *c, struct tl_dist *dist, bool *adjusted, struct tl_err *err)
{
    blanks(c);
    const char *place = c->p;
    struct str kind = read_name(c);
    int rc;
    *dist = (struct tl_dist){.kind = TL_DIST_FLOAT};
    if (str_eq(kind, STR("float")) || str_eq(kind, STR("int"))) {
        dist->kind = kind.n == 3 ? TL_DIST_INT : TL_DIST_FLOAT;
        dist->step = kind.n == 3 ? 1.0 : 0.0;
        rc = read_range(c, dist, err);
    } else if (str_eq(kind, STR("choice"))) {
        struct tl_value *values = NULL;
        dist->kind = TL_DIST_CATEGORICAL;
        rc = read_list(c, &values, &dist->n_choices, err);
        dist->choices = values;
    } else {
        rc = err_set(err, TL_EINVAL, "float(LOW,HIGH), int(LOW,HIGH) or choice(A,B,...) is expected here");
        return fail_at(c, place, err, rc);
    }
    if (rc) {
        return rc;
    }
    rc = tl_dist_normalise(dist, adjusted, err);
    return rc ? fail_at(c, place, err, rc) : 0;
}

/* ---- conditions ---- */

/* The number that an order compares; false when the value is none. */
static bool numeric(const struct tl_value *v, double *out)
{
    if (v->kind == TL_VALUE_INT) {
        *out = (double)v->as.i;
    } else if (v->kind == TL_VALUE_FLOAT) {
        *out = v->as.f;
    } else {
        return false;
    }
    return true;
}

/* The same for what people type: ".5" and "+1" are text among choices, but numbers where one is meant. */
static bool numeric_word(const struct tl_value *v, double *out)
{
    struct str text = {v->as.text.s, v->as.text.len};
    return v->kind == TL_VALUE_STRING ? cli_parse_number(text, out) && isfinite(*out) : numeric(v, out);
}

static bool all_numeric(const struct tl_dist *dist)
{
    double v;
    for (size_t i = 0; i < dist->n_choices; i++) {
        if (!numeric(&dist->choices[i], &v)) {
            return false;
        }
    }
    return true;
}

static bool orders(enum cond_relation relation)
{
    return relation <= COND_GE;
}

/* Turns the values of a test into operands, and refuses tests that can only be a mistake. */
static int bind_operands(const struct cursor *c, const struct space_param *param, struct cond_step *step,
                         const struct tl_value *values, size_t n, const char *place, struct tl_err *err)
{
    const struct tl_dist *dist = &param->dist;
    double *operands = arena_alloc(c->memory, n * sizeof *operands);
    int rc = 0;
    if (!operands) {
        return err_nomem(err);
    }
    if (orders(step->relation) && dist->kind == TL_DIST_CATEGORICAL && !all_numeric(dist)) {
        rc = err_set(err, TL_EINVAL, "'%s' has choices that are no numbers: only ==, != and in compare it", param->name);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        bool number = numeric_word(&values[i], &operands[i]);
        if (dist->kind == TL_DIST_CATEGORICAL && !orders(step->relation)) {
            if (tl_dist_internal(dist, &values[i], &operands[i], NULL) != 0) {
                rc = err_set(err, TL_EINVAL, "'%s' has no such choice", param->name);
            }
        } else if (!number) {
            rc = err_set(err, TL_EINVAL, "'%s' is compared with numbers", param->name);
        } else if (!orders(step->relation) && !tl_dist_contains(dist, operands[i])) {
            rc = err_set(err, TL_EINVAL, "'%s' never has this value", param->name);
        }
    }
    step->operands = operands;
    step->n_operands = n;
    return rc ? fail_at(c, place, err, rc) : 0;
}

static bool read_relation(struct cursor *c, enum cond_relation *out)
{
    static const struct {
        const char *text;
        enum cond_relation relation;
    } marks[] = {{"<=", COND_LE}, {">=", COND_GE}, {"==", COND_EQ}, {"!=", COND_NE}, {"<", COND_LT}, {">", COND_GT}};
    blanks(c);
    for (size_t i = 0; i < TL_COUNT(marks); i++) {
        size_t n = strlen(marks[i].text);
        if ((size_t)(c->end - c->p) >= n && memcmp(c->p, marks[i].text, n) == 0) {
            c->p += n;
            *out = marks[i].relation;
            return true;
        }
    }
    const char *from = c->p;
    bool negated = eat_keyword(c, "not");
    if (eat_keyword(c, "in")) {
        *out = negated ? COND_NOT_IN : COND_IN;
        return true;
    }
    c->p = from;
    return false;
}

static int read_test(struct cursor *c, const struct search_space *s, struct cond_step *step, struct tl_err *err)
{
    struct str name = read_name(c);
    struct tl_value one, *values = &one;
    size_t n = 1;
    step->kind = COND_TEST;
    step->param = search_space_find(s, name);
    if (name.n == 0) {
        return fail_at(c, c->p, err, err_set(err, TL_EINVAL, "the name of a parameter is expected here"));
    }
    if (step->param == s->n) {
        return fail_at(c, name.p, err, err_set(err, TL_EINVAL, "no parameter of this name was declared before"));
    }
    if (!read_relation(c, &step->relation)) {
        const char *hint = c->p < c->end && *c->p == '=' ? " ('==' tests for equality)" : "";
        return fail_at(c, c->p, err, err_set(err, TL_EINVAL, "a comparison or 'in' is expected here%s", hint));
    }
    blanks(c);
    const char *place = c->p;
    int rc = step->relation >= COND_IN ? read_list(c, &values, &n, err) : read_value(c, &one, NULL, err);
    return rc ? rc : bind_operands(c, &s->params[step->param], step, values, n, place, err);
}

/* Reading a condition: steps so far in postfix order, and operators that wait for their right side. */
enum waiting { WAIT_OPEN, WAIT_OR, WAIT_AND, WAIT_NOT };
struct condition {
    struct cond_step *steps;
    size_t n, cap;
    enum waiting stack[SPACE_MAX_DEPTH];
    const char *places[SPACE_MAX_DEPTH];
    size_t depth;
};

static int add_step(struct condition *cond, const struct cond_step *step, struct tl_err *err)
{
    if (!mem_grow((void **)&cond->steps, &cond->cap, cond->n + 1, sizeof *step)) {
        return err_nomem(err);
    }
    cond->steps[cond->n++] = *step;
    return 0;
}

static int push(struct cursor *c, struct condition *cond, enum waiting what, const char *place, struct tl_err *err)
{
    if (cond->depth >= SPACE_MAX_DEPTH) {
        return fail_at(c, place, err, err_set(err, TL_ELIMIT, "this condition is nested too deeply"));
    }
    cond->places[cond->depth] = place;
    cond->stack[cond->depth++] = what;
    return 0;
}

/* Moves waiting operators that bind at least as tightly as `than` to the steps. */
static int settle(struct condition *cond, enum waiting than, struct tl_err *err)
{
    static const enum cond_kind kinds[] = {[WAIT_OR] = COND_OR, [WAIT_AND] = COND_AND, [WAIT_NOT] = COND_NOT};
    int rc = 0;
    while (rc == 0 && cond->depth > 0 && cond->stack[cond->depth - 1] != WAIT_OPEN &&
           cond->stack[cond->depth - 1] >= than) {
        struct cond_step step = {.kind = kinds[cond->stack[--cond->depth]]};
        rc = add_step(cond, &step, err);
    }
    return rc;
}

/* What stands before a test: any number of "not" and "(". */
static int read_prefix(struct cursor *c, struct condition *cond, struct tl_err *err)
{
    int rc = 0;
    while (rc == 0) {
        blanks(c);
        const char *place = c->p;
        if (eat(c, '(')) {
            rc = push(c, cond, WAIT_OPEN, place, err);
        } else if (eat_keyword(c, "not")) {
            rc = push(c, cond, WAIT_NOT, place, err);
        } else {
            break;
        }
    }
    return rc;
}

/* What stands behind a test: any number of ")", then an operator (`*more`) or the end. */
static int read_suffix(struct cursor *c, struct condition *cond, bool *more, struct tl_err *err)
{
    int rc = 0;
    while (rc == 0 && eat(c, ')')) {
        rc = settle(cond, WAIT_OR, err);
        if (rc == 0 && cond->depth == 0) {
            rc = fail_at(c, c->p - 1, err, err_set(err, TL_EINVAL, "this ')' closes nothing"));
        } else if (rc == 0) {
            cond->depth--;
        }
    }
    if (rc) {
        return rc;
    }
    blanks(c);
    const char *place = c->p;
    *more = true;
    if (eat_keyword(c, "and") || eat_keyword(c, "or")) {
        enum waiting what = c->p - place == 3 ? WAIT_AND : WAIT_OR;
        rc = settle(cond, what, err);
        return rc ? rc : push(c, cond, what, place, err);
    }
    *more = false;
    if (c->p < c->end) {
        return fail_at(c, place, err, err_set(err, TL_EINVAL, "'and', 'or' or the end is expected here"));
    }
    rc = settle(cond, WAIT_OR, err);
    if (rc == 0 && cond->depth > 0) {
        rc = fail_at(c, cond->places[cond->depth - 1], err, err_set(err, TL_EINVAL, "this '(' is not closed"));
    }
    return rc;
}

static int read_condition(struct cursor *c, const struct search_space *s, struct space_param *param, struct tl_err *err)
{
    struct condition cond = {.steps = NULL};
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        struct cond_step step = {.kind = COND_TEST};
        rc = read_prefix(c, &cond, err);
        if (rc == 0) {
            rc = read_test(c, s, &step, err);
        }
        if (rc == 0) {
            rc = add_step(&cond, &step, err);
        }
        if (rc == 0) {
            rc = read_suffix(c, &cond, &more, err);
        }
    }
    if (rc == 0) {
        struct cond_step *kept = arena_alloc(c->memory, cond.n * sizeof *kept);
        if (kept) {
            memcpy(kept, cond.steps, cond.n * sizeof *kept);
            param->cond = kept;
            param->n_cond = cond.n;
        } else {
            rc = err_nomem(err);
        }
    }
    mem_free(cond.steps);
    return rc;
}

static bool holds(const struct search_space *s, const struct cond_step *step, const struct space_value *values)
{
    const struct space_value *value = &values[step->param];
    const struct tl_dist *dist = &s->params[step->param].dist;
    double v = value->internal;
    bool among = false;
    if (!value->present) {
        return false;
    }
    if (orders(step->relation) && dist->kind == TL_DIST_CATEGORICAL) {
        struct tl_value choice;
        if (tl_dist_external(dist, v, &choice, NULL) != 0 || !numeric(&choice, &v)) {
            return false;
        }
    }
    switch (step->relation) {
    case COND_LT: return v < step->operands[0];
    case COND_LE: return v <= step->operands[0];
    case COND_GT: return v > step->operands[0];
    case COND_GE: return v >= step->operands[0];
    case COND_EQ:
    case COND_NE:
    case COND_IN:
    case COND_NOT_IN: break;
    }
    for (size_t i = 0; i < step->n_operands; i++) {
        among = among || v == step->operands[i];
    }
    return among == (step->relation == COND_EQ || step->relation == COND_IN);
}

bool search_space_active(const struct search_space *s, size_t param, const struct space_value *values)
{
    /* each waiting operator holds one truth value back, and there are at most SPACE_MAX_DEPTH of them */
    bool stack[SPACE_MAX_DEPTH + 1] = {false};
    size_t depth = 0;
    const struct space_param *p = &s->params[param];
    for (size_t i = 0; i < p->n_cond; i++) {
        const struct cond_step *step = &p->cond[i];
        if (step->kind == COND_TEST) {
            stack[depth++] = holds(s, step, values);
        } else if (step->kind == COND_NOT) {
            stack[depth - 1] = !stack[depth - 1];
        } else {
            bool right = stack[--depth];
            stack[depth - 1] = step->kind == COND_AND ? stack[depth - 1] && right : stack[depth - 1] || right;
        }
    }
    return p->n_cond == 0 || stack[0];
}

/* ---- declarations ---- */

size_t search_space_find(const struct search_space *s, struct str name)
{
    size_t i = 0;
    while (i < s->n && !str_eq(str_of(s->params[i].name), name)) {
        i++;
    }
    return i;
}

static int make_env(struct cursor *c, struct str name, const char **out, struct tl_err *err)
{
    static const char prefix[] = "TRIALOG_PARAM_";
    size_t n = sizeof prefix - 1;
    char *env = arena_alloc(c->memory, n + name.n + 1);
    if (!env) {
        return err_nomem(err);
    }
    memcpy(env, prefix, n);
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];
        if (ch >= 'a' && ch <= 'z') {
            ch = (char)(ch - 'a' + 'A');
        } else if (!((ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9'))) {
            ch = '_';
        }
        env[n + i] = ch;
    }
    env[n + name.n] = 0;
    *out = env;
    return 0;
}

/* Reads and checks the name that is being declared. */
static int declare_name(struct cursor *c, const struct search_space *s, struct space_param *param, struct tl_err *err)
{
    struct str name = read_name(c);
    int rc = 0;
    if (name.n == 0) {
        rc = err_set(err, TL_EINVAL, "the name of a parameter is expected here: NAME=float(LOW,HIGH)");
    } else if (name.n > SPACE_MAX_NAME) {
        rc = err_set(err, TL_ELIMIT, "a name has at most %u bytes", SPACE_MAX_NAME);
    } else if (is_keyword(name) || str_eq(name, STR("trial")) || str_eq(name, STR("study"))) {
        rc = err_set(err, TL_EINVAL, "this name is reserved");
    } else if (!json_utf8_valid(name)) {
        rc = err_set(err, TL_EINVAL, "this name is not valid UTF-8");
    } else if (search_space_find(s, name) < s->n) {
        rc = err_set(err, TL_EINVAL, "this parameter was declared before");
    }
    if (rc) {
        return fail_at(c, name.p, err, rc);
    }
    rc = make_env(c, name, &param->env, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->params[i].env, param->env) == 0) {
            rc = err_set(err, TL_EINVAL, "'%s' would have the same environment variable, %s", s->params[i].name,
                         param->env);
            return fail_at(c, name.p, err, rc);
        }
    }
    param->name = arena_dup(c->memory, name.p, name.n);
    return param->name ? 0 : err_nomem(err);
}

int search_space_add(struct search_space *s, struct str text, struct tl_err *err)
{
    struct cursor c = {text.p, text.p, text.p + text.n, &s->memory};
    struct space_param param = {.name = NULL};
    if (s->n >= SPACE_MAX_PARAMS) {
        return err_set(err, TL_ELIMIT, "more than %u parameters", SPACE_MAX_PARAMS);
    }
    int rc = declare_name(&c, s, &param, err);
    if (rc == 0) {
        rc = want(&c, '=', err);
    }
    if (rc == 0) {
        rc = read_kind(&c, &param.dist, &param.adjusted, err);
    }
    if (rc == 0 && eat_keyword(&c, "if")) {
        rc = read_condition(&c, s, &param, err);
    } else if (rc == 0 && !at_end(&c)) {
        rc = fail_at(&c, c.p, err, err_set(err, TL_EINVAL, "'if' or the end is expected here"));
    }
    if (rc) {
        return rc;
    }
    if (!mem_grow((void **)&s->params, &s->cap, s->n + 1, sizeof *s->params)) {
        return err_nomem(err);
    }
    s->params[s->n++] = param;
    return 0;
}

void search_space_release(struct search_space *s)
{
    mem_free(s->params);
    arena_release(&s->memory);
    *s = (struct search_space){.params = NULL};
}

/* ---- fixed parameters ---- */

/* The internal form of a fixed value: a number in range, or a choice. A word that is no choice as a number may be one as
 * text ("1" among choices that are all text). */
static int fix_value(const struct cursor *c, const struct space_param *param, struct tl_value *value, bool quoted,
                     struct str word, double *internal, struct tl_err *err)
{
    const struct tl_dist *dist = &param->dist;
    int rc = 0;
    if (dist->kind == TL_DIST_CATEGORICAL) {
        struct tl_value text = text_value(word);
        if (tl_dist_internal(dist, value, internal, NULL) == 0) {
            return tl_dist_external(dist, *internal, value, err);
        }
        if (!quoted && tl_dist_internal(dist, &text, internal, NULL) == 0) {
            return tl_dist_external(dist, *internal, value, err);
        }
        rc = err_set(err, TL_EINVAL, "'%s' has no such choice", param->name);
    } else if (quoted || !numeric_word(value, internal)) {
        rc = err_set(err, TL_EINVAL, "a number is expected here");
    } else if (!tl_dist_contains(dist, *internal)) {
        rc = err_set(err, TL_EINVAL, "'%s' never has this value", param->name);
    }
    return rc ? fail_at(c, word.p, err, rc) : tl_dist_external(dist, *internal, value, err);
}

/* A fixed value whose condition is known to be false would be ignored: a mistake. Known: all tested parameters are fixed. */
static int check_conditions(const struct search_space *s, const struct space_value *fixed, struct tl_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        bool known = fixed[i].present;
        for (size_t k = 0; k < s->params[i].n_cond && known; k++) {
            const struct cond_step *step = &s->params[i].cond[k];
            known = step->kind != COND_TEST || fixed[step->param].present;
        }
        if (known && !search_space_active(s, i, fixed)) {
            return err_set(err, TL_EINVAL, "'%s' is fixed, but its condition is false", s->params[i].name);
        }
    }
    return 0;
}

/* One NAME=VALUE. */
static int read_fixed(struct cursor *c, const struct search_space *s, struct space_value *fixed,
                      struct tl_fixed_param *out, struct tl_err *err)
{
    struct str name = read_name(c);
    size_t i = search_space_find(s, name);
    bool quoted;
    int rc = 0;
    if (name.n == 0) {
        rc = err_set(err, TL_EINVAL, "NAME=VALUE is expected here");
    } else if (i == s->n) {
        rc = err_set(err, TL_EINVAL, "no --param declares this name");
    } else if (fixed[i].present) {
        rc = err_set(err, TL_EINVAL, "this parameter is fixed twice");
    }
    if (rc) {
        return fail_at(c, name.p, err, rc);
    }
    rc = want(c, '=', err);
    blanks(c);
    const char *place = c->p;
    if (rc == 0) {
        rc = read_value(c, &out->value, &quoted, err);
    }
    if (rc == 0) {
        rc = fix_value(c, &s->params[i], &out->value, quoted, (struct str){place, (size_t)(c->p - place)},
                       &fixed[i].internal, err);
    }
    fixed[i].present = true;
    out->name = s->params[i].name;
    return rc;
}

int search_space_fixed(struct search_space *s, struct str text, struct tl_fixed_param **out, size_t *n, struct tl_err *err)
{
    struct cursor c = {text.p, text.p, text.p + text.n, &s->memory};
    struct tl_fixed_param *list = arena_alloc(&s->memory, (s->n + 1) * sizeof *list);
    struct space_value *fixed = mem_zalloc(s->n + 1, sizeof *fixed);
    size_t count = 0;
    int rc = list && fixed ? 0 : err_nomem(err);
    while (rc == 0) {
        /* a name can be fixed only once, so `list` is long enough */
        rc = read_fixed(&c, s, fixed, &list[count], err);
        count++;
        if (rc == 0 && !eat(&c, ',')) {
            if (!at_end(&c)) {
                rc = fail_at(&c, c.p, err, err_set(err, TL_EINVAL, "',' or the end is expected here"));
            }
            break;
        }
    }
    if (rc == 0) {
        rc = check_conditions(s, fixed, err);
    }
    if (rc == 0) {
        *out = list;
        *n = count;
    }
    mem_free(fixed);
    return rc;
}
