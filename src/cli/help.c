/* SPDX-License-Identifier: MIT
 *
 * `trialog help`, `--help`, `--version`, and the hidden `dump-options` that a test compares with trialog(1). All text comes
 * from the tables of commands and options.
 */
#include "cli/help.h"

#include "cli/opt.h"
#include "cli/out.h"

#include <stdio.h>

#define TEXT_COLUMN 26
#define LINE_MAX_   79

/* Appends words, broken into lines that begin at TEXT_COLUMN; `column` is where the cursor stands. */
static void put_wrapped(struct buf *b, const char *text, size_t column)
{
    if (column + 2 > TEXT_COLUMN) {
        buf_add_char(b, '\n');
        column = 0;
    }
    bool first = true;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");
        if (!first && column + 1 + n > LINE_MAX_) {
            buf_add_char(b, '\n');
            column = 0;
        } else if (!first) {
            buf_add_char(b, ' ');
            column++;
        }
        for (; column < TEXT_COLUMN; column++) {
            buf_add_char(b, ' ');
        }
        buf_add(b, p, n);
        column += n;
        first = false;
        p += n;
        while (*p == ' ') {
            p++;
        }
    }
    buf_add_char(b, '\n');
}

/* "a|b" -> "{a,b}", else the name of the value. */
static void put_argument(struct buf *b, const struct opt *o)
{
    if (o->choices) {
        buf_add_char(b, '{');
        for (const char *s = o->choices; *s; s++) {
            buf_add_char(b, *s == '|' ? ',' : *s);
        }
        buf_add_char(b, '}');
    } else {
        buf_add_text(b, o->arg ? o->arg : "VALUE");
    }
    if (o->kind == OPT_LIST || o->kind == OPT_NUMBERS) {
        buf_add_text(b, " ...");
    }
}

static void put_option(struct buf *b, const struct opt *o)
{
    size_t from = b->len;
    if (opt_is_operand(o)) {
        buf_printf(b, "  %s%s", o->name, o->kind == OPT_OPERANDS ? " ..." : "");
    } else if (o->letter) {
        buf_printf(b, "  -%c, --%s", o->letter, o->name);
    } else {
        buf_printf(b, "  --%s", o->name);
    }
    if (opt_takes_value(o)) {
        buf_add_char(b, ' ');
        put_argument(b, o);
    }
    size_t width = b->len - from;
    struct buf text = BUF_INIT(1 << 16);
    buf_add_text(&text, o->help);
    if (o->def) {
        buf_printf(&text, " (default: %s)", o->def);
    }
    if (o->kind == OPT_REPEAT) {
        buf_add_text(&text, "; may be given again");
    }
    if (o->flags & OPT_REQUIRED) {
        buf_add_text(&text, " (required)");
    }
    const char *s = buf_cstr(&text);
    put_wrapped(b, s ? s : "", width);
    buf_release(&text);
}

static void put_options(struct buf *b, const char *title, const struct opt *opts, bool operands)
{
    bool any = false;
    for (const struct opt *o = opts; o && o->kind != OPT_END; o++) {
        if (opt_is_operand(o) != operands || (o->flags & OPT_HIDDEN)) {
            continue;
        }
        if (!any) {
            buf_printf(b, "\n%s:\n", title);
        }
        any = true;
        put_option(b, o);
    }
}

int help_command(struct cli *c, const struct command *cmd)
{
    struct out o;
    out_begin(&o, c, NULL);
    buf_printf(&o.b, "usage: trialog %s", cmd->name);
    for (const struct opt *opt = cmd->opts; opt && opt->kind != OPT_END; opt++) {
        if ((opt->flags & OPT_REQUIRED) && !opt_is_operand(opt)) {
            buf_printf(&o.b, " --%s ", opt->name);
            put_argument(&o.b, opt);
        }
    }
    buf_add_text(&o.b, " [OPTION]...");
    for (const struct opt *opt = cmd->opts; opt && opt->kind != OPT_END; opt++) {
        bool required = (opt->flags & OPT_REQUIRED) != 0;
        if (opt_is_operand(opt) && !(opt->flags & OPT_HIDDEN)) {
            buf_printf(&o.b, " %s%s%s%s", required ? "" : "[", opt->name, required ? "" : "]",
                       opt->kind == OPT_OPERANDS ? "..." : "");
        }
    }
    buf_printf(&o.b, "\n\n%s\n", cmd->help);
    if (cmd->about) {
        buf_printf(&o.b, "\n%s\n", cmd->about);
    }
    put_options(&o.b, "words", cmd->opts, true);
    put_options(&o.b, "options", cmd->opts, false);
    put_options(&o.b, "options of every command", cli_global_opts, false);
    return out_end(&o, 0);
}

