/* SPDX-License-Identifier: MIT
 *
 * What state.c and state_trial.c share: the two halves of state_apply.
 */
#ifndef TL_STATE_APPLY_H
#define TL_STATE_APPLY_H

#include "model/state.h"

/* Marks the state as broken; the verdict returned does not matter then. */
static inline enum verdict broken(struct state *s)
{
    s->broken = true;
    return V_ODD;
}

enum verdict apply_create_trial(struct state *s, const struct op *op, struct applied *out, struct tl_err *why);
/* All operations that carry a trial id. */
enum verdict apply_trial(struct state *s, const struct op *op, struct applied *out, struct tl_err *why);

/* Number of a worker, made when new; INTERN_NONE for "nobody", or when out of memory (then the state is broken). */
uint32_t worker_add(struct state *s, struct str worker);
/* Sets an attribute in a list; false: out of memory. */
bool attr_put(struct state *s, struct list_ref *list, enum tl_attr_kind kind, struct str key, struct str json);

#endif
