/* SPDX-License-Identifier: MIT
 *
 * Records as table, value, json or yaml.
 *
 * A record's cells (one per column) become the values of a row (one per heading): with --flatten nearly the same, without it
 * the columns of a group are gathered. What a heading without value means differs by format, as in Optuna: nothing in the
 * flat forms, {} in the others.
 * Failure modes: memory, a full disk or a closed pipe behind standard output; all end the command with a status.
 */
#include "cli/out.h"

#include "cli/pytext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define SPILL_AT ((size_t)64 << 10)

void out_begin(struct out *o, struct cli *c, const char *path)
{
    *o = (struct out){c, BUF_INIT(SIZE_MAX / 2), 0, STDOUT_FILENO, path};
    if (!path) {
        return;
    }
    o->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (o->fd >= 0) {
        return;
    }
    o->path = NULL; /* not ours: must stay */
    if (errno == EEXIST) {
        o->status = cli_error(c, TL_EEXISTS, "'%s' exists already and is not overwritten", path);
    } else {
        o->status = cli_error(c, errno == EACCES ? TL_EACCESS : TL_EIO, "cannot create '%s': %s", path,
                              strerror(errno));
    }
}

static void out_flush(struct out *o)
{
    if (o->status == 0 && o->b.failed) {
        o->status = cli_nomem(o->c);
    }
    if (o->status == 0 && o->b.len > 0) {
        o->status = o->path ? cli_write_file(o->c, o->fd, o->path, o->b.data, o->b.len)
                            : cli_write(o->c, o->b.data, o->b.len);
    }
    buf_clear(&o->b);
}

void out_spill(struct out *o)
{
    if (o->b.len >= SPILL_AT || o->b.failed) {
        out_flush(o);
    }
}

int out_end(struct out *o, int failed)
{
    if (o->status == 0 && failed) {
        o->status = failed;
    }
    out_flush(o);
    buf_release(&o->b);
    if (o->path && close(o->fd) != 0 && o->status == 0) {
        o->status = cli_error(o->c, TL_EIO, "cannot write to %s: %s", o->path, strerror(errno));
    }
    if (o->path && o->status) {
        unlink(o->path);
    }
    return o->status;
}

/* ---- rows ---- */

struct heading {
    struct str text;
    size_t column; /* the first one that it shows */
    size_t n;      /* columns of the group without --flatten; 0: entry `place` of a list with it */
    size_t place;
    size_t width; /* of the table, in characters */
    bool words;   /* the table's column holds something that is no number */
};

struct printer {
    struct cli *c;
    const struct out_records *r;
    struct nodes ns;   /* of one record */
    struct nodes keep; /* of the whole output: headings, cells */
    struct node **cells;
    struct node **row;
    struct heading *headings;
    size_t n_headings, cap_headings;
    bool flatten;
    struct out out;
    struct buf scratch;
};

static int read_cells(struct printer *p, size_t record)
{
    arena_reset(&p->ns.arena);
    memset(p->cells, 0, p->r->n_columns * sizeof *p->cells);
    int status = p->r->read(p->r->ctx, record, &p->ns, p->cells);
    return status ? status : p->ns.failed ? cli_nomem(p->c) : 0;
}

static int add_heading(struct printer *p, struct heading h)
{
    void *grown = p->headings;
    if (!mem_grow(&grown, &p->cap_headings, p->n_headings + 1, sizeof *p->headings)) {
        return cli_nomem(p->c);
    }
    p->headings = grown;
    h.text.p = arena_dup(&p->keep.arena, h.text.p, h.text.n);
    if (!h.text.p) {
        return cli_nomem(p->c);
    }
    h.width = py_length(h.text);
    p->headings[p->n_headings++] = h;
    return 0;
}

/* Length of the longest list in a column, -1 when no record has a list there. */
static int longest_list(struct printer *p, size_t column, int64_t *longest)
{
    *longest = -1;
    for (size_t i = 0; i < p->r->n_records; i++) {
        int status = read_cells(p, i);
        if (status) {
            return status;
        }
        const struct node *n = p->cells[column];
        if (n && (n->kind == NODE_LIST || n->kind == NODE_TUPLE) && (int64_t)n->u.kids.n > *longest) {
            *longest = (int64_t)n->u.kids.n;
        }
    }
    return 0;
}

