/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/gostr.h"
#include "value/tmpl_case.h"
#include "value/tmpl_ip.h"
#include "value/tmpl_url.h"

enum mode { PATH, HOST, ZONE, USER, FRAGMENT };

/* What stands as it is beside letters, digits, "-._~". */
static const char *const plain[] = {
	[PATH] = "$&+,/:;=@",
	[HOST] = "!\"$&'()*+,:;<=>[]",
	[ZONE] = "!\"$&'()*+,:;<=>[]",
	[USER] = "$&+,;=",
	[FRAGMENT] = "!$&()*+,/:;=?@",
};

static int
should_escape(char c, enum mode mode)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || (c != '\0' && strchr("-._~", c)))
		return (0);
	return (c == '\0' || strchr(plain[mode], c) == NULL);
}

static int
hex_value(struct text s, size_t i)
{
	char c = i < s.n ? s.p[i] : 'x';

	if (c >= '0' && c <= '9')
		return (c - '0');
	c |= 0x20;
	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}

static int
holds(struct text s, char c)
{
	return (s.n > 0 && memchr(s.p, c, s.n) != NULL);
}

/* ${s} up to the first ${c}, and in *rest what is behind it. */
static struct text
cut(struct text s, char c, struct text *rest)
{
	const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;
	struct text head = s;

	*rest = (struct text){ s.p + s.n, 0 };
	if (at != NULL) {
		head.n = (size_t)(at - s.p);
		*rest = (struct text){ at + 1, s.n - head.n - 1 };
	}
	return (head);
}

static struct text
from(struct text s, size_t at)
{
	return ((struct text){ s.p + at, s.n - at });
}

static int
fail_quoted(const char *before, struct text s, const char *after,
    struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);

	buf_adds(&text, before);
	gostr_quote(s.p, s.n, &text);
	buf_adds(&text, after);
	return (err_set(err, ERR_INVALID, "%s", text.data));
}

static int
fail(const char *what, struct err *err)
{
	return (err_set(err, ERR_INVALID, "%s", what));
}

/* --- escapes ------------------------------------------------------------ */

static int
check_escape(struct text s, size_t i, enum mode mode, struct err *err)
{
	int high = hex_value(s, i + 1), low = hex_value(s, i + 2), ok = 1;
	struct text three = { s.p + i, s.n - i < 3 ? s.n - i : 3 };
	char c;

	if (high < 0 || low < 0)
		return (fail_quoted("invalid URL escape ", three, "", err));
	c = (char)(high << 4 | low);
	if (mode == HOST && high < 8)
		ok = c == '%';
	else if (mode == ZONE)
		ok = c == '%' || c == ' ' || !should_escape(c, HOST);
	return (ok ? 0 : fail_quoted("invalid URL escape ", three, "", err));
}

/* unescape, into the pool. */
static int
unescape(struct tmpl_run *run, struct text s, enum mode mode,
    struct text *ret, struct err *err)
{
	struct text one;
	size_t i, n = 0;
	char *out;

	for (i = 0; i < s.n; i++) {
		one = (struct text){ s.p + i, 1 };
		if (s.p[i] == '%') {
			if (check_escape(s, i, mode, err) == -1)
				return (-1);
			i += 2;
		} else if ((mode == HOST || mode == ZONE) &&
		    (unsigned char)s.p[i] < 0x80 && s.p[i] != '+' &&
		    should_escape(s.p[i], mode)) {
			return (fail_quoted("invalid character ", one,
			    " in host name", err));
		}
	}
	if ((out = tmpl_alloc(run, s.n + 1, err)) == NULL)
		return (-1);
	for (i = 0; i < s.n; i++, n++) {
		out[n] = s.p[i];
		if (s.p[i] == '%') {
			out[n] = (char)(hex_value(s, i + 1) << 4 |
			    hex_value(s, i + 2));
			i += 2;
		}
	}
	*ret = (struct text){ out, n };
	return (0);
}

static void
escape(struct text s, enum mode mode, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!should_escape((char)c, mode)) {
			buf_addc(out, (char)c);
			continue;
		}
		buf_addc(out, '%');
		buf_addc(out, hex[c >> 4]);
		buf_addc(out, hex[c & 15]);
	}
}

/* --- the authority ------------------------------------------------------ */

