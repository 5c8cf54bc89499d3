/* SPDX-License-Identifier: MIT
 *
 * The program that `make demo` runs once per trial, and a pattern for objectives that measure another program.
 *
 *   zstd_objective FILE measure                        what zstd -6 needs: "BYTES MICROSECONDS"
 *   zstd_objective FILE run NAME=VALUE...|-LEVEL       one run: "BYTES MICROSECONDS"
 *   zstd_objective FILE BYTES MICROSECONDS NAME=VALUE...
 *
 * The last form gets what -6 needs and a setting as in zstd(1), --zstd: strategy=4 wlog=21 ... It prints two attributes, the
 * processor time in microseconds (cpu_us) and as a part of what -6 takes (time), and as its last line the value to
 * minimise: the compressed size in bytes while the time is at most that of -6, otherwise a number above the size that -6
 * reaches, which grows with the time.
 * Exit status: 0, 1 when zstd failed (it refuses some settings), 2 for a wrong call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zstd_run.h"

/* "--zstd=A=1,B=2" from the words, or a level such as "-6". Returns 0 when it does not fit. */
static int build_option(char *option, size_t room, char **words, int n)
{
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        int level = n == 1 && words[0][0] == '-';
        int length = snprintf(option + used, room - used, "%s%s", i ? "," : level ? "" : "--zstd=", words[i]);
        if (length < 0 || (size_t)length >= room - used) {
            return 0;
        }
        used += (size_t)length;
    }
    return n > 0;
}

static int positive(const char *text, int64_t *out)
{
    char *end;
    *out = strtoll(text, &end, 10);
    return *end == 0 && *out > 0;
}

static int print_run(int64_t size, int64_t cpu_us)
{
    printf("%lld %lld\n", (long long)size, (long long)cpu_us);
    return 0;
}

int main(int argc, char **argv)
{
    char option[512];
    struct zstd_reference reference = {.option = "-6"};
    struct zstd_score score;
    struct zstd_run run;
    if (argc == 3 && strcmp(argv[2], "measure") == 0) {
        return zstd_measure_reference(argv[1], &reference) == 0 ? print_run(reference.size, reference.cpu_us) : 1;
    }
    if (argc > 3 && strcmp(argv[2], "run") == 0 && build_option(option, sizeof option, argv + 3, argc - 3)) {
        return zstd_run(argv[1], option, 0, &run) == 0 ? print_run(run.size, run.cpu_us) : 1;
    }
    if (argc < 5 || !positive(argv[2], &reference.size) || !positive(argv[3], &reference.cpu_us) ||
        !build_option(option, sizeof option, argv + 4, argc - 4)) {
        fprintf(stderr, "usage: zstd_objective FILE measure\n"
                        "       zstd_objective FILE run NAME=VALUE...|-LEVEL\n"
                        "       zstd_objective FILE BYTES MICROSECONDS NAME=VALUE...\n");
        return 2;
    }
    if (zstd_compare(argv[1], option, &reference, &score) != 0) {
        return 1;
    }
    printf("trialog-attr cpu_us %lld\n", (long long)score.run.cpu_us);
    printf("trialog-attr time %.3f\n", score.time);
    printf("%.0f\n", score.value);
    return 0;
}
