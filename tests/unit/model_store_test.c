/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/store.h"

static struct store *
parse(const char *kind, const char *spec, struct findings *f)
{
	cleanup_free char *text = str_fmt("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'%s','metadata':{'name':'st'},"
	    "'spec':%s}", kind, spec);
	cleanup_json struct json *j = quoted(text);
	struct store *s = NULL;

	assert_int_equal(store_parse(j, "default", &s, f, NULL), 0);
	return (s);
}

static void
test_whole(void **state)
{
	struct findings f = { 0 };
	struct store *s = parse("ClusterSecretStore", "{'controller':'mine',"
	    "'provider':{'vault':{'server':'https://v'}},'refreshInterval':"
	    "'90s','retrySettings':{'maxRetries':3,'retryInterval':'5s'},"
	    "'conditions':[{'namespaces':['a','b'],'namespaceRegexes':['^x']},"
	    "{'namespaceSelector':{'matchLabels':{'env':'prod'}}},{}]}", &f);

	(void)state;
	assert_int_equal(f.n, 0);
	assert_string_equal(s->meta.ns, "");
	assert_string_equal(s->controller, "mine");
	assert_string_equal(s->provider, "vault");
	assert_string_equal(json_str(json_get(s->spec, "server")),
	    "https://v");
	assert_int_equal(s->refresh_interval_ms, 90000);
	assert_int_equal(s->has_retry, 1);
	assert_int_equal(s->max_retries, 3);
	assert_string_equal(s->retry_interval, "5s");
	assert_int_equal(s->nconditions, 3);
	assert_string_equal(s->conditions[0].namespaces[1], "b");
	assert_string_equal(s->conditions[0].regexes[0], "^x");
	assert_null(s->conditions[0].selector);
	assert_non_null(s->conditions[1].selector);
	assert_int_equal(s->conditions[2].nnamespaces, 0);
	store_free(s);
}

static void
test_defaults(void **state)
{
	struct store *s = parse("SecretStore", "{'provider':{'fake':{}}}",
	    NULL);

	(void)state;
	assert_string_equal(s->meta.ns, "default");
	assert_string_equal(s->controller, "");
	assert_int_equal(s->max_retries, -1);
	assert_int_equal(s->has_retry, 0);
	assert_int_equal(s->refresh_interval_ms, 0);
	assert_int_equal(s->nconditions, 0);
	store_free(s);
	s = parse("SecretStore", "{'provider':{'fake':{}},'retrySettings':{},"
	    "'refreshInterval':60}", NULL);
	assert_int_equal(s->max_retries, -1);
	assert_int_equal(s->has_retry, 1);
	assert_int_equal(s->refresh_interval_ms, 60000);
	store_free(s);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *spec, *field, *what;
	} rows[] = {
		{ "{}", "spec.provider", "Required value" },
		{ "{'provider':{}}", "spec.provider", "Invalid value: 0: "
		    "spec.provider in body should have at least 1 properties" },
		{ "{'provider':{'valt':{}}}", "spec.provider",
		    "should have at least 1 properties" },
		{ "{'provider':{'vault':null}}", "spec.provider",
		    "should have at least 1 properties" },
		{ "{'provider':{'vault':{},'fake':{}}}", "spec.provider",
		    "Too many: 2: must have at most 1 item" },
		{ "{'provider':[]}", "spec.provider",
		    "must be of type object: \"array\"" },
		{ "{'provider':{'fake':{}},'refreshInterval':-1}",
		    "spec.refreshInterval", "invalid refreshInterval -1: must "
		    "not be negative" },
		{ "{'provider':{'fake':{}},'refreshInterval':'-1s'}",
		    "spec.refreshInterval", "invalid refreshInterval \"-1s\": "
		    "must not be negative" },
		{ "{'provider':{'fake':{}},'refreshInterval':'5'}",
		    "spec.refreshInterval", "invalid refreshInterval \"5\": "
		    "time: missing unit in duration \"5\"" },
		{ "{'provider':{'fake':{}},'refreshInterval':true}",
		    "spec.refreshInterval", "must be of type integer,string" },
		{ "{'provider':{'fake':{}},'conditions':[{'namespaces':"
		    "['A']}]}", "spec.conditions[0].namespaces[0]",
		    "should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'" },
		{ "{'provider':{'fake':{}},'conditions':[{'namespaceSelector':"
		    "{'matchExpressions':[{'key':'a'}]}}]}",
		    "spec.conditions[0].namespaceSelector.matchExpressions[0]."
		    "operator", "Required value" },
		{ "{'provider':{'fake':{}},'retrySettings':{'maxRetries':"
		    "'3'}}", "spec.retrySettings.maxRetries",
		    "must be of type integer: \"string\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct findings f = { 0 };
		struct store *s = parse("SecretStore", rows[i].spec, &f);

		assert_true(found(&f, FINDING_REJECT, rows[i].field,
		    rows[i].what));
		findings_clear(&f);
		store_free(s);
	}
}

