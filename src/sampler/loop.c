/* SPDX-License-Identifier: MIT
 *
 * Asking a sampler: the public entry points for study loops other than ours. They check what the loop must not get wrong (a view where
 * one is wanted) and fill in for what a sampler of the user's own leaves out: without `space` and `joint` both are read off `relative`.
 *
 * Failure modes: TL_EINVAL without a view, and what the sampler fails with. Errors of the caller's functions are returned as they are.
 */
#include "base/err.h"
#include "sampler/sampler.h"

TL_API bool tl_sampler_wants_view(const tl_sampler *sampler)
{
    return !(sampler->ops.flags & TL_SAMPLER_STATELESS);
}

TL_API void tl_sampler_forget(tl_sampler *sampler, uint64_t handle)
{
    if (sampler->ops.forget) {
        sampler->ops.forget(sampler->self, handle);
    }
}

static int check_context(const tl_sampler *sampler, const struct tl_sample_context *c, struct tl_err *err)
{
    return c->view || !tl_sampler_wants_view(sampler)
               ? TL_OK
               : err_set(err, TL_EINVAL, "sampler '%s' looks at the study: it needs a view", sampler->ops.name);
}

TL_API int tl_sampler_relative(const tl_sampler *sampler, const struct tl_sample_context *c,
                               int (*emit)(void *ctx, const struct tl_assignment *a),
                               int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    int rc = check_context(sampler, c, err);
    return rc == TL_OK && sampler->ops.relative ? sampler->ops.relative(sampler->self, c, emit, attr, ctx, err) : rc;
}

TL_API int tl_sampler_space(const tl_sampler *sampler, const struct tl_sample_context *c,
                            int (*emit)(void *ctx, const struct tl_assignment *a), void *ctx, struct tl_err *err)
{
    int rc = check_context(sampler, c, err);
    if (rc == TL_OK && sampler->ops.space) {
        return sampler->ops.space(sampler->self, c, emit, ctx, err);
    }
    return rc == TL_OK ? tl_sampler_relative(sampler, c, emit, NULL, ctx, err) : rc;
}

/* Lets through what was asked for. */
struct sieve {
    const struct tl_assignment *dims;
    size_t n;
    int (*emit)(void *ctx, const struct tl_assignment *a);
    int (*attr)(void *ctx, const char *key, const char *json);
    void *ctx;
};

static int emit_wanted(void *ctx, const struct tl_assignment *a)
{
    const struct sieve *s = ctx;
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->dims[i].name, a->name) == 0) {
            return tl_dist_contains(s->dims[i].dist, a->internal) ? s->emit(s->ctx, a) : TL_OK;
        }
    }
    return TL_OK;
}

static int pass_attr(void *ctx, const char *key, const char *json)
{
    const struct sieve *s = ctx;
    return s->attr(s->ctx, key, json);
}

TL_API int tl_sampler_joint(const tl_sampler *sampler, const struct tl_sample_context *c, const struct tl_assignment *dims, size_t n,
                            int (*emit)(void *ctx, const struct tl_assignment *a),
                            int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    struct sieve sieve = {dims, n, emit, attr, ctx};
    int rc = check_context(sampler, c, err);
    if (rc != TL_OK || n == 0) {
        return rc;
    }
    return sampler->ops.joint ? sampler->ops.joint(sampler->self, c, dims, n, emit, attr, ctx, err)
                              : tl_sampler_relative(sampler, c, emit_wanted, attr ? pass_attr : NULL, &sieve, err);
}

TL_API int tl_sampler_independent(const tl_sampler *sampler, const struct tl_sample_context *c, const char *name,
                                  const struct tl_dist *dist, double *internal, struct tl_err *err)
{
    int rc = check_context(sampler, c, err);
    if (rc == TL_OK && tl_dist_single(dist)) {
        *internal = dist->kind == TL_DIST_CATEGORICAL ? 0 : dist->low;
        return TL_OK;
    }
    return rc == TL_OK ? sampler->ops.independent(sampler->self, c, name, dist, internal, err) : rc;
}

static int no_fix(void *ctx, const char *name, const struct tl_value *value)
{
    (void)ctx, (void)name, (void)value;
    return TL_OK;
}

static int no_attr(void *ctx, const char *key, const char *json)
{
    (void)ctx, (void)key, (void)json;
    return TL_OK;
}

TL_API int tl_sampler_preview(const tl_sampler *sampler, const struct tl_sample_context *c,
                              int (*fix)(void *ctx, const char *name, const struct tl_value *value),
                              int (*attr)(void *ctx, const char *key, const char *json), void *ctx, struct tl_err *err)
{
    int rc = check_context(sampler, c, err);
    return rc == TL_OK && sampler->ops.claim
               ? sampler->ops.claim(sampler->self, c, fix ? fix : no_fix, attr ? attr : no_attr, ctx, err)
               : rc;
}

TL_API int tl_sampler_after(const tl_sampler *sampler, const struct tl_sample_context *c, enum tl_state state,
                            const double *values, size_t n_values, int (*attr)(void *ctx, const char *key, const char *json),
                            void *ctx, struct tl_err *err)
{
    int rc = check_context(sampler, c, err);
    return rc == TL_OK && sampler->ops.after
               ? sampler->ops.after(sampler->self, c, state, values, n_values, attr ? attr : no_attr, ctx, err)
               : rc;
}
