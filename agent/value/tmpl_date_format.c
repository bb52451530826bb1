/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "value/tmpl_date.h"

const char *const date_months[] = { "January", "February", "March", "April",
	"May", "June", "July", "August", "September", "October", "November",
	"December" };
const char *const date_weekdays[] = { "Sunday", "Monday", "Tuesday",
	"Wednesday", "Thursday", "Friday", "Saturday" };

/* ${width} digits at least, not counting the sign. */
static void
add_int(struct buf *out, int64_t v, int width)
{
	char digits[24];
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + u % 10);
		u /= 10;
		width--;
	} while (u > 0);
	while (width-- > 0)
		digits[--at] = '0';
	if (v < 0)
		digits[--at] = '-';
	buf_add(out, digits + at, sizeof(digits) - at);
}

static void
add_fraction(int32_t nsec, char dot, size_t digits, int trim,
    struct buf *out)
{
	cleanup_buf struct buf text = BUF_PLAIN(16);

	if (trim && nsec == 0)
		return;
	add_int(&text, nsec, 9);
	if (digits < 9)
		text.len = digits;
	while (trim && text.len > 0 && text.data[text.len - 1] == '0')
		text.len--;
	if (trim && text.len == 0)
		return;
	buf_addc(out, dot);
	buf_add(out, text.data, text.len);
}

/* "+02:00" and the like. */
static void
add_offset(int64_t offset, int colon, int minutes, int seconds,
    struct buf *out)
{
	int64_t zone = offset / 60;

	buf_addc(out, zone < 0 ? '-' : '+');
	if (zone < 0) {
		zone = -zone;
		offset = -offset;
	}
	add_int(out, zone / 60, 2);
	if (colon)
		buf_addc(out, ':');
	if (minutes)
		add_int(out, zone % 60, 2);
	if (seconds && colon)
		buf_addc(out, ':');
	if (seconds)
		add_int(out, offset % 60, 2);
}

static void
add_zone(enum date_std std, const struct zone_at *z, struct buf *out)
{
	int colon = std == STD_ISO_COLON_TZ || std == STD_NUM_COLON_TZ ||
	    std == STD_ISO_COLON_SECONDS_TZ || std == STD_NUM_COLON_SECONDS_TZ;
	int seconds = std == STD_ISO_SECONDS_TZ || std == STD_NUM_SECONDS_TZ ||
	    std == STD_ISO_COLON_SECONDS_TZ || std == STD_NUM_COLON_SECONDS_TZ;

	if (std == STD_TZ && z->n > 0) {
		buf_add(out, z->name, z->n);
		return;
	}
	if (z->offset == 0 && std >= STD_ISO_TZ &&
	    std <= STD_ISO_COLON_SECONDS_TZ) {
		buf_addc(out, 'Z');
		return;
	}
	add_offset(z->offset, colon, std != STD_NUM_SHORT_TZ &&
	    std != STD_ISO_SHORT_TZ, seconds, out);
}

static void
add_padded(struct buf *out, int v, int width)
{
	int limit;

	for (limit = 10; --width > 0; limit *= 10)
		if (v < limit)
			buf_addc(out, ' ');
	add_int(out, v, 0);
}

static void
add_date(enum date_std std, const struct date_view *v, struct buf *out)
{
	switch (std) {
	case STD_YEAR:
		add_int(out, (v->year < 0 ? -v->year : v->year) % 100, 2);
		break;
	case STD_LONG_YEAR:
		add_int(out, v->year, 4);
		break;
	case STD_MONTH:
		buf_add(out, date_months[v->month - 1], 3);
		break;
	case STD_LONG_MONTH:
		buf_adds(out, date_months[v->month - 1]);
		break;
	case STD_NUM_MONTH:
	case STD_ZERO_MONTH:
		add_int(out, v->month, std == STD_ZERO_MONTH ? 2 : 0);
		break;
	case STD_WEEKDAY:
		buf_add(out, date_weekdays[v->weekday], 3);
		break;
	case STD_LONG_WEEKDAY:
		buf_adds(out, date_weekdays[v->weekday]);
		break;
	case STD_DAY:
	case STD_ZERO_DAY:
		add_int(out, v->day, std == STD_ZERO_DAY ? 2 : 0);
		break;
	case STD_UNDER_DAY:
		add_padded(out, v->day, 2);
		break;
	case STD_UNDER_YDAY:
		add_padded(out, v->yday, 3);
		break;
	default:
		add_int(out, v->yday, 3);
	}
}

static void
add_clock(enum date_std std, const struct date_view *v, struct buf *out)
{
	int hour12 = v->hour % 12 == 0 ? 12 : v->hour % 12;

	switch (std) {
	case STD_HOUR:
		add_int(out, v->hour, 2);
		break;
	case STD_HOUR12:
	case STD_ZERO_HOUR12:
		add_int(out, hour12, std == STD_ZERO_HOUR12 ? 2 : 0);
		break;
	case STD_MINUTE:
	case STD_ZERO_MINUTE:
		add_int(out, v->minute, std == STD_ZERO_MINUTE ? 2 : 0);
		break;
	case STD_SECOND:
	case STD_ZERO_SECOND:
		add_int(out, v->second, std == STD_ZERO_SECOND ? 2 : 0);
		break;
	case STD_PM:
		buf_adds(out, v->hour >= 12 ? "PM" : "AM");
		break;
	default:
		buf_adds(out, v->hour >= 12 ? "pm" : "am");
	}
}

