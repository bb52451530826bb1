/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "core/age.h"
#include "core/report.h"
#include "core_fake.h"

/*
 * What a cluster is told: statuses as ESO writes them, events, the NodeSeal,
 * metrics; and when nothing is told.
 * Control: -DWEAKEN_SHARED_READY.
 */
#define SECOND 1000ll
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

struct world {
	struct fake *f;
	struct link_lease lease;
	int has_lease;
	const char *bound;
	/* Frames of each kind that were sent, and the last. */
	int reports, events, readies;
	int of_kind[5];
	struct json *last;		/* status of the last one … */
	struct json *other;		/* … of the others */
	uint64_t last_tag;
	char *node;			/* status of the last NodeSeal */
	char *event;			/* "Kind name W|N reason: message" */
	int ready;
	char *why;
};

static struct world w;
static uint32_t fail_kind, fail_status;

static const char *const kinds[] = { "ExternalSecret", "SecretStore",
	"ClusterSecretStore", "HostProjection", "NodeSeal" };

static void
keep(char **field, char *value)
{
	free(*field);
	*field = value;
}

static void
on_report(const struct frame *f)
{
	struct link_report m;
	struct json **to;
	size_t i;

	assert_int_equal(link_report_read(&m, f, NULL), 0);
	w.reports++;
	for (i = 0; i < ARRAY_LEN(kinds); i++)
		w.of_kind[i] += str_eq(kinds[i], m.kind);
	if (str_eq(m.kind, "NodeSeal")) {
		keep(&w.node, str_dup(m.status));
		link_report_clear(&m);
		return;
	}
	to = str_eq(m.kind, "ExternalSecret") ? &w.last : &w.other;
	json_free(*to);
	*to = json_parse(m.status, strlen(m.status), NULL);
	assert_non_null(*to);
	if (to == &w.last)
		w.last_tag = m.tag;
	link_report_clear(&m);
}

static void
on_event(const struct frame *f)
{
	struct link_event m;

	assert_int_equal(link_event_read(&m, f, NULL), 0);
	w.events++;
	keep(&w.event, str_fmt("%s %s %c %s: %s", m.kind, m.name,
	    m.warning ? 'W' : 'N', m.reason, m.message));
	link_event_clear(&m);
}

static void
on_ready(const struct frame *f)
{
	struct link_words m;

	assert_int_equal(link_words_read(&m, f, NULL), 0);
	w.readies++;
	w.ready = m.on;
	keep(&w.why, str_dup(m.a));
	link_words_clear(&m);
}

static void
wire_send(void *arg, uint16_t type, const struct buf *body)
{
	cleanup_frame struct frame f;

	(void)arg;
	frame_init(&f, LINK_FRAME_MAX);
	f.type = type;
	buf_add(&f.body, body->data, body->len);
	if (type == LINK_REPORT)
		on_report(&f);
	else if (type == LINK_EVENT)
		on_event(&f);
	else if (type == LINK_READY)
		on_ready(&f);
	else
		fail();
}

static void
wire_facts(void *arg, const struct item *item, struct report_facts *ret)
{
	(void)arg;
	if (w.has_lease && str_eq(item->name, "app"))
		ret->lease = &w.lease;
	ret->bound = w.bound;
}

static const struct report_wire wire = { wire_send, wire_facts, NULL };

/* As link's source does, without Secrets. */
static void
src_report_item(struct source *s, const struct item *item)
{
	struct fake *f = (struct fake *)(void *)((char *)s -
	    offsetof(struct fake, source));

	report_item(f->c.report, sync_item(&f->c, item->ns, item->name));
}

static struct source_ops source;

static int
setup(void **state)
{
	memset(&w, 0, sizeof(w));
	fail_kind = fail_status = 0;
	assert_int_equal(fake_setup(state), 0);
	w.f = *state;
	w.f->cfg.claim_unclassed = 1;
	w.f->cfg.manifests = NULL;
	source = fake_source;
	source.report = src_report_item;
	w.f->source.ops = &source;
	w.f->c.report = report_new(&w.f->c, &wire);
	report_state(w.f->c.report, 1, "");
	return (0);
}

