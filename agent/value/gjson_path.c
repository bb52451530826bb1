/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "value/gjson_internal.h"

/* A dot in front of a modifier or a multipath is a pipe. */
static int
is_dot_piper(struct span rest)
{
	size_t i;

	if (rest.n == 0)
		return (0);
	if (rest.p[0] != '@')
		return (rest.p[0] == '[' || rest.p[0] == '{');
	for (i = 1; i < rest.n; i++)
		if (rest.p[i] == '.' || rest.p[i] == '|' || rest.p[i] == ':')
			break;
	return (gj_is_modifier(span_of(rest, 1, i)));
}

/* What follows a part: ${at} is its dot or its pipe. */
static void
object_rest(struct gj_object_path *r, struct span path, size_t at)
{
	struct span rest = span_from(path, at + 1);

	if (path.p[at] == '|' || is_dot_piper(rest)) {
		r->pipe = rest;
		r->piped = 1;
	} else {
		r->path = rest;
		r->more = 1;
	}
}

/* From the first backslash on the part is copied without them; a wildcard
 * behind an escape stays a wildcard, as in gjson. */
static struct gj_object_path
escaped_object_path(struct gj *g, struct span path, size_t at,
    struct gj_object_path r)
{
	struct buf part = gj_buf(g);
	size_t i = at + 1;

	buf_add(&part, path.p, at);
	if (i < path.n)
		buf_addc(&part, path.p[i++]);
	for (; i < path.n; i++) {
		char c = path.p[i];

		if (c == '\\') {
			if (++i < path.n)
				buf_addc(&part, path.p[i]);
			continue;
		}
		if (c == '.' || c == '|') {
			object_rest(&r, path, i);
			break;
		}
		if (c == '*' || c == '?')
			r.wild = 1;
		buf_addc(&part, c);
	}
	r.part = gj_keep(g, &part);
	return (r);
}

struct gj_object_path
gj_object_path(struct gj *g, struct span path)
{
	struct gj_object_path r;
	size_t i;

	memset(&r, 0, sizeof(r));
	for (i = 0; i < path.n; i++) {
		char c = path.p[i];

		if (c == '|' || c == '.') {
			r.part = span_to(path, i);
			object_rest(&r, path, i);
			gj_charge(g, i);
			return (r);
		}
		if (c == '*' || c == '?')
			r.wild = 1;
		if (c == '\\') {
			gj_charge(g, path.n);
			return (escaped_object_path(g, path, i, r));
		}
	}
	gj_charge(g, path.n);
	r.part = path;
	return (r);
}

/* Behind the closing quote of a string in a path whose opening one is at
 * ${at}, or the end. */
static size_t
path_string(struct span s, size_t at, int *ret_escaped)
{
	for (at++; at < s.n && s.p[at] != '"'; at++)
		if (s.p[at] == '\\') {
			*ret_escaped = 1;
			at++;
		}
	return (at + 1);
}

struct query {
	struct span path, op, value;
	size_t end;		/* behind the closing bracket */
	int escaped;
};

/* "==x" etc.: the operator off the front.  One that no case knows, as "!x",
 * stays empty, and the query then asks for existence alone. */
static void
split_operator(struct query *q, struct span value)
{
	char a = value.p[0], b = value.n > 1 ? value.p[1] : '\0';
	size_t n = 0;

	if (value.n == 1) {
		n = 1;
	} else if ((a == '!' && (b == '=' || b == '%')) ||
	    ((a == '<' || a == '>') && b == '=')) {
		n = 2;
	} else if (a == '=' && b == '=') {
		value = span_from(value, 1);
		n = 1;
	} else if (a == '<' || a == '>' || a == '=' || a == '%') {
		n = 1;
	}
	q->op = span_to(value, n);
	q->value = span_trim(span_from(value, n));
}

/* #(path op value) or #[…]: s starts at the '#'.  0 when it has no end. */
static int
parse_query(struct span s, struct query *ret)
{
	size_t i = 2, value_at = 0, depth = 1;

	memset(ret, 0, sizeof(*ret));
	while (i < s.n) {
		char c = s.p[i];

		if (depth == 1 && !value_at && c && strchr("!=<>%", c)) {
			value_at = i++;
			continue;
		}
		if (c == '"') {
			i = path_string(s, i, &ret->escaped);
			continue;
		}
		if (c == '\\')
			i++;
		else if (c == '[' || c == '(')
			depth++;
		else if ((c == ']' || c == ')') && --depth == 0)
			break;
		i++;
	}
	if (depth)
		return (0);
	ret->end = i + 1;
	ret->path = span_trim(span_of(s, 2, value_at ? value_at : i));
	if (value_at)
		split_operator(ret, span_trim(span_of(s, value_at, i)));
	return (1);
}

