/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/mem.h"
#include "provider/provider.h"
#include "provider/registry.h"

/* Settings tables, ValidateStore's rules, references. */

static struct store *
store_of(const char *kind, const char *provider)
{
	char *text = str_fmt("{\"apiVersion\":\"external-secrets.io/v1\","
	    "\"kind\":\"%s\",\"metadata\":{\"name\":\"st\"},\"spec\":{"
	    "\"provider\":{%s}}}", kind, provider);
	struct err err = ERR_INIT;
	struct json *obj = json_parse(text, strlen(text), &err);
	struct store *s = NULL;

	if (obj == NULL || store_parse(obj, "shop", &s, NULL, &err) == -1)
		fail_msg("%s: %s", text, err_msg(&err));
	json_free(obj);
	free(text);
	return (s);
}

/* "LEVEL FIELD: WHAT | …" of all findings, the caller's. */
static char *
findings_of(const char *kind, const char *provider)
{
	static const char letter[] = "WER";
	struct store *s = store_of(kind, provider);
	struct findings f = { 0 };
	struct buf b = BUF_PLAIN(65536);

	provider_check(s, &f);
	for (size_t i = 0; i < f.n; i++)
		buf_addf(&b, "%s%c %s: %s", i ? " | " : "",
		    letter[f.v[i].level], f.v[i].field, f.v[i].what);
	findings_clear(&f);
	store_free(s);
	return (b.len > 0 ? buf_take(&b) : str_dup(""));
}

struct row {
	const char *kind, *provider, *want;
};

#define URL "\"server\":\"http://x\""
#define SS "SecretStore"
#define CSS "ClusterSecretStore"
#define NS_TEXT ": namespace should either be empty or match the "	\
	"namespace of the SecretStore for a namespaced SecretStore"
#define AT "spec.provider."

