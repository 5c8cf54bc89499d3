/* SPDX-License-Identifier: MIT
 *
 * `trialog completion bash|zsh|fish`: scripts made from the tables of commands and options. The files in completion/ are
 * their output; a test compares them.
 *
 * What a value may be follows from the option: its choices, else what `arg` names (STUDY: asked from the journal named on the
 * line, SAMPLER, COMMAND, FILE), else nothing.
 */
#include "cli/help.h"
#include "cli/opt.h"
#include "cli/out.h"

static bool is_shown(const struct opt *o)
{
    return !opt_is_operand(o) && !(o->flags & OPT_HIDDEN);
}

static void add_choices(struct buf *b, const char *choices)
{
    for (const char *s = choices; *s; s++) {
        buf_add_char(b, *s == '|' ? ' ' : *s);
    }
}

static bool arg_is(const struct opt *o, const char *what)
{
    return o->arg && strcmp(o->arg, what) == 0;
}

/* Samplers or pruners. */
static bool is_component(const struct opt *o)
{
    return arg_is(o, "SAMPLER") || arg_is(o, "PRUNER");
}

static void add_components(struct buf *b, const struct opt *o)
{
    for (const struct tl_component_doc *d = arg_is(o, "PRUNER") ? tl_pruner_docs() : tl_sampler_docs(); d->name; d++) {
        buf_printf(b, "%s%s", d->name, d[1].name ? " " : "");
    }
}

/* Names of all commands; of those with two words only the first one when `first_words`. */
static void add_commands(struct buf *b, bool first_words)
{
    bool first = true;
    for (size_t i = 0; cli_commands[i]; i++) {
        const char *name = cli_commands[i]->name;
        size_t n = first_words ? strcspn(name, " ") : strlen(name);
        if (cli_commands[i]->hidden) {
            continue;
        }
        if (!first) {
            buf_add_char(b, ' ');
        }
        buf_add(b, name, n);
        first = false;
    }
}

/* Text inside single quotes of a shell; the characters of `more` get a backslash. */
static void add_quoted(struct buf *b, const char *text, const char *more)
{
    for (const char *s = text; *s; s++) {
        if (*s == '\'') {
            buf_add_text(b, "'\\''");
        } else if (strchr(more, *s)) {
            buf_printf(b, "\\%c", *s);
        } else {
            buf_add_char(b, *s);
        }
    }
}

/* ---- bash ---- */

/* "ask --format"|"ask -f") reply with the choices;; */
static void bash_value(struct buf *b, const char *command, const struct opt *o)
{
    if (!is_shown(o) || !opt_takes_value(o)) {
        return;
    }
    if (!o->choices && !arg_is(o, "STUDY") && !arg_is(o, "FILE") && !is_component(o)) {
        return;
    }
    buf_printf(b, "    %s\"%s --%s\"", *command == '*' ? "*" : "", *command == '*' ? "" : command, o->name);
    if (o->letter) {
        buf_printf(b, "|%s\"%s -%c\"", *command == '*' ? "*" : "", *command == '*' ? "" : command, o->letter);
    }
    buf_add_text(b, ") ");
    if (o->choices) {
        buf_add_text(b, "values='");
        add_choices(b, o->choices);
        buf_add_text(b, "' ;;\n");
    } else if (is_component(o)) {
        buf_add_text(b, "values='");
        add_components(b, o);
        buf_add_text(b, "' ;;\n");
    } else if (arg_is(o, "STUDY")) {
        buf_add_text(b, "_trialog_studies; return ;;\n");
    } else {
        buf_add_text(b, "COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
    }
}

static void bash_options(struct buf *b, const struct opt *opts)
{
    for (const struct opt *o = opts; o && o->kind != OPT_END; o++) {
        if (is_shown(o)) {
            buf_printf(b, " --%s", o->name);
        }
    }
}

static bool takes_files(const struct command *cmd)
{
    for (const struct opt *o = cmd->opts; o && o->kind != OPT_END; o++) {
        if (opt_is_operand(o) && arg_is(o, "FILE")) {
            return true;
        }
    }
    return false;
}

/* What the first word of a command may be, NULL when anything. */
static const char *operand_choices(const struct command *cmd)
{
    for (const struct opt *o = cmd->opts; o && o->kind != OPT_END; o++) {
        if (opt_is_operand(o)) {
            return o->choices;
        }
    }
    return NULL;
}

static void bash_tables(struct buf *b)
{
    buf_add_text(b, "    case \"$command $prev\" in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        for (const struct opt *o = cli_commands[i]->opts; o && o->kind != OPT_END && !cli_commands[i]->hidden;
             o++) {
            bash_value(b, cli_commands[i]->name, o);
        }
    }
    for (const struct opt *o = cli_global_opts; o->kind != OPT_END; o++) {
        bash_value(b, "*", o);
    }
    buf_add_text(b, "    esac\n"
                    "    if [ -n \"$values\" ]; then\n"
                    "        COMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n"
                    "        return\n"
                    "    fi\n"
                    "    case \"$command\" in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        const struct command *cmd = cli_commands[i];
        if (cmd->hidden) {
            continue;
        }
        buf_printf(b, "    '%s') values='", cmd->name);
        if (operand_choices(cmd)) {
            add_choices(b, operand_choices(cmd));
        }
        bash_options(b, cmd->opts);
        buf_printf(b, "'%s%s ;;\n", takes_files(cmd) ? "; files=1" : "",
                   strcmp(cmd->name, "help") == 0 ? "; values=\"$values $commands\"" : "");
    }
    for (size_t i = 0; cli_commands[i]; i++) {
        const char *second = strchr(cli_commands[i]->name, ' ');
        if (second) {
            buf_printf(b, "    '%.*s') values='%s' ;;\n", (int)(second - cli_commands[i]->name),
                       cli_commands[i]->name, second + 1);
        }
    }
    buf_add_text(b, "    '') values='");
    add_commands(b, true);
    buf_add_text(b, " --version' ;;\n    esac\n    values=\"$values");
    bash_options(b, cli_global_opts);
    buf_add_text(b, "\"\n");
}

