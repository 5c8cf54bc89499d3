/* SPDX-License-Identifier: MIT
 *
 * model/dist*.c: what a distribution is, its text, its values, the table. The rules are compared with Optuna in
 * dist_vs_python.py; here are the promises of the two headers.
 */
#include "model/dist.h"
#include "support/check_main.h"
#include "support/fail_alloc.h"

#include <math.h>
#include <stdio.h>

#define INT_V(v)                          \
    {                                     \
        .kind = TL_VALUE_INT, .as.i = (v) \
    }
#define FLOAT_V(v)                          \
    {                                       \
        .kind = TL_VALUE_FLOAT, .as.f = (v) \
    }
#define BOOL_V(v)                          \
    {                                      \
        .kind = TL_VALUE_BOOL, .as.b = (v) \
    }
#define TEXT_V(v)                                                 \
    {                                                             \
        .kind = TL_VALUE_STRING, .as.text = {(v), sizeof(v) - 1 } \
    }
#define JSON_V(v)                                               \
    {                                                           \
        .kind = TL_VALUE_JSON, .as.text = {(v), sizeof(v) - 1 } \
    }
#define NULL_V                \
    {                         \
        .kind = TL_VALUE_NULL \
    }

/* ---- rules ---- */

START_TEST(ranges_become_reachable)
{
    struct tl_dist d = {TL_DIST_FLOAT, false, 0, 1, 0.3, NULL, 0};
    bool moved = false;
    ck_assert_int_eq(tl_dist_normalise(&d, &moved, NULL), TL_OK);
    ck_assert(moved && d.high == 0.9);
    ck_assert_int_eq(tl_dist_normalise(&d, &moved, NULL), TL_OK);
    ck_assert(!moved && d.high == 0.9);
    d = (struct tl_dist)TL_INT_RANGE(1, 10);
    d.step = 4;
    ck_assert_int_eq(tl_dist_normalise(&d, &moved, NULL), TL_OK);
    ck_assert(moved && d.high == 9);
    d = (struct tl_dist){TL_DIST_INT, false, -9007199254740992.0, 9007199254740992.0, 3,
                         NULL,        0}; /* a range of 2^54 */
    ck_assert_int_eq(tl_dist_normalise(&d, &moved, NULL), TL_OK);
    ck_assert(moved && d.high == 9007199254740991.0);
    d = (struct tl_dist){TL_DIST_INT, false, 1, 3, 0, NULL, 0};
    ck_assert_int_eq(tl_dist_normalise(&d, NULL, NULL), TL_OK);
    ck_assert(d.step == 1);
}
END_TEST

static const struct tl_value one_choice[] = {INT_V(1)}, bad_choice[] = {JSON_V("[1")};

static const struct bad {
    struct tl_dist d;
    const char *why;
} bads[] = {
    {{TL_DIST_FLOAT, false, 1, 0, 0, NULL, 0}, "low is above high (low 1.0, high 0.0)"},
    {{TL_DIST_FLOAT, true, 0, 1, 0, NULL, 0}, "log needs low above 0 (low 0.0, high 1.0)"},
    {{TL_DIST_FLOAT, true, 1, 2, 0.5, NULL, 0}, "a float distribution cannot have both log and step"},
    {{TL_DIST_FLOAT, false, 0, 1, -0.5, NULL, 0}, "step is not above 0"},
    {{TL_DIST_FLOAT, false, 0, NAN, 0, NULL, 0}, "low, high and step must be finite"},
    {{TL_DIST_FLOAT, false, 0, INFINITY, 0, NULL, 0}, "low, high and step must be finite"},
    {{TL_DIST_FLOAT, false, 0, 1, 1e-300, NULL, 0}, "too many steps between low and high (low 0.0, high 1.0)"},
    {{TL_DIST_INT, false, 2, 1, 1, NULL, 0}, "low is above high (low 2.0, high 1.0)"},
    {{TL_DIST_INT, true, 0, 1, 1, NULL, 0}, "log needs low of at least 1 (low 0.0, high 1.0)"},
    {{TL_DIST_INT, true, 1, 9, 2, NULL, 0}, "an int distribution with log needs step 1"},
    {{TL_DIST_INT, false, 0, 1.5, 1, NULL, 0}, "low, high and step must be whole numbers within 2^53"},
    {{TL_DIST_INT, false, 0, 9007199254740994.0, 1, NULL, 0},
     "low, high and step must be whole numbers within 2^53"},
    {{TL_DIST_INT, false, 0, 1, -1, NULL, 0}, "step is not above 0"},
    {{TL_DIST_CATEGORICAL, false, 0, 0, 0, NULL, 0}, "a categorical distribution needs at least one choice"},
    {{TL_DIST_CATEGORICAL, false, 0, 0, 0, one_choice, 0},
     "a categorical distribution needs at least one choice"},
    {{TL_DIST_CATEGORICAL, false, 0, 0, 0, bad_choice, 1}, "choice 0 is no JSON"},
    {{(enum tl_dist_kind)7, false, 0, 0, 0, NULL, 0}, "no such kind of distribution: 7"},
};

