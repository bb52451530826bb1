/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "base/clock.h"

static int64_t
now_ms(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static int64_t
system_boot_ms(const struct clock *c)
{
	(void)c;
	return (now_ms(CLOCK_BOOTTIME));
}

static int64_t
system_wall_ms(const struct clock *c)
{
	(void)c;
	return (now_ms(CLOCK_REALTIME));
}

const struct clock *
clock_system(void)
{
	static const struct clock system_clock = {
		.boot_ms = system_boot_ms,
		.wall_ms = system_wall_ms,
	};

	return (&system_clock);
}

/* The clock is the manual one's first member. */
static const struct clock_manual *
manual(const struct clock *c)
{
	return ((const struct clock_manual *)(const void *)c);
}

static int64_t
manual_boot_ms(const struct clock *c)
{
	return (manual(c)->boot);
}

static int64_t
manual_wall_ms(const struct clock *c)
{
	return (manual(c)->wall);
}

void
clock_manual_init(struct clock_manual *m, int64_t boot, int64_t wall)
{
	m->clock.boot_ms = manual_boot_ms;
	m->clock.wall_ms = manual_wall_ms;
	m->boot = boot;
	m->wall = wall;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return (a / b - (a % b < 0));
}

/* Days since 1970-01-01 of a proleptic Gregorian date, by eras of 400 years
 * that begin on the first of March (H. Hinnant, "chrono-Compatible Low-Level
 * Date Algorithms"). */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t era, yoe, doy;

	year -= month <= 2;
	era = floor_div(year, 400);
	yoe = year - era * 400;
	doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return (era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468);
}

static void
date_of(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t era, doe, yoe, doy, mp;

	days += 719468;
	era = floor_div(days, 146097);
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2);
}

void
time_rfc3339(struct buf *out, int64_t wall_ms)
{
	int64_t sec = floor_div(wall_ms, 1000), day, year;
	int month, mday, rest;

	day = floor_div(sec, 86400);
	rest = (int)(sec - day * 86400);
	date_of(day, &year, &month, &mday);
	buf_addf(out, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)year,
	    month, mday, rest / 3600, rest / 60 % 60, rest % 60);
}

/* digits(&s, n, ret): exactly n decimal digits. */
static int
digits(const char **s, int n, int *ret)
{
	*ret = 0;
	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return (-1);
		*ret = *ret * 10 + (**s - '0');
	}
	return (0);
}

static int
expect(const char **s, char c)
{
	if (**s != c)
		return (-1);
	(*s)++;
	return (0);
}

static int
days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return (days[month - 1] + (month == 2 && leap));
}

/* ".250" → 250; what is finer than a millisecond is dropped. */
static int
fraction_ms(const char **s, int *ret_ms)
{
	int n = 0;

	*ret_ms = 0;
	if (**s != '.' && **s != ',')
		return (0);
	for ((*s)++; **s >= '0' && **s <= '9'; (*s)++, n++)
		if (n < 3)
			*ret_ms = *ret_ms * 10 + (**s - '0');
	if (n == 0)
		return (-1);
	for (; n < 3; n++)
		*ret_ms *= 10;
	return (0);
}

static int
offset_min(const char **s, int *ret_min)
{
	int hours, minutes, sign;

	*ret_min = 0;
	if (expect(s, 'Z') == 0)
		return (0);
	if (**s != '+' && **s != '-')
		return (-1);
	sign = *(*s)++ == '-' ? -1 : 1;
	if (digits(s, 2, &hours) == -1 || expect(s, ':') == -1 ||
	    digits(s, 2, &minutes) == -1 || hours > 23 || minutes > 59)
		return (-1);
	*ret_min = sign * (hours * 60 + minutes);
	return (0);
}

int
time_parse_rfc3339(const char *s, int64_t *ret_wall_ms)
{
	int year, month, day, hour, min, sec, ms, offset;

	if (digits(&s, 4, &year) == -1 || expect(&s, '-') == -1 ||
	    digits(&s, 2, &month) == -1 || expect(&s, '-') == -1 ||
	    digits(&s, 2, &day) == -1 || expect(&s, 'T') == -1 ||
	    digits(&s, 2, &hour) == -1 || expect(&s, ':') == -1 ||
	    digits(&s, 2, &min) == -1 || expect(&s, ':') == -1 ||
	    digits(&s, 2, &sec) == -1 || fraction_ms(&s, &ms) == -1 ||
	    offset_min(&s, &offset) == -1 || *s != '\0')
		return (-1);
	if (month < 1 || month > 12 || day < 1 || day > days_in(year, month) ||
	    hour > 23 || min > 59 || sec > 59)
		return (-1);
	*ret_wall_ms = ((days_of(year, month, day) * 86400 + hour * 3600 +
	    (min - offset) * 60 + sec) * 1000) + ms;
	return (0);
}