static int
valid_port(struct text s)
{
	size_t i;

	if (s.n == 0)
		return (1);
	for (i = 1; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return (0);
	return (s.p[0] == ':');
}

static int64_t
last(struct text s, char c)
{
	const char *at = s.n > 0 ? memrchr(s.p, c, s.n) : NULL;

	return (at == NULL ? -1 : at - s.p);
}

static int
join3(struct tmpl_run *run, struct text a, struct text b, struct text c,
    struct text *ret, struct err *err)
{
	char *p = tmpl_alloc(run, a.n + b.n + c.n + 1, err);

	if (p == NULL)
		return (-1);
	memcpy(p, a.p, a.n);
	memcpy(p + a.n, b.p, b.n);
	memcpy(p + a.n + b.n, c.p, c.n);
	*ret = (struct text){ p, a.n + b.n + c.n };
	return (0);
}

static const struct text none = { "", 0 };

/* "[fe80::1%25en0]:80" */
static int
bracketed(struct tmpl_run *run, struct text host, struct text *ret,
    struct err *err)
{
	int64_t close = last(host, ']'), zone;
	struct text port, name, tail = none;
	struct ip ip;

	if (close < 0)
		return (fail("missing ']' in host", err));
	port = from(host, (size_t)close + 1);
	if (!valid_port(port))
		return (fail_quoted("invalid port ", port, " after host",
		    err));
	name = (struct text){ host.p + 1, (size_t)close - 1 };
	zone = text_find(name, (struct text){ "%25", 3 });
	if (zone >= 0) {
		tail = from(name, (size_t)zone);
		name.n = (size_t)zone;
	}
	if (unescape(run, name, HOST, &name, err) == -1 ||
	    unescape(run, tail, ZONE, &tail, err) == -1 ||
	    join3(run, name, tail, none, &name, err) == -1)
		return (-1);
	if (ip_parse(name, &ip, err) == -1)
		return (err_wrap(err, "invalid host"));
	if (ip.is4)
		return (fail("invalid IP-literal", err));
	if (join3(run, name, (struct text){ "]", 1 }, port, &name, err) == -1)
		return (-1);
	return (join3(run, (struct text){ "[", 1 }, name, none, ret, err));
}

static int
parse_host(struct tmpl_run *run, struct text scheme, struct text host,
    struct text *ret, struct err *err)
{
	int64_t open = last(host, '['), colon;
	struct text port;

	if (open > 0)
		return (fail("invalid IP-literal", err));
	if (open == 0)
		return (bracketed(run, host, ret, err));
	if (holds(host, ':')) {
		/* Lists of hosts are fine where it is not the web. */
		colon = text_is(scheme, "http") || text_is(scheme, "https") ?
		    text_find(host, (struct text){ ":", 1 }) :
		    last(host, ':');
		port = from(host, (size_t)colon);
		if (!valid_port(port))
			return (fail_quoted("invalid port ", port,
			    " after host", err));
	}
	return (unescape(run, host, HOST, ret, err));
}

static int
valid_userinfo(struct text s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((c < '0' || c > '9') && (c < 'a' || c > 'z') &&
		    (c < 'A' || c > 'Z') &&
		    (c == '\0' || strchr("-._:~!$&'()*+,;=%@", c) == NULL))
			return (0);
	}
	return (1);
}

static int
parse_authority(struct tmpl_run *run, struct text s, struct tmpl_url *u,
    struct err *err)
{
	int64_t at = last(s, '@');
	struct text user, password;

	if (parse_host(run, u->scheme, from(s, (size_t)(at + 1)), &u->host,
	    err) == -1)
		return (-1);
	if (at < 0)
		return (0);
	s.n = (size_t)at;
	if (!valid_userinfo(s))
		return (fail("net/url: invalid userinfo", err));
	u->has_user = 1;
	u->has_password = holds(s, ':');
	user = cut(s, ':', &password);
	if (unescape(run, user, USER, &u->user, err) == -1)
		return (-1);
	return (unescape(run, password, USER, &u->password, err));
}

/* --- the whole ---------------------------------------------------------- */

static int
has_control(struct text s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return (1);
	return (0);
}

/* The length of the scheme; 0: there is none; -1: a colon first. */
static int64_t
scheme_length(struct text s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
			continue;
		if (c == ':')
			return (i == 0 ? -1 : (int64_t)i);
		if (i == 0 || ((c < '0' || c > '9') && c != '+' &&
		    c != '-' && c != '.'))
			return (0);
	}
	return (0);
}

static int
take_scheme(struct tmpl_run *run, struct text *rest, struct tmpl_url *u,
    struct err *err)
{
	int64_t i, n = scheme_length(*rest);
	char *p;

	if (n < 0)
		return (fail("missing protocol scheme", err));
	if (n == 0)
		return (0);
	if ((p = tmpl_alloc(run, (size_t)n + 1, err)) == NULL)
		return (-1);
	for (i = 0; i < n; i++)
		p[i] = (char)case_to_lower((unsigned char)rest->p[i]);
	u->scheme = (struct text){ p, (size_t)n };
	*rest = from(*rest, (size_t)n + 1);
	return (0);
}

static int
starts(struct text s, const char *with)
{
	return (s.n >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0);
}

static int
parse(struct tmpl_run *run, struct text s, struct tmpl_url *u,
    struct err *err)
{
	struct text rest = s, segment, ignored;