static int
teardown(void **state)
{
	int rc = fake_teardown(state);

	json_free(w.last);
	json_free(w.other);
	free(w.node);
	free(w.event);
	free(w.why);
	return (rc);
}

/* --- helpers --------------------------------------------------------- */


static void
answer(struct child *ch)
{
	uint32_t i;

	for (i = 0; i < ch->nnames; i++)
		if (fail_kind)
			child_failed(ch, i, fail_kind, fail_status, 0);
		else
			child_ready(ch, i, "v4lu3");
	child_done(ch);
}

static void
settle(struct fake *f)
{
	/* Gathered for a second. */
	fake_pass(f, 1500);
}

static void
claimed(struct fake *f, const char *name, const char *interval)
{
	fake_es(f, name, "store", interval);
	sync_commit(&f->c);
	sync_claim(&f->c, "default", name, "csi:pod/v", CLAIM_FOREVER);
}

static void
start(struct fake *f, const char *interval)
{
	f->fetch = answer;
	fake_store(f, "store");
	fake_es(f, "app", "store", interval);
	sync_synced(&f->c);
	sync_claim(&f->c, "default", "app", "csi:pod/v", CLAIM_FOREVER);
	sync_schedule(&f->c, sync_item(&f->c, "default", "app"));
	settle(f);
	settle(f);
}

static const char *
text(const struct json *j, const char *path)
{
	return (json_str(json_path(j, path)));
}

static const struct json *
condition(const struct json *status, const char *type)
{
	struct json *c;

	for (c = json_first(json_get(status, "conditions")); c;
	    c = json_next(c))
		if (str_eq(text(c, "type"), type))
			return (c);
	return (NULL);
}

static char lease_version[256], lease_conditions[1024];

/* What the API server would show after it. */
static void
lease_from_last(int64_t refreshed_at)
{
	cleanup_buf struct buf b = BUF_PLAIN(sizeof(lease_conditions) - 1);

	json_print(json_get(w.last, "conditions"), &b, 0);
	snprintf(lease_conditions, sizeof(lease_conditions), "%s",
	    buf_str(&b));
	snprintf(lease_version, sizeof(lease_version), "%s",
	    str_or(text(w.last, "syncedResourceVersion"), ""));
	w.lease = (struct link_lease){ .ns = none, .name = none, .uid = none,
		.refreshed_at = refreshed_at,
		.synced_version = lease_version, .ready =
		str_eq(text(condition(w.last, "Ready"), "status"), "True"),
		.conditions = lease_conditions, .binding = none };
	w.has_lease = 1;
}

/* --- ExternalSecrets ------------------------------------------------- */

static void
test_success(void **state)
{
	struct fake *f = *state;
	const struct json *ready;

	w.bound = "target";
	start(f, "1h");
	assert_int_equal(w.of_kind[0], 1);
	ready = condition(w.last, "Ready");
	assert_string_equal(text(ready, "status"), "True");
	assert_string_equal(text(ready, "reason"), "SecretSynced");
	assert_string_equal(text(ready, "message"), "secret synced");
	assert_string_equal(text(ready, "lastTransitionTime"),
	    text(w.last, "refreshTime"));
	assert_non_null(text(w.last, "syncedResourceVersion"));
	assert_string_equal(text(w.last, "binding.name"), "target");
	assert_null(condition(w.last, "Stale"));
}

static void
test_nothing_twice(void **state)
{
	struct fake *f = *state;
	struct item *item;
	int sent;

	start(f, "1h");
	lease_from_last(f->clock.wall);
	item = sync_item(&f->c, "default", "app");
	sent = w.reports;
	report_item(f->c.report, item);
	report_again(f->c.report);
	settle(f);
	assert_int_equal(w.of_kind[0], 1);
	/* Only the NodeSeal and the store are said anew to a new link. */
	assert_int_equal(w.reports, sent + 2);
}