START_TEST(broken_rules_are_named)
{
    ck_assert_int_eq(tl_dist_normalise(NULL, NULL, NULL), TL_EINVAL);
    struct tl_dist d = bads[_i].d;
    struct tl_err err = TL_ERR_INIT;
    ck_assert_int_eq(tl_dist_normalise(&d, NULL, &err), TL_EINVAL);
    ck_assert_str_eq(err.message, bads[_i].why);
    ck_assert_int_eq(memcmp(&d, &bads[_i].d, sizeof d), 0);
}
END_TEST

START_TEST(values_inside_and_outside)
{
    struct tl_dist d = {TL_DIST_FLOAT, false, 0, 1, 0, NULL, 0};
    ck_assert(tl_dist_contains(&d, 0) && tl_dist_contains(&d, 1) && tl_dist_contains(&d, 0.3));
    ck_assert(!tl_dist_contains(&d, nextafter(1, 2)) && !tl_dist_contains(&d, NAN) &&
              !tl_dist_contains(&d, -1e-300));
    d.step = 0.1;
    ck_assert(tl_dist_contains(&d, 0.3) && tl_dist_contains(&d, 0.1 * 3) && !tl_dist_contains(&d, 0.25));
    d = (struct tl_dist){TL_DIST_INT, false, -3, 9, 3, NULL, 0};
    ck_assert(tl_dist_contains(&d, -3) && tl_dist_contains(&d, 6) && !tl_dist_contains(&d, 5) &&
              !tl_dist_contains(&d, 12));
    ck_assert(!tl_dist_contains(&d, 0.5) && !tl_dist_contains(&d, NAN));
    d = (struct tl_dist){TL_DIST_CATEGORICAL, false, 0, 0, 0, one_choice, 1};
    ck_assert(tl_dist_contains(&d, 0) && tl_dist_contains(&d, -0.5) && !tl_dist_contains(&d, 1) &&
              !tl_dist_contains(&d, -1));
    ck_assert(!tl_dist_contains(&d, NAN));
}
END_TEST

START_TEST(single_values_and_counts)
{
    const struct {
        struct tl_dist d;
        bool single;
        uint64_t n;
    } t[] = {
        {TL_FLOAT_RANGE(0, 1), false, 0},
        {TL_FLOAT_RANGE(2, 2), true, 1},
        {TL_FLOAT_LOG(2, 2), true, 1},
        {{TL_DIST_FLOAT, false, 0, 0.9, 0.3, NULL, 0}, false, 4},
        {{TL_DIST_FLOAT, false, 0, 0.1, 0.3, NULL, 0}, true, 1},
        {{TL_DIST_FLOAT, false, 0, 1e25, 1, NULL, 0}, false, 0},
        {TL_INT_RANGE(1, 1), true, 1},
        {TL_INT_LOG(1, 4), false, 4},
        {{TL_DIST_INT, false, 1, 3, 5, NULL, 0}, true, 1},
        {{TL_DIST_INT, false, -9007199254740992.0, 9007199254740991.0, 1, NULL, 0}, false, UINT64_C(1) << 54},
        {{TL_DIST_INT, false, 0, 1e30, 1, NULL, 0}, false, 0},
        {{TL_DIST_CATEGORICAL, false, 0, 0, 0, one_choice, 1}, true, 1},
    };
    for (size_t i = 0; i < TL_COUNT(t); i++) {
        ck_assert_int_eq(tl_dist_single(&t[i].d), t[i].single);
        ck_assert_uint_eq(tl_dist_cardinality(&t[i].d), t[i].n);
    }
}
END_TEST

/* ---- internal and external ---- */

