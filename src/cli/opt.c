/* SPDX-License-Identifier: MIT
 *
 * Reading the command line by the option tables.
 *
 * As Optuna's users know it from argparse: `--name value`, `--name=value`, unambiguous beginnings of long names, `-f value`,
 * `-fvalue`, several letters behind one dash, options before or behind the command, "--" ends options. A word that
 * begins with a dash is a value only when it is a number.
 * Failure modes: a mistake is told with the option's name and, where a word looks mistyped, what it may have meant.
 */
#include "cli/opt.h"

#include <stdio.h>
#include <stdlib.h>

struct parse {
    struct cli *c;
    const struct opt *tables[2]; /* the command's, the global one */
    char *bases[2];
    bool *seen; /* of the command's options */
    char **words;
    int n, at; /* at: next word */
    bool only_operands;
};

struct found {
    const struct opt *opt;
    char *base;
    size_t index;
    bool global;
};

/* ---- finding options ---- */

struct names {
    const struct opt *tables[2];
    int table;
    size_t i;
};

static const char *next_name(void *ctx)
{
    struct names *n = ctx;
    for (; n->table < 2; n->table++, n->i = 0) {
        const struct opt *t = n->tables[n->table];
        for (; t && t[n->i].kind != OPT_END; n->i++) {
            if (!opt_is_operand(&t[n->i]) && !(t[n->i].flags & OPT_HIDDEN)) {
                return t[n->i++].name;
            }
        }
    }
    return NULL;
}

/* Looks up `--NAME` with NAME = name[0..len): exact, or the only one that begins so. 0, or 2 after printing. */
static int find_long(struct parse *p, const char *name, size_t len, struct found *out)
{
    struct found near = {NULL, NULL, 0, false};
    int n_near = 0;
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; p->tables[t] && p->tables[t][i].kind != OPT_END; i++) {
            const struct opt *o = &p->tables[t][i];
            if (opt_is_operand(o) || strncmp(o->name, name, len) != 0) {
                continue;
            }
            struct found f = {o, p->bases[t], i, t == 1};
            if (o->name[len] == 0) {
                *out = f;
                return 0;
            }
            if (!(o->flags & OPT_HIDDEN)) {
                near = f;
                n_near++;
            }
        }
    }
    if (n_near == 1 && len > 0) {
        *out = near;
        return 0;
    }
    if (n_near > 1) {
        return cli_usage(p->c, "the option '--%.*s' is ambiguous", (int)len, name);
    }
    char word[80];
    snprintf(word, sizeof word, "%.*s", (int)len, name);
    struct names names = {{p->tables[0], p->tables[1]}, 0, 0};
    const char *like = cli_nearest(word, next_name, &names);
    if (like) {
        return cli_usage(p->c, "there is no option '--%s': did you mean '--%s'?", word, like);
    }
    return cli_usage(p->c, "there is no option '--%s'", word);
}

static int find_letter(struct parse *p, char letter, struct found *out)
{
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; p->tables[t] && p->tables[t][i].kind != OPT_END; i++) {
            if (p->tables[t][i].letter == letter) {
                *out = (struct found){&p->tables[t][i], p->bases[t], i, t == 1};
                return 0;
            }
        }
    }
    return cli_usage(p->c, "there is no option '-%c'", letter);
}

/* ---- values ---- */

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *s = choices;;) {
        const char *bar = strchr(s, '|');
        size_t len = bar ? (size_t)(bar - s) : strlen(s);
        if (len == n && memcmp(s, text, n) == 0) {
            return true;
        }
        if (!bar) {
            return false;
        }
        s = bar + 1;
    }
}

/* "a, b or c" */
static void describe_choices(const char *choices, char *out, size_t n)
{
    size_t used = 0;
    for (const char *s = choices; *s && used + 8 < n;) {
        const char *bar = strchr(s, '|');
        int len = bar ? (int)(bar - s) : (int)strlen(s);
        const char *link = s == choices ? "" : bar ? ", " : " or ";
        int part = snprintf(out + used, n - used, "%s%.*s", link, len, s);
        used += part > 0 ? (size_t)part : 0;
        s += len + (bar ? 1 : 0);
    }
}

