/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "model/external_secret.h"
#include "model/store.h"
#include "value/kv.h"

/*
 * The interface of a secret store.  A provider is one file that reads top to
 * bottom: settings table, open, build request, parse_* (pure, fuzzed),
 * operations, and one exported const struct provider, plus one line in
 * registry.c.
 */

/* --- settings: docs, checks and references come from this table ---------- */

enum setting_type {
	SET_STRING,
	SET_BOOL,
	SET_INT,
	SET_STRING_LIST,
	SET_STRING_MAP,
	SET_PEM,		/* base64 of PEM text (caBundle) */
	SET_LABEL,		/* a name such as a namespace's */
	SET_SECRET_REF,		/* SecretKeySelector {name, namespace?, key} */
	SET_CA_REF,		/* CAProvider {type, name, key, namespace?} */
	SET_ACCOUNT_REF,	/* ServiceAccountSelector; a list "audiences"
				 * beside it adds to its own, def does where
				 * that list is not there */
	SET_OBJECT,		/* children follow with a longer path */
	SET_LIST,		/* of objects: children's path has [] */
	SET_ANY
};

/* SET_UNBUILT: a reference that no code here follows yet; SET_ONE: an object
 * of exactly one member; SET_ACCOUNT_OBJECT: the account's annotations are
 * wanted, too. */
enum { SET_REQUIRED = 1, SET_INLINE_VALUE = 2, SET_UNBUILT = 4, SET_ONE = 8,
	SET_ACCOUNT_OBJECT = 16 };

struct setting {
	const char *path;	/* "auth.appRole.secretRef"; "data[].value" */
	enum setting_type type;
	unsigned flags;
	const char *def;	/* CRD default, NULL none */
	const char *words;	/* "v1|v2" when an enum, else NULL */
	const char *doc;	/* one line */
};

/* --- what a driver is given ---------------------------------------------- */

/* The job's side: one per store in use. */
struct provider_env {
	const struct store *store;
	const char *es_namespace;	/* referent authentication */
	/* Referenced objects, whole, as the resolve step brought them. */
	const struct objects *objects;
	int allow_ambient;
	uint32_t timeout_ms;
	unsigned logins;		/* counted by drivers */
	unsigned requests;		/* ditto, without logins */
	/* For core's circuits; filled by drivers through provider_blame. */
	int http_status;
	uint32_t retry_after_ms;
	char *host;
	/* The last failure in our words, for status: "vault: GET
	 * secret/data/x: 403"; never a body, a token or a value.  NULL none. */
	char *ours;
};
/* provider_env_clear: free what drivers left there (host, ours). */
void provider_env_clear(struct provider_env *env);

/**
 * provider_secret(env, ref, default_key, ret, err):
 * Resolve a SecretKeySelector (JSON) under the namespace rules of eso.md 1.4: a
 * SecretStore reads its own namespace only; a ClusterSecretStore the named one,
 * or the ExternalSecret's.  Errors have ESO's texts (runtime/esutils/resolvers:
 * `cannot get Kubernetes secret "x" from namespace "y": …`, `cannot find secret
 * data for key: "k"`).
 */
int provider_secret(const struct provider_env *env, const struct json *ref,
    const char *default_key, struct secret **ret, struct err *err);
/**
 * provider_token(env, ref, more, def, ret, err):
 * A service account's token, as the resolve step brought it: ${ref} is a
 * ServiceAccountSelector, its namespace as of provider_secret, its audiences
 * with those of the list ${more} (may be NULL) behind them, or with ${def} (may
 * be NULL) when that is not there.
 */
int provider_token(const struct provider_env *env, const struct json *ref,
    const struct json *more, const char *def, struct secret **ret,
    struct err *err);
/* provider_ca(env, bundle, provider, ret_pem, err): caBundle or caProvider;
 * *ret_pem = NULL when both are absent. */
int provider_ca(const struct provider_env *env, const struct json *bundle,
    const struct json *ca_provider, char **ret_pem, struct err *err);
/* provider_blame: remember the host and the status of the last failure. */
void provider_blame(struct provider_env *env, const char *host, int status,
    uint32_t retry_after_ms);
/* provider_find_text: Go's %#v of an ExternalSecretFind that nobody can follow
 * (where a pointer is set, Go prints its address). */
void provider_find_text(const struct find_ref *ref, struct buf *out);
/* provider_ours: remember the last failure in our words. */
void provider_ours(struct provider_env *env, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* --- the driver ---------------------------------------------------------- */

struct provider_conn;	/* each driver's own */

#define PROVIDER_NO_SECRET "Secret does not exist"	/* ESO's NoSecretErr */

struct provider {
	const char *name;		/* the key below spec.provider */
	const char *metric;		/* ESO's provider label */
	const struct setting *settings;	/* ends with a NULL path */
	/* Further rules of ESO's ValidateStore; findings only.  May be NULL. */
	void (*check)(const struct store *store, struct findings *f);
	/* "host:port" that the store will speak to (the caller's), or NULL. */
	char *(*host)(const struct store *store);
	/*
	 * open: no request yet to the values; a login happens here or at the
	 * first read.  ${env} outlives the connection.
	 */
	int (*open)(struct provider_env *env, struct provider_conn **ret,
	    struct err *err);
	/* want: what will be read in all likelihood, before the first read; for
	 * stores that give many at once.  Failures show when it is read.  May
	 * be NULL. */
	void (*want)(struct provider_conn *c, const struct remote_ref *refs,
	    size_t n);
	/*
	 * The three reads.  NOTFOUND with the message PROVIDER_NO_SECRET is
	 * ESO's NoSecretErr, which deletionPolicy reacts to; any other failure
	 * stops the ExternalSecret.  A remote key is read once a connection
	 * however often it is asked for.  Results are not decoded and (but for
	 * find where ESO's provider does) not converted.
	 */
	int (*get)(struct provider_conn *c, const struct remote_ref *ref,
	    struct secret **ret, struct err *err);
	int (*get_map)(struct provider_conn *c, const struct remote_ref *ref,
	    struct kv *ret, struct err *err);
	int (*find)(struct provider_conn *c, const struct find_ref *ref,
	    struct kv *ret, struct err *err);
	/* Store condition: 0 Valid; 1 ESO's ValidationUnknown, the store is
	 * used; -1 with ESO's words. NULL: always valid. */
	int (*validate)(struct provider_conn *c, struct err *err);
	/* Revokes what was logged in; failures do not matter any more. */
	void (*close)(struct provider_conn *c);
};

/* registry.c */
const struct provider *provider_find(const char *name);		/* or NULL */
const struct provider *const *provider_all(size_t *ret_n);
/* Every key that ESO 2.9 knows below spec.provider, built here or not. */
int provider_known(const char *name);

/**
 * provider_check(store, findings):
 * Settings table against store->spec: unknown fields (WARN with the nearest
 * name), types, required, enums (REJECT, API server's texts), then the driver's
 * check.  A provider that is not built gives one ERROR finding:
 * `provider "x" is not supported by this version: …`.
 */
void provider_check(const struct store *store, struct findings *f);
/* provider_refs(store, cb, arg): each Secret, ConfigMap, ServiceAccount and
 * account's token (kind OBJECT_TOKEN, with its audiences) that the store refers
 * to; ns is "" for referent authentication. */
struct provider_ref {
	const char *kind, *ns, *name;
	const char *const *audiences;
	size_t naudiences;
};
typedef void provider_ref_fn(void *arg, const struct provider_ref *ref);
void provider_refs(const struct store *store, provider_ref_fn *cb, void *arg);

#endif
