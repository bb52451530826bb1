/* SPDX-License-Identifier: Apache-2.0 */
#include "core_link_fake.h"

/*
 * Core with an API server: objects, pods' claims, Kubernetes Secrets,
 * references, the lease between nodes.
 * Controls: -DWEAKEN_LIST_TORN, -DWEAKEN_SECRETS_FILES,
 * -DWEAKEN_SECRETS_SAME, -DWEAKEN_LEASE, -DWEAKEN_LEASE_NEWER,
 * -DWEAKEN_LEASE_TRUST.
 */

static const struct entry *
held(const char *kind, const char *name)
{
	return (catalog_get(w.f->c.catalog, kind, "default", name));
}

static char *
version_of(const char *name)
{
	return (es_synced_version(held("ExternalSecret", name)->es));
}

/* --- objects ----------------------------------------------------------- */

static void
test_objects_come_and_go(void **state)
{
	cleanup_free char *version = NULL;

	(void)state;
	put_store("");
	put_es("one", 7, "1h", "");
	put_es("two", 1, "1h", "");
	assert_false(w.f->c.synced);
	list_all();
	assert_true(w.f->c.synced);
	assert_non_null(held("ExternalSecret", "two"));
	/* The object's own generation counts. */
	version = version_of("one");
	assert_string_equal(version, "7-mh");
	say_name(LINK_GONE, "ExternalSecret", "default", "two");
	pass(100);
	assert_null(held("ExternalSecret", "two"));
	/* A list anew: what it does not name is gone, the rest is kept. */
	put_es("three", 1, "1h", "");
	say_name(LINK_RELIST, "ExternalSecret", "default", "");
	flush("ExternalSecret", "default");
	pass(100);
	assert_non_null(held("ExternalSecret", "one"));
	say_name(LINK_LISTED, "ExternalSecret", "default", "");
	pass(100);
	assert_null(held("ExternalSecret", "one"));
	assert_non_null(held("ExternalSecret", "three"));
	assert_non_null(held("SecretStore", "store"));
}

static void
test_a_torn_list_takes_nothing_away(void **state)
{
	(void)state;
	put_es("one", 1, "1h", "");
	list_all();
	buf_adds(&w.block, "!\n");
	say_name(LINK_RELIST, "ExternalSecret", "default", "");
	flush("ExternalSecret", "default");
	say_name(LINK_LISTED, "ExternalSecret", "default", "");
	pass(100);
	assert_non_null(held("ExternalSecret", "one"));
}

static void
test_link_is_started_again(void **state)
{
	const struct source_ops *ops = w.f->c.source->ops;

	(void)state;
	begin("", "");
	assert_int_equal(w.fetches, 1);
	link_begin();
	pass(100);
	assert_non_null(held("ExternalSecret", "app"));
	assert_false(ops->has_list(w.f->c.source, "ExternalSecret",
	    "default"));
	/* What core wants is said anew. */
	assert_true(strmap_has(w.wants, "default"));
	assert_true(strmap_has(w.watches, "Secret/default/"));
	put_store("");
	put_es("app", 1, "1h", "");
	list_all();
	assert_int_equal(w.fetches, 1);
	assert_true(ops->whole(w.f->c.source));
}

static void
test_the_job_that_reads_dies(void **state)
{
	struct fake *f = *state;

	f->read = NULL;
	put_es("one", 1, "1h", "");
	list_all();
	assert_false(f->c.synced);
	f->read = on_read;
	child_dies(f->children);
	pass(100);
	assert_false(f->c.synced);
	pass(2000);
	assert_true(f->c.synced);
	assert_non_null(held("ExternalSecret", "one"));
}

