/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "core/age.h"
#include "core_fake.h"

/*
 * What annotations say about old values, acted on while the store is away.
 * Control: -DWEAKEN_OFFLINE_POLICY.
 */
#define OFFLINE "\"offline.nodeseal.dev/"
#define HOUR (3600ll * 1000)

static uint32_t fail_status;
static enum err_kind fail_kind;		/* ERR_NONE: by the status */

static void
answer_ready(struct child *ch)
{
	uint32_t i;

	for (i = 0; i < ch->nnames; i++)
		child_ready(ch, i, "one");
	child_done(ch);
}

static void
answer_failed(struct child *ch)
{
	uint32_t i;

	for (i = 0; i < ch->nnames; i++)
		child_failed(ch, i, fail_kind ? fail_kind : fail_status ?
		    ERR_DENIED : ERR_TRANSIENT, fail_status, 0);
	child_done(ch);
}

/* Fetched and projected once; then the store is away. */
static struct item *
away(struct fake *f, const char *annotations)
{
	fail_status = 0;
	f->fetch = answer_ready;
	fake_store(f, "store");
	fake_es_offline(f, "app", "store", "1h", annotations);
	fake_hp(f, "web", "web", "app");
	sync_synced(&f->c);
	fake_spin(f);
	assert_string_equal(f->last_text, "k=one;");
	f->fetch = answer_failed;
	return (sync_item(&f->c, "default", "app"));
}

/* From one due time to the next. */
static void
hours(struct fake *f, int n)
{
	int64_t end = f->clock.boot + n * HOUR, step;

	while (f->clock.boot < end) {
		step = schedule_next(f->c.schedule) - f->clock.boot;
		if (step < 1)
			step = 1;
		fake_pass(f, step > end - f->clock.boot ?
		    end - f->clock.boot : step);
	}
}

static void
test_serve_stale_to_its_end(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "max-stale\":\"5h\","
	    OFFLINE "on-expiry\":\"RemoveFiles\"");
	char *why = NULL;

	assert_string_equal(age_source(item), "live");
	hours(f, 1);
	assert_true(item->failing);
	assert_string_equal(age_source(item), "memory");
	assert_false(age_stale(&f->c, item));
	hours(f, 2);
	assert_true(age_stale(&f->c, item));
	assert_true(age_may_mount(&f->c, item, NULL));
	hours(f, 2);
	assert_non_null(item->content);
	assert_int_equal(f->writes, 1);
	/* Due after an hour, less up to a tenth: then five hours. */
	hours(f, 1);
	assert_null(item->content);
	assert_int_equal(f->writes, 2);
	assert_int_equal(f->nfiles, 0);
	assert_string_equal(f->last_text, "");
	assert_false(age_may_mount(&f->c, item, &why));
	assert_non_null(strstr(why, "max-stale"));
	free(why);
	/* The next success brings them back. */
	f->fetch = answer_ready;
	hours(f, 1);
	assert_string_equal(f->last_text, "k=one;");
	assert_true(age_may_mount(&f->c, item, NULL));
	assert_false(age_stale(&f->c, item));
}

static void
test_files_are_kept(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "max-stale\":\"1h\"");

	hours(f, 3);
	assert_int_equal(item->gone, ITEM_EXPIRED);
	assert_int_equal(f->writes, 1);
	assert_false(age_may_mount(&f->c, item, NULL));
	/* A newcomer gets nothing, and disturbs nobody. */
	fake_hp(f, "late", "late", "app");
	sync_commit(&f->c);
	fake_spin(f);
	assert_int_equal(f->writes, 1);
	f->fetch = answer_ready;
	hours(f, 1);
	assert_int_equal(f->writes, 2);
	assert_string_equal(f->last_path, "/run/nodeseal/host/late");
}

static void
test_fail_closed_and_deny(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "mode\":\"FailClosed\"");
	char *why = NULL;

	assert_true(age_may_mount(&f->c, item, NULL));
	hours(f, 1);
	assert_false(age_may_mount(&f->c, item, &why));
	assert_non_null(strstr(why, "FailClosed"));
	free(STEAL(why));
	assert_non_null(item->content);
	fake_es_offline(f, "app", "store", "1h", OFFLINE
	    "new-pods\":\"Deny\"");
	sync_commit(&f->c);
	assert_false(age_may_mount(&f->c, item, &why));
	assert_non_null(strstr(why, "new-pods"));
	free(why);
	fake_es_offline(f, "app", "store", "1h", "");
	sync_commit(&f->c);
	assert_true(age_may_mount(&f->c, item, NULL));
}

static void
test_never_ends_with_the_interval(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "mode\":\"Never\","
	    OFFLINE "on-expiry\":\"RemoveFiles\"");

	fake_pass(f, 53 * 60000);
	assert_non_null(item->content);
	hours(f, 1);
	assert_null(item->content);
	assert_int_equal(f->nfiles, 0);
}

static void
test_a_store_is_the_ceiling(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "max-stale\":\"100h\"");
	struct offline_policy p;

	fake_put(f, "SecretStore", "store", "{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"SecretStore\",\"metadata\":"
	    "{\"name\":\"store\",\"namespace\":\"default\",\"annotations\":{"
	    OFFLINE "max-stale\":\"2h\"," OFFLINE "mode\":\"MemoryOnly\"}},"
	    "\"spec\":{\"provider\":{\"vault\":{}}}}");
	sync_commit(&f->c);
	age_policy(&f->c, item, &p);
	assert_int_equal(p.mode, OFFLINE_MEMORY_ONLY);
	assert_int_equal(p.max_stale_ms, 2 * HOUR);
	hours(f, 4);
	assert_int_equal(item->gone, ITEM_EXPIRED);
}