static int flat_heading(struct printer *p, size_t column)
{
    const struct out_column *col = &p->r->columns[column];
    struct heading h = {.column = column, .n = 1};
    int64_t longest = -1;
    int status = col->may_list ? longest_list(p, column, &longest) : 0;
    buf_clear(&p->scratch);
    buf_add_text(&p->scratch, col->group);
    if (col->place >= 0) {
        buf_printf(&p->scratch, "_%lld", (long long)col->place);
    } else if (col->name.p) {
        buf_add_char(&p->scratch, '_');
        buf_add_str(&p->scratch, col->name);
    }
    size_t stem = p->scratch.len;
    if (status == 0 && longest < 0) {
        h.text = (struct str){p->scratch.data, p->scratch.len};
        status = p->scratch.failed ? cli_nomem(p->c) : add_heading(p, h);
    }
    for (int64_t i = 0; status == 0 && i < longest; i++) {
        p->scratch.len = stem;
        buf_printf(&p->scratch, "_%lld", (long long)i);
        h.text = (struct str){p->scratch.data, p->scratch.len};
        h.n = 0;
        h.place = (size_t)i;
        status = p->scratch.failed ? cli_nomem(p->c) : add_heading(p, h);
    }
    return status;
}

static int make_headings(struct printer *p)
{
    int status = 0;
    for (size_t i = 0; i < p->r->n_columns && status == 0;) {
        size_t n = 1;
        if (p->flatten) {
            status = flat_heading(p, i);
        } else {
            while (i + n < p->r->n_columns && strcmp(p->r->columns[i + n].group, p->r->columns[i].group) == 0) {
                n++;
            }
            status =
                add_heading(p, (struct heading){.text = str_of(p->r->columns[i].group), .column = i, .n = n});
        }
        i += n;
    }
    return status;
}

/* The columns of a group as one value. */
static struct node *gather(struct printer *p, const struct heading *h)
{
    struct node *whole = NULL;
    for (size_t i = h->column; i < h->column + h->n; i++) {
        const struct out_column *col = &p->r->columns[i];
        if (!p->cells[i]) {
            continue;
        }
        if (col->place < 0 && !col->name.p) {
            return p->cells[i];
        }
        if (!whole) {
            whole = node_new(&p->ns, col->place >= 0 ? NODE_LIST : NODE_DICT);
        }
        if (whole && col->place >= 0) {
            while (whole->u.kids.n < (size_t)col->place && !p->ns.failed) {
                node_add(&p->ns, whole, (struct str){NULL, 0}, NULL);
            }
        }
        node_add(&p->ns, whole, col->name, p->cells[i]);
    }
    return whole ? whole : node_new(&p->ns, NODE_DICT);
}

/* Fills p->row; NULL where the row has no value under a heading. */
static int read_row(struct printer *p, size_t record)
{
    int status = read_cells(p, record);
    for (size_t i = 0; i < p->n_headings && status == 0; i++) {
        const struct heading *h = &p->headings[i];
        if (!p->flatten) {
            p->row[i] = gather(p, h);
        } else if (h->n == 1) {
            p->row[i] = p->cells[h->column];
        } else {
            struct node *n = p->cells[h->column] ? p->cells[h->column]->u.kids.first : NULL;
            for (size_t k = 0; n && k < h->place; k++) {
                n = n->next;
            }
            p->row[i] = n;
        }
    }
    return status ? status : p->ns.failed ? cli_nomem(p->c) : 0;
}

/* The row as an object. */
static struct node *row_object(struct printer *p)
{
    struct node *dict = node_new(&p->ns, NODE_DICT);
    struct node **row = p->row;
    for (size_t i = 0; i < p->n_headings; i++) {
        /* entries of a list keep their neighbours: copy the node (a leaf: only --flatten takes lists of leaves apart) */
        if (row[i] && row[i]->up) {
            struct node *copy = node_new(&p->ns, NODE_NONE);
            if (copy) {
                *copy = *row[i];
            }
            row[i] = copy;
        }
        if (row[i]) {
            node_add(&p->ns, dict, p->headings[i].text, row[i]);
        }
    }
    return dict;
}

/* ---- formats ---- */

static int write_json(struct printer *p)
{
    int status = 0;
    if (!p->r->single) {
        buf_add_char(&p->out.b, '[');
    }
    for (size_t i = 0; i < p->r->n_records && status == 0 && p->out.status == 0; i++) {
        status = read_row(p, i);
        if (status) {
            break;
        }
        if (i > 0) {
            buf_add_text(&p->out.b, ", ");
        }
        node_json(&p->out.b, row_object(p));
        status = p->ns.failed ? cli_nomem(p->c) : 0;
        out_spill(&p->out);
    }
    if (!p->r->single) {
        buf_add_char(&p->out.b, ']');
    }
    buf_add_char(&p->out.b, '\n');
    return status;
}

