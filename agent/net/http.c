/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "net/http.h"
#include "net/http_curl.h"
#include "net/http_internal.h"
#include "net/retry.h"
#include "net/url.h"

#define CONNECT_TIMEOUT_MS 10000u
#define TIMEOUT_MS 30000u
#define RESPONSE_MAX (4u << 20)
#define RETRIES 2
#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 1500u
#define REDIRECTS_MAX 3
#define STATUS_MIN 100L
#define STATUS_MAX 999L
#define HEADERS_MAX 64
/* A peer that drips: slower than this for that long is given up. */
#define SLOW_BYTES_S 64L
#define SLOW_FOR_S 10L

struct http_client {
	CURL *curl;		/* of the last attempt; NULL before the first */
	CURLSH *connections;	/* … which outlive it */
	struct http_peer peer;
	uint32_t connect_timeout_ms, timeout_ms;
	size_t response_max;
	int max_retries;
	uint32_t retry_min_ms, retry_max_ms;
	unsigned requests;
	char detail[CURL_ERROR_SIZE];
};

/* One answer on its way in. */
struct incoming {
	struct http_head head;
	struct buf *body;
	int body_too_large, head_too_large;
};

/* One http_do: what its attempts share. */
struct exchange {
	struct http_client *c;
	const struct http_request *req;
	struct http_response *resp;
	struct curl_slist *headers;
	char *target;		/* path and query on the wire */
	char *location;		/* of a redirect, or NULL */
	int64_t deadline_ms;
	uint32_t timeout_ms;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

int
http_global(struct err *err)
{
	static int done;

	if (done)
		return (0);
	if (http_tls_global(err) == -1)
		return (-1);
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, http_mem_alloc,
	    http_mem_free, http_mem_realloc, http_mem_strdup,
	    http_mem_calloc) != CURLE_OK)
		return (err_set(err, ERR_INTERNAL,
		    "libcurl does not initialise"));
	done = 1;
	return (0);
}

/* --- clients ------------------------------------------------------------- */

static void
set_limits(struct http_client *c, const struct http_options *o)
{
	c->connect_timeout_ms = o->connect_timeout_ms ?
	    o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	c->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
	c->response_max = o->response_max ? o->response_max : RESPONSE_MAX;
	c->max_retries = o->max_retries < 0 ? RETRIES : o->max_retries;
	c->retry_min_ms = o->retry_min_ms ? o->retry_min_ms : RETRY_MIN_MS;
	c->retry_max_ms = o->retry_max_ms ? o->retry_max_ms : RETRY_MAX_MS;
}

int
http_client_new(const char *base_url, const struct http_options *opts,
    struct http_client **ret, struct err *err)
{
	struct http_client *c;

	if (http_global(err) == -1)
		return (-1);
	c = mem_alloc(sizeof(*c));
	set_limits(c, opts);
	if (http_peer_init(&c->peer, base_url, opts, err) == -1) {
		http_client_free(c);
		return (-1);
	}
	c->connections = curl_share_init();
	if (c->connections == NULL || curl_share_setopt(c->connections,
	    CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
		http_client_free(c);
		return (err_set(err, ERR_INTERNAL, "libcurl gives no handle"));
	}
	*ret = c;
	return (0);
}

void
http_client_free(struct http_client *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	curl_share_cleanup(c->connections);
	http_peer_clear(&c->peer);
	free(c);
}

const char *
http_client_host(const struct http_client *c)
{
	return (c->peer.host);
}

unsigned
http_client_requests(const struct http_client *c)
{
	return (c->requests);
}

void
http_response_clear(struct http_response *r)
{
	buf_clear(&r->body);
	free(r->content_type);
	free(r->index);
	*r = (struct http_response){ .body = BUF_SECRET(0) };
}

/* --- what comes in ------------------------------------------------------- */

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct incoming *in = arg;

	(void)size;		/* always 1 */
	buf_add(in->body, p, n);
	if (buf_ok(in->body))
		return (n);
	in->body_too_large = 1;
	return (0);
}

static size_t
on_head(char *p, size_t size, size_t n, void *arg)
{
	struct incoming *in = arg;

	(void)size;
	if (http_head_line(&in->head, p, n, (int64_t)time(NULL)) == 0)
		return (n);
	in->head_too_large = 1;
	return (0);
}

/* --- what goes out ------------------------------------------------------- */

