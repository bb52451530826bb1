/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/external_secret.h"

/*
 * ESO's webhook, rule by rule (externalsecret_validator.go at v2.9.0).  The
 * control: -DWEAKEN_ADMISSION leaves out the rule on privileged templates, and
 * test_privileged fails.
 */

#define DATA "'data':[{'secretKey':'a','remoteRef':{'key':'k'}}]"

static char *
refusal(const char *spec, enum finding_by *by)
{
	cleanup_free char *text = str_fmt("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'ExternalSecret','metadata':"
	    "{'name':'es'},'spec':{%s}}", spec);
	cleanup_json struct json *j = quoted(text);
	struct external_secret *es;
	struct findings f = { 0 };
	char *s;

	*by = FINDING_OURS;
	assert_int_equal(es_parse(j, "default", &es, &f, NULL), 0);
	s = findings_refusal(&f, &es->meta, by);
	findings_clear(&f);
	es_free(es);
	return (s);
}

struct row {
	const char *spec, *want;	/* NULL: admitted */
};

static void
run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum finding_by by;
		cleanup_free char *got = refusal(rows[i].spec, &by);

		if (rows[i].want == NULL) {
			if (got != NULL)
				fail_msg("%s: %s", rows[i].spec, got);
			continue;
		}
		if (got == NULL)
			fail_msg("%s was admitted", rows[i].spec);
		assert_string_equal(got, rows[i].want);
		assert_int_equal(by, FINDING_WEBHOOK);
	}
}

#define DELETE "deletionPolicy=Delete must not be used when the controller " \
	"doesn't own the secret. Please set creationPolicy=Owner"
#define MERGE "deletionPolicy=Merge must not be used with " \
	"creationPolicy=None. There is no Secret to merge with"
#define NO_DATA "either data or dataFrom should be specified"

static void
test_policies(void **state)
{
	static const struct row rows[] = {
		{ DATA, NULL },
		{ DATA ",'target':{'deletionPolicy':'Delete'}", NULL },
		{ DATA ",'target':{'deletionPolicy':'Delete',"
		    "'creationPolicy':'Orphan'}", NULL },
		{ DATA ",'target':{'deletionPolicy':'Delete',"
		    "'creationPolicy':'Merge'}", DELETE },
		{ DATA ",'target':{'deletionPolicy':'Delete',"
		    "'creationPolicy':'None'}", DELETE },
		{ DATA ",'target':{'deletionPolicy':'Delete',"
		    "'creationPolicy':'CreateOrMerge'}", DELETE },
		{ DATA ",'target':{'deletionPolicy':'Merge',"
		    "'creationPolicy':'None'}", MERGE },
		{ DATA ",'target':{'deletionPolicy':'Merge',"
		    "'creationPolicy':'Merge'}", NULL },
		{ "'secretStoreRef':{'name':'x'}", NO_DATA },
		{ "'data':[],'dataFrom':[]", NO_DATA },
		/* All that is wrong, a line each. */
		{ "'target':{'deletionPolicy':'Delete',"
		    "'creationPolicy':'None'}", DELETE "\n" NO_DATA },
	};

	(void)state;
	run(rows, ARRAY_LEN(rows));
}

#define TOKEN "'target':{'template':{'type':'kubernetes.io/" \
	"service-account-token'"

static void
test_privileged(void **state)
{
	static const struct row rows[] = {
		{ DATA "," TOKEN "}}", NULL },
		{ DATA "," TOKEN ",'metadata':{'annotations':{'x':'y'}}}}",
		    NULL },
		{ DATA "," TOKEN ",'metadata':{'annotations':{"
		    "'kubernetes.io/service-account.name':'admin'}}}}",
		    "template.type=\"kubernetes.io/service-account-token\" "
		    "with annotation \"kubernetes.io/service-account.name\" "
		    "is not allowed" },
		{ DATA "," TOKEN ",'templateFrom':[{'literal':'a'},{'literal':"
		    "'a','target':'aNNotations'}]}}",
		    "template.type=\"kubernetes.io/service-account-token\" "
		    "with templateFrom target=\"Annotations\" is not allowed" },
		{ DATA "," TOKEN ",'templateFrom':[{'literal':'a',"
		    "'target':'Labels'}]}}", NULL },
		{ DATA ",'target':{'template':{'type':"
		    "'bootstrap.kubernetes.io/token'}}",
		    "template.type=\"bootstrap.kubernetes.io/token\" is not "
		    "allowed" },
		{ DATA ",'target':{'template':{'type':'Opaque','metadata':{"
		    "'annotations':{'kubernetes.io/service-account.name':"
		    "'x'}}}}", NULL },
	};

	(void)state;
	run(rows, ARRAY_LEN(rows));
}