static int write_yaml(struct printer *p)
{
    int status = 0;
    if (p->r->n_records == 0) {
        buf_add_text(&p->out.b, "[]\n");
    }
    for (size_t i = 0; i < p->r->n_records && status == 0 && p->out.status == 0; i++) {
        status = read_row(p, i);
        if (status) {
            break;
        }
        struct node *row = row_object(p), *list = p->r->single ? row : node_new(&p->ns, NODE_LIST);
        if (list && list != row) {
            node_add(&p->ns, list, (struct str){NULL, 0}, row);
        }
        if (list && !p->ns.failed) {
            node_yaml(&p->ns, &p->out.b, list);
        }
        status = p->ns.failed ? cli_nomem(p->c) : 0;
        out_spill(&p->out);
    }
    return status;
}

/* Lines of values with blanks between; white space at both ends of the whole text is left out. */
static int write_value(struct printer *p)
{
    struct buf held = BUF_INIT(SIZE_MAX / 2); /* white space that is written once something follows it */
    bool begun = false;
    int status = 0;
    for (size_t i = 0; i < p->r->n_records && status == 0 && p->out.status == 0; i++) {
        struct buf *line = &p->scratch;
        status = read_row(p, i);
        if (status) {
            break;
        }
        buf_clear(line);
        if (i > 0) {
            buf_add_char(line, '\n');
        }
        for (size_t k = 0; k < p->n_headings; k++) {
            if (k > 0) {
                buf_add_char(line, ' ');
            }
            if (p->row[k] && p->row[k]->kind != NODE_NONE) {
                node_str(line, p->row[k]);
            }
        }
        struct str text = {line->data, line->len};
        size_t before = begun ? 0 : py_space_before(text), behind = py_space_behind(text);
        if (behind == text.n) {
            if (begun) {
                buf_add_str(&held, text);
            }
        } else {
            begun = true;
            buf_add(&p->out.b, held.data, held.len);
            buf_clear(&held);
            buf_add(&p->out.b, text.p + before, text.n - before - behind);
            buf_add(&held, text.p + text.n - behind, behind);
        }
        status = line->failed || held.failed ? cli_nomem(p->c) : 0;
        out_spill(&p->out);
    }
    buf_add_char(&p->out.b, '\n');
    buf_release(&held);
    return status;
}

/* The text of a table cell in p->scratch; its length in characters, with None as long as the word although it is shown
 * as blanks. */
static size_t cell_text(struct printer *p, const struct node *n, bool *none)
{
    buf_clear(&p->scratch);
    *none = !n || n->kind == NODE_NONE;
    node_str(&p->scratch, n);
    return py_length((struct str){p->scratch.data, p->scratch.len});
}

static int measure(struct printer *p)
{
    int status = 0;
    for (size_t i = 0; i < p->r->n_records && status == 0; i++) {
        status = read_row(p, i);
        for (size_t k = 0; k < p->n_headings && status == 0; k++) {
            bool none;
            size_t width = cell_text(p, p->row[k], &none);
            struct heading *h = &p->headings[k];
            if (width > h->width) {
                h->width = width;
            }
            if (!none && (p->row[k]->kind == NODE_STRING || node_is_container(p->row[k]))) {
                h->words = true;
            }
            status = p->scratch.failed ? cli_nomem(p->c) : 0;
        }
    }
    return status;
}

static void put_padded(struct buf *b, struct str text, size_t length, const struct heading *h)
{
    size_t pad = h->width > length ? h->width - length : 0;
    buf_add_char(b, ' ');
    for (size_t i = 0; !h->words && i < pad; i++) {
        buf_add_char(b, ' ');
    }
    py_plain(b, text);
    for (size_t i = 0; h->words && i < pad; i++) {
        buf_add_char(b, ' ');
    }
    buf_add_text(b, " |");
}

static void put_rule(struct printer *p)
{
    struct buf *b = &p->out.b;
    buf_add_char(b, '+');
    for (size_t i = 0; i < p->n_headings; i++) {
        for (size_t k = 0; k < p->headings[i].width + 2; k++) {
            buf_add_char(b, '-');
        }
        buf_add_char(b, '+');
    }
    buf_add_char(b, '\n');
}

