/* SPDX-License-Identifier: MIT
 *
 * Records as table, value, json or yaml, in the shapes of Optuna's command, or as csv; on standard output or in a new file.
 * Records are asked for one by one, and as often as the format needs (a table measures its columns first), so memory does
 * not grow with their number.
 */
#ifndef TL_CLI_OUT_H
#define TL_CLI_OUT_H

#include "cli/cli.h"
#include "cli/node.h"

/* A column of the records, named by group and, inside a group, by name or by place in a list. With --flatten it stands on its
 * own as GROUP_NAME; otherwise the columns of a group are gathered into one object or list. */
struct out_column {
    const char *group;
    struct str name; /* p NULL: the group is the value itself */
    int64_t place;   /* >= 0: place in a list (no name then) */
    bool may_list;   /* values may be lists of leaves, which --flatten takes apart */
};

struct out_records {
    const struct out_column *columns;
    size_t n_columns;
    size_t n_records;
    bool single; /* one object instead of a list of them */
    /* Puts the value of each column into cells[0..n_columns); NULL where the record has none (None is a node). Nodes live until
     * the next call. Returns 0 or an exit status after printing. */
    int (*read)(void *ctx, size_t record, struct nodes *ns, struct node **cells);
    void *ctx;
};

/* Output that is collected and written in large pieces. */
struct out {
    struct cli *c;
    struct buf b;
    int status; /* of the first failure */
    int fd;
    const char *path; /* of a file; NULL: standard output */
};
/* `path` NULL: standard output; else a file that must not exist yet. A failure shows in o->status and at the end. */
void out_begin(struct out *o, struct cli *c, const char *path);
void out_spill(struct out *o); /* writes when much has gathered */
/* Writes the rest, closes, frees; the first failure's status. After a failure (or when `failed` is one) the file is removed. */
int out_end(struct out *o, int failed);

/* Writes all records and a line break. `format` is one of OUT_FORMATS, or csv (which wants `flatten`). */
#define OUT_FORMATS "value|json|table|yaml"
int out_records(struct cli *c, const struct out_records *r, const char *format, bool flatten);
/* The same into a new file; `path` NULL: standard output. */
int out_records_to(struct cli *c, const struct out_records *r, const char *format, bool flatten,
                   const char *path);

#endif
