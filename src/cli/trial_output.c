/* SPDX-License-Identifier: MIT
 *
 * Reads a program's output line by line and finds the values (rules in trial_output.h).
 *
 * Happy path: bytes collect in `line`; at each line break the line is a message for us, or a candidate for the values. Which
 * candidate counts is only known at the end, so the last one is kept. Failure: no memory ends the reading; anything odd in the
 * output is reported at the end as "no value" with the reason.
 */
#include "cli/trial_output.h"

#include <math.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"

int trial_output_init(struct trial_output *o, const struct output_rules *rules, const struct output_sink *sink)
{
    *o = (struct trial_output){
        .rules = rules,
        .sink = sink,
        .line = BUF_INIT(TRIAL_LINE_MAX),
        .last = BUF_INIT(TRIAL_LINE_MAX + 1),
        .whole = BUF_INIT(TRIAL_WHOLE_MAX),
    };
    if (rules->rule != VALUE_PATTERN) {
        return 0;
    }
    o->matched = mem_zalloc(rules->n_values, sizeof *o->matched);
    o->has_match = mem_zalloc(rules->n_values, sizeof *o->has_match);
    if (o->matched && o->has_match) {
        return 0;
    }
    trial_output_release(o);
    return TL_ENOMEM;
}

void trial_output_release(struct trial_output *o)
{
    buf_release(&o->line);
    buf_release(&o->last);
    buf_release(&o->whole);
    mem_free(o->matched);
    mem_free(o->has_match);
    *o = (struct trial_output){.rules = NULL};
}

/* ---- words of a line ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

/* Takes the first word off. */
static struct str take_word(struct str *rest)
{
    *rest = trim(*rest);
    struct str word = {rest->p, 0};
    while (word.n < rest->n && !is_blank(rest->p[word.n])) {
        word.n++;
    }
    rest->p += word.n;
    rest->n -= word.n;
    *rest = trim(*rest);
    return word;
}

/* ---- messages for us ---- */

static int report_line(struct trial_output *o, struct str line, struct str rest)
{
    int64_t step;
    double value;
    struct str step_text = take_word(&rest);
    if (!cli_parse_int(step_text, &step) || step < 0 || !cli_parse_number(rest, &value)) {
        return o->sink->odd(o->sink->ctx, line);
    }
    return o->sink->report(o->sink->ctx, step, value);
}

static int attr_line(struct trial_output *o, struct str line, struct str rest)
{
    struct arena memory = {NULL, 0};
    struct str key;
    int rc = 0;
    if (rest.n > 0 && rest.p[0] == '"') {
        struct json j = JSON_OF(rest.p, rest.n);
        rc = json_string(&j, &memory, &key, NULL);
        rest = trim((struct str){j.p, (size_t)(j.end - j.p)});
    } else {
        key = take_word(&rest);
    }
    struct json value = JSON_OF(rest.p, rest.n);
    if (rc == 0 && (key.n == 0 || json_skip(&value, NULL, NULL) != 0 || json_finish(&value, NULL) != 0)) {
        rc = TL_EINVAL;
    }
    if (rc == 0) {
        rc = o->sink->attr(o->sink->ctx, key, rest);
    } else if (rc != TL_ENOMEM) {
        rc = o->sink->odd(o->sink->ctx, line);
    }
    arena_release(&memory);
    return rc;
}

/* ---- candidates ---- */

static int keep(struct buf *where, struct str line)
{
    buf_clear(where);
    buf_add_str(where, line);
    return where->failed == TL_ENOMEM ? TL_ENOMEM : 0;
}

static int json_line(struct trial_output *o, struct str line)
{
    struct json j = JSON_OF(line.p, line.n);
    enum json_kind kind = json_peek(&j);
    /* once it failed it stays so: the output is too long for one text */
    if (!o->whole.failed) {
        buf_add_str(&o->whole, line);
        buf_add_char(&o->whole, '\n');
    }
    if (kind != JSON_OBJECT && kind != JSON_ARRAY) {
        return 0;
    }
    if (json_skip(&j, NULL, NULL) != 0 || json_finish(&j, NULL) != 0) {
        return 0;
    }
    return keep(&o->last, line);
}

/* Groups of one pattern; `n` of them wanted. A match whose group is no number counts, as "no value" (NaN would look like a
 * value that the program meant). */
