/* SPDX-License-Identifier: MIT
 *
 * sampler/loop.c, sampler/tpe_given.c and engine/claim.c when memory runs out: for every n, the n-th allocation fails, once or for ever.
 * A call then succeeds or says so, the next one works, no cell is claimed twice or lost, and nothing is leaked.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "support/check_main.h"
#include "support/study_kit.h"

static long countdown = -1; /* allocations until the one that fails; < 0: none does */
static bool for_ever, failed;
static long blocks;

static void *hook_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    if (countdown == 0) {
        countdown = for_ever ? 0 : -1;
        failed = true;
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

static int emit(void *ctx, const struct tl_assignment *a)
{
    *(int *)ctx += tl_dist_contains(a->dist, a->internal);
    return 0;
}

static int fix(void *ctx, const char *name, const struct tl_value *value)
{
    (void)name, (void)value;
    ++*(int *)ctx;
    return 0;
}

static int gamma_tenth(void *ctx, size_t n, size_t *good)
{
    (void)ctx;
    *good = (n + 9) / 10;
    return 0;
}

static int weigh_alike(void *ctx, size_t n, double *w)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        w[i] = 1;
    }
    return 0;
}

static const struct tl_dist range = TL_FLOAT_RANGE(-1, 1), coin = TL_INT_RANGE(0, 1);

static void add_trials(tl_storage *s, int64_t study_id)
{
    for (int i = 0; i < 14; i++) {
        double value = i * 7 % 10;
        struct tl_param_spec params[] = {{"x", value / 10, &range}, {"c", i % 2, &coin}, {"y", -value / 10, &range}};
        struct tl_report_spec reports[] = {{0, value}, {1, value}, {2, value}};
        struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
        spec.state = i == 13 ? TL_RUNNING : TL_COMPLETE;
        spec.params = params;
        spec.n_params = i % 3 ? 3 : 2;
        spec.reports = reports;
        spec.n_reports = 3;
        spec.values = i == 13 ? NULL : &value;
        spec.n_values = i != 13;
        OK(tl_storage_create_trial(s, study_id, &spec, NULL, NULL, err));
    }
}

static tl_storage *storage;
static int64_t study_id;

/* One of the calls; each must say TL_OK or TL_ENOMEM (a claim may have been written: TL_EUNKNOWN). */
static int ask(int what, const tl_sampler *sampler, const tl_pruner *pruner, struct tl_err *err)
{
    const struct tl_assignment dims[] = {{"y", &range, 0}, {"x", &range, 0}, {"z", &range, 0}};
    tl_view *view = NULL;
    int n = 0, rc = what < 4 ? tl_view_open(storage, study_id, true, &view, err) : TL_OK;
    int64_t id = -1;
    bool prune;
    if (rc != TL_OK) {
        return rc;
    }
    struct tl_sample_context c = {view, study_id, 14, 77, NULL};
    switch (what) {
    case 0: rc = tl_sampler_space(sampler, &c, emit, &n, err); break;
    case 1:
        rc = tl_sampler_joint(sampler, &c, dims, 3, emit, NULL, &n, err);
        ck_assert(rc != TL_OK || n == 3);
        break;
    case 2: rc = tl_pruner_decide(pruner, view, 13, 77, NULL, NULL, &prune, err); break;
    case 3: rc = tl_sampler_preview(sampler, &c, fix, NULL, &n, err); break;
    case 4:
        rc = tl_sampler_create_trial(sampler, storage, study_id, 77, fix, &n, &id, NULL, err);
        ck_assert(rc != TL_OK || (n == 1 && id >= 0));
        break;
    default:
        rc = tl_storage_create_trial(storage, study_id, NULL, &id, NULL, err);
        rc = rc == TL_OK ? tl_sampler_claim_trial(sampler, storage, id, 77, fix, &n, err) : rc;
        ck_assert(rc != TL_OK || n == 1);
        break;
    }
    tl_view_close(view);
    return rc;
}

static tl_sampler *make(int kind)
{
    struct tl_option options[] = {{"n_startup_trials", "3"}, {"seed", "1"}, {"group", "true"}};
    struct tl_tpe_functions functions = {sizeof functions, gamma_tenth, weigh_alike, NULL, NULL};
    struct tl_value values[400];
    struct tl_grid_axis axis = {"x", values, 400};
    tl_sampler *s = NULL;
    for (int i = 0; i < 400; i++) {
        values[i] = kit_int(i);
    }
    if (kind == 0) {
        OK(tl_sampler_create("tpe", options, 3, &s, err));
    } else if (kind == 1) {
        OK(tl_sampler_tpe_with(options, 3, &functions, &s, err));
    } else {
        OK(tl_sampler_grid(&axis, 1, NULL, &s, err));
    }
    return s;
}

static const struct {
    int what, kind;
} calls[] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {2, 0}, {3, 2}, {4, 2}, {5, 2}};

START_TEST(every_allocation_may_fail)
{
    static const enum tl_direction down = TL_MINIMIZE;
    struct mem_hooks hooks = {hook_alloc, hook_resize, hook_release, NULL};
    struct tl_option rule = {"min_resource", "1"};
    for_ever = _i % 2;
    mem_set_hooks(&hooks);
    blocks = 0;
    for (long n = 0;; n++) {
        tl_pruner *pruner = NULL;
        tl_sampler *sampler = make(calls[_i / 2].kind);
        storage = kit_open("memory://");
        OK(tl_pruner_create("successive_halving", &rule, 1, &pruner, err));
        OK(tl_storage_create_study(storage, "s", &down, 1, &study_id, err));
        add_trials(storage, study_id);
        struct tl_err e = TL_ERR_INIT;
        failed = false;
        countdown = n;
        int rc = ask(calls[_i / 2].what, sampler, pruner, &e);
        countdown = -1;
        ck_assert_msg(rc == TL_OK || rc == TL_ENOMEM || rc == TL_EUNKNOWN, "allocation %ld: %s: %s", n, tl_code_name(rc), e.message);
        OK(ask(calls[_i / 2].what, sampler, pruner, err));
        tl_storage_close(storage);
        tl_sampler_free(sampler);
        tl_pruner_free(pruner);
        ck_assert_msg(blocks == 0, "allocation %ld: %ld blocks are left", n, blocks);
        if (!failed) {
            break;
        }
    }
    mem_set_hooks(NULL);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("loop_memory");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_allocation_may_fail, 0, 2 * (int)(sizeof calls / sizeof *calls));
    return check_run("loop_memory", t);
}
