/* SPDX-License-Identifier: MIT
 *
 * The kinds of backends that backend_open chooses from. Options are never NULL here.
 */
#ifndef TL_KINDS_H
#define TL_KINDS_H

#include "journal/backend.h"

#include <trialog/storage.h>

/* `path`: as the user gave it. */
int file_open(const char *path, const struct tl_storage_options *options, struct backend **out, struct tl_err *err);
/* `name`: empty for a journal of this handle's own, otherwise shared by all handles of the process with that name. */
int memory_open(const char *name, const struct tl_storage_options *options, struct backend **out, struct tl_err *err);

/* `url`: "redis://…" or "rediss://…", as the user gave it. */
int redis_open(const char *url, const struct tl_storage_options *options, struct backend **out, struct tl_err *err);

/* Wraps a backend in assertions of the contract in backend.h. Consumes `inner`; NULL when out of memory (inner is closed). */
struct backend *backend_checked(struct backend *inner);

#endif
