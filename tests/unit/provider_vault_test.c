/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/codec.h"
#include "provider/provider.h"
#include "tests/fake/fake_vault.h"

/* The driver against tests/fake/vault.py. */

static struct fake_vault vault, secure;

/* --- a store and its Secrets --------------------------------------------- */

struct rig {
	struct store *store;
	struct objects objects;
	struct provider_env env;
	const struct provider *driver;
	struct provider_conn *conn;
	struct err err;
};

static struct json *
json_of(const char *text)
{
	struct err err = ERR_INIT;
	struct json *j = json_parse(text, strlen(text), &err);

	if (j == NULL)
		fail_msg("%s: %s", err_msg(&err), text);
	return (j);
}

static void
rig_secret(struct rig *r, const char *ns, const char *name, const char *key,
    const char *value)
{
	char *text = str_fmt("{\"apiVersion\":\"v1\",\"kind\":\"Secret\","
	    "\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\"}}", name, ns);
	struct json *obj = json_of(text), *data = json_new_object();

	json_set_str(data, key, value);
	json_set(obj, "stringData", data);
	assert_int_equal(objects_put(&r->objects, obj, ns, NULL), 0);
	free(text);
}

/* spec: what stands below spec.provider, with %s for the server's URL. */
static void
rig_init(struct rig *r, const char *kind, const char *provider,
    const char *more, const char *url)
{
	char *text = str_fmt("{\"apiVersion\":\"external-secrets.io/v1\","
	    "\"kind\":\"%s\",\"metadata\":{\"name\":\"st\"},\"spec\":{"
	    "\"retrySettings\":{\"maxRetries\":0},"
	    "\"provider\":{\"%s\":{\"server\":\"%s\"%s}}}}", kind,
	    provider, url, more);
	struct json *obj = json_of(text);

	memset(r, 0, sizeof(*r));
	objects_init(&r->objects);
	assert_int_equal(store_parse(obj, "shop", &r->store, NULL, NULL), 0);
	r->driver = provider_find(provider);
	assert_non_null(r->driver);
	r->env.store = r->store;
	r->env.es_namespace = "shop";
	r->env.objects = &r->objects;
	r->env.timeout_ms = 1000;
	rig_secret(r, "shop", "creds", "token", "root");
	json_free(obj);
	free(text);
}

static int
rig_open(struct rig *r)
{
	return (r->driver->open(&r->env, &r->conn, &r->err));
}

static void
rig_clear(struct rig *r)
{
	if (r->conn != NULL)
		r->driver->close(r->conn);
	provider_env_clear(&r->env);
	store_free(r->store);
	objects_clear(&r->objects);
	err_clear(&r->err);
}

#define TOKEN_AUTH ",\"auth\":{\"tokenSecretRef\":"			\
	"{\"name\":\"creds\",\"key\":\"token\"}}"
#define V2 ",\"path\":\"secret\",\"version\":\"v2\""
#define V1 ",\"path\":\"kv1\",\"version\":\"v1\""

static void
rig_token(struct rig *r, const char *provider, const char *more)
{
	rig_init(r, "SecretStore", provider, more, vault.url);
	if (rig_open(r) == -1)
		fail_msg("%s", err_msg(&r->err));
}

/* --- reads --------------------------------------------------------------- */

static struct remote_ref
remote(const char *key, const char *property, const char *version,
    const char *policy)
{
	return ((struct remote_ref){ str_dup(key), str_dup(property),
	    str_dup(version), str_dup(""), str_dup(""), str_dup(policy),
	    str_dup("") });
}

static void
remote_free(struct remote_ref *r)
{
	free(r->key);
	free(r->property);
	free(r->version);
	free(r->conversion);
	free(r->decoding);
	free(r->metadata_policy);
	free(r->null_byte);
}

/* The value as text, the caller's; NULL and r->err when it failed. */
static char *
read_as(struct rig *r, const char *key, const char *property,
    const char *version, const char *policy)
{
	struct remote_ref ref = remote(key, property, version, policy);
	struct secret *s = NULL;
	char *text = NULL;

	err_clear(&r->err);
	if (r->driver->get(r->conn, &ref, &s, &r->err) == 0)
		text = str_ndup((const char *)secret_data(s), secret_len(s));
	secret_free(s);
	remote_free(&ref);
	return (text);
}

static void
value_is(struct rig *r, const char *key, const char *property,
    const char *want)
{
	char *got = read_as(r, key, property, "", "");

	if (got == NULL)
		fail_msg("%s: %s", key, err_msg(&r->err));
	assert_string_equal(got, want);
	free(got);
}

