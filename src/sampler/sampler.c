/* SPDX-License-Identifier: MIT
 *
 * The registry of samplers, their options, and samplers of the user's own.
 *
 * A built-in sampler is one row in `docs` (what help texts and bindings show) and one maker. Options are text; a name that is
 * not in the row is refused with the names that are. Nothing here knows what a sampler does.
 */
#include "sampler/sampler.h"

#include <assert.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/os.h"

/* ---- the samplers there are ---- */

static const struct tl_option_doc tpe_options[] = {
    {"preset", "text", "tpe2, optuna5, optuna4", "tpe2", "the defaults of all options below; tpe2 finds good values in fewer trials, "
     "the others choose as those versions of Optuna do"},
    {"n_startup_trials", "int", "0 .. 2^63-1", "10", "trials at random before the first one that is modelled"},
    {"n_ei_candidates", "int", "1 .. 100000", "24", "candidates that are drawn and compared for each trial"},
    {"multivariate", "bool", "", "true with one objective; optuna4: false", "parameters jointly instead of one by one"},
    {"group", "bool", "", "false", "jointly those parameters that come together, for conditional spaces"},
    {"constant_liar", "bool", "", "true; optuna4: false", "keep away from what other workers are trying"},
    {"gamma", "text", "K, S*n or S*sqrt(n), then perhaps ,MOST", "0.1*n,25; several objectives: 0.1*n",
     "how many of n trials count as good"},
    {"prior_weight", "float", "above 0", "1.0", "weight of the kernel that covers the whole range"},
    {"consider_magic_clip", "bool", "", "true", "keep kernels from becoming too narrow"},
    {"consider_endpoints", "bool", "", "false", "let the ends of the range widen the outermost kernels"},
    {"mo_weights", "text", "uniform, hv", "uniform; optuna4: hv", "several objectives: weigh good trials by their hypervolume"},
    {"constraint_scale", "text", "raw, normalised", "normalised; optuna5, optuna4: raw", "how violations of constraints are added up"},
    {"seed", "int", "0 .. 2^64-1", "from the operating system", "the same seed and the same finished trials give the same trial"},
    {NULL, NULL, NULL, NULL, NULL},
};
static const struct tl_option_doc random_options[] = {
    {"seed", "int", "0 .. 2^64-1", "from the operating system",
     "the same seed gives the same trials, with 1 or 32 workers"},
    {NULL, NULL, NULL, NULL, NULL},
};
static const struct tl_option_doc grid_options[] = {
    {"search_space", "JSON object", "{name: [value, ...]}", "required", "the values of each parameter"},
    {"seed", "int", "0 .. 2^32-1", "0", "order of the cells; must be the same for every worker"},
    {"retries", "int", "-1 .. 2^31-1", "6", "how often a cell whose trial failed is issued again; -1: never"},
    {NULL, NULL, NULL, NULL, NULL},
};
static const struct tl_component_doc docs[] = {
    {"tpe", "TPESampler", "more trials where the good ones were, fewer where the others were: the default", tpe_options},
    {"random", "RandomSampler", "every parameter independently and uniformly", random_options},
    {"grid", "GridSampler", "every combination of the listed values, each once over all workers", grid_options},
    {NULL, NULL, NULL, NULL},
};
static sampler_maker *const makers[] = {tpe_from_options, random_from_options, grid_from_options};
_Static_assert(TL_COUNT(makers) == TL_COUNT(docs) - 1, "one maker a row");

TL_API const struct tl_component_doc *tl_sampler_docs(void)
{
    return docs;
}

/* ---- names and options ---- */

static void list_components(const struct tl_component_doc *rows, struct buf *b)
{
    for (size_t i = 0; rows[i].name; i++) {
        buf_add_text(b, i ? ", " : "");
        buf_add_text(b, rows[i].name);
    }
}

static void list_options(const struct tl_option_doc *rows, struct buf *b)
{
    for (size_t i = 0; rows[i].name; i++) {
        buf_add_text(b, i ? ", " : "");
        buf_add_text(b, rows[i].name);
    }
    if (!rows[0].name) {
        buf_add_text(b, "none");
    }
}