/* A claim that comes before its objects waits for them. */
static void
test_a_namespace_that_is_not_listed_yet(void **state)
{
	struct item *item;

	(void)state;
	say_state(1, "");
	say_synced();
	pass(100);
	item = sync_claim(&w.f->c, "default", "app", "csi:p/v",
	    CLAIM_FOREVER);
	pass(1000);
	assert_string_equal(item->reason, "");
	assert_true(strmap_has(w.wants, "default"));
	/* The store is still to come. */
	put_es("app", 1, "1h", "");
	say_name(LINK_RELIST, "ExternalSecret", "default", "");
	flush("ExternalSecret", "default");
	say_name(LINK_LISTED, "ExternalSecret", "default", "");
	pass(1000);
	assert_int_equal(w.fetches, 0);
	put_store("");
	put_es("app", 1, "1h", "");
	list_all();
	assert_int_equal(w.fetches, 1);
	assert_true(item_ready(item));
}

static void
test_what_does_not_exist_is_said(void **state)
{
	struct item *item;

	(void)state;
	list_all();
	item = sync_claim(&w.f->c, "default", "app", "csi:p/v",
	    CLAIM_FOREVER);
	pass(1000);
	assert_string_equal(item->reason, "NotFound");
}

/* --- pods -------------------------------------------------------------- */

static void
test_a_pod_claims_by_its_secret(void **state)
{
	struct item *item = begin("\"name\":\"app\"", "");

	(void)state;
	assert_non_null(item);
	assert_string_equal(item->claims.v[0].name, "secret:p");
	assert_int_equal(w.fetches, 1);
	assert_int_equal(w.applied, 1);
	assert_int_equal(w.last.op, JOB_APPLY_OWNER);
	assert_string_equal(w.last_target, "app");
	assert_string_equal(w.last_value, "one");
	assert_int_equal(w.reports, 1);
	assert_non_null(strstr(w.status, "\"binding\":{\"name\":\"app\"}"));
	pass(1000);
	assert_string_equal(w.events, "Updated ");
	/* A namesake takes the old one's place. */
	say_pod("p", "uid-2", "app", 0, 0);
	cleanup_buf struct buf b = BUF_PLAIN(4096);
	struct link_name gone = { str_dup("uid-p"), str_dup("default"),
		str_dup("p") };

	link_name_write(&gone, &b);
	say(LINK_POD_GONE, &b, NULL);
	link_name_clear(&gone);
	pass(100);
	assert_int_equal(item->claims.n, 1);
	/* Over: it claims nothing; in ten minutes all of it is forgotten. */
	say_pod("p", "uid-2", "app", 0, 1);
	pass(100);
	assert_int_equal(item->claims.n, 0);
	pass(CLAIM_FORGET_MS);
	assert_null(sync_item(&w.f->c, "default", "app"));
	pass(1000);
	assert_int_equal(strmap_len(w.wants), 0);
	assert_int_equal(strmap_len(w.watches), 0);
}

static void
test_pods_that_were_not_listed_are_gone(void **state)
{
	struct item *item = begin("", "");

	(void)state;
	say_name(LINK_RELIST, "Pod", "", "");
	say_pod("q", "uid-q", "", 0, 0);
	say_name(LINK_LISTED, "Pod", "", "");
	pass(100);
	assert_int_equal(item->claims.n, 0);
	assert_int_equal(pods_len(w.f->c.pods), 1);
}

static void
test_the_target_moves(void **state)
{
	struct item *item = begin("", "");

	(void)state;
	assert_int_equal(item->claims.n, 1);
	put_es("app", 2, "1h", "\"name\":\"other\"");
	flush("ExternalSecret", "default");
	pass(100);
	assert_int_equal(item->claims.n, 0);
	say_pod("q", "uid-q", "other", 0, 0);
	pass(1000);
	assert_int_equal(item->claims.n, 1);
	assert_string_equal(item->claims.v[0].name, "secret:q");
	assert_string_equal(w.last_target, "other");
}

static void
test_who_waits_is_first(void **state)
{
	struct item *item;
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "es%d", i);
		put_es(name, 1, "1h", "");
	}
	put_store("");
	list_all();
	w.f->cfg.max_jobs = 1;
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "es%d", i);
		say_pod(name, name, name, i == 299, 0);
	}
	pass(2000);
	item = sync_item(&w.f->c, "default", "es299");
	assert_int_equal(item->waiting, 1);
	assert_true(item_ready(item));
	assert_int_equal(w.applied, 300);
	/* Two jobs of 256 at most each for what is read and for what is
	 * written. */
	assert_in_range(w.fetches, 2, 3);
	assert_in_range(w.applies, 2, 6);
	say_pod("es299", "es299", "es299", 0, 0);
	pass(100);
	assert_int_equal(item->waiting, 0);
}

