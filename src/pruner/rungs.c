/* SPDX-License-Identifier: MIT
 *
 * Asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar: "A system for massively parallel
 * hyperparameter tuning", MLSys 2020, algorithm 2; Optuna's variant of it, without a maximum resource and without resuming).
 *
 * A trial that reaches the step of its next rung leaves its value there, in a system attribute, and goes on if the value is among the
 * best 1/reduction_factor of those in that rung, else it stops. All trials count that have left a value, in whatever state: finished ones
 * from order statistics that are folded from the rows of views, each row once; unfinished ones are looked at afresh, because they
 * may still enter rungs.
 *
 * Two workers that enter a rung at the same time may both miss the other's value; then a decision is off by one rank, as in Optuna.
 *
 * Failure modes: out of memory; then the book is emptied and read anew at the next decision.
 */
#include "pruner/rungs.h"

#include <math.h>
#include <stdio.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sampler/sampler.h"

#define KEY_PREFIX STR("completed_rung_")
#define KEY_MAX    48

static void rung_key(size_t rung, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "completed_rung_%zu", rung);
}

/* "completed_rung_12": 12; false for another key. Digits as they are written, without leading zeros. */
static bool rung_of_key(struct str key, size_t *rung)
{
    struct str prefix = KEY_PREFIX;
    size_t v = 0;
    if (key.n <= prefix.n || key.n > prefix.n + 2 || memcmp(key.p, prefix.p, prefix.n) != 0) {
        return false;
    }
    for (size_t i = prefix.n; i < key.n; i++) {
        if (key.p[i] < '0' || key.p[i] > '9') {
            return false;
        }
        v = v * 10 + (size_t)(key.p[i] - '0');
    }
    *rung = v;
    return v < RUNGS_MAX && (key.p[prefix.n] != '0' || key.n == prefix.n + 1);
}

/* A number that can be ranked. */
static bool read_value(const char *json, size_t n, double *v)
{
    struct json j = JSON_OF(json, n);
    return json_number(&j, v, NULL) == 0 && json_finish(&j, NULL) == 0 && !isnan(*v);
}

/* ---- what finished trials left ---- */

void rung_book_release(struct rung_book *book)
{
    for (size_t i = 0; book->values && i < book->n_brackets * RUNGS_MAX; i++) {
        order_stat_release(&book->values[i]);
    }
    mem_free(book->values);
    *book = (struct rung_book){.values = NULL};
}

static bool read_row(struct rung_book *book, const tl_view *view, size_t at, bracket_fn *bracket_of, const void *ctx)
{
    struct tl_attr_walk walk = tl_view_row_attrs(view, at);
    struct order_stat *rungs = NULL;
    struct tl_attr a;
    while (tl_view_next_attr(view, &walk, &a)) {
        size_t rung;
        double v;
        if (a.kind != TL_ATTR_SYSTEM || !rung_of_key((struct str){a.key.s, a.key.len}, &rung) ||
            !read_value(a.json.s, a.json.len, &v)) {
            continue;
        }
        if (!rungs) {
            struct tl_row row;
            tl_view_row(view, at, &row);
            rungs = &book->values[(bracket_of ? bracket_of(ctx, row.number) : 0) * RUNGS_MAX];
        }
        if (!order_stat_add(&rungs[rung], v)) {
            return false;
        }
    }
    return true;
}

static int keep_up(struct rung_book *book, size_t n_brackets, const tl_view *view, bracket_fn *bracket_of, const void *ctx,
                   struct tl_err *err)
{
    struct row_cursor cursor = book->cursor;
    if (!row_cursor_holds(&cursor, view)) {
        rung_book_release(book);
        book->cursor = cursor;
    }
    if (!book->values) {
        book->values = mem_zalloc(n_brackets * RUNGS_MAX, sizeof *book->values);
        book->n_brackets = n_brackets;
    }
    bool good = book->values != NULL;
    for (size_t n_rows = tl_view_n_rows(view); good && book->cursor.rows < n_rows; book->cursor.rows++) {
        good = read_row(book, view, book->cursor.rows, bracket_of, ctx);
    }
    if (!good) {
        rung_book_release(book);
        return err_nomem(err);
    }
    return TL_OK;
}

/* ---- deciding ---- */

