/* SPDX-License-Identifier: MIT
 *
 * sampler/grid*.c: the order of cells, who has which, and that each is tried once.
 */
#include <pthread.h>
#include <stdio.h>

#include "sampler/grid.h"
#include "sampler/sampler.h"
#include "support/check_main.h"
#include "support/study_kit.h"

/* ---- order ---- */

START_TEST(order_is_numpys)
{
    /* numpy.random.RandomState(seed).shuffle(list(range(10))), NumPy 2 */
    static const struct {
        uint64_t seed;
        uint64_t list[10];
    } rows[] = {
        {0, {2, 8, 4, 9, 1, 6, 7, 3, 0, 5}},
        {1, {2, 9, 6, 4, 0, 3, 1, 7, 8, 5}},
        {42, {8, 1, 5, 0, 7, 2, 9, 4, 3, 6}},
        {4294967295, {6, 9, 5, 1, 8, 0, 7, 4, 2, 3}},
    };
    static const uint64_t head[] = {778, 334, 271, 802, 216, 408}, tail[] = {537, 196, 175};
    struct grid_order order;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        ck_assert_int_eq(grid_order_init(&order, 10, rows[i].seed, NULL), 0);
        for (uint64_t k = 0; k < 10; k++) {
            ck_assert_uint_eq(grid_order_place(&order, k), rows[i].list[k]);
        }
        grid_order_release(&order);
    }
    ck_assert_int_eq(grid_order_init(&order, 1000, 7, NULL), 0);
    for (uint64_t k = 0; k < 6; k++) {
        ck_assert_uint_eq(grid_order_place(&order, k), head[k]);
    }
    for (uint64_t k = 0; k < 3; k++) {
        ck_assert_uint_eq(grid_order_place(&order, 997 + k), tail[k]);
    }
    grid_order_release(&order);
    ck_assert_int_eq(grid_order_init(&order, 1, 0, NULL), 0);
    ck_assert_uint_eq(grid_order_place(&order, 0), 0);
    grid_order_release(&order);
}
END_TEST

START_TEST(computed_order_is_a_permutation)
{
    static unsigned char seen[100003];
    for (uint64_t n = 1; n <= 300; n += n < 40 ? 1 : 37) {
        struct grid_order order = {n, n * 7, NULL};
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t place = grid_order_place(&order, i);
            ck_assert_uint_lt(place, n);
            ck_assert_int_eq(seen[place]++, 0);
        }
    }
    struct grid_order large = {sizeof seen, 5, NULL}, huge = {GRID_CELLS_MAX, 5, NULL}, other = {GRID_CELLS_MAX, 6, NULL};
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < sizeof seen; i++) {
        ck_assert_int_eq(seen[grid_order_place(&large, i)]++, 0);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_uint_lt(grid_order_place(&huge, i), GRID_CELLS_MAX);
        ck_assert_uint_ne(grid_order_place(&huge, i), grid_order_place(&other, i));
    }
    /* feistel1 is a format: these places, from a second implementation in Python, must never change */
    struct grid_order format = {UINT64_C(1) << 40, 3, NULL};
    ck_assert_uint_eq(grid_order_place(&format, 0), UINT64_C(958896829846));
    ck_assert_uint_eq(grid_order_place(&format, 1), UINT64_C(192769327177));
    ck_assert_uint_eq(grid_order_place(&large, 7), 79750);
}
END_TEST

/* ---- studies ---- */

static tl_storage *storage;
static tl_study *study;
static tl_sampler *grid;

/* b: 3 texts, a: 2 floats; names out of order. */
static tl_sampler *make_grid(int retries)
{
    struct tl_value b[] = {kit_text("u"), kit_text("v"), kit_text("w")}, a[] = {kit_float(0.5), kit_float(99)};
    struct tl_grid_axis axes[] = {{"b", b, 3}, {"a", a, 2}};
    struct tl_grid_options o = TL_GRID_OPTIONS_INIT;
    tl_sampler *s = NULL;
    o.retries = retries;
    OK(tl_sampler_grid(axes, 2, &o, &s, err));
    return s;
}

