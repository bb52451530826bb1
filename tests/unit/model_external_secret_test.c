/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model_test.h"

#include "model/external_secret.h"

#define HEAD "'apiVersion':'external-secrets.io/v1','kind':'ExternalSecret'," \
	"'metadata':{'name':'es'}"

static struct external_secret *
parse(const char *spec, struct findings *f)
{
	cleanup_free char *text = str_fmt("{" HEAD ",'spec':%s}", spec);
	cleanup_json struct json *j = quoted(text);
	cleanup_err struct err err = ERR_INIT;
	struct external_secret *es = NULL;

	assert_int_equal(es_parse(j, "default", &es, f, &err), 0);
	return (es);
}

/* What the CRD and ESO's code fill in. */
static void
test_defaults(void **state)
{
	struct findings f = { 0 };
	struct external_secret *es = parse("{'secretStoreRef':{'name':'st'},"
	    "'data':[{'secretKey':'a','remoteRef':{'key':'k'}}],"
	    "'target':{'template':{}}}", &f);

	(void)state;
	assert_int_equal(f.n, 0);
	assert_string_equal(es->meta.ns, "default");
	assert_string_equal(es->store.kind, "SecretStore");
	assert_string_equal(es->target_name, "es");
	assert_int_equal(es->creation, ES_OWNER);
	assert_int_equal(es->deletion, ES_RETAIN);
	assert_int_equal(es->refresh, ES_PERIODIC);
	assert_int_equal(es->refresh_interval_ms, 3600000);
	assert_int_equal(es->window.n, 0);
	assert_string_equal(es->data[0].remote.conversion, "");
	assert_string_equal(es->data[0].remote.decoding, "");
	assert_string_equal(es->data[0].remote.null_byte, "");
	assert_int_equal(es->data[0].has_source, 0);
	assert_string_equal(es->data[0].store.name, "");
	assert_non_null(es->tmpl);
	assert_string_equal(es->tmpl->engine_version, "v2");
	assert_string_equal(es->tmpl->merge_policy, "Replace");
	assert_string_equal(es->tmpl->type, "");
	assert_null(es->tmpl->data);
	assert_string_equal(es->manifest_kind, "");
	es_free(es);
}

/* Objects that ESO 2.8 stored say every default; nothing may differ but the
 * words themselves, which mean the same. */
static void
test_stored_by_older(void **state)
{
	struct findings f = { 0 };
	struct external_secret *es = parse("{'secretStoreRef':{'name':'st',"
	    "'kind':'SecretStore'},'refreshInterval':'1h0m0s',"
	    "'refreshPolicy':'Periodic','target':{'creationPolicy':'Owner',"
	    "'deletionPolicy':'Retain','template':{'engineVersion':'v2',"
	    "'mergePolicy':'Replace'}},'data':[{'secretKey':'a','remoteRef':"
	    "{'key':'k','conversionStrategy':'Default','decodingStrategy':"
	    "'None','metadataPolicy':'None','nullBytePolicy':'Ignore'}}]}", &f);

	(void)state;
	assert_int_equal(f.n, 0);
	assert_int_equal(es->refresh_interval_ms, 3600000);
	assert_int_equal(es->creation, ES_OWNER);
	assert_string_equal(es->data[0].remote.conversion, "Default");
	assert_string_equal(es->data[0].remote.metadata_policy, "None");
	es_free(es);
}

static void
test_target(void **state)
{
	static const struct { const char *word; int code; } creations[] = {
		{ "Owner", ES_OWNER }, { "Orphan", ES_ORPHAN },
		{ "Merge", ES_MERGE }, { "None", ES_NONE },
		{ "CreateOrMerge", ES_CREATE_OR_MERGE } };
	static const struct { const char *word; int code; } deletions[] = {
		{ "Retain", ES_RETAIN }, { "Delete", ES_DELETE },
		{ "Merge", ES_DELETION_MERGE } };
	struct external_secret *es;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(creations); i++) {
		cleanup_free char *s = str_fmt("{'target':{'creationPolicy':"
		    "'%s','name':'other','immutable':true}}",
		    creations[i].word);

		es = parse(s, NULL);
		assert_int_equal(es->creation, creations[i].code);
		assert_string_equal(es->target_name, "other");
		assert_int_equal(es->immutable, 1);
		es_free(es);
	}
	for (size_t i = 0; i < ARRAY_LEN(deletions); i++) {
		cleanup_free char *s = str_fmt("{'target':{'deletionPolicy':"
		    "'%s','manifest':{'apiVersion':'v1','kind':'ConfigMap'}}}",
		    deletions[i].word);

		es = parse(s, NULL);
		assert_int_equal(es->deletion, deletions[i].code);
		assert_string_equal(es->manifest_api_version, "v1");
		assert_string_equal(es->manifest_kind, "ConfigMap");
		es_free(es);
	}
}

