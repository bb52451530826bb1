/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/queue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "kube/config.h"
#include "link/api.h"
#include "net/http_async.h"
#include "net/retry.h"

#define BODY_MAX (4u << 20)
#define TIMEOUT_MS 30000u
/* A server that is away is asked again this soon, and at last this seldom. */
#define AWAY_MIN_MS 250u
#define AWAY_MAX_MS 30000u
#define PATIENCE_MAX_MS 60000u	/* of a Retry-After */
/* client-go reads its token this often (transport.NewCachedFileTokenSource);
 * so soon, too, when the server does not take the one at hand. */
#define ACCOUNT_AGE_MS 60000
#define ACCOUNT_AGAIN_MS 2000

TAILQ_HEAD(api_calls, api_call);

struct api {
	struct loop *loop;
	int account_fd, kubeconfig_fd;
	char *server;
	struct api_events events;
	struct kube_config cfg;
	int64_t read_at;		/* boot ms; of cfg */
	struct http_async *http;
	struct strmap *counts;		/* uint64_t by "VERB resource" */
	struct api_calls waiting, sent;
	struct loop_timer *pump;
	int held;			/* nothing is sent before pump */
	int64_t heard_at;		/* boot ms; of the server */
	unsigned failures;		/* in a row: no answer at all */
	int connected, told;
	char *problem;			/* as it was told */
};

struct api_call {
	TAILQ_ENTRY(api_call) next;
	struct api *a;
	struct api_request r;		/* its texts are copies */
	const struct api_handlers *h;
	void *arg;
	struct http_call *http;		/* NULL while it waits */
	int again;			/* after a 401 */
};

static int64_t
now_ms(void)
{
	const struct clock *c = clock_system();

	return (c->boot_ms(c));
}

/* --- who we are ----------------------------------------------------------- */

static int
account_read(const struct api *a, struct kube_config *ret, struct err *err)
{
	if (a->kubeconfig_fd != -1)
		return (kube_config_file(a->kubeconfig_fd, ret, err));
	return (kube_config_account(a->account_fd, a->server, ret, err));
}

static struct http_options
options_of(const struct kube_config *c)
{
	return ((struct http_options){ .ca_pem = c->ca_pem,
		.cert_pem = c->cert_pem, .key_pem = c->key_pem,
		.timeout_ms = TIMEOUT_MS });
}

static int
secret_same(const struct secret *a, const struct secret *b)
{
	return (a == b || (a != NULL && b != NULL && secret_equal(a, b)));
}

static int
same_trust(const struct kube_config *a, const struct kube_config *b)
{
	return (str_eq(a->ca_pem, b->ca_pem) &&
	    str_eq(a->cert_pem, b->cert_pem) &&
	    secret_same(a->key_pem, b->key_pem));
}

/* What was read last stays good when reading fails: the kubelet swaps files,
 * and a token lives on for a while. */
static void
account_refresh(struct api *a, int64_t age_ms)
{
	cleanup_err struct err err = ERR_INIT;
	struct kube_config fresh;
	struct http_options o;

	if (now_ms() - a->read_at < age_ms)
		return;
	a->read_at = now_ms();
	if (account_read(a, &fresh, &err) == -1) {
		log_warn("%s: going on with what was read before",
		    err_msg(&err));
		return;
	}
	o = options_of(&fresh);
	if (!same_trust(&a->cfg, &fresh) &&
	    http_async_trust(a->http, &o, &err) == -1) {
		log_warn("%s: going on with what was read before",
		    err_msg(&err));
		kube_config_clear(&fresh);
		return;
	}
	kube_config_clear(&a->cfg);
	a->cfg = fresh;
}

/* --- the line ------------------------------------------------------------- */

static void
tell(struct api *a, const char *problem)
{
	a->connected = problem == NULL;
	if (a->told && str_eq(a->problem, problem))
		return;
	a->told = 1;
	free(a->problem);
	a->problem = str_dup(problem);
	if (problem != NULL)
		log_warn("%s: %s", a->cfg.server, problem);
	else
		log_info("%s: connected", a->cfg.server);
	a->events.state(a->events.arg, problem);
}

static void
heard(struct api *a)
{
	a->heard_at = now_ms();
	a->failures = 0;
	tell(a, NULL);
}

/* Nobody speaks for a while. */
static void
hold(struct api *a, uint32_t wait_ms)
{
#ifdef WEAKEN_LINK_PATIENCE
	wait_ms = 0;
#endif
	a->held = 1;
	loop_timer_start(a->pump, wait_ms);
}

/* Calls that fail together are one failure. */
static void
back_off(struct api *a)
{
	if (!a->held)
		hold(a, retry_jitter_ms(a->failures++, AWAY_MIN_MS,
		    AWAY_MAX_MS));
}

