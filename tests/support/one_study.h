/* SPDX-License-Identifier: MIT
 *
 * For tests of one study on each backend: start(_i) opens it, stop() closes it; what the storage counted meanwhile. Unused parts are no error.
 */
#ifndef TEST_ONE_STUDY_H
#define TEST_ONE_STUDY_H

#include "support/check_main.h"
#include "support/study_kit.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

static tl_storage *storage;
static tl_study *study;

static void start(int backend)
{
    storage = kit_open(kit_url(backend));
    study = kit_study(storage, "s", NULL);
}

static void stop(void)
{
    tl_study_free(study);
    tl_storage_close(storage);
    kit_clean();
}

static uint64_t operations(void)
{
    struct tl_storage_stats stats;
    tl_storage_get_stats(storage, &stats);
    return stats.operations;
}

static uint64_t appends(void)
{
    struct tl_storage_stats stats;
    tl_storage_get_stats(storage, &stats);
    return stats.appends;
}

static size_t count(enum tl_state state)
{
    tl_view *view;
    OK(tl_study_view(study, &view, err));
    size_t n = tl_view_count(view, state);
    tl_view_close(view);
    return n;
}

#pragma GCC diagnostic pop

#endif
