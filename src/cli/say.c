/* SPDX-License-Identifier: MIT
 *
 * What the command says: results on standard output, everything else on standard error (and in --log-file). Also the
 * signals, because a closed pipe and Ctrl-C decide how a command ends.
 *
 * A reader that went away is no error: the command ends with the status of a process that SIGPIPE ended, and says nothing.
 */
#include "base/err.h"
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t cli_stops, cli_stop_signal;

static void on_stop(int sig)
{
    cli_stop_signal = sig;
    if (cli_stops < 1000) {
        cli_stops++;
    }
}

void cli_catch_stop(struct cli *c)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {0};
    action.sa_handler = on_stop;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < TL_COUNT(signals); i++) {
        struct sigaction old;
        /* nohup and shells that start us in the background ignore some: leave those alone */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
    c->catching = true;
}

static void log_line(struct cli *c, const char *mark, const char *text)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm parts;
    if (!c->log_file) {
        return;
    }
    if (!localtime_r(&now, &parts) || strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        stamp[0] = 0;
    }
    fprintf((FILE *)c->log_file, "[%s %s] %s\n", mark, stamp, text);
    fflush((FILE *)c->log_file);
}

void cli_say(struct cli *c, enum cli_level level, const char *fmt, ...)
{
    static const char marks[] = "DIW";
    char text[1024];
    va_list args;
    va_start(args, fmt);
    err_text(text, sizeof text, fmt, args);
    va_end(args);
    const char mark[2] = {marks[level], 0};
    log_line(c, mark, text);
    if (level == CLI_WARNING ? !c->g.quiet : c->g.verbose >= (level == CLI_INFO ? 1 : 2)) {
        fprintf(stderr, "trialog: %s%s\n", level == CLI_WARNING ? "warning: " : "", text);
    }
}

/* Shows one error; `hint` may be NULL. */
static void show_error(struct cli *c, const char *text, const char *hint)
{
    log_line(c, "E", text);
    fprintf(stderr, "trialog: %s\n", text);
    if (hint) {
        fprintf(stderr, "%s\n", hint);
    }
}

int cli_fail(struct cli *c, const struct tl_err *err)
{
    char place[96] = "";
    char text[512];
    if (err->line >= 0 && err->offset >= 0) {
        snprintf(place, sizeof place, " (line %lld, byte %lld)", (long long)err->line, (long long)err->offset);
    } else if (err->line >= 0) {
        snprintf(place, sizeof place, " (line %lld)", (long long)err->line);
    } else if (err->offset >= 0) {
        snprintf(place, sizeof place, " (byte %lld)", (long long)err->offset);
    }
    snprintf(text, sizeof text, "%s%s", err->message[0] ? err->message : tl_code_text(err->code), place);
    show_error(c, text, NULL);
    if (err->code == TL_EUNKNOWN && err->seq >= 0) {
        fprintf(stderr,
                "trialog: the operation with number %lld may or may not be in the journal: look at the study "
                "before you repeat the command\n",
                (long long)err->seq);
    }
    if (c->g.debug) {
        fprintf(stderr, "trialog: debug: %s (%d), errno %d, line %lld, offset %lld, seq %lld\n",
                tl_code_name(err->code), err->code, err->sys_errno, (long long)err->line,
                (long long)err->offset, (long long)err->seq);
    }
    return tl_code_exit_status(err->code);
}

int cli_error(struct cli *c, int code, const char *fmt, ...)
{
    struct tl_err err = TL_ERR_INIT;
    va_list args;
    va_start(args, fmt);
    err.code = code;
    err_text(err.message, sizeof err.message, fmt, args);
    va_end(args);
    return cli_fail(c, &err);
}

int cli_usage(struct cli *c, const char *fmt, ...)
{
    char text[512], hint[160];
    va_list args;
    va_start(args, fmt);
    err_text(text, sizeof text, fmt, args);
    va_end(args);
    if (c->command) {
        snprintf(hint, sizeof hint, "Try 'trialog help %s'.", c->command->name);
    } else {
        snprintf(hint, sizeof hint, "Try 'trialog help'.");
    }
    show_error(c, text, hint);
    return 2;
}

int cli_nomem(struct cli *c)
{
    return cli_error(c, TL_ENOMEM, "out of memory");
}

int cli_write_file(struct cli *c, int fd, const char *name, const char *bytes, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t part = write(fd, bytes + done, n - done);
        if (part >= 0) {
            done += (size_t)part;
        } else if (errno == EPIPE && fd == STDOUT_FILENO) {
            c->out_closed = true;
        } else if (errno == EAGAIN) { /* somebody made our standard output non-blocking */
            poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1);
        } else if (errno != EINTR) {
            return cli_error(c, errno == ENOSPC ? TL_ENOSPC : TL_EIO, "cannot write to %s: %s", name,
                             strerror(errno));
        }
        if (c->out_closed) {
            return 128 + SIGPIPE;
        }
    }
    return 0;
}

int cli_write(struct cli *c, const char *bytes, size_t n)
{
    return c->out_closed ? 128 + SIGPIPE : cli_write_file(c, STDOUT_FILENO, "standard output", bytes, n);
}
