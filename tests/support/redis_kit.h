/* SPDX-License-Identifier: MIT
 *
 * For tests of journal/redis*.c beside a real server (tests/support/servers.py sets TRIALOG_TEST_URL): a prefix per test, a caller like the
 * engine, and a second connection that plays what else may happen to the keys.
 */
#ifndef TEST_REDIS_KIT_H
#define TEST_REDIS_KIT_H

#include "journal/kinds.h"
#include "journal/redis.h"

#include "support/check_main.h"
#include "support/collect.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct redis_link other; /* the second connection */
static char url[512], prefix[64];

/* One reply of the last raw command. */
static struct arena answer_memory;
static struct reply *answer;

#define WORDS_MAX 16
static inline void send_raw(const char *const *words)
{
    struct str list[WORDS_MAX];
    size_t n = 0;
    for (; words[n]; n++) {
        list[n] = str_of(words[n]);
    }
    struct tl_err err = TL_ERR_INIT;
    arena_reset(&answer_memory);
    struct redis_call c = {.script = SCRIPT_NONE, .words = list, .n = n, .deadline_ns = redis_deadline(20000), .memory = &answer_memory};
    ck_assert_msg(link_call(&other, &c, &answer, &err) == TL_OK, "%s: %s", words[0], err.message);
}
#define RAW(...) send_raw((const char *const[]){__VA_ARGS__, NULL})

/* PREFIX:name in one of four places that take turns. */
static inline const char *key(const char *name)
{
    static char text[4][128];
    static unsigned turn;
    char *out = text[turn++ % 4];
    snprintf(out, sizeof text[0], "%s:%s", prefix, name);
    return out;
}

static inline const char *get(const char *name)
{
    RAW("GET", key(name));
    return answer->type == REPLY_TEXT ? answer->text.p : NULL;
}

static inline void setup(void)
{
    static int n;
    const char *server = getenv("TRIALOG_TEST_URL");
    snprintf(prefix, sizeof prefix, "t%d-%d", (int)getpid(), n++);
    snprintf(url, sizeof url, "%s?prefix=%s&hole_timeout=0.2", server, prefix);
    other = (struct redis_link){0};
    ck_assert_int_eq(link_init(&other, NULL), TL_OK);
    ck_assert_int_eq(redis_url_parse(url, &other.url, NULL), TL_OK);
}

static inline void teardown(void)
{
    os_use(NULL);
    link_release(&other);
    arena_release(&answer_memory);
}

static inline int try_open(const char *text, const struct tl_storage_options *o, struct backend **out, struct tl_err *err)
{
    static const struct tl_storage_options defaults = TL_STORAGE_OPTIONS_INIT;
    return redis_open(text, o ? o : &defaults, out, err);
}

static inline struct backend *open_it(void)
{
    struct backend *b = NULL;
    struct tl_err err = TL_ERR_INIT;
    ck_assert_msg(try_open(url, NULL, &b, &err) == TL_OK, "%s", err.message);
    return b;
}

/* ---- a caller like the engine: composes whole lines, takes in everything ---- */

struct writer {
    struct backend *b;
    struct collect seen;
    const char *name;
    uint64_t n; /* numbers used */
    bool exact;
    const char *lines;
    size_t n_lines;
};

static inline int compose(void *ctx, struct buf *out, struct tl_err *err)
{
    struct writer *w = ctx;
    (void)err;
    buf_add_text(out, w->lines);
    return TL_OK;
}

static inline struct writer writer_of(const char *name)
{
    return (struct writer){.b = open_it(), .seen = COLLECT_INIT, .name = name};
}

static inline void writer_close(struct writer *w)
{
    w->b->ops->close(w->b);
    collect_release(&w->seen);
}

/* Appends with the numbers from `first` on. */
static inline int append_as(struct writer *w, const char *lines, uint64_t first, struct append *a, struct tl_err *err)
{
    *a = (struct append){.deliver = {.ctx = &w->seen, .lines = collect_lines, .rewind = collect_rewind}, .ctx = w, .compose = compose,
                         .exact = w->exact, .worker = w->name, .first_n = first, .timeout_ms = 20000};
    for (const char *p = lines; (p = strchr(p, '\n')) != NULL; p++) {
        a->n_ops++;
    }
    w->lines = lines;
    int rc = w->b->ops->append(w->b, a, err);
    if (a->outcome == OUTCOME_DONE && w->n < first + a->n_ops - 1) {
        w->n = first + a->n_ops - 1;
    }
    return rc;
}

static inline void append(struct writer *w, const char *lines)
{
    struct append a;
    struct tl_err err = TL_ERR_INIT;
    int rc = append_as(w, lines, w->n + 1, &a, &err);
    ck_assert_msg(rc == TL_OK && a.outcome == OUTCOME_DONE, "%d %d %s", rc, a.outcome, err.message);
}

static inline void read_it(struct writer *w)
{
    struct deliver d = {.ctx = &w->seen, .lines = collect_lines, .rewind = collect_rewind};
    struct tl_err err = TL_ERR_INIT;
    ck_assert_msg(w->b->ops->read(w->b, &d, &err) == TL_OK, "%s", err.message);
}

static inline int read_code(struct writer *w, struct tl_err *err)
{
    struct deliver d = {.ctx = &w->seen, .lines = collect_lines, .rewind = collect_rewind};
    return w->b->ops->read(w->b, &d, err);
}

/* Ends the program as skipped when there is no server. */
static inline void need_server(void)
{
    if (!getenv("TRIALOG_TEST_URL")) {
        printf("skipped: to be run beside a server (tests/support/servers.py run redis -- PROGRAM)\n");
        exit(77);
    }
}

#endif