static void start(int retries)
{
    storage = kit_open("memory://");
    grid = make_grid(retries);
    study = kit_study(storage, "s", grid);
}

static void stop(void)
{
    tl_study_free(study);
    tl_storage_close(storage);
    tl_sampler_free(grid);
}

static const char *const texts[] = {"u", "v", "w"};

/* Which of the six cells a trial has: a * 3 + b, as the product order counts. */
static size_t cell_of(tl_trial *t)
{
    double a;
    size_t b;
    OK(tl_trial_suggest_string(t, "b", texts, 3, &b, err));
    OK(tl_trial_suggest_float(t, "a", 0, 1, 0, false, &a, err));
    ck_assert(a == 0.5 || a == 99); /* outside the range, used all the same */
    return (a == 99 ? 3 : 0) + b;
}

START_TEST(each_cell_once_in_optunas_order)
{
    /* GridSampler({"b": [...], "a": [...]}, seed=0): the shuffled list of list(itertools.product(a, b)) */
    static const size_t order[] = {5, 2, 1, 3, 0, 4};
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    start(0);
    for (int i = 0; i < 6; i++) {
        t = kit_ask(study);
        ck_assert_uint_eq(cell_of(t), order[i]);
        kit_tell(study, t, i);
        tl_view *view = kit_read(study, i, &f);
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "grid_id"), id);
        ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "search_space"), "{\"a\":[0.5,99.0],\"b\":[\"u\",\"v\",\"w\"]}");
        ck_assert_ptr_null(kit_trial_attr(&f, TL_ATTR_SYSTEM, "grid_perm"));
        ck_assert_uint_eq(f.n_attrs, 2);
        tl_view_close(view);
    }
    FAILS(TL_EEXHAUSTED, "every cell", tl_study_ask(study, NULL, &t, err));
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(a_space_travels_with_the_trial)
{
    struct tl_value choices[] = {kit_text("u"), kit_text("v"), kit_text("w")};
    struct tl_dist a = TL_FLOAT_RANGE(0, 100), b = {TL_DIST_CATEGORICAL, false, 0, 0, 0, choices, 3};
    struct tl_param_spec space[] = {{"a", 0, &a}, {"b", 0, &b}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_storage_stats before, after;
    double x;
    tl_trial *t;
    o.space = space;
    o.n_space = 2;
    start(0);
    tl_storage_get_stats(storage, &before);
    OK(tl_study_ask(study, &o, &t, err));
    tl_storage_get_stats(storage, &after);
    ck_assert_uint_eq(after.operations - before.operations, 1);
    ck_assert_uint_eq(after.appends - before.appends, 1);
    ck_assert(tl_trial_param(t, "a", &x));
    ck_assert_double_eq(x, 99);
    ck_assert(tl_trial_param(t, "b", &x));
    ck_assert_double_eq(x, 2);
    kit_tell(study, t, 1);
    stop();
}
END_TEST

START_TEST(failed_cells_come_again)
{
    tl_trial *t;
    int tried[6] = {0};
    start(2);
    size_t first = 9;
    for (int i = 0; i < 6 + 2; i++) { /* the first cell fails three times: once and two retries */
        t = kit_ask(study);
        size_t cell = cell_of(t);
        tried[cell]++;
        first = i == 0 ? cell : first;
        if (cell == first) {
            kit_end(study, t, TL_FAIL);
        } else {
            kit_tell(study, t, 0);
        }
    }
    FAILS(TL_EEXHAUSTED, "", tl_study_ask(study, NULL, &t, err));
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(tried[i], i == first ? 3 : 1);
    }
    stop();
}
END_TEST