static void
error_is(struct rig *r, const char *key, const char *property,
    enum err_kind kind, const char *want)
{
	assert_null(read_as(r, key, property, "", ""));
	assert_int_equal(r->err.kind, kind);
	assert_string_equal(err_msg(&r->err), want);
}

static void
test_kv2(void **state)
{
	struct rig r;

	(void)state;
	fake_put(&vault, "secret", "app/db", "{\"user\":\"u\",\"n\":12345678901"
	    "234567890,\"f\":1.50,\"t\":true,\"z\":null,\"o\":{\"b\":[1,2],"
	    "\"a\":\"<\"},\"a.b\":\"dotted\"}");
	rig_token(&r, "vault", V2 TOKEN_AUTH);
	/* Numbers as they were, keys sorted, <>& escaped. */
	value_is(&r, "app/db", "", "{\"a.b\":\"dotted\",\"f\":1.5,\"n\":123456"
	    "78901234567890,\"o\":{\"a\":\"\\u003c\",\"b\":[1,2]},\"t\":true,"
	    "\"user\":\"u\",\"z\":null}");
	value_is(&r, "app/db", "user", "u");
	value_is(&r, "app/db", "n", "12345678901234567890");
	value_is(&r, "app/db", "t", "true");
	value_is(&r, "app/db", "z", "");
	value_is(&r, "app/db", "o", "{\"a\":\"\\u003c\",\"b\":[1,2]}");
	value_is(&r, "app/db", "a.b", "dotted");
	value_is(&r, "app/db", "o.b.1", "2");
	value_is(&r, "app/db", "o.a", "<");
	/* The mount may stand in the key, and data/ too. */
	value_is(&r, "secret/app/db", "user", "u");
	value_is(&r, "secret/data/app/db", "user", "u");
	error_is(&r, "app/db", "nope", ERR_NOTFOUND,
	    "cannot find secret data for key: \"nope\"");
	error_is(&r, "app/none", "", ERR_NOTFOUND, PROVIDER_NO_SECRET);
	assert_int_equal(r.env.http_status, 404);
	assert_string_equal(r.env.ours, "vault: GET secret/data/app/none: 404");
	/* Each remote path once, whatever is asked of it. */
	assert_int_equal(r.env.requests, 2);
	assert_int_equal(r.env.logins, 0);
	rig_clear(&r);
}

static void
test_versions(void **state)
{
	struct rig r;
	char *got;

	(void)state;
	fake_put(&vault, "secret", "ver", "{\"v\":\"1\"}");
	fake_put(&vault, "secret", "ver", "{\"v\":\"2\"}");
	fake_put(&vault, "secret", "gone", "null");
	rig_token(&r, "vault", V2 TOKEN_AUTH);
	value_is(&r, "ver", "v", "2");
	got = read_as(&r, "ver", "v", "1", "");
	assert_string_equal(got, "1");
	free(got);
	assert_null(read_as(&r, "ver", "v", "9", ""));
	assert_string_equal(err_msg(&r.err), PROVIDER_NO_SECRET);
	assert_int_equal(r.env.requests, 3);
	/* A deleted version: 404 with data null. */
	error_is(&r, "gone", "", ERR_NOTFOUND, PROVIDER_NO_SECRET);
	rig_clear(&r);
}

static void
test_kv1_and_no_path(void **state)
{
	struct rig r;

	(void)state;
	fake_put(&vault, "kv1", "app", "{\"a\":\"1\"}");
	fake_put(&vault, "secret", "np", "{\"a\":\"2\"}");
	rig_token(&r, "vault", V1 TOKEN_AUTH);
	value_is(&r, "app", "a", "1");
	value_is(&r, "kv1/app", "", "{\"a\":\"1\"}");
	error_is(&r, "none", "", ERR_NOTFOUND, PROVIDER_NO_SECRET);
	assert_null(read_as(&r, "app", "", "", "Fetch"));
	assert_string_equal(err_msg(&r.err), "cannot perform metadata fetch "
	    "operations with kv version v1");
	rig_clear(&r);
	rig_token(&r, "vault", TOKEN_AUTH);
	value_is(&r, "secret/np", "a", "2");
	value_is(&r, "secret/data/np", "a", "2");
	rig_clear(&r);
	rig_token(&r, "vault", ",\"version\":\"v1\"" TOKEN_AUTH);
	value_is(&r, "kv1/app", "a", "1");
	rig_clear(&r);
}

static void
test_no_way_out_of_the_mount(void **state)
{
	struct rig r;

	(void)state;
	rig_token(&r, "vault", V1 TOKEN_AUTH);
	assert_null(read_as(&r, "../auth/token/lookup-self", "", "", ""));
	assert_int_equal(r.err.kind, ERR_INVALID);
	assert_int_equal(r.env.requests, 0);
	rig_clear(&r);
}