static void put_bash(struct buf *b)
{
    static const char begin[] =
        "# bash completion for trialog; made by 'trialog completion bash'\n"
        "\n"
        "# Names of the studies in the journal that the line names.\n"
        "_trialog_studies() {\n"
        "    local i storage=() names\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        [ \"${COMP_WORDS[i]}\" = --storage ] || continue\n"
        "        i=$((i + 1))\n"
        "        [ \"${COMP_WORDS[i]}\" = = ] && i=$((i + 1))\n"
        "        storage=(--storage \"${COMP_WORDS[i]}\")\n"
        "    done\n"
        "    names=$(\"${COMP_WORDS[0]}\" study-names -q \"${storage[@]}\" 2>/dev/null) || return\n"
        "    local IFS=$'\\n'\n"
        "    COMPREPLY=($(compgen -W \"$names\" -- \"$cur\"))\n"
        "}\n"
        "\n"
        "_trialog() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    local command='' values='' files='' i\n"
        "    COMPREPLY=()\n"
        "    if [ \"$cur\" = = ]; then\n"
        "        cur=''\n"
        "    elif [ \"$prev\" = = ]; then\n"
        "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
        "    fi\n";
    static const char find[] = "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                               "        case \" $commands \" in\n"
                               "        *\" ${COMP_WORDS[i]} ${COMP_WORDS[i + 1]} \"*)\n"
                               "            command=\"${COMP_WORDS[i]} ${COMP_WORDS[i + 1]}\" ;;\n"
                               "        *\" ${COMP_WORDS[i]} \"*) command=${COMP_WORDS[i]} ;;\n"
                               "        *) continue ;;\n"
                               "        esac\n"
                               "        break\n"
                               "    done\n";
    static const char end[] = "    COMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n"
                              "    if [ -n \"$files\" ] && [ \"${cur#-}\" = \"$cur\" ]; then\n"
                              "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                              "    fi\n"
                              "}\n"
                              "complete -o filenames -o bashdefault -F _trialog trialog\n";
    buf_add_text(b, begin);
    buf_add_text(b, "    local commands='");
    add_commands(b, false);
    buf_add_text(b, "'\n");
    buf_add_text(b, find);
    bash_tables(b);
    buf_add_text(b, end);
}

/* ---- zsh ---- */

