/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/codec.h"
#include "value/doc.h"
#include "value/doc_internal.h"

/* The document was checked, so that a quote, a bracket and a comma stand
 * where they must; the bounds are kept all the same. */

static int
is_space(char ch)
{
	return (ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r');
}

size_t
doc_skip_string(const char *s, size_t len, size_t at)
{
	for (at++; at < len; at++) {
		if (s[at] == '\\')
			at++;
		else if (s[at] == '"')
			return (at + 1);
	}
	return (len);
}

size_t
doc_skip_scalar(const char *s, size_t len, size_t at)
{
	if (at < len && s[at] == '"')
		return (doc_skip_string(s, len, at));
	while (at < len && !is_space(s[at]) && s[at] != ',' && s[at] != ']' &&
	    s[at] != '}')
		at++;
	return (at);
}

static size_t
skip_value(const char *s, size_t len, size_t at)
{
	size_t depth = 0;

	if (at >= len || (s[at] != '{' && s[at] != '['))
		return (doc_skip_scalar(s, len, at));
	while (at < len) {
		if (s[at] == '"') {
			at = doc_skip_string(s, len, at);
			continue;
		}
		if (s[at] == '{' || s[at] == '[')
			depth++;
		else if ((s[at] == '}' || s[at] == ']') && --depth == 0)
			return (at + 1);
		at++;
	}
	return (len);
}

size_t
doc_skip_filling(const char *s, size_t len, size_t at)
{
	while (at < len && (is_space(s[at]) || s[at] == ',' || s[at] == ':'))
		at++;
	return (at);
}

enum doc_type
doc_type_at(const char *s, size_t len, size_t at)
{
	if (at >= len)
		return (DOC_NONE);
	switch (s[at]) {
	case '{':
		return (DOC_OBJECT);
	case '[':
		return (DOC_ARRAY);
	case '"':
		return (DOC_STRING);
	case 't':
		return (DOC_TRUE);
	case 'f':
		return (DOC_FALSE);
	case 'n':
		return (DOC_NULL);
	default:
		return (DOC_NUMBER);
	}
}

static size_t
take(const struct doc *from, size_t at, struct doc *ret)
{
	size_t end = skip_value(from->raw, from->len, at);

	ret->type = doc_type_at(from->raw, from->len, at);
	ret->raw = from->raw + at;
	ret->len = end - at;
	return (end);
}

int
doc_next(const struct doc *container, size_t *at, struct doc *ret_key,
    struct doc *ret_value)
{
	const char *s = container->raw;
	size_t len = container->len, i = *at;

	if (container->type != DOC_OBJECT && container->type != DOC_ARRAY)
		return (0);
	i = doc_skip_filling(s, len, i ? i : 1);
	if (i >= len || s[i] == '}' || s[i] == ']')
		return (0);
	if (container->type == DOC_OBJECT) {
		i = take(container, i, ret_key);
		i = doc_skip_filling(s, len, i);
	} else if (ret_key) {
		*ret_key = (struct doc){ DOC_NONE, s + i, 0 };
	}
	*at = take(container, i, ret_value);
	return (1);
}

static uint32_t
hex4(const char *s)
{
	uint32_t v = 0;
	int i;

	for (i = 0; i < 4; i++) {
		char ch = s[i];

		v = v * 16 + (uint32_t)(ch <= '9' ? ch - '0' :
		    (ch | 0x20) - 'a' + 10);
	}
	return (v);
}

/* One \u escape, or two that are a pair: bytes taken. */
static size_t
unescape_u(const char *s, size_t len, struct buf *out)
{
	uint32_t rune, low;

	if (len < 6)
		return (len);
	rune = hex4(s + 2);
	if (rune < 0xd800 || rune > 0xdfff) {
		utf8_add(out, rune);
		return (6);
	}
	if (rune < 0xdc00 && len >= 12 && s[6] == '\\' && s[7] == 'u') {
		low = hex4(s + 8);
		if (low >= 0xdc00 && low <= 0xdfff) {
			utf8_add(out, 0x10000 + ((rune - 0xd800) << 10) +
			    (low - 0xdc00));
			return (12);
		}
	}
	utf8_add(out, 0xfffd);
	return (6);
}

static size_t
unescape(const char *s, size_t len, struct buf *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *p;

	if (len < 2)
		return (len);
	if (s[1] == 'u')
		return (unescape_u(s, len, out));
	p = memchr(from, s[1], 5);
	buf_addc(out, p ? to[p - from] : s[1]);
	return (2);
}

void
doc_string(const struct doc *d, struct buf *out)
{
	const char *s = d->raw + 1, *plain;
	size_t len, n;
	uint32_t rune;

	if (d->type != DOC_STRING || d->len < 2)
		return;
	for (len = d->len - 2; len; s += n, len -= n) {
		if (*s == '\\') {
			n = unescape(s, len, out);
			continue;
		}
		/* The long run of plain ASCII goes over in one piece. */
		for (plain = s; len && *s != '\\' && !(*s & 0x80); s++, len--)
			;
		buf_add(out, plain, (size_t)(s - plain));
		n = 0;
		if (len && (*s & 0x80)) {
			n = utf8_next(s, len, &rune);
			utf8_add(out, rune);
		}
	}
}

int
doc_member(const struct doc *obj, const char *key, size_t keylen,
    struct doc *ret)
{
	struct doc k, v;
	size_t at = 0;
	int found = 0;

	while (obj->type == DOC_OBJECT && doc_next(obj, &at, &k, &v)) {
		cleanup_buf struct buf text = BUF_SECRET(k.len * 3);

		doc_string(&k, &text);
		if (text.len != keylen ||
		    memcmp(buf_str(&text), key, keylen) != 0)
			continue;
		*ret = v;
		found = 1;
	}
	return (found);
}