static const struct row rows[] = {
	{ SS, "\"vault\":{\"server\":\"https://v\"}", "" },
	{ SS, "\"vault\":{\"server\":\"https://v\",\"auth\":{\"appRole\":{"
	    "\"roleId\":\"r\",\"secretRef\":{\"name\":\"a\",\"key\":\"k\"}}}}",
	    "" },
	{ SS, "\"vault\":{}", "R " AT "vault.server: Required value" },
	{ SS, "\"vault\":{\"server\":7}", "R " AT "vault.server: Invalid "
	    "value: \"integer\": " AT "vault.server in body must be of type "
	    "string: \"integer\"" },
	{ SS, "\"vault\":{" URL ",\"version\":\"v3\"}", "R " AT
	    "vault.version: Unsupported value: \"v3\": supported values: "
	    "\"v1\", \"v2\"" },
	{ SS, "\"vault\":{" URL ",\"readYourWrites\":\"yes\"}", "R "
	    AT "vault.readYourWrites: Invalid value: \"string\": " AT
	    "vault.readYourWrites in body must be of type boolean: "
	    "\"string\"" },
	{ SS, "\"vault\":{" URL ",\"serverr\":\"y\",\"auth\":{"
	    "\"approle\":{}}}", "W " AT "vault.serverr: unknown field | W " AT
	    "vault.auth.approle: unknown field" },
	{ SS, "\"vault\":{" URL ",\"auth\":{\"appRole\":{"
	    "\"roleId\":\"r\",\"secretRef\":{\"name\":\"A_b\"}}}}", "R " AT
	    "vault.auth.appRole.secretRef.name: Invalid value: \"A_b\": " AT
	    "vault.auth.appRole.secretRef.name in body should match "
	    "'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)"
	    "*$'" },
	{ SS, "\"vault\":{" URL ",\"caProvider\":{\"type\":\"File\","
	    "\"name\":\"a\"}}", "R " AT "vault.caProvider.type: Unsupported "
	    "value: \"File\": supported values: \"Secret\", \"ConfigMap\"" },
	{ SS, "\"vault\":{" URL ",\"auth\":{\"appRole\":{"
	    "\"secretRef\":{\"name\":\"a\"}}}}", "R " AT "vault.auth.appRole: "
	    "invalid Auth.AppRole: neither `roleId` nor `roleRef` was "
	    "supplied" },
	{ SS, "\"vault\":{" URL ",\"auth\":{\"jwt\":{\"role\":\"r\"}}"
	    "}", "R " AT "vault.auth.jwt: neither `secretRef` nor "
	    "`kubernetesServiceAccountToken` was supplied as token source for "
	    "jwt authentication" },
	{ SS, "\"vault\":{" URL ",\"tls\":{\"certSecretRef\":{"
	    "\"name\":\"a\"}}}", "R " AT "vault.tls: when provided, both "
	    "ClientTLS.ClientCert and ClientTLS.SecretRef should be "
	    "provided" },
	{ SS, "\"vault\":{" URL ",\"version\":\"v1\","
	    "\"checkAndSet\":{\"required\":true}}", "R " AT
	    "vault.checkAndSet: checkAndSet is not supported with Vault KV "
	    "version v1" },
	{ SS, "\"vault\":{" URL ",\"auth\":{\"tokenSecretRef\":{"
	    "\"name\":\"a\",\"namespace\":\"other\"}}}", "R " AT
	    "vault.auth.tokenSecretRef: invalid Auth.TokenSecretRef"
	    NS_TEXT },
	{ SS, "\"vault\":{" URL ",\"auth\":{\"tokenSecretRef\":{"
	    "\"name\":\"a\",\"namespace\":\"shop\"}}}", "" },
	{ CSS, "\"vault\":{" URL ",\"auth\":{\"tokenSecretRef\":{"
	    "\"name\":\"a\",\"namespace\":\"other\"}}}", "" },
	{ SS, "\"vault\":{\"server\":\"v:8200\",\"auth\":{\"iam\":{"
	    "\"vaultRole\":\"r\"}}}", "E " AT "vault.server: the URL does not "
	    "begin with https:// or http:// | E " AT "vault.auth.iam: logging "
	    "in with AWS credentials is not supported by this version" },
	{ SS, "\"openBao\":{" URL ",\"auth\":{}}", "R " AT
	    "openBao.auth: Invalid value: exactly one of the fields in "
	    "[appRole tokenSecretRef userPass] must be set" },
	{ SS, "\"openBao\":{" URL ",\"tls\":{}}", "W " AT
	    "openBao.tls: unknown field" },
	{ SS, "\"vault\":{" URL ",\"auth\":{\"tokenSecretRef\":{\"name\":"
	    "\"a\",\"key\":\"k\"}},\"caBundle\":\"-----BEGIN\"}", "R " AT
	    "vault.caBundle: Invalid value: \"-----BEGIN\": spec.provider."
	    "vault.caBundle in body must be of type byte: \"-----BEGIN\"" },
	{ SS, "\"kubernetes\":{\"remoteNamespace\":\"Not-Me\",\"auth\":{"
	    "\"serviceAccount\":{\"name\":\"a\"}}}", "R " AT "kubernetes."
	    "remoteNamespace: Invalid value: \"Not-Me\": spec.provider."
	    "kubernetes.remoteNamespace in body should match '^[a-z0-9]("
	    "[-a-z0-9]*[a-z0-9])?$'" },
	{ SS, "\"openBao\":{" URL ",\"caBundle\":\"UEVN\","
	    "\"caProvider\":{\"type\":\"Secret\",\"name\":\"a\"}}", "R " AT
	    "openBao: Invalid value: at most one of the fields in [caBundle "
	    "caProvider] may be set" },
	{ SS, "\"fake\":{\"data\":[{\"key\":\"a\",\"value\":\"b\","
	    "\"version\":\"1\"}]}", "" },
	{ SS, "\"fake\":{\"data\":[{\"key\":\"a\",\"value\":\"b\"},"
	    "{\"key\":\"\",\"value\":\"b\"},{\"key\":\"c\",\"value\":\"\"}]}",
	    "R " AT "fake.data[1]: key must be set in data 1 | R " AT
	    "fake.data[2]: at least one value must be set in data 2" },
	{ SS, "\"fake\":{\"data\":[{\"key\":\"a\",\"value\":\"b\","
	    "\"valu\":1}]}", "W " AT "fake.data[0].valu: unknown field" },
	{ SS, "\"fake\":{}", "R " AT "fake.data: Required value" },
	{ SS, "\"gitlab\":{}", "E " AT "gitlab: provider \"gitlab\" is not "
	    "supported by this version" },
};

