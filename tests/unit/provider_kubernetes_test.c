/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/kubernetes_internal.h"
#include "provider/provider.h"

/* a: x; b.c: plain; doc: {"u":"<m&m>","n":1e3,"o":{"z":1,"a":[true]}};
 * bin: ff 00 */
static const char secret[] = "{\"kind\":\"Secret\",\"metadata\":{\"name\":"
    "\"s\",\"labels\":{\"team\":\"red\",\"app\":\"web\"},\"annotations\":"
    "{\"note\":\"{\\\"k\\\":{\\\"d\\\":7}}\"}},\"data\":{\"b.c\":"
    "\"cGxhaW4=\",\"a\":\"eA==\",\"doc\":"
    "\"eyJ1IjoiPG0mbT4iLCJuIjoxZTMsIm8iOnsieiI6MSwiYSI6W3RydWVdfX0=\","
    "\"bin\":\"/wA=\"}}";
static const char bare[] = "{\"metadata\":{\"name\":\"s\"}}";

static struct json *
parsed(const char *s)
{
	struct json *j = json_parse(s, strlen(s), NULL);

	assert_non_null(j);
	return (j);
}

static struct remote_ref
ref_of(const char *property, int fetch)
{
	static char key[] = "s", none[] = "None", fetched[] = "Fetch";
	static char text[256];

	strcpy(text, property);
	return ((struct remote_ref){ .key = key, .property = text,
		.metadata_policy = fetch ? fetched : none });
}

static void
test_get(void **state)
{
	static const struct {
		const char *property, *value;	/* NULL: does not exist */
		int fetch;
	} rows[] = {
		{ "", "{\"a\":\"x\",\"b.c\":\"plain\",\"bin\":"
		    "\"\\ufffd\\u0000\",\"doc\":\"{\\\"u\\\":\\\"<m&m>\\\","
		    "\\\"n\\\":1e3,\\\"o\\\":{\\\"z\\\":1,\\\"a\\\":[true]}}"
		    "\"}", 0 },
		{ "a", "x", 0 },
		{ "b.c", "plain", 0 },
		{ "doc.u", "<m&m>", 0 },
		{ "doc.n", "1000", 0 },
		{ "doc.o", "{\"z\":1,\"a\":[true]}", 0 },
		{ "doc.o.a.0", "true", 0 },
		{ "doc.none", NULL, 0 },
		{ "none", NULL, 0 },
		{ ".a", NULL, 0 },
		{ "a.", NULL, 0 },
		{ "labels", NULL, 0 },
		{ "", "{\"annotations\":{\"note\":\"{\\\"k\\\":{\\\"d\\\":7}}"
		    "\"},\"labels\":{\"app\":\"web\",\"team\":\"red\"}}", 1 },
		{ "labels", "{\"app\":\"web\",\"team\":\"red\"}", 1 },
		{ "labels.team", "red", 1 },
		{ "labels.none", NULL, 1 },
		{ "annotations.note", "{\"k\":{\"d\":7}}", 1 },
		{ "annotations.note.k", "{\"d\":7}", 1 },
		/* ESO joins what is left without its dots */
		{ "annotations.note.k.d", NULL, 1 },
		{ "a", NULL, 1 },
	};
	cleanup_json struct json *s = parsed(secret);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct remote_ref ref = ref_of(rows[i].property,
		    rows[i].fetch);
		cleanup_buf struct buf out = BUF_SECRET(K8S_VALUE_MAX);
		cleanup_err struct err err = ERR_INIT;

		assert_int_equal(k8s_value(s, &ref, &out, &err),
		    rows[i].value != NULL ? 0 : -1);
		if (rows[i].value != NULL)
			assert_string_equal(buf_str(&out), rows[i].value);
		else
			assert_non_null(strstr(err_msg(&err), rows[i].fetch ?
			    "does not exist in metadata of secret \"s\"" :
			    "does not exist in data of secret \"s\""));
	}
}

