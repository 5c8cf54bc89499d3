/* SPDX-License-Identifier: MIT
 *
 * Studies, trials and samplers when memory runs out: for every n, the n-th allocation fails, once or for ever. Each call then
 * succeeds or says so; nothing is leaked (also by the sanitizer's count); afterwards the same handles work.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "support/check_main.h"
#include "support/study_kit.h"

static long countdown; /* allocations until the one that fails; < 0: none does */
static bool for_ever;
static long blocks;

static void *hook_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    if (countdown == 0) {
        countdown = for_ever ? 0 : -1;
        return NULL;
    }
    countdown -= countdown > 0;
    blocks += old == NULL;
    return realloc(old, size ? size : 1);
}

static void *hook_alloc(size_t size, void *ctx)
{
    return hook_resize(NULL, size, ctx);
}

static void hook_release(void *old, void *ctx)
{
    (void)ctx;
    blocks -= old != NULL;
    free(old);
}

/* The first failure ends a walk; what it returns must be one of these. */
static bool honest(int rc)
{
    return rc == TL_OK || rc == TL_ENOMEM || rc == TL_EUNKNOWN || rc == TL_EEXHAUSTED;
}
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        rc = (call);                                                                                         \
        ck_assert_msg(honest(rc), "%s: %s: %s", #call, tl_code_name(rc), err.message);                       \
        if (rc != TL_OK) {                                                                                   \
            goto out;                                                                                        \
        }                                                                                                    \
    } while (0)

static int use_trial(tl_study *study, tl_trial *t)
{
    static const char *const texts[] = {"a", "b"};
    struct tl_err err = TL_ERR_INIT;
    double x, v = 1;
    size_t i;
    bool prune;
    int rc;
    TRY(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, &err));
    TRY(tl_trial_suggest_string(t, "c", texts, 2, &i, &err));
    TRY(tl_trial_report(t, 0, 1, &err));
    TRY(tl_trial_should_prune(t, &prune, &err));
    TRY(tl_trial_set_attr(t, TL_ATTR_USER, "k", "[1]", &err));
    TRY(tl_trial_suggest_float(t, "y", 0, 1, 0, false, &x, &err));
    TRY(tl_study_tell(study, t, TL_COMPLETE, &v, 1, NULL, &err));
    return TL_OK;
out:
    tl_trial_free(t);
    return rc;
}

/* Everything a worker does. */
static int walk(tl_storage *s, tl_study **study, tl_sampler *sampler)
{
    struct tl_value c[] = {kit_text("a"), kit_text("b")};
    struct tl_dist x = TL_FLOAT_RANGE(0, 1), choice = {TL_DIST_CATEGORICAL, false, 0, 0, 0, c, 2};
    struct tl_param_spec space[] = {{"x", 0, &x}, {"c", 0, &choice}};
    struct tl_fixed_param fixed[] = {{"x", kit_float(0.25)}, {"c", kit_text("a")}, {"y", kit_float(0)}};
    struct tl_attr_spec attr = {TL_ATTR_USER, "memo", "{}"};
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    struct tl_ask_options ask = TL_ASK_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_trial *t;
    int64_t number;
    int rc;
    o.load_if_exists = true;
    o.sampler = sampler;
    ask.space = space;
    ask.n_space = 2;
    if (!*study) {
        TRY(tl_study_create(s, "s", &o, study, &err));
    }
    TRY(tl_study_set_attr(*study, TL_ATTR_USER, "k", "[1, 2]", &err));
    TRY(tl_study_enqueue(*study, fixed, 3, &attr, 1, true, &number, &err));
    for (int i = 0; i < 2; i++) { /* from the queue, then a new one */
        TRY(tl_study_ask(*study, &ask, &t, &err));
        TRY(use_trial(*study, t));
    }
    TRY(tl_study_ask(*study, NULL, &t, &err));
    TRY(use_trial(*study, t));
    TRY(tl_study_best(*study, &number, NULL, &err));
out:
    return rc;
}

static int copy(tl_storage *s, const char *name)
{
    struct tl_err err = TL_ERR_INIT;
    int rc;
    TRY(tl_study_copy(s, "s", s, name, &err));
out:
    return rc;
}

static tl_sampler *make_sampler(int which)
{
    struct tl_value a[] = {kit_float(0.5), kit_float(0.25), kit_float(0.75)}, c[] = {kit_text("a"), kit_text("b")};
    struct tl_value y[200];
    struct tl_grid_axis axes[] = {{"x", a, 3}, {"c", c, 2}, {"y", y, 200}};
    tl_sampler *sampler = NULL;
    for (int i = 0; i < 200; i++) {
        y[i] = kit_float(i / 200.0);
    }
    if (which == 0) {
        int rc = tl_sampler_random(1, &sampler, NULL);
        ck_assert(honest(rc) && (rc == TL_OK) == (sampler != NULL));
    } else {
        int rc = tl_sampler_grid(axes, 3, NULL, &sampler, NULL);
        ck_assert(honest(rc) && (rc == TL_OK) == (sampler != NULL));
    }
    return sampler;
}

START_TEST(every_allocation_fails_once_or_for_ever)
{
    struct mem_hooks hooks = {hook_alloc, hook_resize, hook_release, NULL};
    int which = _i / 2, done = 0;
    long n = 0;
    for_ever = _i % 2;
    mem_set_hooks(&hooks);
    for (; done < 3; n++) { /* until nothing was left to fail */
        blocks = 0;
        countdown = -1;
        tl_storage *s = kit_open("memory://");
        tl_study *study = NULL;
        countdown = n;
        tl_sampler *sampler = make_sampler(which);
        int rc = sampler ? walk(s, &study, sampler) : TL_ENOMEM;
        rc = rc == TL_OK ? copy(s, "t") : rc;
        ck_assert(honest(rc));
        done += countdown > 0;
        /* memory is back: the same handles go on */
        countdown = -1;
        sampler = sampler ? sampler : make_sampler(which);
        rc = walk(s, &study, sampler);
        ck_assert_msg(rc == TL_OK, "after allocation %ld: %s", n, tl_code_name(rc));
        rc = copy(s, "u");
        ck_assert_msg(rc == TL_OK, "after allocation %ld: %s", n, tl_code_name(rc));
        tl_study_free(study);
        tl_storage_close(s);
        tl_sampler_free(sampler);
        ck_assert_msg(blocks == 0, "after allocation %ld: %ld blocks are left", n, blocks);
    }
    mem_set_hooks(NULL);
    printf("%ld allocations failed %s\n", n - done, for_ever ? "for ever" : "once");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("study_memory");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_allocation_fails_once_or_for_ever, 0, 4);
    return check_run("study_memory", t);
}