/* Room for one more in an array that doubles at each power of two. */
static bool array_push(void **items, size_t n, size_t size)
{
    if (n != 0 && (n & (n - 1)) != 0) {
        return true;
    }
    void *more = mem_resize(*items, (n ? n * 2 : 1) * size);
    if (!more) {
        return false;
    }
    *items = more;
    return true;
}

static int push_text(struct parse *p, struct opt_list *list, const char *text)
{
    void *items = list->items;
    if (!array_push(&items, list->n, sizeof *list->items)) {
        return cli_nomem(p->c);
    }
    list->items = items;
    list->items[list->n++] = text;
    list->set = true;
    return 0;
}

static int push_number(struct parse *p, struct opt_numbers *list, double v)
{
    void *items = list->items;
    if (!array_push(&items, list->n, sizeof *list->items)) {
        return cli_nomem(p->c);
    }
    list->items = items;
    list->items[list->n++] = v;
    list->set = true;
    return 0;
}

static int bad_value(struct parse *p, const struct opt *o, const char *text, const char *wanted)
{
    const char *dashes = opt_is_operand(o) ? "" : "--";
    return cli_usage(p->c, "%s%s: '%s' is not %s", dashes, o->name, text, wanted);
}

static int set_value(struct parse *p, const struct opt *o, char *base, const char *text)
{
    void *field = base + o->field;
    struct opt_int *integer = field;
    double v;
    if (o->choices && !is_choice(o->choices, text)) {
        char list[200] = "";
        describe_choices(o->choices, list, sizeof list);
        return cli_usage(p->c, "%s%s: '%s' is not one of %s", opt_is_operand(o) ? "" : "--", o->name, text,
                         list);
    }
    switch (o->kind) {
    case OPT_TEXT:
    case OPT_CHOICE:
    case OPT_OPERAND: *(const char **)field = text; return 0;
    case OPT_INT:
        if (!cli_parse_int(str_of(text), &integer->value)) {
            return bad_value(p, o, text, "a whole number");
        }
        integer->set = true;
        return 0;
    case OPT_DURATION:
        if (!cli_parse_duration(str_of(text), &integer->value)) {
            return bad_value(p, o, text, "a time such as 90, 1.5s, 10m or 2h");
        }
        integer->set = true;
        return 0;
    case OPT_NUMBER:
        if (!cli_parse_number(str_of(text), &v)) {
            return bad_value(p, o, text, "a number");
        }
        *(struct opt_number *)field = (struct opt_number){true, v};
        return 0;
    case OPT_NUMBERS:
        if (!cli_parse_number(str_of(text), &v)) {
            return bad_value(p, o, text, "a number");
        }
        return push_number(p, field, v);
    case OPT_LIST:
    case OPT_REPEAT:
    case OPT_OPERANDS: return push_text(p, field, text);
    default: return 0;
    }
}

/* Does this word stand for itself, not for an option? */
static bool is_value(const char *word)
{
    double v;
    return word[0] != '-' || word[1] == 0 || cli_parse_number(str_of(word), &v);
}

static void clear_list(const struct opt *o, char *base)
{
    if (o->kind == OPT_LIST) {
        ((struct opt_list *)(void *)(base + o->field))->n = 0;
    } else if (o->kind == OPT_NUMBERS) {
        ((struct opt_numbers *)(void *)(base + o->field))->n = 0;
    }
}

/* The option stands in the words; `inline_value` is what followed "=" or the letter, NULL for nothing. */
static int take_option(struct parse *p, const struct found *f, const char *inline_value)
{
    const struct opt *o = f->opt;
    int status;
    if (!f->global && p->seen) {
        p->seen[f->index] = true;
    }
    if (!opt_takes_value(o)) {
        if (inline_value) {
            return cli_usage(p->c, "--%s takes no value", o->name);
        }
        if (o->kind == OPT_FLAG) {
            *(bool *)(f->base + o->field) = true;
        } else {
            *(int *)(void *)(f->base + o->field) += 1;
        }
        return 0;
    }
    clear_list(o, f->base);
    if (inline_value) {
        return set_value(p, o, f->base, inline_value);
    }
    if (p->at >= p->n || !is_value(p->words[p->at])) {
        const char *hint = p->at < p->n && strcmp(p->words[p->at], "--") != 0
                               ? " (write --NAME=VALUE for one that begins with a dash)"
                               : "";
        return cli_usage(p->c, "--%s needs a value%s", o->name, hint);
    }
    do {
        status = set_value(p, o, f->base, p->words[p->at++]);
    } while (status == 0 && (o->kind == OPT_LIST || o->kind == OPT_NUMBERS) && p->at < p->n &&
             is_value(p->words[p->at]));
    return status;
}

