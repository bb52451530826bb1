/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>

#include "core/age.h"
#include "core_fake.h"

static const char *value = "one";
static uint32_t fail_kind, fail_status, fail_retry;
static int only_first;

static void
answer_ready(struct child *ch)
{
	uint32_t i;

	for (i = 0; i < ch->nnames; i++)
		child_ready(ch, i, value);
	child_done(ch);
}

static void
answer_failed(struct child *ch)
{
	uint32_t i;

	for (i = 0; i < ch->nnames; i++)
		child_failed(ch, i, fail_kind, fail_status, fail_retry);
	if (!only_first)
		child_done(ch);
}

/* Dies after the first item; the zygote says so later. */
static uint64_t dead;

static void
answer_and_die(struct child *ch)
{
	child_ready(ch, 0, value);
	dead = ch->id;
	chan_free(STEAL(ch->chan));
}

static void
say_exit(struct fake *f, uint32_t status)
{
	child_exit(f, dead, status);
	fake_spin(f);
}

static struct item *
claimed(struct fake *f, const char *name)
{
	return (sync_claim(&f->c, "default", name, "csi:pod/v",
	    CLAIM_FOREVER));
}

static void
begin(struct fake *f, void (*fetch)(struct child *ch))
{
	f->fetch = fetch;
	value = "one";
	only_first = 0;
	fail_kind = ERR_DENIED;
	fail_status = 403;
	fail_retry = 0;
	fake_store(f, "store");
	fake_es(f, "app", "store", "1h");
}

/* All objects were read once; something has changed. */
static void
synced(struct fake *f)
{
	sync_synced(&f->c);
	fake_spin(f);
}

static void
commit(struct fake *f)
{
	sync_commit(&f->c);
	fake_spin(f);
}

static struct item *
numbered(struct fake *f, int i)
{
	cleanup_free char *name = str_fmt("es%d", i);

	return (sync_item(&f->c, "default", name));
}

/* ${n} of them, es0 and on, all claimed. */
static void
begin_many(struct fake *f, void (*fetch)(struct child *ch), int n)
{
	int i;

	begin(f, fetch);
	for (i = 0; i < n; i++) {
		cleanup_free char *name = str_fmt("es%d", i);

		fake_es(f, name, "store", "1h");
	}
	sync_synced(&f->c);
	for (i = 0; i < n; i++) {
		cleanup_free char *name = str_fmt("es%d", i);

		claimed(f, name);
	}
}

static void
test_unclaimed_is_not_fetched(void **state)
{
	struct fake *f = *state;

	begin(f, answer_ready);
	sync_synced(&f->c);
	fake_pass(f, 24 * 3600 * 1000);
	assert_int_equal(f->forks, 0);
	assert_int_equal(schedule_len(f->c.schedule), 0);
}

static void
test_first_sync_and_refresh(void **state)
{
	struct fake *f = *state;
	struct item *item;
	int64_t due;

	begin(f, answer_ready);
	sync_synced(&f->c);
	item = claimed(f, "app");
	fake_spin(f);
	assert_int_equal(f->forks, 1);
	/* ExternalSecret and store: nothing else exists. */
	assert_int_equal(f->children->nbodies, 2);
	assert_int_equal(item->outcome, JOB_READY);
	assert_string_equal(item->reason, "SecretSynced");
	assert_non_null(item->content);
	assert_int_equal(item->content->keys, 1);
	assert_int_equal(item->synced_at, WALL);
	assert_int_equal(f->c.cache.records, 1);
	/* 0 to 10 % early. */
	due = item->due.at - f->clock.boot;
	assert_in_range(due, 54 * 60000 - 1, 3600000);
	fake_pass(f, 53 * 60000);
	assert_int_equal(f->forks, 1);
	fake_pass(f, 7 * 60000 + 1000);
	assert_int_equal(f->forks, 2);
}

/* Control: -DWEAKEN_UNCHANGED. */
static void
test_equal_content_writes_nothing(void **state)
{
	struct fake *f = *state;
	struct content *before;
	struct item *item;

	begin(f, answer_ready);
	fake_hp(f, "web", "web", "app");
	synced(f);
	item = sync_item(&f->c, "default", "app");
	assert_string_equal(f->last_text, "k=one;");
	assert_int_equal(f->writes, 1);
	before = item->content;
	fake_pass(f, 3600000);
	assert_int_equal(f->forks, 2);
	assert_int_equal(item->synced_at, WALL + 3600000);
	assert_int_equal(f->c.cache.generation, 1);
	assert_ptr_equal(item->content, before);
	assert_int_equal(f->writes, 1);
	value = "two";
	fake_pass(f, 3600000);
	assert_int_equal(f->forks, 3);
	assert_int_equal(f->c.cache.generation, 2);
	assert_int_equal(f->writes, 2);
	assert_string_equal(f->last_text, "k=two;");
	assert_string_equal(f->last_path, "/run/nodeseal/host/web");
}

