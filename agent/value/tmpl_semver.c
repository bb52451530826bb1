/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "value/tmpl_semver.h"

/* --- reading ------------------------------------------------------------ */

static int
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static int
is_allowed(char c)
{
	return (is_digit(c) || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '-');
}

/* Digits at *s, or an empty text. */
static struct text
take_digits(struct text *s)
{
	struct text t = { s->p, 0 };

	while (t.n < s->n && is_digit(s->p[t.n]))
		t.n++;
	s->p += t.n;
	s->n -= t.n;
	return (t);
}

/* ".1", or an empty text and nothing taken. */
static struct text
take_segment(struct text *s)
{
	struct text rest = *s, t = { s->p, 0 };

	if (s->n == 0 || s->p[0] != '.')
		return (t);
	rest.p++;
	rest.n--;
	t = take_digits(&rest);
	if (t.n > 0)
		*s = rest;
	return (t);
}

/* Identifiers with dots between them behind ${mark}; -1: none behind it. */
static int
take_part(struct text *s, char mark, struct text *ret)
{
	size_t n = 1;

	*ret = (struct text){ "", 0 };
	if (s->n == 0 || s->p[0] != mark)
		return (0);
	for (;; n++) {
		size_t from = n;

		while (n < s->n && is_allowed(s->p[n]))
			n++;
		if (n == from)
			return (-1);
		if (n == s->n || s->p[n] != '.')
			break;
	}
	*ret = (struct text){ s->p + 1, n - 1 };
	s->p += n;
	s->n -= n;
	return (0);
}

static int
set_number(struct text t, uint64_t *ret, struct err *err)
{
	*ret = 0;
	if (t.n == 0 || tmpl_parse_uint(t.p, t.n, 10, ret) == 0)
		return (0);
	return (err_set(err, ERR_INVALID, "error parsing version segment: "
	    "strconv.ParseUint: parsing \"%.*s\": value out of range",
	    (int)t.n, t.p));
}

/* Of the identifiers between dots: what a number must not begin with. */
const char *
semver_bad_pre(struct text s)
{
	size_t i, from, digits;

	for (from = 0; from <= s.n; from = i + 1) {
		for (i = from, digits = 0; i < s.n && s.p[i] != '.'; i++) {
			if (!is_allowed(s.p[i]))
				return ("invalid prerelease string");
			digits += (size_t)is_digit(s.p[i]);
		}
		if (i == from)
			return ("invalid prerelease string");
		if (digits == i - from && digits > 1 && s.p[from] == '0')
			return ("version segment starts with 0");
	}
	return (NULL);
}

const char *
semver_bad_metadata(struct text s)
{
	size_t i;

	for (i = 0; i <= s.n; i++) {
		int end = i == s.n || s.p[i] == '.';

		if (end ? i == 0 || s.p[i - 1] == '.' : !is_allowed(s.p[i]))
			return ("invalid metadata string");
	}
	return (NULL);
}

/* coerceNewVersion */
int
semver_parse(struct text s, struct semver *ret, struct err *err)
{
	struct text rest = s, major, minor, patch;
	const char *bad;

	if (rest.n > 0 && rest.p[0] == 'v') {
		rest.p++;
		rest.n--;
	}
	major = take_digits(&rest);
	minor = take_segment(&rest);
	patch = take_segment(&rest);
	if (major.n == 0 || take_part(&rest, '-', &ret->pre) == -1 ||
	    take_part(&rest, '+', &ret->metadata) == -1 || rest.n > 0)
		return (err_set(err, ERR_INVALID,
		    "invalid semantic version"));
	ret->original = s;
	if (set_number(major, &ret->major, err) == -1 ||
	    set_number(minor, &ret->minor, err) == -1 ||
	    set_number(patch, &ret->patch, err) == -1)
		return (-1);
	if (ret->pre.n > 0 && (bad = semver_bad_pre(ret->pre)) != NULL)
		return (err_set(err, ERR_INVALID, "%s", bad));
	return (0);
}

/* --- comparing ---------------------------------------------------------- */

/* The next identifier of a prerelease; empty at the end. */
static struct text
next_identifier(struct text *s)
{
	const char *dot = s->n > 0 ? memchr(s->p, '.', s->n) : NULL;
	struct text t = *s;

	if (dot == NULL) {
		*s = (struct text){ s->p + s->n, 0 };
		return (t);
	}
	t.n = (size_t)(dot - s->p);
	s->p += t.n + 1;
	s->n -= t.n + 1;
	return (t);
}

static int
compare_text(struct text a, struct text b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (order != 0)
		return (order < 0 ? -1 : 1);
	return (a.n < b.n ? -1 : a.n > b.n);
}

/* Numbers by value and before words; what Go cannot parse is a word. */
static int
compare_identifier(struct text a, struct text b)
{
	uint64_t x = 0, y = 0;
	int a_word, b_word;

	if (compare_text(a, b) == 0)
		return (0);
	if (a.n == 0 || b.n == 0)
		return (a.n == 0 ? -1 : 1);
	a_word = tmpl_parse_uint(a.p, a.n, 10, &x) != 0;
	b_word = tmpl_parse_uint(b.p, b.n, 10, &y) != 0;
	if (a_word && b_word)
		return (compare_text(a, b));
	if (a_word != b_word)
		return (b_word ? -1 : 1);
	return (x > y ? 1 : -1);
}

static int
compare_pre(struct text a, struct text b)
{
	int order = 0;

	while (order == 0 && (a.n > 0 || b.n > 0)) {
		struct text x = next_identifier(&a), y = next_identifier(&b);

		order = compare_identifier(x, y);
	}
	return (order);
}

int
semver_compare(const struct semver *a, const struct semver *b)
{
	if (a->major != b->major)
		return (a->major < b->major ? -1 : 1);
	if (a->minor != b->minor)
		return (a->minor < b->minor ? -1 : 1);
	if (a->patch != b->patch)
		return (a->patch < b->patch ? -1 : 1);
	if (a->pre.n == 0 || b->pre.n == 0)
		return ((b->pre.n != 0) - (a->pre.n != 0));
	return (compare_pre(a->pre, b->pre));
}

void
semver_print(const struct semver *v, struct buf *out)
{
	buf_addf(out, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, v->major, v->minor,
	    v->patch);
	if (v->pre.n > 0) {
		buf_addc(out, '-');
		buf_add(out, v->pre.p, v->pre.n);
	}
	if (v->metadata.n > 0) {
		buf_addc(out, '+');
		buf_add(out, v->metadata.p, v->metadata.n);
	}
}
