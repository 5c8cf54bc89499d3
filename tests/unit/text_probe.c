/* SPDX-License-Identifier: MIT
 *
 * The C side of dist_vs_python.py and op_vs_python.py: reads requests from standard input, one per line, and
 * answers each with one line. Texts travel as hexadecimal digits, doubles as the 16 digits of their bits.
 *
 *   dist TEXT                  number of the distribution in the table and what it is, or "refused REASON"
 *   contains ID BITS           0 or 1
 *   external ID BITS           a value, or "refused REASON"
 *   internal ID TEXT           TEXT: a categorical distribution whose first choice is the value; answers
 *                              BITS or "refused REASON"
 *   equal ID ID, compatible ID ID
 *   line TEXT                  the operation as JSON; both ways to read it must agree
 *   encode N TEXT              the line that op_encode makes of the operation with count N in the line
 */
#include "base/json.h"
#include "base/num.h"
#include "model/dist.h"
#include "model/op_text.h"
#include "op_same.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct dist_table table;

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double double_of(const char *hex)
{
    uint64_t bits = strtoull(hex, NULL, 16);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void put_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        printf("%02x", (unsigned char)s.p[i]);
    }
}

static int nibble(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static struct str from_hex(const char *hex)
{
    size_t n = strlen(hex) / 2;
    char *p = malloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return (struct str){p, n};
}

static void refused(const struct tl_err *err)
{
    printf("refused %s\n", err->message);
}

static void put_value(const struct tl_value *v)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    dist_value_write(&b, v);
    printf("%d %.*s\n", (int)v->kind, (int)b.len, b.data ? b.data : "");
    buf_release(&b);
}

static void answer_dist(const char *arg)
{
    struct str text = from_hex(arg);
    struct tl_err err = TL_ERR_INIT;
    uint32_t id, again;
    if (dist_table_add(&table, text, false, &id, &err) != TL_OK) {
        refused(&err);
    } else {
        /* the same text as it would stand in a line must give the same number */
        struct buf quoted = BUF_INIT(SIZE_MAX);
        json_put_string(&quoted, text);
        if (dist_table_add(&table, (struct str){quoted.data + 1, quoted.len - 2}, true, &again, &err) !=
                TL_OK ||
            again != id) {
            abort();
        }
        buf_release(&quoted);
        const struct dist *d = dist_table_get(&table, id);
        struct buf b = BUF_INIT(SIZE_MAX);
        dist_format(&d->d, &b);
        printf("%u %d %d %d %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %d %" PRIu64 " ", id, (int)d->class_,
               (int)d->d.kind, d->d.log, bits_of(d->d.low), bits_of(d->d.high), bits_of(d->d.step),
               tl_dist_single(&d->d), tl_dist_cardinality(&d->d));
        put_hex((struct str){b.data, b.len});
        putchar('\n');
        buf_release(&b);
    }
    free((void *)(uintptr_t)text.p);
}

static void answer_internal(const struct dist *d, const char *arg)
{
    struct str text = from_hex(arg);
    struct arena a = {0};
    struct tl_dist value;
    struct tl_err err = TL_ERR_INIT;
    double internal;
    if (dist_parse(text, &a, &value, NULL, &err) != TL_OK) {
        abort();
    }
    if (tl_dist_internal(&d->d, &value.choices[0], &internal, &err) != TL_OK) {
        refused(&err);
    } else {
        printf("%016" PRIx64 "\n", bits_of(internal));
    }
    arena_release(&a);
    free((void *)(uintptr_t)text.p);
}

/* ---- lines ---- */

static void put_str(const char *key, struct str s)
{
    printf(",\"%s\":", key);
    if (!s.p) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    put_hex(s);
    putchar('"');
}

static void put_bits(const char *key, double v)
{
    printf(",\"%s\":\"%016" PRIx64 "\"", key, bits_of(v));
}

static void put_time(const char *key, struct tl_time t)
{
    if (t.set) {
        printf(",\"%s\":[%" PRId64 ",%s]", key, t.us, t.naive ? "true" : "false");
    } else {
        printf(",\"%s\":null", key);
    }
}

static void put_attrs(const char *key, const struct op_attr *attrs, size_t n)
{
    printf(",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        printf("%s{\"i\":%zu", i ? "," : "", i);
        put_str("key", attrs[i].key);
        put_str("json", attrs[i].json);
        putchar('}');
    }
    putchar(']');
}

