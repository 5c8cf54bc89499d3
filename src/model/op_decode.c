/* SPDX-License-Identifier: MIT
 *
 * Line of text -> operation.
 *
 * op_decode looks at the checksum, tries the shapes that Optuna and we write (op_fast.c), and leaves every
 * other line to the general path here: members in any order, unknown ones, equal keys, blanks, numbers in
 * any form. Both give the same operation for the same line; a fuzz target holds them to that.
 *
 * The general path goes as Python does: the whole line is read first, the last of equal keys wins, then
 * members are taken in the order in which Optuna's replay takes them. A line at which every Optuna raises
 * before it looks for the study or trial is odd; what it would raise at later goes into op->odd.
 */
#include "base/err.h"
#include "base/num.h"
#include "model/op_text.h"

/* A line being read. */
struct line {
    struct op_reader r;
    struct str found[M_COUNT]; /* p NULL: the line does not have it */
};

/* p is NULL when the line does not have the member. */
static struct json cursor(const struct line *l, enum op_member m)
{
    struct str raw = l->found[m];
    return raw.p ? JSON_OF(raw.p, raw.n) : (struct json){NULL, NULL, NULL};
}

/* False when the member is missing, which is noted as odd. */
static bool has(struct line *l, enum op_member m, int *rc)
{
    if (l->found[m].p) {
        return true;
    }
    *rc = op_odd(&l->r, m, "is missing");
    return false;
}

/* ---- members by operation, in Optuna's order ---- */

static int read_time(struct line *l, enum op_member m, bool null_allowed, struct tl_time *out)
{
    int rc = TL_OK;
    if (!has(l, m, &rc)) {
        return rc;
    }
    struct json j = cursor(l, m);
    return op_read_time(&l->r, m, &j, null_allowed, out);
}

static int read_create_study(struct line *l)
{
    int rc = TL_OK;
    if (has(l, M_STUDY_NAME, &rc)) {
        struct json j = cursor(l, M_STUDY_NAME);
        rc = op_read_text(&l->r, M_STUDY_NAME, &j, &l->r.op->name);
    }
    if (rc == TL_OK && has(l, M_DIRECTIONS, &rc)) {
        struct json j = cursor(l, M_DIRECTIONS);
        rc = op_read_directions(&l->r, &j);
    }
    return rc;
}

static int read_attr(struct line *l, enum op_member m)
{
    int rc = TL_OK;
    if (!has(l, m, &rc)) {
        return rc;
    }
    struct json j = cursor(l, m);
    return op_read_attr(&l->r, m, &j);
}

static int read_template_values(struct line *l)
{
    struct op *op = l->r.op;
    int rc = TL_OK;
    if (l->found[M_VALUES].p) {
        struct json j = cursor(l, M_VALUES);
        rc = op_read_values(&l->r, &j);
    }
    struct json j = cursor(l, M_VALUE);
    if (rc != TL_OK || !j.p || json_null(&j)) {
        return rc;
    }
    if (op->has_values) {
        return op_odd(&l->r, M_VALUE, "and 'values' are both given");
    }
    double *value = arena_alloc(l->r.a, sizeof *value);
    if (!value) {
        return err_nomem(l->r.err);
    }
    rc = op_read_number(&l->r, &j, value);
    op->has_values = true;
    op->values = value;
    op->n_values = 1;
    return rc;
}

static int read_template(struct line *l)
{
    struct op *op = l->r.op;
    struct op_params params = OP_PARAMS_INIT;
    struct json j = cursor(l, M_DISTRIBUTIONS);
    int rc = j.p ? op_read_distributions(&l->r, &j, &params) : TL_OK;
    j = cursor(l, M_PARAMS);
    if (rc == TL_OK && j.p) {
        rc = op_read_param_values(&l->r, &j, &params);
    }
    rc = op_end_params(&l->r, &params, rc);
    j = cursor(l, M_STATE);
    if (rc == TL_OK && j.p) {
        rc = op_read_state(&l->r, &j);
    }
    if (rc == TL_OK) {
        rc = read_template_values(l);
    }
    j = cursor(l, M_USER_ATTRS);
    if (rc == TL_OK && j.p) {
        rc = op_read_attrs(&l->r, &j, &op->user_attrs, &op->n_user_attrs);
    }
    j = cursor(l, M_SYSTEM_ATTRS);
    if (rc == TL_OK && j.p) {
        rc = op_read_attrs(&l->r, &j, &op->system_attrs, &op->n_system_attrs);
    }
    j = cursor(l, M_INTERMEDIATE_VALUES);
    if (rc == TL_OK && j.p) {
        rc = op_read_reports(&l->r, &j);
    }
    return rc;
}

