/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/vault_login.h"
#include "base/codec.h"
#include "base/mem.h"
#include "net/url.h"
#include "provider/vault_internal.h"
#include "value/gostr.h"

#define HEADERS_MAX 48
#define MEMO_MAX (32u << 20)	/* bytes of answers kept */
#define FAILURES_MAX 3		/* in a row: the store is away */
#define AGAIN_MS 5000u		/* after a failure nobody waits longer */
#define LOG_OUT_MS 2000u	/* a revocation holds nobody up */
#define ERROR_MAX 4096

/* --- headers ------------------------------------------------------------- */

struct headers {
	struct http_header v[HEADERS_MAX + 1];	/* one place for the token */
	size_t n;
};

static void
add(struct headers *h, const char *name, const char *value)
{
	if (value != NULL && h->n < HEADERS_MAX)
		h->v[h->n++] = (struct http_header){ name, value, NULL };
}

static void
common_headers(const struct provider_conn *c, struct headers *h,
    const char *ns)
{
	const struct json *own = json_get(c->spec, "headers");

	add(h, "X-Vault-Request", "true");
	add(h, "X-Vault-Namespace", str_or(ns, NULL));
	if (c->forward)
		add(h, "X-Vault-Inconsistent", "forward-active-node");
	if (c->keep_index)
		add(h, "X-Vault-Index", str_or(c->index, NULL));
	for (own = json_first(own); own != NULL; own = json_next(own))
		add(h, json_key(own), json_str(own));
}

/* unicode.IsPrint for each rune, as Vault's client demands before it sends. */
static int
token_ok(const struct secret *token, struct err *err)
{
	const char *s = (const char *)secret_data(token);
	size_t left = secret_len(token), n;
	uint32_t rune;

	for (; left > 0; s += n, left -= n) {
		n = utf8_next(s, left, &rune);
		if (!gostr_is_print(rune))
			return (err_set(err, ERR_INVALID, "configured Vault "
			    "token contains non-printable characters and "
			    "cannot be used"));
	}
	return (0);
}

/* --- failures ------------------------------------------------------------ */

static enum err_kind
kind_of(int status)
{
	if (status == 401 || status == 403)
		return (ERR_DENIED);
	if (status == 404)
		return (ERR_NOTFOUND);
	if (status == 412 || status == 429 || status >= 500)
		return (ERR_TRANSIENT);
	return (ERR_INVALID);
}

/* Where the store is, for messages: the server as written. */
static const char *
server(const struct provider_conn *c)
{
	return (str_or(json_str(json_get(c->spec, "server")), ""));
}

/* api.ResponseError's text; a body that is not Vault's is not repeated. */
static int
api_error(const struct provider_conn *c, const struct http_request *req,
    const struct http_response *r, struct err *err)
{
	cleanup_buf struct buf errors = BUF_PLAIN(VAULT_ERRORS_MAX);
	const char *base = server(c);
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	if (vault_parse_errors(buf_str(&r->body), r->body.len, &errors))
		return (err_set(err, kind_of(r->status), "Error making API "
		    "request.\n\nURL: %s %.*s%s\nCode: %d. Errors:\n\n%s",
		    req->method, (int)len, base, req->path, r->status,
		    buf_str(&errors)));
	return (err_set(err, kind_of(r->status), "Error making API "
	    "request.\n\nURL: %s %.*s%s\nCode: %d. Raw Message:\n\n(%zu bytes "
	    "that are not Vault's JSON)", req->method, (int)len, base,
	    req->path, r->status, r->body.len));
}

/* Path without "/v1/" and query. */
static void
blame(struct provider_conn *c, const struct http_request *req, int status,
    uint32_t retry_after_ms, const struct err *err)
{
	const char *path = strncmp(req->path, "/v1/", 4) == 0 ? req->path + 4 :
	    req->path;

	provider_blame(c->env, http_client_host(c->http), status,
	    retry_after_ms);
	if (status > 0)
		provider_ours(c->env, "%s: %s %.*s: %d", c->dialect->name,
		    req->method, (int)strcspn(path, "?"), path, status);
	else
		provider_ours(c->env, "%s: %s", c->dialect->name,
		    err_msg(err));
}

/*
 * A store that cannot be reached is not tried again in this job; one that is
 * slow, breaks off or answers 5xx is after three in a row.  Less would let one
 * bad path take its neighbours along, more would wait 256 times.
 */
static void
note_failure(struct provider_conn *c, const struct err *err)
{
	c->failures++;
	if (c->down.kind != ERR_NONE || (err->sys != ECONNREFUSED &&
	    c->failures < FAILURES_MAX))
		return;
	err_set(&c->down, err->kind, "%s", err_msg(err));
	c->down.sys = err->sys;
	c->down_ours = str_dup(c->env->ours);
	c->down_status = c->env->http_status;
}

static int
still_down(struct provider_conn *c, struct err *err)
{
	provider_blame(c->env, http_client_host(c->http), c->down_status, 0);
	provider_ours(c->env, "%s", c->down_ours);
	err_set(err, c->down.kind, "%s", err_msg(&c->down));
	if (err)
		err->sys = c->down.sys;
	return (-1);
}

/* --- one request --------------------------------------------------------- */

/* 0 with an answer of 200, 204 or 404 in ${resp}, which is the caller's in
 * every case. */
static int
request(struct provider_conn *c, const struct http_request *req,
    struct http_response *resp, struct err *err)
{
	struct err own = ERR_INIT;