/* lastTransitionTime stays while the status does, refreshTime moves. */
static void
test_transition_time(void **state)
{
	struct fake *f = *state;
	cleanup_free char *since = NULL, *refreshed = NULL;

	start(f, "1h");
	lease_from_last(f->clock.wall);
	since = str_dup(text(condition(w.last, "Ready"),
	    "lastTransitionTime"));
	refreshed = str_dup(text(w.last, "refreshTime"));
	fake_pass(f, HOUR);
	assert_int_equal(w.of_kind[0], 2);
	assert_string_equal(text(condition(w.last, "Ready"),
	    "lastTransitionTime"), since);
	assert_string_not_equal(text(w.last, "refreshTime"), refreshed);
	/* A failure with the grace over: another status, another time. */
	lease_from_last(f->clock.wall);
	fail_kind = ERR_TRANSIENT;
	fake_pass(f, HOUR);
	fake_pass(f, 10 * MINUTE);
	assert_int_equal(w.of_kind[0], 3);
	assert_string_equal(text(condition(w.last, "Ready"), "status"),
	    "False");
	assert_string_equal(text(condition(w.last, "Ready"), "reason"),
	    "SecretSyncedError");
	assert_string_equal(text(condition(w.last, "Ready"), "message"),
	    "could not get secret data from provider");
	assert_string_not_equal(text(condition(w.last, "Ready"),
	    "lastTransitionTime"), since);
	assert_null(text(w.last, "refreshTime"));
}

/* Another node keeps it fresh: this one's failure is its own affair. */
static void
test_shared_failure(void **state)
{
	struct fake *f = *state;
	int i;

	start(f, "1h");
	for (i = 0; i < 5; i++) {
		lease_from_last(f->clock.wall);
		fail_kind = ERR_TRANSIENT;
		fake_pass(f, 55 * MINUTE);
	}
	assert_true(sync_item(&f->c, "default", "app")->failing);
	assert_int_equal(w.of_kind[0], 1);
}

static void
test_shared_success(void **state)
{
	struct fake *f = *state;

	start(f, "1h");
	/* Another node's refresh of 20 minutes ago. */
	fake_pass(f, 40 * MINUTE);
	lease_from_last(f->clock.wall);
	fake_pass(f, 20 * MINUTE);
	assert_int_equal(w.of_kind[0], 1);
	/* The next one nobody else did. */
	fake_pass(f, HOUR);
	assert_int_equal(w.of_kind[0], 2);
}

static void
test_stale(void **state)
{
	struct fake *f = *state;
	const struct json *stale;
	int hours;

	start(f, "1h");
	lease_from_last(f->clock.wall);
	fail_kind = ERR_TRANSIENT;
	for (hours = 0; hours < 40; hours++)
		fake_pass(f, 6 * MINUTE);
	stale = condition(w.last, "Stale");
	assert_non_null(stale);
	assert_string_equal(text(stale, "status"), "True");
	assert_string_equal(text(stale, "reason"), "ServedFromCache");
	assert_non_null(strstr(w.event, "W ServedFromCache: "));
	assert_non_null(strstr(w.node, "\"stale\":1"));
	/* Fresh again: gone without a trace. */
	lease_from_last(w.lease.refreshed_at);
	fail_kind = 0;
	fake_pass(f, 10 * MINUTE);
	assert_null(condition(w.last, "Stale"));
	assert_string_equal(text(condition(w.last, "Ready"), "status"),
	    "True");
}

/* Conditions that are somebody else's stay. */
static void
test_foreign_condition(void **state)
{
	struct fake *f = *state;

	w.has_lease = 1;
	snprintf(lease_conditions, sizeof(lease_conditions), "%s",
	    "[{\"type\":\"Deleted\",\"status\":\"False\"},"
	    "{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"x\","
	    "\"lastTransitionTime\":\"2020-01-01T00:00:00Z\"}]");
	w.lease = (struct link_lease){ .synced_version = none,
		.conditions = lease_conditions, .binding = none };
	start(f, "1h");
	assert_non_null(condition(w.last, "Deleted"));
	assert_int_equal(json_len(json_get(w.last, "conditions")), 2);
	assert_string_not_equal(text(condition(w.last, "Ready"),
	    "lastTransitionTime"), "2020-01-01T00:00:00Z");
}

