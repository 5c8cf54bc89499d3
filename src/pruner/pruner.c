/* SPDX-License-Identifier: MIT
 *
 * The registry of pruners, and pruners of the user's own. One row and one maker for each, as in sampler/sampler.c.
 */
#include "pruner/pruner.h"

#include <assert.h>

#include "base/err.h"
#include "base/mem.h"
#include "sampler/sampler.h"

typedef int pruner_maker(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err);

static int nop_prune(void *self, const tl_view *view, int64_t number, const struct tl_report *reports, size_t n_reports,
                     bool *prune, struct tl_err *err)
{
    (void)self, (void)view, (void)number, (void)reports, (void)n_reports, (void)err;
    *prune = false;
    return TL_OK;
}

static const struct tl_pruner_ops nop_ops = {sizeof nop_ops, "nop", nop_prune, NULL};

static int nop_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    (void)options, (void)n;
    return tl_pruner_new(&nop_ops, NULL, out, err);
}

static const struct tl_option_doc no_options[] = {{NULL, NULL, NULL, NULL, NULL}};
static const struct tl_component_doc docs[] = {
    {"nop", "NopPruner", "never prunes", no_options},
    {NULL, NULL, NULL, NULL},
};
static pruner_maker *const makers[] = {nop_from_options};
_Static_assert(TL_COUNT(makers) == TL_COUNT(docs) - 1, "one maker a row");

TL_API const struct tl_component_doc *tl_pruner_docs(void)
{
    return docs;
}

TL_API int tl_pruner_create(const char *name, const struct tl_option *options, size_t n_options, tl_pruner **out,
                            struct tl_err *err)
{
    size_t row = 0;
    int rc = component_find(docs, "pruner", name, options, n_options, &row, err);
    assert(row < TL_COUNT(makers));
    return rc == TL_OK ? makers[row](options, n_options, out, err) : rc;
}

TL_API int tl_pruner_new(const struct tl_pruner_ops *ops, void *self, tl_pruner **out, struct tl_err *err)
{
    if (!ops || !out || ops->size < offsetof(struct tl_pruner_ops, release) || !ops->name || !ops->prune) {
        return err_set(err, TL_EINVAL, "a pruner's table needs its size, a name and the function prune");
    }
    tl_pruner *pruner = mem_zalloc(1, sizeof *pruner);
    if (!pruner) {
        return err_nomem(err);
    }
    memcpy(&pruner->ops, ops, ops->size < sizeof *ops ? ops->size : sizeof *ops);
    pruner->self = self;
    *out = pruner;
    return TL_OK;
}

TL_API void tl_pruner_free(tl_pruner *pruner)
{
    if (pruner) {
        if (pruner->ops.release) {
            pruner->ops.release(pruner->self);
        }
        mem_free(pruner);
    }
}

TL_API const char *tl_pruner_name(const tl_pruner *pruner)
{
    return pruner->ops.name;
}
