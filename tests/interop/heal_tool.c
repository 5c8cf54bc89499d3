/* SPDX-License-Identifier: MIT
 *
 * Our side of heal_optuna.py. Reads paths of journals from stdin; appends to each two operations (which heals its end first), then
 * opens it anew and prints what it holds, one line per journal: for each study "S DIRECTIONS ATTRIBUTES", for each of its trials
 * "T STATE PARAMETERS ATTRIBUTES REPORTS VALUES".
 */
#include "base/buf.h"
#include "base/err.h"
#include "journal/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trialog/storage.h>

static const char lines[] =
    "{\"op_code\":8,\"worker_id\":\"after\",\"trial_id\":0,\"user_attr\":{\"ok\":1}}\n"
    "{\"op_code\":4,\"worker_id\":\"after\",\"study_id\":0,\"datetime_start\":\"2026-01-01T00:00:00.000000+00:00\"}\n";

static int ignore_lines(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    (void)ctx;
    (void)bytes;
    (void)n;
    (void)offset;
    (void)err;
    return TL_OK;
}

static int ignore_rewind(void *ctx, const char *why, struct tl_err *err)
{
    (void)ctx;
    (void)why;
    (void)err;
    return TL_OK;
}

static int compose(void *ctx, struct buf *out, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    buf_add(out, lines, sizeof lines - 1);
    return TL_OK;
}

static int append(const char *path, struct tl_err *err)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    struct backend *b;
    options.durability = TL_DURABILITY_OFF;
    int rc = backend_open(path, &options, &b, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct append a = {.deliver = {.lines = ignore_lines, .rewind = ignore_rewind}, .compose = compose, .timeout_ms = 10000};
    rc = b->ops->append(b, &a, err);
    b->ops->close(b);
    return rc;
}

struct printing {
    tl_storage *storage;
    struct tl_err *err;
};

static int print_study(void *ctx, int64_t id, const char *name)
{
    const struct printing *p = ctx;
    tl_view *view;
    size_t n_directions, n_attrs;
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    (void)name;
    int rc = tl_view_open(p->storage, id, false, &view, p->err);
    if (rc != TL_OK) {
        return rc;
    }
    (void)tl_view_directions(view, &n_directions);
    (void)tl_view_study_attrs(view, &n_attrs);
    printf("S %zu %zu", n_directions, n_attrs);
    for (size_t i = 0; rc == TL_OK && i < tl_view_n_trials(view); i++) {
        rc = tl_view_trial(view, (int64_t)i, &t, p->err);
        if (rc == TL_OK) {
            printf(" T %d %zu %zu %zu %zu", (int)t.state, t.n_params, t.n_attrs, t.n_reports, t.has_values ? t.n_values : 0);
        }
    }
    printf(" ");
    tl_frozen_release(&t);
    tl_view_close(view);
    return rc;
}

static int print_journal(const char *path, struct tl_err *err)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    tl_storage *storage;
    options.read_only = true;
    int rc = tl_storage_open(path, &options, &storage, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct tl_storage_stats stats = {.size = sizeof stats};
    tl_storage_get_stats(storage, &stats);
    struct printing p = {storage, err};
    rc = stats.damaged ? err_set(err, TL_ECORRUPT, "%s is damaged", path) : tl_storage_each_study(storage, print_study, &p, err);
    tl_storage_close(storage);
    return rc;
}

int main(void)
{
    char path[4096];
    while (fgets(path, sizeof path, stdin)) {
        struct tl_err err = TL_ERR_INIT;
        path[strcspn(path, "\n")] = 0;
        int rc = append(path, &err);
        if (rc == TL_OK) {
            rc = print_journal(path, &err);
        }
        if (rc != TL_OK) {
            printf("%s: %s", tl_code_name(rc), err.message);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
