/* SPDX-License-Identifier: MIT
 *
 * The two sides of a case of conformance.c: this process and another handle or another process.
 */
#ifndef TEST_SIDES_H
#define TEST_SIDES_H

#include <sys/wait.h>
#include <unistd.h>

#include "support/sqlite_optimistic.h"
#include "support/study_kit.h"

enum setting { ONE, HANDLES, PROCESSES, N_SETTINGS };
static const char *const setting_names[N_SETTINGS] = {"one", "handles", "processes"};
static enum setting setting;
static const char *storage_kind, *url;
static tl_storage *a;

#define ARG_MAX 256
typedef void side(tl_storage *s, void *arg);
struct call {
    side *fn; /* the other process is our fork: the address is the same there */
    char arg[ARG_MAX];
};
static tl_storage *b_handle;
static pid_t b_pid;
static int to_b[2], from_b[2];

static void serve(void)
{
    struct call c;
    tl_storage *s = NULL;
    while (read(to_b[0], &c, sizeof c) == (ssize_t)sizeof c) {
        if (!s) {
            s = kit_open(url);
        }
        c.fn(s, c.arg);
        if (write(from_b[1], &c, sizeof c) != (ssize_t)sizeof c) {
            break;
        }
    }
    tl_storage_close(s);
    _exit(0);
}

/* "memory", "file", "sqlite", "sqlite-optimistic" and "server" (a new database beside tests/support/servers.py) are made anew for each case.
 * Anything else is the URL of a storage that is there: what lies in it goes. */
static void make_url(void)
{
    static char text[SCRATCH_MAX * 2];
    if (strcmp(storage_kind, "memory") == 0) {
        url = "memory://conformance";
    } else if (strcmp(storage_kind, "file") == 0 || strcmp(storage_kind, "server") == 0) {
        url = kit_url(1);
    } else if (strcmp(storage_kind, "sqlite") == 0 || strcmp(storage_kind, "sqlite-optimistic") == 0) {
        snprintf(text, sizeof text, "%s/%s.db", storage_kind[6] ? OPTIMISTIC : "sqlite://", kit_url(1));
        url = text;
    } else {
        url = storage_kind;
    }
}

static int collect_id(void *ctx, int64_t id, const char *name)
{
    tl_storage *s = ctx;
    (void)name;
    return tl_storage_delete_study(s, id, NULL);
}

/* Without leaving a connection behind that a fork would inherit. */
static void empty_storage(void)
{
    tl_storage *s = kit_open(url);
    OK(tl_storage_each_study(s, collect_id, s, err));
    tl_storage_close(s);
}

static void setup(void)
{
    kit_special = open_optimistic;
    kit_defer_ms = setting == ONE ? 0 : -1; /* the other side sees at once what one side did: deferred.c has what waits */
    make_url();
    if (url == storage_kind) {
        empty_storage();
    }
    if (setting == PROCESSES) {
        ck_assert(pipe(to_b) == 0 && pipe(from_b) == 0);
        b_pid = fork();
        ck_assert_int_ge(b_pid, 0);
        if (b_pid == 0) {
            close(to_b[1]);
            close(from_b[0]);
            serve();
        }
        close(to_b[0]);
        close(from_b[1]);
    }
    a = kit_open(url);
    b_handle = setting == HANDLES ? kit_open(url) : a;
}

static void teardown(void)
{
    if (setting == PROCESSES) {
        int status = 0;
        close(to_b[1]);
        ck_assert_int_eq(waitpid(b_pid, &status, 0), b_pid);
        close(from_b[0]);
        ck_assert_int_eq(status, 0);
    }
    if (setting == HANDLES) {
        tl_storage_close(b_handle);
    }
    tl_storage_close(a);
    kit_clean();
}

/* Runs side B's part; what it changes in `arg` comes back. */
static void on_b(side *fn, void *arg, size_t size)
{
    struct call c = {.fn = fn};
    ck_assert_uint_le(size, sizeof c.arg);
    if (setting != PROCESSES) {
        fn(b_handle, arg);
        return;
    }
    memcpy(c.arg, arg, size);
    ck_assert_int_eq(write(to_b[1], &c, sizeof c), sizeof c);
    ck_assert_msg(read(from_b[0], &c, sizeof c) == (ssize_t)sizeof c, "side B failed");
    memcpy(arg, c.arg, size);
}
#define ON_B(fn, arg) on_b(fn, &(arg), sizeof(arg))

/* Fresh views and trials of a storage. */
static inline tl_view *view_of(tl_storage *s, int64_t study)
{
    tl_view *view = NULL;
    OK(tl_view_open(s, study, true, &view, err));
    return view;
}

static inline void read_trial(tl_storage *s, int64_t study, int64_t number, struct tl_frozen_trial *out, tl_view **view)
{
    *view = view_of(s, study);
    OK(tl_view_trial(*view, number, out, err));
}

#endif
