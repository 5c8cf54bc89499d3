/* SPDX-License-Identifier: MIT
 *
 * Parzen estimators the plain way, as a reference for numeric/parzen.c: everything is worked out anew in plain_settle, every kernel is
 * looked at for every point.
 *
 * A kernel is a product over the parameters: a normal truncated to the range (its mass in the cell around the value for lattices),
 * or a categorical row. The prior kernel covers the whole range. Bergstra et al., NIPS 2011; Falkner et al. (BOHB), ICML 2018.
 */
#include "support/parzen_plain.h"

#include "base/mem.h"
#include "numeric/normal.h"

#include <math.h>
#include <stdlib.h>

#define LN_SQRT_2PI 0.91893853320467274178

struct kernel {
    int64_t key;
    double weight;
    double *x;
};
struct plain {
    struct parzen_dim *dims;
    double *low, *high; /* with half steps, in logarithms for log */
    size_t d;
    struct parzen_rules rules;
    struct kernel *kernels; /* by key */
    size_t n, cap;
    double prior;
    size_t m;           /* settled: kernels and the prior one, which is the last */
    double *mu, *sigma; /* m * d */
    double *weight;     /* m */
};

static double mass(double a, double b)
{
    return exp(log_gauss_mass(a, b));
}

/* ---- kernels ---- */

struct plain *plain_new(const struct parzen_dim *dims, size_t n_dims, const struct parzen_rules *rules)
{
    struct plain *p = mem_zalloc(1, sizeof *p);
    if (!p) {
        return NULL;
    }
    p->d = n_dims;
    p->rules = *rules;
    p->prior = rules->prior_weight;
    p->dims = mem_zalloc(n_dims, sizeof *p->dims);
    p->low = mem_zalloc(n_dims, sizeof *p->low);
    p->high = mem_zalloc(n_dims, sizeof *p->high);
    if (!p->dims || !p->low || !p->high) {
        plain_free(p);
        return NULL;
    }
    memcpy(p->dims, dims, n_dims * sizeof *dims);
    for (size_t j = 0; j < n_dims; j++) {
        double half = dims[j].kind == PARZEN_LATTICE ? dims[j].step / 2 : 0;
        p->low[j] = dims[j].log ? log(dims[j].low - half) : dims[j].low - half;
        p->high[j] = dims[j].log ? log(dims[j].high + half) : dims[j].high + half;
    }
    if (plain_settle(p) != TL_OK) {
        plain_free(p);
        return NULL;
    }
    return p;
}

void plain_free(struct plain *p)
{
    if (p) {
        for (size_t i = 0; i < p->n; i++) {
            mem_free(p->kernels[i].x);
        }
        mem_free(p->kernels);
        mem_free(p->dims);
        mem_free(p->low);
        mem_free(p->high);
        mem_free(p->mu);
        mem_free(p->sigma);
        mem_free(p->weight);
        mem_free(p);
    }
}

/* The first kernel whose key is not below. */
static size_t place(const struct plain *p, int64_t key)
{
    size_t low = 0, high = p->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->kernels[mid].key < key) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

int plain_put(struct plain *p, int64_t key, const double *x)
{
    double *copy = mem_alloc(p->d * sizeof *copy);
    if (!copy || !mem_grow((void **)&p->kernels, &p->cap, p->n + 1, sizeof *p->kernels)) {
        mem_free(copy);
        return TL_ENOMEM;
    }
    size_t at = place(p, key);
    memcpy(copy, x, p->d * sizeof *copy);
    memmove(p->kernels + at + 1, p->kernels + at, (p->n - at) * sizeof *p->kernels);
    p->kernels[at] = (struct kernel){key, 1, copy};
    p->n++;
    return TL_OK;
}

bool plain_drop(struct plain *p, int64_t key)
{
    size_t at = place(p, key);
    if (at == p->n || p->kernels[at].key != key) {
        return false;
    }
    mem_free(p->kernels[at].x);
    p->n--;
    memmove(p->kernels + at, p->kernels + at + 1, (p->n - at) * sizeof *p->kernels);
    return true;
}

