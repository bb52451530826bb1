/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_CRON_H
#define MODEL_CRON_H

#include <stdint.h>

#include "base/err.h"

/*
 * Schedules of github.com/robfig/cron v3, ParseStandard, in UTC: five fields
 * (minute, hour, day of month, month, day of week; names, ranges, steps,
 * `?`), a descriptor, or "@every D".
 */
struct cron {
	uint64_t minute, hour, dom, month, dow;	/* bit sets; CRON_STAR */
	int64_t every_ms;	/* "@every": its delay; else 0 */
};

#define CRON_STAR (UINT64_C(1) << 63)
#define CRON_NEVER INT64_MAX

/* cron_parse(expr, ret, err): INVALID in robfig's words.  A "TZ=" prefix is
 * INVALID: the CRD's pattern has no room for one. */
int cron_parse(const char *expr, struct cron *ret, struct err *err);
/* cron_next(c, t_ms): Schedule.Next: the first activation after ${t_ms}, on a
 * whole second; CRON_NEVER when none within five years. */
int64_t cron_next(const struct cron *c, int64_t t_ms);

#endif