START_TEST(running_cells_are_held)
{
    tl_trial *t[6], *more;
    start(-1);
    for (int i = 0; i < 6; i++) {
        t[i] = kit_ask(study);
    }
    FAILS(TL_EEXHAUSTED, "", tl_study_ask(study, NULL, &more, err));
    kit_end(study, t[3], TL_FAIL); /* retries: never */
    FAILS(TL_EEXHAUSTED, "", tl_study_ask(study, NULL, &more, err));
    tl_study_free(study);
    tl_sampler_free(grid);
    grid = make_grid(1); /* another worker with other ideas reads the same study */
    study = kit_study(storage, "s", grid);
    more = kit_ask(study);
    ck_assert_int_eq(tl_trial_number(more), 6);
    ck_assert_uint_eq(cell_of(more), 3);
    tl_trial_free(more);
    for (int i = 0; i < 6; i++) {
        if (i != 3) {
            tl_trial_free(t[i]);
        }
    }
    stop();
}
END_TEST

/* A trial as another program would write it. */
static void put_trial(enum tl_state state, const char *grid_id, const char *space, const char *fixed)
{
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    struct tl_attr_spec attrs[3];
    double value = 1;
    spec.state = state;
    spec.values = state == TL_COMPLETE ? &value : NULL;
    spec.n_values = 1;
    spec.attrs = attrs;
    if (grid_id) {
        attrs[spec.n_attrs++] = (struct tl_attr_spec){TL_ATTR_SYSTEM, "grid_id", grid_id};
    }
    if (space) {
        attrs[spec.n_attrs++] = (struct tl_attr_spec){TL_ATTR_SYSTEM, "search_space", space};
    }
    if (fixed) {
        attrs[spec.n_attrs++] = (struct tl_attr_spec){TL_ATTR_SYSTEM, "fixed_params", fixed};
    }
    OK(tl_storage_create_trial(storage, tl_study_id(study), &spec, NULL, NULL, err));
}

START_TEST(trials_of_others_count)
{
    static const char same[] = "{\"b\": [\"u\", \"v\", \"\\u0077\"], \"a\": [0.5, 99]}", other[] = "{\"a\":[0.5,98.0],\"b\":[\"u\",\"v\",\"w\"]}";
    tl_trial *t;
    int n = 0, cells = 0;
    start(0);
    put_trial(TL_COMPLETE, "5", same, NULL);                        /* cell 4 */
    put_trial(TL_RUNNING, "4", same, NULL);                         /* cell 0 */
    put_trial(TL_PRUNED, NULL, NULL, "{\"b\":\"v\",\"a\":0.5}");    /* cell 1: enqueued, all values fixed */
    put_trial(TL_COMPLETE, "0", other, NULL);                       /* another grid */
    put_trial(TL_COMPLETE, "17", same, NULL);                       /* no such cell */
    put_trial(TL_COMPLETE, "\"0\"", same, NULL);                    /* not a number */
    put_trial(TL_COMPLETE, NULL, NULL, "{\"b\":\"v\"}");            /* not all values */
    put_trial(TL_COMPLETE, NULL, NULL, "{\"b\":\"v\",\"a\":0.5,\"c\":1}");
    put_trial(TL_COMPLETE, "0", NULL, NULL);
    put_trial(TL_FAIL, "3", same, NULL);                            /* cell 3, free again */
    while (tl_study_ask(study, NULL, &t, NULL) == 0) {
        cells |= 1 << cell_of(t);
        kit_tell(study, t, 0);
        n++;
    }
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(cells, 1 << 5 | 1 << 2 | 1 << 3);
    stop();
}
END_TEST

