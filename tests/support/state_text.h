/* SPDX-License-Identifier: MIT
 *
 * For tests: builds a state from journal lines, and writes all that a state knows as text, so that two states can be
 * compared byte by byte.
 */
#ifndef TL_TEST_STATE_TEXT_H
#define TL_TEST_STATE_TEXT_H

#include "base/buf.h"
#include "model/state.h"

/* Applies one line (with or without its newline); the verdict comes back. */
enum verdict feed_line(struct state *s, const char *line);
/* Applies `n` bytes of lines. Lines that are no operations are skipped as a storage skips them. */
void feed_lines(struct state *s, const char *bytes, size_t n);
/* Everything: studies with attributes and facts, trials with all parts. */
void state_text(struct state *s, struct buf *out);

#endif
