/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/cron.h"
#include "model/refresh.h"

/* github.com/robfig/cron v3.0.1: parser.go, spec.go, constantdelay.go. */

#define EXPR_MAX 256
#define DAY_MS INT64_C(86400000)
#define TIME_MAX_MS INT64_C(253402300799000)	/* the year 9999 */

struct bounds {
	unsigned min, max;
	const char *const *names;	/* of min, min + 1, … */
};

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun",
	"jul", "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const days[] = { "sun", "mon", "tue", "wed", "thu", "fri",
	"sat", NULL };
static const struct bounds field_bounds[5] = {
	{ 0, 59, NULL }, { 0, 23, NULL }, { 1, 31, NULL }, { 1, 12, months },
	{ 0, 6, days }
};

/* --- parsing ------------------------------------------------------------- */

/* strconv.Atoi of a small number: sign and digits. */
static int
parse_int(const char *s, unsigned *ret, struct err *err)
{
	const char *p = s + (*s == '+' || *s == '-');
	size_t n = strspn(p, "0123456789");
	unsigned long v;

	if (n == 0 || p[n] != '\0')
		return (err_set(err, ERR_INVALID, "failed to parse int from "
		    "%s: strconv.Atoi: parsing \"%s\": invalid syntax", s, s));
	v = n > 9 ? 999999999 : strtoul(p, NULL, 10);
	if (*s == '-' && v > 0)
		return (err_set(err, ERR_INVALID,
		    "negative number (-%lu) not allowed: %s", v, s));
	*ret = (unsigned)v;
	return (0);
}

static int
parse_int_or_name(const char *s, const struct bounds *b, unsigned *ret,
    struct err *err)
{
	for (unsigned i = 0; b->names != NULL && b->names[i] != NULL; i++)
		if (strcasecmp(s, b->names[i]) == 0) {
			*ret = b->min + i;
			return (0);
		}
	return (parse_int(s, ret, err));
}

struct range {
	unsigned start, end, step;
	int single;
	uint64_t star;
};

/* Cut ${s} at ${sep} into at most two; the number of parts that there were. */
static size_t
cut(char *s, char sep, char **ret_second)
{
	size_t n = 1;

	*ret_second = NULL;
#ifdef WEAKEN_CRON_BOUNDS
	for (char *p = s; *p != '\0' || p[1] == sep; p++)
#else
	for (char *p = s; *p != '\0'; p++)
#endif
		if (*p == sep) {
			if (n++ == 1)
				*ret_second = p + 1;
			*p = '\0';
		}
	return (n);
}

static int
parse_low_high(char *low, const char *expr, const struct bounds *b,
    struct range *r, struct err *err)
{
	char *high;
	size_t n = cut(low, '-', &high);

	r->single = n == 1;
	if (strcmp(low, "*") == 0 || strcmp(low, "?") == 0) {
		r->start = b->min;
		r->end = b->max;
		r->star = CRON_STAR;
		return (0);
	}
	if (parse_int_or_name(low, b, &r->start, err) == -1)
		return (-1);
	r->end = r->start;
	if (n == 2)
		return (parse_int_or_name(high, b, &r->end, err));
	if (n > 2)
		return (err_set(err, ERR_INVALID, "too many hyphens: %s",
		    expr));
	return (0);
}

static int
parse_step(const char *step, const struct bounds *b, struct range *r,
    struct err *err)
{
	if (parse_int(step, &r->step, err) == -1)
		return (-1);
	if (r->single)
		r->end = b->max;	/* "N/step" means "N-max/step" */
	if (r->step > 1)
		r->star = 0;
	return (0);
}

static int
check_range(const struct range *r, const char *expr, const struct bounds *b,
    struct err *err)
{
	if (r->start < b->min)
		return (err_set(err, ERR_INVALID, "beginning of range (%u) "
		    "below minimum (%u): %s", r->start, b->min, expr));
	if (r->end > b->max)
		return (err_set(err, ERR_INVALID, "end of range (%u) above "
		    "maximum (%u): %s", r->end, b->max, expr));
	if (r->start > r->end)
		return (err_set(err, ERR_INVALID, "beginning of range (%u) "
		    "beyond end of range (%u): %s", r->start, r->end, expr));
	if (r->step == 0)
		return (err_set(err, ERR_INVALID, "step of range should be a "
		    "positive number: %s", expr));
	return (0);
}

/* getRange: number | number "-" number [ "/" number ] */
static int
parse_range(const char *expr, const struct bounds *b, uint64_t *bits,
    struct err *err)
{
	cleanup_free char *copy = str_dup(expr);
	struct range r = { .step = 1 };
	char *step;
	size_t n = cut(copy, '/', &step);

	if (parse_low_high(copy, expr, b, &r, err) == -1)
		return (-1);
	if (n > 2)
		return (err_set(err, ERR_INVALID, "too many slashes: %s",
		    expr));
	if (n == 2 && parse_step(step, b, &r, err) == -1)
		return (-1);
	if (check_range(&r, expr, b, err) == -1)
		return (-1);
	for (unsigned i = r.start; i <= r.end; i += r.step)
		*bits |= UINT64_C(1) << i;
	*bits |= r.star;
	return (0);
}

/* getField: ranges between commas; empty ones do not count. */
static int
parse_field(char *field, const struct bounds *b, uint64_t *bits,
    struct err *err)
{
	char *save = NULL;

	*bits = 0;
	for (char *p = strtok_r(field, ",", &save); p != NULL;
	    p = strtok_r(NULL, ",", &save))
		if (parse_range(p, b, bits, err) == -1)
			return (-1);
	return (0);
}