static void
test_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *got = findings_of(rows[i].kind, rows[i].provider);

		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s:\n got %s\nwant %s", rows[i].provider,
			    got, rows[i].want);
		free(got);
	}
}

static void
test_did_you_mean(void **state)
{
	struct store *s = store_of(SS,
	    "\"vault\":{" URL ",\"readYourWrite\":true}");
	struct findings f = { 0 };

	(void)state;
	provider_check(s, &f);
	assert_int_equal(f.n, 1);
	assert_string_equal(f.v[0].remedy, "did you mean \"readYourWrites\"?");
	findings_clear(&f);
	store_free(s);
}

/* Every setting has a parent, and the tables end. */
static void
test_tables(void **state)
{
	const struct provider *const *all;
	size_t n;

	(void)state;
	all = provider_all(&n);
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(provider_find(all[i]->name), all[i]);
		assert_true(provider_known(all[i]->name));
		for (const struct setting *s = all[i]->settings;
		    s->path != NULL; s++) {
			const char *dot = strrchr(s->path, '.');
			size_t len = dot ? (size_t)(dot - s->path) : 0;
			int found = dot == NULL;

			if (len > 2 && s->path[len - 1] == ']')
				len -= 2;
			for (const struct setting *p = all[i]->settings;
			    p->path != NULL && !found; p++)
				found = strlen(p->path) == len && strncmp(
				    p->path, s->path, len) == 0;
			assert_true(found);
		}
	}
	assert_int_equal(provider_nnames, 43);
	assert_null(provider_find("gitlab"));
	assert_true(provider_known("gitlab"));
	assert_false(provider_known("valt"));
	for (size_t i = 1; i < provider_nnames; i++)
		assert_true(strcasecmp(provider_names[i - 1],
		    provider_names[i]) < 0);
}

static void
note_ref(void *arg, const struct provider_ref *ref)
{
	buf_addf(arg, "%s/%s/%s ", ref->kind, ref->ns, ref->name);
	for (size_t i = 0; i < ref->naudiences; i++)
		buf_addf(arg, "@%s ", ref->audiences[i]);
}

static void
test_refs(void **state)
{
	static const char spec[] = "\"vault\":{" URL ","
	    "\"caProvider\":{\"type\":\"ConfigMap\",\"name\":\"ca\","
	    "\"namespace\":\"n1\"},\"tls\":{\"certSecretRef\":{\"name\":\"c\"}"
	    "},\"auth\":{\"appRole\":{\"roleRef\":{\"name\":\"r\","
	    "\"namespace\":\"n2\"},\"secretRef\":{\"name\":\"s\"}}}}";
	struct buf b = BUF_PLAIN(4096);
	struct store *s = store_of(CSS, spec);

	(void)state;
	provider_refs(s, note_ref, &b);
	assert_string_equal(buf_str(&b),
	    "ConfigMap/n1/ca Secret//c Secret/n2/r Secret//s ");
	store_free(s);
	buf_cut(&b, 0);
	s = store_of(SS, spec);
	provider_refs(s, note_ref, &b);
	assert_string_equal(buf_str(&b), "ConfigMap/shop/ca Secret/shop/c "
	    "Secret/shop/r Secret/shop/s ");
	store_free(s);
	buf_clear(&b);
}

