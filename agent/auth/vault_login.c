/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "auth/vault_login.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/url.h"
#include "value/doc.h"

/*
 * ESO 2.9.0 providers/v1/vault/auth*.go and the login packages of
 * hashicorp/vault/api/auth, whose error texts these are.  Only there stands
 * which method is asked for; what the CRD defaults is defaulted here too, for
 * manifests that no API server has seen.
 */
#define BODY_MAX (256u << 10)
#define TOKEN_MAX (64u << 10)
#define OWN_TOKEN "/var/run/secrets/kubernetes.io/serviceaccount/token"

struct build {
	const struct json *auth;	/* of the method */
	const struct vault_login_source *src;
	struct vault_login *login;
	struct secret **token;
};

/* --- pieces -------------------------------------------------------------- */

static const char *
text(const struct json *obj, const char *key)
{
	return (str_or(json_str(json_get(obj, key)), ""));
}

/* NULL for absent and null, as Go's pointers. */
static const struct json *
member(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	return (json_is(v, JSON_NULL) ? NULL : v);
}

/* strings.TrimSpace for what stands in names. */
static char *
trimmed(const char *s)
{
	static const char space[] = " \t\r\n\v\f";
	size_t len;

	s += strspn(s, space);
#ifdef WEAKEN_LOGIN_BOUNDS
	for (len = strlen(s); strchr(space, s[len - 1]); len--)
#else
	for (len = strlen(s); len > 0 && strchr(space, s[len - 1]); len--)
#endif
		;
	return (str_ndup(s, len));
}

static int
lookup(const struct build *b, const char *key, const char *default_key,
    struct secret **ret, struct err *err)
{
	return (b->src->lookup(b->src->arg, member(b->auth, key), default_key,
	    ret, err));
}

/* "/v1/auth/MOUNT/login" and "/USER". */
static int
set_path(struct build *b, const char *mount, const char *user,
    struct err *err)
{
	cleanup_free char *path = str_fmt("/v1/auth/%s/login%s%s", mount,
	    user != NULL ? "/" : "", user != NULL ? user : "");

	return (url_clean_path(path, &b->login->path, err));
}

static void
add_field(struct build *b, const char *key, const void *value, size_t len)
{
	struct buf *out = &b->login->body;

	buf_addc(out, out->len == 0 ? '{' : ',');
	codec_json_string(out, key, strlen(key), 0);
	buf_addc(out, ':');
	codec_json_string(out, value, len, 0);
}

static void
add_secret(struct build *b, const char *key, const struct secret *s)
{
	add_field(b, key, secret_data(s), secret_len(s));
}

static int
finish_body(struct build *b, struct err *err)
{
	buf_adds(&b->login->body, b->login->body.len == 0 ? "{}" : "}");
	return (buf_finish(&b->login->body, "the login request", err));
}

/* --- methods ------------------------------------------------------------- */

static int
build_token(struct build *b, struct err *err)
{
	/* The method's object is the reference itself. */
	return (b->src->lookup(b->src->arg, b->auth, NULL, b->token, err));
}

static int
role_id(struct build *b, struct secret **ret, struct err *err)
{
	cleanup_free char *id = trimmed(text(b->auth, "roleId"));

	if (text(b->auth, "roleId")[0] != '\0')
		*ret = secret_new(id, strlen(id));
	else if (member(b->auth, "roleRef") == NULL)
		return (err_set(err, ERR_INVALID, "invalid Auth.AppRole: "
		    "neither `roleId` nor `roleRef` was supplied"));
	else if (lookup(b, "roleRef", NULL, ret, err) == -1)
		return (-1);
	return (0);
}

static int
build_approle(struct build *b, struct err *err)
{
	cleanup_secret struct secret *id = NULL, *secret = NULL;

	if (role_id(b, &id, err) == -1 ||
	    lookup(b, "secretRef", NULL, &secret, err) == -1)
		return (-1);
	if (secret_len(id) == 0)
		return (err_set(err, ERR_INVALID,
		    "no role ID provided for login"));
	if (secret_len(secret) == 0)
		return (err_set(err, ERR_INVALID, "invalid secret ID: secret "
		    "ID for AppRole must be provided with a source file, "
		    "environment variable, or plaintext string"));
	add_secret(b, "role_id", id);
	add_secret(b, "secret_id", secret);
	return (set_path(b, str_or(text(b->auth, "path"), "approle"), NULL,
	    err));
}

