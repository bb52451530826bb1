/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_INTERNAL_H
#define NET_HTTP_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/* --- memory that is wiped when it is freed (http_mem.c) ------------------ */

void *http_mem_alloc(size_t n);
void *http_mem_calloc(size_t n, size_t size);
void *http_mem_realloc(void *p, size_t n);
char *http_mem_strdup(const char *s);
void http_mem_free(void *p);

/* --- the head of an answer (http_head.c): pure, a fuzz target ------------ */

#define HTTP_HEAD_MAX (64u << 10)	/* all lines of one answer */
#define HTTP_INDEX_MAX 4096

struct http_head {
	size_t seen;		/* bytes, interim answers too */
	char *content_type;	/* NULL when absent */
	char *index;
	char *location;
	uint32_t retry_after_ms;
	int64_t date_s;		/* of Date, wall; 0 when absent */
};

/**
 * http_head_line(h, line, len, now_s):
 * Take one header line with or without its line end.  A status line forgets
 * what an interim answer said.  ${now_s} is the time for a Retry-After that
 * is a date.  -1 when the head is larger than HTTP_HEAD_MAX.
 */
int http_head_line(struct http_head *h, const char *line, size_t len,
    int64_t now_s);
void http_head_clear(struct http_head *h);

/* --- TLS (http_tls.c): the only file that knows OpenSSL here ------------- */

struct http_tls;

/* http_tls_global(err): OpenSSL on wiping memory; map the system's bundle. */
int http_tls_global(struct err *err);
/**
 * http_tls_new(ca_pem, cert_pem, key_pem, ret, err):
 * Trust and identity of one client, parsed.  INVALID for bad PEM, a key that
 * does not fit.  ${ca_pem} NULL: the system's bundle.
 */
int http_tls_new(const char *ca_pem, const char *cert_pem,
    const struct secret *key_pem, struct http_tls **ret, struct err *err);
void http_tls_free(struct http_tls *t);
/* http_tls_apply(t, ssl_ctx): -1 when OpenSSL refuses. */
int http_tls_apply(const struct http_tls *t, void *ssl_ctx);

#endif
