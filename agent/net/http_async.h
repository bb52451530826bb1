/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_ASYNC_H
#define NET_HTTP_ASYNC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "net/http.h"

/*
 * The HTTP gate on the loop: any number of requests at once to one origin, on
 * one connection where the peer speaks HTTP/2.  The rules are net/http.h's, but
 * no redirect is followed at all (an API server sends none) and nothing is
 * tried again: a 3xx is an answer like another.  For bodies without secrets.
 */
struct http_async;
struct http_call;

struct http_async_request {
	const char *method;
	const char *path;		/* absolute, escaped, with its query */
	const struct http_header *headers;	/* copied */
	size_t nheaders;
	const char *body;		/* NULL: none; copied */
	uint32_t timeout_ms;		/* of the whole; 0: none */
	uint32_t head_ms;		/* until the first byte of an answer;
					 * 0: the client's timeout_ms */
	size_t max;			/* of the body, or of one line */
};

struct http_async_handlers {
	/* NULL, or: the head of an answer is there. */
	void (*head)(void *arg, int status);
	/* With it, the body of an answer of 200 comes line by line (without
	 * its line feed), as it arrives. */
	void (*line)(void *arg, const char *text, size_t len);
	/* Once, unless the call was cancelled.  ${r} NULL: no answer came
	 * whole, ${err} (http.h's kinds) says why.  Both are borrowed. */
	void (*done)(void *arg, const struct http_response *r,
	    const struct err *err);
};

/* http_async_new: ${opts} as for http_client_new; retries are ignored. */
int http_async_new(struct loop *l, const char *base_url,
    const struct http_options *opts, struct http_async **ret,
    struct err *err);
/* http_async_trust: connections that are opened from now on trust, and show,
 * what ${opts} says; whereto stays.  Unchanged on failure. */
int http_async_trust(struct http_async *a, const struct http_options *opts,
    struct err *err);
void http_async_free(struct http_async *a);	/* ends calls without a word */

/* http_async_start: ${h} is borrowed, ${arg} its argument.  Nothing is called
 * before this has returned.  NULL and INVALID for what cannot be sent. */
struct http_call *http_async_start(struct http_async *a,
    const struct http_async_request *req, const struct http_async_handlers *h,
    void *arg, struct err *err);
/* http_async_cancel: nothing is called any more; fine in the call's own
 * callbacks.  The call is gone. */
void http_async_cancel(struct http_call *c);

#endif
