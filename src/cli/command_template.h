/* SPDX-License-Identifier: MIT
 *
 * The program that `trialog optimize` runs: its words with placeholders, and what its environment says about the trial.
 *
 *   {NAME}   the value of a parameter        {trial}  the trial's number
 *   {{ }}    a brace                         {study}  the study's name
 *
 * Everything else in braces is a mistake that is found before the first trial. Parameters that a condition took away: a word
 * whose placeholders are all absent is left out; where a word has other placeholders too, the absent ones become empty text.
 *
 * Values as text: numbers as Python prints them (0.1, 1e-05, 3), text as it is, true, false, null.
 */
#ifndef TL_COMMAND_TEMPLATE_H
#define TL_COMMAND_TEMPLATE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cli/space.h"

/* A run of literal text, or a placeholder: index of a parameter, or one of the two numbers behind them. */
struct template_piece {
    bool literal;
    struct str text;
    size_t what;
};
#define TEMPLATE_TRIAL SPACE_MAX_PARAMS
#define TEMPLATE_STUDY (SPACE_MAX_PARAMS + 1u)

struct template_word {
    size_t first, n; /* pieces */
};
struct command_template {
    struct template_word *words;
    size_t n_words;
    struct template_piece *pieces;
    size_t n_pieces, cap_pieces;
};

/* Reads the words, which must outlive the template. TL_EINVAL: `*bad_word` is the word and err->offset the place in it. */
int command_template_read(struct command_template *t, const struct search_space *s, const char *const *words, size_t n,
                          size_t *bad_word, struct tl_err *err);
void command_template_release(struct command_template *t);

/* What a trial is called. */
struct trial_facts {
    const struct search_space *space;
    const struct space_value *values; /* one per parameter */
    int64_t number;
    const char *study, *storage;
    const char *pruner, *pruner_kwargs; /* NULL: none given */
};
/* The words of one trial, ending with NULL, in the arena. TL_EINVAL: the first word is gone or empty. */
int command_template_fill(const struct command_template *t, const struct trial_facts *facts, struct arena *a, char ***argv,
                          struct tl_err *err);
/* The environment of one trial, ending with NULL, in the arena: `inherited` without what speaks of a trial, then TRIALOG_STORAGE,
 * TRIALOG_STUDY_NAME, TRIALOG_TRIAL_NUMBER, TRIALOG_PRUNER and TRIALOG_PRUNER_KWARGS where they were given, and TRIALOG_PARAM_... of
 * each parameter that is there. */
int command_environment(const struct trial_facts *facts, char *const *inherited, struct arena *a, char ***env,
                        struct tl_err *err);

/* Appends a value as text. */
int space_value_text(const struct tl_dist *dist, double internal, struct buf *out, struct tl_err *err);

#endif
