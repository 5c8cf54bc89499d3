/* SPDX-License-Identifier: MIT
 *
 * Plain types shared by all public headers: states, directions, instants, values of attributes and choices.
 */
#ifndef TRIALOG_TYPES_H
#define TRIALOG_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trialog/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_storage tl_storage; /* an open journal: any thread may use it */
typedef struct tl_study tl_study;     /* a study of a storage: any thread may use it */
typedef struct tl_trial tl_trial;     /* a trial being run: one thread at a time */
typedef struct tl_view tl_view;       /* an unchanging picture of a study: any thread may read it */

/* Trial states; the numbers are those of the journal. */
enum tl_state { TL_RUNNING = 0, TL_COMPLETE = 1, TL_PRUNED = 2, TL_FAIL = 3, TL_WAITING = 4 };
#define TL_N_STATES 5
#define TL_STATE_IS_FINISHED(state) ((state) >= TL_COMPLETE && (state) <= TL_FAIL)

/* Directions of an objective; the numbers are those of the journal. */
enum tl_direction { TL_NOT_SET = 0, TL_MINIMIZE = 1, TL_MAXIMIZE = 2 };

/* Upper case names as Optuna prints them ("COMPLETE", "MINIMIZE"); NULL for an unknown number. Static storage. */
const char *tl_state_name(int state);
const char *tl_direction_name(int direction);

/* An instant. Journals written by Optuna up to 4.9 hold local times without offset: `naive` is set and `us` counts as
 * if that text were UTC. All others are microseconds since 1970-01-01T00:00:00Z. */
struct tl_time {
    int64_t us;
    bool set;   /* false: no instant at all */
    bool naive; /* local time of an unknown zone */
};

/* A categorical choice or parameter value. A string is borrowed from whoever handed it out, UTF-8, not always
 * NUL-terminated: `len` counts its bytes. */
enum tl_value_kind { TL_VALUE_NULL, TL_VALUE_BOOL, TL_VALUE_INT, TL_VALUE_FLOAT, TL_VALUE_STRING, TL_VALUE_JSON };
struct tl_value {
    enum tl_value_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        struct {
            const char *s; /* TL_VALUE_STRING: text; TL_VALUE_JSON: JSON text of anything else (lists, huge integers) */
            size_t len;
        } text;
    } as;
};

/* Kinds of attributes: `user` ones belong to the user, `system` ones to samplers and to Optuna. */
enum tl_attr_kind { TL_ATTR_USER = 0, TL_ATTR_SYSTEM = 1 };

#ifdef __cplusplus
}
#endif
#endif
