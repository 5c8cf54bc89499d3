/* SPDX-License-Identifier: MIT
 *
 * Opening client libraries of databases, and finding their functions.
 *
 * Happy path: the first file that can be opened, all functions by name, once. Failure: no file, or one that is too old to have a
 * function: TL_EUNSUPPORTED with the package to install, and the next call tries again. Invariant: a table is filled in completely
 * before anybody sees it; it is never taken back.
 */
#include "journal/client_library.h"

#include <dlfcn.h>
#include <pthread.h>

#include "base/err.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int find_symbols(struct client_library *l, void *handle, struct tl_err *err)
{
    for (size_t i = 0; i < l->n_symbols; i++) {
        void *address = dlsym(handle, l->symbols[i].name);
        if (!address) {
            return err_set(err, TL_EUNSUPPORTED, "the %s library is too old: it has no %s. A newer one is needed (on Debian: package %s)",
                           l->what, l->symbols[i].name, l->package);
        }
        memcpy((char *)l->table + l->symbols[i].offset, &address, sizeof address);
    }
    return TL_OK;
}

static int open_locked(struct client_library *l, struct tl_err *err)
{
    void *handle = NULL;
    for (size_t i = 0; i < TL_COUNT(l->files) && l->files[i] && !handle; i++) {
        handle = dlopen(l->files[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (!handle) {
        return err_set(err, TL_EUNSUPPORTED, "%s needs the library %s, which is not installed here: on Debian and Ubuntu, "
                       "apt install %s", l->what, l->files[0], l->package);
    }
    int rc = find_symbols(l, handle, err);
    if (rc != TL_OK) {
        dlclose(handle);
    }
    return rc;
}

int client_library_open(struct client_library *l, struct tl_err *err)
{
    int rc = TL_OK;
    if (atomic_load(&l->open)) {
        return TL_OK;
    }
    pthread_mutex_lock(&mutex);
    if (!atomic_load(&l->open)) {
        rc = open_locked(l, err);
        atomic_store(&l->open, rc == TL_OK);
    }
    pthread_mutex_unlock(&mutex);
    return rc;
}
