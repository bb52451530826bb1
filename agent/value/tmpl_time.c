/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/mem.h"
#include "value/tmpl_date.h"
#include "value/tmpl_text.h"
#include "value/tmpl_time.h"

/* Types and methods of Go's package time.  Those with more than one result,
 * which a template cannot call anyway, are left out. */

/* --- types -------------------------------------------------------------- */

static int
time_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	(void)run, (void)err;
	date_print(date_of(v), out);
	return (0);
}

static int
time_gostring(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	(void)run, (void)err;
	date_print_go(date_of(v), out);
	return (0);
}

static int
duration_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	(void)run, (void)err;
	date_print_duration(v->u.i, out);
	return (0);
}

static int
month_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	(void)run, (void)err;
	if (v->u.i >= 1 && v->u.i <= 12)
		buf_adds(out, date_months[v->u.i - 1]);
	else
		buf_addf(out, "%%!Month(%" PRIu64 ")", (uint64_t)v->u.i);
	return (0);
}

static int
weekday_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	(void)run, (void)err;
	if (v->u.i >= 0 && v->u.i <= 6)
		buf_adds(out, date_weekdays[v->u.i]);
	else
		buf_addf(out, "%%!Weekday(%" PRIu64 ")", (uint64_t)v->u.i);
	return (0);
}

static const struct location *
location_of(const struct tv *v)
{
	return (v->u.p == NULL ? &zone_utc : v->u.p);
}

static int
location_string(struct tmpl_run *run, const struct tv *v, struct buf *out,
    struct err *err)
{
	size_t n;
	const char *name = zone_name(location_of(v), &n);

	(void)run, (void)err;
	buf_add(out, name, n);
	return (0);
}

static int
location_equal(const struct tv *a, const struct tv *b)
{
	return (zone_equal(location_of(a), location_of(b)));
}

static int
f_string(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	if (c->self.type->string(c->run, &c->self, &out, err) == -1)
		return (-1);
	return (tv_buf(c->run, &out, ret, err));
}

static const struct tmpl_func string_method[] = {
	{ "String", f_string, &tt_string, 0, { NULL }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};

static const char *const time_fields[] = { "wall", "ext", "loc", NULL };
static const struct tt tt_location_struct = { .kind = TK_STRUCT,
	.name = "time.Location" };

const struct tt tt_time = { .kind = TK_STRUCT, .name = "time.Time",
	.fields = time_fields, .methods = tmpl_time_methods,
	.string = time_string, .gostring = time_gostring };
const struct tt tt_duration = { .kind = TK_INT64, .name = "time.Duration",
	.methods = tmpl_duration_methods, .string = duration_string };
const struct tt tt_month = { .kind = TK_INT, .name = "time.Month",
	.methods = string_method, .string = month_string };
const struct tt tt_weekday = { .kind = TK_INT, .name = "time.Weekday",
	.methods = string_method, .string = weekday_string };
const struct tt tt_location = { .kind = TK_PTR, .name = "*time.Location",
	.elem = &tt_location_struct, .methods = string_method,
	.string = location_string, .equal = location_equal };

static struct tv
int_of(const struct tt *type, int64_t i)
{
	return ((struct tv){ .type = type, .u.i = i });
}

static const struct date *
self(const struct tmpl_call *c)
{
	return (date_of(&c->self));
}

/* --- parts of a time ---------------------------------------------------- */

enum part { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, YDAY, WEEKDAY };

static int
part(struct tmpl_call *c, enum part which, struct tv *ret)
{
	struct date_view v;

	date_view(self(c), &v);
	switch (which) {
	case YEAR:
		*ret = tv_int(v.year);
		break;
	case MONTH:
		*ret = int_of(&tt_month, v.month);
		break;
	case DAY:
		*ret = tv_int(v.day);
		break;
	case HOUR:
		*ret = tv_int(v.hour);
		break;
	case MINUTE:
		*ret = tv_int(v.minute);
		break;
	case SECOND:
		*ret = tv_int(v.second);
		break;
	case YDAY:
		*ret = tv_int(v.yday);
		break;
	case WEEKDAY:
		*ret = int_of(&tt_weekday, v.weekday);
	}
	return (0);
}

#define PART(name, which)						\
static int								\
name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	(void)err;							\
	return (part(c, which, ret));					\
}

