/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "job/manifests.h"
#include "job/pipeline.h"
#include "job/pipeline_internal.h"
#include "net/http.h"

#define NS "shop"
#define ES_HEAD "apiVersion: external-secrets.io/v1\n" \
	"kind: ExternalSecret\nmetadata: {name: es}\nspec:\n"
#define STORE "apiVersion: external-secrets.io/v1\nkind: SecretStore\n" \
	"metadata: {name: st}\nspec:\n  provider:\n    fake:\n      data:\n" \
	"      - {key: k, value: v}\n" \
	"      - {key: obj, value: '{\"a\":\"1\",\"k\":\"from\"}'}\n---\n"
#define REF "  secretStoreRef: {name: st}\n"
#define DATA "  data: [{secretKey: k, remoteRef: {key: k}}]\n"

/* Run the ExternalSecret "es" of some YAML. */
static void
run_opts(const char *text, const struct pipeline_options *opts,
    struct pipeline_result *r)
{
	struct yaml_docs docs = { 0 };
	struct objects objects;
	struct pipeline *p;
	size_t i;

	objects_init(&objects);
	assert_int_equal(yaml_read(text, strlen(text), &docs, NULL), 0);
	for (i = 0; i < docs.n; i++)
		assert_int_equal(objects_put(&objects,
		    STEAL(docs.v[i].root), NS, NULL), 0);
	yaml_docs_clear(&docs);
	p = pipeline_new(opts, &objects);
	pipeline_run(p, NS, "es", r);
	pipeline_free(p);
	objects_clear(&objects);
}

static void
run_with(const char *text, int unclassed, struct pipeline_result *r)
{
	struct pipeline_options opts = { "nodeseal", unclassed, 0, 0, "", "",
		0, 0, 0 };

	run_opts(text, &opts, r);
}

static void
has(const struct pipeline_result *r, const char *key, const char *want)
{
	const struct secret *v = kv_get(&r->data, key);

	assert_non_null(v);
	assert_int_equal(secret_len(v), strlen(want));
	assert_memory_equal(secret_data(v), want, strlen(want));
}

/* Go's fmt.Sprintf("%+v", map[string][]byte{…}) through SHA3-224. */
static void
test_hash(void **state)
{
	cleanup_free char *empty = NULL, *some = NULL, *text = NULL;
	struct kv kv;

	(void)state;
	kv_init(&kv);
	empty = hash_data(&kv);
	/* printf 'map[]' | openssl dgst -sha3-224 */
	assert_string_equal(empty, "74a974446e359fb3e6baff9bd0058950"
	    "e6edd0f040888d9989b0a11b");
	/* printf 'map[k1:[118 49]]' | … ; keys sort, values are decimal */
	kv_put_bytes(&kv, "k1", "v1", 2);
	some = hash_data(&kv);
	assert_string_equal(some, "049f7fdbb9235982057968657005c11f"
	    "9f73ede7a548260c890e84b7");
	/* created-by: printf default/es | … */
	text = hash_text("default/es");
	assert_string_equal(text, "278f8ee746f84064a3d86fb07e921028"
	    "0f93a233974990f3d1a2792a");
	kv_clear(&kv);
}

/* Long values cross the hash's own buffer; order of insertion is nothing. */
static void
test_hash_long(void **state)
{
	cleanup_free uint8_t *big = mem_alloc(5000);
	cleanup_free char *a = NULL, *b = NULL;
	struct kv x, y;

	(void)state;
	memset(big, 255, 5000);
	kv_init(&x);
	kv_init(&y);
	kv_put_bytes(&x, "b", big, 5000);
	kv_put_bytes(&x, "a", "", 0);
	kv_put_bytes(&y, "a", "", 0);
	kv_put_bytes(&y, "b", big, 5000);
	a = hash_data(&x);
	b = hash_data(&y);
	assert_string_equal(a, b);
	kv_clear(&x);
	kv_clear(&y);
}

