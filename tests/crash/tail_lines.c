/* SPDX-License-Identifier: MIT
 *
 * Follows one stream as a reader does and writes every line that is delivered to a file, at once and in that order:
 *
 *   tail_lines URL OUT [STUDY]     STUDY names the stream where there is one per study
 *
 * Prints "ready" when it has read for the first time. Goes on until its standard input ends, then takes in what is there and prints
 * "done LINES READS REWINDS". When the stream was rewound, the file begins anew. Below the engine on purpose: what the backend delivers is
 * what counts.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/backend.h"
#include "journal/catalog.h"

#include <trialog/storage.h>

static int out = -1;
static uint64_t lines, rewinds;

static int deliver(void *ctx, const char *bytes, size_t n, int64_t offset, struct tl_err *err)
{
    (void)ctx;
    (void)offset;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        lines += bytes[i] == '\n';
    }
    return write(out, bytes, n) == (ssize_t)n ? 0 : TL_EIO;
}

static int rewound(void *ctx, const char *why, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    fprintf(stderr, "tail_lines: %s\n", why);
    lines = 0;
    rewinds++;
    return ftruncate(out, 0) == 0 ? 0 : TL_EIO;
}

static int fail(const char *what, const struct tl_err *err)
{
    printf("error %s %s: %s\n", tl_code_name(err->code), what, err->message);
    return 1;
}

static int open_stream(const char *url, const char *study, struct catalog **catalog, struct backend **out_backend, struct tl_err *err)
{
    struct tl_storage_options options = TL_STORAGE_OPTIONS_INIT;
    options.no_snapshot = true;
    options.timeout_ms = 60000; /* the engine fills it in; here nobody does */
    int64_t stream;
    int rc = catalog_open(url, &options, catalog, err);
    if (rc != TL_OK || !*catalog) {
        return rc != TL_OK ? rc : backend_open(url, &options, out_backend, err);
    }
    do {
        rc = (*catalog)->ops->find(*catalog, str_of(study), &stream, err);
    } while (rc == TL_ENOTFOUND);
    return rc == TL_OK ? (*catalog)->ops->open(*catalog, stream, out_backend, err) : rc;
}

int main(int argc, char **argv)
{
    struct tl_err err = TL_ERR_INIT;
    struct catalog *catalog = NULL;
    struct backend *b = NULL;
    struct deliver d = {.lines = deliver, .rewind = rewound};
    struct pollfd input = {.fd = 0, .events = POLLIN};
    uint64_t reads = 0;
    if (argc < 3 || (out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600)) < 0) {
        fprintf(stderr, "usage: tail_lines URL OUT [STUDY]\n");
        return 2;
    }
    if (open_stream(argv[1], argc > 3 ? argv[3] : "storm", &catalog, &b, &err) != TL_OK) {
        return fail("open", &err);
    }
    for (bool last = false;; reads++) {
        if (b->ops->read(b, &d, &err) != TL_OK) {
            return fail("read", &err);
        }
        if (reads == 0) {
            printf("ready\n");
            fflush(stdout);
        }
        if (last) {
            break;
        }
        last = poll(&input, 1, 2) > 0;
    }
    printf("done %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", lines, reads, rewinds);
    b->ops->close(b);
    if (catalog) {
        catalog->ops->close(catalog);
    }
    return 0;
}