START_TEST(numbers_go_out_and_in)
{
    struct tl_dist f = TL_FLOAT_LOG(0.1, 1), n = TL_INT_RANGE(0, 9);
    struct tl_value v;
    double x;
    ck_assert(tl_dist_external(&f, 0.25, &v, NULL) == TL_OK && v.kind == TL_VALUE_FLOAT && v.as.f == 0.25);
    ck_assert(tl_dist_external(&n, -2.9, &v, NULL) == TL_OK && v.kind == TL_VALUE_INT && v.as.i == -2);
    ck_assert(tl_dist_external(&n, 1e300, &v, NULL) == TL_OK && v.kind == TL_VALUE_FLOAT && v.as.f == 1e300);
    ck_assert_int_eq(tl_dist_external(&n, NAN, &v, NULL), TL_EINVAL);
    ck_assert_int_eq(tl_dist_external(&n, INFINITY, &v, NULL), TL_EINVAL);

    const struct {
        struct tl_value v;
        bool ok;
        double x;
    } in[] = {{INT_V(3), true, 3},
              {FLOAT_V(7e9), true, 7e9},
              {BOOL_V(true), true, 1},
              {TEXT_V(" 2.5\n"), true, 2.5},
              {JSON_V("123456789012345678901"), true, 123456789012345678901.0},
              {NULL_V, false, 0},
              {TEXT_V("x"), false, 0},
              {TEXT_V(""), false, 0},
              {TEXT_V("1 2"), false, 0},
              {JSON_V("[1]"), false, 0},
              {FLOAT_V(NAN), false, 0},
              {TEXT_V("NaN"), false, 0}};
    for (size_t i = 0; i < TL_COUNT(in); i++) {
        x = -1;
        ck_assert_int_eq(tl_dist_internal(&n, &in[i].v, &x, NULL), in[i].ok ? TL_OK : TL_EINVAL);
        ck_assert_double_eq(x, in[i].ok ? in[i].x : -1);
    }
    ck_assert_int_eq(tl_dist_internal(&f, &(struct tl_value)INT_V(0), &x, NULL), TL_EINVAL);
    ck_assert_int_eq(tl_dist_internal(&f, &(struct tl_value)INT_V(100), &x, NULL),
                     TL_OK); /* no check of the range */
}
END_TEST

static const struct tl_value choices[] = {
    NULL_V,          BOOL_V(true),   INT_V(2),           FLOAT_V(2.5),
    FLOAT_V(NAN),    TEXT_V("a\0b"), JSON_V("[1, 2.0]"), JSON_V("73786976294838206464"),
    FLOAT_V(0x1p66), TEXT_V("2")};

START_TEST(choices_go_out_and_in)
{
    struct tl_dist d = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, TL_COUNT(choices)};
    struct tl_value v;
    double x;
    for (size_t i = 0; i < TL_COUNT(choices); i++) {
        ck_assert_int_eq(tl_dist_external(&d, (double)i + 0.9, &v, NULL), TL_OK);
        ck_assert_int_eq(v.kind, choices[i].kind);
        ck_assert_int_eq(tl_dist_external(&d, (double)i - (double)TL_COUNT(choices), &v, NULL),
                         TL_OK); /* from the end */
        ck_assert_int_eq(v.kind, choices[i].kind);
        ck_assert_int_eq(tl_dist_internal(&d, &choices[i], &x, NULL), TL_OK);
        ck_assert_double_eq(x, i == 8 ? 7 : (double)i); /* 2^66 is there as a whole number already */
    }
    ck_assert_int_eq(tl_dist_external(&d, TL_COUNT(choices), &v, NULL), TL_EINVAL);
    ck_assert_int_eq(tl_dist_external(&d, -1.0 - TL_COUNT(choices), &v, NULL), TL_EINVAL);
    ck_assert_int_eq(tl_dist_external(&d, NAN, &v, NULL), TL_EINVAL);

    const struct {
        struct tl_value v;
        int index;
    } in[] = {
        {FLOAT_V(1), 1},       {INT_V(1), 1},        {FLOAT_V(2), 2},     {JSON_V("[1.0,2]"), 6},
        {JSON_V("[2,1]"), -1}, {TEXT_V("a"), -1},    {BOOL_V(false), -1}, {JSON_V("73786976294838206465"), -1},
        {JSON_V("null"), 0},   {JSON_V("\"2\""), 9}, {JSON_V("[1"), -1}};
    for (size_t i = 0; i < TL_COUNT(in); i++) {
        x = -1;
        ck_assert_int_eq(tl_dist_internal(&d, &in[i].v, &x, NULL), in[i].index < 0 ? TL_EINVAL : TL_OK);
        ck_assert_double_eq(x, in[i].index);
    }
}
END_TEST

