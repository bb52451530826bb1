/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/vault_login.h"
#include "base/mem.h"

/* Secrets named v:TEXT hold TEXT, with ":KEY" behind it when a default key
 * was used; all others do not exist. */
static int
lookup(void *arg, const struct json *ref, const char *default_key,
    struct secret **ret, struct err *err)
{
	const char *name = json_str(json_get(ref, "name"));
	char *text;

	(void)arg;
	if (name == NULL || strncmp(name, "v:", 2) != 0)
		return (err_set(err, ERR_NOTFOUND, "no secret"));
	text = json_str(json_get(ref, "key")) != NULL || default_key == NULL ?
	    str_dup(name + 2) : str_fmt("%s:%s", name + 2, default_key);
	*ret = secret_new(text, strlen(text));
	free(text);
	return (0);
}

/* "t:NAME", the audiences beside it, or the default, each with an @. */
static int
account(void *arg, const struct json *ref, const struct json *more,
    const char *def, struct secret **ret, struct err *err)
{
	const char *name = json_str(json_get(ref, "name"));
	struct buf b = BUF_PLAIN(256);

	(void)arg;
	if (name == NULL)
		return (err_set(err, ERR_NOTFOUND, "no token"));
	buf_addf(&b, "t:%s", name);
	for (const struct json *j = json_first(more); j != NULL;
	    j = json_next(j))
		buf_addf(&b, "@%s", json_str(j));
	if (more == NULL && def != NULL)
		buf_addf(&b, "@%s", def);
	*ret = secret_new(b.data, b.len);
	buf_clear(&b);
	return (0);
}

struct row {
	const char *auth;
	const char *path;	/* NULL: a token, or a failure */
	const char *body;	/* the token; the failure */
	enum err_kind kind;
};

#define REF "{\"name\":\"v:s\\\"3\",\"key\":\"k\"}"

static const struct row rows[] = {
	{ "{\"tokenSecretRef\":{\"name\":\"v:tok\",\"key\":\"k\"},"
	    "\"appRole\":{}}", NULL, "tok", ERR_NONE },
	{ "{\"tokenSecretRef\":null,\"jwt\":{\"role\":\" r \","
	    "\"secretRef\":" REF "}}", "/v1/auth/jwt/login",
	    "{\"jwt\":\"s\\\"3\",\"role\":\"r\"}", ERR_NONE },
	{ "{\"appRole\":{\"roleId\":\" id\\n\",\"secretRef\":" REF "}}",
	    "/v1/auth/approle/login",
	    "{\"role_id\":\"id\",\"secret_id\":\"s\\\"3\"}", ERR_NONE },
	{ "{\"appRole\":{\"path\":\"a/b\",\"roleRef\":{\"name\":\"v:x\"},"
	    "\"secretRef\":" REF "}}", "/v1/auth/a/b/login",
	    "{\"role_id\":\"x\",\"secret_id\":\"s\\\"3\"}", ERR_NONE },
	{ "{\"kubernetes\":{\"role\":\"r\",\"secretRef\":{\"name\":\"v:j\"}}}",
	    "/v1/auth/kubernetes/login",
	    "{\"jwt\":\"j:token\",\"role\":\"r\"}", ERR_NONE },
	{ "{\"kubernetes\":{\"mountPath\":\"k2\",\"role\":\"r\",\"secretRef\":"
	    REF "}}", "/v1/auth/k2/login",
	    "{\"jwt\":\"s\\\"3\",\"role\":\"r\"}", ERR_NONE },
	{ "{\"ldap\":{\"username\":\"a b\",\"secretRef\":" REF "}}",
	    "/v1/auth/ldap/login/a%20b", "{\"password\":\"s\\\"3\"}",
	    ERR_NONE },
	{ "{\"userPass\":{\"path\":\"up\",\"username\":\" u \",\"secretRef\":"
	    REF "}}", "/v1/auth/up/login/u", "{\"password\":\"s\\\"3\"}",
	    ERR_NONE },
	{ "{\"cert\":{\"vaultRole\":\"web\",\"clientCert\":" REF
	    ",\"secretRef\":" REF "}}", "/v1/auth/cert/login",
	    "{\"name\":\"web\"}", ERR_NONE },
	{ "{\"cert\":{\"path\":\"c\",\"clientCert\":" REF ",\"secretRef\":"
	    REF "}}", "/v1/auth/c/login", "{}", ERR_NONE },

	{ "{}", NULL, "cannot initialize Vault client: no valid auth method "
	    "specified", ERR_INVALID },
	{ "{\"appRole\":{\"secretRef\":" REF "}}", NULL, "invalid "
	    "Auth.AppRole: neither `roleId` nor `roleRef` was supplied",
	    ERR_INVALID },
	{ "{\"appRole\":{\"roleId\":\" \",\"secretRef\":" REF "}}", NULL,
	    "no role ID provided for login", ERR_INVALID },
	{ "{\"appRole\":{\"roleId\":\"x\",\"secretRef\":{\"name\":\"v:\"}}}",
	    NULL, "invalid secret ID: secret ID for AppRole must be provided "
	    "with a source file, environment variable, or plaintext string",
	    ERR_INVALID },
	{ "{\"appRole\":{\"roleId\":\"x\",\"secretRef\":{\"name\":\"n\"}}}",
	    NULL, "no secret", ERR_NOTFOUND },
	{ "{\"ldap\":{\"secretRef\":" REF "}}", NULL,
	    "no user name provided for login", ERR_INVALID },
	{ "{\"ldap\":{\"username\":\"../x\",\"secretRef\":" REF "}}", NULL,
	    "the path holds a \"..\" segment: write the path without it",
	    ERR_INVALID },
	{ "{\"userPass\":{\"username\":\"u\",\"secretRef\":{\"name\":\"v:\"}}"
	    "}", NULL, "invalid password: password for Userpass auth must be "
	    "provided with a source file, environment variable, or plaintext "
	    "string", ERR_INVALID },
	{ "{\"kubernetes\":{\"secretRef\":" REF "}}", NULL,
	    "no role name was provided", ERR_INVALID },
	{ "{\"jwt\":{\"role\":\"r\"}}", NULL, "neither `secretRef` nor "
	    "`kubernetesServiceAccountToken` was supplied as token source for "
	    "jwt authentication", ERR_INVALID },
	{ "{\"jwt\":{\"kubernetesServiceAccountToken\":{}}}", NULL,
	    "auth.jwt: no token", ERR_NOTFOUND },
	{ "{\"jwt\":{\"role\":\"r\",\"kubernetesServiceAccountToken\":{"
	    "\"serviceAccountRef\":{\"name\":\"a\"}}}}",
	    "/v1/auth/jwt/login",
	    "{\"jwt\":\"t:a@vault\",\"role\":\"r\"}", ERR_NONE },
	{ "{\"jwt\":{\"role\":\"r\",\"kubernetesServiceAccountToken\":{"
	    "\"audiences\":[\"x\",\"y\"],"
	    "\"serviceAccountRef\":{\"name\":\"a\"}}}}",
	    "/v1/auth/jwt/login",
	    "{\"jwt\":\"t:a@x@y\",\"role\":\"r\"}", ERR_NONE },
	{ "{\"kubernetes\":{\"role\":\"r\",\"serviceAccountRef\":{"
	    "\"name\":\"a\"},\"secretRef\":" REF "}}",
	    "/v1/auth/kubernetes/login",
	    "{\"jwt\":\"t:a\",\"role\":\"r\"}", ERR_NONE },
};