static bool has_option(const struct tl_option_doc *rows, const char *name)
{
    for (; rows->name; rows++) {
        size_t n = strlen(rows->name);
        bool any = n > 0 && rows->name[n - 1] == '*'; /* all names that begin so */
        if (any ? strncmp(rows->name, name, n - 1) == 0 : strcmp(rows->name, name) == 0) {
            return true;
        }
    }
    return false;
}

int component_find(const struct tl_component_doc *rows, const char *what, const char *name, const struct tl_option *options,
                   size_t n, size_t *row, struct tl_err *err)
{
    struct buf list = BUF_INIT(4096);
    size_t found = 0;
    int rc = TL_OK;
    if (!name || (n && !options)) {
        return err_set(err, TL_EINVAL, "the %s needs a name%s", what, name ? " for each option" : "");
    }
    while (rows[found].name && strcmp(rows[found].name, name) != 0 && strcmp(rows[found].optuna_name, name) != 0) {
        found++;
    }
    if (!rows[found].name) {
        list_components(rows, &list);
        const char *names = buf_cstr(&list);
        rc = err_set(err, TL_EUNSUPPORTED, "there is no %s '%s'; there are: %s", what, name, names ? names : "?");
    }
    for (size_t i = 0; rc == TL_OK && i < n; i++) {
        if (!options[i].name || !options[i].value || !has_option(rows[found].options, options[i].name)) {
            list_options(rows[found].options, &list);
            const char *names = buf_cstr(&list);
            rc = err_set(err, TL_EINVAL, "%s '%s' has no option '%s'; it has: %s", what, rows[found].name,
                         options[i].name ? options[i].name : "", names ? names : "?");
        }
    }
    buf_release(&list);
    if (rc == TL_OK) {
        *row = found;
    }
    return rc;
}

const char *option_value(const struct tl_option *options, size_t n, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(options[i].name, name) == 0) {
            value = options[i].value;
        }
    }
    return value && strcmp(value, "null") != 0 ? value : NULL;
}

int option_u64(const struct tl_option *options, size_t n, const char *name, uint64_t high, uint64_t *out,
               struct tl_err *err)
{
    const char *text = option_value(options, n, name);
    uint64_t v = 0;
    if (!text) {
        return TL_OK;
    }
    bool good = *text != '\0';
    for (const char *p = text; good && *p; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        good = *p >= '0' && *p <= '9' && digit <= high && v <= (high - digit) / 10;
        v = v * 10 + digit;
    }
    if (!good) {
        return err_set(err, TL_EINVAL, "option '%s' is '%s': it must be a whole number from 0 to %llu", name, text,
                       (unsigned long long)high);
    }
    *out = v;
    return TL_OK;
}

/* ---- making ---- */

TL_API int tl_sampler_create(const char *name, const struct tl_option *options, size_t n_options, tl_sampler **out,
                             struct tl_err *err)
{
    size_t row = 0;
    int rc = component_find(docs, "sampler", name, options, n_options, &row, err);
    assert(row < TL_COUNT(makers));
    return rc == TL_OK ? makers[row](options, n_options, out, err) : rc;
}

TL_API int tl_sampler_new(const struct tl_sampler_ops *ops, void *self, tl_sampler **out, struct tl_err *err)
{
    if (!ops || !out || ops->size < offsetof(struct tl_sampler_ops, relative) || !ops->name || !ops->independent) {
        return err_set(err, TL_EINVAL, "a sampler's table needs its size, a name and the function independent");
    }
    tl_sampler *sampler = mem_zalloc(1, sizeof *sampler);
    if (!sampler) {
        return err_nomem(err);
    }
    memcpy(&sampler->ops, ops, ops->size < sizeof *ops ? ops->size : sizeof *ops);
    sampler->self = self;
    *out = sampler;
    return TL_OK;
}

TL_API void tl_sampler_free(tl_sampler *sampler)
{
    if (sampler) {
        if (sampler->ops.release) {
            sampler->ops.release(sampler->self);
        }
        mem_free(sampler);
    }
}

TL_API const char *tl_sampler_name(const tl_sampler *sampler)
{
    return sampler->ops.name;
}

/* The one thing here that is not a pure function of its arguments. Without random bytes (a broken system) the clock must do. */
TL_API uint64_t tl_random_seed(void)
{
    uint64_t seed;
    if (os->random(&seed, sizeof seed) < 0) {
        seed = (uint64_t)os->realtime_us() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)os->pid();
    }
    return seed;
}
