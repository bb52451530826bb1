/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "value/tmpl_civil.h"
#include "value/tmpl_date.h"

/* time.ParseInLocation with Local, and time.ParseDuration. */

struct span {
	const char *p;
	size_t n;
};

/* What was read so far. */
struct parts {
	int64_t year;
	int month, day, yday;		/* -1: not seen */
	int hour, minute, second, nsec;
	int am, pm;
	int utc;			/* "Z" or "UTC" was there */
	int has_offset;
	int64_t offset;
	struct span zone;
	const char *range;		/* what is out of range, or NULL */
};

static void
advance(struct span *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static int
is_digit(struct span s, size_t i)
{
	return (i < s.n && s.p[i] >= '0' && s.p[i] <= '9');
}

void
date_quote(const char *s, size_t n, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";
	size_t i;

	buf_addc(out, '"');
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < ' ' || c >= 0x80) {
			buf_adds(out, "\\x");
			buf_addc(out, hex[c >> 4]);
			buf_addc(out, hex[c & 15]);
			continue;
		}
		if (c == '"' || c == '\\')
			buf_addc(out, '\\');
		buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

static void
quote(struct span s, struct buf *out)
{
	date_quote(s.p, s.n, out);
}

/* --- pieces: -1 on what does not fit ------------------------------------ */

static int
skip(struct span *value, struct span prefix)
{
	while (prefix.n > 0) {
		if (prefix.p[0] == ' ') {
			if (value->n > 0 && value->p[0] != ' ')
				return (-1);
			while (prefix.n > 0 && prefix.p[0] == ' ')
				advance(&prefix, 1);
			while (value->n > 0 && value->p[0] == ' ')
				advance(value, 1);
			continue;
		}
		if (value->n == 0 || value->p[0] != prefix.p[0])
			return (-1);
		advance(&prefix, 1);
		advance(value, 1);
	}
	return (0);
}

static int
number(struct span *s, int fixed, int *ret)
{
	*ret = 0;
	if (!is_digit(*s, 0) || (fixed && !is_digit(*s, 1)))
		return (-1);
	*ret = s->p[0] - '0';
	if (is_digit(*s, 1)) {
		*ret = *ret * 10 + (s->p[1] - '0');
		advance(s, 1);
	}
	advance(s, 1);
	return (0);
}

/* atoi of exactly ${n} bytes, with a sign. */
static int
whole(const char *p, size_t n, int64_t *ret)
{
	int negative = n > 0 && p[0] == '-';
	int64_t v = 0;
	size_t i;

	*ret = 0;
	for (i = n > 0 && (p[0] == '-' || p[0] == '+'); i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return (-1);
		v = v * 10 + (p[i] - '0');
	}
	*ret = negative ? -v : v;
	return (0);
}

/* lookup: the first name that ${s} starts with, whatever the case. */
static int
name(struct span *s, const char *const *names, int count, size_t cut,
    int *ret)
{
	size_t i, len;
	int k;

	for (k = 0; k < count; k++) {
		len = cut ? cut : strlen(names[k]);
		for (i = 0; i < len && i < s->n; i++) {
			unsigned char a = (unsigned char)s->p[i];
			unsigned char b = (unsigned char)names[k][i];

			if (a != b && ((a | 0x20) != (b | 0x20) ||
			    (a | 0x20) < 'a' || (a | 0x20) > 'z'))
				break;
		}
		if (i == len) {
			advance(s, len);
			*ret = k;
			return (0);
		}
	}
	*ret = -1;
	return (-1);
}

/* ".123" of ${n} bytes; more than nine digits are cut off. */
static int
fraction(struct span *s, size_t n, struct parts *t)
{
	int64_t v;
	size_t i, use = n > 10 ? 10 : n;

	if (s->p[0] != '.' && s->p[0] != ',') {
		advance(s, n);
		return (-1);
	}
	if (whole(s->p + 1, use - 1, &v) == -1) {
		advance(s, n);
		return (-1);
	}
	if (v < 0)
		t->range = "fractional second";
	for (i = use; i < 10 && v >= 0; i++)
		v *= 10;
	t->nsec = (int)v;
	advance(s, n);
	return (0);
}

/* "+5" behind GMT, or a zone by itself. */
static size_t
signed_offset(struct span s)
{
	size_t i = 1;
	int v = 0;

	if (s.n == 0 || (s.p[0] != '-' && s.p[0] != '+'))
		return (0);
	for (; is_digit(s, i); i++)
		if ((v = v * 10 + (s.p[i] - '0')) > 23)
			return (0);
	return (i > 1 ? i : 0);
}

/* parseTimeZone: the length of what looks like an abbreviation. */
static size_t
zone_length(struct span s)
{
	size_t n = 0;

	if (s.n < 3)
		return (0);
	if (s.n >= 4 && (memcmp(s.p, "ChST", 4) == 0 ||
	    memcmp(s.p, "MeST", 4) == 0))
		return (4);
	if (memcmp(s.p, "GMT", 3) == 0) {
		advance(&s, 3);
		return (3 + signed_offset(s));
	}
	if (s.p[0] == '+' || s.p[0] == '-')
		return (signed_offset(s));
	while (n < 6 && n < s.n && s.p[n] >= 'A' && s.p[n] <= 'Z')
		n++;
	if (n == 5)
		return (s.p[4] == 'T' ? 5 : 0);
	if (n == 4)
		return (s.p[3] == 'T' || memcmp(s.p, "WITA", 4) == 0 ? 4 : 0);
	return (n == 3 ? 3 : 0);
}

/* --- one chunk ---------------------------------------------------------- */

/* Where minutes and seconds stand in each form of an offset; 0: nowhere. */
static const struct offset_form {
	enum date_std iso, num;
	uint8_t length, minute, second;
} forms[] = {
	{ STD_ISO_COLON_TZ, STD_NUM_COLON_TZ, 6, 4, 0 },
	{ STD_ISO_SHORT_TZ, STD_NUM_SHORT_TZ, 3, 0, 0 },
	{ STD_ISO_COLON_SECONDS_TZ, STD_NUM_COLON_SECONDS_TZ, 9, 4, 7 },
	{ STD_ISO_SECONDS_TZ, STD_NUM_SECONDS_TZ, 7, 3, 5 },
	{ STD_ISO_TZ, STD_NUM_TZ, 5, 3, 0 },
};

static int
two_digits(const char *p, int at, int *ret)
{
	struct span s = { p + at, 2 };

	*ret = 0;
	return (at == 0 ? 0 : number(&s, 1, ret));
}

static int
read_offset(enum date_std std, struct span *s, struct parts *t)
{
	const struct offset_form *f = forms;
	const char *p = s->p;
	int hour, minute = 0, second = 0, rc;

	if (std >= STD_ISO_TZ && std <= STD_ISO_COLON_SECONDS_TZ &&
	    s->n > 0 && *p == 'Z') {
		advance(s, 1);
		t->utc = 1;
		return (0);
	}
	while (f->iso != std && f->num != std)
		f++;
	if (s->n < f->length || (f->minute == 4 && p[3] != ':') ||
	    (f->second == 7 && p[6] != ':'))
		return (-1);
	advance(s, f->length);
	rc = two_digits(p, 1, &hour);
	if (rc == 0 && (rc = two_digits(p, f->minute, &minute)) == 0)
		rc = two_digits(p, f->second, &second);
	if (hour > 24)
		t->range = "time zone offset hour";
	if (minute > 60)
		t->range = "time zone offset minute";
	if (second > 60)
		t->range = "time zone offset second";
	t->offset = (hour * 60 + minute) * 60 + second;
	if (*p == '-')
		t->offset = -t->offset;
	else if (*p != '+')
		rc = -1;
	/* Go's mark for none is -1 itself. */
	t->has_offset = t->offset != -1;
	return (rc);
}

static int
read_zone(struct span *s, struct parts *t)
{
	if (s->n >= 3 && memcmp(s->p, "UTC", 3) == 0) {
		t->utc = 1;
		advance(s, 3);
		return (0);
	}
	t->zone = (struct span){ s->p, zone_length(*s) };
	advance(s, t->zone.n);
	return (t->zone.n == 0 ? -1 : 0);
}

static int
read_half(struct span *s, const char *am, const char *pm, struct parts *t)
{
	if (s->n < 2)
		return (-1);
	advance(s, 2);
	if (memcmp(s->p - 2, pm, 2) == 0)
		t->pm = 1;
	else if (memcmp(s->p - 2, am, 2) == 0)
		t->am = 1;
	else
		return (-1);
	return (0);
}

static int
read_year(enum date_std std, struct span *s, struct parts *t)
{
	size_t n = std == STD_YEAR ? 2 : 4;
	int rc;

	if (s->n < n || (n == 4 && !is_digit(*s, 0)))
		return (-1);
	rc = whole(s->p, n, &t->year);
	advance(s, n);
	if (rc == 0 && n == 2)
		t->year += t->year >= 69 ? 1900 : 2000;
	return (rc);
}

static int
read_yday(enum date_std std, struct span *s, struct parts *t)
{
	size_t i;

	for (i = 0; i < 2 && std == STD_UNDER_YDAY; i++)
		if (s->n > 0 && s->p[0] == ' ')
			advance(s, 1);
	t->yday = 0;
	for (i = 0; i < 3 && is_digit(*s, i); i++)
		t->yday = t->yday * 10 + (s->p[i] - '0');
	if (i == 0 || (std == STD_ZERO_YDAY && i != 3))
		return (-1);
	advance(s, i);
	return (0);
}

static int
read_range(struct span *s, int fixed, int low, int high, const char *what,
    int *ret, struct parts *t)
{
	int rc = number(s, fixed, ret);

	if (rc == 0 && (*ret < low || *ret > high))
		t->range = what;
	return (rc);
}

/* A fraction may stand in the value without one in the layout. */
static int
read_second(enum date_std std, struct span *s, struct span layout,
    struct parts *t)
{
	struct date_chunk next;
	size_t n = 2;

	if (read_range(s, std == STD_ZERO_SECOND, 0, 59, "second",
	    &t->second, t) == -1)
		return (-1);
	if (t->range != NULL || s->n < 2 ||
	    (s->p[0] != '.' && s->p[0] != ',') || !is_digit(*s, 1))
		return (0);
	date_next_chunk(layout.p, layout.n, &next);
	if (next.std == STD_FRAC0 || next.std == STD_FRAC9)
		return (0);
	while (is_digit(*s, n))
		n++;
	return (fraction(s, n, t));
}

static int
read_fraction(const struct date_chunk *c, struct span *s, struct parts *t)
{
	size_t n = 1;

	if (c->std == STD_FRAC0)
		return (s->n < c->digits + 1 ? -1 :
		    fraction(s, c->digits + 1, t));
	if (s->n < 2 || (s->p[0] != '.' && s->p[0] != ',') ||
	    !is_digit(*s, 1))
		return (0);
	while (is_digit(*s, n))
		n++;
	return (fraction(s, n, t));
}

static int
read_day(enum date_std std, struct span *s, struct parts *t)
{
	if (std == STD_UNDER_DAY && s->n > 0 && s->p[0] == ' ')
		advance(s, 1);
	return (number(s, std == STD_ZERO_DAY, &t->day));
}

static int
read_month(enum date_std std, struct span *s, struct parts *t)
{
	int rc;

	if (std == STD_NUM_MONTH || std == STD_ZERO_MONTH)
		return (read_range(s, std == STD_ZERO_MONTH, 1, 12, "month",
		    &t->month, t));
	rc = name(s, date_months, 12, std == STD_MONTH ? 3 : 0, &t->month);
	t->month++;
	return (rc);
}

static int
read_chunk(const struct date_chunk *c, struct span *s, struct span layout,
    struct parts *t)
{
	int ignored;

	switch (c->std) {
	case STD_YEAR:
	case STD_LONG_YEAR:
		return (read_year(c->std, s, t));
	case STD_MONTH:
	case STD_LONG_MONTH:
	case STD_NUM_MONTH:
	case STD_ZERO_MONTH:
		return (read_month(c->std, s, t));
	case STD_WEEKDAY:
	case STD_LONG_WEEKDAY:
		return (name(s, date_weekdays, 7, c->std == STD_WEEKDAY ?
		    3 : 0, &ignored));
	case STD_DAY:
	case STD_UNDER_DAY:
	case STD_ZERO_DAY:
		return (read_day(c->std, s, t));
	case STD_UNDER_YDAY:
	case STD_ZERO_YDAY:
		return (read_yday(c->std, s, t));
	case STD_HOUR:
		return (read_range(s, 0, 0, 23, "hour", &t->hour, t));
	case STD_HOUR12:
	case STD_ZERO_HOUR12:
		return (read_range(s, c->std == STD_ZERO_HOUR12, 0, 12,
		    "hour", &t->hour, t));
	case STD_MINUTE:
	case STD_ZERO_MINUTE:
		return (read_range(s, c->std == STD_ZERO_MINUTE, 0, 59,
		    "minute", &t->minute, t));
	case STD_SECOND:
	case STD_ZERO_SECOND:
		return (read_second(c->std, s, layout, t));
	case STD_PM:
		return (read_half(s, "AM", "PM", t));
	case STD_LOWER_PM:
		return (read_half(s, "am", "pm", t));
	case STD_TZ:
		return (read_zone(s, t));
	case STD_FRAC0:
	case STD_FRAC9:
		return (read_fraction(c, s, t));
	default:
		return (read_offset(c->std, s, t));
	}
}

/* --- all of it ---------------------------------------------------------- */

/* ParseError: "cannot parse X as Y", or a message. */
static int
fail(struct span value, struct span layout, struct span elem,
    struct span part, const char *message, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);

	buf_adds(&text, "parsing time ");
	quote(value, &text);
	if (message == NULL) {
		buf_adds(&text, " as ");
		quote(layout, &text);
		buf_adds(&text, ": cannot parse ");
		quote(elem, &text);
		buf_adds(&text, " as ");
		quote(part, &text);
	} else {
		buf_adds(&text, message);
	}
	return (err_set(err, ERR_INVALID, "%s", text.data));
}