/* A report that was refused is said again with the next attempt. */
static void
test_refused(void **state)
{
	struct fake *f = *state;
	char text_403[] = "agents may not patch externalsecrets/status";
	struct link_reported m = { .http_status = 403, .error = text_403 };
	struct item *item;

	start(f, "1h");
	item = sync_item(&f->c, "default", "app");
	report_item(f->c.report, item);
	assert_int_equal(w.of_kind[0], 1);
	m.tag = w.last_tag;
	report_reported(f->c.report, &m);
	assert_string_equal(report_problem_line(f->c.report, 0), text_403);
	report_item(f->c.report, item);
	assert_int_equal(w.of_kind[0], 2);
	m.tag = w.last_tag;
	m.error = none;
	report_reported(f->c.report, &m);
	assert_null(report_problem_line(f->c.report, 0));
}

/* --- events ---------------------------------------------------------- */

static void
test_event_of_failure(void **state)
{
	struct fake *f = *state;

	fail_kind = ERR_DENIED;
	fail_status = 403;
	start(f, "1h");
	assert_string_equal(w.event,
	    "ExternalSecret app W UpdateFailed: store store: GET x: no");
	assert_int_equal(w.events, 1);
	/* The same again is nothing new. */
	fake_pass(f, 30 * SECOND);
	fake_pass(f, 30 * SECOND);
	assert_true(sync_item(&f->c, "default", "app")->failures > 1);
	assert_int_equal(w.events, 1);
}

static void
test_events_gather(void **state)
{
	struct fake *f = *state;
	char name[32];
	int i;

	start(f, "1h");
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "es-%03d", i);
		claimed(f, name, "1h");
		report_event(f->c.report, sync_item(&f->c, "default", name), 0,
		    "Created", "secret created");
	}
	w.events = 0;
	settle(f);
	assert_int_equal(w.events, 1);
	assert_string_equal(w.event, "ExternalSecret es-000 N Created: secret "
	    "created (and 199 more: es-001, es-002, es-003, es-004, es-005, "
	    "…)");
}

static void
test_warnings_are_told_apart(void **state)
{
	struct fake *f = *state;
	char name[32];
	int i;

	start(f, "1h");
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "es-%d", i);
		claimed(f, name, "1h");
		report_event(f->c.report, sync_item(&f->c, "default", name), 1,
		    "UpdateFailed", "no");
	}
	w.events = 0;
	settle(f);
	assert_int_equal(w.events, REPORT_WARNINGS);
	assert_string_equal(w.event, "ExternalSecret es-2 W UpdateFailed: no "
	    "(and 7 more: es-3, es-4, es-5, es-6, es-7, …)");
}

/* --- stores ---------------------------------------------------------- */

static void
test_store(void **state)
{
	struct fake *f = *state;
	cleanup_free char *status = NULL;
	cleanup_json struct json *o = NULL;
	int i;

	start(f, "1m");
	assert_int_equal(w.of_kind[1], 1);
	status = report_store_status(&f->c, "SecretStore/default/store");
	o = json_parse(status, strlen(status), NULL);
	assert_string_equal(text(o, "capabilities"), "ReadWrite");
	assert_string_equal(text(condition(o, "Ready"), "status"), "True");
	assert_string_equal(text(condition(o, "Ready"), "reason"), "Valid");
	/* Not a word while the verdict is the same. */
	for (i = 0; i < 5; i++)
		fake_pass(f, MINUTE);
	assert_int_equal(w.of_kind[1], 1);
	/* Away: one word, and an event. */
	fail_kind = ERR_TRANSIENT;
	for (i = 0; i < 10; i++)
		fake_pass(f, MINUTE);
	assert_int_equal(w.of_kind[1], 2);
	assert_string_equal(text(condition(w.other, "Ready"), "status"),
	    "False");
}

