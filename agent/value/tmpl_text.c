/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "value/tmpl_case.h"
#include "value/tmpl_text.h"

struct text
text_of(const struct tv *v)
{
	return ((struct text){ v->u.s.p, v->u.s.n });
}

int
text_is(struct text t, const char *literal)
{
	return (t.n == strlen(literal) && memcmp(t.p, literal, t.n) == 0);
}

int64_t
text_find(struct text s, struct text sub)
{
	const char *at;

	if (sub.n == 0)
		return (0);
	at = s.n < sub.n ? NULL : memmem(s.p, s.n, sub.p, sub.n);
	return (at == NULL ? -1 : at - s.p);
}

void
text_replace(struct text s, struct text old, struct text with,
    struct buf *out)
{
	uint32_t r;
	int64_t at;
	size_t len;

	if (old.n == 0) {
		buf_add(out, with.p, with.n);
		for (; s.n > 0; s.p += len, s.n -= len) {
			len = utf8_next(s.p, s.n, &r);
			buf_add(out, s.p, len);
			buf_add(out, with.p, with.n);
		}
		return;
	}
	while ((at = text_find(s, old)) >= 0) {
		buf_add(out, s.p, (size_t)at);
		buf_add(out, with.p, with.n);
		s.p += (size_t)at + old.n;
		s.n -= (size_t)at + old.n;
	}
	buf_add(out, s.p, s.n);
}

/* --- split -------------------------------------------------------------- */

/* The length of the next part, and in *skip of what separates it. */
static size_t
next_part(struct text s, struct text sep, size_t *skip)
{
	uint32_t r;
	int64_t at;

	*skip = sep.n;
	if (sep.n == 0) {
		size_t len = utf8_next(s.p, s.n, &r);

		if (len == s.n)
			*skip = SIZE_MAX;
		return (len);
	}
	if ((at = text_find(s, sep)) >= 0)
		return ((size_t)at);
	*skip = SIZE_MAX;
	return (s.n);
}

static size_t
count_parts(struct text s, struct text sep, int64_t max)
{
	size_t n = 0, len, skip;

	if (max == 0 || (sep.n == 0 && s.n == 0))
		return (0);
	for (;;) {
		n++;
		len = next_part(s, sep, &skip);
		if (skip == SIZE_MAX || (max > 0 && n >= (uint64_t)max))
			return (n);
		s.p += len + skip;
		s.n -= len + skip;
	}
}

int
text_split(struct tmpl_run *run, struct text s, struct text sep, int64_t n,
    struct tv *ret, struct err *err)
{
	size_t i, len, skip, parts = count_parts(s, sep, n);

	if (tmpl_steps(run, parts, err) == -1 ||
	    tv_list(run, &tt_strings, parts, ret, err) == -1)
		return (-1);
	for (i = 0; i + 1 < parts; i++) {
		len = next_part(s, sep, &skip);
		ret->u.l.v[i] = tv_strn(s.p, len);
		s.p += len + skip;
		s.n -= len + skip;
	}
	if (parts > 0)
		ret->u.l.v[parts - 1] = tv_strn(s.p, s.n);
	return (0);
}

int
text_repeat(struct text s, int64_t count, struct buf *out, struct err *err)
{
	size_t want;

	if (count == 0)
		return (0);
	if (count < 0)
		return (err_set(err, ERR_INVALID,
		    "strings: negative Repeat count"));
	if (__builtin_mul_overflow(s.n, (size_t)count, &want) ||
	    want > INT64_MAX)
		return (err_set(err, ERR_INVALID,
		    "strings: Repeat output length overflow"));
	if (want > (size_t)1 << 48)
		return (err_set(err, ERR_INVALID,
		    "runtime error: makeslice: len out of range"));
	if (want == 0 || buf_space(out, want) == NULL)
		return (0);
	if (s.n == 1) {
		memset(out->data + out->len, s.p[0], want);
		out->len += want;
		out->data[out->len] = '\0';
		return (0);
	}
	while (count-- > 0)
		buf_add(out, s.p, s.n);
	return (0);
}

/* --- trim --------------------------------------------------------------- */

static int
holds_rune(struct text set, uint32_t rune)
{
	uint32_t r;
	size_t len;

	for (; set.n > 0; set.p += len, set.n -= len) {
		len = utf8_next(set.p, set.n, &r);
		if (r == rune)
			return (1);
	}
	return (0);
}

struct text
text_trim(struct text s, struct text cutset)
{
	uint32_t r;
	size_t len;

	if (cutset.n == 0)
		return (s);
	while ((len = utf8_next(s.p, s.n, &r)) > 0 && holds_rune(cutset, r)) {
		s.p += len;
		s.n -= len;
	}
	while ((len = case_last_rune(s.p, s.n, &r)) > 0 &&
	    holds_rune(cutset, r))
		s.n -= len;
	return (s);
}

int
text_cut(struct text s, int64_t from, int64_t to, struct text *ret,
    struct err *err)
{
	int64_t n = (int64_t)s.n;

	if (from < 0 && to > n)
		return (err_set(err, ERR_INVALID, "runtime error: slice bounds"
		    " out of range [:%" PRId64 "] with length %" PRId64, to,
		    n));
	if (from < 0 && to < 0)
		return (err_set(err, ERR_INVALID, "runtime error: slice bounds"
		    " out of range [:%" PRId64 "]", to));
	if (to < 0)
		to = n;
	if (from < 0)
		from = 0;
	if (from > to)
		return (err_set(err, ERR_INVALID, "runtime error: slice bounds"
		    " out of range [%" PRId64 ":%" PRId64 "]", from, to));
	*ret = (struct text){ s.p + from, (size_t)(to - from) };
	return (0);
}
