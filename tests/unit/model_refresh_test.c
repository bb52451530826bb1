/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include <time.h>

#include "base/clock.h"
#include "model/refresh.h"

#define HOUR INT64_C(3600000)
#define SEC INT64_C(1000)

static int64_t
at(const char *s)
{
	int64_t ms;

	if (time_parse_rfc3339(s, &ms) == -1)
		fail_msg("%s", s);
	return (ms);
}

static struct external_secret *
parse(const char *spec)
{
	cleanup_free char *text = str_fmt("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'ExternalSecret','metadata':"
	    "{'name':'es','generation':4},'spec':{'data':[{'secretKey':'a',"
	    "'remoteRef':{'key':'k'}}]%s}}", spec);
	cleanup_json struct json *j = quoted(text);
	struct external_secret *es;

	assert_int_equal(es_parse(j, "d", &es, NULL, NULL), 0);
	return (es);
}

#define NOW (1000 * HOUR)

/* eso.md 2.2, row by row. */
static void
test_policies(void **state)
{
	static const struct {
		const char *spec;
		int same;		/* the version that was synced */
		int64_t last, want;
	} rows[] = {
		{ "", 1, NOW - HOUR, NOW + 1 },
		{ "", 1, NOW - HOUR - 2, NOW },
		{ "", 1, NOW - SEC, NOW + HOUR - SEC + 1 },
		{ "", 1, NOW + SEC, NOW },		/* from the future */
		{ "", 1, 0, NOW },
		{ "", 0, NOW - SEC, NOW },		/* changed */
		{ "", -1, 0, NOW },			/* never synced */
		{ ",'refreshInterval':'0'", 1, NOW - HOUR, REFRESH_NEVER },
		{ ",'refreshInterval':'0'", 0, NOW - HOUR, REFRESH_NEVER },
		{ ",'refreshInterval':'-5s'", 0, NOW - HOUR, REFRESH_NEVER },
		{ ",'refreshInterval':'0'", -1, 0, NOW },
		{ ",'refreshInterval':'10s'", 1, NOW - 4 * SEC,
		    NOW + 6 * SEC + 1 },
		{ ",'refreshInterval':'2562047h'", 1, NOW - SEC,
		    NOW - SEC + 2562047 * HOUR + 1 },
		{ ",'refreshPolicy':'CreatedOnce'", -1, 0, NOW },
		{ ",'refreshPolicy':'CreatedOnce'", 0, NOW - 9 * HOUR,
		    REFRESH_NEVER },
		{ ",'refreshPolicy':'CreatedOnce'", 1, 0, NOW },
		{ ",'refreshPolicy':'OnChange'", -1, 0, NOW },
		{ ",'refreshPolicy':'OnChange'", 1, NOW - 9 * HOUR,
		    REFRESH_NEVER },
		{ ",'refreshPolicy':'OnChange'", 0, NOW - SEC, NOW },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct external_secret *es = parse(rows[i].spec);
		cleanup_free char *v = es_synced_version(es);
		const char *synced = rows[i].same == 1 ? v :
		    rows[i].same == 0 ? "3-old" : NULL;
		int64_t got = refresh_due_ms(es, synced, rows[i].last, NOW);

		if (got != rows[i].want && !(got <= NOW &&
		    rows[i].want == NOW))
			fail_msg("row %zu: %lld", i, (long long)got);
		es_free(es);
	}
}

/* ESO's isWithinSyncWindow: both ends belong to the window. */
static void
test_window_edges(void **state)
{
	static const struct { const char *when; int open; } rows[] = {
		{ "2026-06-01T21:59:59Z", 0 }, { "2026-06-01T22:00:00Z", 1 },
		{ "2026-06-01T22:30:00Z", 1 }, { "2026-06-02T00:00:00Z", 1 },
		{ "2026-06-02T00:00:01Z", 0 }, { "2026-06-01T21:00:00Z", 0 },
		{ "2026-06-02T03:00:00Z", 0 }, { "2026-06-02T22:30:00Z", 1 },
	};
	struct external_secret *allow = parse(",'syncWindows':{'kind':'allow',"
	    "'windows':[{'schedule':'0 22 * * *','duration':'2h'}]}");
	struct external_secret *deny = parse(",'syncWindows':{'kind':'deny',"
	    "'windows':[{'schedule':'0 22 * * *','duration':'2h'}]}");
	struct external_secret *none = parse("");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(window_open(&allow->window,
		    at(rows[i].when)), rows[i].open);
		assert_int_equal(window_open(&deny->window, at(rows[i].when)),
		    !rows[i].open);
		assert_int_equal(window_open(&none->window, at(rows[i].when)),
		    1);
	}
	es_free(allow);
	es_free(deny);
	es_free(none);
}

#define WIN(kind, s, d) ",'syncWindows':{'kind':'" kind "','windows':[" \
	"{'schedule':'" s "','duration':'" d "'}]}"

