/* SPDX-License-Identifier: MIT
 *
 * Distribution texts: two texts, parted by a newline. What reads can be written and reads back as an equal
 * distribution, values inside go out and in again, and equal distributions are compatible.
 */
#include "base/json.h"
#include "fuzz.h"
#include "model/dist.h"

#include <math.h>

static uint32_t add(struct dist_table *t, struct str text)
{
    struct tl_err err = TL_ERR_INIT;
    uint32_t id = 0, raw = 0;
    int rc = dist_table_add(t, text, false, &id, &err);
    if (rc != TL_OK) {
        FUZZ_CHECK(err.code == rc && rc != TL_ENOMEM && id == 0);
        return 0;
    }
    FUZZ_CHECK(id > 0 && str_eq(dist_table_get(t, id)->text, text));
    struct buf quoted = BUF_INIT(1u << 30);
    json_put_string(&quoted, text);
    FUZZ_CHECK(dist_table_add(t, (struct str){quoted.data + 1, quoted.len - 2}, true, &raw, NULL) == TL_OK &&
               raw == id);
    buf_release(&quoted);
    return id;
}

/* Reading what was written may move `high` of a range with steps again, as in Optuna; nothing else. */
static void check_written(struct dist_table *t, const struct dist *d)
{
    struct buf b = BUF_INIT(1u << 30);
    FUZZ_CHECK(dist_format(&d->d, &b) == TL_OK);
    struct str text = {b.data, b.len};
    uint32_t id = 0;
    if (dist_table_add(t, text, false, &id, NULL) == TL_OK) {
        const struct dist *again = dist_table_get(t, id);
        FUZZ_CHECK(again->d.kind == d->d.kind && again->d.log == d->d.log &&
                   again->d.n_choices == d->d.n_choices);
        /* raw surrogates one behind the other become one character in escapes, in Python too */
        bool same = again->class_ == d->class_ && !memchr(d->text.p, 0xed, d->text.n);
        FUZZ_CHECK(!same || dist_compatible(again, d));
        FUZZ_CHECK(!same || d->d.step != 0 || dist_equal(again, d));
    } else { /* a step with a range that it does not divide any more */
        FUZZ_CHECK(d->d.kind != TL_DIST_CATEGORICAL && d->d.step != 0);
    }
    buf_release(&b);
}

static void check_values(const struct dist *d)
{
    const double some[] = {d->d.low, d->d.high, d->d.low + d->d.step, 0, 1, -1, 0.5, NAN, INFINITY, 1e300};
    for (size_t i = 0; i < TL_COUNT(some); i++) {
        struct tl_value v;
        double back;
        bool inside = tl_dist_contains(&d->d, some[i]);
        int rc = tl_dist_external(&d->d, some[i], &v, NULL);
        FUZZ_CHECK(!inside || rc == TL_OK || isinf(some[i]));
        if (rc != TL_OK || !inside) {
            continue;
        }
        FUZZ_CHECK(tl_dist_internal(&d->d, &v, &back, NULL) == TL_OK);
        if (d->d.kind == TL_DIST_CATEGORICAL) {
            FUZZ_CHECK(back <= some[i] && dist_value_equal(&d->d.choices[(size_t)back], &v) == 1);
        } else {
            FUZZ_CHECK(back == some[i] || d->d.kind == TL_DIST_INT);
        }
    }
    (void)tl_dist_single(&d->d);
    uint64_t n = tl_dist_cardinality(&d->d);
    FUZZ_CHECK(d->d.kind != TL_DIST_CATEGORICAL || n == d->d.n_choices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *newline = size ? memchr(p, '\n', size) : NULL;
    size_t n = newline ? (size_t)(newline - p) : size;
    struct dist_table t;
    dist_table_init(&t);
    uint32_t first = add(&t, (struct str){p, n});
    uint32_t second = newline ? add(&t, (struct str){newline + 1, size - n - 1}) : 0;
    if (first) {
        check_written(&t, dist_table_get(&t, first));
        check_values(dist_table_get(&t, first));
    }
    if (first && second) {
        const struct dist *a = dist_table_get(&t, first), *b = dist_table_get(&t, second);
        FUZZ_CHECK(dist_equal(a, b) == dist_equal(b, a) && dist_compatible(a, b) == dist_compatible(b, a));
        FUZZ_CHECK(!dist_equal(a, b) || dist_compatible(a, b));
    }
    dist_table_release(&t);
    return 0;
}
