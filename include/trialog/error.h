/* SPDX-License-Identifier: MIT
 *
 * Error codes and the error object.
 *
 * A function that can fail returns int: 0, or one of the negative codes below. Its last parameter is a
 * `struct tl_err *`, which may be NULL; the caller owns it. The message is written once, where the cause is
 * known. Results passed back through pointers change only on success. The library never prints, exits or aborts.
 */
#ifndef TRIALOG_ERROR_H
#define TRIALOG_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, sentence, may the same call be repeated?, exit status of the command) */
#define TL_ERROR_LIST(X)                                                                                     \
    /* the caller's mistake */                                                                               \
    X(TL_EINVAL, -1, "invalid argument", 0, 2)                                                               \
    X(TL_ENOTFOUND, -2, "no such study or trial", 0, 3)                                                      \
    X(TL_EEXISTS, -3, "a study of this name exists already", 0, 4)                                           \
    X(TL_EFINISHED, -4, "the trial has finished and cannot change", 0, 5)                                    \
    X(TL_EINCOMPATIBLE, -5, "the distribution does not fit the parameter's earlier one", 0, 6)               \
    X(TL_EUNSUPPORTED, -6, "not supported", 0, 7)                                                            \
    /* the surroundings */                                                                                   \
    X(TL_EIO, -10, "input or output failed", 1, 10)                                                          \
    X(TL_ENOSPC, -11, "no space left", 1, 11)                                                                \
    X(TL_ELOCKED, -12, "the journal stayed locked for longer than the time limit", 1, 12)                    \
    X(TL_ENET, -13, "the network failed", 1, 13)                                                             \
    X(TL_EUNAVAILABLE, -14, "the storage is not available", 1, 14)                                           \
    X(TL_ECANCELLED, -15, "cancelled", 1, 15)                                                                \
    X(TL_EACCESS, -16, "permission denied", 0, 16)                                                           \
    /* the data */                                                                                           \
    X(TL_ECORRUPT, -20, "the journal is damaged", 0, 20)                                                     \
    X(TL_EVERSION, -21, "written by a version that this one cannot read", 0, 21)                             \
    X(TL_ELIMIT, -22, "over a limit", 0, 22)                                                                 \
    /* the outcome */                                                                                        \
    X(TL_EUNKNOWN, -30, "it is not known whether the operation took effect", 1, 30)                          \
    X(TL_EPOISONED, -31, "an earlier failure closed this handle; open it again", 0, 31)                      \
    X(TL_EEXHAUSTED, -32, "nothing is left to try", 0, 32)                                                   \
    /* us */                                                                                                 \
    X(TL_ENOMEM, -40, "out of memory", 1, 40)                                                                \
    X(TL_EINTERNAL, -41, "internal error: please report it", 0, 41)

enum tl_code {
    TL_OK = 0,
#define TL_X(name, value, sentence, retry, status) name = value,
    TL_ERROR_LIST(TL_X)
#undef TL_X
};

/* What went wrong and where. Fields that do not apply are -1 (0 for sys_errno and an empty message). */
struct tl_err {
    int code;         /* the returned code */
    int sys_errno;    /* errno of the system call that failed, or 0 */
    int64_t line;     /* line of the journal or input text, counted from 1 */
    int64_t offset;   /* byte offset in the journal or input text */
    int64_t seq;      /* TL_EUNKNOWN: number `n` of the call's last operation, whose outcome is open */
    char message[320]; /* one sentence, UTF-8, no newline */
};

#define TL_ERR_INIT {0, 0, -1, -1, -1, {0}}

/* Name of a code, such as "TL_EINVAL"; "TL_OK" for 0 and "TL_E?" for an unknown one. Static storage. */
const char *tl_code_name(int code);
/* The sentence that belongs to a code. Static storage. */
const char *tl_code_text(int code);
/* Non-zero when repeating the same call may succeed. */
int tl_code_retry(int code);
/* The exit status that the command `trialog` uses for this code. */
int tl_code_exit_status(int code);

#ifdef __cplusplus
}
#endif
#endif
