/* SPDX-License-Identifier: MIT
 *
 * The snapshot of a journal in Redis, under keys of ours (Optuna's PREFIX:snapshot is a Python pickle: nobody here reads or writes it).
 *
 * PREFIX:trialog:snapshot is a hash: header, generation, parts. The image lies in parts of 1 MB, PREFIX:trialog:snapshot:GENERATION:0 and
 * so on. The header, little-endian, 96 bytes: "TLSNAPR\n"; u32 version 1; u32 parts; u64 bytes of the journal before it; id (48 bytes); u64
 * length of the image; u32 its CRC-32C; 8 zero bytes; u32 CRC-32C of the header before it. The id binds it to the journal: u64 lines before
 * it, and length (u64) and CRC-32C of the last of them and of the first one.
 *
 * Happy path: parts are written one by one with an expiry, so that a writer that dies leaves nothing for ever; then one script makes them
 * stay, puts the header in place and removes the parts before. Failure: a snapshot that is not whole, damaged, of another version, or
 * of a journal that was rewound is ignored with an event, and the log is read instead; a part that vanishes while it is read (a newer
 * snapshot took its place) is the same. Invariant: the log is the truth; the position only moves behind a snapshot whose checks all passed.
 */
#include "journal/redis.h"

#include "base/crc32c.h"
#include "base/err.h"
#include "base/log.h"
#include "base/wide.h"

#include <stdio.h>

#define HEADER 96u
#define VERSION 1u
#define PART ((size_t)1 << 20)
#define PARTS_MAX 65536
#define UNFINISHED_S "3600"
#define GENERATION 16

static const char magic[8] = "TLSNAPR\n";

static int command(struct redis *r, const struct str *words, size_t n, struct arena *memory, struct reply **reply, struct tl_err *err)
{
    struct redis_call c = {.script = SCRIPT_NONE, .words = words, .n = n, .deadline_ns = redis_deadline(r->timeout_ms),
                           .memory = memory};
    return link_call(&r->link, &c, reply, err);
}

/* PREFIX:MIDDLE, and behind it a part's generation and number if there is one; in the arena. */
static struct str key_of(const struct redis *r, struct arena *memory, const char *middle, const char *generation, uint64_t number)
{
    char tail[2 * GENERATION + 32] = "";
    if (generation) {
        snprintf(tail, sizeof tail, ":%.*s:%llu", GENERATION, generation, (unsigned long long)number);
    }
    size_t prefix = strlen(r->link.url.prefix), n = prefix + strlen(middle) + strlen(tail);
    char *key = arena_alloc(memory, n + 1);
    if (key) {
        snprintf(key, n + 1, "%s%s%s", r->link.url.prefix, middle, tail);
    }
    return (struct str){key, key ? n : 0};
}

/* ---- where it belongs ---- */

int redis_mark(struct backend *b, struct backend_mark *out)
{
    struct redis *r = redis_of(b);
    struct backend_mark mark = {0};
    guard_lock(&r->guard);
    mark.offset = r->at.bytes;
    store_le64(mark.id, r->at.seq);
    store_le64(mark.id + 8, r->at.length);
    store_le32(mark.id + 16, r->at.crc);
    store_le64(mark.id + 20, r->at.first_length);
    store_le32(mark.id + 28, r->at.first_crc);
    guard_leave(&r->guard);
    *out = mark;
    return TL_OK;
}

/* Does the journal have the lines that the mark names? Then `*at` is the position behind it. */
static int find_mark(struct redis *r, const struct backend_mark *mark, struct redis_position *at, struct tl_err *err)
{
    struct arena memory = {0};
    struct reply *reply = NULL;
    uint64_t seq = load_le64(mark->id);
    char middle[48];
    snprintf(middle, sizeof middle, ":log:%llu", (unsigned long long)seq - 1);
    struct str words[3] = {STR("MGET"), key_of(r, &memory, ":log:0", NULL, 0), key_of(r, &memory, middle, NULL, 0)};
    int rc = words[1].p && words[2].p ? command(r, words, 3, &memory, &reply, err) : err_nomem(err);
    const struct str *first = rc == TL_OK ? reply_text(reply, 0) : NULL, *last = rc == TL_OK ? reply_text(reply, 1) : NULL;
    if (rc == TL_OK && (!first || !last || seq == 0)) {
        rc = err_set(err, TL_ECORRUPT, "it belongs to another journal, or the journal was rewound");
    }
    if (rc == TL_OK) {
        struct redis_position p = {0};
        redis_pass(&p, *first);
        p.seq = seq - 1;
        p.bytes = mark->offset - last->n - 1;
        if (seq > 1) {
            redis_pass(&p, *last);
        } else {
            p.seq = 1;
            p.bytes = mark->offset;
        }
        if (p.length != load_le64(mark->id + 8) || p.crc != load_le32(mark->id + 16) || p.first_length != load_le64(mark->id + 20) ||
            p.first_crc != load_le32(mark->id + 28)) {
            rc = err_set(err, TL_ECORRUPT, "it belongs to another journal, or the journal was rewound");
        } else {
            *at = p;
        }
    }
    arena_release(&memory);
    return rc;
}

