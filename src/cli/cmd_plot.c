/* SPDX-License-Identifier: MIT
 *
 * `trialog plot`: reads studies, builds a figure (plot.h) and shows it: drawn in the terminal, as JSON, or by gnuplot in a file.
 *
 * Failure modes: nothing to show (said in a sentence), gnuplot missing, a file that cannot be written. A file is replaced as a
 * whole or not at all.
 */
#include "base/err.h"
#include "cli/commands.h"
#include "cli/gnuplot_run.h"
#include "cli/plot.h"
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#define KINDS "history|slice|parallel|contour|intermediate|pareto|edf"

static const struct kind {
    const char *name;
    plot_build *build;
    unsigned reads;
    bool several; /* studies */
    bool params;  /* --param means something */
    bool target;  /* --target does */
} kinds[] = {
    {"history", plot_history, 0, true, false, true},
    {"slice", plot_slice, PLOT_PARAMS, false, true, true},
    {"parallel", plot_parallel, PLOT_PARAMS, false, true, true},
    {"contour", plot_contour, PLOT_PARAMS, false, true, true},
    {"intermediate", plot_intermediate, PLOT_REPORTS, false, false, false},
    {"pareto", plot_pareto, 0, false, false, false},
    {"edf", plot_edf, 0, true, false, true},
};

