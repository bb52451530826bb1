/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "auth/vault_login.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/url.h"
#include "provider/registry.h"
#include "provider/vault_internal.h"
#include "value/gostr.h"

#define RETRIES_MAX 10

static const struct vault_dialect vault_dialect = {
	.name = "vault",
	.strip_mount = 1,
};

/* ESO's OpenBao provider: "kv" where no path is given, a key is never
 * shortened, and the condition says what is mounted. */
static const struct vault_dialect openbao_dialect = {
	.name = "openBao",
	.default_path = "kv",
	.check_mount = 1,
};

static const char *
text(const struct json *obj, const char *key)
{
	return (str_or(json_str(json_get(obj, key)), ""));
}

static const struct json *
member(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	return (json_is(v, JSON_OBJECT) ? v : NULL);
}

/* --- open: what the connection is made of -------------------------------- */

/* Everything that must be known before the first byte is sent. */
struct setup {
	struct provider_env *env;
	const struct json *spec;
	char *ca;
	struct secret *cert, *key;	/* of spec.tls */
	struct vault_login login;
	struct secret *token;
};

static void
setup_clear(struct setup *s)
{
	free(s->ca);
	secret_free(s->cert);
	secret_free(s->key);
	vault_login_clear(&s->login);
	secret_free(s->token);
}

static int
lookup(void *arg, const struct json *ref, const char *default_key,
    struct secret **ret, struct err *err)
{
	return (provider_secret(arg, ref, default_key, ret, err));
}

static int
account(void *arg, const struct json *ref, const struct json *more,
    const char *def, struct secret **ret, struct err *err)
{
	return (provider_token(arg, ref, more, def, ret, err));
}

/* client.configureClientTLS: both or none; the key first, as ESO. */
static int
read_client_tls(struct setup *s, struct err *err)
{
	const struct json *tls = member(s->spec, "tls");
	const struct json *cert = member(tls, "certSecretRef");
	const struct json *key = member(tls, "keySecretRef");

	if (cert == NULL || key == NULL)
		return (0);
	if (provider_secret(s->env, key, "tls.key", &s->key, err) == -1)
		return (-1);
	return (provider_secret(s->env, cert, "tls.crt", &s->cert, err));
}

static int
read_auth(struct setup *s, struct err *err)
{
	const struct json *auth = member(s->spec, "auth");
	struct vault_login_source src = { .lookup = lookup,
		.account = account, .arg = s->env,
	    .allow_ambient = s->env->allow_ambient };

	/* Without auth a proxy in between adds the token. */
	if (auth == NULL)
		return (0);
	return (vault_login_build(auth, &src, &s->login, &s->token, err));
}

/* --- open: the client ---------------------------------------------------- */

/* spec.retrySettings: without maxRetries nothing is tried again. */
static int
retry_options(const struct store *store, struct http_options *o,
    struct err *err)
{
	int64_t ms;

	o->max_retries = -1;
	if (!store->has_retry)
		return (0);
	o->max_retries = store->max_retries < 0 ? 0 : store->max_retries;
	if (o->max_retries > RETRIES_MAX)
		o->max_retries = RETRIES_MAX;
	if (store->retry_interval[0] == '\0')
		return (0);
	if (duration_parse(store->retry_interval, &ms, err) == -1)
		return (-1);
	ms = ms < 1 ? 1 : ms > 3600000 ? 3600000 : ms;
	o->retry_min_ms = o->retry_max_ms = (uint32_t)ms;
	return (0);
}

/* The phrases that ESO puts before what may be wrong here. */
static int
client_failed(const struct vault_dialect *d, struct err *err)
{
	cleanup_buf struct buf quoted = BUF_PLAIN(4096);
	const char *msg = err_msg(err);

	if (strncmp(msg, "tls: ", 5) == 0) {
		gostr_quote(msg, strlen(msg), &quoted);
		return (err_set(err, ERR_INVALID,
		    "error from Client TLS Auth: %s", buf_str(&quoted)));
	}
	if (strstr(msg, "CertPool") != NULL)
		return (err_wrap(err, "cannot set %s CA certificate",
		    d->check_mount ? "OpenBao" : "Vault"));
	return (err_wrap(err, "cannot setup new vault client: "
	    "spec.provider.%s.server", d->name));
}

static int
open_client(struct provider_conn *c, const struct setup *s, struct err *err)
{
	/* The certificate of a certificate login serves every request. */
	const struct secret *cert = s->login.cert != NULL ? s->login.cert :
	    s->cert;
	const struct secret *key = s->login.cert != NULL ? s->login.key :
	    s->key;
	struct http_options o = { .ca_pem = s->ca, .key_pem = key,
	    .cert_pem = cert != NULL ? (const char *)secret_data(cert) : NULL,
	    .timeout_ms = s->env->timeout_ms };

	if (retry_options(s->env->store, &o, err) == -1)
		return (-1);
	if (http_client_new(text(s->spec, "server"), &o, &c->http, err) == -1)
		return (client_failed(c->dialect, err));
	return (0);
}

