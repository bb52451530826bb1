/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "csi/grpc_internal.h"

enum {
	SEEN_METHOD = 1, SEEN_SCHEME = 2, SEEN_PATH = 4, SEEN_AUTHORITY = 8,
	SEEN_TYPE = 16, SEEN_TIMEOUT = 32, SEEN_ENCODING = 64
};

static const struct {
	const char *name;
	unsigned seen;
} once[] = {
	{ ":method", SEEN_METHOD },
	{ ":scheme", SEEN_SCHEME },
	{ ":path", SEEN_PATH },
	{ ":authority", SEEN_AUTHORITY },
	{ "content-type", SEEN_TYPE },
	{ "grpc-timeout", SEEN_TIMEOUT },
	{ "grpc-encoding", SEEN_ENCODING },
};

/* RFC 9113 §8.2.2 */
static const char *const connection_only[] = {
	"connection", "proxy-connection", "keep-alive", "transfer-encoding",
	"upgrade"
};

static int
is(const uint8_t *s, size_t len, const char *want)
{
	return (len == strlen(want) && memcmp(s, want, len) == 0);
}

static int
name_ok(const uint8_t *s, size_t len)
{
	size_t i;

	if (len == 0 || (len == 1 && s[0] == ':'))
		return (0);
	for (i = (s[0] == ':'); i < len; i++) {
		if (s[i] >= 'a' && s[i] <= 'z')
			continue;
		if (s[i] >= '0' && s[i] <= '9')
			continue;
		if (s[i] == 0 || !strchr("!#$%&'*+-.^_`|~", s[i]))
			return (0);
	}
	return (1);
}

static int
value_ok(const uint8_t *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return (0);
	return (1);
}

/* For messages only: cut, and printable. */
static void
keep(char *out, size_t size, const uint8_t *s, size_t len)
{
	size_t i;

	for (i = 0; i < len && i + 1 < size; i++)
		out[i] = s[i] >= 0x20 && s[i] < 0x7f ? (char)s[i] : '?';
	out[i] = '\0';
}

void
grpc_head_init(struct grpc_head *h)
{
	memset(h, 0, sizeof(*h));
	h->timeout_ms = -1;
}

int64_t
grpc_timeout_parse(const uint8_t *s, size_t len)
{
	static const struct {
		char unit;
		int64_t mul, div;
	} units[] = {
		{ 'H', 3600000, 1 }, { 'M', 60000, 1 }, { 'S', 1000, 1 },
		{ 'm', 1, 1 }, { 'u', 1, 1000 }, { 'n', 1, 1000000 }
	};
	int64_t v = 0;
	size_t i;

	if (len < 2 || len > 9)
		return (-1);
	for (i = 0; i + 1 < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return (-1);
		v = v * 10 + (s[i] - '0');
	}
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == (char)s[len - 1])
			return ((v * units[i].mul + units[i].div - 1) /
			    units[i].div);
	return (-1);
}

static int
type_ok(const uint8_t *s, size_t len)
{
	static const char want[] = "application/grpc";
	const size_t n = sizeof(want) - 1;

	return (len >= n && strncasecmp((const char *)s, want, n) == 0 &&
	    (len == n || s[n] == '+' || s[n] == ';'));
}

static void
take(struct grpc_head *h, unsigned what, const uint8_t *v, size_t len)
{
	switch (what) {
	case SEEN_METHOD:
		h->post = is(v, len, "POST");
		keep(h->method, sizeof(h->method), v, len);
		break;
	case SEEN_PATH:
		h->path_long |= len > GRPC_PATH_MAX;
		keep(h->path, sizeof(h->path), v, len);
		h->malformed |= len == 0;
		break;
	case SEEN_TYPE:
		h->grpc = type_ok(v, len);
		keep(h->type, sizeof(h->type), v, len);
		break;
	case SEEN_TIMEOUT:
		h->timeout_ms = grpc_timeout_parse(v, len);
		h->timeout_bad = h->timeout_ms == -1;
		break;
	case SEEN_ENCODING:
		h->encoded = !is(v, len, "identity");
		keep(h->encoding, sizeof(h->encoding), v, len);
		break;
	}
}

