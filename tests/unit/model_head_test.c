/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/external_secret.h"
#include "model/head.h"
#include "model/store.h"

/* Whatever a head is made of, the word "canary" must not come along. */
static char *
head_text(const char *doc, enum object_kind kind)
{
	cleanup_json struct json *j = quoted(doc);
	struct json *head = head_make(j, kind);
	struct buf b = BUF_PLAIN(1u << 20);

	assert_non_null(head);
	json_print(head, &b, 0);
	json_free(head);
	for (char *p = b.data; *p != '\0'; p++)
		if (*p == '"')
			*p = '\'';
	return (buf_take(&b));
}

static void
test_external_secret(void **state)
{
	cleanup_free char *got = head_text("{'apiVersion':'external-secrets.io/"
	    "v1','kind':'ExternalSecret','metadata':{'name':'es',"
	    "'managedFields':[{'canary':1}],'annotations':{"
	    "'kubectl.kubernetes.io/last-applied-configuration':'canary',"
	    "'a':'b'}},'spec':{'target':{'name':'t','template':{'type':'T',"
	    "'engineVersion':'v2','mergePolicy':'Merge','data':{'k':'canary'},"
	    "'templateFrom':[{'literal':'canary'}],'metadata':{'labels':{'l':"
	    "'canary'}}}},'dataFrom':[{'extract':{'key':'k'},'rewrite':[{"
	    "'transform':{'template':'canary'}}]},5],'data':[]},"
	    "'nodesealMetaHash':'forged canary'}", OBJ_EXTERNAL_SECRET);

	(void)state;
	assert_null(strstr(got, "canary"));
	assert_non_null(strstr(got, "'template':{'engineVersion':'v2',"
	    "'mergePolicy':'Merge','type':'T'}"));
	assert_non_null(strstr(got, "'annotations':{'a':'b'}"));
	assert_non_null(strstr(got, "'dataFrom':[{'extract':{'key':'k'}},5]"));
}

/* The head has ESO's hash of the whole metadata, and parses. */
static void
test_version(void **state)
{
	cleanup_json struct json *j = quoted("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'ExternalSecret','metadata':{"
	    "'name':'es','generation':3,'annotations':{"
	    "'kubectl.kubernetes.io/last-applied-configuration':'{}'}},"
	    "'spec':{'data':[{'secretKey':'a','remoteRef':{'key':'k'}}]}}");
	cleanup_json struct json *head = head_make(j, OBJ_EXTERNAL_SECRET);
	struct external_secret *whole, *part;
	struct findings f = { 0 };
	char *a, *b;

	(void)state;
	assert_int_equal(es_parse(j, "", &whole, NULL, NULL), 0);
	assert_int_equal(es_parse(head, "", &part, &f, NULL), 0);
	assert_int_equal(f.n, 0);
	a = es_synced_version(whole);
	b = es_synced_version(part);
	assert_string_equal(a, b);
	assert_string_equal(a, "3-98c0ac41c7f00a359c375943856d"
	    "d2808368ea667ba6ee70c169ab6c");
	free(a);
	free(b);
	es_free(whole);
	es_free(part);
}

static void
test_store(void **state)
{
	static const char doc[] = "{'apiVersion':'external-secrets.io/v1',"
	    "'kind':'SecretStore','metadata':{'name':'st'},'spec':{"
	    "'controller':'c','provider':{'fake':{'data':[{'key':'a','value':"
	    "'canary'}]},'fake':{'x':'canary'},'junk':'canary'}},"
	    "'nodesealHost':'canary','nodesealRefs':['canary']}";
	cleanup_free char *got = head_text(doc, OBJ_SECRET_STORE);
	cleanup_free char *bad = head_text("{'kind':'SecretStore','spec':{"
	    "'provider':'canary'}}", OBJ_CLUSTER_SECRET_STORE);

	(void)state;
	assert_null(strstr(got, "canary"));
	assert_non_null(strstr(got, "'provider':{'fake':{}}"));
	assert_non_null(strstr(got, "'controller':'c'"));
	assert_null(strstr(bad, "canary"));
}

static void
test_secret(void **state)
{
	cleanup_free char *got = head_text("{'apiVersion':'v1','kind':'Secret',"
	    "'metadata':{'name':'s','labels':{'l':'1'}},'type':'Opaque',"
	    "'data':{'a':'canary'},'stringData':{'a':'canary'},'extra':"
	    "'canary'}", OBJ_SECRET);
	cleanup_free char *map = head_text("{'apiVersion':'v1','kind':"
	    "'ConfigMap','metadata':{'name':'s'},'data':{'a':'canary'},"
	    "'binaryData':{'a':'canary'}}", OBJ_CONFIG_MAP);

	(void)state;
	assert_string_equal(got, "{'apiVersion':'v1','kind':'Secret',"
	    "'metadata':{'name':'s','labels':{'l':'1'}},'type':'Opaque'}");
	assert_string_equal(map, "{'apiVersion':'v1','kind':'ConfigMap',"
	    "'metadata':{'name':'s'}}");
}

static void
test_others(void **state)
{
	cleanup_free char *gen = head_text("{'apiVersion':"
	    "'generators.external-secrets.io/v1alpha1','kind':'Fake',"
	    "'metadata':{'name':'g'},'spec':{'controller':'c','data':{'a':"
	    "'canary'}},'status':{'x':'canary'}}", OBJ_GENERATOR);
	cleanup_free char *hp = head_text("{'kind':'HostProjection','spec':"
	    "{'path':'p'}}", OBJ_HOST_PROJECTION);

	(void)state;
	assert_null(strstr(gen, "canary"));
	assert_non_null(strstr(gen, "'spec':{'controller':'c'}"));
	assert_string_equal(hp, "{'kind':'HostProjection','spec':{'path':"
	    "'p'}}");
	assert_null(head_make(NULL, OBJ_SECRET));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_external_secret),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_others),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