#define FROM(t) DATA ",'target':{'template':{'templateFrom':[{'literal':'a'," \
	"'target':'" t "'}]}}"
#define NOT_TARGET(q) "templateFrom target=\"" q "\" is not allowed when " \
	"targeting a Secret, must be one of \"Data\", \"Annotations\" or " \
	"\"Labels\""

static void
test_targets(void **state)
{
	static const struct row rows[] = {
		{ FROM(""), NULL }, { FROM("data"), NULL },
		{ FROM("ANNOTATIONS"), NULL }, { FROM("Labels"), NULL },
		{ FROM("type"), NOT_TARGET("type") },
		{ FROM("metadata.ownerReferences"),
		    NOT_TARGET("metadata.ownerReferences") },
		{ FROM("a\\nb"), NOT_TARGET("a\\nb") },
		{ DATA ",'target':{'template':{'templateFrom':["
		    "{'literal':'a','target':'x'},{'literal':'a'},"
		    "{'literal':'a','target':'y'}]}}",
		    NOT_TARGET("x") "\n" NOT_TARGET("y") },
		{ DATA ",'target':{'manifest':{'apiVersion':'v1','kind':"
		    "'ConfigMap'},'template':{'templateFrom':[{'literal':'a',"
		    "'target':'spec.x'}]}}", NULL },
		{ DATA ",'target':{'manifest':{'apiVersion':'v1','kind':"
		    "'Secret'},'template':{'templateFrom':[{'literal':'a',"
		    "'target':'spec.x'}]}}", NOT_TARGET("spec.x") },
	};

	(void)state;
	run(rows, ARRAY_LEN(rows));
}

#define AT_ONCE "extract, find, or generatorRef cannot be set at the same time"
#define GEN "'sourceRef':{'generatorRef':{'kind':'Fake','name':'g'}}"

static void
test_sources(void **state)
{
	static const struct row rows[] = {
		{ "'dataFrom':[{'extract':{'key':'k'}}]", NULL },
		{ "'dataFrom':[{'find':{}}]", NULL },
		{ "'dataFrom':[{" GEN "}]", NULL },
		{ "'dataFrom':[{'extract':{'key':'k'},'sourceRef':{'storeRef':"
		    "{'name':'s'}}}]", NULL },
		{ "'dataFrom':[{'extract':{'key':'k'},'find':{}}]", AT_ONCE },
		{ "'dataFrom':[{'extract':{'key':'k'}," GEN "}]", AT_ONCE },
		{ "'dataFrom':[{'find':{}," GEN "}]", AT_ONCE },
		{ "'dataFrom':[{'find':{}},{'find':{}," GEN "}]", AT_ONCE },
		{ "'dataFrom':[{}]",
		    "either extract, find, or sourceRef must be set to "
		    "dataFrom" },
		{ "'dataFrom':[{'rewrite':[]}]",
		    "either extract, find, or sourceRef must be set to "
		    "dataFrom" },
		/* null is absent. */
		{ "'dataFrom':[{'extract':null,'find':{}}]", NULL },
	};

	(void)state;
	run(rows, ARRAY_LEN(rows));
}

#define KEY(k) "{'secretKey':'" k "','remoteRef':{'key':'k'}}"

static void
test_duplicates(void **state)
{
	static const struct row rows[] = {
		{ "'data':[" KEY("a") "," KEY("b") "]", NULL },
		{ "'data':[" KEY("a") "," KEY("b") "," KEY("a") "]",
		    "duplicate secretKey found: a" },
		{ "'data':[" KEY("a") "," KEY("a") "," KEY("a") "]",
		    "duplicate secretKey found: a\n"
		    "duplicate secretKey found: a" },
		{ "'target':{'deletionPolicy':'Merge'},'data':[" KEY("a") ","
		    KEY("a") "]", NULL },
		{ "'target':{'deletionPolicy':'Delete'},'data':[" KEY("a") ","
		    KEY("a") "]", NULL },
	};

	(void)state;
	run(rows, ARRAY_LEN(rows));
}