/* Audiences as ESO adds them up: the account's, those beside it or "vault". */
static void
test_account_refs(void **state)
{
	static const struct {
		const char *auth, *want;
	} accounts[] = {
		{ "\"kubernetes\":{\"serviceAccountRef\":{\"name\":\"a\","
		    "\"audiences\":[\"x\",\"y\"]}}",
		    "ServiceAccountToken//a @x @y " },
		{ "\"kubernetes\":{\"serviceAccountRef\":{\"name\":\"a\","
		    "\"namespace\":\"n\"}}", "ServiceAccountToken/n/a " },
		{ "\"jwt\":{\"kubernetesServiceAccountToken\":{"
		    "\"serviceAccountRef\":{\"name\":\"a\"}}}",
		    "ServiceAccountToken//a @vault " },
		{ "\"jwt\":{\"kubernetesServiceAccountToken\":{"
		    "\"serviceAccountRef\":{\"name\":\"a\",\"audiences\":"
		    "[\"x\"]},\"audiences\":[\"z\"]}}",
		    "ServiceAccountToken//a @x @z " },
		/* nothing here logs in so */
		{ "\"iam\":{\"jwt\":{\"serviceAccountRef\":{\"name\":"
		    "\"a\"}}}", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		cleanup_free char *spec = str_fmt("\"vault\":{" URL
		    ",\"auth\":{%s}}", accounts[i].auth);
		struct buf b = BUF_PLAIN(4096);
		struct store *s = store_of(CSS, spec);

		provider_refs(s, note_ref, &b);
		assert_string_equal(buf_str(&b), accounts[i].want);
		store_free(s);
		buf_clear(&b);
	}
}

static void
test_host(void **state)
{
	struct store *s = store_of(SS,
	    "\"vault\":{\"server\":\"https://v.example\"}");
	char *host = provider_find("vault")->host(s);

	(void)state;
	assert_string_equal(host, "v.example:443");
	free(host);
	store_free(s);
	s = store_of(SS, "\"vault\":{\"server\":\"v.example\"}");
	assert_null(provider_find("vault")->host(s));
	store_free(s);
}

/* --- resolve ------------------------------------------------------------- */

static void
put(struct objects *o, const char *text)
{
	struct json *j = json_parse(text, strlen(text), NULL);

	assert_non_null(j);
	assert_int_equal(objects_put(o, j, "shop", NULL), 0);
}

static void
resolves(const struct provider_env *env, const char *ref, const char *def,
    const char *want)
{
	struct json *j = json_parse(ref, strlen(ref), NULL);
	struct secret *s = NULL;
	struct err err = ERR_INIT;

	if (provider_secret(env, j, def, &s, &err) == -1) {
		assert_string_equal(err_msg(&err), want);
	} else {
		assert_int_equal(secret_len(s), strlen(want));
		assert_memory_equal(secret_data(s), want, strlen(want));
	}
	secret_free(s);
	err_clear(&err);
	json_free(j);
}

static void
test_secret(void **state)
{
	struct objects o;
	struct provider_env env = { .objects = &o, .es_namespace = "shop" };

	(void)state;
	objects_init(&o);
	put(&o, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{"
	    "\"name\":\"a\"},\"data\":{\"k\":\"djE=\",\"both\":\"djI=\","
	    "\"bad\":\"%\"},\"stringData\":{\"both\":\"plain\"}}");
	put(&o, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{"
	    "\"name\":\"b\",\"namespace\":\"other\"},\"data\":"
	    "{\"k\":\"djM=\"}}");
	env.store = store_of(SS, "\"vault\":{" URL "}");
	resolves(&env, "{\"name\":\"a\",\"key\":\"k\"}", NULL, "v1");
	resolves(&env, "{\"name\":\"a\"}", "k", "v1");
	resolves(&env, "{\"name\":\"a\",\"key\":\"both\"}", NULL, "plain");
	resolves(&env, "{\"name\":\"a\",\"key\":\"none\"}", NULL,
	    "cannot find secret data for key: \"none\"");
	resolves(&env, "{\"name\":\"a\",\"key\":\"bad\"}", NULL, "the value "
	    "of key \"bad\" is not base64: write it into stringData");
	resolves(&env, "{\"name\":\"b\",\"namespace\":\"other\","
	    "\"key\":\"k\"}", NULL, "cannot get Kubernetes secret \"b\" from "
	    "namespace \"shop\": secrets \"b\" not found");
	store_free((struct store *)(uintptr_t)env.store);
	env.store = store_of(CSS, "\"vault\":{" URL "}");
	resolves(&env, "{\"name\":\"b\",\"namespace\":\"other\","
	    "\"key\":\"k\"}", NULL, "v3");
	resolves(&env, "{\"name\":\"a\",\"key\":\"k\"}", NULL, "v1");
	store_free((struct store *)(uintptr_t)env.store);
	objects_clear(&o);
}

#define PEM "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"

static void
ca_is(const struct provider_env *env, const char *bundle, const char *ca,
    const char *want)
{
	struct json *b = bundle ? json_new_str(bundle) : NULL;
	struct json *c = ca ? json_parse(ca, strlen(ca), NULL) : NULL;
	struct err err = ERR_INIT;
	char *pem = NULL;

	if (provider_ca(env, b, c, &pem, &err) == -1)
		assert_string_equal(err_msg(&err), want);
	else if (want == NULL)
		assert_null(pem);
	else
		assert_string_equal(pem, want);
	free(pem);
	err_clear(&err);
	json_free(b);
	json_free(c);
}

static void
test_ca(void **state)
{
	struct buf once = BUF_PLAIN(4096), twice = BUF_PLAIN(4096);
	struct objects o;
	struct provider_env env = { .objects = &o, .es_namespace = "shop" };

	(void)state;
	objects_init(&o);
	put(&o, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
	    "\"name\":\"ca\"},\"data\":{\"k\":\"pem\"}}");
	codec_b64_encode(&once, PEM, strlen(PEM), CODEC_B64_STD, 1);
	codec_b64_encode(&twice, once.data, once.len, CODEC_B64_STD, 1);
	env.store = store_of(SS, "\"vault\":{" URL "}");
	ca_is(&env, NULL, NULL, NULL);
	ca_is(&env, PEM, NULL, PEM);
	ca_is(&env, buf_str(&once), NULL, PEM);
	ca_is(&env, buf_str(&twice), NULL, PEM);
	ca_is(&env, "%%%", NULL, "failed to decode ca bundle: failed to "
	    "decode base64: caBundle is neither PEM nor base64 of it");
	ca_is(&env, NULL, "{\"type\":\"ConfigMap\",\"name\":\"ca\","
	    "\"key\":\"k\"}", "pem");
	ca_is(&env, NULL, "{\"type\":\"ConfigMap\",\"name\":\"ca\","
	    "\"key\":\"q\"}", "failed to get cert from configmap: failed to "
	    "get caProvider configMap ca -> q");
	ca_is(&env, NULL, "{\"type\":\"ConfigMap\",\"name\":\"no\","
	    "\"key\":\"q\"}", "failed to get cert from configmap: failed to "
	    "get caProvider secret no: configmaps \"no\" not found");
	ca_is(&env, NULL, "{\"type\":\"ConfigMap\",\"name\":\"ca\","
	    "\"key\":\"k\",\"namespace\":\"other\"}", "namespace should either "
	    "be empty or match the namespace of the SecretStore for a "
	    "namespaced SecretStore");
	ca_is(&env, NULL, "{\"type\":\"File\",\"name\":\"ca\"}",
	    "unsupported CA provider type: File");
	store_free((struct store *)(uintptr_t)env.store);
	env.store = store_of(CSS, "\"vault\":{" URL "}");
	ca_is(&env, NULL, "{\"type\":\"ConfigMap\",\"name\":\"ca\","
	    "\"key\":\"k\"}", "missing namespace on caProvider secret");
	ca_is(&env, NULL, "{\"type\":\"ConfigMap\",\"name\":\"ca\","
	    "\"key\":\"k\",\"namespace\":\"shop\"}", "pem");
	store_free((struct store *)(uintptr_t)env.store);
	objects_clear(&o);
	buf_clear(&once);
	buf_clear(&twice);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_did_you_mean),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_account_refs),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_ca),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
