/* SPDX-License-Identifier: MIT
 *
 * URL -> backend: a row per scheme. A text without a scheme is the path of a journal file.
 */
#include "journal/backend.h"

#include "base/err.h"
#include "journal/memory.h"

#define MEMORY "memory://"

/* Schemes that Optuna's users know and that are no paths. */
static const char *const later[] = {"sqlite", "postgresql", "mysql", "mariadb", "redis", "rediss", "grpc", "http", "https"};

static int refuse(const char *url, size_t scheme, struct tl_err *err)
{
    for (size_t i = 0; i < TL_COUNT(later); i++) {
        if (strncmp(url, later[i], strlen(later[i])) == 0)
            return err_set(err, TL_EUNSUPPORTED,
                           "this version keeps no journals in '%.*s': name the path of a journal file, or memory://", (int)scheme, url);
    }
    return err_set(err, TL_EUNSUPPORTED, "unknown kind of storage '%.*s': name the path of a journal file, or memory://",
                   (int)(scheme < 40 ? scheme : 40), url);
}

int backend_open(const char *url, const struct tl_storage_options *options, struct backend **out, struct tl_err *err)
{
    (void)options;
    if (strncmp(url, MEMORY, sizeof MEMORY - 1) == 0)
        return memory_open(url + sizeof MEMORY - 1, out, err);
    const char *scheme = strstr(url, "://");
    return refuse(url, scheme ? (size_t)(scheme - url) : strlen(url), err);
}
