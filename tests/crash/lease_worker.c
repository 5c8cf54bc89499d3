/* SPDX-License-Identifier: MIT
 *
 * A worker with a lease, for lost_workers.py: begins a trial, holds it, and looks on until it is told to end it.
 *
 *   lease_worker PATH LEASE_MS RETRY_LOST BUDGET
 *
 * Prints "asked NUMBER X", then waits for news (which is looking) until a line comes on standard input: then it tells its trial, asks for
 * the next one and ends that at once, and so on until the budget is used up. Prints "told NUMBER" or "late NUMBER" for each. Ends with 0.
 */
#include <trialog/trialog.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static tl_study *study;

static void failed(const char *what, const struct tl_err *err)
{
    fprintf(stderr, "lease_worker: %s: %s: %s\n", what, tl_code_name(err->code), err->message);
    _exit(1);
}

static tl_trial *ask(uint64_t budget, double *x)
{
    struct tl_ask_options o = TL_ASK_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_trial *t = NULL;
    o.budget = budget;
    int rc = tl_study_ask(study, &o, &t, &err);
    if (rc == TL_EEXHAUSTED) {
        return NULL;
    }
    if (rc == TL_OK) {
        rc = tl_trial_suggest_float(t, "x", 0, 1, 0, false, x, &err);
    }
    if (rc == TL_OK) {
        rc = tl_trial_flush(t, &err);
    }
    if (rc != TL_OK) {
        failed("ask", &err);
    }
    return t;
}

static void tell(tl_trial *t, double x)
{
    struct tl_err err = TL_ERR_INIT;
    long long number = (long long)tl_trial_number(t);
    int rc = tl_study_tell(study, t, TL_COMPLETE, &x, 1, NULL, &err);
    if (rc != TL_OK && rc != TL_EFINISHED) {
        failed("tell", &err);
    }
    if (rc == TL_EFINISHED) {
        tl_trial_free(t);
    }
    printf("%s %lld\n", rc == TL_OK ? "told" : "late", number);
}

int main(int argc, char **argv)
{
    struct tl_storage_options so = TL_STORAGE_OPTIONS_INIT;
    struct tl_study_options o = TL_STUDY_OPTIONS_INIT;
    struct tl_err err = TL_ERR_INIT;
    tl_storage *storage = NULL;
    double x = 0;
    if (argc != 5) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    so.durability = TL_DURABILITY_OFF;
    so.lease_ms = strtol(argv[2], NULL, 10);
    so.retry_lost = (unsigned)strtoul(argv[3], NULL, 10);
    o.load_if_exists = true;
    uint64_t budget = strtoull(argv[4], NULL, 10);
    int rc = tl_storage_open(argv[1], &so, &storage, &err);
    if (rc == TL_OK) {
        rc = tl_study_create(storage, "lost", &o, &study, &err);
    }
    if (rc != TL_OK) {
        failed("open", &err);
    }
    tl_trial *t = ask(budget, &x);
    if (!t) {
        return 3;
    }
    printf("asked %lld %.17g\n", (long long)tl_trial_number(t), x);
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    while (poll(&in, 1, 0) == 0) {
        if (tl_storage_wait(storage, 300, &err) != TL_OK) {
            failed("wait", &err);
        }
    }
    for (; t; t = ask(budget, &x)) {
        tell(t, x);
    }
    tl_study_free(study);
    tl_storage_close(storage);
    return 0;
}