/* The CRD's schema, asked before; its words are k8s's. */
static void
test_schema(void **state)
{
	static const struct row rows[] = {
		{ DATA ",'target':{'creationPolicy':'x'}",
		    "spec.target.creationPolicy: Unsupported value: \"x\": "
		    "supported values: \"Owner\", \"Orphan\", \"Merge\", "
		    "\"None\", \"CreateOrMerge\"" },
		{ "'data':[{'remoteRef':{}}]",
		    "[spec.data[0].remoteRef.key: Required value, "
		    "spec.data[0].secretKey: Required value]" },
		{ "'data':[{'secretKey':'a b','remoteRef':{'key':'k'}}]",
		    "spec.data[0].secretKey: Invalid value: \"a b\": "
		    "spec.data[0].secretKey in body should match "
		    "'^[-._a-zA-Z0-9]+$'" },
		{ DATA ",'target':{'template':{'engineVersion':'v1'}}",
		    "spec.target.template.engineVersion: Unsupported value: "
		    "\"v1\": supported values: \"v2\"" },
		{ "'dataFrom':[{'extract':{'key':'k'},'rewrite':[{}]}]",
		    "spec.dataFrom[0].rewrite[0]: Invalid value: 0: "
		    "spec.dataFrom[0].rewrite[0] in body should have at least "
		    "1 properties" },
		{ "'dataFrom':[{'sourceRef':{'storeRef':{'name':'s'},"
		    "'generatorRef':{'kind':'Fake','name':'g'}}}]",
		    "spec.dataFrom[0].sourceRef: Too many: 2: must have at "
		    "most 1 item" },
		{ DATA ",'syncWindows':{'kind':'allow','windows':[]}",
		    "spec.syncWindows.windows: Invalid value: 0: "
		    "spec.syncWindows.windows in body should have at least 1 "
		    "items" },
		{ DATA ",'syncWindows':{'kind':'allow','windows':[{'schedule':"
		    "'0 22 * *','duration':'1h'}]}",
		    "spec.syncWindows.windows[0].schedule: Invalid value: \"0 "
		    "22 * *\": spec.syncWindows.windows[0].schedule in body "
		    "should match '^(@(annually|yearly|monthly|weekly|daily|"
		    "midnight|hourly)|@every [^\\s]+.*|[^\\s]+( [^\\s]+){4})"
		    "$'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *want = str_fmt("ExternalSecret."
		    "external-secrets.io \"es\" is invalid: %s", rows[i].want);
		enum finding_by by;
		cleanup_free char *got = refusal(rows[i].spec, &by);

		assert_non_null(got);
		assert_string_equal(got, want);
		assert_int_equal(by, FINDING_SCHEMA);
	}
}

static void
test_decode(void **state)
{
	enum finding_by by;
	cleanup_free char *a = refusal(DATA ",'refreshInterval':'1d'", &by);
	cleanup_free char *b = NULL;

	(void)state;
	assert_int_equal(by, FINDING_DECODE);
	assert_string_equal(a, "time: unknown unit \"d\" in duration \"1d\"");
	/* Decoding stops at the first; the webhook is not asked. */
	b = refusal("'refreshInterval':'','syncWindows':{'kind':'allow',"
	    "'windows':[{'schedule':'@daily','duration':'x'}]}", &by);
	assert_int_equal(by, FINDING_DECODE);
	assert_string_equal(b, "time: invalid duration \"\"");
}

/* What the pattern admits and cron does not: ESO keeps silent, we warn. */
static void
test_schedule_warning(void **state)
{
	cleanup_json struct json *j = quoted("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'ExternalSecret','metadata':"
	    "{'name':'es'},'spec':{" DATA ",'syncWindows':{'kind':'allow',"
	    "'windows':[{'schedule':'99 * * * *','duration':'1h'}]}}}");
	struct external_secret *es;
	struct findings f = { 0 };

	(void)state;
	assert_int_equal(es_parse(j, "default", &es, &f, NULL), 0);
	assert_null(findings_first(&f, FINDING_REJECT));
	assert_true(found(&f, FINDING_WARN,
	    "spec.syncWindows.windows[0].schedule",
	    "end of range (99) above maximum (59): 99"));
	findings_clear(&f);
	es_free(es);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_privileged),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_schedule_warning),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
