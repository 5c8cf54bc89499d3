/* SPDX-License-Identifier: MIT
 *
 * What failures of PostgreSQL mean, and what people are told.
 *
 * Happy path: a SQLSTATE is looked for in the table `states`, first row first, and the last row fits all. Failure modes: a text from libpq
 * without a SQLSTATE: the caller sorts it. Invariants: no function of libpq is used here, so nothing has to be open; a message has one
 * line.
 */
#include "base/err.h"
#include "journal/postgres.h"

/* By the first characters of the SQLSTATE; the first row that fits. */
static const struct {
    const char *state;
    enum sql_end end;
    int code;
} states[] = {
    {"40", SQL_AGAIN, TL_EUNAVAILABLE},     /* serialisation failure, deadlock */
    {"55P03", SQL_AGAIN, TL_EUNAVAILABLE},  /* lock timeout */
    {"57014", SQL_AGAIN, TL_EUNAVAILABLE},  /* cancelled by an administrator or a time limit */
    {"53300", SQL_AGAIN, TL_EUNAVAILABLE},  /* too many connections */
    {"53400", SQL_AGAIN, TL_EUNAVAILABLE},
    {"57P", SQL_AGAIN, TL_EUNAVAILABLE},    /* shutting down, starting up, crashed: the connection is seen to be lost behind it */
    {"08", SQL_AGAIN, TL_ENET},
    {"26000", SQL_AGAIN, TL_EUNAVAILABLE},  /* a pooler gave us another server that has not prepared the statement */
    {"42P05", SQL_AGAIN, TL_EUNAVAILABLE},  /* or one that has */
    {"0A000", SQL_AGAIN, TL_EUNSUPPORTED},  /* the table was made anew: prepare again */
    {"23505", SQL_TAKEN, TL_EEXISTS},
    {"42501", SQL_FAILED, TL_EACCESS},
    {"25006", SQL_FAILED, TL_EACCESS},      /* read only: a standby */
    {"25P03", SQL_GONE, TL_EUNAVAILABLE},   /* a transaction was held for too long */
    {"28", SQL_FAILED, TL_EACCESS},         /* wrong password, no entry in pg_hba.conf */
    {"3D000", SQL_FAILED, TL_ENOTFOUND},    /* no such database */
    {"3F000", SQL_FAILED, TL_ENOTFOUND},    /* no schema to create anything in */
    {"42P01", SQL_FAILED, TL_ENOTFOUND},    /* no such table */
    {"53100", SQL_FAILED, TL_ENOSPC},
    {"54", SQL_FAILED, TL_ELIMIT},
    {"XX001", SQL_FAILED, TL_ECORRUPT},
    {"XX002", SQL_FAILED, TL_ECORRUPT},
    {"", SQL_FAILED, TL_EIO},
};

enum sql_end postgres_end(const char *state, int *code)
{
    size_t i = 0;
    while (strncmp(state, states[i].state, strlen(states[i].state)) != 0) {
        i++;
    }
    *code = states[i].code;
    return states[i].end;
}

/* What libpq prints: "FATAL:  53300: sorry, too many clients already\nLOCATION: …" or plain text, perhaps of
 * several lines, one for each host that was tried. */
void postgres_set_error(struct tl_err *err, int code, const char *text)
{
    const char *end = strstr(text, "\nLOCATION:");
    char line[260];
    size_t n = 0;
    for (const char *p = text; *p && p != end && n < sizeof line - 1; p++) {
        bool blank = *p == '\n' || *p == '\t' || *p == ' ';
        if (!blank || (n && line[n - 1] != ' ')) {
            line[n++] = blank ? ' ' : *p;
        }
    }
    line[n - (n && line[n - 1] == ' ')] = 0;
    err_set(err, code, "PostgreSQL: %s", line);
}

/* It stands behind "SEVERITY:  ", and the severity may be in any language. */
void postgres_find_state(const char *text, char out[6])
{
    out[0] = 0;
    for (const char *p = strstr(text, ":  "); p; p = strstr(p + 1, ":  ")) {
        size_t n = strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 5 && p[8] == ':') {
            memcpy(out, p + 3, 5);
            out[5] = 0;
            return;
        }
    }
}