/* --- Kubernetes Secrets ------------------------------------------------ */

/* What volumes alone use is in no Secret. */
static void
test_files_alone_write_no_secret(void **state)
{
	struct item *item;

	(void)state;
	put_store("");
	put_es("app", 1, "1h", "");
	list_all();
	item = sync_claim(&w.f->c, "default", "app", "csi:p/v",
	    CLAIM_FOREVER);
	pass(1000);
	assert_true(item_ready(item));
	assert_int_equal(w.applied, 0);
	assert_null(secrets_bound(item));
	/* A pod names it: now there is one, without another read. */
	say_pod("p", "uid-p", "app", 0, 0);
	pass(1000);
	assert_int_equal(w.fetches, 1);
	assert_int_equal(w.applied, 1);
	assert_string_equal(secrets_bound(item), "app");
}

static void
test_no_secret_by_policy(void **state)
{
	struct item *item;

	(void)state;
	begin("\"creationPolicy\":\"None\"", "");
	assert_int_equal(w.fetches, 0);
	item = sync_claim(&w.f->c, "default", "app", "node:node1",
	    CLAIM_FOREVER);
	/* What is for files alone is in no Secret, whatever the policy is. */
	w.fetched = JOB_UNCHANGED_NONE;
	pass(1000);
	assert_true(item_ready(item));
	put_es("app", 2, "1h", "");
	flush("ExternalSecret", "default");
	pass(1000);
	assert_int_equal(w.fetches, 2);
	assert_int_equal(w.applied, 0);
}

static void
test_policies(void **state)
{
	static const struct { const char *target; enum job_apply_op op; }
	    rows[] = {
		{ "\"creationPolicy\":\"Orphan\"", JOB_APPLY_ORPHAN },
		{ "\"creationPolicy\":\"Merge\"", JOB_APPLY_MERGE },
		{ "\"creationPolicy\":\"CreateOrMerge\"",
		    JOB_APPLY_CREATE_OR_MERGE },
		{ "\"creationPolicy\":\"Owner\"", JOB_APPLY_OWNER },
	};
	size_t i;

	(void)state;
	begin("", "");
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		put_es("app", (int)i + 2, "1h", rows[i].target);
		flush("ExternalSecret", "default");
		pass(1000);
		assert_int_equal(w.last.op, rows[i].op);
		assert_int_equal(w.applied, (int)i + 2);
	}
	/* Nothing is left at the provider: once. */
	w.fetched = JOB_DELETED;
	w.outcome = JOB_APPLIED_DELETED;
	pass(HOUR);
	assert_int_equal(w.last.op, JOB_APPLY_DELETE);
	assert_int_equal(w.applied, 6);
	pass(HOUR);
	assert_int_equal(w.applied, 6);
	assert_null(secrets_bound(sync_item(&w.f->c, "default", "app")));
}

static void
test_what_is_unchanged_is_not_written(void **state)
{
	(void)state;
	begin("", "");
	/* No watch: a refresh applies it again, knowing what was. */
	w.outcome = JOB_APPLIED_UNCHANGED;
	pass(HOUR);
	assert_int_equal(w.fetches, 2);
	assert_int_equal(w.applied, 2);
	assert_string_equal(w.last_version, "v1");
	/* With one, nothing is asked at all. */
	say_meta("Secret", "app", 1, "v2", "h");
	pass(HOUR);
	assert_int_equal(w.fetches, 3);
	assert_int_equal(w.applied, 2);
	w.value = "two";
	w.outcome = JOB_APPLIED_UPDATED;
	pass(HOUR);
	assert_int_equal(w.applied, 3);
	assert_string_equal(w.last_value, "two");
}