size_t plain_count(const struct plain *p)
{
    return p->n;
}

void plain_weigh(struct plain *p, int64_t key, double w)
{
    size_t at = place(p, key);
    if (at < p->n && p->kernels[at].key == key) {
        p->kernels[at].weight = w;
    }
}

void plain_prior_weight(struct plain *p, double w)
{
    p->prior = w;
}

/* ---- settling ---- */

static int by_value(const void *a, const void *b)
{
    const double *x = *(const double *const *)a, *y = *(const double *const *)b;
    return *x != *y ? (*x > *y) - (*x < *y) : (x > y) - (x < y); /* equal values: in the order of their keys */
}

static double floor_of(const struct plain *p, double range)
{
    double n = (double)p->n + 2;
    switch (p->rules.floor) {
    case PARZEN_FLOOR_MAGIC: return range / (n < 100 ? n : 100);
    case PARZEN_FLOOR_NARROW: return range * (1 / (n * n) > 0.03 ? 1 / (n * n) : 0.03);
    default: return 1e-12;
    }
}

/* Widths of one parameter's kernels; `order`: scratch. */
static void widths(struct plain *p, size_t j, const double **order)
{
    double low = p->low[j], high = p->high[j], range = high - low, least = floor_of(p, range);
    size_t d = p->d, n = p->rules.width == PARZEN_NEIGHBOUR_PRIOR ? p->m : p->n;
    for (size_t i = 0; i < n; i++) {
        order[i] = &p->mu[i * d + j];
    }
    qsort(order, n, sizeof(const double *), by_value);
    for (size_t k = 0; k < n; k++) {
        double left = *order[k] - (k > 0 ? *order[k - 1] : low),
               right = (k + 1 < n ? *order[k + 1] : high) - *order[k];
        double w = left > right ? left : right;
        if (!p->rules.endpoints && n >= 2) {
            w = k == 0 ? right : k + 1 == n ? left : w;
        }
        if (p->rules.width == PARZEN_SCOTT) {
            w = 0.2 * pow(p->n > 0 ? (double)p->n : 1, -1.0 / ((double)d + 4)) * range;
        }
        w = w < least ? least : w > range ? range : w;
        p->sigma[order[k] - p->mu] = w;
    }
    p->sigma[(p->m - 1) * d + j] = range;
}

static void weights(struct plain *p)
{
    double sum = 0, n = (double)p->n;
    for (size_t i = 0; i < p->n; i++) {
        double w = p->rules.weights == PARZEN_GIVEN ? p->kernels[i].weight : 1;
        if (p->rules.weights == PARZEN_RAMP && p->n > 25 && i < p->n - 25) {
            w = 1 / n + (p->n > 26 ? (1 - 1 / n) * (double)i / (n - 26) : 0);
        }
        p->weight[i] = w;
        sum += w;
    }
    p->weight[p->n] = p->prior;
    sum += p->prior;
    for (size_t i = 0; i < p->m; i++) {
        p->weight[i] /= sum;
    }
}

int plain_settle(struct plain *p)
{
    size_t m = p->n + 1;
    double *mu = mem_resize(p->mu, m * p->d * sizeof *mu);
    p->mu = mu ? mu : p->mu;
    double *sigma = mem_resize(p->sigma, m * p->d * sizeof *sigma);
    p->sigma = sigma ? sigma : p->sigma;
    double *weight = mem_resize(p->weight, m * sizeof *weight);
    p->weight = weight ? weight : p->weight;
    const double **order = mem_alloc(m * sizeof *order);
    if (!mu || !sigma || !weight || !order) {
        mem_free(order);
        return TL_ENOMEM;
    }
    p->m = m;
    for (size_t j = 0; j < p->d; j++) {
        for (size_t i = 0; i < p->n; i++) {
            p->mu[i * p->d + j] = p->dims[j].log ? log(p->kernels[i].x[j]) : p->kernels[i].x[j];
        }
        p->mu[p->n * p->d + j] = (p->low[j] + p->high[j]) / 2;
        if (p->dims[j].kind != PARZEN_CATEGORY) {
            widths(p, j, order);
        }
    }
    weights(p);
    mem_free(order);
    return TL_OK;
}