START_TEST(parameters_tell_the_cell)
{
    /* Optuna 3.1 does not shuffle: its grid_id 0 is the first cell, ours the sixth. */
    static const char space[] = "{\"a\":[0.5,99.0],\"b\":[\"u\",\"v\",\"w\"]}";
    struct tl_value b[] = {kit_text("u"), kit_text("v"), kit_text("w")};
    struct tl_dist da = TL_FLOAT_RANGE(0, 100), db = {TL_DIST_CATEGORICAL, false, 0, 0, 0, b, 3};
    int64_t id;
    int cells = 0;
    tl_trial *t;
    start(0);
    put_trial(TL_RUNNING, "0", space, NULL);
    t = kit_ask(study); /* cell 5 seems to be taken */
    ck_assert_uint_eq(cell_of(t), 2);
    cells |= 1 << 2;
    kit_tell(study, t, 0);
    tl_view *view;
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    view = kit_read(study, 0, &f);
    id = f.id;
    tl_view_close(view);
    tl_frozen_release(&f);
    OK(tl_storage_set_param(storage, id, "a", 0.5, &da, err));
    OK(tl_storage_set_param(storage, id, "b", 0, &db, err));
    OK(tl_study_tell_number(study, 0, TL_COMPLETE, &(double){1}, 1, false, NULL, err));
    while (tl_study_ask(study, NULL, &t, NULL) == 0) {
        size_t cell = cell_of(t);
        ck_assert(!(cells & 1 << cell));
        cells |= 1 << cell;
        kit_tell(study, t, 0);
    }
    ck_assert_int_eq(cells, 63 & ~1);
    stop();
}
END_TEST

START_TEST(equal_values_and_changed_ones_end_too)
{
    struct tl_value x[] = {kit_int(1), kit_float(1), kit_float(2.5), kit_float(1)};
    struct tl_grid_axis axis = {"x", x, 4};
    tl_trial *t;
    int n = 0;
    storage = kit_open("memory://");
    OK(tl_sampler_grid(&axis, 1, NULL, &grid, err));
    study = kit_study(storage, "s", grid);
    while (n < 10 && tl_study_ask(study, NULL, &t, NULL) == 0) {
        int64_t v;
        OK(tl_trial_suggest_int(t, "x", 0, 9, 1, false, &v, err));
        kit_tell(study, t, 0);
        n++;
    }
    ck_assert_int_eq(n, 4);
    stop();
}
END_TEST

START_TEST(optuna_sets_its_attributes_later)
{
    tl_trial *t;
    int64_t id;
    int cells = 0;
    start(0);
    OK(tl_storage_create_trial(storage, tl_study_id(study), NULL, &id, NULL, err));
    t = kit_ask(study); /* the tracker has seen the trial without a cell now */
    cells |= 1 << cell_of(t);
    kit_tell(study, t, 0);
    OK(tl_storage_set_trial_attr(storage, id, TL_ATTR_SYSTEM, "search_space", "{\"a\":[0.5,99.0],\"b\":[\"u\",\"v\",\"w\"]}", err));
    OK(tl_storage_set_trial_attr(storage, id, TL_ATTR_SYSTEM, "grid_id", "0", err));
    while (tl_study_ask(study, NULL, &t, NULL) == 0) {
        size_t cell = cell_of(t);
        ck_assert(!(cells & 1 << cell));
        cells |= 1 << cell;
        kit_tell(study, t, 0);
    }
    ck_assert_int_eq(cells, 63 & ~(1 << 5));
    stop();
}
END_TEST

START_TEST(a_requeued_trial_keeps_its_cell)
{
    tl_trial *t, *next;
    double a;
    start(0);
    put_trial(TL_WAITING, "2", "{\"a\":[0.5,99.0],\"b\":[\"u\",\"v\",\"w\"]}", NULL);
    t = kit_ask(study);
    ck_assert_int_eq(tl_trial_number(t), 0);
    ck_assert_uint_eq(cell_of(t), 1);
    next = kit_ask(study);
    ck_assert_uint_ne(cell_of(next), 1);
    FAILS(TL_EINVAL, "no parameter 'z'", tl_trial_suggest_float(next, "z", 0, 1, 0, false, &a, err));
    kit_tell(study, t, 0);
    kit_tell(study, next, 0);
    struct tl_fixed_param p = {"b", kit_text("u")};
    OK(tl_study_enqueue(study, &p, 1, NULL, 0, false, NULL, err));
    t = kit_ask(study);
    FAILS(TL_EINVAL, "must fix all", tl_trial_suggest_float(t, "a", 0, 1, 0, false, &a, err));
    kit_end(study, t, TL_FAIL);
    stop();
}
END_TEST