static void put_op(const struct op *op)
{
    printf(",\"code\":%d,\"target\":%" PRId64 ",\"step\":%" PRId64
           ",\"state\":%d,\"template\":%d,\"n\":%" PRIu64,
           (int)op->code, op->target, op->step, op->state, op->is_template, op->n);
    put_str("odd", str_of(op->odd));
    put_str("worker", op->worker);
    put_str("name", op->name);
    put_str("text", op->text);
    printf(",\"escaped\":%d", op->text_escaped);
    put_bits("number", op->number);
    put_time("start", op->start);
    put_time("complete", op->complete);
    fputs(",\"values\":", stdout);
    fputs(op->has_values ? "[" : "null", stdout);
    for (size_t i = 0; i < op->n_values; i++) {
        printf("%s\"%016" PRIx64 "\"", i ? "," : "", bits_of(op->values[i]));
    }
    fputs(op->has_values ? "]" : "", stdout);
    fputs(",\"directions\":[", stdout);
    for (size_t i = 0; i < op->n_directions; i++) {
        printf("%s%d", i ? "," : "", op->directions[i]);
    }
    fputs("],\"params\":[", stdout);
    for (size_t i = 0; i < op->n_params; i++) {
        const struct op_param *p = &op->params[i];
        printf("%s{\"has\":%d,\"escaped\":%d", i ? "," : "", p->has_value, p->dist_escaped);
        put_str("name", p->name);
        put_str("dist", p->dist);
        put_bits("internal", p->internal);
        putchar('}');
    }
    putchar(']');
    put_attrs("user_attrs", op->user_attrs, op->n_user_attrs);
    put_attrs("system_attrs", op->system_attrs, op->n_system_attrs);
    fputs(",\"reports\":[", stdout);
    for (size_t i = 0; i < op->n_reports; i++) {
        printf("%s[%" PRId64 ",\"%016" PRIx64 "\"]", i ? "," : "", op->reports[i].step,
               bits_of(op->reports[i].value));
    }
    putchar(']');
}

static void answer_line(const char *arg)
{
    struct str line = from_hex(arg);
    struct arena a = {0};
    struct op op, other;
    struct tl_err err = TL_ERR_INIT;
    bool fast = op_decode_fast(line, &a, &op);
    enum op_line how = op_decode(line, &a, &op, &err);
    if (op_check_crc(line) != 0 && (op_decode_general(line, &a, &other, NULL) != how || !op_same(&op, &other))) {
        abort();
    }
    printf("{\"how\":%d,\"fast\":%d", (int)how, fast);
    put_str("message", str_of(how == OP_LINE_OK ? "" : err.message));
    put_op(&op);
    puts("}");
    arena_release(&a);
    free((void *)(uintptr_t)line.p);
}

static void answer_encode(uint64_t n, const char *arg)
{
    struct str line = from_hex(arg);
    struct arena a = {0};
    struct op op, again;
    struct buf b = BUF_INIT(SIZE_MAX);
    if (op_decode(line, &a, &op, NULL) != OP_LINE_OK) {
        puts("refused not an operation");
    } else {
        op.n = n;
        if (op_encode(&op, &b) != TL_OK) {
            puts("refused no line");
        } else {
            struct str out = {b.data, b.len - 1};
            if (b.data[b.len - 1] != '\n' || op_check_crc(out) != 1 ||
                op_decode(out, &a, &again, NULL) != OP_LINE_OK || !op_same_meaning(&op, &again, &a)) {
                abort();
            }
            put_hex(out);
            putchar('\n');
        }
    }
    buf_release(&b);
    arena_release(&a);
    free((void *)(uintptr_t)line.p);
}

/* Ends a word at its blank and returns what follows. */
static char *cut(char *word)
{
    size_t n = strcspn(word, " ");
    if (word[n] == '\0') {
        return word + n;
    }
    word[n] = '\0';
    return word + n + 1;
}

static void answer(char *request)
{
    char *verb = request, *first = cut(verb), *second = cut(first);
    if (strcmp(verb, "dist") == 0) {
        answer_dist(first);
        return;
    }
    if (strcmp(verb, "line") == 0) {
        answer_line(first);
        return;
    }
    if (strcmp(verb, "encode") == 0) {
        answer_encode(strtoull(first, NULL, 10), second);
        return;
    }
    const struct dist *d = dist_table_get(&table, (uint32_t)strtoul(first, NULL, 10));
    if (strcmp(verb, "contains") == 0) {
        printf("%d\n", tl_dist_contains(&d->d, double_of(second)));
    } else if (strcmp(verb, "external") == 0) {
        struct tl_value v;
        struct tl_err err = TL_ERR_INIT;
        if (tl_dist_external(&d->d, double_of(second), &v, &err) != TL_OK) {
            refused(&err);
        } else {
            put_value(&v);
        }
    } else if (strcmp(verb, "internal") == 0) {
        answer_internal(d, second);
    } else {
        const struct dist *other = dist_table_get(&table, (uint32_t)strtoul(second, NULL, 10));
        printf("%d\n", strcmp(verb, "equal") == 0 ? dist_equal(d, other) : dist_compatible(d, other));
    }
}

int main(void)
{
    char *request = NULL;
    size_t size = 0;
    dist_table_init(&table);
    while (getline(&request, &size, stdin) > 0) {
        request[strcspn(request, "\n")] = '\0';
        answer(request);
    }
    free(request);
    dist_table_release(&table);
    return 0;
}
