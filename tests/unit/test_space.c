/* SPDX-License-Identifier: MIT
 *
 * cli/space.c and cli/command_template.c: the language of --param and --enqueue, conditions, placeholders, environment.
 */
#include "cli/command_template.h"
#include "cli/space.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/check_main.h"

static struct search_space space;

static void setup(void)
{
    space = (struct search_space){.params = NULL};
}

static void teardown(void)
{
    search_space_release(&space);
}

static void add(const char *text)
{
    struct tl_err err = TL_ERR_INIT;
    int rc = search_space_add(&space, str_of(text), &err);
    ck_assert_msg(rc == 0, "%s: %s at %d", text, err.message, (int)err.offset);
}

/* `mark` is text whose '^' shows where the error must point. */
static void refuse(const char *text, const char *mark)
{
    struct tl_err err = TL_ERR_INIT;
    size_t n = space.n;
    int rc = search_space_add(&space, str_of(text), &err);
    ck_assert_msg(rc == TL_EINVAL || rc == TL_ELIMIT, "%s was taken", text);
    ck_assert_msg(err.offset == (int64_t)strlen(mark) - 1, "%s: %s at %d", text, err.message, (int)err.offset);
    ck_assert(err.message[0] != 0);
    ck_assert_uint_eq(space.n, n);
}

START_TEST(ranges)
{
    add("lr=float(1e-5, .1 ,log)");
    add(" x = float ( -1, +1, step = 0.25 ) ");
    add("n=int(1,100,log)");
    add("m=int(0,10,step=4)");
    const struct space_param *p = space.params;
    ck_assert(p[0].dist.kind == TL_DIST_FLOAT && p[0].dist.log && p[0].dist.low == 1e-5 && p[0].dist.high == 0.1);
    ck_assert(p[1].dist.step == 0.25 && p[1].dist.low == -1 && !p[1].dist.log);
    ck_assert(p[2].dist.kind == TL_DIST_INT && p[2].dist.log && p[2].dist.step == 1);
    ck_assert(p[3].dist.high == 8 && p[3].adjusted && !p[2].adjusted);
    ck_assert_str_eq(p[0].name, "lr");
    ck_assert_str_eq(p[0].env, "TRIALOG_PARAM_LR");
}
END_TEST

START_TEST(choices)
{
    add("c=choice(\"a b\", 1, 2.5, true, null, word, -O2, a=b, \"\\u00e9\")");
    const struct tl_dist *d = &space.params[0].dist;
    static const enum tl_value_kind kinds[] = {TL_VALUE_STRING, TL_VALUE_INT,    TL_VALUE_FLOAT,  TL_VALUE_BOOL};
    ck_assert_uint_eq(d->n_choices, 9);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(d->choices[i].kind, kinds[i]);
    }
}
END_TEST

START_TEST(wrong_declarations)
{
    refuse("", "^");
    refuse("x", " ^");
    refuse("=float(0,1)", "^");
    refuse("1x=float(0,1)", "^");
    refuse("x=flot(0,1)", "..^");
    refuse("x=float", ".......^");
    refuse("x=float(0,1", "...........^");
    refuse("x=float(0;1)", "........^");
    refuse("x=float(0)", ".........^");
    refuse("x=float(a,1)", "........^");
    refuse("x=float(0,inf)", "..........^");
    refuse("x=float(1,0)", "..^");
    refuse("x=float(0,1,log)", "..^");
    refuse("x=float(1,2,log,log)", "................^");
    refuse("x=float(1,2,lag)", "............^");
    refuse("x=float(1,2,step)", "................^");
    refuse("x=float(1,2,step=0)", "............^");
    refuse("x=int(1,2.5)", "........^");
    refuse("x=int(0,1) else", "...........^");
    refuse("x=choice()", ".........^");
    refuse("x=choice(a,)", "...........^");
    refuse("x=choice(a,a)", "...........^");
    refuse("x=choice(1,true,1)", "................^");
    refuse("x=choice(\"a)", ".........^");
    refuse("x=choice('a')", ".........^");
    refuse("x=choice(a b)", "...........^");
    refuse("trial=int(1,2)", "^");
    refuse("not=int(1,2)", "^");
    refuse("x\xff=int(1,2)", "^");
    add("a.b=int(1,2)");
    refuse("a.b=int(1,2)", "^");
    refuse("a_b=int(1,2)", "^");
}
END_TEST