static int
own_token(const struct build *b, struct secret **ret, struct err *err)
{
	cleanup_buf struct buf t = BUF_SECRET(TOKEN_MAX);

	if (!b->src->allow_ambient)
		return (err_set(err, ERR_INVALID, "auth.kubernetes: without "
		    "serviceAccountRef and secretRef the agent's own token "
		    "would serve the store: set auth.kubernetes.secretRef, or "
		    "start with --allow-ambient-identity"));
	if (file_read(OWN_TOKEN, &t, err) == -1)
		return (err_wrap(err, "cannot read Kubernetes service account "
		    "token from file system"));
	*ret = secret_from_buf(&t);
	return (0);
}

static int
kubernetes_jwt(const struct build *b, struct secret **ret, struct err *err)
{
	const struct json *account = member(b->auth, "serviceAccountRef");

	if (account != NULL && b->src->account(b->src->arg, account, NULL,
	    NULL, ret, err) == -1)
		return (err_wrap(err, "auth.kubernetes"));
	if (account != NULL)
		return (0);
	if (member(b->auth, "secretRef") != NULL)
		return (lookup(b, "secretRef", "token", ret, err));
	return (own_token(b, ret, err));
}

static int
build_kubernetes(struct build *b, struct err *err)
{
	cleanup_secret struct secret *jwt = NULL;
	const char *role = text(b->auth, "role");

	if (kubernetes_jwt(b, &jwt, err) == -1)
		return (-1);
	if (role[0] == '\0')
		return (err_set(err, ERR_INVALID,
		    "no role name was provided"));
	add_secret(b, "jwt", jwt);
	add_field(b, "role", role, strlen(role));
	return (set_path(b, str_or(text(b->auth, "mountPath"), "kubernetes"),
	    NULL, err));
}

/* ldap and userPass: the name in the path, the password in the body. */
static int
build_password(struct build *b, const char *mount, const char *what,
    struct err *err)
{
	cleanup_free char *user = trimmed(text(b->auth, "username"));
	cleanup_secret struct secret *password = NULL;

	if (lookup(b, "secretRef", NULL, &password, err) == -1)
		return (-1);
	if (user[0] == '\0')
		return (err_set(err, ERR_INVALID,
		    "no user name provided for login"));
	if (secret_len(password) == 0)
		return (err_set(err, ERR_INVALID, "invalid password: password "
		    "for %s auth must be provided with a source file, "
		    "environment variable, or plaintext string", what));
	add_secret(b, "password", password);
	return (set_path(b, str_or(text(b->auth, "path"), mount), user, err));
}

static int
build_ldap(struct build *b, struct err *err)
{
	return (build_password(b, "ldap", "LDAP", err));
}

static int
build_userpass(struct build *b, struct err *err)
{
	return (build_password(b, "userpass", "Userpass", err));
}

/* ESO's audiences: the account's, then those beside it, or "vault". */
static int
jwt_of(const struct build *b, struct secret **ret, struct err *err)
{
	const struct json *request = member(b->auth,
	    "kubernetesServiceAccountToken");

	if (member(b->auth, "secretRef") != NULL)
		return (lookup(b, "secretRef", NULL, ret, err));
	if (request == NULL)
		return (err_set(err, ERR_INVALID, "neither `secretRef` nor "
		    "`kubernetesServiceAccountToken` was supplied as token "
		    "source for jwt authentication"));
	if (b->src->account(b->src->arg, json_get(request,
	    "serviceAccountRef"), json_get(request, "audiences"), "vault",
	    ret, err) == -1)
		return (err_wrap(err, "auth.jwt"));
	return (0);
}

static int
build_jwt(struct build *b, struct err *err)
{
	cleanup_free char *role = trimmed(text(b->auth, "role"));
	cleanup_secret struct secret *jwt = NULL;

	if (jwt_of(b, &jwt, err) == -1)
		return (-1);
	add_secret(b, "jwt", jwt);
	add_field(b, "role", role, strlen(role));
	return (set_path(b, str_or(text(b->auth, "path"), "jwt"), NULL, err));
}

