/* SPDX-License-Identifier: MIT
 *
 * How an objective of problems.h asks a trial for its parameters, and options as text: for the programs beside it.
 */
#ifndef QUALITY_ASKING_H
#define QUALITY_ASKING_H

#include "problems.h"

#include <trialog/trialog.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_OPTIONS 8
#define MAX_CHOICES 8

struct asking {
    tl_trial *trial;
    struct tl_err err;
    int rc;     /* of the first suggestion that failed */
    bool print; /* "name=value " for each */
};

/* A quality_ask; ctx is a struct asking. */
static inline double ask(void *ctx, const char *name, const struct quality_dist *d)
{
    struct asking *a = ctx;
    struct tl_value choices[MAX_CHOICES];
    struct tl_dist dist = {TL_DIST_FLOAT, d->log != 0, d->low, d->high, d->step, NULL, 0};
    double x = NAN;
    if (d->kind == QUALITY_INT) {
        dist.kind = TL_DIST_INT;
    } else if (d->kind == QUALITY_CHOICE) {
        dist = (struct tl_dist){TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, (size_t)d->n_choices};
        for (int i = 0; i < d->n_choices; i++) {
            choices[i] =
                (struct tl_value){.kind = TL_VALUE_STRING, .as.text = {d->choices[i], strlen(d->choices[i])}};
        }
    }
    if (a->rc == TL_OK) {
        a->rc = tl_trial_suggest(a->trial, name, &dist, &x, &a->err);
    }
    if (a->print) {
        printf("%s=%.10g ", name, x);
    }
    return x;
}

struct solver {
    char text[512];                        /* of the options */
    struct tl_option options[MAX_OPTIONS]; /* one place is left for a seed */
    size_t n_options;
};

/* "name=value,…"; -1: not of that form, or too long. */
static inline int read_options(struct solver *s, const char *text)
{
    if ((size_t)snprintf(s->text, sizeof s->text, "%s", text) >= sizeof s->text) {
        return -1;
    }
    for (char *at = s->text; *at;) {
        char *comma = strchr(at, ','), *equals = strchr(at, '=');
        if (!equals || s->n_options == MAX_OPTIONS - 1) {
            return -1;
        }
        *equals = 0;
        s->options[s->n_options++] = (struct tl_option){at, equals + 1};
        at = comma ? comma + 1 : strchr(equals + 1, 0);
        if (comma) {
            *comma = 0;
        }
    }
    return 0;
}

#endif
