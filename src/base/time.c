/* SPDX-License-Identifier: MIT
 *
 * Instants to text and back, in the form of Python's datetime.isoformat.
 *
 * The calendar is the Gregorian one, also before it was invented, for years 1 to 9999. Reading fails (false) for anything
 * that Python's own isoformat would not write; a leap second is no time of day there. An instant outside those years,
 * which an offset or a caller's number can bring about, is written as the nearest one inside.
 */
#include "base/num.h"

#define SECOND_US    INT64_C(1000000)
#define DAY_US       (INT64_C(86400) * SECOND_US)
#define FIRST_US     (INT64_C(-719162) * DAY_US)     /* 0001-01-01 */
#define LAST_US      (INT64_C(2932897) * DAY_US - 1) /* 9999-12-31T23:59:59.999999 */
#define MARCH_0_DAYS 719468                          /* days from 0000-03-01 to 1970-01-01 */

/* Days since 1970-01-01. Years are taken to begin in March, so that the leap day comes last and a month's first day is a
 * linear function of its number: 153 days in five months. */
static int64_t days_of_date(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month <= 2 ? year - 1 : year;
    unsigned m = month <= 2 ? month + 9 : month - 3;
    unsigned days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    return (int64_t)days - MARCH_0_DAYS;
}

static void date_of_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    unsigned d = (unsigned)(days + MARCH_0_DAYS);
    unsigned era = d / 146097, in_era = d % 146097; /* 400 years */
    unsigned y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * in_year + 2) / 153;
    *day = in_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = era * 400 + y + (m >= 10);
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* ---- reading ---- */

#define NO_NUMBER 1000000u

static inline unsigned digit(char c)
{
    unsigned d = (unsigned char)c - (unsigned)'0';
    return d < 10 ? d : NO_NUMBER;
}

/* Two digits; NO_NUMBER or more when they are none. */
static inline unsigned two(const char *p)
{
    return digit(p[0]) * 10 + digit(p[1]);
}

/* HH:MM[:SS[.fff|.ffffff]] up to `end`, as microseconds; -1: something else. */
static int64_t read_clock(const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    if ((n != 5 && n != 8 && n != 12 && n != 15) || p[2] != ':') {
        return -1;
    }
    unsigned hour = two(p), minute = two(p + 3), second = 0;
    uint64_t fraction = 0;
    if (n >= 8) {
        second = p[5] == ':' ? two(p + 6) : NO_NUMBER;
    }
    if (n >= 12) {
        fraction = p[8] == '.' ? UINT64_C(10000) * two(p + 9) + UINT64_C(1000) * digit(p[11]) : NO_NUMBER;
    }
    if (n == 15) {
        fraction += UINT64_C(100) * digit(p[12]) + two(p + 13);
    }
    if (hour > 23 || minute > 59 || second > 59 || fraction > 999999) {
        return -1;
    }
    return (int64_t)(hour * 3600 + minute * 60 + second) * SECOND_US + (int64_t)fraction;
}

bool time_parse(struct str text, struct tl_time *out)
{
    const char *p = text.p;
    if (text.n < 16 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' ')) {
        return false;
    }
    unsigned year = two(p) * 100 + two(p + 2), month = two(p + 5), day = two(p + 8);
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
        return false;
    }
    /* where the clock ends and the offset begins */
    const char *end = p + text.n, *behind = p + 16;
    while (behind < end && *behind != '+' && *behind != '-' && *behind != 'Z') {
        behind++;
    }
    int64_t clock = read_clock(p + 11, behind), offset = 0;
    if (behind < end && (*behind != 'Z' || behind + 1 != end)) {
        offset = *behind == 'Z' ? -1 : read_clock(behind + 1, end);
    }
    if (clock < 0 || offset < 0) {
        return false;
    }
    int64_t us = days_of_date(year, month, day) * DAY_US + clock;
    us += behind < end && *behind == '-' ? offset : -offset;
    *out = (struct tl_time){us, true, behind == end};
    return true;
}

/* ---- writing ---- */

/* `n` digits with leading zeros. */
static char *put(char *p, unsigned v, int n)
{
    for (int i = n; i-- > 0; v /= 10) {
        p[i] = (char)('0' + v % 10);
    }
    return p + n;
}

size_t time_format(struct tl_time t, char out[TIME_MAX])
{
    int64_t us = t.us < FIRST_US ? FIRST_US : t.us > LAST_US ? LAST_US : t.us;
    int64_t days = (us - FIRST_US) / DAY_US + FIRST_US / DAY_US;
    int64_t in_day = us - days * DAY_US;
    unsigned second = (unsigned)(in_day / SECOND_US), fraction = (unsigned)(in_day % SECOND_US);
    unsigned year, month, day;
    date_of_days(days, &year, &month, &day);
    char *p = put(out, year, 4);
    *p++ = '-';
    p = put(p, month, 2);
    *p++ = '-';
    p = put(p, day, 2);
    *p++ = 'T';
    p = put(p, second / 3600, 2);
    *p++ = ':';
    p = put(p, second / 60 % 60, 2);
    *p++ = ':';
    p = put(p, second % 60, 2);
    *p++ = '.';
    p = put(p, fraction, 6);
    if (!t.naive) {
        memcpy(p, "+00:00", 6);
        p += 6;
    }
    *p = 0;
    return (size_t)(p - out);
}
