/* SPDX-License-Identifier: MIT
 *
 * Placeholders in the words of a program, and its environment (rules in command_template.h).
 *
 * Happy path: the words are cut into pieces once; each trial joins the pieces again with its own values. Failure: a brace that
 * opens no placeholder, found at start; a value that holds a NUL byte, found when it is used.
 */
#include "cli/command_template.h"

#include "base/err.h"
#include "base/num.h"

#define WORD_MAX (1u << 17) /* Linux takes no longer word */

/* ---- reading ---- */

static int add_piece(struct command_template *t, const struct template_piece *piece, struct tl_err *err)
{
    if (!mem_grow((void **)&t->pieces, &t->cap_pieces, t->n_pieces + 1, sizeof *piece)) {
        return err_nomem(err);
    }
    t->pieces[t->n_pieces++] = *piece;
    return 0;
}

static int bad_brace(const char *word, const char *place, struct tl_err *err, const char *what)
{
    int rc = err_set(err, TL_EINVAL, "%s (write {{ or }} for a brace)", what);
    err_at(err, -1, place - word);
    return rc;
}

/* A placeholder: *p stands behind its '{' and goes behind its '}'. */
static int read_placeholder(const struct search_space *s, const char *word, const char **p, struct template_piece *piece,
                            struct tl_err *err)
{
    const char *from = *p, *end = strchr(from, '}');
    if (!end) {
        return bad_brace(word, from - 1, err, "this brace is not closed");
    }
    struct str name = {from, (size_t)(end - from)};
    piece->literal = false;
    if (str_eq(name, STR("trial"))) {
        piece->what = TEMPLATE_TRIAL;
    } else if (str_eq(name, STR("study"))) {
        piece->what = TEMPLATE_STUDY;
    } else {
        piece->what = search_space_find(s, name);
        if (piece->what == s->n) {
            return bad_brace(word, from - 1, err, "no --param declares this placeholder");
        }
    }
    *p = end + 1;
    return 0;
}

static int read_word(struct command_template *t, const struct search_space *s, const char *word, struct tl_err *err)
{
    const char *p = word, *from = word;
    int rc = 0;
    while (rc == 0 && *p) {
        struct template_piece piece = {.literal = true, .text = {from, 0}};
        if (*p != '{' && *p != '}') {
            p++;
            continue;
        }
        bool twice = p[1] == *p;
        piece.text.n = (size_t)(p - from) + (twice ? 1 : 0);
        if (piece.text.n > 0) {
            rc = add_piece(t, &piece, err);
        }
        if (rc == 0 && twice) {
            p += 2;
        } else if (rc == 0 && *p == '{') {
            p++;
            rc = read_placeholder(s, word, &p, &piece, err);
            if (rc == 0) {
                rc = add_piece(t, &piece, err);
            }
        } else if (rc == 0) {
            rc = bad_brace(word, p, err, "this brace closes nothing");
        }
        from = p;
    }
    if (rc == 0 && p > from) {
        struct template_piece rest = {.literal = true, .text = {from, (size_t)(p - from)}};
        rc = add_piece(t, &rest, err);
    }
    return rc;
}

int command_template_read(struct command_template *t, const struct search_space *s, const char *const *words, size_t n,
                          size_t *bad_word, struct tl_err *err)
{
    int rc = 0;
    *t = (struct command_template){.n_words = n};
    t->words = mem_zalloc(n + 1, sizeof *t->words);
    if (!t->words) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        t->words[i].first = t->n_pieces;
        rc = read_word(t, s, words[i], err);
        t->words[i].n = t->n_pieces - t->words[i].first;
        *bad_word = i;
    }
    if (rc) {
        command_template_release(t);
    }
    return rc;
}

void command_template_release(struct command_template *t)
{
    mem_free(t->words);
    mem_free(t->pieces);
    *t = (struct command_template){.words = NULL};
}

/* ---- filling in ---- */

int space_value_text(const struct tl_dist *dist, double internal, struct buf *out, struct tl_err *err)
{
    struct tl_value v;
    char text[NUM_MAX];
    int rc = tl_dist_external(dist, internal, &v, err);
    if (rc) {
        return rc;
    }
    switch (v.kind) {
    case TL_VALUE_NULL: buf_add_text(out, "null"); break;
    case TL_VALUE_BOOL: buf_add_text(out, v.as.b ? "true" : "false"); break;
    case TL_VALUE_INT: buf_add(out, text, num_format_int(v.as.i, text)); break;
    case TL_VALUE_FLOAT: buf_add(out, text, num_format(v.as.f, text)); break;
    case TL_VALUE_STRING:
    case TL_VALUE_JSON: buf_add(out, v.as.text.s, v.as.text.len); break;
    }
    return out->failed ? err_set(err, out->failed, "a value is too long for a word of a program") : 0;
}

static int add_fact(const struct trial_facts *facts, size_t what, struct buf *out, bool *absent, struct tl_err *err)
{
    char number[NUM_MAX];
    *absent = false;
    if (what == TEMPLATE_TRIAL) {
        buf_add(out, number, num_format_int(facts->number, number));
    } else if (what == TEMPLATE_STUDY) {
        buf_add_text(out, facts->study);
    } else if (facts->values[what].present) {
        return space_value_text(&facts->space->params[what].dist, facts->values[what].internal, out, err);
    } else {
        *absent = true;
    }
    return 0;
}