static int take_letters(struct parse *p, const char *word)
{
    for (const char *s = word + 1; *s; s++) {
        struct found f = {0};
        int status = find_letter(p, *s, &f);
        if (status) {
            return status;
        }
        if (opt_takes_value(f.opt)) {
            return take_option(p, &f, s[1] == '=' ? s + 2 : s[1] ? s + 1 : NULL);
        }
        status = take_option(p, &f, NULL);
        if (status) {
            return status;
        }
    }
    return 0;
}

static int take_operand(struct parse *p, const char *word)
{
    const struct opt *t = p->tables[0];
    for (size_t i = 0; t && t[i].kind != OPT_END; i++) {
        if (!opt_is_operand(&t[i]) || (t[i].kind == OPT_OPERAND && p->seen[i])) {
            continue;
        }
        p->seen[i] = true;
        if (t[i].flags & OPT_STOPS) {
            p->only_operands = true;
        }
        return set_value(p, &t[i], p->bases[0], word);
    }
    return cli_usage(p->c, "there is one word too many: '%s'", word);
}

static int take_word(struct parse *p)
{
    const char *word = p->words[p->at++];
    if (p->only_operands || is_value(word)) {
        return take_operand(p, word);
    }
    if (strcmp(word, "--") == 0) {
        p->only_operands = true;
        return 0;
    }
    if (word[1] != '-') {
        return take_letters(p, word);
    }
    struct found f;
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    int status = find_long(p, word + 2, len - 2, &f);
    return status ? status : take_option(p, &f, equals ? equals + 1 : NULL);
}

static int set_defaults(struct parse *p)
{
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; p->tables[t] && p->tables[t][i].kind != OPT_END; i++) {
            const struct opt *o = &p->tables[t][i];
            int status = o->def ? set_value(p, o, p->bases[t], o->def) : 0;
            if (status) {
                return status;
            }
        }
    }
    return 0;
}

static int check_required(struct parse *p)
{
    const struct opt *t = p->tables[0];
    for (size_t i = 0; t && t[i].kind != OPT_END; i++) {
        if ((t[i].flags & OPT_REQUIRED) && !p->seen[i]) {
            return cli_usage(p->c, "%s%s is missing", opt_is_operand(&t[i]) ? "" : "--", t[i].name);
        }
    }
    if (p->c->g.quiet && p->c->g.verbose) {
        return cli_usage(p->c, "--quiet and --verbose contradict each other");
    }
    return 0;
}

int opt_parse(struct cli *c, const struct command *cmd, void *values, int argc, char **argv)
{
    struct parse p = {.c = c,
                      .tables = {cmd ? cmd->opts : NULL, cli_global_opts},
                      .bases = {values, (char *)&c->g},
                      .words = argv,
                      .n = argc};
    size_t n_opts = 0;
    while (p.tables[0] && p.tables[0][n_opts].kind != OPT_END) {
        n_opts++;
    }
    p.seen = mem_zalloc(n_opts + 1, sizeof *p.seen);
    if (!p.seen) {
        return cli_nomem(c);
    }
    int status = set_defaults(&p);
    while (status == 0 && p.at < p.n) {
        status = take_word(&p);
    }
    if (status == 0 && !c->g.help) {
        status = check_required(&p);
    }
    mem_free(p.seen);
    return status;
}

void opt_release(const struct command *cmd, void *values)
{
    for (const struct opt *o = cmd->opts; o && o->kind != OPT_END; o++) {
        char *field = (char *)values + o->field;
        if (o->kind == OPT_LIST || o->kind == OPT_REPEAT || o->kind == OPT_OPERANDS) {
            mem_free(((struct opt_list *)(void *)field)->items);
        } else if (o->kind == OPT_NUMBERS) {
            mem_free(((struct opt_numbers *)(void *)field)->items);
        }
    }
}