static void zsh_option(struct buf *b, const struct opt *o)
{
    if (opt_is_operand(o) || (o->flags & OPT_HIDDEN)) {
        return;
    }
    bool many = o->kind == OPT_REPEAT || o->kind == OPT_COUNT;
    for (int form = 0; form < (o->letter ? 2 : 1); form++) {
        buf_printf(b, "            '%s", many ? "*" : "");
        if (form == 0) {
            buf_printf(b, "--%s%s[", o->name, opt_takes_value(o) ? "=" : "");
        } else {
            buf_printf(b, "-%c%s[", o->letter, opt_takes_value(o) ? "+" : "");
        }
        add_quoted(b, o->help, "[]:");
        buf_add_char(b, ']');
        if (opt_takes_value(o)) {
            buf_printf(b, ":%s:", o->arg ? o->arg : "value");
            if (o->choices || is_component(o)) {
                buf_add_char(b, '(');
                if (o->choices) {
                    add_choices(b, o->choices);
                } else {
                    add_components(b, o);
                }
                buf_add_char(b, ')');
            } else if (arg_is(o, "STUDY")) {
                buf_add_text(b, "_trialog_studies");
            } else if (arg_is(o, "FILE")) {
                buf_add_text(b, "_files");
            }
        }
        buf_add_text(b, "'\n");
    }
}

static void put_zsh(struct buf *b)
{
    static const char begin[] = "#compdef trialog\n"
                                "# zsh completion for trialog; made by 'trialog completion zsh'\n"
                                "\n"
                                "_trialog_studies() {\n"
                                "    local -a names storage\n"
                                "    local i=${words[(I)--storage]}\n"
                                "    (( i )) && storage=(--storage ${words[i+1]})\n"
                                "    names=(${(f)\"$(trialog study-names -q $storage 2>/dev/null)\"})\n"
                                "    compadd -a names\n"
                                "}\n"
                                "\n"
                                "_trialog() {\n"
                                "    local -a commands options\n"
                                "    local command=''\n"
                                "    commands=(\n";
    static const char middle[] = "    )\n"
                                 "    local i word\n"
                                 "    for ((i = 2; i < CURRENT; i++)); do\n"
                                 "        for word in $words[i] \"$words[i] $words[i+1]\"; do\n"
                                 "            (( ${commands[(I)$word:*]} )) && command=$word\n"
                                 "        done\n"
                                 "        [[ -n $command ]] && break\n"
                                 "    done\n"
                                 "    if [[ -z $command ]] && [[ $words[CURRENT] != -* ]]; then\n"
                                 "        _describe -t commands command commands\n"
                                 "        return\n"
                                 "    fi\n"
                                 "    case $command in\n";
    buf_add_text(b, begin);
    for (size_t i = 0; cli_commands[i]; i++) {
        if (cli_commands[i]->hidden) {
            continue;
        }
        buf_printf(b, "        '%s:", cli_commands[i]->name);
        add_quoted(b, cli_commands[i]->help, ":");
        buf_add_text(b, "'\n");
    }
    buf_add_text(b, middle);
    for (size_t i = 0; cli_commands[i]; i++) {
        if (cli_commands[i]->hidden) {
            continue;
        }
        buf_printf(b, "    '%s')\n        options=(\n", cli_commands[i]->name);
        for (const struct opt *o = cli_commands[i]->opts; o && o->kind != OPT_END; o++) {
            zsh_option(b, o);
        }
        buf_printf(b, "            '*: :%s", takes_files(cli_commands[i]) ? "_files" : "(");
        if (operand_choices(cli_commands[i])) {
            add_choices(b, operand_choices(cli_commands[i]));
        }
        buf_printf(b, "%s'\n        ) ;;\n", takes_files(cli_commands[i]) ? "" : ")");
    }
    buf_add_text(b, "    esac\n    options+=(\n");
    for (const struct opt *o = cli_global_opts; o->kind != OPT_END; o++) {
        zsh_option(b, o);
    }
    buf_add_text(b, "    )\n    _arguments -S $options\n}\n\n_trialog \"$@\"\n");
}

/* ---- fish ---- */

static void fish_option(struct buf *b, const char *command, const struct opt *o)
{
    if (opt_is_operand(o) || (o->flags & OPT_HIDDEN)) {
        return;
    }
    buf_add_text(b, "complete -c trialog");
    if (command) {
        buf_printf(b, " -n '__trialog_command \"%s\"'", command);
    }
    if (o->letter) {
        buf_printf(b, " -s %c", o->letter);
    }
    buf_printf(b, " -l %s", o->name);
    if (arg_is(o, "FILE")) {
        buf_add_text(b, " -r -F");
    } else if (opt_takes_value(o)) {
        buf_add_text(b, " -x");
        if (o->choices || is_component(o)) {
            buf_add_text(b, " -a '");
            if (o->choices) {
                add_choices(b, o->choices);
            } else {
                add_components(b, o);
            }
            buf_add_char(b, '\'');
        } else if (arg_is(o, "STUDY")) {
            buf_add_text(b, " -a '(__trialog_studies)'");
        }
    }
    buf_add_text(b, " -d '");
    for (const char *s = o->help; *s; s++) {
        buf_printf(b, *s == '\'' || *s == '\\' ? "\\%c" : "%c", *s);
    }
    buf_add_text(b, "'\n");
}

