/* SPDX-License-Identifier: MIT
 *
 * Draws the progress of a study. The text is made by a pure function; the rest writes it in one piece and takes it away again.
 */
#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/num.h"

#define NS_PER_S     INT64_C(1000000000)
#define DRAW_EVERY   (NS_PER_S / 5)
#define BAR_CELLS    24u
#define DEFAULT_COLS 80u

void progress_duration(int64_t ns, struct buf *out)
{
    long long s = (long long)(ns / NS_PER_S);
    if (s < 60) {
        buf_printf(out, "%lld.%llds", s, (long long)(ns % NS_PER_S / (NS_PER_S / 10)));
    } else if (s < 3600) {
        buf_printf(out, "%lldm%02llds", s / 60, s % 60);
    } else if (s < 86400) {
        buf_printf(out, "%lldh%02lldm", s / 3600, s / 60 % 60);
    } else {
        buf_printf(out, "%lldd%02lldh", s / 86400, s / 3600 % 24);
    }
}

/* Trials per second, minute or hour, with one digit behind the point, whatever reads best. */
static void add_rate(double per_second, struct buf *out)
{
    static const struct {
        double seconds;
        const char *unit;
    } units[] = {{1, "s"}, {60, "min"}, {3600, "h"}};
    size_t i = 0;
    while (i + 1 < TL_COUNT(units) && per_second * units[i].seconds < 1) {
        i++;
    }
    double tenths = per_second * units[i].seconds * 10 + 0.5;
    uint64_t n = tenths < 1e15 ? (uint64_t)tenths : UINT64_C(1000000000000000);
    buf_printf(out, "  %llu.%llu/%s", (unsigned long long)(n / 10), (unsigned long long)(n % 10), units[i].unit);
}

static void add_best(const struct progress_facts *facts, struct buf *out)
{
    char text[NUM_MAX];
    if (facts->best_number >= 0) {
        buf_add_text(out, "  best ");
        buf_add(out, text, num_format(facts->best, text));
        buf_printf(out, " (#%lld)", (long long)facts->best_number);
    } else if (facts->n_front > 0) {
        buf_printf(out, "  %zu on the front", facts->n_front);
    }
}

void progress_text(const struct progress_facts *facts, uint64_t finished_before, int64_t age_ns, size_t width,
                   struct buf *out)
{
    size_t from = out->len;
    uint64_t done = facts->total > 0 && facts->finished > facts->total ? facts->total : facts->finished;
    uint64_t gained = facts->finished > finished_before ? facts->finished - finished_before : 0;
    if (facts->total > 0) {
        size_t filled = (size_t)((double)done / (double)facts->total * BAR_CELLS);
        buf_add_char(out, '[');
        for (size_t i = 0; i < BAR_CELLS; i++) {
            buf_add_char(out, i < filled ? '#' : '.');
        }
        buf_printf(out, "] %llu/%llu", (unsigned long long)facts->finished, (unsigned long long)facts->total);
    } else {
        buf_printf(out, "%llu trials", (unsigned long long)facts->finished);
    }
    add_best(facts, out);
    if (gained > 0 && age_ns > 0) {
        double rate = (double)gained / ((double)age_ns / (double)NS_PER_S);
        double left_ns = facts->total > 0 ? (double)(facts->total - done) / rate * (double)NS_PER_S : 0;
        add_rate(rate, out);
        if (left_ns > 0 && left_ns < 9e18) {
            buf_add_text(out, "  ");
            progress_duration((int64_t)left_ns, out);
            buf_add_text(out, " left");
        }
    }
    buf_printf(out, "  %llu running", (unsigned long long)facts->running);
    if (out->len - from > width) {
        out->len = from + width;
    }
}

void progress_init(struct progress *p, enum progress_mode mode, uint64_t finished, int64_t now_ns)
{
    if (mode == PROGRESS_BAR && !isatty(STDERR_FILENO)) {
        mode = PROGRESS_LINES;
    }
    *p = (struct progress){.mode = mode, .started_ns = now_ns, .drawn_ns = now_ns, .finished_before = finished};
}

/* Nothing can be done about a terminal that went away. */
static void put(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, bytes, n);
        if (done <= 0) {
            return;
        }
        bytes += done;
        n -= (size_t)done;
    }
}

static size_t columns(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return DEFAULT_COLS;
    }
    return size.ws_col;
}

void progress_draw(struct progress *p, const struct progress_facts *facts, int64_t now_ns, bool at_once)
{
    struct buf b = BUF_INIT(4096);
    if (p->mode != PROGRESS_BAR || (!at_once && p->shown && now_ns - p->drawn_ns < DRAW_EVERY)) {
        return;
    }
    buf_add_char(&b, '\r');
    progress_text(facts, p->finished_before, now_ns - p->started_ns, columns() - 1, &b);
    buf_add_text(&b, "\033[K");
    if (!b.failed) {
        put(b.data, b.len);
    }
    buf_release(&b);
    p->shown = true;
    p->drawn_ns = now_ns;
}

void progress_clear(struct progress *p)
{
    static const char clear[] = "\r\033[K";
    if (p->shown) {
        put(clear, sizeof clear - 1);
    }
    p->shown = false;
}

void progress_say(struct progress *p, const char *text, bool important)
{
    struct buf b = BUF_INIT(1 << 16);
    if (p->mode == PROGRESS_NONE || (p->mode == PROGRESS_BAR && !important)) {
        return;
    }
    progress_clear(p);
    buf_add_text(&b, text);
    buf_add_char(&b, '\n');
    if (!b.failed) {
        put(b.data, b.len);
    }
    buf_release(&b);
}
