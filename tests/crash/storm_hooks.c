/* SPDX-License-Identifier: MIT
 *
 * A table of system calls that knows where in an append it is; see storm_hooks.h.
 *
 * The critical section is seen from outside: it begins with the link that ends in ".lock", made anew or by renaming one, and ends with
 * its renaming away. Writes in between
 * that bear the healer's name are a heal, others are the group.
 */
#include "storm_hooks.h"

#include "base/os.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct os_table table;
static bool installed, inside, counted;
static const char *armed_point;
static int armed_signal;
static long armed_nth;
static _Atomic uint64_t *counters;
static long stretch_us;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool due(const char *point)
{
    return armed_point && strcmp(point, armed_point) == 0 && --armed_nth == 0;
}

static void reached(const char *point)
{
    if (due(point)) {
        raise(armed_signal);
    }
}

static int hook_open(const char *path, int flags, uint32_t mode)
{
    if (ends_with(path, ".log") && (flags & O_ACCMODE) == O_RDWR) {
        reached("open");
    }
    return os_system.open(path, flags, mode);
}

static void count_in(void)
{
    if (counters && !counted) {
        uint64_t now = atomic_fetch_add(&counters[0], 1) + 1, most = atomic_load(&counters[3]);
        counted = true;
        atomic_fetch_add(&counters[1], now > 1);
        atomic_fetch_add(&counters[2], 1);
        while (now > most && !atomic_compare_exchange_weak(&counters[3], &most, now)) {
        }
        if (stretch_us > 0) {
            os_system.sleep_ns((int64_t)(random() % stretch_us) * 1000);
        }
    }
}

static void count_out(void)
{
    if (counters && counted) {
        counted = false;
        atomic_fetch_sub(&counters[0], 1);
    }
}

static int made(const char *path, int rc)
{
    if (rc == 0 && ends_with(path, ".lock")) {
        inside = true;
        count_in();
        reached("locked");
    }
    return rc;
}

static int hook_link(const char *from, const char *to)
{
    return made(to, os_system.link(from, to));
}

static int hook_rename_new(const char *from, const char *to)
{
    return made(to, os_system.rename_new(from, to));
}

static int hook_symlink(const char *target, const char *path)
{
    return made(path, os_system.symlink(target, path));
}

static int hook_rename(const char *from, const char *to)
{
    bool ours = inside && ends_with(from, ".lock");
    if (ours) {
        reached("release");
        count_out();
        inside = false;
    }
    int rc = os_system.rename(from, to);
    if (ours) {
        reached("moved");
    }
    return rc;
}

static int hook_stat(const char *path, bool follow, struct os_stat *out)
{
    int rc = os_system.stat(path, follow, out);
    if (inside && follow && ends_with(path, ".log")) {
        reached("stat");
    }
    return rc;
}

static int64_t hook_write(int fd, const void *bytes, size_t n)
{
    static const char healer[] = "torn-tail-repair";
    if (!inside) {
        return os_system.write(fd, bytes, n);
    }
    bool heal = memmem(bytes, n, healer, sizeof healer - 1) != NULL;
    reached(heal ? "heal" : "before-write");
    if (due(heal ? "heal-half" : "half-write")) {
        (void)os_system.write(fd, bytes, n / 2);
        raise(armed_signal);
        int64_t rest = os_system.write(fd, (const char *)bytes + n / 2, n - n / 2);
        return rest < 0 ? rest : (int64_t)(n / 2) + rest;
    }
    int64_t put = os_system.write(fd, bytes, n);
    reached(heal ? "healed" : "after-write");
    return put;
}

static int hook_sync(int fd, bool data_only)
{
    reached("flush");
    return os_system.sync(fd, data_only);
}

static void install(void)
{
    if (!installed) {
        installed = true;
        table = os_system;
        table.open = hook_open;
        table.link = hook_link;
        table.rename_new = hook_rename_new;
        table.symlink = hook_symlink;
        table.rename = hook_rename;
        table.stat = hook_stat;
        table.write = hook_write;
        table.sync = hook_sync;
        srandom((unsigned)getpid());
        os_use(&table);
    }
}

bool storm_arm(const char *point, int signal, long nth)
{
    static const char *const points[] = {"open",        "locked",  "stat",         "heal",
                                         "heal-half",   "healed",  "before-write", "half-write",
                                         "after-write", "release", "moved",        "flush"};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        if (strcmp(points[i], point) == 0) {
            armed_point = points[i];
            armed_signal = signal;
            armed_nth = nth;
            install();
            return true;
        }
    }
    return false;
}

bool storm_count(const char *path, long hold_us)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096) < 0) {
        return false;
    }
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        return false;
    }
    counters = map;
    stretch_us = hold_us;
    install();
    return true;
}
