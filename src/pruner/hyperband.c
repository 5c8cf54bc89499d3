/* SPDX-License-Identifier: MIT
 *
 * The Hyperband pruner (Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: "Hyperband: a novel bandit-based approach to hyperparameter
 * optimization", JMLR 18, 2018, algorithm 1): several brackets of successive halving (rungs.c), which begin to prune sooner or later.
 *
 * A trial's bracket follows from the study's name and the trial's number, by the CRC-32 of "NAME_NUMBER", so that all workers agree,
 * Optuna's too. The number of brackets follows from the highest step, which is given, or that of the first COMPLETE trials; until then
 * nothing is pruned.
 */
#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "pruner/rungs.h"

#define BRACKETS_MAX 64

struct hyperband {
    struct memories memories;
    int64_t min_resource, max_resource; /* max 0: auto */
    int64_t reduction_factor, bootstrap_count;
};
struct brackets {
    size_t n;
    uint64_t shares[BRACKETS_MAX], total; /* of the trials */
    uint32_t name_crc; /* of "NAME_", unfinished */
};
struct hyperband_memory {
    struct row_cursor epoch;
    bool ready;
    struct brackets brackets;
    struct rung_book book;
    struct first_steps steps;
};

static void release_memory(void *memory)
{
    struct hyperband_memory *m = memory;
    rung_book_release(&m->book);
}

/* CRC-32 as in zlib (reflected polynomial 0xEDB88320), four bits at a time. Begins with all ones and ends with the complement. */
static uint32_t crc_add(uint32_t crc, const char *bytes, size_t n)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

static size_t bracket_of(const void *ctx, int64_t trial_number)
{
    const struct brackets *b = ctx;
    char number[NUM_MAX];
    size_t n = num_format_int(trial_number, number), bracket = 0;
    uint64_t place = (uint32_t)~crc_add(b->name_crc, number, n) % b->total;
    while (place >= b->shares[bracket]) {
        place -= b->shares[bracket++];
    }
    return bracket;
}

/* The number of brackets as Optuna rounds it: the quotient of two logarithms, so 5 for 243 steps and factor 3. */
static void make_brackets(const struct hyperband *h, int64_t max_resource, const char *study_name, struct brackets *b)
{
    double depth = floor(log((double)max_resource / (double)h->min_resource) / log((double)h->reduction_factor)) + 1;
    *b = (struct brackets){.n = depth >= 1 ? (size_t)depth : 0}; /* depth <= 41: see RESOURCE_MAX */
    for (size_t i = b->n; i > 0; i--) {
        double trials = 1; /* the exact value of n * factor ^ s fits a double; so does Optuna's */
        for (size_t s = 0; s < b->n - i; s++) {
            trials *= (double)h->reduction_factor;
        }
        b->shares[i - 1] = (uint64_t)ceil((double)b->n * trials / (double)(b->n - i + 1));
        b->total += b->shares[i - 1];
    }
    b->name_crc = crc_add(crc_add(UINT32_MAX, study_name, strlen(study_name)), "_", 1);
}

static int decide(const struct hyperband *h, struct hyperband_memory *m, const struct tl_prune_context *c, bool *prune,
                  struct tl_err *err)
{
    if (!row_cursor_holds(&m->epoch, c->view)) {
        m->ready = false;
        m->steps = (struct first_steps){.rows = 0};
        rung_book_release(&m->book);
    }
    *prune = false;
    if (!m->ready) {
        if (h->max_resource == 0 && !first_steps_known(&m->steps, c->view)) {
            return TL_OK;
        }
        int64_t highest = h->max_resource ? h->max_resource : m->steps.highest < RESOURCE_MAX ? m->steps.highest + 1 : RESOURCE_MAX;
        make_brackets(h, highest, tl_view_study_name(c->view), &m->brackets);
        m->ready = true;
    }
    if (m->brackets.n == 0) {
        return TL_OK; /* the first rung lies behind the last step */
    }
    size_t bracket = bracket_of(&m->brackets, c->trial_number);
    struct halving_rules rules = {h->min_resource, h->reduction_factor, (int64_t)bracket, h->bootstrap_count};
    return rungs_decide(&m->book, &rules, m->brackets.n, bracket, bracket_of, &m->brackets, c, prune, err);
}

static int hyperband_prune(void *self, const struct tl_prune_context *c, bool *prune, struct tl_err *err)
{
    struct hyperband *h = self;
    struct hyperband_memory *m = memories_enter(&h->memories, c->handle, sizeof *m);
    if (!m) {
        return err_nomem(err);
    }
    int rc = decide(h, m, c, prune, err);
    memories_leave(&h->memories);
    return rc;
}

static void hyperband_forget(void *self, uint64_t handle)
{
    struct hyperband *h = self;
    memories_forget(&h->memories, handle);
}

static void hyperband_release(void *self)
{
    struct hyperband *h = self;
    memories_release(&h->memories);
    mem_free(h);
}

static int read_options(struct hyperband *h, const struct tl_option *options, size_t n, struct tl_err *err)
{
    h->min_resource = 1;
    h->reduction_factor = 3;
    int rc = option_int(options, n, "min_resource", 1, RESOURCE_MAX, &h->min_resource, err);
    if (rc == TL_OK) {
        rc = option_resource(options, n, "max_resource", &h->max_resource, err);
    }
    if (rc == TL_OK) {
        rc = option_int(options, n, "reduction_factor", 2, RESOURCE_MAX, &h->reduction_factor, err);
    }
    if (rc == TL_OK) {
        rc = option_int(options, n, "bootstrap_count", 0, INT64_MAX, &h->bootstrap_count, err);
    }
    if (rc == TL_OK && h->bootstrap_count > 0 && h->max_resource == 0) {
        rc = err_set(err, TL_EINVAL, "option 'bootstrap_count' needs a number for option 'max_resource', not \"auto\"");
    }
    return rc;
}

int hyperband_from_options(const struct tl_option *options, size_t n, tl_pruner **out, struct tl_err *err)
{
    static const struct tl_pruner_ops ops = {sizeof ops, "hyperband", hyperband_prune, hyperband_forget, hyperband_release};
    struct hyperband *h = mem_zalloc(1, sizeof *h);
    if (!h) {
        return err_nomem(err);
    }
    int rc = read_options(h, options, n, err);
    if (rc == TL_OK && !memories_init(&h->memories, release_memory)) {
        rc = err_nomem(err);
    }
    if (rc != TL_OK) {
        mem_free(h);
        return rc;
    }
    return pruner_make(&ops, h, out, err);
}
