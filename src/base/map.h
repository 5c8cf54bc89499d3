/* SPDX-License-Identifier: MIT
 *
 * Hash maps with open addressing: strings to small numbers (interning) and 64-bit keys to 64-bit values.
 * Expected O(1) for any input: the hash is keyed by a random number per process, so hostile names do not degrade it.
 */
#ifndef TL_MAP_H
#define TL_MAP_H

#include "base/base.h"
#include "base/mem.h"
#include "base/svec.h"

/* Interned strings: each distinct byte string gets a number 0, 1, 2, … for as long as the table lives. The bytes never
 * move and are followed by a NUL, so a reader that knows a number below a published count may read its text without a lock; only the writer
 * may look up or add. */
struct intern {
    struct svec strings; /* struct str */
    struct space bytes;
    uint32_t *slots; /* number + 1, 0 is free */
    uint32_t *hashes;
    size_t n_slots; /* a power of two */
};
#define INTERN_INIT {SVEC_INIT(struct str), {NULL, 0}, NULL, NULL, 0}
#define INTERN_NONE UINT32_MAX

/* Keyed: differs from process to process, so it must not reach a file or decide an order that somebody sees. */
uint64_t hash_bytes(const void *p, size_t n);

/* Number of `s`, added when new; INTERN_NONE when out of memory. */
uint32_t intern_add(struct intern *t, struct str s) TL_USE_RESULT;
/* Number of `s`, or INTERN_NONE when it is not there. */
uint32_t intern_find(const struct intern *t, struct str s);
static inline struct str intern_str(const struct intern *t, uint32_t number)
{
    return *(const struct str *)svec_at(&t->strings, number);
}
void intern_release(struct intern *t);

/* 64-bit key -> 64-bit value. Zero-initialise. Keys are any number but UINT64_MAX. */
struct map64 {
    uint64_t *keys, *values;
    size_t n_slots, n; /* slots: a power of two */
};
bool map64_set(struct map64 *m, uint64_t key, uint64_t value) TL_USE_RESULT; /* false: out of memory */
bool map64_get(const struct map64 *m, uint64_t key, uint64_t *value);
bool map64_remove(struct map64 *m, uint64_t key);
void map64_release(struct map64 *m);

#endif
