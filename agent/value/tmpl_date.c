/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "value/tmpl_civil.h"
#include "value/tmpl_date.h"

#define SECOND 1000000000
#define DAY 86400
#define YEAR_1 62135596800		/* seconds from it to 1970 */

const struct date *
date_of(const struct tv *v)
{
	return (v->u.p);
}

int
date_set(struct tmpl_run *run, const struct date *d, struct tv *ret,
    struct err *err)
{
	struct date *copy = tmpl_alloc(run, sizeof(*copy), err);
	union {
		const struct location *from;
		void *p;
	} loc = { d->loc };

	if (copy == NULL)
		return (-1);
	*copy = *d;
	copy->fields[0] = (struct tv){ .type = &tt_uint64,
		.u.u = (uint64_t)d->nsec };
	copy->fields[1] = tv_int64((int64_t)((uint64_t)d->sec + YEAR_1));
	copy->fields[2] = (struct tv){ .type = &tt_location,
		.u.p = d->loc == &zone_utc ? NULL : loc.p };
	*ret = (struct tv){ .type = &tt_time, .u.p = copy };
	return (0);
}

static int64_t
clock_ns(clockid_t id, struct timespec *ts)
{
	clock_gettime(id, ts);
	return ((int64_t)ts->tv_sec * SECOND + ts->tv_nsec);
}

/* Go counts its monotonic clock from the start of the program. */
void
date_now(struct date *d)
{
	static int64_t started;
	struct timespec wall, mono;
	int64_t now = clock_ns(CLOCK_MONOTONIC, &mono);

	if (started == 0)
		started = now - 1;
	clock_ns(CLOCK_REALTIME, &wall);
	*d = (struct date){ .sec = wall.tv_sec,
		.nsec = (int32_t)wall.tv_nsec, .has_mono = 1,
		.mono = now - started, .loc = &zone_utc };
}

void
date_view(const struct date *d, struct date_view *ret)
{
	uint64_t abs;
	struct civil c;
	int sec;

	zone_lookup(d->loc, d->sec, &ret->zone);
	abs = civil_abs(d->sec) + (uint64_t)ret->zone.offset;
	ret->days = abs / DAY;
	sec = (int)(abs % DAY);
	ret->hour = sec / 3600;
	ret->minute = sec / 60 % 60;
	ret->second = sec % 60;
	civil_date(ret->days, &c);
	ret->year = c.year;
	ret->month = c.month;
	ret->day = c.day;
	ret->yday = civil_yday(ret->days);
	ret->weekday = civil_weekday(ret->days);
}

/* ${lo} into 0 .. ${base} - 1, the rest to ${hi}. */
static void
norm(int64_t *hi, int64_t *lo, int64_t base)
{
	int64_t n = *lo / base - (*lo % base < 0);

	*hi = (int64_t)((uint64_t)*hi + (uint64_t)n);
	*lo -= n * base;
}

void
date_make(int64_t year, int64_t month, int64_t day, int64_t sec,
    int32_t nsec, const struct location *loc, struct date *ret)
{
	struct zone_at at;
	int64_t t, utc;

	month--;
	norm(&year, &month, 12);
	t = civil_unix(civil_days(year, (int)month + 1, day) * DAY +
	    (uint64_t)sec);
	/* Ask with the local time first; near a change that was wrong. */
	zone_lookup(loc, t, &at);
	if (at.offset != 0) {
		utc = (int64_t)((uint64_t)t - (uint64_t)at.offset);
		if (utc < at.start || utc >= at.end)
			zone_lookup(loc, utc, &at);
		t = (int64_t)((uint64_t)t - (uint64_t)at.offset);
	}
	*ret = (struct date){ .sec = t, .nsec = nsec, .loc = loc };
}

void
date_add(const struct date *d, int64_t nanoseconds, struct date *ret)
{
	int64_t sec = nanoseconds / SECOND;
	int32_t nsec = d->nsec + (int32_t)(nanoseconds % SECOND);

	if (nsec >= SECOND) {
		sec++;
		nsec -= SECOND;
	} else if (nsec < 0) {
		sec--;
		nsec += SECOND;
	}
	*ret = *d;
	ret->sec = (int64_t)((uint64_t)d->sec + (uint64_t)sec);
	ret->nsec = nsec;
	if (d->has_mono && __builtin_add_overflow(d->mono, nanoseconds,
	    &ret->mono))
		ret->has_mono = 0;
}

__int128
date_since_year_1(const struct date *d)
{
	return ((__int128)(int64_t)((uint64_t)d->sec + YEAR_1) * SECOND +
	    d->nsec);
}

static int64_t
clamp(__int128 v)
{
	return (v < INT64_MIN ? INT64_MIN : v > INT64_MAX ? INT64_MAX :
	    (int64_t)v);
}

int64_t
date_sub(const struct date *a, const struct date *b)
{
	if (a->has_mono && b->has_mono)
		return (clamp((__int128)a->mono - b->mono));
	return (clamp(date_since_year_1(a) - date_since_year_1(b)));
}

int
date_compare(const struct date *a, const struct date *b)
{
	__int128 x = date_since_year_1(a), y = date_since_year_1(b);

	if (a->has_mono && b->has_mono)
		return (a->mono < b->mono ? -1 : a->mono > b->mono);
	return (x < y ? -1 : x > y);
}
