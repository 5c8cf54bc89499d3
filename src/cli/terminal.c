/* SPDX-License-Identifier: MIT
 *
 * What the terminal behind standard output can show (see terminal.h).
 */
#include "cli/terminal.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int from_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    int64_t n;
    return text && cli_parse_int(str_of(text), &n) && n >= 10 && n <= 10000 ? (int)n : otherwise;
}

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        const char *text = getenv(names[i]);
        if (!text || !*text)
            continue;
        const char *set = strchr(text, '.');
        return set && (strncasecmp(set + 1, "utf-8", 5) == 0 || strncasecmp(set + 1, "utf8", 4) == 0);
    }
    return false;
}

static enum colours colours_of_terminal(void)
{
    const char *term = getenv("TERM"), *more = getenv("COLORTERM");
    return (more && *more) || (term && strstr(term, "256")) ? COLOURS_256 : COLOURS_16;
}

void terminal_look(struct terminal_looks *out, bool ascii, const char *colour)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    struct winsize size = {0};
    *out =
        (struct terminal_looks){.is_terminal = isatty(STDOUT_FILENO) == 1, .ascii = ascii || !locale_is_utf8()};
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    if (strcmp(colour, "always") == 0 ||
        (strcmp(colour, "auto") == 0 && out->is_terminal && !dumb && (!no_colour || !*no_colour)))
        out->colours = colours_of_terminal();
    if (out->is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
        size.ws_row > 0) {
        out->cols = size.ws_col;
        out->rows = size.ws_row;
    } else {
        out->cols = from_environment("COLUMNS", 80);
        out->rows = from_environment("LINES", 24);
    }
}