	if (has_control(s))
		return (fail("net/url: invalid control character in URL",
		    err));
	if (text_is(s, "*")) {
		u->path = s;
		return (0);
	}
	if (take_scheme(run, &rest, u, err) == -1)
		return (-1);
	rest = cut(rest, '?', &u->query);
	u->force_query = u->query.n == 0 && rest.p + rest.n < s.p + s.n;
	if (!starts(rest, "/")) {
		if (u->scheme.n > 0) {
			u->opaque = rest;
			return (0);
		}
		segment = cut(rest, '/', &ignored);
		if (holds(segment, ':'))
			return (fail("first path segment in URL cannot contain"
			    " colon", err));
	}
	if ((u->scheme.n > 0 || !starts(rest, "///")) && starts(rest, "//")) {
		segment = cut(from(rest, 2), '/', &ignored);
		rest = from(rest, 2 + segment.n);
		if (parse_authority(run, segment, u, err) == -1)
			return (-1);
	} else if (u->scheme.n > 0) {
		u->omit_host = 1;
	}
	u->raw_path = rest;
	return (unescape(run, rest, PATH, &u->path, err));
}

/* url.Error: `parse "URL": ` before it. */
static int
wrap(struct text s, struct err *err)
{
	cleanup_buf struct buf text = BUF_SECRET(SIZE_MAX);

	if (err == NULL || err->kind != ERR_INVALID)
		return (-1);
	gostr_quote(s.p, s.n, &text);
	return (err_wrap(err, "parse %s", text.data));
}

int
url_split(struct tmpl_run *run, struct text s, struct tmpl_url *ret,
    struct err *err)
{
	struct text fragment, head = cut(s, '#', &fragment);

	*ret = (struct tmpl_url){ .scheme = none, .opaque = none,
		.host = none, .path = none, .query = none, .fragment = none,
		.user = none, .password = none, .raw_path = none,
		.raw_fragment = none };
	if (parse(run, head, ret, err) == -1)
		return (wrap(head, err));
	if (fragment.n > 0 &&
	    unescape(run, fragment, FRAGMENT, &ret->fragment, err) == -1)
		return (wrap(s, err));
	ret->raw_fragment = fragment;
	return (0);
}

struct text
url_hostname(struct text host)
{
	int64_t colon = last(host, ':');

	if (colon >= 0 && valid_port(from(host, (size_t)colon)))
		host.n = (size_t)colon;
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct text){ host.p + 1, host.n - 2 };
	return (host);
}

void
url_userinfo(const struct tmpl_url *u, struct buf *out)
{
	if (!u->has_user)
		return;
	escape(u->user, USER, out);
	if (u->has_password) {
		buf_addc(out, ':');
		escape(u->password, USER, out);
	}
}

/* validEncoded, and spelt at all. */
static int
is_spelt(struct text s, enum mode mode)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((s.p[i] == '\0' || strchr("!$&'()*+,;=:@[]%", s.p[i]) ==
		    NULL) && should_escape(s.p[i], mode))
			return (0);
	return (s.n > 0);
}

/* As it was spelt where that can stand, else escaped. */
static void
print_spelt(struct text raw, struct text s, enum mode mode, struct buf *out)
{
	if (is_spelt(raw, mode))
		buf_add(out, raw.p, raw.n);
	else
		escape(s, mode, out);
}

static void
print_path(const struct tmpl_url *u, struct buf *out)
{
	cleanup_buf struct buf path = BUF_SECRET(SIZE_MAX);
	struct text segment, ignored;

	if (text_is(u->path, "*"))
		buf_addc(&path, '*');
	else
		print_spelt(u->raw_path, u->path, PATH, &path);
	if (path.len > 0 && path.data[0] != '/' && u->host.n > 0)
		buf_addc(out, '/');
	segment = cut((struct text){ buf_str(&path), path.len }, '/',
	    &ignored);
	if (out->len == 0 && holds(segment, ':'))
		buf_adds(out, "./");
	buf_add(out, buf_str(&path), path.len);
}

void
url_print(const struct tmpl_url *u, struct buf *out)
{
	if (u->scheme.n > 0) {
		buf_add(out, u->scheme.p, u->scheme.n);
		buf_addc(out, ':');
	}
	if (u->opaque.n > 0) {
		buf_add(out, u->opaque.p, u->opaque.n);
	} else {
		int rooted = u->host.n > 0 || u->has_user;

		if (rooted || (u->scheme.n > 0 && u->path.n > 0 &&
		    !u->omit_host))
			buf_adds(out, "//");
		url_userinfo(u, out);
		if (u->has_user)
			buf_addc(out, '@');
		escape(u->host, HOST, out);
		print_path(u, out);
	}
	if (u->query.n > 0 || u->force_query) {
		buf_addc(out, '?');
		buf_add(out, u->query.p, u->query.n);
	}
	if (u->fragment.n > 0) {
		buf_addc(out, '#');
		print_spelt(u->raw_fragment, u->fragment, FRAGMENT, out);
	}
}