static void
test_create(void **state)
{
	cleanup_free char *label = NULL;
	struct pipeline_result r;

	(void)state;
	run_with(STORE ES_HEAD REF DATA
	    "  dataFrom: [{extract: {key: obj}}]\n", 1, &r);
	assert_int_equal(r.outcome, JOB_READY);
	assert_true(r.written);
	assert_string_equal(r.reason, "SecretSynced");
	assert_string_equal(r.binding, "es");
	assert_string_equal(r.type, "Opaque");
	assert_int_equal(r.nevents, 1);
	assert_string_equal(r.events[0], "Created");
	/* data wins over dataFrom */
	has(&r, "k", "v");
	has(&r, "a", "1");
	label = hash_text(NS "/es");
	assert_string_equal(strmap_get(r.labels, LABEL_OWNER), label);
	assert_string_equal(strmap_get(r.labels, LABEL_MANAGED), "true");
	assert_string_equal(r.owners[0], "ExternalSecret/es controller");
	pipeline_result_clear(&r);
}

/* The class rule: ours, unclassed, somebody else's. */
static void
test_class(void **state)
{
	static const struct {
		const char *controller;
		int unclassed;
		enum job_outcome outcome;
	} c[] = {
		{ "nodeseal", 0, JOB_READY },
		{ "default", 1, JOB_SKIPPED },
		{ "", 1, JOB_READY },
		{ "", 0, JOB_SKIPPED },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(c); i++) {
		cleanup_free char *text = str_fmt(
		    "apiVersion: external-secrets.io/v1\nkind: SecretStore\n"
		    "metadata: {name: st}\nspec:\n  controller: '%s'\n"
		    "  provider: {fake: {data: [{key: k, value: v}]}}\n"
		    "---\n" ES_HEAD REF DATA, c[i].controller);
		struct pipeline_result r;

		run_with(text, c[i].unclassed, &r);
		assert_int_equal(r.outcome, c[i].outcome);
		if (r.outcome == JOB_SKIPPED)
			assert_null(r.reason);
		pipeline_result_clear(&r);
	}
}