static void put_fish(struct buf *b)
{
    static const char begin[] =
        "# fish completion for trialog; made by 'trialog completion fish'\n"
        "\n"
        "function __trialog_command\n"
        "    string match -q -- \"* $argv[1] *\" \" \"(commandline -opc | string join ' ')\" \"\n"
        "end\n"
        "\n"
        "function __trialog_no_command\n"
        "    for c in $__trialog_commands\n"
        "        __trialog_command $c; and return 1\n"
        "    end\n"
        "    return 0\n"
        "end\n"
        "\n"
        "function __trialog_studies\n"
        "    set -l words (commandline -opc)\n"
        "    set -l i (contains -i -- --storage $words)\n"
        "    if test -n \"$i\"\n"
        "        trialog study-names -q --storage $words[(math $i + 1)] 2>/dev/null\n"
        "    else\n"
        "        trialog study-names -q 2>/dev/null\n"
        "    end\n"
        "end\n"
        "\n"
        "complete -c trialog -f\n";
    buf_add_text(b, begin);
    buf_add_text(b, "set -g __trialog_commands");
    for (size_t i = 0; cli_commands[i]; i++) {
        const char *name = cli_commands[i]->name;
        if (!cli_commands[i]->hidden) {
            buf_printf(b, " %.*s", (int)strcspn(name, " "), name);
        }
    }
    buf_add_char(b, '\n');
    for (size_t i = 0; cli_commands[i]; i++) {
        const struct command *cmd = cli_commands[i];
        if (cmd->hidden) {
            continue;
        }
        const char *second = strchr(cmd->name, ' ');
        int first = second ? (int)(second - cmd->name) : (int)strlen(cmd->name);
        buf_printf(b, "complete -c trialog -n __trialog_no_command -a '%.*s' -d '", first, cmd->name);
        add_quoted(b, cmd->help, "");
        buf_add_text(b, "'\n");
        if (second) {
            buf_printf(
                b, "complete -c trialog -n '__trialog_command %.*s; and not __trialog_command \"%s\"' -a %s\n",
                first, cmd->name, cmd->name, second + 1);
        }
        if (operand_choices(cmd)) {
            buf_printf(b, "complete -c trialog -n '__trialog_command \"%s\"' -a '", cmd->name);
            add_choices(b, operand_choices(cmd));
            buf_add_text(b, "'\n");
        }
        for (const struct opt *o = cmd->opts; o && o->kind != OPT_END; o++) {
            fish_option(b, cmd->name, o);
        }
        if (takes_files(cmd)) {
            buf_printf(b, "complete -c trialog -n '__trialog_command \"%s\"' -F\n", cmd->name);
        }
    }
    for (const struct opt *o = cli_global_opts; o->kind != OPT_END; o++) {
        fish_option(b, NULL, o);
    }
}

/* ---- the command ---- */

struct completion_values {
    const char *shell;
};
static const struct opt completion_opts[] = {
    {OPT_OPERAND, "SHELL", 0, OPT_REQUIRED, offsetof(struct completion_values, shell), NULL, "bash|zsh|fish",
     NULL, "bash, zsh or fish"},
    OPT_TABLE_END,
};

static int run_completion(struct cli *c, void *values)
{
    const struct completion_values *v = values;
    struct out o;
    out_begin(&o, c, NULL);
    if (strcmp(v->shell, "bash") == 0) {
        put_bash(&o.b);
    } else if (strcmp(v->shell, "zsh") == 0) {
        put_zsh(&o.b);
    } else {
        put_fish(&o.b);
    }
    return out_end(&o, 0);
}

const struct command cmd_completion = {
    .name = "completion",
    .group = "Help",
    .help = "Print a script that completes commands and options in a shell.",
    .about = "For bash: source <(trialog completion bash)",
    .opts = completion_opts,
    .values_size = sizeof(struct completion_values),
    .run = run_completion,
};