static void
test_foreign_store(void **state)
{
	struct fake *f = *state;

	start(f, "1m");
	assert_null(report_store_status(&f->c, "SecretStore/default/none"));
	fake_put(f, "SecretStore", "eso", "{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"SecretStore\",\"metadata\":"
	    "{\"name\":\"eso\",\"namespace\":\"default\"},\"spec\":{"
	    "\"controller\":\"default\",\"provider\":{\"vault\":{}}}}");
	sync_commit(&f->c);
	store_state_get(&f->c, "SecretStore/default/eso")->known = 1;
	assert_null(report_store_status(&f->c, "SecretStore/default/eso"));
}

/* --- HostProjections ------------------------------------------------- */

static void
test_projection(void **state)
{
	struct fake *f = *state;
	const struct json *n;

	start(f, "1h");
	fake_hp(f, "web", "web", "app");
	sync_commit(&f->c);
	settle(f);
	settle(f);
	assert_int_equal(w.of_kind[3] > 0, 1);
	n = json_first(json_get(w.other, "nodes"));
	assert_string_equal(text(n, "name"), "node1");
	assert_true(json_bool(json_get(n, "ready"), 0));
	assert_int_equal((int)json_num(json_get(n, "files"), 0), 1);
	assert_int_equal(json_len(json_get(w.other, "nodes")), 1);
}

/* --- NodeSeal -------------------------------------------------------- */

static void
test_node(void **state)
{
	struct fake *f = *state;
	cleanup_json struct json *o = NULL;
	const struct json *es;

	start(f, "1h");
	fake_pass(f, 15 * SECOND);
	o = json_parse(w.node, strlen(w.node), NULL);
	assert_string_equal(text(o, "node"), "node1");
	assert_int_equal((int)json_num(json_path(o, "counts.live"), -1), 1);
	assert_int_equal((int)json_num(json_path(o, "counts.stale"), -1), 0);
	assert_non_null(text(o, "oldestSync"));
	es = json_first(json_get(o, "externalSecrets"));
	assert_string_equal(text(es, "name"), "app");
	/* Absent, not null: the schema says which may be null. */
	assert_null(json_get(es, "error"));
	assert_string_equal(text(condition(o, "Ready"), "status"), "True");
}

static void
test_node_is_bounded(void **state)
{
	struct fake *f = *state;
	cleanup_json struct json *o = NULL;
	char name[32];
	int i;

	start(f, "1h");
	for (i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "es-%03d", i);
		claimed(f, name, "1h");
	}
	/* This one alone has something to say. */
	sync_item(&f->c, "default", "es-117")->outcome = JOB_FAILED;
	o = report_nodeseal(&f->c);
	assert_int_equal(json_len(json_get(o, "externalSecrets")), 50);
	assert_string_equal(text(json_first(json_get(o, "externalSecrets")),
	    "name"), "es-117");
	assert_int_equal((int)json_num(json_path(o,
	    "counts.externalSecrets"), 0), 121);
	assert_int_equal((int)json_num(json_path(o, "counts.failed"), 0), 1);
}

/* An hour in which nothing happens is told to nobody; a refresh without news
 * is one status, and the NodeSeal twice an hour at most. */
static void
test_idle(void **state)
{
	struct fake *f = *state;
	int i, reports, nodes;

	start(f, "10m");
	fake_pass(f, 20 * SECOND);
	reports = w.reports;
	for (i = 0; i < 8; i++)
		fake_pass(f, MINUTE);
	assert_int_equal(w.reports, reports);
	nodes = w.of_kind[4];
	for (i = 0; i < 12 * 60; i++)
		fake_pass(f, 10 * SECOND);
	assert_true(w.of_kind[0] >= 12);
	assert_in_range(w.of_kind[4] - nodes, 2, 4);
	assert_int_equal(w.of_kind[1], 1);
}

static void
test_node_is_coalesced(void **state)
{
	struct fake *f = *state;
	int i, nodes;
	char key[32];

	start(f, "1h");
	fake_pass(f, 20 * SECOND);
	nodes = w.of_kind[4];
	for (i = 0; i < 60; i++) {
		snprintf(key, sizeof(key), "p%d", i);
		report_problem(f->c.report, key, "no");
		fake_pass(f, SECOND);
	}
	assert_in_range(w.of_kind[4] - nodes, 5, 8);
}