static int
parse_fields(const char *expr, struct cron *ret, struct err *err)
{
	uint64_t *bits[5] = { &ret->minute, &ret->hour, &ret->dom, &ret->month,
		&ret->dow };
	cleanup_free char *copy = str_dup(expr);
	char *fields[5], *save = NULL;
	size_t n = 0;

	for (char *p = strtok_r(copy, " \t\n\v\f\r", &save); p != NULL;
	    p = strtok_r(NULL, " \t\n\v\f\r", &save), n++)
		if (n < 5)
			fields[n] = p;
	if (n != 5)
		return (err_set(err, ERR_INVALID,
		    "expected exactly 5 fields, found %zu: [%s]", n, expr));
	for (size_t i = 0; i < 5; i++)
		if (parse_field(fields[i], &field_bounds[i], bits[i], err) ==
		    -1)
			return (-1);
	return (0);
}

static int
parse_descriptor(const char *expr, struct cron *ret, struct err *err)
{
	static const struct { const char *name, *fields; } rows[] = {
		{ "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
		{ "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
		{ "@daily", "0 0 * * *" }, { "@midnight", "0 0 * * *" },
		{ "@hourly", "0 * * * *" }
	};
	cleanup_err struct err own = ERR_INIT;
	int64_t ms;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(expr, rows[i].name) == 0)
			return (parse_fields(rows[i].fields, ret, err));
	if (strncmp(expr, "@every ", 7) != 0)
		return (err_set(err, ERR_INVALID,
		    "unrecognized descriptor: %s", expr));
	if (duration_parse(expr + 7, &ms, &own) == -1)
		return (err_set(err, ERR_INVALID,
		    "failed to parse duration %s: %s", expr, err_msg(&own)));
	if (ms > TIME_MAX_MS)
		ms = TIME_MAX_MS;
	ret->every_ms = ms < 1000 ? 1000 : ms - ms % 1000;
	return (0);
}

int
cron_parse(const char *expr, struct cron *ret, struct err *err)
{
	*ret = (struct cron){ 0 };
	if (expr[0] == '\0')
		return (err_set(err, ERR_INVALID, "empty spec string"));
	if (strlen(expr) > EXPR_MAX)
		return (err_set(err, ERR_INVALID,
		    "longer than %d characters", EXPR_MAX));
	if (strncmp(expr, "TZ=", 3) == 0 || strncmp(expr, "CRON_TZ=", 8) == 0)
		return (err_set(err, ERR_INVALID,
		    "time zones are not supported: schedules are UTC"));
	if (expr[0] == '@')
		return (parse_descriptor(expr, ret, err));
	return (parse_fields(expr, ret, err));
}

int
cron_check(const char *expr, struct err *err)
{
	struct cron c;

	return (cron_parse(expr, &c, err));
}

/* --- the next activation ------------------------------------------------- */

static int
has_bit(uint64_t set, int bit)
{
	return ((set >> bit & 1) != 0);
}

/* Either day field may name the day, unless one of them is a star. */
static int
day_matches(const struct cron *c, const struct tm *tm)
{
	int dom = has_bit(c->dom, tm->tm_mday);
	int dow = has_bit(c->dow, tm->tm_wday);

	if ((c->dom & CRON_STAR) || (c->dow & CRON_STAR))
		return (dom && dow);
	return (dom || dow);
}

/* The lowest member of ${set} from ${from} up to ${max}, or -1. */
static int
next_bit(uint64_t set, int from, int max)
{
	for (int i = from; i <= max; i++)
		if (has_bit(set, i))
			return (i);
	return (-1);
}

/* Activations lie on whole minutes: the first of a day at or after its
 * ${minute}; -1 when none. */
static int
next_in_day(const struct cron *c, int minute)
{
	int hour = next_bit(c->hour, minute / 60, 23);
	int m;

	if (hour == -1)
		return (-1);
	m = next_bit(c->minute, hour == minute / 60 ? minute % 60 : 0, 59);
	if (m == -1) {
		hour = next_bit(c->hour, hour + 1, 23);
		m = next_bit(c->minute, 0, 59);
	}
	return (hour == -1 || m == -1 ? -1 : hour * 60 + m);
}

int64_t
cron_next(const struct cron *c, int64_t t_ms)
{
	int64_t second = t_ms >= 0 ? t_ms / 1000 : -1, minute, day;
	int year_limit = 0;

	if (t_ms > TIME_MAX_MS)
		return (CRON_NEVER);
	if (c->every_ms > 0)
		return (t_ms - (t_ms % 1000 + 1000) % 1000 + c->every_ms);
	minute = (second + 1 + 59) / 60;	/* after t, rounded up */
	day = minute / 1440;
	for (int first = (int)(minute % 1440);; first = 0, day++) {
		time_t at = (time_t)(day * 86400);
		struct tm tm;
		int found;

		if (gmtime_r(&at, &tm) == NULL)
			return (CRON_NEVER);
		if (year_limit == 0)
			year_limit = tm.tm_year + 5;
		if (tm.tm_year > year_limit)
			return (CRON_NEVER);
		if (!has_bit(c->month, tm.tm_mon + 1)) {
			/* To its 29th at most: never past a first. */
			day += 27 - (tm.tm_mday > 27 ? 27 : tm.tm_mday - 1);
			continue;
		}
		found = day_matches(c, &tm) ? next_in_day(c, first) : -1;
		if (found != -1)
			return (day * DAY_MS + (int64_t)found * 60000);
	}
}
