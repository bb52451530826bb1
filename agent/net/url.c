/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/url.h"

/* ctype's answers depend on the locale. */
static int
is_alnum(char c)
{
	return ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z'));
}

/* What may stand in a target that is sent as it is. */
static int
is_target(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f || *s == '#')
			return (0);
	return (1);
}

/* --- origins ------------------------------------------------------------- */

static int
parse_port(const char *s, size_t len, uint16_t *ret)
{
	unsigned long port = 0;

	if (len == 0 || len > 5)
		return (-1);
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return (-1);
		port = port * 10 + (unsigned long)(s[i] - '0');
	}
	if (port == 0 || port > 65535)
		return (-1);
	*ret = (uint16_t)port;
	return (0);
}

/* The end of the host, NULL when it is none. */
static const char *
host_end(const char *s, const char *end)
{
	const char *p = s;

	if (p < end && *p == '[') {
		for (p++; p < end && *p != ']'; p++)
			if (strchr("0123456789abcdefABCDEF:.", *p) == NULL)
				return (NULL);
		return (p < end && p > s + 2 ? p + 1 : NULL);
	}
	for (; p < end && *p != ':'; p++)
		if (!is_alnum(*p) && strchr("-._", *p) == NULL)
			return (NULL);
	return (p > s ? p : NULL);
}

static char *
lower(const char *s, size_t len)
{
	char *out = str_ndup(s, len);

	for (char *p = out; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return (out);
}

static int
parse_authority(const char *s, const char *end, struct url *u,
    struct err *err)
{
	const char *stop;

	if (memchr(s, '@', (size_t)(end - s)) != NULL)
		return (err_set(err, ERR_INVALID,
		    "the URL holds user information: remove it"));
	stop = host_end(s, end);
	if (stop == NULL)
		return (err_set(err, ERR_INVALID, "the URL has no host name "
		    "of letters, digits, '.', '-' and '_'"));
	u->port = u->tls ? 443 : 80;
	if (stop < end && (*stop != ':' ||
	    parse_port(stop + 1, (size_t)(end - stop - 1), &u->port) == -1))
		return (err_set(err, ERR_INVALID,
		    "the port in the URL is not a number from 1 to 65535"));
	u->host = *s == '[' ? lower(s + 1, (size_t)(stop - s) - 2) :
	    lower(s, (size_t)(stop - s));
	return (0);
}

static const char *
after_scheme(const char *s, int *ret_tls)
{
	*ret_tls = strncasecmp(s, "https://", 8) == 0;
	if (*ret_tls)
		return (s + 8);
	return (strncasecmp(s, "http://", 7) == 0 ? s + 7 : NULL);
}

int
url_parse(const char *s, struct url *ret, struct err *err)
{
	struct url u = { 0 };
	const char *at = after_scheme(s, &u.tls), *end;
	size_t len;

	if (at == NULL)
		return (err_set(err, ERR_INVALID,
		    "the URL does not begin with https:// or http://"));
	if (strlen(s) > URL_MAX)
		return (err_set(err, ERR_INVALID,
		    "the URL is longer than %d bytes", URL_MAX));
	if (strpbrk(at, "?#") != NULL)
		return (err_set(err, ERR_INVALID,
		    "the URL holds a query or a fragment: remove it"));
	if (!is_target(at))
		return (err_set(err, ERR_INVALID,
		    "the URL holds a space or a character beyond ASCII"));
	end = at + strcspn(at, "/");
	if (parse_authority(at, end, &u, err) == -1)
		return (-1);
	for (len = strlen(end); len > 0 && end[len - 1] == '/'; len--)
		;
	u.path = str_ndup(end, len);
	u.origin = str_fmt("%s://%.*s", u.tls ? "https" : "http",
	    (int)(end - at), at);
	*ret = u;
	return (0);
}

void
url_clear(struct url *u)
{
	free(u->host);
	free(u->origin);
	free(u->path);
	*u = (struct url){ 0 };
}

char *
url_host_port(const struct url *u)
{
	if (strchr(u->host, ':') != NULL)
		return (str_fmt("[%s]:%u", u->host, u->port));
	return (str_fmt("%s:%u", u->host, u->port));
}

/* --- paths --------------------------------------------------------------- */

/* Go's shouldEscape(c, encodePath). */
static int
is_path(char c)
{
	return (is_alnum(c) || strchr("-_.~$&+,:;=@", c) != NULL);
}

static void
add_segment(struct buf *out, const char *s, size_t len)
{
	buf_addc(out, '/');
	for (size_t i = 0; i < len; i++)
		if (s[i] != '\0' && is_path(s[i]))
			buf_addc(out, s[i]);
		else
			buf_addf(out, "%%%02X", (unsigned char)s[i]);
}

int
url_clean_path(const char *path, char **ret, struct err *err)
{
	cleanup_buf struct buf out = BUF_PLAIN(URL_PATH_MAX);

	for (const char *s = path; *s != '\0';) {
		size_t len = strcspn(s, "/");

		if (len == 2 && s[0] == '.' && s[1] == '.')
			return (err_set(err, ERR_INVALID,
			    "the path holds a \"..\" segment: write the path "
			    "without it"));
		if (len > 0 && !(len == 1 && s[0] == '.'))
			add_segment(&out, s, len);
		s += len + (s[len] == '/');
	}
	if (out.len == 0)
		buf_addc(&out, '/');
	if (buf_finish(&out, "the path", err) == -1)
		return (-1);
	*ret = buf_take(&out);
	return (0);
}

/* --- redirects ----------------------------------------------------------- */

static int
same_origin(const struct url *from, const char *location, const char *end)
{
	cleanup_free char *text = str_ndup(location, (size_t)(end - location));
	cleanup_url struct url to = { 0 };

	return (url_parse(text, &to, NULL) == 0 && to.tls == from->tls &&
	    to.port == from->port && strcmp(to.host, from->host) == 0);
}

int
url_redirect(const struct url *from, const char *at, const char *location,
    char **ret, struct err *err)
{
	const char *path = location, *start;
	int tls;

	if (!is_target(location) || location[0] == '\0' ||
	    strlen(location) > URL_PATH_MAX)
		return (err_set(err, ERR_INVALID,
		    "redirected to something that is no URL"));
	start = after_scheme(location, &tls);
	if (start != NULL) {
		path = start + strcspn(start, "/?");
		if (!same_origin(from, location, path))
			return (err_set(err, ERR_DENIED,
			    "redirected to another origin"));
	} else if (location[0] == '/' && location[1] == '/') {
		return (err_set(err, ERR_DENIED,
		    "redirected to another origin"));
	} else if (location[0] != '/') {
		/* "x", "../x", "mailto:x": no server of ours needs it. */
		return (err_set(err, ERR_INVALID,
		    "redirected to a relative place"));
	}
	if (strcmp(path, at) == 0)
		return (err_set(err, ERR_INVALID, "redirected to itself"));
	*ret = path[0] == '/' ? str_dup(path) : str_fmt("/%s", path);
	return (0);
}