static void
test_namespaces(void **state)
{
	struct rig r;
	char *log;

	(void)state;
	fake_tell(&vault, "put", "{\"mount\":\"secret\",\"key\":\"nsd\","
	    "\"namespace\":\"team\",\"data\":{\"a\":\"team's\"}}");
	fake_tell(&vault, "login", "{\"path\":\"approle\",\"role_id\":\"nr\","
	    "\"secret_id\":\"root\"}");
	rig_token(&r, "vault", V2 ",\"namespace\":\"team\"" TOKEN_AUTH);
	value_is(&r, "nsd", "a", "team's");
	rig_clear(&r);
	/* The login in a namespace of its own; the token is good there only. */
	rig_token(&r, "vault", V2 ",\"namespace\":\"team\",\"auth\":{"
	    "\"namespace\":\"admin\",\"appRole\":{\"roleId\":\"nr\","
	    "\"secretRef\":{\"name\":\"creds\",\"key\":\"token\"}}}");
	assert_null(read_as(&r, "nsd", "a", "", ""));
	assert_int_equal(r.err.kind, ERR_DENIED);
	rig_clear(&r);
	log = fake_file(&vault, "log");
	assert_non_null(strstr(log, "\"path\": \"/v1/auth/approle/login\", "
	    "\"status\": 200, \"namespace\": \"admin\""));
	free(log);
}

static void
test_headers(void **state)
{
	struct rig r;
	char *log;

	(void)state;
	fake_put(&vault, "secret", "hd1", "{\"a\":\"1\"}");
	fake_put(&vault, "secret", "hd2", "{\"a\":\"1\"}");
	rig_token(&r, "vault", V2 ",\"readYourWrites\":true,"
	    "\"forwardInconsistent\":true,\"headers\":{\"X-Mine\":\"m\"}"
	    TOKEN_AUTH);
	value_is(&r, "hd1", "a", "1");
	value_is(&r, "hd2", "a", "1");
	rig_clear(&r);
	log = fake_file(&vault, "log");
	/* The second read repeats the index of the first one's answer. */
	assert_non_null(strstr(strstr(log, "data/hd2"), "\"x-mine\", "
	    "\"x-vault-inconsistent\", \"x-vault-index\", \"x-vault-request\","
	    " \"x-vault-token\""));
	free(log);
}

static void
test_metadata(void **state)
{
	struct rig r;
	char *got;

	(void)state;
	fake_tell(&vault, "put", "{\"mount\":\"secret\",\"key\":\"md\","
	    "\"data\":{\"a\":\"1\"},\"metadata\":{\"owner\":\"o\"}}");
	rig_token(&r, "vault", V2 TOKEN_AUTH);
	got = read_as(&r, "md", "", "", "Fetch");
	assert_string_equal(got, "{\"created_time\":\"2026-01-01T00:00:00Z\","
	    "\"current_version\":\"1\",\"delete_version_after\":\"0s\","
	    "\"owner\":\"o\"}");
	free(got);
	got = read_as(&r, "md", "owner", "", "Fetch");
	assert_string_equal(got, "o");
	free(got);
	assert_null(read_as(&r, "none", "", "", "Fetch"));
	assert_string_equal(err_msg(&r.err), "secret not found");
	assert_int_equal(r.env.requests, 2);
	rig_clear(&r);
}

/* --- extract and find ---------------------------------------------------- */

static void
kv_is(const struct kv *kv, const char *key, const char *want)
{
	const struct secret *s = kv_get(kv, key);

	if (s == NULL)
		fail_msg("no key %s", key);
	assert_int_equal(secret_len(s), strlen(want));
	assert_memory_equal(secret_data(s), want, strlen(want));
}

