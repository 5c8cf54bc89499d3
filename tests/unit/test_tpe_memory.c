/* SPDX-License-Identifier: MIT
 *
 * The TPE sampler when memory runs out: for every n, the n-th allocation fails, once or for ever. An ask then succeeds or says so,
 * and the next one works; nothing is leaked.
 */
#include "sampler/tpe.h"
#include "support/check_main.h"
#include "support/study_kit.h"

#include <stdio.h>
#include <stdlib.h>

static long countdown = -1; /* allocations until the one that fails; < 0: none does */
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

static const struct tl_dist wide = TL_FLOAT_RANGE(-1, 1), coin = TL_INT_RANGE(0, 1),
                            deep = TL_FLOAT_LOG(0.1, 10);
static struct rng r;

static void add_trials(tl_storage *storage, int64_t study, size_t n_objectives, int from, int to)
{
    for (int i = from; i < to; i++) {
        double values[2] = {rng_uniform(&r), rng_uniform(&r)};
        struct tl_param_spec params[] = {
            {"x", rng_uniform(&r), &wide}, {"coin", i % 2, &coin}, {"deep", 1 + i, &deep}};
        struct tl_attr_spec attr = {TL_ATTR_SYSTEM, "constraints", i % 5 ? "[-1]" : "[2.5, 1]"};
        struct tl_attr_spec told = {TL_ATTR_SYSTEM, TPE_RELATIVE_KEY "0",
                                    "\"{\\\"x\\\": 0.5, \\\"coin\\\": 1}\""};
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        spec.state = i % 6 == 5 ? TL_RUNNING : i % 4 == 3 ? TL_PRUNED : TL_COMPLETE;
        spec.params = params;
        spec.n_params = spec.state == TL_RUNNING ? 1 : i % 3 ? 3 : 2;
        spec.attrs = spec.state == TL_RUNNING ? &told : &attr;
        spec.n_attrs = 1;
        spec.values = spec.state == TL_COMPLETE ? values : NULL;
        spec.n_values = spec.state == TL_COMPLETE ? n_objectives : 0;
        OK(tl_storage_create_trial(storage, study, &spec, NULL, NULL, err));
    }
}

static int emit(void *ctx, const struct tl_assignment *a)
{
    (void)ctx;
    return tl_dist_contains(a->dist, a->internal) ? TL_OK : TL_EINVAL;
}

static int keep(void *ctx, const char *key, const char *json)
{
    (void)ctx, (void)key, (void)json;
    return TL_OK;
}

static int ask(const tl_sampler *s, const tl_view *view)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_sample_context c = {view, tl_view_study_id(view), (int64_t)tl_view_n_trials(view), 1, NULL};
    double x;
    int rc = s->ops.relative(s->self, &c, emit, keep, NULL, &err);
    return rc == TL_OK ? s->ops.independent(s->self, &c, "deep", &deep, &x, &err) : rc;
}

/* Asks at two states of the study, with failing memory, then without. */
static bool round_of(const struct tl_option *options, size_t n, tl_view *const *views, long fail_at)
{
    tl_sampler *s = NULL;
    OK(tl_sampler_create("tpe", options, n, &s, err));
    long empty = blocks;
    countdown = fail_at;
    for (size_t i = 0; i < 2; i++) {
        int rc = ask(s, views[i]);
        ck_assert_msg(rc == TL_OK || rc == TL_ENOMEM, "%s", tl_code_name(rc));
    }
    bool failed = for_ever ? countdown == 0 : countdown < 0;
    countdown = -1;
    ck_assert_int_eq(ask(s, views[1]), TL_OK);
    ck_assert_int_gt(blocks, empty);
    s->ops.forget(s->self, 1); /* the handle is freed: nothing of its study stays */
    ck_assert_int_eq(blocks, empty);
    tl_sampler_free(s);
    return failed;
}

static void run(const struct tl_option *options, size_t n, size_t n_objectives)
{
    static const enum tl_direction directions[] = {TL_MINIMIZE, TL_MAXIMIZE};
    tl_storage *storage = kit_open("memory://");
    tl_view *views[2];
    int64_t study;
    OK(tl_storage_create_study(storage, "s", directions, n_objectives, &study, err));
    add_trials(storage, study, n_objectives, 0, 20);
    OK(tl_view_open(storage, study, true, &views[0], err));
    add_trials(storage, study, n_objectives, 20, 31);
    OK(tl_view_open(storage, study, true, &views[1], err));
    (void)round_of(options, n, views, -1); /* what views build on demand is there from now on */
    for (for_ever = false;; for_ever = true) {
        long before = blocks;
        for (long i = 0; round_of(options, n, views, i); i++) {
            ck_assert_msg(blocks == before, "%s, %zu objectives: allocation %ld, %s: %ld blocks leaked",
                          options[0].value, n_objectives, i, for_ever ? "for ever" : "once", blocks - before);
        }
        if (for_ever) {
            break;
        }
    }
    tl_view_close(views[0]);
    tl_view_close(views[1]);
    tl_storage_close(storage);
}

START_TEST(every_allocation_may_fail)
{
    struct tl_option usual[] = {{"n_startup_trials", "5"}},
                     group[] = {{"group", "true"}, {"n_startup_trials", "5"}},
                     old[] = {{"preset", "optuna4"}, {"multivariate", "true"}, {"n_startup_trials", "5"}};
    run(usual, 1, 1);
    run(usual, 1, 2);
    run(group, 2, 1);
    run(old, 3, 2);
}
END_TEST

int main(void)
{
    struct mem_hooks hooks = {hook_alloc, hook_resize, hook_release, NULL};
    TCase *t = tcase_create("tpe_memory");
    uint64_t seed = tl_random_seed();
    printf("seed %llu\n", (unsigned long long)seed);
    rng_init(&r, seed, 0, 0, STR("tpe_memory"));
    mem_set_hooks(&hooks);
    tcase_add_test(t, every_allocation_may_fail);
    return check_run("tpe_memory", t);
}
