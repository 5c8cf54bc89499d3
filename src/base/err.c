/* SPDX-License-Identifier: MIT
 *
 * Error objects: the code table, and writing a message where the cause is known.
 *
 * Happy path: err_set fills the caller's struct and hands its code back. Nothing here fails or allocates, and a NULL
 * struct is always fine. A message is one line of whole UTF-8 characters, cut to the room there is.
 */
#include "base/err.h"

#include <trialog/types.h>

#include <errno.h>
#include <stdio.h>

struct code_row {
    int code;
    const char *name, *text;
    int retry, exit_status;
};

#define ROW(name, value, sentence, retry, status) {name, #name, sentence, retry, status},
static const struct code_row code_rows[] = {TL_ERROR_LIST(ROW)};
#undef ROW
static const struct code_row ok_row = {TL_OK, "TL_OK", "success", 0, 0};
static const struct code_row unknown_row = {0, "TL_E?", "unknown error", 0, 1};

static const struct code_row *find_row(int code)
{
    for (size_t i = 0; i < TL_COUNT(code_rows); i++) {
        if (code_rows[i].code == code) {
            return &code_rows[i];
        }
    }
    return code == TL_OK ? &ok_row : &unknown_row;
}

TL_API const char *tl_code_name(int code)
{
    return find_row(code)->name;
}

TL_API const char *tl_code_text(int code)
{
    return find_row(code)->text;
}

TL_API int tl_code_retry(int code)
{
    return find_row(code)->retry;
}

TL_API int tl_code_exit_status(int code)
{
    return find_row(code)->exit_status;
}

TL_API const char *tl_state_name(int state)
{
    static const char *const names[TL_N_STATES] = {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"};
    return state >= 0 && state < TL_N_STATES ? names[state] : NULL;
}

TL_API const char *tl_direction_name(int direction)
{
    static const char *const names[] = {"NOT_SET", "MINIMIZE", "MAXIMIZE"};
    return direction >= 0 && direction < (int)TL_COUNT(names) ? names[direction] : NULL;
}

/* Length of `text` without a character that was cut in two at its end. */
static size_t whole_characters(const char *text, size_t n)
{
    size_t start = n;
    while (start > 0 && n - start < 4) {
        unsigned char c = (unsigned char)text[--start];
        if (c < 0x80) {
            return n;
        }
        if (c >= 0xc0) {
            size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return n - start >= want ? n : start;
        }
    }
    return n;
}

void err_text(char *out, size_t n, const char *fmt, va_list args)
{
    int want = vsnprintf(out, n, fmt, args);
    if (want < 0) {
        out[0] = 0;
        return;
    }
    size_t len = (size_t)want;
    if (len >= n) {
        len = whole_characters(out, n - 1);
        out[len] = 0;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)out[i];
        if (c < 0x20 || c == 0x7f) {
            out[i] = '?';
        }
    }
}

static void fill(struct tl_err *err, int code, int sys, const char *message)
{
    *err = (struct tl_err)TL_ERR_INIT;
    err->code = code;
    err->sys_errno = sys;
    memcpy(err->message, message, strlen(message) + 1);
}

int err_set(struct tl_err *err, int code, const char *fmt, ...)
{
    if (!err) {
        return code;
    }
    char message[sizeof err->message]; /* the arguments may point into err */
    va_list args;
    va_start(args, fmt);
    err_text(message, sizeof message, fmt, args);
    va_end(args);
    fill(err, code, 0, message);
    return code;
}

static int code_of_errno(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return TL_ENOSPC;
    case ENOMEM: return TL_ENOMEM;
    case EACCES:
    case EPERM:
    case EROFS: return TL_EACCESS;
    case ENOENT: return TL_ENOTFOUND;
    default: return TL_EIO;
    }
}

/* The text that belongs to an errno, in English whatever the locale is. */
static const char *errno_text(int sys)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
    const char *text = strerrordesc_np(sys);
#else
    const char *text = NULL;
#endif
    return text ? text : "unknown system error";
}

/* Formats "%s%s%s" through a function of its own, since err_text takes a va_list. */
static void join(char *out, size_t n, const char *fmt, ...) TL_PRINTF(3, 4);
static void join(char *out, size_t n, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_text(out, n, fmt, args);
    va_end(args);
}

int err_sys(struct tl_err *err, int sys, const char *fmt, ...)
{
    int code = code_of_errno(sys);
    if (!err) {
        return code;
    }
    char message[sizeof err->message], whole[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    err_text(message, sizeof message, fmt, args);
    va_end(args);
    join(whole, sizeof whole, "%s: %s (errno %d)", message, errno_text(sys), sys);
    fill(err, code, sys, whole);
    return code;
}

int err_wrap(struct tl_err *err, int rc, const char *fmt, ...)
{
    if (!err) {
        return rc;
    }
    char prefix[sizeof err->message], whole[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    err_text(prefix, sizeof prefix, fmt, args);
    va_end(args);
    join(whole, sizeof whole, "%s: %s", prefix, err->message);
    memcpy(err->message, whole, strlen(whole) + 1);
    return rc;
}

void err_at(struct tl_err *err, int64_t line, int64_t offset)
{
    if (!err) {
        return;
    }
    if (err->line < 0) {
        err->line = line;
    }
    if (err->offset < 0) {
        err->offset = offset;
    }
}

int err_nomem(struct tl_err *err)
{
    if (err) {
        fill(err, TL_ENOMEM, 0, "out of memory");
    }
    return TL_ENOMEM;
}