static void
test_denied(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "on-denied\":\"Grace=2h\"");

	/* Time-outs never purge. */
	hours(f, 2);
	assert_int_equal(item->denied, 0);
	fail_status = 403;
	hours(f, 1);
	assert_int_equal(item->denied, 3);
	assert_non_null(item->content);
	hours(f, 2);
	/* KeepFiles is about age, not about a refusal. */
	assert_null(item->content);
	assert_int_equal(f->nfiles, 0);
	assert_int_equal(f->writes, 2);
}

static void
test_denied_counts_slowly(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "on-denied\":\"Purge\"");

	fail_status = 401;
	fake_pass(f, HOUR);
	/* Attempts after 1, 2, 4, 8, 16 s: one answer that counts. */
	for (int i = 0; i < 31; i++)
		fake_pass(f, 1000);
	assert_int_equal(item->failures, 6);
	assert_int_equal(item->denied, 1);
	assert_non_null(item->content);
	/* One that is let in again starts the count anew. */
	f->fetch = answer_ready;
	fake_pass(f, 60000);
	assert_int_equal(item->denied, 0);
	f->fetch = answer_failed;
	hours(f, 2);
	assert_null(item->content);
	assert_int_equal(f->nfiles, 0);
}

/* O6. */
static void
test_the_wall_clock_does_not_matter(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, OFFLINE "max-stale\":\"5h\"");

	hours(f, 1);
	assert_true(item->failing);
	f->clock.wall += 10ll * 365 * 24 * HOUR;
	hours(f, 1);
	assert_int_equal(item->gone, ITEM_HELD);
	assert_non_null(item->content);
	f->clock.wall -= 20ll * 365 * 24 * HOUR;
	hours(f, 2);
	assert_int_equal(item->gone, ITEM_HELD);
	hours(f, 3);
	assert_int_equal(item->gone, ITEM_EXPIRED);
}

/* O1: three days without a store: files unchanged, new mounts served. */
static void
test_three_days(void **state)
{
	struct fake *f = *state;
	struct item *item = away(f, "");

	for (int day = 0; day < 3; day++) {
		for (int hour = 0; hour < 24; hour++)
			fake_pass(f, HOUR);
		assert_non_null(item->content);
		assert_int_equal(item->gone, ITEM_HELD);
		assert_true(age_may_mount(&f->c, item, NULL));
		assert_int_equal(f->writes, 1);
		assert_true(age_stale(&f->c, item));
		assert_string_equal(age_source(item), "memory");
	}
	fake_hp(f, "late", "late", "app");
	sync_commit(&f->c);
	fake_spin(f);
	assert_string_equal(f->last_path, "/run/nodeseal/host/late");
	assert_string_equal(f->last_text, "k=one;");
}

/* O5: what never takes a value away, whatever on-denied says; and what does. */
static void
ends_after(const char *policy, enum err_kind kind, uint32_t status, int gone)
{
	cleanup_free char *note = str_fmt(OFFLINE "on-denied\":\"%s\"",
	    policy);
	void *state = NULL;
	struct item *item;
	struct fake *f;

	fake_setup(&state);
	f = state;
	item = away(f, note);
	fail_kind = kind;
	fail_status = status;
	for (int i = 0; i < 7; i++)
		fake_pass(f, HOUR / 2);
	if ((item->content == NULL) != gone)
		fail_msg("%s: kind %d, status %u: %s", policy, (int)kind,
		    status, gone ? "still there" : "gone");
	assert_int_equal(f->nfiles, gone ? 0 : 1);
	fail_kind = ERR_NONE;
	fake_teardown(&state);
}

static void
test_who_may_take_it_away(void **state)
{
	static const struct { enum err_kind kind; uint32_t status; } never[] = {
		{ ERR_TRANSIENT, 0 },	/* time-out, refused, TLS */
		{ ERR_DENIED, 0 },	/* a captive portal's certificate */
		{ ERR_INVALID, 200 },	/* empty, truncated, no JSON */
		{ ERR_LIMIT, 200 },	/* too large */
		{ ERR_INVALID, 302 }, { ERR_NOTFOUND, 404 },
		{ ERR_DENIED, 407 }, { ERR_TRANSIENT, 429 },
		{ ERR_TRANSIENT, 500 }, { ERR_TRANSIENT, 502 },
		{ ERR_TRANSIENT, 503 }, { ERR_TRANSIENT, 504 },
	};
	static const char *const policies[] = { "Keep", "Grace=30m",
		"Purge" };
	size_t i, k;

	(void)state;
	for (k = 0; k < ARRAY_LEN(policies); k++) {
		for (i = 0; i < ARRAY_LEN(never); i++)
			ends_after(policies[k], never[i].kind,
			    never[i].status, 0);
		ends_after(policies[k], ERR_DENIED, 401, k > 0);
		ends_after(policies[k], ERR_DENIED, 403, k > 0);
	}
}

#define T(t) cmocka_unit_test_setup_teardown(t, fake_setup, fake_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_serve_stale_to_its_end),
		T(test_files_are_kept),
		T(test_fail_closed_and_deny),
		T(test_never_ends_with_the_interval),
		T(test_a_store_is_the_ceiling),
		T(test_denied),
		T(test_denied_counts_slowly),
		T(test_the_wall_clock_does_not_matter),
		T(test_three_days),
		T(test_who_may_take_it_away),
	};

	if (seal_init(NULL) == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
