/* SPDX-License-Identifier: MIT
 *
 * The successive halving pruner: one ladder of rungs (rungs.c). The first rung's step is given, or a hundredth of the longest COMPLETE
 * trial's at the first question that finds one; until then nothing is pruned, and afterwards it stays for this study handle.
 */
#include "base/err.h"
#include "base/mem.h"
#include "pruner/rungs.h"

struct halving {
    struct memories memories;
    struct halving_rules rules; /* min_resource 0: auto */
};
struct halving_memory {
    struct row_cursor epoch;
    struct rung_book book;
    struct first_steps steps;
};

static void release_memory(void *memory)
{
    struct halving_memory *m = memory;
    rung_book_release(&m->book);
}

static int decide(const struct halving *h, struct halving_memory *m, const struct tl_prune_context *c, bool *prune,
                  struct tl_err *err)
{
    struct halving_rules rules = h->rules;
    if (!row_cursor_holds(&m->epoch, c->view)) {
        m->steps = (struct first_steps){.rows = 0};
    }
    if (rules.min_resource == 0) {
        if (!first_steps_known(&m->steps, c->view)) {
            *prune = false;
            return TL_OK;
        }
        rules.min_resource = m->steps.highest / 100 > 1 ? m->steps.highest / 100 : 1;
    }
    return rungs_decide(&m->book, &rules, 1, 0, NULL, NULL, c, prune, err);
}

static int halving_prune(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    struct halving *h = self;
    struct halving_memory *m = memories_enter(&h->memories, c->handle, sizeof *m);
    if (!m) {
        return err_nomem(err);
    }
    int rc = decide(h, m, c, prune, err);
    memories_leave(&h->memories);
    return rc;
}

static void halving_forget(void *self, uint64_t handle)
{
    struct halving *h = self;
    memories_forget(&h->memories, handle);
}

static void halving_release(void *self)
{
    struct halving *h = self;
    memories_release(&h->memories);
    mem_free(h);
}

static int read_rules(struct halving_rules *r, const struct tl_option *options, size_t n, struct tl_err *err)
{
    *r = (struct halving_rules){.reduction_factor = 4};
    int rc = option_resource(options, n, "min_resource", &r->min_resource, err);
    if (rc == TL_OK) {
        rc = option_int(options, n, "reduction_factor", 2, RESOURCE_MAX, &r->reduction_factor, err);
    }
    if (rc == TL_OK) {
        rc = option_int(options, n, "min_early_stopping_rate", 0, INT64_MAX, &r->min_early_stopping_rate, err);
    }
    if (rc == TL_OK) {
        rc = option_int(options, n, "bootstrap_count", 0, INT64_MAX, &r->bootstrap_count, err);
    }
    if (rc == TL_OK && r->bootstrap_count > 0 && r->min_resource == 0) {
        rc = err_set(err, TL_EINVAL, "option 'bootstrap_count' needs a number for option 'min_resource', not \"auto\"");
    }
    return rc;
}

int halving_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    static const struct tl_pruner_ops ops = {sizeof ops, "successive_halving", halving_prune, halving_forget, halving_release};
    struct halving_rules rules;
    int rc = read_rules(&rules, options, n, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct halving *h = mem_zalloc(1, sizeof *h);
    if (!h || !memories_init(&h->memories, release_memory)) {
        mem_free(h);
        return err_nomem(err);
    }
    h->rules = rules;
    return pruner_make(&ops, h, out, err);
}