static void match_pattern(struct trial_output *o, size_t pattern, const char *text, size_t first, size_t n)
{
    regmatch_t groups[1 + 64];
    const regex_t *re = &o->rules->patterns[pattern];
    size_t want = n < TL_COUNT(groups) ? n : TL_COUNT(groups) - 1;
    if (regexec(re, text, want + 1, groups, 0) != 0) {
        return;
    }
    for (size_t i = 0; i < want; i++) {
        const regmatch_t *g = re->re_nsub == 0 ? &groups[0] : &groups[1 + i];
        bool there = g->rm_so >= 0;
        o->has_match[first + i] =
            there && cli_parse_number((struct str){text + g->rm_so, (size_t)(g->rm_eo - g->rm_so)}, &o->matched[first + i]);
    }
}

static int pattern_line(struct trial_output *o, struct str line)
{
    /* `last` is the NUL-terminated copy that regexec wants */
    if (keep(&o->last, line) != 0) {
        return TL_ENOMEM;
    }
    const char *text = buf_cstr(&o->last);
    if (!text) {
        return TL_ENOMEM;
    }
    if (o->rules->n_patterns == 1) {
        match_pattern(o, 0, text, 0, o->rules->n_values);
    } else {
        for (size_t i = 0; i < o->rules->n_patterns; i++) {
            match_pattern(o, i, text, i, 1);
        }
    }
    return 0;
}

static int end_line(struct trial_output *o)
{
    struct str line = trim((struct str){o->line.data ? o->line.data : "", o->line.len});
    for (size_t i = line.n; i-- > 0;) {
        if (line.p[i] == '\r') {
            line = trim((struct str){line.p + i + 1, line.n - i - 1});
            break;
        }
    }
    struct str rest = line, word = take_word(&rest);
    if (str_eq(word, STR("trialog-report"))) {
        return report_line(o, line, rest);
    }
    if (str_eq(word, STR("trialog-pruned")) && rest.n == 0) {
        return o->sink->pruned(o->sink->ctx);
    }
    if (str_eq(word, STR("trialog-attr"))) {
        return attr_line(o, line, rest);
    }
    switch (o->rules->rule) {
    case VALUE_LAST_LINE: return line.n > 0 ? keep(&o->last, line) : 0;
    case VALUE_JSON: return json_line(o, line);
    case VALUE_PATTERN: return pattern_line(o, line);
    }
    return 0;
}

int trial_output_feed(struct trial_output *o, const char *bytes, size_t n)
{
    int rc = 0;
    while (rc == 0 && n > 0) {
        const char *stop = memchr(bytes, '\n', n);
        size_t part = stop ? (size_t)(stop - bytes) : n;
        size_t room = TRIAL_LINE_MAX - o->line.len;
        buf_add(&o->line, bytes, part < room ? part : room);
        if (o->line.failed) {
            return o->line.failed;
        }
        if (stop) {
            rc = end_line(o);
            buf_clear(&o->line);
            part++;
        }
        bytes += part;
        n -= part;
    }
    return rc;
}

int trial_output_end(struct trial_output *o)
{
    int rc = o->line.len > 0 ? end_line(o) : 0;
    buf_clear(&o->line);
    return rc;
}

/* ---- values ---- */

/* Shows a piece of output in a message. */
#define SHOW_MAX 80
#define SHOWN(s) (int)((s).n < SHOW_MAX ? (s).n : SHOW_MAX), (s).p, (s).n < SHOW_MAX ? "" : "..."

static int last_line_values(const struct trial_output *o, double *values, struct tl_err *err)
{
    size_t want = o->rules->n_values, n = 0;
    struct str rest = {o->last.data ? o->last.data : "", o->last.len}, line = rest;
    if (rest.n == 0) {
        return err_set(err, TL_EINVAL, "no value: the program printed nothing");
    }
    while (rest.n > 0) {
        struct str word = {rest.p, 0};
        double v;
        while (word.n < rest.n && !is_blank(rest.p[word.n]) && rest.p[word.n] != ',') {
            word.n++;
        }
        if (!cli_parse_number(word, &v)) {
            return err_set(err, TL_EINVAL, "no value: the last line is no number: '%.*s%s'", SHOWN(line));
        }
        if (n < want) {
            values[n] = v;
        }
        n++;
        rest = trim((struct str){rest.p + word.n, rest.n - word.n});
        if (rest.n > 0 && rest.p[0] == ',') {
            rest = trim((struct str){rest.p + 1, rest.n - 1});
        }
    }
    if (n != want) {
        return err_set(err, TL_EINVAL, "no value: the last line has %zu numbers, the study %zu objectives", n, want);
    }
    return 0;
}