static void
test_backoff_grows_and_content_stays(void **state)
{
	static const int64_t waits[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256,
		420, 420 };
	struct fake *f = *state;
	struct item *item;
	size_t i;

	begin(f, answer_ready);
	sync_synced(&f->c);
	item = claimed(f, "app");
	fake_spin(f);
	f->fetch = answer_failed;
	fake_pass(f, 3600000);
	for (i = 0; i < ARRAY_LEN(waits); i++) {
		assert_int_equal(f->forks, 2 + (int)i);
		assert_int_equal(item->failures, 1 + i);
		assert_int_equal(item->due.at - f->clock.boot,
		    waits[i] * 1000);
		fake_pass(f, waits[i] * 1000 - 1);
		assert_int_equal(f->forks, 2 + (int)i);
		f->clock.boot++;
		fake_spin(f);
	}
	assert_false(item_ready(item));
	assert_non_null(item->content);
	assert_string_equal(item->error, "store store: GET x: no");
	assert_int_equal(age_stale(&f->c, item), 0);
	fake_pass(f, 3 * 3600 * 1000);
	assert_int_equal(age_stale(&f->c, item), 1);
}

static void
test_a_dead_job_costs_one_backoff(void **state)
{
	struct fake *f = *state;
	struct item *a, *b;

	begin(f, answer_and_die);
	fake_es(f, "other", "store", "1h");
	sync_synced(&f->c);
	a = claimed(f, "app");
	b = claimed(f, "other");
	fake_spin(f);
	assert_int_equal(f->forks, 1);
	/* Its exit says why, and comes after its channel's end. */
	assert_int_equal(a->failures + b->failures, 0);
	say_exit(f, SIGSEGV);
	assert_int_equal(a->failures + b->failures, 1);
	assert_string_equal(a->failures ? a->error : b->error,
	    "SecretStore store: job was killed by SIGSEGV");
	assert_true(item_ready(a) || item_ready(b));
	f->fetch = answer_ready;
	fake_pass(f, 1000);
	assert_int_equal(f->forks, 2);
	assert_true(item_ready(a) && item_ready(b));
}

static void
test_how_a_job_ended(void **state)
{
	struct fake *f = *state;
	struct item *a, *b, *it;
	int i;

	begin(f, answer_and_die);
	fake_es(f, "other", "store", "1h");
	sync_synced(&f->c);
	a = claimed(f, "app");
	b = claimed(f, "other");
	for (i = 0; i < 2; i++) {
		fake_spin(f);
		assert_int_equal(f->forks, i + 1);
		if (i == 0)
			say_exit(f, 3 << 8);
		else	/* it never comes */
			fake_pass(f, 1000);
		it = item_ready(a) ? b : a;
		assert_string_equal(it->error, i == 0 ?
		    "SecretStore store: job ended with status 3" :
		    "SecretStore store: job ended without an answer");
		fake_es(f, "app", "store", i ? "1h" : "3h");
		fake_es(f, "other", "store", i ? "1h" : "3h");
		sync_commit(&f->c);
		fake_pass(f, 2);
	}
}

static void
test_a_change_is_due_at_once(void **state)
{
	struct fake *f = *state;
	struct item *item;

	begin(f, answer_ready);
	sync_synced(&f->c);
	item = claimed(f, "app");
	fake_spin(f);
	/* The same again: nothing. */
	fake_es(f, "app", "store", "1h");
	commit(f);
	assert_int_equal(f->forks, 1);
	fake_es(f, "app", "store", "2h");
	commit(f);
	assert_int_equal(f->forks, 2);
	/* Its store; and one that is none of its. */
	fake_store(f, "another");
	commit(f);
	assert_int_equal(f->forks, 2);
	fake_put(f, "SecretStore", "store", "{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"SecretStore\",\"metadata\":"
	    "{\"name\":\"store\",\"namespace\":\"default\"},\"spec\":{"
	    "\"provider\":{\"fake\":{}}}}");
	commit(f);
	assert_int_equal(f->forks, 3);
	assert_true(item_ready(item));
}

