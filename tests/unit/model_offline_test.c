/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/external_secret.h"
#include "model/offline.h"
#include "model/store.h"

#define HOUR (3600ll * 1000)

static struct offline_policy
parse(const char *annotations, struct findings *f)
{
	cleanup_json struct json *j = quoted(annotations);
	cleanup_strmap struct strmap *map = strmap_new(free);
	struct offline_policy p;

	for (const struct json *v = json_first(j); v; v = json_next(v))
		strmap_put(map, json_key(v), str_dup(json_str(v)));
	offline_parse(map, j, &p, f);
	return (p);
}

static void
test_defaults(void **state)
{
	struct findings f = { 0 };
	struct offline_policy p = parse("{'other/mode':'x'}", &f);

	(void)state;
	assert_int_equal(f.n, 0);
	assert_int_equal(p.mode, OFFLINE_SERVE_STALE);
	assert_int_equal(p.max_stale_ms, 168 * HOUR);
	assert_int_equal(p.warn_after_ms, -1);
	assert_int_equal(p.new_pods, OFFLINE_ALLOW);
	assert_int_equal(p.on_expiry, OFFLINE_KEEP_FILES);
	assert_int_equal(p.on_denied, OFFLINE_GRACE);
	assert_int_equal(p.grace_ms, 24 * HOUR);
	assert_int_equal(p.key_source, OFFLINE_KEY_ANY);
}

static void
test_all(void **state)
{
	struct findings f = { 0 };
	struct offline_policy p = parse(
	    "{'offline.nodeseal.dev/mode':'FailClosed',"
	    "'offline.nodeseal.dev/max-stale':'90m',"
	    "'offline.nodeseal.dev/warn-after':'1m30s',"
	    "'offline.nodeseal.dev/new-pods':'Deny',"
	    "'offline.nodeseal.dev/on-expiry':'RemoveFiles',"
	    "'offline.nodeseal.dev/on-denied':'Grace=5m',"
	    "'offline.nodeseal.dev/min-key-source':'tpm2'}", &f);

	(void)state;
	assert_int_equal(f.n, 0);
	assert_int_equal(p.mode, OFFLINE_FAIL_CLOSED);
	assert_int_equal(p.max_stale_ms, 90 * 60000);
	assert_int_equal(p.warn_after_ms, 90000);
	assert_int_equal(p.new_pods, OFFLINE_DENY);
	assert_int_equal(p.on_expiry, OFFLINE_REMOVE_FILES);
	assert_int_equal(p.on_denied, OFFLINE_GRACE);
	assert_int_equal(p.grace_ms, 300000);
	assert_int_equal(p.key_source, OFFLINE_KEY_TPM2);
}

