/* SPDX-License-Identifier: MIT
 *
 * What a terminal can show: its size, whether it wants UTF-8 and colours. And a terminal taken over for drawing a whole screen,
 * which is given back as it was.
 */
#ifndef TL_TERMINAL_H
#define TL_TERMINAL_H

#include "cli/canvas.h"
#include "cli/cli.h"

struct terminal_looks {
    bool is_terminal; /* standard output is one */
    bool ascii;
    enum colours colours;
    int cols, rows; /* 80 x 24 when unknown; $COLUMNS and $LINES count where there is no terminal */
};
/* `colour` is "auto", "always" or "never": auto wants a terminal, no NO_COLOR, and a TERM that is not "dumb". `ascii`: asked for;
 * otherwise the locale's environment (LC_ALL, LC_CTYPE, LANG) decides. */
void terminal_look(struct terminal_looks *out, bool ascii, const char *colour);

/* ---- taking over the screen ---- */

/* The terminal of standard output with a page of its own, no cursor, and keys that come at once and are not shown. Ctrl-C and
 * Ctrl-Z still send their signals. Nothing happens when standard output is no terminal. */
void screen_enter(void);
/* As it was; safe to call at any time. */
void screen_leave(void);
/* Shows a canvas, as one write. */
int screen_show(struct cli *c, const struct canvas *cv, enum colours colours);
/* The key that was pressed, 0 for none; waits at most `timeout_ms` for it, and returns at once after a signal. */
int screen_key(int64_t timeout_ms);
/* Must somebody look (a key, another size, a stop)? Never blocks. */
bool screen_news(void);
/* After SIGWINCH: true once. */
bool screen_resized(void);
/* Ctrl-Z: gives the terminal back, stops the process, and takes it again when it goes on; true when that happened. */
bool screen_suspended(void);

#endif