static void
test_get_map(void **state)
{
	struct remote_ref ref = remote("map", "", "", "");
	struct rig r;
	struct kv kv;

	(void)state;
	fake_put(&vault, "secret", "map", "{\"s\":\"x\",\"n\":1.50,\"big\":1e21"
	    ",\"b\":false,\"z\":null,\"o\":{\"y\":1,\"x\":\"&\"},\"in\":"
	    "\"{\\\"k\\\":\\\"v\\\"}\"}");
	rig_token(&r, "vault", V2 TOKEN_AUTH);
	kv_init(&kv);
	assert_int_equal(r.driver->get_map(r.conn, &ref, &kv, &r.err), 0);
	assert_int_equal(kv_len(&kv), 7);
	kv_is(&kv, "s", "x");
	kv_is(&kv, "n", "1.5");
	kv_is(&kv, "big", "1000000000000000000000");
	kv_is(&kv, "b", "false");
	kv_is(&kv, "z", "");
	kv_is(&kv, "o", "{\"x\":\"\\u0026\",\"y\":1}");
	kv_clear(&kv);
	/* A property that holds JSON, and one that does not. */
	free(ref.property);
	ref.property = str_dup("in");
	kv_init(&kv);
	assert_int_equal(r.driver->get_map(r.conn, &ref, &kv, &r.err), 0);
	kv_is(&kv, "k", "v");
	kv_clear(&kv);
	free(ref.property);
	ref.property = str_dup("n");
	kv_init(&kv);
	assert_int_equal(r.driver->get_map(r.conn, &ref, &kv, &r.err), -1);
	assert_string_equal(err_msg(&r.err), "json: cannot unmarshal number "
	    "into Go value of type map[string]interface {}");
	kv_clear(&kv);
	remote_free(&ref);
	rig_clear(&r);
}

static void
find(struct rig *r, const char *path, const char *name, const char *tags,
    struct kv *kv)
{
	struct find_ref ref = { .path = str_dup(path), .name_regexp =
	    str_dup(name), .conversion = str_dup(""), .decoding =
	    str_dup(""), .null_byte = str_dup("") };

	kv_init(kv);
	err_clear(&r->err);
	if (tags != NULL) {
		ref.tags = strmap_new(free);
		strmap_put(ref.tags, "env", str_dup(tags));
	}
	r->driver->find(r->conn, &ref, kv, &r->err);
	free(ref.path);
	free(ref.name_regexp);
	free(ref.conversion);
	free(ref.decoding);
	free(ref.null_byte);
	strmap_free(ref.tags);
}

static void
test_find(void **state)
{
	struct rig r;
	struct kv kv;

	(void)state;
	fake_tell(&vault, "put", "{\"mount\":\"team/secret\",\"key\":\"a/x\","
	    "\"data\":{\"k\":\"1\"},\"metadata\":{\"env\":\"dev\"}}");
	fake_tell(&vault, "put", "{\"mount\":\"team/secret\",\"key\":"
	    "\"a/b/c/y\",\"data\":{\"k\":\"2\"},"
	    "\"metadata\":{\"env\":\"prod\"}}");
	fake_tell(&vault, "put", "{\"mount\":\"team/secret\",\"key\":\"z\","
	    "\"data\":{\"k\":\"3\"},\"metadata\":{\"env\":\"dev\"}}");
	fake_tell(&vault, "put", "{\"mount\":\"team/secret\",\"key\":"
	    "\"a/gone\",\"data\":null}");
	rig_token(&r, "vault", ",\"path\":\"team/secret\"" TOKEN_AUTH);
	find(&r, NULL, ".*", NULL, &kv);
	assert_int_equal(kv_len(&kv), 3);
	kv_is(&kv, "a/x", "{\"k\":\"1\"}");
	kv_is(&kv, "a/b/c/y", "{\"k\":\"2\"}");
	kv_is(&kv, "z", "{\"k\":\"3\"}");
	kv_clear(&kv);
	find(&r, "a", "y$", NULL, &kv);
	assert_int_equal(kv_len(&kv), 1);
	kv_is(&kv, "a/b/c/y", "{\"k\":\"2\"}");
	kv_clear(&kv);
	find(&r, NULL, NULL, "dev", &kv);
	assert_int_equal(kv_len(&kv), 2);
	kv_is(&kv, "a/x", "{\"k\":\"1\"}");
	kv_clear(&kv);
	/* 4 lists, 4 values, 4 metadata: nothing twice. */
	assert_int_equal(r.env.requests, 12);
	find(&r, "nowhere", ".*", NULL, &kv);
	assert_string_equal(err_msg(&r.err), PROVIDER_NO_SECRET);
	kv_clear(&kv);
	find(&r, NULL, "[", NULL, &kv);
	assert_string_equal(err_msg(&r.err), "could not compile "
	    "find.name.regexp [[]: error parsing regexp: missing closing ]: "
	    "`[`");
	kv_clear(&kv);
	rig_clear(&r);
	rig_token(&r, "vault", V1 TOKEN_AUTH);
	find(&r, NULL, NULL, "dev", &kv);
	assert_string_equal(err_msg(&r.err), "cannot perform find by tag "
	    "operations with kv version v1");
	kv_clear(&kv);
	rig_clear(&r);
	rig_token(&r, "vault", TOKEN_AUTH);
	find(&r, NULL, ".*", NULL, &kv);
	assert_string_equal(err_msg(&r.err),
	    "provided Path isn't a valid kv v2 path");
	kv_clear(&kv);
	rig_clear(&r);
}

