/* SPDX-License-Identifier: MIT
 *
 * What a terminal can show: its size, whether it wants UTF-8 and colours. And a terminal taken over for drawing a whole screen,
 * which is given back as it was.
 */
#ifndef TL_TERMINAL_H
#define TL_TERMINAL_H

#include "base/base.h"
#include "cli/canvas.h"

struct terminal_looks {
    bool is_terminal; /* standard output is one */
    bool ascii;
    enum colours colours;
    int cols, rows; /* 80 x 24 when unknown; $COLUMNS and $LINES count where there is no terminal */
};
/* `colour` is "auto", "always" or "never": auto wants a terminal, no NO_COLOR, and a TERM that is not "dumb". `ascii`: asked for;
 * otherwise the locale's environment (LC_ALL, LC_CTYPE, LANG) decides. */
void terminal_look(struct terminal_looks *out, bool ascii, const char *colour);

#endif
