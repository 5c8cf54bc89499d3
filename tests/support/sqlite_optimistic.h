/* SPDX-License-Identifier: MIT
 *
 * SQLite driven as a server is: one transaction in one request, written on condition (BACKEND_OPTIMISTIC). So everything that all SQL
 * storages share is tested without a server. For tests linked with trialog-internal. In a build without SQLite no URL is this one's.
 */
#ifndef TEST_SQLITE_OPTIMISTIC_H
#define TEST_SQLITE_OPTIMISTIC_H

#include "engine/storage.h"
#include "journal/sql.h"
#include "support/study_kit.h"

#define OPTIMISTIC "sqlite+optimistic://"

/* What a test puts between sql.c and SQLite; NULL: nothing. */
static enum sql_end (*optimistic_run)(struct sql_conn *c, struct sql_batch *batch, struct tl_err *err);

#ifdef TRIALOG_HAVE_SQLITE
/* For kit_special. */
static inline tl_storage *open_optimistic(const char *url, const struct tl_storage_options *o)
{
    static struct sql_driver driver;
    struct catalog *catalog;
    tl_storage *s = NULL;
    char text[SCRATCH_MAX * 2];
    if (strncmp(url, OPTIMISTIC, sizeof OPTIMISTIC - 1) != 0) {
        return NULL;
    }
    struct tl_storage_options options = *o;
    options.timeout_ms = options.timeout_ms ? options.timeout_ms : 60000;
    snprintf(text, sizeof text, "sqlite://%s", url + sizeof OPTIMISTIC - 1);
    driver = sqlite_driver;
    driver.flags &= ~SQL_LOCKED;
    driver.changed = NULL; /* every read asks */
    if (optimistic_run) {
        driver.run = optimistic_run;
    }
    OK(sql_open(&driver, text, &options, &catalog, err));
    OK(storage_open_catalog(catalog, &options, &s, err));
    return s;
}
#else
static inline tl_storage *open_optimistic(const char *url, const struct tl_storage_options *o)
{
    (void)url;
    (void)o;
    (void)optimistic_run;
    return NULL;
}
#endif

#endif
