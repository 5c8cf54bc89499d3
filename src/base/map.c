/* SPDX-License-Identifier: MIT
 *
 * Hash maps: open addressing, linear probing, at most three quarters full, doubled when full.
 *
 * The hash is a folded multiplication: two words are mixed with secret ones, multiplied to 128 bits, and the halves are
 * combined (the construction described for wyhash: Wang, Liu, Zhang, "Modern non-cryptographic hash function and
 * pseudorandom number generator"). Here all secret words are drawn at random once per process: published ones would
 * let somebody choose names whose product is zero. Failure modes: no memory, then nothing has changed.
 */
#include "base/map.h"

#include "base/os.h"
#include "base/wide.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- hash ---- */

static uint64_t secret[4];
static atomic_bool secret_made;
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    struct wide p = wide_mul(a, b);
    return p.lo ^ p.hi;
}

static void make_secret(void)
{
    uint64_t drawn[4] = {0};
    if (os->random(drawn, sizeof drawn) < 0) {
        /* Without random bytes the address space layout has to do: maps stay correct and are only easier to attack. */
        drawn[0] ^= (uint64_t)(uintptr_t)&drawn;
        drawn[1] ^= (uint64_t)(uintptr_t)&secret;
    }
    for (size_t i = 0; i < TL_COUNT(secret); i++) {
        uint64_t mixed =
            fold(drawn[i] ^ UINT64_C(0x9e3779b97f4a7c15), drawn[(i + 1) % 4] ^ UINT64_C(0xd1b54a32d192ed03));
        secret[i] = mixed ^ drawn[i] ^ UINT64_C(0xa0761d6478bd642f) * (i + 1);
    }
    atomic_store_explicit(&secret_made, true, memory_order_release);
}

static inline void need_secret(void)
{
    if (TL_UNLIKELY(!atomic_load_explicit(&secret_made, memory_order_acquire))) {
        pthread_once(&secret_once, make_secret);
    }
}

uint64_t hash_bytes(const void *bytes, size_t n)
{
    need_secret();
    const char *p = bytes;
    uint64_t a = 0, b = 0, state = secret[0];
    if (n > 16) {
        uint64_t other = secret[3];
        size_t left = n;
        for (; left > 32; left -= 32, p += 32) {
            state = fold(load_le64(p) ^ secret[1], load_le64(p + 8) ^ state);
            other = fold(load_le64(p + 16) ^ secret[2], load_le64(p + 24) ^ other);
        }
        state ^= other;
        if (left > 16) {
            state = fold(load_le64(p) ^ secret[1], load_le64(p + 8) ^ state);
        }
        /* the last 16 bytes, some of them for the second time */
        a = load_le64(p + left - 16);
        b = load_le64(p + left - 8);
    } else if (n >= 8) {
        a = load_le64(p);
        b = load_le64(p + n - 8);
    } else if (n >= 4) {
        a = load_le32(p);
        b = load_le32(p + n - 4);
    } else if (n > 0) {
        a = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n / 2] << 8 |
            (unsigned char)p[n - 1];
    }
    uint64_t mixed = fold(a ^ secret[1], b ^ state);
    return fold(mixed ^ secret[2], (uint64_t)n ^ secret[3]);
}

static inline uint64_t hash_number(uint64_t key)
{
    need_secret();
    return fold(key ^ secret[0], secret[1]);
}

static inline bool is_full(size_t n, size_t n_slots)
{
    return n >= n_slots - n_slots / 4;
}

/* ---- interned strings ---- */

#define FIRST_SLOTS 64u

/* The slot that holds `s`, or the free one where it belongs. n_slots > 0. */
static size_t find_slot(const struct intern *t, struct str s, uint32_t hash)
{
    size_t mask = t->n_slots - 1;
    size_t i = hash & mask;
    while (t->slots[i] != 0) {
        if (t->hashes[i] == hash && str_eq(intern_str(t, t->slots[i] - 1), s)) {
            return i;
        }
        i = (i + 1) & mask;
    }
    return i;
}

static bool grow_slots(struct intern *t)
{
    size_t n_slots = t->n_slots ? t->n_slots * 2 : FIRST_SLOTS;
    uint32_t *slots = mem_zalloc(n_slots, sizeof *slots);
    uint32_t *hashes = n_slots > SIZE_MAX / sizeof *hashes ? NULL : mem_alloc(n_slots * sizeof *hashes);
    if (!slots || !hashes) {
        mem_free(slots);
        mem_free(hashes);
        return false;
    }
    for (size_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i] != 0) {
            size_t k = t->hashes[i] & (n_slots - 1);
            while (slots[k] != 0) {
                k = (k + 1) & (n_slots - 1);
            }
            slots[k] = t->slots[i];
            hashes[k] = t->hashes[i];
        }
    }
    mem_free(t->slots);
    mem_free(t->hashes);
    t->slots = slots;
    t->hashes = hashes;
    t->n_slots = n_slots;
    return true;
}