/* Three time-outs in a row open the circuit; the rest of the job's items wait
 * without a back-off; one probe a delay.  Control: -DWEAKEN_CIRCUIT. */
static void
test_circuit(void **state)
{
	struct fake *f = *state;
	struct store_state *s;
	int i;

	begin_many(f, answer_failed, 20);
	fail_kind = ERR_TRANSIENT;
	fail_status = 0;
	fake_spin(f);
	s = strmap_get(f->c.stores, "SecretStore/default/store");
	assert_int_equal(f->forks, 1);
	assert_int_equal(s->circuit.state, CIRCUIT_OPEN);
	assert_int_equal(f->kills, 1);
	assert_int_equal(plan_len(f->c.plan), 17);
	fake_pass(f, 999);
	assert_int_equal(f->forks, 1);
	fake_pass(f, 1);
	assert_int_equal(f->forks, 2);
	assert_int_equal(f->children->nnames, 1);
	assert_int_equal(s->circuit.state, CIRCUIT_OPEN);
	fake_pass(f, 1999);
	assert_int_equal(f->forks, 2);
	f->fetch = answer_ready;
	fake_pass(f, 1);
	assert_int_equal(s->circuit.state, CIRCUIT_CLOSED);
	/* The probe, then all the others in one. */
	fake_pass(f, 5000);
	for (i = 0; i < 20; i++)
		assert_true(item_ready(numbered(f, i)));
}

/* As few jobs, and so logins, as hold them all; together, not one after
 * another. */
static void
test_a_thousand_in_four_jobs(void **state)
{
	struct fake *f = *state;
	const struct child *ch;
	size_t n = 0;

	begin_many(f, NULL, 1000);
	fake_spin(f);
	assert_int_equal(f->forks, 4);
	for (ch = f->children; ch; ch = ch->next) {
		assert_in_range(ch->nnames, 1000 - 3 * JOB_ITEMS_MAX,
		    JOB_ITEMS_MAX);
		n += ch->nnames;
	}
	assert_int_equal(n, 1000);
}

static void
test_refusals_do_not_open_the_circuit(void **state)
{
	struct fake *f = *state;
	int i;

	begin_many(f, answer_failed, 10);
	fake_spin(f);
	assert_int_equal(f->forks, 1);
	assert_int_equal(f->children->nnames, 10);
	for (i = 0; i < 10; i++)
		assert_int_equal(numbered(f, i)->failures, 1);
}

static void
test_retry_after(void **state)
{
	struct fake *f = *state;
	struct item *item;

	begin(f, answer_failed);
	fail_kind = ERR_TRANSIENT;
	fail_status = 429;
	fail_retry = 30000;
	sync_synced(&f->c);
	item = claimed(f, "app");
	fake_spin(f);
	assert_int_equal(f->forks, 1);
	f->fetch = answer_ready;
	fake_pass(f, 29000);
	assert_int_equal(f->forks, 1);
	fake_pass(f, 1000);
	assert_int_equal(f->forks, 2);
	assert_true(item_ready(item));
}

/* A job that is silent for a second gives its slot back; while it lives, none
 * other for that host starts, and others have all four slots.  Control:
 * -DWEAKEN_SLOTS. */
static void
test_slow_store_delays_nobody(void **state)
{
	struct fake *f = *state;
	char name[24], store[24];
	int i;

	begin(f, NULL);			/* nobody answers */
	fake_es(f, "second", "store", "1h");
	sync_synced(&f->c);
	claimed(f, "app");
	fake_spin(f);
	assert_int_equal(f->forks, 1);
	assert_false(jobs_may_start(f->c.jobs, "x") == 0);
	fake_pass(f, 1000);
	claimed(f, "second");
	fake_spin(f);
	assert_int_equal(f->forks, 1);
	f->fetch = answer_ready;
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "es%d", i);
		snprintf(store, sizeof(store), "other%d", i);
		fake_put(f, "SecretStore", store, "{\"apiVersion\":"
		    "\"external-secrets.io/v1\",\"kind\":\"SecretStore\","
		    "\"metadata\":{\"name\":\"x\",\"namespace\":\"default\"},"
		    "\"spec\":{\"provider\":{\"fake\":{}}}}");
		fake_es(f, name, store, "1h");
		claimed(f, name);
	}
	commit(f);
	assert_int_equal(f->forks, 5);
	for (i = 0; i < 4; i++)
		assert_true(item_ready(numbered(f, i)));
	assert_false(item_ready(sync_item(&f->c, "default", "second")));
	/* Its deadline ends it; the next one has its turn. */
	fake_pass(f, 70000);
	assert_true(item_ready(sync_item(&f->c, "default", "second")));
}

