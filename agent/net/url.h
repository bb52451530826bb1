/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdint.h>

#include "base/err.h"

/*
 * The few URLs that we speak to: http and https origins with an optional path
 * in front, and paths below them.  Pure text, no look-ups.
 */
#define URL_MAX 2048
#define URL_PATH_MAX 8192

struct url {
	int tls;		/* https */
	char *host;		/* lower case; IPv6 without its brackets */
	uint16_t port;
	char *origin;		/* "https://vault.example:8200", as written */
	char *path;		/* in front of every request; "" or "/x/y" */
};

/**
 * url_parse(s, ret, err):
 * Parse an http:// or https:// URL.  INVALID for any other scheme, user
 * information (RFC 3986, 3.2.1: a password does not belong here), a query or a
 * fragment, characters that do not belong, a port outside 1..65535.  Messages
 * never repeat the URL.  ${ret} is set on success only (url_clear).
 */
int url_parse(const char *s, struct url *ret, struct err *err);
void url_clear(struct url *u);
/* "host:port", brackets around IPv6; the caller's. */
char *url_host_port(const struct url *u);

/**
 * url_clean_path(path, ret, err):
 * An absolute path out of names that users write, as Go's path.Join and
 * url.URL.EscapedPath make it: empty and "." segments and a slash at the end go
 * away, what does not belong into a path is percent-encoded.  INVALID for ".."
 * segments, which Go would follow out of the mount (a remote key
 * "../auth/token/lookup-self" would be the store's own token), and beyond
 * URL_PATH_MAX (LIMIT).
 */
int url_clean_path(const char *path, char **ret, struct err *err);

/**
 * url_redirect(from, at, location, ret, err):
 * Where a Location header leads from the request target ${at} of ${from}: the
 * new request target (path and query) when that is the same scheme, host and
 * port; DENIED for another origin, INVALID for anything else.
 */
int url_redirect(const struct url *from, const char *at, const char *location,
    char **ret, struct err *err);

#define cleanup_url __attribute__((cleanup(url_clear)))

#endif
