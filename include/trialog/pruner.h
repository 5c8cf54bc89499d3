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

struct tl_pruner_ops {
    size_t size; /* sizeof(struct tl_pruner_ops) */
    const char *name;
    /* required: *prune says whether trial `number` should stop now. `reports` are the trial's own, in the order of their
     * first report. Runs on the thread that asks. */
    int (*prune)(void *self, const tl_view *view, int64_t number, const struct tl_report *reports, size_t n_reports,
                 bool *prune, struct tl_err *err);
    void (*release)(void *self); /* (optional) */
};
int tl_pruner_new(const struct tl_pruner_ops *ops, void *self, tl_pruner **out, struct tl_err *err);
/* Built-in: "nop" (never prunes). */
int tl_pruner_create(const char *name, const struct tl_option *options, size_t n_options, tl_pruner **out,
                     struct tl_err *err);
void tl_pruner_free(tl_pruner *pruner);
const struct tl_component_doc *tl_pruner_docs(void);

#ifdef __cplusplus
}
#endif
#endif
