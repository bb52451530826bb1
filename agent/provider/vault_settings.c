/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "net/url.h"
#include "provider/settings.h"
#include "provider/vault_internal.h"

/*
 * What a manifest may say: the CRD of ESO 2.9.0 (secretstore_vault_types.go,
 * secretstore_openbao_types.go) and its ValidateStore (providers/v1/vault/
 * validate.go, providers/v1/openbao/validate.go).
 */
#define REQ SET_REQUIRED
#define S SET_STRING
#define REF SET_SECRET_REF

/* Rows of both. */
#define ROWS_CA \
	{ "caBundle", SET_PEM, 0, NULL, NULL, "CA certificates" }, \
	{ "caProvider", SET_CA_REF, 0, NULL, NULL, "where they are" }
#define ROWS_LOGIN \
	{ "auth", SET_OBJECT, 0, NULL, NULL, "one method" }, \
	{ "auth.namespace", S, 0, NULL, NULL, "of the login" }, \
	{ "auth.tokenSecretRef", REF, 0, NULL, NULL, "a token" }, \
	{ "auth.appRole", SET_OBJECT, 0, NULL, NULL, "" }, \
	{ "auth.appRole.path", S, REQ, "approle", NULL, "mount" }, \
	{ "auth.appRole.roleId", S, 0, NULL, NULL, "or roleRef" }, \
	{ "auth.appRole.roleRef", REF, 0, NULL, NULL, "" }, \
	{ "auth.appRole.secretRef", REF, REQ, NULL, NULL, "secret id" }
#define ROWS_USER_PASS \
	{ "auth.userPass", SET_OBJECT, 0, NULL, NULL, "" }, \
	{ "auth.userPass.path", S, REQ, "userpass", NULL, "mount" }, \
	{ "auth.userPass.username", S, REQ, NULL, NULL, "" }, \
	{ "auth.userPass.secretRef", REF, 0, NULL, NULL, "password" }