static struct provider_conn *
conn_new(const struct vault_dialect *d, struct provider_env *env)
{
	struct provider_conn *c = mem_alloc(sizeof(*c));
	const struct json *spec = env->store->spec;
	int index = json_bool(json_get(spec, "readYourWrites"), 0);
	int forward = json_bool(json_get(spec, "forwardInconsistent"), 0);

	c->dialect = d;
	c->env = env;
	c->spec = spec;
	c->ns = json_str(json_get(spec, "namespace"));
	c->auth_ns = json_str(json_path(spec, "auth.namespace"));
	if (c->auth_ns == NULL)
		c->auth_ns = c->ns;
	c->path = str_or(text(spec, "path"), d->default_path);
	c->v1 = strcmp(text(spec, "version"), "v1") == 0;
	c->keep_index = index || forward;
	c->forward = index && forward;
	c->memo = strmap_new(vault_memo_free);
	return (c);
}

static void
vault_close(struct provider_conn *c)
{
	if (c == NULL)
		return;
	if (c->http != NULL)
		vault_log_out(c);
	http_client_free(c->http);
	secret_free(c->token);
	strmap_free(c->memo);
	free(c->index);
	err_clear(&c->down);
	free(c->down_ours);
	free(c);
}

static int
open_with(const struct vault_dialect *d, struct provider_env *env,
    struct provider_conn **ret, struct err *err)
{
	struct setup s = { .env = env, .spec = env->store->spec };
	struct provider_conn *c = conn_new(d, env);
	int r = -1;

	if (provider_ca(env, json_get(s.spec, "caBundle"),
	    json_get(s.spec, "caProvider"), &s.ca, err) == -1) {
		if (d->check_mount)
			err_wrap(err, "cannot set OpenBao CA certificate");
	} else if (read_client_tls(&s, err) == 0 &&
	    read_auth(&s, err) == 0 && open_client(c, &s, err) == 0) {
		c->token = STEAL(s.token);
		r = s.login.path == NULL ? 0 : vault_log_in(c, &s.login, err);
	}
	setup_clear(&s);
	if (r == -1) {
		vault_close(c);
		return (-1);
	}
	*ret = c;
	return (0);
}

static int
vault_open(struct provider_env *env, struct provider_conn **ret,
    struct err *err)
{
	return (open_with(&vault_dialect, env, ret, err));
}

static int
openbao_open(struct provider_env *env, struct provider_conn **ret,
    struct err *err)
{
	return (open_with(&openbao_dialect, env, ret, err));
}

/* --- the store's condition ----------------------------------------------- */

static int
look(struct provider_conn *c, const char *path, struct http_response *resp,
    struct vault_answer *a, struct err *err)
{
	if (vault_look(c, path, resp, err) == -1)
		return (-1);
	return (vault_parse_answer(resp->status, buf_str(&resp->body),
	    resp->body.len, a, err));
}

static int
vault_validate(struct provider_conn *c, struct err *err)
{
	cleanup_http_response struct http_response resp = {
	    .body = BUF_SECRET(0) };
	struct vault_answer a;

	if (vault_is_referent(c->env->store))
		return (1);
	if (look(c, "auth/token/lookup-self", &resp, &a, err) == -1 ||
	    vault_parse_lookup(&a, err) == -1)
		return (err_wrap(err, "invalid vault credentials"));
	return (0);
}

static int
openbao_validate(struct provider_conn *c, struct err *err)
{
	cleanup_free char *path = str_fmt("sys/internal/ui/mounts/%s",
	    c->path);
	cleanup_http_response struct http_response resp = {
	    .body = BUF_SECRET(0) };
	struct vault_answer a;

	if (vault_is_referent(c->env->store))
		return (1);
	if (look(c, path, &resp, &a, err) == -1)
		return (err_wrap(err, "error while validating \"%s\"",
		    text(c->spec, "server")));
	return (vault_parse_mount(&a, c->v1 ? "1" : "2", err));
}

static char *
vault_host(const struct store *store)
{
	cleanup_url struct url u = { 0 };

	if (url_parse(text(store->spec, "server"), &u, NULL) == -1)
		return (NULL);
	return (url_host_port(&u));
}

const struct provider provider_vault = {
	.name = "vault",
	.metric = "HashiCorp/Vault",
	.settings = vault_settings,
	.check = vault_check,
	.host = vault_host,
	.open = vault_open,
	.get = vault_get,
	.get_map = vault_get_map,
	.find = vault_find,
	.validate = vault_validate,
	.close = vault_close,
};

const struct provider provider_openbao = {
	.name = "openBao",
	.metric = "OpenBao",
	.settings = openbao_settings,
	.check = openbao_check,
	.host = vault_host,
	.open = openbao_open,
	.get = vault_get,
	.get_map = vault_get_map,
	.find = vault_find,
	.validate = openbao_validate,
	.close = vault_close,
};