/* ---- finding the command ---- */

const struct command *opt_command(const char *name)
{
    for (size_t i = 0; cli_commands[i]; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0) {
            return cli_commands[i];
        }
    }
    return NULL;
}

/* The command whose name is the word(s) at words[0]; *used is 1 or 2. */
static const struct command *command_at(char **words, int n, int *used)
{
    char two[80];
    if (n > 1 && snprintf(two, sizeof two, "%s %s", words[0], words[1]) < (int)sizeof two) {
        const struct command *cmd = opt_command(two);
        *used = 2;
        if (cmd) {
            return cmd;
        }
    }
    *used = 1;
    return opt_command(words[0]);
}

/* An option in front of the command: does it take a value? Any command's table may know it. */
static enum opt_kind kind_of_word(const char *word)
{
    const char *name = word + (word[1] == '-' ? 2 : 1);
    for (size_t i = 0;; i++) {
        const struct opt *t = i == 0 ? cli_global_opts : cli_commands[i - 1] ? cli_commands[i - 1]->opts : NULL;
        for (const struct opt *o = t; o && o->kind != OPT_END; o++) {
            bool same = word[1] == '-' ? strcmp(o->name, name) == 0 : o->letter == name[0] && name[1] == 0;
            if (same && !opt_is_operand(o)) {
                return o->kind;
            }
        }
        if (i > 0 && !cli_commands[i - 1]) {
            return OPT_FLAG;
        }
    }
}

static const char *next_command(void *ctx)
{
    size_t *i = ctx;
    while (cli_commands[*i] && cli_commands[*i]->hidden) {
        (*i)++;
    }
    return cli_commands[*i] ? cli_commands[(*i)++]->name : NULL;
}

static int unknown_command(struct cli *c, char **words, int n)
{
    char text[160];
    size_t len = strlen(words[0]);
    for (size_t i = 0; cli_commands[i]; i++) {
        const char *name = cli_commands[i]->name;
        if (strncmp(name, words[0], len) == 0 && name[len] == ' ' && n == 1) {
            return cli_usage(c, "'%s' wants a second word, as in '%s'", words[0], name);
        }
    }
    /* both words, when the first one begins such a command; else the first word alone */
    bool two = false;
    for (size_t i = 0; cli_commands[i] && n > 1; i++) {
        two = two || (strncmp(cli_commands[i]->name, words[0], len) == 0 && cli_commands[i]->name[len] == ' ');
    }
    size_t at = 0;
    const char *like = NULL;
    if (two && snprintf(text, sizeof text, "%s %s", words[0], words[1]) < (int)sizeof text) {
        like = cli_nearest(text, next_command, &at);
    }
    at = 0;
    if (!like) {
        like = cli_nearest(words[0], next_command, &at);
    }
    if (like) {
        return cli_usage(c, "there is no command '%s': did you mean '%s'?", words[0], like);
    }
    return cli_usage(c, "there is no command '%s'", words[0]);
}

const struct command *opt_find_command(struct cli *c, int argc, char **argv, char **rest, int *n_rest,
                                       int *status)
{
    *n_rest = 0;
    *status = 0;
    for (int i = 0; i < argc; i++) {
        int used = 0;
        if (argv[i][0] == '-' && argv[i][1]) {
            enum opt_kind kind =
                strcmp(argv[i], "--") == 0 || strchr(argv[i], '=') ? OPT_FLAG : kind_of_word(argv[i]);
            rest[(*n_rest)++] = argv[i];
            bool many = kind == OPT_LIST || kind == OPT_NUMBERS;
            bool one = !many && kind != OPT_FLAG && kind != OPT_COUNT;
            while ((one || many) && i + 1 < argc && is_value(argv[i + 1])) {
                if (many && command_at(argv + i + 1, argc - i - 1, &used)) {
                    break;
                }
                rest[(*n_rest)++] = argv[++i];
                one = false;
            }
            continue;
        }
        const struct command *cmd = command_at(argv + i, argc - i, &used);
        if (!cmd) {
            *status = unknown_command(c, argv + i, argc - i);
            return NULL;
        }
        for (int k = i + used; k < argc; k++) {
            rest[(*n_rest)++] = argv[k];
        }
        return cmd;
    }
    return NULL;
}
