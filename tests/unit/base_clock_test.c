/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

static void
test_clocks(void **state)
{
	struct clock_manual m;
	const struct clock *s = clock_system();
	int64_t boot, wall = (int64_t)time(NULL) * 1000;

	(void)state;
	clock_manual_init(&m, 5, 7);
	assert_int_equal(m.clock.boot_ms(&m.clock), 5);
	m.wall = 9;
	assert_int_equal(m.clock.wall_ms(&m.clock), 9);
	boot = s->boot_ms(s);
	assert_true(boot > 0 && s->boot_ms(s) >= boot);
	assert_true(s->wall_ms(s) >= wall && s->wall_ms(s) < wall + 60000);
}

static void
test_rfc3339(void **state)
{
	static const struct {
		const char *in;
		int64_t ms;
		const char *out;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0, NULL },
		{ "2026-11-23T20:35:23Z", 1795466123000, NULL },
		{ "2000-02-29T23:59:59Z", 951868799000, NULL },
		{ "1969-12-31T23:59:59Z", -1000, NULL },
		{ "0001-01-01T00:00:00Z", -62135596800000, NULL },
		{ "9999-12-31T23:59:59Z", 253402300799000, NULL },
		{ "2026-11-23T21:35:23+01:00", 1795466123000,
		    "2026-11-23T20:35:23Z" },
		{ "2026-11-23T20:05:23.5-00:30", 1795466123500,
		    "2026-11-23T20:35:23Z" },
		{ "2026-11-23T20:35:23.123456789Z", 1795466123123,
		    "2026-11-23T20:35:23Z" },
		{ "1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59Z" },
	};
	static const char *const bad[] = { "", "2026-11-23",
		"2026-11-23T20:35:23", "2026-11-23t20:35:23Z",
		"2026-11-23 20:35:23Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2025-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
		"2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx",
		"2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+00:60", "+026-01-01T00:00:00Z",
		"2026-1-01T00:00:00Z", "2026-01-01T00:00:00+0100" };
	int64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_buf struct buf out = BUF_PLAIN(100);

		assert_int_equal(time_parse_rfc3339(rows[i].in, &ms), 0);
		assert_int_equal(ms, rows[i].ms);
		time_rfc3339(&out, ms);
		assert_string_equal(buf_str(&out),
		    rows[i].out ? rows[i].out : rows[i].in);
	}
	ms = 42;
	for (i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(time_parse_rfc3339(bad[i], &ms), -1);
	assert_int_equal(ms, 42);
}

/* Every day of 600 years, against the C library. */
static void
test_days(void **state)
{
	int64_t day, ms;
	struct tm tm;
	time_t t;

	(void)state;
	for (day = -110000; day < 110000; day++) {
		cleanup_buf struct buf out = BUF_PLAIN(100);
		char text[40];

		t = (time_t)(day * 86400);
		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%FT%TZ", &tm);
		time_rfc3339(&out, day * 86400000);
		assert_string_equal(buf_str(&out), text);
		assert_int_equal(time_parse_rfc3339(text, &ms), 0);
		assert_int_equal(ms, day * 86400000);
	}
}

static void
test_duration_parse(void **state)
{
	static const struct {
		const char *in;
		int64_t ms;
	} rows[] = {
		{ "0", 0 }, { "-0", 0 }, { "+0", 0 }, { "0s", 0 },
		{ "5s", 5000 }, { "1h30m", 5400000 }, { "1.5h", 5400000 },
		{ "-2s", -2000 }, { "+1m", 60000 }, { "100us", 0 },
		{ "1500us", 1 }, { "1500\xc2\xb5s", 1 },
		{ "1500\xce\xbcs", 1 }, { "1999999ns", 1 }, { ".5s", 500 },
		{ "1.s", 1000 }, { "1h0m0s", 3600000 }, { "-1.5ms", -1 },
		{ "1m1m", 120000 }, { "0.1s0.1s", 200 },
		{ "9223372036854775807ns", 9223372036854 },
		{ "-9223372036854775808ns", -9223372036854 },
		{ "0.3333333333333333333h", 1200000 },
		{ "0.100000000000000000000h", 360000 },
		{ "2562047h", 9223369200000 },
	};
	size_t i;
	int64_t ms;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(duration_parse(rows[i].in, &ms, NULL), 0);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void
test_duration_refuses_in_gos_words(void **state)
{
	static const struct {
		const char *in, *why;
	} rows[] = {
		{ "", "time: invalid duration \"\"" },
		{ "3", "time: missing unit in duration \"3\"" },
		{ "-", "time: invalid duration \"-\"" },
		{ "s", "time: invalid duration \"s\"" },
		{ ".", "time: invalid duration \".\"" },
		{ ".s", "time: invalid duration \".s\"" },
		{ "+.s", "time: invalid duration \"+.s\"" },
		{ "1x", "time: unknown unit \"x\" in duration \"1x\"" },
		{ "1d", "time: unknown unit \"d\" in duration \"1d\"" },
		{ "1 h", "time: unknown unit \" h\" in duration \"1 h\"" },
		{ "1\"h", "time: unknown unit \"\\\"h\" in duration "
		    "\"1\\\"h\"" },
		{ "1\xc3\xa9", "time: unknown unit \"\\xc3\\xa9\" in duration "
		    "\"1\\xc3\\xa9\"" },
		{ "1h-1m", "time: unknown unit \"h-\" in duration \"1h-1m\"" },
		{ "9223372036854775808ns", "time: invalid duration "
		    "\"9223372036854775808ns\"" },
		{ "9223372036854775810ns", "time: invalid duration "
		    "\"9223372036854775810ns\"" },
		{ "3000000h", "time: invalid duration \"3000000h\"" },
		{ "2562047h60m", "time: invalid duration \"2562047h60m\"" },
		{ "99999999999999999999s", "time: invalid duration "
		    "\"99999999999999999999s\"" },
	};
	size_t i;
	int64_t ms = 42;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_err struct err err = ERR_INIT;

		assert_int_equal(duration_parse(rows[i].in, &ms, &err), -1);
		assert_string_equal(err_msg(&err), rows[i].why);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_int_equal(ms, 42);
	}
}

static void
test_duration_print(void **state)
{
	static const struct {
		int64_t ms;
		const char *out;
	} rows[] = {
		{ 0, "0s" }, { 1, "1ms" }, { 999, "999ms" }, { 1000, "1s" },
		{ 1500, "1.5s" }, { 1050, "1.05s" }, { 60000, "1m0s" },
		{ 3600000, "1h0m0s" }, { 3661001, "1h1m1.001s" },
		{ -1500, "-1.5s" }, { -5, "-5ms" },
		{ 9223372036854, "2562047h47m16.854s" },
		{ INT64_MIN, "-2562047788015h12m55.808s" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_buf struct buf out = BUF_PLAIN(100);

		duration_print(&out, rows[i].ms);
		assert_string_equal(buf_str(&out), rows[i].out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_duration_parse),
		cmocka_unit_test(test_duration_refuses_in_gos_words),
		cmocka_unit_test(test_duration_print),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
