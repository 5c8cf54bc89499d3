/* SPDX-License-Identifier: MIT
 *
 * States as text. Deleted studies show up by their trials' places only, as in every reader.
 */
#include "state_text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/store.h"

enum verdict feed_line(struct state *s, const char *line)
{
    struct arena a = {0};
    struct op op;
    struct applied done = {V_ODD, -1};
    size_t n = strlen(line);
    if (n && line[n - 1] == '\n') {
        n--;
    }
    if (op_decode((struct str){line, n}, &a, &op, NULL) == OP_LINE_OK) {
        if (state_apply(s, &op, &done, NULL) != TL_OK) {
            abort();
        }
    } else if (state_skip(s, -1) != TL_OK) {
        abort();
    }
    arena_release(&a);
    return done.verdict;
}

void feed_lines(struct state *s, const char *bytes, size_t n)
{
    struct arena a = {0};
    const char *end = bytes + n;
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t len = newline ? (size_t)(newline - bytes) : (size_t)(end - bytes);
        struct op op;
        struct applied done;
        if (op_decode((struct str){bytes, len}, &a, &op, NULL) == OP_LINE_OK) {
            if (state_apply(s, &op, &done, NULL) != TL_OK) {
                abort();
            }
        } else if (state_skip(s, -1) != TL_OK) {
            abort();
        }
        arena_reset(&a);
        bytes += len + 1;
    }
    arena_release(&a);
}

static void put_time(struct buf *out, const char *what, struct tl_time t)
{
    if (t.set) {
        buf_printf(out, " %s=%" PRId64 "%s", what, t.us, t.naive ? "n" : "");
    }
}

static void put_attr(struct buf *out, const struct tl_attr *a)
{
    buf_printf(out, "  %s ", a->kind == TL_ATTR_USER ? "user" : "system");
    json_put_string(out, (struct str){a->key.s, a->key.len});
    buf_add_char(out, ' ');
    buf_add(out, a->json.s, a->json.len);
    buf_add_char(out, '\n');
}

static void put_trial(struct buf *out, const struct tl_frozen_trial *t)
{
    buf_printf(out, " trial %" PRId64 " id=%" PRId64 " %s", t->number, t->id, tl_state_name((int)t->state));
    put_time(out, "start", t->start);
    put_time(out, "complete", t->complete);
    if (t->has_values) {
        buf_add_text(out, " values");
        for (size_t i = 0; i < t->n_values; i++) {
            buf_add_char(out, ' ');
            json_put_double(out, t->values[i]);
        }
    }
    buf_add_char(out, '\n');
    for (size_t i = 0; i < t->n_params; i++) {
        buf_add_text(out, "  param ");
        json_put_string(out, (struct str){t->params[i].name.s, t->params[i].name.len});
        buf_add_char(out, ' ');
        if (t->params[i].has_value) {
            json_put_double(out, t->params[i].internal);
        }
        buf_add_char(out, ' ');
        buf_add(out, t->params[i].dist_text.s, t->params[i].dist_text.len);
        buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < t->n_attrs; i++) {
        put_attr(out, &t->attrs[i]);
    }
    for (size_t i = 0; i < t->n_reports; i++) {
        buf_printf(out, "  report %" PRId64 " ", t->reports[i].step);
        json_put_double(out, t->reports[i].value);
        buf_add_char(out, '\n');
    }
}

static void put_space(struct buf *out, const tl_view *v, bool pruned)
{
    size_t n;
    const struct tl_param *p = tl_view_search_space(v, pruned, &n);
    buf_add_text(out, pruned ? " space+pruned" : " space");
    for (size_t i = 0; i < n; i++) {
        buf_add_char(out, ' ');
        json_put_string(out, (struct str){p[i].name.s, p[i].name.len});
        buf_add(out, p[i].dist_text.s, p[i].dist_text.len);
    }
    buf_add_char(out, '\n');
}

static void put_study(struct buf *out, const tl_view *v)
{
    size_t n;
    const enum tl_direction *d = tl_view_directions(v, &n);
    buf_printf(out, "study %" PRId64 " ", tl_view_study_id(v));
    json_put_string(out, str_of(tl_view_study_name(v)));
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, " %s", tl_direction_name((int)d[i]));
    }
    for (int s = 0; s < TL_N_STATES; s++) {
        buf_printf(out, " %zu", tl_view_count(v, (enum tl_state)s));
    }
    buf_printf(out, " best=%" PRId64 " front", tl_view_best(v));
    const int64_t *front = tl_view_front(v, &n);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, " %" PRId64, front[i]);
    }
    buf_add_char(out, '\n');
    put_space(out, v, false);
    put_space(out, v, true);
    const struct tl_attr *attrs = tl_view_study_attrs(v, &n);
    for (size_t i = 0; i < n; i++) {
        put_attr(out, &attrs[i]);
    }
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    for (size_t i = 0; i < tl_view_n_trials(v); i++) {
        if (tl_view_trial(v, (int64_t)i, &t, NULL) != TL_OK) {
            abort();
        }
        put_trial(out, &t);
    }
    tl_frozen_release(&t);
}

void state_text(struct state *s, struct buf *out)
{
    buf_printf(out, "seq %" PRIu64 " studies %zu trials %zu\n", s->seq, s->n_studies, s->trials.len);
    for (size_t i = 0; i < s->studies.len; i++) {
        tl_view *v;
        if (store_view(NULL, s, (int64_t)i, &v, NULL) != TL_OK) {
            continue;
        }
        put_study(out, v);
        buf_printf(out, " first waiting %" PRId64 "\n", study_first_waiting(state_study(s, (int64_t)i)));
        tl_view_close(v);
    }
    for (size_t i = 0; i < s->workers.strings.len; i++) {
        struct str w = intern_str(&s->workers, (uint32_t)i);
        uint64_t n = *(const uint64_t *)svec_at(&s->worker_n, i);
        if (n) {
            buf_add_text(out, "worker ");
            json_put_string(out, w);
            buf_printf(out, " %" PRIu64 "\n", n);
        }
    }
    if (out->failed) {
        abort();
    }
}
