/* SPDX-License-Identifier: MIT
 *
 * Storages that keep one stream per study: a root with a catalog, and a part for each stream in use.
 *
 * A part is a tl_storage of its own with one study; its ids begin at 0. What callers get and give are ids of the root: the number of
 * the stream, shifted, and the part's id. The conversion happens at the edge, in the first lines of every public call that takes an id
 * (storage_part), and where an id is handed out (base_id of the part). A study or trial handle holds the part.
 *
 * A part that is called by its own pointer takes and gives its own ids: so everything inside the engine may go on calling public
 * functions. No user has such a pointer.
 */
#ifndef TL_PARTS_H
#define TL_PARTS_H

#include "engine/storage.h"

struct str;
struct catalog_entry;

#define PART_SHIFT 32
#define PART_LOCAL INT64_C(0xffffffff)

/* Sets up what a root needs, for a catalog that was opened; consumes it, also on failure. */
int parts_begin(tl_storage *root, struct catalog *catalog, struct tl_err *err);
void parts_close(tl_storage *root);
void parts_forked(tl_storage *root);

static inline bool is_root(const tl_storage *st)
{
    return st->catalog != NULL;
}
/* For a root: makes `*st` the part of the study or trial with this id, and the id the part's own; `*base` (may be NULL) is what to add
 * to ids that are handed out. Others stay as they are, with base 0. TL_ENOTFOUND. `what`: "study", "trial". */
int storage_part(tl_storage **st, int64_t *id, int64_t *base, const char *what, struct tl_err *err);
/* The part of the study with that name; others stay as they are. TL_ENOTFOUND. */
int storage_part_named(tl_storage **st, const char *name, struct tl_err *err);
/* Is the part of the study with this id open? */
bool part_is_open(tl_storage *root, int64_t study_id);
/* The part of a stream. */
int part_of_stream(tl_storage *root, int64_t stream, tl_storage **out, struct tl_err *err);

/* Public calls, for a root. */
int root_create_study(tl_storage *root, const struct op *op, int64_t *study_id, struct tl_err *err);
int root_delete_study(tl_storage *root, int64_t study_id, struct tl_err *err);
int root_find_study(tl_storage *root, const char *name, int64_t *study_id, struct tl_err *err);
int root_each_study(tl_storage *root, int (*each)(void *ctx, int64_t study_id, const char *name), void *ctx, struct tl_err *err);
int root_each_running(tl_storage *root, int (*each)(void *ctx, const struct tl_running_trial *trial), void *ctx, struct tl_err *err);
int root_sync(tl_storage *root, struct tl_err *err);
int root_wait(tl_storage *root, int64_t timeout_ms, struct tl_err *err);
int root_snapshot(tl_storage *root, struct tl_err *err);
void root_add_stats(tl_storage *root, struct tl_storage_stats *s);
void root_describe(tl_storage *root, struct buf *out);
int root_landed(tl_storage *root, const char *worker_id, uint64_t n, bool *landed, struct tl_err *err);
/* Calls for each stream that holds a study. Entries are copies: `each` may use the storage. */
int root_each_stream(tl_storage *root, int (*each)(void *ctx, const struct catalog_entry *e), void *ctx, struct tl_err *err);

/* ---- summaries (summary.c) ---- */

/* Writes the part's summary if it has news that the catalog's one lacks. What goes wrong is of no consequence. */
void summary_write(tl_storage *part, uint64_t known_seq);
/* Says the summary that the study does not have RUNNING trials, as of `seq`? */
bool summary_idle(struct str bytes);

#endif
