/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "net/http_internal.h"
#include "net/url.h"

/*
 * Heads of answers, line by line as curl hands them over (each in memory of its
 * own size), the redirect that they ask for, and URLs and paths.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
one_line(struct http_head *h, const uint8_t *data, size_t len)
{
	char *line = malloc(len > 0 ? len : 1);

	if (line == NULL)
		abort();
	memcpy(line, data, len);
	http_head_line(h, line, len, 1000000000);
	free(line);
}

static void
redirect(const char *location)
{
	static const char at[] = "/v1/secret/data/a";
	struct url u;
	char *to = NULL;

	if (url_parse("https://vault.example:8200/p", &u, NULL) == -1)
		abort();
	if (url_redirect(&u, at, location, &to, NULL) == 0) {
		/* Where it leads is a path of the same origin. */
		if (to[0] != '/' || strpbrk(to, " \r\n\t#") != NULL)
			abort();
		if (strstr(location, "://") != NULL && strncasecmp(location,
		    "https://vault.example:8200", 26) != 0 &&
		    location[0] != '/')
			abort();
	}
	free(to);
	url_clear(&u);
}

static void
paths(const char *text)
{
	char *clean = NULL, *again = NULL;
	struct url u;

	if (url_parse(text, &u, NULL) == 0) {
		if (u.port == 0 || u.host[0] == '\0' ||
		    strchr(u.origin, '@') != NULL)
			abort();
		url_clear(&u);
	}
	if (url_clean_path(text, &clean, NULL) == 0) {
		if (clean[0] != '/' || strstr(clean, "//") != NULL ||
		    strstr(clean, "/../") != NULL)
			abort();
		/* Escaping again escapes '%' alone: still a path. */
		if (url_clean_path(clean, &again, NULL) == 0 &&
		    strlen(again) < strlen(clean))
			abort();
	}
	free(clean);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head h = { 0 };
	char *text = str_ndup((const char *)data, size);
	size_t at = 0;

	while (at < size) {
		const uint8_t *nl = memchr(data + at, '\n', size - at);
		size_t len = nl != NULL ? (size_t)(nl - data) + 1 - at :
		    size - at;

		one_line(&h, data + at, len);
		at += len;
	}
	if (h.location != NULL)
		redirect(h.location);
	http_head_clear(&h);
	paths(text);
	free(text);
	return (0);
}