static void
run_row(const struct row *row)
{
	struct vault_login_source src = { .lookup = lookup,
		.account = account };
	struct json *auth = json_parse(row->auth, strlen(row->auth), NULL);
	struct vault_login login;
	struct secret *token = NULL;
	struct err err = ERR_INIT;
	int r;

	assert_non_null(auth);
	r = vault_login_build(auth, &src, &login, &token, &err);
	if (row->kind != err.kind)
		fail_msg("%s: %s", row->auth, err_msg(&err));
	assert_int_equal(r, row->kind == ERR_NONE ? 0 : -1);
	if (r == -1) {
		assert_string_equal(err_msg(&err), row->body);
	} else if (row->path == NULL) {
		assert_null(login.path);
		assert_string_equal((const char *)secret_data(token),
		    row->body);
	} else {
		assert_string_equal(login.path, row->path);
		assert_string_equal(buf_str(&login.body), row->body);
		assert_null(token);
		assert_int_equal(login.cert != NULL,
		    strcmp(login.method, "cert") == 0);
	}
	secret_free(token);
	vault_login_clear(&login);
	json_free(auth);
	err_clear(&err);
}

static void
test_build(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run_row(&rows[i]);
}

static void
test_no_auth(void **state)
{
	struct vault_login_source src = { .lookup = lookup,
		.account = account };
	struct vault_login login;
	struct secret *token = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(vault_login_build(NULL, &src, &login, &token, &err),
	    -1);
	assert_int_equal(err.kind, ERR_INVALID);
	vault_login_clear(&login);
	err_clear(&err);
}

/* The agent's own account serves no store unless it may. */
static void
test_own_token(void **state)
{
	struct vault_login_source src = { .lookup = lookup,
		.account = account };
	static const char text[] = "{\"kubernetes\":{\"role\":\"r\"}}";
	struct json *auth = json_parse(text, strlen(text), NULL);
	struct vault_login login;
	struct secret *token = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(vault_login_build(auth, &src, &login, &token, &err),
	    -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err_msg(&err), "auth.kubernetes.secretRef"));
	vault_login_clear(&login);
	src.allow_ambient = 1;
	if (vault_login_build(auth, &src, &login, &token, &err) == -1)
		assert_non_null(strstr(err_msg(&err), "cannot read Kubernetes "
		    "service account token from file system"));
	vault_login_clear(&login);
	err_clear(&err);
	json_free(auth);
}

static void
test_parse(void **state)
{
	static const char *const bad[] = { "", "{}", "null", "[]", "{\"auth\":"
	    "null}", "{\"auth\":{\"client_token\":\"\"}}", "{\"auth\":{"
	    "\"client_token\":7}}", "{\"auth\":{\"client_token\":\"x\"}",
	    "<html>", "{\"auth\":\"client_token\"}" };
	static const char good[] = "{\"request_id\":\"x\",\"auth\":{"
	    "\"client_token\":\"hvs.a\\u0062\",\"lease_duration\":3600}}";
	static const char odd[] = "{\"auth\":{\"client_token\":\"t\","
	    "\"lease_duration\":1e99}}";
	struct secret *token = NULL;
	int64_t lease = -1;

	(void)state;
	assert_int_equal(vault_login_parse(good, strlen(good), &token, &lease,
	    NULL), 0);
	assert_string_equal((const char *)secret_data(token), "hvs.ab");
	assert_int_equal(lease, 3600);
	secret_free(token);
	assert_int_equal(vault_login_parse(odd, strlen(odd), &token, &lease,
	    NULL), 0);
	assert_int_equal(lease, 0);
	secret_free(token);
	token = NULL;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(vault_login_parse(bad[i], strlen(bad[i]),
		    &token, &lease, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_null(token);
		err_clear(&err);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_no_auth),
		cmocka_unit_test(test_own_token),
		cmocka_unit_test(test_parse),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