int help_all(struct cli *c)
{
    struct out o;
    const char *group = "";
    out_begin(&o, c, NULL);
    buf_add_text(&o.b,
                 "usage: trialog COMMAND [OPTION]...\n\nHyperparameter optimisation on an operation log.\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        const struct command *cmd = cli_commands[i];
        if (cmd->hidden) {
            continue;
        }
        if (strcmp(cmd->group, group) != 0) {
            buf_printf(&o.b, "\n%s:\n", cmd->group);
        }
        group = cmd->group;
        size_t from = o.b.len;
        buf_printf(&o.b, "  %s", cmd->name);
        put_wrapped(&o.b, cmd->help, o.b.len - from);
    }
    put_options(&o.b, "options of every command", cli_global_opts, false);
    buf_add_text(&o.b, "\n'trialog help COMMAND' says more about one command.\n");
    return out_end(&o, 0);
}

int help_version(struct cli *c)
{
    struct out o;
    out_begin(&o, c, NULL);
    buf_printf(&o.b, "trialog %s (%s)\n", tl_version(), tl_features());
    return out_end(&o, 0);
}

/* ---- commands ---- */

struct help_values {
    struct opt_list words;
};
static const struct opt help_opts[] = {
    {OPT_OPERANDS, "COMMAND", 0, 0, offsetof(struct help_values, words), "COMMAND", NULL, NULL,
     "the command to explain"},
    OPT_TABLE_END,
};

static int run_help(struct cli *c, void *values)
{
    const struct help_values *v = values;
    char name[160];
    if (v->words.n == 0) {
        return help_all(c);
    }
    snprintf(name, sizeof name, "%s%s%s", v->words.items[0], v->words.n > 1 ? " " : "",
             v->words.n > 1 ? v->words.items[1] : "");
    const struct command *cmd = opt_command(name);
    if (cmd) {
        return help_command(c, cmd);
    }
    size_t n = strlen(name);
    bool any = false;
    struct out o;
    out_begin(&o, c, NULL);
    for (size_t i = 0; cli_commands[i]; i++) {
        if (strncmp(cli_commands[i]->name, name, n) == 0 && cli_commands[i]->name[n] == ' ') {
            buf_printf(&o.b, "%s: %s\n", cli_commands[i]->name, cli_commands[i]->help);
            any = true;
        }
    }
    int status = out_end(&o, 0);
    return any ? status : cli_usage(c, "there is no command '%s'", name);
}

const struct command cmd_help = {
    .name = "help",
    .group = "Help",
    .help = "Show what a command does and its options.",
    .opts = help_opts,
    .values_size = sizeof(struct help_values),
    .run = run_help,
};

static int run_version(struct cli *c, void *values)
{
    (void)values;
    return help_version(c);
}

const struct command cmd_version = {
    .name = "version",
    .group = "Help",
    .help = "Show the version and what was compiled in.",
    .run = run_version,
};

static void dump(struct buf *b, const char *command, const struct opt *opts)
{
    for (const struct opt *o = opts; o && o->kind != OPT_END; o++) {
        if (o->flags & OPT_HIDDEN) {
            continue;
        }
        buf_printf(b, "%s\t%s\t%c\t%s\t%s\t%s\n", command, o->name, o->letter ? o->letter : '-',
                   opt_is_operand(o)    ? "operand"
                   : opt_takes_value(o) ? "value"
                                        : "flag",
                   o->arg ? o->arg : "-", o->choices ? o->choices : "-");
    }
}

/* Lines of COMMAND, OPTION, LETTER, operand|value|flag, VALUE, CHOICES, with tabs between; "*" stands for every command. */
static int run_dump(struct cli *c, void *values)
{
    struct out o;
    (void)values;
    out_begin(&o, c, NULL);
    dump(&o.b, "*", cli_global_opts);
    for (size_t i = 0; cli_commands[i]; i++) {
        if (cli_commands[i]->hidden) {
            continue;
        }
        buf_printf(&o.b, "%s\t-\t-\tcommand\t-\t-\n", cli_commands[i]->name);
        dump(&o.b, cli_commands[i]->name, cli_commands[i]->opts);
    }
    return out_end(&o, 0);
}

const struct command cmd_dump_options = {
    .name = "dump-options",
    .group = "Help",
    .help = "List all commands and options.",
    .run = run_dump,
    .hidden = true,
};
