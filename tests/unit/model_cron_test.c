/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include <time.h>

#include "base/clock.h"
#include "model/cron.h"
#include "model/refresh.h"

static int64_t
at(const char *s)
{
	int64_t ms;

	if (time_parse_rfc3339(s, &ms) == -1)
		fail_msg("%s", s);
	return (ms);
}

static void
test_next(void **state)
{
	static const struct { const char *from, *expr, *want; } rows[] = {
		{ "2026-07-09T14:45:00Z", "0/15 * * * *",
		    "2026-07-09T15:00:00Z" },
		{ "2026-07-09T14:59:59Z", "0/15 * * * *",
		    "2026-07-09T15:00:00Z" },
		/* Strictly after. */
		{ "2026-07-09T15:00:00Z", "0/15 * * * *",
		    "2026-07-09T15:15:00Z" },
		{ "2026-07-09T15:45:00Z", "20-35/15 * * * *",
		    "2026-07-09T16:20:00Z" },
		{ "2026-07-09T23:46:00Z", "*/15 * * * *",
		    "2026-07-10T00:00:00Z" },
		{ "2026-07-09T23:35:51Z", "15/35 20-35/15 * * *", NULL },
		{ "2026-07-09T23:35:00Z", "0 0 9 apr-oct ?",
		    "2026-08-09T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "0 0 * feb mon",
		    "2027-02-01T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "0 0 29 2 ?",
		    "2028-02-29T00:00:00Z" },
		{ "2026-12-31T23:59:30Z", "* * * * *",
		    "2027-01-01T00:00:00Z" },
		/* Both days restricted: either will do. */
		{ "2026-07-09T00:00:00Z", "0 0 13 * fri",
		    "2026-07-10T00:00:00Z" },
		{ "2026-07-11T00:00:00Z", "0 0 13 * fri",
		    "2026-07-13T00:00:00Z" },
		/* A star with a step of 1 is a star, with 2 is not. */
		{ "2026-07-11T00:00:00Z", "0 0 */1 * fri",
		    "2026-07-17T00:00:00Z" },
		{ "2026-07-11T00:00:00Z", "0 0 */2 * fri",
		    "2026-07-13T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "0 22 * * 1-5",
		    "2026-07-10T22:00:00Z" },
		{ "2026-07-10T23:35:00Z", "0 22 * * MON-Fri",
		    "2026-07-13T22:00:00Z" },
		{ "2026-07-09T10:00:00Z", "5,10,,15 1,2 * * *",
		    "2026-07-10T01:05:00Z" },
		{ "2026-07-09T23:35:00Z", "@yearly", "2027-01-01T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "@monthly", "2026-08-01T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "@weekly", "2026-07-12T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "@midnight",
		    "2026-07-10T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "@hourly", "2026-07-10T00:00:00Z" },
		{ "2026-07-09T23:35:00Z", "@every 90s",
		    "2026-07-09T23:36:30Z" },
		{ "2026-07-09T23:35:00Z", "@every 10ms",
		    "2026-07-09T23:35:01Z" },
		{ "2026-07-09T23:35:00Z", "@every 1500ms",
		    "2026-07-09T23:35:01Z" },
		/* Never: 31 February, and an empty field. */
		{ "2026-07-09T23:35:00Z", "0 0 31 2 *", NULL },
		{ "2026-07-09T23:35:00Z", ", * * * *", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_err struct err err = ERR_INIT;
		struct cron c;
		int64_t got;

		if (strcmp(rows[i].expr, "15/35 20-35/15 * * *") == 0) {
			assert_int_equal(cron_parse(rows[i].expr, &c, &err),
			    -1);
			continue;
		}
		if (cron_parse(rows[i].expr, &c, &err) == -1)
			fail_msg("%s: %s", rows[i].expr, err_msg(&err));
		got = cron_next(&c, at(rows[i].from));
		if (got != (rows[i].want == NULL ? CRON_NEVER :
		    at(rows[i].want)))
			fail_msg("%s from %s: %lld", rows[i].expr,
			    rows[i].from, (long long)got);
	}
}

/* Sub-seconds are cut off before the step. */
static void
test_fractions(void **state)
{
	struct cron c;

	(void)state;
	assert_int_equal(cron_parse("@every 2s", &c, NULL), 0);
	assert_int_equal(cron_next(&c, 10999), 12000);
	assert_int_equal(cron_parse("* * * * *", &c, NULL), 0);
	assert_int_equal(cron_next(&c, 59999), 60000);
	assert_int_equal(cron_next(&c, 60000), 120000);
	assert_int_equal(cron_next(&c, -5), 0);
	assert_int_equal(cron_next(&c, INT64_MIN), 0);
	assert_int_equal(cron_next(&c, INT64_MAX), CRON_NEVER);
}

static void
test_errors(void **state)
{
	static const struct { const char *expr, *want; } rows[] = {
		{ "", "empty spec string" },
		{ "* * * *", "expected exactly 5 fields, found 4: "
		    "[* * * *]" },
		{ "* * * * * *", "expected exactly 5 fields, found 6" },
		{ "60 * * * *", "end of range (60) above maximum (59): 60" },
		{ "* 24 * * *", "above maximum (23)" },
		{ "* * 0 * *", "beginning of range (0) below minimum (1): 0" },
		{ "* * * 13 *", "above maximum (12)" },
		{ "* * * * 7", "above maximum (6)" },
		{ "5-4 * * * *", "beginning of range (5) beyond end of range "
		    "(4): 5-4" },
		{ "*/0 * * * *",
		    "step of range should be a positive number: */0" },
		{ "1-2-3 * * * *", "too many hyphens: 1-2-3" },
		{ "1/2/3 * * * *", "too many slashes: 1/2/3" },
		{ "x * * * *", "failed to parse int from x: strconv.Atoi: "
		    "parsing \"x\": invalid syntax" },
		{ "*/-1 * * * *", "negative number (-1) not allowed: -1" },
		{ "-1 * * * *", "failed to parse int from : " },
		{ "* * * foo *", "failed to parse int from foo" },
		{ "99999999999999999999 * * * *", "above maximum" },
		{ "@fortnightly", "unrecognized descriptor: @fortnightly" },
		{ "@every x", "failed to parse duration @every x: time: "
		    "invalid duration \"x\"" },
		{ "TZ=UTC * * * * *", "time zones" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_err struct err err = ERR_INIT;

		assert_int_equal(cron_check(rows[i].expr, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		if (strstr(err_msg(&err), rows[i].want) == NULL)
			fail_msg("%s: %s", rows[i].expr, err_msg(&err));
	}
	assert_int_equal(cron_check("0 22 * * 1-5", NULL), 0);
}

/* The slow way: minute by minute, with the definition as it is written. */
static int
fires(const struct cron *c, int64_t minute)
{
	time_t t = (time_t)(minute * 60);
	struct tm tm;
	int dom, dow;

	gmtime_r(&t, &tm);
	dom = (int)(c->dom >> tm.tm_mday & 1);
	dow = (int)(c->dow >> tm.tm_wday & 1);
	return ((c->minute >> tm.tm_min & 1) && (c->hour >> tm.tm_hour & 1) &&
	    (c->month >> (tm.tm_mon + 1) & 1) &&
	    (((c->dom | c->dow) & CRON_STAR) ? dom && dow : dom || dow));
}

static void
test_against_brute_force(void **state)
{
	static const char *const exprs[] = { "*/7 * * * *", "59 23 28-31 * *",
		"0 0 1 1 *", "30 4 29 2 *", "17 */5 * * 0", "0 12 13 * 5",
		"5 0 */3 mar-may 2,4", "0 0 31 * *" };
	uint32_t seed = 7;

	(void)state;
	for (size_t e = 0; e < ARRAY_LEN(exprs); e++)
		for (int k = 0; k < 3; k++) {
			struct cron c;
			int64_t minute, from;

			assert_int_equal(cron_parse(exprs[e], &c, NULL), 0);
			seed = seed * 1664525 + 1013904223;
			/* Some second of the years 2024 to 2027. */
			from = 1704067200 + seed % (4 * 31557600);
			minute = from / 60 + 1;
			while (!fires(&c, minute))
				minute++;
			assert_int_equal(cron_next(&c, from * 1000),
			    minute * 60000);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_fractions),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_against_brute_force),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