START_TEST(a_name_outside_the_grid_fails_the_trial)
{
    struct tl_dist z = TL_FLOAT_RANGE(0, 1);
    struct tl_param_spec space[] = {{"z", 0, &z}};
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    tl_view *view;
    tl_trial *t;
    o.space = space;
    o.n_space = 1;
    start(0);
    FAILS(TL_EINVAL, "no parameter 'z'", tl_study_ask(study, &o, &t, err));
    OK(tl_study_view(study, &view, err));
    ck_assert_uint_eq(tl_view_count(view, TL_RUNNING), 0); /* nobody is left with a trial that nobody knows */
    tl_view_close(view);
    struct tl_dist a = TL_FLOAT_LOG(1, 10);
    space[0] = (struct tl_param_spec){"b", 0, &a}; /* texts are no numbers */
    FAILS(TL_EINVAL, "parameter 'b'", tl_study_ask(study, &o, &t, err));
    stop();
}
END_TEST

START_TEST(large_grids_cost_no_memory)
{
    struct tl_value bits[] = {kit_int(0), kit_int(1)};
    struct tl_grid_axis axes[40];
    char names[40][4];
    static char seen[4096];
    struct tl_frozen_trial f = TL_FROZEN_TRIAL_INIT;
    tl_trial *t;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "p%02d", i);
        axes[i] = (struct tl_grid_axis){names[i], bits, 2};
    }
    storage = kit_open("memory://");
    OK(tl_sampler_grid(axes, 40, NULL, &grid, err));
    study = kit_study(storage, "s", grid);
    int twice = 0;
    for (int i = 0; i < 300; i++) {
        t = kit_ask(study);
        int cell = 0;
        for (int k = 0; k < 12; k++) {
            int64_t v;
            OK(tl_trial_suggest_int(t, names[39 - k], 0, 1, 1, false, &v, err));
            cell = cell * 2 + (int)v;
        }
        twice += seen[cell]++ > 0;
        kit_tell(study, t, 0);
    }
    ck_assert_int_lt(twice, 40); /* 300 of 4096 by chance: about 11 */
    tl_view *view = kit_read(study, 299, &f);
    ck_assert_str_eq(kit_trial_attr(&f, TL_ATTR_SYSTEM, "grid_perm"), "\"feistel1\"");
    tl_view_close(view);
    tl_frozen_release(&f);
    stop();
}
END_TEST

START_TEST(bad_grids)
{
    struct tl_value one = kit_int(1), bad = kit_text("\xff"), odd = {(enum tl_value_kind)77, {0}};
    struct tl_grid_axis twice[] = {{"x", &one, 1}, {"x", &one, 1}}, empty = {"x", &one, 0}, missing = {NULL, &one, 1};
    struct tl_grid_options seed = TL_GRID_OPTIONS_INIT;
    struct tl_value many[64];
    struct tl_grid_axis axes[11];
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};
    tl_sampler *s;
    seed.seed = UINT64_C(1) << 32;
    FAILS(TL_EINVAL, "at least one axis", tl_sampler_grid(NULL, 0, NULL, &s, err));
    FAILS(TL_EINVAL, "'x' twice", tl_sampler_grid(twice, 2, NULL, &s, err));
    FAILS(TL_EINVAL, "no values", tl_sampler_grid(&empty, 1, NULL, &s, err));
    FAILS(TL_EINVAL, "name", tl_sampler_grid(&missing, 1, NULL, &s, err));
    FAILS(TL_EINVAL, "2^32", tl_sampler_grid(twice, 1, &seed, &s, err));
    twice[0].values = &bad;
    FAILS(TL_EINVAL, "UTF-8", tl_sampler_grid(twice, 1, NULL, &s, err));
    twice[0].values = &odd;
    FAILS(TL_EINVAL, "kind", tl_sampler_grid(twice, 1, NULL, &s, err));
    for (int i = 0; i < 64; i++) {
        many[i] = kit_int(i);
    }
    for (int i = 0; i < 11; i++) {
        axes[i] = (struct tl_grid_axis){names[i], many, 64};
    }
    FAILS(TL_ELIMIT, "2^62", tl_sampler_grid(axes, 11, NULL, &s, err));
}
END_TEST

