/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_API_H
#define LINK_API_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

/*
 * The line to the API server: any number of requests and watches at once, on
 * one connection (HTTP/2), on the loop.  It reads the account's token anew
 * before it expires, and after a 401; it waits, with jitter, while the server
 * is away or asked for patience (429, Retry-After), so that nobody else counts
 * back-offs for a whole server.
 */
struct api;
struct api_call;

struct api_events {
	/* The line came or went; ${problem} is NULL when it came. */
	void (*state)(void *arg, const char *problem);
	void *arg;
};

/* api_new(l, account_fd, kubeconfig_fd, server, events, ret, err): -1 for the
 * descriptor that is not there; ${server} is the in-cluster address. */
int api_new(struct loop *l, int account_fd, int kubeconfig_fd,
    const char *server, const struct api_events *events, struct api **ret,
    struct err *err);
void api_free(struct api *a);		/* ends every call without a word */
int api_connected(const struct api *a);
const char *api_server(const struct api *a);
/* api_token_claims: the node that our token is bound to; "" where it is to none
 * (a kubeconfig).  The caller's. */
void api_token_claims(const struct api *a, char **ret_node,
    char **ret_node_uid);
/* Requests sent since the start, by "VERB resource", for /metrics. */
const struct strmap *api_counts(const struct api *a);

struct api_request {
	const char *method;		/* GET, POST, PATCH, DELETE */
	const char *verb;		/* as RBAC says it, for counts */
	const char *resource;
	const char *path;		/* with its query, escaped */
	const char *accept;		/* NULL: application/json */
	const char *type;		/* of the body */
	const char *body;		/* NULL none; copied */
	size_t max;			/* of the answer; 0: 4 MiB */
	uint32_t timeout_ms;		/* 0: 30 s; of a watch: until it ends */
};

struct api_handlers {
	/* A watch's line, whole, as JSON text: not called without one. */
	void (*line)(void *arg, const char *text, size_t len);
	/* Once, unless api_cancel came first.  status 0: no answer came, and
	 * ${err} says why; else the parsed body (NULL: none or no JSON). */
	void (*done)(void *arg, int status, const struct json *body,
	    uint32_t retry_after_ms, const struct err *err);
};

/* api_start: ${h} is borrowed.  Never calls back before it has returned. */
struct api_call *api_start(struct api *a, const struct api_request *r,
    const struct api_handlers *h, void *arg);
void api_cancel(struct api_call *c);

#endif