static void
test_next_open(void **state)
{
	static const struct { const char *spec, *now, *want; } rows[] = {
		{ "", "2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z" },
		{ WIN("allow", "0 22 * * *", "2h"), "2026-06-01T12:00:00Z",
		    "2026-06-01T22:00:00Z" },
		{ WIN("allow", "0 22 * * *", "2h"), "2026-06-01T23:00:00Z",
		    "2026-06-01T23:00:00Z" },
		{ WIN("deny", "0 22 * * *", "2h"), "2026-06-01T23:00:00Z",
		    "2026-06-02T00:00:01Z" },
		{ WIN("deny", "0 22 * * *", "90500ms"), "2026-06-01T22:01:00Z",
		    "2026-06-01T22:01:31Z" },
		/* Chained windows: closed through all of Monday to Saturday. */
		{ WIN("deny", "* * * * 1-6", "61s"), "2026-06-01T12:00:00Z",
		    "2026-06-07T00:00:02Z" },
		/* Between two minutes. */
		{ WIN("deny", "* * * * *", "5s"), "2026-06-01T12:00:02Z",
		    "2026-06-01T12:00:06Z" },
		/* For ever shut. */
		{ WIN("allow", "0 0 31 2 *", "2h"), "2026-06-01T12:00:00Z",
		    NULL },
		{ WIN("allow", "99 * * * *", "2h"), "2026-06-01T12:00:00Z",
		    NULL },
		{ WIN("allow", "0 0 29 2 *", "2h"), "2026-06-01T12:00:00Z",
		    NULL },		/* 2028 is more than a year away */
		/* ESO's "@every D" is open when the duration is not shorter. */
		{ WIN("allow", "@every 1h", "2h"), "2026-06-01T12:00:00Z",
		    "2026-06-01T12:00:00Z" },
		{ WIN("allow", "@every 2h", "1h"), "2026-06-01T12:00:00Z",
		    NULL },
		{ WIN("deny", "99 * * * *", "2h"), "2026-06-01T12:00:00Z",
		    "2026-06-01T12:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct external_secret *es = parse(rows[i].spec);
		int64_t got = window_next_open(&es->window, at(rows[i].now));

		/* The ceiling of looks may end a search for nothing early, at
		 * a time that is closed. */
		if (rows[i].want == NULL) {
			if (got != REFRESH_NEVER &&
			    window_open(&es->window, got))
				fail_msg("row %zu: %lld", i, (long long)got);
		} else if (got != at(rows[i].want))
			fail_msg("row %zu: %lld", i, (long long)got);
		es_free(es);
	}
}

/* The answer opens, and the second before it does not. */
static void
test_next_open_is_first(void **state)
{
	struct external_secret *es = parse(",'syncWindows':{'kind':'allow',"
	    "'windows':[{'schedule':'10 4 * * 0','duration':'5m'},"
	    "{'schedule':'*/40 9 1,15 * ?','duration':'90s'},"
	    "{'schedule':'bad bad bad bad bad','duration':'9h'}]}");
	int64_t t = at("2026-01-01T00:00:00Z"), end = t + 90 * 24 * HOUR;
	int n = 0;

	(void)state;
	for (; t < end; n++) {
		int64_t open = window_next_open(&es->window, t);

		assert_true(open >= t && open != REFRESH_NEVER);
		assert_int_equal(window_open(&es->window, open), 1);
		if (open > t)
			assert_int_equal(window_open(&es->window, open - SEC),
			    0);
		t = open + 10 * 60 * SEC;
	}
	assert_true(n > 15);
	es_free(es);
}

static void
test_due_with_windows(void **state)
{
	struct external_secret *es = parse(WIN("allow", "0 22 * * *", "2h"));
	cleanup_free char *v = es_synced_version(es);
	int64_t now = at("2026-06-01T12:00:00Z");

	(void)state;
	/* Overdue, but shut until the evening. */
	assert_int_equal(refresh_due_ms(es, v, now - 5 * HOUR, now),
	    at("2026-06-01T22:00:00Z"));
	/* Due inside the window of the evening. */
	assert_int_equal(refresh_due_ms(es, v, at("2026-06-01T21:30:00Z"),
	    at("2026-06-01T21:40:00Z")), at("2026-06-01T22:30:00Z") + 1);
	/* A change does not wait, nor does a first sync. */
	assert_int_equal(refresh_due_ms(es, "1-x", now - SEC, now), now);
	assert_int_equal(refresh_due_ms(es, "", 0, now), now);
	es_free(es);
}

/* A schedule made to cost time does not cost much. */
static void
test_cost(void **state)
{
	struct buf b = BUF_PLAIN(1u << 20);
	struct external_secret *es;
	struct timespec from, to;

	(void)state;
	buf_adds(&b, ",'syncWindows':{'kind':'deny','windows':[");
	for (int i = 0; i < 500; i++)
		buf_adds(&b, "{'schedule':'0 0 31 2 *','duration':'1h'},");
	buf_adds(&b, "{'schedule':'* * * * *','duration':'59s'}]}");
	es = parse(buf_str(&b));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	window_next_open(&es->window, at("2026-06-01T12:00:00Z"));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	assert_true((to.tv_sec - from.tv_sec) * 1000 +
	    (to.tv_nsec - from.tv_nsec) / 1000000 < 1000);
	es_free(es);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_window_edges),
		cmocka_unit_test(test_next_open),
		cmocka_unit_test(test_next_open_is_first),
		cmocka_unit_test(test_due_with_windows),
		cmocka_unit_test(test_cost),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
