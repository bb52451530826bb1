/* SPDX-License-Identifier: Apache-2.0 */
#include "base/codec.h"
#include "value/gjson_internal.h"

size_t
gj_last_rune(struct span s, uint32_t *ret)
{
	size_t n, back;

	for (back = 1; back <= 4 && back <= s.n; back++) {
		if ((s.p[s.n - back] & 0xc0) == 0x80)
			continue;
		n = utf8_next(s.p + s.n - back, back, ret);
		if (n == back)
			return (n);
		break;
	}
	*ret = 0xfffd;
	return (s.n ? 1 : 0);
}

/* Backslashes in front of the last ${n} bytes of a pattern that starts with
 * an unescaped star: odd means that they are escaped. */
static int
is_escaped(struct span pattern, size_t n)
{
	size_t count = 0;

	while (count + n < pattern.n &&
	    pattern.p[pattern.n - n - count - 1] == '\\')
		count++;
	return (count & 1);
}

/* What stands behind the last star must be the end of the text: cut it off
 * both; 0 when it is not. */
static int
trim_suffix(struct span *str, struct span *pattern)
{
	uint32_t sc, pc;
	size_t sn, pn;
	int escaped;

	while (str->n && pattern->n > 1) {
		pn = gj_last_rune(*pattern, &pc);
		escaped = is_escaped(*pattern, pn);
		if (pc == '*' && !escaped)
			return (1);
		sn = gj_last_rune(*str, &sc);
		if (!(pc == '?' && !escaped) && pc != sc)
			return (0);
		str->n -= sn;
		pattern->n -= pn + (size_t)escaped;
	}
	return (1);
}

/* One rune of the pattern (no star) against one of the text: 1 both moved. */
static int
match_one(struct span *str, struct span *pattern)
{
	uint32_t sc, pc;
	size_t sn, pn;

	pn = utf8_next(pattern->p, pattern->n, &pc);
	sn = utf8_next(str->p, str->n, &sc);
	if (sn == 0)
		return (0);
	if (pc == '\\') {
		*pattern = span_from(*pattern, pn);
		pn = utf8_next(pattern->p, pattern->n, &pc);
		if (pn == 0 || pc != sc)
			return (0);
	} else if (pc != '?' && pc != sc) {
		return (0);
	}
	*str = span_from(*str, sn);
	*pattern = span_from(*pattern, pn);
	return (1);
}

/*
 * tidwall/match tries every star at every place and gives up after a number
 * of steps.  Only the last star met needs another try: where a later one was
 * reached once, moving an earlier one cannot help.  Same answers, and never
 * more than text times pattern.
 */
int
gj_wildcard(struct gj *g, struct span str, struct span pattern)
{
	struct span star_str = { NULL, 0 }, star_pattern = { NULL, 0 };
	uint32_t rune;

	if (span_is(pattern, "*"))
		return (1);
	while (gj_charge(g, 1)) {
		if (pattern.n && pattern.p[0] == '*') {
			while (pattern.n > 1 && pattern.p[1] == '*')
				pattern = span_from(pattern, 1);
			if (!trim_suffix(&str, &pattern))
				return (0);
			if (pattern.n == 1)
				return (1);
			star_str = str;
			star_pattern = pattern;
			pattern = span_from(pattern, 1);
			continue;
		}
		if (pattern.n == 0 && str.n == 0)
			return (1);
		if (pattern.n && match_one(&str, &pattern))
			continue;
		if (!star_pattern.p || star_str.n == 0)
			return (0);
		star_str = span_from(star_str,
		    utf8_next(star_str.p, star_str.n, &rune));
		str = star_str;
		pattern = span_from(star_pattern, 1);
	}
	return (0);
}

static int
is_falsy(const struct gj_value *v)
{
	int b;

	switch (v->type) {
	case GJ_NULL:
	case GJ_FALSE:
		return (1);
	case GJ_STRING:
		return (gj_parse_bool(v->str, &b) && !b);
	case GJ_NUMBER:
		return (v->num == 0);
	default:
		return (0);
	}
}

int
gj_bool(const struct gj_value *v)
{
	int b = 0;

	switch (v->type) {
	case GJ_TRUE:
		return (1);
	case GJ_STRING:
		return (gj_parse_bool(v->str, &b) && b);
	case GJ_NUMBER:
		return (v->num != 0);
	default:
		return (0);
	}
}

/* ~true, ~false, ~null, ~*: the value as a boolean, compared with true. */
static int
tilde(const struct gj_value *v, struct span word, int *ret)
{
	if (span_is(word, "*"))
		*ret = gj_exists(v);
	else if (span_is(word, "null"))
		*ret = v->type == GJ_NULL;
	else if (span_is(word, "true"))
		*ret = gj_bool(v);
	else if (span_is(word, "false"))
		*ret = is_falsy(v);
	else
		return (0);
	return (1);
}

/* The order's sign against the operator; unordered (NaN) is 2. */
static int
compare(struct span op, int order)
{
	if (span_is(op, "="))
		return (order == 0);
	if (span_is(op, "!="))
		return (order != 0);
	if (span_is(op, "<"))
		return (order < 0);
	if (span_is(op, "<="))
		return (order <= 0);
	if (span_is(op, ">"))
		return (order == 1);
	if (span_is(op, ">="))
		return (order == 0 || order == 1);
	return (0);
}

static int
match_string(struct gj *g, struct span op, struct span str, struct span want)
{
	int order;

	if (span_is(op, "%"))
		return (gj_wildcard(g, str, want));
	if (span_is(op, "!%"))
		return (!gj_wildcard(g, str, want));
	order = span_cmp(str, want);
	return (compare(op, order < 0 ? -1 : order > 0));
}

static int
match_number(struct span op, double num, struct span want)
{
	double other = gj_number(want);

	return (compare(op, num < other ? -1 : num > other ? 1 :
	    num == other ? 0 : 2));
}

/* Booleans know only the order of true over false. */
static int
match_bool(struct span op, int b, struct span want)
{
	const char *same = b ? "true" : "false";

	if (span_is(op, "="))
		return (span_is(want, same));
	if (span_is(op, "!="))
		return (!span_is(want, same));
	if (span_is(op, b ? ">" : "<"))
		return (span_is(want, b ? "false" : "true"));
	return (span_is(op, b ? ">=" : "<="));
}

int
gj_query_matches(struct gj *g, const struct gj_array_path *rp,
    struct gj_value value)
{
	struct span want = rp->query.value;
	int b;

	gj_charge(g, want.n);
	if (want.n && want.p[0] == '~') {
		if (!tilde(&value, span_from(want, 1), &b))
			return (0);
		value = (struct gj_value){ b ? GJ_TRUE : GJ_FALSE,
		    { NULL, 0 }, { NULL, 0 }, 0 };
		want = (struct span){ "true", 4 };
	}
	if (!gj_exists(&value))
		return (0);
	if (rp->query.op.n == 0)
		return (1);
	switch (value.type) {
	case GJ_STRING:
		return (match_string(g, rp->query.op, value.str, want));
	case GJ_NUMBER:
		return (match_number(rp->query.op, value.num, want));
	case GJ_TRUE:
	case GJ_FALSE:
		return (match_bool(rp->query.op, value.type == GJ_TRUE, want));
	default:
		return (0);
	}
}
