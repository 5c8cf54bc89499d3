/* SPDX-License-Identifier: MIT
 *
 * The terminal behind standard output (see terminal.h). What must be undone is undone by screen_leave, also at exit; a process that is
 * killed leaves the terminal as it is then, and `reset` helps.
 */
#include "cli/terminal.h"

#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static int from_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    int64_t n;
    return text && cli_parse_int(str_of(text), &n) && n >= 10 && n <= 10000 ? (int)n : otherwise;
}

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        const char *text = getenv(names[i]);
        if (!text || !*text) {
            continue;
        }
        const char *set = strchr(text, '.');
        return set && (strncasecmp(set + 1, "utf-8", 5) == 0 || strncasecmp(set + 1, "utf8", 4) == 0);
    }
    return false;
}

static enum colours colours_of_terminal(void)
{
    const char *term = getenv("TERM"), *more = getenv("COLORTERM");
    return (more && *more) || (term && strstr(term, "256")) ? COLOURS_256 : COLOURS_16;
}

void terminal_look(struct terminal_looks *out, bool ascii, const char *colour)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    struct winsize size = {0};
    *out =
        (struct terminal_looks){.is_terminal = isatty(STDOUT_FILENO) == 1, .ascii = ascii || !locale_is_utf8()};
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    if (strcmp(colour, "always") == 0 ||
        (strcmp(colour, "auto") == 0 && out->is_terminal && !dumb && (!no_colour || !*no_colour))) {
        out->colours = colours_of_terminal();
    }
    if (out->is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
        size.ws_row > 0) {
        out->cols = size.ws_col;
        out->rows = size.ws_row;
    } else {
        out->cols = from_environment("COLUMNS", 80);
        out->rows = from_environment("LINES", 24);
    }
}

/* ---- the screen ---- */

static struct termios keys_before;
static bool screen_on, keys_on;
static volatile sig_atomic_t resized, suspended;

static void on_resize(int sig)
{
    (void)sig;
    resized = 1;
}

static void on_suspend(int sig)
{
    (void)sig;
    suspended = 1;
}

/* The terminal may be gone: nothing can be done about that. */
static void say(const char *bytes)
{
    ssize_t ignored = write(STDOUT_FILENO, bytes, strlen(bytes));
    (void)ignored;
}

void screen_enter(void)
{
    struct sigaction action = {0};
    struct termios keys;
    if (screen_on || isatty(STDOUT_FILENO) != 1) {
        return;
    }
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_resize;
    sigaction(SIGWINCH, &action, NULL);
    action.sa_handler = on_suspend;
    sigaction(SIGTSTP, &action, NULL);
    if (isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &keys_before) == 0) {
        keys = keys_before;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 0;
        keys.c_cc[VTIME] = 0;
        keys_on = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
    }
    screen_on = true;
    say("\033[?1049h\033[?25l");
}

void screen_leave(void)
{
    if (!screen_on) {
        return;
    }
    say("\033[0m\033[?25h\033[?1049l");
    if (keys_on) {
        tcsetattr(STDIN_FILENO, TCSANOW, &keys_before);
    }
    screen_on = keys_on = false;
}

int screen_show(struct cli *c, const struct canvas *cv, enum colours colours)
{
    struct buf b = BUF_INIT((size_t)64 << 20);
    buf_add_text(&b, "\033[H");
    for (int y = 0; y < cv->rows; y++) {
        canvas_row(cv, y, colours, &b);
        buf_add_text(&b, y + 1 < cv->rows ? "\033[K\r\n" : "\033[K");
    }
    int status = b.failed ? cli_nomem(c) : cli_write(c, b.data, b.len);
    buf_release(&b);
    return status;
}

int screen_key(int64_t timeout_ms)
{
    struct pollfd p = {.fd = keys_on ? STDIN_FILENO : -1, .events = POLLIN};
    unsigned char key;
    if (cli_stops > 0 || poll(&p, 1, timeout_ms > 60000 ? 60000 : (int)timeout_ms) <= 0 || !p.revents) {
        return 0;
    }
    ssize_t n = read(STDIN_FILENO, &key, 1);
    if (n == 1) {
        return key;
    }
    if (n == 0 || errno != EINTR) {
        keys_on = false; /* hung up */
    }
    return 0;
}

bool screen_news(void)
{
    struct pollfd p = {.fd = keys_on ? STDIN_FILENO : -1, .events = POLLIN};
    return resized || suspended || cli_stops > 0 || poll(&p, 1, 0) > 0;
}

bool screen_resized(void)
{
    bool yes = resized;
    resized = 0;
    return yes;
}

bool screen_suspended(void)
{
    if (!suspended) {
        return false;
    }
    suspended = 0;
    screen_leave();
    raise(SIGSTOP);
    screen_enter();
    return true;
}
