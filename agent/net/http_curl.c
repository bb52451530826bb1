/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "net/http_curl.h"
#include "net/http_internal.h"

#define HEADER_MAX (64u << 10)
#define DETAIL_MAX 200

/* --- the peer ------------------------------------------------------------- */

static char *
env_either(const char *upper, const char *lower)
{
	const char *v = getenv(lower);

	if (v == NULL)
		v = getenv(upper);
	return (str_dup(v != NULL ? v : ""));
}

/* As curl reads the environment, but HTTP_PROXY in capitals counts too: we
 * are no CGI program. */
static void
read_proxy(struct http_peer *p)
{
	p->proxy = p->url.tls ? env_either("HTTPS_PROXY", "https_proxy") :
	    env_either("HTTP_PROXY", "http_proxy");
	if (p->proxy[0] == '\0') {
		free(p->proxy);
		p->proxy = env_either("ALL_PROXY", "all_proxy");
	}
	p->no_proxy = env_either("NO_PROXY", "no_proxy");
}

int
http_peer_init(struct http_peer *p, const char *base_url,
    const struct http_options *o, struct err *err)
{
	if (url_parse(base_url, &p->url, err) == -1 || (p->url.tls &&
	    http_tls_new(o->ca_pem, o->cert_pem, o->key_pem, &p->tls,
	    err) == -1))
		return (-1);
	p->host = url_host_port(&p->url);
	read_proxy(p);
	if (o->connect_to != NULL) {
		cleanup_free char *to = str_fmt("::%s", o->connect_to);

		p->connect_to = curl_slist_append(NULL, to);
	}
	return (0);
}

void
http_peer_clear(struct http_peer *p)
{
	http_tls_free(p->tls);
	url_clear(&p->url);
	free(p->host);
	if (p->proxy != NULL)
		secret_wipe(p->proxy, strlen(p->proxy));
	free(p->proxy);
	free(p->no_proxy);
	curl_slist_free_all(p->connect_to);
	*p = (struct http_peer){ .tls = NULL };
}

static CURLcode
on_ssl(CURL *curl, void *ssl_ctx, void *arg)
{
	(void)curl;
	return (http_tls_apply(arg, ssl_ctx) == 0 ? CURLE_OK :
	    CURLE_SSL_CERTPROBLEM);
}

void
http_curl_peer(CURL *h, const struct http_peer *p)
{
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR,
	    p->url.tls ? "https" : "http");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "nodeseal/" NODESEAL_VERSION);
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_PROXY, p->proxy);
	curl_easy_setopt(h, CURLOPT_NOPROXY, p->no_proxy);
	curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECT_TO, p->connect_to);
	if (p->tls == NULL)
		return;
	/* Trust comes from http_tls_apply and from nowhere else. */
	curl_easy_setopt(h, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(h, CURLOPT_SSL_CTX_FUNCTION, on_ssl);
	curl_easy_setopt(h, CURLOPT_SSL_CTX_DATA, p->tls);
}

/* --- headers -------------------------------------------------------------- */

/* RFC 9110: a token, and a value on one line. */
static int
header_ok(const char *name, const char *value, size_t len)
{
	if (*name == '\0' || len > HEADER_MAX)
		return (0);
	for (const char *p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}",
		    *p) != NULL)
			return (0);
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') ||
		    value[i] == 0x7f)
			return (0);
	return (1);
}

int
http_curl_header(struct curl_slist **list, const char *name,
    const char *value, size_t len, struct err *err)
{
	cleanup_buf struct buf line = BUF_SECRET(HEADER_MAX + 256);
	struct curl_slist *more;

	if (!header_ok(name, value, len))
		return (err_set(err, ERR_INVALID, "a header's name is not a "
		    "token, or its value holds a control character"));
	buf_adds(&line, name);
	/* curl's word for a header without a value. */
	buf_adds(&line, len == 0 ? ";" : ": ");
	buf_add(&line, value, len);
	if (buf_finish(&line, "a header", err) == -1)
		return (-1);
	more = curl_slist_append(*list, buf_str(&line));
	if (more == NULL)
		return (err_set(err, ERR_INTERNAL, "libcurl: no memory"));
	*list = more;
	return (0);
}

/* --- what went wrong ------------------------------------------------------ */

static const struct {
	CURLcode code;
	enum err_kind kind;
	int sys;
	const char *text;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_TRANSIENT, ECONNREFUSED,
	    "cannot resolve the host name" },
	{ CURLE_COULDNT_RESOLVE_PROXY, ERR_TRANSIENT, ECONNREFUSED,
	    "cannot resolve the proxy's name" },
	{ CURLE_COULDNT_CONNECT, ERR_TRANSIENT, ECONNREFUSED,
	    "cannot connect" },
	{ CURLE_OPERATION_TIMEDOUT, ERR_TRANSIENT, ETIMEDOUT, "timed out" },
	{ CURLE_PARTIAL_FILE, ERR_TRANSIENT, 0, "the answer was cut short" },
	{ CURLE_GOT_NOTHING, ERR_TRANSIENT, 0,
	    "the connection was closed without an answer" },
	{ CURLE_RECV_ERROR, ERR_TRANSIENT, 0, "the connection broke" },
	{ CURLE_SEND_ERROR, ERR_TRANSIENT, 0, "the connection broke" },
	{ CURLE_SSL_CONNECT_ERROR, ERR_TRANSIENT, ECONNREFUSED,
	    "TLS hand-shake failed" },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED, ECONNREFUSED,
	    "certificate not accepted" },
	{ CURLE_SSL_ISSUER_ERROR, ERR_DENIED, ECONNREFUSED,
	    "certificate not accepted" },
	{ CURLE_SSL_CERTPROBLEM, ERR_DENIED, ECONNREFUSED,
	    "client certificate refused" },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID, 0,
	    "the answer is not HTTP" },
	{ CURLE_WEIRD_SERVER_REPLY, ERR_INVALID, 0, "the answer is not HTTP" },
	{ CURLE_URL_MALFORMAT, ERR_INVALID, 0, "not a URL" },
};

/* curl's own words about TLS: nothing in them comes from headers or bodies,
 * but names in a certificate are the peer's. */
static char *
detail_text(const char *detail)
{
	struct buf b = BUF_PLAIN(DETAIL_MAX + 4);

	buf_adds(&b, ": ");
	for (const char *p = detail; *p != '\0' && b.len < DETAIL_MAX; p++)
		buf_addc(&b, *p < ' ' || *p >= 0x7f ? '?' : *p);
	return (b.len > 2 ? buf_take(&b) : (buf_clear(&b), str_dup("")));
}

static int
is_tls(CURLcode code)
{
	return (code == CURLE_SSL_CONNECT_ERROR || code ==
	    CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM);
}

int
http_curl_failed(CURL *h, CURLcode code, const char *detail, struct err *err)
{
	cleanup_free char *more = is_tls(code) ? detail_text(detail) :
	    str_dup("");
	long sys = 0;

	curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &sys);
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		if (failures[i].code != code)
			continue;
		if (code == CURLE_COULDNT_CONNECT && sys == ECONNREFUSED)
			err_set(err, ERR_TRANSIENT, "connection refused");
		else
			err_set(err, failures[i].kind, "%s%s",
			    failures[i].text, more);
		err->sys = failures[i].sys;
		return (-1);
	}
	return (err_set(err, ERR_TRANSIENT, "%s", curl_easy_strerror(code)));
}