static int
read_all(struct span layout, struct span value, struct parts *t,
    struct err *err)
{
	struct span all = layout, whole_value = value, hold, part;
	struct date_chunk c;

	for (;;) {
		date_next_chunk(layout.p, layout.n, &c);
		part = (struct span){ layout.p, c.start };
		if (skip(&value, part) == -1)
			return (fail(whole_value, all, value, part, NULL,
			    err));
		if (c.std == STD_NONE)
			break;
		part = (struct span){ layout.p + c.start, c.end - c.start };
		advance(&layout, c.end);
		hold = value;
		if (read_chunk(&c, &value, layout, t) == -1 &&
		    t->range == NULL)
			return (fail(whole_value, all, hold, part, NULL,
			    err));
		if (t->range != NULL) {
			cleanup_free char *m = str_fmt(": %s out of range",
			    t->range);

			return (fail(whole_value, all, value, part, m, err));
		}
	}
	if (value.n > 0) {
		cleanup_buf struct buf m = BUF_SECRET(SIZE_MAX);

		buf_adds(&m, ": extra text: ");
		quote(value, &m);
		return (fail(whole_value, all, value, value, m.data, err));
	}
	return (0);
}

/* The day of the year to month and day; what is wrong, or NULL. */
static const char *
use_yday(struct parts *t)
{
	int month, yday = t->yday, leap = civil_is_leap(t->year);

	if (yday < 1 || yday > 365 + leap)
		return (": day-of-year out of range");
	for (month = 12; civil_days_before(t->year, month) >= yday; month--)
		;
	yday -= civil_days_before(t->year, month);
	if (t->month >= 0 && t->month != month)
		return (": day-of-year does not match month");
	t->month = month;
	if (t->day >= 0 && t->day != yday)
		return (": day-of-year does not match day");
	t->day = yday;
	return (NULL);
}