static void
test_data(void **state)
{
	struct external_secret *es = parse("{'data':[{'secretKey':'a',"
	    "'remoteRef':{'key':'k','property':'p.q','version':'v2',"
	    "'conversionStrategy':'Unicode','decodingStrategy':'Base64URL',"
	    "'metadataPolicy':'Fetch','nullBytePolicy':'Fail'},"
	    "'sourceRef':{'storeRef':{'name':'css',"
	    "'kind':'ClusterSecretStore'}}},{'secretKey':'b','remoteRef':"
	    "{'key':''},'sourceRef':{'generatorRef':{'kind':'Fake',"
	    "'name':'g'}}}]}", NULL);

	(void)state;
	assert_int_equal(es->ndata, 2);
	assert_string_equal(es->data[0].secret_key, "a");
	assert_string_equal(es->data[0].remote.property, "p.q");
	assert_string_equal(es->data[0].remote.version, "v2");
	assert_string_equal(es->data[0].remote.conversion, "Unicode");
	assert_string_equal(es->data[0].remote.decoding, "Base64URL");
	assert_string_equal(es->data[0].remote.metadata_policy, "Fetch");
	assert_string_equal(es->data[0].remote.null_byte, "Fail");
	assert_int_equal(es->data[0].has_source, 1);
	assert_string_equal(es->data[0].store.kind, "ClusterSecretStore");
	assert_string_equal(es->data[0].generator.name, "");
	assert_string_equal(es->data[1].generator.kind, "Fake");
	assert_string_equal(es->data[1].generator.api_version,
	    "generators.external-secrets.io/v1alpha1");
	assert_string_equal(es->data[1].store.name, "");
	es_free(es);
}

static void
test_data_from(void **state)
{
	struct external_secret *es = parse("{'dataFrom':["
	    "{'extract':{'key':'k','property':'p'},'rewrite':["
	    "{'regexp':{'source':'a(.*)','target':'$1'}},"
	    "{'transform':{'template':'{{ .value }}'}},"
	    "{'merge':{}},{'merge':{'into':'all','priority':['x','y'],"
	    "'priorityPolicy':'IgnoreNotFound','conflictPolicy':'Ignore',"
	    "'strategy':'JSON'}}]},"
	    "{'find':{'path':'/a','name':{'regexp':'^x'},'tags':{'t':'1'},"
	    "'decodingStrategy':'Auto'}},"
	    "{'find':{'name':{}}},{'find':{}},"
	    "{'sourceRef':{'generatorRef':{'kind':'UUID','name':'g'}}},"
	    "{'sourceRef':{'storeRef':{'name':'s'}}},"
	    "{'find':{},'extract':{'key':'k'}}]}", NULL);

	(void)state;
	assert_int_equal(es->nfrom, 7);
	assert_int_equal(es->from[0].kind, ES_FROM_EXTRACT);
	assert_string_equal(es->from[0].extract.property, "p");
	assert_int_equal(es->from[0].nrewrite, 4);
	assert_int_equal(es->from[0].rewrite[0].kind, REWRITE_REGEXP);
	assert_string_equal(es->from[0].rewrite[0].target, "$1");
	assert_int_equal(es->from[0].rewrite[1].kind, REWRITE_TRANSFORM);
	assert_string_equal(es->from[0].rewrite[1].template_text,
	    "{{ .value }}");
	assert_int_equal(es->from[0].rewrite[2].kind, REWRITE_MERGE);
	assert_string_equal(es->from[0].rewrite[2].strategy, "Extract");
	assert_string_equal(es->from[0].rewrite[2].priority_policy, "Strict");
	assert_string_equal(es->from[0].rewrite[2].conflict_policy, "Error");
	assert_int_equal(es->from[0].rewrite[3].npriority, 2);
	assert_string_equal(es->from[0].rewrite[3].priority[1], "y");
	assert_string_equal(es->from[0].rewrite[3].into, "all");
	assert_int_equal(es->from[1].kind, ES_FROM_FIND);
	assert_string_equal(es->from[1].find.path, "/a");
	assert_string_equal(es->from[1].find.name_regexp, "^x");
	assert_string_equal(strmap_get(es->from[1].find.tags, "t"), "1");
	assert_string_equal(es->from[1].find.decoding, "Auto");
	assert_string_equal(es->from[2].find.name_regexp, "");
	assert_null(es->from[3].find.name_regexp);
	assert_null(es->from[3].find.path);
	assert_null(es->from[3].find.tags);
	assert_int_equal(es->from[4].kind, ES_FROM_GENERATOR);
	assert_string_equal(es->from[4].generator.kind, "UUID");
	assert_int_equal(es->from[5].kind, ES_FROM_NOTHING);
	assert_string_equal(es->from[5].store.kind, "SecretStore");
	assert_int_equal(es->from[6].kind, ES_FROM_FIND);
	es_free(es);
}