/* ---- reading ---- */

static double row_weight(const struct plain *p, size_t i, size_t j, size_t choice)
{
    double n = (double)p->dims[j].n_choices, base = p->rules.prior_weight / (double)p->m;
    return i == p->n ? 1 / n : ((p->mu[i * p->d + j] == (double)choice) + base) / (1 + n * base);
}

static double draw_choice(const struct plain *p, size_t i, size_t j, double u)
{
    size_t c = 0;
    while (c + 1 < p->dims[j].n_choices && u >= row_weight(p, i, j, c)) {
        u -= row_weight(p, i, j, c++);
    }
    return (double)c;
}

static double draw_number(const struct plain *p, size_t i, size_t j, double u)
{
    const struct parzen_dim *dim = &p->dims[j];
    double low = p->low[j], high = p->high[j], mu = p->mu[i * p->d + j], sigma = p->sigma[i * p->d + j],
           a = low, b = high;
    double wanted = u * mass((low - mu) / sigma, (high - mu) / sigma);
    for (unsigned step = 0; step < 60; step++) {
        double mid = (a + b) / 2;
        if (mass((low - mu) / sigma, (mid - mu) / sigma) < wanted) {
            a = mid;
        } else {
            b = mid;
        }
    }
    double x = dim->log ? exp((a + b) / 2) : (a + b) / 2;
    if (dim->kind == PARZEN_LATTICE) {
        x = dim->low + nearbyint((x - dim->low) / dim->step) * dim->step;
    }
    return x < dim->low ? dim->low : x > dim->high ? dim->high : x;
}

void plain_sample(const struct plain *p, const double *u, double *x)
{
    double left = u[0];
    size_t i = 0;
    while (i + 1 < p->m && left >= p->weight[i]) {
        left -= p->weight[i++];
    }
    for (size_t j = 0; j < p->d; j++) {
        x[j] = p->dims[j].kind == PARZEN_CATEGORY ? draw_choice(p, i, j, u[j + 1])
                                                  : draw_number(p, i, j, u[j + 1]);
    }
}

static double log_factor(const struct plain *p, size_t i, size_t j, double x)
{
    const struct parzen_dim *dim = &p->dims[j];
    if (dim->kind == PARZEN_CATEGORY) {
        return log(row_weight(p, i, j, (size_t)x));
    }
    double mu = p->mu[i * p->d + j], sigma = p->sigma[i * p->d + j];
    double whole = log_gauss_mass((p->low[j] - mu) / sigma, (p->high[j] - mu) / sigma);
    if (dim->kind == PARZEN_FLOAT) {
        double z = ((dim->log ? log(x) : x) - mu) / sigma;
        return -z * z / 2 - log(sigma) - LN_SQRT_2PI - whole;
    }
    double half = dim->step / 2;
    if (!dim->log) {
        return log_gauss_cell((x - mu) / sigma, half / sigma) - whole;
    }
    return log_gauss_cell((0.5 * log((x - half) * (x + half)) - mu) / sigma,
                          0.5 * log((x + half) / (x - half)) / sigma) -
           whole;
}

static double log_kernel(const struct plain *p, size_t i, const double *x)
{
    double sum = log(p->weight[i]);
    for (size_t j = 0; j < p->d; j++) {
        sum += log_factor(p, i, j, x[j]);
    }
    return sum;
}

size_t plain_scratch(const struct plain *p, size_t m)
{
    (void)m;
    return p->m * sizeof(double);
}

void plain_log_density(const struct plain *p, const double *x, size_t m, double *out, void *scratch)
{
    double *terms = scratch;
    for (size_t k = 0; k < m; k++) {
        double most = -INFINITY, sum = 0;
        for (size_t i = 0; i < p->m; i++) {
            terms[i] = log_kernel(p, i, x + k * p->d);
            most = terms[i] > most ? terms[i] : most;
        }
        for (size_t i = 0; i < p->m; i++) {
            sum += exp(terms[i] - most);
        }
        out[k] = isinf(most) ? most : most + log(sum);
    }
}