static void
test_drift(void **state)
{
	(void)state;
	begin("", "");
	say_meta("Secret", "app", 1, "v1", "h");
	pass(MINUTE);
	assert_int_equal(w.applied, 1);
	/* By hand: the data without our hash. */
	say_meta("Secret", "app", 1, "x9", "h");
	pass(100);
	assert_int_equal(w.applied, 2);
	assert_int_equal(w.fetches, 1);
	/* What the watch shows of our own write. */
	say_meta("Secret", "app", 1, "v2", "h");
	pass(100);
	/* Again and again: not at once. */
	say_meta("Secret", "app", 1, "x10", "h");
	pass(100);
	assert_int_equal(w.applied, 2);
	pass(SECRETS_DRIFT_MS);
	assert_int_equal(w.applied, 3);
	pass(MINUTE);
	say_meta("Secret", "app", 0, "", "");
	pass(100);
	assert_int_equal(w.applied, 4);
	pass(HOUR / 2);
	assert_int_equal(w.applied, 4);
}

/* Another node's newer value is no drift. */
static void
test_the_newer_write_stands(void **state)
{
	cleanup_free char *version = NULL;
	struct item *item = begin("", "");

	(void)state;
	version = version_of("app");
	say_meta("Secret", "app", 1, "v1", "h");
	pass(10 * MINUTE);
	say_meta("Secret", "app", 1, "v7", "another hash");
	pass(1000);
	assert_int_equal(w.applied, 1);
	say_lease("app", w.f->clock.wall, version, 1, "app");
	pass(MINUTE);
	assert_int_equal(w.applied, 1);
	assert_null(secrets_bound(item));
	/* Nobody vouches for that one: it is put right. */
	pass(3 * HOUR);
	assert_true(w.applied > 1);
	say_meta("Secret", "app", 1, "v8", "yet another");
	pass(1000);
	w.applied = 0;
	pass(SECRETS_OTHERS_MS);
	assert_int_equal(w.applied, 1);
}

static void
test_a_write_fails(void **state)
{
	struct item *item;

	(void)state;
	w.outcome = JOB_APPLIED_FAILED;
	w.fail = ERR_DENIED;
	item = begin("", "");
	assert_int_equal(w.fetches, 1);
	assert_false(item_ready(item));
	assert_string_equal(item->message, "could not update secret");
	assert_string_equal(item->error, "patch secrets: 403");
	assert_non_null(strstr(w.status, "\"status\":\"False\""));
	/* The value is there for files, and is not stale. */
	assert_non_null(item->content);
	assert_false(item->failing);
	assert_in_range(w.applied, 1, 2);
	/* Tried again by back-off, without another read. */
	pass(30 * SECOND);
	assert_in_range(w.applied, 2, 6);
	assert_int_equal(w.fetches, 1);
	w.outcome = JOB_APPLIED_CREATED;
	pass(HOUR / 4);
	pass(1000);
	assert_true(item_ready(item));
	assert_null(item->error);
	assert_non_null(strstr(w.status, "\"status\":\"True\""));
	assert_string_equal(w.events, "UpdateFailed Created ");
}

static void
test_the_job_that_writes_dies(void **state)
{
	struct item *item;
	struct child *ch;
	int forks;

	(void)state;
	w.f->apply = NULL;
	item = begin("", "");
	for (ch = w.f->children; ch->kind != JOB_KIND_APPLY; ch = ch->next)
		continue;
	chan_free(STEAL(ch->chan));
	pass(1000);
	assert_false(item_ready(item));
	assert_int_equal(item->secret.failures, 1);
	/* One at a time, by back-off. */
	forks = w.f->forks;
	pass(100);
	assert_int_equal(w.f->forks, forks);
	w.f->apply = on_apply;
	pass(3000);
	assert_true(item_ready(item));
	assert_int_equal(w.applied, 1);
	assert_int_equal(w.fetches, 1);
}

/* Somebody else's Secret: only a change helps, or the next refresh. */
static void
test_a_write_that_no_retry_helps(void **state)
{
	(void)state;
	w.outcome = JOB_APPLIED_FAILED;
	w.fail = ERR_INVALID;
	begin("", "");
	assert_int_equal(w.applied, 1);
	pass(HOUR / 2);
	assert_int_equal(w.applied, 1);
	pass(HOUR / 2);
	assert_int_equal(w.applied, 2);
}

