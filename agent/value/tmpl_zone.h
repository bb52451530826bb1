/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_TMPL_ZONE_H
#define VALUE_TMPL_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "value/tmpl_internal.h"

/*
 * time.Location: RFC 8536 files beneath /usr/share/zoneinfo, with Go's reading
 * of them and of the POSIX rule at their end.
 */
struct location;

/* Local is UTC: ESO's image has neither TZ nor /etc/localtime. */
extern const struct location zone_utc;

/* zone_load(name, n): time.LoadLocation, and UTC where that fails.  Good until
 * the next call: only a few are kept. */
const struct location *zone_load(const char *name, size_t n);
/* zone_fixed: time.FixedZone, in the pool; ${name} is borrowed. */
int zone_fixed(struct tmpl_run *run, const char *name, size_t n,
    int64_t offset, const struct location **ret, struct err *err);
const char *zone_name(const struct location *l, size_t *ret_n);
int zone_equal(const struct location *a, const struct location *b);

/* What holds at one moment. */
struct zone_at {
	const char *name;
	size_t n;
	int64_t offset;			/* seconds east of UTC */
	int64_t start, end;		/* since when, until when */
	int dst;
};

void zone_lookup(const struct location *l, int64_t unix_sec,
    struct zone_at *ret);
/* zone_lookup_name: the offset that goes by ${name} around ${unix_sec}: 1, or
 * 0 when there is none. */
int zone_lookup_name(const struct location *l, const char *name, size_t n,
    int64_t unix_sec, int64_t *ret_offset);

#endif