static int
add_headers(struct exchange *x, struct err *err)
{
	const struct http_request *req = x->req;

	if (req->nheaders > HEADERS_MAX)
		return (err_set(err, ERR_LIMIT, "more than %d headers",
		    HEADERS_MAX));
	for (size_t i = 0; i < req->nheaders; i++) {
		const struct http_header *h = &req->headers[i];
		const char *v = h->secret != NULL ?
		    (const char *)secret_data(h->secret) : h->value;
		size_t len = h->secret != NULL ? secret_len(h->secret) :
		    strlen(h->value);

		if (http_curl_header(&x->headers, h->name, v, len, err) == -1)
			return (-1);
	}
	if (req->body != NULL && http_curl_header(&x->headers, "Content-Type",
	    str_or(req->content_type, "application/json"),
	    strlen(str_or(req->content_type, "application/json")), err) == -1)
		return (-1);
	/* No waiting for 100 Continue. */
	x->headers = curl_slist_append(x->headers, "Expect:");
	return (x->headers != NULL ? 0 :
	    err_set(err, ERR_INTERNAL, "libcurl: no memory"));
}

static void
set_request(struct exchange *x, const char *url)
{
	const struct http_request *req = x->req;
	CURL *h = x->c->curl;

	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, x->headers);
	if (req->body != NULL) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)secret_len(req->body));
		curl_easy_setopt(h, CURLOPT_POSTFIELDS,
		    (const char *)secret_data(req->body));
	}
	if (strcmp(req->method, "GET") != 0 || req->body != NULL)
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, req->method);
}

static void
set_bounds(const struct exchange *x, struct incoming *in, int64_t left_ms)
{
	const struct http_client *c = x->c;
	CURL *h = c->curl;
	long slow_s = (long)(x->timeout_ms / 2000);

	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)c->connect_timeout_ms);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME,
	    slow_s > SLOW_FOR_S ? slow_s : SLOW_FOR_S);
#ifndef WEAKEN_HTTP_MAX
	/* A length that is announced ends it before the first byte. */
	curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE,
	    (curl_off_t)c->response_max);
#endif
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, in);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, in);
	curl_easy_setopt(h, CURLOPT_MAXCONNECTS, 1L);
}

static void
set_peer(const struct exchange *x)
{
	struct http_client *c = x->c;

	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->detail);
	curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	http_curl_peer(c->curl, &c->peer);
}

/* --- what went wrong ----------------------------------------------------- */

static int
failed(const struct exchange *x, const struct incoming *in, CURLcode code,
    struct err *err)
{
	if (in->head_too_large)
		return (err_set(err, ERR_LIMIT,
		    "the answer's head is larger than %u bytes",
		    HTTP_HEAD_MAX));
	if (in->body_too_large || code == CURLE_FILESIZE_EXCEEDED)
		return (err_set(err, ERR_LIMIT,
		    "the answer is larger than %zu bytes",
		    x->c->response_max));
	return (http_curl_failed(x->c->curl, code, x->c->detail, err));
}

/* --- one attempt --------------------------------------------------------- */

/* curl takes any digits behind HTTP/2 for a status. */
static int
keep(struct exchange *x, struct incoming *in, struct err *err)
{
	struct http_response *r = x->resp;
	long status = 0;

	curl_easy_getinfo(x->c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < STATUS_MIN || status > STATUS_MAX) {
		buf_clear(&r->body);
		return (err_set(err, ERR_INVALID,
		    "the answer is not HTTP: status %ld", status));
	}
	r->status = (int)status;
	r->retry_after_ms = in->head.retry_after_ms;
	r->date_s = in->head.date_s;
	free(r->content_type);
	free(r->index);
	r->content_type = in->head.content_type != NULL ?
	    STEAL(in->head.content_type) : str_dup("");
	r->index = in->head.index != NULL ? STEAL(in->head.index) :
	    str_dup("");
	free(x->location);
	x->location = STEAL(in->head.location);
	return (0);
}

/*
 * A handle that has had an answer keeps a pointer into that answer's headers,
 * freed by then, and follows it when the next one begins with a folded header
 * (libcurl 7.88.1 unfold_value; headers.c clears it since 8.2): so no handle
 * has two.
 */
static int
fresh_handle(struct http_client *c, struct err *err)
{
#ifdef WEAKEN_FRESH_HANDLE
	if (c->curl != NULL) {
		curl_easy_reset(c->curl);
		return (0);
	}
#endif
	curl_easy_cleanup(c->curl);
	c->curl = curl_easy_init();
	if (c->curl == NULL || curl_easy_setopt(c->curl, CURLOPT_SHARE,
	    c->connections) != CURLE_OK)
		return (err_set(err, ERR_INTERNAL, "libcurl gives no handle"));
	return (0);
}