static int write_table(struct printer *p)
{
    struct buf *b = &p->out.b;
    int status = measure(p);
    if (status) {
        return status;
    }
    put_rule(p);
    buf_add_char(b, '|');
    for (size_t i = 0; i < p->n_headings; i++) {
        struct str text = p->headings[i].text;
        put_padded(b, text, py_length(text), &p->headings[i]);
    }
    buf_add_char(b, '\n');
    put_rule(p);
    for (size_t i = 0; i < p->r->n_records && status == 0 && p->out.status == 0; i++) {
        status = read_row(p, i);
        buf_add_char(b, '|');
        for (size_t k = 0; k < p->n_headings && status == 0; k++) {
            bool none;
            size_t length = cell_text(p, p->row[k], &none);
            struct str text = {p->scratch.data, p->scratch.len};
            put_padded(b, none ? (struct str){NULL, 0} : text, none ? 0 : length, &p->headings[k]);
            status = p->scratch.failed ? cli_nomem(p->c) : 0;
        }
        buf_add_char(b, '\n');
        out_spill(&p->out);
    }
    put_rule(p);
    return status;
}

/* A field of a csv line: quoted where it must be; lists and objects as JSON. */
static void put_field(struct printer *p, const struct node *n)
{
    struct buf *b = &p->out.b, *text = &p->scratch;
    if (!n || n->kind == NODE_NONE) {
        return;
    }
    buf_clear(text);
    if (node_is_container(n)) {
        node_json(text, n);
    } else {
        node_str(text, n);
    }
    bool quote = n->kind == NODE_STRING && text->len == 0; /* not the same as nothing */
    for (size_t i = 0; i < text->len && !quote; i++) {
        quote = strchr(",\"\r\n", text->data[i]) != NULL ||
                ((i == 0 || i + 1 == text->len) && text->data[i] == ' ');
    }
    if (quote) {
        buf_add_char(b, '"');
    }
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] == '"') {
            buf_add_char(b, '"');
        }
        buf_add_char(b, text->data[i]);
    }
    if (quote) {
        buf_add_char(b, '"');
    }
}

static int write_csv(struct printer *p)
{
    int status = 0;
    for (size_t k = 0; k < p->n_headings; k++) {
        struct node heading = {.kind = NODE_STRING, .u.text = p->headings[k].text};
        if (k > 0) {
            buf_add_char(&p->out.b, ',');
        }
        put_field(p, &heading);
    }
    buf_add_char(&p->out.b, '\n');
    for (size_t i = 0; i < p->r->n_records && status == 0 && p->out.status == 0; i++) {
        status = read_row(p, i);
        for (size_t k = 0; k < p->n_headings && status == 0; k++) {
            if (k > 0) {
                buf_add_char(&p->out.b, ',');
            }
            put_field(p, p->row[k]);
            status = p->scratch.failed ? cli_nomem(p->c) : 0;
        }
        buf_add_char(&p->out.b, '\n');
        out_spill(&p->out);
    }
    return status;
}

int out_records_to(struct cli *c, const struct out_records *r, const char *format, bool flatten,
                   const char *path)
{
    static const struct {
        const char *name;
        int (*write)(struct printer *p);
    } formats[] = {{"json", write_json},
                   {"yaml", write_yaml},
                   {"value", write_value},
                   {"table", write_table},
                   {"csv", write_csv}};
    struct printer p = {.c = c, .r = r, .flatten = flatten, .scratch = BUF_INIT(SIZE_MAX / 2)};
    out_begin(&p.out, c, path);
    int status = p.out.status;
    p.cells = mem_zalloc(r->n_columns + 1, sizeof *p.cells);
    if (status == 0) {
        status = p.cells ? make_headings(&p) : cli_nomem(c);
    }
    p.row = status == 0 ? mem_zalloc(p.n_headings + 1, sizeof *p.row) : NULL;
    if (status == 0 && !p.row) {
        status = cli_nomem(c);
    }
    for (size_t i = 0; i < TL_COUNT(formats) && status == 0; i++) {
        if (strcmp(formats[i].name, format) == 0) {
            status = formats[i].write(&p);
            break;
        }
    }
    status = out_end(&p.out, status);
    mem_free(p.cells);
    mem_free(p.row);
    mem_free(p.headings);
    arena_release(&p.ns.arena);
    arena_release(&p.keep.arena);
    buf_release(&p.scratch);
    return status;
}

int out_records(struct cli *c, const struct out_records *r, const char *format, bool flatten)
{
    return out_records_to(c, r, format, flatten, NULL);
}