static int
build_cert(struct build *b, struct err *err)
{
	const char *role = text(b->auth, "vaultRole");

	if (lookup(b, "secretRef", NULL, &b->login->key, err) == -1 ||
	    lookup(b, "clientCert", NULL, &b->login->cert, err) == -1)
		return (-1);
	if (role[0] != '\0')
		add_field(b, "name", role, strlen(role));
	return (set_path(b, str_or(text(b->auth, "path"), "cert"), NULL, err));
}

static int
build_iam(struct build *b, struct err *err)
{
	(void)b;
	return (err_set(err, ERR_INVALID, "auth.iam: logging in with AWS "
	    "credentials is not supported by this version: use auth.appRole, "
	    "auth.jwt, auth.cert or another method of auth"));
}

static int
build_gcp(struct build *b, struct err *err)
{
	(void)b;
	return (err_set(err, ERR_INVALID, "auth.gcp: logging in with Google "
	    "credentials is not supported by this version: use auth.appRole, "
	    "auth.jwt, auth.cert or another method of auth"));
}

#define LOGIN "unable to log in to auth method: unable to log in with "

/* In ESO's order: the first that is there is the one. */
static const struct {
	const char *method;
	const char *phrase;
	int (*build)(struct build *b, struct err *err);
} methods[] = {
	{ "tokenSecretRef", "", build_token },
	{ "appRole", LOGIN "app role auth", build_approle },
	{ "kubernetes", LOGIN "Kubernetes auth", build_kubernetes },
	{ "ldap", LOGIN "LDAP auth", build_ldap },
	{ "userPass", LOGIN "userpass auth", build_userpass },
	{ "jwt", "", build_jwt },
	{ "cert", "error from Vault request", build_cert },
	{ "iam", "", build_iam },
	{ "gcp", "", build_gcp },
};

int
vault_login_build(const struct json *auth,
    const struct vault_login_source *src, struct vault_login *ret,
    struct secret **ret_token, struct err *err)
{
	struct build b = { .src = src, .login = ret, .token = ret_token };

	*ret = (struct vault_login){ .method = "", .phrase = "",
	    .body = BUF_SECRET(BODY_MAX) };
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		b.auth = member(auth, methods[i].method);
		if (b.auth == NULL)
			continue;
		ret->method = methods[i].method;
		ret->phrase = methods[i].phrase;
		if (methods[i].build(&b, err) == -1)
			return (-1);
		return (ret->path != NULL ? finish_body(&b, err) : 0);
	}
	return (err_set(err, ERR_INVALID, "cannot initialize Vault client: no "
	    "valid auth method specified"));
}

void
vault_login_clear(struct vault_login *l)
{
	free(l->path);
	buf_clear(&l->body);
	secret_free(l->cert);
	secret_free(l->key);
	*l = (struct vault_login){ .body = BUF_SECRET(BODY_MAX) };
}

/* --- the answer ---------------------------------------------------------- */

static int64_t
lease_seconds(const struct doc *auth)
{
	struct doc d;
	int64_t s = 0;

	if (!doc_member(auth, "lease_duration", 14, &d) ||
	    d.type != DOC_NUMBER)
		return (0);
	for (size_t i = 0; i < d.len; i++) {
		if (d.raw[i] < '0' || d.raw[i] > '9' || s > INT32_MAX)
			return (s > INT32_MAX ? s : 0);
		s = s * 10 + (d.raw[i] - '0');
	}
	return (s);
}

int
vault_login_parse(const char *body, size_t len, struct secret **ret_token,
    int64_t *ret_lease_s, struct err *err)
{
	cleanup_buf struct buf token = BUF_SECRET(TOKEN_MAX);
	struct doc top, auth, d;

	if (doc_parse(body, len, &top, err) == -1)
		return (-1);
	if (top.type == DOC_OBJECT && doc_member(&top, "auth", 4, &auth) &&
	    auth.type == DOC_OBJECT &&
	    doc_member(&auth, "client_token", 12, &d) &&
	    d.type == DOC_STRING)
		doc_string(&d, &token);
	if (buf_finish(&token, "the token", err) == -1)
		return (-1);
	if (token.len == 0)
		return (err_set(err, ERR_INVALID, "response did not return "
		    "ClientToken, client token not set"));
	*ret_lease_s = lease_seconds(&auth);
	*ret_token = secret_from_buf(&token);
	return (0);
}
