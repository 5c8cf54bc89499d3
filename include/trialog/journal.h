/* SPDX-License-Identifier: MIT
 *
 * Care of journal files: check, repair, compact, unlock, export.
 */
#ifndef TRIALOG_JOURNAL_H
#define TRIALOG_JOURNAL_H

#include <trialog/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a check finds, one call per finding. `kind`: "broken" (not JSON or wrong checksum), "odd" (no Optuna could apply it),
 * "torn" (unfinished last line), "rejected" (valid, but changed nothing: a late report on a finished trial, say). */
struct tl_finding {
    const char *kind;
    int64_t line;   /* from 1 */
    int64_t offset; /* bytes */
    const char *message;
};
struct tl_check_result {
    size_t size;
    uint64_t bytes, lines, checked_lines; /* checked: lines with a right checksum */
    uint64_t broken, odd, torn, rejected;
    uint64_t studies, trials;
};
/* Reads a whole journal without changing it. Non-zero from `each` ends it. */
int tl_journal_check(const char *path, int (*each)(void *ctx, const struct tl_finding *finding), void *ctx,
                     struct tl_check_result *result, struct tl_err *err);
/* Writes a clean copy to `to` (which must not exist): every good line as it is; a broken create-trial line becomes a FAIL
 * placeholder so that ids hold; other broken lines are left out and reported. */
int tl_journal_repair(const char *path, const char *to, int (*each)(void *ctx, const struct tl_finding *finding), void *ctx,
                      struct tl_check_result *result, struct tl_err *err);
/* Writes the shortest journal that has the same studies, trials, ids and times to `to` (which must not exist). */
int tl_journal_compact(const char *path, const char *to, uint64_t *lines_before, uint64_t *lines_after, struct tl_err *err);
/* Takes away a lock file whose holder is dead or, with `force`, whoever holds it. `*removed` says whether there was one. */
int tl_journal_unlock(const char *path, bool force, bool *removed, struct tl_err *err);

#ifdef __cplusplus
}
#endif
#endif