static void
test_zygote_is_started_again(void **state)
{
	struct fake *f = *state;
	struct item *item;

	begin(f, NULL);
	sync_synced(&f->c);
	item = claimed(f, "app");
	fake_spin(f);
	assert_int_equal(item->state, ITEM_RUNNING);
	chan_free(STEAL(f->zygote));
	fake_spin(f);
	assert_int_equal(item->failures, 1);
	f->fetch = answer_ready;
	fake_pass(f, 1000);
	assert_int_equal(item->state, ITEM_QUEUED);
	fake_zygote(f);
	fake_spin(f);
	assert_true(item_ready(item));
}

static void
test_claims_end(void **state)
{
	struct fake *f = *state;
	struct item *item;

	begin(f, answer_ready);
	sync_synced(&f->c);
	item = claimed(f, "app");
	fake_spin(f);
	sync_unclaim(&f->c, item, "csi:pod/v");
	assert_int_equal(item->due.pos, 0);
	fake_pass(f, CLAIM_FORGET_MS - 1);
	assert_int_equal(f->c.cache.records, 1);
	assert_int_equal(f->forks, 1);
	fake_pass(f, 1);
	assert_int_equal(f->c.cache.records, 0);
	assert_null(sync_item(&f->c, "default", "app"));
	assert_int_equal(schedule_len(f->c.schedule), 0);
}

static void
test_claim_with_an_end(void **state)
{
	struct fake *f = *state;

	begin(f, answer_ready);
	sync_synced(&f->c);
	sync_claim(&f->c, "default", "app", "csi:pod/v",
	    f->clock.boot + CLAIM_FAILED_MS);
	fake_spin(f);
	fake_pass(f, CLAIM_FAILED_MS);
	assert_int_equal(sync_item(&f->c, "default", "app")->claims.n, 0);
	fake_pass(f, CLAIM_FORGET_MS);
	assert_null(sync_item(&f->c, "default", "app"));
}

static void
test_annotation_claims(void **state)
{
	struct fake *f = *state;
	static const char text[] = "{\"apiVersion\":\"external-secrets.io/v1\","
	    "\"kind\":\"ExternalSecret\",\"metadata\":{\"name\":\"app\","
	    "\"namespace\":\"default\",\"annotations\":{"
	    "\"nodeseal.dev/claim\":\"%s\"}},\"spec\":{\"secretStoreRef\":{"
	    "\"name\":\"store\"},\"data\":[{\"secretKey\":\"k\","
	    "\"remoteRef\":{\"key\":\"x\"}}]}}";
	char json[1024];

	begin(f, answer_ready);
	snprintf(json, sizeof(json), text, "node10,xnode1");
	fake_put(f, "ExternalSecret", "app", json);
	synced(f);
	assert_int_equal(f->forks, 0);
	snprintf(json, sizeof(json), text, "node2, node1");
	fake_put(f, "ExternalSecret", "app", json);
	commit(f);
	assert_int_equal(f->forks, 1);
	assert_string_equal(sync_item(&f->c, "default",
	    "app")->claims.v[0].name, "node:node1");
	snprintf(json, sizeof(json), text, "");
	fake_put(f, "ExternalSecret", "app", json);
	sync_commit(&f->c);
	assert_int_equal(sync_item(&f->c, "default", "app")->claims.n, 0);
}

/* 10,000 items with an hour to wait: nothing runs, one timer. */
static void
test_ten_thousand_idle_items(void **state)
{
	struct fake *f = *state;
	int i;

	begin_many(f, answer_ready, 10000);
	for (i = 0; i < 200 && f->c.cache.records < 10000; i++)
		fake_spin(f);
	fake_spin(f);
	assert_int_equal(f->c.cache.records, 10000);
	assert_in_range(f->forks, 40, 44);
	assert_int_equal(schedule_len(f->c.schedule), 10000);
	f->clock.boot += 53 * 60000;
	assert_int_equal(schedule_run(f->c.schedule), 0);
}

/* --- host projections --------------------------------------------------- */

