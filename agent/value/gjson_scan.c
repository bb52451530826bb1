/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "value/gjson_internal.h"
#include "value/num.h"

int
gj_scan_string(struct span s, size_t at, size_t *ret_end,
    struct span *ret_raw, int *ret_escaped)
{
	size_t i;

	*ret_escaped = 0;
#ifdef WEAKEN_GJSON_BOUNDS
	for (i = at; i <= s.n; i++) {
#else
	for (i = at; i < s.n; i++) {
#endif
		if (s.p[i] == '"') {
			*ret_end = i + 1;
			*ret_raw = span_of(s, at - 1, i + 1);
			return (1);
		}
		if (s.p[i] == '\\') {
			*ret_escaped = 1;
			i++;
		}
	}
	*ret_end = s.n;
	*ret_raw = span_from(s, at - 1);
	return (0);
}

size_t
gj_scan_number(struct span s, size_t at)
{
	for (at++; at < s.n; at++) {
		char c = s.p[at];

		if ((unsigned char)c <= ' ' || c == ',' || c == ']' ||
		    c == '}')
			break;
	}
	return (at);
}

size_t
gj_scan_word(struct span s, size_t at)
{
	for (at++; at < s.n; at++)
		if (s.p[at] < 'a' || s.p[at] > 'z')
			break;
	return (at);
}

/* Behind the closing quote; s.n + 1 when there is none. */
static size_t
skip_quoted(struct span s, size_t at)
{
	for (at++; at < s.n; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == '"')
			return (at + 1);
	}
	return (s.n + 1);
}

size_t
gj_scan_nested(struct span s, size_t at)
{
	size_t depth = 1;

	for (at++; at < s.n; at++) {
		switch (s.p[at]) {
		case '"':
			at = skip_quoted(s, at) - 1;
			if (at == s.n)
				return (s.n + 1);
			break;
		case '{': case '[': case '(':
			depth++;
			break;
		case '}': case ']': case ')':
			if (--depth == 0)
				return (at + 1);
			break;
		default:
			break;
		}
	}
	return (s.n);
}

struct span
gj_squash(struct span s)
{
	size_t end;

	if (s.n == 0)
		return (s);
	end = s.p[0] == '"' ? skip_quoted(s, 0) : gj_scan_nested(s, 0);
	return (span_to(s, end));
}

/* strconv.ParseUint of four digits: 0 when they are not hexadecimal. */
static uint32_t
hex4(const char *s)
{
	uint32_t v = 0;
	int i;

	for (i = 0; i < 4; i++) {
		char c = s[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return (0);
	}
	return (v);
}

/* At \u: the bytes taken, 0 when the text ends too early. */
static size_t
unescape_u(struct span s, struct buf *out)
{
	uint32_t r, low;
	size_t used = 6;

	if (s.n < 6)
		return (0);
	r = hex4(s.p + 2);
	if (r >= 0xd800 && r <= 0xdfff) {
		low = 0;
		if (s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u') {
			/* gjson takes the second escape whatever it says. */
			low = hex4(s.p + 8);
			used = 12;
		}
		if (r < 0xdc00 && low >= 0xdc00 && low <= 0xdfff)
			r = 0x10000 + ((r - 0xd800) << 10) + (low - 0xdc00);
		else
			r = 0xfffd;
	}
	utf8_add(out, r);
	return (used);
}

/* gjson stops at the first thing that no JSON string may hold. */
struct span
gj_unescape(struct gj *g, struct span s)
{
	static const char from[] = "bfnrt\\/\"", to[] = "\b\f\n\r\t\\/\"";
	struct buf out = gj_buf(g);
	size_t i = 0, used;
	const char *p;

	gj_charge(g, s.n);
	while (i < s.n && (unsigned char)s.p[i] >= ' ') {
		if (s.p[i] != '\\') {
			buf_addc(&out, s.p[i++]);
			continue;
		}
		if (i + 1 >= s.n)
			break;
		if (s.p[i + 1] == 'u') {
			used = unescape_u(span_from(s, i), &out);
			if (used == 0)
				break;
			i += used;
			continue;
		}
		p = memchr(from, s.p[i + 1], sizeof(from) - 1);
		if (!p)
			break;
		buf_addc(&out, to[p - from]);
		i += 2;
	}
	return (gj_keep(g, &out));
}

struct span
gj_unquote(struct gj *g, struct span raw, int escaped)
{
	struct span inner = span_of(raw, 1, raw.n - 1);

	return (escaped ? gj_unescape(g, inner) : inner);
}

double
gj_number(struct span raw)
{
	double v;

	num_parse(raw.p, raw.n, &v);
	return (v);
}

int
gj_parse_bool(struct span s, int *ret)
{
	static const char *const words[] = { "0", "1", "f", "t", "false",
	    "true" };
	size_t i;

	for (i = 0; i < 6; i++)
		if (s.n == strlen(words[i]) &&
		    strncasecmp(s.p, words[i], s.n) == 0) {
			*ret = i & 1;
			return (1);
		}
	return (0);
}

/* tostr: as gj_scan_string, but a string without an end is one too. */
static struct gj_value
parse_string(struct gj *g, struct span s)
{
	struct gj_value v = { GJ_STRING, { NULL, 0 }, { NULL, 0 }, 0 };
	size_t end;
	int escaped;

	if (gj_scan_string(s, 1, &end, &v.raw, &escaped))
		v.str = gj_unquote(g, v.raw, escaped);
	else
		v.str = escaped ? gj_unescape(g, span_from(s, 1)) :
		    span_from(s, 1);
	return (v);
}

static struct gj_value
number_value(struct span raw)
{
	return ((struct gj_value){ GJ_NUMBER, raw, { NULL, 0 },
	    gj_number(raw) });
}

static struct gj_value
word_value(struct span raw)
{
	enum gj_type type = raw.p[0] == 't' ? GJ_TRUE :
	    raw.p[0] == 'f' ? GJ_FALSE : GJ_NULL;

	return ((struct gj_value){ type, raw, { NULL, 0 }, 0 });
}

static int
starts_number(struct span s, size_t at)
{
	char c = s.p[at];

	if (c == 'n')
		return (at + 1 < s.n && s.p[at + 1] != 'u');
	return ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == 'i' ||
	    c == 'I' || c == 'N');
}