/* No answer at all: the server, or the way to it, is away for everybody. */
static void
away(struct api *a, const struct err *err)
{
	back_off(a);
	/* Perhaps the cluster's CA is another one by now. */
	if (err->kind == ERR_DENIED)
		account_refresh(a, ACCOUNT_AGAIN_MS);
	/* One answer that did not come in time is not the server's end. */
	if (err->sys != ETIMEDOUT || now_ms() - a->heard_at >= TIMEOUT_MS)
		tell(a, err_msg(err));
}

static void
call_free(struct api_call *c)
{
	if (c->http != NULL)
		http_async_cancel(c->http);
	free((char *)(uintptr_t)c->r.method);
	free((char *)(uintptr_t)c->r.path);
	free((char *)(uintptr_t)c->r.accept);
	free((char *)(uintptr_t)c->r.type);
	free((char *)(uintptr_t)c->r.body);
	free(c);
}

static void
unlink_call(struct api_call *c)
{
	if (c->http != NULL)
		TAILQ_REMOVE(&c->a->sent, c, next);
	else
		TAILQ_REMOVE(&c->a->waiting, c, next);
}

/* The call is gone before its owner hears of it: he may ask again, or free
 * everything. */
static void
finish(struct api_call *c, int status, const struct http_response *r,
    const struct err *err)
{
	const struct api_handlers *h = c->h;
	void *arg = c->arg;
	cleanup_json struct json *body = NULL;
	uint32_t retry_after_ms = r == NULL ? 0 : r->retry_after_ms;

	if (r != NULL && r->body.len > 0 && (h->line == NULL || status != 200))
		body = json_parse(r->body.data, r->body.len, NULL);
	call_free(c);
	h->done(arg, status, body, retry_after_ms, err);
}

static void
wait_again(struct api_call *c)
{
	c->again = 1;
	TAILQ_INSERT_HEAD(&c->a->waiting, c, next);
	if (!c->a->held)
		loop_timer_start(c->a->pump, 0);
}

/* 401 once more with a token that is new, or nobody is served. */
static int
unauthorized(struct api *a, struct api_call *c)
{
	cleanup_secret struct secret *old = a->cfg.token == NULL ? NULL :
	    secret_new(secret_data(a->cfg.token), secret_len(a->cfg.token));

	account_refresh(a, ACCOUNT_AGAIN_MS);
	if (!c->again && !secret_same(old, a->cfg.token)) {
		wait_again(c);
		return (1);
	}
	back_off(a);
	tell(a, "401: the API server does not know us: the token or the "
	    "certificate is not one of its own, or has expired");
	return (0);
}

/* A watch is well long before it ends. */
static void
on_head(void *arg, int status)
{
	struct api *a = ((struct api_call *)arg)->a;

	if (status == 200)
		heard(a);
}

static void
on_line(void *arg, const char *text, size_t len)
{
	struct api_call *c = arg;

	c->a->heard_at = now_ms();
	c->h->line(c->arg, text, len);
}

static void
on_done(void *arg, const struct http_response *r, const struct err *err)
{
	struct api_call *c = arg;
	struct api *a = c->a;

	unlink_call(c);
	c->http = NULL;
	if (r == NULL) {
		/* What broke off in the middle may be that call's alone. */
		if (err->sys == ECONNREFUSED || err->sys == ETIMEDOUT)
			away(a, err);
		finish(c, 0, NULL, err);
		return;
	}
	if (r->status == 401) {
		if (unauthorized(a, c))
			return;
	} else
		heard(a);
	if (r->status == 429 || (r->status == 503 && r->retry_after_ms > 0))
		hold(a, retry_jitter_ms(0, r->retry_after_ms < 1000 ? 1000 :
		    r->retry_after_ms > PATIENCE_MAX_MS ? PATIENCE_MAX_MS :
		    2 * r->retry_after_ms, PATIENCE_MAX_MS));
	finish(c, r->status, r, err);
}

/* --- calls ---------------------------------------------------------------- */

static const struct http_async_handlers plain = { NULL, NULL, on_done };
static const struct http_async_handlers lines = { on_head, on_line, on_done };

static int
send_call(struct api *a, struct api_call *c, struct err *err)
{
	cleanup_secret struct secret *bearer = NULL;
	struct http_header headers[3];
	struct http_async_request r = { .method = c->r.method,
		.path = c->r.path, .headers = headers, .body = c->r.body,
		.timeout_ms = c->r.timeout_ms,
		.max = c->r.max ? c->r.max : BODY_MAX };
	size_t n = 0;

	if (r.timeout_ms == 0 && c->h->line == NULL)
		r.timeout_ms = TIMEOUT_MS;
	headers[n++] = (struct http_header){ "Accept",
		str_or(c->r.accept, "application/json"), NULL };
	if (c->r.body != NULL)
		headers[n++] = (struct http_header){ "Content-Type",
			str_or(c->r.type, "application/json"), NULL };
	if (a->cfg.token != NULL) {
		struct buf b = BUF_SECRET(64u << 10);

		buf_adds(&b, "Bearer ");
		buf_add(&b, secret_data(a->cfg.token),
		    secret_len(a->cfg.token));
		bearer = secret_from_buf(&b);
		headers[n++] = (struct http_header){ "Authorization", NULL,
			bearer };
	}
	r.nheaders = n;
	c->http = http_async_start(a->http, &r,
	    c->h->line != NULL ? &lines : &plain, c, err);
	return (c->http == NULL ? -1 : 0);
}