static void
test_template(void **state)
{
	struct external_secret *es = parse("{'target':{'template':{"
	    "'type':'kubernetes.io/tls','mergePolicy':'Merge',"
	    "'metadata':{'labels':{'a':'1'},'annotations':{'b':'2'},"
	    "'finalizers':['x/y']},'data':{'k':'{{ .v }}'},'templateFrom':["
	    "{'configMap':{'name':'cm','items':[{'key':'a'},{'key':'b',"
	    "'templateAs':'KeysAndValues'}]},'target':'Labels'},"
	    "{'literal':'x: y','valuesDecodingStrategy':'Base64'},"
	    "{'literal':'l','secret':{'name':'s','items':[]},"
	    "'configMap':{'name':'c','items':[{'key':'k'}]},'target':''},"
	    "{}]}}}", NULL);
	const struct es_template *t = es->tmpl;

	(void)state;
	assert_string_equal(t->type, "kubernetes.io/tls");
	assert_string_equal(t->merge_policy, "Merge");
	assert_string_equal(strmap_get(t->labels, "a"), "1");
	assert_string_equal(strmap_get(t->annotations, "b"), "2");
	assert_string_equal(t->finalizers[0], "x/y");
	assert_string_equal(strmap_get(t->data, "k"), "{{ .v }}");
	/* The third entry is three things, in ESO's order; the last nothing. */
	assert_int_equal(t->nfrom, 6);
	assert_string_equal(t->from[0].kind, "ConfigMap");
	assert_string_equal(t->from[0].items[0].as, "Values");
	assert_string_equal(t->from[0].items[1].as, "KeysAndValues");
	assert_string_equal(t->from[0].target, "Labels");
	assert_null(t->from[0].literal);
	assert_string_equal(t->from[1].literal, "x: y");
	assert_string_equal(t->from[1].target, "Data");
	assert_string_equal(t->from[1].decoding, "Base64");
	assert_string_equal(t->from[1].name, "");
	assert_string_equal(t->from[2].kind, "ConfigMap");
	assert_string_equal(t->from[2].target, "");
	assert_string_equal(t->from[3].kind, "Secret");
	assert_string_equal(t->from[3].name, "s");
	assert_string_equal(t->from[4].literal, "l");
	assert_string_equal(t->from[5].kind, "");
	assert_null(t->from[5].literal);
	es_free(es);
}

static void
test_refresh_fields(void **state)
{
	struct external_secret *es = parse("{'refreshPolicy':'OnChange',"
	    "'refreshInterval':'90s','syncWindows':{'kind':'deny','windows':["
	    "{'schedule':'0 22 * * 1-5','duration':'8h'},"
	    "{'schedule':'@daily','duration':'30m'}]}}", NULL);
	struct external_secret *tiny = parse("{'refreshInterval':'100us'}",
	    NULL);
	struct external_secret *zero = parse("{'refreshInterval':'0'}", NULL);

	(void)state;
	assert_int_equal(es->refresh, ES_ON_CHANGE);
	assert_int_equal(es->refresh_interval_ms, 90000);
	assert_string_equal(es->window.kind, "deny");
	assert_int_equal(es->window.n, 2);
	assert_string_equal(es->window.windows[0].schedule, "0 22 * * 1-5");
	assert_int_equal(es->window.windows[1].duration_ms, 1800000);
	/* Short is not "never". */
	assert_int_equal(tiny->refresh_interval_ms, 1);
	assert_int_equal(zero->refresh_interval_ms, 0);
	es_free(es);
	es_free(tiny);
	es_free(zero);
}

static void
collect(void *arg, const struct store_ref *ref)
{
	struct buf *b = arg;

	buf_addf(b, "%s/%s ", ref->kind, ref->name);
}