START_TEST(values_are_equal_as_in_python)
{
    /* values of one group are equal, others are not */
    const struct {
        struct tl_value v;
        int group;
    } t[] = {
        {NULL_V, 0},
        {JSON_V("null"), 0},
        {BOOL_V(true), 1},
        {INT_V(1), 1},
        {FLOAT_V(1), 1},
        {JSON_V("1e0"), 1},
        {BOOL_V(false), 2},
        {FLOAT_V(-0.0), 2},
        {JSON_V("-0"), 2},
        {TEXT_V("1"), 3},
        {TEXT_V(""), 4},
        {FLOAT_V(NAN), 5},
        {INT_V(9007199254740993), 6},
        {FLOAT_V(9007199254740992.0), 7},
        {INT_V(INT64_MIN), 8},
        {FLOAT_V(-0x1p63), 8},
        {INT_V(INT64_MAX), 9},
        {FLOAT_V(0x1p63), 10},
        {JSON_V("9223372036854775808"), 10},
        {JSON_V("9223372036854775809"), 11},
        {FLOAT_V(1e300), 12},
        {FLOAT_V(INFINITY), 13},
        {FLOAT_V(-INFINITY), 14},
        {FLOAT_V(0.1), 15},
        {JSON_V("[]"), 16},
        {JSON_V("{}"), 17},
        {JSON_V("[[]]"), 18},
        {JSON_V("[\"\\u0061\",true]"), 19},
        {JSON_V(" [ \"a\" , 1.0 ] "), 19},
        {JSON_V("[\"a1\"]"), 20},
        {JSON_V("[\"a\",\"1\"]"), 21},
        {JSON_V("{\"a\":[NaN,false]}"), 22},
        {JSON_V("{\"a\":[NaN,false]}"), 22},
        {JSON_V("oops"), 23},
    };
    for (size_t i = 0; i < TL_COUNT(t); i++) {
        for (size_t k = 0; k < TL_COUNT(t); k++) {
            ck_assert_msg(dist_value_equal(&t[i].v, &t[k].v) == (t[i].group == t[k].group), "%zu and %zu", i,
                          k);
        }
    }
}
END_TEST

START_TEST(all_digits_of_large_doubles)
{
    char digits[DIST_DIGITS_MAX + 1];
    const struct {
        double v;
        const char *text;
    } t[] = {{0x1p53, "9007199254740992"},
             {1e22, "10000000000000000000000"},
             {1e23, "99999999999999991611392"},
             {0x1p70, "1180591620717411303424"}};
    for (size_t i = 0; i < TL_COUNT(t); i++) {
        digits[dist_exact_digits(t[i].v, digits)] = '\0';
        ck_assert_str_eq(digits, t[i].text);
    }
    size_t n = dist_exact_digits(1.7976931348623157e308, digits);
    ck_assert_uint_eq(n, 309);
    ck_assert_int_eq(memcmp(digits, "17976931348623157081452742373170435679807056752584", 50), 0);
}
END_TEST

/* ---- text ---- */

static const char *written(const struct tl_dist *d)
{
    static char text[2000];
    struct buf b = BUF_INIT(sizeof text);
    ck_assert_int_eq(dist_format(d, &b), TL_OK);
    memcpy(text, b.data, b.len);
    text[b.len] = '\0';
    buf_release(&b);
    return text;
}

START_TEST(texts_have_optunas_bytes)
{
    const struct tl_value some[] = {NULL_V,
                                    BOOL_V(true),
                                    INT_V(1),
                                    FLOAT_V(1.5),
                                    TEXT_V("a\"\xc3\xa9"),
                                    FLOAT_V(NAN),
                                    FLOAT_V(INFINITY),
                                    JSON_V("[1,{\"k\" :\t1.50}]")};
    struct tl_dist d = TL_FLOAT_RANGE(0, 1);
    ck_assert_str_eq(written(&d), "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": "
                                  "0.0, \"high\": 1.0, \"log\": false}}");
    d = (struct tl_dist)TL_FLOAT_LOG(1e-5, 1e16);
    ck_assert_str_eq(written(&d), "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": "
                                  "1e-05, \"high\": 1e+16, \"log\": true}}");
    d = (struct tl_dist){TL_DIST_INT, true, 1, 1e22, 1, NULL, 0};
    ck_assert_str_eq(written(&d), "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": true, \"step\": "
                                  "1, \"low\": 1, \"high\": 10000000000000000000000}}");
    d = (struct tl_dist){TL_DIST_CATEGORICAL, false, 0, 0, 0, some, TL_COUNT(some)};
    ck_assert_str_eq(written(&d), "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": "
                                  "[null, true, 1, 1.5, \"a\\\"\\u00e9\", NaN, "
                                  "Infinity, [1, {\"k\": 1.5}]]}}");
    struct buf b = BUF_INIT(100);
    d.choices = bad_choice;
    d.n_choices = 1;
    ck_assert_int_eq(dist_format(&d, &b), TL_EINVAL);
    buf_release(&b);
}
END_TEST