static const char *
check(struct parts *t)
{
	const char *bad = NULL;

	if (t->pm && t->hour < 12)
		t->hour += 12;
	else if (t->am && t->hour == 12)
		t->hour = 0;
	if (t->yday >= 0)
		bad = use_yday(t);
	if (bad != NULL)
		return (bad);
	if (t->month < 0)
		t->month = 1;
	if (t->day < 0)
		t->day = 1;
	if (t->day < 1 || t->day > civil_days_in(t->year, t->month))
		return (": day out of range");
	return (NULL);
}

/* With an offset, or with a zone's name. */
static int
set_zone(struct tmpl_run *run, const struct parts *t, struct date *d,
    struct err *err)
{
	int64_t offset = t->offset, utc = d->sec;
	struct zone_at at;

	if (t->has_offset) {
		d->sec -= offset;
		zone_lookup(&zone_utc, d->sec, &at);
		if (at.offset == offset && (t->zone.n == 0 ||
		    (at.n == t->zone.n &&
		    memcmp(at.name, t->zone.p, at.n) == 0))) {
			d->loc = &zone_utc;
			return (0);
		}
		return (zone_fixed(run, t->zone.p, t->zone.n, offset, &d->loc,
		    err));
	}
	if (zone_lookup_name(&zone_utc, t->zone.p, t->zone.n, utc,
	    &offset)) {
		d->sec -= offset;
		d->loc = &zone_utc;
		return (0);
	}
	offset = 0;
	if (t->zone.n > 3 && memcmp(t->zone.p, "GMT", 3) == 0)
		whole(t->zone.p + 3, t->zone.n - 3, &offset);
	return (zone_fixed(run, t->zone.p, t->zone.n, offset * 3600, &d->loc,
	    err));
}

