/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

static void
test_kinds(void **state)
{
	static const struct {
		const char *api, *kind;
		enum object_kind want;
		const char *ns;
	} rows[] = {
		{ "external-secrets.io/v1", "ExternalSecret",
		    OBJ_EXTERNAL_SECRET, "team" },
		{ "external-secrets.io/v1", "SecretStore", OBJ_SECRET_STORE,
		    "team" },
		{ "external-secrets.io/v1", "ClusterSecretStore",
		    OBJ_CLUSTER_SECRET_STORE, "" },
		{ "external-secrets.io/v1beta1", "ExternalSecret",
		    OBJ_NOT_SERVED, "team" },
		{ "external-secrets.io/v1", "ClusterExternalSecret",
		    OBJ_NOT_SERVED, "" },
		{ "external-secrets.io/v1alpha1", "PushSecret",
		    OBJ_NOT_SERVED, "team" },
		{ "generators.external-secrets.io/v1alpha1", "Password",
		    OBJ_GENERATOR, "team" },
		{ "generators.external-secrets.io/v1alpha1",
		    "ClusterGenerator", OBJ_GENERATOR, "" },
		{ "generators.external-secrets.io/v1alpha1", "GeneratorState",
		    OBJ_OTHER, "team" },
		{ "v1", "Secret", OBJ_SECRET, "team" },
		{ "v1", "ConfigMap", OBJ_CONFIG_MAP, "team" },
		{ "v1", "Namespace", OBJ_NAMESPACE, "" },
		{ "v1", "ServiceAccount", OBJ_SERVICE_ACCOUNT, "team" },
		{ "nodeseal.dev/v1alpha1", "HostProjection",
		    OBJ_HOST_PROJECTION, "team" },
		{ "nodeseal.dev/v1", "HostProjection", OBJ_NOT_SERVED,
		    "team" },
		{ "apps/v1", "Deployment", OBJ_OTHER, "team" },
		{ "v2", "Secret", OBJ_OTHER, "team" },
		{ "external-secrets.io/v10", "ExternalSecret", OBJ_NOT_SERVED,
		    "team" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text = str_fmt("{'apiVersion':'%s',"
		    "'kind':'%s','metadata':{'name':'x'}}", rows[i].api,
		    rows[i].kind);
		cleanup_json struct json *j = quoted(text);
		struct object_meta m;

		assert_int_equal(object_meta_parse(j, "team", &m, NULL), 0);
		assert_int_equal(m.kind, rows[i].want);
		assert_string_equal(m.ns, rows[i].ns);
		object_meta_clear(&m);
	}
}

static void
test_meta(void **state)
{
	cleanup_json struct json *j = quoted("{'apiVersion':'v1',"
	    "'kind':'Secret','metadata':{'name':'x','namespace':'own',"
	    "'uid':'u-1',"
	    "'generation':7,'labels':{'a':'1','n':5},"
	    "'annotations':{'b':'2'}}}");
	struct object_meta m;

	(void)state;
	assert_int_equal(object_meta_parse(j, "team", &m, NULL), 0);
	assert_string_equal(m.ns, "own");
	assert_string_equal(m.uid, "u-1");
	assert_int_equal(m.generation, 7);
	assert_string_equal(strmap_get(m.labels, "a"), "1");
	assert_null(strmap_get(m.labels, "n"));
	assert_string_equal(strmap_get(m.annotations, "b"), "2");
	object_meta_clear(&m);
}

static void
test_no_object(void **state)
{
	static const char *const rows[] = { "[]", "1", "{}",
		"{'kind':'Secret'}",
		"{'kind':'Secret','metadata':{}}",
		"{'kind':'Secret','metadata':{'name':''}}",
		"{'kind':'Secret','metadata':{'name':1}}",
		"{'kind':5,'metadata':{'name':'x'}}",
		"{'kind':'Secret','metadata':[]}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_json struct json *j = quoted(rows[i]);
		cleanup_err struct err err = ERR_INIT;
		struct findings f = { 0 };
		struct object_meta m;

		assert_int_equal(object_meta_parse(j, "", &m, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_int_equal(object_check(j, "", &f, NULL), -1);
		findings_clear(&f);
	}
	assert_int_equal(object_meta_parse(NULL, "", NULL, NULL), -1);
}

static void
test_objects(void **state)
{
	struct objects o;

	(void)state;
	objects_init(&o);
	assert_int_equal(objects_put(&o, quoted("{'apiVersion':'v1',"
	    "'kind':'Secret','metadata':{'name':'x'},'n':1}"), "a", NULL), 0);
	assert_int_equal(objects_put(&o, quoted("{'apiVersion':'v1',"
	    "'kind':'Secret','metadata':{'name':'x'},'n':2}"), "a", NULL), 0);
	assert_int_equal(objects_put(&o, quoted("{'apiVersion':'v1',"
	    "'kind':'Namespace','metadata':{'name':'a'}}"), "a", NULL), 0);
	assert_int_equal(objects_put(&o, quoted("{}"), "a", NULL), -1);
	assert_int_equal(json_num(json_get(objects_get(&o, "Secret", "a", "x"),
	    "n"), 0), 2);
	assert_null(objects_get(&o, "Secret", "b", "x"));
	assert_non_null(objects_get(&o, "Namespace", "", "a"));
	assert_int_equal(strmap_len(o.by_key), 2);
	objects_clear(&o);
}

static char *
refusal(const char *text, enum finding_by *by)
{
	cleanup_json struct json *j = quoted(text);
	struct findings f = { 0 };
	struct object_meta m;
	char *s;

	*by = FINDING_OURS;
	assert_int_equal(object_meta_parse(j, "default", &m, NULL), 0);
	assert_int_equal(object_check(j, "default", &f, NULL), 0);
	s = findings_refusal(&f, &m, by);
	findings_clear(&f);
	object_meta_clear(&m);
	return (s);
}

/* The API server's words for names, labels and annotations. */
static void
test_metadata_rules(void **state)
{
	static const struct {
		const char *meta, *part;
	} rows[] = {
		{ "'name':'ok.name-1'", NULL },
		{ "'name':'-x'", "metadata.name: Invalid value: \"-x\": a "
		    "lowercase RFC 1123 subdomain must consist of" },
		{ "'name':'x.'", "metadata.name: Invalid value" },
		{ "'name':'x','namespace':'a.b'", "metadata.namespace: Invalid "
		    "value: \"a.b\": must not contain dots" },
		{ "'name':'x','labels':{'a':'b c'}", "metadata.labels: Invalid "
		    "value: \"b c\": a valid label must be an empty string" },
		{ "'name':'x','labels':{'a/b/c':''}",
		    "a valid label key must consist of" },
		{ "'name':'x','labels':{'/c':''}",
		    "prefix part must be non-empty" },
		{ "'name':'x','labels':{'a/':''}",
		    "name part must be non-empty" },
		{ "'name':'x','labels':{'A/b':''}",
		    "prefix part a lowercase RFC 1123 subdomain" },
		{ "'name':'x','labels':{'-b':''}",
		    "name part must consist of" },
		{ "'name':'x','annotations':{'A/b':'any text'}", NULL },
		{ "'name':'x','annotations':{'a b':''}",
		    "metadata.annotations: Invalid value: \"a b\"" },
		{ "'name':'x','labels':{'a':1}", "metadata.labels.a: must be "
		    "text" },
		{ "'name':'x','labels':{'example.com/a':'v_1.2'}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text = str_fmt("{'apiVersion':'v1',"
		    "'kind':'ServiceAccount','metadata':{%s}}", rows[i].meta);
		enum finding_by by;
		cleanup_free char *got = refusal(text, &by);

		if (rows[i].part == NULL) {
			assert_null(got);
			continue;
		}
		assert_non_null(got);
		assert_non_null(strstr(got, rows[i].part));
	}
}

static void
test_refusal_form(void **state)
{
	enum finding_by by;
	cleanup_free char *one = refusal("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'ExternalSecret',"
	    "'metadata':{'name':'es'},'spec':{"
	    "'refreshPolicy':'Never','data':[{'secretKey':'a'},"
	    "{'secretKey':'a','remoteRef':{'key':'k'}}]}}", &by);
	cleanup_free char *core = NULL, *ours = NULL;

	(void)state;
	/* Schema speaks before the webhook, which also has a complaint. */
	assert_int_equal(by, FINDING_SCHEMA);
	assert_string_equal(one, "ExternalSecret.external-secrets.io \"es\" is "
	    "invalid: [spec.data[0].remoteRef: Required value, "
	    "spec.refreshPolicy: Unsupported value: \"Never\": supported "
	    "values: \"CreatedOnce\", \"Periodic\", \"OnChange\"]");
	core = refusal("{'apiVersion':'v1','kind':'Secret','metadata':"
	    "{'name':'Bad_Name'}}", &by);
	assert_int_equal(by, FINDING_API);
	assert_memory_equal(core, "metadata.name: Invalid value: \"Bad_Name\"",
	    strlen("metadata.name: Invalid value: \"Bad_Name\""));
	ours = refusal("{'apiVersion':'nodeseal.dev/v1alpha1',"
	    "'kind':'HostProjection','metadata':{'name':'h'},'spec':{"
	    "'path':'a/../b','externalSecrets':[{'name':'x'}]}}", &by);
	assert_int_equal(by, FINDING_OURS);
	assert_string_equal(ours, "spec.path: has a part that begins with "
	    "\"..\"");
	assert_string_equal(finding_by_name(FINDING_DECODE), "decode");
}

static void
test_core_kinds(void **state)
{
	enum finding_by by;
	cleanup_free char *good = refusal("{'apiVersion':'v1','kind':'Secret',"
	    "'metadata':{'name':'x'},'type':'Opaque','data':{'a':'YQ=='},"
	    "'stringData':{'b':'c'}}", &by);
	cleanup_free char *bad = refusal("{'apiVersion':'v1','kind':'Secret',"
	    "'metadata':{'name':'x'},'stringData':{'port':8080}}", &by);
	cleanup_free char *map = refusal("{'apiVersion':'v1',"
	    "'kind':'ConfigMap','metadata':{'name':'x'},'data':{'on':true}}",
	    &by);

	(void)state;
	assert_null(good);
	assert_non_null(strstr(bad, "stringData.port in body must be of type "
	    "string: \"integer\""));
	assert_non_null(strstr(map, "data.on in body must be of type string: "
	    "\"boolean\""));
}

static void
test_not_ours(void **state)
{
	cleanup_json struct json *old = quoted("{'apiVersion':"
	    "'external-secrets.io/v1beta1','kind':'SecretStore','metadata':"
	    "{'name':'x'}}");
	cleanup_json struct json *other = quoted("{'apiVersion':'apps/v1',"
	    "'kind':'Deployment','metadata':{'name':'x'}}");
	struct findings f = { 0 };

	(void)state;
	assert_int_equal(object_check(old, "", &f, NULL), 0);
	assert_true(found(&f, FINDING_WARN, "", "is not served"));
	assert_non_null(strstr(f.v[0].remedy, "external-secrets.io/v1"));
	findings_clear(&f);
	assert_int_equal(object_check(other, "", &f, NULL), 0);
	assert_true(found(&f, FINDING_WARN, "", "is not ours"));
	assert_null(findings_first(&f, FINDING_REJECT));
	findings_clear(&f);
}

static void
test_findings_ceiling(void **state)
{
	struct findings f = { 0 };

	(void)state;
	for (int i = 0; i < 10000; i++)
		findings_add(&f, FINDING_WARN, NULL, "a", "b", "%d", i);
	assert_int_equal(f.n, FINDINGS_MAX);
	findings_add(NULL, FINDING_WARN, NULL, "a", "b", "c");
	findings_clear(&f);
	assert_int_equal(f.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_meta),
		cmocka_unit_test(test_no_object),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_metadata_rules),
		cmocka_unit_test(test_refusal_form),
		cmocka_unit_test(test_core_kinds),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_findings_ceiling),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