#define D100 \
    "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
#define RANGE "\"low\":1,\"high\":9"
static const struct read {
    const char *text;
    const char *written; /* as a current class; NULL: refused with `why` */
    const char *why;
    enum dist_class class_;
} reads[] = {
#define F(step, low, high, log)                                                                                \
    "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": " step ", \"low\": " low ", \"high\": " high \
    ", \"log\": " log "}}"
#define I(log, step, low, high)                                                                            \
    "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": " log ", \"step\": " step ", \"low\": " low \
    ", \"high\": " high "}}"
    {"{\"name\":\"FloatDistribution\",\"attributes\":{" RANGE "}}", F("null", "1.0", "9.0", "false"), NULL,
     DIST_FLOAT},
    {"{\"attributes\":{\"high\":3,\"\\u006cow\":1,\"high\":9,\"step\":2.5},\"x\":[],\"name\":"
     "\"FloatDistribution\"}",
     F("2.5", "1.0", "8.5", "false"), NULL, DIST_FLOAT},
    {"{\"name\":\"UniformDistribution\",\"attributes\":{" RANGE "}}", F("null", "1.0", "9.0", "false"), NULL,
     DIST_UNIFORM},
    {"{\"name\":\"LogUniformDistribution\",\"attributes\":{" RANGE "}}", F("null", "1.0", "9.0", "true"), NULL,
     DIST_LOG_UNIFORM},
    {"{\"name\":\"DiscreteUniformDistribution\",\"attributes\":{" RANGE ",\"q\":3}}",
     F("3.0", "1.0", "7.0", "false"), NULL, DIST_DISCRETE_UNIFORM},
    {"{\"name\":\"DiscreteUniformDistribution\",\"attributes\":{" RANGE ",\"q\":null}}",
     F("null", "1.0", "9.0", "false"), NULL, DIST_DISCRETE_UNIFORM},
    {"{\"name\":\"IntUniformDistribution\",\"attributes\":{" RANGE ",\"step\":3}}", I("false", "3", "1", "7"),
     NULL, DIST_INT_UNIFORM},
    {"{\"name\":\"IntLogUniformDistribution\",\"attributes\":{" RANGE "}}", I("true", "1", "1", "9"), NULL,
     DIST_INT_LOG_UNIFORM},
    {"{\"name\":\"IntDistribution\",\"attributes\":{\"low\":1.9,\"high\":4.2,\"step\":2.7}}",
     I("false", "2", "1", "3"), NULL, DIST_INT},
    {"{\"name\":\"IntDistribution\",\"attributes\":{\"low\":false,\"high\":true}}", I("false", "1", "0", "1"),
     NULL, DIST_INT},
    {"{\"type\":\"float\"," RANGE "}", F("null", "1.0", "9.0", "false"), NULL, DIST_FLOAT},
    {"{\"type\":\"float\"," RANGE ",\"log\":true,\"q\":3}", F("null", "1.0", "9.0", "true"), NULL, DIST_FLOAT},
    {"{\"type\":\"int\"," RANGE ",\"step\":null}", I("false", "1", "1", "9"), NULL, DIST_INT},
    {"{\"type\":\"categorical\",\"choices\":[1]}",
     "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [1]}}", NULL, DIST_CATEGORICAL},
    {"{\"name\":\"FloatDistribution\",\"attributes\":{\"low\":-Infinity,\"high\":NaN}}",
     F("null", "-Infinity", "NaN", "false"), NULL, DIST_FLOAT},
    {"{\"type\":\"int\",\"low\":-1e22,\"high\":1}", I("false", "1", "-10000000000000000000000", "1"), NULL,
     DIST_INT},
    {"{\"type\":\"categorical\",\"choices\":[18446744073709551616,[ false,null , "
     "-18446744073709551616,1e2,-0]]}",
     "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [18446744073709551616, [false, "
     "null, "
     "-18446744073709551616, 100.0, 0]]}}",
     NULL, DIST_CATEGORICAL},
    {"{\"name\":\"FloatDistribution\",\"attributes\":[]}", NULL, "'attributes' is missing or no object", 0},
    {"{\"name\":\"IntDistribution\",\"attributes\":{\"low\":0,\"high\":" D100 D100 D100 D100 "}}", NULL,
     "'high' is too large", 0},
    {"{\"name\":\"FloatDistribution\",\"attributes\":{\"low\":1}}", NULL, "'high' is missing", 0},
    {"{\"name\":\"FloatDistribution\",\"attributes\":{" RANGE ",\"q\":1}}", NULL,
     "an attribute that the class does not have", 0},
    {"{\"name\":\"UniformDistribution\",\"attributes\":{" RANGE ",\"log\":false}}", NULL,
     "an attribute that the class does not have", 0},
    {"{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":[1],\"x\":1}}", NULL,
     "an attribute that the class does not have", 0},
    {"{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":[]}}", NULL,
     "a categorical distribution needs at least one choice", 0},
    {"{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":\"ab\"}}", NULL,
     "'choices' is not a list", 0},
    {"{\"name\":\"FloatDistribution\",\"attributes\":{" RANGE ",\"step\":0}}", NULL, "'step' is not above 0",
     0},
    {"{\"name\":\"FloatDistribution\",\"attributes\":{\"low\":true,\"high\":2,\"step\":1}}", NULL,
     "true and false are no numbers when there is a step", 0},
    {"{\"name\":\"FloatDistribution\",\"attributes\":{\"low\":null,\"high\":2}}", NULL, "'low' is not a number",
     0},
    {"{\"name\":\"IntDistribution\",\"attributes\":{" RANGE ",\"step\":null}}", NULL, "'step' is not a number",
     0},
    {"{\"name\":\"IntDistribution\",\"attributes\":{" RANGE ",\"step\":0.5}}", NULL, "step is not above 0", 0},
    {"{\"name\":\"IntDistribution\",\"attributes\":{\"low\":0,\"high\":Infinity}}", NULL,
     "an int distribution needs finite numbers", 0},
    {"{\"name\":\"IntDistribution\",\"attributes\":{\"low\":1.7,\"high\":1.2}}", NULL, "low is above high", 0},
    {"{\"name\":\"IntDistribution\",\"attributes\":{\"low\":0.5,\"high\":3,\"log\":true}}", NULL,
     "log needs low of at least 1", 0},
    {"{\"name\":\"IntDistribution\",\"attributes\":{" RANGE ",\"log\":true,\"step\":1.5}}", NULL,
     "log needs step 1", 0},
    {"{\"name\":\"NormalDistribution\",\"attributes\":{}}", NULL, "unknown class", 0},
    {"{\"name\":5,\"attributes\":{}}", NULL, "'name' is not a text", 0},
    {"{\"name\":\"FloatDistribution\"}", NULL, "'attributes' is missing or no object", 0},
    {"{\"type\":\"bool\"," RANGE "}", NULL, "unknown type", 0},
    {"{\"type\":\"int\",\"low\":1}", NULL, "'high' is missing", 0},
    {"{}", NULL, "'type' is not a text", 0},
    {"[]", NULL, "", 0},
    {"", NULL, "", 0},
    {"{\"type\":\"int\"," RANGE "}x", NULL, "", 0},
};