/* creationPolicy against a Secret that is there already. */
static void
test_creation(void **state)
{
	static const char existing[] = "---\napiVersion: v1\nkind: Secret\n"
	    "metadata: {name: es, labels: {team: a}}\n"
	    "type: custom/t\ndata: {old: bw==}\n";
	static const struct {
		const char *policy;
		const char *there;	/* "" or existing */
		enum job_outcome outcome;
		int written, keeps_old, owned;
	} c[] = {
		{ "Owner", "", JOB_READY, 1, 0, 1 },
		{ "Owner", existing, JOB_READY, 1, 0, 1 },
		{ "Orphan", existing, JOB_READY, 1, 0, 0 },
		{ "Merge", "", JOB_UNCHANGED_NONE, 0, 0, 0 },
		{ "Merge", existing, JOB_READY, 1, 1, 0 },
		{ "CreateOrMerge", "", JOB_READY, 1, 0, 0 },
		{ "CreateOrMerge", existing, JOB_READY, 1, 1, 0 },
		{ "None", "", JOB_UNCHANGED_NONE, 0, 0, 0 },
		{ "None", existing, JOB_UNCHANGED_NONE, 0, 1, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(c); i++) {
		cleanup_free char *text = str_fmt(STORE ES_HEAD REF DATA
		    "  target: {creationPolicy: %s}\n%s", c[i].policy,
		    c[i].there);
		struct pipeline_result r;

		run_with(text, 1, &r);
		assert_int_equal(r.outcome, c[i].outcome);
		assert_int_equal(r.written, c[i].written);
		if (r.has_secret) {
			assert_int_equal(kv_get(&r.data, "old") != NULL,
			    c[i].keeps_old);
			assert_int_equal(r.nowners > 0, c[i].owned);
		}
		if (c[i].there[0] != '\0') {
			assert_string_equal(r.type, "custom/t");
			assert_string_equal(strmap_get(r.labels, "team"),
			    "a");
			assert_string_equal(strmap_get(r.labels,
			    LABEL_MANAGED), "true");
		}
		pipeline_result_clear(&r);
	}
}

/* deletionPolicy when the provider has nothing at all. */
static void
test_deletion(void **state)
{
	static const struct {
		const char *policy;
		enum job_outcome outcome;
		const char *reason;
	} c[] = {
		{ "Retain", JOB_FAILED, "SecretSyncedError" },
		{ "Delete", JOB_DELETED, "SecretDeleted" },
		{ "Merge", JOB_READY, "SecretSynced" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(c); i++) {
		cleanup_free char *text = str_fmt(STORE ES_HEAD REF
		    "  data: [{secretKey: k, remoteRef: {key: absent}}]\n"
		    "  target: {deletionPolicy: %s}\n", c[i].policy);
		struct pipeline_result r;

		run_with(text, 1, &r);
		assert_int_equal(r.outcome, c[i].outcome);
		assert_string_equal(r.reason, c[i].reason);
		if (i == 0)
			assert_string_equal(r.error, "error processing "
			    "spec.data[0] (key: absent), err: Secret does not "
			    "exist");
		else
			assert_string_equal(r.events[0],
			    "MissingProviderSecret");
		pipeline_result_clear(&r);
	}
}

/* Errors on the way to a store, in ESO's words. */
static void
test_stores(void **state)
{
	static const struct {
		const char *text, *error, *rejected;
	} c[] = {
		{ ES_HEAD REF DATA, "error processing spec.data[0] (key: k), "
		    "err: could not get SecretStore \"st\", secretstores."
		    "external-secrets.io \"st\" not found", NULL },
		{ "apiVersion: external-secrets.io/v1\n"
		    "kind: ClusterSecretStore\nmetadata: {name: css}\nspec:\n"
		    "  conditions: [{namespaces: [other]}]\n"
		    "  provider: {fake: {data: [{key: k, value: v}]}}\n"
		    "---\n" ES_HEAD "  secretStoreRef: {name: css, kind: "
		    "ClusterSecretStore}\n" DATA,
		    "error processing spec.data[0] (key: k), err: using "
		    "cluster store \"css\" is not allowed from namespace "
		    "\"" NS "\": denied by spec.condition", NULL },
		{ "apiVersion: external-secrets.io/v1\nkind: SecretStore\n"
		    "metadata: {name: st}\nspec:\n  provider: {fake: "
		    "{data: [{key: k, value: ''}]}}\n---\n" ES_HEAD REF DATA,
		    NULL, "at least one value must be set in data 0" },
		{ STORE ES_HEAD REF "  target: {creationPolicy: Merge, "
		    "deletionPolicy: Delete}\n" DATA, NULL,
		    "Please set creationPolicy=Owner" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(c); i++) {
		struct pipeline_result r;

		run_with(c[i].text, 1, &r);
		if (c[i].error != NULL) {
			assert_int_equal(r.outcome, JOB_FAILED);
			assert_string_equal(r.error, c[i].error);
		} else {
			assert_int_equal(r.outcome, JOB_REJECTED);
			assert_non_null(strstr(r.rejected, c[i].rejected));
		}
		pipeline_result_clear(&r);
	}
}

/* A provider that is not built is said plainly. */
static void
test_unsupported(void **state)
{
	struct pipeline_result r;

	(void)state;
	run_with("apiVersion: external-secrets.io/v1\nkind: SecretStore\n"
	    "metadata: {name: st}\nspec:\n  provider: {doppler: {auth: "
	    "{secretRef: {dopplerToken: {name: a}}}}}\n---\n"
	    ES_HEAD REF DATA, 1, &r);
	assert_int_equal(r.outcome, JOB_FAILED);
	assert_non_null(strstr(r.error, "doppler"));
	assert_non_null(strstr(r.error, "is not supported by this version"));
	pipeline_result_clear(&r);
}

/* Templates: text without actions is itself; an action needs the engine. */
static void
test_template(void **state)
{
	struct pipeline_result r;

	(void)state;
	run_with(STORE ES_HEAD REF DATA "  target:\n    template:\n"
	    "      type: custom/t\n      mergePolicy: Merge\n"
	    "      metadata: {labels: {team: a}}\n"
	    "      data: {conf: plain}\n"
	    "      templateFrom: [{literal: 'x: 1'}]\n", 1, &r);
	assert_int_equal(r.outcome, JOB_READY);
	assert_string_equal(r.type, "custom/t");
	assert_string_equal(strmap_get(r.labels, "team"), "a");
	has(&r, "conf", "plain");
	has(&r, "x", "1");
	has(&r, "k", "v");
	pipeline_result_clear(&r);
}

/* What the API server would not take never counts as written. */
/* A parsed template serves again, under its own name alone. */
static void
test_template_again(void **state)
{
	struct pipeline_result r;

	(void)state;
	run_with(STORE ES_HEAD REF "  target:\n    template:\n      data:\n"
	    "        a: '{{ .k }}!'\n        b: '{{ .k }}!'\n"
	    "        c: '{{ .k }}?'\n        d: '{{ .k | upper }}'\n" DATA,
	    1, &r);
	assert_int_equal(r.outcome, JOB_READY);
	has(&r, "a", "v!");
	has(&r, "b", "v!");
	has(&r, "c", "v?");
	has(&r, "d", "V");
	pipeline_result_clear(&r);
	/* Text, not a double. */
	run_with(STORE ES_HEAD REF "  target:\n    template:\n"
	    "      templateFrom:\n"
	    "      - {literal: 'k1: 12345678901234567890\n\n"
	    "          k2: -9007199254740993'}\n" DATA, 1, &r);
	assert_int_equal(r.outcome, JOB_READY);
	has(&r, "k1", "12345678901234567890");
	has(&r, "k2", "-9007199254740993");
	pipeline_result_clear(&r);
	run_with(STORE ES_HEAD REF "  target:\n    template:\n"
	    "      templateFrom:\n"
	    "      - {target: Data, literal: 'x: \"{{ .k }}\"'}\n"
	    "      - {target: Labels, literal: 'x: \"{{ .k }}\"'}\n"
	    "      data:\n        a: '{{ .k }}'\n        b: '{{ fail .k }}'\n"
	    DATA, 1, &r);
	assert_int_equal(r.outcome, JOB_FAILED);
	assert_non_null(strstr(r.error, "template: b:1:3: executing \"b\""));
	pipeline_result_clear(&r);
}

/* An ExternalSecret alone is set aside; what only looks like one is not. */
static void
test_set_aside(void **state)
{
	static const char text[] = "apiVersion: external-secrets.io/v1\n"
	    "kind: ExternalSecret\nmetadata:\n  name: a\nspec:\n  data: []\n"
	    "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n"
	    "data:\n  k: v\n---\n"
	    "apiVersion: external-secrets.io/v1alpha9\n"
	    "kind: ExternalSecret\nmetadata:\n  name: c\nspec:\n  x: z\n"
	    "---\napiVersion: v1\nkind: List\nitems:\n"
	    "- apiVersion: external-secrets.io/v1\n  kind: ExternalSecret\n"
	    "  metadata:\n    name: d\n  spec:\n    x: z\n";
	struct manifests m = { .set_aside = 1 };
	cleanup_json struct json *again = NULL;
	size_t i;

	(void)state;
	manifests_text(&m, "f", text, strlen(text), NS);
	assert_int_equal(m.n, 4);
	assert_int_equal(m.nproblems, 0);
	assert_null(m.v[0].obj);
	again = manifest_read(&m.v[0]);
	assert_true(json_is(json_path(again, "spec.data"), JSON_ARRAY));
	assert_string_equal(json_str(json_path(m.v[1].obj, "data.k")), "v");
	for (i = 2; i < m.n; i++)
		assert_string_equal(json_str(json_path(m.v[i].obj, "spec.x")),
		    "z");
	manifests_clear(&m);
}

static void
test_refused(void **state)
{
	struct pipeline_result r;

	(void)state;
	run_with(STORE ES_HEAD REF DATA "  target: {template: {type: "
	    "kubernetes.io/tls}}\n", 1, &r);
	assert_int_equal(r.outcome, JOB_FAILED);
	assert_false(r.written);
	assert_string_equal(r.error, "Secret \"es\" is invalid: "
	    "[data[tls.crt]: Required value, data[tls.key]: Required value]");
	pipeline_result_clear(&r);
}

static void
test_generators(void **state)
{
	struct pipeline_result r;
	const struct secret *v;

	(void)state;
	run_with("apiVersion: generators.external-secrets.io/v1alpha1\n"
	    "kind: Password\nmetadata: {name: g}\nspec: {length: 20, digits: "
	    "4, symbols: 3, symbolCharacters: '-_.'}\n---\n"
	    "apiVersion: generators.external-secrets.io/v1alpha1\n"
	    "kind: UUID\nmetadata: {name: u}\n---\n" ES_HEAD
	    "  dataFrom:\n  - sourceRef: {generatorRef: {kind: Password, "
	    "name: g}}\n  - sourceRef: {generatorRef: {kind: UUID, name: "
	    "u}}\n", 1, &r);
	assert_int_equal(r.outcome, JOB_READY);
	assert_non_null(v = kv_get(&r.data, "password"));
	assert_int_equal(secret_len(v), 20);
	assert_non_null(v = kv_get(&r.data, "uuid"));
	assert_int_equal(secret_len(v), 36);
	assert_int_equal(secret_data(v)[14], '4');
	pipeline_result_clear(&r);
}

static int
group_setup(void **state)
{
	(void)state;
	return (http_global(NULL));
}

/* In a cluster nobody reads what is in a target: the result is our part of
 * it, which alone need not be a valid Secret. */
static void
test_targets_unknown(void **state)
{
	static const struct {
		const char *creation, *type;
		enum job_outcome outcome;
		int has;
	} rows[] = {
		{ "Owner", "Opaque", JOB_READY, 1 },
		{ "Orphan", "Opaque", JOB_READY, 1 },
		{ "Merge", "Opaque", JOB_READY, 1 },
		{ "CreateOrMerge", "Opaque", JOB_READY, 1 },
		{ "None", "Opaque", JOB_UNCHANGED_NONE, 0 },
		{ "Owner", "kubernetes.io/tls", JOB_FAILED, 0 },
		{ "Merge", "kubernetes.io/tls", JOB_READY, 1 },
		{ "CreateOrMerge", "kubernetes.io/tls", JOB_READY, 1 },
	};
	struct pipeline_options opts = { "nodeseal", 1, 0, 0, "", "", 0, 1,
		1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text = str_fmt(STORE "apiVersion: v1\n"
		    "kind: Secret\nmetadata: {name: es}\nstringData: {x: y}\n"
		    "---\n" ES_HEAD REF DATA "  target:\n    creationPolicy: "
		    "%s\n    template: {type: %s}\n", rows[i].creation,
		    rows[i].type);
		struct pipeline_result r;

		run_opts(text, &opts, &r);
		assert_int_equal(r.outcome, rows[i].outcome);
		assert_int_equal(r.has_secret, rows[i].has);
		if (r.has_secret) {
			has(&r, "k", "v");
			assert_int_equal(kv_len(&r.data), 1);
			assert_string_equal(r.type, rows[i].type);
		}
		pipeline_result_clear(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_long),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_class),
		cmocka_unit_test(test_creation),
		cmocka_unit_test(test_deletion),
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_template_again),
		cmocka_unit_test(test_set_aside),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_generators),
		cmocka_unit_test(test_targets_unknown),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
