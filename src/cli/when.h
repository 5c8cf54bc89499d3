/* SPDX-License-Identifier: MIT
 *
 * Instants and spans for people, as Optuna's command shows them: local time without offset.
 */
#ifndef TL_CLI_WHEN_H
#define TL_CLI_WHEN_H

#include "base/base.h"

#include <trialog/types.h>

#define WHEN_MAX 48

/* Microseconds of the local clock: what Python's astimezone().replace(tzinfo=None) gives. Naive instants are local already. */
int64_t when_local_us(struct tl_time t);
/* "2026-01-31 09:30:00" */
void when_text(struct tl_time t, char out[WHEN_MAX]);
/* str(timedelta): "0:01:02.500000", "-1 day, 23:59:59". */
void when_span(int64_t us, char out[WHEN_MAX]);

#endif