/* Nothing unknown is a silent default. */
static void
test_refused(void **state)
{
	static const struct {
		const char *name, *value, *part;
	} v[] = {
		{ "mode", "serveStale", "use ServeStale, MemoryOnly" },
		{ "mode", "", "use ServeStale" },
		{ "max-stale", "7d", "a duration such as 168h" },
		{ "max-stale", "-1h", "a duration" },
		{ "warn-after", "soon", "a duration" },
		{ "new-pods", "Never", "Allow or Deny" },
		{ "on-expiry", "Remove", "KeepFiles or RemoveFiles" },
		{ "on-denied", "Grace=", "Grace=24h, Keep or Purge" },
		{ "on-denied", "Grace=x", "Grace=24h" },
		{ "min-key-source", "TPM", "any or tpm2" },
		{ "max-stael", "1h", "did you mean "
		    "offline.nodeseal.dev/max-stale?" },
		{ "zzzzzz", "1h", "remove it" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct findings f = { 0 };
		char *text = str_fmt("{'" OFFLINE_PREFIX "%s':'%s'}",
		    v[i].name, v[i].value);
		char *field = str_fmt("metadata.annotations["
		    OFFLINE_PREFIX "%s]", v[i].name);

		parse(text, &f);
		assert_int_equal(f.n, 1);
		assert_int_equal(f.v[0].by, FINDING_OURS);
		assert_non_null(f.v[0].node);
		assert_true(found(&f, FINDING_REJECT, field, v[i].part));
		free(text);
		free(field);
		findings_clear(&f);
	}
}

static void
test_narrow(void **state)
{
	struct offline_policy p, c;

	(void)state;
	offline_default(&p);
	offline_default(&c);
	p.max_stale_ms = HOUR;
	c.mode = OFFLINE_MEMORY_ONLY;
	c.max_stale_ms = 2 * HOUR;
	c.on_expiry = OFFLINE_REMOVE_FILES;
	c.warn_after_ms = 5000;
	offline_narrow(&p, &c);
	assert_int_equal(p.mode, OFFLINE_MEMORY_ONLY);
	assert_int_equal(p.max_stale_ms, HOUR);
	assert_int_equal(p.on_expiry, OFFLINE_REMOVE_FILES);
	assert_int_equal(p.warn_after_ms, 5000);

	/* Purge < Grace < Keep; of two graces the shorter. */
	p.on_denied = OFFLINE_KEEP;
	c.on_denied = OFFLINE_GRACE;
	c.grace_ms = 7000;
	offline_narrow(&p, &c);
	assert_int_equal(p.on_denied, OFFLINE_GRACE);
	assert_int_equal(p.grace_ms, 7000);
	c.grace_ms = 9000;
	c.warn_after_ms = -1;
	offline_narrow(&p, &c);
	assert_int_equal(p.grace_ms, 7000);
	assert_int_equal(p.warn_after_ms, 5000);
	c.on_denied = OFFLINE_PURGE;
	offline_narrow(&p, &c);
	assert_int_equal(p.on_denied, OFFLINE_PURGE);
	c.on_denied = OFFLINE_KEEP;
	offline_narrow(&p, &c);
	assert_int_equal(p.on_denied, OFFLINE_PURGE);
}

static void
test_times(void **state)
{
	struct offline_policy p;

	(void)state;
	offline_default(&p);
	assert_int_equal(offline_warn_ms(&p, HOUR), 2 * HOUR);
	assert_int_equal(offline_warn_ms(&p, 0), 600000);
	assert_int_equal(offline_warn_ms(&p, INT64_MAX - 1), INT64_MAX);
	p.warn_after_ms = 0;
	assert_int_equal(offline_warn_ms(&p, HOUR), 0);

	assert_int_equal(offline_expires_ms(&p, HOUR, 1000, 5000),
	    5000 + 168 * HOUR);
	p.max_stale_ms = INT64_MAX;
	assert_int_equal(offline_expires_ms(&p, HOUR, 1000, 5000), INT64_MAX);
	assert_int_equal(offline_expires_ms(&p, HOUR, 1000, -5000),
	    INT64_MAX - 5000);
	p.mode = OFFLINE_NEVER;
	assert_int_equal(offline_expires_ms(&p, HOUR, 1000, 5000),
	    1000 + HOUR);
	assert_int_equal(offline_expires_ms(&p, 0, 1000, 5000), 5000);
}

/* Both kinds of object carry it. */
static void
test_objects(void **state)
{
	cleanup_json struct json *j = quoted("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'SecretStore','metadata':{"
	    "'name':'s','annotations':{'offline.nodeseal.dev/mode':'Never'}},"
	    "'spec':{'provider':{'fake':{'data':[]}}}}");
	cleanup_json struct json *k = quoted("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'ExternalSecret','metadata':{"
	    "'name':'e','annotations':{'offline.nodeseal.dev/mode':'no'}},"
	    "'spec':{'secretStoreRef':{'name':'s'},'data':[]}}");
	struct external_secret *es = NULL;
	struct findings f = { 0 };
	struct store *s = NULL;

	(void)state;
	assert_int_equal(store_parse(j, "default", &s, &f, NULL), 0);
	assert_int_equal(s->offline.mode, OFFLINE_NEVER);
	assert_int_equal(es_parse(k, "default", &es, &f, NULL), 0);
	assert_true(found(&f, FINDING_REJECT,
	    "metadata.annotations[offline.nodeseal.dev/mode]", "\"no\""));
	findings_clear(&f);
	es_free(es);
	store_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_objects),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