struct plot_values {
    const char *kind, *output, *size, *title, *colour;
    struct opt_list studies, params;
    const char *target;
    bool log, ascii, json;
};
static const struct opt plot_opts[] = {
    {OPT_REPEAT, "study-name", 0, 0, offsetof(struct plot_values, studies), "STUDY", NULL, NULL,
     "the study; may be left out when the journal has a single one. history and edf compare several, each with "
     "an option"},
    {OPT_REPEAT, "param", 'p', 0, offsetof(struct plot_values, params), "NAME", NULL, NULL,
     "a parameter to show, once for each. Default: all"},
    {OPT_TEXT, "target", 't', 0, offsetof(struct plot_values, target), "OBJECTIVE", NULL, NULL,
     "which objective of several: its number from 0, or its name"},
    {OPT_TEXT, "output", 'o', 0, offsetof(struct plot_values, output), "FILE", NULL, NULL,
     "draw with gnuplot into FILE.svg or FILE.png; an older one is replaced"},
    {OPT_TEXT, "size", 's', 0, offsetof(struct plot_values, size), "WxH", NULL, NULL,
     "of the picture in pixels; in the terminal, columns and the rows of a panel"},
    {OPT_TEXT, "title", 0, 0, offsetof(struct plot_values, title), "TEXT", NULL, NULL,
     "the title. Default: kind of plot and study"},
    {OPT_FLAG, "log", 'l', 0, offsetof(struct plot_values, log), NULL, NULL, NULL,
     "a logarithmic scale for the objective (a parameter's follows its distribution)"},
    {OPT_FLAG, "ascii", 0, 0, offsetof(struct plot_values, ascii), NULL, NULL, NULL,
     "draw with plain ASCII characters, as in a terminal that has no UTF-8"},
    {OPT_CHOICE, "color", 0, 0, offsetof(struct plot_values, colour), "WHEN", "auto|always|never", "auto",
     "colours in the terminal; auto respects NO_COLOR"},
    {OPT_FLAG, "json", 0, 0, offsetof(struct plot_values, json), NULL, NULL, NULL,
     "print the points as JSON instead"},
    {OPT_OPERAND, "KIND", 0, OPT_REQUIRED, offsetof(struct plot_values, kind), "KIND", KINDS, NULL,
     "what to plot"},
    OPT_TABLE_END,
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < TL_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

struct job {
    struct cli *c;
    const struct plot_values *v;
    const struct kind *kind;
    tl_view **views;
    struct plot_study *studies;
    size_t n;
    size_t target;
    int width, height; /* 0: not given */
};

/* "900x600" */
static int read_size(struct job *j)
{
    const char *text = j->v->size, *cross = text ? strchr(text, 'x') : NULL;
    int64_t w, h;
    if (!text) {
        return 0;
    }
    if (!cross || !cli_parse_int((struct str){text, (size_t)(cross - text)}, &w) ||
        !cli_parse_int(str_of(cross + 1), &h) || w < 20 || h < 10 || w > 20000 || h > 20000) {
        return cli_usage(j->c, "--size: '%s' is not WIDTHxHEIGHT, such as 900x600", text);
    }
    j->width = (int)w;
    j->height = (int)h;
    return 0;
}

static int check_words(struct job *j)
{
    const struct plot_values *v = j->v;
    if (v->params.n > 0 && !j->kind->params) {
        return cli_usage(j->c, "--param means nothing for 'plot %s'", v->kind);
    }
    if (v->target && !j->kind->target) {
        return cli_usage(j->c, "--target means nothing for 'plot %s'", v->kind);
    }
    if (v->studies.n > 1 && !j->kind->several) {
        return cli_usage(j->c, "'plot %s' shows one study, not %zu (history and edf compare several)", v->kind,
                         v->studies.n);
    }
    if (v->json && v->output) {
        return cli_usage(j->c, "--json and --output contradict each other");
    }
    if (v->output) {
        const char *dot = strrchr(v->output, '.');
        if (!dot || (strcasecmp(dot, ".svg") != 0 && strcasecmp(dot, ".png") != 0)) {
            return cli_usage(j->c, "--output: '%s' ends neither in .svg nor in .png", v->output);
        }
    }
    return read_size(j);
}

/* Which objective --target means. */
static int find_target(struct job *j)
{
    const struct plot_study *s = &j->studies[0];
    int64_t number;
    if (!j->kind->target) {
        return 0;
    }
    if (!j->v->target && s->n_values > 1) {
        return cli_usage(j->c, "study '%s' has %zu objectives: choose one with --target 0 to %zu", s->name,
                         s->n_values, s->n_values - 1);
    }
    if (!j->v->target) {
        return 0;
    }
    for (size_t i = 0; i < s->n_values; i++) {
        if (strcmp(s->objectives[i], j->v->target) == 0) {
            j->target = i;
            return 0;
        }
    }
    if (!cli_parse_int(str_of(j->v->target), &number) || number < 0 || (uint64_t)number >= s->n_values) {
        return cli_usage(
            j->c, "--target: '%s' is neither the name of an objective of study '%s' nor a number from 0 to %zu",
            j->v->target, s->name, s->n_values - 1);
    }
    j->target = (size_t)number;
    return 0;
}

static int read_studies(struct job *j)
{
    size_t n = j->v->studies.n ? j->v->studies.n : 1;
    int status = 0;
    j->views = mem_zalloc(n, sizeof *j->views);
    j->studies = mem_zalloc(n, sizeof *j->studies);
    if (!j->views || !j->studies) {
        return cli_nomem(j->c);
    }
    for (; j->n < n && status == 0; j->n += status == 0) {
        status = cli_view(j->c, j->v->studies.n ? j->v->studies.items[j->n] : NULL, &j->views[j->n]);
        if (status == 0) {
            status = plot_study_read(j->c, j->views[j->n], j->kind->reads, &j->studies[j->n]);
        }
        if (status) {
            tl_view_close(j->views[j->n]);
        }
    }
    status = status ? status : find_target(j);
    for (size_t i = 1; i < j->n && status == 0; i++) {
        if (j->studies[i].n_values != j->studies[0].n_values ||
            j->studies[i].directions[j->target] != j->studies[0].directions[j->target]) {
            status = cli_error(j->c, TL_EINVAL,
                               "studies '%s' and '%s' have other objectives: they cannot be compared",
                               j->studies[0].name, j->studies[i].name);
        }
    }
    return status;
}

/* Writes the picture beside the file and puts it in its place. */
static int replace_file(struct cli *c, const char *path, const struct buf *picture)
{
    char temporary[4096];
    int n = snprintf(temporary, sizeof temporary, "%s.%ld.new", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary) {
        return cli_usage(c, "--output: the name is too long");
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return cli_error(c, errno == EACCES ? TL_EACCESS : TL_EIO, "cannot write '%s': %s", path,
                         strerror(errno));
    }
    int status = cli_write_file(c, fd, path, picture->data, picture->len);
    if (close(fd) != 0 && status == 0) {
        status = cli_error(c, TL_EIO, "cannot write '%s': %s", path, strerror(errno));
    }
    if (status == 0 && rename(temporary, path) != 0) {
        status = cli_error(c, TL_EIO, "cannot replace '%s': %s", path, strerror(errno));
    }
    if (status) {
        unlink(temporary);
    }
    return status;
}

static int show(struct job *j, const struct figure *f)
{
    struct buf out = BUF_INIT(SIZE_MAX / 2), picture = BUF_INIT(SIZE_MAX / 2);
    struct terminal_looks looks;
    int status = 0;
    if (j->v->json) {
        figure_json(f, &out);
    } else if (j->v->output) {
        const char *dot = strrchr(j->v->output, '.');
        figure_gnuplot(f, strcasecmp(dot, ".svg") == 0 ? "svg" : "png", j->width, j->height, &out);
        status = out.failed ? cli_nomem(j->c) : gnuplot_run(j->c, &out, &picture);
        status = status ? status : replace_file(j->c, j->v->output, &picture);
    } else {
        terminal_look(&looks, j->v->ascii, j->v->colour);
        int cols = j->width ? j->width : looks.cols;
        /* a single panel fills the terminal, but for the prompt */
        int rows = j->height ? j->height : f->n_panels == 1 && looks.rows > 12 ? looks.rows - 3 : 0;
        rows = !j->height && rows > cols / 2 ? cols / 2 : rows;
        if (!figure_terminal(f, cols, rows, looks.ascii, looks.colours, &out)) {
            status = cli_nomem(j->c);
        }
    }
    if (status == 0 && !j->v->output) {
        status = out.failed ? cli_nomem(j->c) : cli_write(j->c, out.data, out.len);
    }
    buf_release(&out);
    buf_release(&picture);
    return status;
}

static int run_plot(struct cli *c, void *values)
{
    const struct plot_values *v = values;
    struct job j = {.c = c, .v = v, .kind = find_kind(v->kind)};
    struct figure f = {.kind = v->kind};
    if (!j.kind) {
        return cli_usage(c, "there is no plot '%s': the kinds are %s", v->kind, KINDS);
    }
    int status = check_words(&j);
    cli_catch_stop(c);
    status = status ? status : cli_open(c, CLI_READ);
    status = status ? status : read_studies(&j);
    struct plot_request r = {c, j.studies, j.n, j.target, v->log, v->params.items, v->params.n};
    status = status ? status : j.kind->build(&r, &f);
    if (v->title) {
        f.title = figure_label(&f, str_of(v->title), 200);
    } else if (status == 0) {
        f.title = figure_text(&f, "%s: %s%s", v->kind, j.studies[0].label, j.n > 1 ? " and others" : "");
    }
    if (status == 0) {
        status = f.failed ? cli_nomem(c) : show(&j, &f);
    }
    for (size_t i = 0; i < j.n; i++) {
        plot_study_release(&j.studies[i]);
        tl_view_close(j.views[i]);
    }
    mem_free(j.studies);
    mem_free(j.views);
    figure_release(&f);
    return status;
}

const struct command cmd_plot = {
    .name = "plot",
    .group = "Results",
    .help = "Draw a study: in the terminal, or into an SVG or PNG file.",
    .about = "KIND is one of\n"
             "  history       objective values by trial, and the best so far\n"
             "  slice         objective values by each parameter\n"
             "  parallel      trials as lines across all parameters\n"
             "  contour       objective values over pairs of parameters\n"
             "  intermediate  reported values by step\n"
             "  pareto        objectives against each other, and the Pareto front\n"
             "  edf           the share of trials that reach a value\n"
             "Complete trials are shown, with intermediate also pruned and running ones.\n"
             "Files are drawn by gnuplot.",
    .opts = plot_opts,
    .values_size = sizeof(struct plot_values),
    .run = run_plot,
};