/* ---- loading ---- */

struct source {
    struct piece_source in;
    struct redis *r;
    char generation[GENERATION + 1];
    uint64_t next; /* part */
    struct arena memory;
};

static int fetch(struct piece_source *in, struct str *piece, struct tl_err *err)
{
    struct source *s = (struct source *)(void *)in;
    struct reply *reply = NULL;
    arena_reset(&s->memory);
    struct str words[2] = {STR("GET"), key_of(s->r, &s->memory, ":trialog:snapshot", s->generation, s->next)};
    int rc = words[1].p ? command(s->r, words, 2, &s->memory, &reply, err) : err_nomem(err);
    if (rc != TL_OK) {
        return rc;
    }
    if (reply->type != REPLY_TEXT || reply->text.n == 0 || reply->text.n > in->base.left) {
        return err_set(err, TL_ECORRUPT, "part %llu of it is missing or damaged", (unsigned long long)s->next);
    }
    s->next++;
    *piece = reply->text;
    return TL_OK;
}

/* Checks everything but the image. */
static int check_header(struct redis *r, struct str header, struct redis_position *at, uint64_t *length, uint32_t *crc, struct tl_err *err)
{
    const uint8_t *h = (const uint8_t *)header.p;
    struct backend_mark mark = {0};
    if (header.n != HEADER || memcmp(h, magic, sizeof magic) != 0 || crc32c(0, h, HEADER - 4) != load_le32(h + HEADER - 4)) {
        return err_set(err, TL_ECORRUPT, "it is damaged, or no snapshot");
    }
    if (load_le32(h + 8) != VERSION) {
        return err_set(err, TL_EVERSION, "it is of version %u", (unsigned)load_le32(h + 8));
    }
    mark.offset = load_le64(h + 16);
    memcpy(mark.id, h + 24, sizeof mark.id);
    *length = load_le64(h + 72);
    *crc = load_le32(h + 80);
    return find_mark(r, &mark, at, err);
}

static int load(struct redis *r, const struct reply *fields, int (*parse)(void *ctx, struct image_source *from, struct tl_err *err),
                void *ctx, struct tl_err *err)
{
    const struct str *header = reply_text(fields, 0), *generation = reply_text(fields, 1);
    struct source s = {.in = {.base.read = piece_read, .fetch = fetch}, .r = r};
    struct redis_position at;
    uint32_t crc = 0;
    if (!header || !generation || generation->n != GENERATION) {
        return err_set(err, TL_ECORRUPT, "it is damaged, or no snapshot");
    }
    memcpy(s.generation, generation->p, GENERATION);
    int rc = check_header(r, *header, &at, &s.in.base.left, &crc, err);
    rc = rc == TL_OK ? parse(ctx, &s.in.base, err) : rc;
    rc = rc == TL_OK ? piece_drain(&s.in, err) : rc;
    if (rc == TL_OK && s.in.crc != crc) {
        rc = err_set(err, TL_ECORRUPT, "its checksum is wrong");
    }
    arena_release(&s.memory);
    if (rc == TL_OK) {
        r->at = at;
        r->hole_known = false;
    }
    return rc;
}

