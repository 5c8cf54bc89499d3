/* SPDX-License-Identifier: MIT
 *
 * Options of the TPE sampler: a preset, and what the user changes of it.
 *
 * Presets: `tpe2` (narrower kernels where narrow_for allows them, good trials weighed by their improvement: Watanabe,
 * arXiv:2304.11127), `optuna5` and `optuna4` (the defaults of those versions of Optuna). Every other option overrides the
 * preset's. TL_EINVAL names the option and says what it takes.
 */
#include "base/err.h"
#include "base/num.h"
#include "sampler/tpe.h"

#include <math.h>

#define CANDIDATES_MAX 100000

size_t gamma_of(const struct gamma *g, size_t n)
{
    double x =
        g->kind == GAMMA_COUNT ? g->factor : g->factor * (g->kind == GAMMA_ROOT ? sqrt((double)n) : (double)n);
    double count = ceil(x);
    uint64_t good = count >= (double)n ? n : (uint64_t)count;
    return (size_t)(good < g->most ? good : g->most);
}

/* ---- single options ---- */

static int option_flag(const struct tl_option *options, size_t n, const char *name, bool *out,
                       struct tl_err *err)
{
    const char *text = option_value(options, n, name);
    if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return err_set(err, TL_EINVAL, "option '%s' is '%s': it must be true or false", name, text);
    }
    if (text) {
        *out = text[0] == 't';
    }
    return TL_OK;
}

/* One of the words; `*out` keeps its value when the option is not given. `list`: the words for the error. */
static int option_word(const struct tl_option *options, size_t n, const char *name, const char *const *words,
                       size_t n_words, const char *list, size_t *out, struct tl_err *err)
{
    const char *text = option_value(options, n, name);
    for (size_t i = 0; text && i < n_words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return TL_OK;
        }
    }
    return text ? err_set(err, TL_EINVAL, "option '%s' is '%s': it must be %s", name, text, list) : TL_OK;
}

static int option_positive(const struct tl_option *options, size_t n, const char *name, double *out,
                           struct tl_err *err)
{
    const char *text = option_value(options, n, name);
    double v = 0;
    if (!text) {
        return TL_OK;
    }
    const char *end = text + strlen(text);
    if (num_parse(text, end, &v, NULL) != end || !(v > 0) || isinf(v)) {
        return err_set(err, TL_EINVAL, "option '%s' is '%s': it must be a number above 0", name, text);
    }
    *out = v;
    return TL_OK;
}

static const char *eat(const char *p, const char *word)
{
    while (*p == ' ') {
        p++;
    }
    size_t n = strlen(word);
    return strncmp(p, word, n) == 0 ? p + n : NULL;
}

/* NUMBER | NUMBER*n | NUMBER*sqrt(n), and "," COUNT behind it. A number alone below 1 is a share of n. */
static bool gamma_read(const char *text, struct gamma *out)
{
    struct gamma g = {GAMMA_COUNT, 0, UINT64_MAX};
    const char *p = num_parse(text, text + strlen(text), &g.factor, NULL), *next;
    int64_t most;
    if (!p || !(g.factor > 0) || isinf(g.factor)) {
        return false;
    }
    if ((next = eat(p, "*n"))) {
        g.kind = GAMMA_SHARE;
    } else if ((next = eat(p, "*sqrt(n)"))) {
        g.kind = GAMMA_ROOT;
    } else {
        g.kind = g.factor < 1 ? GAMMA_SHARE : GAMMA_COUNT;
        next = p;
    }
    if ((p = eat(next, ","))) {
        while (*p == ' ') {
            p++;
        }
        next = num_parse_int(p, p + strlen(p), &most);
        if (!next || most < 1) {
            return false;
        }
        g.most = (uint64_t)most;
    }
    if (*next != '\0') {
        return false;
    }
    *out = g;
    return true;
}

/* ---- all of them ---- */