static void
test_first_projection_owns_the_path(void **state)
{
	struct fake *f = *state;

	begin(f, answer_ready);
	fake_hp(f, "a", "web", "app");
	fake_hp(f, "b", "web/inner", "app");
	synced(f);
	assert_int_equal(f->writes, 1);
	assert_string_equal(f->last_path, "/run/nodeseal/host/web");
	/* The first one goes: its files go, then the other has its turn. */
	fake_drop(f, "HostProjection", "a");
	commit(f);
	assert_int_equal(f->removes, 1);
	assert_int_equal(f->writes, 2);
	assert_string_equal(f->last_path, "/run/nodeseal/host/web/inner");
}

static void
test_absolute_paths_stay_inside(void **state)
{
	struct fake *f = *state;

	begin(f, answer_ready);
	fake_hp(f, "a", "/etc/passwd.d", "app");
	fake_hp(f, "b", "/run/nodeseal/hostile", "app");
	fake_hp(f, "c", "/run/nodeseal/host", "app");
	fake_hp(f, "d", "/run/nodeseal/host/ok", "app");
	synced(f);
	assert_int_equal(f->writes, 1);
	assert_string_equal(f->last_path, "/run/nodeseal/host/ok");
}

static void
test_projection_moves(void **state)
{
	struct fake *f = *state;

	begin(f, answer_ready);
	fake_hp(f, "a", "web", "app");
	synced(f);
	fake_hp(f, "a", "elsewhere", "app");
	commit(f);
	assert_int_equal(f->removes, 1);
	assert_int_equal(f->writes, 2);
	assert_string_equal(f->last_path, "/run/nodeseal/host/elsewhere");
}

static void
test_deleted_external_secret_keeps_the_files(void **state)
{
	struct fake *f = *state;
	struct item *item;

	begin(f, answer_ready);
	fake_hp(f, "a", "web", "app");
	synced(f);
	fake_drop(f, "ExternalSecret", "app");
	sync_commit(&f->c);
	fake_pass(f, 3600000);
	item = sync_item(&f->c, "default", "app");
	assert_int_equal(f->forks, 1);
	assert_int_equal(f->removes, 0);
	assert_int_equal(f->writes, 1);
	assert_string_equal(item->reason, "NotFound");
	assert_non_null(item->content);
}

/* A reader of the generation before keeps it for a second at least.  Control:
 * -DWEAKEN_SWAPSPACE. */
static void
test_swaps_keep_their_distance(void **state)
{
	struct fake *f = *state;

	begin(f, answer_ready);
	fake_hp(f, "a", "web", "app");
	synced(f);
	assert_int_equal(f->writes, 1);
	value = "two";
	fake_es(f, "app", "store", "2h");
	commit(f);
	assert_int_equal(f->writes, 2);
	value = "three";
	fake_es(f, "app", "store", "3h");
	sync_commit(&f->c);
	fake_pass(f, 999);
	assert_int_equal(f->forks, 3);
	assert_int_equal(f->writes, 2);
	fake_pass(f, 1);
	assert_int_equal(f->writes, 3);
	assert_string_equal(f->last_text, "k=three;");
}

static void
test_failed_write_is_tried_again(void **state)
{
	struct fake *f = *state;

	begin(f, answer_ready);
	fake_hp(f, "a", "web", "app");
	f->fail_writes = 1;
	synced(f);
	assert_int_equal(f->writes, 1);
	f->fail_writes = 0;
	fake_pass(f, 1000);
	assert_int_equal(f->writes, 2);
	fake_pass(f, 10000);
	assert_int_equal(f->writes, 2);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, fake_setup, fake_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(unclaimed_is_not_fetched), T(first_sync_and_refresh),
		T(equal_content_writes_nothing),
		T(backoff_grows_and_content_stays),
		T(a_dead_job_costs_one_backoff), T(how_a_job_ended),
		T(a_change_is_due_at_once),
		T(circuit), T(a_thousand_in_four_jobs),
		T(refusals_do_not_open_the_circuit),
		T(retry_after), T(slow_store_delays_nobody),
		T(zygote_is_started_again), T(claims_end),
		T(claim_with_an_end), T(annotation_claims),
		T(ten_thousand_idle_items), T(first_projection_owns_the_path),
		T(absolute_paths_stay_inside), T(projection_moves),
		T(deleted_external_secret_keeps_the_files),
		T(swaps_keep_their_distance),
		T(failed_write_is_tried_again),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