static void
test_the_provider_is_away(void **state)
{
	struct item *item = begin("", "");

	(void)state;
	say_meta("Secret", "app", 1, "v1", "h");
	w.fetched = JOB_FAILED;
	pass(HOUR);
	assert_false(item_ready(item));
	w.applied = 0;
	/* A deleted Secret comes back from what is sealed; the condition is
	 * still about the provider. */
	say_meta("Secret", "app", 0, "", "");
	pass(100);
	assert_int_equal(w.applied, 1);
	assert_string_equal(w.last_value, "one");
	assert_string_equal(item->message,
	    "could not get secret data from provider");
}

/* --- references -------------------------------------------------------- */

static void
test_references_are_resolved(void **state)
{
	struct item *item = begin("", "{\"kind\":\"Secret\",\"namespace\":"
	    "\"\",\"name\":\"login\"}");

	(void)state;
	assert_string_equal(w.wanted, "Secret/default/login ");
	assert_int_equal(w.resolves, 1);
	assert_true(item_ready(item));
	assert_true(strmap_has(w.watches, "Secret/default/login"));
	/* The same version as was read: nothing; another one: at once. */
	say_meta("Secret", "login", 1, "r1", "");
	pass(1000);
	assert_int_equal(w.fetches, 1);
	say_meta("Secret", "login", 1, "r2", "");
	pass(1000);
	assert_int_equal(w.fetches, 2);
	assert_int_equal(w.resolves, 2);
}

static void
test_nothing_to_resolve(void **state)
{
	(void)state;
	begin("", "");
	assert_int_equal(w.resolves, 0);
	assert_int_equal(w.fetches, 1);
}

static void
test_a_reference_that_is_refused(void **state)
{
	struct store_state *s;
	struct item *item;

	(void)state;
	w.deny = "login";
	w.fetched = JOB_FAILED;
	item = begin("", "{\"kind\":\"Secret\",\"namespace\":\"\",\"name\":"
	    "\"login\"}");
	assert_string_equal(item->error,
	    "get secrets is refused: tier store-secrets grants it");
	assert_int_equal(item->err_kind, ERR_DENIED);
	s = strmap_get(w.f->c.stores, "SecretStore/default/store");
	assert_true(!s || s->circuit.failures == 0);
}

static void
test_the_job_that_resolves_dies(void **state)
{
	struct item *item;
	struct child *ch;

	(void)state;
	w.f->resolve = NULL;
	item = begin("", "{\"kind\":\"Secret\",\"namespace\":\"\",\"name\":"
	    "\"login\"}");
	for (ch = w.f->children; ch->kind != JOB_KIND_RESOLVE; ch = ch->next)
		continue;
	child_dies(ch);
	pass(10);
	assert_int_equal(item->failures, 1);
	assert_non_null(strstr(item->error, "references: "));
	assert_int_equal(w.fetches, 0);
	w.f->resolve = on_resolve;
	pass(3000);
	assert_true(item_ready(item));
}

#define TOKEN "{\"kind\":\"ServiceAccountToken\",\"namespace\":\"\"," \
	"\"name\":\"app\",\"audiences\":[\"vault\"]}"

/* Bound to a pod of that very account, else to this Node. */
static void
test_tokens(void **state)
{
	struct item *item = begin("", TOKEN);

	(void)state;
	assert_string_equal(w.wanted,
	    "ServiceAccountToken/default/app:vault@p ");
	assert_true(item_ready(item));
	say_node("node-uid", 33, "a=b");
	item = sync_claim(&w.f->c, "default", "app", "node:node1",
	    CLAIM_FOREVER);
	say_pod("p", "uid-p", "app", 0, 1);
	free(STEAL(w.wanted));
	pass(HOUR);
	assert_string_equal(w.wanted,
	    "ServiceAccountToken/default/app:vault@node1 ");
	say_node("node-uid", 32, "a=b");
	w.fetched = JOB_FAILED;
	free(STEAL(w.wanted));
	pass(HOUR);
	assert_null(w.wanted);
	assert_non_null(strstr(item->error, "only from Kubernetes 1.33 on"));
}