static void
test_get_nothing(void **state)
{
	cleanup_json struct json *s = parsed(bare);
	cleanup_json struct json *odd = parsed("{\"data\":{\"a\":\"?\"}}");
	cleanup_err struct err err = ERR_INIT;
	struct remote_ref ref = ref_of("", 0);
	cleanup_buf struct buf out = BUF_SECRET(K8S_VALUE_MAX);

	(void)state;
	assert_int_equal(k8s_value(s, &ref, &out, &err), 0);
	assert_string_equal(buf_str(&out), "{}");
	buf_cut(&out, 0);
	ref = ref_of("", 1);
	assert_int_equal(k8s_value(s, &ref, &out, &err), 0);
	assert_string_equal(buf_str(&out),
	    "{\"annotations\":null,\"labels\":null}");
	ref = ref_of("", 0);
	assert_int_equal(k8s_value(odd, &ref, &out, &err), -1);
	assert_null(strstr(err_msg(&err), "?"));
}

static void
test_get_map(void **state)
{
	static const struct {
		const char *property, *keys;	/* or the failure */
		int fetch, fails;
	} rows[] = {
		{ "", "a=x b.c=plain bin=\xff doc={\"u\":\"<m&m>\",\"n\":1e3,"
		    "\"o\":{\"z\":1,\"a\":[true]}} ", 0, 0 },
		/* numbers through float64, strings keep their quotes */
		{ "doc", "n=1000 o={\"a\":[true],\"z\":1} u=\"<m&m>\" ", 0,
		    0 },
		{ "labels", "app=\"web\" team=\"red\" ", 1, 0 },
		{ "", "annotations={\"note\":\"{\\\"k\\\":{\\\"d\\\":7}}\"} "
		    "labels={\"app\":\"web\",\"team\":\"red\"} ", 1, 0 },
		{ "none", "property none does not exist in key s", 0, 1 },
		{ "a", "failed to unmarshal secret: invalid JSON format", 0,
		    1 },
		{ "b.c", "failed to unmarshal secret: invalid JSON format", 0,
		    1 },
	};
	cleanup_json struct json *s = parsed(secret);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct remote_ref ref = ref_of(rows[i].property,
		    rows[i].fetch);
		cleanup_err struct err err = ERR_INIT;
		cleanup_buf struct buf out = BUF_SECRET(65536);
		cleanup_free const char **keys = NULL;
		cleanup_kv struct kv kv;
		size_t n;

		kv_init(&kv);
		assert_int_equal(k8s_values(s, &ref, &kv, &err),
		    rows[i].fails ? -1 : 0);
		keys = strmap_sorted(kv.map, &n);
		for (size_t k = 0; k < n && !rows[i].fails; k++)
			buf_addf(&out, "%s=%s ", keys[k],
			    (const char *)secret_data(kv_get(&kv, keys[k])));
		assert_string_equal(rows[i].fails ? err_msg(&err) :
		    buf_str(&out), rows[i].keys);
	}
}

static void
free_text(void *p)
{
	free(p);
}

static void
test_selector(void **state)
{
	cleanup_strmap struct strmap *tags = strmap_new(free_text);
	cleanup_free char *all = NULL, *two = NULL, *bad = NULL;
	cleanup_err struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(k8s_selector(tags, &all, &err), 0);
	assert_string_equal(all, "");
	strmap_put(tags, "team", str_dup("red"));
	strmap_put(tags, "a.b/c", str_dup(""));
	assert_int_equal(k8s_selector(tags, &two, &err), 0);
	assert_string_equal(two, "&labelSelector=a.b%2Fc%3D%2Cteam%3Dred");
	strmap_put(tags, "x", str_dup("a,b!=c"));
	assert_int_equal(k8s_selector(tags, &bad, &err), -1);
	assert_non_null(strstr(err_msg(&err), "values[0][x]: Invalid value: "));
	assert_null(bad);
}