/* Truth of a condition when a, b = given numbers and c = given index; NAN: absent. */
static bool truth(const char *condition, double a, double b, double c)
{
    struct search_space s = {.params = NULL};
    struct tl_err err = TL_ERR_INIT;
    char text[512];
    double values[3] = {a, b, c};
    struct space_value given[4] = {{false, 0}};
    snprintf(text, sizeof text, "p=int(0,1) if %s", condition);
    ck_assert_int_eq(search_space_add(&s, STR("a=int(0,9)"), &err), 0);
    ck_assert_int_eq(search_space_add(&s, STR("b=float(0,1)"), &err), 0);
    ck_assert_int_eq(search_space_add(&s, STR("c=choice(u,\"v w\",3,null)"), &err), 0);
    int rc = search_space_add(&s, str_of(text), &err);
    ck_assert_msg(rc == 0, "%s: %s at %d", text, err.message, (int)err.offset);
    for (size_t i = 0; i < 3; i++) {
        given[i] = (struct space_value){values[i] == values[i], values[i]};
    }
    bool result = search_space_active(&s, 3, given);
    search_space_release(&s);
    return result;
}

START_TEST(conditions)
{
    const double none = 0.0 / 0.0;
    ck_assert(truth("a>=3", 3, 0, 0) && !truth("a>=3", 2, 0, 0));
    ck_assert(truth("a<3", 2, 0, 0) && truth("a <= 3", 3, 0, 0) && !truth("a>3", 3, 0, 0));
    ck_assert(truth("a==3", 3, 0, 0) && truth("a!=3", 4, 0, 0) && truth("a==3.0", 3, 0, 0));
    ck_assert(truth("b > .25", 0, 0.3, 0) && !truth("b>.25", 0, 0.25, 0));
    ck_assert(truth("c==u", 0, 0, 0) && truth("c == \"v w\"", 0, 0, 1) && truth("c==3.0", 0, 0, 2) &&
              truth("c==null", 0, 0, 3));
    ck_assert(truth("c in (u,3)", 0, 0, 2) && !truth("c in (u,3)", 0, 0, 1) && truth("c not in (u,3)", 0, 0, 1));
    ck_assert(truth("a in (1,2)", 2, 0, 0) && !truth("a in (1,2)", 3, 0, 0));
    /* or < and < not */
    ck_assert(truth("a==1 or a==2 and b>0.5", 1, 0, 0) && !truth("(a==1 or a==2) and b>0.5", 1, 0, 0));
    ck_assert(truth("not a==1 and b>0.5", 2, 1, 0) && !truth("not (a==2 or b>0.5)", 1, 1, 0));
    ck_assert(truth("not not a==1", 1, 0, 0) && truth("((a==1))", 1, 0, 0));
    ck_assert(truth("a==1 and b>0.5 or c==u", 5, 0, 0) && !truth("a==1 and b>0.5 or c==u", 1, 0.2, 1));
    ck_assert(truth("not a==1 or not b>0.5", 1, 0.2, 1));
    /* absent: every comparison is false */
    ck_assert(!truth("a!=3", none, 0, 0) && !truth("a not in (3)", none, 0, 0) && truth("not a==3", none, 0, 0));
    ck_assert(truth("a==3 or b>=0", none, 0, 0));
}
END_TEST

START_TEST(wrong_conditions)
{
    add("a=int(0,9)");
    add("c=choice(u,v)");
    add("d=choice(1,2.5)");
    add("e=int(0,1) if d>1");
    refuse("p=int(0,1) if", ".............^");
    refuse("p=int(0,1) if z>1", "..............^");
    refuse("p=int(0,1) if p>1", "..............^");
    refuse("p=int(0,1) if a", "...............^");
    refuse("p=int(0,1) if a=1", "...............^");
    refuse("p=int(0,1) if a>", "................^");
    refuse("p=int(0,1) if a>x", "................^");
    refuse("p=int(0,1) if a==12", ".................^");
    refuse("p=int(0,1) if a==1.5", ".................^");
    refuse("p=int(0,1) if c>u", "................^");
    refuse("p=int(0,1) if c==w", ".................^");
    refuse("p=int(0,1) if c in u", "...................^");
    refuse("p=int(0,1) if c in (u", ".....................^");
    refuse("p=int(0,1) if (a>1", "..............^");
    refuse("p=int(0,1) if a>1)", ".................^");
    refuse("p=int(0,1) if a>1 a>2", "..................^");
    refuse("p=int(0,1) if a>1 and", ".....................^");
    refuse("p=int(0,1) if not", ".................^");
    char deep[400] = "p=int(0,1) if ";
    for (int i = 0; i < 65; i++) {
        strcat(deep, "(");
    }
    char mark[400];
    memset(mark, '.', sizeof mark);
    mark[14 + 64 + 1] = 0;
    refuse(deep, mark);
}
END_TEST

