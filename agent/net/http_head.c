/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "net/http_internal.h"

#define RETRY_AFTER_CEILING_S 86400

void
http_head_clear(struct http_head *h)
{
	free(h->content_type);
	free(h->index);
	free(h->location);
	*h = (struct http_head){ 0 };
}

static int
is_space(char c)
{
	return (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

/* The value of a line that carries ${name}, trimmed; the caller's, or NULL. */
static char *
value_of(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name), at = n + 1;

#ifndef WEAKEN_HEAD_BOUNDS
	if (len <= n)
		return (NULL);
#endif
	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return (NULL);
	while (at < len && is_space(line[at]))
		at++;
	while (len > at && is_space(line[len - 1]))
		len--;
	return (len - at > HTTP_INDEX_MAX ? NULL :
	    str_ndup(line + at, len - at));
}

static void
take(char **field, const char *line, size_t len, const char *name)
{
	char *v = value_of(line, len, name);

	if (v != NULL) {
		free(*field);
		*field = v;
	}
}

/* RFC 9110, 10.2.3: seconds or a date. */
static uint32_t
retry_after(const char *v, int64_t now_s)
{
	int64_t s = 0;
	const char *p;

	for (p = v; *p >= '0' && *p <= '9' && s <= RETRY_AFTER_CEILING_S; p++)
		s = s * 10 + (*p - '0');
	if (*v == '\0')
		return (0);
	if (*p != '\0' && (*p < '0' || *p > '9')) {
		s = (int64_t)curl_getdate(v, NULL);
		if (s == -1 || s <= now_s)
			return (0);
		s -= now_s;
	}
	if (s > RETRY_AFTER_CEILING_S)
		s = RETRY_AFTER_CEILING_S;
	return ((uint32_t)s * 1000);
}

static int64_t
date(const char *v)
{
	time_t t = curl_getdate(v, NULL);

	return (t == -1 ? 0 : (int64_t)t);
}

int
http_head_line(struct http_head *h, const char *line, size_t len,
    int64_t now_s)
{
	char *v;

	if (len > HTTP_HEAD_MAX || h->seen + len > HTTP_HEAD_MAX)
		return (-1);
	h->seen += len;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		size_t seen = h->seen;

		http_head_clear(h);
		h->seen = seen;
		return (0);
	}
	take(&h->content_type, line, len, "content-type");
	take(&h->index, line, len, "x-vault-index");
	take(&h->location, line, len, "location");
	v = value_of(line, len, "retry-after");
	if (v != NULL)
		h->retry_after_ms = retry_after(v, now_s);
	free(v);
	v = value_of(line, len, "date");
	if (v != NULL)
		h->date_s = date(v);
	free(v);
	return (0);
}