static void
set_query(struct gj *g, struct gj_array_path *r, const struct query *q)
{
	struct span v = q->value;

	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"') {
		v = span_of(v, 1, v.n - 1);
		if (q->escaped)
			v = gj_unescape(g, v);
	}
	r->query.path = q->path;
	r->query.op = q->op;
	r->query.value = v;
}

struct gj_array_path
gj_array_path(struct gj *g, struct span path)
{
	struct gj_array_path r;
	struct query q;
	size_t i;

	memset(&r, 0, sizeof(r));
	gj_charge(g, path.n);
	for (i = 0; i < path.n; i++) {
		char c = path.p[i];

		if (c == '|' || c == '.') {
			struct span rest = span_from(path, i + 1);

			r.part = span_to(path, i);
			r.piped = c == '|' || (!r.counts && is_dot_piper(rest));
			r.more = !r.piped;
			if (r.piped)
				r.pipe = rest;
			else
				r.path = rest;
			return (r);
		}
		if (c != '#')
			continue;
		r.counts = 1;
		if (i != 0 || path.n < 2)
			continue;
		if (path.p[1] == '.') {
			r.all_of = 1;
			r.all_of_key = span_from(path, 2);
		} else if (path.p[1] == '[' || path.p[1] == '(') {
			r.query.on = 1;
			if (!parse_query(path, &q))
				break;
			set_query(g, &r, &q);
			i = q.end - 1;
			r.query.all = i + 1 < path.n && path.p[i + 1] == '#';
		}
	}
	r.part = path;
	r.path = (struct span){ NULL, 0 };
	return (r);
}

/* Behind the bracket that closes the query at ${at}; only brackets of its own
 * kind count. */
static size_t
skip_query(struct span s, size_t at)
{
	char open = s.p[at], shut = open == '[' ? ']' : ')';
	size_t depth = 1;
	int ignored;

	for (at++; at < s.n; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == open)
			depth++;
		else if (s.p[at] == shut && --depth == 0)
			return (at + 1);
		else if (s.p[at] == '"')
			at = path_string(s, at, &ignored) - 1;
	}
	return (at);
}

int
gj_split_pipe(struct span path, struct span *ret_left, struct span *ret_right)
{
	size_t i;

	if (path.n == 0 || !memchr(path.p, '|', path.n))
		return (0);
	if (path.p[0] == '{') {
		/* gjson squashes what stands behind the brace. */
		i = gj_squash(span_from(path, 1)).n + 1;
		if (i >= path.n || path.p[i] != '|')
			return (0);
		*ret_left = span_to(path, i);
		*ret_right = span_from(path, i + 1);
		return (1);
	}
	for (i = 0; i < path.n; i++) {
		if (path.p[i] == '\\') {
			i++;
		} else if (path.p[i] == '|') {
			*ret_left = span_to(path, i);
			*ret_right = span_from(path, i + 1);
			return (1);
		} else if (path.p[i] == '.') {
			if (i + 1 >= path.n)
				return (0);
			if (path.p[i + 1] != '#')
				continue;
			i += 2;
			if (i >= path.n)
				return (0);
			if (path.p[i] == '[' || path.p[i] == '(')
				i = skip_query(path, i) - 1;
		}
	}
	return (0);
}

static void
selector_of(struct span path, size_t start, size_t colon, size_t end,
    struct gj_selector *ret)
{
	ret->name = colon ? span_of(path, start, colon) :
	    (struct span){ NULL, 0 };
	ret->path = span_of(path, colon ? colon + 1 : start, end);
}

int
gj_selectors(struct span path, size_t *at, struct gj_selector *ret)
{
	size_t i, start = *at, colon = 0, depth = 1;
	int modifier = 0, ignored;

	for (i = start; i < path.n; i++) {
		switch (path.p[i]) {
		case '\\':
			i++;
			break;
		case '@':
			modifier |= path.p[i - 1] == '.' ||
			    path.p[i - 1] == '|';
			break;
		case ':':
			if (!modifier && !colon && depth == 1)
				colon = i;
			break;
		case ',':
			if (depth == 1) {
				selector_of(path, start, colon, i, ret);
				*at = i + 1;
				return (1);
			}
			break;
		case '"':
			i = path_string(path, i, &ignored) - 1;
			break;
		case '[': case '(': case '{':
			depth++;
			break;
		case ']': case ')': case '}':
			if (--depth == 0) {
				selector_of(path, start, colon, i, ret);
				*at = i + 1;
				return (2);
			}
			break;
		default:
			break;
		}
	}
	return (0);
}