START_TEST(grids_from_options)
{
    static const struct {
        int code;
        const char *part, *space;
    } rows[] = {
        {TL_EINVAL, "search_space", NULL},
        {TL_EINVAL, "search_space", "{"},
        {TL_EINVAL, "search_space", "[1]"},
        {TL_EINVAL, "search_space", "{\"x\":1}"},
        {TL_EINVAL, "search_space", "{\"x\":[1]} x"},
        {TL_EINVAL, "no values", "{\"x\":[]}"},
        {TL_EINVAL, "at least one axis", "{}"},
        {TL_EINVAL, "twice", "{\"x\":[1],\"x\":[2]}"},
    };
    struct tl_option options[3] = {{"search_space", NULL}, {"seed", "3"}, {"retries", "-1"}};
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        tl_sampler *s;
        options[0].value = rows[i].space ? rows[i].space : "null";
        FAILS(rows[i].code, rows[i].part, tl_sampler_create("grid", options, 3, &s, err));
    }
    options[0].value = " {\"b\": [\"u\", \"v\", \"w\", null, true, -0.5e1, NaN, [1, 2]], \"a\": [1]}";
    OK(tl_sampler_create("GridSampler", options, 3, &grid, err));
    const struct grid *g = grid->self;
    options[2].value = "3";
    tl_sampler *three;
    OK(tl_sampler_create("grid", options, 3, &three, err));
    ck_assert_uint_eq(((const struct grid *)three->self)->retries, 3);
    tl_sampler_free(three);
    options[2].value = "-2";
    FAILS(TL_EINVAL, "retries", tl_sampler_create("grid", options, 3, &three, err));
    ck_assert_uint_eq(g->order.n, 8);
    ck_assert_uint_eq(g->order.seed, 3);
    ck_assert_uint_eq(g->retries, 0);
    ck_assert_str_eq(g->search_space, "{\"a\":[1],\"b\":[\"u\",\"v\",\"w\",null,true,-5.0,NaN,[1,2]]}");
    ck_assert_int_eq(grid_same_space(g, STR("{\"b\": [\"u\", \"v\", \"w\", null, 1, -5, NaN, [1, 2]], \"a\": [true]}")), 1);
    ck_assert_int_eq(grid_same_space(g, STR("{\"b\": [\"u\", \"v\", \"w\", null, 1, -5, NaN], \"a\": [true]}")), 0);
    ck_assert_int_eq(grid_same_space(g, STR("{\"b\": [\"u\", \"v\", \"w\", null, 1, -5, NaN, [1, 2], 3], \"a\": [1]}")), 0);
    ck_assert_int_eq(grid_same_space(g, STR("{\"a\": [1]}")), 0);
    ck_assert_int_eq(grid_same_space(g, STR("7")), 0);
    uint64_t place = 99;
    ck_assert_int_eq(grid_place_of_fixed(g, STR("{\"b\":[1, 2],\"a\":1.0}"), &place), 1);
    ck_assert_uint_eq(place, 7);
    ck_assert_int_eq(grid_place_of_fixed(g, STR("{\"b\":NaN,\"a\":1.0}"), &place), 1);
    ck_assert_uint_eq(place, 6);
    ck_assert_int_eq(grid_place_of_fixed(g, STR("{\"b\":\"x\",\"a\":1.0}"), &place), 0);
    ck_assert_uint_eq(place, 6);
    tl_sampler_free(grid);
}
END_TEST

/* ---- many workers ---- */