/* --- logins -------------------------------------------------------------- */

static void
login_works(const char *auth)
{
	int logins = fake_count(&vault, "logins");
	int lookups = fake_count(&vault, "lookups");
	int revokes = fake_count(&vault, "revokes");
	struct rig r;

	rig_init(&r, "SecretStore", "vault", auth, vault.url);
	if (rig_open(&r) == -1)
		fail_msg("%s: %s", auth, err_msg(&r.err));
	value_is(&r, "lg/a", "k", "1");
	value_is(&r, "lg/b", "k", "2");
	value_is(&r, "lg/a", "k", "1");
	assert_int_equal(r.driver->validate(r.conn, &r.err), 0);
	assert_int_equal(r.env.requests, 2);
	assert_int_equal(r.env.logins, 1);
	rig_clear(&r);
	assert_int_equal(fake_count(&vault, "logins"), logins + 1);
	assert_int_equal(fake_count(&vault, "lookups"), lookups + 1);
	assert_int_equal(fake_count(&vault, "revokes"), revokes + 1);
}

#define REF "{\"name\":\"creds\",\"key\":\"token\"}"

static void
test_logins(void **state)
{
	static const char *const creds[] = {
		"{\"path\":\"approle\",\"role_id\":\"r\","
		    "\"secret_id\":\"root\"}",
		"{\"path\":\"approle\",\"role_id\":\"root\","
		    "\"secret_id\":\"root\"}",
		"{\"path\":\"team/approle\",\"role_id\":\"r\","
		    "\"secret_id\":\"root\"}",
		"{\"path\":\"kubernetes\",\"role\":\"kr\",\"jwt\":\"root\"}",
		"{\"path\":\"ldap/me you\",\"password\":\"root\"}",
		"{\"path\":\"userpass/me\",\"password\":\"root\"}",
		"{\"path\":\"jwt\",\"role\":\"jr\",\"jwt\":\"root\"}",
	};
	static const char *const auths[] = {
		"\"appRole\":{\"roleId\":\" r \",\"secretRef\":" REF "}",
		"\"appRole\":{\"roleRef\":" REF ",\"secretRef\":" REF "}",
		"\"appRole\":{\"path\":\"team/approle\",\"roleId\":\"r\","
		    "\"secretRef\":" REF "}",
		"\"kubernetes\":{\"role\":\"kr\",\"secretRef\":"
		    "{\"name\":\"creds\"}}",
		"\"ldap\":{\"username\":\" me you\",\"secretRef\":" REF "}",
		"\"userPass\":{\"username\":\"me\",\"secretRef\":" REF "}",
		"\"jwt\":{\"role\":\"jr\",\"secretRef\":" REF "}",
	};

	(void)state;
	fake_put(&vault, "secret", "lg/a", "{\"k\":\"1\"}");
	fake_put(&vault, "secret", "lg/b", "{\"k\":\"2\"}");
	for (size_t i = 0; i < ARRAY_LEN(creds); i++)
		fake_tell(&vault, "login", creds[i]);
	for (size_t i = 0; i < ARRAY_LEN(auths); i++) {
		char *more = str_fmt(V2 ",\"auth\":{%s}", auths[i]);

		login_works(more);
		free(more);
	}
}

static void
test_token_is_left_alone(void **state)
{
	int revokes = fake_count(&vault, "revokes");
	struct rig r;

	(void)state;
	rig_token(&r, "vault", V2 TOKEN_AUTH);
	assert_int_equal(r.driver->validate(r.conn, &r.err), 0);
	rig_clear(&r);
	assert_int_equal(fake_count(&vault, "revokes"), revokes);
}