static int read_create_trial(struct line *l)
{
    static const enum op_member template_members[] = {
        M_STATE,  M_VALUE,      M_VALUES,       M_DATETIME_COMPLETE,  M_DISTRIBUTIONS,
        M_PARAMS, M_USER_ATTRS, M_SYSTEM_ATTRS, M_INTERMEDIATE_VALUES};
    struct op *op = l->r.op;
    for (size_t i = 0; i < TL_COUNT(template_members); i++) {
        op->is_template |= l->found[template_members[i]].p != NULL;
    }
    int rc = read_time(l, M_DATETIME_START, true, &op->start);
    if (rc == TL_OK && l->found[M_DATETIME_COMPLETE].p) {
        rc = read_time(l, M_DATETIME_COMPLETE, false, &op->complete);
    }
    if (rc == TL_OK && op->is_template) {
        rc = read_template(l);
    }
    if (rc == TL_OK && !op->worker.p) {
        rc = op_odd(&l->r, M_WORKER_ID, "is missing");
    }
    return rc;
}

static int read_param(struct line *l)
{
    struct op *op = l->r.op;
    int rc = TL_OK;
    if (has(l, M_PARAM_NAME, &rc)) {
        struct json j = cursor(l, M_PARAM_NAME);
        rc = op_read_text(&l->r, M_PARAM_NAME, &j, &op->name);
    }
    if (rc == TL_OK && has(l, M_PARAM_VALUE, &rc)) {
        struct json j = cursor(l, M_PARAM_VALUE);
        rc = op_read_number(&l->r, &j, &op->number);
    }
    if (rc == TL_OK && has(l, M_DISTRIBUTION, &rc)) {
        struct json j = cursor(l, M_DISTRIBUTION);
        rc = op_read_raw_text(&l->r, M_DISTRIBUTION, &j, &op->text, &op->text_escaped);
    }
    return rc;
}

static int read_state(struct line *l)
{
    struct op *op = l->r.op;
    int rc = TL_OK;
    op->state = -1;
    if (has(l, M_STATE, &rc)) {
        struct json j = cursor(l, M_STATE);
        rc = op_read_state(&l->r, &j);
    }
    if (rc == TL_OK && op->state == TL_RUNNING) {
        rc = read_time(l, M_DATETIME_START, false, &op->start);
        if (rc == TL_OK && !op->worker.p) {
            rc = op_odd(&l->r, M_WORKER_ID, "is missing");
        }
    }
    if (rc == TL_OK && TL_STATE_IS_FINISHED(op->state)) {
        rc = read_time(l, M_DATETIME_COMPLETE, false, &op->complete);
    }
    if (rc == TL_OK && has(l, M_VALUES, &rc)) {
        struct json j = cursor(l, M_VALUES);
        rc = op_read_values(&l->r, &j);
    }
    return rc;
}

static int read_report(struct line *l)
{
    struct op *op = l->r.op;
    int rc = TL_OK;
    if (has(l, M_STEP, &rc) && op_whole_of(l->found[M_STEP], &op->step) != WHOLE_YES) {
        rc = op_odd(&l->r, M_STEP, "is no whole number within 64 bits");
    }
    if (rc == TL_OK && has(l, M_INTERMEDIATE_VALUE, &rc)) {
        struct json j = cursor(l, M_INTERMEDIATE_VALUE);
        rc = op_read_number(&l->r, &j, &op->number);
    }
    return rc;
}

static int read_members(struct line *l)
{
    switch (l->r.op->code) {
    case OP_CREATE_STUDY: return read_create_study(l);
    case OP_STUDY_USER_ATTR:
    case OP_TRIAL_USER_ATTR: return read_attr(l, M_USER_ATTR);
    case OP_STUDY_SYSTEM_ATTR:
    case OP_TRIAL_SYSTEM_ATTR: return read_attr(l, M_SYSTEM_ATTR);
    case OP_CREATE_TRIAL: return read_create_trial(l);
    case OP_TRIAL_PARAM: return read_param(l);
    case OP_TRIAL_STATE: return read_state(l);
    case OP_TRIAL_REPORT: return read_report(l);
    case OP_DELETE_STUDY:
    case OP_DISCARD_TRIALS:
    case OP_N_CODES: break;
    }
    return TL_OK;
}

/* ---- what every operation has ---- */

static enum op_line odd(struct line *l, enum op_member m, const char *what)
{
    err_set(l->r.err, TL_EINVAL, "'%s' %s", op_member_names[m].p, what);
    return OP_LINE_ODD;
}

