/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_REFRESH_H
#define MODEL_REFRESH_H

#include "model/external_secret.h"

/* When an ExternalSecret is due (eso.md 2.2).  Pure: time comes in. */

#define REFRESH_NEVER INT64_MAX

/**
 * refresh_due_ms(es, synced_version, last_sync_wall_ms, now_wall_ms):
 * The wall time at which the next refresh is due: at or before now when it is
 * due already, REFRESH_NEVER when only a change will make it due.
 * ${synced_version} is the version of the last success (NULL: never synced),
 * ${last_sync_wall_ms} its time.  syncWindows are taken into account: a refresh
 * that falls into a closed window is due when one opens (see window_next_open
 * for its ceiling).  No jitter here.
 */
int64_t refresh_due_ms(const struct external_secret *es,
    const char *synced_version, int64_t last_sync_wall_ms,
    int64_t now_wall_ms);

/* window_open(w, now): may an interval-driven refresh run now? */
int window_open(const struct sync_window *w, int64_t now_wall_ms);
/* window_next_open(w, now): now when it is open, else the first whole second at
 * which it is; REFRESH_NEVER when none within 366 days.  16,384 looks at a
 * schedule are the ceiling: then the answer is a time until which it is closed,
 * and who comes back then asks again. */
int64_t window_next_open(const struct sync_window *w, int64_t now_wall_ms);
/* cron_check(expr, err): 5 fields in UTC, @hourly @daily @midnight @weekly
 * @monthly @yearly @annually, @every D, as robfig/cron ParseStandard. */
int cron_check(const char *expr, struct err *err);

#endif
