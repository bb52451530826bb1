/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * The HTTP gate: the only file that knows libcurl.  Blocking, one client per
 * origin and identity, one connection, HTTP/1.1 for bodies that hold secrets,
 * closed at the end of the job.  Follows no redirect to another origin (the
 * same origin: at most 3), TLS 1.2 and up, honours HTTP_PROXY, HTTPS_PROXY and
 * NO_PROXY of the environment, uses no netrc, no cookies.
 */
struct http_client;

struct http_options {
	const char *ca_pem;	/* trust these only; NULL: the system's */
	const char *connect_to;	/* "HOST:PORT" in the place of the URL's, which
				 * the certificate is for; NULL: the URL's */
	const char *cert_pem;	/* client certificate chain; NULL: none */
	const struct secret *key_pem;
	uint32_t connect_timeout_ms;	/* 0: 10 s */
	uint32_t timeout_ms;		/* of a whole http_do, its retries and
					 * redirects included; 0: 30 s */
	size_t response_max;		/* bytes; 0: 4 MiB */
	/* Retries, decided here and nowhere else (net/retry.h). */
	int max_retries;		/* -1: the default of 2 */
	uint32_t retry_min_ms, retry_max_ms;	/* 0: 1 s and 1.5 s */
};

/* http_client_new(base_url, opts, ret, err): INVALID for anything but
 * http:// and https:// URLs, user info in it, or bad PEM. */
int http_client_new(const char *base_url, const struct http_options *opts,
    struct http_client **ret, struct err *err);
void http_client_free(struct http_client *c);	/* closes the connection */
/* "host:port" of the client, for circuits and messages. */
const char *http_client_host(const struct http_client *c);
/* Requests on the wire, retries and redirects counted. */
unsigned http_client_requests(const struct http_client *c);

struct http_header {
	const char *name;
	const char *value;		/* plain, or … */
	const struct secret *secret;	/* … wiped after use */
};

struct http_request {
	const char *method;		/* GET, POST, PUT, LIST, … */
	const char *path;		/* absolute, escaped, with its query */
	const struct http_header *headers;
	size_t nheaders;
	const struct secret *body;	/* NULL: none */
	const char *content_type;	/* with a body */
	uint32_t timeout_ms;		/* retries included; 0: the client's */
	int once;			/* no retries */
};

struct http_response {
	int status;
	struct buf body;		/* secret */
	char *content_type;		/* "" when absent */
	char *index;			/* X-Vault-Index, "" when absent */
	uint32_t retry_after_ms;	/* of Retry-After, 0 when absent */
	int64_t date_s;			/* of Date, wall; 0 when absent */
};

/**
 * http_do(c, req, resp, err):
 * 0 when an answer with any status came whole.  -1: TRANSIENT (connect,
 * time-out, cut short, TLS hand-shake interrupted), DENIED (certificate
 * refused, a redirect to another origin), LIMIT (larger than response_max),
 * INVALID (a header or path that cannot be sent, an answer that is not HTTP).
 * err->sys is ECONNREFUSED when no connection came about (name, connect, TLS),
 * ETIMEDOUT when time ran out, else 0.  err messages name method, host and path
 * without its query, never a header or body.  ${resp} is initialised here in
 * every case.
 */
int http_do(struct http_client *c, const struct http_request *req,
    struct http_response *resp, struct err *err);
void http_response_clear(struct http_response *r);
#define cleanup_http_response __attribute__((cleanup(http_response_clear)))

/* http_global(err): once a process, before threads and forks, and before
 * anybody else uses OpenSSL: initialise curl and OpenSSL on wiping memory, map
 * the system's CA bundle (SSL_CERT_FILE, else where distributions keep it); it
 * is parsed only by a process that trusts it. */
int http_global(struct err *err);

#endif