int redis_snapshot_load(struct backend *b, int (*parse)(void *ctx, struct image_source *from, struct tl_err *err), void *ctx,
                        bool *loaded, struct tl_err *err)
{
    struct redis *r = redis_of(b);
    struct arena memory = {0};
    struct reply *fields = NULL;
    struct tl_err why = TL_ERR_INIT;
    struct str words[4] = {STR("HMGET"), key_of(r, &memory, ":trialog:snapshot", NULL, 0), STR("header"), STR("generation")};
    int rc = words[1].p ? command(r, words, 4, &memory, &fields, &why) : err_nomem(&why);
    bool there = rc == TL_OK && fields->type == REPLY_LIST && fields->n == 2 && fields->item[0]->type != REPLY_NIL;
    if (there) {
        guard_lock(&r->guard);
        rc = load(r, fields, parse, ctx, &why);
        guard_leave(&r->guard);
    }
    arena_release(&memory);
    if (rc == TL_ENOMEM) {
        return err_nomem(err);
    }
    if (rc != TL_OK) {
        log_emit(r->log, LOG_SNAPSHOT_IGNORED, "the snapshot in Redis is ignored: %s", why.message);
        return TL_OK;
    }
    *loaded = there;
    return TL_OK;
}

/* ---- saving ---- */

struct sink {
    struct piece_sink out;
    struct redis *r;
    char generation[GENERATION + 1];
    uint64_t parts;
};

static int put(struct piece_sink *out, struct str piece, struct tl_err *err)
{
    struct sink *s = (struct sink *)(void *)out;
    struct arena memory = {0};
    struct reply *reply = NULL;
    if (s->parts >= PARTS_MAX) {
        return err_set(err, TL_ELIMIT, "the snapshot is too large for Redis");
    }
    struct str words[5] = {STR("SET"), key_of(s->r, &memory, ":trialog:snapshot", s->generation, s->parts), piece, STR("EX"),
                           STR(UNFINISHED_S)};
    int rc = words[1].p ? command(s->r, words, 5, &memory, &reply, err) : err_nomem(err);
    arena_release(&memory);
    s->parts++;
    return rc;
}

static int put_in_place(struct sink *s, const struct backend_mark *at, struct tl_err *err)
{
    uint8_t header[HEADER] = {0};
    memcpy(header, magic, sizeof magic);
    store_le32(header + 8, VERSION);
    store_le32(header + 12, (uint32_t)s->parts);
    store_le64(header + 16, at->offset);
    memcpy(header + 24, at->id, sizeof at->id);
    store_le64(header + 72, s->out.total);
    store_le32(header + 80, s->out.crc);
    store_le32(header + HEADER - 4, crc32c(0, header, HEADER - 4));
    char parts[24];
    struct arena memory = {0};
    struct reply *reply = NULL;
    struct str words[3] = {{s->generation, GENERATION}, redis_number(parts, s->parts), {(const char *)header, HEADER}};
    struct redis_call c = {.script = SCRIPT_SNAPSHOT, .words = words, .n = 3, .deadline_ns = redis_deadline(s->r->timeout_ms),
                           .memory = &memory};
    int rc = link_call(&s->r->link, &c, &reply, err);
    if (rc == TL_OK && (reply->type != REPLY_NUMBER || reply->number != 1)) {
        rc = err_set(err, TL_EIO, "a part of the snapshot did not stay in Redis");
    }
    arena_release(&memory);
    return rc;
}

int redis_snapshot_save(struct backend *b, const struct backend_mark *at,
                        int (*produce)(void *ctx, struct image_sink *to, struct tl_err *err), void *ctx, struct tl_err *err)
{
    struct sink s = {.r = redis_of(b)};
    uint64_t chance;
    if (load_le64(at->id) == 0) {
        return err_set(err, TL_EUNAVAILABLE, "the journal is empty: there is nothing to keep");
    }
    int rc = os->random(&chance, sizeof chance);
    if (rc < 0) {
        return err_sys(err, -rc, "no random bytes");
    }
    for (int i = 0; i < GENERATION; i++) {
        s.generation[i] = "0123456789abcdef"[chance >> (4 * i) & 15];
    }
    rc = piece_sink_init(&s.out, PART, put, err);
    rc = rc == TL_OK ? produce(ctx, &s.out.base, err) : rc;
    rc = rc == TL_OK ? piece_flush(&s.out, err) : rc;
    rc = rc == TL_OK ? put_in_place(&s, at, err) : rc;
    piece_sink_release(&s.out);
    return rc;
}
