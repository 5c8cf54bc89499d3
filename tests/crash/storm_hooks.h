/* SPDX-License-Identifier: MIT
 *
 * What a storm worker can do to itself inside the critical section: die, stop, or be counted. Made by replacing the table of
 * system calls; left out (STORM_PUBLIC) when the worker is built against a released library.
 */
#ifndef STORM_HOOKS_H
#define STORM_HOOKS_H

#include <stdbool.h>

/* `point`, reached for the `nth` time, raises `signal`:
 *   open         before the journal is opened
 *   locked       the lock file has just been made
 *   stat         the journal was looked at under the lock
 *   heal         before the completion of a torn tail is written; heal-half: after half of it; healed: behind it
 *   before-write before the group is written; half-write: after half of it; after-write: behind it
 *   release      before the lock file is moved away; moved: behind that, before it is removed
 *   flush        before the flush
 * false: no such point. */
bool storm_arm(const char *point, int signal, long nth);

/* Counts processes inside the critical section (from the lock file's making to its removal), in a file of five 64-bit counters that
 * all workers map: inside now, overlaps, entries, most at once, bytes unused. Every hold is stretched by up to hold_us. */
bool storm_count(const char *path, long hold_us);

#endif