/* A certificate login, TLS from a bundle and from a ConfigMap. */
static void
test_cert_and_ca(void **state)
{
	char *cert = fake_file(&secure, "client.pem");
	char *key = fake_file(&secure, "client.key");
	struct json *cm = json_of("{\"apiVersion\":\"v1\",\"kind\":"
	    "\"ConfigMap\",\"metadata\":{\"name\":\"ca\",\"namespace\":"
	    "\"shop\"}}");
	struct json *data = json_new_object();
	struct rig r;

	(void)state;
	fake_put(&secure, "secret", "c", "{\"k\":\"1\"}");
	fake_tell(&secure, "login", "{\"path\":\"cert\",\"cert\":\"yes\","
	    "\"name\":\"web\"}");
	rig_init(&r, "SecretStore", "vault", V2 ",\"caProvider\":{\"type\":"
	    "\"ConfigMap\",\"name\":\"ca\",\"key\":\"ca.crt\"},\"auth\":{"
	    "\"cert\":{\"vaultRole\":\"web\",\"clientCert\":{\"name\":\"tls\","
	    "\"key\":\"tls.crt\"},\"secretRef\":{\"name\":\"key\",\"key\":"
	    "\"tls.key\"}}}", secure.url);
	json_set_str(data, "ca.crt", secure.ca);
	json_set(cm, "data", data);
	assert_int_equal(objects_put(&r.objects, cm, "shop", NULL), 0);
	rig_secret(&r, "shop", "tls", "tls.crt", cert);
	rig_secret(&r, "shop", "key", "tls.key", key);
	if (rig_open(&r) == -1)
		fail_msg("%s", err_msg(&r.err));
	value_is(&r, "c", "k", "1");
	rig_clear(&r);
	/* The same with a key that does not fit. */
	rig_init(&r, "SecretStore", "vault", V2 ",\"tls\":{\"certSecretRef\":{"
	    "\"name\":\"tls\"},\"keySecretRef\":{\"name\":\"key\"}}"
	    TOKEN_AUTH, secure.url);
	rig_secret(&r, "shop", "tls", "tls.crt", cert);
	rig_secret(&r, "shop", "key", "tls.key", "junk");
	assert_int_equal(rig_open(&r), -1);
	assert_string_equal(err_msg(&r.err), "error from Client TLS Auth: "
	    "\"tls: failed to find any PEM data in key input\"");
	rig_clear(&r);
	free(cert);
	free(key);
}

static void
test_ca_bundle(void **state)
{
	struct buf b64 = BUF_PLAIN(1 << 20);
	struct rig r;
	char *more;

	(void)state;
	codec_b64_encode(&b64, secure.ca, strlen(secure.ca), CODEC_B64_STD, 1);
	more = str_fmt(V2 ",\"caBundle\":\"%s\"" TOKEN_AUTH, buf_str(&b64));
	fake_put(&secure, "secret", "c", "{\"k\":\"1\"}");
	rig_init(&r, "SecretStore", "vault", more, secure.url);
	assert_int_equal(rig_open(&r), 0);
	value_is(&r, "c", "k", "1");
	rig_clear(&r);
	free(more);
	buf_clear(&b64);
	/* Without it nobody vouches for the server. */
	rig_init(&r, "SecretStore", "vault", V2 TOKEN_AUTH, secure.url);
	assert_int_equal(rig_open(&r), 0);
	assert_null(read_as(&r, "c", "k", "", ""));
	assert_int_equal(r.err.kind, ERR_DENIED);
	rig_clear(&r);
}

/* --- failures ------------------------------------------------------------ */

static void
open_fails(const char *more, enum err_kind kind, const char *want)
{
	struct rig r;

	rig_init(&r, "SecretStore", "vault", more, vault.url);
	assert_int_equal(rig_open(&r), -1);
	assert_null(r.conn);
	assert_int_equal(r.err.kind, kind);
	if (strstr(err_msg(&r.err), want) == NULL)
		fail_msg("%s", err_msg(&r.err));
	rig_clear(&r);
}

static void
test_open_fails(void **state)
{
	(void)state;
	open_fails(",\"auth\":{}", ERR_INVALID, "cannot initialize Vault "
	    "client: no valid auth method specified");
	open_fails(",\"auth\":{\"tokenSecretRef\":{\"name\":\"nope\","
	    "\"key\":\"k\"}}", ERR_NOTFOUND, "cannot get Kubernetes secret "
	    "\"nope\" from namespace \"shop\": secrets \"nope\" not found");
	open_fails(",\"auth\":{\"tokenSecretRef\":{\"name\":\"creds\","
	    "\"key\":\"k\"}}", ERR_NOTFOUND,
	    "cannot find secret data for key: \"k\"");
	open_fails(",\"auth\":{\"appRole\":{\"roleId\":\"wrong\","
	    "\"secretRef\":" REF "}}", ERR_INVALID, "unable to log in to auth "
	    "method: unable to log in with app role auth: Error making API "
	    "request.\n\nURL: PUT http://127.0.0.1:");
	open_fails(",\"auth\":{\"iam\":{\"vaultRole\":\"x\"}}", ERR_INVALID,
	    "auth.iam: ");
	open_fails(",\"auth\":{\"gcp\":{\"role\":\"x\"}}", ERR_INVALID,
	    "auth.gcp: ");
	open_fails(",\"auth\":{\"kubernetes\":{\"role\":\"x\","
	    "\"serviceAccountRef\":{\"name\":\"a\"}}}", ERR_NOTFOUND,
	    "auth.kubernetes: serviceAccountRef: token of service account "
	    "\"a\" in namespace \"shop\": no API server gave one: ");
	open_fails(",\"auth\":{\"kubernetes\":{\"role\":\"x\"}}", ERR_INVALID,
	    "--allow-ambient-identity");
	open_fails(",\"caBundle\":\"anVuaw==\"" TOKEN_AUTH, ERR_INVALID,
	    "failed to decode ca bundle");
	open_fails(",\"caProvider\":{\"type\":\"Secret\",\"name\":\"nope\","
	    "\"key\":\"k\"}" TOKEN_AUTH, ERR_NOTFOUND, "failed to get cert "
	    "from secret: failed to resolve secret key ref: cannot get "
	    "Kubernetes secret");
}

