/* SPDX-License-Identifier: MIT
 *
 * Does one thing at a time on a storage, as a line of standard input says, for round_trips.py, which counts what goes over the wire meanwhile:
 *
 *   round_trips URL       open, close, attr, report, sync, ask, suggest N, tell, trials N (of ten parameters each)
 *
 * The answer is "ok", or "error" with a message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trialog/trialog.h>

static tl_storage *storage;
static tl_study *study;
static tl_trial *trial;
static int64_t report_step;
static struct tl_err err;

static int open_it(const char *url)
{
    struct tl_storage_options o = TL_STORAGE_OPTIONS_INIT;
    struct tl_study_options s = TL_STUDY_OPTIONS_INIT;
    o.lease_ms = -1; /* nothing goes over the wire but what is asked for */
    s.load_if_exists = true;
    int rc = tl_storage_open(url, &o, &storage, &err);
    return rc == TL_OK ? tl_study_create(storage, "trips", &s, &study, &err) : rc;
}

static int suggest(long n)
{
    int rc = TL_OK;
    for (long i = 0; i < n && rc == TL_OK; i++) {
        char name[32];
        double x;
        snprintf(name, sizeof name, "p%ld", i);
        rc = tl_trial_suggest_float(trial, name, 0, 1, 0, false, &x, &err);
    }
    return rc;
}

static int tell(void)
{
    static const double value = 1;
    enum tl_state final;
    return tl_study_tell(study, trial, TL_COMPLETE, &value, 1, &final, &err);
}

static int trials(long n)
{
    int rc = TL_OK;
    for (long i = 0; i < n && rc == TL_OK; i++) {
        rc = tl_study_ask(study, NULL, &trial, &err);
        rc = rc == TL_OK ? suggest(10) : rc;
        rc = rc == TL_OK ? tell() : rc;
    }
    return rc;
}

static int obey(const char *line, const char *url)
{
    long n = strtol(line + strcspn(line, "0123456789"), NULL, 10);
    if (strncmp(line, "open", 4) == 0) {
        return open_it(url);
    } else if (strncmp(line, "close", 5) == 0) {
        tl_study_free(study);
        tl_storage_close(storage);
        return TL_OK;
    } else if (strncmp(line, "attr", 4) == 0) {
        return tl_study_set_attr(study, TL_ATTR_USER, "a", "1", &err);
    } else if (strncmp(line, "report", 6) == 0) {
        return tl_trial_report(trial, report_step++, 0.5, &err);
    } else if (strncmp(line, "sync", 4) == 0) {
        tl_view *view = NULL;
        int rc = tl_study_view(study, &view, &err);
        tl_view_close(view);
        return rc;
    } else if (strncmp(line, "ask", 3) == 0) {
        return tl_study_ask(study, NULL, &trial, &err);
    } else if (strncmp(line, "suggest", 7) == 0) {
        return suggest(n);
    } else if (strncmp(line, "trials", 6) == 0) {
        return trials(n);
    }
    return tell();
}

int main(int argc, char **argv)
{
    char line[64];
    if (argc != 2) {
        fprintf(stderr, "usage: round_trips URL\n");
        return 2;
    }
    while (fgets(line, sizeof line, stdin)) {
        err = (struct tl_err)TL_ERR_INIT;
        if (obey(line, argv[1]) == TL_OK) {
            printf("ok\n");
        } else {
            printf("error %s: %s\n", tl_code_name(err.code), err.message);
        }
        fflush(stdout);
    }
    return 0;
}