const struct setting vault_settings[] = {
	{ "server", S, REQ, NULL, NULL, "https://vault.example:8200" },
	{ "path", S, 0, NULL, NULL, "mount of the KV engine; without it the "
	    "key begins with the mount" },
	{ "version", S, 0, "v2", "v1|v2", "version of the KV engine" },
	{ "namespace", S, 0, NULL, NULL, "Vault namespace" },
	ROWS_CA,
	{ "tls", SET_OBJECT, 0, NULL, NULL, "client certificate" },
	{ "tls.certSecretRef", REF, 0, NULL, NULL, "key default tls.crt" },
	{ "tls.keySecretRef", REF, 0, NULL, NULL, "key default tls.key" },
	{ "readYourWrites", SET_BOOL, 0, NULL, NULL, "send X-Vault-Index" },
	{ "forwardInconsistent", SET_BOOL, 0, NULL, NULL,
	    "ask for the active node" },
	{ "headers", SET_STRING_MAP, 0, NULL, NULL, "added to each request" },
	{ "checkAndSet", SET_OBJECT, 0, NULL, NULL, "for PushSecret" },
	{ "checkAndSet.required", SET_BOOL, 0, NULL, NULL, "" },
	ROWS_LOGIN,
	{ "auth.kubernetes", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.kubernetes.mountPath", S, REQ, "kubernetes", NULL, "mount" },
	{ "auth.kubernetes.role", S, REQ, NULL, NULL, "" },
	{ "auth.kubernetes.secretRef", REF, 0, NULL, NULL,
	    "a token; key default token" },
	{ "auth.kubernetes.serviceAccountRef", SET_ACCOUNT_REF, 0, NULL, NULL,
	    "whose token logs in; with audiences" },
	{ "auth.ldap", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.ldap.path", S, REQ, "ldap", NULL, "mount" },
	{ "auth.ldap.username", S, REQ, NULL, NULL, "" },
	{ "auth.ldap.secretRef", REF, 0, NULL, NULL, "password" },
	ROWS_USER_PASS,
	{ "auth.jwt", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.jwt.path", S, REQ, "jwt", NULL, "mount" },
	{ "auth.jwt.role", S, 0, NULL, NULL, "" },
	{ "auth.jwt.secretRef", REF, 0, NULL, NULL, "a token" },
	{ "auth.jwt.kubernetesServiceAccountToken", SET_OBJECT, 0, NULL, NULL,
	    "" },
	{ "auth.jwt.kubernetesServiceAccountToken.serviceAccountRef",
	    SET_ACCOUNT_REF, REQ, "vault", NULL, "whose token logs in" },
	{ "auth.jwt.kubernetesServiceAccountToken.audiences",
	    SET_STRING_LIST, 0, NULL, NULL, "" },
	{ "auth.jwt.kubernetesServiceAccountToken.expirationSeconds",
	    SET_INT, 0, NULL, NULL, "" },
	{ "auth.cert", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.cert.path", S, 0, "cert", NULL, "mount" },
	{ "auth.cert.vaultRole", S, 0, NULL, NULL, "" },
	{ "auth.cert.clientCert", REF, 0, NULL, NULL, "certificate" },
	{ "auth.cert.secretRef", REF, 0, NULL, NULL, "its key" },
	{ "auth.iam", SET_OBJECT, 0, NULL, NULL, "not in this version" },
	{ "auth.iam.path", S, 0, NULL, NULL, "" },
	{ "auth.iam.region", S, 0, NULL, NULL, "" },
	{ "auth.iam.role", S, 0, NULL, NULL, "" },
	{ "auth.iam.vaultRole", S, REQ, NULL, NULL, "" },
	{ "auth.iam.externalID", S, 0, NULL, NULL, "" },
	{ "auth.iam.vaultAwsIamServerID", S, 0, NULL, NULL, "" },
	{ "auth.iam.jwt", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.iam.jwt.serviceAccountRef", SET_ACCOUNT_REF, SET_UNBUILT,
	    NULL, NULL, "" },
	{ "auth.iam.secretRef", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.iam.secretRef.accessKeyIDSecretRef", REF, 0, NULL, NULL, "" },
	{ "auth.iam.secretRef.secretAccessKeySecretRef", REF, 0, NULL, NULL,
	    "" },
	{ "auth.iam.secretRef.sessionTokenSecretRef", REF, 0, NULL, NULL,
	    "" },
	{ "auth.gcp", SET_OBJECT, 0, NULL, NULL, "not in this version" },
	{ "auth.gcp.path", S, 0, "gcp", NULL, "" },
	{ "auth.gcp.role", S, REQ, NULL, NULL, "" },
	{ "auth.gcp.projectID", S, 0, NULL, NULL, "" },
	{ "auth.gcp.location", S, 0, NULL, NULL, "" },
	{ "auth.gcp.secretRef", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.gcp.secretRef.secretAccessKeySecretRef", REF, 0, NULL, NULL,
	    "" },
	{ "auth.gcp.serviceAccountRef", SET_ACCOUNT_REF, 0, NULL, NULL, "" },
	{ "auth.gcp.workloadIdentity", SET_OBJECT, 0, NULL, NULL, "" },
	{ "auth.gcp.workloadIdentity.serviceAccountRef", SET_ACCOUNT_REF,
	    REQ, NULL, NULL, "" },
	{ "auth.gcp.workloadIdentity.clusterLocation", S, 0, NULL, NULL, "" },
	{ "auth.gcp.workloadIdentity.clusterName", S, 0, NULL, NULL, "" },
	{ "auth.gcp.workloadIdentity.clusterProjectID", S, 0, NULL, NULL,
	    "" },
	{ 0 }
};

const struct setting openbao_settings[] = {
	{ "server", S, REQ, NULL, NULL, "https://openbao.example:8200" },
	{ "path", S, 0, NULL, NULL, "mount of the KV engine; kv" },
	{ "version", S, 0, "v2", "v1|v2", "version of the KV engine" },
	{ "namespace", S, 0, NULL, NULL, "OpenBao namespace" },
	ROWS_CA,
	ROWS_LOGIN,
	ROWS_USER_PASS,
	{ 0 }
};

/* --- ValidateStore ------------------------------------------------------- */

/* A reference that ESO looks at, and its words for one that is wrong. */
struct ref_rule {
	const char *path;
	const char *phrase;
};

static const struct ref_rule vault_refs[] = {
	{ "auth.appRole.secretRef", "invalid Auth.AppRole.SecretRef" },
	{ "auth.cert.clientCert", "invalid Auth.Cert.ClientCert" },
	{ "auth.cert.secretRef", "invalid Auth.Cert.SecretRef" },
	{ "auth.jwt.secretRef", "invalid Auth.Jwt.SecretRef" },
	{ "auth.kubernetes.serviceAccountRef",
	    "invalid Auth.Kubernetes.ServiceAccountRef" },
	{ "auth.kubernetes.secretRef", "invalid Auth.Kubernetes.SecretRef" },
	{ "auth.ldap.secretRef", "invalid Auth.Ldap.SecretRef" },
	{ "auth.userPass.secretRef", "invalid Auth.UserPass.SecretRef" },
	{ "auth.tokenSecretRef", "invalid Auth.TokenSecretRef" },
	{ "auth.iam.jwt.serviceAccountRef", "invalid Auth.TokenSecretRef" },
	{ "auth.iam.secretRef.accessKeyIDSecretRef",
	    "invalid Auth.TokenSecretRef" },
	{ "auth.iam.secretRef.secretAccessKeySecretRef",
	    "invalid Auth.TokenSecretRef" },
	{ "auth.iam.secretRef.sessionTokenSecretRef",
	    "invalid Auth.TokenSecretRef" },
};

static const struct json *
member(const struct json *spec, const char *path)
{
	const struct json *v = json_path(spec, path);

	return (json_is(v, JSON_NULL) ? NULL : v);
}

static void
check_refs(const struct store *store, const char *name,
    const struct ref_rule *rules, size_t n, struct findings *f)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_free char *field = str_fmt("spec.provider.%s.%s",
		    name, rules[i].path);

		settings_check_ref(store, member(store->spec, rules[i].path),
		    field, rules[i].phrase, f);
	}
}

static void
check_role_id(const struct store *store, struct findings *f)
{
	const struct json *role = member(store->spec, "auth.appRole");
	const char *id = json_str(json_get(role, "roleId"));

	if (role == NULL || (id != NULL && *id != '\0'))
		return;
	if (member(store->spec, "auth.appRole.roleRef") == NULL)
		findings_reject(f, FINDING_WEBHOOK, role,
		    "spec.provider.vault.auth.appRole", "invalid Auth.AppRole: "
		    "neither `roleId` nor `roleRef` was supplied");
	else
		settings_check_ref(store, member(store->spec,
		    "auth.appRole.roleRef"),
		    "spec.provider.vault.auth.appRole.roleRef",
		    "invalid Auth.AppRole.RoleRef", f);
}

static void
check_jwt(const struct store *store, struct findings *f)
{
	const struct json *jwt = member(store->spec, "auth.jwt");
	const struct json *account = member(store->spec,
	    "auth.jwt.kubernetesServiceAccountToken");

	if (jwt == NULL || member(store->spec, "auth.jwt.secretRef") != NULL)
		return;
	if (account == NULL)
		findings_reject(f, FINDING_WEBHOOK, jwt,
		    "spec.provider.vault.auth.jwt", "neither `secretRef` nor "
		    "`kubernetesServiceAccountToken` was supplied as token "
		    "source for jwt authentication");
	else
		settings_check_ref(store, json_get(account,
		    "serviceAccountRef"), "spec.provider.vault.auth.jwt."
		    "kubernetesServiceAccountToken.serviceAccountRef",
		    "invalid Auth.Jwt.KubernetesServiceAccountToken."
		    "ServiceAccountRef", f);
}

static void
check_tls(const struct store *store, struct findings *f)
{
	const struct json *cert = member(store->spec, "tls.certSecretRef");
	const struct json *key = member(store->spec, "tls.keySecretRef");

	if (cert != NULL && key != NULL) {
		settings_check_ref(store, cert,
		    "spec.provider.vault.tls.certSecretRef",
		    "invalid ClientTLS.ClientCert", f);
		settings_check_ref(store, key,
		    "spec.provider.vault.tls.keySecretRef",
		    "invalid ClientTLS.SecretRef", f);
	} else if (cert != NULL || key != NULL) {
		findings_reject(f, FINDING_WEBHOOK, member(store->spec,
		    "tls"), "spec.provider.vault.tls", "when provided, both "
		    "ClientTLS.ClientCert and ClientTLS.SecretRef should be "
		    "provided");
	}
}

/* ESO notices when it connects. */
static void
check_server(const struct store *store, const char *name, struct findings *f)
{
	const struct json *server = json_get(store->spec, "server");
	cleanup_free char *field = str_fmt("spec.provider.%s.server", name);
	cleanup_err struct err err = ERR_INIT;
	cleanup_url struct url u = { 0 };

	if (json_is(server, JSON_STRING) &&
	    url_parse(json_str(server), &u, &err) == -1)
		findings_add(f, FINDING_ERROR, server, field,
		    "write https://HOST:PORT", "%s", err_msg(&err));
}

/* What ESO can and this version cannot. */
static void
check_unsupported(const struct store *store, struct findings *f)
{
	static const struct {
		const char *path, *what, *remedy;
	} rows[] = {
		{ "auth.iam", "logging in with AWS credentials is not "
		    "supported by this version", "use another method of "
		    "auth" },
		{ "auth.gcp", "logging in with Google credentials is not "
		    "supported by this version", "use another method of "
		    "auth" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *field = str_fmt("spec.provider.vault.%s",
		    rows[i].path);
		const struct json *v = member(store->spec, rows[i].path);

		if (v != NULL)
			findings_add(f, FINDING_ERROR, v, field,
			    rows[i].remedy, "%s", rows[i].what);
	}
}

void
vault_check(const struct store *store, struct findings *f)
{
	const char *version = json_str(json_get(store->spec, "version"));

	check_refs(store, "vault", vault_refs, ARRAY_LEN(vault_refs), f);
	check_role_id(store, f);
	check_jwt(store, f);
	check_tls(store, f);
	if (version != NULL && strcmp(version, "v1") == 0 &&
	    json_bool(json_path(store->spec, "checkAndSet.required"), 0))
		findings_reject(f, FINDING_WEBHOOK, member(store->spec,
		    "checkAndSet"), "spec.provider.vault.checkAndSet",
		    "checkAndSet is not supported with Vault KV version v1");
	check_server(store, "vault", f);
	check_unsupported(store, f);
}

/* --- OpenBao's, most of them in its schema ------------------------------- */

static int
count(const struct json *obj, const char *const *names, size_t n)
{
	int found = 0;

	for (size_t i = 0; i < n; i++)
		found += member(obj, names[i]) != NULL;
	return (found);
}

void
openbao_check(const struct store *store, struct findings *f)
{
	static const struct ref_rule refs[] = {
		{ "auth.appRole.roleRef", "invalid Auth.AppRole.RoleRef" },
		{ "auth.appRole.secretRef", "invalid Auth.AppRole.SecretRef" },
		{ "auth.tokenSecretRef", "invalid Auth.TokenSecretRef" },
		{ "auth.userPass.secretRef",
		    "invalid Auth.UserPass.SecretRef" },
	};
	static const char *const methods[] = { "appRole", "tokenSecretRef",
	    "userPass" };
	static const char *const roles[] = { "roleId", "roleRef" };
	const struct json *auth = member(store->spec, "auth");
	const struct json *role = member(store->spec, "auth.appRole");

	if (auth != NULL && count(auth, methods, ARRAY_LEN(methods)) != 1)
		findings_reject(f, FINDING_SCHEMA, auth,
		    "spec.provider.openBao.auth", "Invalid value: exactly one "
		    "of the fields in [appRole tokenSecretRef userPass] must "
		    "be set");
	if (role != NULL && count(role, roles, ARRAY_LEN(roles)) != 1)
		findings_reject(f, FINDING_SCHEMA, role,
		    "spec.provider.openBao.auth.appRole", "Invalid value: "
		    "exactly one of the fields in [roleId roleRef] must be "
		    "set");
	if (member(store->spec, "caBundle") != NULL &&
	    member(store->spec, "caProvider") != NULL)
		findings_reject(f, FINDING_SCHEMA, store->spec,
		    "spec.provider.openBao", "Invalid value: at most one of "
		    "the fields in [caBundle caProvider] may be set");
	check_refs(store, "openBao", refs, ARRAY_LEN(refs), f);
	check_server(store, "openBao", f);
}

/* --- isReferentSpec ------------------------------------------------------ */

int
vault_is_referent(const struct store *store)
{
	static const char account[] =
	    "auth.jwt.kubernetesServiceAccountToken.serviceAccountRef";
	const struct json *ref;

	if (store->meta.kind != OBJ_CLUSTER_SECRET_STORE)
		return (0);
	for (size_t i = 0; i < ARRAY_LEN(vault_refs); i++) {
		ref = member(store->spec, vault_refs[i].path);
		if (ref != NULL && member(ref, "namespace") == NULL)
			return (1);
	}
	ref = member(store->spec, account);
	return (ref != NULL && member(ref, "namespace") == NULL);
}