START_TEST(deepest_condition)
{
    char deep[1000] = "p=int(0,1) if ";
    add("a=int(0,9)");
    for (int i = 0; i < 31; i++) {
        strcat(deep, "a==1 or (");
    }
    strcat(deep, "a==2 or a==3");
    for (int i = 0; i < 31; i++) {
        strcat(deep, ")");
    }
    add(deep);
    struct space_value v[2] = {{true, 3}, {false, 0}};
    ck_assert(search_space_active(&space, 1, v));
    v[0].internal = 4;
    ck_assert(!search_space_active(&space, 1, v));
}
END_TEST

START_TEST(fixed_parameters)
{
    struct tl_fixed_param *f;
    struct tl_err err = TL_ERR_INIT;
    size_t n = 0;
    add("lr=float(0,1)");
    add("n=int(1,9)");
    add("c=choice(a,\"1\",2,\"x y\")");
    add("k=int(0,3) if c==a");
    ck_assert_int_eq(search_space_fixed(&space, STR(" lr = .5 , n=3.0,c=1"), &f, &n, &err), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert(f[0].value.kind == TL_VALUE_FLOAT && f[0].value.as.f == 0.5);
    ck_assert(f[1].value.kind == TL_VALUE_INT && f[1].value.as.i == 3);
    ck_assert(f[2].value.kind == TL_VALUE_STRING && f[2].value.as.text.len == 1);
    ck_assert_int_eq(search_space_fixed(&space, STR("c=\"x y\""), &f, &n, &err), 0);
    ck_assert_int_eq(search_space_fixed(&space, STR("k=2"), &f, &n, &err), 0);
    ck_assert_int_eq(search_space_fixed(&space, STR("k=2,c=a"), &f, &n, &err), 0);
    static const struct {
        const char *text;
        int offset;
    } bad[] = {{"", 0},      {"lr", 2},      {"z=1", 0},   {"lr=2", 3},     {"n=2.5", 2},
               {"n=a", 2},   {"n=\"3\"", 2}, {"c=b", 2},   {"lr=0,lr=1", 5}, {"lr=0 n=1", 5},
               {"lr=0,", 5}, {"k=2,c=2", -1}};
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        err = (struct tl_err)TL_ERR_INIT;
        ck_assert_int_eq(search_space_fixed(&space, str_of(bad[i].text), &f, &n, &err), TL_EINVAL);
        ck_assert_msg(err.offset == bad[i].offset, "%s: %s at %d", bad[i].text, err.message, (int)err.offset);
    }
}
END_TEST

/* ---- words and environment ---- */

static struct arena arena;