static void
test_denied(void **state)
{
	struct rig r;
	char *want;

	(void)state;
	rig_init(&r, "SecretStore", "vault", V2 TOKEN_AUTH, vault.url);
	rig_secret(&r, "shop", "creds", "token", "wrong");
	assert_int_equal(rig_open(&r), 0);
	want = str_fmt("cannot read secret data from Vault: Error making API "
	    "request.\n\nURL: GET %s/v1/secret/data/a%%20b\nCode: 403. "
	    "Errors:\n\n* permission denied", vault.url);
	error_is(&r, "a b", "x", ERR_DENIED, want);
	assert_string_equal(r.env.ours,
	    "vault: GET secret/data/a%20b: 403");
	assert_int_equal(r.env.http_status, 403);
	assert_non_null(strstr(r.env.host, "127.0.0.1:"));
	assert_int_equal(r.driver->validate(r.conn, NULL), -1);
	free(want);
	rig_clear(&r);
	rig_init(&r, "SecretStore", "vault", V2 TOKEN_AUTH, vault.url);
	rig_secret(&r, "shop", "creds", "token", "root\n");
	assert_int_equal(rig_open(&r), 0);
	error_is(&r, "x", "x", ERR_INVALID, "cannot read secret data from "
	    "Vault: configured Vault token contains non-printable characters "
	    "and cannot be used");
	rig_clear(&r);
}

struct fault_row {
	const char *fault;
	enum err_kind kind;
	const char *words;
};

static void
run_fault(const struct fault_row *row)
{
	int64_t start_ms = fake_now_ms();
	struct rig r;
	struct rusage before, after;

	rig_token(&r, "vault", V2 TOKEN_AUTH);
	fake_tell(&vault, "fault", row->fault);
	getrusage(RUSAGE_SELF, &before);
	assert_null(read_as(&r, "app/db", "user", "", ""));
	if (r.err.kind != row->kind ||
	    strstr(err_msg(&r.err), row->words) == NULL)
		fail_msg("%s: %d %s", row->fault, (int)r.err.kind,
		    err_msg(&r.err));
	/* Many keys do not wait as often: three failures are enough. */
	for (int i = 0; i < 20; i++) {
		char *key = str_fmt("app/%d", i);

		assert_null(read_as(&r, key, "user", "", ""));
		free(key);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < FAKE_RSS_MAX_KIB);
	assert_true(fake_now_ms() - start_ms < 3500);
	assert_non_null(r.env.host);
	assert_non_null(r.env.ours);
	assert_null(strstr(r.env.ours, "hunter2"));
	assert_null(strstr(err_msg(&r.err), "hunter2"));
	rig_clear(&r);
	fake_tell(&vault, "fault", "{\"kind\":\"\"}");
}