/* 0 with an answer in x->resp, or -1. */
static int
attempt(struct exchange *x, struct err *err)
{
	struct http_client *c = x->c;
	cleanup_free char *url = str_fmt("%s%s", c->peer.url.origin, x->target);
	struct incoming in = { .body = &x->resp->body };
	int64_t left = x->deadline_ms - now_ms();
	long sent = 0;
	CURLcode code;
	int r = 0;

	if (left <= 0) {
		err_set(err, ERR_TRANSIENT, "timed out");
		err->sys = ETIMEDOUT;
		return (-1);
	}
	buf_clear(&x->resp->body);
	x->resp->status = 0;
	if (fresh_handle(c, err) == -1)
		return (-1);
	c->detail[0] = '\0';
	set_peer(x);
	set_bounds(x, &in, left);
	set_request(x, url);
	code = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &sent);
	c->requests += sent > 0;
	r = code == CURLE_OK ? keep(x, &in, err) : failed(x, &in, code, err);
	http_head_clear(&in.head);
	return (r);
}

/* Location of an answer that sends us elsewhere (Vault's client follows 301,
 * 302 and 307; 308 is 301 that keeps the method). */
static int
is_redirect(const struct http_response *r)
{
	return (r->status == 301 || r->status == 302 || r->status == 307 ||
	    r->status == 308);
}

static int
follow(struct exchange *x, struct err *err)
{
	char *target = NULL;

	for (int i = 0; is_redirect(x->resp) && x->location != NULL; i++) {
		if (i == REDIRECTS_MAX)
			return (err_set(err, ERR_INVALID,
			    "redirected more than %d times", REDIRECTS_MAX));
#ifdef WEAKEN_REDIRECT
		if (strstr(x->location, "://") != NULL) {
			free(x->c->peer.url.origin);
			x->c->peer.url.origin = str_ndup(x->location, 8 +
			    strcspn(x->location + 8, "/"));
			target = str_dup(x->location + 8 +
			    strcspn(x->location + 8, "/"));
		} else
#endif
		if (url_redirect(&x->c->peer.url, x->target, x->location,
		    &target, err) == -1)
			return (-1);
		free(x->target);
		x->target = target;
		if (attempt(x, err) == -1)
			return (-1);
	}
	return (0);
}

/* --- the whole request --------------------------------------------------- */

static void
sleep_ms(uint32_t ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		;
}

/* As often as it is worth it and time allows; the last result counts. */
static int
with_retries(struct exchange *x, struct err *err)
{
	struct http_client *c = x->c;
	int retries = x->req->once ? 0 : c->max_retries, r;
	uint32_t wait;

	for (int i = 0;; i++) {
		r = attempt(x, err);
		if (r == 0)
			r = follow(x, err);
		if (i >= retries || !retry_worth(r == 0 ? x->resp->status : 0,
		    err->kind))
			return (r);
		wait = retry_wait_ms((unsigned)i, c->retry_min_ms,
		    c->retry_max_ms, r == 0 ? x->resp->retry_after_ms : 0);
		if (now_ms() + wait >= x->deadline_ms)
			return (r);
		sleep_ms(wait);
		if (r == -1)
			err_clear(err);
	}
}

static int
target_ok(const char *path)
{
	if (path[0] != '/' || strlen(path) > 2 * (size_t)URL_PATH_MAX)
		return (0);
	for (; *path != '\0'; path++)
		if (*path <= ' ' || *path >= 0x7f || *path == '#')
			return (0);
	return (1);
}

int
http_do(struct http_client *c, const struct http_request *req,
    struct http_response *resp, struct err *err)
{
	struct exchange x = { .c = c, .req = req, .resp = resp };
	struct err own = ERR_INIT;
	int r = -1;

	*resp = (struct http_response){
	    .body = BUF_SECRET(c->response_max),
	    .content_type = str_dup(""), .index = str_dup("") };
#ifdef WEAKEN_HTTP_MAX
	resp->body.max = (size_t)1 << 40;
#endif
	x.timeout_ms = req->timeout_ms ? req->timeout_ms : c->timeout_ms;
	x.deadline_ms = now_ms() + x.timeout_ms;
	x.target = str_fmt("%s%s", c->peer.url.path, req->path);
	if (!target_ok(req->path))
		err_set(&own, ERR_INVALID, "not a path");
	else if (add_headers(&x, &own) == 0)
		r = with_retries(&x, &own);
	if (r == -1) {
		/* What came of a broken answer is nobody's to read. */
		buf_clear(&resp->body);
		resp->status = 0;
		err_wrap(&own, "%s %s%s%.*s", req->method, c->peer.url.origin,
		    c->peer.url.path, (int)strcspn(req->path, "?"), req->path);
		err_move(err, &own);
	}
	curl_slist_free_all(x.headers);
	free(x.target);
	free(x.location);
	return (r);
}
