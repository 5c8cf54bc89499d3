/* SPDX-License-Identifier: MIT
 *
 * Trialog: hyperparameter optimisation on an operation log. This header includes all others.
 */
#ifndef TRIALOG_H
#define TRIALOG_H

#include <trialog/dist.h>
#include <trialog/error.h>
#include <trialog/journal.h>
#include <trialog/pruner.h>
#include <trialog/sampler.h>
#include <trialog/storage.h>
#include <trialog/study.h>
#include <trialog/trial.h>
#include <trialog/types.h>

#define TL_VERSION_MAJOR 0
#define TL_VERSION_MINOR 1
#define TL_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0". Static storage. */
const char *tl_version(void);
/* What was compiled in, such as "file memory". Static storage. */
const char *tl_features(void);

#ifdef __cplusplus
}
#endif
#endif
