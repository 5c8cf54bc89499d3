/* SPDX-License-Identifier: MIT
 *
 * Parameter text of the command line (cli/space.c, cli/command_template.c). Each line of the input is one text: "=..." is read as
 * --enqueue, ">..." as a word of the program, anything else as --param. Then conditions are evaluated with values taken from
 * the input, and words and environment are filled in. An error must point into its text, and values must be in range.
 */
#include "cli/command_template.h"
#include "cli/space.h"
#include "fuzz.h"

#define MAX_WORDS 8

static void check_error(const struct tl_err *err, int rc, size_t length)
{
    FUZZ_CHECK(rc == TL_EINVAL || rc == TL_ELIMIT);
    FUZZ_CHECK(err->code == rc && err->message[0]);
    FUZZ_CHECK(err->offset >= -1 && err->offset <= (int64_t)length);
}

static void read_line(struct search_space *s, struct str line)
{
    struct tl_err err = TL_ERR_INIT;
    struct tl_fixed_param *fixed;
    size_t n = s->n;
    if (line.n > 0 && line.p[0] == '=') {
        struct str text = {line.p + 1, line.n - 1};
        int rc = search_space_fixed(s, text, &fixed, &n, &err);
        if (rc) {
            check_error(&err, rc, text.n);
        }
        for (size_t i = 0; rc == 0 && i < n; i++) {
            double internal = 0;
            size_t k = search_space_find(s, str_of(fixed[i].name));
            FUZZ_CHECK(k < s->n && tl_dist_internal(&s->params[k].dist, &fixed[i].value, &internal, NULL) == 0);
            FUZZ_CHECK(tl_dist_contains(&s->params[k].dist, internal));
        }
        return;
    }
    int rc = search_space_add(s, line, &err);
    if (rc) {
        check_error(&err, rc, line.n);
        FUZZ_CHECK(s->n == n);
    } else {
        FUZZ_CHECK(s->n == n + 1 && search_space_find(s, str_of(s->params[n].name)) == n);
    }
}

/* Gives each parameter a value in range that depends on the input. */
static void choose(const struct search_space *s, struct space_value *values, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct tl_dist *d = &s->params[i].dist;
        unsigned byte = n > 0 ? bytes[i % n] : 0;
        values[i].present = search_space_active(s, i, values);
        values[i].internal = d->kind == TL_DIST_CATEGORICAL ? (double)(byte % d->n_choices) : byte & 1 ? d->low : d->high;
    }
}

static void fill_in(struct search_space *s, const struct space_value *values, const char *const *words, size_t n)
{
    static char path[] = "PATH=/bin", *inherited[] = {path, NULL};
    struct trial_facts facts = {s, values, 7, "study", "journal", "median", "{}"};
    struct command_template t;
    struct arena a = {NULL, 0};
    struct tl_err err = TL_ERR_INIT;
    size_t bad = 0;
    char **list;
    int rc = command_template_read(&t, s, words, n, &bad, &err);
    if (rc) {
        FUZZ_CHECK(bad < n);
        check_error(&err, rc, strlen(words[bad]));
    } else {
        rc = command_template_fill(&t, &facts, &a, &list, &err);
        FUZZ_CHECK(rc == 0 || rc == TL_EINVAL || rc == TL_ELIMIT);
        FUZZ_CHECK(rc != 0 || (list[0] && list[0][0]));
        command_template_release(&t);
    }
    rc = command_environment(&facts, inherited, &a, &list, &err);
    FUZZ_CHECK(rc == 0 || rc == TL_EINVAL || rc == TL_ELIMIT);
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct search_space s = {.params = NULL};
    const char *words[MAX_WORDS + 1] = {"run"};
    size_t n_words = 1;
    for (size_t at = 0; at < n;) {
        const uint8_t *stop = memchr(bytes + at, '\n', n - at);
        struct str line = {(const char *)bytes + at, stop ? (size_t)(stop - bytes) - at : n - at};
        if (line.n > 0 && line.p[0] == '>' && n_words < MAX_WORDS && !memchr(line.p, 0, line.n)) {
            words[n_words] = arena_dup(&s.memory, line.p + 1, line.n - 1);
            FUZZ_CHECK(words[n_words++] != NULL);
        } else {
            read_line(&s, line);
        }
        at += line.n + 1;
    }
    struct space_value *values = mem_zalloc(s.n + 1, sizeof *values);
    FUZZ_CHECK(values != NULL);
    choose(&s, values, bytes, n);
    fill_in(&s, values, words, n_words);
    mem_free(values);
    search_space_release(&s);
    return 0;
}