START_TEST(texts_are_read_as_in_optuna)
{
    const struct read *t = &reads[_i];
    struct arena a = {0};
    struct tl_dist d;
    enum dist_class class_ = DIST_INT_LOG_UNIFORM;
    struct tl_err err = TL_ERR_INIT;
    int rc = dist_parse(str_of(t->text), &a, &d, &class_, &err);
    if (t->written) {
        ck_assert_int_eq(rc, TL_OK);
        ck_assert_int_eq(class_, t->class_);
        ck_assert_str_eq(written(&d), t->written);
    } else {
        ck_assert_int_eq(rc, TL_EINVAL);
        ck_assert_ptr_nonnull(strstr(err.message, t->why));
    }
    arena_release(&a);
}
END_TEST

START_TEST(log_is_what_python_takes_for_true)
{
    static const char *const yes[] = {"true", "1", "-0.5", "NaN", "\"x\"", "[0]", "{\"a\":0}"};
    static const char *const no[] = {"false", "0", "-0.0", "null", "\"\"", "[ ]", "{}"};
    for (size_t i = 0; i < 2 * TL_COUNT(yes); i++) {
        bool log = i < TL_COUNT(yes);
        struct buf b = BUF_INIT(1000);
        struct arena a = {0};
        struct tl_dist d;
        buf_printf(&b, "{\"type\":\"float\"," RANGE ",\"log\":%s}", log ? yes[i] : no[i - TL_COUNT(yes)]);
        ck_assert_int_eq(dist_parse((struct str){b.data, b.len}, &a, &d, NULL, NULL), TL_OK);
        ck_assert_int_eq(d.log, log);
        buf_release(&b);
        arena_release(&a);
    }
}
END_TEST

