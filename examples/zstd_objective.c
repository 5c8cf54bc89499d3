/* SPDX-License-Identifier: MIT
 *
 * The program that `make demo` runs once per trial, and a pattern for objectives that measure another program.
 *
 *   zstd_objective FILE LIMIT_US [NAME=VALUE...]      parameters as in zstd(1), --zstd: strategy=4 wlog=21 ...
 *   zstd_objective FILE LIMIT_US -6                   a level instead
 *
 * Prints two attributes, cpu_us and fits, and as its last line the value to minimise: the compressed size in bytes while the
 * processor time stays within LIMIT_US (0: no limit), otherwise a number above the size of FILE that grows with the time.
 * Exit status: 0, 1 when zstd failed (it refuses some parameters), 2 for a wrong call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "zstd_run.h"

#define RUNS 3

/* "--zstd=A=1,B=2" from the words, or a level such as "-6". Returns 0 when it does not fit. */
static int build_option(char *option, size_t room, char **words, int n)
{
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        int level = n == 1 && words[0][0] == '-';
        int length = snprintf(option + used, room - used, "%s%s", i ? "," : level ? "" : "--zstd=", words[i]);
        if (length < 0 || (size_t)length >= room - used)
            return 0;
        used += (size_t)length;
    }
    return n > 0;
}

int main(int argc, char **argv)
{
    char option[512], *end = NULL;
    struct stat file;
    struct zstd_run run;
    long long limit_us = argc > 2 ? strtoll(argv[2], &end, 10) : -1;
    if (argc < 4 || !end || *end || limit_us < 0 || !build_option(option, sizeof option, argv + 3, argc - 3)) {
        fprintf(stderr, "usage: zstd_objective FILE LIMIT_US NAME=VALUE...|-LEVEL\n");
        return 2;
    }
    if (stat(argv[1], &file) != 0) {
        perror(argv[1]);
        return 1;
    }
    if (zstd_measure(argv[1], option, limit_us, RUNS, &run) != 0)
        return 1;
    printf("trialog-attr cpu_us %lld\n", (long long)run.cpu_us);
    printf("trialog-attr fits %s\n", !run.cut && (limit_us == 0 || run.cpu_us <= limit_us) ? "true" : "false");
    printf("%.0f\n", zstd_value(&run, limit_us, file.st_size));
    return 0;
}
