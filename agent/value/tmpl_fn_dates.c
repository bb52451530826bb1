/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "value/tmpl_date.h"
#include "value/tmpl_text.h"

/* Dates: sprig's date.go. */

#define SECOND 1000000000

static int
fn_now(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct date d;

	date_now(&d);
	return (date_set(c->run, &d, ret, err));
}

/* time.Time, or an int or int64 of seconds; of anything else the present. */
static void
any_date(const struct tv *v, struct date *ret)
{
	if (v->type == &tt_time)
		*ret = *date_of(v);
	else if (v->type == &tt_int64 || v->type == &tt_int)
		*ret = (struct date){ .sec = v->u.i, .loc = &zone_utc };
	else
		date_now(ret);
}

static int
format(struct tmpl_call *c, struct text layout, const struct tv *date,
    struct text zone, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = tmpl_buf(c->run);
	struct date d;

	any_date(date, &d);
	d.loc = zone_load(zone.p, zone.n);
	date_format(&d, layout.p, layout.n, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static const struct text local = { "Local", 5 };
static const struct text html = { "2006-01-02", 10 };

static int
fn_date(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (format(c, text_of(&c->v[0]), &c->v[1], local, ret, err));
}

static int
fn_date_in_zone(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (format(c, text_of(&c->v[0]), &c->v[1], text_of(&c->v[2]),
	    ret, err));
}

static int
fn_html_date(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (format(c, html, &c->v[0], local, ret, err));
}

static int
fn_html_date_in_zone(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (format(c, html, &c->v[0], text_of(&c->v[1]), ret, err));
}

static int
fn_must_date_modify(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct date d;
	int64_t by;

	if (date_parse_duration(c->v[0].u.s.p, c->v[0].u.s.n, &by, err) == -1)
		return (-1);
	date_add(date_of(&c->v[1]), by, &d);
	return (date_set(c->run, &d, ret, err));
}

static int
fn_date_modify(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_err struct err e = ERR_INIT;

	*ret = c->v[1];
	if (fn_must_date_modify(c, ret, &e) == -1 && e.kind != ERR_INVALID)
		return (err_move(err, &e));
	return (0);
}

static int
fn_must_to_date(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	return (date_parse(c->run, c->v[0].u.s.p, c->v[0].u.s.n,
	    c->v[1].u.s.p, c->v[1].u.s.n, ret, err));
}

static int
fn_to_date(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_err struct err e = ERR_INIT;

	if (fn_must_to_date(c, ret, &e) == -1 && e.kind != ERR_INVALID)
		return (err_move(err, &e));
	return (0);
}

static int
fn_unix_epoch(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(32);

	buf_addf(&out, "%" PRId64, date_of(&c->v[0])->sec);
	return (tv_buf(c->run, &out, ret, err));
}

/* --- durations ---------------------------------------------------------- */

static int
print_duration(struct tmpl_call *c, int64_t d, struct tv *ret,
    struct err *err)
{
	cleanup_buf struct buf out = BUF_SECRET(64);

	date_print_duration(d, &out);
	return (tv_buf(c->run, &out, ret, err));
}

static int64_t
since(const struct date *d)
{
	struct date now;

	date_now(&now);
	return (date_sub(&now, d));
}

/* Duration.Round to seconds. */
static int64_t
round_second(int64_t d)
{
	int64_t rest = d % SECOND;
	__int128 v = (__int128)d - rest;

	if (rest >= SECOND / 2)
		v += SECOND;
	if (rest <= -SECOND / 2)
		v -= SECOND;
	return (v < INT64_MIN ? INT64_MIN : v > INT64_MAX ? INT64_MAX :
	    (int64_t)v);
}

static int
fn_ago(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	struct date d;

	any_date(&c->v[0], &d);
	return (print_duration(c, round_second(since(&d)), ret, err));
}

static int
fn_duration(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	int64_t n = 0;

	if (c->v[0].type == &tt_string)
		tmpl_parse_int(c->v[0].u.s.p, c->v[0].u.s.n, 10, &n);
	else if (c->v[0].type == &tt_int64)
		n = c->v[0].u.i;
	return (print_duration(c, (int64_t)((uint64_t)n * SECOND), ret, err));
}

static int
fn_duration_round(struct tmpl_call *c, struct tv *ret, struct err *err)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 365 * 86400, "y" }, { 30 * 86400, "mo" },
		{ 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	cleanup_buf struct buf out = BUF_SECRET(32);
	int64_t d = 0;
	uint64_t u;
	size_t i;

	if (c->v[0].type == &tt_string)
		date_parse_duration(c->v[0].u.s.p, c->v[0].u.s.n, &d, NULL);
	else if (c->v[0].type == &tt_int64)
		d = c->v[0].u.i;
	else if (c->v[0].type == &tt_time)
		d = since(date_of(&c->v[0]));
	u = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
	for (i = 0; i < ARRAY_LEN(units); i++)
		if (u > units[i].seconds * SECOND)
			break;
	if (i == ARRAY_LEN(units)) {
		*ret = tv_str("0s");
		return (0);
	}
	buf_addf(&out, "%" PRIu64 "%s", u / (units[i].seconds * SECOND),
	    units[i].name);
	return (tv_buf(c->run, &out, ret, err));
}

#define A &tt_any
#define S &tt_string
#define T &tt_time

const struct tmpl_func tmpl_funcs_dates[] = {
	{ "now", fn_now, T, 0, { NULL }, NULL },
	{ "ago", fn_ago, S, 1, { A }, NULL },
	{ "date", fn_date, S, 2, { S, A }, NULL },
	{ "date_in_zone", fn_date_in_zone, S, 3, { S, A, S }, NULL },
	{ "dateInZone", fn_date_in_zone, S, 3, { S, A, S }, NULL },
	{ "date_modify", fn_date_modify, T, 2, { S, T }, NULL },
	{ "dateModify", fn_date_modify, T, 2, { S, T }, NULL },
	{ "must_date_modify", fn_must_date_modify, T, 2, { S, T }, NULL },
	{ "mustDateModify", fn_must_date_modify, T, 2, { S, T }, NULL },
	{ "duration", fn_duration, S, 1, { A }, NULL },
	{ "durationRound", fn_duration_round, S, 1, { A }, NULL },
	{ "htmlDate", fn_html_date, S, 1, { A }, NULL },
	{ "htmlDateInZone", fn_html_date_in_zone, S, 2, { A, S }, NULL },
	{ "toDate", fn_to_date, T, 2, { S, S }, NULL },
	{ "mustToDate", fn_must_to_date, T, 2, { S, S }, NULL },
	{ "unixEpoch", fn_unix_epoch, S, 1, { T }, NULL },
	{ NULL, NULL, NULL, 0, { NULL }, NULL },
};