static void
on_pump(void *arg)
{
	struct api *a = arg;
	struct api_call *c;

	a->held = 0;
	if (TAILQ_EMPTY(&a->waiting))
		return;
	account_refresh(a, ACCOUNT_AGE_MS);
	while (!a->held && (c = TAILQ_FIRST(&a->waiting)) != NULL) {
		cleanup_err struct err err = ERR_INIT;

		TAILQ_REMOVE(&a->waiting, c, next);
		if (send_call(a, c, &err) == 0) {
			TAILQ_INSERT_TAIL(&a->sent, c, next);
			continue;
		}
		/* It may free us; the rest has its own turn. */
		loop_timer_start(a->pump, 0);
		finish(c, 0, NULL, &err);
		return;
	}
}

static void
count(struct api *a, const struct api_request *r)
{
	cleanup_free char *key = str_fmt("%s %s", r->verb, r->resource);
	uint64_t *n = strmap_get(a->counts, key);

	if (n == NULL) {
		n = mem_alloc(sizeof(*n));
		strmap_put(a->counts, key, n);
	}
	(*n)++;
}

struct api_call *
api_start(struct api *a, const struct api_request *r,
    const struct api_handlers *h, void *arg)
{
	struct api_call *c = mem_alloc(sizeof(*c));

	count(a, r);
	c->a = a;
	c->h = h;
	c->arg = arg;
	c->r = *r;
	c->r.method = str_dup(r->method);
	c->r.path = str_dup(r->path);
	c->r.accept = str_dup(r->accept);
	c->r.type = str_dup(r->type);
	c->r.body = str_dup(r->body);
	TAILQ_INSERT_TAIL(&a->waiting, c, next);
	if (!a->held && !loop_timer_active(a->pump))
		loop_timer_start(a->pump, 0);
	return (c);
}

void
api_cancel(struct api_call *c)
{
	if (c == NULL)
		return;
	unlink_call(c);
	call_free(c);
}

/* --- made and unmade ------------------------------------------------------ */

static int
http_begin(struct api *a, struct err *err)
{
	struct http_options o = options_of(&a->cfg);
	cleanup_free char *url = NULL, *to = NULL;

	if (kube_config_address(&a->cfg, &url, &to, err) == -1)
		return (-1);
	o.connect_to = to;
	return (http_async_new(a->loop, url, &o, &a->http, err));
}

int
api_new(struct loop *l, int account_fd, int kubeconfig_fd,
    const char *server, const struct api_events *events, struct api **ret,
    struct err *err)
{
	struct api *a = mem_alloc(sizeof(*a));

	TAILQ_INIT(&a->waiting);
	TAILQ_INIT(&a->sent);
	a->loop = l;
	a->account_fd = account_fd;
	a->kubeconfig_fd = kubeconfig_fd;
	a->server = str_dup(server);
	a->events = *events;
	a->counts = strmap_new(free);
	a->pump = loop_timer_new(l, on_pump, a);
	a->read_at = now_ms();
	if (account_read(a, &a->cfg, err) == -1 || http_begin(a, err) == -1) {
		api_free(a);
		return (-1);
	}
	*ret = a;
	return (0);
}

void
api_free(struct api *a)
{
	struct api_call *c;

	if (a == NULL)
		return;
	while ((c = TAILQ_FIRST(&a->sent)) != NULL)
		api_cancel(c);
	while ((c = TAILQ_FIRST(&a->waiting)) != NULL)
		api_cancel(c);
	http_async_free(a->http);
	loop_timer_free(a->pump);
	strmap_free(a->counts);
	kube_config_clear(&a->cfg);
	free(a->server);
	free(a->problem);
	free(a);
}

int
api_connected(const struct api *a)
{
	return (a->connected);
}

const char *
api_server(const struct api *a)
{
	return (a->cfg.server);
}

const struct strmap *
api_counts(const struct api *a)
{
	return (a->counts);
}

void
api_token_claims(const struct api *a, char **ret_node, char **ret_node_uid)
{
	char *pod = NULL;
	int64_t expires;

	if (a->cfg.token == NULL) {
		*ret_node = str_dup("");
		*ret_node_uid = str_dup("");
		return;
	}
	kube_token_claims(a->cfg.token, ret_node, ret_node_uid, &pod,
	    &expires);
	free(pod);
}
