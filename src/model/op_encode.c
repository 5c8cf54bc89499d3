/* SPDX-License-Identifier: MIT
 *
 * Operation -> line of text, as Optuna's _write_log would write it, with our `n` and `crc` behind it.
 *
 * The line is written straight into the caller's buffer; when it cannot be finished the buffer is as long as
 * before. Members follow in Optuna's order. Optuna raises at a state change without `values`, at a RUNNING
 * one without start and at a finished one without completion time, so those are always there; an operation
 * that has no such line is TL_EINVAL.
 */
#include "base/crc32c.h"
#include "base/json.h"
#include "base/num.h"
#include "model/op.h"
#include "model/op_text.h"

/* A literal with its length known at compile time. */
#define PUT(out, literal) buf_add((out), (literal), sizeof(literal) - 1)

static void put_time(struct buf *out, struct tl_time t)
{
    if (!t.set) {
        PUT(out, "null");
        return;
    }
    char text[TIME_MAX];
    size_t n = time_format(t, text);
    buf_add_char(out, '"');
    buf_add(out, text, n);
    buf_add_char(out, '"');
}

static void put_dist(struct buf *out, struct str text, bool escaped)
{
    if (!escaped) {
        json_put_string(out, text);
        return;
    }
    buf_add_char(out, '"');
    buf_add_str(out, text);
    buf_add_char(out, '"');
}

static void put_list(struct buf *out, const double *values, size_t n)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        json_put_double(out, values[i]);
    }
    buf_add_char(out, ']');
}

static void put_attrs(struct buf *out, const struct op_attr *attrs, size_t n)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        json_put_string(out, attrs[i].key);
        buf_add_char(out, ':');
        buf_add_str(out, attrs[i].json);
    }
    buf_add_char(out, '}');
}

static void put_target(struct buf *out, const char *key, const struct op *op)
{
    buf_add_text(out, key);
    json_put_int(out, op->target);
}

static void put_create_study(struct buf *out, const struct op *op)
{
    PUT(out, ",\"study_name\":");
    json_put_string(out, op->name);
    PUT(out, ",\"directions\":[");
    for (size_t i = 0; i < op->n_directions; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        json_put_int(out, op->directions[i]);
    }
    buf_add_char(out, ']');
}

static void put_attr(struct buf *out, const char *key, const struct op *op)
{
    struct op_attr attr = {op->name, op->text};
    buf_add_text(out, key);
    put_attrs(out, &attr, 1);
}

static void put_params(struct buf *out, const struct op *op)
{
    PUT(out, ",\"distributions\":{");
    for (size_t i = 0; i < op->n_params; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        json_put_string(out, op->params[i].name);
        buf_add_char(out, ':');
        put_dist(out, op->params[i].dist, op->params[i].dist_escaped);
    }
    PUT(out, "},\"params\":{");
    bool first = true;
    for (size_t i = 0; i < op->n_params; i++) {
        if (!op->params[i].has_value) {
            continue;
        }
        if (!first) {
            buf_add_char(out, ',');
        }
        first = false;
        json_put_string(out, op->params[i].name);
        buf_add_char(out, ':');
        json_put_double(out, op->params[i].internal);
    }
    buf_add_char(out, '}');
}

static void put_template(struct buf *out, const struct op *op)
{
    PUT(out, ",\"state\":");
    json_put_int(out, op->state);
    PUT(out, ",\"value\":");
    bool one = op->has_values && op->n_values == 1;
    if (one) {
        json_put_double(out, op->values[0]);
    } else {
        PUT(out, "null");
    }
    PUT(out, ",\"values\":");
    if (op->has_values && !one) {
        put_list(out, op->values, op->n_values);
    } else {
        PUT(out, "null");
    }
    if (op->complete.set) {
        PUT(out, ",\"datetime_complete\":");
        put_time(out, op->complete);
    }
    put_params(out, op);
    PUT(out, ",\"user_attrs\":");
    put_attrs(out, op->user_attrs, op->n_user_attrs);
    PUT(out, ",\"system_attrs\":");
    put_attrs(out, op->system_attrs, op->n_system_attrs);
    PUT(out, ",\"intermediate_values\":{");
    for (size_t i = 0; i < op->n_reports; i++) {
        char step[NUM_MAX];
        size_t n = num_format_int(op->reports[i].step, step);
        if (i > 0) {
            buf_add_char(out, ',');
        }
        buf_add_char(out, '"');
        buf_add(out, step, n);
        PUT(out, "\":");
        json_put_double(out, op->reports[i].value);
    }
    buf_add_char(out, '}');
}