void
grpc_head_add(struct grpc_head *h, const uint8_t *name, size_t name_len,
    const uint8_t *value, size_t value_len)
{
	size_t i;

	h->size += name_len + value_len + 32;
	if (h->size > GRPC_HEADERS_MAX)
		return;
	if (!name_ok(name, name_len) || !value_ok(value, value_len) ||
	    (name[0] == ':' && h->regular)) {
		h->malformed = 1;
		return;
	}
	if (name[0] != ':')
		h->regular = 1;
	for (i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		if (!is(name, name_len, once[i].name))
			continue;
		if (h->seen & once[i].seen)
			h->malformed = 1;
		h->seen |= once[i].seen;
		take(h, once[i].seen, value, value_len);
		return;
	}
	if (name[0] == ':')
		h->malformed = 1;
	for (i = 0; i < sizeof(connection_only) / sizeof(char *); i++)
		if (is(name, name_len, connection_only[i]))
			h->malformed = 1;
	if (is(name, name_len, "te") && !is(value, value_len, "trailers"))
		h->malformed = 1;
}

static int
refuse(struct grpc_verdict *v, int status, enum grpc_code code)
{
	v->status = status;
	v->code = code;
	return (-1);
}

static int
judge_path(const char *path, const struct grpc_method *methods,
    const struct grpc_method **ret_method, struct grpc_verdict *v)
{
	const struct grpc_method *m;
	const char *slash = strrchr(path, '/');
	size_t service;

	if (path[0] != '/' || slash == path) {
		snprintf(v->text, sizeof(v->text),
		    "malformed method name: \"%s\"", path);
		return (refuse(v, 200, GRPC_UNIMPLEMENTED));
	}
	service = (size_t)(slash - path) + 1;
	snprintf(v->text, sizeof(v->text), "unknown service %.*s",
	    (int)service - 2, path + 1);
	for (m = methods; m->path; m++) {
		if (strcmp(m->path, path) == 0) {
			*ret_method = m;
			return (0);
		}
		if (strncmp(m->path, path, service) == 0)
			snprintf(v->text, sizeof(v->text),
			    "unknown method %s for service %.*s", slash + 1,
			    (int)service - 2, path + 1);
	}
	return (refuse(v, 200, GRPC_UNIMPLEMENTED));
}

int
grpc_head_judge(const struct grpc_head *h,
    const struct grpc_method *methods, const struct grpc_method **ret_method,
    struct grpc_verdict *v)
{
	const unsigned need = SEEN_METHOD | SEEN_SCHEME | SEEN_PATH;

	memset(v, 0, sizeof(*v));
	if (h->size > GRPC_HEADERS_MAX)
		return (v->reset = GRPC_RESET_CALM, -1);
	if (h->malformed || (h->seen & need) != need)
		return (v->reset = GRPC_RESET_PROTOCOL, -1);
	if (!h->grpc) {
		snprintf(v->text, sizeof(v->text),
		    "invalid gRPC request content-type \"%s\"", h->type);
		return (refuse(v, 415, GRPC_INVALID_ARGUMENT));
	}
	if (h->timeout_bad) {
		snprintf(v->text, sizeof(v->text), "malformed grpc-timeout");
		return (refuse(v, 400, GRPC_INTERNAL));
	}
	if (!h->post) {
		snprintf(v->text, sizeof(v->text), "Received a HEADERS frame "
		    "with :method \"%s\" which should be POST", h->method);
		return (refuse(v, 405, GRPC_INTERNAL));
	}
	if (h->path_long) {
		snprintf(v->text, sizeof(v->text),
		    "method name is longer than %d bytes", GRPC_PATH_MAX);
		return (refuse(v, 200, GRPC_UNIMPLEMENTED));
	}
	if (judge_path(h->path, methods, ret_method, v) == -1)
		return (-1);
	if (h->encoded) {
		snprintf(v->text, sizeof(v->text), "grpc: Decompressor is not "
		    "installed for grpc-encoding \"%s\"", h->encoding);
		return (refuse(v, 200, GRPC_UNIMPLEMENTED));
	}
	return (0);
}

void
grpc_text_encode(struct buf *out, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	const size_t start = out->len, len = strlen(text);
	size_t i = 0, k, n, width;
	uint32_t rune;

	while (i < len) {
		n = utf8_next(text + i, len - i, &rune);
		width = n > 1 || text[i] < 0x20 || text[i] > 0x7e ||
		    text[i] == '%' ? 3 * n : 1;
		if (out->len - start + width > GRPC_TEXT_MAX)
			return;
		for (k = 0; k < n; k++, i++) {
			if (width == 1) {
				buf_addc(out, text[i]);
				continue;
			}
			buf_addc(out, '%');
			buf_addc(out, hex[(uint8_t)text[i] >> 4]);
			buf_addc(out, hex[(uint8_t)text[i] & 15]);
		}
	}
}