/* The strings are never more than 2^32, so 32 bits of the hash choose among all slots. */
static inline uint32_t short_hash(struct str s)
{
    return (uint32_t)(hash_bytes(s.p, s.n) >> 32);
}

uint32_t intern_add(struct intern *t, struct str s)
{
    uint32_t hash = short_hash(s);
    if (t->n_slots) {
        size_t i = find_slot(t, s, hash);
        if (t->slots[i] != 0) {
            return t->slots[i] - 1;
        }
    }
    size_t number = t->strings.len;
    if (number >= INTERN_NONE - 1 || s.n == SIZE_MAX) {
        return INTERN_NONE;
    }
    if ((t->n_slots == 0 || is_full(number, t->n_slots)) && !grow_slots(t)) {
        return INTERN_NONE;
    }
    if (!svec_reserve(&t->strings, number + 1)) {
        return INTERN_NONE;
    }
    uint64_t at = space_alloc(&t->bytes, s.n + 1);
    if (at == 0) {
        return INTERN_NONE;
    }
    char *copy = space_at(&t->bytes, at);
    if (s.n) {
        memcpy(copy, s.p, s.n);
    }
    copy[s.n] = 0;
    struct str *row = svec_push(&t->strings);
    *row = (struct str){copy, s.n};
    size_t i = find_slot(t, s, hash);
    t->slots[i] = (uint32_t)number + 1;
    t->hashes[i] = hash;
    return (uint32_t)number;
}

uint32_t intern_find(const struct intern *t, struct str s)
{
    if (t->n_slots == 0) {
        return INTERN_NONE;
    }
    size_t i = find_slot(t, s, short_hash(s));
    return t->slots[i] ? t->slots[i] - 1 : INTERN_NONE;
}

void intern_release(struct intern *t)
{
    svec_release(&t->strings);
    space_release(&t->bytes);
    mem_free(t->slots);
    mem_free(t->hashes);
    t->slots = t->hashes = NULL;
    t->n_slots = 0;
}

/* ---- numbers to numbers ---- */

#define FREE_KEY UINT64_MAX

static size_t find_key(const struct map64 *m, uint64_t key)
{
    size_t mask = m->n_slots - 1;
    size_t i = (size_t)hash_number(key) & mask;
    while (m->keys[i] != key && m->keys[i] != FREE_KEY) {
        i = (i + 1) & mask;
    }
    return i;
}

static bool grow_map(struct map64 *m)
{
    struct map64 wider = {NULL, NULL, m->n_slots ? m->n_slots * 2 : FIRST_SLOTS, m->n};
    if (wider.n_slots > SIZE_MAX / sizeof(uint64_t)) {
        return false;
    }
    wider.keys = mem_alloc(wider.n_slots * sizeof(uint64_t));
    wider.values = mem_alloc(wider.n_slots * sizeof(uint64_t));
    if (!wider.keys || !wider.values) {
        mem_free(wider.keys);
        mem_free(wider.values);
        return false;
    }
    memset(wider.keys, 0xff, wider.n_slots * sizeof(uint64_t)); /* FREE_KEY */
    for (size_t i = 0; i < m->n_slots; i++) {
        if (m->keys[i] != FREE_KEY) {
            size_t k = find_key(&wider, m->keys[i]);
            wider.keys[k] = m->keys[i];
            wider.values[k] = m->values[i];
        }
    }
    mem_free(m->keys);
    mem_free(m->values);
    *m = wider;
    return true;
}

bool map64_set(struct map64 *m, uint64_t key, uint64_t value)
{
    if (m->n_slots) {
        size_t i = find_key(m, key);
        if (m->keys[i] == key) {
            m->values[i] = value;
            return true;
        }
    }
    if ((m->n_slots == 0 || is_full(m->n, m->n_slots)) && !grow_map(m)) {
        return false;
    }
    size_t i = find_key(m, key);
    m->keys[i] = key;
    m->values[i] = value;
    m->n++;
    return true;
}

bool map64_get(const struct map64 *m, uint64_t key, uint64_t *value)
{
    if (m->n_slots == 0 || key == FREE_KEY) {
        return false;
    }
    size_t i = find_key(m, key);
    if (m->keys[i] != key) {
        return false;
    }
    *value = m->values[i];
    return true;
}

bool map64_remove(struct map64 *m, uint64_t key)
{
    if (m->n_slots == 0 || key == FREE_KEY) {
        return false;
    }
    size_t mask = m->n_slots - 1;
    size_t hole = find_key(m, key);
    if (m->keys[hole] != key) {
        return false;
    }
    /* Close the gap: an entry further on moves into the hole unless that would put it before its home slot. */
    for (size_t i = (hole + 1) & mask; m->keys[i] != FREE_KEY; i = (i + 1) & mask) {
        size_t home = (size_t)hash_number(m->keys[i]) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->keys[hole] = m->keys[i];
            m->values[hole] = m->values[i];
            hole = i;
        }
    }
    m->keys[hole] = FREE_KEY;
    m->n--;
    return true;
}

void map64_release(struct map64 *m)
{
    mem_free(m->keys);
    mem_free(m->values);
    *m = (struct map64){0};
}