/* --- the lease between nodes ------------------------------------------- */

/* While another node's word is fresh nobody here reads or writes. */
static void
test_the_lease_is_another_nodes(void **state)
{
	cleanup_free char *version = NULL;
	struct item *item;
	int i;

	(void)state;
	put_store("");
	put_es("app", 1, "1h", "");
	list_all();
	version = version_of("app");
	say_lease("app", w.f->clock.wall, version, 1, "app");
	say_pod("p", "uid-p", "app", 0, 0);
	pass(1000);
	item = sync_item(&w.f->c, "default", "app");
	for (i = 0; i < 10; i++) {
		pass(5 * MINUTE);
		assert_int_equal(w.fetches, 0);
	}
	say_lease("app", w.f->clock.wall, version, 1, "app");
	pass(50 * MINUTE);
	assert_int_equal(w.fetches, 0);
	/* For two intervals at most. */
	say_lease("app", w.f->clock.wall, version, 1, "app");
	pass(25 * MINUTE);
	assert_int_equal(w.fetches, 1);
	assert_int_equal(w.applied, 1);
	assert_int_equal(w.reports, 0);
	/* Nobody comes first: it is our turn. */
	pass(HOUR);
	assert_int_equal(w.fetches, 2);
	assert_int_equal(w.reports, 1);
	assert_true(item_ready(item));
}

static void
test_no_lease(void **state)
{
	static const struct { int64_t ago; const char *version; int ready;
	    const char *binding; } rows[] = {
		{ 2 * HOUR, "1-mh", 1, "app" }, { 0, "2-mh", 1, "app" },
		{ 0, "1-mh", 0, "app" }, { 0, "1-mh", 1, "" },
		{ -HOUR, "1-mh", 1, "app" },
	};
	size_t i;

	(void)state;
	put_store("");
	put_es("app", 1, "1h", "");
	list_all();
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		say_lease("app", w.f->clock.wall - rows[i].ago,
		    rows[i].version, rows[i].ready, rows[i].binding);
		say_pod("p", "uid-p", "app", 0, 0);
		pass(1000);
		assert_int_equal(w.fetches, (int)i + 1);
		say_pod("p", "uid-p", "app", 0, 1);
		pass(2 * CLAIM_FORGET_MS);
		assert_null(sync_item(&w.f->c, "default", "app"));
	}
	/* Who projects files reads for himself. */
	say_lease("app", w.f->clock.wall, "1-mh", 1, "app");
	sync_claim(&w.f->c, "default", "app", "csi:p/v", CLAIM_FOREVER);
	pass(1000);
	assert_int_equal(w.fetches, (int)i + 1);
}

/* A pod that does not come up may be waiting for a Secret that is not there. */
static void
test_patience_with_a_lease(void **state)
{
	(void)state;
	put_store("");
	put_es("app", 1, "1h", "");
	list_all();
	say_lease("app", w.f->clock.wall, "1-mh", 1, "app");
	say_pod("p", "uid-p", "app", 1, 0);
	pass(LEASE_PATIENCE_MS - 1000);
	assert_int_equal(w.fetches, 0);
	pass(2000);
	assert_int_equal(w.fetches, 1);
	assert_int_equal(w.applied, 1);
}

/* --- without the API server -------------------------------------------- */

/* Deleted and made anew it has the version of before, and no Secret. */
static void
test_another_of_that_name(void **state)
{
	(void)state;
	begin("", "");
	put_es_uid("app", "uid2", 1, "1h", "");
	flush("ExternalSecret", "default");
	pass(1000);
	assert_int_equal(w.fetches, 2);
	assert_int_equal(w.applied, 2);
	say_name(LINK_GONE, "ExternalSecret", "default", "app");
	pass(1000);
	put_es_uid("app", "uid2", 1, "1h", "");
	flush("ExternalSecret", "default");
	pass(1000);
	assert_int_equal(w.applied, 3);
}