/* ---- the table ---- */

static uint32_t add(struct dist_table *t, const char *text, bool escaped)
{
    uint32_t id = 0;
    int rc = dist_table_add(t, str_of(text), escaped, &id, NULL);
    ck_assert_int_eq(rc, TL_OK);
    return id;
}

START_TEST(texts_get_numbers)
{
    struct dist_table t;
    uint32_t id = 77;
    dist_table_init(&t);
    uint32_t a = add(&t, "{\"type\":\"int\"," RANGE "}", false);
    uint32_t b = add(&t, "{\"type\": \"int\"," RANGE "}", false);
    uint32_t c = add(&t, "{\"name\":\"IntUniformDistribution\",\"attributes\":{" RANGE "}}", false);
    uint32_t d = add(&t, "{\"type\":\"int\",\"low\":1,\"high\":8}", false);
    uint32_t e = add(&t, "{\"type\":\"categorical\",\"choices\":[1,true,\"x\"]}", false);
    uint32_t f = add(&t, "{\"type\":\"categorical\",\"choices\":[1.0,1,\"\\u0078\"]}", false);
    uint32_t g = add(&t, "{\"type\":\"float\"," RANGE "}", false);
    uint32_t h = add(&t, "{\"type\":\"float\"," RANGE ",\"log\":true}", false);
    ck_assert(a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8);
    ck_assert_uint_eq(add(&t, "{\\\"type\\\":\\\"int\\\",\\\"low\\\":1,\\\"high\\\":9}", true), a);
    ck_assert_uint_eq(add(&t, "{\\\"type\\\":\\\"int\\\",\\u0022low\\\":1,\\\"high\\\":9}", true), a);
    ck_assert_uint_eq(add(&t, "{\\\"type\\\":\\\"int\\\",\\\"low\\\":1,\\\"high\\\":9}", true), a);
    ck_assert_int_eq(dist_table_add(&t, STR("{}"), false, &id, NULL), TL_EINVAL);
    ck_assert_int_eq(dist_table_add(&t, STR("{\\x"), true, &id, NULL), TL_EINVAL);
    ck_assert_int_eq(dist_table_add(&t, STR("\"\""), true, &id, NULL), TL_EINVAL);
    ck_assert_uint_eq(id, 77);
    const struct dist *p[9];
    for (uint32_t i = 1; i < 9; i++) {
        p[i] = dist_table_get(&t, i);
    }
    ck_assert_str_eq(p[a]->text.p, "{\"type\":\"int\"," RANGE "}");
    ck_assert(dist_equal(p[a], p[b]) && !dist_equal(p[a], p[c]) && !dist_equal(p[a], p[d]) &&
              dist_equal(p[e], p[f]));
    ck_assert(dist_compatible(p[a], p[d]) && !dist_compatible(p[a], p[c]) && dist_compatible(p[e], p[f]));
    ck_assert(!dist_compatible(p[g], p[h]) && !dist_compatible(p[a], p[g]) && !dist_compatible(p[a], p[e]));
    ck_assert_uint_eq(p[b]->equal_id, a);
    dist_table_release(&t);
}
END_TEST