void
date_format(const struct date *d, const char *layout, size_t n,
    struct buf *out)
{
	struct date_chunk c;
	struct date_view v;

	date_view(d, &v);
	for (; n > 0; layout += c.end, n -= c.end) {
		date_next_chunk(layout, n, &c);
		buf_add(out, layout, c.start);
		switch (c.std) {
		case STD_NONE:
			return;
		case STD_FRAC0:
		case STD_FRAC9:
			add_fraction(d->nsec, layout[c.start], c.digits,
			    c.std == STD_FRAC9, out);
			break;
		case STD_HOUR:
		case STD_HOUR12:
		case STD_ZERO_HOUR12:
		case STD_MINUTE:
		case STD_ZERO_MINUTE:
		case STD_SECOND:
		case STD_ZERO_SECOND:
		case STD_PM:
		case STD_LOWER_PM:
			add_clock(c.std, &v, out);
			break;
		default:
			if (c.std >= STD_TZ)
				add_zone(c.std, &v.zone, out);
			else
				add_date(c.std, &v, out);
		}
	}
}

/* " m=+0.012345678" */
static void
add_mono(int64_t mono, struct buf *out)
{
	uint64_t u = mono < 0 ? 0 - (uint64_t)mono : (uint64_t)mono;

	buf_adds(out, mono < 0 ? " m=-" : " m=+");
	buf_addf(out, "%" PRIu64 ".%09" PRIu64, u / 1000000000,
	    u % 1000000000);
}

void
date_print(const struct date *d, struct buf *out)
{
	static const char layout[] = "2006-01-02 15:04:05.999999999 -0700 MST";

	date_format(d, layout, sizeof(layout) - 1, out);
	if (d->has_mono)
		add_mono(d->mono, out);
}

void
date_print_go(const struct date *d, struct buf *out)
{
	struct date_view v;
	size_t n;
	const char *name = zone_name(d->loc, &n);

	date_view(d, &v);
	buf_addf(out, "time.Date(%" PRId64 ", time.%s, %d, %d, %d, %d, %"
	    PRId32 ", ", v.year, date_months[v.month - 1], v.day, v.hour,
	    v.minute, v.second, d->nsec);
	if (d->loc == &zone_utc) {
		buf_adds(out, "time.UTC)");
		return;
	}
	buf_adds(out, "time.Location(");
	date_quote(name, n, out);
	buf_adds(out, "))");
}

const char *
date_print_rfc3339(const struct date *d, struct buf *out)
{
	static const char layout[] = "2006-01-02T15:04:05.999999999Z07:00";
	struct date_view v;

	date_view(d, &v);
	date_format(d, layout, sizeof(layout) - 1, out);
	if (v.year < 0 || v.year > 9999)
		return ("year outside of range [0,9999]");
	if (v.zone.offset / 3600 >= 24 || v.zone.offset / 3600 <= -24)
		return ("timezone hour outside of range [0,23]");
	return (NULL);
}

int
date_print_json(const struct tv *v, struct buf *out, struct err *err)
{
	const char *bad;

	buf_addc(out, '"');
	bad = date_print_rfc3339(date_of(v), out);
	buf_addc(out, '"');
	if (bad == NULL)
		return (0);
	return (err_set(err, ERR_INVALID, "json: error calling MarshalJSON for"
	    " type time.Time: Time.MarshalJSON: %s", bad));
}

/* --- durations ---------------------------------------------------------- */

/* ${v} in units of 10^digits: the fraction without zeros at its end. */
static void
add_unit(uint64_t v, int digits, const char *unit, struct buf *out)
{
	uint64_t pow = 1;
	int i;

	for (i = 0; i < digits; i++)
		pow *= 10;
	add_int(out, (int64_t)(v / pow), 0);
	if (v % pow != 0) {
		buf_addc(out, '.');
		for (v %= pow; v != 0; v %= pow) {
			pow /= 10;
			buf_addc(out, (char)('0' + v / pow));
		}
	}
	buf_adds(out, unit);
}

void
date_print_duration(int64_t d, struct buf *out)
{
	uint64_t u = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
	const uint64_t second = 1000000000, minute = 60 * second;

	if (d < 0)
		buf_addc(out, '-');
	if (u == 0) {
		buf_adds(out, "0s");
	} else if (u < 1000) {
		add_unit(u, 0, "ns", out);
	} else if (u < 1000000) {
		add_unit(u, 3, "\302\265s", out);
	} else if (u < second) {
		add_unit(u, 6, "ms", out);
	} else {
		if (u >= 60 * minute)
			add_unit(u / (60 * minute), 0, "h", out);
		if (u >= minute)
			add_unit(u / minute % 60, 0, "m", out);
		add_unit(u % minute, 9, "s", out);
	}
}
