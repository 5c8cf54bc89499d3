/* SPDX-License-Identifier: MIT
 *
 * What every file of the library may use: attributes, small helpers, the byte string `struct str`.
 */
#ifndef TL_BASE_H
#define TL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <trialog/error.h>

#if defined(__GNUC__)
#define TL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TL_LIKELY(x) __builtin_expect(!!(x), 1)
#define TL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TL_USE_RESULT __attribute__((warn_unused_result))
#else
#define TL_PRINTF(fmt, args)
#define TL_LIKELY(x) (x)
#define TL_UNLIKELY(x) (x)
#define TL_USE_RESULT
#endif

/* Marks what the shared library exports; everything else is hidden. */
#if defined(__GNUC__)
#define TL_API __attribute__((visibility("default")))
#else
#define TL_API
#endif

#define TL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes that belong to somebody else: not terminated, may hold NUL. `p` may be NULL only when `n` is 0. */
struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
