/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Time, handed to whoever needs it: a test passes a clock of its own, no
 * environment variable changes what the product sees.
 */
struct clock {
	int64_t (*boot_ms)(const struct clock *);  /* CLOCK_BOOTTIME */
	int64_t (*wall_ms)(const struct clock *);  /* since 1970 UTC */
};

const struct clock *clock_system(void);

/* A clock that stands where it is put. */
struct clock_manual {
	struct clock clock;	/* first: pass &m.clock */
	int64_t boot;
	int64_t wall;
};

void clock_manual_init(struct clock_manual *m, int64_t boot, int64_t wall);

/* time_rfc3339(out, wall_ms): "2026-11-23T20:35:23Z" (whole seconds). */
void time_rfc3339(struct buf *out, int64_t wall_ms);
int time_parse_rfc3339(const char *s, int64_t *ret_wall_ms);

/**
 * duration_parse(s, ret_ms, err):
 * Go's time.ParseDuration ("1h30m", "1.5h", "-2s", "0", "100us" → 0 ms; the
 * result is rounded towards zero to milliseconds).  INVALID with Go's words:
 * `time: invalid duration "x"`.
 */
int duration_parse(const char *s, int64_t *ret_ms, struct err *err);
/* duration_print(out, ms): Go's Duration.String: "1h0m0s", "1.5s", "0s". */
void duration_print(struct buf *out, int64_t ms);

#endif