static void preset_rules(struct tpe_rules *r, enum tpe_preset preset)
{
    static const struct gamma capped = {GAMMA_SHARE, 0.1, 25}, share = {GAMMA_SHARE, 0.1, UINT64_MAX};
    bool old = preset == TPE_OPTUNA4;
    *r = (struct tpe_rules){
        .preset = preset,
        .n_startup_trials = 10,
        .n_ei_candidates = 24,
        .gamma = capped,
        .gamma_mo = old ? capped : share,
        .multivariate = !old,
        .constant_liar = !old,
        .consider_magic_clip = true,
        .prior_weight = 1,
        .mo_weights = old,
        .normalised_constraints = preset == TPE_2,
    };
}

static int read_joint(struct tpe_rules *r, const struct tl_option *o, size_t n, struct tl_err *err)
{
    bool joint = r->multivariate;
    int rc = option_flag(o, n, "group", &r->group, err);
    if (rc == TL_OK) {
        rc = option_flag(o, n, "multivariate", &joint, err);
    }
    if (rc == TL_OK && option_value(o, n, "multivariate")) {
        r->multivariate = r->multivariate_mo = joint;
        if (r->group && !joint) {
            rc = err_set(err, TL_EINVAL, "option 'group' needs multivariate");
        }
    } else if (rc == TL_OK && r->group) {
        r->multivariate = r->multivariate_mo = true;
    }
    return rc;
}

static int read_gamma(struct tpe_rules *r, const struct tl_option *o, size_t n, struct tl_err *err)
{
    const char *text = option_value(o, n, "gamma");
    if (text && !gamma_read(text, &r->gamma)) {
        return err_set(err, TL_EINVAL,
                       "option 'gamma' is '%s': it must be a number of good trials, a share such as 0.1*n or "
                       "0.25*sqrt(n), and may end in a largest number: 0.1*n,25",
                       text);
    }
    if (text) {
        r->gamma_mo = r->gamma;
    }
    return TL_OK;
}

int tpe_rules_read(struct tpe_rules *rules, const struct tl_option *o, size_t n, struct tl_err *err)
{
    static const char *const presets[] = {"tpe2", "optuna5", "optuna4"};
    static const char *const weights[] = {"uniform", "hv"}, *const scales[] = {"raw", "normalised"};
    size_t preset = TPE_2;
    int rc = option_word(o, n, "preset", presets, 3, "tpe2, optuna5 or optuna4", &preset, err);
    struct tpe_rules r;
    preset_rules(&r, (enum tpe_preset)preset);
    size_t weight = r.mo_weights, scale = r.normalised_constraints;
    r.seed = tl_random_seed();
    r.seeded = option_value(o, n, "seed") != NULL;
    if (rc == TL_OK) {
        rc = option_u64(o, n, "seed", UINT64_MAX, &r.seed, err);
    }
    if (rc == TL_OK) {
        rc = option_u64(o, n, "n_startup_trials", INT64_MAX, &r.n_startup_trials, err);
    }
    if (rc == TL_OK) {
        rc = option_u64(o, n, "n_ei_candidates", CANDIDATES_MAX, &r.n_ei_candidates, err);
    }
    if (rc == TL_OK && r.n_ei_candidates == 0) {
        rc = err_set(err, TL_EINVAL, "option 'n_ei_candidates' is 0: it must be at least 1");
    }
    if (rc == TL_OK) {
        rc = read_joint(&r, o, n, err);
    }
    if (rc == TL_OK) {
        rc = option_flag(o, n, "constant_liar", &r.constant_liar, err);
    }
    if (rc == TL_OK) {
        rc = read_gamma(&r, o, n, err);
    }
    if (rc == TL_OK) {
        rc = option_positive(o, n, "prior_weight", &r.prior_weight, err);
    }
    if (rc == TL_OK) {
        rc = option_flag(o, n, "consider_magic_clip", &r.consider_magic_clip, err);
    }
    if (rc == TL_OK) {
        rc = option_flag(o, n, "consider_endpoints", &r.consider_endpoints, err);
    }
    if (rc == TL_OK) {
        rc = option_word(o, n, "mo_weights", weights, 2, "uniform or hv", &weight, err);
    }
    if (rc == TL_OK) {
        rc = option_word(o, n, "constraint_scale", scales, 2, "raw or normalised", &scale, err);
    }
    if (rc == TL_OK) {
        r.mo_weights = weight == 1;
        r.normalised_constraints = scale == 1;
        *rules = r;
    }
    return rc;
}