int
date_parse(struct tmpl_run *run, const char *layout, size_t layout_n,
    const char *value, size_t n, struct tv *ret, struct err *err)
{
	struct span l = { layout, layout_n }, v = { value, n };
	struct parts t = { .month = -1, .day = -1, .yday = -1 };
	struct date d;
	const char *bad;

	date_make(1, 1, 1, 0, 0, &zone_utc, &d);
	if (date_set(run, &d, ret, err) == -1 ||
	    read_all(l, v, &t, err) == -1)
		return (-1);
	if ((bad = check(&t)) != NULL)
		return (fail(v, l, v, l, bad, err));
	date_make(t.year, t.month, t.day, (t.hour * 60 + t.minute) * 60 +
	    t.second, t.nsec, &zone_utc, &d);
	if (!t.utc && (t.has_offset || t.zone.n > 0) &&
	    set_zone(run, &t, &d, err) == -1)
		return (-1);
	return (date_set(run, &d, ret, err));
}

/* --- durations ---------------------------------------------------------- */

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 }, { "us", 1000 }, { "\302\265s", 1000 },
	{ "\316\274s", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	{ "m", 60000000000 }, { "h", 3600000000000 },
};

static int
bad_duration(struct span all, const char *what, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);

	buf_adds(&text, "time: ");
	buf_adds(&text, what);
	buf_addc(&text, ' ');
	quote(all, &text);
	return (err_set(err, ERR_INVALID, "%s", text.data));
}

