/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_VAULT_INTERNAL_H
#define PROVIDER_VAULT_INTERNAL_H

#include <stddef.h>

#include "net/http.h"
#include "provider/provider.h"
#include "value/doc.h"

/*
 * Vault and OpenBao: one driver, two dialects.
 *	vault_settings.c  what a manifest may say
 *	vault.c           open, close, validate, the exported structs
 *	vault_conn.c      requests, the login, what was already read
 *	vault_parse.c     answers; pure, fuzzed
 *	vault_kv.c        paths and the three reads
 * Texts and rules are ESO 2.9.0's (providers/v1/vault, providers/v1/openbao)
 * and of the clients that it uses (hashicorp/vault/api, openbao/openbao/api).
 */
struct vault_dialect {
	const char *name;		/* the key below spec.provider */
	const char *default_path;	/* NULL: the key names the mount */
	int strip_mount;		/* a key may begin with the path, too */
	int check_mount;		/* validate: what is mounted there? */
};

extern const struct setting vault_settings[];
extern const struct setting openbao_settings[];
void vault_check(const struct store *store, struct findings *f);
void openbao_check(const struct store *store, struct findings *f);
/* vault_is_referent: does the identity depend on the ExternalSecret's
 * namespace (a ClusterSecretStore with a reference that names none)? */
int vault_is_referent(const struct store *store);

/* --- answers (vault_parse.c) --------------------------------------------- */

/* api.Secret, as far as it is looked at; borrows the body. */
struct vault_answer {
	int status;
	int exists;		/* 0: Go's nil *Secret */
	struct doc data;	/* DOC_NONE: Go's nil map */
};

/**
 * vault_parse_answer(status, body, len, ret, err):
 * ParseSecret and ParseRawResponseAndCloseBody: what an answer of 200, 204 or
 * 404 says.  Unlike Go's client, an answer of 200 without a body is
 * TRANSIENT: it is no proof that a secret does not exist, and deletionPolicy
 * would act upon it.
 */
int vault_parse_answer(int status, const char *body, size_t len,
    struct vault_answer *ret, struct err *err);
/* vault_parse_kv2(a, ret, err): data.data of KV v2; NOTFOUND with
 * PROVIDER_NO_SECRET for a deleted version. */
int vault_parse_kv2(const struct vault_answer *a, struct doc *ret,
    struct err *err);
/* vault_parse_metadata(a, v2, out): the metadata as one JSON object of
 * strings, keys sorted by nobody; nothing at all when there are none. */
void vault_parse_metadata(const struct vault_answer *a, int v2,
    struct buf *out);
/* vault_parse_keys(a, cb, arg, err): each name of a LIST; stops when cb
 * returns -1. */
int vault_parse_keys(const struct vault_answer *a,
    int (*cb)(void *arg, const char *name, struct err *err), void *arg,
    struct err *err);
/* vault_parse_errors(body, len, out): "* …" for each of Vault's own error
 * texts: at most VAULT_ERRORS_MAX bytes, control characters but line ends and
 * tabs escaped.  1; or 0 when the body is not Vault's. */
#define VAULT_ERRORS_MAX 512
int vault_parse_errors(const char *body, size_t len, struct buf *out);
/* vault_parse_property(data, property, out, err): getSecretValue. */
int vault_parse_property(const struct doc *data, const char *property,
    struct buf *out, struct err *err);
/* vault_parse_lookup: checkToken's demands on auth/token/lookup-self. */
int vault_parse_lookup(const struct vault_answer *a, struct err *err);
/* vault_parse_mount: OpenBao's sys/internal/ui/mounts: type and version. */
int vault_parse_mount(const struct vault_answer *a, const char *version,
    struct err *err);

/* --- the connection (vault_conn.c) --------------------------------------- */

struct provider_conn {
	const struct vault_dialect *dialect;
	struct provider_env *env;
	const struct json *spec;
	struct http_client *http;
	struct secret *token;	/* NULL: none */
	int revoke;		/* it is ours to revoke */
	const char *ns;		/* of the values; NULL none */
	const char *auth_ns;	/* of the login */
	const char *path;	/* the mount; NULL when the key names it */
	int v1;
	int keep_index, forward;
	char *index;		/* X-Vault-Index last seen */
	struct strmap *memo;	/* target -> struct vault_read */
	size_t memo_bytes;
	unsigned failures;	/* time-outs, cuts and 5xx in a row */
	struct err down;	/* why nobody need try again; ERR_NONE */
	char *down_ours;	/* the same in our words */
	int down_status;
};

/* One answer that came whole. */
struct vault_read {
	int status;
	struct secret *body;
};

/* vault_login(c, login, err): the one login. */
struct vault_login;
int vault_log_in(struct provider_conn *c, const struct vault_login *login,
    struct err *err);
void vault_log_out(struct provider_conn *c);
/**
 * vault_fetch(c, path, query, ret, err):
 * GET below /v1/, once a connection: a second call for the same is answered
 * from memory.  ${path} is as users write it.  Any answer but 200, 204 and 404
 * fails with the text of Vault's client.  *ret is borrowed until the next
 * call.
 */
int vault_fetch(struct provider_conn *c, const char *path, const char *query,
    const struct vault_read **ret, struct err *err);
/* vault_look(c, path, ret, err): as vault_fetch, uncounted and not kept; the
 * caller clears. */
int vault_look(struct provider_conn *c, const char *path,
    struct http_response *ret, struct err *err);
void vault_memo_free(void *read);

/* --- reads (vault_kv.c) -------------------------------------------------- */

/* The remote path of a value; the caller's. */
char *vault_data_path(const struct provider_conn *c, const char *key);
/* NULL and INVALID with ESO's text where there is none. */
char *vault_metadata_path(const struct provider_conn *c, const char *key,
    struct err *err);
int vault_get(struct provider_conn *c, const struct remote_ref *ref,
    struct secret **ret, struct err *err);
int vault_get_map(struct provider_conn *c, const struct remote_ref *ref,
    struct kv *ret, struct err *err);
int vault_find(struct provider_conn *c, const struct find_ref *ref,
    struct kv *ret, struct err *err);

#endif