PART(f_year, YEAR)
PART(f_month, MONTH)
PART(f_day, DAY)
PART(f_hour, HOUR)
PART(f_minute, MINUTE)
PART(f_second, SECOND)
PART(f_yday, YDAY)
PART(f_weekday, WEEKDAY)

static int
f_nanosecond(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_int(self(c)->nsec);
	return (0);
}

static int
f_is_dst(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct date_view v;

	(void)err;
	date_view(self(c), &v);
	*ret = tv_bool(v.zone.dst);
	return (0);
}

static int
f_is_zero(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(date_since_year_1(self(c)) == 0);
	return (0);
}

/* Units of 1/${per} seconds since 1970; wraps. */
static int
unix_time(struct tmpl_call *c, int64_t per, struct tv *ret)
{
	const struct date *d = self(c);

	*ret = tv_int64((int64_t)((uint64_t)d->sec * (uint64_t)per +
	    (uint64_t)d->nsec / (1000000000 / (uint64_t)per)));
	return (0);
}

static int
f_unix(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_int64(self(c)->sec);
	return (0);
}

static int
f_unix_milli(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	return (unix_time(c, 1000, ret));
}

static int
f_unix_micro(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	return (unix_time(c, 1000000, ret));
}

static int
f_unix_nano(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	return (unix_time(c, 1000000000, ret));
}

/* --- other times -------------------------------------------------------- */

static int
f_add(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct date d;

	date_add(self(c), c->v[0].u.i, &d);
	return (date_set(c->run, &d, ret, err));
}

static int64_t
wrap_add(int64_t a, int64_t b)
{
	return ((int64_t)((uint64_t)a + (uint64_t)b));
}

static int
f_add_date(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	const struct date *d = self(c);
	struct date_view v;
	struct date made;

	date_view(d, &v);
	date_make(wrap_add(v.year, c->v[0].u.i),
	    wrap_add(v.month, c->v[1].u.i), wrap_add(v.day, c->v[2].u.i),
	    (v.hour * 60 + v.minute) * 60 + v.second, d->nsec, d->loc, &made);
	return (date_set(c->run, &made, ret, err));
}

static int
in_location(struct tmpl_call *c, const struct location *l, struct tv *ret,
    struct err *err)
{
	struct date d = *self(c);

	d.loc = l;
	return (date_set(c->run, &d, ret, err));
}

static int
f_in(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	if (tv_is_nil(&c->v[0]))
		return (err_set(err, ERR_INVALID,
		    "time: missing Location in call to Time.In"));
	return (in_location(c, c->v[0].u.p, ret, err));
}

static int
f_utc(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (in_location(c, &zone_utc, ret, err));
}

static int
f_local(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (in_location(c, &zone_utc, ret, err));
}

static int
f_location(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	union {
		const struct location *from;
		void *p;
	} loc = { self(c)->loc };

	(void)err;
	*ret = (struct tv){ .type = &tt_location, .u.p = loc.p };
	return (0);
}

/* To a multiple of ${unit} since the year 1: down, or to the nearest. */
static int
round_time(struct tmpl_call *c, int nearest, struct tv *ret, struct err *err)
{
	int64_t unit = c->v[0].u.i, rest;
	struct date d = *self(c);

	d.has_mono = 0;
	if (unit > 0) {
		__int128 t = date_since_year_1(&d);

		rest = (int64_t)(t % unit);
		if (rest < 0)
			rest += unit;
		if (nearest && (uint64_t)rest * 2 >= (uint64_t)unit)
			rest -= unit;
		date_add(&d, -rest, &d);
	}
	return (date_set(c->run, &d, ret, err));
}