#define TOP ((uint64_t)1 << 63)

/* leadingInt: -1 when it does not fit. */
static int
leading_int(struct span *s, uint64_t *ret)
{
	for (*ret = 0; is_digit(*s, 0); advance(s, 1)) {
		if (*ret > TOP / 10)
			return (-1);
		*ret = *ret * 10 + (uint64_t)(s->p[0] - '0');
		if (*ret > TOP)
			return (-1);
	}
	return (0);
}

/* leadingFraction: what does not fit any more is passed over. */
static uint64_t
leading_fraction(struct span *s, double *scale)
{
	uint64_t x = 0, y;
	int full = 0;

	for (*scale = 1; is_digit(*s, 0); advance(s, 1)) {
		if (full || x > (TOP - 1) / 10) {
			full = 1;
			continue;
		}
		y = x * 10 + (uint64_t)(s->p[0] - '0');
		if (y > TOP) {
			full = 1;
			continue;
		}
		x = y;
		*scale *= 10;
	}
	return (x);
}

/* The unit's nanoseconds, or 0 and an error. */
static uint64_t
read_unit(struct span *s, struct span all, struct err *err)
{
	cleanup_buf struct buf what = BUF_SECRET(SIZE_MAX);
	struct span u = { s->p, 0 };
	size_t i;

	while (u.n < s->n && s->p[u.n] != '.' && !is_digit(*s, u.n))
		u.n++;
	if (u.n == 0) {
		bad_duration(all, "missing unit in duration", err);
		return (0);
	}
	advance(s, u.n);
	for (i = 0; i < ARRAY_LEN(units); i++)
		if (strlen(units[i].name) == u.n &&
		    memcmp(units[i].name, u.p, u.n) == 0)
			return (units[i].ns);
	buf_adds(&what, "unknown unit ");
	quote(u, &what);
	buf_adds(&what, " in duration");
	bad_duration(all, what.data, err);
	return (0);
}

/* One "1.5h".  0; 1: it is no duration; -1: an error was set. */
static int
read_part(struct span *s, struct span all, uint64_t *ret, struct err *err)
{
	uint64_t v, unit, f = 0;
	double scale = 1;
	size_t digits = s->n;

	if (leading_int(s, &v) == -1)
		return (1);
	digits -= s->n;
	if (s->n > 0 && s->p[0] == '.') {
		advance(s, 1);
		digits += s->n;
		f = leading_fraction(s, &scale);
		digits -= s->n;
	}
	if (digits == 0)
		return (1);
	if ((unit = read_unit(s, all, err)) == 0)
		return (-1);
	if (v > TOP / unit)
		return (1);
	*ret = v * unit;
	if (f > 0)
		*ret += (uint64_t)((double)f * ((double)unit / scale));
	return (*ret > TOP);
}

int
date_parse_duration(const char *p, size_t n, int64_t *ret, struct err *err)
{
	struct span s = { p, n }, all = s;
	uint64_t sum = 0, part;
	int negative = n > 0 && p[0] == '-', rc = 0;

	*ret = 0;
	if (n > 0 && (p[0] == '-' || p[0] == '+'))
		advance(&s, 1);
	if (s.n == 1 && s.p[0] == '0')
		return (0);
	rc = s.n == 0;
	while (s.n > 0 && rc == 0) {
		rc = read_part(&s, all, &part, err);
		if (rc == 0 && (sum += part) > TOP)
			rc = 1;
	}
	if (rc == 0 && !negative && sum > TOP - 1)
		rc = 1;
	if (rc == 1)
		bad_duration(all, "invalid duration", err);
	if (rc == 0)
		*ret = (int64_t)(negative ? 0 - sum : sum);
	return (rc == 0 ? 0 : -1);
}
