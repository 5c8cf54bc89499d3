/* SPDX-License-Identifier: MIT
 *
 * Pruners inside the library: the object behind tl_pruner.
 */
#ifndef TL_PRUNER_H
#define TL_PRUNER_H

#include "base/base.h"
#include <trialog/pruner.h>

struct tl_pruner {
    struct tl_pruner_ops ops; /* members that the given table did not have are NULL */
    void *self;
};

#endif