	if (http_do(c->http, req, resp, &own) == -1) {
		blame(c, req, 0, 0, &own);
		if (own.kind == ERR_TRANSIENT || own.sys == ECONNREFUSED)
			note_failure(c, &own);
		return (err_move(err, &own));
	}
	if (c->keep_index && resp->index[0] != '\0') {
		free(c->index);
		c->index = str_dup(resp->index);
	}
	if (resp->status < 500)
		c->failures = 0;
	if (resp->status == 200 || resp->status == 204 ||
	    resp->status == 404) {
		if (resp->status == 404)
			blame(c, req, 404, 0, NULL);
		return (0);
	}
	api_error(c, req, resp, &own);
	blame(c, req, resp->status, resp->retry_after_ms, NULL);
	if (resp->status >= 500)
		note_failure(c, &own);
	return (err_move(err, &own));
}

static int
get(struct provider_conn *c, const char *target, struct http_response *resp,
    struct err *err)
{
	struct headers h = { .n = 0 };
	struct http_request req = { .method = "GET", .path = target,
	    .headers = h.v };
	uint32_t full = c->env->timeout_ms;

	if (c->failures > 0)
		req.timeout_ms = full > 0 && full < AGAIN_MS ? full : AGAIN_MS;

	common_headers(c, &h, c->ns);
	if (c->token != NULL) {
		if (token_ok(c->token, err) == -1)
			return (-1);
		h.v[h.n++] = (struct http_header){ "X-Vault-Token", NULL,
		    c->token };
	}
	req.nheaders = h.n;
	return (request(c, &req, resp, err));
}

/* --- reads, each once ---------------------------------------------------- */

void
vault_memo_free(void *arg)
{
	struct vault_read *r = arg;

	if (r == NULL)
		return;
	secret_free(r->body);
	free(r);
}

static void
forget_oldest(struct provider_conn *c)
{
	size_t i;

	while (c->memo_bytes > MEMO_MAX &&
	    (i = strmap_next(c->memo, 0)) != 0) {
		struct vault_read *old = strmap_val(c->memo, i);
		cleanup_free char *key = str_dup(strmap_key(c->memo, i));

		c->memo_bytes -= secret_len(old->body);
		strmap_del(c->memo, key);
	}
}

static const struct vault_read *
remember(struct provider_conn *c, const char *target,
    struct http_response *resp)
{
	struct vault_read *r = mem_alloc(sizeof(*r));

	r->status = resp->status;
	r->body = secret_from_buf(&resp->body);
	c->memo_bytes += secret_len(r->body);
	forget_oldest(c);
	strmap_put(c->memo, target, r);
	return (r);
}

static int
target_of(const char *path, const char *query, char **ret, struct err *err)
{
	cleanup_free char *full = str_fmt("/v1/%s", path), *clean = NULL;

	if (url_clean_path(full, &clean, err) == -1)
		return (-1);
	*ret = str_fmt("%s%s%s", clean, query[0] != '\0' ? "?" : "", query);
	return (0);
}

int
vault_fetch(struct provider_conn *c, const char *path, const char *query,
    const struct vault_read **ret, struct err *err)
{
	struct http_response resp = { .body = BUF_SECRET(0) };
	cleanup_free char *target = NULL;
	unsigned before = http_client_requests(c->http);
	int r;

	if (target_of(path, query, &target, err) == -1)
		return (-1);
	*ret = strmap_get(c->memo, target);
	if (*ret != NULL)
		return (0);
	if (c->down.kind != ERR_NONE)
		return (still_down(c, err));
	r = get(c, target, &resp, err);
	c->env->requests += http_client_requests(c->http) - before;
	if (r == 0)
		*ret = remember(c, target, &resp);
	http_response_clear(&resp);
	return (r);
}

int
vault_look(struct provider_conn *c, const char *path,
    struct http_response *ret, struct err *err)
{
	cleanup_free char *target = NULL;

	*ret = (struct http_response){ .body = BUF_SECRET(0) };
	if (target_of(path, "", &target, err) == -1)
		return (-1);
	return (get(c, target, ret, err));
}

/* --- the token ----------------------------------------------------------- */

int
vault_log_in(struct provider_conn *c, const struct vault_login *login,
    struct err *err)
{
	cleanup_http_response struct http_response resp = {
	    .body = BUF_SECRET(0) };
	cleanup_secret struct secret *body = secret_new(login->body.data,
	    login->body.len);
	struct headers h = { .n = 0 };
	struct http_request req = { .method = "PUT", .path = login->path,
	    .headers = h.v, .body = body };
	int64_t lease;
	int r;

	common_headers(c, &h, c->auth_ns);
	req.nheaders = h.n;
	c->env->logins++;
	r = request(c, &req, &resp, err);
	if (r == 0 && resp.status == 404)
		r = api_error(c, &req, &resp, err);
	if (r == -1)
		return (login->phrase[0] == '\0' ? -1 :
		    err_wrap(err, "%s", login->phrase));
	r = vault_login_parse(buf_str(&resp.body), resp.body.len, &c->token,
	    &lease, err);
	if (r == -1)
		blame(c, &req, resp.status, 0, NULL);
	c->revoke = r == 0;
	return (r);
}

/* ESO looks the token up first; its login has just told us all that. */
void
vault_log_out(struct provider_conn *c)
{
	struct http_response resp = { .body = BUF_SECRET(0) };
	struct headers h = { .n = 0 };
	struct http_request req = { .method = "PUT",
	    .path = "/v1/auth/token/revoke-self", .headers = h.v, .once = 1,
	    .timeout_ms = LOG_OUT_MS };

	if (!c->revoke || c->down.kind != ERR_NONE ||
	    token_ok(c->token, NULL) == -1)
		return;
	c->revoke = 0;
	common_headers(c, &h, c->auth_ns);
	h.v[h.n++] = (struct http_header){ "X-Vault-Token", NULL, c->token };
	req.nheaders = h.n;
	(void)http_do(c->http, &req, &resp, NULL);
	http_response_clear(&resp);
}