/* Joins a word; `*gone` says that it is left out. */
static int fill_word(const struct command_template *t, const struct template_word *word, const struct trial_facts *facts,
                     struct buf *out, bool *gone, struct tl_err *err)
{
    size_t n_there = 0, n_absent = 0;
    buf_clear(out);
    for (size_t i = word->first; i < word->first + word->n; i++) {
        const struct template_piece *piece = &t->pieces[i];
        bool absent = false;
        int rc = 0;
        if (piece->literal) {
            buf_add_str(out, piece->text);
        } else {
            rc = add_fact(facts, piece->what, out, &absent, err);
        }
        if (rc) {
            return rc;
        }
        n_absent += absent;
        n_there += !piece->literal && !absent;
    }
    *gone = n_absent > 0 && n_there == 0;
    if (out->failed) {
        return err_set(err, out->failed, "a word of the program is too long");
    }
    if (memchr(out->data ? out->data : "", 0, out->len)) {
        return err_set(err, TL_EINVAL, "a value that holds a NUL byte cannot be a word of a program");
    }
    return 0;
}

int command_template_fill(const struct command_template *t, const struct trial_facts *facts, struct arena *a, char ***argv,
                          struct tl_err *err)
{
    struct buf word = BUF_INIT(WORD_MAX);
    char **list = arena_alloc(a, (t->n_words + 1) * sizeof *list);
    size_t n = 0;
    int rc = list ? 0 : err_nomem(err);
    for (size_t i = 0; i < t->n_words && rc == 0; i++) {
        bool gone = false;
        rc = fill_word(t, &t->words[i], facts, &word, &gone, err);
        if (rc == 0 && i == 0 && (gone || word.len == 0)) {
            rc = err_set(err, TL_EINVAL, "the name of the program is empty");
        }
        if (rc || gone) {
            continue;
        }
        list[n] = arena_dup(a, word.len ? word.data : "", word.len);
        if (!list[n++]) {
            rc = err_nomem(err);
        }
    }
    buf_release(&word);
    if (rc) {
        return rc;
    }
    list[n] = NULL;
    *argv = list;
    return 0;
}

/* ---- environment ---- */

/* The variables that speak of a trial, besides those of its parameters. */
enum { ENV_NUMBER, ENV_STUDY, ENV_STORAGE, ENV_PRUNER, ENV_PRUNER_KWARGS, N_ENV };
static const char *const env_names[N_ENV] = {"TRIALOG_TRIAL_NUMBER=", "TRIALOG_STUDY_NAME=", "TRIALOG_STORAGE=", "TRIALOG_PRUNER=",
                                             "TRIALOG_PRUNER_KWARGS="};

static bool ours(const char *entry)
{
    for (size_t i = 0; i < N_ENV; i++) {
        if (strncmp(entry, env_names[i], strlen(env_names[i])) == 0) {
            return true;
        }
    }
    return strncmp(entry, "TRIALOG_PARAM_", strlen("TRIALOG_PARAM_")) == 0;
}

/* "NAME=value"; false: this trial has no such thing. */
static bool add_env(const struct trial_facts *facts, size_t which, struct buf *entry)
{
    const char *const texts[N_ENV] = {NULL, facts->study, facts->storage, facts->pruner, facts->pruner_kwargs};
    if (which != ENV_NUMBER && !texts[which]) {
        return false;
    }
    buf_add_text(entry, env_names[which]);
    if (which == ENV_NUMBER) {
        buf_printf(entry, "%lld", (long long)facts->number);
    } else {
        buf_add_text(entry, texts[which]);
    }
    return true;
}

static int add_variable(char **list, size_t *n, struct arena *a, const struct buf *entry, struct tl_err *err)
{
    if (entry->failed) {
        return err_set(err, entry->failed, "a value is too long for the environment");
    }
    if (memchr(entry->data, 0, entry->len)) {
        return err_set(err, TL_EINVAL, "a value that holds a NUL byte cannot be in the environment");
    }
    list[*n] = arena_dup(a, entry->data, entry->len);
    if (!list[*n]) {
        return err_nomem(err);
    }
    (*n)++;
    return 0;
}

int command_environment(const struct trial_facts *facts, char *const *inherited, struct arena *a, char ***env,
                        struct tl_err *err)
{
    const struct search_space *s = facts->space;
    struct buf entry = BUF_INIT(WORD_MAX);
    size_t n = 0, n_inherited = 0;
    while (inherited[n_inherited]) {
        n_inherited++;
    }
    char **list = arena_alloc(a, (n_inherited + s->n + N_ENV + 1) * sizeof *list);
    int rc = list ? 0 : err_nomem(err);
    for (size_t i = 0; i < n_inherited && rc == 0; i++) {
        if (!ours(inherited[i])) {
            list[n++] = inherited[i];
        }
    }
    for (size_t i = 0; i < s->n + N_ENV && rc == 0; i++) {
        buf_clear(&entry);
        if (i >= s->n) {
            if (!add_env(facts, i - s->n, &entry)) {
                continue;
            }
        } else if (facts->values[i].present) {
            buf_add_text(&entry, s->params[i].env);
            buf_add_char(&entry, '=');
            rc = space_value_text(&s->params[i].dist, facts->values[i].internal, &entry, err);
        } else {
            continue;
        }
        if (rc == 0) {
            rc = add_variable(list, &n, a, &entry, err);
        }
    }
    buf_release(&entry);
    if (rc) {
        return rc;
    }
    list[n] = NULL;
    *env = list;
    return 0;
}