static void
test_rules(void **state)
{
#define RULE(groups, resources, verbs)					\
	"{\"status\":{\"resourceRules\":["				\
	"{\"apiGroups\":[\"apps\"],\"resources\":[\"*\"],\"verbs\":[\"*\"]}," \
	"{\"apiGroups\":[" groups "],\"resources\":[" resources "],"	\
	"\"verbs\":[" verbs "]}]}}"
	static const struct {
		const char *review;
		int may;
	} rows[] = {
		{ RULE("\"\"", "\"secrets\"", "\"get\""), 1 },
		{ RULE("\"*\"", "\"*\"", "\"*\""), 1 },
		{ RULE("", "\"pods\",\"secrets\"", "\"list\",\"get\""), 1 },
		{ RULE("\"\"", "\"secrets\"", "\"list\""), 0 },
		{ RULE("\"\"", "\"configmaps\"", "\"get\""), 0 },
		{ RULE("\"x\"", "\"secrets\"", "\"get\""), 0 },
		{ "[]", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_json struct json *j = parsed(rows[i].review);

		assert_int_equal(k8s_rules_allow(j), rows[i].may);
	}
	assert_int_equal(k8s_rules_allow(NULL), 0);
}

/* --- the store ------------------------------------------------------------ */

#define SS "SecretStore\",\"metadata\":{\"name\":\"s\",\"namespace\":\"shop\"}"
#define CSS "ClusterSecretStore\",\"metadata\":{\"name\":\"s\"}"

static struct store *
store_of(const char *head, const char *spec)
{
	cleanup_free char *s = str_fmt("{\"apiVersion\":"
	    "\"external-secrets.io/v1\",\"kind\":\"%s,\"spec\":{\"provider\":"
	    "{\"kubernetes\":{%s}}}}", head, spec);
	cleanup_json struct json *j = parsed(s);
	struct store *ret = NULL;

	assert_int_equal(store_parse(j, "", &ret, NULL, NULL), 0);
	return (ret);
}

static void
test_check(void **state)
{
	static const struct {
		const char *head, *spec, *what;		/* NULL: fine */
	} rows[] = {
		{ SS, "\"auth\":{\"token\":{\"bearerToken\":{\"name\":\"t\","
		    "\"key\":\"k\"}}}", NULL },
		{ CSS, "\"auth\":{\"serviceAccount\":{\"name\":\"t\"}}",
		    NULL },
		{ SS, "\"auth\":{\"token\":{\"bearerToken\":{\"key\":\"k\"}}}",
		    "BearerToken.Name cannot be empty" },
		{ SS, "\"auth\":{\"cert\":{\"clientCert\":{\"name\":\"t\"},"
		    "\"clientKey\":{}}}", "ClientCert.Key cannot be empty" },
		{ CSS, "\"auth\":{\"token\":{\"bearerToken\":{\"name\":\"t\","
		    "\"key\":\"k\"}}}", "cluster scope requires namespace" },
		{ SS, "\"auth\":{\"serviceAccount\":{\"name\":\"t\","
		    "\"namespace\":\"other\"}}", "namespace should either be "
		    "empty or match the namespace of the SecretStore for a "
		    "namespaced SecretStore" },
		{ SS, "\"server\":{\"caProvider\":{\"type\":\"Secret\","
		    "\"name\":\"c\",\"key\":\"k\",\"namespace\":\"shop\"}}",
		    "CAProvider.namespace must be empty with SecretStore" },
		{ CSS, "\"server\":{\"caProvider\":{\"type\":\"Secret\","
		    "\"name\":\"c\",\"key\":\"k\"}}", "CAProvider.namespace "
		    "must not be empty with ClusterSecretStore" },
		{ SS, "\"auth\":{}", "Invalid value: 0: spec.provider."
		    "kubernetes.auth in body should have at least 1 "
		    "properties" },
		{ SS, "\"auth\":{\"serviceAccount\":{\"name\":\"a\"},"
		    "\"token\":{\"bearerToken\":{\"name\":\"t\",\"key\":\"k\"}"
		    "}}", "Too many: 2: must have at most 1 item" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store *s = store_of(rows[i].head, rows[i].spec);
		const struct finding *bad;
		struct findings f = { 0 };

		provider_check(s, &f);
		bad = findings_first(&f, FINDING_ERROR);
		if (rows[i].what == NULL && bad != NULL)
			fail_msg("%s: %s", rows[i].spec, bad->what);
		if (rows[i].what != NULL)
			assert_string_equal(bad != NULL ? bad->what : "",
			    rows[i].what);
		findings_clear(&f);
		store_free(s);
	}
}

static void
host_is(const char *spec, const char *want)
{
	struct store *s = store_of(SS, spec);
	cleanup_free char *got = provider_find("kubernetes")->host(s);

	assert_string_equal(str_or(got, "none"), want);
	store_free(s);
}

static void
test_host(void **state)
{
	(void)state;
	host_is("", "kubernetes.default:443");
	host_is("\"server\":{\"url\":\"https://k8s.example:6443\"}",
	    "k8s.example:6443");
	/* never in the clear by accident */
	host_is("\"server\":{\"url\":\"k8s.example:80\"}", "k8s.example:80");
	host_is("\"authRef\":{\"name\":\"a\",\"key\":\"k\"}", "none");
}

static void
open_fails(const char *head, const char *spec, enum err_kind kind,
    const char *words)
{
	static const char kubeconfig[] = "{\"apiVersion\":\"v1\",\"kind\":"
	    "\"Secret\",\"metadata\":{\"name\":\"kc\",\"namespace\":\"shop\"},"
	    "\"stringData\":{\"k\":\"current-context: a\\ncontexts:\\n- name: "
	    "a\\n  context: {cluster: c, user: u}\\nclusters:\\n- name: c\\n  "
	    "cluster: {server: 'https://h'}\\nusers:\\n- name: u\\n  user: "
	    "{tokenFile: /etc/hostname}\\n\"}}";
	struct store *s = store_of(head, spec);
	cleanup_err struct err err = ERR_INIT;
	struct provider_conn *c = NULL;
	struct objects objects;
	struct provider_env env = { .store = s, .es_namespace = "shop",
		.objects = &objects };

	objects_init(&objects);
	assert_int_equal(objects_put(&objects, parsed(kubeconfig), "", NULL),
	    0);
	objects_lack(&objects, "Secret/shop/denied", ERR_DENIED,
	    "may not get secrets in namespace shop");
	assert_int_equal(provider_find("kubernetes")->open(&env, &c, &err),
	    -1);
	assert_int_equal(err.kind, kind);
	if (strstr(err_msg(&err), words) == NULL)
		fail_msg("%s: not in: %s", words, err_msg(&err));
	provider_env_clear(&env);
	objects_clear(&objects);
	store_free(s);
}

static void
test_open_fails(void **state)
{
	(void)state;
	open_fails(SS, "\"auth\":{\"token\":{\"bearerToken\":{\"name\":\"t\","
	    "\"key\":\"k\"}}}", ERR_NOTFOUND, "failed to prepare auth: could "
	    "not fetch Auth.Token.BearerToken: cannot get Kubernetes secret "
	    "\"t\" from namespace \"shop\": secrets \"t\" not found");
	open_fails(SS, "\"auth\":{\"token\":{\"bearerToken\":{\"name\":"
	    "\"denied\",\"key\":\"k\"}}}", ERR_DENIED, "secret \"denied\" "
	    "from namespace \"shop\": may not get secrets");
	open_fails(CSS, "\"auth\":{\"serviceAccount\":{\"name\":\"a\","
	    "\"audiences\":[\"remote\"]}}", ERR_NOTFOUND, "could not fetch "
	    "Auth.ServiceAccount: serviceAccountRef: token of service account "
	    "\"a\" in namespace \"shop\": no API server gave one");
	open_fails(SS, "\"auth\":{\"other\":{}}", ERR_INVALID,
	    "no auth provider given");
	/* a tenant's kubeconfig opens no file of this machine */
	open_fails(SS, "\"authRef\":{\"name\":\"kc\",\"key\":\"k\"}",
	    ERR_INVALID, "tokenFile: names a file of this machine");
	open_fails(SS, "\"server\":{\"url\":\"ftp://h\"}", ERR_INVALID,
	    "error configuring clientset");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_nothing),
		cmocka_unit_test(test_get_map),
		cmocka_unit_test(test_selector),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_open_fails),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