struct worker {
    pthread_t thread;
    tl_study *study;
    int trials;
};

static void *work(void *ctx)
{
    struct worker *w = ctx;
    tl_trial *t;
    double v = 0;
    while (tl_study_ask(w->study, NULL, &t, NULL) == 0) {
        if (tl_study_tell(w->study, t, TL_COMPLETE, &v, 1, NULL, NULL) != 0) {
            return NULL;
        }
        w->trials++;
    }
    return NULL;
}

START_TEST(threads_share_a_grid)
{
    struct worker w[8];
    tl_storage *stores[8];
    tl_sampler *samplers[8];
    struct tl_value values[50];
    struct tl_grid_axis axes[] = {{"x", values, 50}, {"y", values, 4}};
    int trials = 0;
    for (int i = 0; i < 50; i++) {
        values[i] = kit_int(i);
    }
    OK(tl_sampler_grid(axes, 2, NULL, &samplers[0], err));
    stores[0] = kit_open("memory://grid-threads");
    for (int i = 0; i < 8; i++) { /* even ones share handle and sampler with another thread, odd ones have their own */
        if (i % 2) {
            OK(tl_sampler_grid(axes, 2, NULL, &samplers[i], err));
            stores[i] = kit_open("memory://grid-threads");
        } else {
            samplers[i] = samplers[0];
            stores[i] = stores[0];
        }
        w[i] = (struct worker){.study = kit_study(stores[i], "s", samplers[i])};
    }
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(w[i].thread, NULL);
        trials += w[i].trials;
    }
    ck_assert_int_eq(trials, 200);
    for (int i = 7; i >= 0; i--) {
        tl_study_free(w[i].study);
        if (i % 2) {
            tl_storage_close(stores[i]);
            tl_sampler_free(samplers[i]);
        }
    }
    tl_storage_close(stores[0]);
    tl_sampler_free(samplers[0]);
}
END_TEST

START_TEST(one_sampler_for_many_studies)
{
    tl_study *studies[12];
    storage = kit_open("memory://");
    grid = make_grid(0);
    for (int i = 0; i < 12; i++) {
        char name[8];
        snprintf(name, sizeof name, "s%d", i);
        studies[i] = kit_study(storage, name, grid);
    }
    for (int round = 0; round < 6; round++) { /* more studies than the sampler remembers */
        for (int i = 0; i < 12; i++) {
            tl_trial *t = kit_ask(studies[i]);
            ck_assert_int_eq(tl_trial_number(t), round);
            kit_tell(studies[i], t, 0);
        }
    }
    for (int i = 0; i < 12; i++) {
        tl_trial *t;
        FAILS(TL_EEXHAUSTED, "", tl_study_ask(studies[i], NULL, &t, err));
        tl_study_free(studies[i]);
    }
    tl_storage_close(storage);
    tl_sampler_free(grid);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("grid");
    tcase_add_test(t, order_is_numpys);
    tcase_add_test(t, computed_order_is_a_permutation);
    tcase_add_test(t, each_cell_once_in_optunas_order);
    tcase_add_test(t, a_space_travels_with_the_trial);
    tcase_add_test(t, failed_cells_come_again);
    tcase_add_test(t, running_cells_are_held);
    tcase_add_test(t, trials_of_others_count);
    tcase_add_test(t, parameters_tell_the_cell);
    tcase_add_test(t, equal_values_and_changed_ones_end_too);
    tcase_add_test(t, optuna_sets_its_attributes_later);
    tcase_add_test(t, a_requeued_trial_keeps_its_cell);
    tcase_add_test(t, a_name_outside_the_grid_fails_the_trial);
    tcase_add_test(t, large_grids_cost_no_memory);
    tcase_add_test(t, bad_grids);
    tcase_add_test(t, grids_from_options);
    tcase_add_test(t, threads_share_a_grid);
    tcase_add_test(t, one_sampler_for_many_studies);
    return check_run("grid", t);
}
