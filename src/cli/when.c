/* SPDX-License-Identifier: MIT
 *
 * Instants and spans for people. Pure but for the time zone of the process (TZ).
 */
#include "cli/when.h"

#include <stdio.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define DAY    (INT64_C(86400) * SECOND)

/* Quotient rounded down, rest positive. */
static int64_t split(int64_t v, int64_t by, int64_t *rest)
{
    int64_t q = v / by, r = v % by;
    if (r < 0) {
        r += by;
        q--;
    }
    *rest = r;
    return q;
}

int64_t when_local_us(struct tl_time t)
{
    int64_t rest;
    time_t seconds = (time_t)split(t.us, SECOND, &rest);
    struct tm parts;
    if (t.naive || !localtime_r(&seconds, &parts)) {
        return t.us;
    }
    return t.us + (int64_t)parts.tm_gmtoff * SECOND;
}

void when_text(struct tl_time t, char out[WHEN_MAX])
{
    int64_t rest;
    time_t seconds = (time_t)split(when_local_us(t), SECOND, &rest);
    struct tm parts;
    out[0] = 0;
    if (gmtime_r(&seconds, &parts) && strftime(out, WHEN_MAX, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        out[0] = 0;
    }
}

void when_span(int64_t us, char out[WHEN_MAX])
{
    int64_t rest, part;
    int64_t days = split(us, DAY, &rest), seconds = split(rest, SECOND, &part);
    int n = 0;
    if (days != 0) {
        n = snprintf(out, WHEN_MAX, "%lld day%s, ", (long long)days, days == 1 || days == -1 ? "" : "s");
    }
    n += snprintf(out + n, WHEN_MAX - (size_t)n, "%d:%02d:%02d", (int)(seconds / 3600),
                  (int)(seconds / 60 % 60), (int)(seconds % 60));
    if (part) {
        snprintf(out + n, WHEN_MAX - (size_t)n, ".%06d", (int)part);
    }
}
