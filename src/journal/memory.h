/* SPDX-License-Identifier: MIT
 *
 * The memory backend.
 */
#ifndef TL_MEMORY_H
#define TL_MEMORY_H

#include "journal/backend.h"

/* `name` "": the handle's own journal; else the one that all handles of the process with this name share. */
int memory_open(const char *name, struct backend **out, struct tl_err *err);

#endif
