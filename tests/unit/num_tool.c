/* SPDX-License-Identifier: MIT
 *
 * Lets a script put questions to base/num.h: one a line on standard input, one answer a line on standard output.
 *   f BITS     num_format of the double with these 16 hex digits
 *   p TEXT     num_parse: BITS, number of bytes read, 1 for an integer; or "-"
 *   i TEXT     num_parse_int: the number and the number of bytes read; or "-"
 *   t TEXT     time_parse: microseconds, 1 for naive; or "-"
 *   w US NAIVE time_format
 */
#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t read_hex(const char *text)
{
    uint64_t v = 0;
    for (; *text; text++) {
        v = v << 4 | (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
    }
    return v;
}

static void answer(const char *text, size_t n)
{
    const char *end = text + n, *what = n > 2 ? text + 2 : end, *behind;
    char out[64];
    uint64_t bits;
    double v;
    int64_t whole;
    bool integer;
    struct tl_time t;
    switch (n ? text[0] : 0) {
    case 'f':
        bits = read_hex(what);
        memcpy(&v, &bits, sizeof v);
        num_format(v, out);
        puts(out);
        return;
    case 'p':
        behind = num_parse(what, end, &v, &integer);
        if (behind) {
            memcpy(&bits, &v, sizeof bits);
            printf("%016" PRIx64 " %td %d\n", bits, behind - what, integer);
            return;
        }
        break;
    case 'i':
        behind = num_parse_int(what, end, &whole);
        if (behind) {
            printf("%" PRId64 " %td\n", whole, behind - what);
            return;
        }
        break;
    case 't':
        if (time_parse((struct str){what, (size_t)(end - what)}, &t)) {
            printf("%" PRId64 " %d\n", t.us, t.naive);
            return;
        }
        break;
    case 'w':
        t = (struct tl_time){0, true, end[-1] == '1'};
        num_parse_int(what, end, &t.us);
        time_format(t, out);
        puts(out);
        return;
    default: break;
    }
    puts("-");
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        n -= line[n - 1] == '\n';
        line[n] = 0;
        answer(line, (size_t)n);
    }
    free(line);
    return 0;
}
