/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over files: each argument is a file or a folder of files. For compilers without libFuzzer, and for
 * looking at one finding in a debugger. Each input lies in memory of exactly its size. Fails when there is no input at all.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Every file, 1 for a good run, 0 when it cannot be read. */
static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
        fprintf(stderr, "cannot read %s\n", path);
        if (f) {
            fclose(f);
        }
        return 0;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    int good = data && fread(data, 1, size, f) == size;
    fclose(f);
    if (good) {
        LLVMFuzzerTestOneInput(data, size);
    } else {
        fprintf(stderr, "cannot read %s\n", path);
    }
    free(data);
    return good;
}

/* Number of inputs run, -1 when one could not be read. */
static int run_path(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) {
        return run_file(path) ? 1 : -1;
    }
    int n = 0;
    for (struct dirent *entry; n >= 0 && (entry = readdir(folder));) {
        char inside[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int length = snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        n = length > 0 && (size_t)length < sizeof inside && run_file(inside) ? n + 1 : -1;
    }
    closedir(folder);
    return n;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int n = run_path(argv[i]);
        if (n < 0) {
            return 1;
        }
        total += n;
    }
    printf("%d inputs\n", total);
    return total == 0;
}