static char **fill(const char *const *words, size_t n, const struct space_value *values)
{
    struct command_template t;
    struct tl_err err = TL_ERR_INIT;
    struct trial_facts facts = {&space, values, 12, "my study", "s.journal", NULL, NULL};
    size_t bad;
    char **argv = NULL;
    int rc = command_template_read(&t, &space, words, n, &bad, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rc = command_template_fill(&t, &facts, &arena, &argv, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    command_template_release(&t);
    return argv;
}

START_TEST(placeholders)
{
    static const char *const words[] = {"run", "--lr={lr}", "{c}{{}}", "", "{n}", "a{n}b{lr}", "{trial}:{study}{n}", "{lr}{c}"};
    static const char *const want[] = {"run", "--lr=1e-05", "x y{}", "", "ab1e-05", "12:my study", "1e-05x y"};
    add("lr=float(0,1)");
    add("c=choice(a,\"x y\")");
    add("n=int(0,1) if c==a");
    struct space_value v[3] = {{true, 1e-5}, {true, 1}, {false, 0}};
    char **argv = fill(words, TL_COUNT(words), v);
    size_t n = 0;
    for (; argv[n]; n++) {
        ck_assert_str_eq(argv[n], want[n]);
    }
    ck_assert_uint_eq(n, TL_COUNT(want));
    arena_release(&arena);
}
END_TEST

START_TEST(wrong_placeholders)
{
    static const struct {
        const char *word;
        int offset;
    } bad[] = {{"{", 0}, {"a{x", 1}, {"}", 0}, {"{z}", 0}, {"{{}", 2}, {"{}", 0}, {"{x}}", 3}, {"${HOME}", 1}};
    add("x=float(0,1)");
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        struct command_template t;
        struct tl_err err = TL_ERR_INIT;
        const char *words[] = {"run", bad[i].word};
        size_t which = 9;
        ck_assert_int_eq(command_template_read(&t, &space, words, 2, &which, &err), TL_EINVAL);
        ck_assert_uint_eq(which, 1);
        ck_assert_msg(err.offset == bad[i].offset, "%s: %d", bad[i].word, (int)err.offset);
    }
}
END_TEST

START_TEST(environment)
{
    char *inherited[] = {"PATH=/bin", "TRIALOG_PARAM_OLD=1", "TRIALOG_STORAGE=other", "TRIALOG_TRIAL_NUMBER=7",
                         "TRIALOG_PRUNER=nop", "TRIALOG_OTHER=x", NULL};
    static const char *const want[] = {"PATH=/bin", "TRIALOG_OTHER=x", "TRIALOG_PARAM_A_B_C=0.5",
                                       "TRIALOG_TRIAL_NUMBER=12", "TRIALOG_STUDY_NAME=s", "TRIALOG_STORAGE=s.journal",
                                       "TRIALOG_PRUNER=median"};
    struct space_value v[2] = {{true, 0.5}, {false, 0}};
    struct trial_facts facts = {&space, v, 12, "s", "s.journal", "median", NULL};
    struct tl_err err = TL_ERR_INIT;
    char **env;
    add("a.b-C=float(0,1)");
    add("n=int(0,1) if a.b-C>0.6");
    ck_assert_int_eq(command_environment(&facts, inherited, &arena, &env, &err), 0);
    size_t n = 0;
    for (; env[n]; n++) {
        ck_assert_str_eq(env[n], want[n]);
    }
    ck_assert_uint_eq(n, TL_COUNT(want));
    arena_release(&arena);
}
END_TEST

/* ---- out of memory ---- */

static size_t countdown;

static bool refuse_now(void)
{
    return countdown > 0 && --countdown == 0;
}
static void *hook_alloc(size_t size, void *ctx)
{
    (void)ctx;
    return refuse_now() ? NULL : malloc(size);
}
static void *hook_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    return refuse_now() ? NULL : realloc(old, size);
}
static void hook_release(void *old, void *ctx)
{
    (void)ctx;
    free(old);
}

START_TEST(every_allocation_may_fail)
{
    static const struct mem_hooks hooks = {hook_alloc, hook_resize, hook_release, NULL};
    static const char *const words[] = {"run", "{c}", "x{a}"};
    size_t k = 1, failures = 0;
    mem_set_hooks(&hooks);
    for (int rc = TL_ENOMEM; rc != 0; k++) {
        struct search_space s = {.params = NULL};
        struct command_template t = {.words = NULL};
        struct arena a = {NULL, 0};
        struct tl_fixed_param *f;
        struct tl_err err = TL_ERR_INIT;
        struct space_value v[2] = {{true, 3}, {true, 1}};
        struct trial_facts facts = {&s, v, 1, "s", "j", NULL, NULL};
        size_t n;
        char **list, *none[] = {NULL};
        countdown = k;
        rc = search_space_add(&s, STR("a=int(0,9)"), &err);
        rc = rc ? rc : search_space_add(&s, STR("c=choice(\"x\\n\",b,1) if a==1 or a in (2,3) and not a<2"), &err);
        rc = rc ? rc : search_space_fixed(&s, STR("a=2,c=b"), &f, &n, &err);
        rc = rc ? rc : command_template_read(&t, &s, words, TL_COUNT(words), &n, &err);
        rc = rc ? rc : command_template_fill(&t, &facts, &a, &list, &err);
        rc = rc ? rc : command_environment(&facts, none, &a, &list, &err);
        countdown = 0;
        /* the reader of numbers can only say "no number" */
        ck_assert_msg(rc == 0 || rc == TL_ENOMEM || rc == TL_EINVAL, "allocation %zu: %s", k, err.message);
        failures += rc == TL_ENOMEM;
        command_template_release(&t);
        search_space_release(&s);
        arena_release(&a);
    }
    mem_set_hooks(NULL);
    ck_assert_uint_ge(failures, 10);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("space");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, ranges);
    tcase_add_test(t, choices);
    tcase_add_test(t, wrong_declarations);
    tcase_add_test(t, conditions);
    tcase_add_test(t, wrong_conditions);
    tcase_add_test(t, deepest_condition);
    tcase_add_test(t, fixed_parameters);
    tcase_add_test(t, placeholders);
    tcase_add_test(t, wrong_placeholders);
    tcase_add_test(t, environment);
    tcase_add_test(t, every_allocation_may_fail);
    return check_run("space", t);
}