/* Is `step` at least min_resource * reduction_factor ^ (rate + rung)? */
static bool reaches(const struct halving_rules *r, size_t rung, int64_t step)
{
    int64_t due = r->min_resource;
    uint64_t times = (uint64_t)r->min_early_stopping_rate + rung;
    for (; times > 0 && due <= step; times--) {
        if (due > INT64_MAX / r->reduction_factor) {
            return false;
        }
        due *= r->reduction_factor;
    }
    return due <= step;
}

/* Does a trial with value `v` go on from this rung? */
static int goes_on(const struct rung_book *book, const struct halving_rules *rules, size_t rung, size_t bracket,
                   bracket_fn *bracket_of, const void *ctx, const struct tl_prune_context *c, double v, bool *yes,
                   struct tl_err *err)
{
    const struct order_stat *s = &book->values[bracket * RUNGS_MAX + rung];
    bool maximize = prune_maximizes(c);
    size_t better = maximize ? s->n - order_stat_up_to(s, v) : order_stat_below(s, v), total = s->n + 1, n_live;
    const int64_t *live = tl_view_unfinished(c->view, &n_live);
    char key[KEY_MAX];
    if (!live) {
        return err_nomem(err);
    }
    rung_key(rung, key);
    for (size_t i = 0; i < n_live; i++) {
        const char *json;
        size_t n;
        double other;
        if (!tl_view_trial_attr(c->view, live[i], TL_ATTR_SYSTEM, key, &json, &n) || !read_value(json, n, &other) ||
            (bracket_of && bracket_of(ctx, live[i]) != bracket)) {
            continue;
        }
        total++;
        better += maximize ? other > v : other < v;
    }
    uint64_t places = total / (uint64_t)rules->reduction_factor; /* for the first ones: the best so far goes on */
    *yes = total > (uint64_t)rules->bootstrap_count && better < (places ? places : 1);
    return TL_OK;
}

static int leave_value(const struct tl_prune_context *c, size_t rung, double v, struct tl_err *err)
{
    struct buf json = BUF_INIT(64);
    char key[KEY_MAX];
    rung_key(rung, key);
    json_put_double(&json, v);
    const char *text = buf_cstr(&json);
    int rc = text ? c->attr(c->ctx, key, text) : err_nomem(err);
    buf_release(&json);
    return rc;
}

int rungs_decide(struct rung_book *book, const struct halving_rules *rules, size_t n_brackets, size_t bracket,
                 bracket_fn *bracket_of, const void *ctx, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    int64_t step = c->reports[c->last].step;
    double v = c->reports[c->last].value;
    const char *json;
    char key[KEY_MAX];
    size_t rung = 0, n;
    *prune = false;
    for (rung_key(0, key); rung < RUNGS_MAX && tl_view_trial_attr(c->view, c->trial_number, TL_ATTR_SYSTEM, key, &json, &n);) {
        rung_key(++rung, key);
    }
    if (rung >= RUNGS_MAX || !reaches(rules, rung, step)) {
        return TL_OK;
    }
    if (isnan(v)) {
        *prune = true;
        return TL_OK;
    }
    int rc = keep_up(book, n_brackets, c->view, bracket_of, ctx, err);
    for (bool on = true; rc == TL_OK && on && rung < RUNGS_MAX && reaches(rules, rung, step); rung++) {
        rc = leave_value(c, rung, v, err);
        if (rc == TL_OK) {
            rc = goes_on(book, rules, rung, bracket, bracket_of, ctx, c, v, &on, err);
        }
        *prune = !on;
    }
    return rc;
}

/* ---- resources ---- */

bool first_steps_known(struct first_steps *f, const tl_view *view)
{
    for (size_t n_rows = f->known ? 0 : tl_view_n_rows(view); f->rows < n_rows; f->rows++) {
        struct tl_row row;
        struct tl_report last;
        tl_view_row(view, f->rows, &row);
        if (row.state == TL_COMPLETE && tl_view_last_report(view, row.number, &last)) {
            f->highest = f->known && f->highest > last.step ? f->highest : last.step;
            f->known = true;
        }
    }
    return f->known;
}

int option_resource(const struct tl_option *options, size_t n, const char *name, int64_t *out, struct tl_err *err)
{
    const char *text = option_value(options, n, name);
    if (text && strcmp(text, "auto") == 0) {
        *out = 0;
        return TL_OK;
    }
    int rc = option_int(options, n, name, 1, RESOURCE_MAX, out, err);
    return rc == TL_EINVAL ? err_set(err, rc, "option '%s' is '%s': it must be \"auto\" or a whole number from 1 to %lld", name,
                                     text, (long long)RESOURCE_MAX)
                           : rc;
}
