/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_CURL_H
#define NET_HTTP_CURL_H

#include <curl/curl.h>

#include "base/err.h"
#include "net/http.h"
#include "net/url.h"

/* What the blocking and the asynchronous client tell libcurl alike: whom to
 * trust, which way to go, and what its failures mean.  net/ alone includes
 * this. */
struct http_peer {
	struct url url;
	char *host;		/* "host:port" */
	struct http_tls *tls;	/* NULL for http:// */
	char *proxy, *no_proxy;	/* "" none */
	struct curl_slist *connect_to;	/* NULL: as the URL says */
};

int http_peer_init(struct http_peer *p, const char *base_url,
    const struct http_options *o, struct err *err);
void http_peer_clear(struct http_peer *p);

/* http_curl_peer(h, p): protocol, proxy, TLS; no redirects, no netrc. */
void http_curl_peer(CURL *h, const struct http_peer *p);
/* http_curl_header: one line more in ${list}. */
int http_curl_header(struct curl_slist **list, const char *name,
    const char *value, size_t len, struct err *err);
/* http_curl_failed(h, code, detail, err): the kind and sys that http.h
 * promises; ${detail} is curl's error buffer.  -1. */
int http_curl_failed(CURL *h, CURLcode code, const char *detail,
    struct err *err);

#endif
