/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_VAULT_LOGIN_H
#define AUTH_VAULT_LOGIN_H

#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "net/http.h"

/*
 * Vault's logins (eso.md 5.3): a method's request from what the caller has
 * resolved, and the token out of the answer.  A generator may use them too, so
 * nothing here knows stores: secrets come through the callback.
 */
struct vault_login {
	const char *method;		/* "appRole", "kubernetes", … */
	const char *phrase;		/* of ESO and Vault's client before the
					 * failure of the request; "" none */
	char *path;			/* "/v1/auth/approle/login" */
	struct buf body;		/* secret JSON */
	struct secret *cert, *key;	/* method "cert": PEM for the TLS client
					 * that logs in; else NULL */
};

/* lookup(arg, ref, default_key, ret, err): resolve a SecretKeySelector. */
struct vault_login_source {
	int (*lookup)(void *arg, const struct json *ref,
	    const char *default_key, struct secret **ret, struct err *err);
	/* account(arg, ref, more, def, ret, err): the token that the resolve
	 * step got for a ServiceAccountSelector (provider_token). */
	int (*account)(void *arg, const struct json *ref,
	    const struct json *more, const char *def, struct secret **ret,
	    struct err *err);
	void *arg;
	int allow_ambient;		/* the agent's own account token */
};

/**
 * vault_login_build(auth, src, ret, ret_token, err):
 * The first method that ${auth} names, in ESO's order.  tokenSecretRef gives
 * *ret_token and no request (ret->path NULL).  NULL or empty ${auth}: INVALID
 * with ESO's text.  Methods that need a cloud (iam, gcp) are INVALID naming
 * the field and the remedy.  ${ret} is initialised here in every
 * case (vault_login_clear); *ret_token is set for a token alone.
 */
int vault_login_build(const struct json *auth,
    const struct vault_login_source *src, struct vault_login *ret,
    struct secret **ret_token, struct err *err);
void vault_login_clear(struct vault_login *l);
#define cleanup_vault_login __attribute__((cleanup(vault_login_clear)))

/* vault_login_parse(body, len, ret_token, ret_lease_s, err): auth.client_token
 * and auth.lease_duration (0 when absent).  INVALID, with the words of Vault's
 * client, when there is no token.  Pure; a fuzz target. */
int vault_login_parse(const char *body, size_t len, struct secret **ret_token,
    int64_t *ret_lease_s, struct err *err);

#endif
