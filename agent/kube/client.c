/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "kube/client.h"
#include "net/http.h"

#define RETRY_MIN_MS 200u
#define RETRY_MAX_MS 1000u
#define BEARER_MAX (1u << 20)

struct kube_client {
	struct http_client *http;
	struct secret *bearer;	/* "Bearer …"; NULL: by certificate */
};

int
kube_client_new(const struct kube_config *c, uint32_t timeout_ms,
    struct kube_client **ret, struct err *err)
{
	cleanup_kube_client struct kube_client *k = mem_alloc(sizeof(*k));
	cleanup_buf struct buf bearer = BUF_SECRET(BEARER_MAX + 8);
	cleanup_free char *url = NULL, *to = NULL;
	struct http_options o = { .ca_pem = c->ca_pem,
		.cert_pem = c->cert_pem, .key_pem = c->key_pem,
		.timeout_ms = timeout_ms, .response_max = KUBE_ANSWER_MAX,
		.max_retries = 2, .retry_min_ms = RETRY_MIN_MS,
		.retry_max_ms = RETRY_MAX_MS };

	if (kube_config_address(c, &url, &to, err) == -1)
		return (err_wrap(err, "API server"));
	o.connect_to = to;
	if (http_client_new(url, &o, &k->http, err) == -1)
		return (err_wrap(err, "API server"));
	if (c->token != NULL) {
		buf_adds(&bearer, "Bearer ");
		buf_add(&bearer, secret_data(c->token), secret_len(c->token));
		if (buf_finish(&bearer, "the token", err) == -1)
			return (-1);
		k->bearer = secret_from_buf(&bearer);
	}
	*ret = STEAL(k);
	return (0);
}

void
kube_client_free(struct kube_client *c)
{
	if (c == NULL)
		return;
	http_client_free(c->http);
	secret_free(c->bearer);
	free(c);
}

void
kube_client_cleanup(struct kube_client **c)
{
	kube_client_free(*c);
}

const char *
kube_client_host(const struct kube_client *c)
{
	return (http_client_host(c->http));
}

unsigned
kube_client_requests(const struct kube_client *c)
{
	return (http_client_requests(c->http));
}

/* --- requests ------------------------------------------------------------- */

int
kube_do(struct kube_client *c, const struct kube_request *req,
    struct kube_answer *ret, struct err *err)
{
	struct http_header h[] = {
		{ "Accept", str_or(req->accept, "application/json"), NULL },
		{ "Authorization", NULL, c->bearer } };
	struct http_request r = { .method = req->method, .path = req->path,
		.headers = h, .nheaders = c->bearer != NULL ? 2 : 1,
		.body = req->body, .content_type = req->content_type };
	struct http_response resp;
	int rc = http_do(c->http, &r, &resp, err);

	*ret = (struct kube_answer){ resp.status, resp.retry_after_ms,
	    resp.body };
	resp.body = (struct buf)BUF_SECRET(0);
	http_response_clear(&resp);
	return (rc == -1 ? err_wrap(err, "API server") : 0);
}

void
kube_answer_clear(struct kube_answer *a)
{
	buf_clear(&a->body);
	*a = (struct kube_answer){ .body = BUF_SECRET(0) };
}

struct json *
kube_answer_json(const struct kube_answer *a)
{
	return (json_parse(buf_str(&a->body), a->body.len, NULL));
}

static int
refused(const struct kube_resource *r, const char *verb, const char *ns,
    const char *name, const struct kube_answer *a, struct err *err)
{
	cleanup_json struct json *body = kube_answer_json(a);

	return (kube_refused(r, verb, ns, name, a->status, body, err));
}

int
kube_get(struct kube_client *c, const struct kube_resource *r,
    const char *ns, const char *name, struct kube_answer *ret,
    struct err *err)
{
	cleanup_free char *path = kube_path(r, ns, name, NULL, NULL);
	struct kube_request req = { .method = "GET", .path = path };

	if (kube_do(c, &req, ret, err) == -1)
		return (-1);
	return (ret->status == 200 ? 0 :
	    refused(r, "get", ns, name, ret, err));
}

/* --- tokens --------------------------------------------------------------- */

static struct secret *
token_body(const struct kube_token_spec *spec)
{
	cleanup_json struct json *req = json_new_object();
	struct json *s = json_new_object(), *aud = json_new_array(), *bound;
	struct buf b = BUF_SECRET(64u << 10);

	json_set_str(req, "apiVersion", "authentication.k8s.io/v1");
	json_set_str(req, "kind", "TokenRequest");
	for (size_t i = 0; i < spec->naudiences; i++)
		json_push(aud, json_new_str(spec->audiences[i]));
	json_set(s, "audiences", aud);
	json_set_num(s, "expirationSeconds", spec->seconds);
	if (spec->bound_kind != NULL) {
		bound = json_new_object();
		json_set_str(bound, "apiVersion", "v1");
		json_set_str(bound, "kind", spec->bound_kind);
		json_set_str(bound, "name", spec->bound_name);
		json_set_str(bound, "uid", spec->bound_uid);
		json_set(s, "boundObjectRef", bound);
	}
	json_set(req, "spec", s);
	json_print(req, &b, 0);
	return (secret_from_buf(&b));
}

/* pkg/registry/core/serviceaccount/storage/token.go: before Kubernetes 1.29,
 * or with the gate off, which 1.33 took away. */
static int
is_old(const struct json *answer)
{
	const char *m = str_or(json_str(json_get(answer, "message")), "");

	return (strstr(m, "cannot bind token to a Node object") != NULL ||
	    strstr(m, "cannot bind token for serviceaccount to object of "
	    "type") != NULL);
}

static int
token_refused(const char *ns, const char *account,
    const struct kube_token_spec *spec, int status, const struct json *answer,
    struct err *err)
{
	if (status == 400 && str_eq(spec->bound_kind, "Node") &&
	    is_old(answer))
		return (err_set(err, ERR_INVALID, "this API server is older "
		    "than Kubernetes 1.33 and binds no token to a Node: only "
		    "for accounts of pods on this node can a token be had"));
	return (kube_refused(kube_resource_find("ServiceAccount"), "create",
	    ns, account, status, answer, err));
}

int
kube_token(struct kube_client *c, const char *ns, const char *account,
    const struct kube_token_spec *spec, struct secret **ret, int *ret_status,
    struct err *err)
{
	cleanup_free char *path = kube_path(
	    kube_resource_find("ServiceAccount"), ns, account, "token", NULL);
	cleanup_secret struct secret *body = token_body(spec);
	struct kube_request req = { .method = "POST", .path = path,
		.content_type = "application/json", .body = body };
	cleanup_kube_answer struct kube_answer a = { .body = BUF_SECRET(0) };
	cleanup_json struct json *answer = NULL;
	const char *token;
	int rc = kube_do(c, &req, &a, err);

	*ret_status = a.status;
	if (rc == -1)
		return (-1);
	answer = kube_answer_json(&a);
	if (a.status != 201 && a.status != 200)
		return (token_refused(ns, account, spec, a.status, answer,
		    err));
	token = json_str(json_path(answer, "status.token"));
	if (token == NULL || token[0] == '\0')
		return (err_set(err, ERR_INVALID, "API server: the answer to "
		    "a TokenRequest holds no token"));
	*ret = secret_new(token, strlen(token));
	return (0);
}
