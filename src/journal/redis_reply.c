/* SPDX-License-Identifier: MIT
 *
 * Requests and replies of Redis (RESP2) by hiredis' formatter and reader, with replies in our own memory.
 *
 * Happy path: bytes go in as they arrive; when a reply is whole it comes out as a tree in the arena that the caller gave.
 * Failure: TL_EIO for bytes that are no reply, and for one that is larger than we ever ask for (a garbled length must not make us
 * wait for gigabytes); TL_ENOMEM. After a failure the reader is spoilt: the connection ends. Invariants: hiredis' own
 * reply objects are not used, so every object of ours can fail to be made; lists are at most LIST_MAX long and do not nest deeper
 * than hiredis allows (7). hiredis is opened at run time, and only a library of the version whose headers we were built with: the
 * reader's struct is part of its interface.
 */
#include "journal/redis.h"

#include "base/err.h"
#include "journal/client_library.h"

#include <hiredis/hiredis.h>

#define LIST_MAX 1000000
#define REPLY_MAX ((size_t)1 << 30)

#define QUOTE_(x) #x
#define QUOTE(x) QUOTE_(x)
#define API(X) X(redisReaderCreateWithFunctions) X(redisReaderFree) X(redisReaderFeed) X(redisReaderGetReply) X(redisFormatCommandArgv) \
    X(redisFreeCommand)
static struct { API(CLIENT_MEMBER) } api;
#define client_table api
static const struct client_symbol symbols[] = {API(CLIENT_SYMBOL)};
static struct client_library library = {
    "Redis", "libhiredis" QUOTE(HIREDIS_SONAME), {"libhiredis.so." QUOTE(HIREDIS_SONAME)}, symbols, TL_COUNT(symbols), &api, 0};

struct reply_reader {
    redisReader *hiredis;
    struct arena *memory;
    bool no_memory, too_long;
};

/* ---- building replies ---- */

static struct reply *new_reply(const redisReadTask *task, enum reply_type type)
{
    struct reply_reader *r = task->privdata;
    struct reply *made = arena_alloc(r->memory, sizeof *made);
    if (!made) {
        r->no_memory = true;
        return NULL;
    }
    *made = (struct reply){.type = type};
    if (task->parent) {
        struct reply *list = task->parent->obj;
        list->item[task->idx] = made;
    }
    return made;
}

static void *create_string(const redisReadTask *task, char *bytes, size_t n)
{
    struct reply_reader *r = task->privdata;
    struct reply *made = new_reply(task, task->type == REDIS_REPLY_ERROR    ? REPLY_ERROR
                                         : task->type == REDIS_REPLY_STATUS ? REPLY_STATUS
                                                                            : REPLY_TEXT);
    if (made) {
        made->text = (struct str){arena_dup(r->memory, bytes, n), n};
        r->no_memory = !made->text.p;
    }
    return made && made->text.p ? made : NULL;
}

static void *create_array(const redisReadTask *task, int n)
{
    struct reply_reader *r = task->privdata;
    if (n < 0 || n > LIST_MAX) {
        r->too_long = true;
        return NULL;
    }
    struct reply *made = new_reply(task, REPLY_LIST);
    if (made && n > 0) {
        made->n = (size_t)n;
        made->item = arena_alloc(r->memory, made->n * sizeof(struct reply *));
        r->no_memory = !made->item;
        if (!made->item) {
            return NULL;
        }
        memset(made->item, 0, made->n * sizeof(struct reply *));
    }
    return made;
}

static void *create_integer(const redisReadTask *task, long long number)
{
    struct reply *made = new_reply(task, REPLY_NUMBER);
    if (made) {
        made->number = number;
    }
    return made;
}

static void *create_nil(const redisReadTask *task)
{
    return new_reply(task, REPLY_NIL);
}

/* Everything lies in an arena. */
static void free_object(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions functions = {create_string, create_array, create_integer, create_nil, free_object};

/* ---- the reader ---- */

int reply_reader_new(struct reply_reader **out, struct tl_err *err)
{
    int rc = client_library_open(&library, err);
    if (rc != TL_OK) {
        return rc;
    }
    struct reply_reader *r = mem_zalloc(1, sizeof *r);
    if (!r) {
        return err_nomem(err);
    }
    r->hiredis = api.redisReaderCreateWithFunctions(&functions);
    if (!r->hiredis) {
        mem_free(r);
        return err_nomem(err);
    }
    r->hiredis->privdata = r;
    *out = r;
    return TL_OK;
}

void reply_reader_free(struct reply_reader *r)
{
    if (r) {
        api.redisReaderFree(r->hiredis);
        mem_free(r);
    }
}

void reply_reader_use(struct reply_reader *r, struct arena *memory)
{
    r->memory = memory;
}

int reply_feed(struct reply_reader *r, const char *bytes, size_t n, struct reply **out, struct tl_err *err)
{
    void *made = NULL;
    *out = NULL;
    if (r->hiredis->len - r->hiredis->pos > REPLY_MAX) {
        return err_set(err, TL_EIO, "the Redis server's reply is larger than any that was asked for");
    }
    int rc = n > 0 ? api.redisReaderFeed(r->hiredis, bytes, n) : REDIS_OK;
    rc = rc == REDIS_OK ? api.redisReaderGetReply(r->hiredis, &made) : rc;
    if (r->no_memory || (rc != REDIS_OK && r->hiredis->err == REDIS_ERR_OOM && !r->too_long)) {
        return err_nomem(err);
    }
    if (rc != REDIS_OK) {
        return err_set(err, TL_EIO, "what the server sent is no reply of Redis");
    }
    *out = made;
    return TL_OK;
}

int reply_request(struct buf *out, const struct str *words, size_t n, struct tl_err *err)
{
    const char **word = mem_alloc(n * sizeof *word);
    size_t *length = mem_alloc(n * sizeof *length);
    char *command = NULL;
    int size = -1;
    if (word && length) {
        for (size_t i = 0; i < n; i++) {
            word[i] = words[i].n ? words[i].p : "";
            length[i] = words[i].n;
        }
        size = api.redisFormatCommandArgv(&command, (int)n, word, length);
    }
    if (size >= 0) {
        buf_add(out, command, (size_t)size);
        api.redisFreeCommand(command);
    }
    mem_free(word);
    mem_free(length);
    return size < 0 || out->failed == TL_ENOMEM ? err_nomem(err)
           : out->failed                        ? err_set(err, TL_ELIMIT, "the request to the Redis server is too large")
                                                : TL_OK;
}

/* ---- looking at lists ---- */

bool reply_number(const struct reply *list, size_t i, int64_t *out)
{
    if (list->type != REPLY_LIST || i >= list->n || list->item[i]->type != REPLY_NUMBER) {
        return false;
    }
    *out = list->item[i]->number;
    return true;
}

const struct str *reply_text(const struct reply *list, size_t i)
{
    return list->type == REPLY_LIST && i < list->n && list->item[i]->type == REPLY_TEXT ? &list->item[i]->text : NULL;
}
