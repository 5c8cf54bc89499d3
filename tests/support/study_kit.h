/* SPDX-License-Identifier: MIT
 *
 * Short words for tests of studies: every call must succeed, or fail with a given code; reading one fact of a trial.
 */
#ifndef TEST_STUDY_KIT_H
#define TEST_STUDY_KIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trialog/trialog.h>

#include "support/scratch.h"

/* The call succeeds. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        struct tl_err err_ = TL_ERR_INIT, *err = &err_;                                                      \
        int rc_ = (call);                                                                                    \
        ck_assert_msg(rc_ == TL_OK, "%s: %s: %s", #call, tl_code_name(rc_), err->message);                   \
    } while (0)
/* The call fails with this code and a message that has `part`. */
#define FAILS(code_, part, call)                                                                             \
    do {                                                                                                     \
        struct tl_err err_ = TL_ERR_INIT, *err = &err_;                                                      \
        int rc_ = (call);                                                                                    \
        ck_assert_msg(rc_ == (code_), "%s: %s, not %s: %s", #call, tl_code_name(rc_), tl_code_name(code_),   \
                      err->message);                                                                         \
        ck_assert_int_eq(err->code, (code_));                                                                \
        ck_assert_msg(strstr(err->message, (part)) != NULL, "%s: message \"%s\" has no \"%s\"", #call,       \
                      err->message, (part));                                                                 \
    } while (0)

#ifndef KIT_DURABILITY
#define KIT_DURABILITY TL_DURABILITY_OFF /* tests of meaning, not of disks */
#endif

static int64_t kit_defer_ms; /* for kit_open: how long writes may wait */

/* (optional) Opens URLs that only a test knows; NULL: it is none of them. */
static tl_storage *(*kit_special)(const char *url, const struct tl_storage_options *o);

static inline tl_storage *kit_open(const char *url)
{
    tl_storage *s = NULL;
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    o.durability = KIT_DURABILITY;
    o.defer_ms = kit_defer_ms;
    if (kit_special && (s = kit_special(url, &o)) != NULL) {
        return s;
    }
    OK(tl_storage_open(url, &o, &s, err));
    return s;
}

/* Backends that a loop test runs on: its index picks one. The journal lies in a folder of its own; beside a private database server
 * (tests/support/servers.py) it is a new database there, whatever the index. */
enum { KIT_BACKENDS = 2 };
static char kit_dir[SCRATCH_MAX], kit_database[1024];

static inline const char *kit_url(int backend)
{
    const char *make = getenv("TRIALOG_TEST_NEW_URL");
    if (make && !kit_database[0]) {
        FILE *f = popen(make, "r");
        ck_assert_ptr_nonnull(f);
        ck_assert_ptr_nonnull(fgets(kit_database, sizeof kit_database, f));
        ck_assert_int_eq(pclose(f), 0);
        kit_database[strcspn(kit_database, "\n")] = '\0';
    }
    if (make) {
        return kit_database;
    }
    if (backend == 0) {
        return "memory://kit";
    }
    if (!kit_dir[0]) {
        scratch_make(kit_dir);
    }
    return scratch_path(kit_dir, "journal.log");
}

static inline void kit_clean(void)
{
    kit_database[0] = '\0';
    if (kit_dir[0]) {
        scratch_remove(kit_dir);
        kit_dir[0] = '\0';
    }
}

/* Creates or loads. */
static inline tl_study *kit_study(tl_storage *s, const char *name, tl_sampler *sampler)
{
    tl_study *study = NULL;
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    o.load_if_exists = true;
    o.sampler = sampler;
    OK(tl_study_create(s, name, &o, &study, err));
    return study;
}

static inline tl_trial *kit_ask(tl_study *study)
{
    tl_trial *t = NULL;
    OK(tl_study_ask(study, NULL, &t, err));
    return t;
}

static inline void kit_tell(tl_study *study, tl_trial *t, double value)
{
    enum tl_state final;
    OK(tl_study_tell(study, t, TL_COMPLETE, &value, 1, &final, err));
    ck_assert_int_eq(final, TL_COMPLETE);
}

static inline void kit_end(tl_study *study, tl_trial *t, enum tl_state state)
{
    OK(tl_study_tell(study, t, state, NULL, 0, NULL, err));
}

/* An attribute of a frozen trial, NUL-terminated in one of four buffers that take turns; NULL: not there. */
static inline const char *kit_attr(const struct tl_attr *attrs, size_t n, enum tl_attr_kind kind, const char *key)
{
    static char text[4][4096];
    static unsigned turn;
    for (size_t i = 0; i < n; i++) {
        if (attrs[i].kind == kind && attrs[i].key.len == strlen(key) && memcmp(attrs[i].key.s, key, strlen(key)) == 0) {
            char *out = text[turn++ % 4];
            ck_assert_uint_lt(attrs[i].json.len, sizeof text[0]);
            memcpy(out, attrs[i].json.s, attrs[i].json.len);
            out[attrs[i].json.len] = '\0';
            return out;
        }
    }
    return NULL;
}

static inline const char *kit_trial_attr(const struct tl_frozen_trial *t, enum tl_attr_kind kind, const char *key)
{
    return kit_attr(t->attrs, t->n_attrs, kind, key);
}

/* A parameter of a frozen trial; NULL: not there. */
static inline const struct tl_param *kit_param(const struct tl_frozen_trial *t, const char *name)
{
    for (size_t i = 0; i < t->n_params; i++) {
        if (t->params[i].name.len == strlen(name) && memcmp(t->params[i].name.s, name, strlen(name)) == 0) {
            return &t->params[i];
        }
    }
    return NULL;
}

/* Reads trial `number` through a fresh view; close and release both. */
static inline tl_view *kit_read(tl_study *study, int64_t number, struct tl_frozen_trial *out)
{
    tl_view *view = NULL;
    OK(tl_study_view(study, &view, err));
    OK(tl_view_trial(view, number, out, err));
    return view;
}

static inline struct tl_value kit_int(int64_t i)
{
    struct tl_value v = {TL_VALUE_INT, {0}};
    v.as.i = i;
    return v;
}
static inline struct tl_value kit_float(double f)
{
    struct tl_value v = {TL_VALUE_FLOAT, {0}};
    v.as.f = f;
    return v;
}
static inline struct tl_value kit_text(const char *s)
{
    struct tl_value v = {TL_VALUE_STRING, {0}};
    v.as.text.s = s;
    v.as.text.len = strlen(s);
    return v;
}

#endif