static void
test_stores(void **state)
{
	struct external_secret *es = parse("{'secretStoreRef':{'name':'a'},"
	    "'data':[{'secretKey':'x','remoteRef':{'key':'k'},'sourceRef':"
	    "{'storeRef':{'name':'b'}}},{'secretKey':'y','remoteRef':"
	    "{'key':'k'}},{'secretKey':'z','remoteRef':{'key':'k'},"
	    "'sourceRef':{'storeRef':{'name':'a'}}}],'dataFrom':[{'extract':"
	    "{'key':'k'},'sourceRef':{'storeRef':{'name':'a',"
	    "'kind':'ClusterSecretStore'}}}]}", NULL);
	cleanup_buf struct buf b = BUF_PLAIN(1024);

	(void)state;
	es_stores(es, collect, &b);
	assert_string_equal(buf_str(&b), "SecretStore/a SecretStore/b "
	    "ClusterSecretStore/a ");
	es_free(es);
}

/* Python: hashlib.sha3_224(b"{annotations:map[a:1 x b:2] labels:map[…]}"). */
static void
test_synced_version(void **state)
{
	cleanup_json struct json *bare = quoted("{" HEAD "}");
	cleanup_json struct json *full = quoted("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'ExternalSecret','metadata':{"
	    "'name':'es','generation':12,'annotations':{'b':'2','a':'1 x'},"
	    "'labels':{'app.kubernetes.io/name':'web'}}}");
	struct external_secret *es;
	char *v;

	(void)state;
	assert_int_equal(es_parse(bare, "", &es, NULL, NULL), 0);
	v = es_synced_version(es);
	assert_string_equal(v, "0-f47fe3c0b255b6dd8047cdffa772"
	    "587bb829efe7a1cb70febeda2eb2");
	free(v);
	es_free(es);
	assert_int_equal(es_parse(full, "", &es, NULL, NULL), 0);
	v = es_synced_version(es);
	assert_string_equal(v, "12-2c27e9c9778ad9fc105c6883efab"
	    "1b1c46158c7af88f4a5d9769b8d2");
	free(v);
	es_free(es);
}

static void
test_unknown_fields(void **state)
{
	struct findings f = { 0 };
	struct external_secret *es = parse("{'secretStoreref':{'name':'a'},"
	    "'data':[{'secretKey':'x','remoteRef':{'key':'k',"
	    "'propertie':'p'}}],'target':{'templates':{}}}", &f);

	(void)state;
	assert_true(found(&f, FINDING_WARN, "spec.secretStoreref",
	    "unknown field"));
	assert_true(found(&f, FINDING_WARN, "spec.data[0].remoteRef.propertie",
	    "unknown field"));
	assert_true(found(&f, FINDING_WARN, "spec.target.templates",
	    "unknown field"));
	assert_int_equal(f.n, 3);
	for (size_t i = 0; i < f.n; i++)
		assert_memory_equal(f.v[i].remedy, "did you mean", 12);
	findings_clear(&f);
	es_free(es);
}

/* Nothing usable is an error, everything else a struct with findings. */
static void
test_broken(void **state)
{
	static const char *const specs[] = { "null", "[]", "5", "{'data':5}",
		"{'data':[5,null,[]]}", "{'dataFrom':[{'rewrite':[{}]}]}",
		"{'target':[]}",
		"{'target':{'template':{'templateFrom':[1,{}]}}}",
		("{'target':{'template':{'templateFrom':[{'configMap':5,"
		"'secret':{'items':{}}}]}}}"),
		"{'syncWindows':{'windows':[{}]}}",
		"{'refreshInterval':{}}" };
	cleanup_json struct json *store = quoted("{'apiVersion':"
	    "'external-secrets.io/v1','kind':'SecretStore','metadata':"
	    "{'name':'x'}}");
	struct external_secret *es = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct findings f = { 0 };

		es = parse(specs[i], &f);
		assert_non_null(es);
		assert_non_null(findings_first(&f, FINDING_REJECT));
		assert_string_equal(es->store.kind, "SecretStore");
		assert_int_equal(es->refresh_interval_ms, 3600000);
		findings_clear(&f);
		es_free(es);
	}
	assert_int_equal(es_parse(store, "", &es, NULL, NULL), -1);
	assert_int_equal(es_parse(NULL, "", &es, NULL, NULL), -1);
	es_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_stored_by_older),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_data_from),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_refresh_fields),
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_synced_version),
		cmocka_unit_test(test_unknown_fields),
		cmocka_unit_test(test_broken),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
