/* SPDX-License-Identifier: MIT
 *
 * A folder of its own for a test: made under $TMPDIR (or /tmp), emptied and removed at the end.
 */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_MAX 512

/* Puts the path of a new folder into `dir`. */
static inline void scratch_make(char dir[SCRATCH_MAX])
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, SCRATCH_MAX, "%s/trialog-test-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* DIR/NAME, in one of eight buffers that take turns. */
static inline const char *scratch_path(const char *dir, const char *name)
{
    static char paths[8][SCRATCH_MAX * 2];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

/* Removes a folder with its files and the files of its folders. */
static inline void scratch_remove(const char *dir)
{
    for (int depth = 0; depth < 2; depth++) {
        DIR *d = opendir(dir);
        if (!d) {
            return;
        }
        struct dirent *e;
        while ((e = readdir(d)) != NULL) {
            char path[SCRATCH_MAX * 2];
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || unlink(path) == 0 || rmdir(path) == 0) {
                continue;
            }
            chmod(path, 0755);
            DIR *inner = opendir(path);
            struct dirent *f;
            while (inner && (f = readdir(inner)) != NULL) {
                char deep[SCRATCH_MAX * 3];
                snprintf(deep, sizeof deep, "%s/%s", path, f->d_name);
                unlink(deep);
            }
            if (inner) {
                closedir(inner);
            }
            rmdir(path);
        }
        closedir(d);
    }
    rmdir(dir);
}

/* Replaces a file's contents. */
static inline void scratch_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void scratch_append(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "ab");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* A file's contents with a NUL behind them; free() them. */
static inline char *scratch_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    rewind(f);
    char *bytes = malloc((size_t)size + 1);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)size, f), (size_t)size);
    bytes[size] = 0;
    fclose(f);
    if (n) {
        *n = (size_t)size;
    }
    return bytes;
}

/* How many entries of a folder have `part` in their names. */
static inline int scratch_count(const char *dir, const char *part)
{
    DIR *d = opendir(dir);
    ck_assert_ptr_nonnull(d);
    struct dirent *e;
    int n = 0;
    while ((e = readdir(d)) != NULL) {
        n += e->d_name[0] != '.' && strstr(e->d_name, part) != NULL;
    }
    closedir(d);
    return n;
}

#endif