static int
f_truncate(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (round_time(c, 0, ret, err));
}

static int
f_round(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (round_time(c, 1, ret, err));
}

/* --- two times ---------------------------------------------------------- */

static int
f_sub(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = int_of(&tt_duration, date_sub(self(c), date_of(&c->v[0])));
	return (0);
}

static int
f_compare(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_int(date_compare(self(c), date_of(&c->v[0])));
	return (0);
}

static int
f_before(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(date_compare(self(c), date_of(&c->v[0])) < 0);
	return (0);
}

static int
f_after(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(date_compare(self(c), date_of(&c->v[0])) > 0);
	return (0);
}

static int
f_equal(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	(void)err;
	*ret = tv_bool(date_compare(self(c), date_of(&c->v[0])) == 0);
	return (0);
}

/* --- text --------------------------------------------------------------- */

static int
f_format(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	date_format(self(c), c->v[0].u.s.p, c->v[0].u.s.n, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
f_gostring(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);

	date_print_go(self(c), &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int
give_bytes(struct tmpl_call *c, const struct buf *b, struct tv *ret,
    struct err *err)
{
	size_t i;

	if (tv_list(c->run, &tt_bytes, b->len, ret, err) == -1)
		return (-1);
	for (i = 0; i < b->len; i++)
		ret->u.l.v[i].u.u = (unsigned char)b->data[i];
	return (0);
}

static int
marshal(struct tmpl_call *c, const char *quote, const char *name,
    struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(128);
	const char *bad;

	buf_adds(&out, quote);
	bad = date_print_rfc3339(self(c), &out);
	buf_adds(&out, quote);
	if (bad != NULL)
		return (err_set(err, ERR_INVALID, "Time.%s: %s", name, bad));
	return (give_bytes(c, &out, ret, err));
}

static int
f_marshal_json(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (marshal(c, "\"", "MarshalJSON", ret, err));
}

static int
f_marshal_text(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (marshal(c, "", "MarshalText", ret, err));
}

#define B &tt_bool
#define I &tt_int
#define L64 &tt_int64
#define S &tt_string
#define T &tt_time

const struct tmpl_func tmpl_time_methods[] = {
	{ "Add", f_add, T, 1, { &tt_duration }, NULL },
	{ "AddDate", f_add_date, T, 3, { I, I, I }, NULL },
	{ "After", f_after, B, 1, { T }, NULL },
	{ "Before", f_before, B, 1, { T }, NULL },
	{ "Compare", f_compare, I, 1, { T }, NULL },
	{ "Day", f_day, I, 0, { NULL }, NULL },
	{ "Equal", f_equal, B, 1, { T }, NULL },
	{ "Format", f_format, S, 1, { S }, NULL },
	{ "GoString", f_gostring, S, 0, { NULL }, NULL },
	{ "Hour", f_hour, I, 0, { NULL }, NULL },
	{ "In", f_in, T, 1, { &tt_location }, NULL },
	{ "IsDST", f_is_dst, B, 0, { NULL }, NULL },
	{ "IsZero", f_is_zero, B, 0, { NULL }, NULL },
	{ "Local", f_local, T, 0, { NULL }, NULL },
	{ "Location", f_location, &tt_location, 0, { NULL }, NULL },
	{ "MarshalJSON", f_marshal_json, &tt_bytes, 0, { NULL }, NULL },
	{ "MarshalText", f_marshal_text, &tt_bytes, 0, { NULL }, NULL },
	{ "Minute", f_minute, I, 0, { NULL }, NULL },
	{ "Month", f_month, &tt_month, 0, { NULL }, NULL },
	{ "Nanosecond", f_nanosecond, I, 0, { NULL }, NULL },
	{ "Round", f_round, T, 1, { &tt_duration }, NULL },
	{ "Second", f_second, I, 0, { NULL }, NULL },
	{ "String", f_string, S, 0, { NULL }, NULL },
	{ "Sub", f_sub, &tt_duration, 1, { T }, NULL },
	{ "Truncate", f_truncate, T, 1, { &tt_duration }, NULL },
	{ "UTC", f_utc, T, 0, { NULL }, NULL },
	{ "Unix", f_unix, L64, 0, { NULL }, NULL },
	{ "UnixMicro", f_unix_micro, L64, 0, { NULL }, NULL },
	{ "UnixMilli", f_unix_milli, L64, 0, { NULL }, NULL },
	{ "UnixNano", f_unix_nano, L64, 0, { NULL }, NULL },
	{ "Weekday", f_weekday, &tt_weekday, 0, { NULL }, NULL },
	{ "Year", f_year, I, 0, { NULL }, NULL },
	{ "YearDay", f_yday, I, 0, { NULL }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};

/* --- durations ---------------------------------------------------------- */

static int
whole_units(struct tmpl_call *c, int64_t unit, struct tv *ret)
{
	*ret = tv_int64(c->self.u.i / unit);
	return (0);
}

static int
float_units(struct tmpl_call *c, int64_t unit, struct tv *ret)
{
	int64_t d = c->self.u.i;

	*ret = tv_float((double)(d / unit) +
	    (double)(d % unit) / (double)unit);
	return (0);
}

#define UNITS(name, f, unit)						\
static int								\
name(struct tmpl_call *c, struct tv *ret, struct err *err)		\
{									\
	(void)err;							\
	return (f(c, unit, ret));					\
}

UNITS(f_nanoseconds, whole_units, 1)
UNITS(f_microseconds, whole_units, 1000)
UNITS(f_milliseconds, whole_units, 1000000)
UNITS(f_seconds, float_units, 1000000000)
UNITS(f_minutes, float_units, 60000000000)
UNITS(f_hours, float_units, 3600000000000)

static int
f_duration_truncate(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t d = c->self.u.i, unit = c->v[0].u.i;

	(void)err;
	*ret = int_of(&tt_duration, unit <= 0 ? d : d - d % unit);
	return (0);
}

static int
f_duration_round(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t d = c->self.u.i, unit = c->v[0].u.i, rest;
	__int128 v;

	(void)err;
	if (unit > 0) {
		rest = d % unit;
		v = (__int128)d - rest;
		/* Halves away from zero. */
		if ((rest < 0 ? -(__int128)rest : rest) * 2 >= unit)
			v += d < 0 ? -unit : unit;
		d = v < INT64_MIN ? INT64_MIN : v > INT64_MAX ? INT64_MAX :
		    (int64_t)v;
	}
	*ret = int_of(&tt_duration, d);
	return (0);
}

static int
f_abs(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t d = c->self.u.i;

	(void)err;
	*ret = int_of(&tt_duration, d >= 0 ? d : d == INT64_MIN ? INT64_MAX :
	    -d);
	return (0);
}

#define D &tt_duration
#define F &tt_float64

const struct tmpl_func tmpl_duration_methods[] = {
	{ "Abs", f_abs, D, 0, { NULL }, NULL },
	{ "Hours", f_hours, F, 0, { NULL }, NULL },
	{ "Microseconds", f_microseconds, L64, 0, { NULL }, NULL },
	{ "Milliseconds", f_milliseconds, L64, 0, { NULL }, NULL },
	{ "Minutes", f_minutes, F, 0, { NULL }, NULL },
	{ "Nanoseconds", f_nanoseconds, L64, 0, { NULL }, NULL },
	{ "Round", f_duration_round, D, 1, { D }, NULL },
	{ "Seconds", f_seconds, F, 0, { NULL }, NULL },
	{ "String", f_string, S, 0, { NULL }, NULL },
	{ "Truncate", f_duration_truncate, D, 1, { D }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