/* What was sealed must do; then the lists say what is true. */
static void
test_the_api_server_is_away_at_the_start(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf box = BUF_PLAIN(4096);
	static char kind[] = "SecretStore", ns[] = "default", name[] = "store",
	    head[] = "{\"apiVersion\":\"external-secrets.io/v1\",\"kind\":"
	    "\"SecretStore\",\"metadata\":{\"name\":\"store\",\"namespace\":"
	    "\"default\"},\"spec\":{\"controller\":\"nodeseal\",\"provider\":"
	    "{\"vault\":{}}},\"nodesealHost\":\"h\"}";
	struct job_object o = { .kind = kind, .ns = ns, .name = name,
		.head = head, .rejected = none };
	struct fake *f = *state;
	struct entry *e, *back;

	fake_seal(f, head, strlen(head), &box);
	o.body = (uint8_t *)box.data;
	o.body_len = box.len;
	assert_int_equal(entry_new(f->c.keys, f->in, &o, NULL, &e, &err), 0);
	assert_int_equal(entry_restore(kind, ns, name, head, "", &e->body,
	    &back, &err), 0);
	assert_memory_equal(back->hash, e->hash, sizeof(e->hash));
	entry_free(e);
	catalog_put(f->c.catalog, SOURCE_LINK_ORIGIN, back);
	say_state(0, "connection refused");
	pass(1000);
	assert_false(f->c.synced);
	pass(LINE_OFFLINE_MS);
	assert_true(f->c.synced);
	assert_true(core_ready(&f->c));
	assert_non_null(held("SecretStore", "store"));
	/* Its lists say that there is nothing. */
	list_all();
	assert_null(held("SecretStore", "store"));
}

/* Restored values wait long for their pods; not when these are known. */
static void
test_restored_and_not_claimed(void **state)
{
	struct fake *f = *state;

	sync_restored(&f->c, "default", "app");
	pass(24 * HOUR);
	assert_non_null(sync_item(&f->c, "default", "app"));
	assert_true(strmap_has(w.wants, "default"));
	put_es("app", 1, "1h", "");
	list_all();
	pass(CLAIM_FORGET_MS - MINUTE);
	assert_non_null(sync_item(&f->c, "default", "app"));
	pass(2 * MINUTE);
	assert_null(sync_item(&f->c, "default", "app"));
}

static void
test_a_line_that_breaks_the_protocol(void **state)
{
	cleanup_buf struct buf b = BUF_PLAIN(64);

	(void)state;
	begin("", "");
	buf_adds(&b, "x");
	say(LINK_POD, &b, NULL);
	pass(100);
	assert_non_null(strstr(line_problem(&w.f->c), "link is away"));
	assert_non_null(held("ExternalSecret", "app"));
	link_begin();
	say_state(1, "");
	pass(100);
	assert_null(line_problem(&w.f->c));
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(test_##name, world_setup, \
	    world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(objects_come_and_go),
		CASE(a_torn_list_takes_nothing_away),
		CASE(link_is_started_again),
		CASE(the_job_that_reads_dies),
		CASE(a_namespace_that_is_not_listed_yet),
		CASE(what_does_not_exist_is_said),
		CASE(a_pod_claims_by_its_secret),
		CASE(pods_that_were_not_listed_are_gone),
		CASE(the_target_moves),
		CASE(who_waits_is_first),
		CASE(files_alone_write_no_secret),
		CASE(no_secret_by_policy),
		CASE(policies),
		CASE(what_is_unchanged_is_not_written),
		CASE(drift),
		CASE(the_newer_write_stands),
		CASE(a_write_fails),
		CASE(a_write_that_no_retry_helps),
		CASE(the_job_that_writes_dies),
		CASE(the_provider_is_away),
		CASE(references_are_resolved),
		CASE(nothing_to_resolve),
		CASE(a_reference_that_is_refused),
		CASE(the_job_that_resolves_dies),
		CASE(tokens),
		CASE(the_lease_is_another_nodes),
		CASE(no_lease),
		CASE(patience_with_a_lease),
		CASE(another_of_that_name),
		CASE(the_api_server_is_away_at_the_start),
		CASE(restored_and_not_claimed),
		CASE(a_line_that_breaks_the_protocol),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