START_TEST(entries_never_move_and_many_fit)
{
    struct dist_table t;
    dist_table_init(&t);
    char text[100];
    add(&t, "{\"type\":\"int\",\"low\":0,\"high\":0}", false);
    const struct dist *first = dist_table_get(&t, 1);
    for (int i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "{\\\"type\\\":\\\"int\\\",\\\"low\\\":%d,\\\"high\\\":%d}", i, i);
        ck_assert_uint_eq(add(&t, text, true), (uint32_t)i + 1);
        ck_assert_uint_eq(dist_table_get(&t, (uint32_t)i + 1)->equal_id, (uint32_t)i + 1);
    }
    ck_assert_ptr_eq(dist_table_get(&t, 1), first);
    dist_table_release(&t);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    static const char *const texts[] = {
        "{\\\"type\\\":\\\"categorical\\\",\\\"choices\\\":[1,\\\"\\\\u0061\\\",[true,\\\"\\\\u0061\\\"]]}",
        "{\\\"type\\\":\\\"categorical\\\",\\\"choices\\\":[1.0,\\\"a\\\",[1,\\\"a\\\"]]}",
        "{\\\"name\\\":\\\"\\\\u0046loatDistribution\\\",\\\"attributes\\\":{\\\"low\\\":0,\\\"high\\\":1}}",
    };
    struct fail_alloc f;
    for (long n = 0;; n++) {
        struct dist_table t;
        fail_alloc_after(&f, n);
        dist_table_init(&t);
        int failures = 0;
        for (size_t i = 0; i < TL_COUNT(texts); i++) {
            uint32_t id;
            struct tl_err err = TL_ERR_INIT;
            int rc = dist_table_add(&t, str_of(texts[i]), true, &id, &err);
            if (rc != TL_OK) {
                ck_assert(rc == TL_ENOMEM && err.code == TL_ENOMEM);
                failures++;
                f.left = 1000; /* memory is there again: the same call must succeed now */
                ck_assert_int_eq(dist_table_add(&t, str_of(texts[i]), true, &id, &err), TL_OK);
            }
            ck_assert_uint_eq(id, i + 1);
            ck_assert_uint_eq(dist_table_get(&t, id)->equal_id, i == 1 ? 1 : i + 1);
        }
        dist_table_release(&t);
        ck_assert_int_eq(f.out, 0);
        mem_set_hooks(NULL);
        if (failures == 0) {
            break;
        }
    }
}
END_TEST

START_TEST(reading_may_run_out_of_memory)
{
    static const char text[] = "{\"\\u006eame\":\"\\u0043ategoricalDistribution\",\"attributes\":{"
                               "\"\\u0063hoices\":[null,\"a\",\"\\u0062\","
                               "18446744073709551616,[1,\"c\"]]}}";
    struct fail_alloc f;
    int failures = 0;
    for (size_t before = 16; before < 1024; before += 16) {
        for (long n = 1;; n++) {
            struct arena a = {0};
            struct tl_dist d = {.n_choices = 77};
            fail_alloc_after(&f, n);
            ck_assert_ptr_nonnull(arena_alloc(&a, before));
            int rc = dist_parse(STR(text), &a, &d, NULL, NULL);
            ck_assert(rc == TL_OK ? d.n_choices == 5 : rc == TL_ENOMEM && d.n_choices == 77);
            arena_release(&a);
            mem_set_hooks(NULL);
            ck_assert_int_eq(f.out, 0);
            failures += rc != TL_OK;
            if (!f.failed) {
                break;
            }
        }
    }
    ck_assert_int_gt(failures, 0);
}
END_TEST

START_TEST(comparing_may_run_out_of_memory)
{
    struct tl_dist d = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, TL_COUNT(choices)};
    struct tl_value v = JSON_V("[1,2]");
    struct fail_alloc f;
    double x = -1;
    fail_alloc_after(&f, 0);
    int equal = dist_value_equal(&choices[6], &v);
    int rc = tl_dist_internal(&d, &v, &x, NULL);
    int plain = dist_value_equal(&choices[2], &choices[3]);
    mem_set_hooks(NULL);
    ck_assert_int_eq(equal, TL_ENOMEM);
    ck_assert_int_eq(rc, TL_ENOMEM);
    ck_assert_int_eq(plain, 0);
    ck_assert_double_eq(x, -1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("dist");
    tcase_add_test(t, ranges_become_reachable);
    tcase_add_loop_test(t, broken_rules_are_named, 0, TL_COUNT(bads));
    tcase_add_test(t, values_inside_and_outside);
    tcase_add_test(t, single_values_and_counts);
    tcase_add_test(t, numbers_go_out_and_in);
    tcase_add_test(t, choices_go_out_and_in);
    tcase_add_test(t, values_are_equal_as_in_python);
    tcase_add_test(t, all_digits_of_large_doubles);
    tcase_add_test(t, texts_have_optunas_bytes);
    tcase_add_loop_test(t, texts_are_read_as_in_optuna, 0, TL_COUNT(reads));
    tcase_add_test(t, log_is_what_python_takes_for_true);
    tcase_add_test(t, texts_get_numbers);
    tcase_add_test(t, entries_never_move_and_many_fit);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, reading_may_run_out_of_memory);
    tcase_add_test(t, comparing_may_run_out_of_memory);
    return check_run("dist", t);
}