static void put_create_trial(struct buf *out, const struct op *op)
{
    put_target(out, ",\"study_id\":", op);
    PUT(out, ",\"datetime_start\":");
    put_time(out, op->start);
    if (op->is_template) {
        put_template(out, op);
    }
}

static void put_param(struct buf *out, const struct op *op)
{
    put_target(out, ",\"trial_id\":", op);
    PUT(out, ",\"param_name\":");
    json_put_string(out, op->name);
    PUT(out, ",\"param_value_internal\":");
    json_put_double(out, op->number);
    PUT(out, ",\"distribution\":");
    put_dist(out, op->text, op->text_escaped);
}

static void put_state(struct buf *out, const struct op *op)
{
    put_target(out, ",\"trial_id\":", op);
    PUT(out, ",\"state\":");
    json_put_int(out, op->state);
    PUT(out, ",\"values\":");
    if (op->has_values) {
        put_list(out, op->values, op->n_values);
    } else {
        PUT(out, "null");
    }
    if (op->state == TL_RUNNING) {
        PUT(out, ",\"datetime_start\":");
        put_time(out, op->start);
    } else if (TL_STATE_IS_FINISHED(op->state)) {
        PUT(out, ",\"datetime_complete\":");
        put_time(out, op->complete);
    }
}

static void put_report(struct buf *out, const struct op *op)
{
    put_target(out, ",\"trial_id\":", op);
    PUT(out, ",\"step\":");
    json_put_int(out, op->step);
    PUT(out, ",\"intermediate_value\":");
    json_put_double(out, op->number);
}

/* Is there a line for it that every Optuna reads as this operation? */
static bool has_line(const struct op *op)
{
    if (op->odd || !op->worker.p || op->code >= OP_N_CODES) {
        return false;
    }
    if (op->code != OP_TRIAL_STATE && !(op->code == OP_CREATE_TRIAL && op->is_template)) {
        return true;
    }
    if (op->state < TL_RUNNING || op->state > TL_WAITING) {
        return false;
    }
    return op->code == OP_CREATE_TRIAL || ((op->state != TL_RUNNING || op->start.set) &&
                                           (!TL_STATE_IS_FINISHED(op->state) || op->complete.set));
}

static void put_members(struct buf *out, const struct op *op)
{
    switch (op->code) {
    case OP_CREATE_STUDY: put_create_study(out, op); break;
    case OP_DELETE_STUDY: put_target(out, ",\"study_id\":", op); break;
    case OP_STUDY_USER_ATTR:
        put_target(out, ",\"study_id\":", op);
        put_attr(out, ",\"user_attr\":", op);
        break;
    case OP_STUDY_SYSTEM_ATTR:
        put_target(out, ",\"study_id\":", op);
        put_attr(out, ",\"system_attr\":", op);
        break;
    case OP_CREATE_TRIAL: put_create_trial(out, op); break;
    case OP_TRIAL_PARAM: put_param(out, op); break;
    case OP_TRIAL_STATE: put_state(out, op); break;
    case OP_TRIAL_REPORT: put_report(out, op); break;
    case OP_TRIAL_USER_ATTR:
        put_target(out, ",\"trial_id\":", op);
        put_attr(out, ",\"user_attr\":", op);
        break;
    case OP_TRIAL_SYSTEM_ATTR:
        put_target(out, ",\"trial_id\":", op);
        put_attr(out, ",\"system_attr\":", op);
        break;
    case OP_DISCARD_TRIALS:
    case OP_N_CODES: break;
    }
}

static void put_crc(struct buf *out, size_t start)
{
    static const char hex[] = "0123456789abcdef";
    uint32_t crc = crc32c(0, out->data + start, out->len - start);
    char suffix[OP_CRC_SUFFIX + 1] = OP_CRC_KEY "xxxxxxxx\"}";
    for (int i = 0; i < 8; i++) {
        suffix[OP_CRC_KEY_SIZE + i] = hex[crc >> (28 - 4 * i) & 15];
    }
    suffix[OP_CRC_SUFFIX] = '\n';
    buf_add(out, suffix, sizeof suffix);
}

int op_encode(const struct op *op, struct buf *out)
{
    if (!has_line(op)) {
        return TL_EINVAL;
    }
    size_t start = out->len;
    PUT(out, "{\"op_code\":");
    json_put_int(out, op->code);
    PUT(out, ",\"worker_id\":");
    json_put_string(out, op->worker);
    put_members(out, op);
    if (op->n != 0) {
        PUT(out, ",\"n\":");
        json_put_int(out, (int64_t)op->n);
    }
    if (!out->failed) {
        put_crc(out, start);
    }
    if (out->failed) {
        out->len = start;
    }
    return out->failed;
}
