/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/tmpl_civil.h"
#include "value/tmpl_zone_rule.h"

#define HOUR 3600
#define DAY 86400

enum rule_kind { RULE_JULIAN, RULE_DAY, RULE_MONTH };

struct rule {
	enum rule_kind kind;
	int day, week, month;
	int64_t time;
};

/* The readers move *s and return -1 on what they do not know. */

static int
read_name(const char **s, const char **name, size_t *n)
{
	const char *end;

	if (**s == '<') {
		if ((end = strchr(*s, '>')) == NULL)
			return (-1);
		*name = *s + 1;
		*n = (size_t)(end - *name);
		*s = end + 1;
		return (0);
	}
	*name = *s;
	*n = strcspn(*s, "0123456789,-+");
	*s += *n;
	return (*n < 3 ? -1 : 0);
}

static int
read_number(const char **s, int low, int high, int *ret)
{
	int v = 0, digits = 0;

	for (; **s >= '0' && **s <= '9'; (*s)++, digits++)
		if ((v = v * 10 + (**s - '0')) > high)
			return (-1);
	*ret = v;
	return (digits == 0 || v < low ? -1 : 0);
}

static int
read_offset(const char **s, int64_t *ret)
{
	int v, negative = **s == '-', unit = HOUR;
	int64_t sum = 0;

	if (**s == '+' || **s == '-')
		(*s)++;
	for (;;) {
		if (read_number(s, 0, unit == HOUR ? 24 * 7 : 59, &v) == -1)
			return (-1);
		sum += (int64_t)v * unit;
		if (unit == 1 || **s != ':')
			break;
		(*s)++;
		unit /= 60;
	}
	*ret = negative ? -sum : sum;
	return (0);
}

static int
read_rule(const char **s, struct rule *r)
{
	*r = (struct rule){ .kind = RULE_DAY, .time = 2 * HOUR };
	if (**s == 'J') {
		(*s)++;
		r->kind = RULE_JULIAN;
		if (read_number(s, 1, 365, &r->day) == -1)
			return (-1);
	} else if (**s == 'M') {
		(*s)++;
		r->kind = RULE_MONTH;
		if (read_number(s, 1, 12, &r->month) == -1 ||
		    *(*s)++ != '.' || read_number(s, 1, 5, &r->week) == -1 ||
		    *(*s)++ != '.' || read_number(s, 0, 6, &r->day) == -1)
			return (-1);
	} else if (read_number(s, 0, 365, &r->day) == -1) {
		return (-1);
	}
	if (**s != '/')
		return (0);
	(*s)++;
	return (read_offset(s, &r->time));
}

/* tzruleTime: seconds from the start of the year, in UTC. */
static int64_t
rule_time(int64_t year, const struct rule *r, int64_t offset)
{
	int64_t day = r->day;

	if (r->kind == RULE_JULIAN) {
		day += -1 + (civil_is_leap(year) && r->day >= 60);
	} else if (r->kind == RULE_MONTH) {
		int i, first = civil_weekday(civil_days(year, r->month, 1));

		day = r->day - first;
		if (day < 0)
			day += 7;
		for (i = 1; i < r->week &&
		    day + 7 < civil_days_in(year, r->month); i++)
			day += 7;
		day += civil_days_before(year, r->month);
	}
	return (day * DAY + r->time - offset);
}

struct half {
	const char *name;
	size_t n;
	int64_t offset, start;
	int dst;
};

static int
pick(struct half a, struct half b, int64_t sec, struct zone_at *ret)
{
	uint64_t days = civil_abs(sec) / DAY;
	int64_t ysec = (civil_yday(days) - 1) * (int64_t)DAY + sec % DAY;
	int64_t year = sec - ysec;

	/* ${b} holds from its start to the start of ${a}, which is later. */
	*ret = (struct zone_at){ a.name, a.n, a.offset, 0, 0, a.dst };
	if (ysec < b.start) {
		ret->start = year;
		ret->end = b.start + year;
	} else if (ysec >= a.start) {
		ret->start = a.start + year;
		ret->end = year + 365 * (int64_t)DAY;
	} else {
		*ret = (struct zone_at){ b.name, b.n, b.offset,
			b.start + year, a.start + year, b.dst };
	}
	return (0);
}

int
zone_rule(const char *s, int64_t since, int64_t sec, struct zone_at *ret)
{
	struct half std = { .dst = 0 }, dst = { .dst = 1 };
	struct rule to_dst, to_std;
	struct civil c;

	if (read_name(&s, &std.name, &std.n) == -1 ||
	    read_offset(&s, &std.offset) == -1)
		return (-1);
	std.offset = -std.offset;
	if (*s == '\0' || *s == ',') {
		*ret = (struct zone_at){ std.name, std.n, std.offset, since,
			INT64_MAX, 0 };
		return (0);
	}
	if (read_name(&s, &dst.name, &dst.n) == -1)
		return (-1);
	dst.offset = std.offset + HOUR;
	if (*s != '\0' && *s != ',') {
		if (read_offset(&s, &dst.offset) == -1)
			return (-1);
		dst.offset = -dst.offset;
	}
	if (*s == '\0')
		s = ",M3.2.0,M11.1.0";
	if ((*s != ',' && *s != ';') || (s++, read_rule(&s, &to_dst)) == -1 ||
	    *s++ != ',' || read_rule(&s, &to_std) == -1 || *s != '\0')
		return (-1);
	civil_date(civil_abs(sec) / DAY, &c);
	dst.start = rule_time(c.year, &to_dst, std.offset);
	std.start = rule_time(c.year, &to_std, dst.offset);
	return (std.start < dst.start ? pick(dst, std, sec, ret) :
	    pick(std, dst, sec, ret));
}
