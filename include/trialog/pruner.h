/* SPDX-License-Identifier: MIT
 *
 * Pruners: whether a running trial is worth going on with, judged by its intermediate values.
 */
#ifndef TRIALOG_PRUNER_H
#define TRIALOG_PRUNER_H

#include <trialog/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_pruner tl_pruner;

/* A built-in pruner by name: "nop" never prunes. Optuna's class names ("NopPruner") work too. Errors: TL_EUNSUPPORTED (unknown
 * pruner), TL_EINVAL (unknown option or bad value). `*out`: owned by the caller, free with tl_pruner_free. */
int tl_pruner_create(const char *name, const struct tl_option *options, size_t n_options, tl_pruner **out,
                     struct tl_err *err);
/* NULL is fine. Studies that use it must be freed before. */
void tl_pruner_free(tl_pruner *pruner);
/* "nop", or the name in the table of a pruner of your own. */
const char *tl_pruner_name(const tl_pruner *pruner);
/* The built-in pruners and their options. Ends with name NULL. Static storage. */
const struct tl_component_doc *tl_pruner_docs(void);

/* Table of a pruner of your own. */
struct tl_pruner_ops {
    size_t size; /* sizeof(struct tl_pruner_ops) */
    const char *name;
    /* required: *prune says whether trial `number` should stop now. `reports` are the trial's own, in the order of their
     * first report; at least one. Runs on the thread that asks; must not call the storage. */
    int (*prune)(void *self, const tl_view *view, int64_t number, const struct tl_report *reports, size_t n_reports,
                 bool *prune, struct tl_err *err);
    void (*release)(void *self); /* (optional) */
};
/* `self` belongs to the pruner from now on when ops->release is given (on success); `ops` is copied, its name borrowed until
 * tl_pruner_free. `*out`: owned by the caller, free with tl_pruner_free. */
int tl_pruner_new(const struct tl_pruner_ops *ops, void *self, tl_pruner **out, struct tl_err *err);

#ifdef __cplusplus
}
#endif
#endif
