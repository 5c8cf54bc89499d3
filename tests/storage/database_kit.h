/* SPDX-License-Identifier: MIT
 *
 * A SQLite database for tests of what SQL storages do, driven as it is or as a server is, and a connection beside the storage's own.
 */
#ifndef TEST_DATABASE_KIT_H
#define TEST_DATABASE_KIT_H

#include <stdio.h>

#include "support/sqlite_optimistic.h"
#include "support/study_kit.h"

static char file[SCRATCH_MAX + 20], url[SCRATCH_MAX + 60];
static int kind; /* 1: optimistic */

static inline void setup_kind(int i)
{
    kind = i;
    kit_special = open_optimistic;
    scratch_make(kit_dir);
    snprintf(file, sizeof file, "%s/study.db", kit_dir);
    snprintf(url, sizeof url, "%s/%s", kind ? OPTIMISTIC : "sqlite://", file);
}

/* ---- the database itself ---- */

static inline struct sql_conn *raw_open(void)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct url u;
    struct sql_conn *c = NULL;
    struct tl_err err = TL_ERR_INIT;
    char text[SCRATCH_MAX + 60];
    snprintf(text, sizeof text, "sqlite:///%s", file);
    ck_assert_int_eq(url_parse(text, &u, NULL), TL_OK);
    ck_assert_msg(sqlite_driver.connect(&u, &o, INT64_MAX, &c, &err) == SQL_DONE, "%s", err.message);
    url_release(&u);
    return c;
}

static inline int take_number(void *ctx, size_t statement, const struct sql_value *columns, size_t n, struct tl_err *err)
{
    (void)statement, (void)n, (void)err;
    *(int64_t *)ctx = columns[0].i;
    return 0;
}

/* Runs one statement on a connection of its own; the number in its first row. */
static inline int64_t raw(const char *text)
{
    struct sql_conn *c = raw_open();
    struct sql_statement s = {.id = SQL_META, .text = text};
    int64_t number = -1;
    struct sql_batch b = {.statements = &s, .n = 1, .flags = SQL_BEGIN | SQL_COMMIT, .row = take_number, .ctx = &number,
                          .deadline_ns = INT64_MAX};
    struct tl_err err = TL_ERR_INIT;
    ck_assert_msg(sqlite_driver.run(c, &b, &err) == SQL_DONE, "%s: %s", text, err.message);
    sqlite_driver.close(c);
    return number;
}

static inline int64_t rows(void)
{
    return raw("SELECT COUNT(*) FROM trialog_op");
}

/* ---- helpers ---- */

static const enum tl_direction minimize[] = {TL_MINIMIZE};

static inline int64_t make_study(tl_storage *s, const char *name)
{
    int64_t id;
    OK(tl_storage_create_study(s, name, minimize, 1, &id, err));
    return id;
}

static inline void set_attr(tl_storage *s, int64_t study, int i)
{
    char text[20];
    snprintf(text, sizeof text, "%d", i);
    OK(tl_storage_set_study_attr(s, study, TL_ATTR_USER, "x", text, err));
}

static inline int attr(tl_storage *s, int64_t study)
{
    tl_view *v;
    size_t n;
    OK(tl_view_open(s, study, true, &v, err));
    const struct tl_attr *attrs = tl_view_study_attrs(v, &n);
    char text[20] = "";
    ck_assert_uint_le(n, 1);
    if (n) {
        memcpy(text, attrs[0].json.s, attrs[0].json.len);
    }
    tl_view_close(v);
    return n ? atoi(text) : -1;
}

static inline uint64_t lines_read(tl_storage *s)
{
    struct tl_storage_stats stats = {.size = sizeof stats};
    tl_storage_get_stats(s, &stats);
    return stats.lines_read;
}

#endif
