/* SPDX-License-Identifier: MIT
 *
 * Hands events to the sink that the user gave at open.
 *
 * Happy path: nobody listens, or not at this level, and nothing is formatted. Nothing here fails; a long message is cut.
 */
#include "base/log.h"

#include "base/err.h"

#include <trialog/storage.h>

struct event_row {
    const char *name; /* as users see it: without LOG_ */
    int level;
};

static const struct event_row event_rows[] = {
#define ROW(name, level) {&#name[sizeof "LOG_" - 1], level},
    LOG_EVENTS(ROW)
#undef ROW
};

void log_emit(const struct tl_log_sink *sink, enum log_event event, const char *fmt, ...)
{
    const struct event_row *row = &event_rows[event];
    if (!sink || !sink->emit || row->level < sink->level) {
        return;
    }
    char message[1024];
    va_list args;
    va_start(args, fmt);
    err_text(message, sizeof message, fmt, args);
    va_end(args);
    sink->emit(sink->ctx, row->level, row->name, message);
}
