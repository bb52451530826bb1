/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_PEER_H
#define TESTS_FUZZ_PEER_H

/*
 * net/http.h, played for a fuzz target that includes this: each request gets
 * the next of peer.answers (three digits of status, then the body), and no
 * connection behind the last.  Nothing opens a socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http.h"

#define PEER_ANSWERS 16

static struct peer {
	const char *answers[PEER_ANSWERS];
	size_t len[PEER_ANSWERS], n, at;
	unsigned requests;
} peer;

struct http_client {
	int alive;
};

int
http_global(struct err *err)
{
	(void)err;
	return (0);
}

int
http_client_new(const char *base_url, const struct http_options *opts,
    struct http_client **ret, struct err *err)
{
	if (strncmp(base_url, "http", 4) != 0 || opts->max_retries > 10)
		return (err_set(err, ERR_INVALID, opts->cert_pem ?
		    "tls: no" : "url: no"));
	*ret = mem_alloc(sizeof(**ret));
	(*ret)->alive = 1;
	return (0);
}

void
http_client_free(struct http_client *c)
{
	free(c);
}

const char *
http_client_host(const struct http_client *c)
{
	return (c->alive ? "peer:8200" : "");
}

unsigned
http_client_requests(const struct http_client *c)
{
	(void)c;
	return (peer.requests);
}

/* What a request may be made of. */
static void
peer_request_fits(const struct http_request *req)
{
	size_t i;

	if (!req->method || !req->path || req->path[0] != '/' ||
	    strpbrk(req->path, " \r\n"))
		abort();
	for (i = 0; i < req->nheaders; i++)
		if (!req->headers[i].name ||
		    !req->headers[i].value == !req->headers[i].secret)
			abort();
}

int
http_do(struct http_client *c, const struct http_request *req,
    struct http_response *resp, struct err *err)
{
	const char *a = peer.answers[peer.at];
	size_t n = peer.len[peer.at], i;

	(void)c;
	peer_request_fits(req);
	*resp = (struct http_response){ .body = BUF_SECRET(1u << 20) };
	peer.requests++;
	if (peer.at == peer.n || n < 3) {
		peer.at += peer.at < peer.n;
		err_set(err, ERR_TRANSIENT, "GET peer: no answer");
		if (err && peer.at == peer.n)
			err->sys = ECONNREFUSED;
		return (-1);
	}
	peer.at++;
	for (i = 0; i < 3; i++)
		resp->status = resp->status * 10 + (a[i] & 15) % 10;
	buf_add(&resp->body, a + 3, n - 3);
	resp->content_type = str_dup("application/json");
	resp->index = str_dup(resp->status % 2 ? "i" : "");
	return (0);
}

void
http_response_clear(struct http_response *r)
{
	buf_clear(&r->body);
	free(r->content_type);
	free(r->index);
	*r = (struct http_response){ .body = BUF_SECRET(0) };
}

#endif
