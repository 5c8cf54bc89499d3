/* SPDX-License-Identifier: MIT
 *
 * Asking a sampler or a pruner: what sampler.c and pruner.c share.
 */
#ifndef TL_PYTHON_ASK_H
#define TL_PYTHON_ASK_H

#include "native.h"

/* One question, about one trial of a study as it is now. */
struct question {
    struct storage_object *storage; /* NULL: the sampler needs no study */
    tl_view *view;
    int64_t study_id, number;
    uint64_t handle;
    struct call call;
};
/* From the arguments (storage or None, study id, trial number, handle): takes the view and gives the GIL away. -1: an exception. */
int question_open(struct question *q, struct native *m, PyObject *const *args);
/* Takes the GIL back; false: an exception, that of `code` or one that is pending. */
bool question_close(struct question *q, struct native *m, int code);

/* Attributes to be stored with the trial, collected without the GIL. Zero-initialise. */
struct wishes {
    char **texts; /* key, JSON, key, JSON … */
    size_t n, cap;
};
int wishes_take(void *ctx, const char *key, const char *json);
void wishes_release(struct wishes *w);
/* A dict of Python values, None when there are none. */
PyObject *wishes_object(struct native *m, const struct wishes *w);

/* Options, a dict of str to str; `*out` is PyMem, its texts live as long as the dict. */
int option_texts(PyObject *dict, struct tl_option **out, size_t *n);

#define FAST(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL

#endif
