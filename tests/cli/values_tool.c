/* SPDX-License-Identifier: MIT
 *
 * values_tool json|repr|yaml: reads one JSON value a line and prints each as the command would, with a NUL behind it; a line that
 * is no JSON gives "!" and the message. values_tool float|int: reads what people type for a number. For vs_python.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/node.h"

/* What somebody typed for a number. */
static void show_number(const char *how, struct str text)
{
    struct buf b = BUF_INIT(SIZE_MAX / 2);
    double v;
    int64_t i;
    if (strcmp(how, "float") == 0 && cli_parse_number(text, &v)) {
        json_put_double(&b, v);
    } else if (strcmp(how, "int") == 0 && cli_parse_int(text, &i)) {
        json_put_int(&b, i);
    } else {
        buf_add_char(&b, '!');
    }
    buf_add_char(&b, '\0');
    fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
}

static void show(const char *how, struct str line)
{
    struct nodes ns = {{0}, false};
    struct buf b = BUF_INIT(SIZE_MAX / 2);
    struct tl_err err = TL_ERR_INIT;
    struct node *n = node_parse(&ns, line, &err);
    if (!n) {
        buf_printf(&b, "!%s", err.message);
    } else if (strcmp(how, "json") == 0) {
        node_json(&b, n);
    } else if (strcmp(how, "repr") == 0) {
        node_repr(&b, n);
    } else {
        node_yaml(&ns, &b, n);
    }
    buf_add_char(&b, '\0');
    fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
    arena_release(&ns.arena);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (argc != 2) {
        return 2;
    }
    while ((n = getline(&line, &cap, stdin)) > 0) {
        size_t len = (size_t)n - (line[n - 1] == '\n');
        char *copy = mem_dup(line, len); /* a block of its own, so that a sanitizer sees the end */
        if (!copy) {
            return 1;
        }
        if (strcmp(argv[1], "float") == 0 || strcmp(argv[1], "int") == 0) {
            show_number(argv[1], (struct str){copy, len});
        } else {
            show(argv[1], (struct str){copy, len});
        }
        mem_free(copy);
    }
    free(line);
    return 0;
}