struct gj_value
gj_parse(struct gj *g, struct span json)
{
	struct gj_value none = { GJ_NULL, { NULL, 0 }, { NULL, 0 }, 0 };
	struct span s = json;

	gj_charge(g, json.n);
	while (s.n && (unsigned char)s.p[0] <= ' ')
		s = span_from(s, 1);
	if (s.n == 0)
		return (none);
	if (s.p[0] == '{' || s.p[0] == '[')
		return ((struct gj_value){ GJ_JSON, s, { NULL, 0 }, 0 });
	if (s.p[0] == '"')
		return (parse_string(g, s));
	if (starts_number(s, 0))
		return (number_value(span_to(s, gj_scan_number(s, 0))));
	if (strchr("ntf", s.p[0]) && s.p[0])
		return (word_value(span_to(s, gj_scan_word(s, 0))));
	return (none);
}

int
gj_next(struct gj *g, struct span s, size_t *at, struct gj_value *ret)
{
	size_t i = *at;
	int escaped;

	*ret = (struct gj_value){ GJ_NULL, { NULL, 0 }, { NULL, 0 }, 0 };
	for (; i < s.n; i++) {
		char c = s.p[i];

		if (c == '{' || c == '[') {
			*at = gj_scan_nested(s, i);
			ret->type = GJ_JSON;
			ret->raw = span_of(s, i, *at);
			return (1);
		}
		if (c == '"') {
			if (!gj_scan_string(s, i + 1, at, &ret->raw, &escaped))
				return (0);
			ret->type = GJ_STRING;
			ret->str = gj_unquote(g, ret->raw, escaped);
			return (1);
		}
		if (starts_number(s, i)) {
			*at = gj_scan_number(s, i);
			*ret = number_value(span_of(s, i, *at));
			return (1);
		}
		if (c == 'n' || c == 't' || c == 'f') {
			*at = gj_scan_word(s, i);
			*ret = word_value(span_of(s, i, *at));
			return (1);
		}
	}
	*at = i;
	return (0);
}

/* Find the opening bracket; anything else before it ends the walk. */
static void
each_start(struct gj_each *e)
{
	struct span s = e->of.raw;

	e->key = (struct gj_value){ GJ_NULL, { NULL, 0 }, { NULL, 0 }, 0 };
	e->state = 3;
	for (; e->at < s.n; e->at++) {
		char c = s.p[e->at];

		if (c == '{' || c == '[') {
			e->state = c == '{' ? 1 : 2;
			e->key.type = c == '{' ? GJ_STRING : GJ_NUMBER;
			e->key.num = -1;
			e->at++;
			return;
		}
		if ((unsigned char)c > ' ')
			return;
	}
}

static int
each_key(struct gj *g, struct gj_each *e)
{
	struct span s = e->of.raw;
	int escaped;

	if (e->state == 2) {
		e->key.num += 1;
		return (e->at < s.n);
	}
	while (e->at < s.n && s.p[e->at] != '"')
		e->at++;
	if (e->at >= s.n ||
	    !gj_scan_string(s, e->at + 1, &e->at, &e->key.raw, &escaped))
		return (0);
	e->key.str = gj_unquote(g, e->key.raw, escaped);
	return (1);
}

int
gj_each(struct gj *g, struct gj_each *e)
{
	struct span s = e->of.raw;

	if (e->state == 0 && e->of.type != GJ_JSON) {
		e->state = 3;
		e->value = e->of;
		e->key = (struct gj_value){ GJ_NULL, { NULL, 0 },
		    { NULL, 0 }, 0 };
		return (gj_exists(&e->of));
	}
	if (e->state == 0) {
		gj_charge(g, s.n);
		each_start(e);
	} else {
		/* gjson's loop steps over one byte behind each value. */
		e->at++;
	}
	if (e->state == 3 || g->failed || !each_key(g, e)) {
		e->state = 3;
		return (0);
	}
	while (e->at < s.n && ((unsigned char)s.p[e->at] <= ' ' ||
	    s.p[e->at] == ',' || s.p[e->at] == ':'))
		e->at++;
	if (!gj_next(g, s, &e->at, &e->value)) {
		e->state = 3;
		return (0);
	}
	return (1);
}

int
gj_is_array(const struct gj_value *v)
{
	return (v->type == GJ_JSON && v->raw.n && v->raw.p[0] == '[');
}

int
gj_is_object(const struct gj_value *v)
{
	return (v->type == GJ_JSON && v->raw.n && v->raw.p[0] == '{');
}