static void
test_ready(void **state)
{
	struct fake *f = *state;

	report_ready(f->c.report);
	assert_int_equal(w.ready, 0);
	report_problem(f->c.report, "crd", "externalsecrets: no such kind");
	report_ready(f->c.report);
	assert_string_equal(w.why, "the objects were not read once: "
	    "externalsecrets: no such kind");
	report_problem(f->c.report, "crd", "");
	start(f, "1h");
	assert_int_equal(w.ready, 1);
	assert_string_equal(w.why, "");
}

/* --- metrics --------------------------------------------------------- */

static void
test_metrics(void **state)
{
	struct fake *f = *state;
	cleanup_buf struct buf b = BUF_PLAIN(1 << 20);
	static const char *const wanted[] = {
		"externalsecret_sync_calls_total{name=\"app\","
		    "namespace=\"default\"} 1\n",
		"externalsecret_sync_calls_error{name=\"app\","
		    "namespace=\"default\"} 0\n",
		"externalsecret_status_condition{name=\"app\",namespace="
		    "\"default\",condition=\"Ready\",status=\"True\"} 1\n",
		"externalsecret_status_condition{name=\"app\",namespace="
		    "\"default\",condition=\"Ready\",status=\"False\"} 0\n",
		"secretstore_status_condition{name=\"store\",namespace="
		    "\"default\",condition=\"Ready\",status=\"True\"} 1\n",
		"externalsecret_provider_api_calls_count{provider="
		    "\"HashiCorp/Vault\",call=\"Login\",status=\"success\"} "
		    "1\n",
		"nodeseal_values{source=\"live\"} 1\n",
		"nodeseal_values_stale 0\n",
		"nodeseal_cache_state{state=\"empty\"} 1\n",
		"nodeseal_publish_seconds_bucket{le=\"0.05\"} 1\n",
		"nodeseal_publish_seconds_bucket{le=\"+Inf\"} 2\n",
		"nodeseal_publish_seconds_count 2\n",
	};
	size_t i;

	start(f, "1h");
	report_published(f->c.report, 30);
	report_published(f->c.report, 20000);
	report_metrics(f->c.report, &b);
	for (i = 0; i < ARRAY_LEN(wanted); i++)
		if (!strstr(buf_str(&b), wanted[i]))
			fail_msg("not there: %s in:\n%s", wanted[i],
			    buf_str(&b));
	assert_null(strstr(buf_str(&b), "v4lu3"));
}

static void
test_metrics_are_bounded(void **state)
{
	struct fake *f = *state;
	cleanup_buf struct buf b = BUF_PLAIN(64 << 20);
	const char *at;
	char name[32];
	int i, n = 0;

	start(f, "1h");
	for (i = 0; i < REPORT_SERIES + 50; i++) {
		snprintf(name, sizeof(name), "es-%d", i);
		sync_claim(&f->c, "default", name, "csi:pod/v",
		    CLAIM_FOREVER);
		report_attempt(f->c.report, sync_item(&f->c, "default",
		    name));
	}
	report_metrics(f->c.report, &b);
	for (at = buf_str(&b); (at = strstr(at, "\nexternalsecret_sync_calls_"
	    "total{")); at++)
		n++;
	assert_int_equal(n, REPORT_SERIES);
	assert_non_null(strstr(buf_str(&b), "nodeseal_series_left_out 51\n"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_success),
		T(test_nothing_twice),
		T(test_transition_time),
		T(test_shared_failure),
		T(test_shared_success),
		T(test_stale),
		T(test_foreign_condition),
		T(test_refused),
		T(test_event_of_failure),
		T(test_events_gather),
		T(test_warnings_are_told_apart),
		T(test_store),
		T(test_foreign_store),
		T(test_projection),
		T(test_node),
		T(test_node_is_bounded),
		T(test_idle),
		T(test_node_is_coalesced),
		T(test_ready),
		T(test_metrics),
		T(test_metrics_are_bounded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