static void
test_providers(void **state)
{
	struct findings f = { 0 };
	struct store *s = parse("SecretStore",
	    "{'provider':{'valt':{}}}", &f);

	(void)state;
	assert_true(found(&f, FINDING_WARN, "spec.provider.valt",
	    "unknown field"));
	for (size_t i = 0; i < f.n; i++)
		if (f.v[i].level == FINDING_WARN)
			assert_string_equal(f.v[i].remedy,
			    "did you mean \"vault\"?");
	assert_string_equal(s->provider, "");
	assert_null(s->spec);
	findings_clear(&f);
	store_free(s);
	/* Known to ESO, whether we can speak to it or not. */
	assert_int_equal(store_provider_known("onepasswordSDK"), 1);
	assert_int_equal(store_provider_known("Vault"), 0);
	s = parse("SecretStore", "{'provider':{'gcpsm':{}}}", &f);
	assert_int_equal(f.n, 0);
	assert_string_equal(s->provider, "gcpsm");
	store_free(s);
}

static void
test_class(void **state)
{
	struct store *none = parse("SecretStore", "{'provider':{'fake':{}}}",
	    NULL);
	struct store *ours = parse("SecretStore", "{'controller':'nodeseal',"
	    "'provider':{'fake':{}}}", NULL);

	(void)state;
	assert_int_equal(store_is_ours(none, "nodeseal", 0), 0);
	assert_int_equal(store_is_ours(none, "nodeseal", 1), 1);
	assert_int_equal(store_is_ours(ours, "nodeseal", 0), 1);
	assert_int_equal(store_is_ours(ours, "other", 1), 0);
	store_free(none);
	store_free(ours);
}

static int
compile(const char *pattern, struct err *err)
{
	return (pattern[0] == '[' ? err_set(err, ERR_INVALID, "error parsing "
	    "regexp: missing closing ]: `%s`", pattern) : 0);
}

static void
test_regexes(void **state)
{
	struct findings f = { 0 };
	struct store *s = parse("ClusterSecretStore", "{'provider':{'fake':{}},"
	    "'conditions':[{'namespaceRegexes':['a']},{'namespaceRegexes':"
	    "['b','[']}]}", &f);
	char *text;

	(void)state;
	store_check_regexes(s, compile, &f);
	text = findings_refusal(&f, &s->meta, NULL);
	assert_string_equal(text, "failed to compile 1th namespace regex in "
	    "1th condition: error parsing regexp: missing closing ]: `[`");
	free(text);
	findings_clear(&f);
	store_free(s);
}

static void
test_selector(void **state)
{
	static const struct { const char *selector; int want; } rows[] = {
		{ "{}", 1 },
		{ "{'matchLabels':{'env':'prod'}}", 1 },
		{ "{'matchLabels':{'env':'dev'}}", 0 },
		{ "{'matchLabels':{'none':'x'}}", 0 },
		{ "{'matchLabels':{'env':'prod','tier':'web'}}", 1 },
		{ "{'matchExpressions':[{'key':'env','operator':'In',"
		    "'values':['dev','prod']}]}", 1 },
		{ "{'matchExpressions':[{'key':'env','operator':'In',"
		    "'values':['dev']}]}", 0 },
		{ "{'matchExpressions':[{'key':'no','operator':'In',"
		    "'values':['']}]}", 0 },
		{ "{'matchExpressions':[{'key':'env','operator':'NotIn',"
		    "'values':['dev']}]}", 1 },
		{ "{'matchExpressions':[{'key':'env','operator':'NotIn',"
		    "'values':['prod']}]}", 0 },
		{ "{'matchExpressions':[{'key':'no','operator':'NotIn',"
		    "'values':['x']}]}", 1 },
		{ "{'matchExpressions':[{'key':'env','operator':'Exists'}]}",
		    1 },
		{ "{'matchExpressions':[{'key':'no','operator':'Exists'}]}",
		    0 },
		{ "{'matchExpressions':[{'key':'no','operator':"
		    "'DoesNotExist'}]}", 1 },
		{ "{'matchExpressions':[{'key':'env','operator':"
		    "'DoesNotExist'}]}", 0 },
		{ "{'matchLabels':{'env':'prod'},'matchExpressions':[{'key':"
		    "'tier','operator':'DoesNotExist'}]}", 0 },
		/* What cannot be read matches nothing. */
		{ "{'matchExpressions':[{'key':'env','operator':'in',"
		    "'values':['prod']}]}", 0 },
		{ "{'matchExpressions':[{'key':'no','operator':'NotIn'}]}",
		    0 },
		{ "{'matchExpressions':[{'key':'env','operator':'Exists',"
		    "'values':['prod']}]}", 0 },
		{ "{'matchLabels':{'env':5}}", 0 },
	};
	cleanup_strmap struct strmap *labels = strmap_new(NULL);
	char prod[] = "prod", web[] = "web";

	(void)state;
	strmap_put(labels, "env", prod);
	strmap_put(labels, "tier", web);
	assert_int_equal(selector_match(NULL, labels), 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_json struct json *j = quoted(rows[i].selector);

		if (selector_match(j, labels) != rows[i].want)
			fail_msg("%s", rows[i].selector);
	}
}

static void
test_selector_check(void **state)
{
	cleanup_json struct json *bad = quoted("{'matchExpressions':[{'key':"
	    "'a','operator':'Maybe'}]}");
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(selector_check(NULL, NULL), 0);
	assert_int_equal(selector_check(bad, &err), -1);
	assert_string_equal(err_msg(&err),
	    "\"Maybe\" is not a valid label selector operator");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_providers),
		cmocka_unit_test(test_class),
		cmocka_unit_test(test_regexes),
		cmocka_unit_test(test_selector),
		cmocka_unit_test(test_selector_check),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