/* Puts `*value` at the member `key` of the object at j; false when there is none. The last one counts, as in Python. */
static bool find_member(struct json j, struct str key, struct str *value)
{
    struct arena memory = {NULL, 0};
    bool first = true, found = false;
    struct str name, raw;
    if (json_open(&j, '{', NULL) != 0) {
        return false;
    }
    while (json_next_key(&j, &first, &memory, &name, NULL) > 0 && json_skip(&j, &raw, NULL) == 0) {
        if (str_eq(name, key)) {
            *value = raw;
            found = true;
        }
    }
    arena_release(&memory);
    return found;
}

static bool find_item(struct json j, struct str index, struct str *value)
{
    int64_t want;
    bool first = true;
    if (!cli_parse_int(index, &want) || want < 0 || json_open(&j, '[', NULL) != 0) {
        return false;
    }
    while (json_next_item(&j, &first, NULL) > 0 && json_skip(&j, value, NULL) == 0) {
        if (want-- == 0) {
            return true;
        }
    }
    return false;
}

/* Follows a path: at each object the whole rest is tried as one key first, then up to its first dot. */
static bool find_field(struct str text, struct str path, struct str *value)
{
    bool found = true;
    while (found && path.n > 0) {
        struct json j = JSON_OF(text.p, text.n);
        enum json_kind kind = json_peek(&j);
        const char *dot = memchr(path.p, '.', path.n);
        struct str key = {path.p, dot ? (size_t)(dot - path.p) : path.n};
        if (kind == JSON_OBJECT && find_member(j, path, value)) {
            return true;
        }
        found = kind == JSON_OBJECT ? find_member(j, key, value) : kind == JSON_ARRAY && find_item(j, key, value);
        text = *value;
        path.p += key.n + (dot ? 1 : 0);
        path.n -= key.n + (dot ? 1 : 0);
    }
    return found;
}

static bool is_container(struct str text)
{
    struct json j = JSON_OF(text.p, text.n);
    enum json_kind kind = json_peek(&j);
    return (kind == JSON_OBJECT || kind == JSON_ARRAY) && json_skip(&j, NULL, NULL) == 0 && json_finish(&j, NULL) == 0;
}

static int json_values(const struct trial_output *o, double *values, struct tl_err *err)
{
    struct str whole = {o->whole.data ? o->whole.data : "", o->whole.len};
    struct str last = {o->last.data ? o->last.data : "", o->last.len};
    struct str text = !o->whole.failed && is_container(whole) ? whole : last;
    if (text.n == 0) {
        return err_set(err, TL_EINVAL, "no value: the program printed no JSON object");
    }
    for (size_t i = 0; i < o->rules->n_values; i++) {
        struct str field = o->rules->fields[i], raw = {"", 0};
        if (!find_field(text, field, &raw)) {
            return err_set(err, TL_EINVAL, "no value: the JSON output has no field '%.*s%s'", SHOWN(field));
        }
        struct json j = JSON_OF(raw.p, raw.n);
        if (json_peek(&j) != JSON_NUMBER || json_number(&j, &values[i], NULL) != 0) {
            return err_set(err, TL_EINVAL, "no value: the field '%.*s%s' is no number", SHOWN(field));
        }
    }
    return 0;
}

int trial_output_values(const struct trial_output *o, double *values, struct tl_err *err)
{
    switch (o->rules->rule) {
    case VALUE_LAST_LINE: return last_line_values(o, values, err);
    case VALUE_JSON: return json_values(o, values, err);
    case VALUE_PATTERN: break;
    }
    for (size_t i = 0; i < o->rules->n_values; i++) {
        if (!o->has_match[i]) {
            return err_set(err, TL_EINVAL, "no value: no line matches the pattern%s with a number",
                           o->rules->n_patterns > 1 ? "s" : "");
        }
    }
    memcpy(values, o->matched, o->rules->n_values * sizeof *values);
    return 0;
}