/* Code, worker, count and target: what the dispatch needs. */
static enum op_line read_head(struct line *l)
{
    static const char ids[OP_N_CODES] = {
#define OP_X(name, code, text, id) [code] = id,
        OP_LIST(OP_X)
#undef OP_X
    };
    struct op *op = l->r.op;
    int64_t code, n;
    if (!l->found[M_OP_CODE].p) {
        return odd(l, M_OP_CODE, "is missing");
    }
    if (op_whole_of(l->found[M_OP_CODE], &code) != WHOLE_YES || code < 0 || code >= OP_N_CODES) {
        return odd(l, M_OP_CODE, "is no known operation");
    }
    op->code = (enum op_code)code;
    struct json j = cursor(l, M_WORKER_ID);
    if (j.p) {
        op->worker = STR(""); /* what is no text is nobody's name */
        if (json_peek(&j) == JSON_STRING && op_read_text(&l->r, M_WORKER_ID, &j, &op->worker) != TL_OK) {
            return OP_LINE_BROKEN;
        }
    }
    if (l->found[M_N].p && op_whole_of(l->found[M_N], &n) == WHOLE_YES && n > 0) {
        op->n = (uint64_t)n;
    }
    if (ids[code] == '-') {
        return OP_LINE_OK;
    }
    enum op_member target = ids[code] == 's' ? M_STUDY_ID : M_TRIAL_ID;
    if (!l->found[target].p) {
        return odd(l, target, "is missing");
    }
    switch (op_whole_of(l->found[target], &op->target)) {
    case WHOLE_UNHASHABLE: return odd(l, target, "is a list or an object");
    case WHOLE_NO: op->target = -1; break;
    case WHOLE_YES: break;
    }
    if (op->target < 0) {
        op->target = -1;
    }
    return OP_LINE_OK;
}

/* Index of a member's name, M_COUNT for one we do not know. */
static int member_of(struct str key)
{
    int m = 0;
    while (m < M_COUNT && !str_eq(key, op_member_names[m])) {
        m++;
    }
    return m;
}

/* Finds the members; 0, or what makes the line broken. `*is_object`: it may be valid JSON of another kind. */
static int find_members(struct line *l, struct str text, bool *is_object)
{
    struct json j = JSON_OF(text.p, text.n);
    struct str key, raw;
    bool first = true;
    int rc;
    *is_object = json_peek(&j) == JSON_OBJECT;
    if (!*is_object) {
        rc = json_skip(&j, &raw, l->r.err);
        return rc == TL_OK ? json_finish(&j, l->r.err) : rc;
    }
    rc = json_open(&j, '{', l->r.err);
    while (rc == TL_OK && (rc = json_next_key(&j, &first, l->r.a, &key, l->r.err)) > 0) {
        rc = json_skip(&j, &raw, l->r.err);
        int m = member_of(key);
        if (m < M_COUNT) {
            l->found[m] = raw;
        }
    }
    return rc == TL_OK ? json_finish(&j, l->r.err) : rc;
}

static void clear(struct op *op)
{
    *op = (struct op){.code = OP_N_CODES, .target = -1, .state = TL_RUNNING};
}

/* The code of a line that cannot be read as a whole, from how it begins. */
static void guess_code(struct str line, struct op *out)
{
    static const struct str head = {"{\"op_code\":", 11};
    int64_t code;
    clear(out);
    if (line.n <= head.n || memcmp(line.p, head.p, head.n) != 0) {
        return;
    }
    const char *end = num_parse_int(line.p + head.n, line.p + line.n, &code);
    if (end && end < line.p + line.n && *end == ',' && code >= 0 && code < OP_N_CODES) {
        out->code = (enum op_code)code;
    }
}

enum op_line op_decode_general(struct str line, struct arena *a, struct op *out, struct tl_err *err)
{
    struct line l = {.r = {.op = out, .a = a, .err = err}};
    struct str text = line;
    bool is_object;
    clear(out);
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) { /* Python steps over a byte order mark */
        text.p += 3;
        text.n -= 3;
    }
    if (find_members(&l, text, &is_object) != TL_OK) {
        guess_code(line, out);
        return OP_LINE_BROKEN;
    }
    if (!is_object) {
        err_set(err, TL_EINVAL, "not an object");
        return OP_LINE_ODD;
    }
    enum op_line how = read_head(&l);
    if (how == OP_LINE_OK && read_members(&l) != TL_OK) {
        how = OP_LINE_BROKEN;
    }
    return how;
}

enum op_line op_decode(struct str line, struct arena *a, struct op *out, struct tl_err *err)
{
    if (op_check_crc(line) == 0) {
        guess_code(line, out);
        err_set(err, TL_ECORRUPT, "the checksum is wrong");
        return OP_LINE_BROKEN;
    }
    if (op_decode_fast(line, a, out)) {
        return OP_LINE_OK;
    }
    return op_decode_general(line, a, out, err);
}