static void
test_faults(void **state)
{
	static const struct fault_row rows[] = {
		{ "{\"kind\":\"hang\",\"seconds\":4}", ERR_TRANSIENT,
		    "timed out" },
		{ "{\"kind\":\"drip\"}", ERR_TRANSIENT, "timed out" },
		{ "{\"kind\":\"short\"}", ERR_TRANSIENT, "cut short" },
		{ "{\"kind\":\"long\"}", ERR_INVALID,
		    "unexpected end of JSON input" },
		{ "{\"kind\":\"huge\"}", ERR_LIMIT, "larger than" },
		{ "{\"kind\":\"huge\",\"chunked\":true}", ERR_LIMIT,
		    "larger than" },
		{ "{\"kind\":\"redirect\",\"to\":\"http://127.0.0.2:1/x\"}",
		    ERR_DENIED, "another origin" },
		{ "{\"kind\":\"reset\"}", ERR_TRANSIENT, "broke" },
		{ "{\"kind\":\"empty\"}", ERR_TRANSIENT, "empty" },
		{ "{\"kind\":\"truncated\"}", ERR_INVALID,
		    "unexpected end of JSON input" },
		{ "{\"kind\":\"status\",\"status\":500}", ERR_TRANSIENT,
		    "Code: 500. Errors:\n\n* made to fail" },
		{ "{\"kind\":\"status\",\"status\":503,\"body\":"
		    "\"<html>hunter2</html>\"}", ERR_TRANSIENT,
		    "Code: 503. Raw Message:" },
		{ "{\"kind\":\"status\",\"status\":429,\"retry_after\":7}",
		    ERR_TRANSIENT, "Code: 429." },
		{ "{\"kind\":\"status\",\"status\":400}", ERR_INVALID,
		    "Code: 400." },
		{ "{\"kind\":\"status\",\"status\":404,\"body\":\"<html>\"}",
		    ERR_INVALID, "invalid character '<'" },
		{ "{\"kind\":\"status\",\"status\":200,\"body\":\"[1]\"}",
		    ERR_INVALID, "json: cannot unmarshal array" },
		{ "{\"kind\":\"status\",\"status\":200,\"body\":"
		    "\"{\\\"data\\\":{\\\"x\\\":1}}\"}", ERR_INVALID,
		    "failed to find data field" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run_fault(&rows[i]);
}

/* --- references ---------------------------------------------------------- */

/* Control: WEAKEN_NAMESPACE. */
static void
test_own_namespace_only(void **state)
{
	static const char foreign[] = V2 ",\"auth\":{\"tokenSecretRef\":"
	    "{\"name\":\"foreign\",\"namespace\":\"other\",\"key\":\"token\"}}";
	struct rig r;

	(void)state;
	fake_put(&vault, "secret", "ns", "{\"k\":\"1\"}");
	rig_init(&r, "SecretStore", "vault", foreign, vault.url);
	rig_secret(&r, "other", "foreign", "token", "root");
	assert_int_equal(rig_open(&r), -1);
	assert_string_equal(err_msg(&r.err), "cannot get Kubernetes secret "
	    "\"foreign\" from namespace \"shop\": secrets \"foreign\" not "
	    "found");
	rig_clear(&r);
	rig_init(&r, "ClusterSecretStore", "vault", foreign, vault.url);
	rig_secret(&r, "other", "foreign", "token", "root");
	assert_int_equal(rig_open(&r), 0);
	value_is(&r, "ns", "k", "1");
	rig_clear(&r);
	/* Without a namespace the ExternalSecret's counts. */
	rig_init(&r, "ClusterSecretStore", "vault", V2 TOKEN_AUTH, vault.url);
	assert_int_equal(rig_open(&r), 0);
	value_is(&r, "ns", "k", "1");
	assert_int_equal(r.driver->validate(r.conn, &r.err), 1);
	rig_clear(&r);
}

static void
test_openbao(void **state)
{
	struct rig r;

	(void)state;
	fake_put(&vault, "kv", "app", "{\"k\":\"1\",\"o\":{\"x\":\"y\"}}");
	rig_token(&r, "openBao", TOKEN_AUTH);
	value_is(&r, "app", "k", "1");
	value_is(&r, "app", "o.x", "y");
	assert_int_equal(r.driver->validate(r.conn, &r.err), 0);
	/* A key is a key, whatever the mount is called. */
	error_is(&r, "kv/app", "k", ERR_NOTFOUND, PROVIDER_NO_SECRET);
	rig_clear(&r);
	rig_token(&r, "openBao", ",\"version\":\"v1\"" TOKEN_AUTH);
	assert_int_equal(r.driver->validate(r.conn, &r.err), -1);
	assert_string_equal(err_msg(&r.err),
	    "expected kv engine version 1 found version 2");
	rig_clear(&r);
}

static int
start(void **state)
{
	(void)state;
	if (http_global(NULL) == -1)
		return (-1);
	fake_start(&vault, 0);
	fake_start(&secure, FAKE_TLS | FAKE_CLIENT_CA);
	return (0);
}

static int
stop(void **state)
{
	(void)state;
	fake_stop(&vault);
	fake_stop(&secure);
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kv2),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_kv1_and_no_path),
		cmocka_unit_test(test_no_way_out_of_the_mount),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_get_map),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_logins),
		cmocka_unit_test(test_token_is_left_alone),
		cmocka_unit_test(test_cert_and_ca),
		cmocka_unit_test(test_ca_bundle),
		cmocka_unit_test(test_open_fails),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_own_namespace_only),
		cmocka_unit_test(test_openbao),
	};

	return (cmocka_run_group_tests(tests, start, stop));
}
