/* SPDX-License-Identifier: MIT
 *
 * values_tool json|repr|yaml: reads one JSON value a line and prints each as the command would, with a NUL behind it; a line that
 * is no JSON gives "!" and the message. For vs_python.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/node.h"

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
        show(argv[1], (struct str){copy, len});
        mem_free(copy);
    }
    free(line);
    return 0;
}
