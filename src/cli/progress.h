/* SPDX-License-Identifier: MIT
 *
 * How far a study has come, on standard error: one line that is drawn again and again on a terminal, else a plain line for each
 * finished trial, or nothing. Never blocks for anything but the terminal.
 */
#ifndef TL_PROGRESS_H
#define TL_PROGRESS_H

#include "base/base.h"
#include "base/buf.h"

enum progress_mode { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_BAR };

struct progress_facts {
    uint64_t finished, total; /* of the study; total 0: no limit */
    uint64_t running;         /* programs of this process */
    int64_t best_number;      /* -1: none, or several objectives */
    double best;
    size_t n_front; /* trials on the Pareto front, 0 with one objective */
};

struct progress {
    enum progress_mode mode;
    int64_t started_ns, drawn_ns;
    uint64_t finished_before; /* finished when we began: no merit of this run */
    bool shown;               /* the cursor stands behind a drawn line */
};

/* `mode` NONE, LINES, or BAR, which becomes LINES when standard error is no terminal. */
void progress_init(struct progress *p, enum progress_mode mode, uint64_t finished, int64_t now_ns);
/* Draws the line, at most five times a second unless `now` is wanted. Does nothing in the other modes. */
void progress_draw(struct progress *p, const struct progress_facts *facts, int64_t now_ns, bool at_once);
/* A line of text that stays. `important` ones are shown besides a bar too. */
void progress_say(struct progress *p, const char *text, bool important);
/* Takes the drawn line away, so that others can write. */
void progress_clear(struct progress *p);

/* The drawn line for a terminal of `width` columns. */
void progress_text(const struct progress_facts *facts, uint64_t finished_before, int64_t age_ns, size_t width,
                   struct buf *out);
/* "1.2s", "3m05s", "2h10m", "4d03h". */
void progress_duration(int64_t ns, struct buf *out);

#endif
