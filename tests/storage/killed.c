/* SPDX-License-Identifier: MIT
 *
 * killed URL_FORMAT [kills]: workers on one study are killed at any moment and replaced. What was acknowledged is there, once, and is what
 * its writer was told; nothing is there twice; and what the survivors see is what a fresh handle reads.
 *
 * The format has one %s, for a folder, or is the URL of a database that is empty. The moments are drawn from a seed that is printed; a killed worker's last words come through a pipe.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/sqlite_optimistic.h"
#include "support/study_kit.h"

#define WORKERS 6
#define TICKETS 400000

static const char *format = "sqlite:///%s/study.db";
static int kills = 60;
static char url[SCRATCH_MAX + 60];

struct word { /* of a worker: its ticket became that trial */
    uint32_t ticket;
    int32_t number;
};
static int32_t acknowledged[TICKETS]; /* number + 1 */
static uint8_t seen[TICKETS];

/* Each worker has a range of tickets of its own. */
static void work(uint32_t ticket, uint32_t end, int to)
{
    tl_storage *s = kit_open(url);
    tl_study *study = kit_study(s, "s", NULL);
    for (; ticket < end; ticket++) {
        char text[16];
        tl_trial *t;
        double x;
        snprintf(text, sizeof text, "%u", ticket);
        OK(tl_study_ask(study, NULL, &t, err));
        OK(tl_trial_suggest_float(t, "x", 0, 1, 0, false, &x, err));
        OK(tl_trial_set_attr(t, TL_ATTR_USER, "ticket", text, err));
        struct word w = {ticket, (int32_t)tl_trial_number(t)};
        OK(tl_study_tell(study, t, TL_COMPLETE, &x, 1, NULL, err));
        if (write(to, &w, sizeof w) != (ssize_t)sizeof w) {
            _exit(1);
        }
    }
    _exit(0);
}

static pid_t start_worker(uint32_t *next, int to)
{
    uint32_t first = *next;
    *next += TICKETS / (uint32_t)(kills + WORKERS + 1);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        work(first, *next, to);
    }
    return pid;
}

static size_t listen_to(int from, int timeout_ms)
{
    struct pollfd p = {from, POLLIN, 0};
    struct word w;
    size_t n = 0;
    while (poll(&p, 1, timeout_ms) == 1) {
        ck_assert_int_eq(read(from, &w, sizeof w), (ssize_t)sizeof w);
        acknowledged[w.ticket] = w.number + 1;
        timeout_ms = 0;
        n++;
    }
    return n;
}

static int64_t ticket_of(const struct tl_frozen_trial *t)
{
    for (size_t i = 0; i < t->n_attrs; i++) {
        if (t->attrs[i].key.len == 6 && memcmp(t->attrs[i].key.s, "ticket", 6) == 0) {
            int64_t value = 0;
            for (size_t k = 0; k < t->attrs[i].json.len; k++) {
                value = value * 10 + (t->attrs[i].json.s[k] - '0');
            }
            return value;
        }
    }
    return -1;
}

static void check_all(tl_storage *s, size_t *n_trials, size_t *n_complete)
{
    struct tl_frozen_trial t = TL_FROZEN_TRIAL_INIT;
    int64_t id;
    tl_view *v;
    memset(seen, 0, sizeof seen);
    OK(tl_storage_find_study(s, "s", &id, err));
    OK(tl_view_open(s, id, true, &v, err));
    *n_trials = tl_view_n_trials(v);
    *n_complete = tl_view_count(v, TL_COMPLETE);
    for (size_t i = 0; i < *n_trials; i++) {
        OK(tl_view_trial(v, (int64_t)i, &t, err));
        int64_t ticket = ticket_of(&t);
        if (ticket >= 0) {
            ck_assert_msg(!seen[ticket]++, "ticket %d is there twice", (int)ticket);
            ck_assert(acknowledged[ticket] == 0 || acknowledged[ticket] == (int32_t)i + 1);
            ck_assert(acknowledged[ticket] == 0 || t.state == TL_COMPLETE);
        }
    }
    for (size_t i = 0; i < TICKETS; i++) {
        ck_assert_msg(acknowledged[i] == 0 || seen[i], "ticket %zu was acknowledged and is not there", i);
    }
    tl_frozen_release(&t);
    tl_view_close(v);
}

START_TEST(nothing_is_lost_or_doubled)
{
    const char *given = getenv("TRIALOG_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    unsigned short dice[3] = {(unsigned short)seed, (unsigned short)(seed >> 16), 7};
    int ends[2], status;
    pid_t pids[WORKERS];
    uint32_t next = 0;
    size_t n_acknowledged = 0, n[2], m[2];
    printf("seed %u\n", seed);
    kit_special = open_optimistic;
    scratch_make(kit_dir);
    snprintf(url, sizeof url, format, kit_dir);
    ck_assert_int_eq(pipe(ends), 0);
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = start_worker(&next, ends[1]);
    }
    for (int i = 0; i < kills; i++) {
        n_acknowledged += listen_to(ends[0], 5000); /* somebody gets on, however slow the machine is */
        struct timespec pause = {0, (long)(nrand48(dice) % 60000000)};
        nanosleep(&pause, NULL);
        size_t k = (size_t)nrand48(dice) % WORKERS;
        ck_assert_int_eq(kill(pids[k], SIGKILL), 0);
        ck_assert_int_eq(waitpid(pids[k], &status, 0), pids[k]);
        ck_assert_msg(WIFSIGNALED(status), "seed %u: a worker ended by itself with %x", seed, (unsigned)status);
        n_acknowledged += listen_to(ends[0], 0);
        pids[k] = start_worker(&next, ends[1]);
    }
    for (int i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
    }
    n_acknowledged += listen_to(ends[0], 0);
    tl_storage *s = kit_open(url), *fresh;
    check_all(s, &n[0], &n[1]);
    struct tl_trial_spec spec = TL_TRIAL_SPEC_INIT;
    int64_t id;
    OK(tl_storage_find_study(s, "s", &id, err));
    spec.state = TL_WAITING;
    OK(tl_storage_create_trial(s, id, &spec, NULL, NULL, err)); /* it can be written to, too */
    fresh = kit_open(url);
    check_all(fresh, &m[0], &m[1]);
    ck_assert(m[0] == n[0] + 1 && m[1] == n[1]);
    printf("%d kills: %zu trials, %zu complete, %zu acknowledged\n", kills + WORKERS, n[0], n[1], n_acknowledged);
    ck_assert_uint_gt(n_acknowledged, (size_t)kills);
    tl_storage_close(fresh);
    tl_storage_close(s);
    kit_clean();
}
END_TEST

int main(int argc, char **argv)
{
    TCase *t = tcase_create("killed");
    format = argc > 1 ? argv[1] : format;
    kills = argc > 2 ? atoi(argv[2]) : kills;
    tcase_set_timeout(t, 1000);
    tcase_add_test(t, nothing_is_lost_or_doubled);
    return check_run("killed", t);
}
